"""Another loss of residuals or margins is worked out."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.diagnosis.changes import with_values
from reflosses.diagnosis.formulas import formula
from reflosses.diagnosis.model import Family
from reflosses.diagnosis.tape import Node, Tape
from reflosses.losses.cauchy import Cauchy
from reflosses.losses.huber import Huber

FAMILY = Family()

FAMILY.convention(
    "squares each loss",
    says="squares each loss",
    seen_in="keras SquaredHinge against Hinge, squared against absolute error",
    change=with_values(np.square, lambda v: 2 * v),
)
FAMILY.convention(
    "root of each loss",
    says="takes the square root of each loss",
    seen_in="absolute against squared error",
    change=with_values(np.sqrt, lambda v: 0.5 / np.sqrt(v)),
)


def pseudo_huber(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """delta² (√(1 + u²) − 1), u = r/delta, as r²/(√(1 + u²) + 1): no digits are lost."""
    r = x - y
    u = r / loss.delta
    return r * (r / (t.sqrt(1 + u * u) + 1))


FAMILY.convention(
    "pseudo-Huber",
    says="is the pseudo-Huber loss",
    seen_in="scipy.special.pseudo_huber, SciPy soft_l1",
    change=formula({Huber: pseudo_huber}),
)


def slope_of_one(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """½r² up to delta, and |r| − ½delta beyond it."""
    r = x - y
    size = t.abs(r)
    return t.where(size.value <= loss.delta, 0.5 * (r * r), size - loss.delta / 2)


FAMILY.convention(
    "slope 1 beyond the scale",
    says="rises with slope 1 beyond delta, where delta is due",
    change=formula({Huber: slope_of_one}),
)


def barron(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """log(1 + ½(r/delta)²)."""
    u = (x - y) / loss.delta
    return t.log1p(0.5 * (u * u))


FAMILY.convention(
    "Barron's form", says="is log(1 + ½(r/delta)²)", seen_in="kornia cauchy_loss", change=formula({Cauchy: barron})
)


def unsquared(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """delta² log(1 + |r|/delta²)."""
    return loss.delta**2 * t.log1p(t.abs(x - y) / loss.delta**2)


FAMILY.convention(
    "does not square the residual", says="takes |r| where r² belongs", change=formula({Cauchy: unsquared})
)
