"""Hard inputs: members of their domain that reach its ends, saturation and every magnitude."""

import math
from typing import Any

import numpy as np
import pytest

from reflosses import WeightedCrossEntropy
from reflosses.evaluation import domain as domains
from reflosses.evaluation.domain import LOGIT, PROBABILITY, REAL, Classes, Domain, Interval, Labels
from reflosses.truth.sampling import SATURATION, accepts, hard, hard_numbers, magnitudes, moderate

from fingerprints import FINGERPRINTS, of_sampling

INF = math.inf
TINY, HUGE = 5e-324, 1.7976931348623157e308
BELOW_ONE = math.nextafter(1, 0)
INTERVALS = [
    *(domain for domain in vars(domains).values() if isinstance(domain, Interval)),
    Interval("a rate", -0.75, 3.5, open_high=True),
]


@pytest.mark.parametrize("domain", INTERVALS, ids=str)
def test_samples_are_hard_members(domain: Domain) -> None:
    drawn = hard_numbers(domain, np.random.default_rng(3), 4000)
    assert drawn.shape == (4000,)
    assert np.isfinite(drawn).all()
    assert not domain.outside(drawn).any()
    assert len(np.unique(drawn)) > 1500
    assert np.ptp(np.frexp(drawn[drawn != 0])[1]) > 500  # exponents of two
    again = hard_numbers(domain, np.random.default_rng(3), 4000)
    np.testing.assert_array_equal(drawn, again)
    assert not np.array_equal(drawn, hard_numbers(domain, np.random.default_rng(4), 4000))


def test_samples_reach_the_ends_of_an_interval() -> None:
    drawn = set(hard_numbers(PROBABILITY, np.random.default_rng(3), 4000).tolist())
    assert {0.0, 1.0, TINY, BELOW_ONE} <= drawn
    drawn = set(hard_numbers(REAL, np.random.default_rng(3), 4000).tolist())
    assert {0.0, HUGE, TINY, 1.0, -1.0} <= drawn
    assert min(drawn) < -1e300


def test_logits_are_drawn_where_sigmoids_saturate() -> None:
    drawn = hard_numbers(LOGIT, np.random.default_rng(3), 4000)
    for margin in SATURATION:
        for sign in (-1, 1):
            near = sign * drawn - margin
            assert np.any((near > 0) & (near < 1))
            assert np.any((near < 0) & (near > -1))


def test_labels_and_classes_are_all_drawn() -> None:
    rng = np.random.default_rng(3)
    assert set(hard_numbers(Labels((-1.0, 1.0)), rng, 100).tolist()) == {-1.0, 1.0}
    drawn = hard_numbers(Classes(count=3), rng, 100)
    assert drawn.dtype == np.float64
    assert set(drawn.tolist()) == {0.0, 1.0, 2.0}


def test_magnitudes_cover_the_whole_range() -> None:
    drawn = magnitudes(np.random.default_rng(3), 20000)
    assert np.all((drawn > 0) & (drawn < INF))
    assert drawn.min() < 2.0**-1060
    assert drawn.max() > 2.0**1010
    exponents = np.frexp(drawn)[1]
    assert np.histogram(exponents, bins=20)[0].min() > 500


@pytest.mark.parametrize("draw", [hard, moderate])
def test_a_loss_that_divides_by_the_sum_of_its_predictions_is_given_some(draw: Any) -> None:
    loss = WeightedCrossEntropy(weight="sudre")
    assert not accepts(loss, np.zeros(2), np.zeros(2))
    problems = list(draw(loss, 3, 2000))
    assert len(problems) > 30
    assert all(accepts(loss, *problem) for problem in problems)


@pytest.mark.parametrize("kind", FINGERPRINTS)
def test_a_seed_means_the_same_inputs_in_every_version(kind: str) -> None:
    assert of_sampling(kind) == FINGERPRINTS[kind][0]


class Negative(Domain):
    def outside(self, a: Any) -> Any:
        return a >= 0


def test_only_known_domains_have_hard_numbers() -> None:
    with pytest.raises(TypeError, match="no hard numbers are known of"):
        hard_numbers(Negative(), np.random.default_rng(3), 4)
