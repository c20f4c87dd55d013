"""Errors name the loss with its parameters, the argument, the first offending index and value, and the domain."""

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from loss_tables import added

import reflosses as rl
from reflosses.catalogue import examples, losses
from reflosses.evaluation.domain import Classes, Interval, Labels
from reflosses.evaluation.loss import Loss
from reflosses.truth import sampling
from reflosses.truth.sampling import Problem

INF, NAN = math.inf, math.nan
LOSSES = [loss for cls in losses().values() for loss in examples(cls)]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
METHODS = ("value", "grad", "value_and_grad", "subgradient")


def one(loss: Loss) -> Problem:
    return max(sampling.moderate(loss, 5, 20), key=lambda problem: problem.yhat.size)


def weights(loss: Loss, yhat: Any) -> Any:
    return np.full(loss.layout.bind(yhat.shape).value_shape, 0.75)


def with_value(shape: Any, fill: float, *entries: tuple[Any, float]) -> Any:
    a = np.full(shape, fill)
    for at, value in entries:
        a[at] = value
    return a


def assert_says(error: Any, loss: Loss, where: str, value: float, domain: str | None = None) -> None:
    """The error is `loss: where is value, not domain`, with digits enough to tell the value from its neighbours."""
    said = re.fullmatch(rf"{re.escape(f'{loss}: {where} is ')}(\S+), not (.+)", str(error.value))
    assert said is not None, f"{error.value} does not name {where}"
    np.testing.assert_equal(float(said[1]), value)
    assert domain in (None, said[2])


# ---- domains ---------------------------------------------------------------------------------------------------------

PROBABILITY = "a probability in [0, 1]"
HALVES = with_value((2, 3, 2), 0.5)
SOFT = with_value((2, 3, 2), 0.25)

