"""What every loss promises, whatever its mathematics: results, reductions, weights, inputs, NaN, infinities, kinks."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from loss_tables import added

import reflosses as rl
from reflosses.catalogue import examples, losses
from reflosses.evaluation import loss as contract
from reflosses.evaluation.domain import Classes, Labels
from reflosses.evaluation.loss import REDUCTIONS, Loss
from reflosses.truth import sampling
from reflosses.truth.sampling import Problem

INF, NAN = math.inf, math.nan
LOG_2 = float.fromhex("0x1.62e42fefa39efp-1")

LOSSES = [loss for cls in losses().values() for loss in examples(cls)]  # reduction "none"
ELEMENTWISE = [loss for loss in LOSSES if not loss.layout.groups and not loss.reads_all_predictions]
BY_CLASS = [loss for loss in LOSSES if isinstance(loss.domain.y, Classes)]


def short(loss: Any) -> str:
    return repr(loss).replace(", reduction='none'", "").replace("reduction='none'", "")


every_loss = pytest.mark.parametrize("loss", LOSSES, ids=short)
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def moderate(loss: Loss, points: int = 30, seed: int = 5) -> list[Problem]:
    return list(sampling.moderate(loss, seed, points))


def one(loss: Loss, seed: int = 5) -> Problem:
    """A problem with several losses, or with several entries where all go into one loss."""
    return max(moderate(loss, 40, seed), key=lambda problem: (np.size(problem.y), problem.yhat.size))


def reduced(loss: Loss, problem: Problem) -> Iterator[Loss]:
    """The loss with every reduction that this problem has."""
    soft = np.shape(problem.y) == problem.yhat.shape
    for reduction in REDUCTIONS:
        if not (reduction == "weighted_mean" and soft and getattr(loss, "class_weight", None) is not None):
            yield replace(loss, reduction=reduction)


def losses_shape(loss: Loss, yhat: Any) -> tuple[int, ...]:
    return loss.layout.bind(np.shape(yhat)).value_shape


def weights(loss: Loss, yhat: Any, seed: int = 11) -> Any:
    """Quarters from 0.25 to 2.25: sums and products with them are exact enough to be checked bit for bit."""
    return np.asarray(np.random.default_rng(seed).integers(1, 10, losses_shape(loss, yhat)) / 4.0)


def results(loss: Loss, y: Any, yhat: Any, weight: Any = None) -> list[Any]:
    """Everything a loss can be asked for at one input."""
    value, grad = loss.value_and_grad(y, yhat, weight=weight)
    return [value, grad, *loss.subgradient(y, yhat, weight=weight)]


def assert_same(got: Any, expected: Any) -> None:
    """The same numbers in the same shape, bit for bit, but for the sign of zero and the payload of NaN."""
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b, strict=isinstance(b, np.ndarray))


def exact(a: Any) -> Fraction:
    return sum(map(Fraction, np.asarray(a).ravel().tolist()), Fraction(0))


def nearest(q: Fraction) -> float:
    return q.numerator / q.denominator  # Python divides integers with one rounding


def fill(loss: Loss, problem: Problem, k: int, y: Any, yhat: float) -> Problem:
    """The problem with other numbers in everything that loss k reads."""
    layout = loss.layout.bind(problem.yhat.shape)
    units = layout.arrange(problem.yhat).copy()
    units[k] = yhat
    targets = np.array(problem.y, float)
    if targets.shape == problem.yhat.shape:
        rows = layout.arrange(targets).copy()
        rows[k] = y
        return Problem(layout.restore(rows), layout.restore(units))
    targets.reshape(-1)[k] = y
    return Problem(targets, layout.restore(units))


# ---- results ---------------------------------------------------------------------------------------------------------


def test_there_are_losses_of_every_kind() -> None:
    assert len(LOSSES) > 40
    assert len(ELEMENTWISE) > 20
    assert {type(loss).__name__ for loss in BY_CLASS} == {
        "CrossEntropy",
        "NegativeLogLikelihood",
        "SparseCategoricalCrossEntropy",
    }


@every_loss
def test_types_and_shapes_of_results(loss: Loss) -> None:
    for problem in moderate(loss):
        for each in reduced(loss, problem):
            value, grad = each.value_and_grad(*problem)
            if each.reduction == "none":
                assert type(value) is np.ndarray
                assert value.dtype == np.float64
            else:
                assert type(value) is float
            for array in (grad, *each.subgradient(*problem)):
                assert type(array) is np.ndarray
                assert array.dtype == np.float64
                assert array.shape == problem.yhat.shape


SHAPES = [
    # loss, shape of y, shape of yhat, shape of the losses
    (rl.MeanSquaredError(), (), (), ()),
    (rl.MeanSquaredError(), (2, 3), (2, 3), (2, 3)),
    (rl.WeightedCrossEntropy(), (2, 3), (2, 3), (2, 3)),
    (rl.Cauchy(0.7, [[4.0, 1.5], [1.5, 0.7]]), (2,), (2,), ()),
    (rl.Cauchy(0.7, [[4.0, 1.5], [1.5, 0.7]]), (5, 3, 2), (5, 3, 2), (5, 3)),
    (rl.CrossEntropy(), (), (3,), ()),
    (rl.CrossEntropy(), (4,), (4, 3), (4,)),
    (rl.CrossEntropy(), (4, 3), (4, 3), (4,)),
    (rl.CrossEntropy(axis=1), (2, 4), (2, 3, 4), (2, 4)),
    (rl.CrossEntropy(axis=1), (2, 3, 4), (2, 3, 4), (2, 4)),
    (rl.NegativeLogLikelihood(axis=0), (4,), (3, 4), (4,)),
    (rl.SparseCategoricalCrossEntropy(axis=-2), (2, 4), (2, 3, 4), (2, 4)),
    (rl.Dice(), (2, 3), (2, 3), ()),
    (rl.Dice(axis=-1), (2, 3, 4), (2, 3, 4), (2, 3)),
    (rl.IoU(axis=(0, 2)), (2, 3, 4), (2, 3, 4), (3,)),
    (rl.GeneralizedDice(), (2, 3), (2, 3), ()),
    (rl.GeneralizedDice(axis=1, per_sample=True), (2, 3, 4), (2, 3, 4), (2,)),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "expected"), SHAPES)
def test_one_loss_per_unit(loss: Loss, y: Any, yhat: Any, expected: Any) -> None:
    value, grad = replace(loss, reduction="none").value_and_grad(np.zeros(y), np.full(yhat, 0.25))
    assert type(value) is np.ndarray
    assert value.shape == expected
    assert grad.shape == yhat


def test_scalars_are_arrays_without_axes() -> None:
    loss = rl.MeanSquaredError(reduction="none")
    value, grad = loss.value_and_grad(0.5, -0.25)
    assert (type(value), value.shape, value[()]) == (np.ndarray, (), 0.5625)
    assert (type(grad), grad.shape, grad[()]) == (np.ndarray, (), -1.5)
    assert rl.MeanSquaredError().value(0.5, -0.25) == 0.5625


@every_loss
def test_value_and_grad_are_the_same_together(loss: Loss) -> None:
    for problem in sampling.hard(loss, 17, 30):
        weight = weights(loss, problem.yhat)
        for each in reduced(loss, problem):
            for w in (None, weight):
                value, grad = each.value_and_grad(*problem, weight=w)
                assert np.asarray(value).tobytes() == np.asarray(each.value(*problem, weight=w)).tobytes()
                assert grad.tobytes() == each.grad(*problem, weight=w).tobytes()


def test_weight_is_a_keyword() -> None:
    with pytest.raises(TypeError):
        rl.MeanSquaredError().value([0.3], [0.7], [0.25])  # type: ignore[misc]


# ---- reductions ------------------------------------------------------------------------------------------------------


@every_loss
def test_sum_and_means_are_those_of_the_losses_rounded_once(loss: Loss) -> None:
    for problem in moderate(loss):
        given = weights(loss, problem.yhat)
        for weight in (None, given):
            each = loss.value(*problem, weight=weight)
            for other in reduced(loss, problem):
                divisor = {"sum": Fraction(1), "mean": Fraction(each.size)}.get(other.reduction)
                if other.reduction == "weighted_mean" and getattr(loss, "class_weight", None) is None:
                    divisor = exact(np.ones(each.shape) if weight is None else weight)
                if divisor is not None:
                    assert other.value(*problem, weight=weight) == nearest(exact(each) / divisor)


@every_loss
def test_gradients_of_the_reductions_are_the_losses_gradients_over_the_divisor(loss: Loss) -> None:
    for problem in moderate(loss):
        slope = loss.grad(*problem)
        count = loss.value(*problem).size
        if loss.reads_all_predictions and count & (count - 1):
            continue  # two terms that can cancel, each divided by N: the same bits only for a power of two
        for other in reduced(loss, problem):
            if other.reduction == "weighted_mean" and getattr(loss, "class_weight", None) is not None:
                continue
            divisor = 1 if other.reduction in ("none", "sum") else count
            np.testing.assert_array_max_ulp(other.grad(*problem), slope / divisor, maxulp=2)


@pytest.mark.parametrize("loss", [x for x in LOSSES if getattr(x, "class_weight", None) is None], ids=short)
def test_unweighted_weighted_mean_is_the_mean(loss: Loss) -> None:
    problem = one(loss)
    mean, weighted = replace(loss, reduction="mean"), replace(loss, reduction="weighted_mean")
    assert_same(results(weighted, *problem), results(mean, *problem))


def test_mean_of_losses_whose_sum_overflows() -> None:
    y, yhat = np.zeros(3), np.full(3, 1.7e308)
    assert rl.MeanAbsoluteError().value(y, yhat) == 1.7e308
    assert rl.MeanAbsoluteError(reduction="sum").value(y, yhat) == INF
    assert rl.MeanAbsoluteError(reduction="weighted_mean").value(y, yhat, weight=[0.25, 0.5, 0.25]) == 1.7e308


def test_mean_of_losses_is_rounded_once() -> None:
    # 3 × (1 + 2⁻⁵²) sums to a tie; rounded there and again after the division, the mean would differ
    yhat = np.full(3, 1 + 2.0**-52)
    assert rl.MeanAbsoluteError().value(np.zeros(3), yhat) == 1 + 2.0**-52
    assert rl.MeanAbsoluteError(reduction="sum").value([0.0, 0.0, 0.0], [1.0, 2.0**-53, 2.0**-1074]) == 1 + 2.0**-52


# ---- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [x for x in LOSSES if not x.reads_all_predictions], ids=short)
def test_weight_multiplies_each_loss_and_slope(loss: Loss) -> None:
    problem = one(loss)
    weight = weights(loss, problem.yhat)
    value, grad = loss.value_and_grad(*problem)
    layout = loss.layout.bind(problem.yhat.shape)
    column = weight.reshape(-1, *[1] * len(layout.groups))
    weighted_value, weighted_grad = loss.value_and_grad(*problem, weight=weight)
    np.testing.assert_array_equal(weighted_value, value * weight)
    np.testing.assert_array_max_ulp(weighted_grad, layout.restore(layout.arrange(grad) * column), maxulp=2)


@every_loss
def test_scaling_the_weights(loss: Loss) -> None:
    problem = one(loss)
    weight = weights(loss, problem.yhat)
    for each in reduced(loss, problem):
        factor = 1.0 if each.reduction == "weighted_mean" else 8.0
        plain, grown = results(each, *problem, weight), results(each, *problem, 8 * weight)
        assert_same(grown, [factor * a for a in plain])


GARBAGE = [(NAN, NAN), (7.5, INF), (INF, -INF), (-0.25, 1.25), (NAN, -3.5), (99.0, 0.25)]


@every_loss
@pytest.mark.parametrize("garbage", GARBAGE)
def test_zero_weight_removes_a_loss_whatever_stands_there(loss: Loss, garbage: tuple[float, float]) -> None:
    problem = one(loss)
    weight = weights(loss, problem.yhat)
    k = weight.size // 2
    weight.reshape(-1)[k] = 0.0
    spoiled = fill(loss, problem, k, *garbage)
    for each in reduced(loss, problem):
        assert_same(results(each, *spoiled, weight), results(each, *problem, weight))
    layout = loss.layout.bind(problem.yhat.shape)
    value, grad, low, high = results(loss, *spoiled, weight)
    assert value.reshape(-1)[k] == 0
    for array in (grad, low, high):
        assert not layout.arrange(array)[k].any()
    if weight.size > 1:
        assert np.count_nonzero(value) > 0
        total = exact(value)
        assert replace(loss, reduction="mean").value(*spoiled, weight=weight) == nearest(total / weight.size)


@pytest.mark.parametrize("loss", [x for x in LOSSES if x.reads_all_predictions], ids=short)
def test_zero_weight_takes_a_term_out_of_what_the_terms_share(loss: Loss) -> None:
    y, yhat = np.array([1.0, 0.0, 1.0, 0.0, 1.0]), np.array([0.25, 0.375, 0.75, 0.125, 0.625])
    weight = np.array([0.75, 0.0, 1.5, 0.25, 0.0])
    kept = weight > 0
    value, grad = loss.value_and_grad(y, yhat, weight=weight)
    alone = loss.value_and_grad(y[kept], yhat[kept], weight=weight[kept])
    assert_same((value[kept], grad[kept]), alone)
    assert not value[~kept].any()
    assert not grad[~kept].any()


def test_zero_weight_counts_in_the_mean_but_not_in_the_weighted_mean() -> None:
    y, yhat, weight = np.zeros(4), [0.5, 0.75, 5.0, 0.25], [0.75, 0.25, 0.0, 3.0]
    # Σwℓ = 3/16 + 9/64 + 3/16 = 33/64
    assert rl.MeanSquaredError().value(y, yhat, weight=weight) == 33 / 256
    assert rl.MeanSquaredError(reduction="weighted_mean").value(y, yhat, weight=weight) == 33 / 256  # Σw = 4 too
    weight = [0.75, 0.25, 0.0, 1.0]  # Σwℓ = 25/64, N = 4, Σw = 2
    assert rl.MeanSquaredError().value(y, yhat, weight=weight) == 25 / 256
    assert rl.MeanSquaredError(reduction="weighted_mean").value(y, yhat, weight=weight) == 25 / 128
    np.testing.assert_array_equal(
        rl.MeanSquaredError(reduction="weighted_mean").grad(y, yhat, weight=weight), [0.375, 0.1875, 0.0, 0.25]
    )


@every_loss
def test_zero_sum_of_weights(loss: Loss) -> None:
    problem = one(loss)
    weight = np.zeros(losses_shape(loss, problem.yhat))
    for each in reduced(loss, problem):
        value, *arrays = results(each, *problem, weight)
        if each.reduction == "weighted_mean":
            assert math.isnan(value)
        else:
            assert not np.any(value)
        for array in arrays:
            np.testing.assert_array_equal(array, np.zeros(problem.yhat.shape), strict=True)


@pytest.mark.parametrize("size", [2.0**1023, 2.0**-1073])
def test_weighted_mean_with_weights_at_the_ends_of_the_range(size: float) -> None:
    loss = rl.MeanSquaredError(reduction="weighted_mean")
    y, yhat, weight = np.zeros(3), [2.0, 4.0, 2.0], np.full(3, size)  # Σw = 3·2¹⁰²³ is no float, w/Σw is a third
    np.testing.assert_array_max_ulp(loss.grad(y, yhat, weight=weight), np.array([4.0, 8.0, 4.0]) / 3, maxulp=2)
    y = np.full(3, 2.0)
    yhat = [2.5, 2.75, 2.5] if size > 1 else [4.0, 6.0, 4.0]  # w·ℓ is a float for both sizes
    expected = Fraction(17, 48) if size > 1 else Fraction(8)
    assert loss.value(y, yhat, weight=weight) == nearest(expected)


def test_class_weights_divide_the_weighted_mean_as_in_pytorch() -> None:
    y, yhat = [0, 2, 1, 2], -np.array([[0.5, 9, 9], [9, 9, 3.0], [9, 0.25, 9], [9, 9, 5.0]])
    loss = rl.NegativeLogLikelihood(class_weight=(0.25, 4.0, 0.5))
    # Σ w[y]·nats = 1/8 + 3/2 + 1 + 5/2 = 41/8;  Σ w[y] = 1/4 + 1/2 + 4 + 1/2 = 21/4
    weighted = replace(loss, reduction="weighted_mean")
    assert loss.value(y, yhat) == 41 / 32
    assert weighted.value(y, yhat) == nearest(Fraction(41, 42))
    expected = np.zeros((4, 3))
    expected[range(4), y] = [-1 / 21, -2 / 21, -16 / 21, -2 / 21]
    np.testing.assert_array_max_ulp(weighted.grad(y, yhat), expected, maxulp=2)
    # with weights 3, 0, 1/4, 1/2: Σ = 3/8 + 0 + 1/4 + 5/4 = 15/8 over 3/4 + 0 + 1 + 1/4 = 2
    assert weighted.value(y, yhat, weight=[3.0, 0.0, 0.25, 0.5]) == 15 / 16


def test_class_weights_divide_the_weighted_mean_of_cross_entropy() -> None:
    y, yhat = [0, 2, 1], np.full((3, 3), 0.7)  # every loss is w[y] log 3
    loss = rl.CrossEntropy(class_weight=(0.3, 7.0, 0.05), reduction="weighted_mean")
    assert loss.value(y, yhat) == pytest.approx(math.log(3), rel=1e-15)
    assert replace(loss, reduction="mean").value(y, yhat) == pytest.approx(7.35 / 3 * math.log(3), rel=1e-15)


def test_classes_without_weight_leave_nothing_to_divide_by() -> None:
    loss = rl.NegativeLogLikelihood(class_weight=(0.0, 7.0, 0.05), reduction="weighted_mean")
    value, grad = loss.value_and_grad([0, 0], np.full((2, 3), -0.7))
    assert math.isnan(value)
    np.testing.assert_array_equal(grad, np.zeros((2, 3)), strict=True)


def test_no_mean_divides_by_pos_weight() -> None:
    loss = rl.BinaryCrossEntropyWithLogits(pos_weight=16.0)
    y, yhat = [1.0, 0.0, 1.0, 0.0], np.zeros(4)  # losses 16, 1, 16, 1 times log 2
    for reduction, expected in [("mean", 8.5), ("weighted_mean", 8.5), ("sum", 34.0)]:
        value = replace(loss, reduction=reduction).value(y, yhat)
        assert value == pytest.approx(expected * LOG_2, rel=1e-15)


@pytest.mark.parametrize("method", ["value", "grad", "value_and_grad", "subgradient"])
def test_soft_targets_with_class_weights_have_no_weighted_mean(method: str) -> None:
    loss = rl.CrossEntropy(class_weight=(0.3, 7.0, 0.05), reduction="weighted_mean")
    y = [[0.25, 0.5, 0.25], [0.125, 0.125, 0.75]]
    with pytest.raises(ValueError, match=r"CrossEntropy\(.*soft targets.*weighted_mean"):
        getattr(loss, method)(y, np.zeros((2, 3)))
    getattr(replace(loss, reduction="mean"), method)(y, np.zeros((2, 3)))
    getattr(replace(loss, class_weight=None), method)(y, np.zeros((2, 3)))


# ---- nothing to average ----------------------------------------------------------------------------------------------

NOTHING = [
    *[(loss, (0,), (0,)) for loss in ELEMENTWISE],
    *[(loss, (0,), (0,)) for loss in LOSSES if loss.reads_all_predictions],
    (rl.MeanAbsoluteError(), (3, 0, 2), (3, 0, 2)),
    (rl.Cauchy(0.7, [[4.0, 1.5], [1.5, 0.7]]), (0, 2), (0, 2)),
    (rl.CrossEntropy(label_smoothing=0.13), (0,), (0, 3)),
    (rl.CrossEntropy(axis=1), (0, 3, 2), (0, 3, 2)),
    (rl.CrossEntropy(class_weight=(0.3, 7.0, 0.05)), (0,), (0, 3)),
    (rl.NegativeLogLikelihood(axis=0, class_weight=(0.3, 7.0, 0.05)), (0,), (3, 0)),
    (rl.SparseCategoricalCrossEntropy(), (4, 0), (4, 0, 3)),
    (rl.Dice(axis=-1), (0, 3), (0, 3)),
    (rl.IoU(axis=(0, 2), smooth_nr=0.4, smooth_dr=5.0), (2, 0, 3), (2, 0, 3)),
    (rl.GeneralizedDice(axis=1, per_sample=True), (0, 3, 2), (0, 3, 2)),
]


@pytest.mark.parametrize(("loss", "y", "yhat"), NOTHING)
def test_nothing_has_mean_nan_sum_zero_and_no_gradient(loss: Loss, y: Any, yhat: Any) -> None:
    none = replace(loss, reduction="none").value(np.zeros(y), np.zeros(yhat))
    assert none.size == 0
    assert none.shape == losses_shape(loss, np.zeros(yhat))
    for reduction in REDUCTIONS:
        each = replace(loss, reduction=reduction)
        for weight in (None, np.zeros(none.shape)):
            value, *arrays = results(each, np.zeros(y), np.zeros(yhat), weight)
            if "mean" in reduction:
                assert math.isnan(value)
            elif reduction == "sum":
                assert value == 0
            for array in arrays:
                np.testing.assert_array_equal(array, np.zeros(yhat), strict=True)


SENTINELS = (-1, -100, 255, 1)  # the last is a class like any other
sentinels = pytest.mark.parametrize("sentinel", SENTINELS)
by_class = pytest.mark.parametrize(
    "make",
    [
        rl.CrossEntropy,
        lambda **k: rl.CrossEntropy(label_smoothing=0.13, class_weight=(0.3, 7.0, 0.05), **k),
        rl.NegativeLogLikelihood,
        lambda **k: rl.NegativeLogLikelihood(class_weight=(0.3, 7.0, 0.05), **k),
        rl.SparseCategoricalCrossEntropy,
    ],
)
ROWS = np.array([[0.25, 0.5, 0.125], [0.75, 0.125, 0.0625], [0.5, 0.25, 0.375], [0.125, 0.0625, 0.875]])


@by_class
@sentinels
def test_everything_ignored(make: Any, sentinel: int) -> None:
    y, yhat = np.full(3, sentinel), np.array([[NAN, 0.3, INF], [-INF, 7.0, NAN], [-9.0, INF, 0.7]])
    for reduction in REDUCTIONS:
        value, *arrays = results(make(ignore_index=sentinel, reduction=reduction), y, yhat)
        if reduction == "none":
            np.testing.assert_array_equal(value, np.zeros(3), strict=True)
        elif reduction == "sum":
            assert value == 0
        else:
            assert math.isnan(value)
        for array in arrays:
            np.testing.assert_array_equal(array, np.zeros((3, 3)), strict=True)


@by_class
@sentinels
@pytest.mark.parametrize("kept", [(2,), (1, 3)])
def test_ignored_rows_are_never_looked_at(make: Any, sentinel: int, kept: tuple[int, ...]) -> None:
    kept_rows, labels = list(kept), np.array([2, 0])[: len(kept)]
    y, yhat = np.full(4, sentinel), np.array([[NAN] * 3, [INF] * 3, [-INF, NAN, 9.0], [1e300, -0.25, 1.25]])
    y[kept_rows], yhat[kept_rows] = labels, ROWS[kept_rows]
    for reduction in REDUCTIONS:
        loss = make(ignore_index=sentinel, reduction=reduction)
        got, alone = results(loss, y, yhat), results(loss, labels, ROWS[kept_rows])
        if reduction == "none":
            assert not np.delete(got[0], kept_rows).any()
            got[0] = got[0][kept_rows]
        for k in (1, 2, 3):
            assert not np.delete(got[k], kept_rows, axis=0).any()
            got[k] = got[k][kept_rows]
        assert_same(got, alone)


@by_class
def test_ignored_positions_along_another_axis_and_with_weights(make: Any) -> None:
    y, yhat = np.array([[2, -100], [-100, 0]]), np.stack([ROWS[:2], ROWS[2:]]).transpose(0, 2, 1)  # (2, 3, 2)
    weight = np.array([[0.75, 5.0], [3.0, 0.25]])
    for reduction in ("mean", "weighted_mean", "sum"):
        loss = make(axis=1, ignore_index=-100, reduction=reduction)
        alone = make(reduction=reduction).value([2, 0], ROWS[[0, 3]], weight=[0.75, 0.25])
        assert loss.value(y, yhat, weight=weight) == alone
        spoiled = yhat.copy()
        spoiled[0, :, 1] = spoiled[1, :, 0] = NAN
        assert_same(results(loss, y, spoiled, weight), results(loss, y, yhat, weight))


def test_a_label_that_is_not_ignored_is_checked() -> None:
    with pytest.raises(ValueError, match=r"y\[1\] is -1, not a class index from 0 to 2"):
        rl.CrossEntropy(ignore_index=-100).value([-100, -1], np.zeros((2, 3)))


# ---- what comes in ---------------------------------------------------------------------------------------------------

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32"]
DTYPES += ["float64", "longdouble", ">f4", ">i2"]


def as_dtype(loss: Loss, dtype: Any) -> tuple[Any, Any]:
    """A problem whose numbers that dtype holds."""
    y, yhat = one(loss)
    y, kind = np.asarray(y), np.dtype(dtype).kind
    if kind in "biu":
        low = -2 if kind == "i" else 0
        bounded = loss.domain.yhat.outside(np.array([1.25]))[0]
        numbers = np.arange(yhat.size) % (2 if bounded or kind == "b" else 5) + (0 if bounded else low)
        yhat = numbers.reshape(yhat.shape)
        if isinstance(loss.domain.y, Labels):
            y = np.abs(y) if kind in "bu" else y
        elif not isinstance(loss.domain.y, Classes):
            y = (yhat[..., ::-1] + np.arange(yhat.shape[-1])) % 2
        elif y.shape == yhat.shape:
            y = np.arange(y.size).reshape(y.shape) % 2
        elif kind == "b":
            y = y % 2
    elif np.abs(yhat).max() > 1e4:  # more than float16 holds
        y, yhat = y / 2.0**15, yhat / 2.0**15
    return y.astype(dtype), yhat.astype(dtype)


def assert_read_as_float64(loss: Loss, y: Any, yhat: Any) -> None:
    for each in (loss, replace(loss, reduction="mean")):
        assert_same(results(each, y, yhat), results(each, np.asarray(y, float), np.asarray(yhat, float)))
        weight = np.ones(losses_shape(loss, yhat)).astype(yhat.dtype)
        assert_same(results(each, y, yhat, weight), results(each, np.asarray(y, float), np.asarray(yhat, float)))


@every_loss
def test_any_real_dtype_comes_in_and_float64_comes_out(loss: Loss) -> None:
    for dtype in DTYPES:
        y, yhat = as_dtype(loss, dtype)
        assert yhat.dtype == np.dtype(dtype)
        assert_read_as_float64(loss, y, yhat)


@every_loss
def test_bfloat16_comes_in(loss: Loss) -> None:
    bfloat16 = pytest.importorskip("ml_dtypes", reason="pip install ml_dtypes for bfloat16").bfloat16
    y, yhat = as_dtype(loss, bfloat16)
    assert np.asarray(yhat).dtype == bfloat16
    assert_read_as_float64(loss, y, yhat)


def test_numbers_beyond_float64_are_read_without_a_warning() -> None:
    if np.finfo(np.longdouble).maxexp == np.finfo(float).maxexp:
        pytest.skip("longdouble is float64 on this platform")
    big, small = np.ldexp(np.longdouble(3), 5000), np.ldexp(np.longdouble(3), -5000)
    loss = rl.MeanAbsoluteError(reduction="none")
    for errors in ("warn", "raise"):
        with np.errstate(all=errors):
            value, grad = loss.value_and_grad(np.array([0.25] * 2), np.array([big, small]))
        np.testing.assert_array_equal(value, [INF, 0.25])
        np.testing.assert_array_equal(grad, [1.0, -1.0])


class Tensor:
    """What another library's tensor looks like to NumPy."""

    def __init__(self, data: Any) -> None:
        self.data = np.asarray(data)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.data if dtype is None else self.data.astype(dtype)


