"""Every hypothesis is found in a candidate that commits it, and in the family of its file.

The candidates are written out in plain NumPy, without anything of `reflosses.diagnosis.hypotheses`.
"""

import re
import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy import log, where
from scipy.special import expit

from reflosses import Dice, Focal, Huber, MeanSquaredError
from reflosses.comparison.formats import FORMATS
from reflosses.diagnosis import hypotheses, search
from reflosses.diagnosis.changes import everything
from reflosses.diagnosis.hypotheses import HYPOTHESES, factors
from reflosses.diagnosis.model import Family, Question, ours
from reflosses.diagnosis.search import Diagnosis, diagnose, in_words
from reflosses.evaluation.axes import pooled
from reflosses.evaluation.domain import NON_NEGATIVE
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import axes, number, optional, parameter

from diagnosis.as_written import (
    BCE,
    CAUCHY,
    DICE,
    ENTROPY,
    FOCAL,
    LOGITS,
    MEAN,
    MSE,
    NONE,
    SUM,
    Commits,
    bce,
    clipped,
    cross_entropy,
    each,
    focal,
    huber_of,
    in_dtype,
    mean,
    overlap,
    squared,
    total,
)
from diagnosis.conventions import CLASS_WEIGHTS, CONVENTIONS, EDGES
from diagnosis.defects import DEFECTS, as_sum, log_sum, minus_log_sigmoid
from diagnosis.terms import TERMS

COMMITTED = CONVENTIONS | EDGES | TERMS | DEFECTS


def asked(c: Commits) -> Diagnosis:
    return diagnose(c.candidate, c.loss, dtype=c.dtype)


# ---- one file and one entry a hypothesis -----------------------------------------------------------------------------


