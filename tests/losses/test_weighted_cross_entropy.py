"""The cross-entropy of Sudre et al.: −[w y log p + (1 − y) log(1 − p)] with w = (N − Σp)/Σp, held or differentiated."""

import math
from fractions import Fraction

import numpy as np
import pytest

from reflosses import BinaryCrossEntropy, WeightedCrossEntropy

from exact import log, ulps

STOP = WeightedCrossEntropy(reduction="none")
FULL = WeightedCrossEntropy(weight_grad="full", reduction="none")
BOUNDS = STOP.bounds

# Σp = 3/2 of N = 4, so w = (5/2)/(3/2) = 5/3 and dw/dp = −N/(Σp)² = −16/9
Y = [1, 0, 0, 1]
P = [0.25, 0.25, 0.5, 0.5]


TERMS = [Fraction(5, 3) * log(4), log(Fraction(4, 3)), log(2), Fraction(5, 3) * log(2)]
HELD = [Fraction(-20, 3), Fraction(4, 3), Fraction(2), Fraction(-10, 3)]  # −w/p, 1/(1 − p)
THROUGH = Fraction(-16, 9) * log(8)  # dw/dp times Σ y (−log p) = log 4 + log 2


def test_the_weight_held_constant_by_hand():
    assert ulps(STOP.value(Y, P), TERMS) <= BOUNDS.value
    assert ulps(STOP.grad(Y, P), HELD) <= BOUNDS.grad
    mean = WeightedCrossEntropy()
    assert ulps(mean.value(Y, P), [log(Fraction(256, 3)) / 4]) <= BOUNDS.value  # 5 log 2 + log(4/3) + log 2 over 4
    assert ulps(mean.grad(Y, P), [g / 4 for g in HELD]) <= BOUNDS.grad


def test_the_weight_differentiated_by_hand():
    assert FULL.value(Y, P).tolist() == STOP.value(Y, P).tolist()
    for got, held in zip(FULL.grad(Y, P).tolist(), HELD, strict=True):
        largest = max(abs(held), abs(THROUGH))  # the slope is a sum of both
        assert abs(Fraction(got) - held - THROUGH) <= BOUNDS.grad * Fraction(math.ulp(float(largest)))
    mean = WeightedCrossEntropy(weight_grad="full")
    assert ulps(mean.grad(Y, P)[[0, 3]], [(HELD[0] + THROUGH) / 4, (HELD[3] + THROUGH) / 4]) <= BOUNDS.grad + 2


def test_the_two_gradients_are_far_apart():
    """At the second pixel, of the background: 4/3 if w is held, −2.36… if not. They do not even agree in sign."""
    assert STOP.grad(Y, P)[1] > 0 > FULL.grad(Y, P)[1]


def test_the_gradient_of_none_is_that_of_the_sum():
    total = WeightedCrossEntropy(weight_grad="full", reduction="sum")
    assert FULL.grad(Y, P).tolist() == total.grad(Y, P).tolist()
    assert ulps(total.value(Y, P), [log(Fraction(256, 3))]) <= BOUNDS.value


def test_a_given_weight_by_hand():
    for weight_grad in ("stop", "full"):  # a constant has no derivative
        loss = WeightedCrossEntropy(weight=3.5, weight_grad=weight_grad, reduction="none")
        value = [Fraction(7, 2) * log(4), log(Fraction(4, 3)), log(2), Fraction(7, 2) * log(2)]
        assert ulps(loss.value(Y, P), value) <= BOUNDS.value
        assert ulps(loss.grad(Y, P), [-14, Fraction(4, 3), 2, -7]) <= BOUNDS.grad


def test_weight_one_is_binary_cross_entropy():
    loss, plain = WeightedCrossEntropy(weight=1.0, reduction="none"), BinaryCrossEntropy(reduction="none")
    assert ulps(loss.value(Y, P), plain.value(Y, P).tolist()) <= 2 * BOUNDS.value
    assert ulps(loss.grad(Y, P), plain.grad(Y, P).tolist()) <= 2 * BOUNDS.grad


def test_balanced_predictions_have_weight_one():
    """Σp = N/2, whatever the labels are: the weight asks the prediction, not the truth."""
    p = [0.75, 0.25, 0.625, 0.375]
    plain = BinaryCrossEntropy(reduction="none")
    for y in (Y, [0, 0, 0, 1]):
        assert ulps(STOP.value(y, p), plain.value(y, p).tolist()) <= BOUNDS.value + plain.bounds.value
        assert ulps(STOP.grad(y, p), plain.grad(y, p).tolist()) <= BOUNDS.grad + plain.bounds.grad


def test_soft_labels_by_hand():
    """y = ¾ at p = ¼, twice: w = (3/2)/(1/2) = 3."""
    value, grad = STOP.value_and_grad([0.75] * 2, [0.25] * 2)
    entropy = Fraction(9, 4) * log(4) + log(Fraction(4, 3)) / 4
    assert ulps(value, [entropy] * 2) <= BOUNDS.value
    assert ulps(grad, [Fraction(-26, 3)] * 2) <= BOUNDS.grad  # (1/4)/(3/4) − 3·(3/4)/(1/4)


