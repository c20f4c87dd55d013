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
from reflosses.evaluation.domain import Interval, Labels
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
