"""The second derivatives of the objectives of XGBoost and LightGBM, beside our curvature of the loss."""

from functools import partial

import numpy as np
import pytest
from known_defects import KNOWN_CURVATURES
from needed import need

from reflosses import Hinge
from reflosses.comparison.expected import parts
from reflosses.frameworks.function import Function, find, frameworks

LOGITS, LABELS = np.float32([-3.0, 0.75, 2.5, -0.125]), np.float32([1.0, 0.0, 1.0, 0.0])
SCORES, CLASSES = np.float32([[0.25, -1.0, 2.0], [1.5, 0.5, -0.75]]), np.array([2, 1])
THEIRS = {  # the second derivative that an objective gives, where it is not our curvature of the loss
    "xgboost.reg:absoluteerror": np.ones_like,  # ours is 0, with which a step of Newton's has no length
    "xgboost.binary:hinge": np.ones_like,
    "lightgbm.regression_l1": np.ones_like,
    "lightgbm.huber": np.ones_like,  # ours is 0 where |r| is above delta
    **{name: partial(np.multiply, factor) for name, factor in KNOWN_CURVATURES.values()},
}
OBJECTIVES = [function for k in frameworks() if k.name in ("xgboost", "lightgbm") for function in k.functions]


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
