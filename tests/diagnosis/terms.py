"""For every wrong term, branch and score, a candidate that has it."""

import numpy as np
import scipy.special
from numpy import abs as size
from numpy import exp, expm1, log, log1p, sign, where
from scipy.special import expit, log_expit

from reflosses import (
    BinaryCrossEntropy,
    Cauchy,
    CrossEntropy,
    Focal,
    FocalWithLogits,
    Hinge,
    IoU,
    SparseCategoricalCrossEntropy,
    WeightedCrossEntropy,
)

from diagnosis.as_written import (
    BCE,
    CAUCHY,
    DICE,
    ENTROPY,
    HUBER,
    LOGITS,
    MEAN,
    NONE,
    SUM,
    Commits,
    bce,
    cross_entropy,
    entropy,
    huber,
    huber_of,
    logits,
    mean_of,
    rows_of,
    softmax,
    sparse,
)
from diagnosis.conventions import POSITIVE, SMOOTHED, WEIGHTS, sudre

SMOOTH_IOU = IoU(axis=-1, smooth_nr=0.3, smooth_dr=0.7, **NONE)
INFORMATION = np.array([[2.0, 0.75], [0.75, 1.5]])
DIAGONAL = np.array([[2.0, 0.0], [0.0, 1.5]])


# ---- terms of binary cross-entropies ---------------------------------------------------------------------------------


def chosen(one, zero):
    """y·one(p) + (1 − y)·zero(p), each a pair of value and slope; a term with the factor 0 is left out."""

    def candidate(y, p):
        (a, da), (b, db) = one(p), zero(p)
        value = where(y == 0, 0, y * a) + where(y == 1, 0, (1 - y) * b)
        return value, where(y == 0, 0, y * da) + where(y == 1, 0, (1 - y) * db)

    return candidate


def minus_log(p):
    return -log(p), -1 / p


def minus_log_of_rest(p):
    return -log1p(-p), 1 / (1 - p)


def absent(p):
    return 0 * p, 0 * p


def with_weights(one, zero):
    """The mean of two terms; one, zero: the weight → the weight of each term."""

    def candidate(y, p, weight=None):
        w = np.ones(p.shape) if weight is None else weight
        v = -(scipy.special.xlogy(y, p) * one(w) + scipy.special.xlog1py(1 - y, -p) * zero(w))
        edge = (p == y) & ((y == 0) | (y == 1))  # one-sided, as our own slope is there
        safe = where(edge, 0.5, p)
        slope = zero(w) * (1 - y) / (1 - safe) - one(w) * y / safe
        slope = where(edge & (y == 0), zero(w), where(edge & (y == 1), -one(w), slope))
        return mean_of(v, v.size), slope / max(1, v.size)

    return candidate


def itself(w):
    return w


def whole_weighed(y, z):
    k = 1 + (3.7 - 1) * y
    v = -(where(y == 0, 0, y * log_expit(z)) + where(y == 1, 0, (1 - y) * log_expit(-z)))
    return k * v, k * ((1 - y) * expit(z) - y * expit(-z))


# ---- rows ------------------------------------------------------------------------------------------------------------


def smoothed_as(change):
    """Cross-entropy of rows, smoothed by 0.13 in another way."""
    return lambda y, z: entropy(change(rows_of(y, z), z.shape[-1]), z)


def less_row(y, z):
    """Softmax less the target, to the last digit."""
    v, g = cross_entropy(y, z)
    row = rows_of(y, z)
    return (v, g) if y.ndim == 1 else (v, softmax(z) - row)


def logits_weighed(y, z):
    v, g = entropy(rows_of(y, z), z * WEIGHTS)
    return mean_of(v, len(z)), g * WEIGHTS / max(1, len(z))


# ---- focal losses ----------------------------------------------------------------------------------------------------


def of_the_mean(y, p):
    """(1 − e^−m)^γ m of the mean m of the cross-entropies."""
    v, g = bce(y, p)
    m = mean_of(v, v.size)
    rest = -expm1(-m)
    return rest**2.75 * m, (rest**2.75 + 2.75 * rest**1.75 * exp(-m) * m) * g / max(1, v.size)


