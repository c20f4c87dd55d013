"""Is a row true? Its answers at ordinary inputs and where it says that it fails, against the loss itself.

Nothing of `reflosses.check` is used: a call, its gradient, and a comparison of arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import reflosses as R
from reflosses.comparison.expected import Scaled
from verdicts.rows import Row

SIZES = (5, 64)  # losses in a call
EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10}
UPSTREAM = 0.5  # what the frameworks multiply the losses by: a gradient that ignores it shows
SOFT = (R.BinaryCrossEntropy, R.BinaryCrossEntropyWithLogits, R.WeightedCrossEntropy)
OVERLAPS = (R.Dice, R.IoU, R.GeneralizedDice)


class Call(NamedTuple):
    """Inputs and what a row answers."""

    y: Any
    yhat: Any
    value: Any  # an array, or None
    grad: Any  # an array, or None
    changed: bool  # whether the inputs were changed


def base_of(loss: Any) -> Any:
    """The loss without a factor."""
    return loss.loss if isinstance(loss, Scaled) else loss


def ordinary(row: Row) -> Iterator[tuple[Any, Any]]:
    """Some calls at which nothing saturates, under- or overflows."""
    rng = np.random.default_rng(7)
    for n in SIZES:
        for y, yhat in _drawn(base_of(row.loss), n, rng, row.given.get("targets", "auto")):
            yield y if y.dtype.kind in "iu" else y.astype(row.dtype), yhat.astype(row.dtype)


def _drawn(loss: Any, n: int, rng: np.random.Generator, targets: str) -> Iterator[tuple[Any, Any]]:
    if hasattr(loss, "ignore_index"):  # rows of classes
        classes = 4 if getattr(loss, "class_weight", None) is None else len(loss.class_weight)
        yhat = rng.normal(0, 3, (n, classes))
        if isinstance(loss, R.SparseCategoricalCrossEntropy):
            yhat = rng.dirichlet(np.ones(classes), n) * 0.9 + 0.01
        if targets != "rows":
            y = rng.integers(0, classes, n)
            if loss.ignore_index is not None:
                y[::3] = loss.ignore_index
            yield y, yhat
        if targets != "index" and isinstance(loss, R.CrossEntropy) and loss.reduction != "weighted_mean":
            yield rng.uniform(0, 1, (n, classes)), yhat
            yield rng.dirichlet(np.ones(classes), n), yhat
        return
    shape: tuple[int, ...] = (n,)
    if isinstance(loss, OVERLAPS):
        shapes = {None: (n,), -1: (n, 6), (1, 2): (n, 2, 3), 1: (n, 3, 6)}
        shape = (n, 3) if isinstance(loss, R.GeneralizedDice) and loss.axis == -1 else shapes[loss.axis]
        y, p = (rng.random(shape) < 0.5).astype(float), rng.uniform(0.02, 0.98, shape)
        y[..., 0] = 1.0  # no overlap is empty
        yield y, p
        yield np.clip(y, 0.3, 0.8) * rng.uniform(0.2, 1, shape), p
        if loss.axis is None:
            yield y.reshape(-1, 1), p.reshape(-1, 1)
            yield np.tile(y, (2, 1)), np.stack([p, p[::-1]])
        return
    if isinstance(loss, R.Hinge):
        yield rng.choice([-1.0, 1.0], n), rng.normal(0, 2, n)
        return
    if isinstance(loss, R.Cauchy) and loss.information is not None:
        yield rng.normal(0, 1, (n, 2)), rng.normal(0, 1, (n, 2))
        return
    if isinstance(loss, (*SOFT, R.Focal, R.FocalWithLogits)):
        logits = isinstance(loss, R.BinaryCrossEntropyWithLogits | R.FocalWithLogits)
        yhat = rng.normal(0, 2, n) if logits else rng.uniform(0.02, 0.98, n)
        yield (rng.random(n) < 0.5).astype(float), yhat
        if isinstance(loss, SOFT):
            yield rng.uniform(0.05, 0.95, n), yhat
        return
    y = rng.normal(0, 1, n)
    yield y, y + rng.normal(0, 2, n)
    if loss.reduction != "none":
        y = rng.normal(0, 1, (n, 2))
        yield y, y + rng.normal(0, 2, (n, 2))


def asked(row: Row, y: Any, yhat: Any) -> Call:
    """One call. What it raises, it raises."""
    with np.errstate(all="ignore"):
        return {"numpy": _numpy, "torch": _torch, "jax": _jax}[row.framework](row, y.copy(), yhat.copy(), (y, yhat))


def _call(row: Row, target: Any, x: Any) -> Any:
    return row.function(x, target) if row.prediction_first else row.function(target, x)


def _array(x: Any) -> Any:
    return None if x is None else np.asarray(x, dtype=np.float64)


def _differ(a: tuple[Any, Any], b: tuple[Any, Any]) -> bool:
    return not all(np.array_equal(x, x0, equal_nan=True) for x, x0 in zip(a, b, strict=True))


def _numpy(row: Row, y: Any, yhat: Any, were: tuple[Any, Any]) -> Call:
    answer = row.function(y, yhat)
    value, grad = answer if isinstance(answer, tuple) else (answer, None)
    return Call(*were, _array(value), _array(grad), _differ((y, yhat), were))


def _torch(row: Row, y: Any, yhat: Any, were: tuple[Any, Any]) -> Call:
    import torch

    target, x = torch.from_numpy(y), torch.from_numpy(yhat).requires_grad_()
    value = _call(row, target, x)
    grad = torch.zeros_like(x)
    if value.requires_grad:
        (found,) = torch.autograd.grad((UPSTREAM * value).sum(), x, allow_unused=True)
        grad = grad if found is None else found / UPSTREAM
    return Call(*were, _array(value.detach()), _array(grad), _differ((y, yhat), were))


def _jax(row: Row, y: Any, yhat: Any, were: tuple[Any, Any]) -> Call:
    import jax

    with jax.enable_x64(row.dtype == "float64"):
        target = jax.numpy.asarray(y)
        value, back = jax.vjp(lambda x: _call(row, target, x), jax.numpy.asarray(yhat))
        (grad,) = back(UPSTREAM * jax.numpy.ones_like(value))
        return Call(*were, _array(value), _array(grad / UPSTREAM), False)


def expected(row: Row, y: Any, yhat: Any) -> tuple[Any, Any]:
    """The loss's own value and gradient."""
    factor = row.loss.factor if isinstance(row.loss, Scaled) else 1.0
    value, grad = base_of(row.loss).value_and_grad(y, yhat)
    return factor * np.asarray(value), factor * np.asarray(grad)


