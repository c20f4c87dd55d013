"""Defects of any loss: a narrower format, a sum that overflows, a product with 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import FORMATS, Format
from reflosses.diagnosis.changes import alone, joined, lost, taking_part, weights
from reflosses.diagnosis.model import Change, Family, Hypothesis, Model, Question, ours
from reflosses.evaluation.domain import REAL
from reflosses.evaluation.stack import per_prediction
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits

FAMILY = Family()

NARROWER = ("float32", "bfloat16", "float16")


def _narrower(name: str, q: Question) -> Format | None:
    """The format of that name, if every number of it is one of the question's format."""
    low = FORMATS[name]
    return None if low.bits >= q.form.bits or low.top > q.form.top else low


def _rounded(answer: Answer, form: Format) -> Answer:
    """Value and gradient as numbers of a format."""
    value, grad = (None if a is None else form.round(a) for a in answer[:2])
    return Answer(value, grad)


def rounded_to(name: str) -> Change:
    """Results in a narrower format."""

    def change(q: Question, model: Model) -> Answer | None:
        low = _narrower(name, q)
        return None if low is None else _rounded(model(q), low)

    return change


for name in NARROWER:
    FAMILY.defect(
        f"rounds its results to {name}",
        says=f"rounds its results to {name}",
        seen_in="casts on the way out",
        inside=name,
        change=rounded_to(name),
    )


def computed_in(name: str) -> Change:
    """Everything in a narrower format."""

    def change(q: Question, model: Model) -> Answer | None:
        low = _narrower(name, q)
        if low is None:
            return None
        y = q.y if np.asarray(q.y).dtype.kind in "iu" else low.round(q.y)
        answer = model(replace(q, y=y, yhat=low.round(q.yhat), form=low))
        return _rounded(answer, low)

    return change


for name in NARROWER:
    FAMILY.defect(
        f"computes in {name}",
        says=f"computes in {name}, whatever it is given",
        seen_in="keras on JAX and torch" if name == "float32" else "",
        inside=name,
        change=computed_in(name),
    )
FAMILY.defect(
    "digits of float32",
    says="has only the digits of float32, though its results are of a wider format",
    seen_in="keras losses compiled in float64, which take means in float32",
    stored="neither",
    inside="float32",
    change=computed_in("float32"),
)


def in_float64(q: Question, model: Model) -> Answer | None:
    """Everything in float64, and results rounded to the narrower format that is asked for."""
    if q.form.bits >= FORMATS["float64"].bits:
        return None
    return _rounded(model(replace(q, form=FORMATS["float64"])), q.form)


# Alone it is right: it is told beside a formula that loses digits in float64, too. So it is in no family.
WIDER = Hypothesis("works in float64", "defect", says="works in float64, and rounds its results", change=in_float64)


def computed_value(name: str) -> Change:
    """The value in a narrower format."""

    def change(q: Question, model: Model) -> Answer | None:
        answer = rounded_to(name)(q, model)
        return None if answer is None else Answer(answer.value, model(q).grad)

    return change


FAMILY.defect(
    "value in float32",
    says="works its value out in float32, while the gradient keeps its digits",
    seen_in="casts of a loss",
    stored="value",
    inside="float32",
    change=computed_value("float32"),
)


def losses_of(q: Question, model: Model) -> Answer:
    """The losses one by one, of a model; our own if the model has none."""
    try:
        return alone(q, model)
    except ValueError:
        return alone(q, ours)


def sums_in_format(q: Question, model: Model) -> Answer | None:
    """The sum is rounded to the format before it is divided, and may overflow."""
    answer = model(q)
    if q.loss.reduction == "none" or q.loss.reads_all_predictions or answer.value is None or answer.value.ndim:
        return answer
    total = joined(q, losses_of(q, model), 1.0).value
    assert total is not None
    total = q.form.round(total)
    return Answer(np.where(np.isinf(total), total, answer.value), answer.grad)


FAMILY.defect(
    "sums in its own format",
    says="adds the losses up in the format of its inputs, which overflows before the mean is taken",
    scarce=True,
    change=sums_in_format,
)


