"""Losses as objects: what their parameters may be, and printing, comparing, copying, freezing."""

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest

import reflosses as rl
from reflosses.catalogue import losses
from reflosses.evaluation.domain import FRACTION, NON_NEGATIVE, POSITIVE, REAL
from reflosses.evaluation.loss import REDUCTIONS, Loss
from reflosses.evaluation.parameters import (
    array,
    axes,
    choice,
    first_index,
    flag,
    integer,
    number,
    optional,
    semidefinite,
)

INF, NAN = math.inf, math.nan
EPS = 2.0**-52

EXAMPLES = [cls(**parameters) for cls in losses().values() for parameters in cls.examples]
every_example = pytest.mark.parametrize("loss", EXAMPLES, ids=repr)

WITH_ARRAYS = [
    rl.BinaryCrossEntropyWithLogits(pos_weight=[0.3, 7.0, 0.05]),
    rl.BinaryCrossEntropyWithLogits(pos_weight=[[0.3], [7.0]]),
    rl.Cauchy(0.7, [[4.0, 1.5], [1.5, 0.75]]),
    rl.Cauchy(0.7, [[[4.0, 1.5], [1.5, 0.75]], [[0.5, 0.0], [0.0, 3.0]]]),
    rl.CrossEntropy(class_weight=(0.3, 7.0, 0.05)),
    rl.NegativeLogLikelihood(class_weight=np.array([0.3, 7.0], np.float32)),
]
with_arrays = pytest.mark.parametrize("loss", WITH_ARRAYS, ids=repr)


def arrays_of(loss: Loss) -> list[Any]:
    return [a for f in fields(loss) if isinstance(a := getattr(loss, f.name), np.ndarray)]


def rebuilt(loss: Loss) -> Any:
    return eval(repr(loss), {"__builtins__": {}}, {**vars(rl)})


# ---- printing, comparing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (rl.Huber(delta=0.7), "Huber(delta=0.7, reduction='mean')"),
        (rl.Huber(7), "Huber(delta=7.0, reduction='mean')"),
        (rl.Huber(np.float32(0.5), reduction="sum"), "Huber(delta=0.5, reduction='sum')"),
        (rl.Hinge(reduction="none"), "Hinge(reduction='none')"),
        (
            rl.Cauchy(1e-6, [[4, 1.5], [1.5, 0.75]]),
            "Cauchy(delta=1e-06, information=[[4.0, 1.5], [1.5, 0.75]], reduction='mean')",
        ),
        (
            rl.CrossEntropy(axis=np.int64(1), class_weight=(0.3, 7), ignore_index=-100),
            "CrossEntropy(axis=1, class_weight=[0.3, 7.0], ignore_index=-100, label_smoothing=0.0, reduction='mean')",
        ),
        (
            rl.BinaryCrossEntropyWithLogits(pos_weight=np.array(7)),
            "BinaryCrossEntropyWithLogits(pos_weight=7.0, reduction='mean')",
        ),
        (rl.IoU(axis=[0, -1]), "IoU(axis=(0, -1), smooth_nr=0.0, smooth_dr=0.0, reduction='mean')"),
        (
            rl.GeneralizedDice(per_sample=np.True_, axis=1),
            "GeneralizedDice(axis=1, per_sample=True, reduction='mean')",
        ),
        (rl.WeightedCrossEntropy(3.7), "WeightedCrossEntropy(weight=3.7, weight_grad='stop', reduction='mean')"),
    ],
)
def test_printing(loss: Loss, text: str) -> None:
    assert repr(loss) == text
    assert str(loss) == text
    assert rebuilt(loss) == loss


def test_arrays_are_printed_whole() -> None:
    pos_weight = (np.arange(3000) + 0.5) / 7
    loss = rl.BinaryCrossEntropyWithLogits(pos_weight=pos_weight)
    assert "..." not in repr(loss)
    np.testing.assert_array_equal(rebuilt(loss).pos_weight, pos_weight)


