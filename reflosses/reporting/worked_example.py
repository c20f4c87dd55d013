"""What `reflosses show NAME y=… yhat=…` prints: the page of a loss as a worked example, from top to bottom.

Each step has three lines: the formula of the page, the same with numbers, and what comes out. At the end the value, the
gradient and the curvature stand side by side as several ways give them: the equations of the page as they stand, in 16
digits; the page in 120 digits; the library; the proof; a difference quotient.
"""

from __future__ import annotations

import ast
import decimal
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import scipy

from reflosses import catalogue
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.reporting.asked import read_parameters, shortened
from reflosses.reporting.formula_text import condition_text, formula_text, number_text, value_text, with_numbers
from reflosses.teaching.arithmetic import CONTEXT, Array
from reflosses.teaching.evaluate import UndefinedError
from reflosses.teaching.lesson import Lesson, Numbers, lesson_for
from reflosses.teaching.steps import Step, StepLine, WorkedExample, is_derivative, letters_in, worked_example
from reflosses.teaching.tree import Clause, Condition, Name, NotReadError, Numeral, Term
from reflosses.truth.proof import certify

WIDTH = 80
MOST = 8  # predictions of a worked example; more are not read by anybody
LARGE, SMALL = 1e15, 1e-15  # the difference quotients of a page need numbers between these, or 0
STEP = 6e-6  # of a difference quotient in float64: truncation and rounding have the same size
LEAST = 1e4  # floats that such a step must have; fewer leave it no four digits
OFF = 1e-13  # a relative error that is told
LOST = Decimal("1e-28")  # a smaller number may be what a step of 1e-30 is off by; and 1 + e^−300 is 1 in 120 digits
QUOTIENT = 40  # digits of a difference quotient of the page that are right
TOO_FEW = "   120 digits are too few here"
GUTTER = 6  # columns for the number of an equation
NEEDS_FLINT = "pip install 'reflosses[truth]'"
KINDS = {"value": "value", "grad": "gradient", "curvature": "curvature"}


@dataclass(frozen=True)
class Inputs:
    """A loss, and the target and the prediction that it is shown at."""

    loss: Loss
    y: Floats
    yhat: Floats

    @property
    def each(self) -> Loss:
        """The loss without its reduction."""
        return replace(self.loss, reduction="none")


# ---- what the user gives -----------------------------------------------------------------------------------------


def inputs_of(name: str, words: Sequence[str]) -> Inputs:
    """The loss and the numbers that words such as "y=1,0", "yhat=0.9,0.2" and "delta=2" give.

    ValueError or TypeError, with a text for the user: an unknown loss, parameter or word; a text that is no number; a
    number outside the domain; shapes that do not fit; more than eight predictions; numbers that a page cannot show.
    """
    cls = catalogue.find_loss(name)
    arrays: dict[str, Floats] = {}
    parameters = []
    for word in words:
        key, _, value = word.partition("=")
        if key in ("y", "yhat"):
            if key in arrays:
                raise ValueError(f"{key} is given twice")
            arrays[key] = _numbers(key, value)
        else:
            parameters.append(word)
    given = read_parameters(parameters)
    loss = catalogue.build(name, given, "; the numbers are y=… and yhat=…")
    for key, what in (("y", "the target"), ("yhat", "the prediction")):
        if key not in arrays:
            raise ValueError(f"{key}, {what}, is missing: reflosses show {name} {_example(cls)}")
    y, yhat = arrays["y"], arrays["yhat"]
    loss.value_and_grad(y, yhat)  # raises for what is outside the domain, and for shapes that do not fit
    for key, a in arrays.items():
        if bad := [x for x in a.ravel().tolist() if not (x == 0 or SMALL <= abs(x) <= LARGE)]:
            takes = f"a worked example takes 0 and numbers from {SMALL:g} to {LARGE:g}"
            raise ValueError(f"{key} holds {bad[0]:g}; {takes}")
    ignored = getattr(loss, "ignore_index", None)
    if ignored is not None and (y == ignored).any():
        raise ValueError(f"y holds {ignored}, which is ignored: there is nothing to show")
    with decimal.localcontext(CONTEXT):
        list(lesson_for(loss, yhat).numbers(y, yhat))  # raises if the page is about another shape
    return Inputs(loss, y, yhat)


