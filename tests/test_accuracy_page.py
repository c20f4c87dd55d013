"""The page of accuracy is current: every known error, loss, function and metric has its line."""

import re
from pathlib import Path
from typing import Any

import pytest
from accuracy_page import COUNTED, FRAMEWORKS, functions, shown
from hunt import hunts, known_errors, line, loss_of, measured, merged, table

from reflosses.catalogue import examples, losses
from reflosses.comparison.verdict import VERDICTS
from reflosses.comparison.worst_inputs import QUANTITIES
from reflosses.frameworks.function import brief, frameworks
from reflosses.reporting.tables import MARKS
from reflosses.reporting.told import STANDINGS

PAGE = (Path(__file__).parent.parent / "derivations" / "accuracy.md").read_text("utf-8")


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M)
    assert found is not None
    return found[1]


def cells(markdown: str) -> list[list[str]]:
    rows = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set("".join(row)) <= set(":- ")]


KNOWN = known_errors()


def quantities() -> set[tuple[str, str]]:
    """What is hunted: the name of a hunt, and a quantity that the loss bounds."""
    return {(name, quantity) for name, _, _ in hunts() for quantity in QUANTITIES}


def broken(row: dict[str, Any]) -> list[pytest.MarkDecorator]:
    """The mark of a bound that a hunt broke, until it is mended and `make hunt KEEP=1` has measured it again."""
    reason = f"{row['ulp']} ulp on the {row['path']} path"
    return [pytest.mark.xfail(strict=row["path"] == "default", reason=reason)] if row["ulp"] > row["bound"] else []


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=f"{row['hunt']}-{row['quantity']}", marks=broken(row)) for row in KNOWN],
)
def test_the_worst_known_inputs_are_within_the_bounds(row: dict[str, Any]) -> None:
    """Proved on this machine; its code path may make a difference of an ulp, or of a part of a large bound."""
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")
    error, bound = measured(row)
    assert error <= bound, line(row)
    assert error <= row["ulp"] + max(1.0, bound / 10), "the page understates this error: make hunt KEEP=1"


def test_the_page_has_the_largest_known_errors() -> None:
    text = section("The largest known errors")
    head, *rows = cells(text)
    assert head == ["loss", "quantity", "bound", "largest known", "path", "here", "points", "rests on"]
    assert {(row[0], row[1]) for row in rows} == quantities()
    assert {name for name, *_, why in rows if why == "count"} == set(COUNTED)
    for row, known in zip(rows, KNOWN, strict=True):
        bound = loss_of(known).bounds[QUANTITIES.index(known["quantity"])]
        shown = [f"{bound:.6g}", f"{known['ulp']:.3f}", known["path"]]
        assert row[:5] == [known["hunt"], known["quantity"], *shown]
        assert known["bound"] == bound
        assert float(row[6]) >= 1e5
    assert text.partition("```text\n")[2].partition("\n```")[0].splitlines() == [line(row) for row in KNOWN]


def test_a_known_error_gives_way_to_a_larger_part_of_its_bound() -> None:
    row = {"hunt": "Focal", "quantity": "value", "ulp": 3.0, "bound": 6.0, "path": "AVX2", "points": 100}
    more, less = {**row, "ulp": 4.0, "points": 10}, {**row, "ulp": 4.0, "bound": 60.0, "points": 1000}
    other = {**row, "hunt": "Dice"}
    assert merged([row, more, less, other]) == [other, {**more, "points": 1000}]
    told = table([{**more, "ulp": 6.5}, other])
    assert [text.endswith("<") for text in told.splitlines()] == [False, True, False]
    assert max(map(len, told.splitlines())) <= 80


def test_the_measured_table_has_every_loss_within_its_bounds() -> None:
    """`make accuracy` writes it; a loss that is missing or out of bounds says that it was not run again."""
    rows = {row[0].strip("`"): row for row in cells(section("Our own losses"))[1:]}
    assert set(losses()) <= set(rows)
    for name, cls in losses().items():
        _, points, value, grad, curvature, verdict = rows[name]
        loosest = [max(bound) for bound in zip(*(loss.bounds for loss in examples(cls)), strict=True)]
        assert int(points) >= 50
        assert float(value) <= loosest[0]
        assert float(grad) <= loosest[1]
        assert float(curvature) <= loosest[2]
        assert verdict == "certified"


def test_the_measured_tables_of_others_have_every_function_and_what_it_does() -> None:
    pytest.importorskip("sklearn", reason="needs the extra [sklearn]: scikit-learn")
    head, *rows = cells(section("Functions of SciPy and scikit-learn"))
    lines = {row[0]: row for row in rows}
    assert len(lines) == len(rows)
    names = [f.name for framework in frameworks() if framework.name in FRAMEWORKS for f in framework.functions]
    assert set(lines) == {name for name in names if shown({"name": name, "dtype": "float64"})}
    known = {mark: verdict for verdict, mark in MARKS.items()}
    for name, (_, *marks, standing, verdict) in lines.items():
        assert len(marks) == len(head) - 3
        assert (verdict == "right") <= (standing == STANDINGS[-1]), name
        assert standing in STANDINGS
        assert marks[0].strip("`").strip(), name  # moderate inputs are asked of all
        told = {known[mark] for cell in marks for mark in cell.strip("`")} - {""}
        assert verdict == min(told, key=[*VERDICTS, "right"].index), name
    assert {lines[name][-1] for name in ("scipy.special.huber", "scipy.special.log_expit")} == {"right"}


def test_the_measured_table_of_real_data_has_every_metric() -> None:
    real = pytest.importorskip("reflosses.frameworks.sklearn").REAL_DATA
    _, *rows = cells(section("Real data"))
    assert [row[0] for row in rows] == [f"{r.function.name}, {r.data}: {r.output}" for r in real]
    assert [row[1] for row in rows] == [f"`{brief(r.function.loss(r.given))}`" for r in real]
    assert all(re.match(r"right \(within|off by", row[2]) for row in rows)
    assert re.search(r"It took \d+ s on \d+ CPUs\.\nVersions: reflosses ", PAGE)


def test_the_tables_of_others_are_made_of_a_report() -> None:
    """One line of two parameter sets: the marks of both, and the worse verdict."""

    def row(name: str, verdict: str, dtype: str = "float64", **wrong: int) -> dict[str, Any]:
        value = {"points": 7, "worst": 0.5, "wrong": wrong}
        gradient = {"points": 0, "worst": 0.0, "wrong": {}}
        result = {"rows": [{"regime": regime, "value": value, "gradient": gradient} for regime in ("moderate", "F")]}
        bad = {"regime": "F", "name": "huge", "what": "value", "verdict": verdict, "level": "range"}
        result |= {"worst": [bad] if wrong else []}
        return {"name": name, "dtype": dtype, "verdict": verdict, "result": result}

    rows = [
        row("lib.f", "right"),
        row("lib.f", "overflow", overflow=3),
        row("lib.f", "crash", "float32", crash=1),
        row("lib.g", "right"),
        row("lib.g.loss_gradient", "crash", crash=1),
    ]
    report = {"legs": [{}, {"rows": rows}]}
    head, *lines = cells(functions(report))
    assert head == ["function, float64", "m", "F", "it is", "worst"]
    assert lines == [
        ["lib.f", "`o `", "`o `", "the loss with its digits", "overflow"],
        ["lib.g", "`· `", "`· `", "the loss to the ends of the range", "right"],
    ]
