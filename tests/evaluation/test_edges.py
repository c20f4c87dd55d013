"""What nobody may change unnoticed: the defaults of public names, and where each domain ends."""

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import reflosses as rl
from reflosses import gradcheck
from reflosses.catalogue import losses
from reflosses.evaluation.loss import Loss

INF, NAN = math.inf, math.nan

# ---- defaults --------------------------------------------------------------------------------------------------------

DEFAULTS = {
    rl.BinaryCrossEntropy: "clamp=None",
    rl.BinaryCrossEntropyWithLogits: "pos_weight=None",
    rl.Cauchy: "delta=1.0, information=None",
    rl.CrossEntropy: "axis=-1, class_weight=None, ignore_index=None, label_smoothing=0.0",
    rl.Dice: "axis=None, smooth_nr=0.0, smooth_dr=0.0",
    rl.Focal: "gamma=2.0, alpha=None, clamp=None",
    rl.FocalWithLogits: "gamma=2.0, alpha=None, clamp=None",
    rl.GeneralizedDice: "axis=-1, per_sample=False",
    rl.Hinge: "",
    rl.Huber: "delta=1.0",
    rl.IoU: "axis=None, smooth_nr=0.0, smooth_dr=0.0",
    rl.MeanAbsoluteError: "",
    rl.MeanSquaredError: "",
    rl.NegativeLogLikelihood: "axis=-1, class_weight=None, ignore_index=None",
    rl.SparseCategoricalCrossEntropy: "axis=-1, ignore_index=None",
    rl.WeightedCrossEntropy: "weight='sudre', weight_grad='stop'",
}
FUNCTIONS: list[tuple[Any, str]] = [
    (Loss.value, "self, y, yhat, *, weight=None"),
    (Loss.grad, "self, y, yhat, *, weight=None, out=None"),
    (Loss.value_and_grad, "self, y, yhat, *, weight=None, out=None"),
    (Loss.subgradient, "self, y, yhat, *, weight=None"),
    (Loss.curvature, "self, y, yhat, *, weight=None"),
    (rl.certify, "loss, y, yhat, weight=None, *, curvature=False"),
    (rl.as_, "name, **parameters"),
    (rl.log_softmax, "z, axis=-1"),
    (rl.get_num_threads, ""),
    (rl.set_num_threads, "n"),
    (rl.overlap.sensitivity, "intersection, total"),
    (rl.overlap.hard_dice, "y, yhat, num_classes"),
    (rl.overlap.hard_iou, "y, yhat, num_classes"),
    (rl.overlap.pixel_accuracy, "y, yhat"),
    (gradcheck.gradcheck, "loss, y, yhat, weight=None, *, candidate=None"),
    (gradcheck.reductioncheck, "loss, y, yhat, weight=None, *, candidate=None"),
    (gradcheck.bracketcheck, "loss, y, yhat, weight=None, *, candidate=None"),
    (rl.vectors, "name"),
    (
        rl.exhaust,
        "candidate, loss, *, dtype='bfloat16', y=None, grad='auto', framework='auto', targets='auto', order='auto', "
        "returns='auto', name='', inputs=None, script=arrays_of, tick=<lambda>",
    ),
    (rl.portrait, "candidates, loss, *, dtype='float32', out=None, title='', tick=<lambda>, **options"),
    (
        rl.hunt,
        "candidate, loss, *, dtype='float64', seconds=10.0, points=None, seed=0, framework='auto', "
        "grad='auto', targets='auto', order='auto', returns='auto', name='', inputs=None, unit=0.0, tick=<lambda>",
    ),
    (
        rl.diagnose,
        "candidate, loss, *, dtype='float64', grad='auto', framework='auto', targets='auto', order='auto', "
        "returns='auto'",
    ),
    (
        rl.check,
        "candidate, loss, *, dtype='float64', grad='auto', regimes=None, seed=0, framework='auto', targets='auto', "
        "order='auto', returns='auto', name='', inputs=None, unit=0.0, level='formula', diagnose=True, "
        "script=arrays_of, tick=<lambda>",
    ),
]


def signature(function: Callable[..., Any]) -> str:
    """The parameters and defaults, without types; a default that is a function by its name."""
    plain = []
    for p in inspect.signature(function).parameters.values():
        plain.append(p.replace(annotation=p.empty))
    text = str(inspect.Signature(plain))
    return re.sub(r"<function (?:\w+\.<locals>\.)?(\w+|<lambda>) at \w+>", r"\1", text)[1:-1]


def test_the_defaults_of_every_loss() -> None:
    assert set(DEFAULTS) == set(losses().values())
    for cls, text in DEFAULTS.items():
        assert signature(cls) == ", ".join(filter(None, [text, "*, reduction='mean'"]))


def test_the_defaults_of_every_function() -> None:
    for function, text in FUNCTIONS:
        assert signature(function) == text
    public = {name for name in rl.__all__ if inspect.isfunction(getattr(rl, name))}
    assert public == {function.__name__ for function, _ in FUNCTIONS} & public


# ---- domains ---------------------------------------------------------------------------------------------------------

