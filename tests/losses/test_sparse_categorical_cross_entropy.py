"""Sparse categorical cross-entropy: −log of the probability of the true class, taken as it is."""

from fractions import Fraction

import numpy as np
import pytest

from reflosses import BinaryCrossEntropy, Focal, NegativeLogLikelihood, SparseCategoricalCrossEntropy

from exact import log, ulps

NONE = SparseCategoricalCrossEntropy(reduction="none")
BOUNDS = NONE.bounds

P = [[0.25, 0.5, 0.25], [0.375, 0.625, 0.0], [0.125, 0.125, 0.75]]
Y = [0, 1, 2]


ENTROPY = [log(4), log(Fraction(8, 5)), log(Fraction(4, 3))]


def test_worked_by_hand():
    assert ulps(NONE.value(Y, P), ENTROPY) <= BOUNDS.value
    slopes = [-4, 0, 0, 0, Fraction(-8, 5), 0, 0, 0, Fraction(-4, 3)]
    assert ulps(NONE.grad(Y, P), slopes) <= BOUNDS.grad
    mean = SparseCategoricalCrossEntropy()
    assert ulps(mean.value(Y, P), [sum(ENTROPY) / 3]) <= BOUNDS.value
    assert ulps(mean.grad(Y, P), [s / 3 for s in map(Fraction, slopes)]) <= BOUNDS.grad


def test_nothing_is_renormalised_and_other_classes_do_not_matter():
    row = [[0.25, 0.0, 1.0], [0.25, 1.0, 1.0]]  # sums 5/4 and 9/4
    value, grad = NONE.value_and_grad([0, 0], row)
    assert ulps(value, [log(4), log(4)]) <= BOUNDS.value
    assert grad.tolist() == [[-4, 0, 0], [-4, 0, 0]]


def test_the_ends():
    value, grad = NONE.value_and_grad([0, 1, 1], [[0.0, 1.0], [0.0, 1.0], [0.0, 5e-324]])
    assert value[:2].tolist() == [np.inf, 0]
    assert grad.tolist() == [[-np.inf, 0], [0, -1], [0, -np.inf]]  # −2^1074 is no float
    assert ulps(value[2:], [1074 * log(2)]) <= BOUNDS.value


@pytest.mark.parametrize("p", [1 - 2.0**-53, 1 - 2.0**-20, 2.0**-1022, 0.7])
def test_next_to_the_ends(p):
    assert ulps(NONE.value([1], [[0.5, p]]), [-log(p)]) <= BOUNDS.value
    assert ulps(NONE.grad([1], [[0.5, p]]), [0, -1 / Fraction(p)]) <= BOUNDS.grad


@pytest.mark.parametrize("ignore_index", [-100, 255, 1])
def test_ignored_rows_take_no_part(ignore_index):
    loss = SparseCategoricalCrossEntropy(ignore_index=ignore_index)
    y, p = [0, ignore_index, 2], np.array(P)
    p[1] = [np.nan, -7.0, 1.2]  # not even probabilities
    assert ulps(loss.value(y, p), [log(Fraction(16, 3)) / 2]) <= BOUNDS.value
    slopes = [-2, 0, 0, 0, 0, 0, 0, 0, Fraction(-2, 3)]
    assert ulps(loss.grad(y, p), slopes) <= BOUNDS.grad


def test_the_class_axis_is_where_one_says():
    loss = SparseCategoricalCrossEntropy(axis=0, reduction="none")
    assert loss.value(Y, np.transpose(P)).tolist() == NONE.value(Y, P).tolist()
    assert loss.grad(Y, np.transpose(P)).tolist() == NONE.grad(Y, P).T.tolist()


def test_three_other_losses_of_the_true_probability():
    picked = np.take_along_axis(np.array(P), np.array(Y)[:, None], axis=1)[:, 0]
    ones = np.ones(3)
    for other in (BinaryCrossEntropy(reduction="none"), Focal(gamma=0.0, reduction="none")):
        assert ulps(other.value(ones, picked), ENTROPY) <= other.bounds.value
        assert ulps(other.grad(ones, picked), [-4, Fraction(-8, 5), Fraction(-4, 3)]) <= other.bounds.grad
    with np.errstate(divide="ignore"):
        log_p = np.log(P)
    assert ulps(NegativeLogLikelihood(reduction="none").value(Y, log_p), ENTROPY) <= BOUNDS.value


def test_a_probability_is_a_probability():
    with pytest.raises(ValueError, match=r"yhat\[1, 2\] is 1\.25, not a probability in \[0, 1\]"):
        NONE.value([0, 1], [[0.5, 0.5, 0.0], [0.5, 0.5, 1.25]])
