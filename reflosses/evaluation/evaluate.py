"""How a loss is evaluated: block by block, in two passes, on as many threads as pay.

This file decides the blocks and the threads. A block is small enough for the cache. A loss and its slopes do not depend
on the other losses of a block, and exact sums not on the order: the bits are the same for all blocks and threads, up to
the sign of a NaN.

The first pass makes sums that several blocks share: over all units, or over a unit that is longer than a block. Most
losses need none. The second pass makes losses and derivatives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from math import prod
from typing import Any

import numpy as np

from reflosses.evaluation.axes import Box, boxes
from reflosses.evaluation.call import Block, Call, chosen, marked
from reflosses.evaluation.domain import MAX, Bools, Floats, OutsideDomain, within
from reflosses.evaluation.numerics import accurate_sum
from reflosses.evaluation.sums import Sum, UndecidedError, decided, enclosed_sum, exact_dot, exact_sum, plus, scaled
from reflosses.evaluation.threads import get_num_threads, in_parallel, keep_freed_memory

_BLOCK = 2**17  # predictions: a few arrays of a megabyte, which the caches hold, and few calls of NumPy a prediction
_LONG = 2**17  # predictions: a unit of more than these is cut into blocks, too
_WORTH_SHARING = 2**19  # predictions: with fewer, a second thread costs more than it saves

# The method of a loss that makes derivatives: how many arrays, their place in `full`, what passes through a weight.
DERIVATIVES = {
    "": (0, 0, ""),
    "slopes": (1, 1, "slope_through_weight"),
    "one_sided_slopes": (2, 1, "slope_through_weight"),
    "curvatures": (1, 2, "curvature_through_weight"),
}


def evaluate(call: Call, value: bool, derivative: str) -> tuple[Any, list[Floats]]:
    """The value (None if it is not wanted), and the arrays of one of the DERIVATIVES."""
    keep_freed_memory(call.yhat.size)
    try:
        with np.errstate(all="ignore"):
            try:
                return _two_passes(call, Result(call, value, derivative, enclosed_sum))
            except UndecidedError:
                return _two_passes(call, Result(call, value, derivative, lambda x: (exact_sum(x), 0.0)))
    except OutsideDomain:
        raise call.error() from None


def _two_passes(call: Call, result: Result) -> tuple[Any, list[Floats]]:
    for group in groups(call):
        sums = _shared_sums(call, group, result.summed) if _share_sums(call) else None
        _in_parallel(call, partial(result.add, sums=sums), group)
    return result.value(), result.outs


# ---- blocks, and the sums that they share ----------------------------------------------------------------------------


def groups(call: Call) -> Iterator[list[Box]]:
    """The boxes of all blocks, in groups. The blocks of a group share sums, such as those of one long overlap."""
    layout = call.shapes.layout
    if not _share_sums(call):
        yield [()] if call.loss.reads_all_predictions else _boxes(call)
    elif call.loss.reads_all_predictions:
        yield _boxes(call)
    else:
        last = layout.unit_shape[-1]
        for unit in boxes(layout.value_shape, 1):
            yield layout.boxes_inside(unit, _size(call, last, layout.members // last))


def _share_sums(call: Call) -> bool:
    loss = call.loss
    return loss.sums is not None and (loss.reads_all_predictions or call.shapes.layout.members > _LONG)


def _boxes(call: Call) -> list[Box]:
    layout, reads = call.shapes.layout, call.shapes.reads
    return [()] if layout.units * reads <= _BLOCK else layout.boxes(_size(call, layout.units, reads))


def _size(call: Call, units: int, predictions: int) -> int:
    """The most units in a block, of so many units of so many predictions: all threads get about as many blocks."""
    most, threads = _BLOCK // (predictions or 1) or 1, _threads(call)
    return most if units <= most else -(-units // (threads * -(-units // (most * threads))))


def _threads(call: Call) -> int:
    return get_num_threads() if call.yhat.size >= _WORTH_SHARING else 1


def _in_parallel(call: Call, work: Callable[[Box], None], group: Sequence[Box]) -> None:
    if len(group) > 1 and _threads(call) > 1:
        in_parallel(work, group)
    else:
        for box in group:
            work(box)


def _summands(block: Block) -> tuple[Floats, ...]:
    """What the loss asks to be summed along the last axis."""
    loss, weight = block.loss, (block.weight,) if block.loss.reads_all_predictions else ()
    summands: tuple[Floats, ...] = loss.sums(block.y, block.yhat, *weight)
    return summands


def _shared_sums(call: Call, group: Sequence[Box], summed: Callable[[Floats], tuple[Sum, float]]) -> list[Floats]:
    """The sums over all blocks of a group together: exact, and rounded once."""
    totals: list[tuple[Sum, float]] = []
    shape: tuple[int, ...] = ()
    lock = threading.Lock()

    def add(box: Box) -> None:
        nonlocal totals, shape
        summands = _summands(Block(call, box))
        each = [summed(row) for a in summands for row in a.reshape(prod(a.shape[:-1]), a.shape[-1])]
        with lock:
            shape = (len(summands), *summands[0].shape[:-1])
            totals = [(plus(t[0], e[0]), t[1] + e[1]) for t, e in zip(totals, each, strict=True)] if totals else each

    _in_parallel(call, add, group)
    return list(np.array([decided(*t) for t in totals]).reshape(shape))


def _divisor(call: Call) -> Fraction | int:
    """What the reduction divides by: 1, the number of losses, or the sum of their weights."""
    reduction = call.loss.reduction
    if reduction == "mean":
        ignores, units = call.shapes.ignores, call.shapes.layout.units
        return sum(call.taking_part(box)[2] for box in _boxes(call)) if ignores else units
    return sum(_weight_of(call, box) for box in _boxes(call)) if reduction == "weighted_mean" else 1


def _weight_of(call: Call, box: Box) -> Any:
    """The sum of the weights in a box, each times its class weight."""
    _, weight, count = call.taking_part(box)
    if weight is not None and not within(weight, 0.0, MAX):
        raise OutsideDomain
    own = call.loss.divisor_weight(Block(call, box).y) if marked(call.loss.__class__, "per_class") else None
    if own is None:
        return count if weight is None else exact_sum(weight)
    return exact_sum(own) if weight is None else exact_dot(own, weight)


# ---- results ---------------------------------------------------------------------------------------------------------


class Result:
    """What a call returns. Blocks add to it in any order."""

    def __init__(self, call: Call, value: bool, derivative: str, summed: Callable[[Floats], tuple[Sum, float]]) -> None:
        self.call, self.loss, self.layout = call, call.loss, call.shapes.layout
        self.wants_value, self.derivative, self.summed = value, derivative, summed
        self.divisor = _divisor(call)
        self.total: tuple[Sum, float] = Fraction(0), 0.0  # the sum of the losses so far, and its radius
        self.only: float | None = None  # the one loss there is
        self.lock = threading.Lock()
        self.losses = np.empty(self.layout.value_shape) if value and self.loss.reduction == "none" else None
        given = [] if call.out is None else [call.out]
        self.outs = given or [np.empty(self.layout.shape) for _ in range(DERIVATIVES[derivative][0])]

    def value(self) -> Any:
        """The reduced value, once all blocks are in; UndecidedError if a radius leaves it open."""
        if self.losses is not None or not self.wants_value or self.only is not None:
            return self.only if self.losses is None else self.losses
        return decided(*self.total, self.divisor)

    def add(self, box: Box, sums: Sequence[Floats] | None) -> None:
        """Losses and derivatives of a block, weighted, reduced and put in place. Without `sums`, a unit has its own."""
        first = not any(s.start for s in box[len(self.layout.outer) :])  # the box starts its units, or holds them
        if not first and not self.derivative:
            return
        loss, block = self.loss, Block(self.call, box)
        if sums is None and loss.sums is not None:
            sums = [accurate_sum(a) for a in _summands(block)]
        arguments = (block.y, block.yhat, *block.parameters)
        terms = loss.terms(*arguments, *(sums or ()))
        rest = _not_short(loss, terms[0])
        jumps = self._jumps(block, terms)
        if rest is not None and jumps is not None and self.derivative == "one_sided_slopes":
            rest = rest & ~jumps  # the full form has one slope
        full = None if rest is None else loss.full(*(chosen(a, rest) for a in arguments))
        if self.wants_value and first:
            self._add_losses(block, _patched(loss.losses(*terms), rest, full, 0))
        if self.derivative:
            arrays, place, through_weight = DERIVATIVES[self.derivative]
            through = getattr(loss, through_weight)(*terms) if loss.reads_all_predictions else None
            found = getattr(loss, self.derivative)(*terms)
            if arrays == 2:
                found = np.minimum(*found), np.maximum(*found)
            for out, slopes in zip(self.outs, found if arrays == 2 else (found,), strict=True):
                slopes = _patched(slopes, rest, full, place)
                if jumps is not None and self.derivative == "curvatures":
                    slopes = np.where(jumps, np.nan, slopes)
                self._put(out, block, slopes, through)

    def _jumps(self, block: Block, terms: Sequence[Any]) -> Bools | None:
        """The kinks at which the slope jumps, if they matter: where the one-sided slopes differ as floats."""
        kinks = self.loss.kinks(block.y) if self.derivative not in ("", "slopes") else ()
        if not kinks:
            return None
        left, right = self.loss.one_sided_slopes(*terms)
        differ: Bools = (left < right) | (left > right) | (np.isnan(left) != np.isnan(right))
        return np.asarray(differ & np.logical_or.reduce([block.yhat == kink for kink in kinks]))

    def _add_losses(self, block: Block, losses: Floats) -> None:
        if block.weight is not None:
            losses = losses * block.weight
        if self.losses is not None:
            place = self.losses[(*block.outer, ...)]
            np.add(block.placed(losses).reshape(place.shape), 0.0, out=place)  # without −0
        elif self.layout.units == losses.size == self.divisor == 1:
            self.only = losses.item() + 0.0  # there is nothing to add or to divide by
        else:
            total, radius = self.summed(losses)
            with self.lock:
                self.total = plus(self.total[0], total), self.total[1] + radius

    def _put(self, out: Floats, block: Block, slopes: Floats, through: Floats | None) -> None:
        """Slopes times weight over divisor, to their place in a gradient."""
        place, weight, divisor = self.layout.place(out, block.box), block.weight, self.divisor
        if not divisor:
            place[...] = 0.0
            return
        if weight is None and block.keep is None and through is None and isinstance(divisor, int):
            slopes = slopes.reshape(place.shape)
            if divisor > 1:
                slopes = np.divide(slopes, divisor, out=place)  # nothing can overflow or underflow early
        else:
            each = None if weight is None else weight.reshape(-1, *[1] * (slopes.ndim - 1))
            result = scaled(slopes, each, divisor)
            if through is not None:
                result = result + scaled(through, None, divisor)
            slopes = block.placed(result).reshape(place.shape)
        np.add(slopes, 0.0, out=place)  # without −0


def _not_short(loss: Any, first: Floats) -> Bools | None:
    """The units in which the short form does not hold, by their first terms; None: it holds in all."""
    low, high = loss.short
    return None if loss.full is None or within(first, low, high) else ~((first >= low) & (first <= high))


def _patched(short: Floats, rest: Bools | None, full: Any, which: int) -> Floats:
    """The results of the short form, with those of the full form where it is needed."""
    if full is not None:
        short = np.array(short)
        short[rest] = full[which]
    return short
