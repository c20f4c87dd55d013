"""The value is right, and the gradient is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import count, divisor, multiplied
from reflosses.diagnosis.model import Family, Model, Question
from reflosses.evaluation.domain import Classes

FAMILY = Family()

FAMILY.defect(
    "gradient halved", says="halves the gradient, but not the value", about="gradient", change=multiplied(1, 0.5)
)
FAMILY.defect(
    "gradient doubled", says="doubles the gradient, but not the value", about="gradient", change=multiplied(1, 2)
)
FAMILY.defect(
    "gradient of the opposite sign",
    says="gives the gradient the opposite sign, but not the value: it is that by y, where the loss is one of yhat − y",
    about="gradient",
    change=multiplied(1, -1),
)


def by_target(q: Question, model: Model) -> Answer | None:
    """The value, and the derivative by the target."""
    if isinstance(q.loss.domain.y, Classes):
        return None
    return Answer(model(q).value, model(replace(q, y=q.yhat, yhat=np.asarray(q.y))).grad)


FAMILY.defect(
    "gradient by y",
    says="takes the derivative by the target for that by the prediction",
    about="gradient",
    change=by_target,
)
FAMILY.defect(
    "gradient 0",
    says="has no gradient beside its value: it is 0 everywhere, as of a detached value",
    about="gradient",
    change=multiplied(1, 0),
)


def summed_gradient(q: Question, model: Model) -> Answer | None:
    """The value of the mean, and the gradient of the sum."""
    return multiplied(1, divisor(q))(q, model) if q.loss.reduction in ("mean", "weighted_mean") else None


FAMILY.defect(
    "gradient of the sum",
    says="has the value of the mean and the gradient of the sum",
    about="gradient",
    change=summed_gradient,
)


def averaged_gradient(q: Question, model: Model) -> Answer | None:
    """The value of the sum, or of each loss, and the gradient of the mean."""
    return multiplied(1, 1 / max(1, count(q)))(q, model) if q.loss.reduction in ("sum", "none") else None


FAMILY.defect(
    "gradient of the mean",
    says="has the gradient of the mean, not that of its value",
    about="gradient",
    change=averaged_gradient,
)


def unweighted_gradient(q: Question, model: Model) -> Answer | None:
    """The value with the weights, and the gradient without them."""
    return None if q.weight is None else Answer(model(q).value, model(replace(q, weight=None)).grad)


FAMILY.defect(
    "gradient without weights",
    says="leaves the weights out of the gradient",
    about="gradient",
    change=unweighted_gradient,
)
