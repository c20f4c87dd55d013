"""Which entries of the arrays one loss reads.

Every loss is computed on *units* stacked along the first axis: single elements, class rows, overlaps, residual
vectors. A `Layout` names the axes that go into one unit; `arrange` stacks the units, `restore` undoes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

REST = "rest"  # every axis that no other group names


@dataclass(frozen=True)
class Layout:
    """Groups of axes; each group becomes one trailing axis of a unit. No group: one loss an element.

    A group is a tuple of axes, or `REST`. `kept` lists the axes that `REST` leaves outside the unit.
    """

    groups: tuple[tuple[int, ...] | str, ...] = ()
    kept: tuple[int, ...] = ()

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

    @property
    def value_shape(self) -> tuple[int, ...]:
        """The shape of the losses under `reduction="none"`."""
        return tuple(self.shape[i] for i in self.outer)

    @property
    def units(self) -> int:
        """How many losses there are."""
        return prod(self.value_shape)

    @property
    def unit_shape(self) -> tuple[int, ...]:
        """The shape of one unit after `arrange`."""
        return tuple(prod(self.shape[i] for i in g) for g in self.groups)

    @property
    def _order(self) -> tuple[int, ...]:
        return self.outer + tuple(i for g in self.groups for i in g)

    def arrange(self, a: NDArray[Any]) -> NDArray[Any]:
        """`a` (shaped like yhat) as (units, *unit_shape)."""
        return a.transpose(self._order).reshape(self.units, *self.unit_shape)

    def restore(self, a: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `arrange`, as an array of its own."""
        order = self._order
        moved = a.reshape([self.shape[i] for i in order])
        return np.ascontiguousarray(moved.transpose(np.argsort(order))).reshape(self.shape)


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
