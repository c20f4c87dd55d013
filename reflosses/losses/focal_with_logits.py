"""The focal loss of a logit."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from reflosses.evaluation.domain import CLAMP, EXPONENT, FRACTION, LOGIT, Bools, Floats, Labels
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import exp_of_product, product, smallest_logit, times_exp
from reflosses.evaluation.parameters import number, optional, parameter


class FocalWithLogits(Loss):
    """Focal loss of the sigmoid of a logit: cross-entropy that fades where the prediction is already right.

    Formula, with z_t = yhat for y = 1 and −yhat for y = 0, p_t = σ(z_t):  α_t (1 − p_t)^gamma (−log p_t). α_t is alpha
    for y = 1, 1 − alpha for y = 0, and 1 without alpha; a clamp c clips p_t to [c, 1 − c] in the logarithm only.
    Shapes: y and yhat alike; one loss an element (multi-label). Scale: nats.
    Domain: y in {0, 1}, yhat real, gamma ≥ 0, 0 ≤ alpha ≤ 1, 0 < clamp < ½. gamma = 0 is cross-entropy.
    Kinks: p_t = c and p_t = 1 − c, which no float logit meets. Limits: z_t → ∞ gives 0 with slope 0; z_t → −∞ gives
    ∞ with slope ∓α_t, or, with a clamp, −α_t log c with slope 0.
    Accuracy: the bound of the curvature is relative to its larger term.
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

    gamma: float = parameter(default=2.0, check=number(EXPONENT))
    alpha: float | None = parameter(default=None, check=optional(number(FRACTION)))
    clamp: float | None = parameter(default=None, check=optional(number(CLAMP)))

    def losses(self, z: Floats, e: Floats, nats: Floats, power: Floats, sign: Floats, inside: Any) -> Floats:
        return self._weighted(sign, power * nats)  # (1)

    def slopes(self, z: Floats, e: Floats, nats: Floats, power: Floats, sign: Floats, inside: Any) -> Floats:
        steep = e if inside is None else np.where(inside, e, 0.0)
        slopes = power * ((self.gamma * nats + steep) / (1 + e))  # (4), (5): one sign, no digit cancels
        return -sign * self._weighted(sign, slopes)

    def curvatures(self, z: Floats, e: Floats, nats: Floats, power: Floats, sign: Floats, inside: Any) -> Floats:
        steep = e if inside is None else np.where(inside, e, 0.0)
        bend = self.gamma * nats * (self.gamma - e) + (2 * self.gamma + 1) * steep
        return self._weighted(sign, power * (bend / np.square(1 + e)))  # (6), (7)

    short = cached_property(lambda self: (-300.0, float(np.log(np.expm1(600 / max(self.gamma, 2))))))  # of z_t

    def terms(self, y: Floats, yhat: Floats) -> tuple[Any, ...]:
        sign = 2 * y - 1
        z = sign * yhat  # z_t
        e = np.exp(-z)
        inside, nats = self._clamped(z, np.log1p(e))  # −log p_t (2)
        return z, e, nats, self._power(z, self.gamma), sign, inside

    def _power(self, z: Floats, gamma: float) -> Floats:
        """q^gamma."""
        tail = np.log1p(np.exp(-np.abs(z)))
        return exp_of_product(gamma, np.maximum(z, 0.0)) * exp_of_product(gamma, tail)  # (3)

    def _weighted(self, sign: Floats, x: Floats) -> Floats:
        """α_t x."""
        return x if self.alpha is None else np.where(sign > 0, self.alpha, 1 - self.alpha) * x

    def _clamped(self, z: Floats, nats: Floats) -> tuple[Any, Floats]:
        """Where p_t is inside the clamp (None: there is none), and −log of the clamped p_t."""
        if self.clamp is None:
            return None, nats
        end = smallest_logit(self.clamp)
        inside = (z >= end) & (-z >= end)
        limit = np.where(z < 0, -np.log(self.clamp), -np.log1p(-self.clamp))
        return inside, np.where(inside | np.isnan(z), nats, limit)

    # ---- the whole range: p_t, 1 − p_t or a power underflows ---------------------------------------------------------

    def full(self, y: Floats, yhat: Floats) -> tuple[Floats, ...]:
        z, e, far, nats, inside = self._far_terms(y, yhat)
        slope = np.where(far, inside, (self.gamma * nats + inside * e) / (1 + e))  # far out, γ p L is lost beside q
        slope = (1 - 2 * y) * np.where(far & ~inside, times_exp(self.gamma * nats, z), slope)
        bend = np.subtract(*self._bends(z, e, far, nats, inside))
        return tuple(self._times_power(y, z, x) for x in (nats, slope, bend))

    def _far_terms(self, y: Floats, yhat: Floats) -> tuple[Any, ...]:
        """z_t, exp(−z_t), where that is beyond the floats (and e is not read), −log p_t, where p_t is not clipped."""
        z = (2 * y - 1) * yhat
        far, e = z < -300, np.exp(-np.maximum(z, -300.0))
        inside, nats = self._clamped(z, np.where(far, -z, np.log1p(e)))
        return z, e, far, nats, np.ones(z.shape, bool) if inside is None else inside

    def _bends(self, z: Floats, e: Floats, far: Bools, nats: Floats, inside: Bools) -> tuple[Floats, Floats]:
        """The curvature is the difference of these two terms, times α q^γ (6)."""
        g, capped, over = self.gamma, np.minimum(nats, 2.0**900), np.square(1 + e)  # exp(z_t) is 0 beyond 2^900
        plus = np.where(far, times_exp((2 * g + 1) * inside, z), (g * g * capped + (2 * g + 1) * inside * e) / over)
        return plus, np.where(far, times_exp(g * capped, z), g * capped * e / over)

    def _times_power(self, y: Floats, z: Floats, x: Floats) -> Floats:
        """α q^γ x."""
        half, alpha = self._power(z, self.gamma / 2), self._weighted(2 * y - 1, np.ones(z.shape))
        return np.where((alpha == 0) & (z == z), 0.0, product((alpha, half, half, x)))

    # ---- what the checks need ----------------------------------------------------------------------------------------

    domain = Domains(Labels((0.0, 1.0)), LOGIT)
    bounds = property(lambda self: Bounds(8 + 2 * self.gamma, 8 + 2 * self.gamma, 16 + 2 * self.gamma))
    examples = (
        *({"gamma": 0.3, "alpha": 0.7}, {"gamma": 4.5}, {"gamma": 0.0, "alpha": 0.03}, {"gamma": 30.0}),
        *({"gamma": 1.7, "alpha": 0.2, "clamp": 1e-4}, {"gamma": 1.0, "alpha": 0.4}, {"gamma": 1e-6, "clamp": 1e-6}),
    )

    def error_scale(self, y: Floats, yhat: Floats) -> tuple[None, None, Floats]:
        z, *rest = self._far_terms(y, yhat)
        return None, None, self._times_power(y, z, np.maximum(*self._bends(z, *rest)))

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        end = None if self.clamp is None else smallest_logit(self.clamp)  # the float next to the kink
        return () if end is None else (0 * y + end, 0 * y - end)
