"""Exact results for the inputs of the battery: proved at finite inputs, the documented limits at infinite ones.

Each loss is certified once, alone. Reductions and weights are then applied in fractions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from reflosses.comparison.formats import Format
from reflosses.evaluation.call import Call
from reflosses.evaluation.domain import POSITIVE, Bools, Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import number, printed
from reflosses.evaluation.stack import align, flatten, one_loss_a_call, per_loss, unstack
from reflosses.evaluation.sums import rounded
from reflosses.truth.accuracy import error_scales
from reflosses.truth.arithmetic import CannotCertifyError, available
from reflosses.truth.proof import certified


@dataclass(frozen=True)
class ExactResults:
    """Results of stacked losses.

    value (n, …), grad (n, …): correctly rounded to float64. low, high: the one-sided derivatives. value_size,
    grad_size: errors are relative to these; they are at least the result. known: False if nothing could be proved.
    """

    value: Floats
    grad: Floats
    low: Floats
    high: Floats
    value_size: Floats
    grad_size: Floats
    known: Any

    def at(self, where: Any) -> ExactResults:
        """The results of some of the losses."""
        return ExactResults(*(getattr(self, f.name)[where] for f in fields(self)))


@dataclass(frozen=True)
class Scaled:
    """A finite factor above 0 times a loss. Many functions differ from ours by a factor, such as ½."""

    factor: float
    loss: Loss

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", number(POSITIVE)("Scaled: factor", self.factor))
        if not isinstance(self.loss, Loss):
            raise TypeError(f"Scaled: loss is {printed(self.loss)}, no loss such as Huber(delta=0.7)")

    def value(self, y: Any, yhat: Any, *, weight: Any = None) -> Any:
        """factor · value."""
        return self.factor * self.loss.value(y, yhat, weight=weight)

    def grad(self, y: Any, yhat: Any, *, weight: Any = None) -> Floats:
        """factor · gradient."""
        return self.factor * self.loss.grad(y, yhat, weight=weight)

    def curvature(self, y: Any, yhat: Any, *, weight: Any = None) -> Floats:
        """factor · curvature."""
        return self.factor * self.loss.curvature(y, yhat, weight=weight)

    def value_and_grad(self, y: Any, yhat: Any, *, weight: Any = None) -> tuple[Any, Floats]:
        """Value and gradient, sharing the work."""
        value, grad = self.loss.value_and_grad(y, yhat, weight=weight)
        return self.factor * value, self.factor * grad


def parts(target: Loss | Scaled) -> tuple[float, Loss]:
    """The factor and the loss of a target; TypeError for anything else."""
    if not isinstance(target, Scaled | Loss):
        raise TypeError(f"{printed(target)} is no loss, such as Huber(delta=0.7), nor Scaled(factor, loss)")
    return (target.factor, target.loss) if isinstance(target, Scaled) else (1.0, target)


def exact(target: Loss | Scaled, y: Floats, yhat: Floats, slopes: bool = True, proved: bool = True) -> ExactResults:
    """The results of stacked losses, without reduction; a loss that reads all predictions keeps its own reduction.

    slopes: False gives the values alone. A loss of 70,000 predictions needs it. proved: False gives our own numbers,
    which are right to a few ulps: enough where half of the digits are asked. Without python-flint there are no others.
    """
    factor, loss = parts(target)
    loss = loss if loss.reads_all_predictions else replace(loss, reduction="none")
    if not (proved and available()):
        calls = [slice(i, i + 1) for i in range(len(yhat))] if one_loss_a_call(loss) else [slice(None)]
        with np.errstate(all="ignore"):
            return joined_results([_own(factor, loss, y[c], yhat[c]) for c in calls or [slice(None)]])
    keys = ((a.shape, np.asarray(a, np.float64).tobytes()) for a in (y, yhat))
    return (_short if yhat.size <= LONG else _long)(factor, loss, *keys, slopes=slopes)


def _exact(factor: float, loss: Loss, *keys: tuple[tuple[int, ...], bytes], slopes: bool) -> ExactResults:
    y, yhat = (np.frombuffer(numbers).reshape(shape) for shape, numbers in keys)
    finite = np.isfinite(flatten(yhat)).all(axis=1)
    results: list[ExactResults | None] = [None] * len(yhat)

    def ask(which: Any) -> None:
        """Prove these losses together; if that fails, one by one."""
        try:
            found = _proved(factor, loss, y[which], yhat[which], slopes)
        except CannotCertifyError:
            for i in which if len(which) > 1 else ():
                ask([i])
        else:
            for k, i in enumerate(which):
                results[i] = found.at(slice(k, k + 1))

    provable = list(np.flatnonzero(finite))
    for group in [[i] for i in provable] if one_loss_a_call(loss) else [provable]:
        if group:
            ask(group)
    for i in np.flatnonzero(~finite):
        results[i] = _own(factor, loss, y[i : i + 1], yhat[i : i + 1])
    shape = () if not loss.reads_all_predictions else yhat.shape[1:] if loss.reduction == "none" else (1,)
    value, grad = np.zeros((1, *shape)), np.zeros((1, *yhat.shape[1:]))
    unknown = ExactResults(value, grad, grad, grad, value, grad, np.zeros(1, bool))
    whole = [r or unknown for r in results]
    return joined_results(whole) if whole else unknown.at(slice(0, 0))


def joined_results(results: list[ExactResults]) -> ExactResults:
    """The results of several calls as those of one."""
    return ExactResults(*(np.concatenate([getattr(r, f.name) for r in results]) for f in fields(ExactResults)))


# Many functions are asked for one loss. A megabyte holds the results of some hundred usual calls, or of one long one.
LONG = 10_000
_short, _long = lru_cache(maxsize=4096)(_exact), lru_cache(maxsize=16)(_exact)


def _proved(factor: float, loss: Loss, y: Floats, yhat: Floats, slopes: bool) -> ExactResults:
    a, b = unstack(loss, y, yhat)
    weight = None if factor == 1 else np.full(loss.layout.bind(b.shape).value_shape, factor)
    truth = certified(loss, a, b, weight, strict=False, slopes=slopes)
    return with_sizes(factor, loss, a, b, (truth.value, truth.grad, truth.low, truth.high))


def _own(factor: float, loss: Loss, y: Floats, yhat: Floats) -> ExactResults:
    """Our own results: at predictions that are infinite or NaN, these are the documented limits."""
    if not len(y):
        nothing, none = np.zeros(0), np.zeros(yhat.shape)
        return ExactResults(nothing, none, none, none, nothing, none, np.zeros(0, bool))
    a, b = unstack(loss, y, yhat)
    results = (loss.value(a, b), loss.grad(a, b), *loss.subgradient(a, b))
    found = with_sizes(factor, loss, a, b, tuple(factor * np.asarray(r) for r in results))
    if factor >= 1:
        return found
    rows = [r.reshape(len(found.known), -1) for r in (found.value, found.grad)]
    lost = np.isinf(np.concatenate(rows, axis=1)).any(axis=1) & np.isfinite(flatten(yhat)).all(axis=1)
    return replace(found, known=found.known & ~lost)  # the factor comes too late for a result that overflows


def with_sizes(factor: float, loss: Loss, y: Any, yhat: Floats, results: tuple[Any, ...]) -> ExactResults:
    """Results with the sizes that errors are relative to. `results`: value, gradient, one-sided derivatives."""
    value, *slopes = results
    units = Call(loss, y, yhat, None).units()
    value_size, grad_size, _ = error_scales(loss, units)
    grad, low, high = (per_loss(loss, a) for a in slopes)
    value = np.asarray(value).reshape(1, -1) if loss.reads_all_predictions else np.asarray(value).reshape(len(grad))
    with np.errstate(all="ignore"):
        value_size = np.fmax(np.abs(value), 0.0 if value_size is None else factor * value_size.reshape(value.shape))
        steepest = np.fmax(np.abs(low), np.abs(high))
        grad_size = np.fmax(steepest, 0.0 if grad_size is None else factor * grad_size.reshape(grad.shape))
    return ExactResults(value, grad, low, high, value_size, grad_size, np.ones(len(grad), bool))


def counted(loss: Loss, y: Floats) -> Bools:
    """Which of the stacked losses are not ignored."""
    domain = loss.domain.y
    ignored = domain.ignored(y) if isinstance(domain, Classes) and y.ndim == 1 else None
    return np.ones(len(y), bool) if ignored is None else ~ignored


def reduced(loss: Loss, y: Floats, each: ExactResults, weight: Floats | None) -> tuple[ExactResults, float]:
    """The results of one call under the loss's reduction, and Σ|wℓ| over the divisor. Ignored losses are left out.

    The value has the shape () unless the reduction is "none".
    """
    if loss.reads_all_predictions:
        return (each if loss.reduction == "none" else replace(each, value=each.value[0, 0])), 0.0
    n = len(y)
    part = counted(loss, y)
    w = np.where(part, np.ones(n) if weight is None else weight, 0.0)
    if loss.reduction == "weighted_mean":
        own = np.ones(n)
        if part.any() and isinstance(loss.domain.y, Classes):
            given = loss.divisor_weight(y[part].astype(np.intp) if y.ndim == 1 else y[part])
            own[part] = 1.0 if given is None else given
        divisor = _products(w, own)
    else:
        divisor = Fraction(int(part.sum())) if loss.reduction == "mean" else Fraction(1)
    over = float(1 / divisor) if divisor else 0.0

    def weighed(a: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return np.where(align(w, a) == 0, 0.0, a * align(w, a) * over)

    value, size = weighed(each.value), weighed(each.value_size)
    with np.errstate(over="ignore"):
        total = float(np.abs(value).sum())
    if loss.reduction != "none":
        value = np.asarray(_sum(each.value, w, divisor) if divisor else np.nan)
        size = np.asarray(size.sum())
    if n > 1 and loss.reduction != "none":  # the mean may be a float though one of its losses is not
        infinite = np.isinf(flatten(each.value)).any(axis=1) | np.isinf(flatten(each.grad)).any(axis=1)
        each = replace(each, known=each.known & ~infinite)
    grad, low, high = weighed(each.grad), weighed(each.low), weighed(each.high)
    return ExactResults(value, grad, low, high, size, weighed(each.grad_size), each.known), total


def _sum(values: Floats, w: Floats, divisor: Fraction) -> float:
    """Σ wℓ over the divisor, exact if all losses are finite."""
    losses, weights = values[w > 0], w[w > 0]
    if not np.isfinite(losses).all():
        return float((losses * weights).sum() / float(divisor))
    return rounded(_products(losses, weights) / divisor)


def _products(a: Floats, b: Floats) -> Fraction:
    """Σ a b, exact. Equal products are counted."""
    times = Counter(zip(a.tolist(), b.tolist(), strict=True))
    return sum((n * Fraction(p) * Fraction(q) for (p, q), n in times.items()), Fraction(0))


@lru_cache(maxsize=64)
def _with_rounded_parameters(loss: Loss, form: Format) -> tuple[Loss, Loss] | None:
    """A loss, unreduced, and the same with its parameters rounded to a format; None if that changes nothing."""
    rounded: dict[str, Any] = {}
    for f in fields(loss):
        given = getattr(loss, f.name)
        if isinstance(given, float | np.ndarray):
            near = form.round(given)
            if not np.array_equal(near, given):
                rounded[f.name] = near if isinstance(given, np.ndarray) else float(near)
    if not rounded or loss.reads_all_predictions:
        return None
    try:
        return replace(loss, reduction="none"), replace(loss, **rounded, reduction="none")
    except ValueError:
        return None


def rounding_of_parameters(loss: Loss, y: Floats, yhat: Floats, form: Format) -> tuple[Floats, Floats] | None:
    """How far values and gradients move when the loss's parameters are rounded to a format; None: not at all."""
    both = _with_rounded_parameters(loss, form)
    if both is None:
        return None
    a, b = unstack(loss, y, yhat)
    (v, g), (v2, g2) = (one.value_and_grad(a, b) for one in both)
    with np.errstate(all="ignore"):
        apart = np.abs(np.asarray(v) - v2).reshape(-1), np.abs(per_loss(loss, g - g2))
    return np.nan_to_num(apart[0], posinf=0.0), np.nan_to_num(apart[1], posinf=0.0)
