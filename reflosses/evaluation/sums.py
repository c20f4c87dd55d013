"""Sums that are exact, whatever the order, and the four ways to reduce losses to a number."""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp, isfinite, ldexp

import numpy as np

from reflosses.evaluation.domain import Floats, magnitude
from reflosses.evaluation.numerics import product, two_product

REDUCTIONS = ("mean", "weighted_mean", "sum", "none")

_UNIT = 2400  # sums are counted in units of 2^-2400: smaller than the last bit of any product of two floats
_CHUNK = 2**17  # so many numbers at a time,
_BITS = 46  # and so many integers below 2^46 add up below 2^63


class UndecidedError(ArithmeticError):
    """A sum that is known to within its slack may round to either of two floats."""


@dataclass(slots=True)
class ExactSum:
    """A sum of floats: `count` units of 2^-2400, or the `special` ±inf or NaN that it is.

    It is exact, or, if it was only `enclosed`, within `slack` units. Rounding it then gives the float that the exact
    sum rounds to, or raises UndecidedError.
    """

    count: int
    special: float = 0.0
    slack: int = 0

    @classmethod
    def of(cls, x: Floats, weight: Floats | None = None) -> ExactSum:
        """The sum of all elements of `x`, or of their products with `weight`."""
        if x.size == 1 and weight is None:
            return _single(x.item())
        if weight is None or not np.isfinite(x).all():
            return _sum(x.reshape(-1))
        total = cls(0)
        m, e = np.frexp(x.reshape(-1))
        n, f = np.frexp(weight.reshape(-1))
        exponent = e + f
        for part in two_product(m, n):  # of mantissas: nothing overflows or underflows
            for centre in (-1500, 0, 1500):  # products reach from 2^-2148 to 2^2048: three ranges of floats
                here = (exponent >= centre - 750) & (exponent < centre + 750)
                total += _sum(np.ldexp(part[here], exponent[here] - centre)).times_power(centre)
        return total

    @classmethod
    def enclosed(cls, x: Floats) -> ExactSum:
        """The sum of all elements of `x` to within its slack, at half the time of the exact one."""
        return cls.of(x) if x.size < 2 else _sum(x.reshape(-1), exact=False)

    def __add__(self, other: ExactSum) -> ExactSum:
        special = self.special + other.special
        return ExactSum(0 if special else self.count + other.count, special, self.slack + other.slack)

    def __bool__(self) -> bool:
        return bool(self.count or self.special)

    def times_power(self, exponent: int) -> ExactSum:
        """This sum times 2^exponent; no bit of it may fall below 2^-2400."""
        count = self.count << exponent if exponent >= 0 else self.count >> -exponent
        return ExactSum(count, self.special)

    @classmethod
    def integer(cls, n: int) -> ExactSum:
        """A whole number, such as a count."""
        return cls(n << _UNIT)

    def over(self, divisor: ExactSum | int) -> float:
        """This sum divided by another or by a count, rounded once; over nothing it is NaN."""
        if isinstance(divisor, int):
            if divisor and not self.special:
                return self._rounded(divisor << _UNIT)
            divisor = ExactSum.integer(divisor)
        if not divisor:
            return np.nan
        if self.special or divisor.special:
            with np.errstate(all="ignore"):
                return float(np.float64(self.special or float(self)) / np.float64(divisor.special or float(divisor)))
        return self._rounded(divisor.count)

    def __float__(self) -> float:
        return self.special or self._rounded(1 << _UNIT)

    def _rounded(self, divisor: int) -> float:
        low = _rounded(self.count - self.slack, divisor)
        if self.slack and low != _rounded(self.count + self.slack, divisor):
            raise UndecidedError
        return low

    def frexp(self) -> tuple[float, int]:
        """A finite sum as mantissa · 2^exponent, where it may lie beyond the floats."""
        bits = self.count.bit_length()
        return self.count / (1 << bits), bits - _UNIT


