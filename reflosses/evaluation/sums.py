"""Exact sums, and what a reduction divides by.

A sum of finite floats is a Fraction. A sum with an infinity or a NaN in it is the float ±inf or NaN. `plus` adds both
kinds, and `quotient` divides and rounds once.
"""

from __future__ import annotations

from fractions import Fraction
from math import frexp, ldexp

import numpy as np

from reflosses.evaluation.domain import Floats, magnitude
from reflosses.evaluation.numerics import product, two_product

Sum = Fraction | float  # a float only if it is infinite or NaN

_CHUNK = 2**17  # numbers that are added at a time: 2^17 integers below 2^46 add up below 2^63
_BITS = 46  # of each integer


class UndecidedError(ArithmeticError):
    """An enclosed sum may round to either of two floats."""


def exact_sum(x: Floats) -> Sum:
    """The sum of all elements."""
    return _sum(x, exact=True)[0]


def enclosed_sum(x: Floats) -> tuple[Sum, float]:
    """The sum of all elements to within a radius, and that radius, in half the time of the exact sum."""
    return _sum(x, exact=False)


def exact_dot(x: Floats, weight: Floats) -> Sum:
    """The sum of all products x·weight."""
    if not np.isfinite(x).all():
        return exact_sum(x * weight)
    total: Sum = Fraction(0)
    (m, e), (n, f) = np.frexp(x.reshape(-1)), np.frexp(weight.reshape(-1))
    exponent = e + f
    for part in two_product(m, n):  # of mantissas: nothing overflows or underflows
        for centre in (-1500, 0, 1500):  # products reach from 2^-2148 to 2^2048: three ranges of floats
            here = (exponent >= centre - 750) & (exponent < centre + 750)
            total = plus(total, exact_sum(np.ldexp(part[here], exponent[here] - centre)) * Fraction(2) ** centre)
    return total


def plus(a: Sum, b: Sum) -> Sum:
    """a + b; what is infinite or NaN stays so, however large the other is."""
    if isinstance(a, float) or isinstance(b, float):
        return (a if isinstance(a, float) else 0.0) + (b if isinstance(b, float) else 0.0)
    return a + b


def quotient(total: Sum, divisor: Fraction | int) -> float:
    """total / divisor, rounded once; ±inf stays infinite. NaN if the divisor is 0."""
    if not divisor:
        return np.nan
    return total if isinstance(total, float) else rounded(total / divisor)


def decided(total: Sum, radius: float, divisor: Fraction | int = 1) -> float:
    """The quotient of a sum that is known to within a radius; UndecidedError if two floats are possible."""
    if not radius:
        return rounded(total) if divisor == 1 else quotient(total, divisor)
    low, high = (quotient(plus(total, Fraction(r)), divisor) for r in (-radius, radius))
    if low < high:
        raise UndecidedError
    return low


def rounded(total: Sum) -> float:
    """The float nearest to a sum; ±inf beyond the largest."""
    try:
        return float(total)
    except OverflowError:
        return np.inf if total > 0 else -np.inf


def _sum(x: Floats, exact: bool) -> tuple[Sum, float]:
    """The sum of all elements to within a radius, which is 0 if the sum is to be exact."""
    x = x.reshape(-1)
    if x.size == 1:
        one = x.item()
        return Fraction(one) if abs(one) < np.inf else one, 0.0
    total, radius = _sum_of_chunk(x[:_CHUNK], exact) if x.size else (Fraction(0), 0.0)
    for start in range(_CHUNK, x.size, _CHUNK):
        more, further = _sum_of_chunk(x[start : start + _CHUNK], exact)
        total, radius = plus(total, more), radius + further
    return total, radius


def _sum_of_chunk(x: Floats, exact: bool) -> tuple[Sum, float]:
    """The sum of a chunk to within a radius. Its numbers are cut into integers of 46 bits, the highest bits first.

    Adding σ = 1.5 · 2^52 units to a number leaves, in the lowest bits of the result, the number in whole units. Read as
    integers, these results add up exactly (modulo 2^64). What is left of the number is less than one unit. It is zero
    after two cuts unless the chunk holds numbers 2^38 times smaller than its largest.

    With a radius one cut is enough. It leaves at most half a unit of each of n numbers, and adding these in floats errs
    by at most n (n − 1) · 2^-53 half units. The radius is larger, so that its own roundings do not matter.
    """
    largest = magnitude(x)
    if not 0.0 < largest < np.inf:
        with np.errstate(all="ignore"):
            return Fraction(0) if largest == 0.0 else float(np.sum(x[~np.isfinite(x)])), 0.0
    if largest >= 2.0**1000:  # σ would overflow
        huge = np.abs(x) >= 2.0**900
        return plus(exact_sum(x[huge] * 2.0**-200) * 2**200, exact_sum(np.where(huge, 0.0, x))), 0.0
    count, unit = 0, frexp(largest)[1]  # the sum so far is count · 2^unit
    for cut in range(1, 60):
        finer = max(unit - _BITS + 1, -1074)  # below 2^-1074 there is nothing
        sigma = np.float64(ldexp(1.5, finer + 52))
        shifted = x + sigma
        # wraps around as often as it likes: the difference is below 2^63
        units = int(np.add.reduce(shifted.view(np.int64))) - x.size * int(sigma.view(np.int64))
        count, unit = (count << (unit - finer)) + (units + 2**63) % 2**64 - 2**63, finer
        shifted -= sigma
        if unit == -1074 or (cut > 1 and (shifted == x).all()):  # one cut is seldom enough: it is not asked
            break
        x = np.subtract(x, shifted, out=shifted)
        if not exact and unit > -900:  # in whole 2^-54 units; the radius does not underflow
            count = (count << 54) + int(ldexp(float(np.add.reduce(x)), 54 - unit))
            return _times_power(count, unit - 54), ldexp(x.size**2 + 1, unit - 54)
    return _times_power(count, unit), 0.0


def _times_power(n: int, exponent: int) -> Fraction:
    """n · 2^exponent."""
    return Fraction(n << exponent) if exponent >= 0 else Fraction(n, 1 << -exponent)


def scaled(a: Floats, weight: Floats | None, divisor: Fraction | int) -> Floats:
    """a · weight / divisor, element by element. A result overflows or underflows only if its exact value does."""
    plain = rounded(Fraction(divisor))
    with np.errstate(all="ignore"):
        plainly = a if weight is None else a * weight
        out = np.asarray(plainly / plain)
        if weight is None and 2.0**-1022 <= plain < np.inf:
            return out
        if 1.0 <= plain < np.inf:
            if -np.inf < plainly.min(initial=0.0) and plainly.max(initial=0.0) < np.inf:  # a shortcut
                return out
            right = np.isfinite(plainly)
        else:
            size = np.abs(plainly)
            right = (size > 2.0**-960) & (size < np.inf) & (2.0**-1022 <= plain < np.inf)
            out = np.where(np.isinf(a), plainly, out)  # also over a divisor beyond the floats
        doubtful = ~right & np.isfinite(a) & (a != 0)
        if doubtful.any():
            exponent = divisor.numerator.bit_length() - divisor.denominator.bit_length()
            mantissa = float(divisor / Fraction(2) ** exponent)
            factor = np.broadcast_to(1.0 if weight is None else weight, a.shape)
            out[doubtful] = product((a[doubtful], factor[doubtful]), (mantissa,), -exponent)
    return out
