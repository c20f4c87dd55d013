"""Losses of one number each: logits, probabilities, residuals, margins."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan

import numpy as np

from reflosses.comparison.battery.block import LossBlock, Margins, block
from reflosses.comparison.formats import Format
from reflosses.evaluation.loss import Loss


def logit_blocks(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[LossBlock]:
    """Binary losses of a logit; for the label y the right side is z → +∞ at y = 1, −∞ at y = 0."""
    margins = Margins(form)
    near_one = [1 - 2.0**-k for k in (3, form.bits // 2, form.bits)]
    yield block("A", "margin on the right side", [(y, (2 * y - 1) * m) for m in margins.right for y in (0.0, 1.0)])
    yield block("A", "soft label, saturated", [(y, s * m) for m in margins.right for y in near_one for s in (1, -1)])
    yield block("B", "margin on the wrong side", [(y, (1 - 2 * y) * m) for m in margins.wrong for y in (0.0, 1.0)])
    if hasattr(loss, "gamma"):
        bases = [m * s for m in (0.0, 1.0, *margins.right, *margins.wrong[-2:]) for s in (1, -1)]
        yield block("C", "powers of bases near 0 and 1", [(y, z) for z in bases for y in (0.0, 1.0)])
    small = (0.0, form.smallest, form.tiny, form.eps**2, form.eps / 4, form.eps)
    yield block(
        "D", "logit 0 and its neighbours", [(y, s * z) for z in small for y in (0.0, 0.5, 1.0) for s in (1, -1)]
    )
    huge = (form.max, form.max / 4, 2.0 ** (form.top // 2), 2.0 ** (form.top // 2 - 1))
    yield block("F", "huge logits", [(y, s * z) for z in huge for y in (0.0, 1.0) for s in (1, -1)])
    yield block("G", "infinite logits", [(y, s * inf) for y in (0.0, 1.0) for s in (1, -1)])
    yield block("G", "a logit that is not a number", [(y, nan) for y in (0.0, 1.0)])
    soft = [(rng.integers(1, 16) / 16, rng.integers(-64, 65) / 8) for _ in range(24)]
    yield block("I", "soft labels", soft)


def probability_blocks(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[LossBlock]:
    """Binary losses of a probability."""
    near_one = [1 - 2.0**-k for k in range(2, form.bits + 1, max(1, form.bits // 12))] + [1 - form.eps / 2]
    last = -round(np.log2(form.smallest))
    inner = range(2, form.bits, max(1, form.bits // 8))  # above eps: a clip there is another loss
    far = range(2, last + 1, max(1, last // 14))
    near_zero = [2.0**-k for k in sorted({*inner, *far, form.bits, 1 - round(np.log2(form.tiny)), last})]
    yield block("A", "right, next to 1", [(1.0, p) for p in near_one])
    yield block("A", "right, next to 0", [(0.0, p) for p in near_zero])
    yield block("B", "wrong, next to 0", [(1.0, p) for p in near_zero])
    yield block("B", "wrong, next to 1", [(0.0, p) for p in near_one])
    if hasattr(loss, "gamma"):
        bases = [0.0, 1.0, 0.5, *near_one[-3:], *near_zero[-3:]]
        yield block("C", "powers of bases near 0 and 1", [(y, p) for p in bases for y in (0.0, 1.0)])
    exact = [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.5), (1.0, 0.5)]
    yield block("D", "probability 0, ½ and 1", [*exact, (0.5, 0.5), (0.25, 0.25), (0.75, 0.75)])
    kinks = np.ravel(loss.kinks(np.zeros(1)))
    ends = [p for p in kinks if p == form.round(p) and 1 - p in kinks]  # 1 − clamp may lie beside its float
    if ends:
        yield block("D", "where a clamp begins", [(y, p) for p in ends for y in (0.0, 0.5, 1.0)])
    yield block("G", "a probability that is not a number", [(y, nan) for y in (0.0, 1.0)])
    yield block("I", "soft labels", [(rng.integers(1, 16) / 16, rng.integers(1, 64) / 64) for _ in range(24)])


def residual_blocks(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[LossBlock]:
    """Losses of r = yhat − y; the scale is where the loss bends."""
    scale = float(form.round(loss.scale))
    halvings = [0.75 * scale * 2.0**-k for k in range(6, 3 * form.bits, max(2, form.bits // 8))]
    yield block("E", "small residuals", [(0.0, s * r) for r in halvings for s in (1, -1)])
    moved = [(y, y + s * 2.0**-k * y) for k in range(2, form.bits - 1, 4) for y in (scale, 1.0) for s in (1, -1)]
    yield block("E", "small differences", [(float(form.round(y)), x) for y, x in moved])
    kink = float(form.round(scale))
    steps = [kink + k * float(form.spacing(kink)) for k in (-2, -1, 0, 1, 2)]
    exact = [0.0, form.smallest, form.tiny, *steps]
    yield block("D", "residual 0 and the bend, and their neighbours", [(0.0, s * r) for r in exact for s in (1, -1)])
    yield block("D", "y = yhat", [(y, y) for y in (0.0, 1.0, -scale, form.max / 2, form.tiny)])
    roots = [2.0 ** (form.top // 2 + k) for k in (-2, -1, 0, 1, 3)]
    tops = [form.max, form.max / 2, 2.0 ** (form.top * 3 // 4)]
    far = [scale * 2.0**k for k in (3, 10, 20, 40) if scale * 2.0**k < form.max]
    yield block("F", "huge residuals", [(0.0, s * r) for r in (*far, *roots, *tops) for s in (1, -1)])
    yield block("F", "huge, on opposite sides", [(-s * form.max * 0.75, s * form.max * 0.75) for s in (1, -1)])
    yield block("F", "huge on both sides", [(y, s * y) for y in (form.max / 2, roots[-1]) for s in (0.5, -0.5)])
    yield block("G", "infinite predictions", [(0.0, inf), (1.0, -inf)])
    yield block("G", "a prediction that is not a number", [(0.0, nan), (1.0, nan)])


def margin_blocks(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[LossBlock]:
    """Losses of a score and a label −1 or 1, which bend at margin 1."""
    labels = (-1.0, 1.0)
    steps = [1 - form.eps, 1 - form.eps / 2, 1.0, 1 + form.eps, 1 + 2 * form.eps, 0.0, form.smallest]
    yield block("A", "right with a margin", [(y, y * m) for m in (1.5, 8.0, 40.0) for y in labels])
    yield block(
        "B", "wrong, near and far", [(y, -y * m) for m in (0.5, 8.0, 40.0, 1e4, 1e10) for y in labels if m < form.max]
    )
    yield block(
        "D", "margin 0 and 1 and their neighbours", [(y, s * y * m) for m in steps for y in labels for s in (1, -1)]
    )
    huge = (form.max, form.max / 2, 2.0 ** (form.top // 2))
    yield block("F", "huge scores", [(y, s * m) for m in huge for y in labels for s in (1, -1)])
    yield block("G", "infinite scores", [(y, s * inf) for y in labels for s in (1, -1)])
    yield block("G", "a score that is not a number", [(y, nan) for y in labels])
