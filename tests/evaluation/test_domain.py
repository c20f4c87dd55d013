"""What numbers may be: membership, wording, and reading arrays."""

import math
from typing import Any

import numpy as np
import pytest

from reflosses.evaluation.domain import (
    CLAMP,
    EXPONENT,
    FRACTION,
    LOGIT,
    NON_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    REAL,
    SQUARED,
    Classes,
    Domain,
    Interval,
    Labels,
    OutsideDomain,
    as_array,
)

INF, NAN = math.inf, math.nan
TINY, HUGE = 5e-324, 1.7976931348623157e308
BELOW_ONE, ABOVE_ONE = math.nextafter(1, 0), math.nextafter(1, 3)
BELOW_HALF = math.nextafter(0.5, 0)

INTERVALS = {
    "REAL": REAL,
    "LOGIT": LOGIT,
    "PROBABILITY": PROBABILITY,
    "POSITIVE": POSITIVE,
    "NON_NEGATIVE": NON_NEGATIVE,
    "SQUARED": SQUARED,
    "FRACTION": FRACTION,
    "CLAMP": CLAMP,
    "half-open": Interval("a rate", -0.75, 3.5, open_high=True),
}


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (REAL, [-INF, -HUGE, 0.0, INF], []),
        (LOGIT, [-INF, -HUGE, 0.0, INF], []),
        (PROBABILITY, [0.0, -0.0, TINY, 0.3, BELOW_ONE, 1.0], [-TINY, ABOVE_ONE, -INF, INF]),
        (POSITIVE, [TINY, 0.3, HUGE], [-TINY, 0.0, -0.0, INF, -INF]),
        (NON_NEGATIVE, [0.0, -0.0, TINY, HUGE], [-TINY, INF, -INF]),
        (SQUARED, [0.0, TINY, HUGE, INF], [-TINY, -INF]),
        (FRACTION, [0.0, 0.3, 1.0], [-TINY, ABOVE_ONE, INF]),
        (CLAMP, [TINY, 0.3, BELOW_HALF], [0.0, -0.3, 0.5, 1.0]),
        (INTERVALS["half-open"], [-0.75, 0.0, math.nextafter(3.5, 0)], [math.nextafter(-0.75, -1), 3.5, INF]),
        (Labels((-1.0, 1.0)), [-1.0, 1.0], [0.0, BELOW_ONE, ABOVE_ONE, NAN, INF, -INF]),
        (Labels((0.0, 1.0)), [0.0, -0.0, 1.0], [TINY, 0.5, NAN]),
        (Classes(count=3), [0.0, 1.0, 2.0], [-1.0, 3.0, 1.5, TINY, NAN, INF, -INF]),
        (Classes(ignore_index=-100, count=3), [2.0], [-1.0, -100.0]),
    ],
)
def test_membership(domain: Domain, inside: list[float], outside: list[float]) -> None:
    marks = domain.outside(np.array(inside + outside))
    assert marks.dtype == bool
    assert marks.tolist() == [False] * len(inside) + [True] * len(outside)


@pytest.mark.parametrize("domain", INTERVALS.values(), ids=INTERVALS)
def test_nan_is_outside_no_interval(domain: Domain) -> None:
    assert not domain.outside(np.array([NAN, 0.25]))[0]


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        (REAL, "a real number"),
        (LOGIT, "a real number"),
        (PROBABILITY, "a probability in [0, 1]"),
        (POSITIVE, "a finite number in (0, inf)"),
        (NON_NEGATIVE, "a finite number in [0, inf)"),
        (CLAMP, "a number in (0, 0.5)"),
        (INTERVALS["half-open"], "a rate in [-0.75, 3.5)"),
        (Labels((-1.0, 1.0)), "a label in {-1, 1}"),
        (Classes().of(7), "a class index from 0 to 6"),
    ],
)
def test_wording(domain: Domain, text: str) -> None:
    assert str(domain) == text


@pytest.mark.parametrize("ignore_index", [-1, -100, 255, 1])
def test_ignored_labels(ignore_index: int) -> None:
    domain = Classes(ignore_index=ignore_index, rows=PROBABILITY).of(3)
    assert domain == Classes(ignore_index, PROBABILITY, 3)
    labels = np.array([0.0, ignore_index, 2.0, NAN])
    marks = domain.ignored(labels)
    assert marks is not None
    assert marks.tolist() == [False, True, False, False]
    assert Classes(count=3).ignored(labels) is None


# ---- reading arrays --------------------------------------------------------------------------------------------------


