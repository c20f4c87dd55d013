"""Numbers that no hypothesis names are described: one sentence that holds at every ordinary number."""

import numpy as np
import pytest
from numpy import abs as size
from numpy import where

from reflosses import (
    CrossEntropy,
    Hinge,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
)
from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import FORMATS
from reflosses.diagnosis.cases import Case
from reflosses.diagnosis.describe import described, unexplained
from reflosses.diagnosis.model import ours
from reflosses.diagnosis.moderate import moderate_questions

from diagnosis.as_written import (
    BCE,
    DICE,
    ENTROPY,
    FOCAL,
    HUBER,
    MSE,
    NONE,
    SUM,
    bce,
    cauchy_of,
    cross_entropy,
    each,
    focal,
    hinge,
    huber,
    huber_of,
    mean,
    of_rows,
    overlap,
    rows_of,
    smoothed,
    squared,
)
from diagnosis.conventions import POSITIVE, SMOOTH_DICE, WEIGHTS, pos_weighted, with_class_weights


def answered(candidate, loss, dtype="float64", kinds=(1, 2), weights=False):
    """The moderate questions that a candidate answers, and its answers."""
    form, cases = FORMATS[dtype], []
    with np.errstate(all="ignore"):
        for q in moderate_questions(loss, form, kinds, weights):
            given = candidate(q.y, q.yhat) if q.weight is None else candidate(q.y, q.yhat, q.weight)
            value, grad = given if isinstance(given, tuple) else (given, None)
            got = Answer(*(None if a is None else form.round(a) for a in (value, grad)))
            cases.append(Case(q, got, (np.zeros(()), np.zeros(())), (True, True)))
    return cases


def residual(y, yhat):
    return size(yhat - y)


def half_slope(y, yhat):
    """Huber with delta 1 and half of the slope beyond it."""
    r = yhat - y
    return where(size(r) <= 1, r * r / 2, size(r) - 0.5), where(size(r) <= 1, r, 0.5 * np.sign(r))


def without_half(y, yhat):
    """Huber with r² for ½r²."""
    v, g = huber(y, yhat, 0.7)
    return where(residual(y, yhat) < 0.7, 2 * v, v), g


def index_less_one(y, z):
    """Cross-entropy of the class before the one that is named; Python counts −1 from the end."""
    return cross_entropy((y - 1) % z.shape[-1], z)


def without_offset(y, yhat):
    """Huber with delta |r| beyond delta."""
    v, g = huber(y, yhat, 0.7)
    return where(residual(y, yhat) < 0.7, v, 0.7 * residual(y, yhat)), g


def positives_twice(y, p):
    """The losses of the label 1 twice."""
    v, g = focal(y, p, gamma=2.75, alpha=0.3)
    return where(y == 1, 2 * v, v), where(y == 1, 2 * g, g)


def true_class_twice(y, z):
    """Softmax less twice the target."""
    v, g = cross_entropy(y, z)
    return v, where(rows_of(y, z) == 1, 2 * g, g)


def mean_in_half(y, yhat):
    """The mean in float16."""
    r = (yhat - y).astype(np.float16)
    return float(np.mean(size(r) / np.float16(3)) * np.float16(3)), np.sign(yhat - y) / yhat.size


def all_pairs(y, yhat):
    """A column less a row, where both are rows; arrays of more axes are compared as they are."""
    if yhat.ndim != 1:
        return mean(squared)(y, yhat)
    r = yhat[:, None] - y
    return (r * r).mean(), 2 * r.sum(axis=1) / r.size


def largest_only(y, yhat):
    """The largest square, and its slope."""
    v, g = squared(y, yhat)
    return v.max(), where(np.arange(v.size).reshape(v.shape) == v.argmax(), g, 0)


def first_row_only(y, yhat):
    v, g = squared(y, yhat)
    first = np.zeros(v.shape)
    first[0] = 1
    return first * v, first * g


