"""A candidate is asked: questions at moderate and hard inputs, its answers, and the errors that nobody can avoid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reflosses.comparison.battery import TARGET_KINDS, Inputs, blocks, calls, normal
from reflosses.comparison.candidate import Answer, Candidate
from reflosses.comparison.expected import Scaled, parts, with_sizes
from reflosses.comparison.formats import Format
from reflosses.comparison.verdict import FREEDOM, LENIENT, unavoidable
from reflosses.diagnosis.model import Question, answer_of, ours, remembered
from reflosses.diagnosis.moderate import moderate_questions
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import one_loss_a_call, per_prediction, unstack

# A candidate that takes one loss a call is asked this many losses of each block. More calls would take too long.
PER_BLOCK = 6
# A call has a multiple of this many losses, some of them repeated. Some frameworks compile once for every shape.
PADDED = 64


@dataclass
class Case:
    """A question and the candidate's answer.

    allowed: errors of value and gradient that are right. counts: which numbers can be compared.
    """

    question: Question
    got: Answer
    allowed: tuple[Floats, Floats]
    counts: tuple[Any, Any]


class Cases:
    """The questions of one loss that a candidate answers."""

    def __init__(
        self,
        candidate: Candidate,
        loss: Loss | Scaled,
        form: Format,
        targets: str,
        inputs: Inputs | None,
        regimes: frozenset[str],
    ) -> None:
        """`regimes`: the regimes that are asked."""
        self.candidate, self.form, self.inputs, self.regimes = candidate, form, inputs, regimes
        self.factor, self.loss = parts(loss)
        self.kinds = TARGET_KINDS[targets]
        self.together = self.loss.reduction == "none" and not one_loss_a_call(self.loss)  # many losses a call
        self.error = ""  # of the first call that failed
        self.model = remembered(ours)

    def moderate(self) -> Iterator[Case]:
        """The moderate questions that the candidate answers."""
        refused = set()
        weights = self.candidate.takes_weight
        for q in moderate_questions(self.loss, self.form, self.kinds, weights, self.factor, self.inputs):
            kind = np.ndim(q.y), q.yhat.ndim, bool((q.y == np.rint(q.y)).all())
            if kind in refused or answer_of((), q, self.model) is None:
                continue
            got = self.candidate.ask(q.y, q.yhat, q.weight)
            if got.error or got.value is None:
                self.error = self.error or f"it raises {got.error}"
                refused.add(kind)
            else:
                yield Case(q, got, (np.zeros(()), np.zeros(())), (True, True))

    def hard(self, cases: list[Case]) -> Iterator[Case]:
        """The battery's hard blocks and calls that the candidate answers, its targets shaped as in `cases`."""
        by_prediction = {np.ndim(c.question.y) == c.question.yhat.ndim for c in cases}
        yield from self.blocks(self.regimes - {"moderate"}, by_prediction)
        if self.inputs is not None:
            return
        for call in calls(self.loss, self.form, 0, self.candidate.takes_weight, False):
            long = call.times > 1 and self.form.top > 16  # such a sum overflows in a narrow format only
            if long or call.refuse or call.shape is not None or call.regime not in self.regimes:
                continue
            if (call.y.ndim == call.yhat.ndim) in by_prediction:
                many = np.tile(np.arange(len(call.y)), call.times)
                case = self.case("I", call.y[many], call.yhat[many], call.weight)
                if case is not None:
                    yield case if call.slopes else replace(case, got=case.got._replace(grad=None))

    def blocks(self, regimes: Iterable[str], by_prediction: set[bool]) -> Iterator[Case]:
        """The cases of the battery's blocks; by_prediction: whether there is one target for each prediction."""
        groups: dict[Any, list[tuple[str, Floats, Floats]]] = {}
        for k, block in enumerate(blocks(self.loss, self.form, 0)):
            if block.regime in regimes and (block.y.ndim == block.yhat.ndim) in by_prediction:
                y, yhat = self.possible(block.y, block.yhat)
                alike = block.regime in LENIENT, y.shape[1:], yhat.shape[1:]
                groups.setdefault(alike if self.together else k, []).append((block.regime, y, yhat))
        for group in groups.values():
            yield from self.answered(group)

    def answered(self, group: list[tuple[str, Floats, Floats]]) -> Iterator[Case]:
        """The cases of some blocks. All are one call; if it fails, each block is, and then each loss."""
        (regime, *_), *arrays = zip(*group, strict=True)
        y, yhat = map(np.concatenate, arrays)
        if self.together and len(y):
            case = self.case(regime, y, yhat)
            if case is not None:
                yield case
                return
            if len(group) > 1:
                for block in group:
                    yield from self.answered([block])
                return
        step = 1 if self.together else -(-len(y) // PER_BLOCK)
        for i in range(0, len(y), max(1, step)):
            case = self.case(regime, y[i : i + 1], yhat[i : i + 1])
            if case is not None:
                yield case

    def possible(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats]:
        """The losses that the candidate can be asked."""
        if not self.candidate.subnormals:
            keep = normal(self.form, y, yhat)
            y, yhat = y[keep], yhat[keep]
        if self.inputs is not None and len(y):
            y, yhat = (self.form.round(a) for a in self.inputs(y, yhat, self.form.eps))
        return y, yhat

    def case(self, regime: str, y: Floats, yhat: Floats, weight: Floats | None = None) -> Case | None:
        """Stacked losses as one call; None if it fails."""
        n = len(y)
        if n > 1 and self.together and not self.loss.reads_all_predictions and weight is None:
            padded = np.arange(-(-n // PADDED) * PADDED) % n
            y, yhat = y[padded], yhat[padded]
        a, b = unstack(self.loss, y, yhat)
        q = Question(self.loss, a, b, weight, self.form, self.factor)
        own = answer_of((), q, self.model)
        got = self.candidate.ask(a, b, weight)
        if own is None or own.value is None or own.grad is None or got.error or got.value is None:
            return None
        if len(y) > 1 and self.loss.reduction == "none" and got.value.shape != own.value.shape:
            return None
        slopes = np.ones(b.shape, bool)
        if len(y):
            low, high = self.loss.subgradient(a, b, weight=weight)
            slopes = ~(low < high)  # a kink has many right slopes
        values = np.ones(own.value.shape, bool)
        if len(y) > n:  # repeated losses do not count
            values.flat[n:] = False
            slopes &= per_prediction(self.loss, np.arange(len(y)) < n, b.shape)
        if regime in LENIENT or self.loss.reads_all_predictions:
            half, least = self.form.eps**0.5, self.form.smallest if self.candidate.subnormals else 4 * self.form.tiny
            most = np.max(np.abs(own.grad), where=np.isfinite(own.grad), initial=0.0)
            allowed = half * np.abs(own.value) + least, half * np.fmax(np.abs(own.grad), most / 100) + least
        else:
            allowed = self.unavoidable_errors(y, yhat, a, b)
        return Case(q, got, (np.reshape(allowed[0], own.value.shape), allowed[1]), (values, slopes))

    def unavoidable_errors(self, y: Floats, yhat: Floats, a: Any, b: Floats) -> tuple[Floats, Floats]:
        """The errors of values and gradients that nobody can avoid, loss by loss."""
        loss = replace(self.loss, reduction="none")
        value, grad = loss.value_and_grad(a, b)
        right = with_sizes(1.0, loss, a, b, (value, grad, grad, grad))
        avoided = unavoidable(loss, y, yhat, right, self.form, self.candidate.subnormals)
        k, each = abs(self.factor), FREEDOM + 1
        value_free = k * avoided[0] + each * loss.bounds.value * self.form.spacing(k * right.value_size)
        grad_free = k * avoided[1] + each * loss.bounds.grad * self.form.spacing(k * right.grad_size)
        restored = loss.layout.bind(b.shape).restore(np.broadcast_to(grad_free, right.grad.shape))
        return np.asarray(value_free), np.asarray(restored)
