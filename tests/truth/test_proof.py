"""Certified values against numbers known by hand: fractions, logarithms of them, ties, poles, kinks, and refusals."""

import ctypes
import math
import platform
import sys
import threading
from contextlib import contextmanager
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from loss_tables import added

import reflosses as rl
from reflosses.evaluation.domain import POSITIVE, REAL
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.parameters import number, parameter
from reflosses.truth import arithmetic, proof
from reflosses.truth.arithmetic import CannotCertifyError
from reflosses.truth.proof import certified, certify

from exact import log

flint = pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

INF = math.inf


def none(cls, **parameters):
    return cls(**parameters, reduction="none")


def rounded(exact):
    """Nested exact numbers as the floats next to them; Python rounds fractions correctly."""
    return [rounded(x) for x in exact] if isinstance(exact, list) else float(exact)


# ---- known by hand ---------------------------------------------------------------------------------------------------

MASK, OVERLAP = [1.0, 1.0, 0.0, 0.0], [0.75, 0.25, 0.5, 0.0]  # I = 1, P + T = 7/2
OMEGA = [[4.0, 1.5], [1.5, 0.75]]
F = Fraction
with localcontext(prec=60):
    E25 = F(Decimal("-2.5").exp())

BY_HAND = [  # loss, y, yhat, value, gradient
    (none(rl.MeanSquaredError), [0.1], [0.3], [(F(0.3) - F(0.1)) ** 2], [2 * (F(0.3) - F(0.1))]),
    (rl.MeanSquaredError(), [0.0] * 3, [0.1, 0.2, 0.7], (F(0.1) ** 2 + F(0.2) ** 2 + F(0.7) ** 2) / 3, None),
    (none(rl.MeanAbsoluteError), [0.1, 7.0], [0.3, 0.1], [F(0.3) - F(0.1), 7 - F(0.1)], [1, -1]),
    (none(rl.Hinge), [1, -1, 1], [0.1, 0.1, 1.1], [1 - F(0.1), 1 + F(0.1), 0], [-1, 1, 0]),
    (none(rl.Huber, delta=0.7), [0.0] * 2, [0.1, 3.3], [F(0.1) ** 2 / 2, F(0.7) * (F(3.3) - F(0.7) / 2)], [0.1, 0.7]),
    (none(rl.BinaryCrossEntropy), [0.75], [0.25], [F(3, 4) * log(4) + log(F(4, 3)) / 4], [F(-8, 3)]),
    (none(rl.BinaryCrossEntropyWithLogits), [1, 0.25], [0.0] * 2, [log(2)] * 2, [F(-1, 2), F(1, 4)]),
    (none(rl.BinaryCrossEntropyWithLogits, pos_weight=17.0), [0.25], [0.0], [5 * log(2)], [F(-7, 4)]),
    (
        none(rl.BinaryCrossEntropyWithLogits),
        [1, 0, 1, 0],
        [2.5, 2.5, -2.5, -2.5],
        [log(1 + E25), log(1 + E25) + F(5, 2), log(1 + E25) + F(5, 2), log(1 + E25)],
        [-E25 / (1 + E25), 1 / (1 + E25), -1 / (1 + E25), E25 / (1 + E25)],
    ),
    (
        none(rl.CrossEntropy),
        [1, 0],
        [[2.5, 0.0, 0.0], [2.5, 0.0, 0.0]],
        [log(1 + 2 * E25) + F(5, 2), log(1 + 2 * E25)],
        [
            [1 / (1 + 2 * E25), E25 / (1 + 2 * E25) - 1, E25 / (1 + 2 * E25)],
            [1 / (1 + 2 * E25) - 1, E25 / (1 + 2 * E25), E25 / (1 + 2 * E25)],
        ],
    ),
    (none(rl.NegativeLogLikelihood), [1], [[-0.1, -0.7]], [F(0.7)], [[0, -1]]),
    (none(rl.SparseCategoricalCrossEntropy), [1], [[0.3, 0.7]], [-log(0.7)], [[0, -1 / F(0.7)]]),
    (none(rl.CrossEntropy), [1], [[0.3] * 4], [log(4)], [[F(1, 4), F(-3, 4), F(1, 4), F(1, 4)]]),
    (
        none(rl.CrossEntropy, class_weight=[0.5, 3.0, 0.125, 8.0], label_smoothing=0.25),
        [1],
        [[-7.0] * 4],
        [F(381, 128) * log(4)],
        [[F(365, 512), F(-867, 512), F(377, 512), F(125, 512)]],
    ),
    (none(rl.NegativeLogLikelihood, class_weight=[0.3, 7.0]), [1], [[-0.1, -0.7]], [7 * F(0.7)], [[0, -7]]),
    (
        rl.Dice(smooth_nr=0.5, smooth_dr=3.5),
        MASK,
        OVERLAP,
        F(9, 14),
        [F(-23, 98), F(-23, 98), F(5, 98), F(5, 98)],
    ),
    (rl.Dice(smooth_nr=0.7, smooth_dr=0.7), [0.0], [0.0], 0, [1 / F(0.7)]),
    (rl.IoU(smooth_nr=0.5, smooth_dr=1.5), MASK, OVERLAP, F(5, 8), [F(-1, 4), F(-1, 4), F(3, 32), F(3, 32)]),
    (rl.IoU(smooth_nr=0.7, smooth_dr=0.7), [0.0], [0.0], 0, [1 / F(0.7)]),
    (rl.Dice(), MASK, OVERLAP, F(3, 7), [F(-20, 49), F(-20, 49), F(8, 49), F(8, 49)]),
    (rl.IoU(), MASK, OVERLAP, F(3, 5), [F(-2, 5), F(-2, 5), F(4, 25), F(4, 25)]),
    (
        rl.GeneralizedDice(axis=0),
        [[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]],
        [[0.75, 0.5, 1.0, 0.25], [0.25, 0.5, 0.0, 0.75]],
        F(5, 14),
        [[F(n, 392) for n in row] for row in ((-19, -19, -19, 9), (81, 81, 81, -171))],
    ),
    (
        rl.GeneralizedDice(axis=0),  # the third class is absent: it takes the weight 1 of the second
        [[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0] * 4],
        [[0.75, 0.5, 1.0, 0.25], [0.25, 0.5, 0.0, 0.75], [0.0, 0.25, 0.0, 0.25]],
        F(29, 65),
        [[F(n, 4225) for n in row] for row in ((-188, -188, -188, 72), (648, 648, 648, -1692), (648,) * 4)],
    ),
    (rl.GeneralizedDice(), [[0.0, 0.0]], [[0.5, 0.0]], 1, [[0, 0]]),
    (
        none(rl.WeightedCrossEntropy),
        [1, 0, 0, 1],
        [0.25, 0.25, 0.5, 0.5],
        [F(5, 3) * log(4), log(F(4, 3)), log(2), F(5, 3) * log(2)],
        [F(-20, 3), F(4, 3), 2, F(-10, 3)],
    ),
    (
        rl.WeightedCrossEntropy(weight_grad="full"),
        [1, 0, 0, 1],
        [0.25, 0.25, 0.5, 0.5],
        log(F(256, 3)) / 4,
        [(g - F(16, 3) * log(2)) / 4 for g in (F(-20, 3), F(4, 3), F(2), F(-10, 3))],
    ),
    (none(rl.Focal, gamma=3.0), [1], [0.25], [F(27, 32) * log(2)], [-F(27, 8) * log(2) - F(27, 16)]),
    (none(rl.Focal, gamma=0.5), [0], [0.0625], [log(F(16, 15)) / 4], [2 * log(F(16, 15)) + F(4, 15)]),
    (none(rl.Focal, gamma=3.0, alpha=0.125), [0], [0.75], [F(189, 256) * log(2)], [F(189, 64) * log(2) + F(189, 128)]),
    (
        none(rl.FocalWithLogits, gamma=0.0, clamp=1 / 32),
        [1, 1, 0, 0],
        [-40.0, 40.0, -40.0, 40.0],
        [5 * log(2), log(F(32, 31)), log(F(32, 31)), 5 * log(2)],
        [0] * 4,
    ),
    (none(rl.FocalWithLogits, gamma=3.0, alpha=0.125), [1], [0.0], [log(2) / 64], [-(3 * log(2) + 1) / 128]),
    (none(rl.Cauchy, delta=0.5), [0.0], [1.5], [log(10) / 4], [F(3, 10)]),
    (
        none(rl.Cauchy, delta=0.5, information=OMEGA),
        [[3.0, -1.0]],
        [[4.0, 1.0]],
        [log(53) / 4],
        [[F(14, 53), F(6, 53)]],
    ),
    *added("BY_HAND"),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "value", "grad"), BY_HAND, ids=lambda x: str(x)[:60])
