"""The parts of the battery: regimes, blocks of losses, whole calls, where a format saturates, moderate inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from reflosses.comparison.formats import Format
from reflosses.evaluation.domain import REAL, Bools, Classes, Floats, Interval, Logit
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import flatten, one_loss_a_call, stack
from reflosses.truth.sampling import accepts, moderate

REGIMES = {
    "moderate": "ordinary inputs",
    "A": "saturated on the right side",
    "B": "saturated on the wrong side",
    "C": "powers",
    "D": "exact points and their neighbours",
    "E": "small against the scale",
    "F": "huge",
    "G": "infinite, where it must not matter",
    "H": "empty, ignored, absent",
    "I": "batches, weights, soft labels",
    "J": "the range of the dtype",
    "K": "outside the domain",
}
ORDINARY = frozenset(("moderate", "H", "I"))  # regimes of inputs that every sensible formula gets right
PIXELS = 6  # predictions in one loss of a mask
LOSSES = 12  # drawn if each call has one loss

TARGET_KINDS = {"index": (1,), "rows": (2,), "auto": (1, 2)}  # dimensions of the targets of class rows

# Some functions take less than their loss. `inputs(y, yhat, eps)` moves inputs of the loss to inputs of the function.
Inputs = Callable[[Floats, Floats, float], tuple[Any, Any]]


@dataclass(frozen=True)
class LossBlock:
    """Losses that stand alone, stacked along the first axis of y and yhat."""

    regime: str
    name: str
    y: Floats
    yhat: Floats


@dataclass(frozen=True)
class WholeCall:
    """One call that is asked as a whole.

    upstream: the gradient is that of Σ upstream·value. times: the losses are repeated so often. shape: of the arrays;
    None for a batch. slopes: whether the gradient is judged. refuse: only an error or NaN is right.
    """

    regime: str
    name: str
    y: Floats
    yhat: Floats
    weight: Floats | None = None
    upstream: Floats | None = None
    times: int = 1
    shape: tuple[int, ...] | None = None
    slopes: bool = True
    refuse: bool = False


class Margins:
    """The margins at which a format saturates: multiples of 1/8, so that their sums are exact."""

    def __init__(self, form: Format) -> None:
        half, last = -log(form.eps) / 2, -log(form.eps)  # 1 − σ(m) loses half its digits, then all
        normal, least = -log(form.tiny), -log(form.smallest)  # exp(−m) becomes subnormal, then 0
        inner = [half, (half + last) / 2, last - 0.5, last, last + 0.75]
        outer = [(3 * last + normal) / 4, (last + normal) / 2, normal - 1, (normal + least) / 2, least + 3]
        self.right = [round(8 * m) / 8 for m in inner + outer]
        self.wrong = [*self.right, *(m for m in (1e2, 1e3, 1e4, 1e10) if m < form.max)]
        self.last = round(8 * last) / 8


def block(regime: str, name: str, pairs: Iterable[tuple[Any, Any]]) -> LossBlock:
    """A block with one pair (y, yhat) for each loss."""
    y, yhat = zip(*pairs, strict=True)
    return LossBlock(regime, name, np.array(y, np.float64), np.array(yhat, np.float64))


def family(loss: Loss) -> str:
    """The kind of predictions that a loss takes."""
    y, yhat, several = loss.domain.y, loss.domain.yhat, bool(loss.layout.groups) or loss.reads_all_predictions
    if isinstance(y, Classes):
        return "logit rows" if isinstance(yhat, Logit) else "probability rows" if bounded(yhat) else "log rows"
    if several:
        return "vectors" if y is REAL else "overlaps"
    if isinstance(yhat, Logit):
        return "logits"
    return "probabilities" if bounded(yhat) else "residuals" if y is REAL else "margins"


def bounded(domain: Any) -> bool:
    """Whether a domain has a largest number."""
    return isinstance(domain, Interval) and bool(np.isfinite(domain.high))


def count_classes(loss: Loss) -> int:
    """How many classes the rows of the battery have."""
    weights = getattr(loss, "class_weight", None)
    return 4 if weights is None else len(weights)


def inside(loss: Loss, y: Floats, yhat: Floats) -> Bools:
    """Which losses of a block are in the domain. A soft label, for example, may not be."""
    domain = loss.domain.y
    if isinstance(domain, Classes):
        bad = np.zeros(y.shape, bool) if y.ndim == 1 or domain.rows is None else domain.rows.outside(y)
    else:
        bad = domain.outside(y)
    wrong = np.array([loss.domain.yhat.outside(unit).any() for unit in yhat])
    if loss.reads_all_predictions:
        wrong = np.array([not accepts(loss, *unit) for unit in zip(y, yhat, strict=True)])
    return ~(bad.reshape(len(y), -1).any(axis=1) | wrong)


def normal(form: Format, y: Floats, yhat: Floats) -> Bools:
    """Which of the stacked losses have no subnormal number."""
    low = [flatten((a != 0) & (np.abs(a) < form.tiny)).any(axis=1) for a in (y, yhat)]
    return np.asarray(~(low[0] | low[1]))


def moderate_blocks(loss: Loss, form: Format, seed: int) -> Iterator[LossBlock]:
    """Inputs far from every extreme of the format."""
    kind = family(loss)
    size = count_classes(loss) if "rows" in kind else PIXELS
    points = LOSSES * size if one_loss_a_call(loss) else 60 if not loss.layout.groups else 144 * size
    drawn = [stack(loss, *problem) for problem in moderate(loss, seed, points, size)]
    targets = {y.shape[1:] for y, _ in drawn}  # class indices, and rows of class probabilities
    for shape in sorted(targets):
        y = np.concatenate([y for y, _ in drawn if y.shape[1:] == shape])[:48]
        yhat = np.concatenate([z for y, z in drawn if y.shape[1:] == shape])[:48]
        if kind.startswith("logit"):  # σ or softmax keep two thirds of their digits
            yhat = yhat * (-log(form.eps) / (60 if kind == "logit rows" else 30))
        elif form.bits < 24 and kind.startswith("probabilit"):
            yhat = 0.5 + (yhat - 0.5) * (1 - 2.0 ** (-form.bits / 2))
        y, yhat = form.round(y), form.round(yhat)
        keep = inside(loss, y, yhat)
        if kind == "residuals":  # their squares must be numbers of the format
            small = keep & (np.abs(yhat - y) < 2.0 ** (form.top // 2 - 1))
            keep = small if small.any() else keep
        yield LossBlock("moderate", "moderate", y[keep], yhat[keep])
