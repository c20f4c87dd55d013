"""The Generalised Dice loss over several classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.axes import class_pooled
from reflosses.evaluation.domain import PROBABILITY, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import accurate_sum, product, ratio
from reflosses.evaluation.parameters import flag, integer, parameter


class GeneralizedDice(Loss):
    """Generalised Dice loss: an overlap of all classes, each weighted by the inverse square of its volume.

    Formula, with R_l = Σ_n y_ln and w_l = 1/R_l²:  1 − 2 Σ_l w_l Σ_n y_ln yhat_ln / Σ_l w_l Σ_n (y_ln + yhat_ln).
    A class absent from y (R_l = 0) takes the largest finite weight of its overlap; if all are absent, w_l = 1.
    Shapes: y and yhat alike, the classes along `axis`; one loss, or one for each entry of axis 0 if `per_sample`.
    Domain: y and yhat in [0, 1]; class volumes within a factor 1e150 of each other.
    Kinks: none. Limits: nothing against nothing is perfect agreement, loss 0 with slope 0.
    Accuracy: soft targets make slope and curvature a difference; its bound is relative to the sum of its terms without
    their signs. Products y·yhat below 1e-308, and below 1e-308 times the largest class ratio squared, are lost.
    Source: C. H. Sudre et al., Generalised Dice overlap, 2017; derivations/generalized_dice.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any) -> Any:
        volumes = [sum(row) for row in y]
        smallest = min((v for v in volumes if v > 0), default=1)
        weights = [1 / (v if v > 0 else smallest) ** 2 for v in volumes]
        overlaps = [sum(p * t for p, t in zip(*rows, strict=True)) for rows in zip(yhat, y, strict=True)]
        totals = [sum(a) + sum(b) for a, b in zip(yhat, y, strict=True)]
        total = sum(w * t for w, t in zip(weights, totals, strict=True))
        return 1 - 2 * sum(w * i for w, i in zip(weights, overlaps, strict=True)) / total if total != 0 else 0

    axis: int = parameter(default=-1, check=integer)
    per_sample: bool = parameter(default=False, check=flag)

    def losses(self, total: Floats, intersection: Floats, distance: Floats, w: Floats, y: Floats) -> Floats:
        return ratio(distance, total)

    def slopes(self, total: Floats, intersection: Floats, distance: Floats, w: Floats, y: Floats) -> Floats:
        score = ratio(2 * intersection, total)[:, None, None]
        return ratio(w[:, :, None] * (score - 2 * y), total[:, None, None])  # (4)

    def curvatures(self, total: Floats, intersection: Floats, distance: Floats, w: Floats, y: Floats) -> Floats:
        return -_bends(self.slopes(total, intersection, distance, w, y), w, total)  # (6)

    def sums(self, y: Floats, yhat: Floats) -> tuple[Floats, ...]:
        return y, yhat * y, yhat * (1 - y) + y * (1 - yhat)  # R, I and R + P − 2I, of which no digit cancels (5)

    def terms(self, y: Floats, yhat: Floats, volume: Any, shared: Any, apart: Any) -> tuple[Floats, ...]:
        smallest = np.min(volume, axis=1, keepdims=True, where=volume > 0, initial=np.inf)
        w = np.where(volume > 0, smallest / volume, 1.0) ** 2  # (2): the weights over the largest of them
        intersection, distance = accurate_sum(w * shared), accurate_sum(w * apart)
        return distance + 2 * intersection, intersection, distance, w, y

    # ---- what the checks need ----------------------------------------------------------------------------------------

    layout = property(lambda self: class_pooled(self.axis, self.per_sample))
    domain = Domains(PROBABILITY, PROBABILITY)
    bounds = Bounds(8, 16, 28)
    examples = ({}, {"axis": 1, "per_sample": True}, {"axis": 0})

    def error_scale(self, y: Floats, yhat: Floats) -> tuple[None, Floats, Floats]:
        total, intersection, _, w, _ = self.terms(y, yhat, *map(accurate_sum, self.sums(y, yhat)))
        score = ratio(2 * intersection, total)[:, None, None]
        hard = (y == 0) | (y == 1)  # nothing cancels
        slopes = np.where(hard, 0.0, ratio(w[:, :, None] * (score + 2 * y), total[:, None, None]))
        return None, slopes, _bends(slopes, w, total)


def _bends(slopes: Floats, w: Floats, total: Floats) -> Floats:
    """2 w/Q of the slopes; no factor leaves the floats early."""
    return np.where(slopes == 0, 0.0, product((2.0, w[:, :, None], slopes), (total[:, None, None],)))
