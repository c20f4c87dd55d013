"""No wrong number is lost on the way from the numbers of a format to the columns of a figure."""

import numpy as np
import pytest

import reflosses
from reflosses.comparison.census import Counted, Profile
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.one_prediction import ends
from reflosses.comparison.verdict import VERDICTS
from reflosses.reporting.float_axis import FloatAxis
from reflosses.reporting.thinning import EMPTY, MARK, RIGHT_COLUMN, runs_of, thinned

ZERO, INACCURATE = VERDICTS.index("spurious zero"), VERDICTS.index("inaccurate")
F16 = FORMATS["float16"]


def axis_of(loss, form, width):
    return FloatAxis(form, *ends(loss, form), width)


def profile_of(axis, bins):
    places = np.linspace(axis.low, axis.high, bins, endpoint=False).astype(np.int64)
    first = np.concatenate([axis.form.numbers(p, p + 1) for p in places.tolist()])
    return Profile(first, np.zeros(bins), np.full(bins, -1))


@pytest.mark.parametrize("loss", [reflosses.Huber(), reflosses.BinaryCrossEntropy()], ids=["all", "probabilities"])
@pytest.mark.parametrize("width", [100, 516, 3000])
def test_one_wrong_part_at_any_place_is_drawn(loss, width):
    axis = axis_of(loss, F16, width)
    whole = profile_of(axis, 2048)
    for i in range(0, 2048, 15 if width == 516 else 89):
        profile = Profile(whole.first, whole.ulps.copy(), whole.verdict.copy())
        profile.ulps[i], profile.verdict[i] = 1e5, ZERO
        found = thinned(axis, Counted(asked=axis.high - axis.low, profile=profile))
        column = min(int(axis.at(whole.first[i])), width - 1)
        assert found.verdicts[column] == ZERO
        assert found.ulps[column] == 1e5
        marks = found.marks()
        assert np.count_nonzero(marks == ZERO) >= MARK
        assert set(marks) == {ZERO, RIGHT_COLUMN}


def test_the_largest_error_and_the_worst_verdict_of_a_column_stay():
    axis = axis_of(reflosses.Huber(), F16, 10)
    profile = profile_of(axis, 2048)
    profile.ulps[:3], profile.verdict[:3] = [7.0, np.inf, 3.0], [INACCURATE, ZERO, INACCURATE]
    found = thinned(axis, Counted(asked=axis.high - axis.low, profile=profile))
    assert found.ulps.tolist() == [np.inf, *[0.0] * 9]
    assert found.verdicts.tolist() == [ZERO, *[RIGHT_COLUMN] * 9]  # a lower index is a worse verdict


def test_narrow_marks_take_room_from_right_columns_alone():
    axis = axis_of(reflosses.Huber(), F16, 2048)
    profile = profile_of(axis, 2048)
    profile.verdict[[0, 5, 6, 9, 2047]] = [ZERO, ZERO, INACCURATE, ZERO, INACCURATE]
    found = thinned(axis, Counted(asked=axis.high - axis.low, profile=profile))
    wrong = [run for run in runs_of(found.verdicts) if run[2] >= 0]
    marks = found.marks()
    assert (marks[found.verdicts >= 0] == found.verdicts[found.verdicts >= 0]).all()
    assert len([run for run in runs_of(marks) if run[2] >= 0]) == len(wrong) == 5
    assert all(stop - start >= MARK for start, stop, own in runs_of(marks) if own >= 0)


def test_numbers_that_were_not_asked_are_left_empty():
    axis = axis_of(reflosses.Huber(), F16, 100)
    half = (axis.high - axis.low) // 2
    found = thinned(axis, Counted(asked=half, profile=profile_of(axis, 2048)))
    assert found.verdicts.tolist() == [RIGHT_COLUMN] * 50 + [EMPTY] * 50
    assert (thinned(axis, Counted()).verdicts == EMPTY).all()


@pytest.mark.parametrize("loss", [reflosses.MeanSquaredError, reflosses.BinaryCrossEntropy], ids=lambda c: c.__name__)
def test_one_wrong_number_of_a_format_is_drawn_where_it_is(loss):
    loss = loss(reduction="none")
    axis = axis_of(loss, F16, 300)
    for place in (axis.low, 0, axis.high - 1):
        wrong = F16.numbers(place, place + 1)[0]

        def candidate(y, yhat, wrong=wrong):
            value, grad = loss.value_and_grad(y, yhat)
            here = (yhat == wrong) & (np.signbit(yhat) == np.signbit(wrong))
            return np.where(here, 77.0, value), grad

        census = reflosses.exhaust(candidate, loss, dtype="float16", y=1.0)
        found = thinned(axis, census.targets[0].value)
        column = min(int(axis.at(wrong)), axis.width - 1)
        assert census.targets[0].value.right == census.targets[0].value.asked - 1
        assert found.verdicts[column] >= 0
        assert (found.marks() >= 0).sum() >= MARK
        assert (thinned(axis, census.targets[0].gradient).verdicts == RIGHT_COLUMN).all()


def test_a_wrong_probability_next_to_one_marks_no_other():
    loss = reflosses.BinaryCrossEntropy(reduction="none")
    axis = axis_of(loss, F16, 300)
    wrong = 1 - 2.0**-11

    def candidate(y, p):
        value, grad = loss.value_and_grad(y, p)
        return np.where(p == wrong, 77.0, value), grad

    census = reflosses.exhaust(candidate, loss, dtype="float16", y=1.0)
    found = thinned(axis, census.targets[0].value)
    first, last = np.flatnonzero(found.verdicts >= 0)[[0, -1]]
    assert first == int(axis.at(wrong))
    assert last == int(np.ceil(axis.at(1.0))) - 1
