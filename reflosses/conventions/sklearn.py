"""scikit-learn: its private `_loss` classes, which fit its models, its metrics, and real data to try all this on.

The `_loss` classes take raw predictions (identity, logit and log-softmax links) and give one loss a sample. Each has
its formula in three places: `loss` and `gradient`, `loss_gradient`, `gradient_hessian`. Metrics reduce to one number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Cauchy,
    CrossEntropy,
    Dice,
    Focal,
    FocalWithLogits,
    GeneralizedDice,
    Hinge,
    Huber,
    IoU,
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    SparseCategoricalCrossEntropy,
    WeightedCrossEntropy,
)
from reflosses.conventions import (
    Inputs,
    Peer,
    as_drawn,
    both_labels,
    hard_masks,
    multiclass,
    probabilities,
    unclipped,
    unclipped_rows,
)
from reflosses.loss import Loss

LOSS = "import sklearn._loss"
METRICS = "import sklearn.metrics"
MASKS = "y, yhat, zero_division=1.0"  # nothing against nothing agrees


def _loss_class(
    name: str, equals: Loss, factor: float = 1.0, arguments: str = "", inputs: Inputs = as_drawn
) -> list[Peer]:
    """The three places of one class's formula."""
    call = f"sklearn._loss.{name}({arguments})"
    value, grad = f"{call}.loss(y, yhat)", f"{call}.gradient(y, yhat)"
    peer = Peer(f"sklearn {name}", equals, LOSS, value, grad, factor, inputs=inputs)
    pair, second = f"{call}.loss_gradient(y, yhat)", f"{call}.gradient_hessian(y, yhat)"
    return [
        peer,
        replace(peer, name=f"sklearn {name}.loss_gradient", value=f"{pair}[0]", grad=f"{pair}[1]"),
        replace(peer, name=f"sklearn {name}.gradient_hessian", value=None, grad=f"{second}[0]"),
    ]


def _metric(name: str, equals: Loss, arguments: str = "y, yhat", score: bool = False, **more: Any) -> Peer:
    """A metric; a score is 1 less the loss, and compared in ulps of 1."""
    call = f"sklearn.metrics.{name}({arguments})"
    return Peer(f"sklearn {name}", equals, METRICS, f"1 - {call}" if score else call, unit=float(score), **more)


PEERS = [
    *_loss_class("HalfSquaredError", MeanSquaredError(reduction="none"), factor=0.5),
    *_loss_class("AbsoluteError", MeanAbsoluteError(reduction="none")),
    *_loss_class("HuberLoss", Huber(delta=0.75, reduction="none"), arguments="delta=0.75"),
    *_loss_class("HalfBinomialLoss", BinaryCrossEntropyWithLogits(reduction="none")),
    *_loss_class("HalfMultinomialLoss", CrossEntropy(reduction="none"), 1.0, "n_classes=yhat.shape[1]", multiclass),
    _metric("mean_squared_error", MeanSquaredError()),
    _metric("mean_absolute_error", MeanAbsoluteError()),
    _metric("mean_pinball_loss", MeanAbsoluteError(), "y, yhat, alpha=0.5", factor=0.5),
    _metric("brier_score_loss", MeanSquaredError(), "y, yhat, pos_label=1", y_dtype="int64", inputs=probabilities),
    _metric(
        "log_loss",
        BinaryCrossEntropy(),
        "y, yhat, labels=[0, 1]",
        y_dtype="int64",
        inputs=unclipped,
        note="clips to [eps, 1 − eps], as documented: nothing beyond is asked",
    ),
    _metric(
        "log_loss",
        SparseCategoricalCrossEntropy(),
        "y, yhat, labels=range(yhat.shape[1])",
        y_dtype="int64",
        inputs=unclipped_rows,
        note="clips to [eps, 1 − eps], as documented: nothing beyond is asked",
    ),
    _metric(
        "hinge_loss",
        Hinge(),
        y_dtype="int64",
        inputs=both_labels,
        note="needs both labels in y: hinge_loss([1, 1], [0.5, 0.5]) is 1.5, not 0.5, even with labels=[-1, 1]",
    ),
    _metric("zero_one_loss", MeanAbsoluteError(), dtypes=("bool",), inputs=hard_masks),
    _metric("f1_score", Dice(reduction="sum"), MASKS, score=True, dtypes=("bool",), inputs=hard_masks),
    _metric("jaccard_score", IoU(reduction="sum"), MASKS, score=True, dtypes=("bool",), inputs=hard_masks),
]

