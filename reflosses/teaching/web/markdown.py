"""A page's Markdown as HTML: formulas, anchors of headings and equations, links between both, folded checks.

Formulas and fenced blocks are taken out before Markdown is read, in one pass, and put back after it: `$` means nothing
to Markdown, and the HTML of a formula must not be read again.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from reflosses.teaching.page import BLOCK, FENCE, INLINE
from reflosses.teaching.web.code import LARGE, highlighted, with_citations
from reflosses.teaching.web.mathematics import MARK, Formulas

CHECKED = re.compile(r"\[(A machine has checked these steps)\]\([^)]*\):\n\n$")
TAG = re.compile(r"\s*\\tag\{(\d+)\}")
BLOCK_MARK = re.compile("<p>\ue000b(\\d+)\ue001</p>")
TABLE = re.compile(r"<table>(.*?</tr>)(.*?)</table>", re.S)
EMPTY = re.compile(r"<th( [^>]*)?></th>")  # a corner of a table is no heading
HEAD = re.compile("<th( [^>]*)?>(\ue000f\\d+\ue001)</th>")  # a heading that is nothing but a formula
COLUMNS = 6  # a table with more is as wide as it needs
EXTERNAL = re.compile(r"[a-z]+:")


@dataclass(frozen=True)
class Heading:
    """A heading: its level, its anchor, its HTML."""

    level: int
    anchor: str
    html: str


@dataclass(frozen=True)
class Section:
    """A part of a page that search can find: the anchor of its heading, the heading and its words."""

    anchor: str
    heading: str
    words: str


@dataclass
class Sheet:
    """A page of the site, before its formulas are set."""

    path: str  # from the root of the site, as in "source/losses/huber.html"
    title: str
    body: str
    headings: list[Heading] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    script: str = ""

    @property
    def root(self) -> str:
        """The way from this page to the root of the site, as in "../../"."""
        return "../" * self.path.count("/")


def slug(heading: str) -> str:
    """The anchor that GitHub gives to a heading.

    >>> slug("The gradient, step by step")
    'the-gradient-step-by-step'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def equation_numbers(text: str) -> set[int]:
    """The numbers of the equations of a page."""
    return {int(n) for block in FENCE.finditer(text) if block[1] == "math" for n in TAG.findall(block[2])}


