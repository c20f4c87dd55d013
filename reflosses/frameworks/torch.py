"""PyTorch: `torch.nn.functional`, differentiated by autograd. The modules of `torch.nn` call the same functions.

The means of `mse_loss` and `l1_loss` divide by Σw; the means of `huber_loss` and `binary_cross_entropy` divide by N.
The mean of `cross_entropy` divides by the Σw of the labels for class indices, and by N for rows of probabilities.
"""

from __future__ import annotations

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.frameworks.function import TWO_DTYPES, Framework, Function, Offer
from reflosses.frameworks.inputs import label_zero

REDUCED = ({"reduction": "none"}, {"reduction": "mean"}, {"reduction": "sum"})
CLASS_WEIGHT = "None if class_weight is None else torch.tensor(class_weight, dtype=yhat.dtype)"
WEIGHTS = (0.25, 3.0, 0.75)
NEGATIVE = (0.25, 3.0, -0.75, 0.375)


def two_labels(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Labels 0 and 1; the call makes −1 and 1 of them."""
    return np.rint(y), yhat


FUNCTIONS = (
    Function(
        "torch.mse_loss",
        "torch.nn.functional.mse_loss(yhat, y, reduction=reduction, weight=weight)",
        "MeanSquaredError(reduction=weighted(reduction))",
        {"reduction": "mean"},
        REDUCED,
        note="a weighted mean divides by the sum of the weights",
    ),
    Function(
        "torch.l1_loss",
        "torch.nn.functional.l1_loss(yhat, y, reduction=reduction, weight=weight)",
        "MeanAbsoluteError(reduction=weighted(reduction))",
        {"reduction": "mean"},
        REDUCED,
        note="a weighted mean divides by the sum of the weights; the slope at residual 0 is 0",
    ),
    Function(
        "torch.huber_loss",
        "torch.nn.functional.huber_loss(yhat, y, reduction=reduction, delta=delta, weight=weight)",
        "Huber(delta=delta, reduction=reduction)",
        {"reduction": "mean", "delta": 1.0},
        (
            {"reduction": "none", "delta": 0.375},
            {"reduction": "mean", "delta": 6.0},
            {"reduction": "sum", "delta": 768.0},
        ),
        refused=({"delta": -0.75},),
        note="a weighted mean divides by the number of elements, that of mse_loss by the sum of the weights",
    ),
    Function(
        "torch.smooth_l1_loss",
        "torch.nn.functional.smooth_l1_loss(yhat, y, reduction=reduction, beta=beta)",
        "Scaled(1 / beta, Huber(delta=beta, reduction=reduction))",
        {"reduction": "mean", "beta": 1.0},
        (
            {"reduction": "none", "beta": 0.375},
            {"reduction": "mean", "beta": 6.0},
            {"reduction": "sum", "beta": 768.0},
        ),
        refused=({"beta": -0.75},),
        note="Huber's loss divided by beta; beta = 0 is the absolute error",
    ),
    Function(
        "torch.binary_cross_entropy",
        "torch.nn.functional.binary_cross_entropy(yhat, y, weight=weight, reduction=reduction)",
        "BinaryCrossEntropy(reduction=reduction)",
        {"reduction": "mean"},
        REDUCED,
        note="a weighted mean divides by the number of elements; logarithms stop at −100, so the value is at most 100, "
        "while the gradient divides by max(p (1 − p), 1e-12)",
    ),
    Function(
        "torch.binary_cross_entropy_with_logits",
        "torch.nn.functional.binary_cross_entropy_with_logits(yhat, y, weight=weight, reduction=reduction, "
        "pos_weight=None if pos_weight is None else torch.tensor(pos_weight, dtype=yhat.dtype))",
        "BinaryCrossEntropyWithLogits(pos_weight=pos_weight, reduction=reduction)",
        {"reduction": "mean", "pos_weight": None},
        ({"reduction": "none"}, {"reduction": "mean", "pos_weight": 3.5}, {"reduction": "sum", "pos_weight": 0.3125}),
        refused=({"pos_weight": -0.75},),
        note="a weighted mean divides by the number of elements; pos_weight multiplies the term of y = 1 alone",
    ),
    Function(
        "torch.multilabel_soft_margin_loss",
        "torch.nn.functional.multilabel_soft_margin_loss(yhat[..., None], y[..., None], reduction=reduction)",
        "BinaryCrossEntropyWithLogits(reduction=reduction)",
        {"reduction": "mean"},
        ({"reduction": "none"}, {"reduction": "mean"}),
        note="binary cross-entropy with logits, averaged over the last axis before the reduction; here of length 1",
    ),
    Function(
        "torch.soft_margin_loss",
        "torch.nn.functional.soft_margin_loss(yhat, 2 * y - 1, reduction=reduction)",
        "BinaryCrossEntropyWithLogits(reduction=reduction)",
        {"reduction": "mean"},
        ({"reduction": "none"}, {"reduction": "mean"}),
        inputs=two_labels,
        note="binary cross-entropy with logits of the labels −1 and 1",
    ),
    Function(
        "torch.logsigmoid",
        "-torch.nn.functional.logsigmoid(-yhat)",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        inputs=label_zero,
        validates=False,
        note="its negative at −z is the cross-entropy of a logit z against the label 0",
    ),
    Function(
        "torch.softplus",
        "torch.nn.functional.softplus(yhat)",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        inputs=label_zero,
        validates=False,
        note="the cross-entropy of a logit z against the label 0; from its documented threshold 20 on it is z itself",
    ),
    Function(
        "torch.cross_entropy",
        f"torch.nn.functional.cross_entropy(yhat, y, weight={CLASS_WEIGHT}, ignore_index=ignore_index, "
        "reduction=reduction, label_smoothing=label_smoothing)",
        "CrossEntropy(class_weight=class_weight, ignore_index=ignore_index, reduction=weighted(reduction), "
        "label_smoothing=label_smoothing, axis=1)",
        {"class_weight": None, "ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0},
        (
            {"reduction": "none"},
            {"class_weight": WEIGHTS, "ignore_index": 255, "label_smoothing": 0.125},
            {"class_weight": WEIGHTS, "reduction": "sum"},
        ),
        refused=({"label_smoothing": -0.75}, {"class_weight": NEGATIVE}),
        targets="index",
        note="a mean divides by the sum of the class weights of the labels not ignored, also with label smoothing",
    ),
    Function(
        "torch.cross_entropy probabilities",
        f"torch.nn.functional.cross_entropy(yhat, y, weight={CLASS_WEIGHT}, reduction=reduction, "
        "label_smoothing=label_smoothing)",
        "CrossEntropy(class_weight=class_weight, reduction=reduction, label_smoothing=label_smoothing, axis=1)",
        {"class_weight": None, "reduction": "mean", "label_smoothing": 0.0},
        ({"reduction": "none"}, {"class_weight": WEIGHTS, "label_smoothing": 0.125}),
        refused=({"label_smoothing": -0.75}, {"class_weight": NEGATIVE}),
        targets="rows",
        note="a mean divides by the number of rows whatever the class weights: a one-hot row is not its class index",
    ),
    Function(
        "torch.linear_cross_entropy",
        "torch.nn.functional.linear_cross_entropy(yhat, torch.eye(yhat.shape[1], dtype=yhat.dtype), y, "
        "reduction=reduction)",
        "CrossEntropy(reduction=reduction, axis=1)",
        {"reduction": "mean"},
        REDUCED,
        dtypes=TWO_DTYPES,
        targets="index",
        note="cross_entropy of a linear layer's output: here the layer is the identity; it is new in 2.13",
    ),
    Function(
        "torch.nll_loss",
        f"torch.nn.functional.nll_loss(yhat, y, weight={CLASS_WEIGHT}, ignore_index=ignore_index, reduction=reduction)",
        "NegativeLogLikelihood(class_weight=class_weight, ignore_index=ignore_index, reduction=weighted(reduction), "
        "axis=1)",
        {"class_weight": None, "ignore_index": -100, "reduction": "mean"},
        (
            {"reduction": "none"},
            {"class_weight": WEIGHTS, "ignore_index": 255},
            {"class_weight": (0.0, 3.0, 0.75), "reduction": "sum"},
        ),
        refused=({"class_weight": NEGATIVE},),
        note="a mean divides by the sum of the class weights of the labels that are not ignored",
    ),
    Function(
        "torch.nll_loss images",
        f"torch.nn.functional.nll_loss(yhat.T.contiguous()[None, :, :, None], y[None, :, None], weight={CLASS_WEIGHT}, "
        "ignore_index=ignore_index, reduction=reduction)",
        "NegativeLogLikelihood(class_weight=class_weight, ignore_index=ignore_index, reduction=weighted(reduction), "
        "axis=1)",
        {"class_weight": None, "ignore_index": -100, "reduction": "mean"},
        ({"class_weight": WEIGHTS, "ignore_index": 255}, {"reduction": "sum"}),
        note="class axis 1 of four, a kernel of its own, whose gradient raises where the predictions are channels_last",
    ),
    Function(
        "torch.margin_ranking_loss",
        "torch.nn.functional.margin_ranking_loss(yhat, torch.zeros_like(yhat), y, margin=1.0, reduction=reduction)",
        "Hinge(reduction=reduction)",
        {"reduction": "mean"},
        REDUCED,
        note="the ranking of a score against the score 0 by the margin 1; the slope at margin 1 is −y",
    ),
)

NOT_COVERED = {
    "torch.nn.functional.hinge_embedding_loss": "its loss of y = 1 is the score itself, no hinge",
    "torch.nn.functional.multi_margin_loss, multilabel_margin_loss": "hinges of several classes; ours has two labels",
    "torch.nn.functional.gaussian_nll_loss": "learns a variance; with variance 1 it is half of mse_loss",
    "torch.nn.functional.kl_div": "Kullback–Leibler divergence, no loss of ours",
    "torch.nn.functional.poisson_nll_loss": "needs a Poisson loss",
    "torch.nn.functional.cosine_embedding_loss": "of pairs of vectors, no loss of ours",
    "torch.nn.functional.triplet_margin_loss, triplet_margin_with_distance_loss": "of triplets, no losses of ours",
    "torch.nn.functional.ctc_loss": "of sequences, no loss of ours",
    "torch.nn.AdaptiveLogSoftmaxWithLoss": "a layer with a loss of clustered classes, no loss of ours",
}

OFFERS = (
    Offer("torch.nn.functional", r"_loss$|cross_entropy|kl_div$"),
    Offer("torch.nn", r"WithLoss$"),
)

FRAMEWORK = Framework(
    "torch",
    "torch",
    "import torch",
    "torch",
    FUNCTIONS,
    NOT_COVERED,
    extra="torch",
    offers=OFFERS,
)
