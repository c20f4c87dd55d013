"""Cauchy's kernel ρ(s) = δ² log(1 + s/δ²) of s = e² or s = eᵀΩe, and its use in SciPy's least squares."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import least_squares

from reflosses import Cauchy, MeanSquaredError

from exact import log, ulps

BOUNDS = Cauchy().bounds

OMEGA = [[4.0, 1.5], [1.5, 0.75]]


def rho(s, delta):
    s, square = Fraction(s), Fraction(delta) ** 2
    if s < square / 10**100:  # log(1 + u) = u (1 − u/2 + …)
        return s * (1 - s / square / 2)
    return square * log(1 + s / square)


def cauchy(delta, information=None):
    return Cauchy(delta=delta, information=information, reduction="none")


def test_worked_by_hand():
    """δ = ½: e = 3/2 gives u = 9, e = −1 gives u = 4; δ = 13: e = −26 gives u = 4."""
    assert ulps(cauchy(0.5).value([1.0, 1.0], [2.5, 0.0]), [log(10) / 4, log(5) / 4]) <= BOUNDS.value
    assert ulps(cauchy(0.5).grad([1.0, 1.0], [2.5, 0.0]), [Fraction(3, 10), Fraction(-2, 5)]) <= BOUNDS.grad
    assert ulps(Cauchy(delta=0.5).value([1.0, 1.0], [2.5, 0.0]), [log(50) / 8]) <= BOUNDS.value
    assert ulps(cauchy(13.0).value([26.0], [0.0]), [169 * log(5)]) <= BOUNDS.value
    assert ulps(cauchy(13.0).grad([26.0], [0.0]), [Fraction(-52, 5)]) <= BOUNDS.grad


def test_the_kernel_and_its_derivatives_by_hand():
    """ρ′ = 1/(1 + u), ρ″ = −ρ′²/δ² at s = 9/4, δ = ½."""
    loss = Cauchy(delta=0.5)
    assert ulps(loss.rho(2.25), [log(10) / 4]) <= BOUNDS.value
    assert ulps(loss.weight(2.25), [Fraction(1, 10)]) <= BOUNDS.grad
    assert ulps(loss.rho_second(2.25), [Fraction(-1, 25)]) <= BOUNDS.grad
    assert loss.rho(0.0) == 0
    assert loss.weight(0.0) == 1
    assert loss.rho_second(0.0) == -4
    shaped = loss.rho([[0.0, 2.25, 1.0]])
    assert shaped.shape == (1, 3)
    assert shaped[0, 1] == loss.rho(2.25)


def test_information_by_hand():
    """Ω(1, −2) = (1, 0), s = 1; Ω(1, 2) = (7, 3), s = 13. With δ = ½: u = 4, 52."""
    loss = cauchy(0.5, OMEGA)
    y, yhat = [[3.0, -1.0], [3.0, -1.0]], [[4.0, -3.0], [4.0, 1.0]]
    assert ulps(loss.value(y, yhat), [log(5) / 4, log(53) / 4]) <= BOUNDS.value
    exact = [Fraction(2, 5), 0, Fraction(14, 53), Fraction(6, 53)]
    assert ulps(loss.grad(y, yhat), exact) <= BOUNDS.grad
    mean = Cauchy(delta=0.5, information=OMEGA)
    assert ulps(mean.value(y, yhat), [log(265) / 8]) <= BOUNDS.value
    assert ulps(mean.grad(y, yhat), [x / 2 for x in map(Fraction, exact)]) <= BOUNDS.grad


def test_an_information_matrix_one_a_vector():
    """The second vector (1, 2) meets [[½, 0], [0, 3]]: s = 25/2, u = 50."""
    loss = cauchy(0.5, [OMEGA, [[0.5, 0.0], [0.0, 3.0]]])
    value, grad = loss.value_and_grad(np.zeros((2, 2)), [[1.0, -2.0], [1.0, 2.0]])
    assert ulps(value, [log(5) / 4, log(51) / 4]) <= BOUNDS.value
    assert ulps(grad, [Fraction(2, 5), 0, Fraction(1, 51), Fraction(12, 51)]) <= BOUNDS.grad
    weighted = loss.value(np.zeros((2, 2)), [[1.0, -2.0], [1.0, 2.0]], weight=[0.0, 4.0])
    assert weighted[0] == 0
    assert ulps(weighted[1], [log(51)]) <= BOUNDS.value
    broadcast = loss.value(np.zeros((5, 2, 2)), np.ones((5, 2, 2)))
    assert broadcast.shape == (5, 2)
    with pytest.raises(ValueError, match=r"information of shape \(2, 2, 2\) does not broadcast"):
        loss.value(np.zeros((3, 2)), np.zeros((3, 2)))


def test_without_correlation_and_dimension_one_it_is_the_scalar_kernel():
    e = np.array([0.3, -2.5, 1e-9, 1e10, 2.0**600, -(2.0**-530), 0.0])
    vector, scalar = cauchy(0.7, [[1.0]]), cauchy(0.7)
    value, grad = scalar.value_and_grad(np.zeros(7), e)
    got, slopes = vector.value_and_grad(np.zeros((7, 1)), e[:, None])
    assert ulps(got, value.tolist()) <= 2 * BOUNDS.value
    assert ulps(slopes, grad.tolist()) <= 2 * BOUNDS.grad


def test_a_block_diagonal_matrix_adds_squared_errors_not_losses():
    """Blocks Ω and [[3]] with e = (1, 2, 4): s = 13 + 48 = 61, u = 244, one weight 1/245 for all of them."""
    blocks = np.zeros((3, 3))
    blocks[:2, :2], blocks[2, 2] = OMEGA, 3.0
    loss = cauchy(0.5, blocks)
    value, grad = loss.value_and_grad([[0.0] * 3] * 2, [[1.0, 2.0, 4.0], [1.0, 2.0, 0.0]])
    assert ulps(value, [log(245) / 4, log(53) / 4]) <= BOUNDS.value
    exact = [Fraction(14, 245), Fraction(6, 245), Fraction(24, 245), Fraction(14, 53), Fraction(6, 53), 0]
    assert ulps(grad, exact) <= BOUNDS.grad


@pytest.mark.parametrize("k", [0.125, 2.0**40, 2.0**-300])
def test_residuals_and_delta_scale_together(k):
    for information, e in ((None, [1.5, -26.0]), (OMEGA, [[1.0, -2.0], [1.0, 2.0]])):
        value, grad = cauchy(0.5, information).value_and_grad(np.zeros_like(e), e)
        scaled, slopes = cauchy(0.5 * k, information).value_and_grad(np.zeros_like(e), np.multiply(e, k))
        assert scaled.tolist() == (k * k * value).tolist()
        assert slopes.tolist() == (k * grad).tolist()


def test_information_scales_as_one_over_delta_squared():
    """ρ of (δ, k²Ω) is k² ρ of (δ/k, Ω)."""
    k, e = 16.0, [[1.0, -2.0], [1.0, 2.0]]
    value, grad = cauchy(0.5 / k, OMEGA).value_and_grad(np.zeros((2, 2)), e)
    scaled, slopes = cauchy(0.5, np.multiply(OMEGA, k * k)).value_and_grad(np.zeros((2, 2)), e)
    assert scaled.tolist() == (k * k * value).tolist()
    assert slopes.tolist() == (k * k * grad).tolist()


def test_squared_error_where_delta_is_wide():
    r = [0.3, -2.5, 7.0]
    squared = MeanSquaredError(reduction="none")
    value, grad = cauchy(2.0**100).value_and_grad(r, [0.0] * 3)
    assert ulps(value, squared.value(r, [0.0] * 3).tolist()) <= BOUNDS.value + squared.bounds.value
    assert ulps(grad, squared.grad(r, [0.0] * 3).tolist()) <= BOUNDS.grad + squared.bounds.grad


RESIDUALS = [2.0**-530, 1e-200, 0.9e-145, 1.1e-145, 1e-100, 2.0**-30, 0.3, 1.0, 26.0, 1e10, 2.0**400, 2.0**511.0]
RESIDUALS += [2.0**512, 2.0**600, 2.0**1000, 2.0**1023]


@pytest.mark.parametrize("delta", [0.7, 13.0, 1e-6, 1e6, 2.0**-400])
@pytest.mark.parametrize("r", RESIDUALS)
def test_every_size_against_the_textbook_in_four_hundred_digits(r, delta):
    exact, u = Fraction(r), Fraction(r) ** 2 / Fraction(delta) ** 2
    assert ulps(cauchy(delta).value([0.0, r], [r, 0.0]), [rho(exact**2, delta)] * 2) <= BOUNDS.value
    slope = 2 * exact / (1 + u)
    assert ulps(cauchy(delta).grad([0.0, r], [r, 0.0]), [slope, -slope]) <= BOUNDS.grad


@pytest.mark.parametrize("delta", [0.7, 13.0, 1e-6, 1e6, 2.0**-400])
@pytest.mark.parametrize("exponent", [-500, -60, 0, 10, 500, 900, 1020])
def test_every_size_of_a_vector(exponent, delta):
    """Ω(1, 2) = (7, 3) and s = 13, times 2^k: no term is negative, so the bounds hold for the result itself."""
    k = Fraction(2) ** exponent
    e = [[float(k), float(2 * k)]]
    value, grad = cauchy(delta, OMEGA).value_and_grad([[0.0, 0.0]], e)
    u = 13 * k**2 / Fraction(delta) ** 2
    assert ulps(value, [rho(13 * k**2, delta)]) <= BOUNDS.value
    assert ulps(grad, [14 * k / (1 + u), 6 * k / (1 + u)]) <= BOUNDS.grad


def test_a_residual_beyond_the_largest_float():
    big = 2.0**1023  # r = ±2^1024
    exact = rho(Fraction(2) ** 2048, 0.7)
    value, grad = cauchy(0.7).value_and_grad([-big, big], [big, -big])
    assert ulps(value, [exact, exact]) <= BOUNDS.value
    slope = 2 * Fraction(0.7) ** 2 / 2**1024  # 2r/(1 + u), where u is all but all of 1 + u
    assert ulps(grad, [slope, -slope]) <= BOUNDS.grad
    value, grad = cauchy(0.7, [[1.0]]).value_and_grad([[-big]], [[big]])
    assert ulps(value, [exact]) <= BOUNDS.value
    assert ulps(grad, [slope]) <= BOUNDS.grad


@pytest.mark.parametrize("s", [0.0, 5e-324, 1e-300, 2.25, 2.0**59, 2.0**61, 1e300, 1.7e308])
@pytest.mark.parametrize("delta", [0.7, 13.0, 1e-6, 1e6])
def test_the_kernel_at_every_size(s, delta):
    loss = Cauchy(delta=delta)
    weight = 1 / (1 + Fraction(s) / Fraction(delta) ** 2)
    assert ulps(loss.rho(s), [rho(s, delta)]) <= BOUNDS.value
    assert ulps(loss.weight(s), [weight]) <= BOUNDS.grad
    assert ulps(loss.rho_second(s), [-(weight**2) / Fraction(delta) ** 2]) <= 2 * BOUNDS.grad


def test_the_kernel_at_infinity_and_outside_its_domain():
    loss = Cauchy(delta=0.7)
    assert loss.rho(np.inf) == np.inf
    assert loss.weight(np.inf) == 0
    assert loss.rho_second(np.inf) == 0
    for method in (loss.rho, loss.weight, loss.rho_second, loss.scipy_rho):
        with pytest.raises(
            ValueError, match=r"Cauchy\(delta=0\.7, .*: s\[1\] is -0\.3, not a squared error in \[0, inf"
        ):
            method([0.3, -0.3])


def test_limits():
    value, grad = cauchy(0.7).value_and_grad([0.3, 0.3, np.inf, np.inf], [np.inf, -np.inf, 0.3, np.inf])
    np.testing.assert_array_equal(value, [np.inf, np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(grad, [0, 0, 0, np.nan])
    e = [[np.inf, 0.3], [0.3, -np.inf], [np.inf, np.inf], [np.nan, 0.3], [np.nan, np.inf]]
    value, grad = cauchy(0.7, OMEGA).value_and_grad(np.zeros((5, 2)), e)
    np.testing.assert_array_equal(value, [np.inf, np.inf, np.inf, np.nan, np.nan])  # Ω is definite: on every path
    np.testing.assert_array_equal(grad, [[0, 0]] * 3 + [[np.nan] * 2] * 2)
    line = cauchy(0.7, [[0.75, -0.75], [-0.75, 0.75]])  # s is 3/4 (e₁ − e₂)²
    value, grad = line.value_and_grad(np.zeros((3, 2)), [[np.inf, 0.3], [np.inf, np.inf], [np.inf, -np.inf]])
    np.testing.assert_array_equal(value, [np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(grad, [[0, 0], [np.nan] * 2, [np.nan] * 2])


def test_a_component_without_information_takes_no_part():
    """Ω = diag(0, 3): only e₂ = 4 counts, s = 48, u = 192."""
    loss = cauchy(0.5, [[0.0, 0.0], [0.0, 3.0]])
    for other in (0.3, 1e308, np.inf):
        value, grad = loss.value_and_grad([[0.0, 0.0]], [[other, 4.0]])
        assert ulps(value, [log(193) / 4]) <= BOUNDS.value
        assert ulps(grad, [0, Fraction(24, 193)]) <= BOUNDS.grad


def test_a_direction_without_information_costs_nothing():
    loss = cauchy(0.7, [[0.75, -0.75], [-0.75, 0.75]])
    value, grad = loss.value_and_grad([[0.0, 0.0]], [[4.0, 4.0]])
    assert value.tolist() == [0]
    assert grad.tolist() == [[0, 0]]


def test_a_matrix_that_is_semidefinite_but_for_rounding():
    """[[1, 1], [1, 1 − ε]] has eigenvalues near 2 and −ε/2: above −8·2·2^−52·2 = −2^−47 it is taken, and s < 0 is 0."""
    value, grad = cauchy(0.7, [[1.0, 1.0], [1.0, 1 - 2.0**-49]]).value_and_grad([[0.0, 0.0]], [[1.0, -1.0]])
    assert value.tolist() == [0]  # 1 − 2 + (1 − 2^−49)
    assert grad.tolist() == [[0, 2.0**-48]]  # 2Ωe, exact
    with pytest.raises(ValueError, match="must be positive semi-definite, has eigenvalues from -"):
        Cauchy(information=[[1.0, 1.0], [1.0, 1 - 2.0**-44]])


@pytest.mark.parametrize(
    ("information", "message"),
    [
        ([[1.0, 0.3], [0.7, 1.0]], r"must be symmetric, differs from its transpose at \[0, 1\]"),
        ([[1.0, 3.0], [3.0, 1.0]], "must be positive semi-definite, has eigenvalues from -2 to 4"),
        ([[-0.3]], "must be positive semi-definite"),
        ([[1.0, 0.0]], r"must be square matrices, got shape \(1, 2\)"),
        ([0.3], "must be square matrices"),
        ([[np.nan]], r"information\[0, 0\] is nan, not a real number"),
        ([[1.0, np.inf], [np.inf, 1.0]], r"information\[0, 1\] is not finite"),
    ],
)
def test_what_is_no_information_matrix(information, message):
    with pytest.raises(ValueError, match=message):
        Cauchy(information=information)


@pytest.mark.parametrize(("information", "components"), [(OMEGA, 3), (OMEGA, 1), ([[4.0]], 3)])
def test_the_size_of_the_matrix_is_that_of_the_vectors(information, components):
    loss, zeros = Cauchy(information=information), np.zeros((4, components))
    with pytest.raises(ValueError, match=r"^Cauchy\(.*\): information"):  # nothing is stretched to fit
        loss.value(zeros, zeros)


# ---- SciPy -----------------------------------------------------------------------------------------------------------

X = np.arange(21.0)
OUTLIERS = [2, 9, 17]
OBSERVED = 0.75 * X - 3.0 + np.where(X % 2 == 0, 2.0**-10, -(2.0**-10))
OBSERVED[OUTLIERS] += [400.0, 900.0, -250.0]


def residuals(line):
    return line[0] * X + line[1] - OBSERVED


def test_a_line_through_gross_outliers():
    kernel = Cauchy(delta=0.5)
    robust = least_squares(residuals, [0.0, 0.0], loss=kernel.scipy_rho, f_scale=0.25)
    assert robust.success
    assert np.abs(robust.x - [0.75, -3.0]).max() < 0.01
    plain = least_squares(residuals, [0.0, 0.0])
    assert abs(plain.x[0] - 0.75) > 1
    assert abs(plain.x[1] + 3.0) > 30


def test_the_cost_is_half_of_the_scaled_sum():
    """SciPy's cost is ½ C² Σ ρ((f/C)²), which is half the sum of our losses at the scale C·delta."""
    kernel, scale = Cauchy(delta=0.5), 0.25
    fit = least_squares(residuals, [0.0, 0.0], loss=kernel.scipy_rho, f_scale=scale)
    losses = Cauchy(delta=0.125, reduction="sum")
    zeros = np.zeros_like(fit.fun)
    np.testing.assert_allclose(fit.cost, 0.5 * losses.value(zeros, fit.fun), rtol=1e-13)
    np.testing.assert_allclose(fit.cost, 0.5 * scale**2 * np.sum(kernel.rho((fit.fun / scale) ** 2)), rtol=1e-13)
    slope = losses.grad(zeros, fit.fun) @ np.column_stack([X, np.ones_like(X)])
    assert np.abs(slope).max() < 1e-5  # the gradient of that sum vanishes at the solution


