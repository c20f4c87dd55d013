"""What real functions do instead of our canonical losses: the right name for each known convention.

Each row asks one function against the loss of ours that its name suggests. The first word of an id is the row of the
table of conventions that it shows. To be run where the frameworks are installed; a missing one skips its rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from needed import need

from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Cauchy,
    CrossEntropy,
    Dice,
    Focal,
    FocalWithLogits,
    GeneralizedDice,
    Hinge,
    Huber,
    IoU,
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    SparseCategoricalCrossEntropy,
)
from reflosses.diagnosis.hypotheses import HYPOTHESES
from reflosses.diagnosis.search import diagnose
from reflosses.frameworks.torchvision import IMPORTS

PACKAGES = {  # the distributions of modules that have another name
    "sklearn._loss": ("scikit-learn",),
    "sklearn.metrics": ("scikit-learn",),
    "segmentation_models_pytorch.losses": ("segmentation-models-pytorch",),
    "keras": ("keras", "jax"),
    "optax": ("optax", "jax"),
}
ON_TORCH = ("torch", "monai.losses", "kornia.losses", "segmentation_models_pytorch.losses")
KINDS = {h.name: h.kind for h in HYPOTHESES}
WEIGHTS = (0.25, 3.0, 0.75, 1.5)


@dataclass(frozen=True)
class Row:
    """make: the imported module → the candidate. conventions, defects: the names that are due."""

    id: str
    module: str
    make: Callable[[Any], Callable[..., Any]]
    loss: Any
    conventions: tuple[str, ...] = ()
    defects: tuple[str, ...] | None = None  # None: not looked at
    dtype: str = "float64"
    framework: str = "auto"
    targets: str = "auto"
    explained: bool = True


def torch_(f: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    """A function of torch.nn.functional."""
    return lambda torch: lambda y, yhat: f(torch.nn.functional, y, yhat)


def weighed_(f: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    return lambda torch: lambda y, yhat, weight=None: f(torch.nn.functional, y, yhat, weight)


def of(f: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    """A function of a module."""
    return lambda module: lambda y, yhat: f(module, y, yhat)


def of_weighed(f: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    return lambda module: lambda y, yhat, weight=None: f(module, y, yhat, weight)


def sk(name: str, *arguments: Any) -> Callable[[Any], Callable[..., Any]]:
    """A class of sklearn._loss: value and gradient of each sample."""

    def make(module: Any) -> Callable[..., Any]:
        loss = getattr(module, name)(*arguments)
        return lambda y, raw: loss.loss_gradient(y_true=y, raw_prediction=raw)

    return make


def least_squares(name: str, scale: float) -> Callable[[Any], Callable[..., Any]]:
    """The cost of scipy.optimize.least_squares at the residuals yhat − y, and its gradient."""

    def make(optimize: Any) -> Callable[..., Any]:
        def candidate(y: Any, yhat: Any) -> Any:
            found = optimize.least_squares(
                lambda x: x - y, yhat, loss=name, f_scale=scale, max_nfev=1, jac=lambda x: np.eye(x.size)
            )
            return found.cost, found.grad

        return candidate

    return make


def on_onnx(operator: str, runtime: str, **attributes: Any) -> Callable[[Any], Callable[..., Any]]:
    """An operator of ONNX as a model of one node."""
    weight = attributes.pop("weight", None)

    def make(onnx: Any) -> Callable[..., Any]:
        helper = onnx.helper

        def candidate(y: Any, yhat: Any) -> Any:
            inputs = {"yhat": yhat, "y": y} | ({} if weight is None else {"w": np.array(weight, yhat.dtype)})
            infos = [
                helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(a.dtype), None)
                for k, a in inputs.items()
            ]
            out = helper.make_tensor_value_info("out", infos[0].type.tensor_type.elem_type, None)
            node = helper.make_node(operator, list(inputs), ["out"], **attributes)
            graph = helper.make_graph([node], "loss", infos, [out])
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
            if runtime == "onnxruntime":
                import onnxruntime

                options = onnxruntime.SessionOptions()
                options.log_severity_level = 4
                session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
                return session.run(None, inputs)[0]
            from onnx.reference import ReferenceEvaluator

            return ReferenceEvaluator(model).run(None, inputs)[0]

        return candidate

    return make


def log_of(p: Any) -> Any:
    """Logits whose softmax are these probabilities, where they sum to 1."""
    import jax.numpy as jnp

    return jnp.log(p)


def binary_dice(optax: Any, y: Any, p: Any, smooth: float) -> Any:
    """One overlap of each last axis, of probabilities as logits."""
    import jax

    z = jax.scipy.special.logit(p)
    return optax.losses.dice_loss(z[..., None], y[..., None], smooth=smooth, apply_softmax=True, axis=-2)


def v1(name: str, reduction: str) -> Callable[[Any], Callable[..., Any]]:
    """A loss of tf.compat.v1.losses with weights."""

    def make(tf: Any) -> Callable[..., Any]:
        loss = getattr(tf.compat.v1.losses, name)
        return lambda y, yhat, weight=None: loss(y, yhat, 1.0 if weight is None else weight, reduction=reduction)

    return make


def monai(name: str, **arguments: Any) -> Callable[[Any], Callable[..., Any]]:
    """A loss of masks of MONAI, of one class: one loss for each image."""

    def make(losses: Any) -> Callable[..., Any]:
        loss = getattr(losses, name)(reduction="none", **arguments)
        return lambda y, x: loss(x[:, None], y[:, None])[:, 0, 0]

    return make


def kernel(made: Any, residuals: Any, weighted: bool = True) -> tuple[Any, Any]:
    """The loss and the gradient of a kernel of GTSAM, or its weight for its gradient."""
    slopes = [made.weight(r) * (r if weighted else 1) for r in residuals]
    return np.array([made.loss(r) for r in residuals]), np.array(slopes)


def rho(made: Any, s: float) -> float:
    """ρ(s) of a kernel of Ceres."""
    return float(made.evaluate(s)[0])


NONE, MEAN, SUM = ({"reduction": r} for r in ("none", "mean", "sum"))
LAST = "averages the last axis first"
F32 = {"dtype": "float32"}
TORCH, KERAS, OPTAX, SK, METRICS, TF = "torch", "keras", "optax", "sklearn._loss", "sklearn.metrics", "tensorflow"
BY_WEIGHTS, SUMS = (MeanSquaredError(), ("divides by the weights",)), (MeanAbsoluteError(), ("sums",))

ROWS = (
    # ---- A: regression
    Row("A1-torch.huber_loss", TORCH, torch_(lambda F, y, x: F.huber_loss(x, y, delta=0.7)), Huber(0.7)),
    Row("A1-keras.huber", KERAS, of(lambda k, y, x: k.losses.huber(y, x, 0.7)), Huber(0.7, **NONE), (LAST,), **F32),
    Row("A1-optax.huber_loss", OPTAX, of(lambda o, y, x: o.huber_loss(x, y, delta=0.7)), Huber(0.7, **NONE)),
    Row("A1-sklearn.HuberLoss", SK, sk("HuberLoss", None, 0.9, 0.7), Huber(0.7, **NONE)),
    Row("A1-scipy.special.huber", "scipy.special", of(lambda s, y, x: s.huber(0.7, x - y)), Huber(0.7, **NONE)),
    Row("A1-scipy.least_squares-huber", "scipy.optimize", least_squares("huber", 0.7), Huber(0.7, **SUM)),
    Row(
        "A2-torch.smooth_l1_loss",
        TORCH,
        torch_(lambda F, y, x: F.smooth_l1_loss(x, y, beta=0.7)),
        Huber(0.7),
        ("divides by the scale",),
    ),
    Row(
        "A4-scipy.special.pseudo_huber",
        "scipy.special",
        of(lambda s, y, x: s.pseudo_huber(0.7, x - y)),
        Huber(0.7, **NONE),
        ("pseudo-Huber",),
    ),
    Row(
        "A4-scipy.least_squares-soft_l1",
        "scipy.optimize",
        least_squares("soft_l1", 0.7),
        Huber(0.7, **SUM),
        ("pseudo-Huber",),
    ),
    Row("A5-torch.mse_loss", TORCH, torch_(lambda F, y, x: F.mse_loss(x, y)), MeanSquaredError()),
    Row(
        "A5-keras.mean_squared_error",
        KERAS,
        of(lambda k, y, x: k.losses.mean_squared_error(y, x)),
        MeanSquaredError(**NONE),
        (LAST,),
        **F32,
    ),
    Row("A5-optax.squared_error", OPTAX, of(lambda o, y, x: o.squared_error(x, y)), MeanSquaredError(**NONE)),
    Row("A5-sklearn.mean_squared_error", METRICS, of(lambda m, y, x: m.mean_squared_error(y, x)), MeanSquaredError()),
    Row("A5-optax.l2_loss", OPTAX, of(lambda o, y, x: o.l2_loss(x, y)), MeanSquaredError(**NONE), ("half",)),
    Row("A5-sklearn.HalfSquaredError", SK, sk("HalfSquaredError"), MeanSquaredError(**NONE), ("half",)),
    Row(
        "A5-scipy.least_squares-linear",
        "scipy.optimize",
        least_squares("linear", 1.0),
        MeanSquaredError(**SUM),
        ("half",),
    ),
    Row(
        "A6-torch.mse_loss-weight",
        TORCH,
        weighed_(lambda F, y, x, w: F.mse_loss(x, y, weight=w)),
        MeanSquaredError(),
        ("divides by the weights",),
    ),
    Row(
        "A6-torch.l1_loss-weight",
        TORCH,
        weighed_(lambda F, y, x, w: F.l1_loss(x, y, weight=w)),
        MeanAbsoluteError(),
        ("divides by the weights",),
    ),
    Row(
        "A6-torch.huber_loss-weight",
        TORCH,
        weighed_(lambda F, y, x, w: F.huber_loss(x, y, weight=w, delta=0.7)),
        Huber(0.7),
    ),
    Row(
        "A6-torch.binary_cross_entropy-weight",
        TORCH,
        weighed_(lambda F, y, x, w: F.binary_cross_entropy(x, y, weight=w)),
        BinaryCrossEntropy(reduction="weighted_mean"),
        ("averages", "logarithms from −100"),
    ),
    Row(
        "A7-keras.MeanSquaredError-sample_weight",
        KERAS,
        of_weighed(lambda k, y, x, w: k.losses.MeanSquaredError()(y[..., None], x[..., None], w)),
        MeanSquaredError(reduction="weighted_mean"),
        ("averages",),
        **F32,
    ),
    Row(
        "A7-keras.MeanSquaredError-mean_with_sample_weight",
        KERAS,
        of_weighed(
            lambda k, y, x, w: k.losses.MeanSquaredError("mean_with_sample_weight")(y[..., None], x[..., None], w)
        ),
        MeanSquaredError(),
        ("divides by the weights",),
        **F32,
    ),
    Row(
        "A7-sklearn.mean_squared_error-sample_weight",
        METRICS,
        of_weighed(lambda m, y, x, w: m.mean_squared_error(y, x, sample_weight=w)),
        MeanSquaredError(),
        ("divides by the weights",),
    ),
    Row(
        "A7-sklearn.mean_absolute_error-sample_weight",
        METRICS,
        of_weighed(lambda m, y, x, w: m.mean_absolute_error(y, x, sample_weight=w)),
        MeanAbsoluteError(),
        ("divides by the weights",),
    ),
    Row(
        "A8-keras.MeanSquaredError-sum",
        KERAS,
        of(lambda k, y, x: k.losses.MeanSquaredError("sum")(y, x)),
        MeanSquaredError(**SUM),
        (LAST,),
        **F32,
    ),
    Row(
        "A8-keras.MeanAbsoluteError-sum",
        KERAS,
        of(lambda k, y, x: k.losses.MeanAbsoluteError("sum")(y, x)),
        MeanAbsoluteError(**SUM),
        (LAST,),
        **F32,
    ),
    Row(
        "A-sklearn.root_mean_squared_error",
        METRICS,
        of(lambda m, y, x: m.root_mean_squared_error(y.ravel(), x.ravel())),
        MeanSquaredError(),
        ("root of the mean",),
    ),
    # ---- B: classification
    Row(
        "B1-torch.cross_entropy-weight",
        TORCH,
        torch_(lambda F, y, x: F.cross_entropy(x, y, weight=tensor(x, WEIGHTS))),
        CrossEntropy(class_weight=WEIGHTS),
        ("divides by the weights",),
        targets="index",
    ),
    Row(
        "B1-torch.nll_loss-weight",
        TORCH,
        torch_(lambda F, y, x: F.nll_loss(x, y, weight=tensor(x, WEIGHTS))),
        NegativeLogLikelihood(class_weight=WEIGHTS),
        ("divides by the weights",),
    ),
    Row(
        "B1-onnx.SoftmaxCrossEntropyLoss-weight",
        "onnx",
        on_onnx("SoftmaxCrossEntropyLoss", "reference", weight=WEIGHTS),
        CrossEntropy(class_weight=WEIGHTS),
        ("divides by the weights",),
        targets="index",
    ),
    Row(
        "B1-onnxruntime.SoftmaxCrossEntropyLoss-weight",
        "onnx",
        on_onnx("SoftmaxCrossEntropyLoss", "onnxruntime", weight=WEIGHTS),
        CrossEntropy(class_weight=WEIGHTS),
        ("divides by the weights",),
        targets="index",
        **F32,
    ),
    Row(
        "B1-onnx.NegativeLogLikelihoodLoss-weight",
        "onnx",
        on_onnx("NegativeLogLikelihoodLoss", "reference", weight=WEIGHTS),
        NegativeLogLikelihood(class_weight=WEIGHTS),
        ("divides by the weights",),
    ),
    Row(
        "B2-torch.cross_entropy-rows-weight",
        TORCH,
        torch_(lambda F, y, x: F.cross_entropy(x, y, weight=tensor(x, WEIGHTS))),
        CrossEntropy(class_weight=WEIGHTS),
        (),
        targets="rows",
    ),
    Row(
        "B3-torch.cross_entropy-label_smoothing",
        TORCH,
        torch_(lambda F, y, x: F.cross_entropy(x, y, label_smoothing=0.13)),
        CrossEntropy(label_smoothing=0.13),
    ),
    Row(
        "B3-keras.CategoricalCrossentropy-label_smoothing",
        KERAS,
        of(lambda k, y, x: k.losses.categorical_crossentropy(y, x, True, 0.13)),
        CrossEntropy(label_smoothing=0.13, **NONE),
        targets="rows",
        **F32,
    ),
    Row(
        "B4-torch.cross_entropy-weight-label_smoothing",
        TORCH,
        torch_(lambda F, y, x: F.cross_entropy(x, y, tensor(x, WEIGHTS), label_smoothing=0.13)),
        CrossEntropy(class_weight=WEIGHTS, label_smoothing=0.13),
        ("divides by the weights",),
        targets="index",
    ),
    Row(
        "B5-torch.cross_entropy-ignore_index",
        TORCH,
        torch_(lambda F, y, x: F.cross_entropy(x, y)),
        CrossEntropy(ignore_index=-100),
        targets="index",
    ),
    Row(
        "B5-keras.SparseCategoricalCrossentropy-ignore_class",
        KERAS,
        of(lambda k, y, x: k.losses.SparseCategoricalCrossentropy(True, ignore_class=-100)(y, x)),
        CrossEntropy(ignore_index=-100),
        targets="index",
        **F32,
    ),
    Row(
        "B8-torch.binary_cross_entropy",
        TORCH,
        torch_(lambda F, y, x: F.binary_cross_entropy(x, y)),
        BinaryCrossEntropy(),
        ("logarithms from −100",),
    ),
    Row(
        "B8-keras.binary_crossentropy",
        KERAS,
        of(lambda k, y, x: k.losses.binary_crossentropy(y[..., None], x[..., None])),
        BinaryCrossEntropy(**NONE),
        ("clips at 1e-7",),
        **F32,
    ),
    Row(
        "B8-sklearn.log_loss",
        METRICS,
        of(lambda m, y, x: m.log_loss(y.ravel(), x.ravel(), labels=[0, 1])),
        BinaryCrossEntropy(),
        ("clips at eps",),
    ),
    Row(
        "B9-keras.sparse_categorical_crossentropy",
        KERAS,
        of(lambda k, y, x: k.losses.sparse_categorical_crossentropy(y, x)),
        SparseCategoricalCrossEntropy(**NONE),
        ("clips at 1e-7", "renormalises probabilities"),
        **F32,
    ),
    Row("B9-torch.nll_loss", TORCH, torch_(lambda F, y, x: F.nll_loss(x, y)), NegativeLogLikelihood()),
    Row(
        "B9-onnx.NegativeLogLikelihoodLoss",
        "onnx",
        on_onnx("NegativeLogLikelihoodLoss", "reference"),
        NegativeLogLikelihood(),
    ),
    Row(
        "B10-torch.bce_with_logits-pos_weight",
        TORCH,
        torch_(lambda F, y, x: F.binary_cross_entropy_with_logits(x, y, pos_weight=tensor(x, 3.7))),
        BinaryCrossEntropyWithLogits(pos_weight=3.7),
    ),
    Row(
        "B10-torch.bce_with_logits-without",
        TORCH,
        torch_(lambda F, y, x: F.binary_cross_entropy_with_logits(x, y)),
        BinaryCrossEntropyWithLogits(pos_weight=3.7),
        ("ignores pos_weight",),
    ),
    Row("B13-sklearn.HalfBinomialLoss", SK, sk("HalfBinomialLoss"), BinaryCrossEntropyWithLogits(**NONE)),
    Row(
        "B13-sklearn.HalfMultinomialLoss",
        SK,
        lambda m: lambda y, x: m.HalfMultinomialLoss(n_classes=x.shape[1]).loss_gradient(y.astype(x.dtype), x),
        CrossEntropy(**NONE),
        targets="index",
    ),
    # ---- C: hinge and focal
    Row("C1-keras.hinge", KERAS, of(lambda k, y, x: k.losses.hinge(y[..., None], x[..., None])), Hinge(**NONE), **F32),
    Row("C1-optax.hinge_loss", OPTAX, of(lambda o, y, x: o.hinge_loss(x, y)), Hinge(**NONE)),
    Row("C1-sklearn.hinge_loss", METRICS, of(lambda m, y, x: m.hinge_loss(y, x, labels=[-1, 1])), Hinge()),
    Row(
        "C2-torch.margin_ranking_loss",
        TORCH,
        torch_(lambda F, y, x: F.margin_ranking_loss(x, x.new_zeros(x.shape), y, margin=1.0)),
        Hinge(),
    ),
    Row(
        "C2-torch.hinge_embedding_loss",
        TORCH,
        torch_(lambda F, y, x: F.hinge_embedding_loss(x, y)),
        Hinge(),
        explained=False,
    ),
    Row(
        "C4-keras.squared_hinge",
        KERAS,
        of(lambda k, y, x: k.losses.squared_hinge(y[..., None], x[..., None])),
        Hinge(**NONE),
        ("squares each loss",),
        **F32,
    ),
    Row(
        "C5-optax.sigmoid_focal_loss",
        OPTAX,
        of(lambda o, y, x: o.sigmoid_focal_loss(x, y, alpha=0.3, gamma=1.7)),
        FocalWithLogits(1.7, 0.3, **NONE),
    ),
    Row(
        "C5-keras.binary_focal_crossentropy",
        KERAS,
        of(
            lambda k, y, x: k.losses.BinaryFocalCrossentropy(alpha=0.3, gamma=1.7, reduction="none")(
                y[..., None], x[..., None]
            )
        ),
        Focal(1.7, 0.3, **NONE),
        ("ignores alpha", "clips at 1e-7"),
        **F32,
    ),
    Row(
        "C5-keras.binary_focal_crossentropy-balanced",
        KERAS,
        of(lambda k, y, x: k.losses.binary_focal_crossentropy(y[..., None], x[..., None], True, 0.3, 1.7)),
        Focal(1.7, 0.3, **NONE),
        ("clips at 1e-7",),
        **F32,
    ),
    Row(
        "C10-optax.sigmoid_focal_loss",
        OPTAX,
        of(lambda o, y, x: o.sigmoid_focal_loss(x, y, gamma=0.5)),
        FocalWithLogits(0.5, **NONE),
    ),
    # ---- D: overlaps
    Row(
        "D1-keras.dice",
        KERAS,
        of(lambda k, y, x: k.losses.dice(y, x, axis=-1)),
        Dice(axis=-1, **NONE),
        ("adds 1e-7 below",),
        **F32,
    ),
    Row(
        "D1-optax.dice_loss-smooth-1",
        OPTAX,
        of(lambda o, y, x: binary_dice(o, y, x, 1.0)),
        Dice(axis=-1, **NONE),
        ("adds 2 to both",),
    ),
    Row(
        "D1-optax.dice_loss-smooth",
        OPTAX,
        of(lambda o, y, x: binary_dice(o, y, x, 0.3)),
        Dice(axis=-1, smooth_nr=0.3, smooth_dr=0.3, **NONE),
        ("doubles the smoothing",),
    ),
    Row(
        "D2-keras.Dice",
        KERAS,
        of(lambda k, y, x: k.losses.Dice()(y, x)),
        Dice(axis=(1, 2)),
        ("pools everything",),
        **F32,
    ),
    Row(
        "D2-keras.Dice-axis",
        KERAS,
        of(lambda k, y, x: k.losses.Dice(axis=tuple(range(1, y.ndim)))(y, x)),
        Dice(axis=None),
        ("pools each sample",),
        **F32,
    ),
    Row(
        "D5-keras.Dice", KERAS, of(lambda k, y, x: k.losses.Dice()(y, x)), Dice(axis=None), ("adds 1e-7 below",), **F32
    ),
    Row(
        "D9-optax.multiclass_generalized_dice_loss",
        OPTAX,
        of(lambda o, y, x: o.losses.multiclass_generalized_dice_loss(log_of(x), y, apply_softmax=True)),
        GeneralizedDice(),
        explained=False,
    ),
    Row(
        "D10-keras.tversky-iou",
        KERAS,
        of(lambda k, y, x: k.losses.Tversky(1.0, 1.0)(y, x)),
        IoU(axis=None),
        ("adds 1e-7 below",),
        **F32,
    ),
    Row(
        "D13-keras.tversky-dice",
        KERAS,
        of(lambda k, y, x: k.losses.Tversky(0.5, 0.5)(y, x)),
        IoU(axis=None),
        ("Dice for IoU",),
        **F32,
    ),
    # ---- E: robust kernels
    Row("E2-scipy.least_squares-cauchy", "scipy.optimize", least_squares("cauchy", 0.7), Cauchy(0.7, **SUM), ("half",)),
    # ---- TensorFlow: the first losses, with float32 inside
    Row(
        "A7-tf.v1.losses-nonzero_weights",
        TF,
        of_weighed(lambda tf, y, x, w: tf.compat.v1.losses.mean_squared_error(y, x, 1.0 if w is None else w)),
        MeanSquaredError(),
        ("divides by the weights above 0",),
        **F32,
    ),
    Row("A7-tf.v1.losses-weighted_mean", TF, v1("mean_squared_error", "weighted_mean"), *BY_WEIGHTS, **F32),
    Row("A7-tf.v1.losses-weighted_sum", TF, v1("absolute_difference", "weighted_sum"), *SUMS, **F32),
    Row("A5-tf.nn.l2_loss", TF, of(lambda tf, y, x: tf.nn.l2_loss(x - y)), MeanSquaredError(**SUM), ("half",)),
    Row(
        "B8-tf.v1.log_loss",
        TF,
        of(lambda tf, y, x: tf.compat.v1.losses.log_loss(y, x, reduction="none")),
        BinaryCrossEntropy(**NONE),
        ("adds 1e-7 to p",),
        **F32,
    ),
    Row(
        "C1-tf.v1.hinge_loss",
        TF,
        of(lambda tf, y, x: tf.compat.v1.losses.hinge_loss(y, x, reduction="none")),
        Hinge(**NONE),
        ("labels 0 and 1",),
        **F32,
    ),
    Row(
        "G-tf.v1.huber_loss-float64",
        TF,
        of(lambda tf, y, x: tf.compat.v1.losses.huber_loss(y, x, delta=0.7, reduction="none")),
        Huber(0.7, **NONE),
        (),
        ("computes in float32", "splits the residual"),
    ),
    # ---- F: derivatives at kinks are no deviations
    Row(
        "F-torch.l1_loss",
        TORCH,
        torch_(lambda F, y, x: F.l1_loss(x, y, reduction="none")),
        MeanAbsoluteError(**NONE),
        (),
        (),
    ),
    Row("F-jax.abs", "jax.numpy", of(lambda j, y, x: j.abs(x - y)), MeanAbsoluteError(**NONE), (), ()),
    Row("F-sklearn.AbsoluteError", SK, sk("AbsoluteError"), MeanAbsoluteError(**NONE), (), ()),
    # ---- G: dtypes
    Row(
        "G-keras.MeanAbsoluteError-float64",
        KERAS,
        of(lambda k, y, x: k.losses.MeanAbsoluteError("none")(y[..., None], x[..., None])),
        MeanAbsoluteError(**NONE),
        (),
        ("computes in float32",),
    ),
    Row(
        "G-torch.binary_cross_entropy_with_logits",
        TORCH,
        torch_(lambda F, y, x: F.binary_cross_entropy_with_logits(x, y, reduction="none")),
        BinaryCrossEntropyWithLogits(**NONE),
        (),
        ("z − log σ(z)", "gradient σ(z) − y"),
    ),
    Row(
        "G-scipy.special.log_softmax",
        "scipy.special",
        of(lambda s, y, x: -(y * s.log_softmax(x, axis=-1)).sum(axis=-1)),
        CrossEntropy(**NONE),
        (),
        ("loses the tail of log-softmax",),
        targets="rows",
    ),
    Row(
        "G-onnx.SoftmaxCrossEntropyLoss",
        "onnx",
        on_onnx("SoftmaxCrossEntropyLoss", "reference", reduction="none"),
        CrossEntropy(**NONE),
        (),
        ("log of a softmax",),
        targets="index",
    ),
    Row(
        "G-torch.cross_entropy",
        TORCH,
        torch_(lambda F, y, x: F.cross_entropy(x, y, reduction="none")),
        CrossEntropy(**NONE),
        (),
        ("loses the tail of log-softmax",),
        targets="index",
        **F32,
    ),
    # ---- H: images and factor graphs
    Row(
        "H-monai.DiceLoss-smooth",
        "monai.losses",
        monai("DiceLoss", smooth_nr=1.0, smooth_dr=1.0),
        Dice(axis=-1, **NONE),
        ("adds 1 to both",),
        ("1 less the score",),
    ),
    Row(
        "H-monai.DiceLoss-squared_pred",
        "monai.losses",
        monai("DiceLoss", squared_pred=True, smooth_nr=0.0, smooth_dr=0.0),
        Dice(axis=-1, **NONE),
        ("squares in the denominator",),
    ),
    Row(
        "H-monai.DiceLoss-batch",
        "monai.losses",
        of(lambda m, y, x: m.DiceLoss(smooth_nr=0.0, smooth_dr=0.0, batch=True)(x[:, None], y[:, None])),
        Dice(axis=-1),
        ("pools everything",),
        ("1 less the score",),
    ),
    Row(
        "H-monai.GeneralizedDiceLoss-simple",
        "monai.losses",
        of(lambda m, y, x: m.GeneralizedDiceLoss(w_type="simple", smooth_nr=0.0, smooth_dr=0.0)(x, y)),
        GeneralizedDice(axis=1, per_sample=True),
        ("class weights 1/T",),
        **F32,
    ),
    Row(
        "H-monai.FocalLoss",
        "monai.losses",
        of(lambda m, y, x: m.FocalLoss(reduction="none")(x[:, None], y[:, None])[:, 0]),
        FocalWithLogits(**NONE),
        (),
        ("computes in float32", "z − log σ(z)"),
    ),
    Row(
        "H-monai.FocalLoss-sum",
        "monai.losses",
        of(lambda m, y, x: m.FocalLoss(reduction="sum")(x[None, None], y[None, None])),
        FocalWithLogits(reduction="sum"),
        ("averages",),
        **F32,
    ),
    Row(
        "H-smp.DiceLoss",
        "segmentation_models_pytorch.losses",
        of(lambda s, y, x: s.DiceLoss("binary", from_logits=False)(x[None, None], y[None, None])),
        Dice(),
        ("smaller of p and t",),
    ),
    Row(
        "H-smp.JaccardLoss",
        "segmentation_models_pytorch.losses",
        of(lambda s, y, x: s.JaccardLoss("binary", from_logits=False)(x[None, None], y[None, None])),
        IoU(),
        ("smaller of p and t",),
    ),
    Row(
        "H-smp.SoftCrossEntropyLoss-ignore_index",
        "segmentation_models_pytorch.losses",
        of(lambda s, y, x: s.SoftCrossEntropyLoss(smooth_factor=0.0, ignore_index=255)(x, y)),
        CrossEntropy(axis=1, ignore_index=255),
        ("divides by all",),
        targets="index",
    ),
    Row(
        "H-kornia.cauchy_loss",
        "kornia.losses",
        of(lambda k, y, x: k.cauchy_loss(x, y)),
        Cauchy(1.0, **NONE),
        ("Barron's form",),
    ),
    Row(
        "H-kornia.binary_focal_loss_with_logits-alpha",
        "kornia.losses",
        of(lambda k, y, x: k.binary_focal_loss_with_logits(x[:, None], y[:, None], alpha=0.25)[:, 0]),
        FocalWithLogits(alpha=0.75, **NONE),
        ("swaps alpha",),
    ),
    Row(
        "H-gtsam.Cauchy",
        "gtsam",
        of(lambda g, y, x: kernel(g.noiseModel.mEstimator.Cauchy.Create(0.7), x - y)),
        Cauchy(0.7, **NONE),
        ("half",),
        ("squares before dividing",),
    ),
    Row(
        "H-gtsam.Huber-weight",
        "gtsam",
        of(lambda g, y, x: kernel(g.noiseModel.mEstimator.Huber.Create(0.7), x - y, weighted=False)),
        Huber(0.7, **NONE),
        (),
        ("weight for the gradient",),
    ),
    Row(
        "H-pyceres.HuberLoss",
        "pyceres",
        of(lambda c, y, x: [rho(c.HuberLoss(0.7), float(r) ** 2) for r in x - y]),
        Huber(0.7, **NONE),
        ("double",),
        **F32,
    ),
    Row(
        "H-pyceres.CauchyLoss-r",
        "pyceres",
        of(lambda c, y, x: [rho(c.CauchyLoss(0.7), abs(float(r))) for r in x - y]),
        Cauchy(0.7, **NONE),
        ("does not square the residual",),
        **F32,
    ),
)


def tensor(like: Any, values: Any) -> Any:
    """Numbers as a tensor like another."""
    return like.new_tensor(values)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_function_is_told_what_it_does(row: Row) -> None:
    need(*PACKAGES.get(row.module, (row.module.partition(".")[0],)))
    if row.module.startswith("segmentation_models_pytorch"):
        exec(IMPORTS, {})  # which imports a torchvision of another PyTorch
    module = import_module(row.module)
    on_jax, on_torch = row.module in ("keras", "optax", "jax.numpy"), row.module in ON_TORCH
    framework = "jax" if on_jax else "torch" if on_torch else TF if row.module == TF else "numpy"
    found = diagnose(row.make(module), row.loss, dtype=row.dtype, framework=framework, targets=row.targets)
    assert not found.text.startswith("Nothing can be compared"), str(found)
    if not row.explained:
        assert set(found.names) <= {"described"}  # a true sentence about the value or the gradient alone
        assert "No known explanation fits" in found.text
        return
    names = [n.removesuffix(", carefully") for n in found.names]  # a clip with another formula behind it
    assert {n for n in names if KINDS[n] == "convention"} == set(row.conventions), str(found)
    if row.defects is not None:
        assert {n for n in names if KINDS[n] == "defect"} == set(row.defects), str(found)
