"""Absolute error: |r|, with a kink at r = 0."""

import numpy as np
import pytest

from reflosses import MeanAbsoluteError

Y = [0.5, -3.0, 7.0]
YHAT = [2.0, -3.75, 7.0]  # r = 3/2, −3/4, 0

NONE = MeanAbsoluteError(reduction="none")


def test_worked_by_hand():
    assert NONE.value(Y, YHAT).tolist() == [3 / 2, 3 / 4, 0]
    assert NONE.grad(Y, YHAT).tolist() == [1, -1, 0]
    assert MeanAbsoluteError().value(Y, YHAT) == 3 / 4  # (9/4)/3
    assert MeanAbsoluteError().grad(Y, YHAT).tolist() == [1 / 3, -1 / 3, 0]


def test_target_and_prediction_change_places_with_the_sign_of_the_slope():
    assert NONE.value(YHAT, Y).tolist() == [3 / 2, 3 / 4, 0]
    assert NONE.grad(YHAT, Y).tolist() == [-1, 1, 0]


def test_only_the_residual_matters():
    offset = 3.0 * 2**20
    assert NONE.value(np.add(Y, offset), np.add(YHAT, offset)).tolist() == [3 / 2, 3 / 4, 0]
    assert NONE.grad(np.add(Y, offset), np.add(YHAT, offset)).tolist() == [1, -1, 0]


@pytest.mark.parametrize("unit", [-12.0, 12.0, 2.0**-1000])
def test_units_enter_once_and_leave_the_slope(unit):
    y, yhat = np.multiply(Y, unit), np.multiply(YHAT, unit)
    assert NONE.value(y, yhat).tolist() == [abs(unit) * 3 / 2, abs(unit) * 3 / 4, 0]
    assert NONE.grad(y, yhat).tolist() == [np.sign(unit), -np.sign(unit), 0]


@pytest.mark.parametrize("y", [0.0, 0.7, -1e10])
def test_the_kink_and_one_ulp_beside_it(y):
    above, below = np.nextafter(y, np.inf), np.nextafter(y, -np.inf)
    targets, predictions = [y, y, y], [below, y, above]
    assert NONE.value(targets, predictions).tolist() == [y - below, 0, above - y]
    assert NONE.grad(targets, predictions).tolist() == [-1, 0, 1]
    low, high = NONE.subgradient(targets, predictions)
    assert low.tolist() == [-1, -1, 1]
    assert high.tolist() == [-1, 1, 1]


def test_the_subgradient_is_scaled_as_the_gradient_is():
    low, high = MeanAbsoluteError().subgradient(Y, YHAT, weight=[3.0, 0.5, 12.0])
    assert low.tolist() == [1, -1 / 6, -4]
    assert high.tolist() == [1, -1 / 6, 4]


def test_a_residual_beyond_the_largest_float_keeps_its_slope():
    big = 1.7e308
    value, grad = NONE.value_and_grad([-big, big], [big, -big])
    assert value.tolist() == [np.inf, np.inf]
    assert grad.tolist() == [1, -1]


def test_a_mean_that_is_finite_though_the_sum_is_not():
    big = 1.5 * 2.0**1023
    assert MeanAbsoluteError(reduction="sum").value([0.0] * 3, [big] * 3) == np.inf
    assert MeanAbsoluteError().value([0.0] * 3, [big] * 3) == big


def test_limits():
    value, grad = NONE.value_and_grad([0.7, 0.7, np.inf, np.inf], [np.inf, -np.inf, 0.7, np.inf])
    np.testing.assert_array_equal(value, [np.inf, np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(grad, [1, -1, -1, np.nan])
