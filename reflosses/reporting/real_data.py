"""The third leg of `verify`: scikit-learn's metrics on predictions of its models against ours; ours against the truth.

The predictions are those of `reflosses.frameworks.sklearn`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import log2
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Candidate
from reflosses.comparison.expected import parts
from reflosses.comparison.formats import FORMATS
from reflosses.evaluation.call import bind
from reflosses.evaluation.loss import Loss
from reflosses.frameworks.function import brief, written
from reflosses.frameworks.sklearn import FRAMEWORK as SKLEARN
from reflosses.frameworks.sklearn import REAL_DATA, Real, predictions
from reflosses.reporting.rows import ON_REAL_DATA, Measured, ReportRow, Tick, Wanted, in_turn
from reflosses.truth import accuracy, proof
from reflosses.truth.arithmetic import available
from reflosses.truth.sampling import Problem

SAMPLE = 120  # about so many predictions are certified
HALF = 2.0**26  # ulps of float64: half of its digits


def real_data_rows(wanted: Wanted, missing: list[str], tick: Tick) -> Iterator[ReportRow]:
    """One row for each metric on the predictions of a model; none without scikit-learn, as the second leg tells."""
    if "sklearn" in wanted.against and SKLEARN.version is not None:
        chosen = [r for r in REAL_DATA if r.function.name_of_loss(r.given) in wanted.losses]
        jobs = [(f"{r.data}, {r.function.name}", partial(_on_real_data, r, wanted.seed)) for r in chosen]
        yield from in_turn(ON_REAL_DATA, jobs, tick)


def _on_real_data(real: Real, seed: int) -> ReportRow:
    """A metric of scikit-learn against our loss, and our loss against the truth on a sample."""
    y, yhat = predictions(real.data, real.output)
    function, target = real.function, real.function.loss(real.given)
    factor, loss = parts(target)
    weight = np.full(bind(loss, yhat.shape).value_shape, factor)
    data = f"{real.data}: {real.output}"
    row = ReportRow(function.name, brief(target), "", "missing", data=data, points=len(yhat), note=function.note)
    candidate: Candidate = real.framework.candidate(function, real.given, FORMATS["float64"])
    theirs = candidate.ask(y, yhat)
    if theirs.error:
        return replace(row, verdict=f"not there: {theirs.error}")
    try:
        ours = loss.value_and_grad(y, yhat, weight=weight)
        count = max(4, SAMPLE * len(yhat) // yhat.size)
        part = np.random.default_rng(seed).choice(len(yhat), count, replace=False)
        alone, sample = replace(loss, reduction="none"), Problem(y[part], yhat[part])
        own = _own_errors(alone, sample) if available() else None
    except Exception as error:
        return replace(row, verdict=f"ours is wrong: {type(error).__name__}: {error}", kind="wrong", holds=False)
    slack = 0.0 if loss.reduction == "none" else log2(yhat.size)  # the rounding of a pairwise sum in floating point
    columns: dict[str, Any] = {}  # Measured
    lines: list[str] = []
    for what, got, exact, bound in zip(("value", "grad"), theirs[:2], ours, loss.bounds[:2], strict=True):
        if got is not None:
            ulps = np.atleast_1d(accuracy.ulps(got, np.asarray(exact), np.zeros(1), np.asarray(function.unit)))
            beyond = int((ulps > bound + slack).sum())
            columns[what] = Measured(float(ulps.max()), bound + slack, ulps.size, beyond)
            lines += [_line(real, what, int(ulps.argmax()), got, exact)] if beyond else []
    kind, verdict = _agreement([*columns.values()])
    row = replace(row, verdict=verdict, kind=kind, lines=tuple(lines), **columns)
    if own is None:
        return row
    holds = own[0] <= loss.bounds.value and own[1] <= loss.bounds.grad
    if not holds:
        verdict = f"ours is wrong: off by {own[0]:.2g} and {own[1]:.2g} ulp; theirs: {verdict}"
    return replace(row, verdict=verdict, holds=holds, sample=count, own_value=own[0], own_grad=own[1])


def _own_errors(loss: Loss, sample: Problem) -> list[float]:
    """The worst errors of our value and of our gradient on a sample, in ulps."""
    return [float(e.max()) for e in accuracy.errors(loss, sample, proof.certified(loss, *sample, strict=False))]


def _agreement(columns: list[Measured]) -> tuple[str, str]:
    """The kind and the verdict of theirs against ours."""
    m = max(columns, key=lambda c: (c.beyond > 0, c.worst))
    if not m.beyond:
        return "right", f"right (within {m.worst:.2g} ulp)"
    share = f" at {100 * m.beyond / m.points:.2g} %" if m.points > 1 else ""
    return ("off" if m.worst < HALF else "wrong"), f"off by {m.worst:.2g} ulp{share}"


def _line(real: Real, what: str, at: int, got: Any, exact: Any) -> str:
    """A line to paste that shows theirs against ours."""
    source = real.function.code if what == "value" else real.function.grad or ""
    code = written(source, real.function.arguments(real.given))
    where = ", ".join(map(str, np.unravel_index(at, np.shape(got)))) if np.ndim(got) else ""
    given = f"from reflosses.frameworks.sklearn import predictions; y, yhat = predictions{real.data, real.output}"
    both = f"{float(np.ravel(got)[at])!r}, ours: {float(np.ravel(exact)[at])!r}"
    imports = "; ".join(["import numpy as np", *real.framework.imports.splitlines()])
    return f"{imports}; {given}; {code}{where and f'[{where}]'}  # {both}"