def forms(a: Any, tmp_path: Any) -> Iterator[tuple[str, Any]]:
    """The same numbers in other places of memory."""
    a = np.asarray(a)
    yield "Fortran order", np.array(a, order="F")
    spread = np.full([2 * n for n in a.shape], 0).astype(a.dtype)
    spread[tuple(slice(None, None, 2) for _ in a.shape)] = a
    yield "every other element", spread[tuple(slice(None, None, 2) for _ in a.shape)]
    yield "negative strides", np.flip(np.flip(a).copy())
    read_only = a.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only
    name = tmp_path / "array"
    if a.size:
        np.memmap(name, a.dtype, "w+", shape=a.shape or (1,))[...] = a
        yield "memory-mapped", np.memmap(name, a.dtype, "r", shape=a.shape or (1,)).reshape(a.shape)
    yield "list", a.tolist()
    yield "tuple", as_tuples(a.tolist())
    yield "tensor", Tensor(a)
    yield "other byte order", a.astype(a.dtype.newbyteorder())


def as_tuples(a: Any) -> Any:
    return tuple(map(as_tuples, a)) if isinstance(a, list) else a


@every_loss
def test_memory_layout_does_not_matter(loss: Loss, tmp_path: Any) -> None:
    y, yhat = one(loss)
    weight = weights(loss, yhat)
    expected = results(loss, y, yhat, weight)
    named_y, named_yhat, named_weight = (
        dict(forms(a, tmp_path / name)) if (tmp_path / name).mkdir() is None else {}
        for name, a in (("y", y), ("yhat", yhat), ("weight", weight))
    )
    for name in named_yhat:
        assert_same(results(loss, named_y[name], named_yhat[name], named_weight[name]), expected)