def test_known_by_hand(loss, y, yhat, value, grad):
    got, slopes = certify(loss, y, yhat)
    assert np.asarray(got).tolist() == rounded(value)
    if grad is not None:
        assert slopes.tolist() == rounded(grad)


def test_every_loss_is_known_by_hand():
    every = {name for name, c in vars(rl).items() if isinstance(c, type) and issubclass(c, Loss) and c is not Loss}
    missing = every - {type(row[0]).__name__ for row in BY_HAND}
    assert not missing, "give BY_HAND a row for each, here or in tests/losses/test_<loss>.py"


def test_the_textbook_at_logit_forty():
    """e^−40 (1 − e^−40/2): a plain float64 formula returns 0."""
    value, grad = certify(rl.BinaryCrossEntropyWithLogits(), 1, 40)
    assert value == 4.2483542552915889e-18
    assert grad == -4.2483542552915889e-18
    with localcontext(prec=60):
        e = Decimal(-40).exp()
        assert (value, grad) == (float(e - e * e / 2), -float(e - e * e))


def test_results_have_the_shapes_of_value_and_grad():
    value, grad = certify(rl.MeanSquaredError(), [[0.1], [0.3]], [[0.7], [0.2]])
    assert type(value) is float
    assert grad.shape == (2, 1)
    value, grad = certify(none(rl.CrossEntropy, axis=1), np.zeros((2, 4), int), np.zeros((2, 3, 4)))
    assert value.shape == (2, 4)
    assert grad.shape == (2, 3, 4)
    assert np.asarray(certify(none(rl.Dice), MASK, OVERLAP)[0]).shape == ()


# ---- rounding --------------------------------------------------------------------------------------------------------

ODD = 94906267  # n² has 54 bits, so n² is the midpoint of n² − 1 and n² + 1; it is 1 mod 8, so n² − 1 is the even one
UP = 2**52 + 1  # 3n has 54 bits and is 3 mod 4, so 3n + 1 is the even one

TIES = [  # loss, y, yhat, value, gradient
    (none(rl.MeanSquaredError), 0, ODD, ODD**2 - 1, 2 * ODD),
    (none(rl.Huber, delta=1e300), 0, ODD, (ODD**2 - 1) / 2, ODD),
    (none(rl.Huber, delta=6.0), 0, UP + 3, 2 * (3 * UP + 1), 6),  # 6 (r − 3)
    (none(rl.MeanAbsoluteError), -(2.0**-53), 1, 1, 1),
    (none(rl.MeanAbsoluteError), -(2.0**-53), 1 + 2.0**-52, 1 + 2.0**-51, 1),
    (none(rl.MeanSquaredError), -(2.0**-53), 1, 1 + 2.0**-52, 2),  # only its slope 2 + 2^−52 is a tie
    (none(rl.MeanSquaredError), -(2.0**-53), 1 + 2.0**-52, 1 + 3 * 2.0**-52, 2 + 2.0**-50),
    (none(rl.BinaryCrossEntropyWithLogits), 2.0**-55, 0, rounded(log(2)), 1 / 2),  # ½ − y
    (none(rl.BinaryCrossEntropyWithLogits), 3 * 2.0**-55, 0, rounded(log(2)), 1 / 2 - 2.0**-53),
    (none(rl.CrossEntropy), [1.0, 2.0**-54], [0.3, 0.3], rounded((1 + F(2) ** -54) * log(2)), [-1 / 2, 1 / 2]),
    (none(rl.Focal, gamma=0.0, alpha=2.0**-54), 0, 0.5, rounded((1 - F(2) ** -54) * log(2)), 2),  # (1 − α)·2
    (none(rl.FocalWithLogits, gamma=0.0, alpha=2.0**-54), 0, 0, rounded((1 - F(2) ** -54) * log(2)), 1 / 2),
    (none(rl.NegativeLogLikelihood, class_weight=[3.0]), [0], [[-(2.0**52 + 1)]], [3 * 2.0**52 + 4], [[-3]]),
    (none(rl.Hinge), -1, 2.0**-53, 1, 1),
    (none(rl.Hinge), 1, -(3 * 2.0**-53), 1 + 2.0**-51, -1),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "value", "grad"), TIES, ids=lambda x: str(x)[:60])
def test_ties_go_to_even(loss, y, yhat, value, grad):
    """Exactly between two floats: no ball, however small, separates them; fractions decide."""
    got, slopes = certify(loss, y, yhat)
    assert np.asarray(got).tolist() == value
    assert slopes.tolist() == grad


@pytest.mark.parametrize("beside", [-1, 1])
def test_next_to_a_tie_the_side_is_seen(beside):
    """r² = n² ± 2n·ε + ε²: 2^−26 beside the midpoint of two floats that are 2 apart."""
    r = ODD + beside * 2.0**-26
    exact = F(r) ** 2
    assert 0 < abs(exact - ODD**2) < 4
    assert certify(rl.MeanSquaredError(), 0.0, r)[0] == float(exact)


def test_a_tie_of_a_mean():
    """|r| = 1, 1, 1, 1 + 2^−51 over 4 is 1 + 2^−53."""
    loss = rl.MeanAbsoluteError()
    assert certify(loss, [0.0] * 4, [1.0, 1.0, 1.0, 1 + 2.0**-51])[0] == 1
    assert certify(loss, [0.0] * 4, [1.0, 1.0, 1 + 2.0**-51, 1 + 2.0**-50])[0] == 1 + 2.0**-51  # 1 + 3·2^−53


@pytest.mark.parametrize(
    ("loss", "yhat", "value"),
    [
        (none(rl.MeanSquaredError), 2.0**-537, 1),  # in units of 2^−1074
        (none(rl.MeanSquaredError), 3 * 2.0**-538, 2),  # 9/4
        (none(rl.MeanSquaredError), 2.0**-538, 0),  # 1/4
        (none(rl.MeanSquaredError), 7 * 2.0**-539, 3),  # 49/16
        (none(rl.Huber, delta=0.7), 2.0**-537, 0),  # 1/2, a tie
        (none(rl.Huber, delta=0.7), 3 * 2.0**-537, 4),  # 9/2, a tie
        (none(rl.Huber, delta=0.7), 5 * 2.0**-537, 12),  # 25/2, a tie
        (none(rl.Huber, delta=0.7), 2.0**-537 * (1 + 2.0**-52), 1),  # just above 1/2
        (none(rl.Cauchy, delta=0.7), 7 * 2.0**-539, 3),
    ],
)
def test_subnormal_results(loss, yhat, value):
    assert certify(loss, 0.0, yhat)[0] == value * 2.0**-1074


def test_a_subnormal_result_is_rounded_once():
    """½·(−log(1 − p)) at the smallest p is above half of it by p²/4. To 53 bits that is exactly half: a tie, and 0."""
    value, grad = certify(none(rl.BinaryCrossEntropy), [0], [5e-324], weight=[0.5])
    assert value.tolist() == [5e-324]
    assert grad.tolist() == [0.5]


def test_the_last_logit_with_a_loss():
    """e^−z is half the smallest float at z = 1075 log 2 = 745.1332…"""
    assert 745.133 < 1075 * log(2) < 745.134
    loss = none(rl.BinaryCrossEntropyWithLogits)
    value, grad = certify(loss, [1, 1], [745.133, 745.134])
    assert value.tolist() == [5e-324, 0]
    assert grad.tolist() == [-5e-324, 0]


