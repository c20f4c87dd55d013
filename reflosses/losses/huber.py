"""Huber's loss: quadratic near zero, linear far away."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import POSITIVE, REAL, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import difference
from reflosses.evaluation.parameters import number, parameter


class Huber(Loss):
    """Huber's loss, squared error for small residuals and absolute error for large ones.

    Formula, with r = yhat − y:  ½ r²  where |r| < delta,  delta (|r| − ½ delta)  elsewhere.
    Shapes: y and yhat alike; one loss an element.
    Scale: delta in the unit of y.
    Domain: y and yhat real, delta > 0.
    Kinks: none; at |r| = delta both pieces and their slopes agree. Limits: yhat → ±∞ gives ∞ with slope ±delta.
    Source: P. J. Huber, Robust estimation of a location parameter, 1964; derivations/huber.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, delta: Any) -> Any:
        r = yhat - y
        if abs(r) < delta:
            return r * r / 2
        return delta * (abs(r) - delta / 2)

    delta: float = parameter(default=1.0, check=number(POSITIVE))

    def terms(self, y: Floats, yhat: Floats) -> tuple[Floats, ...]:
        r = yhat - y
        return r, r.clip(-self.delta, self.delta), y, yhat  # r, c (2)

    def losses(self, r: Floats, c: Floats, y: Floats, yhat: Floats) -> Floats:
        return c * (r - 0.5 * c)  # (3): both pieces at once

    def slopes(self, r: Floats, c: Floats, y: Floats, yhat: Floats) -> Floats:
        return c  # (4)

    def curvatures(self, r: Floats, c: Floats, y: Floats, yhat: Floats) -> Floats:
        # (5): where r rounds to ±delta, its rounding error tells the side
        beyond = np.where(np.abs(r) == self.delta, np.sign(r) * difference(yhat, y)[1], np.abs(r) - self.delta)
        return np.where(np.isnan(r), r, beyond < 0)

    # ---- the whole range: r overflows, or is infinite ----------------------------------------------------------------

    def full(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats, Floats]:
        half = yhat / 2 - y / 2
        c = self.delta * np.sign(half)
        return 2 * (c * (half - c / 4)), c, 0 * c

    # ---- what the checks need ----------------------------------------------------------------------------------------

    domain = Domains(REAL, REAL)
    bounds = Bounds(4, 5, 0.5)
    examples = ({"delta": 0.7}, {"delta": 13.0}, {"delta": 1e-6}, {"delta": 1e6})

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        return y - self.delta, y + self.delta

    @property
    def scale(self) -> float:
        return self.delta
