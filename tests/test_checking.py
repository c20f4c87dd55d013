"""`check`: right implementations are called right, in every regime and dtype; planted mistakes are found and named."""

import json
import os
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
import scipy.special

import reflosses
from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Dice,
    Hinge,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    WeightedCrossEntropy,
    catalogue,
    check,
    diagnose,
)
from reflosses.comparison.battery import REGIMES, blocks
from reflosses.comparison.candidate import Answer, Candidate, InProcess, NumPy
from reflosses.comparison.expected import Scaled, exact
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.interview import UNPROVED
from reflosses.comparison.result import numbers

import planted

LOGITS = BinaryCrossEntropyWithLogits(reduction="none")
HUBER = Huber(delta=0.75, reduction="none")
FOCAL = reflosses.Focal(gamma=0.375, reduction="none")
DTYPES = ("float64", "float32", "float16", "bfloat16")


def ours(loss):
    """Our own loss as a candidate, in the dtype of its inputs."""

    def candidate(y, yhat, weight=None):
        wide = None if weight is None else weight.astype(np.float64)
        value, grad = loss.value_and_grad(y.astype(np.float64), yhat.astype(np.float64), weight=wide)
        return np.asarray(value).astype(yhat.dtype), grad.astype(yhat.dtype)

    return candidate


# ---- no false alarms -------------------------------------------------------------------------------------------------

# An overlap takes a second to prove: `make test` has these examples of each, `make sweep` has all.
OVERLAPS = {} if "REFLOSSES_POINTS" in os.environ else {"Dice": (0, 1), "IoU": (1,), "GeneralizedDice": (2,)}
REDUCTIONS = ("none", "mean", "sum", "none", "mean", "sum", "none")
EXAMPLES = [
    cls(**parameters, reduction=REDUCTIONS[k])
    for name, cls in catalogue.losses().items()
    for k, parameters in enumerate(cls.examples)
    if k in OVERLAPS.get(name, (k,))
]


@pytest.mark.parametrize("loss", EXAMPLES, ids=str)
def test_our_own_losses_are_right(loss):
    """In one dtype each, so that all dtypes are met; and in every regime, with weights and what must be refused."""
    dtype = DTYPES[sum(map(ord, str(loss))) % len(DTYPES)]
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")
    result = check(ours(loss), loss, dtype=dtype, regimes=REGIMES)
    assert result.ok, result.message()
    assert result.diagnosis == ""
    assert sum(row.value.points for row in result.rows) > 40
    assert all(row.value.wrong == row.gradient.wrong == {} for row in result.rows)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_scipy_s_huber_is_right(dtype):
    slope = lambda y, yhat: np.clip(yhat - y, yhat.dtype.type(-0.75), yhat.dtype.type(0.75))  # noqa: E731
    huber = lambda y, yhat: scipy.special.huber(yhat.dtype.type(0.75), yhat - y)  # noqa: E731
    result = check(huber, HUBER, dtype=dtype, grad=slope)
    assert result.ok, result.message()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_log_expit_is_right(dtype):
    """−log σ of the logit on the side of the label, and of both for a soft one, without 0·∞."""

    def candidate(y, z):
        sides = [np.where(w > 0, -w * scipy.special.log_expit(s), 0) for w, s in ((y, z), (1 - y, -z))]
        return sides[0] + sides[1] + 0 * z

    result = check(candidate, LOGITS, dtype=dtype, regimes=[r for r in REGIMES if r not in "GK"])
    assert result.ok, result.message()


def test_least_squares_own_cauchy_is_right_where_its_argument_is_a_number():
    """Its ρ takes z = r²; beyond the root of the largest number z is infinite, and so is its ρ: inf, and inf · 0."""
    from scipy.optimize._lsq.least_squares import IMPLEMENTED_LOSSES

    def candidate(y, yhat):
        rho = np.empty((3, yhat.size))
        IMPLEMENTED_LOSSES["cauchy"](((yhat - y) / 0.75).ravel() ** 2, rho, cost_only=False)
        return 0.75**2 * rho[0].reshape(yhat.shape), 2 * (yhat - y) * rho[1].reshape(yhat.shape)

    loss = reflosses.Cauchy(delta=0.75, reduction="none")
    assert check(candidate, loss, regimes=[r for r in REGIMES if r not in "FG"]).ok
    assert check(candidate, loss, regimes=["F"]).verdict == "overflow"


