"""A fact about the whole loss: it is one with other parameters, another one, or that of other arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from itertools import islice
from typing import Any

import numpy as np
import scipy

from reflosses.catalogue import losses
from reflosses.comparison.battery import family
from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import classes
from reflosses.diagnosis.facts import (
    FEWEST,
    GRADIENT,
    VALUE,
    Evidence,
    Fact,
    digits,
    multiple_of,
    multiplied_facts,
    neat,
)
from reflosses.diagnosis.formulas import formula
from reflosses.diagnosis.hypotheses.edges import clipped, offset
from reflosses.diagnosis.model import NOT_APPLICABLE, Change, Model, Question, one_hot
from reflosses.diagnosis.remedies import handed_over, with_its_parameters
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.dice import Dice
from reflosses.losses.hinge import Hinge
from reflosses.losses.iou import IoU
from reflosses.losses.mean_absolute_error import MeanAbsoluteError

# A parameter is fitted to so many calls, and must then predict all.
FITTED = 2
NOTHING = 1e-12  # a coefficient below it is a rounding
SCALES = np.array([-2.0, -1.0, 0.1, 0.25, 0.5, 0.75, 1.5, 2.0, 4.0, 10.0, 20.0])  # of predictions
LINEAR = (BinaryCrossEntropy, BinaryCrossEntropyWithLogits, CrossEntropy)  # they are linear in their targets

POWERS = 10.0 ** np.arange(-8, 1.5, 0.5)
GRIDS: dict[str, Any] = {
    "delta": np.concatenate([2.0 ** np.arange(-8, 9), [0.1, 0.3, 0.7, 1.345, 1.5, 3.0, 5.0, 10.0]]),
    "gamma": np.concatenate([np.arange(0, 6, 0.5), [8.0, 16.0]]),
    "alpha": np.concatenate([np.arange(1, 20) / 20, [0.01, 0.99]]),
    "clamp": POWERS[POWERS < 0.5],
    "pos_weight": 2.0 ** np.arange(-6, 7),
    "label_smoothing": np.concatenate([[0.0, 0.01, 0.02, 0.05], np.arange(1, 11) / 10]),
    "smooth_nr": np.concatenate([[0.0], POWERS, [2.0, 5.0, 10.0, 100.0]]),
    "smooth_dr": np.concatenate([[0.0], POWERS, [2.0, 5.0, 10.0, 100.0]]),
    "weight": 2.0 ** np.arange(-6, 7),
}
TOGETHER = (("smooth_nr", "smooth_dr"),)  # parameters that often have one value
CHOICES: dict[str, tuple[Any, ...]] = {
    "axis": (None, -1, 0, 1, (-2, -1), (0, 1), (1, 2)),
    "per_sample": (False, True),
    "weight_grad": ("stop", "full"),
    "reduction": ("mean", "sum", "none", "weighted_mean"),
    "ignore_index": (None, 0, -1, -100, 255),
    "class_weight": (None,),
    "pos_weight": (None,),
    "alpha": (None,),
    "clamp": (None,),
    "information": (None,),
}


def other_parameters(evidence: Evidence) -> Iterator[Fact]:
    """The loss with another value of one parameter."""
    loss: Any = evidence.cases[0].question.loss
    names = [f.name for f in fields(loss)]
    for name in names:
        for value in CHOICES.get(name, ()):
            yield from _of(evidence, loss, {name: value})
    for group in (*((name,) for name in names if name in GRIDS), *(g for g in TOGETHER if set(g) <= set(names))):
        for value in _fitted(evidence, loss, group, False):
            yield from _of(evidence, loss, dict.fromkeys(group, value))


def _of(evidence: Evidence, loss: Any, given: dict[str, Any]) -> Iterator[Fact]:
    """The loss with other parameters."""
    try:
        other = replace(loss, **given)
    except (*NOT_APPLICABLE, KeyError):
        return
    if other == loss:
        return
    named = with_its_parameters(other, tuple(given))
    what = f"is {named}, not {with_its_parameters(loss, tuple(given))}"
    remedy = handed_over(loss, other)
    yield Fact(what, f"that of {named}", lambda q, model: model(q.of(**given)), remedy)


def other_losses(evidence: Evidence) -> Iterator[Fact]:
    """Another loss of the catalogue that takes the same arrays, times a factor."""
    loss: Any = evidence.cases[0].question.loss
    for cls in _alike(loss):
        shared = {f.name: getattr(loss, f.name) for f in fields(cls) if hasattr(loss, f.name)}
        for given in (shared, {"reduction": loss.reduction}):
            with suppress(*NOT_APPLICABLE):
                yield from _replaced(evidence, loss, cls(**given), ())


def other_losses_fitted(evidence: Evidence) -> Iterator[Fact]:
    """Another loss of the catalogue with a parameter that is fitted, times a factor."""
    loss: Any = evidence.cases[0].question.loss
    for cls in _alike(loss):
        other: Any = cls(reduction=loss.reduction)
        for name in (f.name for f in fields(other) if f.name in GRIDS):
            for value in _fitted(evidence, other, (name,), True):
                yield from _replaced(evidence, loss, replace(other, **{name: value}), (name,))


def _alike(loss: Loss) -> Iterator[type[Loss]]:
    """The other losses that take the same kind of arrays."""
    return (cls for cls in losses().values() if family(cls()) == family(loss) and cls is not type(loss))


def _replaced(evidence: Evidence, loss: Loss, other: Any, names: tuple[str, ...]) -> Iterator[Fact]:
    """Another loss, with the factor that its numbers show."""
    told = tuple(f.name for f in fields(other) if f.name != "reduction" and getattr(other, f.name) is not None)
    named = with_its_parameters(
        other, names or tuple(n for n in told if getattr(other, n) != getattr(type(other)(), n))
    )

    def change(q: Question, model: Model) -> Answer:
        return model(replace(q, loss=replace(other, reduction=q.loss.reduction)))

    for fact in multiplied_facts(evidence, change, named, f", not {type(loss).__name__}", f"that of {named}"):
        yield replace(fact, remedy=handed_over(loss, other)) if fact.both.startswith(f"is {named}") else fact


def _fitted(evidence: Evidence, loss: Any, names: tuple[str, ...], free: bool) -> Iterator[float]:
    """The value of a parameter that comes closest in a few calls; free: up to a constant factor."""
    wrong = [p for p in evidence.parts if not evidence.right[p]]
    some = [k for k in evidence.order if all(evidence.cases[k].got[p] is not None for p in wrong)][:FITTED]
    if not some or not wrong:
        return

    def row(answers: list[Answer]) -> Floats:
        return np.concatenate([np.asarray(a[p], np.float64).ravel() for a in answers for p in wrong])

    got = row([evidence.cases[k].got for k in some])
    size = np.abs(got).max(initial=0.0)
    if not np.isfinite(size) or not size or len(got) < 2:
        return

    def gaps(value: Any) -> Floats:
        other = replace(loss, **dict.fromkeys(names, float(np.reshape(value, -1)[0])))
        guess = row([evidence.model(replace(evidence.cases[k].question, loss=other)) for k in some])
        if guess.shape != got.shape:
            raise ValueError("another shape")
        if free:
            guess = guess * (guess @ got / (guess @ guess))
        return np.asarray(np.nan_to_num((guess - got) / size, nan=1e3, posinf=1e3, neginf=-1e3))

    with suppress(*NOT_APPLICABLE):
        value = closest_constant(gaps, np.unique(GRIDS[names[0]]))
        yield from dict.fromkeys(v for v in (float(f"{value:.3g}"), neat(value)) if v != getattr(loss, names[0]))


def _next_class(q: Question, step: int) -> Any:
    """The classes some steps on; class rows stay as they are."""
    return q.y if np.shape(q.y) == q.yhat.shape else (np.asarray(q.y) + step) % classes(q)


def _other_arguments(loss: Loss) -> Iterator[tuple[str, Callable[[Question], tuple[Any, Any]]]]:
    """Other arguments of the loss, and what becomes of the gradient: it is turned back the same way."""
    y = loss.domain.y
    if isinstance(y, Classes):
        yield "class index y − 1", lambda q: (_next_class(q, -1), q.yhat)
        yield "class index y + 1", lambda q: (_next_class(q, 1), q.yhat)
        yield "class index C − 1 − y", lambda q: (classes(q) - 1 - np.asarray(q.y), q.yhat)
        yield "class index 0, whatever y is", lambda q: (0 * np.asarray(q.y), q.yhat)
        yield (
            "the class with the largest prediction",
            lambda q: (q.yhat.argmax(axis=int(getattr(q.loss, "axis", -1))), q.yhat),
        )
    else:
        if family(loss) in ("probabilities", "logits", "overlaps"):
            yield "1 − y", lambda q: (1 - np.asarray(q.y), q.yhat)
        yield "−y", lambda q: (-np.asarray(q.y), q.yhat)
        yield "targets of 0", lambda q: (0 * np.asarray(q.y), q.yhat)
        if family(loss) == "margins":
            yield "targets of 1", lambda q: (0 * np.asarray(q.y) + 1, q.yhat)
    yield "targets shifted by one along the first axis", lambda q: (np.roll(q.y, 1, axis=0), q.yhat)
    yield "targets shifted by minus one along the first axis", lambda q: (np.roll(q.y, -1, axis=0), q.yhat)
    yield "targets in reverse order", lambda q: (np.asarray(q.y)[::-1], q.yhat)
    yield "sorted targets", lambda q: (np.sort(np.asarray(q.y), axis=0), q.yhat)
    yield "targets shifted by one along the last axis", lambda q: (np.roll(q.y, 1, axis=-1), q.yhat)
    yield "y and yhat swapped", lambda q: (q.yhat, np.asarray(q.y))


def _changed_yhat(loss: Loss) -> Iterator[tuple[str, Change]]:
    """Other predictions of the loss."""

    def negated(q: Question, model: Model) -> Answer:
        answer = model(replace(q, yhat=-q.yhat))
        return Answer(answer.value, None if answer.grad is None else -answer.grad)

    def complement(q: Question, model: Model) -> Answer:
        answer = model(replace(q, yhat=1 - q.yhat))
        return Answer(answer.value, None if answer.grad is None else -answer.grad)

    def pairs_of_all(q: Question, model: Model) -> Answer | None:
        """Every target with every prediction, as for shapes (n,) and (n, 1)."""
        if q.loss.layout.groups or q.loss.reads_all_predictions:
            raise ValueError("no column")
        if q.yhat.ndim != 1 or q.weight is not None:
            return None
        shape = len(q.yhat), len(q.yhat)
        y, yhat = np.broadcast_to(q.y, shape), np.broadcast_to(q.yhat[:, None], shape)
        answer = model(replace(q, y=y.copy(), yhat=yhat.copy()))
        return Answer(answer.value, None if answer.grad is None else answer.grad.sum(axis=1))

    kind = family(loss)
    if kind in ("probabilities", "overlaps", "probability rows"):
        yield "1 − p", complement
    elif kind == "logit rows":  # of a number, −yhat is the same as −y or 1 − y
        yield "−yhat", negated
    yield "every target with every prediction, as for shapes (n,) and (n, 1)", pairs_of_all


def other_arguments(evidence: Evidence) -> Iterator[Fact]:
    """The loss of other arguments."""
    loss = evidence.cases[0].question.loss

    def of(make: Callable[[Question], tuple[Any, Any]]) -> Change:
        def change(q: Question, model: Model) -> Answer:
            y, yhat = make(q)
            return model(replace(q, y=y, yhat=yhat))

        return change

    for said, make in _other_arguments(loss):
        yield from multiplied_facts(evidence, of(make), f"the loss of {said}", "", f"that of {said}")
    for said, change in _changed_yhat(loss):
        yield from multiplied_facts(evidence, change, f"the loss of {said}", "", f"that of {said}")


# ---- constants of other formulas -------------------------------------------------------------------------------------


def _hinge_from(c: float) -> Change:
    """max(0, c − y yhat)."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        gap = c - y * x
        return t.where(gap.value > 0, gap, 0.0)

    return formula({Hinge: write})


