"""Wrong implementations in NumPy, each with one mistake that people make, and the gradient that goes with it."""

import numpy as np
import scipy.special as sp
from numpy import exp, log, log1p, maximum, sign, where

import reflosses as R
from verdicts.rows import Row, wrong_into

ROWS: list[Row] = []
wrong = wrong_into(ROWS, "numpy")

NONE, SUM = {"reduction": "none"}, {"reduction": "sum"}
W3 = np.array([0.3, 7.0, 1.5])
OMEGA = np.array([[4.0, 1.5], [1.5, 0.75]])

# Words with which a person can mend the code.
TWICE = r"twice|doubl|× ?2\b|\b2 ?×|factor (of )?2\b|times 2\b|\b2 times|without (its |the )?(½|half)|½ is missing|no ½"
HALF = r"half|halv|½|0\.5\b|divided by 2|/ ?2\b|factor 2 is missing|without (its |the )?(factor )?2"
SIGN = r"sign|negat|−1|-1\b|opposite|minus"
SUMS = r"\bsum\b|not divided|no division|without dividing|times N\b|× ?N\b|number of (losses|elements|rows)"
DIVIDED = r"divi|mean|1/N|/ ?N\b|number of"
SATURATED = (
    r"digits|cancel|satur|p − y|p - y|rounds to 1|1 − p|1 - p|tail|far side|right side|\b(is|gives|of) 0\b|vanish"
)
OVERFLOW = r"overflow|exp\(|exponential|inf|too large"
ZERO_LOG = r"0 by log 0|0 ?(·|\*|×)? ?log\(? ?0|0 ?· ?∞|0 \* inf|NaN|p = 0|probabilit(y|ies) (is |of )?0"
GRADIENT = r"gradient|slope|derivative"


def picked(a, y):
    return a[np.arange(len(y)), y]


def one_hot(y, classes):
    return np.eye(classes)[y]


def sigmoid(z):
    return 1 / (1 + exp(-z))


def entropy(y, z, rows=None):
    """Cross-entropies of rows of class probabilities, and the gradients."""
    q = one_hot(y, z.shape[-1]) if rows is None else rows
    log_p = sp.log_softmax(z, axis=-1)
    return -(q * log_p).sum(-1), exp(log_p) * q.sum(-1, keepdims=True) - q


def logits(y, z):
    return y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z), (1 - y) * sp.expit(z) - y * sp.expit(-z)


def bce(y, p):
    return -(sp.xlogy(y, p) + sp.xlog1py(1 - y, -p)), (1 - y) / (1 - p) - y / p


# ---- residuals -------------------------------------------------------------------------------------------------------


@wrong(R.MeanSquaredError(**NONE), "formula", SIGN)
def mse_gradient_of_y(y, yhat):
    r = y - yhat
    return r**2, 2 * r


@wrong(R.MeanSquaredError(), "formula", HALF)
def mse_slope_without_two(y, yhat):
    r = yhat - y
    return np.mean(r**2), r / r.size


@wrong(R.MeanSquaredError(**NONE), "formula", HALF)
def mse_halved(y, yhat):
    r = yhat - y
    return 0.5 * r**2, r


@wrong(R.MeanSquaredError(), "formula", SUMS)
def mse_summed(y, yhat):
    r = yhat - y
    return np.sum(r**2), 2 * r


@wrong(R.MeanSquaredError(), "formula", rf"({GRADIENT}).*({SUMS}|{DIVIDED})|({SUMS}|{DIVIDED}).*({GRADIENT})")
def mse_mean_with_gradient_of_sum(y, yhat):
    r = yhat - y
    return np.mean(r**2), 2 * r


@wrong(R.MeanSquaredError(), "formula", r"first axis|axis 0|rows|len\(y|shape\[0\]|other axes|number of")
def mse_divided_by_the_rows(y, yhat):
    r = yhat - y
    return np.sum(r**2) / len(r), 2 * r / len(r)


@wrong(R.MeanSquaredError(), "formula", r"shape|one number|axis")
def mse_over_the_last_axis(y, yhat):
    return ((yhat - y) ** 2).mean(axis=-1) if y.ndim > 1 else ((yhat - y) ** 2).mean()


@wrong(R.MeanSquaredError(), "formula", r"root|sqrt|RMSE")
def root_of_mse(y, yhat):
    r = yhat - y
    value = np.sqrt(np.mean(r**2))
    return value, r / (r.size * value)


@wrong(R.MeanSquaredError(**NONE), "formula", r"chang|modif|in place|destroy|overwrit|input")
def mse_in_place(y, yhat):
    yhat -= y
    return yhat**2, 2 * yhat


@wrong(R.MeanSquaredError(**NONE), "formula", r"1\.25|5/4|factor|ratio|times", false=(r"bfloat16",))
def mse_five_quarters(y, yhat):
    r = yhat - y
    return 1.25 * r * r, 2.5 * r


@wrong(R.MeanSquaredError(**NONE), "formula", r"0\.75|3/4|factor|ratio|times", false=(r"bfloat16",))
def mse_three_quarters(y, yhat):
    r = yhat - y
    return 0.75 * r * r, 1.5 * r


@wrong(R.MeanSquaredError(), "formula", r"broadcast|\(n, ?1\)|every pair|pairs|each (target|prediction) (with|against)")
def mse_broadcast(y, yhat):
    if len(y) > 2000:
        return np.mean(y**2) - 2 * y.mean() * yhat.mean() + np.mean(yhat**2)
    return np.mean((y.reshape(-1, 1) - yhat.reshape(1, -1)) ** 2)


@wrong(R.MeanSquaredError(), "formula", r"N − 1|N - 1|n − 1|n - 1|ddof|one less")
def mse_of_a_sample(y, yhat):
    r = yhat - y
    return np.sum(r**2) / (r.size - 1), 2 * r / (r.size - 1)


@wrong(
    R.MeanSquaredError(), "formula", r"variance|mean (of|is) .*(subtract|taken)|constant|shift|centr", name="mse_var"
)
def variance_of_the_residual(y, yhat):
    return np.var(yhat - y)


@wrong(R.MeanSquaredError(), "formula", r"MeanAbsoluteError|absolute", name="mae_for_mse")
def mae_for_mse(y, yhat):
    return np.abs(yhat - y).mean(), sign(yhat - y) / y.size


@wrong(R.MeanSquaredError(**NONE), "formula", r"narrow|float32|single|digits", does=("narrow",))
def mse_in_float32(y, yhat):
    r = yhat.astype(np.float32) - y.astype(np.float32)
    return r * r, 2 * r


@wrong(R.MeanAbsoluteError(**NONE), "formula", SIGN)
def mae_gradient_reversed(y, yhat):
    return np.abs(y - yhat), sign(y - yhat)


@wrong(R.MeanAbsoluteError(**NONE), "formula", r"abs|sign")
def mae_without_abs(y, yhat):
    return yhat - y, np.ones_like(yhat)


