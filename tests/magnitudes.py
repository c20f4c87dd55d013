"""Numbers that remember the sizes of their terms: what the accuracy of a difference can be relative to.

A `Sized` is a Taylor series in one prediction, of three coefficients, as in `reflosses.truth.arithmetic`. Beside each
coefficient stands its size: the sum of the absolute values of the terms that it is made of.

    a ± b    the sizes add up, also where the numbers cancel
    a · b    the series of sizes are multiplied
    f(a)     |f(a)|, and |f′(a)| times what has cancelled in a; each derivative of f alike

The definition of a loss, evaluated with these, gives the sum of the absolute values of its own terms: for the value,
the gradient and the curvature. A loss may not state errors relative to more than that (`error_scale`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flint
import numpy as np

BITS = 2200  # the sum of any two floats is exact

Series = list[Any]  # three balls: the value, the first derivative, half of the second


class NoSizeError(ValueError):
    """A definition has a pole there, or 0 to a power."""


@contextmanager
def enough_bits() -> Iterator[None]:
    """Evaluate with balls in which sums are exact."""
    before, flint.ctx.prec = flint.ctx.prec, BITS
    try:
        yield
    finally:
        flint.ctx.prec = before


def _product(a: Series, b: Series) -> Series:
    return [sum((a[i] * b[k - i] for i in range(k + 1)), flint.arb(0)) for k in range(3)]


class Sized:
    """A number, or a series, with the sizes of its terms."""

    def __init__(self, x: Series, size: Series) -> None:
        self.x, self.size = x, size

    @staticmethod
    def of(a: Any) -> "Sized":
        if isinstance(a, Sized):
            return a
        ball, nothing = flint.arb(a), flint.arb(0)
        return Sized([ball, nothing, nothing], [abs(ball), nothing, nothing])

    def __add__(self, other: Any) -> "Sized":
        b = Sized.of(other)
        return Sized([p + q for p, q in zip(self.x, b.x)], [p + q for p, q in zip(self.size, b.size)])  # noqa: B905

    def __mul__(self, other: Any) -> "Sized":
        b = Sized.of(other)
        return Sized(_product(self.x, b.x), _product(self.size, b.size))

    def __neg__(self) -> "Sized":
        return Sized([-p for p in self.x], self.size)

    def __sub__(self, other: Any) -> "Sized":
        return self + -Sized.of(other)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> "Sized":
        return Sized.of(other) + -self

    def __truediv__(self, other: Any) -> "Sized":
        b = Sized.of(other)
        if b.x[0] == 0:
            raise NoSizeError
        v = 1 / b.x[0]
        return self * b.through(v, -(v**2), 2 * v**3, -6 * v**4)

    def __rtruediv__(self, other: Any) -> "Sized":
        return Sized.of(other) / self

    def __pow__(self, n: Any) -> "Sized":
        return power(self, n)

    def through(self, f: Any, f1: Any, f2: Any, f3: Any) -> "Sized":
        """A function of it, by the function's value and derivatives there."""
        a, b = self.x, self.size
        cancelled = b[0] - abs(a[0])
        s, s1, s2 = (abs(p) + abs(q) * cancelled for p, q in ((f, f1), (f1, f2), (f2, f3)))
        return Sized([f, f1 * a[1], f1 * a[2] + f2 * a[1] ** 2 / 2], [s, s1 * b[1], s1 * b[2] + s2 * b[1] ** 2 / 2])

    def __abs__(self) -> "Sized":
        return -self if self < 0 else self

    def __lt__(self, other: Any) -> bool:
        return bool(self.x[0] < Sized.of(other).x[0])

    def __le__(self, other: Any) -> bool:
        return bool(self.x[0] <= Sized.of(other).x[0])

    def __gt__(self, other: Any) -> bool:
        return Sized.of(other) < self

    def __ge__(self, other: Any) -> bool:
        return Sized.of(other) <= self

    def __eq__(self, other: object) -> bool:
        return bool(self.x[0] == Sized.of(other).x[0]) if isinstance(other, Sized | int | float) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


def power(a: Any, exponent: Any) -> Sized:
    a, n = Sized.of(a), Sized.of(exponent).x[0]
    if n == 0:
        return Sized.of(1)
    if a.x[0] == 0 and not (n == 1 or n == 2):
        raise NoSizeError
    factors = [flint.arb(1), n, n * (n - 1), n * (n - 1) * (n - 2)]
    return a.through(*(flint.arb(0) if c == 0 else c * a.x[0] ** (n - k) for k, c in enumerate(factors)))


class Sizes:
    """The functions that a definition may use, on `Sized` numbers."""

    def lift(self, value: Any) -> Any:
        if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
            return [self.lift(v) for v in value]
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number | np.ndarray):
            return value
        return Sized.of(float(value))

    def variable(self, value: float) -> Sized:
        ball, one, nothing = flint.arb(float(value)), flint.arb(1), flint.arb(0)
        return Sized([ball, one, nothing], [abs(ball), one, nothing])

    def constant(self, a: Sized) -> Sized:
        nothing = flint.arb(0)
        return Sized([a.x[0], nothing, nothing], [a.size[0], nothing, nothing])

    power = staticmethod(power)

    def exp(self, a: Any) -> Sized:
        a = Sized.of(a)
        return a.through(*[a.x[0].exp()] * 4)

    def log(self, a: Any) -> Sized:
        a = Sized.of(a)
        if not a.x[0] > 0:
            raise NoSizeError
        v = 1 / a.x[0]
        return a.through(a.x[0].log(), v, -(v**2), 2 * v**3)

    def sqrt(self, a: Any) -> Sized:
        return power(a, 0.5)

    def softplus(self, a: Any) -> Sized:
        a = Sized.of(a)
        p, q = 1 / (1 + (-a.x[0]).exp()), 1 / (1 + a.x[0].exp())
        return a.through(a.x[0].exp().log1p(), p, p * q, p * q * (q - p))

    def logsumexp(self, each: list[Any]) -> Sized:
        each = [Sized.of(a) for a in each]
        top = max(each, key=lambda a: float(a.x[0])).x[0]
        e = [(a.x[0] - top).exp() for a in each]
        total = sum(e, flint.arb(0))
        p = [v / total for v in e]

        def mean(of: Any) -> Any:
            return sum((v * of(a) for v, a in zip(p, each, strict=True)), flint.arb(0))

        x, size = [top + total.log()], [abs(top + total.log())]
        x += [mean(lambda a: a.x[1]), mean(lambda a: a.x[2] + a.x[1] ** 2 / 2) - mean(lambda a: a.x[1]) ** 2 / 2]
        of_size = mean(lambda a: a.size[1])
        size += [of_size, mean(lambda a: a.size[2] + a.size[1] ** 2 / 2) + of_size**2 / 2]
        return Sized(x, size)

    def xlogy(self, a: Any, b: Any) -> Sized:
        a = Sized.of(a)
        return Sized.of(0) if all(c == 0 for c in a.x) else a * self.log(b)