OUTSIDE = [
    # loss, y, yhat, where, value, domain
    (rl.BinaryCrossEntropy(), [0.0, 1.0, 0.3], [0.2, 0.4, 1.2], "yhat[2]", 1.2, PROBABILITY),
    (rl.BinaryCrossEntropy(), 1.0, -0.25, "yhat", -0.25, PROBABILITY),
    (rl.BinaryCrossEntropy(clamp=0.03), [0.3, -0.1], [0.2, 0.4], "y[1]", -0.1, PROBABILITY),
    (rl.BinaryCrossEntropy(), [0.3, 0.7], [0.2, INF], "yhat[1]", INF, PROBABILITY),
    (rl.BinaryCrossEntropyWithLogits(17.0), [[0, 1], [2.5, -3]], np.zeros((2, 2)), "y[1, 0]", 2.5, PROBABILITY),
    (rl.Hinge(), [1, 0, -1, 0], np.zeros(4), "y[1]", 0, "a label in {-1, 1}"),
    (rl.Hinge(), [1, -1, 0.5], np.zeros(3), "y[2]", 0.5, "a label in {-1, 1}"),
    (rl.Hinge(), [NAN, -1], np.zeros(2), "y[0]", NAN, "a label in {-1, 1}"),
    (rl.Focal(4.5), [1.0, 0.5], [0.3, 0.7], "y[1]", 0.5, "a label in {0, 1}"),
    (rl.Focal(0.3, 0.7), [[1, 0]], [[0.3, -0.7]], "yhat[0, 1]", -0.7, PROBABILITY),
    (rl.FocalWithLogits(0.3), [[1, -1]], [[0.3, 0.7]], "y[0, 1]", -1, "a label in {0, 1}"),
    (rl.CrossEntropy(), [0, 3, 1], np.zeros((3, 3)), "y[1]", 3, "a class index from 0 to 2"),
    (rl.CrossEntropy(), [0, 1.5], np.zeros((2, 3)), "y[1]", 1.5, "a class index from 0 to 2"),
    (rl.CrossEntropy(), [-1, 0], np.zeros((2, 3)), "y[0]", -1, "a class index from 0 to 2"),
    (rl.CrossEntropy(), [2, NAN], np.zeros((2, 3)), "y[1]", NAN, "a class index from 0 to 2"),
    (rl.CrossEntropy(), [2, INF], np.zeros((2, 3)), "y[1]", INF, "a class index from 0 to 2"),
    (rl.CrossEntropy(), 3, np.zeros(3), "y", 3, "a class index from 0 to 2"),
    (rl.CrossEntropy(ignore_index=-100), [-100, 7, 9], np.zeros((3, 3)), "y[1]", 7, "a class index from 0 to 2"),
    (
        rl.CrossEntropy(axis=1),
        with_value((2, 3, 2), 0.25, ((1, 0, 0), 1.25), ((0, 2, 0), -0.5), ((0, 1, 1), 1.5)),
        HALVES,
        "y[0, 1, 1]",
        1.5,
        PROBABILITY,
    ),
    (
        rl.CrossEntropy(axis=1),
        with_value((2, 2), 0, ((1, 0), 7), ((1, 1), 9)),
        HALVES,
        "y[1, 0]",
        7,
        "a class index from 0 to 2",
    ),
    (
        rl.NegativeLogLikelihood(axis=0),
        with_value((2, 4), 1, ((0, 3), 3), ((1, 0), 9)),
        np.zeros((3, 2, 4)),
        "y[0, 3]",
        3,
        "a class index from 0 to 2",
    ),
    (
        rl.SparseCategoricalCrossEntropy(axis=1),
        np.zeros((2, 2)),
        with_value((2, 3, 2), 0.5, ((0, 2, 0), -3), ((0, 1, 1), 1.25), ((1, 0, 0), 7)),
        "yhat[0, 1, 1]",
        1.25,
        PROBABILITY,
    ),
    (
        rl.SparseCategoricalCrossEntropy(axis=0),
        np.zeros((2, 2)),
        with_value((3, 2, 2), 0.5, ((2, 0, 0), 7), ((1, 1, 1), -0.25)),
        "yhat[1, 1, 1]",
        -0.25,
        PROBABILITY,
    ),
    (
        rl.Dice(axis=(0, 2), smooth_nr=0.3, smooth_dr=7.0),
        SOFT,
        with_value((2, 3, 2), 0.5, ((1, 0, 1), 1.25), ((0, 2, 0), -0.25)),
        "yhat[0, 2, 0]",
        -0.25,
        PROBABILITY,
    ),
    (rl.Dice(), with_value((2, 3), 0.5, ((1, 2), 3.5)), np.full((2, 3), 0.5), "y[1, 2]", 3.5, PROBABILITY),
    (
        rl.GeneralizedDice(axis=1, per_sample=True),
        SOFT,
        with_value((2, 3, 2), 0.5, ((1, 0, 0), 7), ((0, 2, 1), 1.25), ((0, 2, 0), -0.25)),
        "yhat[0, 2, 0]",
        -0.25,
        PROBABILITY,
    ),
    (
        rl.GeneralizedDice(axis=0),
        with_value((2, 3, 2), 0.5, ((1, 0, 0), 7), ((0, 2, 1), 1.25)),
        HALVES,
        "y[0, 2, 1]",
        1.25,
        PROBABILITY,
    ),
    (rl.WeightedCrossEntropy(3.7), [0, 1], [0.3, 1.2], "yhat[1]", 1.2, PROBABILITY),
    (rl.WeightedCrossEntropy(), [[0, 1], [0.5, 2.5]], np.full((2, 2), 0.3), "y[1, 1]", 2.5, PROBABILITY),
    (rl.WeightedCrossEntropy(), [0, 1], [-0.3, 0.3], "yhat[0]", -0.3, PROBABILITY),
    *added("OUTSIDE"),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "where", "value", "domain"), OUTSIDE)
@pytest.mark.parametrize("method", METHODS)
def test_numbers_outside_a_domain(
    loss: Loss, y: Any, yhat: Any, where: str, value: float, domain: str, method: str
) -> None:
    with pytest.raises(ValueError, match="not") as error:
        getattr(loss, method)(y, yhat)
    assert_says(error, loss, where, value, domain)


