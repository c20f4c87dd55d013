"""scikit-learn: the private `_loss` classes that fit its models, its metrics, and predictions on real data.

The `_loss` classes take raw predictions (identity, logit and log-softmax links) and give one loss for each sample. Each
class has its formula in three places: `loss` and `gradient`, `loss_gradient`, `gradient_hessian`. A metric is one
number, a mean that divides by Σw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from reflosses.frameworks.function import TWO_DTYPES, Framework, Function, Offer
from reflosses.frameworks.inputs import finite, hard_labels, hard_masks, label_pairs, probabilities
from reflosses.frameworks.scipy import FRAMEWORK as SCIPY


def _loss_class(name: str, equals: str, arguments: str = "", y: str = "y", **more: Any) -> tuple[Function, ...]:
    """The three rows of a class, one for each place of its formula. Its caller validates the inputs, not the class."""
    made = f"sklearn._loss.{name}({arguments})"

    def call(method: str) -> str:
        return f"{made}.{method}({y}, yhat)"

    whole = Function(
        f"sklearn.{name}", call("loss"), equals, grad=call("gradient"), dtypes=TWO_DTYPES, validates=False, **more
    )
    pair, second = call("loss_gradient"), call("gradient_hessian")
    return (
        whole,
        replace(whole, name=f"{whole.name}.loss_gradient", code=f"{pair}[0]", grad=f"{pair}[1]"),
        replace(whole, name=f"{whole.name}.gradient_hessian", code="None", grad=f"{second}[0]"),
    )


def _metric(name: str, equals: str, arguments: str = "y, yhat, sample_weight=weight", **more: Any) -> Function:
    """A metric that is a loss."""
    function = name.partition(" ")[0]
    return Function(
        f"sklearn.{name}", f"sklearn.metrics.{function}({arguments})", equals, grad=None, dtypes=TWO_DTYPES, **more
    )


def _score(name: str, equals: str, arguments: str, **more: Any) -> Function:
    """A score, which is 1 − loss: its rounding errors are those of a number near 1."""
    metric = _metric(name, equals, arguments, inputs=hard_masks, unit=1.0, **more)
    return replace(metric, code=f"1 - {metric.code}")


HUBER: dict[str, Any] = {
    "parameters": {"delta": 0.5},
    "tried": ({"delta": 0.75}, {"delta": 0.0625}),
    "refused": ({"delta": -0.75},),
}
MASKS: dict[str, Any] = {"parameters": {"zero_division": "warn"}, "tried": ({}, {"zero_division": 1.0})}
CLIPS = "clips to [eps, 1 − eps] of the dtype of yhat, as documented, and forms 1 − yhat"

FUNCTIONS = (
    *_loss_class("HalfSquaredError", "Scaled(0.5, MeanSquaredError(reduction='none'))"),
    *_loss_class("AbsoluteError", "MeanAbsoluteError(reduction='none')"),
    *_loss_class("HuberLoss", "Huber(delta=delta, reduction='none')", "delta=delta", **HUBER),
    *_loss_class("HalfBinomialLoss", "BinaryCrossEntropyWithLogits(reduction='none')"),
    *_loss_class(
        "HalfMultinomialLoss",
        "CrossEntropy(reduction='none')",
        "n_classes=yhat.shape[1]",
        "y.astype(yhat.dtype)",
        targets="index",
    ),
    _metric("mean_squared_error", "MeanSquaredError(reduction='weighted_mean')", inputs=finite),
    _metric("mean_absolute_error", "MeanAbsoluteError(reduction='weighted_mean')", inputs=finite),
    _metric(
        "mean_pinball_loss",
        "Scaled(0.5, MeanAbsoluteError(reduction='weighted_mean'))",
        "y, yhat, sample_weight=weight, alpha=0.5",
        inputs=finite,
        note="half the absolute error at alpha = 0.5; other quantiles are no losses of ours",
    ),
    _metric(
        "brier_score_loss",
        "MeanSquaredError(reduction='weighted_mean')",
        "y.ravel(), yhat.ravel(), sample_weight=weight, pos_label=1",
        inputs=probabilities,
        note="forms 1 − yhat; of two axes it is the score of several classes, another loss",
    ),
    _metric(
        "log_loss",
        "BinaryCrossEntropy(reduction='weighted_mean')",
        "y, yhat, sample_weight=weight, labels=[0, 1]",
        inputs=hard_labels,
        note=CLIPS,
    ),
    _metric(
        "log_loss of classes",
        "SparseCategoricalCrossEntropy(reduction='weighted_mean')",
        "y, yhat, sample_weight=weight, labels=range(yhat.shape[1])",
        inputs=finite,
        note=CLIPS,
    ),
    _metric(
        "hinge_loss",
        "Hinge(reduction='weighted_mean')",
        "np.append(y, -y[:1]), np.pad(yhat, (0, 1)), "
        "sample_weight=np.pad(np.ones(len(y)) if weight is None else weight, (0, 1))",
        inputs=finite,
        validates=False,
        note="needs both labels in y to tell them apart: here a last sample of weight 0 has the other one",
    ),
    _metric(
        "hinge_loss of labels",
        "Hinge(reduction='weighted_mean')",
        "y, yhat, sample_weight=weight, labels=[-1, 1]",
        inputs=finite,
        note="wrong where y lacks a label, whatever `labels` says: hinge_loss([1, 1], [0.5, 0.5]) is 1.5, not 0.5",
    ),
    _metric("zero_one_loss", "MeanAbsoluteError(reduction='weighted_mean')", inputs=label_pairs),
    _metric(
        "hamming_loss",
        "MeanAbsoluteError(reduction='weighted_mean')",
        inputs=label_pairs,
        note="the part of labels that differ",
    ),
    _score(
        "f1_score",
        "Dice(reduction='sum')",
        "y, yhat, zero_division=zero_division",
        **MASKS,
        note="nothing against nothing agrees in ours; it counts 0 there by default",
    ),
    _score(
        "jaccard_score",
        "IoU(reduction='sum')",
        "y, yhat, zero_division=zero_division",
        **MASKS,
        note="nothing against nothing agrees in ours; it counts 0 there by default",
    ),
)

NOT_COVERED = {
    "sklearn._loss.PinballLoss": "needs a pinball loss",
    "sklearn._loss.HalfPoissonLoss, HalfGammaLoss, HalfTweedieLoss, HalfTweedieLossIdentity": "need a Tweedie loss",
    "sklearn._loss.loss.ExponentialLoss": "needs an exponential loss",
    "sklearn.metrics.hinge_loss with more than two labels": "Crammer–Singer's hinge, no loss of ours",
    "sklearn.metrics.mean_tweedie_deviance, mean_poisson_deviance, mean_gamma_deviance": "need a Tweedie deviance",
    "sklearn.metrics.mean_absolute_percentage_error": "needs a relative absolute error",
    "sklearn.metrics.mean_squared_log_error": "needs a squared logarithmic error",
    "sklearn.metrics.fbeta_score": "needs Tversky's loss",
    "sklearn.metrics.matthews_corrcoef": "needs a loss of Matthews's correlation",
    "sklearn.metrics.root_mean_squared_error, root_mean_squared_log_error": "functions of a mean, no sums of losses",
    "sklearn.metrics.max_error, median_absolute_error": "the largest and the middle error, no sums of losses",
    "sklearn.metrics.label_ranking_loss, coverage_error": "of ranked lists, no losses of ours",
}

OFFERS = (
    Offer("sklearn._loss", r"(Loss|Error|LossIdentity)$"),
    Offer("sklearn._loss.loss", r"^ExponentialLoss$"),
    Offer("sklearn.metrics", r"_(loss|error|deviance)$|^(f1|fbeta|jaccard)_score$|^matthews_corrcoef$"),
)

FRAMEWORK = Framework(
    "sklearn",
    "scikit-learn",
    "import sklearn._loss, sklearn.metrics",
    "numpy",
    FUNCTIONS,
    NOT_COVERED,
    extra="sklearn",
    offers=OFFERS,
)


# ---- real data: predictions of fitted models on the bundled data sets ------------------------------------------------


@dataclass(frozen=True)
class Real:
    """A function on the predictions of a model: `predictions(data, output)` are its y and yhat."""

    data: str
    output: str
    function: Function
    given: Mapping[str, Any] = field(default_factory=dict)
    framework: Framework = FRAMEWORK


@cache
def predictions(data: str, output: str) -> tuple[Any, Any]:
    """Targets and predictions: an output of the model that is fitted to a data set."""
    return _fitted(data)[output]


@cache
def _fitted(data: str) -> dict[str, tuple[Any, Any]]:
    from sklearn import datasets
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    if data == "diabetes":
        x, y = datasets.load_diabetes(return_X_y=True)
        return {"linear": (y, LinearRegression().fit(x, y).predict(x))}
    if data == "breast cancer":
        x, y = datasets.load_breast_cancer(return_X_y=True)
        logistic = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
        margin = make_pipeline(StandardScaler(), LinearSVC(random_state=0)).fit(x, y)
        return {
            "probability": (y, logistic.predict_proba(x)[:, 1]),
            "logit": (1.0 * y, logistic.decision_function(x)),
            "margin": (2 * y - 1, margin.decision_function(x)),
        }
    x, y = datasets.load_digits(return_X_y=True)
    if data == "digits":
        classes = LinearDiscriminantAnalysis().fit(x, y)
        outputs = {"logits": classes.decision_function(x), "probabilities": classes.predict_proba(x)}
        return {k: (1.0 * y, v) for k, v in (outputs | {"log p": classes.predict_log_proba(x)}).items()}
    model = PCA(n_components=8).fit(x)  # draws every digit again from eight numbers
    true, redrawn = ((a > 8).astype(int) for a in (x, model.inverse_transform(model.transform(x))))
    two = [np.stack([1 - a.ravel(), a.ravel()], axis=1) for a in (true, redrawn)]
    return {"images": (true, redrawn), "pixels": (true.ravel(), redrawn.ravel()), "two classes": (two[0], two[1])}


def _named(name: str) -> Function:
    """The row of this name."""
    (found,) = [f for f in FUNCTIONS if f.name == f"sklearn.{name}"]
    return found


def _least_squares(loss: str, equals: str) -> Real:
    """The cost of all residuals together, at the starting point."""
    start = f"scipy.optimize.least_squares(lambda r: r, yhat - y, lambda r: np.eye(len(r)), loss={loss!r}, "
    start += "f_scale=f_scale, max_nfev=1)"
    name = f"scipy.optimize.least_squares {loss}"
    function = Function(name, f"{start}.cost", equals, {"f_scale": 1.0}, grad=f"{start}.grad")
    return Real("diabetes", "linear", function, {"f_scale": 50.0}, SCIPY)


def _equal(name: str, *equals: str) -> tuple[Function, ...]:
    """A row for each of the losses that a function equals."""
    return tuple(replace(_named(name), equals=e) for e in equals)


_GDL = Function(
    "sklearn.confusion_matrix",
    "1 - 2 * ((w := 1 / (c := sklearn.metrics.confusion_matrix(y[:, 1], yhat[:, 1])).sum(1) ** 2.0) * np.diag(c)).sum()"
    " / (w * (c.sum(0) + c.sum(1))).sum()",
    "GeneralizedDice()",
    grad=None,
    unit=1.0,
)
_LOG_LOSS = ("BinaryCrossEntropy()", "Focal(gamma=0.0)", "WeightedCrossEntropy(weight=1.0)")
_BINOMIAL = ("BinaryCrossEntropyWithLogits(reduction='none')", "FocalWithLogits(gamma=0.0, reduction='none')")
_SAMPLES = "y, yhat, average='samples'"  # each row is an image

REAL_DATA = (
    Real("diabetes", "linear", _named("mean_squared_error")),
    Real("diabetes", "linear", _named("mean_absolute_error")),
    Real("diabetes", "linear", _named("HuberLoss"), {"delta": 50.0}),
    _least_squares("huber", "Huber(delta=f_scale, reduction='sum')"),
    _least_squares("cauchy", "Scaled(0.5, Cauchy(delta=f_scale, reduction='sum'))"),
    *(Real("breast cancer", "probability", f) for f in _equal("log_loss", *_LOG_LOSS)),
    *(Real("breast cancer", "logit", f) for f in _equal("HalfBinomialLoss", *_BINOMIAL)),
    Real("breast cancer", "margin", _metric("hinge_loss", "Hinge()")),
    Real("digits", "logits", _named("HalfMultinomialLoss")),
    Real("digits", "probabilities", _named("log_loss of classes")),
    Real("digits", "log p", _metric("log_loss", "NegativeLogLikelihood()", "y, np.exp(yhat)")),
    Real("digit masks", "images", _score("f1_score", "Dice(axis=-1)", _SAMPLES)),
    Real("digit masks", "images", _score("jaccard_score", "IoU(axis=-1)", _SAMPLES)),
    Real("digit masks", "pixels", _named("f1_score")),
    Real("digit masks", "pixels", _named("jaccard_score")),
    Real("digit masks", "pixels", _named("zero_one_loss")),
    Real("digit masks", "two classes", _GDL),
)