def _beyond(c: float) -> Change:
    """max(0, |r| − c)."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        gap = t.abs(x - y) - c
        return t.where(gap.value > 0, gap, 0.0)

    return formula({MeanAbsoluteError: write})


def _tversky(c: float) -> Change:
    """1 − I/(I + c Σp(1 − y) + (1 − c) Σy(1 − p))."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        both = t.sum(x * y)
        return 1 - both / (both + c * t.sum(x * (1 - y)) + (1 - c) * t.sum((1 - x) * y))

    return formula(dict.fromkeys((Dice, IoU), write))


LOGARITHMIC = 10.0 ** np.arange(-6, 0, 0.5)
CONSTANTS: tuple[tuple[str, Callable[[float], Change], Any], ...] = (
    ("adds {} to what it takes the logarithm of", offset, LOGARITHMIC),
    ("clips probabilities at {}", clipped, LOGARITHMIC),
    ("takes {} for the 1 of max(0, 1 − y yhat)", _hinge_from, np.array([0.1, 0.25, 0.5, 0.75, 1.5, 2.0, 4.0, 10.0])),
    ("takes max(0, |r| − {}), so that smaller residuals cost nothing", _beyond, 2.0 ** np.arange(-8, 4)),
    ("is the Tversky loss, with {} for false positives and the rest of 1 for others", _tversky, np.arange(1, 20) / 20),
)