class Converter:
    """Converts one page. links: the address of a target; citing: links to the code that cites an equation."""

    def __init__(
        self,
        name: str,
        formulas: Formulas,
        links: Callable[[str], str],
        citing: Mapping[int, Sequence[tuple[str, str]]],
    ):
        self.name = name
        self.formulas = formulas
        self.links = links
        self.citing = citing
        self.numbers: set[int] = set()
        self.blocks: list[str] = []
        self.plain = False
        self.reader = MarkdownIt("commonmark", {"html": True}).enable("table")

    def convert(self, text: str, path: str) -> Sheet:
        """The sheet of a page. ValueError if the page has no title."""
        text = BLOCK.sub(lambda found: "\n" * found[0].count("\n"), text)
        self.numbers = equation_numbers(text)
        self.plain = sum(len(block[2]) for block in FENCE.finditer(text) if block[1] != "math") > LARGE
        tokens = self.reader.parse(self.with_marks(text))
        sheet = Sheet(path, "", "")
        self.anchored(tokens, sheet)
        if not sheet.title:
            raise ValueError(f"{self.name} has no title")
        for token in tokens:
            self.change(token)
        body = self.reader.renderer.render(tokens, self.reader.options, {})
        body = HEAD.sub(self.labelled, EMPTY.sub(r"<td\1></td>", body))
        body = TABLE.sub(_framed, body)
        sheet.body = BLOCK_MARK.sub(lambda found: self.blocks[int(found[1])], body)
        return sheet

    # ---- before Markdown

    def with_marks(self, text: str) -> str:
        """The text with marks in place of formulas and fenced blocks."""
        pieces, position = [], 0
        for fence in FENCE.finditer(text):
            prose = self.with_formulas(text, position, fence.start())
            checked = CHECKED.search(prose)
            if fence[1] == "math":
                block = self.equation(fence[2], text.count("\n", 0, fence.start(2)) + 1)
            else:
                block = self.code(fence[2], fence[1])
                if checked:
                    prose = prose[: checked.start()]
                    block = f'<details class="checked"><summary>{checked[1]}</summary>\n{block}\n</details>'
            self.blocks.append(block)
            pieces += [prose, f"\ue000b{len(self.blocks) - 1}\ue001"]
            position = fence.end()
        return "".join([*pieces, self.with_formulas(text, position, len(text))])

    def with_formulas(self, text: str, start: int, end: int) -> str:
        """A part of the text with marks in place of its formulas."""
        pieces, position = [], start
        for found in INLINE.finditer(text, start, end):
            line = text.count("\n", 0, found.start()) + 1
            pieces += [text[position : found.start()], self.formulas.mark(found[1], self.name, line)]
            position = found.end()
        return "".join([*pieces, text[position:end]])

    def equation(self, text: str, line: int) -> str:
        """A displayed formula, with its number as a link to itself and links to the code that cites it."""
        numbers = [int(n) for n in TAG.findall(text)]
        mark = self.formulas.mark(TAG.sub("", text), self.name, line, display=True)
        if not numbers:
            return f'<div class="equation"><div class="formula">{mark}</div></div>'
        if len(numbers) > 1:
            raise ValueError(f"{self.name}:{line}: one display has the numbers {numbers}")
        number = numbers[0]
        side = f'<a class="number" href="#eq-{number}" aria-label="equation {number}">({number})</a>'
        for address, words in self.citing.get(number, ()):
            side += f'<a class="cited" href="{address}">{html.escape(words)}</a>'
        formula = f'<div class="formula">{mark}</div><div class="side">{side}</div>'
        return f'<div class="equation" id="eq-{number}">{formula}</div>'

    def code(self, text: str, language: str) -> str:
        """A block of code."""
        spans = html.escape(text, quote=False) if self.plain else highlighted(text, language)
        return f'<pre class="code"><code>{with_citations(spans, self.numbers)}</code></pre>'

    # ---- after Markdown

    def anchored(self, tokens: list[Token], sheet: Sheet) -> None:
        """Give headings their anchors, and collect them and the words below each."""
        seen: dict[str, int] = {}
        words: list[str] = []
        for token, following in zip(tokens, [*tokens[1:], None], strict=True):
            if token.type == "heading_open" and following is not None:
                text = MARK.sub(lambda found: "$`" + self.formulas.text(found[0]) + "`$", following.content)
                anchor = slug(text)
                count = seen[anchor] = seen.get(anchor, -1) + 1
                anchor += f"-{count}" if count else ""
                token.attrSet("id", anchor)
                plain = re.sub(r"[`*]|\$", "", text)
                if token.tag == "h1" and not sheet.title:
                    sheet.title, anchor = plain, ""
                else:
                    inside = self.reader.renderInline(following.content)
                    sheet.headings.append(Heading(int(token.tag[1]), anchor, inside))
                words = []
                sheet.sections.append(Section(anchor, plain, ""))
            elif token.type == "inline" and sheet.sections:
                words.append(_plain(self.formulas, token))
                last = sheet.sections[-1]
                sheet.sections[-1] = Section(last.anchor, last.heading, " ".join(words))

    def labelled(self, found: re.Match[str]) -> str:
        """A heading of a table that is nothing but a formula, with a name for screen readers."""
        name = html.escape(self.formulas.text(found[2]))
        spoken = f'<span class="spoken">{name}</span><span aria-hidden="true">{found[2]}</span>'
        return f"<th{found[1] or ''}>{spoken}</th>"

    def change(self, token: Token) -> None:
        """Lead links to where the site has them, and make links of the numbers of equations."""
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", self.links(str(child.attrGet("href"))))
            elif child.type == "image":
                child.attrSet("src", self.links(str(child.attrGet("src"))))
                child.attrSet("loading", "lazy")
        if token.children:
            token.children = [new for child in self.outside_links(token.children) for new in child]

    def outside_links(self, children: list[Token]) -> list[list[Token]]:
        """Each child, or what replaces it: numbers of equations in the text become links."""
        found, inside = [], 0
        for child in children:
            inside += (child.type == "link_open") - (child.type == "link_close")
            found.append(self.cited(child.content) if child.type == "text" and not inside else [child])
        return found

    def cited(self, text: str) -> list[Token]:
        """A text with its "(3)" as links."""
        pieces = []
        for part in re.split(r"(\(\d+\))", text):
            if re.fullmatch(r"\(\d+\)", part) and int(part[1:-1]) in self.numbers:
                link = f'<a class="reference" href="#eq-{part[1:-1]}">{part}</a>'
                pieces.append(Token("html_inline", "", 0, content=link))
            elif part:
                pieces.append(Token("text", "", 0, content=part))
        return pieces


def _framed(found: re.Match[str]) -> str:
    """A table in a frame that scrolls."""
    kind = ' class="wide"' if found[1].count("<th") > COLUMNS + 1 else ""  # <thead> is one of them
    return f'<div class="table"><table{kind}>{found[1]}{found[2]}</table></div>'


def _plain(formulas: Formulas, token: Token) -> str:
    """The words of a paragraph for search, without signs of Markdown and commands of LaTeX."""
    text = formulas.text(re.sub(r"\]\([^)]*\)", "]", token.content))
    text = re.sub(r"\ue000b\d+\ue001|<[^>]*>", " ", text)
    return " ".join(re.sub(r"\\[a-zA-Z]+|[`*{}\\|\[\]^_$]", " ", text).split())
