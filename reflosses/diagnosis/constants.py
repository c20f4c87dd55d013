"""Constants that hold a loss back at hard inputs, read off the numbers: clips, offsets, caps and guards.

Where a candidate clips, several different losses get one number. That number tells the constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy

from reflosses.comparison.battery import family
from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import Format
from reflosses.diagnosis.cases import Case
from reflosses.diagnosis.changes import alone, divisor, joined, taking_part, weights
from reflosses.diagnosis.facts import short
from reflosses.diagnosis.formulas import faded, formula, log1p_of_rest, of_logs, probability
from reflosses.diagnosis.hypotheses.edges import clipped, held_from, offset
from reflosses.diagnosis.model import NOT_APPLICABLE, Change, Hypothesis, Model, Question, one_hot
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import REAL, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import per_prediction
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.sparse_categorical_cross_entropy import SparseCategoricalCrossEntropy

MOST = 3  # constants of one kind that are tried
NEAT = 1e-5  # a constant this close to one of few digits is that one
FEW = 3  # digits
CONSTANTS = ("clips ", "adds 1", "adds eps", "logarithms ", "holds losses")


def fitted(cases: list[Case], own: list[Answer | None]) -> Iterator[Hypothesis]:
    """Explanations of numbers that stay where the loss goes on; own: our answers to the cases."""
    if not cases or cases[0].question.loss.reads_all_predictions:
        return
    q = cases[0].question
    graded = any(c.got.grad is not None for c in cases)
    with np.errstate(all="ignore"):
        for v in _plateaus(cases, own, 0):
            for h in _of_values(q.loss, v / abs(q.factor), q.form):
                if graded or not h.name.endswith(MOVING):
                    yield h if graded else replace(h, says=h.says.replace(DEAD, "").replace(HELD, ""))
        for g in _plateaus(cases, own, 1):
            yield from _of_slopes(q.loss, g)


def is_constant(h: Hypothesis) -> bool:
    """Whether an explanation is a clip, a cap or an offset. A candidate has one of them."""
    return h.name.startswith(CONSTANTS)


def _plateaus(cases: list[Case], own: list[Answer | None], part: int) -> list[float]:
    """Sizes that several different numbers of ours have in the candidate's answers, the commonest first."""
    seen: dict[float, set[float]] = {}
    for case, ours in zip(cases, own, strict=True):
        got, due = case.got[:2][part], None if ours is None else ours[:2][part]
        if got is None or due is None or due.shape != got.shape:
            continue
        held = np.isfinite(got) & (got != 0) & ~np.isnan(due) & (np.abs(got) < np.abs(due) * (1 - 1e-9))
        for a, b in zip(np.abs(got[held]).tolist(), due[held].tolist(), strict=True):
            seen.setdefault(float(f"{a:.9g}"), set()).add(b)
    often = {v: len(of) + (np.inf in map(abs, of)) for v, of in seen.items()}
    return sorted((v for v, n in often.items() if n > 1), key=lambda v: -often[v])[:MOST]


def _neat(c: float) -> tuple[float, bool]:
    """A constant of few digits, if it is close to one, and whether it is."""
    for many in range(FEW):
        short = float(f"{c:.{many}e}")
        if abs(short - c) <= NEAT * abs(c):
            return short, many < FEW - 1
    return c, False


def _is_eps(c: float, form: Format) -> bool:
    """Whether a constant is the format's eps, or its smallest normal number."""
    return any(abs(c - own) <= NEAT * own for own in (form.eps, form.tiny))


def _digits_of(c: float) -> int:
    """How many digits a number has, without zeros at its ends."""
    return len(f"{c:.9e}".partition("e")[0].rstrip("0"))


MOVING = "slope and all"
DEAD, HELD = ", with the slope 0 there", ", and gives the slope there all the same"


def _both(name: str, says: str, change: Callable[[bool], Change]) -> Iterator[Hypothesis]:
    """A clip with the slope 0 outside, and one that gives the slope there; change: moving → the change."""
    yield Hypothesis(name, "convention", says=says + DEAD, change=change(False))
    yield Hypothesis(f"{name}, {MOVING}", "convention", says=says + HELD, change=change(True))


def _clips_of_p(loss: Loss, c: float, form: Format, stays: str, whole: bool) -> Iterator[Hypothesis]:
    """Probabilities, or what a logarithm is taken of, are held back by a constant; whole: they are predictions."""
    said = short(c) if abs(c - form.eps) > NEAT * form.eps else "eps"
    if whole:
        for high, also in ((1 - c, ""), (1.0, " from below")):
            yield from _both(
                f"clips at {said}{also}, carefully",
                f"clips probabilities at {said}{also}, so that {stays}",
                partial(predictions_within, c, high),
            )
    yield from _both(
        f"clips at {said}", f"clips probabilities at {said}, so that {stays}", lambda moving: clipped(c, moving=moving)
    )
    if hasattr(loss, "gamma"):
        yield from _both(
            f"clips at {said}, factor too",
            f"clips probabilities at {said}, so that {stays}",
            partial(_clipped_throughout, c),
        )
    least = f"holds what it takes the logarithm of at {said} or more, so that {stays}"
    yield Hypothesis(f"logarithms of {said} or more", "convention", says=least, change=held_from(c))
    added = f"adds {said} to what it takes the logarithm of"
    yield Hypothesis(f"adds {said} to p", "convention", says=added, change=offset(c))


