"""Every gradient against finite differences of its value, and the proof that these differences can reject."""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime

import reflosses
from reflosses import catalogue, overlap
from reflosses.evaluation.domain import REAL, Classes, Labels
from reflosses.evaluation.loss import REDUCTIONS
from reflosses.gradcheck import GradcheckResult, bracketcheck, gradcheck, reductioncheck
from reflosses.truth import sampling

SKEWED = ((9.0, -0.4, 0.1), (-0.4, 0.3, 0.02), (0.1, 0.02, 50.0))

# beside the examples on the classes
OWN = {
    "BinaryCrossEntropy": [{"clamp": 0.125}, {"clamp": 2.0**-20}],
    "BinaryCrossEntropyWithLogits": [{"pos_weight": 3.7}],
    "Cauchy": [{"delta": 0.07}, {"delta": 31.0}, {"delta": 0.6, "information": SKEWED}],
    "CrossEntropy": [
        {"axis": 1, "ignore_index": 0, "label_smoothing": 0.4},
        {"axis": -2, "class_weight": (5, 0.1, 30)},
    ],
    "Dice": [{"axis": (-1, 1), "smooth_nr": 0.1, "smooth_dr": 0.6}, {"axis": 0, "smooth_nr": 9.0, "smooth_dr": 0.4}],
    "Focal": [{"gamma": 0.04, "alpha": 0.9}, {"gamma": 3.3, "alpha": 0.6, "clamp": 0.0625}],
    "FocalWithLogits": [{"gamma": 0.04, "alpha": 0.9}, {"gamma": 3.3, "alpha": 0.6, "clamp": 0.07}],
    "GeneralizedDice": [{"axis": 2, "per_sample": True}],
    "Huber": [{"delta": 0.03}, {"delta": 410.0}],
    "IoU": [{"axis": (-1, 1), "smooth_nr": 0.1, "smooth_dr": 0.6}, {"axis": 0, "smooth_nr": 9.0, "smooth_dr": 0.4}],
    "NegativeLogLikelihood": [{"axis": 1, "class_weight": (0.04, 0.5, 6.0)}],
    "SparseCategoricalCrossEntropy": [{"axis": 1, "ignore_index": 1}],
    "WeightedCrossEntropy": [{"weight": 0.7}, {"weight": 31.0, "weight_grad": "full"}],
}
LOSSES = [
    loss
    for name, cls in catalogue.losses().items()
    for loss in [*catalogue.examples(cls), *(cls(**own, reduction="none") for own in OWN.get(name, []))]
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=str)
PER_CLASS = 3


def spread(loss, seed):
    """Moderate inputs, few enough to be differenced; class rows and overlaps of two or more."""
    for s in range(seed, seed + 100):
        for y, yhat in sampling.moderate(loss, s, 24):
            if 8 <= yhat.size <= 72 and (loss.reads_all_predictions or yhat.size > 24 or not loss.layout.groups):
                assert np.unique(yhat).size > 0.9 * yhat.size
                return y, yhat
    raise LookupError(f"no such problem for {loss}")


def draw(domain, rng, shape):
    if isinstance(domain, Labels):
        return rng.choice(domain.values, shape)
    if np.isfinite(domain.high):
        return rng.integers(50, 950, shape) / 1000.0
    return rng.integers(-3000, 3000, shape) / 1000.0


def little(loss, seed, *, index=True):
    """A dozen predictions with the loss's axes where they are; a hard case for layouts, not for rounding."""
    rng = np.random.default_rng(seed)
    shape = [2, 3, 2]
    if isinstance(loss.domain.y, Classes):
        shape[loss.axis] = PER_CLASS
    if isinstance(loss, reflosses.Cauchy) and loss.information is not None:
        shape[-1] = loss.information.shape[-1]
    yhat = draw(loss.domain.yhat, rng, shape)
    if isinstance(loss.domain.y, Classes):
        if index or loss.domain.y.rows is None:
            y = rng.integers(0, PER_CLASS, np.delete(shape, loss.axis))
            if loss.ignore_index is not None:
                y.flat[1] = loss.ignore_index
        else:
            y = draw(loss.domain.y.rows, rng, shape)
    else:
        y = draw(loss.domain.y, rng, shape)
        if loss.domain.y is REAL:
            y, yhat = y * min(loss.scale, 100.0), y * min(loss.scale, 100.0) + yhat * loss.scale
    assert np.unique(yhat).size > 0.8 * yhat.size
    return y, yhat


