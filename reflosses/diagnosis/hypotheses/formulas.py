"""Defects: the formulas that people write, as the tape works them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reflosses.diagnosis.model import Change, one_hot
from reflosses.diagnosis.tape import Formula, Node, Tape, formula, stable
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.iou import IoU
from reflosses.losses.negative_log_likelihood import NegativeLogLikelihood
from reflosses.losses.sparse_categorical_cross_entropy import SparseCategoricalCrossEntropy

# ---- formulas: binary cross-entropies and focal losses ---------------------------------------------------------------


def softplus(t: Tape, z: Node) -> Node:
    """log(1 + e^z) and its slope σ(z), with every digit."""
    e = t.rounded(np.exp(-np.abs(z.value)))
    slope = np.where(z.value > 0, 1, e) / t.rounded(1 + e)
    return Node(t, np.maximum(z.value, 0) + t.rounded(np.log1p(e)), (z, lambda g: g * t.rounded(slope)))


def softplus_as_sum(t: Tape, z: Node) -> Node:
    """max(z, 0) + log(1 + e^−|z|)."""
    positive = z.value >= 0
    return t.where(positive, z, 0.0) + t.log(1 + t.exp(t.where(positive, -z, z)))


def log_of_sum(t: Tape, a: Node) -> Node:
    """log(1 + a), as it is written."""
    return t.log(1 + a)


def mixed(loss: Any, y: Any, nats_one: Node, nats_zero: Node) -> Node:
    """y times one and 1 − y times the other, as they are written: 0 · ∞ is not a number."""
    weight = getattr(loss, "pos_weight", None)
    first = y * nats_one if weight is None else np.asarray(weight) * (y * nats_one)
    return first + (1 - y) * nats_zero


def faded(t: Tape, loss: Any, y: Any, nats: Node, base: Node) -> Node:
    """The focal loss of these nats, base: 1 − p_t."""
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
    """Binary losses whose logarithms of p and of 1 − p are these functions of p.

    chosen: what would be multiplied by 0 is not worked out.
    """

    def nats(t: Tape, loss: Any, y: Any, p: Node) -> Node:
        if chosen:
            return mixed(loss, y, -log_p(t, t.where(y == 0, 1.0, p)), -log_q(t, t.where(y == 1, 0.0, p)))
        return mixed(loss, y, -log_p(t, p), -log_q(t, p))

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


def only(table: Mapping[type[Loss], Formula], *losses: type[Loss]) -> dict[type[Loss], Formula]:
    """Some rows of a table."""
    return {k: v for k, v in table.items() if k in losses}


def log_of(t: Tape, p: Node) -> Node:
    return t.log(p)


def log_of_rest(t: Tape, p: Node) -> Node:
    return t.log(1 - p)


def log1p_of_rest(t: Tape, p: Node) -> Node:
    return t.log1p(-p)


def constant(t: Tape, c: float) -> float:
    """A constant; 0 stands for the format's eps."""
    return c or t.form.eps


