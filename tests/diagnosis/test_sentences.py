"""Functions that were once explained wrongly, each with the sentence that is true of it."""

import numpy as np
import pytest
from numpy import abs as size
from numpy import log, where

from reflosses import (
    BinaryCrossEntropy,
    Cauchy,
    CrossEntropy,
    Dice,
    Focal,
    FocalWithLogits,
    Huber,
    IoU,
    MeanAbsoluteError,
    MeanSquaredError,
)
from reflosses.comparison.formats import FORMATS
from reflosses.diagnosis.describe import described
from reflosses.diagnosis.hypotheses import HYPOTHESES
from reflosses.diagnosis.model import Question, means_something, moves, ours
from reflosses.diagnosis.search import diagnose

from diagnosis.as_written import (
    BCE,
    CAUCHY,
    ENTROPY,
    HUBER,
    LOGITS,
    MSE,
    NONE,
    Commits,
    cauchy_of,
    each,
    huber,
    huber_of,
    mean,
    overlap,
    rows_of,
    softmax,
    squared,
)
from diagnosis.defects import by_quotient, guarded_overlap, log_of_p_t, log_sum
from diagnosis.terms import chosen
from diagnosis.test_describe import answered

FLOAT64 = FORMATS["float64"]


def names(candidate, loss, dtype="float64"):
    return set(diagnose(candidate, loss, dtype=dtype).names)


# ---- explained wrongly -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.75, 1.25, 1.03125])
def test_a_factor_is_no_narrow_format(factor: float) -> None:
    """Numbers that happen to be dyadic are numbers of bfloat16, too. The factor is told before any format is tried."""
    said = str(factor).rstrip("0")
    for candidate, loss in ((each(squared, value=factor), MSE), (each(huber_of(1.0), value=factor), Huber(**NONE))):
        found = described(answered(candidate, loss), loss)
        assert found is not None
        assert found.text == f"It is {said} times the loss."


def test_a_gradient_alone_is_described() -> None:
    loss = Huber(10.0, **NONE)
    found = described(answered(lambda y, x: (None, np.clip(y - x, -10, 10)), loss), loss)
    assert found is not None
    assert found.text == "It gives a gradient that is minus what is due."
    assert described(answered(lambda y, x: (None, np.clip(x - y, -10, 10)), loss), loss) is None


def test_zero_times_infinity_is_told_from_a_power_of_zero() -> None:
    loss = FocalWithLogits(gamma=2.0, **NONE)
    found = diagnose(log_of_p_t, loss)
    assert found.names == ("log of p_t",)
    assert "the gradient is 0 · ∞" in str(found)


@pytest.mark.parametrize(
    ("name", "loss", "without"),
    [
        ("0 to the power γ − 1", Focal(gamma=0.7, **NONE), Focal(gamma=2.0, **NONE)),
        ("slope 1 beyond the scale", HUBER, Huber(**NONE)),
        ("log of a sigmoid", LOGITS, BCE),
        ("log of 1 − p", BCE, LOGITS),
        ("no label smoothing", CrossEntropy(label_smoothing=0.13, **NONE), ENTROPY),
        ("smoothing inside the intersection", IoU(axis=-1, smooth_nr=0.3, smooth_dr=0.7, **NONE), IoU(axis=-1, **NONE)),
        ("1 less the score, 0/0", Dice(**NONE), Dice(smooth_dr=0.3, **NONE)),
        ("pools each sample", Dice(axis=None, **NONE), Dice(axis=-1, **NONE)),
    ],
)
def test_an_explanation_means_something_only_under_its_condition(name, loss, without) -> None:
    h = next(h for h in HYPOTHESES if h.name == name)
    y, yhat = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.25, 0.5], [0.75, 0.125]])
    assert means_something(h, Question(loss, y, yhat, None, FLOAT64), ours)
    assert not means_something(h, Question(without, y, yhat, None, FLOAT64), ours)


def test_rows_that_sum_to_one_say_nothing_of_those_that_do_not() -> None:
    h = next(h for h in HYPOTHESES if h.name == "rows taken to sum to one")
    z = np.array([[0.5, -1.0, 2.0]])
    one, less = np.array([[0.25, 0.25, 0.5]]), np.array([[0.25, 0.25, 0.25]])
    assert not means_something(h, Question(ENTROPY, one, z, None, FLOAT64), ours)
    assert means_something(h, Question(ENTROPY, less, z, None, FLOAT64), ours)


