"""Cauchy's robust kernel of a residual or of a residual vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reflosses.evaluation.axes import ELEMENTS, VECTORS
from reflosses.evaluation.domain import MAX, POSITIVE, REAL, SQUARED, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import log1p_over, product
from reflosses.evaluation.parameters import array, number, optional, parameter, semidefinite
from reflosses.evaluation.quadratic_form import form_magnitudes, informed, limit_of_form, scaled_form


class Cauchy(Loss):
    """Cauchy's robust kernel: squared error for small residuals, logarithmic for large ones.

    Formula, with e = yhat − y and s = e² (or s = eᵀ Ω e, given an information matrix Ω):  delta² log(1 + s/delta²).
    Shapes: y and yhat alike. Without information one loss an element. With it the last axis is one residual vector of
    d components, with one loss a vector; information is (d, d), or (…, d, d) broadcast against the vectors.
    Scale: that of s, with no factor ½; delta in the unit of √s.
    Domain: y and yhat real, delta > 0, information symmetric and positive semi-definite.
    Kinks: none. Limits: a residual of ±∞ gives ∞ with slope 0.
    Accuracy: with information, the value's bound is relative to a = ρ′ Σ|e_i Ω_ij e_j|, the slope's to
    2ρ′ Σ_j |Ω_ij e_j| (1 + a/delta²).
    Errors: those of every loss (`reflosses.evaluation.loss.Loss`).
    Source: P. W. Holland and R. E. Welsch, 1977, as a weight; derivations/cauchy.md.
    """

    delta: float = parameter(default=1.0, check=number(POSITIVE))
    information: Any = parameter(default=None, check=optional(semidefinite), broadcast=2)

    layout = property(lambda self: ELEMENTS if self.information is None else VECTORS)
    domain = Domains(REAL, REAL)
    bounds = Bounds(4, 5)
    short = (2.0**-1000, MAX)
    examples = (
        *({"delta": d} for d in (0.7, 1e-6, 1e6)),
        {"delta": 0.3, "information": ((4.0, 1.5), (1.5, 0.7))},
        {"delta": 7.0, "information": ((1e4, -0.3, 0.0), (-0.3, 0.05, 0.2), (0.0, 0.2, 30.0))},
    )

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, delta: Any, information: Any) -> Any:
        if information is None:
            s = (yhat - y) ** 2
        else:
            e = [b - a for a, b in zip(y, yhat, strict=True)]
            s = sum(e[i] * information[i][j] * e[j] for i in range(len(e)) for j in range(len(e)))
        return delta**2 * m.log(1 + s / delta**2)

    def terms(self, y: Floats, yhat: Floats, information: Floats | None = None) -> tuple[Floats, ...]:
        r = pull = yhat - y
        if information is not None:
            e = np.where(informed(information), r, 0.0)
            k, _, t = scaled_form(e, information)
            r, pull = k * np.sqrt(t), np.einsum("nij,nj->ni", information, e)  # √s and Ω e
        return np.square(r / self.delta), r, pull

    def losses(self, u: Floats, r: Floats, pull: Floats) -> Floats:
        value = self.delta * (self.delta * np.log1p(u))  # (1)
        return value if pull.ndim == 1 else np.where(u > 1, value, r * (r * log1p_over(u)))  # (7): √s errs more

    def slopes(self, u: Floats, r: Floats, pull: Floats) -> Floats:
        return 2 * (pull / (1 + (u if pull.ndim == 1 else u[:, None])))  # (5)

    def full(self, y: Floats, yhat: Floats, information: Floats | None = None) -> tuple[Floats, Floats]:
        u, r, pull = self.terms(y, yhat, information)
        far, steep = self._beyond(yhat / 2 - y / 2, information)
        each = u < 1 if pull.ndim == 1 else u[:, None] < 1
        return np.where(u < 1, r * (r * log1p_over(u)), far), np.where(each, 2 * pull, steep)  # (7)

    def _beyond(self, half: Floats, information: Floats | None) -> tuple[Floats, Floats]:
        if information is None:
            return self._far(np.log(np.abs(half))), self.delta * (self.delta / half)  # log(1 + u) = log u
        k, g, t = (a.reshape(len(half), -1) for a in scaled_form(half, information))
        u = product((4.0, k, k, t), (self.delta, self.delta))
        value = np.where(np.isinf(u), self._far(np.log(k) + np.log(t) / 2), self.delta * (self.delta * np.log1p(u)))
        slope = np.where(np.isinf(u), product((self.delta, self.delta, g), (k, t)), product((4.0, k, g), (1 + u,)))
        limits = limit_of_form(half, information)
        slopes = np.select([x[:, None] for x in limits], [0.0, np.nan], slope)
        return np.select(limits, [np.inf, np.nan], value[:, 0]), slopes

    def _far(self, log_half: Floats) -> Floats:
        return self.delta * (self.delta * (2 * (log_half + np.log(2) - np.log(self.delta))))  # (8)

    @property
    def scale(self) -> float:
        trace = 1.0 if self.information is None else np.trace(self.information, axis1=-2, axis2=-1)
        return float(self.delta / np.sqrt(np.max(trace) or 1.0))

    def error_scale(self, y: Floats, yhat: Floats, information: Floats | None = None) -> tuple[Any, Any]:
        if information is None:
            return None, None
        k, t, size, pull = form_magnitudes(yhat / 2 - y / 2, information)
        u = product((4.0, k, k, t), (self.delta, self.delta))
        damped = np.where(np.isinf(u), product((self.delta, self.delta), (t,)), product((4.0, k, k), (1 + u,)))
        value = damped * size  # ρ′ Σ |e_i Ω_ij e_j|
        return value, (value / (k * size) * (1 + value / self.delta**2))[:, None] * pull

    @np.errstate(all="ignore")
    def rho(self, s: ArrayLike) -> Floats:
        """ρ(s) of the squared error s ≥ 0, element by element."""
        s, u = self._squared("rho", s)
        return np.where(np.isinf(u), self._far(np.log(s) / 2 - np.log(2)), s * log1p_over(u))

    @np.errstate(all="ignore")
    def weight(self, s: ArrayLike) -> Floats:
        """ρ′(s) = 1/(1 + s/delta²), the weight of iteratively reweighted least squares."""
        s, u = self._squared("weight", s)
        return np.where(u > 2.0**60, self.delta * (self.delta / s), 1 / (1 + u))  # (2)

    @np.errstate(all="ignore")
    def rho_second(self, s: ArrayLike) -> Floats:
        """ρ″(s) = −ρ′(s)²/delta²."""
        return -np.square(self.weight(s) / self.delta)  # (3)

    def scipy_rho(self, z: ArrayLike) -> Floats:
        """ρ, ρ′ and ρ″ for `least_squares(loss=cauchy.scipy_rho, f_scale=C)`, which bends at residuals of C·delta."""
        return np.stack([self.rho(z), self.weight(z), self.rho_second(z)])

    def _squared(self, name: str, s: ArrayLike) -> tuple[Floats, Floats]:
        checked = np.asarray(array(SQUARED, nan=True)(f"{self}: {name}: s", s))
        return checked, checked / self.delta / self.delta