def count_in_format(everywhere: bool) -> Change:
    """The number of losses is rounded to the format, and may be infinite; everywhere: in the gradient, too."""

    def change(q: Question, model: Model) -> Answer | None:
        answer = model(q)
        if q.loss.reduction != "mean" or q.loss.reads_all_predictions or answer.value is None or answer.grad is None:
            return None
        if not np.isinf(q.form.round(taking_part(q).sum())):
            return answer
        total = joined(q, losses_of(q, model), 1.0).value
        assert total is not None
        value = np.where(np.isfinite(q.form.round(total)), 0.0, np.nan)
        return Answer(value, np.zeros_like(answer.grad) if everywhere else answer.grad)

    return change


INFINITE = "counts the losses in the format of its inputs, where the count may be ∞: the mean is then 0, or ∞/∞"
FAMILY.defect(
    "counts in its own format",
    says=INFINITE,
    seen_in="float16 means of more than 65,504 losses",
    scarce=True,
    change=count_in_format(everywhere=False),
)
FAMILY.defect(
    "counts in its own format, gradient too",
    says=f"{INFINITE}, and the gradient is 0",
    seen_in="float16 means of more than 65,504 losses",
    scarce=True,
    change=count_in_format(everywhere=True),
)


def residual_first(q: Question, model: Model) -> Answer | None:
    """yhat − y is rounded to the format, and may overflow."""
    if q.loss.domain.y is not REAL:
        return None
    return model(replace(q, y=np.zeros(q.yhat.shape), yhat=q.form.round(q.yhat - q.y)))


FAMILY.defect(
    "the residual overflows",
    says="subtracts y from yhat in the format of its inputs, which overflows where the loss does not",
    seen_in="numpy, torch and jax means of errors",
    scarce=True,
    change=residual_first,
)


def ignored_times_zero(q: Question, model: Model) -> Answer | None:
    """Ignored losses and losses of weight 0 are multiplied by 0: ∞ becomes NaN."""
    answer, left_out = model(q), weights(q) == 0
    if not left_out.any() or q.loss.reads_all_predictions or answer.value is None or answer.grad is None:
        return answer
    part = taking_part(q)
    y = q.y if part.all() else np.where(part == 0, 0, q.y).astype(np.asarray(q.y).dtype)
    each = losses_of(replace(q, y=y), model).value
    assert each is not None
    nothing = np.where(left_out & ~np.isfinite(each), np.nan, 0.0)
    value = answer.value + (nothing if q.loss.reduction == "none" else nothing.sum())
    return Answer(value, answer.grad + per_prediction(q.loss, nothing, q.yhat.shape))


FAMILY.defect(
    "multiplies what is left out by 0",
    says="multiplies losses that are ignored, or of weight 0, by 0, which does not remove infinities and NaN",
    seen_in="torch cross_entropy, keras sample_weight",
    scarce=True,
    change=ignored_times_zero,
)


def flushed(q: Question, model: Model) -> Answer | None:
    """Results below the smallest normal number are 0."""
    value, grad = (None if a is None else np.where(np.abs(a) < q.form.tiny, 0.0, a) for a in model(q)[:2])
    return Answer(value, grad)


FAMILY.defect(
    "flushes subnormals",
    says="gives 0 for results below the smallest normal number",
    seen_in="scipy.special.expit, JAX on CPUs",
    blank=True,
    change=flushed,
)


def lost_at_infinity(q: Question, model: Model) -> Answer | None:
    """Losses of infinite predictions are not numbers."""
    answer, bound = model(q), q.bound
    if not np.isinf(q.yhat).any() or answer.value is None or answer.grad is None:
        return answer
    infinite = np.isinf(bound.arrange(q.yhat)).reshape(bound.units, -1).any(axis=1)
    return lost(q, answer, infinite.reshape(bound.value_shape))


FAMILY.defect(
    "not a number at infinity",
    says="gives NaN for infinite predictions, which have a limit",
    seen_in="differences and products with ∞, as in optax sigmoid_focal_loss",
    blank=True,
    change=lost_at_infinity,
)


def zero_times_logit(q: Question, model: Model) -> Answer | None:
    """The value NaN, from 0 · ∞, where the loss of an infinite logit is 0; the gradient is right."""
    answer = model(q)
    if not isinstance(q.loss, BinaryCrossEntropyWithLogits) or answer.value is None:
        return None
    return lost(q, answer, np.isinf(q.yhat) & (losses_of(q, model).value == 0), slopes=False)


FAMILY.defect(
    "0 · an infinite logit",
    says="multiplies 0 by an infinite logit, which is not a number",
    scarce=True,
    change=zero_times_logit,
)
