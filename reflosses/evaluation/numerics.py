"""Elementary pieces that several losses share, each in the form that keeps its digits.

The reasons, with the inputs where the usual form fails, are in the floating-point sections of `derivations/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext
from math import frexp
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reflosses.evaluation.axes import FEW
from reflosses.evaluation.domain import Bools, Floats, as_array, magnitude, within


def accurate_sum(x: Floats) -> Floats:
    """The sum along the last axis, to within one ulp where the terms have one sign; memory's order has no part in it.

    Adding and taking away a number σ above n·max|x| leaves of each x a multiple of ulp(σ); the sum of these is exact in
    any order (Rump, Ogita, Oishi, 2008). What is split off is so small, for n up to 2^26, that its rounded sum will do.
    """
    n = x.shape[-1]
    if n < 3:
        return np.asarray(np.add.reduce(x, axis=-1))
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
    """The sum along the last axis, rounded in an order that only its length decides; x is overwritten."""
    n = x.shape[-1]
    if n >= FEW:
        return np.asarray(np.add.reduce(np.ascontiguousarray(x), axis=-1))
    while n > 1:  # pairs, then pairs of these
        half = n // 2
        np.add(x[..., :half], x[..., n - half : n], out=x[..., :half])
        n -= half
    return np.asarray(x[..., 0])


def ratio(a: Floats, b: Floats) -> Floats:
    """a / b with 0 / 0 = 0: an overlap of nothing with nothing."""
    return a / b if b.all() else np.where((a == 0) & (b == 0), 0.0, a / b)


def sum_of_others(x: Floats) -> Floats:
    """For each entry along the last axis, the sum of all the others.

    The total less the entry loses nothing while the entry is at most half the total; for the largest entry the
    others are added themselves.
    """
    largest = np.expand_dims(np.argmax(x, axis=-1), -1)
    rest = x.copy()
    np.put_along_axis(rest, largest, 0.0, axis=-1)
    without_largest = accurate_sum(rest)[..., None]
    others = (without_largest - rest) + np.take_along_axis(x, largest, axis=-1)
    np.put_along_axis(others, largest, without_largest, axis=-1)
    return others


def gap(z: Floats, m: Floats) -> tuple[Floats, Floats]:
    """z − m as a rounded difference d and its error e (Knuth's two-sum), so that exp(z − m) = exp(d)(1 + e).

    Without e, exp(d) is off by half an ulp of d, which is 64 ulp of the result at a gap of 700.
    """
    d = z - m
    t = d - z
    e = (z - (d - t)) - (m + t)
    return d, e if np.isfinite(e).all() else np.where(np.isfinite(e), e, 0.0)


def product(numerators: Iterable[Any], denominators: Iterable[Any] = (), exponent: Any = 0) -> Floats:
    """A product of numbers over others, times 2^exponent; it overflows or underflows only where the result does.

    Mantissas are multiplied, exponents added.
    """
    mantissa: Any = np.float64(1.0)
    for x in numerators:
        m, e = np.frexp(x)
        mantissa, exponent = mantissa * m, exponent + e
    for x in denominators:
        m, e = np.frexp(x)
        mantissa, exponent = mantissa / m, exponent - e
    return np.asarray(np.ldexp(mantissa, exponent))


def two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """a·b as a rounded product and its error (Dekker), where neither overflows nor underflows."""
    p = a * b
    a_high, b_high = _high_half(a), _high_half(b)
    a_low, b_low = a - a_high, b - b_high
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


def times_exp(a: Any, x: Floats) -> Floats:
    """a·exp(x) for x ≤ 0, where a large `a` lifts a result whose exp(x) alone would be subnormal or 0."""
    plain = np.asarray(a * np.exp(x))
    if not (x < -600).any():
        return plain
    half = np.exp(x / 2)
    return np.where(x < -600, (a * half) * half, plain)


def tail(a: Any, z: Floats, largest: Any) -> tuple[Floats, Floats]:
    """Along the last axis, max z and a·Σ exp(z − max z) over all but the largest, also where the sum is subnormal.

    The sum is taken relative to the second largest: Σ exp(z − second) loses nothing, and its factor
    exp(second − max z) meets `a` before it underflows.
    """
    top = np.take_along_axis(z, largest, axis=-1)
    others = z.copy()
    np.put_along_axis(others, largest, -np.inf, axis=-1)
    second = others.max(axis=-1, keepdims=True)
    d, e = gap(others, np.where(np.isneginf(second), 0.0, second))
    down, error = gap(second, top)
    return top, times_exp(a * accurate_sum(np.exp(d) * (1 + e))[..., None], down) * (1 + error)


def times(a: Floats, x: Floats) -> Floats:
    """a·x with 0·x = 0 whatever x is: what has no mass has no loss."""
    return np.where(a == 0, 0.0, a * x)


def exp_of_product(a: float, x: Floats) -> Floats:
    """exp(−a·x) for a, x ≥ 0, with the rounding error of the product put back (Dekker's two-product)."""
    if frexp(a)[0] == 0.5:  # a power of two: there is no such error
        return np.asarray(np.exp(-(a * x)))
    x = np.minimum(x, 2.0**500)  # as good as infinite, and splitting it does not overflow
    p, error = two_product(np.float64(a), x)
    grown = np.exp(-p)
    return np.asarray(grown - grown * error)


def _high_half(x: Any) -> Any:
    c = 134217729.0 * x  # 2^27 + 1
    return c - (c - x)


def log1p_over(u: Floats) -> Floats:
    """log(1 + u)/u for u ≥ 0; below 1e-290 it is 1 in every digit, and 0/0 is not asked."""
    u = np.maximum(u, 1e-290)
    return np.asarray(np.log1p(u) / u)


def scaled_form(e: Floats, information: Floats) -> tuple[Floats, Floats, Floats]:
    """k, Ω f and fᵀ Ω f of vectors e = k f, with k a power of two: no square overflows or underflows early."""
    e = np.where(informed(information), e, 0.0)
    k = np.ldexp(1.0, np.frexp(np.max(np.abs(e), axis=1, initial=0.0))[1] - 1)
    f = e / k[:, None]
    g = np.einsum("nij,nj->ni", information, f)
    return k, g, np.maximum(np.einsum("ni,ni->n", f, g), 0.0)


def form_magnitudes(e: Floats, information: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """k and fᵀ Ω f of `scaled_form`, and what rounding them is relative to: Σ |f_i Ω_ij f_j| and Σ_j |Ω_ij f_j|."""
    k, _, t = scaled_form(e, information)
    f = np.abs(e) / k[:, None]
    pull = np.einsum("nij,nj->ni", np.abs(information), f)
    return k, t, np.einsum("ni,ni->n", f, pull), pull


def limit_of_form(e: Floats, information: Floats) -> tuple[Bools, Bools]:
    """Where eᵀ Ω e of vectors with infinite components goes to infinity, and where it has no limit.

    It goes there on every path if Ω is definite on those components; otherwise some of them may cancel.
    """
    infinite = np.isinf(e) & informed(information)
    both = infinite[:, :, None] & infinite[:, None, :]
    size = np.maximum(np.trace(information, axis1=1, axis2=2), 5e-324)[:, None, None]
    smallest = np.linalg.eigvalsh(np.where(both, information / size, np.eye(e.shape[1])))[:, 0]
    some, nan = infinite.any(axis=1), np.isnan(np.where(informed(information), e, 0.0)).any(axis=1)
    definite = smallest > e.shape[1] * np.finfo(float).eps
    return some & definite & ~nan, (some & ~definite) | nan


def informed(information: Floats) -> Bools:
    """Which components have a part in eᵀ Ω e."""
    return np.asarray((information != 0).any(axis=2))


def smallest_logit(p: float) -> float:
    """The smallest float z with σ(z) ≥ p, found in 60 digits, so that comparing logits decides σ(z) < p exactly."""
    with localcontext(prec=60):
        exact = Decimal(p).ln() - (1 - Decimal(p)).ln()
        z = float(exact)
        return z if Decimal(z) >= exact else float(np.nextafter(z, np.inf))


def log_softmax(z: ArrayLike, axis: int = -1) -> Floats:
    """The logarithm of the softmax of `z` along `axis`: z_j − log Σ_k exp(z_k).

    Shape: that of `z`. Every component is within 4 ulp of the exact one, saturated ones included. A −inf logit is a
    masked class (−inf out); a single +inf takes the limit (0, and −inf for the others); NaN, several +inf or only
    −inf (of two classes or more) give NaN along that row. Raises TypeError for what is not an array of real numbers,
    ValueError for an axis that is not there. Source: `derivations/cross_entropy.md`.

    >>> import reflosses
    >>> reflosses.log_softmax([1.0, 2.0, 0.5]).round(8).tolist()
    [-1.46436878, -0.46436878, -1.96436878]
    """
    a = as_array(z, "log_softmax: z")
    if not -a.ndim <= axis < a.ndim:
        raise ValueError(f"log_softmax: axis {axis} does not exist in z of shape {a.shape}")
    rows = np.ascontiguousarray(np.moveaxis(a, axis, -1))
    if rows.size == 0:
        return np.zeros(a.shape)
    with np.errstate(all="ignore"):
        largest = np.expand_dims(np.argmax(rows, axis=-1), -1)
        m, others = tail(1.0, rows, largest)
        out = (rows - m) - np.log1p(others)  # no digit cancels: neither term is positive
        if not np.isfinite(m).all():
            infinite = (rows == np.inf) | (rows.shape[-1] == 1)
            unique = ~np.isnan(m) & (infinite.sum(axis=-1, keepdims=True) == 1)
            limit = np.where(unique, np.where(infinite, 0.0, -np.inf), np.nan)
            out = np.where(np.isfinite(m), out, limit)
    return np.ascontiguousarray(np.moveaxis(out, -1, axis))
