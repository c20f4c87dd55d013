"""A parameter of the loss has another value, or another meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import (
    alone,
    another,
    divisor,
    joined,
    only_for,
    parameter_on_all,
    weights,
    with_parameters,
)
from reflosses.diagnosis.formulas import Formula, faded, formula, probability, softplus
from reflosses.diagnosis.model import Change, Family, Model, Question
from reflosses.diagnosis.tape import Node, Tape
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.weighted_cross_entropy import WeightedCrossEntropy

FAMILY = Family()

FAMILY.convention(
    "ignores alpha",
    says="leaves alpha out",
    seen_in="keras BinaryFocalCrossentropy without apply_class_balancing",
    change=with_parameters(alpha=lambda a: None),
)
FAMILY.convention(
    "swaps alpha",
    says="gives alpha to the label 0 and 1 − alpha to the label 1",
    change=with_parameters(alpha=lambda a: 1 - a),
)
FAMILY.convention(
    "alpha on all",
    says="multiplies all losses by alpha",
    seen_in="keras CategoricalFocalCrossentropy",
    change=parameter_on_all("alpha"),
)


def alpha_on_positives(q: Question, model: Model) -> Answer | None:
    """Losses of the label 1 times alpha, losses of the label 0 unchanged."""
    alpha = getattr(q.loss, "alpha", None)
    if alpha is None:
        return None
    each = alone(q.of(alpha=None), model)
    return joined(q, each, divisor(q), weights(q) * np.where(np.asarray(q.y) == 1, alpha, 1.0))


FAMILY.convention(
    "alpha on the positives",
    says="multiplies the losses of the label 1 by alpha, and those of the label 0 by 1",
    change=alpha_on_positives,
)


def held_factor(rounded: bool) -> Formula:
    """A focal factor that is not differentiated; rounded: 1 − p_t is worked out from a rounded p_t."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        p = probability(t, loss, x)
        p_t = t.where(y == 1, p, 1 - p)
        if isinstance(loss, FocalWithLogits):
            z = np.where(y == 1, -1, 1) * x
            nats, base = softplus(t, z), t.sigmoid(z)
        else:
            one, zero = t.where(y == 1, x, 1.0), t.where(y == 1, 0.0, x)
            nats, base = -t.log(one) - t.log1p(-zero), t.where(y == 1, 1 - x, x)
        return faded(t, loss, y, nats, t.node((1 - p_t if rounded else base).value))

    return write


FAMILY.convention(
    "holds the factor constant",
    says="does not differentiate the focal factor (1 − p_t)^γ",
    seen_in="factors that are detached",
    about="gradient",
    change=formula({Focal: held_factor(False), FocalWithLogits: held_factor(False)}),
)
FAMILY.convention(
    "holds the factor constant, of a rounded p_t",
    says="does not differentiate the focal factor (1 − p_t)^γ, and takes 1 − p_t of a p_t that is rounded already",
    seen_in="factors that are detached",
    about="gradient",
    change=formula({Focal: held_factor(True), FocalWithLogits: held_factor(True)}),
)
FAMILY.convention("ignores gamma", says="leaves gamma out", change=with_parameters(gamma=lambda g: 0.0))
FAMILY.convention(
    "gamma one too large", says="takes gamma + 1 for gamma", change=with_parameters(gamma=lambda g: g + 1)
)
FAMILY.convention(
    "gamma one too small", says="takes gamma − 1 for gamma", change=with_parameters(gamma=lambda g: g - 1)
)
FAMILY.convention(
    "squares the scale",
    says="takes the square of delta for delta",
    seen_in="Ceres and g2o kernels whose scale is that of r²",
    change=with_parameters(delta=lambda d: d * d),
)
FAMILY.convention(
    "takes the root of the scale",
    says="takes the root of delta for delta",
    seen_in="Ceres and g2o kernels whose scale is that of r²",
    change=with_parameters(delta=lambda d: d**0.5),
)
FAMILY.convention(
    "ignores the scale",
    says="takes 1 for delta",
    seen_in="kornia cauchy_loss",
    seen_of=("Cauchy",),
    change=with_parameters(delta=lambda d: 1.0),
)
FAMILY.convention(
    "holds the weight constant",
    says="does not differentiate the weight",
    change=with_parameters(weight_grad=lambda w: "stop"),
)
FAMILY.convention(
    "differentiates the weight",
    says="differentiates the weight too",
    change=with_parameters(weight_grad=lambda w: "full"),
)


def sudre_weight(of: Callable[[Question], float]) -> Change:
    """Another weight of the foreground, made from the call and not differentiated."""

    def change(q: Question, model: Model) -> Answer | None:
        if not isinstance(q.loss, WeightedCrossEntropy) or q.loss.weight != "sudre":
            return None
        return model(q.of(weight=of(q)))

    return change


FAMILY.convention(
    "weight of the targets",
    says="works the weight of the foreground out of the targets, not of the predictions",
    change=sudre_weight(lambda q: float((q.yhat.size - np.sum(q.y)) / np.sum(q.y))),
)
FAMILY.convention(
    "weight upside down",
    says="divides the foreground by the background in its weight, which is upside down",
    change=sudre_weight(lambda q: float(q.yhat.sum() / (q.yhat.size - q.yhat.sum()))),
)


FAMILY.convention(
    "integer division in the weight",
    says="divides with // in the weight of the foreground, which cuts it to a whole number",
    change=sudre_weight(lambda q: float((q.yhat.size - q.yhat.sum()) // q.yhat.sum())),
)
FAMILY.convention(
    "weight 1",
    says="leaves the weight of the foreground out",
    change=only_for((WeightedCrossEntropy,), another(lambda loss, q: replace(loss, weight=1.0))),
)
