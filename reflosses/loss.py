"""The contract of a loss, and the machinery that every loss shares.

A loss file holds mathematics only. It tells the machinery, in these words and no others:

    domain          `Domains(y, yhat)`: what targets and predictions may be
    layout          which entries of yhat one loss reads (elements, class rows, overlaps, vectors); default elements
    bounds          `Bounds(value, grad)`: the accuracy promise in ulps
    examples        parameter sets for the checks, away from 0, 1 and 2
    definition      the textbook formula for one loss, in generic arithmetic `m` (see `reflosses.arithmetic`)
    common          y, yhat → the terms that value and gradient share; the first has one number a loss
    loss, slope     those terms → the losses, and the derivative of each with respect to its own predictions

and, only where it has something to say:

    extreme         y, yhat → losses and slopes of the units whose first common term is not finite
    sides           those terms → (left, right) derivatives, where they differ from `slope` at a kink
    kinks           y → the predictions at which a formula changes over
    scale           the distance over which the loss bends (1 where nothing says otherwise)
    largest_term    y, yhat → magnitudes that the bounds are relative to, where the exact result is a difference
                    that can cancel
    target_row      the class row that `definition` receives: smoothed and weighted
    divisor_weight  y → the class weights that "weighted_mean" divides by
    coupled         True: every loss reads all predictions; `definition` then receives all of them, as two flat
                    sequences, and returns the list of losses
    coupling        the part of the gradient that passes through what the losses share
    check           relations between parameters

Units are stacked along the first axis: y and yhat come to `common` as (n,), (n, members) or (n, classes, members).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from reflosses.domain import NON_NEGATIVE, Bools, Classes, Domain, Floats, as_array
from reflosses.layout import ELEMENTS, BoundLayout, Layout
from reflosses.parameters import array, choice, first_index, parameter, shown
from reflosses.reduction import REDUCTIONS, ExactSum, scaled


class Domains(NamedTuple):
    """What targets and predictions may be."""

    y: Domain
    yhat: Domain


class Bounds(NamedTuple):
    """Distance to the exact result, in units in its last place, that value and gradient keep."""

    value: float
    grad: float


@dataclass(frozen=True, eq=False, repr=False)
class Loss(ABC):
    """A loss with `value(y, yhat)` and `grad(y, yhat)`; y is the target, yhat the prediction.

    reduction: "mean" (Σwℓ/N, default), "weighted_mean" (Σwℓ/Σw), "sum" (Σwℓ) or "none" (wℓ, one a loss). N counts
    the losses that take part: ignored positions do not, positions of zero weight do. Sums are exact and rounded once;
    they are made of the numbers that "none" returns, so a loss or slope beyond the floats makes them infinite, and a
    weight multiplies what is left of a subnormal one.
    weight: one non-negative weight per loss, shaped like the value under "none"; a zero weight removes a loss
    whatever stands there. Any real dtype comes in, float64 comes out, inputs are left alone. Shapes must match.
    Raises TypeError for what is not real numbers, ValueError for shapes that differ and for the first number outside
    a domain; a NaN prediction or real-valued target gives NaN where it matters.
    """

    reduction: str = parameter("mean", choice(*REDUCTIONS), kw_only=True)

    layout: ClassVar[Any] = ELEMENTS
    domain: ClassVar[Any]
    bounds: ClassVar[Any]
    scale: ClassVar[Any] = 1.0
    examples: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    coupled: ClassVar[bool] = False

    # ---- what a loss file says (each takes what the list above says) -------------------------------------------

    @staticmethod
    @abstractmethod
    def definition(*args: Any, **kwargs: Any) -> Any:
        """m, y, yhat, and the parameters it names → the textbook formula of one loss, with no thought for rounding."""

    @abstractmethod
    def common(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """y, yhat, and each parameter that broadcasts → the terms that `loss` and `slope` share."""

    @abstractmethod
    def loss(self, *args: Any, **kwargs: Any) -> Floats:
        """The common terms → the losses."""

    @abstractmethod
    def slope(self, *args: Any, **kwargs: Any) -> Floats:
        """The common terms → the derivative of each loss with respect to its own predictions."""

    def extreme(self, *args: Any, **kwargs: Any) -> tuple[Floats, Floats] | None:
        """As `common`, where its first term is not finite → losses and slopes; None: the plain forms hold there."""
        return None

    def sides(self, *args: Any, **kwargs: Any) -> tuple[Floats, Floats]:
        """The common terms → the left and right derivatives; a loss without kinks has one slope."""
        slope = self.slope(*args)
        return slope, slope

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        """The predictions at which the formula for target `y` changes over."""
        return ()

    def largest_term(self, *args: Any, **kwargs: Any) -> tuple[Floats | None, Floats | None]:
        """As `common` → magnitudes that the bounds of value and gradient are relative to; None: the exact result."""
        return None, None

    @staticmethod
    def target_row(*args: Any, **kwargs: Any) -> Sequence[Any]:
        """A class row, and the parameters it names → the row that `definition` receives; exact arithmetic."""
        row: Sequence[Any] = args[0]
        return row

    def divisor_weight(self, y: Any) -> Floats | None:
        """The class weight of each loss, where "weighted_mean" divides by it."""
        return None

    def coupling(self, *args: Any, **kwargs: Any) -> Floats | None:
        """Weights and common terms → the gradient of Σ weight·loss through what the losses share; None: nothing."""
        return None

    def check(self) -> None:  # noqa: B027 (a hook, not a duty)
        """Raise ValueError where parameters contradict each other."""

    # ---- what a user calls -------------------------------------------------------------------------------------

    @np.errstate(all="ignore")
    def value(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Any:
        """The loss: a float, or an array of losses under reduction "none"."""
        return _Evaluation(Units(self, y, yhat, weight)).value()

    @np.errstate(all="ignore")
    def grad(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Floats:
        """The derivative of the value with respect to yhat, shaped like yhat (under "none": of the sum)."""
        return _Evaluation(Units(self, y, yhat, weight)).grad()

    @np.errstate(all="ignore")
    def value_and_grad(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> tuple[Any, Floats]:
        """Both, sharing the work."""
        both = _Evaluation(Units(self, y, yhat, weight))
        return both.value(), both.grad()

    @np.errstate(all="ignore")
    def subgradient(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """The one-sided derivatives (low, high), scaled as `grad` is; equal where the loss is differentiable."""
        return _Evaluation(Units(self, y, yhat, weight)).subgradient()

    # ---- construction, printing, comparison --------------------------------------------------------------------

    def __post_init__(self) -> None:
        for f in fields(self):
            checked = f.metadata["check"](_Argument(self, f.name), getattr(self, f.name))
            object.__setattr__(self, f.name, checked)
        self.check()

    def __repr__(self) -> str:
        shown = [f for f in fields(self) if f.name != "reduction"] + [f for f in fields(self) if f.name == "reduction"]
        return f"{type(self).__name__}({', '.join(f'{f.name}={_shown(getattr(self, f.name))}' for f in shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are built anew, so that their arrays are read-only too."""
        return _rebuilt, (type(self), {f.name: getattr(self, f.name) for f in fields(self)})

    def _key(self) -> tuple[Any, ...]:
        values = (getattr(self, f.name) for f in fields(self))
        return tuple((v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for v in values)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Loss) and type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self._key()))


