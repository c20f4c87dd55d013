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
from reflosses.teaching.navigation import RELATED, navigation, page_titles, with_navigation, without_navigation
from reflosses.teaching.page import BLOCK

DERIVATIONS = Path(__file__).parent.parent / "derivations"
LOSSES = catalogue.losses()
OTHERS = ("README.md", "check.md", "dice_versus_iou.md", "engine.md", "programs.md", "vectors.md", "your_own_loss.md")
SECTIONS = [
    "What it is for",
    "Definition and domain",
    "The gradient, step by step",
    "Kinks",
    "Reading the gradient",
    "Floating point",
    "Sources",
    "Exercises",
]
KINDS = ("Derive", "Predict", "Find the mistake")
WITH_EXERCISES = [*(catalogue.stem(cls) for cls in LOSSES.values()), "dice_versus_iou", "your_own_loss"]
CHECKED = "[A machine has checked these steps](README.md#how-the-machine-checks-a-page):\n\n```python\n"

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INLINE_MATH = re.compile(r"\$`[^`]+`\$")
EXERCISE = re.compile(r"^(\d+)\. ", re.M)
ANSWER = re.compile(r"^<details><summary>Answer</summary>\n\n(.+?)\n\n</details>$", re.M | re.S)
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
    if not steps.startswith("\n**The smallest example.** "):
        faults.append("the derivation does not begin with the smallest example")
    numbers = tags(text)
    if numbers[:1] != [1] or len(set(numbers)) < len(numbers):
        faults.append(f"tags must be unique and start at 1: {numbers}")
    return faults


def answers(text: str) -> list[str]:
    """What a reader asks first: loss, gradient and curvature above the first section, and the lines to write."""
    top, _, rest = BLOCK.sub("", text).partition("\n## ")
    faults = [] if list(blocks(top, "math")) else ["no display stands above the first section"]
    missing = [word for word in ("loss", "gradient", "curvature") if word not in top]
    faults += [f"above the first section no word is said of: {', '.join(missing)}"] if missing else []
    derived = [int(n) for n in re.findall(r"\((\d+)\)", top.partition("This page derives")[2])]
    if not derived or not set(derived) <= set(tags(text)):
        faults.append(f"above the first section the page says that it derives {derived}")
    floats = rest.partition(f"## {SECTIONS[5]}\n")[2].partition("\n## ")[0]
    if "**What to write instead" not in " ".join(floats.split()):
        faults.append("nothing says what to write instead")
    return faults


def exercises(text: str) -> list[str]:
    """Three to five exercises of the three kinds, each with a folded answer that runs something and prints it."""
    section = text.partition("\n## Exercises\n")[2]
    _, *parts = EXERCISE.split(section)
    numbers, tasks = parts[::2], parts[1::2]
    faults = [] if 3 <= len(tasks) <= 5 else [f"there are {len(tasks)} exercises"]
    if numbers != [str(i + 1) for i in range(len(tasks))]:
        faults.append(f"the exercises are numbered {numbers}")
    kinds = [task.partition(".** ")[0].removeprefix("**") for task in tasks]
    if set(kinds) != set(KINDS):
        faults.append(f"the kinds are {kinds}: each begins with one of {KINDS} in bold, and all three occur")
    for number, kind, task in zip(numbers, kinds, tasks, strict=True):
        folded = ANSWER.findall(task)
        if len(folded) != 1 or task.count("<details>") != 1:
            faults.append(f"exercise {number} has {len(folded)} folded answers")
            continue
        code = "".join(block for _, block in blocks(folded[0], "python"))
        if not any(example.want for example in doctest.DocTestParser().get_examples(code)):
            faults.append(f"the answer of exercise {number} prints nothing")
        if kind == KINDS[2] and not re.search(r"\b(diagnose|check)\(", code):
            faults.append(f"the answer of exercise {number} does not ask reflosses.diagnose")
        if not prose(folded[0]).strip():
            faults.append(f"the answer of exercise {number} says nothing")
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
def test_a_page_answers_what_a_reader_asks_first(cls: type[Loss]) -> None:
    assert answers(page_of(cls).read_text("utf-8")) == []


@pytest.mark.parametrize("stem", WITH_EXERCISES)
def test_a_page_ends_with_exercises_that_have_answers(stem: str) -> None:
    text = (DERIVATIONS / f"{stem}.md").read_text("utf-8")
    assert exercises(text) == []


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


@each_page
def test_a_page_that_speaks_of_the_lecture_notes_says_what_they_are(path: Path) -> None:
    text = prose(path.read_text("utf-8"))
    linked = "lecture notes](README.md#the-lecture-notes)" in text or "## The lecture notes" in text
    assert linked == bool(re.search(r"[Tt]he \[?lecture\snotes", text))