def faded_alike(y, z):
    """(1 − p)^γ for both labels."""
    s = where(y == 1, 1, -1)
    q, nats = expit(-z), -log_expit(s * z)
    return q**2.75 * nats, -2.75 * q**2.75 * expit(z) * nats - q**2.75 * s * expit(-s * z)


# ---- residuals and margins -------------------------------------------------------------------------------------------


def bent(beyond, slope, inner=0.5):
    """inner·r² up to delta; beyond it, what is given."""

    def candidate(y, yhat):
        r = yhat - y
        near = size(r) <= 0.7
        return where(near, inner * r * r, beyond(r)), where(near, 2 * inner * r, slope(r))

    return candidate


def weighed_square(y, yhat):
    u = (yhat - y) / 0.3
    return (yhat - y) ** 2 / (1 + u * u), 2 * (yhat - y) / (1 + u * u) / (1 + u * u)


def huber_weight(y, yhat):
    """½ w r² with w = min(1, delta/|r|), and the gradient w r."""
    r = yhat - y
    w = where(size(r) <= 0.7, 1.0, 0.7 / size(r))
    return 0.5 * (w * (r * r)), huber(y, yhat, 0.7)[1]


def log_cosh(y, yhat):
    r = yhat - y
    return size(r) + log1p(exp(-2 * size(r))) - log(2), np.tanh(r)


def of_quadratic(y, yhat, information):
    """Cauchy of eᵀ Ω e with delta 0.7."""
    e = yhat - y
    weighed = e @ information
    s = (e * weighed).sum(axis=-1)
    u = s / 0.49
    return 0.49 * log1p(u), 2 * weighed / (1 + u)[..., None]


def hinge_like(y, yhat, gap, slope):
    return np.maximum(gap, 0), where(gap > 0, slope, 0.0) * np.ones_like(yhat)


# ---- overlaps --------------------------------------------------------------------------------------------------------


def over_union(y, p):
    both = (p * y).sum(axis=-1, keepdims=True)
    union = p.sum(axis=-1, keepdims=True) + y.sum(axis=-1, keepdims=True) - both
    return 1 - (2 * both / union)[..., 0], (2 * both / union * (1 - y) - 2 * y) / union


def inside_intersection(y, p):
    """(I + a)/(P + T + b − (I + a))."""
    both = (p * y).sum(axis=-1, keepdims=True) + 0.3
    union = p.sum(axis=-1, keepdims=True) + y.sum(axis=-1, keepdims=True) + 0.7 - both
    return 1 - (both / union)[..., 0], (both / union * (1 - y) - y) / union


def whole(p):
    return (p.size - p.sum()) // p.sum()


