"""The source notes from the outside: every printed example, and every erratum with what is true instead."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import approx_fprime, least_squares

import reflosses as rl
from reflosses.overlap import CROSSOVER_DICE, CROSSOVER_IOU, hard_dice, pixel_accuracy, sensitivity

from exact import log, ulps


def exp(x):
    with localcontext(prec=60):
        return Fraction(Decimal(x).exp())


# ---- regression ------------------------------------------------------------------------------------------------------


def test_the_l1_example():
    x, y = [1, 3, 5], [2, 1, 5]
    assert rl.MeanAbsoluteError(reduction="none").value(y, x).tolist() == [1, 2, 0]
    assert rl.MeanAbsoluteError(reduction="sum").value(y, x) == 3
    assert rl.MeanAbsoluteError().value(y, x) == 1.0  # "mean" is the default
    assert rl.MeanAbsoluteError().grad(y, x)[2] == 0  # not differentiable at 0: the documented member of [−1/3, 1/3]
    low, high = rl.MeanAbsoluteError().subgradient(y, x)
    assert (low[2], high[2]) == (-1 / 3, 1 / 3)


def test_huber_is_continuous_with_its_first_derivative_at_delta():
    loss, delta = rl.Huber(delta=0.75, reduction="none"), 0.75
    step = 2.0**-40
    value, slope = loss.value_and_grad([0.0] * 3, [delta - step, delta, delta + step])
    assert np.abs(np.diff(value)).max() < 2 * delta * step
    assert np.abs(np.diff(slope)).max() <= step


def test_an_outlier_dominates_the_squared_error():
    r = [0.5, -0.5, 0.5, 30.0]
    assert rl.MeanSquaredError().value([0.0] * 4, r) == 900.75 / 4
    assert rl.MeanAbsoluteError().value([0.0] * 4, r) == 31.5 / 4
    assert rl.Huber(delta=0.75).value([0.0] * 4, r) == (0.375 + 0.75 * (30 - 0.375)) / 4


# ---- classification --------------------------------------------------------------------------------------------------


def test_erratum_binary_cross_entropy_diverges_towards_the_wrong_label_only():
    """The notes say that it diverges as ŷ → 0 or 1. At y = 1 it goes to 0 as ŷ → 1: −log(1 − 2^−k) is about 2^−k."""
    loss = rl.BinaryCrossEntropy(reduction="none")
    steps = 2.0 ** -np.arange(1, 53)
    for y, towards_right, towards_wrong in ((1.0, 1 - steps, steps), (0.0, steps, 1 - steps)):
        right = loss.value(np.full(52, y), towards_right)
        assert (np.diff(right) < 0).all()
        assert steps[-1] <= right[-1] < 2 * steps[-1]
        assert loss.value(y, y) == 0
        wrong = loss.value(np.full(52, y), towards_wrong)
        assert ulps(wrong, [k * log(2) for k in range(1, 53)]) <= loss.bounds.value
        assert loss.value(y, 1 - y) == np.inf


LOGITS = [1.0, 2.0, 0.5]


def test_the_likelihood_example():
    assert round(rl.NegativeLogLikelihood().value(1, rl.log_softmax(LOGITS)), 4) == 0.4644
    assert round(rl.CrossEntropy().value(1, LOGITS), 4) == 0.4644
    log_sum = log(exp(1) + exp(2) + exp(Decimal("0.5")))
    assert ulps(rl.CrossEntropy().value(1, LOGITS), [log_sum - 2]) <= rl.CrossEntropy().bounds.value


def test_erratum_the_printed_log_softmax_is_a_thousandth_off():
    got = rl.log_softmax(LOGITS)
    assert got.round(8).tolist() == [-1.46436878, -0.46436878, -1.96436878]
    log_sum = log(exp(1) + exp(2) + exp(Decimal("0.5")))
    assert ulps(got, [Fraction(z) - log_sum for z in LOGITS]) <= 4
    printed = np.array([-1.463, -0.463, -1.963])
    assert (np.abs(got - printed) > 1e-3).all()  # none of the three is a rounding of the true number
    assert abs(np.exp(got).sum() - 1) < 1e-15
    assert abs(np.exp(printed).sum() - 1) > 1e-3


def test_the_sparse_example():
    rows, labels = [[0.1, 0.7, 0.2], [0.3, 0.7, 0.0], [0.5, 0.4, 0.1]], [2, 1, 0]
    loss = rl.SparseCategoricalCrossEntropy
    exact = [-log(p) for p in (0.2, 0.7, 0.5)]
    bound = loss().bounds.value
    assert ulps(loss(reduction="none").value(labels, rows), exact) <= bound  # a probability of 0 elsewhere is legal
    assert ulps(loss(reduction="sum").value(labels, rows), [sum(exact)]) <= bound
    assert ulps(loss().value(labels, rows), [sum(exact) / 3]) <= bound
    assert abs(loss(reduction="sum").value(labels, rows) - math.log(100 / 7)) < 1e-15 * math.log(100 / 7)


# ---- segmentation ----------------------------------------------------------------------------------------------------

MASK = [1.0, 1.0, 0.0, 0.0, 0.0]


def soft(share):
    """A prediction for MASK with P = T = 2 (S = 4) and I = 4·share."""
    inside = 2 * share
    return [inside, inside, (2 - 2 * inside) / 3, (2 - 2 * inside) / 3, (2 - 2 * inside) / 3]


@pytest.mark.parametrize(
    ("share", "dice", "iou", "ratio"),
    [
        (0, 0, 0, Fraction(1, 2)),
        (Fraction(1, 8), Fraction(1, 4), Fraction(1, 7), Fraction(32, 49)),
        (Fraction(1, 4), Fraction(1, 2), Fraction(1, 3), Fraction(8, 9)),
        (Fraction(5, 16), Fraction(5, 8), Fraction(5, 11), Fraction(128, 121)),
        (Fraction(3, 8), Fraction(3, 4), Fraction(3, 5), Fraction(32, 25)),
        (Fraction(1, 2), 1, 1, Fraction(2)),
    ],
)
def test_erratum_dice_is_the_steeper_one_at_low_overlap_and_iou_at_high(share, dice, iou, ratio):
    """The notes have it the other way round. |∇L_J|/|∇L_D| = (1 + J)²/2 = 2/(2 − D)², in every pixel."""
    assert (1 + iou) ** 2 / Fraction(2) == 2 / Fraction(2 - dice) ** 2 == ratio
    p = soft(float(share))
    for loss, score in ((rl.Dice(), dice), (rl.IoU(), iou)):
        assert abs(float(loss.value(MASK, p)) - float(1 - score)) < 1e-15
    dice_grad, iou_grad = rl.Dice().grad(MASK, p), rl.IoU().grad(MASK, p)
    inside = slice(None) if share else slice(2)  # without overlap nothing pulls outside the mask
    np.testing.assert_allclose(iou_grad[inside] / dice_grad[inside], float(ratio), rtol=1e-14)
    steeper = "iou" if iou > CROSSOVER_IOU else "dice"
    assert (steeper == "iou") == (abs(iou_grad[0]) > abs(dice_grad[0])) == (dice > CROSSOVER_DICE)
    assert sensitivity(4 * float(share), 4.0).ratio == pytest.approx(float(ratio), rel=1e-15)
    if share == 0:
        assert abs(iou_grad[0]) < abs(dice_grad[0])  # "IoU loss is more sensitive when overlap is low" is false
    if share == Fraction(1, 2):
        assert abs(iou_grad[0]) > abs(dice_grad[0])  # and so is the rest of the sentence


def test_both_are_equally_steep_at_the_crossover():
    share = 1 - 2**-0.5  # I/S
    p = soft(share)
    np.testing.assert_allclose(rl.IoU().grad(MASK, p), rl.Dice().grad(MASK, p), rtol=1e-14)
    np.testing.assert_allclose(1 - rl.IoU().value(MASK, p), CROSSOVER_IOU, rtol=1e-14)
    np.testing.assert_allclose(1 - rl.Dice().value(MASK, p), CROSSOVER_DICE, rtol=1e-14)
    assert [round(x, 5) for x in (CROSSOVER_IOU, CROSSOVER_DICE, share)] == [0.41421, 0.58579, 0.29289]


@pytest.mark.parametrize("share", [Fraction(1, 8), Fraction(1, 4), Fraction(3, 8), Fraction(31, 64)])
def test_relative_to_the_loss_iou_never_exceeds_dice(share):
    """(|∇L_J|/L_J)/(|∇L_D|/L_D) = 1/(2 − D), which reaches 1 only at D = 1."""
    p, dice = soft(float(share)), 2 * share
    relative = [np.abs(loss.grad(MASK, p)) / loss.value(MASK, p) for loss in (rl.IoU(), rl.Dice())]
    np.testing.assert_allclose(relative[0] / relative[1], float(1 / (2 - dice)), rtol=1e-13)
    assert (relative[0] < relative[1]).all()


def test_a_smoothing_constant_breaks_the_proportion():
    p = soft(0.25)
    unequal = rl.IoU(smooth_nr=0.5, smooth_dr=0.5).grad(MASK, p) / rl.Dice(smooth_nr=0.5, smooth_dr=0.5).grad(MASK, p)
    assert np.ptp(unequal) > 0.01
    assert np.ptp(rl.IoU().grad(MASK, p) / rl.Dice().grad(MASK, p)) < 1e-14


def test_both_sensitivities_are_derivatives():
    """Of D = 2I/S and J = I/(S − I), by central differences."""
    for intersection, total in ((0.3, 4.0), (1.1, 3.0), (7.0, 17.0)):
        for got, score in zip(
            sensitivity(intersection, total)[:2],
            (lambda i, s=total: 2 * i[0] / s, lambda i, s=total: i[0] / (s - i[0])),
            strict=True,
        ):
            sides = [approx_fprime([intersection], score, h)[0] for h in (6e-6, -6e-6)]
            assert np.mean(sides) == pytest.approx(got, rel=1e-8)


def simple_implementation(pred, labels):
    """As printed: intersect counts the positions where the two agree."""
    intersect = (pred == labels).sum()
    return 1 - 2 * intersect / (pred.size + labels.size)


def test_erratum_the_simple_implementation_is_pixel_accuracy():
    labels = np.repeat([1, 0], [10, 90])  # 10 % foreground
    background = np.zeros_like(labels)
    assert simple_implementation(background, labels) == pytest.approx(0.1, rel=1e-15)
    assert pixel_accuracy(labels, background) == 0.9
    assert hard_dice(labels, background, 2)[1] == 1  # the Dice loss of the foreground: nothing of it was found
    some = np.array([2, 0, 1, 1, 0, 2, 2, 1, 0, 0])
    other = np.array([2, 1, 1, 0, 0, 2, 0, 1, 0, 1])
    for pred, true in ((some, other), (some, some), (labels, 1 - labels), (some, 3 + other)):
        assert simple_implementation(pred, true) == pytest.approx(1 - pixel_accuracy(true, pred), rel=1e-15, abs=0)


def test_an_80_20_mask_and_a_prediction_of_background_everywhere():
    """Accuracy says 80 % right; the foreground losses say that all is lost."""
    labels = np.repeat([1, 0], [20, 80])
    background = np.zeros_like(labels)
    assert pixel_accuracy(labels, background) == 0.8
    assert hard_dice(labels, background, 2).tolist() == [float(Fraction(1, 9)), 1]  # 1 − 160/180
    assert rl.Dice().value(labels, background) == 1
    assert rl.IoU().value(labels, background) == 1
    y, p = np.eye(2)[labels], np.eye(2)[background]
    # w = 1/80², 1/20²: over the largest 1/16, 1; 1 − 2·(80/16)/((80 + 100)/16 + 20)
    generalized = rl.GeneralizedDice()
    assert ulps(generalized.value(y, p), [Fraction(17, 25)]) <= generalized.bounds.value


def test_the_weight_of_sudre_depends_on_the_prediction():
    """w = (N − Σp)/Σp: 5/3 at Σp = 3/2 of 4, 3 at Σp = 1 of 4."""
    loss = rl.WeightedCrossEntropy(reduction="none")
    for p, w in (([0.25, 0.25, 0.5, 0.5], Fraction(5, 3)), ([0.25, 0.25, 0.25, 0.25], Fraction(3))):
        assert ulps(loss.value([1, 0, 0, 0], p)[0], [w * log(4)]) <= loss.bounds.value
    with pytest.raises(ValueError, match="yhat sums to 0"):
        loss.value([1, 0, 0, 0], [0.0] * 4)
    stop, full = (rl.WeightedCrossEntropy(weight_grad=g) for g in ("stop", "full"))
    difference = full.grad([1, 0, 0, 0], [0.25] * 4) - stop.grad([1, 0, 0, 0], [0.25] * 4)
    np.testing.assert_allclose(difference, -math.log(4), rtol=1e-14)  # −N/(Σp)²·log 4 over N, in every pixel


# ---- focal -----------------------------------------------------------------------------------------------------------

FOCAL_LOGITS = [-5.0, -5.0, 0.1, 0.1, 5.0, 5.0, 100.0, 100.0]
FOCAL_TARGETS = [0, 1, 0, 1, 0, 1, 0, 1]


def focal_sum(clamp):
    """Σ (1 − p_t)(−log p_t) in sixty digits, p_t clipped in the logarithm if one says so."""
    total = Fraction(0)
    for z, y in zip(FOCAL_LOGITS, FOCAL_TARGETS, strict=True):
        p = 1 / (1 + exp(-z if y else z))  # p_t
        seen = p if clamp is None else max(Fraction(clamp), min(p, 1 - Fraction(clamp)))
        total -= (1 - p) * log(seen)
    return total


def test_the_focal_example_with_its_clamp():
    loss = rl.FocalWithLogits(gamma=1.0, clamp=1e-4)
    assert f"{8 * loss.value(FOCAL_TARGETS, FOCAL_LOGITS):.10f}" == "19.8537371385"
    total = rl.FocalWithLogits(gamma=1.0, clamp=1e-4, reduction="sum")
    assert ulps(total.value(FOCAL_TARGETS, FOCAL_LOGITS), [focal_sum(1e-4)]) <= total.bounds.value


def test_the_focal_example_without_a_clamp():
    total = rl.FocalWithLogits(gamma=1.0, reduction="sum")
    value = total.value(FOCAL_TARGETS, FOCAL_LOGITS)
    assert ulps(value, [focal_sum(None)]) <= total.bounds.value
    assert ulps(value, [Fraction("110.643396766556852")]) <= total.bounds.value
    assert abs(focal_sum(None) - Fraction("110.643396766556852")) < Fraction(1, 10**15)


def test_the_clamp_kills_the_gradient_that_matters_most():
    """At logit 100 and target 0, z_t = −100: p_t = e/(1 + e) with e = e^−100, and the slope in the logit is
    (1 − p_t)(p_t (−log p_t) + 1 − p_t) = 1 − O(100 e), but with the clamp only (1 − p_t) p_t (−log 10^−4).

    The notes call the latter 0; it is 4 e log 10, some 3.4·10^−43: dead all the same.
    """
    plain = rl.FocalWithLogits(gamma=1.0, reduction="none")
    clamped = rl.FocalWithLogits(gamma=1.0, clamp=1e-4, reduction="none")
    assert plain.grad(0, 100.0) == 1
    e = exp(-100)
    dead = e / (1 + e) ** 2 * -log(1e-4)
    assert ulps(clamped.grad(0, 100.0), [dead]) <= clamped.bounds.grad
    assert f"{float(dead):.1e}" == "3.4e-43"
    assert ulps(clamped.value(0, 100.0), [4 * log(10)]) <= 10  # 1e-4 is no float: −log of it is 10^−16 off
    assert plain.value(0, 100.0) == 100  # capped at 9.21


def test_the_focal_example_from_probabilities():
    """In probabilities 1 − σ(100) is 0: only the clamp keeps the notes' sum finite there."""
    p = [float(1 / (1 + exp(Decimal(-z)))) for z in FOCAL_LOGITS]
    clamped = rl.Focal(gamma=1.0, clamp=1e-4, reduction="sum")
    assert f"{clamped.value(FOCAL_TARGETS, p):.10f}" == "19.8537371385"
    assert rl.Focal(gamma=1.0, reduction="sum").value(FOCAL_TARGETS, p) == np.inf


