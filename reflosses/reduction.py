"""Sums that are exact, whatever the order, and the four ways to reduce losses to a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reflosses.domain import Floats
from reflosses.numerics import product, two_product

REDUCTIONS = ("mean", "weighted_mean", "sum", "none")

_CHUNK = 2**25  # 2^25 halves of at most 27 bits still add up below 2^53, exactly
_UNIT = 2400  # sums are counted in units of 2^-2400: smaller than the last bit of any product of two floats


@dataclass(frozen=True)
class ExactSum:
    """A sum of floats, held exactly: `count` units of 2^-2400, or the `special` ±inf or NaN that it is."""

    count: int
    special: float = 0.0

    @classmethod
    def of(cls, x: Floats, weight: Floats | None = None) -> ExactSum:
        """The sum of all elements of `x`, or of their products with `weight`."""
        x = x.ravel()
        if not np.isfinite(x).all():
            with np.errstate(all="ignore"):
                return cls(0, float(np.sum(x[~np.isfinite(x)])))
        if weight is None:
            return cls(_count(*np.frexp(x)))
        m, e = np.frexp(x)
        n, f = np.frexp(weight.ravel())
        product, error = two_product(m, n)  # of mantissas: nothing overflows or underflows
        return cls(_count(product, e + f) + _count(error, e + f))

    @classmethod
    def integer(cls, n: int) -> ExactSum:
        """A whole number, such as a count."""
        return cls(n << _UNIT)

    def over(self, divisor: ExactSum | int) -> float:
        """This sum divided by another or by a count, rounded once; over nothing it is NaN."""
        if isinstance(divisor, int):
            divisor = ExactSum.integer(divisor)
        if not (divisor.count or divisor.special):
            return np.nan
        if self.special or divisor.special:
            with np.errstate(all="ignore"):
                return float(np.float64(self.special or float(self)) / np.float64(divisor.special or float(divisor)))
        return _rounded(self.count, divisor.count)

    def __float__(self) -> float:
        return self.special or _rounded(self.count, 1 << _UNIT)

    def frexp(self) -> tuple[float, int]:
        """A finite sum as mantissa · 2^exponent, where it may lie beyond the floats."""
        bits = self.count.bit_length()
        return self.count / (1 << bits), bits - _UNIT


def _count(mantissa: Floats, exponent: NDArray[np.intc]) -> int:
    """Σ mantissa · 2^exponent in units of 2^-2400: mantissas are added as integers, one bin an exponent."""
    count = 0
    for start in range(0, mantissa.size, _CHUNK):
        fraction, shift = np.frexp(mantissa[start : start + _CHUNK])
        digits = np.ldexp(fraction, 53).astype(np.int64)
        shift = shift + exponent[start : start + _CHUNK] + (_UNIT - 53)
        high = np.bincount(shift, weights=digits >> 26)
        low = np.bincount(shift, weights=digits & (2**26 - 1))
        for k in np.flatnonzero((high != 0) | (low != 0)):
            count += ((int(high[k]) << 26) + int(low[k])) << int(k)
    return count


def _rounded(numerator: int, denominator: int) -> float:
    try:
        return numerator / denominator  # Python rounds the quotient of two integers correctly
    except OverflowError:
        return np.inf if numerator > 0 else -np.inf


def scaled(a: Floats, weight: Floats | None, divisor: ExactSum | float) -> Floats:
    """a · weight / divisor, element by element, with no overflow or underflow on the way that the result has not."""
    if not isinstance(divisor, ExactSum):
        divisor = ExactSum.of(np.array([divisor]))
    if divisor.special:
        return np.asarray(a / divisor.special)
    plain = float(divisor)
    if weight is None and plain == 1.0:
        return a
    factor = np.broadcast_to(1.0 if weight is None else weight, a.shape)
    with np.errstate(all="ignore"):
        plainly = a * factor
        out = np.asarray(plainly / plain)
        size = np.abs(plainly)
        doubtful = ~((size > 2.0**-960) & (size < np.inf) & (plain < np.inf)) & np.isfinite(a) & (a != 0)
        if doubtful.any():
            mantissa, exponent = divisor.frexp()
            out[doubtful] = product((a[doubtful], factor[doubtful]), (mantissa,), -exponent)
    return out
