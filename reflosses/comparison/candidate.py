"""A loss that somebody else wrote is called with its framework's arrays, and differentiated by its framework.

A candidate is any callable of (y, yhat), and of `weight=` if its signature names it. It returns the value, or the pair
of value and gradient. A candidate whose parameters have names such as (input, target) takes the prediction first.
PyTorch, JAX and TensorFlow differentiate their own tensors. A framework is imported only if it is named: a candidate
that needs one has imported it.
"""

from __future__ import annotations

import ctypes
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from reflosses.comparison.formats import Format, dtype_of
from reflosses.comparison.inspection import ORDERS, frameworks_used, order_of, place_of, takes_weights, told
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.parameters import printed

RESULTS = {  # each kind of result, and the complaint about any other
    "auto": "neither a value nor the pair of value and gradient",
    "value": "not the value",
    "pair": "not the pair of value and gradient",
    "gradient": "not the gradient",
    "objective": "not the pair of gradient and curvature",
}


class Answer(NamedTuple):
    """A candidate's answer to one call: float64 arrays, None for one that it does not give, or the error it raised.

    error: an exception as "Type: first line", or what is wrong with the answer, in words such as "its value is
    complex". note: anything else that a reader must know. curvature: the second result of an objective. changed: the
    arguments that the candidate changes, such as "yhat" or "y and weight". where: the line that raised the exception,
    such as "mine.py:12, in huber".
    """

    value: Floats | None = None
    grad: Floats | None = None
    error: str = ""
    note: str = ""
    curvature: Floats | None = None
    changed: str = ""
    where: str = ""

    @property
    def fault(self) -> str:
        """The error as a clause: "it raises ValueError: …", or "its value is complex"; "" for none."""
        for start, clause in FAULTS.items():
            if self.error.startswith(start):
                return clause + self.error.removeprefix(start)
        return f"it raises {self.error}" if self.error else ""


FAULTS = {  # the errors that are no exceptions of a candidate, as clauses
    "it ": "it ",
    "its ": "its ",
    "ProcessDied: killed ": "its process was killed ",
    "ProcessDied: ": "its process ",
    "TimeoutError: no answer ": "it gives no answer ",
    "GivenUp: ": "it is ",
}


class Failure(NamedTuple):
    """A call at which the process of a candidate failed, or gave no answer that can be read."""

    y: Any
    yhat: Any
    weight: Any
    answer: Answer


class Candidate(ABC):
    """A function that answers calls, in this process or in its own.

    first_failure: the first call at which its process failed; None for none, and for a candidate in this process.
    """

    first_failure: Failure | None = None

    @property
    @abstractmethod
    def takes_weight(self) -> bool:
        """Whether the candidate has a parameter `weight`."""

    @property
    @abstractmethod
    def differentiates(self) -> bool:
        """Whether its framework can multiply the losses by weights before it differentiates them."""

    @property
    @abstractmethod
    def subnormals(self) -> bool:
        """Whether its framework's arithmetic has numbers below the smallest normal one."""

    @property
    def given_up(self) -> bool:
        """Whether it is no longer called."""
        return False

    @property
    def why_no_gradient(self) -> str:
        """If its answers have no gradient, the reason and what to do about it; "" if no reason is known."""
        return ""

    def begin(self, target: Any, form: Format) -> None:  # noqa: B027 (a function need not know)
        """The calls that follow are about this loss, or this `Scaled` one, in this format."""

    @abstractmethod
    def ask(self, y: Any, yhat: Any, weight: Any = None, upstream: Any = None) -> Answer:
        """The value and its gradient; with `upstream`, the gradient of Σ upstream·value."""


def one_of(what: str, given: Any, known: Iterable[str]) -> str:
    """The given name, if it is known; else ValueError."""
    if not isinstance(given, str) or given not in known:
        raise ValueError(f"{what} is {printed(given)}, not one of {', '.join(known)}")
    return str(given)


