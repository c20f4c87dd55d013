"""The package's own code as pages: every line has an anchor, and the losses link to the equations that they cite."""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path

from reflosses.teaching.web.code import source_lines, with_citations
from reflosses.teaching.web.markdown import Heading, Section, Sheet

PAGE = re.compile(r"derivations/(\w+)\.md")


def source_path(module: str) -> str:
    """The path of the page of a file of the package.

    >>> source_path("losses/huber.py")
    'source/losses/huber.html'
    """
    return f"source/{module.removesuffix('.py')}.html"


def source_sheet(module: str, source: str, numbers: dict[str, set[int]]) -> Sheet:
    """The page of a file of the package; numbers: the equations of each derivation page."""
    sheet = Sheet(source_path(module), f"reflosses/{module}", "")
    stem = Path(module).stem
    page = f"{sheet.root}{stem}.html" if module.startswith("losses/") and stem in numbers else ""
    rows = []
    for number, spans in enumerate(source_lines(source), 1):
        if page:
            spans = with_citations(spans, numbers[stem], page)
        spans = PAGE.sub(lambda found: page_link(found, sheet.root) if found[1] in numbers else found[0], spans)
        rows.append(f'<span class="line" id="L{number}"><a class="no" href="#L{number}">{number}</a>{spans}</span>')
    lead = f'<p class="lead">{_first_line(source)}</p>'
    if page:
        lead += f'<p>The numbers in its comments are the equations of <a href="{page}">its derivation</a>.</p>'
    code = "\n".join(rows)
    sheet.body = f'<h1><code>reflosses/{module}</code></h1>\n{lead}\n<pre class="code source"><code>{code}</code></pre>'
    return sheet


def sources_index(modules: dict[str, str]) -> Sheet:
    """The page that lists every file of the package, folder by folder, with its first line."""
    sheet = Sheet("source/index.html", "Source", "")
    folders: dict[str, list[str]] = {}
    for module in modules:
        folders.setdefault(str(Path(module).parent), []).append(module)
    parts = ["<h1>Source</h1>", '<p class="lead">Every file of the package, with its first line.</p>']
    for folder, files in sorted(folders.items()):
        name = "reflosses" if folder == "." else f"reflosses/{folder}"
        anchor = name.replace("/", "-")
        sheet.headings.append(Heading(2, anchor, html.escape(name)))
        rows = "".join(
            f'<dt><a href="{sheet.root}{source_path(file)}">{Path(file).name}</a></dt>'
            f"<dd>{_first_line(modules[file])}</dd>"
            for file in sorted(files)
        )
        parts.append(f'<h2 id="{anchor}">{html.escape(name)}</h2>\n<dl class="files">{rows}</dl>')
        words = " ".join(Path(file).stem for file in files)
        sheet.sections.append(Section(anchor, name, words))
    sheet.body = "\n".join(parts)
    return sheet


def page_link(found: re.Match[str], root: str = "") -> str:
    """A link to the page that a match of PAGE names."""
    page = "index" if found[1] == "README" else found[1]
    return f'<a href="{root}{page}.html">{found[0]}</a>'


def _first_line(source: str) -> str:
    """The first line of a file's docstring, as HTML with its code marked."""
    line = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(line, quote=False))
