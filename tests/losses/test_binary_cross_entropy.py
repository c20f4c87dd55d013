"""Binary cross-entropy of probabilities: −[y log p + (1 − y) log(1 − p)] with slope (p − y)/(p (1 − p))."""

import math
from fractions import Fraction

import numpy as np
import pytest

from reflosses import BinaryCrossEntropy

from exact import log, ulps

NONE = BinaryCrossEntropy(reduction="none")
CLAMPED = BinaryCrossEntropy(clamp=1 / 32, reduction="none")  # 31/32 is a float too
BOUNDS = NONE.bounds


def test_worked_by_hand():
    y, p = [1, 0, 0.75], [0.25, 0.25, 0.25]
    entropy = [log(4), log(Fraction(4, 3)), Fraction(3, 4) * log(4) + log(Fraction(4, 3)) / 4]
    slopes = [-4, Fraction(4, 3), Fraction(-8, 3)]  # −1/p, 1/(1 − p), (1/4 − 3/4)/(3/16)
    assert ulps(NONE.value(y, p), entropy) <= BOUNDS.value
    assert ulps(NONE.grad(y, p), slopes) <= BOUNDS.grad
    assert ulps(BinaryCrossEntropy().value(y, p), [sum(entropy) / 3]) <= BOUNDS.value
    assert ulps(BinaryCrossEntropy().grad(y, p), [s / 3 for s in slopes]) <= BOUNDS.grad


def test_the_entropy_is_the_minimum_of_a_soft_label():
    y = [1 / 4, 1 / 2, 7 / 8]
    entropy = [-(q * log(q) + (1 - q) * log(1 - q)) for q in map(Fraction, y)]
    assert ulps(NONE.value(y, y), entropy) <= BOUNDS.value
    assert NONE.grad(y, y).tolist() == [0, 0, 0]


def test_labels_and_probabilities_mirror():
    y, p = np.array([1, 0.25, 0, 0.625]), np.array([0.125, 0.5, 0.75, 2.0**-40])  # 1 − p is exact
    assert ulps(NONE.value(1 - y, 1 - p), map(Fraction, NONE.value(y, p))) <= 2 * BOUNDS.value
    assert ulps(-NONE.grad(1 - y, 1 - p), map(Fraction, NONE.grad(y, p))) <= 2 * BOUNDS.grad


@pytest.mark.parametrize(
    ("y", "p", "value", "slope"),
    [
        (0, 0, 0, 1),  # 0·log 0 = 0: right for sure
        (1, 1, 0, -1),
        (1, 0, math.inf, -math.inf),  # wrong for sure
        (0, 1, math.inf, math.inf),
        (0.25, 0, math.inf, -math.inf),
        (0.25, 1, math.inf, math.inf),
    ],
)
def test_the_ends(y, p, value, slope):
    assert NONE.value(y, p) == value
    assert NONE.grad(y, p) == slope
    assert NONE.subgradient(y, p) == (slope, slope)


@pytest.mark.parametrize("p", [2.0**-30, 2.0**-60, 2.0**-1022, 5e-324])
def test_next_to_the_right_end_nothing_is_lost(p):
    q = Fraction(p)
    assert ulps(NONE.value(0, p), [q + q**2 / 2 + q**3 / 3]) <= BOUNDS.value  # −log(1 − p)
    assert ulps(NONE.grad(0, p), [1 / (1 - q)]) <= BOUNDS.grad
    beside = 1 - max(p, 2.0**-53)
    q = 1 - Fraction(beside)
    assert ulps(NONE.value(1, beside), [q + q**2 / 2 + q**3 / 3]) <= BOUNDS.value
    assert ulps(NONE.grad(1, beside), [-1 / (1 - q)]) <= BOUNDS.grad


