"""The second witness: finite differences of the value against the hand-derived gradient.

`scipy.optimize.approx_fprime` is a forward difference: alone, its error is of the order of the step, and at a kink it
sees one side only. Called with +h and with −h it gives both sides. Their mean, a central difference, is compared with
`grad`; at a kink the two bracket the slopes that `grad` may return, and are compared with `subgradient`.

How near they must agree. The step h is 6e-6 of the distance over which the loss bends, so that what a central
difference leaves off, h² f‴/6, stays below `RELATIVE` of the derivative at moderate points (logits to 10, |r| from
scale/1000 to 1000·scale, probabilities 0.001 away from 0 and 1). Values that are right within b ulp (`bounds`) make it
wrong by up to b·eps·|f|/h more. That is no slack but a number: it is added to what is allowed for each derivative, and
a derivative so small against its value that this hides an error by a factor 1 + 1e-6 does not count as `sharp`.

The certified truth (`reflosses.truth.proof`) sees more; this needs NumPy and SciPy only, and shares nothing with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import approx_fprime

from reflosses.evaluation.call import Block, Call
from reflosses.evaluation.domain import REAL, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import first_index

RELATIVE = 1e-8  # agreement asked of a central difference, beyond the rounding of the value
STEP = 6e-6  # cube root of eps: there truncation and rounding are of one size
SHARP = 1e-6  # the relative error that a sharp derivative would show
_EXTRAPOLATED = 10  # the rounding of 2 D(h/2) − D(h), one-sided, over that of a central difference


class Gradient(Protocol):
    """What `gradcheck` looks at: a value and its gradient, called as those of a `Loss` are."""

    def value(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Any:
        """The loss."""

    def grad(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Any:
        """Its derivative with respect to yhat."""


class Subgradient(Gradient, Protocol):
    """What `bracketcheck` looks at: one-sided derivatives too."""

    def subgradient(self, y: ArrayLike, yhat: ArrayLike, *, weight: ArrayLike | None = None) -> Any:
        """The lower and the higher one-sided derivative with respect to yhat."""


@dataclass(frozen=True)
class GradcheckResult:
    """The derivative that disagrees most, and how many were compared.

    `excess` is its disagreement over what is allowed there (above 1 it is wrong), `relative` over the larger of the
    two numbers. `sharp` counts the derivatives that a factor 1 + 1e-6 would have pushed out of what is allowed.
    `numeric` is NaN where the value is, or where a loss moves with a prediction that is not its own.
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
        """Raise AssertionError where `ok` is not."""
        if not self.ok:
            raise AssertionError(
                f"{self.subject}: {self.method} at yhat[{', '.join(map(str, self.index))}] is {self.analytic!r}, "
                f"by differences of the value {self.numeric!r}: {self.relative:.1e} apart, {self.excess:.3g} times "
                f"what is allowed ({self.checked} derivatives compared)"
            )


def gradcheck(
    loss: Loss, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None = None, *, candidate: Gradient | None = None
) -> GradcheckResult:
    """Compare `grad` with central differences of each loss alone, whatever the reduction of `loss`.

    Each loss is a row of a Jacobian, so that a small one never drowns in a sum; a loss that moves with a prediction
    that is not its own is wrong too. Where yhat is a kink, `grad` must lie between the one-sided differences.
    `candidate` is compared instead of `loss`, which then only tells where units, ends and kinks are; its value must be
    that under reduction "none". Needs finite predictions away from the ends of their domain, or raises ValueError.
    """
    return reductioncheck(replace(loss, reduction="none"), y, yhat, weight, candidate=candidate)


def reductioncheck(
    loss: Loss, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None = None, *, candidate: Gradient | None = None
) -> GradcheckResult:
    """Compare `grad` with central differences of the value as `loss` reduces it; else as `gradcheck`.

    A sum hides small losses under the rounding of large ones: keep it short, its losses of like size, and see `sharp`.
    """
    at, subject = _Point(loss, y, yhat, weight, candidate), loss if candidate is None else candidate
    low = high = (at.difference(at.h) + at.difference(-at.h)) / 2
    noise = at.noise
    if at.kink.any():
        low, high = (np.where(at.kink, side, low) for side in at.bracket())
        noise = np.where(at.kink, _EXTRAPOLATED * noise, noise)
    analytic = at.aligned(subject.grad(y, yhat, weight=weight), f"{subject}: grad")
    return _result(f"{subject}", "grad", at, analytic, low, high, noise)


def bracketcheck(
    loss: Loss, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None = None, *, candidate: Subgradient | None = None
) -> GradcheckResult:
    """Compare `subgradient` with the one-sided differences, extrapolated to h = 0; else as `reductioncheck`.

    A kink that is no float (1 − 0.07) lies beside the number that stands for it: where `loss` has one slope there, it
    need only lie between the differences, which see both.
    """
    at, subject = _Point(loss, y, yhat, weight, candidate), loss if candidate is None else candidate
    low, high = at.bracket()
    left, right = loss.subgradient(y, yhat, weight=weight)
    beside = at.kink & np.ravel(left == right)
    lows, highs = np.append(low, np.where(beside, low, high)), np.append(np.where(beside, high, low), high)
    sides = subject.subgradient(y, yhat, weight=weight)
    analytic = np.concatenate([at.aligned(side, f"{subject}: subgradient") for side in sides])
    return _result(f"{subject}", "subgradient", at, analytic, lows, highs, np.tile(_EXTRAPOLATED * at.noise, 2))


