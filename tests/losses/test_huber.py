"""Huber: ½r² within delta, delta(|r| − ½ delta) beyond; value and slope are continuous at delta."""

import math
from fractions import Fraction

import numpy as np
import pytest

from reflosses import Huber, MeanAbsoluteError, MeanSquaredError

from exact import ulps

Y = [0.5, -3.0, 7.0, 4.0]
YHAT = [1.0, -3.25, 17.0, -9.0]  # r = 1/2, −1/4, 10, −13

BOUNDS = Huber().bounds


def huber(delta):
    return Huber(delta=delta, reduction="none")


def test_worked_by_hand():
    loss = huber(0.75)
    assert loss.value(Y, YHAT).tolist() == [1 / 8, 1 / 32, 231 / 32, 303 / 32]  # 3/4 (10 − 3/8), 3/4 (13 − 3/8)
    assert loss.grad(Y, YHAT).tolist() == [1 / 2, -1 / 4, 3 / 4, -3 / 4]
    assert Huber(delta=0.75).value(Y, YHAT) == 539 / 128  # 539/32 over 4
    assert Huber(delta=0.75).grad(Y, YHAT).tolist() == [1 / 8, -1 / 16, 3 / 16, -3 / 16]


def test_a_wider_delta_turns_the_linear_part_quadratic():
    loss = huber(12.0)
    assert loss.value(Y, YHAT).tolist() == [1 / 8, 1 / 32, 50, 84]  # ½·100, 12 (13 − 6)
    assert loss.grad(Y, YHAT).tolist() == [1 / 2, -1 / 4, 10, -12]


@pytest.mark.parametrize("delta", [0.75, 0.7, 13.0, 1e-6, 1e6])
def test_both_pieces_agree_at_delta_and_one_ulp_beside_it(delta):
    loss = huber(delta)
    below, above = math.nextafter(delta, 0), math.nextafter(delta, math.inf)
    residuals = np.array([below, delta, above])
    d, b, a = Fraction(delta), Fraction(below), Fraction(above)
    exact = [b * b / 2, d * d / 2, d * (a - d / 2)]
    for sign in (1.0, -1.0):
        value, grad = loss.value_and_grad([0.0] * 3, sign * residuals)
        assert ulps(value, exact) <= BOUNDS.value
        assert grad.tolist() == [sign * below, sign * delta, sign * delta]
        low, high = loss.subgradient([0.0] * 3, sign * residuals)
        assert low.tolist() == high.tolist() == grad.tolist()  # no kink


def test_half_the_squared_error_while_no_residual_reaches_delta():
    squared = MeanSquaredError(reduction="none")
    for delta in (13.5, 1e6, 1e300):
        assert (2 * huber(delta).value(Y, YHAT)).tolist() == squared.value(Y, YHAT).tolist()
        assert (2 * huber(delta).grad(Y, YHAT)).tolist() == squared.grad(Y, YHAT).tolist()


def test_delta_times_the_absolute_error_far_out():
    r, delta = 2.0**60, 0.75
    assert ulps(huber(delta).value([0.0], [r]), [Fraction(delta) * (2**60 - Fraction(3, 8))]) <= BOUNDS.value
    absolute = MeanAbsoluteError(reduction="none")
    delta = 2.0**-80  # next to which ½ delta vanishes
    assert (huber(delta).value(Y, YHAT) / delta).tolist() == absolute.value(Y, YHAT).tolist()
    assert (huber(delta).grad(Y, YHAT) / delta).tolist() == absolute.grad(Y, YHAT).tolist()


def test_only_the_residual_matters():
    offset = 3.0 * 2**20
    assert huber(0.75).value(np.add(Y, offset), np.add(YHAT, offset)).tolist() == [1 / 8, 1 / 32, 231 / 32, 303 / 32]
    assert huber(0.75).value(np.negative(Y), np.negative(YHAT)).tolist() == [1 / 8, 1 / 32, 231 / 32, 303 / 32]
    assert huber(0.75).grad(np.negative(Y), np.negative(YHAT)).tolist() == [-1 / 2, 1 / 4, -3 / 4, 3 / 4]


@pytest.mark.parametrize("unit", [12.0, 2.0**-400])
def test_units_enter_squared_if_delta_has_them_too(unit):
    loss = huber(0.75 * unit)
    value, grad = loss.value_and_grad(np.multiply(Y, unit), np.multiply(YHAT, unit))
    assert value.tolist() == [x * unit**2 for x in (1 / 8, 1 / 32, 231 / 32, 303 / 32)]
    assert grad.tolist() == [x * unit for x in (1 / 2, -1 / 4, 3 / 4, -3 / 4)]


def test_a_tiny_residual():
    value, grad = huber(0.7).value_and_grad([0.0] * 3, [2.0**-530, -(2.0**-1074), 0.0])
    assert value.tolist() == [2.0**-1061, 0, 0]  # ½·2^-1060
    assert grad.tolist() == [2.0**-530, -(2.0**-1074), 0]


@pytest.mark.parametrize(
    ("delta", "value"),
    [
        (0.75, "0x1.8p+1023"),  # 3/4 · 2^1024
        (0.03125, "0x1p+1019"),
        (13.0, "inf"),
    ],
)
def test_a_residual_beyond_the_largest_float(delta, value):
    big = 2.0**1023  # r = ±2^1024
    got, grad = huber(delta).value_and_grad([-big, big], [big, -big])
    assert got.tolist() == [float.fromhex(value)] * 2
    assert grad.tolist() == [delta, -delta]


def test_a_residual_whose_square_overflows():
    r = 1.5 * 2.0**1000
    value, grad = huber(0.375).value_and_grad([0.0], [r])
    assert value.tolist() == [0.5625 * 2.0**1000]
    assert grad.tolist() == [0.375]
    assert huber(2.0**1000).value([0.0], [2.0**500]).tolist() == [2.0**999]


def test_limits():
    value, grad = huber(0.7).value_and_grad([0.3, 0.3, np.inf, np.inf], [np.inf, -np.inf, 0.3, np.inf])
    np.testing.assert_array_equal(value, [np.inf, np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(grad, [0.7, -0.7, -0.7, np.nan])


@pytest.mark.parametrize("delta", [0.0, -0.7, np.inf, np.nan])
def test_delta_is_positive_and_finite(delta):
    with pytest.raises(ValueError, match=r"delta is .*, not a finite number in \(0, inf\)"):
        Huber(delta=delta)
