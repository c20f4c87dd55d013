"""The soft Dice loss of an overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.axes import pooled
from reflosses.evaluation.domain import NON_NEGATIVE, PROBABILITY, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import accurate_sum, ratio
from reflosses.evaluation.parameters import axes, number, optional, parameter


class Dice(Loss):
    """Soft Dice loss: one minus twice the intersection over the total.

    Formula, with I = Σ yhat·y, P = Σ yhat, T = Σ y:  1 − (2I + smooth_nr) / (P + T + smooth_dr).
    Shapes: y and yhat alike; `axis` names the axes pooled into one overlap (None: all), one loss an overlap.
    Domain: y and yhat in [0, 1]; smooth_nr, smooth_dr ≥ 0, and smooth_nr > 0 needs smooth_dr > 0.
    Kinks: none. Limits: nothing against nothing (P = T = smooth_dr = 0) is perfect agreement, loss 0 with slope 0.
    Accuracy: soft targets make slope and curvature a difference, smooth_nr > smooth_dr the value, too. The bound of a
    difference is relative to the sum of its terms without their signs. Products y·yhat below 1e-308 are lost.
    Source: L. R. Dice, 1945; F. Milletari et al., V-Net, 2016; derivations/dice.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, smooth_nr: Any, smooth_dr: Any) -> Any:
        intersection = sum(p * t for p, t in zip(yhat, y, strict=True))
        total = sum(yhat) + sum(y)
        if total + smooth_dr == 0:
            return 0
        return 1 - (2 * intersection + smooth_nr) / (total + smooth_dr)

    axis: int | tuple[int, ...] | None = parameter(default=None, check=optional(axes))
    smooth_nr: float = parameter(default=0.0, check=number(NON_NEGATIVE))
    smooth_dr: float = parameter(default=0.0, check=number(NON_NEGATIVE))

    def sums(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats]:
        return yhat * y, yhat * (1 - y) + y * (1 - yhat)  # I and P + T − 2I, of which no digit cancels (4)

    def terms(self, y: Floats, yhat: Floats, intersection: Floats, apart: Floats) -> tuple[Floats, ...]:
        return apart + 2 * intersection + self.smooth_dr, intersection, apart, y

    def losses(self, total: Floats, intersection: Floats, apart: Floats, y: Floats) -> Floats:
        return ratio(apart + (self.smooth_dr - self.smooth_nr), total)

    def slopes(self, total: Floats, intersection: Floats, apart: Floats, y: Floats) -> Floats:
        score = ratio(2 * intersection + self.smooth_nr, total)
        return ratio(score[:, None] - 2 * y, total[:, None])  # (3)

    def curvatures(self, total: Floats, intersection: Floats, apart: Floats, y: Floats) -> Floats:
        return ratio(-2 * self.slopes(total, intersection, apart, y), total[:, None])  # (5)

    # ---- what the checks need ----------------------------------------------------------------------------------------

    layout = property(lambda self: pooled(self.axis))
    domain = Domains(PROBABILITY, PROBABILITY)
    bounds = Bounds(8, 16, 24)
    examples = (
        {},
        {"axis": (0, 2), "smooth_nr": 0.3, "smooth_dr": 7.0},
        {"axis": -1, "smooth_dr": 1e-5},
        {"smooth_nr": 5.0, "smooth_dr": 0.3},
    )

    def error_scale(self, y: Floats, yhat: Floats) -> tuple[Floats | None, Floats, Floats]:
        total, intersection, apart, _ = self.terms(y, yhat, *map(accurate_sum, self.sums(y, yhat)))
        score = ratio(2 * intersection + self.smooth_nr, total)
        hard = (y == 0) | ((y == 1) & (self.smooth_nr <= self.smooth_dr))  # nothing cancels
        slopes = np.where(hard, 0.0, ratio(score[:, None] + 2 * y, total[:, None]))
        curvatures = ratio(2 * slopes, total[:, None])
        if self.smooth_nr <= self.smooth_dr:
            return None, slopes, curvatures
        return ratio(apart + (self.smooth_nr - self.smooth_dr), total), slopes, curvatures

    def check(self) -> None:
        if self.smooth_nr > 0 and self.smooth_dr == 0:
            raise ValueError(f"{self}: smooth_nr > 0 needs smooth_dr > 0")
