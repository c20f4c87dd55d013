"""Conventions: the ways in which another loss answers another question, or the same one differently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import FORMATS, Format
from reflosses.diagnosis.model import Change, Model, Question, one_hot, ours
from reflosses.evaluation.domain import REAL, Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import per_prediction
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.dice import Dice
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.generalized_dice import GeneralizedDice
from reflosses.losses.iou import IoU
from reflosses.losses.sparse_categorical_cross_entropy import SparseCategoricalCrossEntropy

# ---- from losses to one number ---------------------------------------------------------------------------------------


def taking_part(q: Question) -> Floats:
    """1 for each loss that is not ignored, 0 for the others."""
    shape = q.bound.value_shape
    domain = q.loss.domain.y
    ignored = domain.ignored(np.asarray(q.y)) if isinstance(domain, Classes) and np.shape(q.y) == shape else None
    return np.ones(shape) if ignored is None else np.asarray(1.0 - ignored, np.float64)


def weights(q: Question) -> Floats:
    """The weight of each loss; 0 where it is ignored."""
    part = taking_part(q)
    return part if q.weight is None else np.where(part == 0, 0.0, q.weight)


def number(q: Question) -> float:
    """How many losses take part."""
    return float(taking_part(q).sum())


def total_weight(q: Question) -> float:
    """The sum of weights, and of class weights where the label says which."""
    w, own = weights(q), None
    if isinstance(q.loss.domain.y, Classes):
        if np.shape(q.y) != w.shape:
            return number(q)  # rows of probabilities have no class weight of their own
        own = q.loss.divisor_weight(np.where(w == 0, 0, q.y).astype(np.intp))
    return float((w if own is None else w * own).sum())


def divisor(q: Question) -> float:
    """What the loss's own reduction divides by."""
    rules = {"mean": number, "weighted_mean": total_weight}
    return rules[q.loss.reduction](q) if q.loss.reduction in rules else 1.0


def alone(q: Question, model: Model) -> Answer:
    """The losses one by one, without weights."""
    each = model(replace(q, loss=replace(q.loss, reduction="none"), weight=None))
    if each.value is None or each.value.shape != q.bound.value_shape:
        raise ValueError("not one loss each")
    return each


def joined(q: Question, each: Answer, over: float, w: Floats | None = None, reduce: bool | None = None) -> Answer:
    """Losses weighed, summed (unless the reduction is "none") and divided."""
    assert each.value is not None
    assert each.grad is not None
    w = weights(q) if w is None else w
    wide = per_prediction(q.loss, w, q.yhat.shape)
    values, slopes = np.where(w == 0, 0.0, each.value * w), np.where(wide == 0, 0.0, each.grad * wide)
    reduce = q.loss.reduction != "none" if reduce is None else reduce
    if over == 0:
        return Answer(np.full(() if reduce else values.shape, np.nan), np.zeros(slopes.shape))
    values = values / over  # before they are added: the sum may be beyond the numbers
    return Answer(np.asarray(values.sum()) if reduce else values, slopes / over)


def divides_by(rule: Callable[[Question], float], sums: bool = True) -> Change:
    """The losses, summed and divided by something else."""

    def change(q: Question, model: Model) -> Answer | None:
        if q.loss.reads_all_predictions and q.weight is not None:
            return None
        return joined(q, alone(q, model), rule(q), reduce=sums)

    return change


def weighs(rule: Callable[[Question], Floats | None]) -> Change:
    """Other weights; where there are none the loss stays as it is."""

    def change(q: Question, model: Model) -> Answer | None:
        return None if q.weight is None else model(replace(q, weight=rule(q)))

    return change


def row_means(q: Question, model: Model) -> Answer | None:
    """The mean of the last axis first; each weight is then one of the whole row."""
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


def losses_of(q: Question, model: Model) -> Answer:
    """The losses one by one, of a model or, where it has none, our own."""
    try:
        return alone(q, model)
    except ValueError:
        return alone(q, ours)


def sums_in_format(q: Question, model: Model) -> Answer | None:
    """The sum is a number of the format before it is divided: it may be infinite."""
    answer = model(q)
    if q.loss.reduction == "none" or q.loss.reads_all_predictions or answer.value is None or answer.value.ndim:
        return answer
    total = joined(q, losses_of(q, model), 1.0).value
    assert total is not None
    total = q.form.round(total)
    return Answer(np.where(np.isinf(total), total, answer.value), answer.grad)


def residual_first(q: Question, model: Model) -> Answer | None:
    """yhat − y is a number of the format before it goes on: it may be infinite."""
    if q.loss.domain.y is not REAL:
        return None
    return model(replace(q, y=np.zeros(q.yhat.shape), yhat=q.form.round(q.yhat - q.y)))


