"""The pages as HTML, without KaTeX and without a browser: anchors, links, folded checks, what the build refuses."""

import doctest
import importlib
import re

import pytest

pytest.importorskip("markdown_it", reason="the site needs markdown-it-py and pygments")

from reflosses.teaching.web.build import address_from_root, check_links, images_of, site_address
from reflosses.teaching.web.markdown import Converter, Sheet, slug
from reflosses.teaching.web.mathematics import Formulas, with_formulas
from reflosses.teaching.web.shell import loss_groups
from reflosses.teaching.web.sources import source_sheet

PAGE = r"""# Page of `c`

<!-- how the formulas are read
real = ['x']
-->

Let $`c`$ be, as (1) says, not (7). See [there](huber.md#kinks), or [(1)](dice.md).

```math
a < b \tag{1}
```

## Kinks

[A machine has checked these steps](README.md#how-the-machine-checks-a-page):

```python
>>> 1 + 1  # (1), (9)
2
```

<details><summary>Answer</summary>

It is $`x`$, by (1).

```math
x^2
```

</details>

| | b |
|---|---|
| $`y`$ | 2 |

## Kinks

```
$`plain`$
```
"""


def sheet() -> tuple[Sheet, Formulas]:
    formulas = Formulas()
    citing = {1: [("source/losses/page.html#L3", "code, line 3")]}
    return Converter("derivations/page.md", formulas, site_address, citing).convert(PAGE, "page.html"), formulas


def test_a_page_has_its_formulas_its_title_and_its_anchors() -> None:
    found, formulas = sheet()
    assert found.title == "Page of c"
    assert [(heading.level, heading.anchor) for heading in found.headings] == [(2, "kinks"), (2, "kinks-1")]
    assert len(formulas) == 5
    html = with_formulas(found.body, [f"<i>{number}</i>" for number in range(5)])
    assert [int(n) for n in re.findall(r"<i>(\d)</i>", html)] == [0, 1, 2, 3, 4]
    assert "how the formulas are read" not in html
    assert "$`plain`$" in html


def test_numbers_of_equations_are_links_in_text_and_in_comments() -> None:
    body = sheet()[0].body
    assert body.count('<a class="reference" href="#eq-1">(1)</a>') == 2  # the one inside a link stays
    assert "not (7)" in body
    assert '# <a href="#eq-1">(1)</a>, (9)' in body
    assert re.search(r'<div class="equation" id="eq-1">.*href="#eq-1".*source/losses/page.html#L3', body)
    assert '<a href="huber.html#kinks">there</a>' in body


def test_checks_are_folded_and_exercises_have_markdown_inside() -> None:
    body = sheet()[0].body
    folded = re.search(
        r'<details class="checked"><summary>A machine has checked these steps</summary>(.*?)</details>', body, re.S
    )
    assert folded is not None
    assert "1</span>" in folded[1]
    assert "[A machine" not in body
    answer = body.partition("<summary>Answer</summary>")[2].partition("</details>")[0]
    assert '<a class="reference"' in answer
    assert answer.count("\ue000f") == 2


def test_a_corner_of_a_table_is_no_heading() -> None:
    assert "<th></th>" not in sheet()[0].body
    assert '<div class="table"><table>' in sheet()[0].body


def test_a_sign_stays_with_its_formula() -> None:
    assert with_formulas("so \ue000f0\ue001, and (\ue000f1\ue001)", ["<i>x</i>", "<i>y</i>"]) == (
        'so <span class="glued"><i>x</i>,</span> and <span class="glued">(<i>y</i>)</span>'
    )


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("huber.md", "huber.html"),
        ("README.md#the-pages", "index.html#the-pages"),
        ("../README.md#errata", "about.html#errata"),
        ("../reflosses/losses/huber.py", "source/losses/huber.html"),
        ("../reflosses/losses", "source/index.html#reflosses-losses"),
        ("https://arblib.org", "https://arblib.org"),
        ("#kinks", "#kinks"),
        ("figures/huber.svg", "figures/huber.svg"),
    ],
)
def test_a_link_leads_to_the_site(target: str, address: str) -> None:
    assert site_address(target) == address
    if target == "huber.md":
        assert address_from_root("derivations/huber.md") == address


def test_a_link_that_leads_nowhere_is_an_error() -> None:
    files = {"a.html": '<a href="b/c.html#x">1</a><img src="f.svg">', "b/c.html": '<p id="x"><a href="../a.html">2</a>'}
    check_links(files, {"f.svg"})
    with pytest.raises(ValueError, match=r"a\.html: f\.svg is no page"):
        check_links(files, set())
    with pytest.raises(ValueError, match=r"a\.html: b/c\.html has no anchor x"):
        check_links({**files, "b/c.html": ""}, {"f.svg"})


@pytest.mark.parametrize(
    "tag",
    [
        '<img alt="" src="https://a.b/c.svg">',
        '<script src="//a.b/c.js">',
        '<link rel="stylesheet" href="http://a.b/c.css">',
    ],
)
def test_a_page_that_loads_from_outside_is_an_error(tag: str) -> None:
    check_links({"a.html": '<a class="x" href="https://a.b/c">1</a>'}, set())
    with pytest.raises(ValueError, match=r"a\.html: .*//a\.b/c.* is a request to the outside"):
        check_links({"a.html": tag}, {"//a.b/c.js"})


def test_an_image_has_its_size_and_on_a_dark_page_its_paper() -> None:
    sheet = Sheet(
        "a.html", "A", '<img src="figures/huber.svg" alt="" /> <img src="speed.svg" alt="" /> <a href="x.json">x</a>'
    )
    assert images_of([sheet]) == {"figures/huber.svg", "speed.svg"}
    assert '<img width="680" height="276" src="figures/huber.svg"' in sheet.body
    assert '<img class="paper" width="1152" height="979" src="speed.svg"' in sheet.body


def test_a_display_has_one_number() -> None:
    with pytest.raises(ValueError, match=r"page\.md:4: one display has the numbers \[1, 2\]"):
        Converter("page.md", Formulas(), str, {}).convert("# T\n\n```math\na \\tag{1} b \\tag{2}\n```\n", "page.html")


def test_a_source_links_to_the_equations_that_its_comments_cite() -> None:
    source = '"""A loss; derivations/huber.md."""\n\nx = "(2)"  # (2), (8)\n'
    body = source_sheet("losses/huber.py", source, {"huber": {1, 2}}).body
    assert '# <a href="../../huber.html#eq-2">(2)</a>, (8)' in body
    assert '<a href="../../huber.html">derivations/huber.md</a>' in body
    assert 'id="L3"' in body


@pytest.mark.parametrize("name", ["atlas", "build", "code", "markdown", "sources"])
def test_the_examples_of_docstrings_are_right(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"reflosses.teaching.web.{name}"))
    assert (failed, tried > 0) == (0, True)


def test_the_list_of_pages_follows_the_index() -> None:
    (group,) = loss_groups(
        "| **Robust** | |\n| [Huber](huber.md) | words |\n| [What `check` says](check.md) | words |\n"
    )
    assert (group.title, group.pages) == ("Robust", (("huber.html", "Huber"), ("check.html", "What check says")))
    with pytest.raises(ValueError, match="no table of pages"):
        loss_groups("nothing")
    assert slug("The gradient, step by step") == "the-gradient-step-by-step"
