"""`reflosses explain NAME`: what a function of a framework computes, in terms of our losses."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any

from reflosses.frameworks.function import Framework, Function, brief, frameworks, near


def explanation(name: str) -> str:
    """The text about a function, or about all functions of a framework; ValueError for an unknown name."""
    for framework in frameworks():
        if framework.name == name:
            return _all_of(framework)
    functions = _functions(name)
    left_out = [(k, why) for framework in frameworks() for k, why in framework.not_covered.items()]
    last = re.escape(name if functions else name.rpartition(".")[2])
    others = [(k, why) for k, why in left_out if last and re.search(rf"(?<!\w){last}(?!\w)", k)]
    if not functions and not others:
        raise ValueError(unknown_function(name))
    lines = [_one(framework, function) for framework, function in functions]
    lines += [f"{looks_like}: not covered, {why}\n" for looks_like, why in others]
    lines += ["Known deviations, by regime and dtype: derivations/atlas.md\n"] if functions else []
    return "".join(lines)


def _functions(name: str) -> list[tuple[Framework, Function]]:
    """The rows of this function. If there are none, the rows whose last word, or call, is this name."""
    every = [(framework, function) for framework in frameworks() for function in framework.functions]
    found = [(k, f) for k, f in every if f"{f.name} ".startswith(f"{name} ")]
    called = re.compile(rf"(?<![\w.]){re.escape(name)}\(")  # such as torch.nn.functional.huber_loss
    return found or [(k, f) for k, f in every if name and (f".{name} " in f"{f.name} " or called.search(f.code))]


def unknown_function(name: str) -> str:
    """What to tell a user who misspelt a function."""
    last = name.rpartition(".")[2].lower()
    similar = [f.name for framework in frameworks() for f in framework.functions if last and last in f.name.lower()]
    known = ", ".join(framework.name for framework in frameworks())
    hint = f"there are {', '.join(similar)}" if similar else f"reflosses explain FRAMEWORK lists those of {known}"
    close = near(name)
    return f"no function is named {name!r}; {f'did you mean {close}? ' if close else ''}{hint}"


def _all_of(framework: Framework) -> str:
    lines = [f"{framework.package} {framework.version or 'is not installed here'}\n"]
    lines += [f"{_signature(function)}\n    = {function.equals}" for function in framework.functions]
    lines.append("\nNot covered:")
    for other, why in framework.not_covered.items():
        lines.append(textwrap.fill(f"{other}: {why}", 110, initial_indent="    ", subsequent_indent="        "))
    return "\n".join(lines) + "\n"


def _one(framework: Framework, function: Function) -> str:
    told = [
        ("equals", function.equals),
        ("call", function.code if function.code != "None" else "none: a gradient only"),
        ("gradient", function.grad or "none"),
        ("compiler", framework.compiler_of(function)),
        ("dtypes", ", ".join(function.dtypes)),
    ]
    told += [("checked", f"{_parameters(k) or 'defaults'}  →  {brief(function.loss(k))}") for k in function.tried]
    told.append(("version", f"{framework.package} {framework.version or 'is not installed here'}"))
    lines = [f"{_signature(function)}\n", *(f"    {fact:8}  {text}" for fact, text in told if text)]
    if function.note:
        lines.append(textwrap.fill(function.note, 110, initial_indent="    note      ", subsequent_indent=" " * 14))
    return "\n".join(lines) + "\n\n"


def _signature(function: Function) -> str:
    parameters = _parameters(function.parameters)
    return f"{function.name}({parameters})" if parameters else function.name


def _parameters(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in given.items())
