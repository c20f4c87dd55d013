"""What `reflosses show NAME y=… yhat=…` prints: the page of a loss as a worked example, from top to bottom.

Each step has three lines: the formula of the page, the same with numbers, and what comes out. At the end several ways
give the value, the gradient and the curvature (`several_ways`).
"""

from __future__ import annotations

import decimal
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from reflosses import catalogue
from reflosses.reporting.example_inputs import Inputs
from reflosses.reporting.formula_text import condition_text, formula_text, number_text, value_text, with_numbers
from reflosses.reporting.several_ways import SeveralWays, place_text
from reflosses.teaching.arithmetic import CONTEXT, Array
from reflosses.teaching.evaluate import UndefinedError
from reflosses.teaching.lesson import Lesson, Numbers, lesson_for
from reflosses.teaching.steps import Step, StepLine, is_derivative, letters_in, worked_example
from reflosses.teaching.tree import Clause, Condition, Name, NotReadError, Numeral, Term

WIDTH = 80
QUOTIENT = 40  # digits of a difference quotient of the page that are right
GUTTER = 6  # columns for the number of an equation


def worked_text(inputs: Inputs, width: int | None = None) -> str:
    """The worked example as text."""
    width = min(width or WIDTH, 2 * WIDTH)
    lesson = lesson_for(inputs.each, inputs.yhat)
    with decimal.localcontext(CONTEXT):
        places, units = zip(*lesson.numbers(inputs.y, inputs.yhat), strict=True)
    example = worked_example(lesson, units)
    with decimal.localcontext(CONTEXT):
        writer = _Steps(lesson, places, units, width)
        used = {letter for step in example.steps for c in step.clauses for letter in letters_in((c.chain, c.condition))}
        out = [*textwrap.wrap(str(inputs.loss), width), "", *writer.head(used)]
        if len(lesson.indices) == 2 and getattr(inputs.loss, "axis", 0) in (1, -1):
            out += textwrap.wrap("A row is a class, as on the page. In what you gave a class is a column.", width)
        out += ["", "Step by step", ""]
        for step in example.steps:
            out += [*writer.step(step), ""]
        out += SeveralWays(inputs, lesson, example, places, width).lines()
    page = f"derivations/{catalogue.stem(type(inputs.loss))}.md"
    out += ["", *textwrap.wrap(f"Numbers in brackets are those of the page, {page}:", width)]
    out += [f"  reflosses show {type(inputs.loss).__name__}"]
    return "\n".join(line.rstrip() for line in out)


