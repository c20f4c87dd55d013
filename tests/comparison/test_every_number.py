"""Every number of a format: none is left out, and counts are right whatever the blocks and threads."""

import json
from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest

import reflosses
from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Dice,
    FocalWithLogits,
    Hinge,
    Huber,
    MeanSquaredError,
)
from reflosses.catalogue import losses
from reflosses.comparison import counting
from reflosses.comparison.candidate import InProcess, NumPy
from reflosses.comparison.census import LINES, CountedTarget, share
from reflosses.comparison.counting import count_numbers
from reflosses.comparison.expected import Scaled
from reflosses.comparison.formats import FORMATS, shortest
from reflosses.comparison.judging import NumberJudge
from reflosses.comparison.one_prediction import one_predictions, stackable
from reflosses.comparison.rounding import correctly_rounded, fractions
from reflosses.evaluation.loss import Loss

pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")  # the format that `exhaust` takes by default

NONE = {"reduction": "none"}
MSE, BCE, LOGITS = MeanSquaredError(**NONE), BinaryCrossEntropy(**NONE), BinaryCrossEntropyWithLogits(**NONE)
NARROW = {"bfloat16": 65_280, "float16": 63_488}


def wrong_at(loss, numbers, factor=2.0, shift=1.0):
    """Our own loss, with another value at some predictions."""

    def candidate(y, x):
        value, grad = loss.value_and_grad(y, x)
        return np.where(np.isin(np.asarray(x, np.float64), numbers), factor * value + shift, value), grad

    return candidate


def counts(candidate, loss, form, one, **options):
    found = CountedTarget(one.name, "yhat")
    count_numbers(InProcess(candidate, NumPy(form), "auto"), loss, one, form, found, **options)
    return found


# ---- nothing is left out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", NARROW)
def test_a_right_loss_is_right_at_every_number(dtype):
    for loss in (MSE, LOGITS, BCE, CrossEntropy(**NONE), Dice(axis=1, **NONE)):
        census = reflosses.exhaust(loss.value_and_grad, loss, dtype=dtype)
        assert census.ok, str(census)
        assert census.holds == ("formula", "digits", "range")
        assert all(c.right == c.asked > 15_000 for t in census.targets for _, c in t.columns())
    assert reflosses.exhaust(MSE.value_and_grad, MSE, dtype=dtype, y=1).targets[0].value.asked == NARROW[dtype]


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("number", [0.0, 1.0, 1.5, -0.625, 2.0**-14, 2.0**10, "largest", "smallest"])
def test_one_wrong_number_is_found(dtype, number):
    form = FORMATS[dtype]
    number = {"largest": form.max, "smallest": -form.smallest}.get(number, number)
    loss = Huber(delta=0.75, **NONE)  # its value is a number of the format everywhere
    census = reflosses.exhaust(wrong_at(loss, [number]), loss, dtype=dtype, y=0)
    (target,) = census.targets
    assert not census.ok
    zeros = 2 if number == 0 else 1  # 0 and −0
    assert target.value.asked - target.value.right == zeros
    assert sum(target.value.verdicts.values()) == zeros
    assert [(run.first, run.last) for run in target.value.runs] == [(number, number)]
    assert target.value.worst.number == number
    assert target.gradient.ok


@pytest.mark.parametrize("offset", [0, 1, 2**10 - 1, 2**10, 3 * 2**10 - 1, 3 * 2**10])
@pytest.mark.parametrize("dtype", ["float32", *NARROW])
def test_one_wrong_number_is_found_at_each_end_of_a_block(monkeypatch, dtype, offset):
    form = FORMATS[dtype]
    low = int(form.places(0.5)) - 1
    monkeypatch.setattr(counting, "ends", lambda loss, form: (low, low + 3 * 2**10 + 1))
    number = float(form.numbers(low + offset, low + offset + 1)[0])
    (one,) = one_predictions(MSE, form, 0.0)
    found = counts(wrong_at(MSE, [number]), MSE, form, one, block=2**10)
    assert (found.value.asked, found.value.right) == (3 * 2**10 + 1, 3 * 2**10)
    assert [run.first for run in found.value.runs] == [number]
    assert found.gradient.ok