def weights_for(loss, y, yhat):
    """Weights over two orders of magnitude, every third of them 0."""
    shape = np.shape(replace(loss, reduction="none").value(y, yhat))
    return np.resize([0.3, 17.0, 0.0, 1.7, 0.06, 0.0], shape)


# ---- every loss ------------------------------------------------------------------------------------------------------


@every_loss
def test_each_loss_alone(loss):
    y, yhat = spread(loss, 11)
    result = gradcheck(loss, y, yhat)
    result.raise_if_wrong()
    assert result.checked == yhat.size
    at_all = np.count_nonzero(loss.grad(y, yhat))
    assert result.sharp > 0.3 * at_all > 0  # and most of them are looked at closely


def with_soft_rows(loss):
    return isinstance(loss.domain.y, Classes) and loss.domain.y.rows is not None


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("loss", "index"),
    [(loss, True) for loss in LOSSES] + [(loss, False) for loss in LOSSES if with_soft_rows(loss)],
    ids=str,
)
def test_every_reduction_and_weight(loss, index, weighted):
    y, yhat = little(loss, 3, index=index)
    weight = weights_for(loss, y, yhat) if weighted else None
    for reduction in REDUCTIONS:
        reduced = replace(loss, reduction=reduction)
        if reduction == "weighted_mean" and getattr(loss, "class_weight", None) is not None and y.ndim == yhat.ndim:
            with pytest.raises(ValueError, match="soft targets"):
                reductioncheck(reduced, y, yhat, weight)
            continue
        result = reductioncheck(reduced, y, yhat, weight)
        result.raise_if_wrong()
        assert result.checked == yhat.size
        assert result.sharp > 0


@every_loss
def test_one_sided_derivatives(loss):
    y, yhat = little(loss, 5)
    for reduction in ("none", "weighted_mean"):
        result = bracketcheck(replace(loss, reduction=reduction), y, yhat, weights_for(loss, y, yhat))
        result.raise_if_wrong()
        assert result.checked == 2 * yhat.size


@dataclass(frozen=True)
class Altered:
    """A loss with some other gradient."""

    loss: Any
    change: Any

    def value(self, y, yhat, *, weight=None):
        return self.loss.value(y, yhat, weight=weight)

    def grad(self, y, yhat, *, weight=None):
        return self.change(self.loss.grad(y, yhat, weight=weight))

    def subgradient(self, y, yhat, *, weight=None):
        low, high = self.loss.subgradient(y, yhat, weight=weight)
        return self.change(low), self.change(high)


@every_loss
def test_a_gradient_wrong_by_a_millionth_is_rejected(loss):
    y, yhat = little(loss, 3)
    weight = weights_for(loss, y, yhat)
    for factor in (1 + 1e-6, 1 - 1e-6):
        result = gradcheck(loss, y, yhat, weight, candidate=Altered(loss, lambda g, factor=factor: g * factor))
        assert not result.ok
        assert result.excess > 10
    for reduction in ("mean", "weighted_mean", "sum"):
        reduced = replace(loss, reduction=reduction)
        assert not reductioncheck(reduced, y, yhat, weight, candidate=Altered(reduced, lambda g: g * factor)).ok


@every_loss
def test_a_single_wrong_entry_is_rejected_and_named(loss):
    y, yhat = little(loss, 3)
    grad = loss.grad(y, yhat)
    at = np.unravel_index(np.argmax(np.abs(grad)), grad.shape)

    def change(g):
        g = g.copy()
        g[at] *= 1 + 1e-6
        return g

    result = gradcheck(loss, y, yhat, candidate=Altered(loss, change))
    assert not result.ok
    assert result.index == tuple(map(int, at))
    assert result.analytic == change(grad)[at]
    assert result.relative == pytest.approx(1e-6, rel=0.01)


# ---- layouts and parameters that broadcast ---------------------------------------------------------------------------

