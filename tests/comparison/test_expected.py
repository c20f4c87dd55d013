"""Exact results of the battery's inputs: reductions and weights worked by hand, limits, what cannot be known."""

from fractions import Fraction

import numpy as np
import pytest

from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Huber,
    MeanSquaredError,
    NegativeLogLikelihood,
    certify,
)
from reflosses.comparison.expected import Scaled, exact, parts, reduced, rounding_of_parameters
from reflosses.comparison.formats import FORMATS
from reflosses.evaluation.loss import Loss

Y, YHAT = np.array([0.0, 1.0, 2.0, 4.0]), np.array([1.0, 3.0, -1.0, 4.5])  # r = 1, 2, −3, ½
W = np.array([3.0, 0.0, 0.5, 2.0])


def test_reductions_of_squared_errors_by_hand():
    """r² = 1, 4, 9, ¼ and slopes 2, 4, −6, 1; Σw = 5½, Σwr² = 3 + 4½ + ½ = 8."""
    each = exact(MeanSquaredError(), Y, YHAT)
    assert each.value.tolist() == [1.0, 4.0, 9.0, 0.25]
    assert each.grad.tolist() == [2.0, 4.0, -6.0, 1.0]
    for reduction, value, slopes in (
        ("mean", F(8, 4), (F(6, 4), 0, F(-3, 4), F(2, 4))),
        ("sum", F(8), (6, 0, -3, 2)),
        ("weighted_mean", F(16, 11), (F(12, 11), 0, F(-6, 11), F(4, 11))),
    ):
        truth, total = reduced(MeanSquaredError(reduction=reduction), Y, each, W)
        assert truth.value.shape == ()
        assert float(truth.value) == float(value) == pytest.approx(total)
        np.testing.assert_allclose(truth.grad, [float(s) for s in slopes], rtol=3e-16)
    truth, _ = reduced(MeanSquaredError(reduction="none"), Y, each, W)
    assert truth.value.tolist() == [3.0, 0.0, 4.5, 0.5]


F = Fraction


def test_a_zero_weight_removes_what_is_not_a_number():
    yhat = YHAT.copy()
    yhat[1] = np.nan
    truth, _ = reduced(MeanSquaredError(), Y, exact(MeanSquaredError(), Y, yhat), W)
    assert float(truth.value) == 2.0
    assert truth.grad[1] == 0


def test_a_zero_sum_of_weights_is_not_a_number_with_zero_slopes():
    truth, _ = reduced(MeanSquaredError(reduction="weighted_mean"), Y, exact(MeanSquaredError(), Y, YHAT), 0 * W)
    assert np.isnan(truth.value)
    assert not truth.grad.any()


def test_ignored_rows_leave_both_sums_of_the_weighted_mean():
    """Classes 0, 1, 0 of weights ¼ and 3 with one row ignored: (¼·1 + 3·½)/(¼ + 3) of log-probabilities −1 and −½."""
    loss = NegativeLogLikelihood(class_weight=(0.25, 3.0), ignore_index=-100, reduction="weighted_mean")
    y, yhat = np.array([0.0, 1.0, -100.0]), np.array([[-1.0, -2.0], [-3.0, -0.5], [np.nan, np.inf]])
    safe = np.where(np.isfinite(yhat), yhat, 0.0)
    each = exact(loss, np.array([0.0, 1.0, 0.0]), safe)
    truth, _ = reduced(loss, y, each, None)
    assert float(truth.value) == float(F(7, 4) / F(13, 4))
    assert truth.grad[2].tolist() == [0.0, 0.0]
    assert truth.grad[1].tolist() == [0.0, pytest.approx(-12 / 13)]


def test_limits_where_predictions_are_infinite():
    each = exact(BinaryCrossEntropyWithLogits(), np.array([1.0, 0.0, 1.0]), np.array([np.inf, np.inf, np.nan]))
    assert each.value[0] == 0
    assert each.grad[0] == 0
    assert each.value[1] == np.inf
    assert each.grad[1] == 1
    assert np.isnan(each.value[2])


