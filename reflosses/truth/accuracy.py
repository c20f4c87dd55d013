"""Errors of a loss against its certified results, in units in the last place (ulp)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reflosses.evaluation.call import Block, Call
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Bounds, Loss
from reflosses.evaluation.stack import flatten, per_loss, stack, unstack
from reflosses.truth.arithmetic import NoDerivativeError
from reflosses.truth.proof import Certified, certified
from reflosses.truth.sampling import Problem, hard


def ulps(got: Floats, exact: Floats, rest: Floats, scale: Floats | None = None) -> Floats:
    """|got − (exact + rest)| in ulps of the exact result, or of `scale` where that is larger.

    The error is infinite if one of the two is infinite or NaN and the other is not.
    """
    with np.errstate(all="ignore"):
        inner = np.nextafter(np.abs(exact), 0.0)
        own = np.where(rest * np.sign(exact) < 0, inner, np.abs(exact))  # just below a power of two the unit is halved
        size = own if scale is None else np.fmax(own, scale)
        unit = np.where(size < 2.0**1023, np.spacing(size), 2.0**971)
        error = np.abs((got - exact) - rest) / unit
    same = (got == exact) & ~np.isfinite(got)
    return np.where(same, 0.0, np.where(np.isfinite(got) & np.isfinite(exact), error, np.inf))


@dataclass(frozen=True)
class Worst:
    """The largest error, and the line that shows it."""

    ulp: float = 0.0
    line: str = ""


@dataclass(frozen=True)
class Sweep:
    """The worst errors at many hard inputs."""

    points: int
    undecided: int
    value: Worst
    grad: Worst
    curvature: Worst


def error_scales(loss: Loss, units: Block) -> tuple[Floats | None, Floats | None, Floats | None]:
    """What the bounds of value, gradient and curvature are relative to; None: the exact result."""
    with np.errstate(all="ignore"):
        return loss.error_scale(units.y, units.yhat, *units.parameters)


def errors(loss: Loss, problem: Problem, truth: Certified) -> tuple[Floats, Floats, Floats]:
    """Errors of the values, gradients and curvatures of a loss under reduction "none" at one problem.

    Curvatures are compared if `truth` holds second derivatives; one that is not known has no error.
    """
    value, grad = loss.value_and_grad(problem.y, problem.yhat)
    units = Call(loss, problem.y, problem.yhat, None).units()
    scales = error_scales(loss, units)
    value_scale = None if scales[0] is None else units.placed(scales[0]).reshape(units.layout.value_shape)
    grad_scale, curvature_scale = (None if s is None else units.layout.restore(units.placed(s)) for s in scales[1:])
    curved = np.zeros(grad.shape)
    if truth.second is not None and truth.second_rest is not None:
        curvature = loss.curvature(problem.y, problem.yhat)
        error = ulps(curvature, truth.second, truth.second_rest, curvature_scale)
        jumps = np.isnan(curvature) & np.isnan(truth.second)
        curved = np.where(jumps | np.isnan(truth.second_rest), 0.0, error)
    return (
        ulps(value, truth.value, truth.value_rest, value_scale),
        ulps(grad, truth.grad, truth.grad_rest, grad_scale),
        curved,
    )


def sweep(loss: Loss, seed: int, points_wanted: int) -> Sweep:
    """Compare a loss, without reduction, with certified results at about so many hard inputs (`points_wanted`)."""
    loss = loss if loss.reduction == "none" else replace(loss, reduction="none")
    worst = [Worst(), Worst(), Worst()]
    points = undecided = 0
    queue = list(hard(loss, seed, points_wanted))
    while queue:
        problem = queue.pop()
        try:
            truth = certified(loss, problem.y, problem.yhat, second=True, strict=False)
        except NoDerivativeError:
            elementwise = not loss.layout.groups and not loss.reads_all_predictions
            if elementwise and problem.yhat.size > 1:  # find the culprit
                queue += [Problem(y[None], yhat[None]) for y, yhat in zip(*problem, strict=True)]
            else:
                undecided += 1
            continue
        points += int(np.size(truth.value))
        for k, (error, method) in enumerate(zip(errors(loss, problem, truth), Bounds._fields, strict=True)):
            if error.size and error.max() > worst[k].ulp:
                worst[k] = Worst(float(error.max()), reproducer(loss, problem, error, method))
    return Sweep(points, undecided, *worst)


def reproducer(loss: Loss, problem: Problem, error: Floats, method: str) -> str:
    """A line to paste: a call of the worst loss; of all losses, if each reads all predictions."""
    y, yhat = np.asarray(problem.y), problem.yhat
    if not loss.reads_all_predictions:
        worst = per_loss(loss, error) if error.shape == yhat.shape else error.reshape(-1)
        one = [int(np.argmax(flatten(worst).max(axis=1)))]
        y, yhat = unstack(loss, *(a[one] for a in stack(loss, y, yhat)))
    ours = "reflosses." if type(loss).__module__.startswith("reflosses.") else ""
    return f"{ours}{loss}.{method}({y.tolist()!r}, {yhat.tolist()!r})"
