"""Formulas that are read off numbers: terms, quotients, other losses, functions, reductions, class weights."""

import numpy as np
import pytest
import scipy.special as sp
from numpy import abs as size
from numpy import exp, log, log1p, where

from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Cauchy,
    CrossEntropy,
    Dice,
    Focal,
    FocalWithLogits,
    GeneralizedDice,
    Hinge,
    Huber,
    IoU,
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    SparseCategoricalCrossEntropy,
    WeightedCrossEntropy,
)
from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import FORMATS
from reflosses.diagnosis.cases import Case
from reflosses.diagnosis.describe import LAST, TIERS, described
from reflosses.diagnosis.model import Question

from diagnosis.as_written import BCE, DICE, ENTROPY, HUBER, LOGITS, MSE, NONE, bce, cross_entropy, huber
from diagnosis.test_describe import answered

OMEGA = np.array([[4.0, 1.5], [1.5, 0.75]])
VECTORS = Cauchy(information=OMEGA.tolist(), **NONE)
NLL, SPARSE = NegativeLogLikelihood(**NONE), SparseCategoricalCrossEntropy(**NONE)
FOCAL, MEAN_HINGE = Focal(gamma=2.0, **NONE), Hinge()
CLASSES = GeneralizedDice(axis=-1)
SUDRE = WeightedCrossEntropy()


def at(a, y):
    return a[np.arange(len(y)), y.astype(int)]


def over(weights, y, p):
    """Generalised Dice of arrays of (pixels, classes) with given class weights."""
    return 1 - 2 * (weights * (y * p).sum(0)).sum() / (weights * (y + p).sum(0)).sum()


def vectors(matrix, slope):
    def candidate(y, x):
        e = x - y
        s = np.einsum("ni,ij,nj->n", e, matrix, e)
        return log1p(s), 2 * e @ slope / (1 + s)[:, None]

    return candidate


def softmax_rows(y, z):
    return sp.softmax(z, axis=-1), np.eye(z.shape[-1])[y.astype(int)]


def sigmoids(y, z):
    row = np.eye(z.shape[-1])[y.astype(int)]
    return (row * np.logaddexp(0, -z) + (1 - row) * np.logaddexp(0, z)).sum(-1), sp.expit(z) - row


def mean_hinge(y, s):
    return max(0.0, float(np.mean(1 - y * s)))