DESCRIBED = {
    "It is 1.25 times the loss.": (each(squared, value=1.25), MSE),
    "It is minus the loss.": (each(squared, value=-1.0), MSE),
    "It is 1/3 times the loss.": (each(squared, value=1 / 3), MSE),
    "It has the right gradient; its value is twice what is due.": (each(squared, value=2.0, grad=1.0), MSE),
    "It has the right value; its gradient is half of what is due.": (each(squared, value=1.0, grad=0.5), MSE),
    "It gives a value that is 3 times what is due; its gradient is half of what is due.": (
        each(squared, value=3.0, grad=0.5),
        MSE,
    ),
    "It gives a gradient that is minus what is due.": (lambda y, yhat: (None, -2 * (yhat - y)), MSE),
    "It has the right gradient; its value is 0.375 too large.": (
        lambda y, yhat: (squared(y, yhat)[0] + 0.375, squared(y, yhat)[1]),
        MSE,
    ),
    "It is half of the loss, multiplied by the number of losses.": (
        lambda y, yhat: tuple(a.sum() / 2 if k == 0 else a / 2 for k, a in enumerate(squared(y, yhat))),
        MeanSquaredError(),
    ),
    "It has the right gradient; its value is what is due, divided by the length of the last axis.": (
        lambda y, yhat: (squared(y, yhat)[0].sum() / yhat.shape[-1], squared(y, yhat)[1]),
        MeanSquaredError(**SUM),
    ),
    "It has the right value; its gradient is half of what is due where |r| > delta, and right elsewhere.": (
        half_slope,
        Huber(**NONE),
    ),
    "It has the right gradient; its value is twice what is due where |r| < delta, and right elsewhere.": (
        without_half,
        HUBER,
    ),
    "It has the right gradient; its value is 0.245 too large where |r| ≥ delta, and right elsewhere.": (
        without_offset,
        HUBER,
    ),
    "It is twice the loss where y = 1; elsewhere it is right.": (positives_twice, FOCAL),
    "It is the loss for the first row, and 0 elsewhere.": (first_row_only, MSE),
    "It is Huber(delta=1), not Huber(delta=0.7).": (huber_of(1.0), HUBER),
    "It is Huber(delta=1.345), not Huber(delta=0.7).": (mean(huber_of(1.345)), Huber(0.7)),
    "It is Focal(gamma=1.3), not Focal(gamma=2.75).": (lambda y, p: focal(y, p, gamma=1.3, alpha=0.3), FOCAL),
    "It is Focal(alpha=0.45), not Focal(alpha=0.3).": (lambda y, p: focal(y, p, gamma=2.75, alpha=0.45), FOCAL),
    "It is BinaryCrossEntropyWithLogits(pos_weight=2.5), not BinaryCrossEntropyWithLogits(pos_weight=3.7).": (
        each(pos_weighted(one=2.5, zero=1.0)),
        POSITIVE,
    ),
    "It is CrossEntropy(label_smoothing=0.07), not CrossEntropy(label_smoothing=0).": (smoothed(0.07), ENTROPY),
    "It is Dice(smooth_nr=0.9), not Dice(smooth_nr=0.3).": (
        lambda y, p: overlap(y, p, above=0.9, below=0.7),
        SMOOTH_DICE,
    ),
    "It is Dice(smooth_nr=0.35, smooth_dr=0.35), not Dice(smooth_nr=0, smooth_dr=0).": (
        lambda y, p: overlap(y, p, above=0.35, below=0.35),
        DICE,
    ),
    "It is CrossEntropy(class_weight=None), not CrossEntropy(class_weight=[0.25, 3.0, 0.75]).": (
        mean(cross_entropy),
        CrossEntropy(class_weight=WEIGHTS),
    ),
    "It is MeanSquaredError(), not MeanAbsoluteError.": (each(squared), MeanAbsoluteError(**NONE)),
    "It is half of MeanSquaredError(), not Huber.": (each(squared, value=0.5), HUBER),
    "It is 1.5 times Cauchy(delta=1.9), not Huber.": (lambda y, x: tuple(1.5 * a for a in cauchy_of(1.9)(y, x)), HUBER),
    "It has the right value; its gradient is that of Huber(delta=1.5).": (
        lambda y, x: (huber(y, x, 0.7)[0], huber(y, x, 1.5)[1]),
        HUBER,
    ),
    "It is the loss of class index y − 1.": (index_less_one, ENTROPY),
    "It is the loss of the targets 0.9 y + 0.1.": (lambda y, p: bce(0.9 * y + 0.1, p), BCE),
    "It is the loss of the targets 0.85 y + 0.15.": (of_rows(lambda row: 0.85 * row + 0.15), ENTROPY),
    "It is the sum of the losses, divided by the number of losses less 1.": (
        lambda y, x: (squared(y, x)[0].sum() / np.float64(x.size - 1), squared(y, x)[1] / np.float64(x.size - 1)),
        MeanSquaredError(),
    ),
    "It has the right gradient; its value is what is due, added up along the last axis.": (
        lambda y, x: (squared(y, x)[0].sum(axis=-1), squared(y, x)[1]),
        MSE,
    ),
    "It cuts each loss off at 4, and its gradient there is 0.": (
        lambda y, x: (np.fmin(squared(y, x)[0], 4.0), where(residual(y, x) > 2, 0, 2 * (x - y))),
        MSE,
    ),
    "It has the right value; its gradient is what is due, clipped at ±1.5.": (
        lambda y, x: (squared(y, x)[0], np.clip(2 * (x - y), -1.5, 1.5)),
        MSE,
    ),
    "It is CrossEntropy(class_weight=[0.25, 2.0, 0.75]), not CrossEntropy(class_weight=[0.25, 3.0, 0.75]).": (
        with_class_weights(np.array([0.25, 2.0, 0.75])),
        CrossEntropy(class_weight=WEIGHTS),
    ),
    "It is the loss of half of yhat.": (
        lambda y, z: (cross_entropy(y, z / 2)[0], cross_entropy(y, z / 2)[1] / 2),
        ENTROPY,
    ),
    "It is the loss of half of yhat, without that factor in the gradient.": (
        lambda y, z: cross_entropy(y, z / 2),
        ENTROPY,
    ),
    "It is 0.7 times the loss where r < 0, and 0.3 times the loss elsewhere.": (
        lambda y, x: (where(x < y, 0.7, 0.3) * residual(y, x), where(x < y, -0.7, 0.3)),
        MeanAbsoluteError(**NONE),
    ),
    "It is 0, whatever it is given.": (lambda y, x: (0 * x, 0 * x), MSE),
    "It is the largest loss.": (largest_only, MeanSquaredError()),
    "It has the right value; its gradient is right at the true class, and 0 elsewhere.": (
        lambda y, z: (cross_entropy(y, z)[0], cross_entropy(y, z)[1] * (rows_of(y, z) if y.ndim == 1 else 1)),
        ENTROPY,
    ),
    "It takes 0.5 for the 1 of max(0, 1 − y yhat).": (
        lambda y, x: (np.fmax(0.5 - y * x, 0), where(0.5 - y * x > 0, -y, 0)),
        Hinge(**NONE),
    ),
    "It has the right value; its gradient is right where the margin is below 0, and 0 elsewhere.": (
        lambda y, x: (hinge(y, x)[0], where(y * x < 0, -y, 0)),
        Hinge(**NONE),
    ),
    "It adds 0.03 to what it takes the logarithm of.": (
        lambda y, p: (
            -(y * np.log(p + 0.03) + (1 - y) * np.log(1.03 - p)),
            (1 - y) / (1.03 - p) - y / (p + 0.03),
        ),
        BCE,
    ),
    "It is the Tversky loss, with 0.3 for false positives and the rest of 1 for others.": (
        lambda y, p: 1 - (i := (y * p).sum(-1)) / (i + 0.3 * (p * (1 - y)).sum(-1) + 0.7 * (y * (1 - p)).sum(-1)),
        DICE,
    ),
    "It is 1.5 times the loss where y > 0; elsewhere it is right.": (
        lambda y, x: tuple(where(y > 0, 1.5, 1.0) * a for a in squared(y, x)),
        MSE,
    ),
    "It is the loss of 1 − y.": (lambda y, p: bce(1 - y, p), BCE),
    "It is the loss of −yhat.": (
        lambda y, z: (cross_entropy(y, -z)[0], -cross_entropy(y, -z)[1]),
        ENTROPY,
    ),
    "It is the loss of targets in reverse order.": (lambda y, x: squared(y[::-1], x), MSE),
    "It is the loss of every target with every prediction, as for shapes (n,) and (n, 1).": (
        all_pairs,
        MeanSquaredError(),
    ),
    "Its value has few digits, about as many as float16 has.": (mean_in_half, MeanAbsoluteError()),
    "It returns one loss each, not one number; asked so, it is half of the loss.": (
        each(squared, value=0.5),
        MeanSquaredError(),
    ),
}
INDEX_ONLY = ("It is the loss of class index",)


