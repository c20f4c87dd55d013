"""TensorFlow, XGBoost and LightGBM: each row is its loss at moderate inputs, and what their curvatures are."""

from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

from known_defects import KNOWN_CURVATURES
from needed import need

from reflosses import CrossEntropy, Hinge
from reflosses.comparison.expected import parts
from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.function import Framework, Function, find, frameworks
from reflosses.frameworks.scripts import checked

NAMES = ("tensorflow", "xgboost", "lightgbm")
WIDE = ("float64", "float32")  # bfloat16 keeps too few digits of weighted_cross_entropy_with_logits
ROWS = [
    (framework, function, given, dtype)
    for framework in frameworks()
    if framework.name in NAMES
    for function in framework.functions
    for given in function.tried
    for dtype in function.dtypes
    if dtype in WIDE and not (dtype == "float64" and ".v1." in function.name)
]
IN_FLOAT32 = [
    (f, given) for k in frameworks() if k.name == NAMES[0] for f in k.functions if ".v1." in f.name for given in f.tried
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1].name} {row[2]} {row[3]}")
def test_a_row_is_its_loss_at_moderate_inputs(row: tuple[Framework, Function, dict[str, Any], str]) -> None:
    framework, function, given, dtype = row
    need(framework.package)
    (moderate,) = checked(framework, function, given, dtype, regimes=["moderate"]).rows
    asked = [column for column in (moderate.value, moderate.gradient) if column.points]
    assert len(asked) == (function.code != "None") + (function.grad is not None)
    for column in asked:
        assert column.points >= 5
        assert column.verdict == "right"


@pytest.mark.parametrize(("function", "given"), IN_FLOAT32, ids=lambda value: getattr(value, "name", str(value)))
def test_the_first_losses_of_tensorflow_have_float32_inside(function: Function, given: dict[str, Any]) -> None:
    """In float64 they are the loss to the digits of float32, and to no more."""
    framework = find(function.name)[0]
    need(framework.package)
    factor, loss = parts(function.loss(given))
    rng = np.random.default_rng(11)
    yhat = rng.normal(0, 2, (40, 3)).astype(np.float32).astype(np.float64)
    if isinstance(loss, CrossEntropy):
        y = rng.integers(0, 3, 40) if function.targets == "index" else np.eye(3)[rng.integers(0, 3, 40)]
    else:
        y = rng.choice([-1.0, 1.0] if isinstance(loss, Hinge) else [0.0, 1.0], yhat.shape)
    answer = framework.candidate(function, given, FORMATS["float64"]).ask(y, yhat)
    exact = [factor * part for part in loss.value_and_grad(y, yhat)]
    errors = [abs(got - due) / np.abs(due).max() for got, due in zip(answer[:2], exact, strict=True)]
    assert max(error.max() for error in errors) < 1e-6
    assert errors[0].max() > 1e-11


LOGITS, LABELS = np.float32([-3.0, 0.75, 2.5, -0.125]), np.float32([1.0, 0.0, 1.0, 0.0])
SCORES, CLASSES = np.float32([[0.25, -1.0, 2.0], [1.5, 0.5, -0.75]]), np.array([2, 1])
THEIRS = {  # the second derivative that an objective gives, where it is not our curvature of the loss
    "xgboost.reg:absoluteerror": np.ones_like,  # ours is 0, with which a step of Newton's has no length
    "xgboost.binary:hinge": np.ones_like,
    "lightgbm.regression_l1": np.ones_like,
    "lightgbm.huber": np.ones_like,  # ours is 0 where |r| is above delta
    **{name: partial(np.multiply, factor) for name, factor in KNOWN_CURVATURES.values()},
}
OBJECTIVES = [function for k in frameworks() if k.name in NAMES[1:] for function in k.functions]


@pytest.mark.parametrize("function", OBJECTIVES, ids=lambda function: function.name)
def test_the_curvature_of_an_objective(function: Function) -> None:
    """A leaf for λ = 0 is the gradient over the curvature."""
    framework = find(function.name)[0]
    need(framework.package)
    rows, ova = function.targets == "index", function.name.endswith("ova")
    y, yhat = (CLASSES, SCORES) if rows else (LABELS, LOGITS)
    read = framework.names["slopes" if rows and framework.name == "xgboost" else "slope"]
    classes = {"num_class": 2 if ova else 3} if framework.name == "lightgbm" and (rows or ova) else {}
    scores = np.stack([-yhat, yhat], -1) if ova else yhat
    slope, step = (read(function.name.partition(".")[2], y, scores, penalty, **classes) for penalty in (2.0**30, 0))
    slope, step = (slope[:, 1], step[:, 1]) if ova else (slope, step)
    factor, loss = parts(function.loss({}))
    labels = 2 * y - 1 if isinstance(loss, Hinge) else y
    np.testing.assert_allclose(slope, factor * loss.grad(labels, yhat), rtol=1e-6)
    ours = factor * loss.curvature(labels, yhat)
    there = slope != 0  # of the gradient 0 no step tells the curvature
    np.testing.assert_allclose(
        (slope[there] / step[there]), THEIRS.get(function.name, lambda x: x)(ours)[there], rtol=2e-6
    )


def test_the_reported_curvatures_are_of_three_classes() -> None:
    assert SCORES.shape[1] == 3
    assert set(KNOWN_CURVATURES.values()) == {
        ("xgboost.multi:softmax", 2),
        ("xgboost.multi:softprob", 2),
        ("lightgbm.multiclass", 1.5),
    }
