"""Defects of losses from the public trackers of the frameworks that reproduce in the pinned versions.

thread: where it was reported, or discussed for a sibling of the function. regimes: one of these must show it. given:
the parameters with which it shows, where those that are always tried do not.
"""

from dataclasses import replace
from typing import Any, NamedTuple

from reflosses.comparison.battery import Inputs
from reflosses.frameworks.function import Framework, Function, find
from reflosses.frameworks.inputs import as_drawn

HOMES = {
    "pytorch": "https://github.com/pytorch/pytorch/issues/",
    "jax": "https://github.com/jax-ml/jax/issues/",
    "optax": "https://github.com/google-deepmind/optax/issues/",
    "keras": "https://github.com/keras-team/keras/issues/",
    "keras-core": "https://github.com/keras-team/keras-core/issues/",
    "tensorflow": "https://github.com/tensorflow/tensorflow/issues/",
    "sklearn": "https://github.com/scikit-learn/scikit-learn/issues/",
    "scipy": "https://github.com/scipy/scipy/issues/",
    "onnx": "https://github.com/onnx/onnx/issues/",
    "xgboost": "https://github.com/dmlc/xgboost/issues/",
    "lightgbm": "https://github.com/lightgbm-org/LightGBM/issues/",
    "vision": "https://github.com/pytorch/vision/pull/",
    "monai": "https://github.com/Project-MONAI/MONAI/issues/",
    "smp": "https://github.com/qubvel-org/segmentation_models.pytorch/issues/",
    "segmentation_models": "https://github.com/qubvel/segmentation_models/issues/",
    "kornia": "https://github.com/kornia/kornia/issues/",
    "focal_loss_pytorch": "https://github.com/clcarwin/focal_loss_pytorch/issues/",
    "focal-loss": "https://github.com/artemmavrin/focal-loss/issues/",
    "ldam": "https://github.com/kaidic/LDAM-DRW/issues/",
    "unet": "https://github.com/milesial/Pytorch-UNet/issues/",
    "deadtrees": "https://github.com/cwerner/deadtrees/issues/",
}


class Known(NamedTuple):
    """A defect, and where the battery must find it."""

    thread: str
    function: str
    dtype: str
    regimes: str
    what: str  # "value" or "gradient"
    verdict: str
    given: dict[str, Any] | None = None
    equals: str | None = None  # the loss that was meant, where the mapping takes the defect for the definition
    inputs: Inputs | None = None  # inputs that the mapping avoids because of the defect

    def asked(self) -> tuple[Framework, Function]:
        """The framework, and the function against the loss that was meant."""
        framework, function = find(self.function)
        equals, inputs = self.equals or function.equals, self.inputs or function.inputs
        return framework, replace(function, equals=equals, inputs=inputs)

    @property
    def url(self) -> str:
        """The thread."""
        home, _, number = self.thread.partition("#")
        return HOMES[home] + number


LOGITS, CE = "torch.binary_cross_entropy_with_logits", "torch.cross_entropy"
BCE, K = "torch.binary_cross_entropy", "keras.losses."