MAX, TINY = float(np.finfo(float).max), 5e-324
EDGES = {  # members at the edge, and the numbers just outside
    "a finite number in (0, inf)": ([TINY, MAX], [0.0, -TINY, INF, NAN]),
    "a finite number in [0, inf)": ([0.0, TINY, MAX], [-TINY, -MAX, INF, NAN]),
    "a number in [0, 1e+06]": ([0.0, TINY, 1e6], [-TINY, np.nextafter(1e6, INF), INF, NAN]),
    "a number in [0, 1]": ([0.0, 1.0], [-TINY, np.nextafter(1.0, 2), INF, NAN]),
    "a number in (0, 0.5)": ([TINY, np.nextafter(0.5, 0)], [0.0, -TINY, 0.5, NAN]),
    "a probability in [0, 1]": ([0.0, TINY, 1.0], [-TINY, np.nextafter(1.0, 2), -INF, INF]),
    "a real number": ([-MAX, 0.0, MAX, INF], []),
    "a label in {0, 1}": ([0.0, 1.0], [TINY, -TINY, np.nextafter(1.0, 0), np.nextafter(1.0, 2), -1.0, NAN]),
    "a label in {-1, 1}": ([-1.0, 1.0], [0.0, np.nextafter(-1.0, 0), np.nextafter(1.0, 2), NAN]),
}
POSITIVE, NON_NEGATIVE, TO_A_MILLION, FRACTION, CLAMP, PROBABILITY, REAL, BINARY, SIGNED = EDGES
NUMBERS = {
    "delta": POSITIVE,
    "gamma": TO_A_MILLION,
    "alpha": FRACTION,
    "clamp": CLAMP,
    "label_smoothing": FRACTION,
    "smooth_nr": NON_NEGATIVE,
    "smooth_dr": NON_NEGATIVE,
    "pos_weight": NON_NEGATIVE,
    "class_weight": NON_NEGATIVE,
    "weight": NON_NEGATIVE,
}
NO_NUMBERS = {"reduction", "axis", "ignore_index", "per_sample", "weight_grad", "information"}


@pytest.mark.parametrize("cls", losses().values(), ids=list(losses()))
def test_parameters_just_outside_their_domains(cls: Any) -> None:
    for name in [f.name for f in fields(cls) if f.name not in NO_NUMBERS]:
        inside, outside = EDGES[NUMBERS[name]]
        wrap = (lambda x: [x]) if name == "class_weight" else (lambda x: x)
        more = {"smooth_dr": 1.0} if name == "smooth_nr" else {}
        for x in inside:
            assert np.ravel(getattr(cls(**{name: wrap(x), **more}), name))[0] == x
        for x in outside:
            with pytest.raises(ValueError, match=rf": {name}(\[0\])? is \S+, not {re.escape(NUMBERS[name])}$"):
                cls(**{name: wrap(x), **more})


DOMAINS = {  # of y (None: class indices) and of yhat
    rl.BinaryCrossEntropy: (PROBABILITY, PROBABILITY),
    rl.BinaryCrossEntropyWithLogits: (PROBABILITY, REAL),
    rl.Cauchy: (REAL, REAL),
    rl.CrossEntropy: (None, REAL),
    rl.Dice: (PROBABILITY, PROBABILITY),
    rl.Focal: (BINARY, PROBABILITY),
    rl.FocalWithLogits: (BINARY, REAL),
    rl.GeneralizedDice: (PROBABILITY, PROBABILITY),
    rl.Hinge: (SIGNED, REAL),
    rl.Huber: (REAL, REAL),
    rl.IoU: (PROBABILITY, PROBABILITY),
    rl.MeanAbsoluteError: (REAL, REAL),
    rl.MeanSquaredError: (REAL, REAL),
    rl.NegativeLogLikelihood: (None, REAL),
    rl.SparseCategoricalCrossEntropy: (None, PROBABILITY),
    rl.WeightedCrossEntropy: (PROBABILITY, PROBABILITY),
}


@pytest.mark.parametrize("cls", losses().values(), ids=list(losses()))
def test_numbers_just_outside_the_domains(cls: Any) -> None:
    loss = cls()
    y = np.array([2, 0]) if DOMAINS[cls][0] is None else np.ones((2, 3))
    good = {"y": y, "yhat": np.full((2, 3), 0.25)}
    for name, domain in zip(("y", "yhat"), DOMAINS[cls], strict=True):
        where = (1,) if good[name].ndim == 1 else (1, 2)
        inside, outside = EDGES[domain] if domain else ([0, 1, 2], [-1, 3, -TINY, np.nextafter(2.0, 3), 0.5, NAN])
        for x in inside:
            loss.value_and_grad(**{**good, name: changed(good[name], where, x)})
        for x in outside:
            said = "a class index from 0 to 2" if domain is None else domain
            with pytest.raises(ValueError, match=rf": {name}\[1(, 2)?\] is \S+, not {re.escape(said)}$"):
                loss.value_and_grad(**{**good, name: changed(good[name], where, x)})


def changed(a: Any, where: Any, x: float) -> Any:
    out = np.array(a, float)
    out[where] = x
    return out


def test_a_kernel_takes_nan_and_no_number_below_zero() -> None:
    kernel = rl.Cauchy(0.7)
    for function in (kernel.rho, kernel.weight, kernel.rho_second, kernel.scipy_rho):
        assert np.isnan(function([NAN, 4.0])).reshape(-1, 2).all(axis=0).tolist() == [True, False]
        said = rf"^Cauchy\(.*\): {function.__name__}: s\[1\] is -\S+, not a squared error"
        with pytest.raises(ValueError, match=said):
            function([0.0, -TINY])
