"""What numbers can show: facts, the evidence for them, and those about factors and digits.

A fact predicts the answers of a candidate. The numbers that it needs, such as a factor, are read off a few answers; the
fact must then hold for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import FORMATS, Format
from reflosses.diagnosis.cases import Case
from reflosses.diagnosis.changes import classes, count, divisor, multiplied, total_weight
from reflosses.diagnosis.model import NOT_APPLICABLE, Change, Model, Question
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.stack import per_prediction

# A fact that predicts fewer numbers than this may hold by chance.
FEWEST = 3
MANY = 8  # errors that all have one sign are no roundings; of fewer, that may be chance
# Numbers below this part of the largest one are roundings. No factor is read off them.
SMALL_PART = 0.01
# Numbers are said with so many digits, or as fractions with denominators up to this.
DIGITS, DENOMINATOR = 6, 24

VALUE, GRADIENT = 0, 1  # the parts of an answer
PARTS = ("value", "gradient")


@dataclass(frozen=True)
class Fact:
    """One thing that numbers show.

    both:    said if it holds for value and gradient: `It {both}.` "" if it speaks of one of them.
    part:    said if it holds for one of them: `Its value is {part}.`
    change:  its predictions.
    remedy:  what to do, if the page of the loss is not the answer.
    """

    both: str
    part: str
    change: Change
    remedy: str = ""


def agree(got: Any, guess: Any, form: Format, counts: Any = True) -> bool:
    """Whether numbers agree to half of the digits of their format. Small ones are compared with the largest."""
    if got is None or guess is None or np.shape(got) != np.shape(guess):
        return False
    with np.errstate(all="ignore"):
        finite = np.isfinite(guess)
        size = np.fmax(np.abs(guess), np.max(np.abs(guess), where=finite, initial=form.tiny) * SMALL_PART)
        same = (got == guess) | (np.isnan(got) & np.isnan(guess))
        close = finite & (np.abs(got - guess) <= form.eps**0.5 * size)
    counted = np.broadcast_to(counts, np.shape(got)) if np.shape(counts) in ((), np.shape(got)) else True
    return bool((same | close | ~np.asarray(counted)).all())


class Evidence:
    """The ordinary answers of a candidate, beside those of the loss.

    more: calls of one loss each, from which formulas are read.
    """

    def __init__(self, cases: list[Case], model: Model, more: Iterable[Case] = ()) -> None:
        self.model, self.more = model, list(more)
        self.found: dict[int, str] = {}  # one sentence about the value, one about the gradient
        self.cases = [c for c in cases if c.got.value is not None or c.got.grad is not None]
        self.own = [model(c.question) for c in self.cases]
        self.parts = [p for p in (VALUE, GRADIENT) if any(c.got[p] is not None for c in self.cases)]
        agrees = {p: [self.agrees(p, k, own) for k, own in enumerate(self.own)] for p in self.parts}
        self.right = {p: all(agrees[p]) for p in self.parts}
        wrong = [not all(agrees[p][k] for p in self.parts) for k in range(len(self.cases))]
        self.order = sorted(range(len(self.cases)), key=lambda k: not wrong[k])  # the wrong ones refute most

    def agrees(self, part: int, k: int, answer: Answer) -> bool:
        """Whether a predicted answer agrees with a part of the candidate's."""
        case = self.cases[k]
        return case.got[part] is None or agree(case.got[part], answer[part], case.question.form, case.counts[part])

    def holds(self, part: int, change: Change) -> bool:
        """Whether predictions agree with that part of every answer."""
        told = 0
        for k in self.order:
            answer = self.predicted(change, k)
            if answer is None or not self.agrees(part, k, answer):
                return False
            got = (self.cases[k].got.value, self.cases[k].got.grad)[part]
            told += 0 if got is None else got.size
        return told >= FEWEST

    def predicted(self, change: Change, k: int) -> Answer | None:
        """What a change predicts for a case; None where it cannot be worked out."""
        try:
            answer = change(self.cases[k].question, self.model)
        except NOT_APPLICABLE:
            return None
        return self.own[k] if answer is None else answer

    def pairs(self, part: int, change: Change | None = None) -> Iterator[tuple[Question, Floats, Floats]]:
        """The candidate's numbers and the predicted ones, for each call that has both in one shape."""
        for k in self.order:
            got = self.cases[k].got[:2][part]
            answer = self.own[k] if change is None else self.predicted(change, k)
            guess = None if answer is None else answer[:2][part]
            if got is not None and guess is not None and got.shape == guess.shape:
                yield self.cases[k].question, got, guess


# ---- numbers in words ------------------------------------------------------------------------------------------------


def neat(k: float) -> float:
    """A simple fraction, if the number is one to half of its digits; else the number."""
    if not np.isfinite(k) or k == 0:
        return float(k)
    simple = float(Fraction(k).limit_denominator(DENOMINATOR))
    if abs(simple - k) <= 1e-7 * abs(k):
        return simple
    short = float(f"{k:.3g}")
    return short if abs(short - k) <= 1e-7 * abs(k) else float(k)