def test_every_loss_with_a_domain_is_in_the_table() -> None:
    real = (rl.MeanSquaredError, rl.MeanAbsoluteError, rl.Huber, rl.Cauchy)
    missing = set(losses().values()) - {type(row[0]) for row in OUTSIDE} - set(real)
    assert not missing, "give OUTSIDE a row for each, here or in tests/losses/test_<loss>.py"
    assert not {type(row[0]) for row in OUTSIDE} & set(real)
    for cls in real:
        for domain in cls().domain:
            assert isinstance(domain, Interval)
            assert not domain.outside(np.array([-INF, INF, 0.3])).any()


@every_loss
def test_one_bad_prediction_or_target_among_many(loss: Loss) -> None:
    y, yhat = one(loss)
    last = tuple(n - 1 for n in yhat.shape)
    index = f"[{', '.join(map(str, last))}]"
    if loss.domain.yhat.outside(np.array([1.25, 0.5])).any():
        with pytest.raises(ValueError, match="yhat") as error:
            loss.value(y, with_entry(yhat, last, 1.25))
        assert_says(error, loss, f"yhat{index}", 1.25)
    if np.shape(y) != yhat.shape:
        last = tuple(n - 1 for n in np.shape(y))
        index = f"[{', '.join(map(str, last))}]"
    elif not isinstance(loss.domain.y, Labels) and not loss.domain.yhat.outside(np.array([7.5, 0.5])).any():
        return
    if isinstance(loss.domain.y, Interval) and not loss.domain.y.outside(np.array([7.5])).any():
        return
    with pytest.raises(ValueError, match="y") as error:
        loss.value(with_entry(y, last, 7.5), yhat)
    assert_says(error, loss, f"y{index}", 7.5)


def with_entry(a: Any, at: Any, value: float) -> Any:
    out = np.array(a, float)
    out[at] = value
    return out


@pytest.mark.parametrize(
    ("loss", "y", "yhat", "weight", "where", "value"),
    [
        (rl.BinaryCrossEntropy(), [0.3] * 5, [7.0, 0.2, 9.0, 0.4, 1.25], [0, 3, 0, 0.5, 5], "yhat[4]", 1.25),
        (rl.Hinge(), [7, 9, 1, 0], np.zeros(4), [0, 0, 0.5, 3], "y[3]", 0),
        (rl.CrossEntropy(), [9, 1, 3, 7], np.zeros((4, 3)), [0, 0.5, 3, 5], "y[2]", 3),
        (
            rl.SparseCategoricalCrossEntropy(axis=1),
            np.zeros((2, 2)),
            with_value((2, 3, 2), 0.5, ((0, 0, 1), 7), ((1, 2, 0), 9)),
            [[0.5, 0], [3, 5]],
            "yhat[1, 2, 0]",
            9,
        ),
        (
            rl.Dice(axis=(0, 2)),
            SOFT,
            with_value((2, 3, 2), 0.5, ((0, 1, 0), 7), ((1, 2, 0), 9)),
            [3, 0, 5],
            "yhat[1, 2, 0]",
            9,
        ),
        (
            rl.GeneralizedDice(axis=1, per_sample=True),
            with_value((2, 3, 2), 0.5, ((0, 1, 0), 7), ((1, 2, 1), 9)),
            HALVES,
            [0, 5],
            "y[1, 2, 1]",
            9,
        ),
    ],
)
def test_indices_count_what_is_left_out(loss: Loss, y: Any, yhat: Any, weight: Any, where: str, value: float) -> None:
    with pytest.raises(ValueError, match="not") as error:
        loss.value(y, yhat, weight=weight)
    assert_says(error, loss, where, value)


def test_indices_count_ignored_rows() -> None:
    loss = rl.SparseCategoricalCrossEntropy(ignore_index=255)
    yhat = with_value((4, 3), 0.25, ((0, 0), 7), ((2, 1), 9), ((3, 1), 1.25))
    with pytest.raises(ValueError, match="yhat") as error:
        loss.value([255, 1, 255, 2], yhat)
    assert_says(error, loss, "yhat[3, 1]", 1.25, PROBABILITY)
    with pytest.raises(ValueError, match="y") as error:
        loss.value([255, 1, 255, 3], yhat)
    assert_says(error, loss, "y[3]", 3, "a class index from 0 to 2")


