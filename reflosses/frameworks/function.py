"""What functions of other frameworks compute, as data: which loss of ours each of them equals, and the call itself.

One module a framework, one `Function` a function. A function holds Python source, not a callable: what is measured is
then, letter for letter, what a report prints for its reader to paste, and nothing of a framework is imported before a
function of it is called.

    reflosses.as_("torch.huber_loss", delta=0.7)   the loss that equals it
    reflosses explain torch.huber_loss             the same in words, on the command line
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module, metadata
from typing import Any, cast

import numpy as np

from reflosses.catalogue import losses
from reflosses.comparison.battery import Inputs
from reflosses.comparison.candidate import FRAMEWORKS as ARRAYS
from reflosses.comparison.candidate import Answer, Candidate, InProcess
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import Format
from reflosses.evaluation.loss import Loss
from reflosses.frameworks.inputs import as_drawn

MODULES = ("scipy", "sklearn", "torch", "optax", "keras", "onnx", "onnxruntime")

AUTODIFF = "autodiff"


# ---- a function ------------------------------------------------------------------------------------------------------


def weighted(reduction: str) -> str:
    """Our name of a mean that divides by the sum of the weights."""
    return "weighted_mean" if reduction == "mean" else reduction


@dataclass(frozen=True)
class Function:
    """A function of a framework, and the loss of ours that it equals.

    name: as people write it; what comes after a space tells rows of one function apart.
    code: the call, an expression in y, yhat and the parameters; in `weight` too, where it takes one weight a loss (it
        is None where none is given); "None" where it only gives a gradient.
    equals: the loss, an expression in the same parameters, with the names of `reflosses`, `Scaled(factor, loss)` and
        `weighted(reduction)`.
    parameters: the framework's defaults. tried: the parameter sets that are checked; refused: parameters
        that it must refuse.
    grad: an expression for the gradient, AUTODIFF, or None where it has none.
    inputs: its documented domain, as a change to what is drawn for the loss. targets: "index", "rows" or "auto".
    validates: whether y and yhat reach it as they are, so that it could refuse wrong ones.
    y_dtype: of the targets, where it is not that of the predictions. unit: errors are relative to this at least (1 for
        a score that is 1 less the loss). eager: whether it cannot be compiled as its framework's other functions are.
    note: what else a reader must know; known deviations among it.
    """

    name: str
    code: str
    equals: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tried: tuple[Mapping[str, Any], ...] = ({},)
    refused: tuple[Mapping[str, Any], ...] = ()
    grad: str | None = AUTODIFF
    dtypes: tuple[str, ...] = ("float64", "float32")
    inputs: Inputs = as_drawn
    targets: str = "auto"
    validates: bool = True
    y_dtype: str | None = None
    unit: float = 0.0
    eager: bool = False
    note: str = ""

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults, with what is given; an unknown parameter raises TypeError."""
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            takes = ", ".join(f"{k}={v!r}" for k, v in self.parameters.items()) or "nothing"
            raise TypeError(f"{self.name} has no parameter {unknown[0]!r} here; it takes {takes}")
        return {**self.parameters, **given}

    def loss(self, given: Mapping[str, Any]) -> Loss | Scaled:
        """The loss that it equals with these parameters."""
        names = {**losses(), "Scaled": Scaled, "weighted": weighted, "np": np, **self.arguments(given)}
        loss: Loss | Scaled = eval(self.equals, names)
        return loss

    def name_of_loss(self, given: Mapping[str, Any]) -> str:
        """The name of that loss, without its parameters and factor."""
        return type(parts(self.loss(given))[1]).__name__

    def call(self, given: Mapping[str, Any]) -> str:
        """The call with the parameters written out."""
        return written(self.code, self.arguments(given))


