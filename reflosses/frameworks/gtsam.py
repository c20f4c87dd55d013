"""GTSAM: the robust kernels of factor graphs. A kernel takes one residual; its gradient is weight(r) · r."""

from __future__ import annotations

from typing import Any

from reflosses.frameworks.function import Framework, Function, Offer
from reflosses.frameworks.inputs import finite_residual


def _kernel(name: str, made: str, equals: str, **more: Any) -> Function:
    """The loss and the weight of each residual alone."""
    kernel = f"gtsam.noiseModel.mEstimator.{made}"
    return Function(
        f"gtsam.{name}",
        f"np.array([{kernel}.loss(r) for r in yhat])",
        equals,
        grad=f"np.array([{kernel}.weight(r) * r for r in yhat])",
        dtypes=("float64",),
        inputs=finite_residual,
        validates=False,
        **more,
    )


SCALES: dict[str, Any] = {"tried": ({"k": 0.75}, {"k": 0.0625}), "refused": ({"k": -0.75},)}

FUNCTIONS = (
    _kernel("Null", "Null()", "Scaled(0.5, MeanSquaredError(reduction='none'))"),
    _kernel("Huber", "Huber.Create(k)", "Huber(delta=k, reduction='none')", parameters={"k": 1.345}, **SCALES),
    _kernel(
        "Cauchy",
        "Cauchy.Create(k)",
        "Scaled(0.5, Cauchy(delta=k, reduction='none'))",
        parameters={"k": 0.1},
        **SCALES,
        note="half of our Cauchy; r² is formed, and overflows long before the loss does",
    ),
)

NOT_COVERED = {
    "gtsam.noiseModel.mEstimator.Fair, Tukey, Welsch, GemanMcClure, DCS": "robust kernels, no losses of ours",
    "gtsam.noiseModel.mEstimator.TruncatedLeastSquares": "the squared error up to a bound, no loss of ours",
    "gtsam.noiseModel.mEstimator.L2WithDeadZone": "half the squared distance to a band, no loss of ours",
    "gtsam.noiseModel.mEstimator.AsymmetricCauchy, AsymmetricTukey": "kernels of one side, no losses of ours",
    "gtsam.noiseModel.mEstimator.Custom": "calls a function of its user",
}

OFFERS = (Offer("gtsam.noiseModel.mEstimator", r"^[A-Z]", others="Base Custom"),)

FRAMEWORK = Framework("gtsam", "gtsam", "import gtsam", "numpy", FUNCTIONS, NOT_COVERED, extra="gtsam", offers=OFFERS)
