"""What a person sees of a report: a table for each leg, with lines to paste and notes; on a terminal or in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isinf
from typing import TYPE_CHECKING, Literal, NamedTuple

from reflosses.comparison.battery import REGIMES
from reflosses.comparison.census import Census, in_ulps, many
from reflosses.comparison.formats import FORMATS, shortest
from reflosses.comparison.result import DEVIATIONS_SHOWN, Comparison, title
from reflosses.frameworks.coverage import KINDS, Coverage
from reflosses.frameworks.function import frameworks
from reflosses.reporting.explain import letter_of
from reflosses.reporting.known_deviations import Found, KnownDeviation
from reflosses.reporting.rows import FUNCTIONS, LOSSES, ON_REAL_DATA, Leg, Measured, Report, ReportRow
from reflosses.reporting.told import STANDINGS, headline, outcome, standing
from reflosses.reporting.widths import broken_name, folded_code

if TYPE_CHECKING:
    from rich.console import Console

STYLE = {"right": "green", "off": "yellow", "wrong": "red", "missing": "dim"}  # of each kind of row
SNIPPETS = 6  # a terminal shows so many
LEAST_OF_A_NAME = 16  # columns of a terminal
SHORT = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16"}
MARKS = {  # of each verdict, in the map of regimes
    "right": "·",
    "inaccurate": "~",
    "capped": "c",
    "spurious zero": "0",
    "dead gradient": "d",
    "overflow": "o",
    "spurious inf/NaN": "N",
    "other convention": "≠",
    "accepts invalid input": "a",
    "rows interact": "r",
    "changes its input": "w",
    "crash": "!",
    "": " ",
}


HOLDS = ("nothing", "formula", "digits", "range")  # the last level that holds, for each of STANDINGS
HOLDS_NOTE = "holds, each with those before it: formula, it is the loss; digits, it keeps them; range, to its ends"


class Header(NamedTuple):
    """The head of a column, and the side to which its cells are aligned; code: spaces count in its cells."""

    text: str
    side: Literal["left", "right"] = "left"
    code: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a table; a heading stands above the lines of its group."""

    cells: tuple[str, ...]
    style: str = ""
    heading: bool = False


@dataclass
class Table:
    """A table in print. first: sentences below the title. snippets: pairs of a title and lines to paste."""

    title: str
    columns: tuple[Header, ...]
    first: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    snippets: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


# ---- the legs --------------------------------------------------------------------------------------------------------


def tables(report: Report) -> list[Table]:
    """One table for each leg."""
    build = {LOSSES: _losses, FUNCTIONS: _functions, ON_REAL_DATA: _real_data}
    return [build[leg.name](leg) for leg in report.legs]


def _losses(leg: Leg) -> Table:
    numbers = [Header(name, "right") for name in ("points", "value", "gradient", "curvature", "fprime")]
    table = Table(
        "1. Our losses against their certified truth, and against finite differences",
        (Header("loss"), *numbers, Header("verdict")),
    )
    for row in leg.rows:
        errors = (_of_bound(measured) for measured in (row.value, row.grad, row.curvature))
        found = (*errors, "" if row.differences is None else f"{row.differences:.2g}")
        table.lines.append(Line((row.name, str(row.points or ""), *found, _verdict(table, row)), STYLE[row.kind]))
    table.notes += _notes(leg) + leg.missing
    if table.lines:
        table.notes.append(
            "value, gradient, curvature: the largest error, of so many promised, in units in the last place; "
            "fprime: the largest difference from approx_fprime, divided by the allowed one."
        )
    return table


