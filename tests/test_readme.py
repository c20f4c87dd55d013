"""The README tells the truth about what is there."""

import doctest
import inspect
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from readme_tables import FRAMEWORKS, functions, shown

import reflosses
from reflosses.__main__ import _parser
from reflosses.catalogue import examples, losses
from reflosses.comparison.verdict import VERDICTS
from reflosses.frameworks.function import brief, frameworks
from reflosses.reporting.tables import MARKS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def block(marker: str) -> str:
    found = re.search(rf"<!-- {marker} -->\n(.*?)<!-- /{marker} -->", README, re.S)
    assert found is not None
    return found[1]


def cells(markdown: str) -> list[list[str]]:
    rows = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set("".join(row)) <= set(":- ")]


def test_the_example_prints_what_it_says() -> None:
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    source = "\n".join(re.findall(r"```python\n(>>> .*?)```", README, re.S))
    test = doctest.DocTestParser().get_doctest(source, {}, "README.md", "README.md", 0)
    assert 5 <= len(test.examples) <= 15
    said: list[str] = []
    runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


def test_the_api_table_has_every_loss_and_parameter() -> None:
    table = README[README.index("## The API on one screen") :]
    for name, cls in losses().items():
        rows = [line for line in table.splitlines() if line.startswith("|") and f"`{name}`" in line]
        assert rows, name
        for f in fields(cls):
            if f.name != "reduction":
                default = repr(f.default).replace("'", '"')
                assert f"{f.name}={default}" in rows[0], (name, f.name)


def test_every_name_in_backticks_that_looks_like_ours_exists() -> None:
    for dotted in set(re.findall(r"`(reflosses(?:\.\w+)+)\b", README)):
        thing = reflosses
        for part in dotted.split(".")[1:]:
            if not hasattr(thing, part):
                __import__(f"{thing.__name__}.{part}")
            thing = getattr(thing, part)


def test_its_commands_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.M))
    named = set(re.findall(r"`make ([a-z]+)`", README)) | set(re.findall(r"^make ([a-z]+)", README, re.M))
    assert {"verify", "test"} <= named <= targets
    assert set(re.findall(r"^\.PHONY: (.*)$", makefile, re.M)[0].split()) == targets


def test_its_command_lines_are_understood() -> None:
    lines = re.findall(r"(?:^|(?<=`))(reflosses [a-z][^`#\n]*)", README, re.M)
    assert {line.split()[1] for line in lines} >= {"verify", "check", "explain"}
    for line in lines:
        _parser().parse_args(shlex.split(line)[1:])


def test_its_links_resolve() -> None:
    targets = re.findall(r"\]\(([^)#]+)", README)
    assert len(targets) >= 6
    for target in targets:
        assert (ROOT / target).is_file(), target


def test_the_measured_table_has_every_loss_within_its_bounds() -> None:
    """`make readme` writes it; a loss that is missing or out of bounds says that it was not run again."""
    rows = {row[0].strip("`"): row for row in cells(block("accuracy"))[1:]}
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
    head, *rows = cells(block("verify").split("and on real data")[0])
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
    _, *rows = cells(block("verify").split("and on real data")[1])
    assert [row[0] for row in rows] == [f"{r.function.name}, {r.data}: {r.output}" for r in real]
    assert [row[1] for row in rows] == [f"`{brief(r.function.loss(r.given))}`" for r in real]
    assert all(re.match(r"right \(within|off by", row[2]) for row in rows)
    assert re.search(r"Measured in \d+ s on two cores: reflosses ", block("verify"))


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


def test_every_erratum_names_a_page_that_proves_it() -> None:
    errata = cells(README[README.index("## Errata") : README.index("## Versions")])
    assert len(errata) == 1 + 6
    for row in errata[1:]:
        link = re.search(r"\((derivations/\w+\.md)\)", row[2])
        assert link is not None
        assert "lecture notes" in (ROOT / link[1]).read_text("utf-8"), link[1]


def test_public_classes_and_functions_have_the_sections_of_their_docstrings() -> None:
    for cls in losses().values():
        text = inspect.getdoc(cls) or ""
        for label in ("Formula", "Shapes", "Scale", "Domain", "Kinks", "Limits", "Errors", "Source"):
            assert re.search(rf"\b{label}\b[^.\n]*:", text), (cls.__name__, label)
