"""A loss at given numbers, step by step: every equation of its page that leads from them to value and gradient.

A step is a numbered equation of the page, or a definition that it needs, with one row for each loss and each index. All
is worked out in 120 digits by the reader of the pages. An equation that does not hold with these letters, such as one
about a single true class where the target is a row, is left out.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from reflosses.teaching.arithmetic import CONTEXT, Array, Value, distance, size
from reflosses.teaching.evaluate import Definition, Indices, Point, UndefinedError
from reflosses.teaching.lesson import Equation, Lesson, Numbers
from reflosses.teaching.points import is_part
from reflosses.teaching.tree import (
    At,
    BigSum,
    Chain,
    Clause,
    Condition,
    Derivative,
    Limit,
    Nabla,
    Name,
    NotReadError,
    Term,
)

AGREE = Decimal("1e-15")  # sides of an equation; a difference quotient at a probability of 1e-15 has no more digits
NOTHING = Decimal("1e-25")  # where both sides are 0
NAIVE = decimal.Context(prec=16, Emin=-307, Emax=308, traps=[])  # a float64, nearly, but in decimal digits
FAILURES = (decimal.DecimalException, UndefinedError, ZeroDivisionError, OverflowError)


@dataclass(frozen=True)
class StepLine:
    """One line of a step: of which loss, for which indices, and what comes out.

    side: the formula that was evaluated. value is None where it has no value, and `why` says so.
    """

    unit: int
    indices: Indices
    point: Point
    side: Term
    value: Value | None
    why: str = ""


@dataclass(frozen=True)
class Step:
    """One equation, or one name with its definition in cases; `tag` is its number on the page."""

    tag: str
    clauses: tuple[Clause, ...]
    rows: tuple[StepLine, ...] = ()


@dataclass
class WorkedExample:
    """The steps, and what they end in: by "value", "grad" and "curvature", a number for each loss and each entry.

    exact: in 120 digits. naive: for each numbered equation that says what it is, the same in 16 digits.
    """

    steps: list[Step] = field(default_factory=list)
    exact: dict[str, list[Decimal | None]] = field(default_factory=dict)
    naive: dict[str, dict[str, list[Decimal | None]]] = field(default_factory=dict)


def worked_example(lesson: Lesson, units: Sequence[Numbers]) -> WorkedExample:
    """The page at these numbers; see `Lesson.numbers`."""
    with decimal.localcontext(CONTEXT):
        return _Worker(lesson, units).run()


class _Worker:
    def __init__(self, lesson: Lesson, units: Sequence[Numbers]):
        self.lesson = lesson
        self.units = units
        self.found = WorkedExample()
        self.shown: set[str] = set()

    def run(self) -> WorkedExample:
        for equation in filter(lambda equation: equation.tag, self.lesson.equations):
            for step in self.of_equation(equation):
                if step.clauses not in [known.clauses for known in self.found.steps]:
                    self.found.steps.append(step)
        without: set[int] = set()
        for kind, term in self.kinds():
            rows = self.rows(Clause(Chain((term,), ())), None)
            if kind == "value":  # where there is none, there is no slope, whatever a difference quotient says
                without = {row.unit for row in rows if row.value is None}
            self.found.exact[kind] = [None if row.unit in without else self.number(row) for row in rows]
            self.found.naive[kind] = self.in_few_digits(kind, term)
        return self.found

    def kinds(self) -> Iterator[tuple[str, Term]]:
        for kind in ("value", "grad", "curvature"):
            if (term := getattr(self.lesson, kind)) is not None:
                yield kind, term

    # ---- equations

    def of_equation(self, equation: Equation) -> Iterator[Step]:
        """The definitions that an equation needs, and the equation. Nothing if it cannot be evaluated here."""
        chain = equation.clause.chain
        if not chain.relations or set(chain.relations) != {"="} or _has(chain, (At, Limit)) or self.is_other(chain):
            return
        try:
            rows = self.rows(equation.clause, equation)
            if not rows or not all(map(self.holds, rows, [chain] * len(rows))):
                return
            before = list(self.needed(chain, equation))
        except NotReadError:
            return
        yield from before
        key = self.defines(chain, equation)
        if key and key in self.shown:
            return
        if key:
            self.shown.add(key)
            if len(chain.sides) == 2 or len(equation.definitions[key].rows) > 1:
                yield self.definition(key, equation.definitions[key])
                return
        yield Step(equation.tag, (equation.clause,), tuple(rows))

    def is_other(self, chain: Chain) -> bool:
        """Whether it is a derivative of the loss without its clamp, where ours has one."""
        head, ours = chain.sides[0], self.lesson.value
        if not (isinstance(head, Derivative) and isinstance(head.body, Name) and isinstance(ours, Name)):
            return False
        return ours.printed in self.lesson.labels and head.body.printed == ours.letter

    def defines(self, chain: Chain, equation: Equation) -> str:
        """The name that a chain defines, "" if it is no definition."""
        head = chain.sides[0]
        if isinstance(head, Name):
            for key in (head.printed, head.letter):
                definition = equation.definitions.get(key)
                if definition and any(body is chain.sides[1] for body, _ in definition.rows):
                    return key
        return ""

    def needed(self, part: object, equation: Equation) -> Iterator[Step]:
        """The definitions that a formula needs and that were not shown yet. A name comes after the names it needs."""
        for key in letters_in(part):
            definition = equation.definitions.get(key)
            if definition is None or key in self.shown or self.is_given(key, equation):
                continue
            chain = part if isinstance(part, Chain) else None
            if chain and key == self.defines(chain, equation):
                continue
            self.shown.add(key)
            bodies = [body for body, _ in self.applying(key, definition)]
            yield from self.needed(bodies, equation)
            yield self.definition(key, definition)

    def is_given(self, key: str, equation: Equation) -> bool:
        return any(key in self.lesson.point(unit, equation).given for unit in self.units)

    def applying(self, key: str, definition: Definition) -> list[tuple[Term, Condition]]:
        """The cases of a definition that some loss meets; all, if that cannot be told."""
        found = []
        for body, condition in definition.rows:
            try:
                met = any(
                    self.lesson.point(unit).holds(condition, indices)
                    for unit in self.units
                    for indices in self.lesson.assignments(body, condition)
                )
            except (NotReadError, *FAILURES):
                met = True
            if met:
                found.append((body, condition))
        return found or list(definition.rows)

    def definition(self, key: str, definition: Definition) -> Step:
        """A definition as a step; without rows if it is one of a function."""
        clauses = definition_clauses(key, definition, self.applying(key, definition))
        head = clauses[0].chain.sides[0]
        assert isinstance(head, Name)
        letter = head.letter
        rows: list[StepLine] = []
        for clause in clauses:
            try:
                rows += self.rows(Clause(Chain((clause.chain.sides[1],), ()), clause.condition), None, head)
            except NotReadError:
                rows = []
                break
        rows.sort(key=lambda row: row.unit)
        tags = self.lesson.tags
        tag = next((tags[letter, body] for body, _ in definition.rows if (letter, body) in tags), "")
        return Step(tag, clauses, tuple(rows))

    # ---- numbers

    def rows(self, clause: Clause, equation: Equation | None, head: Name | None = None) -> list[StepLine]:
        """The last side of a clause for each loss and index that meets its condition. NotReadError: it has no meaning.

        head: the name that it defines.
        """
        found = []
        side = clause.chain.sides[-1]
        for n, unit in enumerate(self.units):
            point = self.lesson.point(unit, equation)
            for indices in self.lesson.assignments(clause.chain, clause.condition, head):
                try:
                    if not point.holds(clause.condition, indices):
                        continue
                    here = point.where(_held(point, clause.condition, indices))
                    value, why = here.value(side, indices), ""
                except FAILURES as error:
                    value, why = None, _reason(error)
                found.append(StepLine(n, indices, point, side, value, why))
        return found

    def holds(self, row: StepLine, chain: Chain) -> bool:
        """Whether all sides have one value."""
        if row.value is None:
            return True
        held = next((e.clause.condition for e in self.lesson.equations if e.clause.chain is chain), Condition())
        here = row.point.where(_held(row.point, held, row.indices))
        for side in chain.sides[:-1]:
            try:
                value = here.value(side, row.indices)
            except FAILURES:
                continue
            except ValueError:
                return False
            try:
                if distance(value, row.value) > AGREE * size(row.value) + NOTHING:
                    return False
            except ValueError:
                return False
        return True

    def place(self, row: StepLine) -> tuple[int, frozenset[tuple[int, int]]]:
        """Which loss, and which of its entries; i and j are two letters for one thing on the diagonal."""
        return row.unit, frozenset((self.lesson.original[name], at) for name, at in row.indices.items())

    @staticmethod
    def number(row: StepLine) -> Decimal | None:
        """The value of a row as a number: of a vector of one entry too."""
        if isinstance(row.value, Array):
            return next(iter(row.value.cells.values()))
        return row.value

    def in_few_digits(self, kind: str, term: Term) -> dict[str, list[Decimal | None]]:
        """By its number, each equation for the value, the gradient or the curvature, evaluated in 16 digits."""
        places = [self.place(row) for row in self.rows(Clause(Chain((term,), ())), None)]
        found: dict[str, list[Decimal | None]] = {}
        for equation in filter(lambda equation: equation.tag, self.lesson.equations):
            chain = equation.clause.chain
            if not chain.relations or set(chain.relations) != {"="} or _signature(chain.sides[0]) != _signature(term):
                continue
            if any(isinstance(fact, Name) for facts in equation.clause.condition.alternatives for fact in facts):
                continue  # with a name held constant it is another derivative
            try:
                rows = self.rows(equation.clause, equation)
                if is_derivative(chain.sides[-1], equation.definitions) or not all(
                    map(self.holds, rows, [chain] * len(rows))
                ):
                    continue
            except NotReadError:
                continue
            with decimal.localcontext(NAIVE):
                rows = self.rows(equation.clause, equation)
            numbers = found.setdefault(equation.tag, [None] * len(places))
            for row in rows:
                if (here := self.place(row)) in places:
                    numbers[places.index(here)] = self.number(row)
        if kind == "value" and not found:
            with decimal.localcontext(NAIVE):
                found[""] = [self.number(row) for row in self.rows(Clause(Chain((term,), ())), None)]
        return {tag: numbers for tag, numbers in found.items() if any(x is not None for x in numbers)}


def definition_clauses(
    key: str, definition: Definition, cases: Sequence[tuple[Term, Condition]] = ()
) -> tuple[Clause, ...]:
    """A definition as it stands on the page, `name = body`, for all its cases or for some."""
    arguments = tuple(Name(a) for a in definition.arguments) or None
    letter, _, label = key.partition("_") if not definition.indices else (key, "", "")
    subscripts = tuple(Name(i) for i in definition.indices) or ((Name(label),) if label else ())
    head = Name(letter, subscripts, label or "".join(definition.indices), 0, arguments)
    return tuple(Clause(Chain((head, body), ("=",)), condition) for body, condition in cases or definition.rows)


def _held(point: Point, condition: Condition, indices: Indices) -> dict[str, Value | int]:
    """The names that a condition holds constant."""
    names = tuple(tuple(fact for fact in facts if isinstance(fact, Name)) for facts in condition.alternatives)
    return point.imposed(Condition(names), indices)


def _reason(error: Exception) -> str:
    """Why there is no value, in words."""
    if isinstance(error, UndefinedError):
        return "no case applies here"
    if isinstance(error, decimal.DivisionByZero):
        return "a division by 0"
    if isinstance(error, decimal.Overflow | OverflowError):
        return "too large a number"
    text = str(error)
    return text if "logarithm" in text else "0/0, 0·∞ or the like"


def _parts(part: object) -> tuple[object, ...]:
    if isinstance(part, (tuple, list)):
        return tuple(part)
    return tuple(vars(part).values()) if is_part(part) else ()


def _has(part: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(part, kinds) or any(_has(inner, kinds) for inner in _parts(part))


def letters_in(part: object) -> list[str]:
    """The letters of a formula in order, each with its subscript and without it."""
    found: list[str] = []
    if isinstance(part, Name):
        found += [part.printed, part.letter]
        found += letters_in((part.subscripts, part.arguments))
    else:
        for inner in _parts(part):
            found += letters_in(inner)
    return list(dict.fromkeys(found))


def is_derivative(part: object, definitions: Mapping[str, Definition] | None = None, depth: int = 9) -> bool:
    """Whether a formula has a derivative, or a definition that it uses; such a one takes many digits."""
    if isinstance(part, (Derivative, Nabla)) or (isinstance(part, Name) and part.primes):
        return True
    if isinstance(part, Name) and definitions and depth:
        rows = (definitions[key].rows for key in (part.printed, part.letter) if key in definitions)
        return any(is_derivative(body, definitions, depth - 1) for cases in rows for body, _ in cases)
    return any(is_derivative(inner, definitions, depth) for inner in _parts(part))


def _signature(term: Term) -> object:
    """What a formula is about, without its indices: dℓ/dŷ and ∂ℓ/∂ŷ_i and the entry of ∇ℓ are one thing."""
    match term:
        case Name(arguments=_, primes=0):
            return term.letter, term.subscript if term.subscript.isalpha() and len(term.subscript) == 1 else ""
        case Derivative(_, body, by):
            return "d", _signature(body), tuple(name.letter for name in by)
        case Nabla(by, order, body):
            return "d", _signature(body), (by.letter if by else "",) * order
        case BigSum(_, _, None, None, body):
            return "sum", _signature(body)
    return term
