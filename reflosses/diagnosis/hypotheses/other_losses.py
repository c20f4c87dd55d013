"""Another loss of residuals or margins is worked out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reflosses.diagnosis.changes import only_if, with_parameters, with_values
from reflosses.diagnosis.formulas import Formula, formula, softplus, stable
from reflosses.diagnosis.model import Family
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Floats
from reflosses.losses.cauchy import Cauchy
from reflosses.losses.hinge import Hinge
from reflosses.losses.huber import Huber
from reflosses.losses.mean_absolute_error import MeanAbsoluteError
from reflosses.losses.mean_squared_error import MeanSquaredError

FAMILY = Family()

FAMILY.convention(
    "squares each loss",
    says="squares each loss",
    seen_in="keras SquaredHinge against Hinge, squared against absolute error",
    seen_of=("Hinge", "MeanAbsoluteError"),
    change=with_values(np.square, lambda v: 2 * v),
)
FAMILY.convention(
    "root of each loss",
    says="takes the square root of each loss",
    seen_in="absolute against squared error",
    seen_of=("MeanSquaredError",),
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
    change=only_if(lambda q: q.loss.scale != 1, formula({Huber: slope_of_one})),
)


def bent(beyond: Callable[[Any, Node, Node], Node]) -> Formula:
    """½r² up to delta; beyond: loss, r, |r| → the loss beyond it."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        r = x - y
        size = t.abs(r)
        return t.where(size.value <= loss.delta, 0.5 * (r * r), beyond(loss, r, size))

    return write


FAMILY.convention(
    "no offset beyond the scale",
    says="leaves out the −½delta of delta (|r| − ½delta), so that it jumps at delta",
    change=formula({Huber: bent(lambda loss, r, size: loss.delta * size)}),
)
FAMILY.convention(
    "no absolute value beyond the scale",
    says="takes r for |r| beyond delta, so that negative residuals have the wrong sign there",
    change=formula({Huber: bent(lambda loss, r, size: loss.delta * (r - loss.delta / 2))}),
)
FAMILY.convention(
    "no half below the scale",
    says="takes r² for ½r² up to delta, but not beyond it",
    change=formula({Huber: lambda t, loss, y, x: doubled_parabola(t, loss, y, x)}),
)


def doubled_parabola(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """r² up to delta, and Huber beyond it."""
    r = x - y
    size = t.abs(r)
    return t.where(size.value <= loss.delta, r * r, loss.delta * (size - loss.delta / 2))


def weighed_square(held: bool) -> Formula:
    """Weight times r², which is not ρ; held: the weight is not differentiated, so that the gradient is right."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> tuple[Node, Floats] | Node:
        r = x - y
        if isinstance(loss, Huber):
            size = t.abs(r)
            w = t.where(size.value <= loss.delta, 1.0, loss.delta / size)
            cost = 0.5 * (w * (r * r))
        else:
            u = r / loss.delta
            cost = (r * r) / (1 + u * u)
        if not held:
            return cost
        own = stable(t, loss, y, x)
        return t.node(cost.value), t.gradient(own, x)

    return write


WEIGHED = "takes the weight times r² for rho(r), which for Cauchy is the Geman–McClure loss r²/(1 + r²/delta²)"
FAMILY.convention(
    "weight times r²",
    says=WEIGHED,
    seen_in="iteratively reweighted least squares",
    change=formula({Cauchy: weighed_square(False), Huber: weighed_square(False)}),
)
FAMILY.convention(
    "weight times r², held",
    says=f"{WEIGHED}; the gradient is that of rho",
    seen_in="iteratively reweighted least squares",
    change=formula({Cauchy: weighed_square(True), Huber: weighed_square(True)}),
)
FAMILY.convention(
    "only the diagonal of the information",
    says="takes only the diagonal of the information matrix",
    change=with_parameters(information=lambda m: np.diag(np.diag(np.asarray(m)))),
)


FAMILY.convention(
    "ignores the information",
    says="leaves the information matrix out",
    change=with_parameters(information=lambda m: np.eye(len(np.asarray(m)))),
)


def log_cosh(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """log cosh r = |r| + log(1 + e^−2|r|) − log 2."""
    size = t.abs(x - y)
    return size + t.log1p(t.exp(-2 * size)) - np.log(2)


FAMILY.convention(
    "log-cosh",
    says="is the log-cosh loss",
    seen_in="keras LogCosh, optax log_cosh",
    change=formula(dict.fromkeys((Huber, MeanSquaredError, MeanAbsoluteError, Cauchy), log_cosh)),
)


def logistic(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """log(1 + e^(−y yhat))."""
    return softplus(t, -(y * x))


FAMILY.convention(
    "logistic loss",
    says="is the logistic loss log(1 + e^(−y yhat))",
    seen_in="torch soft_margin_loss",
    change=formula({Hinge: logistic}),
)


def hinge_of(margin: Callable[[Any, Node], Node]) -> Formula:
    """max(0, a function of y yhat)."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        gap = margin(t, y * x)
        return t.where(gap.value > 0, gap, 0.0)

    return write


FAMILY.convention(
    "sign of the score",
    says="takes the score with the opposite sign, max(0, 1 + y yhat)",
    change=formula({Hinge: hinge_of(lambda t, m: 1 + m)}),
)
FAMILY.convention(
    "threshold 0",
    says="leaves out the 1 of max(0, 1 − y yhat), so that right answers close to 0 cost nothing",
    seen_in="the perceptron, sklearn Perceptron",
    change=formula({Hinge: hinge_of(lambda t, m: -m)}),
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
