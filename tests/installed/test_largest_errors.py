"""A hunt of a real function finds an error at least as large as the battery's, and inputs that show it."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

from needed import need

from reflosses.comparison import every_number
from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.function import find
from reflosses.frameworks.scripts import checked, largest_errors, script

POINTS = 20_000
ALONE = [*"ABCDEF"]  # regimes of losses that are asked one by one
FUNCTIONS = [
    ("torch.huber_loss", "float32"),
    ("torch.binary_cross_entropy", "float64"),
    ("torch.binary_cross_entropy_with_logits", "bfloat16"),
    ("torch.cross_entropy", "float32"),
    ("optax.sigmoid_binary_cross_entropy", "float64"),
    ("keras.losses.binary_crossentropy", "float32"),
]


def battery(function: str, dtype: str, given: Any) -> dict[str, float]:
    """The largest finite error of values and of gradients among the losses of the battery.

    A framework without subnormal numbers has right numbers without a right digit: only wrong ones count there.
    """
    framework, row_of_function = find(function)
    found = checked(framework, row_of_function, given, dtype, regimes=ALONE, diagnose=False)
    rows = found.rows if framework.candidate(row_of_function, given, FORMATS[dtype]).subnormals else []
    largest = {what: max((getattr(row, what).worst for row in rows), default=0.0) for what in ("value", "gradient")}
    for d in found.interview.deviations:
        if np.isfinite(d.ulps) and not d.error and not d.name.startswith("a mean"):
            largest[d.what] = max(largest[d.what], d.ulps)
    return largest


@pytest.mark.parametrize(("name", "dtype"), FUNCTIONS)
def test_a_hunt_finds_at_least_the_errors_of_the_battery(
    monkeypatch: pytest.MonkeyPatch, name: str, dtype: str
) -> None:
    monkeypatch.setattr(every_number, "NARROW", 0)  # where every number is asked, no search finds more
    framework, function = find(name)
    need(framework.package)
    given = function.tried[0]
    found = largest_errors(framework, function, given, dtype, points=POINTS)
    for what, least in battery(name, dtype, given).items():
        largest = found.largest(what)
        assert largest is not None
        assert largest.ulp >= least
    assert found.points >= POINTS


def test_what_a_hunt_finds_can_be_pasted() -> None:
    """PyTorch's gradient of a probability divides by max(p (1 − p), 1e-12), and its logarithms stop at −100."""
    framework, function = find("torch.binary_cross_entropy")
    need(framework.package)
    found = largest_errors(framework, function, {"reduction": "none"}, "float32", points=POINTS)
    assert not found.ok
    for e in (found.value, found.gradient):
        assert e is not None
        assert e.verdict != "right"
        with pytest.raises(AssertionError):
            exec(script(framework, function, {"reduction": "none"}, e.deviation, "float32"), {})
