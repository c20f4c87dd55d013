"""Numbers that enclose the exact result, for the textbook definitions of the losses.

A *ball* encloses a real number between two bounds. An operation on balls encloses every possible result (python-flint,
`arb`). A power series of balls in one prediction (`arb_series`) carries the value and two derivatives through the
formula at once. If both ends of a result round to the same float64, that float64 is proved to be correctly rounded.

`definition(m, y, yhat, …)` receives the `Number`s of this module in place of floats, and their functions as `m`:

    + − * / **  abs  max  min      as usual
    < <= > >=                      decided infinitely close to the point, on one side of it (`Arithmetic.side`): the
                                   textbook formula then gives both one-sided derivatives at a kink
    ==                             decided at the point itself: its branch states the convention there, with its own
                                   derivatives
    m.exp m.log m.sqrt m.power     elementary functions; m.power(0, 0) = 1; m.log(0) is an exact −∞
    m.softplus m.logsumexp         log(1 + eˣ) and log Σ eˣ by the side that does not overflow
    m.xlogy(a, b)                  a·log b with 0·log 0 = 0
    m.constant(x)                  x, without its derivative
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from operator import add, mul, sub, truediv
from threading import RLock
from typing import Any

import numpy as np

from reflosses.evaluation.sums import rounded

flint: Any = None  # python-flint, the extra [truth]; see `available`

_lock = RLock()  # python-flint's precision is global


def available() -> bool:
    """Whether python-flint is installed. This question, or the first call that certifies, imports it."""
    global flint
    if flint is None:
        with suppress(ImportError):
            flint = importlib.import_module("flint")
    return flint is not None


class NeedsMoreBits(Exception):
    """A comparison needs more bits."""


class CannotCertifyError(ValueError):
    """No correctly rounded result was found, and none is guessed."""


class NoDerivativeError(CannotCertifyError):
    """The definition has no known derivative there: ∞ − ∞, or the slope of 0 to a power below 1."""


# ---- numbers ---------------------------------------------------------------------------------------------------------

ORDER = 3  # value, first and second derivative


class Ordered:
    """Numbers are compared by the sign of their difference, infinitely close to the point."""

    __slots__ = ()

    def __bool__(self: Any) -> bool:
        raise TypeError("the truth value of a number is not defined in a definition; write x == 0")

    def __abs__(self: Any) -> Any:
        return -self if self.sign() < 0 else self

    def __lt__(self: Any, other: Any) -> bool:
        return bool((self - other).sign() < 0)

    def __le__(self: Any, other: Any) -> bool:
        return bool((self - other).sign() <= 0)

    def __gt__(self: Any, other: Any) -> bool:
        return bool((self - other).sign() > 0)

    def __ge__(self: Any, other: Any) -> bool:
        return bool((self - other).sign() >= 0)


class Number(Ordered):
    """A real number, or a power series in the prediction that is being differentiated.

    `x` is a ball (`flint.arb`), a series of balls (`flint.arb_series`) or, if balls cannot decide, a `Rationals`.
    """

    __slots__ = ("m", "x")

    def __init__(self, m: Arithmetic, x: Any) -> None:
        self.m, self.x = m, x

    def _with(self, other: Any, operation: Callable[[Any, Any], Any]) -> Any:
        if isinstance(other, (int, float)):
            other = self.m.number(other)
        if not isinstance(other, Number):
            return NotImplemented
        try:
            return Number(self.m, operation(self.x, other.x))
        except ZeroDivisionError:
            raise CannotCertifyError("a division by 0") from None

    def __add__(self, other: Any) -> Any:
        return Number(self.m, self.x + other.x) if type(other) is Number else self._with(other, add)

    def __sub__(self, other: Any) -> Any:
        return Number(self.m, self.x - other.x) if type(other) is Number else self._with(other, sub)

    def __mul__(self, other: Any) -> Any:
        return Number(self.m, self.x * other.x) if type(other) is Number else self._with(other, mul)

    def __truediv__(self, other: Any) -> Any:
        return self._with(other, truediv) if _divides(other) else NotImplemented

    __radd__ = __add__

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: b - a)

    __rmul__ = __mul__

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: b / a) if _divides(self) else NotImplemented

    def __pow__(self, exponent: int) -> Any:
        return self.m.power(self, Number(self.m, self.m.exact(exponent)))

    def __neg__(self) -> Number:
        return Number(self.m, -self.x)

    def coefficients(self) -> list[Any]:
        """The value and the known Taylor coefficients; a constant has its value alone."""
        if isinstance(self.x, flint.arb):
            return [self.x]
        if isinstance(self.x, Rationals):
            return self.x.c
        return [self.x[k] for k in range(min(self.x.prec, ORDER))]  # a power of 0 leaves fewer

    def coefficient(self, k: int) -> Any:
        """The k-th coefficient; NoDerivativeError if it is not known."""
        known = self.coefficients()
        if k < len(known):
            return known[k]
        if self.is_constant():
            return known[0] * 0 if known[0] is not None else flint.fmpq(0)
        raise NoDerivativeError("a derivative of 0 to a power, which may be infinite")

    def is_constant(self) -> bool:
        """Whether it cannot depend on the prediction. A series of zeros still may, in a higher order."""
        return isinstance(self.x, flint.arb) or (isinstance(self.x, Rationals) and len(self.x.c) == 1)

    def sign(self) -> int:
        """The sign infinitely close to the point, on the side of the arithmetic."""
        for k, c in enumerate(self.coefficients()):
            if _is_zero(c):
                self.m.met_a_tie |= k == 0 and not self.is_constant()  # no prediction moves a tie of constants
            elif _sign(c):
                return _sign(c) * (self.m.side if k % 2 else 1)
            else:
                raise NeedsMoreBits
        if not self.is_constant():
            raise NeedsMoreBits
        return 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Number, int, float)):
            return NotImplemented
        difference = (self - other).coefficients()[0]
        if not _is_zero(difference) and not _sign(difference):
            raise NeedsMoreBits
        return _is_zero(difference)


def _is_zero(c: Any) -> bool:
    """Whether a coefficient is exactly 0."""
    return c is not None and bool(c == 0)


def _sign(c: Any) -> int:
    """The sign of a coefficient, if it is known; else 0."""
    return 0 if c is None else 1 if c > 0 else -1 if c < 0 else 0


def _divides(x: Any) -> bool:
    """True; CannotCertifyError for an exact 0, also as the first term of a series."""
    if isinstance(x, Number) and _is_zero(x.coefficient(0)):
        raise CannotCertifyError("a division by 0")
    return True


class Rationals:
    """A power series of fractions; None for a coefficient that is not known to be one.

    Balls shrink around a result, but never tell that it *is* the midpoint of two floats. Such a result is rational,
    and fractions tell: exp(0) = 1, log(1) = 0, and the derivative of a logarithm is a quotient.
    """

    __slots__ = ("c",)

    def __init__(self, c: list[Any]) -> None:
        self.c = c

    def _with(self, other: Rationals) -> tuple[list[Any], list[Any]]:
        """The coefficients of both, filled up with 0 to the same length."""
        n = max(len(self.c), len(other.c))
        a, b = ([*x.c, *[flint.fmpq(0)] * (n - len(x.c))] for x in (self, other))
        return a, b

    def __add__(self, other: Rationals) -> Rationals:
        return Rationals([None if a is None or b is None else a + b for a, b in zip(*self._with(other), strict=True)])

    def __neg__(self) -> Rationals:
        return Rationals([None if a is None else -a for a in self.c])

    def __sub__(self, other: Rationals) -> Rationals:
        return self + -other

    def __mul__(self, other: Rationals) -> Rationals:
        a, b = self._with(other)
        return Rationals([_sum(_times(a[i], b[k - i]) for i in range(k + 1)) for k in range(len(a))])

    def __truediv__(self, other: Rationals) -> Rationals:
        (a, b), quotient = self._with(other), list[Any]()
        if b[0] is None:  # it may be 0
            raise NeedsMoreBits
        if b[0] == 0:
            raise CannotCertifyError("a division by 0")
        for k in range(len(a)):
            rest = _sum([a[k], *(_times(quotient[i], b[k - i], -1) for i in range(k))])
            quotient.append(None if rest is None else rest / b[0])
        return Rationals(quotient)

    def exp(self) -> Rationals:
        """The exponential, known if the value is 0."""
        a = self.c
        if not _is_zero(a[0]):
            return Rationals([None] * len(a))
        if len(a) == 1:
            return Rationals([flint.fmpq(1)])
        return Rationals([flint.fmpq(1), a[1], _sum([a[2], _times(_times(a[1], a[1]), flint.fmpq(1, 2))])])

    def log(self) -> Rationals:
        """The logarithm: its value is known at 1, its derivatives wherever x is known."""
        _not_negative(self.c[0])
        value = flint.fmpq(0) if self.c[0] == 1 else None
        if len(self.c) == 1:
            return Rationals([value])
        slope = Rationals([self.c[1], _times(self.c[2], flint.fmpq(2)), flint.fmpq(0)]) / self
        return Rationals([value, slope.c[0], _times(slope.c[1], flint.fmpq(1, 2))])

    def sqrt(self) -> Rationals:
        """The square root, never known."""
        _not_negative(self.c[0])
        return Rationals([None] * len(self.c))

    def __pow__(self, exponent: Any) -> Rationals:
        _not_negative(self.c[0])
        return Rationals([None] * len(self.c))


def _not_negative(c: Any) -> None:
    """Raise if a coefficient is negative or not known."""
    if c is None:
        raise NeedsMoreBits
    if c < 0:
        raise CannotCertifyError("a logarithm, root or power of a negative number")


def _sum(terms: Iterable[Any]) -> Any:
    total = flint.fmpq(0)
    for t in terms:
        total = None if total is None or t is None else total + t
    return total


def _decided_sign(c: Any) -> int:
    """The sign of a coefficient; 0 only if it is exactly 0."""
    sign = _sign(c)
    if not sign and not _is_zero(c):
        raise NeedsMoreBits
    return sign


def _times(a: Any, b: Any, sign: int = 1) -> Any:
    if _is_zero(a) or _is_zero(b):
        return flint.fmpq(0)
    return None if a is None or b is None else sign * a * b


class Infinite(Ordered):
    """A pole: `toward`·∞. Its derivative is `slope`·∞; if slope is 0, that of the finite `rest`.

    moves: it is a pole of the prediction itself, such as log ε at ε = 0. Its second derivative is then toward·∞.
    """

    __slots__ = ("moves", "rest", "slope", "toward")

    def __init__(self, toward: int, slope: int, rest: Any = 0, moves: bool = False) -> None:
        self.toward, self.slope, self.rest, self.moves = toward, slope, rest, moves

    def sign(self) -> int:
        """The sign of the infinity."""
        return self.toward

    def __add__(self, other: Any) -> Infinite:
        if not isinstance(other, Infinite):
            return Infinite(self.toward, self.slope, self.rest + other, self.moves)
        if other.toward != self.toward or self.slope * other.slope < 0:
            raise NoDerivativeError("∞ − ∞")
        return Infinite(self.toward, self.slope or other.slope, self.rest + other.rest, self.moves or other.moves)

    __radd__ = __add__

    def __neg__(self) -> Infinite:
        return Infinite(-self.toward, -self.slope, -self.rest, self.moves)

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, factor: Any) -> Any:
        coefficients = factor.coefficients() if isinstance(factor, Number) else [flint.arb(factor)]
        if all(_is_zero(c) for c in coefficients) and (not isinstance(factor, Number) or factor.is_constant()):
            return factor
        side = _decided_sign(coefficients[0])
        if not side:
            raise CannotCertifyError("0·∞")
        slope = self.slope * side
        if not slope and len(coefficients) > 1:
            slope = self.toward * _decided_sign(coefficients[1])
        return Infinite(self.toward * side, slope, self.rest * factor, self.moves)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Any:
        m = self.rest.m
        return self * (Number(m, m.exact(1)) / divisor)

    def __eq__(self, other: object) -> bool:
        return False if isinstance(other, (Number, int, float)) else NotImplemented


class Arithmetic:
    """The functions that a definition may use, on `Number`s."""

    def __init__(self, side: int = 1, rational: bool = False) -> None:
        self.side, self.rational = side, rational
        self.met_a_tie = False
        self.lifted: dict[float, Number] = {}

    def exact(self, value: float) -> Any:
        """A finite number as an exact constant."""
        if value in (np.inf, -np.inf) or value != value:
            raise CannotCertifyError(f"{value} is no number to compute with")
        if self.rational:
            return Rationals([flint.fmpq(*value.as_integer_ratio())])
        return flint.arb(value)

    def lift(self, value: Any) -> Any:
        """A float, or nested sequences of floats, as exact numbers. Anything else is left as it is."""
        if isinstance(value, np.ndarray) and value.ndim:
            value = value.tolist()
        if isinstance(value, (list, tuple)):
            numbers = []
            for v in value:
                known = self.lifted.get(v) if type(v) is float else None
                numbers.append(self.lift(v) if known is None else known)
            return numbers
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number, np.ndarray)):
            return value
        return self.number(float(value))

    def number(self, value: float) -> Number:
        """A finite number as an exact constant, made once."""
        known = self.lifted.get(value)
        if known is None:
            known = self.lifted[value] = Number(self, self.exact(value))
        return known

    def variable(self, value: float) -> Number:
        """The prediction that is differentiated by."""
        x = self.exact(float(value))
        return Number(
            self, Rationals([x.c[0], flint.fmpq(1), flint.fmpq(0)]) if self.rational else flint.arb_series([x, 1])
        )

    def constant(self, x: Any) -> Number:
        """x without its derivative."""
        first = self._number(x).coefficient(0)
        return Number(self, Rationals([first]) if self.rational else first)

    def exp(self, x: Any) -> Number:
        """eˣ."""
        return Number(self, self._number(x).x.exp())

    def sqrt(self, x: Any) -> Number:
        """√x."""
        x = self._number(x)
        if _decided_sign(x.coefficient(0)):
            return Number(self, x.x.sqrt())
        if x.is_constant():
            return Number(self, self.exact(0))
        if self.rational:
            raise NeedsMoreBits
        return Number(self, flint.arb_series([0], prec=1))  # no derivative of √ at 0

    def log(self, x: Any) -> Any:
        """The natural logarithm; of an exact 0 it is a pole."""
        x = self._number(x)
        if not _is_zero(x.coefficient(0)):
            return Number(self, x.x.log())
        order = next((k for k in range(1, ORDER) if not _is_zero(x.coefficient(k))), 0)
        slope = 0
        if order:  # the derivative is order/ε at a distance ε, on a side where the argument is positive
            sign = _decided_sign(x.coefficient(order))
            if order % 2 == 0:
                self.met_a_tie = True
                if sign < 0:
                    raise CannotCertifyError("the logarithm of a negative number")
            slope = sign if order % 2 else self.side
        elif not x.is_constant():
            raise CannotCertifyError("the logarithm of 0 to an unknown power")
        return Infinite(-1, slope, Number(self, self.exact(0)), bool(order))

    def power(self, x: Any, exponent: Any) -> Any:
        """x to a constant exponent; 0 to the exponent 0 is 1."""
        x, exponent = self._number(x), self._number(exponent)
        if not exponent.is_constant():
            raise CannotCertifyError("an exponent that depends on the prediction; write exp(exponent * log(x))")
        e = exponent.coefficient(0)
        if e is None:
            raise NeedsMoreBits
        if 0 <= e <= 64 and _is_zero(e - round(float(e))):
            result = Number(self, self.exact(1))
            for _ in range(round(float(e))):
                result = result * x
            return result
        if _decided_sign(x.coefficient(0)):
            return Number(self, x.x**e)
        if e < 0:
            raise CannotCertifyError("0 to a negative power")
        if x.is_constant():
            return Number(self, self.exact(0))
        if self.rational:
            raise NeedsMoreBits
        whole = len(x.coefficients()) == ORDER  # then x is at most of the order of ε
        known = 1 if e < 1 or not whole else 2 if e < 2 else ORDER  # the derivatives of εᵉ at 0 that are finite, all 0
        return Number(self, flint.arb_series([0] * known, prec=known))

    def softplus(self, x: Any) -> Number:
        """log(1 + eˣ)."""
        x, one = self._number(x), self.exact(1)
        if _sign(x.coefficient(0)) > 0:
            return Number(self, x.x + (one + (-x.x).exp()).log())
        return Number(self, (one + x.x.exp()).log())

    def logsumexp(self, xs: Sequence[Any]) -> Number:
        """log Σ eˣ. A number that occurs n times is taken once, times n."""
        times = Counter(map(id, xs))
        numbers = [(self._number(x), self.exact(times[i])) for i, x in {id(x): x for x in xs}.items()]
        if any(x.coefficient(0) is None for x, _ in numbers):
            raise NeedsMoreBits
        top = max((x for x, _ in numbers), key=lambda x: float(x.coefficient(0)))
        return Number(self, top.x + sum((n * (x.x - top.x).exp() for x, n in numbers), self.exact(0)).log())

    def xlogy(self, a: Any, b: Any) -> Any:
        """a·log b, 0 where a is 0."""
        a = self._number(a)
        if a.is_constant() and _is_zero(a.coefficient(0)):
            if _sign(self._number(b).coefficient(0)) < 0:
                raise CannotCertifyError("the logarithm of a negative number")
            return Number(self, self.exact(0))
        return a * self.log(b)

    def _number(self, x: Any) -> Number:
        if isinstance(x, Infinite):
            raise CannotCertifyError("a function of ∞")
        return x if isinstance(x, Number) else self.number(x)


# ---- rounding --------------------------------------------------------------------------------------------------------


def _rounded(exact: Any) -> float:
    """An exact ball, rounded once to float64 (subnormal numbers too)."""
    mantissa, exponent = (int(i) for i in exact.man_exp())
    if mantissa.bit_length() + exponent < -1080:
        return 0.0
    try:
        return (mantissa / (1 << -exponent) if exponent < 0 else mantissa << min(exponent, 1100)) + 0.0  # no −0
    except OverflowError:
        return np.inf if mantissa > 0 else -np.inf


Rounded = tuple[float, float]


def proved(m: Arithmetic, result: Any) -> Rounded | None:
    """The float64 next to a result, and the rest; None if it is not known yet."""
    if isinstance(result, float):  # infinite
        return result, 0.0
    if m.rational:
        if result is None:
            return None
        fraction = Fraction(int(result.p), int(result.q))
        top = rounded(fraction) + 0.0
        return top, 0.0 if np.isinf(top) else float(fraction - Fraction(top))
    near = _rounded(result.upper()) if result.is_finite() else None
    if near is None or near != _rounded(result.lower()):
        return None
    return near, 0.0 if np.isinf(near) else float((result - flint.arb(near)).mid())


def closest(result: Any) -> Rounded | None:
    """One of the two floats next to a result, and the rest; None for a result of fewer than 1000 bits."""
    if result.rel_accuracy_bits() < 1000:
        return None
    near = _rounded(result.mid())
    return near, float((result - flint.arb(near)).mid())


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Evaluate with balls of that many bits."""
    with _lock:
        before = flint.ctx.prec, flint.ctx.cap
        flint.ctx.prec, flint.ctx.cap = bits, ORDER
        try:
            yield
        finally:
            flint.ctx.prec, flint.ctx.cap = before
