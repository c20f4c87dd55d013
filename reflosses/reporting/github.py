"""Results for GitHub Actions: annotations of the lines of a candidate, and the summary of a step.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands says how both are written.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from reflosses.comparison.result import Comparison
from reflosses.reporting.junit import JUnitCase
from reflosses.reporting.known_deviations import Found, KnownDeviation
from reflosses.reporting.tables import differences
from reflosses.reporting.told import headline, outcome

SUMMARY = "GITHUB_STEP_SUMMARY"  # the variable that has the file of the summary
MOST = 10  # GitHub shows so many annotations of a kind for a step


def annotations_of(
    results: Iterable[Comparison], unlisted: list[Found] | None, vanished: list[KnownDeviation] | None
) -> list[str]:
    """An error for each result that fails, a notice for one with limits beyond the level asked for, else plain text.

    unlisted, vanished: the differences from a list of known deviations, each of which is an error; None without a list.
    """
    lines = []
    for result in results:
        place = source_of(result.name)
        own = [found for found in unlisted or [] if found.result is result]
        fails = not result.rows or (not result.ok if unlisted is None else bool(own))
        if not (fails or result.worst):
            lines.append(f"{result.name}, {result.dtype}: {result.summary()}")  # a line of the log
            continue
        shown = [f.deviation for f in own] or [*result.failing, *result.worst]
        text = "\n".join([*headline(result), *map(str, shown[:1]), *result.notes])
        kind = "error" if fails else "notice"
        lines.append(annotation(kind, text, f"{result.name}, {result.dtype}: {outcome(result)}", place))
    return lines + [annotation("error", line, "reflosses") for line in differences(None, vanished)]


def annotations_of_cases(cases: Iterable[JUnitCase]) -> list[str]:
    """An error for each test case that fails."""
    failed = [case for case in cases if case.failure is not None]
    lines = [annotation("error", case.failure or "", f"{case.suite}: {case.name}") for case in failed[:MOST]]
    more = f"{len(failed) - MOST} more fail: see the summary of the step"
    return [*lines, *([annotation("error", more, "reflosses")] if len(failed) > MOST else [])]


def annotation(kind: str, message: str, title: str, place: tuple[str, int] | None = None) -> str:
    """One line that GitHub shows as an error, a warning or a notice."""
    told = {"file": place[0], "line": str(place[1])} if place else {}
    properties = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in (told | {"title": title}).items())
    return f"::{kind} {properties}::{_escaped(message)}"


def _escaped(text: str, more: str = "") -> str:
    """A text in which every character that ends a part of an annotation is written as a percent sign and its code."""
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + more else c for c in text)


def add_to_summary(markdown: str) -> None:
    """Append Markdown to the summary of the step, if there is one. OSError: it cannot be written."""
    if path := os.environ.get(SUMMARY):
        with open(path, "a", encoding="utf-8", errors="replace") as file:
            file.write(markdown.rstrip("\n") + "\n\n")


def source_of(target: str) -> tuple[str, int] | None:
    """The file and the line of a target such as "package.module:function", found without importing it.

    None if it is not in the current directory. The line is 1 if the name is not defined at the top of a class or file.
    """
    module, _, names = target.rpartition(":")
    here = Path.cwd()
    if module.endswith(".py"):
        files = [here / module]
    else:
        stems = [Path(folder or ".").resolve().joinpath(*module.split(".")) for folder in ("", *sys.path)]
        files = [file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py")]
    file = next((f.resolve() for f in files if f.is_file() and f.resolve().is_relative_to(here)), None)
    if file is None or not module:
        return None
    return file.relative_to(here).as_posix(), _line(file, names.split("."))


def _line(file: Path, names: list[str]) -> int:
    """The line at which nested names are defined."""
    try:
        body, line = ast.parse(file.read_bytes()).body, 1
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return 1
    for name in names:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        named = [node for node in body if isinstance(node, kinds) and node.name == name]
        stored = [n for n in body if isinstance(n, ast.Assign) and name in [getattr(t, "id", "") for t in n.targets]]
        if not (found := (named or stored)[-1:]):
            return line
        line, body = found[0].lineno, getattr(found[0], "body", [])
    return line