@pytest.mark.parametrize("z", [1e4, 1e10, 1e300, 1.7e308])
def test_logits_whose_exponential_is_no_number_anywhere(z):
    value, grad = certify(none(rl.BinaryCrossEntropyWithLogits), [1, 0, 1, 0], [z, z, -z, -z])
    assert value.tolist() == [0, z, z, 0]
    assert grad.tolist() == [0, 1, -1, 0]
    value, grad = certify(none(rl.CrossEntropy), [0, 1], [[z, 0.3], [z, 0.0]])
    assert value.tolist() == [0, z]
    assert grad.tolist() == [[0, 0], [1, -1]]


def test_what_is_larger_than_every_float_is_infinite():
    value, grad = certify(none(rl.MeanSquaredError), [0.0, -1.7e308], [2.0**512, 1.7e308])
    assert value.tolist() == [INF, INF]
    assert grad.tolist() == [2.0**513, INF]
    assert certify(none(rl.MeanAbsoluteError), [-1.7e308], [1.7e308])[0].tolist() == [INF]
    assert certify(none(rl.NegativeLogLikelihood), [0], [[1.7e308]], weight=[3.0])[0].tolist() == [-INF]
    overflown = certified(none(rl.MeanSquaredError), [0.0], [2.0**512])
    assert (overflown.value.tolist(), overflown.value_rest.tolist()) == ([INF], [0])
    assert certify(none(rl.Huber, delta=0.75), [-(2.0**1023)], [2.0**1023])[0].tolist() == [1.5 * 2.0**1023]


def test_the_rest_is_what_rounding_left_off():
    got = certified(none(rl.MeanSquaredError), [0.0], [0.1])
    assert F(got.value[0]) + F(got.value_rest[0]) == F(0.1) ** 2  # 106 bits hold all of the square
    third = certified(rl.MeanSquaredError(), [0.0] * 3, [0.1] * 3)
    assert abs(F(float(third.grad[0])) + F(float(third.grad_rest[0])) - 2 * F(0.1) / 3) < F(2) ** -105


# ---- kinks, poles, conventions ---------------------------------------------------------------------------------------

KINKS = [
    # the loss, a target, the kink, the slopes to its left and right
    (none(rl.MeanAbsoluteError), 0.7, 0.7, -1, 1),
    (none(rl.MeanAbsoluteError), 0.7, math.nextafter(0.7, 1), 1, 1),
    (none(rl.Hinge), 1, 1.0, -1, 0),
    (none(rl.Hinge), -1, -1.0, 0, 1),
    (none(rl.Hinge), 1, 1 + 2.0**-52, 0, 0),
    (none(rl.Huber, delta=0.7), 0.0, 0.7, 0.7, 0.7),
    (none(rl.Huber, delta=0.7), 0.0, math.nextafter(0.7, 0), math.nextafter(0.7, 0), math.nextafter(0.7, 0)),
    (none(rl.BinaryCrossEntropy, clamp=1 / 32), 1, 1 / 32, 0, -32),
    (none(rl.BinaryCrossEntropy, clamp=1 / 32), 0, 1 / 32, 0, F(32, 31)),
    (none(rl.BinaryCrossEntropy, clamp=1 / 32), 1, 31 / 32, F(-32, 31), 0),
    (none(rl.BinaryCrossEntropy, clamp=1 / 32), 0.25, 1 / 32, 0, F(-224, 31)),
    (none(rl.BinaryCrossEntropy, clamp=1 / 32), 0, math.nextafter(31 / 32, 1), 0, 0),
    (
        none(rl.Focal, gamma=3.0, clamp=1 / 32),
        1,
        1 / 32,
        -15 * F(31, 32) ** 2 * log(2),
        -15 * F(31, 32) ** 2 * log(2) - F(31, 32) ** 3 * 32,
    ),
    (
        none(rl.Focal, gamma=3.0, clamp=1 / 32),
        0,
        1 / 32,  # p_t = 31/32
        3 * F(1, 32) ** 2 * log(F(32, 31)),
        3 * F(1, 32) ** 2 * log(F(32, 31)) + F(1, 32) ** 3 * F(32, 31),
    ),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "left", "right"), KINKS, ids=lambda x: str(x)[:60])
def test_one_sided_derivatives_from_the_definition(loss, y, yhat, left, right):
    got = certified(loss, y, yhat)
    left, right = float(left), float(right)
    assert (float(got.low), float(got.high)) == (min(left, right), max(left, right))
    nearest_to_zero = 0 if left < 0 < right else min(left, right, key=abs)
    assert float(got.grad) == nearest_to_zero
    assert abs(loss.grad(y, yhat) - nearest_to_zero) <= loss.bounds.grad * np.spacing(abs(nearest_to_zero))


def test_one_sided_derivatives_are_reduced_as_the_gradient_is():
    got = certified(rl.MeanAbsoluteError(), [0.7, 0.3, 7.0], [0.7, 0.1, 0.3], [3.0, 0.5, 12.0])
    assert got.low.tolist() == [-1, -1 / 6, -4]
    assert got.high.tolist() == [1, -1 / 6, -4]


POLES = [  # loss, y, yhat, value, gradient
    (none(rl.BinaryCrossEntropy), 1, 0, INF, -INF),
    (none(rl.BinaryCrossEntropy), 0, 1, INF, INF),
    (none(rl.BinaryCrossEntropy), 0.25, 0, INF, -INF),
    (none(rl.BinaryCrossEntropy), 0.25, 1, INF, INF),
    (none(rl.BinaryCrossEntropy), 0, 0, 0, 1),  # 0·log 0 = 0
    (none(rl.BinaryCrossEntropy), 1, 1, 0, -1),
    (none(rl.BinaryCrossEntropy), 1, 5e-324, 744.4400719213812, -INF),  # −2^1074 rounds to it, without a pole
    (none(rl.SparseCategoricalCrossEntropy), [1], [[0.3, 0.0]], [INF], [[0, -INF]]),
    (none(rl.SparseCategoricalCrossEntropy), [0], [[0.5, 0.0]], [rounded(log(2))], [[-2, 0]]),
    (none(rl.Focal, gamma=0.3), 1, 0, INF, -INF),
    (none(rl.Focal, gamma=3.0), 0, 1, INF, INF),
    (none(rl.Focal, gamma=0.3), 1, 1, 0, 0),
    (none(rl.Focal, gamma=0.0), 1, 1, 0, -1),
    (none(rl.Focal, gamma=0.0), 0, 0, 0, 1),
    (none(rl.Dice), [0.0, 0.0], [0.0, 0.0], 0, [0, 0]),
    (none(rl.Dice), [0.0, 0.0], [0.5, 0.0], 1, [0, 0]),
    (none(rl.IoU), [0.0, 0.0], [0.0, 0.0], 0, [0, 0]),
    (rl.GeneralizedDice(), [[0.0, 0.0]], [[0.0, 0.0]], 0, [[0, 0]]),
    (none(rl.WeightedCrossEntropy, weight=3.5), [1, 0], [0.0, 0.0], [INF, 0], [-INF, 1]),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "value", "grad"), POLES, ids=lambda x: str(x)[:60])
def test_poles_and_conventions(loss, y, yhat, value, grad):
    got, slopes = certify(loss, y, yhat)
    assert np.asarray(got).tolist() == value
    assert slopes.tolist() == grad


def test_a_pole_among_others():
    loss = rl.BinaryCrossEntropy()
    value, grad = certify(loss, [1, 1], [0.0, 0.5])
    assert value == INF
    assert grad.tolist() == [-INF, -1]
    value, grad = certify(loss, [1, 1], [0.0, 0.5], weight=[0.0, 3.0])
    assert value == float(3 * log(2) / 2)
    assert grad.tolist() == [0, -3]


# ---- reductions and weights ------------------------------------------------------------------------------------------

R = [0.1, 0.2, 0.7]
SQUARES = [F(r) ** 2 for r in R]


def test_a_mean_is_the_exact_mean_rounded_once():
    zeros = [0.0] * 3
    value, grad = certify(rl.MeanSquaredError(), zeros, R)
    assert value == float(sum(SQUARES) / 3)
    assert grad.tolist() == [float(2 * F(r) / 3) for r in R]
    value, grad = certify(rl.MeanSquaredError(reduction="sum"), zeros, R)
    assert value == float(sum(SQUARES))
    assert grad.tolist() == [2 * r for r in R]
    halves = [2.0**-54, 2.0**-54, 1.0]  # summed one by one in floats, the small ones vanish
    assert certify(rl.MeanAbsoluteError(reduction="sum"), zeros, [1.0, 2.0**-53, 2.0**-54])[0] == 1 + 2.0**-52
    assert certify(rl.MeanAbsoluteError(reduction="sum"), zeros, halves)[0] == 1  # 1 + 2^−53, a tie


