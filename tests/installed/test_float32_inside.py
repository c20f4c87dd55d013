"""The first losses of TensorFlow take float64 and compute in float32."""

from typing import Any

import numpy as np
import pytest
from needed import need

from reflosses import BinaryCrossEntropy, CrossEntropy, Hinge
from reflosses.comparison.expected import parts
from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.function import Function, find
from reflosses.frameworks.tensorflow import FUNCTIONS

IN_FLOAT32 = [(function, given) for function in FUNCTIONS if ".v1." in function.name for given in function.tried]


@pytest.mark.parametrize(("function", "given"), IN_FLOAT32, ids=lambda value: getattr(value, "name", str(value)))
def test_the_first_losses_of_tensorflow_have_float32_inside(function: Function, given: dict[str, Any]) -> None:
    """In float64 they are the loss to the digits of float32, and to no more."""
    framework = find(function.name)[0]
    need(framework.package)
    factor, loss = parts(function.loss(given))
    rng = np.random.default_rng(11)
    drawn = rng.uniform(0.05, 0.95, (40, 3)) if isinstance(loss, BinaryCrossEntropy) else rng.normal(0, 2, (40, 3))
    yhat = drawn.astype(np.float32).astype(np.float64)
    if isinstance(loss, CrossEntropy):
        y = rng.integers(0, 3, 40) if function.targets == "index" else np.eye(3)[rng.integers(0, 3, 40)]
    else:
        y = rng.choice([-1.0, 1.0] if isinstance(loss, Hinge) else [0.0, 1.0], yhat.shape)
    answer = framework.candidate(function, given, FORMATS["float64"]).ask(y, yhat)
    exact = [factor * part for part in loss.value_and_grad(y, yhat)]
    errors = [abs(got - due) / np.abs(due).max() for got, due in zip(answer[:2], exact, strict=True)]
    assert max(error.max() for error in errors) < 1e-6
    assert errors[0].max() > 1e-11
