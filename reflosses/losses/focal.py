"""The focal loss of a probability."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import CLAMP, FRACTION, NON_NEGATIVE, PROBABILITY, Floats, Labels
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import product, ratio, times
from reflosses.evaluation.parameters import number, optional, parameter


class Focal(Loss):
    """Focal loss of a probability: cross-entropy that fades where the prediction is already right.

    Formula, with p_t = yhat for y = 1 and 1 − yhat for y = 0:  α_t (1 − p_t)^gamma (−log p_t), where α_t is alpha for
    y = 1, 1 − alpha for y = 0, and 1 without alpha; with a clamp c the logarithm (and only it) is of p_t clipped to
    [c, 1 − c].
    Shapes: y and yhat alike; one loss an element (multi-label). For one true class of many, y = 1 on its probability.
    Scale: nats. From logits, FocalWithLogits keeps more digits.
    Domain: y in {0, 1}, yhat in [0, 1], gamma ≥ 0, 0 ≤ alpha ≤ 1, 0 < clamp < ½. gamma = 0 is cross-entropy.
    Kinks: p_t = c and p_t = 1 − c (if it is a float), where `grad` is the slope outside. Limits: p_t = 0 gives ∞ with
    slope ±∞; at p_t = 1 value and slope are 0 for gamma > 0 without clamp, value 0 and slope ±1 for gamma = 0.
    Accuracy: 6 ulp, for gamma above 5 it is 6 + 2 gamma.
    Errors: those of every loss (`reflosses.evaluation.loss.Loss`).
    Source: T.-Y. Lin et al., Focal loss for dense object detection, 2017; derivations/focal.md.
    """

    gamma: float = parameter(default=2.0, check=number(NON_NEGATIVE))
    alpha: float | None = parameter(default=None, check=optional(number(FRACTION)))
    clamp: float | None = parameter(default=None, check=optional(number(CLAMP)))

    domain = Domains(Labels((0.0, 1.0)), PROBABILITY)
    bounds = property(lambda self: Bounds(*[6 if self.gamma <= 5 else 6 + 2 * self.gamma] * 2))
    examples = (
        {"gamma": 0.3, "alpha": 0.7},
        {"gamma": 4.5},
        {"gamma": 0.0, "alpha": 0.03},
        {"gamma": 1.7, "alpha": 0.2, "clamp": 1e-4},
        {"gamma": 30.0},
        {"gamma": 1.0, "alpha": 0.4},
        {"gamma": 1e-6},
    )

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, gamma: Any, alpha: Any, clamp: Any) -> Any:
        p_t = yhat if y == 1 else 1 - yhat
        alpha_t = 1 if alpha is None else alpha if y == 1 else 1 - alpha
        if clamp is not None:
            return alpha_t * m.power(1 - p_t, gamma) * -m.log(max(clamp, min(p_t, 1 - clamp)))
        if p_t == 1 and gamma > 0:  # −log p_t is 1 − p_t to first order; (1 − p_t)^gamma alone may have no derivative
            return alpha_t * m.power(1 - p_t, gamma + 1)
        return alpha_t * m.power(1 - p_t, gamma) * -m.log(p_t)

    def terms(self, y: Floats, yhat: Floats) -> tuple[Any, ...]:
        positive = y == 1
        p = np.where(positive, yhat, 1 - yhat)  # p_t
        q = np.where(positive, 1 - yhat, yhat)
        log_p = np.where(positive, np.log(yhat), np.log1p(-yhat))
        scale = 1.0 if self.alpha is None else np.where(positive, self.alpha, 1 - self.alpha)
        inside = np.ones(p.shape, bool)
        if self.clamp is not None:
            inside = (p > self.clamp) & (q > self.clamp)
            end = np.where(p <= self.clamp, np.log(self.clamp), np.log1p(-self.clamp))
            log_p = np.where(inside | np.isnan(p), log_p, end)
        return p, q, -log_p, scale, np.where(positive, 1.0, -1.0), inside

    def losses(self, p: Floats, q: Floats, nats: Floats, scale: Any, sign: Floats, inside: Any) -> Floats:
        return times(scale * q**self.gamma, nats)  # (1)

    def slopes(self, p: Floats, q: Floats, nats: Floats, scale: Any, sign: Floats, inside: Any) -> Floats:
        steep = ratio(np.where(inside, scale * q**self.gamma, 0.0), p)
        return -sign * (times(scale, self._fading(q, nats)) + steep)  # (2): one sign, no digit cancels

    def _fading(self, q: Floats, nats: Floats) -> Floats:
        """γ q^(γ − 1) nats, 0 where nats is 0."""
        if self.gamma == 0:
            return np.zeros(q.shape)
        if self.gamma < 1:  # q^(γ − 1) alone may overflow, q^γ alone be subnormal
            half = q ** (self.gamma / 2)
            return np.where(
                q == 0, times(nats, np.full(q.shape, np.inf)), product((self.gamma, half, half, nats), (q,))
            )
        less_one = self.gamma - 1
        error = (self.gamma - (less_one + 1)) * np.log(np.maximum(q, 5e-324))  # what rounding γ − 1 does to the power
        return times(nats, self.gamma * q**less_one * (1 + error))

    def one_sided_slopes(self, p: Floats, q: Floats, nats: Floats, scale: Any, sign: Floats, inside: Any) -> Any:
        slope = self.slopes(p, q, nats, scale, sign, inside)
        if self.clamp is None:
            return slope, slope
        steep = self.slopes(p, q, nats, scale, sign, np.ones(p.shape, bool))
        inward = np.where(
            p == self.clamp, sign, np.where(q == self.clamp, -sign, 0.0)
        )  # towards larger yhat or smaller
        return np.where(inward < 0, steep, slope), np.where(inward > 0, steep, slope)

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        return () if self.clamp is None else (0 * y + self.clamp, 0 * y + (1 - self.clamp))
