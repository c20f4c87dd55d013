"""Probabilities and logits are clipped, or moved away from 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.diagnosis.changes import only_for, only_if, with_yhat
from reflosses.diagnosis.formulas import class_probability, faded, formula, mixed, of_logs, probability, surprise
from reflosses.diagnosis.model import Change, Family
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Floats
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.sparse_categorical_cross_entropy import SparseCategoricalCrossEntropy

FAMILY = Family()

COMMON = ("1e-7", "1e-8", "1e-12", "1e-15")  # tried first: in a narrow format several constants give the same numbers
RARE = ("1e-3", "1e-4", "1e-5", "1e-6", "1e-9", "1e-10", "1e-16")
CLIPS_OF_P = (*((c, float(c)) for c in COMMON), ("eps", 0.0), *((c, float(c)) for c in RARE))
OFFSETS_OF_P = (*((c, float(c)) for c in ("1e-4", "1e-5", "1e-6", "1e-7", "1e-8", "1e-10", "1e-12")), ("eps", 0.0))
LEAST_OF_P = ("1e-6", "1e-7", "1e-8", "1e-10", "1e-12")
CLIPS_OF_Z = ("10", "20", "30", "50", "100")


def constant(t: Tape, c: float) -> float:
    """A constant; 0 stands for the format's eps."""
    return c or t.form.eps


def clipped(c: float, moving: bool = False) -> Change:
    """Probabilities clipped before their logarithm; moving: the clip has the slope 1 everywhere, not 0 outside."""

    def clip(t: Tape, p: Node) -> Node:
        k = constant(t, c)
        inside = t.clip(p, k, t.rounded(1 - t.rounded(k)))
        return Node(t, inside.value, (p, lambda g: g)) if moving else inside

    def cross_entropy(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        p = clip(t, probability(t, loss, x))
        return mixed(loss, y, -t.log(p), -t.log(1 - p))

    def focal(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        raw = probability(t, loss, x)
        p = clip(t, raw)
        p_t = t.where(y == 1, raw, 1 - raw)
        return faded(t, loss, y, mixed(loss, y, -t.log(p), -t.log(1 - p)), 1 - p_t)

    def rows(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        return surprise(t, loss, y, clip(t, class_probability(t, loss, x)))

    return formula(
        {
            BinaryCrossEntropy: cross_entropy,
            BinaryCrossEntropyWithLogits: cross_entropy,
            Focal: focal,
            FocalWithLogits: focal,
            CrossEntropy: rows,
            SparseCategoricalCrossEntropy: rows,
        }
    )


for name, c in CLIPS_OF_P:
    FAMILY.convention(
        f"clips at {name}",
        says=f"clips probabilities at {name}, so that beyond it the value stays and the gradient is 0",
        seen_in={"1e-7": "keras", "eps": "sklearn log_loss"}.get(name, ""),
        change=clipped(c),
    )
for name, c in CLIPS_OF_P:
    FAMILY.convention(
        f"clips at {name}, slope and all",
        says=f"clips probabilities at {name}, and gives the slope at the clipped ones",
        about="gradient",
        change=clipped(c, moving=True),
    )


def offset(c: float) -> Change:
    """A constant added inside the logarithm."""

    def rows(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        return surprise(t, loss, y, class_probability(t, loss, x) + constant(t, c))

    table = of_logs(lambda t, p: t.log(p + constant(t, c)), lambda t, p: t.log(1 - p + constant(t, c)))
    return formula({**table, CrossEntropy: rows, SparseCategoricalCrossEntropy: rows})


for name, c in OFFSETS_OF_P:
    FAMILY.convention(
        f"adds {name} to p",
        says=f"adds {name} to what it takes the logarithm of",
        seen_in={"1e-4": "Paddle log_loss"}.get(name, ""),
        seen_of=("BinaryCrossEntropy",),
        change=offset(c),
    )


def held_from(c: float) -> Change:
    """What a logarithm is taken of is at least a constant, p and 1 − p apart. Below it the slope is 0."""

    def rows(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        return surprise(t, loss, y, t.clip(class_probability(t, loss, x), c, np.inf))

    table = of_logs(lambda t, p: t.log(t.clip(p, c, np.inf)), lambda t, p: t.log(t.clip(1 - p, c, np.inf)))
    return formula({**table, CrossEntropy: rows, SparseCategoricalCrossEntropy: rows})


for name in LEAST_OF_P:
    FAMILY.convention(
        f"logarithms of {name} or more",
        says=f"holds what it takes the logarithm of at {name} or more, with the slope 0 below",
        seen_in="p.clamp(min=…), np.maximum(p, …)",
        change=held_from(float(name)),
    )


def clipped_logits(c: float) -> Change:
    """Logits clipped at ±c, with the slope 0 outside."""
    clipped = with_yhat(lambda z, axis: np.clip(z, -c, c), lambda z, g, axis: np.where(np.abs(z) <= c, g, 0.0))
    return only_for((BinaryCrossEntropyWithLogits, FocalWithLogits), clipped)


for limit in CLIPS_OF_Z:
    FAMILY.convention(
        f"clips logits at {limit}",
        says=f"clips logits at ±{limit}, so that beyond it the value stays and the gradient is 0",
        change=clipped_logits(float(limit)),
    )


def clamped_logs(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats]:
    """Logarithms of at least −100, and (p − y)/max(p (1 − p), 1e-12) for the slope."""
    p = probability(t, loss, x).value
    inner = p * t.rounded(1 - p) if isinstance(loss, BinaryCrossEntropyWithLogits) else 1.0
    value = mixed(loss, y, -t.node(np.maximum(np.log(p), -100)), -t.node(np.maximum(np.log1p(-p), -100)))
    least = np.maximum(t.rounded((1 - p) * p), t.rounded(1e-12))
    return value, np.asarray(t.rounded(t.rounded((p - y) / least) * inner), np.float64)


FAMILY.convention(
    "logarithms from −100",
    says="holds logarithms at −100 and more, and divides its gradient by 1e-12 or more",
    seen_in="torch binary_cross_entropy",
    change=only_if(
        lambda q: getattr(q.loss, "pos_weight", None) is None,
        formula({BinaryCrossEntropy: clamped_logs, BinaryCrossEntropyWithLogits: clamped_logs}),
    ),
)
