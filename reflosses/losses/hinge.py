"""The hinge loss of support vector machines."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import REAL, Floats, Labels
from reflosses.evaluation.loss import Bounds, Domains, Loss


class Hinge(Loss):
    """Hinge loss of a score against a label −1 or 1.

    Formula:  max(0, 1 − y·yhat), where y·yhat is the margin.
    Shapes: y and yhat alike; one loss an element.
    Domain: y in {−1, 1}, yhat real; a score, not a probability.
    Kinks: margin 1, where the one-sided slopes are −y and 0 and `grad` is 0. Limits: yhat → ∞ on the label's side
    gives 0 with slope 0, on the other ∞ with slope −y.
    Source: C. Cortes and V. Vapnik, Support-vector networks, 1995; derivations/hinge.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any) -> Any:
        return max(0, 1 - y * yhat)

    def terms(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats]:
        return 1 - y * yhat, y

    def losses(self, gap: Floats, y: Floats) -> Floats:
        return np.maximum(gap, 0.0)  # (1)

    def slopes(self, gap: Floats, y: Floats) -> Floats:
        return -y * (gap > 0)  # (2)

    def curvatures(self, gap: Floats, y: Floats) -> Floats:
        return 0 * np.sign(gap)

    def one_sided_slopes(self, gap: Floats, y: Floats) -> tuple[Floats, Floats]:
        # from the left a positive label comes from inside the margin, a negative one from outside
        left = np.where(y > 0, 1.0, 0.0)
        return -y * np.heaviside(gap, left), -y * np.heaviside(gap, 1 - left)  # (3)

    # ---- the whole range: NaN stays NaN ------------------------------------------------------------------------------

    def full(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats, Floats]:
        gap = 1 - y * yhat
        return np.maximum(gap, 0.0), -y * np.heaviside(gap, 0.0), 0 * np.sign(gap)

    # ---- what the checks need ----------------------------------------------------------------------------------------

    domain = Domains(Labels((-1.0, 1.0)), REAL)
    bounds = Bounds(4, 5, 0.5)

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        return (y,)
