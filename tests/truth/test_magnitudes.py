"""What a bound is relative to may not exceed the sum of the absolute values of the definition's own terms."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

from reflosses.catalogue import examples, losses
from reflosses.evaluation.call import Call
from reflosses.evaluation.domain import REAL
from reflosses.evaluation.loss import Loss
from reflosses.truth.accuracy import error_scales
from reflosses.truth.proof import _Proof
from reflosses.truth.sampling import hard, moderate

from magnitudes import NoSizeError, Sized, Sizes, enough_bits

SLACK = 1 + 2.0**-40  # a scale is computed in floats
SMALLEST = 1e-300  # below it a scale has lost digits


def scaled() -> list[Loss]:
    """The losses that state such a scale for any of their bounds."""
    found = []
    for loss in [loss for cls in losses().values() for loss in examples(cls)]:
        units = next(Call(loss, *p).units() for p in moderate(loss, 3, 12))
        if any(scale is not None for scale in error_scales(loss, units)):
            found.append(loss)
    return found


SCALED = scaled()


def points(loss: Loss) -> list[Any]:
    """Moderate and hard points of small losses. Some residuals are from 0, where r is no difference of large terms."""
    found = [p for seed in range(12) for p in moderate(loss, seed, 20, (2, 3, 5)[seed % 3])]
    found += [p for seed in range(4) for p in hard(loss, seed, 30)]
    small = [p for p in found if Call(loss, *p).shapes.layout.members <= 24][:16]
    return small + [p._replace(y=0 * p.y) for p in small[:6] if loss.domain.y is REAL]


def ratios(loss: Loss, y: Any, yhat: Any) -> list[tuple[int, float]]:
    """Of some units and predictions: the order, and each scale over the sum of the absolute values of the terms."""
    units = Call(loss, y, yhat).units()
    proof = _Proof(loss, units)
    found = []
    for i in range(min(8 // units.layout.members + 1, len(proof.terms))):
        flat = np.ravel(proof.terms[i].yhat)
        for j in range(min(4, flat.size)):
            try:
                with enough_bits():
                    parts = proof.terms[i].losses(Sizes(), j)
                    sizes = [float(s.mid()) for s in sum(parts, Sized.of(0)).size]
            except NoSizeError:
                continue
            for order, scale in enumerate(error_scales(loss, units)):
                if scale is None:
                    continue
                own = scale if loss.reads_all_predictions else scale[i]
                got = float(np.ravel(own)[j if order else 0])
                if np.isfinite(got) and got > SMALLEST:
                    found.append((order, got / ((1, 1, 2)[order] * sizes[order])))
    return found


@pytest.mark.parametrize("loss", SCALED, ids=str)
def test_a_scale_is_no_larger_than_the_terms_of_the_definition(loss: Loss) -> None:
    """It is tight too: somewhere it is more than half of them, so that twice the scale would fail here."""
    found = [r for p in points(loss) for r in ratios(loss, *p)]
    for order in {order for order, _ in found}:
        most = max(ratio for k, ratio in found if k == order)
        assert 0.5 < most <= SLACK


def test_which_losses_state_a_scale() -> None:
    names = {type(loss).__name__ for loss in SCALED}
    assert names >= {"BinaryCrossEntropyWithLogits", "Cauchy", "CrossEntropy", "Dice", "IoU", "GeneralizedDice"}
    assert "WeightedCrossEntropy" in names


def sizes_of(formula: Any, x: float) -> tuple[list[float], list[float]]:
    with enough_bits():
        got = formula(Sizes(), Sizes().variable(x))
    return [float(c.mid()) for c in got.x], [float(c.mid()) for c in got.size]


@pytest.mark.parametrize(
    ("formula", "x", "value", "size"),
    [
        (lambda m, x: x - 3, 3.0, [0, 1, 0], [6, 1, 0]),
        (lambda m, x: (x - 3) * x, 3.0, [0, 3, 1], [18, 9, 1]),  # (6 + t)(3 + t)
        (lambda m, x: 1 / x - x / 4, 2.0, [0, -0.5, 0.125], [1, 0.5, 0.125]),
        (lambda m, x: (x - 1) ** 2, 2.0, [1, 2, 1], [5, 6, 1]),  # |1| + |2|·2, (2 + 2·2), half of 2
        (lambda m, x: -m.log(x), 2.0, [-np.log(2), -0.5, 0.125], [np.log(2), 0.5, 0.125]),
        (lambda m, x: m.log(x - 1), 2.0, [0, 1, -0.5], [2, 3, 2.5]),  # 2/1; 1 + 2; (1 + 2·2)/2
        (lambda m, x: m.exp(x) - 1, 0.0, [0, 1, 0.5], [2, 1, 0.5]),
        (lambda m, x: m.softplus(x) + m.softplus(-x), 0.0, [2 * np.log(2), 0, 0.25], [2 * np.log(2), 1, 0.25]),
        (lambda m, x: m.logsumexp([x, 0]) - x, 0.0, [np.log(2), -0.5, 0.125], [np.log(2), 1.5, 0.375]),
        (lambda m, x: abs(-m.constant(x) * x), 3.0, [9, 3, 0], [9, 3, 0]),
        (lambda m, x: m.sqrt(x) + m.xlogy(0, x), 4.0, [2, 0.25, -1 / 64], [2, 0.25, 1 / 64]),
    ],
)
def test_sizes_by_hand(formula: Any, x: float, value: list[float], size: list[float]) -> None:
    got = sizes_of(formula, x)
    assert got[0] == pytest.approx(value, rel=1e-15, abs=1e-300)
    assert got[1] == pytest.approx(size, rel=1e-15, abs=1e-300)
