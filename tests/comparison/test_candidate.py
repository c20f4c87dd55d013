"""A candidate in this process: which results are numbers, how it is called, and what an answer says besides numbers."""

import ctypes
import platform
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from reflosses.comparison.candidate import Answer, Candidate, InProcess, NumPy, detect, looks_like_objective
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.inspection import frameworks_used, order_of

FORM = FORMATS["float64"]
Y, YHAT = np.array([0.5, 3.0]), np.array([0.25, 7.0])
VALUE, GRAD = [0.0625, 16.0], [-0.5, 8.0]  # ¼², 4², and twice −¼ and 4


def made(candidate: Any, **options: Any) -> InProcess:
    return InProcess(candidate, NumPy(FORM), **options)


def answer(result: Any, **options: Any) -> Answer:
    """The answer of a candidate that returns this."""
    return made(lambda y, yhat: result, **options).ask(Y, YHAT)


def squared(y: Any, yhat: Any) -> Any:
    return (yhat - y) ** 2


def slope(y: Any, yhat: Any) -> Any:
    return 2 * (yhat - y)


def both(y: Any, yhat: Any) -> Any:
    return squared(y, yhat), slope(y, yhat)


# ---- results ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (1 + 0j, "its value is complex"),
        (YHAT.astype(np.complex64), "its value is complex"),
        ((YHAT, YHAT + 5j), "its gradient is complex"),
        (np.ma.array(YHAT, mask=[True, True]), "its value is masked"),
        ((YHAT, np.ma.array(YHAT, mask=[False, True])), "its gradient is masked"),
        ("1.5", "its value is text"),
        (np.array(["1.5", "2"]), "its value is text"),
        (b"1.5", "its value is bytes"),
        (True, "its value is boolean"),
        ((YHAT, YHAT > 1), "its gradient is boolean"),
        (np.datetime64("2020-01-01"), "its value is a date"),
        (Fraction(1, 3), "its value is of type Fraction, no float or integer"),
        ((Decimal(1), YHAT), "its value is of type Decimal, no float or integer"),
        (YHAT.astype(object), "its value is of type float, no float or integer"),
        ({"loss": 1.0}, "its value is of type dict, no float or integer"),
        ([1.0, None], "its value is of type float, no float or integer"),
        ([[1.0], [1.0, 2.0]], "its value is of type list, no array of numbers"),
        (np.zeros(2, [("a", "f8")]), "its value is of type void, no float or integer"),
        (None, "it returns None"),
        ((None, None), "it returns None"),
        ((1.0, 2.0, 3.0), "it returns 3 results, neither a value nor the pair of value and gradient"),
    ],
)
def test_what_is_no_number_is_an_error_in_words(result: Any, error: str) -> None:
    assert answer(result) == Answer(error=error)
    assert answer(result).fault == error


@pytest.mark.parametrize(
    "result",
    [3, 3.0, np.int8(3), np.uint64(3), np.float16(3), np.longdouble(3), np.ma.array(3.0), [3.0]],
)
def test_real_numbers_of_every_type(result: Any) -> None:
    got = answer(result)
    assert got.error == ""
    assert got.value is not None
    assert type(got.value) is np.ndarray
    assert got.value.dtype == np.float64
    assert got.value.ravel().tolist() == [3.0]


def test_integers_beyond_64_bits() -> None:
    assert answer(10**30).value == 1e30
    assert answer(10**400).error == "OverflowError: int too large to convert to float"


def test_the_numbers_of_bfloat16() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    assert answer(np.array([1.5, -2.0], bfloat16)).value.tolist() == [1.5, -2.0]


def test_an_exception_is_told_as_one() -> None:
    def raises(y: Any, yhat: Any) -> Any:
        raise KeyError("weights\nmore")

    got = made(raises).ask(Y, YHAT)
    assert got.error == "KeyError: 'weights\\nmore'"
    assert got.fault == "it raises KeyError: 'weights\\nmore'"
    assert answer(1.0).fault == ""


def test_an_exception_that_ends_the_interpreter_or_has_no_text() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def mute(y: Any, yhat: Any) -> Any:
        raise Mute

    assert made(lambda y, yhat: sys.exit(3)).ask(Y, YHAT).error == "SystemExit: 3"
    assert made(mute).ask(Y, YHAT).error == "Mute: "
    assert detect(lambda y, yhat: sys.exit(3), FORM, Y, YHAT).name == "numpy"


