"""Optax and JAX: unreduced losses, differentiated by `jax.vjp`. There is no divisor, as the caller takes the mean.

Calls are compiled by `jax.jit`, as in most programs; only `dice_loss` is not, as it raises there on probabilities.
JAX computes in float32 unless its 64-bit mode is on. The mode is on for the rows of float64 and off for all others.
"""

from __future__ import annotations

from reflosses.frameworks.function import TWO_DTYPES, Framework, Function, Offer
from reflosses.frameworks.inputs import label_zero

TWO_CLASSES = (
    "optax.losses.dice_loss(jnp.stack([yhat, jax.lax.stop_gradient(1 - yhat)], -1), jnp.stack([y, 1 - y], -1), "
)

FUNCTIONS = (
    Function(
        "optax.squared_error",
        "optax.losses.squared_error(yhat, y)",
        "MeanSquaredError(reduction='none')",
    ),
    Function(
        "optax.l2_loss",
        "optax.losses.l2_loss(yhat, y)",
        "Scaled(0.5, MeanSquaredError(reduction='none'))",
        note="half the squared error",
    ),
    Function(
        "optax.huber_loss",
        "optax.losses.huber_loss(yhat, y, delta=delta)",
        "Huber(delta=delta, reduction='none')",
        {"delta": 1.0},
        ({"delta": 0.375}, {"delta": 768.0}),
        refused=({"delta": -0.75},),
    ),
    Function(
        "optax.hinge_loss",
        "optax.losses.hinge_loss(yhat, y)",
        "Hinge(reduction='none')",
        note="labels −1 and 1, others are not refused; the slope at margin 1 is −y/2",
    ),
    Function(
        "optax.sigmoid_binary_cross_entropy",
        "optax.losses.sigmoid_binary_cross_entropy(yhat, y)",
        "BinaryCrossEntropyWithLogits(reduction='none')",
    ),
    Function(
        "jax.nn.softplus",
        "jax.nn.softplus(yhat)",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        inputs=label_zero,
        validates=False,
        note="the cross-entropy of a logit against the label 0; its negative at −z is jax.nn.log_sigmoid(z)",
    ),
    Function(
        "optax.sigmoid_focal_loss",
        "optax.losses.sigmoid_focal_loss(yhat, y, alpha=alpha, gamma=gamma)",
        "FocalWithLogits(alpha=alpha, gamma=gamma, reduction='none')",
        {"alpha": None, "gamma": 2.0},
        ({"gamma": 0.375}, {"alpha": 0.3125, "gamma": 3.5}),
        refused=({"gamma": -0.75}, {"alpha": 1.25}),
        note="alpha weighs y = 1, 1 − alpha weighs y = 0",
    ),
    Function(
        "optax.softmax_cross_entropy",
        "optax.losses.softmax_cross_entropy(yhat, y)",
        "CrossEntropy(reduction='none')",
        targets="rows",
    ),
    Function(
        "optax.safe_softmax_cross_entropy",
        "optax.losses.safe_softmax_cross_entropy(yhat, y)",
        "CrossEntropy(reduction='none')",
        targets="rows",
        note="a class of label 0 may have the logit −∞",
    ),
    Function(
        "optax.safe_softmax_cross_entropy jacfwd",
        "optax.losses.safe_softmax_cross_entropy(yhat, y)",
        "CrossEntropy(reduction='none')",
        grad="jax.vmap(jax.jacfwd(jax.jit(optax.losses.safe_softmax_cross_entropy)))(yhat, y)",
        dtypes=TWO_DTYPES,
        targets="rows",
        eager=True,
        note="differentiated in forward mode, by the rule that Optax has written for it",
    ),
    Function(
        "optax.softmax_cross_entropy_with_integer_labels",
        "optax.losses.softmax_cross_entropy_with_integer_labels(yhat, y)",
        "CrossEntropy(reduction='none')",
        targets="index",
        note="no label is ignored: −1 is the last class",
    ),
    Function(
        "optax.ranking_softmax_loss",
        "optax.losses.ranking_softmax_loss(yhat, y, reduce_fn=None)",
        "CrossEntropy(reduction='none')",
        targets="rows",
        note="of ranked lists; labels in [0, 1] that sum to 1 make it the cross-entropy",
    ),
    Function(
        "optax.dice_loss",
        TWO_CLASSES + "smooth=smooth, apply_softmax=False, reduction='none')[..., 0]",
        "Dice(axis=-1, smooth_nr=2 * smooth, smooth_dr=2 * smooth, reduction='none')",
        {"smooth": 1.0},
        ({"smooth": 0.375}, {"smooth": 0.0}),
        dtypes=TWO_DTYPES,
        eager=True,
        note="probabilities must sum to 1 over the last axis; one loss a sample and class; its smooth is half of ours",
    ),
    Function(
        "optax.dice_loss alpha=beta=1",
        TWO_CLASSES + "smooth=smooth, alpha=1.0, beta=1.0, apply_softmax=False, reduction='none')[..., 0]",
        "IoU(axis=-1, smooth_nr=smooth, smooth_dr=smooth, reduction='none')",
        {"smooth": 1.0},
        ({"smooth": 0.375}, {"smooth": 0.0}),
        dtypes=TWO_DTYPES,
        eager=True,
        note="as optax.dice_loss; the smooth is ours",
    ),
    Function(
        "optax.binary_dice_loss",
        "optax.losses.binary_dice_loss(jnp.log(yhat) - jnp.log1p(-yhat), y, smooth=smooth)",
        "Dice(axis=-1, smooth_nr=2 * smooth, smooth_dr=2 * smooth, reduction='none')",
        {"smooth": 1.0},
        ({"smooth": 0.375}, {"smooth": 0.0}),
        grad=None,
        dtypes=TWO_DTYPES,
        note="of the sigmoid of logits, in value only; probabilities it refuses, as they do not sum to 1",
    ),
)

