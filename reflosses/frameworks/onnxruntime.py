"""onnxruntime: the loss operators of ONNX, on the CPU. They give values only, and not in bfloat16."""

from __future__ import annotations

from reflosses.frameworks.function import Framework
from reflosses.frameworks.onnx import MODEL, functions

RUNTIME = '''
import onnxruntime

onnxruntime.set_default_logger_severity(4)

def run(operator, yhat, y=None, weight=None, **attributes):
    """The output of an operator."""
    inputs = {name: a for name, a in {"yhat": yhat, "y": y, "weight": weight}.items() if a is not None}
    made = model(operator, inputs, attributes).SerializeToString()
    return onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"]).run(None, inputs)[0]
'''

NOT_COVERED = {
    "com.microsoft SoftmaxCrossEntropy and other operators of training": "not in the builds for inference",
}

FRAMEWORK = Framework(
    "onnxruntime",
    "onnxruntime",
    MODEL + RUNTIME,
    "numpy",
    functions("onnxruntime", ("float64", "float32", "float16")),
    NOT_COVERED,
    extra="onnxruntime",
)
