r"""A derivation page as a list of formulas, and the block at its head that says what no formula says.

The block is a comment of Markdown with TOML in it, right after the title:

    <!-- how the formulas are read
    real = ['\hat y', 'y']
    positive = ['\delta']
    define = ['r = \hat y - y']

    [[under]]
    where = '|r| < \delta'
    read = ['c = r']

    [[code]]
    parameters = { delta = '\delta' }
    value = '\ell'
    -->

Words of the block, and of a `[[place]]`, which changes them from a line of the page on:

    real, positive, unit, bit, sign, small, large, member, symmetric    the letters that are given, by domain; a
                        subscript makes an array: 'z_k'. unit is (0, 1), bit 0 or 1, sign -1 or 1, small 1e-15, large
                        1e15, member an index
    constants           letters with a fixed number: { C = 3 }
    index, first        the letters for indices and how many there are, { k = 3 }; the first index, 1 if not said
    functions           names that are applied: \sigma(-z)
    labels              names whose subscript is a label and no index: 'p_t'
    letters             'e' where e is a letter of the page
    prime, nabla        { c = 'r' }: c' is dc/dr; the vector of a ∇ without a subscript
    define              formulas in lines of text (or parts of displays, in a place) that are definitions
    forget              names that get a new meaning
    where               conditions that hold in this place, or on the whole page; `x = 3` makes it an example
    at                  the text at which the place begins

`[[under]]` has formulas in lines of text, and `where` is the condition under which they hold. `steps_not` are formulas
that only look like steps. `[[code]]` says which formulas are the numbers of the shipped loss, `at` a text of the page.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BLOCK = re.compile(r"<!-- how the formulas are read\n(.*?)-->\n", re.S)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"\$`([^`]+)`\$")
DOMAINS = ("real", "positive", "unit", "bit", "sign", "small", "large", "member", "symmetric")
PLACE = {
    *DOMAINS,
    "constants",
    "index",
    "functions",
    "labels",
    "letters",
    "prime",
    "nabla",
    "define",
    "forget",
    "where",
}
PAGE = {*PLACE, "first", "place", "under", "code", "steps_not"}
CODE_HERE, WORDS_HERE, FORMULA_HERE = range(3)  # what stands at a line of a page
UNDER = {"where", "read"}
CODE = {"at", "where", "page", "y", "yhat", "parameters", "fixed", "value", "grad", "curvature"}


@dataclass(frozen=True)
class Formula:
    """A formula of a page: its text, where it begins, and whether it stands in a line of text."""

    text: str
    start: int
    line: int
    inline: bool


@dataclass(frozen=True)
class Page:
    """The text of a page, its formulas in reading order, and the block at its head."""

    text: str
    formulas: tuple[Formula, ...]
    block: dict[str, Any]

    @property
    def body(self) -> str:
        """The text with spaces for the block."""
        return BLOCK.sub(lambda found: " " * len(found[0]), self.text)

    def stands(self, quoted: str) -> bool:
        """Whether a formula, or a part of one, stands on the page literally."""
        return any(quoted in formula.text for formula in self.formulas)

    def events(self) -> Iterator[tuple[int, Any]]:
        """What a reader meets, from top to bottom: the block, its places and codes, and the formulas.

        At one line a [[code]] comes first, then a [[place]]: the [[code]] is about the lines before it.
        """
        places = [(0, WORDS_HERE, self.block)]
        places += [(self.place(place["at"]), WORDS_HERE, place) for place in self.block.get("place", ())]
        events: list[tuple[int, int, Any]] = [(formula.start, FORMULA_HERE, formula) for formula in self.formulas]
        for code in self.block.get("code", ()):
            events.append((self.place(code["at"]) if "at" in code else len(self.text), CODE_HERE, code))
        for _, kind, what in sorted([*places, *events], key=lambda event: event[:2]):
            yield kind, what

    def place(self, quoted: str) -> int:
        """Where a text begins. ValueError if it stands not exactly once on the page."""
        body = self.body
        if body.count(quoted) != 1:
            raise ValueError(f"{quoted!r} stands {body.count(quoted)} times on the page")
        return body.index(quoted)


def read_page(text: str) -> Page:
    """A page from its Markdown. ValueError for a block with an unknown word, or that is no TOML."""
    found = BLOCK.search(text)
    block = tomllib.loads(found[1]) if found else {}
    unknown = block.keys() - PAGE
    for part, words in (("place", {*PLACE, "at"}), ("under", UNDER), ("code", CODE)):
        unknown |= {word for entry in block.get(part, ()) for word in entry.keys() - words}
    if unknown:
        raise ValueError(f"the block has unknown words: {', '.join(sorted(unknown))}")
    return Page(text, tuple(_formulas(text, found.end() if found else 0)), block)


def without_block(text: str) -> str:
    """A page for a reader of plain text: its block is for machines."""
    return BLOCK.sub("", text).replace("\n\n\n", "\n\n", 1)


def _formulas(text: str, start: int) -> Iterator[Formula]:
    position = start
    for fence in [*FENCE.finditer(text, start), None]:
        end = fence.start() if fence else len(text)
        for inline in INLINE.finditer(text, position, end):
            yield Formula(inline[1].replace("\n", " "), inline.start(1), text.count("\n", 0, inline.start()) + 1, True)
        if fence:
            if fence[1] == "math":
                yield Formula(fence[2], fence.start(2), text.count("\n", 0, fence.start(2)) + 1, False)
            position = fence.end()
