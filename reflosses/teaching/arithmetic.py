"""Numbers of 120 digits, and vectors and matrices of them.

Python's `decimal` has all that the pages need: the four operations, powers, exp, ln and sqrt, correctly rounded. So a
page can be evaluated wherever NumPy runs. mpmath and python-flint would be a dependency for the same digits.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

DIGITS = 120
STEP = Decimal("1e-30")  # of a difference quotient: central ones are off by its square
EXACT = Decimal("1e-40")  # two sides that differ by less, relative to them, are equal
CONTEXT = decimal.Context(
    prec=DIGITS,
    Emin=-999999,
    Emax=999999,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True)
class Array:
    """Numbers by index: a column vector, a row vector, or a matrix. Indices are tuples of integers."""

    cells: dict[tuple[int, ...], Decimal]
    row: bool = False

    @property
    def rank(self) -> int:
        """The number of indices."""
        return len(next(iter(self.cells)))

    def each(self, function: Callable[[Decimal], Decimal]) -> Array:
        """The array with a function applied to every number."""
        return Array({index: function(x) for index, x in self.cells.items()}, self.row)

    def with_cell(self, index: tuple[int, ...], change: Decimal) -> Array:
        """The array with one number moved."""
        return Array({**self.cells, index: self.cells[index] + change}, self.row)

    def transposed(self) -> Array:
        """A row from a column, a column from a row, a matrix with its indices exchanged."""
        if self.rank == 1:
            return Array(self.cells, not self.row)
        return Array({(j, i): x for (i, j), x in self.cells.items()})


Value = Decimal | Array


def summed(a: Value, b: Value) -> Value:
    """a + b. ValueError for a vector and a number, or two shapes."""
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return a + b
    if isinstance(a, Array) and isinstance(b, Array) and a.cells.keys() == b.cells.keys() and a.row == b.row:
        return Array({index: x + b.cells[index] for index, x in a.cells.items()}, a.row)
    raise ValueError("a sum of things of two shapes")


def added(a: Value, b: Value) -> Value:
    """a + b as terms of a sum: a product that a factor 0 ended is the number 0, and fits every shape."""
    if isinstance(a, Array) and b == 0:
        return a
    return b if isinstance(b, Array) and a == 0 else summed(a, b)


def multiply(a: Value, b: Value) -> Value:
    """a · b: numbers, a number and an array, or the product of vectors and matrices. ValueError if there is none."""
    if isinstance(a, Decimal):
        return a * b if isinstance(b, Decimal) else b.each(lambda x: a * x)
    if isinstance(b, Decimal):
        return a.each(lambda x: x * b)
    last = {index[-1] for index in a.cells}
    if a.rank == 1 and not a.row:
        if b.rank == 1 and b.row:
            return Array({(i, j): x * y for (i,), x in a.cells.items() for (j,), y in b.cells.items()})
        raise ValueError("a product of two columns")
    if (b.rank == 1 and b.row) or last != {index[0] for index in b.cells}:
        raise ValueError("a product of shapes that do not fit")
    cells: dict[tuple[int, ...], Decimal] = {}
    for left, x in a.cells.items():
        for right, y in b.cells.items():
            if left[-1] == right[0]:
                key = left[:-1] + right[1:]
                cells[key] = cells.get(key, ZERO) + x * y
    if set(cells) == {()}:
        return cells[()]
    return Array(cells, a.rank == 1)


def size(a: Value) -> Decimal:
    """The absolute value, or the length of a vector."""
    if isinstance(a, Decimal):
        return abs(a)
    return sum((x * x for x in a.cells.values()), ZERO).sqrt()


def distance(a: Value, b: Value) -> Decimal:
    """|a − b|. ValueError for two shapes."""
    return size(summed(a, multiply(-ONE, b)))


def exponential(x: Decimal) -> Decimal:
    """The exponential of a number."""
    return _exponential(x, decimal.getcontext().prec)


def logarithm(x: Decimal) -> Decimal:
    """The logarithm of a positive number; `decimal` alone would call the one of 0 minus infinity."""
    if x <= 0:
        raise decimal.InvalidOperation(f"the logarithm of {x:.6g}")
    return _logarithm(x, decimal.getcontext().prec)


@lru_cache(1 << 14)  # a difference quotient moves one letter; the exponentials of all others stay
def _exponential(x: Decimal, digits: int) -> Decimal:
    return x.exp()


@lru_cache(1 << 14)
def _logarithm(x: Decimal, digits: int) -> Decimal:
    return x.ln()


FUNCTIONS: dict[str, Callable[[Decimal], Decimal]] = {
    r"\log": logarithm,
    r"\exp": exponential,
    r"\sqrt": lambda x: x.sqrt(),
    r"\sinh": lambda x: (x.exp() - (-x).exp()) / 2,
    r"\cosh": lambda x: (x.exp() + (-x).exp()) / 2,
    r"\tanh": lambda x: 1 - 2 / ((2 * x).exp() + 1),
    r"\mathrm{sign}": lambda x: Decimal((x > 0) - (x < 0)),
}
