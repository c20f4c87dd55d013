"""Count the losses that frameworks offer, and write the counts to derivations/coverage.md: `make coverage`.

Only the lines of the frameworks that are tested in this environment are written again.
"""

import re
import sys
from functools import cache
from pathlib import Path

from needed import is_elsewhere

from reflosses.frameworks.coverage import KINDS, Coverage, coverage
from reflosses.frameworks.function import frameworks
from reflosses.teaching.navigation import with_navigation

PAGE = Path(__file__).parents[2] / "derivations" / "coverage.md"

INTRODUCTION = """\
# Coverage: the losses that frameworks offer

What `reflosses coverage` finds by introspection of the installed frameworks. *mapped*: the loss equals one of ours, for
special parameters at least, and the [atlas](atlas.md) has its rows. *without a row*: so it does, but no row says it.
*not ours*: it needs another loss. *unlisted*: nobody has looked at it. A class and a function of one name are one loss,
and the operators that onnxruntime runs are those of onnx.

Written by `make coverage`; `reflosses explain NAME` tells the same of one framework.
"""
HEAD = f"| framework | version | losses | {' | '.join(KINDS)} |\n| :-- | :-- | --: | --: | --: | --: | --: |\n"
LINE = re.compile(r"^\| ([a-z]+) \| (\S+) \| ([\d |]+) \|$", re.M)


def written() -> dict[str, str]:
    """The line of each framework on the page as it stands."""
    text = PAGE.read_text("utf-8") if PAGE.exists() else ""
    return {found[1]: f"{found[0]}\n" for found in LINE.finditer(text)}


@cache
def found_here() -> list[Coverage]:
    """The losses of each framework that is tested in this environment."""
    here = [f.name for f in frameworks() if f.version is not None and not is_elsewhere(f.package)]
    return coverage(here)


def measured() -> dict[str, str]:
    """The line of each of them."""
    if failed := [f"{one.framework}: {one.error}" for one in found_here() if one.error]:
        sys.exit("\n".join(failed))
    return {one.framework: f"| {one.framework} | {one.version} | {cells(one.counts)} |\n" for one in found_here()}


def cells(counts: tuple[int, ...]) -> str:
    return " | ".join(map(str, counts))


def totals(lines: dict[str, str]) -> tuple[int, ...]:
    """The sums of the columns."""
    rows = [[int(cell) for cell in LINE.match(line)[3].split(" | ")] for line in lines.values()]  # type: ignore[index]
    return tuple(map(sum, zip(*rows, strict=True)))


def page(lines: dict[str, str]) -> str:
    """The text of the page: the counts, and the reason for each loss that has no row."""
    own = [framework for framework in frameworks() if framework.name in lines]
    known = {framework.name: lines[framework.name] for framework in own}
    parts = [INTRODUCTION, HEAD + "".join(known.values()) + f"| all | | {cells(totals(known))} |\n"]
    for title, lists in (("Without a row", "without_row"), ("Not ours", "not_covered")):
        entries = [f"- {name}: {why}" for framework in own for name, why in getattr(framework, lists).items()]
        parts.append("\n".join([f"## {title}", "", *entries, ""]))
    return with_navigation("\n".join(parts), PAGE.stem)


if __name__ == "__main__":
    PAGE.write_text(page({**written(), **measured()}), "utf-8")
