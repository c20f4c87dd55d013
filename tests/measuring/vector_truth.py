"""The results of a test of the vectors in files, proved, and how far a right implementation may be off.

Every number is proved by `certified`. The results at infinite predictions are limits: those at the largest float64 and
at a quarter of it tell whether a result stays, grows without end, or goes to 0. Tolerances are those of `check`.
"""

from __future__ import annotations

from dataclasses import replace
from math import log2, sqrt
from typing import Any

import numpy as np
from vector_pool import CLIPPED, Asked

from reflosses.comparison.expected import counted, exact, reduced, rounding_of_parameters
from reflosses.comparison.formats import Format
from reflosses.comparison.verdict import Numbers, judged, unavoidable
from reflosses.evaluation.call import Call
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import align, per_loss, stack
from reflosses.truth.accuracy import error_scales
from reflosses.truth.arithmetic import CannotCertifyError
from reflosses.truth.proof import Certified, certified

COLUMNS = ("value", "gradient", "curvature")
LARGEST = float(np.finfo(np.float64).max)


def results(asked: Asked) -> dict[str, Any]:
    """The right numbers of a test, and its tolerances; nothing if the input must be refused.

    Raises CannotCertifyError for a test whose results cannot be proved.
    """
    if asked.refuse:
        return {}
    proof = _proved(asked)
    form = asked.form
    found: dict[str, Any] = {"value": _rounded(form, proof.value, proof.value_rest)}
    lost = bool(np.isnan(found["value"]).any())
    if not asked.clip and not lost:  # where the value is NaN, the slope may be anything
        found["gradient"] = _rounded(form, proof.grad, proof.grad_rest)
        if (proof.low != proof.high).any():
            found |= {"gradient_low": form.round(proof.low), "gradient_high": form.round(proof.high)}
        if proof.second is not None and np.isfinite(proof.second).all() and np.isfinite(asked.yhat).all():
            found["curvature"] = _rounded(form, proof.second, proof.second_rest)
    return found | _tolerances(asked, proof, found)


def _rounded(form: Format, near: Any, rest: Any) -> Floats:
    """near + rest, rounded once to a format: a tie of `near` is decided by the rest."""
    near, rest = np.asarray(near, np.float64), np.nan_to_num(np.asarray(rest, np.float64))
    once = form.round(near)
    with np.errstate(all="ignore"):
        moved = np.nextafter(near, np.copysign(np.inf, rest))
        beside = form.round(np.where(rest == 0, near, moved))
        tie = np.isfinite(near) & (np.abs(near - once) == np.abs(near - beside)) & (once != beside)
    return np.where(tie, beside, once) if form.name != "float64" else near


def _proved(asked: Asked) -> Certified:
    """The proof of a test. Ignored losses and losses of weight 0 have numbers of the domain in the place of others."""
    yhat, weight = np.array(asked.yhat), asked.weight
    lost = np.isnan(yhat)
    skipped = _skipped(asked)
    yhat = np.where(skipped, 0.0, yhat)
    if np.isnan(yhat).any():
        nothing = np.full(np.shape(asked.loss.value(asked.y, np.where(lost, 0.0, asked.yhat))), np.nan)
        if nothing.size != 1:
            raise CannotCertifyError("NaN beside numbers")
        return Certified(nothing, 0 * nothing, yhat, yhat, yhat, yhat)
    if not np.isinf(yhat).any():
        return _certified(asked.loss, asked.y, yhat, weight)
    far, near = (_certified(asked.loss, asked.y, np.clip(yhat, -size, size), weight) for size in (LARGEST, LARGEST / 4))
    value, grad = _limit(near.value, far.value), _limit(near.grad, far.grad)
    return Certified(value, 0 * far.value_rest, grad, 0 * far.grad_rest, grad, grad)


def _limit(near: Any, far: Any) -> Floats:
    """The limit of numbers that stay, grow in size without end, or go to 0."""
    near, far = np.asarray(near), np.asarray(far)
    grows = np.where(np.abs(far) > np.abs(near), np.copysign(np.inf, far), np.copysign(0.0, far))
    return np.where(near == far, far, grows)


def _skipped(asked: Asked) -> Any:
    """The predictions of losses that are ignored or have weight 0."""
    loss, shape = asked.loss, np.shape(asked.yhat)
    if loss.reads_all_predictions or not np.size(asked.yhat):
        return np.zeros(shape, bool)
    y, yhat = stack(loss, asked.y, asked.yhat)
    part = counted(loss, y)
    if asked.weight is not None:
        part = part & (np.ravel(asked.weight) > 0)
    return loss.layout.bind(shape).restore(np.broadcast_to(~align(part, yhat), yhat.shape).copy()).astype(bool)