def test_weights_of_terms_are_not_the_weight_of_the_foreground():
    """u = (3, ½, 12, 0): the last term takes no part, so N = 3, Σp = 1, w = 2, dw/dp = −3."""
    u = [3.0, 0.5, 12.0, 0.0]
    terms = [6 * log(4), log(Fraction(4, 3)) / 2, 12 * log(2), 0]
    held = [-24, Fraction(2, 3), 24, 0]
    assert ulps(STOP.value(Y, P, weight=u), terms) <= BOUNDS.value + 1
    assert ulps(STOP.grad(Y, P, weight=u), held) <= BOUNDS.grad + 2
    through = -3 * 3 * log(4)  # dw/dp · Σ u y (−log p)
    full = [held[0] + through, held[1] + through, held[2] + through, Fraction(0)]
    for got, exact in zip(FULL.grad(Y, P, weight=u).tolist(), full, strict=True):
        assert abs(Fraction(got) - exact) <= (BOUNDS.grad + 2) * Fraction(math.ulp(24.0))
    assert FULL.grad(Y, P, weight=u)[3] == 0
    assert ulps(WeightedCrossEntropy().value(Y, P, weight=u), [sum(terms) / 4]) <= BOUNDS.value + 1  # it counts in N
    changed = [*P[:3], 0.875]
    assert STOP.value(Y, changed, weight=u).tolist() == STOP.value(Y, P, weight=u).tolist()


def test_a_prediction_without_foreground_has_no_weight():
    with pytest.raises(ValueError, match='yhat sums to 0, and the weight "sudre" divides by this sum'):
        STOP.value(Y, [0.0] * 4)
    with pytest.raises(ValueError, match="yhat sums to 0"):
        STOP.value(Y, [0.0, 0.0, 0.0, 0.5], weight=[3.0, 0.5, 12.0, 0.0])
    given = WeightedCrossEntropy(weight=3.5, reduction="none")
    assert given.value(Y, [0.0] * 4).tolist() == [np.inf, 0, 0, np.inf]


def test_the_ends():
    """p = 0, 0, 1, 1, ½ with labels 0, 1, 1, 0, 1: Σp = 5/2 of 5, w = 1."""
    value, grad = STOP.value_and_grad([0, 1, 1, 0, 1], [0.0, 0.0, 1.0, 1.0, 0.5])
    assert value[:4].tolist() == [0, np.inf, 0, np.inf]
    assert grad.tolist() == [1, -np.inf, -1, np.inf, -2]
    right, pull = FULL.value_and_grad([0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0])
    assert right.tolist() == [0, 0, 0, 0]
    assert pull.tolist() == [1, -1, -1, 1]
    lost = FULL.grad([1, 0, 1], [0.0, 0.5, 0.5])  # Σ y (−log p) = ∞ passes through w into every slope
    assert lost.tolist() == [-np.inf] * 3


def test_certain_foreground_everywhere_has_weight_zero():
    value, grad = STOP.value_and_grad([1, 1, 0], [1.0, 1.0, 1.0])
    assert value.tolist() == [0, 0, np.inf]
    assert grad.tolist() == [0, 0, np.inf]


@pytest.mark.parametrize("p", [2.0**-53, 2.0**-300, 2.0**-1000])
def test_a_rare_foreground_keeps_its_weight(p):
    """Three pixels at p: w = (1 − p)/p."""
    w = (1 - Fraction(p)) / Fraction(p)
    q = Fraction(p)
    value, grad = STOP.value_and_grad([1, 0, 0], [p] * 3)
    assert ulps(value, [-w * log(p), q + q**2 / 2, q + q**2 / 2]) <= BOUNDS.value
    if p > 2.0**-500:
        assert ulps(grad, [-w / q, 1 / (1 - q), 1 / (1 - q)]) <= BOUNDS.grad
    else:
        assert grad.tolist() == [-np.inf, 1, 1]  # 2^2000 is no float


def test_next_to_certain_foreground_the_weight_keeps_its_digits():
    """Three pixels one ulp under 1: N − Σp = 3·2^−53, not 0."""
    p = 1 - 2.0**-53
    w = Fraction(1, 2**53) / Fraction(p)
    value, grad = STOP.value_and_grad([1, 0, 1], [p] * 3)
    assert ulps(value, [-w * log(p), 53 * log(2), -w * log(p)]) <= BOUNDS.value
    assert ulps(grad, [-w / Fraction(p), 2**53, -w / Fraction(p)]) <= BOUNDS.grad


@pytest.mark.parametrize("options", [{"weight": "sudr"}, {"weight": -0.3}, {"weight_grad": "half"}, {"weight": None}])
def test_unknown_weights_raise(options):
    with pytest.raises((ValueError, TypeError), match=next(iter(options))):
        WeightedCrossEntropy(**options)