def looks_like_objective(value: Any, grad: Any, yhat: Any) -> str:
    """The reason to take a pair of results for the (gradient, curvature) of XGBoost or LightGBM; "" if there is none.

    One value for each loss has the shape of a gradient too, whatever the reduction is. The signs tell: a gradient has
    both signs, and a curvature has none below 0. So yhat needs predictions above and below their targets.
    """
    if np.size(yhat) == 0 or not np.shape(value) == np.shape(grad) == np.shape(yhat):
        return ""
    first, second = np.asarray(value), np.asarray(grad)
    if (first < 0).any() and (first > 0).any() and (second >= 0).all() and (second > 0).any():
        return "its first result has both signs, and its second is nowhere negative"
    return ""


# ---- arrays of the frameworks ----------------------------------------------------------------------------------------


class NotNumbersError(TypeError):
    """A result that is no array of real numbers. The message says what it is: "complex"."""


KINDS_OF_RESULTS = {"b": "boolean", "c": "complex", "S": "bytes", "U": "text", "M": "a date", "m": "a time"}


def real_numbers(a: Any) -> Floats:
    """The float64 numbers of a result. Raises NotNumbersError for one that is not made of floats or integers."""
    if type(a) is int:
        a = float(a)  # an integer beyond 64 bits is a number too
    if isinstance(a, np.ma.MaskedArray) and np.ma.getmaskarray(a).any():
        raise NotNumbersError("masked")
    try:
        if isinstance(a, tuple):
            raise NotNumbersError("a tuple")
        array = np.asarray(a)
    except ValueError:  # a list of lists of different lengths
        raise NotNumbersError(f"of type {type(a).__name__}, no array of numbers") from None
    kind = array.dtype.kind
    if kind == "V" and "complex" in array.dtype.name:  # narrower ones than NumPy has
        kind = "c"
    if kind in KINDS_OF_RESULTS:
        raise NotNumbersError(KINDS_OF_RESULTS[kind])
    if kind == "O" or array.dtype.type is np.void:  # bfloat16 has the kind "V" too
        held = next((type(x).__name__ for x in array.flat if x is not None), "None") if array.size else "object"
        raise NotNumbersError(f"of type {held}, no float or integer")
    return array.astype(np.float64)


class NumPy:
    """Plain arrays. NumPy has no autodiff: a candidate may return its own gradient."""

    name = "numpy"
    no_gradient = "NumPy has no autodiff: return (value, gradient), or pass grad= or framework="
    mutable = True  # whether a function can change an array that it is given

    def __init__(self, form: Format) -> None:
        self.form = form
        self.library: Any = import_module(self.name)

    def array(self, a: Any) -> Any:
        """A new array of numbers of the format; integers stay as they are."""
        a = np.array(a)
        return a if a.dtype.kind in "iu" else a.astype(dtype_of(self.form))

    def read(self, a: Any) -> Floats:
        """Float64 numbers of a result. Raises NotNumbersError."""
        return real_numbers(a)

    def differentiate(self, f: Callable[[Any], Any], x: Any, upstream: Any) -> tuple[Any, Any]:
        """The value of f at an array, and its gradient, or None."""
        return f(x), None

    def precision(self) -> AbstractContextManager[Any]:
        """A context in which the framework has numbers of the format."""
        return nullcontext()

    def owns(self, x: Any) -> bool:
        """Whether a result is an array of this framework."""
        return isinstance(x, np.ndarray | np.generic | float | int)

    @cached_property
    def subnormals(self) -> bool:
        """Whether the framework's arithmetic has numbers below the smallest normal one."""
        with self.precision():
            half = self.array(np.array([self.form.tiny])) * self.array(np.array([0.5]))
            return bool(self.read(half)[0] > 0)


