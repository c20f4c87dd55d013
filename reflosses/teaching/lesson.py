r"""The page of a loss with numbers in place of its letters.

The block of a page says which letters are the target, the prediction and the parameters, how many indices each has, and
which formula is the gradient. So numbers of any length can take their place: an index of the page then runs as far as
they do. A parameter that a loss does not have, such as `pos_weight=None`, gets the number that changes nothing.
"""

from __future__ import annotations

import decimal
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reflosses import catalogue
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.teaching.arithmetic import CONTEXT, ONE, Array, Value
from reflosses.teaching.evaluate import Definition, Indices, Letters, Point, indices_in
from reflosses.teaching.page import CODE_HERE, WORDS_HERE, Formula, Page, read_page
from reflosses.teaching.points import Scope
from reflosses.teaching.tree import Clause, Name, NotReadError, Term

Numbers = dict[str, Value | int]
Domains = dict[str, tuple[str, tuple[str, ...]]]
END = "\n## Kinks"  # the derivation of a page ends here
WITHOUT_ALPHA = r"\alpha_t"  # this is 1 without `alpha`; no single alpha makes it so for both labels
ONE_VECTOR = "information"  # with this parameter a residual of the page is a vector, ours may be a number
TAG = re.compile(r"\\tag\{([^}]*)\}")


@dataclass(frozen=True)
class Equation:
    """A clause of a display: its number, "" if it has none, and what its letters meant where it stands."""

    tag: str
    clause: Clause
    definitions: Mapping[str, Definition]
    domains: Mapping[str, tuple[str, tuple[str, ...]]]


