"""How a loss is evaluated: block by block, on as many threads as pay.

Nothing else in the library knows of blocks or buffers. A block is a box of neighbouring units, small enough
for what is computed of it to stay in the cache; with a block, `Units` converts and checks its numbers, the loss makes
losses and slopes of them, the losses are added to an exact sum and the slopes written to their place in the gradient.
What a unit gets depends on nothing but its own numbers, and exact sums on no order, so the results are the same bits
whatever the blocks and the threads.

Losses that need sums first (`sums`) take two passes where a unit is longer than a block, or where all units share them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeVar

import numpy as np

from reflosses.evaluation.axes import Box, boxes
from reflosses.evaluation.call import Arguments, Units, marked
from reflosses.evaluation.domain import Bools, Floats, OutsideDomain, within
from reflosses.evaluation.numerics import accurate_sum
from reflosses.evaluation.sums import ExactSum, UndecidedError, scaled
from reflosses.evaluation.threads import get_num_threads, in_parallel, keep_freed_memory

_BLOCK = 2**17  # predictions: a few arrays of a megabyte, which the caches hold, and few calls of NumPy a prediction
_LONG = 2**17  # predictions: a unit of more than these is cut into blocks, too
_WORTH_SHARING = 2**19  # predictions: with fewer, a second thread costs more than it saves

T = TypeVar("T")


def evaluate(arguments: Arguments, value: bool, slopes: int) -> tuple[Any, list[Floats]]:
    """The value if it is asked for, and the gradient (slopes = 1), the one-sided derivatives (2) or nothing (0)."""
    keep_freed_memory(arguments.yhat.size)
    try:
        with np.errstate(all="ignore"):
            try:
                return _Evaluation(arguments, value, slopes, ExactSum.enclosed).results()
            except UndecidedError:
                return _Evaluation(arguments, value, slopes, ExactSum.of).results()
    except OutsideDomain:
        raise arguments.error() from None


class _Evaluation:
    """One call: its results, and what each block adds to them."""

    def __init__(self, arguments: Arguments, value: bool, slopes: int, summed: Callable[[Floats], ExactSum]) -> None:
        self.arguments, self.loss, self.layout = arguments, arguments.loss, arguments.plan.reading
        self.value, self.slopes, self.summed = value, slopes, summed
        layout, predictions = self.layout, arguments.yhat.size
        self.sharing = get_num_threads() if predictions >= _WORTH_SHARING else 1
        few = predictions <= _BLOCK
        self.boxes = (layout.whole,) if few else layout.boxes(self._size(layout.units, layout.members))
        self.divisor = self._divisor()
        self.total: ExactSum | None = None
        self.only: float | None = None  # the one loss there is
        self.lock = threading.Lock()
        self.losses: Floats | None = None
        if value and self.loss.reduction == "none":
            self.losses = np.empty(layout.value_shape)
        self.outs = [arguments.out] if arguments.out is not None else [np.empty(layout.shape) for _ in range(slopes)]

    def results(self) -> tuple[Any, list[Floats]]:
        """The value, or None, and the gradients."""
        plan = self.arguments.plan
        if plan.needs_mass and self.arguments.lacks_mass(map(self.arguments.block, self.boxes)):
            raise OutsideDomain
        if self.loss.reads_all_predictions:
            self._add_coupled()
        elif self.loss.sums is not None and self.layout.members > _LONG:
            for box in boxes(self.layout.value_shape, 1):
                self._add_long(box)
        else:
            self._spread(self._add_block, self.boxes)
        if plan.reading is not plan.layout:
            self.outs = [out.reshape(plan.layout.shape) for out in self.outs]
        return self._reduced(), self.outs

    def _size(self, units: int, predictions: int) -> int:
        """How many of so many units of so many predictions are a block: as many for each thread, if they share."""
        most = _BLOCK // (predictions or 1) or 1
        if units <= most:
            return most
        blocks = self.sharing * -(-units // (most * self.sharing))
        return -(-units // blocks)

    def _spread(self, work: Callable[[T], None], items: Sequence[T]) -> None:
        if self.sharing > 1 and len(items) > 1:
            in_parallel(work, items)
        else:
            for item in items:
                work(item)

    def _divisor(self) -> ExactSum | int:
        """What the reduction divides by: 1, the number of losses, or the sum of their weights."""
        reduction = self.loss.reduction
        if reduction == "weighted_mean":
            return sum(map(self._weight_of, self.boxes), ExactSum(0))
        if reduction != "mean":
            return 1
        if not self.arguments.plan.ignores:
            return self.layout.units
        return sum(self.arguments.block(box).count for box in self.boxes)

    def _weight_of(self, box: Box) -> ExactSum:
        units = self.arguments.block(box).check_weight()
        own = self.loss.divisor_weight(units.read().y) if marked(self.loss.__class__, "per_class") else None
        if own is not None:
            return ExactSum.of(own, units.weight)
        return ExactSum.integer(units.kept) if units.weight is None else ExactSum.of(units.weight)

    def _reduced(self) -> Any:
        if self.losses is not None:
            return self.losses.reshape(self.arguments.plan.layout.value_shape)
        if not self.value or self.only is not None:
            return self.only
        total = self.total or ExactSum(0)
        return float(total) if self.loss.reduction == "sum" else total.over(self.divisor)

    # ---- what a block adds -------------------------------------------------------------------------------------

    def _add_block(self, box: Box) -> None:
        """Whole units, which need no other."""
        units = self.arguments.block(box).read()
        sums = () if self.loss.sums is None else map(accurate_sum, self.loss.sums(units.y, units.yhat, units.weight))
        self._add(units, *sums)

    def _add(self, units: Units, *sums: Floats, value: bool = True) -> None:
        """Losses and slopes of some units, weighted, reduced and put in place."""
        loss, arguments = self.loss, (units.y, units.yhat, *units.parameters)
        terms = loss.terms(*arguments, *sums)
        rare = _rare(loss, terms[0])
        patch = None if rare is None else loss.full(*(a[rare] for a in arguments))
        if self.value and value:
            self._add_losses(units, _patched(loss.losses(*terms), rare, patch, 0))
        if self.slopes:
            through = loss.slope_through_weight(*terms) if loss.reads_all_predictions else None
            slopes = [_patched(side, rare, patch, 1) for side in self._slopes(terms)]
            for out, slope in zip(self.outs, slopes, strict=True):
                self._put(out, units, slope, through)

    def _add_losses(self, units: Units, losses: Floats) -> None:
        if units.weight is not None:
            losses = losses * units.weight
        if self.losses is not None:
            place = self.losses[(*units.outer, ...)]
            np.add(units.placed(losses).reshape(place.shape), 0.0, out=place)  # without −0
            return
        if self.layout.units == losses.size == self.divisor == 1:
            self.only = losses.item() + 0.0  # there is nothing to add or to divide by
            return
        part = self.summed(losses)
        with self.lock:
            self.total = part if self.total is None else self.total + part

    def _slopes(self, terms: tuple[Any, ...]) -> Sequence[Floats]:
        """The slope, or both one-sided derivatives in the order of their size."""
        if self.slopes == 1:
            return (self.loss.slopes(*terms),)
        left, right = self.loss.one_sided_slopes(*terms)
        return np.minimum(left, right), np.maximum(left, right)

    def _put(self, out: Floats, units: Units, slopes: Floats, through: Floats | None) -> None:
        """Slopes times weight over divisor, to their place in a gradient."""
        place, weight, divisor = self.layout.place(out, units.outer, units.inner), units.weight, self.divisor
        if not divisor:
            place[...] = 0.0
            return
        if weight is None and units.keep is None and through is None and isinstance(divisor, int):
            slopes = slopes.reshape(place.shape)
            if divisor > 1:
                slopes = np.divide(slopes, divisor, out=place)  # nothing can overflow or underflow early
        else:
            each = None if weight is None else weight.reshape(-1, *[1] * (slopes.ndim - 1))
            result = scaled(slopes, each, divisor)
            if through is not None:
                result = result + scaled(through, None, divisor)
            slopes = units.placed(result).reshape(place.shape)
        np.add(slopes, 0.0, out=place)  # without −0

    # ---- sums over more than a block -----------------------------------------------------------------------------

    def _add_coupled(self) -> None:
        """All units, of which each needs sums over all."""
        if self.loss.sums is None:
            self._add(self.arguments.block(self.layout.whole).read())
            return
        sums = self._sums([(box, ()) for box in self.boxes])
        self._spread(lambda box: self._add(self.arguments.block(box).read(), *sums), self.boxes)

    def _add_long(self, unit: Box) -> None:
        """One unit that is longer than a block: its sums, of these its loss, and its slopes block by block."""
        last = tuple(self.layout.shape[axis] for axis in self.layout.groups[-1])
        parts = [(unit, part) for part in boxes(last, self._size(prod(last), self.layout.members // prod(last)))]
        sums = self._sums(parts)

        def add(part: tuple[Box, Box]) -> None:
            self._add(self.arguments.block(*part).read(), *sums, value=part is parts[0])

        self._spread(add, parts if self.slopes else parts[:1])

    def _sums(self, parts: Sequence[tuple[Box, Box]]) -> list[Floats]:
        """The sums that a loss asks for, over the last axis of all these blocks together: exact, and rounded once."""
        totals: list[ExactSum] = []
        shape: tuple[int, ...] = ()

        def add(part: tuple[Box, Box]) -> None:
            nonlocal totals, shape
            units = self.arguments.block(*part).read()
            terms = self.loss.sums(units.y, units.yhat, units.weight)
            each = [self.summed(row) for a in terms for row in a.reshape(prod(a.shape[:-1]), a.shape[-1])]
            with self.lock:
                shape = (len(terms), *terms[0].shape[:-1])
                totals = [t + e for t, e in zip(totals, each, strict=True)] if totals else each

        self._spread(add, parts)
        return list(np.array([float(t) for t in totals]).reshape(shape))


def _rare(loss: Any, first: Floats) -> Bools | None:
    """Which units the plain forms are not for; None: they are for all."""
    low, high = loss.short
    return None if loss.full is None or within(first, low, high) else ~((first >= low) & (first <= high))


def _patched(plain: Floats, rare: Bools | None, patch: Any, which: int) -> Floats:
    """The plain form, with the extreme one where that holds."""
    if patch is None:
        return plain
    whole = np.array(plain)
    whole[rare] = patch[which]
    return whole
