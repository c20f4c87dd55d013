"""ONNX: the loss operators, on the reference evaluator. They give values only.

A loss is a model of one node. Its class axis is 1, its targets are 64-bit integers, and predictions and class weights
have one dtype.
"""

from __future__ import annotations

from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.function import Framework, Function, Offer

MODEL = '''\
import numpy as np
import onnx

def model(operator, inputs, attributes):
    """A model of one node, whose output has the type of its first input."""
    types = {name: onnx.helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in inputs.items()}
    infos = [onnx.helper.make_tensor_value_info(name, t, None) for name, t in types.items()]
    out = onnx.helper.make_tensor_value_info("out", types["yhat"], None)
    node = onnx.helper.make_node(operator, list(inputs), ["out"], **attributes)
    graph = onnx.helper.make_graph([node], operator, infos, [out])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 22)], ir_version=10)
'''

REFERENCE = '''
from onnx.reference import ReferenceEvaluator

def run(operator, yhat, y=None, weight=None, **attributes):
    """The output of an operator."""
    inputs = {name: a for name, a in {"yhat": yhat, "y": y, "weight": weight}.items() if a is not None}
    return ReferenceEvaluator(model(operator, inputs, attributes)).run(None, inputs)[0]
'''

SOME = (0.25, 0.0, 3.0)
TRIED = (
    {"reduction": "none", "class_weight": SOME},
    {"class_weight": (0.25, 3.0, 0.75), "ignore_index": 255},
    {"ignore_index": -1},
)
REFUSED = ({"class_weight": (0.25, -0.5, 3.0, 0.75)},)
OPTIONS = (
    "None if class_weight is None else np.array(class_weight, yhat.dtype), "
    "ignore_index=ignore_index, reduction=reduction"
)
DIVISOR = "a mean divides by the sum of the class weights of the labels that are not ignored"


def functions(framework: str, dtypes: tuple[str, ...]) -> tuple[Function, ...]:
    """The rows of the operators, for a framework that defines `run`."""
    parameters = {"class_weight": None, "ignore_index": None, "reduction": "mean"}
    options = "class_weight=class_weight, ignore_index=ignore_index, reduction=weighted(reduction), axis=1"
    return (
        Function(
            f"{framework}.SoftmaxCrossEntropyLoss",
            f"run('SoftmaxCrossEntropyLoss', yhat, y, {OPTIONS})",
            f"CrossEntropy({options})",
            parameters,
            TRIED,
            REFUSED,
            grad=None,
            dtypes=dtypes,
            targets="index",
            note=DIVISOR,
        ),
        Function(
            f"{framework}.NegativeLogLikelihoodLoss",
            f"run('NegativeLogLikelihoodLoss', yhat, y, {OPTIONS})",
            f"NegativeLogLikelihood({options})",
            parameters,
            TRIED,
            REFUSED,
            grad=None,
            dtypes=dtypes,
            note=DIVISOR,
        ),
        Function(
            f"{framework}.LogSoftmax",
            "-run('LogSoftmax', yhat, axis=1).ravel()[np.ravel_multi_index((np.arange(len(y)), y), yhat.shape)]",
            "CrossEntropy(axis=1, reduction='none')",
            grad=None,
            dtypes=dtypes,
            targets="index",
            note="the negative entry of the class; up to opset 12 it takes all axes from axis on for one",
        ),
    )


NOT_COVERED = {
    "Softmax, Log, Sigmoid, Softplus, ReduceSum and the like": "what losses are made of, no losses",
    "ai.onnx.preview.training": "optimizers and gradients of models, no losses",
}

OFFERS = (Offer("onnx", r"Loss|Entropy", names="{schema.name for schema in onnx.defs.get_all_schemas()}"),)

FRAMEWORK = Framework(
    "onnx",
    "onnx",
    MODEL + REFERENCE,
    "numpy",
    functions("onnx", tuple(FORMATS)),
    NOT_COVERED,
    extra="onnx",
    offers=OFFERS,
)
