"""Which entries of the arrays one loss reads.

One loss is computed on one *unit*: an element, a class row, an overlap or a residual vector. A `Layout` names the axes
that go into a unit. Bound to a shape it becomes an `Arrangement`. That turns arrays into units stacked along the first
axis, and back: all units (`arrange`, `restore`), or the units in a box (`read`, `place`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflosses.evaluation.domain import Floats

REST = "rest"  # every axis that no other group names
FEW = 64  # units of fewer members lie member by member in memory: reductions over members then run along the units

Box = tuple[Any, ...]  # one slice for each of the first axes of `Arrangement.order`; the others are taken whole


@dataclass(frozen=True)
class Layout:
    """Groups of axes; each group becomes one trailing axis of a unit. No group: one loss an element.

    A group is a tuple of axes, or `REST`. `kept` lists the axes that `REST` leaves outside the unit.
    """

    groups: tuple[tuple[int, ...] | str, ...] = ()
    kept: tuple[int, ...] = ()

    @lru_cache(maxsize=256)  # noqa: B019 (layouts are few, and small)
    def bind(self, shape: tuple[int, ...]) -> Arrangement:
        """This layout for predictions of the given shape; ValueError if an axis does not exist."""
        ndim = len(shape)

        def axis(i: int) -> int:
            if not -ndim <= i < ndim:
                raise ValueError(f"axis {i} does not exist in yhat of shape {shape}")
            return i % ndim

        named = [axis(i) for g in self.groups if not isinstance(g, str) for i in g]
        kept = {axis(i) for i in self.kept}
        if len(set(named)) != len(named):
            raise ValueError(f"an axis is named twice: {self.groups} for yhat of shape {shape}")
        if kept & set(named):
            raise ValueError(f"axis {self.kept} cannot be both the class axis and kept apart, yhat of shape {shape}")
        rest = tuple(i for i in range(ndim) if i not in named and i not in kept)
        groups = tuple(rest if isinstance(g, str) else tuple(axis(i) for i in g) for g in self.groups)
        inner = [i for g in groups for i in g]
        return Arrangement(shape, tuple(i for i in range(ndim) if i not in inner), groups)


@dataclass(frozen=True)
class Arrangement:
    """A layout for one shape: the `outer` axes number the units, the `groups` of axes lie inside them.

    A box is an index of the array whose axes have been put in this `order`: outer ones first, then those of a unit.
    """

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

    @cached_property
    def back(self) -> tuple[int, ...]:
        """The order of axes that undoes `order`."""
        return tuple(sorted(range(len(self.order)), key=self.order.__getitem__))

    def arrange(self, a: NDArray[Any]) -> NDArray[Any]:
        """`a` (shaped like yhat) as (units, *unit_shape)."""
        return a.transpose(self.order).reshape(self.units, *self.unit_shape)

    def restore(self, a: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `arrange`, as an array of its own."""
        moved = a.reshape([self.shape[i] for i in self.order])
        return np.ascontiguousarray(moved.transpose(self.back)).reshape(self.shape)

    def read(self, a: NDArray[Any], box: Box = ()) -> Floats:
        """The units of `a` in a box, as (units, *unit_shape) in float64; a view where that is possible."""
        if not self.groups:
            return a[(*box, ...)].astype(np.float64, order="C", copy=False).reshape(-1)
        part = a.transpose(self.order)[(*box, ...)]
        outer = len(self.outer)
        n, last = prod(part.shape[:outer]), prod(part.shape[part.ndim - len(self.groups[-1]) :])
        if len(self.groups) == 1 and self.members < FEW:
            turned = part.transpose(*range(outer, part.ndim), *range(outer))
            return turned.astype(np.float64, order="C", copy=False).reshape(last, n).T
        return part.astype(np.float64, order="C", copy=False).reshape(n, *self.unit_shape[:-1], last)

    def place(self, out: NDArray[Any], box: Box) -> NDArray[Any]:
        """The part of `out` (shaped like yhat) that a box comes from, as a view with the axes in `order`."""
        return (out.transpose(self.order) if self.groups else out)[(*box, ...)]

    def boxes(self, size: int) -> list[Box]:
        """Boxes of at most `size` units, and at least one. Together they hold all units."""
        return [()] if self.units <= size else list(boxes(self.value_shape, size))

    def boxes_inside(self, unit: Box, size: int) -> list[Box]:
        """Boxes that hold at most `size` members of each class of one unit, and together all of it."""
        classes = (slice(None),) * sum(map(len, self.groups[:-1]))
        last = tuple(self.shape[i] for i in self.groups[-1])
        return [(*unit, *classes, *inside) for inside in boxes(last, size)]


def boxes(shape: tuple[int, ...], size: int) -> Iterator[Box]:
    """Boxes of at most `size` entries, and at least one. Together they hold all entries of that shape, in C order."""
    if not shape:
        yield ()
        return
    behind = prod(shape[1:])
    step, whole = max(1, size // max(1, behind)), (slice(None),) * (len(shape) - 1)
    for start in range(0, max(1, shape[0]), step):
        first = slice(start, start + step)
        for rest in [whole] if behind <= size else boxes(shape[1:], size):
            yield (first, *rest)


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
