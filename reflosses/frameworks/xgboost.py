"""XGBoost: its objectives, in float32. An objective is no function that a user can call, so two programs read it.

`value` gives each loss by an evaluation metric of one row, whose prediction is the base margin. XGBoost tells a metric
in 17 decimals, so that residuals below 2⁻²⁷ are not asked.

`slope` gives each gradient g by a tree without splits: its leaf is −g / (h + λ), where h is the curvature. As h is at
most 2, −λ·leaf for λ = 2³⁰ is g to the last digit of float32. A gradient below 2⁻⁹⁶ cannot be read so, and logits
beyond ±60 are not asked. Where h is 1, −leaf for λ = 0 is g. Elsewhere it is g / h, which tells h.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from reflosses.comparison.battery import Inputs
from reflosses.evaluation.domain import Floats
from reflosses.frameworks.function import Framework, Function, Offer
from reflosses.frameworks.inputs import finite

PROGRAM = '''\
import numpy as np
import xgboost

xgboost.set_config(verbosity=0)
ONE_THREAD = {"nthread": 1, "base_score": 0.5}

def matrix(y, margin):
    """One row without features; several targets have a prediction each."""
    made = xgboost.DMatrix(np.zeros((len(y), 1), np.float32), label=y)
    made.set_base_margin(margin)
    return made

def value(metric, objective, y, yhat, **options):
    """The metric of each row alone."""
    options |= {"objective": objective, "eval_metric": metric, **ONE_THREAD}
    assert y.shape == yhat.shape[:1], "one label for each row"
    rows = [matrix(y[i:i + 1], yhat[i:i + 1]) for i in range(len(y))]
    told = [xgboost.Booster(options, [row]).eval(row) for row in rows]
    return np.array([float(text.rpartition(":")[2]) for text in told])

def leaves(objective, y, yhat, reg_lambda, **options):
    """The leaves of trees without splits, that are trained on one row: one tree for each target or class."""
    options |= {"objective": objective, "reg_lambda": reg_lambda, "eta": 1, "max_depth": 1, "min_child_weight": 0}
    row = matrix(y.reshape(1, -1), yhat.reshape(1, -1))
    trained = xgboost.train({**options, "tree_method": "exact", **ONE_THREAD}, row, 1)
    return trained.predict(matrix(y.reshape(1, -1), np.zeros_like(yhat.reshape(1, -1))), output_margin=True)

def slope(objective, y, yhat, reg_lambda=2.0**30):
    """The gradient of each loss. A lambda of 0 is for objectives whose curvature is 1."""
    return -(reg_lambda or 1) * leaves(objective, y, yhat, reg_lambda).reshape(yhat.shape)

def slopes(objective, y, yhat, reg_lambda=2.0**30):
    """The gradient of each row of classes."""
    rows = [leaves(objective, y[i:i + 1], yhat[i], reg_lambda, num_class=yhat.shape[1]) for i in range(len(y))]
    return -(reg_lambda or 1) * np.array(rows, yhat.dtype).reshape(yhat.shape)
'''

CAPPED = "the metric clips probabilities to [1e-16, 1 − 1e-16], so that it ends at 36.84"
TWICE = "the objective's second derivative is 2 p (1 − p), twice ours"
FAR = 60.0  # the largest logit, and difference of logits, whose gradient can be read
TOLD = 2.0**-27  # the smallest residual of which 17 decimals are all digits of float32
BY_METRIC = "the value is that of its metric, the gradient is read from the leaf of a tree"
BY_LEAF = "no metric is its value; the gradient is read from the leaf of a tree"


def logits_to(far: float) -> Inputs:
    """Logits up to ±far, whose gradients are large enough to be read."""
    return lambda y, yhat, eps: finite(y, np.clip(yhat, -far, far), eps)


def rows_to(far: float) -> Inputs:
    """Rows of logits that are at most so far apart."""
    return logits_to(far / 2)


def apart(least: float) -> Inputs:
    """Finite predictions whose residual is 0 or `least` and more: a smaller one could not be read."""

    def moved(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
        with np.errstate(over="ignore", invalid="ignore"):
            return finite(y, np.where(np.abs(yhat - y) < least, y, yhat), eps)

    return moved


def hard_labels_of(far: float) -> Inputs:
    """Labels 0 and 1, and logits up to ±far."""
    return lambda y, yhat, eps: logits_to(far)(np.rint(y), yhat, eps)


def _objective(name: str, equals: str, metric: str = "", y: str = "y", note: str = "", **more: Any) -> Function:
    """The row of an objective. metric: the call that gives its value. y: its labels. reg_lambda: of the leaf."""
    told = note or (BY_METRIC if metric else BY_LEAF)
    rows = more.get("targets") == "index"
    step = f", {more.pop('reg_lambda')}" if "reg_lambda" in more else ""
    return Function(
        f"xgboost.{name}",
        metric or "None",
        equals,
        grad=f"{'slopes' if rows else 'slope'}({name!r}, {y}, yhat{step})",
        dtypes=("float32",),
        note=told,
        **more,
    )


FUNCTIONS = (
    _objective(
        "reg:squarederror",
        "Scaled(0.5, MeanSquaredError(reduction='none'))",
        "value('rmse', 'reg:squarederror', y, yhat) ** 2 / 2",
        reg_lambda=0,
        inputs=apart(TOLD),
        note=f"{BY_METRIC}; the metric is the root of the squared error, the gradient is that of its half",
    ),
    _objective(
        "reg:absoluteerror",
        "MeanAbsoluteError(reduction='none')",
        "value('mae', 'reg:absoluteerror', y, yhat)",
        reg_lambda=0,
        inputs=apart(TOLD),
        note=f"{BY_METRIC}; a tree with splits gets medians of residuals as leaves, not steps along this gradient; "
        "the objective's second derivative is 1, ours is 0",
    ),
    _objective(
        "reg:logistic",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        "value('logloss', 'reg:logistic', y, yhat)",
        inputs=logits_to(FAR),
        note=f"{BY_METRIC}; {CAPPED}",
    ),
    _objective(
        "binary:logistic",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        "value('logloss', 'binary:logistic', y, yhat)",
        inputs=hard_labels_of(FAR),
        note=f"{BY_METRIC}; {CAPPED}",
    ),
    _objective(
        "binary:logitraw",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        inputs=hard_labels_of(FAR),
        note=f"{BY_LEAF}; logloss, its default metric, takes its logits for probabilities",
    ),
    _objective(
        "binary:hinge",
        "Hinge(reduction='none')",
        y="(y + 1) / 2",
        reg_lambda=0,
        inputs=finite,
        validates=False,
        note=f"{BY_LEAF}; labels 0 and 1, of which it makes −1 and 1",
    ),
    _objective(
        "multi:softprob",
        "CrossEntropy(reduction='none')",
        "value('mlogloss', 'multi:softprob', y, yhat, num_class=yhat.shape[1])",
        inputs=rows_to(FAR),
        targets="index",
        note=f"{BY_METRIC}; {CAPPED}; {TWICE}",
    ),
    _objective(
        "multi:softmax",
        "CrossEntropy(reduction='none')",
        "value('mlogloss', 'multi:softmax', y, yhat, num_class=yhat.shape[1])",
        inputs=rows_to(FAR),
        targets="index",
        note=f"{BY_METRIC}; {CAPPED}; it differs from multi:softprob in its predictions alone",
    ),
)

NOT_COVERED = {
    "xgboost.reg:quantileerror": "needs a pinball loss",
    "xgboost.reg:pseudohubererror": "needs a pseudo-Huber loss",
    "xgboost.reg:squaredlogerror": "needs a squared logarithmic error",
    "xgboost.count:poisson": "needs a Poisson loss",
    "xgboost.reg:gamma, reg:tweedie": "need a Tweedie loss",
    "xgboost.rank:ndcg, rank:pairwise, rank:map": "of ranked lists, no losses of ours",
    "xgboost.survival:aft, survival:cox": "of censored times, no losses of ours",
}

OFFERS = (
    Offer("xgboost", others="reg:linear", names="objectives()"),  # reg:linear is an old name of reg:squarederror
)


def objectives() -> list[str]:
    """The names of all objectives, from the error about an unknown one."""
    import xgboost

    row = xgboost.DMatrix(np.zeros((1, 1)), label=[0.0])
    try:
        xgboost.train({"objective": "?"}, row, 1)
    except xgboost.core.XGBoostError as error:
        return re.findall(r"Objective candidate: (\S+)", str(error))
    raise AssertionError("XGBoost has an objective of the name ?")


FRAMEWORK = Framework("xgboost", "xgboost", PROGRAM, "numpy", FUNCTIONS, NOT_COVERED, extra="xgboost", offers=OFFERS)
