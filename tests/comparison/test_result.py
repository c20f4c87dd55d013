"""What a comparison says: each sentence, table and expression by hand."""

import json
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from reflosses.comparison.battery import REGIMES
from reflosses.comparison.result import (
    Comparison,
    Deviation,
    RegimeRow,
    Tally,
    arrays_of,
    numbers,
    plain,
    reason,
    title,
)

WRONG = Deviation(
    "A", "a margin", "value", "inaccurate", [1.0], [2.5], index=(0,), got=1.5, exact=1.0, ulps=3e15, slack=4e-15
)
CRASH = Deviation("moderate", "moderate", "value", "crash", 1.0, inf, error="raises KeyError: 'no'")
TAKEN = Deviation("K", "target 2", "value", "accepts invalid input", [2.0], [0.5], weight=[1.0], got=0.25)
LOST = Deviation("B", "far", "gradient", "overflow", [1.0], [2.0], upstream=[3.0], index=(0, 2), got=-inf, exact=-0.5)


@pytest.mark.parametrize(
    ("deviation", "text"),
    [
        (WRONG, "saturated on the right side (A): a margin: value[0] is 1.5, exactly 1: inaccurate by 3e+15 ulp"),
        (CRASH, "ordinary inputs: it raises KeyError: 'no'"),
        (
            TAKEN,
            "outside the domain (K): target 2: value is 0.25 where an error or NaN is right: accepts invalid input",
        ),
        (LOST, "saturated on the wrong side (B): far: gradient[0, 2] is -inf, exactly -0.5: overflow"),
    ],
)
def test_a_deviation_in_one_line(deviation, text):
    assert str(deviation) == text


def test_the_arrays_of_a_deviation_as_lines_of_python():
    assert arrays_of(CRASH) == "import numpy as np\ny = np.array(1.0)\nyhat = np.array(np.inf)"
    assert arrays_of(TAKEN).splitlines()[1:] == [
        "y = np.array([2.0])",
        "yhat = np.array([0.5])",
        "weight = np.array([1.0])",
    ]
    assert arrays_of(LOST).splitlines()[-1] == "upstream = np.array([3.0])"


@pytest.mark.parametrize(
    ("tally", "text", "verdict"),
    [
        (Tally(), "", ""),
        (Tally(7, 0.5), "right (0.5 ulp)", "right"),
        (Tally(7, 0.5, {"inaccurate": 2, "crash": 1}), "crash 1/7, inaccurate 2/7", "crash"),
    ],
)
def test_a_tally_names_the_worst_first(tally, text, verdict):
    assert (str(tally), tally.verdict) == (text, verdict)


def made(*worst, rows=None):
    rows = [RegimeRow("A", Tally(7, 0.5, {"inaccurate": 2}), Tally(9, 1.5))] if rows is None else rows
    return Comparison(
        "mine", "Huber", "float64", 3, rows, list(worst), notes=["a note"], diagnosis="½" if worst else ""
    )


def test_a_right_comparison():
    right = made()
    assert right.ok
    assert (right.verdict, right.holds) == ("right", ("digits", "range"))
    assert (
        right.message()
        == str(right)
        == (
            "mine against Huber in float64: digits and range hold\n"
            "  saturated on the right side (A): value inaccurate 2/7\na note"
        )
    )
    assert right.summary() == "No ordinary input was asked."
    right.raise_if_wrong()
    nothing = made(rows=[RegimeRow("A")])
    assert not nothing.ok
    assert nothing.verdict == "nothing could be asked"
    assert made(rows=[RegimeRow("A", Tally(), Tally(1))]).ok
    assert made(rows=[RegimeRow("A", Tally(1), Tally())]).ok


def test_a_wrong_comparison_in_words():
    wrong = made(WRONG, LOST)
    assert (wrong.ok, wrong.verdict) == (False, "overflow")
    lines = [
        "mine is not Huber in float64: overflow",
        "It is not the loss: its value is 1.5 where 1 is right, at hard inputs (saturated on the right side).",
        "Diagnosis: ½",
        "  saturated on the right side (A): value inaccurate 2/7",
        str(WRONG),
        *(f"    {line}" for line in arrays_of(WRONG).splitlines()),
        str(LOST),
        *(f"    {line}" for line in arrays_of(LOST).splitlines()),
        "a note",
    ]
    assert wrong.message() == str(wrong) == "\n".join(lines)
    assert made(*[WRONG] * 9).message().count("inaccurate by") == 4
    with pytest.raises(AssertionError, match="mine is not Huber"):
        wrong.raise_if_wrong()


def test_a_wrong_comparison_as_a_table():
    lines = [
        "### mine is not Huber in float64: inaccurate",
        "",
        "It is not the loss: its value is 1.5 where 1 is right, at hard inputs (saturated on the right side).",
        "",
        "Diagnosis: ½",
        "",
        "| regime | points | value | gradient |",
        "| :-- | --: | :-- | :-- |",
        "| saturated on the right side (A) | 9 | inaccurate 2/7 | right (1.5 ulp) |",
        "",
        "- a note",
        "",
        "```python",
        f"# {WRONG}",
        *arrays_of(WRONG).splitlines(),
        "```",
        "",
    ]
    assert made(WRONG).to_markdown() == "\n".join(lines)
    right = [
        "### mine against Huber in float64: digits and range hold",
        "",
        "No ordinary input was asked.",
        "",
        *lines[6:11],
        "",
    ]
    assert made().to_markdown() == "\n".join(right)


