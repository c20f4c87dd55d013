"""Every explanation is found in a candidate that commits exactly it, and in no right one.

The candidates are written out in plain NumPy, with nothing of `reflosses.diagnosis.hypotheses` in them. Each returns
the value and the gradient.
"""

import re
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.special
from numpy import abs as size
from numpy import exp, log, log1p, sign, sqrt, where
from scipy.special import expit, log_expit

import reflosses
from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Cauchy,
    CrossEntropy,
    Dice,
    Focal,
    FocalWithLogits,
    GeneralizedDice,
    Hinge,
    Huber,
    IoU,
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    SparseCategoricalCrossEntropy,
    WeightedCrossEntropy,
)
from reflosses.catalogue import losses
from reflosses.checking import check
from reflosses.comparison.candidate import InProcess, NumPy
from reflosses.comparison.expected import Scaled
from reflosses.comparison.formats import FORMATS
from reflosses.diagnosis.hypotheses import HYPOTHESES
from reflosses.diagnosis.search import diagnose, explain
from reflosses.diagnosis.tape import Tape


class Commits(NamedTuple):
    """A candidate that does one thing, or two, to a loss."""

    loss: Any
    candidate: Callable[..., Any]
    dtype: str = "float64"


NONE, MEAN, SUM = ({"reduction": r} for r in ("none", "mean", "sum"))
WEIGHTS = np.array([0.25, 3.0, 0.75])


# ---- losses and slopes, one by one, as people write them -------------------------------------------------------------


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


def entropy(y, z, row):
    """Cross-entropy of class rows, with every digit of the losses: Σ_c q_c (log Σ exp z − z_c)."""
    whole = reflosses.CrossEntropy(reduction="none")
    return whole.value(row, z), whole.grad(row, z)


def rows_of(y, z):
    return y if y.ndim == z.ndim else np.eye(z.shape[-1])[y]


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


def weighed(f, used, over, used_in_gradient=None):
    """Σ used(w)·ℓ / over(w)."""

    def candidate(y, yhat, weight=None):
        v, g = f(y, yhat)
        w = np.ones(v.shape) if weight is None else weight
        slope = used_in_gradient(w) * g if used_in_gradient else where(w == 0, 0, used(w) * g)
        return mean_of(where(w == 0, 0, used(w) * v), over(w)), slope / over(w)

    return candidate


def same(w):
    return w


def ce(change_rows=lambda row: row, over=lambda y, z: 1, scale=1.0):
    """Cross-entropy of changed rows of targets."""

    def candidate(y, z):
        row = change_rows(rows_of(y, z))
        v, g = entropy(y, z, np.minimum(row, 1.0)) if (row <= 1).all() else tall(row, z)
        return scale * v, scale * g

    return candidate


def tall(row, z):
    """Rows with numbers above 1."""
    most = row.max()
    v, g = entropy(None, z, row / most)
    return most * v, most * g


def smoothed(amount, classes_less=0):
    def change(row):
        count = row.shape[-1]
        if classes_less:
            return row * (1 - amount) + (row.sum(axis=-1, keepdims=True) - row) * amount / (count - 1)
        return row * (1 - amount) + amount / count

    return ce(change)


def with_class_weights(w, over):
    def candidate(y, z):
        v, g = tall(rows_of(y, z) * w, z)
        d = over(w[y], y)
        return v.sum() / d, g / d

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


def chained(f, inner, back):
    """f of a function of the predictions."""

    def candidate(y, x):
        v, g = f(y, inner(x))
        return v, back(x, g)

    return candidate


def softmax_back(z, g):
    p = softmax(z)
    return p * (g - (g * p).sum(axis=-1, keepdims=True))


def sudre(y, p, weight_of=lambda p: (1 - p).sum() / p.sum(), full=False):
    w = weight_of(p)
    value = -(scipy.special.xlogy(y, p) * w + scipy.special.xlog1py(1 - y, -p)).sum()
    grad = (1 - y) / (1 - p) - where(y == 0, 0, w * y / p)
    if full:
        grad = grad - p.size / p.sum() ** 2 * -scipy.special.xlogy(y, p).sum()
    return value, grad


def generalized(y, p, weigh):
    """Classes along the last axis, everything else pooled."""
    axes = tuple(range(y.ndim - 1))
    volume = y.sum(axis=axes)
    w = where(volume > 0, weigh(where(volume > 0, volume, 1)), 0.0)
    i, s = (w * (y * p).sum(axis=axes)).sum(), (w * (y + p).sum(axis=axes)).sum()
    return 1 - 2 * i / s, w * (2 * i / s - 2 * y) / s


def rows_then(reduce):
    def candidate(y, yhat):
        v, g = squared(y, yhat)
        return v.mean(axis=-1) if reduce == "none" else v.mean(axis=-1).sum(), g / yhat.shape[-1]

    return candidate


def clipped(c, moving):
    """Binary cross-entropy of a clipped probability."""

    def candidate(y, p):
        low = c or np.finfo(p.dtype).eps
        q = np.clip(p, low, 1 - low)
        slope = (1 - y) / (1 - q) - y / q
        return -(y * log(q) + (1 - y) * log(1 - q)), slope if moving else where(q == p, slope, 0)

    return candidate


def added(c):
    def candidate(y, p):
        e = c or np.finfo(p.dtype).eps
        return -(y * log(p + e) + (1 - y) * log(1 - p + e)), (1 - y) / (1 - p + e) - y / (p + e)

    return candidate


def in_dtype(f, dtype):
    """A loss that casts what it is given, and returns what it gets."""

    def candidate(y, yhat):
        v, g = f(cast(y, dtype), cast(yhat, dtype))
        return cast(v, dtype).astype(np.float64), cast(g, dtype).astype(np.float64)

    return candidate


def cast(a, dtype):
    if dtype == "bfloat16":
        return FORMATS[dtype].round(a)
    return np.asarray(a).astype(dtype)


def results_in(f, dtype):
    def candidate(y, yhat):
        v, g = f(y, yhat)
        return cast(v, dtype).astype(np.float64), cast(g, dtype).astype(np.float64)

    return candidate