def other_constants(evidence: Evidence) -> Iterator[Fact]:
    """Another formula with a constant, which is fitted."""
    loss = evidence.cases[0].question.loss
    if loss.reads_all_predictions:
        return
    wrong = [p for p in evidence.parts if not evidence.right[p]]
    some = [k for k in evidence.order if all(evidence.cases[k].got[p] is not None for p in wrong)][:FITTED]
    for said, make, grid in CONSTANTS:
        if not some or make(float(grid[0]))(evidence.cases[some[0]].question, evidence.model) is None:
            continue

        def gaps(c: Any, make: Callable[[float], Change] = make) -> Floats:
            change, found = make(float(np.reshape(c, -1)[0])), []
            for k in some:
                answer = evidence.predicted(change, k)
                for p in wrong:
                    got, guess = evidence.cases[k].got[:2][p], None if answer is None else answer[:2][p]
                    if got is None or guess is None or got.shape != guess.shape:
                        raise ValueError("another shape")
                    found.append(np.ravel(guess - got))
            return np.asarray(np.nan_to_num(np.concatenate(found), nan=1e3, posinf=1e3, neginf=-1e3))

        with suppress(*NOT_APPLICABLE):
            c = closest_constant(gaps, grid)
            for value in dict.fromkeys((float(f"{c:.3g}"), neat(c))):
                what = said.format(digits(value))
                yield Fact(what, f"that of a formula that {what}", make(value))


