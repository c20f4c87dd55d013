"""What is wrong at hard inputs alone: constants that are read off the numbers, and words where nothing is known."""

from typing import Any

import numpy as np
import pytest
import scipy.special as sp
from numpy import abs as size
from numpy import log, log1p, where

from reflosses import (
    BinaryCrossEntropy,
    Focal,
    Hinge,
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    SparseCategoricalCrossEntropy,
)
from reflosses.comparison.candidate import Answer
from reflosses.comparison.expected import exact, reduced
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.interview import Answered
from reflosses.diagnosis.model import ours
from reflosses.diagnosis.search import diagnose
from reflosses.diagnosis.upstream import upstream_fault

from diagnosis.as_written import BCE, ENTROPY, HUBER, LOGITS, MSE, NONE, bce, huber, logits, squared


def clipped_logits(c, slope=0.0):
    def candidate(y, z):
        v, g = logits(y, np.clip(z, -c, c))
        return v, where(size(z) > c, slope * g, g)

    return candidate


def clipped(c, high=None):
    def candidate(y, p):
        q = np.clip(p, c, 1 - c if high is None else high)
        return -(sp.xlogy(y, q) + sp.xlog1py(1 - y, -q))

    return candidate


def at(a, y):
    return a[np.arange(len(y)), y]


def focal_clipped(y, p):
    q = np.clip(p, 3e-4, 1 - 3e-4)
    p_t = where(y == 1, q, 1 - q)
    return -((1 - p_t) ** 2) * log(p_t)


SAID = {
    "It clips logits at ±15, so that beyond it its value stays at 15, with the slope 0 there.": (
        LOGITS,
        clipped_logits(15.0),
    ),
    "It clips logits at ±20, so that beyond it its value stays at 20, and gives the slope there all the same.": (
        LOGITS,
        clipped_logits(20.0, slope=1.0),
    ),
    "It clips probabilities at 3e-6, so that beyond it its value stays at 12.72.": (BCE, clipped(3e-6)),
    "It clips probabilities at 2e-9 from below, so that beyond it its value stays at 20.03.": (
        BCE,
        clipped(2e-9, high=1.0),
    ),
    "It adds 3e-5 to what it takes the logarithm of.": (
        BCE,
        lambda y, p: -(y * log(p + 3e-5) + (1 - y) * log(1 - p + 3e-5)),
    ),
    "It divides its gradient by p (1 − p) or 1e-6, whichever is larger.": (
        BinaryCrossEntropy(**NONE),
        lambda y, p: (bce(y, p)[0], (p - y) / np.maximum(p * (1 - p), 1e-6)),
    ),
    "It divides its gradient by p (1 − p) + 1e-9.": (
        BinaryCrossEntropy(**NONE),
        lambda y, p: (bce(y, p)[0], (p - y) / (p * (1 - p) + 1e-9)),
    ),
    "It clips probabilities at 0.0003, so that beyond it its value stays at 8.107.": (
        Focal(gamma=2.0, **NONE),
        focal_clipped,
    ),
    "It holds log-probabilities at −80 or more.": (
        NegativeLogLikelihood(**NONE),
        lambda y, a: -np.maximum(at(a, y), -80),
    ),
    "It clips probabilities at 3e-5 from below, so that beyond it its value stays at 10.41.": (
        SparseCategoricalCrossEntropy(**NONE),
        lambda y, p: -log(np.maximum(at(p, y), 3e-5)),
    ),
    "It holds each loss at 100 or less.": (Hinge(**NONE), lambda y, s: np.minimum(np.maximum(0, 1 - y * s), 100.0)),
    "It clips residuals at ±5000, so that beyond it its value stays at 2.5e7.": (
        MeanSquaredError(**NONE),
        lambda y, x: np.clip(x - y, -5000, 5000) ** 2,
    ),
    "It holds its gradient between −1000 and 1000.": (
        MSE,
        lambda y, x: (squared(y, x)[0], np.clip(2 * (x - y), -1e3, 1e3)),
    ),
}


@pytest.mark.parametrize("text", SAID)
def test_a_constant_is_read_off_the_numbers(text: str) -> None:
    loss, candidate = SAID[text]
    with np.errstate(all="ignore"):
        found = diagnose(candidate, loss, targets="index" if "axis" in str(loss) else "auto")
    assert str(found) == text


def test_a_clip_and_a_lost_tail_are_told_together() -> None:
    found = diagnose(lambda y, z: -at(sp.log_softmax(np.clip(z, -50, 50), 1), y), ENTROPY, targets="index")
    assert "subtracts the largest logit" in str(found)
    assert "clips logits at ±50" in str(found)
    assert found.remedy.startswith("Leave the clip out")


def test_no_clip_is_told_of_a_focal_loss_that_holds_its_logarithms() -> None:
    """Logarithms of at least −100 and a factor alpha: 25 is no clip of probabilities."""

    def candidate(y, p):
        nats = -(y * np.maximum(log(p), -100) + (1 - y) * np.maximum(log1p(-p), -100))
        return 0.25 * (1 - np.exp(-nats)) ** 2 * nats

    with np.errstate(all="ignore"):
        found = diagnose(candidate, Focal(gamma=2.0, alpha=0.25, **NONE))
    assert found.names[0] == "alpha on all"
    assert "clips" not in str(found)


def test_what_nothing_explains_is_described_from_where_on() -> None:
    def far(y, x):
        v, g = huber(y, x, 0.7)
        return v, g + (size(x - y) > 1e8)

    found = diagnose(far, HUBER)
    assert found.names == ()
    assert "From |r| = " in str(found)
    assert str(found).endswith(" on its gradient is 1 too large.")
    assert diagnose(lambda y, x: where(size(x - y) > 1e6, 0.0, size(x - y)), MeanAbsoluteError(**NONE)).names == ()


class Recorded:
    """The record of an interview, and the loss."""

    def __init__(self, gradient) -> None:
        self.loss, self.form, self.factor = HUBER, FORMATS["float64"], 1.0
        y, x = np.array([0.0, 1.0, 2.0]), np.array([0.25, -1.0, 2.5])
        up = np.array([2.0, -0.5, 3.0])
        each = exact(HUBER, y, x)
        truth, _ = reduced(HUBER, y, each, None)
        answer = Answer(*(np.asarray(a) for a in (huber(y, x, 0.7)[0], gradient(huber(y, x, 0.7)[1], up))))
        call = np.repeat("moderate", 3), "a call", False, y, x, None, up
        self.record = [Answered(*call, answer, truth, np.zeros(3), np.zeros(3))]


@pytest.mark.parametrize(
    ("gradient", "said"),
    [
        (lambda g, up: g * up, ""),
        (lambda g, up: g, "It ignores the gradient that comes from above"),
        (lambda g, up: g * up**2, "It multiplies by the gradient that comes from above twice"),
        (lambda g, up: g * up.sum(), "It multiplies by the sum of the gradients"),
        (lambda g, up: g + up, ""),
    ],
)
def test_the_gradient_from_above_is_told(gradient, said: str) -> None:
    pytest.importorskip("flint")
    run: Any = Recorded(gradient)
    found = upstream_fault(run, (), ours)
    assert found.startswith(said) if said else found == ""