def _certified(loss: Loss, y: Any, yhat: Floats, weight: Any) -> Certified:
    try:
        return certified(loss, y, yhat, weight, second=True)
    except CannotCertifyError:  # no second derivative here
        return certified(loss, y, yhat, weight)


# ---- tolerances ------------------------------------------------------------------------------------------------------


def _tolerances(asked: Asked, proof: Certified, found: dict[str, Any]) -> dict[str, Any]:
    """How far each number may be off, as `check` has it. A curvature without a tolerance is left out."""
    loss, form, skipped = asked.loss, asked.form, _skipped(asked)
    if asked.clip:
        return {"value_tolerance": np.full(np.shape(found["value"]), CLIPPED)}
    if not np.size(asked.yhat) or not np.isfinite(np.where(skipped, 0.0, asked.yhat)).all():
        half = sqrt(form.eps)  # of the digits, as in all tests of infinite predictions
        finite = {what: np.where(np.isfinite(a), np.abs(a), 0.0) for what, a in found.items() if what in COLUMNS}
        return {f"{what}_tolerance": half * a for what, a in finite.items()}
    stated, yhat = stack(loss, asked.y, np.where(skipped, 0.0, asked.yhat))
    part = align(counted(loss, stated), stated)
    y = np.where(part, stated, 1.0 if getattr(loss, "ignore_index", None) == 0 else 0.0)
    each = exact(loss, y, yhat)
    weight = None if asked.weight is None else np.ravel(asked.weight)
    if loss.reduction != "none" and not np.isfinite(each.value).all() and np.isfinite(found["value"]).all():
        raise CannotCertifyError("the mean is a number, one of its losses is not")
    truth, total = reduced(loss, stated, each, weight)
    free_value, free_grad = unavoidable(loss, y, yhat, truth, form, True)
    if truth.value.ndim == 0:
        free_value = free_value.sum() + (log2(len(yhat) + 1) + 2) * form.eps * total
    out = {"value": _allowed(asked, truth.value, truth.value_size, free_value, loss.bounds.value)}
    if "gradient" in found:
        out["gradient"] = _restored(asked, _allowed(asked, truth.grad, truth.grad_size, free_grad, loss.bounds.grad))
    rounds = form.name != "float64" and rounding_of_parameters(loss, y, yhat, form) is not None
    if "curvature" in found and rounds:
        del found["curvature"]
    if "curvature" in found:
        size = np.abs(per_loss(loss, proof.second))
        units = Call(loss, asked.y, np.where(skipped, 0.0, asked.yhat), asked.weight).units()
        scale = error_scales(loss, units)[2]
        if scale is not None:
            ones = replace(each, grad_size=np.ones(each.grad.shape))
            share = reduced(loss, stated, ones, weight)[0].grad_size  # its part of the mean
            size = np.fmax(size, share * np.reshape(units.placed(scale), size.shape))
        with np.errstate(all="ignore"):
            free = np.nan_to_num(free_grad / truth.grad_size) * size
        out["curvature"] = _restored(asked, _allowed(asked, size, size, free, loss.bounds.curvature))
    for what, allowed in out.items():
        allowed = np.where(np.isfinite(found[what]), allowed.reshape(np.shape(found[what])), 0.0)
        with np.errstate(over="ignore"):
            most = np.abs(np.nan_to_num(found[what], posinf=0.0, neginf=0.0)) + allowed
        if not (most < form.max).all():
            raise CannotCertifyError("a right answer may overflow, or not")
        out[what] = allowed
    return {f"{what}_tolerance": allowed for what, allowed in out.items()}


def _allowed(asked: Asked, results: Floats, sizes: Floats, free: Any, bound: float) -> Floats:
    """The largest errors that are right; one more rounding to the format is in them."""
    form, shape = asked.form, np.shape(results)
    a, size = np.reshape(results, (1, -1)), np.reshape(sizes, (1, -1))
    unavoidable_error = np.broadcast_to(np.ravel(free), a.shape)
    slack = judged(Numbers(a, a, a, a, size, unavoidable_error), bound, np.array([asked.lenient]), form)[2]
    with np.errstate(all="ignore"):
        slack = slack + np.abs(form.round(a) - a)
    return np.nan_to_num(slack.reshape(shape), nan=0.0, posinf=0.0)


def _restored(asked: Asked, stacked: Floats) -> Floats:
    """Stacked numbers in the shape of the predictions."""
    shape, loss = np.shape(asked.yhat), asked.loss
    if loss.reads_all_predictions:
        return stacked.reshape(shape)
    return np.asarray(loss.layout.bind(shape).restore(stacked))
