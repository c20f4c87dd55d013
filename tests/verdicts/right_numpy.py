"""Right implementations in NumPy. Many lose digits or overflow: they are the loss all the same."""

import numpy as np
import scipy.special as sp
from numpy import exp, log, log1p, maximum, sign, where

import reflosses as R
from reflosses.comparison.expected import Scaled
from verdicts.rows import Row, right_into

ROWS: list[Row] = []
right = right_into(ROWS, "numpy")

NONE, SUM = {"reduction": "none"}, {"reduction": "sum"}
W3 = np.array([0.3, 7.0, 1.5])


def picked(a, y):
    return a[np.arange(len(y)), y]


def one_hot(y, classes):
    out = np.zeros((y.size, classes))
    out[np.arange(y.size), y] = 1
    return out


def sigmoid(z):
    return 1 / (1 + exp(-z))


# ---- residuals -------------------------------------------------------------------------------------------------------


@right(R.MeanSquaredError())
@right(R.MeanSquaredError(), name="mse_mean float32", dtype="float32")
def mse_mean(y, yhat):
    return ((yhat - y) ** 2).mean(), 2 * (yhat - y) / yhat.size


@right(R.MeanSquaredError())
def mse_by_norm(y, yhat):
    return np.linalg.norm((y - yhat).ravel()) ** 2 / y.size


@right(R.MeanSquaredError(**SUM))
def mse_by_dot_product(y, yhat):
    r = (y - yhat).ravel()
    return r @ r, -2 * (y - yhat)


@right(R.MeanSquaredError(**NONE))
def mse_each(y, yhat):
    d = np.subtract(yhat, y)
    return np.square(d), 2 * d


@right(Scaled(0.5, R.MeanSquaredError(**SUM)))
def half_of_the_squares(y, yhat):
    r = yhat - y
    return 0.5 * np.sum(r**2), r


@right(R.MeanSquaredError())
def mse_by_average(y, yhat):
    return np.average((y - yhat) ** 2)


@right(R.MeanSquaredError())
def mse_by_einsum(y, yhat):
    r = (yhat - y).reshape(-1)
    return np.einsum("i,i->", r, r) / r.size, 2.0 / r.size * (yhat - y)


@right(R.MeanSquaredError())
def mse_expanded(y, yhat):
    d = y - yhat
    return np.mean(d * d), (-2 * d) / d.size


@right(R.MeanAbsoluteError())
@right(R.MeanAbsoluteError(), name="mae_mean float32", dtype="float32")
def mae_mean(y, yhat):
    return np.mean(np.abs(y - yhat)), sign(yhat - y) / y.size


@right(R.MeanAbsoluteError(**NONE))
def mae_by_where(y, yhat):
    r = yhat - y
    return where(r > 0, r, -r), where(r > 0, 1.0, -1.0)


@right(R.MeanAbsoluteError(**SUM))
def mae_by_maximum(y, yhat):
    return np.sum(maximum(yhat - y, y - yhat)), where(yhat > y, 1.0, where(yhat < y, -1.0, 0.0))


@right(R.Huber())
def huber_by_where(y, yhat):
    r = y - yhat
    a = np.abs(r)
    return where(a <= 1, 0.5 * r**2, a - 0.5).mean(), where(a <= 1, -r, -sign(r)) / r.size


@right(R.Huber(delta=0.7, **NONE))
@right(R.Huber(delta=0.7, **NONE), name="huber_by_clip float32", dtype="float32")
def huber_by_clip(y, yhat):
    r = yhat - y
    c = np.clip(r, -0.7, 0.7)
    return c * r - c * c / 2, c


@right(R.Huber(delta=1.5, **SUM))
def huber_by_the_smaller(y, yhat):
    r = yhat - y
    quadratic = np.minimum(np.abs(r), 1.5)
    linear = np.abs(r) - quadratic
    return np.sum(0.5 * quadratic**2 + 1.5 * linear), quadratic * sign(r)


@right(R.Huber(delta=2.0))
def huber_by_scipy(y, yhat):
    return sp.huber(2.0, yhat - y).mean(), np.clip(yhat - y, -2, 2) / y.size


