"""Judging numbers: what is right within the tolerance, and the name of what is not."""

from math import inf, nan

import numpy as np
import pytest

from reflosses import BinaryCrossEntropy, CrossEntropy, Huber, MeanSquaredError
from reflosses.comparison.battery import REGIMES
from reflosses.comparison.expected import ExactResults, exact
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.verdict import FREEDOM, LENIENT, VERDICTS, Numbers, judged, unavoidable, verdicts

SINGLE, DOUBLE, HALF = FORMATS["float32"], FORMATS["float64"], FORMATS["float16"]


def judge(got, exact, form=DOUBLE, bound=4.0, low=None, high=None, size=None, free=0.0, lenient=False):
    column = [np.array([[x]], float) for x in (got, exact)]
    low, high = (exact if x is None else x for x in (low, high))
    rest = [np.array([[x]], float) for x in (low, high, abs(exact) if size is None else size, free)]
    right, ulps, _ = judged(Numbers(*column, *rest), bound, np.array([lenient]), form)
    return bool(right[0, 0]), float(ulps[0, 0])


@pytest.mark.parametrize("form", [DOUBLE, SINGLE, HALF], ids=str)
def test_the_tolerance_is_the_bound_times_the_freedom_in_ulps_of_the_format(form):
    edge = 1.0 + 4 * FREEDOM * form.eps
    assert judge(edge, 1.0, form) == (True, 16.0)
    assert judge(edge + form.eps, 1.0, form) == (False, 17.0)
    assert judge(edge + form.eps, 1.0, form, free=2 * form.eps)[0]
    assert judge(edge + form.eps, 1.0, form, size=2.5)[0]  # relative to a larger term


def test_half_of_the_digits_are_enough_where_the_formula_is_asked():
    assert judge(1 + 2.0**-26, 1.0, lenient=True)[0]
    assert not judge(1 + 2.0**-25, 1.0, lenient=True)[0]
    assert not judge(1 + 2.0**-26, 1.0)[0]


def test_what_is_beyond_the_format_is_rightly_infinite():
    assert judge(inf, 1e39, SINGLE)[0]
    assert judge(SINGLE.max, SINGLE.max * (1 - 2.0**-25), SINGLE)[0]
    assert judge(inf, SINGLE.max * (1 - 2.0**-25), SINGLE)[0]  # next to the largest: it may round up
    assert not judge(-inf, 1e39, SINGLE)[0]
    assert not judge(inf, 1e37, SINGLE)[0]
    assert judge(0.0, 1e-46, SINGLE)[0]
    assert not judge(0.0, 1e-38, SINGLE)[0]


def test_at_a_kink_everything_between_the_sides_is_right():
    for got in (-1.0, 0.0, 0.5, 1.0):
        assert judge(got, 0.0, low=-1.0, high=1.0) == (True, 0.0)
    for got in (1.5, -1.5, 1 + 1e-12, -1 - 1e-12):
        assert not judge(got, 0.0, low=-1.0, high=1.0)[0]
    for got in (1 + 2.0**-52, -1 - 2.0**-52):
        assert judge(got, 0.0, low=-1.0, high=1.0, size=1.0)[0]  # within the tolerance of a side
    assert not judge(1.5, 1.0, low=1.0, high=1.0)[0]
    assert not judge(nan, 0.0, low=-1.0, high=1.0)[0]


def test_nan_is_right_only_for_nan():
    assert judge(nan, nan)[0]
    assert not judge(nan, 1.0)[0]
    assert not judge(0.0, nan)[0]
    assert judge(nan, 1.0)[1] == inf


