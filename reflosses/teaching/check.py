r"""The rule of a page: the first `name = …` defines, every later equation is asserted.

Asserted means: at random points of the stated domain, for all values of the free indices, in 120 digits. Conditions are
kept: a point at which one fails is drawn again. At the end the displayed loss and its derivatives are compared with
the numbers of the class.
"""

from __future__ import annotations

import decimal
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from reflosses import catalogue
from reflosses.teaching.arithmetic import CONTEXT, EXACT, Array, Value, distance, size
from reflosses.teaching.evaluate import Definition, Letters, Point, UndefinedError, indices_in
from reflosses.teaching.latex import (
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
    clauses_of,
)
from reflosses.teaching.page import DOMAINS, Formula, Page, read_page

ABSOLUTE = Decimal("1e-45")  # where both sides are 0
SMALL = Decimal("1e-15")
CLOSE = Decimal("1e-22")  # what "≈" may leave: of second order in a small letter, not of first
NEAR = Decimal("1e-9")  # what "→" may leave
FLOATS = 1e-9  # between a page in 120 digits and the class in float64
CODE_POINTS = 12  # enough to meet every piece of a loss
PIECES = 12  # times as many points for a formula with cases or a condition
TRIES = 300  # points drawn until one meets a condition
STEPS = {"=", r"\le", r"\ge", "<", ">", r"\approx", r"\longrightarrow", ":="}


@dataclass
class Reading:
    """What came out of a page."""

    false: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)  # displays by their text, with the reason
    displays: int = 0
    steps: int = 0  # formulas in lines of text that were asserted or define
    not_steps: list[tuple[str, str]] = field(default_factory=list)  # the others that have a relation, with the reason


# ---- points ----------------------------------------------------------------------------------------------------------


class _Scope:
    """The letters of a place of the page, and random points in their domains."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.domains: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.constants: dict[str, int] = {}
        self.ranges: dict[str, range] = {}
        self.words: dict[str, set[str]] = {"functions": set(), "labels": set(), "letters": set()}
        self.prime: dict[str, str] = {}
        self.nabla = ""
        self.first = 1
        self.definitions: dict[str, Definition] = {}
        self.always: list[Condition] = []
        self.where: list[Condition] = []
        self.is_example = False
        self.pool: list[Point] = []
        self.turns = 0

    def change(self, block: dict[str, Any]) -> None:
        """Take the words of the page's block, or of a place."""
        for name in block.get("forget", ()):
            self.definitions.pop(name, None)
            self.domains.pop(name, None)
            self.constants.pop(name, None)
        self.first = block.get("first", self.first)
        for name, count in block.get("index", {}).items():
            self.ranges[name] = range(self.first, self.first + count)
        for kind in self.words:
            self.words[kind] |= set(block.get(kind, ()))
        self.constants |= block.get("constants", {})
        self.prime |= block.get("prime", {})
        self.nabla = block.get("nabla", self.nabla)
        for domain in DOMAINS:
            for text in block.get(domain, ()):
                name = self.name(text)
                label = name.printed in self.words["labels"]
                shape = () if label else tuple(s.printed for s in name.subscripts if isinstance(s, Name))
                self.domains[name.printed if label else name.letter] = domain, shape
        conditions = [self.conditions(text) for text in block.get("where", ())]
        if "at" not in block:
            self.always = conditions
        self.where = [*self.always, *conditions] if "at" in block else conditions
        facts = [fact for condition in conditions for fact in condition.alternatives[0] if isinstance(fact, Chain)]
        self.is_example = any(fact.relations == ("=",) and not _names_in(fact.sides[1]) for fact in facts)
        self.pool = []

    def name(self, text: str) -> Name:
        side = self.read(text)[0].chain.sides[0]
        if not isinstance(side, Name):
            raise ValueError(f"{text} is no name")
        return side

    def read(self, text: str) -> list[Clause]:
        return clauses_of(text, frozenset(self.words["functions"]), frozenset(self.words["letters"]))

    def conditions(self, text: str) -> Condition:
        return self.read(r"0 = 0 \text{ for } " + text)[0].condition if text else Condition()

    def letters(self) -> Letters:
        return Letters(self.ranges, frozenset(self.words["labels"]), self.prime, self.nabla, self.first)

    def points(self, condition: Condition) -> Iterator[Point]:
        """Random points, from those that meet the conditions of the place, with what the condition imposes."""
        for number in range(TRIES):
            if number == len(self.pool):
                self.pool.append(self.drawn())
            point = self.pool[number]
            yield point.where(changes) if (changes := point.imposed(condition, {}, number)) else point

    def drawn(self) -> Point:
        for number in range(TRIES):
            given = {name: self.draw(domain, shape) for name, (domain, shape) in self.domains.items()}
            given |= self.choices()
            given |= {name: Decimal(n) for name, n in self.constants.items()}
            point = Point(self.letters(), self.definitions, given)
            for condition in self.where:
                point = point.where(point.imposed(condition, {}, number))
            if all(self.met(point, condition) for condition in self.where):
                return point
        raise NotReadError("no point meets the conditions of the place")

    def choices(self) -> dict[str, Value | int]:
        """The letters that have few values: every combination in turn."""
        found: dict[str, Value | int] = {}
        turn = self.turns = self.turns + 1
        for name, (domain, shape) in self.domains.items():
            values: list[Decimal] | range = [Decimal(0), Decimal(1)] if domain == "bit" else [Decimal(-1), Decimal(1)]
            values = self.ranges[shape[0]] if domain == "member" else values
            if domain == "member" or (domain in ("bit", "sign") and not shape):
                turn, which = divmod(turn, len(values))
                found[name] = values[which]
        return found

    def met(self, point: Point, condition: Condition) -> bool:
        return all(point.holds(condition, indices) for indices in self.assignments(condition))

    def assignments(self, *parts: object) -> Iterator[dict[str, int]]:
        names = sorted(indices_in(parts, self.ranges))
        for values in itertools.product(*(self.ranges[name] for name in names)):
            yield dict(zip(names, values, strict=True))

    def draw(self, domain: str, shape: tuple[str, ...]) -> Value | int:
        if domain == "member":
            return self.random.choice(self.ranges[shape[0]])
        if not shape:
            return self.number(domain)
        cells = {index: self.number(domain) for index in itertools.product(*(self.ranges[i] for i in shape))}
        if domain == "symmetric":
            cells = {(i, j): cells[min(i, j), max(i, j)] + (4 if i == j else 0) for i, j in cells}
        return Array(cells)

    def number(self, domain: str) -> Decimal:
        """A number with few bits: a float64 holds it, and its difference from 1. One real number in four is small."""
        part = Decimal(self.random.randrange(1, 4096)) / 4096
        sign = self.random.choice((-1, 1))
        match domain:
            case "unit":
                return part
            case "sign":
                return Decimal(sign)
            case "bit":
                return Decimal(self.random.randrange(2))
            case "positive":
                return 4 * part
            case "small":
                return SMALL * (1 + part)
            case "large":
                return sign * (1 + part) / SMALL
            case "symmetric":
                return sign * part
        return sign * part * self.random.choice((4, 4, 4, Decimal("0.25")))


