"""The search for worst inputs finds what it must: planted slips, infinities, and the errors that are known."""

import os
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from reflosses import BinaryCrossEntropyWithLogits as WithLogits
from reflosses import Cauchy, CrossEntropy, Dice, FocalWithLogits, Huber, MeanSquaredError
from reflosses.catalogue import losses
from reflosses.comparison.formats import FORMATS, Format
from reflosses.comparison.worst_inputs import QUANTITIES, Hunted, as_integers, drawn_loss, from_integers, search
from reflosses.evaluation import numerics, softmax
from reflosses.evaluation.domain import MAX
from reflosses.evaluation.loss import Loss
from reflosses.losses import binary_cross_entropy_with_logits, cauchy, cross_entropy, focal_with_logits
from reflosses.truth.sampling import Problem, Rng
from reflosses.truth.wide import certified_errors, suspected_errors

from fingerprints import SEARCHES, of_search

FOCAL = FocalWithLogits(gamma=4.7, reduction="none")


def hunted(draw: Loss | type[Loss], points: float, seed: int = 1) -> Hunted:
    def drawn(rng: Rng) -> Loss:
        return draw if isinstance(draw, Loss) else drawn_loss(draw, rng)

    return search(drawn, suspected_errors, certified_errors, seed=seed, points=int(points))


# ---- planted slips ---------------------------------------------------------------------------------------------------


def plain_exp_of_product(a: float, x: np.ndarray) -> np.ndarray:
    return np.exp(-(a * x))


def uncorrected(z: np.ndarray, m: np.ndarray) -> tuple[np.ndarray, float]:
    return z - m, 0.0


def plain_times_exp(a: Any, x: np.ndarray) -> np.ndarray:
    return a * np.exp(x)


def plain_log1p_over(u: np.ndarray) -> np.ndarray:
    return np.log(1 + u) / u


def total_less_own(others: softmax.Others) -> np.ndarray:
    return others.total[..., None] - others.x


# Name, the losses that are hunted, what is changed, and the points after which a search must have noticed.
SLIPS = [
    ("a correction is dropped", CrossEntropy, softmax, "difference", uncorrected, 2e4),
    ("a sum cancels", CrossEntropy, cross_entropy.Others, "of_each", total_less_own, 1e4),
    ("a logarithm of one plus", Cauchy, cauchy, "log1p_over", plain_log1p_over, 1e4),
    ("a product is not compensated", FOCAL, focal_with_logits, "exp_of_product", plain_exp_of_product, 1e4),
    ("a border of logits is moved", WithLogits, WithLogits, "short", (-715.0, 715.0), 1e5),
]
SLOW = [
    ("a border of squares is moved", Cauchy, Cauchy, "short", (2.0**-1060, MAX), 3e6),
    ("an exponential underflows", WithLogits, binary_cross_entropy_with_logits, "times_exp", plain_times_exp, 3e6),
    ("half of a sum is dropped", Dice, numerics, "_sum_in_order", lambda x: 0.0, 3e6),
    ("a border of a row is moved", CrossEntropy, CrossEntropy, "short", (0.0, 360.0), 3e6),
]


