"""A report of `reflosses.reporting.verify` in print: tables for a terminal, Markdown, JSON.

The JSON is one object (`SCHEMA` is raised when a key changes its meaning or goes):

    schema, ok, interrupted, seed, points
    unlisted, vanished   deviations against the list given with --expect (null: no list)
    versions    of reflosses, python, the frameworks and libraries (null: not installed) and the machine
    legs        in this order; each a `name` ("certification", "implementations", "real data"), `seconds`, `missing`
                (what to install for rows that are not there) and `rows`
    rows        the fields of `verify.Row`; `value` and `grad` null or the fields of `verify.Measured`; `result` null or
                that of an implementation, as `reflosses.comparison.result.Comparison.to_dict` has it
    not_covered functions that look like losses of ours and are not, with the reason

A number that JSON has not is the string "inf", "-inf" or "nan".
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from math import isinf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from reflosses.comparison.battery import REGIMES
from reflosses.comparison.result import Comparison, plain, title
from reflosses.comparison.result import Tally as Found
from reflosses.frameworks.function import frameworks
from reflosses.reporting.junit import Case
from reflosses.reporting.verify import FUNCTIONS, LOSSES, ON_REAL_DATA, Leg, Measured, Report, Row

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 2
STYLE = {"right": "green", "off": "yellow", "wrong": "red", "missing": "dim"}
SNIPPETS = 6  # that a terminal shows
SHORT = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16"}
MARKS = {  # of a verdict, in the map of regimes
    "right": "·",
    "inaccurate": "~",
    "capped": "c",
    "spurious zero": "0",
    "dead gradient": "d",
    "overflow": "o",
    "spurious inf/NaN": "N",
    "other convention": "≠",
    "accepts invalid input": "a",
    "crash": "!",
    "": " ",
}


class Column(NamedTuple):
    """A column's header, and the side that it is aligned to; code: spaces count in it."""

    header: str
    side: Literal["left", "right"] = "left"
    code: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a table; a heading stands above those that belong to it."""

    cells: tuple[str, ...]
    style: str = ""
    heading: bool = False


@dataclass
class Table:
    """What is printed of one leg: `snippets` are titled lines to paste, `notes` whatever else a reader must know."""

    title: str
    columns: tuple[Column, ...]
    fixed: int = 1  # columns that are never wrapped
    lines: list[Line] = field(default_factory=list)
    snippets: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


# ---- what is printed -------------------------------------------------------------------------------------------------


def tables(report: Report) -> list[Table]:
    """One table a leg."""
    build = {LOSSES: _losses, FUNCTIONS: _functions, ON_REAL_DATA: _real_data}
    return [build[leg.name](leg) for leg in report.legs]


def _losses(leg: Leg) -> Table:
    table = Table(
        "1. Our losses against their certified truth, and against finite differences",
        (
            Column("loss"),
            Column("points", "right"),
            Column("value", "right"),
            Column("gradient", "right"),
            Column("approx_fprime", "right"),
            Column("verdict"),
        ),
    )
    for row in leg.rows:
        found = (_of_bound(row.value), _of_bound(row.grad), "" if row.differences is None else f"{row.differences:.2g}")
        table.lines.append(Line((row.name, str(row.points or ""), *found, _verdict(table, row)), STYLE[row.kind]))
    table.notes += [f"{row.name}: {row.note}" for row in leg.rows if row.note] + leg.missing
    if table.lines:
        table.notes.append(
            "value, gradient: the worst error of the bound, in units in the last place; "
            "approx_fprime: the largest disagreement, over what rounding and step allow."
        )
    return table


def _functions(leg: Leg) -> Table:
    """A line a function and dtype; two letters a regime: of the value, and of the gradient."""
    asked = {r.regime for row in leg.rows if row.result for r in row.result.rows}
    regimes = [r for r in REGIMES if r in asked]
    table = Table(
        "2. Functions of other frameworks against the certified truth, in adversarial regimes",
        (Column("function"), Column("dtype"), *(Column(_letter(r), code=True) for r in regimes), Column("verdict")),
        fixed=2 + len(regimes),
    )
    framework, before = "", ""
    shown_wrong: set[tuple[str, str]] = set()
    for row in leg.rows:
        if row.framework != framework:
            framework = row.framework
            table.lines.append(_heading(table, f"{framework} {_version_of(framework)}"))
        name = row.result.name if row.result else row.name
        shown, before = ("" if name == before else name.removeprefix(f"{framework}.")), name
        marks = marks_of(row.result, regimes) if row.result else [""] * len(regimes)
        cells = (shown, SHORT.get(row.dtype, row.dtype), *marks, row.verdict)
        table.lines.append(Line(cells, STYLE[row.kind]))
        if row.result is not None and row.kind == "wrong" and (name, row.verdict) not in shown_wrong:
            shown_wrong.add((name, row.verdict))  # another dtype goes wrong in the same way
            worst = row.result.worst[0]
            table.snippets.append((f"{name}, {row.dtype}: {worst}", row.result.script(worst)))
    table.notes += _diagnoses(leg)
    table.notes += list(dict.fromkeys(f"{row.name}: {row.note}" for row in leg.rows if row.note))
    if table.lines:
        table.notes += legend(regimes)
        left_out = {f.name: ", ".join(f.not_covered) for f in frameworks() if f.name in {r.framework for r in leg.rows}}
        table.notes += [f"not covered of {name}: {them}" for name, them in left_out.items()]
        table.notes.append("what each function equals, and why others are not covered: reflosses explain NAME")
    table.notes += leg.missing
    return table


def _letter(regime: str) -> str:
    return regime if len(regime) == 1 else regime[0].lower()


def marks_of(result: Comparison, regimes: Iterable[str] = tuple(REGIMES)) -> list[str]:
    """For each regime, a mark of the value and one of the gradient."""
    asked = {row.regime: row for row in result.rows}
    return [_mark(asked[r].value) + _mark(asked[r].gradient) if r in asked else "" for r in regimes]


def _mark(column: Found) -> str:
    return MARKS[column.verdict]


def legend(regimes: Iterable[str]) -> list[str]:
    """What the letters and marks mean."""
    marks = ", ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items() if verdict)
    letters = "; ".join(f"{_letter(r)} {REGIMES[r]}" for r in regimes)
    return [f"regimes: {letters}", f"marks, of the value and of the gradient: {marks}"] if letters else []


def _diagnoses(leg: Leg) -> list[str]:
    """What explains the deviations, each with the functions that it is said of."""
    names: dict[str, dict[str, None]] = {}
    for row in leg.rows:
        if row.result is not None and row.kind != "right" and row.result.diagnosis:
            names.setdefault(row.result.diagnosis, {})[row.result.name] = None
    return [f"{', '.join(functions)}: {diagnosis}" for diagnosis, functions in names.items()]


def table_of(result: Comparison) -> Table:
    """What is printed of one candidate."""
    table = Table(
        f"{result.name} against {result.loss}, {result.dtype}: {result.verdict}",
        (Column("regime"), Column("points", "right"), Column("value"), Column("gradient")),
    )
    for row in result.rows:
        points = str(max(row.value.points, row.gradient.points))
        style = "red" if row.value.wrong or row.gradient.wrong else "green"
        table.lines.append(Line((title(row.regime), points, str(row.value), str(row.gradient)), style))
    table.snippets += [(str(d), result.script(d)) for d in result.worst]
    table.notes += [f"Diagnosis: {result.diagnosis}"] if result.diagnosis else []
    table.notes += result.notes
    return table


def _real_data(leg: Leg) -> Table:
    table = Table(
        "3. Predictions of scikit-learn's models on its data sets: its metrics against ours",
        (Column("ours"), Column("theirs"), Column("verdict"), Column("certified")),
    )
    data = ""
    for row in leg.rows:
        if row.data != data:
            data = row.data
            table.lines.append(_heading(table, f"{data} ({row.points})"))
        own = (
            "" if row.own_value is None or row.own_grad is None else f"{in_ulp(row.own_value)}, {in_ulp(row.own_grad)}"
        )
        table.lines.append(
            Line((row.equals, row.name.removeprefix("sklearn."), _verdict(table, row), own), STYLE[row.kind])
        )
    table.notes += list(dict.fromkeys(f"{row.name}: {row.note}" for row in leg.rows if row.note)) + leg.missing
    if table.lines:
        table.notes.append(
            "verdict: theirs against ours; certified: ours against the truth, on a sample "
            "(worst errors of value and gradient, in units in the last place)."
        )
    return table


def _heading(table: Table, text: str) -> Line:
    return Line((text, *[""] * (len(table.columns) - 1)), "bold", heading=True)


def _verdict(table: Table, row: Row) -> str:
    """The verdict, with the numbers of the lines that show it."""
    numbers = []
    for line in row.lines:
        known = [number for number, (_, code) in enumerate(table.snippets, 1) if code == line]
        if not known:
            known = [len(table.snippets) + 1]
            table.snippets.append((f"[{known[0]}] {row.name}, {row.data or row.dtype}", line))
        numbers.append(str(known[0]))
    return f"{row.verdict} [{', '.join(numbers)}]" if numbers else row.verdict


def in_ulp(error: float) -> str:
    """An error, for people."""
    return "∞" if isinf(error) else "0" if error == 0 else f"{error:.2g}" if error >= 0.1 else f"{max(error, 0.01):.2f}"


def _of_bound(m: Measured | None) -> str:
    return "" if m is None else f"{in_ulp(m.worst)} of {m.bound:g}"


def summary(report: Report) -> str:
    """The end of a report: what holds, and how the others did."""
    rows = [row for leg in report.legs for row in leg.rows]
    held = [row.holds for row in rows if row.holds is not None]
    ours = f"holds: {len(held)} of {len(held)} rows" if report.ok else f"does not hold: {sum(held)} of {len(held)} rows"
    others = [row.kind for leg in report.legs if leg.name != LOSSES for row in leg.rows]
    counts = ", ".join(f"{others.count(kind)} {kind}" for kind in STYLE if kind in others)
    took = sum(leg.seconds for leg in report.legs)
    text = f"Our own certification {ours}. Other implementations: {counts or 'none checked'}."
    text += f" {took:.0f} s, seed {report.wanted.seed}, {report.wanted.points} points a loss of ours."
    if report.unlisted is not None and report.vanished is not None:
        text += f" {compared(report.unlisted, report.vanished)}"
    return text + (" Interrupted: only what was done so far." if report.interrupted else "")


def compared(unlisted: list[str], vanished: list[str]) -> str:
    """How many deviations are not as a list says."""
    return f"Against the list: {len(unlisted)} unlisted deviations, {len(vanished)} vanished."


# ---- formats ---------------------------------------------------------------------------------------------------------


def to_markdown(tables: Iterable[Table]) -> str:
    """Markdown tables."""
    out = []
    for table in tables:
        out += [f"## {table.title}", ""]
        if table.lines:
            out.append(_markdown_row([c.header for c in table.columns]))
            out.append(_markdown_row([{"left": ":--", "right": "--:"}[c.side] for c in table.columns]))
            for line in table.lines:
                cells = zip(line.cells, table.columns, strict=True)
                first, *rest = (f"`{x}`" if column.code and x.strip() else x for x, column in cells)
                out.append(_markdown_row([f"**{first}**" if line.heading else first, *rest]))
            out.append("")
        if table.snippets:
            out += ["Lines to paste into Python:", "", "```python"]
            out += ["\n\n".join(f"# {title}\n{line}" for title, line in table.snippets), "```", ""]
        out += [f"- {note}" for note in table.notes] + [""]
    return "\n".join(out).rstrip() + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def print_tables(tables: Iterable[Table], console: Console) -> None:
    """Tables for a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Grid
    from rich.text import Text

    for table in tables:
        console.print(Text(table.title, style="bold"))
        if table.lines:
            narrow = any(column.code for column in table.columns)  # a map: what stands between columns is enough
            drawn = Grid(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0 if narrow else 1, 0, 0))
            for k, column in enumerate(table.columns):
                fixed = 0 < k < table.fixed
                drawn.add_column(column.header, justify=column.side, no_wrap=fixed, overflow="fold")
            verdicts = [c for c in table.columns if c.header == "verdict"] or table.columns
            for line in table.lines:
                if line.heading:
                    drawn.add_section()
                styles = [line.style if line.heading or c in verdicts else "" for c in table.columns]
                drawn.add_row(*map(Text, line.cells, styles))
            console.print(drawn)
        for snippet_title, snippet in table.snippets[:SNIPPETS]:
            console.print(Text(snippet_title, style="dim"))
            console.print(Text(snippet + "\n"), soft_wrap=True)
        if len(table.snippets) > SNIPPETS:
            more = f"{len(table.snippets) - SNIPPETS} more to paste: --format markdown\n"
            console.print(Text(more, style="dim"))
        notes = Grid.grid(padding=(0, 1))
        for note in table.notes:
            notes.add_row("·", Text(note, style="dim"))
        if table.notes:
            console.print(notes, "")