@every_loss
def test_inputs_are_left_alone_and_results_are_their_own(loss: Loss) -> None:
    problem = one(loss)
    y, yhat, weight = np.asarray(problem.y, float), problem.yhat.copy(), weights(loss, problem.yhat)
    inputs = (y, yhat, weight)
    before = [a.copy() for a in inputs]
    for each in reduced(loss, problem):
        for w in (None, weight):
            given = results(each, y, yhat, w)
            arrays = [a for a in given if isinstance(a, np.ndarray)]
            expected = [np.copy(a) for a in given]
            for i, array in enumerate(arrays):
                assert array.flags.writeable
                assert not any(np.shares_memory(array, a) for a in (*inputs, *arrays[:i]))
            for array in arrays:
                array[...] = 7.25
            assert_same(inputs, before)
            assert_same(results(each, y, yhat, w), [float(a) if a.ndim == 0 and each.reduction != "none" else a
                                                    for a in expected])  # fmt: skip


# ---- NaN -------------------------------------------------------------------------------------------------------------


def spoil(a: Any, at: Any) -> Any:
    out = np.array(a, float)
    out[at] = NAN
    return out


def assert_nan_exactly(a: Any, mask: Any) -> None:
    np.testing.assert_array_equal(np.isnan(a), mask)


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=short)
def test_nan_reaches_its_own_element_only(loss: Loss) -> None:
    y, yhat = one(loss)
    mask = np.arange(yhat.size).reshape(yhat.shape) == yhat.size // 3
    spoiled = [(y, spoil(yhat, mask))]
    if not isinstance(loss.domain.y, Labels):
        spoiled.append((spoil(y, mask), yhat))
    clean = results(loss, y, yhat)
    for problem in spoiled:
        got = results(loss, *problem)
        for a, b in zip(got, clean, strict=True):
            assert_nan_exactly(a, mask)
            np.testing.assert_array_equal(a[~mask], b[~mask])
        for reduction in ("mean", "weighted_mean", "sum"):
            value, grad, *_ = results(replace(loss, reduction=reduction), *problem)
            assert math.isnan(value)
            assert_nan_exactly(grad, mask)


