"""Random points of a place of a page: numbers for the letters that are given, by their domains.

A condition such as `y = 1` or `y ∈ {0, 1}` is imposed on a point. A point that does not meet all others is drawn again.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from reflosses.teaching.arithmetic import Array, Value
from reflosses.teaching.evaluate import Definition, Letters, Point, indices_in
from reflosses.teaching.latex import clauses_of
from reflosses.teaching.page import DOMAINS
from reflosses.teaching.tree import (
    Chain,
    Clause,
    Condition,
    Name,
    NotReadError,
    Term,
)

SMALL = Decimal("1e-15")
TRIES = 300  # points drawn until one meets a condition


class Scope:
    """The letters and definitions of a place of a page, and random points at which the conditions of the place hold."""

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
                if not set(shape) <= set(self.ranges) or (domain == "member" and len(shape) != 1):
                    raise ValueError(f"{domain} {text}: its subscripts must be indices of the page")
                self.domains[name.printed if label else name.letter] = domain, shape
        conditions = [self.conditions(text) for text in block.get("where", ())]
        if "at" not in block:
            self.always = conditions
        self.where = [*self.always, *conditions] if "at" in block else conditions
        facts = [fact for condition in conditions for fact in condition.alternatives[0] if isinstance(fact, Chain)]
        self.is_example = any(fact.relations == ("=",) and not has_letters(fact.sides[1]) for fact in facts)
        self.pool = []

    def name(self, text: str) -> Name:
        """A name as the block prints it. ValueError if it is something else."""
        side = self.read(text)[0].chain.sides[0]
        if not isinstance(side, Name):
            raise ValueError(f"{text} is no name")
        return side

    def read(self, text: str) -> list[Clause]:
        """The clauses of a formula, with the functions and letters of this place."""
        return clauses_of(text, frozenset(self.words["functions"]), frozenset(self.words["letters"]))

    def conditions(self, text: str) -> Condition:
        """`z > 0 \\text{ and } y = 1` as a condition; "" as none."""
        return self.read(r"0 = 0 \text{ for } " + text)[0].condition if text else Condition()

    def defined(self, clause: Clause) -> bool:
        """Take the clause as a definition, if it is one; whether it is nothing else: a longer chain asserts, too.

        A name that is defined under conditions can get one more case.
        """
        head, *sides = clause.chain.sides
        if clause.other or not isinstance(head, Name) or clause.chain.relations[:1] not in (("=",), (":=",)):
            return clause.other
        key = head.printed if head.printed in self.words["labels"] else head.letter
        rows = self.definitions[key].rows if key in self.definitions else ()
        conditions = [condition for _, condition in rows]
        if key in self.domains or key in self.constants or Condition() in conditions:
            return False
        if rows and clause.condition in (Condition(), *conditions):
            return False
        if head.primes or (head.letter == r"\delta" and len(head.subscripts) == 2):
            return False
        subscripts = () if key == head.printed else head.subscripts
        indices = tuple(s.printed for s in subscripts if isinstance(s, Name) and s.printed in self.ranges)
        arguments = tuple(a.printed for a in head.arguments or () if isinstance(a, Name))
        if rows and self.definitions[key].indices != indices:
            return False
        if len(indices) < len(subscripts) or len(set(arguments)) < len(head.arguments or ()):
            return False
        self.definitions[key] = Definition(indices, arguments, (*rows, (sides[0], clause.condition)))
        for point in self.pool:
            point.memory.clear()
        return len(sides) == 1

    def letters(self) -> Letters:
        """What this place says about its letters."""
        return Letters(self.ranges, frozenset(self.words["labels"]), self.prime, self.nabla, self.first)

    def points(self, condition: Condition) -> Iterator[Point]:
        """Random points of the domain. A condition such as p = c sets its variable."""
        for number in range(TRIES):
            if number == len(self.pool):
                self.pool.append(self._drawn())
            point = self.pool[number]
            yield point.where(changes) if (changes := point.imposed(condition, {}, number)) else point

    def _drawn(self) -> Point:
        for number in range(TRIES):
            given = {name: self._draw(domain, shape) for name, (domain, shape) in self.domains.items()}
            given |= self._choices()
            given |= {name: Decimal(n) for name, n in self.constants.items()}
            point = Point(self.letters(), self.definitions, given)
            for condition in self.where:
                point = point.where(point.imposed(condition, {}, number))
            if all(self._met(point, condition) for condition in self.where):
                return point
        raise NotReadError("no point meets the conditions of the place")

    def _choices(self) -> dict[str, Value | int]:
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

    def _met(self, point: Point, condition: Condition) -> bool:
        return all(point.holds(condition, indices) for indices in self.assignments(condition))

    def assignments(self, *parts: object) -> Iterator[dict[str, int]]:
        """All values of the free indices of some formulas."""
        names = sorted(indices_in(parts, self.ranges))
        for values in itertools.product(*(self.ranges[name] for name in names)):
            yield dict(zip(names, values, strict=True))

    def _draw(self, domain: str, shape: tuple[str, ...]) -> Value | int:
        if domain == "member":
            return self.random.choice(self.ranges[shape[0]])
        if not shape:
            return self._number(domain)
        cells = {index: self._number(domain) for index in itertools.product(*(self.ranges[i] for i in shape))}
        if domain == "symmetric":
            cells = {(i, j): cells[min(i, j), max(i, j)] + (4 if i == j else 0) for i, j in cells}
        return Array(cells)

    def _number(self, domain: str) -> Decimal:
        """A number of 40 bits: a float64 holds it, and its difference from 1. One real number in four is small."""
        part = Decimal(self.random.randrange(1, 1 << 40)) / (1 << 40)
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


def has_letters(part: object) -> bool:
    """Whether a formula has a letter."""
    if isinstance(part, (tuple, list)):
        return any(map(has_letters, part))
    return isinstance(part, Name) or (is_part(part) and has_letters(tuple(vars(part).values())))


def is_part(part: object) -> bool:
    """Whether it is a part of a formula that has parts itself."""
    return isinstance(part, (Term, Chain, Condition))