NAIVE = {
    "mse": (MeanSquaredError(), lambda y, p: (((p - y) ** 2).mean(), 2 * (p - y) / p.size)),
    "bce": (
        BinaryCrossEntropy(reduction="none"),
        lambda y, p: (-(y * np.log(p) + (1 - y) * np.log(1 - p)), (p - y) / (p * (1 - p))),
    ),
    "logits": (
        LOGITS,
        lambda y, z: (np.maximum(z, 0) - z * y + np.log(1 + np.exp(-abs(z))), 1 / (1 + np.exp(-z)) - y),
    ),
    "hinge": (Hinge(reduction="sum"), lambda y, f: (np.maximum(0, 1 - y * f).sum(), np.where(y * f < 1, -y, 0))),
    "dice": (
        Dice(),
        lambda t, p: (
            1 - 2 * (t * p).sum() / (t + p).sum(),
            -2 * t / (t + p).sum() + 2 * (t * p).sum() / (t + p).sum() ** 2,
        ),
    ),
}


@pytest.mark.parametrize("name", NAIVE)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_naive_formula_is_right_at_moderate_inputs(name, dtype):
    loss, formula = NAIVE[name]
    result = check(formula, loss, dtype=dtype, regimes=["moderate"])
    assert result.ok, result.message()


class Differentiated(Candidate):
    """|yhat − y| as an autodiff gives it that takes the right slope at the kink."""

    takes_weight, differentiates, subnormals = False, True, True

    def ask(self, y, yhat, weight=None, upstream=None):
        slope = np.where(yhat >= y, 1.0, -1.0)
        return Answer(np.abs(yhat - y), slope * (1.0 if upstream is None else upstream))


@pytest.mark.parametrize("dtype", DTYPES)
def test_either_slope_of_a_kink_is_right_whatever_it_is_multiplied_with(dtype):
    """In bfloat16 some of the tame residuals are 0, and some of the multipliers are negative."""
    result = check(Differentiated(), MeanAbsoluteError(reduction="none"), dtype=dtype, regimes=["I", "D"])
    assert result.ok, result.message()
    assert {row.regime for row in result.rows} == {"I", "D"}


def test_a_slope_next_to_a_kink_may_err_by_ulps_of_its_sides():
    each = exact(MeanAbsoluteError(), np.array([1.0]), np.array([1.0]))
    assert (each.grad, each.low, each.high, each.grad_size) == (0.0, -1.0, 1.0, 1.0)


def test_shapes_that_differ_may_be_lined_up_but_not_broadcast():
    def squeezed(y, yhat):
        return (y.reshape(yhat.shape) - yhat) ** 2

    loss = MeanSquaredError(reduction="none")
    assert check(squeezed, loss, regimes=["K"]).ok
    result = check(lambda y, yhat: (y - yhat) ** 2, loss, regimes=["K"])
    assert [(d.name, d.verdict) for d in result.worst] == [("shapes (n, 1) and (n,)", "accepts invalid input")]


def test_weights_are_made_with_the_precision_of_the_call():
    class Switched(NumPy):
        on = False

        @contextmanager
        def precision(self):
            self.on = True
            yield
            self.on = False

        def array(self, a):
            assert self.on
            return super().array(a)

    asked = InProcess(lambda y, yhat, weight: weight * abs(yhat - y), Switched(FORMATS["float64"]), grad=None)
    answer = asked.ask(np.zeros(2), np.array([1.0, -3.0]), np.array([0.5, 2.0]))
    assert answer.value.tolist() == [0.5, 6.0], answer.error


def test_arrays_are_written_so_that_they_come_back():
    arrays = [np.zeros((0, 4)), np.zeros(0), np.array([np.inf, -np.inf, np.nan]), np.arange(6.0).reshape(2, 3)]
    arrays += [np.tile([[1.0, np.nan]], (5000, 1)), np.repeat([0.0, 4.0, 0.0], [2000, 1, 68000])[None]]
    for a in arrays:
        text = numbers(a)
        assert len(text) < 200
        np.testing.assert_array_equal(np.array(eval(text, {"np": np})), a)


# ---- mistakes are found ----------------------------------------------------------------------------------------------

MISTAKES = list(planted.mistakes())


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: type(m).__name__)
def test_every_planted_mistake_is_found(mistake):
    def candidate(y, yhat, weight=None):
        return mistake.value_and_grad(y, yhat, weight=weight)

    assert not check(candidate, mistake.right, regimes=REGIMES).ok


