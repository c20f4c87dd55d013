"""The page of accuracy is current: every loss, every function and every metric has its line."""

import re
from pathlib import Path
from typing import Any

import pytest
from accuracy_page import FRAMEWORKS, functions, shown

from reflosses.catalogue import examples, losses
from reflosses.comparison.verdict import VERDICTS
from reflosses.frameworks.function import brief, frameworks
from reflosses.reporting.tables import MARKS

PAGE = (Path(__file__).parent.parent / "derivations" / "accuracy.md").read_text("utf-8")


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M)
    assert found is not None
    return found[1]


def cells(markdown: str) -> list[list[str]]:
    rows = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set("".join(row)) <= set(":- ")]


def test_the_measured_table_has_every_loss_within_its_bounds() -> None:
    """`make accuracy` writes it; a loss that is missing or out of bounds says that it was not run again."""
    rows = {row[0].strip("`"): row for row in cells(section("Our own losses"))[1:]}
    assert set(losses()) <= set(rows)
    for name, cls in losses().items():
        _, points, value, grad, verdict = rows[name]
        loosest = [max(bound) for bound in zip(*(loss.bounds for loss in examples(cls)), strict=True)]
        assert int(points) >= 50
        assert float(value) <= loosest[0]
        assert float(grad) <= loosest[1]
        assert verdict == "certified"


def test_the_measured_tables_of_others_have_every_function_and_what_it_does() -> None:
    pytest.importorskip("sklearn", reason="needs the extra [sklearn]: scikit-learn")
    head, *rows = cells(section("Functions of SciPy and scikit-learn"))
    lines = {row[0]: row for row in rows}
    assert len(lines) == len(rows)
    names = [f.name for framework in frameworks() if framework.name in FRAMEWORKS for f in framework.functions]
    assert set(lines) == {name for name in names if shown({"name": name, "dtype": "float64"})}
    known = {mark: verdict for verdict, mark in MARKS.items()}
    for name, (_, *marks, verdict) in lines.items():
        assert len(marks) == len(head) - 2
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
    assert head == ["function, float64", "m", "F", "is it our loss?"]
    assert lines == [["lib.f", "`o `", "`o `", "overflow"], ["lib.g", "`· `", "`· `", "right"]]
