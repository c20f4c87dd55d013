"""Keras on JAX: functions that average over the last axis, and classes that weigh and reduce these averages.

Predictions get a last axis of length 1, so that the average is the loss itself. Calls are compiled by `jax.jit`, as in
`Model.fit`. Except on TensorFlow, Keras turns float64 into float32; `keras.config.set_floatx`, `dtype=` and JAX's
64-bit mode do not prevent it. The rows of float64 use that mode, and classes get their `dtype`: a user cannot do more.
Still, Keras's own sums, averages and differences have the accuracy and the range of float32, with the dtype float64.
"""

from __future__ import annotations

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.frameworks.function import TWO_DTYPES, Framework, Function, Offer

OPTIONS = "reduction=reduction, dtype=yhat.dtype.name"
COLUMNS = "(y[..., None], yhat[..., None], sample_weight=weight)"
REDUCED = (
    "reduction={'sum_over_batch_size': 'mean', 'mean_with_sample_weight': 'weighted_mean'}.get(reduction, reduction)"
)
DIVISORS = (
    "a weighted mean divides by the number of losses, under mean_with_sample_weight by the sum of the weights; of no "
    "losses it is an empty array"
)
AVERAGED = "averaged over the last axis, here of length 1"
RENORMALISED = (
    "probabilities are divided by their sum and clipped to [1e-7, 1 − 1e-7]: the value is ours where they sum to 1, "
    "the gradient is that of the quotient"
)