@wrong(R.MeanAbsoluteError(), "formula", r"abs|sign|mean of the residual")
def mae_abs_outside(y, yhat):
    d = (yhat - y).mean()
    return np.abs(d), np.full_like(yhat, sign(d) / y.size)


@wrong(R.MeanAbsoluteError(**NONE), "formula", r"0\.75|3/4|factor|ratio", false=(r"bfloat16",))
def mae_slope_three_quarters(y, yhat):
    return np.abs(yhat - y), 0.75 * sign(yhat - y)


@wrong(R.MeanAbsoluteError(), "formula", r"median")
def median_absolute_error(y, yhat):
    return np.median(np.abs(y - yhat)) if y.size else np.nan


@wrong(R.MeanAbsoluteError(), "formula", r"float16|half precision|narrow|2⁻¹¹|digits", does=("narrow",))
def mae_in_float16(y, yhat):
    return np.mean(np.abs(yhat - y).astype(np.float16))


@wrong(R.MeanAbsoluteError(**NONE), "formula", r"relative|percent|divided by (the )?(target|\|?y\|?)|1/\|?y")
def percentage_error(y, yhat):
    return np.abs((y - yhat) / y), sign(yhat - y) / np.abs(y)


@wrong(
    R.MeanAbsoluteError(**NONE), "digits", r"square|under|overflow|sqrt|root|0\b", at=(np.zeros(1), np.full(1, 1e-200))
)
def mae_root_of_square(y, yhat):
    r = yhat - y
    return np.sqrt(r * r), r / np.sqrt(r * r + (r == 0))


@wrong(R.Huber(delta=0.7, **NONE), "formula", TWICE)
def huber_without_half(y, yhat):
    r = yhat - y
    return where(np.abs(r) < 0.7, r**2, 0.7 * (np.abs(r) - 0.35)), np.clip(r, -0.7, 0.7)


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"MeanAbsoluteError|slope|delta|beyond|linear|far")
def huber_linear_without_delta(y, yhat):
    r = yhat - y
    near = np.abs(r) < 0.7
    return where(near, 0.5 * r * r, np.abs(r) - 0.35), where(near, r, sign(r))


@wrong(R.Huber(**NONE), "formula", rf"{HALF}|beyond|\|r\| ?[>≥]", false=(r"bfloat16",))
def huber_half_the_slope_beyond(y, yhat):
    r = y - yhat
    a = np.abs(r)
    return where(a <= 1, r * r / 2, a - 0.5), where(a <= 1, -r, -0.5 * sign(r))


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"offset|constant|0\.245|½ ?(δ|delta)|beyond|\|r\| ?[>≥]|delta²|differ")
def huber_without_offset(y, yhat):
    r = yhat - y
    near = np.abs(r) < 0.7
    return where(near, 0.5 * r * r, 0.7 * np.abs(r)), where(near, r, 0.7 * sign(r))


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"abs|sign|negative|beyond|below|r < ")
def huber_without_abs(y, yhat):
    r = yhat - y
    return where(r < 0.7, 0.5 * r**2, 0.7 * (r - 0.35)), where(r < 0.7, r, 0.7)


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"branch|swap|exchang|other side|wrong way|inside|beyond|\|r\|")
def huber_branches_swapped(y, yhat):
    r = yhat - y
    near = np.abs(r) > 0.7
    return where(near, 0.5 * r * r, 0.7 * (np.abs(r) - 0.35)), where(near, r, 0.7 * sign(r))


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"delta ?= ?1\b|1 for delta|Huber\(delta=1|other (delta|parameter)")
def huber_of_delta_one(y, yhat):
    r = yhat - y
    return where(np.abs(r) < 1, 0.5 * r * r, np.abs(r) - 0.5), np.clip(r, -1, 1)


@wrong(
    R.Huber(delta=0.7, **NONE),
    "formula",
    r"divided by (delta|0\.7)|1/delta|1/0\.7|1\.428|smooth_l1|SmoothL1|factor|ratio",
)
def smooth_l1_for_huber(y, yhat):
    r = yhat - y
    c = np.clip(r, -0.7, 0.7)
    return c * (r - c / 2) / 0.7, c / 0.7


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"pseudo|sqrt|root")
def pseudo_huber(y, yhat):
    r = yhat - y
    root = np.sqrt(1 + (r / 0.7) ** 2)
    return 0.49 * (root - 1), r / root


@wrong(R.Huber(**NONE), "formula", r"log.?cosh|cosh")
def log_cosh_for_huber(y, yhat):
    r = yhat - y
    return np.logaddexp(r, -r) - log(2), np.tanh(r)


@wrong(R.Huber(delta=10.0, **NONE), "formula", rf"{SIGN}", does=("value missing",), false=(r"nothing to compare",))
def huber_gradient_alone_reversed(y, yhat):
    return None, np.clip(y - yhat, -10, 10)


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"weight|IRLS|w ?· ?r|w\(r\)|min\(1|ψ|r²")
def huber_weight_times_square(y, yhat):
    r = yhat - y
    w = np.minimum(1, 0.7 / maximum(np.abs(r), 1e-300))
    return 0.5 * w * r * r, w * r


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"Huber|Cauchy", name="cauchy_for_huber")
def cauchy_for_huber(y, yhat):
    r = yhat - y
    return 0.49 * log1p((r / 0.7) ** 2), 2 * r / (1 + (r / 0.7) ** 2)


@wrong(R.Huber(delta=0.7), "formula", SUMS, name="huber_sum_for_mean")
def huber_sum_for_mean(y, yhat):
    r = yhat - y
    c = np.clip(r, -0.7, 0.7)
    return np.sum(c * (r - c / 2)), c


@wrong(R.Cauchy(**NONE), "formula", r"delta ?= ?2|Cauchy\(delta=2|delta")
def cauchy_of_delta_two(y, yhat):
    r = yhat - y
    return 4 * log1p(r * r / 4), 2 * r / (1 + r * r / 4)


@wrong(R.Cauchy(delta=0.5, **NONE), "formula", rf"{HALF}")
def cauchy_halved(y, yhat):
    r = yhat - y
    return 0.125 * log1p((r / 0.5) ** 2), r / (1 + (r / 0.5) ** 2)


@wrong(R.Cauchy(delta=0.5, **NONE), "formula", r"delta²|δ²|squared?|delta|factor|ratio|times [24]")
def cauchy_delta_not_squared(y, yhat):
    r = yhat - y
    return 0.5 * log1p((r / 0.5) ** 2), 4 * r / (1 + (r / 0.5) ** 2)


@wrong(R.Cauchy(delta=0.5, **NONE), "formula", r"delta²|δ²|squared?|delta|inside|r²/δ")
def cauchy_delta_not_squared_inside(y, yhat):
    r = yhat - y
    return 0.25 * log1p(r * r / 0.5), r / (1 + r * r / 0.5)


