"""Small functions that several losses share, each in a form that keeps its digits.

The reasons, with the inputs where the usual form fails, are in the floating-point sections of `derivations/`.
`import scipy` alone is quick: a part of SciPy is imported where it is first used, here and in the whole package.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext
from math import frexp
from typing import Any

import numpy as np
import scipy

from reflosses.evaluation.axes import FEW
from reflosses.evaluation.domain import MAX, Floats, magnitude, within


def accurate_sum(x: Floats) -> Floats:
    """The sum along the last axis. It is within one ulp if all terms have the same sign.

    Take σ above n·max|x|. Adding σ to x and taking it away again leaves a multiple of ulp(σ). The sum of these
    multiples is exact in any order (Rump, Ogita, Oishi, 2008), so the order in memory does not matter. The rest of each
    x is so small, for n up to 2^26, that its sum may be rounded.
    """
    n = x.shape[-1]
    if n < 3 or x.itemsize != 8:  # wider floats have digits to spare
        return np.asanyarray(np.add.reduce(x, axis=-1))
    top = magnitude(x, axis=-1)
    if not within(top, 0.0, 2.0**900):  # σ would overflow, or something is infinite or NaN
        huge = ~(top <= 2.0**900)
        scale = np.where(huge, 2.0**-200, 1.0)
        finite = np.isfinite(top)
        scaled = np.where(finite[..., None], x * scale[..., None], 0.0)
        return np.where(finite, accurate_sum(scaled) / scale, x.sum(axis=-1))
    sigma = (top * 2.0 ** int(n).bit_length())[..., None]
    high = x + sigma
    high -= sigma
    return np.asarray(np.add.reduce(high, axis=-1) + _sum_in_order(x - high))


def _sum_in_order(x: Floats) -> Floats:
    """The sum along the last axis, rounded in an order that depends on its length alone; x is overwritten."""
    n = x.shape[-1]
    if n >= FEW:
        return np.asarray(np.add.reduce(np.ascontiguousarray(x), axis=-1))
    while n > 1:  # pairs, then pairs of these
        half = n // 2
        np.add(x[..., :half], x[..., n - half : n], out=x[..., :half])
        n -= half
    return np.asarray(x[..., 0])


def ratio(a: Floats, b: Floats) -> Floats:
    """a / b with 0 / 0 = 0, such as the overlap of two empty masks."""
    return a / b if b.all() else np.where((a == 0) & (b == 0), 0.0, a / b)


def product(numerators: Iterable[Any], denominators: Iterable[Any] = (), exponent: Any = 0) -> Floats:
    """The product of the numerators over that of the denominators, times 2^exponent.

    Mantissas are multiplied and exponents are added, so that only the result itself can overflow or underflow. A
    subnormal result is rounded twice.
    """
    mantissa: Any = np.float64(1.0)
    for x in numerators:
        m, e = np.frexp(x)
        mantissa, exponent = mantissa * m, exponent + e
    for x in denominators:
        m, e = np.frexp(x)
        mantissa, exponent = mantissa / m, exponent - e
    return np.asanyarray(np.ldexp(mantissa, exponent))


def two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """a·b as a rounded product and its error (Dekker), where neither overflows nor underflows."""
    p = a * b
    a_high, b_high = _high_half(a), _high_half(b)
    a_low, b_low = a - a_high, b - b_high
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


def difference(z: Floats, m: Floats) -> tuple[Floats, Floats]:
    """z − m as a rounded difference d and its error e (Knuth's two-sum), so that exp(z − m) = exp(d)(1 + e).

    Without e, exp(d) is off by half an ulp of d, which is 64 ulp of the result at a gap of 700.
    """
    d = z - m
    t = d - z
    e = (z - (d - t)) - (m + t)
    return d, e if np.isfinite(e).all() else np.where(np.isfinite(e), e, 0.0)


def times_exp(a: Any, x: Floats) -> Floats:
    """a·exp(x) for x ≤ 0, with every digit even if exp(x) alone is subnormal or 0."""
    plain: Floats = np.asanyarray(a * np.exp(x))
    if not (x < -600).any():
        return plain
    half = np.exp(x / 2)
    return np.where(x < -600, (a * half) * half, plain)


def times(a: Floats, x: Floats) -> Floats:
    """a·x with 0·x = 0 for every x: a class without mass costs nothing, even if its logarithm is infinite."""
    return np.where(a == 0, 0.0, a * x)


def xlogy(a: Floats, x: Floats) -> Floats:
    """a·log(x) with 0·log(x) = 0; of float64, or of wider floats, which SciPy does not take."""
    if x.itemsize == 8:
        return np.asarray(scipy.special.xlogy(a, x))
    return np.where((a == 0) & (x == x), 0.0, a * np.log(x))


def xlog1py(a: Floats, x: Floats) -> Floats:
    """a·log(1 + x) with 0·log(1 + x) = 0, as `xlogy`."""
    if x.itemsize == 8:
        return np.asarray(scipy.special.xlog1py(a, x))
    return np.where((a == 0) & (x == x), 0.0, a * np.log1p(x))


def exp_of_product(a: float, x: Floats) -> Floats:
    """exp(−a·x) for a, x ≥ 0, corrected for the rounding of a·x (Dekker's two-product)."""
    if frexp(a)[0] == 0.5:  # a power of two: a·x is exact
        return np.asanyarray(np.exp(-(a * x)))
    if a == 0:
        return np.where(np.isnan(x), x, 1.0)
    if not (x > 2.0**500).any():
        p, error = two_product(np.float64(a), x)
    else:  # splitting x may overflow; 10,000 is far enough, and exact
        far, infinite = x > 2.0**500, np.isinf(x)
        x = np.where(infinite | (far & (x >= 1e4 / a)), np.minimum(1e4 / a, MAX), x)
        p, error = two_product(a * np.where(far, 2.0**600, 1.0), np.where(far, x * 2.0**-600, x))
        p = np.where(infinite, np.inf, p)
        error = np.where(infinite, 0.0, error)
    grown = np.exp(-p)
    return np.asanyarray(grown - grown * error)


def power_parts(x: Floats, exponent: float) -> tuple[Any, ...]:
    """x^exponent for 0 ≤ x ≤ 1, as factors and an integer n; the power is their product times 2^n.

    With x = m 2^k, it is m^exponent 2^(k·exponent), and n is the whole part of k·exponent. m is between √½ and √2, so
    that no factor leaves the floats; for a huge exponent it is left out where k is not 0, and the power is 0.
    """
    m, k = np.frexp(x)
    small = (m < 0.5**0.5) & (m > 0)
    m, k = np.where(small, 2 * m, m), k - small
    m = np.where((k != 0) & (exponent > 2200) & (m > 0), 1.0, m)
    whole, error = two_product(k * 1.0, np.float64(exponent) if isinstance(exponent, float) else exponent)
    n = np.rint(whole)
    fraction = np.exp(((whole - n) + error) * np.log(2 + 0 * exponent))
    powers = (m**exponent,) if exponent < 500 else (m ** (exponent / 2),) * 2
    return *powers, fraction, n.astype(np.int64)


def _high_half(x: Any) -> Any:
    c = 134217729.0 * x  # 2^27 + 1
    return c - (c - x)


def log1p_over(u: Floats) -> Floats:
    """log(1 + u)/u for u ≥ 0. Below 1e-290 it is 1 in every digit, so that 0/0 never occurs."""
    u = np.maximum(u, 1e-290)
    return np.asanyarray(np.log1p(u) / u)


def smallest_logit(p: float) -> float:
    """The smallest float z with σ(z) ≥ p, computed in 60 digits: z < smallest_logit(p) is exactly σ(z) < p."""
    with localcontext(prec=60):
        exact = Decimal(float(p)).ln() - (1 - Decimal(float(p))).ln()
        z = float(exact)
        return z if Decimal(z) >= exact else float(np.nextafter(z, np.inf))
