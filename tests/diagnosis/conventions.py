"""For every convention, a candidate that follows it."""

import numpy as np
import scipy.special
from numpy import abs as size
from numpy import exp, log, log1p, sign, sqrt, where
from scipy.special import expit, log_expit

from reflosses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Dice,
    Focal,
    FocalWithLogits,
    GeneralizedDice,
    Hinge,
    IoU,
    MeanSquaredError,
    NegativeLogLikelihood,
    SparseCategoricalCrossEntropy,
    WeightedCrossEntropy,
)

from diagnosis.as_written import (
    BCE,
    CAUCHY,
    DICE,
    ENTROPY,
    FOCAL,
    HUBER,
    LOGITS,
    MEAN,
    MSE,
    NONE,
    SUM,
    Commits,
    averaged,
    bce,
    cauchy_of,
    chained,
    clipped,
    cross_entropy,
    each,
    focal,
    focal_of,
    hinge,
    huber,
    huber_of,
    jaccard,
    logits,
    mean,
    mean_of,
    nll,
    of_rows,
    overlap,
    rows_of,
    same,
    smoothed,
    smoothed_over_others,
    softmax,
    sparse,
    squared,
    total,
    weighed,
    with_class_weights,
)

WEIGHTS = np.array([0.25, 3.0, 0.75])
POSITIVE = BinaryCrossEntropyWithLogits(pos_weight=3.7, **NONE)
SMOOTHED = CrossEntropy(label_smoothing=0.13, **NONE)
CLASS_WEIGHTS = CrossEntropy(class_weight=WEIGHTS, reduction="weighted_mean")
SMOOTH_DICE = Dice(axis=-1, smooth_nr=0.3, smooth_dr=0.7, **NONE)


def pos_weighted(one, zero):
    def f(y, z):
        v = -(where(y == 0, 0, one * y * log_expit(z)) + where(y == 1, 0, zero * (1 - y) * log_expit(-z)))
        return v, zero * (1 - y) * expit(z) - one * y * expit(-z)

    return f


def ignoring(over, missing=-100):
    """The mean of cross-entropy without the rows that are labelled −100."""

    def candidate(y, z):
        part = y != missing
        v, g = cross_entropy(where(part, y, 0), where(part[:, None], z, 0.0))
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


def row_means(y, yhat):
    v, g = squared(y, yhat)
    return v.mean(axis=-1), g / yhat.shape[-1]


def one_hot_only(y):
    if y.dtype.kind != "i":
        raise TypeError("class indices")
    return y


def squared_overlap(y, p):
    both, total = (p * y).sum(axis=-1, keepdims=True), (p * p + y * y).sum(axis=-1, keepdims=True)
    return 1 - (2 * both / total)[..., 0], (2 * both / total * 2 * p - 2 * y) / total


def smaller_of_both(y, p):
    both, total = np.minimum(p, y).sum(axis=-1, keepdims=True), (p + y).sum(axis=-1, keepdims=True)
    slope = where(p < y, 1.0, where(p == y, 0.5, 0.0))  # of the smaller; half of it where both are alike
    return 1 - (2 * both / total)[..., 0], 2 * (both / total - slope) / total


def spatial(y):
    if y.ndim < 3:
        raise ValueError("batch, class and space")
    return tuple(range(2, y.ndim))


