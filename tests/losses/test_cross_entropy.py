"""Cross-entropy of logits: Σ q_c (log Σ exp z − z_c), with the slope Q·softmax(z) − q, at every margin and offset."""

import math
from fractions import Fraction

import numpy as np
import pytest

from reflosses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    NegativeLogLikelihood,
    SparseCategoricalCrossEntropy,
    log_softmax,
)

from exact import exp, log, ulps

NONE = CrossEntropy(reduction="none")
BOUNDS = NONE.bounds


def textbook(q, z):
    """Value and slopes for a target row q; margins below some 1000."""
    q, z = [Fraction(x) for x in q], [Fraction(x) for x in z]
    e = [exp(x - max(z)) for x in z]
    log_sum = log(sum(e)) + max(z)
    value = sum(a * (log_sum - b) for a, b in zip(q, z, strict=True))
    return value, [sum(q) * a / sum(e) - b for a, b in zip(e, q, strict=True)]


LOG4 = log(4)
EQUAL = [[3.0] * 4]


def test_equal_logits_by_hand():
    assert ulps(NONE.value([1], EQUAL), [LOG4]) <= BOUNDS.value
    assert NONE.grad([1], EQUAL).tolist() == [[1 / 4, -3 / 4, 1 / 4, 1 / 4]]
    assert CrossEntropy().grad([1, 3], EQUAL * 2).tolist() == [[1 / 8, -3 / 8, 1 / 8, 1 / 8], [1 / 8] * 3 + [-3 / 8]]


def test_smoothing_by_hand():
    """ε = 1/4 of 4 classes: q is 13/16 at the label and 1/16 elsewhere, and still sums to 1."""
    loss = CrossEntropy(label_smoothing=0.25, reduction="none")
    assert ulps(loss.value([1], EQUAL), [LOG4]) <= BOUNDS.value
    assert loss.grad([1], EQUAL).tolist() == [[3 / 16, -9 / 16, 3 / 16, 3 / 16]]
    far = [[0.0, 64.0, 0.0, 0.0]]  # Σ q_c (64 − z_c) = 64·3/16, and the tail below half an ulp of it
    assert ulps(loss.value([1], far), [12 + 3 * exp(-64)]) <= BOUNDS.value


def test_smoothing_all_the_way_forgets_the_label():
    loss = CrossEntropy(label_smoothing=1.0, reduction="none")
    z = [[0.0, 12.0, -3.0, 0.7]] * 2
    value, grad = loss.value_and_grad([1, 2], z)
    assert value[0] == value[1]
    assert grad[0].tolist() == grad[1].tolist()


def test_class_weights_by_hand():
    options = {"class_weight": [0.5, 3.0, 0.125, 8.0]}
    loss = CrossEntropy(**options, reduction="none")
    assert ulps(loss.value([1, 2], EQUAL * 2), [3 * LOG4, LOG4 / 8]) <= BOUNDS.value
    assert loss.grad([1, 2], EQUAL * 2).tolist() == [[3 / 4, -9 / 4, 3 / 4, 3 / 4], [1 / 32, 1 / 32, -3 / 32, 1 / 32]]
    assert ulps(CrossEntropy(**options).value([1, 2], EQUAL * 2), [25 * LOG4 / 16]) <= BOUNDS.value  # over 2
    weighted = CrossEntropy(**options, reduction="weighted_mean")
    assert ulps(weighted.value([1, 2], EQUAL * 2), [LOG4]) <= BOUNDS.value  # over 3 + 1/8
    assert ulps(weighted.grad([1, 2], EQUAL * 2)[1], [Fraction(n, 100) for n in (1, 1, -3, 1)]) <= BOUNDS.grad
    weighted_rows = weighted.value([1, 2], EQUAL * 2, weight=[0.25, 16.0])
    assert ulps(weighted_rows, [LOG4]) <= BOUNDS.value


def test_class_weights_of_a_smoothed_target_by_hand():
    """q = w·[(1 − ε)·onehot + ε/4] = [1/32, 39/16, 1/128, 1/2], Q = 381/128 and the slopes are Q/4 − q."""
    loss = CrossEntropy(class_weight=[0.5, 3.0, 0.125, 8.0], label_smoothing=0.25, reduction="none")
    assert ulps(loss.value([1], EQUAL), [Fraction(381, 128) * LOG4]) <= BOUNDS.value
    assert ulps(loss.grad([1], EQUAL), [Fraction(n, 512) for n in (365, -867, 377, 125)]) <= BOUNDS.grad
    weighted = CrossEntropy(class_weight=[0.5, 3.0, 0.125, 8.0], label_smoothing=0.25, reduction="weighted_mean")
    assert ulps(weighted.value([1], EQUAL), [Fraction(127, 128) * LOG4]) <= BOUNDS.value  # over w[1] = 3, not Q