def test_every_file_of_hypotheses_is_a_family_and_none_is_tried_twice() -> None:
    files = {path.stem for path in Path(hypotheses.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {module.__name__.rpartition(".")[2] for module in hypotheses.FAMILIES}
    assert len(files) == len(hypotheses.FAMILIES)
    assert [h for module in hypotheses.FAMILIES for h in module.FAMILY] == list(HYPOTHESES)
    assert all(module.FAMILY for module in hypotheses.FAMILIES)
    assert set(Counter(h.name for h in HYPOTHESES).values()) == {1}


def test_one_entry_is_all_that_a_hypothesis_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "FAMILY", Family(factors.FAMILY))
    seven = {"says": "gives 7 times the value and the gradient", "change": everything(7.0)}
    factors.FAMILY.convention("seven times", **seven)
    joined = runpy.run_path(hypotheses.__file__)["HYPOTHESES"]
    assert len(joined) == len(HYPOTHESES) + 1
    monkeypatch.setattr(search, "HYPOTHESES", joined)
    assert asked(Commits(loss=MSE, candidate=each(squared, value=7.0))).names == ("seven times",)


def test_an_entry_reads_as_the_sentence_that_is_told() -> None:
    family = Family()
    family.defect("rounds", says="rounds", seen_in="casts", inside="float16", change=everything(1.0))
    family.convention("halves", says="halves", about="gradient", change=everything(0.5))
    rounds, halves = family
    assert (rounds.kind, rounds.inside, rounds.stored, rounds.scarce) == ("defect", "float16", "both", False)
    assert (halves.kind, halves.seen_in, halves.about) == ("convention", "", "gradient")
    assert str(in_words((halves,), (rounds,))) == "It halves. At hard inputs it also rounds, as in casts."


class Apart(Loss):
    """0.3 Σp(1 − y) + 0.7 Σy(1 − p) + smooth_dr − smooth_nr: a loss of an overlap that no hypothesis names."""

    axis: int | tuple[int, ...] | None = parameter(default=None, check=optional(axes))
    smooth_nr: float = parameter(default=0.0, check=number(NON_NEGATIVE))
    smooth_dr: float = parameter(default=0.0, check=number(NON_NEGATIVE))

    layout = property(lambda self: pooled(self.axis))
    domain, bounds = Dice.domain, Dice.bounds

    @staticmethod
    def definition(m, y, yhat, smooth_nr, smooth_dr):
        return sum(0.3 * p * (1 - t) + 0.7 * t * (1 - p) for p, t in zip(yhat, y, strict=True)) + smooth_dr - smooth_nr

    def terms(self, y, p):
        return 0.3 * (1 - y) - 0.7 * y, y, p

    def losses(self, slope, y, p):
        return (slope * p + 0.7 * y).sum(axis=-1) + (self.smooth_dr - self.smooth_nr)

    def slopes(self, slope, y, p):
        return slope

    def curvatures(self, slope, y, p):
        return 0 * slope


@pytest.mark.parametrize(
    "name", ["returns the score", "smooths both alike", "adds 1 to both", "pools each sample", "0/0 for nothing"]
)
def test_what_is_said_of_overlaps_is_said_of_a_new_one(name: str) -> None:
    h = next(h for h in HYPOTHESES if h.name == name)
    loss = Apart(axis=-1, smooth_dr=0.7 if name == "smooths both alike" else 0.0, reduction="none")
    y, p = np.array([[[1.0, 0.0], [0.0, 0.0]]]), np.array([[[0.5, 0.25], [0.0, 0.0]]])
    q = Question(loss, y, p, None, FORMATS["float64"])
    assert h.change(q, ours) is not None
    assert h.change(Question(MSE, y, p, None, FORMATS["float64"]), ours) is None


# ---- one at a time ---------------------------------------------------------------------------------------------------


def test_every_hypothesis_has_a_candidate_that_commits_it() -> None:
    assert set(COMMITTED) == {h.name for h in HYPOTHESES}
    assert len(COMMITTED) == len(HYPOTHESES)
    assert len(COMMITTED) >= 50
    for h in HYPOTHESES:
        assert h.kind in ("convention", "defect")
        assert h.says[0].islower()


@pytest.mark.parametrize("name", list(COMMITTED))
def test_a_candidate_that_commits_one_thing_is_told_so(name: str, request: pytest.FixtureRequest) -> None:
    if name == "squares before it scales":  # it costs a few ulps
        request.getfixturevalue("flint")
    found = asked(COMMITTED[name])
    assert found.names == (name,), str(found)
    assert str(found).startswith("It ")


# ---- two at once -----------------------------------------------------------------------------------------------------


def half_sum(y, yhat):
    v, g = total(squared)(y, yhat)
    return v / 2, g / 2


PAIRS: dict[tuple[str, str], Commits] = {
    ("ignores the class weights", "sums"): Commits(loss=CLASS_WEIGHTS, candidate=total(cross_entropy)),
    ("adds 1 to both", "returns the score"): Commits(
        loss=DICE,
        candidate=lambda y, p: (1 - overlap(y, p, above=1.0, below=1.0)[0], -overlap(y, p, above=1.0, below=1.0)[1]),
    ),
    ("half", "log(1 + x)"): Commits(loss=CAUCHY, candidate=each(as_sum(0.3), value=0.5)),
    ("clips at 1e-7", "ignores alpha"): Commits(
        loss=Focal(gamma=2.75, alpha=0.3, **NONE), candidate=lambda y, p: clipped_focal(y, p, gamma=2.75)
    ),
    ("0 · log 0", "log of 1 − p"): Commits(
        loss=BCE, candidate=lambda y, p: (-(y * log(p) + (1 - y) * log(1 - p)), (1 - y) / (1 - p) - y / p)
    ),
    ("gradient σ(z) − y", "z − log σ(z)"): Commits(
        loss=LOGITS, candidate=lambda y, z: (minus_log_sigmoid(y, z)[0], expit(z) - y)
    ),
    ("clips at 1e-7", "computes in float32"): Commits(
        loss=BCE, candidate=in_dtype(clipped(1e-7, moving=False), dtype="float32")
    ),
    ("log(1 + x)", "works in float64"): Commits(
        loss=CAUCHY,
        candidate=lambda y, yhat: tuple(map(np.float32, as_sum(0.3)(y.astype("f8"), yhat.astype("f8")))),
        dtype="float32",
    ),
    ("loses the tail of log-softmax", "works in float64"): Commits(
        loss=ENTROPY,
        candidate=lambda y, z: tuple(map(np.float32, log_sum(shift=True)(y, z.astype("f8")))),
        dtype="float32",
    ),
}


def clipped_focal(y, p, gamma):
    q = np.clip(p, 1e-7, 1 - 1e-7)
    rest = 1 - where(y == 1, p, 1 - p)
    nats = -(y * log(q) + (1 - y) * log(1 - q))
    steep = where(p == q, (1 - y) / (1 - q) - y / q, 0.0)
    return rest**gamma * nats, -where(y == 1, 1, -1) * gamma * rest ** (gamma - 1) * nats + rest**gamma * steep


TOLD: dict[str, Commits] = {  # a description in one sentence comes before two explanations
    "It is half of the loss, multiplied by the number of losses.": Commits(
        loss=MeanSquaredError(**MEAN), candidate=half_sum
    ),
    "It is 10/7 times the loss, divided by the number of losses.": Commits(
        loss=Huber(0.7, **SUM), candidate=mean(huber_of(0.7), value=1 / 0.7)
    ),
    "It is BinaryCrossEntropy(), not Focal.": Commits(
        loss=FOCAL, candidate=lambda y, p: tuple(2 * a for a in focal(y, p, gamma=0.0, alpha=0.5))
    ),
    "It gives a value that is 1.4427 times what is due; its gradient is 2.88539 times what is due.": Commits(
        loss=BCE, candidate=each(bce, value=1 / log(2), grad=2 / log(2))
    ),
}


@pytest.mark.parametrize("text", list(TOLD))
def test_one_sentence_for_two_things(text: str) -> None:
    found = asked(TOLD[text])
    assert found.names[0] == "described"
    assert str(found).startswith(text)


@pytest.mark.parametrize("names", list(PAIRS), ids=" + ".join)
def test_two_things_at_once_are_both_named(names: tuple[str, str]) -> None:
    found = asked(PAIRS[names])
    assert set(found.names) == set(names), str(found)
    assert len(re.findall(r"(^|\. )(It|At hard inputs it also) ", str(found))) == 2