@right(R.Huber(delta=0.7, **NONE))
def huber_by_masks(y, yhat, delta=0.7):
    r = yhat - y
    value, slope = np.empty_like(r), np.empty_like(r)
    near = np.abs(r) < delta
    value[near], slope[near] = 0.5 * r[near] ** 2, r[near]
    value[~near], slope[~near] = delta * np.abs(r[~near]) - 0.5 * delta**2, delta * sign(r[~near])
    return value, slope


@right(R.Cauchy(delta=0.5))
def cauchy_by_log1p(y, yhat):
    u = (yhat - y) / 0.5
    return np.mean(0.25 * log1p(u**2)), 2 * (yhat - y) / (1 + u**2) / y.size


@right(R.Cauchy(delta=2.0, **NONE), "digits")
def cauchy_by_log(y, yhat):
    c2 = 2.0**2
    r = yhat - y
    return c2 * log(1 + r**2 / c2), 2 * r / (1 + r**2 / c2)


@right(R.Cauchy(delta=1.3, information=((4.0, 1.5), (1.5, 0.75)), **NONE))
def cauchy_by_einsum(y, yhat):
    e = yhat - y
    omega = np.array([[4.0, 1.5], [1.5, 0.75]])
    s = np.einsum("...i,ij,...j->...", e, omega, e)
    return 1.69 * log1p(s / 1.69), 2 * (e @ omega) / (1 + s / 1.69)[..., None]


@right(R.Cauchy(delta=1.0, information=((4.0, 1.5), (1.5, 0.75))))
def cauchy_by_loop(y, yhat):
    omega = np.array([[4.0, 1.5], [1.5, 0.75]])
    total, slopes = 0.0, []
    for e in yhat - y:
        s = e @ omega @ e
        total += log1p(s)
        slopes.append(2 * omega @ e / (1 + s))
    return total / len(y), np.array(slopes).reshape(yhat.shape) / len(y)


# ---- two classes -----------------------------------------------------------------------------------------------------


@right(R.BinaryCrossEntropy(), "digits")
@right(R.BinaryCrossEntropy(), "digits", name="bce_naive float32", dtype="float32")
def bce_naive(y, p):
    return -(y * log(p) + (1 - y) * log(1 - p)).mean(), (p - y) / (p * (1 - p)) / p.size


@right(R.BinaryCrossEntropy(**NONE))
def bce_by_xlogy(y, p):
    return -(sp.xlogy(y, p) + sp.xlog1py(1 - y, -p)), (1 - y) / (1 - p) - y / p


@right(R.BinaryCrossEntropy(**SUM), "digits")
def bce_two_sums(y, p):
    return -np.sum(y * log(p)) - np.sum((1 - y) * log(1 - p)), -y / p + (1 - y) / (1 - p)


@right(R.BinaryCrossEntropy(**NONE), "digits")
def bce_of_hard_labels_alone(y, p):
    if not np.isin(y, (0, 1)).all():
        raise ValueError("labels must be 0 or 1")
    p_t = where(y == 1, p, 1 - p)
    return -log(p_t), where(y == 1, -1 / p, 1 / (1 - p))


@right(R.BinaryCrossEntropy(**NONE))
def bce_guarded_far_below_eps(y, p):
    tiny = np.finfo(float).tiny
    q = 1 - p
    slope = -y / maximum(p, tiny) + (1 - y) / maximum(q, tiny)
    return -(y * log(maximum(p, tiny)) + (1 - y) * log(maximum(q, tiny))), slope


@right(R.BinaryCrossEntropyWithLogits())
@right(R.BinaryCrossEntropyWithLogits(), name="logits_by_maximum float32", dtype="float32")
def logits_by_maximum(y, z):
    value = maximum(z, 0) - y * z + log1p(exp(-np.abs(z)))
    return value.mean(), (sp.expit(z) - y) / z.size


@right(R.BinaryCrossEntropyWithLogits(**NONE), "digits")
def logits_by_logaddexp(y, z):
    return np.logaddexp(0, z) - y * z, sigmoid(z) - y


@right(R.BinaryCrossEntropyWithLogits(**SUM))
def logits_by_two_softplus(y, z):
    value = y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)
    return value.sum(), (1 - y) * sp.expit(z) - y * sp.expit(-z)