MSE, HUBER, CAUCHY = MeanSquaredError(**NONE), Huber(0.7, **NONE), Cauchy(0.3, **NONE)
BCE, LOGITS = BinaryCrossEntropy(**NONE), BinaryCrossEntropyWithLogits(**NONE)
POSITIVE = BinaryCrossEntropyWithLogits(pos_weight=3.7, **NONE)
FOCAL = Focal(gamma=2.75, alpha=0.3, **NONE)
ENTROPY, SMOOTHED = CrossEntropy(**NONE), CrossEntropy(label_smoothing=0.13, **NONE)
CLASS_WEIGHTS = CrossEntropy(class_weight=WEIGHTS, reduction="weighted_mean")
DICE = Dice(axis=-1, **NONE)
SMOOTH_DICE = Dice(axis=-1, smooth_nr=0.3, smooth_dr=0.7, **NONE)


def of_huber(f):
    return lambda y, yhat: f(y, yhat, 0.7)


def of_cauchy(delta):
    return lambda y, yhat: cauchy(y, yhat, delta)


def of_focal(gamma, alpha):
    return lambda y, p: focal(y, p, gamma, alpha)


def pos_weighted(first, second):
    def f(y, z):
        one, zero = log_expit(z), log_expit(-z)
        v = -(where(y == 0, 0, first * y * one) + where(y == 1, 0, second * (1 - y) * zero))
        return v, second * (1 - y) * expit(z) - first * y * expit(-z)

    return f


def ignoring(over, missing=-100):
    """The mean of cross-entropy without the rows that are labelled −100."""

    def candidate(y, z):
        part = y != missing
        v, g = ce()(where(part, y, 0), where(part[:, None], z, 0.0))
        n = over(part)
        return (part * v).sum() / n if n else np.nan, part[:, None] * g / max(n, 1)

    return candidate


def logits_of_any(y, z):
    """Binary cross-entropy of a logit and of anything as a label."""
    return -(y * log_expit(z) + (1 - y) * log_expit(-z))


def held(y, p):
    """The slope of a focal loss whose factor is held constant."""
    p_t, q = where(y == 1, p, 1 - p), where(y == 1, 1 - p, p)
    return -where(y == 1, 0.3, -0.7) * where(q == 0, 0, q**2.75 / p_t)


def held_and_rounded(y, z):
    p = 1 / (1 + exp(-z))
    s, rest = where(y == 1, 1, -1), 1 - where(y == 1, p, 1 - p)
    return rest**0.7 * -log_expit(s * z), -s * rest**0.7 * expit(-s * z)


def slope_of_one(y, yhat):
    r = yhat - y
    near = size(r) <= 0.7
    return where(near, r * r / 2, size(r) - 0.35), where(near, r, sign(r))


def batch_softmax(y, z):
    """Cross-entropy of logits that are normalised along the batch."""
    if not len(z):
        return np.nan, z
    d = z - z.max(axis=0, keepdims=True)
    logs, row = d - log(exp(d).sum(axis=0, keepdims=True)), rows_of(y, z)
    value = -where(row == 0, 0, row * logs).sum(axis=1).mean()
    return value, (exp(logs) * row.sum(axis=0, keepdims=True) - row) / len(z)