def dice_of_images(y, yhat):
    pairs = zip(y, yhat, strict=True) if yhat.ndim > 1 else [(y, yhat)]
    return np.mean([reflosses.Dice().value(a.ravel(), b.ravel()) for a, b in pairs])


@pytest.mark.parametrize(
    ("loss", "candidate"),
    [
        (MeanSquaredError(), lambda y, p: np.divide(((p - y) ** 2).sum(), len(p)) if p.size else np.nan),
        (MeanSquaredError(), lambda y, p: np.mean((p - y) ** 2) * (p.shape[-1] if p.ndim > 1 else 1)),
        (Dice(), dice_of_images),
    ],
    ids=["a batch mean", "a sum over the last axis", "a Dice loss of each image"],
)
def test_what_arrays_of_several_axes_show_is_found(loss, candidate):
    result = check(candidate, loss, regimes=["I"])
    assert {d.verdict for d in result.worst} == {"other convention"}
    assert any(d.name.startswith("arrays of shape") for d in result.worst)


def test_who_takes_no_arrays_of_several_axes_is_not_asked_them():
    def flat_only(y, yhat):
        if yhat.ndim != 1:
            raise ValueError("one axis")
        return (yhat - y) ** 2

    result = check(flat_only, MeanSquaredError(reduction="none"), regimes=["I"])
    assert result.ok
    assert "arrays of shape (2, 3) were not asked: it raises ValueError: one axis" in result.notes


# ---- errors just outside what is allowed, and mistakes at kinks only -------------------------------------------------

ABSOLUTE, SQUARED, LINEAR = (
    MeanAbsoluteError(reduction="none"),
    MeanSquaredError(reduction="none"),
    Hinge(reduction="none"),
)


class Off(Candidate):
    """A loss whose values, or slopes, are so many of their own ulps too large where they are normal numbers."""

    takes_weight, differentiates, subnormals = True, True, True

    def __init__(self, loss, value=0, slope=0):
        self.loss, self.by = loss, (value, slope)

    def ask(self, y, yhat, weight=None, upstream=None):
        value, slope = self.loss.value_and_grad(y, yhat, weight=weight)
        with np.errstate(all="ignore"):
            slope = slope if upstream is None else slope * upstream
            pair = [np.asarray(a) for a in (value, slope)]
            size = [np.where((abs(a) > 1e-300) & (abs(a) < 1e308), np.spacing(a), 0) for a in pair]
        return Answer(*(a + k * unit for a, k, unit in zip(pair, self.by, size, strict=True)))


@pytest.mark.usefixtures("flint")
@pytest.mark.parametrize(
    ("by", "right"), [({"value": 15}, True), ({"value": 17}, False), ({"slope": 19}, True), ({"slope": 21}, False)]
)
@pytest.mark.parametrize("regime", "DEF")
def test_a_tenth_beyond_what_is_allowed_is_wrong(by, right, regime):
    """|r| and its slope have no error of their own: 4 · 4 and 4 · 5 ulp are allowed."""
    assert check(Off(ABSOLUTE, **by), ABSOLUTE, regimes=[regime], level="digits", diagnose=False).ok == right


@pytest.mark.parametrize(("loss", "regimes"), [(LOGITS, "AB"), (ABSOLUTE, "DEF"), (FOCAL, "C")])
@pytest.mark.parametrize("what", ["value", "slope"])
def test_half_of_the_digits_are_not_enough_where_digits_are_asked(loss, regimes, what):
    for regime in regimes:
        assert not check(Off(loss, **{what: 2**24}), loss, regimes=[regime], level="range", diagnose=False).ok
    assert check(Off(loss, **{what: 2**24}), loss, regimes=["moderate", "G", "H", "I"], diagnose=False).ok


@pytest.mark.parametrize(("slope", "right"), [(2**25, True), (2**28, False)])
def test_slopes_that_are_multiplied_are_judged_by_the_size_of_the_product(slope, right):
    """Half of the digits: about 2^26 ulp, whatever the multiplier; some are near 2."""
    assert check(Off(SQUARED, slope=slope), SQUARED, regimes=["I"], diagnose=False).ok == right


def at_kinks(loss, kinks, slope):
    """The loss, with another slope at its kinks alone."""

    def candidate(y, yhat):
        value, grad = loss.value_and_grad(y, yhat)
        return value, np.where(np.any([yhat == k for k in kinks(y)], axis=0), slope, grad)

    return candidate