KNOWN = [
    Known("pytorch#195677", LOGITS, "float64", "A", "gradient", "spurious zero"),
    Known("pytorch#195529", LOGITS, "float64", "A", "value", "spurious zero"),
    Known("pytorch#195678", CE, "float64", "A", "gradient", "spurious zero"),
    Known("pytorch#103316", BCE, "float32", "BD", "gradient", "dead gradient"),
    Known("pytorch#163975", BCE, "float32", "BD", "value", "capped"),
    Known("pytorch#171327", BCE, "float32", "D", "value", "capped"),
    Known("pytorch#135359", LOGITS, "float32", "G", "value", "spurious inf/NaN"),
    Known("pytorch#11551", CE, "float32", "G", "gradient", "spurious inf/NaN"),
    Known("pytorch#121416", "torch.mse_loss", "float32", "G", "gradient", "spurious inf/NaN"),
    Known(
        "pytorch#29429", "torch.nll_loss", "float16", "J", "value", "spurious zero", {"class_weight": (0.25, 3.0, 0.75)}
    ),
    Known("pytorch#134767", CE, "float32", "K", "value", "accepts invalid input"),
    Known("pytorch#152437", "torch.cross_entropy probabilities", "float32", "K", "value", "accepts invalid input"),
    Known("pytorch#134771", "torch.cross_entropy probabilities", "float32", "K", "value", "accepts invalid input"),
    Known("pytorch#110865", LOGITS, "float32", "K", "value", "accepts invalid input"),
    Known("pytorch#123339", LOGITS, "float32", "K", "value", "accepts invalid input"),
    Known("pytorch#16045", "torch.mse_loss", "float32", "K", "value", "accepts invalid input"),
    Known("pytorch#64256", CE, "float32", "K", "value", "accepts invalid input"),
    Known("jax#40384", "optax.softmax_cross_entropy", "float64", "A", "gradient", "spurious zero"),
    Known("optax#1762", "optax.safe_softmax_cross_entropy jacfwd", "float64", "G", "gradient", "spurious inf/NaN"),
    Known("optax#896", "optax.softmax_cross_entropy", "float64", "G", "value", "spurious inf/NaN"),
    Known("optax#431", "optax.sigmoid_binary_cross_entropy", "float64", "G", "value", "spurious inf/NaN"),
    Known("jax#40409", "optax.softmax_cross_entropy", "float16", "J", "value", "overflow"),
    Known(
        "optax#1185",
        "optax.softmax_cross_entropy_with_integer_labels",
        "float64",
        "K",
        "value",
        "accepts invalid input",
    ),
    Known("keras#15249", K + "binary_crossentropy", "float32", "A", "value", "inaccurate"),
    Known("keras#17634", K + "categorical_crossentropy", "float32", "AB", "value", "capped"),
    Known(
        "tensorflow#70326",
        K + "binary_focal_crossentropy",
        "float32",
        "ABC",
        "gradient",
        "spurious inf/NaN",
        {"from_logits": True, "gamma": 0.0},
    ),
    Known("tensorflow#62204", K + "binary_crossentropy", "float32", "D", "value", "inaccurate"),
    Known(
        "keras#9664",
        K + "binary_crossentropy",
        "float32",
        "D",
        "gradient",
        "dead gradient",
        equals="BinaryCrossEntropy(reduction='none')",
    ),
    Known("keras#6825", K + "MeanSquaredError", "float32", "GH", "value", "other convention"),
    Known(
        "keras#23451",
        K + "categorical_crossentropy axis=0",
        "float32",
        "I",
        "value",
        "other convention",
        {"label_smoothing": 0.125},
    ),
    Known(
        "tensorflow#127249",
        K + "categorical_crossentropy axis=0",
        "float32",
        "I",
        "value",
        "other convention",
        {"label_smoothing": 0.25},
    ),
    Known("keras#21097", K + "sparse_categorical_crossentropy axis=0", "float32", "I", "value", "crash"),
    Known("keras#15791", K + "MeanSquaredError", "float64", "EJ", "value", "spurious zero"),
    Known("keras-core#922", K + "mean_absolute_error", "float64", "EF", "value", "overflow"),
    Known("keras#15014", K + "SparseCategoricalCrossentropy", "bfloat16", "J", "value", "inaccurate"),
    Known("keras#23573", K + "Huber", "float32", "K", "value", "accepts invalid input"),
    Known("keras#23504", K + "binary_crossentropy", "float32", "K", "value", "accepts invalid input"),
    Known("keras#4744", K + "binary_crossentropy", "float32", "K", "value", "accepts invalid input"),
    Known("keras#15665", K + "hinge", "float32", "K", "value", "accepts invalid input"),
    Known("keras#2450", K + "sparse_categorical_crossentropy", "float32", "K", "value", "accepts invalid input"),
    Known("onnx#8423", "onnx.SoftmaxCrossEntropyLoss", "float32", "B", "value", "spurious inf/NaN"),
    Known(
        "onnx#8433", "onnx.NegativeLogLikelihoodLoss", "float32", "H", "value", "other convention", {"ignore_index": -1}
    ),
    Known(
        "onnx#8453", "onnx.NegativeLogLikelihoodLoss", "float32", "H", "value", "other convention", {"ignore_index": -1}
    ),
    Known("scipy#19521", "scipy.special.log_softmax", "float64", "A", "value", "spurious zero"),
    Known("scipy#19521", "scipy.special.log_softmax", "float32", "A", "value", "spurious zero"),
    Known("scipy#5044", "scipy.optimize.least_squares cauchy", "float64", "F", "value", "overflow"),
    Known("jax#21495", "scipy.special.log_softmax", "float64", "G", "value", "spurious inf/NaN"),
    Known("scipy#21135", "scipy.spatial.distance.dice", "float64", "H", "value", "spurious inf/NaN"),
    Known("scipy#17703", "scipy.spatial.distance.dice", "float64", "K", "value", "accepts invalid input"),
    Known("sklearn#28851", "sklearn.log_loss", "float64", "B", "value", "capped"),
    Known("sklearn#24315", "sklearn.log_loss", "float32", "B", "value", "capped"),
    Known("sklearn#17399", "sklearn.log_loss", "float64", "D", "value", "inaccurate"),
    Known("sklearn#24365", "sklearn.log_loss", "float64", "D", "value", "inaccurate"),
    Known("sklearn#13674", "sklearn.hinge_loss of labels", "float64", "H", "value", "other convention"),
    Known("sklearn#26864", "sklearn.f1_score", "float64", "H", "value", "other convention"),
    Known("sklearn#17826", "sklearn.jaccard_score", "float64", "H", "value", "other convention"),
    Known("sklearn#24515", "sklearn.log_loss of classes", "float64", "K", "value", "accepts invalid input"),
]

