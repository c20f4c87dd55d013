"""The quadratic form eᵀ Ω e of residual vectors, over the whole range of the floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import Bools, Floats
from reflosses.evaluation.numerics import product


class Form:
    """s = eᵀ Ω e of the residual vectors e = yhat − y, held as e = f 2^n: no square overflows or underflows early.

    f: (vectors, d), its largest component in [½, 1), or all 0. n: one integer a vector. pull: Ω f. t: fᵀ Ω f, so that
    s = t 4^n. Without Ω a residual is a vector of one component. An infinite component makes t infinite and the pull 0
    if Ω is definite on such components; otherwise several of them may cancel, and both are NaN.
    """

    def __init__(self, y: Floats, yhat: Floats, information: Floats | None) -> None:
        if information is None:
            y, yhat, information = y[:, None], yhat[:, None], np.ones((len(y), 1, 1))
        informed = (information != 0).any(axis=2)  # the components that have a part in s
        e = np.where(informed, yhat - y, 0.0)
        far: Any = ~np.isfinite(e).all(axis=1)  # e overflows, or is infinite
        if far.any():
            e = np.where(far[:, None] & informed, yhat / 2 - y / 2, e)
        self.e, self.far = e, far[:, None]
        n = np.frexp(np.max(np.abs(e), axis=1, initial=0.0))[1]
        self.information, self.f, self.n = information, np.ldexp(e, -n[:, None]), n + far
        self.pull = np.einsum("nij,nj->ni", information, self.f)
        self.t = np.maximum(np.einsum("ni,ni->n", self.f, self.pull), 0.0)
        if far.any():
            infinite, nan = _limits(e, information)
            self.pull = np.select([infinite[:, None], nan[:, None]], [0.0, np.nan], self.pull)
            self.t = np.select([infinite, nan], [np.inf, np.nan], self.t)

    def root(self) -> Floats:
        """√s."""
        return np.asanyarray(np.ldexp(np.sqrt(self.t), self.n))

    def whole_pull(self) -> Floats:
        """Ω e. (In Ω f 2^n a small component beside a large one may underflow.)"""
        return np.asanyarray(np.ldexp(np.einsum("nij,nj->ni", self.information, self.e), self.far))

    def diagonal(self) -> Floats:
        """Ω_ii."""
        return np.diagonal(self.information, axis1=1, axis2=2)

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
        pulls = np.einsum("nij,nj->ni", np.abs(self.information), np.abs(self.f))
        return np.einsum("ni,ni->n", np.abs(self.f), pulls), pulls


def _limits(e: Floats, information: Floats) -> tuple[Bools, Bools]:
    """Where vectors with infinite components make s infinite on every path, and where s has no limit."""
    infinite, nan = np.isinf(e), np.isnan(e).any(axis=1)
    both = infinite[:, :, None] & infinite[:, None, :]
    size = np.maximum(np.trace(information, axis1=1, axis2=2), 5e-324)[:, None, None]
    smallest = np.linalg.eigvalsh(np.where(both, information / size, np.eye(e.shape[1])))[:, 0]
    some, definite = infinite.any(axis=1), smallest > e.shape[1] * np.finfo(float).eps
    return some & definite & ~nan, (some & ~definite) | nan
