r"""The rule of a page: the first `name = …` defines, every later equation is asserted.

Asserted means: at random points of the stated domain, for all values of the free indices, in 120 digits. Conditions are
kept: a point at which one fails is drawn again. At the end the displayed loss and its derivatives are compared with
the numbers of the class.
"""

from __future__ import annotations

import decimal
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reflosses.teaching.arithmetic import CONTEXT, EXACT, Array, Value, distance, size
from reflosses.teaching.evaluate import Definition, Point, UndefinedError
from reflosses.teaching.page import CODE_HERE, WORDS_HERE, Formula, Page, read_page
from reflosses.teaching.points import Scope, has_letters, is_part
from reflosses.teaching.shipped import difference_from_class
from reflosses.teaching.tree import (
    Applied,
    Cases,
    Chain,
    Clause,
    Condition,
    Name,
    NotReadError,
    Numeral,
    Product,
    Sum,
    Term,
)

ABSOLUTE = Decimal("1e-45")  # where both sides are 0
CLOSE = Decimal("1e-22")  # what "≈" may leave: of second order in a small letter, not of first
NEAR = Decimal("1e-9")  # what "→" may leave
PIECES = 8  # times as many points for a formula with cases or a condition
BENT = {r"\max", r"\min", "abs", r"\mathrm{sign}"}
STEPS = {"=", r"\le", r"\ge", "<", ">", r"\approx", r"\longrightarrow", ":="}


@dataclass
class Reading:
    """What came out of a page."""

    false: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)  # displays by their text, with the reason
    unused: list[str] = field(default_factory=list)  # letters that a display defines and nothing uses
    displays: int = 0
    steps: int = 0  # formulas in lines of text that were asserted or define
    not_steps: list[tuple[str, str]] = field(default_factory=list)  # the others that have a relation, with the reason


