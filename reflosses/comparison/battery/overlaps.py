"""Losses of one mask or one residual vector each."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from reflosses.comparison.battery.block import PIXELS, LossBlock, block
from reflosses.comparison.formats import Format
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss


def _masks(shape: tuple[int, ...]) -> list[Floats]:
    """Hard masks in which every class is present, with different numbers of pixels."""
    first = np.zeros(shape)
    if len(shape) == 2:
        first[np.minimum(np.arange(shape[1]) // 2, shape[0] - 1), np.arange(shape[1])] = 1
        other = first.copy()
        other[:, :2] = np.eye(shape[0])[[2, 1]].T
        return [first, other]
    first[: shape[0] // 3] = 1
    return [first, np.roll(first, 2), 1 - first]


def overlap_blocks(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[LossBlock]:
    """Losses of a predicted mask against the true one."""
    shape = (3, PIXELS) if len(loss.layout.groups) == 2 else (PIXELS,)  # classes and pixels, or pixels
    masks = _masks(shape)
    nothing, everything = np.zeros(shape), np.ones(shape)
    bits = range(2, form.bits + 1, max(1, form.bits // 10))
    near = [(t, np.abs(t - 2.0**-k)) for k in bits for t in masks]
    yield block("A", "nearly perfect", near)
    yield block("B", "nearly opposite", [(t, np.abs(1 - t - 2.0**-k)) for k in bits for t in masks[:1]])
    faint = [2.0**-k for k in (form.bits, form.top // 3, form.top - 4)]
    yield block("B", "faint predictions", [(t, v * everything) for v in faint for t in masks])
    yield block("D", "perfect and opposite", [(t, p) for t in masks for p in (t, 1 - t, everything / 2)])
    partial = rng.integers(1, 16, shape) / 16
    yield block("H", "empty mask, some prediction", [(nothing, p) for p in (partial, everything, everything / 4)])
    yield block("H", "empty mask, empty prediction", [(nothing, nothing)])
    yield block("H", "full mask", [(everything, p) for p in (nothing, partial, everything)])
    if len(shape) == 2:
        absent = np.vstack([masks[0][:-1], nothing[-1:]])
        yield block("H", "a class absent", [(absent, p) for p in (absent, partial, everything / 2)])
    soft = [(rng.integers(0, 17, shape) / 16, rng.integers(0, 17, shape) / 16) for _ in range(8)]
    yield block("I", "soft masks", soft)
    yield block("I", "hard masks", [(t, rng.integers(0, 17, shape) / 16) for t in masks for _ in range(3)])
    lost = partial.copy()
    lost.flat[0] = nan
    yield block("G", "a prediction that is not a number", [(masks[0], lost)])


def vector_blocks(loss: Any, form: Format, rng: np.random.Generator) -> Iterator[LossBlock]:
    """Losses of residual vectors."""
    width = int(np.shape(loss.information)[-1])
    ways = [np.eye(width)[0], np.ones(width), (-1.0) ** np.arange(width), np.arange(1, width + 1) / 4]
    zero = np.zeros(width)
    scale = float(form.round(loss.scale))
    small = [0.75 * scale * 2.0**-k for k in range(6, 3 * form.bits, max(2, form.bits // 4))]
    yield block("D", "residual 0", [(zero, zero)])
    yield block("E", "small residuals", [(zero, s * w) for s in small for w in ways])
    huge = [2.0 ** (form.top // 2 + k) for k in (-2, 0, 2)] + [form.max / 8]
    yield block("F", "huge residuals", [(zero, s * w) for s in huge for w in ways])