CONVENTIONS: dict[str, Commits] = {
    "half": Commits(loss=MSE, candidate=each(squared, value=0.5)),
    "double": Commits(loss=HUBER, candidate=each(huber_of(0.7), value=2.0)),
    "opposite sign": Commits(loss=MSE, candidate=each(squared, value=-1.0)),
    "in percent": Commits(loss=MSE, candidate=each(squared, value=100.0)),
    "divides by the scale": Commits(loss=HUBER, candidate=each(huber_of(0.7), value=1 / 0.7)),
    "multiplies by the scale": Commits(loss=HUBER, candidate=each(huber_of(0.7), value=0.7)),
    "divides by the squared scale": Commits(loss=CAUCHY, candidate=each(cauchy_of(0.3), value=1 / 0.09)),
    "divides by the classes": Commits(
        loss=ENTROPY, candidate=lambda y, z: tuple(a / z.shape[-1] for a in cross_entropy(y, z))
    ),
    "multiplies by the classes": Commits(
        loss=ENTROPY, candidate=lambda y, z: tuple(a * z.shape[-1] for a in cross_entropy(y, z))
    ),
    "in bits": Commits(loss=BCE, candidate=each(bce, value=1 / log(2))),
    "gradient halved": Commits(loss=MSE, candidate=each(squared, value=1.0, grad=0.5)),
    "gradient doubled": Commits(loss=HUBER, candidate=each(huber_of(0.7), value=1.0, grad=2.0)),
    "gradient of the opposite sign": Commits(loss=MSE, candidate=each(squared, value=1.0, grad=-1.0)),
    "gradient by y": Commits(loss=DICE, candidate=lambda y, p: (overlap(y, p)[0], overlap(p, y)[1])),
    "gradient 0": Commits(loss=MSE, candidate=each(squared, value=1.0, grad=0.0)),
    "gradient of the sum": Commits(
        loss=MeanSquaredError(**MEAN),
        candidate=lambda y, yhat: (mean_of(squared(y, yhat)[0], yhat.size), squared(y, yhat)[1]),
    ),
    "gradient of the mean": Commits(
        loss=MeanSquaredError(**SUM),
        candidate=lambda y, yhat: (squared(y, yhat)[0].sum(), squared(y, yhat)[1] / yhat.size),
    ),
    "gradient without weights": Commits(
        loss=MeanSquaredError(**MEAN), candidate=weighed(squared, by=same, over=np.size, slopes_by=np.ones_like)
    ),
    "sums": Commits(loss=MeanSquaredError(**MEAN), candidate=total(squared)),
    "averages": Commits(loss=MeanSquaredError(**SUM), candidate=mean(squared)),
    "divides by the weights": Commits(loss=MeanSquaredError(**MEAN), candidate=weighed(squared, by=same, over=np.sum)),
    "does not reduce": Commits(loss=MeanSquaredError(**SUM), candidate=each(squared)),
    "divides by all": Commits(loss=CrossEntropy(ignore_index=-100, **MEAN), candidate=ignoring(np.size)),
    "divides by the weights above 0": Commits(
        loss=MeanSquaredError(**MEAN), candidate=weighed(squared, by=same, over=np.count_nonzero)
    ),
    "divides by the batch": Commits(
        loss=MeanSquaredError(**MEAN),
        candidate=lambda y, yhat: (mean_of(squared(y, yhat)[0], len(yhat)), squared(y, yhat)[1] / max(1, len(yhat))),
    ),
    "divides by the positives": Commits(
        loss=Focal(gamma=2.75, alpha=0.3, **MEAN),
        candidate=lambda y, p: tuple(a / max(1, (y == 1).sum()) for a in total(focal_of(gamma=2.75, alpha=0.3))(y, p)),
    ),
    "averages the last axis first": Commits(loss=MSE, candidate=row_means),
    "ignores the weights": Commits(
        loss=MeanSquaredError(**MEAN), candidate=lambda y, yhat, weight=None: mean(squared)(y, yhat)
    ),
    "squares the weights": Commits(
        loss=MeanSquaredError(**MEAN), candidate=weighed(squared, by=np.square, over=np.size)
    ),
    "returns 0 for nothing": Commits(
        loss=CrossEntropy(ignore_index=-100, **MEAN),
        candidate=lambda y, z: ignoring(lambda part: max(part.sum(), 1))(y, z),
    ),
    "root of the mean": Commits(
        loss=MeanSquaredError(**MEAN),
        candidate=lambda y, yhat: (
            sqrt(mean_of(squared(y, yhat)[0], yhat.size)),
            squared(y, yhat)[1] / yhat.size / 2 / sqrt(mean_of(squared(y, yhat)[0], yhat.size)),
        ),
    ),
    "swaps y and yhat": Commits(loss=BCE, candidate=lambda y, p: (bce(p, y)[0], log1p(-y) - log(y))),
    "swaps y and yhat, gradient too": Commits(loss=LOGITS, candidate=lambda y, z: (logits_of_any(z, y), expit(y) - z)),
    "does not ignore": Commits(loss=NegativeLogLikelihood(ignore_index=-1, **MEAN), candidate=mean(nll)),
    "ignores the class weights": Commits(loss=CLASS_WEIGHTS, candidate=mean(cross_entropy)),
    "class weights with mean 1": Commits(
        loss=CrossEntropy(class_weight=WEIGHTS, **MEAN), candidate=with_class_weights(WEIGHTS / WEIGHTS.mean())
    ),
    "class weights with sum 1": Commits(
        loss=CrossEntropy(class_weight=WEIGHTS, **MEAN), candidate=with_class_weights(WEIGHTS / WEIGHTS.sum())
    ),
    "ignores pos_weight": Commits(loss=POSITIVE, candidate=each(logits)),
    "pos_weight on all": Commits(loss=POSITIVE, candidate=each(pos_weighted(one=3.7, zero=3.7))),
    "pos_weight on the negatives": Commits(loss=POSITIVE, candidate=each(pos_weighted(one=1.0, zero=3.7))),
    **{
        f"smooths labels by {s}": Commits(loss=BCE, candidate=lambda y, p, s=float(s): bce(y * (1 - s) + s / 2, p))
        for s in ("0.1", "0.05", "0.2", "0.01")
    },
    "no label smoothing": Commits(loss=SMOOTHED, candidate=cross_entropy),
    "smooths half as much": Commits(loss=SMOOTHED, candidate=smoothed(0.065)),
    "smooths twice as much": Commits(loss=SMOOTHED, candidate=smoothed(0.26)),
    "smooths over the other classes": Commits(
        loss=SMOOTHED, candidate=lambda y, z: smoothed_over_others(0.13)(one_hot_only(y), z)
    ),
    "truncates soft labels": Commits(loss=BCE, candidate=lambda y, p: bce(y.astype(int) * 1.0, p)),
    "rounds soft labels": Commits(loss=BCE, candidate=lambda y, p: bce((y >= 0.5) * 1.0, p)),
    "takes the largest target": Commits(
        loss=ENTROPY, candidate=of_rows(lambda row: np.eye(row.shape[-1])[row.argmax(axis=-1)])
    ),
    "labels 0 and 1": Commits(loss=Hinge(**NONE), candidate=lambda y, yhat: hinge(2 * y - 1, yhat)),
    "labels −1 and 1": Commits(loss=LOGITS, candidate=lambda y, z: (-log_expit(y * z), -y * expit(-y * z))),
    "ignores alpha": Commits(
        loss=FOCAL, candidate=lambda y, p: tuple(2 * a for a in focal(y, p, gamma=2.75, alpha=0.5))
    ),
    "swaps alpha": Commits(loss=FOCAL, candidate=focal_of(gamma=2.75, alpha=0.7)),
    "alpha on all": Commits(
        loss=FOCAL, candidate=lambda y, p: tuple(0.6 * a for a in focal(y, p, gamma=2.75, alpha=0.5))
    ),
    "alpha on the positives": Commits(
        loss=FOCAL,
        candidate=lambda y, p: tuple(where(y == 1, 0.3 / 0.5, 1 / 0.5) * a for a in focal(y, p, gamma=2.75, alpha=0.5)),
    ),
    "holds the factor constant": Commits(
        loss=FOCAL, candidate=lambda y, p: (focal(y, p, gamma=2.75, alpha=0.3)[0], held(y, p))
    ),
    "holds the factor constant, of a rounded p_t": Commits(
        loss=FocalWithLogits(gamma=0.7, **NONE), candidate=held_and_rounded
    ),
    "ignores gamma": Commits(loss=FOCAL, candidate=focal_of(gamma=0.0, alpha=0.3)),
    "gamma one too large": Commits(loss=FOCAL, candidate=focal_of(gamma=3.75, alpha=0.3)),
    "gamma one too small": Commits(loss=FOCAL, candidate=focal_of(gamma=1.75, alpha=0.3)),
    "squares the scale": Commits(loss=HUBER, candidate=lambda y, yhat: huber(y, yhat, 0.49)),
    "takes the root of the scale": Commits(loss=CAUCHY, candidate=cauchy_of(sqrt(0.3))),
    "ignores the scale": Commits(loss=CAUCHY, candidate=cauchy_of(1.0)),
    "holds the weight constant": Commits(loss=WeightedCrossEntropy(weight_grad="full", **SUM), candidate=sudre),
    "differentiates the weight": Commits(
        loss=WeightedCrossEntropy(**SUM), candidate=lambda y, p: sudre(y, p, full=True)
    ),
    "weight 1": Commits(loss=WeightedCrossEntropy(**SUM), candidate=lambda y, p: sudre(y, p, weight_of=lambda p: 1.0)),
    "squares each loss": Commits(
        loss=Hinge(**NONE),
        candidate=lambda y, yhat: (hinge(y, yhat)[0] ** 2, 2 * hinge(y, yhat)[0] * hinge(y, yhat)[1]),
    ),
    "root of each loss": Commits(loss=MSE, candidate=lambda y, yhat: (size(yhat - y), sign(yhat - y))),
    "pseudo-Huber": Commits(
        loss=HUBER,
        candidate=lambda y, yhat: (
            scipy.special.pseudo_huber(0.7, yhat - y),
            (yhat - y) / np.hypot(1, (yhat - y) / 0.7),
        ),
    ),
    "slope 1 beyond the scale": Commits(loss=HUBER, candidate=slope_of_one),
    "Barron's form": Commits(
        loss=CAUCHY,
        candidate=lambda y, yhat: (
            log1p(((yhat - y) / 0.3) ** 2 / 2),
            (yhat - y) / 0.09 / (1 + ((yhat - y) / 0.3) ** 2 / 2),
        ),
    ),
    "does not square the residual": Commits(
        loss=CAUCHY,
        candidate=lambda y, yhat: (0.09 * log1p(size(yhat - y) / 0.09), sign(yhat - y) / (1 + size(yhat - y) / 0.09)),
    ),
    "Dice for IoU": Commits(loss=IoU(axis=-1, **NONE), candidate=overlap),
    "returns the score": Commits(loss=DICE, candidate=lambda y, p: (1 - overlap(y, p)[0], -overlap(y, p)[1])),
    "returns minus the score": Commits(loss=DICE, candidate=lambda y, p: (overlap(y, p)[0] - 1, overlap(y, p)[1])),
    "half the score": Commits(loss=DICE, candidate=lambda y, p: ((1 + overlap(y, p)[0]) / 2, overlap(y, p)[1] / 2)),
    "log of the score": Commits(
        loss=DICE,
        candidate=lambda y, p: (-log1p(-overlap(y, p)[0]), overlap(y, p)[1] / (1 - overlap(y, p)[0])[..., None]),
    ),
    "sigmoid of probabilities": Commits(
        loss=DICE, candidate=chained(overlap, inner=expit, back=lambda p, g: g * expit(p) * expit(-p))
    ),
    "smaller of p and t": Commits(loss=DICE, candidate=lambda y, p: smaller_of_both(y, p)),
    "squares in the denominator": Commits(loss=DICE, candidate=lambda y, p: squared_overlap(y, p)),
    "doubles the smoothing": Commits(loss=SMOOTH_DICE, candidate=lambda y, p: overlap(y, p, above=0.6, below=1.4)),
    "halves the smoothing": Commits(loss=SMOOTH_DICE, candidate=lambda y, p: overlap(y, p, above=0.15, below=0.35)),
    "smooths the denominator only": Commits(
        loss=SMOOTH_DICE, candidate=lambda y, p: overlap(y, p, above=0.0, below=0.7)
    ),
    "smooths both alike": Commits(loss=SMOOTH_DICE, candidate=lambda y, p: overlap(y, p, above=0.7, below=0.7)),
    "no smoothing": Commits(loss=SMOOTH_DICE, candidate=overlap),
    "adds 1 to both": Commits(loss=IoU(axis=-1, **NONE), candidate=lambda y, p: jaccard(y, p, above=1.0, below=1.0)),
    "adds 2 to both": Commits(loss=DICE, candidate=lambda y, p: overlap(y, p, above=2.0, below=2.0)),
    **{
        f"adds {c} below": Commits(loss=DICE, candidate=lambda y, p, c=float(c): overlap(y, p, above=0.0, below=c))
        for c in ("1e-5", "1e-6", "1e-7", "1e-8")
    },
    **{
        f"adds {c} to both": Commits(loss=DICE, candidate=lambda y, p, c=float(c): overlap(y, p, above=c, below=c))
        for c in ("1e-5", "1e-6", "1e-7", "1e-8")
    },
    "pools everything": Commits(
        loss=Dice(axis=(1, 2), **MEAN), candidate=lambda y, p: overlap(y, p, axis=tuple(range(y.ndim)))
    ),
    "pools each sample": Commits(
        loss=Dice(axis=None), candidate=lambda y, p: averaged(overlap, y, p, axis=tuple(range(1, y.ndim)))
    ),
    "pools the batch too": Commits(
        loss=Dice(axis=-1), candidate=lambda y, p: averaged(overlap, y, p, axis=tuple({0, y.ndim - 1}))
    ),
    "pools all but batch and class": Commits(
        loss=Dice(axis=None), candidate=lambda y, p: averaged(overlap, y, p, axis=spatial(y))
    ),
    "pools only the last axis": Commits(
        loss=Dice(axis=(-2, -1)), candidate=lambda y, p: averaged(overlap, y, p, axis=(y.ndim - 1,))
    ),
    "class weights 1/T": Commits(
        loss=GeneralizedDice(), candidate=lambda y, p: generalized(y, p, weigh=lambda v: 1 / v)
    ),
    "class weights cancel": Commits(
        loss=GeneralizedDice(), candidate=lambda y, p: generalized(y, p, weigh=np.ones_like)
    ),
    "applies the sigmoid twice": Commits(
        loss=LOGITS, candidate=chained(logits, inner=expit, back=lambda z, g: g * expit(z) * expit(-z))
    ),
    "softmax along the batch": Commits(loss=CrossEntropy(**MEAN), candidate=batch_softmax),
    "applies the softmax twice": Commits(
        loss=ENTROPY, candidate=chained(cross_entropy, inner=softmax, back=softmax_back)
    ),
    "takes probabilities for logits": Commits(loss=BCE, candidate=each(logits)),
    "takes logits for probabilities": Commits(
        loss=LOGITS, candidate=lambda y, z: (-(y * log(z) + (1 - y) * log1p(-z)), (1 - y) / (1 - z) - y / z)
    ),
    "takes logits for log-probabilities": Commits(
        loss=ENTROPY, candidate=lambda y, z: (-(rows_of(y, z) * z).sum(axis=-1), -rows_of(y, z))
    ),
    "normalises log-probabilities": Commits(loss=NegativeLogLikelihood(**NONE), candidate=cross_entropy),
    "renormalises probabilities": Commits(
        loss=SparseCategoricalCrossEntropy(**NONE),
        candidate=chained(
            sparse,
            inner=lambda p: p / p.sum(axis=-1, keepdims=True),
            back=lambda p, g: (
                (g - (g * p).sum(axis=-1, keepdims=True) / p.sum(axis=-1, keepdims=True))
                / p.sum(axis=-1, keepdims=True)
            ),
        ),
    ),
}