SINGLE: dict[str, Commits] = {
    "half": Commits(MSE, each(squared, 0.5)),
    "double": Commits(HUBER, each(of_huber(huber), 2.0)),
    "opposite sign": Commits(MSE, each(squared, -1.0)),
    "in percent": Commits(MSE, each(squared, 100.0)),
    "divides by the scale": Commits(HUBER, each(of_huber(huber), 1 / 0.7)),
    "multiplies by the scale": Commits(HUBER, each(of_huber(huber), 0.7)),
    "divides by the squared scale": Commits(CAUCHY, each(of_cauchy(0.3), 1 / 0.09)),
    "divides by the classes": Commits(ENTROPY, lambda y, z: tuple(a / z.shape[-1] for a in ce()(y, z))),
    "multiplies by the classes": Commits(ENTROPY, lambda y, z: tuple(a * z.shape[-1] for a in ce()(y, z))),
    "in bits": Commits(BCE, each(bce, 1 / log(2))),
    "gradient halved": Commits(MSE, each(squared, 1.0, 0.5)),
    "gradient doubled": Commits(HUBER, each(of_huber(huber), 1.0, 2.0)),
    "gradient of the opposite sign": Commits(MSE, each(squared, 1.0, -1.0)),
    "gradient by y": Commits(DICE, lambda y, p: (overlap(y, p)[0], overlap(p, y)[1])),
    "gradient 0": Commits(MSE, each(squared, 1.0, 0.0)),
    "gradient of the sum": Commits(
        MeanSquaredError(**MEAN), lambda y, yhat: (mean_of(squared(y, yhat)[0], yhat.size), squared(y, yhat)[1])
    ),
    "gradient of the mean": Commits(
        MeanSquaredError(**SUM), lambda y, yhat: (squared(y, yhat)[0].sum(), squared(y, yhat)[1] / yhat.size)
    ),
    "gradient without weights": Commits(MeanSquaredError(**MEAN), weighed(squared, same, np.size, np.ones_like)),
    "sums": Commits(MeanSquaredError(**MEAN), total(squared)),
    "averages": Commits(MeanSquaredError(**SUM), mean(squared)),
    "divides by the weights": Commits(MeanSquaredError(**MEAN), weighed(squared, same, np.sum)),
    "does not reduce": Commits(MeanSquaredError(**SUM), each(squared)),
    "divides by all": Commits(CrossEntropy(ignore_index=-100, **MEAN), ignoring(np.size)),
    "divides by the weights above 0": Commits(MeanSquaredError(**MEAN), weighed(squared, same, np.count_nonzero)),
    "divides by the batch": Commits(
        MeanSquaredError(**MEAN),
        lambda y, yhat: (mean_of(squared(y, yhat)[0], len(yhat)), squared(y, yhat)[1] / max(1, len(yhat))),
    ),
    "divides by the positives": Commits(
        Focal(gamma=2.75, alpha=0.3, **MEAN),
        lambda y, p: tuple(a / max(1, (y == 1).sum()) for a in total(of_focal(2.75, 0.3))(y, p)),
    ),
    "averages the last axis first": Commits(MSE, rows_then("none")),
    "ignores the weights": Commits(MeanSquaredError(**MEAN), lambda y, yhat, weight=None: mean(squared)(y, yhat)),
    "squares the weights": Commits(MeanSquaredError(**MEAN), weighed(squared, np.square, np.size)),
    "returns 0 for nothing": Commits(
        CrossEntropy(ignore_index=-100, **MEAN), lambda y, z: ignoring(lambda part: max(part.sum(), 1))(y, z)
    ),
    "root of the mean": Commits(
        MeanSquaredError(**MEAN),
        lambda y, yhat: (
            sqrt(mean_of(squared(y, yhat)[0], yhat.size)),
            squared(y, yhat)[1] / yhat.size / 2 / sqrt(mean_of(squared(y, yhat)[0], yhat.size)),
        ),
    ),
    "swaps y and yhat": Commits(BCE, lambda y, p: (bce(p, y)[0], log1p(-y) - log(y))),
    "swaps y and yhat, gradient too": Commits(LOGITS, lambda y, z: (logits_of_any(z, y), expit(y) - z)),
    "does not ignore": Commits(NegativeLogLikelihood(ignore_index=-1, **MEAN), mean(nll)),
    "ignores the class weights": Commits(CLASS_WEIGHTS, mean(ce())),
    "class weights with mean 1": Commits(
        CrossEntropy(class_weight=WEIGHTS, **MEAN), with_class_weights(WEIGHTS / WEIGHTS.mean(), lambda w, y: len(y))
    ),
    "class weights with sum 1": Commits(
        CrossEntropy(class_weight=WEIGHTS, **MEAN), with_class_weights(WEIGHTS / WEIGHTS.sum(), lambda w, y: len(y))
    ),
    "ignores pos_weight": Commits(POSITIVE, each(logits)),
    "pos_weight on all": Commits(POSITIVE, each(pos_weighted(3.7, 3.7))),
    "pos_weight on the negatives": Commits(POSITIVE, each(pos_weighted(1.0, 3.7))),
    **{
        f"smooths labels by {s}": Commits(BCE, lambda y, p, s=float(s): bce(y * (1 - s) + s / 2, p))
        for s in ("0.1", "0.05", "0.2", "0.01")
    },
    "no label smoothing": Commits(SMOOTHED, ce()),
    "smooths half as much": Commits(SMOOTHED, smoothed(0.065)),
    "smooths twice as much": Commits(SMOOTHED, smoothed(0.26)),
    "smooths over the other classes": Commits(SMOOTHED, lambda y, z: smoothed(0.13, 1)(one_hot_only(y), z)),
    "truncates soft labels": Commits(BCE, lambda y, p: bce(y.astype(int) * 1.0, p)),
    "rounds soft labels": Commits(BCE, lambda y, p: bce((y >= 0.5) * 1.0, p)),
    "takes the largest target": Commits(ENTROPY, ce(lambda row: np.eye(row.shape[-1])[row.argmax(axis=-1)])),
    "labels 0 and 1": Commits(Hinge(**NONE), lambda y, yhat: hinge(2 * y - 1, yhat)),
    "labels −1 and 1": Commits(LOGITS, lambda y, z: (-log_expit(y * z), -y * expit(-y * z))),
    "ignores alpha": Commits(FOCAL, lambda y, p: tuple(2 * a for a in focal(y, p, 2.75, 0.5))),
    "swaps alpha": Commits(FOCAL, of_focal(2.75, 0.7)),
    "alpha on all": Commits(FOCAL, lambda y, p: tuple(0.6 * a for a in focal(y, p, 2.75, 0.5))),
    "alpha on the positives": Commits(
        FOCAL, lambda y, p: tuple(where(y == 1, 0.3 / 0.5, 1 / 0.5) * a for a in focal(y, p, 2.75, 0.5))
    ),
    "holds the factor constant": Commits(FOCAL, lambda y, p: (focal(y, p, 2.75, 0.3)[0], held(y, p))),
    "holds the factor constant, of a rounded p_t": Commits(FocalWithLogits(gamma=0.7, **NONE), held_and_rounded),
    "ignores gamma": Commits(FOCAL, of_focal(0.0, 0.3)),
    "gamma one too large": Commits(FOCAL, of_focal(3.75, 0.3)),
    "gamma one too small": Commits(FOCAL, of_focal(1.75, 0.3)),
    "squares the scale": Commits(HUBER, lambda y, yhat: huber(y, yhat, 0.49)),
    "takes the root of the scale": Commits(CAUCHY, of_cauchy(sqrt(0.3))),
    "ignores the scale": Commits(CAUCHY, of_cauchy(1.0)),
    "holds the weight constant": Commits(WeightedCrossEntropy(weight_grad="full", **SUM), sudre),
    "differentiates the weight": Commits(WeightedCrossEntropy(**SUM), lambda y, p: sudre(y, p, full=True)),
    "weight 1": Commits(WeightedCrossEntropy(**SUM), lambda y, p: sudre(y, p, lambda p: 1.0)),
    "squares each loss": Commits(
        Hinge(**NONE), lambda y, yhat: (hinge(y, yhat)[0] ** 2, 2 * hinge(y, yhat)[0] * hinge(y, yhat)[1])
    ),
    "root of each loss": Commits(MSE, lambda y, yhat: (size(yhat - y), sign(yhat - y))),
    "pseudo-Huber": Commits(
        HUBER, lambda y, yhat: (scipy.special.pseudo_huber(0.7, yhat - y), (yhat - y) / np.hypot(1, (yhat - y) / 0.7))
    ),
    "slope 1 beyond the scale": Commits(HUBER, slope_of_one),
    "Barron's form": Commits(
        CAUCHY,
        lambda y, yhat: (log1p(((yhat - y) / 0.3) ** 2 / 2), (yhat - y) / 0.09 / (1 + ((yhat - y) / 0.3) ** 2 / 2)),
    ),
    "does not square the residual": Commits(
        CAUCHY, lambda y, yhat: (0.09 * log1p(size(yhat - y) / 0.09), sign(yhat - y) / (1 + size(yhat - y) / 0.09))
    ),
    "Dice for IoU": Commits(IoU(axis=-1, **NONE), overlap),
    "returns the score": Commits(DICE, lambda y, p: (1 - overlap(y, p)[0], -overlap(y, p)[1])),
    "returns minus the score": Commits(DICE, lambda y, p: (overlap(y, p)[0] - 1, overlap(y, p)[1])),
    "half the score": Commits(DICE, lambda y, p: ((1 + overlap(y, p)[0]) / 2, overlap(y, p)[1] / 2)),
    "log of the score": Commits(
        DICE, lambda y, p: (-log1p(-overlap(y, p)[0]), overlap(y, p)[1] / (1 - overlap(y, p)[0])[..., None])
    ),
    "sigmoid of probabilities": Commits(DICE, chained(overlap, expit, lambda p, g: g * expit(p) * expit(-p))),
    "squares in the denominator": Commits(DICE, lambda y, p: squared_overlap(y, p)),
    "doubles the smoothing": Commits(SMOOTH_DICE, lambda y, p: overlap(y, p, -1, 0.6, 1.4)),
    "halves the smoothing": Commits(SMOOTH_DICE, lambda y, p: overlap(y, p, -1, 0.15, 0.35)),
    "smooths the denominator only": Commits(SMOOTH_DICE, lambda y, p: overlap(y, p, -1, 0.0, 0.7)),
    "smooths both alike": Commits(SMOOTH_DICE, lambda y, p: overlap(y, p, -1, 0.7, 0.7)),
    "no smoothing": Commits(SMOOTH_DICE, overlap),
    "adds 1 to both": Commits(IoU(axis=-1, **NONE), lambda y, p: jaccard(y, p, -1, 1.0, 1.0)),
    "adds 2 to both": Commits(DICE, lambda y, p: overlap(y, p, -1, 2.0, 2.0)),
    **{
        f"adds {c} below": Commits(DICE, lambda y, p, c=float(c): overlap(y, p, -1, 0.0, c))
        for c in ("1e-5", "1e-6", "1e-7", "1e-8")
    },
    **{
        f"adds {c} to both": Commits(DICE, lambda y, p, c=float(c): overlap(y, p, -1, c, c))
        for c in ("1e-5", "1e-6", "1e-7", "1e-8")
    },
    "pools everything": Commits(Dice(axis=(1, 2), **MEAN), lambda y, p: overlap(y, p, tuple(range(y.ndim)))),
    "pools each sample": Commits(Dice(axis=None), lambda y, p: averaged(overlap, y, p, tuple(range(1, y.ndim)))),
    "pools the batch too": Commits(Dice(axis=-1), lambda y, p: averaged(overlap, y, p, tuple({0, y.ndim - 1}))),
    "pools all but batch and class": Commits(Dice(axis=None), lambda y, p: averaged(overlap, y, p, spatial(y))),
    "pools only the last axis": Commits(Dice(axis=(-2, -1)), lambda y, p: averaged(overlap, y, p, (y.ndim - 1,))),
    "class weights 1/T": Commits(GeneralizedDice(), lambda y, p: generalized(y, p, lambda v: 1 / v)),
    "class weights cancel": Commits(GeneralizedDice(), lambda y, p: generalized(y, p, np.ones_like)),
    "applies the sigmoid twice": Commits(LOGITS, chained(logits, expit, lambda z, g: g * expit(z) * expit(-z))),
    "softmax along the batch": Commits(CrossEntropy(**MEAN), batch_softmax),
    "applies the softmax twice": Commits(ENTROPY, chained(ce(), softmax, softmax_back)),
    "takes probabilities for logits": Commits(BCE, each(logits)),
    "takes logits for probabilities": Commits(
        LOGITS, lambda y, z: (-(y * log(z) + (1 - y) * log1p(-z)), (1 - y) / (1 - z) - y / z)
    ),
    "takes logits for log-probabilities": Commits(
        ENTROPY, lambda y, z: (-(rows_of(y, z) * z).sum(axis=-1), -rows_of(y, z))
    ),
    "normalises log-probabilities": Commits(NegativeLogLikelihood(**NONE), ce()),
    "renormalises probabilities": Commits(
        SparseCategoricalCrossEntropy(**NONE),
        chained(
            sparse,
            lambda p: p / p.sum(axis=-1, keepdims=True),
            lambda p, g: (
                (g - (g * p).sum(axis=-1, keepdims=True) / p.sum(axis=-1, keepdims=True))
                / p.sum(axis=-1, keepdims=True)
            ),
        ),
    ),
}


