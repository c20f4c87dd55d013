"""SciPy: the losses of `least_squares`, functions of `scipy.special`, and distances that are losses of hard masks.

The cost of a residual f in `least_squares` is ½ C² ρ((f/C)²): half of our Cauchy, or our Huber. The public call stops
at its starting point and reports the cost and the gradient there.
"""

from __future__ import annotations

import sys
from typing import Any

from reflosses.frameworks.function import TWO_DTYPES, Framework, Function, Offer
from reflosses.frameworks.inputs import finite_residual, hard_masks, label_pairs, label_zero, residual, true_logit_zero

THREE_DTYPES = (*TWO_DTYPES, "float16")
ONE_HOT = "(np.arange(yhat.shape[-1]) == y[:, None])"


def _least_squares(loss: str, equals: str, **more: Any) -> Function:
    """The cost and the gradient that `least_squares` reports for each residual alone, at the starting point."""
    scale = "" if loss == "linear" else ", f_scale=f_scale"
    start = f"scipy.optimize.least_squares(lambda x: x, [r], lambda x: [[1.0]], loss={loss!r}{scale}, max_nfev=1)"
    return Function(
        f"scipy.optimize.least_squares {loss}",
        f"np.array([{start}.cost for r in yhat])",
        equals,
        grad=f"np.array([{start}.grad[0] for r in yhat])",
        dtypes=("float64",),
        inputs=finite_residual,
        validates=False,
        **more,
    )


def _piece(name: str, code: str, equals: str, grad: str | None = None, **more: Any) -> Function:
    """A function that is a part of a loss. Invalid targets do not reach it, so it cannot refuse them."""
    return Function(name, code, equals, grad=grad, dtypes=TWO_DTYPES, validates=False, **more)


SCALES: dict[str, Any] = {
    "parameters": {"f_scale": 1.0},
    "tried": ({"f_scale": 0.75}, {"f_scale": 0.0625}),
    "refused": ({"f_scale": -0.75},),
}
SQUARED = "f_scale² and (r / f_scale)² are formed, and overflow long before the loss does"

