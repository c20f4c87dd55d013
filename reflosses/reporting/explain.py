"""`reflosses explain NAME`: what a function of a framework computes, in terms of our losses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from reflosses.catalogue import did_you_mean, losses, shipped_page
from reflosses.comparison.battery import REGIMES
from reflosses.comparison.result import title
from reflosses.frameworks.function import Framework, Function, brief, frameworks, near
from reflosses.reporting.widths import filled


def explanation(name: str, width: int | None = None) -> str:
    """The text about a function, a loss of ours, or all functions of a framework; ValueError for an unknown name."""
    for framework in frameworks():
        if framework.name == name:
            return _all_of(framework, width)
    functions = _functions(name)
    left_out = [entry for framework in frameworks() for entry in framework.left_out.items()]
    last = re.escape(name if functions else name.rpartition(".")[2])
    others = [(k, why) for k, why in left_out if last and re.search(rf"(?<!\w){last}(?!\w)", k)]
    if name in losses():
        return _of_loss(name, [*functions, *_equal_to(name)], others, width)
    if not functions and not others:
        raise ValueError(unknown_function(name))
    known = known_deviations_of_functions()
    lines = [_one(framework, function, known, width) for framework, function in functions]
    lines += [_not_covered(k, why, width) for k, why in others]
    return "".join(lines)


def _of_loss(
    name: str, functions: list[tuple[Framework, Function]], others: list[tuple[str, str]], width: int | None
) -> str:
    """What to tell of a loss of ours: that it is one, and which functions equal it."""
    lines = [f"{name} is a loss of ours: reflosses show {name}\n\nFunctions that equal it:\n"]
    for function in dict.fromkeys(function.name for _, function in functions):
        (own,) = [f for _, f in functions if f.name == function][:1]
        lines.append(filled(f"{_signature(own)} = {own.equals}", width, "    ", " " * 8) + "\n")
    if others:
        lines += ["\n", *(_not_covered(k, why, width) for k, why in others)]
    return "".join(lines)


def _equal_to(name: str) -> list[tuple[Framework, Function]]:
    """The functions that equal a loss, with some of the parameters that are tried."""
    every = ((framework, function) for framework in frameworks() for function in framework.functions)
    return [(k, f) for k, f in every if any(f.name_of_loss(given) == name for given in f.tried)]


def _not_covered(name: str, why: str, width: int | None) -> str:
    return filled(f"{name}: not covered, {why}", width, rest="    ") + "\n"


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
    other = did_you_mean(name, [*losses(), *(framework.name for framework in frameworks())])
    meant = f"did you mean {close}? " if close else f"{other} " if other else ""
    return f"no function is named {name!r}; {meant}{hint}"


def _all_of(framework: Framework, width: int | None) -> str:
    lines = [f"{framework.package} {framework.version or 'is not installed here'}\n"]
    for function in framework.functions:
        lines.append(filled(_signature(function), width, rest=" " * 8))
        lines.append(filled(f"= {function.equals}", width, "    ", " " * 8))
    lines.append("\nNot covered:")
    for other, why in framework.left_out.items():
        lines.append(filled(f"{other}: {why}", width or 110, "    ", "        "))
    return "\n".join(lines) + "\n"


def _one(framework: Framework, function: Function, known: Known, width: int | None) -> str:
    told = [
        ("equals", function.equals),
        ("call", function.code if function.code != "None" else "none: a gradient only"),
        ("gradient", function.grad or "none"),
        ("compiler", framework.compiler_of(function)),
        ("dtypes", ", ".join(function.dtypes)),
    ]
    told += [("checked", f"{_parameters(k) or 'defaults'}  →  {brief(function.loss(k))}") for k in function.tried]
    told.append(("version", f"{framework.package} {framework.version or 'is not installed here'}"))
    lines = [filled(_signature(function), width, rest="    "), ""]
    lines += [filled(text, width, f"    {fact:8}  ", " " * 14) for fact, text in told if text]
    if function.note:
        lines.append(filled(function.note, width or 110, "    note      ", " " * 14))
    asked = dict.fromkeys(function.name_of_loss(given) for given in function.tried)
    ask = f"reflosses verify --against {framework.name} " + " ".join(f"--loss {name}" for name in asked)
    lines += ["", "    Known deviations:"]
    if function.name in known:
        lines += [filled(line, width, " " * 8, " " * 12) for line in known[function.name]]
    else:
        lines.append("        not known here")
    return "\n".join([*lines, filled(ask, width, "    Ask now: ", " " * 8)]) + "\n\n"


# ---- the atlas -------------------------------------------------------------------------------------------------------

Known = dict[str, list[str]]  # of each function, a line for each way in which it deviates


@cache
def known_deviations_of_functions() -> Known:
    """What the atlas found of each function, when it was written; {} if it is not there.

    Each line says the dtypes, the regimes and the parameters of one verdict, and its diagnosis. A function without a
    deviation has the line "none".
    """
    try:
        text = shipped_page("atlas")
    except FileNotFoundError:
        return {}
    found: dict[str, dict[tuple[str, str, str], list[str]]] = {}
    version, columns = "", []
    for line in text.splitlines():
        if line.startswith("## "):
            version = line.removeprefix("## ")
        cells = [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells[:2] == ["function", "dtype"] or cells[:1] == ["framework"]:
            columns = cells
        elif columns and len(cells) == len(columns) and columns[0] == "function" and cells[0].startswith("`"):
            row = dict(zip(columns, cells, strict=True))
            own = found.setdefault(_bare_name(row["function"].strip("`")), {})
            if row["verdict"] != "right":
                off = [r for r in REGIMES if row.get(letter_of(r), "").strip("`· ")]
                where = "; ".join(title(r) for r in off)
                own.setdefault((row["verdict"], where, row.get("diagnosis", "")), []).append(row["dtype"])
            own.setdefault(("", version, ""), [])
    return {name: _lines_of(ways) for name, ways in found.items()}


def letter_of(regime: str) -> str:
    """The head of a regime's column, here and in the atlas: its letter, or m for the moderate inputs."""
    return regime if len(regime) == 1 else regime[0].lower()


def _bare_name(shown: str) -> str:
    """The name of a function without the parameters behind it."""
    return shown.partition("(")[0]


def _lines_of(ways: dict[tuple[str, str, str], list[str]]) -> list[str]:
    """A line for each way; the key with the verdict "" has the framework and its version."""
    version = next(regimes for verdict, regimes, _ in ways if not verdict)
    lines = []
    for (verdict, regimes, diagnosis), dtypes in ways.items():
        if verdict:
            why = f": {diagnosis}" if diagnosis else ""
            lines.append(f"{verdict} in {', '.join(dict.fromkeys(dtypes))} ({regimes}){why}")
    return [*(lines or ["none"]), f"(found in {version})"]


# ---- parts of a text -------------------------------------------------------------------------------------------------


def _signature(function: Function) -> str:
    parameters = _parameters(function.parameters)
    return f"{function.name}({parameters})" if parameters else function.name


def _parameters(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in given.items())