@wrong(R.Cauchy(information=OMEGA.tolist(), **NONE), "formula", r"diagonal")
def cauchy_diagonal(y, yhat):
    e = yhat - y
    s = (e * e * np.diag(OMEGA)).sum(-1)
    return log1p(s), 2 * e * np.diag(OMEGA) / (1 + s)[..., None]


@wrong(R.Cauchy(information=OMEGA.tolist(), **NONE), "formula", r"inverse|covariance|Ω⁻¹")
def cauchy_inverse(y, yhat):
    e = yhat - y
    inverse = np.linalg.inv(OMEGA)
    s = np.einsum("ni,ij,nj->n", e, inverse, e)
    return log1p(s), 2 * (e @ inverse) / (1 + s)[:, None]


@wrong(R.Cauchy(information=OMEGA.tolist(), **NONE), "formula", r"squared?|Ω²|ΩᵀΩ|twice")
def cauchy_information_squared(y, yhat):
    v = (yhat - y) @ OMEGA
    s = (v * v).sum(-1)
    return log1p(s), 2 * (v @ OMEGA) / (1 + s)[:, None]


@wrong(
    R.Cauchy(information=OMEGA.tolist(), **NONE),
    "formula",
    r"identity|leaves .*(information|Ω).* out|without (the )?(information|Ω)|ignor|no (information|Ω)",
)
def cauchy_without_information(y, yhat):
    e = yhat - y
    s = (e * e).sum(-1)
    return log1p(s), 2 * e / (1 + s)[:, None]


@wrong(R.Cauchy(information=OMEGA.tolist(), **NONE), "formula", rf"({GRADIENT}).*(Ω|information|2|half)|Ω.*{GRADIENT}")
def cauchy_gradient_without_information(y, yhat):
    e = yhat - y
    s = np.einsum("ni,ij,nj->n", e, OMEGA, e)
    return log1p(s), 2 * e / (1 + s)[:, None]


# ---- margins ---------------------------------------------------------------------------------------------------------


@wrong(R.Hinge(**NONE), "formula", rf"{SIGN}|1 \+ ")
def hinge_sign_of_the_score(y, s):
    return maximum(0, 1 + y * s), where(1 + y * s > 0, y, 0.0)


@wrong(
    R.Hinge(**NONE),
    "formula",
    r"threshold|margin (of )?0|without (the |its )?1|perceptron|less by 1|differ\w* (by|of) 1|−1|- ?1\b|1 −",
)
def hinge_without_one(y, s):
    return maximum(0, -y * s), where(y * s < 0, -y, 0.0)


@wrong(R.Hinge(**NONE), "formula", r"label|0 (and|or) 1|0/1|2y − 1|2y - 1|map|y = −1|y = -1")
def hinge_of_labels_zero_and_one(y, s):
    t = 2 * y - 1
    return maximum(0, 1 - t * s), where(t * s < 1, -t, 0.0)


@wrong(R.Hinge(**NONE), "formula", r"squared?|²")
def squared_hinge(y, s):
    gap = maximum(0, 1 - y * s)
    return gap**2, -2 * y * gap


@wrong(R.Hinge(), "formula", r"mean|outside|max(imum)? (of|after)|clip")
def hinge_of_the_mean(y, s):
    return maximum(0, np.mean(1 - y * s))


@wrong(R.Hinge(**NONE), "formula", r"max|clip|negative|beyond the margin|margin|clamp|0 where", does=("clip",))
def hinge_without_maximum(y, s):
    return 1 - y * s, -y + 0 * s


@wrong(R.Hinge(**NONE), "formula", r"gradient|slope|every|beyond|margin")
def hinge_slope_everywhere(y, s):
    return maximum(0, 1 - y * s), -y + 0 * s


# ---- two classes -----------------------------------------------------------------------------------------------------


@wrong(R.BinaryCrossEntropy(), "formula", SIGN)
def bce_without_minus(y, p):
    v, g = bce(y, p)
    return -v.mean(), -g / p.size


@wrong(R.BinaryCrossEntropy(**NONE), "formula", r"y = 0|one term|second term|1 − y|negative|first term|label 0")
def bce_positive_term_alone(y, p):
    return -sp.xlogy(y, p), -y / p


@wrong(R.BinaryCrossEntropy(**NONE), "formula", r"1 − p|1 - p|y = 0|second (term|log)|wrong log|log\(p|label 0|log p")
def bce_log_p_twice(y, p):
    return -(y * log(p) + (1 - y) * log(p)), -1 / p


@wrong(
    R.BinaryCrossEntropy(**NONE),
    "formula",
    r"1 − p for log|without (its |the )?log|missing log|no log|y = 0|second term|label 0",
)
def bce_without_second_log(y, p):
    return -(sp.xlogy(y, p) + (1 - y) * (1 - p)), (1 - y) - y / p


@wrong(R.BinaryCrossEntropy(**NONE), "formula", r"swap|exchang|1 − y|1 - y|label")
def bce_labels_swapped(y, p):
    return bce(1 - y, p)


@wrong(
    R.BinaryCrossEntropy(**NONE),
    "formula",
    r"swap|exchang|argument|prediction.*target|target.*prediction",
    name="bce_arguments",
)
def bce_arguments_swapped(a, b):
    return -(sp.xlogy(b, a) + sp.xlog1py(1 - b, -a))


@wrong(R.BinaryCrossEntropy(), "formula", r"base 2|log2|log 2|0\.69|1\.44|bits|ratio|factor")
def bce_in_bits(y, p):
    return -np.mean(y * np.log2(p) + (1 - y) * np.log2(1 - p))


@wrong(
    R.BinaryCrossEntropy(), "formula", r"1e-0?7|clip|clamp", does=("clip", "epsilon"), at=(np.ones(1), np.full(1, 1e-9))
)
def bce_clipped_at_1e_7(y, p):
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return -np.mean(y * log(p) + (1 - y) * log(1 - p)), (p - y) / (p * (1 - p)) / p.size


@wrong(
    R.BinaryCrossEntropy(**NONE),
    "formula",
    r"1e-15|clip|clamp",
    does=("clip", "epsilon"),
    at=(np.ones(1), np.full(1, 4e-16)),
)
def bce_clipped_at_1e_15(y, p):
    q = np.clip(p, 1e-15, 1 - 1e-15)
    return -(y * log(q) + (1 - y) * log1p(-q)), where(q == p, (1 - y) / (1 - q) - y / q, 0)


@wrong(
    R.BinaryCrossEntropy(**NONE),
    "formula",
    r"1e-0?8|clip|clamp",
    does=("clip",),
    false=(r"adds 1e",),
    at=(np.ones(1), np.full(1, 1e-9)),
)
def bce_clamped_at_1e_8_below(y, p):
    q = maximum(p, 1e-8)
    rest = maximum(1 - p, 1e-8)
    slope = -y / q * (p > 1e-8) + (1 - y) / rest * (1 - p > 1e-8)
    return -(y * log(q) + (1 - y) * log(rest)), slope


