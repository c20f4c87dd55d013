"""torchvision: the focal loss of `torchvision.ops`, differentiated by PyTorch's autograd."""

from __future__ import annotations

from reflosses.frameworks.function import Framework, Function, Offer

# A torchvision that was built for another PyTorch loads no operators, and stops at the first that is missing.
IMPORTS = """\
import torch
try:
    import torchvision.ops
except RuntimeError:  # built for another PyTorch: two operators are declared, and what is written in Python works
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision.ops"""

FUNCTIONS = (
    Function(
        "torchvision.sigmoid_focal_loss",
        "torchvision.ops.sigmoid_focal_loss(yhat, y, alpha=-1 if alpha is None else alpha, gamma=gamma, "
        "reduction=reduction)",
        "FocalWithLogits(gamma=gamma, alpha=alpha, reduction=reduction)",
        {"alpha": 0.25, "gamma": 2.0, "reduction": "none"},
        ({}, {"alpha": None, "gamma": 3.5, "reduction": "mean"}, {"alpha": 0.75, "gamma": 0.375, "reduction": "sum"}),
        refused=({"gamma": -0.75}, {"alpha": 1.25}),
        note="alpha weighs y = 1, 1 − alpha weighs y = 0, and −1 stands for no alpha; forms 1 − p, which is 0 for sure "
        "predictions",
    ),
)

NOT_COVERED = {
    "torchvision.ops.generalized_box_iou_loss, distance_box_iou_loss, complete_box_iou_loss": (
        "IoU of boxes with a penalty of their distance, no losses of ours"
    ),
}

OFFERS = (Offer("torchvision.ops", r"_loss$", others="ciou_loss diou_loss focal_loss giou_loss"),)  # modules

FRAMEWORK = Framework(
    "torchvision", "torchvision", IMPORTS, "torch", FUNCTIONS, NOT_COVERED, extra="torchvision", offers=OFFERS
)
