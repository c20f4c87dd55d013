"""segmentation-models-pytorch: losses of masks and logits, differentiated by PyTorch's autograd.

Its Dice and Jaccard losses pool the whole batch, count a class that is absent from the targets as 0, and do not let a
denominator fall below 1e-7. The intersection is (Σp + Σy − Σ|p − y|)/2, which is that of hard masks only.
"""

from __future__ import annotations

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.frameworks.function import TWO_DTYPES, Framework, Function, Offer
from reflosses.frameworks.inputs import finite
from reflosses.frameworks.torchvision import IMPORTS

TRIED: tuple[dict[str, float], ...] = ({}, {"smooth": 0.375})


def present(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Hard masks in which every class is present."""
    y, yhat = finite(np.rint(y), yhat, eps)
    return (y, yhat) if y.any(axis=-1).all() else (y[:0], yhat[:0])


def smoothed_labels(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Labels ¼ and ¾, which the function makes of 0 and 1 with smooth_factor=0.25."""
    return 0.25 + np.rint(y) / 2, yhat


FUNCTIONS = (
    Function(
        "smp.DiceLoss",
        "segmentation_models_pytorch.losses.DiceLoss('binary', from_logits=False, smooth=smooth)"
        "(yhat[None, None], y[None, None])",
        "Dice(smooth_nr=2 * smooth, smooth_dr=2 * smooth)",
        {"smooth": 0.0},
        TRIED,
        dtypes=TWO_DTYPES,
        inputs=present,
        note="hard masks that are not empty, which cost 0 there; its smooth is half of ours",
    ),
    Function(
        "smp.DiceLoss multilabel",
        "segmentation_models_pytorch.losses.DiceLoss('multilabel', from_logits=False, smooth=smooth)"
        "(yhat[None], y[None])",
        "Dice(axis=-1, smooth_nr=2 * smooth, smooth_dr=2 * smooth)",
        {"smooth": 0.0},
        TRIED,
        dtypes=TWO_DTYPES,
        inputs=present,
        note="the mean over all classes; one that is absent from the masks costs 0 there",
    ),
    Function(
        "smp.JaccardLoss",
        "segmentation_models_pytorch.losses.JaccardLoss('binary', from_logits=False, smooth=smooth)"
        "(yhat[None, None], y[None, None])",
        "IoU(smooth_nr=smooth, smooth_dr=smooth)",
        {"smooth": 0.0},
        TRIED,
        dtypes=TWO_DTYPES,
        inputs=present,
        note="hard masks that are not empty, which cost 0 there",
    ),
    Function(
        "smp.JaccardLoss multilabel",
        "segmentation_models_pytorch.losses.JaccardLoss('multilabel', from_logits=False, smooth=smooth)"
        "(yhat[None], y[None])",
        "IoU(axis=-1, smooth_nr=smooth, smooth_dr=smooth)",
        {"smooth": 0.0},
        TRIED,
        dtypes=TWO_DTYPES,
        inputs=present,
        note="the mean over all classes; one that is absent from the masks costs 0 there",
    ),
    Function(
        "smp.TverskyLoss",
        "segmentation_models_pytorch.losses.TverskyLoss('binary', from_logits=False, smooth=smooth)"
        "(yhat[None, None], y[None, None])",
        "Dice(smooth_nr=2 * smooth, smooth_dr=2 * smooth)",
        {"smooth": 0.0},
        TRIED,
        dtypes=TWO_DTYPES,
        inputs=present,
        note="with alpha = beta = 0.5 and gamma = 1, its defaults",
    ),
    Function(
        "smp.FocalLoss",
        "segmentation_models_pytorch.losses.FocalLoss('binary', alpha=alpha, gamma=gamma, reduction=reduction)(yhat, y)"
        ".reshape(yhat.shape if reduction == 'none' else ())",
        "FocalWithLogits(gamma=gamma, alpha=alpha, reduction=reduction)",
        {"alpha": None, "gamma": 2.0, "reduction": "mean"},
        ({"reduction": "none"}, {"gamma": 3.5, "alpha": 0.3125}, {"gamma": 0.375, "reduction": "sum"}),
        refused=({"gamma": -0.75}, {"alpha": 1.25}),
        note="its exp(−cross-entropy) is the probability of a hard label only; the multiclass mode is this loss of a "
        "class against the rest, not the focal loss of a softmax",
    ),
    Function(
        "smp.SoftBCEWithLogitsLoss",
        "segmentation_models_pytorch.losses.SoftBCEWithLogitsLoss(reduction=reduction, "
        "pos_weight=None if pos_weight is None else torch.tensor(pos_weight, dtype=yhat.dtype))(yhat, y)",
        "BinaryCrossEntropyWithLogits(pos_weight=pos_weight, reduction=reduction)",
        {"reduction": "mean", "pos_weight": None},
        ({"reduction": "none"}, {"pos_weight": 3.5}, {"reduction": "sum", "pos_weight": 0.3125}),
        refused=({"pos_weight": -0.75},),
        dtypes=TWO_DTYPES,
        note="pixels of the label −100 cost 0, and still count in the mean",
    ),
    Function(
        "smp.SoftBCEWithLogitsLoss smooth_factor=0.25",
        "segmentation_models_pytorch.losses.SoftBCEWithLogitsLoss(reduction='none', smooth_factor=0.25)"
        "(yhat, 2 * y - 0.5)",
        "BinaryCrossEntropyWithLogits(reduction='none')",
        dtypes=TWO_DTYPES,
        inputs=smoothed_labels,
        validates=False,
        note="the loss of the labels smooth_factor and 1 − smooth_factor, here ¼ and ¾",
    ),
    Function(
        "smp.SoftCrossEntropyLoss",
        "segmentation_models_pytorch.losses.SoftCrossEntropyLoss(reduction=reduction, smooth_factor=smooth_factor, "
        "ignore_index=ignore_index)(yhat, y)",
        "CrossEntropy(axis=1, label_smoothing=smooth_factor, ignore_index=ignore_index, reduction=reduction)",
        {"reduction": "mean", "smooth_factor": 0.0, "ignore_index": -100},
        ({"reduction": "sum"}, {"reduction": "sum", "smooth_factor": 0.125, "ignore_index": 255}),
        refused=({"smooth_factor": -0.75},),
        dtypes=TWO_DTYPES,
        targets="index",
        note="ignored labels still count in its mean, and not in ours; smooth_factor must be given: None raises",
    ),
)

NOT_COVERED = {
    "segmentation_models_pytorch.losses.LovaszLoss": "Lovász's hinge and softmax, no losses of ours",
    "segmentation_models_pytorch.losses.MCCLoss": "of Matthews' correlation coefficient, no loss of ours",
    "segmentation_models_pytorch.losses.TverskyLoss with other alpha, beta and gamma": "Tversky's loss",
    "segmentation_models_pytorch.losses.DiceLoss(log_loss=True)": "minus the logarithm of the score, no loss of ours",
    "segmentation_models_pytorch.losses.DiceLoss(from_logits=True)": "of the sigmoid or softmax of logits",
    "segmentation_models_pytorch.losses._functional.softmax_focal_loss_with_logits": "no loss of ours",
    "segmentation_models_pytorch.losses._functional.wing_loss": "no loss of ours",
}

OFFERS = (
    Offer("segmentation_models_pytorch.losses", r"Loss$"),
    Offer(
        "segmentation_models_pytorch.losses._functional",
        r"_loss",
        others="focal_loss_with_logits label_smoothed_nll_loss",  # of FocalLoss and SoftCrossEntropyLoss
    ),
)

FRAMEWORK = Framework(
    "smp",
    "segmentation-models-pytorch",
    f"{IMPORTS}\nimport segmentation_models_pytorch",
    "torch",
    FUNCTIONS,
    NOT_COVERED,
    extra="smp",
    offers=OFFERS,
)