class _Walk:
    """Reads a page from top to bottom."""

    def __init__(self, source: Page, stem: str, points: int, seed: int):
        self.page = source
        self.stem = stem
        self.count = points
        self.reading = Reading()
        self.scope = Scope(f"{stem} {seed}")
        self.under: dict[str, list[str]] = {}
        self.quotes: set[str] = set()
        for entry in source.block.get("under", ()):
            for text in entry["read"]:
                self.under.setdefault(text, []).append(entry.get("where", ""))
        self.steps_not = set(source.block.get("steps_not", ()))
        self.define: set[str] = set()
        self.displayed: dict[str, list[Definition]] = {}  # by letter, what displays define

    def run(self) -> Reading:
        for kind, what in self.page.events():
            if kind == CODE_HERE:
                self.arguments_matter()
                if difference := difference_from_class(self.scope, what, self.stem):
                    self.reading.false.append(difference)
            elif kind == WORDS_HERE:
                self.enter(what)
            elif what.inline:
                self.inline(what)
            else:
                self.display(what)
        for text in sorted((self.define | set(self.under) | self.steps_not) - self.quotes):
            self.reading.false.append(f"the block quotes {text}, which is not on the page")
        self.reading.unused = [
            letter for letter, found in self.displayed.items() if not all(definition.used for definition in found)
        ]
        return self.reading

    def enter(self, block: dict[str, Any]) -> None:
        """The start of the page, or of a place."""
        self.define |= set(block.get("define", ()))
        try:
            self.scope.change(block)
            for text in block.get("define", ()) if "at" in block else ():
                if self.page.stands(text):
                    self.quotes.add(text)
                for clause in self.scope.read(text):
                    self.scope.defined(clause)
        except NotReadError as reason:
            raise ValueError(f"the block: {reason}") from None

    def display(self, formula: Formula) -> None:
        self.reading.displays += 1
        try:
            if formula.text.strip() in self.steps_not:
                self.quotes.add(formula.text.strip())
                raise NotReadError("the block sets it aside")
            before = dict(self.scope.definitions)
            self.formula(formula, self.scope.read(formula.text))
            for letter, definition in self.scope.definitions.items():
                if before.get(letter) is not definition:
                    self.displayed.setdefault(letter, []).append(definition)
        except NotReadError as reason:
            self.reading.unread[formula.text.strip()] = str(reason)

    def inline(self, formula: Formula) -> None:
        text = formula.text
        try:
            if text in self.under:
                self.quotes.add(text)
                for where in self.under[text]:
                    clauses = self.scope.read(text)
                    condition = self.scope.conditions(where)
                    self.formula(formula, [Clause(c.chain, condition if where else c.condition) for c in clauses])
                self.reading.steps += 1
            elif text in self.define:
                self.quotes.add(text)
                self.formula(formula, self.scope.read(text))
                self.reading.steps += 1
            elif text in self.steps_not:
                self.quotes.add(text)
            else:
                clauses = self.scope.read(text)
                if any(self.is_step(clause.chain) for clause in clauses):
                    self.formula(formula, clauses, define=False)
                    self.reading.steps += 1
        except NotReadError as reason:
            if any(sign in text for sign in STEPS):
                self.reading.not_steps.append((text, str(reason)))

    def is_step(self, chain: Chain) -> bool:
        """Whether a chain in a line of text is more than a condition: `p = c` and `p = σ(z)` say what a given p is.

        In an example `D = 5/7` is a step if D has a definition.
        """
        head = chain.sides[0]
        if chain.relations[:1] == ("=",) and isinstance(head, Name) and head.letter in self.scope.domains:
            return False
        if not set(chain.relations) <= STEPS or set(chain.relations) <= {"<", ">"}:
            return False
        if self.scope.is_example and isinstance(head, Name):
            return True
        return not all(map(_is_plain, chain.sides)) or not has_letters(chain)

    def formula(self, formula: Formula, clauses: list[Clause], define: bool = True) -> None:
        """Define what is new, then assert the rest."""
        rest = [clause for clause in clauses if not (define and self.scope.defined(clause))]
        for clause in rest:
            if not clause.chain.relations:
                raise NotReadError("no equation")
            try:
                fault = self.fault(clause.chain, clause.condition)
            except (decimal.DecimalException, UndefinedError) as error:
                fault = f"has no value: {type(error).__name__}"
            except RecursionError:
                raise NotReadError("a name is defined by itself") from None
            except ValueError as error:
                raise NotReadError(str(error)) from None
            if fault:
                self.reading.false.append(f"line {formula.line}: {formula.text.strip()}\n    {fault}")
                return

    def arguments_matter(self) -> None:
        """A function that does not depend on one of its arguments is a fault: ℓ(c, ŷ) = r²."""
        for letter, definition in self.scope.definitions.items():
            seen: set[str] = set()
            self.collect(definition.rows, seen)
            for argument in set(definition.arguments) - seen:
                self.reading.false.append(f"{letter} does not depend on its argument {argument}")

    def collect(self, part: object, seen: set[str]) -> None:
        """Add the letters of a formula, and those of the definitions that it uses."""
        if isinstance(part, Name):
            for letter in {part.letter, part.printed} - seen:
                seen.add(letter)
                if letter in self.scope.definitions:
                    self.collect(self.scope.definitions[letter].rows, seen)
        for inner in part if isinstance(part, (tuple, list)) else vars(part).values() if is_part(part) else ():
            self.collect(inner, seen)

    def fault(self, chain: Chain, condition: Condition) -> str:
        """What is wrong with a chain, at points that meet each alternative of the condition; "" if nothing is."""
        for alternative in condition.alternatives:
            if fault := self.fault_where(chain, Condition((alternative,))):
                return fault
        return ""

    def fault_where(self, chain: Chain, condition: Condition) -> str:
        """The same under one alternative. NotReadError if no point meets it, or meets a case of the chain."""
        met = 0
        unmet = _conditions_in(chain)
        wanted = self.count * (PIECES if condition != Condition() or self.has_pieces(chain, set()) else 1)
        for point in self.scope.points(condition):
            assignments = [i for i in self.scope.assignments(chain, condition) if point.holds(condition, i)]
            for indices in assignments:
                if fault := self.fault_at(chain, point, indices):
                    return fault
                unmet = [case for case in unmet if not point.holds(case, indices)]
            met += bool(assignments)
            if met >= wanted and not unmet:
                return ""
        if not met:
            raise NotReadError("no point meets its condition")
        if unmet:
            raise NotReadError("no point meets one of its cases")
        return ""

    def has_pieces(self, part: object, seen: set[str]) -> bool:
        """Whether a formula, or a definition that it uses, has cases, a maximum or an absolute value."""
        if isinstance(part, Cases) or (isinstance(part, Applied) and part.function in BENT):
            return True
        if isinstance(part, Name):
            letters = {part.letter, part.printed} - seen
            seen |= letters
            found = (self.scope.definitions[letter].rows for letter in letters & self.scope.definitions.keys())
            return any(len(rows) > 1 or self.has_pieces(rows, seen) for rows in found)
        parts = part if isinstance(part, (tuple, list)) else vars(part).values() if is_part(part) else ()
        return any(self.has_pieces(inner, seen) for inner in parts)

    def fault_at(self, chain: Chain, point: Point, indices: dict[str, int]) -> str:
        sides = [point.value(side, indices) for side in chain.sides]
        for relation, left, right in zip(chain.relations, sides, sides[1:], strict=False):
            if not _holds(relation, left, right):
                at = ", ".join(f"{name} = {_shown(value)}" for name, value in point.given.items())
                at += "".join(f", {name} = {number}" for name, number in indices.items())
                return f"{_shown(left)} {relation} {_shown(right)} is false at {at}"
        return ""


