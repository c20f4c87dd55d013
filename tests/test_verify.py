"""The three legs of `verify`, and how they are printed."""

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reflosses
from reflosses import arithmetic, catalogue, report, verify
from reflosses.conventions import Peer
from reflosses.conventions import scipy as scipy_rows
from reflosses.verify import Leg, Report, Row

LOSSES = list(catalogue.losses())
POINTS = 12


def needs_flint() -> None:
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")


def needs_sklearn() -> None:
    pytest.importorskip("sklearn", reason="needs the extra [sklearn]: scikit-learn")


def run(*losses: str, seed: int = 3, points: int = POINTS, **more: Any) -> Report:
    needs_flint()
    return verify.verify(losses, seed, points, **more)


def told(found: Report) -> str:
    """All that a report says but how long it took."""
    return report.to_json(replace(found, seed=0, legs=[replace(leg, seconds=0.0) for leg in found.legs]))


@pytest.fixture(scope="module")
def everything() -> Iterator[Report]:
    needs_flint()
    needs_sklearn()
    return verify.verify(LOSSES, 0, POINTS)


# ---- all of it -------------------------------------------------------------------------------------------------------


def test_every_loss_is_certified_and_asked_of_others_and_of_real_data(everything: Report) -> None:
    certified, functions, real = everything.legs
    assert everything.ok
    assert not everything.interrupted
    assert [row.name for row in certified.rows[: len(LOSSES)]] == LOSSES
    assert [row.name for row in certified.rows[len(LOSSES) :]] == [p.name for p in verify.OURS]
    for row in certified.rows:
        assert (row.verdict, row.kind, row.holds) == ("certified", "right", True)
        assert row.points >= 10
        assert row.value is not None
        assert row.value.worst <= row.value.bound
    for row in certified.rows[: len(LOSSES)]:
        assert row.grad is not None
        assert row.grad.worst <= row.grad.bound
        assert row.derivatives > 0
        assert row.differences is not None
        assert row.differences <= 1
    assert all(row.holds is None for row in functions.rows)
    missing = {row.name for leg in everything.legs for row in leg.rows if row.kind == "missing"}
    assert missing <= {"scipy.special.softplus"}  # new in SciPy
    assert {re.sub(r".*· |\(.*", "", row.equals) for row in real.rows} == set(LOSSES)
    assert {row.data.partition(":")[0] for row in real.rows} == {"diabetes", "breast cancer", "digits", "digit masks"}
    for row in real.rows:
        assert row.holds
        assert row.sample > 0
        assert row.points >= 442
        assert row.kind == "right" or "Half" in row.name, row.verdict  # scikit-learn's `_loss` loses digits there
    assert not any(leg.missing for leg in everything.legs)
    assert all(leg.seconds > 0 for leg in everything.legs)


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    needs_sklearn()
    first, again, other = (run("Huber", "Hinge", seed=seed) for seed in (5, 5, 6))
    assert told(first) == told(again)
    assert told(first) != told(other)


def test_only_the_losses_that_are_asked_for() -> None:
    found = run("IoU", "Cauchy")
    assert {row.name for row in found.legs[0].rows} == {"IoU", "Cauchy", "overlap.hard_iou"}
    assert all(re.search("IoU|Cauchy", row.equals) for leg in found.legs for row in leg.rows)


def test_progress_is_told_of_every_leg() -> None:
    needs_sklearn()
    ticks: list[tuple[str, str, int, int]] = []
    run("Hinge", "Huber", tick=lambda *a: ticks.append(a))
    for leg in (verify.LOSSES, verify.FUNCTIONS, verify.REAL_DATA):
        done = [(k, of) for name, _, k, of in ticks if name == leg]
        assert done == [(k, done[-1][1]) for k in range(done[-1][1] + 1)]
        assert len(done) > 1


# ---- it can fail -----------------------------------------------------------------------------------------------------


def broken(monkeypatch: pytest.MonkeyPatch, method: str, change: Callable[[Any], Any]) -> Report:
    """A report with one method of Huber changed."""
    right = getattr(reflosses.Huber, method)
    monkeypatch.setattr(reflosses.Huber, method, lambda self, *terms: change(right(self, *terms)))
    return run("Huber", "Hinge", points=60)


