"""kornia: robust, focal and overlap losses of images, differentiated by PyTorch's autograd.

Its losses of masks take logits and apply a softmax over axis 1, so its Dice loss is ours in value only: the gradient is
that of logits. Its focal loss of a softmax over two classes is the focal loss of one logit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.frameworks.function import TWO_DTYPES, Framework, Function, Offer

STEPS = 1024  # a probability of so many steps and its complement are floats of every dtype here
TWO_CLASSES = "(torch.log(yhat.reshape(1, 2, 1, -1)), y.reshape(1, 2, 1, -1)[:, 1].long(), "


def hard_labels_only(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Labels 0 and 1."""
    return np.rint(y), yhat


def two_classes(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Hard masks and probabilities of two classes: the second half of a row is that of class 1."""
    if yhat.shape[-1] % 2 or not np.isfinite(yhat).all():
        return y[:0], yhat[:0]
    y, yhat = np.rint(y), np.rint(yhat * STEPS) / STEPS
    y, yhat = (a[..., a.shape[-1] // 2 :] for a in (y, yhat))
    return np.concatenate([1 - y, y], axis=-1), np.concatenate([1 - yhat, yhat], axis=-1)


FOCAL_TRIED: tuple[dict[str, Any], ...] = ({}, {"gamma": 3.5, "alpha": None}, {"gamma": 0.375})

FUNCTIONS = (
    Function(
        "kornia.cauchy_loss",
        "kornia.losses.cauchy_loss(yhat, y, reduction=reduction)",
        "Scaled(0.5, Cauchy(delta=2**0.5, reduction=reduction))",
        {"reduction": "none"},
        ({}, {"reduction": "mean"}),
        note="log(1 + r²/2): half of our Cauchy of delta = √2",
    ),
    Function(
        "kornia.binary_focal_loss_with_logits",
        "kornia.losses.binary_focal_loss_with_logits(yhat[:, None], y[:, None], alpha=alpha, gamma=gamma)[:, 0]",
        "FocalWithLogits(gamma=gamma, alpha=alpha, reduction='none')",
        {"gamma": 2.0, "alpha": 0.25},
        FOCAL_TRIED,
        refused=({"gamma": -0.75}, {"alpha": 1.25}),
        note="alpha weighs y = 1, 1 − alpha weighs y = 0; targets of −100 are ignored and still count in the mean",
    ),
    Function(
        "kornia.focal_loss",
        "kornia.losses.focal_loss(torch.stack([torch.zeros_like(yhat), yhat], 1), y.long(), alpha=alpha, gamma=gamma)"
        ".sum(1)",
        "FocalWithLogits(gamma=gamma, alpha=alpha, reduction='none')",
        {"gamma": 2.0, "alpha": 0.25},
        FOCAL_TRIED,
        refused=({"gamma": -0.75}, {"alpha": 1.25}),
        inputs=hard_labels_only,
        validates=False,
        note="the focal loss of a softmax, here over a logit and 0; 1 − alpha weighs class 0, alpha every other "
        "class; a mean is also over the classes",
    ),
    Function(
        "kornia.dice_loss",
        f"kornia.losses.dice_loss{TWO_CLASSES}eps=eps)",
        "Dice(smooth_dr=eps)",
        {"eps": 1e-8},
        ({}, {"eps": 0.375}),
        grad=None,
        dtypes=TWO_DTYPES,
        inputs=two_classes,
        validates=False,
        note="of the softmax of logits, in value only; the default average='micro' pools all classes of a sample",
    ),
)

NOT_COVERED = {
    "kornia.losses.charbonnier_loss": "pseudo-Huber of delta = 1, no loss of ours",
    "kornia.losses.geman_mcclure_loss, welsch_loss": "robust kernels, no losses of ours",
    "kornia.losses.kl_div_loss_2d, js_div_loss_2d": "divergences, no losses of ours",
    "kornia.losses.lovasz_hinge_loss, lovasz_softmax_loss": "Lovász's hinge and softmax, no losses of ours",
    "kornia.losses.dice_loss(average='macro')": "the mean over the classes that a sample has, in value only",
    "kornia.losses.tversky_loss": "Tversky's loss of a softmax, averaged over the classes that a sample has",
    "kornia.losses.psnr_loss, ssim_loss, ssim3d_loss, MS_SSIMLoss": "of the structure of images, no losses of ours",
    "kornia.losses.mutual_information_loss, normalized_mutual_information_loss": "of the similarity of images",
    "kornia.losses.total_variation, inverse_depth_smoothness_loss": "of the smoothness of images, no losses of ours",
    "kornia.losses.HausdorffERLoss, HausdorffERLoss3D": "of eroded masks, no losses of ours",
}

VARIANTS = " ".join(  # of mutual_information_loss and normalized_mutual_information_loss
    [f"{kind}LossFromRef{axes}" for kind in ("MI", "NMI") for axes in ("", "2D", "3D")]
    + [f"{kind}mutual_information_loss_{axes}" for kind in ("", "normalized_") for axes in ("2d", "3d")]
)
OFFERS = (Offer("kornia.losses", r"(?i)loss|^total_variation$", others=VARIANTS),)

FRAMEWORK = Framework(
    "kornia", "kornia", "import torch, kornia.losses", "torch", FUNCTIONS, NOT_COVERED, extra="kornia", offers=OFFERS
)