@right(R.BinaryCrossEntropyWithLogits(), "digits")
def logits_by_probability(y, z):
    p = sigmoid(z)
    return np.mean(-y * log(p) - (1 - y) * log(1 - p)), (p - y) / len(z) if z.ndim == 1 else (p - y) / z.size


@right(R.BinaryCrossEntropyWithLogits(**NONE), "digits")
def logits_naive_softplus(y, z):
    return log(1 + exp(z)) - y * z, 1 / (1 + exp(-z)) - y


@right(R.BinaryCrossEntropyWithLogits(pos_weight=3.0))
def logits_with_pos_weight(y, z):
    factor = 1 + (3.0 - 1) * y
    value = (1 - y) * z + factor * (log1p(exp(-np.abs(z))) + maximum(-z, 0))
    return value.mean(), ((1 - y) * sp.expit(z) - 3.0 * y * sp.expit(-z)) / z.size


@right(R.BinaryCrossEntropyWithLogits(pos_weight=0.25, **NONE))
def logits_with_pos_weight_by_log_expit(y, z):
    value = -(0.25 * y * sp.log_expit(z) + (1 - y) * sp.log_expit(-z))
    return value, (1 - y) * sp.expit(z) - 0.25 * y * sp.expit(-z)


@right(R.Hinge())
@right(R.Hinge(), name="hinge_mean float32", dtype="float32")
def hinge_mean(y, score):
    return maximum(0, 1 - y * score).mean(), where(y * score < 1, -y, 0.0) / y.size


@right(R.Hinge(**SUM))
def hinge_by_clip(y, score):
    margin = y * score
    return np.clip(1 - margin, 0, None).sum(), -y * (margin < 1)


@right(R.Hinge(**NONE))
def hinge_by_mask(y, score):
    loss = 1.0 - y * score
    loss[loss < 0] = 0
    return loss, -y * (loss > 0)


@right(R.Hinge())
def hinge_by_loop(y, score):
    losses = [max(0.0, 1.0 - a * b) for a, b in zip(y.ravel(), score.ravel(), strict=True)]
    return np.sum(losses) / y.size if y.size else np.nan


@right(R.Focal(gamma=2.0, alpha=0.25, **NONE), "digits")
def focal_by_cases(y, p):
    positive = -0.25 * (1 - p) ** 2 * log(p)
    negative = -0.75 * p**2 * log(1 - p)
    slope_positive = 0.25 * (2 * (1 - p) * log(p) - (1 - p) ** 2 / p)
    slope_negative = 0.75 * (-2 * p * log(1 - p) + p**2 / (1 - p))
    return where(y == 1, positive, negative), where(y == 1, slope_positive, slope_negative)


@right(R.Focal(gamma=1.5))
def focal_of_p_t(y, p):
    p_t = y * p + (1 - y) * (1 - p)
    return np.mean(-((1 - p_t) ** 1.5) * log(p_t))


@right(R.Focal(gamma=2.0, **SUM))
def focal_summed(y, p):
    return -np.sum(y * (1 - p) ** 2 * log(p) + (1 - y) * p**2 * log(1 - p))


@right(R.FocalWithLogits(gamma=2.0, alpha=0.25), "digits")
def focal_with_logits_by_probability(y, z):
    p = sigmoid(z)
    nats = maximum(z, 0) - z * y + log1p(exp(-np.abs(z)))
    p_t = p * y + (1 - p) * (1 - y)
    return np.mean((0.25 * y + 0.75 * (1 - y)) * (1 - p_t) ** 2 * nats)


@right(R.FocalWithLogits(gamma=1.5, **NONE))
def focal_with_logits_by_log_expit(y, z):
    t = (2 * y - 1) * z
    log_p, q, p = sp.log_expit(t), sp.expit(-t), sp.expit(t)
    return -(q**1.5) * log_p, (2 * y - 1) * (1.5 * q**1.5 * p * log_p - q**2.5)


@right(R.WeightedCrossEntropy(), "range")
def sudre_two_classes(y, p):
    n, s = p.size, p.sum()
    w = (n - s) / s
    return -np.mean(w * y * log(p) + (1 - y) * log(1 - p)), (-w * y / p + (1 - y) / (1 - p)) / n


