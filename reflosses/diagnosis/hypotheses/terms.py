"""One term of a cross-entropy is wrong: its weight, its logarithm, or its factor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import alone, divisor, joined, only_for, only_if, taking_part, weights, with_yhat
from reflosses.diagnosis.formulas import (
    class_probability,
    faded,
    formula,
    log1p_of_rest,
    mixed,
    of_logs,
    probability,
    softplus,
    stable,
    target_rows,
)
from reflosses.diagnosis.model import Change, Family, Model, Question, one_hot
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Floats
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits

FAMILY = Family()

BINARY = (BinaryCrossEntropy, BinaryCrossEntropyWithLogits)


def nothing(t: Tape, p: Node) -> Node:
    """No term."""
    return 0.0 * p


TERMS: tuple[tuple[str, str, Callable[[Tape, Node], Node], Callable[[Tape, Node], Node]], ...] = (
    ("no term of the label 0", "leaves the term of the label 0 out, (1 − y) log(1 − p)", Tape.log, nothing),
    ("no term of the label 1", "leaves the term of the label 1 out, y log p", nothing, log1p_of_rest),
    ("log of 1 + p", "takes log(1 + p) for log(1 − p)", Tape.log, lambda t, p: t.log1p(p)),
    ("no logarithm of p", "takes p for log p", lambda t, p: p, log1p_of_rest),
    ("no logarithm of 1 − p", "takes 1 − p for log(1 − p)", Tape.log, lambda t, p: 1 - p),
)
for name, says, log_p, log_q in TERMS:
    FAMILY.convention(name, says=says, change=only_for(BINARY, formula(of_logs(log_p, log_q, chosen=True))))


def same_logarithm(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """−y log p − (1 − y) log p; a term with the factor 0 is left out."""
    p = probability(t, loss, x)
    return mixed(loss, y, -t.log(t.where(y == 0, 1.0, p)), -t.log(t.where(y == 1, 1.0, p)))


FAMILY.convention(
    "log p in both terms",
    says="takes log p in both terms, where the label 0 is due log(1 − p)",
    change=only_for(BINARY, formula(dict.fromkeys(BINARY, same_logarithm))),
)


def weighed_terms(weigh: Callable[[Floats, Any], tuple[Any, Any]]) -> Change:
    """Other weights of the two terms; weigh: the weights of the losses and the targets → those of both terms."""

    def change(q: Question, model: Model) -> Answer | None:
        if not isinstance(q.loss, BINARY) or q.weight is None:
            return None
        y = np.asarray(q.y, np.float64)
        zero, one = (alone(replace(q, y=np.full(q.yhat.shape, t)), model) for t in (0.0, 1.0))
        a, b = weigh(q.weight, y)
        assert zero.value is not None
        assert zero.grad is not None
        assert one.value is not None
        assert one.grad is not None
        value = a * y * one.value + b * (1 - y) * zero.value
        return joined(q, Answer(value, a * y * one.grad + b * (1 - y) * zero.grad), divisor(q), np.ones(value.shape))

    return change


FAMILY.convention(
    "weights on the term of the label 1",
    says="multiplies only the term of the label 1 by the weights",
    seen_in="weights inside the sum of the two terms",
    change=weighed_terms(lambda w, y: (w, 1.0)),
)
FAMILY.convention(
    "weights on the term of the label 0",
    says="multiplies only the term of the label 0 by the weights",
    change=weighed_terms(lambda w, y: (1.0, w)),
)


def whole_weighed(q: Question, model: Model) -> Answer | None:
    """1 + (pos_weight − 1) y times the loss. It is the same for hard labels."""
    given = getattr(q.loss, "pos_weight", None)
    if given is None:
        return None
    k = 1 + (np.asarray(given) - 1) * np.asarray(q.y, np.float64)
    return joined(q, alone(q.of(pos_weight=None), model), divisor(q), weights(q) * k)


FAMILY.convention(
    "pos_weight on the whole loss",
    says="multiplies the whole loss by 1 + (pos_weight − 1) y, which is another one for soft labels",
    change=whole_weighed,
)


def of_rows(rows: Callable[[Floats, float], Floats]) -> Change:
    """Cross-entropy of other class rows, whatever they add up to; rows: class rows and label smoothing → other rows."""

    def change(q: Question, model: Model) -> Answer | None:
        loss: Any = q.loss
        if not isinstance(loss, CrossEntropy) or loss.class_weight is not None or q.yhat.ndim != 2:
            return None
        given = np.asarray(q.y, np.float64)
        if given.ndim != 2:
            given = one_hot(np.where(taking_part(q) == 0, 0, q.y).astype(np.intp), q.yhat.shape[1])
        row = rows(given, loss.label_smoothing)
        most = max(1.0, float(row.max(initial=0.0)))  # our own loss takes numbers up to 1
        each = alone(replace(q.of(label_smoothing=0.0, ignore_index=None), y=row / most), model)
        assert each.value is not None
        assert each.grad is not None
        return joined(q, Answer(each.value * most, each.grad * most), divisor(q))

    return change


def smoothed_rows(rows: Callable[[Floats, float], Floats]) -> Change:
    """Another smoothing of class rows, in a loss that smooths."""
    change = of_rows(rows)
    return lambda q, model: change(q, model) if getattr(q.loss, "label_smoothing", 0.0) else None


FAMILY.convention(
    "smoothing not divided by the classes",
    says="adds the smoothing to each class, not its share, so that targets add up to more than one",
    change=smoothed_rows(lambda row, s: row * (1 - s) + s),
)
FAMILY.convention(
    "smoothing added only",
    says="adds the smoothing and leaves the true class as it is, so that targets add up to more than one",
    change=smoothed_rows(lambda row, s: row + s / row.shape[1]),
)
FAMILY.convention(
    "smoothing taken off only",
    says="takes the smoothing off the true class and gives it to no other, so that targets add up to less than one",
    change=smoothed_rows(lambda row, s: row * (1 - s)),
)
FAMILY.convention(
    "smoothing over the others, and the true class",
    says="gives smoothing/(C − 1) to all classes, the true one too, so that targets add up to more than one",
    change=smoothed_rows(lambda row, s: row * (1 - s) + s / max(1, row.shape[1] - 1)),
)


def _sums_differ(q: Question) -> bool:
    """Whether there are class rows that do not sum to one."""
    loss: Any = q.loss
    if not isinstance(loss, CrossEntropy) or np.shape(q.y) != q.yhat.shape:
        return False
    return loss.class_weight is None and bool((np.abs(np.sum(q.y, axis=loss.axis) - 1) > q.form.eps).any())


def softmax_less_row(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
    """Our own value with the slope p − y, whatever a row adds up to."""
    slope = t.rounded(class_probability(t, loss, x).value - target_rows(loss, y, x))
    return stable(t, loss, y, x), np.asarray(slope, np.float64)


FAMILY.defect(
    "rows taken to sum to one",
    says="takes softmax − y for its gradient, where the targets of a row do not sum to one: Σy softmax − y is due",
    seen_in="TensorFlow softmax_cross_entropy_with_logits",
    about="gradient",
    change=only_if(_sums_differ, formula({CrossEntropy: softmax_less_row})),
)


def class_weights_on_logits(q: Question, model: Model) -> Answer | None:
    """The softmax of class weight times logit."""
    loss: Any = q.loss
    if not isinstance(loss, CrossEntropy) or loss.class_weight is None:
        return None
    shape = [1] * q.yhat.ndim
    shape[loss.axis] = -1
    w = np.asarray(loss.class_weight, np.float64).reshape(shape)
    plain = q.of(class_weight=None, reduction="mean" if loss.reduction == "weighted_mean" else loss.reduction)
    return with_yhat(lambda z, axis: z * w, lambda z, g, axis: g * w)(plain, model)


FAMILY.convention(
    "class weights on the logits",
    says="multiplies the logits, not the losses, by the class weights",
    change=class_weights_on_logits,
)


def focal_of_the_mean(q: Question, model: Model) -> Answer | None:
    """(1 − e^−m)^γ m of the mean m of the cross-entropies, which are not faded one by one."""
    loss: Any = q.loss
    if not isinstance(loss, Focal | FocalWithLogits) or loss.reduction not in ("mean", "weighted_mean"):
        return None
    plain = BinaryCrossEntropy if isinstance(loss, Focal) else BinaryCrossEntropyWithLogits
    mean = model(replace(q, loss=plain(reduction="mean"), factor=1.0))
    if mean.value is None or mean.grad is None:
        return None
    m, k = mean.value, q.factor * (1.0 if loss.alpha is None else loss.alpha)
    rest = -np.expm1(-m)
    slope = rest**loss.gamma + loss.gamma * rest ** (loss.gamma - 1) * np.exp(-m) * m
    return Answer(k * rest**loss.gamma * m, k * slope * mean.grad)


FAMILY.convention(
    "focal factor of the batch mean",
    says="works 1 − p_t out of the mean of the batch, not loss by loss: every loss gets the same focal factor",
    seen_in="focal losses around a reduced cross-entropy, pt = exp(−ce)",
    change=focal_of_the_mean,
)


def faded_by_rest(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """(1 − p)^γ for both labels."""
    if isinstance(loss, FocalWithLogits):
        return faded(t, loss, y, softplus(t, np.where(y == 1, -1, 1) * x), t.sigmoid(-x))
    p = probability(t, loss, x)
    return faded(t, loss, y, t.where(y == 1, -t.log(p), -t.log1p(-p)), 1 - p)


FAMILY.convention(
    "(1 − p)^γ for both labels",
    says="takes (1 − p)^gamma for both labels, where the label 0 is due p^gamma",
    change=formula({Focal: faded_by_rest, FocalWithLogits: faded_by_rest}),
)
