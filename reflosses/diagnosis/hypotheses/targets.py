"""The targets are read or changed in another way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import (
    alone,
    another,
    classes,
    divisor,
    everything,
    joined,
    parameter_on_all,
    with_parameters,
)
from reflosses.diagnosis.formulas import formula, softplus
from reflosses.diagnosis.model import Change, Family, Model, Question
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.loss import Loss
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.hinge import Hinge

FAMILY = Family()


def arguments_swapped(q: Question, model: Model) -> Answer | None:
    """y and yhat swapped.

    A cross-entropy is linear in its label. A label of 0.3 gives 0.7 times the loss of the label 0 plus 0.3 times that
    of the label 1.
    """
    if not isinstance(q.loss, BinaryCrossEntropy | BinaryCrossEntropyWithLogits):
        return None
    zero, one = (alone(replace(q, y=np.full(q.yhat.shape, t), yhat=np.asarray(q.y)), model).value for t in (0.0, 1.0))
    assert zero is not None
    assert one is not None
    return joined(q, Answer(zero * (1 - q.yhat) + one * q.yhat, one - zero), divisor(q))


FAMILY.convention(
    "swaps y and yhat",
    says="takes the target for the prediction and the prediction for the target",
    change=arguments_swapped,
)


def swapped_throughout(q: Question, model: Model) -> Answer | None:
    """y and yhat swapped, and the gradient by the new prediction, which is y."""
    given = arguments_swapped(q, model)
    if given is None:
        return None
    slopes = [alone(replace(q, y=np.full(q.yhat.shape, t), yhat=np.asarray(q.y)), model).grad for t in (0.0, 1.0)]
    zero, one = (np.asarray(a) for a in slopes)
    return Answer(given.value, joined(q, Answer(zero, zero * (1 - q.yhat) + one * q.yhat), divisor(q)).grad)


FAMILY.convention(
    "swaps y and yhat, gradient too",
    says="takes the target for the prediction, and gives the derivative by it",
    about="gradient",
    change=swapped_throughout,
)


def not_ignoring(q: Question, model: Model) -> Answer | None:
    """The ignored index is a label like the others. A negative one is counted from the end."""
    ignore, y = getattr(q.loss, "ignore_index", None), np.asarray(q.y)
    if ignore is None or y.shape == q.yhat.shape or not -classes(q) <= ignore < classes(q):
        return None
    return model(replace(q.of(ignore_index=None), y=np.where(y < 0, y + classes(q), y)))


FAMILY.convention(
    "does not ignore",
    says="takes the index to be ignored as a class, counted from the end",
    seen_in="onnx.reference NegativeLogLikelihoodLoss",
    seen_of=("NegativeLogLikelihood",),
    change=not_ignoring,
)


FAMILY.convention(
    "ignores the class weights",
    says="leaves the class weights out",
    change=with_parameters(class_weight=lambda w: None),
)
FAMILY.convention(
    "class weights with mean 1",
    says="scales the class weights to a mean of 1",
    seen_in="sklearn class_weight='balanced', optax",
    seen_of=("CrossEntropy",),
    change=with_parameters(class_weight=lambda w: w / w.mean()),
)
FAMILY.convention(
    "class weights with sum 1",
    says="scales the class weights to a sum of 1",
    change=with_parameters(class_weight=lambda w: w / w.sum()),
)
FAMILY.convention(
    "ignores pos_weight",
    says="leaves pos_weight out",
    seen_in="keras BinaryCrossentropy",
    change=with_parameters(pos_weight=lambda w: None),
)
FAMILY.convention(
    "pos_weight on all", says="multiplies both terms by pos_weight", change=parameter_on_all("pos_weight")
)


def positive_weight_on_negatives(q: Question, model: Model) -> Answer | None:
    """pos_weight on the term of the label 0: w times the loss with pos_weight 1/w."""
    given = getattr(q.loss, "pos_weight", None)
    if not isinstance(given, float) or not given:
        return None
    return everything(given)(q, lambda q: model(q.of(pos_weight=1 / given)))


FAMILY.convention(
    "pos_weight on the negatives",
    says="multiplies the term of the label 0, not that of the label 1, by pos_weight",
    change=positive_weight_on_negatives,
)


def labels_smoothed(amount: float) -> Change:
    """Labels smoothed by s: y (1 − s) + s/2 of binary ones, s/C for each of C classes."""

    def change(q: Question, model: Model) -> Answer | None:
        if isinstance(q.loss, BinaryCrossEntropy | BinaryCrossEntropyWithLogits):
            return model(replace(q, y=np.asarray(q.y) * (1 - amount) + amount / 2))
        if isinstance(q.loss, CrossEntropy) and not q.loss.label_smoothing:
            return model(q.of(label_smoothing=amount))
        return None

    return change


for amount in ("0.1", "0.05", "0.2", "0.01"):
    FAMILY.convention(
        f"smooths labels by {amount}",
        says=f"smooths the labels by {amount}, where no smoothing is due",
        seen_in="keras BinaryCrossentropy(label_smoothing=0.1)" if amount == "0.1" else "",
        seen_of=("BinaryCrossEntropy", "BinaryCrossEntropyWithLogits"),
        change=labels_smoothed(float(amount)),
    )


def with_label_smoothing(change: Callable[[float, int], float]) -> Change:
    """Another label smoothing; change: the smoothing and the number of classes → the other smoothing."""

    def make(loss: Any, q: Question) -> Loss | None:
        if not getattr(loss, "label_smoothing", 0.0):
            return None
        return replace(loss, label_smoothing=min(1.0, change(loss.label_smoothing, classes(q))))

    return another(make)


FAMILY.convention(
    "no label smoothing", says="does not smooth the labels", change=with_label_smoothing(lambda e, n: 0.0)
)
FAMILY.convention(
    "smooths half as much",
    says="smooths the labels half as much",
    seen_in="keras BinaryCrossentropy against SMP SoftBCEWithLogitsLoss",
    change=with_label_smoothing(lambda e, n: e / 2),
)
FAMILY.convention(
    "smooths twice as much",
    says="smooths the labels twice as much",
    seen_in="SMP SoftBCEWithLogitsLoss against keras BinaryCrossentropy",
    change=with_label_smoothing(lambda e, n: 2 * e),
)
FAMILY.convention(
    "smooths over the other classes",
    says="spreads the smoothing over the C − 1 other classes",
    seen_in="ESPnet, icefall",
    change=with_label_smoothing(lambda e, n: e * n / (n - 1)),
)


def with_y(make: Callable[[Question], Any]) -> Change:
    """Other targets, made from the question."""

    def change(q: Question, model: Model) -> Answer | None:
        y = make(q)
        return None if y is None else model(replace(q, y=y))

    return change


FAMILY.convention(
    "truncates soft labels",
    says="makes integers of soft labels by cutting them off",
    seen_in="casts to an integer dtype",
    change=with_y(lambda q: np.floor(q.y) if np.asarray(q.y).dtype.kind == "f" else None),
)
FAMILY.convention(
    "rounds soft labels",
    says="rounds soft labels to 0 and 1",
    change=with_y(lambda q: np.floor(q.y + 0.5) if np.asarray(q.y).dtype.kind == "f" else None),
)
FAMILY.convention(
    "takes the largest target",
    says="takes the class with the largest target for the only one",
    change=with_y(
        lambda q: (
            np.argmax(q.y, axis=q.loss.axis)
            if isinstance(q.loss, CrossEntropy) and np.shape(q.y) == q.yhat.shape
            else q.y
        )
    ),
)


def hinge_of_zero_one(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """max(0, 1 − (2y − 1) yhat)."""
    gap = 1 - (2 * y - 1) * x
    return t.where(gap.value > 0, gap, 0.0)


FAMILY.convention(
    "labels 0 and 1",
    says="expects the labels 0 and 1 and maps y to 2y − 1",
    seen_in="XGBoost, keras Hinge on batches of 0 and 1",
    change=formula({Hinge: hinge_of_zero_one}),
)


def softplus_of_margin(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """log(1 + e^(−y yhat))."""
    return softplus(t, -(y * x))


FAMILY.convention(
    "labels −1 and 1",
    says="expects the labels −1 and 1",
    seen_in="torch soft_margin_loss",
    change=formula({BinaryCrossEntropyWithLogits: softplus_of_margin}),
)
