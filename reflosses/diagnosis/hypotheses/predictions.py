"""The predictions are taken for something else, such as probabilities for logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import another, divisor, joined, only_for, sigmoid_back, taking_part, with_yhat
from reflosses.diagnosis.formulas import formula, log1p_of_rest, of_logs, picked, surprise
from reflosses.diagnosis.model import Family, Model, Question, one_hot
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.negative_log_likelihood import NegativeLogLikelihood
from reflosses.losses.sparse_categorical_cross_entropy import SparseCategoricalCrossEntropy

FAMILY = Family()

LOGS_OF_LOGITS = of_logs(Tape.log, log1p_of_rest, read=lambda t, loss, x: x)  # logits are taken for probabilities

FAMILY.convention(
    "applies the sigmoid twice",
    says="takes the sigmoid of what is one already",
    seen_in="torch binary_cross_entropy_with_logits after a sigmoid",
    change=only_for(
        (BinaryCrossEntropyWithLogits, FocalWithLogits), with_yhat(lambda z, axis: scipy.special.expit(z), sigmoid_back)
    ),
)


def log_normalised(z: Floats, axis: int) -> Floats:
    """log softmax(z)."""
    top = z.max(axis=axis, keepdims=True)
    return np.asarray(z - top - np.log(np.sum(np.exp(z - top), axis=axis, keepdims=True)))


def log_normalised_back(z: Floats, g: Floats, axis: int) -> Floats:
    """The gradient by z from the gradient by log softmax(z)."""
    return np.asarray(g - scipy.special.softmax(z, axis=axis) * np.sum(g, axis=axis, keepdims=True))


def softmax_of_batch(q: Question, model: Model) -> Answer | None:
    """The softmax along the first axis, though the classes lie along the second."""
    loss: Any = q.loss
    if not isinstance(loss, CrossEntropy) or q.yhat.ndim != 2 or loss.class_weight is not None:
        return None
    part, n = taking_part(q), q.yhat.shape[1]
    row = q.y if np.ndim(q.y) == 2 else one_hot(np.where(part == 0, 0, q.y).astype(np.intp), n)
    row = row * (1 - loss.label_smoothing) + loss.label_smoothing / n
    logs = log_normalised(q.yhat, 0)
    outer = joined(q, Answer(-np.where(row == 0, 0.0, row * logs).sum(axis=1), -row), divisor(q))
    assert outer.grad is not None
    return Answer(outer.value, log_normalised_back(q.yhat, outer.grad, 0))


FAMILY.convention(
    "softmax along the batch",
    says="takes the softmax along the first axis, not along that of the classes",
    change=softmax_of_batch,
)


def softmax_back(z: Floats, g: Floats, axis: int) -> Floats:
    """The gradient by z from the gradient by softmax(z)."""
    p = scipy.special.softmax(z, axis=axis)
    return np.asarray(p * (g - np.sum(g * p, axis=axis, keepdims=True)))


FAMILY.convention(
    "applies the softmax twice",
    says="takes the softmax of what is one already",
    seen_in="torch cross_entropy after a softmax",
    change=only_for((CrossEntropy,), with_yhat(lambda z, axis: scipy.special.softmax(z, axis=axis), softmax_back)),
)


def as_logits(loss: Any, q: Question) -> Loss | None:
    """The same loss of logits."""
    if isinstance(loss, BinaryCrossEntropy):
        return BinaryCrossEntropyWithLogits(reduction=loss.reduction)
    if isinstance(loss, Focal):
        return FocalWithLogits(gamma=loss.gamma, alpha=loss.alpha, reduction=loss.reduction)
    if isinstance(loss, SparseCategoricalCrossEntropy):
        return CrossEntropy(axis=loss.axis, ignore_index=loss.ignore_index, reduction=loss.reduction)
    return None


FAMILY.convention(
    "takes probabilities for logits",
    says="takes the probabilities for logits",
    seen_in="SMP FocalLoss(from_logits=False)",
    seen_of=("Focal",),
    change=another(as_logits),
)


def log_of_logits(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """−log z of the true class."""
    return surprise(t, loss, y, x)


FAMILY.convention(
    "takes logits for probabilities",
    says="takes the logits for probabilities",
    seen_in="keras from_logits=False",
    change=formula(
        {
            BinaryCrossEntropyWithLogits: LOGS_OF_LOGITS[BinaryCrossEntropyWithLogits],
            FocalWithLogits: LOGS_OF_LOGITS[FocalWithLogits],
            CrossEntropy: log_of_logits,
        }
    ),
)


def plain_logits(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """−z of the true class."""
    return picked(t, loss, y, x, lambda a: -a)


FAMILY.convention(
    "takes logits for log-probabilities",
    says="takes the logits for log-probabilities",
    seen_in="torch nll_loss without log_softmax",
    change=formula({CrossEntropy: plain_logits}),
)
FAMILY.convention(
    "normalises log-probabilities",
    says="takes the log-softmax of what are log-probabilities already",
    change=only_for((NegativeLogLikelihood,), with_yhat(log_normalised, log_normalised_back)),
)


def normalised(p: Floats, axis: int) -> Floats:
    """p/Σp."""
    return np.asarray(p / p.sum(axis=axis, keepdims=True))


def normalised_back(p: Floats, g: Floats, axis: int) -> Floats:
    """The gradient by p from the gradient by p/Σp."""
    total = p.sum(axis=axis, keepdims=True)
    return np.asarray((g - np.sum(g * p / total, axis=axis, keepdims=True)) / total)


FAMILY.convention(
    "renormalises probabilities",
    says="divides the probabilities by their sum",
    seen_in="keras CategoricalCrossentropy, sklearn log_loss before 1.5",
    change=only_for((SparseCategoricalCrossEntropy,), with_yhat(normalised, normalised_back)),
)