CLAMPED = BinaryCrossEntropy(clamp=2.0**-5, reduction="none")
CLAMPED_FOCAL = reflosses.Focal(gamma=1.5, clamp=2.0**-5, reduction="none")
KINKS = [  # a loss, its kinks, a slope that lies between the one-sided ones and one that does not
    (ABSOLUTE, lambda y: [y], 0.25, 1.25),
    (ABSOLUTE, lambda y: [y], -1.0, -1.25),
    (LINEAR, lambda y: [y], 0.0, 1.25),
    (LINEAR, lambda y: [y], 0.0, -1.25),
    (CLAMPED, lambda y: [0 * y + 2.0**-5, 0 * y + 1 - 2.0**-5], 0.0, 64.0),
    (CLAMPED_FOCAL, lambda y: [0 * y + 2.0**-5, 0 * y + 1 - 2.0**-5], None, 64.0),
]


@pytest.mark.parametrize(("loss", "kinks", "inside", "outside"), KINKS)
def test_a_slope_that_is_wrong_at_a_kink_alone_is_found(loss, kinks, inside, outside):
    if inside is not None:
        assert check(at_kinks(loss, kinks, inside), loss, diagnose=False).ok
    result = check(at_kinks(loss, kinks, outside), loss, diagnose=False)
    assert {d.what for d in result.worst} == {"gradient"}
    assert {d.got for d in result.worst} == {outside}


def test_who_has_given_up_is_not_asked_for_an_explanation():
    class Dying(Off):
        asked, given_up = 0, False

        def ask(self, *arguments, **more):
            assert not self.given_up
            self.asked += 1
            self.given_up = self.asked == 6
            value, grad, *_ = super().ask(*arguments, **more)
            return Answer(2 * value, grad)

    result = check(Dying(ABSOLUTE), ABSOLUTE)
    assert not result.ok
    assert result.diagnosis == ""
    assert any("given up" in note for note in result.notes)


def test_an_empty_answer_to_invalid_input_is_taken_as_zero():
    def candidate(y, yhat):
        return (
            np.zeros(0) if np.any(yhat > 1) or np.any(yhat < 0) else BinaryCrossEntropy(reduction="none").value(y, yhat)
        )

    result = check(candidate, BinaryCrossEntropy(reduction="none"), regimes=["K"])
    assert {(d.verdict, d.got) for d in result.worst if d.name.startswith("prediction")} == {
        ("accepts invalid input", 0.0)
    }


# ---- what else a report says -----------------------------------------------------------------------------------------


def test_a_candidate_that_changes_its_inputs_is_told():
    def candidate(y, yhat):
        yhat -= y
        return yhat**2

    result = check(candidate, MeanSquaredError(reduction="none"), regimes=["moderate"])
    assert not result.ok
    assert "It is not the loss: it changes the yhat that it is given." in result.summary()


def test_a_gradient_of_a_value_of_the_wrong_shape_is_not_said_to_be_missing():
    result = check(ours(MeanSquaredError(reduction="none")), MeanSquaredError(), regimes=["I"])
    assert result.verdict == "other convention"
    assert not any("no gradient" in note for note in result.notes)


