"""The quadratic form eᵀ Ω e of residual vectors, over the whole range of the floats."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from reflosses.evaluation.domain import Bools, Floats, within
from reflosses.evaluation.numerics import product

_TOGETHER = 2**17  # numbers of the matrices whose eigenvalues are found together


class Form:
    """s = eᵀ Ω e of the residual vectors e = yhat − y, held as e = f 2^n: no square overflows or underflows early.

    f: (vectors, d), its largest component in [½, 1), or all 0. n: one integer a vector. pull: Ω f. t: fᵀ Ω f, so that
    s = t 4^n. Without Ω a residual is a vector of one component. An infinite component makes t infinite and the pull 0
    if Ω is definite on such components; otherwise several of them may cancel, and both are NaN.

    If Ω has a diagonal near the ends of the floats, eᵀ Ω e = (2^c e)ᵀ (2^−c Ω 2^−c) (2^c e) has one near 1. Then f is
    2^c e 2^−n, and the pull is still Ω e 2^−n.
    """

    def __init__(self, y: Floats, yhat: Floats, information: Floats | None) -> None:
        if information is None:
            y, yhat, information = y[:, None], yhat[:, None], np.broadcast_to(1.0, (len(y), 1, 1))
        apart = information[:1] if information.strides[0] == 0 else information  # one matrix, if all vectors share it
        informed = np.diagonal(apart, axis1=1, axis2=2) != 0  # the components that have a part in s
        if not (whole := informed.all()):
            informed = (apart != 0).any(axis=2)
        e = yhat - y if whole else np.where(informed, yhat - y, 0.0)
        e = e.copy()  # in C order: sums over components then do not depend on the block
        far: Any = ~np.isfinite(e).all(axis=1)  # e overflows, or is infinite
        if far.any():
            e = np.where(far[:, None] & informed, yhat / 2 - y / 2, e)
        self.e, self.far, self.given = e, far[:, None], information
        apart, c = _balanced(apart)
        self.information = information if c is None else np.broadcast_to(apart, information.shape)
        if c is None:
            n = np.frexp(np.max(np.abs(e), axis=1, initial=0.0))[1]
            self.f = np.ldexp(e, -n[:, None])
        else:
            mantissa, exponent = np.frexp(e)
            exponent = np.where(e == 0, -(2**14), exponent + c)
            n = np.max(exponent, axis=1, initial=-(2**14))
            self.f = np.ldexp(mantissa, exponent - n[:, None])
        self.c, self.n = c, n + far
        self.pull = np.einsum("nij,nj->ni", self.information, self.f)
        self.t = np.maximum(np.einsum("ni,ni->n", self.f, self.pull), 0.0)
        if c is not None:
            self.pull = np.ldexp(self.pull, c)
        if far.any():
            infinite, nan = _limits(e, apart)
            self.pull = np.select([infinite[:, None], nan[:, None]], [0.0, np.nan], self.pull)
            self.t = np.select([infinite, nan], [np.inf, np.nan], self.t)

    @cached_property
    def _root(self) -> Floats:
        root: Floats = np.asanyarray(np.ldexp(np.sqrt(self.t), self.n))
        finite = np.isfinite(self._pulled)
        if self.c is None and finite.all():
            return root
        return np.where(finite.all(axis=1) & (self.c is None), root, np.inf)

    @cached_property
    def _pulled(self) -> Floats:
        return np.asanyarray(np.ldexp(np.einsum("nij,nj->ni", self.given, self.e), self.far))

    def root(self) -> Floats:
        """√s, or ∞ where no short form holds: Ω e overflows, or Ω lies near the ends of the floats."""
        return self._root

    def whole_pull(self) -> Floats:
        """Ω e. (In Ω f 2^n a small component beside a large one may underflow.)"""
        return self._pulled

    def diagonal(self) -> Floats:
        """Ω_ii."""
        return np.diagonal(self.given, axis1=1, axis2=2)

    def over(self, delta: float) -> Floats:
        """s / delta²."""
        return product((self.t,), (delta, delta), 2 * self.n)

    def log_over(self, delta: float) -> Floats:
        """log(s / delta²)."""
        return np.asanyarray(np.log(self.t) + 2 * (self.n * np.log(2 + 0 * delta) - np.log(delta)))

    def damped(self, x: Floats, delta: float, power: int) -> Floats:
        """x 2^(n·power) / (1 + s/delta²); of Ω f or f the power is 1, of t it is 2."""
        u, t, n = (a.reshape(-1, *[1] * (x.ndim - 1)) for a in (self.over(delta), self.t, self.n))
        far = product((delta, delta, x), (t,), (power - 2) * n)  # 1 + u is u
        return np.where(np.isinf(u), far, product((x,), (1 + u,), power * n))

    def magnitudes(self) -> tuple[Floats, Floats]:
        """What roundings of t and of the pull are relative to: Σ |f_i Ω_ij f_j| and Σ_j |Ω_ij f_j|."""
        whole = self.information
        absolute = np.broadcast_to(np.abs(whole[:1] if whole.strides[0] == 0 else whole), whole.shape)
        pulls = np.einsum("nij,nj->ni", absolute, np.abs(self.f))
        sizes = np.einsum("ni,ni->n", np.abs(self.f), pulls)
        return sizes, pulls if self.c is None else np.ldexp(pulls, self.c)


def _balanced(information: Floats) -> tuple[Floats, Any]:
    """2^−c Ω 2^−c with a diagonal near 1, and c; Ω itself and None if its diagonal is far from the ends anyway."""
    diagonal = np.abs(np.diagonal(information, axis1=1, axis2=2))
    ordinary = within(diagonal, 2.0**-500, 2.0**500)
    if ordinary or ((diagonal == 0) | ((diagonal > 2.0**-500) & (diagonal < 2.0**500))).all():
        return information, None
    c = np.frexp(diagonal)[1] // 2
    return np.ldexp(information, -(c[:, :, None] + c[:, None, :])), c


def _limits(e: Floats, information: Floats) -> tuple[Bools, Bools]:
    """Where vectors with infinite components make s infinite on every path, and where s has no limit."""
    infinite, nan = np.isinf(e), np.isnan(e).any(axis=1)
    some = infinite.any(axis=1)
    rows = np.flatnonzero(some)
    patterns, which, of = infinite[rows], np.arange(len(rows)), rows
    if len(information) == 1:  # vectors with the same infinite components are one question
        patterns, which = np.unique(patterns, axis=0, return_inverse=True)
        of = np.zeros(len(patterns), int)
    definite = np.zeros(len(e), bool)
    definite[rows] = _definite(patterns, information, of)[which.reshape(-1)]
    return some & definite & ~nan, (some & ~definite) | nan


def _definite(patterns: Bools, information: Floats, of: Any) -> Bools:
    """For each pattern of components, whether the matrix with that number is definite on them."""
    found, count, d = np.zeros(len(patterns), bool), patterns.sum(axis=1), patterns.shape[1]
    least = d * np.finfo(float).eps * np.trace(information, axis1=1, axis2=2)
    for k in set(count.tolist()):
        same = np.flatnonzero(count == k)
        step = max(1, _TOGETHER // k**2)
        for some in (same[i : i + step] for i in range(0, len(same), step)):
            at = np.nonzero(patterns[some])[1].reshape(-1, k)
            part = information[of[some][:, None, None], at[:, :, None], at[:, None, :]]
            found[some] = np.linalg.eigvalsh(part)[:, 0] > least[of[some]]
    return found
