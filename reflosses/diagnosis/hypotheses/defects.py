"""The formula of a loss is written in a way that loses digits, overflows or divides 0 by 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import lost, only_for, only_if
from reflosses.diagnosis.formulas import (
    Formula,
    class_probability,
    faded,
    formula,
    generalized_dice,
    log1p_of_rest,
    mixed,
    of_logs,
    overlap_as_written,
    picked,
    probability,
    softplus,
    stable,
    surprise,
    target_rows,
)
from reflosses.diagnosis.model import Family, Model, Question, ours
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import per_prediction
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cauchy import Cauchy
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.dice import Dice
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.generalized_dice import GeneralizedDice
from reflosses.losses.huber import Huber
from reflosses.losses.iou import IoU
from reflosses.losses.mean_absolute_error import MeanAbsoluteError
from reflosses.losses.mean_squared_error import MeanSquaredError
from reflosses.losses.negative_log_likelihood import NegativeLogLikelihood
from reflosses.losses.sparse_categorical_cross_entropy import SparseCategoricalCrossEntropy
from reflosses.losses.weighted_cross_entropy import WeightedCrossEntropy

FAMILY = Family()


def difference_of_sigmoid(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
    """Our own value with the slope σ(z) − y."""
    s = t.sigmoid(x).value
    weight = 1.0 if loss.pos_weight is None else np.asarray(loss.pos_weight)
    slope = s - y if loss.pos_weight is None else (1 - y) * s - weight * y * t.rounded(1 - s)
    return stable(t, loss, y, x), np.asarray(t.rounded(slope), np.float64)


FAMILY.defect(
    "gradient σ(z) − y",
    says="takes σ(z) − y for its gradient, which is 0 once σ(z) rounds to 1",
    seen_in="torch binary_cross_entropy_with_logits",
    about="gradient",
    blank=True,
    change=formula({BinaryCrossEntropyWithLogits: difference_of_sigmoid}),
)


def softmax_less_target(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
    """Our own value with the slope p − y."""
    row, p = target_rows(loss, y, x), class_probability(t, loss, x).value
    slope = t.rounded(t.rounded(p * row.sum(axis=1, keepdims=True)) - row)
    return stable(t, loss, y, x), np.asarray(slope, np.float64)


FAMILY.defect(
    "gradient p − y",
    says="takes softmax less target for its gradient, which is 0 once the softmax rounds to 1",
    seen_in="torch cross_entropy, sklearn HalfMultinomialLoss",
    about="gradient",
    blank=True,
    change=formula({CrossEntropy: softmax_less_target}),
)


def two_quotients(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
    """Our own value with the slope (1 − y)/(1 − p) − w y/p."""
    p, w = x.value, t.rounded(getattr(loss, "weight", 1.0))
    slope = t.rounded((1 - y) / t.rounded(1 - p)) - t.rounded(t.rounded(w * y) / p)
    return stable(t, loss, y, x), np.asarray(t.rounded(slope), np.float64)


FAMILY.defect(
    "gradient y/p",
    says="takes (1 − y)/(1 − p) − y/p for its gradient, which is 0/0 where a probability is its label, 0 or 1",
    about="gradient",
    scarce=True,
    change=only_if(
        lambda q: getattr(q.loss, "weight", 1.0) != "sudre",
        formula({BinaryCrossEntropy: two_quotients, WeightedCrossEntropy: two_quotients}),
    ),
)


def log_of_rest(t: Tape, p: Node) -> Node:
    """log(1 − p)."""
    return t.log(1 - p)


FAMILY.defect(
    "log of 1 − p",
    says="takes log(1 − p), not log1p(−p): small p are lost",
    seen_in="sklearn log_loss",
    seen_of=("BinaryCrossEntropy",),
    blank=True,
    change=only_for((BinaryCrossEntropy, Focal), formula(of_logs(Tape.log, log_of_rest, chosen=True))),
)
FAMILY.defect(
    "log of a sigmoid",
    says="takes the logarithms of σ(z) and 1 − σ(z), which are 0 far out: there the loss is ∞ and the gradient 0 · ∞",
    seen_in="a sigmoid before a cross-entropy of probabilities",
    change=only_for(
        (BinaryCrossEntropyWithLogits, FocalWithLogits), formula(of_logs(Tape.log, log_of_rest, chosen=True))
    ),
)


def log_of_p_t(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """(1 − p_t)^γ · −log p_t of a rounded p_t = σ(z) or 1 − σ(z)."""
    p = t.sigmoid(x)
    p_t = t.where(y == 1, p, 1 - p)
    return faded(t, loss, y, -t.log(p_t), 1 - p_t)


FAMILY.defect(
    "log of p_t",
    says="takes log p_t of a p_t that rounds to 0 or 1: where it is 0 the loss is ∞ and the gradient is 0 · ∞",
    seen_in="focal losses written in p_t = σ(z) or 1 − σ(z)",
    change=formula({FocalWithLogits: log_of_p_t}),
)


def zero_times_infinity(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """Our own losses; NaN where a class with target 0 has infinite nats."""
    whole = stable(t, loss, y, x)
    nats = -x.value if isinstance(loss, NegativeLogLikelihood) else -np.log(x.value)
    if isinstance(loss, CrossEntropy):
        nats = np.max(x.value, axis=1, keepdims=True) - x.value
    lost = np.isnan(target_rows(loss, y, x) * np.where(np.isinf(nats), nats, 1)).any(axis=1)
    return whole + np.where(lost, np.nan, 0.0)


FAMILY.defect(
    "0 · log 0",
    says="multiplies 0 by log 0, which is not a number",
    seen_in="the textbook formula as printed",
    blank=True,
    change=formula(
        {
            BinaryCrossEntropy: of_logs(Tape.log, log1p_of_rest)[BinaryCrossEntropy],
            **dict.fromkeys((CrossEntropy, NegativeLogLikelihood, SparseCategoricalCrossEntropy), zero_times_infinity),
        }
    ),
)


def rounded_rest(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """(1 − p_t)^γ of p_t = p or 1 − p, which is rounded."""
    p = probability(t, loss, x)
    p_t = t.where(y == 1, p, 1 - p)
    nats = softplus(t, np.where(y == 1, -1, 1) * x) if isinstance(loss, FocalWithLogits) else -t.log(p_t)
    return faded(t, loss, y, nats, 1 - p_t)


FAMILY.defect(
    "1 − p_t of a rounded p_t",
    says="takes 1 − p_t of a p_t that is rounded already: it is 0 where p_t rounds to 1",
    seen_in="torchvision and SMP focal losses, keras",
    blank=True,
    change=formula({Focal: rounded_rest, FocalWithLogits: rounded_rest}),
)


def bare_power(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """(1 − p_t)^γ of an exact 1 − p_t, which may be 0."""
    if isinstance(loss, FocalWithLogits):
        z = np.where(y == 1, 1, -1) * x
        return faded(t, loss, y, softplus(t, -z), t.sigmoid(-z))
    return faded(t, loss, y, t.where(y == 1, -t.log(x), -t.log1p(-x)), t.where(y == 1, 1 - x, x))


FAMILY.defect(
    "0 to the power γ − 1",
    says="raises 1 − p_t, once it is 0, to the power γ − 1: below γ = 1 the gradient is not a number",
    seen_in="torchvision and SMP focal losses",
    blank=True,
    change=only_if(
        lambda q: 0 < getattr(q.loss, "gamma", 0.0) < 1, formula({Focal: bare_power, FocalWithLogits: bare_power})
    ),
)


def overflowing_softplus(small: Callable[[Tape, Node], Node]) -> Formula:
    """log(1 + e^z), where e^z overflows; terms with the factor 0 are left out."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        one, zero = t.where(y == 0, 0.0, -x), t.where(y == 1, 0.0, x)
        return mixed(loss, y, small(t, t.exp(one)), small(t, t.exp(zero)))

    return write


