"""Binary cross-entropy of logits: pos_weight·y·softplus(−z) + (1 − y)·softplus(z), at every saturation."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from reflosses import BinaryCrossEntropyWithLogits

from exact import log, ulps

NONE = BinaryCrossEntropyWithLogits(reduction="none")
BOUNDS = NONE.bounds

DIGITS = 400  # e^−745 is 10^−324; 1 + e^−745 must keep it, with digits to spare


def exp(x):
    with localcontext(prec=DIGITS):
        return Fraction(Decimal(x).exp())


def textbook(y, z, w=1.0):
    """Value and slope of the formula as printed, for finite |z| below 1000."""
    y, w = Fraction(y), Fraction(w)
    right = 1 / (1 + exp(-z))  # σ(z)
    return -(w * y * log(right) + (1 - y) * log(1 - right)), (1 - y) * right - w * y * (1 - right)


LOG2 = log(2)


def test_worked_by_hand():
    y = [1, 0, 0.25, 0.5]
    assert ulps(NONE.value(y, [0.0] * 4), [LOG2] * 4) <= BOUNDS.value
    assert NONE.grad(y, [0.0] * 4).tolist() == [-1 / 2, 1 / 2, 1 / 4, 0]  # ½ − y
    assert BinaryCrossEntropyWithLogits().grad(y, [0.0] * 4).tolist() == [-1 / 8, 1 / 8, 1 / 16, 0]


def test_saturated_by_hand():
    """At z = 40: −log σ = log(1 + e) = e (1 − e/2) + …, slope −e/(1 + e) = −e (1 − e) + …, with e = e^−40."""
    e = exp(-40)
    assert ulps(NONE.value(1, 40), [e * (1 - e / 2)]) <= BOUNDS.value
    assert ulps(NONE.grad(1, 40), [-e * (1 - e)]) <= BOUNDS.grad
    assert e * (1 - e / 2) != e  # in these digits the second term is there, in float64 it is not
    assert ulps(NONE.value(0, 40), [40 + e]) <= BOUNDS.value
    assert ulps(NONE.grad(0, 40), [1 - e]) <= BOUNDS.grad


MARGINS = [2.0**-30, 0.3, 2.5, 8.0, 17.0, 36.7, 40.0, 87.5, 300.25, 599.9, 600.0, 600.1, 700.0, 708.5, 709.9, 720.0]
MARGINS += [math.nextafter(600, 0), math.nextafter(600, 1000), 740.0, 744.0, 745.0]


@pytest.mark.parametrize("z", MARGINS)
@pytest.mark.parametrize("sign", [1, -1])
def test_against_the_textbook_in_four_hundred_digits(z, sign):
    z = sign * z
    for y in (0, 1):
        value, slope = textbook(y, z)
        assert ulps(NONE.value(y, z), [value]) <= BOUNDS.value
        assert ulps(NONE.grad(y, z), [slope]) <= BOUNDS.grad
    for y in (0.25, 2.0**-10, 5e-324):
        value, slope = textbook(y, z)
        right = 1 / (1 + exp(-z))
        largest = max((1 - Fraction(y)) * right, Fraction(y) * (1 - right))  # of the two terms of the slope
        assert ulps(NONE.value(y, z), [value]) <= BOUNDS.value
        error = abs(Fraction(float(NONE.grad(y, z))) - slope)
        assert error <= BOUNDS.grad * Fraction(math.ulp(float(largest)))


@pytest.mark.parametrize("w", [0.3, 17.0, 1e6, 1e-6, 1e300])
@pytest.mark.parametrize("z", [-720.0, -37.0, 0.7, 37.0, 599.9, 600.1, 720.0, 740.0])
def test_a_positive_weight_against_the_textbook(w, z):
    loss = BinaryCrossEntropyWithLogits(pos_weight=w, reduction="none")
    value, slope = textbook(1, z, w)
    assert ulps(loss.value(1, z), [value]) <= BOUNDS.value
    assert ulps(loss.grad(1, z), [slope]) <= BOUNDS.grad
    assert loss.value(0, z) == NONE.value(0, z)  # of a negative nothing is weighted
    assert loss.grad(0, z) == NONE.grad(0, z)


def test_a_positive_weight_by_hand():
    loss = BinaryCrossEntropyWithLogits(pos_weight=17.0, reduction="none")
    assert ulps(loss.value([1, 0, 0.25], [0.0] * 3), [17 * LOG2, LOG2, 5 * LOG2]) <= BOUNDS.value  # 17/4 + 3/4
    assert loss.grad([1, 0, 0.25], [0.0] * 3).tolist() == [-17 / 2, 1 / 2, -7 / 4]  # (3/4 − 17/4)/2


def test_positive_weights_one_a_class_and_no_divisor():
    y, z = [[1, 1, 0], [0, 1, 1]], np.zeros((2, 3))
    loss = BinaryCrossEntropyWithLogits(pos_weight=[0.25, 12.0, 3.5], reduction="weighted_mean")
    assert ulps(loss.value(y, z), [(Fraction(1, 4) + 12 + 1 + 1 + 12 + Fraction(7, 2)) * LOG2 / 6]) <= BOUNDS.value
    exact = [Fraction(n, 48) for n in (-1, -48, 4, 4, -48, -14)]  # −w/2 or ½, over 6
    assert ulps(loss.grad(y, z), exact) <= BOUNDS.grad
    with pytest.raises(ValueError, match=r"pos_weight of shape \(3,\) does not broadcast .* \(2, 4\)"):
        loss.value(np.zeros((2, 4)), np.zeros((2, 4)))


def test_no_factor_of_the_wrong_side_vanishes_alone():
    tiny, big = 2.0**-1074, 2.0**1000
    loss = BinaryCrossEntropyWithLogits(pos_weight=2.0**-20, reduction="none")
    # y·w = 2^−1094 is no float, w·y·|z| = 2^−94 is; the rest of the target is −(1 − y) log(1 − σ) = 0 here
    assert loss.value(tiny, -big) == 2.0**-94
    loss = BinaryCrossEntropyWithLogits(pos_weight=2.0**900, reduction="none")
    assert loss.value(tiny, -big) == 2.0**826


@pytest.mark.parametrize("z", [2.0**-40, 0.3, 37.0, 745.5, 1e10, 1.7e308])
def test_labels_and_logits_mirror(z):
    assert NONE.value(1, z) == NONE.value(0, -z)
    assert NONE.grad(1, z) == -NONE.grad(0, -z)
    assert NONE.value(0.25, z) == NONE.value(0.75, -z)
    assert NONE.grad(0.25, z) == -NONE.grad(0.75, -z)


@pytest.mark.parametrize("z", [746.0, 1e4, 1e10, 1.7e308])
def test_far_out_one_side_is_nothing_and_the_other_linear(z):
    """e^−746 is below half the smallest float, so 0 is the correctly rounded result."""
    for sign, right in ((1, 1), (-1, 0)):
        assert NONE.value(right, sign * z) == 0
        assert NONE.grad(right, sign * z) == 0
        assert NONE.value(1 - right, sign * z) == z
        assert NONE.grad(1 - right, sign * z) == sign
    assert NONE.value([0.25, 0.25], [z, -z]).tolist() == [z * 0.75, z / 4]
    assert NONE.grad([0.25, 0.25], [z, -z]).tolist() == [0.75, -0.25]


def test_limits():
    y, z = [1, 0, 0.25, 1, 0, 0.25, np.nan], [np.inf] * 3 + [-np.inf] * 4
    value, grad = NONE.value_and_grad(y, z)
    np.testing.assert_array_equal(value, [0, np.inf, np.inf, np.inf, 0, np.inf, np.nan])
    np.testing.assert_array_equal(grad, [0, 1, 0.75, -1, 0, -0.25, np.nan])
    weighted = BinaryCrossEntropyWithLogits(pos_weight=17.0, reduction="none")
    assert weighted.value([1, 1], [np.inf, -np.inf]).tolist() == [0, np.inf]
    assert weighted.grad([1, 1], [np.inf, -np.inf]).tolist() == [0, -17]


def test_without_weight_a_positive_costs_nothing_even_at_infinity():
    loss = BinaryCrossEntropyWithLogits(pos_weight=0.0, reduction="none")
    assert loss.value([1, 1], [-np.inf, -1e308]).tolist() == [0, 0]
    assert loss.grad([1, 1], [-np.inf, -1e308]).tolist() == [0, 0]