@pytest.mark.parametrize(
    ("loss", "y", "unit"),
    [
        (rl.CrossEntropy(), [0, 2, 1], np.s_[1, :]),
        (rl.CrossEntropy(label_smoothing=0.13, class_weight=(0.3, 7.0, 0.05)), [0, 2, 1], np.s_[1, :]),
        (rl.CrossEntropy(axis=0), [0, 2, 1], np.s_[:, 2]),
        (rl.Dice(axis=-1), None, np.s_[1, :]),
        (rl.Dice(axis=0, smooth_nr=0.3, smooth_dr=7.0), None, np.s_[:, 2]),
        (rl.Dice(), None, np.s_[:, :]),
        (rl.IoU(axis=-1), None, np.s_[1, :]),
        (rl.IoU(), None, np.s_[:, :]),
        (rl.GeneralizedDice(), None, np.s_[:, :]),
        (rl.Cauchy(0.7, [[4.0, 1.5, 0.0], [1.5, 0.7, 0.0], [0.0, 0.0, 3.0]]), None, np.s_[1, :]),
    ],
)
def test_nan_reaches_its_own_row_or_overlap_only(loss: Loss, y: Any, unit: Any) -> None:
    loss = replace(loss, reduction="none")
    soft = np.array([[0.75, 0.125, 0.25], [0.5, 0.25, 0.125], [0.0625, 0.5, 0.375]])
    yhat = np.array([[0.25, 0.5, 0.75], [0.375, 0.125, 0.875], [0.625, 0.0625, 0.4375]])
    mask = np.zeros((3, 3), bool)
    mask[unit] = True
    targets = [t for t in (y, soft) if t is not None]
    for target in targets:
        spoiled = [(target, spoil(yhat, (1, 2)))] + ([(spoil(soft, (1, 2)), yhat)] if target is soft else [])
        clean = results(loss, target, yhat)
        for problem in spoiled:
            value, grad, low, high = results(loss, *problem)
            for a, b in zip((grad, low, high), clean[1:], strict=True):
                # in Ω = [[…, 0], [0, 0, 3]] the last component does not touch the others' pull, but s it does
                assert_nan_exactly(a, mask)
                np.testing.assert_array_equal(a[~mask], b[~mask])
            value_mask = loss.layout.bind((3, 3)).arrange(mask).reshape(value.size, -1).any(axis=1)
            assert_nan_exactly(value.reshape(-1), value_mask)
            np.testing.assert_array_equal(value.reshape(-1)[~value_mask], clean[0].reshape(-1)[~value_mask])