class Torch(NumPy):
    """Tensors of PyTorch."""

    name = "torch"
    no_gradient = (
        "autodiff finds no way from its value to yhat: compute the value with PyTorch's functions, without detach() or "
        "numpy(), or return (value, gradient)"
    )

    def array(self, a: Any) -> Any:
        a = np.asarray(a)
        wide = self.library.tensor(a if a.dtype.kind == "b" else np.ascontiguousarray(a).reshape(a.shape))
        return wide if a.dtype.kind in "iub" else wide.to(getattr(self.library, self.form.name))

    def read(self, a: Any) -> Floats:
        if not self.owns(a):
            return super().read(a)
        if type(a).__name__ == "MaskedTensor":
            raise NotNumbersError("masked")
        kind = str(a.dtype)
        if "complex" in kind or "bool" in kind:
            raise NotNumbersError("complex" if "complex" in kind else "boolean")
        return np.array(a.detach().cpu().to(self.library.float64).numpy())  # a copy, which no later change reaches

    def differentiate(self, f: Callable[[Any], Any], x: Any, upstream: Any) -> tuple[Any, Any]:
        # f gets a copy, as a network's output is no leaf: a leaf refuses to be changed, and the change was not seen.
        value = f(x.requires_grad_().clone())
        if not getattr(value, "requires_grad", False):
            return value, None
        seed = self.library.ones_like(value) if upstream is None else self.array(upstream).to(value.dtype)
        (grad,) = self.library.autograd.grad(value, x, seed, allow_unused=True)
        return value, self.library.zeros_like(x) if grad is None else grad

    def owns(self, x: Any) -> bool:
        return isinstance(x, self.library.Tensor)


class Jax(NumPy):
    """Arrays of JAX. float64 needs the 64-bit mode, which is on during the calls."""

    name = "jax"
    no_gradient = (
        "JAX cannot trace its value: compute it with jax.numpy, without float(), bool() or NumPy, or return (value, "
        "gradient)"
    )
    mutable = False

    def array(self, a: Any) -> Any:
        a = np.asarray(a)
        if a.dtype.kind in "iub":
            return self.library.numpy.asarray(a)
        return self.library.numpy.asarray(a.astype(self.library.numpy.dtype(self.form.name)))

    def differentiate(self, f: Callable[[Any], Any], x: Any, upstream: Any) -> tuple[Any, Any]:
        errors = self.library.errors
        try:
            value, back = self.library.vjp(f, x)
        except (errors.TracerArrayConversionError, errors.ConcretizationTypeError):  # the candidate leaves JAX
            return f(x), None
        if not self.library.numpy.issubdtype(self.library.numpy.result_type(value), self.library.numpy.floating):
            return value, None
        seed = np.ones(value.shape) if upstream is None else upstream  # on the host: JAX would compile it
        return value, back(self.array(seed).astype(value.dtype))[0]

    def precision(self) -> AbstractContextManager[Any]:
        wide: bool = self.form.name == "float64" or self.library.config.jax_enable_x64
        context: AbstractContextManager[Any] = self.library.enable_x64(wide)
        return context

    def owns(self, x: Any) -> bool:
        return isinstance(x, self.library.Array)


class TensorFlow(NumPy):
    """Tensors of TensorFlow."""

    name = "tensorflow"
    no_gradient = (
        "autodiff finds no way from its value to yhat: compute the value with TensorFlow's functions, without numpy(), "
        "or return (value, gradient)"
    )

    def array(self, a: Any) -> Any:
        constant = self.library.constant(np.asarray(a))
        return constant if np.asarray(a).dtype.kind in "iub" else self.library.cast(constant, self.form.name)

    def read(self, a: Any) -> Floats:
        return super().read(a.numpy() if self.owns(a) else a)

    def differentiate(self, f: Callable[[Any], Any], x: Any, upstream: Any) -> tuple[Any, Any]:
        with self.library.GradientTape() as tape:
            tape.watch(x)
            value = f(x)
        seed = None if upstream is None else self.library.cast(self.array(upstream), value.dtype)
        grad = tape.gradient(value, x, output_gradients=seed)
        return value, None if grad is None else self.library.convert_to_tensor(grad)

    def owns(self, x: Any) -> bool:
        return isinstance(x, self.library.Tensor)


FRAMEWORKS: dict[str, type[NumPy]] = {c.name: c for c in (NumPy, Torch, Jax, TensorFlow)}


