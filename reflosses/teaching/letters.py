"""The letters of an answer: what was typed, and which letter of the page it is, with which indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reflosses import catalogue
from reflosses.teaching.expression import FUNCTIONS
from reflosses.teaching.lesson import Lesson
from reflosses.teaching.tree import (
    Applied,
    BigSum,
    Cases,
    Chain,
    Condition,
    Name,
    NotReadError,
    Numeral,
    Power,
    Product,
    Sum,
    Term,
)

FREE = "sum"  # the index of a sum that names none


class UnknownLetterError(NotReadError):
    """A name that is no letter of the page."""


@dataclass(frozen=True)
class Spelling:
    """What a typed name stands for: a letter of the page with the kinds of its indices, or a formula."""

    name: Name
    indices: tuple[str, ...] = ()
    formula: Term | None = None


class Resolver:
    """Typed names as letters of the page, each with its indices."""

    def __init__(self, lesson: Lesson, index: tuple[str, ...], spellings: Mapping[str, Spelling]):
        self.lesson = lesson
        self.index = index  # of the entry that is asked for
        self.spellings = spellings

    def term(self, node: Term, bound: Mapping[int, str]) -> Term:
        """bound: for each kind of index, by its length on the page, the index that a bare name gets."""
        match node:
            case Numeral(text):
                if len(text) > 20:
                    raise NotReadError("a number has too many digits")
                return node
            case Name():
                return self.name(node, bound)
            case Sum(terms):
                return Sum(tuple((sign, self.term(term, bound)) for sign, term in terms))
            case Product(factors):
                return Product(tuple((over, self.term(factor, bound)) for over, factor in factors))
            case Power(Name("e", (), "", 0, None), exponent) if exponent is not None and "e" not in self.spellings:
                return Applied(r"\exp", (self.term(exponent, bound),))
            case Power(base, exponent) if exponent is not None:
                return Power(self.term(base, bound), self.term(exponent, bound))
            case Applied(function, arguments):
                if function == "norm":
                    function = "abs"
                return Applied(function, tuple(self.term(item, bound) for item in arguments))
            case Cases(rows):
                return Cases(tuple((self.term(body, bound), self.condition(c, bound)) for body, c in rows))
            case BigSum(r"\sum", index, None, None, body):
                return self.sum(index, body, bound)
        raise NotReadError("an answer has letters, numbers, sums, products, powers and known functions alone")

    def condition(self, condition: Condition, bound: Mapping[int, str]) -> Condition:
        """A condition of cases."""
        found = []
        for facts in condition.alternatives:
            chains = []
            for fact in facts:
                if not isinstance(fact, Chain):
                    raise NotReadError("a condition such as r < delta is due")
                chains.append(Chain(tuple(self.side(side, bound) for side in fact.sides), fact.relations))
            found.append(tuple(chains))
        return Condition(tuple(found))

    def side(self, node: Term, bound: Mapping[int, str]) -> Term:
        """A side of a condition: an index may stand there by itself, as in j == t."""
        if isinstance(node, Name) and not node.subscripts and node.letter in self.lesson.ranges:
            return node
        return self.term(node, bound)

    def sum(self, index: str, body: Term, bound: Mapping[int, str]) -> Term:
        """A sum over an index, or over all that its body has: sum(p*t)."""
        if index:
            if index not in self.lesson.ranges:
                raise NotReadError(f"{index} is no index of the page")
            inner = {**bound, self.lesson.original[index]: index}
            return BigSum(r"\sum", index, None, None, self.term(body, inner))
        explicit = _subscripts_in(body) & self.lesson.ranges.keys()
        kinds = self.kinds_in(body)
        if not kinds:
            raise NotReadError("a sum without anything to add up")
        found, inner = [], dict(bound)
        for kind in sorted(kinds):
            own = sorted(name for name in explicit if self.lesson.original[name] == kind)
            own = [name for name in own if name not in self.index] or own
            inner[kind] = own[0] if own else f"{FREE}{kind}"
            found.append(inner[kind])
        result = self.term(body, inner)
        for name in found:
            result = BigSum(r"\sum", name, None, None, result)
        return result

    def kinds_in(self, node: object) -> set[int]:
        """The kinds of the indices that the names of a formula have."""
        if isinstance(node, Name):
            spelling = self.spellings.get(key_of(node.printed)) or self.spellings.get(key_of(node.letter))
            if spelling is None:
                return set()
            if isinstance(spelling.formula, Name):  # the row of the true class
                return {self.lesson.original[self.index[0]]}
            return {self.lesson.original[name] for name in spelling.indices}
        parts = node if isinstance(node, (tuple, list)) else vars(node).values() if hasattr(node, "__dict__") else ()
        return set[int]().union(*map(self.kinds_in, parts))

    def name(self, node: Name, bound: Mapping[int, str]) -> Term:
        """The letter of the page that a name is, with its indices."""
        if node.primes:
            raise NotReadError("a derivative is no answer")
        if node.arguments is not None:
            return self.call(node, bound)
        whole = self.spellings.get(key_of(node.printed))
        spelling = whole or self.spellings.get(key_of(node.letter))
        if key_of(node.letter) == "delta" and len(node.subscripts) == 2:
            return Name(r"\delta", tuple(self.subscript(s) for s in node.subscripts), "")
        if spelling is None:
            raise UnknownLetterError(self.unknown(node))
        if isinstance(spelling.formula, Name):  # y_j, 1 for the true class
            subscript = node.subscripts[0] if node.subscripts else Name(next(iter(bound.values())))
            return Name(r"\delta", (self.subscript(subscript), spelling.name), "")
        if spelling.formula is not None:
            return spelling.formula
        if (whole and not node.subscripts) or not spelling.indices:
            if node.subscripts and not whole:
                raise NotReadError(f"{node.letter} has no entries")
            indices = [Name(bound[self.lesson.original[name]]) for name in spelling.indices]
        else:
            indices = [self.subscript(s) for s in node.subscripts]
            if len(indices) != len(spelling.indices):
                raise NotReadError(f"{node.letter} has {len(spelling.indices)} indices")
        if not indices:
            return spelling.name
        return Name(spelling.name.letter, tuple(indices), "".join(index.letter for index in indices))

    def subscript(self, node: Term) -> Name:
        """A subscript: an index of the page, or the true class."""
        if not isinstance(node, Name):
            raise NotReadError("a subscript is a letter")
        spelling = self.spellings.get(node.letter)
        if node.letter in self.lesson.ranges:
            return node
        if spelling and self.lesson.domains.get(spelling.name.letter, ("",))[0] == "member":
            return spelling.name
        raise NotReadError(f"{node.letter} is no index of the page; {self.indices_in_words()}")

    def indices_in_words(self) -> str:
        """Which index may be typed."""
        index = self.index
        return f"the entry that is asked for is {', '.join(index)}" if index else "the page has no indices here"

    def call(self, node: Name, bound: Mapping[int, str]) -> Term:
        """A function of the page, as LaTeX has it: \\sigma(-z)."""
        (argument,) = node.arguments if node.arguments and len(node.arguments) == 1 else (None,)
        word = key_of(node.letter).replace("mathrm", "")
        if argument is None or word not in FUNCTIONS:
            raise NotReadError(f"{word} is no function that is read")
        return self.term(FUNCTIONS[word](argument), bound)

    def unknown(self, node: Name) -> str:
        """That a name is no letter of the page, and which one is near."""
        word = key_of(node.printed)
        if word in ("nan", "inf", "infinity"):
            return f"{word} is no answer"
        hint = catalogue.did_you_mean(word, self.spellings)
        return f"{word} is no letter of this page{'; ' if hint else ''}{hint}"


def _subscripts_in(node: object) -> set[str]:
    if isinstance(node, Name):
        return {s.letter for s in node.subscripts if isinstance(s, Name)}
    parts = node if isinstance(node, (tuple, list)) else vars(node).values() if hasattr(node, "__dict__") else ()
    return set[str]().union(*map(_subscripts_in, parts))


def key_of(letter: str) -> str:
    r"""A letter of a page as one types it: `\hat y` as yhat, `\alpha_t` as alphat."""
    plain = letter.replace(r"\hat ", "hat ").replace("\\", "").replace("{", "").replace("}", "").replace("_", "")
    plain = plain.replace("varepsilon", "epsilon")
    head, space, tail = plain.partition(" ")
    return tail + head if space else plain