def test_more_memory_than_there_is() -> None:
    def bomb(y: Any, yhat: Any) -> Any:
        return np.empty((2**30, 2**20))

    assert made(bomb).ask(Y, YHAT).error.startswith("MemoryError: Unable to allocate")


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the number of a mode")
def test_a_rounding_mode_does_not_outlive_the_call() -> None:
    library, upward = ctypes.CDLL("libm.so.6"), 0x800

    def rounds_up(y: Any, yhat: Any) -> Any:
        library.fesetround(upward)
        return y / 3

    third = np.full(1, 1.0)
    assert made(rounds_up).ask(third, third).value[0] > 1 / 3  # the candidate has its mode
    assert library.fegetround() == 0
    assert library.fesetround(0) == 0


# ---- what it returns -------------------------------------------------------------------------------------------------


def numbers(got: Answer) -> list[Any]:
    assert got.error == ""
    return [None if a is None else a.tolist() for a in (got.value, got.grad, got.curvature)]


@pytest.mark.parametrize(
    ("candidate", "options", "expected"),
    [
        (both, {}, [VALUE, GRAD, None]),
        (squared, {}, [VALUE, None, None]),
        (lambda y, yhat: (None, slope(y, yhat)), {}, [None, GRAD, None]),
        (both, {"returns": "pair"}, [VALUE, GRAD, None]),
        (lambda y, yhat: list(both(y, yhat)), {"returns": "pair"}, [VALUE, GRAD, None]),
        (slope, {"returns": "gradient"}, [None, GRAD, None]),
        (None, {"grad": slope}, [None, GRAD, None]),
        (squared, {"grad": slope}, [VALUE, GRAD, None]),
        (squared, {"grad": slope, "returns": "value"}, [VALUE, GRAD, None]),
        (both, {"grad": None}, [VALUE, None, None]),
        (lambda y, yhat: (slope(y, yhat), np.full(2, 2)), {"returns": "objective"}, [None, GRAD, [2.0, 2.0]]),
    ],
)
def test_results_of_every_form(candidate: Any, options: dict[str, Any], expected: list[Any]) -> None:
    assert numbers(made(candidate, **options).ask(Y, YHAT)) == expected