@pytest.mark.parametrize("margin", [622.0, 625.0, 740.0, 744.0, 750.0])
def test_a_large_class_weight_lifts_a_tail_that_is_hardly_a_float(margin):
    """10^6 e^−744 is subnormal with all its digits, e^−744 alone has two bits, and e^−750 none."""
    loss = CrossEntropy(class_weight=[1e6, 0.25, 7.0], reduction="none")
    z = [margin, 0.0, -0.5]
    value, slopes = textbook([1e6, 0, 0], z)
    assert ulps(loss.value([0], [z]), [value]) <= BOUNDS.value
    assert ulps(loss.grad([0], [z]), slopes) <= BOUNDS.grad


def test_soft_targets_need_not_sum_to_one():
    y = [[0.5, 0.25, 0.5, 0.0]]
    assert ulps(NONE.value(y, EQUAL), [5 * LOG4 / 4]) <= BOUNDS.value
    assert NONE.grad(y, EQUAL).tolist() == [[-3 / 16, 1 / 16, -3 / 16, 5 / 16]]
    assert NONE.value([[0.0] * 4], EQUAL).tolist() == [0]
    assert NONE.grad([[0.0] * 4], EQUAL).tolist() == [[0] * 4]


ROWS = [
    [1.0, 2.0, 0.5],
    [-1.0, 0.25, 0.25],
    [8.0, 0.0, 0.0],
    [37.0, 0.0, 0.5],
    [40.0, 0.0, 0.0],
    [87.5, 0.0, -1.0],
    [600.0, 0.25, 0.0],
    [623.0, 0.0, -300.0],  # the tail is above 2^−900 = e^−623.8,
    [623.83, 0.0, -300.0],
    [623.84, 0.0, -300.0],
    [625.0, 0.0, -300.0],  # and below it
    [700.0, 0.0, 0.0],
    [708.5, 0.7, 0.0],
    [740.0, 0.0, -0.25],
    [744.5, 0.0, 0.0],
    [0.3, 5e-324, -37.0],
    [2.0**40 + 37.0, 2.0**40, 2.0**40 - 0.5],
    [-1e15 + 40.0, -1e15, -1e15 + 3.0],
    [12.0, -0.1, 500.3],
]


@pytest.mark.parametrize("z", ROWS)
@pytest.mark.parametrize("label", [0, 1, 2])
def test_against_the_textbook_in_four_hundred_digits(z, label):
    value, slopes = textbook([float(k == label) for k in range(3)], z)
    assert ulps(NONE.value([label], [z]), [value]) <= BOUNDS.value
    assert ulps(NONE.grad([label], [z]), slopes) <= BOUNDS.grad


@pytest.mark.parametrize("z", ROWS)
def test_soft_targets_against_the_textbook(z):
    y = [0.625, 0.25, 0.5]
    value, slopes = textbook(y, z)
    assert ulps(NONE.value([y], [z]), [value]) <= BOUNDS.value
    q, total = [Fraction(x) for x in y], Fraction(11, 8)
    for got, slope, own in zip(NONE.grad([y], [z])[0].tolist(), slopes, q, strict=True):
        p = (slope + own) / total  # the slope is (Q − q) p − q (1 − p), a difference
        largest = max((total - own) * p, own * (1 - p))
        assert abs(Fraction(got) - slope) <= BOUNDS.grad * Fraction(math.ulp(float(largest)))


@pytest.mark.parametrize("z", ROWS)
def test_slopes_sum_to_zero(z):
    for label in range(3):
        grad = NONE.grad([label], [z])[0]
        slack = sum(Fraction(math.ulp(g)) for g in grad.tolist()) * BOUNDS.grad
        assert abs(sum(map(Fraction, grad.tolist()))) <= slack


