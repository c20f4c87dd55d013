"""What the code of a candidate says: the order of its arguments, the frameworks that it uses, the place of an error."""

from __future__ import annotations

import inspect
import os
import re
import sysconfig
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from traceback import walk_tb
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

ORDERS = ("target_first", "prediction_first")

_WORDS = {  # that the name of a parameter may have
    "prediction": "input inputs pred preds prediction predictions predicted hat yhat ypred output outputs logit logits "
    "score scores prob probs proba probability probabilities estimate estimates",
    "target": "target targets true ytrue label labels truth gt expected observed",
}
_LETTERS = {"z": "prediction", "p": "prediction", "y": "target", "t": "target"}
_PACKAGES = {
    **{name: name for name in ("torch", "jax", "tensorflow")},
    **dict.fromkeys(("jnp", "jaxlib", "optax", "flax", "equinox"), "jax"),
    "tf": "tensorflow",
}


# ---- parameters ------------------------------------------------------------------------------------------------------


def parameters_of(candidate: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a candidate; none if they are unknown. A module of PyTorch has them in `forward`."""
    owner = getattr(candidate, "__self__", None)
    try:
        if isinstance(owner, type) and getattr(candidate, "__name__", "") == "apply":  # of a torch.autograd.Function
            forward: Any = getattr(owner, "forward", None)
            return dict(list(inspect.signature(forward).parameters.items())[1:])  # without ctx
        forward = None if inspect.isroutine(candidate) else getattr(candidate, "forward", None)
        return dict(inspect.signature(forward if callable(forward) else candidate).parameters)
    except (TypeError, ValueError):
        return {}


def order_of(candidate: Callable[..., Any]) -> str:
    """The order of the first two parameters, "prediction_first" or "target_first", from their names.

    The prediction comes first in (input, target), (y_pred, y_true) and (logits, labels), for example. If the names
    tell nothing, the target comes first, as in (y, yhat).
    """
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [name for name, p in parameters_of(candidate).items() if p.kind in places][:2]
    return ORDERS[[_role(name) for name in names] == ["prediction", "target"]]


def _role(name: str) -> str:
    """Whether the name of a parameter is that of a prediction or of a target; "" if it may be either."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    known = (role for role, listed in _WORDS.items() if words & set(listed.split()))
    return next(known, _LETTERS.get(name, ""))


def takes_weights(candidate: Callable[..., Any]) -> bool:
    """Whether a candidate takes one weight for each loss, as `weight`."""
    names = parameters_of(candidate)
    return "weight" in names and "ignore_index" not in names  # with it, PyTorch means the weights of the classes


# ---- frameworks ------------------------------------------------------------------------------------------------------


def frameworks_used(candidate: Callable[..., Any]) -> tuple[str, ...]:
    """The frameworks that a candidate names: in its code, in the functions that it calls, and in its attributes."""
    found: dict[str, None] = {}
    seen: dict[int, Any] = {}
    waiting: list[Any] = [candidate]
    if not inspect.isroutine(candidate):  # an instance: its call, and what it holds
        waiting += [getattr(candidate, "forward", None), type(candidate).__call__]
        waiting += getattr(candidate, "__dict__", {}).values()
    while waiting:
        x = waiting.pop(0)
        if id(x) not in seen:
            seen[id(x)] = x
            if name := _framework_of(x):
                found[name] = None
            waiting += _held_by(x)
    return tuple(found)


def _framework_of(x: Any) -> str:
    """The framework that a module, a function, a class or an object comes from; "" for none."""
    if isinstance(x, ModuleType):
        names = [x.__name__]
    elif isinstance(x, str):  # an annotation, or an import inside of a function
        names = re.findall(r"\w+", x)
    else:
        classes = x if isinstance(x, type) else type(x)
        names = [str(getattr(x, "__module__", "")), *(c.__module__ for c in classes.__mro__)]
    return next((_PACKAGES[root] for name in names if (root := name.partition(".")[0]) in _PACKAGES), "")


def _held_by(x: Any) -> Iterator[Any]:
    """What a function refers to: globals, closure, defaults and annotations."""
    if isinstance(x, partial):
        yield from (x.func, *x.args, *x.keywords.values())
    if isinstance(x, MethodType):
        yield from (x.__func__, x.__self__, *getattr(x.__self__, "__dict__", {}).values())
    if callable(x) and isinstance(wrapped := getattr(x, "__wrapped__", None), FunctionType):
        yield wrapped
    if not isinstance(x, FunctionType) or _framework_of(x):
        return
    for name in _names_in(x.__code__):
        if name not in x.__globals__:
            yield name if name in _PACKAGES else None
        elif isinstance(held := x.__globals__[name], ModuleType) or callable(held) or _framework_of(held):
            yield held
    for cell in x.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    yield from (*(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values(), *x.__annotations__.values())


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


# ---- errors ----------------------------------------------------------------------------------------------------------

_NO_MEMORY = ("can't allocate memory", "RESOURCE_EXHAUSTED", "out of memory")  # of PyTorch, JAX and TensorFlow, CUDA
_OURS = str(Path(__file__).parents[1]) + os.sep
_STANDARD = sysconfig.get_path("stdlib") + os.sep


def told(error: BaseException) -> str:
    """An exception as "Type: first line". Too little memory is a MemoryError in every framework."""
    try:
        text = str(error).strip()
    except Exception:  # of its own __str__
        text = ""
    memory = isinstance(error, MemoryError) or any(words in text for words in _NO_MEMORY)
    return f"{'MemoryError' if memory else type(error).__name__}: {text}".partition("\n")[0][:300]


def place_of(error: BaseException, candidate: Any = None) -> str:
    """Where an exception left the code of a user, such as "mine.py:12, in huber"; "" if there is no such place.

    The code of a user is a file outside of libraries, or else the file of the candidate.
    """
    code = getattr(inspect.unwrap(candidate), "__code__", None) if callable(candidate) else None
    home, own, other = getattr(code, "co_filename", ""), "", ""
    for frame, line in walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if name.startswith(_OURS) or (name.startswith("<") and name not in ("<stdin>", home)):
            continue
        shown = f"{_short(name)}:{line}, in {frame.f_code.co_name}"
        if name == home:
            other = shown
        if not _is_library(name):
            own = shown
    return own or other


def _is_library(name: str) -> bool:
    parts = set(Path(name).parts)
    return name.startswith(_STANDARD) or bool(parts & {"site-packages", "dist-packages"})


def _short(name: str) -> str:
    """The name of a file, relative to the current directory if it is in it."""
    here = os.getcwd() + os.sep
    return name.removeprefix(here)