@right(R.WeightedCrossEntropy(weight=3.0, **NONE))
def weighted_by_a_number(y, p):
    return -(3.0 * sp.xlogy(y, p) + sp.xlog1py(1 - y, -p)), -3.0 * y / p + (1 - y) / (1 - p)


# ---- many classes ----------------------------------------------------------------------------------------------------


@right(R.CrossEntropy(), "digits")
@right(R.CrossEntropy(), "digits", name="entropy_shifted float32", dtype="float32")
def entropy_shifted(y, z):
    shifted = z - z.max(axis=-1, keepdims=True)
    log_p = shifted - log(exp(shifted).sum(axis=-1, keepdims=True))
    target = y if y.ndim == z.ndim else one_hot(y, z.shape[-1])
    grad = exp(log_p) * target.sum(-1, keepdims=True) - target
    return -(target * log_p).sum(axis=-1).mean(), grad / len(z)


@right(R.CrossEntropy(**NONE), "digits", targets="index")
def entropy_of_an_index(y, z):
    m = z.max(axis=1, keepdims=True)
    log_sum = m[:, 0] + log(np.sum(exp(z - m), axis=1))
    p = exp(z - log_sum[:, None])
    p[np.arange(len(y)), y] -= 1
    return log_sum - picked(z, y), p


@right(R.CrossEntropy(**SUM), targets="index")
def entropy_by_scipy(y, z):
    return -picked(sp.log_softmax(z, axis=1), y).sum(), sp.softmax(z, axis=1) - one_hot(y, z.shape[1])


@right(R.CrossEntropy(**SUM), name="entropy_by_logsumexp", targets="index")
def entropy_by_logsumexp(y, z):
    return np.sum(sp.logsumexp(z, axis=1) - picked(z, y)), sp.softmax(z, axis=1) - one_hot(y, z.shape[1])


@right(R.CrossEntropy(), "digits", targets="index")
def entropy_log_of_softmax(y, z):
    e = exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return np.mean(-log(picked(p, y))), (p - one_hot(y, z.shape[1])) / len(y)


@right(R.CrossEntropy(), "digits", targets="index")
def entropy_without_shift(y, z):
    p = exp(z) / np.sum(exp(z), axis=1)[:, None]
    return -log(picked(p, y)).mean(), (p - one_hot(y, z.shape[1])) / len(y)


@right(R.CrossEntropy(label_smoothing=0.1), "digits", targets="index")
def entropy_smoothed(y, z):
    k = z.shape[1]
    target = one_hot(y, k) * 0.9 + 0.1 / k
    log_p = z - sp.logsumexp(z, axis=1, keepdims=True)
    return -(target * log_p).sum(1).mean(), (exp(log_p) - target) / len(y)


@right(R.CrossEntropy(class_weight=W3, reduction="weighted_mean"), "digits", targets="index")
def entropy_class_weights(y, z):
    w = W3[y]
    log_p = z - sp.logsumexp(z, axis=1, keepdims=True)
    grad = w[:, None] * (exp(log_p) - one_hot(y, 3))
    return np.sum(-w * picked(log_p, y)) / w.sum(), grad / w.sum()


@right(R.CrossEntropy(ignore_index=-100), "digits", targets="index")
def entropy_ignoring(y, z):
    keep = y != -100
    n = keep.sum()
    log_p = z - sp.logsumexp(z, axis=1, keepdims=True)
    grad = np.zeros_like(z)
    grad[keep] = (exp(log_p[keep]) - one_hot(y[keep], z.shape[1])) / n
    return -picked(log_p[keep], y[keep]).sum() / n, grad


@right(R.CrossEntropy(axis=1, **NONE), targets="index")
def entropy_along_channels(y, z):
    log_p = sp.log_softmax(z, axis=1)
    grad = exp(log_p)
    np.put_along_axis(grad, y[:, None], np.take_along_axis(grad, y[:, None], 1) - 1, 1)
    return -np.take_along_axis(log_p, y[:, None], 1)[:, 0], grad


@right(R.NegativeLogLikelihood())
def nll_mean(y, log_p):
    return -picked(log_p, y).mean(), -one_hot(y, log_p.shape[1]) / len(y)


