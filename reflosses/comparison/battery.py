"""Adversarial inputs by regime: where losses break, one named group of inputs a way of breaking.

`blocks` yields losses that stand alone, stacked along the first axis; `calls` yields whole calls, for what only a whole
call shows: reductions, weights, ignored positions, emptiness, what must be refused. Both are made from the domains of
the loss, hold only numbers of the candidate's format, and depend on nothing but the seed: no function of a CPU's
vector unit is in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf, log, nan
from typing import Any

import numpy as np

from reflosses.comparison.formats import Format
from reflosses.evaluation.axes import REST
from reflosses.evaluation.domain import REAL, Classes, Floats, Interval, Labels, Logit
from reflosses.evaluation.loss import Loss
from reflosses.truth.sampling import moderate, single

REGIMES = {
    "moderate": "where every sensible formula is right",
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
LONG = 10_007  # times seven losses: their sum is beyond float16, their number beyond its integers
MANY = 70_001  # classes or pixels that go into one loss, beyond the largest number of float16
SHAPES = ((2, 3), (3, 1, 2))  # of arrays with several axes
MODERATE, MEMBERS = 12, 6  # losses that are one call each; predictions that go into one loss of a mask


@dataclass(frozen=True)
class Block:
    """Losses that stand alone: y and yhat are stacked along the first axis."""

    regime: str
    name: str
    y: Floats
    yhat: Floats


@dataclass(frozen=True)
class Call:
    """One call that is asked as a whole.

    upstream: the gradient is asked of Σ upstream·value. times: the losses are repeated so often. shape: of the arrays,
    where it is not that of a batch. slopes: whether the gradient is looked at. refuse: an error or NaN is the only
    right answer.
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


TARGETS = {"index": (1,), "rows": (2,), "auto": (1, 2)}  # dimensions of the targets of class rows
Inputs = Callable[[Floats, Floats, float], tuple[Any, Any]]  # (y, yhat, eps) of a loss → those that a function takes
Pairs = Iterable[tuple[Any, Any]]


class Margins:
    """The sizes at which a format saturates, multiples of 1/8 so that sums and differences are exact."""

    def __init__(self, form: Format) -> None:
        half, last = -log(form.eps) / 2, -log(form.eps)  # 1 − σ(m) has lost half its digits, all of them
        normal, least = -log(form.tiny), -log(form.smallest)  # exp(−m) leaves the normal numbers, vanishes
        inner = [half, (half + last) / 2, last - 0.5, last, last + 0.75]
        outer = [(3 * last + normal) / 4, (last + normal) / 2, normal - 1, (normal + least) / 2, least + 3]
        self.right = [round(8 * m) / 8 for m in inner + outer]
        self.wrong = [*self.right, *(m for m in (1e2, 1e3, 1e4, 1e10) if m < form.max)]
        self.last = round(8 * last) / 8


def blocks(loss: Loss, form: Format, seed: int) -> Iterator[Block]:
    """Every loss that is asked alone, regime by regime."""
    rng = np.random.default_rng(seed)
    yield from _moderate(loss, form, seed)
    make = _FAMILIES[family(loss)]
    for block in make(loss, form, rng):
        y, yhat = form.round(block.y), form.round(block.yhat)
        keep = ~_outside(loss, y, yhat)
        if keep.any():
            yield Block(block.regime, block.name, y[keep], yhat[keep])


def family(loss: Loss) -> str:
    """What kind of predictions a loss takes."""
    y, yhat, several = loss.domain.y, loss.domain.yhat, bool(loss.layout.groups) or loss.reads_all_predictions
    if isinstance(y, Classes):
        return "logit rows" if isinstance(yhat, Logit) else "probability rows" if _bounded(yhat) else "log rows"
    if several:
        return "vectors" if y is REAL else "overlaps"
    if isinstance(yhat, Logit):
        return "logits"
    return "probabilities" if _bounded(yhat) else "residuals" if y is REAL else "margins"


