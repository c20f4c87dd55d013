"""What a class says about itself, beside tables that are not the class: bounds, and what the checks are told.

The class owns its numbers, a table is their witness, and the pages print them. A bound that a class loosens turns a
test red here; so does the size that a bound is relative to, a kink, or the border of a short form.
"""

import re
from fractions import Fraction
from math import expm1, log, nextafter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reflosses as rl
from reflosses.catalogue import examples, losses
from reflosses.evaluation.call import Call
from reflosses.evaluation.domain import MAX
from reflosses.truth.accuracy import error_scales

F = Fraction
ROOT = Path(__file__).resolve().parent.parent

PROMISES: dict[str, tuple[float, float, float]] = {  # the largest error of value, gradient and curvature, in ulps
    "BinaryCrossEntropy": (4, 5, 6),
    "BinaryCrossEntropyWithLogits": (4, 5, 9),  # with pos_weight (6, 8, 9)
    "Cauchy": (8, 6, 16),  # with Ω more for each component
    "CrossEntropy": (10, 16, 16),
    "Dice": (8, 16, 24),
    "Focal": (8, 8, 16),
    "FocalWithLogits": (8, 8, 16),  # and 2 gamma more
    "GeneralizedDice": (8, 16, 28),
    "Hinge": (4, 5, 0.5),
    "Huber": (4, 5, 0.5),
    "IoU": (8, 16, 24),
    "MeanAbsoluteError": (4, 5, 0.5),
    "MeanSquaredError": (4, 5, 0.5),
    "NegativeLogLikelihood": (4, 16, 0.5),
    "SparseCategoricalCrossEntropy": (4, 16, 2),
    "WeightedCrossEntropy": (6, 8, 16),
}

WITH_PARAMETERS: list[tuple[Any, tuple[float, float, float]]] = [  # where the promise depends on them
    (rl.BinaryCrossEntropyWithLogits(pos_weight=0.3), (6, 8, 9)),
    (rl.Cauchy(information=[[3.0]]), (10, 9, 22)),
    (rl.Cauchy(information=np.eye(5)), (18, 21, 46)),
    (rl.Focal(gamma=1e6), (8, 8, 16)),
    (rl.FocalWithLogits(gamma=0.0), (8, 8, 16)),
    (rl.FocalWithLogits(gamma=5.0), (18, 18, 26)),
    (rl.FocalWithLogits(gamma=30.0), (68, 68, 76)),
    (rl.FocalWithLogits(gamma=1e6), (2_000_008, 2_000_008, 2_000_016)),
]


def promise(loss: Any) -> tuple[float, ...]:
    """The row of a loss with its parameters."""
    row = PROMISES[type(loss).__name__]
    if isinstance(loss, rl.Cauchy) and loss.information is not None:
        return tuple(bound + more * len(loss.information) for bound, more in zip(row, (2, 3, 6), strict=True))
    if isinstance(loss, rl.FocalWithLogits):
        return tuple(bound + 2 * loss.gamma for bound in row)
    return (6, 8, 9) if getattr(loss, "pos_weight", None) is not None else row


def test_every_loss_has_a_row() -> None:
    assert set(PROMISES) == set(losses())


@pytest.mark.parametrize("loss", [loss for cls in losses().values() for loss in examples(cls)], ids=str)
def test_a_class_promises_what_its_row_says(loss: Any) -> None:
    assert tuple(loss.bounds) == promise(loss)


@pytest.mark.parametrize(("loss", "bounds"), WITH_PARAMETERS)
def test_a_promise_may_depend_on_a_parameter(loss: Any, bounds: tuple[float, float, float]) -> None:
    assert tuple(loss.bounds) == bounds


PRINTED = re.compile(
    r"worst\.value\.ulp <= ([\d.]+), worst\.grad\.ulp <= ([\d.]+)(?:, worst\.curvature\.ulp <= ([\d.]+))?"
)
IN_WORDS = re.compile(
    r"(?:where|promised|promise,|promises,|exceed) (\d+) (?:ulp|are\s+promised)|(\d+) ulp\s+are promised"
)


@pytest.mark.parametrize("name", PROMISES)
def test_a_page_claims_what_the_table_says(name: str) -> None:
    """Where a page runs a sweep, it holds the loss to its promise, or to less; in words it names the promise."""
    stem = losses()[name].__module__.rpartition(".")[2]
    text = (ROOT / "derivations" / f"{stem}.md").read_text("utf-8")
    for found in PRINTED.finditer(text):
        for printed, promised in zip(found.groups(), PROMISES[name], strict=True):
            assert printed is None or float(printed) <= promised, found[0]
    for found in IN_WORDS.finditer(text):
        assert float(found[1] or found[2]) in PROMISES[name], found[0]


# ---- what a bound is relative to, by hand ----------------------------------------------------------------------------

