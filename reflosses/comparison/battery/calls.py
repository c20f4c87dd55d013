"""Whole calls: reductions, weights, ignored rows, empty batches, long sums, inputs that must be refused."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import numpy as np

from reflosses.comparison.battery.block import PIXELS, LossBlock, WholeCall, bounded, family, moderate_blocks
from reflosses.comparison.formats import Format
from reflosses.evaluation.axes import REST
from reflosses.evaluation.domain import Classes, Floats, Labels
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import one_loss_a_call

REPEATED = 10_007  # times seven losses: the sum is beyond float16, the number of losses beyond its integers
MANY = 70_001  # classes or pixels in one loss: beyond the largest number of float16
SHAPES = ((2, 3), (3, 1, 2))  # of arrays with several axes

_TWO_CLASSES = {"logit rows": (4.0, 0.0), "log rows": (-0.5, -2.0), "probability rows": (0.75, 0.25)}


def calls(loss: Loss, form: Format, seed: int, weights: bool, upstream: bool) -> Iterator[WholeCall]:
    """Whole calls; `weights`: the candidate takes one weight a loss; `upstream`: its framework differentiates it."""
    rng = np.random.default_rng(seed)
    tame = next(moderate_blocks(loss, form, seed))
    one, reduces = one_loss_a_call(loss), loss.reduction != "none"
    for y, yhat in _targets(loss, tame, rng):
        batch = y[:7], yhat[:7]
        if not one:
            for k in (3, 7):
                yield WholeCall("I", f"a batch of {k}", y[:k], yhat[:k])
            if family(loss) == "overlaps":  # soft masks are alike: they hide that a batch is pooled
                yield WholeCall("I", "a batch of hard masks", np.rint(y[:7]), yhat[:7])
            if weights:
                yield from _weighted(*batch, rng)
            if upstream and not reduces:
                v = np.asarray(rng.integers(-16, 17, 7) / 8)
                yield WholeCall("I", "a batch, differentiated with weights", *batch, upstream=v)
            if reduces:
                yield WholeCall("J", "a long sum", *batch, times=REPEATED)
            yield WholeCall("H", "an empty batch", y[:0], yhat[:0])
        for shape in SHAPES if loss.layout.groups in ((), (REST,)) else ():
            n = 1 if one else PIXELS
            yield WholeCall("I", f"arrays of shape {shape}", y[:n], yhat[:n], shape=shape)
        ignore = getattr(loss, "ignore_index", None)
        if ignore is not None and y.ndim == 1:
            yield from _ignored(float(ignore), *batch)
        few = 1 if one else 3
        yield from _refused(loss, y[:few], yhat[:few], weights)
    if not one and isinstance(loss.domain.y, Labels):  # a function may have to guess which labels there are
        for label in loss.domain.y.values:
            yield WholeCall("H", f"all labels {label:g}", np.full(3, label), tame.yhat[:3])
    if not one and "mean" in loss.reduction:
        yield from _mean_of_huge(family(loss), form)
    if form.bits < 24:
        yield from _many(loss, family(loss), int(2**form.bits + 1))


def _changed(a: Floats, where: Any, value: float) -> Floats:
    """A copy with another value in some places."""
    changed = a.copy()
    changed[where] = value
    return changed


def _targets(loss: Loss, tame: LossBlock, rng: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
    """Labels, and rows of probabilities if the loss takes both."""
    y, yhat = tame.y, tame.yhat
    if not isinstance(loss.domain.y, Classes):
        yield y, yhat
        return
    classes = yhat.shape[1]
    yield (np.arange(len(yhat)) % classes).astype(np.float64), yhat
    if loss.domain.y.rows is not None:
        yield rng.multinomial(16, [1 / classes] * classes, len(yhat)) / 16, yhat


def _weighted(y: Floats, yhat: Floats, rng: np.random.Generator) -> Iterator[WholeCall]:
    weight = np.asarray(rng.integers(1, 32, len(y)) / 8)
    every_third = slice(None, None, 3)
    some = _changed(weight, every_third, 0)
    yield WholeCall("I", "weights", y, yhat, weight)
    yield WholeCall("I", "some weights 0", y, yhat, some)
    yield WholeCall("G", "weight 0 on what is not a number", y, _changed(yhat, every_third, nan), some)
    yield WholeCall("H", "all weights 0", y, yhat, 0 * weight)


def _ignored(ignore: float, y: Floats, yhat: Floats) -> Iterator[WholeCall]:
    some, every = _changed(y, slice(None, None, 3), ignore), np.full_like(y, ignore)
    yield WholeCall("H", "some ignored", some, yhat)
    yield WholeCall("H", "all ignored", every, yhat)
    yield WholeCall("H", "all but one ignored", _changed(every, 1, y[1]), yhat)
    for name, value in (("not a number", nan), ("infinite", inf)):
        wild = _changed(yhat, some == ignore, value)
        yield WholeCall("G", f"ignored predictions that are {name}", some, wild)


def _mean_of_huge(kind: str, form: Format) -> Iterator[WholeCall]:
    """Losses whose mean is a number of the format, though their sum is not."""
    if kind == "residuals":
        for size in (2.0 ** (form.top // 2) * 0.875, form.max * 0.4375):
            yield WholeCall("F", "a mean of huge losses", np.zeros(7), np.full(7, -size))
        apart = np.array([0.6 * form.max, *[0.0] * 6])
        yield WholeCall("F", "a mean with one huge residual", form.round(-apart), form.round(apart))
    elif kind in ("margins", "logits"):
        yield WholeCall("F", "a mean of huge losses", np.ones(7), np.full(7, -form.max * 0.75))


def _many(loss: Loss, kind: str, last: int) -> Iterator[WholeCall]:
    """So many predictions in one loss that narrow formats cannot count them; `last` is an index that they lack."""
    if "rows" in kind and getattr(loss, "class_weight", None) is None:
        row = np.full(MANY, -1.0 if kind == "log rows" else 0.0)
        row[last], row[last - 1] = _TWO_CLASSES[kind]
        for label in (last, last - 1):
            yield WholeCall("J", "many classes", np.array([float(label)]), row[None], slopes=False)
        if kind == "logit rows":  # Σ exp(z − max) is beyond the format
            equal, one_hot = np.zeros((1, MANY)), np.eye(1, MANY)
            yield WholeCall("J", "many equal classes", np.zeros(1), equal, slopes=False)
            if loss.domain.y.rows is not None:
                yield WholeCall("J", "many equal classes, one-hot", one_hot, equal, slopes=False)
    if kind == "overlaps" and not loss.reads_all_predictions and len(loss.layout.groups) == 1:
        pixels = np.arange(MANY)
        y, p = 1.0 * (pixels % 2 != 0), 1.0 * (pixels % 4 != 0)
        yield WholeCall("J", "many pixels", y[None], p[None], slopes=False)
        yield WholeCall("J", "a full mask of many pixels", np.ones((1, MANY)), np.ones((1, MANY)), slopes=False)


def _refused(loss: Loss, y: Floats, yhat: Floats, weights: bool) -> Iterator[WholeCall]:
    """Inputs with one number outside its domain, and shapes that differ."""
    bad_y: list[float] = []
    domain = loss.domain.y
    if isinstance(domain, Classes) and y.ndim == 1:
        ignore = getattr(loss, "ignore_index", None)
        bad_y = [v for v in (-1.0, -100.0, 255.0, float(yhat.shape[1])) if v != ignore]
    elif isinstance(domain, Labels):
        soft = (0.0, 0.5) if min(domain.values) < 0 else ()  # between labels 0 and 1 soft ones have a meaning
        bad_y = [v for v in (2.0, -2.0, *soft) if v not in domain.values]
    elif isinstance(domain, Classes) or bounded(domain):
        bad_y = [1.25, -0.25]
    for v in bad_y:
        yield WholeCall("K", f"target {v:g}", _changed(y, (0,) * y.ndim, v), yhat, refuse=True)
    for v in (1.25, -0.25) if bounded(loss.domain.yhat) else ():
        yield WholeCall("K", f"prediction {v:g}", y, _changed(yhat, (0,) * yhat.ndim, v), refuse=True)
    if weights and not one_loss_a_call(loss):
        yield WholeCall("K", "a negative weight", y, yhat, _changed(np.ones(len(y)), 0, -1.0), refuse=True)
    if not one_loss_a_call(loss) and not loss.layout.groups:
        yield WholeCall("K", "shapes (n, 1) and (n,)", y[:, None], yhat, refuse=True)
