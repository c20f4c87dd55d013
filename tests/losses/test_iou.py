"""Soft IoU: 1 − I/U with U = P + T − I."""

from fractions import Fraction

import numpy as np
import pytest

from reflosses import Dice, IoU

from exact import ulps

BOUNDS = IoU().bounds

# Rows of the tables that every loss is in (see tests/loss_tables.py).
OUTSIDE = [
    # loss, y, yhat, where, value, domain
    (
        IoU(axis=0),
        [[0.5, 0.5, 1.25], [3.5, 0.5, 0.5]],
        np.full((2, 3), 0.5),
        "y[0, 2]",
        1.25,
        "a probability in [0, 1]",
    ),
]
LIMITS = [
    # loss, y, yhat, value, grad
    (IoU(), [0, 0], [0, 0], 0, [0, 0]),
    (IoU(), [0, 0], [0.25, 0], 1, [0, 0]),
    (IoU(), [1, 0], [0, 0], 1, [-1, 0]),
    (IoU(), [1, 1], [1, 1], 0, [-0.5, -0.5]),
]

# I = 1, P = 3/2, T = 2, U = 5/2: J = 2/5
T = [1.0, 1.0, 0.0, 0.0]
P = [0.75, 0.25, 0.5, 0.0]


def textbook(t, p, nr=0, dr=0):
    """The loss and its gradient in fractions: dI = t, dU = 1 − t."""
    t, p, nr, dr = [Fraction(x) for x in t], [Fraction(x) for x in p], Fraction(nr), Fraction(dr)
    intersection = sum(a * b for a, b in zip(p, t, strict=True))
    above, below = intersection + nr, sum(p) + sum(t) - intersection + dr
    return 1 - above / below, [(above * (1 - a) - a * below) / below**2 for a in t]


def test_worked_by_hand():
    assert ulps(IoU().value(T, P), [Fraction(3, 5)]) <= BOUNDS.value
    # −1/U on the mask, J/U = 4/25 off it
    assert ulps(IoU().grad(T, P), [Fraction(-2, 5), Fraction(-2, 5), Fraction(4, 25), Fraction(4, 25)]) <= BOUNDS.grad


def test_soft_targets_by_hand():
    """t = [½, ¼], p = [½, ½]: I = 3/8, U = 7/4 − 3/8 = 11/8, J = 3/11; slopes (J (1 − t) − t)/U."""
    assert ulps(IoU().value([0.5, 0.25], [0.5, 0.5]), [Fraction(8, 11)]) <= BOUNDS.value
    assert ulps(IoU().grad([0.5, 0.25], [0.5, 0.5]), [Fraction(-32, 121), Fraction(-4, 121)]) <= BOUNDS.grad


def test_smoothing_by_hand():
    loss = IoU(smooth_nr=0.5, smooth_dr=1.5)  # (1 + ½)/(5/2 + 3/2) = 3/8
    assert loss.value(T, P) == 5 / 8
    assert loss.grad(T, P).tolist() == [-1 / 4, -1 / 4, 3 / 32, 3 / 32]
    only_below = IoU(smooth_dr=5.5)  # 1/8
    assert only_below.value(T, P) == 7 / 8
    assert only_below.grad(T, P).tolist() == [-1 / 8, -1 / 8, 1 / 64, 1 / 64]


@pytest.mark.parametrize(
    ("share", "ratio"),
    [(0, Fraction(1, 2)), (Fraction(1, 4), Fraction(8, 9)), (Fraction(3, 8), Fraction(32, 25)), (Fraction(1, 2), 2)],
)
def test_how_much_steeper_than_dice_at_a_share_of_the_total(share, ratio):
    """t = 1 on half the pixels, p moves mass from outside to inside: P = T = 8, I = 16·share, ratio S²/(2(S − I)²)."""
    inside = float(2 * share)
    t, p = [1.0] * 8 + [0.0] * 8, [inside] * 8 + [1 - inside] * 8
    iou_grad, dice_grad = IoU().grad(t, p), Dice().grad(t, p)
    exact = [Fraction(g) * ratio for g in dice_grad.tolist()]
    assert ulps(iou_grad, exact) <= BOUNDS.grad + 2 * Dice().bounds.grad


def test_copies_of_an_image_share_its_gradient():
    value, grad = IoU().value_and_grad(T * 12, P * 12)
    assert ulps(value, [Fraction(3, 5)]) <= BOUNDS.value
    assert ulps(grad[:3], [Fraction(-1, 30), Fraction(-1, 30), Fraction(1, 75)]) <= BOUNDS.grad