def detect(candidate: Callable[..., Any], form: Format, y: Any, yhat: Any, order: str = "auto") -> NumPy:
    """The framework of a candidate: the first loaded one whose arrays it takes.

    NumPy comes first. If the answer is a tensor, the tensor's framework is taken instead. If it is a value without a
    gradient, and the code of the candidate uses a framework that also takes the candidate, that framework is taken: it
    can differentiate. If the candidate raises with every framework, the one that its code uses is taken.
    """
    loaded = [cls(form) for name, cls in FRAMEWORKS.items() if name in sys.modules]
    used = frameworks_used(candidate)
    for tried in loaded:
        result = _tried(candidate, tried, y, yhat, order)
        if result is None:
            continue
        if tried.name != NumPy.name:
            return tried
        results = result if isinstance(result, tuple) else (result,)
        loaded = [cls(form) for name, cls in FRAMEWORKS.items() if name in sys.modules]  # by now
        owners = [a for a in loaded[1:] if any(map(a.owns, results))]
        if not owners and not isinstance(result, tuple):
            owners = [a for a in loaded if a.name in used and _tried(candidate, a, y, yhat, order) is not None]
        return owners[0] if owners else tried
    return next((cls(form) for name, cls in FRAMEWORKS.items() if name in used), NumPy(form))


def _tried(candidate: Callable[..., Any], arrays: NumPy, y: Any, yhat: Any, order: str) -> Any:
    """The result of a candidate with the arrays of a framework; None if it raises."""
    try:
        with quiet(), arrays.precision():
            return ordered(candidate, order)(arrays.array(y), arrays.array(yhat))
    except (Exception, SystemExit, GeneratorExit):
        return None


def ordered(candidate: Callable[..., Any], order: str) -> Callable[..., Any]:
    """A candidate as a function of (y, yhat)."""
    if (order_of(candidate) if order == "auto" else order) == "target_first":
        return candidate
    return lambda y, yhat, **more: candidate(yhat, y, **more)


@contextmanager
def quiet() -> Iterator[None]:
    """No warning of a candidate reaches the user, and no rounding mode or flush to zero outlives its call."""
    library, environment = _floating_point(), ctypes.create_string_buffer(256)  # more than any system needs
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if library is None:
            yield
            return
        library.fegetenv(environment)
        try:
            yield
        finally:
            library.fesetenv(environment)


@cache
def _floating_point() -> Any:
    """The C library that knows the modes of arithmetic; None where it is not found, as on Windows."""
    for name in (None, "libm.so.6"):
        try:
            library = ctypes.CDLL(name)
            library.fegetenv.argtypes = library.fesetenv.argtypes = (ctypes.c_char_p,)
        except (OSError, TypeError, AttributeError):
            continue
        return library
    return None


# ---- a candidate -----------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    """A result that is no answer. The message is a clause: "it returns None"."""


