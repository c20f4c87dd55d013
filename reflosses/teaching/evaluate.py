r"""The value of a formula at a point, from the definitions that stand on the page.

A name is a given number (or array), or it has a definition, which is evaluated anew at every point. Derivatives are
difference quotients: dX/dv is the change of X over the change of v as one given number moves, which may be deep inside
both. ∂X/∂v moves v itself, and all else that is not defined by v stays. ∇ is the column of the ∂.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from reflosses.teaching.arithmetic import (
    EXACT,
    FUNCTIONS,
    ONE,
    STEP,
    ZERO,
    Array,
    Value,
    added,
    distance,
    multiply,
    size,
    summed,
)
from reflosses.teaching.tree import (
    Applied,
    At,
    BigSum,
    Cases,
    Chain,
    Condition,
    Derivative,
    Limit,
    Nabla,
    Name,
    NotReadError,
    Numeral,
    Power,
    Product,
    Row,
    Sum,
    Term,
)

Indices = dict[str, int]
TINY = STEP * STEP  # how close to 0 a limit is taken
EXTREME = Decimal("1e-10")  # what counts as small


class UndefinedError(Exception):
    """No case applies at this point, or two that differ."""


@dataclass
class Definition:
    """`name_indices(arguments) = body`, perhaps in cases. used: whether anything was computed from it."""

    indices: tuple[str, ...]
    arguments: tuple[str, ...]
    rows: tuple[tuple[Term, Condition], ...]
    used: bool = False


@dataclass(frozen=True)
class Letters:
    """What a page says about its letters."""

    ranges: Mapping[str, range] = field(default_factory=dict)  # the indices
    labels: frozenset[str] = frozenset()  # names whose subscript is a label
    prime: Mapping[str, str] = field(default_factory=dict)  # c' is dc/dr
    nabla: str = ""  # the vector of a ∇ without a subscript
    first: int = 1  # of the entries of (1, 0, 1)


class Point:
    """Numbers for the given names, the definitions, and what was computed from both."""

    def __init__(self, letters: Letters, definitions: Mapping[str, Definition], given: Mapping[str, Value | int]):
        self.letters = letters
        self.definitions = definitions
        self.given = given
        self.memory: dict[tuple[str, tuple[int, ...]], Value | None] = {}  # None while it is computed

    def where(self, changes: Mapping[str, Value | int]) -> Point:
        """The point with other numbers for some names, given or defined."""
        return Point(self.letters, self.definitions, {**self.given, **changes})

    # ---- names

    def _subscripts(self, name: Name, indices: Indices) -> tuple[int, ...]:
        found = []
        for node in name.subscripts:
            if isinstance(node, Numeral):
                found.append(int(node.text))
            elif isinstance(node, Name) and node.printed in indices:
                found.append(indices[node.printed])
            elif isinstance(node, Name) and isinstance(at := self.given.get(node.printed), int):
                found.append(at)
            else:
                raise NotReadError(f"the subscript of {name.printed} is no index")
        return tuple(found)

    def resolved(self, name: Name, indices: Indices) -> tuple[str, tuple[int, ...]]:
        """The name without its subscript, and the numbers that the subscript stands for."""
        if name.printed in self.letters.labels:
            return name.printed, ()
        return name.letter, self._subscripts(name, indices)

    def _name(self, name: Name, indices: Indices) -> Value:
        if name.letter == r"\delta" and len(name.subscripts) == 2:
            first, second = self._subscripts(name, indices)
            return ONE if first == second else ZERO
        letter, index = self.resolved(name, indices)
        if name.arguments is not None:
            formal = self._definition(letter).arguments
            if len(formal) != len(name.arguments):
                raise NotReadError(f"{letter} with {len(name.arguments)} arguments")
            values = [self._argument(node, indices) for node in name.arguments]
            here = self.where(dict(zip(formal, values, strict=True)))
            return here._primed(name, letter, indices) if name.primes else here.known(letter, index)
        return self._primed(name, letter, indices) if name.primes else self.known(letter, index)

    def _argument(self, node: Term, indices: Indices) -> Value | int:
        """The value of an argument; an index stays one."""
        given = self.given.get(node.printed) if isinstance(node, Name) else None
        return given if isinstance(given, int) else self.value(node, indices)

    def _primed(self, name: Name, letter: str, indices: Indices) -> Value:
        """ρ''(s): by the one argument of the definition, or by what the page says."""
        formal = self._definition(letter).arguments
        by = formal[0] if len(formal) == 1 else self.letters.prime.get(letter, "")
        if not by:
            raise NotReadError(f"{letter}' does not say by what")
        plain = Name(letter, name.subscripts, name.subscript)
        return self._derivative(len(formal) == 1, plain, (Name(by),) * name.primes, indices)

    def _definition(self, letter: str) -> Definition:
        if letter not in self.definitions:
            raise NotReadError(f"{letter} has no definition")
        self.definitions[letter].used = True
        return self.definitions[letter]

    def known(self, letter: str, index: tuple[int, ...]) -> Value:
        """The value of a name at its indices."""
        key = letter, index
        if key not in self.memory:
            self.memory[key] = None
            try:
                self.memory[key] = self._computed(letter, index)
            finally:
                if self.memory[key] is None:
                    del self.memory[key]
        if (found := self.memory[key]) is None:
            raise NotReadError(f"{letter} is defined by itself")
        return found

    def _computed(self, letter: str, index: tuple[int, ...]) -> Value:
        found: Value | int
        if letter in self.given:
            found = self.given[letter]
        else:
            definition = self._definition(letter)
            if definition.indices and not index:
                return self.whole(letter)
            if definition.indices:
                if len(index) != len(definition.indices):
                    raise NotReadError(f"{letter} with {len(index)} indices")
                return self._of_rows(definition.rows, dict(zip(definition.indices, index, strict=True)))
            found = self._of_rows(definition.rows, {})
        if isinstance(found, int):
            return Decimal(found)
        if not index:
            return found
        if isinstance(found, Array) and index in found.cells:
            return found.cells[index]
        raise NotReadError(f"{letter} has no entry {index}")

    def whole(self, letter: str) -> Value:
        """All entries of a name."""
        if letter in self.given or not self._definition(letter).indices:
            return self.known(letter, ())
        ranges = [self.letters.ranges[i] for i in self._definition(letter).indices]
        cells = {}
        for index in itertools.product(*ranges):
            cell = self.known(letter, index)
            assert isinstance(cell, Decimal)
            cells[index] = cell
        return Array(cells)

    def _of_rows(self, rows: tuple[tuple[Term, Condition], ...], indices: Indices) -> Value:
        values = [self.value(body, indices) for body, condition in rows if self.holds(condition, indices)]
        if not values:
            raise UndefinedError("no case applies")
        if any(distance(value, values[0]) > EXACT * size(value) for value in values[1:]):
            raise UndefinedError("two cases apply")
        return values[0]

    # ---- conditions

    def holds(self, condition: Condition, indices: Indices) -> bool:
        """Whether one of the alternatives of a condition holds here."""
        return any(
            all(isinstance(fact, Name) or self._true(fact, indices) for fact in facts)
            for facts in condition.alternatives
        )

    def _true(self, chain: Chain, indices: Indices) -> bool:
        """Whether a chain of relations holds, exactly."""
        sides = zip(chain.sides, chain.relations, chain.sides[1:], strict=False)
        return all(self._related(left, relation, right, indices) for left, relation, right in sides)

    def _related(self, left: Term, relation: str, right: Term, indices: Indices) -> bool:
        if relation == r"\to":  # a small letter goes to 0
            return size(self.value(left, indices)) < EXTREME and self.value(right, indices) == ZERO
        one = self._value_or_index(left, indices)
        if relation == r"\in" and isinstance(right, Row):
            return one in [self.value(item, indices) for item in right.items]
        other = self._value_or_index(right, indices)
        if relation in ("=", r"\ne"):
            return (one == other) == (relation == "=")
        if not (isinstance(one, Decimal) and isinstance(other, Decimal)):
            raise NotReadError(f"{relation} between things that are not numbers")
        tests = {"<": one < other, ">": one > other, r"\le": one <= other, r"\ge": one >= other}
        if relation not in tests:
            raise NotReadError(f"{relation} in a condition")
        return tests[relation]

    def _value_or_index(self, node: Term, indices: Indices) -> Value:
        if isinstance(node, Name) and not node.subscripts and node.printed in indices:
            return Decimal(indices[node.printed])
        return self.value(node, indices)

    # ---- values

    def value(self, node: Term, indices: Indices) -> Value:
        """The value of a formula. NotReadError if it has no meaning, UndefinedError if it has no value here."""
        match node:
            case Numeral(text):
                return Decimal(text)
            case Name():
                return self._name(node, indices)
            case Sum(terms):
                total: Value | None = None
                for sign, term in terms:
                    value = multiply(Decimal(sign), self.value(term, indices))
                    total = value if total is None else added(total, value)
                assert total is not None
                return total
            case Product(factors):
                return self._product(factors, indices)
            case Power(base, None):
                value = self.value(base, indices)
                return value.transposed() if isinstance(value, Array) else value
            case Power(base, exponent):
                assert exponent is not None
                power = self.number(exponent, indices)
                return self.number(base, indices) ** power if power else ONE
            case Applied(function, arguments):
                return self._call(function, arguments, indices)
            case BigSum():
                return self._big_sum(node, indices)
            case Cases(rows):
                return self._of_rows(rows, indices)
            case Derivative(partial, body, by):
                return self._derivative(partial, body, by, indices)
            case Nabla(by, order, body):
                return self._gradient(by, order, body, indices)
            case At(body, point):
                return self.where(self.imposed(point, indices)).value(body, indices)
            case Limit(name, side, body):
                return self.where({name.printed: side * TINY}).value(body, indices)
            case Row(items):
                cells = [self.number(item, indices) for item in items]
                return Array({(i,): x for i, x in enumerate(cells, self.letters.first)})
        raise NotReadError(f"{type(node).__name__} has no value")

    def number(self, node: Term, indices: Indices) -> Decimal:
        """The value of a formula that is a number."""
        value = self.value(node, indices)
        if isinstance(value, Array):
            raise NotReadError("a vector where a number is due")
        return value

    def _product(self, factors: tuple[tuple[bool, Term], ...], indices: Indices) -> Value:
        """From left to right; a factor 0 ends it, as the pages say: 0 log 0 := 0."""
        total: Value = ONE
        for over, factor in factors:
            if total == ZERO and not over:
                return ZERO
            value = ONE / self.number(factor, indices) if over else self.value(factor, indices)
            total = multiply(total, value)
        return total

    def _call(self, function: str, arguments: tuple[Term, ...], indices: Indices) -> Value:
        if function == "norm" or function == "abs":
            return size(self.value(arguments[0], indices))
        values = [self.number(node, indices) for node in arguments]
        if function in (r"\max", r"\min"):
            return max(values) if function == r"\max" else min(values)
        return FUNCTIONS[function](values[0])

    def _big_sum(self, node: BigSum, indices: Indices) -> Value:
        names = [node.index] if node.index else sorted(self._free(node.body, indices))
        if not names:
            raise NotReadError("a sum without an index")
        if node.function != r"\sum":
            numbers = [self.number(node.body, inner) for inner in self._assignments(names, node, indices)]
            if not numbers:
                raise UndefinedError("the smallest or largest of nothing")
            return max(numbers) if node.function == r"\max" else min(numbers)
        total: Value | None = None
        for inner in self._assignments(names, node, indices):
            value = self.value(node.body, inner)
            total = value if total is None else added(total, value)
        return ZERO if total is None else total

    def _assignments(self, names: list[str], node: BigSum, indices: Indices) -> Iterator[Indices]:
        ranges = []
        for name in names:
            if name not in self.letters.ranges:
                raise NotReadError(f"{name} is no index")
            ranges.append(self.letters.ranges[name])
        condition, starts = node.condition, None
        if node.index and condition is not None and condition.relations == ("=",):
            starts, condition = self.value(condition.sides[1], indices), None
        if node.upper is not None and self.value(node.upper, indices) != ranges[0][-1]:
            raise NotReadError("a sum that does not end at the last index")
        if starts is not None and starts != ranges[0][0]:
            raise NotReadError("a sum that does not begin at the first index")
        for values in itertools.product(*ranges):
            inner = {**indices, **dict(zip(names, values, strict=True))}
            if condition is None or self._true(condition, inner):
                yield inner

    def _free(self, node: object, indices: Indices) -> set[str]:
        """The indices in a formula that have no number yet."""
        return {name for name in indices_in(node, self.letters.ranges) if name not in indices}

    # ---- derivatives

    def _derivative(self, partial: bool, body: Term, by: tuple[Name, ...], indices: Indices) -> Value:
        if not by:
            return self.value(body, indices)
        letter, index = self.resolved(by[0], indices)
        if partial or letter in self.given:
            high, low = self._shifted(letter, index, STEP), self._shifted(letter, index, -STEP)
            return self._difference(high, low, 2 * STEP, partial, body, by, indices)
        for given in self.given:
            for cell in self._cells(given):
                high, low = self._shifted(given, cell, STEP), self._shifted(given, cell, -STEP)
                change = summed(high.known(letter, index), multiply(-ONE, low.known(letter, index)))
                if size(change) > STEP * STEP:
                    if not isinstance(change, Decimal):
                        raise NotReadError(f"a derivative by the vector {by[0].printed}")
                    return self._difference(high, low, change, partial, body, by, indices)
        raise NotReadError(f"nothing moves {by[0].printed}")

    def _difference(
        self,
        high: Point,
        low: Point,
        change: Decimal,
        partial: bool,
        body: Term,
        by: tuple[Name, ...],
        indices: Indices,
    ) -> Value:
        """A difference quotient: the derivative by the other variables at two points, over the step between them."""
        up = high._derivative(partial, body, by[1:], indices)
        down = low._derivative(partial, body, by[1:], indices)
        return multiply(summed(up, multiply(-ONE, down)), ONE / change)

    def _cells(self, letter: str) -> list[tuple[int, ...]]:
        value = self.given[letter]
        if isinstance(value, int):
            return []
        return list(value.cells) if isinstance(value, Array) else [()]

    def _shifted(self, letter: str, index: tuple[int, ...], change: Decimal) -> Point:
        """The point with one number moved, given or defined."""
        whole = self.whole(letter)
        if isinstance(whole, Array):
            if index not in whole.cells:
                raise NotReadError(f"a derivative by {letter} as a whole")
            return self.where({letter: whole.with_cell(index, change)})
        if index:
            raise NotReadError(f"{letter} has no entries")
        return self.where({letter: whole + change})

    def _gradient(self, by: Name | None, order: int, body: Term, indices: Indices) -> Value:
        letter = by.letter if by else self.letters.nabla
        whole = self.whole(letter)
        if not isinstance(whole, Array):
            raise NotReadError(f"∇ by {letter}, which is no vector")
        cells: dict[tuple[int, ...], Decimal] = {}
        for index in itertools.product(whole.cells, repeat=order):
            point: list[tuple[Decimal, Point]] = [(ONE, self)]
            for cell in index:
                point = [(sign * s, at._shifted(letter, cell, s * STEP)) for sign, at in point for s in (ONE, -ONE)]
            changes = [sign * at.number(body, indices) for sign, at in point]
            cells[sum(index, ())] = sum(changes, ZERO) / (2 * STEP) ** order
        return Array(cells)

    # ---- conditions that say what a name is

    def imposed(self, condition: Condition, indices: Indices, choose: int = 0) -> dict[str, Value | int]:
        """`y = 1` as {y: 1}, `y ∈ {0, 1}` as one of them; only names that are given."""
        found: dict[str, Value | int] = {}
        for fact in condition.alternatives[choose % len(condition.alternatives)]:
            if isinstance(fact, Name):
                letter, index = self.resolved(fact, indices)
                found[letter] = self.known(letter, index)
                continue
            name = fact.sides[0]
            if not isinstance(name, Name) or name.letter not in self.given or isinstance(self.given[name.letter], int):
                continue
            if fact.relations == ("=",):
                number = self.value(fact.sides[1], indices)
                whole = found.get(name.letter, self.given[name.letter])
                found[name.letter] = self._with_entry(whole, name, number, indices) if name.subscripts else number
            elif fact.relations == (r"\in",) and isinstance(fact.sides[1], Row):
                items = fact.sides[1].items
                found[name.letter] = self.value(items[choose % len(items)], indices)
        return found

    def _with_entry(self, whole: Value | int, name: Name, number: Value, indices: Indices) -> Value:
        """An array with another number in one place."""
        index = self._subscripts(name, indices)
        if not (isinstance(whole, Array) and isinstance(number, Decimal) and index in whole.cells):
            raise NotReadError(f"{name.printed} cannot be given a number")
        return whole.with_cell(index, number - whole.cells[index])


def indices_in(node: object, ranges: Mapping[str, range]) -> set[str]:
    """The free indices of a part of a formula."""
    if isinstance(node, Name):
        found = {s.printed for s in node.subscripts if isinstance(s, Name) and s.printed in ranges}
        return found | indices_in(node.arguments, ranges)
    if isinstance(node, BigSum):
        inside = indices_in(node.body, ranges) | indices_in(node.condition, ranges)
        return inside - {node.index} if node.index else set()
    if isinstance(node, (tuple, list)):
        return set().union(*(indices_in(item, ranges) for item in node)) if node else set()
    if isinstance(node, (Term, Chain, Condition)):
        return set().union(*(indices_in(part, ranges) for part in vars(node).values()))
    return set()
