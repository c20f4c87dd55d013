"""The overlap of label maps, and the slopes of the Dice and IoU scores in it (`derivations/dice_versus_iou.md`)."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reflosses.evaluation.domain import Classes, Floats, as_array, real_array
from reflosses.evaluation.parameters import first_index, shown, whole

CROSSOVER_IOU = sqrt(2) - 1  # the IoU at which the IoU loss and the Dice loss are equally steep
CROSSOVER_DICE = 2 - sqrt(2)  # the Dice score of the same overlap


class Sensitivity(NamedTuple):
    """The slopes of the Dice and IoU scores in the intersection, and the ratio IoU over Dice."""

    dice: Any
    iou: Any
    ratio: Any


@np.errstate(all="ignore")
def sensitivity(intersection: ArrayLike, total: ArrayLike) -> Sensitivity:
    """The slopes of the Dice and IoU scores in the intersection I, at a fixed total S = P + T.

    Formula:  dD/dI = 2/S,  dJ/dI = S/(S − I)²,  ratio = (dJ/dI)/(dD/dI) = S²/(2 (S − I)²) = (1 + J)²/2.
    Shapes: numbers or arrays that broadcast; floats for two numbers.
    Domain: S > 0 and 0 ≤ I ≤ S/2, or ValueError. The ratio is ½ at no overlap, 1 at CROSSOVER_IOU, 2 at full overlap.
    Source: derivations/dice_versus_iou.md.
    """
    i, s = as_array(intersection, "sensitivity: intersection"), as_array(total, "sensitivity: total")
    try:
        i, s = np.broadcast_arrays(i, s)
    except ValueError:
        raise ValueError(
            f"sensitivity: intersection has shape {i.shape} and total {s.shape}; they do not broadcast"
        ) from None
    bad = ~((s > 0) & np.isfinite(s))
    if bad.any():
        raise ValueError(f"sensitivity: total{first_index(bad)} is {shown(s[bad][0])}, not a finite number above 0")
    bad = ~((i >= 0) & (i <= s / 2))
    if bad.any():
        raise ValueError(
            f"sensitivity: intersection{first_index(bad)} is {shown(i[bad][0])}, "
            f"not from 0 to half the total {shown(s[bad][0])}"
        )
    share = 1 / (1 - i / s)  # S / (S − I), from 1 to 2, so that no step overflows
    slopes = 2 / s, share * (share / s), share**2 / 2
    return Sensitivity(*(float(x) if x.ndim == 0 else x for x in slopes))


def hard_dice(y: ArrayLike, yhat: ArrayLike, num_classes: int) -> Floats:
    """The Dice loss of each class of two integer label maps: 1 − 2|A ∩ B| / (|A| + |B|).

    Shapes: y and yhat alike, labels from 0 to num_classes − 1; one loss a class. A class absent from both has loss 0.
    Raises TypeError or ValueError for other labels, shapes that differ, or 2^31 classes. Source: derivations/dice.md.
    """
    both, true, guessed = _counts("hard_dice", y, yhat, num_classes)
    return _ratio(true + guessed - 2 * both, true + guessed)


def hard_iou(y: ArrayLike, yhat: ArrayLike, num_classes: int) -> Floats:
    """The IoU loss of each class of two integer label maps: 1 − |A ∩ B| / |A ∪ B|.

    Shapes: y and yhat alike, labels from 0 to num_classes − 1; one loss a class. A class absent from both has loss 0.
    Raises TypeError or ValueError for other labels, shapes that differ, or 2^31 classes. Source: derivations/iou.md.
    """
    both, true, guessed = _counts("hard_iou", y, yhat, num_classes)
    return _ratio(true + guessed - 2 * both, true + guessed - both)


def pixel_accuracy(y: ArrayLike, yhat: ArrayLike) -> float:
    """The share of positions where two label maps agree; NaN for empty maps.

    A "simple implementation" of the Dice loss counts equal positions: it is 1 − pixel accuracy, and not Dice.
    Raises TypeError or ValueError unless y and yhat are label maps of one shape. Source: derivations/dice.md.
    """
    true, guessed = _maps("pixel_accuracy", y, yhat, None)
    return float(np.mean(_same(true, guessed))) if true.size else float("nan")


@np.errstate(all="ignore")
def _maps(what: str, y: ArrayLike, yhat: ArrayLike, num_classes: int | None) -> tuple[Any, Any]:
    """Two label maps in their own dtypes, flat."""
    true, guessed = real_array(y, what, "y"), real_array(yhat, what, "yhat")
    if true.shape != guessed.shape:
        raise ValueError(f"{what}: y has shape {true.shape} and yhat {guessed.shape}; they must be equal")
    domain: Any = "an integer label" if num_classes is None else Classes(count=num_classes)
    for name, a in (("y", true), ("yhat", guessed)):
        bad = ~((a == np.floor(a)) & np.isfinite(a)) if num_classes is None else domain.outside(a)
        if bad.any():
            raise ValueError(f"{what}: {name}{first_index(bad)} is {shown(a[bad][0])}, not {domain}")
    return true.ravel(), guessed.ravel()


@np.errstate(all="ignore")
def _same(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Where labels are equal. Integers and floats are compared as integers: as floats, 2^53 would be 2^53 + 1."""
    if (a.dtype.kind in "iu") == (b.dtype.kind in "iu"):
        return np.asarray(a == b)
    if b.dtype.kind in "iu":
        a, b = b, a
    integers = b.astype(a.dtype)  # of no meaning where b is out of range: there the way back does not meet b
    return np.asarray((integers == a) & (integers.astype(b.dtype) == b) & (b < 2.0 ** np.iinfo(a.dtype).bits))


def _counts(what: str, y: ArrayLike, yhat: ArrayLike, num_classes: int) -> tuple[Floats, Floats, Floats]:
    """The number of pixels of each class: in both maps, in y, and in yhat."""
    classes = whole(f"{what}: num_classes", num_classes, 1, 2**31 - 1)
    maps = _maps(what, y, yhat, classes)
    true, guessed = (a.astype(np.intp) for a in maps)
    both, in_true, in_guessed = (
        np.bincount(a, minlength=classes).astype(float) for a in (true[true == guessed], true, guessed)
    )
    return both, in_true, in_guessed


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros_like(b), where=b > 0)