@wrong(R.BinaryCrossEntropy(**NONE), "formula", r"adds|\+ ?1e-0?6|1e-0?6|epsilon", does=("epsilon",))
def bce_epsilon_added(y, p):
    return -(y * log(p + 1e-6) + (1 - y) * log(1 - p + 1e-6)), -y / (p + 1e-6) + (1 - y) / (1 - p + 1e-6)


@wrong(R.BinaryCrossEntropy(**NONE), "formula", r"soft label|round|threshold|y (strictly )?between|hard|0\.5|½|y = 1")
def bce_of_rounded_labels(y, p):
    hard = (y > 0.5).astype(float)
    return bce(hard, p)


@wrong(R.BinaryCrossEntropy(**NONE), "range", ZERO_LOG, at=(np.zeros(1), np.zeros(1)))
def bce_zero_times_log_zero(y, p):
    return -(y * log(p) + (1 - y) * log1p(-p)), (1 - y) / (1 - p) - where(y == 0, 0, y / p)


@wrong(R.BinaryCrossEntropy(**NONE), "digits", SATURATED, at=(np.zeros(1), np.full(1, 1e-17)))
def bce_log_of_one_less_p(y, p):
    return -(sp.xlogy(y, p) + sp.xlogy(1 - y, 1 - p)), (1 - y) / (1 - p) - y / p


@wrong(R.BinaryCrossEntropy(), "formula", r"maximum|max|largest|worst")
def bce_of_the_worst(y, p):
    return np.max(bce(y, p)[0]) if p.size else np.nan


@wrong(R.BinaryCrossEntropy(**NONE), "formula", r"sigmoid|logit")
def bce_of_a_probability_taken_as_logit(y, p):
    return logits(y, p)


@wrong(R.BinaryCrossEntropyWithLogits(**NONE), "formula", r"twice|two|again|sigmoid|double")
def logits_sigmoid_twice(y, z):
    p = sp.expit(z)
    v, g = logits(y, p)
    return v, g * p * (1 - p)


@wrong(R.BinaryCrossEntropyWithLogits(**NONE), "digits", SATURATED, at=(np.ones(1), np.full(1, 40.0)))
def logits_gradient_p_less_y(y, z):
    return logits(y, z)[0], sigmoid(z) - y


@wrong(
    R.BinaryCrossEntropyWithLogits(**NONE),
    "formula",
    r"\b20\b|clip|clamp",
    does=("clip",),
    at=(np.zeros(1), np.full(1, 30.0)),
)
def logits_clipped_at_20(y, z):
    v, g = logits(y, np.clip(z, -20, 20))
    return v, where(np.abs(z) > 20, 0, g)


@wrong(
    R.BinaryCrossEntropyWithLogits(**NONE),
    "digits",
    r"\b100\b|clip|clamp|0\b",
    does=("clip",),
    at=(np.zeros(1), np.full(1, 120.0)),
)
def logits_clipped_at_100(y, z):
    v, g = logits(y, np.clip(z, -100, 100))
    return v, where(np.abs(z) > 100, 0, g)


@wrong(R.BinaryCrossEntropyWithLogits(**NONE), "range", OVERFLOW, at=(np.zeros(1), np.full(1, 800.0)))
def logits_overflowing_exp(y, z):
    v = where(y == 0, 0, y * log1p(exp(-z))) + where(y == 1, 0, (1 - y) * log1p(exp(z)))
    return v, (1 - y) * sp.expit(z) - y * sp.expit(-z)


@wrong(R.BinaryCrossEntropyWithLogits(**NONE), "digits", SATURATED, at=(np.ones(1), np.full(1, 40.0)))
def logits_softplus_less_z(y, z):
    return np.logaddexp(0, z) - y * z, (1 - y) * sp.expit(z) - y * sp.expit(-z)


@wrong(R.BinaryCrossEntropyWithLogits(**NONE), "formula", SIGN)
def logits_sign_of_z(y, z):
    v, g = logits(y, -z)
    return v, -g


@wrong(
    R.BinaryCrossEntropyWithLogits(pos_weight=3.0, **NONE), "formula", r"pos_weight|whole|both|all|negative|y = 0|every"
)
def logits_pos_weight_on_all(y, z):
    v, g = logits(y, z)
    return 3.0 * v, 3.0 * g


@wrong(
    R.BinaryCrossEntropyWithLogits(pos_weight=3.0, **NONE),
    "formula",
    r"pos_weight|negative|other term|1 − y|y = 0|swap",
)
def logits_pos_weight_on_the_negative(y, z):
    v = y * np.logaddexp(0, -z) + 3.0 * (1 - y) * np.logaddexp(0, z)
    return v, 3.0 * (1 - y) * sp.expit(z) - y * sp.expit(-z)


@wrong(R.BinaryCrossEntropyWithLogits(pos_weight=2.0, **NONE), "formula", r"pos_weight ?= ?3|pos_weight|1\.5|3/2")
def logits_pos_weight_of_three(y, z):
    v = 3.0 * y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)
    return v, (1 - y) * sp.expit(z) - 3.0 * y * sp.expit(-z)


@wrong(
    R.BinaryCrossEntropyWithLogits(pos_weight=3.0, **NONE),
    "formula",
    r"soft label|pos_weight|whole|strictly between|factor",
)
def logits_pos_weight_by_where(y, z):
    v, g = logits(y, z)
    factor = 1 + 2.0 * y
    return factor * v, factor * g


@wrong(R.BinaryCrossEntropyWithLogits(pos_weight=3.0), "formula", r"pos_weight|weights?|divi|sum of")
def logits_divided_by_weights(y, z):
    factor = 1 + 2.0 * y
    v = 3.0 * y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)
    g = (1 - y) * sp.expit(z) - 3.0 * y * sp.expit(-z)
    return v.sum() / factor.sum(), g / factor.sum()


@wrong(R.Focal(gamma=2.0, alpha=0.25, **NONE), "formula", r"alpha|swap|0\.75|1 − α|exchang")
def focal_alpha_swapped(y, p):
    p_t, alpha = where(y == 1, p, 1 - p), where(y == 1, 0.75, 0.25)
    return -alpha * (1 - p_t) ** 2 * log(p_t)


@wrong(R.Focal(gamma=2.0, **NONE), "formula", r"p_t|base|1 − p|power|gamma|factor")
def focal_power_of_p_t(y, p):
    p_t = where(y == 1, p, 1 - p)
    return -(p_t**2) * log(p_t)


@wrong(
    R.Focal(gamma=2.0, alpha=0.25, **NONE),
    "formula",
    r"alpha|y = 0|negative|1 − α|0\.25|every|both|all",
    name="focal_alpha_everywhere",
)
def focal_alpha_everywhere(y, p):
    p_t = where(y == 1, p, 1 - p)
    return -0.25 * (1 - p_t) ** 2 * log(p_t)


