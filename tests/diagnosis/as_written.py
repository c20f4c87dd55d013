"""Losses and slopes as people write them in NumPy, and candidates made of them.

Nothing of `reflosses.diagnosis` is used. Each function returns values and slopes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from numpy import abs as size
from numpy import exp, log, log1p, sign, where
from scipy.special import expit, log_expit

from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Cauchy,
    CrossEntropy,
    Dice,
    Focal,
    Huber,
    MeanSquaredError,
)
from reflosses.comparison.formats import FORMATS

NONE, MEAN, SUM = ({"reduction": r} for r in ("none", "mean", "sum"))
MSE, HUBER, CAUCHY = MeanSquaredError(**NONE), Huber(0.7, **NONE), Cauchy(0.3, **NONE)
BCE, LOGITS = BinaryCrossEntropy(**NONE), BinaryCrossEntropyWithLogits(**NONE)
FOCAL = Focal(gamma=2.75, alpha=0.3, **NONE)
ENTROPY = CrossEntropy(**NONE)
DICE = Dice(axis=-1, **NONE)


class Commits(NamedTuple):
    """A candidate that does one thing, or two, to a loss."""

    loss: Any
    candidate: Callable[..., Any]
    dtype: str = "float64"


# ---- losses and slopes, one by one -----------------------------------------------------------------------------------


def squared(y, yhat):
    r = yhat - y
    return r * r, 2 * r


def huber(y, yhat, delta):
    r = yhat - y
    return where(size(r) < delta, r * r / 2, delta * (size(r) - delta / 2)), np.clip(r, -delta, delta)


def cauchy(y, yhat, delta):
    """δ² log1p(u²), u = r/δ, where neither r nor u² can be too large or too small."""
    half = yhat / 2 - y / 2
    u = 2 * (half / delta)
    far = 2 * delta**2 * (log(size(half)) + log(2) - log(delta))
    beyond = size(u) > 1e8
    return where(beyond, far, delta**2 * log1p(u * u)), where(beyond, delta**2 / half, 2 * (yhat - y) / (1 + u * u))


def hinge(y, yhat):
    gap = 1 - y * yhat
    return np.maximum(gap, 0), where(gap > 0, -y, 0.0)


def bce(y, p):
    return -(scipy.special.xlogy(y, p) + scipy.special.xlog1py(1 - y, -p)), where(
        (p == y) & ((y == 0) | (y == 1)), 1 - 2 * y, (p - y) / (p * (1 - p))
    )


def logits(y, z):
    """Binary cross-entropy of a logit, with every digit."""
    return -(where(y == 0, 0, y * log_expit(z)) + where(y == 1, 0, (1 - y) * log_expit(-z))), (1 - y) * expit(
        z
    ) - y * expit(-z)


def focal(y, p, gamma, alpha):
    p_t, q = where(y == 1, p, 1 - p), where(y == 1, 1 - p, p)
    nats = where(y == 1, -log(p), -log1p(-p))
    weight = where(y == 1, alpha, 1 - alpha)
    fading = where(q == 0, 0.0, gamma * q ** (gamma - 1) * nats)
    return weight * q**gamma * nats, -weight * sign(y - 0.5) * (fading + where(q == 0, 0, q**gamma / p_t))


def softmax(z):
    e = exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def rows_of(y, z):
    return y if y.ndim == z.ndim else np.eye(z.shape[-1])[y]


def cross_entropy(y, z):
    """Cross-entropy of labels or class rows."""
    return entropy(rows_of(y, z), z)


def entropy(row, z):
    """Cross-entropy of class rows, with every digit: Σ_c q_c (log Σ exp z − z_c)."""
    most = max(1.0, row.max(initial=0.0))  # our own loss takes numbers up to 1
    ours = CrossEntropy(reduction="none")
    return most * ours.value(row / most, z), most * ours.grad(row / most, z)


def of_rows(change):
    """Cross-entropy of changed class rows."""
    return lambda y, z: entropy(change(rows_of(y, z)), z)


def smoothed(amount):
    """Cross-entropy of rows smoothed over all classes."""
    return of_rows(lambda row: row * (1 - amount) + amount / row.shape[-1])


def smoothed_over_others(amount):
    """Cross-entropy of rows smoothed over the other classes."""

    def others(row):
        return (row.sum(axis=-1, keepdims=True) - row) / (row.shape[-1] - 1)

    return of_rows(lambda row: row * (1 - amount) + others(row) * amount)


def with_class_weights(w):
    """The mean of cross-entropies times the weights of their classes."""

    def candidate(y, z):
        v, g = entropy(rows_of(y, z) * w, z)
        return v.sum() / len(y), g / len(y)

    return candidate


def nll(y, log_p):
    n = np.arange(len(y))
    g = np.zeros(log_p.shape)
    g[n, y] = -1
    return -log_p[n, y], g


def sparse(y, p):
    n = np.arange(len(y))
    g = np.zeros(p.shape)
    g[n, y] = -1 / p[n, y]
    return -log(p[n, y]), g


def overlap(y, p, axis=-1, above=0.0, below=0.0):
    """1 − (2I + a)/(S + b), as (S − 2I + b − a)/(S + b)."""
    both, total = (p * y).sum(axis=axis, keepdims=True), (p + y).sum(axis=axis, keepdims=True) + below
    missed = (p * (1 - y) + y * (1 - p)).sum(axis=axis, keepdims=True) + below - above
    safe = where(total == 0, 1, total)
    value, slope = where(total == 0, 0, missed / safe), where(total == 0, 0, ((2 * both + above) / safe - 2 * y) / safe)
    return np.squeeze(value, axis=axis), slope


def jaccard(y, p, axis=-1, above=0.0, below=0.0):
    both, union = (p * y).sum(axis=axis, keepdims=True), (p + y - p * y).sum(axis=axis, keepdims=True) + below
    missed = (p * (1 - y) + y * (1 - p)).sum(axis=axis, keepdims=True) + below - above
    safe = where(union == 0, 1, union)
    value = where(union == 0, 0, missed / safe)
    return np.squeeze(value, axis=axis), where(union == 0, 0, ((both + above) / safe * (1 - y) - y) / safe)


# ---- candidates made of them -----------------------------------------------------------------------------------------


def mean_of(v, n):
    """Σv/n, where the sum may be beyond the numbers; not a number for nothing."""
    return (v / n).sum() if n else np.nan


def each(f, value=1.0, grad=None):
    """One loss each, times something."""

    def candidate(y, yhat):
        v, g = f(y, yhat)
        return value * v, (value if grad is None else grad) * g

    return candidate


def mean(f, value=1.0, grad=None):
    def candidate(y, yhat):
        v, g = f(y, yhat)
        return mean_of(value * v, v.size), (value if grad is None else grad) * g / v.size

    return candidate


def total(f):
    def candidate(y, yhat):
        v, g = f(y, yhat)
        return v.sum(), g

    return candidate


def weighed(f, by, over, slopes_by=None):
    """Σ by(w)·ℓ / over(w)."""

    def candidate(y, yhat, weight=None):
        v, g = f(y, yhat)
        w = np.ones(v.shape) if weight is None else weight
        slope = slopes_by(w) * g if slopes_by else where(w == 0, 0, by(w) * g)
        return mean_of(where(w == 0, 0, by(w) * v), over(w)), slope / over(w)

    return candidate


def same(w):
    return w


def averaged(f, y, p, axis):
    v, g = f(y, p, axis)
    return v.mean(), g / v.size


def chained(f, inner, back):
    """f of a function of the predictions."""

    def candidate(y, x):
        v, g = f(y, inner(x))
        return v, back(x, g)

    return candidate


def huber_of(delta):
    """Huber with this delta."""
    return lambda y, yhat: huber(y, yhat, delta)


def cauchy_of(delta):
    """Cauchy with this delta."""
    return lambda y, yhat: cauchy(y, yhat, delta)


def focal_of(gamma, alpha):
    """Focal with these parameters."""
    return lambda y, p: focal(y, p, gamma, alpha)


def clipped(c, moving):
    """Binary cross-entropy of a clipped probability."""

    def candidate(y, p):
        low = c or np.finfo(p.dtype).eps
        q = np.clip(p, low, 1 - low)
        slope = (1 - y) / (1 - q) - y / q
        return -(y * log(q) + (1 - y) * log(1 - q)), slope if moving else where(q == p, slope, 0)

    return candidate


def cast(a, dtype):
    if dtype == "bfloat16":
        return FORMATS[dtype].round(a)
    return np.asarray(a).astype(dtype)


def in_dtype(f, dtype):
    """A loss that casts its inputs and its results."""

    def candidate(y, yhat):
        v, g = f(cast(y, dtype), cast(yhat, dtype))
        return cast(v, dtype).astype(np.float64), cast(g, dtype).astype(np.float64)

    return candidate


def results_in(f, dtype):
    def candidate(y, yhat):
        v, g = f(y, yhat)
        return cast(v, dtype).astype(np.float64), cast(g, dtype).astype(np.float64)

    return candidate
