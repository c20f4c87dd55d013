"""The two-class cross-entropy of Sudre et al., whose weight depends on the prediction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from reflosses.evaluation.domain import NON_NEGATIVE, PROBABILITY, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import accurate_sum, product, ratio, xlog1py, xlogy
from reflosses.evaluation.parameters import choice, number, parameter


class WeightedCrossEntropy(Loss):
    """Two-class cross-entropy with a weight on the foreground, by default the predicted imbalance.

    Formula:  −[w y log yhat + (1 − y) log(1 − yhat)], with w = (N − Σ yhat) / Σ yhat or a given number.
    Gradient: of the (weighted) sum of the losses; weight_grad="stop" holds w constant, "full" differentiates it too.
    Shapes: y and yhat alike; one loss an element, and each reads all predictions through w. Scale: nats.
    Domain: y and yhat in [0, 1]; for the weight "sudre" Σ yhat > 0 (elements of zero weight take no part in w).
    Kinks: none. Limits: as binary cross-entropy.
    Accuracy: for soft labels, and with "full", a slope's bound is relative to the sum of its terms without their signs.
    Source: C. H. Sudre et al., 2017; derivations/weighted_cross_entropy.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, weight: Any, weight_grad: Any) -> Any:
        w = weight
        if weight == "sudre":
            w = (len(yhat) - sum(yhat)) / sum(yhat)
            w = m.constant(w) if weight_grad == "stop" else w
        return [-(w * m.xlogy(t, p) + m.xlogy(1 - t, 1 - p)) for t, p in zip(y, yhat, strict=True)]

    weight: float | str = parameter(default="sudre", check=choice("sudre", otherwise=number(NON_NEGATIVE)))
    weight_grad: str = parameter(default="stop", check=choice("stop", "full"))

    def losses(self, p: Floats, y: Floats, background: Any, foreground: Any, nats: Any) -> Floats:
        free = (y == 0) | (p == 1) | (background == 0)
        weighted = np.where(free, 0.0, product((y, -np.log(p), background), (foreground,)))
        return weighted - xlog1py(1 - y, -p)  # (1)

    def slopes(self, p: Floats, y: Floats, background: Any, foreground: Any, nats: Any) -> Floats:
        weighted = np.where((y == 0) | (background == 0), 0.0, product((y, background), (foreground, p)))
        return ratio(1 - y, 1 - p) - weighted  # (2)

    def slope_through_weight(self, p: Floats, y: Floats, background: Any, foreground: Any, nats: Any) -> Floats | None:
        if not self._moves:
            return None
        return np.broadcast_to(-product((background + foreground, nats), (foreground, foreground)), p.shape)  # (3)

    def curvatures(self, p: Floats, y: Floats, background: Any, foreground: Any, nats: Any) -> Floats:
        none = (y == 0) | (background == 0)
        own = np.where(none, 0.0, product((y, background), (foreground, p, p))) + ratio(1 - y, np.square(1 - p))
        if not self._moves:
            return own  # (4)
        return own + np.where(
            y == 0, 0.0, product((2.0, y, background + foreground), (foreground, foreground, p))
        )  # (5)

    def curvature_through_weight(self, p: Floats, y: Floats, background: Any, foreground: Any, nats: Any) -> Any:
        if not self._moves:
            return None
        return np.broadcast_to(product((2.0, background + foreground, nats), (foreground,) * 3), p.shape)  # (5)

    def sums(self, y: Floats, yhat: Floats, weight: Floats | None = None) -> tuple[Floats, ...]:
        nats = -xlogy(y, yhat)  # what w multiplies
        return 1 - yhat, yhat, nats if weight is None else weight * nats

    def terms(self, y: Floats, yhat: Floats, background: Any, foreground: Any, nats: Any) -> tuple[Any, ...]:
        if self.weight != "sudre":
            return yhat, y, np.float64(self.weight), np.float64(1.0), nats
        if foreground == 0 and yhat.size:
            raise ValueError(f'{self}: yhat sums to 0, and the weight "sudre" divides by this sum')
        return yhat, y, background, foreground, nats  # w is the third over the fourth

    @property
    def _moves(self) -> bool:
        """Whether the gradient passes through the weight, too."""
        return self.weight == "sudre" and self.weight_grad == "full"

    # ---- what the checks need ----------------------------------------------------------------------------------------

    domain = Domains(PROBABILITY, PROBABILITY)
    bounds = Bounds(6, 8, 16)
    examples = ({}, {"weight_grad": "full"}, {"weight": 3.7}, {"weight": 0.04, "weight_grad": "full"}, {"weight": 0.0})
    reads_all_predictions = True

    def held_constant(self, yhat: Floats) -> WeightedCrossEntropy:
        if self.weight != "sudre" or self._moves:
            return self
        return replace(self, weight=float(accurate_sum(1 - yhat) / accurate_sum(yhat)))

    def error_scale(self, y: Floats, yhat: Floats) -> tuple[None, Floats, None]:
        terms = self.terms(y, yhat, *map(accurate_sum, self.sums(y, yhat)))
        own = ratio(1 - y, 1 - yhat) + ratio(y * terms[2] / terms[3], yhat)
        through = self.slope_through_weight(*terms)
        return None, own if through is None else own + np.abs(through), None