def zero_for_nothing(q: Question, model: Model) -> Answer | None:
    answer = model(q)
    if q.loss.reduction in ("sum", "none") or divisor(q):
        return answer
    return Answer(np.zeros(()), answer.grad)


def ignored_times_zero(q: Question, model: Model) -> Answer | None:
    """Ignored losses, and those of weight 0, are worked out and multiplied by 0."""
    answer, left_out = model(q), weights(q) == 0
    if not left_out.any() or q.loss.reads_all_predictions or answer.value is None or answer.grad is None:
        return answer
    part = taking_part(q)
    y = q.y if part.all() else np.where(part == 0, 0, q.y).astype(np.asarray(q.y).dtype)
    each = losses_of(replace(q, y=y), model).value
    assert each is not None
    lost = np.where(left_out & ~np.isfinite(each), np.nan, 0.0)
    value = answer.value + (lost if q.loss.reduction == "none" else lost.sum())
    return Answer(value, answer.grad + per_prediction(q.loss, lost, q.yhat.shape))


def flushed(q: Question, model: Model) -> Answer | None:
    """Results below the smallest normal number are 0."""
    value, grad = (None if a is None else np.where(np.abs(a) < q.form.tiny, 0.0, a) for a in model(q)[:2])
    return Answer(value, grad)


def lost_at_infinity(q: Question, model: Model) -> Answer | None:
    """Losses of infinite predictions are not numbers."""
    answer, bound = model(q), q.bound
    if not np.isinf(q.yhat).any() or answer.value is None or answer.grad is None:
        return answer
    infinite = np.isinf(bound.arrange(q.yhat)).reshape(bound.units, -1).any(axis=1)
    lost = np.where(infinite.reshape(bound.value_shape), np.nan, 0.0)
    value = answer.value + (lost.sum() if not answer.value.ndim else lost)
    return Answer(value, answer.grad + per_prediction(q.loss, lost, q.yhat.shape))


def nothing_by_nothing(q: Question, model: Model) -> Answer | None:
    """Overlaps of nothing with nothing are not numbers."""
    answer, bound = model(q), q.bound
    if not isinstance(q.loss, Dice | IoU) or q.loss.smooth_dr or answer.value is None or answer.grad is None:
        return None
    sizes = bound.arrange(q.yhat) + bound.arrange(np.asarray(q.y, np.float64))
    empty = (sizes == 0).reshape(bound.units, -1).all(axis=1)
    lost = np.where(empty.reshape(bound.value_shape), np.nan, 0.0)
    return Answer(
        answer.value + (lost.sum() if not answer.value.ndim else lost),
        answer.grad + per_prediction(q.loss, lost, q.yhat.shape),
    )


# ---- other answers, other questions, other losses --------------------------------------------------------------------


def multiplied(value: float | Callable[[Question], float], grad: float | Callable[[Question], float]) -> Change:
    """Value and gradient times something."""

    def change(q: Question, model: Model) -> Answer | None:
        k, g = value(q) if callable(value) else value, grad(q) if callable(grad) else grad
        answer = None if k == g == 1 else model(q)
        return None if answer is None else Answer(times(answer.value, k), times(answer.grad, g))

    return change


def times(a: Floats | None, k: float) -> Floats | None:
    return a if a is None or k == 1 else np.zeros_like(a) if k == 0 else a * k


def everything(k: float | Callable[[Question], float]) -> Change:
    """Value and gradient times the same."""
    return multiplied(k, k)


def only_scaled(change: Change) -> Change:
    """Means something only where a factor comes with the loss."""
    return lambda q, model: None if q.factor == 1 else change(q, model)


def only_for(*losses: type[Loss]) -> Callable[[Change], Change]:
    """A change that means something for some losses."""

    def limit(inner: Change) -> Change:
        return lambda q, model: inner(q, model) if isinstance(q.loss, losses) else None

    return limit


def another(make: Callable[[Any, Question], Loss | None]) -> Change:
    """Another loss of ours."""

    def change(q: Question, model: Model) -> Answer | None:
        loss = make(q.loss, q)
        return None if loss is None or loss == q.loss else model(replace(q, loss=loss))

    return change


def parameter(**changes: Callable[[Any], Any]) -> Change:
    """The same loss with another value of some parameters, where it has them."""

    def make(loss: Any, q: Question) -> Loss | None:
        given = {k: getattr(loss, k, None) for k in changes}
        if any(v is None for v in given.values()):
            return None
        return replace(loss, **{k: f(given[k]) for k, f in changes.items()})

    return another(make)


