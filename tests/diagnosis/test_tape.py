"""The tape is arithmetic of a format, and differentiates."""

import numpy as np
import pytest

from reflosses.comparison.formats import FORMATS
from reflosses.diagnosis.tape import Tape


@pytest.mark.parametrize("dtype", FORMATS)
def test_the_tape_is_arithmetic_of_the_format(dtype: str) -> None:
    form = FORMATS[dtype]
    t = Tape(form)
    x = t.node(form.round([0.3, 1.7, 5.0]))
    for node in (1 / x, x * x - 0.1, t.log(x), t.exp(-x), t.sigmoid(x), t.power(x, 1.7), t.sum(t.node(np.eye(3)) * x)):
        assert np.array_equal(form.round(node.value), node.value.astype(np.float64))


def test_the_tape_differentiates() -> None:
    at = np.array([0.3, 1.7, 4.0])
    formulas = {
        "quotient": lambda t, x: (x + 2.0) / (3.0 - x * x),
        "logarithms": lambda t, x: t.log(x) * t.log1p(x) - t.exp(-x),
        "powers": lambda t, x: t.power(x, 2.3) + t.sqrt(x) * t.sigmoid(x),
        "pieces": lambda t, x: t.where(at > 1, x * x, 3.0 * x) + t.clip(x, 0.5, 3.0) * t.abs(-x),
        "rows": lambda t, x: t.sum(x.column() * np.array([[1.0, 2.0]])) * t.pick(x.column() * np.eye(3)[:1], [2, 0, 1]),
    }
    for name, f in formulas.items():
        t = Tape(FORMATS["float64"])
        x = t.node(at)
        slope = t.gradient(f(t, x), x)

        def value(moved, f=f):
            t = Tape(FORMATS["float64"])
            return f(t, t.node(moved)).value.sum()

        step = 1e-6
        for i in range(3):
            e = step * np.eye(3)[i]
            assert slope[i] == pytest.approx((value(at + e) - value(at - e)) / (2 * step), rel=1e-8, abs=1e-9), name


def test_the_tape_multiplies_zero_by_infinity() -> None:
    t = Tape(FORMATS["float64"])
    x = t.node(np.array([0.0, 2.0]))
    with np.errstate(all="ignore"):
        kept = t.where(np.array([False, True]), t.log(x), 1.0)
        slope = t.gradient(kept, x)
    assert kept.value.tolist() == [1.0, np.log(2.0)]
    assert np.isnan(slope[0])
    assert slope[1] == 0.5