def one_hot_only(y):
    if y.dtype.kind != "i":
        raise TypeError("class indices")
    return y


def squared_overlap(y, p):
    both, total = (p * y).sum(axis=-1, keepdims=True), (p * p + y * y).sum(axis=-1, keepdims=True)
    return 1 - (2 * both / total)[..., 0], (2 * both / total * 2 * p - 2 * y) / total


def spatial(y):
    if y.ndim < 3:
        raise ValueError("batch, class and space")
    return tuple(range(2, y.ndim))


def averaged(f, y, p, axis):
    v, g = f(y, p, axis)
    return v.mean(), g / v.size


def stopped(y, z, c):
    return where(size(z) <= c, logits(y, np.clip(z, -c, c))[1], 0.0)


CONSTANTS = ("1e-3", "1e-4", "1e-5", "1e-6", "1e-7", "1e-8", "1e-9", "1e-10", "1e-12", "1e-15", "1e-16")
EDGES = {
    **{f"clips at {c}": Commits(BCE, clipped(float(c), False)) for c in CONSTANTS},
    "clips at eps": Commits(BCE, clipped(None, False)),
    **{f"clips at {c}, slope and all": Commits(BCE, clipped(float(c), True)) for c in CONSTANTS},
    "clips at eps, slope and all": Commits(BCE, clipped(None, True)),
    **{
        f"adds {c} to p": Commits(BCE, added(float(c)))
        for c in ("1e-4", "1e-5", "1e-6", "1e-7", "1e-8", "1e-10", "1e-12")
    },
    **{
        f"clips logits at {c}": Commits(LOGITS, lambda y, z, c=c: (logits(y, np.clip(z, -c, c))[0], stopped(y, z, c)))
        for c in (10, 20, 30, 50, 100)
    },
    "adds eps to p": Commits(BCE, added(None)),
    "logarithms from −100": Commits(
        BCE,
        lambda y, p: (
            -(y * np.maximum(log(p), -100) + (1 - y) * np.maximum(log1p(-p), -100)),
            (p - y) / np.maximum(p * (1 - p), 1e-12),
        ),
    ),
}


# ---- defects, with the gradients that an autodiff gives --------------------------------------------------------------


def log_of_softmax(y, z):
    p = softmax(z)
    row = rows_of(y, z)
    n = np.arange(len(z))
    if y.ndim == 1:
        nats, slope = -log(p[n, y]), np.zeros(p.shape)
        slope[n, y] = -1 / p[n, y]
    else:
        nats, slope = -(row * log(p)).sum(axis=-1), -row / p
    return nats, p * (slope - (slope * p).sum(axis=-1, keepdims=True))


def log_of_bare_softmax(y, z):
    e = exp(z)
    s = e.sum(axis=-1, keepdims=True)
    p = e / s
    row = rows_of(y, z)
    if y.ndim == 1:
        nats = -log(p[np.arange(len(z)), y])
        slope = np.zeros(p.shape)
        slope[np.arange(len(z)), y] = -1 / p[np.arange(len(z)), y]
    else:
        nats, slope = -(row * log(p)).sum(axis=-1), -row / p
    return nats, (slope / s - (slope * p / s).sum(axis=-1, keepdims=True)) * e


