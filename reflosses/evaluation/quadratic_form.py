"""The quadratic form eᵀ Ω e of residual vectors, over the whole range of the floats."""

from __future__ import annotations

import numpy as np

from reflosses.evaluation.domain import Bools, Floats


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
