"""Known deviations in a file: what is not listed is found, and what has vanished, if it was asked."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reflosses.comparison.result import Comparison, Deviation, RegimeRow, Tally
from reflosses.reporting.known_deviations import KEYS, KnownDeviation, dump, read, unexpected

ENTRY = """
[[deviation]]
function = "torch.huber_loss"
dtype = "float16"
regime = "F"
what = "value"
verdict = "overflow"
"""


def result(name: str, dtype: str, *wrong: tuple[str, str, str], asked: str = "ABF", diagnosis: str = "") -> Comparison:
    """A result with these deviations (regime, what, verdict), values and gradients asked in some regimes."""
    rows = [RegimeRow(regime, Tally(points=7), Tally(points=7)) for regime in asked]
    worst = [Deviation(*(regime, "huge", what, verdict), np.zeros(1), np.ones(1)) for regime, what, verdict in wrong]
    return Comparison(name, "Huber()", dtype, 0, rows, worst, diagnosis=diagnosis)


def expected(**changes: Any) -> KnownDeviation:
    entry = {"function": "f", "dtype": "float16", "regime": "F", "what": "value", "verdict": "overflow", **changes}
    return KnownDeviation(**{k: (v,) if isinstance(v, str) else tuple(v) for k, v in entry.items()})


HUGE = ("F", "value", "overflow")
DEVIATING, RIGHT = result("f(delta=0.7)", "float16", HUGE), result("f(delta=0.7)", "float16")


# ---- unlisted --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"function": "f(delta=0.7)"},
        {"function": "*", "dtype": "*", "regime": "*", "what": "*", "verdict": "*"},
        {"function": ["g", "f"], "dtype": ["float32", "float16"], "verdict": ["inaccurate", "overflow"]},
    ],
)
def test_what_is_listed_is_no_news(changes: dict[str, Any]) -> None:
    assert unexpected([DEVIATING], [expected(**changes)]) == ([], [])


@pytest.mark.parametrize(
    "changes",
    [
        {"function": "g"},
        {"function": "f(delta=0.75)"},
        {"function": "f(delta"},
        {"dtype": "float32"},
        {"regime": "B"},
        {"what": "gradient"},
        {"verdict": "inaccurate"},
        {"dtype": ["float32", "float64"]},
    ],
)
def test_what_differs_in_one_key_is_not_listed(changes: dict[str, Any]) -> None:
    ((found,), _) = unexpected([DEVIATING], [expected(**changes)])
    assert found.deviation is DEVIATING.worst[0]
    assert str(found).startswith("f(delta=0.7), float16: huge (F): huge: value")


def test_without_a_list_everything_is_news() -> None:
    unlisted, vanished = unexpected(iter([DEVIATING, RIGHT]), iter([]))
    assert [f.key for f in unlisted] == [("f(delta=0.7)", "float16", "F", "value", "overflow")]
    assert vanished == []


# ---- vanished --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"function": "f(delta=0.7)"},
        {"dtype": "*"},
        {"function": "*"},
        {"regime": ["F", "B"]},
        {"what": ["value", "gradient"]},
        {"verdict": ["overflow", "capped"]},
    ],
)
def test_what_was_asked_and_is_right_has_vanished(changes: dict[str, Any]) -> None:
    entry = expected(**changes)
    assert unexpected([RIGHT], [entry]) == ([], [entry])


def test_what_deviates_otherwise_has_vanished_and_is_news() -> None:
    entry = expected(verdict="capped")
    unlisted, vanished = unexpected([DEVIATING], [entry])
    assert [f.deviation.verdict for f in unlisted] == ["overflow"]
    assert vanished == [entry]


@pytest.mark.parametrize(
    "changes",
    [
        {"function": "torch.f"},  # not installed
        {"function": "f(delta=0.75)"},
        {"dtype": "float32"},  # not selected
        {"regime": "C"},
        {"regime": ["F", "C"]},  # it may deviate in C
        {"dtype": ["float16", "float32"]},
        {"function": ["f", "g"]},
        {"function": "torch.f", "dtype": "*", "regime": "*", "what": "*", "verdict": "*"},
    ],
)
def test_what_was_not_asked_has_not_vanished(changes: dict[str, Any]) -> None:
    assert unexpected([RIGHT], [expected(**changes)]) == ([], [])
    assert unexpected([], [expected(**changes)]) == ([], [])


def test_a_row_without_points_was_not_asked() -> None:
    values_only = result("f", "float16")
    for row in values_only.rows:
        row.gradient = Tally()
    assert unexpected([values_only], [expected(what="gradient")]) == ([], [])
    assert unexpected([values_only], [expected(what=["value", "gradient"])]) == ([], [])
    assert unexpected([values_only], [expected(what="*")])[1]


def test_alternatives_may_be_asked_of_several_results() -> None:
    entry = expected(function=["f", "g"], dtype=["float16", "float32"])
    right = [result("f", "float16"), result("g", "float32")]
    assert unexpected(right, [entry])[1] == [entry]
    assert unexpected(right[:1], [entry])[1] == []
    assert unexpected([right[0], result("g", "float32", HUGE)], [entry]) == ([], [])


# ---- the file --------------------------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "known.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    more = """
# two of them
[[ deviation ]]
function = ["a", "b"]
dtype = "*"
regime = "moderate"
what = "gradient"
verdict = ["inaccurate", "dead gradient"]
reason = "π"
"""
    path = written(tmp_path, ENTRY + more)
    first, second = read(path)
    assert first == KnownDeviation(
        ("torch.huber_loss",), ("float16",), ("F",), ("value",), ("overflow",), "", f"{path}, line 2"
    )
    assert (second.function, second.verdict, second.reason) == (("a", "b"), ("inaccurate", "dead gradient"), "π")
    assert str(first) == f"torch.huber_loss, float16, F, value: overflow ({path}, line 2)"
    assert str(second) == f"a|b, *, moderate, gradient: inaccurate|dead gradient ({path}, line 10)"
    assert [e.place for e in read(str(path))] == [first.place, second.place]
    assert read(written(tmp_path, "")) == []
    assert len(read(written(tmp_path, "\ufeff" + ENTRY))) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.replace("float16", "float8"), r"line 2: dtype is 'float8', not one of float64, .*\*"),
        (
            ENTRY.replace("torch.huber_loss", "torch.hubber_loss(delta=3)"),
            r"no function 'torch.hubber_loss\(delta=3\)' .*; torch.huber_loss is",
        ),
        (ENTRY.replace("torch.huber_loss", "optax.zzz"), r"no function 'optax.zzz' is known$"),
        (ENTRY.replace('"F"', '"Z"'), "line 2: regime is 'Z'"),
        (ENTRY.replace("value", "values"), "line 2: what is 'values', not one of value, gradient"),
        (ENTRY.replace("overflow", "wrong"), "line 2: verdict is 'wrong'"),
        (ENTRY.replace('"F"', "6"), "line 2: regime is 6, neither a string nor a list of strings"),
        (ENTRY.replace('"F"', '["F", 6]'), "line 2: regime is .*neither"),
        (ENTRY.replace('"F"', "[]"), "line 2: regime is .*neither"),
        (
            ENTRY + ENTRY.replace("dtype", "dtypes"),
            "line 9: 'dtypes' is not known; an entry has function, dtype, regime",
        ),
        (ENTRY + ENTRY.replace('what = "value"\n', ""), "line 9: 'what' is missing"),
        (ENTRY + "reason = 7\n", "line 2: reason is 7, not a string"),
        ("deviations = 3\n", "'deviations' is not known here"),
        ("deviation = 3\n", "entries start with"),
        ("deviation = [3]\n", "entries start with"),
        ("deviation = [{function = 'f'}]\n", "entry 1: 'dtype' is missing"),
        (ENTRY + "what\n", r"line 8"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"known\.toml.*{message}"):
        read(written(tmp_path, text))


def test_a_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"known\.toml: .*utf-8"):
        read(tmp_path / "known.toml")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "other.toml")


RESULTS = [
    result(
        "f(delta=0.7)", "float16", HUGE, ("A", "gradient", "dead gradient"), diagnosis='clips "p"\n\x7f\\ at 1e-7, π😀'
    ),
    result("f(delta=0.7)", "float32", HUGE),
    result("f(delta=0.7)", "float32", HUGE),
    result('a "name"\x1b', "float32", ("B", "value", "crash")),
    result("right", "float32"),
]


def test_what_is_dumped_expects_just_that(tmp_path: Path) -> None:
    entries = read(written(tmp_path, dump(RESULTS)))
    assert len(entries) == 4
    assert unexpected(RESULTS, entries) == ([], [])
    assert [e.reason for e in entries] == [RESULTS[0].diagnosis] * 2 + [""] * 2
    for k, entry in enumerate(entries):  # each is needed, and stands for one deviation
        unlisted, vanished = unexpected(RESULTS, entries[:k] + entries[k + 1 :])
        assert vanished == []
        assert {f.key for f in unlisted} == {tuple(getattr(entry, key)[0] for key in KEYS)}
    all_right = [result(r.name, r.dtype) for r in RESULTS]
    assert unexpected(all_right, entries) == ([], entries)


def test_a_dump_says_what_is_wrong_in_comments() -> None:
    d = Deviation(*("A", "a\nb\x00", "value", "crash"), np.zeros(1), np.ones(1), error="raises \ud800\x1b[31mred")
    text = dump([Comparison("f", "Huber()", "float64", 0, [], [d])])
    assert "# saturated on the right side (A): a b : it raises ?" in text
    assert tomllib.loads(text)["deviation"][0]["verdict"] == "crash"
    assert tomllib.loads(dump([])) == {}