def clipped(c: float, moving: bool = False) -> Change:
    """Probabilities clipped before their logarithm; moving: with the slope of the clipped ones."""

    def clip(t: Tape, p: Node) -> Node:
        k = constant(t, c)
        inside = t.clip(p, k, t.rounded(1 - t.rounded(k)))
        return Node(t, inside.value, (p, lambda g: g)) if moving else inside

    def cross_entropy(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        p = clip(t, probability(t, loss, x))
        return mixed(loss, y, -t.log(p), -t.log(1 - p))

    def focal(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        raw = probability(t, loss, x)
        p = clip(t, raw)
        p_t = t.where(y == 1, raw, 1 - raw)
        return faded(t, loss, y, mixed(loss, y, -t.log(p), -t.log(1 - p)), 1 - p_t)

    def rows(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        return surprise(t, loss, y, clip(t, class_probability(t, loss, x)))

    return formula(
        {
            BinaryCrossEntropy: cross_entropy,
            BinaryCrossEntropyWithLogits: cross_entropy,
            Focal: focal,
            FocalWithLogits: focal,
            CrossEntropy: rows,
            SparseCategoricalCrossEntropy: rows,
        }
    )


def offset(c: float) -> Change:
    """A constant added inside the logarithm."""

    def rows(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        return surprise(t, loss, y, class_probability(t, loss, x) + constant(t, c))

    table = of_logs(lambda t, p: t.log(p + constant(t, c)), lambda t, p: t.log(1 - p + constant(t, c)))
    return formula({**table, CrossEntropy: rows, SparseCategoricalCrossEntropy: rows})


def clamped_logs(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
    p = probability(t, loss, x).value
    inner = p * t.rounded(1 - p) if isinstance(loss, BinaryCrossEntropyWithLogits) else 1.0
    value = mixed(loss, y, -t.node(np.maximum(np.log(p), -100)), -t.node(np.maximum(np.log1p(-p), -100)))
    least = np.maximum(t.rounded((1 - p) * p), t.rounded(1e-12))
    return value, np.asarray(t.rounded(t.rounded((p - y) / least) * inner), np.float64)


def rounded_rest(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """1 − p_t of p_t = p or 1 − p."""
    p = probability(t, loss, x)
    p_t = t.where(y == 1, p, 1 - p)
    nats = softplus(t, np.where(y == 1, -1, 1) * x) if isinstance(loss, FocalWithLogits) else -t.log(p_t)
    return faded(t, loss, y, nats, 1 - p_t)


def bare_power(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """(1 − p_t)^γ of an exact 1 − p_t, which may be 0."""
    if isinstance(loss, FocalWithLogits):
        z = np.where(y == 1, 1, -1) * x
        return faded(t, loss, y, softplus(t, -z), t.sigmoid(-z))
    return faded(t, loss, y, t.where(y == 1, -t.log(x), -t.log1p(-x)), t.where(y == 1, 1 - x, x))


def held_factor(rounded: bool) -> Formula:
    """A focal factor that is not differentiated; rounded: 1 − p_t of a p_t that is."""

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


def overflowing_softplus(small: Callable[[Tape, Node], Node]) -> Formula:
    """log(1 + e^z) of what overflows; what would be multiplied by 0 is not worked out."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        one, zero = t.where(y == 0, 0.0, -x), t.where(y == 1, 0.0, x)
        return mixed(loss, y, small(t, t.exp(one)), small(t, t.exp(zero)))

    return write


def shifted_softplus(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """max(z, 0) − z y + log1p(e^−|z|)."""
    positive = x.value >= 0
    if loss.pos_weight is None:
        return t.where(positive, x, 0.0) - x * y + t.log1p(t.exp(t.where(positive, -x, x)))
    tail = t.log1p(t.exp(t.where(positive, -x, x)))
    return (1 - y) * x + (1 + (np.asarray(loss.pos_weight) - 1) * y) * (tail + t.where(positive, 0.0, -x))


def plain_softplus(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """log1p(e^z) − z y."""
    return t.log1p(t.exp(x)) - x * y


def minus_log_sigmoid(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """(1 − y) z − log σ(z)."""
    w = 1.0 if loss.pos_weight is None else 1 + (np.asarray(loss.pos_weight) - 1) * y
    return (1 - y) * x + w * softplus(t, -x)


def logits_as_sum(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    return mixed(loss, y, softplus_as_sum(t, -x), softplus_as_sum(t, x))


def focal_as_sum(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    z = np.where(y == 1, -1, 1) * x
    return faded(t, loss, y, softplus_as_sum(t, z), t.sigmoid(z))


def difference_of_sigmoid(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
    s = t.sigmoid(x).value
    weight = 1.0 if loss.pos_weight is None else np.asarray(loss.pos_weight)
    slope = s - y if loss.pos_weight is None else (1 - y) * s - weight * y * t.rounded(1 - s)
    return stable(t, loss, y, x), np.asarray(t.rounded(slope), np.float64)


# ---- formulas: rows of classes ---------------------------------------------------------------------------------------


def target_rows(loss: Any, y: Any, x: Node) -> Any:
    """The class row of each target, smoothed and weighted, as numbers of the format."""
    count = x.value.shape[1]
    row = y if y.ndim == 2 else one_hot(y.astype(np.intp), count)
    amount = getattr(loss, "label_smoothing", 0.0)
    row = (1 - amount) * row + amount / count
    given = getattr(loss, "class_weight", None)
    return x.tape.rounded(row if given is None else row * given)


def picked(t: Tape, loss: Any, y: Any, a: Node, nats: Callable[[Node], Node]) -> Node:
    """The nats of the true class; of rows, and of smoothed labels, the sum of all that the target names."""
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


def log_of_softmax(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    return surprise(t, loss, y, class_probability(t, loss, x))


def log_of_bare_softmax(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    e = t.exp(x)
    return surprise(t, loss, y, e / t.sum(e).column())


def bare_log_sum(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    return picked(t, loss, y, t.log(t.sum(t.exp(x))).column() - x, lambda a: a)


def lost_tail(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    shifted = x - x.value.max(axis=1, keepdims=True)
    return picked(t, loss, y, t.log(t.sum(t.exp(shifted))).column() - shifted, lambda a: a)


def softmax_less_target(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
    row, p = target_rows(loss, y, x), class_probability(t, loss, x).value
    slope = t.rounded(t.rounded(p * row.sum(axis=1, keepdims=True)) - row)
    return stable(t, loss, y, x), np.asarray(slope, np.float64)


def zero_times_infinity(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """Our own losses, but of a sum over all classes: what the target does not name counts 0 times ∞."""
    whole = stable(t, loss, y, x)
    nats = -x.value if isinstance(loss, NegativeLogLikelihood) else -np.log(x.value)
    if isinstance(loss, CrossEntropy):
        nats = np.max(x.value, axis=1, keepdims=True) - x.value
    lost = np.isnan(target_rows(loss, y, x) * np.where(np.isinf(nats), nats, 1)).any(axis=1)
    return whole + np.where(lost, np.nan, 0.0)


def plain_logits(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    return picked(t, loss, y, x, lambda a: -a)


def log_of_logits(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    return surprise(t, loss, y, x)


# ---- formulas: residuals, margins, overlaps --------------------------------------------------------------------------


def barron(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    u = (x - y) / loss.delta
    return t.log1p(0.5 * (u * u))


def unsquared(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    return loss.delta**2 * t.log1p(t.abs(x - y) / loss.delta**2)


def cauchy(t: Tape, loss: Any, y: Any, x: Node, log1p: Callable[[Node], Node], early: bool) -> Node:
    r = x - y
    u = r * r / loss.delta**2 if early else (r / loss.delta) * (r / loss.delta)
    return loss.delta**2 * log1p(u)


def pseudo_huber(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    r = x - y
    u = r / loss.delta
    return r * (r / (t.sqrt(1 + u * u) + 1))  # delta² (√(1 + u²) − 1), without the difference


def both_branches(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    r = x - y
    size = t.abs(r)
    return t.where(size.value < loss.delta, 0.5 * (r * r), loss.delta * (size - loss.delta / 2))


def slope_of_one(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """½r² up to delta, and |r| − ½delta beyond it."""
    r = x - y
    size = t.abs(r)
    return t.where(size.value <= loss.delta, 0.5 * (r * r), size - loss.delta / 2)


def split_residual(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """The quadratic part of min(|r|, delta), the linear part of what is left of |r|."""
    size = t.abs(x - y)
    near = t.where(size.value < loss.delta, size, loss.delta)
    return 0.5 * (near * near) + loss.delta * (size - near)


def hinge_of_zero_one(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    gap = 1 - (2 * y - 1) * x
    return t.where(gap.value > 0, gap, 0.0)


def softplus_of_margin(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    return softplus(t, -(y * x))


def root_of_square(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    r = x - y
    return t.sqrt(r * r)


def square_first(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    return (x - y) * (x - y)


def expanded_square(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    return x * x - 2 * (x * y) + y * y


def overlap(t: Tape, loss: Any, y: Any, x: Node, squares: bool = False) -> Node:
    """1 less the score, as it is written; nothing against nothing is 0/0."""
    both = t.sum(x * y)
    total = t.sum(x * x) + (y * y).sum(axis=1) if squares else t.sum(x) + y.sum(axis=1)
    if isinstance(loss, IoU):
        return 1 - (both + loss.smooth_nr) / (total - both + loss.smooth_dr)
    return 1 - (2 * both + loss.smooth_nr) / (total + loss.smooth_dr)


def squared_overlap(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    return overlap(t, loss, y, x, squares=True)


def generalized(weigh: Callable[[Floats], Floats]) -> Formula:
    """Generalised Dice with weights that are another function of the volumes; nothing for an absent class."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        volume = np.asarray(y.sum(axis=2), np.float64)
        w = t.rounded(np.where(volume > 0, weigh(np.where(volume > 0, volume, 1.0)), 0.0))
        above = t.sum(w * t.sum(x * y, 2))
        return 1 - 2 * above / t.sum(w * (t.sum(x, 2) + y.sum(axis=2)))

    return write