def _rebuilt(cls: type[Loss], parameters: dict[str, Any]) -> Loss:
    return cls(**parameters)


def _shown(value: Any) -> str:
    return repr(value.tolist()) if isinstance(value, np.ndarray) else repr(value)


class _Argument(NamedTuple):
    """What an error calls an argument; put into words only when there is one."""

    loss: Loss
    name: str

    def __str__(self) -> str:
        return f"{self.loss}: {self.name}"


class Units:
    """The inputs of one call, checked and cut into units; `keep` marks those that take part, the rest are left out."""

    def __init__(self, loss: Loss, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None) -> None:
        self.loss = loss
        predictions, targets = as_array(yhat, _Argument(loss, "yhat")), as_array(y, _Argument(loss, "y"))
        self.layout = bind(loss, predictions.shape)
        domain: Domain = loss.domain.y
        self.by_index = False
        if isinstance(domain, Classes):
            domain = self._classes(domain, targets)
            self.by_index = isinstance(domain, Classes)
        if not self.by_index and targets.shape != predictions.shape:
            raise ValueError(f"{loss}: y has shape {targets.shape} and yhat {predictions.shape}; they must be equal")
        units = targets.reshape(-1) if self.by_index else self.layout.arrange(targets)

        ignored = domain.ignored(units) if isinstance(domain, Classes) else None
        self.count = self.layout.units if ignored is None else int((~ignored).sum())  # the N of the mean
        every_weight = self._weights(weight, ignored)
        left_out = np.zeros(self.layout.units, bool) if ignored is None else ignored
        if every_weight is not None:
            left_out = left_out | (every_weight == 0)
        self.keep = ~left_out if left_out.any() else None

        self.y = self._kept(units)
        self.yhat = self._kept(self.layout.arrange(predictions)) + 0.0  # −0 is 0: no sign of zero reaches a formula
        self.weight = None if every_weight is None else self._kept(every_weight)
        self._check(domain, self.y, targets, "y")
        self._check(loss.domain.yhat, self.yhat, predictions, "yhat")
        if self.by_index:
            self.y = self.y.astype(np.intp)
        self.shares = {name: self._kept(p) for name, p in broadcast_parameters(loss, self.layout).items()}

    def _classes(self, domain: Classes, targets: Floats) -> Domain:
        """The domain of index targets, or that of rows of class probabilities, whichever y holds."""
        classes = self.layout.unit_shape[0]
        if classes == 0:
            raise ValueError(f"{self.loss}: yhat of shape {self.layout.shape} has no classes")
        for f in fields(self.loss):
            own = getattr(self.loss, f.name)
            if f.metadata.get("per_class") and own is not None and own.shape != (classes,):
                raise ValueError(f"{self.loss}: {f.name} has {len(own)} entries, yhat has {classes} classes")
        if targets.shape == self.layout.value_shape:
            return domain.of(classes)
        if domain.rows is not None and targets.ndim == len(self.layout.shape):
            return domain.rows
        raise ValueError(
            f"{self.loss}: y has shape {targets.shape} and yhat {self.layout.shape}; "
            f"class indices need {self.layout.value_shape}"
        )

    def _weights(self, weight: ArrayLike | None, ignored: Bools | None) -> Floats | None:
        if weight is None:
            return None
        given = as_array(weight, _Argument(self.loss, "weight"))
        if ignored is not None and given.size == ignored.size:
            given = np.where(ignored.reshape(given.shape), 0.0, given)  # not looked at
        w = np.asarray(array(NON_NEGATIVE)(_Argument(self.loss, "weight"), given))
        if w.shape != self.layout.value_shape:
            raise ValueError(
                f"{self.loss}: weight has shape {w.shape}, one weight a loss needs {self.layout.value_shape}"
            )
        return w.reshape(-1)

    def _check(self, domain: Domain, kept: Floats, given: Floats, name: str) -> None:
        bad = domain.outside(kept)
        if bad.any():
            mark = np.zeros((self.layout.units, *bad.shape[1:]), bool)
            mark[slice(None) if self.keep is None else self.keep] = bad
            where = mark.reshape(given.shape) if given.shape != self.layout.shape else self.layout.restore(mark)
            raise ValueError(f"{self.loss}: {name}{first_index(where)} is {shown(given[where][0])}, not {domain}")

    def _kept(self, units: Any) -> Any:
        return units if self.keep is None else units[self.keep]

    def placed(self, kept: Floats) -> Floats:
        """Results of the units that take part, among zeros for those that do not."""
        if self.keep is None:
            return kept
        out = np.zeros((self.layout.units, *kept.shape[1:]))
        out[self.keep] = kept
        return out

    @property
    def parameters(self) -> list[Floats]:
        """Each unit's share of the parameters that broadcast, as `common` takes them."""
        return list(self.shares.values())

    @property
    def divisor_weight(self) -> Floats:
        """The class weights that "weighted_mean" divides by, or ones."""
        own = self.loss.divisor_weight(self.y)
        return np.ones(len(self.yhat)) if own is None else own