def test_weights_and_the_weighted_mean():
    zeros, w = [0.0] * 3, [0.3, 0.0, 12.0]
    total = sum(F(a) * b for a, b in zip(w, SQUARES, strict=True))
    value, grad = certify(rl.MeanSquaredError(), zeros, R, weight=w)
    assert value == float(total / 3)  # the one without weight counts
    assert grad.tolist() == [float(2 * F(a) * F(r) / 3) for a, r in zip(w, R, strict=True)]
    value, grad = certify(rl.MeanSquaredError(reduction="weighted_mean"), zeros, R, weight=w)
    assert value == float(total / (F(0.3) + 12))
    assert grad.tolist() == [float(2 * F(a) * F(r) / (F(0.3) + 12)) for a, r in zip(w, R, strict=True)]
    value, grad = certify(none(rl.MeanSquaredError), zeros, R, weight=w)
    assert value.tolist() == [float(F(a) * b) for a, b in zip(w, SQUARES, strict=True)]


def test_class_weights_divide_the_weighted_mean():
    loss = rl.CrossEntropy(class_weight=[0.3, 7.0], reduction="weighted_mean")
    value, grad = certify(loss, [0, 1], [[0.7, 0.7], [-3.0, -3.0]])
    assert value == float(log(2))
    first, second = F(0.3) / (F(0.3) + 7) / 2, F(7) / (F(0.3) + 7) / 2
    assert grad.tolist() == rounded([[-first, first], [second, -second]])


def test_ignored_rows_and_means_over_nothing():
    loss = rl.CrossEntropy(ignore_index=-100)
    value, grad = certify(loss, [0, -100], [[0.7, 0.7], [math.nan, INF]])
    assert value == float(log(2))
    assert grad.tolist() == [[-1 / 2, 1 / 2], [0, 0]]
    value, grad = certify(loss, [-100, -100], [[0.7, 0.7], [0.1, 0.3]])
    assert math.isnan(value)
    assert grad.tolist() == [[0, 0], [0, 0]]
    assert certify(rl.MeanSquaredError(reduction="sum"), [], [])[0] == 0
    value, grad = certify(rl.MeanSquaredError(reduction="weighted_mean"), [0.0] * 3, R, weight=[0.0] * 3)
    assert math.isnan(value)
    assert grad.tolist() == [0, 0, 0]
    weightless = rl.CrossEntropy(class_weight=[0.0, 7.0], reduction="weighted_mean")
    value, grad = certify(weightless, [0], [[0.1, 0.3]])
    assert math.isnan(value)
    assert grad.tolist() == [[0, 0]]


# ---- second derivatives ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "y", "yhat", "second"),
    [
        (none(rl.MeanSquaredError), 0.3, 7.0, 2),
        (none(rl.MeanAbsoluteError), 0.3, 7.0, 0),
        (none(rl.Hinge), 1, 0.3, 0),
        (none(rl.Huber, delta=0.7), 0.0, 0.3, 1),
        (none(rl.Huber, delta=0.7), 0.0, 7.0, 0),
        (none(rl.BinaryCrossEntropy), 1, 0.3, 1 / F(0.3) ** 2),
        (none(rl.BinaryCrossEntropy), 0.25, 0.75, F(4, 9) + 12),  # y/p² + (1 − y)/(1 − p)²
        (none(rl.BinaryCrossEntropyWithLogits), 0.3, 0.0, F(1, 4)),  # σ(1 − σ)
        (none(rl.CrossEntropy), [1], [[0.3] * 4], [[F(3, 16)] * 4]),  # p (1 − p)
        (none(rl.NegativeLogLikelihood), [1], [[0.3] * 4], [[0] * 4]),
        (none(rl.SparseCategoricalCrossEntropy), [1], [[0.3, 0.7]], [[0, 1 / F(0.7) ** 2]]),
        (none(rl.Cauchy, delta=0.5), 0.0, 1.5, F(-4, 25)),  # 2w − 4s w²/δ² = 2/10 − 36/100
        (none(rl.Cauchy, delta=0.5, information=OMEGA), [[0.0] * 2], [[1.0, 2.0]], None),
        (none(rl.Dice), [1.0, 0.0], [0.5, 0.5], [F(3, 8) - F(1, 8), F(-1, 4)]),
        (none(rl.FocalWithLogits, gamma=0.0), 1, 0.0, F(1, 4)),
    ],
    ids=lambda x: str(x)[:60],
)
def test_second_derivatives_by_hand(loss, y, yhat, second):
    if second is None:  # 2 w Ω_ii − 4 w² (Ωe)_i²/δ²: 8/53 − 16·49/53² and 3/106 − 16·9/53²
        second = [[F(8, 53) - 16 * F(49, 53**2), 2 * F(3, 4) / 53 - 16 * F(9, 53**2)]]
    if isinstance(loss, rl.Dice):  # L = 1 − 2p₁/(p₁ + p₂ + 1): L″ = 4 (p₂ + 1)/S³ = 3/4 in p₁, −4p₁/S³ = −1/4 in p₂
        second = [F(3, 4), F(-1, 4)]
    got = certified(loss, y, yhat, second=True).second
    assert got.tolist() == rounded(second)


def test_second_derivatives_are_reduced_as_the_gradient_is():
    got = certified(rl.MeanSquaredError(), [0.0] * 3, R, [0.3, 7.0, 0.0], second=True)
    assert got.second.tolist() == [float(2 * F(0.3) / 3), float(F(14, 3)), 0]
    assert certified(rl.MeanSquaredError(), [0.0] * 3, R).second is None


@pytest.mark.parametrize(("gamma", "second"), [(0.3, INF), (1.0, 2.0), (1.7, 0.0)])
def test_the_curvature_of_focal_where_it_is_certain_and_right(gamma, second):
    """With q = 1 − p_t the loss is q^(γ+1) + …, so its second derivative is ∞, 2 or 0 at q = 0; or it is refused."""
    try:
        got = certified(none(rl.Focal, gamma=gamma), 1, 1.0, second=True).second
    except CannotCertifyError:
        return
    assert got == second


# ---- the arithmetic of definitions -----------------------------------------------------------------------------------


class Written(Loss):
    """What the tests below have in common: only a definition, of a residual or of the prediction."""

    domain = Domains(REAL, REAL)
    bounds = Bounds(4, 5, 6)

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any) -> Any:
        raise NotImplementedError

    def terms(self, y: Any, yhat: Any) -> Any:
        return (yhat - y,)

    def losses(self, r: Any) -> Any:
        return 0 * r

    def slopes(self, r: Any) -> Any:
        return 0 * r

    def curvatures(self, r: Any) -> Any:
        return 0 * r


def written(formula):
    """A loss of that definition, made outside the package."""
    return type("Made", (Written,), {"definition": staticmethod(formula)})(reduction="none")


def at(formula, yhat, y=0.0):
    """Value, left and right derivative and second derivative of one definition."""
    got = certified(written(formula), y, yhat, second=True)
    return float(got.value), float(got.low), float(got.high), float(got.second)


@pytest.mark.parametrize(
    ("formula", "left", "right"),
    [
        (lambda m, y, x: x - y if x < y else 3 * (x - y), 1, 3),
        (lambda m, y, x: x - y if x <= y else 3 * (x - y), 1, 3),
        (lambda m, y, x: x - y if x > y else 3 * (x - y), 3, 1),
        (lambda m, y, x: x - y if x >= y else 3 * (x - y), 3, 1),
        (lambda m, y, x: x - y if y > x else 3 * (x - y), 1, 3),
        (lambda m, y, x: max(x, y) - y, 0, 1),
        (lambda m, y, x: min(x, y) - y, 1, 0),
        (lambda m, y, x: 3 * abs(y - x), -3, 3),
        (lambda m, y, x: max(x - y, 3 * (x - y), -7), 1, 3),
    ],
)
def test_comparisons_look_to_one_side(formula, left, right):
    value, low, high, _ = at(formula, 0.7, 0.7)
    assert (value, low, high) == (0, min(left, right), max(left, right))
    assert at(formula, 7.0, 0.7)[1:3] == (right, right)


