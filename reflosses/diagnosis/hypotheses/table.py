"""The hypotheses: what each is called, what it does, where it is seen."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from reflosses.diagnosis.hypotheses.changes import (
    alpha_on_all,
    alpha_on_positives,
    another,
    arguments_swapped,
    as_logits,
    averaged_gradient,
    by_target,
    class_weights,
    classes,
    computed_in,
    computed_value,
    dice_for_iou,
    divides_by,
    everything,
    first_that_applies,
    flushed,
    half_the_score,
    ignored_times_zero,
    labels_smoothed,
    log_softmax,
    log_softmax_back,
    lost_at_infinity,
    multiplied,
    not_ignoring,
    nothing_by_nothing,
    number,
    only_for,
    only_scaled,
    parameter,
    per_sample,
    pooling,
    positive_weight_on_all,
    positive_weight_on_negatives,
    residual_first,
    rounded_to,
    row_means,
    shares,
    shares_back,
    sigmoid_back,
    smoothed,
    smoothing,
    softmax_back,
    softmax_of_batch,
    summed_gradient,
    sums_in_format,
    swapped_throughout,
    taking_part,
    total_weight,
    unweighted_gradient,
    weighs,
    weights,
    with_value,
    with_values,
    with_y,
    with_yhat,
    zero_for_nothing,
    zero_times_logit,
)
from reflosses.diagnosis.hypotheses.formulas import (
    bare_log_sum,
    bare_power,
    barron,
    both_branches,
    cauchy,
    clamped_logs,
    clipped,
    difference_of_sigmoid,
    expanded_square,
    focal_as_sum,
    generalized,
    held_factor,
    hinge_of_zero_one,
    log1p_of_rest,
    log_of,
    log_of_bare_softmax,
    log_of_logits,
    log_of_rest,
    log_of_softmax,
    log_of_sum,
    logits_as_sum,
    lost_tail,
    minus_log_sigmoid,
    of_logs,
    offset,
    only,
    overflowing_softplus,
    overlap,
    plain_logits,
    plain_softplus,
    pseudo_huber,
    root_of_square,
    rounded_rest,
    shifted_softplus,
    slope_of_one,
    softmax_less_target,
    softplus_of_margin,
    split_residual,
    square_first,
    squared_overlap,
    unsquared,
    zero_times_infinity,
)
from reflosses.diagnosis.model import Change, Hypothesis
from reflosses.diagnosis.tape import formula
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cauchy import Cauchy
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.dice import Dice
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.generalized_dice import GeneralizedDice
from reflosses.losses.hinge import Hinge
from reflosses.losses.huber import Huber
from reflosses.losses.iou import IoU
from reflosses.losses.mean_absolute_error import MeanAbsoluteError
from reflosses.losses.mean_squared_error import MeanSquaredError
from reflosses.losses.negative_log_likelihood import NegativeLogLikelihood
from reflosses.losses.sparse_categorical_cross_entropy import SparseCategoricalCrossEntropy
from reflosses.losses.weighted_cross_entropy import WeightedCrossEntropy

COMMON = ("1e-7", "1e-8", "1e-12", "1e-15")  # before the others, where a format has no numbers to tell them apart
RARE = ("1e-3", "1e-4", "1e-5", "1e-6", "1e-9", "1e-10", "1e-16")
CLIPS = (*((c, float(c)) for c in COMMON), ("eps", 0.0), *((c, float(c)) for c in RARE))
OFFSETS = (*((c, float(c)) for c in ("1e-4", "1e-5", "1e-6", "1e-7", "1e-8", "1e-10", "1e-12")), ("eps", 0.0))
LOGITS = ("10", "20", "30", "50", "100")
SMOOTHINGS = ("0.1", "0.05", "0.2", "0.01")
BELOW = ("1e-5", "1e-6", "1e-7", "1e-8")
NARROW = ("float32", "bfloat16", "float16")


def _convention(name: str, says: str, seen: str, change: Change) -> Hypothesis:
    return Hypothesis(name, "convention", says, seen, change)


def _defect(name: str, says: str, seen: str, change: Change, inside: str = "", scarce: bool = False) -> Hypothesis:
    return Hypothesis(name, "defect", says, seen, change, inside, scarce=scarce)


def _clip_of_logits(c: float) -> tuple[Any, Any]:
    """Logits within ±c, and the gradient that is left of the clip."""
    return lambda z, axis: np.clip(z, -c, c), lambda z, g, axis: np.where(np.abs(z) <= c, g, 0.0)


def _gradient(name: str, says: str, seen: str, change: Change, kind: str = "defect") -> Hypothesis:
    return Hypothesis(name, kind, says, seen, change, about="gradient")


FACTORS = (
    _convention(
        "half",
        "gives half of the value and half of the gradient",
        "optax.l2_loss, sklearn HalfSquaredError, Cauchy of GTSAM and SciPy",
        everything(0.5),
    ),
    _convention(
        "double",
        "gives twice the value and twice the gradient",
        "Huber and Cauchy of Ceres and g2o against those with ½",
        everything(2.0),
    ),
    _convention("opposite sign", "gives the loss with the opposite sign, as a score to maximise", "", everything(-1.0)),
    _convention("in percent", "gives 100 times the value and the gradient", "keras MAPE", everything(100.0)),
    _convention(
        "divides by the scale",
        "divides by the scale at which the loss bends",
        "torch smooth_l1_loss",
        everything(lambda q: 1 / q.loss.scale),
    ),
    _convention("multiplies by the scale", "multiplies by the scale", "", everything(lambda q: q.loss.scale)),
    _convention(
        "divides by the squared scale",
        "divides by the square of the scale",
        "kernels in units of the scale",
        everything(lambda q: q.loss.scale**-2.0),
    ),
    _convention(
        "divides by the classes",
        "divides by the number of classes",
        "MONAI and kornia softmax focal, torch kl_div(reduction='mean')",
        everything(lambda q: 1 / classes(q)),
    ),
    _convention(
        "multiplies by the classes",
        "multiplies by the number of classes",
        "",
        everything(lambda q: float(classes(q))),
    ),
    _convention(
        "in bits",
        "takes logarithms to the base 2",
        "",
        only_for(
            BinaryCrossEntropy,
            BinaryCrossEntropyWithLogits,
            CrossEntropy,
            Focal,
            FocalWithLogits,
            NegativeLogLikelihood,
            SparseCategoricalCrossEntropy,
            WeightedCrossEntropy,
            Cauchy,
        )(everything(1 / log(2))),
    ),
)

GRADIENTS = (
    _gradient("gradient halved", "halves the gradient, but not the value", "", multiplied(1, 0.5)),
    _gradient("gradient doubled", "doubles the gradient, but not the value", "", multiplied(1, 2)),
    _gradient(
        "gradient of the opposite sign",
        "gives the gradient the opposite sign, but not the value: it is that by y, where the loss is one of yhat − y",
        "",
        multiplied(1, -1),
    ),
    _gradient(
        "gradient by y",
        "takes the derivative by the target for that by the prediction",
        "",
        by_target,
    ),
    _gradient(
        "gradient 0",
        "has no gradient beside its value: it is 0 everywhere, as of a detached value",
        "",
        multiplied(1, 0),
    ),
    _gradient("gradient of the sum", "has the value of the mean and the gradient of the sum", "", summed_gradient),
    _gradient(
        "gradient of the mean",
        "has the gradient of the mean, not that of its value",
        "",
        averaged_gradient,
    ),
    _gradient("gradient without weights", "leaves the weights out of the gradient", "", unweighted_gradient),
)

DIVISORS = (
    _convention(
        "sums",
        "adds the losses up",
        "keras reduction='sum', XGBoost's and LightGBM's objectives",
        divides_by(lambda q: 1.0),
    ),
    _convention("averages", "averages the losses", "torch, keras and sklearn by default", divides_by(number)),
    _convention(
        "divides by the weights",
        "divides by the sum of the weights, not by the number of losses",
        "torch mse_loss, l1_loss, cross_entropy and nll_loss, sklearn metrics",
        divides_by(total_weight),
    ),
    _convention(
        "does not reduce",
        "returns one loss each, not one number",
        "optax, kornia",
        divides_by(lambda q: 1.0, sums=False),
    ),
    _convention(
        "divides by all",
        "counts ignored losses in the divisor",
        "SMP SoftCrossEntropyLoss",
        divides_by(lambda q: float(taking_part(q).size)),
    ),
    _convention(
        "divides by the weights above 0",
        "divides by the number of weights that are not 0",
        "TensorFlow 1's SUM_BY_NONZERO_WEIGHTS",
        divides_by(lambda q: float((weights(q) > 0).sum())),
    ),
    _convention(
        "divides by the batch",
        "divides by the length of the first axis",
        "torch reduction='batchmean'",
        divides_by(lambda q: float(q.yhat.shape[0])),
    ),
    _convention(
        "divides by the positives",
        "divides by the number of positive targets",
        "RetinaNet's focal loss, SMP FocalLoss(normalized=True)",
        only_for(Focal, FocalWithLogits)(divides_by(lambda q: max(1.0, float((np.asarray(q.y) == 1).sum())))),
    ),
    _convention(
        "averages the last axis first",
        "averages along the last axis, and then reduces what is left",
        "keras.losses",
        row_means,
    ),
    _convention("ignores the weights", "leaves the weights out", "", weighs(lambda q: None)),
    _convention(
        "squares the weights",
        "squares the weights, as where the residual is weighed",
        "",
        weighs(lambda q: None if q.weight is None else q.weight**2),
    ),
    _convention(
        "returns 0 for nothing",
        "gives 0 for the mean over nothing, where ours is not a number",
        "Paddle cross_entropy, keras",
        zero_for_nothing,
    ),
    _convention(
        "root of the mean",
        "takes the square root of the mean",
        "sklearn root_mean_squared_error, MindSpore RMSELoss",
        with_value(np.sqrt, lambda v: 0.5 / np.sqrt(v)),
    ),
)

TARGETS = (
    _convention(
        "swaps y and yhat",
        "takes the target for the prediction and the prediction for the target",
        "",
        arguments_swapped,
    ),
    _gradient(
        "swaps y and yhat, gradient too",
        "takes the target for the prediction, and gives the derivative by it",
        "",
        swapped_throughout,
        "convention",
    ),
    _convention(
        "does not ignore",
        "takes the index to be ignored as a class, counted from the end",
        "onnx.reference NegativeLogLikelihoodLoss",
        not_ignoring,
    ),
    _convention("ignores the class weights", "leaves the class weights out", "", class_weights(lambda w: None)),
    _convention(
        "class weights with mean 1",
        "scales the class weights to a mean of 1",
        "sklearn class_weight='balanced', optax",
        class_weights(lambda w: w / w.mean()),
    ),
    _convention(
        "class weights with sum 1", "scales the class weights to a sum of 1", "", class_weights(lambda w: w / w.sum())
    ),
    _convention(
        "ignores pos_weight",
        "leaves pos_weight out",
        "keras BinaryCrossentropy",
        another(
            lambda loss, q: replace(loss, pos_weight=None) if getattr(loss, "pos_weight", None) is not None else None
        ),
    ),
    _convention("pos_weight on all", "multiplies both terms by pos_weight", "", positive_weight_on_all),
    _convention(
        "pos_weight on the negatives",
        "multiplies the term of the label 0, not that of the label 1, by pos_weight",
        "",
        positive_weight_on_negatives,
    ),
    *(
        _convention(
            f"smooths labels by {s}",
            f"smooths the labels by {s}, where no smoothing is due",
            "keras BinaryCrossentropy(label_smoothing=0.1)",
            labels_smoothed(float(s)),
        )
        for s in SMOOTHINGS
    ),
    _convention("no label smoothing", "does not smooth the labels", "", smoothed(lambda e, n: 0.0)),
    _convention(
        "smooths half as much",
        "smooths the labels half as much",
        "keras BinaryCrossentropy against SMP SoftBCEWithLogitsLoss",
        smoothed(lambda e, n: e / 2),
    ),
    _convention(
        "smooths twice as much",
        "smooths the labels twice as much",
        "SMP SoftBCEWithLogitsLoss against keras BinaryCrossentropy",
        smoothed(lambda e, n: 2 * e),
    ),
    _convention(
        "smooths over the other classes",
        "spreads the smoothing over the C − 1 other classes",
        "ESPnet, icefall",
        smoothed(lambda e, n: e * n / (n - 1)),
    ),
    _convention(
        "truncates soft labels",
        "makes integers of soft labels by cutting them off",
        "casts to an integer dtype",
        with_y(lambda q: np.floor(q.y) if np.asarray(q.y).dtype.kind == "f" else None),
    ),
    _convention(
        "rounds soft labels",
        "rounds soft labels to 0 and 1",
        "",
        with_y(lambda q: np.floor(q.y + 0.5) if np.asarray(q.y).dtype.kind == "f" else None),
    ),
    _convention(
        "takes the largest target",
        "takes the class with the largest target for the only one",
        "",
        with_y(
            lambda q: (
                np.argmax(q.y, axis=q.loss.axis)
                if isinstance(q.loss, CrossEntropy) and np.shape(q.y) == q.yhat.shape
                else q.y
            )
        ),
    ),
    _convention(
        "labels 0 and 1",
        "expects the labels 0 and 1 and maps y to 2y − 1",
        "XGBoost, keras Hinge on batches of 0 and 1",
        formula({Hinge: hinge_of_zero_one}),
    ),
    _convention(
        "labels −1 and 1",
        "expects the labels −1 and 1",
        "torch soft_margin_loss",
        formula({BinaryCrossEntropyWithLogits: softplus_of_margin}),
    ),
)

PARAMETERS = (
    _convention(
        "ignores alpha",
        "leaves alpha out",
        "keras BinaryFocalCrossentropy without apply_class_balancing",
        another(lambda loss, q: replace(loss, alpha=None) if getattr(loss, "alpha", None) is not None else None),
    ),
    _convention(
        "swaps alpha", "gives alpha to the label 0 and 1 − alpha to the label 1", "", parameter(alpha=lambda a: 1 - a)
    ),
    _convention("alpha on all", "multiplies all losses by alpha", "keras CategoricalFocalCrossentropy", alpha_on_all),
    _convention(
        "alpha on the positives",
        "multiplies the losses of the label 1 by alpha, and those of the label 0 by 1",
        "",
        alpha_on_positives,
    ),
    _gradient(
        "holds the factor constant",
        "does not differentiate the focal factor (1 − p_t)^γ",
        "factors that are detached",
        formula({Focal: held_factor(False), FocalWithLogits: held_factor(False)}),
        "convention",
    ),
    _gradient(
        "holds the factor constant, of a rounded p_t",
        "does not differentiate the focal factor (1 − p_t)^γ, and takes 1 − p_t of a p_t that is rounded already",
        "factors that are detached",
        formula({Focal: held_factor(True), FocalWithLogits: held_factor(True)}),
        "convention",
    ),
    _convention("ignores gamma", "leaves gamma out", "", parameter(gamma=lambda g: 0.0)),
    _convention("gamma one too large", "takes gamma + 1 for gamma", "", parameter(gamma=lambda g: g + 1)),
    _convention("gamma one too small", "takes gamma − 1 for gamma", "", parameter(gamma=lambda g: g - 1)),
    _convention(
        "squares the scale",
        "takes the square of delta for delta",
        "Ceres and g2o kernels whose scale is that of r²",
        parameter(delta=lambda d: d * d),
    ),
    _convention(
        "takes the root of the scale",
        "takes the root of delta for delta",
        "Ceres and g2o kernels whose scale is that of r²",
        parameter(delta=lambda d: d**0.5),
    ),
    _convention("ignores the scale", "takes 1 for delta", "kornia cauchy_loss", parameter(delta=lambda d: 1.0)),
    _convention(
        "holds the weight constant",
        "does not differentiate the weight",
        "",
        another(lambda loss, q: replace(loss, weight_grad="stop") if isinstance(loss, WeightedCrossEntropy) else None),
    ),
    _convention(
        "differentiates the weight",
        "differentiates the weight too",
        "",
        another(lambda loss, q: replace(loss, weight_grad="full") if isinstance(loss, WeightedCrossEntropy) else None),
    ),
    _convention(
        "weight 1",
        "leaves the weight of the foreground out",
        "",
        another(lambda loss, q: replace(loss, weight=1.0) if isinstance(loss, WeightedCrossEntropy) else None),
    ),
)

OTHER_LOSSES = (
    _convention(
        "squares each loss",
        "squares each loss",
        "keras SquaredHinge against Hinge, squared against absolute error",
        with_values(np.square, lambda v: 2 * v),
    ),
    _convention(
        "root of each loss",
        "takes the square root of each loss",
        "absolute against squared error",
        with_values(np.sqrt, lambda v: 0.5 / np.sqrt(v)),
    ),
    _convention(
        "pseudo-Huber",
        "is the pseudo-Huber loss",
        "scipy.special.pseudo_huber, SciPy soft_l1",
        formula({Huber: pseudo_huber}),
    ),
    _convention(
        "slope 1 beyond the scale",
        "rises with slope 1 beyond delta, where delta is due",
        "",
        formula({Huber: slope_of_one}),
    ),
    _convention("Barron's form", "is log(1 + ½(r/delta)²)", "kornia cauchy_loss", formula({Cauchy: barron})),
    _convention("does not square the residual", "takes |r| where r² belongs", "", formula({Cauchy: unsquared})),
    _convention("Dice for IoU", "is Dice where IoU is due, or IoU where Dice is due", "", another(dice_for_iou)),
    _convention(
        "returns the score",
        "returns 1 less the loss, the score",
        "sklearn f1_score, jaccard_score",
        only_for(Dice, IoU, GeneralizedDice)(with_values(lambda v: 1 - v, lambda v: -np.ones_like(v))),
    ),
    _convention(
        "returns minus the score",
        "returns the loss less 1, minus the score",
        "",
        only_for(Dice, IoU, GeneralizedDice)(with_values(lambda v: v - 1, np.ones_like)),
    ),
    _convention("half the score", "leaves out the 2 of 2I/(P + T)", "", half_the_score),
    _convention(
        "log of the score",
        "takes −log of the score, not 1 less it",
        "SMP DiceLoss(log_loss=True)",
        only_for(Dice, IoU, GeneralizedDice)(with_values(lambda v: -np.log1p(-v), lambda v: 1 / (1 - v))),
    ),
    _convention(
        "sigmoid of probabilities",
        "takes the sigmoid of what are probabilities already",
        "SMP, MONAI sigmoid=True",
        with_yhat(lambda p, axis: expit(p), sigmoid_back, Dice, IoU, GeneralizedDice),
    ),
    _convention(
        "squares in the denominator",
        "adds up squares in the denominator",
        "V-Net, MONAI squared_pred",
        formula({Dice: squared_overlap, IoU: squared_overlap}),
    ),
    _convention(
        "doubles the smoothing",
        "adds twice the smoothing constants",
        "optax and SMP, which add s to I and ½(P + T)",
        smoothing(lambda n, d: (2 * n, 2 * d)),
    ),
    _convention(
        "halves the smoothing",
        "adds half of the smoothing constants",
        "MONAI jaccard=True",
        smoothing(lambda n, d: (n / 2, d / 2)),
    ),
    _convention(
        "smooths the denominator only",
        "leaves the smoothing constant out of the numerator",
        "keras Dice, kornia, Paddle",
        smoothing(lambda n, d: (0.0, d)),
    ),
    _convention(
        "smooths both alike",
        "adds the smoothing constant of the denominator to the numerator too",
        "MONAI",
        smoothing(lambda n, d: (d, d)),
    ),
    _convention("no smoothing", "leaves the smoothing constants out", "", smoothing(lambda n, d: (0.0, 0.0))),
    _convention("adds 1 to both", "adds 1 to numerator and denominator", "", smoothing(lambda n, d: (n + 1, d + 1))),
    _convention(
        "adds 2 to both",
        "adds 2 to numerator and denominator",
        "optax dice_loss",
        smoothing(lambda n, d: (n + 2, d + 2)),
    ),
    *(
        _convention(
            f"adds {c} below",
            f"adds {c} to the denominator",
            "keras Dice (1e-7), kornia (1e-8), Paddle (1e-5)",
            smoothing(lambda n, d, c=float(c): (n, d + c)),  # type: ignore[misc]
        )
        for c in BELOW
    ),
    *(
        _convention(
            f"adds {c} to both",
            f"adds {c} to numerator and denominator",
            "MONAI DiceLoss (1e-5)",
            smoothing(lambda n, d, c=float(c): (n + c, d + c)),  # type: ignore[misc]
        )
        for c in BELOW
    ),
    _convention(
        "pools everything",
        "pools all axes into one overlap",
        "keras Dice, sklearn",
        first_that_applies(pooling(lambda a, n: set(range(n))), per_sample(False)),
    ),
    _convention(
        "pools each sample",
        "makes one overlap of each sample",
        "keras Dice(axis=(1, 2, 3)), kornia dice_loss",
        first_that_applies(pooling(lambda a, n: set(range(1, n))), per_sample(True)),
    ),
    _convention(
        "pools the batch too", "pools the batch too", "SMP DiceLoss, MONAI batch=True", pooling(lambda a, n: a | {0})
    ),
    _convention(
        "pools all but batch and class",
        "makes one overlap of each class of each sample",
        "MONAI DiceLoss",
        pooling(lambda a, n: set(range(2, n))),
    ),
    _convention("pools only the last axis", "makes one overlap of each last axis", "", pooling(lambda a, n: {n - 1})),
    _convention(
        "class weights 1/T",
        "weighs classes by 1/T, not by 1/T²",
        "MONAI w_type='simple'",
        formula({GeneralizedDice: generalized(lambda v: 1 / v)}),
    ),
    _convention(
        "class weights cancel",
        "weighs all classes alike: the weights cancel",
        "MONAI w_type='uniform'",
        formula({GeneralizedDice: generalized(np.ones_like)}),
    ),
    _convention(
        "applies the sigmoid twice",
        "takes the sigmoid of what is one already",
        "torch binary_cross_entropy_with_logits after a sigmoid",
        with_yhat(lambda z, axis: expit(z), sigmoid_back, BinaryCrossEntropyWithLogits, FocalWithLogits),
    ),
    _convention(
        "softmax along the batch",
        "takes the softmax along the first axis, not along that of the classes",
        "",
        softmax_of_batch,
    ),
    _convention(
        "applies the softmax twice",
        "takes the softmax of what is one already",
        "torch cross_entropy after a softmax",
        with_yhat(lambda z, axis: softmax(z, axis=axis), softmax_back, CrossEntropy),
    ),
    _convention(
        "takes probabilities for logits",
        "takes the probabilities for logits",
        "SMP FocalLoss(from_logits=False)",
        another(as_logits),
    ),
    _convention(
        "takes logits for probabilities",
        "takes the logits for probabilities",
        "keras from_logits=False",
        formula(
            {
                **only(
                    of_logs(log_of, log1p_of_rest, read=lambda t, loss, x: x),
                    BinaryCrossEntropyWithLogits,
                    FocalWithLogits,
                ),
                CrossEntropy: log_of_logits,
            }
        ),
    ),
    _convention(
        "takes logits for log-probabilities",
        "takes the logits for log-probabilities",
        "torch nll_loss without log_softmax",
        formula({CrossEntropy: plain_logits}),
    ),
    _convention(
        "normalises log-probabilities",
        "takes the log-softmax of what are log-probabilities already",
        "",
        with_yhat(log_softmax, log_softmax_back, NegativeLogLikelihood),
    ),
    _convention(
        "renormalises probabilities",
        "divides the probabilities by their sum",
        "keras CategoricalCrossentropy, sklearn log_loss before 1.5",
        with_yhat(shares, shares_back, SparseCategoricalCrossEntropy),
    ),
)

EDGES = (
    *(
        _convention(
            f"clips at {name}",
            f"clips probabilities at {name}, so that beyond it the value stays and the gradient is 0",
            "keras (1e-7), sklearn log_loss (eps)",
            clipped(c),
        )
        for name, c in CLIPS
    ),
    *(
        _gradient(
            f"clips at {name}, slope and all",
            f"clips probabilities at {name}, and gives the slope at the clipped ones",
            "",
            clipped(c, moving=True),
            "convention",
        )
        for name, c in CLIPS
    ),
    *(
        _convention(
            f"adds {name} to p",
            f"adds {name} to what it takes the logarithm of",
            "Paddle log_loss (1e-4), torch poisson_nll_loss (1e-8)",
            offset(c),
        )
        for name, c in OFFSETS
    ),
    *(
        _convention(
            f"clips logits at {c}",
            f"clips logits at ±{c}, so that beyond it the value stays and the gradient is 0",
            "",
            with_yhat(
                *_clip_of_logits(float(c)),
                BinaryCrossEntropyWithLogits,
                FocalWithLogits,
            ),
        )
        for c in LOGITS
    ),
    _convention(
        "logarithms from −100",
        "holds logarithms at −100 and more, and divides its gradient by 1e-12 or more",
        "torch binary_cross_entropy",
        formula({BinaryCrossEntropy: clamped_logs, BinaryCrossEntropyWithLogits: clamped_logs}),
    ),
)

DEFECTS = (
    *(
        _defect(
            f"rounds its results to {name}",
            f"rounds its results to {name}",
            "casts on the way out",
            rounded_to(name),
            name,
        )
        for name in NARROW
    ),
    *(
        _defect(
            f"computes in {name}",
            f"computes in {name}, whatever it is given",
            "keras on JAX and torch, MONAI FocalLoss (float32)",
            computed_in(name),
            name,
        )
        for name in NARROW
    ),
    Hypothesis(
        "digits of float32",
        "defect",
        "has only the digits of float32, though its results are of a wider format",
        "keras losses compiled in float64, which take means in float32",
        computed_in("float32"),
        "float32",
        stored="neither",
    ),
    Hypothesis(
        "value in float32",
        "defect",
        "works its value out in float32, while the gradient keeps its digits",
        "casts of a loss",
        computed_value("float32"),
        "float32",
        stored="value",
    ),
    _defect(
        "sums in its own format",
        "adds the losses up in the format of its inputs, which overflows before the mean is taken",
        "",
        sums_in_format,
        scarce=True,
    ),
    _defect(
        "the residual overflows",
        "subtracts y from yhat in the format of its inputs, which overflows where the loss does not",
        "numpy, torch and jax means of errors",
        residual_first,
        scarce=True,
    ),
    _defect(
        "multiplies what is left out by 0",
        "multiplies losses that are ignored, or of weight 0, by 0, which does not remove infinities and NaN",
        "torch cross_entropy, keras sample_weight",
        ignored_times_zero,
        scarce=True,
    ),
    _defect(
        "flushes subnormals",
        "gives 0 for results below the smallest normal number",
        "scipy.special.expit, JAX on CPUs",
        flushed,
    ),
    _defect(
        "not a number at infinity",
        "gives NaN for infinite predictions, which have a limit",
        "differences and products with ∞, as in optax sigmoid_focal_loss",
        lost_at_infinity,
    ),
    _defect(
        "0 · an infinite logit",
        "multiplies 0 by an infinite logit, which is not a number",
        "",
        zero_times_logit,
        scarce=True,
    ),
    _gradient(
        "gradient σ(z) − y",
        "takes σ(z) − y for its gradient, which is 0 once σ(z) rounds to 1",
        "torch binary_cross_entropy_with_logits",
        formula({BinaryCrossEntropyWithLogits: difference_of_sigmoid}),
    ),
    _gradient(
        "gradient p − y",
        "takes softmax less target for its gradient, which is 0 once the softmax rounds to 1",
        "torch cross_entropy, sklearn HalfMultinomialLoss",
        formula({CrossEntropy: softmax_less_target}),
    ),
    _defect(
        "log of 1 − p",
        "takes log(1 − p), not log1p(−p): small p are lost",
        "sklearn log_loss",
        formula(of_logs(log_of, log_of_rest, chosen=True)),
    ),
    _defect(
        "0 · log 0",
        "multiplies 0 by log 0, which is not a number",
        "the textbook formula as printed",
        formula(
            {
                **only(of_logs(log_of, log1p_of_rest), BinaryCrossEntropy),
                **dict.fromkeys(
                    (CrossEntropy, NegativeLogLikelihood, SparseCategoricalCrossEntropy), zero_times_infinity
                ),
            }
        ),
    ),
    _defect(
        "1 − p_t of a rounded p_t",
        "takes 1 − p_t of a p_t that is rounded already: it is 0 where p_t rounds to 1",
        "torchvision and SMP focal losses, keras",
        formula({Focal: rounded_rest, FocalWithLogits: rounded_rest}),
    ),
    _defect(
        "0 to the power γ − 1",
        "raises 1 − p_t, once it is 0, to the power γ − 1: below γ = 1 the gradient is not a number",
        "torchvision and SMP focal losses",
        formula({Focal: bare_power, FocalWithLogits: bare_power}),
    ),
    _defect(
        "exponentials overflow",
        "takes log(1 + e^z) of what overflows",
        "",
        formula({BinaryCrossEntropyWithLogits: overflowing_softplus(lambda t, e: t.log1p(e))}),
    ),
    _defect(
        "exponentials overflow, log(1 + x)",
        "takes log(1 + e^z) as it is written: it overflows, and is 0 where e^z is below eps",
        "",
        formula({BinaryCrossEntropyWithLogits: overflowing_softplus(log_of_sum)}),
    ),
    _defect(
        "log1p(e^z) − z y",
        "takes log1p(e^z) − z y, which overflows for large z and cancels where y is 1",
        "",
        formula({BinaryCrossEntropyWithLogits: plain_softplus}),
    ),
    _defect(
        "max(z, 0) − z y",
        "subtracts z y from max(z, 0), which is inf − inf and leaves no digit of soft labels or of the gradient",
        "TensorFlow sigmoid_cross_entropy_with_logits",
        formula({BinaryCrossEntropyWithLogits: shifted_softplus}),
    ),
    _defect(
        "z − log σ(z)",
        "takes (1 − y) z − log σ(z), which cancels where y is 0",
        "torch binary_cross_entropy_with_logits",
        formula({BinaryCrossEntropyWithLogits: minus_log_sigmoid}),
    ),
    _defect(
        "log(1 + x)",
        "takes log(1 + x) for log1p(x): it is 0 where x is below eps",
        "",
        formula(
            {
                Cauchy: lambda t, loss, y, x: cauchy(t, loss, y, x, lambda a: log_of_sum(t, a), False),
                BinaryCrossEntropyWithLogits: logits_as_sum,
                FocalWithLogits: focal_as_sum,
            }
        ),
    ),
    _defect(
        "loses the tail of log-softmax",
        "subtracts the largest logit before it adds the tail: value and gradient are 0 where the tail is below eps",
        "torch cross_entropy, scipy log_softmax, jax log_softmax",
        formula({CrossEntropy: lost_tail}),
    ),
    _defect(
        "log of a softmax",
        "takes the logarithm of a softmax, which may be 0",
        "onnx.reference SoftmaxCrossEntropyLoss",
        formula({CrossEntropy: log_of_softmax}),
    ),
    _defect(
        "log of a softmax without shift",
        "takes the logarithm of a softmax whose exponentials overflow",
        "",
        formula({CrossEntropy: log_of_bare_softmax}),
    ),
    _defect("log Σ exp without shift", "adds up exponentials that overflow", "", formula({CrossEntropy: bare_log_sum})),
    _defect(
        "squares before dividing",
        "squares the residual before it divides by the scale, which overflows or vanishes",
        "SciPy least_squares",
        formula({Cauchy: lambda t, loss, y, x: cauchy(t, loss, y, x, t.log1p, True)}),
    ),
    _defect(
        "the square overflows",
        "squares r/delta, which overflows though its logarithm does not",
        "",
        formula({Cauchy: lambda t, loss, y, x: cauchy(t, loss, y, x, t.log1p, False)}),
    ),
    _gradient(
        "differentiates both branches",
        "differentiates both branches and multiplies one by 0: at ∞ the gradient is not a number",
        "torch.where, jnp.where",
        formula({Huber: both_branches}),
    ),
    _gradient(
        "splits the residual",
        "differentiates min(|r|, delta) and the rest of |r| apart: their slopes cancel where r is small",
        "optax huber_loss",
        formula({Huber: split_residual}),
    ),
    _defect(
        "root of a square",
        "takes the root of a square, which overflows or vanishes, and has no derivative at 0",
        "",
        formula({MeanAbsoluteError: root_of_square}),
    ),
    _defect(
        "squares before it scales",
        "squares the residual before it is scaled, which overflows though the scaled square does not",
        "optax.l2_loss, scipy least_squares",
        only_scaled(formula({MeanSquaredError: square_first})),
    ),
    _defect(
        "expands the square",
        "takes yhat² − 2 yhat y + y², which cancels",
        "distances by matrix products",
        formula({MeanSquaredError: expanded_square}),
    ),
    _defect(
        "0/0 for nothing",
        "divides 0 by 0 where nothing is there and nothing is predicted",
        "",
        nothing_by_nothing,
        scarce=True,
    ),
    _defect(
        "1 less the score",
        "subtracts the score from 1, which leaves no digit of a nearly perfect overlap and is 0/0 for nothing",
        "keras Dice, optax dice_loss",
        formula({Dice: overlap, IoU: overlap, GeneralizedDice: generalized(lambda v: 1 / v**2)}),
    ),
)

HYPOTHESES: tuple[Hypothesis, ...] = (
    *FACTORS,
    *GRADIENTS,
    *DIVISORS,
    *TARGETS,
    *PARAMETERS,
    *OTHER_LOSSES,
    *EDGES,
    *DEFECTS,
)