OMEGA = ((4.0, -1.5), (-1.5, 1.0))  # with e = (2, 1), δ = 2: s = 11, Σ|e_i Ω_ij e_j| = 23, ρ′ = 4/15
SOFT, MIXED = [[0.0, 1.0, 0.5]], [[0.25, 0.5, 0.25]]  # I = 5/8, P + T = 5/2, apart 5/4
HARD, SURE = [[0.0, 1.0]], [[0.25, 0.5]]  # I = 1/2, P + T = 7/4, apart 3/4
SCALES = [  # a loss, y, yhat, and the sizes for value, slope and curvature; None: the exact result
    (rl.BinaryCrossEntropyWithLogits(pos_weight=17.0), [0.25], [0.0], None, [F(17, 8)], None),  # ¾ and 17/4 halved
    (rl.BinaryCrossEntropyWithLogits(pos_weight=17.0), [0.25], [-0.0], None, [F(17, 8)], None),
    (rl.BinaryCrossEntropyWithLogits(pos_weight=2.0), [0.25], [0.0], None, [F(3, 8)], None),
    (rl.CrossEntropy(), [[0.75, 0.25]], [[3.0, 3.0]], None, [[F(3, 8), F(3, 8)]], None),  # ½ · ¼ and ¾ · ½
    (rl.CrossEntropy(class_weight=(2.0, 4.0)), [0], [[3.0, 3.0]], None, [[1, 1]], None),
    (
        *(rl.Cauchy(delta=2.0, information=OMEGA), [[0, 0]], [[2, 1]], [F(92, 15)]),
        *([[F(228, 25), F(96, 25)]], [[F(1924, 125), F(376, 125)]]),
    ),
    (rl.Cauchy(delta=2.0), [0.0], [3.0], None, None, [F(8, 13)]),
    # score ½ of total 3; score 3 and ¾ of total 2
    (rl.Dice(axis=1, smooth_nr=0.25, smooth_dr=0.5), SOFT, MIXED, None, [[0, 0, F(1, 2)]], [[0, 0, F(1, 3)]]),
    (rl.Dice(axis=1, smooth_nr=0.25, smooth_dr=0.25), HARD, SURE, None, [[0, 0]], [[0, 0]]),
    (rl.Dice(axis=1, smooth_nr=5.0, smooth_dr=0.25), HARD, SURE, [F(11, 4)], [[0, F(5, 2)]], [[0, F(5, 2)]]),
    (rl.Dice(axis=1, smooth_nr=0.5, smooth_dr=0.25), HARD, SURE, [F(1, 2)], [[0, F(11, 8)]], [[0, F(11, 8)]]),
    # score ⅓ of union 15/8; 45/17 and 9/17 of 17/8
    (rl.IoU(axis=1), SOFT, MIXED, None, [[0, 0, F(16, 45)]], [[0, 0, F(128, 675)]]),
    (rl.IoU(axis=1, smooth_nr=0.25, smooth_dr=0.25), HARD, SURE, None, [[0, 0]], [[0, 0]]),
    (
        *(rl.IoU(axis=1, smooth_nr=5.0, smooth_dr=0.25), SOFT, MIXED, [F(48, 17)]),
        *([[0, 0, F(248, 289)]], [[0, 0, F(1984, 4913)]]),
    ),
    (
        *(rl.IoU(axis=1, smooth_nr=0.5, smooth_dr=0.25), SOFT, MIXED, [F(12, 17)]),
        *([[0, 0, F(104, 289)]], [[0, 0, F(832, 4913)]]),
    ),
    (
        *(rl.GeneralizedDice(axis=0), [[1, 0], [0.5, 0.5]], [[0.5, 0.25], [0.25, 0.25]], None),
        *([[[0, 0], [F(76, 169)] * 2]], [[[0, 0], [F(608, 2197)] * 2]]),
    ),
    (rl.WeightedCrossEntropy(weight=3.5), [0.5], [0.25], None, [F(23, 3)], None),
    (rl.WeightedCrossEntropy(weight=0.25), [0.25], [0.5], None, [F(13, 8)], None),
    (rl.WeightedCrossEntropy(), [1.0, 0.0], [0.25, 0.25], None, [12, F(4, 3)], None),
    (
        *(rl.WeightedCrossEntropy(weight_grad="full"), [1.0, 0.0], [0.25, 0.25], None),
        *([12 + 16 * log(2), 4 / 3 + 16 * log(2)], None),
    ),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "value", "slope", "curvature"), SCALES)
def test_what_a_bound_is_relative_to(loss: Any, y: Any, yhat: Any, value: Any, slope: Any, curvature: Any) -> None:
    units = Call(loss, y, yhat).units()
    for got, expected in zip(error_scales(loss, units), (value, slope, curvature), strict=True):
        assert (got is None) == (expected is None)
        if expected is not None:
            np.testing.assert_allclose(got, np.array(expected, object).astype(float), rtol=2.0**-50)


CURVATURE_SCALES = [
    (rl.Cauchy(delta=2.0), [0.0], [3.0], [F(8, 13)]),  # 2ρ′
    (rl.Cauchy(delta=2.0, information=OMEGA), [[0, 0]], [[2, 1]], [[F(1924, 125), F(376, 125)]]),
    (rl.FocalWithLogits(gamma=0.0), [1.0], [0.0], [F(1, 4)]),
    (rl.FocalWithLogits(gamma=1.0), [0.0], [0.0], [(3 + log(2)) / 8]),  # ½ · (L + 3)/4
    (rl.Dice(axis=1, smooth_nr=0.25, smooth_dr=0.5), SOFT, MIXED, [[0, 0, F(1, 3)]]),  # 2/3 of the slope's
    (rl.IoU(axis=1), SOFT, MIXED, [[0, 0, F(128, 675)]]),  # 2 · ½ · 8/15 of the slope's
    (rl.CrossEntropy(), [0], [[3.0, 3.0]], None),
]


