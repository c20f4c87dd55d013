"""Losses of one class row each: logits, log-probabilities, probabilities. Loss k has the target k mod C."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan

import numpy as np

from reflosses.comparison.battery.block import LossBlock, Margins, block, count_classes
from reflosses.comparison.formats import Format
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss

LabelledRow = tuple[float, Floats]  # a class, and the predictions of all classes


def logit_row_blocks(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[LossBlock]:
    """Rows of logits; the margin is the distance of the target's logit from the others."""
    classes, margins = count_classes(loss), Margins(form)

    def row(k: int, own: float, others: float, spread: float = 0.0, after: float | None = None) -> LabelledRow:
        """`spread` sets the other logits apart; `after` is the logit of the class after the target."""
        z = others + spread * np.arange(classes)[::-1] / 8
        z[k % classes] = own
        if after is not None:
            z[(k + 1) % classes] = after
        return float(k % classes), z

    def one_hot(rows: list[LabelledRow]) -> list[tuple[Floats, Floats]]:
        return [(np.eye(classes)[int(t)], z) for t, z in rows]

    right, wrong, every = list(enumerate(margins.right)), list(enumerate(margins.wrong)), range(classes)
    right_rows = [row(k, m, 0.0) for k, m in right]
    yield block("A", "margin on the right side", right_rows)
    yield block("A", "margin, others apart", [row(k, m, 0.0, -1.0) for k, m in right])
    offsets = (32.0, -32.0, 1024.0, -1024.0)
    yield block("A", "margin with a common offset", [row(k, round(m) + o, o) for k, m in right[:6] for o in offsets])
    yield block("B", "margin on the wrong side", [row(k, -m, 0.0) for k, m in wrong])
    yield block("B", "one wrong class ahead", [row(k, 0.0, 0.0, after=m) for k, m in right])
    yield block("D", "equal logits", [row(k, v, v) for k, v in enumerate((0.0, 1.0, -3.0, form.eps, form.smallest))])
    huge = (form.max / 2, 2.0 ** (form.top // 2), -form.max / 2)
    yield block("F", "huge logits", [row(k, s * v, 0.0) for k, v in enumerate(huge) for s in (1, -1)])
    yield block("F", "huge common offset", [row(k, v, v) for k, v in enumerate((*huge, form.max, -form.max))])
    apart = [row(k, s * form.max * 0.75, -s * form.max * 0.75) for k, s in enumerate((1, -1))]
    yield block("F", "logits too far apart for their difference", apart)
    masked = [row(k, 1.0, 0.0, 1.0, after=-inf) for k in every]
    yield block("G", "a masked class (logit −∞)", masked)
    alone = [row(k, 0.5, -inf) for k in every]
    yield block("G", "all other classes masked", alone)
    yield block("G", "target logit +∞", [row(k, inf, 0.0) for k in every])
    yield block("G", "target logit −∞", [row(k, -inf, 0.0) for k in every])
    yield block("G", "a logit that is not a number", [row(k, 1.0, 0.0, after=nan) for k in every])
    if loss.domain.y.rows is None:
        return
    yield block("F", "one-hot, logits too far apart", one_hot(apart))
    z = rng.integers(-40, 41, (16, classes)) / 8
    parts = rng.multinomial(16, [1 / classes] * classes, 16) / 16
    yield LossBlock("I", "soft targets", parts, z)
    yield block("I", "one-hot targets", one_hot([(k % classes, z[k]) for k in range(8)]))
    yield block("G", "a masked class of target 0", one_hot(masked + alone))
    yield block("A", "one-hot, margin on the right side", one_hot(right_rows))
    far = [(p, 4.0 * m * np.eye(classes)[k % classes]) for p, (k, m) in zip(parts, right, strict=False)]
    yield block("B", "soft targets, saturated", [(p, z) for p, z in far if np.abs(z).max() < form.max])


def log_row_blocks(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[LossBlock]:
    """Rows of log-probabilities, of which one counts."""
    classes, margins = count_classes(loss), Margins(form)

    def row(k: int, own: float, others: float) -> LabelledRow:
        z = np.full(classes, others)
        z[k % classes] = own
        return float(k % classes), z

    tails = [2.0**-k for k in (1, form.bits // 2, form.bits + 3, form.top - 4)]
    yield block("A", "probability next to 1", [row(k, -v, -9.0) for k, v in enumerate(tails)])
    yield block("B", "probability next to 0", [row(k, -m, -0.5) for k, m in enumerate(margins.wrong)])
    yield block("D", "probability 1", [row(k, 0.0, -8.0) for k in range(classes)])
    yield block("F", "huge", [row(k, -v, -1.0) for k, v in enumerate((form.max, form.max / 2))])
    yield block("G", "other classes impossible (−∞)", [row(k, -0.5, -inf) for k in range(classes)])
    yield block("G", "the class impossible (−∞)", [row(k, -inf, -0.5) for k in range(classes)])


def probability_row_blocks(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[LossBlock]:
    """Rows of probabilities that sum to 1, of which one counts."""
    classes = count_classes(loss)

    def row(k: int, own: float) -> LabelledRow:
        p = np.zeros(classes)
        p[k % classes], p[(k + 1) % classes] = own, 1 - own
        return float(k % classes), p

    last = -round(np.log2(form.smallest))
    near_one = [1 - 2.0**-k for k in range(2, form.bits + 1, max(1, form.bits // 8))]
    inner = range(2, form.bits, max(1, form.bits // 8))  # above eps: a clip there is another loss
    near_zero = [2.0**-k for k in sorted({*inner, *range(2, last + 1, max(1, last // 12))})]
    yield block("A", "right, next to 1", [row(k, p) for k, p in enumerate(near_one)])
    yield block("B", "wrong, next to 0", [row(k, p) for k, p in enumerate(near_zero)])
    yield block("D", "probability 0 and 1", [row(k, p) for k, p in enumerate((1.0, 0.0, 0.5, 1.0, 0.0))])
    yield block("D", "a row of zeros", [(float(k), np.zeros(classes)) for k in range(2)])  # whose sum is no divisor
