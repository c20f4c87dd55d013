"""The main job: are our losses right, and are other people's?

Three legs, each a list of plain rows (`reflosses.report` prints them):

    certification     every loss of ours against its certified truth, and against finite differences
    implementations   functions of other libraries (`reflosses.conventions`) against the certified truth of the loss
                      that they equal, on moderate and on adversarial inputs
    real data         metrics of scikit-learn on predictions of its models, against ours; ours against the truth
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import log2
from typing import Any

import numpy as np

from reflosses import CrossEntropy, Dice, IoU, MeanAbsoluteError, accuracy, arithmetic, catalogue, truth
from reflosses.battery import Problem, moderate
from reflosses.conventions import EXTRA, Peer, hard_masks, peers
from reflosses.conventions.compare import MEMBERS, Measured, call, in_ulp, judged, measured, ulps
from reflosses.conventions.sklearn import REAL, Real, predictions
from reflosses.gradcheck import gradcheck
from reflosses.loss import bind

Tick = Callable[[str, str, int, int], None]  # leg, what is being worked on, how many are done, of how many

LOSSES, FUNCTIONS, REAL_DATA = "certification", "implementations", "real data"
DIFFERENCES = 12  # points an example at which finite differences are taken
NOT_THERE = (AttributeError, ImportError, TypeError)  # what another version of a library raises
SAMPLE = 120  # predictions of real data that are certified, about

OURS = [  # functions of our own that are no `Loss`, certified through the loss that they equal
    Peer(
        "log_softmax",
        CrossEntropy(reduction="none"),
        "import reflosses",
        "-reflosses.log_softmax(yhat)[np.arange(len(y)), y]",
        dtypes=("float64",),
        y_dtype="int64",
    ),
    *(
        Peer(f"overlap.{name}", loss, "import reflosses.overlap", code, dtypes=("bool",), inputs=hard_masks)
        for name, loss, code in (
            ("hard_dice", Dice(reduction="sum"), "reflosses.overlap.hard_dice(y, yhat, 2)[1]"),
            ("hard_iou", IoU(reduction="sum"), "reflosses.overlap.hard_iou(y, yhat, 2)[1]"),
            ("pixel_accuracy", MeanAbsoluteError(), "1 - reflosses.overlap.pixel_accuracy(y, yhat)"),
        )
    ),
]


# ---- results ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One line of a report. `holds`: what it says of our own certification; None if nothing."""

    name: str
    equals: str
    verdict: str
    kind: str  # "right", "off", "wrong", or "missing" where it could not be asked
    holds: bool | None = None
    data: str = ""
    dtype: str = "float64"
    points: int = 0
    value: Measured | None = None
    grad: Measured | None = None
    lines: tuple[str, ...] = ()  # that show what is wrong, to paste
    derivatives: int = 0  # compared with finite differences …
    differences: float | None = None  # … and the largest disagreement, over what rounding and step allow
    sample: int = 0  # rows of real data on which ours was certified …
    own_value: float | None = None  # … and its worst errors there, in ulps
    own_grad: float | None = None
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
    """The legs that ran."""

    seed: int
    points: int
    legs: list[Leg] = field(default_factory=list)
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether our own certification holds; where nothing was certified it does not."""
        held = [row.holds for leg in self.legs for row in leg.rows if row.holds is not None]
        return bool(held) and all(held)


def verify(losses: Sequence[str], seed: int, points: int, tick: Tick = lambda *_: None) -> Report:
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


def _each(leg: str, jobs: Sequence[tuple[str, Any]], tick: Tick) -> Iterator[Any]:
    for done, (name, job) in enumerate(jobs):
        tick(leg, name, done, len(jobs))
        yield job
    tick(leg, "", len(jobs), len(jobs))


def _truth_is_there(missing: list[str]) -> bool:
    if not arithmetic.available():
        missing.append("nothing can be certified without python-flint: pip install 'reflosses[truth]'")
    return arithmetic.available()


def installed(framework: str, missing: list[str]) -> bool:
    """Whether a framework can be imported; if not, `missing` says what to install, once."""
    try:
        importlib.import_module(framework)
    except ImportError:
        told = f"{framework} is not installed, its rows are left out: pip install 'reflosses[{EXTRA[framework]}]'"
        if told not in missing:
            missing.append(told)
        return False
    return True


# ---- leg 1: our losses -----------------------------------------------------------------------------------------------


def certification(losses: Sequence[str], seed: int, points: int, missing: list[str], tick: Tick) -> Iterator[Row]:
    """One row a loss, with all its example parameters, and one for each other function."""
    if not _truth_is_there(missing):
        return
    jobs: list[tuple[str, Any]] = [(name, name) for name in losses]
    jobs += [(p.name, p) for p in OURS if type(p.equals).__name__ in losses]
    for job in _each(LOSSES, jobs, tick):
        if isinstance(job, str):
            yield _certified(job, seed, points)
        else:
            row = asked(job, job.dtypes[0], seed, points)
            verdict = "certified" if row.kind == "right" else row.verdict
            yield replace(row, verdict=verdict, holds=row.kind == "right")


def _certified(name: str, seed: int, points: int) -> Row:
    examples = list(catalogue.examples(catalogue.losses()[name]))
    columns: tuple[list[Measured], list[Measured]] = ([], [])
    apart, compared, total, undecided, wrong = 0.0, 0, 0, 0, ""
    for loss in examples:
        try:
            swept = accuracy.sweep(loss, seed, -(-points // len(examples)) * (MEMBERS if loss.layout.groups else 1))
            checks = [gradcheck(loss, p.y, p.yhat) for p in moderate(loss, seed, DIFFERENCES)]
        except Exception as error:  # whatever it is, it is not certified
            return Row(name, name, f"wrong: {type(error).__name__}: {error}", "wrong", False)
        total, undecided = total + swept.points, undecided + swept.undecided
        for column, worst, bound in zip(columns, (swept.value, swept.grad), loss.bounds, strict=True):
            beyond = not worst.ulp <= bound
            line = f"import reflosses; {worst.line}" if beyond else ""
            column.append(Measured(worst.ulp, bound, swept.points, None, int(beyond), beyond, line=line))
        apart = max([apart, *(c.excess for c in checks)])
        compared += sum(c.checked for c in checks)
        if not all(c.ok for c in checks):
            worst_check = max(checks, key=lambda c: c.excess)
            wrong = f"wrong: approx_fprime of {worst_check.subject} says otherwise"
    value, grad = (max(c, key=lambda m: m.worst / m.bound) for c in columns)
    for what, m in (("value", value), ("gradient", grad)):
        if m.beyond:
            wrong = f"wrong: {what} off by {m.worst:.3g} ulp"
    if undecided > 0.05 * total:  # a derivative that does not exist is rare
        wrong = f"wrong: {undecided} of {total + undecided} could not be certified"
    if not total:
        wrong = "wrong: nothing could be certified"
    note = f"{undecided} problems were left out: no certified result exists there" if undecided else ""
    found = Row(name, name, wrong or "certified", "wrong" if wrong else "right", not wrong, points=total, note=note)
    return replace(found, value=value, grad=grad, lines=_lines(value, grad), derivatives=compared, differences=apart)


# ---- leg 2: other people's functions ---------------------------------------------------------------------------------


def implementations(losses: Sequence[str], seed: int, points: int, missing: list[str], tick: Tick) -> Iterator[Row]:
    """One row a function and dtype, in the order of the losses that they equal."""
    if not _truth_is_there(missing):
        return
    chosen = [p for framework, rows in peers() if installed(framework, missing) for p in rows]
    order = {name: k for k, name in enumerate(losses)}
    chosen = [p for p in chosen if type(p.equals).__name__ in order]
    chosen.sort(key=lambda p: (order[type(p.equals).__name__], p.same_as()))
    for peer in _each(FUNCTIONS, [(p.name, p) for p in chosen], tick):
        for dtype in peer.dtypes:
            yield asked(peer, dtype, seed, points)


def asked(peer: Peer, dtype: str, seed: int, points: int) -> Row:
    """What a function answers, in one dtype, and the verdict."""
    row = Row(peer.name, peer.same_as(), "", "missing", dtype=dtype, note=peer.note)
    try:
        value, grad = measured(peer, dtype, seed, points)
    except NOT_THERE as error:
        return replace(row, verdict=f"not there: {error}")
    tried = max(m.points for m in (value, grad) if m is not None)
    if not tried:
        return replace(row, verdict="nothing could be compared")
    kind, verdict = judged(dtype, value, grad)
    return replace(row, kind=kind, verdict=verdict, lines=_lines(value, grad), points=tried, value=value, grad=grad)


def _lines(*columns: Measured | None) -> tuple[str, ...]:
    return tuple(m.line for m in columns if m is not None and m.line)


# ---- leg 3: real data ------------------------------------------------------------------------------------------------


def real_data(losses: Sequence[str], seed: int, points: int, missing: list[str], tick: Tick) -> Iterator[Row]:
    """One row a metric on the predictions of a model."""
    if not (installed("sklearn", missing) and _truth_is_there(missing)):
        return
    chosen = [r for r in REAL if type(r.peer.equals).__name__ in losses]
    for real in _each(REAL_DATA, [(f"{r.data}, {r.peer.name}", r) for r in chosen], tick):
        yield _on_real_data(real, seed)


def _on_real_data(real: Real, seed: int) -> Row:
    peer, loss = real.peer, real.peer.equals
    y, yhat = predictions(real.data, real.output)
    weight = np.full(bind(loss, yhat.shape).value_shape, peer.factor)
    row = Row(peer.name, peer.same_as(), "", "missing", data=f"{real.data}: {real.output}", points=len(yhat))
    try:
        theirs = call(peer, y, yhat)
    except NOT_THERE as error:
        return replace(row, verdict=f"not there: {error}")
    try:
        ours = loss.value_and_grad(y, yhat, weight=weight)
        rows = max(4, SAMPLE * len(yhat) // yhat.size)
        part = np.random.default_rng(seed).choice(len(yhat), rows, replace=False)
        alone, sample = replace(loss, reduction="none"), Problem(y[part], yhat[part])
        own = [float(e.max()) for e in accuracy.errors(alone, sample, truth.certified(alone, *sample, strict=False))]
    except Exception as error:
        return replace(row, verdict=f"ours is wrong: {type(error).__name__}: {error}", kind="wrong", holds=False)
    slack = 0.0 if loss.reduction == "none" else log2(yhat.size)  # of sums in floating point, pairwise
    codes = (peer.value, peer.grad)
    columns = [
        _agreement(real, c, a, b, m + slack) for c, a, b, m in zip(codes, theirs, ours, loss.bounds, strict=True)
    ]
    kind, verdict = judged("float64", *columns)
    holds = own[0] <= loss.bounds.value and own[1] <= loss.bounds.grad
    if not holds:
        verdict = f"ours is wrong: off by {in_ulp(own[0])} and {in_ulp(own[1])} ulp; theirs: {verdict}"
    row = replace(row, verdict=verdict, kind=kind, holds=holds, lines=_lines(*columns), note=peer.note)
    return replace(row, value=columns[0], grad=columns[1], sample=rows, own_value=own[0], own_grad=own[1])


def _agreement(real: Real, code: str | None, theirs: Any, ours: Any, bound: float) -> Measured | None:
    """Theirs against ours: values, or gradients."""
    if code is None:
        return None
    error = np.atleast_1d(ulps(theirs, ours, 0.0, "float64", real.peer.unit))
    at = int(np.argmax(error))
    got, exact, beyond = float(np.ravel(theirs)[at]), float(np.ravel(ours)[at]), int((error > bound).sum())
    found = Measured(float(error.max()), bound, error.size, None, beyond, got=got, exact=exact)
    if not beyond:
        return found
    given = f"from reflosses.conventions.sklearn import predictions; y, yhat = predictions{real.data, real.output}"
    where = ", ".join(map(str, np.unravel_index(at, np.shape(theirs))))
    line = (
        f"import numpy as np; {real.peer.imports}; {given}; {code}{where and f'[{where}]'}  # {got!r}, ours: {exact!r}"
    )
    return replace(found, wrong=bool(error.max() > 2.0**26), line=line)
