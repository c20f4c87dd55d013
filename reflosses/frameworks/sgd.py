"""scikit-learn's stochastic gradient descent: the Cython losses that SGDClassifier and SGDRegressor train with.

Only the hinge has its scalar functions open to Python, "for testing only". The others are those of `sklearn._loss` one
level lower: their arrays of results come from the caller.
"""

from __future__ import annotations

from typing import Any

from reflosses.frameworks.function import Framework, Function, Offer


def _trained(name: str, loss: str, equals: str, **more: Any) -> Function:
    """A loss of `sklearn._loss._loss`: values and gradients into arrays of the caller."""
    made = f"sklearn._loss._loss.{loss}"

    def call(method: str) -> str:
        return f"filled({made}.{method}, y, yhat)"

    return Function(
        f"sgd.{name}", call("loss"), equals, grad=call("gradient"), dtypes=("float64",), validates=False, **more
    )


IMPORTS = '''
import sklearn._loss._loss, sklearn.linear_model._sgd_fast

def filled(method, y, yhat):
    """The results that a method writes into an array, by one thread."""
    out = np.empty_like(yhat)
    method(y, yhat, None, out, 1)
    return out
'''

FUNCTIONS = (
    Function(
        "sgd.hinge",
        "np.array([sklearn.linear_model._sgd_fast.Hinge(1.0).py_loss(p, label) for p, label in zip(yhat, y)])",
        "Hinge(reduction='none')",
        grad="np.array([sklearn.linear_model._sgd_fast.Hinge(1.0).py_dloss(p, label) for p, label in zip(yhat, y)])",
        dtypes=("float64",),
        validates=False,
        note="the slope at margin 1 is −y; Hinge(0.0) is the loss of a perceptron, no loss of ours",
    ),
    _trained("log_loss", "CyHalfBinomialLoss()", "BinaryCrossEntropyWithLogits(reduction='none')"),
    _trained("squared_error", "CyHalfSquaredError()", "Scaled(0.5, MeanSquaredError(reduction='none'))"),
    _trained(
        "huber",
        "CyHuberLoss(epsilon)",
        "Huber(delta=epsilon, reduction='none')",
        parameters={"epsilon": 0.1},
        tried=({"epsilon": 0.75}, {"epsilon": 0.0625}),
        refused=({"epsilon": -0.75},),
    ),
)

NOT_COVERED = {
    "sgd.perceptron": "the hinge without its margin, no loss of ours",
    "sgd.squared_hinge, modified_huber": "squares of the hinge, no losses of ours",
    "sgd.epsilon_insensitive, squared_epsilon_insensitive": "of the distance to a band, no losses of ours",
}

OFFERS = (Offer("sgd", names="sklearn.linear_model.SGDClassifier.loss_functions"),)

FRAMEWORK = Framework("sgd", "scikit-learn", IMPORTS, "numpy", FUNCTIONS, NOT_COVERED, extra="sklearn", offers=OFFERS)
