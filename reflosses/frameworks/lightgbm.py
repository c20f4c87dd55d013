"""LightGBM: its objectives, in float32. An objective is no function that a user can call, so two programs read it.

`value` gives each loss by a metric of one row, whose prediction is the initial score. `slope` gives each gradient g by
`Booster.refit` of a tree with a leaf for each row. For the learning rate ½ a leaf is −½ g / (h + λ), where h is the
curvature. As h is at most 2, −2λ·leaf for λ = 2³⁰ is g to the last digit of float32. A leaf below 1e-35 becomes 0, so
that a gradient below 2⁻⁸⁶ cannot be read, and logits beyond ±56 are not asked. Where h is 1, −2·leaf for λ = 0 is g.
Elsewhere it is g / h, which tells h. Labels and gradients are float32; scores, metrics and leaves are float64. A label
beyond ±1e38 becomes ±1e38.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.frameworks.function import Framework, Function, Offer
from reflosses.frameworks.xgboost import BY_LEAF, BY_METRIC, apart, hard_labels_of, logits_to, rows_to

PROGRAM = '''\
from functools import cache

import lightgbm
import numpy as np

SPLIT = {"min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0, "min_data_in_bin": 1, "feature_pre_filter": False}
QUIET = {"verbosity": -1, "num_threads": 1, "boost_from_average": False, **SPLIT}

def value(metric, objective, y, yhat, **options):
    """The metric of each row alone."""
    options |= {"objective": objective, "metric": metric, **QUIET}
    assert y.shape == yhat.shape[:1], "one label for each row"
    rows = [(y[i:i + 1], yhat[i:i + 1]) for i in range(len(y))]
    data = [lightgbm.Dataset(np.zeros((1, 1)), a, init_score=z, params=QUIET) for a, z in rows]
    return np.array([lightgbm.Booster(options, d).eval_train()[0][2] for d in data])

@cache
def trees(rows, classes):
    """Trees with a leaf for each row, one tree for each class."""
    options = {**QUIET, "num_leaves": rows, "max_bin": rows + 1, "learning_rate": 0.5}
    numbers = np.arange(float(rows))
    data = lightgbm.Dataset(numbers[:, None], numbers * (-1) ** numbers, params=options)
    return lightgbm.train(options, data, classes)

def slope(objective, y, yhat, lambda_l2=2.0**30, **options):
    """The gradient of each loss, or of each row of classes. Two more rows have the labels 0 and 1.

    A lambda of 0 is for objectives whose curvature is 1.
    """
    assert y.shape == yhat.shape[:1], "one label for each row"
    labels, scores = np.append(y, [0, 1]), np.pad(yhat, [(0, 2), (0, 0)][:yhat.ndim])
    grown = trees(len(scores), scores[0].size)
    grown.params = {**QUIET, "objective": objective, "lambda_l2": lambda_l2, **options}
    numbers = np.arange(float(len(scores)))[:, None]
    leaves = grown.refit(numbers, labels, decay_rate=0, init_score=scores).predict(numbers, raw_score=True)
    return (-2 * (lambda_l2 or 1) * leaves[:-2]).astype(yhat.dtype)
'''

LARGEST = 1e38
READ = 2.0**-112  # the smallest residual that can be read
FAR = 56.0  # the largest logit, and difference of logits, whose gradient can be read
CAPPED = "the metric clips probabilities at 1e-15, so that it ends at 34.54"


def in_range(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Labels up to ±1e38, where LightGBM cuts them off, and such predictions, with residuals that can be read."""
    return apart(READ)(np.clip(y, -LARGEST, LARGEST), np.clip(yhat, -LARGEST, LARGEST), eps)


def _objective(name: str, equals: str, metric: str = "", **more: Any) -> Function:
    """The row of an objective. metric: the call that gives its value. options: more of the call that gives slopes."""
    options = more.pop("options", "")
    slope = more.pop("slope", f"slope({name!r}, y, yhat{options})")
    return Function(
        f"lightgbm.{name}",
        metric or "None",
        equals,
        grad=slope,
        dtypes=("float32",),
        note=more.pop("note", BY_METRIC),
        **more,
    )