def rows_that_sum_to_one(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Rows of at least two probabilities that sum to 1."""
    if yhat.shape[1] < 2:
        return y[:0], yhat[:0]
    return y, yhat / yhat.sum(axis=1, keepdims=True)


def of_true_class(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """The probability of the true class, which has the label 1."""
    return np.ones_like(y), np.where(y == 1, yhat, 1 - yhat)


FUNCTIONS = (
    Function(
        "keras.losses.mean_squared_error",
        "keras.losses.mean_squared_error(y[..., None], yhat[..., None])",
        "MeanSquaredError(reduction='none')",
        note=AVERAGED,
    ),
    Function(
        "keras.losses.MeanSquaredError",
        f"keras.losses.MeanSquaredError({OPTIONS}){COLUMNS}",
        f"MeanSquaredError({REDUCED})",
        {"reduction": "sum_over_batch_size"},
        ({},),
        note=DIVISORS,
    ),
    Function(
        "keras.losses.mean_absolute_error",
        "keras.losses.mean_absolute_error(y[..., None], yhat[..., None])",
        "MeanAbsoluteError(reduction='none')",
        note=f"{AVERAGED}; the slope at residual 0 is −1",
    ),
    Function(
        "keras.losses.MeanAbsoluteError",
        f"keras.losses.MeanAbsoluteError({OPTIONS}){COLUMNS}",
        f"MeanAbsoluteError({REDUCED})",
        {"reduction": "sum_over_batch_size"},
        ({"reduction": "mean_with_sample_weight"},),
        dtypes=TWO_DTYPES,
        note=DIVISORS,
    ),
    Function(
        "keras.losses.huber",
        "keras.losses.huber(y[..., None], yhat[..., None], delta=delta)",
        "Huber(delta=delta, reduction='none')",
        {"delta": 1.0},
        ({"delta": 0.375}, {"delta": 6.0}),
        ({"delta": 0.0}, {"delta": -1.0}),
        note=AVERAGED,
    ),
    Function(
        "keras.losses.Huber",
        f"keras.losses.Huber(delta=delta, {OPTIONS}){COLUMNS}",
        f"Huber(delta=delta, {REDUCED})",
        {"delta": 1.0, "reduction": "sum_over_batch_size"},
        ({"delta": 0.375, "reduction": "sum"},),
        ({"delta": 0.0}, {"delta": -1.0}),
        dtypes=TWO_DTYPES,
        note=DIVISORS,
    ),
    Function(
        "keras.losses.hinge",
        "keras.losses.hinge(y[..., None], yhat[..., None])",
        "Hinge(reduction='none')",
        note=f"{AVERAGED}; labels −1 and 1, and 0 for −1 where the whole batch is of 0 and 1; the slope at margin 1 is "
        "−y/2",
    ),
    Function(
        "keras.losses.Hinge",
        f"keras.losses.Hinge({OPTIONS}){COLUMNS}",
        f"Hinge({REDUCED})",
        {"reduction": "sum_over_batch_size"},
        ({"reduction": "none"},),
        dtypes=TWO_DTYPES,
        note=DIVISORS,
    ),
    Function(
        "keras.losses.binary_crossentropy",
        "keras.losses.binary_crossentropy(y[..., None], yhat[..., None], from_logits=from_logits)",
        "BinaryCrossEntropyWithLogits(reduction='none') if from_logits else "
        "BinaryCrossEntropy(clamp=1e-7, reduction='none')",
        {"from_logits": False},
        ({}, {"from_logits": True}),
        note=f"{AVERAGED}; probabilities are clipped to [1e-7, 1 − 1e-7], and beyond the gradient is 0; "
        "label_smoothing ε makes labels y (1 − ε) + ε/2: give our loss these",
    ),
    Function(
        "keras.losses.BinaryCrossentropy",
        f"keras.losses.BinaryCrossentropy(from_logits=from_logits, {OPTIONS}){COLUMNS}",
        f"BinaryCrossEntropyWithLogits({REDUCED}) if from_logits else BinaryCrossEntropy(clamp=1e-7, {REDUCED})",
        {"from_logits": False, "reduction": "sum_over_batch_size"},
        ({"reduction": "none"}, {"from_logits": True, "reduction": "none"}),
        dtypes=TWO_DTYPES,
        note=DIVISORS,
    ),
    Function(
        "keras.losses.binary_focal_crossentropy",
        "keras.losses.binary_focal_crossentropy(y[..., None], yhat[..., None], alpha=alpha, gamma=gamma, "
        "apply_class_balancing=apply_class_balancing, from_logits=from_logits)",
        "FocalWithLogits(gamma=gamma, alpha=alpha if apply_class_balancing else None, reduction='none') "
        "if from_logits else "
        "Focal(gamma=gamma, alpha=alpha if apply_class_balancing else None, clamp=1e-7, reduction='none')",
        {"apply_class_balancing": False, "alpha": 0.25, "gamma": 2.0, "from_logits": False},
        (
            {"gamma": 0.375},
            {"gamma": 3.5, "alpha": 0.3125, "apply_class_balancing": True},
            {"gamma": 0.375, "alpha": 0.3125, "apply_class_balancing": True, "from_logits": True},
        ),
        ({"gamma": -1.0}, {"alpha": 100.0, "apply_class_balancing": True}),
        note=f"{AVERAGED}; alpha counts only with apply_class_balancing; the logarithm is of a probability clipped to "
        "[1e-7, 1 − 1e-7], that of a logit too",
    ),
    Function(
        "keras.losses.BinaryFocalCrossentropy",
        "keras.losses.BinaryFocalCrossentropy(alpha=alpha, gamma=gamma, "
        f"apply_class_balancing=apply_class_balancing, from_logits=from_logits, {OPTIONS}){COLUMNS}",
        f"FocalWithLogits(gamma=gamma, alpha=alpha if apply_class_balancing else None, {REDUCED}) if from_logits else "
        f"Focal(gamma=gamma, alpha=alpha if apply_class_balancing else None, clamp=1e-7, {REDUCED})",
        {
            "apply_class_balancing": False,
            "alpha": 0.25,
            "gamma": 2.0,
            "from_logits": False,
            "reduction": "sum_over_batch_size",
        },
        ({"gamma": 3.5, "from_logits": True, "reduction": "none"},),
        dtypes=TWO_DTYPES,
        note=f"as the function; {DIVISORS}",
    ),
    Function(
        "keras.losses.categorical_crossentropy",
        "keras.losses.categorical_crossentropy(jax.nn.one_hot(y, yhat.shape[1], dtype=yhat.dtype), yhat)",
        "SparseCategoricalCrossEntropy(reduction='none')",
        grad=None,
        inputs=rows_that_sum_to_one,
        note=f"{RENORMALISED}; labels are one-hot rows",
    ),
    Function(
        "keras.losses.categorical_crossentropy from_logits=True",
        "keras.losses.categorical_crossentropy(y, yhat, from_logits=True, label_smoothing=label_smoothing)",
        "CrossEntropy(label_smoothing=label_smoothing, reduction='none')",
        {"label_smoothing": 0.0},
        ({}, {"label_smoothing": 0.125}),
        ({"label_smoothing": -0.125}, {"label_smoothing": 1.125}),
        targets="rows",
    ),
    Function(
        "keras.losses.categorical_crossentropy axis=0",
        "keras.losses.categorical_crossentropy(y.T, yhat.T, from_logits=True, label_smoothing=label_smoothing, axis=0)",
        "CrossEntropy(label_smoothing=label_smoothing, reduction='none')",
        {"label_smoothing": 0.0},
        ({"label_smoothing": 0.125},),
        dtypes=("float32",),
        targets="rows",
        note="label_smoothing divides by the length of the last axis, whatever the axis of the classes: only with as "
        "many classes is it ours",
    ),
    Function(
        "keras.losses.CategoricalCrossentropy",
        f"keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing, {OPTIONS})"
        "(y, yhat, sample_weight=weight)",
        f"CrossEntropy(label_smoothing=label_smoothing, {REDUCED})",
        {"label_smoothing": 0.0, "reduction": "sum_over_batch_size"},
        ({"label_smoothing": 0.125, "reduction": "none"}, {"reduction": "mean_with_sample_weight"}),
        dtypes=TWO_DTYPES,
        targets="rows",
        note=f"of logits: from_logits is False by default; {DIVISORS}",
    ),
    Function(
        "keras.losses.sparse_categorical_crossentropy",
        "keras.losses.sparse_categorical_crossentropy(y, yhat, ignore_class=ignore_class)",
        "SparseCategoricalCrossEntropy(ignore_index=ignore_class, reduction='none')",
        {"ignore_class": None},
        ({}, {"ignore_class": 255}),
        grad=None,
        inputs=rows_that_sum_to_one,
        note=f"{RENORMALISED}; labels out of range cost 0",
    ),
    Function(
        "keras.losses.sparse_categorical_crossentropy from_logits=True",
        "keras.losses.sparse_categorical_crossentropy(y, yhat, from_logits=True, ignore_class=ignore_class)",
        "CrossEntropy(ignore_index=ignore_class, reduction='none')",
        {"ignore_class": None},
        ({}, {"ignore_class": 255}),
        targets="index",
        note="labels out of range cost 0",
    ),
    Function(
        "keras.losses.sparse_categorical_crossentropy axis=0",
        "keras.losses.sparse_categorical_crossentropy(y, yhat.T, from_logits=True, axis=0)",
        "CrossEntropy(reduction='none')",
        dtypes=("float32",),
        targets="index",
        note="raises, unless all axes are of one length: classes are on the last axis, whatever axis says",
    ),
    Function(
        "keras.losses.SparseCategoricalCrossentropy",
        f"keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignore_class, {OPTIONS})"
        "(y, yhat, sample_weight=weight)",
        f"CrossEntropy(ignore_index=ignore_class, {REDUCED})",
        {"ignore_class": None, "reduction": "sum_over_batch_size"},
        ({"reduction": "none"},),
        targets="index",
        note=f"of logits: from_logits is False by default; labels are rounded to the dtype of the loss; {DIVISORS}",
    ),
    Function(
        "keras.losses.SparseCategoricalCrossentropy ignore_class",
        f"keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignore_class, {OPTIONS})"
        "(y, yhat, sample_weight=weight)",
        f"CrossEntropy(ignore_index=ignore_class, {REDUCED})",
        {"ignore_class": None, "reduction": "sum_over_batch_size"},
        ({"ignore_class": 255},),
        dtypes=("float32",),
        targets="index",
        note="a mean divides by the number of labels that are not ignored, and is 0 where all are",
    ),
    Function(
        "keras.losses.categorical_focal_crossentropy",
        "keras.losses.categorical_focal_crossentropy(jnp.stack([y, 1 - y], -1), jnp.stack([yhat, 1 - yhat], -1), "
        "alpha=alpha, gamma=gamma)",
        "Scaled(alpha, Focal(gamma=gamma, clamp=1e-7, reduction='none'))",
        {"alpha": 0.25, "gamma": 2.0},
        ({"alpha": 0.3125, "gamma": 3.5},),
        dtypes=TWO_DTYPES,
        inputs=of_true_class,
        note="of the probability of the true class, one-hot labels; alpha multiplies every class; probabilities are "
        "divided by their sum and clipped to [1e-7, 1 − 1e-7], in the power too",
    ),
    Function(
        "keras.losses.categorical_focal_crossentropy from_logits=True",
        "keras.losses.categorical_focal_crossentropy(jnp.stack([y, 1 - y], -1), jnp.stack([yhat, 0 * yhat], -1), "
        "alpha=alpha, gamma=gamma, from_logits=True)",
        "Scaled(alpha, FocalWithLogits(gamma=gamma, reduction='none'))",
        {"alpha": 0.25, "gamma": 2.0},
        ({"alpha": 0.3125, "gamma": 0.375}, {"alpha": 0.75, "gamma": 3.5}),
        dtypes=TWO_DTYPES,
        note="of two classes with the logits z and 0; alpha multiplies every class; probabilities are clipped",
    ),
    Function(
        "keras.losses.dice",
        "keras.losses.dice(y, yhat, axis=axis)",
        "Dice(axis=axis, smooth_dr=1e-7, reduction='none')",
        {"axis": None},
        ({}, {"axis": -1}),
        note="pools all axes, the batch among them; smoothed in the denominator alone, so that nothing against nothing "
        "costs 1",
    ),
    Function(
        "keras.losses.tversky",
        "keras.losses.tversky(y, yhat, axis=axis)",
        "Dice(axis=axis, smooth_dr=2e-7, reduction='none')",
        {"axis": None},
        ({"axis": -1},),
        dtypes=TWO_DTYPES,
        note="with its default alpha = beta = ½ this is Dice's loss; pools all axes; nothing against nothing costs 1",
    ),
    Function(
        "keras.losses.tversky alpha=beta=1",
        "keras.losses.tversky(y, yhat, alpha=1.0, beta=1.0, axis=axis)",
        "IoU(axis=axis, smooth_dr=1e-7, reduction='none')",
        {"axis": None},
        ({"axis": -1},),
        dtypes=TWO_DTYPES,
        note="pools all axes; smoothed in the denominator alone, so that nothing against nothing costs 1",
    ),
)

NOT_COVERED = {
    "keras.losses.tversky with other alpha and beta": "Tversky's loss, no loss of ours; alpha weighs what is missed, "
    "beta what is too much, the other way round than elsewhere",
    "keras.losses.CategoricalFocalCrossentropy, Dice, Tversky": "the functions above, reduced",
    "label_smoothing of the focal losses": "soft labels, which our focal losses do not take",
    "keras.losses.squared_hinge": "the square of the hinge, no loss of ours",
    "keras.losses.categorical_hinge": "of several classes; our hinge has two labels",
    "keras.losses.mean_absolute_percentage_error, mean_squared_logarithmic_error, log_cosh": "need losses of relative, "
    "logarithmic and log-cosh errors",
    "keras.losses.poisson": "needs a Poisson loss",
    "keras.losses.kl_divergence": "Kullback–Leibler divergence of clipped probabilities, no loss of ours",
    "keras.losses.categorical_generalized_cross_entropy": "(1 − p^q) / q of the true class, no loss of ours",
    "keras.losses.cosine_similarity, circle": "of vectors and their pairs, no losses of ours",
    "keras.losses.ctc": "of sequences, no loss of ours",
}

OFFERS = (Offer("keras.losses", r"^[A-Z]", others="Loss"),)

FRAMEWORK = Framework(
    "keras",
    "keras",
    "import os\nos.environ['KERAS_BACKEND'] = 'jax'\nimport jax\nimport jax.numpy as jnp\nimport keras",
    "jax",
    FUNCTIONS,
    NOT_COVERED,
    extra="keras",
    offers=OFFERS,
    compiler="jax.jit",
)