def test_nan_in_a_component_without_information_reaches_nothing() -> None:
    loss = rl.Cauchy(0.7, [[4.0, 0.0], [0.0, 0.0]], reduction="none")
    value, grad = loss.value_and_grad([[0.0, 0.0]], [[0.25, NAN]])
    clean = loss.value_and_grad([[0.0, 0.0]], [[0.25, 0.0]])
    assert_same((value, grad[:, :1]), (clean[0], clean[1][:, :1]))


@pytest.mark.parametrize("class_weight", [None, (0.25, 4.0, 0.5)])
def test_nan_reaches_the_picked_entry_of_negative_log_likelihood(class_weight: Any) -> None:
    loss = rl.NegativeLogLikelihood(class_weight=class_weight, reduction="none")
    y, yhat = [0, 2], np.array([[-0.5, -3.0, -7.0], [-0.25, -3.0, -5.0]])
    clean = results(loss, y, yhat)
    for at in [(0, 1), (0, 2), (1, 0), (1, 1)]:
        assert_same(results(loss, y, spoil(yhat, at)), clean)
    value, grad, *_ = results(loss, y, spoil(yhat, (1, 2)))
    assert_nan_exactly(value, [False, True])
    np.testing.assert_array_equal(grad, clean[1])  # the loss is linear: its slope does not depend on yhat


def test_nan_reaches_the_picked_entry_of_sparse_categorical_cross_entropy() -> None:
    loss = rl.SparseCategoricalCrossEntropy(reduction="none")
    y, yhat = [0, 2], np.array([[0.5, 0.25, 0.25], [0.125, 0.25, 0.625]])
    clean = results(loss, y, yhat)
    for at in [(0, 1), (0, 2), (1, 0), (1, 1)]:
        assert_same(results(loss, y, spoil(yhat, at)), clean)
    value, grad, *_ = results(loss, y, spoil(yhat, (1, 2)))
    assert_nan_exactly(value, [False, True])
    assert_nan_exactly(grad, [[False] * 3, [False, False, True]])


def test_nan_in_weighted_cross_entropy_reaches_what_the_weight_multiplies() -> None:
    y, yhat = [1.0, 0.0, 0.5], [0.25, 0.375, 0.75]
    mine = [True, False, False]
    constant = rl.WeightedCrossEntropy(weight=3.7, reduction="none")
    for result in constant.value_and_grad(y, spoil(yhat, 0)):
        assert_nan_exactly(result, mine)
    for loss, through_w in [(rl.WeightedCrossEntropy(), False), (rl.WeightedCrossEntropy(weight_grad="full"), True)]:
        each = replace(loss, reduction="none")
        value, grad = each.value_and_grad(y, spoil(yhat, 0))
        assert_nan_exactly(value, [True, False, True])  # at y = 0 the term is −log(1 − yhat), without w
        assert_nan_exactly(grad, [True, through_w, True])
        value, grad = each.value_and_grad(spoil(y, 0), yhat)
        assert_nan_exactly(value, mine)
        assert_nan_exactly(grad, [True, through_w, through_w])


@pytest.mark.parametrize("loss", [x for x in LOSSES if isinstance(x.domain.y, Labels | Classes)], ids=short)
def test_nan_labels_raise(loss: Loss) -> None:
    for problem in moderate(loss):
        if np.shape(problem.y) != problem.yhat.shape or isinstance(loss.domain.y, Labels):
            with pytest.raises(ValueError, match=r"y\[0\] is nan, not a (label|class index)"):
                loss.value(spoil(problem.y, 0), problem.yhat)
            return
    pytest.fail("no problem with labels")


def test_nan_beside_an_infinity_still_is_nan() -> None:
    _, grad = rl.CrossEntropy(reduction="none").value_and_grad([0, 1], [[INF, NAN, 0.3], [-INF, 0.3, NAN]])
    assert_nan_exactly(grad, np.ones((2, 3), bool))
    value, grad = rl.Cauchy(0.7, [[4.0, 0.0], [0.0, 0.75]], reduction="none").value_and_grad([[0.0, 0.0]], [[INF, NAN]])
    assert_nan_exactly(value, [True])
    assert_nan_exactly(grad, [[True, True]])


# ---- infinities and exact points -------------------------------------------------------------------------------------

OMEGA = [[4.0, 0.0], [0.0, 0.75]]
ALONE = [[4.0, 0.0], [0.0, 0.0]]
NANS = [NAN, NAN, NAN]