def _numbers(key: str, text: str) -> Floats:
    """Numbers with commas between them, rows with semicolons between them, or a list as in Python."""
    if len(text) > 40 * MOST:
        raise ValueError(f"{key} has {len(text)} characters; a worked example takes at most {MOST} predictions")
    try:
        if text.lstrip().startswith(("[", "(")):
            found = np.array(ast.literal_eval(text), dtype=np.float64)
        else:
            rows = [[float(word) for word in row.split(",")] for row in text.split(";")]
            found = np.array(rows if len(rows) > 1 else rows[0] if "," in text else rows[0][0])
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise ValueError(f"{key}={shortened(text)!r}: no numbers; write {key}=0.9 or {key}=0.9,0.2") from None
    if not found.size:
        raise ValueError(f"{key} has no numbers")
    if found.size > MOST:
        raise ValueError(f"{key} has {found.size} numbers; a worked example takes at most {MOST}")
    return found


def _example(cls: type[Loss]) -> str:
    """Numbers that this loss takes."""
    special = {
        "Hinge": "y=1 yhat=0.3",
        "CrossEntropy": "y=1 yhat=0.5,2,-1",
        "NegativeLogLikelihood": "y=1 yhat=-2.1,-0.3,-1.9",
        "SparseCategoricalCrossEntropy": "y=1 yhat=0.2,0.7,0.1",
        "Dice": "y=1,0,1 yhat=0.75,0.25,0.5",
        "IoU": "y=1,0,1 yhat=0.75,0.25,0.5",
        "GeneralizedDice": "y='1,0;0,1;1,0' yhat='0.8,0.2;0.3,0.7;0.6,0.4'",
        "WeightedCrossEntropy": "y=1,0 yhat=0.5,0.25",
    }
    return special.get(cls.__name__, "y=1 yhat=0.3")


# ---- the text ----------------------------------------------------------------------------------------------------


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
        out += _Results(inputs, lesson, example, places, width).lines()
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
            label = f"{_index(self.places[n])}  " if len(self.units) > 1 else ""
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
        parts = [_index(self.places[row.unit])] if len(self.units) > 1 else []
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
            return number_text(value) if isinstance(value, Decimal) else None

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


def _index(place: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, place))}]"


def _plain(value: Any) -> Any:
    """A vector of one entry as a number."""
    return next(iter(value.cells.values())) if isinstance(value, Array) and len(value.cells) == 1 else value


# ---- the results -------------------------------------------------------------------------------------------------


