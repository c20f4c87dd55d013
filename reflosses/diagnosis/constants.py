"""Constants that hold a loss back at hard inputs, read off the numbers: clips, offsets, caps and guards.

Where a candidate clips, several different losses get one number. That number tells the constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from reflosses.comparison.battery import family
from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.cases import Case
from reflosses.diagnosis.changes import alone, divisor, joined, weights
from reflosses.diagnosis.facts import digits
from reflosses.diagnosis.hypotheses.edges import clipped, held_from, offset
from reflosses.diagnosis.model import Change, Hypothesis, Model, Question
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import per_prediction

MOST = 3  # constants of one kind that are tried
NEAT = 2e-3  # a constant this close to one of few digits is that one


def fitted(cases: list[Case], own: list[Answer | None]) -> Iterator[Hypothesis]:
    """Explanations of numbers that stay where the loss goes on; own: our answers to the cases."""
    if not cases:
        return
    loss = cases[0].question.loss
    values, slopes = _plateaus(cases, own, 0), _plateaus(cases, own, 1)
    for v in values:
        yield from _of_values(loss, v)
    for g in slopes:
        yield from _of_slopes(loss, g)


def _plateaus(cases: list[Case], own: list[Answer | None], part: int) -> list[float]:
    """Sizes that several different numbers of ours have in the candidate's answers, the commonest first."""
    seen: dict[float, set[float]] = {}
    for case, ours in zip(cases, own, strict=True):
        got = case.got[:2][part]
        if got is None or ours is None or ours[:2][part] is None or np.shape(ours[:2][part]) != got.shape:
            continue
        for a, b in zip(np.ravel(got), np.ravel(ours[:2][part]), strict=True):
            if np.isfinite(a) and a != 0 and not np.isnan(b) and abs(a) < abs(b) * (1 - 1e-9):
                seen.setdefault(float(f"{abs(a):.9g}"), set()).add(float(b))
    held = {v: len(of) + (np.inf in map(abs, of)) for v, of in seen.items()}
    return sorted((v for v, n in held.items() if n > 1), key=lambda v: -held[v])[:MOST]


def _round(c: float) -> float:
    """A constant of few digits, if it is close to one."""
    for many in (1, 2, 3):
        short = float(f"{c:.{many - 1}e}")
        if abs(short - c) <= NEAT * abs(c):
            return short
    return c


def _named(c: float) -> str:
    return digits(c).replace("e−0", "e-").replace("e−", "e-").replace("e+", "e")


def _of_values(loss: Loss, v: float) -> Iterator[Hypothesis]:
    """Explanations of values that stay at one number."""
    kind, k = family(loss), _factor(loss)
    stays = f"its value stays at {digits(float(f'{v:.4g}'))}"
    if kind in ("probabilities", "logits", "probability rows", "logit rows"):
        for c in dict.fromkeys((_round(np.exp(-v / k)), _round(np.exp(-v)))):
            if not 0 < c < 0.25:
                continue
            said = _named(c)
            yield _convention(f"clips at {said}", f"clips probabilities at {said}, so that {stays} beyond", clipped(c))
            yield _convention(
                f"clips at {said}, slope and all",
                f"clips probabilities at {said}, so that {stays} beyond, and gives the slope at the clipped ones",
                clipped(c, moving=True),
            )
            yield _convention(
                f"logarithms of {said} or more",
                f"holds what it takes the logarithm of at {said} or more, so that {stays} beyond",
                held_from(c),
            )
            yield _convention(f"adds {said} to p", f"adds {said} to what it takes the logarithm of", offset(c))
            if kind in ("probabilities", "probability rows"):
                for high, also in ((1 - c, ""), (1.0, " from below")):
                    for moving in (False, True):
                        yield _convention(
                            f"clips at {said}{also}, carefully{', slope and all' if moving else ''}",
                            f"clips probabilities at {said}{also}, so that {stays} beyond"
                            + (", and gives the slope at the clipped ones" if moving else ""),
                            predictions_within(c, high, moving),
                        )
    if kind == "logits":
        for c in dict.fromkeys((_round(_logit_of(v / k)), _round(_logit_of(v)))):
            for moving in (False, True):
                yield _convention(
                    f"clips logits at {_named(c)}{', slope and all' if moving else ''}",
                    f"clips logits at ±{_named(c)}, so that {stays} beyond"
                    + (", and gives the slope at the clipped ones" if moving else ""),
                    predictions_within(-c, c, moving),
                )
    if kind == "logit rows":
        for c in dict.fromkeys((_round(v), _round(v / 2))):
            yield _convention(
                f"clips logits at {_named(c)}",
                f"clips logits at ±{_named(c)}, so that {stays} beyond",
                predictions_within(-c, c, False),
            )
    if kind == "log rows":
        for moving in (False, True):
            yield _convention(
                f"logarithms from −{_named(_round(v))}{', slope and all' if moving else ''}",
                f"holds log-probabilities at −{_named(_round(v))} or more"
                + (", and gives the slope at the held ones" if moving else ", with the slope 0 below"),
                predictions_within(-_round(v), np.inf, moving),
            )
    for level, said in ((_round(v), _named(_round(v))),):
        for dead in (True, False):
            yield _convention(
                f"holds losses at {said}{'' if dead else ', slope and all'}",
                f"holds each loss at {said} or less" + (", with the slope 0 beyond" if dead else ""),
                _capped(level, dead),
            )