def _bounded(domain: Any) -> bool:
    return isinstance(domain, Interval) and np.isfinite(domain.high)


def _outside(loss: Loss, y: Floats, yhat: Floats) -> Any:
    """Whether a loss of the block is outside its domain, such as a soft label where only hard ones are allowed."""
    domain = loss.domain.y
    if isinstance(domain, Classes):
        bad = np.zeros(y.shape, bool) if y.ndim == 1 or domain.rows is None else domain.rows.outside(y)
    else:
        bad = domain.outside(y)
    wrong = np.array([loss.domain.yhat.outside(unit).any() for unit in yhat])
    if getattr(loss, "weight", None) == "sudre":  # it divides by the sum of the predictions
        wrong |= np.array([not unit.any() for unit in yhat])
    return bad.reshape(len(y), -1).any(axis=1) | wrong


def _block(regime: str, name: str, pairs: Pairs) -> Block:
    y, yhat = zip(*pairs, strict=True)
    return Block(regime, name, np.array(y, np.float64), np.array(yhat, np.float64))


def _moderate(loss: Loss, form: Format, seed: int) -> Iterator[Block]:
    """Tame inputs; a narrow format has less room between its extremes."""
    kind = family(loss)
    size = _classes(loss) if "rows" in kind else MEMBERS
    points = MODERATE * size if single(loss) else 60 if not loss.layout.groups else 144 * size
    drawn = [units(loss, *problem) for problem in moderate(loss, seed, points, size)]
    targets = {y.shape[1:] for y, _ in drawn}  # class indices, and rows of class probabilities
    for shape in sorted(targets):
        y = np.concatenate([y for y, _ in drawn if y.shape[1:] == shape])[:48]
        yhat = np.concatenate([z for y, z in drawn if y.shape[1:] == shape])[:48]
        if kind.startswith("logit"):  # σ or softmax keep two thirds of their digits
            yhat = yhat * (-log(form.eps) / (60 if kind == "logit rows" else 30))
        elif form.bits < 24 and kind.startswith("probabilit"):
            yhat = 0.5 + (yhat - 0.5) * (1 - 2.0 ** (-form.bits / 2))
        y, yhat = form.round(y), form.round(yhat)
        keep = ~_outside(loss, y, yhat)
        if kind == "residuals":  # whose squares are numbers of the format
            small = keep & (np.abs(yhat - y) < 2.0 ** (form.top // 2 - 1))
            keep = small if small.any() else keep
        yield Block("moderate", "moderate", y[keep], yhat[keep])


def units(loss: Loss, y: Any, yhat: Any) -> tuple[Floats, Floats]:
    """A call's arrays as losses along the first axis; what is coupled is one unit."""
    y, yhat = np.asarray(y, np.float64), np.asarray(yhat, np.float64)
    if loss.reads_all_predictions:
        return y[None], yhat[None]
    layout = loss.layout.bind(yhat.shape)
    own = layout.arrange(yhat)
    return (y.reshape(-1) if y.shape == layout.value_shape else layout.arrange(y)), own


# ---- elementwise losses ----------------------------------------------------------------------------------------------


def _logits(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[Block]:
    """Binary losses of a logit; for the label y the right side is z → +∞ at y = 1, −∞ at y = 0."""
    margins = Margins(form)
    near_one = [1 - 2.0**-k for k in (3, form.bits // 2, form.bits)]
    yield _block("A", "margin on the right side", [(y, (2 * y - 1) * m) for m in margins.right for y in (0.0, 1.0)])
    yield _block("A", "soft label, saturated", [(y, s * m) for m in margins.right for y in near_one for s in (1, -1)])
    yield _block("B", "margin on the wrong side", [(y, (1 - 2 * y) * m) for m in margins.wrong for y in (0.0, 1.0)])
    if hasattr(loss, "gamma"):
        bases = [m * s for m in (0.0, 1.0, *margins.right, *margins.wrong[-2:]) for s in (1, -1)]
        yield _block("C", "powers of bases near 0 and 1", [(y, z) for z in bases for y in (0.0, 1.0)])
    small = (0.0, form.smallest, form.tiny, form.eps**2, form.eps / 4, form.eps)
    yield _block(
        "D", "logit 0 and its neighbours", [(y, s * z) for z in small for y in (0.0, 0.5, 1.0) for s in (1, -1)]
    )
    huge = (form.max, form.max / 4, 2.0 ** (form.top // 2), 2.0 ** (form.top // 2 - 1))
    yield _block("F", "huge logits", [(y, s * z) for z in huge for y in (0.0, 1.0) for s in (1, -1)])
    yield _block("G", "infinite logits", [(y, s * inf) for y in (0.0, 1.0) for s in (1, -1)])
    yield _block("G", "a logit that is not a number", [(y, nan) for y in (0.0, 1.0)])
    soft = [(rng.integers(1, 16) / 16, rng.integers(-64, 65) / 8) for _ in range(24)]
    yield _block("I", "soft labels", soft)


def _probabilities(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[Block]:
    """Binary losses of a probability."""
    near_one = [1 - 2.0**-k for k in range(2, form.bits + 1, max(1, form.bits // 12))] + [1 - form.eps / 2]
    last = -round(np.log2(form.smallest))
    near_zero = [
        2.0**-k for k in {*range(2, last + 1, max(1, last // 14)), form.bits, 1 - round(np.log2(form.tiny)), last}
    ]
    yield _block("A", "right, next to 1", [(1.0, p) for p in near_one])
    yield _block("A", "right, next to 0", [(0.0, p) for p in near_zero])
    yield _block("B", "wrong, next to 0", [(1.0, p) for p in near_zero])
    yield _block("B", "wrong, next to 1", [(0.0, p) for p in near_one])
    if hasattr(loss, "gamma"):
        bases = [0.0, 1.0, 0.5, *near_one[-3:], *near_zero[-3:]]
        yield _block("C", "powers of bases near 0 and 1", [(y, p) for p in bases for y in (0.0, 1.0)])
    exact = [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.5), (1.0, 0.5)]
    yield _block("D", "probability 0, ½ and 1", [*exact, (0.5, 0.5), (0.25, 0.25), (0.75, 0.75)])
    yield _block("G", "a probability that is not a number", [(y, nan) for y in (0.0, 1.0)])
    yield _block("I", "soft labels", [(rng.integers(1, 16) / 16, rng.integers(1, 64) / 64) for _ in range(24)])


def _residuals(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[Block]:
    """Losses of r = yhat − y; the scale is where the loss bends."""
    scale = float(form.round(loss.scale))
    halvings = [0.75 * scale * 2.0**-k for k in range(6, 3 * form.bits, max(2, form.bits // 8))]
    yield _block("E", "small residuals", [(0.0, s * r) for r in halvings for s in (1, -1)])
    moved = [(y, y + s * 2.0**-k * y) for k in range(2, form.bits - 1, 4) for y in (scale, 1.0) for s in (1, -1)]
    yield _block("E", "small differences", [(float(form.round(y)), x) for y, x in moved])
    kink = float(form.round(scale))
    steps = [kink + k * float(form.spacing(kink)) for k in (-2, -1, 0, 1, 2)]
    exact = [0.0, form.smallest, form.tiny, *steps]
    yield _block("D", "residual 0 and the bend, and their neighbours", [(0.0, s * r) for r in exact for s in (1, -1)])
    yield _block("D", "y = yhat", [(y, y) for y in (0.0, 1.0, -scale, form.max / 2, form.tiny)])
    roots = [2.0 ** (form.top // 2 + k) for k in (-2, -1, 0, 1, 3)]
    tops = [form.max, form.max / 2, 2.0 ** (form.top * 3 // 4)]
    far = [scale * 2.0**k for k in (3, 10, 20, 40) if scale * 2.0**k < form.max]
    yield _block("F", "huge residuals", [(0.0, s * r) for r in (*far, *roots, *tops) for s in (1, -1)])
    yield _block("F", "huge, on opposite sides", [(-s * form.max * 0.75, s * form.max * 0.75) for s in (1, -1)])
    yield _block("F", "huge on both sides", [(y, s * y) for y in (form.max / 2, roots[-1]) for s in (0.5, -0.5)])
    yield _block("G", "infinite predictions", [(0.0, inf), (1.0, -inf)])
    yield _block("G", "a prediction that is not a number", [(0.0, nan), (1.0, nan)])


def _margins(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[Block]:
    """Losses of a score and a label −1 or 1, which bend at margin 1."""
    labels = (-1.0, 1.0)
    steps = [1 - form.eps, 1 - form.eps / 2, 1.0, 1 + form.eps, 1 + 2 * form.eps, 0.0, form.smallest]
    yield _block("A", "right with a margin", [(y, y * m) for m in (1.5, 8.0, 40.0) for y in labels])
    yield _block(
        "B", "wrong, near and far", [(y, -y * m) for m in (0.5, 8.0, 40.0, 1e4, 1e10) for y in labels if m < form.max]
    )
    yield _block(
        "D", "margin 0 and 1 and their neighbours", [(y, s * y * m) for m in steps for y in labels for s in (1, -1)]
    )
    huge = (form.max, form.max / 2, 2.0 ** (form.top // 2))
    yield _block("F", "huge scores", [(y, s * m) for m in huge for y in labels for s in (1, -1)])
    yield _block("G", "infinite scores", [(y, s * inf) for y in labels for s in (1, -1)])
    yield _block("G", "a score that is not a number", [(y, nan) for y in labels])


# ---- rows of classes -------------------------------------------------------------------------------------------------


def _classes(loss: Loss) -> int:
    weights = getattr(loss, "class_weight", None)
    return 4 if weights is None else len(weights)


def _logit_rows(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[Block]:
    """Rows of logits; the margin is that of the target over the others."""
    classes, margins = _classes(loss), Margins(form)

    def row(target: int, own: float, others: float, spread: float = 0.0, offset: float = 0.0) -> tuple[Any, Any]:
        z = others + spread * np.arange(classes)[::-1] / 8 + offset
        z[target] = own + offset
        return float(target), z

    offsets = (32.0, -32.0, 1024.0, -1024.0)
    turn = [k % classes for k in range(len(margins.wrong))]
    yield _block("A", "margin on the right side", [row(t, m, 0.0) for t, m in zip(turn, margins.right, strict=False)])
    yield _block("A", "margin, others apart", [row(t, m, 0.0, -1.0) for t, m in zip(turn, margins.right, strict=False)])
    common = [
        row(t, float(round(m)), 0.0, offset=o) for t, m in zip(turn, margins.right[:6], strict=False) for o in offsets
    ]
    yield _block("A", "margin with a common offset", common)
    yield _block("B", "margin on the wrong side", [row(t, -m, 0.0) for t, m in zip(turn, margins.wrong, strict=False)])
    one_wrong = [row(t, 0.0, 0.0) for t in turn[: len(margins.right)]]
    for (t, z), m in zip(one_wrong, margins.right, strict=True):
        z[(int(t) + 1) % classes] = m
    yield _block("B", "one wrong class ahead", one_wrong)
    equal = [row(t % classes, v, v) for t, v in enumerate((0.0, 1.0, -3.0, form.eps, form.smallest))]
    yield _block("D", "equal logits", equal)
    huge = (form.max / 2, 2.0 ** (form.top // 2), -form.max / 2)
    yield _block("F", "huge logits", [row(k % classes, s * v, 0.0) for k, v in enumerate(huge) for s in (1, -1)])
    yield _block(
        "F", "huge common offset", [row(k % classes, v, v) for k, v in enumerate((*huge, form.max, -form.max))]
    )
    apart = [row(k % classes, s * form.max * 0.75, -s * form.max * 0.75) for k, s in enumerate((1, -1))]
    yield _block("F", "logits too far apart for their difference", apart)
    masked = [row(k % classes, 1.0, 0.0, 1.0) for k in range(classes)]
    for t, z in masked:
        z[(int(t) + 1) % classes] = -inf
    yield _block("G", "a masked class (logit −∞)", masked)
    alone = [row(t, 0.5, -inf) for t in range(classes)]
    yield _block("G", "all other classes masked", alone)
    yield _block("G", "target logit +∞", [row(t, inf, 0.0) for t in range(classes)])
    yield _block("G", "target logit −∞", [row(t, -inf, 0.0) for t in range(classes)])
    lost = [row(t, 1.0, 0.0) for t in range(classes)]
    for t, z in lost:
        z[(int(t) + 1) % classes] = nan
    yield _block("G", "a logit that is not a number", lost)
    if loss.domain.y.rows is None:
        return
    yield _block("F", "one-hot, logits too far apart", [_hot(t, z, classes) for t, z in apart])
    z = rng.integers(-40, 41, (16, classes)) / 8
    parts = rng.multinomial(16, [1 / classes] * classes, 16) / 16
    yield Block("I", "soft targets", parts, z)
    yield _block("I", "one-hot targets", [(np.eye(classes)[k % classes], z[k]) for k in range(8)])
    hard = [(np.eye(classes)[t], z) for t, z in ((int(t), z) for t, z in masked + alone)]
    yield _block("G", "a masked class of target 0", hard)
    yield _block(
        "A",
        "one-hot, margin on the right side",
        [_hot(*row(t, m, 0.0), classes) for t, m in zip(turn, margins.right, strict=False)],
    )
    soft_far = [
        (p, 4.0 * m * np.eye(classes)[k % classes]) for k, (p, m) in enumerate(zip(parts, margins.right, strict=False))
    ]
    yield _block("B", "soft targets, saturated", [(p, z) for p, z in soft_far if np.abs(z).max() < form.max])


def _hot(target: float, z: Floats, classes: int) -> tuple[Floats, Floats]:
    return np.eye(classes)[int(target)], z


def _log_rows(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[Block]:
    """Rows of log-probabilities, of which one counts."""
    classes, margins = _classes(loss), Margins(form)

    def row(target: int, own: float, others: float) -> tuple[Any, Any]:
        z = np.full(classes, others)
        z[target] = own
        return float(target), z

    turn = [k % classes for k in range(len(margins.wrong))]
    tails = [2.0**-k for k in (1, form.bits // 2, form.bits + 3, form.top - 4)]
    yield _block("A", "probability next to 1", [row(t, -v, -9.0) for t, v in zip(turn, tails, strict=False)])
    yield _block("B", "probability next to 0", [row(t, -m, -0.5) for t, m in zip(turn, margins.wrong, strict=False)])
    yield _block("D", "probability 1", [row(t, 0.0, -8.0) for t in range(classes)])
    yield _block("F", "huge", [row(t, -v, -1.0) for t, v in zip(turn, (form.max, form.max / 2), strict=False)])
    yield _block("G", "other classes impossible (−∞)", [row(t, -0.5, -inf) for t in range(classes)])
    yield _block("G", "the class impossible (−∞)", [row(t, -inf, -0.5) for t in range(classes)])


def _probability_rows(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[Block]:
    """Rows of probabilities that sum to 1, of which one counts."""
    classes = _classes(loss)

    def row(target: int, own: float) -> tuple[Any, Any]:
        p = np.zeros(classes)
        p[target], p[(target + 1) % classes] = own, 1 - own
        return float(target), p

    last = -round(np.log2(form.smallest))
    near_one = [1 - 2.0**-k for k in range(2, form.bits + 1, max(1, form.bits // 8))]
    near_zero = [2.0**-k for k in range(2, last + 1, max(1, last // 12))]
    turn = [k % classes for k in range(64)]
    yield _block("A", "right, next to 1", [row(t, p) for t, p in zip(turn, near_one, strict=False)])
    yield _block("B", "wrong, next to 0", [row(t, p) for t, p in zip(turn, near_zero, strict=False)])
    yield _block("D", "probability 0 and 1", [row(t, p) for t, p in zip(turn, (1.0, 0.0, 0.5, 1.0, 0.0), strict=False)])


# ---- overlaps and vectors --------------------------------------------------------------------------------------------


def _shape(loss: Loss) -> tuple[int, ...]:
    """The shape of one unit: classes and pixels, or pixels."""
    return (3, MEMBERS) if len(loss.layout.groups) == 2 else (MEMBERS,)


def _masks(shape: tuple[int, ...]) -> list[Floats]:
    """Hard masks with every class present, and not the same number of pixels each."""
    first = np.zeros(shape)
    if len(shape) == 2:
        first[np.minimum(np.arange(shape[1]) // 2, shape[0] - 1), np.arange(shape[1])] = 1
        other = first.copy()
        other[:, :2] = np.eye(shape[0])[[2, 1]].T
        return [first, other]
    first[: shape[0] // 3] = 1
    return [first, np.roll(first, 2), 1 - first]


def _overlaps(loss: Loss, form: Format, rng: np.random.Generator) -> Iterator[Block]:
    """Losses of how far a prediction and a mask overlap."""
    shape = _shape(loss)
    masks = _masks(shape)
    nothing, everything = np.zeros(shape), np.ones(shape)
    bits = range(2, form.bits + 1, max(1, form.bits // 10))
    near = [(t, np.abs(t - 2.0**-k)) for k in bits for t in masks]
    yield _block("A", "nearly perfect", near)
    yield _block("B", "nearly opposite", [(t, np.abs(1 - t - 2.0**-k)) for k in bits for t in masks[:1]])
    faint = [2.0**-k for k in (form.bits, form.top // 3, form.top - 4)]
    yield _block("B", "faint predictions", [(t, v * everything) for v in faint for t in masks])
    yield _block("D", "perfect and opposite", [(t, p) for t in masks for p in (t, 1 - t, everything / 2)])
    partial = rng.integers(1, 16, shape) / 16
    yield _block("H", "empty mask, some prediction", [(nothing, p) for p in (partial, everything, everything / 4)])
    yield _block("H", "empty mask, empty prediction", [(nothing, nothing)])
    yield _block("H", "full mask", [(everything, p) for p in (nothing, partial, everything)])
    if len(shape) == 2:
        absent = masks[0].copy()
        absent[-1] = 0
        yield _block("H", "a class absent", [(absent, p) for p in (absent, partial, everything / 2)])
    soft = [(rng.integers(0, 17, shape) / 16, rng.integers(0, 17, shape) / 16) for _ in range(8)]
    yield _block("I", "soft masks", soft)
    yield _block("I", "hard masks", [(t, rng.integers(0, 17, shape) / 16) for t in masks for _ in range(3)])
    lost = partial.copy()
    lost.flat[0] = nan
    yield _block("G", "a prediction that is not a number", [(masks[0], lost)])


def _vectors(loss: Any, form: Format, rng: np.random.Generator) -> Iterator[Block]:
    """Losses of residual vectors."""
    width = int(np.shape(loss.information)[-1])
    ways = [np.eye(width)[0], np.ones(width), (-1.0) ** np.arange(width), np.arange(1, width + 1) / 4]
    zero = np.zeros(width)
    scale = float(form.round(loss.scale))
    small = [0.75 * scale * 2.0**-k for k in range(6, 3 * form.bits, max(2, form.bits // 4))]
    yield _block("D", "residual 0", [(zero, zero)])
    yield _block("E", "small residuals", [(zero, s * w) for s in small for w in ways])
    huge = [2.0 ** (form.top // 2 + k) for k in (-2, 0, 2)] + [form.max / 8]
    yield _block("F", "huge residuals", [(zero, s * w) for s in huge for w in ways])


_FAMILIES: dict[str, Callable[[Loss, Format, np.random.Generator], Iterator[Block]]] = {
    "logits": _logits,
    "probabilities": _probabilities,
    "residuals": _residuals,
    "margins": _margins,
    "logit rows": _logit_rows,
    "log rows": _log_rows,
    "probability rows": _probability_rows,
    "overlaps": _overlaps,
    "vectors": _vectors,
}


# ---- whole calls -----------------------------------------------------------------------------------------------------


def calls(loss: Loss, form: Format, seed: int, weights: bool, upstream: bool) -> Iterator[Call]:
    """Whole calls; `weights`: the candidate takes one weight a loss; `upstream`: its framework differentiates it."""
    rng = np.random.default_rng(seed)
    tame = next(_moderate(loss, form, seed))
    reduces = loss.reduction != "none"
    for y, yhat in _targets(loss, tame, rng):
        if not single(loss):
            for k in (3, 7):
                yield Call("I", f"a batch of {k}", y[:k], yhat[:k])
            if weights:
                yield from _weighted(y[:7], yhat[:7], rng)
            if upstream and not reduces:
                v = np.asarray(rng.integers(-16, 17, 7) / 8)
                yield Call("I", "a batch, differentiated with weights", y[:7], yhat[:7], upstream=v)
            if reduces:
                yield Call("J", "a long sum", y[:7], yhat[:7], times=LONG)
            yield Call("H", "an empty batch", y[:0], yhat[:0])
        for shape in SHAPES if loss.layout.groups in ((), (REST,)) else ():
            n = 1 if single(loss) else MEMBERS
            yield Call("I", f"arrays of shape {shape}", y[:n], yhat[:n], shape=shape)
        ignore = getattr(loss, "ignore_index", None)
        if ignore is not None and y.ndim == 1:
            yield from _ignored(float(ignore), y[:7], yhat[:7])
        few = 1 if single(loss) else 3
        yield from _refused(loss, y[:few], yhat[:few], weights)
    if not single(loss):
        yield from _one_label(loss, tame)
        if "mean" in loss.reduction:
            yield from _mean_of_huge(loss, form)
    if form.bits < 24:
        yield from _many(loss, form)


def _targets(loss: Loss, tame: Block, rng: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
    """Index targets, and rows of probabilities where a loss takes both."""
    y, yhat = tame.y, tame.yhat
    if not isinstance(loss.domain.y, Classes):
        yield y, yhat
        return
    classes = yhat.shape[1]
    index = np.arange(len(yhat)) % classes
    yield index.astype(np.float64), yhat
    if loss.domain.y.rows is not None:
        yield rng.multinomial(16, [1 / classes] * classes, len(yhat)) / 16, yhat


def _weighted(y: Floats, yhat: Floats, rng: np.random.Generator) -> Iterator[Call]:
    weight = np.asarray(rng.integers(1, 32, len(y)) / 8)
    yield Call("I", "weights", y, yhat, weight)
    some = weight.copy()
    some[::3] = 0
    yield Call("I", "some weights 0", y, yhat, some)
    wild = yhat.copy()
    wild[::3] = nan
    yield Call("G", "weight 0 on what is not a number", y, wild, some)
    yield Call("H", "all weights 0", y, yhat, 0 * weight)


def _ignored(ignore: float, y: Floats, yhat: Floats) -> Iterator[Call]:
    some = y.copy()
    some[::3] = ignore
    yield Call("H", "some ignored", some, yhat)
    only = np.full_like(y, ignore)
    yield Call("H", "all ignored", only, yhat)
    only = only.copy()
    only[1] = y[1]
    yield Call("H", "all but one ignored", only, yhat)
    for name, value in (("not a number", nan), ("infinite", inf)):
        wild = yhat.copy()
        wild[some == ignore] = value
        yield Call("G", f"ignored predictions that are {name}", some, wild)


def _one_label(loss: Loss, tame: Block) -> Iterator[Call]:
    """Batches that hold only one of the labels, which a function may have to guess."""
    if isinstance(loss.domain.y, Labels):
        for label in loss.domain.y.values:
            yield Call("H", f"all labels {label:g}", np.full(3, label), tame.yhat[:3])


def _mean_of_huge(loss: Loss, form: Format) -> Iterator[Call]:
    """Losses whose mean is a number of the format, though their sum is not."""
    kind = family(loss)
    if kind in ("residuals", "margins", "logits"):
        root = 2.0 ** (form.top // 2) * 0.875
        sizes = [root, form.max * 0.4375] if kind == "residuals" else [form.max * 0.75]
        y = np.ones(7) if kind != "residuals" else np.zeros(7)
        for size in sizes:
            yield Call("F", "a mean of huge losses", y, np.full(7, -size))
        if kind == "residuals":
            apart = np.array([0.6 * form.max, *[0.0] * 6])
            yield Call("F", "a mean with one huge residual", form.round(-apart), form.round(apart))


def _many(loss: Loss, form: Format) -> Iterator[Call]:
    """So many predictions in one loss that narrow formats cannot count them."""
    kind, last = family(loss), int(2**form.bits + 1)
    if "rows" in kind and getattr(loss, "class_weight", None) is None:
        row = np.zeros(MANY) if kind == "logit rows" else np.full(MANY, -1.0 if kind == "log rows" else 0.0)
        row[last] = {"logit rows": 4.0, "log rows": -0.5, "probability rows": 0.75}[kind]
        row[last - 1] = {"logit rows": 0.0, "log rows": -2.0, "probability rows": 0.25}[kind]
        for label in (last, last - 1):
            yield Call("J", "many classes", np.array([float(label)]), row[None], slopes=False)
        if kind == "logit rows":  # whose Σ exp(z − max) is beyond the format
            equal, one_hot = np.zeros((1, MANY)), np.eye(1, MANY)
            yield Call("J", "many equal classes", np.zeros(1), equal, slopes=False)
            if loss.domain.y.rows is not None:
                yield Call("J", "many equal classes, one-hot", one_hot, equal, slopes=False)
    if kind == "overlaps" and not loss.reads_all_predictions and len(loss.layout.groups) == 1:
        y, p = np.ones(MANY), np.full(MANY, 1.0)
        y[::2] = 0
        p[::4] = 0
        yield Call("J", "many pixels", y[None], p[None], slopes=False)


def _refused(loss: Loss, y: Floats, yhat: Floats, weights: bool) -> Iterator[Call]:
    """Inputs with one number outside its domain, and shapes that differ."""
    bad_y: list[float] = []
    domain = loss.domain.y
    if isinstance(domain, Classes) and y.ndim == 1:
        ignore = getattr(loss, "ignore_index", None)
        bad_y = [v for v in (-1.0, -100.0, 255.0, float(yhat.shape[1])) if v != ignore]
    elif isinstance(domain, Labels):
        soft = (0.0, 0.5) if min(domain.values) < 0 else ()  # between labels 0 and 1 soft ones have a meaning
        bad_y = [v for v in (2.0, -2.0, *soft) if v not in domain.values]
    elif isinstance(domain, Classes) or _bounded(domain):
        bad_y = [1.25, -0.25]
    for v in bad_y:
        wrong = y.copy()
        wrong.flat[0] = v
        yield Call("K", f"target {v:g}", wrong, yhat, refuse=True)
    for v in (1.25, -0.25) if _bounded(loss.domain.yhat) else ():
        wrong = yhat.copy()
        wrong.flat[0] = v
        yield Call("K", f"prediction {v:g}", y, wrong, refuse=True)
    if not single(loss):
        if weights:
            yield Call("K", "a negative weight", y, yhat, np.array([-1.0, *[1.0] * (len(y) - 1)]), refuse=True)
        if not loss.layout.groups:
            yield Call("K", "shapes (n, 1) and (n,)", y[:, None], yhat, refuse=True)
