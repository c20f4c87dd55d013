"""Every number of a format as a prediction: asked in blocks, judged, and counted.

The candidate is called in this thread, block by block in the order of the numbers; other threads judge. Counts do not
depend on blocks and threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from math import nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reflosses.comparison.candidate import Answer, Candidate
from reflosses.comparison.census import BINS, LINES, Counted, CountedTarget, LargestError, Profile, Run
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import Format
from reflosses.comparison.judging import CODES, RIGHT, Judged, NumberJudge
from reflosses.comparison.one_prediction import (
    OnePrediction,
    ends,
)
from reflosses.comparison.result import numbers as written
from reflosses.comparison.rounding import correctly_rounded
from reflosses.comparison.verdict import VERDICTS
from reflosses.evaluation.domain import Bools, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import flatten, one_loss_a_call, per_loss, unstack
from reflosses.evaluation.threads import get_num_threads
from reflosses.truth.arithmetic import available

BLOCK = 2**17  # predictions of a call
RUNS = 2**16  # runs that are kept apart
NEAR = 1000  # runs with less than this part of all numbers between them are one, if there are too many to tell
FAILED = 4096  # calls that may fail before a failing block is no longer halved
ALONE = 5  # numbers that are asked alone before a failing block is halved
SETTLED = 2**15  # answers of one column whose rounding is settled by a proof
PROVED = 2**8  # of them in one proof

Tick = Callable[[int, int], None]  # told of progress: numbers done, all numbers


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
        c.undecided += len(found.undecided)
        room = max(0, SETTLED - sum(len(places) for places, _ in self.open))
        if len(found.undecided) and room:
            self.open.append((found.undecided[:room], found.settled[:room]))
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

    def finish(self, judge: NumberJudge, what: str, settle: bool) -> Counted:
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
        cap, verdicts = CODES["capped"], self.counted.verdicts
        for other in (CODES["inaccurate"], CODES["other convention"]):
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

    def _settle(self, judge: NumberJudge, what: str, most: int) -> None:
        """Prove at most so many of the roundings that our own results leave open."""
        if not self.open:
            return
        places, got = (np.concatenate(a) for a in zip(*self.open, strict=True))
        got = got.reshape(len(places), -1)
        for start in range(0, min(len(places), most), PROVED):
            part = slice(start, min(start + PROVED, most))
            rounded = correctly_rounded(judge, what, places[part])
            if rounded is not None:
                settled = ~np.isnan(rounded).any(axis=1)
                self.counted.undecided -= int(settled.sum())
                self.counted.correctly_rounded += int(
                    (self.form.round(got[part]) == rounded)[settled].all(axis=1).sum()
                )


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
    judge, asker = NumberJudge(target, one, form, asked.subnormals), _Asker(asked, loss, slopes)
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
