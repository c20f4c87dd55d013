"""Focal loss of logits: α_t e^(−γ softplus(z_t)) softplus(−z_t), alive where saturated, dead where clamped."""

import math
from fractions import Fraction

import numpy as np
import pytest

from reflosses import BinaryCrossEntropyWithLogits, FocalWithLogits

from exact import exp, log, ulps

CUBE = FocalWithLogits(gamma=3.0, reduction="none")
BOUNDS = CUBE.bounds


def textbook(z, gamma, limit=None):
    """Value, and slope in z = z_t; `limit` is what a clamp makes of −log p_t."""
    e = exp(z)
    p, nats = e / (1 + e), log(1 + 1 / e)
    fading = exp(-Fraction(gamma) * log(1 + e))  # (1 − p_t)^γ
    if limit is not None:
        return fading * limit, -fading * Fraction(gamma) * p * limit
    return fading * nats, -fading * (Fraction(gamma) * p * nats + 1 - p)


LOG2 = log(2)


def test_worked_by_hand():
    """At z = 0: (1/2)³ log 2, slope ∓(1/8)(3/2 log 2 + 1/2)."""
    slope = (3 * LOG2 + 1) / 16
    assert ulps(CUBE.value([1, 0], [0.0, 0.0]), [LOG2 / 8] * 2) <= BOUNDS.value
    assert ulps(CUBE.grad([1, 0], [0.0, 0.0]), [-slope, slope]) <= BOUNDS.grad
    mean = FocalWithLogits(gamma=3.0)
    assert ulps(mean.value([1, 0], [0.0, 0.0]), [LOG2 / 8]) <= BOUNDS.value
    assert ulps(mean.grad([1, 0], [0.0, 0.0]), [-slope / 2, slope / 2]) <= BOUNDS.grad


def test_balance_by_hand():
    loss = FocalWithLogits(gamma=3.0, alpha=0.125, reduction="none")
    slope = (3 * LOG2 + 1) / 16
    assert ulps(loss.value([1, 0], [0.0, 0.0]), [LOG2 / 64, 7 * LOG2 / 64]) <= BOUNDS.value
    assert ulps(loss.grad([1, 0], [0.0, 0.0]), [-slope / 8, 7 * slope / 8]) <= BOUNDS.grad


MARGINS = [2.0**-30, 0.3, 2.5, 8.0, 17.0, 36.7, 40.0, 87.5, 300.25, 700.0, 708.5, 740.0, 745.0, 750.0]


@pytest.mark.parametrize("gamma", [0.3, 0.5, 1.0, 1.7, 3.0, 4.5])
@pytest.mark.parametrize("margin", MARGINS)
def test_against_the_textbook_in_four_hundred_digits(gamma, margin):
    loss = FocalWithLogits(gamma=gamma, reduction="none")
    for z in (margin, -margin):
        value, slope = textbook(z, gamma)
        assert ulps(loss.value([1, 0], [z, -z]), [value, value]) <= BOUNDS.value
        assert ulps(loss.grad([1, 0], [z, -z]), [slope, -slope]) <= BOUNDS.grad


@pytest.mark.parametrize("z", [-3.0, -0.3, 2.5, 17.0])
def test_a_large_gamma_keeps_its_wider_bound(z):
    loss = FocalWithLogits(gamma=30.0, reduction="none")
    assert loss.bounds == (68, 68, 76)
    assert FocalWithLogits(gamma=5.0).bounds == (18, 18, 26)
    value, slope = textbook(z, 30)
    assert ulps(loss.value(1, z), [value]) <= loss.bounds.value
    assert ulps(loss.grad(1, z), [slope]) <= loss.bounds.grad


def test_gamma_zero_is_binary_cross_entropy():
    plain, loss = BinaryCrossEntropyWithLogits(reduction="none"), FocalWithLogits(gamma=0.0, reduction="none")
    z = [0.0, *MARGINS, 1e4, 1.7e308]
    for y in (0, 1):
        labels = [y] * 2 * len(z)
        (value, grad), (expected, slopes) = (a.value_and_grad(labels, [*z, *np.negative(z)]) for a in (loss, plain))
        assert ulps(value, expected.tolist()) <= BOUNDS.value + plain.bounds.value
        assert ulps(grad, slopes.tolist()) <= BOUNDS.grad + plain.bounds.grad


def test_labels_and_logits_mirror_with_the_balance():
    z = [0.0, 0.3, 17.0, -37.0, -700.0, 1e10]
    for clamp in (None, 1 / 32):
        one = FocalWithLogits(gamma=1.7, alpha=0.25, clamp=clamp, reduction="none")
        other = FocalWithLogits(gamma=1.7, alpha=0.75, clamp=clamp, reduction="none")
        assert one.value([1] * 6, z).tolist() == other.value([0] * 6, np.negative(z)).tolist()
        assert one.grad([1] * 6, z).tolist() == (-other.grad([0] * 6, np.negative(z))).tolist()


