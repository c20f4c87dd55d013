"""Right implementations in PyTorch, differentiated by autograd. Many lose digits or overflow: they are the loss."""

import torch
import torch.nn.functional as F
from torch import nn

import reflosses as R
from reflosses.comparison.expected import Scaled
from verdicts.rows import Row, right_into

ROWS: list[Row] = []
right = right_into(ROWS, "torch")

NONE, SUM = {"reduction": "none"}, {"reduction": "sum"}
W3 = (0.3, 7.0, 1.5)


def weights_like(z):
    return torch.tensor(W3, dtype=z.dtype)


def prediction_first(module):
    """A module of (prediction, target) as a function of (target, prediction)."""
    return lambda y, yhat: module(yhat, y)


# ---- residuals -------------------------------------------------------------------------------------------------------


@right(R.MeanSquaredError())
@right(R.MeanSquaredError(), name="mse_functional float32", dtype="float32")
def mse_functional(y, yhat):
    return F.mse_loss(yhat, y)


right(R.MeanSquaredError(**SUM), name="mse_module")(prediction_first(nn.MSELoss(reduction="sum")))
right(R.MeanAbsoluteError(), name="l1_module")(prediction_first(nn.L1Loss()))
right(R.Huber(delta=0.7), name="huber_module")(prediction_first(nn.HuberLoss(delta=0.7)))
right(R.Huber(), name="smooth_l1_module")(prediction_first(nn.SmoothL1Loss()))
right(Scaled(2.0, R.Huber(delta=0.5)), name="smooth_l1_beta")(prediction_first(nn.SmoothL1Loss(beta=0.5)))

FIRST = {"prediction_first": True}  # as PyTorch's own functions and modules are

right(R.BinaryCrossEntropyWithLogits(), name="bare logits module", **FIRST)(nn.BCEWithLogitsLoss())
right(R.CrossEntropy(), name="bare entropy module", **FIRST)(nn.CrossEntropyLoss())
right(R.Huber(), name="bare huber module", **FIRST)(nn.HuberLoss())
right(R.BinaryCrossEntropy(), "digits", name="bare bce function", **FIRST)(F.binary_cross_entropy)


@right(R.MeanSquaredError())
def mse_by_operators(y, yhat):
    return ((yhat - y) ** 2).mean()


@right(R.MeanSquaredError(**NONE), name="mse_pow")
def mse_pow(y, yhat):
    return torch.pow(yhat - y, 2)


@right(R.MeanSquaredError())
def mse_divided_by_numel(y, yhat):
    return torch.sum((yhat - y).square()) / y.numel()


@right(R.MeanAbsoluteError(**NONE))
def mae_abs(y, yhat):
    return torch.abs(yhat - y)


@right(R.Huber(delta=0.7, **NONE))
def huber_where(y, yhat):
    r = torch.abs(y - yhat)
    return torch.where(r < 0.7, 0.5 * r**2, 0.7 * (r - 0.35))


@right(R.Huber(), name="huber_clamped")
def huber_clamped(y, yhat):
    r = (y - yhat).abs()
    near = r.clamp(max=1.0)
    return (0.5 * near.pow(2) + (r - near)).mean()


@right(R.Cauchy(delta=0.5), "digits")
def cauchy_log(y, yhat):
    return (0.25 * torch.log(1 + ((yhat - y) / 0.5) ** 2)).mean()


@right(R.Cauchy(delta=1.3, information=((4.0, 1.5), (1.5, 0.75)), **NONE))
def cauchy_mahalanobis(y, yhat):
    e = yhat - y
    omega = torch.tensor([[4.0, 1.5], [1.5, 0.75]], dtype=e.dtype)
    s = torch.einsum("ni,ij,nj->n", e, omega, e)
    return 1.3**2 * torch.log1p(s / 1.3**2)


@right(R.Cauchy(**NONE), name="cauchy_bmm")
def cauchy_each(y, yhat):
    return torch.log1p((yhat - y).square())


# ---- two classes -----------------------------------------------------------------------------------------------------


@right(R.BinaryCrossEntropy(), "digits")
@right(R.BinaryCrossEntropy(), name="bce_functional float32", dtype="float32")
def bce_functional(y, p):
    return F.binary_cross_entropy(p, y)


right(R.BinaryCrossEntropy(**NONE), "digits", name="bce_module")(prediction_first(nn.BCELoss(reduction="none")))
right(R.BinaryCrossEntropyWithLogits(), name="logits_module")(prediction_first(nn.BCEWithLogitsLoss()))


@right(R.BinaryCrossEntropy(), "digits")
def bce_naive(y, p):
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()


@right(R.BinaryCrossEntropy(**SUM))
def bce_xlogy(y, p):
    return -(torch.xlogy(y, p) + torch.special.xlog1py(1 - y, -p)).sum()


