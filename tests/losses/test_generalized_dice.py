"""Generalised Dice: overlaps of all classes, weighted by 1/R²; an absent class takes the largest finite weight."""

from fractions import Fraction

import numpy as np
import pytest

from reflosses import Dice, GeneralizedDice

from exact import ulps

BOUNDS = GeneralizedDice().bounds

# Four pixels of two classes with R = 3, 1 and w = 1/9, 1: Σ w I = 9/36 + 3/4 = 1, Σ w (R + P) = 11/18 + 5/2 = 28/9
Y = np.array([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]).T
P = np.array([[0.75, 0.5, 1.0, 0.25], [0.25, 0.5, 0.0, 0.75]]).T

# A third class that is absent: R = 0, P = 1/2, w = 1
Y3 = np.column_stack([Y, [0.0] * 4])
P3 = np.column_stack([P, [0.0, 0.25, 0.0, 0.25]])


def test_worked_by_hand():
    assert ulps(GeneralizedDice().value(Y, P), [Fraction(5, 14)]) <= BOUNDS.value  # 1 − 2/(28/9)
    # w (9/14 − 2y)·9/28
    slopes = [Fraction(n, 392) for n in (-19, 81, -19, 81, -19, 81, 9, -171)]
    assert ulps(GeneralizedDice().grad(Y, P), slopes) <= BOUNDS.grad


def test_an_absent_class_takes_the_largest_finite_weight():
    assert ulps(GeneralizedDice().value(Y3, P3), [Fraction(29, 65)]) <= BOUNDS.value  # 1 − 2/(28/9 + 1/2)
    # w (36/65 − 2y)·18/65
    slopes = [Fraction(n, 4225) for n in (-188, 648, 648) * 3 + (72, -1692, 648)]
    assert ulps(GeneralizedDice().grad(Y3, P3), slopes) <= BOUNDS.grad


def test_an_absent_class_that_is_not_predicted_does_not_matter():
    p = P3 * [1.0, 1.0, 0.0]
    assert GeneralizedDice().value(Y3, p) == GeneralizedDice().value(Y, P)
    assert GeneralizedDice().grad(Y3, p)[:, :2].tolist() == GeneralizedDice().grad(Y, P).tolist()


def test_with_all_classes_absent_the_weights_are_one():
    value, grad = GeneralizedDice().value_and_grad(np.zeros((4, 3)), P3)
    assert value == 1
    assert grad.tolist() == np.zeros((4, 3)).tolist()
    value, grad = GeneralizedDice().value_and_grad(np.zeros((4, 3)), np.zeros((4, 3)))
    assert value == 0  # nothing against nothing
    assert grad.tolist() == np.zeros((4, 3)).tolist()


def test_classes_and_pixels_may_change_places():
    pixels, classes = [2, 0, 3, 1], [2, 0, 1]
    moved = np.ix_(pixels, classes)
    value, grad = GeneralizedDice().value_and_grad(Y3[moved], P3[moved])
    assert ulps(value, [Fraction(29, 65)]) <= BOUNDS.value
    exact = [Fraction(n, 4225) for n in (648, -188, 648) * 2 + (648, 72, -1692) + (648, -188, 648)]
    assert ulps(grad, exact) <= BOUNDS.grad


def test_copies_of_an_image_share_its_gradient():
    value, grad = GeneralizedDice().value_and_grad(np.tile(Y, (12, 1)), np.tile(P, (12, 1)))
    assert ulps(value, [Fraction(5, 14)]) <= BOUNDS.value
    assert ulps(grad[3], [Fraction(3, 1568), Fraction(-57, 1568)]) <= BOUNDS.grad  # 9/392 and −171/392 over 12


def test_one_class_or_equal_volumes_are_plain_dice():
    value, grad = GeneralizedDice().value_and_grad(Y[:, :1], P[:, :1])
    assert ulps(value, [Fraction(2, 11)]) <= BOUNDS.value  # 1 − 2·(9/4)/(3 + 5/2)
    assert ulps(Dice().grad(Y[:, :1], P[:, :1]), map(Fraction, np.ravel(grad))) <= 2 * BOUNDS.grad
    y = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    value, grad = GeneralizedDice().value_and_grad(y, P)
    assert ulps(value, [Fraction(1, 2)]) <= BOUNDS.value  # 1 − 2·(3/4 + ½ + 3/4)/(4 + 4)
    assert ulps(Dice().grad(y, P), map(Fraction, np.ravel(grad))) <= 2 * BOUNDS.grad


def test_soft_targets_by_hand():
    """R = 1/2, 3/2 (w = 4, 4/9), I = 3/8 both, P = 3/2, 1/2: score 2·(3/2 + 1/6)/(8 + 8/9) = 3/8."""
    y, p = [[0.25, 0.75], [0.25, 0.75]], [[0.75, 0.25], [0.75, 0.25]]
    assert ulps(GeneralizedDice().value(y, p), [Fraction(5, 8)]) <= BOUNDS.value
    # w (3/8 − 2y)·9/80: 4·(−1/8)·9/80 and 4/9·(−9/8)·9/80
    exact = [Fraction(-9, 160), Fraction(-9, 160)] * 2
    assert ulps(GeneralizedDice().grad(y, p), exact) <= BOUNDS.grad