R_IS = ", with r = yhat − y."
P_IS = ", with p = softmax(z) and y the row of the true class."
PTI = ", with I = Σ p y, P = Σ p and T = Σ y."
DUE_HUBER = "not ½ r² where |r| ≤ delta and delta |r| − ½ delta² elsewhere"
SAID = {
    # terms
    "It is (p − y)², not −y log p − (1 − y) log(1 − p).": (lambda y, p: ((p - y) ** 2, 2 * (p - y)), BCE),
    "It is −y log p − (1 − y) log p, not −y log p − (1 − y) log(1 − p).": (lambda y, p: -log(p), BCE),
    "It has the right value; its gradient is 1 − y/p, not (1 − y)/(1 − p) − y/p.": (
        lambda y, p: (bce(y, p)[0], (p - y) / p),
        BCE,
    ),
    "It is −(1 − y) (1 − p)² log(1 − p) − y p² log p, not −(1 − p_t)^gamma log p_t.": (
        lambda y, p: -where(y == 1, p**2 * log(p), (1 - p) ** 2 * log(1 - p)),
        FOCAL,
    ),
    "It is |z| − y log σ(z) − (1 − y) log(1 − σ(z)), not −y log σ(z) − (1 − y) log(1 − σ(z)), with σ the sigmoid.": (
        lambda y, z: np.maximum(z, 0) - y * z + log1p(exp(size(z))),
        LOGITS,
    ),
    "It is the loss of the targets minus y.": (lambda y, z: np.logaddexp(0, z) + y * z, LOGITS),
    f"It is Σ (p − y)², not −Σ y log p{P_IS}": (
        lambda y, z: ((softmax_rows(y, z)[0] - softmax_rows(y, z)[1]) ** 2).sum(-1),
        ENTROPY,
    ),
    f"It has the right value; its gradient is p, not p Σ y − y{P_IS}": (
        lambda y, z: (cross_entropy(y, z)[0], softmax_rows(y, z)[0]),
        ENTROPY,
    ),
    "It is −Σ y log σ(z) − Σ (1 − y) log(1 − σ(z)), not −Σ y log p, "
    "with p = softmax(z), y the row of the true class and σ the sigmoid.": (sigmoids, ENTROPY),
    "It is −Σ y p, not −Σ y log p, with log p = yhat and y the row of the true class.": (
        lambda y, a: -exp(at(a, y)),
        NLL,
    ),
    "It is 1 − Σ y p, not −Σ y log p, with y the row of the true class.": (lambda y, p: 1 - at(p, y), SPARSE),
    # regions
    f"It is 0.7 |r| − 0.245 where |r| < delta and ½ r² where |r| ≥ delta, {DUE_HUBER}{R_IS}": (
        lambda y, x: where(size(x - y) < 0.7, 0.7 * size(x - y) - 0.245, 0.5 * (x - y) ** 2),
        HUBER,
    ),
    f"It is ½ r² where r² < delta and 0.7 |r| − 0.245 where r² ≥ delta, {DUE_HUBER}{R_IS}": (
        lambda y, x: where((x - y) ** 2 < 0.7, 0.5 * (x - y) ** 2, 0.7 * size(x - y) - 0.245),
        HUBER,
    ),
    "It is 1 − m, not max(0, 1 − m), with m = y yhat.": (lambda y, s: (1 - y * s, -y), Hinge(**NONE)),
    "It is 0.5 − m where m < 0 and 0.5 + ½ m² − m where 0 ≤ m < 1, not max(0, 1 − m), with m = y yhat.": (
        lambda y, s: where(y * s >= 1, 0, where(y * s <= 0, 0.5 - y * s, 0.5 * (1 - y * s) ** 2)),
        Hinge(**NONE),
    ),
    # quotients
    f"It is 1 − I/(P + T), not 1 − (I + smooth_nr)/(P + T − I + smooth_dr){PTI}": (
        lambda y, p: 1 - (y * p).sum(-1) / (y + p).sum(-1),
        IoU(axis=-1, **NONE),
    ),
    f"It is 1 − (2 I + 1)/(P + T + 2), not 1 − (2 I + smooth_nr)/(P + T + smooth_dr){PTI}": (
        lambda y, p: 1 - (2 * (y * p).sum(-1) + 1) / ((y + p).sum(-1) + 2),
        Dice(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE),
    ),
    # other losses
    f"It is 0.25 times the Welsch loss 1 − exp(−r²/0.5²), not delta² log(1 + r²/delta²){R_IS}": (
        lambda y, x: 0.25 * -np.expm1(-(((x - y) / 0.5) ** 2)),
        Cauchy(delta=0.5, **NONE),
    ),
    f"It is Tukey's biweight with c = 0.7, {DUE_HUBER}{R_IS}": (
        lambda y, x: 0.49 / 6 * (1 - (1 - np.clip((x - y) / 0.7, -1, 1) ** 2) ** 3),
        HUBER,
    ),
    "It is the loss with the inverse of the information matrix, which is the covariance.": (
        vectors(np.linalg.inv(OMEGA), np.linalg.inv(OMEGA)),
        VECTORS,
    ),
    "It has the right value; its gradient is 2 e/(1 + eᵀΩe), without the factor Ω.": (
        vectors(OMEGA, np.eye(2)),
        VECTORS,
    ),
    "It multiplies both terms by the weight (N − Σp)/Σp, not that of the label 1 alone.": (
        lambda y, p: (p.size - p.sum()) / p.sum() * np.mean(bce(y, p)[0]),
        SUDRE,
    ),
    "It takes N/Σp for the weight of the foreground.": (
        lambda y, p: -np.mean(p.size / p.sum() * sp.xlogy(y, p) + sp.xlog1py(1 - y, -p)),
        SUDRE,
    ),
    # functions of arguments and of losses, reductions
    "It is the loss of log(1 + |x|) for x = y and x = yhat.": (
        lambda y, x: (log1p(size(x)) - log1p(size(y))) ** 2,
        MSE,
    ),
    "It is the loss of tanh of yhat.": (
        lambda y, x: ((np.tanh(x) - y) ** 2, 2 * (np.tanh(x) - y) / np.cosh(x) ** 2),
        MSE,
    ),
    "It is the loss of tanh of yhat, without the derivative of that.": (
        lambda y, x: ((np.tanh(x) - y) ** 2, 2 * (np.tanh(x) - y)),
        MSE,
    ),
    "It is the loss of sorted y and yhat.": (
        lambda y, x: np.mean(size(np.sort(x, axis=0) - np.sort(y, axis=0))),
        MeanAbsoluteError(),
    ),
    "It is the exponential of the mean.": (lambda y, z: exp(cross_entropy(y, z)[0].mean()), CrossEntropy()),
    "It is the median of the losses.": (lambda y, x: np.median(size(x - y)), MeanAbsoluteError()),
    "It is the mean of the losses above 0.": (
        lambda y, s: (v := np.maximum(0, 1 - y * s)).sum() / max(1, (v > 0).sum()),
        MEAN_HINGE,
    ),
    "It is the loss of the mean of the margins, not the mean of the losses.": (mean_hinge, MEAN_HINGE),
    "It is the loss of residuals whose mean is subtracted first.": (
        lambda y, x: np.var(x - y),
        MeanSquaredError(),
    ),
    "It is the loss of every target with every prediction, as where shapes (n, 1) and (n,) are broadcast.": (
        lambda y, x: np.mean((x.reshape(-1, 1) - y.reshape(1, -1)) ** 2),
        MeanSquaredError(),
    ),
    "It is the sum of the losses, divided by the sum of 1 + (pos_weight − 1) y.": (
        lambda y, z: (3 * y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)).sum() / (1 + 2 * y).sum(),
        BinaryCrossEntropyWithLogits(pos_weight=3.0),
    ),
    "It takes ignored rows for class 0.": (
        lambda y, z: cross_entropy(where(y == -100, 0, y), z)[0].mean(),
        CrossEntropy(ignore_index=-100),
    ),
}
LABELS = {ENTROPY, NLL, SPARSE, CrossEntropy(), CrossEntropy(ignore_index=-100)}


