"""A backward pass multiplies by the gradient that comes from above. What if it does not, or does it wrongly?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reflosses.comparison.interview import Interview
from reflosses.diagnosis.cases import upstream_cases
from reflosses.diagnosis.facts import agree
from reflosses.diagnosis.model import Explanation, Model, answer_of
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.stack import per_prediction

# What a backward pass multiplies by, where the gradient from above is due.
INSTEAD: tuple[tuple[str, Callable[[Floats], Any]], ...] = (
    ("ignores the gradient that comes from above: its backward pass does not multiply by it", np.ones_like),
    ("multiplies by the gradient that comes from above twice in its backward pass", np.square),
    ("multiplies by the sum of the gradients that come from above, not by each", lambda up: np.full_like(up, up.sum())),
    ("multiplies by the mean of the gradients that come from above", lambda up: np.full_like(up, up.mean())),
    ("multiplies by the size of the gradient that comes from above, without its sign", np.abs),
    ("divides by the gradient that comes from above", lambda up: 1 / up),
    ("takes the first gradient that comes from above for all of them", lambda up: np.full_like(up, up.flat[0])),
    ("has no gradient for a sum of weighted losses: it is 0", np.zeros_like),
)


def upstream_fault(run: Interview, base: Explanation, model: Model) -> str:
    """What a candidate does with the gradient from above; "" if that is right, or not known.

    base: explains its numbers without one.
    """
    calls = list(upstream_cases(run))

    def fits(rule: Callable[[Floats], Any]) -> bool:
        for case, up in calls:
            q, own = case.question, answer_of(base, case.question, model)
            if own is None or own.grad is None or up.shape != q.bound.value_shape:
                return False
            due = own.grad * per_prediction(q.loss, np.asarray(rule(up)), q.yhat.shape)
            if not agree(case.got.grad, due, q.form, case.counts[1]):
                return False
        return True

    if not calls or fits(lambda up: up):
        return ""
    return next((f"It {said}." for said, rule in INSTEAD if fits(rule)), "")