@pytest.mark.parametrize(
    ("formula", "slope"),
    [
        (lambda m, y, x: x if y < 7 else 3 * x, 3),
        (lambda m, y, x: x if y <= 7 else 3 * x, 1),
        (lambda m, y, x: x if y > 7 else 3 * x, 3),
        (lambda m, y, x: x if y >= 7 else 3 * x, 1),
        (lambda m, y, x: x if y == 7 else 3 * x, 1),
        (lambda m, y, x: x if y != 7 else 3 * x, 3),
        (lambda m, y, x: x if x - x == 0 else 3 * x, 1),
        (lambda m, y, x: 5 * x if x == 4 else 3 * x, 5),  # equality is that of the point itself
    ],
)
def test_comparisons_of_what_does_not_move(formula, slope):
    assert at(formula, 4.0, 7.0)[1:3] == (slope, slope)


NINES = 9.0 * ODD
EVEN = float(ODD**2 - 1)  # what n², a tie, rounds to
LONG = 2.0**27 - 1  # its square has 54 bits and is 1 mod 8


def ninth(a):
    """a²/9 by way of a/27, which no ball holds exactly."""
    return a * (a / 27) * 3


@pytest.mark.parametrize(
    ("formula", "y", "yhat", "value", "slope", "second"),
    [
        (lambda m, y, x: ninth(x), 0.0, 3.0 * ODD, ODD**2, None, F(2, 9)),
        (lambda m, y, x: ninth(x) * y, 3 * LONG, 3 * LONG, 3 * F(LONG) ** 3, 2 * F(LONG) ** 2, None),
        (lambda m, y, x: ninth(y) * 9 / x, NINES, 9.0, 9 * F(ODD) ** 2, -(ODD**2), F(2, 9) * ODD**2),
        (lambda m, y, x: 7 - ninth(y) * 9 / x, 3.0 * ODD, 9.0, 7 - ODD**2, F(ODD**2, 9), F(-2, 81) * ODD**2),
        (lambda m, y, x: ninth(y) - 7 * (x - 4), 3.0 * ODD, 4.0, ODD**2, -7, 0),
        (lambda m, y, x: ninth(y) * m.exp(x), 3.0 * ODD, 0.0, ODD**2, ODD**2, ODD**2),
        (lambda m, y, x: ninth(y) / 3 * m.exp(3 * x + x * x), 3.0 * ODD, 0.0, F(ODD**2, 3), ODD**2, F(11, 3) * ODD**2),
        (lambda m, y, x: ninth(y) / 11 * m.exp(3 * x + x * x), 3.0 * ODD, 0.0, F(ODD**2, 11), None, ODD**2),
        (lambda m, y, x: ninth(y) * 9 * m.log(x), 3.0 * ODD, 9.0, None, ODD**2, F(-1, 9) * ODD**2),
        (lambda m, y, x: ninth(y) * 9 * m.log(x), NINES, 9.0, None, 9 * F(ODD) ** 2, -(ODD**2)),
        (lambda m, y, x: ninth(y) + m.log(x), 3.0 * ODD, 1.0, ODD**2, 1, -1),
        (lambda m, y, x: ninth(y) * (1 - m.log(x)), 3.0 * ODD, 1.0, ODD**2, -(ODD**2), ODD**2),
    ],
)
def test_ties_that_only_fractions_decide(formula, y, yhat, value, slope, second):
    """n² = ODD² is a midpoint that stays unseen, in balls however small, until fractions are tried."""
    got, low, high, curvature = at(formula, yhat, y)
    if value is not None:
        assert got == float(value)
    if slope is not None:
        assert low == high == float(slope)
    if second is not None:
        assert curvature == float(second)


def test_the_rest_of_a_tie_is_half_an_ulp():
    got = certified(written(lambda m, y, x: ninth(x)), 0.0, 3.0 * ODD)
    assert (float(got.value), float(got.value_rest)) == (EVEN, 1)


def test_a_tie_that_nothing_decides_is_measured_where_one_asks_for_it():
    """For measuring errors either neighbour will do, if the rest says how far it is off."""
    got = certified(written(lambda m, y, x: m.log(m.exp(x)) - x + 1 + 2.0**-53), 0.0, 0.7, strict=False)
    assert F(float(got.value)) + F(float(got.value_rest)) == 1 + F(1, 2**53)


@pytest.mark.parametrize(
    ("formula", "yhat", "value", "slope", "second"),
    [
        (lambda m, y, x: x**3, 0.7, F(0.7) ** 3, 3 * F(0.7) ** 2, 6 * F(0.7)),
        (lambda m, y, x: x**2, 0.0, 0, 0, 2),
        (lambda m, y, x: x**2, -3.0, 9, -6, 2),
        (lambda m, y, x: x**-2, 3.0, F(1, 9), F(-2, 27), F(2, 27)),
        (lambda m, y, x: 16 * x**0.5, 2.25, 24, F(16, 3), F(-32, 27)),
        (lambda m, y, x: 16 * m.sqrt(x), 2.25, 24, F(16, 3), F(-32, 27)),
        (lambda m, y, x: x**2.5 + 3 + 7 * x, 0.0, 3, 7, 0),
        (lambda m, y, x: x**70, 1.0, 1, 70, 4830),
        (lambda m, y, x: m.xlogy(x, y) + x, 0.7, F(0.7), 1, 0),  # y = 1
        (lambda m, y, x: m.xlogy(x - x, x) + x, 0.7, F(0.7), 1, 0),
        (lambda m, y, x: m.xlogy(0, x - x) + x, 0.7, F(0.7), 1, 0),  # 0·log 0
        (lambda m, y, x: m.constant(x) * x, 3.0, 9, 3, 0),
        (lambda m, y, x: m.softplus(x), 0.0, log(2), F(1, 2), F(1, 4)),
        (lambda m, y, x: m.logsumexp([x, x, 2 * x]), 0.0, log(3), F(4, 3), F(2, 9)),  # the variance of 1, 1, 2
        (lambda m, y, x: -(3 - x) + 4 - (2 - x) + 3 / (1 / x), 0.5, F(3, 2), 5, 0),
        (lambda m, y, x: 7, 0.5, 7, 0, 0),
        (lambda m, y, x: m.log(2) * x, 3.0, 3 * log(2), log(2), 0),  # a function of a plain number
        (lambda m, y, x: m.power(x, 1.5), 2.25, F(27, 8), F(9, 4), F(1, 2)),
    ],
)
def test_functions_by_hand(formula, yhat, value, slope, second):
    got = at(formula, yhat, 1.0)
    assert got == (float(value), float(slope), float(slope), float(second))


@pytest.mark.parametrize(
    ("formula", "value", "slope"),
    [
        (lambda m, y, x: 0 - m.log(x), INF, -INF),
        (lambda m, y, x: -m.log(x) / 2, INF, -INF),
        (lambda m, y, x: -m.log(x) - 3, INF, -INF),
        (lambda m, y, x: 3 * x - m.log(x) * 7 - m.log(3 * x), INF, -INF),
        (lambda m, y, x: abs(m.log(x)), INF, -INF),
        (lambda m, y, x: m.log(x) * -2 + 7, INF, -INF),
        (lambda m, y, x: m.log(x) / 4, -INF, INF),
        (lambda m, y, x: 3 * x - m.log(y), INF, 3),  # the pole does not move
        (lambda m, y, x: (3 * x - m.log(y)) * 2 + (4 * x - m.log(y)), INF, 10),
        (lambda m, y, x: (3 * x - m.log(y)) / -2, -INF, -1.5),
        (lambda m, y, x: -m.log(y) * (x + 3), INF, INF),  # ∞ times something that grows
        (lambda m, y, x: -m.log(y) * (x - 3), -INF, INF),
        (lambda m, y, x: -m.log(y) * 0 + 3 * x, 0, 3),  # what has no mass has no loss
        (lambda m, y, x: -max(m.log(x), -100), 100, 0),  # as some frameworks clamp it
        (lambda m, y, x: min(-m.log(x), 100) + x, 100, 1),
        (lambda m, y, x: max(-m.log(x), 100), INF, -INF),
        (lambda m, y, x: 3 * x if m.log(x) < -7 else 7 * x, 0, 3),
        (lambda m, y, x: 3 * x if -m.log(x) > 7 else 7 * x, 0, 3),
        (lambda m, y, x: 3 * x if m.log(x) == 7 else 7 * x, 0, 7),
    ],
)
def test_poles_in_ordinary_arithmetic(formula, value, slope):
    got = certified(written(formula), 0.0, 0.0)
    assert (float(got.value), float(got.low), float(got.high)) == (value, slope, slope)


