"""How far a function of another library is from the certified truth of the loss that it should equal.

A function is *right* if it keeps the accuracy that we promise of our own, in ulps of its dtype, wherever its domain
reaches; *off* if it keeps at least half of its digits; *wrong* if it does not: a zero, an infinity or a NaN that the
exact result is not, another sign, another formula.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import isinf, log10
from typing import Any, NamedTuple

import numpy as np

from reflosses import accuracy
from reflosses.arithmetic import CannotCertifyError
from reflosses.battery import hard, moderate, single
from reflosses.conventions import Answer, Inputs, Peer
from reflosses.domain import Classes, Floats
from reflosses.loss import Loss, Units
from reflosses.truth import certified

CHUNK = (1, 1, 1, 2, 5)  # losses that go into one sum or mean
CLASSES = 5  # at most
MEMBERS = 6  # predictions that go into one loss of a row or an overlap, about
RAISED = (ArithmeticError, RuntimeError, ValueError)  # what a function may raise for an input
SUM = 3.0  # ulps that such a sum of numbers of one sign may add to the bound


@dataclass(frozen=True)
class Measured:
    """Errors of one column (values or gradients), in ulps; `beyond` counts the points above the bound."""

    worst: float
    bound: float
    points: int
    moderate: float | None = None  # the worst on moderate inputs
    beyond: int = 0
    wrong: bool = False  # the worst keeps less than half of the digits
    got: float = 0.0  # what came out there …
    exact: float = 0.0  # … what should have …
    line: str = ""  # … and the line that shows it


def ulps(got: Any, exact: Any, rest: Any, dtype: str, scale: Any = 0.0) -> Floats:
    """`accuracy.ulps` for results of another dtype, where what is too large for it is rightly infinite."""
    info = np.finfo(dtype if dtype != "bool" else np.float64)
    largest, step = float(info.max), 2.0 ** (52 - info.nmant)
    over = np.abs(exact) > largest * (1 + float(info.eps) / 4)
    rounded = np.where(over, np.copysign(np.inf, exact), exact)
    size = np.minimum(np.fmax(scale, float(info.tiny)), largest)  # below, the spacing is that of the subnormals
    return np.asarray(accuracy.ulps(got, rounded, rest, size)) / step


def measured(peer: Peer, dtype: str, seed: int, points: int) -> tuple[Measured | None, Measured | None]:
    """Values and gradients of a function, at moderate and at hard inputs that its dtype holds exactly."""
    slack = 0.0 if peer.equals.reduction == "none" else SUM
    bounds = peer.equals.bounds
    columns = [_Column(peer, code, dtype, b + slack) for code, b in zip((peer.value, peer.grad), bounds, strict=True)]
    for proved in _proved(peer.equals, peer.factor, peer.inputs, dtype, seed, points):
        y, yhat = proved.y.astype(peer.y_dtype or dtype), proved.yhat.astype(dtype)
        for column, got, exact in zip(columns, call(peer, y, yhat), (proved.value, proved.grad), strict=True):
            column.add(proved.tame, y, yhat, got, exact)
    value, grad = (c.result() if c.code else None for c in columns)
    return value, grad


def call(peer: Peer, y: Any, yhat: Any) -> Answer:
    """What a function answers; where it raises for some of the inputs, NaN for these."""
    try:
        return peer(y, yhat)
    except RAISED:
        if peer.equals.reduction == "none" and len(yhat) > 1:
            alone = [call(peer, y[i : i + 1], yhat[i : i + 1]) for i in range(len(yhat))]
            return Answer(*(None if a[0] is None else np.concatenate(a) for a in zip(*alone, strict=True)))
        shape = (1,) if peer.equals.reduction == "none" else ()
        return Answer(peer.value and np.full(shape, np.nan), peer.grad and np.full(yhat.shape, np.nan))


class _Exact(NamedTuple):
    """The truth of one column: value + rest; one-sided derivatives; what errors are relative to at least."""

    value: Any
    rest: Any
    low: Any
    high: Any
    scale: Any


class _Proved(NamedTuple):
    """Inputs and what is proved of them."""

    tame: bool
    y: Floats
    yhat: Floats
    value: _Exact
    grad: _Exact


@lru_cache(maxsize=4)  # several functions in a row equal the same loss
def _proved(loss: Loss, factor: float, inputs: Inputs, dtype: str, seed: int, points: int) -> list[_Proved]:
    """The truth at inputs in the function's dtype and domain."""
    rng = np.random.default_rng(seed)
    eps = float(np.finfo(dtype if dtype != "bool" else np.float64).eps)
    found = []
    for tame, y, yhat in _drawn(loss, seed, points):
        at = 0
        while at < len(yhat):
            size = len(yhat) if single(loss) or loss.reduction == "none" else int(rng.choice(CHUNK))
            a, b = (_fit(x, dtype) for x in inputs(y[at : at + size], yhat[at : at + size], eps))
            at += size
            whole = np.isfinite(a) & (np.isfinite(b).all(axis=1) if b.ndim > a.ndim else np.isfinite(b))
            if whole.any() and (whole.all() or loss.reduction == "none"):
                with suppress(CannotCertifyError):
                    found.append(_Proved(tame, a[whole], b[whole], *_truth(loss, factor, a[whole], b[whole])))
    return found


