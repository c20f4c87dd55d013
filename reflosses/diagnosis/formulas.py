"""Formulas that people write, and their parts, worked out on a tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import divisor, joined, taking_part
from reflosses.diagnosis.model import Change, Model, Question, one_hot
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import per_loss, stack, unstack
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.iou import IoU

Formula = Callable[[Tape, Any, Any, Node], "Node | tuple[Node, Floats]"]


def formula(table: Mapping[type[Loss], Formula]) -> Change:
    """For each loss of a table, a formula of its own.

    A formula takes tape, loss, targets and predictions, with one loss a row. It returns the losses, or the losses and
    a gradient of its own.
    """

    def change(q: Question, model: Model) -> Answer | None:
        write = table.get(type(q.loss))
        if write is None or q.loss.reads_all_predictions:
            return None
        bound, part = q.bound, taking_part(q)
        y, yhat = stack(q.loss, np.where(part == 0, 0, q.y) if np.shape(q.y) == part.shape else q.y, q.yhat)
        tape = Tape(q.form)
        x = tape.node(yhat)
        with np.errstate(all="ignore"):
            found = write(tape, q.loss, y if y.ndim == 1 and yhat.ndim == 2 else tape.rounded(y), x)
            losses, slopes = found if isinstance(found, tuple) else (found, None)
            if q.factor != 1:
                losses = losses * q.factor
            slopes = tape.gradient(losses, x) if slopes is None else slopes * q.factor
        each = Answer(losses.value.astype(np.float64).reshape(bound.value_shape), bound.restore(slopes))
        return joined(q, each, divisor(q))

    return change


def stable(t: Tape, loss: Loss, y: Any, x: Node) -> Node:
    """Our own losses, with our own slopes."""
    loss = replace(loss, reduction="none")
    value, grad = loss.value_and_grad(*unstack(loss, y, np.asarray(x.value, np.float64)))
    slope = per_loss(loss, grad)
    return Node(t, np.reshape(value, -1), (x, lambda g: t.rounded(slope) * g.reshape(-1, *[1] * (slope.ndim - 1))))


# ---- binary cross-entropies and focal losses -------------------------------------------------------------------------


def softplus(t: Tape, z: Node) -> Node:
    """log(1 + e^z) and its slope σ(z), with every digit."""
    e = t.rounded(np.exp(-np.abs(z.value)))
    slope = np.where(z.value > 0, 1, e) / t.rounded(1 + e)
    return Node(t, np.maximum(z.value, 0) + t.rounded(np.log1p(e)), (z, lambda g: g * t.rounded(slope)))


def mixed(loss: Any, y: Any, nats_one: Node, nats_zero: Node) -> Node:
    """y times one and 1 − y times the other. A product 0 · ∞ is NaN."""
    weight = getattr(loss, "pos_weight", None)
    first = y * nats_one if weight is None else np.asarray(weight) * (y * nats_one)
    return first + (1 - y) * nats_zero


def faded(t: Tape, loss: Any, y: Any, nats: Node, base: Node) -> Node:
    """The focal loss α base^γ nats; base: 1 − p_t."""
    alpha = 1.0 if loss.alpha is None else np.where(y == 1, loss.alpha, 1 - loss.alpha)
    return t.rounded(alpha) * (t.power(base, loss.gamma) * nats)


def probability(t: Tape, loss: Loss, x: Node) -> Node:
    """The prediction, or the sigmoid of a logit."""
    return t.sigmoid(x) if isinstance(loss, FocalWithLogits | BinaryCrossEntropyWithLogits) else x


def of_logs(
    log_p: Callable[[Tape, Node], Node],
    log_q: Callable[[Tape, Node], Node],
    read: Callable[[Tape, Loss, Node], Node] = probability,
    chosen: bool = False,
) -> Mapping[type[Loss], Formula]:
    """Binary losses with other functions for log p and log(1 − p).

    read:    makes p of the prediction.
    chosen:  a term with the factor 0 is left out.
    """

    def nats(t: Tape, loss: Any, y: Any, p: Node) -> Node:
        one, zero = (t.where(y == 0, 1.0, p), t.where(y == 1, 0.0, p)) if chosen else (p, p)
        return mixed(loss, y, -log_p(t, one), -log_q(t, zero))

    def cross_entropy(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        return nats(t, loss, y, read(t, loss, x))

    def focal(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        p = read(t, loss, x)
        return faded(t, loss, y, nats(t, loss, y, p), t.where(y == 1, 1 - p, p))

    return {
        BinaryCrossEntropy: cross_entropy,
        BinaryCrossEntropyWithLogits: cross_entropy,
        Focal: focal,
        FocalWithLogits: focal,
    }


def log1p_of_rest(t: Tape, p: Node) -> Node:
    """log(1 − p), with every digit."""
    return t.log1p(-p)


# ---- rows of classes -------------------------------------------------------------------------------------------------


def target_rows(loss: Any, y: Any, x: Node) -> Any:
    """The class row of each target, smoothed and weighted, as numbers of the format."""
    count = x.value.shape[1]
    row = y if y.ndim == 2 else one_hot(y.astype(np.intp), count)
    amount = getattr(loss, "label_smoothing", 0.0)
    row = (1 - amount) * row + amount / count
    given = getattr(loss, "class_weight", None)
    return x.tape.rounded(row if given is None else row * given)


def picked(t: Tape, loss: Any, y: Any, a: Node, nats: Callable[[Node], Node]) -> Node:
    """The nats of the true class; for class rows and smoothed labels, the sum over all classes."""
    if y.ndim == 2 or getattr(loss, "label_smoothing", 0.0):
        return t.sum(target_rows(loss, y, a) * nats(a))
    index, given = y.astype(np.intp), getattr(loss, "class_weight", None)
    one = nats(t.pick(a, index))
    return one if given is None else given[index] * one


def surprise(t: Tape, loss: Any, y: Any, p: Node) -> Node:
    """−log p of the true class."""
    return picked(t, loss, y, p, lambda a: -t.log(a))


def class_probability(t: Tape, loss: Loss, x: Node) -> Node:
    """The prediction, or the softmax of logits."""
    if not isinstance(loss, CrossEntropy):
        return x
    e = t.exp(x - x.value.max(axis=1, keepdims=True))
    return e / t.sum(e).column()


# ---- overlaps --------------------------------------------------------------------------------------------------------


def overlap_as_written(t: Tape, loss: Any, y: Any, x: Node, squares: bool = False) -> Node:
    """1 − (2I + a)/(P + T + b), or the same of IoU; 0/0 where nothing is there and nothing is predicted."""
    both = t.sum(x * y)
    total = t.sum(x * x) + (y * y).sum(axis=1) if squares else t.sum(x) + y.sum(axis=1)
    if isinstance(loss, IoU):
        return 1 - (both + loss.smooth_nr) / (total - both + loss.smooth_dr)
    return 1 - (2 * both + loss.smooth_nr) / (total + loss.smooth_dr)


def generalized_dice(weigh: Callable[[Floats], Floats]) -> Formula:
    """Generalised Dice with class weights weigh(volume), and 0 for an absent class."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        volume = np.asarray(y.sum(axis=2), np.float64)
        w = t.rounded(np.where(volume > 0, weigh(np.where(volume > 0, volume, 1.0)), 0.0))
        above = t.sum(w * t.sum(x * y, 2))
        return 1 - 2 * above / t.sum(w * (t.sum(x, 2) + y.sum(axis=2)))

    return write
