"""Functions of other libraries that equal our losses: one row of data each, one module a framework.

A row holds Python source, not a callable: what is measured is then, letter for letter, the line that a report prints
for its reader to paste. Adding a function is adding a `Peer` to the `PEERS` of its framework's module; nothing of a
framework is imported before a row of it is called.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from reflosses.domain import Floats
from reflosses.loss import Loss

FRAMEWORKS = ("scipy", "sklearn")
EXTRA = {"sklearn": "sklearn"}  # the extra of this project that installs it; SciPy is always there

Inputs = Callable[[Floats, Floats, float], tuple[Any, Any]]


class Answer(NamedTuple):
    """What a function returns for one problem; None where it has no value or no gradient to give."""

    value: Any
    grad: Any


# ---- domains: from inputs drawn for our loss to inputs that the function accepts; eps is that of its dtype -----------


def as_drawn(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Everything that our loss accepts."""
    return y, yhat


def residual(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """The function takes r: the target is 0, so that no subtraction is held against it."""
    with np.errstate(over="ignore"):
        return np.zeros_like(y), yhat - y


def label_zero(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """The function is the loss of the label 0."""
    return np.zeros_like(y), yhat


def true_logit_zero(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """The true class has logit 0: log Σ exp is then the cross-entropy itself."""
    moved = yhat.copy()
    moved[np.arange(len(yhat)), y.astype(int)] = 0.0
    return y, moved


def hard_masks(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Masks of 0 and 1."""
    return np.rint(y), np.rint(yhat)


def multiclass(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Rows of more than two classes."""
    return (y, yhat) if yhat.shape[1] > 2 else (y[:0], yhat[:0])


def some_masks(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Masks of 0 and 1, not both empty."""
    y, yhat = np.rint(y), np.rint(yhat)
    return (y, yhat) if (y + yhat).any() else (y[:0], yhat[:0])


def probabilities(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Labels 0 and 1 and probabilities, where our loss takes any number."""
    size = np.abs(yhat)
    return (y > 0).astype(np.float64), np.divide(1, size, out=size, where=size > 1)


def unclipped(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Labels 0 and 1, probabilities that the function, as documented, does not clip: from eps to 1 − eps."""
    return np.rint(y), _from_eps(yhat, eps)


def unclipped_rows(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """Rows of at least two probabilities that sum to 1 and are not clipped."""
    if yhat.shape[1] < 2:
        return y[:0], yhat[:0]
    p = _from_eps(yhat, eps)
    return y, np.clip(p / p.sum(axis=1, keepdims=True), eps, 1 - eps)


def _from_eps(p: Floats, eps: float) -> Floats:
    """Probabilities below eps moved to one of the magnitudes above it."""
    fraction, exponent = np.frexp(p)
    moved = np.ldexp(fraction, exponent % int(np.log2(eps)))
    return np.clip(np.where(p < eps, moved, p), eps, 1 - eps)


def both_labels(y: Floats, yhat: Floats, eps: float) -> tuple[Floats, Floats]:
    """At least one of each label −1 and 1, which the function needs to tell them apart."""
    if len(y) < 2:
        return y[:0], yhat[:0]
    return np.concatenate([-y[1:2], y[1:]]), yhat


# ---- a row -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """A function, or a recipe built of some, that should equal `factor` times the loss `equals`, under its reduction.

    value, grad: expressions in y and yhat (NumPy arrays of `dtypes`, one dtype at a time; y of `y_dtype` where that
        is given), evaluated after `import numpy as np` and `imports`; what a masked array masks is not compared.
    inputs: the function's documented domain, as a change to inputs drawn for `equals`.
    unit: errors are relative to this magnitude at least (1 for a function that returns 1 less the loss).
    """

    name: str
    equals: Loss
    imports: str
    value: str | None = None
    grad: str | None = None
    factor: float = 1.0
    dtypes: tuple[str, ...] = ("float64", "float32")
    y_dtype: str | None = None
    inputs: Inputs = as_drawn
    unit: float = 0.0
    note: str = ""

    def __call__(self, y: Any, yhat: Any) -> Answer:
        """Call the real thing, quietly."""
        names: dict[str, Any] = {"y": y, "yhat": yhat}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            exec(self._before, names)
            return Answer(*(None if code is None else eval(code, names) for code in (self.value, self.grad)))

    @property
    def _before(self) -> str:
        """The imports, and NumPy's, whose arrays are handed over."""
        return "import numpy as np" + (f"; {self.imports}" if self.imports else "")

    def same_as(self) -> str:
        """What the function should equal, in words."""
        factor = "" if self.factor == 1 else "½ · " if self.factor == 0.5 else f"{self.factor:g} · "
        return factor + brief(self.equals)

    def line(self, code: str, y: Any, yhat: Any) -> str:
        """`code` at one input, as a line to paste into Python."""
        given = {"y": _literal(y), "yhat": _literal(yhat)}
        used = {name: text for name, text in given.items() if re.search(rf"\b{name}\b", code)}
        return f"{self._before}; {', '.join(used)} = {', '.join(used.values())}; {code}"


def _literal(a: Any) -> str:
    a = np.asarray(a)
    if a.dtype == np.float64 or a.dtype.kind in "bi":
        return f"np.array({a.tolist()!r})"
    shortest = re.sub(r"[^\[\],\s]+", lambda m: str(a.dtype.type(m.group())), repr(a.tolist()))
    return f"np.array({shortest}, np.{a.dtype})"


def brief(loss: Loss) -> str:
    """A loss with the parameters that differ from their defaults only, and without its reduction."""
    default = type(loss)()
    own = {f.name: (_plain(getattr(loss, f.name)), _plain(getattr(default, f.name))) for f in fields(loss)}
    told = [f"{name}={a!r}" for name, (a, b) in own.items() if a != b and name != "reduction"]
    return type(loss).__name__ + (f"({', '.join(told)})" if told else "")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def peers() -> Iterator[tuple[str, list[Peer]]]:
    """The rows of every framework, by its name."""
    for name in FRAMEWORKS:
        yield name, import_module(f"reflosses.conventions.{name}").PEERS


def not_covered() -> dict[str, str]:
    """Functions that look like losses of ours and are not, with the reason."""
    return {k: v for name in FRAMEWORKS for k, v in import_module(f"reflosses.conventions.{name}").NOT_COVERED.items()}
