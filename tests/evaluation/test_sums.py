"""Exact sums against exact fractions."""

import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reflosses.evaluation import sums
from reflosses.evaluation.sums import (
    UndecidedError,
    decided,
    enclosed_sum,
    exact_dot,
    exact_sum,
    quotient,
    rounded,
    scaled,
)
from reflosses.truth.sampling import magnitudes

INF, NAN = math.inf, math.nan
TINY, HUGE = 5e-324, 1.7976931348623157e308
HYPOTHESIS = "pip install hypothesis for random vectors that shrink"


def exact(x: Any) -> Fraction:
    return sum(map(Fraction, np.asarray(x).ravel().tolist()), Fraction(0))


def is_nearest(got: float, q: Fraction) -> bool:
    """Whether `got` is q rounded to nearest, ties to even, proved by its distance to both neighbours."""
    if math.isinf(got):
        return abs(q) >= 2**1024 - 2**970 and (got > 0) == (q > 0)
    error = abs(Fraction(got) - q)
    even = Fraction(got) / Fraction(math.ulp(got)) % 2 == 0
    for other in (math.nextafter(got, -INF), math.nextafter(got, INF)):
        neighbour = Fraction(other) if math.isfinite(other) else Fraction(2**1024 if other > 0 else -(2**1024))
        distance = abs(neighbour - q)
        if distance < error or (distance == error and not even):
            return False
    return True


def vectors() -> Iterator[tuple[str, Any]]:
    rng = np.random.default_rng(7)
    for n in (1, 2, 3, 10, 1000):
        x = magnitudes(rng, n) * rng.choice([-1.0, 1.0], n)
        yield f"every magnitude {n}", np.where(np.abs(x) > 2.0**1000, x * 2.0**-40, x)
        yield f"near one {n}", 1 - rng.integers(0, 9, n) * 2.0**-53
        yield f"subnormal {n}", rng.integers(-(2**30), 2**30, n) * TINY
        huge = rng.integers(2**52, 2**53, n) * 2.0**970
        yield f"cancelling {n}", rng.permutation(np.concatenate([huge, -huge, rng.integers(-9, 9, n) * TINY]))
        yield f"full mantissas {n}", np.full(n, (2**53 - 1) * 2.0**-60)
    yield "nothing", np.zeros(0)
    yield "zeros", np.array([0.0, -0.0])
    yield "a tie to even, down", np.array([1.0, 2.0**-53])
    yield "a tie to even, up", np.array([1 + 2.0**-52, 2.0**-53])
    yield "next to a tie", np.array([1.0, 2.0**-53, TINY])
    yield "next to a tie, below", np.array([1.0, 2.0**-53, -TINY])
    yield "Rump", np.array([1e100, 1.0, -1e100, 1e-100])
    yield "partial overflow", np.array([HUGE, HUGE, -HUGE, -HUGE, 0.7])
    yield "half an ulp of the largest", np.array([HUGE, 2.0**969])
    yield "two axes", np.arange(12.0).reshape(3, 4) / 7


VECTORS = dict(vectors())
vector = pytest.mark.parametrize("x", VECTORS.values(), ids=VECTORS)


@vector
def test_the_sum_is_held_exactly(x: Any) -> None:
    total = exact_sum(x)
    assert total == exact(x)
    assert isinstance(total, Fraction)
    assert type(rounded(total)) is float
    assert is_nearest(rounded(total), exact(x))


@vector
def test_an_enclosed_sum_is_rounded_as_the_exact_one_or_undecided(x: Any) -> None:
    near, radius = enclosed_sum(x)
    assert abs(near - exact(x)) <= Fraction(radius)
    for divisor in (1, 3, 10):
        with suppress(UndecidedError):
            assert is_nearest(decided(near, radius, divisor), exact(x) / divisor)


@pytest.mark.parametrize("n", [2, 3, 100, 2**16])
def test_one_cut_is_enough_for_ordinary_numbers(n: int) -> None:
    """The rounding error of what is left of them is bounded, and seldom in the way."""
    rng = np.random.default_rng(n)
    for x in (rng.random(n), rng.standard_normal(n) ** 2, np.exp(20 * rng.standard_normal(n)), -rng.random(n)):
        near, radius = enclosed_sum(x)
        assert abs(near - exact_sum(x)) <= Fraction(radius)
        assert decided(near, radius, n) == quotient(exact_sum(x), n)


