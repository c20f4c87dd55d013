"""Overlap of label maps in exact fractions, and the two sensitivities with their crossover."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from reflosses import Dice, IoU
from reflosses.overlap import (
    CROSSOVER_DICE,
    CROSSOVER_IOU,
    Sensitivity,
    hard_dice,
    hard_iou,
    pixel_accuracy,
    sensitivity,
)

from exact import ulps

# Class 0: 4 of 5 and 5 agree; class 1: 1 of 3 and 2; class 2: 1 of 2 and 3; class 3: none anywhere
TRUE = [[0, 0, 0, 0, 0], [1, 1, 1, 2, 2]]
GUESSED = [[0, 0, 0, 0, 1], [0, 1, 2, 2, 2]]
CLASSES = 4


def test_hard_dice_by_hand():
    """1 − 8/10, 1 − 2/5, 1 − 4/5 and 0 for the absent class."""
    got = hard_dice(TRUE, [[0, 0, 0, 0, 1], [0, 1, 2, 2, 2]], CLASSES)
    assert got.tolist() == [float(Fraction(n, 5)) for n in (1, 3, 1, 0)]
    assert got.shape == (CLASSES,)


def test_hard_iou_by_hand():
    """1 − 4/6, 1 − 1/4, 1 − 2/3 and 0 for the absent class."""
    got = hard_iou(TRUE, GUESSED, CLASSES)
    assert got.tolist() == [float(Fraction(1, 3)), 3 / 4, float(Fraction(1, 3)), 0]


def test_pixel_accuracy_by_hand():
    assert pixel_accuracy(TRUE, GUESSED) == float(Fraction(7, 10))
    assert isinstance(pixel_accuracy(TRUE, GUESSED), float)


def test_hard_scores_are_the_soft_ones_of_one_hot_maps():
    one_hot = np.eye(CLASSES)
    y, yhat = one_hot[np.array(TRUE)], one_hot[np.array(GUESSED)]
    assert ulps(hard_dice(TRUE, GUESSED, CLASSES), Dice(axis=(0, 1), reduction="none").value(y, yhat).tolist()) <= 6
    assert ulps(hard_iou(TRUE, GUESSED, CLASSES), IoU(axis=(0, 1), reduction="none").value(y, yhat).tolist()) <= 6


def test_the_ends():
    assert hard_dice(TRUE, TRUE, CLASSES).tolist() == [0] * CLASSES
    assert hard_iou(TRUE, TRUE, CLASSES).tolist() == [0] * CLASSES
    assert pixel_accuracy(TRUE, TRUE) == 1
    assert hard_dice([0, 0, 3], [3, 3, 0], CLASSES).tolist() == [1, 0, 0, 1]
    assert hard_iou([0, 0, 3], [3, 3, 0], CLASSES).tolist() == [1, 0, 0, 1]
    assert pixel_accuracy([0, 0, 3], [3, 3, 0]) == 0
    assert hard_dice([0, 0], [0, 0], 1).tolist() == [0]
    assert hard_dice([0, 0, 1], [0, 0, 0], 2).tolist() == [float(Fraction(1, 5)), 1]  # a class of one pixel in all
    assert hard_dice([], [], 3).tolist() == [0, 0, 0]
    assert math.isnan(pixel_accuracy([], []))


def test_labels_may_be_floats_of_whole_numbers_and_are_left_alone():
    true = np.array(TRUE, np.float32)
    before = true.copy()
    assert hard_dice(true, np.array(GUESSED, np.int8), CLASSES)[1] == float(Fraction(3, 5))
    assert true.tolist() == before.tolist()
    assert pixel_accuracy([-100, 255, 7], [-100, 7, 7]) == float(Fraction(2, 3))  # any labels, no classes asked


@pytest.mark.parametrize("function", [hard_dice, hard_iou])
@pytest.mark.parametrize(
    ("y", "yhat", "classes", "error", "message"),
    [
        ([0, 1], [[0, 1]], 3, ValueError, r"{}: y has shape \(2,\) and yhat \(1, 2\); they must be equal"),
        ([0, 3], [0, 1], 3, ValueError, r"{}: y\[1\] is 3, not a class index from 0 to 2"),
        ([0, 1], [-1, 1], 3, ValueError, r"{}: yhat\[0\] is -1, not a class index from 0 to 2"),
        ([[0, 0.5]], [[0, 1]], 3, ValueError, r"{}: y\[0, 1\] is 0\.5, not a class index"),
        ([0, np.nan], [0, 1], 3, ValueError, r"{}: y\[1\] is nan, not a class index"),
        ([0, 0], [0, 0], 0, ValueError, r"{}: num_classes is 0, not from 1 to 2147483647"),
        ([0, 1], [0, 1], 2.5, TypeError, r"{}: num_classes must be an integer, got 2\.5"),
        (["a"], [0], 3, TypeError, r"{}: y must be an array of real numbers"),
    ],
)
def test_what_is_no_label_map(function, y, yhat, classes, error, message):
    with pytest.raises(error, match=message.format(function.__name__)):
        function(y, yhat, classes)


def test_what_is_no_pair_of_label_maps():
    with pytest.raises(ValueError, match=r"pixel_accuracy: y has shape \(2,\) and yhat \(3,\)"):
        pixel_accuracy([0, 1], [0, 1, 2])
    for label in (0.7, np.inf, np.nan):
        with pytest.raises(ValueError, match=rf"pixel_accuracy: yhat\[1\] is {label}, not an integer label"):
            pixel_accuracy([0, 1], [0, label])


def test_labels_are_compared_as_they_are():
    assert pixel_accuracy([1e300, 7], [2e300, 7]) == 1 / 2  # no integer type holds them
    assert pixel_accuracy([2**53], [2**53 + 1]) == 0  # equal as floats
    big = np.array([2**53 + 1, 2**53, 2**63 - 1, -7])
    for floats in (np.array([2.0**53, 2.0**53, 2.0**63, -7.0]), np.array([2.0**53, 2.0**53, np.inf, -7.0])[:2]):
        ints = big[: len(floats)]
        assert pixel_accuracy(ints, floats) == pixel_accuracy(floats, ints) == 1 / 2
    assert pixel_accuracy(np.array([2**64 - 1], np.uint64), [2.0**64]) == 0
    assert pixel_accuracy(np.array([2048, 7], np.float16), [2049, 7]) == 1 / 2
    assert hard_dice(np.float16([3000.0, 3000.0]), [3000, 3000], 3001)[3000] == 0
    with pytest.raises(ValueError, match=r"hard_dice: y\[0\] is 3000, not a class index from 0 to 2999"):
        hard_dice(np.float16([3000.0, 3000.0]), [0, 0], 3000)  # in float16, 2999.5 is 3000


@pytest.mark.parametrize("function", [hard_dice, hard_iou])
@pytest.mark.parametrize("classes", [2**31, 10**30, 10**400, pytest.param(10**5000, id="e5000"), -1])
def test_more_classes_than_anything_holds(function, classes):
    with pytest.raises(ValueError, match=f"^{function.__name__}: num_classes is "):
        function([1], [1], classes)


@pytest.mark.parametrize(
    ("intersection", "total", "dice", "iou"),
    [
        (0, 8, Fraction(1, 4), Fraction(1, 8)),  # no overlap: half as steep
        (1, 4, Fraction(1, 2), Fraction(4, 9)),
        (3, 10, Fraction(1, 5), Fraction(10, 49)),  # just beyond the crossover at 0.2929
        (3, 8, Fraction(1, 4), Fraction(8, 25)),
        (4, 8, Fraction(1, 4), Fraction(1, 2)),  # perfect: twice as steep
    ],
)
def test_sensitivities_by_hand(intersection, total, dice, iou):
    got = sensitivity(intersection, total)
    assert ulps(got, [dice, iou, iou / dice]) <= 4
    assert all(type(x) is float for x in got)


def test_the_ratio_is_half_the_square_of_one_and_iou():
    for intersection, total in ((1, 7), (3, 16), (5, 11), (0, 3), (7, 14)):
        iou = Fraction(intersection, total - intersection)
        assert ulps(sensitivity(intersection, total).ratio, [(1 + iou) ** 2 / 2]) <= 4
        dice = Fraction(2 * intersection, total)
        assert (1 + iou) ** 2 / 2 == 2 / (2 - dice) ** 2  # the same in Dice's own score


def test_dice_is_the_steeper_one_below_the_crossover_and_iou_above():
    shares = np.arange(51) / 100
    ratio = sensitivity(shares, np.ones(51)).ratio
    assert (np.diff(ratio) > 0).all()
    # 1 − 1/√2 lies between 0.29 and 0.30, since 1/√2 = 0.7071…
    assert (ratio[:30] < 1).all()
    assert (ratio[30:] > 1).all()


def test_the_crossover_constants():
    with localcontext(prec=50):
        root = Decimal(2).sqrt()
        iou, dice, share = root - 1, 2 - root, 1 - 1 / root
        assert abs(2 * iou / (1 + iou) - dice) < Decimal("1e-48")
        assert abs((1 + iou) ** 2 / 2 - 1) < Decimal("1e-48")
    assert ulps([CROSSOVER_IOU, CROSSOVER_DICE], [iou, dice]) <= 2
    assert ulps(sensitivity(float(share), 1.0).ratio, [1]) <= 4


def test_sensitivity_broadcasts_numbers_and_arrays():
    got = sensitivity([[0.0], [1.0]], [4.0, 8.0])
    assert isinstance(got, Sensitivity)
    assert got.dice.tolist() == [[1 / 2, 1 / 4]] * 2
    exact = [Fraction(1, 4), Fraction(1, 8), Fraction(4, 9), Fraction(8, 49)]
    assert ulps(got.iou, exact) <= 4
    assert ulps(got.ratio, [Fraction(1, 2), Fraction(1, 2), Fraction(8, 9), Fraction(32, 49)]) <= 4


@pytest.mark.parametrize("total", [2.0**-1020, 1e-300, 1.7e308])
def test_sensitivity_of_extreme_totals(total):
    got = sensitivity(total / 4, total)
    exact = [2 / Fraction(total), Fraction(16, 9) / Fraction(total), Fraction(8, 9)]
    assert ulps(got, exact) <= 4


@pytest.mark.parametrize(
    ("intersection", "total", "message"),
    [
        (1, 0, r"sensitivity: total is 0, not a finite number above 0"),
        (0, [3, -4], r"sensitivity: total\[1\] is -4, not a finite number above 0"),
        (0, np.inf, r"sensitivity: total is inf, not a finite number above 0"),
        (0, np.nan, r"sensitivity: total is nan, not a finite number above 0"),
        (-1, 4, r"sensitivity: intersection is -1, not from 0 to half the total 4"),
        ([1, 3], 4, r"sensitivity: intersection\[1\] is 3, not from 0 to half the total 4"),
        (np.nan, 4, r"sensitivity: intersection is nan, not from 0 to half the total 4"),
        ([1, 2], [3, 4, 5], r"sensitivity: intersection has shape \(2,\) and total \(3,\); they do not broadcast"),
    ],
)
def test_what_is_no_overlap(intersection, total, message):
    with pytest.raises(ValueError, match=message):
        sensitivity(intersection, total)


@pytest.mark.parametrize("loss", [Dice, IoU])
def test_the_sensitivities_are_derivatives_of_the_losses(loss):
    """Mass moved from outside the mask to inside: dI = 1 at fixed P + T, the slope of one pixel less the other's."""
    t, p = [1.0, 0.0, 1.0, 0.0], [0.5, 0.25, 0.75, 0.5]  # I = 5/4, S = 4
    grad = loss().grad(t, p)
    slope = Fraction(1, 2) if loss is Dice else Fraction(4) / Fraction(11, 4) ** 2
    assert ulps(grad[1] - grad[0], [slope]) <= 16
    got = sensitivity(1.25, 4.0)
    assert ulps(got.dice if loss is Dice else got.iou, [slope]) <= 4