class _Steps:
    """The lines of each step."""

    def __init__(self, lesson: Lesson, places: Sequence[tuple[int, ...]], units: Sequence[Numbers], width: int):
        self.lesson, self.places, self.units, self.width = lesson, places, units, width

    def head(self, used: set[str]) -> list[str]:
        """The numbers that are given, by the letters of the page. used: the letters of the steps."""
        first, out = [self.lesson.target.letter, self.lesson.prediction.letter], []
        alike = {key for key, value in self.units[0].items() if all(unit.get(key) == value for unit in self.units)}
        common = [key for key in self.units[0] if key in used & alike - {*first}]
        for n, unit in enumerate(self.units):
            letters = [*first, *(key for key in unit if key in used - {*first, *common})]
            label = f"{place_text(self.places[n])}  " if len(self.units) > 1 else ""
            out += textwrap.wrap(label + ",  ".join(self.given(key, unit) for key in letters), self.width)
        if common:
            out += textwrap.wrap(",  ".join(self.given(key, self.units[0]) for key in common), self.width)
        return out

    def given(self, letter: str, unit: Numbers) -> str:
        value = unit[letter]
        text = str(value) if isinstance(value, int) else value_text(_plain(value))
        head, _, label = letter.partition("_")
        return f"{formula_text(Name(head, (), label))} = {text}"

    def step(self, step: Step) -> list[str]:
        """A formula, the same with numbers, and what comes out."""
        tag = f"({step.tag})".ljust(GUTTER) if step.tag else " " * GUTTER
        margin = " " * GUTTER
        out, column = formula_lines(step.clauses, self.width)
        out = [tag + out[0], *(margin + line for line in out[1:])]
        if len(step.rows) == 1 and len(self.units) == 1 and not step.rows[0].indices:
            row = step.rows[0]
            for text in (self.inserted(row), self.result(row)):
                line = f"{margin}{' ' * column}= {text}"
                if text and line not in out and not f" {out[-1].partition('   if ')[0].strip()}".endswith(f" = {text}"):
                    out += [line] if len(line) <= self.width else []
            return out
        labels = [self.label(row) for row in step.rows]
        wide = max(map(len, labels), default=0)
        long, short = [], []
        for row, label in zip(step.rows, labels, strict=True):
            inserted, result = self.inserted(row), self.result(row)
            start = f"{margin}  {label.ljust(wide)}  "
            long.append(f"{start}{inserted} = {result}" if inserted not in ("", result) else f"{start}{result}")
            short.append(f"{start}{result}")
        return out + (long if max(map(len, long), default=0) <= self.width else short)

    def label(self, row: StepLine) -> str:
        """Of which loss a line is, and of which entry."""
        parts = [place_text(self.places[row.unit])] if len(self.units) > 1 else []
        of_kind: dict[int, list[str]] = {}
        for name in sorted(row.indices, key=lambda name: (name not in self.lesson.indices, name)):
            of_kind.setdefault(self.lesson.original[name], []).append(name)
        parts += [" = ".join([*names, str(row.indices[names[0]])]) for names in of_kind.values()]
        return f"{', '.join(parts)}:" if parts else ""

    def result(self, row: StepLine) -> str:
        if row.value is None:
            return f"no value: {row.why}"
        return value_text(_plain(_rounded(row.value) if is_derivative(row.side) else row.value))

    def inserted(self, row: StepLine) -> str:
        """The formula with numbers in place of its letters, "" where that shows nothing."""
        if isinstance(row.side, (Name, Numeral)) and getattr(row.side, "arguments", None) is None:
            return ""

        def lookup(name: Term, indices: Mapping[str, int]) -> str | None:
            if isinstance(name, Name) and name.arguments is not None and not name.primes:
                return None
            try:
                value = row.point.value(name, dict(indices))
            except (NotReadError, UndefinedError, decimal.DecimalException):
                return None
            return number_text(value) if isinstance(value, decimal.Decimal) else None

        def case(condition: Condition, indices: Mapping[str, int]) -> bool:
            return row.point.holds(condition, dict(indices))

        try:
            return with_numbers(row.side, lookup, row.indices, self.lesson.ranges, case)
        except (NotReadError, UndefinedError, decimal.DecimalException):
            return ""


def formula_lines(clauses: tuple[Clause, ...], width: int) -> tuple[list[str], int]:
    """The equation of the page, with the column of its first "="."""
    head = formula_text(clauses[0].chain.sides[0])
    column = len(head) + 1
    if len(clauses) > 1:
        cases = [(formula_text(c.chain.sides[1]), condition_text(c.condition)) for c in clauses]
    elif len(clauses[0].chain.sides) == 2 and type(clauses[0].chain.sides[1]).__name__ == "Cases":
        rows: Any = clauses[0].chain.sides[1]
        cases = [(formula_text(body), condition_text(condition)) for body, condition in rows.rows]
    else:
        sides = [formula_text(side) for side in clauses[0].chain.sides[1:]]
        condition = condition_text(clauses[0].condition)
        where = f"   if {condition}".replace("if w constant", "with w held constant") if condition else ""
        whole = f"{head} = {' = '.join(sides)}{where}"
        if len(whole) + GUTTER <= width:
            return [whole], column
        first, *rest = sides
        lines = [f"{head} = {first}", *(f"{' ' * column}= {side}" for side in rest)]
        lines[-1] += where
        return [part for line in lines for part in _folded(line, width - GUTTER, column)], column
    wide = max(len(body) for body, _ in cases)
    first = f"{head} = "
    return [
        f"{first if n == 0 else ' ' * len(first)}{body.ljust(wide)}   if {condition}"
        for n, (body, condition) in enumerate(cases)
    ], column


def _folded(line: str, width: int, column: int) -> list[str]:
    """A long line, broken where a term of a sum ends."""
    if len(line) <= width:
        return [line]
    places = [n for sign in (" + ", " − ") for n in range(column + 4, width) if line.startswith(sign, n)]
    if not places:
        return [line]
    place = max(places)
    return [line[:place], *_folded(" " * (column + 4) + line[place + 1 :], width, column)]


def _plain(value: Any) -> Any:
    """A vector of one entry as a number."""
    return next(iter(value.cells.values())) if isinstance(value, Array) and len(value.cells) == 1 else value


def _rounded(value: Any) -> Any:
    """Numbers made of difference quotients, without the digits that are wrong."""
    if isinstance(value, Array):
        return value.each(_rounded)
    return decimal.Context(prec=QUOTIENT, Emin=-999999, Emax=999999).plus(value)