def test_the_counts_are_those_of_exact_arithmetic():
    form = FORMATS["float16"]

    def candidate(y, x):  # float16 arithmetic: two roundings of the value, one of the gradient
        with np.errstate(over="ignore"):
            return (x - y) ** 2, 2 * (x - y)

    x = form.numbers(-form.last - 1, form.last + 1)
    r = x - 1.0  # exact in float64, and so is its square: 25 bits, and twice as many
    with np.errstate(over="ignore"):
        due = (r * r).astype(np.float16), (2 * r).astype(np.float16)
        got = [np.asarray(a) for a in candidate(np.ones(x.shape, np.float16), x.astype(np.float16))]
    (target,) = reflosses.exhaust(candidate, MSE, dtype="float16", y=1).targets
    same = [int((a == b).sum()) for a, b in zip(got, due, strict=True)]
    for column, expected in zip((target.value, target.gradient), same, strict=True):
        assert column.right == column.asked == x.size
        assert column.correctly_rounded <= expected <= column.correctly_rounded + column.undecided
    assert same[0] < x.size  # the square of a rounded residual is often another number


def test_the_report_does_not_depend_on_blocks_and_threads():
    form, noise = FORMATS["float16"], np.random.default_rng(5).random(2**16) < 0.2

    def candidate(y, x):
        value, grad = LOGITS.value_and_grad(y, x)
        off = noise[form.places(x) + 2**15] & (np.abs(np.asarray(x, float)) > 3)
        return np.where(off, 1.5 * value, np.fmin(value, 9.0)), np.where(off, 0.0, grad)

    (one,) = one_predictions(LOGITS, form, 0.0)
    ways = [(2**17, 2), (2**10, 1), (2**10, 3), (1022, 2), (2**14, 1)]
    found = [counts(candidate, LOGITS, form, one, block=block, threads=threads) for block, threads in ways]
    for other in found[1:]:
        assert other == found[0]
        for a, b in zip((other.value, other.gradient), (found[0].value, found[0].gradient), strict=True):
            assert np.array_equal(a.profile.ulps, b.profile.ulps)
            assert np.array_equal(a.profile.verdict, b.profile.verdict)
    assert 1 < len(found[0].value.runs) <= LINES


def test_runs_are_merged_to_few_lines_without_losing_a_number():
    form = FORMATS["float16"]
    numbers = form.numbers(1000, 22000)[::7]
    census = reflosses.exhaust(wrong_at(MSE, numbers), MSE, dtype="float16", y=0)
    runs = census.targets[0].value.runs
    assert len(runs) <= LINES
    assert sum(run.count for run in runs) == len(numbers)
    assert min(run.first for run in runs) == numbers[0]
    assert max(run.last for run in runs) == numbers[-1]
    assert sum(run.numbers for run in runs) > len(numbers)


# ---- what is told ----------------------------------------------------------------------------------------------------


def test_a_clip_is_one_run_that_is_capped():
    def candidate(y, p):
        return -np.log(np.fmax(p, 1e-4)), -1 / np.asarray(p, np.float64)

    with np.errstate(divide="ignore"):
        census = reflosses.exhaust(candidate, BCE, dtype="float16", y=1)
    value = census.targets[0].value
    assert set(value.verdicts) == {"capped"}
    assert [(run.first, run.verdict) for run in value.runs] == [(0.0, "capped")]
    assert value.runs[0].last < 1e-4


def test_a_spurious_zero_is_told_with_its_ends_and_its_level():
    def candidate(y, z):
        value, grad = LOGITS.value_and_grad(y, z)
        return value, np.where((y == 1) & (np.asarray(z, float) > 6.0), 0.0, grad)

    census = reflosses.exhaust(candidate, LOGITS, y=1)
    (run,) = census.targets[0].gradient.runs
    assert (run.verdict, run.level, run.first) == ("spurious zero", "digits", 6.03125)
    assert run.count == run.numbers
    assert census.holds == ("formula",)
    assert "spurious zero for z from 6.03 to " in str(census)
    assert any(limit.startswith("From |z| = 6.0") for limit in census.limits)


@pytest.mark.parametrize(
    ("numbers", "holds"),
    [([1.5], ()), ([FORMATS["bfloat16"].max], ("formula", "digits")), ([0.0], ("formula", "range"))],
)
def test_few_wrong_numbers_next_to_a_border_are_no_other_formula(numbers, holds):
    loss = Huber(delta=0.75, **NONE)
    census = reflosses.exhaust(wrong_at(loss, numbers, 1.0, 0.5 if numbers == [0.0] else -inf), loss, y=0)
    assert census.holds == holds, str(census)


