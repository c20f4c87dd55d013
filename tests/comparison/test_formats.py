"""Formats against the libraries that have them: NumPy, and ml_dtypes for bfloat16."""

import numpy as np
import pytest

from reflosses.comparison.formats import FORMATS, dtype_of

ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")
every_format = pytest.mark.parametrize("form", FORMATS.values(), ids=str)


@every_format
def test_the_limits_are_those_of_the_dtype(form):
    info = ml_dtypes.finfo(dtype_of(form))
    assert (form.eps, form.max) == (float(info.eps), float(info.max))
    assert (form.tiny, form.smallest) == (float(info.smallest_normal), float(info.smallest_subnormal))


@every_format
def test_rounding_is_the_cast_of_the_dtype(form):
    """Over the whole range and beyond both ends: to nearest, ties to even."""
    rng = np.random.default_rng(11)
    near = np.ldexp(rng.integers(-(2**52), 2**52, 20000).astype(float), rng.integers(-52 - 30, 20, 20000))
    low = round(np.log2(form.smallest)) - 58
    wide = np.ldexp(rng.integers(-(2**52), 2**52, 20000).astype(float), rng.integers(max(low, -1126), form.top - 50))
    halves = np.arange(-4096, 4096) * form.eps / 4 + 1.0  # ties, and quarters
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, form.max, form.max * (1 + form.eps / 8), form.smallest / 2])
    for a in (near, wide, halves, special):
        with np.errstate(over="ignore"):
            cast = a.astype(dtype_of(form)).astype(np.float64)
        np.testing.assert_array_equal(form.round(a), cast)
    assert (form.round(halves) != halves).mean() > 0.3 or form.name == "float64"


@every_format
def test_spacing_is_the_distance_to_the_next_number(form):
    dtype = dtype_of(form)
    numbers = form.round([1.0, 1.5, 2.0, 0.75, 3.0e-3, form.tiny, form.tiny * 4, form.max / 2, form.smallest, 0.0])
    for x in numbers:
        narrow = np.asarray(x, dtype)
        gap = float(np.nextafter(narrow, np.asarray(form.max, dtype))) - float(x)
        assert form.spacing(x) == gap
    assert form.spacing(np.inf) == form.spacing(form.max) == form.spacing(-form.max)


@pytest.mark.parametrize("form", FORMATS.values(), ids=str)
def test_the_finite_numbers_have_places_in_their_order(form):
    whole = np.arange(-form.last - 1, form.last + 1) if form.width == 16 else np.arange(-3, 3)
    numbers = form.numbers(int(whole[0]), int(whole[-1]) + 1)
    assert np.array_equal(form.places(numbers), whole)
    assert np.array_equal(form.numbers_at(whole), numbers)
    assert np.array_equal(form.round(numbers), numbers)
    assert (np.diff(numbers[whole >= 0]) == form.spacing(numbers[whole >= 0][:-1])).all()
    assert np.array_equal(np.signbit(numbers), whole < 0)
    assert (form.numbers_at(form.last), form.numbers_at(-form.last - 1)) == (form.max, -form.max)
    assert form.places([0.0, -0.0, form.smallest]).tolist() == [0, -1, 1]
