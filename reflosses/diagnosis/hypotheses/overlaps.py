"""An overlap loss has another score, other smoothing constants, or other axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import scipy

from reflosses.comparison.battery import family
from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import (
    another,
    only_if,
    sigmoid_back,
    with_values,
    with_yhat,
)
from reflosses.diagnosis.formulas import formula, generalized_dice, overlap_as_written
from reflosses.diagnosis.model import Change, Family, Model, Question
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.loss import Loss
from reflosses.losses.dice import Dice
from reflosses.losses.generalized_dice import GeneralizedDice
from reflosses.losses.iou import IoU

FAMILY = Family()

SMALL = ("1e-5", "1e-6", "1e-7", "1e-8")  # smoothing constants of frameworks


def is_overlap(loss: Loss) -> bool:
    """Whether a loss measures the overlap of two masks, as Dice does."""
    return family(loss) == "overlaps" and not loss.reads_all_predictions


def only_overlaps(change: Change) -> Change:
    """A change of every loss of an overlap."""
    return only_if(lambda q: is_overlap(q.loss), change)


def dice_for_iou(loss: Any, q: Question) -> Loss | None:
    """IoU for Dice, and Dice for IoU."""
    others: dict[type[Loss], type[Loss]] = {Dice: IoU, IoU: Dice}
    other = others.get(type(loss))
    return None if other is None else other(**{f.name: getattr(loss, f.name) for f in fields(loss)})


FAMILY.convention(
    "Dice for IoU", says="is Dice where IoU is due, or IoU where Dice is due", change=another(dice_for_iou)
)
FAMILY.convention(
    "returns the score",
    says="returns 1 less the loss, the score",
    seen_in="sklearn f1_score, jaccard_score",
    seen_of=("Dice", "IoU"),
    change=only_overlaps(with_values(lambda v: 1 - v, lambda v: -np.ones_like(v))),
)
FAMILY.convention(
    "returns minus the score",
    says="returns the loss less 1, minus the score",
    change=only_overlaps(with_values(lambda v: v - 1, np.ones_like)),
)


def half_the_score(q: Question, model: Model) -> Answer | None:
    """1 − (I + a)/(S + b), which is half of the score whose constant above is 2a."""
    if not isinstance(q.loss, Dice):
        return None
    doubled = q.of(smooth_nr=2 * q.loss.smooth_nr)
    return with_values(lambda v: (1 + v) / 2, lambda v: np.full_like(v, 0.5))(doubled, model)


FAMILY.convention("half the score", says="leaves out the 2 of 2I/(P + T)", change=half_the_score)
FAMILY.convention(
    "log of the score",
    says="takes −log of the score, not 1 less it",
    seen_in="SMP DiceLoss(log_loss=True)",
    seen_of=("Dice",),
    change=only_overlaps(with_values(lambda v: -np.log1p(-v), lambda v: 1 / (1 - v))),
)
FAMILY.convention(
    "sigmoid of probabilities",
    says="takes the sigmoid of what are probabilities already",
    seen_in="SMP, MONAI sigmoid=True",
    change=only_overlaps(with_yhat(lambda p, axis: scipy.special.expit(p), sigmoid_back)),
)


def squared_overlap(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """1 − 2I/(Σp² + Σt²)."""
    return overlap_as_written(t, loss, y, x, squares=True)


FAMILY.convention(
    "squares in the denominator",
    says="adds up squares in the denominator",
    seen_in="V-Net, MONAI squared_pred",
    change=formula({Dice: squared_overlap, IoU: squared_overlap}),
)


def shared_by_distance(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """1 − (2I + a)/(P + T + b), or the same of IoU, with I = (P + T − Σ|p − t|)/2."""
    total = t.sum(x) + y.sum(axis=1)
    both = 0.5 * (total - t.sum(t.abs(x - y)))
    if isinstance(loss, IoU):
        return 1 - (both + loss.smooth_nr) / (total - both + loss.smooth_dr)
    return 1 - (2 * both + loss.smooth_nr) / (total + loss.smooth_dr)


FAMILY.convention(
    "smaller of p and t",
    says="adds up the smaller of p and t, not their product: that is the intersection of hard masks only",
    seen_in="SMP DiceLoss, JaccardLoss, TverskyLoss",
    seen_of=("Dice", "IoU"),
    change=formula({Dice: shared_by_distance, IoU: shared_by_distance}),
)


def doubled_over_union(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """1 − (2I + a)/(P + T − I + b)."""
    both = t.sum(x * y)
    return 1 - (2 * both + loss.smooth_nr) / (t.sum(x) + y.sum(axis=1) - both + loss.smooth_dr)


FAMILY.convention(
    "2I over the union",
    says="divides 2I by the union, which belongs to I, not by P + T",
    change=formula({Dice: doubled_over_union, IoU: doubled_over_union}),
)


def smoothed_intersection(t: Tape, loss: Any, y: Any, x: Node) -> Node:
    """The constant is added to I, which is then part of the union, or doubled."""
    both = t.sum(x * y) + loss.smooth_nr
    total = t.sum(x) + y.sum(axis=1) + loss.smooth_dr
    return 1 - (both / (total - both) if isinstance(loss, IoU) else (2 * both) / total)


FAMILY.convention(
    "smoothing inside the intersection",
    says="adds the smoothing constant to the intersection before it makes the rest of it",
    change=only_if(
        lambda q: bool(getattr(q.loss, "smooth_nr", 0.0)),
        formula({Dice: smoothed_intersection, IoU: smoothed_intersection}),
    ),
)


def with_smoothing(change: Callable[[float, float], tuple[float, float]]) -> Change:
    """Other smoothing constants, above and below, of a loss that has them."""

    def make(loss: Any, q: Question) -> Loss | None:
        if not hasattr(loss, "smooth_nr"):
            return None
        above, below = change(loss.smooth_nr, loss.smooth_dr)
        return replace(loss, smooth_nr=above, smooth_dr=below)

    return another(make)


def adding(above: float, below: float) -> Change:
    """Larger smoothing constants."""
    return with_smoothing(lambda n, d: (n + above, d + below))


FAMILY.convention(
    "doubles the smoothing",
    says="adds twice the smoothing constants",
    seen_in="optax and SMP, which add s to I and ½(P + T)",
    change=with_smoothing(lambda n, d: (2 * n, 2 * d)),
)
FAMILY.convention(
    "halves the smoothing",
    says="adds half of the smoothing constants",
    seen_in="MONAI jaccard=True",
    change=with_smoothing(lambda n, d: (n / 2, d / 2)),
)
FAMILY.convention(
    "smooths the denominator only",
    says="leaves the smoothing constant out of the numerator",
    seen_in="keras Dice, kornia, Paddle",
    seen_of=("Dice",),
    change=with_smoothing(lambda n, d: (0.0, d)),
)
FAMILY.convention(
    "smooths both alike",
    says="adds the smoothing constant of the denominator to the numerator too",
    seen_in="MONAI",
    change=with_smoothing(lambda n, d: (d, d)),
)
FAMILY.convention(
    "no smoothing", says="leaves the smoothing constants out", change=with_smoothing(lambda n, d: (0.0, 0.0))
)
FAMILY.convention("adds 1 to both", says="adds 1 to numerator and denominator", change=adding(1, 1))
FAMILY.convention(
    "adds 2 to both",
    says="adds 2 to numerator and denominator",
    seen_in="optax dice_loss",
    seen_of=("Dice",),
    change=adding(2, 2),
)
for c in SMALL:
    FAMILY.convention(
        f"adds {c} below",
        says=f"adds {c} to the denominator",
        seen_in={"1e-7": "keras Dice", "1e-8": "kornia dice_loss", "1e-5": "Paddle dice_loss"}.get(c, ""),
        seen_of=("Dice",),
        change=adding(0, float(c)),
    )
for c in SMALL:
    FAMILY.convention(
        f"adds {c} to both",
        says=f"adds {c} to numerator and denominator",
        seen_in={"1e-5": "MONAI DiceLoss"}.get(c, ""),
        seen_of=("Dice",),
        change=adding(float(c), float(c)),
    )


def pooling(choose: Callable[[set[int], int], set[int]], per_sample: bool | None = None) -> Change:
    """Other pooled axes, of an overlap that has one group of them; choose: axes, number of axes → other axes.

    per_sample: another value of that parameter, of a loss that has it.
    """

    def make(loss: Any, q: Question) -> Loss | None:
        n = q.yhat.ndim
        if is_overlap(loss) and len(loss.layout.groups) == 1 and n > 1:
            now = set(q.bound.groups[0])
            axes = choose(now, n)
            if axes and axes != now:
                return replace(loss, axis=tuple(sorted(axes)))
        return replace(loss, per_sample=per_sample) if per_sample is not None and hasattr(loss, "per_sample") else None

    return another(make)


FAMILY.convention(
    "pools everything",
    says="pools all axes into one overlap",
    seen_in="keras Dice, sklearn",
    seen_of=("Dice",),
    change=pooling(lambda a, n: set(range(n)), per_sample=False),
)
FAMILY.convention(
    "pools each sample",
    says="makes one overlap of each sample",
    seen_in="keras Dice(axis=(1, 2, 3)), kornia dice_loss",
    seen_of=("Dice",),
    change=pooling(lambda a, n: set(range(1, n)), per_sample=True),
)
FAMILY.convention(
    "pools the batch too",
    says="pools the batch too",
    seen_in="SMP DiceLoss, MONAI batch=True",
    seen_of=("Dice",),
    change=pooling(lambda a, n: a | {0}),
)
FAMILY.convention(
    "pools all but batch and class",
    says="makes one overlap of each class of each sample",
    seen_in="MONAI DiceLoss",
    seen_of=("Dice",),
    change=pooling(lambda a, n: set(range(2, n))),
)
FAMILY.convention(
    "pools only the last axis", says="makes one overlap of each last axis", change=pooling(lambda a, n: {n - 1})
)
FAMILY.convention(
    "class weights 1/T",
    says="weighs classes by 1/T, not by 1/T²",
    seen_in="MONAI w_type='simple'",
    change=formula({GeneralizedDice: generalized_dice(lambda v: 1 / v)}),
)
FAMILY.convention(
    "class weights cancel",
    says="weighs all classes alike: the weights cancel",
    seen_in="MONAI w_type='uniform'",
    change=formula({GeneralizedDice: generalized_dice(np.ones_like)}),
)
