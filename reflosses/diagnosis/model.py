"""What hypotheses are about: questions, models that answer them, and changes of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import Format
from reflosses.evaluation.axes import Arrangement, Layout
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss


@dataclass(frozen=True)
class Question:
    """One call: factor times a loss, of these arrays, with numbers of this format."""

    loss: Loss
    y: Any
    yhat: Floats
    weight: Floats | None
    form: Format
    factor: float = 1.0

    @property
    def bound(self) -> Arrangement:
        """Which predictions each loss reads."""
        return _bound(self.loss.layout, self.yhat.shape)


@lru_cache(maxsize=1024)
def _bound(layout: Layout, shape: tuple[int, ...]) -> Arrangement:
    return layout.bind(shape)


Model = Callable[[Question], Answer]
Change = Callable[[Question, Model], Answer | None]


@dataclass(frozen=True)
class Hypothesis:
    """Something that a candidate may do: `It {says}, as {seen} does.`

    name: short and stable. kind: "convention", another loss, or "defect", the same one worked out badly.
    change: what it makes of the answers of a model; None where it means nothing. inside: the narrower format that the
    answers are numbers of; stored: which of them are, "both", the "value" or "neither", which has no more digits all
    the same. about: "gradient" where it says nothing without one. scarce: it shows in one or two numbers, and they are
    infinite or not numbers.
    """

    name: str
    kind: str
    says: str
    seen: str
    change: Change
    inside: str = ""
    stored: str = "both"
    about: str = ""
    scarce: bool = False


def one_hot(index: Any, count: int) -> Floats:
    """Class rows of labels, without a row of every class: there may be more of those than fit squared."""
    rows = np.zeros((len(index), count))
    rows[np.arange(len(index)), index] = 1
    return rows


def ours(q: Question) -> Answer:
    """Our own answer."""
    value, grad = q.loss.value_and_grad(q.y, q.yhat, weight=q.weight)
    return Answer(np.asarray(value, np.float64) * q.factor, grad * q.factor)
