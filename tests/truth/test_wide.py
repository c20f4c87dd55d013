"""The wider evaluation agrees with the proof: what it suspects is right to a hundredth of an ulp."""

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

import reflosses
from reflosses.catalogue import examples, losses
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.numerics import xlog1py, xlogy
from reflosses.truth import wide
from reflosses.truth.sampling import Problem, moderate
from reflosses.truth.wide import certified_errors, suspected_errors

EVERY = [pytest.param(loss, id=str(loss)) for cls in losses().values() for loss in examples(cls)]
LOGITS = reflosses.BinaryCrossEntropyWithLogits


@pytest.fixture(params=["extended", "double-double"])
def _format(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each of the wider formats; where `np.longdouble` is no wider than float64 there is one."""
    monkeypatch.setattr(wide, "EXTENDED", wide.EXTENDED and request.param == "extended")
    wide.wide_loss.cache_clear()
    yield
    wide.wide_loss.cache_clear()


@pytest.mark.usefixtures("_format")
@pytest.mark.parametrize("loss", EVERY)
def test_suspected_errors_are_the_proved_ones(loss: Loss) -> None:
    problem = next(moderate(loss, 4, 12, 3))
    suspected = [float(e.max()) for e in suspected_errors(loss, problem)]
    np.testing.assert_allclose(suspected, certified_errors(loss, problem), rtol=0, atol=0.01)


# Inputs in the full forms, at kinks, and next to the ends of the floats.
HARD = [
    (reflosses.CrossEntropy(reduction="none"), [0], [[0.1, -720.3, -745.2]]),
    (reflosses.CrossEntropy(class_weight=[1e6, 0.3, 7], label_smoothing=0.3, reduction="none"), [1], [[1e3, -1e3, 4]]),
    (reflosses.BinaryCrossEntropy(reduction="none"), [1.0, 0.3, 0.0], [5e-324, 1e-310, 0.7]),
    (LOGITS(pos_weight=1e6, reduction="none"), [1.0, 0.3], [744.0, -650.0]),
    (reflosses.Cauchy(1e6, reduction="none"), [0.0, 1e300], [1e-200, -1.7e308]),
    (reflosses.Cauchy(0.7, [[4, 1.5], [1.5, 0.7]], reduction="none"), [[1e200, 0.0]], [[0.0, 1.3e-160]]),
    (reflosses.Focal(gamma=0.3, alpha=0.7, reduction="none"), [0.0, 1.0], [1e-300, 1 - 2.0**-53]),
    (reflosses.FocalWithLogits(gamma=4.5, reduction="none"), [0.0, 1.0], [-333.3, -1e5]),
    (reflosses.Huber(1e-6, reduction="none"), [-1.7e308, 0.3], [1.7e308, 0.3 + 1e-6]),
    (reflosses.WeightedCrossEntropy(weight_grad="full", reduction="none"), [1.0, 0.2, 0.0], [1e-3, 0.7, 0.9]),
    (reflosses.SparseCategoricalCrossEntropy(reduction="none"), [1], [[0.3, 1e-309]]),
]


@pytest.mark.usefixtures("_format")
@pytest.mark.parametrize(("loss", "y", "yhat"), HARD)
def test_suspected_errors_are_the_proved_ones_at_hard_inputs(loss: Loss, y: object, yhat: object) -> None:
    problem = Problem(np.asarray(y), np.asarray(yhat))
    suspected = [float(e.max()) for e in suspected_errors(loss, problem)]
    np.testing.assert_allclose(suspected, certified_errors(loss, problem), rtol=0, atol=0.01)


@np.errstate(divide="ignore", invalid="ignore")
def test_logarithms_of_any_float_format() -> None:
    a = np.array([0.0, 0.0, 2.0, 0.0])
    x = np.array([0.0, 3.0, 1.0, np.nan])
    for dtype in (np.float64, np.longdouble):
        np.testing.assert_array_equal(xlogy(a.astype(dtype), x.astype(dtype)), [0.0, 0.0, 0.0, np.nan])
        found = xlog1py(a.astype(dtype), x.astype(dtype) - 1)
        np.testing.assert_array_equal(found, [0.0, 0.0, 0.0, np.nan])
        assert found.dtype == dtype