def _drawn(loss: Loss, seed: int, points: int) -> Iterator[tuple[bool, Floats, Floats]]:
    """Moderate inputs (True) and hard ones."""
    predictions = MEMBERS if loss.layout.groups else 1
    for tame, source, n in ((True, moderate, max(12, points // 4)), (False, hard, points)):
        for problem in source(loss, seed, n * predictions):
            y, yhat = np.asarray(problem.y, np.float64), problem.yhat
            if isinstance(loss.domain.y, Classes):
                yhat = yhat[:, :CLASSES]  # short to write; and no function here takes class probabilities as targets
                y = (y if y.ndim == 1 else y.argmax(axis=1).astype(np.float64)) % yhat.shape[1]
            yield tame, y, yhat


def _fit(a: Floats, dtype: str) -> Floats:
    """Numbers that a narrower dtype holds: where it has no room, nearer to 1 but as hard."""
    if dtype != "float32":
        return (a != 0).astype(np.float64) if dtype == "bool" else a
    info = np.finfo(np.float32)
    fraction, exponent = np.frexp(a)
    below_one = 1 - a
    with np.errstate(over="ignore"):
        near = np.where((below_one > 0) & (below_one < 2.0**-34), 1 - below_one * 2.0**29, a)
        beyond = (np.abs(a) > float(info.max)) | ((np.abs(a) < float(info.smallest_subnormal)) & (a != 0))
        squeezed = np.where(beyond & np.isfinite(a), np.ldexp(fraction, exponent // 8), near)
        return squeezed.astype(np.float32).astype(np.float64)


def _truth(loss: Loss, factor: float, y: Floats, yhat: Floats) -> tuple[_Exact, _Exact]:
    """Values and gradients of `factor` times the loss."""
    units = Units(loss, y, yhat, None)
    t = certified(loss, y, yhat, np.full(units.layout.value_shape, factor), strict=False)
    with np.errstate(all="ignore"):
        value_scale, grad_scale = loss.largest_term(units.y, units.yhat, *units.parameters)
    if value_scale is None or loss.reduction != "none":
        value_scale = np.zeros(np.shape(t.value))
    grad_scale = np.zeros(yhat.shape) if grad_scale is None else units.layout.restore(grad_scale)
    value = _Exact(t.value, t.value_rest, t.value, t.value, factor * value_scale.reshape(np.shape(t.value)))
    return value, _Exact(t.grad, t.grad_rest, t.low, t.high, factor * grad_scale)


class _Beyond(NamedTuple):
    """An answer whose error is above the bound, the code that gives it and the input."""

    error: float
    got: float
    exact: float
    code: str
    y: Any
    yhat: Any


@dataclass
class _Column:
    """The errors met so far."""

    peer: Peer
    code: str | None
    dtype: str
    bound: float
    points: int = 0
    worst: float = 0.0
    moderate: float = 0.0
    beyond: list[_Beyond] = field(default_factory=list)

    def add(self, tame: bool, y: Any, yhat: Any, got: Any, truth: _Exact) -> None:
        """One answer, against the truth."""
        if self.code is None:
            return
        raw, left_out = np.asarray(np.ma.getdata(got), np.float64), np.ma.getmaskarray(got)
        if raw.shape != np.shape(truth.value):
            raise TypeError(f"the answer has shape {raw.shape}, the loss {np.shape(truth.value)}")
        error = ulps(raw, truth.value, truth.rest, self.dtype, np.fmax(truth.scale, self.peer.unit))
        at_kink = (truth.low < truth.high) & (truth.low <= raw) & (raw <= truth.high)
        exact, error = truth.value, np.where(at_kink | left_out, 0.0, error)
        rows = len(yhat) if self.peer.equals.reduction == "none" else 1
        error, raw, exact = (np.reshape(a, (rows, -1)) for a in (error, raw, exact))
        at = error.argmax(axis=1)
        for i, j in enumerate(at):
            self.points += 1
            self.worst = max(self.worst, float(error[i, j]))
            if tame:
                self.moderate = max(self.moderate, float(error[i, j]))
            if error[i, j] > self.bound:
                one = slice(i, i + 1) if rows > 1 else slice(None)
                where = f"[0, {j}]" if np.ndim(got) == 2 else ""
                met, came, should = (float(x[i, j]) for x in (error, raw, exact))
                self.beyond.append(_Beyond(met, came, should, f"{self.code}{where}", y[one], yhat[one]))

    def result(self) -> Measured:
        """What is left to tell: of all errors within a factor of 2 of the worst, the one that is shortest to write."""
        found = Measured(self.worst, self.bound, self.points, self.moderate, len(self.beyond))
        if not self.beyond:
            return found
        near = [b for b in self.beyond if b.error >= self.worst / 2]
        worst = min(near[:500], key=lambda b: (b.yhat.size, len(f"{b.y}{b.yhat}")))
        try:
            self.peer(worst.y, worst.yhat)
            shown = _number(worst.got, self.dtype)
        except RAISED as raised:
            shown = f"raises {type(raised).__name__}: {raised}".partition("\n")[0]
        line = (
            f"{self.peer.line(worst.code, worst.y, worst.yhat)}  # {shown}, exact: {_number(worst.exact, self.dtype)}"
        )
        digits = np.finfo(self.dtype if self.dtype != "bool" else np.float64).nmant
        wrong = worst.error > 2.0 ** (digits / 2)
        return replace(found, wrong=wrong, got=worst.got, exact=worst.exact, line=line)


def _number(x: float, dtype: str) -> str:
    return str(np.float32(x)) if dtype == "float32" else repr(x)


def judged(dtype: str, *columns: Measured | None) -> tuple[str, str]:
    """A verdict, in one word and in some."""
    there = [m for m in columns if m is not None]
    beyond = [m for m in there if m.beyond]
    if not beyond:
        return "right", f"right (within {in_ulp(max(m.worst for m in there))} ulp)"
    m = max(beyond, key=lambda m: (m.wrong, m.worst))
    text = "wrong" if m.wrong else f"off by {in_ulp(m.worst)} ulp"
    if m.points > 1:
        text += f" at {100 * m.beyond / m.points:.2g} %"
    if m.moderate is not None and m.moderate > m.bound:
        text += ", even moderate"
    if not m.wrong:
        return "off", text
    relative = abs(m.got - m.exact) / abs(m.exact) if m.exact and np.isfinite(m.exact) else np.nan
    if relative < 0.05:
        return "wrong", f"{text}: {-log10(relative):.0f} of {7 if dtype == 'float32' else 16} digits"
    return "wrong", f"{text}: {m.got + 0.0:.3g} for {m.exact:.3g}"


def in_ulp(error: float) -> str:
    """An error, for people."""
    return "∞" if isinf(error) else "0" if error == 0 else f"{error:.2g}" if error >= 0.1 else f"{max(error, 0.01):.2f}"
