"""What surrounds every page: head, list of pages, contents, switch of the theme, search."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from reflosses.teaching.web.markdown import Sheet

GROUP = re.compile(r"^\| \*\*(.+?)\*\* \|", re.M)
ROW = re.compile(r"^\| \[([^\]]+)\]\((\w+)\.md\) \|", re.M)
MOST = 60  # headings in a list of contents
THEME = 'try{document.documentElement.dataset.theme=localStorage.getItem("theme")||""}catch(error){}'


@dataclass(frozen=True)
class Group:
    """A part of the list of pages: its title, and an address and a title for each page."""

    title: str
    pages: tuple[tuple[str, str], ...]


def loss_groups(index: str) -> list[Group]:
    """The groups of losses, from the table on the index. ValueError if it has none."""
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for line in index.splitlines():
        if found := GROUP.match(line):
            groups.append((found[1], []))
        elif groups and (found := ROW.match(line)):
            groups[-1][1].append((f"{found[2]}.html", found[1].replace("`", "")))
    if not groups:
        raise ValueError("derivations/README.md has no table of pages with groups in bold")
    return [Group(title, tuple(pages)) for title, pages in groups]


def document(sheet: Sheet, groups: Sequence[Group]) -> str:
    """The whole HTML of a page."""
    root = sheet.root
    scripts = f'<script src="{root}assets/page.js"></script>'
    if sheet.script:
        scripts += f'\n<script src="{root}assets/figure.js"></script>\n<script>\n{sheet.script}</script>'
    contents = _contents(sheet)
    return f"""<!doctype html>
<html lang="en" data-root="{root}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(sheet.title)}{"" if sheet.title == "reflosses" else " · reflosses"}</title>
<script>{THEME}</script>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{root}assets/katex/katex.css">
<link rel="stylesheet" href="{root}assets/style.css">
</head>
<body>
<a class="skip" href="#content">To the text</a>
<header class="top">
<a class="brand" href="{root}index.html">reflosses</a>
<div class="search" role="search">
<input id="query" type="search" placeholder="Search" aria-label="Search" autocomplete="off" spellcheck="false">
<div id="results" hidden></div>
</div>
<button id="theme" type="button">Theme: auto</button>
</header>
<div class="columns{"" if contents else " broad"}">
<nav class="pages" aria-label="Pages">
<details open><summary>All pages</summary>
{_list_of_pages(sheet, groups)}
</details>
</nav>
<main id="content">
{sheet.body}
</main>
{contents}
</div>
{scripts}
</body>
</html>
"""


def _list_of_pages(sheet: Sheet, groups: Sequence[Group]) -> str:
    parts = []
    for group in groups:
        rows = "".join(
            f'<li><a href="{sheet.root}{address}"{" aria-current=page" if address == sheet.path else ""}>'
            f"{html.escape(title)}</a></li>"
            for address, title in group.pages
        )
        parts.append(f"<h2>{html.escape(group.title)}</h2>\n<ul>{rows}</ul>")
    return "\n".join(parts)


def _contents(sheet: Sheet) -> str:
    """The headings of the page as links; nothing for a page that has too few or too many."""
    top = [heading for heading in sheet.headings if heading.level == 2]
    below = [heading for heading in sheet.headings if heading.level <= 3]
    shown = below if len(top) < 6 and len(below) <= MOST else top
    if not 3 <= len(shown) <= MOST:
        return ""
    rows = "".join(
        f'<li class="level{heading.level}"><a href="#{heading.anchor}">{heading.html}</a></li>' for heading in shown
    )
    return f'<nav class="contents" aria-label="On this page"><h2>On this page</h2><ul>{rows}</ul></nav>'