def _conditions_in(part: object) -> list[Condition]:
    """The conditions of all cases in a formula."""
    if isinstance(part, Cases):
        return [condition for _, condition in part.rows]
    if isinstance(part, (tuple, list)):
        return [condition for item in part for condition in _conditions_in(item)]
    return _conditions_in(tuple(vars(part).values())) if is_part(part) else []


def _is_plain(node: Term) -> bool:
    """A letter, a number, their negative, their size, a fraction of numbers."""
    match node:
        case Name(arguments=None, primes=0) | Numeral():
            return True
        case Sum(((_, inner),)) | Applied("abs", (inner,)):
            return _is_plain(inner)
        case Product(factors):
            return all(isinstance(factor, Numeral) for _, factor in factors)
    return False


def _holds(relation: str, left: Value, right: Value) -> bool:
    """Whether a relation holds, as far as the digits go."""
    both = max(size(left), size(right))
    if relation in ("=", ":="):
        return distance(left, right) <= EXACT * both + ABSOLUTE
    if relation == r"\approx":
        return distance(left, right) <= CLOSE
    if relation in (r"\longrightarrow", r"\to"):
        return distance(left, right) <= NEAR * both
    if isinstance(left, Array) or isinstance(right, Array):
        raise NotReadError(f"{relation} between vectors")
    room = EXACT * both
    if relation in (r"\le", "<"):
        return left <= right + room if relation == r"\le" else left < right
    if relation in (r"\ge", ">"):
        return left >= right - room if relation == r"\ge" else left > right
    raise NotReadError(f"{relation} in a step")


def _shown(value: Value | int) -> str:
    """A value in few digits."""
    if isinstance(value, Array):
        return "[" + ", ".join(f"{x:.6g}" for x in value.cells.values()) + "]"
    return f"{value:.6g}" if isinstance(value, Decimal) else str(value)


def check_page(text: str, stem: str, points: int = 3, seed: int = 0) -> Reading:
    """Read a page and assert all that it says. stem: the name of its file; points: for each equation.

    ValueError if the block at its head is wrong.
    """
    with decimal.localcontext(CONTEXT):
        return _Walk(read_page(text), stem, points, seed).run()