class _Results:
    """Value, gradient and curvature, each in several ways."""

    def __init__(self, inputs: Inputs, lesson: Lesson, example: WorkedExample, places: Sequence[Any], width: int):
        self.inputs, self.lesson, self.example, self.width = inputs, lesson, example, width
        self.places = places
        self.loss = inputs.each
        self.name = type(inputs.loss).__name__
        self.notes: list[str] = []
        low, high = self.loss.subgradient(inputs.y, inputs.yhat)
        self.kinks = [bool(x) for x in self.in_order(np.asarray(low != high).astype(float), "grad")]
        self.holds_weight = getattr(self.loss, "weight_grad", "") == "stop" and self.loss.reads_all_predictions
        self.proof, self.no_proof = self.certified()

    def certified(self) -> tuple[dict[str, Floats], str]:
        """The certified numbers, or why there are none."""
        try:
            found = certify(self.loss, self.inputs.y, self.inputs.yhat, curvature=True)
        except ImportError:
            return {}, NEEDS_FLINT
        except (ValueError, OSError) as error:
            return {}, shortened(str(error).rpartition(": ")[2])
        return dict(zip(KINDS, map(np.asarray, found), strict=True)), ""

    def lines(self) -> list[str]:
        loss, y, yhat = self.loss, self.inputs.y, self.inputs.yhat
        value, grad = loss.value_and_grad(y, yhat)
        ours = {"value": np.asarray(value), "grad": grad, "curvature": loss.curvature(y, yhat)}
        out = ["The same in several ways", ""]
        for kind, title in KINDS.items():
            ways = list(self.ways(kind, ours[kind]))
            prediction = formula_text(Name(self.lesson.prediction.letter))
            out += [f"{title}{'' if kind == 'value' else f' by {prediction}'}", *self.table(kind, ways), ""]
        for note in dict.fromkeys(self.notes):
            out += textwrap.wrap(note, self.width)
        out += textwrap.wrap(
            "16 digits: the equation as it stands, each operation rounded to 16 digits, nearly as in float64. "
            "120 digits: derivatives are difference quotients of the definition there, with a step of 1e-30.",
            self.width,
        )
        return out + self.reduced()

    def reduced(self) -> list[str]:
        """The one number that a reduction makes of several losses."""
        loss = self.inputs.loss
        if loss.reduction == "none" or np.size(self.loss.value(self.inputs.y, self.inputs.yhat)) < 2:
            return []
        value, grad = loss.value_and_grad(self.inputs.y, self.inputs.yhat)
        numbers = ", ".join(f"{x:.6g}" for x in grad.ravel())
        out = ["", f'The losses as one number, with reduction="{loss.reduction}"', f"  value     {value!r}"]
        return [*out, *textwrap.wrap(numbers, self.width, initial_indent="  gradient  ", subsequent_indent=" " * 12)]

    def known(self, kind: str, count: int) -> list[Decimal | None]:
        """What the ways are held to: certified numbers, or those of the page that 120 digits are enough for."""
        if kind in self.proof:
            found: list[Decimal | None] = [Decimal(x) for x in self.in_order(self.proof[kind], kind)]
        else:
            of_page = self.example.exact.get(kind) or [None] * count
            found = [None if x is None or abs(x) < LOST else x for x in of_page]
        return found if kind == "value" else [None if at else x for at, x in zip(self.kinks, found, strict=True)]

    def ways(self, kind: str, ours: Floats) -> Iterator[tuple[str, list[str], list[float | None]]]:
        """Each way with its numbers as text and as floats, in the order of the page."""
        exact = self.example.exact.get(kind)
        for tag, numbers in self.example.naive.get(kind, {}).items():
            label = f"({tag}) in 16 digits" if tag else "definition in 16 digits"
            yield label, [_digits(x, 16) for x in numbers], [None if x is None else float(x) for x in numbers]
        if exact is not None:
            texts = [_digits(x, 20) for x in exact]
            known = self.known(kind, len(exact))
            texts = [text + TOO_FEW * _is_lost(x, k) for text, x, k in zip(texts, exact, known, strict=True)]
            if kind != "value":
                texts = ["a kink" if kink else text for kink, text in zip(self.kinks, texts, strict=True)]
            yield "page in 120 digits", texts, [None] * len(exact)
        flat = self.in_order(ours, kind)
        yield f"{self.name}.{kind}", [repr(x) for x in flat], list(flat)
        if kind in self.proof:
            flat = self.in_order(self.proof[kind], kind)
            yield "certified", [repr(x) for x in flat], [None] * len(flat)
        else:
            yield "certified", [self.no_proof] * len(flat), [None] * len(flat)
        if kind != "value":
            quotients = self.quotients(kind)
            yield "difference quotient", [*quotients], [None] * len(quotients)

    def in_order(self, numbers: Floats, kind: str) -> list[float]:
        """Our numbers in the order of the page: classes first."""
        turned = len(self.lesson.indices) == 2 and getattr(self.loss, "axis", 0) in (1, -1) and kind != "value"
        flat: list[float] = (numbers.T if turned else numbers).ravel().tolist()
        return flat

    def quotients(self, kind: str) -> list[str]:
        """Central difference quotients of our value, or of our gradient, by SciPy's approx_fprime with +h and −h."""
        loss, y, yhat = self.loss, self.inputs.y, self.inputs.yhat
        if self.holds_weight:
            self.notes.append('weight_grad="stop" holds w constant; a difference quotient would not.')
            return ["w is held constant"] * yhat.size
        low, high = loss.subgradient(y, yhat)
        found = []
        for place in np.ndindex(yhat.shape):
            x = float(yhat[place])
            room = min(x, 1 - x) if loss.domain.yhat.high == 1 else max(1.0, abs(x))
            h = STEP * room
            if low[place] != high[place]:
                found.append(f"{float(low[place])!r} and {float(high[place])!r}" if kind == "grad" else "a kink")
                self.notes.append("At a kink there are two one-sided derivatives, and no second derivative.")
                continue
            if not room > 0:
                found.append("end of the domain")
                continue
            if h < LEAST * np.spacing(x):
                found.append("too near the end")
                continue

            def along(moved: Floats, place: tuple[int, ...] = place) -> float:
                changed = yhat.copy()
                changed[place] = moved[0]
                if kind == "grad":
                    value = loss.value(y, changed)
                    own = np.ndim(value) == np.ndim(yhat) and not loss.reads_all_predictions
                    return float(value[place] if own else np.sum(value))
                return float(loss.grad(y, changed)[place])

            with np.errstate(all="ignore"):  # ∞ − ∞
                quotient = sum(scipy.optimize.approx_fprime([x], along, step)[0] for step in (h, -h)) / 2
            found.append("no value" if np.isnan(quotient) else f"{quotient:.9g}")
        order = np.arange(yhat.size).reshape(yhat.shape).astype(float)
        return [found[int(n)] for n in self.in_order(order, kind)]

    # ---- as a table

    def table(self, kind: str, ways: list[tuple[str, list[str], list[float | None]]]) -> list[str]:
        """One number: a line for each way. Several: a line for each, a column for each way."""
        exact = self.known(kind, len(ways[0][1]))
        if len(ways[0][1]) == 1:
            wide = max(len(label) for label, _, _ in ways)
            out = []
            for label, texts, floats in ways:
                gap = " " * (not texts[0].startswith("-"))
                line = f"  {label.ljust(wide)}  {gap}{texts[0]}"
                out.append(f"{line}{_off(floats[0], exact[0])}")
            return out
        labels = [f"  {label}  " for label in self.entries(len(ways[0][1]))]
        column = max(map(len, labels))
        columns = []
        for label, texts, floats in ways:
            cells = [" " * (not text.startswith("-")) + text for text in texts]
            cells = [cell + _off(x, known) for cell, x, known in zip(cells, floats, exact, strict=True)]
            wide = max(len(label) + 1, *map(len, cells))
            columns.append([f" {label}".ljust(wide), *(cell.ljust(wide) for cell in cells)])
        out = []
        while columns:
            taken = 1
            while taken < len(columns) and column + sum(len(c[0]) + 1 for c in columns[: taken + 1]) <= self.width:
                taken += 1
            out += [""] if out else []
            for n, label in enumerate(["", *labels]):
                out.append(label.ljust(column) + " ".join(cells[n] for cells in columns[:taken]))
            columns = columns[taken:]
        return out

    def entries(self, count: int) -> Iterator[str]:
        """A name for each number: the place of its loss, and the indices of its entry."""
        several = len(self.places) > 1
        if not self.lesson.indices or count == len(self.places):
            yield from (_index(place) for place in self.places)
            return
        names = self.lesson.indices
        for place in self.places:
            for indices in self.lesson.assignments(Name("x", tuple(map(Name, names)))):
                parts = [_index(place)] if several else []
                yield ", ".join([*parts, *(f"{name} = {indices[name]}" for name in names)])