@right(R.BinaryCrossEntropyWithLogits())
@right(R.BinaryCrossEntropyWithLogits(), name="logits_functional float32", dtype="float32")
def logits_functional(y, z):
    return F.binary_cross_entropy_with_logits(z, y)


@right(R.BinaryCrossEntropyWithLogits(pos_weight=3.0))
def logits_pos_weight(y, z):
    return F.binary_cross_entropy_with_logits(z, y, pos_weight=torch.tensor(3.0, dtype=z.dtype))


@right(R.BinaryCrossEntropyWithLogits(**NONE), "digits")
def logits_clamped_at_zero(y, z):
    return z.clamp(min=0) - y * z + torch.log1p(torch.exp(-z.abs()))


@right(R.BinaryCrossEntropyWithLogits(**NONE))
def logits_softplus(y, z):
    return y * F.softplus(-z) + (1 - y) * F.softplus(z)


@right(R.BinaryCrossEntropyWithLogits(), "digits")
def logits_softplus_less_yz(y, z):
    return (F.softplus(z) - y * z).mean()


@right(R.BinaryCrossEntropyWithLogits())
def logits_logsigmoid(y, z):
    return -(y * F.logsigmoid(z) + (1 - y) * F.logsigmoid(-z)).mean()


@right(R.BinaryCrossEntropyWithLogits(**SUM), "digits")
def logits_sigmoid_then_bce(y, z):
    p = torch.sigmoid(z)
    return -(y * p.log() + (1 - y) * (1 - p).log()).sum()


@right(R.Hinge())
def hinge_clamp(y, score):
    return torch.clamp(1 - y * score, min=0).mean()


@right(R.Hinge(**NONE))
def hinge_relu(y, score):
    return F.relu(1 - y * score)


@right(R.Focal(gamma=2.0, alpha=0.25))
def focal_probabilities(y, p):
    nats = F.binary_cross_entropy(p, y, reduction="none")
    p_t = p * y + (1 - p) * (1 - y)
    return ((0.25 * y + 0.75 * (1 - y)) * (1 - p_t) ** 2 * nats).mean()


@right(R.FocalWithLogits(gamma=2.0, alpha=0.25))
@right(R.FocalWithLogits(gamma=2.0, alpha=0.25), name="focal_logits float32", dtype="float32")
def focal_logits(y, z):
    p = torch.sigmoid(z)
    nats = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    p_t = p * y + (1 - p) * (1 - y)
    return ((0.25 * y + 0.75 * (1 - y)) * nats * (1 - p_t) ** 2).mean()


@right(R.FocalWithLogits(gamma=2.0, **NONE))
def focal_of_exp(y, z):
    nats = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return (1 - torch.exp(-nats)) ** 2 * nats


@right(R.FocalWithLogits(gamma=2.0, **SUM))
def focal_logsigmoid(y, z):
    log_p = torch.where(y == 1, F.logsigmoid(z), F.logsigmoid(-z))
    log_q = torch.where(y == 1, F.logsigmoid(-z), F.logsigmoid(z))
    return -(torch.exp(2 * log_q) * log_p).sum()


@right(R.WeightedCrossEntropy())
def sudre_detached(y, p):
    w = ((p.numel() - p.sum()) / p.sum()).detach()
    return -(w * torch.xlogy(y, p) + torch.special.xlog1py(1 - y, -p)).mean()


# ---- many classes ----------------------------------------------------------------------------------------------------


@right(R.CrossEntropy())
@right(R.CrossEntropy(), name="entropy_functional float32", dtype="float32")
def entropy_functional(y, z):
    return F.cross_entropy(z, y)


right(R.CrossEntropy(**SUM), name="entropy_module")(prediction_first(nn.CrossEntropyLoss(reduction="sum")))
right(R.CrossEntropy(label_smoothing=0.1), name="entropy_smoothed")(
    prediction_first(nn.CrossEntropyLoss(label_smoothing=0.1))
)
right(R.CrossEntropy(ignore_index=-100), name="entropy_ignoring", targets="index")(
    prediction_first(nn.CrossEntropyLoss(ignore_index=-100))
)


@right(R.CrossEntropy(class_weight=W3, reduction="weighted_mean"), targets="index")
def entropy_class_weights(y, z):
    return F.cross_entropy(z, y, weight=weights_like(z))


@right(R.CrossEntropy(class_weight=W3, reduction="weighted_mean"), name="entropy_class_weights both")
def entropy_class_weights_both(y, z):
    return F.cross_entropy(z, y, weight=weights_like(z))


@right(R.CrossEntropy(), targets="index")
def entropy_gather(y, z):
    return -F.log_softmax(z, dim=-1).gather(1, y.unsqueeze(1)).squeeze(1).mean()


@right(R.CrossEntropy(**NONE), targets="index")
def entropy_logsumexp(y, z):
    return torch.logsumexp(z, dim=1) - z[torch.arange(len(y)), y]