def log_sum(shift):
    def candidate(y, z):
        d = z - (z.max(axis=-1, keepdims=True) if shift else 0)
        e = exp(d)
        s = e.sum(axis=-1, keepdims=True)
        row = rows_of(y, z)
        if y.ndim == 1:
            return log(s[:, 0]) - d[np.arange(len(z)), y], e / s - row
        return (row * (log(s) - d)).sum(axis=-1), e / s * row.sum(axis=-1, keepdims=True) - row

    return candidate


def overflowing(small):
    """y·log(1 + e^−z) + (1 − y)·log(1 + e^z), hard labels choosing."""

    def candidate(y, z):
        a, b = exp(-z), exp(z)
        value = where(y == 0, 0, y * small(a)) + where(y == 1, 0, (1 - y) * small(b))
        return value, where(y == 1, 0, (1 - y) / (1 + b) * b) - where(y == 0, 0, y / (1 + a) * a)

    return candidate


def rest_of_rounded(y, z):
    """The focal loss with p = σ(z), p_t = p or 1 − p, (1 − p_t)^γ."""
    p = 1 / (1 + exp(-z))
    p_t = where(y == 1, p, 1 - p)
    s = where(y == 1, 1, -1)
    nats, base = np.maximum(-s * z, 0) + log1p(exp(-size(z))), 1 - p_t
    fading = -0.7 * base ** (0.7 - 1) * nats * s * (p * (1 - p))
    return base**0.7 * nats, fading - base**0.7 * s * expit(-s * z)


def bare_power(y, p):
    q, nats = where(y == 1, 1 - p, p), where(y == 1, -log(p), -log1p(-p))
    s = where(y == 1, 1, -1)
    return q**0.7 * nats, -s * (0.7 * q ** (0.7 - 1) * nats) - s * q**0.7 / where(y == 1, p, 1 - p)


def shifted(y, z):
    e = exp(-size(z))
    return where(z > 0, z, 0) - z * y + log1p(e), where(z >= 0, 1.0, 0) + (where(z >= 0, -1, 1) * (e / (1 + e)) - y)


def minus_log_sigmoid(y, z):
    return (1 - y) * z - log_expit(z), (1 - y) - expit(-z)


def as_sum(delta):
    def candidate(y, yhat):
        u = (yhat - y) / delta
        return delta**2 * log(1 + u * u), delta**2 / (1 + u * u) * u / delta * 2

    return candidate


def squares_first(delta):
    def candidate(y, yhat):
        r = yhat - y
        u = r * r / delta**2
        return delta**2 * log1p(u), delta**2 / (1 + u) / delta**2 * r * 2

    return candidate


def quotient_squared(delta):
    def candidate(y, yhat):
        u = (yhat - y) / delta
        return delta**2 * log1p(u * u), delta**2 / (1 + u * u) * u / delta * 2

    return candidate


def both_branches(y, yhat):
    r = yhat - y
    inner = size(r) < 0.7
    return huber(y, yhat, 0.7)[0], where(inner, 1.0, 0.0) * 0.5 * r * 2 + where(inner, 0.0, 0.7) * sign(r)


def careful(y, z):
    """Binary cross-entropy of a logit; SciPy's expit flushes subnormals itself."""
    return logits(y, z)[0], (1 - y) * exp(log_expit(z)) - y * exp(log_expit(-z))


def split(y, yhat):
    r = yhat - y
    inner = size(r) < 0.7
    q = where(inner, size(r), 0.7)
    return q * q / 2 + 0.7 * (size(r) - q), (where(inner, q - 0.7, 0.0) + 0.7) * sign(r)


def nan_at_infinity(y, z):
    lost = where(np.isinf(z), np.nan, 0.0)
    return tuple(a + lost for a in logits(y, z))


def nothing_lost(y, p):
    lost = where((p + y).sum(axis=-1) == 0, np.nan, 0)
    v, g = overlap(y, p)
    return v + lost, g + lost[..., None]


def zero_times_logit(y, z):
    v, g = careful(y, z)
    return v + where(np.isinf(z) & (v == 0), np.nan, 0), g


def plain_overlap(y, p):
    i, s = (p * y).sum(axis=-1, keepdims=True), p.sum(axis=-1, keepdims=True) + y.sum(axis=-1, keepdims=True)
    return 1 - (2 * i / s)[..., 0], (2 * i / s - 2 * y) / s


def logs_of_rest(y, p):
    value = where(y == 0, 0, -y * log(p)) + where(y == 1, 0, -(1 - y) * log(1 - p))
    return value, where(y == 1, 0, (1 - y) / (1 - p)) - where(y == 0, 0, y / p)


def textbook_logs(y, p):
    return -(y * log(p) + (1 - y) * log1p(-p)), (1 - y) / (1 - p) - y / p


def multiplied_by_zero(y, z):
    """Ignored rows are multiplied by 0."""
    part = (y != -100) * 1.0
    label = where(y == -100, 0, y)
    v, g = ce()(label, z)
    wild = ~np.isfinite(v) & (y == -100)
    n = part.sum()
    return (part * v).sum() / n if n else np.nan, part[:, None] * where(wild[:, None], np.nan, g) / max(n, 1)


def third_in_float32(v, g):
    """The mean in float64, but for 1/n."""
    share = float(np.float32(1 / max(1, v.size)))
    return (share * v.astype("f8")).sum() if v.size else np.nan, share * g.astype("f8")


def half_sums(y, yhat):
    r = yhat.astype(np.float64) - y  # which float16 may not hold: that would be another mistake
    total = (r * r).astype(np.float16).astype(np.float64).sum().astype(np.float16)
    return float(total) / r.size, (2 * r / r.size).astype(np.float16)


