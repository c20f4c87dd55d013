"""A loss that somebody else wrote is called with its framework's arrays, and differentiated by its framework.

A candidate is any callable of (y, yhat), and of `weight=` if its signature names it. It returns the value, or the pair
of value and gradient. PyTorch, JAX and TensorFlow differentiate their own tensors. A framework is imported only if it
is named: a candidate that needs one has imported it.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from reflosses.comparison.formats import Format, dtype_of
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.parameters import printed


class Answer(NamedTuple):
    """A candidate's answer to one call: float64 arrays, None for one that it does not give, or the error it raised.

    note: anything else that a reader must know. changed: the arguments that the call has changed.
    """

    value: Floats | None = None
    grad: Floats | None = None
    error: str = ""
    note: str = ""
    changed: str = ""


class Candidate(ABC):
    """A function that answers calls, in this process or in its own."""

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

    @abstractmethod
    def ask(self, y: Any, yhat: Any, weight: Any = None, upstream: Any = None) -> Answer:
        """The value and its gradient; with `upstream`, the gradient of Σ upstream·value."""


def one_of(what: str, given: Any, known: Iterable[str]) -> str:
    """The given name, if it is known; else ValueError."""
    if not isinstance(given, str) or given not in known:
        raise ValueError(f"{what} is {printed(given)}, not one of {', '.join(known)}")
    return str(given)


# ---- arrays of the frameworks ----------------------------------------------------------------------------------------


class NumPy:
    """Plain arrays. NumPy has no autodiff: a candidate may return its own gradient."""

    name = "numpy"

    def __init__(self, form: Format) -> None:
        self.form = form
        self.library: Any = import_module(self.name)

    def array(self, a: Any) -> Any:
        """Numbers of the format; integers stay as they are."""
        a = np.asarray(a)
        return a if a.dtype.kind in "iu" else a.astype(dtype_of(self.form))

    def read(self, a: Any) -> Floats:
        """Float64 numbers of a result."""
        return np.asarray(a).astype(np.float64)

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

    def array(self, a: Any) -> Any:
        a = np.asarray(a)
        wide = self.library.tensor(a if a.dtype.kind == "b" else np.ascontiguousarray(a).reshape(a.shape))
        return wide if a.dtype.kind in "iub" else wide.to(getattr(self.library, self.form.name))

    def read(self, a: Any) -> Floats:
        if not self.owns(a):
            return super().read(a)
        return np.asarray(a.detach().cpu().to(self.library.float64).numpy())

    def differentiate(self, f: Callable[[Any], Any], x: Any, upstream: Any) -> tuple[Any, Any]:
        value = f(x.requires_grad_())
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

    def array(self, a: Any) -> Any:
        a = np.asarray(a)
        if a.dtype.kind in "iub":
            return self.library.numpy.asarray(a)
        return self.library.numpy.asarray(a.astype(self.library.numpy.dtype(self.form.name)))

    def differentiate(self, f: Callable[[Any], Any], x: Any, upstream: Any) -> tuple[Any, Any]:
        try:
            value, back = self.library.vjp(f, x)
        except self.library.errors.TracerArrayConversionError:  # the candidate leaves JAX
            return f(x), None
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

    def array(self, a: Any) -> Any:
        constant = self.library.constant(np.asarray(a))
        return constant if np.asarray(a).dtype.kind in "iub" else self.library.cast(constant, self.form.name)

    def read(self, a: Any) -> Floats:
        return np.asarray(self.library.cast(a, "float64").numpy())

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


def detect(candidate: Callable[..., Any], form: Format, y: Any, yhat: Any) -> NumPy:
    """The framework of a candidate: the first loaded one whose arrays it takes.

    NumPy comes first. If the answer is a tensor, the tensor's framework is taken instead. If the candidate raises with
    every framework, the one that its module imports is taken.
    """
    for name, cls in FRAMEWORKS.items():
        if name not in sys.modules:
            continue
        tried = cls(form)
        try:
            with quiet(), tried.precision():
                result = candidate(tried.array(y), tried.array(yhat))
        except Exception:
            continue
        if name != NumPy.name:
            return tried
        value = result[0] if isinstance(result, tuple) and result else result
        loaded = [cls(form) for name, cls in FRAMEWORKS.items() if name in sys.modules]  # by now
        return next((a for a in loaded if a.owns(value)), tried)
    names = getattr(inspect.unwrap(candidate), "__globals__", {})
    used = {x.__name__.partition(".")[0] for x in names.values() if isinstance(x, ModuleType)}
    return next((cls(form) for name, cls in FRAMEWORKS.items() if name in used - {NumPy.name}), NumPy(form))


@contextmanager
def quiet() -> Iterator[None]:
    """No warning of a candidate reaches the user."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


# ---- a candidate -----------------------------------------------------------------------------------------------------


@dataclass
class InProcess(Candidate):
    """A candidate that is called in this process."""

    candidate: Callable[..., Any]
    arrays: NumPy
    grad: Callable[..., Any] | str | None = "auto"
    _pair: bool | None = None

    def __post_init__(self) -> None:
        if not callable(self.candidate):
            raise TypeError(f"the candidate is {self.candidate!r}, not a callable of (y, yhat)")
        if not (self.grad in ("auto", None) or callable(self.grad)):
            raise ValueError(f"grad is {self.grad!r}, neither 'auto' nor None nor a callable of (y, yhat)")
        with quiet(), self.arrays.precision():
            self.arrays.array(np.zeros(1))  # raises where there are no arrays of the format

    @property
    def takes_weight(self) -> bool:
        try:
            return "weight" in inspect.signature(self.candidate).parameters
        except (TypeError, ValueError):
            return False

    @property
    def differentiates(self) -> bool:
        return self.grad == "auto" and self.arrays.name != "numpy"

    @property
    def subnormals(self) -> bool:
        return self.arrays.subnormals

    def ask(self, y: Any, yhat: Any, weight: Any = None, upstream: Any = None) -> Answer:
        """One call; an exception is part of the answer."""
        make, read = self.arrays.array, self.arrays.read
        try:
            with quiet(), self.arrays.precision():
                given = {} if weight is None else {"weight": make(weight)}
                a, b = make(y), make(yhat)
                before = read(a), read(b)
                if self.grad == "auto" and not self.returns_pair(y, yhat):
                    value, grad = self.arrays.differentiate(lambda x: self.candidate(a, x, **given), b, upstream)
                else:
                    result = self.candidate(a, b, **given)
                    if isinstance(result, tuple) and len(result) != 2:
                        raise TypeError(f"{len(result)} results, neither a value nor the pair of value and gradient")
                    value, grad = result if isinstance(result, tuple) else (result, None)
                    if self.grad != "auto":
                        grad = self.grad(make(y), make(yhat), **given) if callable(self.grad) else None
                kept = map(partial(np.array_equal, equal_nan=True), before, (read(a), read(b)))
                changed = " and ".join(name for name, same in zip(("y", "yhat"), kept, strict=True) if not same)
                value, grad = (None if x is None else read(x) for x in (value, grad))
                return Answer(value, grad, changed=changed)
        except Exception as error:
            return Answer(error=f"{type(error).__name__}: {str(error).strip()}".partition("\n")[0][:300])

    def returns_pair(self, y: Any, yhat: Any) -> bool:
        """Whether the candidate returns value and gradient. The first call that it answers tells."""
        if self._pair is None:
            self._pair = isinstance(self.candidate(self.arrays.array(y), self.arrays.array(yhat)), tuple)
        return self._pair
