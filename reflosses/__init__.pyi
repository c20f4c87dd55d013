"""Every name of reflosses; see `__init__.py`."""

from reflosses import overlap as overlap
from reflosses.checking import check as check
from reflosses.comparison.exhaustive import exhaust as exhaust
from reflosses.comparison.expected import Scaled as Scaled
from reflosses.comparison.worst_answers import hunt as hunt
from reflosses.diagnosis.search import diagnose as diagnose
from reflosses.evaluation.loss import Loss as Loss
from reflosses.evaluation.softmax import log_softmax as log_softmax
from reflosses.evaluation.threads import get_num_threads as get_num_threads
from reflosses.evaluation.threads import set_num_threads as set_num_threads
from reflosses.frameworks.function import as_ as as_
from reflosses.frameworks.program import Program as Program
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy as BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import (
    BinaryCrossEntropyWithLogits as BinaryCrossEntropyWithLogits,
)
from reflosses.losses.cauchy import Cauchy as Cauchy
from reflosses.losses.cross_entropy import CrossEntropy as CrossEntropy
from reflosses.losses.dice import Dice as Dice
from reflosses.losses.focal import Focal as Focal
from reflosses.losses.focal_with_logits import FocalWithLogits as FocalWithLogits
from reflosses.losses.generalized_dice import GeneralizedDice as GeneralizedDice
from reflosses.losses.hinge import Hinge as Hinge
from reflosses.losses.huber import Huber as Huber
from reflosses.losses.iou import IoU as IoU
from reflosses.losses.mean_absolute_error import MeanAbsoluteError as MeanAbsoluteError
from reflosses.losses.mean_squared_error import MeanSquaredError as MeanSquaredError
from reflosses.losses.negative_log_likelihood import NegativeLogLikelihood as NegativeLogLikelihood
from reflosses.losses.sparse_categorical_cross_entropy import (
    SparseCategoricalCrossEntropy as SparseCategoricalCrossEntropy,
)
from reflosses.losses.weighted_cross_entropy import WeightedCrossEntropy as WeightedCrossEntropy
from reflosses.reporting.portraits import portrait as portrait
from reflosses.truth.proof import certify as certify
from reflosses.truth.vector_files import vectors as vectors

__version__: str
__all__: list[str]