def test_a_comparison_as_json():
    text = made(WRONG, CRASH).to_json()
    assert text.startswith('{\n  "name": "mine",\n')
    assert '"diagnosis": "½"' in text
    assert text.endswith("}\n")
    data = json.loads(text)
    assert data["ok"] is False
    assert data["verdict"] == "crash"
    assert (data["name"], data["loss"], data["dtype"], data["seed"], data["undecided"]) == (
        "mine",
        "Huber",
        "float64",
        3,
        0,
    )
    assert (data["seconds"], data["notes"], data["diagnosis"]) == (0.0, ["a note"], "½")
    assert data["rows"] == [
        {
            "regime": "A",
            "value": {"points": 7, "worst": 0.5, "wrong": {"inaccurate": 2}},
            "gradient": {"points": 9, "worst": 1.5, "wrong": {}},
        }
    ]
    one, two = data["worst"]
    assert one["index"] == [0]
    assert (one["got"], one["exact"], one["ulps"], one["slack"]) == (1.5, 1.0, 3e15, 4e-15)
    assert (one["script"], one["text"]) == (arrays_of(WRONG), str(WRONG))
    assert (two["yhat"], two["got"], two["exact"], two["ulps"], two["slack"]) == ("inf", "nan", "nan", "inf", 0.0)
    assert (two["weight"], two["upstream"], two["shape"], two["given"], two["error"]) == (
        None,
        None,
        None,
        {},
        CRASH.error,
    )


def test_a_row_is_made_if_it_is_missing():
    found = made()
    assert found.row("A") is found.rows[0]
    new = found.row("B")
    assert (new.regime, found.rows[-1], len(found.rows)) == ("B", new, 2)
    assert found.row("B") is new


def test_titles():
    assert (title("A"), title("moderate")) == ("saturated on the right side (A)", "ordinary inputs")
    assert all(title(r).endswith(f" ({r})") for r in REGIMES if r != "moderate")


ORDINARY_TOO = [RegimeRow("moderate", Tally(5)), RegimeRow("A", Tally(1))]


def test_levels_that_hold():
    far, near = (replace(WRONG, level=level) for level in ("range", "digits"))
    result = made(far, rows=ORDINARY_TOO)
    assert (result.ok, result.holds) == (True, ("formula", "digits"))
    result.level = "range"
    assert (result.ok, result.failing) == (False, [far])
    assert made(near, rows=ORDINARY_TOO).holds == ("formula", "range")
    assert made(WRONG, far, rows=ORDINARY_TOO).holds == ()
    assert (made(far).ok, made(far).holds) == (False, ("digits",))
    refusing = made(rows=[*ORDINARY_TOO, RegimeRow("K", Tally(1))])
    assert refusing.holds == ("formula", "digits", "range", "domain")
    assert refusing.headline() == "mine is Huber in float64: formula, digits, range and domain hold"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"verdict": "rows interact"}, "one row changes the value of another"),
        (
            {"verdict": "changes its input", "error": "changes the y that it is given"},
            "it changes the y that it is given",
        ),
        ({"verdict": "crash", "error": "raises KeyError: 1"}, "it raises KeyError: 1"),
        ({"error": "has shape (1,), not ()", "shape": ()}, "its value has shape (1,), not ()"),
        ({"verdict": "crash", "error": "its process exited"}, "its process exited"),
    ],
)
def test_why_a_formula_is_another_one(changes, text):
    assert reason(replace(WRONG, **changes)) == text


@pytest.mark.parametrize(
    ("a", "text"),
    [
        (np.zeros(0), "np.zeros((0,))"),
        (np.array([1.0, nan, -inf]), "[1.0, np.nan, -np.inf]"),
        (np.tile([1.0, 2.0], 128), repr([1.0, 2.0] * 128)),  # 256 numbers are written out
        (np.tile([1.0, 2.0], (129, 1)), "np.resize([1.0, 2.0], (129, 2))"),
        (np.tile([1.0, nan], 200), "np.resize([1.0, np.nan], (400,))"),
        (np.repeat([1.0, 3.0], [200, 100]), "np.repeat([1.0, 3.0], [200, 100]).reshape((300,))"),
        (np.repeat([3, 1], [1, 299])[None], "np.repeat([3, 1], [1, 299]).reshape((1, 300))"),
        (np.arange(64).repeat(5), f"np.repeat({list(range(64))}, {[5] * 64}).reshape((320,))"),
        (np.arange(65).repeat(5), repr(np.arange(65).repeat(5).tolist())),
        (np.resize(np.arange(64), 300), f"np.resize({list(range(64))}, (300,))"),
        (np.resize(np.arange(65), 300), repr(np.resize(np.arange(65), 300).tolist())),
    ],
)
def test_an_array_in_python(a, text):
    assert numbers(a) == text


def test_plain_values_as_json_has_them():
    given = {"a": (1, np.float64(0.5), nan), "b": np.array([inf, 2.0]), "c": [None, "x", True], "d": -inf}
    assert plain(given) == {"a": [1, 0.5, "nan"], "b": ["inf", 2.0], "c": [None, "x", True], "d": "-inf"}
