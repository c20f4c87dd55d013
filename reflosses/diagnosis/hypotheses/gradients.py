"""The value is right, and the gradient is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import count, divisor, multiplied
from reflosses.diagnosis.formulas import formula, stable, target_rows
from reflosses.diagnosis.model import Change, Family, Model, Question
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cauchy import Cauchy
from reflosses.losses.dice import Dice
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.huber import Huber
from reflosses.losses.iou import IoU
from reflosses.losses.mean_squared_error import MeanSquaredError
from reflosses.losses.sparse_categorical_cross_entropy import SparseCategoricalCrossEntropy

FAMILY = Family()

FAMILY.defect(
    "gradient halved",
    says="halves the gradient, but not the value",
    seen_in="a square of which one factor is detached",
    about="gradient",
    change=multiplied(1, 0.5),
)
FAMILY.defect(
    "gradient doubled", says="doubles the gradient, but not the value", about="gradient", change=multiplied(1, 2)
)
FAMILY.defect(
    "gradient of the opposite sign",
    says="gives the gradient the opposite sign, but not the value: it is that by y, where the loss is one of yhat − y",
    about="gradient",
    change=multiplied(1, -1),
)


def by_target(q: Question, model: Model) -> Answer | None:
    """The value, and the derivative by the target."""
    if isinstance(q.loss.domain.y, Classes):
        return None
    return Answer(model(q).value, model(replace(q, y=q.yhat, yhat=np.asarray(q.y))).grad)


FAMILY.defect(
    "gradient by y",
    says="takes the derivative by the target for that by the prediction",
    about="gradient",
    change=by_target,
)
FAMILY.defect(
    "gradient 0",
    says="has no gradient beside its value: it is 0 everywhere, as of a detached value",
    about="gradient",
    change=multiplied(1, 0),
)


def summed_gradient(q: Question, model: Model) -> Answer | None:
    """The value of the mean, and the gradient of the sum."""
    return multiplied(1, divisor(q))(q, model) if q.loss.reduction in ("mean", "weighted_mean") else None


FAMILY.defect(
    "gradient of the sum",
    says="has the value of the mean and the gradient of the sum",
    about="gradient",
    change=summed_gradient,
)


def averaged_gradient(q: Question, model: Model) -> Answer | None:
    """The value of the sum, or of each loss, and the gradient of the mean."""
    return multiplied(1, 1 / max(1, count(q)))(q, model) if q.loss.reduction in ("sum", "none") else None


FAMILY.defect(
    "gradient of the mean",
    says="has the gradient of the mean, not that of its value",
    about="gradient",
    change=averaged_gradient,
)


def unweighted_gradient(q: Question, model: Model) -> Answer | None:
    """The value with the weights, and the gradient without them."""
    return None if q.weight is None else Answer(model(q).value, model(replace(q, weight=None)).grad)


FAMILY.defect(
    "gradient without weights",
    says="leaves the weights out of the gradient",
    about="gradient",
    change=unweighted_gradient,
)


def by_logit(q: Question, model: Model) -> Answer | None:
    """The gradient times p (1 − p)."""
    answer = model(q)
    if not isinstance(q.loss, BinaryCrossEntropy | Focal) or answer.grad is None:
        return None
    return Answer(answer.value, answer.grad * q.yhat * (1 - q.yhat))


FAMILY.defect(
    "gradient by the logit",
    says="gives the derivative by the logit, p (1 − p) times that by the probability",
    seen_in="p − y for the slope of a loss of probabilities",
    about="gradient",
    change=by_logit,
)


def by_probability(q: Question, model: Model) -> Answer | None:
    """The gradient over p (1 − p)."""
    answer = model(q)
    if not isinstance(q.loss, BinaryCrossEntropyWithLogits | FocalWithLogits) or answer.grad is None:
        return None
    return Answer(answer.value, answer.grad / (scipy.special.expit(q.yhat) * scipy.special.expit(-q.yhat)))


FAMILY.defect(
    "gradient by the probability",
    says="gives the derivative by the probability σ(z), without the factor σ(z) (1 − σ(z)) of the logit",
    about="gradient",
    change=by_probability,
)


TINY = 2.0**-20  # a residual whose weight is that of 0, times the scale of the loss


def weight_of_residual(q: Question, model: Model) -> Answer | None:
    """The value, and the gradient over the residual."""
    if not isinstance(q.loss, Huber | Cauchy | MeanSquaredError) or q.loss.layout.groups:
        return None
    r = q.yhat - q.y
    r = np.where(r == 0, TINY * getattr(q.loss, "delta", 1.0), r)
    slope = model(replace(q, y=np.zeros_like(r), yhat=r)).grad
    return None if slope is None else Answer(model(q).value, slope / r)


FAMILY.defect(
    "weight for the gradient",
    says="gives the weight of a residual for the gradient, which is the weight times the residual",
    seen_in="GTSAM weight(r), ρ′(s) of Ceres and g2o",
    seen_of=("Huber", "Cauchy", "MeanSquaredError"),
    about="gradient",
    change=weight_of_residual,
)


def own_value(*losses: type[Loss], slopes: Callable[[Any, Floats, Floats], Floats]) -> Change:
    """Our own value, with other slopes: those of a loss, targets and predictions, one loss a row."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
        return t.sum(x), slopes(loss, y, x.value)  # only the slopes are used

    wrong = formula(dict.fromkeys(losses, write))

    def change(q: Question, model: Model) -> Answer | None:
        found = wrong(q, model)
        return None if found is None else Answer(model(q).value, found.grad)

    return change


def over_fixed_denominator(loss: Any, y: Floats, p: Floats) -> Floats:
    """−2t/(P + T + b) for Dice, −t/(P + T − I + b) for IoU."""
    whole = (p + y).sum(axis=1, keepdims=True) + loss.smooth_dr
    if isinstance(loss, IoU):
        return np.asarray(-y / (whole - (p * y).sum(axis=1, keepdims=True)))
    return np.asarray(-2 * y / whole)


FAMILY.defect(
    "denominator without a slope",
    says="holds the denominator of the score constant in its gradient",
    seen_in="code that detaches the denominator",
    about="gradient",
    change=own_value(Dice, IoU, slopes=over_fixed_denominator),
)


def without_the_two(loss: Any, y: Floats, p: Floats) -> Floats:
    """(D − t)/(P + T + b), where D − 2t is due."""
    whole = (p + y).sum(axis=1, keepdims=True) + loss.smooth_dr
    score = (2 * (p * y).sum(axis=1, keepdims=True) + loss.smooth_nr) / whole
    return np.asarray((score - y) / whole)


FAMILY.defect(
    "t for 2t",
    says="leaves out the 2 of D − 2t in its gradient",
    about="gradient",
    change=own_value(Dice, slopes=without_the_two),
)


def less_one_hot(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
    """Our own value with the slope p − y, as for a softmax."""
    return stable(t, loss, y, x), np.asarray(t.rounded(x.value - target_rows(loss, y, x)), np.float64)


FAMILY.defect(
    "gradient as for logits",
    says="gives p − y for its gradient, the derivative by the logits of a softmax",
    about="gradient",
    change=formula({SparseCategoricalCrossEntropy: less_one_hot}),
)
