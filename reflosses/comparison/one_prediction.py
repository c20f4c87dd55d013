"""Losses of which one prediction takes every number of a format, while the target and all other predictions are fixed.

For a loss of one number the target is a label, or 0, 1 and some number that is not special. In a row of classes a
logit is the true one, or another. In a mask one pixel moves, in a residual vector one component.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reflosses.comparison.battery import Inputs, family
from reflosses.comparison.battery.block import count_classes
from reflosses.comparison.formats import Format, shortest
from reflosses.evaluation.domain import REAL, Bools, Domain, Floats, Interval, Labels
from reflosses.evaluation.loss import Loss

SOFT, FAR = 0.296875, -2.6875  # targets that are not special; they are numbers of every format
CLASSES = 3
MASK = (1.0, 0.0, 1.0, 1.0, 0.0, 0.0)
OTHERS = {  # the fixed predictions, by the kind of a loss
    "logit rows": (0.375, -1.25, 2.5),
    "log rows": (-0.375, -1.25, -2.5),
    "overlaps": (0.75, 0.25, 0.5, 0.875, 0.125, 0.375),
    "vectors": (0.375, -1.25, 2.5),
}
LETTERS = {"logits": "z", "logit rows": "z", "probabilities": "p", "probability rows": "p", "overlaps": "p"}
APART = 0.125  # of a probability from a soft label: nearer, a slope is a difference that cancels
BORDER = 16  # numbers next to an end or a border


@dataclass(frozen=True)
class OnePrediction:
    """One loss, and the prediction that moves.

    name: its target in words. place: the index of the prediction. rest: a class that has the rest of the probability,
    so that a row sums to 1; its prediction is rounded to `form`.
    """

    name: str
    y: Floats
    yhat: Floats
    place: tuple[int, ...] = ()
    rest: int | None = None
    form: Format | None = None
    filled: dict[int, Floats] = field(default_factory=dict, repr=False, compare=False)

    def at(self, numbers: Floats) -> tuple[Floats, Floats]:
        """Stacked losses, one for each number. The targets of so many losses are made once."""
        count = len(numbers)
        if count not in self.filled:
            self.filled[count] = np.repeat(self.y[None], count, axis=0)
        if not self.place:
            return self.filled[count], numbers
        yhat = np.repeat(self.yhat[None], count, axis=0)
        where: tuple[Any, ...] = (slice(None), *self.place)
        yhat[where] = numbers
        if self.rest is not None and self.form is not None:
            yhat[:, self.rest] = self.form.round(1 - numbers)
        return self.filled[count], yhat


def one_predictions(loss: Loss, form: Format, y: Any = None, rows: bool = False) -> list[OnePrediction]:
    """The losses to ask; ValueError for a target that is outside of the domain.

    y: the targets, or for class rows the classes of the moving logit. By default both kinds are asked, see above.
    rows: whether the target of a class row is a one-hot row.
    """
    kind = family(loss)
    if "rows" in kind:
        found = list(_rows(loss, form, kind, rows))
    elif kind == "overlaps":
        found = list(_overlaps(loss))
    elif kind == "vectors":
        found = list(_vectors(loss))
    else:
        targets = _targets(loss) if y is None else [float(t) for t in np.ravel(y)]
        for target in targets:
            if loss.domain.y.outside(np.array([target])).any():
                raise ValueError(f"exhaust: y is {target!r}, outside of {loss.domain.y}")
            if form.round(target) != target:
                near = shortest(form, float(form.round(target)))
                raise ValueError(f"exhaust: y is {target!r}, no number of {form}; the nearest is {near}")
        return [OnePrediction(f"y = {t:g}".replace("-", "−"), np.array(t), np.array(0.0)) for t in targets]
    if y is not None:
        raise ValueError(f"exhaust: y is {y!r}, but {type(loss).__name__} has fixed targets here: leave y out")
    return found


def _targets(loss: Loss) -> Sequence[float]:
    """The labels; or 0, 1 and numbers that are not special."""
    domain = loss.domain.y
    if isinstance(domain, Labels):
        return domain.values
    return (0.0, 1.0, SOFT, FAR) if domain is REAL else (0.0, 1.0, SOFT)


def _rows(loss: Loss, form: Format, kind: str, one_hot: bool) -> Iterator[OnePrediction]:
    count = count_classes(loss) if getattr(loss, "class_weight", None) is not None else CLASSES
    others = np.resize(OTHERS[kind], count) if kind in OTHERS else np.zeros(count)
    for place, said in ((0, "the true class"), (1, "another class"))[:count]:
        y = np.eye(count)[0] if one_hot else np.array(0.0)
        rest = 1 - place if kind == "probability rows" and count > 1 else None
        yield OnePrediction(f"{said} of {count}", y, others, (place,), rest, form)


def _overlaps(loss: Loss) -> Iterator[OnePrediction]:
    mask, others = np.array(MASK), np.array(OTHERS["overlaps"])
    if len(loss.layout.groups) > 1:  # pixels, and classes
        mask, others = np.stack([mask, 1 - mask], axis=-1), np.stack([others, 1 - others], axis=-1)
    for place, said in ((0, "a pixel of the mask"), (1, "a pixel outside of the mask")):
        yield OnePrediction(f"{said}, of {len(MASK)}", mask, others, (place, *[0] * (mask.ndim - 1)))


def _vectors(loss: Any) -> Iterator[OnePrediction]:
    others = np.resize(OTHERS["vectors"], len(loss.information))
    for y in (np.zeros(len(others)), np.resize((SOFT, FAR), len(others))):
        said = "y = 0" if not y.any() else f"y = {y.tolist()}".replace("-", "−")
        yield OnePrediction(f"{said}, the first of {len(others)} components", y, others, (0,))


# ---- which numbers ---------------------------------------------------------------------------------------------------


def ends(loss: Loss, form: Format) -> tuple[int, int]:
    """The places of the numbers that a prediction may be, from the first to one beyond the last."""
    domain: Domain = loss.domain.yhat
    if isinstance(domain, Interval):
        low, high = max(domain.low, -form.max), min(domain.high, form.max)
        first, last = (int(form.places(x)) for x in (low, high))
        first -= 1 if low == 0 else 0  # −0
        inside = ~domain.outside(form.numbers(first, first + 2))
        return first + int(np.argmax(inside)), last + 1
    return -form.last - 1, form.last + 1


def endless(loss: Loss) -> dict[str, list[float]]:
    """Infinite predictions and NaN, as far as the loss has a limit there."""
    named = {"infinite predictions": [np.inf, -np.inf], "a prediction that is not a number": [np.nan]}
    inside = {name: [x for x in some if not loss.domain.yhat.outside(np.array([x]))[0]] for name, some in named.items()}
    return {name: some for name, some in inside.items() if some}


def borders(loss: Loss, form: Format, one: OnePrediction) -> Floats:
    """The numbers next to which few errors are no other formula: ends, 0, kinks, and the target."""
    low, high = ends(loss, form)
    own = [0.0, form.tiny, -form.tiny, *form.numbers_at([low, low + 1, high - 1]).tolist()]
    if not one.place:
        own += [float(one.y), *(float(np.ravel(k)[0]) for k in loss.kinks(np.reshape(one.y, 1)))]
    return form.round(np.array(own))


def regimes_at(loss: Loss, form: Format, one: OnePrediction, numbers: Floats) -> Any:
    """The regime of each number; "moderate" where every sensible formula is right."""
    kind, size = family(loss), np.abs(numbers)
    out = np.full(numbers.shape, hard_regime(loss), "U8")
    if kind in ("logits", "logit rows", "margins"):
        out[(numbers > 0) != _right(one)] = "B"
    elif "probabilit" in kind or kind in ("overlaps", "log rows"):
        out[(numbers > 0.5) != _right(one)] = "B"
    out[size >= 2.0 ** (form.top // 2 - 2)] = "F"
    out[_ordinary(loss, kind, form, one, numbers)] = "moderate"
    near = np.zeros(numbers.shape, bool)
    places = form.places(numbers)
    for border in form.places(borders(loss, form, one)):
        near |= np.abs(places - border) <= 2
    out[near & (out != "F")] = "D"
    return out


def hard_regime(loss: Loss) -> str:
    """A regime of the loss that asks for all digits."""
    return "E" if family(loss) in ("residuals", "vectors") else "A"


def taken(one: OnePrediction, form: Format, loss: Loss, inputs: Inputs | None) -> bool:
    """Whether a candidate takes these inputs as they are, if `inputs` moves them into its domain."""
    if inputs is None:
        return True
    low, high = ends(loss, form)
    numbers = form.numbers_at(np.linspace(low, high - 1, 64).astype(np.int64))
    y, yhat = one.at(numbers)
    moved = inputs(y.copy(), yhat.copy(), form.eps)  # rows whose sum is 1 but for a rounding are taken
    return all(a.shape == b.shape and np.allclose(a, b, form.eps, 0) for a, b in zip((y, yhat), moved, strict=True))


def _right(one: OnePrediction) -> bool:
    """Whether large predictions are on the right side."""
    own = one.y[one.place[: one.y.ndim]] if one.y.ndim else one.y
    return bool(one.place == (0,) if one.place and not one.y.ndim else own > 0.5)


def _ordinary(loss: Loss, kind: str, form: Format, one: OnePrediction, numbers: Floats) -> Bools:
    """Where the battery's ordinary inputs are."""
    size, soft = np.abs(numbers), not one.place and 0 < one.y < 1
    if kind in ("logits", "logit rows"):  # σ or softmax keep four fifths of their digits
        far = np.abs(1 / (1 + np.exp(-numbers)) - one.y) >= APART if soft else True
        return np.asarray((size >= 1e-3) & (size <= -np.log(form.eps) / 5) & far)
    if "probabilit" in kind or kind == "overlaps":
        room = max(1e-3, 2.0 ** (1 - form.bits / 2) if form.bits < 24 else 0.0)
        far = np.abs(numbers - one.y) >= APART if soft and kind == "probabilities" else True
        return np.asarray((numbers >= room) & (numbers <= 1 - room) & far)
    if kind == "residuals":
        r = np.abs(numbers - one.y) / loss.scale
        inside = (r >= 2.0**-9) & (r <= 2.0**9) & (np.abs(numbers - one.y) < 2.0 ** (form.top // 2 - 1))
    else:
        inside = (size >= 1e-3) & (size <= 5)
    if not one.place:
        for kink in (float(np.ravel(k)[0]) for k in loss.kinks(np.reshape(one.y, 1))):
            inside &= np.abs(numbers - kink) >= 1e-3 * min(loss.scale, abs(kink) + 1e-2)
    return np.asarray(inside)


def stackable(loss: Loss) -> Loss | None:
    """The same loss for many losses in one call, without reduction; None if there is no such loss."""
    if loss.reads_all_predictions:
        return None
    whole: Any = loss
    if loss.layout.groups and not loss.layout.kept and getattr(loss, "axis", 0) is None:
        whole = replace(whole, axis=1)
    if getattr(loss, "per_sample", True) is False:
        whole = replace(whole, per_sample=True, axis=whole.axis or 1)  # axis 0 is that of the samples
    if loss.reduction == "weighted_mean" and getattr(loss, "class_weight", None) is not None:
        whole = replace(whole, class_weight=None)  # the weighted mean of one loss is the loss
    return whole if whole.reduction == "none" else replace(whole, reduction="none")  # type: ignore[no-any-return]
