"""Every derivation page is complete, agrees with the code that cites it, and prints what it says it prints.

Each check is a function from a page's text to a list of faults, so that the last test can show that it finds some.
"""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from reflosses import catalogue
from reflosses.evaluation.loss import Loss

DERIVATIONS = Path(__file__).parent.parent / "derivations"
LOSSES = catalogue.losses()
OTHERS = ("README.md", "check.md", "dice_versus_iou.md", "engine.md", "programs.md", "vectors.md", "your_own_loss.md")
SECTIONS = [
    "What it is for",
    "Definition and domain",
    "The gradient, step by step",
    "Kinks",
    "Floating point",
    "Reading the gradient",
    "Sources",
]
CHECKED = "[A machine has checked these steps](README.md#how-the-machine-checks-a-page):\n\n```python\n"

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INLINE_MATH = re.compile(r"\$`[^`]+`\$")
NEEDS_FLINT = re.compile(r"\bflint\b|\bcertif|reflosses\.(accuracy|truth)\b")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def page_of(cls: type[Loss]) -> Path:
    return DERIVATIONS / f"{catalogue.stem(cls)}.md"


def prose(text: str) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", text)


def blocks(text: str, language: str) -> Iterator[tuple[int, str]]:
    """The fenced blocks of one language, each with the number of lines above it."""
    for fence in FENCE.finditer(text):
        if fence[1] == language:
            yield text.count("\n", 0, fence.start(2)), fence[2]


def tags(text: str) -> list[int]:
    return [int(n) for _, block in blocks(text, "math") for n in re.findall(r"\\tag\{(\d+)\}", block)]


def structure(text: str, title: str) -> list[str]:
    """The title, the sections and the numbering of a loss's page."""
    heads = re.findall(r"^(##?) (.+)$", prose(text), re.M)
    faults = []
    if heads[:1] != [("#", title)] or not text.startswith("# "):
        faults.append(f"the page must start with '# {title}'")
    if [name for _, name in heads[1:]] != SECTIONS:
        faults.append(f"the sections are {[name for _, name in heads[1:]]}")
    steps = text.partition(f"## {SECTIONS[2]}\n")[2].partition(f"## {SECTIONS[3]}\n")[0]
    if CHECKED not in steps:
        faults.append(f"no block headed {CHECKED.splitlines()[0]!r} follows the derivation")
    numbers = tags(text)
    if numbers[:1] != [1] or len(set(numbers)) < len(numbers):
        faults.append(f"tags must be unique and start at 1: {numbers}")
    return faults


def notation(text: str) -> list[str]:
    """Mathematics that GitHub would not set: bare dollars, bars in tables, fences left open."""
    rest = prose(text)
    inside = "".join(fence[2] for fence in FENCE.finditer(text))
    faults = [f"a fence is left open: {line}" for line in re.findall(r"^```.*$", rest + inside, re.M)]
    outside = re.sub(r"`[^`]*`", "", INLINE_MATH.sub("", rest))
    faults += [f"bare $ in: {line}" for line in outside.splitlines() if "$" in line]
    for line in re.findall(r"^\|.*$", rest, re.M):
        faults += [f"a bar inside a table's cell: {cell}" for cell in INLINE_MATH.findall(line) if "|" in cell]
    return faults


def citations(text: str, source: str) -> list[str]:
    """Equation numbers in the code's comments that the page does not have."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = " ".join(t.string for t in tokens if t.type == tokenize.COMMENT)
    cited = {int(n) for n in re.findall(r"\((\d+)\)", comments)}
    if not cited:
        return ["the code cites no equation"]
    return [f"the code cites ({n}), the page has {tags(text)}" for n in sorted(cited - set(tags(text)))]


def anchors(text: str) -> set[str]:
    """The fragments that GitHub gives to headings."""
    heads = re.findall(r"^#+ (.+)$", prose(text), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(text: str, folder: Path) -> list[str]:
    """Relative links that lead nowhere."""
    faults = []
    for target, fragment in re.findall(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)", prose(text)):
        if re.match(r"[a-z]+:", target):
            continue
        file = folder / target
        if not file.exists():
            faults.append(f"{target} does not exist")
        elif fragment and fragment not in anchors(text if not target else file.read_text("utf-8")):
            faults.append(f"{target} has no heading #{fragment}")
    return faults


def outputs(text: str, name: str) -> list[str]:
    """What the page's Python blocks print, where it is not what the page says; one namespace a page."""
    parser, examples, faults = doctest.DocTestParser(), [], []
    for lines_above, block in blocks(text, "python"):
        found = parser.get_examples(block, name)
        if not found:
            faults.append(f"line {lines_above + 1}: a python block without >>> is never run")
        for example in found:
            example.lineno += lines_above
        examples += found
    test = doctest.DocTest(examples, {"__name__": "__main__"}, name, name, 0, text)
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    runner.run(test, out=faults.append)
    return faults


