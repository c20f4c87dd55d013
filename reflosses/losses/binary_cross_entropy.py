"""Binary cross-entropy of a probability."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import CLAMP, PROBABILITY, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import product, ratio, xlog1py, xlogy
from reflosses.evaluation.parameters import number, optional, parameter


class BinaryCrossEntropy(Loss):
    """Binary cross-entropy of a probability against a label 0 or 1, or a soft label between.

    Formula:  −[y log yhat + (1 − y) log(1 − yhat)], with 0 log 0 = 0; with a clamp c, of yhat clipped to [c, 1 − c].
    Shapes: y and yhat alike; one loss an element.
    Scale: nats. From logits, BinaryCrossEntropyWithLogits keeps more digits.
    Domain: y and yhat in [0, 1], 0 < clamp < ½.
    Kinks: yhat = c and yhat = 1 − c (if it is a float), where `grad` is 0, the slope outside. Limits: ∞ with slope ∓∞
    towards the wrong label; at yhat = y = 0 and yhat = y = 1 the value is 0, the slope 1 and −1.
    Source: I. J. Good, Rational decisions, 1952; derivations/binary_cross_entropy.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, clamp: Any) -> Any:
        p = yhat if clamp is None else max(clamp, min(yhat, 1 - clamp))
        return -(m.xlogy(y, p) + m.xlogy(1 - y, 1 - p))

    clamp: float | None = parameter(default=None, check=optional(number(CLAMP)))

    short = (2.0**-500, 1 - 2.0**-53)  # of yhat: both logarithms are finite, and squares are normal

    def terms(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats]:
        return yhat, y

    def losses(self, p: Floats, y: Floats) -> Floats:
        if self.clamp is None:
            return -(y * np.log(p) + (1 - y) * np.log1p(-p))  # (1)
        return self._clamped_losses(p, y)

    def slopes(self, p: Floats, y: Floats) -> Floats:
        return self._inside((p - y) / (p * (1 - p)), p)  # (2)

    def curvatures(self, p: Floats, y: Floats) -> Floats:
        return self._inside(y / np.square(p) + (1 - y) / np.square(1 - p), p)  # (6)

    # ---- the clamp, and the whole range ------------------------------------------------------------------------------

    def _inside(self, x: Floats, p: Floats) -> Floats:
        """x, and 0 where p is clipped (5)."""
        return x if self.clamp is None else np.where((p <= self.clamp) | (1 - p <= self.clamp), 0 * p, x)

    def _clamped_losses(self, p: Floats, y: Floats) -> Floats:
        c: Any = self.clamp
        log_p = np.where(p < c, np.log(c), np.where(1 - p < c, np.log1p(-c), np.log(p)))
        log_q = np.where(p < c, np.log1p(-c), np.where(1 - p < c, np.log(c), np.log1p(-p)))
        return -(y * log_p + (1 - y) * log_q)  # (4)

    def one_sided_slopes(self, p: Floats, y: Floats) -> tuple[Floats, Floats]:
        slopes = self.slopes(p, y)
        if self.clamp is None:
            return slopes, slopes
        inner = (p - y) / (p * (1 - p))
        return np.where(1 - p == self.clamp, inner, slopes), np.where(p == self.clamp, inner, slopes)

    def full(self, y: Floats, p: Floats) -> tuple[Floats, Floats, Floats]:
        bend = np.where(y == 0, 0.0, product((y,), (p, p))) + ratio(1 - y, np.square(1 - p))  # (6), 0/0 = 0
        if self.clamp is not None:
            return self.losses(p, y), self.slopes(p, y), self._inside(bend, p)
        right_for_sure = (p == y) & ((y == 0) | (y == 1))
        slopes = np.where(right_for_sure, 1 - 2 * y, (p - y) / (p * (1 - p)))  # (3), (2)
        return -(xlogy(y, p) + xlog1py(1 - y, -p)), slopes, bend  # 0 log 0 = 0

    # ---- what the checks need ----------------------------------------------------------------------------------------

    domain = Domains(PROBABILITY, PROBABILITY)
    bounds = Bounds(4, 5, 6)
    examples = ({}, {"clamp": 1e-7}, {"clamp": 0.03})

    def kinks(self, y: Floats) -> tuple[Floats, ...]:
        c = self.clamp
        return () if c is None else tuple(np.full(y.shape, end) for end in (c, 1 - c) if end != 1)
