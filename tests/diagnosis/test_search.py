"""Right candidates, naive ones, and candidates that nothing explains."""

import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.special
from numpy import abs as size
from numpy import exp, log, log1p, where
from scipy.special import expit

from reflosses import Dice, Hinge, Huber, MeanAbsoluteError, MeanSquaredError
from reflosses.catalogue import losses
from reflosses.checking import check
from reflosses.comparison.candidate import InProcess, NumPy
from reflosses.comparison.expected import Scaled
from reflosses.comparison.formats import FORMATS
from reflosses.diagnosis.hard_numbers import HardNumbers
from reflosses.diagnosis.hypotheses import HYPOTHESES
from reflosses.diagnosis.search import Diagnosis, diagnose, explain, explained

from diagnosis.as_written import (
    BCE,
    CAUCHY,
    DICE,
    ENTROPY,
    FOCAL,
    HUBER,
    LOGITS,
    MSE,
    NONE,
    Commits,
    each,
    hinge,
    huber,
    logits,
    mean,
    squared,
)
from diagnosis.conventions import EDGES
from diagnosis.defects import DEFECTS, as_sum, careful, log_of_bare_softmax, plain_overlap, textbook_logs


def asked(c: Commits) -> Diagnosis:
    return diagnose(c.candidate, c.loss, dtype=c.dtype)


# ---- nothing to explain ----------------------------------------------------------------------------------------------

FINE = "nothing to explain: every number is right"


def whole(loss: Any, dtype: str) -> Callable[..., Any]:
    """Our own loss as a candidate that answers in a dtype."""
    form = FORMATS[dtype]

    def candidate(y, yhat, weight=None):
        return tuple(form.round(a) for a in loss.value_and_grad(y, yhat, weight=weight))

    return candidate


# A right answer has nothing to explain: `make test` asks each loss in one way of these, as does
# tests/test_checking.py::test_our_own_losses_are_right with other parameters. `make sweep` asks all.
EVERY = "REFLOSSES_POINTS" in os.environ


def one_of(options: Sequence[str]) -> list[tuple[str, str]]:
    """Each loss with one of the options in turn; with all of them in `make sweep`."""
    return [(name, o) for k, name in enumerate(losses()) for o in (options if EVERY else [options[k % len(options)]])]


@pytest.mark.parametrize(("name", "reduction"), one_of(("mean", "weighted_mean", "sum")))
def test_nothing_fires_on_our_own_reduced_losses(name: str, reduction: str) -> None:
    cls = losses()[name]
    loss = cls(**cls.examples[0], reduction=reduction)
    assert str(diagnose(whole(loss, "float64"), loss)) == FINE, loss