@pytest.mark.usefixtures("flint")
@pytest.mark.parametrize(
    ("draw", "where", "attribute", "slip", "points"),
    [pytest.param(*row, id=name) for name, *row in (*SLIPS, *(SLOW if os.environ.get("REFLOSSES_SLIPS") else ()))],
)
def test_a_planted_slip_breaks_its_bound(
    draw: Loss | type[Loss], where: Any, attribute: str, slip: Any, points: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The searches with 3 million points take up to ten seconds; `make hunt` runs them."""
    monkeypatch.setattr(where, attribute, slip)
    assert max((error.ratio for error in hunted(draw, points).broken), default=0) > 2


# ---- the search itself -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("flint")
def test_a_seed_and_a_budget_decide_the_points() -> None:
    first, again, other = (hunted(Huber, 2e4, seed) for seed in (5, 5, 6))
    assert (first.points, str(first.worst["value"])) == (again.points, str(again.worst["value"]))
    assert str(first.worst["value"]) != str(other.worst["value"])
    assert 2e4 <= first.points < 4e4
    assert set(first.worst) == set(QUANTITIES)


def test_the_search_measures_whatever_it_is_given() -> None:
    """An error that is largest at 0.73 is found to within 2^-20 of it, and only what is confirmed is kept."""

    def peak(loss: Loss, problem: Problem) -> list[np.ndarray]:
        distance = np.abs(np.asarray(problem.yhat) - 0.73)
        return [bound * (0.9 - np.minimum(distance, 0.5)) for bound in loss.bounds]

    def largest(loss: Loss, problem: Problem) -> list[float]:
        return [float(error.max()) for error in peak(loss, problem)]

    loss = MeanSquaredError(reduction="none")
    found = search(lambda rng: loss, peak, largest, seed=3, points=20_000)
    assert all(0.9 - 2.0**-20 < error.ratio <= 0.9 for error in found.worst.values())
    assert abs(found.worst["grad"].problem.yhat[0] - 0.73) < 2.0**-20
    assert not found.broken
    half = search(lambda rng: loss, peak, lambda *a: [e / 2 for e in largest(*a)], seed=3, points=20_000)
    assert not half.worst
    assert half.refuted > 0
    nothing = search(lambda rng: loss, peak, lambda *a: [np.nan] * 3, seed=3, points=20_000)
    assert not nothing.worst


def test_refused_inputs_count_as_points() -> None:
    def refusing(loss: Loss, problem: Problem) -> list[np.ndarray]:
        raise ValueError("not these")

    found = search(lambda rng: Huber(reduction="none"), refusing, certified_errors, seed=1, points=5000)
    assert found.points >= 5000
    assert not found.worst


def test_an_infinity_does_not_hide_a_rounding_error() -> None:
    def broken(loss: Loss, problem: Problem) -> list[np.ndarray]:
        yhat = np.asarray(problem.yhat)
        return [np.where(yhat > 1, np.inf, np.where(yhat < -1, 4.5, 0.5)), 0 * yhat, 0 * yhat]

    loss = MeanSquaredError(reduction="none")
    found = search(lambda rng: loss, broken, lambda *a: [float(e.max()) for e in broken(*a)], seed=3, points=20_000)
    assert [error.ulp for error in found.wild] == [np.inf]
    assert found.wild[0].problem.yhat[0] > 1
    assert found.worst["value"].ulp == 4.5
    assert [error.ulp for error in found.broken] == [4.5, np.inf]
    y, yhat = (a.tolist() for a in found.wild[0].problem)
    assert str(found.wild[0]) == f"reflosses.MeanSquaredError(reduction='none').value({y}, {yhat})"


@pytest.mark.parametrize("cls", losses().values(), ids=lambda cls: cls.__name__)
def test_every_loss_is_drawn_over_the_range_of_its_parameters(cls: type[Loss]) -> None:
    rng = np.random.default_rng(1)
    drawn = [drawn_loss(cls, rng) for _ in range(60)]
    numbers = [f.name for f in fields(cls) if any(isinstance(getattr(loss, f.name), float) for loss in drawn)]
    for name in numbers:
        sizes = [abs(x) for loss in drawn if isinstance(x := getattr(loss, name), float) and x]
        assert min(sizes) < 1e-3, name
        assert max(sizes) > (1e3 if name not in ("alpha", "clamp", "label_smoothing") else 0.1), name
        assert all(1e-6 <= x <= 1e6 for x in sizes), name
    assert all(loss.reduction == "none" for loss in drawn)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_seed_means_the_same_search_in_every_version(name: str) -> None:
    assert of_search(name) == SEARCHES[name]


# ---- numbers of a format ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS.values(), ids=str)
def test_integers_count_the_numbers_of_a_format_in_their_order(form: Format) -> None:
    """All of a narrow format; of a wide one the ends, 0, and the numbers above each power of two."""
    last = int(as_integers(form.max, form))
    assert last == (2 * form.top - 1) * 2 ** (form.bits - 1) - 1
    integers = np.arange(-last, last + 1) if form.bits < 24 else np.array([-last, -1, 0, 1, last])
    numbers = from_integers(integers, form)
    assert (np.diff(numbers) > 0).all()
    np.testing.assert_array_equal(as_integers(numbers, form), integers)
    np.testing.assert_array_equal(form.round(numbers), numbers)
    assert from_integers([1, last, last + 1], form).tolist() == [form.smallest, form.max, form.max]
    powers = np.ldexp(1.0, np.arange(3 - form.top - form.bits, form.top))
    above = from_integers(as_integers(powers, form) + 1, form)
    np.testing.assert_array_equal(above - powers, form.spacing(powers))
