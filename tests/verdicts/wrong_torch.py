"""Wrong implementations in PyTorch, each with one mistake that people make; autograd finds the gradient."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import reflosses as R
from verdicts.rows import Row, wrong_into

ROWS: list[Row] = []
wrong = wrong_into(ROWS, "torch")

NONE, SUM = {"reduction": "none"}, {"reduction": "sum"}
W3 = (0.3, 7.0, 1.5)

TWICE = r"twice|doubl|× ?2\b|\b2 ?×|factor (of )?2\b|times 2\b|\b2 times|without (its |the )?(½|half)|½ is missing|no ½"
HALF = r"half|halv|½|0\.5\b|divided by 2|/ ?2\b|factor 2 is missing|without (its |the )?(factor )?2"
SIGN = r"sign|negat|−1|-1\b|opposite|minus"
SUMS = r"\bsum\b|not divided|no division|without dividing|times N\b|× ?N\b|number of (losses|elements|rows)"
SATURATED = (
    r"digits|cancel|satur|p − y|p - y|rounds to 1|1 − p|1 - p|tail|far side|right side|\b(is|gives|of) 0\b|vanish"
)
OVERFLOW = r"overflow|exp\(|exponential|inf|too large"
NO_GRADIENT = r"no gradient|gradient.*(\b0\b|zero|detach|vanish)|detach|constant|stop"


def picked(a, y):
    return a[torch.arange(len(y)), y]


def weights_like(z):
    return torch.tensor(W3, dtype=z.dtype)


# ---- residuals -------------------------------------------------------------------------------------------------------


@wrong(R.MeanSquaredError(), "formula", SUMS)
def mse_with_the_sum(y, yhat):
    return F.mse_loss(yhat, y, reduction="sum")


@wrong(R.MeanSquaredError(**NONE), "formula", HALF)
def mse_halved(y, yhat):
    return 0.5 * torch.square(yhat - y)


@wrong(R.MeanSquaredError(), "formula", r"root|sqrt|RMSE")
def root_of_mse(y, yhat):
    return torch.sqrt(nn.MSELoss()(yhat, y))


@wrong(R.MeanSquaredError(**NONE), "formula", NO_GRADIENT)
def mse_detached(y, yhat):
    r = yhat - y
    return r * r.detach() + 0 * r


@wrong(R.MeanSquaredError(**NONE), "formula", NO_GRADIENT)
def mse_of_item(y, yhat):
    return torch.tensor(((yhat - y) ** 2).tolist(), dtype=yhat.dtype)


@wrong(R.MeanSquaredError(), "formula", r"broadcast|every pair|pairs|\(n, ?1\)|each (target|prediction) (with|against)")
def mse_broadcast(y, yhat):
    y, yhat = y.reshape(-1), yhat.reshape(-1)[:, None]
    if len(y) > 2000:
        return (y**2).mean() - 2 * y.mean() * yhat.mean() + (yhat**2).mean()
    return ((yhat - y) ** 2).mean()


@wrong(R.MeanSquaredError(), "formula", r"float16|half precision|narrow|bfloat16|digits", does=("narrow",))
def mse_in_bfloat16(y, yhat):
    return F.mse_loss(yhat.bfloat16(), y.bfloat16()).to(yhat.dtype)


@wrong(R.MeanSquaredError(**NONE), "formula", r"float32|single|narrow|digits", does=("narrow",))
def mse_in_float32(y, yhat):
    return F.mse_loss(yhat.float(), y.float(), reduction="none")


@wrong(R.MeanSquaredError(**NONE), "formula", r"chang|modif|in place|destroy|overwrit|input")
def mse_changes_the_target(y, yhat):
    return y.sub_(yhat).square()


@wrong(R.MeanSquaredError(), "formula", r"batch|axis|rows|first|number|len\(y")
def mse_over_the_batch_size(y, yhat):
    return ((yhat - y) ** 2).sum() / y.shape[0]


@wrong(R.MeanAbsoluteError(**NONE), "formula", SIGN)
def mae_without_abs(y, yhat):
    return yhat - y


@wrong(
    R.MeanAbsoluteError(**NONE),
    "digits",
    r"square|under|overflow|sqrt|root|NaN|0\b",
    at=(np.zeros(1), np.full(1, 1e-200)),
)
def mae_root_of_square(y, yhat):
    return torch.sqrt((yhat - y) ** 2)


@wrong(R.MeanAbsoluteError(), "formula", r"Huber|smooth")
def smooth_l1_for_mae(y, yhat):
    return F.smooth_l1_loss(yhat, y)


@wrong(R.Huber(delta=0.7), "formula", r"smooth|delta|0\.7|1\.428|factor|ratio")
def smooth_l1_for_huber(y, yhat):
    return F.smooth_l1_loss(yhat, y, beta=0.7)


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"delta ?= ?1\b|1 for delta|Huber\(delta=1|other delta")
def huber_with_the_default_delta(y, yhat):
    return F.huber_loss(yhat, y, reduction="none")


@wrong(R.Huber(delta=0.7, **NONE), "formula", TWICE)
def huber_without_half(y, yhat):
    r = (yhat - y).abs()
    return torch.where(r < 0.7, r**2, 0.7 * (r - 0.35))


@wrong(R.Huber(**NONE), "formula", TWICE, false=(r"slope 1 beyond delta, where delta is due",))
def huber_twice(y, yhat):
    r = (yhat - y).abs()
    return torch.where(r < 1, r**2, 2 * r - 1)


@wrong(
    R.Huber(delta=0.7, **NONE),
    "formula",
    r"sum|joint|norm|whole|batch|rows|one branch|all",
    at=(np.zeros(2), np.array([0.1, 3.0])),
)
def huber_branch_of_the_batch(y, yhat):
    r = (yhat - y).abs()
    return 0.5 * r**2 if r.numel() and r.max() < 0.7 else 0.7 * (r - 0.35)


@wrong(R.Cauchy(delta=0.5), "formula", HALF)
def cauchy_halved(y, yhat):
    return (0.125 * torch.log1p(((yhat - y) / 0.5) ** 2)).mean()


@wrong(R.Cauchy(delta=0.5, **NONE), "formula", r"delta|δ|0\.25|factor|ratio|¼|times 4|4 times|quarter")
def cauchy_without_delta_squared(y, yhat):
    return torch.log1p(((yhat - y) / 0.5) ** 2)


@wrong(R.Cauchy(information=((4.0, 1.5), (1.5, 0.75)), **NONE), "formula", r"diagonal")
def cauchy_diagonal(y, yhat):
    e = yhat - y
    return torch.log1p((e * e * torch.tensor([4.0, 0.75], dtype=e.dtype)).sum(-1))


# ---- two classes -----------------------------------------------------------------------------------------------------


@wrong(R.BinaryCrossEntropy(), "formula", r"1e-0?6|epsilon|adds", does=("epsilon",))
def bce_epsilon_in_the_log(y, p):
    return -(y * torch.log(p + 1e-6) + (1 - y) * torch.log(1 - p + 1e-6)).mean()


@wrong(
    R.BinaryCrossEntropy(**NONE),
    "formula",
    r"1e-0?7|clip|clamp",
    does=("clip", "epsilon"),
    at=(np.ones(1), np.full(1, 1e-9)),
)
def bce_clamped(y, p):
    return F.binary_cross_entropy(p.clamp(1e-7, 1 - 1e-7), y, reduction="none")


@wrong(
    R.BinaryCrossEntropy(**NONE),
    "formula",
    r"1e-0?8|clip|clamp",
    does=("clip",),
    false=(r"adds 1e-|and gives the slope",),
    at=(np.ones(1), np.full(1, 1e-9)),
)
def bce_clamp_inside_the_log(y, p):
    return -(y * torch.log(p.clamp(min=1e-8)) + (1 - y) * torch.log((1 - p).clamp(min=1e-8)))


@wrong(
    R.BinaryCrossEntropy(**NONE),
    "range",
    r"NaN|where|branch|0 ?· ?∞|0 \* inf|not a number",
    at=(np.ones(1), np.ones(1)),
)
def bce_nan_by_where(y, p):
    hard = torch.where(y == 1, -torch.log(p), -torch.log1p(-p))
    return torch.where((y == 0) | (y == 1), hard, -torch.xlogy(y, p) - torch.special.xlog1py(1 - y, -p))


@wrong(R.BinaryCrossEntropy(), "formula", r"first|one term|y = 0|second|1 − y|negative|label 0")
def bce_positive_term_alone(y, p):
    return -(y * torch.log(p)).mean()


@wrong(R.BinaryCrossEntropy(**NONE), "formula", r"sigmoid|logit")
def bce_with_logits_of_probabilities(y, p):
    return F.binary_cross_entropy_with_logits(p, y, reduction="none")


@wrong(R.BinaryCrossEntropyWithLogits(), "formula", r"twice|two|again|sigmoid|double")
def sigmoid_before_bce_with_logits(y, z):
    return nn.BCEWithLogitsLoss()(torch.sigmoid(z), y)


@wrong(
    R.BinaryCrossEntropyWithLogits(),
    "digits",
    r"100|−100|satur|1 − p|rounds|log\b|guard|digits|clip|clamp",
    does=("clip",),
    at=(np.zeros(1), np.full(1, 200.0)),
)
def bce_loss_of_sigmoid(y, z):
    return nn.BCELoss()(torch.sigmoid(z), y)


@wrong(
    R.BinaryCrossEntropyWithLogits(**NONE),
    "formula",
    r"\b10\b|clip|clamp",
    does=("clip",),
    at=(np.zeros(1), np.full(1, 15.0)),
)
def logits_clamped_at_10(y, z):
    return F.binary_cross_entropy_with_logits(z.clamp(-10, 10), y, reduction="none")


@wrong(R.BinaryCrossEntropyWithLogits(**NONE), "digits", SATURATED, at=(np.ones(1), np.full(1, 40.0)))
def logits_log_sigmoid_by_hand(y, z):
    p = torch.sigmoid(z)
    return -(torch.xlogy(y, p) + torch.xlogy(1 - y, 1 - p))


@wrong(R.BinaryCrossEntropyWithLogits(**NONE), "digits", OVERFLOW, at=(np.zeros(1), np.full(1, 800.0)))
def logits_log_of_one_plus_exp(y, z):
    return torch.log(1 + torch.exp(z)) - y * z


@wrong(
    R.BinaryCrossEntropyWithLogits(pos_weight=3.0), "formula", r"pos_weight|whole|both|all|negative|y = 0|every|factor"
)
def logits_pos_weight_on_all(y, z):
    return F.binary_cross_entropy_with_logits(z, y, weight=torch.tensor(3.0, dtype=z.dtype))


@wrong(
    R.BinaryCrossEntropyWithLogits(pos_weight=3.0, **NONE),
    "formula",
    r"pos_weight|strictly between|soft|where|whole|y > 0|factor",
)
def logits_pos_weight_where_positive(y, z):
    nats = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return torch.where(y > 0, 3.0 * nats, nats)


@wrong(R.BinaryCrossEntropyWithLogits(pos_weight=3.0, **NONE), "formula", r"pos_weight|1/3|inver|0\.333")
def logits_pos_weight_inverted(y, z):
    return F.binary_cross_entropy_with_logits(z, y, reduction="none", pos_weight=torch.tensor(1 / 3, dtype=z.dtype))


@wrong(R.Hinge(), "formula", SIGN)
def hinge_with_a_plus(y, s):
    return torch.clamp(1 + y * s, min=0).mean()


@wrong(R.Hinge(**NONE), "formula", r"label|0 (and|or) 1|0/1|2y − 1|2y - 1|map|y = −1|y = -1")
def hinge_maps_labels_again(y, s):
    return F.relu(1 - (2 * y - 1) * s)


@wrong(R.Hinge(**NONE), "formula", r"squared?|²")
def squared_hinge(y, s):
    return F.relu(1 - y * s) ** 2


@wrong(R.Hinge(**NONE), "formula", r"soft|smooth|log|softplus|logistic|exp")
def softplus_for_hinge(y, s):
    return F.softplus(1 - y * s)


@wrong(R.Focal(gamma=2.0, alpha=0.25, **NONE), "formula", r"alpha|swap|1 − α|y = 0|every|all|negative")
def focal_alpha_on_all(y, p):
    nats = F.binary_cross_entropy(p, y, reduction="none")
    return 0.25 * (1 - torch.exp(-nats)) ** 2 * nats


@wrong(R.FocalWithLogits(gamma=2.0, alpha=0.25, **NONE), "formula", r"alpha|swap|0\.75|exchang")
def focal_alpha_swapped(y, z):
    nats = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return (0.75 * y + 0.25 * (1 - y)) * (1 - torch.exp(-nats)) ** 2 * nats


@wrong(R.FocalWithLogits(gamma=2.0), "formula", r"mean|batch|one p_t|average")
def focal_of_the_mean(y, z):
    nats = F.binary_cross_entropy_with_logits(z, y)
    return (1 - torch.exp(-nats)) ** 2 * nats


@wrong(R.FocalWithLogits(gamma=2.0, **NONE), "formula", r"gradient|constant|detach|held|stop|factor")
def focal_detached_factor(y, z):
    nats = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return (1 - torch.exp(-nats)).detach() ** 2 * nats


@wrong(
    R.FocalWithLogits(gamma=0.5, **NONE),
    "digits",
    r"NaN|0 ?· ?∞|γ < 1|gamma|1 − p_t|slope|gradient",
    at=(np.ones(1), np.full(1, 60.0)),
)
def focal_of_small_gamma(y, z):
    t = (2 * y - 1) * z
    return -((1 - torch.sigmoid(t)) ** 0.5) * F.logsigmoid(t)


@wrong(R.FocalWithLogits(gamma=2.0, **NONE), "formula", r"p_t|1 − p|1 - p|power|base")
def focal_power_of_p_t(y, z):
    nats = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return torch.exp(-nats) ** 2 * nats


@wrong(
    R.FocalWithLogits(gamma=2.0),
    "digits",
    r"0 ?· ?∞|satur|1 − p|NaN|log|digits|p_t",
    false=(r"γ < 1|gamma = 1|below γ",),
    at=(np.ones(1), np.full(1, -800.0)),
)
def focal_by_p_and_one_less_p(y, z):
    p = torch.sigmoid(z)
    return -(y * (1 - p) ** 2 * torch.log(p) + (1 - y) * p**2 * torch.log(1 - p)).mean()


@wrong(R.WeightedCrossEntropy(), "formula", r"weight|full|gradient|differentiat|stop|detach")
def sudre_not_detached(y, p):
    w = (p.numel() - p.sum()) / p.sum()
    return -(w * torch.xlogy(y, p) + torch.special.xlog1py(1 - y, -p)).mean()


# ---- many classes ----------------------------------------------------------------------------------------------------


@wrong(R.CrossEntropy(), "formula", r"twice|two|again|double|softmax", targets="index")
def softmax_before_cross_entropy(y, z):
    return F.cross_entropy(torch.softmax(z, dim=1), y)


@wrong(R.CrossEntropy(), "formula", r"logit|softmax|log\b|without", targets="index")
def nll_of_logits(y, z):
    return F.nll_loss(z, y)


@wrong(R.CrossEntropy(), "formula", r"log\b|without|softmax|probabilit", targets="index")
def nll_of_probabilities(y, z):
    return F.nll_loss(F.softmax(z, dim=1), y)


@wrong(R.CrossEntropy(), "formula", r"axis|dim|batch|columns?", targets="index")
def log_softmax_of_the_batch(y, z):
    return F.nll_loss(F.log_softmax(z, dim=0), y)


@wrong(
    R.CrossEntropy(**NONE),
    "formula",
    r"batch|whole|all rows|other rows|one row|each row",
    targets="index",
    at=(np.array([0, 0]), np.array([[0.0, 1.0], [800.0, 0.0]])),
)
def entropy_shift_by_the_batch(y, z):
    d = z - z.max() if z.numel() else z
    return torch.log(torch.exp(d).sum(1)) - picked(d, y)


@wrong(R.CrossEntropy(), "digits", OVERFLOW, targets="index", at=(np.array([0]), np.array([[800.0, 0.0]])))
def entropy_without_shift(y, z):
    e = torch.exp(z)
    return -torch.log(picked(e, y) / e.sum(1)).mean()


@wrong(
    R.CrossEntropy(),
    "formula",
    r"1e-0?8|epsilon|adds|clip|clamp",
    does=("epsilon", "clip"),
    targets="index",
    at=(np.array([0]), np.array([[0.0, 30.0]])),
)
def entropy_log_of_softmax_and_epsilon(y, z):
    return -torch.log(picked(torch.softmax(z, dim=1), y) + 1e-8).mean()


@wrong(
    R.CrossEntropy(label_smoothing=0.1), "formula", r"K − 1|C − 1|C - 1|other classes|others|smooth", targets="index"
)
def smoothed_over_the_others(y, z):
    k = z.shape[1]
    soft = torch.full_like(z, 0.1 / (k - 1)).scatter(1, y[:, None], 0.9)
    return -(soft * F.log_softmax(z, 1)).sum(1).mean()


@wrong(R.CrossEntropy(label_smoothing=0.1), "formula", r"not sum|sum to|smooth|ε", targets="index")
def smoothed_with_the_mean_of_all(y, z):
    log_p = F.log_softmax(z, 1)
    return (-picked(log_p, y) + 0.1 * -log_p.mean(1)).mean()


@wrong(R.CrossEntropy(class_weight=W3), "formula", r"divi|weights?|weighted_mean", targets="index")
def weighted_mean_for_mean(y, z):
    return F.cross_entropy(z, y, weight=weights_like(z))


@wrong(
    R.CrossEntropy(class_weight=W3, reduction="weighted_mean"), "formula", r"divi|N\b|weights?|mean", targets="index"
)
def mean_for_weighted_mean(y, z):
    return F.cross_entropy(z, y, weight=weights_like(z), reduction="none").mean()


@wrong(R.CrossEntropy(class_weight=W3, **NONE), "formula", r"logit|weights?", targets="index")
def weights_on_the_logits(y, z):
    return F.cross_entropy(z * weights_like(z), y, reduction="none")


@wrong(R.CrossEntropy(ignore_index=-100), "formula", r"ignor|divi|count|N\b", targets="index")
def ignored_rows_in_the_divisor(y, z):
    return F.cross_entropy(z, y, reduction="none").mean()


@wrong(R.CrossEntropy(ignore_index=255), "formula", r"ignor|class 0|counted|255", targets="index")
def ignored_rows_as_class_zero(y, z):
    return F.cross_entropy(z, torch.where(y == 255, 0, y))


@wrong(R.CrossEntropy(**NONE), "formula", r"arg ?max|largest|hard|soft|most likely", targets="rows")
def entropy_of_the_likeliest(y, z):
    return F.cross_entropy(z, y.argmax(dim=1), reduction="none")


@wrong(R.CrossEntropy(), "formula", r"classes|elements|divi|mean|number", targets="rows")
def mean_over_the_classes(y, z):
    return -(y * F.log_softmax(z, dim=1)).mean()


@wrong(R.CrossEntropy(), "formula", r"entropy of (y|the target)|KL|target|y log y|constant", targets="rows")
def kl_divergence_for_entropy(y, z):
    return F.kl_div(F.log_softmax(z, dim=1), y, reduction="batchmean")


@wrong(R.NegativeLogLikelihood(), "formula", SIGN)
def nll_without_minus(y, log_p):
    return log_p.gather(1, y[:, None]).mean()


@wrong(R.NegativeLogLikelihood(class_weight=W3), "formula", r"divi|weights?|weighted_mean")
def nll_divided_by_the_weights(y, log_p):
    return F.nll_loss(log_p, y, weight=weights_like(log_p))


@wrong(R.SparseCategoricalCrossEntropy(), "formula", r"softmax|logit|CrossEntropy|normali")
def cross_entropy_of_probabilities(y, p):
    return F.cross_entropy(p, y)


@wrong(
    R.SparseCategoricalCrossEntropy(**NONE),
    "formula",
    r"1e-0?7|clip|clamp|epsilon",
    does=("clip", "epsilon"),
    at=(np.array([0]), np.array([[1e-9, 0.5]])),
)
def sparse_clamped(y, p):
    return -torch.log(picked(p, y).clamp(min=1e-7))


@wrong(R.SparseCategoricalCrossEntropy(**NONE), "formula", r"base|log2|log10|bits|0\.69|1\.44|ratio|factor")
def sparse_in_bits(y, p):
    return -torch.log2(picked(p, y))


# ---- overlaps --------------------------------------------------------------------------------------------------------


@wrong(R.Dice(axis=(1, 2), smooth_nr=1.0, smooth_dr=1.0), "formula", r"batch|pool|one overlap|all samples|whole")
def dice_pooled_over_the_batch(y, p):
    return 1 - (2 * (y * p).sum() + 1) / (y.sum() + p.sum() + 1)


@wrong(R.Dice(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "formula", r"square|²")
def dice_squares_below(y, p):
    return 1 - (2 * (y * p).sum(-1) + 1) / ((y * y).sum(-1) + (p * p).sum(-1) + 1)


@wrong(R.Dice(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "formula", r"smooth|numerator|above|below|denominator")
def dice_smoothed_above_alone(y, p):
    return 1 - (2 * (y * p).sum(-1) + 1) / (y + p).sum(-1)


@wrong(R.Dice(axis=-1, smooth_nr=1.0, smooth_dr=1.0, **NONE), "formula", r"smooth|1e-0?5|parameter", does=("epsilon",))
def dice_with_little_smoothing(y, p):
    return 1 - (2 * (y * p).sum(-1) + 1e-5) / ((y + p).sum(-1) + 1e-5)


@wrong(
    R.Dice(smooth_nr=1.0, smooth_dr=1.0),
    "formula",
    r"sign|negat|1 −|constant|differ|less by 1|less 1|minus the score|− ?score|-score",
    name="dice_negative",
)
def minus_the_score(y, p):
    return -(2 * (y * p).sum() + 1) / (y.sum() + p.sum() + 1)


@wrong(R.Dice(axis=-1, **NONE), "formula", r"sigmoid|logit|again|twice")
def dice_sigmoid_of_probabilities(y, p):
    p = torch.sigmoid(p)
    return 1 - 2 * (y * p).sum(-1) / (y + p).sum(-1)


@wrong(R.Dice(axis=-1, **NONE), "formula", NO_GRADIENT + r"|threshold|round|hard|0\.5")
def dice_of_hard_masks(y, p):
    hard = (p > 0.5).to(p.dtype)
    return 1 - 2 * (y * hard).sum(-1) / (y + hard).sum(-1).clamp(min=1e-30) + 0 * p.sum(-1)


@wrong(R.IoU(axis=-1, **NONE), "formula", r"Dice|2I|twice")
def iou_numerator_twice(y, p):
    both = (y * p).sum(-1)
    return 1 - 2 * both / ((y + p).sum(-1) - both)


@wrong(R.IoU(smooth_nr=1.0, smooth_dr=1.0), "formula", r"smooth|inside|intersection|union")
def iou_smoothing_inside(y, p):
    both = (y * p).sum() + 1
    return 1 - both / (y.sum() + p.sum() - both + 1)


@wrong(R.IoU(axis=-1, **NONE), "formula", r"intersection|union|P \+ T|total|2I|subtract")
def iou_union_counts_twice(y, p):
    return 1 - (y * p).sum(-1) / (y.sum(-1) + p.sum(-1))


@wrong(R.GeneralizedDice(axis=-1), "formula", r"1/V|1/R|volume|square|weight")
def generalized_dice_inverse_volume(y, p):
    w = 1 / y.sum(0).clamp(min=1e-2)
    return 1 - 2 * (w * (y * p).sum(0)).sum() / (w * (y + p).sum(0)).sum()


@wrong(R.GeneralizedDice(axis=-1), "formula", r"1e-0?\d|epsilon|adds|volume|weight|absent", does=("epsilon",))
def generalized_dice_epsilon_in_the_weight(y, p):
    w = 1 / (y.sum(0) ** 2 + 1e-2)
    return 1 - 2 * (w * (y * p).sum(0)).sum() / (w * (y + p).sum(0)).sum()


@wrong(R.BinaryCrossEntropy(**NONE), "formula", r"base|10|log10|ratio|factor|0\.434|2\.30")
def bce_to_base_ten(y, p):
    return F.binary_cross_entropy(p, y, reduction="none") / math.log(10)


# ---- gradients that are written by hand ------------------------------------------------------------------------------


class HuberThatIgnoresUpstream(torch.autograd.Function):
    @staticmethod
    def forward(ctx, yhat, y):
        r = yhat - y
        ctx.save_for_backward(r)
        return torch.where(r.abs() < 0.7, 0.5 * r**2, 0.7 * (r.abs() - 0.35))

    @staticmethod
    def backward(ctx, upstream):
        (r,) = ctx.saved_tensors
        return r.clamp(-0.7, 0.7), None


class SquaresWithTheSignOfY(torch.autograd.Function):
    @staticmethod
    def forward(ctx, yhat, y):
        ctx.save_for_backward(yhat, y)
        return (yhat - y) ** 2

    @staticmethod
    def backward(ctx, upstream):
        yhat, y = ctx.saved_tensors
        return 2 * (y - yhat) * upstream, None


@wrong(R.Huber(delta=0.7, **NONE), "formula", r"upstream|grad_output|chain|incoming|multipl")
def huber_ignores_upstream(y, yhat):
    return HuberThatIgnoresUpstream.apply(yhat, y)


@wrong(R.MeanSquaredError(**NONE), "formula", SIGN)
def squares_with_the_sign_of_y(y, yhat):
    return SquaresWithTheSignOfY.apply(yhat, y)


@wrong(R.BinaryCrossEntropy(), "formula", NO_GRADIENT + r"|round|threshold|hard")
def bce_of_rounded_predictions(y, p):
    return F.binary_cross_entropy(torch.round(p), y)


@wrong(R.CrossEntropy(), "formula", r"ratio|factor|twice|half|temperature|logits|scal|arguments?", targets="index")
def entropy_of_halved_logits(y, z):
    return F.cross_entropy(z / 2, y)


@wrong(R.CrossEntropy(), "formula", r"focal|1 − p|weight|factor|p_t", targets="index")
def focal_for_entropy(y, z):
    nats = F.cross_entropy(z, y, reduction="none")
    return ((1 - torch.exp(-nats)) ** 2 * nats).mean()
