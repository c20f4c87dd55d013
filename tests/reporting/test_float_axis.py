"""The axis of all numbers: order, width of a number, and round numbers where they are."""

from itertools import pairwise

import numpy as np
import pytest

from reflosses.comparison.formats import FORMATS
from reflosses.reporting.float_axis import FloatAxis, in_powers

NARROW = ("float32", "float16", "bfloat16")


def whole(name, width=500):
    form = FORMATS[name]
    return FloatAxis(form, -form.last - 1, form.last + 1, width)


def probabilities(name, width=500):
    form = FORMATS[name]
    return FloatAxis(form, -1, int(form.places(1.0)) + 1, width)


def number(label):
    """The number that a label names, read by its characters alone."""
    plain = label.translate(str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")).replace(" ", "")
    sign, plain = (-1, plain[1:]) if plain.startswith("-") else (1, plain)
    if plain.startswith("1-10"):
        return 1 - 10.0 ** int(plain[4:])
    if label == "½":
        return 0.5
    power = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
    if any(c in power for c in label):
        return sign * 10.0 ** int(plain[2:])
    return sign * float(plain)


def test_the_zeros_are_in_the_middle_and_one_halves_each_side():
    axis = whole("float16")
    bits = int(np.float16(1).view(np.uint16))  # places above 0
    largest = int(np.finfo(np.float16).max.view(np.uint16))
    assert axis.at(0.0) == 250
    assert axis.at(1.0) == pytest.approx(250 + 250 * bits / (largest + 1))
    assert axis.at(-np.finfo(np.float16).max) == 0


@pytest.mark.parametrize("make", [whole, probabilities])
@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_all_numbers_are_in_their_order(name, make):
    axis = make(name)
    places = axis.at(axis.form.numbers(axis.low, axis.high))
    assert places[0] == 0
    assert (np.diff(places) > 0).all()
    assert places[-1] < axis.width


def test_probabilities_have_room_on_both_sides():
    axis = probabilities("float32", 400)
    left, right = axis.at(0.5), np.diff(axis.at([0.5, 1 - 2.0**-12, 1 - 2.0**-24, 1.0]))
    assert left == 260
    assert right == pytest.approx([140 * k / 24.25 for k in (11, 12, 1)])


@pytest.mark.parametrize("make", [whole, probabilities])
@pytest.mark.parametrize("width", [250, 516])
@pytest.mark.parametrize("name", NARROW)
def test_ticks_are_round_numbers_at_their_places(name, width, make):
    axis = make(name, width)
    ticks = axis.ticks()
    labels = [label for _, label in ticks]
    assert {"0", "1"} <= set(labels)
    assert len(ticks) >= 5
    for place, label in ticks:
        assert place == axis.at(axis.form.round(number(label)))
        assert in_powers(number(label)) == label
    for (a, left), (b, right) in pairwise(ticks):
        assert b - a > 5 * (len(left) + len(right)) / 2  # letters of nine points are five wide
    if make is whole:
        assert [label for label in labels if label[0] == "−"] == [f"−{x}" for x in labels[::-1] if x[0] not in "−0"]


def test_the_ticks_of_a_wide_axis():
    labels = [label for _, label in whole("float32", 516).ticks()]
    assert [x for x in ("−10³⁰", "−1", "−10⁻³⁰", "0", "10⁻³⁰", "1", "10³⁰") if x in labels] == [
        *("−10³⁰", "−1", "−10⁻³⁰", "0", "10⁻³⁰", "1", "10³⁰")
    ]
    assert {"10⁻³⁰", "½", "0.999", "1 − 10⁻⁶"} <= {label for _, label in probabilities("float32", 516).ticks()}
