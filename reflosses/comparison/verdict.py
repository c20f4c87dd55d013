"""When is a number right, and if it is not, what is wrong with it?

The tolerance is derived: four times our own bound, in units in the last place of the candidate's dtype, plus the
errors that nobody can avoid (`unavoidable`). Some regimes ask for the formula alone: half of the digits are enough.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reflosses.comparison.battery import ORDINARY, family
from reflosses.comparison.expected import ExactResults, Scaled, parts, rounding_of_parameters
from reflosses.comparison.formats import Format
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import align, flatten
from reflosses.truth.arithmetic import available

DOUBLE_MAX = float(np.finfo(np.float64).max)
FREEDOM = 4.0  # another library's exp may err by four units in the last place, ours errs by one
LENIENT = (*sorted(ORDINARY), "G", "J")  # regimes that ask for the formula alone
ALIKE = 2.0**-8  # the relative rounding error of the narrowest format: a larger error is no rounding

CHANGES_INPUT, ROWS_INTERACT = "changes its input", "rows interact"

# The worst first. "other convention": another shape or formula, or a number where our convention is NaN.
VERDICTS = (
    "crash",
    CHANGES_INPUT,
    ROWS_INTERACT,
    "other convention",
    "spurious inf/NaN",
    "overflow",
    "dead gradient",
    "spurious zero",
    "capped",
    "accepts invalid input",
    "inaccurate",
)


class Numbers(NamedTuple):
    """Answers and exact results, one row a loss. Errors are relative to `size`; `free` is the unavoidable error."""

    got: Floats
    exact: Floats
    low: Floats
    high: Floats
    size: Floats
    free: Floats


def judged(numbers: Numbers, bound: float, lenient: Any, form: Format) -> tuple[Any, Floats, Floats]:
    """Which numbers are right, their errors in ulps, and the largest errors that are right.

    `bound` is in ulps. In `lenient` rows half of the digits are enough.
    """
    got, exact, low, high, size, free = numbers
    with np.errstate(all="ignore"):
        nearest, unit = form.round(exact), form.spacing(size)
        slack = free + FREEDOM * bound * unit
        slack = np.where(lenient[:, None], np.fmax(slack, free + np.sqrt(form.eps) * size), slack)
        error = np.abs(got - exact)
        same_sign = np.sign(got) == np.sign(exact)
        right = (got == nearest) | (error <= slack) | (np.isnan(got) & np.isnan(exact))
        right |= (low < high) & (low - slack <= got) & (got <= high + slack)  # at a kink
        right |= np.isinf(got) & (np.abs(exact) + slack >= form.max) & same_sign  # it may overflow
        ulps = np.where(right & ~np.isfinite(error), 0.0, np.where(np.isnan(error), inf, error / unit))
        ulps = np.where((got == nearest) | ((low <= got) & (got <= high)), 0.0, ulps)
    return right, ulps, slack


def verdicts(what: str, regimes: Any, got: Floats, exact: Floats, size: Floats, form: Format) -> NDArray[np.int64]:
    """The names for numbers that are not right, as indices of VERDICTS; errors are relative to `size`."""
    if not got.size:  # most calls have no wrong number
        return np.zeros(np.shape(got), np.int64)
    half = form.eps**0.5
    with np.errstate(all="ignore"):
        dead = (np.abs(exact) > half) & (np.abs(got) <= half * np.fmin(np.abs(exact), 1)) & (what == "gradient")
        no_rounding = np.isin(regimes, tuple(ORDINARY)) & (np.abs(got - exact) > ALIKE * size)
        rules = {
            "other convention": np.isnan(exact) & np.equal(regimes, "H"),
            "accepts invalid input": np.isnan(exact),
            "overflow": ~np.isfinite(got) & np.isfinite(exact) & np.isin(regimes, ("F", "J")),
            "spurious inf/NaN": ~np.isfinite(got),  # an infinity of the wrong sign, too
            "dead gradient": dead,
            "spurious zero": got == 0,
            "capped": np.isinf(exact),
        }
    found = np.select(list(rules.values()), [VERDICTS.index(name) for name in rules], VERDICTS.index("inaccurate"))
    alike = found == VERDICTS.index("inaccurate")
    return np.where(alike & no_rounding, VERDICTS.index("other convention"), found)


def unavoidable(
    target: Loss | Scaled, y: Floats, yhat: Floats, truth: ExactResults, form: Format, subnormals: bool
) -> tuple[Any, Any]:
    """Errors of each loss and each slope that no careful implementation in the format avoids.

    Differences of logits are rounded before exp takes them. Parameters are rounded to the format. A framework without
    subnormal numbers makes them 0.
    """
    factor, loss = parts(target)
    value, grad = np.zeros(len(y)), np.zeros(truth.grad.shape)
    if not len(y):
        return value, grad
    if family(loss) == "logit rows":
        with np.errstate(all="ignore"):
            finite = np.isfinite(yhat)
            top = np.max(np.where(finite, yhat, -inf), axis=1, keepdims=True)
            gap = np.where(finite, np.minimum(np.abs(yhat - top), -np.log(form.smallest)), 0.0)
        grad += form.eps * np.where(np.isfinite(truth.grad_size), truth.grad_size, 0.0) * gap
        value += grad.sum(axis=1)
    if np.isfinite(yhat).all():
        moved = rounding_of_parameters(loss, y, yhat, form)
        if moved is not None:
            value, grad = value + factor * moved[0], grad + factor * moved[1]
    if not available():  # the truth is our own number: its bound is allowed too
        with np.errstate(all="ignore"):
            size = np.fmin(truth.value_size, DOUBLE_MAX / 2)  # the spacing of the largest number is infinite
            each = flatten(size).max(axis=1) if size.ndim else size / len(y)  # the parts of a sum are added up later
            value = value + loss.bounds.value * np.spacing(each)
            grad = grad + loss.bounds.grad * np.spacing(np.fmin(truth.grad_size, DOUBLE_MAX / 2))
    least = 0.0 if subnormals else 4 * form.tiny
    value = np.broadcast_to(align(value + least, truth.value), truth.value.shape) if truth.value.ndim else value + least
    return value, grad + least
