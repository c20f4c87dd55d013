"""The soft IoU (Jaccard) loss of an overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.axes import pooled
from reflosses.evaluation.domain import NON_NEGATIVE, PROBABILITY, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import accurate_sum, ratio
from reflosses.evaluation.parameters import axes, number, optional, parameter


class IoU(Loss):
    """Soft IoU (Jaccard) loss: one less the intersection over the union.

    Formula, with I = Σ yhat·y, U = Σ (yhat + y) − I:  1 − (I + smooth_nr) / (U + smooth_dr).
    Shapes: y and yhat alike; `axis` names the axes pooled into one overlap (None: all), one loss an overlap.
    Scale: 0 (perfect) to 1, below 0 where smooth_nr > smooth_dr.
    Domain: y and yhat in [0, 1]; smooth_nr, smooth_dr ≥ 0, and smooth_nr > 0 needs smooth_dr > 0.
    Kinks: none. Limits: nothing against nothing (U = smooth_dr = 0) is perfect agreement, loss 0 with slope 0.
    Accuracy: the bounds hold for targets 0 and 1; between them a slope is a difference, its bound relative to the
    larger term, and so is that of the value where smooth_nr > smooth_dr. Products y·yhat below 1e-308 are lost.
    Errors: those of every loss (`reflosses.evaluation.loss.Loss`).
    Source: P. Jaccard, 1912; M. A. Rahman and Y. Wang, 2016; derivations/iou.md.
    """

    axis: int | tuple[int, ...] | None = parameter(default=None, check=optional(axes))
    smooth_nr: float = parameter(default=0.0, check=number(NON_NEGATIVE))
    smooth_dr: float = parameter(default=0.0, check=number(NON_NEGATIVE))

    layout = property(lambda self: pooled(self.axis))
    domain = Domains(PROBABILITY, PROBABILITY)
    bounds = Bounds(6, 8)
    examples = (
        {},
        {"axis": (0, 2), "smooth_nr": 0.4, "smooth_dr": 5.0},
        {"axis": -1, "smooth_dr": 1e-5},
        {"smooth_nr": 5.0, "smooth_dr": 0.3},
    )

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, smooth_nr: Any, smooth_dr: Any) -> Any:
        intersection = sum(p * t for p, t in zip(yhat, y, strict=True))
        union = sum(yhat) + sum(y) - intersection
        if union + smooth_dr == 0:
            return 0
        return 1 - (intersection + smooth_nr) / (union + smooth_dr)

    def sums(self, y: Floats, yhat: Floats) -> tuple[Floats, ...]:
        return yhat * y, yhat * (1 - y) + y * (1 - yhat)  # I and U − I, of which no digit cancels (2), (5)

    def terms(self, y: Floats, yhat: Floats, intersection: Floats, missed: Floats) -> tuple[Floats, ...]:
        return missed + intersection + self.smooth_dr, intersection, missed, y

    def losses(self, union: Floats, intersection: Floats, missed: Floats, y: Floats) -> Floats:
        return ratio(missed + (self.smooth_dr - self.smooth_nr), union)

    def slopes(self, union: Floats, intersection: Floats, missed: Floats, y: Floats) -> Floats:
        score = ratio(intersection + self.smooth_nr, union)
        return ratio(score[:, None] * (1 - y) - y, union[:, None])  # (4)

    def error_scale(self, y: Floats, yhat: Floats) -> tuple[Floats | None, Floats]:
        union, intersection, missed, _ = self.terms(y, yhat, *map(accurate_sum, self.sums(y, yhat)))
        score = ratio(intersection + self.smooth_nr, union)
        hard = (y == 0) | (y == 1)  # nothing cancels
        slope = np.where(hard, 0.0, ratio(np.maximum(score[:, None] * (1 - y), y), union[:, None]))
        if self.smooth_nr <= self.smooth_dr:
            return None, slope
        return ratio(np.maximum(missed, self.smooth_nr - self.smooth_dr), union), slope

    def check(self) -> None:
        if self.smooth_nr > 0 and self.smooth_dr == 0:
            raise ValueError(f"{self}: smooth_nr > 0 needs smooth_dr > 0")
