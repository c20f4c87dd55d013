"""MONAI: losses of medical images, differentiated by PyTorch's autograd.

The losses of masks take arrays of samples, classes, and then the image, and give one loss for each sample and class;
with `batch=True` one for each class. A call here has one class, so the image of a sample is our last axis.
"""

from __future__ import annotations

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.frameworks.function import TWO_DTYPES, Framework, Function, Offer

SMOOTH = "smooth_nr=smooth_nr, smooth_dr=smooth_dr"
ONE_CLASS = "(yhat[:, None], y[:, None])"
DEFAULTS = {"smooth_nr": 1e-5, "smooth_dr": 1e-5}
TRIED: tuple[dict[str, float], ...] = ({}, {"smooth_nr": 0.375, "smooth_dr": 6.0})


def real_images(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Scores of images that are real: their target is 1."""
    return np.ones_like(y), yhat


def _of_masks(name: str, call: str, equals: str, note: str = "") -> Function:
    """A loss of masks, of one class."""
    return Function(f"monai.{name}", f"monai.losses.{call}", equals, DEFAULTS, TRIED, dtypes=TWO_DTYPES, note=note)


FUNCTIONS = (
    _of_masks(
        "DiceLoss",
        f"DiceLoss({SMOOTH}, reduction='none'){ONE_CLASS}[:, 0, 0]",
        f"Dice(axis=-1, {SMOOTH}, reduction='none')",
        "one loss for each sample and class, whatever is in them; smooth_nr and smooth_dr are ours",
    ),
    _of_masks(
        "DiceLoss batch",
        f"DiceLoss({SMOOTH}, batch=True)(yhat[:, None, None], y[:, None, None])",
        f"Dice({SMOOTH})",
        "with batch=True the sums of a class are those of all images",
    ),
    _of_masks(
        "DiceLoss jaccard",
        f"DiceLoss(jaccard=True, {SMOOTH}, reduction='none'){ONE_CLASS}[:, 0, 0]",
        "IoU(axis=-1, smooth_nr=smooth_nr / 2, smooth_dr=smooth_dr / 2, reduction='none')",
        "forms twice the intersection over twice the union, so that its smoothing is twice ours",
    ),
    _of_masks(
        "MaskedDiceLoss",
        f"MaskedDiceLoss({SMOOTH}, reduction='none'){ONE_CLASS}[:, 0, 0]",
        f"Dice(axis=-1, {SMOOTH}, reduction='none')",
        "without a mask; a mask multiplies prediction and target",
    ),
    _of_masks(
        "TverskyLoss",
        f"TverskyLoss({SMOOTH}, reduction='none'){ONE_CLASS}[:, 0]",
        "Dice(axis=-1, smooth_nr=2 * smooth_nr, smooth_dr=2 * smooth_dr, reduction='none')",
        "with alpha = beta = 0.5, its defaults; its smoothing is half of ours",
    ),
    _of_masks(
        "TverskyLoss alpha=beta=1",
        f"TverskyLoss(alpha=1.0, beta=1.0, {SMOOTH}, reduction='none'){ONE_CLASS}[:, 0]",
        f"IoU(axis=-1, {SMOOTH}, reduction='none')",
    ),
    Function(
        "monai.GeneralizedDiceLoss",
        "monai.losses.GeneralizedDiceLoss(smooth_nr=0.0, smooth_dr=0.0, reduction='none')(yhat, y).reshape(-1)",
        "GeneralizedDice(axis=1, per_sample=True, reduction='none')",
        dtypes=TWO_DTYPES,
        note="the loss only without smoothing, which is 1e-5 by default; its class weights are float32 in any dtype, "
        "and nothing against nothing is NaN",
    ),
    Function(
        "monai.GeneralizedDiceLoss batch",
        "monai.losses.GeneralizedDiceLoss(smooth_nr=0.0, smooth_dr=0.0, batch=True)(yhat, y)",
        "GeneralizedDice(axis=1)",
        dtypes=TWO_DTYPES,
        note="with batch=True the volumes of a class are those of all images",
    ),
    Function(
        "monai.FocalLoss",
        f"monai.losses.FocalLoss(gamma=gamma, alpha=alpha, reduction='none'){ONE_CLASS}[:, 0]",
        "FocalWithLogits(gamma=gamma, alpha=alpha, reduction='none')",
        {"gamma": 2.0, "alpha": None},
        ({}, {"gamma": 3.5, "alpha": 0.3125}, {"gamma": 0.375}),
        refused=({"gamma": -0.75}, {"alpha": 1.25}),
        note="computes in float32, whatever comes in; with reduction='sum' it averages over the image first",
    ),
    Function(
        "monai.PatchAdversarialLoss",
        "monai.losses.PatchAdversarialLoss(criterion='least_squares', no_activation_leastsq=True, reduction='none')"
        "(yhat, True, True)[0]",
        "MeanSquaredError(reduction='none')",
        inputs=real_images,
        validates=False,
        note="the squared distance to the label 1 of real images; only of least squares without an activation",
    ),
)

NOT_COVERED = {
    "monai.losses.MCCLoss": "of Matthews' correlation coefficient, no loss of ours",
    "monai.losses.BoundaryLoss": "of distances to a boundary, no loss of ours",
    "monai.losses.BoxGIoULoss": "generalised IoU of boxes, no loss of ours",
    "monai.losses.DiceCELoss, DiceFocalLoss, GeneralizedDiceFocalLoss": "sums of two losses: check each alone",
    "monai.losses.AsymmetricUnifiedFocalLoss": "a focal Tversky loss, no loss of ours",
    "monai.losses.GeneralizedWassersteinDiceLoss": "Dice with distances of classes, no loss of ours",
    "monai.losses.DiceLoss(squared_pred=True)": "squares in the denominator, no loss of ours",
    "monai.losses.FocalLoss(use_softmax=True)": "the focal loss of a softmax, no loss of ours",
    "monai.losses.TverskyLoss with other alpha and beta": "Tversky's loss, no loss of ours",
    "monai.losses.AUCMLoss": "has learned parameters of its own",
    "monai.losses.BarlowTwinsLoss, ContrastiveLoss": "of pairs of embeddings, no losses of ours",
    "monai.losses.BendingEnergyLoss, DiffusionLoss": "of the smoothness of a deformation, no losses of ours",
    "monai.losses.GlobalMutualInformationLoss, LocalNormalizedCrossCorrelationLoss": "of the similarity of images",
    "monai.losses.HausdorffDTLoss, LogHausdorffDTLoss": "of distance transforms, no losses of ours",
    "monai.losses.JukeboxLoss, PerceptualLoss, SSIMLoss, SURELoss": "of spectra, features and structure of images",
    "monai.losses.DeepSupervisionLoss, MaskedLoss, MultiScaleLoss": "wrap another loss",
    "monai.losses.NACLLoss": "cross-entropy plus a penalty of neighbouring logits",
    "monai.losses.SoftclDiceLoss, SoftDiceclDiceLoss": "of skeletons, no losses of ours",
}

OFFERS = (Offer("monai.losses", r"Loss$"),)

FRAMEWORK = Framework(
    "monai", "monai", "import torch, monai.losses", "torch", FUNCTIONS, NOT_COVERED, extra="monai", offers=OFFERS
)