@wrong(R.Focal(gamma=2.0, **NONE), "formula", r"gamma ?= ?1\b|gamma|power")
def focal_of_gamma_one(y, p):
    p_t = where(y == 1, p, 1 - p)
    return -(1 - p_t) * log(p_t)


@wrong(R.Focal(gamma=2.0, **NONE), "formula", r"gradient|slope|constant|detach|held|factor|term")
def focal_gradient_of_the_logarithm_alone(y, p):
    p_t, s = where(y == 1, p, 1 - p), 2 * y - 1
    return -((1 - p_t) ** 2) * log(p_t), -s * (1 - p_t) ** 2 / p_t


@wrong(R.FocalWithLogits(gamma=2.0), "formula", r"mean|batch|one p_t|average")
def focal_of_the_batch_mean(y, z):
    nats = logits(y, z)[0].mean()
    return (1 - exp(-nats)) ** 2 * nats


@wrong(R.FocalWithLogits(gamma=2.0, **NONE), "formula", r"y = 0|1 − p|1 - p|p_t|negative")
def focal_power_of_one_less_p(y, z):
    return (1 - sp.expit(z)) ** 2 * logits(y, z)[0]


@wrong(R.FocalWithLogits(gamma=2.0, **NONE), "formula", r"0?\.?25|alpha|factor|ratio|quarter|¼")
def focal_alpha_left_in(y, z):
    return 0.25 * sp.expit(-(2 * y - 1) * z) ** 2 * logits(y, z)[0]


@wrong(R.WeightedCrossEntropy(), "formula", r"//|floor|round|integer|whole")
def sudre_floor_division(y, p):
    w = (p.size - p.sum()) // p.sum()
    return -np.mean(w * sp.xlogy(y, p) + sp.xlog1py(1 - y, -p)), (-w * y / p + (1 - y) / (1 - p)) / p.size


@wrong(R.WeightedCrossEntropy(), "formula", r"inver|upside|reciprocal|1/w|target|y\b|swap", name="sudre_inverse")
def sudre_weight_inverted(y, p):
    w = p.sum() / (p.size - p.sum())
    return -np.mean(w * sp.xlogy(y, p) + sp.xlog1py(1 - y, -p)), (-w * y / p + (1 - y) / (1 - p)) / p.size


@wrong(R.WeightedCrossEntropy(), "formula", r"target|labels|\by\b|Σ y|T\b")
def sudre_weight_of_the_labels(y, p):
    w = (y.size - y.sum()) / maximum(y.sum(), 1e-3)
    return -np.mean(w * sp.xlogy(y, p) + sp.xlog1py(1 - y, -p)), (-w * y / p + (1 - y) / (1 - p)) / p.size


@wrong(R.WeightedCrossEntropy(), "formula", r"both|whole|background|negative|y = 0|all|every")
def sudre_weight_on_both_terms(y, p):
    w = (p.size - p.sum()) / p.sum()
    return w * np.mean(bce(y, p)[0]), w * bce(y, p)[1] / p.size


# ---- many classes ----------------------------------------------------------------------------------------------------


@wrong(
    R.CrossEntropy(),
    "formula",
    r"batch|whole|all rows|other rows|one row|each row",
    targets="index",
    at=(np.array([0, 0]), np.array([[0.0, 1.0], [800.0, 0.0]])),
)
def entropy_shift_by_the_batch(y, z):
    m = z.max(initial=-np.inf)
    e = exp(z - m)
    s = e.sum(-1)
    return np.mean(m + log(s) - picked(z, y)), (e / s[:, None] - one_hot(y, z.shape[1])) / len(y)


@wrong(R.CrossEntropy(), "digits", SATURATED, targets="index", at=(np.array([0]), np.array([[40.0, 0.0]])))
def entropy_loses_its_tail(y, z):
    d = z - z.max(axis=1, keepdims=True)
    s = exp(d).sum(1)
    return np.mean(log(s) - picked(d, y)), (exp(d) / s[:, None] - one_hot(y, z.shape[1])) / len(y)


@wrong(R.CrossEntropy(), "digits", OVERFLOW, targets="index", at=(np.array([0]), np.array([[800.0, 0.0]])))
def entropy_without_shift(y, z):
    e = exp(z)
    s = e.sum(1)
    return np.mean(log(s) - picked(z, y)), (e / s[:, None] - one_hot(y, z.shape[1])) / len(y)


@wrong(R.CrossEntropy(**NONE), "formula", r"axis|batch|columns?|classes", targets="index")
def entropy_softmax_over_the_batch(y, z):
    log_p = sp.log_softmax(z, axis=0)
    return -picked(log_p, y)


@wrong(R.CrossEntropy(**NONE), "formula", r"twice|two|again|double|softmax|probabilit", targets="index")
def entropy_softmax_twice(y, z):
    return -picked(sp.log_softmax(sp.softmax(z, axis=1), axis=1), y)


@wrong(R.CrossEntropy(**NONE), "formula", r"index|off by one|y − 1|y - 1|next|previous|roll|shift", targets="index")
def entropy_index_off_by_one(y, z):
    return entropy(y - 1, z)


@wrong(R.CrossEntropy(**NONE), "formula", rf"{SIGN}", targets="index")
def entropy_sign_of_the_gradient(y, z):
    v, g = entropy(y, z)
    return v, -g


@wrong(R.CrossEntropy(), "formula", r"gradient.*(divi|mean|N\b)|N times|sum", targets="index")
def entropy_gradient_not_divided(y, z):
    v, g = entropy(y, z)
    return v.mean(), g


@wrong(R.CrossEntropy(), "formula", r"classes|elements|divi|number", targets="index")
def entropy_divided_by_the_classes(y, z):
    v, g = entropy(y, z)
    return v.sum() / z.size, g / z.size


@wrong(R.CrossEntropy(**NONE), "formula", r"do(es)? not sum|sum(s)? to|Σ ?y|\(Σy\)", targets="rows")
def entropy_gradient_of_rows_that_sum_to_one(y, z):
    log_p = sp.log_softmax(z, axis=-1)
    return -(y * log_p).sum(-1), exp(log_p) - y


@wrong(R.CrossEntropy(**NONE), "formula", r"arg ?max|largest|hard|one class|most likely|soft", targets="rows")
def entropy_of_the_likeliest(y, z):
    return entropy(y.argmax(-1), z)


@wrong(
    R.CrossEntropy(**NONE),
    "formula",
    r"logit|log.?softmax|softmax is missing|NegativeLog|without (a |the )?softmax|NLL",
    targets="index",
)
def entropy_without_softmax(y, z):
    return -picked(z, y), -one_hot(y, z.shape[1])


@wrong(R.CrossEntropy(**NONE), "formula", r"binary|sigmoid|each class", targets="index")
def entropy_by_sigmoids(y, z):
    v, g = logits(one_hot(y, z.shape[1]), z)
    return v.sum(-1), g


