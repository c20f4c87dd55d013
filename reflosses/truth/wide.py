"""A second evaluation of a loss, in a wider format: where the first one may err is found without a proof.

The loss's own lines are carried out in `np.longdouble`, or in double-doubles where that is no wider, with the inputs
and parameters of the float64 evaluation, and in the form, short or full, that this took. Rounding errors then show with
eleven more bits. Suspects are found in this way among millions of points; `certified` decides about them.
"""

from __future__ import annotations

from copy import copy
from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np

from reflosses.evaluation.call import Block, Call
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.numerics import accurate_sum
from reflosses.evaluation.stack import per_loss
from reflosses.truth.accuracy import error_scales, errors, ulps
from reflosses.truth.arithmetic import NoDerivativeError
from reflosses.truth.double_double import DoubleDouble
from reflosses.truth.proof import certified
from reflosses.truth.sampling import Problem

EXTENDED = np.finfo(np.longdouble).nmant > 52


def widened(a: Any) -> Any:
    """A number or an array of float64, in the wider format; other things as they are."""
    if not isinstance(a, float) and not (isinstance(a, np.ndarray) and a.dtype == np.float64):
        return a
    return np.asarray(a, np.longdouble)[()] if EXTENDED else DoubleDouble(a)


@lru_cache(8)
def wide_loss(loss: Loss) -> Loss:
    """The same loss with parameters of the wider format."""
    wide = copy(loss)
    for f in fields(loss):
        object.__setattr__(wide, f.name, widened(getattr(loss, f.name)))
    return wide


def wide_results(loss: Loss, units: Block) -> list[Any]:
    """Losses, slopes and curvatures of stacked units, in the wider format."""
    short, full, own = _terms(loss, units, lambda a: a), None, loss.short
    wide = wide_loss(loss)
    terms = _terms(wide, units, widened)
    arguments = [widened(a) for a in (units.y, units.yhat, *units.parameters)]
    found = [f(*terms).copy() for f in (wide.losses, wide.slopes, wide.curvatures)]
    if loss.full is not None:
        rest = ~((short[0] >= own[0]) & (short[0] <= own[1]))
        if rest.any():
            full = wide.full(*(a[rest] for a in arguments))
            for whole, part in zip(found, full, strict=True):
                whole[rest] = part
    kinks = loss.kinks(units.y)
    if kinks:
        left, right = (np.asarray(side.astype(np.float64)) for side in wide.one_sided_slopes(*terms))
        found[2][((left < right) | (left > right)) & np.logical_or.reduce([units.yhat == k for k in kinks])] = np.nan
    if loss.reads_all_predictions:
        for k, through in ((1, wide.slope_through_weight(*terms)), (2, wide.curvature_through_weight(*terms))):
            found[k] = found[k] if through is None else found[k] + through
    return found


def _terms(loss: Loss, units: Block, read: Any) -> Any:
    y, yhat, *parameters = [read(a) for a in (units.y, units.yhat, *units.parameters)]
    sums = () if loss.sums is None else [accurate_sum(a) for a in loss.sums(y, yhat)]
    return loss.terms(y, yhat, *parameters, *sums)


def suspected_errors(loss: Loss, problem: Problem) -> list[Floats]:
    """Errors of value, gradient and curvature under reduction "none" in ulps, the largest of each stacked unit."""
    value, grad = loss.value_and_grad(problem.y, problem.yhat)
    bent = loss.curvature(problem.y, problem.yhat)
    got = [np.asarray(value).reshape(-1), per_loss(loss, grad), per_loss(loss, bent)]
    units = Call(loss, problem.y, problem.yhat).units()
    scales = error_scales(loss, units)
    with np.errstate(all="ignore"):
        wide = wide_results(loss, units)
        found = []
        for mine, exact, scale in zip(got, wide, scales, strict=True):
            rounded = exact.astype(np.float64).reshape(mine.shape)
            rest = (exact.reshape(mine.shape) - rounded).astype(np.float64)
            error = ulps(mine, rounded, np.where(np.isfinite(rounded), rest, 0.0), scale)
            found.append(np.where(np.isnan(mine) & np.isnan(rounded), 0.0, error))
    count = 1 if loss.reads_all_predictions else len(units.yhat)
    return [e.reshape(count, e.size // (count or 1)).max(axis=1, initial=0.0) for e in found]


def certified_errors(loss: Loss, problem: Problem) -> list[float]:
    """The proved errors of value, gradient and curvature, the largest of each; NaN where nothing is proved."""
    try:
        found = errors(loss, problem, certified(loss, *problem, second=True, strict=False))
    except NoDerivativeError:
        return [np.nan] * len(loss.bounds)
    return [float(np.max(e, initial=0.0)) for e in found]