def _functions(leg: Leg) -> Table:
    """One line for each function and dtype; each regime has a mark of the value and a mark of the gradient."""
    asked = {r.regime for row in leg.rows if row.result for r in row.result.rows}
    regimes = [r for r in REGIMES if r in asked]
    table = Table(
        "2. Functions of other frameworks against the certified truth, in adversarial regimes",
        (
            *(Header("function"), Header("dtype"), *(Header(letter_of(r), code=True) for r in regimes)),
            *(Header("holds"), Header("verdict")),
        ),
    )
    framework, before = "", ""
    told: set[tuple[str, str]] = set()
    known = {f.name: f for f in frameworks()}
    for row in leg.rows:
        if row.framework != framework:
            framework = row.framework
            version = framework in known and known[framework].version
            table.lines.append(_heading(table, f"{framework} {version or ''}"))
        name = row.result.name if row.result else row.name
        shown, before = ("" if name == before else name.removeprefix(f"{framework}.")), name
        marks = marks_of(row.result, regimes) if row.result else [""] * len(regimes)
        held = HOLDS[STANDINGS.index(standing(row.result))] if row.result else ""
        table.lines.append(Line((shown, SHORT.get(row.dtype, row.dtype), *marks, held, row.verdict), STYLE[row.kind]))
        if row.result is not None and row.kind == "wrong" and (name, row.verdict) not in told:
            told.add((name, row.verdict))  # other dtypes are wrong in the same way
            worst = row.result.worst[0]
            table.snippets.append((f"{name}, {row.dtype}: {worst}", row.result.script(worst)))
    table.notes += [*_diagnoses(leg), *_notes(leg)]
    if table.lines:
        table.notes += legend(regimes)
        table.notes.append(HOLDS_NOTE)
        covered = [f for f in known.values() if f.name in {row.framework for row in leg.rows}]
        table.notes += [f"not covered of {f.name}: {', '.join(f.not_covered)}" for f in covered if f.not_covered]
        table.notes.append("what each function equals, and why others are not covered: reflosses explain NAME")
    table.notes += leg.missing
    return table


def table_of_coverage(found: list[Coverage], missing: list[str]) -> Table:
    """One line for each framework, and their sum: how many losses there are, and of which kind."""
    counts = (Header(text, "right") for text in ("losses", *KINDS))
    table = Table("Losses of frameworks, and which of them have a row", (Header("framework"), *counts))
    for one in found:
        style = STYLE["right" if one.complete else "wrong"]
        table.lines.append(Line((f"{one.framework} {one.version}", *map(str, one.counts)), style))
        table.notes += [f"{one.framework} was not read: {one.error}"] if one.error else []
        table.notes += [f"without a row: {name}" for name in one.losses[KINDS[1]]]
        table.notes += [f"on no list: {name}" for name in one.losses[KINDS[3]]]
    total = (str(sum(column)) for column in zip(*(one.counts for one in found), strict=True))
    table.lines += [Line(("all", *total))] if len(found) > 1 else []
    table.notes += [
        *missing,
        "mapped: it equals a loss of ours, for special parameters at least; without a row: so it does, but no row says "
        "it; not ours: it needs another loss; unlisted: nobody has looked at it. The reasons: reflosses explain NAME",
    ]
    return table


def marks_of(result: Comparison, regimes: Iterable[str] = tuple(REGIMES)) -> list[str]:
    """For each regime, a mark of the value and a mark of the gradient; "" where nothing was asked."""
    asked = {row.regime: MARKS[row.value.verdict] + MARKS[row.gradient.verdict] for row in result.rows}
    return [asked.get(regime, "") for regime in regimes]


def legend(regimes: Iterable[str]) -> list[str]:
    """What the letters and the marks mean."""
    marks = ", ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items() if verdict)
    letters = "; ".join(f"{letter_of(r)} {REGIMES[r]}" for r in regimes)
    return [f"regimes: {letters}", f"marks, of the value and of the gradient: {marks}"] if letters else []


def _diagnoses(leg: Leg) -> list[str]:
    """Each diagnosis once, behind the names of its functions."""
    names: dict[str, dict[str, None]] = {}
    for row in leg.rows:
        if row.result is not None and row.kind != "right" and row.result.diagnosis:
            names.setdefault(row.result.diagnosis, {})[row.result.name] = None
    return [f"{', '.join(functions)}: {diagnosis}" for diagnosis, functions in names.items()]


def _notes(leg: Leg) -> list[str]:
    """Each note once, behind the name of its function."""
    return list(dict.fromkeys(f"{row.name}: {row.note}" for row in leg.rows if row.note))


def _real_data(leg: Leg) -> Table:
    table = Table(
        "3. Predictions of scikit-learn's models on its data sets: its metrics against ours",
        (Header("ours"), Header("theirs"), Header("verdict"), Header("certified")),
    )
    data = ""
    for row in leg.rows:
        if row.data != data:
            data = row.data
            table.lines.append(_heading(table, f"{data} ({row.points})"))
        own = [in_ulp(error) for error in (row.own_value, row.own_grad) if error is not None]
        cells = (row.equals, row.name.removeprefix("sklearn."), _verdict(table, row), ", ".join(own))
        table.lines.append(Line(cells, STYLE[row.kind]))
    table.notes += _notes(leg) + leg.missing
    if table.lines:
        table.notes.append(
            "verdict: theirs against ours; certified: ours against the truth, on a sample "
            "(worst errors of value and gradient, in units in the last place)."
        )
    return table


