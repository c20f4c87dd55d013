"""Rows of logits: their exponentials relative to the largest, and the logarithm of their softmax."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reflosses.evaluation.domain import Floats, as_array
from reflosses.evaluation.numerics import accurate_sum, difference, times_exp
from reflosses.evaluation.parameters import integer


class Softmax:
    """Rows of logits z as E_k = exp(z_k − max z), each with every digit. The softmax is E / (1 + T).

    T is the sum of all E_k but one: the largest logit's, which is 1.
    """

    def __init__(self, z: Floats) -> None:
        self.z = z
        self.largest = np.expand_dims(np.argmax(z, axis=-1), -1)
        self.top = np.take_along_axis(z, self.largest, axis=-1)
        self.gap, self.error = difference(z, self.top)

    def exp(self) -> Floats:
        """E."""
        return np.asanyarray(np.exp(self.gap) * (1 + self.error))

    def times_exp(self, a: Floats) -> Floats:
        """a E for a ≥ 0, also where E alone is subnormal or 0."""
        return np.asanyarray(times_exp(a, self.gap) * (1 + self.error))

    def rest(self, a: Any) -> Floats:
        """a T for a ≥ 0, also where T is subnormal or 0.

        The sum is taken relative to the second largest logit, where it loses nothing. The exponential of the second
        largest meets `a` before it underflows.
        """
        others = self.z.copy()
        np.put_along_axis(others, self.largest, -np.inf, axis=-1)
        second = others.max(axis=-1, keepdims=True)
        d, e = difference(others, np.where(np.isneginf(second), 0.0, second))
        down, error = difference(second, self.top)
        return np.asanyarray(times_exp(a * accurate_sum(np.exp(d) * (1 + e))[..., None], down) * (1 + error))

    @cached_property
    def t(self) -> Floats:
        """T."""
        return self.rest(1.0)

    def gained_and_lost(self, q: Floats) -> tuple[Floats, Floats]:
        """p_k (Q − q_k) and q_k (1 − p_k) for a target q of mass Q: the slope is their difference."""
        gained, lost = self.times_exp(Others(q).of_each()), q * Others(self.exp()).of_each()
        np.put_along_axis(lost, self.largest, self.rest(np.take_along_axis(q, self.largest, axis=-1)), axis=-1)
        return gained / (1 + self.t), lost / (1 + self.t)

    def curvature(self, mass: Floats) -> Floats:
        """mass · p_k (1 − p_k), with `mass` ≥ 0 one a row."""
        others = Others(self.exp()).of_each() / (1 + self.t)
        curvature = self.times_exp(mass) / (1 + self.t) * others
        own = self.rest(mass) / (1 + self.t) / (1 + self.t)
        np.put_along_axis(curvature, self.largest, own, axis=-1)
        return curvature

    def limit(self) -> Floats:
        """The limit of the softmax for infinite logits. A single +∞ takes everything, NaN and several +∞ give NaN.

        A row of one class has the limit 1 whatever its logit.
        """
        infinite = (self.z == np.inf) | (self.z.shape[-1] == 1)
        alone = (infinite.sum(axis=-1, keepdims=True) == 1) & ~np.isnan(self.top)
        return np.where(alone, infinite, np.nan)


class Others:
    """For each entry of rows of non-negative numbers, the sum of all the others.

    The total less an entry loses digits if the entry is most of the total. So the others of the largest entry are added
    one by one. For an entry x the sum is then (largest − x) + (others of the largest), and neither term is negative.
    """

    def __init__(self, x: Floats) -> None:
        self.x, self.largest = x, np.maximum.reduce(x, axis=-1)
        smaller = x < self.largest[..., None]
        ties = x.shape[-1] - 1 - np.add.reduce(smaller, axis=-1)  # how many other entries equal the largest
        self.of_largest: Floats = accurate_sum(x * smaller) + ties * self.largest
        self.total: Floats = self.of_largest + self.largest

    def of_each(self) -> Floats:
        """One sum for each entry."""
        return np.asanyarray((self.largest[..., None] - self.x) + self.of_largest[..., None])


def smoothed(y: Floats, like: Floats, smoothing: float) -> Floats:
    """The rows (1 − smoothing) y + smoothing/C; y holds rows, or class indices instead of one-hot rows."""
    if y.ndim == 2:
        return np.asanyarray((1 - smoothing) * y + smoothing / y.shape[1]) if smoothing else y
    rows = np.full_like(like, smoothing / like.shape[1])
    rows[np.arange(len(y)), y.astype(np.intp, copy=False)] += 1 - smoothing
    return rows


def log_softmax(z: ArrayLike, axis: int = -1) -> Floats:
    """The logarithm of the softmax of `z` along `axis`: z_j − log Σ_k exp(z_k).

    Shape: that of `z`. Every component is within 4 ulp of the exact one, even where the softmax saturates.
    Limits: a −inf logit gives −inf (a masked class). A single +inf gives 0, and −inf for the others. NaN, several +inf,
    or −inf alone in a row of two classes or more give NaN in that row.
    Errors: TypeError if `z` is no array of real numbers or `axis` no integer, ValueError if the axis does not exist.
    Source: derivations/cross_entropy.md.

    >>> import reflosses
    >>> reflosses.log_softmax([1.0, 2.0, 0.5]).round(8).tolist()
    [-1.46436878, -0.46436878, -1.96436878]
    """
    a = as_array(z, "log_softmax: z")
    axis = integer("log_softmax: axis", axis)
    if not -a.ndim <= axis < a.ndim:
        raise ValueError(f"log_softmax: axis {axis} does not exist in z of shape {a.shape}")
    rows = np.ascontiguousarray(np.moveaxis(a, axis, -1))
    if rows.size == 0:
        return np.zeros(a.shape)
    with np.errstate(all="ignore"):
        softmax = Softmax(rows)
        out = (rows - softmax.top) - np.log1p(softmax.t)  # no digit cancels: neither term is positive
        if not np.isfinite(softmax.top).all():
            out = np.where(np.isfinite(softmax.top), out, np.log(softmax.limit()))
    return np.ascontiguousarray(np.moveaxis(out, -1, axis))