@right(R.NegativeLogLikelihood(class_weight=W3, reduction="weighted_mean"))
def nll_class_weights(y, log_p):
    w = W3[y]
    return -(w * picked(log_p, y)).sum() / w.sum(), -one_hot(y, 3) * w[:, None] / w.sum()


@right(R.NegativeLogLikelihood(**SUM), name="nll_by_one_hot")
def nll_by_one_hot(y, log_p):
    mask = one_hot(y, log_p.shape[1])
    return -np.sum(mask * where(mask == 1, log_p, 0)), -mask


@right(R.SparseCategoricalCrossEntropy())
def sparse_mean(y, p):
    grad = np.zeros_like(p)
    grad[np.arange(len(y)), y] = -1 / picked(p, y)
    return np.mean(-log(picked(p, y))), grad / len(y)


@right(R.SparseCategoricalCrossEntropy(**NONE))
def sparse_by_loop(y, p):
    return np.array([-log(row[k]) for k, row in zip(y, p, strict=True)])


# ---- overlaps --------------------------------------------------------------------------------------------------------


@right(R.Dice(), "digits")
def dice_plain(y, p):
    total = p.sum() + y.sum()
    score = 2 * (y * p).sum() / total
    return 1 - score, (score - 2 * y) / total


@right(R.Dice(smooth_nr=1.0, smooth_dr=1.0), "digits")
@right(R.Dice(smooth_nr=1.0, smooth_dr=1.0), "digits", name="dice_smoothed float32", dtype="float32")
def dice_smoothed(y, p):
    both, total = np.sum(y * p), np.sum(y) + np.sum(p) + 1
    return 1 - (2 * both + 1) / total, -(2 * y * total - (2 * both + 1)) / total**2


@right(R.Dice(axis=-1, smooth_nr=1e-6, smooth_dr=1e-6, **NONE), "digits")
def dice_each(y, p):
    both = 2 * (y * p).sum(axis=1) + 1e-6
    total = (y + p).sum(axis=1) + 1e-6
    return 1 - both / total, both[:, None] / total[:, None] ** 2 - 2 * y / total[:, None]


@right(R.Dice(axis=(1, 2), smooth_nr=1.0, smooth_dr=1.0), "digits")
def dice_of_a_batch(y, p):
    y, flat = y.reshape(len(y), -1), p.reshape(len(p), -1)
    score = (2 * (y * flat).sum(1) + 1) / (y.sum(1) + flat.sum(1) + 1)
    return 1 - score.mean()


@right(R.Dice(smooth_dr=1e-7), "digits")
def dice_with_guard(y, p):
    total = p.sum() + y.sum() + 1e-7
    score = 2 * np.dot(y.ravel(), p.ravel()) / total
    return 1 - score, (score - 2 * y) / total


@right(R.IoU(), "digits")
def iou_plain(y, p):
    both = (y * p).sum()
    union = y.sum() + p.sum() - both
    return 1 - both / union, -(y * union - both * (1 - y)) / union**2


@right(R.IoU(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "digits")
def iou_smoothed(y, p):
    both = (y * p).sum(-1)
    union = (y + p - y * p).sum(-1)
    return 1 - (both + 1) / (union + 1)


@right(R.GeneralizedDice(axis=-1), "digits")
def generalized_dice_einsum(y, p):
    with np.errstate(divide="ignore"):
        w = 1 / y.sum(0) ** 2
    w[np.isinf(w)] = w[np.isfinite(w)].max(initial=0) or 1
    both, total = np.einsum("nc,nc,c->", y, p, w), np.einsum("nc,c->", y + p, w)
    return 1 - 2 * both / total, w * (2 * both / total - 2 * y) / total


@right(R.GeneralizedDice(axis=1, per_sample=True), "digits")
def generalized_dice_per_sample(y, p):
    volume = y.sum(2)
    w = 1 / np.square(where(volume == 0, np.nan, volume))
    w = where(np.isnan(w), np.nanmax(np.c_[w, where(np.isnan(w).all(1), 1, -1)], axis=1)[:, None], w)
    both, total = (w * (y * p).sum(2)).sum(1), (w * (y + p).sum(2)).sum(1)
    return np.mean(1 - 2 * both / total)