def test_a_fall_of_a_loss_that_rises_is_told():
    census = reflosses.exhaust(wrong_at(MSE, [3.0], 0.99, 0.0), MSE, dtype="float16", y=0)
    value = census.targets[0].value
    assert (value.falls, value.falls_at) == (1, 3.0)
    assert "not monotone at 1 place at yhat = 3" in str(census)
    assert reflosses.exhaust(MSE.value_and_grad, MSE, dtype="float16", y=0).targets[0].value.falls == 0


def test_json_has_the_counts_the_worst_error_and_the_runs():
    census = reflosses.exhaust(wrong_at(MSE, [1.5]), MSE, y=[0, 1])
    told = json.loads(census.to_json())
    assert told["ok"] is False
    assert [t["target"] for t in told["targets"]] == ["y = 0", "y = 1"]
    value = told["targets"][0]["value"]
    assert (value["asked"], value["right"], value["verdicts"]) == (65_280, 65_279, {"other convention": 1})
    assert value["worst"]["number"] == 1.5
    names: dict = {"np": np}
    exec(value["worst"]["line"], names)
    assert (names["y"], names["yhat"]) == ([0.0], [1.5])
    assert value["runs"] == [
        {"verdict": "other convention", "first": 1.5, "last": 1.5, "count": 1, "numbers": 1, "level": "formula"}
    ]
    assert told["targets"][0]["gradient"]["right"] == 65_280
    assert "| y = 0 | value | other convention | 1.5 | 1.5 | 1 | 0.0015 % | formula |" in census.to_markdown()
    with pytest.raises(AssertionError, match=r"65,279 of 65,280 numbers are right"):
        census.raise_if_wrong()


def test_the_shortest_name_of_a_number_names_no_other():
    form = FORMATS["bfloat16"]
    for number in form.numbers(
        100,
        32000,
    )[::37]:
        assert form.round(float(shortest(form, number))) == number
    assert shortest(form, 103.5) == "104" or form.round(104.0) != 103.5


# ---- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_number_at_which_a_candidate_raises_is_found():
    def candidate(y, x):
        if (np.asarray(x, float) == 1.5).any():
            raise ValueError("no 1.5")
        return MSE.value_and_grad(y, x)

    census = reflosses.exhaust(candidate, MSE, y=0)
    value = census.targets[0].value
    assert value.verdicts == {"crash": 1}
    assert [(run.first, run.level) for run in value.runs] == [(1.5, "formula")]
    assert any("it raises ValueError: no 1.5" in note for note in census.found.notes)
    assert census.summary().startswith("It gives no answer for 1 number. ")


def test_a_candidate_of_another_shape_is_not_counted():
    census = reflosses.exhaust(lambda y, x: MSE.value(y, x).mean(), MSE, y=0)
    assert not census.ok
    assert census.targets == []
    assert census.holds == ()
    assert any("not counted" in note for note in census.notes)


def test_an_interrupt_returns_what_is_done():
    def candidate(y, x):
        if (np.asarray(x, float) > 2.0).any() and len(x) > 10_000:
            raise KeyboardInterrupt
        return MSE.value_and_grad(y, x)

    with pytest.raises(KeyboardInterrupt) as stop:
        reflosses.exhaust(candidate, MSE, dtype="float16", y=[0, 1])
    (census,) = stop.value.args
    assert census.interrupted
    assert not census.ok
    assert census.holds == ()
    assert len(census.targets) == 1


