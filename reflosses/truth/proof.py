"""Certified results: the textbook definition of a loss in ball arithmetic, with enough bits to round to one float64.

`arithmetic` has the numbers. Here are the losses, their reductions, and the search for enough bits. No hand-derived
gradient is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reflosses.evaluation.call import Block, Call
from reflosses.evaluation.domain import Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import printed
from reflosses.truth.arithmetic import (
    Arithmetic,
    CannotCertifyError,
    Infinite,
    NeedsMoreBits,
    NoDerivativeError,
    Rounded,
    available,
    closest,
    precision,
    proved,
)

# Bits of the balls, and whether fractions are tried instead. From 2100 bits on the sum of any two float64 is exact.
PLAN = ((160, False), (400, False), (1200, False), (3600, False), (3600, True), (10800, False))


# ---- a loss at a point -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Certified:
    """Correctly rounded results, and their distance to the exact ones: value + value_rest has twice the digits.

    second: the second derivative with respect to each prediction, if it was asked for. It is NaN where the first one
    jumps. `second_rest` is NaN where it is not known.
    """

    value: Any
    value_rest: Any
    grad: Floats
    grad_rest: Floats
    low: Floats
    high: Floats
    second: Floats | None = None
    second_rest: Floats | None = None


@dataclass
class _Term:
    """The arguments of one definition: one loss, or all losses if each reads all predictions."""

    loss: Loss
    y: Any  # floats, or a class index
    yhat: Floats
    shares: dict[str, Any]  # its part of the parameters that broadcast
    weights: Floats  # one a loss
    lifted: dict[Any, tuple[list[Any], Any, list[Any], list[Any]]] = field(default_factory=dict)
    known: dict[Any, list[Any]] = field(default_factory=dict)

    def losses(self, m: Arithmetic, coordinate: int | None = None) -> list[Any]:
        """The weighted losses, as series in one of the predictions."""
        if coordinate is None and m in self.known:
            return self.known[m]
        if m not in self.lifted:
            self.lifted[m] = self._lifted(m)
        flat, y, parameters, weights = self.lifted[m]
        yhat: Any = flat.copy()
        if coordinate is not None:
            yhat[coordinate] = m.variable(self.yhat.ravel()[coordinate])
        if self.yhat.ndim != 1:
            yhat = np.array(yhat, object).reshape(self.yhat.shape).tolist()
        result = self.loss.definition(m, y, yhat, *parameters)
        results = result if isinstance(result, list) else [result]
        weighted = [w * r for w, r in zip(weights, results, strict=True)]
        if coordinate is None:
            self.known[m] = weighted
        return weighted

    def _lifted(self, m: Arithmetic) -> tuple[list[Any], Any, list[Any], list[Any]]:
        """Predictions, targets, parameters of the definition and weights, as exact numbers."""
        flat = m.lift(self.yhat.ravel())
        given = {f.name: self.shares.get(f.name, getattr(self.loss, f.name)) for f in fields(self.loss)}
        if not isinstance(self.loss.domain.y, Classes):
            y = m.lift(self.y)
        else:
            row = m.lift(self.y if np.ndim(self.y) else (np.arange(len(flat)) == self.y).astype(np.float64))
            y = self.loss.target_row(row, *_named(m, self.loss.target_row, given))
        return flat, y, _named(m, self.loss.definition, given), m.lift(self.weights)


def _named(m: Arithmetic, function: Callable[..., Any], given: dict[str, Any]) -> list[Any]:
    """The parameters of a loss that a function names, as exact numbers."""
    return [m.lift(given[name]) for name in _names(function) if name in given]


@lru_cache(64)
def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


class _Proof:
    """All losses of one call, and the divisor of its reduction."""

    def __init__(self, loss: Loss, units: Block) -> None:
        self.loss, self.units = loss, units
        self.arithmetics: dict[tuple[int, bool, int], Arithmetic] = {}
        weights = np.ones(len(units.yhat)) if units.weight is None else units.weight
        self.terms = []
        for i in range(min(1, len(units.yhat)) if loss.reads_all_predictions else len(units.yhat)):
            one: Any = slice(None) if loss.reads_all_predictions else i
            y = int(units.y[i]) if units.by_index else units.y[one]
            shares = {name: p[i] for name, p in units.shares.items()}
            self.terms.append(_Term(loss, y, np.asarray(units.yhat[one]), shares, np.atleast_1d(weights[one])))
        self.pairs = list(
            zip(units.divisor_weight if loss.reduction == "weighted_mean" else weights, weights, strict=True)
        )
        if loss.reduction == "mean":
            self.divides = units.count > 0
        else:
            self.divides = loss.reduction != "weighted_mean" or any(a > 0 and b > 0 for a, b in self.pairs)

    def divisor(self, m: Arithmetic) -> Any:
        if self.loss.reduction == "weighted_mean":
            products = [m.lift(float(a)) * m.lift(float(b)) for a, b in self.pairs]
            return sum(products, start=m.lift(0.0))
        return m.lift(float(self.units.count if self.loss.reduction == "mean" else 1))

    def value(self, m: Arithmetic, term: int, k: int) -> Any:
        """The k-th loss of one term."""
        return _coefficient(self.terms[term].losses(m)[k], 0)

    def reduced(self, m: Arithmetic) -> Any:
        total = sum((x for t in self.terms for x in t.losses(m)), start=m.lift(0.0))
        return _coefficient(total if isinstance(total, Infinite) else total / self.divisor(m), 0)

    def derivative(self, m: Arithmetic, term: int, coordinate: int, order: int) -> Any:
        total = sum(self.terms[term].losses(m, coordinate), start=m.lift(0.0))
        if isinstance(total, Infinite):
            if order > 1 and total.moves:
                return float(np.inf * total.toward)
            if order > 1 and total.slope:
                raise NoDerivativeError("a second derivative at a pole")
            if total.slope:
                return float(np.inf * total.slope)
            total = total.rest
        return _coefficient(total * order / self.divisor(m), order)

    def refine(
        self, what: str, attempt: Callable[[Arithmetic], Any], side: int = 1, strict: bool = True
    ) -> tuple[Rounded, bool]:
        """A proved result, and whether a comparison on the way was a tie (a kink).

        strict: a result may be too close to the midpoint of two floats, so that thousands of bits do not tell how it
        rounds. Strict raises; not strict returns one of the two floats and the distance to it.
        """
        for bits, rational in PLAN:
            with precision(bits):
                m = self.arithmetics.setdefault((bits, rational, side), Arithmetic(side, rational))
                m.met_a_tie = False
                try:
                    result = attempt(m)
                except NeedsMoreBits:
                    continue
                found = proved(m, result)
                if found is None and not strict and (bits, rational) == PLAN[-1]:
                    found = closest(result)
                if found is not None:
                    return found, m.met_a_tie
        raise CannotCertifyError(f"{self.loss}: {what} is not decided at {PLAN[-1][0]} bits")

    def check_continuity(self, term: int, coordinate: int) -> None:
        """Raise if the branches of a definition do not meet at a tie: it has no derivative there."""

        def total(m: Arithmetic, j: int | None = coordinate) -> Any:
            return _coefficient(sum(self.terms[term].losses(m, j), start=m.lift(0.0)), 0)

        what = "a value at a tie"
        here = self.refine(what, lambda m: total(m, None), 1, False)[0][0]
        for side in (1, -1):
            if not np.isclose(self.refine(what, total, side, False)[0][0], here, rtol=2.0**-40, atol=0.0):
                raise NoDerivativeError("the branches of a definition do not meet")


def _coefficient(x: Any, k: int) -> Any:
    if isinstance(x, Infinite):
        return float(np.inf * x.toward)
    return x.coefficient(k)


def certified(
    loss: Loss,
    y: ArrayLike,
    yhat: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    second: bool = False,
    strict: bool = True,
    slopes: bool = True,
) -> Certified:
    """Value, gradient and one-sided derivatives, proved; with `second`, the second derivatives too.

    strict: False is for measuring errors, see `_Proof.refine`. slopes: False proves the value alone; derivatives are 0.
    """
    _check_environment()
    units = Call(loss, y, yhat, weight).units()
    if not (np.isfinite(units.yhat).all() and np.isfinite(units.y).all()):
        raise CannotCertifyError(f"{loss}: only finite inputs can be certified")
    proof = _Proof(loss, units)

    value, value_rest = np.asarray(np.nan), np.asarray(0.0)
    if loss.reduction == "none":
        pairs = [
            proof.refine("a value", lambda m, i=i, k=k: proof.value(m, i, k), 1, strict)[0]  # type: ignore[misc]
            for i, term in enumerate(proof.terms)
            for k in range(len(term.weights))
        ]
        columns = np.array(pairs).reshape(-1, 2).T
        value, value_rest = (units.placed(c.copy()).reshape(units.layout.value_shape) for c in columns)
    elif proof.divides:
        value, value_rest = (np.asarray(x) for x in proof.refine("the value", proof.reduced, 1, strict)[0])

    size = units.yhat.size
    right, left, seconds = np.zeros((2, size)), np.zeros((2, size)), np.zeros((2, size))
    at = 0
    for i, term in enumerate(proof.terms if proof.divides and slopes else []):
        for j in range(term.yhat.size):

            def slope(m: Arithmetic, order: int = 1, i: int = i, j: int = j) -> Any:
                return proof.derivative(m, i, j, order)

            right[:, at], tie = proof.refine("a derivative", slope, 1, strict)
            if tie:
                left[:, at] = proof.refine("a derivative", slope, -1, strict)[0]
                proof.check_continuity(i, j)
            else:
                left[:, at] = right[:, at]
            if second and (left[:, at] != right[:, at]).any():
                seconds[:, at] = np.nan, 0.0
            elif second:
                seconds[:, at] = _second(proof, slope, tie, strict)
            at += 1

    def whole(flat: Floats) -> Floats:
        return units.layout.restore(units.placed(flat.reshape(units.yhat.shape)))

    low, high = np.minimum(left[0], right[0]), np.maximum(left[0], right[0])
    nearest_to_zero = np.where(np.abs(left[0]) < np.abs(right[0]), left, right)
    grad, grad_rest = np.where((low < 0) & (high > 0), 0.0, nearest_to_zero)
    scalar = loss.reduction != "none"
    return Certified(
        float(value) if scalar else value,
        float(value_rest) if scalar else value_rest,
        whole(grad),
        whole(grad_rest),
        whole(low),
        whole(high),
        *map(whole, seconds if second else ()),
    )


def _second(proof: _Proof, derivative: Callable[..., Any], tie: bool, strict: bool) -> Rounded:
    """The second derivative; of two one-sided ones the nearer to 0. Not strict: (NaN, NaN) if it is not known."""
    try:
        sides = [
            proof.refine("a second derivative", lambda m: derivative(m, 2), side, strict)[0]
            for side in ((1, -1) if tie else (1,))
        ]
    except NoDerivativeError:
        if strict:
            raise
        return np.nan, np.nan
    return min(sides, key=lambda side: abs(side[0]))


@np.errstate(all="ignore")
def certify(
    loss: Loss, y: ArrayLike, yhat: ArrayLike, weight: ArrayLike | None = None, *, curvature: bool = False
) -> Any:
    """The correctly rounded value and gradient of a loss, proved from its textbook definition.

    Arguments and shapes are those of `loss.value_and_grad`; every number is the float64 nearest to the exact result.
    At a kink the gradient is the number nearest to 0 between the two one-sided derivatives, and the curvature is NaN.
    curvature: True returns (value, gradient, curvature); the third is the diagonal of the Hessian (`loss.curvature`).
    The definition is evaluated once for each prediction, in about 0.1 ms if it is short. A row of C classes, or a mask
    of C pixels, takes C² terms. Use it for thousands of points, not for millions.
    Raises ImportError without python-flint (the extra `truth`). Raises CannotCertifyError, a ValueError, for inputs
    that are not finite and for results that cannot be proved. Raises OSError if subnormal numbers or rounding are
    altered in this process. Source: derivations/README.md.
    """
    if not isinstance(loss, Loss):
        raise TypeError(f"certify: loss is {printed(loss)}, no loss such as Huber(delta=0.7)")
    if not isinstance(curvature, bool):
        raise TypeError(f"certify: curvature is {printed(curvature)}, not True or False")
    try:
        result = certified(loss, y, yhat, weight, second=curvature)
    except CannotCertifyError as error:
        if str(error).startswith(f"{loss}: "):
            raise
        raise CannotCertifyError(f"{loss}: no proof at these y and yhat: {error}") from error
    return (result.value, result.grad, result.second) if curvature else (result.value, result.grad)


def _check_environment() -> None:
    """Raise without python-flint, or if another library has altered floating-point arithmetic."""
    if not available():
        raise ImportError("certified values need python-flint: pip install 'reflosses[truth]'")
    tiny, smallest, one, half_ulp = np.array([[5e-324], [2.0**-1022], [1.0], [2.0**-53]])
    if (tiny * one == 0).any() or (smallest / 2 == 0).any() or 5e-324 * float(one[0]) == 0:
        raise OSError("subnormal numbers are switched off in this process (flush-to-zero); nothing can be certified")
    even = (one + half_ulp == one) & (-one - half_ulp == -one) & ((one + 2 * half_ulp) + half_ulp == one + 4 * half_ulp)
    if not even.all():
        raise OSError("floating-point rounding is not to nearest in this process; nothing can be certified")