LIMITS = [
    # loss, y, yhat, value, grad
    (rl.MeanSquaredError(), 0.3, INF, INF, INF),
    (rl.MeanSquaredError(), 0.3, -INF, INF, -INF),
    (rl.MeanSquaredError(), INF, 0.3, INF, -INF),
    (rl.MeanSquaredError(), -INF, INF, INF, INF),
    (rl.MeanSquaredError(), INF, INF, NAN, NAN),
    (rl.MeanAbsoluteError(), 0.3, INF, INF, 1),
    (rl.MeanAbsoluteError(), 0.3, -INF, INF, -1),
    (rl.MeanAbsoluteError(), INF, 0.3, INF, -1),
    (rl.MeanAbsoluteError(), -INF, -INF, NAN, NAN),
    (rl.Huber(0.75), 0.3, INF, INF, 0.75),
    (rl.Huber(0.75), 0.3, -INF, INF, -0.75),
    (rl.Huber(0.75), INF, 0.3, INF, -0.75),
    (rl.Huber(0.75), INF, INF, NAN, NAN),
    (rl.Huber(0.25), -1.5e308, 1.5e308, 7.5e307, 0.25),  # the residual overflows, the loss does not
    (rl.Hinge(), 1, INF, 0, 0),
    (rl.Hinge(), 1, -INF, INF, -1),
    (rl.Hinge(), -1, -INF, 0, 0),
    (rl.Hinge(), -1, INF, INF, 1),
    (rl.Cauchy(0.7), 0.3, INF, INF, 0),
    (rl.Cauchy(0.7), 0.3, -INF, INF, 0),
    (rl.Cauchy(0.7), INF, 0.3, INF, 0),
    (rl.Cauchy(0.7), INF, INF, NAN, NAN),
    (rl.Cauchy(0.7, OMEGA), [0.3, 0.7], [0.5, -INF], INF, [0, 0]),
    (rl.Cauchy(0.7, OMEGA), [INF, 0.7], [0.5, 0.3], INF, [0, 0]),
    (rl.Cauchy(0.7, OMEGA), [INF, 0.7], [INF, 0.3], NAN, [NAN, NAN]),
    (rl.Cauchy(0.7, OMEGA), [0.3, 0.7], [INF, -INF], INF, [0, 0]),  # s = 4e₁² + ¾e₂², however they grow
    (rl.Cauchy(0.7, ALONE), [0.3, 0.7], [INF, INF], INF, [0, 0]),  # the second has no part in s
    (rl.Cauchy(0.7, ALONE), [0.3, 0.7], [0.3, INF], 0, [0, 0]),
    (rl.Cauchy(0.7, [[4.0, -4.0], [-4.0, 4.0]]), [0.3, 0.7], [INF, INF], NAN, [NAN, NAN]),  # s = 4(e₁ − e₂)²
    (rl.BinaryCrossEntropy(), 0, 0, 0, 1),
    (rl.BinaryCrossEntropy(), 1, 1, 0, -1),
    (rl.BinaryCrossEntropy(), 1, 0, INF, -INF),
    (rl.BinaryCrossEntropy(), 0, 1, INF, INF),
    (rl.BinaryCrossEntropy(), 0.25, 0, INF, -INF),
    (rl.BinaryCrossEntropy(), 0.25, 1, INF, INF),
    (rl.BinaryCrossEntropy(clamp=0.25), 1, 0, 2 * LOG_2, 0),
    (rl.BinaryCrossEntropy(clamp=0.25), 0, 1, 2 * LOG_2, 0),
    (rl.BinaryCrossEntropyWithLogits(), 1, INF, 0, 0),
    (rl.BinaryCrossEntropyWithLogits(), 0, -INF, 0, 0),
    (rl.BinaryCrossEntropyWithLogits(), 0, INF, INF, 1),
    (rl.BinaryCrossEntropyWithLogits(), 1, -INF, INF, -1),
    (rl.BinaryCrossEntropyWithLogits(), 0.25, INF, INF, 0.75),
    (rl.BinaryCrossEntropyWithLogits(), 0.25, -INF, INF, -0.25),
    (rl.BinaryCrossEntropyWithLogits(pos_weight=16.0), 1, INF, 0, 0),
    (rl.BinaryCrossEntropyWithLogits(pos_weight=16.0), 1, -INF, INF, -16),
    (rl.BinaryCrossEntropyWithLogits(pos_weight=16.0), 0.25, -INF, INF, -4),
    (rl.BinaryCrossEntropyWithLogits(pos_weight=16.0), 0.25, INF, INF, 0.75),
    (rl.BinaryCrossEntropyWithLogits(pos_weight=0.0), 1, -INF, 0, 0),
    *[(rl.Focal(gamma), 1, 1, 0, 0) for gamma in (0.3, 4.5, 30.0)],
    *[(rl.Focal(gamma, 0.25), 0, 0, 0, 0) for gamma in (0.3, 4.5, 30.0)],
    *[(rl.Focal(gamma), 1, 0, INF, -INF) for gamma in (0.0, 0.3, 4.5, 30.0)],
    *[(rl.Focal(gamma, 0.25), 0, 1, INF, INF) for gamma in (0.0, 0.3, 4.5, 30.0)],
    (rl.Focal(0.0), 1, 1, 0, -1),
    (rl.Focal(0.0), 0, 0, 0, 1),
    (rl.Focal(0.0, 0.25), 1, 1, 0, -0.25),
    (rl.Focal(0.0, 0.25), 0, 0, 0, 0.75),
    (rl.Focal(3.0, 0.25, 0.25), 1, 1, 0, 0),
    (rl.Focal(3.0, 0.25, 0.25), 1, 0, 0.25 * 2 * LOG_2, 0.25 * -3 * 2 * LOG_2),  # −α γ q² (−log c) at q = 1
    (rl.Focal(3.0, 0.25, 0.25), 0, 1, 0.75 * 2 * LOG_2, 0.75 * 3 * 2 * LOG_2),
    *[(rl.FocalWithLogits(gamma), 1, INF, 0, 0) for gamma in (0.0, 0.3, 4.5, 30.0)],
    *[(rl.FocalWithLogits(gamma), 0, -INF, 0, 0) for gamma in (0.0, 0.3, 4.5, 30.0)],
    *[(rl.FocalWithLogits(gamma), 1, -INF, INF, -1) for gamma in (0.0, 0.3, 4.5, 30.0)],
    *[(rl.FocalWithLogits(gamma, 0.25), 1, -INF, INF, -0.25) for gamma in (0.0, 0.3, 4.5, 30.0)],
    *[(rl.FocalWithLogits(gamma, 0.25), 0, INF, INF, 0.75) for gamma in (0.0, 0.3, 4.5, 30.0)],
    (rl.FocalWithLogits(3.0, 0.25, 0.25), 1, INF, 0, 0),
    (rl.FocalWithLogits(3.0, 0.25, 0.25), 1, -INF, 0.25 * 2 * LOG_2, 0),
    (rl.FocalWithLogits(3.0, 0.25, 0.25), 0, INF, 0.75 * 2 * LOG_2, 0),
    (rl.CrossEntropy(), 0, [INF, 0.3, -0.7], 0, [0, 0, 0]),
    (rl.CrossEntropy(), 1, [INF, 0.3, -0.7], INF, [1, -1, 0]),
    (rl.CrossEntropy(), 1, [INF, -INF, 0.3], INF, [1, -1, 0]),
    (rl.CrossEntropy(), 0, [INF, INF, 0.3], NAN, NANS),
    (rl.CrossEntropy(), 2, [INF, INF, 0.3], NAN, NANS),
    (rl.CrossEntropy(), 2, [INF, INF, INF], NAN, NANS),
    (rl.CrossEntropy(), 1, [-INF, 0.5, 0.5], LOG_2, [0, -0.5, 0.5]),
    (rl.CrossEntropy(), 0, [-INF, 0.5, 0.5], INF, [-1, 0.5, 0.5]),
    (rl.CrossEntropy(), 2, [-INF, -INF, 0.3], 0, [0, 0, 0]),
    (rl.CrossEntropy(), 2, [-INF, -INF, -INF], NAN, NANS),
    (rl.CrossEntropy(), [0.25, 0.75, 0], [INF, 0.3, -0.7], INF, [0.75, -0.75, 0]),
    (rl.CrossEntropy(), [0.25, 0, 0], [INF, 0.3, -0.7], 0, [0, 0, 0]),
    (rl.CrossEntropy(), [0, 0.25, 0.75], [-INF, 0.5, 0.5], LOG_2, [0, 0.25, -0.25]),
    (rl.CrossEntropy(class_weight=(0.25, 3.0, 5.0)), 1, [INF, 0.3, 0.3], INF, [3, -3, 0]),
    (rl.CrossEntropy(class_weight=(0.25, 3.0, 5.0)), 1, [-INF, 0.5, 0.5], 3 * LOG_2, [0, -1.5, 1.5]),
    (rl.CrossEntropy(class_weight=(0.0, 3.0, 5.0)), 0, [-INF, 0.5, 0.5], 0, [0, 0, 0]),
    (rl.CrossEntropy(label_smoothing=0.25), 0, [INF, 0.3], INF, [0.125, -0.125]),
    (rl.CrossEntropy(label_smoothing=0.25), 1, [-INF, 0.3], INF, [-0.125, 0.125]),
    (rl.NegativeLogLikelihood(), 1, [-0.3, -INF, -0.7], INF, [0, -1, 0]),
    (rl.NegativeLogLikelihood(), 1, [-0.3, INF, -0.7], -INF, [0, -1, 0]),
    (rl.NegativeLogLikelihood(), 0, [-0.75, -INF, INF], 0.75, [-1, 0, 0]),
    (rl.NegativeLogLikelihood(class_weight=(0.25, 3.0, 5.0)), 2, [-0.3, -0.7, -INF], INF, [0, 0, -5]),
    (rl.NegativeLogLikelihood(class_weight=(0.0, 3.0, 5.0)), 0, [-INF, -0.3, -0.7], 0, [0, 0, 0]),
    (rl.SparseCategoricalCrossEntropy(), 1, [0.5, 0, 0.5], INF, [0, -INF, 0]),
    (rl.SparseCategoricalCrossEntropy(), 0, [0.5, 0, 0.5], LOG_2, [-2, 0, 0]),
    (rl.SparseCategoricalCrossEntropy(), 2, [0, 0, 1], 0, [0, 0, -1]),
    (rl.Dice(), [0, 0], [0, 0], 0, [0, 0]),
    (rl.Dice(), [0, 0], [0.25, 0], 1, [0, 0]),
    (rl.Dice(), [1, 0], [0, 0], 1, [-2, 0]),
    (rl.Dice(), [1, 1], [1, 1], 0, [-0.25, -0.25]),
    (rl.GeneralizedDice(), [[0, 0], [0, 0]], [[0, 0], [0, 0]], 0, [[0, 0], [0, 0]]),
    (rl.WeightedCrossEntropy(weight=3.0), [1, 0], [0, 1], [INF, INF], [-INF, INF]),
    (rl.WeightedCrossEntropy(weight=3.0), [1, 0], [1, 0], [0, 0], [-3, 1]),
    (rl.WeightedCrossEntropy(), [1, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, INF], [-3, 1, 1, -INF]),  # w = 3/1
    (rl.WeightedCrossEntropy(), [1, 1], [1, 1], [0, 0], [0, 0]),  # w = 0
    (rl.WeightedCrossEntropy(), [0], [5e-324], [5e-324], [1]),  # w overflows, times nothing
    *added("LIMITS"),
]


@pytest.mark.parametrize(
    ("loss", "y", "yhat", "value", "grad"), LIMITS, ids=[f"{short(row[0])} {row[1]} {row[2]}" for row in LIMITS]
)
def test_limits_and_exact_points(loss: Loss, y: Any, yhat: Any, value: Any, grad: Any) -> None:
    each = replace(loss, reduction="none")
    got_value, got_grad, low, high = results(each, y, yhat)
    np.testing.assert_allclose(got_value, value, rtol=1e-15, atol=0)
    np.testing.assert_allclose(got_grad, grad, rtol=1e-15, atol=0)
    np.testing.assert_array_equal(low, got_grad)  # no kink at any of these
    np.testing.assert_array_equal(high, got_grad)


