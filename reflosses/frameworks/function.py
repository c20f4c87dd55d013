"""Functions of frameworks as data: the call of each function, and the loss of ours that it equals.

A `Function` holds Python source, not a callable. So a report prints exactly the call that was measured, and a framework
is imported only when one of its functions is called.

To add a framework, write one module and one line:
    1. `reflosses/frameworks/NAME.py` has some `Function`s and FRAMEWORK = Framework("NAME", package, imports, …).
    2. `MODULES` below has "NAME". `as_`, `explain`, `verify` and the atlas then find the framework.
    3. Other arrays than those of NumPy, PyTorch, JAX or TensorFlow need a class in `comparison/candidate.py`.
    4. To offer `pip install reflosses[NAME]`, give the framework `extra="NAME"` and add the extra to pyproject.toml.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module, metadata
from typing import Any, cast

import numpy as np

from reflosses.catalogue import losses
from reflosses.comparison.battery import Inputs
from reflosses.comparison.candidate import FRAMEWORKS as ARRAYS
from reflosses.comparison.candidate import Candidate, InProcess
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import FORMATS, Format
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import printed
from reflosses.frameworks.inputs import as_drawn

MODULES = (
    *("scipy", "sklearn", "sgd", "torch", "torchvision", "monai", "smp", "kornia", "optax", "keras"),
    *("onnx", "onnxruntime", "tensorflow", "xgboost", "lightgbm", "gtsam", "pyceres"),
)

AUTODIFF = "autodiff"
TWO_DTYPES = ("float64", "float32")  # of functions that do not take the narrower ones


# ---- a function ------------------------------------------------------------------------------------------------------


def weighted(reduction: str) -> str:
    """Our name of a reduction whose mean divides by the sum of the weights."""
    return "weighted_mean" if reduction == "mean" else reduction


@dataclass(frozen=True)
class Function:
    """A function of a framework, and the loss of ours that it equals.

    name: as people write it. A second word tells two rows of one function apart: "torch.nll_loss images".
    code: the call, an expression in y, yhat and the parameters, or "None" if there is only a gradient. If it contains
        `weight`, the function takes one weight for each loss; `weight` is None in a call without weights.
    equals: the loss, an expression in the same parameters and in `reflosses`' losses, `Scaled(factor, loss)` and
        `weighted(reduction)`.
    parameters: the framework's defaults. tried: the parameter sets to check. refused: sets that it must refuse.
    grad: an expression for the gradient, AUTODIFF, or None if the function has no gradient.
    inputs: moves the inputs of our loss into the documented domain of the function. targets: "index", "rows" or "auto".
    validates: whether the function itself receives y and yhat, so that it can refuse invalid ones.
    unit: errors are relative to at least this; it is 1 for a score, whose loss is 1 − score.
    eager: whether the framework's compiler must not compile it.
    note: anything else that a reader must know, such as known deviations.
    """

    name: str
    code: str
    equals: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tried: tuple[Mapping[str, Any], ...] = ({},)
    refused: tuple[Mapping[str, Any], ...] = ()
    grad: str | None = AUTODIFF
    dtypes: tuple[str, ...] = tuple(FORMATS)
    inputs: Inputs = as_drawn
    targets: str = "auto"
    validates: bool = True
    unit: float = 0.0
    eager: bool = False
    note: str = ""

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults, updated with the given parameters; TypeError for an unknown parameter."""
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            takes = ", ".join(f"{k}={v!r}" for k, v in self.parameters.items()) or "nothing"
            close = get_close_matches(unknown[0], self.parameters, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise TypeError(f"{self.name} has no parameter {unknown[0]!r} here; it takes {takes}{hint}")
        return {**self.parameters, **given}

    def loss(self, given: Mapping[str, Any]) -> Loss | Scaled:
        """The loss that the function equals with these parameters."""
        names = {**losses(), "Scaled": Scaled, "weighted": weighted, "np": np, **self.arguments(given)}
        loss: Loss | Scaled = eval(self.equals, names)
        return loss

    def name_of_loss(self, given: Mapping[str, Any]) -> str:
        """The name of that loss, without parameters and factor."""
        return type(parts(self.loss(given))[1]).__name__


def written(code: str, arguments: Mapping[str, Any]) -> str:
    """An expression whose parameters are replaced by their values."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.parse(literal(arguments[node.id]), mode="eval").body if node.id in arguments else node

        def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
            """If the condition has parameters only, keep just the branch that is taken."""
            if {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)} <= set(arguments):
                taken = eval(ast.unparse(node.test), dict(arguments))
                return cast(ast.expr, self.visit(node.body if taken else node.orelse))
            return cast(ast.expr, self.generic_visit(node))

    return ast.unparse(Fill().visit(ast.parse(code, mode="eval")))


def literal(value: Any) -> str:
    """The source of a parameter's value."""
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)


# ---- a framework -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Offer:
    """A place where a framework keeps losses, and the rule that tells which names there are losses.

    where: the place, the first part of a full name. pattern: a regular expression that the names of losses match.
    others: names that match and are no losses, or are another name of one, with spaces. names: an expression for the
    names, in the words of the framework's imports and of its module here; by default they are those of dir(where).
    dot: what stands between the two parts of a full name.
    """

    where: str
    pattern: str = ""
    others: str = ""
    names: str = ""
    dot: str = "."