def digits(k: float) -> str:
    """A number as it is said."""
    simple = Fraction(k).limit_denominator(DENOMINATOR)
    if float(simple) == k and simple.denominator not in (1, 2, 4, 5, 8, 10, 20):
        return str(simple)
    return _exponent(f"{'−' if k < 0 else ''}{abs(k):.{DIGITS}g}")


def short(c: float) -> str:
    """A constant as people write it, such as 1e-7."""
    return _exponent(f"{c:.4g}" if 1e-3 <= abs(c) < 1e5 else f"{c:.3g}")


def _exponent(text: str) -> str:
    """A number without zeros and a plus in its exponent."""
    return re.sub(r"e([-+])0*(\d+)", lambda m: f"e{m[1].replace('+', '')}{m[2]}", text)


FACTORS = {0.0: "0 times", 0.5: "half of", 2.0: "twice", -1.0: "minus", 1.0: ""}


def multiple_of(k: float, thing: str) -> str:
    """So many times a thing."""
    return f"{FACTORS.get(k, digits(k) + ' times')} {thing}".strip()


def factor_between(pairs: Iterator[tuple[Question, Floats, Floats]], rule: Callable[[Question], float]) -> float | None:
    """The median of got/(rule · own); None where no number tells it."""
    found = []
    for q, got, own in pairs:
        try:
            over = rule(q)
        except NOT_APPLICABLE:
            return None
        if own.size and over and np.isfinite(over):
            known = np.isfinite(own) & np.isfinite(got) & (np.abs(own) > SMALL_PART * np.abs(own).max()) & (own != 0)
            found.append((got[known] / own[known] / over).ravel())
    every = np.concatenate(found) if found else np.zeros(0)
    return neat(float(np.median(every))) if every.size else None


def multiplied_facts(evidence: Evidence, change: Change, named: str, rest: str, part_of: str) -> Iterator[Fact]:
    """A prediction, times the constant that each part shows in the first call."""
    seen = set()
    for part in evidence.parts:
        first = next(evidence.pairs(part, change), None)
        k = None if first is None else factor_between(iter([first]), lambda q: 1.0)
        if first is None or not k or k in seen or not agree(first[1], k * first[2], first[0].form):
            continue
        seen.add(k)

        def multiple(q: Question, model: Model, k: float = k) -> Answer | None:
            return multiplied(k, k)(q, lambda q: _answer_or_own(change, q, model)) if k != 1 else change(q, model)

        yield Fact(f"is {multiple_of(k, named)}{rest}", multiple_of(k, part_of), multiple)


def _answer_or_own(change: Change, q: Question, model: Model) -> Answer:
    """The answer of a changed model."""
    answer = change(q, model)
    return model(q) if answer is None else answer


# ---- factors and differences -----------------------------------------------------------------------------------------


def _positive(q: Question) -> Any:
    """1 + (pos_weight − 1) y."""
    given = getattr(q.loss, "pos_weight", None)
    if given is None:
        raise ValueError("no pos_weight")
    return 1 + (np.asarray(given) - 1) * np.asarray(q.y, np.float64) + 0 * q.yhat


QUANTITIES: tuple[tuple[str, Callable[[Question], float]], ...] = (
    ("the number of losses", count),
    ("the number of losses less 1", lambda q: count(q) - 1),
    ("the number of predictions", lambda q: float(q.yhat.size)),
    ("the length of the first axis", lambda q: float(q.yhat.shape[0])),
    ("the length of the last axis", lambda q: float(q.yhat.shape[-1])),
    ("the number of classes", lambda q: float(classes(q))),
    ("the sum of the weights", total_weight),
    ("the number of targets above 0", lambda q: float((np.asarray(q.y) > 0).sum())),
    ("the larger of 1 and the number of targets above 0", lambda q: max(1.0, float((np.asarray(q.y) > 0).sum()))),
    ("the sum of the targets", lambda q: float(np.asarray(q.y, np.float64).sum())),
    ("the larger of 1 and the sum of the targets", lambda q: max(1.0, float(np.asarray(q.y, np.float64).sum()))),
    ("the sum of 1 + (pos_weight − 1) y", lambda q: float(_positive(q).sum())),
    ("the sum of the predictions", lambda q: float(q.yhat.sum())),
    ("the square of the number of losses", lambda q: count(q) ** 2),
    ("the root of the number of losses", lambda q: count(q) ** 0.5),
)


def by_factor(evidence: Evidence) -> Iterator[Fact]:
    """A constant, times the loss."""
    for part in evidence.parts:
        if evidence.right[part]:
            continue
        k = factor_between(evidence.pairs(part), lambda q: 1.0)
        if k is not None and k != 1:
            both = f"is {multiple_of(k, 'the loss')}" if k else "is 0, whatever it is given"
            yield Fact(both, multiple_of(k, "what is due") if k else "0", multiplied(k, k))