@pytest.mark.parametrize(
    ("loss", "y", "yhat", "where", "value"),
    [
        (rl.BinaryCrossEntropy(), 0.3, math.nextafter(1, 3), "yhat", math.nextafter(1, 3)),
        (rl.BinaryCrossEntropy(), -5e-324, 0.3, "y", -5e-324),
        (rl.BinaryCrossEntropy(), 0.3, -0.123456789, "yhat", -0.123456789),
        (rl.Focal(4.5), math.nextafter(1, 0), 0.3, "y", math.nextafter(1, 0)),
        (rl.Hinge(), math.nextafter(-1, 0), 0.3, "y", math.nextafter(-1, 0)),
        (rl.CrossEntropy(), [1.0000001], [[0.3, 0.7, 0.5]], "y[0]", 1.0000001),
        (rl.CrossEntropy(), [12345678], [[0.3, 0.7, 0.5]], "y[0]", 12345678),
    ],
)
def test_the_offending_value_is_shown_with_the_digits_that_offend(
    loss: Loss, y: Any, yhat: Any, where: str, value: float
) -> None:
    with pytest.raises(ValueError, match="not") as error:
        loss.value(y, yhat)
    assert_says(error, loss, where, value)


# ---- the first offender among many: a later block of the search, another order, ignored units ----------------------

PLACES = [70000, 99999, 3]  # the search reads 2^15 numbers at a time


@pytest.mark.parametrize("place", PLACES)
def test_an_offender_in_a_later_block_of_the_search(place: int) -> None:
    """One more follows at the end: the first is named, counted from the start of the array."""
    p = np.full(100_000, 0.5)
    p[[place, 99999]] = 1.25
    for method in METHODS:
        with pytest.raises(ValueError, match="yhat") as error:
            getattr(rl.BinaryCrossEntropy(), method)(np.zeros(100_000), p)
        assert_says(error, rl.BinaryCrossEntropy(), f"yhat[{place}]", 1.25, PROBABILITY)
    with pytest.raises(ValueError, match="y") as error:
        rl.Hinge().value(np.where(p == 1.25, 0, 1), p)
    assert_says(error, rl.Hinge(), f"y[{place}]", 0)
    with pytest.raises(ValueError, match="weight") as error:
        rl.Huber().grad(p, p, weight=np.where(p == 1.25, -3.0, 1.0))
    assert_says(error, rl.Huber(), f"weight[{place}]", -3)


@pytest.mark.parametrize("order", ["C", "F", "transposed", "reversed"])
def test_an_offender_in_another_order_of_memory(order: str) -> None:
    """(3, 40000): [1, 5] comes before [2, 1] in the array, and after it in memory if columns lie together."""
    p = np.full((3, 40_000), 0.5, order="F" if order == "F" else "C")
    if order == "transposed":
        p = np.full((40_000, 3), 0.5).T
    if order == "reversed":
        p = p[::-1, ::-1]
    p[2, 1], p[1, 39_999], p[1, 5] = 7.0, 9.0, 1.25
    with pytest.raises(ValueError, match="yhat") as error:
        rl.BinaryCrossEntropy().value(np.zeros((3, 40_000)), p)
    assert_says(error, rl.BinaryCrossEntropy(), "yhat[1, 5]", 1.25)
    labels = np.where(p > 1, 3, 0)
    with pytest.raises(ValueError, match="y") as error:
        rl.CrossEntropy(axis=1).value(labels, np.zeros((3, 2, 40_000)))
    assert_says(error, rl.CrossEntropy(axis=1), "y[1, 5]", 3)


@pytest.mark.parametrize("axis", [1, 0])
def test_an_offender_among_ignored_units(axis: int) -> None:
    """Rows 0 to 49,999 are ignored, all but one whose probability of class 0 is wrong."""
    loss = rl.SparseCategoricalCrossEntropy(axis=axis, ignore_index=-1)
    y, yhat = np.full(60_000, -1), np.full((60_000, 3), 7.0)
    y[40_000], yhat[40_000] = 2, (-0.25, 0.5, 0.5)
    y[50_000:], yhat[50_000:] = 1, 0.25
    yhat[55_000, 0] = 9.0
    with pytest.raises(ValueError, match="yhat") as error:
        loss.grad(y, yhat if axis else yhat.T)
    assert_says(error, loss, "yhat[40000, 0]" if axis else "yhat[0, 40000]", -0.25, PROBABILITY)
    weight = np.ones(60_000)
    weight[40_000] = 0
    with pytest.raises(ValueError, match="yhat") as error:
        loss.grad(y, yhat if axis else yhat.T, weight=weight)
    assert_says(error, loss, "yhat[55000, 0]" if axis else "yhat[0, 55000]", 9)


