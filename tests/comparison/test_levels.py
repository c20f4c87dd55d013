"""Levels: which question each finding answers. The rows are the table of levels, as people write these functions."""

from typing import Any

import numpy as np
import pytest

from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Dice,
    Focal,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossEntropy,
    check,
)
from reflosses.comparison.result import LEVELS, Comparison

EACH = {"reduction": "none"}
BCE, LOGITS = BinaryCrossEntropy(**EACH), BinaryCrossEntropyWithLogits(**EACH)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def mse(y: Any, x: Any) -> Any:
    return ((x - y) ** 2).mean(), 2 * (x - y) / x.size


def mse_in_place(y: Any, x: Any) -> Any:
    x -= y
    return x**2, 2 * x


def mse_down(y: Any, x: Any) -> Any:
    return (x - y) ** 2, 2 * (y - x)


def huber_doubled_near_zero(y: Any, x: Any) -> Any:
    r = x - y
    return np.where(abs(r) <= 0.7, r * r, 0.7 * (abs(r) - 0.35)), np.clip(r, -0.7, 0.7)


def mse_of_columns(y: Any, x: Any) -> Any:
    return np.mean(np.sum((x - y) ** 2, axis=-1)) if x.ndim > 1 else ((x - y) ** 2).mean()


def softmax_of_a_batch(y: Any, z: Any) -> Any:
    top = z.max()
    e = np.exp(z - top)
    total, rows = e.sum(axis=-1), np.arange(len(y))
    slope = e / total[:, None]
    slope[rows, y] -= 1
    return np.mean(top + np.log(total) - z[rows, y]), slope / len(y)


def softmax_by_rows(y: Any, z: Any) -> Any:
    shifted = z - z.max(axis=-1, keepdims=True)
    log_p, rows = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.arange(len(y))
    slope = np.exp(log_p)
    slope[rows, y] -= 1
    return -log_p[rows, y], slope


def textbook(y: Any, p: Any) -> Any:
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)), (p - y) / (p * (1 - p))


def clipped(y: Any, p: Any) -> Any:
    return textbook(y, np.clip(p, 1e-7, 1 - 1e-7))


def clipped_far_out(y: Any, p: Any) -> Any:
    q = np.clip(p, 1e-30, 1 - 2.0**-53)
    slope = (q - y) / (q * (1 - q))
    return -np.where(y > 0, y * np.log(q), 0) - np.where(y < 1, (1 - y) * np.log1p(-q), 0), np.where(p == q, slope, 0)


def guarded(y: Any, p: Any) -> Any:
    """As torch.nn.functional.binary_cross_entropy: logarithms from −100, and p (1 − p) from 1e-12 in the slope."""
    logs = np.maximum(np.log(p), -100), np.maximum(np.log1p(-p), -100)
    return -(y * logs[0] + (1 - y) * logs[1]), (p - y) / np.maximum((1 - p) * p, p.dtype.type(1e-12))


def stable(y: Any, z: Any) -> Any:
    return np.maximum(z, 0) - y * z + np.log1p(np.exp(-abs(z)))


def stable_with_p_minus_y(y: Any, z: Any) -> Any:
    return stable(y, z), sigmoid(z) - y


def careful(y: Any, z: Any) -> Any:
    """Every digit of value and slope, also at z = 0, where an autodiff of max and abs gives −y or 1 − y."""
    side = [np.where(w > 0, w * (np.maximum(s, 0) + np.log1p(np.exp(-abs(s)))), 0) for w, s in ((y, -z), (1 - y, z))]
    lost = np.where(np.isnan(z), z, 0)
    least, most = np.exp(-abs(z)) / (1 + np.exp(-abs(z))), 1 / (1 + np.exp(-abs(z)))
    up, down = np.where(z > 0, most, least), np.where(z > 0, least, most)  # σ(z), σ(−z)
    return side[0] + side[1] + lost, np.where(y < 1, (1 - y) * up, 0) - np.where(y > 0, y * down, 0) + lost


def tie(y: Any, z: Any) -> Any:
    value, slope = careful(y, z)
    return value, np.where(z == 0, -y, slope)


def clipped_logits(y: Any, z: Any) -> Any:
    return stable_with_p_minus_y(y, np.clip(z, -20, 20))


def dice(y: Any, p: Any, above: float = 0.0, below: float = 0.0) -> Any:
    both, size = (y * p).sum(axis=-1), y.sum(axis=-1) + p.sum(axis=-1)
    return 1 - (2 * both + above) / (size + below)


