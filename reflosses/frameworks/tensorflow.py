"""TensorFlow: the losses of `tf.nn` and of `tf.compat.v1.losses`, differentiated by `tf.GradientTape`.

`tf.nn` computes in the dtype of its logits and does not reduce, except `l2_loss`, which is a sum. The losses of
`tf.compat.v1.losses` turn float64 into float32 and weigh and reduce in float32, whatever the dtype of the result.
`tf.keras.losses` is Keras, which has a module of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.frameworks.function import Framework, Function, Offer

FLOAT32_INSIDE = ("float32", "float64")  # the dtype that they compute in comes first
NONZERO, BATCH, MEAN = "weighted_sum_by_nonzero_weights", "weighted_sum_over_batch_size", "weighted_mean"
OURS = f"reduction={{{NONZERO!r}: 'mean', {BATCH!r}: 'mean', 'weighted_sum': 'sum'}}.get(reduction, reduction)"
DIVISOR = (
    "computes in float32; a mean divides by the number of weights that are not 0, under weighted_sum_over_batch_size "
    "by the number of losses, under weighted_mean by the sum of the weights; of no losses it is 0"
)
UNIT_ROWS = "rows of labels must sum to 1: the gradient is softmax − y whatever they sum to"


def distributions(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Rows of labels that sum to 1, as documented. A row of zeros becomes the uniform distribution."""
    total = y.sum(axis=1, keepdims=True)
    return np.divide(y, total, out=np.full_like(y, 1 / y.shape[1]), where=total > 0), yhat


def _nn(name: str, equals: str, arguments: str = "labels=y, logits=yhat", **more: Any) -> Function:
    """A loss of `tf.nn` with logits."""
    name = f"tf.nn.{name}_with_logits"
    return Function(name, f"{name}({arguments})", equals, **more)


def _v1(name: str, equals: str, arguments: str, *tried: dict[str, Any], note: str = "", **more: Any) -> Function:
    """A loss of `tf.compat.v1.losses`. `tried` are reductions and other parameters."""
    name = f"tf.compat.v1.losses.{name}"
    parameters = {"reduction": NONZERO, **more.pop("parameters", {})}
    code = f"{name}({arguments}, weights=1.0 if weight is None else weight, reduction=reduction)"
    note = f"{note}; {DIVISOR}" if note else DIVISOR
    return Function(name, code, equals, parameters, tried, dtypes=FLOAT32_INSIDE, note=note, **more)


FUNCTIONS = (
    Function(
        "tf.nn.l2_loss",
        "tf.nn.l2_loss(yhat - y)",
        "Scaled(0.5, MeanSquaredError(reduction='sum'))",
        validates=False,
        note="takes the residual; half of the sum of its squares",
    ),
    _nn("sigmoid_cross_entropy", "BinaryCrossEntropyWithLogits(reduction='none')"),
    _nn(
        "weighted_cross_entropy",
        "BinaryCrossEntropyWithLogits(pos_weight=pos_weight, reduction='none')",
        "labels=y, logits=yhat, pos_weight=pos_weight",
        parameters={"pos_weight": 1.0},
        tried=({"pos_weight": 3.5}, {"pos_weight": 0.3125}),
        refused=({"pos_weight": -0.75},),
        note="TensorFlow has no default of pos_weight",
    ),
    _nn(
        "softmax_cross_entropy",
        "CrossEntropy(reduction='none')",
        inputs=distributions,
        targets="rows",
        note=UNIT_ROWS,
    ),
    _nn("sparse_softmax_cross_entropy", "CrossEntropy(reduction='none')", targets="index"),
    _v1(
        "absolute_difference",
        f"MeanAbsoluteError({OURS})",
        "labels=y, predictions=yhat",
        {"reduction": "none"},
        {"reduction": MEAN},
    ),
    _v1(
        "mean_squared_error",
        f"MeanSquaredError({OURS})",
        "labels=y, predictions=yhat",
        {"reduction": BATCH},
    ),
    Function(
        "tf.compat.v1.losses.mean_squared_error without weights",
        "tf.compat.v1.losses.mean_squared_error(labels=y, predictions=yhat)",
        "MeanSquaredError()",
        dtypes=FLOAT32_INSIDE,
        note=f"the default reduction, {NONZERO}, is a mean of ours where no weight is 0",
    ),
    _v1(
        "huber_loss",
        f"Huber(delta=delta, {OURS})",
        "labels=y, predictions=yhat, delta=delta",
        {"delta": 0.375, "reduction": "none"},
        {"delta": 6.0, "reduction": "weighted_sum"},
        parameters={"delta": 1.0},
        refused=({"delta": -0.75},),
    ),
    _v1(
        "hinge_loss",
        f"Hinge({OURS})",
        "labels=(y + 1) / 2, logits=yhat",
        {"reduction": "none"},
        {"reduction": BATCH},
        validates=False,
        note="labels 0 and 1, of which it makes −1 and 1",
    ),
    _v1(
        "sigmoid_cross_entropy",
        f"BinaryCrossEntropyWithLogits({OURS})",
        "multi_class_labels=y, logits=yhat",
        {"reduction": "none"},
        {"reduction": MEAN},
        note="label_smoothing ε makes labels y (1 − ε) + ε/2: give our loss these",
    ),
    _v1(
        "log_loss",
        f"BinaryCrossEntropy({OURS})",
        "labels=y, predictions=yhat, epsilon=0",
        {"reduction": "none"},
        {"reduction": MEAN},
        validates=False,
        note="the default epsilon=1e-7 stands inside both logarithms, −y log(p + ε) − (1 − y) log(1 − p + ε), which is "
        "no loss of ours",
    ),
    _v1(
        "softmax_cross_entropy",
        f"CrossEntropy(label_smoothing=label_smoothing, {OURS})",
        "onehot_labels=y, logits=yhat, label_smoothing=label_smoothing",
        {"reduction": "none"},
        {"label_smoothing": 0.125, "reduction": BATCH},
        parameters={"label_smoothing": 0},
        inputs=distributions,
        targets="rows",
        note=UNIT_ROWS,
    ),
    _v1(
        "sparse_softmax_cross_entropy",
        f"CrossEntropy({OURS})",
        "labels=y, logits=yhat",
        {"reduction": "none"},
        {"reduction": MEAN},
        targets="index",
    ),
)

NOT_COVERED = {
    "tf.nn.log_poisson_loss": "needs a Poisson loss",
    "tf.nn.ctc_loss": "of sequences, no loss of ours",
    "tf.nn.nce_loss, sampled_softmax_loss": "of classes drawn at random, no losses of ours",
    "tf.compat.v1.losses.cosine_distance": "needs a cosine loss; here 1 − Σ y ŷ, and neither vector is normalised",
    "tf.compat.v1.losses.mean_pairwise_squared_error": "of pairs of differences, no loss of ours",
}

OFFERS = (
    Offer("tf.nn", r"_loss$|cross_entropy|_with_logits$", others="compute_average_loss scale_regularization_loss"),
    Offer("tf.compat.v1.losses", r"^(?!get_|add_|compute_)[a-z]"),
)

FRAMEWORK = Framework(
    "tensorflow",
    "tensorflow",
    "import tensorflow as tf",
    "tensorflow",
    FUNCTIONS,
    NOT_COVERED,
    extra="tensorflow",
    offers=OFFERS,
)
