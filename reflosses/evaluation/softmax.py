"""Rows of logits: their exponentials relative to the largest, and the logarithm of their softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reflosses.evaluation.domain import Floats, as_array
from reflosses.evaluation.numerics import accurate_sum, times_exp


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
