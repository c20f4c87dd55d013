"""Negative log-likelihood: −w[y]·yhat[y], linear in the log-probabilities."""

from fractions import Fraction

import numpy as np
import pytest

from reflosses import NegativeLogLikelihood

from exact import ulps

NONE = NegativeLogLikelihood(reduction="none")

LOG_P = [[-0.5, -3.0, -7.25], [-1.5, -0.375, -4.0], [-12.0, -0.25, -3.0], [-0.125, -5.0, -2.5]]
Y = [2, 0, 1, 0]
WEIGHTS = [0.25, 12.0, 3.5]


def test_worked_by_hand():
    assert NONE.value(Y, LOG_P).tolist() == [29 / 4, 3 / 2, 1 / 4, 1 / 8]
    assert NONE.grad(Y, LOG_P).tolist() == [[0, 0, -1], [-1, 0, 0], [0, -1, 0], [-1, 0, 0]]
    assert NegativeLogLikelihood().value(Y, LOG_P) == 73 / 32  # 73/8 over 4
    assert NegativeLogLikelihood().grad(Y, LOG_P)[1].tolist() == [-1 / 4, 0, 0]


def test_class_weights_and_the_two_means():
    options = {"class_weight": WEIGHTS}
    value = [203 / 8, 3 / 8, 3, 1 / 32]  # 7/2·29/4, 1/4·3/2, 12·1/4, 1/4·1/8; their sum is 921/32
    assert NegativeLogLikelihood(**options, reduction="none").value(Y, LOG_P).tolist() == value
    assert NegativeLogLikelihood(**options).value(Y, LOG_P) == 921 / 128
    weighted = NegativeLogLikelihood(**options, reduction="weighted_mean")
    assert weighted.value(Y, LOG_P) == 921 / 512  # over 7/2 + 1/4 + 12 + 1/4 = 16
    assert weighted.grad(Y, LOG_P).tolist() == [[0, 0, -7 / 32], [-1 / 64, 0, 0], [0, -3 / 4, 0], [-1 / 64, 0, 0]]


def test_weights_of_rows_multiply_those_of_classes():
    loss = NegativeLogLikelihood(class_weight=WEIGHTS, reduction="weighted_mean")
    # Σ u w ℓ = 4·203/8 + 0 + ½·3 + 8·1/32 = 413/4 over Σ u w = 14 + 0 + 6 + 2 = 22
    assert loss.value(Y, LOG_P, weight=[4.0, 0.0, 0.5, 8.0]) == 413 / 88
    exact = [Fraction(n, 22) for n in (0, 0, -14, 0, 0, 0, 0, -6, 0, -2, 0, 0)]
    assert ulps(loss.grad(Y, LOG_P, weight=[4.0, 0.0, 0.5, 8.0]), exact) <= loss.bounds.grad


@pytest.mark.parametrize("ignore_index", [-100, 255, 1])
def test_ignored_rows_take_no_part(ignore_index):
    loss = NegativeLogLikelihood(ignore_index=ignore_index)
    y, log_p = [2, 0, ignore_index, 0], np.array(LOG_P)
    log_p[2] = np.nan
    assert loss.value(y, log_p) == 71 / 24  # 71/8 over 3
    assert loss.grad(y, log_p).tolist() == [[0, 0, -1 / 3], [-1 / 3, 0, 0], [0, 0, 0], [-1 / 3, 0, 0]]


def test_the_class_axis_is_where_one_says():
    moved = np.transpose(np.reshape(LOG_P, (2, 2, 3)), (0, 2, 1))  # (2, 3 classes, 2)
    loss = NegativeLogLikelihood(axis=1, reduction="none")
    assert loss.value(np.reshape(Y, (2, 2)), moved).tolist() == [[29 / 4, 3 / 2], [1 / 4, 1 / 8]]
    grad = loss.grad(np.reshape(Y, (2, 2)), moved)
    assert grad[0].tolist() == [[0, -1], [0, 0], [-1, 0]]
    assert NegativeLogLikelihood(axis=0, reduction="none").value(Y, np.transpose(LOG_P)).tolist() == [
        29 / 4,
        3 / 2,
        1 / 4,
        1 / 8,
    ]


def test_it_is_linear_and_takes_any_number():
    value, grad = NONE.value_and_grad(Y, np.multiply(LOG_P, -24))
    assert value.tolist() == [-174, -36, -6, -3]
    assert grad.tolist() == NONE.grad(Y, LOG_P).tolist()


def test_limits():
    value, grad = NONE.value_and_grad([0, 1], [[-np.inf, 0.0], [-np.inf, 0.0]])
    assert value.tolist() == [np.inf, 0]
    assert grad.tolist() == [[-1, 0], [0, -1]]


def test_a_class_without_weight_costs_nothing_even_at_infinity():
    loss = NegativeLogLikelihood(class_weight=[0.0, 0.7], reduction="none")
    assert loss.value([0], [[-np.inf, 0.0]]).tolist() == [0]
    assert loss.grad([0], [[-np.inf, 0.0]]).tolist() == [[0, 0]]


def test_extreme_magnitudes():
    value = NONE.value([0, 1], [[-1.7e308, 0.0], [0.0, -5e-324]])
    assert value.tolist() == [1.7e308, 5e-324]


@pytest.mark.parametrize("label", [3, -1, 0.5, np.nan])
def test_a_label_is_the_index_of_a_class(label):
    with pytest.raises(ValueError, match=r"y\[1\] is .*, not a class index from 0 to 2"):
        NONE.value([2, label, 1, 0], LOG_P)


def test_class_weights_are_one_a_class():
    with pytest.raises(ValueError, match="class_weight has 3 entries, yhat has 4 classes"):
        NegativeLogLikelihood(class_weight=WEIGHTS).value([0], [[-1.0] * 4])