def written(code: str, arguments: Mapping[str, Any]) -> str:
    """An expression with its parameters replaced by their values."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.parse(literal(arguments[node.id]), mode="eval").body if node.id in arguments else node

        def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
            """Of a condition on parameters alone, only the branch that is taken."""
            if {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)} <= set(arguments):
                taken = eval(ast.unparse(node.test), dict(arguments))
                return cast(ast.expr, self.visit(node.body if taken else node.orelse))
            return cast(ast.expr, self.generic_visit(node))

    return ast.unparse(Fill().visit(ast.parse(code, mode="eval")))


def literal(value: Any) -> str:
    """A parameter as source."""
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)


# ---- a framework -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Framework:
    """A framework: what to import, whose arrays it takes, and its functions.

    package: the distribution whose version counts. imports: lines that come before a call. arrays: one of
    `reflosses.comparison.candidate.FRAMEWORKS`. not_covered: functions that look like losses of ours and are not
    mapped, with the reason. extra: what of ours installs it. compiler: what programs compile calls with.
    """

    name: str
    package: str
    imports: str
    arrays: str
    functions: tuple[Function, ...]
    not_covered: Mapping[str, str]
    extra: str = ""
    compiler: str = ""

    @property
    def version(self) -> str | None:
        """The installed version; None: it is not installed."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return None

    @property
    def not_installed(self) -> str:
        """What to tell a user who asks for a framework that is not installed."""
        hint = f": pip install 'reflosses[{self.extra}]'" if self.extra else ""
        return f"{self.package} is not installed{hint}"

    @cached_property
    def names(self) -> dict[str, Any]:
        """What the imports define, and NumPy; importing happens here."""
        names: dict[str, Any] = {"np": np}
        exec(self.imports, names)
        return names

    def compiler_of(self, function: Function) -> str:
        """What compiles its calls, or nothing."""
        return "" if function.eager else self.compiler

    def candidate(self, function: Function, given: Mapping[str, Any], form: Format) -> Candidate:
        """The real function, to be called."""
        names = {**self.names, **function.arguments(given)}
        code, grad = compile(function.code, function.name, "eval"), function.grad
        slope = None if grad is None or grad == AUTODIFF else compile(grad, function.name, "eval")

        def value(y: Any, yhat: Any, weight: Any = None) -> Any:
            return eval(code, {**names, "y": y, "yhat": yhat, "weight": weight})

        def both(y: Any, yhat: Any, weight: Any = None) -> Any:
            given = {**names, "y": y, "yhat": yhat, "weight": weight}
            return eval(code, given), slope and eval(slope, given)

        if compiler := self.compiler_of(function):
            value = eval(compiler, names)(value)
        arrays = ARRAYS[self.arrays](form)
        here = InProcess(both if slope else value, arrays, None if grad is None else "auto")
        return _Function(here, "weight" in code.co_names, function.y_dtype)


class _Function(Candidate):
    """A function of a framework, called in this process."""

    def __init__(self, here: InProcess, takes_weight: bool, y_dtype: str | None) -> None:
        self._here, self._takes_weight, self._y_dtype = here, takes_weight, y_dtype

    @property
    def takes_weight(self) -> bool:
        return self._takes_weight

    @property
    def differentiates(self) -> bool:
        return self._here.differentiates

    @property
    def subnormals(self) -> bool:
        return self._here.subnormals

    def ask(self, y: Any, yhat: Any, weight: Any = None, upstream: Any = None) -> Answer:
        return self._here.ask(np.asarray(y, self._y_dtype), yhat, weight, upstream)


def brief(target: Loss | Scaled) -> str:
    """A loss with the parameters that differ from their defaults only, and without its reduction."""
    factor, loss = parts(target)
    default = type(loss)()
    own = {f.name: (literal(getattr(loss, f.name)), literal(getattr(default, f.name))) for f in fields(loss)}
    told = [f"{name}={a}" for name, (a, b) in own.items() if a != b and name != "reduction"]
    scale = "" if factor == 1 else "½ · " if factor == 0.5 else f"{factor:.4g} · "
    return scale + type(loss).__name__ + (f"({', '.join(told)})" if told else "")


def frameworks() -> Iterator[Framework]:
    """Every framework, whether it is installed or not."""
    for name in MODULES:
        yield import_module(f"reflosses.frameworks.{name}").FRAMEWORK


def find(name: str) -> tuple[Framework, Function]:
    """A function by its name; KeyError if there is none."""
    for framework in frameworks():
        for function in framework.functions:
            if function.name == name:
                return framework, function
    raise KeyError(name)


def as_(name: str, **parameters: Any) -> Loss | Scaled:
    """The loss that equals a function of another framework, such as `as_("torch.smooth_l1_loss", beta=0.7)`.

    Parameters are those of the framework, with its defaults. Returns a loss, or `Scaled(factor, loss)`, whose value and
    gradient are factor times those of the loss. Raises ValueError for an unknown function, TypeError for an unknown
    parameter. Source: reflosses/frameworks, one module a framework.
    """
    try:
        _, function = find(name)
    except KeyError:
        raise ValueError(
            f"no function is named {name!r}" + (f"; {close} is" if (close := near(name)) else "")
        ) from None
    return function.loss(parameters)


def near(name: str) -> str:
    """The function whose name is nearest to a misspelt one; "" if none is near."""
    return next(iter(get_close_matches(name, [f.name for k in frameworks() for f in k.functions], 1)), "")