def test_an_index_is_a_one_hot_row():
    z = np.array(ROWS)
    y = np.arange(len(ROWS)) % 3
    one_hot = np.eye(3)[y]
    for loss in (NONE, CrossEntropy(label_smoothing=0.13, reduction="none")):
        both = zip(loss.value_and_grad(y, z), loss.value_and_grad(one_hot, z), BOUNDS[:2], strict=True)
        for got, other, bound in both:
            assert ulps(got.ravel(), [Fraction(x) for x in other.ravel().tolist()]) <= 2 * bound


def test_a_common_offset_changes_nothing():
    z = np.array([[3.0, -12.0, 40.0], [0.5, 0.25, 7.0]])
    for offset in (2.0**20, -(2.0**40)):  # the sums are exact
        moved, still = NONE.value_and_grad([0, 1], z + offset), NONE.value_and_grad([0, 1], z)
        for got, other, bound in zip(moved, still, BOUNDS[:2], strict=True):
            assert ulps(got.ravel(), [Fraction(x) for x in other.ravel().tolist()]) <= 2 * bound


@pytest.mark.parametrize("difference", [0.0, 0.3, -2.5, 37.0, -40.0, 599.9, -600.1, 720.0, -745.0, 1e10, -1.7e308])
def test_two_classes_are_a_sigmoid_of_the_difference(difference):
    sigmoid = BinaryCrossEntropyWithLogits(reduction="none")
    value, grad = NONE.value_and_grad([0, 1], [[difference, 0.0]] * 2)
    for k, y in enumerate((1, 0)):
        exact, slope = Fraction(float(sigmoid.value(y, difference))), Fraction(float(sigmoid.grad(y, difference)))
        assert ulps(value[k], [exact]) <= BOUNDS.value + sigmoid.bounds.value
        assert ulps(grad[k], [slope, -slope]) <= BOUNDS.grad + sigmoid.bounds.grad


@pytest.mark.parametrize("z", ROWS)
def test_it_is_the_likelihood_of_log_softmax(z):
    likelihood = NegativeLogLikelihood(reduction="none")
    for label in range(3):
        exact = [Fraction(float(NONE.value(label, z)))]
        assert ulps(likelihood.value(label, log_softmax(z)), exact) <= BOUNDS.value + 4  # 4 ulp is log_softmax's own


def test_it_is_the_entropy_of_the_softmax():
    """With z = [0, 0, 0, 0] the softmax is exact: a quarter each."""
    other = SparseCategoricalCrossEntropy(reduction="none")
    assert other.value([1], [[0.25] * 4]) == NONE.value([1], EQUAL)


def test_one_class_is_certain():
    assert NONE.value([0, 0], [[0.7], [-1e308]]).tolist() == [0, 0]
    assert NONE.grad([0, 0], [[0.7], [-1e308]]).tolist() == [[0], [0]]


@pytest.mark.parametrize("other", [[], [0.0], [0.3, -7.0], [-np.inf]])
def test_far_apart_one_side_is_nothing_and_the_other_linear(other):
    z = [1e10, *other, -1e10]
    value, grad = NONE.value_and_grad([0, len(z) - 1], [z, z])
    assert value.tolist() == [0, 2e10]
    assert grad.tolist() == [[0] * len(z), [1, *[0] * len(other), -1]]


@pytest.mark.parametrize("classes", [2, 3, 4, 33])
def test_logits_next_to_the_largest_float(classes):
    z = [1e308] + [0.0] * (classes - 1)
    value, grad = NONE.value_and_grad([0, 1], [z, z])
    assert value.tolist() == [0, 1e308]
    assert grad.tolist() == [[0] * classes, [1, -1] + [0] * (classes - 2)]
    z = [-1.7e308] * classes
    value, grad = NONE.value_and_grad([1], [z])
    assert ulps(value, [log(classes)]) <= BOUNDS.value
    assert ulps(grad, [Fraction(1, classes) - (k == 1) for k in range(classes)]) <= BOUNDS.grad


@pytest.mark.parametrize("classes", [2, 3, 4, 33])
def test_a_difference_beyond_the_largest_float(classes):
    z = [1e308] + [-1e308] * (classes - 1)
    value, grad = NONE.value_and_grad([0, 1], [z, z])
    assert value.tolist() == [0, np.inf]  # 2e308 is no float
    assert grad.tolist() == [[0] * classes, [1, -1] + [0] * (classes - 2)]


