"""Soft Dice: 1 − 2I/(P + T), without squares and without smoothing unless asked."""

from fractions import Fraction

import numpy as np
import pytest

from reflosses import Dice, IoU

from exact import ulps

BOUNDS = Dice().bounds

# I = 1, P = 3/2, T = 2: D = 2/(7/2) = 4/7
T = [1.0, 1.0, 0.0, 0.0]
P = [0.75, 0.25, 0.5, 0.0]


def textbook(t, p, nr=0, dr=0):
    """The loss and its gradient in fractions."""
    t, p, nr, dr = [Fraction(x) for x in t], [Fraction(x) for x in p], Fraction(nr), Fraction(dr)
    total = sum(p) + sum(t) + dr
    score = (2 * sum(a * b for a, b in zip(p, t, strict=True)) + nr) / total
    return 1 - score, [(score - 2 * a) / total for a in t]


def test_worked_by_hand():
    assert ulps(Dice().value(T, P), [Fraction(3, 7)]) <= BOUNDS.value
    # (D − 2t)/S: (4/7 − 2)·2/7 = −20/49 on the mask, 4/7·2/7 = 8/49 off it
    slopes = [Fraction(-20, 49), Fraction(-20, 49), Fraction(8, 49), Fraction(8, 49)]
    assert ulps(Dice().grad(T, P), slopes) <= BOUNDS.grad


def test_smoothing_by_hand():
    loss = Dice(smooth_nr=0.5, smooth_dr=3.5)  # (2 + ½)/(7/2 + 7/2) = 5/14
    assert ulps(loss.value(T, P), [Fraction(9, 14)]) <= BOUNDS.value
    slopes = [Fraction(-23, 98), Fraction(-23, 98), Fraction(5, 98), Fraction(5, 98)]
    assert ulps(loss.grad(T, P), slopes) <= BOUNDS.grad
    only_below = Dice(smooth_dr=0.5)  # 2/4
    assert only_below.value(T, P) == 1 / 2
    assert only_below.grad(T, P).tolist() == [-3 / 8, -3 / 8, 1 / 8, 1 / 8]


def test_the_denominator_has_no_squares():
    """With squares, t = 1 and p = ½ everywhere gives 1 − 2·½/(1 + ¼) = 1/5; with P + T it is 1 − 1/(3/2)."""
    assert ulps(Dice().value([1.0] * 7, [0.5] * 7), [Fraction(1, 3)]) <= BOUNDS.value


def test_the_score_is_twice_iou_over_one_more():
    for t, p in [(T, P), ([1.0, 0.0, 1.0], [0.125, 0.625, 1.0]), (T, [0.0, 0.0, 0.375, 0.0]), (T, T)]:
        dice, iou = 1 - Fraction(float(Dice().value(t, p))), 1 - Fraction(float(IoU().value(t, p)))
        slack = Fraction(BOUNDS.value + 2 * IoU().bounds.value) * Fraction(2) ** -53  # dD/dJ = 2/(1 + J)² ≤ 2
        assert abs(dice - 2 * iou / (1 + iou)) <= slack


@pytest.mark.parametrize(
    ("t", "p"),
    [
        (T, P),
        ([1.0, 0.0, 1.0, 0.0], [2.0**-20, 2.0**-40, 0.0, 0.0]),  # next to no overlap
        ([1.0, 0.0, 1.0, 0.0], [1 - 2.0**-40, 2.0**-40, 1.0, 0.0]),  # next to a perfect one
        ([0.25, 0.5, 1.0, 0.0], [0.5, 0.375, 0.25, 0.125]),  # soft targets
    ],
)
def test_iou_is_steeper_by_half_the_square_of_one_and_iou_in_every_pixel(t, p):
    t_, p_ = [Fraction(x) for x in t], [Fraction(x) for x in p]
    both = sum(a * b for a, b in zip(t_, p_, strict=True))
    iou = both / (sum(t_) + sum(p_) - both)
    dice_grad, iou_grad = Dice().grad(t, p).tolist(), IoU().grad(t, p).tolist()
    assert all(dice_grad)
    for d, j in zip(dice_grad, iou_grad, strict=True):
        assert ulps(j, [Fraction(d) * (1 + iou) ** 2 / 2]) <= 2 * (BOUNDS.grad + IoU().bounds.grad)


def test_smoothing_breaks_the_proportion_of_the_gradients():
    """Dice: score (2 + ½)/(7/2 + 3/2) = ½, slopes −3/10 and 1/10; IoU: (3/2)/4 = 3/8, slopes −1/4 and 3/32."""
    dice, iou = Dice(smooth_nr=0.5, smooth_dr=1.5).grad(T, P), IoU(smooth_nr=0.5, smooth_dr=1.5).grad(T, P)
    assert ulps(iou / dice, [Fraction(5, 6), Fraction(5, 6), Fraction(15, 16), Fraction(15, 16)]) <= 20


def test_copies_of_an_image_share_its_gradient():
    value, grad = Dice().value_and_grad(T * 12, P * 12)
    assert ulps(value, [Fraction(3, 7)]) <= BOUNDS.value
    assert ulps(grad[:3], [Fraction(-5, 147), Fraction(-5, 147), Fraction(2, 147)]) <= BOUNDS.grad