RNG = np.random.default_rng(20)
UNIT = RNG.integers(50, 950, (2, 3, 4)) / 1000.0
REALS = RNG.integers(-3000, 3000, (2, 3, 4)) / 1000.0
MASK = RNG.integers(0, 2, (2, 3, 4)) * 1.0
OMEGAS = np.array([[[[4.0, 1.5], [1.5, 0.7]]], [[[0.2, -0.3], [-0.3, 6.0]]]])  # (2, 1, 2, 2)
PER_CLASS_WEIGHTS = (0.3, 7.0, 0.05)

CASES = {
    "logits, classes in the middle": (
        reflosses.CrossEntropy(axis=1, class_weight=PER_CLASS_WEIGHTS, label_smoothing=0.13, ignore_index=-100),
        [[0, 2, -100, 1], [1, -100, 2, 2]],
        REALS,
    ),
    "logits, soft rows that do not sum to one": (reflosses.CrossEntropy(axis=0), UNIT, REALS),
    "logits, everything but one row ignored": (
        reflosses.CrossEntropy(ignore_index=255),
        [[3, 255, 255], [255, 255, 255]],
        REALS,
    ),
    "log-probabilities": (
        reflosses.NegativeLogLikelihood(axis=1, class_weight=PER_CLASS_WEIGHTS, ignore_index=1),
        [[0, 2, 1, 1], [1, 0, 2, 2]],
        -UNIT,
    ),
    "probabilities, an ignored row out of their domain": (
        reflosses.SparseCategoricalCrossEntropy(axis=0, ignore_index=-1),
        [1, -1, 0],
        [[0.3, 7.0, 0.6], [0.7, -4.0, 0.4]],
    ),
    "pos_weight of each column": (
        reflosses.BinaryCrossEntropyWithLogits(pos_weight=[0.3, 17.0, 4.0, 0.05]),
        UNIT,
        REALS,
    ),
    "pos_weight of each sample": (
        reflosses.BinaryCrossEntropyWithLogits(pos_weight=[[[0.3]], [[17.0]]]),
        MASK,
        REALS,
    ),
    "one information matrix": (
        reflosses.Cauchy(delta=0.6, information=OMEGAS[0, 0]),
        REALS[..., :2],
        REALS[..., 2:],
    ),
    "information of each sample": (reflosses.Cauchy(delta=0.6, information=OMEGAS), REALS[..., :2], REALS[..., 2:]),
    "information of each vector": (
        reflosses.Cauchy(delta=3.1, information=OMEGAS * np.array([0.3, 5.0, 40.0])[:, None, None]),
        REALS[..., :2],
        REALS[..., 2:],
    ),
    "semi-definite information": (
        reflosses.Cauchy(delta=0.6, information=[[9.0, -6.0], [-6.0, 4.0]]),
        REALS[..., :2],
        REALS[..., 2:],
    ),
    "overlaps along two axes": (reflosses.Dice(axis=(0, 2), smooth_nr=0.3, smooth_dr=7.0), MASK, UNIT),
    "overlaps along one axis, soft": (reflosses.IoU(axis=1), UNIT[::-1], UNIT),
    "one overlap": (reflosses.IoU(smooth_dr=0.04), MASK, UNIT),
    "an empty mask": (reflosses.Dice(axis=2), 0 * MASK, UNIT),
    "classes, an absent one": (
        reflosses.GeneralizedDice(axis=1, per_sample=True),
        MASK * [[1.0], [0.0], [1.0]],
        UNIT,
    ),
    "classes over the whole batch": (reflosses.GeneralizedDice(axis=-1), MASK, UNIT),
    "a scalar": (reflosses.Huber(delta=0.7), 0.4, 1.9),
    "Fortran order": (reflosses.MeanSquaredError(), np.asfortranarray(UNIT), np.asfortranarray(REALS)),
    "integers": (reflosses.Huber(delta=2.5), [[4, -1], [3, 0]], [[9, 1], [2, -1]]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_layouts_and_broadcast_parameters(case, weighted):
    loss, y, yhat = CASES[case]
    weight = weights_for(loss, y, yhat) if weighted else None
    for reduction in REDUCTIONS:
        soft = np.ndim(y) == np.ndim(yhat) and isinstance(loss.domain.y, Classes)
        if not (soft and getattr(loss, "class_weight", None) is not None):
            reductioncheck(replace(loss, reduction=reduction), y, yhat, weight).raise_if_wrong()
    bracketcheck(replace(loss, reduction="sum"), y, yhat, weight).raise_if_wrong()


# ---- kinks -----------------------------------------------------------------------------------------------------------


KINKED = [loss for loss in LOSSES if loss.kinks(np.array([1.0]))]
# Huber's slope is continuous, and no float logit meets the kink of a clamped probability.
CORNERED = [loss for loss in KINKED if not isinstance(loss, reflosses.Huber | reflosses.FocalWithLogits)]


def at_kinks(loss):
    """Each target with each prediction that is a kink of its loss."""
    y = np.asarray(loss.domain.y.values if isinstance(loss.domain.y, Labels) else [0.25, 0.75, 0.5])
    return np.concatenate([y for _ in loss.kinks(y)]), np.concatenate(loss.kinks(y))


def at_corners(loss):
    """The same, without those where the kink is no float and lies beside it: 1 − 0.03."""
    y, yhat = at_kinks(loss)
    clamp = getattr(loss, "clamp", None)
    exact = np.full(y.shape, True) if clamp is None else (yhat == clamp) | (1 - yhat == clamp)
    return y[exact], yhat[exact]


def test_the_losses_with_kinks():
    kinked = {type(loss).__name__ for loss in KINKED}
    assert kinked >= {"MeanAbsoluteError", "Hinge", "Huber", "BinaryCrossEntropy", "Focal", "FocalWithLogits"}


@pytest.mark.parametrize("loss", KINKED, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_differences_bracket_the_subgradient(loss, reduction):
    y, yhat = at_kinks(loss)
    reduced = replace(loss, reduction=reduction)
    weight = np.linspace(0.3, 1.7, y.size)
    bracketcheck(reduced, y, yhat, weight).raise_if_wrong()
    reductioncheck(reduced, y, yhat, weight).raise_if_wrong()


@pytest.mark.parametrize("loss", CORNERED, ids=str)
def test_at_a_kink_grad_is_in_the_bracket_and_nothing_outside_is_accepted(loss):
    y, yhat = at_corners(loss)
    low, high = loss.subgradient(y, yhat)
    width = high - low
    assert width.size > 0
    assert (width > 0).all()
    grad = loss.grad(y, yhat)
    assert ((low <= grad) & (grad <= high)).all()
    for member in (low, high, (low + high) / 2):
        gradcheck(loss, y, yhat, candidate=Altered(loss, lambda g, member=member: member)).raise_if_wrong()
    for k in range(y.size):
        margin = np.where(np.arange(y.size) == k, 1e-5 * (np.abs(low) + np.abs(high)), 0.0)
        for outside in (low - margin, high + margin):
            result = gradcheck(loss, y, yhat, candidate=Altered(loss, lambda g, outside=outside: outside))
            assert not result.ok
            assert result.index == (k,)


@pytest.mark.parametrize("loss", CORNERED, ids=str)
def test_a_wrong_subgradient_is_rejected(loss):
    y, yhat = at_corners(loss)
    for change in (lambda g: g * (1 + 1e-5), lambda g: g + 0.01 * np.abs(g).max(), lambda g: np.zeros(g.shape)):
        assert not bracketcheck(loss, y, yhat, candidate=Altered(loss, change)).ok
    assert bracketcheck(loss, y, yhat, candidate=Altered(loss, lambda g: g)).ok


@pytest.mark.parametrize("clamp", [0.03, 0.07])
def test_a_kink_beside_the_float_that_stands_for_it(clamp):
    loss = reflosses.BinaryCrossEntropy(clamp=clamp, reduction="none")
    y, yhat = np.array([0.3]), np.array([1 - clamp])
    assert 1 - yhat[0] != clamp
    inner = (yhat - y) / (yhat * (1 - yhat))
    for slope, ok in [(0.0, True), (inner[0] * (1 + 1e-6), False), (-1e-6, False)]:
        candidate = Altered(loss, lambda g, slope=slope: np.full(g.shape, slope))
        assert gradcheck(loss, y, yhat, candidate=candidate).ok == ok
        assert bracketcheck(loss, y, yhat, candidate=candidate).ok == ok


@pytest.mark.parametrize("loss", KINKED, ids=str)
def test_a_step_never_crosses_a_kink_nearby(loss):
    y, kink = at_corners(loss)
    size = np.minimum(np.abs(kink), 1 - np.abs(kink)) if loss.domain.yhat.high == 1 else np.float64(loss.scale)
    for distance in (0.1, 1e-3, 1e-5, 1e-7):
        for yhat in (kink + distance * size, kink - distance * size):
            result = gradcheck(loss, y, yhat)
            result.raise_if_wrong()
            if distance == 0.1 and loss.grad(y, yhat).any():  # nearer, so short a step sees less, and says so
                assert result.sharp > 0


def test_kinks_by_hand():
    """The bracket of |r| at 0 is [−1, 1], that of the hinge at margin 1 lies between 0 and −y."""
    low, high = reflosses.MeanAbsoluteError(reduction="sum").subgradient([0.3, 0.3], [0.3, 0.5])
    assert (low.tolist(), high.tolist()) == ([-1, 1], [1, 1])
    low, high = reflosses.Hinge(reduction="sum").subgradient([1, -1, 1], [1.0, -1.0, 0.25])
    assert (low.tolist(), high.tolist()) == ([-1, 0, -1], [0, 1, -1])


# ---- robust kernels --------------------------------------------------------------------------------------------------


def central(f, x, h):
    """Central differences of f, applied element by element, each with its own step."""
    x, h = np.asarray(x, float), np.asarray(h, float)
    sides = [np.atleast_2d(approx_fprime(x, f, step)).diagonal() for step in (h, -h)]
    return (sides[0] + sides[1]) / 2


@pytest.mark.parametrize("delta", [0.7, 13.0, 1e-6, 1e6])
def test_cauchy_weight_and_rho_second_are_the_derivatives_of_rho(delta):
    cauchy = reflosses.Cauchy(delta=delta)
    s = delta**2 * np.array([0.02, 0.3, 0.9, 1.7, 11.0, 4e2, 3e4, 1e6])
    h = 6e-6 * s
    np.testing.assert_allclose(central(cauchy.rho, s, h), cauchy.weight(s), rtol=1e-8)
    np.testing.assert_allclose(central(cauchy.weight, s, h), cauchy.rho_second(s), rtol=1e-8)
    rows = cauchy.scipy_rho(s)
    np.testing.assert_allclose(central(lambda z: cauchy.scipy_rho(z)[0], s, h), rows[1], rtol=1e-8)
    np.testing.assert_allclose(central(lambda z: cauchy.scipy_rho(z)[1], s, h), rows[2], rtol=1e-8)
    for wrong in (0.5 * cauchy.weight(s), cauchy.weight(s) * (1 + 1e-6)):
        assert not np.isclose(central(cauchy.rho, s, h), wrong, rtol=1e-8, atol=0).any()


def test_cauchy_gradient_is_twice_the_weight_times_omega_e():
    omega, e = np.array(SKEWED), np.array([0.3, -1.7, 0.11])
    cauchy = reflosses.Cauchy(delta=0.6, information=omega, reduction="sum")
    expected = 2 * cauchy.weight(e @ omega @ e) * (omega @ e)
    np.testing.assert_allclose(cauchy.grad(np.zeros(3), e), expected, rtol=1e-14)
    h = np.full(3, 2.0**-18)
    sides = [approx_fprime(e, lambda x: float(cauchy.rho(x @ omega @ x)), step) for step in (h, -h)]
    np.testing.assert_allclose((sides[0] + sides[1]) / 2, expected, rtol=1e-8)


# ---- Dice against IoU ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [0.7, 40.0, 3e5])
def test_slopes_of_dice_and_iou_in_the_intersection(total):
    intersection = total * np.array([0.03, 0.11, 0.2, 0.29, 0.37, 0.46])
    slopes = overlap.sensitivity(intersection, total)
    h = 6e-6 * intersection
    dice, iou = (lambda i: 2 * i / total), (lambda i: i / (total - i))
    np.testing.assert_allclose(central(dice, intersection, h), slopes.dice, rtol=1e-8)
    np.testing.assert_allclose(central(iou, intersection, h), slopes.iou, rtol=1e-8)
    np.testing.assert_allclose(slopes.ratio, slopes.iou / slopes.dice, rtol=1e-14)
    np.testing.assert_allclose(slopes.ratio, (1 + iou(intersection)) ** 2 / 2, rtol=1e-14)
    np.testing.assert_allclose(slopes.ratio, 2 / (2 - dice(intersection)) ** 2, rtol=1e-14)


def test_iou_is_the_steeper_one_at_high_overlap_only():
    """The notes say the opposite."""
    total = 12.0
    assert overlap.sensitivity(0.0, total).ratio == 0.5
    assert overlap.sensitivity(total / 2, total).ratio == 2.0
    crossover = total * (1 - 1 / sqrt(2))
    assert overlap.sensitivity(crossover, total).ratio == pytest.approx(1.0, rel=4e-16)
    assert crossover / (total - crossover) == pytest.approx(overlap.CROSSOVER_IOU, rel=8e-16)
    assert 2 * crossover / total == pytest.approx(overlap.CROSSOVER_DICE, rel=8e-16)
    assert overlap.sensitivity(0.99 * crossover, total).ratio < 1 < overlap.sensitivity(1.01 * crossover, total).ratio


# ---- what comes back -------------------------------------------------------------------------------------------------


def test_the_message_names_loss_place_and_both_numbers():
    loss = reflosses.Huber(delta=0.7, reduction="none")
    halved = Altered(loss, lambda g: g * [1.0, 0.5])
    result = gradcheck(loss, [[0.5, -3.0]], [[0.75, -3.5]], candidate=halved)
    assert isinstance(result, GradcheckResult)
    assert (result.index, result.analytic, result.relative, result.checked) == ((0, 1), -0.25, 0.5, 2)
    assert result.numeric == pytest.approx(-0.5, rel=1e-9)
    with pytest.raises(AssertionError, match=r"Huber\(delta=0.7.*grad at yhat\[0, 1\] is -0.25, .* -0.5.*: 5.0e-01 ap"):
        result.raise_if_wrong()
    gradcheck(loss, [[0.5, -3.0]], [[0.75, -3.5]]).raise_if_wrong()


def test_a_small_loss_does_not_drown_beside_a_large_one():
    """Summed, a step at the small one is lost in the rounding of the large one; alone, it is seen."""
    loss, y, yhat = reflosses.MeanSquaredError(reduction="sum"), [0.5, 3.0], [1e6, 3.25]
    assert gradcheck(loss, y, yhat).sharp == 2
    assert reductioncheck(loss, y, yhat).sharp == 1  # and the result says so
    wrong = [lambda g: g * [1 + 1e-6, 1.0], lambda g: g * [1.0, 1 + 1e-6]]
    alone = replace(loss, reduction="none")
    assert [gradcheck(loss, y, yhat, candidate=Altered(alone, w)).ok for w in wrong] == [False, False]


def test_saturated_losses_are_seen_in_relative_terms():
    loss = reflosses.BinaryCrossEntropyWithLogits(reduction="none")
    y, z = [1, 1, 0], [40.0, 700.0, -30.0]
    assert gradcheck(loss, y, z).sharp == 3
    assert not gradcheck(loss, y, z, candidate=Altered(loss, lambda g: np.where(np.abs(g) < 1e-16, 0.0, g))).ok


def test_a_value_that_cancels_is_allowed_the_rounding_of_its_terms():
    """2I + s = P + T + s′ here: the value is 0 but for rounding, and so is the slope at the target ½."""
    loss = reflosses.Dice(smooth_nr=1.6, smooth_dr=0.4)
    y, p = [1.0, 0.0, 0.5], [0.6, 0.3, 0.7]
    assert abs(loss.value(y, p)) < 1e-15
    assert abs(loss.grad(y, p)[2]) < 1e-15
    gradcheck(loss, y, p).raise_if_wrong()


def test_a_loss_that_reads_what_is_not_its_own_is_rejected():
    class Mixed:
        def value(self, y, yhat, *, weight=None):
            return np.square(yhat - y) + 1e-3 * np.sum(yhat)

        def grad(self, y, yhat, *, weight=None):
            return 2 * (np.asarray(yhat) - y) + 1e-3

    result = gradcheck(reflosses.MeanSquaredError(), [0.3, 5.0], [1.7, 0.4], candidate=Mixed())
    assert not result.ok
    assert np.isnan(result.numeric)


def test_nan_is_never_accepted():
    loss = reflosses.MeanSquaredError(reduction="none")
    result = gradcheck(loss, [0.3], [1.7], candidate=Altered(loss, lambda g: g * np.nan))
    assert not result.ok


def test_the_held_weight_is_what_stop_differentiates():
    """The gradient with the weight differentiated is not the one with it held, and is told from it."""
    y, p = [1.0, 0.0, 1.0], [0.3, 0.45, 0.85]
    stop = reflosses.WeightedCrossEntropy(reduction="none")
    full = replace(stop, weight_grad="full")
    gradcheck(stop, y, p).raise_if_wrong()
    gradcheck(full, y, p).raise_if_wrong()
    assert not gradcheck(stop, y, p, candidate=full).ok
    assert not gradcheck(full, y, p, candidate=stop).ok


def test_nothing_to_compare():
    result = gradcheck(reflosses.MeanSquaredError(), [], [])
    assert result.ok
    assert result.checked == 0


def test_weights_that_sum_to_zero_have_no_value_and_nothing_warns():
    loss = reflosses.MeanSquaredError(reduction="weighted_mean")
    result = reductioncheck(loss, [0.3, 0.7], [1.7, 2.5], [0.0, 0.0])
    assert np.isnan(result.numeric)
    assert result.analytic == 0


def test_what_cannot_be_compared_raises():
    bce = reflosses.BinaryCrossEntropy(reduction="none")
    with pytest.raises(ValueError, match=r"BinaryCrossEntropy\(.*yhat\[1\] is an end of its domain"):
        gradcheck(bce, [0, 1], [0.3, 1.0])
    assert gradcheck(bce, [0, 1], [0.3, 1.0], [0.7, 0.0]).ok  # it takes no part
    with pytest.raises(ValueError, match=r"yhat\[0\] is not finite"):
        gradcheck(reflosses.MeanSquaredError(), [0.3], [np.inf])
    with pytest.raises(ValueError, match="the value is 1 numbers, expected 2"):
        gradcheck(bce, [0, 1], [0.3, 0.6], candidate=replace(bce, reduction="sum"))
    with pytest.raises(ValueError, match=r"grad has shape \(1,\) and yhat \(2,\)"):
        gradcheck(bce, [0, 1], [0.3, 0.6], candidate=Altered(bce, lambda g: g[:1]))


def test_a_value_that_is_far_off_hides_nothing():
    """A candidate's own size is no excuse: next to 1e12 no difference of a Huber loss is left."""

    class Shifted:
        def value(self, y, yhat, *, weight=None):
            return reflosses.Huber(0.7, reduction="none").value(y, yhat, weight=weight) + 1e12

        def grad(self, y, yhat, *, weight=None):
            return -3 * reflosses.Huber(0.7, reduction="none").grad(y, yhat, weight=weight)

    y, yhat = np.array([0.3, 0.4]), np.array([0.5, 7.0])
    assert gradcheck(reflosses.Huber(0.7), y, yhat).ok
    assert not gradcheck(reflosses.Huber(0.7), y, yhat, candidate=Shifted()).ok


@pytest.mark.parametrize("function", [gradcheck, reductioncheck, bracketcheck])
def test_what_is_no_loss_and_what_has_no_gradient(function):
    with pytest.raises(TypeError, match=rf"^{function.__name__}: loss is 3, no loss such as Huber"):
        function(3, [0.0], [1.0])
    for wrong in (3, reflosses.Huber):
        with pytest.raises(TypeError, match=rf"^{function.__name__}: candidate is .*, no object with a method value"):
            function(reflosses.Huber(), [0.0], [1.0], candidate=wrong)
