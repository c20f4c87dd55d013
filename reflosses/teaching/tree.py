"""A formula as a tree: what its parts are, without what they are worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace


class NotReadError(Exception):
    """A formula, or a part of one, that the reader has no meaning for; the message is the reason."""


@dataclass(frozen=True)
class Term:
    """A part of a formula that has a value."""


@dataclass(frozen=True)
class Numeral(Term):
    """A number as printed."""

    text: str


@dataclass(frozen=True)
class Name(Term):
    """A letter with its primes, subscripts and arguments: `ρ''(s)`, `p_{ln}`; `subscript` is the text of the latter."""

    letter: str
    subscripts: tuple[Term, ...] = ()
    subscript: str = ""
    primes: int = 0
    arguments: tuple[Term, ...] | None = None

    @property
    def printed(self) -> str:
        """The letter with its subscript: the whole name where the subscript is a label, as in `p_t`."""
        return f"{self.letter}_{self.subscript}" if self.subscript else self.letter


@dataclass(frozen=True)
class Sum(Term):
    """Terms with their signs."""

    terms: tuple[tuple[int, Term], ...]


@dataclass(frozen=True)
class Product(Term):
    """Factors; `over` is True for a factor that divides what stands before it."""

    factors: tuple[tuple[bool, Term], ...]


@dataclass(frozen=True)
class Power(Term):
    """A power; `exponent` None is a transpose."""

    base: Term
    exponent: Term | None


@dataclass(frozen=True)
class Applied(Term):
    """A function that every page knows: \\log, \\max, \\sqrt, abs, norm."""

    function: str
    arguments: tuple[Term, ...]


@dataclass(frozen=True)
class BigSum(Term):
    """A sum, or the smallest or largest, over an index or over all free indices of its body, under a condition."""

    function: str
    index: str
    condition: Chain | None
    upper: Term | None
    body: Term


@dataclass(frozen=True)
class Cases(Term):
    """Values, each under its condition."""

    rows: tuple[tuple[Term, Condition], ...]


@dataclass(frozen=True)
class Derivative(Term):
    """dX/dv or ∂X/∂v; `by` has a name twice for a second derivative."""

    partial: bool
    body: Term
    by: tuple[Name, ...]


@dataclass(frozen=True)
class Nabla(Term):
    """∇X, by a named vector or by the one of the page; order 2 is the Hessian."""

    by: Name | None
    order: int
    body: Term


@dataclass(frozen=True)
class At(Term):
    """X at a point."""

    body: Term
    point: Condition


@dataclass(frozen=True)
class Limit(Term):
    """The limit of X as a name goes to 0 from below (-1) or above (1)."""

    name: Name
    side: int
    body: Term


@dataclass(frozen=True)
class Row(Term):
    """Numbers in a bracket, (1, 0, 1), or in braces."""

    items: tuple[Term, ...]


@dataclass(frozen=True)
class Chain:
    """A = B = C: sides and the relations between them."""

    sides: tuple[Term, ...]
    relations: tuple[str, ...]


@dataclass(frozen=True)
class Condition:
    """Alternatives, each a tuple of chains that hold together; a Name in place of a chain is held constant."""

    alternatives: tuple[tuple[Chain | Name, ...], ...] = ((),)


@dataclass(frozen=True)
class Clause:
    """A chain and where it holds; `other` marks a clause after "or"."""

    chain: Chain
    condition: Condition = field(default_factory=Condition)
    other: bool = False


def mapped(node: Term, change: Callable[[Term], Term | None]) -> Term:
    """A formula with some parts in place of others. change: the new part, None to look inside the old one."""
    if (new := change(node)) is not None:
        return new
    match node:
        case Name(arguments=tuple(arguments)):
            return replace(node, arguments=tuple(mapped(item, change) for item in arguments))
        case Sum(terms):
            return Sum(tuple((sign, mapped(term, change)) for sign, term in terms))
        case Product(factors):
            return Product(tuple((over, mapped(factor, change)) for over, factor in factors))
        case Power(base, exponent):
            return Power(mapped(base, change), None if exponent is None else mapped(exponent, change))
        case Applied(function, arguments):
            return Applied(function, tuple(mapped(item, change) for item in arguments))
        case BigSum():
            return replace(node, body=mapped(node.body, change))
        case Cases(rows):
            return Cases(tuple((mapped(body, change), condition) for body, condition in rows))
    return node