@pytest.mark.parametrize(
    ("what", "regime", "got", "exact", "name"),
    [
        ("value", "A", nan, 1e-9, "spurious inf/NaN"),
        ("value", "F", inf, 1e300, "overflow"),
        ("gradient", "F", nan, 1.0, "overflow"),
        ("value", "A", 0.0, 1e-18, "spurious zero"),
        ("gradient", "A", 0.0, -1e-18, "spurious zero"),
        ("gradient", "B", 0.0, -1.0, "dead gradient"),
        ("gradient", "D", 1e-25, 1.0, "dead gradient"),
        ("value", "B", 100.0, inf, "capped"),
        ("value", "E", 1.01, 1.0, "inaccurate"),
        ("value", "moderate", 1.003, 1.0, "inaccurate"),
        ("value", "moderate", 1.005, 1.0, "other convention"),
        ("gradient", "I", -1.0, 1.0, "other convention"),
        ("value", "H", 0.0, nan, "other convention"),
        ("value", "G", 3.0, nan, "accepts invalid input"),
    ],
)
def test_names(what, regime, got, exact, name):
    assert name in VERDICTS
    numbers = (np.array([x]) for x in (got, exact, abs(exact)))
    assert VERDICTS[verdicts(what, np.array([regime]), *numbers, DOUBLE)[0]] == name


STRICT = ("A", "B", "C", "D", "E", "F")


def test_which_regimes_ask_for_the_formula_alone():
    """The others ask for the digits. In K there is nothing to compare."""
    assert set(LENIENT) == set(REGIMES) - {*STRICT, "K"}


def truth_of(value, grad):
    value, grad = np.array(value), np.array(grad)
    return ExactResults(value, grad, grad, grad, np.abs(value), np.abs(grad), np.ones(len(value), bool))


@pytest.mark.usefixtures("flint")
def test_what_nobody_can_avoid_in_a_row_of_logits():
    """A distance d from the largest logit is rounded: d·eps of the slope's size, and the sum of these for the value."""
    y, z = np.array([0.0]), np.array([[0.5, -2.5, -inf]])
    truth = truth_of([0.25], [[0.125, -4.0, inf]])
    for form in (DOUBLE, SINGLE):
        value, grad = unavoidable(CrossEntropy(reduction="none"), y, z, truth, form, True)
        assert grad.tolist() == [[0.0, 3 * 4 * form.eps, 0.0]]
        assert value.tolist() == [12 * form.eps]
    value, grad = unavoidable(MeanSquaredError(reduction="none"), y, y, truth_of([0.0], [0.0]), SINGLE, False)
    assert (value.tolist(), grad.tolist()) == ([4 * SINGLE.tiny], [4 * SINGLE.tiny])
    value, grad = unavoidable(MeanSquaredError(reduction="none"), y, y, truth_of([0.0], [0.0]), SINGLE, True)
    assert (value.tolist(), grad.tolist()) == ([0], [0])


def test_a_parameter_that_a_format_rounds_moves_value_and_slope():
    """Huber beyond delta: the value is delta·(|r| − delta/2) and the slope is delta."""
    y, yhat, delta = np.zeros((1, 1)), np.full((1, 1), 2.0), float(np.float32(0.7))
    value, grad = unavoidable(Huber(delta=0.7, reduction="none"), y, yhat, truth_of([1.155], [[0.7]]), SINGLE, True)
    assert value == pytest.approx([abs(0.7 * (2 - 0.35) - delta * (2 - delta / 2))], rel=1e-6)
    assert grad[0] == pytest.approx([abs(0.7 - delta)], rel=1e-6)


def test_without_proofs_a_number_is_wrong_where_an_infinity_is_due(monkeypatch):
    monkeypatch.setattr("reflosses.comparison.verdict.available", lambda: False)
    loss, y, p = BinaryCrossEntropy(reduction="none"), np.array([1.0]), np.array([0.0])
    truth = exact(loss, y, p, proved=False)
    free, _ = unavoidable(loss, y, p, truth, HALF, True)
    assert np.isfinite(free).all()
    numbers = Numbers(*(np.array([[x]]) for x in (77.0, inf, inf, inf, inf, free[0])))
    assert not judged(numbers, 4.0, np.zeros(1, bool), HALF)[0].any()
