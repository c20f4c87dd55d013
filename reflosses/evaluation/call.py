"""The arguments of one call, and a block of them.

A `Call` checks types and shapes. A `Block` converts and checks the numbers of some units.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reflosses.evaluation.axes import Arrangement, Box, Layout, boxes
from reflosses.evaluation.domain import MAX, NON_NEGATIVE, Classes, Domain, Floats, OutsideDomain, real_array, within
from reflosses.evaluation.output import fillable
from reflosses.evaluation.parameters import shown

_SHAPES = 64  # kept by a loss at most
_CAUTIOUS = 2**15  # numbers at a time, where the first one outside a domain is looked for


@dataclass(frozen=True)
class Shapes:
    """What the shapes of the arguments decide. A loss keeps it for the last few shapes."""

    layout: Arrangement
    y: Domain
    yhat: Domain
    shares: dict[str, Floats]  # the parameters that broadcast, one share for each loss
    by_index: bool  # y holds class indices
    ignores: bool  # a class index may say that its row takes no part
    reads: int  # numbers that one unit reads: predictions, or a share that not all units have in common

    @classmethod
    def of(cls, loss: Any, yhat: tuple[int, ...], y: tuple[int, ...], weight: tuple[int, ...] | None) -> Shapes:
        """What these shapes decide. ValueError if they do not fit."""
        layout = bind(loss, yhat)
        domain_y, domain_yhat = loss.domain
        if isinstance(domain_y, Classes):
            domain_y = _classes(loss, domain_y, layout, y)
        by_index = isinstance(domain_y, Classes)
        if not by_index and y != yhat:
            raise ValueError(f"{loss}: y has shape {y} and yhat {yhat}; they must be equal")
        if weight is not None and weight != layout.value_shape:
            raise ValueError(f"{loss}: weight has shape {weight}, one weight a loss needs {layout.value_shape}")
        found = {name: _share(loss, layout, name, axes) for name, axes in marked(loss.__class__, "broadcast")}
        shares = {name: share for name, share in found.items() if share is not None}
        ignores = isinstance(domain_y, Classes) and domain_y.ignore_index is not None
        own = [prod(s.shape[len(layout.outer) :]) for s in shares.values() if any(s.strides[: len(layout.outer)])]
        return cls(layout, domain_y, domain_yhat, shares, by_index, ignores, max(layout.members, *own, 1))


class Call:
    """The arguments of one call, of real dtypes and fitting shapes, and the array `out` that takes the gradient."""

    def __init__(
        self, loss: Any, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None = None, out: Floats | None = None
    ) -> None:
        self.loss = loss
        self.yhat, self.y = real_array(yhat, loss, "yhat"), real_array(y, loss, "y")
        self.weight = None if weight is None else real_array(weight, loss, "weight")
        read = {"y": self.y, "yhat": self.yhat, "weight": self.weight}
        self.out = None if out is None else fillable(loss, out, self.yhat.shape, read)
        key = self.yhat.shape, self.y.shape, None if self.weight is None else self.weight.shape
        shapes = loss.shapes.get(key)
        if shapes is None:
            shapes = Shapes.of(loss, *key)
            if len(loss.shapes) >= _SHAPES:
                loss.shapes.clear()
            loss.shapes[key] = shapes
        self.shapes: Shapes = shapes

    @np.errstate(all="ignore")
    def units(self) -> Block:
        """All units, checked; ValueError names the first number outside its domain."""
        try:
            return Block(self)
        except OutsideDomain:
            raise self.error() from None

    def taking_part(self, box: Box = ()) -> tuple[NDArray[np.bool_] | None, Floats | None, int]:
        """Of the units in a box: which are kept (None: all), the weights of these, and the N of a mean.

        Ignored units and units of weight 0 are not kept. The N of a mean still counts units of weight 0.
        """
        shapes, keep, weight = self.shapes, None, None
        layout = shapes.layout
        box = box[: len(layout.outer)]
        count = layout.units
        if box:
            count = prod(len(range(*s.indices(n))) for s, n in zip(box, layout.value_shape, strict=True))
        if shapes.ignores:
            classes: Any = shapes.y
            ignored = classes.ignored(self.y[(*box, ...)].reshape(-1))
            if ignored.any():
                keep = ~ignored
                count = int(keep.sum())
        if self.weight is not None:
            weight = self.weight[(*box, ...)].astype(np.float64, copy=False).reshape(-1)
            if keep is not None:
                weight = np.where(keep, weight, 0.0)
            if not within(weight, 5e-324, np.inf):
                keep = weight != 0
                weight = weight[keep]
        return keep, weight, count

    @np.errstate(all="ignore")
    def error(self) -> ValueError:
        """The error for the first number outside its domain. Weights come first, then y, then yhat.

        The first number is the first in the array as it was given, not in the order of the blocks.
        """
        keep = self.taking_part()[0]
        layout, shapes = self.shapes.layout, self.shapes
        inner = [i for i in range(len(layout.shape)) if i not in layout.outer]
        part = np.ones(layout.value_shape, bool) if keep is None else keep.reshape(layout.value_shape)
        for name, domain in (("weight", NON_NEGATIVE), ("y", shapes.y), ("yhat", shapes.yhat)):
            a = getattr(self, name)
            if a is None:
                continue
            asked = part if a.shape == layout.value_shape else np.broadcast_to(np.expand_dims(part, inner), a.shape)
            for box in boxes(a.shape, _CAUTIOUS):
                some = a[box] if isinstance(domain, Classes) else a[box].astype(np.float64)
                outside = asked[box] & (domain.outside(some) | (np.isnan(some) & (name == "weight")))
                if outside.any():
                    first = np.argwhere(outside)[0] + [s.start or 0 for s in box]
                    where = f"[{', '.join(map(str, first))}]" if first.size else ""
                    return ValueError(f"{self.loss}: {name}{where} is {shown(a[tuple(first)])}, not {domain}")
        return ValueError(f"{self.loss}: an argument changed while it was read")


class Block:
    """Some units of a call, checked and in float64. Units that take no part are left out.

    y, yhat: (n, *unit_shape), or (n,) class indices. weight: one a unit, or None if all are 1. keep: which units of the
    box take part, or None for all. count: the N of a mean. shares: of each parameter that broadcasts, one share a unit.
    Raises OutsideDomain.
    """

    def __init__(self, call: Call, box: Box = ()) -> None:
        shapes = call.shapes
        self.call, self.box, self.loss, self.layout = call, box, call.loss, shapes.layout
        self.by_index = shapes.by_index
        self.keep, self.weight, self.count = call.taking_part(box)
        if self.weight is not None and not within(self.weight, 0.0, MAX):
            raise OutsideDomain
        outer = self.outer = box[: len(self.layout.outer)]
        yhat = self.layout.read(call.yhat, box)
        y: Any = call.y[(*outer, ...)].reshape(-1) if self.by_index else self.layout.read(call.y, box)
        self.size = len(yhat)
        self.y, self.yhat = shapes.y.read(self._kept(y)), shapes.yhat.read(self._kept(yhat))
        if self.by_index:
            self.y = self.y.astype(np.intp, copy=False)
        self.shares = {}
        for name, a in shapes.shares.items():
            tail = a.shape[len(self.layout.outer) :]
            share = a[(*outer, ...)].reshape(self.size, *tail)
            self.shares[name] = share if self.keep is None else chosen(share, self.keep)

    @property
    def parameters(self) -> list[Floats]:
        """The shares, as `terms` takes them."""
        return list(self.shares.values())

    @property
    def divisor_weight(self) -> Floats:
        """The class weights that "weighted_mean" divides by, or ones."""
        own = self.loss.divisor_weight(self.y)
        return np.ones(len(self.yhat)) if own is None else own

    def placed(self, kept: NDArray[Any]) -> NDArray[Any]:
        """Results of the kept units, with zeros in the places of the others."""
        if self.keep is None:
            return kept
        out = np.zeros((self.size, *kept.shape[1:]), kept.dtype)
        out[self.keep] = kept
        return out

    def _kept(self, units: Any) -> Any:
        return units if self.keep is None else units[self.keep]


def chosen(a: NDArray[Any], which: NDArray[np.bool_]) -> NDArray[Any]:
    """Some of the shares. What all units have in common is not copied for each."""
    if len(a) > 1 and a.strides[0] == 0:
        return np.broadcast_to(a[:1], (int(which.sum()), *a.shape[1:]))
    return a[which]


def _classes(loss: Any, domain: Classes, layout: Arrangement, y: tuple[int, ...]) -> Domain:
    """The domain of targets of that shape: class indices, or rows of class probabilities."""
    classes = layout.unit_shape[0]
    if classes == 0:
        raise ValueError(f"{loss}: yhat of shape {layout.shape} has no classes")
    for name, _ in marked(loss.__class__, "per_class"):
        own = getattr(loss, name)
        if own is not None and own.shape != (classes,):
            raise ValueError(f"{loss}: {name} has {len(own)} entries, yhat has {classes} classes")
    if y == layout.value_shape:
        return domain.of(classes)
    if domain.rows is not None and len(y) == len(layout.shape):
        return domain.rows
    raise ValueError(f"{loss}: y has shape {y} and yhat {layout.shape}; class indices need {layout.value_shape}")


def bind(loss: Any, shape: tuple[int, ...]) -> Arrangement:
    """The layout of a loss for predictions of that shape; errors name the loss."""
    try:
        layout: Layout = loss.layout
        return layout.bind(shape)
    except ValueError as error:
        raise ValueError(f"{loss}: {error}") from None


@cache
def marked(cls: type, mark: str) -> tuple[tuple[str, Any], ...]:
    """The parameters of a loss that are marked `broadcast` or `per_class`, and what the mark says."""
    marks = ((f.name, f.metadata.get(mark)) for f in fields(cls))
    return tuple((name, value) for name, value in marks if value is not None and value is not False)


def _share(loss: Any, layout: Arrangement, name: str, tail_ndim: int) -> Floats | None:
    """A parameter broadcast against the losses: the last `tail_ndim` axes are one loss's share. An absent one is 1, or
    None if a share has axes."""
    given = getattr(loss, name)
    if given is None and tail_ndim:
        return None
    a = np.asarray(1.0 if given is None else given)
    tail = a.shape[a.ndim - tail_ndim :]
    if tail != layout.unit_shape * tail_ndim:
        raise ValueError(f"{loss}: {name} of shape {a.shape} does not fit yhat of shape {layout.shape}")
    try:
        return np.broadcast_to(a, layout.value_shape + tail)
    except ValueError:
        raise ValueError(
            f"{loss}: {name} of shape {a.shape} does not broadcast to the losses' shape {layout.value_shape}"
        ) from None
