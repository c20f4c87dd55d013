"""What the vectors in files may ask: the losses with their parameters, and every test that the battery has for them.

A test is one loss, or one whole call. Its level is that of the question which it puts: `formula` for ordinary inputs,
where half of the digits are enough, and for a clip of probabilities above the format's eps; `digits` for hard inputs
with normal results; `range` for infinite, subnormal and overflowing ones; `domain` for inputs that must be refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np

import reflosses as R
from reflosses.comparison.battery import ORDINARY, LossBlock, WholeCall, blocks, calls, family
from reflosses.comparison.formats import FORMATS, Format
from reflosses.comparison.levels import NOTHING
from reflosses.comparison.verdict import LENIENT
from reflosses.evaluation.domain import Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import unstack

CLIPPED = 0.7  # nats: a clip moves a loss so far, a lost digit does not
FAR = 2.0**20  # times its scale, a residual is beyond the bend, and its square is a number of every format
LONGEST = 64  # predictions of a test

N = {"reduction": "none"}
W = (0.3, 7.0, 1.5)
OMEGA = ((4.0, 1.5), (1.5, 0.75))

# The parameters of each group, and how many tests it has in float64 and in float32.
GROUPS: dict[str, list[tuple[Loss, int, int]]] = {
    "MeanSquaredError": [
        (R.MeanSquaredError(**N), 70, 50),
        (R.MeanSquaredError(), 24, 16),
        (R.MeanSquaredError(reduction="weighted_mean"), 16, 0),
        (R.MeanSquaredError(reduction="sum"), 12, 0),
    ],
    "MeanAbsoluteError": [
        (R.MeanAbsoluteError(**N), 70, 50),
        (R.MeanAbsoluteError(), 20, 16),
        (R.MeanAbsoluteError(reduction="sum"), 12, 0),
    ],
    "Huber": [
        (R.Huber(delta=0.75, **N), 70, 50),
        (R.Huber(delta=0.7, **N), 30, 20),
        (R.Huber(delta=1000.0, **N), 16, 0),
        (R.Huber(delta=1.0), 16, 0),
        (R.Huber(delta=2.0), 12, 0),
        (R.Huber(delta=1.5, reduction="sum"), 12, 0),
        (R.Huber(delta=0.375, reduction="sum"), 0, 14),
    ],
    "Hinge": [
        (R.Hinge(**N), 60, 50),
        (R.Hinge(), 20, 16),
        (R.Hinge(reduction="sum"), 14, 0),
        (R.Hinge(reduction="weighted_mean"), 20, 0),
    ],
    "BinaryCrossEntropy": [
        (R.BinaryCrossEntropy(**N), 60, 44),
        (R.BinaryCrossEntropy(), 24, 16),
        (R.BinaryCrossEntropy(reduction="sum"), 16, 0),
        (R.BinaryCrossEntropy(reduction="weighted_mean"), 16, 14),
        (R.BinaryCrossEntropy(clamp=1e-7, **N), 16, 16),
    ],
    "BinaryCrossEntropyWithLogits": [
        (R.BinaryCrossEntropyWithLogits(**N), 66, 46),
        (R.BinaryCrossEntropyWithLogits(pos_weight=3.5, **N), 30, 20),
        (R.BinaryCrossEntropyWithLogits(pos_weight=0.25, **N), 14, 0),
        (R.BinaryCrossEntropyWithLogits(pos_weight=3.0), 16, 0),
        (R.BinaryCrossEntropyWithLogits(), 24, 16),
        (R.BinaryCrossEntropyWithLogits(reduction="sum"), 16, 0),
    ],
    "Focal": [
        (R.Focal(gamma=1.5, alpha=0.25, **N), 70, 50),
        (R.Focal(gamma=2.0, alpha=0.25, **N), 24, 0),
        (R.Focal(gamma=0.5, **N), 24, 0),
        (R.Focal(gamma=1.5), 16, 0),
        (R.Focal(gamma=2.0, reduction="sum"), 16, 0),
    ],
    "FocalWithLogits": [
        (R.FocalWithLogits(gamma=1.5, alpha=0.25, **N), 70, 50),
        (R.FocalWithLogits(gamma=1.5, **N), 24, 0),
        (R.FocalWithLogits(gamma=0.0, **N), 0, 30),
        (R.FocalWithLogits(gamma=0.5, **N), 24, 0),
        (R.FocalWithLogits(gamma=2.0, alpha=0.25), 16, 0),
    ],
    "Cauchy": [
        (R.Cauchy(delta=0.75, **N), 60, 50),
        (R.Cauchy(delta=2.0, **N), 20, 0),
        (R.Cauchy(delta=0.5), 16, 0),
        (R.Cauchy(delta=0.75, information=OMEGA, **N), 20, 0),
        (R.Cauchy(delta=1.3, information=OMEGA, **N), 12, 0),
        (R.Cauchy(delta=1.0, information=OMEGA), 12, 0),
    ],
    "CrossEntropy": [
        (R.CrossEntropy(**N), 46, 30),
        (R.CrossEntropy(label_smoothing=0.125, **N), 12, 14),
        (R.CrossEntropy(label_smoothing=0.25, **N), 0, 12),
        (R.CrossEntropy(class_weight=(0.25, 7.0, 0.5), **N), 14, 0),
        (R.CrossEntropy(class_weight=(0.25, 0.0, 3.0), **N), 0, 14),
        (R.CrossEntropy(ignore_index=-100), 10, 8),
        (R.CrossEntropy(), 14, 8),
        (R.CrossEntropy(reduction="sum"), 8, 0),
        (R.CrossEntropy(label_smoothing=0.1), 8, 0),
        (R.CrossEntropy(class_weight=W, reduction="weighted_mean"), 8, 0),
        (R.CrossEntropy(axis=1, **N), 8, 0),
    ],
    "NegativeLogLikelihood": [
        (R.NegativeLogLikelihood(**N), 40, 28),
        (R.NegativeLogLikelihood(class_weight=(0.25, 7.0, 0.5), **N), 24, 0),
        (R.NegativeLogLikelihood(), 12, 0),
        (R.NegativeLogLikelihood(reduction="sum"), 10, 0),
        (R.NegativeLogLikelihood(class_weight=W, reduction="weighted_mean"), 10, 0),
        (R.NegativeLogLikelihood(ignore_index=-1, reduction="weighted_mean"), 0, 14),
    ],
    "SparseCategoricalCrossEntropy": [
        (R.SparseCategoricalCrossEntropy(**N), 46, 36),
        (R.SparseCategoricalCrossEntropy(ignore_index=255, **N), 20, 0),
        (R.SparseCategoricalCrossEntropy(), 14, 0),
        (R.SparseCategoricalCrossEntropy(reduction="weighted_mean"), 14, 0),
    ],
    "Dice": [
        (R.Dice(axis=-1, **N), 32, 18),
        (R.Dice(axis=-1, smooth_nr=0.25, smooth_dr=0.75, **N), 12, 0),
        (R.Dice(axis=-1, smooth_nr=1e-6, smooth_dr=1e-6, **N), 8, 0),
        (R.Dice(reduction="sum"), 12, 0),
        (R.Dice(), 10, 0),
        (R.Dice(smooth_nr=1.0, smooth_dr=1.0), 10, 8),
        (R.Dice(smooth_dr=1e-7), 10, 0),
        (R.Dice(axis=(1, 2), smooth_nr=1.0, smooth_dr=1.0), 10, 0),
    ],
    "IoU": [
        (R.IoU(axis=-1, **N), 32, 18),
        (R.IoU(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **N), 10, 0),
        (R.IoU(reduction="sum"), 16, 0),
        (R.IoU(), 12, 0),
    ],
    "GeneralizedDice": [
        (R.GeneralizedDice(axis=0, **N), 34, 12),
        (R.GeneralizedDice(axis=-1), 10, 0),
        (R.GeneralizedDice(axis=1, per_sample=True), 10, 0),
    ],
    "WeightedCrossEntropy": [
        (R.WeightedCrossEntropy(**N), 36, 26),
        (R.WeightedCrossEntropy(weight_grad="full", **N), 24, 0),
        (R.WeightedCrossEntropy(), 16, 0),
        (R.WeightedCrossEntropy(weight=3.0, **N), 14, 0),
    ],
}


@dataclass(frozen=True)
class Asked:
    """One test before its results are known. clip: only the value is asked, to within `CLIPPED` nats."""

    loss: Loss
    form: Format
    regime: str
    name: str
    stacked: tuple[Floats, Floats]  # y and yhat, one loss a row
    y: Any
    yhat: Floats
    weight: Floats | None
    level: str
    refuse: bool = False
    clip: bool = False

    @property
    def lenient(self) -> bool:
        """Whether half of the digits are enough."""
        return self.level == "formula" or self.regime in LENIENT


def pool(loss: Loss, form: Format) -> Iterator[Asked]:
    """Every test that the battery has for a loss."""
    rows = isinstance(loss.domain.y, Classes) and loss.reduction == "weighted_mean"  # it divides by a class's weight
    for block in blocks(loss, form, 0):
        for i in range(len(block.y) if not (rows and block.y.ndim > 1) else 0):
            yield from _alone(loss, form, block, block.y[i : i + 1], block.yhat[i : i + 1])
    for call in calls(loss, form, 0, True, False):
        if call.times == 1 and call.yhat.size <= LONGEST and not (rows and call.y.ndim > 1):
            yield _whole(loss, form, call)


def _alone(loss: Loss, form: Format, block: LossBlock, y: Floats, yhat: Floats) -> Iterator[Asked]:
    arrays = unstack(loss, y, yhat)
    asked = Asked(loss, form, block.regime, block.name, (y, yhat), *arrays, None, "formula")
    depth = _depth(loss, form, asked)
    if block.regime == "B" and depth is not None and 0.3 < depth < 1:
        yield replace(asked, clip=True)
    yield replace(asked, level=_level(loss, form, asked, depth))


def _whole(loss: Loss, form: Format, call: WholeCall) -> Asked:
    call = replace(call, y=form.round(call.y), yhat=form.round(call.yhat))
    y, yhat = unstack(loss, call.y, call.yhat)
    if call.shape is not None:
        y, yhat = y.reshape(call.shape), yhat.reshape(call.shape)
    asked = Asked(
        loss, form, call.regime, call.name, (call.y, call.yhat), y, yhat, call.weight, "formula", refuse=call.refuse
    )
    if call.weight is not None and not loss.reads_all_predictions:
        asked = replace(asked, weight=call.weight.reshape(loss.layout.bind(yhat.shape).value_shape))
    return replace(asked, level=_level(loss, form, asked, None))


def _depth(loss: Loss, form: Format, asked: Asked) -> float | None:
    """How deep an input is in saturation: 1 where a probability is eps, or a logit −log eps. None: it has no such."""
    kind, last = family(loss), -log(form.eps)
    if not (kind.startswith(("logit", "probabilit")) and np.isfinite(asked.yhat).all() and np.size(asked.yhat)):
        return None
    if kind == "logits":
        return float(np.max(np.abs(asked.yhat))) / last
    if kind == "logit rows":
        with np.errstate(over="ignore"):
            return float(np.ptp(asked.yhat)) / last
    own = float(asked.stacked[1][0, int(asked.stacked[0][0])] if "rows" in kind else np.ravel(asked.yhat)[0])
    rest = min(own, 1 - own)
    return -log(rest) / last if rest > 0 else np.inf


def _level(loss: Loss, form: Format, asked: Asked, depth: float | None) -> str:
    if asked.refuse:
        return "domain"
    kind = family(loss)
    empty = kind == "overlaps" and not (np.any(asked.y) or np.any(asked.yhat))
    if kind in ("residuals", "margins") and asked.regime == "F" and np.max(np.abs(asked.yhat)) <= FAR * loss.scale:
        return "formula"  # beyond the bend, not yet huge
    if asked.name in NOTHING or empty or asked.regime in "GFJ" or not np.isfinite(asked.yhat).all():
        return "range"
    probabilities = kind.startswith("probabilit") or loss.reads_all_predictions
    if asked.regime == "H" and probabilities and np.isin(asked.yhat, (0.0, 1.0)).any():
        return "range"  # 0 · log 0
    with np.errstate(all="ignore"):
        results = np.concatenate([np.ravel(r) for r in loss.value_and_grad(asked.y, asked.yhat, weight=asked.weight)])
    if not np.isfinite(form.round(results)).all():
        return "range"
    if asked.regime in ORDINARY:
        return "formula"
    beyond = depth is not None and depth >= 1
    if beyond and (asked.regime == "B" or kind.startswith("probabilit")):
        return "range"
    return "range" if ((results != 0) & (np.abs(results) < form.tiny)).any() else "digits"


def flags(asked: Asked, results: dict[str, Any]) -> list[str]:
    """Words by which a consumer may choose tests."""
    loss, form, yhat = asked.loss, asked.form, asked.yhat
    found = np.concatenate([np.ravel(results[k]) for k in ("value", "gradient") if k in results] or [np.zeros(0)])
    y = np.asarray(asked.y)
    hard = (y == np.rint(y)).all()
    tests = {
        "Ordinary": asked.regime in ORDINARY and not asked.refuse,
        "Saturated": asked.regime in "AB" and family(loss) not in ("residuals", "margins", "vectors"),
        "Clip": asked.clip,
        "Huge": asked.regime == "F" and asked.level != "formula",
        "Small": asked.regime == "E",
        "Subnormal": bool(((found != 0) & (np.abs(found) < form.tiny)).any() or _subnormal(form, yhat)),
        "InfiniteInput": bool(np.isinf(yhat).any()),
        "NaNInput": bool(np.isnan(yhat).any()),
        "InfiniteResult": bool(np.isinf(found).any()),
        "NaNResult": bool(np.isnan(found).any()),
        "Kink": "gradient_low" in results,
        "Ignored": "ignored" in asked.name,
        "Empty": np.size(yhat) == 0,
        "NothingCounts": asked.name in NOTHING,
        "Weighted": asked.weight is not None,
        "SoftTarget": not hard and not isinstance(loss.domain.y, Classes) and family(loss) != "residuals",
        "TargetRows": isinstance(loss.domain.y, Classes) and y.ndim == yhat.ndim,
        "Batch": len(asked.stacked[1]) > 1,
        "SeveralAxes": asked.name.startswith("arrays of shape"),
        "MustRefuse": asked.refuse,
        "Float32": form.name == "float32",
    }
    return [name for name, holds in tests.items() if holds]


def _subnormal(form: Format, a: Floats) -> bool:
    return bool(((a != 0) & (np.abs(a) < form.tiny)).any())


FLAGS = {
    "Ordinary": "an ordinary input; half of the digits are asked",
    "Saturated": "a probability near 0 or 1, a margin far on one side, or a mask nearly perfect or opposite",
    "Clip": "only the value is asked, and to 0.7 nats only: it finds a clip of probabilities above the format's eps",
    "Huge": "a huge prediction, or a sum beyond the largest number",
    "Small": "a residual that is small against the scale of the loss",
    "Subnormal": "a number between 0 and the smallest normal one, in the predictions or the results",
    "InfiniteInput": "a prediction is infinite; the results are limits",
    "NaNInput": "a prediction is NaN",
    "InfiniteResult": "a result is infinite, or beyond the largest number of the format",
    "NaNResult": "a result is NaN",
    "Kink": "the slope jumps: gradient_low and gradient_high are the one-sided derivatives",
    "Ignored": "some losses are ignored, by the parameter ignore_index",
    "Empty": "there is no loss at all",
    "NothingCounts": "no loss counts: none is there, all are ignored, or all have weight 0",
    "Weighted": "each loss has a weight",
    "SoftTarget": "a target is neither 0 nor 1",
    "TargetRows": "the target is a row of class probabilities, not a class index",
    "Batch": "several losses in one call",
    "SeveralAxes": "arrays of several axes for a loss of single elements",
    "MustRefuse": "the input is outside the domain: an error or NaN is right",
    "Float32": "a set for float32",
}


def formats(counts: tuple[int, int]) -> Iterator[tuple[Format, int]]:
    """The formats of a group, each with the number of tests."""
    for name, count in zip(("float64", "float32"), counts, strict=True):
        if count:
            yield FORMATS[name], count
