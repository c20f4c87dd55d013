"""The main job: are our losses right, and are other people's?

Three legs, each a list of plain rows (`reflosses.report` prints them):

    certification     every loss of ours against its certified truth, and against finite differences
    implementations   functions of other libraries (`reflosses.conventions`) against the certified truth of the loss
                      that they equal, on moderate and on adversarial inputs
    real data         metrics of scikit-learn on predictions of its models, against ours; ours against the truth

A function is *right* if it keeps the accuracy that we promise of our own, in ulps of its dtype, wherever its domain
reaches; *off* if it keeps at least half of its digits; *wrong* if it does not, or gives a zero, an infinity or a NaN
that the exact result is not.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reflosses import accuracy, catalogue, truth
from reflosses.battery import Problem, hard, moderate, single
from reflosses.conventions import EXTRA, Peer, brief, peers
from reflosses.domain import Classes, Floats
from reflosses.gradcheck import gradcheck
from reflosses.loss import Loss, Units

Tick = Callable[[str, str, int, int], None]  # leg, what is being worked on, how many are done, of how many

LOSSES, FUNCTIONS, REAL_DATA = "certification", "implementations", "real data"


# ---- results ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Errors of one column (values or gradients): the worst in ulps, on all inputs and on moderate ones."""

    worst: float
    moderate: float
    bound: float
    points: int
    beyond: int = 0  # points whose error is above the bound
    got: float | None = None  # what came out at the worst of these …
    exact: float | None = None  # … what should have …
    line: str = ""  # … and the line that shows it


@dataclass(frozen=True)
class Row:
    """One line of a report. `ours`: whether it is our own certification that hangs on it."""

    name: str
    equals: str
    verdict: str
    kind: str  # "right", "off", "wrong", or "missing" where it could not be asked
    ours: bool = False
    data: str = ""
    dtype: str = "float64"
    points: int = 0
    value: Measured | None = None
    grad: Measured | None = None
    differences: float | None = None  # the worst relative disagreement of gradient and finite differences
    note: str = ""


@dataclass
class Leg:
    """One leg's rows; `missing` says what to install for those that are not there."""

    name: str
    rows: list[Row] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Report:
    """All legs that ran."""

    seed: int
    points: int
    legs: list[Leg] = field(default_factory=list)
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether our own certification holds, as far as it went; nothing certified is not certified."""
        ours = [row for leg in self.legs for row in leg.rows if row.ours]
        return bool(ours) and all(row.kind == "right" for row in ours)


def verify(losses: list[str], seed: int, points: int, tick: Tick = lambda *_: None) -> Report:
    """Run all legs for the losses of these names; an interrupt ends it with what is done so far."""
    report = Report(seed, points)
    try:
        for name, rows in ((LOSSES, certification), (FUNCTIONS, implementations), (REAL_DATA, real_data)):
            leg = Leg(name)
            report.legs.append(leg)
            start = time.perf_counter()
            try:
                for row in rows(losses, seed, points, leg.missing, tick):
                    leg.rows.append(row)
            finally:
                leg.seconds = time.perf_counter() - start
    except KeyboardInterrupt:
        report.interrupted = True
    return report


# ---- leg 1: our losses -----------------------------------------------------------------------------------------------


def certification(losses: list[str], seed: int, points: int, missing: list[str], tick: Tick) -> Iterator[Row]:
    """One row a loss: all its example parameters, swept."""
    if truth.flint is None:
        missing.append("nothing can be certified without python-flint: pip install 'reflosses[truth]'")
        return
    for done, name in enumerate(losses):
        tick(LOSSES, name, done, len(losses))
        yield _certified(name, seed, points)
    tick(LOSSES, "", len(losses), len(losses))


def _certified(name: str, seed: int, points: int) -> Row:
    examples = list(catalogue.examples(catalogue.losses()[name]))
    share = max(10, -(-points // len(examples)))
    columns: dict[str, list[Measured]] = {"value": [], "grad": []}
    relative, total, wrong = 0.0, 0, ""
    for loss in examples:
        try:
            swept = accuracy.sweep(loss, seed, share)
            checks = [gradcheck(loss, p.y, p.yhat) for p in moderate(loss, seed, 12)]
        except (ArithmeticError, TypeError, ValueError) as error:
            return Row(name, name, f"wrong: {loss} raises {type(error).__name__}: {error}", "wrong", ours=True)
        total += swept.points
        for key, worst, bound in zip(columns, (swept.value, swept.grad), loss.bounds, strict=True):
            columns[key].append(
                Measured(worst.ulp, np.nan, bound, swept.points, int(worst.ulp > bound), line=worst.line)
            )
        relative = max([relative, *(c.relative for c in checks)])
        if not all(c.ok for c in checks):
            wrong = f"wrong: {max(checks, key=lambda c: c.excess).subject} disagrees with approx_fprime"
    value, grad = (max(c, key=lambda m: m.worst / m.bound) for c in columns.values())
    for column, m in (("value", value), ("gradient", grad)):
        if m.beyond:
            wrong = f"wrong: {column} off by {m.worst:.3g} ulp"
    kind = "wrong" if wrong else "right"
    return Row(name, name, wrong or "certified", kind, True, "", "float64", total, value, grad, relative)


# ---- leg 2: other people's functions ---------------------------------------------------------------------------------


def implementations(losses: list[str], seed: int, points: int, missing: list[str], tick: Tick) -> Iterator[Row]:
    """One row a function and dtype."""
    if truth.flint is None:
        missing.append("no truth to compare with without python-flint: pip install 'reflosses[truth]'")
        return
    chosen = [(f, p) for f, all_ in peers() for p in all_ if type(p.equals).__name__ in losses and installed(f, missing)]
    for done, (_, peer) in enumerate(sorted(chosen, key=lambda c: losses.index(type(c[1].equals).__name__))):
        tick(FUNCTIONS, peer.name, done, len(chosen))
        for dtype in peer.dtypes:
            yield measure(peer, dtype, seed, points)
    tick(FUNCTIONS, "", len(chosen), len(chosen))


def installed(framework: str, missing: list[str]) -> bool:
    """Whether a framework can be imported; if not, `missing` says what to install, once."""
    try:
        importlib.import_module(framework)
    except ImportError:
        told = f"the rows of {framework} are left out: pip install 'reflosses[{EXTRA[framework]}]'"
        if told not in missing:
            missing.append(told)
        return False
    return True