# ---- the walk --------------------------------------------------------------------------------------------------------


class _Walk:
    """Reads a page from top to bottom."""

    def __init__(self, source: Page, stem: str, points: int, seed: int):
        self.page = source
        self.stem = stem
        self.count = points
        self.reading = Reading()
        self.scope = _Scope(f"{stem} {seed}")
        self.under: dict[str, list[str]] = {}
        self.quotes: set[str] = set()
        for entry in source.block.get("under", ()):
            for text in entry["read"]:
                self.under.setdefault(text, []).append(entry.get("where", ""))
        self.steps_not = set(source.block.get("steps_not", ()))
        self.define: set[str] = set()

    def run(self) -> Reading:
        block = self.page.block
        events: list[tuple[int, int, Any]] = [(0, 1, block)]  # at one line the class comes first, then a place
        events += [(self.page.place(place["at"]), 1, place) for place in block.get("place", ())]
        events += [(formula.start, 2, formula) for formula in self.page.formulas]
        for code in block.get("code", ()):
            events.append((self.page.place(code["at"]) if "at" in code else len(self.page.text), 0, code))
        for _, kind, what in sorted(events, key=lambda event: event[:2]):
            if kind == 0:
                self.compare(what)
            elif kind == 1:
                self.enter(what)
            elif what.inline:
                self.inline(what)
            else:
                self.display(what)
        for text in sorted((self.define | set(self.under) | self.steps_not) - self.quotes):
            self.reading.false.append(f"the block quotes {text}, which is not on the page")
        return self.reading

    def enter(self, block: dict[str, Any]) -> None:
        """The start of the page, or of a place."""
        self.scope.change(block)
        self.define |= set(block.get("define", ()))
        if "at" in block:
            for text in block.get("define", ()):
                if self.page.stands(text):
                    self.quotes.add(text)
                for clause in self.scope.read(text):
                    self.defined(clause)

    def display(self, formula: Formula) -> None:
        self.reading.displays += 1
        try:
            if formula.text.strip() in self.steps_not:
                self.quotes.add(formula.text.strip())
                raise NotReadError("the block sets it aside")
            self.formula(formula, self.scope.read(formula.text))
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
        return not all(map(_is_plain, chain.sides)) or not _names_in(chain)

    def formula(self, formula: Formula, clauses: list[Clause], define: bool = True) -> None:
        """Define what is new, then assert the rest."""
        rest = [clause for clause in clauses if not (define and self.defined(clause))]
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

    def defined(self, clause: Clause) -> bool:
        """Whether the clause is a definition and nothing else; of a longer chain the sides are asserted as well.

        A name that is defined under conditions can get one more case.
        """
        scope, (head, *sides) = self.scope, clause.chain.sides
        if clause.other or not isinstance(head, Name) or clause.chain.relations[:1] not in (("=",), (":=",)):
            return clause.other
        key = head.printed if head.printed in scope.words["labels"] else head.letter
        rows = scope.definitions[key].rows if key in scope.definitions else ()
        conditions = [condition for _, condition in rows]
        if key in scope.domains or key in scope.constants or Condition() in conditions:
            return False
        if rows and clause.condition in (Condition(), *conditions):
            return False
        if head.primes or (head.letter == r"\delta" and len(head.subscripts) == 2):
            return False
        subscripts = () if key == head.printed else head.subscripts
        indices = tuple(s.printed for s in subscripts if isinstance(s, Name) and s.printed in scope.ranges)
        arguments = tuple(a.printed for a in head.arguments or () if isinstance(a, Name))
        if rows and scope.definitions[key].indices != indices:
            return False
        if len(indices) < len(subscripts) or len(set(arguments)) < len(head.arguments or ()):
            return False
        scope.definitions[key] = Definition(indices, arguments, (*rows, (sides[0], clause.condition)))
        for point in scope.pool:
            point.memory.clear()
        return len(sides) == 1

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
        wanted = self.count * (PIECES if unmet or condition != Condition() else 1)
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

    def fault_at(self, chain: Chain, point: Point, indices: dict[str, int]) -> str:
        sides = [point.value(side, indices) for side in chain.sides]
        for relation, left, right in zip(chain.relations, sides, sides[1:], strict=False):
            if not _holds(relation, left, right):
                at = ", ".join(f"{name} = {_shown(value)}" for name, value in point.given.items())
                at += "".join(f", {name} = {number}" for name, number in indices.items())
                return f"{_shown(left)} {relation} {_shown(right)} is false at {at}"
        return ""

    # ---- the class

    def compare(self, code: dict[str, Any]) -> None:
        """The loss, gradient and curvature of the page against those of the class, at float64 points."""
        where = self.scope.conditions(code.get("where", ""))
        cls = {catalogue.stem(c): c for c in catalogue.losses().values()}[code.get("page", self.stem)]
        try:
            for point in itertools.islice(self.scope.points(where), CODE_POINTS):
                given = {k: self.array(point, text) for k, text in code.get("parameters", {}).items()}
                given |= {k: tuple(v) if isinstance(v, list) else v for k, v in code.get("fixed", {}).items()}
                loss = cls(**{"reduction": "none", **given})
                y, yhat = (
                    np.asarray(self.array(point, code.get(k, k_))) for k, k_ in (("y", "y"), ("yhat", r"\hat y"))
                )
                numbers = {"value": loss.value, "grad": loss.grad, "curvature": loss.curvature}
                for kind, function in numbers.items():
                    if kind in code:
                        shipped, printed = np.asarray(function(y, yhat)), np.asarray(self.array(point, code[kind]))
                        if not np.allclose(shipped, printed, rtol=FLOATS, atol=FLOATS * 1e-3):
                            raise UndefinedError(f"its {kind} is {printed}, that of the class {shipped}")
        except (NotReadError, UndefinedError, decimal.DecimalException, ValueError) as error:
            self.reading.false.append(f"the displayed loss and {cls.__name__} differ, or one has no value: {error}")

    def array(self, point: Point, text: str) -> Any:
        """A formula as float64, an array over its free indices; an index as an integer from 0."""
        (clause,) = self.scope.read(text)
        node = clause.chain.sides[0]
        if isinstance(node, Name) and isinstance(index := point.given.get(node.printed), int):
            return index - self.scope.first
        names = sorted(indices_in(node, self.scope.ranges))
        if isinstance(node, Name) and node.arguments is None and not names:
            value = point.whole(point.resolved(node, {})[0])
        else:
            values = [point.number(node, indices) for indices in self.scope.assignments(node)]
            shape = [len(self.scope.ranges[name]) for name in names]
            return np.array([float(v) for v in values]).reshape(shape) if names else float(values[0])
        if isinstance(value, Decimal):
            return float(value)
        sizes = [len(set(axis)) for axis in zip(*value.cells, strict=True)]
        return np.array([float(x) for x in value.cells.values()]).reshape(sizes)


def _conditions_in(part: object) -> list[Condition]:
    """The conditions of all cases in a formula."""
    if isinstance(part, Cases):
        return [condition for _, condition in part.rows]
    if isinstance(part, (tuple, list)):
        return [condition for item in part for condition in _conditions_in(item)]
    return _conditions_in(tuple(vars(part).values())) if isinstance(part, (Term, Chain)) else []


def _names_in(part: object) -> bool:
    """Whether a formula has a letter."""
    if isinstance(part, (tuple, list)):
        return any(map(_names_in, part))
    return isinstance(part, Name) or (isinstance(part, (Term, Chain)) and _names_in(tuple(vars(part).values())))


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