@pytest.mark.parametrize("text", list(DESCRIBED))
def test_what_numbers_show_is_said_in_one_sentence_that_predicts_them(text: str) -> None:
    candidate, loss = DESCRIBED[text]
    cases = answered(candidate, loss, kinds=(1,) if text.startswith(INDEX_ONLY) else (1, 2))
    found = described(cases, loss)
    assert found is not None
    assert found.text == text
    if found.hypothesis is None:
        assert "few digits" in text
        return
    assert f"It {found.hypothesis.phrase}" == text
    for case in cases:
        predicted = found.hypothesis.change(case.question, ours) or ours(case.question)
        for got, guess in zip(case.got[:2], predicted[:2], strict=True):
            if got is not None and guess is not None:
                finite = np.isfinite(got)
                np.testing.assert_array_equal(guess[~finite], got[~finite])
                half = 2.0**-26 * np.max(np.abs(got[finite]), initial=0.0)  # of the digits of the largest
                assert (np.abs(guess[finite] - got[finite]) <= half).all()


def test_nothing_is_said_of_a_right_candidate() -> None:
    for candidate, loss in ((each(squared), MSE), (mean(huber_of(0.7)), Huber(0.7)), (bce, BCE)):
        assert described(answered(candidate, loss), loss) is None


def oscillating(y, yhat):
    return np.cos(3 * yhat) + y, -3 * np.sin(3 * yhat)


def test_bounds_are_said_where_nothing_fits() -> None:
    cases = answered(lambda y, x: (squared(y, x)[0] * (1.25 + 0.75 * np.sin(50 * x)), 2 * (x - y)), MSE)
    assert described(cases, MSE) is None
    text = unexplained(cases, MSE).text
    assert text.startswith("No known explanation fits. At ordinary inputs the value is between 0.5")
    assert text.endswith(" times the loss's; the gradient is right.")
    cases = answered(lambda y, x: (squared(y, x)[0][..., None], np.full(x.shape, np.nan)), MSE)
    text = unexplained(cases, MSE).text
    assert text.endswith("the gradient is not a finite number.")
    assert "the value has shape (" in text
    assert described(answered(oscillating, HUBER), HUBER) is None


def test_one_number_is_no_evidence() -> None:
    one = [c for c in answered(lambda y, x: 1.3 * squared(y, x)[0], MSE) if c.question.yhat.shape == (1,)]
    assert len(one) == 1
    assert described(one, MSE) is None


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_few_digits_are_enough(dtype: str) -> None:
    found = described(answered(each(squared, value=1.25), MSE, dtype=dtype), MSE)
    assert found is not None
    assert found.text == "It is 1.25 times the loss."
