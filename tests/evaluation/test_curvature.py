"""`curvature`: the diagonal of the Hessian, against differences of `grad`, hand arithmetic and its own reductions."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import reflosses as rl
from reflosses.catalogue import examples, losses
from reflosses.evaluation.call import Call
from reflosses.evaluation.loss import Loss
from reflosses.gradcheck import curvaturecheck
from reflosses.truth.accuracy import errors
from reflosses.truth.proof import certified
from reflosses.truth.sampling import Problem, moderate

from exact import ulps

NAN, INF = np.nan, np.inf
EVERY = [pytest.param(loss, id=str(loss)) for cls in losses().values() for loss in examples(cls)]
SUDRE = rl.WeightedCrossEntropy(reduction="sum")


def weights(loss: Loss, y: Any, yhat: Any) -> np.ndarray:
    """Powers of two, one a loss, so that a product with them is exact."""
    shape = Call(loss, y, yhat).shapes.layout.value_shape
    return np.array(np.ldexp(1.0, np.arange(np.prod(shape, dtype=int)).reshape(shape) % 5 - 2))


# ---- differences of the gradient -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", EVERY)
def test_differences_of_the_gradient(loss: Loss) -> None:
    sharp = 0
    for y, yhat in list(moderate(loss, 31, 24))[:2]:
        y, yhat = (y[:9], yhat[:9]) if y.ndim == yhat.ndim == 1 else (y, yhat)
        weight = weights(loss, y, yhat)
        for reduction, w in (("none", None), ("mean", weight), ("sum", weight)):
            found = curvaturecheck(replace(loss, reduction=reduction), y, yhat, w)
            assert found.ok, found
            sharp += found.sharp
    linear = {"MeanAbsoluteError", "Hinge", "NegativeLogLikelihood"}
    assert sharp > 0 or type(loss).__name__ in linear


class Bent:
    """A loss whose curvature is changed."""

    def __init__(self, loss: Loss, change: Any) -> None:
        self.loss, self.change = loss, change
        self.value, self.grad = loss.value, loss.grad

    def curvature(self, y: Any, yhat: Any, *, weight: Any = None) -> Any:
        return self.change(self.loss.curvature(y, yhat, weight=weight))


@pytest.mark.parametrize("loss", [rl.Cauchy(0.7), rl.FocalWithLogits(1.7, 0.2), rl.BinaryCrossEntropyWithLogits(17.0)])
def test_a_millionth_is_seen(loss: Loss) -> None:
    y, yhat = np.array([0.0, 1.0, 0.0]), np.array([0.25, -1.5, 2.5])
    assert curvaturecheck(loss, y, yhat).ok
    found = curvaturecheck(loss, y, yhat, candidate=Bent(loss, lambda c: c * (1 + 1e-6)))
    assert not found.ok
    with pytest.raises(AssertionError, match=r"curvature at yhat\[\d\] is .*, by differences of the gradient "):
        found.raise_if_wrong()


def test_at_a_corner_of_the_slope_any_curvature_between_the_two_is_right() -> None:
    loss = rl.Huber(0.75, reduction="none")
    y, yhat = np.zeros(3), np.array([0.75, -0.75, 0.5])
    assert curvaturecheck(loss, y, yhat).ok
    assert curvaturecheck(loss, y, yhat, candidate=Bent(loss, lambda c: [0.5, 1.0, 1.0])).ok
    for wrong in ([1.5, 0.0, 1.0], [0.0, -0.5, 1.0], [0.0, 0.0, 0.5], [NAN, 0.0, 1.0]):
        assert not curvaturecheck(loss, y, yhat, candidate=Bent(loss, lambda c, wrong=wrong: wrong)).ok


def test_where_the_slope_jumps_a_number_is_wrong() -> None:
    loss = rl.MeanAbsoluteError(reduction="none")
    y, yhat = np.zeros(2), np.array([0.0, 0.5])
    assert curvaturecheck(loss, y, yhat).ok
    assert not curvaturecheck(loss, y, yhat, candidate=Bent(loss, lambda c: [0.0, 0.0])).ok
    assert not curvaturecheck(loss, y, yhat, candidate=Bent(loss, lambda c: [NAN, NAN])).ok


def test_a_held_weight_is_held() -> None:
    """With w = 13/3 and p = 1/8: the weighted fraction alone curves, w/p² = 832/3."""
    y, yhat = np.array([1.0, 0.0]), np.array([0.125, 0.25])
    assert ulps(SUDRE.curvature(y, yhat), [Fraction(832, 3), Fraction(16, 9)]) <= SUDRE.bounds.curvature
    assert curvaturecheck(SUDRE, y, yhat).ok
    full = rl.WeightedCrossEntropy(weight_grad="full", reduction="sum")
    assert curvaturecheck(full, y, yhat).ok
    assert not curvaturecheck(SUDRE, y, yhat, candidate=Bent(full, lambda c: c)).ok


# ---- by hand ---------------------------------------------------------------------------------------------------------

F = Fraction
BY_HAND: list[tuple[Loss, Any, Any, list[Any]]] = [
    (rl.MeanSquaredError(), [0.0, 7.0], [3.0, -1.0], [2, 2]),
    (rl.MeanAbsoluteError(), [0.0, 7.0, 1.0], [3.0, -1.0, 1.0], [0, 0, NAN]),
    (rl.Hinge(), [1.0, -1.0, 1.0, -1.0], [3.0, 3.0, 1.0, -1.0], [0, 0, NAN, NAN]),
    (rl.Huber(0.75), [0.0] * 4, [0.5, -0.5, 0.75, -0.75], [1, 1, 0, 0]),
    (rl.Huber(1.0), [-(2.0**-60), 2.0**-60], [1.0, 1.0], [0, 1]),  # both residuals round to 1
    (rl.Huber(1.0), [2.0**-60, -(2.0**-60)], [-1.0, -1.0], [0, 1]),
    (rl.BinaryCrossEntropy(), [0.25, 1.0, 0.0], [0.5, 0.25, 0.25], [4, 16, F(16, 9)]),
    (rl.BinaryCrossEntropy(clamp=0.25), [0.25, 1.0, 1.0, 0.0], [0.25, 0.25, 0.125, 0.75], [0, NAN, 0, NAN]),
    (rl.BinaryCrossEntropyWithLogits(17.0), [1.0, 0.0, 0.5], [0.0] * 3, [F(17, 4), F(1, 4), F(9, 4)]),
    (rl.Cauchy(1.0), [0.0] * 3, [0.0, 1.0, 3.0], [2, 0, F(-4, 25)]),
    (rl.Cauchy(1.0, [[1, 0], [0, 3]]), [[0.0, 0.0]], [[1.0, 1.0]], [F(6, 25), F(-6, 25)]),  # 2Ω/5 − 4(Ωe)²/25
    (rl.Focal(2.0), [1, 0], [0.0, 1.0], [INF, INF]),
    (rl.Focal(0.0, 0.25), [1, 0], [0.5, 0.5], [1, 3]),
    (rl.Focal(1.0), [1, 0], [1.0, 0.0], [2, 2]),  # (1 − p)² to second order
    (rl.Focal(0.5), [1, 0], [1.0, 0.0], [INF, INF]),
    (rl.Focal(3.0), [1, 0], [1.0, 0.0], [0, 0]),
    (rl.Focal(2.0, 1.0, 0.25), [0, 0], [0.25, 0.75], [0, 0]),  # α is 0 for y = 0: no kink
    (rl.FocalWithLogits(0.0, 0.25), [1, 0], [0.0, 0.0], [F(1, 16), F(3, 16)]),
    (rl.CrossEntropy(), [0], [[0.0] * 4], [F(3, 16)] * 4),
    (rl.CrossEntropy(class_weight=[2.0, 6.0]), [[0.5, 0.5]], [[1.0, 1.0]], [1, 1]),
    (rl.CrossEntropy(ignore_index=-1), [-1], [[0.0, 1.0]], [0, 0]),
    (rl.NegativeLogLikelihood(), [1], [[-1.0, -2.0]], [0, 0]),
    (rl.SparseCategoricalCrossEntropy(), [1], [[0.5, 0.25]], [0, 16]),
    (rl.Dice(), [1.0, 0.0], [0.5, 0.5], [F(3, 4), F(-1, 4)]),  # D = ½, S = 2: 2(2t − D)/S²
    (rl.IoU(), [1.0, 0.0], [0.5, 0.5], [0, F(-8, 27)]),  # J = ⅓, U = 3/2: −2J/U² for t = 0
    (rl.GeneralizedDice(axis=0), [[1.0], [1.0]], [[0.5], [0.5]], [F(8, 27), F(8, 27)]),  # Q = 3, G = ⅔: 2(2 − G)/Q²
    (rl.WeightedCrossEntropy(3.0), [1.0, 0.0], [0.5, 0.5], [12, 4]),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "exact"), BY_HAND)
def test_by_hand(loss: Loss, y: Any, yhat: Any, exact: list[Any]) -> None:
    got = replace(loss, reduction="none").curvature(y, yhat).ravel()
    jumps = [isinstance(x, float) for x in exact]
    np.testing.assert_array_equal(got[jumps], [x for x in exact if isinstance(x, float)])
    numbers = [Fraction(x) for x in exact if not isinstance(x, float)]
    assert not numbers or ulps(got[~np.array(jumps)], numbers) <= loss.bounds.curvature


def test_every_loss_is_done_by_hand() -> None:
    assert {type(row[0]) for row in BY_HAND} == set(losses().values())


def test_the_kernel_of_cauchy_agrees() -> None:
    """2ρ′ + 4r²ρ″."""
    loss, r = rl.Cauchy(1.3, reduction="none"), np.array([1e-3, 0.7, 1.3, 4.0, 90.0])
    other = 2 * loss.weight(r**2) + 4 * r**2 * loss.rho_second(r**2)
    assert (
        np.abs(loss.curvature(0 * r, r) - other) <= 2 * loss.bounds.curvature * np.spacing(2 * loss.weight(r**2))
    ).all()


# ---- reductions, weights, limits -------------------------------------------------------------------------------------


AT_KINKS: list[tuple[Loss, float, float]] = [  # kinks and their neighbourhood outside the short form
    (rl.Focal(clamp=1e-20), 1.0, 1.0),  # 1 − c rounds to 1, which is no kink
    (rl.Focal(gamma=54.1, clamp=1e-6), 0.0, 1e-6),  # the slopes of both sides are 3 units of 2^−1074
    (rl.Focal(gamma=742833.4220947701, clamp=0.000990486084328089), 0.0, 0.9990095139156719),
    (rl.Focal(gamma=1.5, clamp=1e-300), 0.0, 1e-300),
    (rl.Focal(gamma=0.3, alpha=0.0, clamp=5e-324), 1.0, 5e-324),
    (rl.FocalWithLogits(gamma=8925.114082619819, clamp=0.07769852545438408), 0.0, 2.47403586923797),
    (rl.FocalWithLogits(gamma=610.0, clamp=0.3), 1.0, 0.8472978603872036),
    (rl.FocalWithLogits(gamma=2.0, clamp=1e-310), 1.0, -713.8013788281542),
    (rl.BinaryCrossEntropy(clamp=1e-200), 1.0, 1e-200),
]


@pytest.mark.parametrize(("loss", "y", "yhat"), AT_KINKS)
def test_a_kink_may_lie_outside_the_short_form(loss: Loss, y: float, yhat: float) -> None:
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")
    each = replace(loss, reduction="none")
    truth = certified(each, y, yhat, second=True)
    assert errors(each, Problem(np.asarray(y), np.asarray(yhat)), truth)[2] <= loss.bounds.curvature
    for got, exact in zip(each.subgradient(y, yhat), (truth.low, truth.high), strict=True):
        assert abs(got - exact) <= loss.bounds.grad * np.spacing(abs(exact))


@pytest.mark.parametrize(("loss", "y"), [(rl.BinaryCrossEntropy(clamp=1e-300), NAN), (rl.Huber(), NAN)])
def test_a_target_that_is_not_a_number_leaves_none(loss: Loss, y: float) -> None:
    assert np.isnan(loss.curvature(y, 1e-300))
    assert np.isnan(loss.subgradient(y, 1e-300)).all()


def test_a_check_does_not_take_nan_for_a_kink() -> None:
    assert not curvaturecheck(rl.MeanSquaredError(), [NAN], [1.0]).ok
    assert curvaturecheck(rl.Huber(reduction="sum"), [0.0, 1.0], [0.5, 0.6], [1e308, 1e308]).ok


@pytest.mark.parametrize("loss", EVERY)
def test_it_is_reduced_and_weighted_as_the_gradient_is(loss: Loss) -> None:
    y, yhat = next(moderate(loss, 5, 24))
    weight = weights(loss, y, yhat)
    weight.reshape(-1)[0] = 0.0
    plain, summed, mean = (replace(loss, reduction=r) for r in ("none", "sum", "mean"))
    each = plain.curvature(y, yhat, weight=weight)
    assert each.shape == yhat.shape
    np.testing.assert_array_equal(summed.curvature(y, yhat, weight=weight), each)
    np.testing.assert_allclose(mean.curvature(y, yhat, weight=weight) * weight.size, each, rtol=1e-15)
    assert (each[plain.grad(y, yhat, weight=weight) == 0] == 0).any()  # the loss of weight 0
    nothing = plain.curvature(y, yhat, weight=0 * weight)
    np.testing.assert_array_equal(nothing, np.zeros(yhat.shape))


def test_a_loss_of_weight_zero_has_none_even_at_a_kink() -> None:
    loss = rl.MeanAbsoluteError(reduction="none")
    assert loss.curvature([1.0, 1.0], [1.0, 3.0], weight=[0.0, 2.0]).tolist() == [0.0, 0.0]
    assert rl.MeanSquaredError().curvature([], []).tolist() == []


LIMITS: list[tuple[Loss, Any, Any, list[float]]] = [
    (rl.MeanSquaredError(), [0.0, 0.0, 0.0], [INF, -INF, NAN], [2, 2, NAN]),
    (rl.MeanAbsoluteError(), [0.0, 0.0], [INF, NAN], [0, NAN]),
    (rl.Huber(), [0.0, 0.0, -1.7e308], [INF, NAN, 1.7e308], [0, NAN, 0]),
    (rl.Hinge(), [1.0, 1.0], [INF, NAN], [0, NAN]),
    (rl.BinaryCrossEntropy(), [0.0, 1.0, 0.0, 0.5], [0.0, 1.0, 1.0, NAN], [1, 1, INF, NAN]),
    (rl.BinaryCrossEntropyWithLogits(), [0.0, 1.0, 0.5], [INF, -INF, NAN], [0, 0, NAN]),
    (rl.Cauchy(), [0.0, 0.0, 0.0], [INF, 1e300, NAN], [0, 0, NAN]),
    (rl.Cauchy(1.0, [[1, 0], [0, 1]]), [[0.0, 0.0]], [[INF, 1.0]], [0, 0]),
    (rl.FocalWithLogits(), [1, 1, 0], [INF, -INF, NAN], [0, 0, NAN]),
    (rl.FocalWithLogits(clamp=0.25), [1, 1, 1], [INF, -INF, -1.7e308], [0, 0, 0]),
    (rl.CrossEntropy(), [0, 0], [[-INF, 0.0, 0.0], [INF, 0.0, 1.0]], [0, 0.25, 0.25, 0, 0, 0]),
    (rl.Dice(), [0.0, 0.0], [0.0, 0.0], [0, 0]),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "limit"), LIMITS)
def test_limits(loss: Loss, y: Any, yhat: Any, limit: list[float]) -> None:
    np.testing.assert_array_equal(replace(loss, reduction="none").curvature(y, yhat).ravel(), limit)
