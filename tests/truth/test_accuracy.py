"""The accuracy promise, held against certified truth at hard inputs.

`make sweep` runs this with many more points (REFLOSSES_POINTS) on every code path of NumPy.
"""

import os
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

import reflosses
from reflosses import Cauchy
from reflosses.catalogue import examples, losses
from reflosses.evaluation.call import Call
from reflosses.evaluation.loss import Loss
from reflosses.truth.accuracy import error_scales, errors, sweep, ulps
from reflosses.truth.proof import certified
from reflosses.truth.sampling import Problem, hard

POINTS = int(os.environ.get("REFLOSSES_POINTS", "120"))
EVERY = [pytest.param(loss, id=str(loss)) for cls in losses().values() for loss in examples(cls)]


@pytest.mark.parametrize("loss", EVERY)
def test_value_and_gradient_keep_their_bounds(loss: Loss) -> None:
    found = sweep(loss, seed=20, points_wanted=POINTS)
    assert found.points >= POINTS / 200, "the sweep must have tried something"
    assert found.undecided <= 0.02 * found.points + 1
    assert found.value.ulp <= loss.bounds.value, found.value.line
    assert found.grad.ulp <= loss.bounds.grad, found.grad.line
    assert found.curvature.ulp <= loss.bounds.curvature, found.curvature.line


