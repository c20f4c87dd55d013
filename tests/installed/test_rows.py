"""Every row is the loss that it names: value and gradient agree at moderate inputs, in the first dtype of the row."""

from collections.abc import Mapping
from typing import Any

import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

from needed import need

from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.function import Framework, Function, frameworks
from reflosses.frameworks.scripts import checked

NOT_HERE = ("scipy", "sklearn", "keras", "onnx")  # tests/frameworks asks two; two deviate, as their notes and atlas say
ROWS = [(a, f, given) for a in frameworks() if a.name not in NOT_HERE for f in a.functions for given in f.tried]

# Rows of float64 that compute in float32: they keep the digits of float32, less what an overlap loses.
FLOAT32_INSIDE = {
    "monai.FocalLoss": 64,
    "monai.GeneralizedDiceLoss": 8,
    "monai.GeneralizedDiceLoss batch": 8,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("framework", "function", "given"), ROWS, ids=[f"{f.name} {given}" for _, f, given in ROWS])
def test_a_row_is_the_loss_at_moderate_inputs(
    framework: Framework, function: Function, given: Mapping[str, Any]
) -> None:
    need(framework.package)
    dtype = function.dtypes[0]
    found = checked(framework, function, given, dtype, regimes=["moderate"], diagnose=False)
    moderate = found.row("moderate")
    asked = [column for column in (moderate.value, moderate.gradient) if column.points]
    assert asked
    assert (function.grad is None) == (moderate.gradient.points == 0)
    if function.name not in FLOAT32_INSIDE:
        assert all(column.verdict == "right" for column in asked), "\n".join(map(str, found.worst))
        return
    assert {d.verdict for d in found.worst} == {"inaccurate"}
    limit = FLOAT32_INSIDE[function.name] * FORMATS["float32"].eps / FORMATS[dtype].eps
    assert max(d.ulps for d in found.worst) < limit
