"""Changes that move the inputs of our loss into the documented domain of a function.

Each takes y, yhat (losses along the first axis) and the eps of the function's dtype. It returns empty arrays for inputs
that the function must not get.
"""

from __future__ import annotations

import numpy as np

from reflosses.evaluation.domain import Floats


def as_drawn(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Everything that our loss accepts."""
    return y, yhat


def finite(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Finite predictions only."""
    return (y, yhat) if np.isfinite(yhat).all() else (y[:0], yhat[:0])


def residual(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """The function takes r = yhat − y. So the target is 0, and the subtraction is no part of the check."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.zeros_like(y), yhat - y


def finite_residual(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """The function takes r = yhat − y, and r must be finite."""
    return finite(*residual(y, yhat, eps), eps)


def label_zero(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """The function is the loss of the label 0."""
    return np.zeros_like(y), yhat


def true_logit_zero(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """The true class has the logit 0, so that log Σ exp is the cross-entropy itself."""
    moved = yhat.copy()
    moved[np.arange(len(yhat)), y.astype(int)] = 0.0
    return y, moved


def hard_labels(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Labels 0 and 1 and finite predictions."""
    return finite(np.rint(y), yhat, eps)


def hard_masks(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Masks of 0 and 1."""
    return finite(np.rint(y), np.rint(yhat), eps)


def label_pairs(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Labels 0 and 1 as targets and as predictions; our loss takes any number."""
    return (y > 0).astype(np.float64), (yhat > 0).astype(np.float64)


def probabilities(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Labels 0 and 1, and probabilities as predictions; our loss takes any number."""
    size = np.abs(yhat)
    return finite((y > 0).astype(np.float64), np.divide(1, size, out=size, where=size > 1), eps)