@every_example
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_repr_rebuilds_an_equal_object(loss: Loss, reduction: str) -> None:
    original = replace(loss, reduction=reduction)
    again = rebuilt(original)
    assert type(again) is type(original)
    assert again == original
    assert repr(again) == repr(original)


def test_names_given_as_numpy_strings_are_names() -> None:
    loss = rl.WeightedCrossEntropy(np.str_("sudre"), np.str_("full"), reduction=np.str_("sum"))
    assert repr(loss) == "WeightedCrossEntropy(weight='sudre', weight_grad='full', reduction='sum')"
    assert rebuilt(loss) == loss


ROUND_TRIPS: dict[str, Callable[[Any], Any]] = {
    **{
        f"pickle {p}": lambda loss, p=p: pickle.loads(pickle.dumps(loss, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "replace": replace,
}
round_trips = pytest.mark.parametrize("trip", ROUND_TRIPS.values(), ids=ROUND_TRIPS)


@pytest.mark.parametrize("loss", [*EXAMPLES, *WITH_ARRAYS], ids=repr)
@round_trips
def test_copies_are_equal(loss: Loss, trip: Callable[[Any], Any]) -> None:
    again = trip(loss)
    assert type(again) is type(loss)
    assert again == loss
    assert hash(again) == hash(loss)
    assert repr(again) == repr(loss)


@with_arrays
@round_trips
def test_copies_are_as_frozen_as_the_original(loss: Loss, trip: Callable[[Any], Any]) -> None:
    again = trip(loss)
    assert arrays_of(again)
    for a in arrays_of(again):
        with pytest.raises(ValueError, match="read-only"):
            a[...] = 5.0
    assert again == loss


@pytest.mark.parametrize("make", [lambda: rl.Huber(0.7), *[lambda x=x: rebuilt(x) for x in WITH_ARRAYS]])
def test_equal_by_value(make: Callable[[], Any]) -> None:
    one, other = make(), make()
    assert one is not other
    assert one == other
    assert (one != other) is False
    assert hash(one) == hash(other)
    assert len({one, other}) == 1


def test_every_parameter_counts_in_a_comparison() -> None:
    different = [
        rl.Huber(0.7),
        rl.Huber(0.7, reduction="sum"),
        rl.Huber(math.nextafter(0.7, 1)),
        rl.Cauchy(0.7),
        rl.Cauchy(0.7, [[4.0, 1.5], [1.5, 0.75]]),
        rl.Cauchy(0.7, [[4.0, 1.5], [1.5, 0.7]]),
        rl.Cauchy(0.7, [[[4.0, 1.5], [1.5, 0.75]]]),
        rl.BinaryCrossEntropyWithLogits(pos_weight=0.3),
        rl.BinaryCrossEntropyWithLogits(pos_weight=[0.3]),
        rl.BinaryCrossEntropyWithLogits(pos_weight=[0.3, 7.0]),
        rl.BinaryCrossEntropyWithLogits(pos_weight=[[0.3, 7.0]]),
        rl.BinaryCrossEntropyWithLogits(pos_weight=[7.0, 0.3]),
        rl.BinaryCrossEntropyWithLogits(),
        rl.Focal(4.5, 0.3, 0.03),
        rl.FocalWithLogits(4.5, 0.3, 0.03),
        rl.Focal(4.5, 0.03, 0.3),
        rl.Dice(),
        rl.IoU(),
        rl.Dice(axis=-1),
        rl.MeanSquaredError(),
        rl.MeanAbsoluteError(),
        "Huber(delta=0.7, reduction='mean')",
        0.7,
        None,
    ]
    for i, a in enumerate(different):
        for j, b in enumerate(different):
            assert (a == b) is (i == j)
            assert (a != b) is (i != j)


def test_zeros_of_either_sign_are_equal_parameters() -> None:
    for one, other in [
        (rl.Dice(smooth_dr=0.0), rl.Dice(smooth_dr=-0.0)),
        (
            rl.BinaryCrossEntropyWithLogits(pos_weight=[0.0, 7.0]),
            rl.BinaryCrossEntropyWithLogits(pos_weight=[-0.0, 7.0]),
        ),
    ]:
        assert one == other
        assert hash(one) == hash(other)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint16", ">f8"])
def test_the_dtype_of_a_given_array_does_not_matter(dtype: str) -> None:
    given = np.array([3, 7, 16], dtype)
    assert rl.CrossEntropy(class_weight=given) == rl.CrossEntropy(class_weight=[3.0, 7.0, 16.0])
    assert rl.CrossEntropy(class_weight=given).class_weight.dtype == np.float64


# ---- frozen ----------------------------------------------------------------------------------------------------------


@every_example
def test_fields_cannot_be_set(loss: Loss) -> None:
    before = repr(loss)
    for name in [f.name for f in fields(loss)]:
        with pytest.raises(FrozenInstanceError):
            setattr(loss, name, 0.3)
        with pytest.raises(FrozenInstanceError):
            delattr(loss, name)
    with pytest.raises(FrozenInstanceError):
        loss.another = 0.3  # type: ignore[attr-defined]
    assert repr(loss) == before


@pytest.mark.parametrize(
    ("cls", "name", "given"),
    [
        (rl.BinaryCrossEntropyWithLogits, "pos_weight", [0.3, 7.0]),
        (rl.CrossEntropy, "class_weight", [0.3, 7.0]),
        (rl.NegativeLogLikelihood, "class_weight", [0.3, 7.0]),
        (rl.Cauchy, "information", [[4.0, 1.5], [1.5, 0.75]]),
    ],
)
def test_array_parameters_cannot_be_changed_from_outside(cls: Any, name: str, given: Any) -> None:
    mine = np.array(given)
    loss = cls(**{name: mine})
    before = repr(loss)
    mine[...] = 5.0  # the caller's array stays the caller's
    assert repr(loss) == before
    with pytest.raises(ValueError, match="read-only"):
        getattr(loss, name)[...] = 5.0
    assert repr(loss) == before


@pytest.mark.parametrize("cls", losses().values())
def test_the_reduction_is_a_keyword(cls: Any) -> None:
    count = len([f for f in fields(cls) if f.name != "reduction"])
    values = [f.default for f in fields(cls) if f.name != "reduction"]
    assert cls(*values).reduction == "mean"
    with pytest.raises(TypeError, match=f"takes from 1 to {count + 1}|takes 1 positional"):
        cls(*values, "sum")


# ---- what parameters may be ------------------------------------------------------------------------------------------

GOOD = [
    (rl.Huber, {"delta": 5e-324}),
    (rl.Huber, {"delta": 1.7e308}),
    (rl.Huber, {"delta": 7}),
    (rl.Cauchy, {"delta": np.float16(0.7)}),
    (rl.Focal, {"gamma": 0.0, "alpha": 0.0}),
    (rl.Focal, {"gamma": 0.3, "alpha": 1.0, "clamp": 5e-324}),
    (rl.FocalWithLogits, {"gamma": 300.0, "clamp": math.nextafter(0.5, 0)}),
    (rl.BinaryCrossEntropy, {"clamp": math.nextafter(0.5, 0)}),
    (rl.BinaryCrossEntropyWithLogits, {"pos_weight": 0.0}),
    (rl.CrossEntropy, {"label_smoothing": 1.0, "ignore_index": -100, "axis": -3}),
    (rl.CrossEntropy, {"class_weight": [0.0, 7.0]}),
    (rl.Dice, {"smooth_nr": 0.3, "smooth_dr": 5e-324}),
    (rl.IoU, {"smooth_nr": 0.0, "smooth_dr": 0.3, "axis": ()}),
    (rl.WeightedCrossEntropy, {"weight": 0.0, "weight_grad": "full"}),
]


@pytest.mark.parametrize(("cls", "parameters"), GOOD)
def test_good_parameters(cls: Any, parameters: dict[str, Any]) -> None:
    loss = cls(**parameters)
    for name, given in parameters.items():
        np.testing.assert_array_equal(getattr(loss, name), given)


BAD = [
    # loss, parameter, value, error, what the message says
    *[
        (cls, "delta", bad, ValueError, f"delta is {bad:g}")
        for cls in (rl.Huber, rl.Cauchy)
        for bad in (-0.7, 0.0, INF, -INF, NAN)
    ],
    (rl.Huber, "delta", -0.7, ValueError, "delta is -0.7, not a finite number in (0, inf)"),
    (rl.Huber, "delta", [0.7], ValueError, "delta must be one number, got shape (1,)"),
    (rl.Huber, "delta", np.full((3, 1), 0.7), ValueError, "delta must be one number, got shape (3, 1)"),
    (rl.Huber, "delta", "0.7", TypeError, "delta must be an array of real numbers, got dtype <U3"),
    (rl.Huber, "delta", None, TypeError, "delta"),
    (rl.Huber, "delta", 0.7 + 0j, TypeError, "delta must be an array of real numbers, got dtype complex128"),
    *[
        (cls, name, bad, ValueError, text)
        for cls in (rl.Focal, rl.FocalWithLogits)
        for name, bad, text in [
            ("gamma", -0.3, "gamma is -0.3, not a number in [0, 1e+06]"),
            ("gamma", INF, "gamma is inf"),
            ("gamma", NAN, "gamma is nan"),
            ("gamma", [0.3, 4.5], "gamma must be one number"),
            ("alpha", 1.2, "alpha is 1.2, not a number in [0, 1]"),
            ("alpha", -0.2, "alpha is -0.2, not a number in [0, 1]"),
            ("alpha", NAN, "alpha is nan"),
            ("alpha", [0.3, 0.7], "alpha must be one number"),
            ("clamp", 0.5, "clamp is 0.5, not a number in (0, 0.5)"),
            ("clamp", 0.0, "clamp is 0"),
            ("clamp", -1e-7, "clamp is -1e-07"),
            ("clamp", NAN, "clamp is nan"),
        ]
    ],
    (rl.BinaryCrossEntropy, "clamp", 0.5, ValueError, "clamp is 0.5, not a number in (0, 0.5)"),
    (rl.BinaryCrossEntropy, "clamp", [0.03], ValueError, "clamp must be one number"),
    (rl.BinaryCrossEntropyWithLogits, "pos_weight", -0.3, ValueError, "pos_weight is -0.3"),
    (rl.BinaryCrossEntropyWithLogits, "pos_weight", INF, ValueError, "pos_weight is inf"),
    (rl.BinaryCrossEntropyWithLogits, "pos_weight", [[0.3], [NAN]], ValueError, "pos_weight[1, 0] is nan"),
    (rl.BinaryCrossEntropyWithLogits, "pos_weight", [0.3, "7"], TypeError, "pos_weight"),
    *[
        (cls, name, bad, error, text)
        for cls in (rl.CrossEntropy, rl.NegativeLogLikelihood)
        for name, bad, error, text in [
            ("class_weight", [0.3, -7.0], ValueError, "class_weight[1] is -7"),
            ("class_weight", [INF, 7.0], ValueError, "class_weight[0] is inf"),
            ("class_weight", 0.3, ValueError, "class_weight must have 1 axis, got shape ()"),
            ("class_weight", [[0.3, 7.0]], ValueError, "class_weight must have 1 axis, got shape (1, 2)"),
            ("class_weight", "balanced", TypeError, "class_weight"),
        ]
    ],
    *[
        (cls, name, bad, TypeError, f"{name} must be an integer, got {bad!r}")
        for cls in (rl.CrossEntropy, rl.NegativeLogLikelihood, rl.SparseCategoricalCrossEntropy)
        for name in ("axis", "ignore_index")
        for bad in (True, np.False_, 1.0, "1")
    ],
    (rl.CrossEntropy, "axis", None, TypeError, "axis must be an integer, got None"),
    (rl.CrossEntropy, "axis", (0, 1), TypeError, "axis must be an integer, got (0, 1)"),
    (rl.CrossEntropy, "label_smoothing", 1.2, ValueError, "label_smoothing is 1.2, not a number in [0, 1]"),
    (rl.CrossEntropy, "label_smoothing", -0.1, ValueError, "label_smoothing is -0.1"),
    (rl.CrossEntropy, "label_smoothing", NAN, ValueError, "label_smoothing is nan"),
    *[
        (cls, name, bad, error, text)
        for cls in (rl.Dice, rl.IoU)
        for name, bad, error, text in [
            ("axis", True, TypeError, "axis must be an integer, got True"),
            ("axis", (0, False), TypeError, "axis must be an integer, got False"),
            ("axis", 1.0, TypeError, "axis must be an integer, got 1.0"),
            ("axis", "all", TypeError, "axis must be an integer, got 'all'"),
            ("smooth_nr", -0.3, ValueError, "smooth_nr is -0.3"),
            ("smooth_dr", NAN, ValueError, "smooth_dr is nan"),
            ("smooth_dr", [0.3], ValueError, "smooth_dr must be one number"),
            ("smooth_nr", 0.3, ValueError, "smooth_nr > 0 needs smooth_dr > 0"),
        ]
    ],
    (rl.GeneralizedDice, "axis", True, TypeError, "axis must be an integer, got True"),
    (rl.GeneralizedDice, "per_sample", 1, TypeError, "per_sample must be True or False, got 1"),
    (rl.GeneralizedDice, "per_sample", "no", TypeError, "per_sample must be True or False, got 'no'"),
    (rl.WeightedCrossEntropy, "weight", "balanced", ValueError, "weight must be one of sudre, got 'balanced'"),
    (rl.WeightedCrossEntropy, "weight", -3.7, ValueError, "weight is -3.7, not a finite number in [0, inf)"),
    (rl.WeightedCrossEntropy, "weight", [3.7, 0.04], ValueError, "weight must be one number"),
    (rl.WeightedCrossEntropy, "weight", None, TypeError, "weight"),
    (rl.WeightedCrossEntropy, "weight_grad", "half", ValueError, "weight_grad must be one of stop, full, got 'half'"),
    (rl.WeightedCrossEntropy, "weight_grad", True, ValueError, "weight_grad must be one of stop, full, got True"),
    (rl.Cauchy, "information", 4.0, ValueError, "information must be square matrices, got shape ()"),
    (rl.Cauchy, "information", [4.0, 0.7], ValueError, "information must be square matrices, got shape (2,)"),
    (rl.Cauchy, "information", [[4.0, 0.7]], ValueError, "information must be square matrices, got shape (1, 2)"),
    (rl.Cauchy, "information", [[4.0, NAN], [NAN, 0.7]], ValueError, "information[0, 1] is nan"),
    (rl.Cauchy, "information", [[4.0, 0.0], [0.0, INF]], ValueError, "information[1, 1] is"),
    (rl.Cauchy, "information", [[4.0, 1.5], [1.25, 0.7]], ValueError, "must be symmetric, differs from its transpose"),
    (rl.Cauchy, "information", [[-4.0, 0.0], [0.0, 0.7]], ValueError, "must be positive semi-definite"),
    (rl.Cauchy, "information", [[-4.0]], ValueError, "must be positive semi-definite"),
    (rl.Cauchy, "information", [[0.5, 3.0], [3.0, 0.7]], ValueError, "must be positive semi-definite"),
    (rl.Cauchy, "information", [np.eye(2), [[0.5, 3.0], [3.0, 0.7]]], ValueError, "must be positive semi-definite"),
    (rl.Cauchy, "information", np.zeros((0, 0)), ValueError, "information"),
    *[
        (cls, "reduction", bad, ValueError, "reduction must be one of mean, weighted_mean, sum, none")
        for cls in (rl.Huber, rl.CrossEntropy, rl.Dice)
        for bad in ("Mean", "batchmean", "", None, True, 3, ["mean"], np.array(["mean", "sum"]))
    ],
]


@pytest.mark.parametrize(("cls", "name", "bad", "error", "text"), BAD)
def test_bad_parameters_raise_at_construction(cls: Any, name: str, bad: Any, error: Any, text: str) -> None:
    with pytest.raises(error) as raised:
        cls(**{name: bad})
    assert text in str(raised.value)
    assert str(raised.value).startswith(f"{cls.__name__}(")
    assert f"{name}=" in str(raised.value)


ENDS = {  # a number just outside the domain, and the last one inside it
    "delta": [(0.0, 5e-324)],
    "gamma": [(-5e-324, 0.0)],
    "alpha": [(-5e-324, 0.0), (1 + 2.0**-52, 1.0)],
    "clamp": [(0.0, 5e-324), (0.5, 0.5 - 2.0**-54)],
    "label_smoothing": [(-5e-324, 0.0), (1 + 2.0**-52, 1.0)],
    "smooth_nr": [(-5e-324, 0.0)],
    "smooth_dr": [(-5e-324, 0.0)],
    "weight": [(-5e-324, 0.0)],
    "pos_weight": [(-5e-324, 0.0)],
    "class_weight": [([-5e-324, 0.3], [0.0, 0.3])],
}
NUMBERS = [(cls, f.name) for cls in losses().values() for f in fields(cls) if f.name in ENDS]


@pytest.mark.parametrize(("cls", "name"), NUMBERS)
def test_the_domain_of_a_parameter_ends_where_it_says(cls: Any, name: str) -> None:
    more = {"smooth_dr": 0.3} if name == "smooth_nr" else {}
    for outside, inside in ENDS[name]:
        cls(**{**more, name: inside})
        with pytest.raises(ValueError, match=name):
            cls(**{**more, name: outside})


def test_every_number_that_is_a_parameter_has_such_a_row() -> None:
    others = {"reduction", "axis", "ignore_index", "per_sample", "weight_grad", "information"}
    assert {f.name for cls in losses().values() for f in fields(cls)} == set(ENDS) | others


@pytest.mark.parametrize("cls", [rl.Dice, rl.IoU])
def test_smooth_nr_needs_smooth_dr(cls: Any) -> None:
    message = rf"^{cls.__name__}\(axis=None, smooth_nr=0.3, smooth_dr=0.0, .*\): smooth_nr > 0 needs smooth_dr > 0$"
    with pytest.raises(ValueError, match=message):
        cls(smooth_nr=0.3)
    assert cls(smooth_nr=0.3, smooth_dr=7.0).smooth_nr == 0.3
    assert cls(smooth_dr=7.0).smooth_nr == 0.0


@pytest.mark.parametrize("d", [2, 3, 7])
@pytest.mark.parametrize("largest", [0.75, 2.0**40, 3 * 2.0**-40])
def test_an_eigenvalue_may_be_as_negative_as_rounding_makes_it(d: int, largest: float) -> None:
    limit = -8 * d * EPS * largest
    diagonal = np.full(d, largest)
    for low, good in [(-largest * EPS, True), (limit, True), (1.0625 * limit, False), (-largest, False)]:
        diagonal[d // 2] = low
        if good:
            np.testing.assert_array_equal(rl.Cauchy(0.7, np.diag(diagonal)).information, np.diag(diagonal))
        else:
            with pytest.raises(ValueError, match=r"information must be positive semi-definite"):
                rl.Cauchy(0.7, np.diag(diagonal))


def test_singular_information_is_accepted() -> None:
    v = np.array([0.3, -7.0, 0.05])
    for singular in (np.zeros((3, 3)), np.outer(v, v), [np.outer(v, v), np.eye(3)]):
        np.testing.assert_array_equal(rl.Cauchy(0.7, singular).information, singular)


# ---- the checks themselves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [0.3, np.float32(0.5), np.array(7), True, 1])
def test_a_number_becomes_a_float(given: Any) -> None:
    got = number(NON_NEGATIVE)("it", given)
    assert type(got) is float
    assert got == float(given)


def test_an_array_is_copied_and_read_only() -> None:
    mine = np.array([0.3, 7.0])
    got = array(POSITIVE)("it", mine)
    np.testing.assert_array_equal(got, mine)
    assert not np.shares_memory(got, mine)
    assert not got.flags.writeable
    assert type(array(POSITIVE)("it", np.array(0.3))) is float
    with pytest.raises(ValueError, match=r"^it must have 2 axis, got shape \(2,\)"):
        array(POSITIVE, ndim=2)("it", mine)
    with pytest.raises(ValueError, match=r"^it\[1, 0\] is -3(\.0)?, not a finite number in \(0, inf\)"):
        array(POSITIVE)("it", [[0.3, 0.7], [-3.0, -5.0]])


def test_nan_is_no_parameter() -> None:
    for domain in (REAL, FRACTION, NON_NEGATIVE):
        with pytest.raises(ValueError, match=r"^it is nan, not a"):
            number(domain)("it", NAN)


@pytest.mark.parametrize("given", [3, -1, 0, np.int8(3), np.uint64(7)])
def test_an_integer_becomes_an_int(given: Any) -> None:
    for got in (integer("it", given), axes("it", given)):
        assert type(got) is int
        assert got == given


def test_several_axes_become_a_tuple() -> None:
    assert axes("it", [0, np.int64(-1)]) == (0, -1)
    assert axes("it", ()) == ()


def test_flags_and_choices_and_options() -> None:
    assert flag("it", np.True_) is True
    assert flag("it", False) is False
    assert choice("stop", "full")("it", "full") == "full"
    assert choice("sudre", otherwise=number(POSITIVE))("it", 3) == 3.0
    with pytest.raises(ValueError, match=r"^it must be one of stop, full, got 'go'$"):
        choice("stop", "full")("it", "go")
    with pytest.raises(ValueError, match=r"^it must be one of stop, full, got 3$"):
        choice("stop", "full")("it", 3)
    assert optional(flag)("it", None) is None
    assert optional(flag)("it", True) is True


def test_a_matrix_error_names_its_first_bad_entry() -> None:
    with pytest.raises(ValueError, match=r"^it must be symmetric, differs from its transpose at \[1, 0, 2\]$"):
        semidefinite("it", [np.eye(3), [[3.0, 0.0, 0.5], [0.0, 3.0, 0.0], [0.25, 0.0, 3.0]]])


@pytest.mark.parametrize(
    ("shape", "at", "text"),
    [((), (), ""), ((4,), (2,), "[2]"), ((2, 3), (1, 0), "[1, 0]"), ((2, 3, 4), (0, 2, 3), "[0, 2, 3]")],
)
def test_indices_are_written_as_they_are_typed(shape: Any, at: Any, text: str) -> None:
    bad = np.zeros(shape, bool)
    bad[at] = True
    bad[(-1,) * len(shape)] = True  # a later one changes nothing
    assert first_index(bad) == text


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    ("cls", "name"),
    [(rl.Huber, "delta"), (rl.Dice, "axis"), (rl.CrossEntropy, "ignore_index"), (rl.GeneralizedDice, "per_sample")],
)
def test_what_cannot_be_printed_is_named_by_its_type(cls: Any, name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{cls.__name__}\(.*{name}=<Unprintable>.*\): {name} must be "):
        cls(**{name: Unprintable()})


def test_an_index_of_four_hundred_digits_and_one_that_nobody_can_print() -> None:
    loss = rl.CrossEntropy(ignore_index=-(10**400))
    assert loss.value([0.0, 1.0], np.zeros((2, 3))) == pytest.approx(math.log(3), rel=1e-15)
    assert str(10**400) in repr(loss)
    with pytest.raises(ValueError, match="ignore_index is an integer of more than 14000 bits"):
        rl.CrossEntropy(ignore_index=10**5000)
