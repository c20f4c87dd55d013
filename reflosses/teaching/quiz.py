"""What is wrong with the answer to the question after a gradient.

Two witnesses say what is missing: the letters of the page (`mistake`: a factor p too much, a sign, y and ŷ exchanged),
and `diagnose`, which is given a candidate with the right value and this gradient.
"""

from __future__ import annotations

import decimal
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflosses.diagnosis.search import diagnose
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.teaching.arithmetic import CONTEXT, Array, Value
from reflosses.teaching.lesson import lesson_for
from reflosses.teaching.mistake import Mistake
from reflosses.teaching.question import Found, GradientQuestion, Sample, alike, few
from reflosses.teaching.steps import FAILURES
from reflosses.teaching.tree import (
    NotReadError,
    Term,
)

ORDINARY = 60.0  # predictions beyond it are not given to an answer: 120 digits are not enough for σ(700)
SMALL = 1e-30
SAID_ALREADY = (  # what `mistake` says, and the same in the words of the diagnosis
    (r"^A factor \S+ is (too much|missing)", r"^Your answer (doubles|halves|gives the gradient \S+ times)"),
    (r"is halved\.$", r"leaves out the 2 of"),
)
PATIENCE = 0.5  # seconds of the processor for an answer at all random points


@dataclass(frozen=True)
class Verdict:
    """right, or what is wrong: sentences, the most telling first."""

    right: bool
    says: tuple[str, ...] = ()


def judge(question: GradientQuestion, answer: Term, diagnosis: bool = True) -> Verdict:
    """Whether an answer is right; if not, what is wrong. diagnosis: ask `diagnose`, too, which takes longer."""
    with decimal.localcontext(CONTEXT):
        if question.is_right(answer):
            return Verdict(True)
        start = time.process_time()
        found = [list(question.values(answer, sample)) for sample in question.samples]
        if time.process_time() - start > PATIENCE:  # the search would take a hundred times as long
            return Verdict(False, (_example(question, found),))
        says = list(Mistake(question, answer, found).sentences())
        example = _example(question, found)
    somewhere = any(value is not None for values in found for value, _ in values)
    named = _diagnosed(question, answer) if diagnosis and somewhere else []
    if says:  # the diagnosis says more only if it names a mistake, or another loss
        named = [said for said in named if "gradient of" in said or not said.startswith("Your answer is ")]
        named = [said for said in named if not _said_already(says[0], said)]
    return Verdict(False, tuple(dict.fromkeys(filter(None, [*says, *named, example]))))


def _said_already(first: str, second: str) -> bool:
    """Whether the second sentence only repeats the first."""
    return any(re.search(one, first) and re.search(other, second) for one, other in SAID_ALREADY)


def _example(question: GradientQuestion, found: Sequence[Sequence[Found]]) -> str:
    """A point at which an answer is wrong, with both numbers."""
    every = []
    for sample, values in zip(question.samples, found, strict=True):
        each = len(sample.grad) // len(sample.units)
        for n, ((value, _), due) in enumerate(zip(values, sample.grad, strict=True)):
            if value is not None and not alike(value, due):
                every.append((sample, n // each, n % each, value, due))
    if not every:
        return ""
    sample, unit, entry, value, due = max(every, key=lambda one: abs(one[3] - one[4]) / (1 + abs(one[3])))
    return question.at_point(sample, unit, entry) + f"your answer is {few(value)}, the gradient is {few(due)}."


def _diagnosed(question: GradientQuestion, answer: Term) -> list[str]:
    """The diagnosis of a candidate with the right value and the answer as its gradient."""
    loss = question.losses[0]

    def candidate(y: Any, yhat: Any) -> tuple[Any, Any]:
        value, grad = loss.value_and_grad(y, yhat)
        return value, _as_gradient(question, answer, loss, np.asarray(y), np.asarray(yhat, np.float64), grad)

    text = str(diagnose(candidate, loss)).partition(" At hard inputs")[0]
    if not text or text.startswith(("It is right", "nothing to explain")) or "No known explanation" in text:
        return []
    return [said] if (said := _spoken(text)) else []


def _as_gradient(question: GradientQuestion, answer: Term, loss: Loss, y: Any, yhat: Floats, truth: Floats) -> Floats:
    """The answer at the inputs of `diagnose`; the truth where an input is not ordinary, or no page is about it."""
    grad = np.array(truth, np.float64)
    flat = question.is_pooled(question.name) and getattr(loss, "axis", None) is None
    try:
        one, other = (y.ravel(), yhat.ravel()) if flat else (y, yhat)
        lesson = lesson_for(loss, other, scalar=True)
        with decimal.localcontext(CONTEXT):
            units = [unit for _, unit in lesson.numbers(one, other)]
            sample = Sample(loss, lesson, one, other, ())
            ordinary = [all(map(_ordinary, unit.values())) for unit in units]
            found = list(question.values(answer, sample, units)) if units else []
    except (NotReadError, *FAILURES, ValueError, KeyError, TypeError):
        return grad
    each = len(found) // max(len(units), 1)
    turned = grad.T if len(lesson.indices) == 2 else grad
    flat_grad = turned.ravel()  # a copy if it was turned
    for n, (value, _) in enumerate(found):
        if ordinary[n // each] and value is not None:
            flat_grad[n] = float(value)
    made = flat_grad.reshape(turned.shape)
    return np.ascontiguousarray(made.T) if len(lesson.indices) == 2 else made


def _ordinary(value: Value | int) -> bool:
    if isinstance(value, int):
        return True
    numbers = value.cells.values() if isinstance(value, Array) else (value,)
    return all(x.is_finite() and (x == 0 or SMALL <= abs(x) <= ORDINARY) for x in numbers)


def _spoken(text: str) -> str:
    """A sentence about a candidate as one about an answer; "" for one that tells the user's own formula."""
    if re.search(r", not (?!the value)", text) and "It has the right value" in text:
        return ""
    if "the opposite sign" in text:  # the constant factor −1 is told already
        return ""
    for old, new in (
        ("It has the right value; its gradient is", "Your answer is"),
        (", but not the value", ""),
        (
            ": it is that by y, where the loss is one of yhat − y",
            ": that is the derivative by y, if the loss is one of yhat − y",
        ),
        ("It gives the gradient", "Your answer gives the gradient"),
        ("It ", "Your answer "),
        (" of that of ", " of the gradient of "),
        (" is that of ", " is the gradient of "),
        (" times that of ", " times the gradient of "),
    ):
        text = text.replace(old, new, 1)
    return text