@pytest.mark.parametrize(
    ("method", "change", "text"),
    [
        ("loss", lambda x: 2 * x, "wrong: value off by"),
        ("loss", lambda x: x * (1 + 1e-14), "wrong: value off by"),
        ("slope", lambda x: -x, "wrong: gradient off by"),
        ("slope", lambda x: np.where(np.abs(x) < 1e-3, 0.0, x), "wrong: gradient off by"),
        ("slope", lambda x: x + np.nan, "wrong: gradient off by"),
        ("common", lambda x: x[0] / 0, "wrong: "),
    ],
)
def test_a_broken_loss_is_not_certified(
    monkeypatch: pytest.MonkeyPatch, method: str, change: Callable[[Any], Any], text: str
) -> None:
    found = broken(monkeypatch, method, change)
    assert not found.ok
    rows = {row.name: row for row in found.legs[0].rows}
    assert rows["Huber"].kind == "wrong"
    assert rows["Huber"].verdict.startswith(text)
    assert rows["Hinge"].holds


def test_a_loss_that_raises_is_not_certified_on_real_data_either(monkeypatch: pytest.MonkeyPatch) -> None:
    needs_sklearn()

    def nothing(self: Any, *terms: Any) -> Any:
        raise RuntimeError("no slope today")

    monkeypatch.setattr(reflosses.Huber, "slope", nothing)
    found = run("Huber")
    assert not found.ok
    for leg in (found.legs[0], found.legs[2]):
        assert all("RuntimeError: no slope today" in row.verdict and row.holds is False for row in leg.rows)


def test_what_finite_differences_deny_is_not_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    right = verify.gradcheck
    monkeypatch.setattr(verify, "gradcheck", lambda *a: replace(right(*a), excess=3.0))
    row = run("Hinge").legs[0].rows[0]
    assert row.verdict == "wrong: approx_fprime of Hinge(reduction='none') says otherwise"
    assert row.holds is False


def test_a_wrong_function_of_ours_is_not_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "OURS", [replace(verify.OURS[1], value="np.mean(y != yhat)")])
    found = run("Dice")
    assert found.legs[0].rows[-1].kind == "wrong"
    assert not found.ok


def test_what_others_get_wrong_is_reported_and_not_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Peer("planted", reflosses.Hinge(reduction="none"), "import numpy as np", "np.maximum(0, -y * yhat)")
    monkeypatch.setattr(scipy_rows, "PEERS", [wrong])
    found = run("Hinge")
    rows = [row for row in found.legs[1].rows if row.name == "planted"]
    assert [row.dtype for row in rows] == ["float64", "float32"]
    for row in rows:
        assert row.kind == "wrong"
        assert row.verdict.startswith("wrong at ")
        assert ", even moderate" in row.verdict
    assert found.ok
    assert "certification holds" in report.summary(found)


# ---- what is missing, and what is interrupted ------------------------------------------------------------------------


def test_without_scikit_learn_its_rows_are_left_out_and_the_rest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    found = run("Huber", "Hinge")
    message = ["sklearn is not installed, its rows are left out: pip install 'reflosses[sklearn]'"]
    assert [leg.missing for leg in found.legs] == [[], message, message]
    assert {row.name for row in found.legs[1].rows} == {"scipy least_squares('huber')", "scipy.special.huber"}
    assert found.legs[2].rows == []
    assert found.ok
    assert message[0] in report.to_markdown(report.tables(found))


def test_without_flint_nothing_is_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flint", None)
    monkeypatch.setattr(arithmetic, "flint", None)
    found = verify.verify(LOSSES, 0, POINTS)
    assert not found.ok
    for leg in found.legs[:2]:
        assert leg.rows == []
        assert leg.missing == ["nothing can be certified without python-flint: pip install 'reflosses[truth]'"]
    assert "does not hold: 0 of 0 rows" in report.summary(found)


def test_another_version_of_a_library_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Peer("gone", reflosses.Hinge(reduction="none"), "import scipy.special", "scipy.special.not_there(y)")
    monkeypatch.setattr(scipy_rows, "PEERS", [gone])
    row = next(row for row in run("Hinge").legs[1].rows if row.name == "gone")
    assert row.kind == "missing"
    assert row.verdict.startswith("not there: ")


