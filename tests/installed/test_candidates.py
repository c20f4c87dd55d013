"""Candidates of PyTorch and JAX as people hand them over: unwrapped, in place, by accident of NumPy, or not numbers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reflosses.comparison.candidate import FRAMEWORKS, Answer, InProcess, detect
from reflosses.comparison.formats import FORMATS

FORM = FORMATS["float64"]
Y, YHAT = np.array([0.5, 3.0]), np.array([0.25, 7.0])
VALUE, GRAD = [0.0625, 16.0], [-0.5, 8.0]  # ¼², 4², and twice −¼ and 4
INDEX, LOGITS = np.array([1, 0]), np.array([[1.0, 2.0], [3.0, 3.0]])


def made(candidate: Any, framework: str = "auto", y: Any = Y, yhat: Any = YHAT) -> InProcess:
    arrays = detect(candidate, FORM, y, yhat) if framework == "auto" else FRAMEWORKS[framework](FORM)
    return InProcess(candidate, arrays)


def is_right(answer: Answer) -> bool:
    assert answer.error == ""
    assert answer.value is not None
    assert answer.grad is not None
    return bool(answer.value.tolist() == VALUE and answer.grad.tolist() == GRAD)


class Squared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Any, target: Any) -> Any:
        ctx.save_for_backward(input - target)
        return (input - target) ** 2

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        (r,) = ctx.saved_tensors
        return upstream * 2 * r, None


class Module(nn.Module):
    def forward(self, pred: Any, target: Any) -> Any:
        return (pred - target) ** 2


@pytest.mark.parametrize("candidate", [nn.MSELoss(reduction="none"), Squared.apply, Module()])
def test_unwrapped_pytorch_takes_the_prediction_first(candidate: Callable[..., Any]) -> None:
    asked = made(candidate)
    answer = asked.ask(Y, YHAT)
    assert is_right(answer)
    assert answer.note == "it takes the prediction first, as its parameter names say"
    assert asked.differentiates


@pytest.mark.parametrize("candidate", [nn.CrossEntropyLoss(), F.cross_entropy])
def test_cross_entropy_without_a_wrapper(candidate: Callable[..., Any]) -> None:
    asked = made(candidate, y=INDEX, yhat=LOGITS)
    answer = asked.ask(INDEX, LOGITS)
    assert answer.value == pytest.approx((np.log1p(np.exp(-1.0)) + np.log(2.0)) / 2, rel=1e-15)
    assert answer.grad[1].tolist() == [-0.25, 0.25]  # (½ − 1)/2 and ½/2
    assert not asked.takes_weight  # its `weight` is that of the classes


# ---- by accident of NumPy --------------------------------------------------------------------------------------------


def test_arithmetic_with_a_framework_in_sight_is_differentiated() -> None:
    def for_torch(y: torch.Tensor, yhat: torch.Tensor) -> Any:
        return (yhat - y) ** 2

    def for_jax(y: "jax.Array", yhat: "jax.Array") -> Any:
        return (yhat - y) ** 2

    for candidate, framework in ((for_torch, "torch"), (for_jax, "jax"), (Module(), "torch")):
        asked = made(candidate)
        assert asked.arrays.name == framework
        assert is_right(asked.ask(Y, YHAT))


def test_arithmetic_alone_stays_numpy() -> None:
    asked = made(lambda y, yhat: (yhat - y) ** 2)
    assert asked.arrays.name == "numpy"
    assert asked.ask(Y, YHAT).grad is None
    assert asked.why_no_gradient.startswith("NumPy has no autodiff")


def test_a_framework_that_does_not_take_its_tensors_is_not_taken() -> None:
    asked = made(lambda y, yhat: torch.from_numpy(yhat - y).square().numpy())
    assert asked.arrays.name == "numpy"
    assert asked.ask(Y, YHAT).value.tolist() == VALUE


def test_why_a_framework_has_no_gradient() -> None:
    for candidate, framework in (
        (lambda y, yhat: torch.square(yhat.detach() - y), "torch"),
        (lambda y, yhat: float(jnp.square(yhat - y).sum()), "jax"),
    ):
        asked = made(candidate)
        answer = asked.ask(Y, YHAT)
        assert asked.arrays.name == framework
        assert answer.error == ""
        assert answer.grad is None
        assert asked.why_no_gradient == FRAMEWORKS[framework].no_gradient


def test_a_pair_of_tensors_is_not_differentiated() -> None:
    asked = made(lambda y, yhat: ((yhat - y) ** 2, 2 * (yhat - y)), "torch")
    assert asked.differentiates  # nothing is known yet
    assert is_right(asked.ask(Y, YHAT))
    assert not asked.differentiates  # weights of its losses cannot reach its gradient


# ---- results that are no numbers, and changes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "error"),
    [
        (lambda y, yhat: torch.complex(yhat, y), "its value is complex"),
        (lambda y, yhat: torch.abs(yhat - y) > 0, "its value is boolean"),
        (lambda y, yhat: torch.masked.masked_tensor(torch.exp(yhat.detach()), yhat > 1), "its value is masked"),
        (lambda y, yhat: jnp.abs(yhat - y) + 1j, "its value is complex"),
        (lambda y, yhat: jnp.abs(yhat - y) > 0, "its value is boolean"),
        (lambda y, yhat: (torch.abs(yhat), torch.complex(yhat, y)), "its gradient is complex"),
    ],
)
def test_tensors_that_are_no_real_numbers(candidate: Callable[..., Any], error: str) -> None:
    assert made(candidate).ask(Y, YHAT) == Answer(error=error)


@pytest.mark.parametrize("name", ["y", "yhat"])
def test_a_change_of_tensors_is_seen_where_autodiff_works(name: str) -> None:
    def changes(y: Any, yhat: Any) -> Any:
        if name == "y":
            y -= yhat
            return torch.square(y)
        yhat -= y
        return torch.square(yhat)

    answer = made(changes, "torch").ask(Y, YHAT)
    assert answer.changed == name
    assert is_right(answer)
    assert made(changes, "jax").ask(Y, YHAT).changed == ""  # arrays of JAX cannot be changed


def test_a_flush_to_zero_does_not_outlive_the_call() -> None:
    def flushes(y: Any, yhat: Any) -> Any:
        assert torch.set_flush_denormal(True)
        return torch.square(yhat - y)

    smallest = np.array([5e-324])
    made(flushes, "torch").ask(Y, YHAT)
    assert (smallest * 1.0 == smallest).all()
    assert smallest[0] > 0


def test_too_little_memory_has_one_name() -> None:
    def bomb(y: Any, yhat: Any) -> Any:
        return torch.ones(2**50)

    assert made(bomb, "torch").ask(Y, YHAT).error.startswith("MemoryError: ")