@pytest.mark.parametrize(("name", "dtype"), one_of(tuple(FORMATS)))
def test_nothing_fires_on_our_own_losses(name: str, dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")
    cls = losses()[name]
    loss = cls(**cls.examples[min(1, len(cls.examples) - 1)], reduction="none")
    assert str(diagnose(whole(loss, dtype), loss, dtype=dtype)) == FINE, (loss, dtype)


RIGHT = {
    "scipy.special.huber": (HUBER, lambda y, yhat: (scipy.special.huber(0.7, yhat - y), np.clip(yhat - y, -0.7, 0.7))),
    "log_expit": (LOGITS, careful),
    "squared error": (MSE, squared),
    "the derivative of |r| at 0 is 1": (
        MeanAbsoluteError(**NONE),
        lambda y, yhat: (size(yhat - y), where(yhat >= y, 1.0, -1.0)),
    ),
    "the derivative at margin 1 is half": (
        Hinge(**NONE),
        lambda y, yhat: (hinge(y, yhat)[0], -y * np.heaviside(1 - y * yhat, 0.5)),
    ),
    "values only": (HUBER, lambda y, yhat: scipy.special.huber(0.7, yhat - y)),
    "a factor that is known": (Scaled(0.5, MSE), lambda y, yhat: (0.5 * (yhat - y) * (yhat - y), yhat - y)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_fires_on_right_candidates(name: str) -> None:
    loss, candidate = RIGHT[name]
    found = diagnose(candidate, loss)
    assert (found.names, str(found)) == ((), FINE)


NAIVE = {
    "cross-entropy of a probability": (BCE, lambda y, p: textbook_logs(y, p)),
    "cross-entropy of a logit": (LOGITS, lambda y, z: (log1p(exp(z)) - y * z, expit(z) - y)),
    "softmax": (ENTROPY, log_of_bare_softmax),
    "focal": (FOCAL, lambda y, p: -where(y == 1, 0.3, 0.7) * (1 - (p_t := where(y == 1, p, 1 - p))) ** 2.75 * log(p_t)),
    "Cauchy": (CAUCHY, as_sum(0.3)),
    "Dice": (DICE, plain_overlap),
}


PLAIN = {  # means of errors, as anybody writes them: they add up in the format of their inputs
    "Huber, values only": (Huber(0.7), lambda y, yhat: huber(y, yhat, 0.7)[0].mean(), "float64"),
    "squared error": (MeanSquaredError(), lambda y, yhat: plain_mean(y, yhat), "float32"),
    "squared error, values only": (MeanSquaredError(), lambda y, yhat: plain_mean(y, yhat)[0], "float64"),
}


def plain_mean(y, yhat):
    r = yhat - y
    return (r * r).mean(), r * yhat.dtype.type(2 / max(1, r.size))


@pytest.mark.parametrize("name", PLAIN)
def test_plain_means_are_told_of_overflow_and_of_nothing_else(name: str) -> None:
    loss, candidate, dtype = PLAIN[name]
    found = diagnose(candidate, loss, dtype=dtype)
    assert set(found.names) <= {"sums in its own format", "the residual overflows"}, str(found)
    assert found.names


def test_one_coincidence_is_no_explanation() -> None:
    """Arguments the wrong way round, with other roundings than ours: no clip is read into the last digits."""

    def swapped(y, z):
        return np.maximum(y, 0) - y * z + log1p(exp(-size(y))), -y

    assert diagnose(swapped, LOGITS).names == ("swaps y and yhat",)


def test_nothing_is_said_of_a_gradient_that_is_not_there() -> None:
    about = {h.name for h in HYPOTHESES if h.about}
    for name in ("clips at 1e-7, slope and all", "differentiates both branches", "gradient σ(z) − y"):
        assert name in about
        c = (EDGES | DEFECTS)[name]
        found = diagnose(lambda y, yhat, c=c: c.candidate(y, yhat)[0], c.loss)
        assert not about & set(found.names), str(found)


@pytest.mark.parametrize("name", NAIVE)
def test_no_convention_is_read_into_a_naive_formula(name: str) -> None:
    """At moderate inputs they are right. At other inputs they have a defect."""
    loss, candidate = NAIVE[name]
    names = diagnose(candidate, loss).names
    assert names
    assert {h.kind for h in HYPOTHESES if h.name in names} == {"defect"}


# ---- nothing that fits -----------------------------------------------------------------------------------------------


def nonsense(y, yhat):
    return np.cos(3 * yhat) + y, -3 * np.sin(3 * yhat)


def wrong_far_away(y, yhat):
    """Right, but for large residuals."""
    v, g = huber(y, yhat, 0.7)
    return where(size(yhat - y) > 1e6, np.sqrt(size(yhat)), v), where(size(yhat - y) > 1e6, 0.37, g)


def test_nonsense_gets_an_honest_answer() -> None:
    for candidate, where_it_is in (
        (nonsense, "No known explanation fits. At ordinary inputs the value is between "),
        (wrong_far_away, "No known explanation fits its numbers at hard inputs."),
    ):
        found = diagnose(candidate, HUBER)
        assert found.names == ()
        assert str(found).startswith(where_it_is)


def test_what_is_not_explained_is_said() -> None:
    found = diagnose(lambda y, yhat: tuple(a / 2 for a in wrong_far_away(y, yhat)), HUBER)
    assert found.names == ("half",)
    assert "At hard inputs numbers are wrong too" in str(found)


def test_a_candidate_that_raises_is_not_compared() -> None:
    def refuses(y, yhat):
        raise ArithmeticError("not today")

    found = diagnose(refuses, HUBER)
    assert found.names == ()
    assert "ArithmeticError: not today" in str(found)


# ---- the interface ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"dtype": "int8"}, {"framework": "numpi"}, {"targets": "column"}])
def test_unknown_options_are_refused(given: dict[str, str]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^diagnose: {name} is '{given[name]}', not one of "):
        diagnose(each(squared), MSE, **given)


def test_explain_takes_what_answers_calls_and_believes_a_good_result() -> None:
    here = InProcess(each(squared, value=0.5), NumPy(FORMATS["float64"]))
    assert explain(here, MSE, FORMATS["float64"]).names == ("half",)
    result = check(each(squared), MSE)
    assert result.ok
    assert result.diagnosis == ""


def test_check_names_what_is_wrong() -> None:
    found = diagnose(each(squared, value=0.5), MSE)
    assert check(each(squared, value=0.5), MSE).diagnosis == found.told == f"{found} {found.remedy}"


def test_what_is_explained_is_what_was_asked() -> None:

    def half(y, yhat):
        return tuple(a / 2 for a in squared(y, yhat))

    def ignores_weights(y, yhat, weight=None):
        return mean(squared)(y, yhat)

    def check_in(f, loss, *regimes):
        return check(f, loss, regimes=regimes).diagnosis

    assert check_in(half, MSE, "K") == ""
    assert check_in(half, MSE, "F", "K").startswith("It gives half")  # F shows it
    assert check_in(ignores_weights, MeanSquaredError(), "I").startswith("It leaves the weights out")
    assert "weights" not in check_in(ignores_weights, MeanSquaredError(), "F")


def test_a_candidate_that_takes_one_loss_a_call_is_explained() -> None:
    def dice(y, p):
        if y.ndim > 1:
            raise ValueError("one mask")
        return plain_overlap(y, p)

    assert diagnose(dice, Dice()).names == ("1 less the score",)


def test_the_convention_comes_before_the_defect() -> None:
    found = asked(Commits(loss=LOGITS, candidate=lambda y, z: (logits(y, z)[0] / log(2), (expit(z) - y) / log(2))))
    assert found.names == ("in bits", "gradient σ(z) − y")
    assert str(found).startswith("It takes logarithms to the base 2. At hard inputs it also takes σ(z) − y for its")
    opposite = asked(Commits(loss=LOGITS, candidate=lambda y, z: (logits(y, z)[0], y - expit(z))))
    assert opposite.names == ("gradient of the opposite sign", "gradient σ(z) − y")
    assert "right value" not in str(opposite)


def test_a_domain_of_its_own_is_kept_to() -> None:
    def only_zero(y, yhat):
        if np.any(y):
            raise ValueError("the target is 0")
        return tuple(a / 2 for a in squared(y, yhat))

    here, form = InProcess(only_zero, NumPy(FORMATS["float64"])), FORMATS["float64"]
    assert explain(here, MSE, form, inputs=lambda y, yhat, eps: (np.zeros_like(y), yhat)).names == ("half",)


def most_memory() -> int:
    """The bytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test_many_classes_take_no_table_of_them() -> None:
    """A narrow format is asked for more classes than it can count. A table with a row of every class takes 36 GiB."""

    def candidate(y, z):
        top = z.max(axis=-1, keepdims=True)
        e = exp(z - top)
        total, n = e.sum(axis=-1), np.arange(len(y))
        slope = e / total[:, None]
        slope[n, y] -= 1
        return top[:, 0] + log(total) - z[n, y], slope

    result = check(candidate, ENTROPY, dtype="float16", targets="index", diagnose=False)
    assert max(a.yhat.shape[-1] for a in result.interview.record) == 70001
    before = most_memory()
    assert explained(result.interview).names == ("log Σ exp less the logit",)
    assert most_memory() - before < 2**29


def test_it_does_not_take_long() -> None:
    for c in (DEFECTS["log of a softmax"], Commits(loss=HUBER, candidate=nonsense)):
        start = time.process_time()
        asked(c)
        assert time.process_time() - start < 1.5


@pytest.mark.parametrize("factor", [0.75, 1.25, 1.5])
def test_a_wrong_factor_is_no_narrow_format(factor: float) -> None:
    """Dyadic inputs times such a factor are numbers of bfloat16, too."""
    found = diagnose(lambda y, yhat: (factor * (yhat - y) ** 2, 2 * factor * (yhat - y)), MeanSquaredError(**NONE))
    assert "bfloat16" not in str(found)


def test_a_number_is_predicted_within_four_times_the_errors_that_are_right():
    numbers: Any = HardNumbers([], FORMATS["float64"], None)  # type: ignore[arg-type]
    numbers.known[()], numbers.errors[()] = np.array([1.0, 2.0]), np.array([0.25, 0.5])
    numbers.counts, numbers.got = np.array([True, True]), np.array([2.0, 4.5])
    assert numbers.tolerance((), np.array([1.0, 2.0]), ()).tolist() == [1.0, 2.0]
    assert numbers.wrong(()).tolist() == [True, True]
    assert numbers.met(np.array([1.0, 2.0])).tolist() == [True, False]
