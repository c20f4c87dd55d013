"""Squared error."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import REAL, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss


class MeanSquaredError(Loss):
    """Squared error (without the factor ½ that some put before it).

    Formula, with r = yhat − y:  r².
    Shapes: y and yhat alike; one loss an element.
    Domain: y and yhat real.
    Kinks: none. Limits: yhat → ±∞ gives ∞ with slope ±∞.
    Source: C. F. Gauss, Theoria combinationis, 1821; derivations/mean_squared_error.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any) -> Any:
        r = yhat - y
        return r * r

    def terms(self, y: Floats, yhat: Floats) -> tuple[Floats]:
        return (yhat - y,)

    def losses(self, r: Floats) -> Floats:
        return np.square(r)  # (1)

    def slopes(self, r: Floats) -> Floats:
        return r + r  # (2)

    def curvatures(self, r: Floats) -> Floats:
        return np.where(np.isnan(r), r, 2.0)  # (3)

    # ---- what the checks need ----------------------------------------------------------------------------------------

    domain = Domains(REAL, REAL)
    bounds = Bounds(4, 5, 0.5)
