"""The recorded answers of a candidate, as questions to which a model can give an answer of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.comparison.interview import Answered, Interview
from reflosses.diagnosis.model import Question, answer_of
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.stack import per_prediction

# Of each block of a candidate that takes one loss a call, so many losses are explained. More would take too long.
PER_BLOCK = 6
SINGLE = 40  # calls of one loss each
LONG = 10_000  # predictions of a call


@dataclass
class Case:
    """A question and the candidate's answer.

    allowed: errors of value and gradient that are right. counts: which numbers can be compared.
    """

    question: Question
    got: Answer
    allowed: tuple[Floats, Floats]
    counts: tuple[Any, Any]


def ordinary_cases(run: Interview) -> list[Case]:
    """The ordinary calls whose axes all differ in length; if it answers none of them, the moderate losses.

    If the formula holds, it may be written for as few axes as a loss needs: calls with more axes are left out.
    """
    tame = [case for a in run.record if a.tame and (case := _case(run, a)) is not None]
    if run.loss.layout.groups and not any(d.level == "formula" for d in run.found.worst):
        fewest = min((case.question.yhat.ndim for case in tame), default=0)
        tame = [case for case in tame if case.question.yhat.ndim == fewest]
    return tame or [case for a in _few(run.record, {"moderate"}) if (case := _case(run, a)) is not None]


def single_cases(run: Interview) -> list[Case]:
    """Some moderate calls of one loss each, or of few; none if elementwise losses have a value each."""
    if run.loss.reads_all_predictions or (run.loss.reduction == "none" and not run.loss.layout.groups):
        return []
    some = [a for a in run.record if not a.tame and a.weight is None and set(a.regimes) == {"moderate"}]
    return [case for a in some[:: max(1, len(some) // SINGLE)] if (case := _case(run, a)) is not None]


def lone_cases(run: Interview) -> list[Case]:
    """Moderate calls of one loss each."""
    some = [a for a in run.record if a.weight is None and set(a.regimes) == {"moderate"} and len(a.regimes) == 1]
    return [case for a in some[:SINGLE] if (case := _case(run, a)) is not None]


def usual_axes(run: Interview, cases: list[Case]) -> list[Case]:
    """The calls with as few axes as the loss needs, and single ones; all if the loss has no axes of its own.

    A formula may be for arrays of that many axes only.
    """
    least = min((c.question.yhat.ndim for c in cases), default=0)
    few = [c for c in cases if c.question.yhat.ndim == least]
    if not run.loss.layout.groups or len(few) == len(cases):
        return cases
    return [*few, *(c for c in single_cases(run) if c.question.yhat.ndim == least)]


def hard_cases(run: Interview, cases: list[Case]) -> Iterator[Case]:
    """All other calls, with targets shaped as in `cases`."""
    by_prediction = {np.ndim(c.question.y) == c.question.yhat.ndim for c in cases}
    regimes = {r for a in run.record for r in a.regimes.tolist()} - {"moderate"}
    for answered in _few(run.record, regimes):
        if answered.yhat.size > LONG and run.form.top > 16:  # such a sum overflows in a narrow format only
            continue
        if (np.ndim(answered.y) == answered.yhat.ndim) in by_prediction and answered.upstream is None:
            case = _case(run, answered)
            if case is not None and (run.loss.reduction != "none" or _same_shape(case)):
                yield _without_moderate(case, answered)


def upstream_cases(run: Interview) -> Iterator[tuple[Case, Floats]]:
    """Calls in which each loss is multiplied by a number of its own before the gradient is taken, and the numbers."""
    for a in run.record:
        if a.upstream is not None and a.answer.grad is not None and (case := _case(run, a)) is not None:
            yield case, np.asarray(a.upstream, np.float64)


def _few(record: list[Answered], regimes: set[str]) -> Iterator[Answered]:
    """Of each block in these regimes, at most PER_BLOCK calls, spread over the block; and no tame call."""
    blocks: dict[tuple[str, str], list[Answered]] = {}
    for a in record:
        if not a.tame and not regimes.isdisjoint(a.regimes.tolist()):
            blocks.setdefault((str(a.regimes[0]), a.name), []).append(a)
    for calls in blocks.values():
        step = -(-len(calls) // PER_BLOCK)
        yield from calls[::step]


def _case(run: Interview, a: Answered) -> Case | None:
    """A recorded call; None if it has no numbers to compare."""
    if a.answer.error or (a.answer.value is None and a.answer.grad is None):
        return None
    q = Question(run.loss, a.y, a.yhat, a.weight, run.form, run.factor)
    own = answer_of((), q)
    if own is None or own.value is None or own.grad is None:
        return None
    slack = np.reshape(a.value_slack, own.value.shape), a.grad_slack
    value, grad = (np.nan_to_num(s, nan=0.0, posinf=np.inf) for s in slack)
    return Case(q, a.answer, (value, grad), (~np.isnan(slack[0]), ~np.isnan(slack[1])))


def _without_moderate(case: Case, a: Answered) -> Case:
    """A call in which the numbers of moderate losses do not count: they were asked as ordinary calls."""
    hard = a.regimes != "moderate"
    if hard.all() or case.allowed[0].size != len(hard):
        return case
    values, slopes = case.counts
    slopes = slopes & per_prediction(case.question.loss, hard, case.question.yhat.shape)
    return replace(case, counts=(values & hard.reshape(case.allowed[0].shape), slopes))


def _same_shape(case: Case) -> bool:
    """Whether the value has the shape of ours."""
    return case.got.value is None or case.got.value.shape == case.allowed[0].shape
