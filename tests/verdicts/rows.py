"""One row: an implementation, the loss that it is held against, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

FRAMEWORKS = ("numpy", "torch", "jax")
LEVELS = ("formula", "digits", "range")

# Sentences that are false of a row, unless the row says that it `does` this.
LIES: dict[str, str] = {
    "narrow": r"bfloat16|rounds (its|the) (results|inputs|logits|numbers)|float16",
    "raise": r"raises|nothing to compare|\bcrash",
    "clip": r"\bclip|\bclamp",
    "epsilon": r"adds 1e-|\+ 1e-\d",
}


def lies_of(row: Row) -> list[str]:
    """Patterns of sentences that are not true of a row."""
    lies = [*row.false, *(pattern for name, pattern in LIES.items() if name not in row.does)]
    lies += [r"below γ = 1|γ < 1|gamma < 1"] if getattr(row.loss, "gamma", 0) >= 1 else []
    lies += [r"slope 1 beyond delta"] if getattr(row.loss, "delta", 0) == 1 else []
    return lies


@dataclass(frozen=True)
class Row:
    """An implementation.

    fails: the first level that must fail. Of a right row: "" if nothing is said beyond the formula, "nothing" if it
        holds every level that is asked by default.
    named: patterns; if the text that a person reads has one of them, the person can mend the code.
    false: patterns of sentences that are not true of it. does: names of `LIES` that are true of it.
    at: inputs (y, yhat) at which it shows, where ordinary ones do not.
    given: options of `check`. prediction_first: it takes the prediction before the target, as its names say.
    """

    name: str
    function: Callable[..., Any]
    loss: Any
    framework: str
    dtype: str = "float64"
    fails: str = ""
    named: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    does: tuple[str, ...] = ()
    at: tuple[Any, Any] | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    prediction_first: bool = False


def right_into(rows: list[Row], framework: str) -> Callable[..., Callable[[Any], Any]]:
    """A decorator that adds a right implementation to a table."""

    def right(
        loss: Any,
        fails: str = "",
        *,
        name: str = "",
        dtype: str = "float64",
        prediction_first: bool = False,
        **given: Any,
    ) -> Any:
        def add(function: Any) -> Any:
            own = name or function.__name__
            rows.append(
                Row(own, function, loss, framework, dtype, fails, given=given, prediction_first=prediction_first)
            )
            return function

        return add

    return right


def wrong_into(rows: list[Row], framework: str) -> Callable[..., Callable[[Any], Any]]:
    """A decorator that adds a wrong implementation to a table."""

    def wrong(
        loss: Any,
        fails: str,
        *named: str,
        name: str = "",
        dtype: str = "float64",
        false: tuple[str, ...] = (),
        does: tuple[str, ...] = (),
        at: tuple[Any, Any] | None = None,
        **given: Any,
    ) -> Any:
        def add(function: Any) -> Any:
            own = name or function.__name__
            rows.append(Row(own, function, loss, framework, dtype, fails, named, false, does, at, given))
            return function

        return add

    return wrong


def table(kind: str, framework: str) -> list[Row]:
    """The rows of a kind ("right" or "wrong") of one framework."""
    rows: list[Row] = import_module(f"verdicts.{kind}_{framework}").ROWS
    return rows