@pytest.mark.parametrize("gamma", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("z", [1e4, 1e10, 1.7e308])
def test_far_out_one_side_is_nothing_and_the_other_linear(gamma, z):
    loss = FocalWithLogits(gamma=gamma, reduction="none")
    assert loss.value([1, 0], [z, -z]).tolist() == [0, 0]
    assert loss.grad([1, 0], [z, -z]).tolist() == [0, 0]
    assert loss.value([1, 0], [-z, z]).tolist() == [z, z]
    assert loss.grad([1, 0], [-z, z]).tolist() == [-1, 1]


def test_limits():
    loss = FocalWithLogits(gamma=0.7, alpha=0.125, reduction="none")
    y, z = [1, 0, 1, 0], [np.inf, -np.inf, -np.inf, np.inf]
    assert loss.value(y, z).tolist() == [0, 0, np.inf, np.inf]
    assert loss.grad(y, z).tolist() == [0, 0, -1 / 8, 7 / 8]
    clamped = FocalWithLogits(gamma=0.7, alpha=0.125, clamp=1 / 32, reduction="none")
    assert ulps(clamped.value(y, z), [0, 0, 5 * LOG2 / 8, 35 * LOG2 / 8]) <= BOUNDS.value
    assert clamped.grad(y, z).tolist() == [0, 0, 0, 0]


def test_without_balance_a_label_costs_nothing():
    loss = FocalWithLogits(gamma=3.0, alpha=0.0, reduction="none")
    assert loss.value([1, 1], [-1e308, -np.inf]).tolist() == [0, 0]
    assert loss.grad([1, 1], [-1e308, -np.inf]).tolist() == [0, 0]


@pytest.mark.parametrize("gamma", [0.5, 3.0])
@pytest.mark.parametrize("clamp", [1 / 32, 1e-4, 1e-300])
def test_one_ulp_beside_the_clamp(gamma, clamp):
    """p_t = c at z_t = log(c/(1 − c)), which is no float: one float is inside, the next one outside."""
    loss = FocalWithLogits(gamma=gamma, clamp=clamp, reduction="none")
    c = Fraction(clamp)
    end = log(c / (1 - c))
    inside = float(end) if Fraction(float(end)) > end else math.nextafter(float(end), 0)
    outside = math.nextafter(inside, -math.inf)
    assert Fraction(outside) < end < Fraction(inside)
    for z, limit in ((inside, None), (outside, -log(c)), (-inside, None), (-outside, -log(1 - c))):
        value, slope = textbook(z, gamma, limit)
        assert ulps(loss.value([1, 0], [z, -z]), [value, value]) <= BOUNDS.value
        assert ulps(loss.grad([1, 0], [z, -z]), [slope, -slope]) <= BOUNDS.grad


@pytest.mark.parametrize("z", [-3.5, -40.0, -600.0, -700.0, -740.0])
def test_outside_the_clamp_only_the_fading_pulls(z):
    """Below the clamp the slope is −γ (1 − p_t)^γ p_t (−log c): it dies with p_t, while the loss is at its largest."""
    loss = FocalWithLogits(gamma=3.0, clamp=1 / 32, reduction="none")
    value, slope = textbook(z, 3, 5 * LOG2)
    assert ulps(loss.value([1, 0], [z, -z]), [value, value]) <= BOUNDS.value
    assert ulps(loss.grad([1, 0], [z, -z]), [slope, -slope]) <= BOUNDS.grad
    assert abs(slope) < Fraction(1, 3)
    assert CUBE.grad(1, z) < -0.9


def test_the_clamp_at_gamma_zero_is_flat_outside():
    loss = FocalWithLogits(gamma=0.0, clamp=1 / 32, reduction="none")
    nats = log(Fraction(32, 31))
    assert ulps(loss.value([1, 1], [-3.5, 3.5]), [5 * LOG2, nats]) <= BOUNDS.value
    assert loss.grad([1, 1], [-3.5, 3.5]).tolist() == [0, 0]


@pytest.mark.parametrize("label", [0.5, -1, 2, np.nan])
def test_labels_are_zero_and_one(label):
    with pytest.raises(ValueError, match=r"y\[1\] is .*, not a label in \{0, 1\}"):
        CUBE.value([1, label], [0.3, 0.3])


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_logit_that_is_not_a_number_gives_none_whatever_its_weight_is(alpha):
    loss = FocalWithLogits(alpha=alpha, reduction="none")
    for y in (0.0, 1.0):
        assert np.isnan(loss.value(y, np.nan))
        assert np.isnan(loss.grad(y, np.nan))
        assert np.isnan(loss.curvature(y, np.nan))


def test_a_tiny_gamma_at_an_infinite_logit():
    assert FocalWithLogits(gamma=1e-304, reduction="none").value([1.0, 1.0], [np.inf, 1e300]).tolist() == [0, 0]