def test_an_interrupt_carries_what_was_found():
    calls = []

    def candidate(y, yhat):
        calls.append(1)
        if len(calls) > 40:
            raise KeyboardInterrupt
        return float(np.mean((yhat - y) ** 2))

    with pytest.raises(KeyboardInterrupt) as stopped:
        check(candidate, MeanSquaredError())
    (found,) = stopped.value.args
    assert sum(row.value.points for row in found.rows) > 10
    assert "the rest was not asked: interrupted" in found.notes


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((abs, "Huber"), {}, "TypeError: {}: loss is 'Huber', neither a loss such as Huber(delta=0.7) nor Scaled("),
        ((abs, reflosses.Huber), {}, "TypeError: {}: loss is <class 'reflosses.losses.huber.Huber'>, neither"),
        ((3, HUBER), {}, "TypeError: {}: candidate is 3, not a callable of (y, yhat)"),
        ((Unprintable(), HUBER), {}, "TypeError: {}: candidate is <Unprintable>, not a callable"),
        (
            (abs, HUBER),
            {"grad": "autodif"},
            "ValueError: {}: grad is 'autodif', neither 'auto' nor None nor a callable",
        ),
        ((abs, HUBER), {"grad": Unprintable()}, "ValueError: {}: grad is <Unprintable>, neither"),
        ((abs, HUBER), {"framework": "numpi"}, "ValueError: {}: framework is 'numpi', not one of auto, numpy"),
        ((abs, HUBER), {"dtype": []}, "ValueError: {}: dtype is [], not one of float64"),
        ((abs, HUBER), {"targets": None}, "ValueError: {}: targets is None, not one of index"),
    ],
)
@pytest.mark.parametrize("function", [check, diagnose], ids=["check", "diagnose"])
def test_arguments_without_a_meaning(function, arguments, options, error):
    with pytest.raises((TypeError, ValueError)) as raised:
        function(*arguments, **options)
    assert f"{type(raised.value).__name__}: {raised.value}".startswith(error.format(function.__name__))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"regimes": "Z"}, "ValueError: check: regimes is 'Z', not one of moderate, A"),
        ({"regimes": ["F", 6]}, "ValueError: check: regimes is 6, not one of moderate, A"),
        ({"regimes": 6}, "TypeError: check: regimes is 6, not a name or several"),
        ({"seed": "a"}, "TypeError: check: seed must be an integer, got 'a'"),
        ({"seed": -3}, "ValueError: check: seed is -3, not at least 0"),
        ({"unit": "a"}, "TypeError: check: unit must be an array of real numbers, got dtype <U1"),
        ({"unit": -0.5}, "ValueError: check: unit is -0.5, not a finite number in [0, inf)"),
        ({"inputs": 3}, "TypeError: check: inputs is 3, not a function"),
        ({"script": None}, "TypeError: check: script is None, not a function"),
        ({"tick": 3}, "TypeError: check: tick is 3, not a function"),
        ({"name": 3}, "TypeError: check: name is 3, no text"),
        ({"diagnose": "no"}, "TypeError: check: diagnose must be True or False, got 'no'"),
    ],
)
def test_options_without_a_meaning(options, error):
    with pytest.raises((TypeError, ValueError)) as raised:
        check(abs, HUBER, **options)
    assert f"{type(raised.value).__name__}: {raised.value}".startswith(error)


def test_soft_targets_are_not_asked_of_a_loss_that_takes_none():
    """Class weights divide a weighted mean of indices only; the candidate would answer for rows too."""
    w = np.array([0.3, 7.0, 0.05])
    loss = CrossEntropy(class_weight=w, reduction="weighted_mean")

    def candidate(y, yhat, weight=None):
        return (
            loss.value(y, yhat, weight=weight) if y.ndim < yhat.ndim else -(y * w * reflosses.log_softmax(yhat)).sum()
        )

    result = check(candidate, loss, grad=None, regimes=["moderate", "I"])
    assert result.ok
    assert sum(row.value.points for row in result.rows) > 20
    for other in (loss, NegativeLogLikelihood()):
        with pytest.raises(ValueError, match=r"^check: targets is 'rows', and .* takes class indices only"):
            check(candidate, other, targets="rows")


@pytest.mark.parametrize(
    ("factor", "loss", "error"),
    [
        ("x", HUBER, "Scaled: factor must be an array of real numbers"),
        (0, HUBER, r"Scaled: factor is 0, not a finite number in \(0, inf\)"),
        (0.5, 3, r"Scaled: loss is 3, no loss such as Huber\(delta=0\.7\)"),
    ],
)
def test_a_scaled_loss_is_a_factor_and_a_loss(factor, loss, error):
    with pytest.raises((TypeError, ValueError), match=f"^{error}"):
        Scaled(factor, loss)


def test_one_regime_may_be_named_alone():
    result = check(ours(HUBER), HUBER, regimes="moderate")
    assert [row.regime for row in result.rows] == ["moderate"]
    assert str(result).splitlines()[0].endswith(f"is {HUBER} in float64: formula holds")


def test_a_result_prints_its_message_and_no_arrays():
    result = check(lambda y, yhat: 2 * abs(yhat - y), MeanAbsoluteError(reduction="none"), regimes=["moderate"])
    assert str(result) == result.message()
    assert "array(" not in repr(result)


def test_three_results_are_a_crash_that_says_so():
    result = check(lambda y, yhat: (1, 2, 3), HUBER, regimes=["moderate"])
    assert result.verdict == "crash"
    assert "3 results, neither a value nor the pair of value and gradient" in result.worst[0].error


def softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-abs(z)))