def to_json(report: Report) -> str:
    """The whole report as JSON."""
    whole = {
        "schema": SCHEMA,
        "ok": report.ok,
        "interrupted": report.interrupted,
        "seed": report.wanted.seed,
        "points": report.wanted.points,
        "unlisted": report.unlisted,
        "vanished": report.vanished,
        "versions": versions(),
        "legs": [
            {"name": g.name, "seconds": g.seconds, "missing": g.missing, "rows": [_row(row) for row in g.rows]}
            for g in report.legs
        ],
        "not_covered": not_covered(),
    }
    return json.dumps(plain(whole), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def results_to_json(results: list[Comparison], interrupted: bool = False) -> str:
    """Candidates as JSON: schema, ok, interrupted, versions, and results as `Comparison.to_dict` has them."""
    whole = {
        "schema": SCHEMA,
        "ok": bool(results) and all(r.ok for r in results) and not interrupted,
        "interrupted": interrupted,
        "versions": versions(),
        "results": [r.to_dict() for r in results],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def cases(report: Report) -> list[Case]:
    """The rows of a report as test cases; what a list expects of others is no failure, what has vanished is one."""
    found = []
    for leg in report.legs:
        for row in leg.rows:
            suite = " ".join(filter(None, (leg.name, row.framework or row.data)))
            name = f"{row.result.name if row.result else row.name}, {row.dtype}"
            told = row.result.message() if row.result else "\n".join([row.verdict, *row.lines])
            wrong = told if row.kind in ("off", "wrong") else ""
            news = row.holds is False or _news(row.result, report.unlisted)
            skipped = row.verdict if row.kind == "missing" else None
            found.append(_case(suite, name, row.result.seconds if row.result else 0.0, wrong, news, skipped))
        found += [Case(leg.name, what, skipped=what) for what in leg.missing]
    return found + _vanished(report.vanished)


def cases_of(
    results: list[Comparison], suite: str, unlisted: list[str] | None, vanished: list[str] | None
) -> list[Case]:
    """Candidates as test cases, and what a list expects of them."""
    found = []
    for r in results:
        wrong = "" if r.ok else r.message()
        found.append(_case(suite, f"{r.name}, {r.dtype}", r.seconds, wrong, _news(r, unlisted) or not r.rows))
    return found + _vanished(vanished)


def _case(suite: str, name: str, seconds: float, wrong: str, news: bool, skipped: str | None = None) -> Case:
    return Case(suite, name, seconds, wrong if wrong and news else None, skipped, "" if news else wrong)


def _news(result: Comparison | None, unlisted: list[str] | None) -> bool:
    """Whether what is wrong is not listed; nothing is, without a list."""
    if unlisted is None or result is None:
        return unlisted is None
    return any(line.startswith(f"unlisted: {result.name}, {result.dtype}: ") for line in unlisted)


def _vanished(lines: list[str] | None) -> list[Case]:
    return [Case("expected deviations", line, failure=line) for line in lines or []]


def _row(row: Row) -> dict[str, Any]:
    whole = {f.name: getattr(row, f.name) for f in fields(row)}
    measured = {what: None if whole[what] is None else asdict(whole[what]) for what in ("value", "grad")}
    return {**whole, **measured, "result": None if row.result is None else row.result.to_dict()}


def not_covered() -> dict[str, str]:
    """Functions that look like losses of ours and are not, with the reason."""
    return {name: why for framework in frameworks() for name, why in framework.not_covered.items()}


def versions() -> dict[str, str | None]:
    """What the numbers depend on."""
    own = {name: _version(name) for name in ("reflosses", "numpy", "python-flint")}
    others = {framework.package: framework.version for framework in frameworks()}
    machine = f"{platform.machine()} {platform.platform()}"
    return {**own, **others, "python": platform.python_version(), "machine": machine}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _version_of(name: str) -> str:
    return next((f.version or "" for f in frameworks() if f.name == name), "")
