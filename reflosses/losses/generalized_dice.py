"""The Generalised Dice loss over several classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.axes import class_pooled
from reflosses.evaluation.domain import PROBABILITY, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import accurate_sum, ratio
from reflosses.evaluation.parameters import flag, integer, parameter


class GeneralizedDice(Loss):
    """Generalised Dice loss: an overlap of all classes, each weighted by the inverse square of its volume.

    Formula, with R_l = Σ_n y_ln and w_l = 1/R_l²:  1 − 2 Σ_l w_l Σ_n y_ln yhat_ln / Σ_l w_l Σ_n (y_ln + yhat_ln).
    Shapes: y and yhat alike, the classes along `axis`; all other axes are pooled into one loss, or, with
    `per_sample=True`, all but the first into one loss a sample.
    Scale: 0 (perfect) to 1.
    Domain: y and yhat in [0, 1]. A class absent from y (R_l = 0) takes the largest finite weight of its overlap;
    if all are absent, the weights are 1.
    Kinks: none. Limits: nothing against nothing is perfect agreement, loss 0 with slope 0.
    Accuracy: the bounds hold for targets 0 and 1; between them a slope is a difference, its bound relative to the
    larger term; class volumes must not differ by more than a factor 1e150.
    Errors: those of every loss (`reflosses.evaluation.loss.Loss`).
    Source: C. H. Sudre et al., Generalised Dice overlap as a deep learning loss function for highly unbalanced
    segmentations, 2017; derivations/generalized_dice.md.
    """

    axis: int = parameter(default=-1, check=integer)
    per_sample: bool = parameter(default=False, check=flag)

    layout = property(lambda self: class_pooled(self.axis, self.per_sample))
    domain = Domains(PROBABILITY, PROBABILITY)
    bounds = Bounds(6, 8)
    examples = ({}, {"axis": 1, "per_sample": True}, {"axis": 0})

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any) -> Any:
        volumes = [sum(row) for row in y]
        smallest = min((v for v in volumes if v > 0), default=1)
        weights = [1 / (v if v > 0 else smallest) ** 2 for v in volumes]
        pairs = [
            (w, t, p) for w, row, guess in zip(weights, y, yhat, strict=True) for t, p in zip(row, guess, strict=True)
        ]
        intersection = sum(w * (t * p) for w, t, p in pairs)
        total = sum(w * (t + p) for w, t, p in pairs)
        if total == 0:
            return 0
        return 1 - 2 * intersection / total

    def sums(self, y: Floats, yhat: Floats) -> tuple[Floats, ...]:
        return y, yhat * y, yhat * (1 - y) + y * (1 - yhat)  # R, I and R + P − 2I, of which no digit cancels (5)

    def terms(self, y: Floats, yhat: Floats, volume: Any, shared: Any, missed: Any) -> tuple[Floats, ...]:
        smallest = np.min(volume, axis=1, keepdims=True, where=volume > 0, initial=np.inf)
        w = np.where(volume > 0, smallest / volume, 1.0) ** 2  # (2): the weights over the largest of them
        intersection, apart = accurate_sum(w * shared), accurate_sum(w * missed)
        return apart + 2 * intersection, intersection, apart, w, y

    def losses(self, total: Floats, intersection: Floats, missed: Floats, w: Floats, y: Floats) -> Floats:
        return ratio(missed, total)

    def slopes(self, total: Floats, intersection: Floats, missed: Floats, w: Floats, y: Floats) -> Floats:
        score = ratio(2 * intersection, total)[:, None, None]
        return ratio(w[:, :, None] * (score - 2 * y), total[:, None, None])  # (4)

    def error_scale(self, y: Floats, yhat: Floats) -> tuple[None, Floats]:
        total, intersection, _, w, _ = self.terms(y, yhat, *map(accurate_sum, self.sums(y, yhat)))
        score = ratio(2 * intersection, total)[:, None, None]
        hard = (y == 0) | (y == 1)  # nothing cancels
        return None, np.where(hard, 0.0, ratio(w[:, :, None] * np.maximum(score, 2 * y), total[:, None, None]))