def test_the_table_of_limits_has_every_loss() -> None:
    missing = set(losses().values()) - {type(row[0]) for row in LIMITS}
    assert not missing, "give LIMITS a row for each, here or in tests/losses/test_<loss>.py"


def test_an_infinity_harms_no_other_loss() -> None:
    rows = [([0.3, INF, -0.7], 0), ([0.25, 0.5, 0.75], 2), ([-INF, 0.5, 0.5], 1), ([INF, INF, 0.0], 0)]
    loss = rl.CrossEntropy(reduction="none")
    value, grad = loss.value_and_grad([t for _, t in rows], [z for z, _ in rows])
    for k, (z, t) in enumerate(rows):
        assert_same((value[k], grad[k]), loss.value_and_grad(t, z))
    mean, grad = rl.MeanSquaredError().value_and_grad([0.0, 0.0], [INF, 0.75])
    assert mean == INF
    np.testing.assert_array_equal(grad, [INF, 0.75])


# ---- floating-point signals ------------------------------------------------------------------------------------------


def hostile(loss: Loss) -> Iterator[Problem]:
    """Hard inputs, and the same with infinities and NaN wherever the domains let them in."""
    for problem in sampling.hard(loss, 23, 80):
        yield problem
        for bad in (INF, -INF, NAN):
            if not loss.domain.yhat.outside(np.array([bad, 0.5])).any():
                yhat = problem.yhat.copy()
                yhat.reshape(-1)[::3] = bad
                yield Problem(problem.y, yhat)
                if np.shape(problem.y) == yhat.shape and not loss.domain.y.outside(np.array([bad])).any():
                    yield Problem(np.where(np.isfinite(yhat), problem.y, bad), problem.yhat)
                    yield Problem(np.where(np.isfinite(yhat), problem.y, bad), yhat)


@every_loss
def test_no_warning_escapes_and_no_signal_is_raised(loss: Loss) -> None:
    for problem in hostile(loss):
        for each in reduced(loss, problem):
            for weight in (None, weights(loss, problem.yhat)):
                quiet = results(each, *problem, weight)  # a RuntimeWarning is an error in this test suite
                with np.errstate(all="raise"):
                    assert_same(results(each, *problem, weight), quiet)


def test_warnings_are_errors_here() -> None:
    with pytest.raises(RuntimeWarning, match="divide by zero"):
        np.log(np.zeros(3))


@pytest.mark.parametrize(
    ("loss", "y", "yhat", "weight", "value"),
    [
        (rl.NegativeLogLikelihood(), [0, 0], [[INF, -3.0], [-INF, -3.0]], None, NAN),  # ∞ − ∞
        (rl.NegativeLogLikelihood(class_weight=(1e200, 0.3)), [0, 0], [[-0.3, 0.0]] * 2, [1e200, 1e200], None),
        (rl.NegativeLogLikelihood(class_weight=(1e-200, 0.3)), [0, 0], [[-0.3, 0.0]] * 2, [1e-200, 1e-200], None),
        (rl.MeanSquaredError(), [0.3, 0.7], [1e200, -1e-200], [1e200, 1e-300], INF),
        (rl.MeanAbsoluteError(), [0.0, 0.0], [1e-200, 1e-200], [1e-200, 1e-200], 0),
    ],
)
@every_reduction
def test_no_warning_from_the_reduction(
    loss: Loss, y: Any, yhat: Any, weight: Any, value: float | None, reduction: str
) -> None:
    each = replace(loss, reduction=reduction)
    quiet = results(each, y, yhat, weight)
    if value is not None and reduction in ("mean", "sum"):
        np.testing.assert_equal(quiet[0], value)
    with np.errstate(all="raise"):
        assert_same(results(each, y, yhat, weight), quiet)


@pytest.mark.parametrize("delta", [1e-6, 0.7, 1e6, 1e-200, 1e200])
@pytest.mark.parametrize("method", ["rho", "weight", "rho_second", "scipy_rho"])
def test_no_warning_from_the_kernel(delta: float, method: str) -> None:
    s = np.array([0.0, 5e-324, 1e-300, 0.3, 1e13, 1e300, 1.7e308, INF])
    kernel = getattr(rl.Cauchy(delta), method)
    quiet = kernel(s)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(kernel(s), quiet)


@pytest.mark.parametrize("z", [[[0.0, 745.0, -745.0]], [[INF, 0.3, -INF]], [[-INF, 0.3, 0.7]], [[NAN, 0.3, 1e308]]])
def test_no_warning_from_log_softmax(z: Any) -> None:
    quiet = rl.log_softmax(z)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(rl.log_softmax(z), quiet)


@every_loss
def test_construction_raises_no_signal(loss: Loss) -> None:
    with np.errstate(all="raise"):
        assert replace(loss, reduction="sum") == replace(loss, reduction="sum")


# ---- no silent broadcasting ------------------------------------------------------------------------------------------


@every_loss
def test_shapes_must_match(loss: Loss) -> None:
    y, yhat = one(loss)
    y = np.asarray(y)
    for wrong in (y[..., None], y[None], y.reshape(-1)[:1].reshape(()), np.concatenate([y, y])):
        if wrong.shape != y.shape:
            with pytest.raises(ValueError, match="shape") as error:
                loss.value(wrong, yhat)
            for part in (repr(loss), str(wrong.shape), str(yhat.shape)):
                assert part in str(error.value)


@every_loss
def test_the_weight_has_the_shape_of_the_losses(loss: Loss) -> None:
    y, yhat = one(loss)
    weight = weights(loss, yhat)
    for wrong in (weight[..., None], weight[None], 0.75, np.full(weight.size + 1, 0.75), np.ones((*yhat.shape, 3))):
        if np.shape(wrong) != weight.shape:
            for method in (loss.value, loss.grad, loss.value_and_grad, loss.subgradient):
                with pytest.raises(ValueError, match="weight") as error:
                    method(y, yhat, weight=wrong)
                for part in (repr(loss), str(np.shape(wrong)), str(weight.shape)):
                    assert part in str(error.value)


def test_the_usual_accident() -> None:
    message = r"MeanSquaredError\(reduction='mean'\): y has shape \(3,\) and yhat \(3, 1\)"
    with pytest.raises(ValueError, match=message):
        rl.MeanSquaredError().value([0.3, 0.5, 0.7], [[0.3], [0.5], [0.7]])


def test_pos_weight_broadcasts_against_the_losses() -> None:
    y, yhat = np.ones((2, 3)), np.zeros((2, 3))
    for pos_weight, expected in [
        (5.0, [[5, 5, 5], [5, 5, 5]]),
        ([0.25, 3.0, 16.0], [[0.25, 3, 16], [0.25, 3, 16]]),
        ([[0.25], [16.0]], [[0.25] * 3, [16] * 3]),
        ([[0.25, 3.0, 16.0], [5.0, 0.5, 7.0]], [[0.25, 3, 16], [5, 0.5, 7]]),
    ]:
        loss = rl.BinaryCrossEntropyWithLogits(pos_weight=pos_weight, reduction="none")
        value, grad = loss.value_and_grad(y, yhat)
        np.testing.assert_array_max_ulp(value, np.array(expected) * LOG_2, maxulp=4)
        np.testing.assert_array_equal(grad, np.array(expected) * -0.5)


@pytest.mark.parametrize("pos_weight", [[0.3, 7.0], [[0.3], [7.0]], [[[0.3, 7.0, 5.0]]], [[0.3, 7.0, 5.0]] * 2])
def test_pos_weight_that_would_enlarge_the_result_raises(pos_weight: Any) -> None:
    loss = rl.BinaryCrossEntropyWithLogits(pos_weight=pos_weight)
    with pytest.raises(ValueError, match=r"pos_weight of shape .* does not broadcast") as error:
        loss.value(np.ones(3), np.zeros(3))
    assert str(np.shape(pos_weight)) in str(error.value)
    assert "(3,)" in str(error.value)