def test_the_radius_holds_where_all_roundings_go_one_way() -> None:
    """Six numbers below half a unit are left of seven, and each of their sums is rounded up: 13 of 2^-54 units."""
    steps = [0, 1, 2, 2, 4, 4]
    x = np.array([1.0, *((0.5 - k * 2.0**-54) * 2.0**-44 for k in steps)])
    near, radius = enclosed_sum(x)
    assert 13 * Fraction(2) ** -98 == near - exact(x)
    assert near - exact(x) <= Fraction(radius) == 50 * Fraction(2) ** -98


@pytest.mark.parametrize(
    "x", [[], [0.0, -0.0], [3.0], [3 * TINY, -7 * TINY, TINY], [HUGE, -HUGE, 1.0], [INF, 1.0], [INF] * 2]
)
def test_what_is_exact_has_no_radius(x: Any) -> None:
    near, radius = enclosed_sum(np.array(x))
    assert radius == 0
    assert near == (INF if INF in x else exact(x))


def test_a_sum_next_to_a_tie_is_undecided() -> None:
    for x in ([1.0, 2.0**-53], [1.0, 2.0**-53, TINY], [3.0, 2.0**-52, -TINY]):
        with pytest.raises(UndecidedError):
            decided(*enclosed_sum(np.array(x)))
    assert decided(*enclosed_sum(np.array([1.0, 2.0**-52]))) == 1 + 2.0**-52


@vector
@pytest.mark.parametrize("divisor", [1, 3, 7, 10, 49, 2**20 + 1])
def test_a_mean_is_rounded_once(x: Any, divisor: int) -> None:
    assert is_nearest(quotient(exact_sum(x), divisor), exact(x) / divisor)


@vector
@pytest.mark.parametrize("weights", [[0.3], [0.3, 7.0, 1e-300], [1.7e308] * 3, [TINY], [TINY] * 7])
def test_a_weighted_mean_is_rounded_once(x: Any, weights: Any) -> None:
    assert is_nearest(quotient(exact_sum(x), exact_sum(np.array(weights))), exact(x) / exact(weights))


@vector
def test_the_order_does_not_matter(x: Any) -> None:
    rng = np.random.default_rng(5)
    total = exact_sum(x)
    for _ in range(5):
        shuffled = rng.permutation(np.ravel(x))
        assert exact_sum(shuffled) == total
        assert rounded(exact_sum(shuffled)).hex() == rounded(total).hex()