# ---- class weights and scaled predictions ----------------------------------------------------------------------------


def other_class_weights(evidence: Evidence) -> Iterator[Fact]:
    """The loss with other class weights. It is linear in them, unless it divides by them."""
    loss: Any = evidence.cases[0].question.loss
    if getattr(loss, "class_weight", None) is None or loss.reduction == "weighted_mean":
        return
    count = len(loss.class_weight)
    for part in evidence.parts:
        if evidence.right[part]:
            continue
        columns, right = [np.zeros((0, count))], [np.zeros(0)]
        for q, got, _ in islice(evidence.pairs(part), 2 * FITTED):
            units = [evidence.model(q.of(class_weight=row))[:2][part] for row in np.eye(count)]
            columns.append(np.stack([np.ravel(np.asarray(a)) for a in units], axis=-1))
            right.append(got.ravel())
        one, other = np.concatenate(columns), np.concatenate(right)
        if len(other) <= count or not (np.isfinite(one).all() and np.isfinite(other).all()):
            continue
        w = [neat(float(k)) for k in np.linalg.lstsq(one, other, rcond=None)[0]]
        if min(w) >= 0 and max(w) > 0:
            yield from _of(evidence, loss, {"class_weight": w})


def scaled_predictions(evidence: Evidence) -> Iterator[Fact]:
    """The loss of a multiple of the predictions, with the factor of the chain rule or without it."""
    loss = evidence.cases[0].question.loss
    if family(loss) not in ("logits", "logit rows", "margins", "residuals") or loss.reads_all_predictions:
        return
    some = [k for k in evidence.order if all(evidence.cases[k].got[p] is not None for p in evidence.parts)][:FITTED]
    part = VALUE if VALUE in evidence.parts and not evidence.right[VALUE] else GRADIENT
    if not some or part not in evidence.parts:
        return

    def gaps(k: Any) -> Floats:
        k, found = float(np.reshape(k, -1)[0]), []
        for i in some:
            case = evidence.cases[i]
            guess = evidence.model(replace(case.question, yhat=k * case.question.yhat))[:2][part]
            got = case.got[:2][part]
            if guess is None or got is None or guess.shape != got.shape:
                raise ValueError("another shape")
            found.append(np.ravel((guess if part == VALUE else guess * k) - got))
        return np.asarray(np.nan_to_num(np.concatenate(found), nan=1e3, posinf=1e3, neginf=-1e3))

    with suppress(*NOT_APPLICABLE):
        k = closest_constant(gaps, SCALES)
        for value in dict.fromkeys((float(f"{k:.3g}"), neat(k))):
            if value == 1:
                continue
            named = "yhat, doubled" if value == 2 else "half of yhat" if value == 0.5 else f"{digits(value)} yhat"
            for chained in (True, False):
                tail = "" if chained else ", without that factor in the gradient"
                yield Fact(f"is the loss of {named}{tail}", f"that of {named}{tail}", _of_multiple(value, chained))


