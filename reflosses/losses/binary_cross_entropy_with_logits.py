"""Binary cross-entropy of a logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from reflosses.domain import LOGIT, NON_NEGATIVE, PROBABILITY, Floats
from reflosses.loss import Bounds, Domains, Loss
from reflosses.numerics import product, times, times_exp
from reflosses.parameters import array, optional, parameter


@final
@dataclass(frozen=True, eq=False, repr=False)
class BinaryCrossEntropyWithLogits(Loss):
    """Binary cross-entropy of the sigmoid of a logit, against a label 0 or 1 or a soft label between.

    Formula:  −[pos_weight·y log σ(yhat) + (1 − y) log(1 − σ(yhat))].
    Shapes: y and yhat alike; pos_weight a number or an array that broadcasts to them; one loss an element.
    Scale: nats. pos_weight is a part of the loss: no mean divides by it.
    Domain: y in [0, 1], yhat real, pos_weight ≥ 0.
    Kinks: none. Limits: a logit of ±∞ costs nothing, with slope 0, if all of y is on its side; else ∞.
    Accuracy: the slope of a label strictly between 0 and 1 is a difference; its bound is relative to the larger term.
    Errors: those of every loss (`reflosses.loss.Loss`).
    Source: derivations/binary_cross_entropy_with_logits.md.
    """

    pos_weight: Any = parameter(None, optional(array(NON_NEGATIVE)), broadcast=0)

    domain = Domains(PROBABILITY, LOGIT)
    bounds = Bounds(4, 5)
    examples = ({}, {"pos_weight": 0.3}, {"pos_weight": 17.0}, {"pos_weight": 1e6}, {"pos_weight": 1e-6})

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, pos_weight: Any) -> Any:
        return pos_weight * y * m.softplus(-yhat) + (1 - y) * m.softplus(yhat)

    plain = (-600.0, 600.0)  # beyond, exp(−|yhat|) meets a factor before it underflows

    def common(self, y: Floats, yhat: Floats, pos_weight: Floats) -> tuple[Floats, ...]:
        z, side = np.abs(yhat), (yhat > 0).astype(float)
        other = 1 - side
        opposed, agreeing = np.abs(side - y), np.abs(other - y)  # 1 − y and y, or y and 1 − y
        if self.pos_weight is not None:
            opposed, agreeing = opposed * (side + other * pos_weight), agreeing * (side * pos_weight + other)
        return yhat, z, side - other, agreeing, opposed, np.exp(-z)

    def loss(self, yhat: Any, z: Floats, sign: Floats, agreeing: Floats, opposed: Floats, e: Floats) -> Floats:
        return opposed * z + (agreeing + opposed) * np.log1p(e)  # (3): neither term is negative

    def slope(self, yhat: Any, z: Floats, sign: Floats, agreeing: Floats, opposed: Floats, e: Floats) -> Floats:
        return sign * (opposed - agreeing * e) / (1 + e)  # (4)

    def extreme(self, y: Floats, yhat: Floats, pos_weight: Floats) -> tuple[Floats, Floats]:
        _, z, sign, agreeing, opposed, _ = self.common(y, yhat, pos_weight)
        missed = np.where(sign > 0, (1 - y) * z, product((pos_weight, y, z)))  # opposed·z, rounded once
        missed = np.where(np.isinf(z), times(opposed, z), missed)
        return missed + times_exp(agreeing + opposed, -z), sign * (opposed - times_exp(agreeing, -z))

    def largest_term(self, y: Floats, yhat: Floats, pos_weight: Floats) -> tuple[None, Floats]:
        _, z, _, agreeing, opposed, e = self.common(y, yhat, pos_weight)
        return None, np.maximum(opposed, times_exp(agreeing, -z)) / (1 + e)