# ---- robust kernels --------------------------------------------------------------------------------------------------

OMEGA = [[4.0, 1.5], [1.5, 0.75]]


def test_cauchy_at_both_ends():
    kernel, square = rl.Cauchy(delta=0.5), Fraction(1, 4)
    assert ulps(kernel.rho(2.0**-60), [Fraction(1, 2**60)]) <= 1  # ρ(s) ≈ s …
    assert kernel.rho(2.0**-60) > 0.9 * 2.0**-60  # … with no ½ before it
    assert ulps(kernel.rho(2.0**120), [square * 122 * log(2)]) <= kernel.bounds.value  # δ² log(s/δ²)
    weights = kernel.weight([0.0, 0.25, 6.0, 2.0**120])
    assert weights.tolist() == [1, 1 / 2, 1 / 25, 2.0**-122]  # → 0


def test_erratum_the_argument_of_cauchy_is_the_squared_error():
    """∇_e ρ = 2 ρ′(s) Ω e with s = eᵀΩe. At e = (1, 2): Ωe = (7, 3), s = 13, ρ′ = 1/53 for δ = ½."""
    loss, e = rl.Cauchy(delta=0.5, information=OMEGA, reduction="none"), np.array([1.0, 2.0])
    s = e @ np.array(OMEGA) @ e
    assert s == 13
    assert ulps([loss.value([0.0, 0.0], e), loss.rho(s)], [log(53) / 4] * 2) <= loss.bounds.value
    exact = [Fraction(14, 53), Fraction(6, 53)]
    assert ulps(loss.grad([0.0, 0.0], e), exact) <= loss.bounds.grad
    np.testing.assert_allclose(loss.grad([0.0, 0.0], e), 2 * loss.weight(s) * (np.array(OMEGA) @ e), rtol=1e-15)
    # the printed one: ρ′ of the residual itself, 1/(1 + e/δ²)
    assert abs(rl.Cauchy(delta=0.5).grad(0.0, 1.5) - 1 / (1 + 1.5 / 0.25)) > 0.1
    assert ulps(rl.Cauchy(delta=0.5).grad(0.0, 1.5), [Fraction(3, 10)]) <= loss.bounds.grad


def test_erratum_there_is_no_half_but_in_scipys_cost():
    kernel, f = rl.Cauchy(delta=0.5), [1.5, -1.0]  # u = 9, 4
    ours = rl.Cauchy(delta=0.5, reduction="sum").value([0.0, 0.0], f)
    assert ulps(ours, [(log(10) + log(5)) / 4]) <= kernel.bounds.value
    for loss, scale in ((kernel.scipy_rho, 1.0), ("cauchy", 0.5)):
        stay = least_squares(lambda x: np.array(f) + 0 * x, [0.0], loss=loss, f_scale=scale, max_nfev=1)
        assert stay.cost == pytest.approx(ours / 2, rel=1e-14)


def test_the_kernel_and_its_derivatives_are_derivatives_of_each_other():
    kernel = rl.Cauchy(delta=0.7)
    for s in (0.05, 0.3, 4.0, 30.0):
        for function, derivative in ((kernel.rho, kernel.weight), (kernel.weight, kernel.rho_second)):
            sides = [approx_fprime([s], lambda t, f=function: float(f(t)[0]), h)[0] for h in (6e-6 * s, -6e-6 * s)]
            assert np.mean(sides) == pytest.approx(float(derivative(s)), rel=1e-8)
