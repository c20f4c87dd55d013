"""The shared pieces, each beside exact arithmetic and on both sides of every constant in it."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from reflosses import log_softmax
from reflosses.evaluation.axes import FEW
from reflosses.evaluation.numerics import (
    _sum_in_order,
    accurate_sum,
    difference,
    exp_of_product,
    log1p_over,
    product,
    ratio,
    smallest_logit,
    times,
    times_exp,
)
from reflosses.evaluation.quadratic_form import Form
from reflosses.evaluation.softmax import Others

from exact import exp, log, ulps

# ---- accurate_sum ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [1.0, 2.0**-1000, 2.0**-1021, 2.0**899, 2.0**900, 2.0**901, 2.0**1022])
@pytest.mark.parametrize("n", [2, 3, 4, 7, 8, 31, 1000])
def test_a_sum_of_halves_of_a_last_place(top, n):
    """top + (n − 1)·top·2^−53: added one by one to the first, every term rounds away. 2^900 is where it rescales."""
    x = np.full(n, top * 2.0**-53)
    x[0] = top
    assert ulps(accurate_sum(x), [Fraction(top) * (1 + Fraction(n - 1, 2**53))]) <= 1


def test_a_sum_over_every_magnitude():
    x = np.ldexp(1.25, np.arange(-1060, 890, 13))
    assert ulps(accurate_sum(x), [sum(map(Fraction, x.tolist()))]) <= 1
    assert ulps(accurate_sum(x[::-1]), [sum(map(Fraction, x.tolist()))]) <= 1


def test_sums_of_rows_of_every_kind_beside_each_other():
    """Each row alone: of integers, of subnormals, of nothing, of what overflows a splitting, of infinities."""
    tiny, huge = 5e-324, 1.5 * 2.0**1022
    rows = np.array(
        [
            [1.0, 20.0, 300.0],
            [tiny, tiny, 3 * tiny],
            [0.0, 0.0, 0.0],
            [huge, huge / 4, tiny],
            [huge, huge, huge],
            [np.inf, 7.0, 0.0],
            [-np.inf, 7.0, np.inf],
            [np.nan, 7.0, 0.0],
        ]
    )
    with np.errstate(all="ignore"):
        got = accurate_sum(rows)
    np.testing.assert_array_equal(got, [321, 5 * tiny, 0, 1.25 * huge, np.inf, np.inf, np.nan, np.nan])


@pytest.mark.parametrize("n", [1, 2, 7, FEW - 1, FEW, 1000])
def test_a_sum_is_rounded_in_one_order_wherever_its_terms_lie(n):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((5, n)) * 10.0 ** rng.integers(-12, 1, (5, n))
    expected = [_sum_in_order(row.copy()[None]).item() for row in x]
    apart = np.repeat(x, 2, axis=1)[:, ::2]
    for other in (x.copy(), np.asfortranarray(x), apart, x[::-1].copy()[::-1]):
        assert _sum_in_order(other).tolist() == expected


def test_sums_of_nothing_and_of_one():
    assert accurate_sum(np.zeros((3, 0))).tolist() == [0, 0, 0]
    assert accurate_sum(np.array([[7.0], [0.3]])).tolist() == [7, 0.3]
    assert accurate_sum(np.arange(24.0).reshape(2, 3, 4)).tolist() == [[6, 22, 38], [54, 70, 86]]


# ---- Others, ratio, times, _difference -------------------------------------------------------------------------------


def test_the_largest_entry_does_not_swallow_the_others():
    small = 2.0**-60
    got = Others(np.array([[1.0, small, 3 * small], [small, 1.0, 3 * small]])).of_each()
    assert got[0, 0] == got[1, 1] == 4 * small
    assert got[0, 1:].tolist() == [1, 1]


@pytest.mark.parametrize("row", [[7.0], [7.0, 0.3], [5.0, 5.0, 2.0**-55], [0.0, 0.0, 0.0], [2.0**-1074] * 4])
def test_sums_of_others_by_hand(row):
    exact = [sum(map(Fraction, row)) - Fraction(x) for x in row]
    assert ulps(Others(np.array(row)).of_each(), exact) <= 1


def test_sums_of_others_of_many():
    rows = np.random.default_rng(7).integers(1, 2**53, (20, 33)) / 2.0**40
    rows *= 2.0 ** (np.arange(33) - 50)
    for row, got in zip(rows.tolist(), Others(rows).of_each(), strict=True):
        total = sum(map(Fraction, row))
        assert ulps(got, [total - Fraction(x) for x in row]) <= 3
    assert rows.max() / rows.min() > 2.0**30


def test_ratio_of_nothing_to_nothing_is_nothing():
    with np.errstate(all="ignore"):
        got = ratio(np.array([0.0, 0.0, 3.0, -3.0, np.nan]), np.array([0.0, 7.0, 0.0, 4.0, 0.0]))
    np.testing.assert_array_equal(got, [0, 0, np.inf, -3 / 4, np.nan])


def test_what_has_no_mass_has_no_loss():
    with np.errstate(all="ignore"):
        got = times(np.array([0.0, 0.0, 0.0, 3.0, 3.0]), np.array([np.inf, -np.inf, np.nan, np.inf, 0.7]))
    np.testing.assert_array_equal(got[:4], [0, 0, 0, np.inf])
    assert got[4] == float(3 * Fraction(0.7))


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ((0.3,), ()),
        ((0.3, 0.7, 17.0), (13.0,)),
        ((1e300, 1e300, 1e-300, 1e-300), ()),  # overflows from the left
        ((1e-300, 1e-300, 1e300, 1e300), ()),  # underflows from the left
        ((1e300, 5e-324), (1e-20, 1e300)),
        ((5e-324, 5e-324), (5e-324, 7.0)),
        ((1.0,), (5e-324, 1e300)),
        ((0.0, 1.7e308), (5e-324,)),
        ((-0.3, 1.7e308), (1.7e308, 3.0)),
        ((1e-160, 1e-160), ()),  # a subnormal result
    ],
)
def test_a_product_in_any_order(above, below):
    exact = math.prod(map(Fraction, above)) / math.prod(map(Fraction, below))
    for turned in (above, above[::-1]):
        assert ulps(product(turned, below[::-1]), [exact]) <= 2


def test_a_product_overflows_where_its_result_does():
    with np.errstate(all="ignore"):
        got = product((np.array([1e300, np.inf, np.nan, 0.3]), 1e300), (np.array([1e290, 3.0, 3.0, 0.0]),))
        assert product((1e-300, -1e-300)) == 0
    np.testing.assert_array_equal(got, [np.inf, np.inf, np.nan, np.inf])


@pytest.mark.parametrize("z", [0.1, -700.3, 5e-324, 1e-300, -1e15])
@pytest.mark.parametrize("m", [0.3, 512.7, 1e15, 2.0**60])
def test_a_difference_and_its_error_are_exact(z, m):
    d, e = difference(np.array(z), np.array(m))
    assert d == z - m
    assert Fraction(float(d)) + Fraction(float(e)) == Fraction(z) - Fraction(m)


def test_an_infinite_difference_has_no_error():
    with np.errstate(all="ignore"):
        d, e = difference(np.array([-np.inf, -1.7e308, np.inf, np.nan]), np.array([0.3, 1.7e308, np.inf, 0.3]))
    np.testing.assert_array_equal(d, [-np.inf, -np.inf, np.nan, np.nan])
    assert e.tolist() == [0, 0, 0, 0]


# ---- exponentials and logarithms -------------------------------------------------------------------------------------

AROUND_600 = [-599.9, math.nextafter(-600, 0), -600.0, math.nextafter(-600, -1000), -600.1]


@pytest.mark.parametrize("x", [0.0, -(2.0**-60), -0.7, -37.0, *AROUND_600, -708.4, -720.0, -744.4, -745.1, -746.0])
@pytest.mark.parametrize("a", [5e-324, 1e-300, 0.3, 17.0, 1e6, 1e300])
def test_a_number_times_an_exponential(a, x):
    # beside −600 the two branches must agree; below −745.2 the exponential alone is 0
    assert ulps(times_exp(np.array(a), np.array(x)), [Fraction(a) * exp(x)]) <= 4


def test_a_large_number_lifts_an_exponential_that_is_no_float():
    got = times_exp(np.array([1e300, 0.0, 1e300]), np.array([-1300.0, -1300.0, -np.inf]))
    assert ulps(got[:1], [Fraction(1e300) * exp(-1300)]) <= 4
    assert np.exp(-1300.0) == 0 < got[0]
    assert got[1:].tolist() == [0, 0]


@pytest.mark.parametrize("a", [0.3, 0.5, 1.7, 3.0, 30.0, 1e-6, 1e6])
@pytest.mark.parametrize("product", [1e-10, 0.7, 17.3, 300.9, 700.1])
def test_the_exponential_of_a_product_keeps_the_rounding_of_the_product(a, product):
    x = product / a
    assert ulps(exp_of_product(a, np.array(x)), [exp(-Fraction(a) * Fraction(x))]) <= 2


def test_without_the_correction_that_bound_would_not_hold():
    worst = max(
        ulps(np.exp(-(a * x)), [exp(-Fraction(a) * Fraction(x))]) for a in (0.3, 1.7) for x in np.arange(300, 400) * 1.1
    )
    assert worst > 20


def test_an_exponential_of_a_product_that_is_as_good_as_infinite():
    x = np.array([2.0**499, 2.0**500, 2.0**501, 2.0**1000, 1.7e308, np.inf])
    for a in (1e-6, 0.3, 1e6):
        assert exp_of_product(a, x).tolist() == [0] * 6
    assert exp_of_product(0.0, x).tolist() == [1] * 6
    assert np.isnan(exp_of_product(0.3, np.array(np.nan)))


@pytest.mark.parametrize("u", [0.0, 5e-324, 1e-300, 0.9e-290, 1e-290, 1.1e-290, 1e-200, 2.0**-53])
def test_log1p_over_is_one_for_the_smallest(u):
    exact = 1 - Fraction(u) / 2
    assert ulps(log1p_over(np.array(u)), [exact]) <= 1


@pytest.mark.parametrize("u", [2.0**-40, 0.3, 0.5, 1.0, 4.0, 1e10, 1e300])
def test_log1p_over(u):
    assert ulps(log1p_over(np.array(u)), [log(1 + Fraction(u)) / Fraction(u)]) <= 2


@pytest.mark.parametrize(
    "p", [0.25, 0.3, 1 / 3, 1e-4, 1 / 32, 0.5 - 2.0**-54, 0.5 - 2.0**-40, 1e-300, 2.0**-1022, 5e-324]
)
def test_the_smallest_logit_is_decided_exactly(p):
    """σ(z) ≥ p is p (1 + e^−z) ≤ 1; its neighbour below does not have it."""
    z = smallest_logit(p)
    with localcontext(prec=120):
        assert Decimal(p) * (1 + (-Decimal(z)).exp()) <= 1
        assert Decimal(p) * (1 + (-Decimal(math.nextafter(z, -math.inf))).exp()) > 1


def test_the_smallest_logit_of_a_half_is_zero():
    assert smallest_logit(0.5) == 0


# ---- quadratic forms -------------------------------------------------------------------------------------------------

DEFINITE = [[4.0, 1.5], [1.5, 0.75]]
SEMIDEFINITE = [[0.75, -0.75], [-0.75, 0.75]]
ONE_SIDED = [[0.0, 0.0], [0.0, 3.0]]


@pytest.mark.parametrize("unit", [2.0**-1070, 2.0**-537, 1.0, 2.0**511, 2.0**600, 2.0**1022])
def test_a_form_scaled_by_a_power_of_two(unit):
    """Ω(1, −2) = (1, 0) and s = 1; scaled, the largest component is from ½ to 1."""
    form = Form(np.zeros((1, 2)), unit * np.array([[1.0, -2.0]]), np.array([DEFINITE]))
    assert np.ldexp(form.f, form.n[:, None]).tolist() == [[unit, -2 * unit]]
    assert form.f.tolist() == [[1 / 4, -1 / 2]]
    assert form.pull.tolist() == [[1 / 4, 0]]
    assert form.t.tolist() == [1 / 16]
    assert form.over(unit).tolist() == [1]


def test_a_form_of_nothing_and_of_what_has_no_information():
    matrices = np.array([DEFINITE, ONE_SIDED, ONE_SIDED])
    form = Form(np.zeros((3, 2)), np.array([[0.0, 0.0], [np.inf, 8.0], [1e300, 0.0]]), matrices)
    assert form.whole_pull().tolist() == [[0, 0], [0, 24], [0, 0]]
    assert form.over(1.0).tolist() == [0, 192, 0]
    assert form.root()[0] == form.root()[2] == 0


def test_a_residual_that_overflows():
    """e = 2 · 1.5e308, of which s = e² and s/δ² = 9 at δ = 1e308."""
    with np.errstate(over="ignore"):
        form = Form(np.array([-1.5e308]), np.array([1.5e308]), None)
    assert form.over(1e308).tolist() == pytest.approx([9.0], rel=1e-15)
    assert form.log_over(1e308).tolist() == pytest.approx([math.log(9)], rel=1e-13)


def test_a_form_that_is_negative_by_rounding_is_nothing():
    form = Form(np.zeros((1, 2)), np.array([[1.0, -1.0]]), np.array([[[1.0, 1.0], [1.0, 1 - 2.0**-49]]]))
    assert form.t.tolist() == [0]


@pytest.mark.parametrize(
    ("e", "information", "to_infinity", "unclear"),
    [
        ([0.3, -7.0], DEFINITE, False, False),
        ([np.inf, -7.0], DEFINITE, True, False),
        ([np.inf, -np.inf], DEFINITE, True, False),
        ([np.inf, -7.0], SEMIDEFINITE, True, False),  # 3/4 (e₁ − e₂)²
        ([np.inf, -7.0], [[2.0**-40, 2.0**-20], [2.0**-20, 1.0]], True, False),  # (2^-20 e₁ + e₂)²
        ([np.inf, np.inf], SEMIDEFINITE, False, True),
        ([-np.inf, np.inf], SEMIDEFINITE, False, True),
        ([np.inf, -7.0], ONE_SIDED, False, False),  # only e₂ counts
        ([np.inf, -np.inf], ONE_SIDED, True, False),
        ([np.nan, -np.inf], ONE_SIDED, True, False),
        ([np.nan, -np.inf], DEFINITE, False, True),
    ],
)
def test_where_a_form_goes_with_infinite_components(e, information, to_infinity, unclear):
    for scale in (1.0, 2.0**-1000, 2.0**900):
        form = Form(np.zeros((1, 2)), np.array([e]), scale * np.array([information]))
        assert [np.isinf(form.t).tolist(), np.isnan(form.t).tolist()] == [[to_infinity], [unclear]]
        assert np.isnan(form.pull).any() == unclear
        assert not to_infinity or not form.pull.any()


def test_a_form_that_is_definite_by_rounding_alone_has_no_limit():
    """v vᵀ has the eigenvalue 0, which rounding makes positive for about half of these v: (v·e)² cancels."""
    for k in range(1, 40):
        v = np.array([0.3, -k / 7])
        form = Form(np.zeros((1, 2)), np.array([[np.inf, np.inf]]), np.outer(v, v)[None])
        assert np.isnan(form.t).all()


# ---- log_softmax -----------------------------------------------------------------------------------------------------

ROWS = [
    [1.0, 2.0, 0.5],
    [0.0, 0.0, 0.0],
    [40.0, 0.0, 0.0],
    [0.0, 37.0, 0.5],
    [87.5, 0.1, -1.0],
    [700.0, 0.25, 0.0],
    [744.5, 0.0, 0.0],
    [0.3, 5e-324, -37.0],
    [-1e15 + 40.0, -1e15, -1e15 + 3.0],
    [12.0, -0.1, 500.3],
    [2.0**-40, 0.0, 2.0**-30],
    [-600.1, -600.2, -600.3],
    [1.0, 1.0, -800.0],
]


@pytest.mark.parametrize("row", ROWS)
def test_log_softmax_against_the_textbook_in_four_hundred_digits(row):
    z = [Fraction(x) for x in row]
    log_sum = log(sum(exp(x - max(z)) for x in z))
    assert ulps(log_softmax(row), [x - max(z) - log_sum for x in z]) <= 4


def test_log_softmax_by_hand():
    assert ulps(log_softmax([0.3] * 4), [-log(4)] * 4) <= 4
    assert log_softmax([[7.0], [-1e308]]).tolist() == [[0], [0]]
    assert ulps(log_softmax([-1.7e308] * 3), [-log(3)] * 3) <= 4
    assert ulps(log_softmax([1e308, 0.0, 1e308]), [-log(2), -Fraction(1e308), -log(2)]) <= 4
    assert log_softmax([1e308, -1e308]).tolist() == [0, -np.inf]  # −2e308 is no float


def test_log_softmax_of_many_classes():
    """999 classes 40 below one: log(1 + 999 e^−40) beside a 0."""
    z = np.full(1000, 3.0)
    z[500] = 43.0
    got = log_softmax(z)
    tail = 999 * exp(-40)
    assert ulps(got[500:501], [-(tail - tail**2 / 2 + tail**3 / 3)]) <= 4
    assert ulps(got[:1], [-40 - tail]) <= 4


def test_log_softmax_along_any_axis():
    z = np.array(ROWS[:12]).reshape(3, 4, 3)
    last = log_softmax(z)
    for axis in (0, 1, 2, -1, -2, -3):
        moved = log_softmax(np.moveaxis(z, -1, axis), axis=axis)
        assert moved.shape == np.moveaxis(z, -1, axis).shape
        assert moved.flags.c_contiguous
        assert np.moveaxis(moved, axis, -1).tolist() == last.tolist()


def test_log_softmax_leaves_its_input_alone():
    z = np.array([[1.0, 2.0, 0.5]])
    z.flags.writeable = False
    got = log_softmax(z)
    assert z.tolist() == [[1, 2, 0.5]]
    assert not np.shares_memory(got, z)
    assert log_softmax([3, 3]).dtype == np.float64
    assert log_softmax(np.array([3, 3], np.float32)).dtype == np.float64


def test_log_softmax_of_masked_classes_is_as_if_they_were_not_there():
    got = log_softmax([-np.inf, 0.3, -np.inf, 0.7])
    without = log_softmax([0.3, 0.7])
    assert got.tolist() == [-np.inf, without[0], -np.inf, without[1]]


@pytest.mark.parametrize(
    ("row", "limit"),
    [
        ([np.inf, 0.3, 7.0], [0, -np.inf, -np.inf]),
        ([0.3, np.inf, -np.inf], [-np.inf, 0, -np.inf]),
        ([np.inf, np.inf, 0.3], [np.nan] * 3),
        ([-np.inf] * 3, [np.nan] * 3),
        ([np.nan, 0.3, 7.0], [np.nan] * 3),
        ([0.3, np.inf, np.nan], [np.nan] * 3),
    ],
)
def test_log_softmax_at_infinity(row, limit):
    got = log_softmax([row, [0.3, 0.3, 0.3]])
    np.testing.assert_array_equal(got[0], limit)
    assert ulps(got[1], [-log(3)] * 3) <= 4  # the other row does not notice
    np.testing.assert_array_equal(log_softmax(row), limit)
    np.testing.assert_array_equal(log_softmax(np.reshape([row] * 6, (2, 3, 3)), axis=-1), [[limit] * 3] * 2)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (3, 0, 4)])
def test_log_softmax_of_nothing(shape):
    got = log_softmax(np.zeros(shape))
    assert got.shape == shape
    assert got.dtype == np.float64


@pytest.mark.parametrize(("shape", "axis"), [((), -1), ((3,), 1), ((3,), -2), ((2, 3), 2)])
def test_log_softmax_along_an_axis_that_is_not_there(shape, axis):
    with pytest.raises(ValueError, match=rf"log_softmax: axis {axis} does not exist in z of shape"):
        log_softmax(np.zeros(shape), axis=axis)


@pytest.mark.parametrize("z", [["a", "b"], [1j, 0.3], np.array([object()]), np.ma.masked_array([0.3], [True])])
def test_log_softmax_of_what_is_no_array_of_real_numbers(z):
    with pytest.raises(TypeError, match="log_softmax: z"):
        log_softmax(z)


@pytest.mark.parametrize("axis", ["x", None, 1.0, True, (0,)])
def test_log_softmax_along_what_is_no_axis(axis):
    with pytest.raises(TypeError, match=r"^log_softmax: axis must be an integer, got "):
        log_softmax([1.0, 2.0], axis=axis)