class Lesson:
    """The page of a loss, with its indices as long as the numbers to come. ValueError if the page says too little."""

    def __init__(self, loss: Loss, sizes: tuple[int, ...] = (), scalar: bool = False):
        self.loss = loss
        page = _page_of(type(loss))
        self.code = _code_of(page.block, loss, scalar)
        self.tags: dict[tuple[str, Term], str] = {}  # of a letter and what a display says that it is
        self.equations: list[Equation] = []
        self.original = _counts(page.block)
        if sizes:
            page = _resized(page, self._growth(page, sizes))
        self.scope = Scope("lesson")
        self.definitions: Mapping[str, Definition] = {}
        self.taught: Mapping[str, Definition] = {}  # those of the derivation alone
        self.domains: Domains = {}
        self._walk(page)
        self.ranges = dict(self.scope.ranges)
        self.letters = Letters(
            self.ranges, frozenset(self.scope.words["labels"]), dict(self.scope.prime), self.scope.nabla, self.first
        )
        self.value, self.grad, self.curvature = (self._term(kind) for kind in ("value", "grad", "curvature"))

    @property
    def first(self) -> int:
        """The first index of a vector."""
        return self.scope.first

    @cached_property
    def target(self) -> Name:
        """The letter of y."""
        return self.name(self.code.get("y", "y"))

    @cached_property
    def prediction(self) -> Name:
        """The letter of yhat, with its indices."""
        letter = self.name(self.code.get("yhat", r"\hat y")).letter
        return Name(letter, tuple(Name(i) for i in self.indices), "".join(self.indices))

    @cached_property
    def indices(self) -> tuple[str, ...]:
        """The indices of the prediction, () if it is a number."""
        return self.domains[self.name(self.code.get("yhat", r"\hat y")).letter][1]

    @property
    def value_letter(self) -> str:
        """The letter of the loss."""
        return self.value.letter if isinstance(self.value, Name) else ""

    @cached_property
    def parameters(self) -> dict[str, Name]:
        """The letters of the parameters, by their names in Python."""
        return {key: self.name(text) for key, text in self.code.get("parameters", {}).items()}

    def name(self, text: str) -> Name:
        """A name as the block prints it."""
        return self.scope.name(text)

    # ---- the page, read from top to bottom

    def _growth(self, page: Page, sizes: tuple[int, ...]) -> dict[int, int]:
        """By how long an index is on the page: how long it is here."""
        known = lesson_of(self.loss, ())
        if len(known.indices) != len(sizes):
            raise ValueError(f"the page has {len(known.indices)} indices, not {len(sizes)}")
        return {self.original[index]: size for index, size in zip(known.indices, sizes, strict=True)}

    def _walk(self, page: Page) -> None:
        scope, under = self.scope, dict[str, list[str]]()
        for entry in page.block.get("under", ()):
            for text in entry["read"]:
                under.setdefault(text, []).append(entry.get("where", ""))
        define: set[str] = set()
        derived: dict[str, Definition] | None = None  # what stands on the page where the derivation ends
        before_code = 0
        stop = page.body.find(END)
        for kind, what in page.events():
            if kind == CODE_HERE:
                if what == self.code:
                    self.definitions, self.domains = dict(scope.definitions), dict(scope.domains)
                    self.taught = _still_there(derived or self.definitions, self.definitions)
                    before_code = len(self.equations)
            elif kind == WORDS_HERE:
                scope.change(what)
                define |= set(what.get("define", ()))
                for text in what.get("define", ()) if "at" in what else ():
                    self._read(text)
            elif derived is None and 0 < stop < what.start:
                derived = dict(scope.definitions)
                self._formula(what, under, define, False)
            else:
                self._formula(what, under, define, derived is None)
        early = [Equation(e.tag, e.clause, self.definitions, self.domains) for e in self.equations[:before_code]]
        self.equations[:before_code] = early

    def _formula(self, formula: Formula, under: dict[str, list[str]], define: set[str], derives: bool) -> None:
        """Take what a formula defines; derives: it stands in the derivation, where displays are steps."""
        if not formula.inline:
            self._read(formula.text, display=derives)
        elif formula.text in under:
            for where in under[formula.text]:
                self._read(formula.text, where=where)
        elif formula.text in define:
            self._read(formula.text)

    def _read(self, text: str, display: bool = False, where: str = "") -> None:
        """Take the definitions of a formula; the clauses of a display are equations as well."""
        try:
            clauses = self.scope.read(text)
            condition = self.scope.conditions(where) if where else None
        except NotReadError:
            return
        tag = "".join(TAG.findall(text))
        for clause in clauses:
            self.scope.defined(Clause(clause.chain, condition) if condition else clause)
            head, *sides = clause.chain.sides
            if tag and isinstance(head, Name):
                self.tags |= {(head.letter, side): tag for side in sides}
            if display and not self.scope.is_example and not clause.other:
                here = dict(self.scope.definitions), dict(self.scope.domains)
                self.equations.append(Equation(tag, clause, *here))

    def _term(self, kind: str) -> Term | None:
        """The formula that the block calls the value, the gradient or the curvature of the class."""
        codes = [self.code, *_page_of(type(self.loss)).block["code"]] if kind == "value" else [self.code]
        text = next((code[kind] for code in codes if kind in code), None)
        return None if text is None else self.scope.read(text)[0].chain.sides[0]

    # ---- numbers

    def numbers(self, y: Floats, yhat: Floats) -> Iterator[tuple[tuple[int, ...], Numbers]]:
        """The numbers of each loss: of its letters; with it the place of the loss among all of them."""
        if not self.indices or self._is_one_vector:
            for place in np.ndindex(yhat.shape):
                yield place, self._of_unit(y[place], yhat[place], place)
            return
        axis = getattr(self.loss, "axis", None)
        if yhat.ndim == len(self.indices):
            if len(self.indices) == 2 and axis in (1, -1):  # the page has the classes first
                y, yhat = y.T, yhat.T
            yield (), self._of_unit(y, yhat, ())
        elif yhat.ndim == 2 and axis in (1, -1):
            for n, row in enumerate(yhat):
                yield (n,), self._of_unit(y[n], row, (n,))
        else:
            one = "one row" if len(self.indices) == 1 else "one table"
            raise ValueError(f"yhat has shape {yhat.shape}; the page of {type(self.loss).__name__} is about {one}")

    @property
    def _is_one_vector(self) -> bool:
        """Whether the page has a vector of one entry where ours is a number."""
        return getattr(self.loss, ONE_VECTOR, self) is None

    def _of_unit(self, y: Any, yhat: Any, place: tuple[int, ...]) -> Numbers:
        found: Numbers = {}
        for name, value in ((self.target, y), (self.prediction, yhat)):
            found[name.letter] = self._as_letter(name.letter, np.asarray(value))
        for key, name in self.parameters.items():
            value = getattr(self.loss, key)
            letter = name.printed if name.printed in self.labels else name.letter
            shape = [len(self.ranges[i]) for i in self.domains[letter][1]]
            if value is None and key == "alpha":
                found[WITHOUT_ALPHA] = ONE
                continue
            if value is None:
                value = np.eye(shape[0]) if len(shape) == 2 else 1.0
            value = np.asarray(value, np.float64)
            if not shape and value.ndim:  # such as a weight for each column
                value = value[place[len(place) - value.ndim :]]
            found[letter] = self._as_letter(letter, np.broadcast_to(value, shape))
        if isinstance(weight := getattr(self.loss, "weight", None), float) and "w" in self.definitions:
            found["w"] = Decimal(weight)
        return self._completed(found)

    @property
    def labels(self) -> set[str]:
        """The names whose subscript is no index."""
        return self.scope.words["labels"]

    def _as_letter(self, letter: str, value: Any) -> Value | int:
        """Numbers as the page has them: a class index becomes a row where the page has rows."""
        domain, shape = self.domains[letter]
        if domain == "member":
            return int(value) + self.first
        if not shape:
            return Decimal(float(value))
        sizes = [len(self.ranges[index]) for index in shape]
        if value.ndim == len(sizes) - 1 and len(sizes) == 1:
            value = (np.arange(sizes[0]) == value).astype(float) if sizes[0] > 1 else value.reshape(1)
        cells = itertools.product(*(self.ranges[index] for index in shape))
        return Array(dict(zip(cells, (Decimal(float(x)) for x in value.ravel()), strict=True)))

    def _completed(self, found: Numbers) -> Numbers:
        """The constants too, weights that nobody gave, and the index that the page's conditions single out."""
        block = _page_of(type(self.loss)).block
        found |= {name: Decimal(count) for name, count in self.scope.constants.items() if name not in found}
        members = []
        for letter, (domain, shape) in self.domains.items():
            if letter in found or not shape:
                continue
            if domain == "positive" and any(text.startswith(f"{letter}_") for text in block.get("positive", ())):
                cells = itertools.product(*(self.ranges[index] for index in shape))
                found[letter] = Array(dict.fromkeys(cells, ONE))
            elif domain == "member":
                members.append((letter, self.ranges[shape[0]]))
        for values in itertools.product(*(indices for _, indices in members)):
            more = {**found, **dict(zip((letter for letter, _ in members), values, strict=True))}
            if self._met(more):
                return more
        return found

    def _met(self, numbers: Numbers) -> bool:
        """Whether the conditions of the whole page hold. A condition on other letters does not count."""
        point = Point(self.letters, self.definitions, numbers)
        try:
            return all(
                point.holds(condition, indices)
                for condition in self.scope.always
                for indices in self.scope.assignments(condition)
            )
        except NotReadError:
            return True

    def point(self, numbers: Numbers, equation: Equation | None = None) -> Point:
        """The page at these numbers, with the meanings that letters have in an equation."""
        if equation is None:
            return Point(self.letters, self.definitions, numbers)
        same = {n: x for n, x in numbers.items() if self.domains.get(n) == equation.domains.get(n)}
        return Point(self.letters, equation.definitions, same)

    def assignments(self, *parts: object) -> Iterator[Indices]:
        """The values of the free indices of formulas; of two indices of one kind those on the diagonal alone."""
        names = sorted(indices_in(parts, self.ranges))
        kinds = sorted({self.original[name] for name in names})
        of_kind = [next(self.ranges[name] for name in names if self.original[name] == kind) for kind in kinds]
        for values in itertools.product(*of_kind):
            yield {name: values[kinds.index(self.original[name])] for name in names}