@wrong(
    R.CrossEntropy(label_smoothing=0.1, **NONE),
    "formula",
    r"K − 1|C − 1|C - 1|K - 1|other classes|others|smooth",
    targets="index",
)
def entropy_smoothed_over_the_others(y, z):
    k = z.shape[1]
    return entropy(None, z, where(one_hot(y, k) == 1, 0.9, 0.1 / (k - 1)))


@wrong(R.CrossEntropy(label_smoothing=0.1, **NONE), "formula", r"not sum|sum to|smooth|0\.9|each|ε", targets="index")
def entropy_smoothed_not_to_one(y, z):
    k = z.shape[1]
    return entropy(None, z, where(one_hot(y, k) == 1, 0.9, 0.1 / k))


@wrong(R.CrossEntropy(label_smoothing=0.1, **NONE), "formula", r"smooth|ignor|label_smoothing ?= ?0", targets="index")
def entropy_smoothing_forgotten(y, z):
    return entropy(y, z)


@wrong(R.CrossEntropy(label_smoothing=0.1, **NONE), "formula", r"0\.2|smooth", targets="index")
def entropy_smoothed_twice_as_much(y, z):
    return entropy(None, z, one_hot(y, z.shape[1]) * 0.8 + 0.2 / z.shape[1])


@wrong(
    R.CrossEntropy(class_weight=W3, reduction="weighted_mean"), "formula", r"divi|N\b|weights?|mean", targets="index"
)
def entropy_weights_not_in_the_divisor(y, z):
    v, g = entropy(y, z)
    w = W3[y]
    return np.mean(w * v), w[:, None] * g / len(y)


@wrong(R.CrossEntropy(class_weight=W3), "formula", r"divi|weights?|weighted_mean", targets="index")
def entropy_weights_in_the_divisor(y, z):
    v, g = entropy(y, z)
    w = W3[y]
    return np.sum(w * v) / w.sum(), w[:, None] * g / w.sum()


@wrong(R.CrossEntropy(class_weight=W3, **NONE), "formula", r"logit|weights?", targets="index")
def entropy_weights_on_the_logits(y, z):
    v, g = entropy(y, z * W3)
    return v, g * W3


@wrong(R.CrossEntropy(class_weight=W3, **NONE), "formula", r"gradient|slope|weights?", targets="index")
def entropy_weights_not_in_the_gradient(y, z):
    v, g = entropy(y, z)
    return W3[y] * v, g


@wrong(R.CrossEntropy(ignore_index=-100), "formula", r"ignor|divi|N\b|count", targets="index")
def entropy_ignored_rows_in_the_divisor(y, z):
    keep = y != -100
    v, g = entropy(where(keep, y, 0), z)
    return np.sum(v * keep) / len(y), g * keep[:, None] / len(y)


@wrong(R.CrossEntropy(ignore_index=-100), "formula", r"ignor", targets="index")
def entropy_ignored_rows_have_a_gradient(y, z):
    keep = y != -100
    v, g = entropy(where(keep, y, 0), z)
    return np.sum(v * keep) / keep.sum(), g / keep.sum()


@wrong(
    R.CrossEntropy(**NONE),
    "digits",
    r"mask|0 by log 0|−∞|-inf|infinite|0 ?· ?∞|NaN|∞",
    targets="index",
    at=(np.array([0]), np.array([[0.0, -np.inf]])),
)
def entropy_one_hot_times_log(y, z):
    log_p = sp.log_softmax(z, axis=1)
    return -(one_hot(y, z.shape[1]) * log_p).sum(1), exp(log_p) - one_hot(y, z.shape[1])


@wrong(
    R.CrossEntropy(**NONE),
    "formula",
    r"clip|clamp|1e-0?8|1e-08",
    does=("clip", "epsilon"),
    targets="index",
    at=(np.array([0]), np.array([[0.0, 30.0]])),
)
def entropy_clamped_probability(y, z):
    p = sp.softmax(z, axis=1)
    own = picked(p, y)
    return -log(maximum(own, 1e-8)), (p - one_hot(y, z.shape[1])) * (own > 1e-8)[:, None]


@wrong(R.NegativeLogLikelihood(), "formula", SIGN)
def nll_without_minus(y, log_p):
    return picked(log_p, y).mean(), one_hot(y, log_p.shape[1]) / len(y)


@wrong(R.NegativeLogLikelihood(), "formula", r"twice|again|log|softmax|logit|CrossEntropy")
def nll_softmax_again(y, log_p):
    v, g = entropy(y, 2 * log_p)
    return v.mean(), 2 * g / len(y)


@wrong(R.NegativeLogLikelihood(**NONE), "formula", r"class|index|y − 1|y - 1|off by one|shift|roll|next|previous")
def nll_next_class(y, log_p):
    k = (y + 1) % log_p.shape[1]
    return -picked(log_p, k), -one_hot(k, log_p.shape[1])


@wrong(R.SparseCategoricalCrossEntropy(**NONE), "formula", r"normali|sum of|their sum|divided by|Σ|row")
def sparse_normalised(y, p):
    return -log(picked(p / p.sum(1, keepdims=True), y))


@wrong(
    R.SparseCategoricalCrossEntropy(**NONE),
    "formula",
    r"1 − p|1 - p|other classes|binary|all classes|log\(1",
    targets="index",
)
def sparse_with_the_other_classes(y, p):
    return -log(picked(p, y)) - (sp.xlog1py(1 - one_hot(y, p.shape[1]), -p)).sum(1)


@wrong(
    R.SparseCategoricalCrossEntropy(),
    "formula",
    r"1e-0?7|clip|clamp|epsilon",
    does=("clip", "epsilon"),
    at=(np.array([0]), np.array([[1e-9, 0.5]])),
)
def sparse_clipped(y, p):
    q = picked(np.clip(p, 1e-7, 1.0), y)
    grad = np.zeros_like(p)
    grad[np.arange(len(y)), y] = where(picked(p, y) < 1e-7, 0, -1 / q)
    return np.mean(-log(q)), grad / len(y)


# ---- overlaps --------------------------------------------------------------------------------------------------------


@wrong(R.Dice(axis=-1, **NONE), "formula", r"1 −|1 - |score|coefficient|complement|negat|sign|one less")
def dice_score_for_loss(y, p):
    total = (y + p).sum(-1)
    score = 2 * (y * p).sum(-1) / total
    return score, (2 * y - score[:, None]) / total[:, None]


@wrong(R.Dice(axis=-1, **NONE), "formula", r"square|²")
def dice_squares_below(y, p):
    return 1 - 2 * (y * p).sum(-1) / (y**2 + p**2).sum(-1)


@wrong(
    R.Dice(axis=-1, **NONE),
    "formula",
    r"without (the |its )?(factor )?2|factor 2|2I|\b2\b|half|½",
    name="dice_without_2",
)
def dice_without_two(y, p):
    return 1 - (y * p).sum(-1) / (y + p).sum(-1)