def test_information_broadcasts_against_the_vectors() -> None:
    y, yhat = np.zeros((3, 2)), np.array([[0.5, 0.25], [0.75, -0.5], [-0.25, 0.125]])
    one, other = [[4.0, 1.5], [1.5, 0.75]], [[0.5, -0.25], [-0.25, 3.0]]
    shared = rl.Cauchy(0.7, one, reduction="none").value_and_grad(y, yhat)
    repeated = rl.Cauchy(0.7, [one] * 3, reduction="none").value_and_grad(y, yhat)
    mixed = rl.Cauchy(0.7, [one, other, one], reduction="none").value_and_grad(y, yhat)
    single = rl.Cauchy(0.7, other, reduction="none").value_and_grad(y, yhat)
    assert_same(repeated, shared)
    for k, expected in enumerate([shared, single, shared]):
        assert_same([a[k] for a in mixed], [a[k] for a in expected])
    assert np.all(mixed[0] > 0)
    assert mixed[0][1] != shared[0][1]


@pytest.mark.parametrize(
    ("information", "shape"),
    [
        (np.full((2, 1, 1), 0.75) * np.eye(2), (3, 2)),  # two matrices, three vectors
        (np.full((3, 1, 1), 0.75) * np.eye(2), (2,)),  # three matrices, one vector
        (np.eye(3) * 0.75, (4, 2)),
        ([[0.75]], (4, 2)),
        ([[0.75]], (2,)),
        (np.eye(2) * 0.75, (4, 3)),
        (np.eye(2) * 0.75, (4, 1)),
    ],
)
def test_information_that_does_not_fit_the_vectors_raises(information: Any, shape: Any) -> None:
    loss = rl.Cauchy(0.7, information)
    with pytest.raises(ValueError, match="information") as error:
        loss.value(np.zeros(shape), np.full(shape, 0.25))
    assert repr(loss) in str(error.value)
    assert str(np.shape(information)) in str(error.value)


# ---- kinks -----------------------------------------------------------------------------------------------------------


@every_loss
def test_one_slope_where_the_loss_is_differentiable(loss: Loss) -> None:
    for problem in moderate(loss):
        for each in reduced(loss, problem):
            grad = each.grad(*problem, weight=weights(loss, problem.yhat))
            low, high = each.subgradient(*problem, weight=weights(loss, problem.yhat))
            np.testing.assert_array_equal(low, grad)
            np.testing.assert_array_equal(high, grad)


@every_loss
def test_the_gradient_lies_between_the_one_sided_slopes(loss: Loss) -> None:
    for problem in sampling.hard(loss, 29, 200):
        for each in reduced(loss, problem):
            grad = each.grad(*problem)
            low, high = each.subgradient(*problem)
            assert np.all((low <= grad) & (grad <= high) | np.isnan(grad) & np.isnan(low) & np.isnan(high))


KINKS = [
    # loss, y, yhat, low, high, grad
    (rl.MeanAbsoluteError(), 0.3, 0.3, -1, 1, 0),
    (rl.MeanAbsoluteError(), 0.3, math.nextafter(0.3, 1), 1, 1, 1),
    (rl.MeanAbsoluteError(), 0.3, math.nextafter(0.3, 0), -1, -1, -1),
    (rl.Hinge(), 1, 1, -1, 0, 0),
    (rl.Hinge(), -1, -1, 0, 1, 0),
    (rl.Hinge(), 1, math.nextafter(1, 0), -1, -1, -1),
    (rl.Hinge(), 1, math.nextafter(1, 3), 0, 0, 0),
    (rl.Hinge(), -1, math.nextafter(-1, 0), 1, 1, 1),
    (rl.Hinge(), -1, math.nextafter(-1, -3), 0, 0, 0),
    (rl.Huber(0.75), 0, 0.75, 0.75, 0.75, 0.75),
    (rl.Huber(0.75), 0, -0.75, -0.75, -0.75, -0.75),
    # inside [c, 1 − c] the slope is (p − y) / (p (1 − p)), outside it is 0
    (rl.BinaryCrossEntropy(clamp=0.25), 1, 0.25, -4, 0, 0),
    (rl.BinaryCrossEntropy(clamp=0.25), 0, 0.25, 0, 4 / 3, 0),
    (rl.BinaryCrossEntropy(clamp=0.25), 1, 0.75, -4 / 3, 0, 0),
    (rl.BinaryCrossEntropy(clamp=0.25), 0, 0.75, 0, 4, 0),
    (rl.BinaryCrossEntropy(clamp=0.25), 0.5, 0.75, 0, 4 / 3, 0),
    # outside −γ q^(γ−1) (−log c), inside also −q^γ/p; at p_t = c = ¼, q = ¾ and γ = 3: −27/16·2 log 2, −27/16
    (rl.Focal(3.0, None, 0.25), 1, 0.25, -27 / 8 * LOG_2 - 27 / 16, -27 / 8 * LOG_2, -27 / 8 * LOG_2),
    (rl.Focal(3.0, None, 0.25), 0, 0.75, 27 / 8 * LOG_2, 27 / 8 * LOG_2 + 27 / 16, 27 / 8 * LOG_2),
    (rl.Focal(3.0, 0.25, 0.25), 0, 0.75, 81 / 32 * LOG_2, 81 / 32 * LOG_2 + 81 / 64, 81 / 32 * LOG_2),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "low", "high", "grad"), KINKS)
def test_one_sided_slopes_at_a_kink(loss: Loss, y: Any, yhat: Any, low: Any, high: Any, grad: Any) -> None:
    each = replace(loss, reduction="none")
    got = [*each.subgradient(y, yhat), each.grad(y, yhat)]
    np.testing.assert_allclose(got, [low, high, grad], rtol=1e-15, atol=0)


@pytest.mark.parametrize(("loss", "y", "yhat", "low", "high", "grad"), KINKS)
def test_one_sided_slopes_are_scaled_as_the_gradient(
    loss: Loss, y: Any, yhat: Any, low: Any, high: Any, grad: Any
) -> None:
    targets, predictions = np.full(4, y, float), np.full(4, yhat, float)
    weight = np.array([0.5, 4.0, 0.0, 3.5])  # sum 8
    for reduction, factor in [
        ("mean", weight / 4),
        ("weighted_mean", weight / 8),
        ("sum", weight),
        ("none", weight),
    ]:
        each = replace(loss, reduction=reduction)
        got = [*each.subgradient(targets, predictions, weight=weight), each.grad(targets, predictions, weight=weight)]
        expected = [slope * factor for slope in (low, high, grad)]
        np.testing.assert_allclose(got, expected, rtol=1e-15, atol=0)


@every_loss
def test_one_sided_slopes_at_the_kinks_that_a_loss_names(loss: Loss) -> None:
    y, yhat = one(loss)
    for kink in loss.kinks(np.asarray(y, float)):
        assert kink.shape == yhat.shape
        low, high = loss.subgradient(y, kink)
        below, above = loss.grad(y, np.nextafter(kink, -INF)), loss.grad(y, np.nextafter(kink, INF))
        small, large = np.minimum(below, above), np.maximum(below, above)
        slack = 1e-9 * np.maximum(abs(small), abs(large))
        # a kink between two floats (1 − c, for most c) has one slope on either float: that of its own side
        assert np.all((small - slack <= low) & (high <= large + slack))
        here = low < high
        np.testing.assert_allclose(low[here], small[here], rtol=1e-9, atol=0)
        np.testing.assert_allclose(high[here], large[here], rtol=1e-9, atol=0)


@pytest.mark.parametrize("cls", [rl.MeanAbsoluteError, rl.Hinge])
def test_kinks_that_every_float_target_meets(cls: Any) -> None:
    loss = cls(reduction="none")
    y, _ = one(loss)
    (kink,) = loss.kinks(y)
    low, high = loss.subgradient(y, kink)
    assert np.all(low < high)
    np.testing.assert_array_equal(loss.grad(y, kink), 0.0)


# ---- the contract says what is there ---------------------------------------------------------------------------------


def test_the_way_of_a_call_names_what_is_there() -> None:
    steps = re.findall(r"^ +→ ([A-Z]\w+).*?(\w+)\.py", contract.__doc__ or "", re.MULTILINE)
    assert steps == [("Call", "call"), ("Shapes", "call"), ("Block", "call"), ("Result", "evaluate")]
    for name, module in steps:
        assert isinstance(getattr(import_module(f"reflosses.evaluation.{module}"), name), type)


def test_the_contract_lists_every_word_of_a_loss_file() -> None:
    listed = re.findall(r"^    (\w+)   *\S", (contract.__doc__ or "").partition("It says:")[2], re.MULTILINE)
    called = {"value", "grad", "value_and_grad", "subgradient", "curvature", "shapes", "reduction"}
    words = {name for name in {*vars(Loss), *Loss.__annotations__} if not name.startswith("_")} - called
    assert sorted(listed) == sorted(words)