# Defects of the libraries of images and of factor graphs. No test in the vectors cites them.
SOFT_BCE, SOFT_CE, TV_FOCAL = "smp.SoftBCEWithLogitsLoss", "smp.SoftCrossEntropyLoss", "torchvision.sigmoid_focal_loss"
LINEAR_CE = "torch.linear_cross_entropy"
K_FOCAL = "kornia.binary_focal_loss_with_logits"

OF_IMAGES = [
    Known("kornia#918", K_FOCAL, "float32", "G", "gradient", "spurious inf/NaN", {"gamma": 0.375}),
    Known("kornia#2115", K_FOCAL, "float32", "G", "value", "spurious inf/NaN"),
    Known("kornia#2115", "kornia.focal_loss", "float64", "G", "value", "spurious inf/NaN"),
    Known("focal_loss_pytorch#13", TV_FOCAL, "float32", "AC", "gradient", "spurious inf/NaN", {"gamma": 0.375}),
    Known("optax#1267", TV_FOCAL, "float64", "AC", "gradient", "spurious inf/NaN", {"gamma": 0.375}),
    Known("ldam#17", "smp.FocalLoss", "float32", "AC", "gradient", "spurious inf/NaN", {"gamma": 0.375}),
    Known("vision#8882", "smp.FocalLoss", "float32", "K", "value", "accepts invalid input"),
    Known("focal-loss#16", "monai.FocalLoss", "float64", "BD", "value", "inaccurate"),
    Known("deadtrees#84", "monai.GeneralizedDiceLoss", "float32", "H", "value", "spurious inf/NaN"),
    Known("monai#371", "monai.GeneralizedDiceLoss batch", "float32", "H", "gradient", "spurious inf/NaN"),
    Known(
        "monai#7883",
        "monai.DiceLoss",
        "float32",
        "H",
        "value",
        "other convention",
        {"smooth_nr": 0.0},
        equals="Dice(axis=-1, reduction='none')",
    ),
    Known("unet#271", "monai.DiceLoss", "float32", "K", "value", "accepts invalid input"),
    Known(
        "segmentation_models#269",
        "smp.DiceLoss",
        "float32",
        "H",
        "value",
        "spurious zero",
        inputs=as_drawn,
    ),
    Known(
        "segmentation_models#269",
        "smp.JaccardLoss",
        "float32",
        "H",
        "value",
        "spurious zero",
        inputs=as_drawn,
    ),
    Known("smp#810", "smp.DiceLoss", "float32", "I", "value", "other convention", inputs=as_drawn),
    Known("smp#852", SOFT_CE, "float32", "H", "value", "other convention", {"reduction": "mean", "ignore_index": 255}),
    Known(
        "smp#372",
        SOFT_CE,
        "float32",
        "D",
        "value",
        "crash",
        {"reduction": "sum", "smooth_factor": None},
        equals="CrossEntropy(axis=1, reduction='sum')",
    ),
    Known("pytorch#195529", SOFT_BCE, "float64", "A", "value", "spurious zero"),
    Known("pytorch#195677", SOFT_BCE, "float64", "A", "gradient", "spurious zero"),
    Known("pytorch#135359", SOFT_BCE, "float32", "G", "value", "spurious inf/NaN"),
    Known("pytorch#110865", SOFT_BCE, "float32", "K", "value", "accepts invalid input"),
    Known("pytorch#195678", LINEAR_CE, "float64", "A", "gradient", "spurious zero"),
    Known("pytorch#11551", LINEAR_CE, "float32", "G", "gradient", "spurious inf/NaN"),
    Known("optax#896", "optax.ranking_softmax_loss", "float64", "G", "value", "spurious inf/NaN"),
    Known("scipy#21135", "scipy.spatial.distance.braycurtis", "float64", "H", "value", "spurious inf/NaN"),
    Known("scipy#5044", "kornia.cauchy_loss", "float64", "F", "value", "overflow"),
    Known("scipy#5044", "gtsam.Cauchy", "float64", "F", "value", "overflow"),
    Known("scipy#5044", "pyceres.CauchyLoss", "float32", "F", "value", "overflow"),
]