# ---- labels in narrow dtypes -----------------------------------------------------------------------------------------

UNEQUAL = [  # dtype, a label, an index that the dtype rounds to it
    (np.float16, 2048, 2049),
    (np.float16, 2048, 2047.5),
    (np.float32, 2**24, 2**24 + 1),
    (np.float64, 2**53, 2**53 + 1),
    ("bfloat16", 256, 257),
    ("bfloat16", 255, 254.5),
    (np.int8, 44, 300),
    (np.int8, -1, 255),
    (np.uint8, 255, -1),
    (np.uint8, 156, -100),
    (np.uint64, 2**64 - 1, -1),
    (np.bool_, 1, 255),
    (np.float64, 0, 10**400),
]


def dtype_named(name: Any) -> Any:
    if name == "bfloat16":
        return pytest.importorskip("ml_dtypes", reason="pip install ml_dtypes for bfloat16").bfloat16
    return name


@pytest.mark.parametrize(("dtype", "label", "index"), UNEQUAL)
def test_an_index_that_a_dtype_would_round_is_not_the_label(dtype: Any, label: int, index: Any) -> None:
    domain = Classes(ignore_index=int(index), count=3000)
    labels = np.array([label, 1], dtype if dtype == np.uint64 else None).astype(dtype_named(dtype))
    assert domain.ignored(labels).tolist() == [False, False]  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, "bfloat16", np.int16, np.int64])
@pytest.mark.parametrize("index", [0, 1, -1, 255, -100, 256, -32768])
def test_an_index_that_a_dtype_holds_is_the_label(dtype: Any, index: int) -> None:
    labels = np.array([index, 2, index]).astype(dtype_named(dtype))
    assert Classes(ignore_index=index, count=3).ignored(labels).tolist() == [True, False, True]  # type: ignore[union-attr]


def test_labels_of_two_values_and_of_64_bits() -> None:
    assert Classes(1).ignored(np.array([True, False])).tolist() == [True, False]  # type: ignore[union-attr]
    assert Classes(0).ignored(np.array([True, False])).tolist() == [False, True]  # type: ignore[union-attr]
    most = np.array([2**64 - 1, 2**64 - 2, 0], np.uint64)
    assert Classes(2**64 - 1).ignored(most).tolist() == [True, False, False]  # type: ignore[union-attr]


def test_a_label_in_half_precision_is_no_ignored_one() -> None:
    """log 3000, as the row is flat."""
    value = rl.CrossEntropy(ignore_index=2049).value(np.float16([2048.0]), np.zeros((1, 3000)))
    assert value == pytest.approx(math.log(3000), rel=1e-15)


@pytest.mark.parametrize("cls", [rl.CrossEntropy, rl.NegativeLogLikelihood, rl.SparseCategoricalCrossEntropy])
def test_the_last_class_in_half_precision(cls: Any) -> None:
    """3000 is a class of 3001, and none of 3000; in float16, 2999.5 and 3001 are 3000."""
    labels = np.float16([3000.0, 2.0])
    assert math.isfinite(cls().value(labels, np.full((2, 3001), 0.25)))
    with pytest.raises(ValueError, match="y") as error:
        cls().value(labels, np.full((2, 3000), 0.25))
    assert_says(error, cls(), "y[0]", 3000, "a class index from 0 to 2999")