@pytest.mark.usefixtures("flint")
def test_what_cannot_be_proved_is_marked_and_the_rest_is_kept():
    """0·log 0 + … of p = 0 has no finite second branch there; a power 0^½ has no slope."""
    from reflosses import Focal

    loss = Focal(gamma=0.375, clamp=0.03)
    each = exact(loss, np.array([1.0, 1.0]), np.array([1.0, 0.5]))
    assert each.known.tolist() == [False, True]
    assert each.value[1] == certify(Focal(gamma=0.375, clamp=0.03, reduction="none"), [1.0], [0.5])[0][0]


@pytest.mark.usefixtures("flint")
def test_a_tie_that_nothing_decides_is_known_all_the_same():
    """log(exp(x)) is x: 1 + 2^-53 lies in the middle of two floats, and either of them will do."""

    class Tied(Loss):
        domain, bounds, full = MeanSquaredError.domain, MeanSquaredError.bounds, None
        definition = staticmethod(lambda m, y, yhat: m.log(m.exp(yhat)) - yhat + 1 + 2.0**-53)
        terms = losses = slopes = curvatures = lambda self, *a: a[0]

    each = exact(Tied(reduction="none"), np.zeros(1), np.array([0.7]))
    assert each.known.all()
    assert abs(each.value[0] - 1) <= 2.0**-52


def test_a_reduction_with_an_infinite_loss_or_slope_is_not_known():
    """A function that divides before it adds may have a finite mean. Alone, or unreduced, an infinite loss is known."""
    loss = BinaryCrossEntropy(reduction="none")
    each = exact(loss, np.array([1.0, 0.0]), np.array([0.0, 0.25]))
    assert each.value[0] == np.inf
    for reduction in ("mean", "sum", "weighted_mean"):
        known = reduced(BinaryCrossEntropy(reduction=reduction), np.array([1.0, 0.0]), each, None)[0].known
        assert known.tolist() == [False, True]
        alone = reduced(BinaryCrossEntropy(reduction=reduction), np.array([1.0]), each.at(slice(0, 1)), None)[0].known
        assert alone.tolist() == [True]
    assert reduced(loss, np.array([1.0, 0.0]), each, None)[0].known.tolist() == [True, True]


def test_repeated_losses_are_summed_exactly():
    """A third of 3·10⁵ thirds is exact only where the sum is."""
    many = np.full(300_000, 1 / 3)
    each = exact(MeanSquaredError(), np.zeros(1), np.array([1 / 3])).at(np.zeros(300_000, int))
    truth, _ = reduced(MeanSquaredError(reduction="sum"), 0 * many, each, None)
    assert float(truth.value) == float(300_000 * F(each.value[0]))


def test_rounded_parameters_move_the_truth_only_where_they_are_rounded():
    y, yhat = np.array([0.0, 0.0]), np.array([0.25, 3.0])
    assert rounding_of_parameters(Huber(delta=0.75), y, yhat, FORMATS["float32"]) is None
    moved = rounding_of_parameters(Huber(delta=0.7), y, yhat, FORMATS["bfloat16"])
    assert moved is not None
    assert moved[0][0] == 0  # inside: no δ in it
    assert moved[0][1] == pytest.approx(abs(0.69921875 - 0.7) * (3 - 0.7), rel=1e-2)  # d/dδ of δ(|r| − δ/2)


def test_scaled():
    half = Scaled(0.5, MeanSquaredError(reduction="sum"))
    assert parts(half) == (0.5, MeanSquaredError(reduction="sum"))
    assert half.value(Y, YHAT) == 0.5 * 14.25
    assert half.grad(Y, YHAT).tolist() == [1.0, 2.0, -3.0, 0.5]
    assert half.value_and_grad(Y, YHAT)[0] == 0.5 * 14.25
