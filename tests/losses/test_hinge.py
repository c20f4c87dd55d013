"""Hinge: max(0, 1 − y·yhat) for labels −1 and 1, with a kink at margin 1."""

import numpy as np
import pytest

from reflosses import Hinge

NONE = Hinge(reduction="none")

Y = [1, -1, 1, -1, 1]
YHAT = [0.25, 0.25, 1.75, -3.0, -2.5]  # margins 1/4, −1/4, 7/4, 3, −5/2


def test_worked_by_hand():
    assert NONE.value(Y, YHAT).tolist() == [3 / 4, 5 / 4, 0, 0, 7 / 2]
    assert NONE.grad(Y, YHAT).tolist() == [-1, 1, 0, 0, -1]
    assert Hinge().value(Y, YHAT) == 11 / 10  # 11/2 over 5
    assert Hinge().grad(Y, YHAT).tolist() == [-1 / 5, 1 / 5, 0, 0, -1 / 5]


def test_only_the_margin_matters():
    flipped = np.negative(Y), np.negative(YHAT)
    assert NONE.value(*flipped).tolist() == [3 / 4, 5 / 4, 0, 0, 7 / 2]
    assert NONE.grad(*flipped).tolist() == [1, -1, 0, 0, 1]


def test_a_right_answer_within_the_margin_still_costs():
    assert NONE.value([1], [0.75]) == 1 / 4
    assert NONE.value([1], [0.0]) == 1


@pytest.mark.parametrize("y", [1.0, -1.0])
def test_the_kink_and_one_ulp_beside_it(y):
    margins = np.array([1 - 2.0**-53, 1.0, 1 + 2.0**-52])
    targets, scores = np.full(3, y), y * margins
    assert NONE.value(targets, scores).tolist() == [2.0**-53, 0, 0]
    assert NONE.grad(targets, scores).tolist() == [-y, 0, 0]
    low, high = NONE.subgradient(targets, scores)
    assert low.tolist() == [-y, min(-y, 0), 0]
    assert high.tolist() == [-y, max(-y, 0), 0]


def test_the_subgradient_is_scaled_as_the_gradient_is():
    low, high = Hinge().subgradient([1, -1, -1, 1], [1.0, -1.0, 0.5, 3.0], weight=[3.0, 0.5, 12.0, 7.0])
    assert low.tolist() == [-3 / 4, 0, 3, 0]
    assert high.tolist() == [0, 1 / 8, 3, 0]


def test_a_tiny_score_does_not_move_the_loss_and_has_full_slope():
    assert NONE.value([1, -1], [5e-324, 5e-324]).tolist() == [1, 1]
    assert NONE.grad([1, -1], [5e-324, 5e-324]).tolist() == [-1, 1]


def test_far_on_either_side():
    value, grad = NONE.value_and_grad([1, 1, -1, -1], [1.7e308, -1.7e308, 1.7e308, -1.7e308])
    assert value.tolist() == [0, 1.7e308, 1.7e308, 0]
    assert grad.tolist() == [0, -1, 1, 0]


def test_limits():
    value, grad = NONE.value_and_grad([1, 1, -1, -1], [np.inf, -np.inf, np.inf, -np.inf])
    assert value.tolist() == [0, np.inf, np.inf, 0]
    assert grad.tolist() == [0, -1, 1, 0]


@pytest.mark.parametrize("label", [0, 0.5, 2, np.nan])
def test_labels_are_minus_one_and_one(label):
    with pytest.raises(ValueError, match=r"Hinge\(reduction='mean'\): y\[1\] is .*, not a label in \{-1, 1\}"):
        Hinge().value([1, label], [0.3, 0.3])