WRONG = {  # the loss, a candidate, and a regime, a column and a verdict that it must be found with
    "σ(z) − y": (
        LOGITS,
        lambda y, z: (LOGITS.value(y, z), scipy.special.expit(z) - y),
        "A",
        "gradient",
        "spurious zero",
    ),
    "log of σ": (
        LOGITS,
        lambda y, z: -(y * np.log(1 / (1 + np.exp(-z))) + (1 - y) * np.log(1 - 1 / (1 + np.exp(-z)))),
        "B",
        "value",
        "spurious inf/NaN",
    ),
    "a clip": (
        BinaryCrossEntropy(reduction="none"),
        lambda y, p: BinaryCrossEntropy(reduction="none").value(y, np.clip(p, 1e-7, 1 - 1e-7)),
        "B",
        "value",
        "capped",
    ),
    "a dead clip": (
        BinaryCrossEntropy(reduction="none"),
        lambda y, p: BinaryCrossEntropy(clamp=1e-7, reduction="none").value_and_grad(y, p),
        "B",
        "gradient",
        "dead gradient",
    ),
    "r² first": (
        HUBER,
        lambda y, r: (abs(r) < 0.75) * r**2 / 2 + (abs(r) >= 0.75) * 0.75 * (abs(r) - 0.375),
        "F",
        "value",
        "overflow",
    ),
    "0 · −∞": (LOGITS, lambda y, z: y * softplus(-z) + (1 - y) * softplus(z), "G", "value", "spurious inf/NaN"),
    "a mean over nothing that is 0": (
        MeanSquaredError(),
        lambda y, p: ((p - y) ** 2).mean() if p.size else np.float64(0.0),
        "H",
        "value",
        "other convention",
    ),
    "raises on infinities": (
        LOGITS,
        lambda y, z: LOGITS.value(y, z) if np.isfinite(z).all() else 1 / 0,
        "G",
        "value",
        "crash",
    ),
    "labels unchecked": (
        NegativeLogLikelihood(),
        lambda y, z: -z[np.arange(len(y)), np.clip(y, 0, z.shape[1] - 1)].mean(),
        "K",
        "value",
        "accepts invalid input",
    ),
    "1 − 2I/S": (Dice(), lambda t, p: 1 - 2 * (t * p).sum() / max((t + p).sum(), 1e-300), "A", "value", "inaccurate"),
    "another shape": (MeanSquaredError(), lambda y, p: (p - y) ** 2, "moderate", "value", "other convention"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named_by_its_regime_and_verdict(name):
    loss, candidate, regime, what, expected = WRONG[name]
    result = check(candidate, loss, regimes=REGIMES, diagnose=False)
    found = [(d.regime, d.what, d.verdict) for d in result.worst]
    assert (regime, what, expected) in found, result.message()
    column = next(getattr(row, what) for row in result.rows if row.regime == regime)
    assert column.wrong[expected] > 0


def test_float32_inside_is_found_in_float64():
    result = check(lambda y, yhat: HUBER.value(y, yhat).astype(np.float32), HUBER)
    assert {d.verdict for d in result.worst} >= {"inaccurate", "overflow"}


def test_numbers_that_are_rounded_near_zero_are_no_cap():
    """1 − 2^−k rounded to a multiple of 2^−20: the same small loss for several others, and no bound of it."""
    loss = BinaryCrossEntropy(reduction="none")
    result = check(lambda y, p: np.floor(loss.value(y, p) * 2.0**20) / 2.0**20, loss, regimes=["A", "B"])
    assert {d.verdict for d in result.worst if d.regime == "A"} == {"inaccurate", "spurious zero"}


def test_weights_that_are_ignored_are_found():
    result = check(lambda y, yhat, weight=None: MeanAbsoluteError().value(y, yhat), MeanAbsoluteError(), regimes=["I"])
    assert {d.name for d in result.worst} & {"weights", "some weights 0"}


@pytest.mark.usefixtures("flint")
@pytest.mark.parametrize(("ulps", "right"), [(17, True), (20, False)])
def test_a_sum_may_err_a_little_more_than_its_losses(ulps, right):
    """A value of 1 may be off by 16 ulp, 4 times our bound of 4, and by 3 more for the sum of one loss."""

    def candidate(y, yhat):
        value = np.mean(np.abs(yhat - y))
        return value + ulps * 2.0**-52 if value == 1 else value

    assert check(candidate, MeanAbsoluteError(), regimes=["D"], level="digits").ok == right


def test_a_long_sum_in_float16_is_found():
    def candidate(y, yhat):
        return np.add.reduce((yhat - y) ** 2, dtype=np.float16)

    with np.errstate(all="ignore"):
        result = check(candidate, Scaled(0.0625, MeanSquaredError(reduction="sum")), dtype="float16", regimes=["J"])
    assert [(d.regime, d.name) for d in result.worst] == [("J", "a long sum")]
    assert len(result.message()) < 1500  # the arrays are written as what repeats in them
    names = {}
    exec(result.script(result.worst[0]), names)
    np.testing.assert_array_equal(names["yhat"], result.worst[0].yhat)
    assert len(names["yhat"]) > 65504


# ---- what is reported ------------------------------------------------------------------------------------------------


def wrong_everywhere(y, z):
    return 2 * LOGITS.value(y, z), scipy.special.expit(z) - y


@cache
def what_is_wrong_everywhere():
    return check(wrong_everywhere, LOGITS, name="mine")


def test_deviations_are_the_calls_that_show_them():
    result = what_is_wrong_everywhere()
    for d in result.worst:
        value, grad = wrong_everywhere(np.asarray(d.y), np.asarray(d.yhat))
        got = (value if d.what == "value" else grad)[d.index]
        assert got == d.got or (np.isnan(got) and np.isnan(d.got))
        assert not abs(d.got - d.exact) <= d.slack
        names = {}
        exec(result.script(d), names)
        np.testing.assert_array_equal(names["yhat"], d.yhat)
    regimes = [row.regime for row in result.rows]
    assert regimes == [r for r in REGIMES if r in regimes]


KINDS_OF_CALLS = [
    CrossEntropy(reduction="none"),
    CrossEntropy(axis=0, ignore_index=-100, reduction="mean"),
    NegativeLogLikelihood(reduction="sum"),
    Dice(axis=-1, reduction="none"),
    Dice(),
    reflosses.GeneralizedDice(axis=1, per_sample=True, reduction="none"),
    reflosses.Cauchy(delta=0.75, information=((4.0, 1.5), (1.5, 0.75)), reduction="none"),
    WeightedCrossEntropy(reduction="none"),
    WeightedCrossEntropy(weight_grad="full"),
    MeanSquaredError(reduction="mean"),
]


@pytest.mark.parametrize("loss", KINDS_OF_CALLS, ids=str)
def test_a_deviation_is_a_call_and_a_place_in_its_answer(loss):
    """Twice the value, and three times the gradient: every place is wrong unless it is 0."""

    def candidate(y, yhat, weight=None):
        value, grad = loss.value_and_grad(y, yhat, weight=weight)
        return 2 * np.asarray(value), 3 * grad

    result = check(candidate, loss, regimes=["moderate", "D", "G", "H", "I"], diagnose=False)
    assert {d.what for d in result.worst} == {"value", "gradient"}
    for d in result.worst:
        given = [np.asarray(a) for a in (d.y, d.yhat)]
        answer = candidate(*given, weight=None if d.weight is None else np.asarray(d.weight))
        right = loss.value_and_grad(*given, weight=d.weight)
        k = ("value", "gradient").index(d.what)
        assert len(d.index) == np.ndim(answer[k])
        np.testing.assert_equal(d.got, float(answer[k][d.index]))
        np.testing.assert_allclose(
            d.exact, float(np.asarray(right[k])[d.index]), rtol=2.0**-40
        )  # the place: another number is far away
        regime = result.row(d.regime)
        assert getattr(regime, d.what).wrong[d.verdict] > 0
    for row in result.rows:
        for column in (row.value, row.gradient):
            assert sum(column.wrong.values()) <= column.points


@pytest.mark.usefixtures("flint")
def test_a_regime_counts_its_numbers():
    """Seven losses, of which three are wrong by a factor and four right: all are counted, once each."""
    blocks_of_d = [b for b in blocks(ABSOLUTE, FORMATS["float64"], 0) if b.regime == "D"]
    residuals = np.concatenate([b.yhat - b.y for b in blocks_of_d])
    wrong = int((np.abs(residuals) >= 1).sum())

    def candidate(y, yhat):
        value, grad = ABSOLUTE.value_and_grad(y, yhat)
        return np.where(value >= 1, 2 * value, value), grad

    result = check(candidate, ABSOLUTE, regimes=["D"], diagnose=False)
    (row,) = result.rows
    assert (row.value.points, row.gradient.points) == (len(residuals), len(residuals))
    assert row.value.wrong == {"inaccurate": wrong}
    assert row.gradient.wrong == {}
    assert row.value.worst == 0
    (deviation,) = result.worst
    unit = np.spacing(deviation.exact)
    assert (deviation.ulps, deviation.slack) == (deviation.exact / unit, 16 * unit)


def test_message_markdown_and_json_say_the_same():
    result = what_is_wrong_everywhere()
    with pytest.raises(AssertionError, match="mine is not BinaryCrossEntropyWithLogits") as raised:
        result.raise_if_wrong()
    assert "saturated on the right side (A): value inaccurate" in str(raised.value)
    assert "yhat = np.array(" in str(raised.value)
    markdown = result.to_markdown()
    assert markdown.startswith("### mine is not BinaryCrossEntropyWithLogits")
    assert "| saturated on the right side (A) |" in markdown
    data = json.loads(result.to_json())
    assert data["ok"] is False
    assert data["verdict"] == result.verdict
    assert len(data["worst"]) == len(result.worst)
    assert {r["regime"] for r in data["rows"]} == {r.regime for r in result.rows}
    right = check(ours(LOGITS), LOGITS)
    right.raise_if_wrong()
    assert json.loads(right.to_json())["verdict"] == "right"


def test_a_scaled_loss_is_checked_as_such():
    half = lambda y, yhat: (0.5 * (yhat - y) * (yhat - y), yhat - y)  # noqa: E731
    assert check(half, Scaled(0.5, MeanSquaredError(reduction="none"))).ok
    assert not check(half, MeanSquaredError(reduction="none"), regimes=["moderate"]).ok


def test_a_candidate_that_always_raises_crashes():
    result = check(lambda y, yhat: {}["no"], HUBER)
    assert result.verdict == "crash"
    assert "KeyError: 'no'" in result.message()
    assert result.rows[0].value.points == 1


def test_an_error_is_told_in_one_line_of_300_letters():
    def candidate(y, yhat):
        raise ValueError("x" * 400 + "\nand more")

    asked = InProcess(candidate, NumPy(FORMATS["float64"]))
    assert asked.ask(np.zeros(1), np.zeros(1)).error == "ValueError: " + "x" * 288
    short = InProcess(lambda y, yhat: {}["no"], NumPy(FORMATS["float64"]))
    assert short.ask(np.zeros(1), np.zeros(1)).error == "KeyError: 'no'"


def test_values_alone_are_said_to_be_alone():
    result = check(lambda y, yhat: HUBER.value(y, yhat), HUBER)
    assert result.ok
    assert "Value only: no gradient was asked, because NumPy has no autodiff" in result.summary()


def test_only_one_kind_of_targets():
    loss = CrossEntropy(reduction="none")

    def by_index(y, z):
        if y.ndim != 1:
            raise TypeError("indices, please")
        return loss.value_and_grad(y, z)

    result = check(by_index, loss)
    assert result.ok, result.message()
    assert any("rows of class probabilities were not asked" in note for note in result.notes)
    assert check(by_index, loss, targets="rows").verdict == "crash"
    assert set(check(by_index, loss, targets="index").notes) <= {UNPROVED}


def test_coupled_losses():
    loss = WeightedCrossEntropy(weight_grad="full")
    wrong = WeightedCrossEntropy(weight_grad="stop")
    assert check(ours(loss), loss).ok
    assert check(lambda y, p: wrong.value_and_grad(y, p), loss).verdict != "right"


def test_the_seed_changes_the_inputs_and_nothing_else():
    one, again = what_is_wrong_everywhere(), check(wrong_everywhere, LOGITS, name="mine", seed=0)
    other = check(wrong_everywhere, LOGITS, seed=2, diagnose=False)
    assert one.to_dict() | {"seconds": 0} == again.to_dict() | {"seconds": 0}
    assert [d.got for d in one.worst] != [d.got for d in other.worst]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float128"}, "dtype is 'float128', not one of float64"),
        ({"regimes": ["Z"]}, "check: regimes is 'Z', not one of moderate, A"),
        ({"framework": "mxnet"}, "framework is 'mxnet', not one of auto, numpy"),
        ({"targets": "both"}, "targets is 'both', not one of index"),
    ],
)
def test_misuse(options, message):
    with pytest.raises(ValueError, match=message):
        check(HUBER.value, HUBER, **options)


def test_progress_is_told():
    seen = []
    check(HUBER.value_and_grad, HUBER, tick=lambda done, total: seen.append((done, total)))
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1] == max(total for _, total in seen)


@pytest.mark.parametrize("ignored", [0, 1, 3])
def test_a_class_may_be_ignored(ignored):
    loss = CrossEntropy(ignore_index=ignored)
    result = check(lambda y, z: loss.value_and_grad(y, z), loss, targets="index", diagnose=False)
    assert result.holds == ("formula", "digits", "range"), result.message()
