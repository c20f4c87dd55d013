"""Focal loss of probabilities: α_t (1 − p_t)^γ (−log p_t), with the clamp inside the logarithm only."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from reflosses import BinaryCrossEntropy, Focal

from exact import log, ulps

SQRT = Focal(gamma=0.5, reduction="none")
CUBE = Focal(gamma=3.0, reduction="none")
BOUNDS = CUBE.bounds

DIGITS = 350  # so that 1 − 2^−1000 = 1 − 10^−301 keeps its digits


def power(x, exponent):
    """Hundreds of digits of a power of a rational number; a whole exponent is exact."""
    x, exponent = Fraction(x), Fraction(exponent)
    if exponent.denominator == 1:
        return x**exponent.numerator
    with localcontext(prec=DIGITS):
        base = Decimal(x.numerator) / x.denominator
        return Fraction((base.ln() * exponent.numerator / exponent.denominator).exp())


def textbook(p_t, gamma):
    """Value, and slope in p_t."""
    p, q, g = Fraction(p_t), 1 - Fraction(p_t), Fraction(gamma)
    return -power(q, g) * log(p), (g * power(q, g - 1) * log(p) if g else 0) - power(q, g) / p


def test_worked_by_hand():
    """At p_t = 1/4: (3/4)³ log 4 = 27/32 log 2, slope −3 (3/4)² log 4 − (3/4)³·4 = −27/8 log 2 − 27/16."""
    value, slope = 27 * log(2) / 32, -27 * log(2) / 8 - Fraction(27, 16)
    assert ulps(CUBE.value([1, 0], [0.25, 0.75]), [value, value]) <= BOUNDS.value
    assert ulps(CUBE.grad([1, 0], [0.25, 0.75]), [slope, -slope]) <= BOUNDS.grad
    assert ulps(Focal(gamma=3.0).value([1, 0], [0.25, 0.75]), [value]) <= BOUNDS.value
    assert ulps(Focal(gamma=3.0).grad([1, 0], [0.25, 0.75]), [slope / 2, -slope / 2]) <= BOUNDS.grad


def test_an_exponent_below_one_by_hand():
    """At p_t = 15/16: √(1/16) log(16/15), slope −½·4·log(16/15) − ¼·16/15."""
    nats = log(Fraction(16, 15))
    assert ulps(SQRT.value([1, 0], [0.9375, 0.0625]), [nats / 4] * 2) <= BOUNDS.value
    slope = -2 * nats - Fraction(4, 15)
    assert ulps(SQRT.grad([1, 0], [0.9375, 0.0625]), [slope, -slope]) <= BOUNDS.grad


def test_balance_by_hand():
    loss = Focal(gamma=3.0, alpha=0.125, reduction="none")
    value, slope = 27 * log(2) / 32, -27 * log(2) / 8 - Fraction(27, 16)
    assert ulps(loss.value([1, 0], [0.25, 0.75]), [value / 8, value * 7 / 8]) <= BOUNDS.value
    assert ulps(loss.grad([1, 0], [0.25, 0.75]), [slope / 8, -slope * 7 / 8]) <= BOUNDS.grad


def test_gamma_zero_is_binary_cross_entropy():
    plain, loss = BinaryCrossEntropy(reduction="none"), Focal(gamma=0.0, reduction="none")
    y = np.repeat([0, 1], 9)
    p = np.tile([0.0, 1.0, 5e-324, 2.0**-60, 0.3, 0.5, 0.875, 1 - 2.0**-53, 2.0**-1000], 2)
    (value, grad), (expected, slopes) = loss.value_and_grad(y, p), plain.value_and_grad(y, p)
    finite, smooth = np.isfinite(expected), np.isfinite(slopes)
    assert value[~finite].tolist() == expected[~finite].tolist()
    assert grad[~smooth].tolist() == slopes[~smooth].tolist()
    assert ulps(value[finite], expected[finite].tolist()) <= BOUNDS.value + plain.bounds.value
    assert ulps(grad[smooth], slopes[smooth].tolist()) <= BOUNDS.grad + plain.bounds.grad


@pytest.mark.parametrize("gamma", [0.3, 0.5, 1.0, 1.7, 3.0, 4.5])
@pytest.mark.parametrize("p", [2.0**-1000, 2.0**-60, 0.01, 0.3, 0.7, 0.99, 1 - 2.0**-30, 1 - 2.0**-53])
def test_against_the_textbook_in_hundreds_of_digits(gamma, p):
    loss = Focal(gamma=gamma, reduction="none")
    value, slope = textbook(p, gamma)
    assert ulps(loss.value(1, p), [value]) <= BOUNDS.value
    assert ulps(loss.grad(1, p), [slope]) <= BOUNDS.grad
    value, slope = textbook(1 - Fraction(p), gamma)
    assert ulps(loss.value(0, p), [value]) <= BOUNDS.value
    assert ulps(loss.grad(0, p), [-slope]) <= BOUNDS.grad


@pytest.mark.parametrize("p", [0.01, 0.3, 0.7])
def test_a_large_gamma_keeps_the_bound(p):
    loss = Focal(gamma=30.0, reduction="none")
    assert loss.bounds == (8, 8, 16)
    assert Focal(gamma=5.0).bounds == (8, 8, 16)
    value, slope = textbook(p, 30)
    assert ulps(loss.value(1, p), [value]) <= loss.bounds.value
    assert ulps(loss.grad(1, p), [slope]) <= loss.bounds.grad


@pytest.mark.parametrize("gamma", [5e-324, 0.3, 1.0, 3.0, 30.0])
def test_certain_and_right(gamma):
    loss = Focal(gamma=gamma, reduction="none")
    assert loss.value([1, 0], [1.0, 0.0]).tolist() == [0, 0]
    assert loss.grad([1, 0], [1.0, 0.0]).tolist() == [0, 0]


def test_certain_and_right_at_gamma_zero():
    loss = Focal(gamma=0.0, reduction="none")
    assert loss.value([1, 0], [1.0, 0.0]).tolist() == [0, 0]
    assert loss.grad([1, 0], [1.0, 0.0]).tolist() == [-1, 1]


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 3.0])
def test_certain_and_wrong(gamma):
    loss = Focal(gamma=gamma, reduction="none")
    assert loss.value([1, 0], [0.0, 1.0]).tolist() == [np.inf, np.inf]
    assert loss.grad([1, 0], [0.0, 1.0]).tolist() == [-np.inf, np.inf]


def clamped(gamma):
    return Focal(gamma=gamma, clamp=1 / 32, reduction="none")


CLAMPS = [
    # p_t, what the logarithm sees, the slope below in p_t and above; γ = 3
    (1 / 64, 5 * log(2), -3 * Fraction(63, 64) ** 2 * 5 * log(2), None),
    (
        1 / 32,
        5 * log(2),
        -3 * Fraction(31, 32) ** 2 * 5 * log(2),
        -3 * Fraction(31, 32) ** 2 * 5 * log(2) - Fraction(31, 32) ** 3 * 32,
    ),
    (
        31 / 32,
        log(Fraction(32, 31)),
        -3 * Fraction(1, 32) ** 2 * log(Fraction(32, 31)) - Fraction(1, 32) ** 3 * Fraction(32, 31),
        -3 * Fraction(1, 32) ** 2 * log(Fraction(32, 31)),
    ),
    (63 / 64, log(Fraction(32, 31)), None, -3 * Fraction(1, 64) ** 2 * log(Fraction(32, 31))),
]


@pytest.mark.parametrize(("p", "nats", "left", "right"), CLAMPS)
def test_the_clamp_and_its_kinks(p, nats, left, right):
    loss = clamped(3.0)
    left, right = right if left is None else left, left if right is None else right
    outer = left if p < 0.5 else right  # `grad` is the slope outside [c, 1 − c]
    value = (1 - Fraction(p)) ** 3 * nats
    assert ulps(loss.value([1, 0], [p, 1 - p]), [value, value]) <= BOUNDS.value
    assert ulps(loss.grad([1, 0], [p, 1 - p]), [outer, -outer]) <= BOUNDS.grad
    low, high = loss.subgradient([1, 0], [p, 1 - p])
    assert ulps(low, [min(left, right), min(-left, -right)]) <= BOUNDS.grad
    assert ulps(high, [max(left, right), max(-left, -right)]) <= BOUNDS.grad


@pytest.mark.parametrize("clamp", [1 / 32, 1e-4])
def test_one_ulp_beside_the_clamp(clamp):
    loss = Focal(gamma=3.0, clamp=clamp, reduction="none")
    outside, inside = math.nextafter(clamp, 0), math.nextafter(clamp, 1)
    q = 1 - Fraction(outside)
    assert ulps(loss.value(1, outside), [-(q**3) * log(clamp)]) <= BOUNDS.value
    assert ulps(loss.grad(1, outside), [3 * q**2 * log(clamp)]) <= BOUNDS.grad
    value, slope = textbook(inside, 3)
    assert ulps(loss.value(1, inside), [value]) <= BOUNDS.value
    assert ulps(loss.grad(1, inside), [slope]) <= BOUNDS.grad


def test_the_clamp_kills_the_gradient_that_matters_most():
    """At p_t = 2^−40 the unclamped slope is near −2^40, the clamped one −3·5 log 2: the 1/p term is gone."""
    p = 2.0**-40
    assert CUBE.grad(1, p) < -(2.0**39)
    assert ulps(clamped(3.0).grad(1, p), [-15 * (1 - Fraction(p)) ** 2 * log(2)]) <= BOUNDS.grad
    assert clamped(0.0).grad([1, 0], [p, 1 - p]).tolist() == [0, 0]


def test_the_ends_with_a_clamp():
    nats = log(Fraction(32, 31))
    assert ulps(clamped(3.0).value([1, 0], [0.0, 1.0]), [5 * log(2)] * 2) <= BOUNDS.value
    assert ulps(clamped(3.0).grad([1, 0], [0.0, 1.0]), [-15 * log(2), 15 * log(2)]) <= BOUNDS.grad
    assert clamped(3.0).value([1, 0], [1.0, 0.0]).tolist() == [0, 0]
    assert clamped(3.0).grad([1, 0], [1.0, 0.0]).tolist() == [0, 0]
    assert ulps(clamped(1.0).grad([1, 0], [1.0, 0.0]), [-nats, nats]) <= BOUNDS.grad
    assert clamped(0.5).grad([1, 0], [1.0, 0.0]).tolist() == [-np.inf, np.inf]  # the slope of √q at 0
    assert ulps(clamped(0.0).value([1, 0], [1.0, 0.0]), [nats, nats]) <= BOUNDS.value


def test_inside_the_clamp_nothing_changes():
    y, p = [1, 0, 1], [0.25, 0.625, 0.0625]
    assert clamped(3.0).value(y, p).tolist() == CUBE.value(y, p).tolist()
    assert clamped(3.0).grad(y, p).tolist() == CUBE.grad(y, p).tolist()


@pytest.mark.parametrize("label", [0.5, -1, 2, np.nan])
def test_labels_are_zero_and_one(label):
    with pytest.raises(ValueError, match=r"y\[1\] is .*, not a label in \{0, 1\}"):
        CUBE.value([1, label], [0.3, 0.3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": -0.3}, r"gamma is -0\.3, not a number in \[0, 1e\+06\]"),
        ({"alpha": 1.5}, r"alpha is 1\.5, not a number in \[0, 1\]"),
        ({"clamp": 0.5}, r"clamp is 0\.5, not a number in \(0, 0\.5\)"),
    ],
)
def test_parameters_outside_their_domain_raise(options, message):
    with pytest.raises(ValueError, match=message):
        Focal(**options)