NARROW = {"float32": MSE, "bfloat16": MSE, "float16": MSE}
DEFECTS = {
    **{
        f"rounds its results to {d}": Commits(
            CAUCHY if d == "float32" else HUBER, results_in(of_cauchy(0.3) if d == "float32" else of_huber(huber), d)
        )
        for d in NARROW
    },
    **{f"computes in {d}": Commits(MSE, in_dtype(squared, d)) for d in NARROW},
    "digits of float32": Commits(
        MeanSquaredError(**MEAN),
        lambda y, yhat: third_in_float32(*squared(y.astype("f4"), yhat.astype("f4"))),
    ),
    "value in float32": Commits(CAUCHY, lambda y, yhat: (cast(cauchy(y, yhat, 0.3)[0], "f4"), cauchy(y, yhat, 0.3)[1])),
    "sums in its own format": Commits(MeanSquaredError(**MEAN), half_sums, "float16"),
    "the residual overflows": Commits(Huber(0.7, **MEAN), mean(of_huber(huber))),
    "multiplies what is left out by 0": Commits(CrossEntropy(ignore_index=-100, **MEAN), multiplied_by_zero),
    "not a number at infinity": Commits(LOGITS, nan_at_infinity),
    "0 · an infinite logit": Commits(LOGITS, zero_times_logit),
    "gradient σ(z) − y": Commits(LOGITS, lambda y, z: (logits(y, z)[0], expit(z) - y)),
    "gradient p − y": Commits(
        ENTROPY, lambda y, z: (ce()(y, z)[0], softmax(z) * rows_of(y, z).sum(axis=-1, keepdims=True) - rows_of(y, z))
    ),
    "log of 1 − p": Commits(BCE, logs_of_rest),
    "0 · log 0": Commits(BCE, textbook_logs),
    "1 − p_t of a rounded p_t": Commits(FocalWithLogits(gamma=0.7, **NONE), rest_of_rounded),
    "0 to the power γ − 1": Commits(Focal(gamma=0.7, **NONE), bare_power),
    "exponentials overflow": Commits(LOGITS, overflowing(log1p)),
    "exponentials overflow, log(1 + x)": Commits(LOGITS, overflowing(lambda x: log(1 + x))),
    "max(z, 0) − z y": Commits(LOGITS, shifted),
    "z − log σ(z)": Commits(LOGITS, minus_log_sigmoid),
    "log(1 + x)": Commits(CAUCHY, as_sum(0.3)),
    "loses the tail of log-softmax": Commits(ENTROPY, log_sum(True)),
    "log of a softmax": Commits(ENTROPY, log_of_softmax),
    "log of a softmax without shift": Commits(ENTROPY, log_of_bare_softmax),
    "log Σ exp without shift": Commits(ENTROPY, log_sum(False)),
    "squares before dividing": Commits(Cauchy(7e5, **NONE), squares_first(7e5)),
    "the square overflows": Commits(Cauchy(7e5, **NONE), quotient_squared(7e5)),
    "differentiates both branches": Commits(HUBER, both_branches),
    "flushes subnormals": Commits(
        LOGITS, lambda y, z: tuple(where(size(a) < 2.0**-1022, 0.0, a) for a in careful(y, z))
    ),
    "log1p(e^z) − z y": Commits(LOGITS, lambda y, z: (log1p(exp(z)) - y * z, 1 / (1 + exp(z)) * exp(z) - y)),
    "splits the residual": Commits(HUBER, split),
    "root of a square": Commits(
        MeanAbsoluteError(**NONE), lambda y, yhat: (sqrt((yhat - y) ** 2), 0.5 / sqrt((yhat - y) ** 2) * 2 * (yhat - y))
    ),
    "squares before it scales": Commits(Scaled(0.5, MSE), lambda y, yhat: (0.5 * np.square(yhat - y), yhat - y)),
    "expands the square": Commits(MSE, lambda y, yhat: (yhat * yhat - 2 * yhat * y + y * y, 2 * yhat - 2 * y)),
    "0/0 for nothing": Commits(DICE, lambda y, p: nothing_lost(y, p)),
    "1 less the score": Commits(DICE, plain_overlap),
}

COMMITTED = SINGLE | EDGES | DEFECTS


def asked(c: Commits) -> Any:
    return diagnose(c.candidate, c.loss, dtype=c.dtype)


def test_every_hypothesis_has_a_candidate_that_commits_it() -> None:
    assert set(COMMITTED) == {h.name for h in HYPOTHESES}
    assert len(COMMITTED) == len(HYPOTHESES)
    assert len(COMMITTED) >= 50
    for h in HYPOTHESES:
        assert h.kind in ("convention", "defect")
        assert h.says[0].islower()


@pytest.mark.parametrize("name", list(COMMITTED))
def test_a_candidate_that_commits_one_thing_is_told_so(name: str) -> None:
    found = asked(COMMITTED[name])
    assert found.names == (name,), str(found)
    assert str(found).startswith("It ")


# ---- two at once -----------------------------------------------------------------------------------------------------


def half_sum(y, yhat):
    v, g = total(squared)(y, yhat)
    return v / 2, g / 2


PAIRS = {
    ("half", "sums"): Commits(MeanSquaredError(**MEAN), half_sum),
    ("divides by the scale", "averages"): Commits(Huber(0.7, **SUM), mean(of_huber(huber), 1 / 0.7)),
    ("ignores alpha", "ignores gamma"): Commits(FOCAL, lambda y, p: tuple(2 * a for a in focal(y, p, 0.0, 0.5))),
    ("gradient doubled", "in bits"): Commits(BCE, each(bce, 1 / log(2), 2 / log(2))),
    ("ignores the class weights", "sums"): Commits(CLASS_WEIGHTS, total(ce())),
    ("adds 1 to both", "returns the score"): Commits(
        DICE, lambda y, p: (1 - overlap(y, p, -1, 1.0, 1.0)[0], -overlap(y, p, -1, 1.0, 1.0)[1])
    ),
    ("half", "log(1 + x)"): Commits(CAUCHY, each(as_sum(0.3), 0.5)),
    ("clips at 1e-7", "ignores alpha"): Commits(
        Focal(gamma=2.75, alpha=0.3, **NONE), lambda y, p: clipped_focal(y, p, 2.75)
    ),
    ("0 · log 0", "log of 1 − p"): Commits(
        BCE, lambda y, p: (-(y * log(p) + (1 - y) * log(1 - p)), (1 - y) / (1 - p) - y / p)
    ),
    ("gradient σ(z) − y", "z − log σ(z)"): Commits(LOGITS, lambda y, z: (minus_log_sigmoid(y, z)[0], expit(z) - y)),
    ("clips at 1e-7", "computes in float32"): Commits(BCE, in_dtype(clipped(1e-7, False), "float32")),
}


def clipped_focal(y, p, gamma):
    q = np.clip(p, 1e-7, 1 - 1e-7)
    rest = 1 - where(y == 1, p, 1 - p)
    nats = -(y * log(q) + (1 - y) * log(1 - q))
    steep = where(p == q, (1 - y) / (1 - q) - y / q, 0.0)
    return rest**gamma * nats, -where(y == 1, 1, -1) * gamma * rest ** (gamma - 1) * nats + rest**gamma * steep