# ---- no signal with an error -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("errors", ["warn", "raise"])  # a warning is an error here
@pytest.mark.parametrize("method", METHODS)
def test_no_signal_comes_with_an_error_about_a_domain(method: str, errors: Any) -> None:
    wide = np.ldexp(np.longdouble(3), [5000])  # infinite where this format is float64
    with np.errstate(all=errors):
        for y, yhat, weight, name in (
            ([0.0], wide, None, "yhat"),
            (wide, [0.5], None, "y"),
            ([0.0], [0.5], -wide, "weight"),
        ):
            with pytest.raises(ValueError, match=rf": {name}\[0\] is \S+, not "):
                getattr(rl.BinaryCrossEntropy(), method)(y, yhat, weight=weight)


@pytest.mark.parametrize("dtype", ["bfloat16", np.float16, np.float64, np.longdouble])
def test_no_signal_comes_with_labels_that_are_nan(dtype: Any) -> None:
    labels = np.array([1.0, NAN]).astype(dtype_named(dtype))
    with np.errstate(all="raise"), pytest.raises(ValueError, match=r": y\[1\] is nan, not a class index"):
        rl.CrossEntropy(ignore_index=7).value(labels, np.zeros((2, 3)))


def test_a_number_of_more_digits_is_shown_with_them() -> None:
    if np.finfo(np.longdouble).nmant > 52:
        with pytest.raises(ValueError, match=r"y\[0\] is 2\.00000000000000000\d+, not a class index from 0 to 2"):
            rl.CrossEntropy().value([np.nextafter(np.longdouble(2), 3)], np.zeros((1, 3)))
    with pytest.raises(ValueError, match=rf"y\[0\] is {2**64 - 1}, not a class index from 0 to 2"):
        rl.CrossEntropy().value(np.array([2**64 - 1], np.uint64), np.zeros((1, 3)))


# ---- weights ---------------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("bad", [-0.5, -5e-324, NAN, INF, -INF])
def test_weights_outside_their_domain(loss: Loss, bad: float) -> None:
    y, yhat = one(loss)
    weight = weights(loss, yhat)
    last = tuple(n - 1 for n in weight.shape)
    weight[last] = bad
    index = f"[{', '.join(map(str, last))}]" if last else ""
    for method in METHODS:
        with pytest.raises(ValueError, match="weight") as error:
            getattr(loss, method)(y, yhat, weight=weight)
        assert_says(error, loss, f"weight{index}", bad, "a finite number in [0, inf)")


# ---- kinds of numbers ------------------------------------------------------------------------------------------------