def test_samples_apart_or_together():
    y, p = np.stack([Y, Y3[:, 1:]]), np.stack([P, P3[:, 1:]])
    apart = GeneralizedDice(per_sample=True, reduction="none")
    # the second sample: R = 1, 0 (w = 1, 1), I = 3/4, P = 3/2, 1/2: 1 − 2·(3/4)/3
    value, grad = apart.value_and_grad(y, p)
    assert ulps(value, [Fraction(5, 14), Fraction(1, 2)]) <= BOUNDS.value
    assert ulps(grad[1], [Fraction(n, 6) for n in (1, 1, 1, 1, 1, 1, -3, 1)]) <= BOUNDS.grad
    assert ulps(GeneralizedDice(per_sample=True).value(y, p), [Fraction(3, 7)]) <= BOUNDS.value
    # together: R = 4, 1 (w = 1/16, 1), I = 3, 3/4, P = 4, 2: 1 − 2·(3/16 + 3/4)/(1/2 + 3)
    assert ulps(GeneralizedDice().value(y, p), [Fraction(13, 28)]) <= BOUNDS.value
    assert GeneralizedDice(reduction="none").value(y, p).shape == ()


def test_the_class_axis_is_where_one_says():
    y, p = np.stack([Y.T, Y.T[::-1]]), np.stack([P.T, P.T])  # (2 samples, 2 classes, 4 pixels)
    loss = GeneralizedDice(axis=1, per_sample=True, reduction="none")
    value, grad = loss.value_and_grad(y.reshape(2, 2, 2, 2), p.reshape(2, 2, 2, 2))
    assert ulps(value[0], [Fraction(5, 14)]) <= BOUNDS.value
    exact = [Fraction(n, 392) for n in (-19, -19, -19, 9, 81, 81, 81, -171)]
    assert ulps(grad[0], exact) <= BOUNDS.grad
    first = GeneralizedDice(axis=0).grad(Y.T, P.T)
    assert first.tolist() == GeneralizedDice().grad(Y, P).T.tolist()
    with pytest.raises(ValueError, match="cannot be both the class axis and kept apart"):
        GeneralizedDice(axis=0, per_sample=True).value(Y, P)


@pytest.mark.parametrize("off", [2.0**-53, 2.0**-30, 2.0**-5])
def test_next_to_perfect_no_digit_is_lost(off):
    """p = 1 − off on the true class and off on the other: every class misses (R + 4 − R)·off."""
    p = np.where(Y == 1, 1 - off, off)
    d = Fraction(off)
    missed = Fraction(4, 9) * d + 4 * d
    total = Fraction(1, 9) * (6 - 2 * d) + (2 + 2 * d)  # R + P = 2R − R·off + (4 − R)·off
    assert ulps(GeneralizedDice().value(Y, p), [missed / total]) <= BOUNDS.value
    score = 1 - missed / total
    exact = [w * (score - 2 * Fraction(t)) / total for row in Y for w, t in zip((Fraction(1, 9), 1), row, strict=True)]
    assert ulps(GeneralizedDice().grad(Y, p), exact) <= BOUNDS.grad


def test_a_rare_class_pulls_as_hard_as_a_common_one():
    """99 pixels against one, all at p = ½: I = R/2 and P = 50, so w (R + P) = 149/99², 51."""
    y = np.zeros((100, 2))
    y[:99, 0], y[99, 1] = 1, 1
    value, grad = GeneralizedDice().value_and_grad(y, np.full((100, 2), 0.5))
    total = Fraction(149, 9801) + 51
    score = (Fraction(1, 99) + 1) / total
    assert ulps(value, [1 - score]) <= BOUNDS.value
    assert ulps(grad[99], [score / 9801 / total, (score - 2) / total]) <= BOUNDS.grad


def test_volumes_a_googol_apart():
    """R = 1 and 2^−400: over the largest weight they are 2^−800 and 1, where 1/R² would be 2^800."""
    y, p = [[1.0, 2.0**-400]], [[0.5, 2.0**-400]]
    value, grad = GeneralizedDice().value_and_grad(y, p)
    # Σ w I = 2^−801 + 2^−800, Σ w (R + P) = 3/2·2^−800 + 2^−399: the score is 3·2^−401, to 400 bits
    assert value == 1
    score, total = Fraction(3, 2**401), Fraction(1, 2**399)
    exact = [(score - 2) / 2**800 / total, (score - Fraction(2, 2**400)) / total]
    assert ulps(grad, exact) <= BOUNDS.grad