@pytest.mark.parametrize("masked", [1, 2, 3])
def test_a_masked_class_is_as_if_it_were_not_there(masked):
    z = [0.25, *[-np.inf] * masked, 7.0]
    value, grad = NONE.value_and_grad([0], [z])
    without, slopes = NONE.value_and_grad([0], [[0.25, 7.0]])
    assert ulps(value, [Fraction(x) for x in without.tolist()]) <= 2 * BOUNDS.value
    assert ulps(grad[0, [0, -1]], [Fraction(x) for x in slopes[0].tolist()]) <= 2 * BOUNDS.grad
    assert grad[0, 1:-1].tolist() == [0] * masked


@pytest.mark.parametrize("others", [[0.0], [0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
def test_a_true_class_that_is_masked_costs_everything(others):
    value, grad = NONE.value_and_grad([0], [[-np.inf, *others]])
    assert value.tolist() == [np.inf]
    assert grad.tolist() == [[-1] + [1 / len(others)] * len(others)]


def test_a_class_without_mass_may_be_masked():
    value, grad = NONE.value_and_grad([[0.5, 0.0, 0.5]], [[3.0, -np.inf, 3.0]])
    assert ulps(value, [log(2)]) <= BOUNDS.value
    assert grad.tolist() == [[0, 0, 0]]
    smoothed = CrossEntropy(label_smoothing=0.25, reduction="none")
    assert smoothed.value([0], [[3.0, -np.inf, 3.0]]).tolist() == [np.inf]
    weighted = CrossEntropy(label_smoothing=0.25, class_weight=[0.5, 0.0, 7.0], reduction="none")
    assert np.isfinite(weighted.value([0], [[3.0, -np.inf, 3.0]])).all()


@pytest.mark.parametrize("others", [[0.25], [0.25, -7.0], [0.25, -np.inf, -7.0]])
def test_one_infinite_logit_takes_all(others):
    z = [[np.inf, *others]]
    value, grad = NONE.value_and_grad([0, 1], z * 2)
    assert value.tolist() == [0, np.inf]
    assert grad.tolist() == [[0] * len(z[0]), [1, -1] + [0] * (len(others) - 1)]


@pytest.mark.parametrize("z", [[np.inf, np.inf, 0.0], [-np.inf] * 3, [np.nan, 0.0, 0.0], [0.0, np.nan, 0.0]])
def test_no_limit_is_nan(z):
    for label in range(3):
        value, grad = NONE.value_and_grad([label], [z])
        assert np.isnan(value).all()
        assert np.isnan(grad).all()


@pytest.mark.parametrize("ignore_index", [-100, 255, 2])
def test_ignored_rows_take_no_part(ignore_index):
    z = [*EQUAL, [np.nan, 0.0, np.inf, np.inf], *EQUAL]
    loss = CrossEntropy(ignore_index=ignore_index)
    value, grad = loss.value_and_grad([1, ignore_index, 3], z)
    assert ulps(value, [LOG4]) <= BOUNDS.value
    assert grad.tolist() == [[1 / 8, -3 / 8, 1 / 8, 1 / 8], [0] * 4, [1 / 8, 1 / 8, 1 / 8, -3 / 8]]


def test_the_class_axis_is_where_one_says():
    z = np.array(ROWS[:6]).reshape(2, 3, 3)
    y = np.array([[0, 1, 2], [2, 2, 0]])
    loss = CrossEntropy(axis=1, reduction="none")
    moved = np.moveaxis(z, -1, 1)
    assert loss.value(y, moved).tolist() == NONE.value(y, z).tolist()
    assert loss.grad(y, moved).tolist() == np.moveaxis(NONE.grad(y, z), -1, 1).tolist()
    rows = np.eye(3)[y]
    assert loss.value(np.moveaxis(rows, -1, 1), moved).tolist() == NONE.value(y, z).tolist()


def test_soft_targets_with_class_weights_have_no_weighted_mean():
    loss = CrossEntropy(class_weight=[0.5, 3.0, 0.125, 8.0], reduction="weighted_mean")
    with pytest.raises(ValueError, match='soft targets with class weights have no "weighted_mean"'):
        loss.value([[0.25] * 4], EQUAL)


@pytest.mark.parametrize("smoothing", [-0.1, 1.5, np.nan])
def test_smoothing_is_a_fraction(smoothing):
    with pytest.raises(ValueError, match=r"label_smoothing is .*, not a number in \[0, 1\]"):
        CrossEntropy(label_smoothing=smoothing)