each_loss = pytest.mark.parametrize("cls", [pytest.param(c, id=catalogue.stem(c)) for c in LOSSES.values()])
each_page = pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem) for p in [*map(page_of, LOSSES.values()), *(DERIVATIONS / o for o in OTHERS)]]
)


@each_loss
def test_a_page_has_its_title_its_sections_and_numbered_equations(cls: type[Loss]) -> None:
    assert structure(page_of(cls).read_text("utf-8"), cls.__name__) == []


@each_loss
def test_the_code_cites_equations_of_its_page(cls: type[Loss]) -> None:
    source = Path(inspect.getfile(cls)).read_text("utf-8")
    assert citations(page_of(cls).read_text("utf-8"), source) == []


@each_page
def test_mathematics_is_written_as_github_sets_it(path: Path) -> None:
    assert notation(path.read_text("utf-8")) == []


@each_page
def test_links_lead_somewhere(path: Path) -> None:
    assert links(path.read_text("utf-8"), DERIVATIONS) == []


@each_page
def test_a_page_prints_what_it_says(path: Path) -> None:
    text = path.read_text("utf-8")
    code = "".join(block for _, block in blocks(text, "python"))
    if NEEDS_FLINT.search(code) and importlib.util.find_spec("flint") is None:
        pytest.skip("the page certifies numbers: it needs python-flint, the extra [truth]")
    assert code, "the page runs nothing"
    faults = outputs(text, f"derivations/{path.name}")
    assert not faults, "\n".join(faults)


def test_the_index_links_every_page() -> None:
    index = (DERIVATIONS / "README.md").read_text("utf-8")
    pages = {path.name for path in DERIVATIONS.glob("*.md")} - {"README.md"}
    others = {
        "accuracy.md",
        "atlas.md",
        "check.md",
        "coverage.md",
        "dice_versus_iou.md",
        "engine.md",
        "programs.md",
        "vectors.md",
        "your_own_loss.md",
    }
    assert pages - {"speed.md"} == {page_of(cls).name for cls in LOSSES.values()} | others
    assert {name for name in pages if f"]({name})" not in index} == set()


GOOD = (
    "# Toy\n\nA toy.\n\n"
    + "\n\n".join(
        f"## {head}\n\n" + (f"```math\nx \\tag{{1}}\n```\n\n{CHECKED}>>> 1 + 1\n2\n```" if head == SECTIONS[2] else "…")
        for head in SECTIONS
    )
    + "\n"
)


def test_the_toy_page_has_no_fault() -> None:
    assert structure(GOOD, "Toy") == notation(GOOD) == links(GOOD, DERIVATIONS) == outputs(GOOD, "toy") == []
    assert citations(GOOD, "x = 1  # (1)\n") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Toy", "# Game"),
        ("# Toy", "\n# Toy"),
        ("## Kinks\n\n…\n\n", ""),
        ("## Kinks", "## Corners"),
        ("## Sources", "## More\n\n## Sources"),
        ("A machine has", "Nobody has"),
        (r"\tag{1}", r"\tag{2}"),
        (r"x \tag{1}", "x \\tag{1}\n```\n\n```math\ny \\tag{1}"),
    ],
)
def test_a_fault_of_structure_is_found(old: str, new: str) -> None:
    assert old in GOOD
    assert structure(GOOD.replace(old, new, 1), "Toy") != []


def test_a_fault_of_notation_is_found() -> None:
    for bad in ("costs $x$ more", "$$x$$", "| $`|x|`$ | 1 |", "```python\n>>> 1\n1\n"):
        assert notation(GOOD.replace("…", bad, 1)) != [], bad
    for fine in ("costs $`|x|`$ more", "`$HOME`", "| $`x`$ | 1 |"):
        assert notation(GOOD.replace("…", fine, 1)) == [], fine


def test_a_wrong_citation_is_found() -> None:
    assert citations(GOOD, "x = 1  # (2)\n") != []
    assert citations(GOOD, "x = 1  # no number\n") != []
    assert citations(GOOD, "x = f(2)  # (1): only comments cite\n") == []


def test_a_dead_link_is_found() -> None:
    assert links(GOOD.replace("…", "[there](nowhere.md)", 1), DERIVATIONS) != []
    assert links(GOOD.replace("…", "[there](#nowhere)", 1), DERIVATIONS) != []
    assert links(GOOD.replace("…", "[there](#the-gradient-step-by-step), [out](https://a.b)", 1), DERIVATIONS) == []


def test_a_wrong_output_is_found_where_it_stands() -> None:
    (fault,) = outputs(GOOD.replace(">>> 1 + 1\n2", ">>> 1 + 1\n3"), "toy")
    line = GOOD[: GOOD.index(">>> 1 + 1")].count("\n") + 1
    assert f"line {line}" in fault
    assert outputs(GOOD.replace(">>> 1 + 1\n2", "1 + 1"), "toy") != []