ROWS: dict[str, tuple[Any, Any, str, str]] = {  # the candidate, the loss, the dtype, the first level that fails
    "a gradient with the wrong sign": (mse_down, MeanSquaredError(**EACH), "float64", "formula"),
    "Huber without its half": (huber_doubled_near_zero, Huber(delta=0.7, **EACH), "float64", "formula"),
    "a mean over the wrong axis": (mse_of_columns, MeanSquaredError(), "float64", "formula"),
    "yhat -= y": (mse_in_place, MeanSquaredError(**EACH), "float64", "formula"),
    "the maximum of the batch": (softmax_of_a_batch, CrossEntropy(), "float64", "formula"),
    "the maximum of the batch, each": (
        lambda y, z: softmax_of_a_batch(y, z)[0] * len(y),
        CrossEntropy(reduction="sum"),
        "float64",
        "formula",
    ),
    "p clipped at 1e-7": (clipped, BCE, "float64", "formula"),
    "p clipped at 1e-7 in float32": (
        lambda y, p: clipped(y, p)[0],
        BCE,
        "float32",
        "digits",  # 1e-7 is below eps, but log(1 − p) loses digits
    ),
    "a class clipped at 1e-7": (
        lambda y, p: -np.log(np.maximum(np.take_along_axis(p, y[:, None], 1)[:, 0], 1e-7)),
        SparseCategoricalCrossEntropy(**EACH),
        "float64",
        "formula",
    ),
    "logits clipped at 20": (clipped_logits, LOGITS, "float64", "formula"),
    "a clip below eps": (clipped_far_out, BCE, "float64", "range"),
    "σ(z) − y": (stable_with_p_minus_y, LOGITS, "float64", "digits"),
    "log-softmax by rows": (softmax_by_rows, CrossEntropy(**EACH), "float64", "digits"),
    "the textbook's BCE": (textbook, BCE, "float64", "digits"),
    "guards of PyTorch": (guarded, BCE, "float64", "digits"),
    "guards of PyTorch in float32": (guarded, BCE, "float32", "range"),
    "1 less the score, smoothed": (
        lambda y, p: dice(y, p, 1, 1),
        Dice(axis=-1, smooth_nr=1, smooth_dr=1, **EACH),
        "float64",
        "digits",
    ),
    "1e-7 below": (lambda y, p: dice(y, p, 0, 1e-7), Dice(axis=-1, smooth_dr=1e-7, **EACH), "float64", "digits"),
    "a slope at a tie": (tie, LOGITS, "float64", "digits"),
    "a mean of squares": (mse, MeanSquaredError(), "float64", "range"),
    "a mean of sizes": (lambda y, x: np.mean(abs(x - y)), MeanAbsoluteError(), "float64", "range"),
}


def first_that_fails(result: Comparison) -> str:
    return next((level for level in LEVELS if level not in result.holds), "")


@pytest.mark.parametrize("name", ROWS)
def test_the_first_level_that_fails(name: str) -> None:
    candidate, loss, dtype, level = ROWS[name]
    result = check(candidate, loss, dtype=dtype, diagnose=False)
    assert first_that_fails(result) == level, [(d.level, str(d)) for d in result.worst]
    assert result.ok == (level != "formula")


def test_a_careful_formula_holds_all_that_is_asked() -> None:
    result = check(careful, LOGITS)
    assert result.holds == ("formula", "digits", "range"), result.message()
    assert result.summary() == "It is the loss."


def test_a_dice_loss_that_is_0_by_0_for_nothing_keeps_its_formula() -> None:
    result = check(lambda y, p: dice(y, p), Dice(axis=-1, **EACH), diagnose=False)
    nothing = [d.level for d in result.worst if d.name == "empty mask, empty prediction"]
    assert nothing == ["range"]
    assert "formula" in result.holds


def test_a_level_asks_for_those_before_it() -> None:
    for level, right in (("formula", True), ("digits", False), ("range", False), ("domain", False)):
        assert check(textbook, BCE, level=level, diagnose=False).ok == right
    for level, right in (("formula", True), ("digits", True), ("range", False)):
        assert check(mse, MeanSquaredError(), level=level, diagnose=False).ok == right


def test_the_domain_is_asked_at_its_own_level() -> None:
    refusing, taking = Focal(gamma=1.5, **EACH), Focal(gamma=1.5, **EACH).value_and_grad
    assert "domain" not in check(taking, refusing, diagnose=False).holds
    assert check(taking, refusing, level="domain", diagnose=False).holds == LEVELS
    blind = check(lambda y, x: ((x - y) ** 2, 2 * (x - y)), MeanSquaredError(**EACH), level="domain", diagnose=False)
    assert not blind.ok
    assert {d.level for d in blind.worst} == {"domain"}


LIMITS = [
    (stable_with_p_minus_y, LOGITS, "From |z| = 36.7 on the right side its gradient is 0."),
    (mse, MeanSquaredError(), "For a mean of huge losses its value overflows: it adds the losses before it divides."),
    (textbook, BCE, "At y = 0, p = 0 its value is NaN (exactly 0)."),
    (
        lambda y, x: (np.sqrt((x - y) ** 2), np.sign(x - y)),
        MeanAbsoluteError(**EACH),
        "From |r| = 1.34e154 its value overflows.",  # the root of the largest float is 1.3408e154
    ),
]


@pytest.mark.parametrize(("candidate", "loss", "sentence"), LIMITS)
def test_limits_in_plain_sentences(candidate: Any, loss: Any, sentence: str) -> None:
    """σ(z) rounds to 1 from z = 53 log 2 = 36.74 on: 1 − σ(z) is then below half of 2⁻⁵³."""
    result = check(candidate, loss, diagnose=False)
    assert sentence in result.limits
    assert result.summary().startswith("It is the loss. ")
    assert sentence in result.message()
    assert sentence in result.to_markdown()


def test_soft_labels_that_are_refused_are_no_crash() -> None:
    def hard(y: Any, p: Any) -> Any:
        if np.any((y != 0) & (y != 1)):
            raise ValueError("labels are 0 and 1")
        return textbook(y, p)

    result = check(hard, BCE)
    assert result.ok
    assert "labels between 0 and 1 were not asked: it raises ValueError: labels are 0 and 1" in result.notes


def test_a_value_for_each_loss_is_judged_as_such() -> None:
    result = check(lambda y, x: 2 * (x - y) ** 2, MeanSquaredError())
    assert not result.ok
    assert "one value for each loss" in result.diagnosis
    assert "twice" in result.diagnosis


def test_an_objective_is_read_as_one() -> None:
    for loss, by in ((MeanSquaredError(**EACH), 1), (MeanSquaredError(), 0)):
        result = check(lambda y, x, by=by: (2 * (x - y) / (1 if by else x.size), 2 + 0 * x), loss)
        assert result.ok, result.message()
        assert any("objective of XGBoost" in note for note in result.notes)