@pytest.mark.parametrize(
    "formula",
    [
        lambda m, y, x: m.log(x) - m.log(x),
        lambda m, y, x: m.log(x) - m.log(y),
        lambda m, y, x: -m.log(x) - m.log(-x),  # whose slopes are −∞ + ∞
        lambda m, y, x: x * m.log(x),
        lambda m, y, x: m.log(x - 3),  # of a negative number
        lambda m, y, x: 1 / x,
        lambda m, y, x: x / (y - y),
        lambda m, y, x: x**0.5,  # an infinite slope
        lambda m, y, x: m.sqrt(x),
    ],
)
def test_what_has_no_result_is_not_guessed(formula):
    with pytest.raises(CannotCertifyError):
        certify(written(formula), 0.0, 0.0)


def refused_or(result, formula, yhat):
    """Whether a definition is refused or certified as `result`; a wrong number or another error is neither."""
    try:
        got = at(formula, yhat)
    except CannotCertifyError:
        return True
    return got[: len(result)] == result


def test_the_exponential_of_a_pole():
    """e^−∞ = 0; the slope of e^log x is 1."""
    assert refused_or((0, 1, 1), lambda m, y, x: m.exp(m.log(x)), 0.0)
    assert refused_or((0, 0, 0), lambda m, y, x: m.softplus(m.log(y)), 0.0)


@pytest.mark.parametrize(
    ("formula", "value", "low", "high"),
    [
        (lambda m, y, x: -m.log(x * x), INF, -INF, INF),  # falls to the right of 0 and rises to its left
        (lambda m, y, x: 3 * x + m.log(x**2), -INF, -INF, INF),
        (lambda m, y, x: -m.log(7 * x), INF, -INF, -INF),  # an odd order has a left side of its own: only x > 0
        (lambda m, y, x: -m.log(-7 * x), INF, INF, INF),
    ],
)
def test_the_slopes_of_a_pole_of_even_and_of_odd_order(formula, value, low, high):
    got = certified(written(formula), 0.0, 0.0)
    assert (float(got.value), float(got.low), float(got.high)) == (value, low, high)


@pytest.mark.parametrize(
    "formula", [lambda m, y, x: -m.log(-x * x), lambda m, y, x: m.log(x**3), lambda m, y, x: m.log(x - x)]
)
def test_a_pole_of_a_negative_or_an_unknown_power_is_refused(formula):
    with pytest.raises(CannotCertifyError):
        certify(written(formula), 0.0, 0.0)


def test_there_is_no_second_derivative_where_the_slope_jumps():
    """−log x² falls to the right of 0 and rises to its left; −log 7x has one side only."""
    assert np.isnan(at(lambda m, y, x: -m.log(x * x), 0.0)[3])
    assert at(lambda m, y, x: -m.log(7 * x), 0.0)[3] == INF


def test_a_power_whose_second_derivative_alone_is_infinite():
    assert [float(v) for v in certify(written(lambda m, y, x: x**1.5 + 7 * x), 0.0, 0.0)] == [0, 7]


def test_a_second_derivative_that_is_infinite():
    assert refused_or((0, 0, 0, INF), lambda m, y, x: x**1.5, 0.0)


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [INF, -INF, math.nan])
def test_inputs_that_are_not_finite_raise(bad):
    with pytest.raises(CannotCertifyError, match=r"MeanSquaredError\(reduction='mean'\): only finite inputs"):
        certify(rl.MeanSquaredError(), [0.0, 0.3], [0.7, bad])
    with pytest.raises(ValueError, match="only finite inputs"):
        certify(rl.MeanSquaredError(), [0.0, bad], [0.7, 0.3])
    value, grad = certify(rl.MeanSquaredError(), [0.0, bad], [0.5, 0.3], weight=[3.0, 0.0])
    assert (value, grad.tolist()) == (3 / 8, [3 / 2, 0])  # what takes no part is not looked at


def test_inputs_outside_the_domain_raise_as_they_do_elsewhere():
    with pytest.raises(ValueError, match=r"yhat\[0\] is 1\.25, not a probability in \[0, 1\]"):
        certify(rl.BinaryCrossEntropy(), [1], [1.25])


def test_a_value_that_no_precision_decides_is_not_guessed():
    """log(exp(x)) is x, so this is exactly 1 + 2^−53: a tie that is not seen to be one."""
    loss = written(lambda m, y, yhat: m.log(m.exp(yhat)) - yhat + 1 + 2.0**-53)
    with pytest.raises(CannotCertifyError, match=r"a value is not decided at \d+ bits"):
        certify(loss, 0.0, 0.7)


def test_a_zero_that_is_not_seen_to_be_one_is_decided_all_the_same():
    """log(exp(x)) − x is enclosed far within half of the smallest float, and all of that rounds to 0."""
    value, grad = certify(written(lambda m, y, yhat: m.log(m.exp(yhat)) - yhat), 0.0, 0.7)
    assert (value, grad) == (0, 0)


def test_a_comparison_that_no_precision_decides_is_not_guessed():
    loss = written(lambda m, y, yhat: yhat if m.exp(m.log(yhat)) > yhat else 2 * yhat)
    with pytest.raises(CannotCertifyError, match=r"is not decided at \d+ bits"):
        certify(loss, 0.0, 0.7)


@pytest.mark.parametrize("power", [3, 4])
def test_a_comparison_of_what_is_zero_to_a_high_power_is_not_guessed(power):
    """x³ has a sign beside 0, but its value and two derivatives there are 0: more are not known."""
    with pytest.raises(CannotCertifyError):
        certify(written(lambda m, y, x: 3 * x if x**power > 0 else 2 * x), 0.0, 0.0)
    assert at(lambda m, y, x: 3 * x if x**2 > 0 else 2 * x, 0.0) == (0, 3, 3, 0)


@pytest.mark.parametrize(("jump", "meets"), [(2.0**-40 + 2.0**-52, False), (2.0**-40, True)])
@pytest.mark.parametrize("side", [1, -1])
def test_branches_meet_if_they_agree_to_forty_bits(jump, meets, side):
    loss = written(lambda m, y, x: 1 + 3 * x + jump if side * x > 0 else 1 + 2 * x)
    if meets:
        assert certify(loss, 0.0, 0.0)[1] == 2
    else:
        with pytest.raises(CannotCertifyError, match="do not meet"):
            certify(loss, 0.0, 0.0)


def test_a_tie_of_constants_is_no_kink() -> None:
    """No prediction moves it. Smallest volumes that are equal would otherwise be proved from two sides."""
    m = arithmetic.Arithmetic()
    assert m.lift(1.0) <= m.lift(1.0)
    assert not m.met_a_tie
    assert m.variable(1.0) >= m.lift(1.0)
    assert m.met_a_tie
    assert not m.variable(1.0) <= m.lift(1.0)
    repeated = m.logsumexp([m.lift(0.0)] * 3 + [m.lift(1.0)]).x
    assert repeated.overlaps(flint.arb(3 + flint.arb(1).exp()).log())


def test_the_closest_float_is_on_the_right_side_and_known_well():
    with arithmetic.precision(1200):
        near, tiny = flint.arb(1) + flint.arb(2) ** -54, flint.arb(2) ** -900
        assert arithmetic.closest(near) == (1.0, 2.0**-54)
        assert arithmetic.closest(-near) == (-1.0, -(2.0**-54))
        assert arithmetic.closest(near + flint.arb(0, tiny)) is None  # 900 bits
        assert arithmetic.closest(near + flint.arb(0, tiny * flint.arb(2) ** -120)) is not None


