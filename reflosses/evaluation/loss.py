"""The contract of a loss, and the machinery that every loss shares.

A loss file holds mathematics only. It tells the machinery, in these words and no others:

    domain          `Domains(y, yhat)`: what targets and predictions may be
    layout          which entries of yhat one loss reads (elements, class rows, overlaps, vectors); default elements
    bounds          `Bounds(value, grad)`: the accuracy promise in ulps
    examples        parameter sets for the checks, away from 0, 1 and 2
    definition      the textbook formula for one loss, in generic arithmetic `m` (see `reflosses.truth.arithmetic`)
    terms           y, yhat → the terms that value and gradient share; the first has one number a loss
    losses, slopes  those terms → the losses, and the derivative of each with respect to its own predictions

and, only where it has something to say:

    short           the interval of the first term in which this short form holds (default: where it is finite)
    full            y, yhat → losses and slopes of the other units, by the form that holds everywhere
    sums            y, yhat, weight → arrays whose sums along the last axis `terms` takes after all else: over the
                    members of a unit or, if it reads all predictions, over all units
    one_sided_slopes  those terms → (left, right) derivatives, where they differ from `slopes` at a kink
    kinks           y → the predictions at which a formula changes over
    scale           the distance over which the loss bends (1 where nothing says otherwise)
    error_scale    y, yhat → magnitudes that the bounds are relative to, where the exact result is a difference
                    that can cancel
    target_row      the class row that `definition` receives: smoothed and weighted
    divisor_weight  y → the class weights that "weighted_mean" divides by
    reads_all_predictions  True: every loss reads all predictions; `definition` then receives all of them, as two flat
                    sequences, and returns the list of losses
    slope_through_weight  those terms → the part of the gradient of Σ weight·loss that passes through what the losses
                    share
    held_constant   yhat → the loss that `grad` differentiates, where `grad` holds a part of it constant
    check           relations between parameters

Units are stacked along the first axis: y and yhat come to `terms` as (n,), (n, members) or (n, classes, members).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, dataclass_transform

import numpy as np
from numpy.typing import ArrayLike

from reflosses.evaluation.axes import ELEMENTS
from reflosses.evaluation.call import Argument, Call, Shapes
from reflosses.evaluation.domain import MAX, Domain, Floats
from reflosses.evaluation.evaluate import evaluate
from reflosses.evaluation.parameters import choice, parameter
from reflosses.evaluation.sums import REDUCTIONS


class Domains(NamedTuple):
    """What targets and predictions may be."""

    y: Domain
    yhat: Domain


class Bounds(NamedTuple):
    """Distance to the exact result, in units in its last place, that value and gradient keep."""

    value: float
    grad: float


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(parameter,))
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

    reduction: str = parameter(default="mean", check=choice(*REDUCTIONS), kw_only=True)

    layout: ClassVar[Any] = ELEMENTS
    domain: ClassVar[Any]
    bounds: ClassVar[Any]
    scale: ClassVar[Any] = 1.0
    examples: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    reads_all_predictions: ClassVar[bool] = False
    short: ClassVar[Any] = (-MAX, MAX)
    full: ClassVar[Any] = None
    sums: ClassVar[Any] = None

    # ---- what a loss file says (each takes what the list above says) -------------------------------------------

    @staticmethod
    @abstractmethod
    def definition(*args: Any, **kwargs: Any) -> Any:
        """m, y, yhat, and the parameters it names → the textbook formula of one loss, with no thought for rounding."""

    @abstractmethod
    def terms(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """y, yhat, and each parameter that broadcasts → the terms that `losses` and `slopes` share."""

    @abstractmethod
    def losses(self, *args: Any, **kwargs: Any) -> Floats:
        """The terms → the losses."""

    @abstractmethod
    def slopes(self, *args: Any, **kwargs: Any) -> Floats:
        """The terms → the derivative of each loss with respect to its own predictions."""

    def one_sided_slopes(self, *args: Any, **kwargs: Any) -> tuple[Floats, Floats]:
        """The terms → the left and right derivatives; a loss without kinks has one slope."""
        slopes = self.slopes(*args)
        return slopes, slopes

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        """The predictions at which the formula for target `y` changes over."""
        return ()

    def error_scale(self, *args: Any, **kwargs: Any) -> tuple[Floats | None, Floats | None]:
        """As `terms` → magnitudes that the bounds of value and gradient are relative to; None: the exact result."""
        return None, None

    @staticmethod
    def target_row(*args: Any, **kwargs: Any) -> Sequence[Any]:
        """A class row, and the parameters it names → the row that `definition` receives; exact arithmetic."""
        row: Sequence[Any] = args[0]
        return row

    def divisor_weight(self, y: Any) -> Floats | None:
        """The class weight of each loss, where "weighted_mean" divides by it."""
        return None

    def slope_through_weight(self, *args: Any, **kwargs: Any) -> Floats | None:
        """The terms → the gradient of Σ weight·loss through what the losses share; None: nothing."""
        return None

    def held_constant(self, yhat: Floats) -> Loss:
        """The loss that `grad` differentiates at these predictions, where `grad` holds a part of it constant."""
        return self

    def check(self) -> None:  # noqa: B027 (a hook, not a duty)
        """Raise ValueError where parameters contradict each other."""

    # ---- what a user calls -------------------------------------------------------------------------------------

    def value(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Any:
        """The loss: a float, or an array of losses under reduction "none"."""
        return evaluate(Call(self, y, yhat, weight), True, "")[0]

    def grad(
        self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None, out: Floats | None = None
    ) -> Floats:
        """The derivative of the value with respect to yhat, shaped like yhat (under "none": of the sum).

        out: a float64 array of that shape to write it to, which is then returned; it may share no memory with y, yhat
        or weight. TypeError or ValueError if it cannot take the gradient.
        """
        _, (grad,) = evaluate(Call(self, y, yhat, weight, out), False, "slopes")
        return grad if out is None else out

    def value_and_grad(
        self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None, out: Floats | None = None
    ) -> tuple[Any, Floats]:
        """Both, sharing the work; `out` takes the gradient, as in `grad`."""
        value, (grad,) = evaluate(Call(self, y, yhat, weight, out), True, "slopes")
        return value, grad if out is None else out

    def subgradient(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """The one-sided derivatives (low, high), scaled as `grad` is; equal where the loss is differentiable."""
        _, (low, high) = evaluate(Call(self, y, yhat, weight), False, "one_sided_slopes")
        return low, high

    @cached_property
    def shapes(self) -> dict[Any, Shapes]:
        """What the shapes of the last few calls decided; the machinery's own."""
        return {}

    # ---- construction, printing, comparison --------------------------------------------------------------------

    def __init_subclass__(cls, **options: Any) -> None:
        """Make the class a frozen dataclass of its parameters, so that no loss has to say it."""
        super().__init_subclass__(**options)
        dataclass(frozen=True, eq=False, repr=False)(cls)

    def __post_init__(self) -> None:
        for f in fields(self):
            checked = f.metadata["check"](Argument(self, f.name), getattr(self, f.name))
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
