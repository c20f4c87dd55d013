"""A fact about a subset of the losses that can be said in words, such as those where |r| < delta."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from reflosses.comparison.battery import family
from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import alone, classes, divisor, joined, weights
from reflosses.diagnosis.facts import FEWEST, GRADIENT, SMALL_PART, VALUE, Evidence, Fact, digits, multiple_of, neat
from reflosses.diagnosis.model import NOT_APPLICABLE, Change, Model, Question
from reflosses.evaluation.domain import Classes, Floats, Labels
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import per_prediction

Mask = Callable[[Question], Any]  # the losses of a call, or, in PREDICTIONS, its predictions


def _label(q: Question) -> Any:
    """The label of each loss; NaN for class rows."""
    y = np.asarray(q.y, np.float64)
    return y if y.shape == q.bound.value_shape else np.full(q.bound.value_shape, np.nan)


def _where_label(value: float) -> Mask:
    """The losses of a label."""
    return lambda q: _label(q) == value


def _place(q: Question) -> Any:
    """The number of each loss along the first axis."""
    shape = q.bound.value_shape
    return np.broadcast_to(np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)), shape)


def _all_of(condition: Callable[[Question], bool]) -> Mask:
    """All losses of some calls."""
    return lambda q: np.full(q.bound.value_shape, condition(q))


def _masks(loss: Loss) -> Iterator[tuple[str, Mask]]:
    """Subsets of the losses, in words."""
    kind, labels = family(loss), loss.domain.y
    if kind == "residuals":
        named = "delta" if loss.scale != 1 or hasattr(loss, "delta") else "1"
        yield f"where |r| < {named}", lambda q: np.abs(q.yhat - q.y) < loss.scale
        yield f"where |r| > {named}", lambda q: np.abs(q.yhat - q.y) > loss.scale
        yield f"where |r| ≤ {named}", lambda q: np.abs(q.yhat - q.y) <= loss.scale
        yield f"where |r| ≥ {named}", lambda q: np.abs(q.yhat - q.y) >= loss.scale
        yield "where r < 0", lambda q: q.yhat < q.y
        yield "where r > 0", lambda q: q.yhat > q.y
        yield "where y < 0", lambda q: q.y < 0
        yield "where y > 0", lambda q: q.y > 0
    if isinstance(labels, Labels) or kind in ("probabilities", "logits"):
        for value in labels.values if isinstance(labels, Labels) else (1.0, 0.0):
            yield f"where y = {digits(value)}", _where_label(value)
        if not isinstance(labels, Labels):
            yield "for soft labels", lambda q: (_label(q) > 0) & (_label(q) < 1)
    if kind == "margins":
        yield "where the margin is below 1", lambda q: q.y * q.yhat < 1
        yield "where the margin is below 0", lambda q: q.y * q.yhat < 0
    if kind in ("margins", "logits"):
        yield "where yhat > 0", lambda q: q.yhat > 0
    if kind == "probabilities":
        yield "where p > 1/2", lambda q: q.yhat > 0.5
    if isinstance(labels, Classes):
        yield "for the first class", lambda q: _label(q) == 0
        yield "for the last class", lambda q: _label(q) == classes(q) - 1
        for c in range(1, 3):
            yield f"for class {c}", _where_label(c)
        yield "for rows of class probabilities", _all_of(lambda q: np.shape(q.y) == q.yhat.shape)
    if kind in ("vectors", "overlaps", "residuals", "margins", "probabilities", "logits") or "rows" in kind:
        yield "for calls of one loss", _all_of(lambda q: q.bound.units == 1)
        yield "for calls with weights", _all_of(lambda q: q.weight is not None)
        yield "for arrays of more than one axis", _all_of(lambda q: len(q.bound.value_shape) > 1)
        yield "for the first row", lambda q: _place(q) == 0
        yield "for the last row", lambda q: _place(q) == q.bound.value_shape[0] - 1


def _class_axis(q: Question) -> int:
    """The axis of the classes."""
    loss: Any = q.loss
    return int(loss.axis) % q.yhat.ndim


def _in_rows(q: Question, class_of: Callable[[Question], Any]) -> Any:
    """Where the class of a prediction is the given one of its row."""
    axis = _class_axis(q)
    shape = [1] * q.yhat.ndim
    shape[axis] = -1
    return np.arange(q.yhat.shape[axis]).reshape(shape) == class_of(q)


PREDICTIONS: tuple[tuple[str, Mask], ...] = (
    ("at the true class", lambda q: _in_rows(q, lambda q: np.expand_dims(_label(q), _class_axis(q)))),
    ("at the first class of each row", lambda q: _in_rows(q, lambda q: 0)),
    ("at the last class of each row", lambda q: _in_rows(q, lambda q: classes(q) - 1)),
)


def partly(evidence: Evidence) -> Iterator[Fact]:
    """One factor on a subset and another elsewhere, or a difference on it. Those right elsewhere come first."""
    loss = evidence.cases[0].question.loss
    found: list[Fact] = []
    if loss.reads_all_predictions:
        return
    for said, mask in _masks(loss):
        for part in evidence.parts:
            if not evidence.right[part]:
                with suppress(*NOT_APPLICABLE):
                    found += _factors_on(evidence, part, said, mask)
    if isinstance(loss.domain.y, Classes) and not evidence.right.get(GRADIENT, True):
        for said, mask in PREDICTIONS:
            with suppress(*NOT_APPLICABLE):
                inside, outside = _shares(evidence, mask)
                if inside is not None and outside is not None and inside != outside:
                    change = _predictions_times(mask, inside, outside)
                    found.append(replace(_two_factors(said, inside, outside, change), both=""))
    yield from sorted(found, key=lambda fact: "right elsewhere" not in fact.part)


def _factors_on(evidence: Evidence, part: int, said: str, mask: Mask) -> Iterator[Fact]:
    """The factors of one part on a subset and elsewhere, and the difference of the values on it."""
    if part == GRADIENT:
        inside, outside = _shares(evidence, lambda q: per_prediction(q.loss, mask(q), q.yhat.shape))
    else:
        inside, outside = _value_shares(evidence, mask)
    if inside is not None and outside is not None and inside != outside:
        yield _two_factors(said, inside, outside, _losses_times(mask, inside, outside))
    if part == VALUE:
        gap = _value_gap(evidence, mask)
        if gap:
            size = f"{digits(abs(gap))} too {'large' if gap > 0 else 'small'} {said}"
            yield Fact("", f"{size}, and right elsewhere", _losses_plus(mask, gap))


def _two_factors(said: str, inside: float, outside: float, change: Change) -> Fact:
    """A factor on a subset, and another one elsewhere."""
    if outside == 1:
        due = multiple_of(inside, "what is due") if inside else "0"
        loss = multiple_of(inside, "the loss") if inside else "0"
        return Fact(f"is {loss} {said}; elsewhere it is right", f"{due} {said}, and right elsewhere", change)
    here, there = (f"{multiple_of(k, 'what is due') if k != 1 else 'right'}" if k else "0" for k in (inside, outside))
    loss = "the loss" if inside == 1 else multiple_of(inside, "the loss") if inside else "0"
    other = f"{multiple_of(outside, 'the loss')}" if outside else "0"
    return Fact(f"is {loss} {said}, and {other} elsewhere", f"{here} {said}, and {there} elsewhere", change)


def _shares(evidence: Evidence, mask: Mask) -> tuple[float | None, float | None]:
    """The factors of the gradient on a subset of the predictions, and elsewhere."""
    found: tuple[list[Floats], list[Floats]] = [], []
    for q, got, own in evidence.pairs(GRADIENT):
        if isinstance(q.loss.domain.y, Classes) and np.shape(q.y) == q.yhat.shape:
            continue  # a class row has no true class
        inside = np.broadcast_to(mask(q), own.shape)
        known = np.isfinite(own) & np.isfinite(got) & (np.abs(own) > SMALL_PART * np.abs(own).max(initial=0.0))
        for k, where in enumerate((inside, ~inside)):
            found[k].append((got[known & where] / own[known & where]).ravel())
    medians = []
    for parts in found:
        every = np.concatenate([np.zeros(0), *parts])
        medians.append(neat(float(np.median(every))) if every.size >= FEWEST else None)
    return medians[0], medians[1]


def _contributions(q: Question, evidence: Evidence, mask: Mask) -> tuple[Any, Any, Any]:
    """What each loss adds to the value, its weight in it, and whether it is in the subset."""
    each = alone(q, evidence.model).value
    assert each is not None
    w = weights(q) / divisor(q)
    return np.where(w == 0, 0.0, each * w), w, np.broadcast_to(mask(q), each.shape)


def _value_shares(evidence: Evidence, mask: Mask) -> tuple[float | None, float | None]:
    """The factors of the losses in a subset, and of the others, that make the values."""
    rows, right = [np.zeros((0, 2))], [np.zeros(0)]
    for q, got, _ in evidence.pairs(VALUE):
        each, _, inside = _contributions(q, evidence, mask)
        two = np.stack([np.where(inside, each, 0), np.where(inside, 0, each)], axis=-1).reshape(-1, 2)
        if not np.isfinite(two).all() or not np.isfinite(got).all():
            return None, None
        rows.append(two if got.ndim else two.sum(axis=0, keepdims=True))
        right.append(got.ravel())
    a, b = np.concatenate(rows), np.concatenate(right)
    if len(a) < FEWEST or min((a != 0).sum(axis=0)) < FEWEST - 1:
        return None, None
    inside, outside = np.linalg.lstsq(a, b, rcond=None)[0]
    return neat(float(inside)), neat(float(outside))


def _value_gap(evidence: Evidence, mask: Mask) -> float | None:
    """The constant that the losses of a subset are too large by."""
    weight, gap = [np.zeros(0)], [np.zeros(0)]
    for q, got, own in evidence.pairs(VALUE):
        _, w, inside = _contributions(q, evidence, mask)
        each = np.where(inside, w, 0.0).ravel()
        weight.append(each if got.ndim else each.sum(keepdims=True))
        gap.append((got - own).ravel())
    a, b = np.concatenate(weight), np.concatenate(gap)
    if (a != 0).sum() < FEWEST or not (a == 0).any() or not np.isfinite(b).all():
        return None
    return neat(float(a @ b / (a @ a)))


def _losses_times(mask: Mask, inside: float, outside: float) -> Change:
    """The losses of a subset times one factor, and the others times another."""

    def change(q: Question, model: Model) -> Answer | None:
        each, k = alone(q, model), np.where(mask(q), inside, outside)
        assert each.value is not None
        assert each.grad is not None
        wide = per_prediction(q.loss, k, q.yhat.shape)
        return joined(
            q, Answer(np.where(k == 0, 0, each.value * k), np.where(wide == 0, 0, each.grad * wide)), divisor(q)
        )

    return change


def _losses_plus(mask: Mask, gap: float) -> Change:
    """The losses of a subset plus a constant."""

    def change(q: Question, model: Model) -> Answer | None:
        each = alone(q, model)
        assert each.value is not None
        return joined(q, Answer(each.value + np.where(mask(q), gap, 0.0), each.grad), divisor(q))

    return change


def _predictions_times(mask: Mask, inside: float, outside: float) -> Change:
    """The value, and the slopes of a subset of the predictions times one factor, the others times another."""

    def change(q: Question, model: Model) -> Answer | None:
        answer = model(q)
        if answer.grad is None or np.shape(q.y) == q.yhat.shape:
            return None
        return Answer(answer.value, answer.grad * np.where(mask(q), inside, outside))

    return change
