"""The whole site: pages, sources, reference, search and what they need, written into one folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from reflosses.teaching.web.atlas import split_atlas
from reflosses.teaching.web.code import cited_lines
from reflosses.teaching.web.markdown import EXTERNAL, Converter, Sheet, equation_numbers
from reflosses.teaching.web.mathematics import ASSETS, Formulas, with_formulas
from reflosses.teaching.web.movable import MOVABLE, digits_html, movable_figure, movable_html, page_script
from reflosses.teaching.web.reference import reference_sheet
from reflosses.teaching.web.search import search_script
from reflosses.teaching.web.shell import Group, document, loss_groups
from reflosses.teaching.web.sources import source_path, source_sheet, sources_index

PACKAGE = Path(__file__).resolve().parents[2]
DERIVATIONS = PACKAGE.parent / "derivations"
AT_FIGURE = "the-gradient-step-by-step"
AT_DIGITS = "floating-point"
ABOUT = "about.html"  # the README of the project
MEASURED = ("accuracy", "atlas", "coverage", "speed")
ANCHOR = re.compile(r'<[a-z][^<>]* id="([^"]+)"')
LOADED = re.compile(r'<(?!a )[a-z][^<>]* (?:href|src)="((?:https?:)?//[^"]*)"')  # what a browser fetches by itself
TARGET = re.compile(r'<[a-z][^<>]* (?:href|src)="([^"]*)"')
SUBSETS = ("latin", "latin-ext", "greek")
FONTS = (
    ("source-serif-4", "index.css"),
    ("source-serif-4", "wght-italic.css"),
    ("source-sans-3", "index.css"),
    ("source-code-pro", "index.css"),
    ("source-code-pro", "wght-italic.css"),
)


def build_site(out: Path, modules: Path) -> list[Sheet]:
    """Write the site into a folder, which is made anew. modules: the folder node_modules with KaTeX and the fonts.

    ValueError names a formula that cannot be set, or a link that leads nowhere. FileNotFoundError if node or a module
    is missing, or the folder holds something else than a site.
    """
    if out.exists() and any(out.iterdir()) and not (out / "assets" / "search.js").exists():
        raise FileNotFoundError(f"{out} is not empty and holds no site; give another folder")
    formulas = Formulas()
    texts = {path.stem: path.read_text("utf-8") for path in sorted(DERIVATIONS.glob("*.md"))}
    sheets = site_sheets(texts, formulas)
    html = formulas.set(modules)
    for sheet in sheets:
        sheet.body = with_formulas(sheet.body, html)
        for number, heading in enumerate(sheet.headings):
            sheet.headings[number] = type(heading)(heading.level, heading.anchor, with_formulas(heading.html, html))
    groups = list_of_pages(texts, sheets)
    images = images_of(sheets)  # before the pages are written: it adds to them
    files = {sheet.path: document(sheet, groups) for sheet in sheets}
    check_links(files, {*images, *asset_names()})
    if out.exists():
        shutil.rmtree(out)
    for path, text in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text, "utf-8")
    for image in images:
        (out / image).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DERIVATIONS / image, out / image)
    write_assets(out / "assets", modules, sheets)
    return sheets


# ---- pages -----------------------------------------------------------------------------------------------------------


def site_sheets(texts: dict[str, str], formulas: Formulas) -> list[Sheet]:
    """Every page of the site, before its formulas are set."""
    sources = {
        str(path.relative_to(PACKAGE).as_posix()): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))
    }
    numbers = {stem: equation_numbers(text) for stem, text in texts.items()}
    pages = {stem: text for stem, text in texts.items() if stem != "atlas"} | split_atlas(
        texts.get("atlas", "# Atlas\n")
    )
    sheets = [page_sheet(stem, text, formulas, sources) for stem, text in pages.items()]
    readme = (DERIVATIONS.parent / "README.md").read_text("utf-8")
    sheets.append(Converter("README.md", formulas, address_from_root, {}).convert(readme, ABOUT))
    sheets.append(reference_sheet())
    sheets.append(sources_index(sources))
    sheets += [source_sheet(module, source, numbers) for module, source in sources.items()]
    return sheets


def page_sheet(stem: str, text: str, formulas: Formulas, sources: dict[str, str]) -> Sheet:
    """A derivation page, with its figures if it is that of a loss."""
    citing: dict[int, list[tuple[str, str]]] = {}
    if (module := f"losses/{stem}.py") in sources:
        for number, lines in cited_lines(sources[module]).items():
            citing[number] = [(f"{source_path(module)}#L{line}", f"code, line {line}") for line in lines]
    sheet = Converter(f"derivations/{stem}.md", formulas, site_address, citing).convert(text, page_path(stem))
    if stem in MOVABLE:
        figure = movable_figure(stem, text)
        insert(sheet, AT_FIGURE, movable_html(figure), before=True)
        if figure.movable.wide is not None:
            insert(sheet, AT_DIGITS, digits_html(figure), before=False)
        sheet.script = page_script(figure)
    return sheet


def insert(sheet: Sheet, anchor: str, block: str, before: bool) -> None:
    """Put a block before or after a heading of the second level. ValueError if the page has no such heading."""
    heading = re.search(rf'<h2 id="{anchor}">.*?</h2>', sheet.body)
    if heading is None:
        raise ValueError(f"{sheet.path} has no heading #{anchor}, at which its figure stands")
    place = heading.start() if before else heading.end()
    sheet.body = f"{sheet.body[:place]}\n{block}\n{sheet.body[place:]}"


def page_path(stem: str) -> str:
    """The path of a derivation page in the site."""
    return "index.html" if stem == "README" else f"{stem}.html"


def site_address(target: str) -> str:
    """Where the site has the target of a link of a derivation page."""
    if EXTERNAL.match(target) or target.startswith("#"):
        return target
    address, mark, anchor = target.partition("#")
    if address == "../README.md":
        return ABOUT + mark + anchor
    if address.startswith("../reflosses"):
        module = address.removeprefix("../reflosses").strip("/")
        return source_path(module) + mark + anchor if module.endswith(".py") else f"source/index.html#{folder(module)}"
    if address.endswith(".md") and "/" not in address:
        return page_path(address.removesuffix(".md")) + mark + anchor
    return target


def address_from_root(target: str) -> str:
    """Where the site has the target of a link of the README."""
    if EXTERNAL.match(target) or target.startswith("#"):
        return target
    return site_address(target.removeprefix("derivations/") if target.startswith("derivations/") else f"../{target}")


def folder(module: str) -> str:
    """The anchor of a folder in the list of sources."""
    return f"reflosses/{module}".rstrip("/").replace("/", "-")


def list_of_pages(texts: dict[str, str], sheets: list[Sheet]) -> list[Group]:
    """The groups of the list of pages. A page that no group names is in the group of its own kind."""
    losses = loss_groups(texts["README"])
    named = {address for group in losses for address, _ in group.pages}
    titles = {sheet.path: sheet.title for sheet in sheets}
    others = [page_path(stem) for stem in texts if stem != "README" and page_path(stem) not in named]
    measured = [page_path(stem) for stem in MEASURED if page_path(stem) in others]
    more = [path for path in others if path not in measured]
    groups = [
        Group("Start", (("index.html", "How to read the pages"), (ABOUT, "The library"))),
        *losses,
        Group("More", tuple((path, short_title(titles[path])) for path in more)),
        Group("Measured", tuple((path, short_title(titles[path])) for path in measured)),
        Group("Reference", (("api.html", "API"), ("source/index.html", "Source"))),
    ]
    return [group for group in groups if group.pages]


def short_title(title: str) -> str:
    """A title for the list of pages, without what stands behind its colon."""
    return title.partition(":")[0]


# ---- links -----------------------------------------------------------------------------------------------------------


def images_of(sheets: Iterable[Sheet]) -> set[str]:
    """The files of `derivations` that pages show or link to; images get their attributes."""
    found = set()
    for sheet in sheets:
        for target in re.findall(r'(?:src|href)="([^":#]+\.(?:svg|png|json))"', sheet.body):
            if (DERIVATIONS / target).is_file():
                found.add(target)
                if target.endswith(".svg"):
                    more = image_attributes((DERIVATIONS / target).read_text("utf-8"))
                    sheet.body = sheet.body.replace(f'<img src="{target}"', f'<img{more} src="{target}"')
    return found


def image_attributes(svg: str) -> str:
    """The size, so that nothing moves when a figure is loaded; a frame, if it has a background of its own.

    >>> image_attributes('<svg width="72pt" height="36.5pt"><style>@media (prefers-color-scheme: dark){}</style>')
    ' width="96" height="49"'
    >>> image_attributes('<svg viewBox="0 0 9 9" width="680" height="276">')
    ' class="paper" width="680" height="276"'
    """
    frame = "" if "prefers-color-scheme" in svg else ' class="paper"'
    head = svg[svg.index("<svg") :].partition(">")[0]
    for side in ("width", "height"):
        size = re.search(rf'\s{side}="([\d.]+)(pt)?"', head)
        if size is None:
            raise ValueError(f"an image has no {side}: {head}")
        frame += f' {side}="{float(size[1]) * (96 / 72 if size[2] else 1):.0f}"'
    return frame


def check_links(files: dict[str, str], others: set[str]) -> None:
    """ValueError if a link of a page leads nowhere: to no file, or to no anchor; or if a page loads from outside."""
    anchors = {path: set(ANCHOR.findall(text)) for path, text in files.items()}
    faults = []
    for path, text in files.items():
        faults += [f"{path}: {target} is a request to the outside" for target in LOADED.findall(text)]
        for target in set(TARGET.findall(text)):
            if EXTERNAL.match(target):
                continue
            address, _, anchor = target.partition("#")
            there = _joined(path, address) if address else path
            if there not in files and there not in others:
                faults.append(f"{path}: {target} is no page")
            elif anchor and anchor not in anchors.get(there, ()):
                faults.append(f"{path}: {there} has no anchor {anchor}")
    if faults:
        raise ValueError("links that lead nowhere:\n" + "\n".join(sorted(faults)))


def _joined(path: str, address: str) -> str:
    """The path of an address that stands on a page."""
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / address).parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


# ---- assets ----------------------------------------------------------------------------------------------------------


def asset_names() -> set[str]:
    """The style sheets and scripts that every page may name."""
    return {f"assets/{name}" for name in ("page.js", "figure.js", "style.css", "search.js", "katex/katex.css")}


def write_assets(folder: Path, modules: Path, sheets: list[Sheet]) -> None:
    """Style sheets, scripts, fonts and the index of the search."""
    katex = modules / "katex" / "dist"
    (folder / "katex" / "fonts").mkdir(parents=True)
    style = (katex / "katex.min.css").read_text("utf-8")
    style = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("[a-z]+"\)', "", style)
    (folder / "katex" / "katex.css").write_text(style, "utf-8")
    for font in (katex / "fonts").glob("*.woff2"):
        shutil.copy(font, folder / "katex" / "fonts" / font.name)
    (folder / "style.css").write_text(fonts(folder, modules) + (ASSETS / "style.css").read_text("utf-8"), "utf-8")
    for name in ("page.js", "figure.js"):
        shutil.copy(ASSETS / name, folder / name)
    (folder / "search.js").write_text(search_script(sheets), "utf-8")


def fonts(folder: Path, modules: Path) -> str:
    """The rules of the text fonts; their files are copied."""
    (folder / "fonts").mkdir()
    rules = []
    for family, file in FONTS:
        package = modules / "@fontsource-variable" / family
        if not package.is_dir():
            raise FileNotFoundError(f"{modules} has no @fontsource-variable/{family}: `make site` installs it")
        for rule in re.findall(r"@font-face \{.*?\}", (package / file).read_text("utf-8"), re.S):
            (name,) = re.findall(r"url\(\./files/([^)]+\.woff2)\)", rule)
            if re.sub(rf"^{family}-|-wght-.*$", "", name) in SUBSETS:
                shutil.copy(package / "files" / name, folder / "fonts" / name)
                rules.append(rule.replace("./files/", "fonts/"))
    return "\n".join(rules) + "\n"