def _result(
    subject: str, method: str, at: _Point, analytic: Floats, low: Floats, high: Floats, noise: Floats
) -> GradcheckResult:
    """The worst of all derivatives; each must lie from `low` to `high`, as far as can be told."""
    if not analytic.size:
        return GradcheckResult(subject, method, (), 0.0, 0.0, 0.0, 0.0, 0, 0)
    with np.errstate(all="ignore"):
        numeric = np.where(np.isnan(analytic), low, np.clip(analytic, low, high))
        apart, size = np.abs(analytic - numeric), np.maximum(np.abs(analytic), np.abs(numeric))
        allowed = RELATIVE * size + noise
        relative = np.where(apart == 0, 0.0, apart / size)
        excess = np.where(apart == 0, 0.0, np.where(np.isfinite(apart), apart / allowed, np.inf))
    worst = int(np.argmax(excess))
    index = tuple(int(i) for i in np.unravel_index(worst % at.flat.size, at.shape))
    a, n, r, e = (float(each[worst]) for each in (analytic, numeric, relative, excess))
    sharp = int((2 * allowed <= SHARP * np.abs(analytic)).sum())
    return GradcheckResult(subject, method, index, a, n, r, e, analytic.size, sharp)


class _Point:
    """Where derivatives are compared: for each prediction its step, its kink, and the rounding of a difference."""

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
        self.value = held.value if candidate is None or held is not loss else candidate.value
        h, self.kink = (self._each(units.placed(a)) for a in _steps(loss, units))
        self.kink = self.kink > 0
        self.h = np.where(h > 0, h, np.maximum(2.0**-18, np.spacing(np.abs(self.flat))))  # of a loss left out: any
        numbers = np.arange(self.layout.units).reshape(-1, *[1] * len(self.layout.unit_shape))
        self.own = self._each(np.broadcast_to(numbers, (self.layout.units, *self.layout.unit_shape)))
        self.noise = self._noise(units, replace(held, reduction="none"))

    def _each(self, stacked: Any) -> Any:
        """Numbers of the stacked units, one a prediction, in the order of yhat."""
        return self.layout.restore(stacked).ravel()

    def aligned(self, gradient: Any, what: str) -> Floats:
        """A gradient in the order of yhat, whose shape it must have."""
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
        """The forward difference (backward for h < 0) of its own loss at each prediction."""
        if not self.flat.size:
            return self.flat
        with np.errstate(all="ignore"):
            jacobian = np.atleast_2d(approx_fprime(self.flat, self._losses, h))
        if self.loss.reduction != "none" or self.loss.reads_all_predictions:
            return np.asarray(jacobian.sum(axis=0))
        own = self.own, np.arange(self.flat.size)
        slopes, jacobian[own] = jacobian[own], 0.0
        return np.where(jacobian.any(axis=0), np.nan, slopes)

    def bracket(self) -> Floats:
        """Lower and higher one-sided derivative: differences over h and h/2, extrapolated to h = 0."""
        return np.sort([2 * self.difference(h / 2) - self.difference(h) for h in (self.h, -self.h)], axis=0)

    def _noise(self, units: Block, each: Loss) -> Floats:
        """How far rounding of the values alone can put a central difference off."""
        loss, yhat = self.loss, self.flat.reshape(self.shape)
        with np.errstate(all="ignore"):  # a candidate that is far larger than the loss is wrong: its size is no excuse
            right = np.abs(np.ravel(self.held.value(self.y, yhat, weight=self.weight)))
            whole = np.minimum(np.abs(self._losses(self.flat)), 1e3 * right)
            size = np.ravel(np.abs(each.value(self.y, yhat, weight=self.weight)))
            largest = loss.error_scale(units.y, units.yhat, *units.parameters)[0]
        weight = np.ones(len(units.yhat)) if units.weight is None else units.weight
        if largest is not None:  # the bound of the value is relative to this
            size = np.fmax(size, units.placed(largest * weight))
        if loss.reduction == "none":
            size = np.fmax(size, whole)
        rounding = loss.bounds.value * (size.sum() if loss.reads_all_predictions else size[self.own])
        if loss.reduction != "none":  # then the total is rounded, and divided
            total = fsum(units.divisor_weight * weight) if loss.reduction == "weighted_mean" else units.count
            divisor = 1.0 if loss.reduction == "sum" else total or np.inf
            rounding = rounding / divisor + np.fmax(size.sum() / divisor, whole.max())
        return np.asarray(np.finfo(float).eps * rounding / self.h)


def _steps(loss: Loss, units: Block) -> tuple[Floats, Floats]:
    """A power of two for each prediction that takes part, so that adding it is exact; and 1 where it is a kink."""
    x = units.yhat
    reach = np.full(x.shape, float(loss.scale))
    if loss.domain.y is REAL and x.ndim == 1:
        reach = np.maximum(reach, np.abs(x - units.y))  # far out a loss of a residual bends over the residual itself
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