def _heading(table: Table, text: str) -> Line:
    return Line((text, *[""] * (len(table.columns) - 1)), "bold", heading=True)


def _verdict(table: Table, row: ReportRow) -> str:
    """The verdict, with the numbers of the snippets that show it; equal snippets are one."""
    numbers = []
    for line in row.lines:
        codes = [code for _, code in table.snippets]
        if line not in codes:
            codes.append(line)
            table.snippets.append((f"[{len(codes)}] {row.name}, {row.data or row.dtype}", line))
        numbers.append(str(codes.index(line) + 1))
    return f"{row.verdict} [{', '.join(numbers)}]" if numbers else row.verdict


def in_ulp(error: float) -> str:
    """An error in ulps, with two digits."""
    return "∞" if isinf(error) else "0" if error == 0 else f"{error:.2g}" if error >= 0.1 else f"{max(error, 0.01):.2f}"


def _of_bound(m: Measured | None) -> str:
    return "" if m is None else f"{in_ulp(m.worst)} of {m.bound:g}"


# ---- one candidate, and the end of a report --------------------------------------------------------------------------


def table_of(result: Comparison) -> Table:
    """The table of one candidate."""
    table = Table(
        f"{result.name} against {result.loss}, {result.dtype}: {outcome(result)}",
        (Header("regime"), Header("points", "right"), Header("value"), Header("gradient")),
    )
    for row in result.rows:
        points = str(max(row.value.points, row.gradient.points))
        style = ("yellow" if result.ok else "red") if row.value.wrong or row.gradient.wrong else "green"
        table.lines.append(Line((title(row.regime), points, str(row.value), str(row.gradient)), style))
    table.snippets += [(str(d), result.script(d)) for d in result.worst]
    table.first = headline(result)
    table.notes += result.notes
    return table


def tables_of_census(census: Census) -> list[Table]:
    """The counts of every number, and the runs of wrong ones."""
    form = FORMATS[census.dtype]
    heads = ("numbers", "right", "correctly rounded", "largest error (ulp)")
    counts = Table(
        census.headline(), (Header("target"), Header(""), *(Header(h, "right") for h in heads), Header("at"))
    )
    runs = Table(
        "Where it is wrong",
        (*map(Header, ("target", "", "verdict", "from", "to")), Header("numbers", "right"), Header("level")),
    )
    for target in census.targets:
        for what, c in target.columns():
            at = ("", "") if c.worst is None else (in_ulps(c.worst.ulp), shortest(form, c.worst.number))
            cells = (target.name, what, f"{c.asked:,}", f"{c.right:,}", f"{c.correctly_rounded:,}", *at)
            counts.lines.append(Line(cells, "green" if c.ok else "red"))
            for run in c.runs:
                ends = shortest(form, run.first), shortest(form, run.last)
                runs.lines.append(Line((target.name, what, run.verdict, *ends, many(run.count), run.level), ""))
    counts.first = [census.summary()]
    counts.notes = [*census.notes, *census.found.notes]
    counts.snippets = [(str(d), census.found.script(d)) for d in census.found.worst[:DEVIATIONS_SHOWN]]
    return [counts, runs] if runs.lines else [counts]


def summary(report: Report) -> str:
    """The last line of a report: whether our certification holds, and how the others did."""
    rows = [row for leg in report.legs for row in leg.rows]
    held = [row.holds for row in rows if row.holds is not None]
    ours = f"Our own certification {'holds' if report.ok else 'does not hold'}: {sum(held)} of {len(held)} rows."
    counts = "; ".join(filter(None, (_counts(leg) for leg in report.legs if leg.name != LOSSES)))
    took = sum(leg.seconds for leg in report.legs)
    text = f"{ours if held else 'Nothing of ours was certified.'} Other implementations: {counts or 'none checked'}."
    text += f" {took:.0f} s, seed {report.wanted.seed}, {report.wanted.points} points a loss of ours."
    if report.unlisted is not None and report.vanished is not None:
        text += f" {compared(report.unlisted, report.vanished)}"
    return text + (" Interrupted: only what was done so far." if report.interrupted else "")