def _of_values(loss: Loss, v: float, form: Format) -> Iterator[Hypothesis]:
    """Explanations of values that stay at one number."""
    kind = family(loss)
    stays = f"beyond it its value stays at {short(float(f'{v:.4g}'))}"
    top = _neat(v)[0]
    says = f"holds each loss at {short(top)} or less"
    caps = list(_both(f"holds losses at {short(top)}", says, partial(_capped, top)))
    if kind in ("probabilities", "probability rows"):
        own = (
            [_where(loss, v, y, p) for y, p in ((1.0, lambda a: a), (0.0, lambda a: 1 - a))]
            if kind == "probabilities"
            else []
        )
        known = [_neat(c)[0] for c in (*own, np.exp(-v)) if 0 < c < 0.25 and (_neat(c)[0] != c or _is_eps(c, form))]
        for c in dict.fromkeys(known):
            yield from _clips_of_p(loss, c, form, stays, True)
        yield from caps
        names = f"−{short(top)}"
        floor = f"holds logarithms at {names} or more"
        yield from _both(f"logarithms from {names}", floor, partial(_logarithms_from, top))
    if kind in ("logits", "logit rows"):
        for c, neat in (_neat(np.exp(-v / k)) for k in dict.fromkeys((1.0, _factor(loss)))):
            if 0 < c < 0.25 and neat:
                yield from _clips_of_p(loss, c, form, stays, False)
    if kind == "logits":
        for limit in (_where(loss, v, 0.0, lambda a: a), _where(loss, v, 1.0, lambda a: -a)):
            c, neat = _neat(limit)
            rest, of_p = _neat(1 / (1 + np.exp(limit)))
            if 0 < limit < np.inf:
                said = f"clips logits at ±{short(c)}, so that {stays}"
                if of_p and not neat:
                    yield from _clips_of_p(loss, rest, form, stays, False)
                    c, said = limit, f"clips σ(z) at {short(rest)}, so that {stays}"
                yield from _both(said.split(",")[0].replace("±", ""), said, partial(predictions_within, -c, c))
    if kind == "logit rows":
        for c in (_neat(v)[0], _neat(v / 2)[0]):
            said = f"clips logits at ±{short(c)}"
            yield from _both(said.replace("±", ""), f"{said}, so that {stays}", partial(predictions_within, -c, c))
    if kind == "log rows":
        c = _neat(v)[0]
        says = f"holds log-probabilities at −{short(c)} or more"
        yield from _both(f"logarithms from −{short(c)}", says, partial(predictions_within, -c, np.inf))
    if kind in ("residuals", "margins"):
        c = _neat(_where(loss, v, 0.0 if kind == "residuals" else -1.0, lambda a: a))[0]
        if _digits_of(top) <= _digits_of(c):  # the simpler constant first
            yield from caps
            caps = []
        if 0 < c < np.inf:
            of = "residuals" if kind == "residuals" else "scores"
            within = _residuals_within if kind == "residuals" else partial(predictions_within, -c)
            says = f"clips {of} at ±{short(c)}, so that {stays}"
            yield from _both(f"clips {of} at {short(c)}", says, partial(within, c))
    yield from caps


def _where(loss: Any, v: float, y: float, of: Callable[[float], float]) -> float:
    """The constant a > 0 for which the loss of y and of(a) is v; NaN if there is none."""
    try:
        each = replace(loss, reduction="none")
        high = 1e300 if loss.domain.yhat.high > 1 else 0.5

        def gap(log_a: float) -> float:
            return float(np.asarray(each.value(np.array([y]), np.array([of(np.exp(log_a))])))[0]) - v

        return float(np.exp(scipy.optimize.brentq(gap, np.log(1e-300), np.log(high), xtol=1e-13)))
    except NOT_APPLICABLE:
        return np.nan


def _of_slopes(loss: Loss, g: float) -> Iterator[Hypothesis]:
    """Explanations of gradients that stay at one number."""
    kind = family(loss)
    top = _neat(g)[0]
    said = short(top)
    yield _defect(f"holds gradients at {said}", f"holds its gradient between −{said} and {said}", _slopes_within(top))
    if kind in ("probabilities", "probability rows"):
        c = _neat(1 / g)[0]
        k = short(c)
        own = "p (1 − p)" if kind == "probabilities" else "p"
        for name, says, under in (
            (f"slope over {k} or more", f"divides its gradient by {own} or {k}, whichever is larger", np.fmax),
            (f"slope over {own} + {k}", f"divides its gradient by {own} + {k}", np.add),
        ):
            yield _defect(name, says, _slopes_over(partial(_under, kind, under, c)))
        if kind == "probabilities":
            says = f"divides its gradient by p and 1 − p, each held at {k} or more"
            yield _defect(f"slope over p, {k} or more", says, _slopes_over(partial(_apart, c)))