# Parameters from 1e-6 to 1e6 (or the whole of their narrower range), for each name that a loss may have.
RANGES = {
    "delta": (-6, 6),
    "gamma": (-6, 6),
    "pos_weight": (-6, 6),
    "smooth_dr": (-6, 6),
    "weight": (-6, 6),
    "alpha": (-6, 0),
    "clamp": (-6, -1),
    "label_smoothing": (-6, 0),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cls", [c for c in losses().values() if RANGES.keys() & c.__dataclass_fields__.keys()])
def test_the_bounds_hold_for_parameters_of_every_size(cls: type[Loss], seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    drawn = {n: float(10 ** rng.uniform(*RANGES[n])) for n in RANGES if n in cls.__dataclass_fields__}
    if "class_weight" in cls.__dataclass_fields__:
        drawn["class_weight"] = 10 ** rng.uniform(-6, 6, 3)
    if "smooth_dr" in drawn:
        drawn["smooth_nr"] = drawn["smooth_dr"] * float(rng.uniform(0, 1))
    loss = cls(**drawn, reduction="none")
    found = sweep(loss, seed=seed, points_wanted=POINTS // 4)
    assert found.points > 0
    assert found.value.ulp <= loss.bounds.value, found.value.line
    assert found.grad.ulp <= loss.bounds.grad, found.grad.line
    assert found.curvature.ulp <= loss.bounds.curvature, found.curvature.line


def tail_of(classes: int, margin: float) -> list[list[float]]:
    """One class at 0 and all others at one margin below it."""
    return [[0.0] + [-margin] * (classes - 1)]


# Arguments at which a form that was tried lost its digits, and what it did.
HARD_CASES = [
    (reflosses.CrossEntropy(), [0], tail_of(100, 745.2)),  # summed subnormal numbers: 0
    (reflosses.CrossEntropy(), [0], tail_of(100, 720.3)),  # … 49 ulp
    (reflosses.CrossEntropy(), [[0.1, 0.9]], [[-1.7e308, 1.7e308]]),  # the gap overflowed before the target met it
    (reflosses.CrossEntropy(label_smoothing=0.03), [1], [[-1.7e308, 1.7e308]]),
    (reflosses.CrossEntropy(class_weight=[0.3, 7.0, 0.05]), [[0.45, 0.0, 5e-324]], [[0.0, -720.25, -720.25]]),
    (reflosses.Focal(gamma=1e-6), 0.0, 5e-324),  # q^(γ − 1) overflowed
    (reflosses.FocalWithLogits(gamma=1.0, alpha=3.3e-310), 1.0, -30.3),  # alpha·q^γ rounded alone
    (reflosses.Focal(gamma=0.01), 0.0, 1e-315),
    (reflosses.Focal(gamma=0.04, clamp=1e-3), 0.0, 5e-324),
    (reflosses.Focal(gamma=0.97), 1.0, 1 - 2.0**-53),
    (reflosses.Focal(gamma=1.95, clamp=1e-3), 0.0, 5e-324),
    (reflosses.BinaryCrossEntropyWithLogits(pos_weight=1.3), 5e-324, -1e300),  # pos_weight·y rounded alone
    (reflosses.BinaryCrossEntropyWithLogits(pos_weight=0.3), 5e-324, -2e97),
    (reflosses.BinaryCrossEntropyWithLogits(pos_weight=1e6), 1.0, 744.0),
    (reflosses.WeightedCrossEntropy(weight=1e-6), [1e-310], [1e-310]),  # w·y rounded alone
    (reflosses.WeightedCrossEntropy(weight=1e6), [1.0, 0.0], [5e-324, 1.0 - 2.0**-53]),
    (reflosses.WeightedCrossEntropy(weight=0.0), [1.0, 0.0], [0.0, 0.3]),  # 0·∞
    (reflosses.WeightedCrossEntropy(weight_grad="full"), [1.0, 0.0], [1e-300, 1e-310]),
    (reflosses.Cauchy(1.0, [[1, -1], [-1, 1]]), [[-1e308, -1e308]], [[1.7e308, 1.7e308]]),  # e overflows, s is 0
    (reflosses.Cauchy(1e6, [[1e6, 0], [0, 1e-6]]), [[-1e308, -1e308]], [[1e308, 1e307]]),
    (reflosses.Cauchy(1e6, [[1, 0], [0, 1]]), [[0, 0]], [[1e6, 1.2345678912345e-305]]),  # a small component beside 1e6
    (reflosses.Cauchy(1.0, [[0, 1e-17], [1e-17, 1]]), [[0, 0]], [[1e30, 1e-3]]),
    (reflosses.Cauchy(1e160), 0.0, 1e308),
    (reflosses.Cauchy(0.3), 0.0, 1.7e308),
    (reflosses.Huber(1e-6), -1.7e308, 1.7e308),
    (reflosses.Dice(smooth_nr=5.0, smooth_dr=0.3), [1, 0, 1], [0.62862464331769, 0.2, 2.0**-1022]),
    (reflosses.Dice(), [1, 1, 0], [1 - 2.0**-53, 1.0, 5e-324]),
    (reflosses.IoU(), [1, 1, 0], [1 - 2.0**-53, 1.0, 5e-324]),
]


@pytest.mark.parametrize(
    ("loss", "y", "yhat"), HARD_CASES, ids=[f"{loss} {n}" for n, (loss, *_) in enumerate(HARD_CASES)]
)
def test_inputs_that_once_broke_a_form(loss: Loss, y: object, yhat: object) -> None:
    problem = Problem(np.asarray(y), np.asarray(yhat, float))
    each = replace(loss, reduction="none")
    value, grad, curvature = errors(each, problem, certified(each, *problem, second=True, strict=False))
    assert value.max() <= loss.bounds.value
    assert grad.max() <= loss.bounds.grad
    assert curvature.max() <= loss.bounds.curvature


def around(x: float) -> list[float]:
    return [float(np.nextafter(x, -np.inf)), x, float(np.nextafter(x, np.inf))]


LABELS = [0.0, 1.0, 0.3]
LOGITS = [z for x in around(600.0) for z in (x, -x)]
# Where the short forms end: inputs on both sides of `short`.
BORDERS = [
    *((reflosses.BinaryCrossEntropyWithLogits(w), y, z) for w in (None, 1e-6, 1e6) for y in LABELS for z in LOGITS),
    *((reflosses.BinaryCrossEntropy(), y, p) for y in LABELS for p in around(2.0**-1022)),
    *((reflosses.BinaryCrossEntropy(), y, p) for y in (0.0, 0.3) for p in around(1 - 2.0**-53)[:2]),
    *((reflosses.Cauchy(d), 0.0, r) for d in (0.7, 1e-6, 1e6) for r in around(2.0**-500 * d)),
    *((reflosses.Cauchy(d), 0.0, r) for d in (0.7, 1e-6) for r in around(2.0**512 * d)),
    *(
        (reflosses.CrossEntropy(class_weight=w), [k], [[0.0, s * g, -s * 299.0]])
        for w in (None, [1e6, 0.3, 1e-6])
        for k in range(3)
        for s in (1, -1)
        for g in around(300.0)
    ),
    *(
        (reflosses.CrossEntropy(class_weight=[w, 1, 1]), [0], [[s * 299.0, s * 299.5, s * 298.0]])
        for w in (5e-324, 1e-310, 1e-250, 1e-180, 1e180, 1e250)
        for s in (1, -1, 1.01)
    ),
    *(
        (reflosses.Focal(gamma, alpha, clamp), 0.0, q)
        for gamma in (0.0, 0.7, 2.0, 30.0, 400.0)
        for alpha, clamp in ((None, None), (0.2, 1e-6), (3.3e-310, None))
        for end in reflosses.Focal(gamma).short
        for q in around(end)[: 2 if end == 1 - 2.0**-53 else 3]
    ),
    *((reflosses.Focal(gamma), y, float(y == 1)) for gamma in (0.0, 2.0) for y in (0.0, 1.0)),
    *(
        (reflosses.FocalWithLogits(gamma, alpha, clamp), y, s * z)
        for gamma in (0.0, 0.7, 2.0, 30.0)
        for alpha, clamp in ((None, None), (0.2, 1e-6), (0.2, 1e-200), (3.3e-310, None))
        for y in (0.0, 1.0)
        for s in (1, -1)
        for z in around(300.0)
    ),
]


@pytest.mark.parametrize(("loss", "y", "yhat"), BORDERS)
def test_both_speeds_keep_the_bounds_at_their_border(loss: Loss, y: object, yhat: object) -> None:
    each = replace(loss, reduction="none")
    problem = Problem(np.asarray(y), np.asarray(yhat, float))
    value, grad, curvature = errors(each, problem, certified(each, *problem, second=True, strict=False))
    assert value.max() <= loss.bounds.value
    assert grad.max() <= loss.bounds.grad
    assert curvature.max() <= loss.bounds.curvature


def test_the_borders_are_straddled() -> None:
    """Each loss with an interval of its own has first terms on both sides of it."""
    sides: dict[type[Loss], set[bool]] = {}
    for loss, y, yhat in BORDERS:
        units = Call(loss, y, yhat).units()
        with np.errstate(all="ignore"):
            first = loss.terms(units.y, units.yhat, *units.parameters)[0]
        sides.setdefault(type(loss), set()).add(bool((loss.short[0] <= first) & (first <= loss.short[1])))
    narrow = {cls for cls in losses().values() if cls.short != Loss.short}
    assert sides == {cls: {True, False} for cls in narrow}


# Inputs beyond a border, where the short form errs for all to see.
BEYOND = [
    (reflosses.BinaryCrossEntropy(), 0.0, 0.0),  # 0 · ∞
    (reflosses.BinaryCrossEntropy(), 1.0, 1.0),
    (reflosses.BinaryCrossEntropyWithLogits(1e6), 1.0, 750.0),  # e^−750 is 0
    (reflosses.BinaryCrossEntropyWithLogits(1e6), 1.0, 744.0),  # … or has few digits
    (reflosses.Cauchy(1e6), 0.0, 1.1 * 2.0**-500),  # r²/δ² is subnormal
    (reflosses.Cauchy(0.7), 0.0, 2.0**600),  # … or ∞
    (reflosses.CrossEntropy(), [0], [[0.0, 800.0, 1.0]]),  # e^800 is ∞
    (reflosses.CrossEntropy(), [0], [[-800.0, -801.0, -800.5]]),  # 0/0
    (reflosses.CrossEntropy(class_weight=[1, 1e6, 1]), [1], [[-740.0, -0.5, -741.0]]),
    (reflosses.CrossEntropy(class_weight=[1e306, 1, 1]), [[1e-10, 0.5, 0.5]], [[-200.0, 0.0, 1.0]]),
    (reflosses.Focal(2.0), 0.0, 0.0),  # 0/0
    (reflosses.FocalWithLogits(0.7), 1.0, -720.0),  # e^720 is ∞
    (reflosses.FocalWithLogits(0.3), 0.0, 720.0),
]


@pytest.mark.parametrize(("loss", "y", "yhat"), BEYOND)
def test_beyond_its_border_the_short_form_errs(loss: Loss, y: object, yhat: object) -> None:
    each = replace(loss, reduction="none")
    problem = Problem(np.asarray(y), np.asarray(yhat, float))
    truth = certified(each, *problem, strict=False)
    units = Call(each, *problem).units()
    with np.errstate(all="ignore"):
        terms = each.terms(units.y, units.yhat, *units.parameters)
        value, slope = each.losses(*terms), units.layout.restore(each.slopes(*terms))
    errs = ulps(value.reshape(np.shape(truth.value)), truth.value, truth.value_rest).max() > 2 * loss.bounds.value
    errs |= ulps(slope, truth.grad, truth.grad_rest).max() > 2 * loss.bounds.grad
    assert errs
    right = errors(each, problem, truth)
    assert right[0].max() <= loss.bounds.value
    assert right[1].max() <= loss.bounds.grad


def test_every_short_form_with_a_border_is_seen_to_err_beyond_it() -> None:
    assert {type(loss) for loss, *_ in BEYOND} == {cls for cls in losses().values() if cls.short != Loss.short}


@pytest.mark.parametrize("reduction", ["mean", "weighted_mean", "sum"])
@pytest.mark.parametrize("loss", EVERY)
def test_means_and_weights_add_two_ulp_to_a_gradient(loss: Loss, reduction: str) -> None:
    rng = np.random.default_rng(7)
    reduced = replace(loss, reduction=reduction)
    checked = 0
    for y, yhat in few(loss, 21):
        plain = Call(loss, y, yhat, None).units()
        if reduction == "weighted_mean" and getattr(loss, "class_weight", None) is not None and not plain.by_index:
            continue  # soft targets with class weights have none
        weight = np.ldexp(rng.integers(2**40, 2**41, plain.layout.value_shape) / 2.0**40, int(rng.integers(-60, 60)))
        weight = np.where(ordinary(loss, y, yhat), weight, 0.0)
        if not weight.any():
            continue
        units = Call(loss, y, yhat, weight).units()
        value_scale, *scales = error_scales(loss, units)
        bent = reduction == "weighted_mean" or loss.reads_all_predictions  # curvatures are reduced as slopes are
        truth = certified(reduced, y, yhat, weight, second=bent, strict=False)
        divisor = {"mean": float(units.count), "sum": 1.0}.get(reduction)
        if divisor is None:
            divisor = float((units.divisor_weight * units.weight).sum())
        for k, scale in enumerate(scales):
            if scale is not None:
                share = units.weight.reshape(-1, *[1] * (scale.ndim - 1)) / divisor
                share = share.max() if loss.reads_all_predictions else share
                scales[k] = units.layout.restore(units.placed(scale * share))
        error = ulps(reduced.grad(y, yhat, weight=weight), truth.grad, truth.grad_rest, scales[0])
        assert error.max() <= loss.bounds.grad + 2
        exact, rest = truth.second, truth.second_rest
        if exact is not None and rest is not None:
            got = reduced.curvature(y, yhat, weight=weight)
            tame = (exact == 0) | ((np.abs(exact) > 2.0**-960) & (np.abs(exact) < 2.0**960))
            bends = np.where(tame, ulps(got, exact, rest, scales[1]), 0.0)
            assert bends.max() <= loss.bounds.curvature + 2
            assert (np.isnan(got) == np.isnan(exact))[~np.isnan(rest)].all()
        checked += units.yhat.size
        if value_scale is None and (loss.value(y, yhat, weight=weight) >= 0).all():  # of one sign: no sum cancels
            got = np.asarray(reduced.value(y, yhat, weight=weight))
            assert ulps(got, np.asarray(truth.value), np.asarray(truth.value_rest)) <= loss.bounds.value + 2
    assert checked >= 10


def few(loss: Loss, seed: int) -> list[Problem]:
    """Some small problems; element by element a dozen at a time."""
    problems = list(hard(loss, seed, 60))[:4]
    if loss.layout.groups or loss.reads_all_predictions:
        return problems
    (y, yhat) = problems[0]
    return [Problem(y[i : i + 12], yhat[i : i + 12]) for i in range(0, 60, 12)]


def ordinary(loss: Loss, y: object, yhat: object) -> np.ndarray:
    """Which losses the promise is about: those with a value and slopes that are normal numbers, or 0 at any weight."""
    layout = Call(loss, y, yhat, None).units().layout
    alone = certified(loss, y, yhat, strict=False)
    heavy = certified(loss, y, yhat, np.full(layout.value_shape, 2.0**62), strict=False)

    def fit(a: np.ndarray, weighted: np.ndarray) -> np.ndarray:
        return (weighted == 0) | ((np.abs(a) > 2.0**-960) & (np.abs(a) < 2.0**960))

    slopes = layout.arrange(fit(alone.grad, heavy.grad))
    good = slopes.reshape(len(slopes), -1).all(axis=1).reshape(layout.value_shape) & fit(alone.value, heavy.value)
    return good if not loss.reads_all_predictions or good.all() else np.zeros(good.shape, bool)


def test_the_ruler_measures() -> None:
    """1 + 3 ulp is 3 ulp off; the part that rounding left off counts; a wrong infinity is infinitely wrong."""
    one, nothing = np.array([1.0]), np.array([0.0])
    assert ulps(one + 3 * 2.0**-52, one, nothing) == [3.0]
    assert ulps(one, one, np.array([2.0**-54])) == [0.25]
    assert ulps(np.array([0.0]), np.array([5e-324]), nothing) == [1.0]
    assert ulps(np.array([np.inf]), one, nothing) == [np.inf]
    assert ulps(one, np.array([np.inf]), nothing) == [np.inf]
    assert ulps(np.array([np.nan]), one, nothing) == [np.inf]
    assert ulps(np.array([np.inf]), np.array([np.inf]), nothing) == [0.0]
    assert ulps(np.array([1e-3]), np.array([0.0]), nothing, scale=one) == [1e-3 / 2.0**-52]


def test_a_sweep_finds_a_lost_digit() -> None:
    """The same sweep rejects the textbook form: log(1 + u) for log1p(u)."""

    class Naive(Loss):
        domain, bounds = Cauchy.domain, Cauchy.bounds
        definition = staticmethod(lambda m, y, yhat: m.log(1 + (yhat - y) ** 2))

        def terms(self, y, yhat):
            return (yhat - y,)

        def losses(self, r):
            return np.log(1 + r * r)

        def slopes(self, r):
            return 2 * r / (1 + r * r)

        def curvatures(self, r):
            return (2 - 2 * r * r) / (1 + r * r) ** 2

    found = sweep(Naive(reduction="none"), seed=20, points_wanted=400)
    assert found.value.ulp == np.inf
    assert found.grad.ulp > 1e15
    assert found.curvature.ulp > 1e15
    assert "Naive" in found.value.line