@dataclass
class InProcess(Candidate):
    """A candidate that is called in this process.

    grad: "auto", a function that returns the gradient, or None for values only. order: "target_first",
    "prediction_first", or "auto": the names of its parameters tell. returns: the "value"; the "pair" (value, gradient);
    the "gradient"; the "objective" (gradient, curvature) of XGBoost and LightGBM; or "auto": the value or the pair, and
    the first call tells. A candidate of None, with a function as `grad`, is a gradient without a value.
    """

    candidate: Any
    arrays: NumPy
    grad: Callable[..., Any] | str | None = "auto"
    order: str = "auto"
    returns: str = "auto"
    _pair: bool | None = None

    def __post_init__(self) -> None:
        if self.candidate is None and callable(self.grad):
            self.candidate, self.grad, self.returns = self.grad, "auto", "gradient"
        if not callable(self.candidate):
            raise TypeError(f"the candidate is {self.candidate!r}, not a callable of (y, yhat)")
        if isinstance(self.candidate, type):
            name = self.candidate.__name__
            raise TypeError(f"the candidate is the class {name}; pass an instance of it, such as {name}()")
        if not (self.grad in ("auto", None) or callable(self.grad)):
            raise ValueError(f"grad is {self.grad!r}, neither 'auto' nor None nor a callable of (y, yhat)")
        one_of("order", self.order, ("auto", *ORDERS))
        one_of("returns", self.returns, RESULTS)
        if self.grad != "auto" and self.returns in ("gradient", "objective"):
            raise ValueError(f"returns is {self.returns!r}, and grad is {self.grad!r}: pass only one of them")
        with quiet(), self.arrays.precision():
            self.arrays.array(np.zeros(1))  # raises where there are no arrays of the format
        self._of_y_yhat = ordered(self.candidate, self.order)
        named = self.order == "auto" and order_of(self.candidate) == "prediction_first"
        self._note = "it takes the prediction first, as its parameter names say" if named else ""

    @property
    def takes_weight(self) -> bool:
        return takes_weights(self.candidate)

    @property
    def differentiates(self) -> bool:
        autodiff = self.grad == "auto" and self.arrays.name != "numpy"
        return autodiff and not self._pair and self.returns in ("auto", "value")

    @property
    def subnormals(self) -> bool:
        return self.arrays.subnormals

    @property
    def why_no_gradient(self) -> str:
        if self.grad is None:
            return "grad=None asks for values only"
        given = callable(self.grad) or self._pair or self.returns not in ("auto", "value")
        return "the candidate returns None for it" if given else self.arrays.no_gradient

    def ask(self, y: Any, yhat: Any, weight: Any = None, upstream: Any = None) -> Answer:
        """One call; an exception is part of the answer."""
        try:
            with quiet(), self.arrays.precision():
                return self._answer(y, yhat, weight, upstream)
        except _Wrong as wrong:
            return Answer(error=str(wrong))
        except (Exception, SystemExit, GeneratorExit) as error:
            return Answer(error=told(error), where=place_of(error, self.candidate))

    def _answer(self, y: Any, yhat: Any, weight: Any, upstream: Any) -> Answer:
        make, read = self.arrays.array, self.arrays.read
        given = {} if weight is None else {"weight": make(weight)}
        handed = {"y": make(y), "yhat": make(yhat), **given}
        before = {name: read(a) for name, a in handed.items()} if self.arrays.mutable else {}
        to_slope: dict[str, Any] = {}

        def value_of(x: Any) -> Any:
            handed["yhat"] = x
            return self._of_y_yhat(handed["y"], x, **given)

        curvature = None
        if self.grad == "auto" and not self.returns_more(y, yhat):
            value, grad = self.arrays.differentiate(value_of, handed["yhat"], upstream)
        else:
            value, grad, curvature = self._sorted(value_of(handed["yhat"]))
            if self.grad != "auto":
                again = {} if weight is None else {"weight": make(weight)}
                to_slope = {"y": make(y), "yhat": make(yhat), **again}
                slope = ordered(self.grad, self.order) if callable(self.grad) else None
                grad = slope(to_slope["y"], to_slope["yhat"], **again) if slope else None
        if value is None and grad is None:
            raise _Wrong("it returns None")
        numbers = self._read("value", value), self._read("gradient", grad)

        def same(name: str, arrays: dict[str, Any]) -> bool:
            return name not in arrays or np.array_equal(before[name], read(arrays[name]), equal_nan=True)

        changed = [name for name in before if not (same(name, handed) and same(name, to_slope))]
        return Answer(
            *numbers,
            note=self._note,
            curvature=self._read("curvature", curvature),
            changed=" and ".join(changed),
        )

    def _read(self, what: str, result: Any) -> Floats | None:
        """The numbers of a result."""
        try:
            return None if result is None else self.arrays.read(result)
        except NotNumbersError as error:
            raise _Wrong(f"its {what} is {error}") from None

    def _sorted(self, result: Any) -> tuple[Any, Any, Any]:
        """The value, the gradient and the curvature in a result."""
        if self.returns == "gradient":
            return None, result, None
        if self.returns == "value" or (self.returns == "auto" and not isinstance(result, tuple)):
            return result, None, None
        if not isinstance(result, tuple | list) or len(result) != 2:
            count = f"{len(result)} results" if isinstance(result, tuple | list) else "one result"
            raise _Wrong(f"it returns {count}, {RESULTS[self.returns]}")
        return (None, *result) if self.returns == "objective" else (*result, None)

    def returns_more(self, y: Any, yhat: Any) -> bool:
        """Whether the candidate returns more than the value. With "auto", the first call that it answers tells."""
        if self.returns != "auto":
            return self.returns != "value"
        if self._pair is None:
            self._pair = isinstance(self._of_y_yhat(self.arrays.array(y), self.arrays.array(yhat)), tuple)
        return self._pair