@lru_cache
def _page_of(cls: type[Loss]) -> Page:
    return read_page(catalogue.page(cls))


@lru_cache(64)
def lesson_of(loss: Loss, sizes: tuple[int, ...], scalar: bool = False) -> Lesson:
    """A lesson; the last ones are remembered."""
    with decimal.localcontext(CONTEXT):
        return Lesson(loss, sizes, scalar)


def lesson_for(loss: Loss, yhat: ArrayLike, scalar: bool = False) -> Lesson:
    """The page of a loss, as long as these predictions. scalar: a residual that can be a number is one."""
    shape, known = np.shape(yhat), lesson_of(loss, (), scalar)
    count = len(known.indices)
    if not count:
        return known
    if getattr(loss, ONE_VECTOR, loss) is None:
        return lesson_of(loss, (1,))
    sizes = shape[len(shape) - count :]
    if len(sizes) < count:
        one = "one row of numbers" if count == 1 else "a table, with a row for each pixel and a column for each class"
        raise ValueError(f"yhat has shape {shape}; the page of {type(loss).__name__} is about {one}")
    return lesson_of(loss, sizes[::-1] if count == 2 and getattr(loss, "axis", 0) in (1, -1) else sizes)


def _still_there(old: Mapping[str, Definition], new: Mapping[str, Definition]) -> dict[str, Definition]:
    """The old definitions of names that were not forgotten since; they may have got more cases."""
    return {key: found for key, found in old.items() if key in new and new[key].rows[0][0] is found.rows[0][0]}


