"""Wrong implementations in JAX, each with one mistake that people make; autodiff finds the gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.nn import log_sigmoid, log_softmax, one_hot, sigmoid, softmax, softplus
from jax.scipy.special import xlog1py, xlogy

import reflosses as R
from verdicts.rows import Row, wrong_into

ROWS: list[Row] = []
wrong = wrong_into(ROWS, "jax")

NONE, SUM = {"reduction": "none"}, {"reduction": "sum"}

HALF = r"half|halv|½|0\.5\b|divided by 2|/ ?2\b|factor 2 is missing|without (its |the )?(factor )?2"
SIGN = r"sign|negat|−1|-1\b|opposite|minus"
SUMS = r"\bsum\b|not divided|no division|without dividing|times N\b|× ?N\b|number of (losses|elements|rows)"
SATURATED = (
    r"digits|cancel|satur|p − y|p - y|rounds to 1|1 − p|1 - p|tail|far side|right side|\b(is|gives|of) 0\b|vanish"
)
OVERFLOW = r"overflow|exp\(|exponential|inf|too large"
NO_GRADIENT = r"no gradient|gradient.*(\b0\b|zero|detach|vanish)|detach|constant|stop"


@wrong(R.MeanSquaredError(**NONE), "formula", HALF)
def optax_l2_loss(y, yhat):
    return optax.l2_loss(yhat, y)


@wrong(R.MeanSquaredError(), "formula", SUMS)
def mse_summed(y, yhat):
    return jnp.sum((yhat - y) ** 2)


@wrong(R.MeanSquaredError(), "formula", r"root|sqrt|RMSE|norm")
def norm_for_mse(y, yhat):
    return jnp.sqrt(jnp.mean((yhat - y) ** 2))


@wrong(R.MeanSquaredError(**NONE), "formula", NO_GRADIENT)
def mse_stopped(y, yhat):
    return jnp.square(jax.lax.stop_gradient(yhat) - y)


@wrong(R.MeanSquaredError(**NONE), "formula", r"float32|single|narrow|digits", does=("narrow",))
def mse_in_float32(y, yhat):
    return jnp.square(jnp.float32(yhat) - jnp.float32(y))


@wrong(R.MeanAbsoluteError(), "formula", r"maximum|max|largest|worst")
def largest_absolute_error(y, yhat):
    return jnp.max(jnp.abs(yhat - y), initial=0)


@wrong(
    R.MeanAbsoluteError(**NONE),
    "digits",
    r"square|under|overflow|sqrt|root|NaN|0\b",
    at=(np.zeros(1), np.full(1, 1e-200)),
)
def mae_root_of_square(y, yhat):
    return jnp.sqrt((yhat - y) ** 2)


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"delta ?= ?1\b|1 for delta|Huber\(delta=1|other delta")
def huber_with_the_default_delta(y, yhat):
    return optax.huber_loss(yhat, y)


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"offset|constant|0\.245|beyond|\|r\| ?[>≥]|delta²|differ")
def huber_without_offset(y, yhat):
    r = jnp.abs(yhat - y)
    return jnp.where(r < 0.7, 0.5 * r**2, 0.7 * r)


@wrong(R.Huber(**NONE), "formula", r"log.?cosh|cosh")
def log_cosh_for_huber(y, yhat):
    return optax.log_cosh(yhat, y)


@wrong(R.Cauchy(delta=2.0, **NONE), "formula", r"delta ?= ?1\b|1 for delta|delta")
def cauchy_of_delta_one(y, yhat):
    return jnp.log1p((yhat - y) ** 2)


@wrong(R.BinaryCrossEntropy(), "formula", SIGN)
def bce_without_minus(y, p):
    return jnp.mean(xlogy(y, p) + xlog1py(1 - y, -p))


@wrong(
    R.BinaryCrossEntropy(**NONE),
    "formula",
    r"1e-0?7|clip|clamp",
    does=("clip", "epsilon"),
    at=(np.ones(1), np.full(1, 1e-9)),
)
def bce_clipped(y, p):
    p = jnp.clip(p, 1e-7, 1 - 1e-7)
    return -(y * jnp.log(p) + (1 - y) * jnp.log1p(-p))


@wrong(R.BinaryCrossEntropy(**NONE), "formula", r"1 − p|1 - p|y = 0|second (term|log)|log p|label 0")
def bce_log_p_twice(y, p):
    return -(y * jnp.log(p) + (1 - y) * jnp.log(p))


@wrong(R.BinaryCrossEntropyWithLogits(), "formula", r"twice|two|again|sigmoid|double")
def sigmoid_twice(y, z):
    return optax.sigmoid_binary_cross_entropy(sigmoid(z), y).mean()


@wrong(R.BinaryCrossEntropyWithLogits(**NONE), "digits", SATURATED, at=(np.ones(1), np.full(1, 40.0)))
def logits_softplus_less_yz(y, z):
    return softplus(z) - y * z


@wrong(R.BinaryCrossEntropyWithLogits(**NONE), "digits", OVERFLOW, at=(np.zeros(1), np.full(1, 800.0)))
def logits_log_of_one_plus_exp(y, z):
    return jnp.log(1 + jnp.exp(z)) - y * z


@wrong(
    R.BinaryCrossEntropyWithLogits(**NONE),
    "formula",
    r"\b15\b|clip|clamp",
    does=("clip",),
    at=(np.zeros(1), np.full(1, 20.0)),
)
def logits_clipped_at_15(y, z):
    return optax.sigmoid_binary_cross_entropy(jnp.clip(z, -15, 15), y)


@wrong(
    R.BinaryCrossEntropyWithLogits(pos_weight=3.0, **NONE),
    "formula",
    r"pos_weight|whole|both|all|negative|y = 0|every|factor",
)
def logits_pos_weight_on_all(y, z):
    return 3.0 * optax.sigmoid_binary_cross_entropy(z, y)


@wrong(R.Hinge(), "formula", r"label|0 (and|or) 1|0/1|2y − 1|2y - 1|map|y = −1|y = -1")
def hinge_maps_labels_again(y, s):
    return jnp.maximum(0, 1 - (2 * y - 1) * s).mean()


@wrong(
    R.Hinge(**NONE),
    "formula",
    r"threshold|margin (of )?0|without|perceptron|less by 1|differ\w* (by|of) 1|−1|- ?1\b|1 −",
)
def perceptron_for_hinge(y, s):
    return jnp.maximum(0, -y * s)


@wrong(R.FocalWithLogits(gamma=2.0, alpha=0.25, **NONE), "formula", r"alpha|ignor|without|factor")
def focal_without_alpha(y, z):
    return optax.sigmoid_focal_loss(z, y, gamma=2.0)


@wrong(R.FocalWithLogits(gamma=2.0, **NONE), "formula", r"gamma ?= ?1\b|gamma|power")
def focal_of_gamma_one(y, z):
    t = (2 * y - 1) * z
    return -sigmoid(-t) * log_sigmoid(t)


@wrong(R.FocalWithLogits(gamma=2.0), "formula", r"mean|batch|one p_t|average")
def focal_of_the_mean(y, z):
    nats = optax.sigmoid_binary_cross_entropy(z, y).mean()
    return (1 - jnp.exp(-nats)) ** 2 * nats


@wrong(R.WeightedCrossEntropy(), "formula", r"weight|full|gradient|differentiat|stop|detach")
def sudre_differentiated(y, p):
    w = (p.size - p.sum()) / p.sum()
    return -jnp.mean(w * xlogy(y, p) + xlog1py(1 - y, -p))


@wrong(R.CrossEntropy(), "formula", r"twice|two|again|double|softmax", targets="index")
def softmax_twice(y, z):
    return optax.softmax_cross_entropy_with_integer_labels(softmax(z), y).mean()


@wrong(
    R.CrossEntropy(**NONE),
    "formula",
    r"batch|whole|all rows|other rows|one row|each row",
    targets="index",
    at=(np.array([0, 0]), np.array([[0.0, 1.0], [800.0, 0.0]])),
)
def entropy_shift_by_the_batch(y, z):
    d = z - jnp.max(z, initial=-jnp.inf)
    return jnp.log(jnp.exp(d).sum(-1)) - jnp.take_along_axis(d, y[:, None], -1)[:, 0]


@wrong(R.CrossEntropy(), "formula", r"axis|dim|batch|columns?", targets="index")
def log_softmax_of_the_batch(y, z):
    return -jnp.mean(jnp.take_along_axis(log_softmax(z, axis=0), y[:, None], -1))


@wrong(
    R.CrossEntropy(**NONE),
    "formula",
    r"index|off by one|y − 1|y - 1|next|previous|roll|shift|one_hot|last",
    targets="index",
)
def labels_that_begin_at_one(y, z):
    return optax.softmax_cross_entropy_with_integer_labels(z, y - 1 + z.shape[-1] * (y == 0))


@wrong(
    R.CrossEntropy(label_smoothing=0.1, **NONE),
    "formula",
    r"K − 1|C − 1|C - 1|other classes|others|smooth",
    targets="index",
)
def smoothed_over_the_others(y, z):
    k = z.shape[-1]
    hot = one_hot(y, k)
    return optax.softmax_cross_entropy(z, hot * 0.9 + (1 - hot) * 0.1 / (k - 1))


@wrong(R.CrossEntropy(ignore_index=-100), "formula", r"ignor|divi|count|N\b", targets="index")
def ignored_rows_in_the_divisor(y, z):
    keep = y != -100
    return jnp.mean(jnp.where(keep, optax.softmax_cross_entropy_with_integer_labels(z, jnp.where(keep, y, 0)), 0))


@wrong(R.CrossEntropy(), "formula", r"classes|elements|divi|mean|number", targets="rows")
def mean_over_the_classes(y, z):
    return -jnp.mean(y * log_softmax(z))


@wrong(R.CrossEntropy(**NONE), "formula", r"sum|Σ|normali|optax|rows", targets="rows")
def rows_normalised_first(y, z):
    return optax.safe_softmax_cross_entropy(z, y / jnp.sum(y, -1, keepdims=True))


@wrong(R.NegativeLogLikelihood(**NONE), "formula", r"exp|probabilit|without|log\b")
def nll_of_probabilities(y, log_p):
    return -jnp.exp(jnp.take_along_axis(log_p, y[:, None], -1)[:, 0])


@wrong(R.SparseCategoricalCrossEntropy(), "formula", r"1e-0?6|epsilon|adds", does=("epsilon",))
def sparse_epsilon(y, p):
    return -jnp.log(p[jnp.arange(len(y)), y] + 1e-6).mean()


@wrong(R.Dice(axis=-1), "formula", r"batch|pool|one overlap|all samples|whole")
def dice_pooled(y, p):
    return 1 - 2 * jnp.sum(y * p) / jnp.sum(y + p)


@wrong(R.Dice(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "formula", r"square|²")
def dice_squares_below(y, p):
    return 1 - (2 * jnp.sum(y * p, -1) + 1) / (jnp.sum(y**2, -1) + jnp.sum(p**2, -1) + 1)


@wrong(R.IoU(axis=-1, **NONE), "formula", r"Dice")
def dice_for_iou(y, p):
    return 1 - 2 * jnp.sum(y * p, -1) / jnp.sum(y + p, -1)


@wrong(R.GeneralizedDice(axis=-1), "formula", r"1/V|1/R|volume|square|weight")
def generalized_dice_inverse_volume(y, p):
    w = 1 / jnp.maximum(y.sum(0), 1e-2)
    return 1 - 2 * jnp.sum(w * jnp.sum(y * p, 0)) / jnp.sum(w * jnp.sum(y + p, 0))


# ---- gradients that are written by hand ------------------------------------------------------------------------------


@jax.custom_vjp
def _squares(r):
    return r**2


_squares.defvjp(lambda r: (r**2, r), lambda r, upstream: (2 * r,))


@wrong(R.MeanSquaredError(**NONE), "formula", r"upstream|cotangent|chain|incoming|multipl")
def squares_that_ignore_upstream(y, yhat):
    return _squares(yhat - y)


@wrong(R.FocalWithLogits(gamma=2.0, **NONE), "formula", r"gradient|constant|detach|held|stop|factor")
def focal_with_a_stopped_factor(y, z):
    t = (2 * y - 1) * z
    return -(jax.lax.stop_gradient(sigmoid(-t)) ** 2) * log_sigmoid(t)