def _of_multiple(k: float, chained: bool) -> Change:
    """The loss of k times the predictions; chained: its gradient has the factor k."""

    def change(q: Question, model: Model) -> Answer:
        answer = model(replace(q, yhat=k * q.yhat))
        return Answer(answer.value, answer.grad if answer.grad is None or not chained else k * answer.grad)

    return change


def closest_constant(gaps: Callable[[Any], Floats], grid: Any) -> float:
    """The number whose gaps are smallest: the best of a grid, refined by least squares.

    ValueError if others have the same gaps: the numbers then do not tell which one it is.
    """
    errors = [float(np.abs(gaps(value)).max()) for value in grid]
    best = int(np.argmin(errors))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    found, inner = float(grid[best]), 0.02 * (high - low)
    if errors[best] > 1e-12:
        start, exact = min(max(found, low + inner), high - inner), {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
        fit = scipy.optimize.least_squares(gaps, [start], bounds=([low], [high]), max_nfev=25, **exact)
        found = float(fit.x[0])
    beside = found + inner if found + inner <= high else found - inner
    if (gaps(found) == gaps(beside)).all():
        raise ValueError("not the only one")
    return found


# ---- smoothed targets ------------------------------------------------------------------------------------------------


def linear_targets(evidence: Evidence) -> Iterator[Fact]:
    """A cross-entropy of a·y + b. It is linear in its targets: a and b are the solution of linear equations."""
    if not isinstance(evidence.cases[0].question.loss, LINEAR):
        return
    for part in evidence.parts:
        if evidence.right[part]:
            continue
        columns, right = [np.zeros((0, 2))], [np.zeros(0)]
        for q, got, _ in islice(evidence.pairs(part), FITTED + 1):
            with suppress(*NOT_APPLICABLE):
                rest, slope, constant = (np.asarray(a[:2][part], np.float64) for a in _linear_parts(q, evidence.model))
                columns.append(np.stack([slope.ravel(), constant.ravel()], axis=-1))
                right.append((got - rest).ravel())
        one, other = np.concatenate(columns), np.concatenate(right)
        if len(other) < FEWEST or not (np.isfinite(one).all() and np.isfinite(other).all()):
            continue
        a, b = (neat(float(k)) if abs(k) > NOTHING else 0.0 for k in np.linalg.lstsq(one, other, rcond=None)[0])
        if a and (a, b) != (1, 0):  # whatever the targets are, `readings` says more
            named = multiple_of(a, "y") if a in (1, -1) else f"{digits(a)} y"
            targets = f"the targets {named} {'+' if b > 0 else '−'} {digits(abs(b))}" if b else f"the targets {named}"
            yield Fact(f"is the loss of {targets}", f"that of {targets}", _linear_in(a, b))


def _linear_parts(q: Question, model: Model) -> tuple[Answer, Answer, Answer]:
    """What does not depend on a and b, what a multiplies, and what b multiplies."""
    if not isinstance(q.loss, CrossEntropy):
        zero, one, own = (model(replace(q, y=y)) for y in (0 * q.yhat, np.ones(q.yhat.shape), np.asarray(q.y)))
        return zero, _less(own, zero), _less(one, zero)
    if q.loss.class_weight is not None or q.yhat.ndim != 2 or q.loss.ignore_index is not None:
        raise ValueError("rows of their own weights")
    y = np.asarray(q.y)
    rows = y if y.shape == q.yhat.shape else one_hot(y.astype(np.intp), q.yhat.shape[1])
    own, ones = (model(replace(q, y=row)) for row in (rows, np.ones(q.yhat.shape)))
    return _less(own, own), own, ones


def _less(a: Answer, b: Answer) -> Answer:
    """The difference of two answers."""
    assert a.value is not None
    assert b.value is not None
    assert a.grad is not None
    assert b.grad is not None
    return Answer(a.value - b.value, a.grad - b.grad)


def _linear_in(a: float, b: float) -> Change:
    """The cross-entropy of a·y + b."""

    def change(q: Question, model: Model) -> Answer:
        values, slopes = (
            rest + a * np.asarray(by_a) + b * np.asarray(by_b)
            for rest, by_a, by_b in zip(*(part[:2] for part in _linear_parts(q, model)), strict=True)
        )
        return Answer(values, slopes)

    return change