FUNCTIONS = (
    _least_squares("linear", "Scaled(0.5, MeanSquaredError(reduction='none'))"),
    _least_squares("huber", "Huber(delta=f_scale, reduction='none')", **SCALES, note=SQUARED),
    _least_squares("cauchy", "Scaled(0.5, Cauchy(delta=f_scale, reduction='none'))", **SCALES, note=SQUARED),
    _piece(
        "scipy.special.huber",
        "scipy.special.huber(yhat.dtype.type(delta), yhat)",
        "Huber(delta=delta, reduction='none')",
        parameters={"delta": 1.0},
        tried=({"delta": 0.75}, {"delta": 0.0625}),
        inputs=residual,
        note="SciPy has no default of delta",
    ),
    _piece(
        "scipy.special.xlogy",
        "-(scipy.special.xlogy(y, yhat) + scipy.special.xlog1py(1 - y, -yhat))",
        "BinaryCrossEntropy(reduction='none')",
        note="with xlog1py; our own value is built of the same two functions, the truth is not",
    ),
    _piece(
        "scipy.special.log_expit",
        "-scipy.special.log_expit(-yhat)",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        inputs=label_zero,
    ),
    _piece(
        "scipy.special.softplus",
        "scipy.special.softplus(yhat)",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        inputs=label_zero,
        note="older versions of SciPy do not have it",
    ),
    _piece(
        "scipy.special.expit",
        "None",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        grad="scipy.special.expit(yhat)",
        inputs=label_zero,
        note="the gradient at the label 0",
    ),
    _piece(
        "scipy.special.expit minus y",
        "None",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        grad="scipy.special.expit(yhat) - y",
        note="the textbook gradient; SciPy's expit is not to blame for what the subtraction cancels",
    ),
    _piece(
        "scipy.special.logsumexp",
        "scipy.special.logsumexp(yhat, axis=-1)",
        "CrossEntropy(reduction='none')",
        inputs=true_logit_zero,
        targets="index",
        note="the cross-entropy where the logit of the target is 0",
    ),
    _piece(
        "scipy.special.logsumexp minus a logit",
        "scipy.special.logsumexp(yhat, axis=-1) - yhat[np.arange(len(y)), y]",
        "CrossEntropy(reduction='none')",
        targets="index",
        note="SciPy's logsumexp is not to blame for what the subtraction cancels",
    ),
    _piece(
        "scipy.special.log_softmax",
        "-scipy.special.log_softmax(yhat, axis=-1)[np.arange(len(y)), y]",
        "CrossEntropy(reduction='none')",
        targets="index",
    ),
    _piece(
        "scipy.special.softmax",
        "None",
        "CrossEntropy(reduction='none')",
        grad="(lambda p, hot: np.where(hot, -np.sum(p, -1, where=~hot, keepdims=True), p))"
        f"(scipy.special.softmax(yhat, axis=-1), {ONE_HOT})",
        targets="index",
        note="the gradient; the target's p − 1 is taken as minus the sum of the others, so that nothing cancels",
    ),
    _piece(
        "scipy.special.softmax minus one-hot",
        "None",
        "CrossEntropy(reduction='none')",
        grad=f"scipy.special.softmax(yhat, axis=-1) - {ONE_HOT}.astype(yhat.dtype)",
        targets="index",
        note="the textbook gradient; SciPy's softmax is not to blame for what the subtraction cancels",
    ),
    Function(
        "scipy.spatial.distance.sqeuclidean",
        "scipy.spatial.distance.sqeuclidean(y, yhat)",
        "MeanSquaredError(reduction='sum')",
        grad=None,
        dtypes=THREE_DTYPES,
    ),
    Function(
        "scipy.spatial.distance.cityblock",
        "scipy.spatial.distance.cityblock(y, yhat)",
        "MeanAbsoluteError(reduction='sum')",
        grad=None,
        dtypes=THREE_DTYPES,
    ),
    Function(
        "scipy.spatial.distance.minkowski p=1",
        "scipy.spatial.distance.minkowski(y, yhat, p=1)",
        "MeanAbsoluteError(reduction='sum')",
        grad=None,
        dtypes=TWO_DTYPES,
        note="with another p it is a root, and no sum of losses",
    ),
    Function(
        "scipy.spatial.distance.hamming",
        "scipy.spatial.distance.hamming(y, yhat)",
        "MeanAbsoluteError(reduction='mean')",
        grad=None,
        dtypes=TWO_DTYPES,
        inputs=label_pairs,
        note="the part of numbers that differ, whatever their distance",
    ),
    Function(
        "scipy.spatial.distance.braycurtis",
        "scipy.spatial.distance.braycurtis(y, yhat)",
        "Dice(reduction='sum')",
        grad=None,
        dtypes=TWO_DTYPES,
        inputs=hard_masks,
        note="Dice of hard masks only: Σ|yhat − y| over Σ|yhat + y|; nothing against nothing is NaN there",
    ),
    Function(
        "scipy.spatial.distance.dice",
        "scipy.spatial.distance.dice(y, yhat)",
        "Dice(reduction='sum')",
        grad=None,
        dtypes=TWO_DTYPES,
        inputs=hard_masks,
        note="nothing against nothing is 0/0 there: NaN, where its jaccard and our Dice are 0",
    ),
    Function(
        "scipy.spatial.distance.jaccard",
        "scipy.spatial.distance.jaccard(y, yhat)",
        "IoU(reduction='sum')",
        grad=None,
        dtypes=TWO_DTYPES,
        inputs=hard_masks,
        note="any number but 0 is true there",
    ),
)

NOT_COVERED = {
    "scipy.optimize.least_squares soft_l1": "needs a pseudo-Huber loss",
    "scipy.optimize.least_squares arctan": "needs an arctan loss",
    "scipy.special.pseudo_huber": "needs a pseudo-Huber loss",
    "scipy.special.rel_entr, kl_div, entr": "Kullback–Leibler divergence and entropy, no losses of ours",
    "scipy.stats.entropy": "with two arguments, needs a Kullback–Leibler divergence",
    "scipy.stats.wasserstein_distance, energy_distance": "of distributions, no losses of ours",
    "scipy.spatial.distance.cosine": "needs a cosine loss",
    "scipy.spatial.distance.euclidean, seuclidean, mahalanobis, jensenshannon": "roots of sums, no losses of ours",
    "scipy.spatial.distance.canberra, chebyshev, correlation": "no losses of ours",
    "scipy.spatial.distance.rogerstanimoto, russellrao, sokalsneath, yule": "counts of equal bits, no losses of ours",
}

OFFERS = (
    Offer("scipy.optimize.least_squares", dot=" ", names="least_squares_losses()"),
    Offer("scipy.special", r"huber|rel_entr|kl_div"),
    Offer("scipy.stats", r"^entropy$|^(wasserstein|energy)_distance$"),
    Offer(
        "scipy.spatial.distance",
        others="cdist directed_hausdorff is_valid_dm is_valid_y num_obs_dm num_obs_y pdist squareform",
        names="scipy.spatial.distance.__all__",
    ),
)


def least_squares_losses() -> list[str]:
    """The names of the losses of `least_squares`."""

    return list(sys.modules["scipy.optimize._lsq.least_squares"].IMPLEMENTED_LOSSES)


FRAMEWORK = Framework(
    "scipy",
    "scipy",
    "import scipy.optimize, scipy.spatial.distance, scipy.special",
    "numpy",
    FUNCTIONS,
    NOT_COVERED,
    offers=OFFERS,
)