def test_an_interrupt_keeps_what_is_done() -> None:
    def tick(leg: str, name: str, done: int, total: int) -> None:
        if leg == verify.FUNCTIONS and done == 1:
            raise KeyboardInterrupt

    found = run("Huber", "Hinge", tick=tick)
    assert found.interrupted
    assert [leg.name for leg in found.legs] == [verify.LOSSES, verify.FUNCTIONS]
    assert found.legs[1].rows
    assert "Interrupted: only what was done so far." in report.summary(found)
    assert json.loads(report.to_json(found))["interrupted"] is True


# ---- in print --------------------------------------------------------------------------------------------------------


def test_markdown_is_made_of_whole_tables(everything: Report) -> None:
    text = report.to_markdown(report.tables(everything))
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 1. Our losses against their certified truth, and against finite differences",
        "## 2. Functions of other libraries against the certified truth, on adversarial inputs",
        "## 3. Predictions of scikit-learn's models on its data sets: its metrics against ours",
    ]
    for name in LOSSES:
        assert re.search(rf"^\| {name} \| \d+ \|.*\| certified \|$", text, re.M)


@pytest.mark.parametrize("width", [100, 160])
def test_tables_fit_a_terminal(everything: Report, width: int) -> None:
    console = pytest.importorskip("rich.console", reason="needs the extra [cli]: rich")
    out = io.StringIO()
    report.print_tables(report.tables(everything), console.Console(file=out, width=width, highlight=False))
    snippets = {line for table in report.tables(everything) for _, line in table.snippets}
    for line in out.getvalue().splitlines():
        assert len(line) <= width or line in snippets
        assert "…" not in line
    for name in [*LOSSES, "scipy.special.huber"]:
        assert re.search(rf"^ {re.escape(name)} ", out.getvalue(), re.M), name
    assert snippets <= set(out.getvalue().splitlines())  # whole, to be pasted


def test_lines_are_numbered_and_told_once() -> None:
    row = Row("a", "Hinge", "wrong", "wrong", lines=("one", "two"))
    rows = [
        row,
        replace(row, name="b", lines=("two",)),
        replace(row, name="c", verdict="right", kind="right", lines=()),
    ]
    table = report.tables(Report(0, 1, [Leg(verify.FUNCTIONS, rows)]))[0]
    assert [line.cells[-1] for line in table.lines if not line.heading] == ["wrong [1, 2]", "wrong [2]", "right"]
    assert [code for _, code in table.snippets] == ["one", "two"]


def test_json_holds_every_row_and_what_the_numbers_depend_on(everything: Report) -> None:
    whole = json.loads(report.to_json(everything), parse_constant=lambda c: pytest.fail(f"{c} is no JSON"))
    assert set(whole) == {
        "schema",
        "ok",
        "interrupted",
        "seed",
        "points",
        "versions",
        "legs",
        "not_covered",
    }
    assert whole["ok"] is True
    assert whole["schema"] == report.SCHEMA
    assert whole["points"] == POINTS
    names = {"reflosses", "numpy", "scipy", "scikit-learn", "python-flint", "python", "machine"}
    assert set(whole["versions"]) == names
    assert all(whole["versions"].values())
    for leg, mine in zip(whole["legs"], everything.legs, strict=True):
        assert leg["name"] == mine.name
        assert [row["verdict"] for row in leg["rows"]] == [row.verdict for row in mine.rows]
    assert [row["name"] for row in whole["legs"][0]["rows"]][: len(LOSSES)] == LOSSES


def test_numbers_that_json_has_not_are_words() -> None:
    row = Row("a", "Hinge", "wrong", "wrong", differences=np.inf, own_value=np.nan, own_grad=-np.inf)
    whole = json.loads(report.to_json(Report(0, 1, [Leg(verify.FUNCTIONS, [row])])))
    row = whole["legs"][0]["rows"][0]
    assert [row[k] for k in ("differences", "own_value", "own_grad")] == ["inf", "nan", "-inf"]