def close(got: Any, exact: Any, tolerance: float, floor: float) -> bool:
    """Whether arrays have one shape, and numbers that agree: each relative to itself, or to floor · the largest."""
    if got.shape != exact.shape:
        return False
    most = np.max(np.abs(exact), initial=0.0, where=np.isfinite(exact))
    return bool(np.allclose(got, exact, rtol=tolerance, atol=tolerance * floor * most, equal_nan=True))


def agrees(row: Row, call: Call, tolerance: float | None = None, floor: float = 1e-3) -> bool:
    """Whether value and gradient are those of the loss, by default to half of the digits, and the inputs are left."""
    tolerance = EPS[row.dtype] ** 0.5 if tolerance is None else tolerance
    value, grad = expected(row, call.y, call.yhat)
    given = [(g, e) for g, e in ((call.value, value), (call.grad, grad)) if g is not None]
    return not call.changed and all(close(g, e, tolerance, floor) for g, e in given)


def taken(row: Row) -> list[Call]:
    """The answers at ordinary inputs. A candidate may raise for one kind of target, not for all."""
    calls = []
    for y, yhat in ordinary(row):
        try:
            calls.append(asked(row, y, yhat))
        except (ValueError, RuntimeError, IndexError, TypeError):
            continue
    return calls


def fault(row: Row, kind: str) -> str:
    """What is not true of a row; "" if it is true."""
    calls = taken(row)
    if not calls:
        return "it answers nothing"
    right = all(agrees(row, call) for call in calls)
    if kind == "right":
        return "" if right else "it is not the loss"
    shown = row.at is not None and not agrees(row, asked(row, *row.at), EPS[row.dtype] * 1000, 0.0)
    if row.at is not None and not shown:
        return "it is right where it should fail"
    if row.fails == "formula":
        return "it is the loss at all that was tried" if right and not shown else ""
    if not right:
        return "it is not even the loss"
    return "" if shown else "it has no input that shows it"