FAMILY.defect(
    "exponentials overflow",
    says="takes log(1 + e^z) of what overflows",
    change=formula({BinaryCrossEntropyWithLogits: overflowing_softplus(lambda t, e: t.log1p(e))}),
)


def log_of_sum(t: Tape, a: Node) -> Node:
    """log(1 + a), as it is written."""
    return t.log(1 + a)


FAMILY.defect(
    "exponentials overflow, log(1 + x)",
    says="takes log(1 + e^z) as it is written: it overflows, and is 0 where e^z is below eps",
    change=formula({BinaryCrossEntropyWithLogits: overflowing_softplus(log_of_sum)}),
)


def plain_softplus(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """log1p(e^z) − z y."""
    return t.log1p(t.exp(x)) - x * y


FAMILY.defect(
    "log1p(e^z) − z y",
    says="takes log1p(e^z) − z y, which overflows for large z and cancels where y is 1",
    change=formula({BinaryCrossEntropyWithLogits: plain_softplus}),
)


def shifted_softplus(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """max(z, 0) − z y + log1p(e^−|z|)."""
    positive = x.value >= 0
    if loss.pos_weight is None:
        return t.where(positive, x, 0.0) - x * y + t.log1p(t.exp(t.where(positive, -x, x)))
    tail = t.log1p(t.exp(t.where(positive, -x, x)))
    return (1 - y) * x + (1 + (np.asarray(loss.pos_weight) - 1) * y) * (tail + t.where(positive, 0.0, -x))


FAMILY.defect(
    "max(z, 0) − z y",
    says="subtracts z y from max(z, 0), which is inf − inf and leaves no digit of soft labels or of the gradient",
    seen_in="TensorFlow sigmoid_cross_entropy_with_logits",
    change=formula({BinaryCrossEntropyWithLogits: shifted_softplus}),
)


def minus_log_sigmoid(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """(1 − y) z − log σ(z)."""
    w = 1.0 if loss.pos_weight is None else 1 + (np.asarray(loss.pos_weight) - 1) * y
    return (1 - y) * x + w * softplus(t, -x)


def faded_log_sigmoid(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """The same times (1 − p_t)^γ, which keeps its digits."""
    return faded(t, loss, y, x - y * x + softplus(t, -x), t.exp(-softplus(t, np.where(y == 1, 1, -1) * x)))


FAMILY.defect(
    "z − log σ(z)",
    says="takes (1 − y) z − log σ(z), which cancels where y is 0",
    seen_in="torch binary_cross_entropy_with_logits, MONAI FocalLoss",
    change=formula({BinaryCrossEntropyWithLogits: minus_log_sigmoid, FocalWithLogits: faded_log_sigmoid}),
)


def both_terms(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """α y σ(−z)^γ log(1 + e^−z) + (1 − α) (1 − y) σ(z)^γ log(1 + e^z): one term is times 0."""
    one = t.power(t.sigmoid(-x), loss.gamma) * softplus(t, -x)
    zero = t.power(t.sigmoid(x), loss.gamma) * softplus(t, x)
    a, b = (1.0, 1.0) if loss.alpha is None else (loss.alpha, 1 - loss.alpha)
    return t.rounded(a * y) * one + t.rounded(b * (1 - y)) * zero


FAMILY.defect(
    "both terms, one times 0",
    says="adds the term of the other label times 0, which is not a number for infinite logits",
    seen_in="kornia binary_focal_loss_with_logits",
    blank=True,
    change=formula({FocalWithLogits: both_terms}),
)


def softplus_as_sum(t: Tape, z: Node) -> Node:
    """max(z, 0) + log(1 + e^−|z|)."""
    positive = z.value >= 0
    return t.where(positive, z, 0.0) + t.log(1 + t.exp(t.where(positive, -z, z)))


def logits_as_sum(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """Cross-entropy of logits by `softplus_as_sum`."""
    return mixed(loss, y, softplus_as_sum(t, -x), softplus_as_sum(t, x))


def focal_as_sum(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """Focal loss of logits by `softplus_as_sum`."""
    z = np.where(y == 1, -1, 1) * x
    return faded(t, loss, y, softplus_as_sum(t, z), t.sigmoid(z))


def cauchy_as_written(t: Tape, loss: Any, y: Any, x: Node, log1p: Callable[[Node], Node], early: bool) -> Node:
    """δ² log1p(r²/δ²) if `early`, else δ² log1p((r/δ)²)."""
    r = x - y
    u = r * r / loss.delta**2 if early else (r / loss.delta) * (r / loss.delta)
    return loss.delta**2 * log1p(u)


FAMILY.defect(
    "log(1 + x)",
    says="takes log(1 + x) for log1p(x): it is 0 where x is below eps",
    blank=True,
    change=formula(
        {
            Cauchy: lambda t, loss, y, x: cauchy_as_written(t, loss, y, x, lambda a: log_of_sum(t, a), False),
            BinaryCrossEntropyWithLogits: logits_as_sum,
            FocalWithLogits: focal_as_sum,
        }
    ),
)


def lost_tail(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """log Σ e^(z − max) − (z − max)."""
    shifted = x - x.value.max(axis=1, keepdims=True)
    return picked(t, loss, y, t.log(t.sum(t.exp(shifted))).column() - shifted, lambda a: a)


FAMILY.defect(
    "loses the tail of log-softmax",
    says="subtracts the largest logit before it adds the tail: value and gradient are 0 where the tail is below eps",
    seen_in="torch cross_entropy, scipy log_softmax, jax log_softmax",
    blank=True,
    change=formula({CrossEntropy: lost_tail}),
)


def less_logit(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """(max + log Σ e^(z − max)) − z."""
    top = x.value.max(axis=1, keepdims=True)
    total = t.log(t.sum(t.exp(x - top))) + top[:, 0]
    return picked(t, loss, y, total.column() - x, lambda a: a)


FAMILY.defect(
    "log Σ exp less the logit",
    says="subtracts the logit from log Σ e^z: no digit is left where both are huge, or where the tail is below eps",
    seen_in="scipy.special.logsumexp less a logit",
    blank=True,
    change=formula({CrossEntropy: less_logit}),
)


def one_shift(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """log Σ e^(z − m) − (z − m), where m is the largest logit of all rows."""
    shifted = x - x.value.max(initial=-np.inf)
    return picked(t, loss, y, t.log(t.sum(t.exp(shifted))).column() - shifted, lambda a: a)


FAMILY.defect(
    "one shift for all rows",
    says="subtracts the largest logit of the whole batch from every row: rows far below it are 0 and their losses ∞",
    change=formula({CrossEntropy: one_shift}),
)


def gradient_by_quotient(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
    """A log-softmax, and the gradient p (g − Σ g p) of g = −y/p, which is 0/0 where p is 0."""
    p = class_probability(t, loss, x).value
    g = t.rounded(-t.rounded(target_rows(loss, y, x) / p))
    inner = t.rounded(t.rounded(g * p).sum(axis=1, keepdims=True))
    return lost_tail(t, loss, y, x), np.asarray(t.rounded(p * t.rounded(g - inner)), np.float64)


FAMILY.defect(
    "gradient through y/p",
    says="works its gradient out of y/p, which is 0/0 or 0 · ∞ where a softmax is 0",
    seen_in="a hand-written backward of a softmax",
    about="gradient",
    change=formula({CrossEntropy: gradient_by_quotient}),
)


def log_of_softmax(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """−log of the softmax, which may be 0."""
    return surprise(t, loss, y, class_probability(t, loss, x))


FAMILY.defect(
    "log of a softmax",
    says="takes the logarithm of a softmax, which may be 0",
    seen_in="onnx.reference SoftmaxCrossEntropyLoss",
    change=formula({CrossEntropy: log_of_softmax}),
)


def log_of_bare_softmax(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """−log(e^z/Σ e^z)."""
    e = t.exp(x)
    return surprise(t, loss, y, e / t.sum(e).column())


FAMILY.defect(
    "log of a softmax without shift",
    says="takes the logarithm of a softmax whose exponentials overflow",
    change=formula({CrossEntropy: log_of_bare_softmax}),
)


def bare_log_sum(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """log Σ e^z − z."""
    return picked(t, loss, y, t.log(t.sum(t.exp(x))).column() - x, lambda a: a)


FAMILY.defect(
    "log Σ exp without shift", says="adds up exponentials that overflow", change=formula({CrossEntropy: bare_log_sum})
)
FAMILY.defect(
    "squares before dividing",
    says="squares the residual before it divides by the scale, which overflows or vanishes",
    seen_in="SciPy least_squares",
    change=formula({Cauchy: lambda t, loss, y, x: cauchy_as_written(t, loss, y, x, t.log1p, True)}),
)
FAMILY.defect(
    "the square overflows",
    says="squares r/delta, which overflows though its logarithm does not",
    change=formula({Cauchy: lambda t, loss, y, x: cauchy_as_written(t, loss, y, x, t.log1p, False)}),
)


def both_branches(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """½r² or δ (|r| − ½δ), chosen by a `where`."""
    r = x - y
    size = t.abs(r)
    return t.where(size.value < loss.delta, 0.5 * (r * r), loss.delta * (size - loss.delta / 2))


FAMILY.defect(
    "differentiates both branches",
    says="differentiates both branches and multiplies one by 0: at ∞ the gradient is not a number",
    seen_in="torch.where, jnp.where",
    about="gradient",
    blank=True,
    change=formula({Huber: both_branches}),
)


def split_residual(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """½n² + δ (|r| − n), n = min(|r|, δ)."""
    size = t.abs(x - y)
    near = t.where(size.value < loss.delta, size, loss.delta)
    return 0.5 * (near * near) + loss.delta * (size - near)


FAMILY.defect(
    "splits the residual",
    says="differentiates min(|r|, delta) and the rest of |r| apart: their slopes cancel where r is small",
    seen_in="optax huber_loss",
    about="gradient",
    blank=True,
    change=formula({Huber: split_residual}),
)


def root_of_square(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """√(r²)."""
    r = x - y
    return t.sqrt(r * r)


FAMILY.defect(
    "root of a square",
    says="takes the root of a square, which overflows or vanishes, and has no derivative at 0",
    change=formula({MeanAbsoluteError: root_of_square}),
)


def square_first(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """r², without the factor of the question."""
    return (x - y) * (x - y)


FAMILY.defect(
    "squares before it scales",
    says="squares the residual before it is scaled, which overflows though the scaled square does not",
    seen_in="optax.l2_loss, scipy least_squares",
    change=only_if(lambda q: q.factor != 1, formula({MeanSquaredError: square_first})),
)


def expanded_square(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """yhat² − 2 yhat y + y²."""
    return x * x - 2 * (x * y) + y * y


FAMILY.defect(
    "expands the square",
    says="takes yhat² − 2 yhat y + y², which cancels",
    seen_in="distances by matrix products",
    blank=True,
    change=formula({MeanSquaredError: expanded_square}),
)


def nothing_by_nothing(q: Question, model: Model) -> Answer | None:
    """0/0 where nothing is there and nothing is predicted, of a loss without a constant below."""
    answer, bound = model(q), q.bound
    if getattr(q.loss, "smooth_dr", None) != 0 or answer.value is None or answer.grad is None:
        return None
    sizes = bound.arrange(q.yhat) + bound.arrange(np.asarray(q.y, np.float64))
    empty = (sizes == 0).reshape(bound.units, -1).all(axis=1)
    return lost(q, answer, empty.reshape(bound.value_shape))


FAMILY.defect(
    "0/0 for nothing",
    says="divides 0 by 0 where nothing is there and nothing is predicted",
    scarce=True,
    change=nothing_by_nothing,
)


SCORES: dict[type[Loss], Formula] = {
    Dice: overlap_as_written,
    IoU: overlap_as_written,
    GeneralizedDice: generalized_dice(lambda v: 1 / v**2),
}
CANCELS = "subtracts the score from 1, which leaves no digit of a nearly perfect overlap"


def nothing_guarded(q: Question, model: Model) -> Answer | None:
    """1 less the score; nothing against nothing is our own answer."""
    answer, own, bound = formula(SCORES)(q, model), ours(q), q.bound
    if answer is None or answer.value is None or answer.grad is None or own.value is None or own.grad is None:
        return None
    if q.loss.reduction != "none":
        return answer
    empty = (bound.arrange(q.yhat) == 0) & (bound.arrange(np.asarray(q.y, np.float64)) == 0)
    lost = empty.reshape(bound.units, -1).all(axis=1).reshape(bound.value_shape)
    wide = per_prediction(q.loss, lost, q.yhat.shape) == 1
    return Answer(np.where(lost, own.value, answer.value), np.where(wide, own.grad, answer.grad))


FAMILY.defect(
    "1 less the score",
    says=CANCELS,
    seen_in="keras Dice, optax dice_loss",
    seen_of=("Dice",),
    blank=True,
    change=nothing_guarded,
)
FAMILY.defect(
    "1 less the score, 0/0",
    says=f"{CANCELS}, and divides 0 by 0 for nothing",
    blank=True,
    change=only_if(lambda q: not getattr(q.loss, "smooth_dr", 0.0), formula(SCORES)),
)
