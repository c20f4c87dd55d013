"""Stacked losses, and the arrays of one call: each is made from the other.

Stacked arrays have one loss a row. For cross-entropy over axis 1, yhat of shape (2, 5, 3) is 6 rows of 5 classes, and
y is 6 labels or 6 rows of 5. A loss that reads all predictions is one row.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflosses.evaluation.axes import REST, Layout
from reflosses.evaluation.domain import Classes, Floats
from reflosses.evaluation.loss import Loss


def one_loss_a_call(loss: Loss) -> bool:
    """Whether all predictions of a call belong together: they are one loss, or every loss reads all of them."""
    return loss.reads_all_predictions or (REST in loss.layout.groups and not loss.layout.kept)


def stack(loss: Loss, y: Any, yhat: Any) -> tuple[Floats, Floats]:
    """The arrays of a call, as float64 with one loss a row."""
    y, yhat = np.asarray(y, np.float64), np.asarray(yhat, np.float64)
    by_loss = not loss.reads_all_predictions and y.shape == loss.layout.bind(yhat.shape).value_shape
    return (y.reshape(-1) if by_loss else per_loss(loss, y)), per_loss(loss, yhat)


def unstack(loss: Loss, y: Floats, yhat: Floats) -> tuple[Any, Floats]:
    """Stacked losses as the arrays of one call; labels that are whole numbers become integers."""
    if loss.reads_all_predictions:
        return y[0], yhat[0]
    if not loss.layout.groups:
        return y, yhat
    bound = loss.layout.bind(_shape_of_call(loss.layout, yhat.shape))
    if not isinstance(loss.domain.y, Classes) or y.ndim > 1:
        return bound.restore(y), bound.restore(yhat)
    labels = y.reshape(bound.value_shape)
    return (labels.astype(np.int64) if (labels == np.rint(labels)).all() else labels), bound.restore(yhat)


def _shape_of_call(layout: Layout, stacked: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of few axes whose losses are stacked so; of two axes that a loss names, the first has length 2."""
    named = [i for group in layout.groups if not isinstance(group, str) for i in group]
    rest = REST in layout.groups
    ndim = max([len(named) + 1 + (rest and bool(layout.kept)), *(i + 1 if i >= 0 else -i for i in named)])
    free = [i for i in range(ndim) if i not in {j % ndim for j in named} and i not in layout.kept]
    shape = [1] * ndim
    for i in (layout.kept if rest else free)[:1]:
        shape[i] = stacked[0]
    for group, n in zip(layout.groups, stacked[1:], strict=True):
        first, *others = free[-1:] if isinstance(group, str) else group
        shape[first] = 2 if others and n % 2 == 0 else n
        for i in others[:1]:
            shape[i] = n // shape[first]
    return tuple(shape)


def per_loss(loss: Loss, a: NDArray[Any]) -> NDArray[Any]:
    """An array shaped like yhat, such as a gradient, with one loss a row."""
    return a[None] if loss.reads_all_predictions else loss.layout.bind(a.shape).arrange(a)


def per_prediction(loss: Loss, w: Any, shape: tuple[int, ...]) -> Floats:
    """One number a loss, at each of its own predictions: an array of the shape of yhat."""
    bound = loss.layout.bind(shape)
    wide = w.reshape(-1, *[1] * len(bound.unit_shape))
    return np.asarray(bound.restore(np.broadcast_to(wide, (len(wide), *bound.unit_shape))))


def align(w: Any, stacked: NDArray[Any]) -> Any:
    """One number a loss, with as many axes as a stacked array: their product is one loss a row."""
    return w.reshape(-1, *[1] * (stacked.ndim - 1))


def flatten(stacked: NDArray[Any]) -> NDArray[Any]:
    """A stacked array with all numbers of a loss along one axis."""
    return stacked.reshape(len(stacked), prod(stacked.shape[1:]))