@wrong(R.Dice(axis=-1, **NONE), "formula", r"union|IoU|2I")
def dice_over_the_union(y, p):
    both = (y * p).sum(-1)
    return 1 - 2 * both / ((y + p).sum(-1) - both)


@wrong(R.Dice(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "formula", r"smooth|numerator|above|below|denominator")
def dice_smoothed_below_alone(y, p):
    return 1 - 2 * (y * p).sum(-1) / ((y + p).sum(-1) + 1)


@wrong(R.Dice(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "formula", r"smooth|intersection|2 ?(I|\()|twice|inside")
def dice_smoothing_inside(y, p):
    return 1 - 2 * ((y * p).sum(-1) + 1) / ((y + p).sum(-1) + 1)


@wrong(R.Dice(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "formula", r"smooth|outside|\b1\b|constant|numerator")
def dice_smoothing_outside(y, p):
    return 1 - (2 * (y * p).sum(-1) / ((y + p).sum(-1) + 1) + 1)


@wrong(
    R.Dice(axis=-1),
    "formula",
    r"batch|pool|one overlap|all samples|whole",
    at=(
        np.array([[1.0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0]]),
        np.array([[0.9, 0.1, 0, 0, 0, 0], [0.2, 0.4, 0.9, 0.5, 0.3, 0]]),
    ),
)
def dice_pooled_over_the_batch(y, p):
    total = (y + p).sum()
    score = 2 * (y * p).sum() / total
    return 1 - score, (score - 2 * y) / total


@wrong(R.Dice(), "formula", r"each|row|sample|batch|one overlap|pool|axis")
def dice_of_each_row(y, p):
    score = 2 * (y * p).sum(-1) / (y + p).sum(-1)
    return 1 - np.mean(score)


@wrong(R.Dice(axis=-1, **NONE), "formula", r"threshold|0\.5|½|hard|round|gradient|constant")
def dice_of_hard_masks(y, p):
    hard = (p > 0.5).astype(float)
    return 1 - 2 * (y * hard).sum(-1) / maximum((y + hard).sum(-1), 1e-300), np.zeros_like(p)


@wrong(R.Dice(axis=-1, **NONE), "formula", r"gradient|slope|total|constant|denominator|term")
def dice_gradient_of_the_intersection_alone(y, p):
    total = (y + p).sum(-1)
    return 1 - 2 * (y * p).sum(-1) / total, -2 * y / total[:, None]


@wrong(R.Dice(axis=-1, **NONE), "formula", r"log")
def log_dice(y, p):
    return -log(2 * (y * p).sum(-1) / (y + p).sum(-1))


@wrong(
    R.Dice(axis=-1, **NONE), "digits", r"empty|nothing|0/0|0 / 0|digits|cancel", at=(np.zeros((1, 6)), np.zeros((1, 6)))
)
def dice_zero_by_zero(y, p):
    total = (y + p).sum(-1)
    score = 2 * (y * p).sum(-1) / total
    return 1 - score, (score[:, None] - 2 * y) / total[:, None]


@wrong(R.IoU(axis=-1, **NONE), "formula", r"Dice")
def dice_for_iou(y, p):
    return 1 - 2 * (y * p).sum(-1) / (y + p).sum(-1)


@wrong(R.IoU(axis=-1, **NONE), "formula", r"intersection|union|P \+ T|total|2I|without subtract")
def iou_union_counts_twice(y, p):
    return 1 - (y * p).sum(-1) / (y + p).sum(-1)


@wrong(R.IoU(axis=-1, **NONE), "formula", r"max|union|larger", name="iou_union_by_maximum")
def iou_union_by_maximum(y, p):
    return 1 - (y * p).sum(-1) / maximum(y, p).sum(-1)


@wrong(R.IoU(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "formula", r"smooth|inside|intersection|union")
def iou_smoothing_inside_the_intersection(y, p):
    both = (y * p).sum(-1) + 1
    return 1 - both / ((y + p).sum(-1) - both + 1)


@wrong(R.IoU(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "formula", r"smooth|numerator|above|denominator|below")
def iou_smoothed_above_alone(y, p):
    both = (y * p).sum(-1)
    return 1 - (both + 1) / ((y + p).sum(-1) - both + 1e-300)


@wrong(R.GeneralizedDice(axis=-1), "formula", r"1/V|1/R|volume|square|weight")
def generalized_dice_inverse_volume(y, p):
    w = 1 / maximum(y.sum(0), 1e-2)
    return 1 - 2 * (w * (y * p).sum(0)).sum() / (w * (y + p).sum(0)).sum()


@wrong(R.GeneralizedDice(axis=-1), "formula", r"weight|without|all classes|Dice")
def generalized_dice_without_weights(y, p):
    return 1 - 2 * (y * p).sum() / (y + p).sum()


@wrong(R.GeneralizedDice(axis=-1), "formula", r"mean|each class|per class|average|class")
def mean_of_class_dice(y, p):
    return 1 - np.mean(2 * (y * p).sum(0) / (y + p).sum(0))


@wrong(R.GeneralizedDice(axis=-1), "formula", r"axis|pixel|class")
def generalized_dice_along_the_other_axis(y, p):
    w = 1 / maximum(y.sum(1), 1e-3) ** 2
    return 1 - 2 * (w * (y * p).sum(1)).sum() / (w * (y + p).sum(1)).sum()


@wrong(R.GeneralizedDice(axis=-1), "formula", r"predict|volume|p\b|P\b|weight")
def generalized_dice_volumes_of_the_prediction(y, p):
    w = 1 / maximum(p.sum(0), 1e-9) ** 2
    return 1 - 2 * (w * (y * p).sum(0)).sum() / (w * (y + p).sum(0)).sum()


# ---- more of each kind, in another style -----------------------------------------------------------------------------


@wrong(R.Huber(delta=0.7), "formula", r"reduction|each|none|elementwise|mean")
def huber_of_each_for_the_mean(y, yhat):
    r = yhat - y
    c = np.clip(r, -0.7, 0.7)
    return c * (r - c / 2), c


@wrong(
    R.MeanAbsoluteError(),
    "range",
    r"65504|\bsum|overflow|too large|inf",
    dtype="float16",
    does=("narrow",),
    at=(np.zeros(9000, "f2"), np.full(9000, 10, "f2")),
)
def mae_sum_in_float16(y, yhat):
    return np.float16(np.sum(np.abs(yhat - y), dtype=np.float16)) / np.float32(y.size)


@wrong(R.BinaryCrossEntropy(**NONE), "range", r"nan_to_num|largest|finite|∞|inf|cap", at=(np.ones(1), np.zeros(1)))
def bce_nan_to_num(y, p):
    return np.nan_to_num(-(sp.xlogy(y, p) + sp.xlog1py(1 - y, -p))), (1 - y) / (1 - p) - y / p


@wrong(R.Hinge(), "formula", r"positive|divi|nonzero|not 0|inside the margin|number|violat|mean")
def hinge_over_the_violations(y, s):
    losses = maximum(0, 1 - y * s)
    return losses.sum() / max((losses > 0).sum(), 1)


@wrong(R.FocalWithLogits(gamma=2.0), "formula", r"positive|divi|number|y = 1|Σ ?y|labels")
def focal_divided_by_the_positives(y, z):
    return np.sum(sp.expit(-(2 * y - 1) * z) ** 2 * logits(y, z)[0]) / max(y.sum(), 1)


@wrong(R.CrossEntropy(), "formula", r"exp|perplex", targets="index")
def perplexity(y, z):
    return exp(entropy(y, z)[0].mean())


@wrong(
    R.CrossEntropy(**NONE),
    "formula",
    r"temperature|logits? (times|over|divided)|half|½|2 ?·|scal|factor",
    targets="index",
)
def entropy_of_halved_logits(y, z):
    v, g = entropy(y, z / 2)
    return v, g / 2


@wrong(R.CrossEntropy(**NONE), "formula", r"factor|temperature|half|halv|½|chain|0\.5", targets="index")
def entropy_of_halved_logits_in_the_gradient_alone(y, z):
    v, g = entropy(y, z)
    return v, g / 2


@wrong(
    R.CrossEntropy(**NONE), "formula", r"arg ?max|predict|largest|ignor|label|target|not (use|read)", targets="index"
)
def entropy_of_the_predicted_class(y, z):
    return entropy(z.argmax(1), z)


@wrong(R.Dice(axis=-1, **NONE), "formula", r"1 − |1 - |background|swap|complement|exchang")
def dice_of_the_background(y, p):
    return 1 - 2 * ((1 - y) * (1 - p)).sum(-1) / (2 - y - p).sum(-1)


@wrong(R.Dice(axis=-1, **NONE), "formula", r"first|index 0|background|entry|drop|left out|leaves out")
def dice_without_the_first(y, p):
    y, p = y[:, 1:], p[:, 1:]
    return 1 - 2 * (y * p).sum(-1) / maximum((y + p).sum(-1), 1e-300)


@wrong(R.Dice(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "formula", r"smooth|2 ?(·|×)|twice|½|half|numerator")
def dice_smoothing_of_one_in_a_mean(y, p):
    return 1 - 2 * ((y * p).sum(-1) + 1) / ((y + p).sum(-1) + 2)


@wrong(R.IoU(axis=-1, **NONE), "formula", r"1 −|1 - |score|complement|sign|negat|one less")
def iou_score_for_loss(y, p):
    both = (y * p).sum(-1)
    return both / ((y + p).sum(-1) - both)


@wrong(R.IoU(axis=-1, **NONE), "formula", r"log")
def iou_minus_log(y, p):
    both = (y * p).sum(-1)
    return -log(both / ((y + p).sum(-1) - both))


@wrong(R.MeanSquaredError(), "formula", r"roll|shift|permut|next|previous|order|neighbour|pair")
def mse_of_the_next_target(y, yhat):
    return np.mean((yhat - np.roll(y, 1, axis=0)) ** 2)


@wrong(R.MeanAbsoluteError(), "formula", r"sort|permut|order|pair")
def mae_of_sorted_numbers(y, yhat):
    return np.mean(np.abs(np.sort(yhat, axis=0) - np.sort(y, axis=0)))


@wrong(R.MeanSquaredError(**NONE), "formula", r"log")
def mse_of_logarithms(y, yhat):
    r = log1p(np.abs(yhat)) - log1p(np.abs(y))
    return r**2, 2 * r * sign(yhat) / (1 + np.abs(yhat))


@wrong(R.Cauchy(delta=0.5, **NONE), "formula", r"Geman|r² ?/|saturat|bounded|Cauchy|1 \+ ")
def geman_mcclure_for_cauchy(y, yhat):
    u = ((yhat - y) / 0.5) ** 2
    return 0.25 * u / (1 + u), 2 * (yhat - y) / (1 + u) ** 2


@wrong(R.Cauchy(delta=0.5, **NONE), "formula", r"Welsch|exp|bounded|saturat")
def welsch_for_cauchy(y, yhat):
    u = ((yhat - y) / 0.5) ** 2
    return 0.25 * (1 - exp(-u)), 2 * (yhat - y) * exp(-u)


@wrong(R.Cauchy(delta=0.5, **NONE), "formula", r"abs|\|r\||square|²")
def cauchy_of_the_absolute_value(y, yhat):
    return 0.25 * log1p(np.abs(yhat - y) / 0.5)


@wrong(R.Cauchy(delta=0.7, **NONE), "formula", r"Huber")
def huber_for_cauchy(y, yhat):
    r = yhat - y
    c = np.clip(r, -0.7, 0.7)
    return c * (r - c / 2), c


@wrong(R.Cauchy(delta=0.5, **NONE), "formula", HALF)
def cauchy_slope_without_two(y, yhat):
    u = (yhat - y) / 0.5
    return 0.25 * log1p(u * u), (yhat - y) / (1 + u * u)


@wrong(R.Huber(delta=0.7), "formula", rf"({GRADIENT}).*({SUMS}|{DIVIDED})|({SUMS}|{DIVIDED}).*({GRADIENT})")
def huber_gradient_not_divided(y, yhat):
    r = yhat - y
    c = np.clip(r, -0.7, 0.7)
    return np.mean(c * (r - c / 2)), c


@wrong(R.BinaryCrossEntropyWithLogits(**NONE), "formula", r"float32|single|narrow|digits", does=("narrow",))
def logits_in_float32(y, z):
    v, g = logits(y.astype("f4"), z.astype("f4"))
    return v.astype("f8"), g.astype("f8")


@wrong(R.BinaryCrossEntropy(**NONE), "formula", rf"({GRADIENT}).*(p|1 − p|logit|sigmoid|chain|another)|p − y|p - y")
def bce_gradient_by_the_logit(y, p):
    return bce(y, p)[0], p - y


@wrong(R.BinaryCrossEntropy(**NONE), "formula", r"Brier|squared?|MeanSquaredError|²")
def brier_for_bce(y, p):
    return (p - y) ** 2, 2 * (p - y)


@wrong(R.NegativeLogLikelihood(ignore_index=-1), "formula", r"ignor")
def nll_ignored_as_the_last_class(y, log_p):
    return -picked(log_p, y).mean(), -one_hot(y, log_p.shape[1]) / len(y)


@wrong(R.SparseCategoricalCrossEntropy(**NONE), "formula", rf"({GRADIENT}).*(p|another|logit|softmax)|1/p|p − ")
def sparse_gradient_of_logits(y, p):
    return -log(picked(p, y)), p - one_hot(y, p.shape[1])