def _apart(c: float, p: Floats) -> Floats:
    """The denominator p (1 − p) with a guard of each factor."""
    return np.asarray(np.fmax(p, c) * np.fmax(1 - p, c))


def _under(kind: str, join: Any, c: float, p: Floats) -> Floats:
    """The denominator of a slope, which a constant guards."""
    return np.asarray(join(p * (1 - p) if kind == "probabilities" else p, c))


def _defect(name: str, says: str, change: Change) -> Hypothesis:
    return Hypothesis(name, "defect", says=says, change=change, about="gradient")


def _factor(loss: Any) -> float:
    """What a loss of the label 1 is multiplied by."""
    return float(getattr(loss, "pos_weight", None) or getattr(loss, "alpha", None) or 1.0)


# ---- changes ---------------------------------------------------------------------------------------------------------


def predictions_within(low: float, high: float, moving: bool) -> Change:
    """Predictions held between two constants; moving: with the slope at the held ones, not 0."""

    def change(q: Question, model: Model) -> Answer | None:
        answer = model(replace(q, yhat=np.clip(q.yhat, low, high)))
        inside = (q.yhat >= low) & (q.yhat <= high)
        if answer.grad is None or moving:
            return answer
        return Answer(answer.value, np.where(inside, answer.grad, 0.0))

    return change


def _residuals_within(c: float, moving: bool) -> Change:
    """Residuals held between two constants; moving: with the slope at the held ones, not 0."""

    def change(q: Question, model: Model) -> Answer | None:
        if q.loss.domain.y is not REAL:
            return None
        r = q.yhat - np.asarray(q.y)
        answer = model(replace(q, y=np.zeros(r.shape), yhat=np.clip(r, -c, c)))
        return Answer(
            answer.value, answer.grad if answer.grad is None or moving else np.where(np.abs(r) <= c, answer.grad, 0.0)
        )

    return change


def _capped(most: float, moving: bool) -> Change:
    """Each loss is at most a constant; moving: with the slope beyond, not 0."""

    def change(q: Question, model: Model) -> Answer | None:
        each = alone(q, model)
        assert each.value is not None
        assert each.grad is not None
        beyond = per_prediction(q.loss, each.value > most, q.yhat.shape) != 0
        slopes = each.grad if moving else np.where(beyond, 0.0, each.grad)
        return joined(q, Answer(np.minimum(each.value, most), slopes), divisor(q), weights(q))

    return change


def _slopes_within(most: float) -> Change:
    """Each number of the gradient is held between two constants."""

    def change(q: Question, model: Model) -> Answer | None:
        answer = model(q)
        return None if answer.grad is None else Answer(answer.value, np.clip(answer.grad, -most, most))

    return change


def _slopes_over(under: Callable[[Floats], Any]) -> Change:
    """The gradient over a number that is at least a constant."""

    def change(q: Question, model: Model) -> Answer | None:
        each, p = alone(q, model), np.asarray(q.yhat)
        if isinstance(q.loss, BinaryCrossEntropy):
            above = p - np.asarray(q.y)
        elif isinstance(q.loss, SparseCategoricalCrossEntropy) and p.ndim == 2 and q.loss.axis in (1, -1):
            above = -one_hot(np.where(taking_part(q) == 0, 0, q.y).astype(np.intp), p.shape[1])
        else:
            return None
        return joined(q, Answer(each.value, above / under(p)), divisor(q), weights(q))

    return change


def _clipped_throughout(c: float, moving: bool) -> Change:
    """Probabilities clipped before anything else, in the factor of a focal loss too."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        p = probability(t, loss, x)
        inside = t.clip(p, c, t.rounded(1 - t.rounded(c)))
        held = Node(t, inside.value, (p, lambda g: g)) if moving else inside
        p_t = t.where(y == 1, held, 1 - held)
        return faded(t, loss, y, -t.log(p_t), 1 - p_t)

    return formula({Focal: write, FocalWithLogits: write})


def _logarithms_from(most: float, moving: bool) -> Change:
    """Logarithms that are at least −most; moving: with the slope below, not 0."""

    def held(log: Callable[[Tape, Node], Node]) -> Callable[[Tape, Node], Node]:
        def write(t: Tape, p: Node) -> Node:
            a = log(t, p)
            inside = t.clip(a, -most, np.inf)
            return Node(t, inside.value, (a, lambda g: g)) if moving else inside

        return write

    return formula(of_logs(held(Tape.log), held(log1p_of_rest), chosen=True))
