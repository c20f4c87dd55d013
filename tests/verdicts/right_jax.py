"""Right implementations in JAX, differentiated by its own autodiff. Many lose digits or overflow: they are the loss."""

import jax
import jax.numpy as jnp
import optax
from jax.nn import log_sigmoid, log_softmax, one_hot, relu, sigmoid, softplus
from jax.scipy.special import logsumexp, xlog1py, xlogy

import reflosses as R
from verdicts.rows import Row, right_into

ROWS: list[Row] = []
right = right_into(ROWS, "jax")

NONE, SUM = {"reduction": "none"}, {"reduction": "sum"}
W3 = (0.3, 7.0, 1.5)


@right(R.MeanSquaredError())
def mse_mean(y, yhat):
    return jnp.mean((yhat - y) ** 2)


FIRST = {"prediction_first": True}  # as the functions of Optax are

right(R.BinaryCrossEntropyWithLogits(**NONE), name="bare optax logits", **FIRST)(optax.sigmoid_binary_cross_entropy)
right(R.CrossEntropy(**NONE), name="bare optax entropy", targets="index", **FIRST)(
    optax.softmax_cross_entropy_with_integer_labels
)


@right(R.MeanSquaredError(**NONE), name="mse_optax")
def mse_optax(y, yhat):
    return optax.squared_error(yhat, y)


@right(R.MeanSquaredError(**SUM), name="mse_vdot")
def mse_vdot(y, yhat):
    r = (yhat - y).ravel()
    return jnp.vdot(r, r)


@right(R.MeanSquaredError())
def mse_by_operators(y, yhat):
    return ((y - yhat) ** 2).mean()


@right(R.MeanAbsoluteError())
@right(R.MeanAbsoluteError(), name="mae_mean float32", dtype="float32")
def mae_mean(y, yhat):
    return jnp.mean(jnp.abs(yhat - y))


@right(R.Huber(delta=0.7, **NONE))
def huber_where(y, yhat):
    r = jnp.abs(yhat - y)
    return jnp.where(r < 0.7, 0.5 * r**2, 0.7 * (r - 0.35))


@right(R.Huber())
def huber_optax(y, yhat):
    return optax.huber_loss(yhat, y).mean()


@right(R.Huber(delta=2.0))
def huber_clipped(y, yhat):
    r = yhat - y
    c = jnp.clip(r, -2.0, 2.0)
    return jnp.mean(c * (r - 0.5 * c))


@right(R.Cauchy(delta=0.5, **NONE))
def cauchy_log1p(y, yhat):
    return 0.25 * jnp.log1p(((yhat - y) / 0.5) ** 2)


@right(R.Cauchy(information=((4.0, 1.5), (1.5, 0.75))))
def cauchy_vmap(y, yhat):
    omega = jnp.array([[4.0, 1.5], [1.5, 0.75]], yhat.dtype)
    return jnp.mean(jax.vmap(lambda e: jnp.log1p(e @ omega @ e))(yhat - y))


@right(R.BinaryCrossEntropy(), "digits")
def bce_naive(y, p):
    return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))


@right(R.BinaryCrossEntropy(**NONE))
def bce_xlogy(y, p):
    return -xlogy(y, p) - xlog1py(1 - y, -p)


@right(R.BinaryCrossEntropyWithLogits())
@right(R.BinaryCrossEntropyWithLogits(), name="logits_optax float32", dtype="float32")
def logits_optax(y, z):
    return optax.sigmoid_binary_cross_entropy(z, y).mean()


@right(R.BinaryCrossEntropyWithLogits(**NONE), "digits")
def logits_by_maximum(y, z):
    return jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))


@right(R.BinaryCrossEntropyWithLogits(**SUM))
def logits_softplus(y, z):
    return jnp.sum(y * softplus(-z) + (1 - y) * softplus(z))


@right(R.BinaryCrossEntropyWithLogits(pos_weight=3.0))
def logits_pos_weight(y, z):
    return -jnp.mean(3.0 * y * log_sigmoid(z) + (1 - y) * log_sigmoid(-z))


@right(R.BinaryCrossEntropyWithLogits(), "digits")
def logits_log_of_sigmoid(y, z):
    p = sigmoid(z)
    return -(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)).mean()


@right(R.Hinge())
def hinge_maximum(y, score):
    return jnp.maximum(0, 1 - y * score).mean()


@right(R.Hinge(**NONE))
def hinge_relu(y, score):
    return relu(1 - y * score)


@right(R.Focal(gamma=2.0, alpha=0.25))
def focal_p_t(y, p):
    p_t = jnp.where(y == 1, p, 1 - p)
    alpha_t = jnp.where(y == 1, 0.25, 0.75)
    return jnp.mean(-alpha_t * (1 - p_t) ** 2 * jnp.log(p_t))


