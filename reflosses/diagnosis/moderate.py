"""Moderate calls that tell losses apart by their factors, their divisors and the axes of their sums.

Every sensible formula is right on them. The answers of a candidate therefore show which formula it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

import numpy as np

from reflosses.comparison.battery import Inputs, family
from reflosses.comparison.formats import Format
from reflosses.diagnosis.model import Question, one_hot
from reflosses.evaluation.domain import REAL, Floats, Interval, Labels, Logit
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import unstack


def moderate_questions(
    loss: Loss, form: Format, kinds: Iterable[int], weights: bool, factor: float = 1.0, inputs: Inputs | None = None
) -> Iterator[Question]:
    """Calls of a loss at moderate inputs; kinds: 1 for labels, 2 for class rows. weights: ask with weights too."""
    rng = np.random.default_rng(7)

    def ask(y: Floats, yhat: Floats, shape: tuple[int, ...], weigh: bool = False) -> Iterator[Question]:
        """Stacked losses, as one call of that shape."""
        if inputs is not None:
            y, yhat = inputs(y, yhat, form.eps)
            if not len(y):
                return
        y, yhat = form.round(y), form.round(yhat)
        a, b = (y, yhat) if family(loss) == "overlaps" else unstack(loss, y, yhat)
        if not loss.layout.groups and len(y) == prod(shape):
            a, b = a.reshape(shape), b.reshape(shape)
        weight = rng.integers(1, 32, loss.layout.bind(b.shape).value_shape) / 8 if weigh else None
        yield Question(loss, a, b, weight, form, factor)
        if weight is not None and weight.size > 1:
            some = np.where(np.arange(weight.size).reshape(weight.shape) % 3, weight, 0)
            yield Question(loss, a, b, some, form, factor)

    for y, yhat, shape in _drawn(loss, kinds, rng):
        yield from ask(y, yhat, shape)
        if weights:
            yield from ask(y, yhat, shape, weigh=True)


def _drawn(
    loss: Loss, kinds: Iterable[int], rng: np.random.Generator
) -> Iterator[tuple[Floats, Floats, tuple[int, ...]]]:
    """Targets, predictions and the shape of the call. All axes of a call differ in length."""
    kind = family(loss)
    y: Any
    if kind == "overlaps":
        for shape in _overlap_shapes(loss):
            for soft in (False, True):
                y = rng.integers(0, 65, shape) / 64 if soft else (rng.random(shape) < 0.4) * 1.0
                yield y, rng.integers(2, 63, shape) / 64, shape
    elif "rows" in kind:
        given = getattr(loss, "class_weight", None)
        ignore = getattr(loss, "ignore_index", None)
        for n, count in ((3, 5), (7, 4), (1, 3)):
            count = count if given is None else len(given)
            yhat = _numbers(loss.domain.yhat, rng, (n, count))
            if kind == "log rows":
                yhat = -np.abs(yhat) - 0.125
            if 1 in kinds:
                y = rng.integers(0, count, n) * 1.0
                yield y, yhat, (n,)
                if kind == "probability rows":
                    yield y, yhat / yhat.sum(axis=1, keepdims=True), (n,)
                if ignore is not None and n > 1:
                    yield np.where(np.arange(n) % 3 == 1, float(ignore), y), yhat, (n,)
            if 2 in kinds and loss.domain.y.rows is not None:
                yield rng.multinomial(16, [1 / count] * count, n) / 16, yhat, (n,)
                yield one_hot(rng.integers(0, count, n), count), yhat, (n,)
                yield rng.integers(0, 9, (n, count)) / 16, yhat, (n,)  # they need not sum to one
    elif kind == "vectors":
        for n in (3, 1):
            width = np.shape(getattr(loss, "information", ()))[-1]  # only Cauchy has it
            r = loss.scale * rng.integers(1, 48, (n, width)) / 16
            yield 0 * r, r, (n,)
    else:
        for shape in ((3,), (7,), (1,), (2, 5), (2, 3, 4)):
            n = prod(shape)
            y, yhat = _numbers(loss.domain.y, rng, (n,)), _numbers(loss.domain.yhat, rng, (n,))
            if loss.domain.y is REAL:
                y = loss.scale * rng.integers(-16, 17, n) / 8
                away = loss.scale * rng.choice([-1.0, 1.0], n) * rng.integers(1, 9, n) / 4
                away = away * 2.0 ** rng.integers(-2, 3, n)
                if n > 3:  # on both sides of the place where a loss bends
                    away[:3] = loss.scale * np.array([1.0625, -0.90625, -1.15625])
                    away[3:7] = [1.0625, -0.90625, 1.15625, 0.875]
                yhat = y + away
            yield y, yhat, shape
            if n == 1 and kind in ("residuals", "margins"):  # a loss may bend where it should not
                steps = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0, 2.5, 3.5])
                y = np.zeros(30) if loss.domain.y is REAL else np.resize(loss.domain.y.values, 30)
                yield y, loss.scale * np.concatenate([steps, -steps]), (30,)
            if isinstance(loss.domain.y, Interval) and loss.domain.y is not REAL and n < 10:  # hard labels too
                yield np.rint(y), yhat, shape


def _overlap_shapes(loss: Any) -> list[tuple[int, ...]]:
    """Shapes that have the axes of the loss, each of another length."""
    named = [i for g in loss.layout.groups if not isinstance(g, str) for i in g]
    least = max([1, *(i + 1 if i >= 0 else -i for i in named)])
    sizes = (2, 3, 5, 4)
    return [sizes[:n] for n in (4, 3, 2) if n >= least and n > len(named)] or [sizes[:least]]


def _numbers(domain: Any, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Numbers of a domain that every format can hold."""
    if isinstance(domain, Labels):
        drawn = rng.choice(domain.values, shape)
        drawn.flat[: len(domain.values)] = np.resize(domain.values, min(drawn.size, len(domain.values)))
        return np.asarray(drawn, np.float64)
    if isinstance(domain, Interval) and np.isfinite(domain.high):
        return np.asarray(rng.integers(3, 62, shape) / 64)
    away = rng.integers(1, 25, shape) / 8 * rng.choice([-1.0, 1.0], shape)
    return np.asarray(away if isinstance(domain, Logit) else away + 1 / 16)
