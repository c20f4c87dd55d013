"""The reference of the API, from the names that `reflosses` exports and their docstrings."""

from __future__ import annotations

import html
import inspect
import re
from typing import Any

import reflosses
from reflosses import catalogue
from reflosses.evaluation.loss import Loss
from reflosses.teaching.web.code import highlighted
from reflosses.teaching.web.markdown import Heading, Section, Sheet
from reflosses.teaching.web.sources import PAGE, page_link, source_path

LABELS = (
    "Formula",
    "Shapes",
    "Domain",
    "Kinks",
    "Limits",
    "Accuracy",
    "Source",
    "Units",
    "Scale",
    "Raises",
    "Reduction",
)


def reference_sheet() -> Sheet:
    """The page of the API: losses, what a loss does, functions, the module overlap."""
    sheet = Sheet("api.html", "API", "")
    losses = catalogue.losses()
    others = [name for name in sorted(reflosses.__all__, key=str.lower) if name not in {*losses, "Loss", "overlap"}]
    parts = [
        "<h1>API</h1>",
        '<p class="lead">Every name of <code>reflosses</code>, with what its docstring says.</p>',
    ]
    parts.append(_section(sheet, 2, "functions", "Functions"))
    parts += [_entry(sheet, name, getattr(reflosses, name)) for name in others]
    parts.append(_section(sheet, 2, "loss", "What every loss does"))
    parts.append(_documented(Loss))
    for name, method in inspect.getmembers(Loss, inspect.isfunction):
        if not name.startswith("_") and name in ("value", "grad", "value_and_grad", "curvature", "subgradient"):
            parts.append(_entry(sheet, f"Loss.{name}", method))
    parts.append(_section(sheet, 2, "losses", "Losses"))
    parts += [_entry(sheet, name, cls) for name, cls in losses.items()]
    parts.append(_section(sheet, 2, "overlap", "reflosses.overlap"))
    parts.append(_documented(reflosses.overlap))
    for name, function in inspect.getmembers(reflosses.overlap, inspect.isfunction):
        if function.__module__ == "reflosses.overlap" and not name.startswith("_"):
            parts.append(_entry(sheet, f"overlap.{name}", function))
    sheet.body = "\n".join(parts)
    return sheet


def _section(sheet: Sheet, level: int, anchor: str, title: str) -> str:
    sheet.headings.append(Heading(level, anchor, html.escape(title)))
    return f'<h{level} id="{anchor}">{html.escape(title)}</h{level}>'


def _entry(sheet: Sheet, name: str, thing: Any) -> str:
    """A name with its signature, its docstring, and links to the source and the derivation."""
    sheet.sections.append(Section(name, name, " ".join((inspect.getdoc(thing) or "").split())))
    sheet.headings.append(Heading(3, name, html.escape(name)))
    links = []
    module = inspect.getmodule(thing)
    if module is not None and module.__name__.startswith("reflosses."):
        file = module.__name__.removeprefix("reflosses.").replace(".", "/") + ".py"
        links.append(f'<a href="{source_path(file)}">source</a>')
    if isinstance(thing, type) and issubclass(thing, Loss):
        links.append(f'<a href="{catalogue.stem(thing)}.html">derivation</a>')
    head = f'<h3 id="{name}"><code>{html.escape(name)}</code></h3>'
    signature = (
        f'<pre class="code signature"><code>{highlighted(_signature(name, thing), "python").strip()}</code></pre>'
    )
    below = f'<p class="links">{" · ".join(links)}</p>' if links else ""
    return f'<section class="entry">{head}\n{signature}\n{_documented(thing)}\n{below}</section>'


def _signature(name: str, thing: Any) -> str:
    """The call of a function or a class: names and defaults, one argument a line if they are many; no types."""
    parameters = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in inspect.signature(thing).parameters.values()
        if p.name != "self"
    ]
    plain = inspect.Signature(parameters)
    text = f"{name.rpartition('.')[2]}{plain}"
    if len(text) <= 80:
        return text
    texts = str(plain)[1:-1].split(", ")
    lines, line = [], "   "
    for part in texts:
        if len(line) + len(part) > 76:
            lines.append(line)
            line = "   "
        line += f" {part},"
    return f"{name.rpartition('.')[2]}(\n" + "\n".join([*lines, line.rstrip(",")]) + "\n)"


def _documented(thing: Any) -> str:
    """A docstring as HTML. Examples become code, labelled paragraphs a list, the rest text."""
    parts: list[str] = []
    labelled: list[str] = []

    def close() -> None:
        if labelled:
            parts.append(f'<dl class="labelled">{"".join(labelled)}</dl>')
            labelled.clear()

    text = inspect.getdoc(thing) or ""
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.lstrip().startswith(">>>"):
            close()
            parts.append(_code(highlighted(inspect.cleandoc(paragraph) + "\n", "python")))
        elif paragraph.startswith("    "):
            close()
            parts.append(
                f'<pre class="code"><code>{html.escape(inspect.cleandoc(paragraph), quote=False)}</code></pre>'
            )
        elif paragraph.startswith(LABELS):
            labelled += [_label(entry) for entry in _entries(paragraph)]
        else:
            close()
            parts.append(f"<p>{_inline(paragraph)}</p>")
    close()
    return "\n".join(parts)


def _code(spans: str) -> str:
    return f'<pre class="code"><code>{spans}</code></pre>'


def _entries(paragraph: str) -> list[str]:
    """The labelled parts of a paragraph: each begins a line with one of the labels."""
    entries: list[str] = []
    for line in paragraph.splitlines():
        if line.startswith(LABELS) or not entries:
            entries.append(line)
        else:
            entries[-1] += " " + line.strip()
    return entries


def _label(entry: str) -> str:
    label = next(word for word in LABELS if entry.startswith(word))
    rest = entry[len(label) :].lstrip(",: ")
    return f"<dt>{label}</dt><dd>{_inline(rest)}</dd>"


def _inline(text: str) -> str:
    """A paragraph with its code marked, and with links to the pages that it names."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(" ".join(text.split()), quote=False))
    return PAGE.sub(page_link, marked)
