"""Whole calls: reductions, weights, ignored rows, empty batches, long sums, inputs that must be refused."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan

import numpy as np

from reflosses.comparison.battery.block import PIXELS, LossBlock, WholeCall, bounded, family
from reflosses.comparison.battery.moderate import moderate_blocks
from reflosses.comparison.formats import Format
from reflosses.evaluation.axes import REST
from reflosses.evaluation.domain import Classes, Floats, Labels
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import one_loss_a_call

REPEATED = 10_007  # times seven losses: the sum is beyond float16, the number of losses beyond its integers
MANY = 70_001  # classes or pixels in one loss: beyond the largest number of float16
SHAPES = ((2, 3), (3, 1, 2))  # of arrays with several axes


def calls(loss: Loss, form: Format, seed: int, weights: bool, upstream: bool) -> Iterator[WholeCall]:
    """Whole calls; `weights`: the candidate takes one weight a loss; `upstream`: its framework differentiates it."""
    rng = np.random.default_rng(seed)
    tame = next(moderate_blocks(loss, form, seed))
    reduces = loss.reduction != "none"
    for y, yhat in _targets(loss, tame, rng):
        if not one_loss_a_call(loss):
            for k in (3, 7):
                yield WholeCall("I", f"a batch of {k}", y[:k], yhat[:k])
            if weights:
                yield from _weighted(y[:7], yhat[:7], rng)
            if upstream and not reduces:
                v = np.asarray(rng.integers(-16, 17, 7) / 8)
                yield WholeCall("I", "a batch, differentiated with weights", y[:7], yhat[:7], upstream=v)
            if reduces:
                yield WholeCall("J", "a long sum", y[:7], yhat[:7], times=REPEATED)
            yield WholeCall("H", "an empty batch", y[:0], yhat[:0])
        for shape in SHAPES if loss.layout.groups in ((), (REST,)) else ():
            n = 1 if one_loss_a_call(loss) else PIXELS
            yield WholeCall("I", f"arrays of shape {shape}", y[:n], yhat[:n], shape=shape)
        ignore = getattr(loss, "ignore_index", None)
        if ignore is not None and y.ndim == 1:
            yield from _ignored(float(ignore), y[:7], yhat[:7])
        few = 1 if one_loss_a_call(loss) else 3
        yield from _refused(loss, y[:few], yhat[:few], weights)
    if not one_loss_a_call(loss):
        yield from _one_label(loss, tame)
        if "mean" in loss.reduction:
            yield from _mean_of_huge(loss, form)
    if form.bits < 24:
        yield from _many(loss, form)


def _targets(loss: Loss, tame: LossBlock, rng: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
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


def _weighted(y: Floats, yhat: Floats, rng: np.random.Generator) -> Iterator[WholeCall]:
    weight = np.asarray(rng.integers(1, 32, len(y)) / 8)
    yield WholeCall("I", "weights", y, yhat, weight)
    some = weight.copy()
    some[::3] = 0
    yield WholeCall("I", "some weights 0", y, yhat, some)
    wild = yhat.copy()
    wild[::3] = nan
    yield WholeCall("G", "weight 0 on what is not a number", y, wild, some)
    yield WholeCall("H", "all weights 0", y, yhat, 0 * weight)


def _ignored(ignore: float, y: Floats, yhat: Floats) -> Iterator[WholeCall]:
    some = y.copy()
    some[::3] = ignore
    yield WholeCall("H", "some ignored", some, yhat)
    only = np.full_like(y, ignore)
    yield WholeCall("H", "all ignored", only, yhat)
    only = only.copy()
    only[1] = y[1]
    yield WholeCall("H", "all but one ignored", only, yhat)
    for name, value in (("not a number", nan), ("infinite", inf)):
        wild = yhat.copy()
        wild[some == ignore] = value
        yield WholeCall("G", f"ignored predictions that are {name}", some, wild)


def _one_label(loss: Loss, tame: LossBlock) -> Iterator[WholeCall]:
    """Batches that hold only one of the labels, which a function may have to guess."""
    if isinstance(loss.domain.y, Labels):
        for label in loss.domain.y.values:
            yield WholeCall("H", f"all labels {label:g}", np.full(3, label), tame.yhat[:3])


def _mean_of_huge(loss: Loss, form: Format) -> Iterator[WholeCall]:
    """Losses whose mean is a number of the format, though their sum is not."""
    kind = family(loss)
    if kind in ("residuals", "margins", "logits"):
        root = 2.0 ** (form.top // 2) * 0.875
        sizes = [root, form.max * 0.4375] if kind == "residuals" else [form.max * 0.75]
        y = np.ones(7) if kind != "residuals" else np.zeros(7)
        for size in sizes:
            yield WholeCall("F", "a mean of huge losses", y, np.full(7, -size))
        if kind == "residuals":
            apart = np.array([0.6 * form.max, *[0.0] * 6])
            yield WholeCall("F", "a mean with one huge residual", form.round(-apart), form.round(apart))


def _many(loss: Loss, form: Format) -> Iterator[WholeCall]:
    """So many predictions in one loss that narrow formats cannot count them."""
    kind, last = family(loss), int(2**form.bits + 1)
    if "rows" in kind and getattr(loss, "class_weight", None) is None:
        row = np.zeros(MANY) if kind == "logit rows" else np.full(MANY, -1.0 if kind == "log rows" else 0.0)
        row[last] = {"logit rows": 4.0, "log rows": -0.5, "probability rows": 0.75}[kind]
        row[last - 1] = {"logit rows": 0.0, "log rows": -2.0, "probability rows": 0.25}[kind]
        for label in (last, last - 1):
            yield WholeCall("J", "many classes", np.array([float(label)]), row[None], slopes=False)
        if kind == "logit rows":  # whose Σ exp(z − max) is beyond the format
            equal, one_hot = np.zeros((1, MANY)), np.eye(1, MANY)
            yield WholeCall("J", "many equal classes", np.zeros(1), equal, slopes=False)
            if loss.domain.y.rows is not None:
                yield WholeCall("J", "many equal classes, one-hot", one_hot, equal, slopes=False)
    if kind == "overlaps" and not loss.reads_all_predictions and len(loss.layout.groups) == 1:
        y, p = np.ones(MANY), np.full(MANY, 1.0)
        y[::2] = 0
        p[::4] = 0
        yield WholeCall("J", "many pixels", y[None], p[None], slopes=False)


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
        wrong = y.copy()
        wrong.flat[0] = v
        yield WholeCall("K", f"target {v:g}", wrong, yhat, refuse=True)
    for v in (1.25, -0.25) if bounded(loss.domain.yhat) else ():
        wrong = yhat.copy()
        wrong.flat[0] = v
        yield WholeCall("K", f"prediction {v:g}", y, wrong, refuse=True)
    if not one_loss_a_call(loss):
        if weights:
            yield WholeCall("K", "a negative weight", y, yhat, np.array([-1.0, *[1.0] * (len(y) - 1)]), refuse=True)
        if not loss.layout.groups:
            yield WholeCall("K", "shapes (n, 1) and (n,)", y[:, None], yhat, refuse=True)