def with_y(make: Callable[[Question], Any]) -> Change:
    """Other targets."""

    def change(q: Question, model: Model) -> Answer | None:
        y = make(q)
        return None if y is None else model(replace(q, y=y))

    return change


def with_values(f: Callable[[Floats], Floats], slope: Callable[[Floats], Floats]) -> Change:
    """A function of each loss; slope: its derivative."""

    def change(q: Question, model: Model) -> Answer | None:
        each = alone(q, model)
        if q.loss.reads_all_predictions or each.value is None or each.grad is None:
            return None
        outer = joined(q, Answer(f(each.value), each.grad), divisor(q))
        return Answer(outer.value, joined(q, each, divisor(q), weights(q) * slope(each.value)).grad)

    return change


def with_value(f: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Change:
    """A function of the one number that the loss is."""

    def change(q: Question, model: Model) -> Answer | None:
        answer = model(q)
        if answer.value is None or answer.grad is None or answer.value.ndim:
            return None
        return Answer(np.asarray(f(answer.value)), answer.grad * slope(answer.value))

    return change


def with_yhat(
    f: Callable[[Floats, int], Floats], back: Callable[[Floats, Floats, int], Floats], *losses: type[Loss]
) -> Change:
    """A function of the predictions before the loss; back: predictions and gradient by f's result → by theirs."""

    def change(q: Question, model: Model) -> Answer | None:
        axis = getattr(q.loss, "axis", -1)
        moved = f(q.yhat, axis)
        answer = model(replace(q, yhat=moved))
        return Answer(answer.value, None if answer.grad is None else back(q.yhat, answer.grad, axis))

    return only_for(*losses)(change)


def sigmoid_back(z: Floats, g: Floats, axis: int) -> Floats:
    return np.asarray(g * expit(z) * expit(-z))


def softmax_back(z: Floats, g: Floats, axis: int) -> Floats:
    p = softmax(z, axis=axis)
    return np.asarray(p * (g - np.sum(g * p, axis=axis, keepdims=True)))


def log_softmax(z: Floats, axis: int) -> Floats:
    top = z.max(axis=axis, keepdims=True)
    return np.asarray(z - top - np.log(np.sum(np.exp(z - top), axis=axis, keepdims=True)))


def log_softmax_back(z: Floats, g: Floats, axis: int) -> Floats:
    return np.asarray(g - softmax(z, axis=axis) * np.sum(g, axis=axis, keepdims=True))


def shares(p: Floats, axis: int) -> Floats:
    return np.asarray(p / p.sum(axis=axis, keepdims=True))


def shares_back(p: Floats, g: Floats, axis: int) -> Floats:
    total = p.sum(axis=axis, keepdims=True)
    return np.asarray((g - np.sum(g * p / total, axis=axis, keepdims=True)) / total)


def arguments_swapped(q: Question, model: Model) -> Answer | None:
    """Cross-entropies are linear in the label: the prediction, taken for one, mixes those of the labels 0 and 1."""
    if not isinstance(q.loss, BinaryCrossEntropy | BinaryCrossEntropyWithLogits):
        return None
    zero, one = (alone(replace(q, y=np.full(q.yhat.shape, t), yhat=np.asarray(q.y)), model).value for t in (0.0, 1.0))
    assert zero is not None
    assert one is not None
    return joined(q, Answer(zero * (1 - q.yhat) + one * q.yhat, one - zero), divisor(q))


def swapped_throughout(q: Question, model: Model) -> Answer | None:
    """Arguments swapped before value and gradient are worked out: the gradient is that by the target."""
    given = arguments_swapped(q, model)
    if given is None:
        return None
    slopes = [alone(replace(q, y=np.full(q.yhat.shape, t), yhat=np.asarray(q.y)), model).grad for t in (0.0, 1.0)]
    zero, one = (np.asarray(a) for a in slopes)
    return Answer(given.value, joined(q, Answer(zero, zero * (1 - q.yhat) + one * q.yhat), divisor(q)).grad)


def by_target(q: Question, model: Model) -> Answer | None:
    """The value, and the derivative by the target."""
    if isinstance(q.loss.domain.y, Classes):
        return None
    return Answer(model(q).value, model(replace(q, y=q.yhat, yhat=np.asarray(q.y))).grad)


def unweighted_gradient(q: Question, model: Model) -> Answer | None:
    return None if q.weight is None else Answer(model(q).value, model(replace(q, weight=None)).grad)


def summed_gradient(q: Question, model: Model) -> Answer | None:
    """The gradient of the sum beside the value of the mean."""
    over = divisor(q)
    return None if q.loss.reduction not in ("mean", "weighted_mean") else multiplied(1, over)(q, model)


def averaged_gradient(q: Question, model: Model) -> Answer | None:
    """The gradient of the mean beside the value of the sum, or of each loss."""
    return None if q.loss.reduction not in ("sum", "none") else multiplied(1, 1 / max(1, number(q)))(q, model)


def _with(loss: Any, **parameters: Any) -> Any:
    """The loss with other parameters."""
    return replace(loss, **parameters)


def classes(q: Question) -> int:
    """How many classes the predictions have."""
    if not (isinstance(q.loss.domain.y, Classes) or isinstance(q.loss, GeneralizedDice)):
        raise ValueError("no classes")
    loss: Any = q.loss
    return int(q.yhat.shape[loss.axis])


def wrapped_index(q: Question) -> Any:
    """Labels counted from the end, where the index to ignore is one of those."""
    ignore, y = getattr(q.loss, "ignore_index", None), np.asarray(q.y)
    if ignore is None or y.shape == q.yhat.shape or not -classes(q) <= ignore < classes(q):
        return None
    return np.where(y < 0, y + classes(q), y)


def not_ignoring(q: Question, model: Model) -> Answer | None:
    y = wrapped_index(q)
    return None if y is None else model(replace(q, y=y, loss=_with(q.loss, ignore_index=None)))


def pooling(choose: Callable[[set[int], int], set[int]]) -> Change:
    """An overlap loss that pools other axes."""

    def make(loss: Any, q: Question) -> Loss | None:
        n = q.yhat.ndim
        if not isinstance(loss, Dice | IoU) or n < 2:
            return None
        now = loss.layout.bind(q.yhat.shape).groups[0]
        axes = choose(set(now), n)
        return replace(loss, axis=tuple(sorted(axes))) if axes and axes != set(now) else None

    return another(make)


def per_sample(flag: bool) -> Change:
    return another(lambda loss, q: replace(loss, per_sample=flag) if isinstance(loss, GeneralizedDice) else None)


def first_that_applies(*changes: Change) -> Change:
    """The first change that means something."""

    def change(q: Question, model: Model) -> Answer | None:
        for one in changes:
            answer = one(q, model)
            if answer is not None:
                return answer
        return None

    return change


def dice_for_iou(loss: Any, q: Question) -> Loss | None:
    """The other loss of an overlap."""
    if not isinstance(loss, Dice | IoU):
        return None
    other = IoU if isinstance(loss, Dice) else Dice
    return other(**{f.name: getattr(loss, f.name) for f in fields(loss)})


def smoothing(change: Callable[[float, float], tuple[float, float]]) -> Change:
    """Other smoothing constants, above and below."""

    def make(loss: Any, q: Question) -> Loss | None:
        if not isinstance(loss, Dice | IoU):
            return None
        above, below = change(loss.smooth_nr, loss.smooth_dr)
        return replace(loss, smooth_nr=above, smooth_dr=below)

    return another(make)


def as_logits(loss: Any, q: Question) -> Loss | None:
    if isinstance(loss, BinaryCrossEntropy):
        return BinaryCrossEntropyWithLogits(reduction=loss.reduction)
    if isinstance(loss, Focal):
        return FocalWithLogits(gamma=loss.gamma, alpha=loss.alpha, reduction=loss.reduction)
    if isinstance(loss, SparseCategoricalCrossEntropy):
        return CrossEntropy(axis=loss.axis, ignore_index=loss.ignore_index, reduction=loss.reduction)
    return None


def class_weights(change: Callable[[Floats], Any]) -> Change:
    """Other class weights, in the numerator and in the divisor."""

    def make(loss: Any, q: Question) -> Loss | None:
        given = getattr(loss, "class_weight", None)
        return None if given is None else replace(loss, class_weight=change(given))

    return another(make)


def smoothed(change: Callable[[float, int], float]) -> Change:
    """Other label smoothing, of that many classes."""

    def make(loss: Any, q: Question) -> Loss | None:
        if not getattr(loss, "label_smoothing", 0.0):
            return None
        return replace(loss, label_smoothing=min(1.0, change(loss.label_smoothing, classes(q))))

    return another(make)


def labels_smoothed(amount: float) -> Change:
    """y (1 − s) + s/2 of binary labels, or s spread over the classes, where no smoothing is due."""

    def change(q: Question, model: Model) -> Answer | None:
        if isinstance(q.loss, BinaryCrossEntropy | BinaryCrossEntropyWithLogits):
            return model(replace(q, y=np.asarray(q.y) * (1 - amount) + amount / 2))
        if isinstance(q.loss, CrossEntropy) and not q.loss.label_smoothing:
            return model(replace(q, loss=_with(q.loss, label_smoothing=amount)))
        return None

    return change


def softmax_of_batch(q: Question, model: Model) -> Answer | None:
    """The softmax along the first axis, where the classes lie along the second."""
    loss: Any = q.loss
    if not isinstance(loss, CrossEntropy) or q.yhat.ndim != 2 or loss.class_weight is not None:
        return None
    part, n = taking_part(q), q.yhat.shape[1]
    row = q.y if np.ndim(q.y) == 2 else one_hot(np.where(part == 0, 0, q.y).astype(np.intp), n)
    row = row * (1 - loss.label_smoothing) + loss.label_smoothing / n
    logs = log_softmax(q.yhat, 0)
    outer = joined(q, Answer(-np.where(row == 0, 0.0, row * logs).sum(axis=1), -row), divisor(q))
    assert outer.grad is not None
    return Answer(outer.value, log_softmax_back(q.yhat, outer.grad, 0))


def zero_times_logit(q: Question, model: Model) -> Answer | None:
    """The value of an infinite logit that is right is 0 · ∞; its gradient is not that of a product."""
    answer = model(q)
    if not isinstance(q.loss, BinaryCrossEntropyWithLogits) or answer.value is None:
        return None
    own = losses_of(q, model).value
    lost = np.where(np.isinf(q.yhat) & (own == 0), np.nan, 0.0)
    return Answer(answer.value + (lost.sum() if not answer.value.ndim else lost), answer.grad)


def alpha_on_positives(q: Question, model: Model) -> Answer | None:
    """alpha for the label 1, nothing for the label 0."""
    alpha = getattr(q.loss, "alpha", None)
    if alpha is None:
        return None
    each = alone(replace(q, loss=_with(q.loss, alpha=None)), model)
    return joined(q, each, divisor(q), weights(q) * np.where(np.asarray(q.y) == 1, alpha, 1.0))


def positive_weight_on_negatives(q: Question, model: Model) -> Answer | None:
    given = getattr(q.loss, "pos_weight", None)
    if not isinstance(given, float) or not given:
        return None
    return everything(given)(q, lambda q: model(replace(q, loss=_with(q.loss, pos_weight=1 / given))))


def half_the_score(q: Question, model: Model) -> Answer | None:
    """1 − (I + a)/(S + b): half of the score of twice the constant above."""
    if not isinstance(q.loss, Dice):
        return None
    doubled = replace(q, loss=_with(q.loss, smooth_nr=2 * q.loss.smooth_nr))
    return with_values(lambda v: (1 + v) / 2, lambda v: np.full_like(v, 0.5))(doubled, model)


def alpha_on_all(q: Question, model: Model) -> Answer | None:
    alpha = getattr(q.loss, "alpha", None)
    if alpha is None:
        return None
    return everything(alpha)(q, lambda q: model(replace(q, loss=_with(q.loss, alpha=None))))


def positive_weight_on_all(q: Question, model: Model) -> Answer | None:
    given = getattr(q.loss, "pos_weight", None)
    if not isinstance(given, float):
        return None
    return everything(given)(q, lambda q: model(replace(q, loss=_with(q.loss, pos_weight=None))))


def computed_in(name: str) -> Change:
    """Everything in a narrower format."""

    def change(q: Question, model: Model) -> Answer | None:
        low = FORMATS[name]
        if low.bits >= q.form.bits or low.top > q.form.top:
            return None
        y = q.y if np.asarray(q.y).dtype.kind in "iu" else low.round(q.y)
        answer = model(replace(q, y=y, yhat=low.round(q.yhat), form=low))
        return _rounded(answer, low)

    return change


def _rounded(answer: Answer, form: Format) -> Answer:
    value, grad = (None if a is None else form.round(a) for a in (answer.value, answer.grad))
    return Answer(value, grad)


def computed_value(name: str) -> Change:
    """The value in a narrower format."""

    def change(q: Question, model: Model) -> Answer | None:
        answer = rounded_to(name)(q, model)
        return None if answer is None else Answer(answer.value, model(q).grad)

    return change


def rounded_to(name: str) -> Change:
    """Results in a narrower format."""

    def change(q: Question, model: Model) -> Answer | None:
        low, answer = FORMATS[name], model(q)
        if low.bits >= q.form.bits or low.top > q.form.top:
            return None
        return _rounded(answer, low)

    return change