@pytest.mark.parametrize("p", [2.0**-30, 2.0**-1022])
def test_next_to_the_wrong_end_nothing_is_capped(p):
    assert ulps(NONE.value(1, p), [-log(p)]) <= BOUNDS.value
    assert NONE.grad(1, p) == -1 / p
    assert ulps(NONE.value(0.25, p), [-(log(p) / 4 + Fraction(3, 4) * log(1 - Fraction(p)))]) <= BOUNDS.value


def test_the_smallest_probability_of_all():
    assert ulps(NONE.value(1, 5e-324), [1074 * log(2)]) <= BOUNDS.value
    assert NONE.grad(1, 5e-324) == -math.inf  # −2^1074 is no float
    assert ulps(NONE.value(0, 1 - 2.0**-53), [53 * log(2)]) <= BOUNDS.value
    assert NONE.grad(0, 1 - 2.0**-53) == 2.0**53


@pytest.mark.parametrize(
    ("y", "p", "value", "left", "right"),
    [
        (1, 1 / 64, 5 * log(2), 0, 0),  # −log(1/32), flat
        (1, 1 / 32, 5 * log(2), 0, -32),
        (0, 1 / 32, log(Fraction(32, 31)), 0, Fraction(32, 31)),
        (0.25, 1 / 32, (5 * log(2) + 3 * log(Fraction(32, 31))) / 4, 0, Fraction(-224, 31)),  # (1/32−1/4)/(31/1024)
        (1, 31 / 32, log(Fraction(32, 31)), Fraction(-32, 31), 0),
        (0, 31 / 32, 5 * log(2), 32, 0),
        (0, 63 / 64, 5 * log(2), 0, 0),
        (0, 0, log(Fraction(32, 31)), 0, 0),  # not 0: with a clamp it is another function
        (1, 0, 5 * log(2), 0, 0),
        (1, 1, log(Fraction(32, 31)), 0, 0),
    ],
)
def test_the_clamp_and_its_kinks(y, p, value, left, right):
    assert ulps(CLAMPED.value(y, p), [value]) <= BOUNDS.value
    assert CLAMPED.grad(y, p) == 0  # the slope outside
    low, high = CLAMPED.subgradient(y, p)
    assert ulps([low, high], [min(left, right), max(left, right)]) <= BOUNDS.grad


@pytest.mark.parametrize("clamp", [1 / 32, 0.03])
def test_one_ulp_beside_the_clamp(clamp):
    loss = BinaryCrossEntropy(clamp=clamp, reduction="none")
    outside, inside = math.nextafter(clamp, 0), math.nextafter(clamp, 1)
    assert loss.grad(1, outside) == 0
    assert ulps(loss.grad(1, inside), [-1 / Fraction(inside)]) <= BOUNDS.grad
    assert ulps([loss.value(1, outside), loss.value(1, inside)], [-log(clamp), -log(inside)]) <= BOUNDS.value
    end, nearest = 1 - Fraction(clamp), 1 - clamp  # the end is a float for 1/32, between two of them for 0.03
    inside = nearest if Fraction(nearest) < end else math.nextafter(nearest, 0)
    outside = nearest if Fraction(nearest) > end else math.nextafter(nearest, 1)
    assert Fraction(inside) < end < Fraction(outside)
    assert loss.grad(0, outside) == 0
    assert ulps(loss.grad(0, inside), [1 / (1 - Fraction(inside))]) <= BOUNDS.grad
    assert ulps(loss.value(0, outside), [-log(clamp)]) <= BOUNDS.value


def test_inside_the_clamp_nothing_changes():
    y, p = [1, 0, 0.75], [0.25, 0.625, 1 / 16]
    assert CLAMPED.value(y, p).tolist() == NONE.value(y, p).tolist()
    assert CLAMPED.grad(y, p).tolist() == NONE.grad(y, p).tolist()


@pytest.mark.parametrize("clamp", [0.0, 0.5, -0.1, np.nan])
def test_a_clamp_lies_between_zero_and_a_half(clamp):
    with pytest.raises(ValueError, match=r"clamp is .*, not a number in \(0, 0\.5\)"):
        BinaryCrossEntropy(clamp=clamp)