@pytest.mark.parametrize("text", SAID)
def test_what_is_read_off_the_numbers_is_the_formula_that_was_written(text: str) -> None:
    candidate, loss = SAID[text]
    cases = answered(candidate, loss, kinds=(1,) if loss in LABELS else (1, 2))
    found = described(cases, loss) or described(cases, loss, tiers=LAST)
    assert found is not None
    assert found.text == text


def test_what_is_known_of_one_part_is_said_where_nothing_is_known_of_the_other() -> None:
    def candidate(y, p):
        return (p - y) ** 2, np.sin(50 * p)

    found = described(answered(candidate, BCE), BCE)
    assert found is not None
    assert found.hypothesis is None
    assert found.text == (
        "Its value is (p − y)², not −y log p − (1 − y) log(1 − p). No known explanation fits its gradient."
    )


def test_intervals_with_one_formula_are_one_interval() -> None:
    def candidate(y, x):  # a hinge of embeddings: x for y = 1, max(0, 1 − x) for y = −1
        return np.sin(50 * x), np.where(y > 0, 1.0, np.where(x < 1, -1.0, 0.0))

    loss = Hinge(**NONE)
    found = described(answered(candidate, loss), loss)
    assert found is not None
    assert found.text.startswith("Its gradient is ½ y + 0.5 where m < −1 and y where m ≥ −1, not ")


def test_equal_losses_share_the_slope_of_the_largest() -> None:
    def candidate(y, x):
        v = size(x - y)
        return v.max(), np.sign(x - y) * (v == v.max()) / (v == v.max()).sum()

    found = described(answered(candidate, MeanAbsoluteError()), MeanAbsoluteError())
    assert found is not None
    assert found.text == "It is the largest loss."


def test_class_weights_of_a_volume_with_a_guard_are_told() -> None:
    def candidate(y, p):
        return over(1 / (y.sum(0) ** 2 + 1e-2), y, p)

    rng, cases = np.random.default_rng(5), []
    for _ in range(6):
        y, p = rng.integers(0, 2, (5, 3)) * 1.0, rng.integers(1, 64, (5, 3)) / 64
        q = Question(CLASSES, y, p, None, FORMATS["float64"])
        got = Answer(np.asarray(candidate(y, p)), None)
        cases.append(Case(q, got, (np.zeros(()), np.zeros(())), (True, True)))
    found = described(cases, CLASSES)
    assert found is not None
    assert found.text.startswith("It weighs the classes by 1/(V² + 0.01), not by 1/V² of the true volumes V")


def test_a_formula_is_read_from_calls_of_one_loss_where_means_are_few() -> None:
    loss = FocalWithLogits(gamma=2.0)
    cases = answered(lambda y, z: np.mean(2 * sp.expit(-(2 * y - 1) * z) * np.logaddexp(0, -(2 * y - 1) * z)), loss)
    single = [c for c in cases if c.question.yhat.size == 1]
    found = described(cases, loss, more=single)
    assert found is not None
    assert found.text.startswith("It is −2 y (1 − σ(z)) log σ(z) − 2 (1 − y) σ(z) log(1 − σ(z)), not ")


@pytest.mark.parametrize(
    ("candidate", "loss"),
    [
        (lambda y, x: huber(y, x, 0.7), HUBER),
        (bce, BinaryCrossEntropy(**NONE)),
        (lambda y, p: 1 - 2 * (y * p).sum(-1) / (y + p).sum(-1), DICE),
        (lambda y, x: np.mean((x - y) ** 2), MeanSquaredError()),
        (lambda y, x: (huber(y, x, 0.7)[0] * (1.5 + np.sin(50 * x)), huber(y, x, 0.7)[1]), Huber(0.7, **NONE)),
    ],
)
def test_nothing_is_read_into_right_numbers_or_into_noise(candidate, loss) -> None:
    cases = answered(candidate, loss)
    for tiers in (TIERS, LAST):
        assert described(cases, loss, tiers=tiers) is None