def test_a_mean_is_asked_one_loss_a_call(monkeypatch):
    monkeypatch.setattr(counting, "ends", lambda loss, form: (15_000, 16_000))
    loss, asked = Hinge(), []

    def candidate(y, x):
        asked.append(np.size(x))
        return loss.value_and_grad(y, x)

    census = reflosses.exhaust(candidate, loss, dtype="float16", y=1)
    assert census.ok
    assert asked.count(1) >= 1000
    assert census.targets[0].value.asked == 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float64"}, "float64 has 1.8e19 numbers: reflosses.hunt"),
        ({"dtype": "float32", "loss": MeanSquaredError()}, 'pass a loss with reduction="none"'),
        ({"dtype": "float32", "loss": Dice()}, 'reduction="none" and axis=1'),
        ({"y": 0.3}, "no number of bfloat16"),
        ({"y": 2, "loss": LOGITS}, "y is 2.0, outside of"),
        ({"y": 0, "loss": CrossEntropy(**NONE)}, "has fixed targets here"),
        ({"dtype": "float8"}, "dtype is 'float8'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    options = {"loss": MSE, **options}
    loss = options.pop("loss")
    with pytest.raises(ValueError, match="exhaust: ") as refused:
        reflosses.exhaust(loss.value_and_grad, loss, **options)
    assert message in str(refused.value)


@pytest.mark.parametrize("name", losses())
def test_every_loss_has_predictions_that_move(name):
    loss = losses()[name](reduction="none")
    found = one_predictions(loss, FORMATS["bfloat16"])
    assert len({one.name for one in found}) == len(found) >= 2
    many = stackable(loss)
    for one in found if many is not None else ():
        y, yhat = one.at(np.array([0.25, 0.5, 0.75]))
        assert len(y) == len(yhat) == 3
        assert len(np.unique(yhat.reshape(3, -1), axis=0)) == 3


# ---- check in a narrow format ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", NARROW)
def test_check_asks_every_number_of_a_narrow_format(dtype):
    loss = Huber(delta=0.75, **NONE)
    right = reflosses.check(loss.value_and_grad, loss, dtype=dtype)
    assert right.holds == ("formula", "digits", "range")
    assert any(note.startswith(f"all {NARROW[dtype]:,} numbers of {dtype} were asked") for note in right.notes)
    wrong = reflosses.check(wrong_at(loss, [7.25]), loss, dtype=dtype)  # which no battery asks
    assert "formula" not in wrong.holds
    assert any(np.ravel(d.yhat)[0] == 7.25 for d in wrong.worst)
    wide = reflosses.check(loss.value_and_grad, loss, dtype="float32")
    assert not any("numbers of" in note for note in wide.notes)


# ---- answers that are wrong in unusual ways --------------------------------------------------------------------------


def test_an_answer_in_a_wider_format_is_wrong_where_another_number_is_due():
    def candidate(y, x):
        value, grad = MSE.value_and_grad(y, x)
        return np.where(np.abs(np.asarray(x, float)) > 300, 1e10, value), grad  # 90,000 or more is due

    census = reflosses.exhaust(candidate, MSE, dtype="float16", y=0)
    assert census.targets[0].value.right < census.targets[0].value.asked
    assert not census.ok


def test_an_infinity_at_minus_zero_may_have_either_sign():
    def candidate(y, p):
        p = np.asarray(p, np.float64)
        with np.errstate(divide="ignore"):
            return -np.log(np.abs(p)), -y / p  # +∞ at −0

    assert reflosses.exhaust(candidate, BCE, dtype="float16", y=1).ok


def test_a_range_at_which_a_candidate_raises_has_its_ends():
    form = FORMATS["float16"]

    def candidate(y, z):
        if (np.abs(np.asarray(z, float)) > 1000).any():
            raise OverflowError("too large")
        return LOGITS.value_and_grad(y, z)

    census = reflosses.exhaust(candidate, LOGITS, dtype="float16", y=1)
    numbers = form.numbers(-form.last - 1, form.last + 1)
    assert census.targets[0].value.verdicts == {"crash": int((np.abs(numbers) > 1000).sum())}
    assert [(r.first, r.last) for r in census.targets[0].value.runs] == [(-form.max, -1000.5), (1000.5, form.max)]


def test_the_largest_error_of_a_row_shows_the_logit_that_is_wrong():
    loss = CrossEntropy(**NONE)

    def candidate(y, z):
        value, grad = loss.value_and_grad(y, z)
        grad[:, 2] *= np.where(np.abs(np.asarray(z, float)[:, 0]) > 20, 1.25, 1.0)
        return value, grad

    worst = reflosses.exhaust(candidate, loss, dtype="float16").targets[0].gradient.worst
    assert worst.got == 1.25 * worst.exact


def test_a_result_between_two_numbers_is_settled_by_its_fraction():
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")
    form, y = FORMATS["bfloat16"], 0.296875
    value = reflosses.exhaust(MSE.value_and_grad, MSE, y=y).targets[0].value
    x = form.numbers(-form.last - 1, form.last + 1)
    found = MSE.value(np.full(x.shape, y), x)  # of few bits: it is the midpoint of two numbers at thousands of places
    low, high = form.round(np.nextafter(found, -inf)), form.round(np.nextafter(found, inf))
    wrong, nearest = 0, []  # the exact square is beside the midpoint, and float64 does not say on which side
    between = np.flatnonzero(np.isfinite(high) & (low != high))
    for i in between.tolist():
        side = (Fraction(x[i]) - Fraction(y)) ** 2 - (Fraction(low[i]) + Fraction(high[i])) / 2
        due = form.round(found[i]) if side == 0 else low[i] if side < 0 else high[i]
        wrong += int(form.round(found[i]) != due)
        nearest.append(due)
    assert wrong > 1000
    judge = NumberJudge(MSE, one_predictions(MSE, form, y)[0], form, True)
    np.testing.assert_array_equal(correctly_rounded(judge, "value", form.places(x[between]))[:, 0], nearest)
    assert (value.correctly_rounded, value.undecided) == (value.asked - wrong, 0)


class Mixed(Loss):
    """r²/2, and from |r| = 64 on an exponential: only a part of its values are fractions."""

    layout, domain, bounds = MeanSquaredError.layout, MeanSquaredError.domain, MeanSquaredError.bounds

    @staticmethod
    def definition(m, y, yhat):
        r = abs(yhat - y)
        return r * r / 2 if r < 64 else m.exp(r - 64) + 2047

    def terms(self, y, yhat):
        return (yhat - y,)

    def losses(self, r):
        return np.where(np.abs(r) < 64, r * r / 2, np.exp(np.abs(r) - 64) + 2047)

    def slopes(self, r):
        return np.where(np.abs(r) < 64, r, np.sign(r) * np.exp(np.abs(r) - 64))

    def curvatures(self, r):
        return np.where(np.abs(r) < 64, 1.0, np.exp(np.abs(r) - 64))


def test_midpoints_are_settled_where_only_a_part_of_the_values_are_fractions():
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")
    form, loss = FORMATS["bfloat16"], Mixed(**NONE)
    (one,) = one_predictions(loss, form, 0.0)
    found = correctly_rounded(NumberJudge(loss, one, form, True), "value", form.places([17 / 16, 19 / 16, 66.0]))
    # 289/512 and 361/512 have nine bits: they are midpoints, and the even neighbour is below; e² + 2047 is 2054.4
    assert found.tolist() == [[288 / 512], [360 / 512], [2048.0]]
    half = NumberJudge(Scaled(0.5, MSE), one, form, True)
    assert correctly_rounded(half, "value", form.places([17 / 16, 19 / 16])).tolist() == [[288 / 512], [360 / 512]]
    assert fractions(MSE, np.zeros(1), np.array([inf])) is None
    assert fractions(MSE, np.zeros(1), np.array([nan])) is None


def test_right_functions_are_the_loss_in_a_narrow_format():
    def textbook(y, p):
        with np.errstate(divide="ignore", invalid="ignore"):
            return -(y * np.log(p) + (1 - y) * np.log1p(-p)), -y / p + (1 - y) / (1 - p)

    def focal(y, z):  # in terms of the cross-entropy b, as many write it
        z = np.asarray(z)
        b = np.logaddexp(0, -np.where(y == 1, z, -z)).astype(z.dtype)
        return (1 - np.exp(-b)) ** 2 * b

    for dtype in NARROW:
        assert "formula" in reflosses.check(textbook, BCE, dtype=dtype).holds
        assert "formula" in reflosses.check(focal, FocalWithLogits(**NONE), dtype=dtype).holds


def test_a_share_of_all_is_said_as_such():
    assert (share(1, 1), share(199, 200), share(1, 65_280)) == ("100 %", "99.5 %", "0.0015 %")


def test_zero_and_minus_zero_are_told_apart():
    def candidate(y, x):
        x = np.asarray(x, np.float64)
        value, grad = MSE.value_and_grad(y, x)
        zero = x == 0
        return np.where(zero & np.signbit(x), 5.0, value), np.where(zero & ~np.signbit(x), 5.0, grad)

    (target,) = reflosses.exhaust(candidate, MSE, y=1).targets
    assert [np.signbit(run.first) for run in target.value.runs] == [True]
    assert [np.signbit(run.first) for run in target.gradient.runs] == [False]
    assert [run.level for run in (*target.value.runs, *target.gradient.runs)] == ["digits", "digits"]


def test_targets_are_made_into_an_array_once(monkeypatch):
    made = []
    array = NumPy.array
    monkeypatch.setattr(NumPy, "array", lambda self, a: made.append(id(a)) or array(self, a))
    form = FORMATS["float16"]
    (one,) = one_predictions(MSE, form, 1.0)
    counts(MSE.value_and_grad, MSE, form, one, block=2**10)
    inner = one.filled[2**10]
    assert made.count(id(inner)) <= 2 < len(made) / 10  # once to see what the candidate returns
