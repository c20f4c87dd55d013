"""A sample of `make fuzz`, and mistakes that it must find."""

from typing import Any

import numpy as np
import pytest
from fuzz import METHODS, Call, Given, fuzz, judged

import reflosses as rl
from reflosses.evaluation import call as arguments
from reflosses.evaluation import output
from reflosses.evaluation.domain import Classes
from reflosses.evaluation.loss import Loss

SEED = 7


@pytest.mark.usefixtures("flint")
def test_a_sample_of_calls_keeps_every_manner() -> None:
    outcomes, failures = fuzz(3999, seed=SEED)
    assert not failures
    assert outcomes["answered"] > 1000
    assert min(outcomes["TypeError"], outcomes["ValueError"]) > 400


def call(run: Any, **more: Any) -> Call:
    return Call(run, "R.Huber().value()", ("Huber(delta=1.0): ",), ("y", "yhat"), **more)


def raising(error: Exception) -> Any:
    def run() -> None:
        raise error

    return run


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (raising(KeyError("y")), "raises KeyError"),
        (raising(OverflowError("Huber(delta=1.0): y is large")), "raises OverflowError"),
        (raising(np.linalg.LinAlgError("Huber(delta=1.0): y is singular")), "raises LinAlgError"),
        (raising(ValueError("y is -3")), "does not begin with the name"),
        (raising(TypeError("Huber(delta=1.0): no array")), "names no argument"),
        (raising(TypeError("Huber(delta=1.0): yhatch is no array")), "names no argument"),
        (lambda: np.float64(1e308) * 10, "raises FloatingPointError"),
        (lambda: rl.Huber().value(0.0, np.zeros(1)), "does not begin with the name"),
    ],
)
def test_a_stray_error_is_a_failure(run: Any, problem: str) -> None:
    assert problem in judged(call(run))[1]


def test_a_changed_input_and_much_memory_are_failures() -> None:
    a, view = np.zeros(3), np.zeros(6)
    assert judged(call(lambda: a.fill(1), given=[Given(a, "a")]))[1] == "an input is changed"
    assert judged(call(lambda: view[1::2].fill(1), given=[Given(view[::2], "view", view)]))[1] == "an input is changed"
    assert judged(call(lambda: np.zeros(2**23) is None, large=True))[1] == "holds 64.0 MiB beyond its results"
    assert judged(call(lambda: np.zeros(2**23), large=True))[1] == ""


@pytest.mark.parametrize("planted", ["labels", "overlap", "order", "signal", "word"])
def test_a_planted_mistake_is_found(monkeypatch: pytest.MonkeyPatch, planted: str) -> None:
    if planted == "labels":  # not in their own dtype
        monkeypatch.setattr(Classes, "ignored", lambda self, a: None)
    if planted == "overlap":
        monkeypatch.setattr(output, "_apart", lambda a: True)
    if planted == "order":
        monkeypatch.setattr(output.np, "may_share_memory", lambda a, b: False)
    if planted == "signal":  # errors are worded where signals are on
        monkeypatch.setattr(arguments.Call, "error", arguments.Call.error.__wrapped__)  # type: ignore[attr-defined]
    if planted == "word":
        monkeypatch.setattr(Loss, "__repr__", lambda self: "a loss")
    assert fuzz(4000, seed=SEED, stop=True)[1]
    assert set(METHODS) >= {"value", "grad", "value_and_grad", "subgradient"}
