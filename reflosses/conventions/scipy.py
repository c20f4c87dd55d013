"""SciPy: the losses of `least_squares`, `scipy.special`, and distances that are losses of hard masks.

`least_squares` takes ½ C² ρ((f/C)²) as the cost of a residual f: half of our Cauchy, all of our Huber. Both are read
off the public call, stopped at its starting point: what it reports there is what it optimises.
"""

from __future__ import annotations

from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Cauchy,
    CrossEntropy,
    Dice,
    Huber,
    IoU,
    MeanAbsoluteError,
    MeanSquaredError,
)
from reflosses.conventions import Peer, hard_masks, label_zero, residual, some_masks, true_logit_zero

SPECIAL = "import scipy.special"
DISTANCE = "import scipy.spatial.distance"
OPTIMIZE = "import scipy.optimize"

LOGIT_LOSS = BinaryCrossEntropyWithLogits(reduction="none")
CLASS_LOSS = CrossEntropy(reduction="none")
ONE_HOT = "np.arange(yhat.shape[-1]) == y[:, None]"


def _start(loss: str, what: str) -> str:
    """What `least_squares` reports of each residual on its own, at the starting point."""
    call = f"scipy.optimize.least_squares(lambda x: x, [r], lambda x: [[1.0]], loss={loss!r}, f_scale=0.75, max_nfev=1)"
    return f"np.array([{call}.{what} for r in yhat])"


def _least_squares(loss: str, equals: Huber | Cauchy | MeanSquaredError, factor: float) -> Peer:
    cost, grad = _start(loss, "cost"), _start(loss, "grad[0]")
    name = f"scipy least_squares({loss!r})"
    return Peer(name, equals, OPTIMIZE, cost, grad, factor, dtypes=("float64",), inputs=residual)


PEERS = [
    _least_squares("linear", MeanSquaredError(reduction="none"), 0.5),
    _least_squares("huber", Huber(delta=0.75, reduction="none"), 1.0),
    _least_squares("cauchy", Cauchy(delta=0.75, reduction="none"), 0.5),
    Peer(
        "scipy.special.huber",
        Huber(delta=0.75, reduction="none"),
        SPECIAL,
        "scipy.special.huber(yhat.dtype.type(0.75), yhat)",
        inputs=residual,
    ),
    Peer(
        "scipy.special.xlogy, xlog1py",
        BinaryCrossEntropy(reduction="none"),
        SPECIAL,
        "-(scipy.special.xlogy(y, yhat) + scipy.special.xlog1py(1 - y, -yhat))",
        note="our own value is built of the same two functions; the truth is not",
    ),
    Peer(
        "scipy.special.log_expit",
        LOGIT_LOSS,
        SPECIAL,
        "-scipy.special.log_expit(-yhat)",
        inputs=label_zero,
    ),
    Peer(
        "scipy.special.softplus",
        LOGIT_LOSS,
        SPECIAL,
        "scipy.special.softplus(yhat)",
        inputs=label_zero,
    ),
    Peer(
        "scipy.special.expit",
        LOGIT_LOSS,
        SPECIAL,
        grad="scipy.special.expit(yhat)",
        inputs=label_zero,
    ),
    Peer(
        "recipe expit(z) − y",
        LOGIT_LOSS,
        SPECIAL,
        grad="scipy.special.expit(yhat) - y",
        note="the textbook gradient; SciPy's expit is not to blame for what the subtraction cancels",
    ),
    Peer(
        "scipy.special.logsumexp",
        CLASS_LOSS,
        SPECIAL,
        "scipy.special.logsumexp(yhat, axis=-1)",
        y_dtype="int64",
        inputs=true_logit_zero,
    ),
    Peer(
        "recipe logsumexp(z) − z[y]",
        CLASS_LOSS,
        SPECIAL,
        "scipy.special.logsumexp(yhat, axis=-1) - yhat[np.arange(len(y)), y]",
        y_dtype="int64",
        note="SciPy's logsumexp is not to blame for what the subtraction cancels",
    ),
    Peer(
        "scipy.special.log_softmax",
        CLASS_LOSS,
        SPECIAL,
        "-scipy.special.log_softmax(yhat, axis=-1)[np.arange(len(y)), y]",
        y_dtype="int64",
    ),
    Peer(
        "scipy.special.softmax",
        CLASS_LOSS,
        SPECIAL,
        grad=f"np.ma.array(scipy.special.softmax(yhat, axis=-1), mask={ONE_HOT})",
        y_dtype="int64",
        note="it is the gradient of the classes that are not the target",
    ),
    Peer(
        "recipe softmax(z) − one_hot(y)",
        CLASS_LOSS,
        SPECIAL,
        grad=f"scipy.special.softmax(yhat, axis=-1) - ({ONE_HOT}).astype(yhat.dtype)",
        y_dtype="int64",
        note="the textbook gradient; SciPy's softmax is not to blame for what the subtraction cancels",
    ),
    Peer(
        "scipy.spatial.distance.sqeuclidean",
        MeanSquaredError(reduction="sum"),
        DISTANCE,
        "scipy.spatial.distance.sqeuclidean(y, yhat)",
    ),
    Peer(
        "scipy.spatial.distance.cityblock",
        MeanAbsoluteError(reduction="sum"),
        DISTANCE,
        "scipy.spatial.distance.cityblock(y, yhat)",
    ),
    Peer(
        "scipy.spatial.distance.dice",
        Dice(reduction="sum"),
        DISTANCE,
        "scipy.spatial.distance.dice(y, yhat)",
        dtypes=("bool",),
        inputs=some_masks,
        note="nothing against nothing is 0/0 there: NaN, where its jaccard and our Dice are 0",
    ),
    Peer(
        "scipy.spatial.distance.jaccard",
        IoU(reduction="sum"),
        DISTANCE,
        "scipy.spatial.distance.jaccard(y, yhat)",
        dtypes=("bool",),
        inputs=hard_masks,
    ),
]

NOT_COVERED = {
    "scipy.optimize.least_squares(loss='soft_l1')": "pseudo-Huber, no loss of ours",
    "scipy.optimize.least_squares(loss='arctan')": "no loss of ours",
    "scipy.special.pseudo_huber": "no loss of ours",
    "scipy.special.rel_entr, kl_div, entr": "Kullback–Leibler divergence and entropy, no losses of ours",
}