@right(R.CrossEntropy(), targets="rows")
def entropy_of_rows(y, z):
    return -(y * torch.log_softmax(z, dim=1)).sum(dim=1).mean()


@right(R.CrossEntropy(), targets="index")
def entropy_one_hot(y, z):
    hot = F.one_hot(y, z.shape[1]).to(z.dtype)
    return -torch.sum(hot * F.log_softmax(z, 1)) / len(y)


@right(R.CrossEntropy(label_smoothing=0.2), targets="index")
def entropy_smoothed_by_hand(y, z):
    log_p = F.log_softmax(z, dim=-1)
    nats = -log_p.gather(-1, y[:, None]).squeeze(-1)
    return (0.8 * nats + 0.2 * -log_p.mean(dim=-1)).mean()


@right(R.CrossEntropy(**NONE), "digits", targets="index")
def entropy_log_softmax_by_max(y, z):
    shifted = z - z.max(dim=1, keepdim=True).values
    log_p = shifted - shifted.exp().sum(1, keepdim=True).log()
    return -log_p[torch.arange(len(y)), y]


@right(R.CrossEntropy(), "digits", targets="index")
def entropy_log_of_softmax(y, z):
    return F.nll_loss(torch.log(F.softmax(z, dim=1)), y)


@right(R.CrossEntropy(ignore_index=255), targets="index")
def entropy_masked(y, z):
    keep = y != 255
    return F.cross_entropy(z[keep], y[keep])


@right(R.CrossEntropy(axis=1, **NONE), targets="index")
def entropy_channels(y, z):
    return nn.CrossEntropyLoss(reduction="none")(z, y)


@right(R.NegativeLogLikelihood())
def nll_functional(y, log_p):
    return F.nll_loss(log_p, y)


right(R.NegativeLogLikelihood(ignore_index=-1), name="nll_ignoring")(prediction_first(nn.NLLLoss(ignore_index=-1)))


@right(R.NegativeLogLikelihood(class_weight=W3, reduction="weighted_mean"))
def nll_weighted(y, log_p):
    return F.nll_loss(log_p, y, weight=weights_like(log_p))


@right(R.SparseCategoricalCrossEntropy())
def sparse_gather(y, p):
    return -torch.log(p.gather(1, y.view(-1, 1))).mean()


@right(R.SparseCategoricalCrossEntropy(**SUM))
def sparse_nll_of_log(y, p):
    return F.nll_loss(p.log(), y, reduction="sum")


# ---- overlaps --------------------------------------------------------------------------------------------------------


@right(R.Dice(smooth_nr=1.0, smooth_dr=1.0))
@right(R.Dice(smooth_nr=1.0, smooth_dr=1.0), name="dice_flat float32", dtype="float32")
def dice_flat(y, p):
    y, p = y.reshape(-1), p.reshape(-1)
    both = (y * p).sum()
    return 1 - (2.0 * both + 1) / (y.sum() + p.sum() + 1)


@right(R.Dice(axis=(1, 2), smooth_nr=1.0, smooth_dr=1.0, **NONE))
def dice_per_image(y, p):
    both = (y * p).sum(dim=(1, 2))
    return 1 - (2 * both + 1) / (y.sum(dim=(1, 2)) + p.sum(dim=(1, 2)) + 1)


@right(R.Dice(axis=(1, 2), smooth_nr=1e-5, smooth_dr=1e-5))
def dice_flattened_images(y, p):
    y, p = y.flatten(1), p.flatten(1)
    return (1 - (2 * (y * p).sum(1) + 1e-5) / ((y + p).sum(1) + 1e-5)).mean()


@right(R.Dice(axis=-1))
def dice_without_smoothing(y, p):
    return 1 - torch.mean(2 * torch.sum(y * p, -1) / (torch.sum(y, -1) + torch.sum(p, -1)))


@right(R.IoU(smooth_nr=1.0, smooth_dr=1.0))
def iou_flat(y, p):
    y, p = y.view(-1), p.view(-1)
    both = (y * p).sum()
    union = (y + p).sum() - both
    return 1 - (both + 1) / (union + 1)


@right(R.IoU(axis=-1, **NONE))
def iou_rows(y, p):
    both = torch.sum(y * p, dim=-1)
    return 1 - both / torch.sum(y + p - y * p, dim=-1)


@right(R.GeneralizedDice(axis=-1))
def generalized_dice(y, p):
    volume = y.sum(0)
    w = 1 / volume**2
    w = torch.where(torch.isinf(w), torch.zeros_like(w), w)
    largest = w.max()
    w = torch.where(w == 0, torch.where(largest > 0, largest, torch.ones_like(w)), w)
    return 1 - 2 * (w * (y * p).sum(0)).sum() / (w * (y + p).sum(0)).sum()
