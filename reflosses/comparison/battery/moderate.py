"""Losses at moderate inputs, where every sensible formula is right."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import numpy as np

from reflosses.comparison.battery.block import PIXELS, LossBlock, count_classes, family, inside
from reflosses.comparison.formats import Format
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import one_loss_a_call, stack
from reflosses.truth.sampling import moderate

LOSSES = 12  # at least so many losses, if one call holds one


def moderate_blocks(loss: Loss, form: Format, seed: int) -> Iterator[LossBlock]:
    """Tame inputs; a narrow format has less room between its extremes."""
    kind = family(loss)
    size = count_classes(loss) if "rows" in kind else PIXELS
    points = LOSSES * size if one_loss_a_call(loss) else 60 if not loss.layout.groups else 144 * size
    drawn = [stack(loss, *problem) for problem in moderate(loss, seed, points, size)]
    targets = {y.shape[1:] for y, _ in drawn}  # class indices, and rows of class probabilities
    for shape in sorted(targets):
        y = np.concatenate([y for y, _ in drawn if y.shape[1:] == shape])[:48]
        yhat = np.concatenate([z for y, z in drawn if y.shape[1:] == shape])[:48]
        if kind.startswith("logit"):  # σ or softmax keep two thirds of their digits
            yhat = yhat * (-log(form.eps) / (60 if kind == "logit rows" else 30))
        elif form.bits < 24 and kind.startswith("probabilit"):
            yhat = 0.5 + (yhat - 0.5) * (1 - 2.0 ** (-form.bits / 2))
        y, yhat = form.round(y), form.round(yhat)
        keep = inside(loss, y, yhat)
        if kind == "residuals":  # whose squares are numbers of the format
            small = keep & (np.abs(yhat - y) < 2.0 ** (form.top // 2 - 1))
            keep = small if small.any() else keep
        yield LossBlock("moderate", "moderate", y[keep], yhat[keep])
