"""Every number of a format as a prediction: asked in blocks, judged by the rules of `verdict`, and counted.

The truth is our float64 result, which errs by a few units of float64: 2^-26 of a unit of float32. Most answers are then
seen to be right at once. The others are judged like those of `check`. The candidate is called in this thread, block by
block in the order of the numbers; other threads judge. Counts do not depend on blocks and threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from inspect import signature
from itertools import pairwise
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reflosses.comparison.battery import LossBlock
from reflosses.comparison.candidate import Answer, Candidate
from reflosses.comparison.census import BINS, LINES, Counted, CountedTarget, LargestError, Profile, Run
from reflosses.comparison.expected import Scaled, exact, parts
from reflosses.comparison.formats import Format
from reflosses.comparison.levels import NEXT_TO_A_BORDER, ONE_OF_ALL
from reflosses.comparison.one_prediction import (
    BORDER,
    OnePrediction,
    borders,
    ends,
    hard_regime,
    regimes_at,
    stackable,
)
from reflosses.comparison.result import numbers as written
from reflosses.comparison.verdict import DOUBLE_MAX, FREEDOM, VERDICTS, Numbers, judged, unavoidable, verdicts
from reflosses.evaluation.call import Call
from reflosses.evaluation.domain import Bools, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import flatten, one_loss_a_call, per_loss, unstack
from reflosses.evaluation.threads import get_num_threads
from reflosses.truth.accuracy import error_scales
from reflosses.truth.arithmetic import CannotCertifyError, available
from reflosses.truth.proof import certified

BLOCK = 2**17  # predictions of a call
RUNS = 2**16  # runs that are kept apart
NEAR = 1000  # runs with less than this part of all numbers between them are one, if there are too many to tell
FAILED = 4096  # calls that may fail before a failing block is no longer halved
ALONE = 5  # numbers that are asked alone before a failing block is halved
SETTLED = 2**15  # answers of one column whose rounding is settled by a proof
PROVED = 2**8  # of them in one proof
SAMPLES = 8  # numbers of a run that are asked again
CLIP = 200  # a cap at more than this part of all numbers is a clip; rounding caps fewer
FEW = 10_000  # one wrong number of so many, next to a border, is no other formula
RIGHT = len(VERDICTS)  # the code of a right number; a wrong one has the index of its verdict

Tick = Callable[[int, int], None]  # told of progress: numbers done, all numbers


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


# ---- asking ----------------------------------------------------------------------------------------------------------


class _Asker:
    """The answers of a candidate at blocks of numbers. A block at which it fails is halved to find the number."""

    def __init__(self, asked: Candidate, loss: Loss, slopes: bool = True) -> None:
        self.asked, self.loss, self.slopes, self.failed, self.errors = asked, loss, slopes, 0, dict[str, int]()
        self.single = loss.reduction != "none" or one_loss_a_call(loss)

    def answers(self, one: OnePrediction, numbers: Floats) -> tuple[Floats | None, Floats | None, Bools]:
        """Values and gradients, one loss a row, and where the candidate fails; None for what it does not give."""
        count, failed = len(numbers), np.zeros(len(numbers), bool)
        values: list[Floats | None] = []
        slopes: list[Floats | None] = []
        for part in self._parts(count):
            self._ask(one, numbers, part, values, slopes, failed)
        return _joined(values, count), _joined(slopes, count), failed

    def _parts(self, count: int) -> Iterator[slice]:
        yield from (slice(i, i + 1) for i in range(count)) if self.single else (slice(0, count),)

    def _ask(self, one: OnePrediction, numbers: Floats, part: slice, values: Any, slopes: Any, failed: Bools) -> None:
        y, yhat = one.at(numbers[part])
        answer = self._rows(self.asked.ask(*unstack(self.loss, y, yhat)), yhat)
        if not answer.error:
            values.append(answer.value)
            slopes.append(answer.grad)
            return
        self.failed += 1
        size = part.stop - part.start
        if size > 1 and self.failed < FAILED and not self.asked.given_up and not self._fails_alone(one, numbers, part):
            middle = part.start + size // 2
            for half in (slice(part.start, middle), slice(middle, part.stop)):
                self._ask(one, numbers, half, values, slopes, failed)
            return
        self.errors[answer.fault] = self.errors.get(answer.fault, 0) + size
        failed[part] = True
        values.append(np.full((size, 1), nan))
        slopes.append(np.full(yhat.reshape(size, -1).shape, nan) if self.slopes else None)

    def _fails_alone(self, one: OnePrediction, numbers: Floats, part: slice) -> bool:
        """Whether the candidate fails at single numbers all over a part. Then no half of it is asked again."""
        if part.stop - part.start <= ALONE:
            return False
        for i in np.linspace(part.start, part.stop - 1, ALONE).round().astype(int).tolist():
            y, yhat = one.at(numbers[i : i + 1])
            if self.asked.given_up or not self._rows(self.asked.ask(*unstack(self.loss, y, yhat)), yhat).error:
                return False
        return True

    def _rows(self, answer: Answer, yhat: Floats) -> Answer:
        """An answer with one loss a row; an error if its size is not that of the losses."""
        if answer.error:
            return answer
        value, grad = answer.value, answer.grad
        if value is not None:
            if value.size % len(yhat) or not value.size:
                return Answer(error=f"its value has shape {value.shape}")
            value = value.reshape(len(yhat), -1)
        if grad is not None:
            if grad.size != yhat.size:
                return Answer(error=f"its gradient has shape {grad.shape}")
            grad = flatten(per_loss(self.loss, grad.reshape(unstack(self.loss, yhat, yhat)[1].shape)))
        return Answer(value, grad)


def _joined(found: list[Floats | None], count: int) -> Floats | None:
    """The parts of a block; a part that failed takes the width of the others."""
    known = [a for a in found if a is not None]
    if len(known) < len(found) or not known:
        return None
    width = max(a.shape[1] for a in known)
    return known[0] if len(known) == 1 else np.concatenate([np.broadcast_to(a, (len(a), width)) for a in known])


# ---- judging ---------------------------------------------------------------------------------------------------------


class _Judge:
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
        codes[failed] = _CODE["crash"]
        ulps[failed] = inf
        column = self._moving(got), self._moving(due)
        capped = self._capped(codes, *column, start)
        codes[capped] = _CODE["capped"]
        unknown = np.flatnonzero(open_ & ~failed)
        rounded = int((same & ~open_ & ~failed).sum())
        i = int(np.argmax(ulps))
        k = int(np.argmax(_distances(got[i], due[i])))
        shown = float(got[i, k]), float(due[i, k])
        return Judged(codes, ulps, rounded, start + unknown, *column, got[unknown], i, shown)

    def _moving(self, a: Floats) -> Floats:
        """Of each row the number of the prediction that moves; of values, the only one."""
        if a.shape[1] == 1:
            return a[:, 0]
        place = int(np.ravel_multi_index(self.one.place, self.one.yhat.shape)) if self.one.place else 0
        return np.ascontiguousarray(a[:, place])

    def _capped(self, codes: Any, got: Floats, due: Floats, start: int) -> Any:
        """Wrong numbers below half of the exact result, and the same as that of a neighbour: a clip.

        Rounding, too, gives neighbours the same number, but a larger one.
        """
        wrong = np.flatnonzero((codes == _CODE["inaccurate"]) | (codes == _CODE["other convention"]))
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


_CODE = {name: k for k, name in enumerate(VERDICTS)}


def _as_rows(a: Any, count: int) -> Any:
    return a if np.ndim(a) == 0 else np.reshape(a, (count, -1))


# ---- counting --------------------------------------------------------------------------------------------------------


class _Neighbours(NamedTuple):
    """Runs of one verdict: places from `first` to `last`, of which `many` have it, with answers from low to high."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    many: NDArray[np.int64]
    low: Floats
    high: Floats

    def at(self, which: Any) -> _Neighbours:
        """Some of the runs."""
        arrays: Any = (a[which] for a in self)
        return _Neighbours(*arrays)

    def followed_by(self, more: _Neighbours) -> _Neighbours:
        """These runs, and more."""
        arrays: Any = (np.concatenate(both) for both in zip(self, more, strict=True))
        return _Neighbours(*arrays)

    def in_order(self) -> _Neighbours:
        """The runs in the order of their places."""
        return self.at(np.argsort(self.first, kind="stable"))