FUNCTIONS = (
    _objective(
        "regression",
        "Scaled(0.5, MeanSquaredError(reduction='none'))",
        "value('l2', 'regression', y, yhat) / 2",
        options=", lambda_l2=0",
        inputs=in_range,
        note=f"{BY_METRIC}; the metric is the squared error, the gradient is that of its half",
    ),
    _objective(
        "regression_l1",
        "MeanAbsoluteError(reduction='none')",
        "value('l1', 'regression_l1', y, yhat)",
        options=", lambda_l2=0",
        inputs=in_range,
        note=f"{BY_METRIC}; training gives leaves the medians of residuals afterwards, a refit does not",
    ),
    _objective(
        "huber",
        "Huber(delta=alpha, reduction='none')",
        "value('huber', 'huber', y, yhat, alpha=alpha)",
        parameters={"alpha": 0.9},
        tried=({"alpha": 0.375}, {"alpha": 6.0}),
        refused=({"alpha": -0.75},),
        options=", lambda_l2=0, alpha=alpha",
        inputs=in_range,
        note=f"{BY_METRIC}; the objective's second derivative is 1, also where ours is 0",
    ),
    _objective(
        "binary",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        "value('binary_logloss', 'binary', y, yhat)",
        inputs=hard_labels_of(FAR),
        note=f"{BY_METRIC}; {CAPPED}; a label above 0 is 1",
    ),
    _objective(
        "cross_entropy",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        "value('cross_entropy', 'cross_entropy', y, yhat)",
        inputs=logits_to(FAR),
        note=f"{BY_METRIC}; the metric clips logarithms at 1e-12, so that it ends at 27.63",
    ),
    _objective(
        "cross_entropy_lambda",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        "value('cross_entropy_lambda', 'cross_entropy_lambda', y, yhat)",
        inputs=logits_to(FAR),
        note=f"{BY_METRIC}; cross_entropy as long as there are no weights",
    ),
    _objective(
        "multiclass",
        "CrossEntropy(reduction='none')",
        "value('multi_logloss', 'multiclass', y, yhat, num_class=yhat.shape[1])",
        options=", num_class=yhat.shape[1]",
        inputs=rows_to(FAR),
        targets="index",
        note=f"{BY_METRIC}; {CAPPED}; the objective's second derivative is K / (K − 1) times ours, of K classes",
    ),
    _objective(
        "multiclassova",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        slope="slope('multiclassova', y, np.stack([-yhat, yhat], -1), num_class=2)[..., 1]",
        inputs=hard_labels_of(FAR),
        note=f"{BY_LEAF}; a sum over the classes, each against all others, here that of class 1 of two",
    ),
)

NOT_COVERED = {
    "lightgbm.quantile": "needs a pinball loss",
    "lightgbm.fair": "needs Fair's robust loss",
    "lightgbm.mape": "needs a relative absolute error",
    "lightgbm.poisson": "needs a Poisson loss",
    "lightgbm.gamma, tweedie": "need a Tweedie loss",
    "lightgbm.lambdarank, rank_xendcg": "of ranked lists, no losses of ours",
}

OFFERS = (Offer("lightgbm", names="objective_names()"),)


def objective_names() -> list[str]:
    """The names of all objectives: each word in the library is tried as one. Several words may mean one objective."""
    import lightgbm

    (library,) = Path(lightgbm.__file__).parent.rglob("lib_lightgbm.*")
    words = {word.decode() for word in re.findall(rb"(?<![\w])[a-z]\w{2,24}(?=.?\0)", library.read_bytes())}
    data = lightgbm.Dataset(np.zeros((4, 1)), np.ones(4), group=[4], params={"verbosity": -1}).construct()
    found = set()
    for word in sorted(words | {function.name.rpartition(".")[2] for function in FUNCTIONS}):
        for classes in (1, 3):
            options = {"objective": word, "num_class": classes, "metric": "none", "verbosity": -1}
            with suppress(lightgbm.basic.LightGBMError):
                found.add(lightgbm.Booster(options, data).dump_model().get("objective", "").split(" ")[0])
    return sorted(found - {""})


FRAMEWORK = Framework("lightgbm", "lightgbm", PROGRAM, "numpy", FUNCTIONS, NOT_COVERED, extra="lightgbm", offers=OFFERS)
