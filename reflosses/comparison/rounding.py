"""Which number of a format is nearest to the exact result, where our own float64 result leaves that open."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from inspect import signature
from math import inf, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflosses.comparison.formats import Format
from reflosses.comparison.judging import NumberJudge
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import per_loss, unstack
from reflosses.evaluation.sums import rounded
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
    alone = what == "value" and not loss.layout.groups
    if alone and (whole := _by_fractions(judge, np.ravel(y), np.ravel(yhat))) is not None:
        return whole
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
    found = nearest(form, near.reshape(len(places), -1), rest.reshape(len(places), -1), nan)
    for i in np.flatnonzero(np.isnan(found[:, 0])).tolist() if alone else ():
        one = _by_fractions(judge, np.ravel(y)[i : i + 1], np.ravel(yhat)[i : i + 1])
        found[i] = nan if one is None else one[0]
    return found


def _by_fractions(judge: NumberJudge, y: Floats, yhat: Floats) -> Floats | None:
    """As `correctly_rounded`, of values that are fractions; None if one of them is none."""
    due = fractions(judge.loss, y, yhat)
    if due is None:
        return None
    due = [Fraction(judge.factor) * d for d in due]
    near = np.array([rounded(d) for d in due])[:, None]
    beside = np.array([(d > n) - (d < n) for d, n in zip(due, near[:, 0].tolist(), strict=True)])[:, None]
    return nearest(judge.form, near, beside * 5e-324, judge.form.round(near))


def nearest(form: Format, near: Floats, rest: Floats, tie: Any) -> Floats:
    """The numbers of a format nearest to near + rest, if near is rounded; tie: what is returned at the midpoint of two.

    The sign of a rest is enough: it decides only where the float64 next to the result is a midpoint.
    """
    with np.errstate(all="ignore"):
        below, above = form.round(np.nextafter(near, -inf)), form.round(np.nextafter(near, inf))
        middle = (below + above) / 2
        side = np.sign((near - middle) + rest)
    return np.where(below == above, below, np.where(side < 0, below, np.where(side > 0, above, tie)))


class _NotAFractionError(Exception):
    """A definition asks for an exponential or another function."""


class _NoFunctions:
    """The functions of a definition, where only the four operations are allowed."""

    def __getattr__(self, name: str) -> Any:
        raise _NotAFractionError(name)


@lru_cache(maxsize=64)
def _parameters(loss: Loss) -> tuple[Fraction, ...] | None:
    """The parameters of a definition as fractions; None if one is no number."""
    given = [getattr(loss, name) for name in list(signature(loss.definition).parameters)[3:]]
    return tuple(map(Fraction, given)) if all(isinstance(p, int | float) for p in given) else None


def fractions(loss: Loss | None, y: Floats, yhat: Floats) -> list[Fraction] | None:
    """Losses of one prediction each as fractions, by their definition; None if one has an exponential or the like."""
    parameters = None if loss is None else _parameters(loss)
    if loss is None or parameters is None:
        return None
    try:
        pairs = zip(y.tolist(), yhat.tolist(), strict=True)
        return [Fraction(loss.definition(_NoFunctions(), Fraction(a), Fraction(b), *parameters)) for a, b in pairs]
    except (_NotAFractionError, ArithmeticError, ValueError):  # a function; a division by 0, or ∞; NaN
        return None
