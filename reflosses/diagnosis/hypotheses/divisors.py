"""The losses are weighed, added up or divided in another way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import alone, count, divisor, joined, only_for, taking_part, total_weight, weights
from reflosses.diagnosis.model import Change, Family, Model, Question
from reflosses.evaluation.domain import Floats
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits

FAMILY = Family()


def divides_by(rule: Callable[[Question], float], sums: bool = True) -> Change:
    """The losses, summed (if `sums`) and divided by another number."""

    def change(q: Question, model: Model) -> Answer | None:
        if q.loss.reads_all_predictions and q.weight is not None:
            return None
        return joined(q, alone(q, model), rule(q), reduce=sums)

    return change


FAMILY.convention(
    "sums",
    says="adds the losses up",
    seen_in="keras reduction='sum', XGBoost's and LightGBM's objectives",
    change=divides_by(lambda q: 1.0),
)
FAMILY.convention(
    "averages", says="averages the losses", seen_in="torch, keras and sklearn by default", change=divides_by(count)
)
FAMILY.convention(
    "divides by the weights",
    says="divides by the sum of the weights, not by the number of losses",
    seen_in="torch mse_loss, l1_loss, cross_entropy and nll_loss, sklearn metrics",
    seen_of=("MeanSquaredError", "MeanAbsoluteError", "CrossEntropy", "NegativeLogLikelihood"),
    change=divides_by(total_weight),
)
FAMILY.convention(
    "does not reduce",
    says="returns one loss each, not one number",
    seen_in="optax, kornia",
    change=divides_by(lambda q: 1.0, sums=False),
)
FAMILY.convention(
    "divides by all",
    says="counts ignored losses in the divisor",
    seen_in="SMP SoftCrossEntropyLoss",
    change=divides_by(lambda q: float(taking_part(q).size)),
)
FAMILY.convention(
    "divides by the weights above 0",
    says="divides by the number of weights that are not 0",
    seen_in="TensorFlow 1's SUM_BY_NONZERO_WEIGHTS",
    change=divides_by(lambda q: float((weights(q) > 0).sum())),
)
FAMILY.convention(
    "divides by the batch",
    says="divides by the length of the first axis",
    seen_in="torch reduction='batchmean'",
    change=divides_by(lambda q: float(q.yhat.shape[0])),
)
FAMILY.convention(
    "divides by the positives",
    says="divides by the number of positive targets",
    seen_in="RetinaNet's focal loss, SMP FocalLoss(normalized=True)",
    change=only_for((Focal, FocalWithLogits), divides_by(lambda q: max(1.0, float((np.asarray(q.y) == 1).sum())))),
)


def row_means(q: Question, model: Model) -> Answer | None:
    """The mean of the last axis first. A whole row then has one weight, the mean of its weights."""
    if q.yhat.ndim < 1 or q.loss.layout.groups or q.loss.reads_all_predictions:
        return None
    if q.weight is not None:
        if q.yhat.ndim < 2 or q.loss.reduction == "none":
            return None
        w = np.broadcast_to(q.weight.mean(axis=-1, keepdims=True), q.weight.shape)
        return joined(q, alone(q, model), divisor(q), w)
    each = alone(q, model)
    assert each.value is not None
    assert each.grad is not None
    width = q.yhat.shape[-1]
    rows = (each.value / width).sum(axis=-1)
    if q.loss.reduction == "none":
        return Answer(rows, each.grad / width)
    over = 1.0 if q.loss.reduction == "sum" else rows.size
    return Answer(np.asarray((rows / over).sum()), each.grad / width / over)


FAMILY.convention(
    "averages the last axis first",
    says="averages along the last axis, and then reduces what is left",
    seen_in="keras.losses",
    change=row_means,
)


def weighs(rule: Callable[[Question], Floats | None]) -> Change:
    """Other weights, in a call that has weights."""

    def change(q: Question, model: Model) -> Answer | None:
        return None if q.weight is None else model(replace(q, weight=rule(q)))

    return change


FAMILY.convention("ignores the weights", says="leaves the weights out", change=weighs(lambda q: None))
FAMILY.convention(
    "squares the weights",
    says="squares the weights, as where the residual is weighed",
    change=weighs(lambda q: None if q.weight is None else q.weight**2),
)


def zero_for_nothing(q: Question, model: Model) -> Answer | None:
    """The mean over no loss is 0."""
    answer = model(q)
    if q.loss.reduction in ("sum", "none") or divisor(q):
        return answer
    return Answer(np.zeros(()), answer.grad)


FAMILY.convention(
    "returns 0 for nothing",
    says="gives 0 for the mean over nothing, where ours is not a number",
    seen_in="Paddle cross_entropy, keras",
    scarce=True,
    change=zero_for_nothing,
)


def with_value(f: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Change:
    """A function of the reduced value; slope: its derivative."""

    def change(q: Question, model: Model) -> Answer | None:
        answer = model(q)
        if answer.value is None or answer.grad is None or answer.value.ndim:
            return None
        return Answer(np.asarray(f(answer.value)), answer.grad * slope(answer.value))

    return change


FAMILY.convention(
    "root of the mean",
    says="takes the square root of the mean",
    seen_in="sklearn root_mean_squared_error, MindSpore RMSELoss",
    seen_of=("MeanSquaredError",),
    change=with_value(np.sqrt, lambda v: 0.5 / np.sqrt(v)),
)