def _rounded(value: Any) -> Any:
    """Numbers made of difference quotients, without the digits that are wrong."""
    if isinstance(value, Array):
        return value.each(_rounded)
    return decimal.Context(prec=QUOTIENT, Emin=-999999, Emax=999999).plus(value)


def _is_lost(of_page: Decimal | None, exact: Decimal | None) -> bool:
    """Whether a number of the page is wrong: 120 digits and a step of 1e-30 have lost it."""
    if of_page is None or exact is None or (exact == 0 and abs(of_page) < LOST):
        return False
    return bool(_off(float(of_page), exact))


def _digits(x: Decimal | None, digits: int) -> str:
    """A number in so many digits, written as Python writes a float."""
    if x is None:
        return "no value"
    if not x.is_finite():
        return "nan" if x.is_nan() else "inf" if x > 0 else "-inf"
    x = decimal.Context(prec=digits, Emin=-999999, Emax=999999).plus(x).normalize()
    return f"{x:f}" if x == 0 or -5 < x.adjusted() < 16 else f"{x:e}".replace("E", "e")


def _off(found: float | None, exact: Decimal | None) -> str:
    """How far a number is from the exact one, if one can see it."""
    if found is None or exact is None or exact.is_nan() or found == float(exact):
        return ""
    if not (np.isfinite(found) and exact.is_finite() and exact):
        return "   no digit is right"
    error = abs(float((Decimal(found) - exact) / exact))
    return "" if error < OFF else f"   off by {error:.0e} of it" if error < 0.5 else "   no digit is right"