def test_what_is_pooled_is_what_one_says():
    t, p = np.array([T, [0.0, 0.0, 1.0, 0.0]]), np.array([P, [0.5, 0.0, 0.5, 0.5]])
    each = Dice(axis=-1, reduction="none")
    assert ulps(each.value(t, p), [Fraction(3, 7), Fraction(3, 5)]) <= BOUNDS.value  # 1 − 2·½/(3/2 + 1)
    assert ulps(each.grad(t, p)[1], [Fraction(n, 25) for n in (4, 4, -16, 4)]) <= BOUNDS.grad
    assert ulps(Dice(axis=-1).value(t, p), [Fraction(18, 35)]) <= BOUNDS.value
    assert ulps(Dice().value(t, p), [Fraction(1, 2)]) <= BOUNDS.value  # 1 − 2·(3/2)/(3 + 3)
    assert Dice(reduction="none").value(t, p).shape == ()
    volume_t, volume_p = t.reshape(2, 2, 2), p.reshape(2, 2, 2)
    pooled = Dice(axis=(0, 2), reduction="none").value(volume_t, volume_p)
    # halves 0: I = 1, P + T = 3/2 + 2; halves 1: I = ½, P + T = 3/2 + 1
    assert ulps(pooled, [Fraction(3, 7), Fraction(3, 5)]) <= BOUNDS.value
    with pytest.raises(ValueError, match=r"axis 1 does not exist in yhat of shape \(4,\)"):
        Dice(axis=1).value(T, P)


def test_nothing_against_nothing_is_perfect():
    zeros = [0.0] * 5
    assert Dice().value(zeros, zeros) == 0
    assert Dice().grad(zeros, zeros).tolist() == zeros
    assert Dice(smooth_nr=0.7, smooth_dr=0.7).value(zeros, zeros) == 0
    assert Dice(smooth_dr=0.7).value(zeros, zeros) == 1  # 1 − 0/0.7: the smoothing decides
    assert Dice(smooth_dr=0.7).grad(zeros, zeros).tolist() == zeros


def test_something_against_nothing_is_all_wrong():
    value, grad = Dice().value_and_grad([0.0] * 3, [0.5, 0.25, 0.0])
    assert value == 1
    assert grad.tolist() == [0, 0, 0]  # whatever is predicted, the loss is 1
    value, grad = Dice().value_and_grad([1.0, 0.0, 1.0, 1.0], [0.0] * 4)
    assert value == 1
    assert ulps(grad, [Fraction(-2, 3), 0, Fraction(-2, 3), Fraction(-2, 3)]) <= BOUNDS.grad
    value, grad = Dice().value_and_grad([0.0, 0.0], [5e-324, 0.0])
    assert value == 1
    assert grad.tolist() == [0, 0]


@pytest.mark.parametrize(
    "p",
    [
        [1 - 2.0**-53, 1.0, 0.0, 2.0**-60],
        [1.0, 1 - 2.0**-53, 5e-324, 0.0],
        [1.0, 1.0, 2.0**-300, 2.0**-280],
        [1.0, 1.0, 0.0, 0.0],
        [2.0**-200, 0.0, 1.0, 1.0],
        [0.75, 2.0**-53, 1 - 2.0**-53, 0.125],
    ],
)
def test_next_to_perfect_and_to_nothing_no_digit_is_lost(p):
    for smooth in (0.0, 2.0**-17):
        value, slopes = textbook(T, p, smooth, smooth)
        loss = Dice(smooth_nr=smooth, smooth_dr=smooth)
        assert ulps(loss.value(T, p), [value]) <= BOUNDS.value
        assert ulps(loss.grad(T, p), slopes) <= BOUNDS.grad


def test_a_perfect_prediction_still_pulls():
    value, grad = Dice().value_and_grad(T, T)
    assert value == 0
    assert grad.tolist() == [-1 / 4, -1 / 4, 1 / 4, 1 / 4]  # (1 − 2t)/4: both ends are at their bound


def test_many_pixels():
    """10 000 foreground pixels at 1 − 2^−30 and 30 000 of background at 2^−50: missed over total."""
    t, p = np.repeat([1.0, 0.0], [10_000, 30_000]), np.repeat([1 - 2.0**-30, 2.0**-50], [10_000, 30_000])
    missed = 10_000 * Fraction(1, 2**30) + 30_000 * Fraction(1, 2**50)
    total = 20_000 - 10_000 * Fraction(1, 2**30) + 30_000 * Fraction(1, 2**50)
    assert ulps(Dice().value(t, p), [missed / total]) <= BOUNDS.value


def test_smoothing_above_needs_smoothing_below():
    with pytest.raises(ValueError, match=r"smooth_nr=0\.3, smooth_dr=0\.0.*: smooth_nr > 0 needs smooth_dr > 0"):
        Dice(smooth_nr=0.3)
    with pytest.raises(ValueError, match=r"smooth_dr is -0\.3, not a finite number in \[0, inf\)"):
        Dice(smooth_dr=-0.3)