@dataclass(frozen=True)
class Framework:
    """A framework: its imports, its kind of arrays, and its functions.

    package: the distribution that has the version. imports: the lines before a call. arrays: a key of
    `reflosses.comparison.candidate.FRAMEWORKS`. not_covered: functions that look like losses of ours and are none, with
    the loss that they need. without_row: functions that equal a loss of ours at some parameters and have no row, with
    the reason. offers: where to look for losses; none if another framework has the same. extra: our extra that installs
    it. compiler: the function that compiles calls, such as "jax.jit".
    """

    name: str
    package: str
    imports: str
    arrays: str
    functions: tuple[Function, ...]
    not_covered: Mapping[str, str]
    extra: str = ""
    compiler: str = ""
    without_row: Mapping[str, str] = field(default_factory=dict)
    offers: tuple[Offer, ...] = ()

    @property
    def version(self) -> str | None:
        """The installed version, or None."""
        return installed_version(self.package)

    @property
    def left_out(self) -> dict[str, str]:
        """All functions that have no row, with the reason."""
        return {**self.without_row, **self.not_covered}

    @property
    def not_installed(self) -> str:
        """The message for a user who asks for a framework that is not installed."""
        hint = f": pip install 'reflosses[{self.extra}]'" if self.extra else ""
        return f"{self.package} is not installed{hint}"

    @cached_property
    def names(self) -> dict[str, Any]:
        """The names that the imports define, and np. This property imports the framework."""
        names: dict[str, Any] = {"np": np}
        exec(self.imports, names)
        return names

    def compiler_of(self, function: Function) -> str:
        """The source of the compiler of its calls, or "" if they are not compiled."""
        return "" if function.eager else self.compiler

    def candidate(self, function: Function, given: Mapping[str, Any], form: Format) -> Candidate:
        """The real function as a candidate, in this process."""
        names = {**self.names, **function.arguments(given)}
        weighs = "weight" in compile(function.code, function.name, "eval").co_names
        taken = "y, yhat, weight=None" if weighs else "y, yhat"
        slope = None if function.grad == AUTODIFF else function.grad
        result = f"{function.code}, {slope}" if slope else function.code
        call = eval(f"lambda {taken}: ({result})", names)
        if (compiler := self.compiler_of(function)) and not slope:
            call = eval(compiler, names)(call)
        return InProcess(call, ARRAYS[self.arrays](form), None if function.grad is None else "auto")


def installed_version(package: str) -> str | None:
    """The version of an installed distribution, or of its build for CPUs alone, such as tensorflow-cpu; or None."""
    for name in (package, f"{package}-cpu"):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return None


def brief(target: Loss | Scaled) -> str:
    """A loss in few characters: without its reduction and without parameters that have their default."""
    factor, loss = parts(target)
    default = type(loss)()
    own = {f.name: (literal(getattr(loss, f.name)), literal(getattr(default, f.name))) for f in fields(loss)}
    told = [f"{name}={a}" for name, (a, b) in own.items() if a != b and name != "reduction"]
    scale = "" if factor == 1 else "½ · " if factor == 0.5 else f"{factor:.4g} · "
    return scale + type(loss).__name__ + (f"({', '.join(told)})" if told else "")


def frameworks() -> Iterator[Framework]:
    """Every framework, installed or not."""
    for name in MODULES:
        yield import_module(f"reflosses.frameworks.{name}").FRAMEWORK


def all_functions() -> Iterator[tuple[Framework, Function]]:
    """Every function of every framework."""
    return ((framework, function) for framework in frameworks() for function in framework.functions)


def find(name: str) -> tuple[Framework, Function]:
    """The function of this name and its framework; KeyError if there is none."""
    return {function.name: (framework, function) for framework, function in all_functions()}[name]


def as_(name: str, **parameters: Any) -> Loss | Scaled:
    """The loss that equals a function of another framework, such as `as_("torch.smooth_l1_loss", beta=0.7)`.

    The parameters and their defaults are the framework's. Returns a loss, or `Scaled(factor, loss)`: its value and its
    gradient are factor times those of the loss. Raises ValueError for an unknown function, TypeError for an unknown
    parameter, one of the two for a wrong one. Source: reflosses/frameworks, with one module for each framework.
    """
    if not isinstance(name, str):
        raise TypeError(f"as_: name is {printed(name)}, not a text such as 'torch.huber_loss'")
    try:
        _, function = find(name)
    except KeyError:
        hint = f"; {close} is" if (close := near(name)) else ""
        raise ValueError(f"as_: name: no function is named {name!r}{hint}") from None
    function.arguments(parameters)
    try:
        return function.loss(parameters)
    except Exception as error:
        given = ", ".join(f"{k}={printed(v)}" for k, v in parameters.items())
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"as_: {name} has no loss for {given}: {error}") from error


def near(name: str) -> str:
    """The known name that is nearest to a misspelt one; "" if none is near."""
    return next(iter(get_close_matches(name, [function.name for _, function in all_functions()], 1)), "")
