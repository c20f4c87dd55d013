"""The contract of a loss: what a loss file says, and what a user calls.

    loss.value_and_grad(y, yhat)           what a user calls                                      this file
    → Call(loss, y, yhat, weight)          types and shapes are checked                           call.py
    → Shapes                               what the shapes decide, kept for the next call         call.py, axes.py
    → Block, one for each box of units     float64, domains checked, ignored units left out       call.py, domain.py
    → sums                                 only if a loss asks: exact over several blocks         evaluate.py, sums.py
    → terms → losses, slopes, curvatures   the formulas of the loss; `full` where they fail       losses/
    → Result                               weighted, summed exactly, divided and rounded once     evaluate.py

A *unit* is all that one loss reads: an element, a class row, an overlap or a residual vector. Units are stacked along
the first axis, so a loss file sees y and yhat as (n,), (n, members) or (n, classes, members). It says:

    definition         the textbook formula of one loss, in generic arithmetic `m` (see `reflosses.truth.arithmetic`)
    terms              y, yhat, parameters → what the next three share; the first term has one number a loss
    losses             the terms → the losses
    slopes             the terms → the derivative of each loss with respect to its own predictions
    curvatures         the terms → the derivative of each slope with respect to its own prediction
    domain             `Domains(y, yhat)`: what targets and predictions may be
    bounds             `Bounds(value, grad, curvature)`: the accuracy promise in ulps

A loss file says more only if it needs to:

    short              the interval of the first term in which these formulas hold (default: the finite floats)
    full               y, yhat, parameters → losses, slopes and curvatures of the other units
    one_sided_slopes   the terms → left and right derivatives, for a loss with kinks; right at every kink
    sums               y, yhat → arrays; `terms` then also takes the sums of each along its last axis
    layout             which axes go into one unit (default: none, one loss an element)
    examples           parameter sets for the checks, away from 0, 1 and 2
    kinks              y → the predictions at which the formula changes over, also if the slope does not jump there
    scale              the distance over which the loss bends (default: 1)
    error_scale        y, yhat, parameters → what the bounds are relative to, where the exact result may cancel
    target_row         class row, parameters → the row that `definition` takes, smoothed and weighted
    divisor_weight     y → the class weights that "weighted_mean" divides by
    check              relations between parameters

To add a loss, add losses/NAME.py, its page derivations/NAME.md, its test tests/losses/test_NAME.py (which may hold rows
for the tables of other tests, see tests/loss_tables.py), and two lines: its name in `__init__.pyi`, its bounds in
tests/test_promises.py. Name it in the README and in derivations/README.md, and run `make accuracy`.

One loss (WeightedCrossEntropy) reads all predictions of a call, because its weight does:

    reads_all_predictions  True: `definition` takes two flat sequences and returns a list; `sums` takes the weights too
    slope_through_weight   the terms → the part of the gradient that passes through the shared weight alone
    curvature_through_weight   the same of the curvature
    held_constant          yhat → the loss that `grad` differentiates, if `grad` holds the shared weight constant
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
from reflosses.evaluation.call import Call, Shapes
from reflosses.evaluation.domain import MAX, Domain, Floats
from reflosses.evaluation.evaluate import evaluate
from reflosses.evaluation.parameters import choice, parameter, printed

REDUCTIONS = ("mean", "weighted_mean", "sum", "none")


class Argument(NamedTuple):
    """The name of an argument in an error message, made only if there is an error."""

    loss: Any
    name: str

    def __str__(self) -> str:
        return f"{self.loss}: {self.name}"


class Domains(NamedTuple):
    """What targets and predictions may be."""

    y: Domain
    yhat: Domain


class Bounds(NamedTuple):
    """The largest distance of value, gradient and curvature to the exact result, in units in its last place (ulps)."""

    value: float
    grad: float
    curvature: float


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(parameter,))
@dataclass(frozen=True, eq=False, repr=False)
class Loss(ABC):
    """A loss with `value(y, yhat)` and `grad(y, yhat)`; y is the target, yhat the prediction.

    reduction: "mean" (Σwℓ/N, default), "weighted_mean" (Σwℓ/Σw), "sum" (Σwℓ) or "none" (wℓ, one a loss). N counts
    positions of zero weight, but no ignored positions. A sum adds the numbers that "none" returns, exactly, and is
    rounded once; an infinite loss makes it infinite, unless there is a NaN or an opposite infinity.
    weight: one number ≥ 0 for each loss, shaped like the value under "none". A zero weight removes its loss, even if
    the loss is infinite or NaN.
    Any real dtype comes in, float64 comes out, inputs are not changed. A NaN prediction gives NaN.
    Errors: TypeError for arrays that do not hold real numbers; ValueError for shapes that do not fit, and for the first
    number outside a domain.
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

    # ---- what a loss file says, in the words of the list above --------------------------------------------------

    @staticmethod
    @abstractmethod
    def definition(*args: Any, **kwargs: Any) -> Any:
        """m, y, yhat, and the parameters it names → one loss by its textbook formula, which may ignore rounding."""

    @abstractmethod
    def terms(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """y, yhat, and each parameter that broadcasts → the terms that `losses` and `slopes` share."""

    @abstractmethod
    def losses(self, *args: Any, **kwargs: Any) -> Floats:
        """The terms → the losses."""

    @abstractmethod
    def slopes(self, *args: Any, **kwargs: Any) -> Floats:
        """The terms → the derivative of each loss with respect to its own predictions."""

    @abstractmethod
    def curvatures(self, *args: Any, **kwargs: Any) -> Floats:
        """The terms → the derivative of each slope with respect to its own prediction.

        Where it jumps, it is the side that is nearer to 0. Where the slope jumps, NaN takes its place.
        """

    def one_sided_slopes(self, *args: Any, **kwargs: Any) -> tuple[Floats, Floats]:
        """The terms → the left and right derivatives; a loss without kinks has one slope."""
        slopes = self.slopes(*args)
        return slopes, slopes

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        """The predictions at which the formula for target `y` changes over."""
        return ()

    def error_scale(self, *args: Any, **kwargs: Any) -> tuple[Floats | None, Floats | None, Floats | None]:
        """As `terms` → what the bounds of value, gradient and curvature are relative to; None: the exact result."""
        return None, None, None

    @staticmethod
    def target_row(*args: Any, **kwargs: Any) -> Sequence[Any]:
        """A class row, and the parameters it names → the row that `definition` receives; exact arithmetic."""
        row: Sequence[Any] = args[0]
        return row

    def divisor_weight(self, y: Any) -> Floats | None:
        """The class weight of each loss, where "weighted_mean" divides by it."""
        return None

    def slope_through_weight(self, *args: Any, **kwargs: Any) -> Floats | None:
        """The terms → the part of the gradient that passes through a shared weight alone; None if there is none."""
        return None

    def curvature_through_weight(self, *args: Any, **kwargs: Any) -> Floats | None:
        """The terms → the part of the curvature that passes through a shared weight alone; None if there is none."""
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

        out: a float64 array of that shape, which takes the gradient and is returned. It must not share memory with y,
        yhat or weight. TypeError or ValueError if it cannot take the gradient. An error may leave a part of it there.
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

    def curvature(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Floats:
        """The derivative of each entry of `grad` with respect to the same entry of yhat: the diagonal of the Hessian.

        It is shaped, reduced and weighted as `grad` is. Where the slope jumps, it is NaN: there is no derivative. Where
        the slope is continuous and the curvature jumps, it is the side that is nearer to 0 (Huber at |r| = delta: 0).
        A weight that `grad` holds constant (WeightedCrossEntropy) is held here, too.
        """
        _, (curvature,) = evaluate(Call(self, y, yhat, weight), False, "curvatures")
        return curvature

    @cached_property
    def shapes(self) -> dict[Any, Shapes]:
        """What the shapes of earlier calls decide; at most 64 are kept."""
        return {}

    # ---- construction, printing, comparison --------------------------------------------------------------------

    def __init_subclass__(cls, **options: Any) -> None:
        """Make the class a frozen dataclass of its parameters, so that no loss has to say it."""
        super().__init_subclass__(**options)
        dataclass(frozen=True, eq=False, repr=False)(cls)
        for word, made in (("domain", Domains), ("bounds", Bounds)):
            if not isinstance(getattr(cls, word, None), (made, property)):
                raise TypeError(f"{cls.__name__} needs a line `{word} = {made.__name__}({', '.join(made._fields)})`")
        for f in fields(cls):
            if "check" not in f.metadata:
                raise TypeError(f"{cls.__name__}: {f.name} needs `parameter(default=…, check=…)`")

    def __post_init__(self) -> None:
        for f in fields(self):
            checked = f.metadata["check"](Argument(self, f.name), getattr(self, f.name))
            object.__setattr__(self, f.name, checked)
        self.check()

    def __repr__(self) -> str:
        shown = [f for f in fields(self) if f.name != "reduction"] + [f for f in fields(self) if f.name == "reduction"]
        return f"{type(self).__name__}({', '.join(f'{f.name}={printed(getattr(self, f.name))}' for f in shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are constructed again, so that their arrays are read-only too."""
        return _rebuilt, (type(self), {f.name: getattr(self, f.name) for f in fields(self)})

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        """The parameters as what can be compared and hashed."""
        values = (getattr(self, f.name) for f in fields(self))
        return tuple((v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for v in values)

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Loss) and type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self._key))


def _rebuilt(cls: type[Loss], parameters: dict[str, Any]) -> Loss:
    return cls(**parameters)