def test_a_result_next_to_zero_is_no_minus_zero():
    for exponent in (-1076, -1200, -4000):
        got = arithmetic._rounded(-(flint.arb(2) ** exponent))
        assert (got, math.copysign(1, got)) == (0, 1)
    with arithmetic.precision(160):
        got = arithmetic.proved(arithmetic.Arithmetic(rational=True), flint.fmpq(-1, 2**1200))
        above = arithmetic.proved(arithmetic.Arithmetic(rational=True), flint.fmpq(2**1100))
    assert math.copysign(1, got[0]) == 1
    assert above == (math.inf, 0.0)


def test_one_thread_at_a_time_has_a_precision_of_its_own():
    """python-flint has one precision for all threads. A thread may ask again inside its own."""
    seen, entered = [], threading.Event()

    def other():
        with arithmetic.precision(200):
            entered.set()
            seen.append(flint.ctx.prec)

    with arithmetic.precision(100):
        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        assert not entered.wait(0.05)
        with arithmetic.precision(150):
            assert flint.ctx.prec == 150
        assert flint.ctx.prec == 100
    thread.join(20)
    assert seen == [200]


def test_infinity_less_infinity_is_not_guessed():
    loss = written(lambda m, y, yhat: m.log(yhat) + -m.log(yhat))
    with pytest.raises(CannotCertifyError):
        certify(loss, 0.0, 0.0)


def test_the_precision_of_flint_is_left_as_it_was():
    before = flint.ctx.prec, flint.ctx.cap
    certify(rl.BinaryCrossEntropyWithLogits(), 1, 700.0)
    with pytest.raises(CannotCertifyError):
        certify(written(lambda m, y, yhat: m.log(m.exp(yhat)) - yhat + 1 + 2.0**-53), 0.0, 0.7)
    assert (flint.ctx.prec, flint.ctx.cap) == before


def test_without_flint_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(arithmetic, "flint", None)
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError, match=r"pip install 'reflosses\[truth\]'"):
        certify(rl.MeanSquaredError(), 0.0, 0.3)


class _Broken(np.ndarray):
    """An array in the hands of a library that flushes subnormals, or rounds upwards."""

    flush = True

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        plain = [np.asarray(x).view(np.ndarray) for x in inputs]
        out = getattr(ufunc, method)(*plain, **kwargs)
        if out.dtype != np.float64:
            return out
        if self.flush:
            return np.where(np.abs(out) < 2.0**-1022, 0.0, out).view(type(self))
        return (np.nextafter(out, np.inf) if ufunc in (np.add, np.subtract) else out).view(type(self))


class _Upwards(_Broken):
    flush = False


@pytest.mark.parametrize(("kind", "message"), [(_Broken, "subnormal numbers are switched off"), (_Upwards, "rounding")])
def test_a_process_with_broken_arithmetic_is_refused(monkeypatch, kind, message):
    class Numpy:
        def __getattr__(self, name):
            return getattr(np, name)

        def array(self, *a, **k):
            return np.array(*a, **k).view(kind)

    monkeypatch.setattr(proof, "np", Numpy())
    with pytest.raises(OSError, match=message):
        certify(rl.MeanSquaredError(), 0.0, 0.3)


@contextmanager
def control_word(bits):
    """Really switch them: bits of the SSE control register MXCSR, through the C library."""
    libm = ctypes.CDLL("libm.so.6")
    saved, altered = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    assert libm.fegetenv(saved) == libm.fegetenv(altered) == 0
    mxcsr = int.from_bytes(altered.raw[28:32], "little") | bits
    ctypes.memmove(ctypes.addressof(altered) + 28, mxcsr.to_bytes(4, "little"), 4)
    libm.fesetenv(altered)
    try:
        yield
    finally:
        libm.fesetenv(saved)


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc",
    reason="the layout of the floating-point environment is that of glibc on x86-64",
)
@pytest.mark.parametrize(
    ("bits", "message"),
    [
        (0x8040, "subnormal numbers are switched off"),  # flush to zero, subnormals are zero
        (0x8000, "subnormal numbers are switched off"),
        (0x0040, "subnormal numbers are switched off"),
        (0x2000, "rounding is not to nearest"),  # down
        (0x4000, "rounding is not to nearest"),  # up
        (0x6000, "rounding is not to nearest"),  # towards zero
    ],
)
def test_a_processor_with_altered_arithmetic_is_refused(bits, message):
    with control_word(bits), pytest.raises(OSError, match=message):
        certify(rl.MeanSquaredError(), 0.0, 0.3)
    assert certify(rl.MeanSquaredError(), 0.0, 0.5)[0] == 1 / 4  # and then it is as before
    assert np.float64(5e-324) * np.float64(1.0) != 0


# ---- losses from outside the package ---------------------------------------------------------------------------------


class GemanMcClure(Loss):
    """r²/(c² + r²), a loss that the package does not have."""

    c: float = parameter(default=1.0, check=number(POSITIVE))

    domain = Domains(REAL, REAL)
    bounds = Bounds(4, 5, 6)
    examples = ({"c": 0.7},)

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, c: Any) -> Any:
        r = yhat - y
        return r**2 / (c**2 + r**2)

    def terms(self, y: Any, yhat: Any) -> Any:
        return ((yhat - y) / self.c,)

    def losses(self, a: Any) -> Any:
        return a**2 / (1 + a**2)

    def slopes(self, a: Any) -> Any:
        return 2 * a / (1 + a**2) ** 2 / self.c

    def curvatures(self, a: Any) -> Any:
        return (2 - 6 * a**2) / (1 + a**2) ** 3 / self.c**2


class OffByAMillionth(GemanMcClure):  # type: ignore[misc]
    """The same definition with a gradient that is wrong in the sixth digit."""

    def slopes(self, a: Any) -> Any:
        return GemanMcClure.slopes(self, a) * (1 + 1e-6)


def test_a_loss_from_outside_is_certified_by_its_definition_alone():
    loss = GemanMcClure(c=3.0, reduction="none")
    value, grad = certify(loss, [0.0, 1.0], [4.0, 0.0])
    assert value.tolist() == [float(F(16, 25)), 1 / 10]
    assert grad.tolist() == [float(F(72, 625)), float(F(-18, 100))]  # 2rc²/(c² + r²)²
    got, slopes = loss.value_and_grad([0.0, 1.0], [4.0, 0.0])
    assert np.abs((got - value) / np.spacing(value)).max() <= loss.bounds.value
    assert np.abs((slopes - grad) / np.spacing(np.abs(grad))).max() <= loss.bounds.grad
    assert certified(loss, 0.0, 4.0, second=True).second == float(F(2 * 9 * (9 - 3 * 16), 25**3))


def test_a_wrong_gradient_is_exposed():
    loss = OffByAMillionth(c=3.0, reduction="none")
    _, grad = certify(loss, [0.0, 1.0], [4.0, 0.0])
    assert grad.tolist() == certify(GemanMcClure(c=3.0, reduction="none"), [0.0, 1.0], [4.0, 0.0])[1].tolist()
    off = np.abs((loss.grad([0.0, 1.0], [4.0, 0.0]) - grad) / np.spacing(np.abs(grad)))
    assert (off > 1e9).all()


@pytest.mark.parametrize(
    ("loss", "broken"),
    [
        (none(rl.MeanSquaredError), lambda y, yhat: yhat - y),  # a ½ that is not there
        (none(rl.BinaryCrossEntropyWithLogits), lambda y, z: 1 / (1 + math.exp(-z)) - y),  # σ − y
        (none(rl.Cauchy, delta=0.7), lambda y, yhat: 1 / (1 + (yhat - y) ** 2 / 0.49)),  # ρ′ taken for ∇_e ρ
    ],
)
def test_usual_mistakes_are_exposed(loss, broken):
    y, yhat = 1.0, 40.0
    _, grad = certify(loss, y, yhat)
    ulp = np.spacing(np.abs(grad))
    assert abs(broken(y, yhat) - grad) > 1e3 * ulp
    assert abs(loss.grad(y, yhat) - grad) <= loss.bounds.grad * ulp


INFINITY = math.inf