def _code_of(block: Mapping[str, Any], loss: Loss, scalar: bool) -> dict[str, Any]:
    """The [[code]] that speaks of this loss: of its clamp, of its way to differentiate.

    scalar: of a residual that is a number, where the page has one for vectors too.
    """
    found = []
    for code in block.get("code", ()):
        has_clamp = "clamp" in code.get("parameters", {})
        fixed = {key: value for key, value in code.get("fixed", {}).items() if key != "axis"}
        if {"where", "page"} & code.keys() or "reduction" in fixed:
            continue
        if scalar and ONE_VECTOR in code.get("parameters", {}):
            continue
        if has_clamp == (getattr(loss, "clamp", None) is not None):
            found += [code] if all(getattr(loss, key) == value for key, value in fixed.items()) else []
    if not found:
        raise ValueError(f"the page of {type(loss).__name__} does not say which letters are its numbers")
    kinds = ("value", "grad", "curvature")
    best: dict[str, Any] = max(found, key=lambda code: (len(code.get("parameters", ())), len(set(kinds) & code.keys())))
    return best


def _counts(block: Mapping[str, Any]) -> dict[str, int]:
    """How many values each index of a page has."""
    found: dict[str, int] = {}
    for part in (block, *block.get("place", ())):
        found |= part.get("index", {})
    return found


def _resized(page: Page, growth: Mapping[int, int]) -> Page:
    """The page with other numbers of indices."""

    def part(old: Mapping[str, Any]) -> dict[str, Any]:
        new = dict(old)
        for key in ("index", "constants"):
            if key in old:
                new[key] = {name: growth.get(count, count) for name, count in old[key].items()}
        return new

    block = part(page.block)
    if "place" in block:
        block["place"] = [part(place) for place in block["place"]]
    return Page(page.text, page.formulas, block)
