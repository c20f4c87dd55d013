"""The arguments of one call: their shapes are checked at once, their numbers where a block of units is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reflosses.evaluation.axes import BoundLayout, Box, Layout
from reflosses.evaluation.domain import (
    MAX,
    NON_NEGATIVE,
    Bools,
    Classes,
    Domain,
    Floats,
    OutsideDomain,
    positive,
    real_array,
    within,
)
from reflosses.evaluation.parameters import shown

_PLANS = 64  # kept by a loss at most
_CAUTIOUS = 2**15  # units at a time, where only the first number outside a domain is wanted


class Argument(NamedTuple):
    """What an error calls an argument; put into words only when there is one."""

    loss: Any
    name: str

    def __str__(self) -> str:
        return f"{self.loss}: {self.name}"


@dataclass(frozen=True)
class Plan:
    """What the shapes of the arguments decide: how they are read, and by which domains.

    `layout` is that of the arguments as they were given. Where all of them lie in C order, they are read as if they had
    one axis outside the units; that layout is `reading`.
    """

    layout: BoundLayout
    reading: BoundLayout
    domain_y: Domain
    domain_yhat: Domain
    shares: dict[str, Floats]  # the parameters that broadcast, as `reading` has them
    by_index: bool  # y holds class indices
    ignores: bool  # and some of them may say that their row takes no part
    needs_mass: bool  # the predictions must not all be 0

    @classmethod
    def of(cls, loss: Any, shape: tuple[int, ...], y: tuple[int, ...], weight: Any, in_order: bool) -> Plan:
        """The plan for predictions, targets and weights of these shapes; ValueError where they do not fit."""
        layout = reading = bind(loss, shape)
        domain_y, domain_yhat = loss.domain
        if isinstance(domain_y, Classes):
            domain_y = _classes(loss, domain_y, layout, y)
        by_index = isinstance(domain_y, Classes)
        if not by_index and y != shape:
            raise ValueError(f"{loss}: y has shape {y} and yhat {shape}; they must be equal")
        if weight is not None and weight != layout.value_shape:
            raise ValueError(f"{loss}: weight has shape {weight}, one weight a loss needs {layout.value_shape}")
        parameters = broadcast_parameters(loss, layout)
        if in_order and layout.flat is not None and all(a.ndim == tail_ndim for a, tail_ndim in parameters.values()):
            reading = layout.flat
        return cls(
            layout,
            reading,
            domain_y,
            domain_yhat,
            {
                name: np.broadcast_to(a, reading.value_shape + a.shape[a.ndim - tail_ndim :])
                for name, (a, tail_ndim) in parameters.items()
            },
            by_index,
            ignores=by_index and domain_y.ignore_index is not None,
            needs_mass=domain_yhat.each is not domain_yhat,
        )


class Arguments:
    """The arguments of one call, of fitting shapes and real dtypes, and the array `out` that is to take the gradient.

    Most calls are like one before, so a loss keeps the plans of the last few shapes.
    """

    def __init__(
        self, loss: Any, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None = None, out: Floats | None = None
    ) -> None:
        self.loss = loss
        self.yhat, self.y = real_array(yhat, loss, "yhat"), real_array(y, loss, "y")
        self.weight = None if weight is None else real_array(weight, loss, "weight")
        self.out = out
        if out is not None:
            self._check_out(out)
        given = self._given = self.y, self.yhat, self.weight
        in_order = True
        for a in (*given, out):
            in_order = in_order and (a is None or a.flags.c_contiguous)
        key = self.yhat.shape, self.y.shape, None if self.weight is None else self.weight.shape, in_order
        plan = loss.plans.get(key)
        if plan is None:
            plan = Plan.of(loss, *key)
            if len(loss.plans) >= _PLANS:
                loss.plans.clear()
            loss.plans[key] = plan
        self.plan: Plan = plan
        if plan.reading is not plan.layout:
            shape = plan.reading.shape
            self.yhat, self.y = self.yhat.reshape(shape), self.y.reshape(-1 if plan.by_index else shape)
            self.weight = None if self.weight is None else self.weight.reshape(-1)
            self.out = None if out is None else out.reshape(shape)

    def _check_out(self, out: Any) -> None:
        what = f"{self.loss}: out"
        if not isinstance(out, np.ndarray) or out.dtype != np.float64:
            raise TypeError(f"{what} must be an array of float64, got {getattr(out, 'dtype', type(out).__name__)}")
        if out.shape != self.yhat.shape:
            raise ValueError(f"{what} has shape {out.shape}, the gradient {self.yhat.shape}")
        if not out.flags.writeable:
            raise ValueError(f"{what} is read-only")
        for name in ("y", "yhat", "weight"):
            given = getattr(self, name)
            if given is not None and np.may_share_memory(given, out):
                raise ValueError(f"{what} shares memory with {name}, which is still read while it is written")

    def block(self, outer: Box, inner: Box = ()) -> Units:
        """The units in a box; of long ones, the members in the box `inner`."""
        return Units(self, outer, inner)

    def units(self) -> Units:
        """All units, checked; ValueError names the first number outside its domain."""
        every = self.block(self.plan.reading.whole)
        try:
            every.read()
            if self.lacks_mass([every]):
                raise OutsideDomain
        except OutsideDomain:
            raise self.error() from None
        return every

    def lacks_mass(self, blocks: Iterable[Units]) -> bool:
        """Whether predictions that must not all be 0 are: to be asked before anything is computed."""
        if not self.plan.needs_mass:
            return False
        some = False
        for block in blocks:
            predictions = block.predictions
            if predictions.any():
                return False
            some = some or predictions.size > 0
        return some

    def error(self) -> ValueError:
        """What to say of the first number outside its domain: of the weights, else of y, else of yhat.

        First is the one that comes first in the array as it was given, whatever the order of the blocks.
        """
        as_given, plan = copy(self), self.plan
        (as_given.y, as_given.yhat, as_given.weight), as_given.plan = self._given, replace(plan, reading=plan.layout)
        y_each, yhat_each = plan.domain_y.each, plan.domain_yhat.each
        return (
            as_given._first("weight", NON_NEGATIVE, _unusable_weights)
            or as_given._first("y", plan.domain_y, lambda units: y_each.outside(units.targets))
            or as_given._first("yhat", plan.domain_yhat, lambda units: yhat_each.outside(units.predictions))
            or as_given._first(
                "yhat", plan.domain_yhat, lambda units: np.ones(units.predictions.shape, bool)
            )  # no mass
            or ValueError(f"{self.loss}: an argument changed while it was read")
        )

    def _first(self, name: str, domain: Domain, outside: Callable[[Units], Bools]) -> ValueError | None:
        """The error for the argument `name`, unless no number of it is outside."""
        a = getattr(self, name)
        if a is None:
            return None
        layout = self.plan.layout
        order = layout.order if a.shape == layout.shape else tuple(range(a.ndim))
        steps = np.array([prod(a.shape[i + 1 :]) for i in order], dtype=np.intp)
        places = []
        for box in layout.boxes(max(1, _CAUTIOUS // max(1, layout.members))):
            units = self.block(box)
            mark = units.placed(outside(units)).reshape(a.transpose(order)[box].shape)
            if mark.any():
                start = [s.start or 0 for s in box] + [0] * (len(order) - len(box))
                places.append(int(((np.argwhere(mark) + start) @ steps).min()))
        if not places:
            return None
        index = np.unravel_index(min(places), a.shape)
        value = float(np.asarray(a[index]).astype(np.float64))
        where = f"[{', '.join(map(str, index))}]" if index else ""
        return ValueError(f"{self.loss}: {name}{where} is {shown(value)}, not {domain}")


class Units:
    """Some units of a call, in float64; `keep` marks those that take part (None: all of them).

    The others, ignored or of zero weight, are left out of everything but `count`, the N of a mean, where those of zero
    weight are in. `read` adds the targets y and the predictions yhat, as (n, *unit_shape) or (n,) class indices, and
    each unit's share of the parameters that broadcast. A number outside its domain raises OutsideDomain.
    """

    y: Any
    yhat: Floats
    shares: dict[str, Floats]

    def __init__(self, arguments: Arguments, outer: Box, inner: Box = ()) -> None:
        plan = arguments.plan
        self.arguments, self.outer, self.inner = arguments, outer, inner
        self.loss, self.layout, self.by_index = arguments.loss, plan.layout, plan.by_index
        self.count = self.size = plan.reading.size_of(outer)
        self.keep: Bools | None = None
        self.weight: Floats | None = None  # of each unit; None: all have weight 1
        if plan.ignores:
            classes: Any = plan.domain_y
            ignored = classes.ignored(arguments.y[outer].reshape(-1))
            if ignored.any():
                self.keep = ~ignored
                self.count = int(self.keep.sum())
        if arguments.weight is not None:
            w = arguments.weight[outer].astype(np.float64, copy=False).reshape(-1)
            if self.keep is not None:
                w = np.where(self.keep, w, 0.0)
            if not positive(w):
                self.keep = w != 0
            self.weight = self._kept(w)

    def check_weight(self) -> Units:
        """Check the weights: not at once, because whoever looks for the first that is wrong wants to see them all."""
        if self.weight is not None and not within(self.weight, 0.0, MAX):
            raise OutsideDomain
        return self

    def read(self) -> Units:
        """Read and check targets and predictions, and with them all that a loss is made of."""
        plan = self.check_weight().arguments.plan
        self.y, self.yhat = plan.domain_y.each.read(self.targets), plan.domain_yhat.each.read(self.predictions)
        if plan.by_index:
            self.y = self.y.astype(np.intp, copy=False)
        self.shares = {}
        for name, a in plan.shares.items():
            self.shares[name] = self._kept(a[self.outer].reshape(self.size, *a.shape[len(self.outer) :]))
        return self

    @property
    def targets(self) -> Any:
        """The targets, whatever they are."""
        y, plan = self.arguments.y, self.arguments.plan
        return self._kept(y[self.outer].reshape(-1) if plan.by_index else plan.reading.block(y, self.outer, self.inner))

    @property
    def predictions(self) -> Floats:
        """The predictions, whatever they are."""
        arguments = self.arguments
        predictions: Floats = self._kept(arguments.plan.reading.block(arguments.yhat, self.outer, self.inner))
        return predictions

    @property
    def parameters(self) -> list[Floats]:
        """The shares, as `common` takes them."""
        return list(self.shares.values())

    @property
    def divisor_weight(self) -> Floats:
        """The class weights that "weighted_mean" divides by, or ones."""
        own = self.loss.divisor_weight(self.y)
        return np.ones(len(self.yhat)) if own is None else own

    @property
    def kept(self) -> int:
        """How many units take part."""
        return self.size if self.keep is None else int(self.keep.sum())

    def placed(self, kept: NDArray[Any]) -> NDArray[Any]:
        """Results of the units that take part, among zeros for those that do not."""
        if self.keep is None:
            return kept
        out = np.zeros((self.size, *kept.shape[1:]), kept.dtype)
        out[self.keep] = kept
        return out

    def _kept(self, units: Any) -> Any:
        return units if self.keep is None else units[self.keep]


def _unusable_weights(units: Units) -> Bools:
    w = units.weight
    assert w is not None
    return np.asarray(NON_NEGATIVE.outside(w) | np.isnan(w))


def _classes(loss: Any, domain: Classes, layout: BoundLayout, y: tuple[int, ...]) -> Domain:
    """The domain of index targets, or that of rows of class probabilities, whichever targets of that shape are."""
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


def bind(loss: Any, shape: tuple[int, ...]) -> BoundLayout:
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


def broadcast_parameters(loss: Any, layout: BoundLayout) -> dict[str, tuple[Floats, int]]:
    """The parameters that broadcast against the losses, absent ones as 1, and how many axes a share of each has."""
    found = {}
    for name, tail_ndim in marked(loss.__class__, "broadcast"):
        given = getattr(loss, name)
        if given is None and tail_ndim:
            continue
        a = np.asarray(1.0 if given is None else given)
        tail = a.shape[a.ndim - tail_ndim :]
        if tail != layout.unit_shape * tail_ndim:
            raise ValueError(f"{loss}: {name} of shape {a.shape} does not fit yhat of shape {layout.shape}")
        try:
            if a.ndim > tail_ndim:
                np.broadcast_to(a, layout.value_shape + tail)
        except ValueError:
            raise ValueError(
                f"{loss}: {name} of shape {a.shape} does not broadcast to the losses' shape {layout.value_shape}"
            ) from None
        found[name] = a, tail_ndim
    return found