class Broken:
    """A tensor that NumPy cannot view, as one that tracks gradients."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("call detach() first")


WRONG = {
    "complex": lambda a: a + 0j,
    "object": lambda a: a.astype(object),
    "string": lambda a: a.astype(str),
    "bytes": lambda a: a.astype(bytes),
    "datetime": lambda a: np.zeros(a.shape, "M8[s]"),
    "timedelta": lambda a: np.zeros(a.shape, "m8[s]"),
    "structured": lambda a: np.zeros(a.shape, [("x", float)]),
    "masked": np.ma.masked_array,
    "none": lambda a: None,
    "ragged": lambda a: [[0.3, 0.7], [0.5]],
    "broken": lambda a: Broken(),
}


@every_loss
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_not_real_numbers(loss: Loss, kind: str) -> None:
    y, yhat = one(loss)
    arguments = {"y": np.asarray(y, float), "yhat": yhat, "weight": weights(loss, yhat)}
    for name, good in arguments.items():
        if name == "weight" and kind == "none":
            continue
        for method in METHODS:
            with pytest.raises(TypeError, match=name) as error:
                getattr(loss, method)(**{**arguments, name: WRONG[kind](good)})
            assert str(error.value).startswith(f"{loss}: {name} ")
            if kind == "broken":
                assert "call detach() first" in str(error.value)
                assert isinstance(error.value.__cause__, RuntimeError)


# ---- axes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "shape", "text"),
    [
        (rl.CrossEntropy(axis=2), (4, 3), "axis 2 does not exist in yhat of shape (4, 3)"),
        (rl.CrossEntropy(axis=-3), (4, 3), "axis -3 does not exist in yhat of shape (4, 3)"),
        (rl.NegativeLogLikelihood(), (), "axis -1 does not exist in yhat of shape ()"),
        (rl.SparseCategoricalCrossEntropy(axis=1), (3,), "axis 1 does not exist in yhat of shape (3,)"),
        (rl.Dice(axis=(0, 2)), (4, 3), "axis 2 does not exist in yhat of shape (4, 3)"),
        (rl.IoU(axis=-1), (), "axis -1 does not exist in yhat of shape ()"),
        (rl.Dice(axis=(0, 0)), (4, 3), "an axis is named twice"),
        (rl.IoU(axis=(1, -1)), (4, 3), "an axis is named twice"),
        (rl.GeneralizedDice(axis=0, per_sample=True), (4, 3), "cannot be both the class axis and kept apart"),
        (rl.GeneralizedDice(axis=-2, per_sample=True), (4, 3), "cannot be both the class axis and kept apart"),
        (rl.GeneralizedDice(axis=3), (4, 3), "axis 3 does not exist in yhat of shape (4, 3)"),
        (rl.Cauchy(0.7, [[4.0, 1.5], [1.5, 0.7]]), (), "axis -1 does not exist in yhat of shape ()"),
    ],
)
def test_axes_that_yhat_does_not_have(loss: Loss, shape: Any, text: str) -> None:
    for method in METHODS:
        with pytest.raises(ValueError, match="axis") as error:
            getattr(loss, method)(np.zeros(shape), np.zeros(shape))
        assert str(error.value).startswith(f"{loss}: ")
        assert text in str(error.value)
        assert str(shape) in str(error.value)


# ---- classes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [rl.CrossEntropy, rl.NegativeLogLikelihood])
@pytest.mark.parametrize("entries", [0, 2, 4])
def test_class_weight_has_one_entry_a_class(cls: Any, entries: int) -> None:
    loss = cls(class_weight=np.full(entries, 0.3))
    with pytest.raises(ValueError, match="class_weight") as error:
        loss.value([0, 1], np.zeros((2, 3)))
    assert str(error.value) == f"{loss}: class_weight has {entries} entries, yhat has 3 classes"
    with pytest.raises(ValueError, match="class_weight"):
        loss.value(np.zeros(0), np.zeros((0, 3)))


@pytest.mark.parametrize("cls", [rl.CrossEntropy, rl.NegativeLogLikelihood, rl.SparseCategoricalCrossEntropy])
@pytest.mark.parametrize(
    ("y", "yhat"),
    [((4, 1), (4, 3)), ((3,), (4, 3)), ((), (4, 3)), ((4, 4), (4, 3)), ((1,), (3,)), ((2, 4), (2, 3, 4))],
)
def test_class_targets_of_the_wrong_shape(cls: Any, y: Any, yhat: Any) -> None:
    loss = cls()
    with pytest.raises(ValueError, match="shape") as error:
        loss.value(np.zeros(y), np.full(yhat, 0.25))
    for part in (repr(loss), str(y), str(yhat)):
        assert part in str(error.value)


@pytest.mark.parametrize("cls", [rl.NegativeLogLikelihood, rl.SparseCategoricalCrossEntropy])
def test_losses_of_indices_take_no_rows(cls: Any) -> None:
    with pytest.raises(ValueError, match=r"y has shape \(2, 3\) and yhat \(2, 3\); class indices need \(2,\)"):
        cls().value(np.full((2, 3), 0.25), np.full((2, 3), 0.25))


@pytest.mark.parametrize("cls", [rl.CrossEntropy, rl.NegativeLogLikelihood, rl.SparseCategoricalCrossEntropy])
def test_no_classes_at_all(cls: Any) -> None:
    with pytest.raises(ValueError, match=r"yhat of shape \(4, 0\) has no classes"):
        cls().value(np.zeros(4), np.zeros((4, 0)))


def test_errors_name_the_parameters_of_the_loss() -> None:
    loss = rl.Focal(gamma=4.5, alpha=0.3, reduction="sum")
    with pytest.raises(ValueError, match="yhat") as error:
        loss.value([1, 0], [0.3, 1.25])
    assert str(error.value) == (
        "Focal(gamma=4.5, alpha=0.3, clamp=None, reduction='sum'): yhat[1] is 1.25, not a probability in [0, 1]"
    )
    assert repr(replace(loss, alpha=0.7)) not in str(error.value)
