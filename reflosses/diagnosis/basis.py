"""Terms that the formulas of a loss are made of, for losses of each kind of arrays.

A formula that somebody wrote is often a sum of a few such terms. `readings` finds out which ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from reflosses.diagnosis.formulas import class_probability, softplus
from reflosses.diagnosis.model import one_hot
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Floats

Named = dict[str, Any]  # terms by their names: nodes of a value, or arrays of a gradient
Regions = tuple[tuple[str, Any], ...]  # a sentence part such as "where |r| < delta", and which losses it is true of


class Terms(NamedTuple):
    """The terms of one kind of losses.

    value, slope: terms of the loss, one number a row, and terms of the gradient, of the shape of the predictions; the
        simplest come first.
    pieces, slopes: names of the terms that may differ from region to region.
    regions: which losses belong together, in several ways, the simplest first.
    due: the formula of each loss, and that of its gradient.
    letters: what the letters in the names stand for.
    """

    value: Callable[[Tape, Any, Any, Node], Named]
    slope: Callable[[Tape, Any, Any, Node], Named]
    pieces: tuple[str, ...] = ()
    slopes: tuple[str, ...] = ()
    regions: Callable[[Any, Any, Any], tuple[Regions, ...]] = lambda loss, y, x: ((),)
    due: Mapping[str, tuple[str, str]] = {}
    letters: Mapping[str, str] = {}


ONE = ""  # the name of a constant


def _by(name: str, below: str, above: str, inside: Any) -> Regions:
    return (f"where {name} {below}", inside), (f"where {name} {above}", ~inside)


# ---- residuals -------------------------------------------------------------------------------------------------------


def _residual(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    r = x - y
    size = t.abs(r)
    return {
        "r²": r * r,
        "|r|": size,
        "r": r,
        ONE: t.node(np.ones_like(y)),
        "yhat²": x * x,
        "y yhat": y * x,
        "y²": t.node(y * y),
        "|yhat|": t.abs(x),
        "yhat": x,
        "|r|³": size * size * size,
        "r⁴": r * r * r * r,
        "√|r|": t.sqrt(size),
        "log |r|": t.log(size),
        "|r|/|y|": size / np.abs(y),
        "r²/|y|": r * r / np.abs(y),
        "r²/y²": r * r / (y * y),
        "|r|/(|y| + |yhat|)": size / (np.abs(y) + t.abs(x)),
        "y r²": y * r * r,
    }


def _residual_slope(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    r = x.value - y
    u = r / loss.scale
    return {
        "r": r,
        "sign(r)": np.sign(r),
        "1": np.ones_like(r),
        "r/(1 + r²/delta²)": r / (1 + u * u),
        "r/(1 + r²/delta²)²": r / (1 + u * u) ** 2,
        "r/√(1 + r²/delta²)": r / np.sqrt(1 + u * u),
        "|r|": np.abs(r),
        "yhat": x.value,
        "y": y,
        "r|r|": r * np.abs(r),
        "sign(r)/|y|": np.sign(r) / np.abs(y),
        "r/y²": r / (y * y),
        "r/|y|": r / np.abs(y),
        "r³": r**3,
    }


def _residual_regions(loss: Any, y: Any, x: Any) -> tuple[Regions, ...]:
    r, scale = x - y, loss.scale
    size, named = np.abs(r), "delta" if hasattr(loss, "delta") else "1"
    signs = _by("r", "< 0", "≥ 0", r < 0)
    near, near_too = (
        _by("|r|", f"< {named}", f"≥ {named}", size < scale),
        _by("|r|", f"≤ {named}", f"> {named}", size <= scale),
    )
    one = (_by("|r|", "< 1", "≥ 1", size < 1), _by("|r|", "≤ 1", "> 1", size <= 1)) if scale != 1 else ()
    root = (_by("r²", f"< {named}", f"≥ {named}", r * r < scale),) if scale != 1 else ()
    below, below_too = _by("r", f"< {named}", f"≥ {named}", r < scale), _by("r", f"≤ {named}", f"> {named}", r <= scale)
    three = tuple(
        (f"where {said}", inside)
        for said, inside in (
            (f"r < −{named}", r < -scale),
            (f"−{named} ≤ r < 0", (r < 0) & (r >= -scale)),
            (f"0 ≤ r ≤ {named}", (r >= 0) & (r <= scale)),
            (f"r > {named}", r > scale),
        )
    )
    return (), near, near_too, signs, below, below_too, *root, *one, three


# ---- margins ---------------------------------------------------------------------------------------------------------


def _margin(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    m = y * x
    return {
        "m": m,
        ONE: t.node(np.ones_like(y)),
        "m²": m * m,
        "log(1 + e^−m)": softplus(t, -m),
        "e^−m": t.exp(-m),
        "log(1 + e^(1 − m))": softplus(t, 1 - m),
        "|m|": t.abs(m),
        "yhat": x,
        "yhat²": x * x,
        "σ(−m)": t.sigmoid(-m),
        "σ(−m)²": t.sigmoid(-m) * t.sigmoid(-m),
    }


def _margin_slope(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    e = np.exp(-np.fmax(y * x.value, -500))
    return {
        "y": y,
        "1": np.ones_like(y),
        "yhat": x.value,
        "m": y * x.value,
        "y e^−m": y * e,
        "y σ(−m)": y * e / (1 + e),
    }


def _margin_regions(loss: Any, y: Any, x: Any) -> tuple[Regions, ...]:
    m = y * x
    cuts = ((1.0,), (0.0,), (-1.0,), (0.0, 1.0), (-1.0, 1.0), (-1.0, 0.0, 1.0), (0.5,), (2.0,))
    out: list[Regions] = [()]
    for cut in cuts:
        edges = [-np.inf, *cut, np.inf]
        named = []
        for low, high in pairwise(edges):
            if low == -np.inf:
                said = f"m < {high:g}"
            else:
                said = f"m ≥ {low:g}" if high == np.inf else f"{low:g} ≤ m < {high:g}"
            named.append((f"where {said}".replace("-", "−"), (m >= low) & (m < high)))
        out.append(tuple(named))
    return tuple(out)


# ---- two classes -----------------------------------------------------------------------------------------------------


def _entropy_of(y: Any) -> Floats:
    """y log y + (1 − y) log(1 − y), 0 for hard labels."""
    inside = np.where((y > 0) & (y < 1), y, 0.5)
    return np.where((y > 0) & (y < 1), inside * np.log(inside) + (1 - inside) * np.log(1 - inside), 0.0)


def _power(name: str, k: float) -> str:
    return {0.0: "", 1.0: name, 2.0: f"{name}²"}.get(k, f"{name}^gamma")


def _focal(loss: Any) -> list[float]:
    return list(dict.fromkeys([1.0, 2.0, *([loss.gamma] if getattr(loss, "gamma", 0.0) else [])]))


def _faded(t: Tape, loss: Any, y: Any, p: Node, q: Node, one: Node, zero: Node, names: tuple[str, ...]) -> Named:
    """Terms of focal losses: both labels, both bases, all powers."""
    pn, qn, ln, kn = names
    out: Named = {}
    for k in _focal(loss):
        for base, said in ((q, qn), (p, pn)):
            faded = t.power(base, k)
            out[f"y {_power(said, k)} {ln}"] = y * (faded * one)
            out[f"(1 − y) {_power(said, k)} {kn}"] = (1 - y) * (faded * zero)
    return out


def _probability(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    one, zero, q = t.log(x), t.log(1 - x), 1 - x
    none = t.node(np.zeros_like(y))
    return {
        "y log p": y * one,
        "(1 − y) log(1 − p)": (1 - y) * zero,
        "y log(1 − p)": y * zero,
        "(1 − y) log p": (1 - y) * one,
        "(p − y)²": (x - y) * (x - y),
        "|p − y|": t.abs(x - y),
        "p": x,
        "y p": y * x,
        "y": y + none,
        ONE: 1 + none,
        "p²": x * x,
        "y log y + (1 − y) log(1 − y)": _entropy_of(y) + none,
        "p log p": x * one,
        "(1 − p) log(1 − p)": q * zero,
        **_faded(t, loss, y, x, q, one, zero, ("p", "(1 − p)", "log p", "log(1 − p)")),
        "y log(1 + p)": y * t.log1p(x),
        "(1 − y) log(1 + p)": (1 - y) * t.log1p(x),
        "log(1 + e^p)": softplus(t, x),
        "y²": y * y + none,
        "y² log p": y * y * one,
        "(1 − y)² log(1 − p)": (1 - y) * (1 - y) * zero,
        "y/p": y / x,
        "(1 − y)/(1 − p)": (1 - y) / q,
        "y log(p)²": y * one * one,
        "(1 − y) log(1 − p)²": (1 - y) * zero * zero,
    }


def _probability_slope(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    p = x.value
    out = {
        "y/p": y / p,
        "(1 − y)/(1 − p)": (1 - y) / (1 - p),
        "(1 − y)/p": (1 - y) / p,
        "y/(1 − p)": y / (1 - p),
        "p": p,
        "y": y + 0 * p,
        "1": np.ones_like(p),
        "y p": y * p,
        "p²": p * p,
        "p (1 − p) (p − y)": p * (1 - p) * (p - y),
        "y log p": y * np.log(p),
        "(1 − y) log(1 − p)": (1 - y) * np.log(1 - p),
    }
    for k in _focal(loss):
        base = _power("(1 − p)", k), _power("p", k)
        less = [_power(b, k - 1).replace("^gamma", "^(gamma − 1)") for b in ("(1 − p)", "p")]
        out |= {
            f"y {base[0]}/p": y * (1 - p) ** k / p,
            f"(1 − y) {base[1]}/(1 − p)": (1 - y) * p**k / (1 - p),
            f"y {less[0]} log p".replace("  ", " "): y * (1 - p) ** (k - 1) * np.log(p),
            f"(1 − y) {less[1]} log(1 − p)".replace("  ", " "): (1 - y) * p ** (k - 1) * np.log(1 - p),
            f"y {base[0]}": y * (1 - p) ** k,
            f"(1 − y) {base[1]}": (1 - y) * p**k,
        }
    return out


def _logit(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    s, positive, negative = t.sigmoid(x), softplus(t, x), softplus(t, -x)
    none = t.node(np.zeros_like(y))
    right, wrong = 1 - x, 1 + x
    return {
        "y log σ(z)": y * -negative,
        "(1 − y) log(1 − σ(z))": (1 - y) * -positive,
        "y log(1 − σ(z))": y * -positive,
        "(1 − y) log σ(z)": (1 - y) * -negative,
        "log(1 + e^z)": positive,
        "log(1 + e^−z)": negative,
        "z": x,
        "y z": y * x,
        "y": y + none,
        ONE: 1 + none,
        "(σ(z) − y)²": (s - y) * (s - y),
        "|σ(z) − y|": t.abs(s - y),
        "σ(z)": s,
        "y σ(z)": y * s,
        "(z − y)²": (x - y) * (x - y),
        "|z − y|": t.abs(x - y),
        "y log y + (1 − y) log(1 − y)": _entropy_of(y) + none,
        **_faded(t, loss, y, s, 1 - s, -negative, -positive, ("σ(z)", "(1 − σ(z))", "log σ(z)", "log(1 − σ(z))")),
        "|z|": t.abs(x),
        "max(z, 0)": t.where(x.value > 0, x, 0.0),
        "log(1 + e^−|z|)": softplus(t, -t.abs(x)),
        "log(1 + e^|z|)": softplus(t, t.abs(x)),
        "y e^−z": y * t.exp(-x),
        "(1 − y) e^z": (1 - y) * t.exp(x),
        "y max(0, 1 − z)": y * t.where(right.value > 0, right, 0.0),
        "(1 − y) max(0, 1 + z)": (1 - y) * t.where(wrong.value > 0, wrong, 0.0),
        "y max(0, 1 − z)²": y * t.where(right.value > 0, right * right, 0.0),
        "(1 − y) max(0, 1 + z)²": (1 - y) * t.where(wrong.value > 0, wrong * wrong, 0.0),
        "e^z": t.exp(x),
        "e^−z": t.exp(-x),
        "z²": x * x,
        "y²": y * y + none,
    }


def _logit_slope(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    z = x.value
    s, log_s, log_q = 1 / (1 + np.exp(-z)), -np.logaddexp(0, -z), -np.logaddexp(0, z)
    out = {
        "σ(z)": s,
        "y": y + 0 * s,
        "y σ(z)": y * s,
        "1": np.ones_like(s),
        "z": z,
        "σ(z) (1 − σ(z))": s * (1 - s),
        "σ(z) (1 − σ(z)) (σ(z) − y)": s * (1 - s) * (s - y),
        "y/σ(z)": y / s,
        "(1 − y)/(1 − σ(z))": (1 - y) / (1 - s),
    }
    for k in _focal(loss):
        one, zero = _power("(1 − σ(z))", k), _power("σ(z)", k)
        out |= {
            f"y {one} (1 − σ(z))": y * (1 - s) ** (k + 1),
            f"(1 − y) {zero} σ(z)": (1 - y) * s ** (k + 1),
            f"y {one} σ(z) log σ(z)": y * (1 - s) ** k * s * log_s,
            f"(1 − y) {zero} (1 − σ(z)) log(1 − σ(z))": (1 - y) * s**k * (1 - s) * log_q,
            f"y {one}": y * (1 - s) ** k,
            f"(1 − y) {zero}": (1 - y) * s**k,
        }
    return out


# ---- rows of classes -------------------------------------------------------------------------------------------------


def _row(y: Any, count: int) -> Floats:
    """Class rows of labels, or the rows as they are."""
    return np.asarray(y, np.float64) if np.ndim(y) == 2 else one_hot(np.asarray(y).astype(np.intp), count)


def _certain(row: Floats) -> Floats:
    """Σ y log y of each row."""
    return np.asarray(np.where(row > 0, row * np.log(np.where(row > 0, row, 1.0)), 0.0).sum(axis=1))


def _logit_row(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    n = x.value.shape[1]
    row = _row(y, n)
    shifted = x - x.value.max(axis=1, keepdims=True)
    total = t.log(t.sum(t.exp(shifted)))
    log_p = shifted - total.column()
    p = class_probability(t, loss, x)
    rest = t.log(1 - p)
    own = t.sum(row * x)
    gap = 1 + x - own.column()
    none = t.node(np.zeros(len(row)))
    return {
        "Σ y log p": t.sum(row * log_p),
        "Σ y z": own,
        "Σ z": t.sum(x),
        "log Σ e^z": total + x.value.max(axis=1),
        ONE: 1 + none,
        "Σ y p": t.sum(row * p),
        "Σ (p − y)²": t.sum((p - row) * (p - row)),
        "Σ |p − y|": t.sum(t.abs(p - row)),
        "Σ y log y": _certain(row) + none,
        "Σ (1 − y) log(1 − p)": t.sum((1 - row) * rest),
        "Σ y log(1 − p)": t.sum(row * rest),
        "Σ log p": t.sum(log_p),
        "(1/C) Σ log p": t.sum(log_p) / n,
        "(1/C) Σ y log p": t.sum(row * log_p) / n,
        "Σ y (1 − p) log p": t.sum(row * (1 - p) * log_p),
        "Σ y (1 − p)² log p": t.sum(row * (1 - p) * (1 - p) * log_p),
        "Σ y p log p": t.sum(row * p * log_p),
        "Σ p log p": t.sum(p * log_p),
        "Σ p²": t.sum(p * p),
        "Σ y log σ(z)": t.sum(row * -softplus(t, -x)),
        "Σ (1 − y) log(1 − σ(z))": t.sum((1 - row) * -softplus(t, x)),
        "Σ (z − y)²": t.sum((x - row) * (x - row)),
        "Σ max(0, 1 + z − z_y) of the other classes": t.sum((1 - row) * t.where(gap.value > 0, gap, 0.0)),
        "Σ z²": t.sum(x * x),
        "the largest z": t.pick(x, x.value.argmax(axis=1)),
        "Σ y / p": t.sum(row / p),
    }


def _logit_row_slope(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    p = class_probability(t, loss, x).value
    row = _row(y, p.shape[1])
    own = (row * p).sum(axis=1, keepdims=True)
    s = 1 / (1 + np.exp(-x.value))
    return {
        "p": p,
        "y": row,
        "y p": row * p,
        "1": np.ones_like(p),
        "p Σ y p": p * own,
        "p (1 − p)": p * (1 - p),
        "σ(z)": s,
        "log p": np.log(p),
        "y/p": row / p,
        "z": x.value,
        "p²": p * p,
        "y (1 − p)²": row * (1 - p) ** 2,
        "y σ(z)": row * s,
    }


def _probability_row(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    row = _row(y, x.value.shape[1])
    logs, rest, total = t.log(x), t.log(1 - x), t.sum(x)
    none = t.node(np.zeros(len(row)))
    return {
        "Σ y log p": t.sum(row * logs),
        "Σ (1 − y) log(1 − p)": t.sum((1 - row) * rest),
        "log Σ p": t.log(total),
        ONE: 1 + none,
        "Σ y p": t.sum(row * x),
        "Σ p": total,
        "Σ (p − y)²": t.sum((x - row) * (x - row)),
        "Σ |p − y|": t.sum(t.abs(x - row)),
        "Σ y log(1 − p)": t.sum(row * rest),
        "Σ (1 − y) log p": t.sum((1 - row) * logs),
        "log Σ e^p": t.log(t.sum(t.exp(x))),
        "Σ y (1 − p) log p": t.sum(row * (1 - x) * logs),
        "Σ y (1 − p)² log p": t.sum(row * (1 - x) * (1 - x) * logs),
        "Σ y p log p": t.sum(row * x * logs),
        "Σ p log p": t.sum(x * logs),
        "Σ p²": t.sum(x * x),
        "Σ y / p": t.sum(row / x),
    }


def _probability_row_slope(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    p = x.value
    row, total = _row(y, p.shape[1]), p.sum(axis=1, keepdims=True)
    return {
        "y/p": row / p,
        "p": p,
        "y": row,
        "1": np.ones_like(p),
        "1/Σp": 1 / total + 0 * p,
        "y p": row * p,
        "1/p": 1 / p,
        "(1 − y)/(1 − p)": (1 - row) / (1 - p),
        "1 − p": 1 - p,
    }


def _log_row(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    row, e = _row(y, x.value.shape[1]), t.exp(x)
    total = t.sum(x)
    return {
        "Σ y log p": t.sum(row * x),
        "Σ log p": total,
        ONE: t.node(np.ones(len(row))),
        "Σ y p": t.sum(row * e),
        "log Σ p": t.log(t.sum(e)),
        "Σ p": t.sum(e),
        "Σ p log p": t.sum(e * x),
        "Σ y (1 − p)² log p": t.sum(row * (1 - e) * (1 - e) * x),
        "Σ y (1 − p) log p": t.sum(row * (1 - e) * x),
        "the largest log p": t.pick(x, x.value.argmax(axis=1)),
    }


def _log_row_slope(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    e = np.exp(x.value)
    row = _row(y, e.shape[1])
    return {"y": row, "p": e, "1": np.ones_like(e), "y p": row * e, "y/p": row / e, "log p": x.value}


# ---- overlaps --------------------------------------------------------------------------------------------------------


def overlap_sums(t: Tape, loss: Any, y: Any, x: Node) -> Named:
    """Sums over the predictions of one overlap, of which scores are quotients."""
    both = t.sum(x * y)
    total = t.sum(x) + y.sum(axis=1)
    none = t.node(np.zeros(len(x.value)))
    return {
        "I": both,
        "(P + T)": total,
        ONE: 1 + none,
        "(Σp² + Σy²)": t.sum(x * x) + (y * y).sum(axis=1),
        "P": t.sum(x),
        "Σ max(p, y)": t.sum(t.where(x.value > y, x, y)),
        "Σ min(p, y)": t.sum(t.where(x.value > y, y, x)),
        "Σ (1 − p)(1 − y)": t.sum((1 - x) * (1 - y)),
        "N": x.value.shape[1] + none,
        "T": y.sum(axis=1) + none,
        "I/N": both / x.value.shape[1],
        "P T": t.sum(x) * y.sum(axis=1),
        "√(P T)": t.sqrt(t.sum(x) * y.sum(axis=1)),
    }


KINDS: dict[str, Terms] = {
    "residuals": Terms(
        _residual,
        _residual_slope,
        ("r²", "|r|", "r", ONE),
        ("r", "sign(r)", "1"),
        _residual_regions,
        {
            "Huber": (
                "½ r² where |r| ≤ delta and delta |r| − ½ delta² elsewhere",
                "r where |r| ≤ delta and delta sign(r) elsewhere",
            ),
            "MeanSquaredError": ("r²", "2 r"),
            "MeanAbsoluteError": ("|r|", "sign(r)"),
            "Cauchy": ("delta² log(1 + r²/delta²)", "2 r/(1 + r²/delta²)"),
        },
        {"r": "r = yhat − y"},
    ),
    "margins": Terms(
        _margin,
        _margin_slope,
        ("m", ONE, "m²"),
        ("y", "1", "yhat", "m"),
        _margin_regions,
        {"Hinge": ("max(0, 1 − m)", "−y where m < 1 and 0 elsewhere")},
        {"m": "m = y yhat"},
    ),
    "probabilities": Terms(
        _probability,
        _probability_slope,
        due={
            "BinaryCrossEntropy": ("−y log p − (1 − y) log(1 − p)", "(1 − y)/(1 − p) − y/p"),
            "Focal": ("−alpha_t (1 − p_t)^gamma log p_t", "the derivative of −alpha_t (1 − p_t)^gamma log p_t"),
            "WeightedCrossEntropy": ("−w y log p − (1 − y) log(1 − p)", "(1 − y)/(1 − p) − w y/p"),
        },
    ),
    "logits": Terms(
        _logit,
        _logit_slope,
        due={
            "BinaryCrossEntropyWithLogits": (
                "−pos_weight y log σ(z) − (1 − y) log(1 − σ(z))",
                "(1 − y) σ(z) − pos_weight y (1 − σ(z))",
            ),
            "FocalWithLogits": (
                "−alpha_t (1 − p_t)^gamma log p_t",
                "the derivative of −alpha_t (1 − p_t)^gamma log p_t",
            ),
        },
        letters={"σ": "σ the sigmoid"},
    ),
    "logit rows": Terms(
        _logit_row,
        _logit_row_slope,
        due={"CrossEntropy": ("−Σ y log p", "p Σ y − y")},
        letters={"p": "p = softmax(z)", "y": "y the row of the true class", "σ": "σ the sigmoid"},
    ),
    "probability rows": Terms(
        _probability_row,
        _probability_row_slope,
        due={"SparseCategoricalCrossEntropy": ("−Σ y log p", "−y/p")},
        letters={"y": "y the row of the true class"},
    ),
    "log rows": Terms(
        _log_row,
        _log_row_slope,
        due={"NegativeLogLikelihood": ("−Σ y log p", "−y")},
        letters={"p": "log p = yhat", "y": "y the row of the true class"},
    ),
}