# ---- where a quotient is 0/0 or a power has no derivative: right or refused, never 0 by default ----------------------

# Value, left and right derivative and second derivative at yhat = 0 (y = 0), from their Taylor series. Where the slope
# jumps, there is no second derivative.
HOSTILE = [
    ((1, 0.5, 0.5, 1 / 3), lambda m, y, x: (m.exp(x) - 1) / x),
    ((0.5, 1 / 6, 1 / 6, 1 / 12), lambda m, y, x: (m.exp(x) - 1 - x) / (x * x)),
    ((1, 0, 0, 0), lambda m, y, x: x / x),
    ((0, 0, 0, 0), lambda m, y, x: x * (x - y) * (x / x)),
    ((0, -INFINITY, INFINITY, math.nan), lambda m, y, x: m.power(x * x, 0.25)),
    ((0, 0, 0, INFINITY), lambda m, y, x: m.power(x * x, 0.75)),
    ((0, -1, 1, math.nan), lambda m, y, x: m.sqrt(x * x)),
    ((0, 0, 0, INFINITY), lambda m, y, x: m.sqrt(x * x) * m.sqrt(x * x) * m.power(x * x, 0.25)),
    ((0, 0, 0, 2), lambda m, y, x: m.sqrt(x * x) * m.sqrt(x * x)),
    ((0, 0, 0, 2), lambda m, y, x: abs(x) * abs(x)),
    ((0, -INFINITY, INFINITY, math.nan), lambda m, y, x: m.power(m.power(x * x, 0.5), 0.75)),
    ((0, -INFINITY, INFINITY, math.nan), lambda m, y, x: m.power(m.power(x * x, 0.125), 3.5)),
    ((0, 0, 0, INFINITY), lambda m, y, x: m.power(m.power(x * x, 0.25), 2.5)),
    ((0, 1, 1, 0), lambda m, y, x: x * x * x / (x * x) if x > 0 else x),
    ((0, 0, 0, 2), lambda m, y, x: x * x * x / x if x > 0 else x * x),
    ((0, INFINITY, INFINITY, 0), lambda m, y, x: 1 if x > 0 else 0),
    ((0, 1, INFINITY, math.nan), lambda m, y, x: x + 1 if x > 0 else x),
    ((INFINITY, -INFINITY, -INFINITY, INFINITY), lambda m, y, x: -m.log(x)),
    ((0, 0, 1, math.nan), lambda m, y, x: max(x, x * x)),
    ((INFINITY, -INFINITY, -INFINITY, INFINITY), lambda m, y, x: 1 / x),
    ((INFINITY, -INFINITY, INFINITY, math.nan), lambda m, y, x: m.power(x, -1)),
    ((0, 0, 0, 2), lambda m, y, x: x * x * (1 / (1 - y))),
    ((INFINITY, INFINITY, -INFINITY, math.nan), lambda m, y, x: -m.log(x * x * x * x)),
]


@pytest.mark.parametrize(("result", "formula"), HOSTILE)
def test_nothing_is_made_up_where_a_series_is_cut_short(result, formula):
    for length in (2, 3, 4):
        try:
            got = at(formula, 0.0)[:length]
        except CannotCertifyError:
            try:
                value, grad = certify(written(formula), 0.0, 0.0)
            except CannotCertifyError:
                continue
            assert float(value) == result[0]
            assert result[1] <= float(grad) <= result[2]
        else:
            np.testing.assert_array_equal(got, result[:length])


@pytest.mark.parametrize(
    "formula",
    [
        lambda m, y, x: x * x if y else x,
        lambda m, y, x: x * (y or 5),
        lambda m, y, x: x if not y else x * x,
        lambda m, y, x: x if m.log(y) else x * x,
    ],
)
def test_a_number_has_no_truth_value(formula):
    with pytest.raises(TypeError, match="write x == 0"):
        certify(written(formula), 0.0, 3.0)


def test_a_pole_divided_by_a_number_is_exact():
    """d/dx (log 0 + 49x)/49 = 1."""
    assert at(lambda m, y, x: (m.log(y) + 49 * x) / 49, 1.0)[:3] == (-INFINITY, 1, 1)


def test_whole_numbers_beyond_the_floats_are_exact_in_fractions_too():
    """1 + 2^-53 is a tie and goes to 1; rounding 2^53 + 1 first would lose the 1."""
    value, _ = certify(written(lambda m, y, x: (x / 3 * 3) * (2**53 + 1) - 2**53 + 2.0**-53 * x), 0.0, 1.0)
    assert value == 1.0


@pytest.mark.parametrize(
    "formula",
    [
        lambda m, y, x: y * m.log(-1 - x * x),
        lambda m, y, x: y * m.sqrt(-1 - x * x),
        lambda m, y, x: y * m.power(-1 - x * x, 0.5),
        lambda m, y, x: m.xlogy(y, -6 - x * x),
        lambda m, y, x: x + math.inf,
        lambda m, y, x: x * math.nan,
    ],
)
def test_nothing_times_what_is_undefined_is_undefined(formula):
    with pytest.raises(CannotCertifyError):
        certify(written(formula), 0.0, 0.5)


def test_an_exponent_that_depends_on_the_prediction_is_refused_or_right():
    """d/dx 2^x at 3 is 8 log 2."""
    formula = lambda m, y, x: m.power(2 + y, x)  # noqa: E731
    assert refused_or((8, float(8 * Decimal(2).ln())), formula, 3.0)


def test_weights_that_underflow_or_overflow_as_floats_still_divide():
    """(1e-200·1e-200·a + 1e-200·1e-200·b)/(2·1e-400) is the mean of a and b; no product of two floats is formed."""
    loss = rl.NegativeLogLikelihood(class_weight=[1e-200, 1e-200], reduction="weighted_mean")
    value, grad = certify(loss, [0, 1], [[-3.0, 0.0], [0.0, -5.0]], [1e-200, 1e-200])
    assert value == 4.0
    np.testing.assert_array_equal(grad, [[-0.5, 0.0], [0.0, -0.5]])
    heavy = rl.NegativeLogLikelihood(class_weight=[1e200, 1e200], reduction="weighted_mean")
    value, grad = certify(heavy, [0, 1], [[-3.0, 0.0], [0.0, -5.0]], [1e200, 1e200])
    assert value == 4.0
    np.testing.assert_array_equal(grad, [[-0.5, 0.0], [0.0, -0.5]])


def test_nothing_to_certify_is_no_error():
    value, grad = certify(rl.WeightedCrossEntropy(reduction="sum"), [], [])
    assert value == 0.0
    assert grad.shape == (0,)
    value, grad = certify(rl.WeightedCrossEntropy(reduction="sum"), [1.0], [0.3], [0.0])
    assert value == 0.0
    assert grad.tolist() == [0.0]


@pytest.mark.parametrize("loss", [3, None, rl.Huber, "Huber"])
def test_what_is_no_loss_is_not_certified(loss):
    with pytest.raises(TypeError, match=r"^certify: loss is .*, no loss such as Huber\(delta=0\.7\)$"):
        certify(loss, 1.0, 1.0)


def test_a_number_outside_a_domain_raises_no_signal_in_a_proof():
    wide = np.ldexp(np.longdouble(3), [5000])  # infinite where this format is float64
    with (
        np.errstate(all="raise"),
        pytest.raises(ValueError, match=r": yhat\[0\] is \S+, not a probability in \[0, 1\]"),
    ):
        certify(rl.BinaryCrossEntropy(), [0.0], wide)


def test_a_refusal_names_the_loss():
    loss = rl.Focal(alpha=1.0)
    with pytest.raises(CannotCertifyError) as error:
        certify(loss, 0.0, 1.0)  # alpha_t = 0 times an infinite logarithm
    assert str(error.value) == f"{loss}: no proof at these y and yhat: 0·∞"


def test_zero_to_a_negative_power_is_refused():
    with pytest.raises(CannotCertifyError, match="0 to a negative power"):
        certify(written(lambda m, y, x: x + m.power(y, -0.5)), 0.0, 1.0)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_only_finite_numbers_are_exact_constants(value):
    with pytest.raises(CannotCertifyError, match="no number to compute with"):
        arithmetic.Arithmetic().exact(value)
