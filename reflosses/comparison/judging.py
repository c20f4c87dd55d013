"""Which answers to a block of numbers are right, and what is wrong with the others: the rules of `verdict`, for arrays.

The truth is our float64 result, which errs by a few units of float64: 2^-26 of a unit of float32. Most answers are then
seen to be right at once. The others are judged like those of `check`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflosses.comparison.expected import Scaled, exact, parts
from reflosses.comparison.formats import Format
from reflosses.comparison.one_prediction import (
    OnePrediction,
    regimes_at,
    stackable,
)
from reflosses.comparison.verdict import DOUBLE_MAX, FREEDOM, VERDICTS, Numbers, judged, unavoidable, verdicts
from reflosses.evaluation.call import Call
from reflosses.evaluation.domain import Bools, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import flatten, per_loss, unstack
from reflosses.truth.accuracy import error_scales

RIGHT = len(VERDICTS)  # the code of a right number; a wrong one has the index of its verdict
CODES = {name: k for k, name in enumerate(VERDICTS)}


@dataclass(frozen=True)
class Judged:
    """One column of a block: a code and an error in ulps for each number, and which roundings are not known."""

    codes: NDArray[np.uint8]
    ulps: Floats
    rounded: int
    undecided: NDArray[np.int64]  # places
    got: Floats  # one number for each place, the one that moves
    exact: Floats
    settled: Floats  # answers at the undecided places, one loss a row
    worst: int  # the index of the largest error, and its numbers
    shown: tuple[float, float]


class NumberJudge:
    """The rules for one loss of which one prediction moves."""

    def __init__(self, target: Loss | Scaled, one: OnePrediction, form: Format, subnormals: bool) -> None:
        self.target, self.one, self.form, self.subnormals = target, one, form, subnormals
        self.factor, loss = parts(target)
        self.loss = stackable(loss)
        self.truth: Loss | Scaled = loss if self.loss is None else self.loss
        if self.factor != 1 and not isinstance(self.truth, Scaled):
            self.truth = Scaled(self.factor, self.truth)
        self.bounds = loss.bounds

    def judge(
        self, start: int, numbers: Floats, value: Floats | None, grad: Floats | None, failed: Bools
    ) -> dict[str, Judged]:
        """Both columns of one block."""
        with np.errstate(all="ignore"):
            y, yhat = self.one.at(numbers)
            due = self._due(y, yhat)
            columns = {"value": (value, due[0], self.bounds.value), "gradient": (grad, due[1], self.bounds.grad)}
            rows = {
                what: (got, d.reshape(len(numbers), -1), bound)
                for what, (got, d, bound) in columns.items()
                if got is not None
            }
            scales = self._scales(y, yhat)
            quick = {what: self._quick(*row, scales[what]) for what, row in rows.items()}
            doubtful = np.flatnonzero(failed | ~np.logical_and.reduce([ok for ok, *_ in quick.values()]))
            careful = self._careful(numbers, y, yhat, rows, doubtful) if len(doubtful) else {}
            return {
                what: self._column(start, rows[what], quick[what], careful.get(what), doubtful, failed) for what in rows
            }

    def _due(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats]:
        """Our own values and gradients, one loss a row."""
        if self.loss is None:
            loss = parts(self.target)[1]
            each = [loss.value_and_grad(*unstack(loss, y[i : i + 1], yhat[i : i + 1])) for i in range(len(yhat))]
            value, grad = np.array([v for v, _ in each]), np.array([g for _, g in each])
        else:
            value, grad = self.loss.value_and_grad(*unstack(self.loss, y, yhat))
            grad = per_loss(self.loss, grad)
        return (value, grad) if self.factor == 1 else (self.factor * value, self.factor * grad)

    def _scales(self, y: Floats, yhat: Floats) -> dict[str, Floats | None]:
        """What the errors of our own results are relative to, where that is not the results."""
        if self.loss is None or type(self.loss).error_scale is Loss.error_scale:
            return {"value": None, "gradient": None}
        value, grad, _ = error_scales(self.loss, Call(self.loss, *unstack(self.loss, y, yhat)).units())
        as_rows = (None if a is None else self.factor * a.reshape(len(yhat), -1) for a in (value, grad))
        return dict(zip(("value", "gradient"), as_rows, strict=True))

    def _quick(
        self, got: Floats, due: Floats, bound: float, scale: Floats | None
    ) -> tuple[Bools, Floats, Bools, Bools]:
        """Which answers are right at once, all errors in ulps, which are correctly rounded, and which may not be."""
        size = np.abs(due)
        unit = (size.view(np.int64) & 0x7FF0000000000000).view(np.float64)  # the power of two below
        unit *= self.form.eps
        np.clip(unit, self.form.smallest, self.form.eps * 2.0 ** (self.form.top - 1), out=unit)
        ulps = np.abs(got - due)
        ulps /= unit
        same = self._rounded(got) == self._rounded(due)
        beyond = np.abs(got) > self.form.max  # an answer in a wider format
        if beyond.any():
            same &= ~beyond | np.isinf(got) | (ulps <= FREEDOM * bound)
        ulps[~np.isfinite(ulps) & same] = 0.0
        margin = np.fmin(size if scale is None else np.fmax(size, scale), DOUBLE_MAX) * ((bound + 1) * 2.0**-52)
        open_ = self._rounded(due - margin) != self._rounded(due + margin)
        ok = same | (ulps <= FREEDOM * bound)
        return ok.all(axis=1), ulps.max(axis=1), same.all(axis=1), open_.any(axis=1)

    def _rounded(self, a: Floats) -> Any:
        """Numbers of the format, comparable among themselves."""
        if self.form.name in ("float32", "float16"):
            return a.astype(self.form.name)
        return self.form.round(a)

    def _careful(
        self, numbers: Floats, y: Floats, yhat: Floats, rows: dict[str, Any], which: NDArray[np.int64]
    ) -> dict[str, tuple[Bools, Floats, Any]]:
        """Right or wrong, error and verdict by the rules of `check`, for some of the numbers."""
        truth = exact(self.truth, y[which], yhat[which], proved=False)
        free = unavoidable(self.truth, y[which], yhat[which], truth, self.form, self.subnormals)
        regimes = regimes_at(parts(self.target)[1], self.form, self.one, numbers[which])
        lost = np.isnan(flatten(truth.value.reshape(len(which), -1))).any(axis=1)
        found = {}
        for what, (got, _, bound) in rows.items():
            if what == "value":
                columns = (truth.value, truth.value, truth.value, truth.value_size, free[0])
            else:
                columns = (truth.grad, truth.low, truth.high, truth.grad_size, free[1])
            table = Numbers(got[which], *(np.broadcast_to(_as_rows(c, len(which)), got[which].shape) for c in columns))
            half = judged(table, bound, np.ones(len(which), bool), self.form)[0]
            right, ulps, _ = judged(table, bound, np.zeros(len(which), bool), self.form)
            minus_zero = (numbers[which] == 0) & np.signbit(numbers[which])  # its infinity may have either sign
            right |= minus_zero[:, None] & np.isinf(table.got) & np.isinf(table.exact)
            where = np.where(half, "A", regimes[:, None])  # half of its digits are right: no other formula
            codes = verdicts(what, where, table.got, table.exact, table.size, self.form)
            codes = np.where(right, RIGHT, codes).min(axis=1)
            if what == "gradient":
                codes = np.where(lost, RIGHT, codes)  # if the value is NaN, the slope may be anything
            found[what] = codes == RIGHT, np.where(lost, 0.0, ulps.max(axis=1)), codes
        return found

    def _column(
        self, start: int, row: Any, quick: Any, careful: Any, which: NDArray[np.int64], failed: Bools
    ) -> Judged:
        got, due, _ = row
        ok, ulps, same, open_ = quick
        codes = np.full(len(ok), RIGHT, np.uint8)
        if careful is not None:
            right, errors, verdict = careful
            codes[which] = verdict
            ulps[which] = np.where(np.isfinite(ulps[which]) & right, np.fmin(ulps[which], errors), errors)
        codes[failed] = CODES["crash"]
        ulps[failed] = inf
        column = self.moving(got), self.moving(due)
        capped = self._capped(codes, *column, start)
        codes[capped] = CODES["capped"]
        unknown = np.flatnonzero(open_ & ~failed)
        rounded = int((same & ~open_ & ~failed).sum())
        i = int(np.argmax(ulps))
        k = int(np.argmax(_distances(got[i], due[i])))
        shown = float(got[i, k]), float(due[i, k])
        return Judged(codes, ulps, rounded, start + unknown, *column, got[unknown], i, shown)

    def moving(self, a: Floats) -> Floats:
        """Of each row the number of the prediction that moves; of values, the only one."""
        if a.shape[1] == 1:
            return a[:, 0]
        place = int(np.ravel_multi_index(self.one.place, self.one.yhat.shape)) if self.one.place else 0
        return np.ascontiguousarray(a[:, place])

    def _capped(self, codes: Any, got: Floats, due: Floats, start: int) -> Any:
        """Wrong numbers below half of the exact result, and the same as that of a neighbour: a clip.

        Rounding, too, gives neighbours the same number, but a larger one.
        """
        wrong = np.flatnonzero((codes == CODES["inaccurate"]) | (codes == CODES["other convention"]))
        wrong = wrong[np.abs(due[wrong]) > 2 * np.abs(got[wrong])]
        other = ((wrong + start) ^ 1) - start  # pairs of neighbours, which no block divides
        inside = (other >= 0) & (other < len(got))
        wrong, other = wrong[inside], other[inside]
        return wrong[(got[wrong] == got[other]) & (got[wrong] != 0)]


def _distances(got: Floats, due: Floats) -> Floats:
    """How far numbers are from what is due, relative to it; infinite where one of them is no number."""
    with np.errstate(all="ignore"):
        off = np.where(got == due, 0.0, np.abs(got - due) / np.abs(due))
    return np.nan_to_num(off, nan=inf)


def _as_rows(a: Any, count: int) -> Any:
    return a if np.ndim(a) == 0 else np.reshape(a, (count, -1))
