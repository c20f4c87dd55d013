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
    """Soft IoU (Jaccard) loss: one minus the intersection over the union.

    Formula, with I = Σ yhat·y, U = Σ (yhat + y) − I:  1 − (I + smooth_nr) / (U + smooth_dr).
    Shapes: y and yhat alike; `axis` names the axes pooled into one overlap (None: all), one loss an overlap.
    Domain: y and yhat in [0, 1]; smooth_nr, smooth_dr ≥ 0, and smooth_nr > 0 needs smooth_dr > 0.
    Kinks: none. Limits: nothing against nothing (U = smooth_dr = 0) is perfect agreement, loss 0 with slope 0.
    Accuracy: soft targets make slope and curvature a difference, smooth_nr > smooth_dr the value, too. The bound of a
    difference is relative to the sum of its terms without their signs. Products y·yhat below 1e-308 are lost.
    Source: P. Jaccard, 1912; M. A. Rahman and Y. Wang, 2016; derivations/iou.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, smooth_nr: Any, smooth_dr: Any) -> Any:
        intersection = sum(p * t for p, t in zip(yhat, y, strict=True))
        union = sum(yhat) + sum(y) - intersection
        if union + smooth_dr == 0:
            return 0
        return 1 - (intersection + smooth_nr) / (union + smooth_dr)

    axis: int | tuple[int, ...] | None = parameter(default=None, check=optional(axes))
    smooth_nr: float = parameter(default=0.0, check=number(NON_NEGATIVE))
    smooth_dr: float = parameter(default=0.0, check=number(NON_NEGATIVE))

    def sums(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats]:
        return yhat * y, yhat * (1 - y) + y * (1 - yhat)  # I and U − I, of which no digit cancels (2), (5)

    def terms(self, y: Floats, yhat: Floats, intersection: Floats, apart: Floats) -> tuple[Floats, ...]:
        return apart + intersection + self.smooth_dr, intersection, apart, y

    def losses(self, union: Floats, intersection: Floats, apart: Floats, y: Floats) -> Floats:
        return ratio(apart + (self.smooth_dr - self.smooth_nr), union)

    def slopes(self, union: Floats, intersection: Floats, apart: Floats, y: Floats) -> Floats:
        score = ratio(intersection + self.smooth_nr, union)
        return ratio(score[:, None] * (1 - y) - y, union[:, None])  # (4)

    def curvatures(self, union: Floats, intersection: Floats, apart: Floats, y: Floats) -> Floats:
        return ratio(-2 * (1 - y) * self.slopes(union, intersection, apart, y), union[:, None])  # (6)

    # ---- what the checks need ----------------------------------------------------------------------------------------

    layout = property(lambda self: pooled(self.axis))
    domain = Domains(PROBABILITY, PROBABILITY)
    bounds = Bounds(8, 16, 24)
    examples = (
        {},
        {"axis": (0, 2), "smooth_nr": 0.4, "smooth_dr": 5.0},
        {"axis": -1, "smooth_dr": 1e-5},
        {"smooth_nr": 5.0, "smooth_dr": 0.3},
    )

    def error_scale(self, y: Floats, yhat: Floats) -> tuple[Floats | None, Floats, Floats]:
        union, intersection, apart, _ = self.terms(y, yhat, *map(accurate_sum, self.sums(y, yhat)))
        score = ratio(intersection + self.smooth_nr, union)
        hard = (y == 0) | (y == 1)  # nothing cancels
        slopes = np.where(hard, 0.0, ratio(score[:, None] * (1 - y) + y, union[:, None]))
        curvatures = ratio(2 * (1 - y) * slopes, union[:, None])
        if self.smooth_nr <= self.smooth_dr:
            return None, slopes, curvatures
        return ratio(apart + (self.smooth_nr - self.smooth_dr), union), slopes, curvatures

    def check(self) -> None:
        if self.smooth_nr > 0 and self.smooth_dr == 0:
            raise ValueError(f"{self}: smooth_nr > 0 needs smooth_dr > 0")
