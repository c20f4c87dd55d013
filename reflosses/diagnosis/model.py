"""Questions, models that answer them, and hypotheses, which change the answers of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import Format
from reflosses.evaluation.axes import BoundLayout, Layout
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
    def bound(self) -> BoundLayout:
        """Which predictions each loss reads."""
        return _bound(self.loss.layout, self.yhat.shape)

    def of(self, **parameters: Any) -> Question:
        """The same call of a loss with other parameters."""
        loss: Any = self.loss
        return replace(self, loss=replace(loss, **parameters))


@lru_cache(maxsize=1024)
def _bound(layout: Layout, shape: tuple[int, ...]) -> BoundLayout:
    return layout.bind(shape)


Model = Callable[[Question], Answer]
Change = Callable[[Question, Model], Answer | None]


@dataclass(frozen=True)
class Hypothesis:
    """A mistake, or another convention, that a candidate may have: `It {says}, as in {seen_in}.`

    name:    short and stable.
    kind:    "convention": the candidate is another loss. "defect": it is the same loss, worked out badly.
    change:  makes its answer from the answers of a model; None where it means nothing.
    inside:  the narrower format of the answer, if any.
    stored:  which numbers are of that format: "both", the "value", or "neither", if they are rounded again.
    about:   "gradient" if it says nothing about values.
    scarce:  it shows in one or two numbers only, and they are infinite or NaN.
    """

    name: str
    kind: str
    says: str
    seen_in: str
    change: Change
    inside: str = ""
    stored: str = "both"
    about: str = ""
    scarce: bool = False


class Family(list[Hypothesis]):
    """Hypotheses about one thing, in the order in which they are tried."""

    def convention(self, name: str, *, says: str, change: Change, seen_in: str = "", about: str = "") -> None:
        """Add a convention."""
        self.append(Hypothesis(name, "convention", says, seen_in, change, about=about))

    def defect(
        self,
        name: str,
        *,
        says: str,
        change: Change,
        seen_in: str = "",
        inside: str = "",
        stored: str = "both",
        about: str = "",
        scarce: bool = False,
    ) -> None:
        """Add a defect."""
        self.append(Hypothesis(name, "defect", says, seen_in, change, inside, stored, about, scarce))


def one_hot(index: Any, count: int) -> Floats:
    """Class rows of labels. There is no table with a row of every class: a row may have 100,000 classes."""
    rows = np.zeros((len(index), count))
    rows[np.arange(len(index)), index] = 1
    return rows


def ours(q: Question) -> Answer:
    """Our own answer."""
    value, grad = q.loss.value_and_grad(q.y, q.yhat, weight=q.weight)
    return Answer(np.asarray(value, np.float64) * q.factor, grad * q.factor)
