"""Which entries of the arrays one loss reads.

Every loss is computed on *units* stacked along the first axis: single elements, class rows, overlaps, residual
vectors. A `Layout` names the axes that go into one unit; `arrange` stacks the units, `restore` undoes it. A few of them
at a time are read with `block`, where a *box* of the axes outside the units says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflosses.evaluation.domain import Floats

REST = "rest"  # every axis that no other group names

Box = tuple[Any, ...]  # an index with one slice an axis, such that what it picks has neighbouring numbers

FEW = 64  # units of fewer members are stored member by member: reductions over members then run along the units


@dataclass(frozen=True)
class Layout:
    """Groups of axes; each group becomes one trailing axis of a unit. No group: one loss an element.

    A group is a tuple of axes, or `REST`. `kept` lists the axes that `REST` leaves outside the unit.
    """

    groups: tuple[tuple[int, ...] | str, ...] = ()
    kept: tuple[int, ...] = ()

    @lru_cache(maxsize=256)  # noqa: B019 (layouts are few, and small)
    def bind(self, shape: tuple[int, ...]) -> BoundLayout:
        """This layout for predictions of the given shape; an axis that they lack raises."""
        ndim = len(shape)

        def axis(i: int) -> int:
            if not -ndim <= i < ndim:
                raise ValueError(f"axis {i} does not exist in yhat of shape {shape}")
            return i % ndim

        named = [tuple(axis(i) for i in g) for g in self.groups if not isinstance(g, str)]
        flat = [i for g in named for i in g]
        if len(set(flat)) != len(flat):
            raise ValueError(f"an axis is named twice: {self.groups} for yhat of shape {shape}")
        kept = {axis(i) for i in self.kept}
        if kept & set(flat):
            raise ValueError(f"axis {self.kept} cannot be both the class axis and kept apart, yhat of shape {shape}")
        rest = tuple(i for i in range(ndim) if i not in flat and i not in kept)
        groups = tuple(rest if isinstance(g, str) else tuple(axis(i) for i in g) for g in self.groups)
        inner = [i for g in groups for i in g]
        return BoundLayout(shape, tuple(i for i in range(ndim) if i not in inner), groups)


@dataclass(frozen=True)
class BoundLayout:
    """A layout for one shape: `outer` axes number the units, `groups` lie inside them."""

    shape: tuple[int, ...]
    outer: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]

    @cached_property
    def value_shape(self) -> tuple[int, ...]:
        """The shape of the losses under `reduction="none"`."""
        return tuple(self.shape[i] for i in self.outer)

    @cached_property
    def units(self) -> int:
        """How many losses there are."""
        return prod(self.value_shape)

    @cached_property
    def unit_shape(self) -> tuple[int, ...]:
        """The shape of one unit after `arrange`."""
        return tuple(prod(self.shape[i] for i in g) for g in self.groups)

    @cached_property
    def members(self) -> int:
        """How many predictions one loss reads."""
        return prod(self.unit_shape)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The axes of yhat: those outside the units, then those of a unit."""
        return self.outer + tuple(i for g in self.groups for i in g)

    def arrange(self, a: NDArray[Any]) -> NDArray[Any]:
        """`a` (shaped like yhat) as (units, *unit_shape)."""
        return a.transpose(self.order).reshape(self.units, *self.unit_shape)

    def restore(self, a: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `arrange`, as an array of its own."""
        order = self.order
        moved = a.reshape([self.shape[i] for i in order])
        return np.ascontiguousarray(moved.transpose(np.argsort(order))).reshape(self.shape)

    @cached_property
    def flat(self) -> BoundLayout | None:
        """The same layout for arrays whose outer axes have been made one, in C order; None: that is another order."""
        if self.order != tuple(range(len(self.shape))):
            return None
        inner = self.shape[len(self.outer) :]
        ends = np.cumsum([1, *map(len, self.groups)]).tolist()
        groups = tuple(tuple(range(a, b)) for a, b in pairwise(ends))
        return BoundLayout((self.units, *inner), (0,), groups)

    def block(self, a: NDArray[Any], outer: Box, inner: Box = ()) -> Floats:
        """The units of `a` in the box `outer`, as (units, *unit_shape) in float64; a view where that is possible.

        `inner` is a box of the axes in the last group: some members of each unit.
        """
        if not self.groups and len(outer) == 1:  # the most frequent ones: elements in a row
            return a[outer].astype(np.float64, order="C", copy=False)
        classes: Box = (slice(None),) * sum(map(len, self.groups[:-1]))
        if len(self.groups) == 1 and not inner and self.unit_shape[0] < FEW:
            every: Box = (slice(None),) * len(self.groups[0])
            part = a.transpose(self.groups[0] + self.outer)[(*every, *outer, ...)]
            return part.astype(np.float64, order="C", copy=False).reshape(self.unit_shape[0], self._units_of(part)).T
        part = a.transpose(self.order)[(*outer, *classes, *inner, ...)]
        shape = (1, *self.unit_shape[:-1], -1) if inner else (self._units_of(part), *self.unit_shape)
        return part.astype(np.float64, order="C", copy=False).reshape(shape)

    @cached_property
    def whole(self) -> Box:
        """The box of all units."""
        return (slice(None),) * len(self.outer)

    def boxes(self, size: int) -> Sequence[Box]:
        """Boxes of at most `size` units (at least one), which together hold all of them."""
        return (self.whole,) if self.units <= size else tuple(boxes(self.value_shape, size))

    def size_of(self, outer: Box) -> int:
        """How many units a box holds."""
        if outer is self.whole:
            return self.units
        return prod(len(range(*s.indices(n))) for s, n in zip(outer, self.value_shape, strict=True))

    def _units_of(self, part: NDArray[Any]) -> int:
        return part.size // self.members if self.members else self.units

    def place(self, out: NDArray[Any], outer: Box, inner: Box = ()) -> NDArray[Any]:
        """The part of `out` (shaped like yhat) that a block comes from, as a view with the axes in `order`."""
        if not self.groups:
            return out[(*outer, ...)]
        classes: Box = (slice(None),) * sum(map(len, self.groups[:-1]))
        return out.transpose(self.order)[(*outer, *classes, *inner, ...)]


def boxes(shape: tuple[int, ...], size: int) -> Iterator[Box]:
    """Boxes of at most `size` entries (at least one), which together hold all entries of that shape in C order."""
    if not shape:
        yield ()
        return
    behind = prod(shape[1:])
    if behind <= size:
        step = max(1, size // max(1, behind))
        rest = (slice(None),) * (len(shape) - 1)
        for start in range(0, max(1, shape[0]), step):
            yield (slice(start, start + step), *rest)
    else:
        for start in range(shape[0]):
            for box in boxes(shape[1:], size):
                yield (slice(start, start + 1), *box)


ELEMENTS = Layout()
VECTORS = Layout(((-1,),))
EVERYTHING = Layout((REST,))


def rows(axis: int) -> Layout:
    """One loss for each row of classes along `axis`."""
    return Layout(((axis,),))


def pooled(axis: int | tuple[int, ...] | None) -> Layout:
    """One loss for all that lies along `axis` (None: everything)."""
    return EVERYTHING if axis is None else Layout(((axis,) if isinstance(axis, int) else tuple(axis),))


def class_pooled(axis: int, per_sample: bool) -> Layout:
    """One loss for all classes along `axis` and everything else, or everything else of one sample."""
    return Layout(((axis,), REST), kept=(0,) if per_sample else ())