@right(R.FocalWithLogits(gamma=2.0, **NONE))
def focal_optax(y, z):
    return optax.sigmoid_focal_loss(z, y, gamma=2.0)


@right(R.FocalWithLogits(gamma=1.5, alpha=0.3, **SUM))
def focal_log_sigmoid(y, z):
    t = (2 * y - 1) * z
    alpha_t = 0.3 * y + 0.7 * (1 - y)
    return jnp.sum(-alpha_t * jnp.exp(1.5 * log_sigmoid(-t)) * log_sigmoid(t))


@right(R.WeightedCrossEntropy())
def sudre_stopped(y, p):
    w = jax.lax.stop_gradient((p.size - p.sum()) / p.sum())
    return -jnp.mean(w * xlogy(y, p) + xlog1py(1 - y, -p))


@right(R.WeightedCrossEntropy(weight_grad="full"), "range")
def sudre_differentiated(y, p):
    w = jnp.sum(1 - p) / jnp.sum(p)
    return -jnp.mean(w * y * jnp.log(p) + (1 - y) * jnp.log(1 - p))


@right(R.CrossEntropy(), targets="index")
@right(R.CrossEntropy(), name="entropy_optax float32", dtype="float32", targets="index")
def entropy_optax(y, z):
    return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()


@right(R.CrossEntropy(**NONE), targets="rows")
def entropy_rows(y, z):
    return -jnp.sum(y * log_softmax(z, axis=-1), axis=-1)


@right(R.CrossEntropy(), targets="index")
def entropy_take_along_axis(y, z):
    return -jnp.mean(jnp.take_along_axis(log_softmax(z), y[:, None], axis=-1))


@right(R.CrossEntropy(**SUM), targets="index")
def entropy_logsumexp(y, z):
    return jnp.sum(logsumexp(z, axis=-1) - jnp.sum(one_hot(y, z.shape[-1]) * z, axis=-1))


@right(R.CrossEntropy(label_smoothing=0.1), targets="index")
def entropy_smoothed(y, z):
    soft = optax.smooth_labels(one_hot(y, z.shape[-1], dtype=z.dtype), 0.1)
    return optax.softmax_cross_entropy(z, soft).mean()


@right(R.CrossEntropy(class_weight=W3, reduction="weighted_mean"), targets="index")
def entropy_class_weights(y, z):
    w = jnp.array(W3, z.dtype)[y]
    return jnp.sum(w * optax.softmax_cross_entropy_with_integer_labels(z, y)) / jnp.sum(w)


@right(R.CrossEntropy(ignore_index=-100), targets="index")
def entropy_masked(y, z):
    keep = y != -100
    nats = optax.softmax_cross_entropy_with_integer_labels(z, jnp.where(keep, y, 0))
    return jnp.sum(jnp.where(keep, nats, 0)) / jnp.sum(keep)


@right(R.NegativeLogLikelihood())
def nll_vmap(y, log_p):
    return -jnp.mean(jax.vmap(lambda k, row: row[k])(y, log_p))


@right(R.SparseCategoricalCrossEntropy())
def sparse_mean(y, p):
    return -jnp.log(p[jnp.arange(len(y)), y]).mean()


@right(R.Dice(smooth_nr=1.0, smooth_dr=1.0))
@right(R.Dice(smooth_nr=1.0, smooth_dr=1.0), name="dice_smoothed float32", dtype="float32")
def dice_smoothed(y, p):
    return 1 - (2 * jnp.sum(y * p) + 1) / (jnp.sum(y) + jnp.sum(p) + 1)


@right(R.Dice(axis=-1, **NONE))
def dice_rows(y, p):
    return jax.vmap(lambda t, q: 1 - 2 * jnp.vdot(t, q) / (t.sum() + q.sum()))(y, p)


@right(R.IoU(axis=-1, smooth_nr=1e-6, smooth_dr=1e-6))
def iou_rows(y, p):
    both = jnp.einsum("ni,ni->n", y, p)
    union = y.sum(-1) + p.sum(-1) - both
    return jnp.mean(1 - (both + 1e-6) / (union + 1e-6))


@right(R.GeneralizedDice(axis=-1))
def generalized_dice(y, p):
    volume = y.sum(axis=0)
    w = jnp.where(volume > 0, 1 / jnp.where(volume > 0, volume, 1) ** 2, 0)
    w = jnp.where(volume > 0, w, jnp.where(jnp.any(volume > 0), w.max(), 1))
    return 1 - 2 * jnp.einsum("c,nc,nc->", w, y, p) / jnp.einsum("c,nc->", w, y + p)