TERMS: dict[str, Commits] = {
    "no term of the label 0": Commits(loss=BCE, candidate=chosen(minus_log, absent)),
    "no term of the label 1": Commits(loss=BCE, candidate=chosen(absent, minus_log_of_rest)),
    "log p in both terms": Commits(loss=BCE, candidate=chosen(minus_log, minus_log)),
    "log of 1 + p": Commits(loss=BCE, candidate=chosen(minus_log, lambda p: (-log1p(p), -1 / (1 + p)))),
    "no logarithm of p": Commits(loss=BCE, candidate=chosen(lambda p: (-p, 0 * p - 1), minus_log_of_rest)),
    "no logarithm of 1 − p": Commits(loss=BCE, candidate=chosen(minus_log, lambda p: (p - 1, 0 * p + 1))),
    "weights on the term of the label 1": Commits(
        loss=BinaryCrossEntropy(**MEAN), candidate=with_weights(itself, np.ones_like)
    ),
    "weights on the term of the label 0": Commits(
        loss=BinaryCrossEntropy(**MEAN), candidate=with_weights(np.ones_like, itself)
    ),
    "pos_weight on the whole loss": Commits(loss=POSITIVE, candidate=whole_weighed),
    "smoothing not divided by the classes": Commits(
        loss=SMOOTHED, candidate=smoothed_as(lambda row, n: row * 0.87 + 0.13)
    ),
    "smoothing added only": Commits(loss=SMOOTHED, candidate=smoothed_as(lambda row, n: row + 0.13 / n)),
    "smoothing taken off only": Commits(loss=SMOOTHED, candidate=smoothed_as(lambda row, n: row * 0.87)),
    "smoothing over the others, and the true class": Commits(
        loss=SMOOTHED, candidate=smoothed_as(lambda row, n: row * 0.87 + 0.13 / max(1, n - 1))
    ),
    "rows taken to sum to one": Commits(loss=ENTROPY, candidate=less_row),
    "class weights on the logits": Commits(loss=CrossEntropy(class_weight=WEIGHTS, **MEAN), candidate=logits_weighed),
    "focal factor of the batch mean": Commits(loss=Focal(gamma=2.75, **MEAN), candidate=of_the_mean),
    "(1 − p)^γ for both labels": Commits(loss=FocalWithLogits(gamma=2.75, **NONE), candidate=faded_alike),
    "no offset beyond the scale": Commits(loss=HUBER, candidate=bent(lambda r: 0.7 * size(r), lambda r: 0.7 * sign(r))),
    "no absolute value beyond the scale": Commits(
        loss=HUBER, candidate=bent(lambda r: 0.7 * (r - 0.35), lambda r: 0.7 + 0 * r)
    ),
    "no half below the scale": Commits(
        loss=HUBER, candidate=bent(lambda r: 0.7 * (size(r) - 0.35), lambda r: 0.7 * sign(r), inner=1.0)
    ),
    "weight times r²": Commits(loss=CAUCHY, candidate=weighed_square),
    "weight times r², held": Commits(loss=HUBER, candidate=huber_weight),
    "only the diagonal of the information": Commits(
        loss=Cauchy(0.7, information=INFORMATION, **NONE),
        candidate=lambda y, x: of_quadratic(y, x, DIAGONAL),
    ),
    "ignores the information": Commits(
        loss=Cauchy(0.7, information=INFORMATION, **NONE), candidate=lambda y, x: of_quadratic(y, x, np.eye(2))
    ),
    "log-cosh": Commits(loss=HUBER, candidate=log_cosh),
    "logistic loss": Commits(
        loss=Hinge(**NONE), candidate=lambda y, x: (-log_expit(y * x), -y * exp(log_expit(-y * x)))
    ),
    "gradient by the logit": Commits(loss=BCE, candidate=lambda y, p: (bce(y, p)[0], p - y)),
    "gradient by the probability": Commits(
        loss=LOGITS,
        candidate=lambda y, z: (logits(y, z)[0], (1 - y) / expit(-z) - y / expit(z)),
    ),
    "weight for the gradient": Commits(
        loss=HUBER,
        candidate=lambda y, x: (huber_of(0.7)(y, x)[0], 1 / np.maximum(size(x - y) / 0.7, 1)),
    ),
    "gradient as for logits": Commits(
        loss=SparseCategoricalCrossEntropy(**NONE), candidate=lambda y, p: (sparse(y, p)[0], p - rows_of(y, p))
    ),
    "weight of the targets": Commits(
        loss=WeightedCrossEntropy(**SUM),
        candidate=lambda y, p: sudre(y, p, weight_of=lambda p: (1 - y).sum() / y.sum()),
    ),
    "weight upside down": Commits(
        loss=WeightedCrossEntropy(**SUM),
        candidate=lambda y, p: sudre(y, p, weight_of=lambda p: p.sum() / (1 - p).sum()),
    ),
    "sign of the score": Commits(loss=Hinge(**NONE), candidate=lambda y, x: hinge_like(y, x, 1 + y * x, y)),
    "threshold 0": Commits(loss=Hinge(**NONE), candidate=lambda y, x: hinge_like(y, x, -y * x, -y)),
    "2I over the union": Commits(loss=DICE, candidate=over_union),
    "smoothing inside the intersection": Commits(loss=SMOOTH_IOU, candidate=inside_intersection),
    "integer division in the weight": Commits(
        loss=WeightedCrossEntropy(**SUM), candidate=lambda y, p: sudre(y, p, weight_of=whole)
    ),
    **{
        f"logarithms of {c} or more": Commits(
            loss=BCE,
            candidate=chosen(
                lambda p, c=float(c): (-log(np.maximum(p, c)), where(p < c, 0.0, -1 / p)),
                lambda p, c=float(c): (-log(np.maximum(1 - p, c)), where(1 - p < c, 0.0, 1 / (1 - p))),
            ),
        )
        for c in ("1e-6", "1e-7", "1e-8", "1e-10", "1e-12")
    },
}
