"""Questions, models that answer them, and hypotheses, which change the answers of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import FORMATS, Format
from reflosses.evaluation.axes import Arrangement
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss


@dataclass(frozen=True)
class Question:
    """One call of `factor` times a loss; form: the format of the arrays."""

    loss: Loss
    y: Any
    yhat: Floats
    weight: Floats | None
    form: Format
    factor: float = 1.0

    @property
    def bound(self) -> Arrangement:
        """Which predictions each loss reads."""
        bound: Arrangement = self.loss.layout.bind(self.yhat.shape)
        return bound

    def of(self, **parameters: Any) -> Question:
        """The same call of a loss with other parameters."""
        loss: Any = self.loss
        return replace(self, loss=replace(loss, **parameters))


Model = Callable[[Question], Answer]
Change = Callable[[Question, Model], Answer | None]  # the question is asked of a changed model


@dataclass(frozen=True)
class Hypothesis:
    """A mistake, or another convention, that a candidate may have: `It {says}, as in {seen_in}.`

    name:    short and stable.
    kind:    "convention": the candidate is another loss. "defect": it is the same loss, worked out badly.
    seen_of: the losses of which that is true; all if there are none.
    change:  makes its answer from the answers of a model; None where it means nothing.
    inside:  the narrower format of the answer, if any.
    stored:  which numbers are of that format: "both", the "value", or "neither", if they are rounded again.
    about:   "gradient" if it says nothing about values.
    scarce:  it shows in one or two numbers only, and they are infinite or NaN.
    blank:   it shows in NaN and zeros only.
    """

    name: str
    kind: str
    says: str
    change: Change
    seen_in: str = ""
    seen_of: tuple[str, ...] = ()
    inside: str = ""
    stored: str = "both"
    about: str = ""
    scarce: bool = False
    blank: bool = False

    @property
    def phrase(self) -> str:
        """What it says, and where it is seen."""
        return self.said_of("")

    def said_of(self, loss: str) -> str:
        """What it says, and where that is seen of a loss."""
        seen = self.seen_in and (not (loss and self.seen_of) or loss in self.seen_of)
        return self.says + (f", as in {self.seen_in}." if seen else ".")


class Family(list[Hypothesis]):
    """Hypotheses about one thing, in the order in which they are tried."""

    def convention(self, name: str, **fields: Any) -> None:
        """Add a convention."""
        self.append(Hypothesis(name, "convention", **fields))

    def defect(self, name: str, **fields: Any) -> None:
        """Add a defect."""
        self.append(Hypothesis(name, "defect", **fields))


def one_hot(index: Any, count: int) -> Floats:
    """Class rows of labels. There is no table with a row of every class: a row may have 100,000 classes."""
    rows = np.zeros((len(index), count))
    rows[np.arange(len(index)), index] = 1
    return rows


def ours(q: Question) -> Answer:
    """Our own answer."""
    value, grad = q.loss.value_and_grad(q.y, q.yhat, weight=q.weight)
    return Answer(np.asarray(value, np.float64) * q.factor, grad * q.factor)


# ---- explanations ----------------------------------------------------------------------------------------------------

Explanation = tuple[Hypothesis, ...]  # one changes the model after the other
NOT_APPLICABLE = (ValueError, TypeError, AttributeError, IndexError, ZeroDivisionError, OverflowError)


def remembered(model: Model) -> Model:
    """A model that works the answer to a question out once."""
    known: dict[Any, tuple[Question, Answer]] = {}

    def asked(q: Question) -> Answer:
        key = q.loss, q.form, q.factor, id(q.y), id(q.yhat), id(q.weight)
        if key not in known:
            known[key] = q, model(q)  # as long as the question is kept, no other array gets these numbers
        return known[key][1]

    return asked


def answer_of(explanation: Explanation, q: Question, model: Model = ours) -> Answer | None:
    """The answer of the loss, changed by one hypothesis after the other; None if there is none."""
    for h in explanation:
        model = _changed(h, model)
    try:
        return model(q)
    except NOT_APPLICABLE:
        return None


def _changed(h: Hypothesis, model: Model) -> Model:
    """The model that a hypothesis makes; it is the same where the hypothesis means nothing."""

    def asked(q: Question) -> Answer:
        answer = h.change(q, model)
        return model(q) if answer is None else answer

    return asked


def means_something(h: Hypothesis, q: Question, model: Model) -> bool:
    """Whether a hypothesis changes the answer to a question at all."""
    try:
        return h.change(q, model) is not None
    except NOT_APPLICABLE:
        return False


def moves(h: Hypothesis, q: Question, model: Model) -> bool:
    """Whether a hypothesis changes half of the digits of the answer, or its shape.

    At ordinary inputs a defect of floating point changes nothing. It need not be tried there.
    """
    try:
        answer, own = h.change(q, model), model(q)
    except NOT_APPLICABLE:
        return False
    if answer is None:
        return False
    with np.errstate(all="ignore"):
        for a, b in zip(answer[:2], own[:2], strict=True):
            if a is not None and b is not None:
                if a.shape != b.shape:
                    return True
                least = q.form.eps**0.5 * np.max(np.abs(b), where=np.isfinite(b), initial=0.0) / 100
                if not ((np.abs(a - b) <= np.fmax(q.form.eps**0.5 * np.abs(b), least)) | (a == b)).all():
                    return True
    return False


def narrowing(explanation: Explanation) -> tuple[Format | None, str]:
    """The narrower format of an explanation, if any, and its numbers: "both", the "value", or "neither"."""
    return next(((FORMATS[h.inside], h.stored) for h in explanation if h.inside), (None, "both"))