# Defects of TensorFlow, and of the libraries that train trees. No test in the vectors cites them.
NN, V1 = "tf.nn.{}_with_logits".format, "tf.compat.v1.losses."

OF_TREES = [
    Known("tensorflow#75256", NN("sigmoid_cross_entropy"), "float64", "G", "value", "spurious inf/NaN"),
    Known("tensorflow#126634", NN("softmax_cross_entropy"), "float64", "A", "gradient", "spurious zero"),
    Known("tensorflow#40606", NN("softmax_cross_entropy"), "float32", "G", "value", "spurious inf/NaN"),
    Known("tensorflow#15079", NN("softmax_cross_entropy"), "float32", "K", "value", "accepts invalid input"),
    Known("tensorflow#2327", V1 + "softmax_cross_entropy", "float32", "K", "value", "accepts invalid input"),
    Known("tensorflow#17021", V1 + "sigmoid_cross_entropy", "float32", "K", "value", "accepts invalid input"),
    Known("tensorflow#39878", V1 + "mean_squared_error without weights", "float64", "I", "value", "inaccurate"),
    Known("tensorflow#48129", V1 + "sparse_softmax_cross_entropy", "float64", "I", "value", "inaccurate"),
    Known("keras#13113", V1 + "huber_loss", "float32", "G", "gradient", "spurious inf/NaN"),
    Known("keras#11643", V1 + "mean_squared_error", "float32", "H", "value", "other convention"),
    Known("xgboost#213", "xgboost.reg:logistic", "float32", "B", "value", "capped"),
    Known("xgboost#2955", "xgboost.binary:logistic", "float32", "A", "gradient", "spurious zero"),
    Known("xgboost#4061", "xgboost.binary:logitraw", "float32", "A", "gradient", "inaccurate"),
    Known("xgboost#7941", "xgboost.multi:softprob", "float32", "F", "value", "inaccurate"),
    Known("lightgbm#1937", "lightgbm.binary", "float32", "B", "value", "capped"),
    Known("lightgbm#6716", "lightgbm.binary", "float32", "K", "value", "accepts invalid input"),
    Known("lightgbm#1382", "lightgbm.binary", "float32", "K", "value", "accepts invalid input"),
]

# Objectives of trees whose second derivative is our curvature times a factor; LightGBM's is K / (K − 1) of K classes.
KNOWN_CURVATURES = {
    "xgboost#638": ("xgboost.multi:softmax", 2.0),
    "xgboost#5299": ("xgboost.multi:softmax", 2.0),
    "xgboost#2345": ("xgboost.multi:softmax", 2.0),
    "xgboost#5769": ("xgboost.multi:softprob", 2.0),
    "xgboost#10258": ("xgboost.multi:softprob", 2.0),
    "lightgbm#1154": ("lightgbm.multiclass", 1.5),
    "lightgbm#3256": ("lightgbm.multiclass", 1.5),
}


class Mended(NamedTuple):
    """A defect that the pinned version has no more: the call of its thread, whose numbers are right now."""

    thread: str
    function: str
    given: dict[str, Any]
    y: list[float]
    yhat: list[float]


MENDED = [  # all in float32; numbers below its range may be 0
    Mended("kornia#2115", K_FOCAL, {}, [1.0, 0.0], [100.0, -100.0]),
    Mended("kornia#918", K_FOCAL, {"gamma": 0.5}, [0.0, 1.0, 0.0, 1.0], [-100.0, -100.0, 100.0, 100.0]),
    Mended("optax#1267", "optax.sigmoid_focal_loss", {"gamma": 0.0}, [1.0], [1000.0]),
    Mended("optax#1346", "optax.sigmoid_focal_loss", {"gamma": 0.5}, [1.0], [100.0]),
    Mended("monai#115", "monai.FocalLoss", {}, [1.0, 0.0], [1000.0, -1000.0]),
    Mended("tensorflow#950", NN("sigmoid_cross_entropy"), {}, [1.0, 0.0], [1e4, -1e4]),
    Mended("xgboost#90", "xgboost.binary:logistic", {}, [1.0, 0.0], [100.0, -100.0]),
]