def _of_slopes(loss: Loss, g: float) -> Iterator[Hypothesis]:
    """Explanations of gradients that stay at one number."""
    kind = family(loss)
    top, said = _round(g), _named(_round(g))
    yield _defect(f"holds gradients at {said}", f"holds its gradient between −{said} and {said}", _slopes_within(top))
    if kind in ("probabilities", "probability rows"):
        c = _round(1 / g)
        for name, says, rest in (
            (
                f"slope over {_named(c)} or more",
                f"divides its gradient by p (1 − p) or {_named(c)}, whichever is larger",
                lambda p: np.fmax(p * (1 - p), c) / (p * (1 - p)),
            ),
            (
                f"slope over p + {_named(c)}",
                f"divides its gradient by p (1 − p) + {_named(c)}",
                lambda p: (p * (1 - p) + c) / (p * (1 - p)),
            ),
            (
                f"slope over p, {_named(c)} or more",
                f"divides its gradient by p or 1 − p, held at {_named(c)} or more",
                lambda p: np.fmax(p, c) * np.fmax(1 - p, c) / (p * (1 - p)),
            ),
        ):
            yield _defect(name, says, _slopes_over(rest, c))


def _convention(name: str, says: str, change: Change) -> Hypothesis:
    return Hypothesis(name, "convention", says=says, change=change)


def _defect(name: str, says: str, change: Change) -> Hypothesis:
    return Hypothesis(name, "defect", says=says, change=change, about="gradient")


def _factor(loss: Any) -> float:
    """What a loss of the label 1 is multiplied by."""
    return float(getattr(loss, "pos_weight", None) or getattr(loss, "alpha", None) or 1.0)


def _logit_of(v: float) -> float:
    """The logit whose softplus is v."""
    return float(v + np.log(-np.expm1(-v)))


# ---- changes ---------------------------------------------------------------------------------------------------------


def predictions_within(low: float, high: float, moving: bool) -> Change:
    """Predictions held between two constants; moving: with the slope at the held ones, not 0."""

    def change(q: Question, model: Model) -> Answer | None:
        if q.loss.reads_all_predictions:
            return None
        answer = model(replace(q, yhat=np.clip(q.yhat, low, high)))
        inside = (q.yhat >= low) & (q.yhat <= high)
        if answer.grad is None or moving:
            return answer
        return Answer(answer.value, np.where(inside, answer.grad, 0.0))

    return change


def _capped(most: float, dead: bool) -> Change:
    """Each loss is at most a constant; dead: with the slope 0 beyond."""

    def change(q: Question, model: Model) -> Answer | None:
        if q.loss.reads_all_predictions:
            return None
        each = alone(q, model)
        assert each.value is not None
        assert each.grad is not None
        beyond = each.value > most
        slopes = np.where(per_prediction(q.loss, beyond, q.yhat.shape) != 0, 0.0, each.grad) if dead else each.grad
        return joined(q, Answer(np.fmin(each.value, most), slopes), divisor(q), weights(q))

    return change


def _slopes_within(most: float) -> Change:
    """Each number of the gradient is held between two constants."""

    def change(q: Question, model: Model) -> Answer | None:
        answer = model(q)
        return None if answer.grad is None else Answer(answer.value, np.clip(answer.grad, -most, most))

    return change


def _slopes_over(rest: Callable[[Floats], Any], c: float) -> Change:
    """The gradient over a number that is at least a constant."""

    def change(q: Question, model: Model) -> Answer | None:
        answer = model(q)
        if answer.grad is None or q.loss.reads_all_predictions:
            return None
        p = np.asarray(q.yhat)
        inner = (p > 0) & (p < 1)
        held = np.where(inner, answer.grad / rest(np.where(inner, p, 0.5)), np.sign(p - 0.5) / c)
        wrong = np.isinf(answer.grad) | inner
        return Answer(answer.value, np.where(wrong, held, answer.grad))

    return change
