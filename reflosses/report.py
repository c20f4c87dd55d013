"""A report of `reflosses.verify` in print: tables for a terminal, Markdown, JSON.

The JSON is one object (`SCHEMA` is raised when a key changes its meaning or goes):

    schema, ok, interrupted, seed, points
    versions    of reflosses, python, numpy, scipy, scikit-learn, python-flint (null: not installed) and the machine
    legs        in this order; each a `name` ("certification", "implementations", "real data"), `seconds`, `missing`
                (what to install for rows that are not there) and `rows`
    rows        the fields of `verify.Row`, `value` and `grad` being null or the fields of `compare.Measured`;
                a number that JSON has not is the string "inf", "-inf" or "nan"
    not_covered functions that look like losses of ours and are not, with the reason
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from reflosses.conventions import not_covered
from reflosses.conventions.compare import Measured, in_ulp
from reflosses.verify import FUNCTIONS, LOSSES, REAL_DATA, Leg, Report, Row

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 1
STYLE = {"right": "green", "off": "yellow", "wrong": "red", "missing": "dim"}
SHORT = {"float64": "f64", "float32": "f32"}


class Column(NamedTuple):
    """A column's header, and the side that it is aligned to."""

    header: str
    side: Literal["left", "right"] = "left"


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
    build = {LOSSES: _losses, FUNCTIONS: _functions, REAL_DATA: _real_data}
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
    table = Table(
        "2. Functions of other libraries against the certified truth, on adversarial inputs",
        (
            Column("function"),
            Column("dtype"),
            Column("points", "right"),
            Column("value", "right"),
            Column("gradient", "right"),
            Column("verdict"),
        ),
    )
    equals, before = "", ""
    for row in leg.rows:
        if row.equals != equals:
            equals, before = row.equals, ""
            table.lines.append(_heading(table, f"= {equals}"))
        name = "" if row.name == before else _continued(row.name, before)
        before = row.name
        found = (SHORT.get(row.dtype, row.dtype), str(row.points or ""), _worst(row.value), _worst(row.grad))
        table.lines.append(Line((name, *found, _verdict(table, row)), STYLE[row.kind]))
    table.notes += list(dict.fromkeys(f"{row.name}: {row.note}" for row in leg.rows if row.note))
    if table.lines:
        table.notes.append("not covered: " + "; ".join(f"{name} ({why})" for name, why in not_covered().items()))
        table.notes.append("value, gradient: the worst error, in units in the last place of the dtype.")
    table.notes += leg.missing
    return table


def _real_data(leg: Leg) -> Table:
    table = Table(
        "3. Predictions of scikit-learn's models on its data sets: its metrics against ours",
        (Column("ours"), Column("theirs"), Column("verdict"), Column("certified")),
        fixed=2,
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
            Line((row.equals, row.name.removeprefix("sklearn "), _verdict(table, row), own), STYLE[row.kind])
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


def _continued(name: str, before: str) -> str:
    """A name, without what the line above already says."""
    shared = before.partition(".")[0] if before.count(".") == 1 and before.startswith("sklearn") else before
    return f"  {name.removeprefix(shared)}" if shared and name.startswith(f"{shared}.") else name


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


def _worst(m: Measured | None) -> str:
    return "" if m is None else in_ulp(m.worst)


def _of_bound(m: Measured | None) -> str:
    return "" if m is None else f"{_worst(m)} of {m.bound:g}"


def summary(report: Report) -> str:
    """The end of a report: what holds, and how the others did."""
    rows = [row for leg in report.legs for row in leg.rows]
    held = [row.holds for row in rows if row.holds is not None]
    ours = f"holds: {len(held)} of {len(held)} rows" if report.ok else f"does not hold: {sum(held)} of {len(held)} rows"
    others = [row.kind for leg in report.legs if leg.name != LOSSES for row in leg.rows]
    counts = ", ".join(f"{others.count(kind)} {kind}" for kind in STYLE if kind in others)
    took = sum(leg.seconds for leg in report.legs)
    text = f"Our own certification {ours}. Other implementations: {counts or 'none checked'}."
    text += f" {took:.0f} s, seed {report.seed}, {report.points} points a row."
    return text + (" Interrupted: only what was done so far." if report.interrupted else "")


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
                out.append(_markdown_row([f"**{line.cells[0]}**", *line.cells[1:]] if line.heading else line.cells))
            out.append("")
        if table.snippets:
            out += ["Lines to paste into Python:", "", "```python"]
            out += [text for title, line in table.snippets for text in (f"# {title}", line)] + ["```", ""]
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
            drawn = Grid(box=SIMPLE_HEAD, pad_edge=False)
            for k, column in enumerate(table.columns):
                drawn.add_column(column.header, justify=column.side, no_wrap=k < table.fixed)
            for line in table.lines:
                styles = [line.style if line.heading or c.header == "verdict" else "" for c in table.columns]
                drawn.add_row(*map(Text, line.cells, styles))
            console.print(drawn)
        for title, snippet in table.snippets:
            console.print(Text(title, style="dim"))
            console.print(Text(snippet), soft_wrap=True)
        notes = Grid.grid(padding=(0, 1))
        for note in table.notes:
            notes.add_row("·", Text(note, style="dim"))
        console.print(notes)
        console.print()


def to_json(report: Report) -> str:
    """The whole report as JSON."""
    whole = {
        "schema": SCHEMA,
        "ok": report.ok,
        "interrupted": report.interrupted,
        "seed": report.seed,
        "points": report.points,
        "versions": versions(),
        "legs": [asdict(leg) for leg in report.legs],
        "not_covered": not_covered(),
    }
    return json.dumps(_plain(whole), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def versions() -> dict[str, str | None]:
    """What the numbers depend on."""
    return {
        **{name: _version(name) for name in ("reflosses", "numpy", "scipy", "scikit-learn", "python-flint")},
        "python": platform.python_version(),
        "machine": f"{platform.machine()} {platform.platform()}",
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _plain(x: Any) -> Any:
    """`x` in what JSON has."""
    convert: dict[type, Callable[[Any], Any]] = {
        dict: lambda d: {k: _plain(v) for k, v in d.items()},
        list: lambda xs: [_plain(v) for v in xs],
        float: lambda v: v if math.isfinite(v) else str(v),
    }
    return convert.get(type(x), lambda v: v)(x)
