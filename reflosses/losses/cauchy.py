"""Cauchy's robust kernel of a residual or of a residual vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reflosses.evaluation.axes import ELEMENTS, VECTORS
from reflosses.evaluation.domain import MAX, POSITIVE, REAL, SQUARED, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import log1p_over
from reflosses.evaluation.parameters import array, number, optional, parameter, semidefinite
from reflosses.evaluation.quadratic_form import Form


class Cauchy(Loss):
    """Cauchy's robust kernel: squared error for small residuals, logarithmic for large ones.

    Formula, with e = yhat − y and s = e² (or s = eᵀ Ω e, given an information matrix Ω):  delta² log(1 + s/delta²).
    Shapes: y and yhat alike, one loss an element; with Ω, of shape (d, d) or (…, d, d), one loss a vector.
    Domain: y and yhat real, delta > 0 in the unit of √s, information symmetric and positive semi-definite.
    Kinks: none. Limits: a residual of ±∞ gives ∞ with slope 0.
    Accuracy: the bound of the curvature is relative to 2ρ′. With Ω, the page says what each bound is relative to.
    Source: P. W. Holland and R. E. Welsch, 1977, as a weight; derivations/cauchy.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any, delta: Any, information: Any) -> Any:
        if information is None:
            s = (yhat - y) ** 2
        else:
            e = [b - a for a, b in zip(y, yhat, strict=True)]
            s = sum(e[i] * information[i][j] * e[j] for i in range(len(e)) for j in range(len(e)))
        return delta**2 * m.log(1 + s / delta**2)

    delta: float = parameter(default=1.0, check=number(POSITIVE))
    information: Any = parameter(default=None, check=optional(semidefinite), broadcast=2)

    def losses(self, u: Floats, root: Floats, pull: Floats, stiff: Any) -> Floats:
        value = self.delta * (self.delta * np.log1p(u))  # (1)
        return value if self.information is None else np.where(u > 1, value, root * (root * log1p_over(u)))  # (7)

    def slopes(self, u: Floats, root: Floats, pull: Floats, stiff: Any) -> Floats:
        return 2 * (pull / (1 + (u if self.information is None else u[:, None])))  # (5)

    def curvatures(self, u: Floats, root: Floats, pull: Floats, stiff: Any) -> Floats:
        if self.information is None:
            return 2 * ((1 - u) / (1 + u)) / (1 + u)  # (9)
        lever, v = pull / self.delta, 1 + u[:, None]
        return 2 * ((stiff - 2 * lever * (lever / v)) / v)  # (6)

    short = (2.0**-1000, MAX)  # of u = s/delta²

    def terms(self, y: Floats, yhat: Floats, information: Floats | None = None) -> tuple[Any, ...]:
        if information is None:
            return np.square((e := yhat - y) / self.delta), e, e, 1.0
        form = Form(y, yhat, information)  # u, √s, Ω e, Ω_ii
        return np.square(form.root() / self.delta), form.root(), form.whole_pull(), form.diagonal()

    # ---- the whole range: squares leave the floats -------------------------------------------------------------------

    def full(self, y: Floats, yhat: Floats, information: Floats | None = None) -> tuple[Floats, Floats, Floats]:
        form, d = Form(y, yhat, information), self.delta
        u = form.over(d)
        near = np.where(u < 1, form.over(1.0) * log1p_over(u), d * (d * np.log1p(u)))  # (7), (1)
        value = np.where(np.isinf(u), d * (d * form.log_over(d)), near)  # (8): log(1 + u) is log u
        slope = 2 * form.damped(form.pull, d, 1)
        curvature = 2 * form.damped(form.diagonal(), d, 0) - np.square(slope / d)  # (6)
        return value, slope.reshape(yhat.shape), curvature.reshape(yhat.shape)

    # ---- ρ, ρ′ and ρ″, for least squares -----------------------------------------------------------------------------

    def rho(self, s: ArrayLike) -> Floats:
        """ρ(s) of the squared error s ≥ 0, element by element."""
        return self._kernel("rho", s)[0]

    def weight(self, s: ArrayLike) -> Floats:
        """ρ′(s) = 1/(1 + s/delta²), the weight of iteratively reweighted least squares."""
        return self._kernel("weight", s)[1]

    def rho_second(self, s: ArrayLike) -> Floats:
        """ρ″(s) = −ρ′(s)²/delta²."""
        return self._kernel("rho_second", s)[2]

    def scipy_rho(self, z: ArrayLike) -> Floats:
        """ρ, ρ′ and ρ″ for `least_squares(loss=cauchy.scipy_rho, f_scale=C)`, which bends at residuals of C·delta."""
        return np.stack(self._kernel("scipy_rho", z))

    @np.errstate(all="ignore")
    def _kernel(self, name: str, squared: ArrayLike) -> tuple[Floats, Floats, Floats]:
        d, s = self.delta, np.asarray(array(SQUARED, nan=True)(f"{self}: {name}: s", squared))
        u = s / d / d
        rho = np.where(np.isinf(u), d * (d * (np.log(s) - 2 * np.log(d))), s * log1p_over(u))  # (8), (7)
        weight = np.where(u > 2.0**60, d * (d / s), 1 / (1 + u))  # (2)
        return rho, weight, -np.square(weight / d)  # (3)

    # ---- what the checks need ----------------------------------------------------------------------------------------

    layout = property(lambda self: ELEMENTS if self.information is None else VECTORS)
    domain = Domains(REAL, REAL)
    _terms = property(lambda self: 0 if self.information is None else self.information.shape[-1])  # of the sums with Ω
    bounds = property(lambda self: Bounds(8 + 2 * self._terms, 6 + 3 * self._terms, 16 + 6 * self._terms))
    examples = (
        *({"delta": d} for d in (0.7, 1e-6, 1e6)),
        {"delta": 0.3, "information": ((4.0, 1.5), (1.5, 0.7))},
        {"delta": 7.0, "information": ((1e4, -0.3, 0.0), (-0.3, 0.05, 0.2), (0.0, 0.2, 30.0))},
    )

    @property
    def scale(self) -> float:
        trace = 1.0 if self.information is None else np.trace(self.information, axis1=-2, axis2=-1)
        return float(self.delta / np.sqrt(np.max(trace) or 1.0))

    def error_scale(self, y: Floats, yhat: Floats, information: Floats | None = None) -> tuple[Any, Any, Any]:
        form, d = Form(y, yhat, information), self.delta
        stiff = 2 * form.damped(form.diagonal(), d, 0)
        if information is None:
            return None, None, stiff[:, 0]
        a, pulls = (form.damped(x, d, power) for x, power in zip(form.magnitudes(), (2, 1), strict=True))
        blurred = (1 + np.maximum(a - form.damped(form.t, d, 2), 0.0) / d / d)[:, None]  # ρ′, where s cancels
        return a, 2 * pulls * blurred, (stiff + np.square(2 * pulls / d)) * blurred