@pytest.mark.parametrize(("loss", "y", "yhat", "curvature"), CURVATURE_SCALES)
def test_what_the_bound_of_the_curvature_is_relative_to(loss: Any, y: Any, yhat: Any, curvature: Any) -> None:
    got = error_scales(loss, Call(loss, y, yhat).units())[2]
    assert (got is None) == (curvature is None)
    if curvature is not None:
        np.testing.assert_allclose(got, np.array(curvature, object).astype(float), rtol=2.0**-50)


# ---- kinks, bends, and the borders of short forms --------------------------------------------------------------------

KINKS = [  # a loss, a target, the predictions where its formula changes over
    (rl.Huber(delta=0.75), 2.0, [1.25, 2.75]),
    (rl.MeanAbsoluteError(), 2.0, [2.0]),
    (rl.Hinge(), -1.0, [-1.0]),
    (rl.BinaryCrossEntropy(clamp=0.25), 0.0, [0.25, 0.75]),
    (rl.BinaryCrossEntropy(), 0.0, []),
    (rl.Focal(clamp=0.25), 1.0, [0.25, 0.75]),
    (rl.Focal(), 1.0, []),
    (rl.FocalWithLogits(clamp=0.25), 1.0, [-log(3), log(3)]),
    (rl.FocalWithLogits(), 1.0, []),
    (rl.MeanSquaredError(), 2.0, []),
]


@pytest.mark.parametrize(("loss", "y", "kinks"), KINKS)
def test_where_a_formula_changes_over(loss: Any, y: float, kinks: list[float]) -> None:
    got = [float(k) for place in loss.kinks(np.array([y])) for k in place]
    assert got == pytest.approx(kinks, rel=1e-15)


STACK = (((1.0, 0.0), (0.0, 3.0)), ((4.0, 1.0), (1.0, 5.0)))  # the larger trace is 9
BENDS = [
    (rl.Huber(delta=0.75), 0.75),
    (rl.Cauchy(delta=6.0), 6.0),
    (rl.Cauchy(delta=6.0, information=STACK[1]), 2.0),
    (rl.Cauchy(delta=6.0, information=STACK), 2.0),
    (rl.Cauchy(delta=6.0, information=((0.0, 0.0), (0.0, 0.0))), 6.0),
    (rl.MeanAbsoluteError(), 1.0),
]


@pytest.mark.parametrize(("loss", "distance"), BENDS)
def test_the_distance_over_which_a_loss_bends(loss: Any, distance: float) -> None:
    assert loss.scale == pytest.approx(distance, rel=1e-15)


BELOW_ONE = nextafter(1.0, 0.0)
SHORT = [  # where the short form holds; tests/truth/test_accuracy.py straddles each border
    (rl.BinaryCrossEntropy(), 2.0**-500, BELOW_ONE),  # of p: p² is normal, both logarithms are finite
    (rl.BinaryCrossEntropyWithLogits(), -600.0, 600.0),  # exp(−600) is normal, also after a factor 1e-40
    (rl.Cauchy(), 2.0**-1000, MAX),  # of u: r² has full digits
    (rl.CrossEntropy(), 0.0, 300.0),  # of the largest |z|: the quotient of two exponentials is normal
    (rl.CrossEntropy(class_weight=(2.0**999, 1.0)), 0.0, 300.0),
    (rl.CrossEntropy(class_weight=(2.0**1000, 1.0)), 0.0, -1.0),  # never
    (rl.Focal(gamma=0.0), 2.0**-50, BELOW_ONE),  # of q: q^γ is normal
    (rl.Focal(gamma=20.0), 2.0**-50, BELOW_ONE),
    (rl.Focal(gamma=100.0), 2.0**-10, BELOW_ONE),
    (rl.FocalWithLogits(gamma=0.3), -300.0, 300.0),  # of z_t: the product of two exponentials is normal
    (rl.FocalWithLogits(gamma=2.0), -300.0, 300.0),
    (rl.FocalWithLogits(gamma=100.0), -300.0, log(expm1(6.0))),  # q^γ = (1 + e^z)^−γ is e^−600
    (rl.Huber(), -MAX, MAX),
    (rl.MeanSquaredError(), -MAX, MAX),
]


@pytest.mark.parametrize(("loss", "low", "high"), SHORT)
def test_where_the_short_form_ends(loss: Any, low: float, high: float) -> None:
    assert loss.short == pytest.approx((low, high), rel=1e-15)


def test_every_loss_with_a_short_form_of_its_own_is_in_that_table() -> None:
    own = {cls for cls in losses().values() if "short" in vars(cls)}
    assert own == {type(loss) for loss, low, _ in SHORT if low != -MAX}