def by_difference(evidence: Evidence) -> Iterator[Fact]:
    """The value differs by a constant."""
    gaps = [(got - own).ravel() for _, got, own in evidence.pairs(VALUE)]
    gap = neat(float(np.median(np.concatenate(gaps)))) if gaps and sum(map(len, gaps)) >= FEWEST else 0.0
    if not np.isfinite(gap) or gap == 0:
        return

    def change(q: Question, model: Model) -> Answer | None:
        answer = model(q)
        return None if answer.value is None else Answer(answer.value + gap, answer.grad)

    said = f"{digits(abs(gap))} {'too large' if gap > 0 else 'too small'}"
    yield Fact("", said, change)


def by_count(evidence: Evidence) -> Iterator[Fact]:
    """The loss times or over a number that differs from call to call, such as the number of losses."""
    means = evidence.cases[0].question.loss.reduction in ("mean", "weighted_mean")
    for part in evidence.parts:
        if evidence.right[part]:
            continue
        for name, rule in QUANTITIES:
            yield from _by_quantity(evidence, part, rule, "the loss", f"multiplied by {name}")
            yield from _by_quantity(evidence, part, _over(rule), "the loss", f"divided by {name}")
            if means:
                yield from _by_quantity(
                    evidence, part, _over(rule, divisor), "the sum of the losses", f"divided by {name}"
                )


def _by_quantity(
    evidence: Evidence, part: int, rule: Callable[[Question], float], what: str, done: str
) -> Iterator[Fact]:
    """The loss times a constant and a number of the call."""
    k = factor_between(evidence.pairs(part), rule)
    if k:
        change = multiplied(*[lambda q: k * rule(q)] * 2)
        due = "what is due" if what == "the loss" else what
        yield Fact(f"is {multiple_of(k, what)}, {done}", f"{multiple_of(k, due)}, {done}", change)


def _over(rule: Callable[[Question], float], above: Callable[[Question], float] = lambda q: 1.0) -> Any:
    """One number of a call over another one; ∞ where that is 0."""
    return lambda q: above(q) / rule(q) if rule(q) else np.inf


def by_limit(evidence: Evidence) -> Iterator[Fact]:
    """Values that are cut off at their largest, with or without their slopes; slopes that are cut off."""
    tops: dict[int, float] = {}
    for part in evidence.parts:
        rows = [np.abs(got).ravel() for _, got, _ in evidence.pairs(part) if got.ndim and not evidence.right[part]]
        every = np.concatenate([np.zeros(0), *rows])
        if every.size and np.isfinite(every).all() and (every == every.max()).sum() >= FEWEST:
            tops[part] = neat(float(every.max()))
    if VALUE in tops:
        top = tops[VALUE]

        def cut(q: Question, model: Model) -> Answer:
            own = model(q)
            assert own.value is not None
            beyond = per_prediction(q.loss, own.value > top, q.yhat.shape)
            return Answer(np.fmin(own.value, top), None if own.grad is None else np.where(beyond, 0.0, own.grad))

        yield Fact(
            f"cuts each loss off at {digits(top)}, and its gradient there is 0", f"cut off at {digits(top)}", cut
        )
    if GRADIENT in tops:
        most = tops[GRADIENT]

        def clip(q: Question, model: Model) -> Answer:
            own = model(q)
            return Answer(own.value, None if own.grad is None else np.clip(own.grad, -most, most))

        yield Fact("", f"what is due, clipped at ±{digits(most)}", clip)


def by_axis(evidence: Evidence) -> Iterator[Fact]:
    """Values that are added up, or averaged, along one axis."""
    if evidence.cases[0].question.loss.reduction != "none":
        return
    for axis, name in ((-1, "last"), (0, "first")):
        for mean in (False, True):

            def along(q: Question, model: Model, axis: int = axis, mean: bool = mean) -> Answer:
                own = model(q)
                assert own.value is not None
                return Answer(own.value.mean(axis=axis) if mean else own.value.sum(axis=axis), own.grad)

            done = f"{'averaged' if mean else 'added up'} along the {name} axis"
            yield Fact("", f"what is due, {done}", along)


# ---- digits ----------------------------------------------------------------------------------------------------------


ROUNDED = 16  # units in the last place that a careful formula may lose
MOSTLY = 0.5  # of the numbers lose digits in a narrower format


def few_digits(evidence: Evidence, part: int) -> str:
    """The narrower format whose digits a part has; "" if none. Its errors must reach that size, with both signs."""
    errors, form = [np.zeros(0)], None
    for q, got, own in evidence.pairs(part):
        form = q.form
        size = np.max(np.abs(own), initial=0.0)
        known = np.abs(own) > SMALL_PART * size
        errors.append(((got - own)[known] / own[known]).ravel())
    every = np.concatenate(errors)
    if form is None or len(every) < FEWEST or not np.isfinite(every).all():
        return ""
    inexact = every[np.abs(every) > ROUNDED * form.eps]
    one_sided = len(every) >= MANY and ((every > 0).all() or (every < 0).all())
    if len(inexact) < MOSTLY * len(every) or one_sided:
        return ""  # most of the numbers keep their digits, or all err to one side
    most = float(np.abs(every).max())
    for low in FORMATS.values():
        if low.bits < form.bits and low.top <= form.top and low.eps / 16 < most <= 2 * low.eps:
            return low.name
    return ""
