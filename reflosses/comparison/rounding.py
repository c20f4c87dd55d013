"""Which number of a format is nearest to the exact result, where our own float64 result leaves that open."""

from __future__ import annotations

from fractions import Fraction
from inspect import signature
from math import inf, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflosses.comparison.judging import NumberJudge
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import per_loss, unstack
from reflosses.truth.arithmetic import CannotCertifyError
from reflosses.truth.proof import certified


def correctly_rounded(judge: NumberJudge, what: str, places: NDArray[np.int64]) -> Floats | None:
    """The proved results at some places, rounded once to the format, one loss a row; None if nothing is proved.

    NaN is a result that may be the midpoint of two numbers: no ball tells on which side of it the exact result is.
    """
    form, loss = judge.form, judge.loss
    assert loss is not None
    numbers = form.numbers_at(places)
    y, yhat = unstack(loss, *judge.one.at(numbers))
    weight = None if judge.factor == 1 else np.full(loss.layout.bind(np.shape(yhat)).value_shape, judge.factor)
    try:
        truth = certified(loss, y, yhat, weight, strict=False, slopes=what == "gradient")
    except CannotCertifyError:
        return None
    near, rest = (
        (np.asarray(truth.value), np.asarray(truth.value_rest)) if what == "value" else (truth.grad, truth.grad_rest)
    )
    if what == "gradient":
        near, rest = (per_loss(loss, a) for a in (near, rest))
    near, rest = near.reshape(len(places), -1), rest.reshape(len(places), -1)
    with np.errstate(all="ignore"):
        below, above = form.round(np.nextafter(near, -inf)), form.round(np.nextafter(near, inf))
        middle = (below + above) / 2
        side = np.sign((near - middle) + rest)
    found = np.where(below == above, below, np.where(side < 0, below, np.where(side > 0, above, nan)))
    if what == "value" and not loss.layout.groups:
        for i in np.flatnonzero(np.isnan(found[:, 0])).tolist():
            due = exact_fraction(loss, np.ravel(y)[i], np.ravel(yhat)[i])
            if due is not None:
                beside = (due * Fraction(judge.factor)) - Fraction(float(middle[i, 0]))
                found[i, 0] = form.round(near)[i, 0] if beside == 0 else (above if beside > 0 else below)[i, 0]
    return found


class _NoFunctions:
    """The functions of a definition, where only the four operations are allowed."""

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


def exact_fraction(loss: Loss, y: float, yhat: float) -> Fraction | None:
    """One loss as a fraction, by its definition; None if this has an exponential, a root or a logarithm."""
    names = list(signature(loss.definition).parameters)[3:]
    parameters = [getattr(loss, name) for name in names]
    if not all(isinstance(p, int | float) for p in parameters):
        return None
    try:
        found = loss.definition(_NoFunctions(), *map(Fraction, (float(y), float(yhat), *parameters)))
    except NotImplementedError:
        return None
    return Fraction(found)