class _Evaluation:
    """The terms of one call, and the results made of them: weighted, reduced, put back in place."""

    def __init__(self, units: Units) -> None:
        self.units, self.loss = units, units.loss
        self.terms = self.loss.common(units.y, units.yhat, *units.parameters)
        self.rare = ~np.isfinite(self.terms[0])
        self.patch = None
        if self.rare.any():
            self.patch = self.loss.extreme(*(a[self.rare] for a in (units.y, units.yhat, *units.parameters)))

    def value(self) -> Any:
        losses = self._patched(self.loss.loss(*self.terms), 0)
        if self.units.weight is not None:
            losses *= self.units.weight
        if self.loss.reduction == "none":
            return self.units.placed(losses).reshape(self.units.layout.value_shape)
        total = ExactSum.of(losses)
        return float(total) if self.loss.reduction == "sum" else total.over(self._divisor())

    def grad(self) -> Floats:
        return self._scaled(self._patched(self.loss.slope(*self.terms), 1))

    def subgradient(self) -> tuple[Floats, Floats]:
        left, right = (self._scaled(self._patched(side, 1)) for side in self.loss.sides(*self.terms))
        return np.minimum(left, right), np.maximum(left, right)

    def _divisor(self) -> ExactSum:
        """What the reduction divides by: 1, the number of losses, or the sum of their weights."""
        if self.loss.reduction == "weighted_mean":
            return ExactSum.of(self.units.divisor_weight, self.units.weight)
        return ExactSum.integer(self.units.count if self.loss.reduction == "mean" else 1)

    def _patched(self, plain: Floats, which: int) -> Floats:
        """The plain forms, with the extreme ones where those hold, as an array of its own and without −0."""
        whole = np.asarray(plain + 0.0)
        if self.patch is not None:
            whole[self.rare] = self.patch[which] + 0.0
        return whole

    def _scaled(self, slopes: Floats) -> Floats:
        """Slopes times weight over divisor, in the shape of yhat."""
        units, weight, divisor = self.units, self.units.weight, self._divisor()
        if divisor.count == 0 and not divisor.special:
            return np.zeros(units.layout.shape)
        aligned = None if weight is None else weight.reshape(-1, *[1] * (slopes.ndim - 1))
        out = scaled(slopes, aligned, divisor)
        through = self.loss.coupling(np.ones(len(slopes)) if weight is None else weight, *self.terms)
        if through is not None:
            out = out + scaled(through, None, divisor)
        return units.layout.restore(units.placed(out))


