"""What hypotheses are made of: losses one by one, other parameters, other predictions, other factors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.model import Change, Model, Question
from reflosses.evaluation.domain import Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import per_prediction
from reflosses.losses.generalized_dice import GeneralizedDice

# ---- from losses to one number ---------------------------------------------------------------------------------------


def taking_part(q: Question) -> Floats:
    """1 for each loss that counts, 0 for each ignored one."""
    shape = q.bound.value_shape
    domain = q.loss.domain.y
    ignored = domain.ignored(np.asarray(q.y)) if isinstance(domain, Classes) and np.shape(q.y) == shape else None
    return np.ones(shape) if ignored is None else np.asarray(1.0 - ignored, np.float64)


def weights(q: Question) -> Floats:
    """The weight of each loss; 0 where it is ignored."""
    part = taking_part(q)
    return part if q.weight is None else np.where(part == 0, 0.0, q.weight)


def count(q: Question) -> float:
    """How many losses are not ignored."""
    return float(taking_part(q).sum())


def total_weight(q: Question) -> float:
    """The sum of the weights, each times the class weight of its label."""
    w, own = weights(q), None
    if isinstance(q.loss.domain.y, Classes):
        if np.shape(q.y) != w.shape:
            return count(q)  # rows of probabilities have no class weight of their own
        own = q.loss.divisor_weight(np.where(w == 0, 0, q.y).astype(np.intp))
    return float((w if own is None else w * own).sum())


def divisor(q: Question) -> float:
    """The divisor of the loss's own reduction."""
    rules = {"mean": count, "weighted_mean": total_weight}
    return rules[q.loss.reduction](q) if q.loss.reduction in rules else 1.0


def alone(q: Question, model: Model) -> Answer:
    """The losses one by one, without weights."""
    each = model(replace(q.of(reduction="none"), weight=None))
    if each.value is None or each.value.shape != q.bound.value_shape:
        raise ValueError("not one loss each")
    return each


def joined(q: Question, each: Answer, over: float, w: Floats | None = None, reduce: bool | None = None) -> Answer:
    """Losses times their weights, summed (unless the reduction is "none") and divided."""
    assert each.value is not None
    assert each.grad is not None
    w = weights(q) if w is None else w
    wide = per_prediction(q.loss, w, q.yhat.shape)
    values, slopes = np.where(w == 0, 0.0, each.value * w), np.where(wide == 0, 0.0, each.grad * wide)
    reduce = q.loss.reduction != "none" if reduce is None else reduce
    if over == 0:
        return Answer(np.full(() if reduce else values.shape, np.nan), np.zeros(slopes.shape))
    values = values / over  # before the sum, which may overflow
    return Answer(np.asarray(values.sum()) if reduce else values, slopes / over)


def lost(q: Question, answer: Answer, where: Any, slopes: bool = True) -> Answer:
    """An answer with NaN for the losses at some places, and for their slopes."""
    assert answer.value is not None
    nothing = np.where(where, np.nan, 0.0)
    value = answer.value + (nothing if answer.value.ndim else nothing.sum())
    if answer.grad is None or not slopes:
        return Answer(value, answer.grad)
    return Answer(value, answer.grad + per_prediction(q.loss, nothing, q.yhat.shape))


# ---- factors ---------------------------------------------------------------------------------------------------------


def multiplied(value: float | Callable[[Question], float], grad: float | Callable[[Question], float]) -> Change:
    """Value and gradient, each times its own factor."""

    def times(a: Floats | None, k: float) -> Floats | None:
        return a if a is None or k == 1 else np.zeros_like(a) if k == 0 else a * k

    def change(q: Question, model: Model) -> Answer | None:
        k, g = value(q) if callable(value) else value, grad(q) if callable(grad) else grad
        answer = None if k == g == 1 else model(q)
        return None if answer is None else Answer(times(answer.value, k), times(answer.grad, g))

    return change


def everything(k: float | Callable[[Question], float]) -> Change:
    """Value and gradient times one factor."""
    return multiplied(k, k)


# ---- which losses a change is for ------------------------------------------------------------------------------------


def only_if(applies: Callable[[Question], bool], change: Change) -> Change:
    """A change that is made where a condition holds."""
    return lambda q, model: change(q, model) if applies(q) else None


def only_for(losses: tuple[type[Loss], ...], change: Change) -> Change:
    """A change of some losses."""
    return only_if(lambda q: isinstance(q.loss, losses), change)


# ---- other losses, other predictions ---------------------------------------------------------------------------------


def another(make: Callable[[Any, Question], Loss | None]) -> Change:
    """Another loss of ours, made from this one."""

    def change(q: Question, model: Model) -> Answer | None:
        loss = make(q.loss, q)
        return None if loss is None or loss == q.loss else model(replace(q, loss=loss))

    return change


def with_parameters(**changes: Callable[[Any], Any]) -> Change:
    """The same loss with other values of some parameters, if it has them and they are not None."""

    def make(loss: Any, q: Question) -> Loss | None:
        if any(getattr(loss, k, None) is None for k in changes):
            return None
        return q.of(**{k: f(getattr(loss, k)) for k, f in changes.items()}).loss

    return another(make)


def parameter_on_all(name: str) -> Change:
    """Every loss times a parameter, which has no other effect."""

    def change(q: Question, model: Model) -> Answer | None:
        given = getattr(q.loss, name, None)
        return everything(given)(q, lambda q: model(q.of(**{name: None}))) if isinstance(given, float) else None

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


def with_yhat(f: Callable[[Floats, int], Floats], back: Callable[[Floats, Floats, int], Floats]) -> Change:
    """A function of the predictions before the loss; back: predictions, gradient by f's result → gradient by them."""

    def change(q: Question, model: Model) -> Answer | None:
        axis = getattr(q.loss, "axis", -1)
        answer = model(replace(q, yhat=f(q.yhat, axis)))
        return Answer(answer.value, None if answer.grad is None else back(q.yhat, answer.grad, axis))

    return change


def sigmoid_back(z: Floats, g: Floats, axis: int) -> Floats:
    """The gradient by z from the gradient by σ(z)."""
    return np.asarray(g * scipy.special.expit(z) * scipy.special.expit(-z))


def classes(q: Question) -> int:
    """How many classes the predictions have."""
    if not (isinstance(q.loss.domain.y, Classes) or isinstance(q.loss, GeneralizedDice)):
        raise ValueError("no classes")
    loss: Any = q.loss
    return int(q.yhat.shape[loss.axis])
