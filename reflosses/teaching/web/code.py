"""Code as HTML: sessions with their prompts, and whole files line by line. Comments link to equations."""

from __future__ import annotations

import html
import re

import pygments
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonConsoleLexer, PythonLexer, get_lexer_by_name
from pygments.util import ClassNotFound

LARGE = 20_000  # a page with more code than this keeps it plain
COMMENT = re.compile(r'<span class="c1">.*?</span>')
PLAIN = re.compile(r'<span class="(?:n|nb|nn|o|p|w|si|se|err)">([^<]*)</span>')
CITED = re.compile(r"\((\d+)\)")


def highlighted(text: str, language: str) -> str:
    """A block of code in spans of pygments; plain if there is no such language."""
    if language == "python" and ">>>" in text:
        lexer = PythonConsoleLexer()
    else:
        try:
            lexer = get_lexer_by_name(language or "text", stripnl=False)
        except ClassNotFound:
            return html.escape(text, quote=False)
    return _lean(str(pygments.highlight(text, lexer, HtmlFormatter(nowrap=True))))


def _lean(spans: str) -> str:
    """Highlighted code without the spans that have no style: names, brackets, operators, spaces."""
    return PLAIN.sub(r"\1", spans)


def with_citations(spans: str, numbers: set[int], page: str = "") -> str:
    """Highlighted code whose comments link to the equations that they cite: `# (3)` to `page#eq-3`."""

    def link(found: re.Match[str]) -> str:
        return f'<a href="{page}#eq-{found[1]}">({found[1]})</a>' if int(found[1]) in numbers else found[0]

    return COMMENT.sub(lambda comment: CITED.sub(link, comment[0]), spans)


def cited_lines(source: str) -> dict[int, list[int]]:
    """For each number that comments of a Python file cite, the lines that cite it.

    >>> cited_lines("x = 1  # (3)\\ny = '# (4)'\\n# (3), (5)\\n")
    {3: [1, 3], 5: [3]}
    """
    found: dict[int, list[int]] = {}
    for line, spans in enumerate(source_lines(source), 1):
        for comment in COMMENT.findall(spans):
            for number in CITED.findall(comment):
                found.setdefault(int(number), []).append(line)
    return found


def source_lines(source: str) -> list[str]:
    """The lines of a Python file, highlighted."""
    spans = str(pygments.highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)))
    return _lean(spans).splitlines()