def bind(loss: Loss, shape: tuple[int, ...]) -> BoundLayout:
    """The layout of a loss for predictions of that shape; errors name the loss."""
    try:
        layout: Layout = loss.layout
        return layout.bind(shape)
    except ValueError as error:
        raise ValueError(f"{loss}: {error}") from None


def broadcast_parameters(loss: Loss, layout: BoundLayout) -> dict[str, Floats]:
    """The parameters that broadcast against the losses, one share a unit; absent ones are 1."""
    shares = {}
    for f in fields(loss):
        tail_ndim = f.metadata.get("broadcast")
        if tail_ndim is None:
            continue
        given = getattr(loss, f.name)
        if given is None and tail_ndim:
            continue
        a = np.asarray(1.0 if given is None else given)
        tail = a.shape[a.ndim - tail_ndim :]
        if tail != layout.unit_shape * tail_ndim:
            raise ValueError(f"{loss}: {f.name} of shape {a.shape} does not fit yhat of shape {layout.shape}")
        try:
            full = np.broadcast_to(a, layout.value_shape + tail)
        except ValueError:
            raise ValueError(
                f"{loss}: {f.name} of shape {a.shape} does not broadcast to the losses' shape {layout.value_shape}"
            ) from None
        shares[f.name] = full.reshape(layout.units, *tail)
    return shares