@dataclass
class _Column:
    """The counts of one column so far."""

    form: Format
    low: int  # the places of all numbers, from the first to one beyond the last
    high: int
    bound: float
    counted: Counted = field(default_factory=Counted)
    runs: dict[int, _Neighbours] = field(default_factory=dict)
    gap: int = 1  # runs with fewer right numbers between them are one
    before: tuple[float, float] | None = None  # answer and exact result of the last number
    worst: tuple[float, int, float, float] | None = None
    open: list[tuple[NDArray[np.int64], Floats]] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts = min(BINS, self.high - self.low)
        self.edges = self.low + -(-np.arange(parts, dtype=np.int64) * (self.high - self.low) // parts)
        if self.high == int(self.form.places(1.0)) + 1:  # probabilities: few parts are near 1, which is as hard as 0
            near_one = self.form.places(self.form.round(1 - 2.0 ** -np.arange(1, self.form.bits + 2, 1 / 8)))
            self.edges = np.union1d(self.edges, near_one[near_one > self.low])
        self.ulps, self.codes = np.zeros(len(self.edges)), np.full(len(self.edges), RIGHT)

    def add(self, start: int, found: Judged) -> None:
        """Count one more block, in the order of the numbers."""
        c, codes = self.counted, found.codes
        c.asked += len(codes)
        c.correctly_rounded += found.rounded
        kinds = np.bincount(codes, minlength=RIGHT + 1)
        c.right += int(kinds[RIGHT])
        for k in np.flatnonzero(kinds[:RIGHT]).tolist():
            c.verdicts[VERDICTS[k]] = c.verdicts.get(VERDICTS[k], 0) + int(kinds[k])
        self._runs(start, codes, found.got)
        if self.worst is None or found.ulps[found.worst] > self.worst[0]:
            self.worst = float(found.ulps[found.worst]), start + found.worst, *found.shown
        if len(found.undecided):
            self.open.append((found.undecided, found.settled))
        self._profile(start, found)
        self._falls(start, found)

    def _runs(self, start: int, codes: Any, got: Floats) -> None:
        edges = np.flatnonzero(codes[1:] != codes[:-1]) + 1
        first, stop = np.concatenate([[0], edges]), np.concatenate([edges, [len(codes)]])
        kinds = codes[first]
        if (kinds == RIGHT).all():
            return
        low, high = np.minimum.reduceat(got, first), np.maximum.reduceat(got, first)
        for k in np.unique(kinds[kinds != RIGHT]).tolist():
            own = kinds == k
            places = first[own] + start, stop[own] + start - 1, stop[own] - first[own]
            new = _Neighbours(*places, low[own], high[own])
            old = self.runs.get(k)
            self.runs[k] = _close(new if old is None else old.followed_by(new), self.gap)
        while sum(len(r.first) for r in self.runs.values()) > RUNS:
            self.gap *= 2
            self.runs = {k: _close(r, self.gap) for k, r in self.runs.items()}

    def _profile(self, start: int, found: Judged) -> None:
        part = np.searchsorted(self.edges, start, "right") - 1
        stop = int(np.searchsorted(self.edges, start + len(found.codes), "left"))
        at = np.maximum(self.edges[part:stop] - start, 0)
        self.ulps[part:stop] = np.fmax(self.ulps[part:stop], np.maximum.reduceat(found.ulps, at))
        self.codes[part:stop] = np.minimum(self.codes[part:stop], np.minimum.reduceat(found.codes, at))

    def _falls(self, start: int, found: Judged) -> None:
        """Neighbours whose answers go down where the exact results go up, or the other way round."""
        got, due = found.got, found.exact
        if self.before is not None:
            start -= 1
            got, due = np.concatenate([[self.before[0]], got]), np.concatenate([[self.before[1]], due])
        with np.errstate(all="ignore"):
            step, right = np.diff(got), np.diff(due)
            sure = np.abs(right) > (self.bound + 1) * 2.0**-51 * np.abs(due[1:])
            falls = np.flatnonzero(sure & (step * np.sign(right) < 0))
        if len(falls) and not self.counted.falls:
            self.counted.falls_at = self._number(start + int(falls[0]) + 1)
        self.counted.falls += len(falls)
        self.before = float(got[-1]), float(due[-1])

    def _number(self, place: int) -> float:
        return float(self.form.numbers_at(place))

    def finish(self, judge: _Judge, what: str, settle: bool) -> Counted:
        """The counts, with runs, the worst error and the profile."""
        c = self.counted
        self._join_caps()
        if self.worst is not None:
            ulp, place, got, due = self.worst
            number = self._number(place)
            y, yhat = (written(a) for a in judge.one.at(np.array([number])))
            line = f"y, yhat = np.array({y}), np.array({yhat})  # {what} {got + 0.0:.17g}, exactly {due + 0.0:.17g}"
            c.worst = LargestError(ulp, number, got, due, line)
        c.runs = [
            Run(VERDICTS[k], self._number(first), self._number(last), many, last - first + 1)
            for k, first, last, many in _told(self.runs, c.asked)
        ]
        verdict = np.where(self.codes == RIGHT, -1, self.codes)
        c.profile = Profile(self.form.numbers_at(self.edges), self.ulps, verdict)
        self._settle(judge, what, SETTLED if settle and available() and judge.loss is not None else 0)
        return c

    def _join_caps(self) -> None:
        """Inaccurate numbers next to a cap are a part of it where they have its answer."""
        cap, verdicts = _CODE["capped"], self.counted.verdicts
        for other in (_CODE["inaccurate"], _CODE["other convention"]):
            if cap not in self.runs or other not in self.runs:
                continue
            caps, near = self.runs[cap], self.runs[other]
            joins = _touching(near, caps)
            if joins.any():
                moved, count = near.at(joins), int(near.many[joins].sum())
                self.runs[cap] = _close(caps.followed_by(moved).in_order(), self.gap)
                self.runs[other] = near.at(~joins)
                verdicts["capped"] += count
                verdicts[VERDICTS[other]] -= count
        self.runs = {k: r for k, r in self.runs.items() if len(r.first)}
        self.counted.verdicts = {name: n for name, n in verdicts.items() if n}

    def _settle(self, judge: _Judge, what: str, most: int) -> None:
        """Prove so many of the roundings that our own results leave open."""
        if not self.open:
            return
        places, got = (np.concatenate(a) for a in zip(*self.open, strict=True))
        known = 0
        got = got.reshape(len(places), -1)
        for start in range(0, min(len(places), most), PROVED):
            part = slice(start, min(start + PROVED, most))
            rounded = _correctly_rounded(judge, what, places[part])
            if rounded is not None:
                settled = ~np.isnan(rounded).any(axis=1)
                known += int(settled.sum())
                self.counted.correctly_rounded += int(
                    (self.form.round(got[part]) == rounded)[settled].all(axis=1).sum()
                )
        self.counted.undecided = len(places) - known


def _correctly_rounded(judge: _Judge, what: str, places: NDArray[np.int64]) -> Floats | None:
    """The proved results at some places, rounded once to the format, one loss a row; None if nothing is proved.

    NaN is a result that may be the midpoint of two numbers: no ball tells on which side of it the exact result is.
    """
    form, loss = judge.form, judge.loss
    assert loss is not None
    numbers = form.numbers_at(places)
    y, yhat = unstack(loss, *judge.one.at(numbers))
    weight = None if judge.factor == 1 else np.full(loss.layout.bind(np.shape(yhat)).value_shape, judge.factor)
    try:
        truth = certified(loss, y, yhat, weight, strict=False, slopes=what == "gradient")
    except CannotCertifyError:
        return None
    near, rest = (
        (np.asarray(truth.value), np.asarray(truth.value_rest)) if what == "value" else (truth.grad, truth.grad_rest)
    )
    if what == "gradient":
        near, rest = (per_loss(loss, a) for a in (near, rest))
    near, rest = near.reshape(len(places), -1), rest.reshape(len(places), -1)
    with np.errstate(all="ignore"):
        below, above = form.round(np.nextafter(near, -inf)), form.round(np.nextafter(near, inf))
        middle = (below + above) / 2
        side = np.sign((near - middle) + rest)
    found = np.where(below == above, below, np.where(side < 0, below, np.where(side > 0, above, nan)))
    if what == "value" and not loss.layout.groups:
        for i in np.flatnonzero(np.isnan(found[:, 0])).tolist():
            due = exact_fraction(loss, np.ravel(y)[i], np.ravel(yhat)[i])
            if due is not None:
                beside = (due * Fraction(judge.factor)) - Fraction(float(middle[i, 0]))
                found[i, 0] = form.round(near)[i, 0] if beside == 0 else (above if beside > 0 else below)[i, 0]
    return found


class _NoFunctions:
    """The functions of a definition, where only the four operations are allowed."""

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


def exact_fraction(loss: Loss, y: float, yhat: float) -> Fraction | None:
    """One loss as a fraction, by its definition; None if this has an exponential, a root or a logarithm."""
    names = list(signature(loss.definition).parameters)[3:]
    parameters = [getattr(loss, name) for name in names]
    if not all(isinstance(p, int | float) for p in parameters):
        return None
    try:
        found = loss.definition(_NoFunctions(), *map(Fraction, (float(y), float(yhat), *parameters)))
    except NotImplementedError:
        return None
    return Fraction(found)


def _close(runs: _Neighbours, gap: int) -> _Neighbours:
    """Runs with fewer than `gap` numbers between them become one; two that touch always do."""
    keep = np.concatenate([[True], runs.first[1:] - runs.last[:-1] - 1 >= gap])
    at = np.flatnonzero(keep)
    last = runs.last[np.concatenate([at[1:] - 1, [len(runs.last) - 1]])]
    low, high = np.minimum.reduceat(runs.low, at), np.maximum.reduceat(runs.high, at)
    return _Neighbours(runs.first[at], last, np.add.reduceat(runs.many, at), low, high)


def _touching(runs: _Neighbours, caps: _Neighbours) -> Bools:
    """Which runs have one answer alone, and touch a run that has this answer."""
    ends: set[tuple[int, float]] = set()
    for first, last, _, low, high in zip(*(a.tolist() for a in caps), strict=True):
        ends |= {(place, answer) for place in (first - 1, last + 1) for answer in (low, high)}
    rows = zip(*(a.tolist() for a in runs), strict=True)
    return np.array([low == high and not ends.isdisjoint({(a, low), (b, low)}) for a, b, _, low, high in rows])


def _told(runs: dict[int, _Neighbours], asked: int) -> list[tuple[int, int, int, int]]:
    """At most LINES runs, the worst verdict first. If there are more, those with the largest gaps stay apart."""
    if sum(len(r.first) for r in runs.values()) > LINES:
        runs = {k: _close(r, asked // NEAR) for k, r in runs.items()}
    gaps = [(int(g), k, i) for k, r in runs.items() for i, g in enumerate(r.first[1:] - r.last[:-1])]
    gaps.sort(key=lambda gap: (-gap[0], gap[1], gap[2]))
    apart = {(k, i) for _, k, i in gaps[: max(0, LINES - len(runs))]}
    found = []
    for k in sorted(runs):
        first, last, many, *_ = runs[k]
        starts = [0, *(i + 1 for i in range(len(first) - 1) if (k, i) in apart), len(first)]
        for a, b in pairwise(starts):
            found.append((k, int(first[a]), int(last[b - 1]), int(many[a:b].sum())))
    return found


# ---- a comparison of the wrong ones ----------------------------------------------------------------------------------


def blocks_of(loss: Loss, form: Format, one: OnePrediction, counted: CountedTarget) -> list[LossBlock]:
    """Some numbers of each run, as blocks that `check` asks and judges: these tell levels and limits."""
    found: dict[tuple[str, str], list[Floats]] = {}
    for _, column in counted.columns():
        for run in column.runs:
            first, last = (int(form.places(x)) for x in (run.first, run.last))
            places = np.linspace(first, last, SAMPLES).round().astype(np.int64)
            if column.worst is not None and run.holds(column.worst.number):
                places = np.append(places, form.places(column.worst.number))
            numbers = form.numbers_at(np.unique(places))
            few = run.count * FEW < column.asked and _next_to_a_border(loss, form, one, first, last)
            regimes, strict = regimes_at(loss, form, one, numbers), hard_regime(loss)
            clip = run.verdict == "capped" and run.count * CLIP > column.asked
            own = NEXT_TO_A_BORDER if few else "" if clip else ONE_OF_ALL
            asked = [(np.where(regimes == "moderate", strict, regimes), own)]
            asked += [] if few else [(regimes, own)]
            for names, more in asked:
                for regime in np.unique(names).tolist():
                    found.setdefault((regime, f"{one.name}{more}"), []).append(numbers[names == regime])
    return [
        LossBlock(regime, name, *one.at(np.unique(np.concatenate(numbers))))
        for (regime, name), numbers in found.items()
    ]


def _next_to_a_border(loss: Loss, form: Format, one: OnePrediction, first: int, last: int) -> bool:
    places = form.places(borders(loss, form, one))
    return bool((np.abs(places - first) <= BORDER).any() or (np.abs(places - last) <= BORDER).any())


# ---- one target ------------------------------------------------------------------------------------------------------


def count_numbers(
    asked: Candidate,
    target: Loss | Scaled,
    one: OnePrediction,
    form: Format,
    into: CountedTarget,
    *,
    block: int = BLOCK,
    threads: int | None = None,
    slopes: bool = True,
    settle: bool = True,
    tick: Tick = lambda done, total: None,
) -> dict[str, int]:
    """Ask every number as the prediction that moves, count into `into`, and return how often each error was raised.

    slopes: whether the candidate gives gradients. settle: whether to prove which answers are correctly rounded, where
    our own results leave that open. After a KeyboardInterrupt the blocks that are done are counted.
    """
    loss = parts(target)[1]
    judge, asker = _Judge(target, one, form, asked.subnormals), _Asker(asked, loss, slopes)
    low, high = ends(loss, form)
    bounds = {"value": loss.bounds.value, "gradient": loss.bounds.grad}
    columns = {what: _Column(form, low, high, bound) for what, bound in bounds.items()}
    size = max(2, block // max(1, one.yhat.size) & ~1)
    waiting: deque[tuple[int, Future[dict[str, Judged]]]] = deque()

    def take() -> None:
        start, done = waiting.popleft()
        for what, found in done.result().items():
            columns[what].add(start, found)

    many = threads or get_num_threads()
    with ThreadPoolExecutor(many) as pool:
        try:
            for start in (low, *range((low // size + 1) * size, high, size)):
                tick(start - low, high - low)
                numbers = form.numbers(start, min((start // size + 1) * size, high))
                value, grad, failed = asker.answers(one, numbers)
                waiting.append((start, pool.submit(judge.judge, start, numbers, value, grad, failed)))
                if len(waiting) > 2 * many:
                    take()
            tick(high - low, high - low)
        finally:
            while waiting:
                take()
            into.value, into.gradient = (columns[what].finish(judge, what, settle) for what in columns)
    return asker.errors
