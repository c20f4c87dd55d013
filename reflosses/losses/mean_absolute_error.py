"""Absolute error."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import REAL, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss


class MeanAbsoluteError(Loss):
    """Absolute error, the L1 loss.

    Formula, with r = yhat − y:  |r|.
    Shapes: y and yhat alike; one loss an element.
    Domain: y and yhat real.
    Kinks: r = 0, where the one-sided slopes are −1 and 1 and `grad` is 0. Limits: yhat → ±∞ gives ∞ with slope ±1.
    Source: P.-S. Laplace, 1774 (least absolute deviations); derivations/mean_absolute_error.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any) -> Any:
        return abs(yhat - y)

    def terms(self, y: Floats, yhat: Floats) -> tuple[Floats]:
        return (yhat - y,)

    def losses(self, r: Floats) -> Floats:
        return np.abs(r)  # (1)

    def slopes(self, r: Floats) -> Floats:
        return np.sign(r)  # (2)

    def curvatures(self, r: Floats) -> Floats:
        return 0 * np.sign(r)

    def one_sided_slopes(self, r: Floats) -> tuple[Floats, Floats]:
        return np.where(r == 0, -1.0, np.sign(r)), np.where(r == 0, 1.0, np.sign(r))  # (3)

    # ---- what the checks need ----------------------------------------------------------------------------------------

    domain = Domains(REAL, REAL)
    bounds = Bounds(4, 5, 0.5)

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        return (y,)
