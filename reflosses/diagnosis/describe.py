"""If no known explanation fits: a sentence that says what the numbers show.

The simplest fact that holds at every ordinary number is told: a factor, another parameter, another loss, other
arguments, a factor on a subset. Value and gradient are described apart where they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.alternatives import (
    linear_targets,
    other_arguments,
    other_class_weights,
    other_constants,
    other_losses,
    other_losses_fitted,
    other_parameters,
    scaled_predictions,
)
from reflosses.diagnosis.cases import Case
from reflosses.diagnosis.compositions import (
    every_pair,
    functions_of_arguments,
    functions_of_losses,
    ignored_as_a_class,
    other_reductions,
    residuals_less_their_mean,
    without_a_class,
)
from reflosses.diagnosis.facts import (
    GRADIENT,
    PARTS,
    SMALL_PART,
    VALUE,
    Evidence,
    Fact,
    by_axis,
    by_count,
    by_difference,
    by_factor,
    by_limit,
    few_digits,
)
from reflosses.diagnosis.model import Change, Hypothesis, Model, Question, ours, remembered
from reflosses.diagnosis.readings import read_formula, read_quotient
from reflosses.diagnosis.relatives import class_weights, foreground_weights, other_information, robust_losses
from reflosses.diagnosis.subsets import partly
from reflosses.evaluation.domain import REAL, Labels, Logit
from reflosses.evaluation.loss import Loss

NAME = "described"
CLOSE = 0.01  # a smaller difference is said as such
# From the simplest to the least simple. All facts of a tier are tried before the next one is.
Tiers = tuple[tuple[Callable[[Evidence], Iterator[Fact]], ...], ...]
TIERS: Tiers = (
    (by_factor, by_difference),
    (by_count, by_axis),
    (by_limit, other_reductions),
    (other_losses,),
    (other_parameters,),
    (other_losses_fitted,),
    (other_information, class_weights, foreground_weights),
    (other_arguments,),
    (other_constants,),
    (robust_losses,),
    (other_class_weights,),
    (scaled_predictions,),
    (every_pair, residuals_less_their_mean, ignored_as_a_class, without_a_class),
    (linear_targets,),
    (partly,),
    (read_formula,),
    (functions_of_losses,),
    (functions_of_arguments,),
)
LAST: Tiers = ((read_quotient,),)  # after two known explanations at once


@dataclass(frozen=True)
class Description:
    """What the numbers of a candidate show.

    text:        one or two sentences.
    hypothesis:  predicts every ordinary number; None if the text does not.
    remedy:      what to do, if the page of the loss is not the answer.
    """

    text: str
    hypothesis: Hypothesis | None = None
    remedy: str = ""


def described(
    cases: list[Case], loss: Loss, model: Model | None = None, more: Iterable[Case] = (), tiers: Tiers = TIERS
) -> Description | None:
    """The simplest fact that holds at every number of the cases; None if all are right, or if none holds.

    cases: questions of the loss at ordinary inputs, and the candidate's answers. more: calls of one loss each.
    """
    with np.errstate(all="ignore"):
        asked = [replace(c, question=replace(c.question, loss=loss)) for c in cases if not c.got.error]
        evidence = Evidence(asked, model or remembered(ours), more)
        if not evidence.cases or all(evidence.right.values()):
            return None
        found = _found(evidence, tiers)
        if found is not None:
            return _description(*found)
        if tiers is LAST:
            return None
        return _unreduced(asked, loss, evidence.model) or _of_few_digits(evidence) or _of_one_part(evidence)


def unexplained(cases: list[Case], loss: Loss, model: Model | None = None, more: Iterable[Case] = ()) -> Description:
    """What is known if nothing fits: where the numbers are wrong, or in which bounds they are."""
    with np.errstate(all="ignore"):
        asked = [replace(c, question=replace(c.question, loss=loss)) for c in cases if not c.got.error]
        evidence = Evidence(asked, model or remembered(ours), more)
        known = [_interval(evidence, part) or _bounds(evidence, part) for part in evidence.parts]
        where = f" At ordinary inputs {'; '.join(known)}." if known else ""
        return Description(f"No known explanation fits.{where}")


def _found(evidence: Evidence, tiers: Tiers = TIERS) -> tuple[str, Change, str] | None:
    """What is said, its predictions and the remedy: one fact for both parts, or one for each that is wrong."""
    best: dict[int, Fact] = {}
    for tier in tiers:
        for make in tier:
            for fact in make(evidence):
                held = [p for p in evidence.parts if evidence.holds(p, fact.change)]
                if len(held) == len(evidence.parts) and fact.both:
                    return _alone(fact, evidence.parts), fact.change, fact.remedy
                for p in held:
                    best.setdefault(p, fact)
        if all(right or p in best for p, right in evidence.right.items()):
            return *_apart(evidence, best), ""
    evidence.found |= {p: fact.part for p, fact in best.items() if not evidence.right[p]}
    return None


def _alone(fact: Fact, parts: list[int]) -> str:
    """What is said of a fact that holds for all that the candidate gives."""
    return f"gives a gradient that is {fact.part}" if parts == [GRADIENT] else fact.both


def _apart(evidence: Evidence, best: dict[int, Fact]) -> tuple[str, Change]:
    """Value and gradient, each with its own fact. A part without one is right."""
    value, grad = best.get(VALUE), best.get(GRADIENT)
    if evidence.right.get(VALUE):
        value = None
    if evidence.right.get(GRADIENT):
        grad = None

    def change(q: Question, model: Model) -> Answer:
        first, second = (model(q) if f is None else f.change(q, model) or model(q) for f in (value, grad))
        return Answer(first.value, second.grad)

    if grad is None:
        assert value is not None
        right = "has the right gradient; " if GRADIENT in evidence.parts else ""
        return (f"{right}its value is {value.part}" if right else f"gives a value that is {value.part}"), change
    if value is None:
        return f"has the right value; its gradient is {grad.part}", change
    return f"gives a value that is {value.part}; its gradient is {grad.part}", change


def _description(says: str, change: Change, remedy: str = "") -> Description:
    """A description that predicts numbers, as search can use it."""
    hypothesis = Hypothesis(NAME, "convention", says=says, change=change)
    return Description(f"It {hypothesis.phrase}", hypothesis, remedy)


def _unreduced(cases: list[Case], loss: Loss, model: Model) -> Description | None:
    """The description of one loss each, where one number is due."""
    if loss.reduction == "none":
        return None
    for case in cases:
        value = case.got.value
        if value is None or not value.ndim or value.shape != case.question.bound.value_shape:
            return None
    each = [replace(c, question=c.question.of(reduction="none")) for c in cases if c.question.weight is None]
    evidence = Evidence(each, model)
    found = _found(evidence) if evidence.cases and not all(evidence.right.values()) else None
    if found is None:
        return None
    says, change, _ = found

    def unreduced(q: Question, model: Model) -> Answer | None:
        return change(q.of(reduction="none"), model)

    return _description(f"returns one loss each, not one number; asked so, it {says}", unreduced)


def _of_one_part(evidence: Evidence) -> Description | None:
    """What is known of one part, where nothing is known of the other."""
    if len(evidence.found) != 1:
        return None
    ((part, said),) = evidence.found.items()
    return Description(f"Its {PARTS[part]} is {said}. No known explanation fits its {PARTS[1 - part]}.")


def _of_few_digits(evidence: Evidence) -> Description | None:
    """Parts that have the digits of a narrower format, if the others are right."""
    said = []
    for part in evidence.parts:
        if not evidence.right[part]:
            low = few_digits(evidence, part)
            if not low:
                return None
            said.append(f"Its {PARTS[part]} has few digits, about as many as {low} has.")
    return Description(" ".join(said))


def _interval(evidence: Evidence, part: int) -> str:
    """In which interval of residuals, margins, probabilities or logits a part is wrong, if it is right elsewhere."""
    points: list[tuple[float, bool]] = []
    name = ""
    for case in [*evidence.cases, *evidence.more]:
        q, got, own = case.question, case.got[:2][part], evidence.model(case.question)[:2][part]
        if q.loss.layout.groups or q.loss.reads_all_predictions or got is None or own is None:
            continue
        if got.shape != own.shape or got.size != q.yhat.size or q.weight is not None:
            continue
        domain = q.loss.domain
        if domain.y is REAL:
            name, x = "|r|", np.abs(q.yhat - q.y)
        elif isinstance(domain.y, Labels) and min(domain.y.values) < 0:
            name, x = "the margin", q.yhat * q.y
        else:
            name, x = ("z" if isinstance(domain.yhat, Logit) else "p"), q.yhat
        wrong = ~(np.abs(got - own) <= q.form.eps**0.5 * np.abs(own))
        points += zip(np.ravel(x).tolist(), np.ravel(wrong).tolist(), strict=True)
    bad, good = ([x for x, wrong in points if wrong is which] for which in (True, False))
    if not bad or not good or any(min(bad) <= x <= max(bad) for x in good):
        return ""
    low, high = (f"{x:.3g}".replace("-", "−") for x in (min(bad), max(bad)))
    if max(good) < min(bad):
        where = f"{name} ≥ {low}"
    elif min(good) > max(bad):
        where = f"{name} ≤ {high}"
    else:
        where = f"{name} is between {low} and {high}" if low != high else f"{name} is {low}"
    return f"the {PARTS[part]} is wrong where {where}, and right elsewhere"


def _bounds(evidence: Evidence, part: int) -> str:
    """Between which multiples of the loss's numbers a part is."""
    name = PARTS[part]
    if evidence.right[part]:
        return f"the {name} is right"
    ratios, shapes = [np.zeros(0)], set()
    for k in evidence.order:
        got, own = evidence.cases[k].got[:2][part], evidence.own[k][:2][part]
        if got is None or own is None:
            continue
        if got.shape != own.shape:
            shapes.add(f"the {name} has shape {got.shape}, not {own.shape}")
            continue
        known = np.abs(own) > SMALL_PART * np.max(np.abs(own), initial=0.0)
        ratios.append((got[known] / own[known]).ravel())
    every = np.concatenate(ratios)
    if shapes or not len(every):
        return min(shapes, default=f"the {name} is wrong")
    lost = float(np.mean(~np.isfinite(every)))
    if lost:
        return f"the {name} is not a finite number" + (f" in {lost:.0%} of all places" if lost < 1 else "")
    if not every.any():
        return f"the {name} is 0"
    off = float(np.max(np.abs(every - 1)))
    if off < CLOSE:
        return f"the {name} is off by up to {off:.0e} of itself"
    low, high = (f"{k:.3g}".replace("-", "−") for k in (every.min(), every.max()))
    return f"the {name} is between {low} and {high} times the loss's"
