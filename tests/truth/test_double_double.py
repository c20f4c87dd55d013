"""Double-doubles against fractions, balls and NumPy's own infinities."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

import flint

from reflosses.truth.double_double import DoubleDouble, _equal, _less

RNG = np.random.default_rng(12)
BITS = 98  # of 106: some operations err by a few units


def drawn(low: int, high: int, n: int = 60) -> DoubleDouble:
    """Positive numbers of all magnitudes from 2^low to 2^high, whose low halves are not 0."""
    a = np.ldexp(RNG.uniform(1, 2, n), RNG.integers(low, high, n))
    return DoubleDouble(a, np.spacing(a) * RNG.uniform(-0.49, 0.49, n))


def exact(x: Any) -> list[Fraction]:
    high, low = x.astype(float), (x - x.astype(float)).astype(float)
    return [Fraction(a) + Fraction(b) for a, b in zip(high.tolist(), low.tolist(), strict=True)]


OPERATIONS: list[tuple[Callable[[Any, Any], Any], Callable[[Fraction, Fraction], Fraction]]] = [
    (lambda a, b: a + b, lambda a, b: a + b),
    (lambda a, b: a - b, lambda a, b: a - b),
    (lambda a, b: a * b, lambda a, b: a * b),
    (lambda a, b: a / b, lambda a, b: a / b),
    (lambda a, b: np.square(a) + b, lambda a, b: a * a + b),
    (lambda a, b: np.square(np.sqrt(a * b)), lambda a, b: a * b),
    (lambda a, b: np.add.reduce(np.abs(np.where([[True], [False]], -a, b)), axis=0), lambda a, b: a + b),
    (lambda a, b: np.einsum("in,in->n", DoubleDouble(np.ones((2, 1))) * a, np.where([[True], [False]], b, a)),
     lambda a, b: a * (a + b)),
    (lambda a, b: np.maximum(a, b) - np.minimum(a, b), lambda a, b: abs(a - b)),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "witness"), OPERATIONS)
def test_arithmetic_against_fractions(operation: Any, witness: Any) -> None:
    a, b = drawn(-60, 60), drawn(-60, 60)
    for x, y, found in zip(exact(a), exact(b), exact(operation(a, b)), strict=True):
        wanted = witness(x, y)
        assert abs(found - wanted) <= abs(wanted) / 2**BITS


def ball(x: Fraction) -> Any:
    return flint.arb(flint.fmpq(x.numerator, x.denominator))


@pytest.mark.parametrize(
    ("name", "low", "high", "sign"),
    [
        *((name, low, high, sign) for name in ("exp", "expm1") for low, high in ((-60, 0), (0, 9)) for sign in (1, -1)),
        *(("log", low, high, 1) for low, high in ((-1, 1), (-900, 1000))),
        *(("log1p", low, high, sign) for low, high, sign in ((-80, 0, 1), (0, 900, 1), (-80, -1, -1))),
    ],
)
def test_elementary_functions_against_balls(name: str, low: int, high: int, sign: int) -> None:
    """An exponential multiplies the relative error of its argument, 2⁻¹⁰⁶, by the argument: up to 2⁹."""
    x = sign * drawn(low, high)
    bits = 96 if name.startswith("exp") and high > 0 else BITS
    found = exact(getattr(np, name)(x))
    old, flint.ctx.prec = flint.ctx.prec, 300
    try:
        for a, b in zip(exact(x), found, strict=True):
            wanted = getattr(ball(a), name)()
            error = abs((ball(b) - wanted) / wanted)
            assert float(error) < 2.0**-bits, float(a)
    finally:
        flint.ctx.prec = old


def test_powers_against_fractions() -> None:
    a = drawn(-6, 6)
    for x, found, root in zip(exact(a), exact(a ** DoubleDouble(7.0)), exact((a**0.5) ** 2.0), strict=True):
        assert abs(found - x**7) <= x**7 / 2**94
        assert abs(root - x) <= x / 2**94


def test_a_logarithm_next_to_one_keeps_its_digits() -> None:
    (found,) = exact(np.log(DoubleDouble(np.array([1 - 2.0**-53]))))
    e = Fraction(1, 2**53)
    assert abs(found + e + e**2 / 2 + e**3 / 3) < e / 2**BITS


@np.errstate(all="ignore")
def test_infinities_and_nan_are_those_of_floats() -> None:
    x = np.array([0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan, 800.0, -800.0, 1e308])
    wide = DoubleDouble(x)
    for f in (np.exp, np.expm1, np.log, np.log1p, np.sqrt, np.negative, np.abs, np.square):
        found, wanted = f(wide).astype(float), f(x)
        special = ~np.isfinite(wanted) | (wanted == 0)
        np.testing.assert_array_equal(found[special], wanted[special], err_msg=f.__name__)
        assert np.isfinite(found[~special]).all()
    a, b = np.meshgrid(x, x)
    for f in (np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum, np.less, np.equal):
        found, wanted = f(DoubleDouble(a), DoubleDouble(b)).astype(float), f(a, b).astype(float)
        special = ~np.isfinite(wanted) | (wanted == 0)
        np.testing.assert_array_equal(found[special], wanted[special], err_msg=f.__name__)
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted), err_msg=f.__name__)


def test_mantissas_and_the_ends_of_the_floats() -> None:
    a = drawn(-900, 900)
    m, e = np.frexp(a)
    assert exact(np.ldexp(m, e)) == exact(a)
    for e in (990, -900):  # a factor of that size cannot be split as it is
        (x,), (y,) = exact(a := drawn(e, e + 9, 1)), exact(b := drawn(-e, 9 - e, 1))
        for found, wanted in ((a * b, x * y), (a / (a * b), 1 / y), (np.sqrt(a) * np.sqrt(a), x)):
            assert abs(exact(found)[0] - wanted) <= wanted / 2**BITS


def test_halves_that_get_lost_are_noticed() -> None:
    a = drawn(0, 9, 4)
    for lost in (lambda: a.swapaxes(0, 0) + 1, lambda: np.cos(a), lambda: np.sort(a), lambda: np.add.accumulate(a)):
        with pytest.raises(TypeError, match="double-doubles"):
            lost()


def test_pairs_are_compared_by_their_first_number_and_then_by_the_rest() -> None:
    """1 + 2^-60 < 1 + 2^-59 < 2 − 2^-60, whatever the rest of the larger first number is."""
    rising = [(1.0, -(2.0**-60)), (1.0, 0.0), (1.0, 2.0**-60), (1.0, 2.0**-59), (2.0, -(2.0**-60)), (2.0, 0.0)]
    for i, a in enumerate(rising):
        for j, b in enumerate(rising):
            pair_a, pair_b = ((np.float64(x), np.float64(rest)) for x, rest in (a, b))
            assert bool(_less(pair_a, pair_b)) == (i < j)
            assert bool(_equal(pair_a, pair_b)) == (i == j)
