"""What to write instead: one line beside a diagnosis, and the section of the page that derives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from reflosses.catalogue import stem
from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.facts import DIGITS
from reflosses.diagnosis.hypotheses import HYPOTHESES
from reflosses.diagnosis.model import NOT_APPLICABLE, Hypothesis, Question, ours
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import printed

DEFINITION, GRADIENT, FLOATS = "Definition and domain", "The gradient, step by step", "Floating point"

# A form that keeps its digits and the range, loss by loss. The pages derive it.
FORMS = {
    "BinaryCrossEntropy": "log1p(-p) for log(1 - p); no term with the factor 0; one quotient with p - y for the slope",
    "BinaryCrossEntropyWithLogits": "log1p(exp(-abs(z))) plus the part of z that is due, with 1 - y worked out first",
    "Cauchy": "delta**2 * log1p(u**2), u = r/delta divided before it is squared, and 2 log(|u|) where u**2 overflows",
    "CrossEntropy": "log1p of the sum of the other exponentials, shifted by the largest logit of their own row",
    "Dice": "one sum of p (1 - t) + t (1 - p) over P + T, not 1 less the score; 0 where P + T is 0",
    "Focal": "the error of the label itself, 1 - p or p, and log1p(-p); the product is 0 where the error is 0",
    "FocalWithLogits": "sigmoid(-s z) and log1p(exp(-s z)) with s = 1 or -1, never 1 less a sigmoid",
    "GeneralizedDice": "one sum of weighted differences over the weighted total, not 1 less the score",
    "Hinge": "np.maximum(0, 1 - y * yhat), not a product with a mask",
    "Huber": "c = np.clip(r, -delta, delta), the slope c and the value c * (r - c / 2), without a second branch",
    "IoU": "one sum of p (1 - t) + t (1 - p) over the union, not 1 less the score; 0 where the union is 0",
    "MeanAbsoluteError": "np.abs(r) and np.sign(r), never a square",
    "MeanSquaredError": "r = yhat - y first, then r * r; divide by N before adding up",
    "NegativeLogLikelihood": "the number of the true class, picked by its index, not a product with a one-hot row",
    "SparseCategoricalCrossEntropy": "the logarithm of the true class, picked by its index, with nothing added",
    "WeightedCrossEntropy": "log1p(-p), and N - sum(p) as a sum of 1 - p; no term with the factor 0",
}
# What a hypothesis asks for, whatever the loss is.
WRITE = {
    "sums in its own format": "each loss divided by N before they are added up, or a sum in a wider format",
    "counts in its own format": "the number of losses as an integer or a float64",
    "counts in its own format, gradient too": "the number of losses as an integer or a float64",
    "the residual overflows": "halves of y and yhat, subtracted, where yhat - y overflows",
    "multiplies what is left out by 0": "np.where, which removes what is left out, not a product with 0",
    "not a number at infinity": "the limit where a prediction is infinite, chosen before the formula is worked out",
    "flushes subnormals": "arithmetic that keeps subnormal numbers, or a result scaled up",
    "differentiates both branches": "np.where on the inputs of a branch, so that the branch not chosen is finite",
    "returns 0 for nothing": "NaN for the mean over nothing, or a reduction that has no mean",
    "gradient through y/p": "softmax times the sum of the targets, less the targets, as the gradient",
    "one shift for all rows": "the largest logit of each row, z.max(axis=-1, keepdims=True), as the shift",
    "rows taken to sum to one": "softmax times the sum of the targets of the row, less the targets, as the gradient",
    "gradient σ(z) − y": "(1 - y) * sigmoid(z) - y * sigmoid(-z) as the slope",
    "gradient without weights": "the weights in the gradient, too",
    "focal factor of the batch mean": "the focal factor loss by loss, and the mean last",
}
FORMAT = "the formula in the dtype of the inputs, or ask with dtype= for the narrower one"
# What to leave out, by the start of a hypothesis's name.
EDGES = {
    "clips ": "Leave the clip out: the loss has limits without it",
    "logarithms ": "Leave the clip out: the loss has limits without it",
    "holds losses": "Leave the cap out",
    "adds ": "Leave the constant out: the loss has limits without it",
}
SLOPES = ("holds gradients", "slope over", "upstream")  # about the gradient alone
LOSING = (
    "gradient p − y",
    "splits the residual",
    "gradient y/p",
)  # gradients that lose digits: all other ones are another function


def instead(loss: Loss, names: Iterable[str] = (), level: str = "formula") -> str:
    """What to write instead, and the section of the loss's page; "" for a loss that has no page.

    names:  of the hypotheses that explain what is wrong, as in `Diagnosis.names`.
    level:  the first level that fails; it decides where no hypothesis is named.
    """
    name = type(loss).__name__
    if name not in FORMS:
        return ""
    given = set(names)
    known = [h for h in HYPOTHESES if h.name in given]
    other = [h for h in known if h.kind == "convention" and h.about != "gradient"] or known
    if "described" in given:
        return f"The formula that is due: {_section(loss, DEFINITION)}."
    for h in other:
        write = _write(h)
        if write:
            return f"{write} ({_section(loss, FLOATS if h.kind == 'defect' else DEFINITION)})."
    for start, left_out in EDGES.items():
        if any(n.startswith(start) for n in given):
            return f"{left_out} ({_section(loss, DEFINITION)})."
    if given and all(n.startswith(SLOPES) for n in given):
        return f"The gradient that is due: {_section(loss, GRADIENT)}."
    inaccurate = all(_loses_digits(h) for h in known) if known else not given and level in ("digits", "range")
    if inaccurate:
        return f"Write {FORMS[name]} ({_section(loss, FLOATS)})."
    if known and all(h.about == "gradient" for h in known):
        return f"The gradient that is due: {_section(loss, GRADIENT)}."
    return f"The formula that is due: {_section(loss, DEFINITION)}."


def with_its_parameters(loss: Any, names: tuple[str, ...]) -> str:
    """A loss and some of its parameters, as it is written."""

    def value(v: Any) -> str:
        if isinstance(v, np.ndarray):
            return str([float(f"{k:.{DIGITS}g}") for k in v.tolist()] if v.ndim == 1 else v.tolist())
        return f"{v:.{DIGITS}g}" if isinstance(v, float) else printed(v)

    return f"{type(loss).__name__}({', '.join(f'{n}={value(getattr(loss, n))}' for n in names)})"


def handed_over(loss: Any, other: Any) -> str:
    """What to do with a function that is another loss: hand it over as that, or write the one that is due."""
    names = tuple(sorted((f.name for f in fields(other)), key=lambda n: n == "reduction"))
    if type(other) is not type(loss):
        told = tuple(n for n in names if getattr(other, n) != getattr(type(other)(), n))
        return f"Hand it over as {with_its_parameters(other, told)}, or write {type(loss).__name__}."
    told = tuple(n for n in names if not _same(getattr(other, n), getattr(loss, n)))
    due = with_its_parameters(loss, told).partition("(")[2].removesuffix(")")
    return f"Hand it over as {with_its_parameters(other, told)}, or give it {due}."


def _same(a: Any, b: Any) -> bool:
    return a is b or bool(np.array_equal(a, b))


def other_loss(h: Hypothesis, questions: Sequence[Question]) -> Loss | None:
    """The loss that a hypothesis speaks of, if it is one of the catalogue for the same arguments; else None."""
    found: list[Loss] = []
    for q in questions:
        seen: list[tuple[Question, Answer]] = []

        def spy(asked: Question, seen: list[tuple[Question, Answer]] = seen) -> Answer:
            seen.append((asked, ours(asked)))
            return seen[-1][1]

        try:
            answer = h.change(q, spy)
        except NOT_APPLICABLE:
            return None
        if len(seen) != 1 or answer is not seen[0][1]:
            return None
        asked = seen[0][0]
        if asked.y is not q.y or asked.yhat is not q.yhat or asked.weight is not q.weight or asked.loss == q.loss:
            return None
        found.append(asked.loss)
    return found[0] if found and all(other == found[0] for other in found) else None


def _write(h: Hypothesis) -> str:
    """What one hypothesis asks for; "" if the loss decides."""
    if h.name in WRITE:
        return f"Write {WRITE[h.name]}"
    if h.inside:
        return f"Write {FORMAT}"
    return ""


def _loses_digits(h: Hypothesis) -> bool:
    """Whether a hypothesis is about digits or the range, not about the formula."""
    return h.kind == "defect" and (h.about != "gradient" or h.name in LOSING)


def _section(loss: Loss, section: str) -> str:
    """The page of a loss, and one of its sections."""
    return f"derivations/{stem(type(loss))}.md, {section}"
