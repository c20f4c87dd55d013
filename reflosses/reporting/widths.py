"""Text and code for a terminal of a given width. A width of None is a file or a pipe: nothing is broken there."""

from __future__ import annotations

import ast
import io
import re
import shutil
import textwrap
import tokenize
from typing import TextIO

LEAST = 40  # columns; a narrower terminal breaks the lines itself


def width_of(file: TextIO) -> int | None:
    """The columns of a terminal; None for a file or a pipe."""
    return max(shutil.get_terminal_size().columns, LEAST) if file.isatty() else None


def filled(text: str, width: int | None, first: str = "", rest: str = "") -> str:
    """One paragraph, with `first` before its first line and `rest` before the others."""
    if width is None:
        return first + text
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def refilled(text: str, width: int | None) -> str:
    """A docstring: every paragraph filled again, each with its own indentation."""
    if width is None:
        return text
    out = []
    for paragraph in re.split(r"\n[ \t]*\n", text):
        items = re.split(r"\n(?=\s*(?:[A-Z][\w ]*:|[*-] ))", paragraph)  # a label or a mark starts a line of its own
        for item in items:
            indent = item[: len(item) - len(item.lstrip())]
            out.append(filled(" ".join(item.split()), width, indent, indent + "    "))
        out.append("")
    return "\n".join(out).rstrip("\n")


def folded_code(code: str, width: int | None) -> str:
    """Python whose long lines are broken inside brackets or between statements, so that it can still be pasted."""
    if width is None:
        return code
    folded = "\n".join(_folded(line, width) if len(line) > width else line for line in code.split("\n"))
    try:
        return folded if ast.dump(ast.parse(folded)) == ast.dump(ast.parse(code)) else code
    except (SyntaxError, RecursionError, MemoryError):
        return code


def _folded(line: str, width: int) -> str:
    """One line of Python: a comment stands above it, and it is broken where tokens are inside brackets."""
    indent = line[: len(line) - len(line.lstrip())]
    breaks, comment, statement = _breaks(line)
    if statement is not None:
        return f"{_folded(line[:statement], width)}\n{_folded(indent + line[statement + 1 :].lstrip(), width)}"
    above = [filled(line[comment:], width, indent, f"{indent}# ")] if comment else []
    line = line[:comment].rstrip() if comment else line
    start, last, out = 0, 0, list[str]()
    for place in [*breaks, len(line)]:
        if place - start > width - (len(indent) + 4 if start else 0) and last > start:
            out.append(line[start:last].rstrip())
            start = last
        last = place
    return "\n".join([*above, f"\n{indent}    ".join([*out, line[start:]])])


def _breaks(line: str) -> tuple[list[int], int | None, int | None]:
    """The places inside brackets at which a line may go on in the next one, its comment, and its first semicolon."""
    depth, places = 0, list[int]()
    comment = statement = None
    try:
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            if token.type == tokenize.COMMENT:
                comment = token.start[1]
            if token.type == tokenize.OP:
                statement = token.start[1] if token.string == ";" and statement is None else statement
                depth += (token.string in "([{") - (token.string in ")]}")
                if depth and token.string in ("(", "[", "{", ","):
                    places.append(token.end[1] + (line[token.end[1] : token.end[1] + 1] == " "))
    except (tokenize.TokenError, SyntaxError):  # such as a definition whose body is on the next lines
        pass
    return places, comment, statement


def broken_name(name: str, width: int) -> str:
    """A long name on several lines, broken behind a dot, a space, a comma, an underscore, a bracket or in CamelCase."""
    lines = [""]
    parts = re.findall(r".+?(?:[,(_= ]+|\.(?!\d)|$)", name)
    for part in (p for whole in parts for p in (re.split("(?=[A-Z])", whole) if len(whole) > width else [whole])):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines)
