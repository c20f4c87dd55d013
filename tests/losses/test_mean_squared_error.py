"""Squared error: r² with slope 2r, and no ½ before it."""

import numpy as np
import pytest

from reflosses import MeanSquaredError

Y = [0.5, -3.0, 7.0]
YHAT = [2.0, -3.75, 7.0]  # r = 3/2, −3/4, 0

NONE = MeanSquaredError(reduction="none")


def test_worked_by_hand():
    assert NONE.value(Y, YHAT).tolist() == [9 / 4, 9 / 16, 0]
    assert NONE.grad(Y, YHAT).tolist() == [3, -3 / 2, 0]
    assert MeanSquaredError().value(Y, YHAT) == 15 / 16  # (36 + 9)/16 over 3
    assert MeanSquaredError().grad(Y, YHAT).tolist() == [1, -1 / 2, 0]  # 2r/3


def test_target_and_prediction_change_places_with_the_sign_of_the_slope():
    assert NONE.value(YHAT, Y).tolist() == NONE.value(Y, YHAT).tolist()
    assert (-NONE.grad(YHAT, Y)).tolist() == NONE.grad(Y, YHAT).tolist()


def test_only_the_residual_matters():
    offset = 3.0 * 2**20
    assert NONE.value(np.add(Y, offset), np.add(YHAT, offset)).tolist() == [9 / 4, 9 / 16, 0]
    assert NONE.grad(np.add(Y, offset), np.add(YHAT, offset)).tolist() == [3, -3 / 2, 0]


def test_units_enter_squared():
    assert NONE.value(np.multiply(Y, 12), np.multiply(YHAT, 12)).tolist() == [324, 81, 0]  # 144 (9/4, 9/16, 0)
    assert NONE.grad(np.multiply(Y, 12), np.multiply(YHAT, 12)).tolist() == [36, -18, 0]  # 12 (3, −3/2, 0)


@pytest.mark.parametrize("offset", [0.0, 0.7, -1e10])
def test_the_minimum_and_one_ulp_beside_it(offset):
    step = float(np.spacing(abs(offset)))  # a power of two: its square is exact, or underflows to 0
    above, below = offset + step, offset - step
    assert NONE.value([offset] * 3, [below, offset, above]).tolist() == [step**2, 0, step**2]
    assert NONE.grad([offset] * 3, [below, offset, above]).tolist() == [-2 * step, 0, 2 * step]


@pytest.mark.parametrize(
    ("r", "squared"),
    [
        ("0x1.8p-537", "0x0.0000000000002p-1022"),  # 9/4 · 2^-1074 rounds to 2 of them
        ("0x1p-537", "0x0.0000000000001p-1022"),
        ("0x1p-539", "0x0p+0"),  # a quarter of 2^-1076
        ("0x1.fffffffffffffp+511", "0x1.ffffffffffffep+1023"),  # 2^1024 (1 − 2^-53)² = 2^1024 (1 − 2^-52 + 2^-106)
        ("0x1p+512", "inf"),  # 2^1024
    ],
)
def test_the_square_underflows_and_overflows_before_its_slope(r, squared):
    r, squared = float.fromhex(r), float.fromhex(squared)
    assert NONE.value([0.0, 0.0], [r, -r]).tolist() == [squared, squared]
    assert NONE.grad([0.0, 0.0], [r, -r]).tolist() == [2 * r, -2 * r]


def test_a_mean_that_is_finite_though_the_sum_is_not():
    r = 1.25 * 2.0**511  # r² = 25/16 · 2^1022
    y, yhat = np.zeros(4), np.full(4, r)
    assert MeanSquaredError(reduction="sum").value(y, yhat) == np.inf
    assert MeanSquaredError().value(y, yhat) == 25 / 16 * 2.0**1022
    assert MeanSquaredError().grad(y, yhat).tolist() == [r / 2] * 4


def test_a_residual_beyond_the_largest_float():
    big = 1.7e308
    value, grad = NONE.value_and_grad([-big, big], [big, -big])
    assert value.tolist() == [np.inf, np.inf]
    assert grad.tolist() == [np.inf, -np.inf]


def test_limits():
    value, grad = NONE.value_and_grad([0.7, 0.7, np.inf, np.inf], [np.inf, -np.inf, 0.7, np.inf])
    np.testing.assert_array_equal(value, [np.inf, np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(grad, [np.inf, -np.inf, -np.inf, np.nan])