def test_what_is_pooled_is_what_one_says():
    t, p = np.array([T, [0.0, 0.0, 1.0, 0.0]]), np.array([P, [0.5, 0.0, 0.5, 0.5]])
    each = IoU(axis=-1, reduction="none")
    assert ulps(each.value(t, p), [Fraction(3, 5), Fraction(3, 4)]) <= BOUNDS.value  # 1 − ½/2
    assert ulps(each.grad(t, p)[1], [Fraction(1, 8), Fraction(1, 8), Fraction(-1, 2), Fraction(1, 8)]) <= BOUNDS.grad
    assert ulps(IoU(axis=-1).value(t, p), [Fraction(27, 40)]) <= BOUNDS.value
    assert ulps(IoU().value(t, p), [Fraction(2, 3)]) <= BOUNDS.value  # 1 − (3/2)/(6 − 3/2)
    pooled = IoU(axis=(0, 2), reduction="none").value(t.reshape(2, 2, 2), p.reshape(2, 2, 2))
    assert ulps(pooled, [Fraction(3, 5), Fraction(3, 4)]) <= BOUNDS.value


def test_nothing_against_nothing_is_perfect():
    zeros = [0.0] * 5
    assert IoU().value(zeros, zeros) == 0
    assert IoU().grad(zeros, zeros).tolist() == zeros
    assert IoU(smooth_nr=0.7, smooth_dr=0.7).value(zeros, zeros) == 0
    assert IoU(smooth_dr=0.7).value(zeros, zeros) == 1  # 1 − 0/0.7: the smoothing decides


def test_something_against_nothing_is_all_wrong():
    value, grad = IoU().value_and_grad([0.0] * 3, [0.5, 0.25, 0.0])
    assert value == 1
    assert grad.tolist() == [0, 0, 0]
    value, grad = IoU().value_and_grad([1.0, 0.0, 1.0, 1.0], [0.0] * 4)
    assert value == 1
    assert ulps(grad, [Fraction(-1, 3), 0, Fraction(-1, 3), Fraction(-1, 3)]) <= BOUNDS.grad


@pytest.mark.parametrize(
    "p",
    [
        [1 - 2.0**-53, 1.0, 0.0, 2.0**-60],
        [1.0, 1 - 2.0**-53, 5e-324, 0.0],
        [1.0, 1.0, 2.0**-300, 2.0**-280],
        [2.0**-200, 0.0, 1.0, 1.0],
        [0.75, 2.0**-53, 1 - 2.0**-53, 0.125],
    ],
)
def test_next_to_perfect_and_to_nothing_no_digit_is_lost(p):
    for smooth in (0.0, 2.0**-17):
        value, slopes = textbook(T, p, smooth, smooth)
        loss = IoU(smooth_nr=smooth, smooth_dr=smooth)
        assert ulps(loss.value(T, p), [value]) <= BOUNDS.value
        assert ulps(loss.grad(T, p), slopes) <= BOUNDS.grad


def test_the_scale_of_errors_is_the_sum_of_the_terms_of_the_slope():
    """(J (1 − t) + t)/U, with I = 5/8, U = 13/8: 5/26 + ½ over U. With I = 65/64, U = 79/64: 455/632 + ⅛."""
    for t, p, scale in (
        ([0.5, 1.0], [0.25, 0.5], [18 / 26 * 8 / 13, 0]),
        ([0.125, 1.0], [0.125, 1.0], [(455 / 632 + 1 / 8) * 64 / 79, 0]),
    ):
        value, slopes, _ = IoU().error_scale(np.array([t]), np.array([p]))
        assert value is None
        assert slopes[0].tolist() == pytest.approx(scale, rel=1e-15)


def test_a_perfect_prediction_still_pulls():
    value, grad = IoU().value_and_grad(T, T)
    assert value == 0
    assert grad.tolist() == [-1 / 2, -1 / 2, 1 / 2, 1 / 2]  # −1/U and J/U: twice those of Dice


def test_many_pixels():
    """10 000 foreground pixels at 1 − 2^−30 and 30 000 of background at 2^−50: missed over union."""
    t, p = np.repeat([1.0, 0.0], [10_000, 30_000]), np.repeat([1 - 2.0**-30, 2.0**-50], [10_000, 30_000])
    missed = 10_000 * Fraction(1, 2**30) + 30_000 * Fraction(1, 2**50)
    union = 10_000 + 30_000 * Fraction(1, 2**50)
    assert ulps(IoU().value(t, p), [missed / union]) <= BOUNDS.value


def test_smoothing_above_needs_smoothing_below():
    with pytest.raises(ValueError, match=r"smooth_nr=0\.3, smooth_dr=0\.0.*: smooth_nr > 0 needs smooth_dr > 0"):
        IoU(smooth_nr=0.3)