def _sum(x: Floats, exact: bool = True) -> ExactSum:
    total = _sum_of_chunk(x[:_CHUNK], exact) if x.size else ExactSum(0)
    for start in range(_CHUNK, x.size, _CHUNK):
        total += _sum_of_chunk(x[start : start + _CHUNK], exact)
    return total


def _sum_of_chunk(x: Floats, exact: bool = True) -> ExactSum:
    """The sum of a chunk: its numbers are cut into integers of 46 bits, the highest bits first, and those are added.

    Adding σ = 1.5 · 2^52 units to a number leaves, in the lowest bits of the result, the number in whole units. Read as
    integers, these results add up exactly (modulo 2^64). What is left of the number is less than one unit; it is zero
    after two cuts unless the chunk holds numbers 2^38 times smaller than its largest. Unless the sum is to be exact,
    what the first cut leaves of n numbers, at most half a unit each, is added in floats, with an error of at most
    n² · 2^-53 half units.
    """
    largest = magnitude(x)
    if not largest < np.inf:
        with np.errstate(all="ignore"):
            return ExactSum(0, float(np.sum(x[~np.isfinite(x)])))
    if largest >= 2.0**1000:  # σ would overflow
        huge = np.abs(x) >= 2.0**900
        return _sum_of_chunk(x[huge] * 2.0**-200).times_power(200) + _sum_of_chunk(np.where(huge, 0.0, x))
    count, unit = 0, frexp(largest)[1]
    for cut in range(1, 60):
        unit = max(unit - _BITS + 1, -1074)  # below 2^-1074 there is nothing
        sigma = np.float64(ldexp(1.5, unit + 52))
        shifted = x + sigma
        # wraps around as often as it likes: the difference is below 2^63
        units = int(np.add.reduce(shifted.view(np.int64))) - x.size * int(sigma.view(np.int64))
        count += ((units + 2**63) % 2**64 - 2**63) << (unit + _UNIT)
        shifted -= sigma
        if unit == -1074 or (cut > 1 and (shifted == x).all()):  # one cut is seldom enough: it is not asked
            break
        x = np.subtract(x, shifted, out=shifted)
        if not exact:
            return ExactSum(count + _single(float(np.add.reduce(x))).count, slack=x.size**2 << (unit + _UNIT - 54))
    return ExactSum(count)


def _single(x: float) -> ExactSum:
    if not isfinite(x):
        return ExactSum(0, x)
    mantissa, exponent = frexp(x)
    return ExactSum(int(mantissa * 2.0**53) << (exponent + _UNIT - 53))


def _rounded(numerator: int, denominator: int) -> float:
    try:
        return numerator / denominator  # Python rounds the quotient of two integers correctly
    except OverflowError:
        return np.inf if numerator > 0 else -np.inf


def scaled(a: Floats, weight: Floats | None, divisor: ExactSum | float) -> Floats:
    """a · weight / divisor, element by element, with no overflow or underflow on the way that the result has not."""
    if isinstance(divisor, ExactSum) and divisor.special:
        return np.asarray(a / divisor.special)
    plain = float(divisor)
    with np.errstate(all="ignore"):
        plainly = a if weight is None else a * weight
        out = np.asarray(plainly / plain)
        if weight is None and 2.0**-1022 <= plain < np.inf:
            return out
        if 1.0 <= plain < np.inf and -np.inf < plainly.min(initial=0.0) and plainly.max(initial=0.0) < np.inf:
            return out
        size = np.abs(plainly)
        normal = (size > 2.0**-960) & (size < np.inf) & (2.0**-1022 <= plain < np.inf)
        doubtful = ~normal & np.isfinite(a) & (a != 0)
        if doubtful.any():
            exact = divisor if isinstance(divisor, ExactSum) else ExactSum.of(np.array([divisor]))
            mantissa, exponent = exact.frexp()
            factor = np.broadcast_to(1.0 if weight is None else weight, a.shape)
            out[doubtful] = product((a[doubtful], factor[doubtful]), (mantissa,), -exponent)
    return out
