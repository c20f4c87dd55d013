"""Binary cross-entropy of a logit."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import LOGIT, NON_NEGATIVE, PROBABILITY, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import product, times, times_exp
from reflosses.evaluation.parameters import array, optional, parameter


class BinaryCrossEntropyWithLogits(Loss):
    """Binary cross-entropy of the sigmoid of a logit, against a label 0 or 1 or a soft label between.

    Formula:  −[pos_weight·y log σ(yhat) + (1 − y) log(1 − σ(yhat))].
    Shapes: y and yhat alike; pos_weight a number or an array that broadcasts to them; one loss an element.
    Scale: nats. pos_weight is a part of the loss: no mean divides by it.
    Domain: y in [0, 1], yhat real, pos_weight ≥ 0.
    Kinks: none. Limits: a logit of ±∞ costs nothing, with slope 0, if all of y is on its side; else ∞.
    Accuracy: the slope of a label strictly between 0 and 1 is a difference; its bound is relative to the larger term.
    Source: derivations/binary_cross_entropy_with_logits.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, pos_weight: Any) -> Any:
        return pos_weight * y * m.softplus(-yhat) + (1 - y) * m.softplus(yhat)

    pos_weight: Any = parameter(default=None, check=optional(array(NON_NEGATIVE)), broadcast=0)

    short = (-600.0, 600.0)  # of yhat: exp(−|yhat|) does not underflow

    def terms(self, y: Floats, yhat: Floats, pos_weight: Floats) -> tuple[Any, ...]:
        z = yhat + 0.0  # −0 is on the side of 0
        side = (z >= 0).astype(float)  # the label that the logit speaks for
        if self.pos_weight is None:
            toward, mass = side - y, None  # t; m = 1
        else:
            toward, mass = side * (1 - y) - (1 - side) * (pos_weight * y), (1 - y) + pos_weight * y
        return z, toward, mass, np.exp(-np.abs(z))

    def losses(self, z: Floats, toward: Floats, mass: Floats | None, e: Floats) -> Floats:
        unsure = np.log1p(e)
        return toward * z + (unsure if mass is None else mass * unsure)  # (3): neither term is negative

    def slopes(self, z: Floats, toward: Floats, mass: Floats | None, e: Floats) -> Floats:
        tail = e / (1 + e)
        return toward - np.copysign(tail if mass is None else mass * tail, z)  # (4)

    def curvatures(self, z: Floats, toward: Floats, mass: Floats | None, e: Floats) -> Floats:
        bend = e / np.square(1 + e)
        return bend if mass is None else mass * bend  # (5)

    # ---- the whole range: a factor meets exp(−|yhat|) before it underflows -------------------------------------------

    def full(self, y: Floats, yhat: Floats, pos_weight: Floats) -> tuple[Floats, Floats, Floats]:
        z, toward, _, e = self.terms(y, yhat, pos_weight)
        size, opposed, mass = np.abs(z), np.abs(toward), (1 - y) + pos_weight * y
        missed = np.where(z > 0, (1 - y) * size, product((pos_weight, y, size)))  # t·z, rounded once
        missed = np.where(np.isinf(z), times(opposed, size), missed)
        tail = times_exp(mass, -size)
        return missed + tail, toward - np.copysign(tail, z), tail / np.square(1 + e)

    # ---- what the checks need ----------------------------------------------------------------------------------------

    domain = Domains(PROBABILITY, LOGIT)
    bounds = property(lambda self: Bounds(4, 5, 9) if self.pos_weight is None else Bounds(6, 8, 9))
    examples = ({}, {"pos_weight": 0.3}, {"pos_weight": 17.0}, {"pos_weight": 1e6}, {"pos_weight": 1e-6})

    def error_scale(self, y: Floats, yhat: Floats, pos_weight: Floats) -> tuple[None, Floats, None]:
        z, toward, _, e = self.terms(y, yhat, pos_weight)
        agreeing = np.where(z >= 0, pos_weight * y, 1 - y)
        return None, np.maximum(np.abs(toward), times_exp(agreeing, -np.abs(z))) / (1 + e), None