NOT_COVERED = {
    "sklearn._loss.PinballLoss, HalfPoissonLoss, HalfGammaLoss, HalfTweedieLoss, ExponentialLoss": "no losses of ours",
    "sklearn.metrics.hinge_loss with more than two labels": "Crammer–Singer's hinge, no loss of ours",
    "sklearn.metrics.root_mean_squared_error and other functions of a mean": "no sums of losses",
}


# ---- real data: predictions of fitted models on the bundled data sets ------------------------------------------------


@dataclass(frozen=True)
class Real:
    """A metric on the predictions of a model: `predictions(data, output)` are its y and yhat."""

    data: str
    output: str
    peer: Peer


@cache
def predictions(data: str, output: str) -> tuple[Any, Any]:
    """Targets and predictions: the named output of a model of a data set."""
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
    model = PCA(n_components=8).fit(x)  # redraws every digit from eight numbers
    true, redrawn = ((a > 8).astype(int) for a in (x, model.inverse_transform(model.transform(x))))
    two = [np.stack([1 - a.ravel(), a.ravel()], axis=1) for a in (true, redrawn)]
    return {"images": (true, redrawn), "pixels": (true.ravel(), redrawn.ravel()), "two classes": (two[0], two[1])}


def _start(loss: str) -> tuple[str, str]:
    identity = "lambda r: np.eye(len(r))"
    call = f"scipy.optimize.least_squares(lambda r: r, yhat - y, {identity}, loss={loss!r}, f_scale=50.0, max_nfev=1)"
    return f"{call}.cost", f"{call}.grad"


def _robust(loss: str, equals: Loss, factor: float) -> Peer:
    return Peer(f"least_squares({loss!r})", equals, "import scipy.optimize", *_start(loss), factor)


_GDL = (
    "1 - 2 * ((w := 1 / (c := sklearn.metrics.confusion_matrix(y[:, 1], yhat[:, 1])).sum(1) ** 2.0) * np.diag(c)).sum()"
    " / (w * (c.sum(0) + c.sum(1))).sum()"
)
_BINOMIAL, _MULTINOMIAL = "HalfBinomialLoss", "HalfMultinomialLoss"
_SAMPLES = "y, yhat, average='samples'"

REAL = [
    Real("diabetes", "linear", _metric("mean_squared_error", MeanSquaredError())),
    Real("diabetes", "linear", _metric("mean_absolute_error", MeanAbsoluteError())),
    Real("diabetes", "linear", _loss_class("HuberLoss", Huber(delta=50.0, reduction="none"), 1.0, "delta=50.0")[0]),
    Real("diabetes", "linear", _robust("huber", Huber(delta=50.0, reduction="sum"), 1.0)),
    Real("diabetes", "linear", _robust("cauchy", Cauchy(delta=50.0, reduction="sum"), 0.5)),
    Real("breast cancer", "probability", _metric("log_loss", BinaryCrossEntropy())),
    Real("breast cancer", "probability", _metric("log_loss", Focal(gamma=0.0))),
    Real("breast cancer", "probability", _metric("log_loss", WeightedCrossEntropy(weight=1.0))),
    Real("breast cancer", "logit", _loss_class(_BINOMIAL, BinaryCrossEntropyWithLogits(reduction="none"))[0]),
    Real("breast cancer", "logit", _loss_class(_BINOMIAL, FocalWithLogits(gamma=0.0, reduction="none"))[0]),
    Real("breast cancer", "margin", _metric("hinge_loss", Hinge())),
    Real("digits", "logits", _loss_class(_MULTINOMIAL, CrossEntropy(reduction="none"), 1.0, "n_classes=10")[0]),
    Real("digits", "probabilities", _metric("log_loss", SparseCategoricalCrossEntropy())),
    Real("digits", "log p", _metric("log_loss", NegativeLogLikelihood(), "y, np.exp(yhat)")),
    Real("digit masks", "images", _metric("f1_score", Dice(axis=-1), _SAMPLES, score=True)),
    Real("digit masks", "images", _metric("jaccard_score", IoU(axis=-1), _SAMPLES, score=True)),
    Real("digit masks", "pixels", _metric("f1_score", Dice(), score=True)),
    Real("digit masks", "pixels", _metric("jaccard_score", IoU(), score=True)),
    Real("digit masks", "pixels", _metric("zero_one_loss", MeanAbsoluteError())),
    Real("digit masks", "two classes", Peer("sklearn confusion_matrix", GeneralizedDice(), METRICS, _GDL, unit=1.0)),
]
