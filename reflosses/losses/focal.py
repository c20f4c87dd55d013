"""The focal loss of a probability."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reflosses.evaluation.domain import CLAMP, EXPONENT, FRACTION, PROBABILITY, Floats, Labels
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import power_parts, product
from reflosses.evaluation.parameters import number, optional, parameter


class Focal(Loss):
    """Focal loss of a probability: cross-entropy that fades where the prediction is already right.

    Formula, with p_t = yhat for y = 1 and 1 − yhat for y = 0:  α_t (1 − p_t)^gamma (−log p_t). α_t is alpha for y = 1,
    1 − alpha for y = 0, and 1 without alpha; a clamp c clips p_t to [c, 1 − c] in the logarithm only.
    Shapes: y and yhat alike; one loss an element. For one true class of many, y = 1 on its probability. Scale: nats.
    Domain: y in {0, 1}, yhat in [0, 1], gamma ≥ 0, 0 ≤ alpha ≤ 1, 0 < clamp < ½. gamma = 0 is cross-entropy.
    Kinks: p_t = c and p_t = 1 − c (if it is a float), where `grad` is the slope outside. Limits: p_t = 0 gives ∞ with
    slope ±∞; at p_t = 1 value and slope are 0 for gamma > 0 without clamp, value 0 and slope ±1 for gamma = 0.
    Source: T.-Y. Lin et al., Focal loss for dense object detection, 2017; derivations/focal.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, gamma: Any, alpha: Any, clamp: Any) -> Any:
        p_t = yhat if y == 1 else 1 - yhat
        alpha_t = 1 if alpha is None else alpha if y == 1 else 1 - alpha
        if clamp is not None:
            return alpha_t * m.power(1 - p_t, gamma) * -m.log(max(clamp, min(p_t, 1 - clamp)))
        if p_t == 1 and gamma > 0:  # −log p_t is 1 − p_t to first order; (1 − p_t)^gamma alone may have no derivative
            return alpha_t * m.power(1 - p_t, gamma + 1)
        return alpha_t * m.power(1 - p_t, gamma) * -m.log(p_t)

    gamma: float = parameter(default=2.0, check=number(EXPONENT))
    alpha: float | None = parameter(default=None, check=optional(number(FRACTION)))
    clamp: float | None = parameter(default=None, check=optional(number(CLAMP)))

    def losses(self, q: Floats, p: Floats, nats: Floats, power: Floats, alpha: Any, sign: Any, free: Any) -> Floats:
        return alpha * (power * nats)  # (1)

    def slopes(self, q: Floats, p: Floats, nats: Floats, power: Floats, alpha: Any, sign: Any, free: Any) -> Floats:
        steep = 1 / p if free is None else np.where(free, 1 / p, 0.0)
        return -sign * (alpha * (power * (self.gamma * nats / q + steep)))  # (2): one sign, no digit cancels

    def curvatures(self, q: Floats, p: Floats, nats: Floats, power: Floats, alpha: Any, sign: Any, free: Any) -> Floats:
        steep = 1 / p if free is None else np.where(free, 1 / p, 0.0)
        bend = self.gamma * ((self.gamma - 1) * nats / q + 2 * steep) / q + np.square(steep)
        return alpha * (power * bend)  # (4)

    def terms(self, y: Floats, yhat: Floats) -> tuple[Any, ...]:
        positive = y == 1
        p, q = np.where(positive, yhat, 1 - yhat), np.where(positive, 1 - yhat, yhat)  # p_t and 1 − p_t
        nats = np.where(positive, -np.log(yhat), -np.log1p(-yhat))  # −log p_t
        power = q**self.gamma
        if self.gamma > 2:  # the rounding of q costs γ units: here it is put back
            power = power + power * (self.gamma * ((1 - q) - p) / q)  # (5)
        alpha = 1.0 if self.alpha is None else np.where(positive, self.alpha, 1 - self.alpha)
        free = None  # where p_t is not clipped
        if (c := self.clamp) is not None:
            free = (p > c) & (q > c)
            nats = np.where(free | np.isnan(p), nats, np.where(p <= c, -np.log(c), -np.log1p(-c)))
        return q, p, nats, power, alpha, np.where(positive, 1.0, -1.0), free

    @property
    def short(self) -> tuple[float, float]:
        """The interval of q in which q^γ is a normal number and neither p nor q is 0."""
        return 2.0 ** (-1000 / max(self.gamma, 20.0)), 1 - 2.0**-53

    # ---- the whole range: q = 0, p = 0, and powers that leave the floats ---------------------------------------------

    def full(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats, Floats]:
        q, p, nats, _, alpha, sign, free = self.terms(y, yhat)
        g, clipped, free = self.gamma, free is not None, 1.0 if free is None else free
        times_power = self._times_power(q, p)
        slope = times_power(1, alpha, g, nats) + times_power(0, alpha, free, over=(p,))
        rate = np.minimum(np.where(q == 0, 1.0, nats / q), 2.0**900)  # L/q tends to 1; both are small beside 1/p²
        bend = times_power(1, alpha, g, (g - 1) * rate + 2 / np.maximum(p, 2.0**-900), free)
        bend = bend + times_power(0, alpha, free, over=(p, p))
        if clipped:
            bend = np.where(free, bend, times_power(2, alpha, g, g - 1, nats))
        return times_power(0, alpha, nats), -sign * slope, bend

    def _times_power(self, q: Floats, p: Floats) -> Callable[..., Floats]:
        g, (*powers, exponent) = self.gamma, power_parts(q, self.gamma)
        powers.append(np.where(q == 0, 1.0, 1 + g * ((1 - q) - p) / q))  # (5)

        def times_power(less: int, *factors: Any, over: tuple[Floats, ...] = ()) -> Floats:
            """q^(γ − less) times the factors, over `over`; 0 where a factor is 0. Nothing leaves the floats early."""
            found = product((*powers, *factors), (*[np.where(q == 0, 1.0, q)] * less, *over), exponent)
            limit = product([np.sign(1.0 * f) for f in factors]) * np.float64(0.0) ** (g - less)
            found = np.where(q == 0, product(factors, over) if g == less else limit, found)
            absent = np.logical_or.reduce(np.broadcast_arrays(False, *[np.asarray(f) == 0 for f in factors]))
            return np.where(absent, 0 * q, found)

        return times_power

    def one_sided_slopes(
        self, q: Floats, p: Floats, nats: Floats, power: Floats, alpha: Any, sign: Any, free: Any
    ) -> Any:
        slopes = self.slopes(q, p, nats, power, alpha, sign, free)
        if self.clamp is None:
            return slopes, slopes
        times_power, far = self._times_power(q, p), (q < self.short[0]) | (q > self.short[1])
        clipped = np.where(far, -sign * times_power(1, alpha, self.gamma, nats), slopes)
        inner = self.slopes(q, p, nats, power, alpha, sign, None)
        steep = np.where(far, clipped - sign * times_power(0, alpha, over=(p,)), inner)
        inward = np.where(p == self.clamp, sign, np.where(q == self.clamp, -sign, 0.0))  # to the inside
        return np.where(inward < 0, steep, clipped), np.where(inward > 0, steep, clipped)

    # ---- what the checks need ----------------------------------------------------------------------------------------

    domain = Domains(Labels((0.0, 1.0)), PROBABILITY)
    bounds = Bounds(8, 8, 16)
    examples = (
        *({"gamma": 0.3, "alpha": 0.7}, {"gamma": 4.5}, {"gamma": 0.0, "alpha": 0.03}, {"gamma": 30.0}),
        *({"gamma": 1.7, "alpha": 0.2, "clamp": 1e-4}, {"gamma": 1.0, "alpha": 0.4}, {"gamma": 1e-6}),
    )

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        c = self.clamp
        return () if c is None else tuple(np.full(y.shape, end) for end in (c, 1 - c) if end != 1)