def test_every_page_stands_on_the_index_and_leads_to_its_neighbours() -> None:
    stems = {path.stem for path in DERIVATIONS.glob("*.md")} - {"README"}
    assert set(page_titles()) == set(RELATED) == stems
    wrong = [s for s in stems if not (DERIVATIONS / f"{s}.md").read_text("utf-8").endswith(f"\n\n{navigation(s)}\n")]
    assert wrong == [], "make navigation writes their last lines"


def test_related_pages_are_two_or_three_and_no_neighbours() -> None:
    order = list(page_titles())
    for place, stem in enumerate(order):
        near = set(order[max(place - 1, 0) : place + 2])
        assert 2 <= len(RELATED[stem]) == len(set(RELATED[stem])) <= 3, stem
        assert not near & set(RELATED[stem]), stem
        assert set(RELATED[stem]) <= set(order), stem


def test_a_page_gets_its_last_line_once() -> None:
    once = with_navigation("# Toy\n", "huber")
    assert once == (
        "# Toy\n\n← [MeanAbsoluteError](mean_absolute_error.md) · [All pages](README.md#the-pages) "
        "· [Cauchy](cauchy.md) → "
        "· related: [MeanSquaredError](mean_squared_error.md), [Write a loss of your own](your_own_loss.md)\n"
    )
    assert with_navigation(once, "cauchy").count("All pages") == 1
    assert without_navigation(once) == "# Toy\n"
    assert with_navigation("# Toy\n", "mean_squared_error").startswith("# Toy\n\n[All pages]")  # the first page
    assert "→" not in with_navigation("# Toy\n", "coverage")  # the last
    with pytest.raises(ValueError, match="toy"):
        navigation("toy")


ANSWERED = """{number}. **{kind}.** What is 1 + 1?

<details><summary>Answer</summary>

It is 2.

```python
>>> 1 + 1  # check()
2

```

</details>
"""
BODIES = {
    "The gradient, step by step": (
        f"**The smallest example.** One.\n\n```math\nx \\tag{{1}}\n```\n\n{CHECKED}>>> 1 + 1\n2\n```"
    ),
    "Floating point": "**What to write instead** is x.",
    "Exercises": "\n".join(ANSWERED.format(number=i, kind=kind) for i, kind in enumerate(KINDS, 1)),
}
TOP = "The loss, its gradient and its curvature are\n\n```math\nx\n```\n\nThis page derives them: (1)."
GOOD = (
    f"# Toy\n\nA toy.\n\n{TOP}\n\n" + "\n\n".join(f"## {head}\n\n{BODIES.get(head, '…')}" for head in SECTIONS) + "\n"
)


def test_the_toy_page_has_no_fault() -> None:
    assert structure(GOOD, "Toy") == notation(GOOD) == links(GOOD, DERIVATIONS) == outputs(GOOD, "toy") == []
    assert citations(GOOD, "x = 1  # (1)\n") == exercises(GOOD) == answers(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Toy", "# Game"),
        ("# Toy", "\n# Toy"),
        ("## Kinks\n\n…\n\n", ""),
        ("## Kinks", "## Corners"),
        ("## Sources", "## More\n\n## Sources"),
        ("## Floating point", "## Reading the gradient"),
        ("**The smallest example.** One.", "One."),
        ("A machine has", "Nobody has"),
        (r"\tag{1}", r"\tag{2}"),
        (r"x \tag{1}", "x \\tag{1}\n```\n\n```math\ny \\tag{1}"),
    ],
)
def test_a_fault_of_structure_is_found(old: str, new: str) -> None:
    assert old in GOOD
    assert structure(GOOD.replace(old, new, 1), "Toy") != []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("```math\nx\n```\n\nThis page", "This page"),
        ("its curvature", "more"),
        ("derives them: (1)", "derives them: (2)"),
        ("This page derives them: (1).", ""),
        ("**What to write instead** is x.", "It fails."),
    ],
)
def test_a_missing_answer_is_found(old: str, new: str) -> None:
    assert old in GOOD
    assert answers(GOOD.replace(old, new, 1)) != []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ANSWERED.format(number=2, kind=KINDS[1]), ""),
        ("2. **Predict", "7. **Predict"),
        ("**Predict.**", "**Derive.**"),
        ("**Predict.**", "**Guess.**"),
        ("<summary>Answer</summary>\n\n", "<summary>Answer</summary>\n"),
        ("It is 2.\n\n", ""),
        ("2\n\n```\n\n</details>\n\n2.", "```\n\n</details>\n\n2."),
        ("check()", "nothing is asked"),
        ("## Exercises", "## Questions"),
    ],
)
def test_a_fault_of_the_exercises_is_found(old: str, new: str) -> None:
    assert old in GOOD
    assert exercises(GOOD.replace(old, new)) != []


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