def test_the_effective_scale_is_that_of_scipys_own_kernel():
    ours = least_squares(residuals, [0.0, 0.0], loss=Cauchy(delta=0.5).scipy_rho, f_scale=0.25, xtol=1e-12)
    theirs = least_squares(residuals, [0.0, 0.0], loss="cauchy", f_scale=0.125, xtol=1e-12)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-7)
    np.testing.assert_allclose(ours.cost, theirs.cost, rtol=1e-10)
    other = least_squares(residuals, [0.0, 0.0], loss="cauchy", f_scale=0.25, xtol=1e-12)
    assert abs(other.cost / ours.cost - 1) > 0.1  # a scale that is not C·delta is seen


def test_scipy_is_handed_fresh_arrays_each_time():
    kernel, z = Cauchy(delta=0.5), np.array([0.0, 2.25, 1e10])
    first, second = kernel.scipy_rho(z), kernel.scipy_rho(z)
    for rows in (first, second):
        assert rows.shape == (3, 3)
        assert rows.dtype == np.float64
        assert rows.flags.writeable
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(first, z)
    assert ulps(first[:, 1], [log(10) / 4, Fraction(1, 10), Fraction(-1, 25)]) <= BOUNDS.grad
    first[:] = 7.0
    assert second.tolist() == kernel.scipy_rho(z).tolist()
    assert z.tolist() == [0.0, 2.25, 1e10]


def test_the_kernel_of_nan_is_nan():
    loss = Cauchy(delta=0.7)
    for method in (loss.rho, loss.weight, loss.rho_second):
        assert np.isnan(method([np.nan, 0.3])).tolist() == [True, False]
    assert np.isnan(loss.scipy_rho([np.nan])).all()
