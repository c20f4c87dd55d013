"""The focal loss of a logit."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import CLAMP, FRACTION, LOGIT, NON_NEGATIVE, Bools, Floats, Labels
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import exp_of_product, smallest_logit, times, times_exp
from reflosses.evaluation.parameters import number, optional, parameter


class FocalWithLogits(Loss):
    """Focal loss of the sigmoid of a logit: cross-entropy that fades where the prediction is already right.

    Formula, with z_t = yhat for y = 1 and −yhat for y = 0, p_t = σ(z_t):  α_t (1 − p_t)^gamma (−log p_t). α_t is alpha
    for y = 1, 1 − alpha for y = 0, and 1 without alpha; a clamp c clips p_t to [c, 1 − c] in the logarithm only.
    Shapes: y and yhat alike; one loss an element (multi-label). Scale: nats.
    Domain: y in {0, 1}, yhat real, gamma ≥ 0, 0 ≤ alpha ≤ 1, 0 < clamp < ½. gamma = 0 is cross-entropy.
    Kinks: p_t = c and p_t = 1 − c, which no float logit meets. Limits: z_t → ∞ gives 0 with slope 0; z_t → −∞ gives
    ∞ with slope ∓α_t, or, with a clamp, −α_t log c with slope 0.
    Source: T.-Y. Lin et al., Focal loss for dense object detection, 2017; derivations/focal_with_logits.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, gamma: Any, alpha: Any, clamp: Any) -> Any:
        z_t = yhat if y == 1 else -yhat
        alpha_t = 1 if alpha is None else alpha if y == 1 else 1 - alpha
        nats = m.softplus(-z_t)  # −log p_t
        if clamp is not None:
            nats = max(-m.log(1 - clamp), min(nats, -m.log(clamp)))
        return alpha_t * m.exp(-gamma * m.softplus(z_t)) * nats

    gamma: float = parameter(default=2.0, check=number(NON_NEGATIVE))
    alpha: float | None = parameter(default=None, check=optional(number(FRACTION)))
    clamp: float | None = parameter(default=None, check=optional(number(CLAMP)))

    def losses(self, z: Floats, e: Floats, nats: Floats, power: Floats, sign: Floats, inside: Any) -> Floats:
        return self._weighted(sign, power * nats)  # (1)

    def slopes(self, z: Floats, e: Floats, nats: Floats, power: Floats, sign: Floats, inside: Any) -> Floats:
        steep = e if inside is None else np.where(inside, e, 0.0)
        slopes = power * ((self.gamma * nats + steep) / (1 + e))  # (4), (5): one sign, no digit cancels
        return -sign * self._weighted(sign, slopes)

    short = (-300.0, 300.0)  # of z_t: exp(−z_t) and all that is made of it stay among the floats

    def terms(self, y: Floats, yhat: Floats) -> tuple[Any, ...]:
        sign = 2 * y - 1
        z = sign * yhat  # z_t
        e = np.exp(-z)
        nats, inside = np.log1p(e), None  # −log p_t (2)
        if self.clamp is not None:
            inside, nats = self._clamped(self.clamp, z, nats)
        return z, e, nats, self._power(z), sign, inside

    def _power(self, z: Floats) -> Floats:
        """q^γ."""
        tail = np.log1p(np.exp(-np.abs(z)))
        return exp_of_product(self.gamma, np.maximum(z, 0.0)) * exp_of_product(self.gamma, tail)  # (3)

    def _weighted(self, sign: Floats, x: Floats) -> Floats:
        """α_t x."""
        return x if self.alpha is None else np.where(sign > 0, self.alpha, 1 - self.alpha) * x

    def _clamped(self, c: float, z: Floats, nats: Floats) -> tuple[Bools, Floats]:
        """Where p_t is inside the clamp, and −log of the clamped p_t."""
        end = smallest_logit(c)
        inside = (z >= end) & (-z >= end)
        limit = np.where(z < 0, -np.log(c), -np.log1p(-c))
        return inside, np.where(inside | np.isnan(z), nats, limit)

    # ---- the whole range: p_t or 1 − p_t underflows ------------------------------------------------------------------

    def full(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats]:
        sign = 2 * y - 1
        z = sign * yhat
        nats, power = np.where(z > 0, np.exp(-np.abs(z)), -z), self._weighted(sign, self._power(z))
        bracket = np.where(z > 0, times_exp(1 + self.gamma, -np.abs(z)), 1.0)  # γ p L + q
        if self.clamp is not None:
            inside, nats = self._clamped(self.clamp, z, nats)
            # outside the clamp only γ p L is left
            bracket = np.where(inside, bracket, times_exp(self.gamma * nats, np.minimum(z, 0.0)))
        return times(power, nats), -sign * power * bracket

    # ---- what the checks need ----------------------------------------------------------------------------------------

    domain = Domains(Labels((0.0, 1.0)), LOGIT)
    bounds = property(lambda self: Bounds(*[6 if self.gamma <= 5 else 6 + 2 * self.gamma] * 2))
    examples = (
        {"gamma": 0.3, "alpha": 0.7},
        {"gamma": 4.5},
        {"gamma": 0.0, "alpha": 0.03},
        {"gamma": 1.7, "alpha": 0.2, "clamp": 1e-4},
        {"gamma": 30.0},
        {"gamma": 1.0, "alpha": 0.4},
        {"gamma": 1e-6, "clamp": 1e-6},
    )

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        if self.clamp is None:
            return ()
        end = smallest_logit(self.clamp)  # the float next to the kink
        return 0 * y + end, 0 * y - end