def test_twice_huber_is_not_told_of_a_slope() -> None:
    assert names(each(huber_of(1.0), value=2.0), Huber(**NONE)) == {"double"}
    right = diagnose(lambda y, x: where(size(x - y) <= 1, 0.5 * (x - y) ** 2, size(x - y) - 0.5), Huber(**NONE))
    assert "slope" not in str(right)


def two_axes(y, p):
    """Dice over the last axis of arrays of two axes."""
    if y.ndim != 2:
        raise ValueError("a batch of masks")
    return guarded_overlap(y, p)


def test_what_a_loss_does_anyway_is_not_told() -> None:
    found = diagnose(two_axes, Dice(axis=-1, **NONE))
    assert found.names == ("1 less the score",)
    assert "sample" not in str(found)
    assert "0/0" not in str(found)
    assert "divides 0 by 0" not in str(found)


def less_target(y, z):
    return log_sum(shift=True)(y, z)[0], softmax(z) - rows_of(y, z)


def test_rows_that_do_not_sum_to_one_are_told_beside_the_tail() -> None:
    found = diagnose(less_target, ENTROPY)
    assert found.names == ("rows taken to sum to one", "loses the tail of log-softmax")
    assert "Σy softmax − y is due" in str(found)


def test_one_clamp_is_told_by_its_own_constant() -> None:
    candidate = chosen(
        lambda p: (-log(np.maximum(p, 1e-8)), where(p < 1e-8, 0.0, -1 / p)),
        lambda p: (-log(np.maximum(1 - p, 1e-8)), where(1 - p < 1e-8, 0.0, 1 / (1 - p))),
    )
    found = diagnose(candidate, BinaryCrossEntropy(**NONE))
    assert found.names == ("logarithms of 1e-8 or more",)


def test_a_backward_that_divides_by_a_softmax_is_told_so() -> None:
    found = diagnose(by_quotient, ENTROPY)
    assert "gradient through y/p" in found.names
    assert "exponentials" not in str(found)


# ---- not explained, though the numbers say it ------------------------------------------------------------------------

SAID: dict[str, Commits] = {
    "It has the right gradient; its value is twice what is due where |r| < delta, and right elsewhere.": Commits(
        HUBER, lambda y, x: (where(size(x - y) < 0.7, (x - y) ** 2, huber(y, x, 0.7)[0]), huber(y, x, 0.7)[1])
    ),
    "It is Cauchy(delta=2), not Cauchy(delta=1).": Commits(Cauchy(**NONE), cauchy_of(2.0)),
    "It is Huber(delta=0.3), not Cauchy.": Commits(CAUCHY, huber_of(0.3)),
    "Its value has few digits, about as many as float16 has.": Commits(
        MeanAbsoluteError(),
        lambda y, x: (float(np.mean(size(x - y).astype("f2"))), np.sign(x - y) / x.size),
    ),
    "It has the right gradient; its value is twice what is due.": Commits(MSE, each(squared, value=2.0, grad=1.0)),
}


@pytest.mark.parametrize("text", SAID)
def test_what_the_numbers_say_is_described(text: str) -> None:
    found = described(answered(SAID[text].candidate, SAID[text].loss), SAID[text].loss)
    assert found is not None
    assert found.text == text


# ---- what need not be tried ------------------------------------------------------------------------------------------


def test_defects_move_nothing_at_ordinary_inputs() -> None:
    q = Question(LOGITS, np.array([0.25, 1.0]), np.array([1.5, -2.0]), None, FLOAT64)
    moving = {h.name for h in HYPOTHESES if moves(h, q, ours)}
    assert {"half", "gradient halved", "applies the sigmoid twice", "does not reduce"} - moving == {"does not reduce"}
    assert not {h.name for h in HYPOTHESES if h.kind == "defect" and not h.about and not h.inside} & moving
    assert "clips at 1e-7" not in moving
    reduced = Question(MeanSquaredError(), np.zeros(3), np.array([1.5, -2.0, 0.5]), None, FLOAT64)
    assert "does not reduce" in {h.name for h in HYPOTHESES if moves(h, reduced, ours)}


@pytest.mark.parametrize("candidate", [overlap, guarded_overlap], ids=["careful", "textbook"])
def test_a_right_overlap_is_not_described(candidate) -> None:
    loss = Dice(axis=-1, **NONE)
    assert described(answered(candidate, loss), loss) is None
    assert described(answered(mean(squared), MeanSquaredError()), MeanSquaredError()) is None