def test_float64_is_not_copied() -> None:
    a = np.array([0.3, 0.7])
    assert np.shares_memory(as_array(a, "it"), a)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([True, False], [1.0, 0.0]),
        (np.array([-128, 127], np.int8), [-128.0, 127.0]),
        (np.array([2**64 - 2**11], np.uint64), [2.0**64 - 2.0**11]),
        (np.array([0.1], np.float16), [float.fromhex("0x1.998p-4")]),
        (np.array([0.1], np.float32), [float.fromhex("0x1.99999ap-4")]),
        (np.array([0.375], np.longdouble), [0.375]),
        (np.array([0.1], ">f8"), [0.1]),
        (((0.3, 7), (-5, 1e300)), [[0.3, 7.0], [-5.0, 1e300]]),
        (0.3, 0.3),
        (np.float32(0.5), 0.5),
        ([], []),
    ],
)
def test_real_numbers_are_read_exactly(given: Any, expected: Any) -> None:
    got = as_array(given, "it")
    np.testing.assert_array_equal(got, np.array(expected, np.float64), strict=True)


def test_bfloat16_is_read_exactly() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes", reason="pip install ml_dtypes for bfloat16").bfloat16
    got = as_array(np.array([0.1, -3.0, INF], bfloat16), "it")
    np.testing.assert_array_equal(got, np.array([float.fromhex("0x1.9ap-4"), -3.0, INF]), strict=True)


def test_wider_numbers_are_rounded_without_a_signal() -> None:
    if np.finfo(np.longdouble).maxexp == np.finfo(float).maxexp:
        pytest.skip("longdouble is float64 on this platform")
    wide = np.ldexp(np.longdouble(3), [5000, -5000, -1074])
    for errors in ("warn", "raise"):
        with np.errstate(all=errors):
            np.testing.assert_array_equal(as_array(wide, "it"), np.array([INF, 0.0, 3 * TINY]), strict=True)


class Broken:
    """A tensor that NumPy cannot view, as one that tracks gradients."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("call detach() first")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (np.array([0.3 + 0j]), "dtype complex128"),
        (np.array([0.3], object), "dtype object"),
        (None, "dtype object"),
        ([0.3, None], "dtype object"),
        ([10**400], "dtype object"),
        ("0.3", "dtype <U3"),
        (b"0.3", "dtype |S3"),
        (np.array(["2020-01-01"], "M8[D]"), r"dtype datetime64[D]"),
        (np.array([3], "m8[s]"), r"dtype timedelta64[s]"),
        (np.zeros(3, [("x", float)]), "dtype [('x', '<f8')]"),
        (np.zeros(3, "V8"), "dtype |V8"),
        ([[0.3, 0.7], [0.5]], "cannot be read as an array"),
        (Broken(), "call detach() first"),
        (np.ma.masked_array([0.3, 0.7], [False, True]), "masked array"),
        (np.ma.masked, "masked array"),
    ],
)
def test_what_is_not_real_numbers_is_refused(given: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=r"^Huber: yhat ") as error:
        as_array(given, "Huber: yhat")
    assert reason in str(error.value)


@pytest.mark.parametrize("open_end", [False, True])
def test_an_interval_with_one_end_holds_what_lies_on_one_side(open_end):
    below, above = Interval("a debt", high=3.5, open_high=open_end), Interval("a debt", low=3.5, open_low=open_end)
    for a in ([-1e300, 3.0], [3.0], [-np.inf, np.nan]):
        assert below.holds(np.array(a))
    for a in ([0.0, 4.0], [4.0], [np.inf]):
        assert not below.holds(np.array(a))
        assert above.holds(np.array(a[-1:]))
    assert below.holds(np.array([3.5])) == above.holds(np.array([3.5])) == (not open_end)


INTERVALS = [PROBABILITY, POSITIVE, NON_NEGATIVE, SQUARED, FRACTION, CLAMP, EXPONENT]


@pytest.mark.parametrize("domain", INTERVALS, ids=str)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_an_end_is_inside_if_it_is_closed_and_its_neighbour_beyond_is_not(domain, size):
    """However many numbers there are: `holds` and `read` have a way of their own for one number, and for many."""
    middle = (domain.low + min(domain.high, 4.0)) / 2
    for end, open_end, beyond in (
        (domain.low, domain.open_low, np.nextafter(domain.low, -np.inf)),
        (domain.high, domain.open_high, np.nextafter(domain.high, np.inf)),
    ):
        for x, inside in ((end, not open_end), (beyond, beyond == end and not open_end)):
            a = np.full(size, middle)
            a[-1] = x
            assert domain.holds(a) == inside
            assert bool(domain.outside(a)[-1]) != inside
            if inside:
                assert domain.read(a)[-1] == x
            else:
                with pytest.raises(OutsideDomain):
                    domain.read(a)
