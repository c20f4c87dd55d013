"""The hunt for the worst input of somebody else's loss: planted errors are found, and right losses are called right."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reflosses
from reflosses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Dice,
    GeneralizedDice,
    Huber,
    MeanSquaredError,
    hunt,
)
from reflosses.comparison.candidate import Answer, InProcess, NumPy
from reflosses.comparison.formats import FORMATS, dtype_of
from reflosses.comparison.interview import UNPROVED
from reflosses.comparison.verdict import FREEDOM
from reflosses.comparison.worst_answers import ANOTHER, BESIDE_OTHERS
from reflosses.comparison.worst_inputs import as_integers, from_integers, search
from reflosses.comparison.worst_numbers import WorstNumbers
from reflosses.evaluation.loss import Loss
from reflosses.truth import arithmetic
from reflosses.truth.sampling import Problem

LOGITS = BinaryCrossEntropyWithLogits(reduction="none")
HUBER = Huber(delta=0.75, reduction="none")
SQUARED = MeanSquaredError(reduction="none")

Function = Callable[[Any, Any], Any]


def in_dtype(loss: Any) -> Function:
    """Our own loss as a candidate, in the dtype of its inputs."""

    def candidate(y: Any, yhat: Any) -> Any:
        value, grad = loss.value_and_grad(y.astype(np.float64) if y.dtype.kind not in "iu" else y, yhat.astype(float))
        return np.asarray(value).astype(yhat.dtype), grad.astype(yhat.dtype)

    return candidate


def naive(y: Any, z: Any) -> Any:
    """Cross-entropy as it is often written: log 0 and 1 − p spoil it from the logit 37 on."""
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-z))
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)), p - y


# ---- planted errors --------------------------------------------------------------------------------------------------

WRONG_BY = 100
PLANTED = {"value": 5.3, "gradient": -2.7}  # the first wrong predictions


@pytest.mark.parametrize(
    ("dtype", "numbers", "points"),
    [("float64", 2**42, 30_000), ("float32", 2**17, 40_000), ("float16", 8, 40_000), ("bfloat16", 1, 30_000)],
)
def test_an_error_at_few_neighbouring_numbers_is_found(dtype: str, numbers: int, points: int) -> None:
    """Right everywhere else. There, so many numbers of the format lie between the right number and the answer."""
    form = FORMATS[dtype]
    first = {what: int(as_integers(form.round(z), form)) for what, z in PLANTED.items()}
    right = in_dtype(LOGITS)

    def is_planted(what: str, z: Any) -> Any:
        place = as_integers(z.astype(np.float64), form)
        return (place >= first[what]) & (place < first[what] + numbers)

    def planted(y: Any, z: Any) -> Any:
        results = dict(zip(PLANTED, right(y, z), strict=True))
        for what, a in results.items():
            moved = from_integers(as_integers(a.astype(np.float64), form) + WRONG_BY, form)
            a[...] = np.where(is_planted(what, z), moved, a)
        return tuple(results.values())

    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")
    found = hunt(planted, LOGITS, dtype=dtype, points=points)
    assert [(e.what, e.verdict) for e in found.wrong] == [("value", "inaccurate"), ("gradient", "inaccurate")]
    assert found.wrong == [found.value, found.gradient]
    for e in found.wrong:
        assert is_planted(e.what, e.yhat).all()
        assert WRONG_BY / 4 < e.ulp < 2.1 * WRONG_BY  # the unit is another one beyond a power of two


def test_a_peak_is_climbed() -> None:
    """A relative error of 2^-20 at 0.73, which falls by half at a distance of 2^-20."""

    def peaked(y: Any, yhat: Any) -> Any:
        value, grad = SQUARED.value_and_grad(y, yhat)
        return value * (1 + 2.0**-20 / (1 + np.abs(yhat - 0.73) * 2.0**20)), grad

    found = hunt(peaked, SQUARED, points=30_000)
    assert found.value is not None
    assert abs(found.value.yhat[0] - 0.73) < 2.0**-24
    assert found.gradient is not None
    assert found.gradient.verdict == "right"


def test_each_verdict_is_reported_once_with_its_worst_input() -> None:
    found = hunt(naive, LOGITS, points=30_000)
    kinds = [(e.what, e.verdict) for e in found.wrong]
    assert len(kinds) == len(set(kinds))
    assert {("value", "spurious inf/NaN"), ("value", "spurious zero"), ("value", "overflow")} <= set(kinds)
    assert {("gradient", "spurious zero"), ("gradient", "inaccurate")} <= set(kinds)
    for e in found.wrong:
        value, grad = naive(e.y, e.yhat)
        np.testing.assert_equal(float((value if e.what == "value" else grad)[e.index]), e.got)
    assert found.value is not None
    assert np.isfinite(found.value.ulp)
    assert found.value.got != 0
    largest = found.largest("value")
    assert largest is not None
    assert largest.ulp == max(e.ulp for e in found.wrong if e.what == "value" and np.isfinite(e.ulp))


# ---- right losses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "dtype"),
    [
        (HUBER, "float64"),
        (LOGITS, "float64"),
        (CrossEntropy(reduction="none"), "float64"),
        (CrossEntropy(class_weight=(0.25, 3.0, 0.75), reduction="weighted_mean"), "float32"),
        (Dice(axis=-1, reduction="none"), "float32"),
        (Huber(delta=0.75), "float16"),
        (Dice(smooth_nr=0.3, smooth_dr=0.3), "float64"),
        (GeneralizedDice(axis=0, per_sample=False), "float32"),
    ],
    ids=str,
)
def test_our_own_numbers_are_right(loss: Loss, dtype: str) -> None:
    points = 3_000 if loss.reduction == "none" else 400
    found = hunt(in_dtype(loss), loss, dtype=dtype, points=points)
    assert found.ok
    assert found.points >= points
    for e, bound in zip((found.value, found.gradient), loss.bounds, strict=False):
        assert e is not None
        assert e.verdict == "right"
        assert e.ulp <= (bound if dtype == "float64" else 0.5)
        assert e.allowed >= FREEDOM * bound


@pytest.mark.usefixtures("flint")
def test_what_is_reported_is_certified() -> None:
    for loss in (LOGITS, HUBER):
        found = hunt(in_dtype(loss), loss, points=20_000)
        assert found.value is not None
        assert found.gradient is not None
        assert found.value.certified
        assert found.gradient.certified
        value, _ = reflosses.certify(loss, found.value.y, found.value.yhat)
        _, grad = reflosses.certify(loss, found.gradient.y, found.gradient.yhat)
        assert (value[0], grad[0]) == (found.value.exact, found.gradient.exact)
        off = abs(found.value.got - found.value.exact) / np.spacing(abs(found.value.exact))
        assert found.value.ulp == off > 0  # our own numbers err too, and a wider evaluation sees it


def test_without_flint_a_note_says_what_the_numbers_are_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("expected", "verdict", "worst_answers"):
        monkeypatch.setattr(f"reflosses.comparison.{module}.available", lambda: False)
    found = hunt(in_dtype(HUBER), HUBER, points=2_000)
    assert found.ok
    assert found.notes == [UNPROVED]
    assert found.value is not None
    assert not found.value.certified
    assert arithmetic.available.__module__ == "reflosses.truth.arithmetic"


def test_a_right_gradient_at_a_kink_is_any_between_the_one_sided_ones() -> None:
    def absolute(y: Any, yhat: Any) -> Any:
        return np.abs(yhat - y), np.where(yhat >= y, 1.0, -1.0)  # ours is 0 at the kink

    assert hunt(absolute, reflosses.MeanAbsoluteError(reduction="none"), points=10_000).ok


# ---- seeds, budgets, interrupts --------------------------------------------------------------------------------------


def told(found: WorstNumbers) -> dict[str, Any]:
    return {**found.to_dict(), "seconds": 0}


def test_a_seed_and_a_budget_in_points_decide_everything() -> None:
    first, again, other = (hunt(naive, LOGITS, dtype="float32", points=9_000, seed=s) for s in (3, 3, 4))
    assert told(first) == told(again)
    assert first.value is not None
    assert other.value is not None
    assert first.value.line != other.value.line


def test_a_budget_in_seconds_is_spent() -> None:
    seen: list[tuple[int, int]] = []
    found = hunt(in_dtype(HUBER), HUBER, seconds=0.1, tick=lambda done, total: seen.append((done, total)))
    assert found.ok
    assert found.seconds >= 0.1
    assert seen[-1] == (100, 100)
    assert seen == sorted(seen)


def test_an_interrupt_carries_the_result_so_far() -> None:
    calls = 0

    def interrupted(y: Any, yhat: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 12:
            raise KeyboardInterrupt
        return naive(y, yhat)

    with pytest.raises(KeyboardInterrupt) as stop:
        hunt(interrupted, LOGITS, points=10**9)
    (found,) = stop.value.args
    assert found.interrupted
    assert not found.ok
    assert found.value is not None
    assert found.value.ulp > 1e6
    assert "interrupted" in str(found)
    assert json.loads(found.to_json())["interrupted"] is True


# ---- candidates that do not answer -----------------------------------------------------------------------------------


def test_a_candidate_that_raises_is_reported_once_with_one_loss() -> None:
    def sometimes(y: Any, yhat: Any) -> Any:
        if (yhat > 1e6).any():
            raise ValueError("too large")
        return SQUARED.value_and_grad(y, yhat)

    found = hunt(sometimes, SQUARED, points=20_000)
    (e,) = found.wrong
    assert (e.what, e.verdict, e.error) == ("value", "crash", "it raises ValueError: too large")
    assert e.yhat.shape == (1,)
    assert e.yhat[0] > 1e6
    assert found.value is not None
    assert found.value.verdict == "right"


def test_a_candidate_that_always_raises_was_asked_nothing() -> None:
    def never(y: Any, yhat: Any) -> Any:
        raise RuntimeError("not today")

    found = hunt(never, SQUARED, points=10**9)
    assert not found.ok
    assert "nothing could be judged" in found.headline()
    assert found.wrong[0].error.startswith("it raises RuntimeError: not today")


def test_a_candidate_that_is_given_up_is_wrong() -> None:
    class Dying(InProcess):
        """It dies at large predictions, and is not called any more."""

        dead = False

        @property
        def given_up(self) -> bool:
            return self.dead

        def ask(self, y: Any, yhat: Any, weight: Any = None, upstream: Any = None) -> Answer:
            self.dead |= bool((np.abs(yhat) > 1e6).any())
            return Answer(error="ProcessDied: exited with status 3") if self.dead else super().ask(y, yhat)

    found = hunt(Dying(in_dtype(HUBER), NumPy(FORMATS["float64"])), HUBER, points=10**9)
    assert [e.verdict for e in found.wrong] == ["crash"]
    assert found.wrong[0].error.startswith("its process exited with status 3, in a call of ")
    assert "the rest was not asked: given up after crashes or calls that took too long" in found.notes


def test_an_error_beside_other_losses_alone_is_called_one() -> None:
    """A value that is doubled in calls of more than 100 losses."""

    def crowded(y: Any, yhat: Any) -> Any:
        value, grad = SQUARED.value_and_grad(y, yhat)
        return value * (2 if len(value) > 100 else 1), grad

    found = hunt(crowded, SQUARED, points=3_000)
    assert not found.ok
    assert found.value is not None
    assert found.value.remark == BESIDE_OTHERS
    assert found.gradient is not None
    assert found.gradient.remark == ""


@pytest.mark.parametrize(
    ("candidate", "told"),
    [
        (lambda y, yhat: np.mean((yhat - y) ** 2), "its value has shape (), not (512,)"),
        (lambda y, yhat: ((yhat - y)[:, None] ** 2, 2 * (yhat - y)), "its value has shape (512, 1), not (512,)"),
    ],
)
def test_a_wrong_shape_is_reported(candidate: Function, told: str) -> None:
    found = hunt(candidate, SQUARED, points=5_000)
    assert [e.verdict for e in found.wrong] == ["other convention"]
    assert told in str(found)
    assert found.value is None


def test_another_formula_is_named_as_such() -> None:
    found = hunt(lambda y, yhat: ((yhat - y) ** 2 / 2, yhat - y), SQUARED, points=5_000)
    assert ANOTHER in found.notes
    assert ANOTHER not in hunt(naive, LOGITS, points=5_000).notes


def test_targets_that_a_candidate_does_not_take_are_not_asked() -> None:
    loss = CrossEntropy(reduction="none")

    def indices(y: Any, yhat: Any) -> Any:
        if y.ndim > 1:
            raise TypeError("indices only")
        return loss.value_and_grad(y, yhat)

    def rows(y: Any, yhat: Any) -> Any:
        if y.ndim == 1:
            raise TypeError("rows only")
        return loss.value_and_grad(y, yhat)

    for candidate, why in ((indices, "indices only"), (rows, "rows only")):
        found = hunt(candidate, loss, points=4_000)
        assert found.ok
        assert why in found.notes[0]


def test_values_alone_are_searched_too() -> None:
    found = hunt(lambda y, yhat: (yhat - y) ** 2, SQUARED, points=4_000)
    assert found.ok
    assert found.gradient is None
    assert found.notes[0].startswith("Value only: no gradient was asked")


# ---- options and reports ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"dtype": "int8"}, ValueError, "hunt: dtype is 'int8'"),
        ({"seconds": 0}, ValueError, "hunt: seconds"),
        ({"seconds": "ten"}, TypeError, "hunt: seconds"),
        ({"points": 0}, ValueError, "hunt: points is 0, not at least 1"),
        ({"seed": -1}, ValueError, "hunt: seed"),
        ({"loss": "Huber"}, TypeError, "hunt: loss is 'Huber'"),
        ({"candidate": 3}, TypeError, "hunt: candidate is 3"),
        ({"framework": "theano"}, ValueError, "hunt: framework is 'theano'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], error: type[Exception], why: str) -> None:
    given: dict[str, Any] = {"candidate": naive, "loss": LOGITS, **options}
    with pytest.raises(error) as raised:
        hunt(given.pop("candidate"), given.pop("loss"), **given)
    assert str(raised.value).startswith(why)


def test_the_line_of_a_report_shows_the_number() -> None:
    found = hunt(naive, LOGITS, dtype="float32", points=9_000)
    assert found.gradient is not None
    names: dict[str, Any] = {"np": np}
    exec(found.gradient.line, names)
    assert names["yhat"].dtype == np.float32
    assert float(naive(names["y"], names["yhat"])[1][0]) == found.gradient.got
    whole = json.loads(found.to_json())
    assert (whole["ok"], whole["seed"], whole["dtype"]) == (False, 0, "float32")
    assert whole["gradient"]["line"] == found.gradient.line
    assert whole["gradient"]["ulp"] == found.gradient.ulp
    assert found.gradient.line in found.to_markdown()
    assert found.gradient.line in str(found)
    assert str(found).splitlines()[0] == f"naive against {LOGITS} in float32: wrong numbers found"
    deviation = found.gradient.deviation
    assert (deviation.got, deviation.ulps, deviation.index) == (found.gradient.got, found.gradient.ulp, (0,))


# ---- the search in a narrow format -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_search_in_a_format_asks_its_numbers_alone(dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")
    form, seen = FORMATS[dtype], []

    def measure(loss: Loss, problem: Problem) -> list[Any]:
        assert loss is HUBER
        seen.append(problem)
        return [np.abs(problem.yhat), np.abs(problem.y)]

    search(
        lambda rng: HUBER, measure, lambda *a: [float(e.max()) for e in measure(*a)], seed=1, points=20_000, form=form,
        fixed=True, wild=np.inf,
    )  # fmt: skip
    for a in (np.concatenate([np.ravel(p[k]) for p in seen]) for k in (0, 1)):
        np.testing.assert_array_equal(form.round(a), a)
        sizes = np.abs(a[a != 0])
        assert sizes.min() < form.tiny  # subnormal
        assert sizes.max() > form.max / 8
        assert np.isfinite(a).all()
    assert dtype_of(form).itemsize in (2, 4)
