"""pyceres: the robust kernels of Ceres. A kernel takes s = r² and gives ρ(s), ρ′(s) and ρ″(s).

The gradient of ρ(r²) is 2r·ρ′(r²), and Ceres minimises half of the sum. The
binding rounds s to float32, so only that dtype is asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.frameworks.function import Framework, Function, Offer
from reflosses.frameworks.inputs import finite_residual


def square_in_range(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Residuals below 2⁶⁴, whose squares are float32, too: s = ∞ is no residual of Ceres."""
    y, yhat = finite_residual(y, yhat, eps)
    return (y, yhat) if (np.abs(yhat) < 2.0**64).all() else (y[:0], yhat[:0])


def _kernel(name: str, equals: str, scale: str = "", **more: Any) -> Function:
    """ρ(r²) and 2r·ρ′(r²) of each residual alone."""
    rho = f"pyceres.{name}({scale}).evaluate(r * r)"
    return Function(
        f"pyceres.{name}",
        f"np.array([{rho}[0] for r in yhat.tolist()])",
        equals,
        grad=f"np.array([2 * r * {rho}[1] for r in yhat.tolist()])",
        dtypes=("float32",),
        inputs=more.pop("inputs", finite_residual),
        validates=False,
        **more,
    )


SCALES: dict[str, Any] = {
    "parameters": {"a": 1.0},
    "tried": ({"a": 0.75}, {"a": 0.0625}),
    "refused": ({"a": -0.75},),
}

FUNCTIONS = (
    _kernel("TrivialLoss", "MeanSquaredError(reduction='none')", note="the squared error; Ceres takes half of it"),
    _kernel(
        "HuberLoss",
        "Scaled(2.0, Huber(delta=a, reduction='none'))",
        "a",
        **SCALES,
        inputs=square_in_range,
        note="twice Huber's loss, as RobustKernelHuber of g2o; s = r² is float32, so that r ends at 1.8e19",
    ),
    _kernel(
        "CauchyLoss",
        "Cauchy(delta=a, reduction='none')",
        "a",
        **SCALES,
        note="takes log(1 + s/a²), as RobustKernelCauchy of g2o",
    ),
)

NOT_COVERED = {
    "pyceres.SoftLOneLoss": "twice pseudo-Huber, no loss of ours",
    "ceres::TukeyLoss, ArctanLoss, TolerantLoss": "not in pyceres, and no losses of ours",
    "ceres::ComposedLoss, ScaledLoss": "wrap other losses",
}

OFFERS = (Offer("pyceres", r"Loss$"),)

FRAMEWORK = Framework(
    "pyceres", "pyceres", "import pyceres", "numpy", FUNCTIONS, NOT_COVERED, extra="pyceres", offers=OFFERS
)