def added(c):
    def candidate(y, p):
        e = c or np.finfo(p.dtype).eps
        return -(y * log(p + e) + (1 - y) * log(1 - p + e)), (1 - y) / (1 - p + e) - y / (p + e)

    return candidate


def stopped(y, z, c):
    return where(size(z) <= c, logits(y, np.clip(z, -c, c))[1], 0.0)


CONSTANTS = ("1e-3", "1e-4", "1e-5", "1e-6", "1e-7", "1e-8", "1e-9", "1e-10", "1e-12", "1e-15", "1e-16")
EDGES: dict[str, Commits] = {
    **{f"clips at {c}": Commits(loss=BCE, candidate=clipped(float(c), moving=False)) for c in CONSTANTS},
    "clips at eps": Commits(loss=BCE, candidate=clipped(None, moving=False)),
    **{f"clips at {c}, slope and all": Commits(loss=BCE, candidate=clipped(float(c), moving=True)) for c in CONSTANTS},
    "clips at eps, slope and all": Commits(loss=BCE, candidate=clipped(None, moving=True)),
    **{
        f"adds {c} to p": Commits(loss=BCE, candidate=added(float(c)))
        for c in ("1e-4", "1e-5", "1e-6", "1e-7", "1e-8", "1e-10", "1e-12")
    },
    **{
        f"clips logits at {c}": Commits(
            loss=LOGITS, candidate=lambda y, z, c=c: (logits(y, np.clip(z, -c, c))[0], stopped(y, z, c))
        )
        for c in (10, 20, 30, 50, 100)
    },
    "adds eps to p": Commits(loss=BCE, candidate=added(None)),
    "logarithms from −100": Commits(
        loss=BCE,
        candidate=lambda y, p: (
            -(y * np.maximum(log(p), -100) + (1 - y) * np.maximum(log1p(-p), -100)),
            (p - y) / np.maximum(p * (1 - p), 1e-12),
        ),
    ),
}