NOT_COVERED = {
    "optax.losses.dice_loss(apply_softmax=True)": "of the softmax of logits, no loss of ours",
    "optax.losses.dice_loss with other alpha and beta": "Tversky's loss, no loss of ours",
    "optax.losses.poly_loss_cross_entropy": "cross-entropy plus a polynomial; without it (epsilon = 0) it is "
    "softmax_cross_entropy",
    "optax.losses.log_cosh": "needs a log-cosh loss",
    "optax.losses.perceptron_loss": "the hinge without its margin, no loss of ours",
    "optax.losses.multiclass_hinge_loss, multiclass_perceptron_loss": "of several classes; our hinge has two labels",
    "optax.losses.sparsemax_loss, multiclass_sparsemax_loss, make_fenchel_young_loss": "no losses of ours",
    "optax.losses.kl_divergence, kl_divergence_with_log_targets, generalized_kl_divergence, convex_kl_divergence": (
        "Kullback–Leibler divergences, no losses of ours"
    ),
    "optax.losses.cosine_distance, cosine_similarity": "of pairs of vectors, no losses of ours",
    "optax.losses.ntxent, triplet_margin_loss": "of pairs and triplets, no losses of ours",
    "optax.losses.ctc_loss, ctc_loss_with_forward_probs": "of sequences, no losses of ours",
    "optax.losses.smooth_labels": "changes labels, and is no loss",
}

WITHOUT_ROW = {
    "optax.losses.multiclass_generalized_dice_loss": "not Sudre's: a mean of Dice losses, each times its own weight",
}

OFFERS = (Offer("optax.losses", r"^[a-z]", others="smooth_labels"),)

FRAMEWORK = Framework(
    "optax",
    "optax",
    "import jax, optax\nimport jax.numpy as jnp",
    "jax",
    FUNCTIONS,
    NOT_COVERED,
    extra="optax",
    without_row=WITHOUT_ROW,
    offers=OFFERS,
    compiler="jax.jit",
)