@vector
@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_the_size_of_the_chunks_does_not_matter(x: Any, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    total = exact_sum(x)
    monkeypatch.setattr(sums, "_CHUNK", chunk)
    if np.size(x) < 100:
        assert exact_sum(x) == total


def test_a_chunk_of_the_largest_integers_adds_up_exactly() -> None:
    assert sums._CHUNK * 2**sums._BITS <= 2**63
    assert sums._BITS < 51  # they fit between 2^52 and 2^53 on either side of 1.5 · 2^52


def test_numbers_of_every_size_need_many_cuts() -> None:
    powers = np.ldexp(1.0, np.arange(-1074, 1024))
    rng = np.random.default_rng(3)
    for x in (powers, -powers, powers * rng.choice([-1.0, 1.0], powers.size), np.concatenate([powers, -powers[:-1]])):
        assert exact_sum(rng.permutation(x)) == exact(x)


@pytest.mark.parametrize("size", [sums._CHUNK - 1, sums._CHUNK, sums._CHUNK + 1, 3 * sums._CHUNK + 7])
def test_as_many_of_the_largest_integers_as_a_chunk_holds(size: int) -> None:
    """All bits set, all of one sign: the integers of every cut are as large as they can be."""
    for x in (2 - 2.0**-52, -(2 - 2.0**-52), 1.0, HUGE, TINY, 2.0**1000, np.nextafter(2.0**1000, 0)):
        assert exact_sum(np.full(size, x)) == Fraction(x) * size


def test_a_million_numbers_add_up_to_what_fractions_say() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal(10**6) * np.exp(10 * rng.standard_normal(10**6))
    mantissa, exponent = np.frexp(x)
    units = sum(int(m) << int(e) for m, e in zip((mantissa * 2.0**53).astype(np.int64), exponent + 1100, strict=True))
    assert exact_sum(x) == Fraction(units, 2**1153)
    assert quotient(exact_sum(x), 10**6) == float(Fraction(units, 2**1153) / 10**6)


@pytest.mark.parametrize("exponent", [-750, -749, -751, 750, 749, 751, 0])
def test_products_where_their_ranges_meet(exponent: int) -> None:
    rng = np.random.default_rng(5)
    for half in (exponent // 2, exponent // 2 + 1, exponent // 2 - 1):
        x = np.ldexp(rng.integers(2**52, 2**53, 9).astype(float), half - 53)
        w = np.ldexp(rng.integers(2**52, 2**53, 9).astype(float), exponent - half - 53)
        products = sum(Fraction(a) * Fraction(b) for a, b in zip(x.tolist(), w.tolist(), strict=True))
        assert exact_dot(x, w) == products


def test_products_of_every_size() -> None:
    rng = np.random.default_rng(5)
    x = magnitudes(rng, 300) * rng.choice([-1.0, 1.0], 300)
    w = magnitudes(rng, 300)
    x[:4], w[:4] = [TINY, HUGE, TINY, 0.0], [TINY, HUGE, HUGE, HUGE]
    products = sum(Fraction(a) * Fraction(b) for a, b in zip(x.tolist(), w.tolist(), strict=True))
    assert exact_dot(x, w) == products


def test_sums_of_sums_are_the_sum_of_all() -> None:
    for x in VECTORS.values():
        flat = np.ravel(x)
        parts = [exact_sum(part) for part in np.array_split(flat, 3)]
        assert sum(parts) == exact_sum(flat)
    for a, b, total in [(INF, 1.0, INF), (INF, -INF, NAN), (1.0, NAN, NAN), (-INF, -INF, -INF)]:
        np.testing.assert_equal(rounded(exact_sum(np.array([a])) + exact_sum(np.array([b]))), total)


def test_memory_layout_does_not_matter() -> None:
    x = np.arange(24.0).reshape(2, 3, 4) / 7
    for view in (x[::-1], np.asfortranarray(x), x.transpose(1, 2, 0)):
        assert exact_sum(view) == exact_sum(x)


def test_the_proof_of_nearness_can_fail() -> None:
    third = Fraction(1, 3)
    good = 1 / 3
    assert is_nearest(good, third)
    assert not is_nearest(math.nextafter(good, 1), third)
    assert not is_nearest(math.nextafter(good, 0), third)
    assert is_nearest(1.0, 1 + Fraction(1, 2**53))  # a tie
    assert not is_nearest(1 + 2.0**-52, 1 + Fraction(1, 2**53))
    assert is_nearest(0.0, Fraction(1, 2**1075))
    assert not is_nearest(TINY, Fraction(1, 2**1075))
    assert is_nearest(2 * TINY, Fraction(3, 2**1075))
    assert not is_nearest(TINY, Fraction(3, 2**1075))
    assert is_nearest(INF, Fraction(2**1024 - 2**970))
    assert not is_nearest(HUGE, Fraction(2**1024 - 2**970))
    assert is_nearest(HUGE, Fraction(2**1024 - 2**970 - 1))
    assert not is_nearest(INF, Fraction(2**1024 - 2**970 - 1))


@pytest.mark.parametrize(
    ("x", "total", "mean"),
    [
        ([1.7e308] * 3, INF, 1.7e308),
        ([-1.7e308] * 3, -INF, -1.7e308),
        ([1.7e308, 1.7e308, -1.7e308], 1.7e308, 1.7e308 / 3),
        ([HUGE, 2.0**970], INF, 2.0**1023),
        ([HUGE, 2.0**969], HUGE, float.fromhex("0x1.fffffffffffffp+1022")),
        ([1.0, 2.0**-53], 1.0, 0.5),
        ([1.0, 2.0**-53, TINY], 1 + 2.0**-52, float.fromhex("0x1.5555555555556p-2")),
        ([1 + 2.0**-52] * 3, float.fromhex("0x1.8000000000002p+1"), 1 + 2.0**-52),
        ([TINY, TINY, TINY], 3 * TINY, TINY),
        ([TINY, 0.0], TINY, 0.0),
        ([TINY, 2 * TINY], 3 * TINY, 2 * TINY),
    ],
)
def test_sums_and_means_by_hand(x: list[float], total: float, mean: float) -> None:
    assert rounded(exact_sum(np.array(x))) == total
    assert quotient(exact_sum(np.array(x)), len(x)) == mean


@pytest.mark.parametrize(
    ("x", "total"),
    [
        ([INF, 0.3], INF),
        ([-INF, HUGE], -INF),
        ([INF, INF], INF),
        ([INF, -INF], NAN),
        ([NAN, 0.3], NAN),
        ([NAN, INF], NAN),
        ([-INF, NAN, INF], NAN),
    ],
)
def test_infinities_and_nan(x: list[float], total: float) -> None:
    with np.errstate(all="raise"):
        got = exact_sum(np.array(x))
    np.testing.assert_equal(rounded(got), total)
    np.testing.assert_equal(quotient(got, 3), total)
    np.testing.assert_equal(quotient(got, exact_sum(np.array([0.3, 7.0]))), total)
    np.testing.assert_equal(decided(got, 0.0, 3), total)
    assert math.isnan(quotient(got, 0))


def test_over_nothing_it_is_nan() -> None:
    for x in ([], [0.3]):
        total = exact_sum(np.array(x))
        assert math.isnan(quotient(total, 0))
        assert math.isnan(quotient(total, exact_sum(np.zeros(3))))
    assert rounded(exact_sum(np.array([]))) == 0.0


def test_no_floating_point_signal() -> None:
    with np.errstate(all="raise"):
        for x in VECTORS.values():
            quotient(exact_sum(x), 7)


def test_random_vectors() -> None:
    hypothesis = pytest.importorskip("hypothesis", reason=HYPOTHESIS)
    floats = hypothesis.strategies.floats(allow_nan=False, allow_infinity=False)
    sizes = hypothesis.strategies.integers(1, 2**40)

    @hypothesis.settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @hypothesis.given(hypothesis.strategies.lists(floats, max_size=20), sizes)
    def check(x: list[float], divisor: int) -> None:
        total = exact_sum(np.array(x, float))
        assert is_nearest(rounded(total), exact(x))
        assert is_nearest(quotient(total, divisor), exact(x) / divisor)
        assert exact_sum(np.array(sorted(x), float)) == total
        assert rounded(exact_sum(np.array(x + [-a for a in x], float))) == 0

    check()


def test_random_means_of_one_number_many_times() -> None:
    hypothesis = pytest.importorskip("hypothesis", reason=HYPOTHESIS)
    floats = hypothesis.strategies.floats(allow_nan=False, allow_infinity=False)

    @hypothesis.settings(max_examples=100, deadline=None, database=None, derandomize=True)
    @hypothesis.given(floats, hypothesis.strategies.integers(1, 50))
    def check(x: float, n: int) -> None:
        assert quotient(exact_sum(np.full(n, x)), n) == x

    check()


# ---- slopes times weight over divisor --------------------------------------------------------------------------------


def ulps(got: float, q: Fraction) -> Fraction:
    return abs(Fraction(got) - q) / Fraction(math.ulp(float(q)))


SCALINGS = [
    # slope, weight, divisor: their product and quotient, by powers of two
    (3 * 2.0**600, 5 * 2.0**600, 7 * 2.0**300),
    (3 * 2.0**-600, 5 * 2.0**-600, 7 * 2.0**-300),
    (-3 * 2.0**-600, 5 * 2.0**-500, 7 * 2.0**-60),
    (3 * 2.0**1000, 5 * 2.0**-1060, 7 * 2.0**-80),
    (3 * 2.0**-1000, 5 * 2.0**-30, 7 * 2.0**-900),
    (3 * TINY, 5 * 2.0**900, 7 * 2.0**-100),
    (HUGE, HUGE, HUGE),
    (-HUGE, 0.7, 1.7e308),
    (TINY, TINY, TINY),
    (TINY, 0.7, TINY),
    (0.3, 0.7, 13.0),
    (0.3, TINY, 0.7),
    (3 * 2.0**-1070, 5.0, 7.0),
    (2.0**-480, 2.0**-480, 0.7),  # the product is the threshold below which it is doubted, …
    (2.0**-480, math.nextafter(2.0**-480, 1), 0.7),  # … and one ulp above
    (0.3 * 2.0**-538, 0.7 * 2.0**-530, 2.0**-40),  # the product is a subnormal number of few digits
    (HUGE, 1.0, 1.7e308),
    (HUGE, math.nextafter(1.0, 3), 1.7e308),
]


@pytest.mark.parametrize(("a", "weight", "divisor"), SCALINGS)
def test_scaling_neither_overflows_nor_underflows_early(a: float, weight: float, divisor: float) -> None:
    for errors in ("warn", "raise"):
        with np.errstate(all=errors):
            got = scaled(np.array([a, -a]), np.array([weight, weight]), Fraction(divisor))
        assert ulps(got[0], Fraction(a) * Fraction(weight) / Fraction(divisor)) <= 2
        assert got[1] == -got[0]


@pytest.mark.parametrize(("a", "divisor"), [(HUGE, 3.0), (TINY, 0.3), (3 * TINY, 0.7), (0.3, HUGE), (-0.7, TINY)])
def test_scaling_without_weight(a: float, divisor: float) -> None:
    (got,) = scaled(np.array([a]), None, Fraction(divisor))
    q = Fraction(a) / Fraction(divisor)
    if abs(q) < 2**1024:
        assert ulps(got, q) <= 1
    else:
        assert got == math.copysign(INF, a)


@pytest.mark.parametrize("a", [3 * 2.0**-60, 3 * 2.0**-1000, TINY])
def test_scaling_by_a_divisor_between_two_subnormal_numbers(a: float) -> None:
    """A sum of products of weights may be 1.3 · 2^-1074, which as a float is 2^-1074."""
    (got,) = scaled(np.array([a]), None, Fraction(13, 10) / 2**1074)
    assert ulps(got, Fraction(a) * 2**1074 * 10 / 13) <= 1


@pytest.mark.parametrize("a", [HUGE, -0.7, TINY * 3, 3 * 2.0**-600])
def test_scaling_by_a_share_of_a_sum_beyond_the_floats(a: float) -> None:
    weight = np.array([1.7e308, 1.7e308, 1e308])
    with np.errstate(all="raise"):
        got = scaled(np.full(3, a), weight, exact_sum(weight))
    for x, w in zip(got.tolist(), weight.tolist(), strict=True):
        assert ulps(x, Fraction(a) * Fraction(w) / exact(weight)) <= 2


@pytest.mark.parametrize("weight", [None, np.ones(1)])
def test_scaling_by_a_divisor_that_is_no_float(weight: Any) -> None:
    """1½ times the smallest float rounds to twice it."""
    assert scaled(np.array([3 * TINY]), weight, Fraction(3, 2) * Fraction(TINY)).tolist() == [2]
    assert scaled(np.array([HUGE]), weight, 4 * Fraction(HUGE)).tolist() == [0.25]
    assert scaled(np.array([2.0**-1022]), weight, Fraction(2) ** -1022).tolist() == [1]


def test_scaling_keeps_zeros_infinities_and_nan() -> None:
    a = np.array([0.0, INF, -INF, NAN])
    np.testing.assert_array_equal(scaled(a, np.full(4, 0.3), 7), a)
    np.testing.assert_array_equal(scaled(a, np.full(4, 2.0**-1000), 2**900), a)
    np.testing.assert_array_equal(scaled(a, None, 7), a)


def test_scaling_takes_one_weight_for_each_row() -> None:
    a = np.array([[0.5, -3.0], [0.25, 2.0**-1000]])
    got = scaled(a, np.array([[4.0], [2.0**-60]]), 8)
    np.testing.assert_array_equal(got, [[0.25, -1.5], [2.0**-65, 2.0**-1063]])
