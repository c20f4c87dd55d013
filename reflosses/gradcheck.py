"""The second witness: finite differences of the value against the hand-derived gradient, and of that for curvature.

`scipy.optimize.approx_fprime` is a forward difference. Its error has the size of the step, and at a kink it sees one
side only. So it is called with +h and with −h. The mean of the two is a central difference and is compared with `grad`.
At a kink, the two bracket the slopes that `grad` may return, and are compared with `subgradient`.

How close must they agree? The step h is 6e-6 of the distance over which the loss bends. The truncation error h² f‴/6
of a central difference then stays below `RELATIVE` of the derivative at moderate points (logits to 10, |r| from
scale/1000 to 1000·scale, probabilities 0.001 away from 0 and 1). Values that are right within b ulp (`bounds`) add an
error of up to b·eps·|f|/h. This number is allowed for each derivative. If it is so large that it would hide a factor
1 + 1e-6, the derivative does not count as `sharp`.

The certified truth (`reflosses.truth.proof`) sees more. This check needs only NumPy and SciPy, and shares nothing with
the proof.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum
from typing import Any, Protocol

import numpy as np
import scipy
from numpy.typing import ArrayLike

from reflosses.evaluation.call import Block, Call
from reflosses.evaluation.domain import REAL, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import first_index, printed

RELATIVE = 1e-8  # the relative error that a central difference may have, apart from the rounding of the value
STEP = 6e-6  # the cube root of eps, at which truncation and rounding have the same size
SHARP = 1e-6  # a sharp derivative shows a relative error of this size
_EXTRAPOLATED = 10  # 2 D(h/2) − D(h), one-sided, has so many times the rounding of a central difference


class Gradient(Protocol):
    """What `gradcheck` needs: a value and a gradient, with the signatures of a `Loss`."""

    def value(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Any:
        """The loss."""

    def grad(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Any:
        """Its derivative with respect to yhat."""


class Subgradient(Gradient, Protocol):
    """What `bracketcheck` needs: one-sided derivatives too."""

    def subgradient(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Any:
        """The lower and the higher one-sided derivative with respect to yhat."""


class Curvature(Gradient, Protocol):
    """What `curvaturecheck` needs: a gradient and a curvature."""

    def curvature(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Any:
        """The derivative of each entry of `grad` with respect to the same entry of yhat."""


@dataclass(frozen=True)
class GradcheckResult:
    """The derivative that disagrees most, and the number of derivatives that were compared.

    `excess` is its disagreement divided by the allowed one; above 1 it is wrong. `relative` is the disagreement divided
    by the larger of the two numbers. `sharp` counts the derivatives that a factor 1 + 1e-6 would have made wrong.
    `numeric` is NaN if the value is NaN, or if a loss depends on a prediction of another loss.
    """

    subject: str
    method: str
    index: tuple[int, ...]
    analytic: float
    numeric: float
    relative: float
    excess: float
    checked: int
    sharp: int

    @property
    def ok(self) -> bool:
        """Whether every derivative agrees."""
        return self.excess <= 1

    def raise_if_wrong(self) -> None:
        """Raise AssertionError unless `ok`."""
        if not self.ok:
            source = "gradient" if self.method == "curvature" else "value"
            raise AssertionError(
                f"{self.subject}: {self.method} at yhat[{', '.join(map(str, self.index))}] is {self.analytic!r}, "
                f"by differences of the {source} {self.numeric!r}: {self.relative:.1e} apart, {self.excess:.3g} times "
                f"what is allowed ({self.checked} derivatives compared)"
            )


def gradcheck(
    loss: Loss, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None = None, *, candidate: Gradient | None = None
) -> GradcheckResult:
    """Compare `grad` with central differences of each single loss, under reduction "none".

    Each loss is a row of a Jacobian, so that no small loss drowns in a sum. A loss that depends on a prediction of
    another loss is wrong too. At a kink, `grad` must lie between the one-sided differences.
    With a `candidate`, its value (under reduction "none") and its gradient are compared, and `loss` tells only the
    units, ends and kinks. Raises ValueError for a prediction that is not finite or at an end of its domain.
    """
    _check_types("gradcheck", loss, candidate)
    return reductioncheck(replace(loss, reduction="none"), y, yhat, weight, candidate=candidate)


@np.errstate(all="ignore")
def reductioncheck(
    loss: Loss, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None = None, *, candidate: Gradient | None = None
) -> GradcheckResult:
    """Compare `grad` with central differences of the value under the reduction of `loss`; the rest as in `gradcheck`.

    The rounding of large losses hides small ones in a sum. So use few losses of similar size, and look at `sharp`.
    """
    _check_types("reductioncheck", loss, candidate)
    at, subject = _Point(loss, y, yhat, weight, candidate), loss if candidate is None else candidate
    low = high = (at.difference(at.h) + at.difference(-at.h)) / 2
    noise = at.noise
    if at.kink.any():
        low, high = (np.where(at.kink, side, low) for side in at.bracket())
        noise = np.where(at.kink, _EXTRAPOLATED * noise, noise)
    analytic = at.aligned(subject.grad(y, yhat, weight=weight), f"{subject}: grad")
    return _result(f"{subject}", "grad", at, analytic, low, high, noise)


@np.errstate(all="ignore")
def bracketcheck(
    loss: Loss, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None = None, *, candidate: Subgradient | None = None
) -> GradcheckResult:
    """Compare `subgradient` with the one-sided differences, extrapolated to h = 0; the rest as in `reductioncheck`.

    A kink such as 1 − 0.07 is not a float: it lies beside the nearest one. If `loss` has a single slope at that float,
    the slope must lie between the differences, which see both sides.
    """
    _check_types("bracketcheck", loss, candidate, "subgradient")
    at, subject = _Point(loss, y, yhat, weight, candidate), loss if candidate is None else candidate
    low, high = at.bracket()
    left, right = loss.subgradient(y, yhat, weight=weight)
    beside = at.kink & np.ravel(left == right)
    lows, highs = np.append(low, np.where(beside, low, high)), np.append(np.where(beside, high, low), high)
    sides = subject.subgradient(y, yhat, weight=weight)
    analytic = np.concatenate([at.aligned(side, f"{subject}: subgradient") for side in sides])
    return _result(f"{subject}", "subgradient", at, analytic, lows, highs, np.tile(_EXTRAPOLATED * at.noise, 2))


def _check_types(function: str, loss: Any, candidate: Any, *more: str) -> None:
    """TypeError unless `loss` is a loss and the candidate has the methods that are called."""
    if not isinstance(loss, Loss):
        raise TypeError(f"{function}: loss is {printed(loss)}, no loss such as Huber(delta=0.7)")
    for name in ("value", "grad", *more) if candidate is not None else ():
        if isinstance(candidate, type) or not callable(getattr(candidate, name, None)):
            raise TypeError(f"{function}: candidate is {printed(candidate)}, no object with a method {name}")


@np.errstate(all="ignore")
def curvaturecheck(
    loss: Loss, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None = None, *, candidate: Curvature | None = None
) -> GradcheckResult:
    """Compare `curvature` with central differences of `grad`, entry by entry, under the reduction of `loss`.

    Where the slope jumps, the curvature must be NaN. Where only the curvature jumps, it must lie between the one-sided
    differences. If `grad` holds a weight constant, these differences hold it too. `GradcheckResult` explains the
    result; errors and candidates are those of `gradcheck`.
    """
    _check_types("curvaturecheck", loss, candidate, "curvature")
    at, subject = _Point(loss, y, yhat, weight, candidate), loss if candidate is None else candidate
    analytic = at.aligned(subject.curvature(y, yhat, weight=weight), f"{subject}: curvature")
    low, high = at.bends()
    low_slope, high_slope = (at.aligned(side, "") for side in loss.subgradient(y, yhat, weight=weight))
    jumps = low_slope < high_slope
    low, high = (np.where(jumps, np.where(np.isnan(analytic), 0.0, np.nan), side) for side in (low, high))
    analytic = np.where(jumps & np.isnan(analytic), 0.0, analytic)
    noise, size = at.noise_of_slopes()
    return _result(f"{subject}", "curvature", at, analytic, low, high, noise, size)


def _result(
    subject: str,
    method: str,
    at: _Point,
    analytic: Floats,
    low: Floats,
    high: Floats,
    noise: Floats,
    scale: Floats | float = 0.0,
) -> GradcheckResult:
    """The worst of all derivatives. Each must lie from `low` to `high`, within `noise` and `RELATIVE` of its scale."""
    if not analytic.size:
        return GradcheckResult(subject, method, (), 0.0, 0.0, 0.0, 0.0, 0, 0)
    with np.errstate(all="ignore"):
        numeric = np.where(np.isnan(analytic), low, np.clip(analytic, low, high))
        apart = np.where(analytic == numeric, 0.0, np.abs(analytic - numeric))
        size = np.maximum(np.abs(analytic), np.abs(numeric))
        allowed = RELATIVE * np.fmax(size, scale) + noise
        relative = np.where(apart == 0, 0.0, apart / size)
        excess = np.where(apart == 0, 0.0, np.where(np.isfinite(apart), apart / allowed, np.inf))
    worst = int(np.argmax(excess))
    index = tuple(int(i) for i in np.unravel_index(worst % at.flat.size, at.shape))
    a, n, r, e = (float(each[worst]) for each in (analytic, numeric, relative, excess))
    sharp = int((2 * allowed <= SHARP * np.abs(analytic)).sum())
    return GradcheckResult(subject, method, index, a, n, r, e, analytic.size, sharp)


class _Point:
    """The point at which derivatives are compared: for each prediction the step, the kink, and the rounding error."""

    def __init__(
        self, loss: Loss, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None, candidate: Gradient | None
    ) -> None:
        units = Call(loss, y, yhat, weight).units()
        self.loss, self.y, self.weight, self.layout = loss, y, weight, units.layout
        predictions = np.array(yhat, dtype=np.float64)
        self.shape, self.flat = predictions.shape, predictions.ravel()
        if not np.isfinite(predictions).all():
            raise ValueError(f"{loss}: yhat{first_index(~np.isfinite(predictions))} is not finite: no differences")
        held = loss.held_constant(units.yhat)
        self.held = held
        subject: Any = held if candidate is None or held is not loss else candidate
        self.value, self.grad = subject.value, subject.grad
        h, self.kink = (self._each(units.placed(a)) for a in _steps(loss, units))
        self.kink = self.kink > 0
        self.h = np.where(h > 0, h, np.maximum(2.0**-18, np.spacing(np.abs(self.flat))))  # ignored losses: any step
        numbers = np.arange(self.layout.units).reshape(-1, *[1] * len(self.layout.unit_shape))
        self.own = self._each(np.broadcast_to(numbers, (self.layout.units, *self.layout.unit_shape)))
        self.units, self.each = units, replace(held, reduction="none")
        weights = np.ones(len(units.yhat)) if units.weight is None else units.weight
        total = fsum(units.divisor_weight * weights) if loss.reduction == "weighted_mean" else units.count
        self.divisor = 1.0 if loss.reduction in ("sum", "none") else total or np.inf
        self.noise = self._noise(units, self.each)

    def _each(self, stacked: Any) -> Any:
        """Numbers of the stacked units, one for each prediction, in the order of yhat."""
        return self.layout.restore(stacked).ravel()

    def aligned(self, gradient: Any, what: str) -> Floats:
        """A gradient as a flat array; ValueError if it is not shaped like yhat."""
        if np.shape(gradient) != self.shape:
            raise ValueError(f"{what} has shape {np.shape(gradient)} and yhat {self.shape}; they must be equal")
        return np.asarray(gradient, np.float64).ravel()

    def _losses(self, flat: Floats) -> Floats:
        with np.errstate(all="ignore"):
            losses = np.ravel(self.value(self.y, flat.reshape(self.shape), weight=self.weight))
        expected = self.layout.units if self.loss.reduction == "none" else 1
        if losses.size != expected:
            raise ValueError(f"{self.loss}: the value is {losses.size} numbers, expected {expected}")
        return np.asarray(losses, np.float64)

    def difference(self, h: Floats) -> Floats:
        """At each prediction, the forward difference of its loss (backward for h < 0)."""
        if not self.flat.size:
            return self.flat
        with np.errstate(all="ignore"):
            jacobian = np.atleast_2d(scipy.optimize.approx_fprime(self.flat, self._losses, h))
        if self.loss.reduction != "none" or self.loss.reads_all_predictions:
            return np.asarray(jacobian.sum(axis=0))
        own = self.own, np.arange(self.flat.size)
        slopes, jacobian[own] = jacobian[own], 0.0
        return np.where(jacobian.any(axis=0), np.nan, slopes)

    def bracket(self) -> Floats:
        """The lower and the higher one-sided derivative, extrapolated to h = 0 from differences over h and h/2."""
        return np.sort([2 * self.difference(h / 2) - self.difference(h) for h in (self.h, -self.h)], axis=0)

    def _slopes(self, flat: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return self.aligned(self.grad(self.y, flat.reshape(self.shape), weight=self.weight), "the gradient")

    def bends(self) -> Floats:
        """The lower and the higher difference of each slope by its own prediction; equal where nothing jumps."""
        if not self.flat.size:
            return np.zeros((2, 0))

        def difference(h: Floats) -> Floats:
            with np.errstate(all="ignore"):
                return np.diagonal(np.atleast_2d(scipy.optimize.approx_fprime(self.flat, self._slopes, h)))

        sides = difference(self.h), difference(-self.h)
        mean = sides[0] / 2 + sides[1] / 2
        return np.sort([np.where(self.kink, side, mean) for side in sides], axis=0)

    def noise_of_slopes(self) -> tuple[Floats, Floats]:
        """The largest error of such a difference that comes from the rounding of slopes; the size of the curvature."""
        units, yhat = self.units, self.flat.reshape(self.shape)
        with np.errstate(all="ignore"):
            scales = self.loss.error_scale(units.y, units.yhat, *units.parameters)
            found = [
                np.abs(np.ravel(f(self.y, yhat, weight=self.weight))) for f in (self.each.grad, self.each.curvature)
            ]
        weight = np.ones(len(units.yhat)) if units.weight is None else units.weight
        weight = weight.reshape(-1, *[1] * len(self.layout.unit_shape))
        sizes = [
            own if scale is None else np.fmax(own, self._each(units.placed(scale * weight)))
            for own, scale in zip(found, scales[1:], strict=True)
        ]
        slope, bend = (size / self.divisor for size in sizes)
        slope = np.fmax(slope, np.abs(self._slopes(self.flat)))  # of a candidate, too
        return np.asarray(np.finfo(float).eps * (self.loss.bounds.grad + 2) * slope / self.h), bend

    def _noise(self, units: Block, each: Loss) -> Floats:
        """The largest error of a central difference that comes from the rounding of the values."""
        loss, yhat = self.loss, self.flat.reshape(self.shape)
        with np.errstate(all="ignore"):  # the size of a candidate counts up to 1000 times the loss, no further
            right = np.abs(np.ravel(self.held.value(self.y, yhat, weight=self.weight)))
            whole = np.minimum(np.abs(self._losses(self.flat)), 1e3 * right)
            size = np.ravel(np.abs(each.value(self.y, yhat, weight=self.weight)))
            largest = loss.error_scale(units.y, units.yhat, *units.parameters)[0]
        weight = np.ones(len(units.yhat)) if units.weight is None else units.weight
        if largest is not None:  # the bound of the value is relative to it
            size = np.fmax(size, units.placed(largest * weight))
        if loss.reduction == "none":
            size = np.fmax(size, whole)
        rounding = loss.bounds.value * (size.sum() if loss.reads_all_predictions else size[self.own])
        if loss.reduction != "none":  # the total is rounded and then divided
            rounding = rounding / self.divisor + np.fmax(size.sum() / self.divisor, whole.max())
        return np.asarray(np.finfo(float).eps * rounding / self.h)


def _steps(loss: Loss, units: Block) -> tuple[Floats, Floats]:
    """For each prediction, a step, and 1 if it is a kink. A step is a power of two, so that adding it is exact."""
    x = units.yhat
    reach = np.full(x.shape, float(loss.scale))
    if loss.domain.y is REAL and x.ndim == 1:
        reach = np.maximum(reach, np.abs(x - units.y))  # far out, such a loss bends over |residual|
    reach = np.minimum(reach, np.minimum(x - loss.domain.yhat.low, loss.domain.yhat.high - x))
    if (reach <= 0).any():
        end = first_index(units.layout.restore(units.placed(1.0 * (reach <= 0))) > 0)
        raise ValueError(f"{loss}: yhat{end} is an end of its domain, where only one side has a difference")
    kink = np.zeros(x.shape)
    for place in loss.kinks(units.y):
        distance = np.abs(x - place)
        kink = np.where(distance == 0, 1.0, kink)
        reach = np.where(distance > 0, np.minimum(reach, distance), reach)
    return np.maximum(np.ldexp(1.0, np.frexp(STEP * reach)[1] - 1), np.spacing(np.abs(x))), kink