@pytest.mark.parametrize(
    ("returns", "result", "error"),
    [
        ("value", (1.0, 2.0), "its value is a tuple"),
        ("gradient", (1.0, 2.0), "its gradient is a tuple"),
        ("pair", 1.0, "it returns one result, not the pair of value and gradient"),
        ("objective", (1.0,), "it returns 1 results, not the pair of gradient and curvature"),
        ("objective", (1.0, 1j), "its curvature is complex"),
        ("gradient", None, "it returns None"),
    ],
)
def test_another_form_than_was_promised(returns: str, result: Any, error: str) -> None:
    assert answer(result, returns=returns).error == error


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"returns": "both"}, ValueError, "returns is 'both', not one of auto, value, pair, gradient, objective"),
        ({"order": "first"}, ValueError, "order is 'first', not one of auto, target_first, prediction_first"),
        ({"returns": "gradient", "grad": slope}, ValueError, "returns is 'gradient', and grad is <function"),
        ({"grad": "yes"}, ValueError, "grad is 'yes'"),
        ({"candidate": 3}, TypeError, "the candidate is 3"),
        ({"candidate": None}, TypeError, "the candidate is None"),
        ({"candidate": dict}, TypeError, r"the candidate is the class dict; pass an instance of it, such as dict\(\)"),
    ],
)
def test_options_that_are_wrong(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        made(**{"candidate": both, **options})


def test_an_objective_is_recognised_by_its_signs() -> None:
    hessian = np.full(2, 2.0)
    assert looks_like_objective(slope(Y, YHAT), hessian, YHAT) == (
        "its first result has both signs, and its second is nowhere negative"
    )
    for value, grad, yhat in (
        (*both(Y, YHAT), YHAT),  # a loss has no sign
        (-squared(Y, YHAT), slope(Y, YHAT), YHAT),  # nor has its negative
        (slope(Y, YHAT), -hessian, YHAT),
        (slope(Y, YHAT), np.zeros(2), YHAT),
        (16.0625, slope(Y, YHAT), YHAT),
        (squared(3.0, 7.0), slope(3.0, 7.0), np.float64(7.0)),
        (slope(Y, YHAT), 2.0, YHAT),
        (np.zeros(0), np.zeros(0), np.zeros(0)),
    ):
        assert looks_like_objective(value, grad, yhat) == ""


def test_why_there_is_no_gradient() -> None:
    numpy = "NumPy has no autodiff: return (value, gradient), or pass grad= or framework="
    assert made(squared).why_no_gradient == numpy
    assert made(squared, grad=None).why_no_gradient == "grad=None asks for values only"
    nothing = made(lambda y, yhat: (squared(y, yhat), None))
    nothing.ask(Y, YHAT)
    assert nothing.why_no_gradient == "the candidate returns None for it"

    class Unknown(Candidate):
        takes_weight = differentiates = subnormals = False

        def ask(self, y: Any, yhat: Any, weight: Any = None, upstream: Any = None) -> Answer:
            return Answer()

    assert Unknown().why_no_gradient == ""


# ---- the order of its arguments --------------------------------------------------------------------------------------


PREDICTION_FIRST = """
    input,target preds,labels prediction,truth y_pred,y_true yhat,y y_hat,y predLogits,trueLabels output,target logits,y
    log_probs,labels z,y p,y inputs,targets,weight
"""
TARGET_FIRST = "y,yhat y_true,y_pred target,input a,b x,y *a *,input,target input labels,preds input,x"


@pytest.mark.parametrize("names", PREDICTION_FIRST.split())
def test_names_that_say_prediction_first(names: str) -> None:
    assert order_of(eval(f"lambda {names}: 0")) == "prediction_first"


@pytest.mark.parametrize("names", TARGET_FIRST.split())
def test_names_that_do_not(names: str) -> None:
    assert order_of(eval(f"lambda {names}: 0")) == "target_first"


class Module:
    """As a module of PyTorch: its call has no names, `forward` has."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def forward(self, input: Any, target: Any, weight: Any = None) -> Any:
        return both(target, input)


class Step:
    """As an autograd function of PyTorch."""

    @classmethod
    def apply(cls, *args: Any) -> Any:
        return cls.forward(None, *args)

    @staticmethod
    def forward(ctx: Any, input: Any, target: Any) -> Any:
        return both(target, input)


def reduced(preds: Any, target: Any, *, delta: float) -> Any:
    return both(target, preds)


@pytest.mark.parametrize("candidate", [Module(), Step.apply, partial(reduced, delta=1.0)])
def test_a_candidate_that_takes_the_prediction_first(candidate: Callable[..., Any]) -> None:
    got = made(candidate).ask(Y, YHAT)
    assert numbers(got) == [VALUE, GRAD, None]
    assert got.note == "it takes the prediction first, as its parameter names say"


def test_the_order_that_the_caller_says_is_taken() -> None:
    got = made(lambda a, b: both(b, a), order="prediction_first").ask(Y, YHAT)
    assert numbers(got) == [VALUE, GRAD, None]
    assert got.note == ""
    assert made(Module(), order="target_first").ask(Y, YHAT).grad.tolist() == [0.5, -8.0]
    swapped = made(lambda input, target: squared(input, target), grad=lambda preds, labels: slope(labels, preds))
    assert numbers(swapped.ask(Y, YHAT)) == [VALUE, GRAD, None]


def test_which_candidates_take_weights() -> None:
    assert made(Module()).takes_weight
    assert made(lambda yhat, y, weight=None: 0).takes_weight
    assert not made(lambda yhat, y, weight=None, ignore_index=-100: 0).takes_weight  # PyTorch's, of the classes
    assert not made(max).takes_weight  # its signature is unknown


# ---- changes, and the place of an error ------------------------------------------------------------------------------


def changes(*names: str) -> Callable[..., Any]:
    def f(y: Any, yhat: Any, weight: Any = 1) -> Any:
        for name in names:
            a = {"y": y, "yhat": yhat, "weight": weight}[name]
            a += 1
        return both(y, yhat)

    return f


@pytest.mark.parametrize("names", [(), ("y",), ("yhat",), ("weight",), ("y", "yhat"), ("y", "weight")])
def test_the_arguments_that_it_changes(names: tuple[str, ...]) -> None:
    y, yhat, weight = Y.copy(), YHAT.copy(), np.ones(2)
    got = made(changes(*names)).ask(y, yhat, weight)
    assert got.changed == " and ".join(names)
    assert got.note == ""
    assert (y.tolist(), yhat.tolist(), weight.tolist()) == (Y.tolist(), YHAT.tolist(), [1.0, 1.0])


def test_a_change_of_integers_or_of_a_shape_is_one() -> None:
    def reshapes(y: Any, yhat: Any) -> Any:
        yhat.resize((2, 1), refcheck=False)
        return both(y, yhat[:, 0])

    index = np.array([1, 0])
    assert made(changes("y")).ask(index, YHAT).changed == "y"
    assert index.tolist() == [1, 0]
    assert made(reshapes).ask(Y, YHAT).changed == "yhat"
    assert made(both).ask(np.array([np.nan, 1.0]), YHAT).changed == ""  # NaN is NaN still


def fails(y: Any, yhat: Any) -> Any:
    return np.linalg.inv(np.zeros((2, 2))) @ yhat  # raises inside of NumPy


def calls(y: Any, yhat: Any) -> Any:
    return (
        fails(y, yhat),
        2,
    )


def test_the_place_of_an_error_is_in_the_code_of_the_user() -> None:
    line = fails.__code__.co_firstlineno + 1
    got = made(calls).ask(Y, YHAT)
    assert got.error == "LinAlgError: Singular matrix"
    assert got.where.endswith(f"test_candidate.py:{line}, in fails")
    assert made(np.linalg.inv).ask(Y, YHAT).where == ""  # it is called wrongly: none of its lines runs
    assert answer(None).where == ""


# ---- frameworks ------------------------------------------------------------------------------------------------------


def fake(name: str) -> ModuleType:
    return ModuleType(name)


def function(code: str, **names: Any) -> Any:
    exec(code, names)
    return names["f"]


class Held:
    def __init__(self) -> None:
        self.inner = function("def f(y, yhat): return jnp.exp(yhat)", jnp=fake("jax.numpy"))

    def __call__(self, y: Any, yhat: Any) -> Any:
        return self.inner(y, yhat)


@pytest.mark.parametrize(
    ("candidate", "used"),
    [
        (both, ()),
        (function("def f(y, yhat): return torch.exp(yhat)", torch=fake("torch")), ("torch",)),
        (function("def f(y, yhat): return F.relu(yhat)", F=fake("torch.nn.functional")), ("torch",)),
        (function("def f(y, yhat): return yhat", torch=fake("torch")), ()),  # it is imported, and not used
        (function("def f(y, yhat):\n    import jax\n    return jax.jit(yhat)"), ("jax",)),
        (function("def g(r): return tf.abs(r)\ndef f(y, yhat): return g(y)", tf=fake("tensorflow")), ("tensorflow",)),
        (function("def f(y, yhat): return [torch.exp(x) for x in y]", torch=fake("torch")), ("torch",)),
        (function("def f(y: 'torch.Tensor', yhat): return y"), ("torch",)),
        (function("def f(y, yhat, w=one): return y", one=type("Tensor", (), {"__module__": "torch"})()), ("torch",)),
        (function("def g(m):\n    return lambda y, yhat: m.exp(y)\nf = g(m)", m=fake("jax.numpy")), ("jax",)),
        (partial(function("def f(y, yhat): return torch.exp(y)", torch=fake("torch"))), ("torch",)),
        (Held(), ("jax",)),
        (Held().__call__, ("jax",)),
        (type("Own", (type("M", (), {"__module__": "torch.nn"}),), {"__call__": both})(), ("torch",)),
    ],
)
def test_the_frameworks_that_a_candidate_uses(candidate: Any, used: tuple[str, ...]) -> None:
    assert frameworks_used(candidate) == used


def test_recursion_is_looked_at_once() -> None:
    assert frameworks_used(function("def f(y, yhat): return f(yhat, y)")) == ()