@pytest.mark.parametrize("names", list(PAIRS), ids=" + ".join)
def test_two_things_at_once_are_both_named(names: tuple[str, str]) -> None:
    found = asked(PAIRS[names])
    assert set(found.names) == set(names), str(found)
    assert len(re.findall(r"(^|\. )(It|At hard inputs it also) ", str(found))) == 2


# ---- nothing to explain ----------------------------------------------------------------------------------------------

FINE = "nothing to explain: every number is right"


def whole(loss: Any, dtype: str) -> Callable[..., Any]:
    """Our own loss as a candidate that answers in a dtype."""
    form = FORMATS[dtype]

    def candidate(y, yhat, weight=None):
        return tuple(form.round(a) for a in loss.value_and_grad(y, yhat, weight=weight))

    return candidate


@pytest.mark.parametrize("name", losses())
def test_nothing_fires_on_our_own_reduced_losses(name: str) -> None:
    cls = losses()[name]
    for reduction in ("mean", "weighted_mean", "sum"):
        loss = cls(**cls.examples[0], reduction=reduction)
        assert str(diagnose(whole(loss, "float64"), loss)) == FINE, loss


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", losses())
def test_nothing_fires_on_our_own_losses(name: str, dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")
    cls = losses()[name]
    loss = cls(**cls.examples[min(1, len(cls.examples) - 1)], reduction="none")
    assert str(diagnose(whole(loss, dtype), loss, dtype=dtype)) == FINE, (loss, dtype)


RIGHT = {
    "scipy.special.huber": (HUBER, lambda y, yhat: (scipy.special.huber(0.7, yhat - y), np.clip(yhat - y, -0.7, 0.7))),
    "log_expit": (LOGITS, careful),
    "squared error": (MSE, squared),
    "the derivative of |r| at 0 is 1": (
        MeanAbsoluteError(**NONE),
        lambda y, yhat: (size(yhat - y), where(yhat >= y, 1.0, -1.0)),
    ),
    "the derivative at margin 1 is half": (
        Hinge(**NONE),
        lambda y, yhat: (hinge(y, yhat)[0], -y * np.heaviside(1 - y * yhat, 0.5)),
    ),
    "values only": (HUBER, lambda y, yhat: scipy.special.huber(0.7, yhat - y)),
    "a factor that is known": (Scaled(0.5, MSE), each(squared, 0.5)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_fires_on_right_candidates(name: str) -> None:
    loss, candidate = RIGHT[name]
    found = diagnose(candidate, loss)
    assert (found.names, str(found)) == ((), FINE)


NAIVE = {
    "cross-entropy of a probability": (BCE, lambda y, p: textbook_logs(y, p)),
    "cross-entropy of a logit": (LOGITS, lambda y, z: (log1p(exp(z)) - y * z, expit(z) - y)),
    "softmax": (ENTROPY, log_of_bare_softmax),
    "focal": (
        FOCAL,
        lambda y, p: -where(y == 1, 0.3, 0.7) * (1 - (p_t := where(y == 1, p, 1 - p))) ** 2.75 * log(p_t),
    ),
    "Cauchy": (CAUCHY, as_sum(0.3)),
    "Dice": (DICE, plain_overlap),
}


PLAIN = {  # means of errors, as anybody writes them: what they do is add up, in the format of their inputs
    "Huber, values only": (Huber(0.7), lambda y, yhat: huber(y, yhat, 0.7)[0].mean(), "float64"),
    "squared error": (MeanSquaredError(), lambda y, yhat: plain_mean(y, yhat), "float32"),
    "squared error, values only": (MeanSquaredError(), lambda y, yhat: plain_mean(y, yhat)[0], "float64"),
}


def plain_mean(y, yhat):
    r = yhat - y
    return (r * r).mean(), r * yhat.dtype.type(2 / max(1, r.size))


@pytest.mark.parametrize("name", PLAIN)
def test_plain_means_are_told_of_overflow_and_of_nothing_else(name: str) -> None:
    loss, candidate, dtype = PLAIN[name]
    found = diagnose(candidate, loss, dtype=dtype)
    assert set(found.names) <= {"sums in its own format", "the residual overflows"}, str(found)
    assert found.names


def test_one_coincidence_is_no_explanation() -> None:
    """Arguments the wrong way round, with other roundings than ours: no clip is read into the last digits."""

    def swapped(y, z):
        return np.maximum(y, 0) - y * z + log1p(exp(-size(y))), -y

    assert diagnose(swapped, LOGITS).names == ("swaps y and yhat",)


def test_nothing_is_said_of_a_gradient_that_is_not_there() -> None:
    about = {h.name for h in HYPOTHESES if h.about}
    for name in ("clips at 1e-7, slope and all", "differentiates both branches", "gradient σ(z) − y"):
        assert name in about
        c = COMMITTED[name]
        found = diagnose(lambda y, yhat, c=c: c.candidate(y, yhat)[0], c.loss)
        assert not about & set(found.names), str(found)


@pytest.mark.parametrize("name", NAIVE)
def test_no_convention_is_read_into_a_naive_formula(name: str) -> None:
    """At moderate inputs they are right; what is wrong elsewhere is a defect."""
    loss, candidate = NAIVE[name]
    names = diagnose(candidate, loss).names
    assert names
    assert {h.kind for h in HYPOTHESES if h.name in names} == {"defect"}


# ---- nothing that fits -----------------------------------------------------------------------------------------------


def nonsense(y, yhat):
    return np.cos(3 * yhat) + y, -3 * np.sin(3 * yhat)


def wrong_far_away(y, yhat):
    """Right, but for large residuals."""
    v, g = huber(y, yhat, 0.7)
    return where(size(yhat - y) > 1e6, np.sqrt(size(yhat)), v), where(size(yhat - y) > 1e6, 0.37, g)


def test_nonsense_gets_an_honest_answer() -> None:
    for candidate, where_it_is in (
        (nonsense, "fits its numbers, nor"),
        (wrong_far_away, "fits its numbers at hard inputs, nor"),
    ):
        found = diagnose(candidate, HUBER)
        assert found.names == ()
        assert str(found).startswith(f"none of {len(HYPOTHESES)} explanations {where_it_is}")


def test_what_is_not_explained_is_said() -> None:
    found = diagnose(lambda y, yhat: tuple(a / 2 for a in wrong_far_away(y, yhat)), HUBER)
    assert found.names == ("half",)
    assert "At hard inputs numbers are wrong too" in str(found)


def test_a_candidate_that_raises_is_not_compared() -> None:
    def refuses(y, yhat):
        raise ArithmeticError("not today")

    found = diagnose(refuses, HUBER)
    assert found.names == ()
    assert "ArithmeticError: not today" in str(found)


# ---- the interface ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"dtype": "int8"}, {"framework": "numpi"}, {"targets": "column"}])
def test_unknown_options_are_refused(given: dict[str, str]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^{name} is '{given[name]}', not one of "):
        diagnose(each(squared), MSE, **given)


def test_explain_takes_what_answers_calls_and_believes_a_good_result() -> None:
    here = InProcess(each(squared, 0.5), NumPy(FORMATS["float64"]))
    assert explain(here, MSE, FORMATS["float64"]).names == ("half",)
    pytest.importorskip("flint")
    result = check(each(squared), MSE)
    assert result.ok
    assert str(explain(here, MSE, FORMATS["float64"], result)) == FINE  # it is not asked again


def test_check_names_what_is_wrong() -> None:
    pytest.importorskip("flint")
    assert check(each(squared, 0.5), MSE).diagnosis == str(diagnose(each(squared, 0.5), MSE))


def test_what_is_explained_is_what_was_asked() -> None:
    pytest.importorskip("flint")

    def half(y, yhat):
        return tuple(a / 2 for a in squared(y, yhat))

    def ignores_weights(y, yhat, weight=None):
        return mean(squared)(y, yhat)

    def check_in(f, loss, *regimes):
        return check(f, loss, regimes=regimes).diagnosis

    assert check_in(half, MSE, "K") == ""
    assert check_in(half, MSE, "F", "K").startswith("It gives half")  # that is what is seen there
    assert check_in(ignores_weights, MeanSquaredError(), "I").startswith("It leaves the weights out")
    assert "weights" not in check_in(ignores_weights, MeanSquaredError(), "F")
    here, form = InProcess(wrong_far_away, NumPy(FORMATS["float64"])), FORMATS["float64"]
    result = check(wrong_far_away, HUBER, regimes=["E", "F"])
    result.rows, result.worst = result.rows[:1], [replace(result.worst[0], regime="E")]
    assert str(explain(here, HUBER, form, result)).endswith("inputs that they are tried on")


def test_a_candidate_that_takes_one_loss_a_call_is_explained() -> None:
    def dice(y, p):
        if y.ndim > 1:
            raise ValueError("one mask")
        return plain_overlap(y, p)

    assert diagnose(dice, Dice()).names == ("1 less the score",)


def test_the_convention_comes_before_the_defect() -> None:
    found = asked(Commits(LOGITS, lambda y, z: (logits(y, z)[0] / log(2), (expit(z) - y) / log(2))))
    assert found.names == ("in bits", "gradient σ(z) − y")
    assert str(found).startswith("It takes logarithms to the base 2. At hard inputs it also takes σ(z) − y for its")
    opposite = asked(Commits(LOGITS, lambda y, z: (logits(y, z)[0], y - expit(z))))
    assert opposite.names == ("gradient of the opposite sign", "gradient σ(z) − y")
    assert "right value" not in str(opposite)


def test_a_domain_of_its_own_is_kept_to() -> None:
    def only_zero(y, yhat):
        if np.any(y):
            raise ValueError("the target is 0")
        return tuple(a / 2 for a in squared(y, yhat))

    here, form = InProcess(only_zero, NumPy(FORMATS["float64"])), FORMATS["float64"]
    assert explain(here, MSE, form).names == ()
    assert explain(here, MSE, form, inputs=lambda y, yhat, eps: (np.zeros_like(y), yhat)).names == ("half",)


def test_many_classes_take_no_table_of_them() -> None:
    """A narrow format is asked for more classes than it can count; a row of every class would be 36 GiB."""

    def candidate(y, z):
        e = exp(z - z.max(axis=-1, keepdims=True))
        p = e / e.sum(axis=-1, keepdims=True)
        n, slope = np.arange(len(y)), p.copy()
        slope[n, y] -= 1
        return -log(p[n, y]), slope

    tracemalloc.start()
    try:
        found = diagnose(candidate, ENTROPY, dtype="float16", targets="index")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(found)
    assert most < 2**29


def test_it_does_not_take_long() -> None:
    for c in (COMMITTED["log of a softmax"], Commits(HUBER, nonsense)):
        start = time.process_time()
        asked(c)
        assert time.process_time() - start < 1.5


# ---- the tape --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FORMATS)
def test_the_tape_is_arithmetic_of_the_format(dtype: str) -> None:
    form = FORMATS[dtype]
    t = Tape(form)
    x = t.node(form.round([0.3, 1.7, 5.0]))
    for node in (1 / x, x * x - 0.1, t.log(x), t.exp(-x), t.sigmoid(x), t.power(x, 1.7), t.sum(t.node(np.eye(3)) * x)):
        assert np.array_equal(form.round(node.value), node.value.astype(np.float64))


def test_the_tape_differentiates() -> None:
    at = np.array([0.3, 1.7, 4.0])
    formulas = {
        "quotient": lambda t, x: (x + 2.0) / (3.0 - x * x),
        "logarithms": lambda t, x: t.log(x) * t.log1p(x) - t.exp(-x),
        "powers": lambda t, x: t.power(x, 2.3) + t.sqrt(x) * t.sigmoid(x),
        "pieces": lambda t, x: t.where(at > 1, x * x, 3.0 * x) + t.clip(x, 0.5, 3.0) * t.abs(-x),
        "rows": lambda t, x: t.sum(x.column() * np.array([[1.0, 2.0]])) * t.pick(x.column() * np.eye(3)[:1], [2, 0, 1]),
    }
    for name, f in formulas.items():
        t = Tape(FORMATS["float64"])
        x = t.node(at)
        slope = t.gradient(f(t, x), x)

        def value(moved, f=f):
            t = Tape(FORMATS["float64"])
            return f(t, t.node(moved)).value.sum()

        step = 1e-6
        for i in range(3):
            e = step * np.eye(3)[i]
            assert slope[i] == pytest.approx((value(at + e) - value(at - e)) / (2 * step), rel=1e-8, abs=1e-9), name


def test_the_tape_multiplies_zero_by_infinity() -> None:
    t = Tape(FORMATS["float64"])
    x = t.node(np.array([0.0, 2.0]))
    with np.errstate(all="ignore"):
        kept = t.where(np.array([False, True]), t.log(x), 1.0)
        slope = t.gradient(kept, x)
    assert kept.value.tolist() == [1.0, np.log(2.0)]
    assert np.isnan(slope[0])
    assert slope[1] == 0.5
