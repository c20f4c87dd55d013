"""Value and gradient are multiplied by a factor, such as ½ or the number of classes."""

from __future__ import annotations

from math import log

from reflosses.diagnosis.changes import classes, everything, only_for
from reflosses.diagnosis.model import Family
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cauchy import Cauchy
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.losses.negative_log_likelihood import NegativeLogLikelihood
from reflosses.losses.sparse_categorical_cross_entropy import SparseCategoricalCrossEntropy
from reflosses.losses.weighted_cross_entropy import WeightedCrossEntropy

FAMILY = Family()

FAMILY.convention(
    "half",
    says="gives half of the value and half of the gradient",
    seen_in="optax.l2_loss, sklearn HalfSquaredError, Cauchy of GTSAM and SciPy",
    seen_of=("MeanSquaredError", "Cauchy"),
    change=everything(0.5),
)
FAMILY.convention(
    "double",
    says="gives twice the value and twice the gradient",
    seen_in="Huber and Cauchy of Ceres and g2o against those with ½",
    seen_of=("Huber", "Cauchy"),
    change=everything(2.0),
)
FAMILY.convention(
    "opposite sign", says="gives the loss with the opposite sign, as a score to maximise", change=everything(-1.0)
)
FAMILY.convention(
    "in percent",
    says="gives 100 times the value and the gradient",
    seen_in="keras MAPE",
    seen_of=("MeanAbsoluteError",),
    change=everything(100.0),
)
FAMILY.convention(
    "divides by the scale",
    says="divides by the scale at which the loss bends",
    seen_in="torch smooth_l1_loss",
    seen_of=("Huber",),
    change=everything(lambda q: 1 / q.loss.scale),
)
FAMILY.convention("multiplies by the scale", says="multiplies by the scale", change=everything(lambda q: q.loss.scale))
FAMILY.convention(
    "divides by the squared scale",
    says="divides by the square of the scale",
    seen_in="kernels in units of the scale",
    change=everything(lambda q: q.loss.scale**-2.0),
)
FAMILY.convention(
    "divides by the classes",
    says="divides by the number of classes",
    seen_in="MONAI and kornia softmax focal, torch kl_div(reduction='mean')",
    seen_of=("CrossEntropy", "FocalWithLogits"),
    change=everything(lambda q: 1 / classes(q)),
)
FAMILY.convention(
    "multiplies by the classes",
    says="multiplies by the number of classes",
    change=everything(lambda q: float(classes(q))),
)
FAMILY.convention(
    "in bits",
    says="takes logarithms to the base 2",
    change=only_for(
        (
            BinaryCrossEntropy,
            BinaryCrossEntropyWithLogits,
            CrossEntropy,
            Focal,
            FocalWithLogits,
            NegativeLogLikelihood,
            SparseCategoricalCrossEntropy,
            WeightedCrossEntropy,
            Cauchy,
        ),
        everything(1 / log(2)),
    ),
)