def _counts(leg: Leg) -> str:
    """How many rows of a leg are counted as what."""
    words = [_word(row) for row in leg.rows]
    counts = ", ".join(f"{words.count(word)} {word}" for word in (*STYLE, *STANDINGS) if word in words)
    return f"on real data {counts}" if counts and leg.name == ON_REAL_DATA else counts


def _word(row: ReportRow) -> str:
    """What the summary counts a row as: where a function stands, or else its kind."""
    return standing(row.result) if row.result is not None and row.kind != "missing" else row.kind


def compared(unlisted: list[Found], vanished: list[KnownDeviation]) -> str:
    """How many deviations differ from the list."""
    return f"Against the list: {len(unlisted)} unlisted deviations, {len(vanished)} vanished."


def differences(unlisted: list[Found] | None, vanished: list[KnownDeviation] | None) -> list[str]:
    """A line for each deviation that differs from the list; no lines without a list."""
    return [f"unlisted: {x}" for x in unlisted or []] + [f"vanished: {x}" for x in vanished or []]


# ---- in print --------------------------------------------------------------------------------------------------------


def to_markdown(tables: Iterable[Table]) -> str:
    """The tables in Markdown."""
    out = []
    for table in tables:
        out += [f"## {table.title}", "", *(f"{sentence}\n" for sentence in table.first)]
        if table.lines:
            out.append(_markdown_row([c.text for c in table.columns]))
            out.append(_markdown_row([{"left": ":--", "right": "--:"}[c.side] for c in table.columns]))
            for line in table.lines:
                cells = zip(line.cells, table.columns, strict=True)
                first, *rest = (f"`{x}`" if column.code and x.strip() else x for x, column in cells)
                out.append(_markdown_row([f"**{first}**" if line.heading else first, *rest]))
            out.append("")
        if table.snippets:
            out += ["Lines to paste into Python:", "", "```python"]
            out += ["\n\n".join(f"# {heading}\n{line}" for heading, line in table.snippets), "```", ""]
        out += [f"- {note}" for note in table.notes] + [""]
    return "\n".join(out).rstrip() + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def _room(table: Table, width: int, gap: int) -> int:
    """The columns that a terminal of this width leaves to the first cell of a line, with a gap behind each cell."""
    others = [[c.text, *(line.cells[k] for line in table.lines)] for k, c in enumerate(table.columns)][1:]
    return max(width - 2 - sum(max(map(len, cells)) + gap for cells in others), LEAST_OF_A_NAME)


def print_tables(tables: Iterable[Table], console: Console) -> None:
    """The tables on a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Grid
    from rich.text import Text

    for table in tables:
        console.print(Text(table.title, style="bold"))
        for sentence in table.first:
            console.print(Text(sentence))
        if table.lines:
            narrow = any(column.code for column in table.columns)  # a map of regimes needs no space between columns
            drawn = Grid(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0 if narrow else 1, 0, 0))
            for column in table.columns:
                fixed = column.code or column.text == "dtype"
                drawn.add_column(column.text, justify=column.side, no_wrap=fixed, overflow="fold")
            verdicts = [c for c in table.columns if c.text == "verdict"] or table.columns
            named = table.columns[-1].text == "verdict"  # the first cells are names, without spaces to break them at
            room = _room(table, console.width, 1 if narrow else 2)
            for line in table.lines:
                if line.heading:
                    drawn.add_section()
                styles = [line.style if line.heading or c in verdicts else "" for c in table.columns]
                first = broken_name(line.cells[0], room) if named and not line.heading else line.cells[0]
                drawn.add_row(*map(Text, (first, *line.cells[1:]), styles))
            console.print(drawn)
        for heading, snippet in table.snippets[:SNIPPETS]:
            console.print(Text(heading, style="dim"))
            console.print(Text(f"{folded_code(snippet, console.width)}\n"), soft_wrap=True)
        if len(table.snippets) > SNIPPETS:
            more = f"{len(table.snippets) - SNIPPETS} more to paste: --format markdown\n"
            console.print(Text(more, style="dim"))
        notes = Grid.grid(padding=(0, 1))
        for note in table.notes:
            notes.add_row("·", Text(note, style="dim"))
        if table.notes:
            console.print(notes, "")
