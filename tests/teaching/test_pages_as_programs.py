r"""What a derivation page displays is true: each page is read as a program, and the reader finds planted errors.

`UNREAD` lists the displays that the reader cannot read, with the reason. `STEPS` is how many equations in lines of text
it reads. A change that takes a formula away from the reader fails here, and so does one that makes it false.
"""

from functools import cache
from pathlib import Path

import page_mutants
import pytest

from reflosses.teaching.check import Reading, check_page
from reflosses.teaching.latex import clauses_of
from reflosses.teaching.page import without_block
from reflosses.teaching.tree import NotReadError

DERIVATIONS = Path(__file__).resolve().parents[2] / "derivations"
MOST_UNREAD = 0.06  # of all displays

STEPS = {
    "binary_cross_entropy": 10,
    "binary_cross_entropy_with_logits": 27,
    "cauchy": 35,
    "cross_entropy": 19,
    "dice": 11,
    "dice_versus_iou": 23,
    "focal": 29,
    "focal_with_logits": 46,
    "generalized_dice": 18,
    "hinge": 8,
    "huber": 26,
    "iou": 16,
    "mean_absolute_error": 7,
    "mean_squared_error": 7,
    "negative_log_likelihood": 4,
    "sparse_categorical_cross_entropy": 5,
    "weighted_cross_entropy": 12,
    "your_own_loss": 5,
}
UNREAD: dict[tuple[str, str], str] = {}  # (page, how the display begins): why it is not read


def text_of(stem: str) -> str:
    return (DERIVATIONS / f"{stem}.md").read_text("utf-8")


@cache
def reading_of(stem: str) -> Reading:
    return check_page(text_of(stem), stem, points=1)


@pytest.mark.parametrize("stem", sorted(STEPS))
def test_a_page_says_nothing_false_and_is_read_as_far_as_the_tables_say(stem: str) -> None:
    reading = reading_of(stem)
    assert not reading.false, "\n".join(reading.false)
    listed = {begins for page, begins in UNREAD if page == stem}
    for text, reason in reading.unread.items():
        assert any(text.startswith(begins) for begins in listed), f"{text} is not read: {reason}"
    assert len(reading.unread) == len(listed)
    assert reading.steps == STEPS[stem]
    assert reading.unused == []  # a definition that nothing uses could say anything


def test_the_tables_are_complete() -> None:
    with_displays = {p.stem for p in DERIVATIONS.glob("*.md") if "```math\n" in p.read_text("utf-8")}
    assert with_displays == set(STEPS) == set(page_mutants.pages())
    displays = sum(text_of(stem).count("```math\n") for stem in STEPS)
    assert len(UNREAD) <= MOST_UNREAD * displays
    assert all(len(reason) > 10 for reason in UNREAD.values())


def test_changes_of_the_pages_are_noticed() -> None:
    lives = []
    for stem in STEPS:
        text = text_of(stem)
        (mutant,) = [m for m in page_mutants.mutants(text, 1, stem) if not m.formula.inline]
        if page_mutants.survives(text, stem, mutant, reading_of(stem), points=1):
            lives.append((stem, mutant))
    assert len(lives) <= 2, lives  # one in twenty is to be expected; `make mutate-pages` counts many more


# ---- toy pages: each construct is read as it is printed -------------------------------------------------------------

HEAD = r"""# Toy

<!-- how the formulas are read
real = ['x', 'a_i', 'b_i', 'z_i', 'M_{ij}']
positive = ['c']
unit = ['p']
small = ['h']
member = ['k_i']
index = { i = 3, j = 3 }
functions = ['f', 'g']
labels = ['u_t']
nabla = 'a'
constants = { n = 3 }
-->

"""


NO_LOSS = "[[code]]\nvalue = 'x'\n"


def toy(*displays: str, text: str = "", head: str = HEAD) -> str:
    return head + text + "\n\n" + "\n".join(f"```math\n{display}\n```\n" for display in displays)


TRUE = [
    r"f(x) = x^3 + 2x, \qquad f'(x) = 3x^2 + 2, \qquad \frac{d^2 f}{dx^2} = 6x = f''(x)",
    r"f(x) = e^{2x} \tag{1}" + "\n```\n\n```math\n" + r"f(-x) = \frac{1}{f(x)}, \qquad \frac{d}{dx} f(-x) = -2 f(-x)",
    r"u = x^2, \qquad \frac{d u^3}{du} = 3u^2, \qquad \frac{d}{dx} u^3 = \frac{d u^3}{du} \cdot \frac{du}{dx}",
    r"|x| = \begin{cases} x & x \ge 0 \\ -x & \text{for } x < 0 \end{cases}",
    r"|x| = x \;\;(x \ge 0), \qquad |x| = -x \;\text{ for } x < 0",
    r"\sum_i (a_i + b_i) = \sum a_i + \sum_{j} b_j, \qquad \sum_{i \ne j} a_i = \sum_{i=1}^{n} a_i - a_j",
    r"\sum_j \delta_{ij} a_j = a_i, \qquad \sum_i \delta_{ik} a_i = a_k",
    r"\frac{\partial}{\partial a_i} \sum_j a_j^2 b_j = 2 a_i b_i",
    r"\frac{\partial^2}{\partial a_i\, \partial a_j} \sum_j a_j^2 b_j = 2\,\delta_{ij}\, b_i",
    r"q_j = \frac{e^{z_j}}{\sum_i e^{z_i}}, \qquad \frac{\partial q_j}{\partial z_i} = q_j\,(\delta_{ij} - q_i)",
    r"\nabla_a (b^{\mathsf T} a) = b, \qquad \lvert \nabla (b^{\mathsf T} a) \rvert^2 = b^{\mathsf T} b = \sum_i b_i^2",
    r"\nabla_a^2 (a^{\mathsf T} M\, a) = M + M^{\mathsf T}",
    r"(M a)(M a)^{\mathsf T} b = M a\, (a^{\mathsf T} M^{\mathsf T} b)",
    r"\log(1 + h) \approx h, \qquad (x + h)^2 \approx x^2 + 2 x h",
    r"2x + h \;\longrightarrow\; 2x \qquad (h \to 0)",
    r"\lim_{h \uparrow 0} \frac{|h|}{h} = -1, \qquad \lim_{h \downarrow 0} \frac{|h|}{h} = 1",
    r"\left.\frac{d(p^2)}{dp}\right|_{p = x} = 2x, \qquad 0 \log 0 := 0",
    r"u_t = x^2, \qquad u_t^2 = x^4, \qquad \log \sqrt{u_t} = \log |x|",
    r"\tfrac12 x = \frac x2, \qquad \tfrac1{16} c = c/16, \qquad c^2 - \tfrac h4 < c^2 \le c^2 \cdot 1",
    r"w_i = 1 \text{ for } a_i < 0, \qquad w_i = 2 \text{ for } a_i > 0, \qquad \frac{a_i}{|a_i|} = 2 w_i - 3",
    r"\max(x, -x) = |x|, \qquad \min(\max(x, -c), c) = x \;\text{ for } -c < x < c",
    r"x^2 \ge c^2 \;\text{ for } x > c \text{ or } x < -c",
    r"\cosh^2 x - \sinh^2 x = 1, \qquad \frac{d \cosh x}{dx} = \sinh x = \cosh x \tanh x",
    r"\mathrm{sign}(-c) = -1, \qquad M_{11} + M_{22} + M_{33} = \sum_i M_{ii}",
    r"\max_i a_i \ge a_1, \qquad \min_{a_i > 0} a_i > 0 \;\;(a_1 > 0)",
]
FALSE = [
    r"f(x) = x^3, \qquad f'(x) = 3x^3",
    r"c = |x| \text{ for } x > 0",
    r"|x| = x \;\;(x \ge -c)",
    r"\sum_{i \ne j} a_i = \sum_i a_i + a_j",
    r"\sum_j \delta_{ij} a_j = a_j",
    r"\frac{\partial^2}{\partial a_i\, \partial a_j} \sum_j a_j^2 b_j = 2 b_i",
    r"\nabla_a (a^{\mathsf T} M\, a) = 2 M a",
    r"\lvert \nabla (b^{\mathsf T} a) \rvert = b^{\mathsf T} b",
    r"\log(1 + h) \approx 2 h",
    r"(x + h)^2 = x^2 + 2xh",
    r"\lim_{h \uparrow 0} \frac{|h|}{h} = 1",
    r"\left.\frac{d(p^2)}{dp}\right|_{p = x} = 2p",
    r"w_i = 1 \text{ for } a_i < 0, \qquad a_i w_i = a_i",
    r"x^2 \ge c^2 \;\text{ for } x > c \text{ or } x < c",
    r"\log x = \log x",
    r"|x| = \begin{cases} x & x \ge 0 \\ -x & x < 1 \end{cases}",
    r"\min_i a_i = \min_{a_i > 0} a_i",
]


@pytest.mark.parametrize("display", TRUE)
def test_a_true_formula_is_read_and_holds(display: str) -> None:
    reading = check_page(toy(display), "toy")
    assert (reading.false, reading.unread) == ([], {})


@pytest.mark.parametrize("display", FALSE)
def test_a_false_formula_is_found(display: str) -> None:
    assert check_page(toy(display), "toy", points=8).false


@pytest.mark.parametrize(
    ("display", "reason"),
    [
        ("x + c", "no equation"),
        (r"\pm x = x", "where a name is due"),
        ("v + x = x", "v has no definition"),
        ("x^2 = x^2 \\text{ for } x > 5", "no point meets its condition"),
        (r"c = \begin{cases} c & c > 0 \\ x & c < 0 \end{cases}", "no point meets one of its cases"),
        (r"x^2 = x^2 \text{ for } x > 0 \text{ or } x > 5", "no point meets its condition"),
        (r"w(x, x) = x", "no definition"),
        ("M a = a^{\\mathsf T} M", "shapes"),
        ("a_x = a_x", "is no index"),
        (r"x = x \Longleftrightarrow c = c", "where the clause should end"),
        (r"\frac{d^2 f}{dx} = 1", "orders"),
        ("v = v + 1, \\qquad v = x", "by itself"),
        (r"v = M a, \qquad s = v^{\mathsf T} v, \qquad \frac{ds}{dv} = s", "by the vector v"),
    ],
)
def test_what_is_not_read_says_why(display: str, reason: str) -> None:
    (said,) = check_page(toy(display), "toy").unread.values()
    assert reason in said


def test_a_line_of_text_is_read_too() -> None:
    text = "So $`(x + c)^2 = x^2 + 2xc + c^2`$. Let $`x = 3`$, or $`x = c^2`$, and $`v = 2x`$ and $`+\\infty`$."
    reading = check_page(toy(text=text), "toy")
    assert (reading.false, reading.steps) == ([], 1)
    assert [said for said, _ in reading.not_steps] == ["v = 2x"]
    assert check_page(toy(text=text.replace("+ c^2", "- c^2")), "toy").false


def test_a_definition_that_nothing_uses_is_told() -> None:
    assert check_page(toy(r"v = x^2, \qquad w = v + 1"), "toy").unused == ["v", "w"]
    assert check_page(toy(r"v = x^2, \qquad w = v + 1, \qquad w > 1"), "toy").unused == []


def test_the_block_says_what_formulas_cannot_say() -> None:
    head = HEAD.replace("-->", "define = ['v = 2x']\n[[under]]\nwhere = 'x > 0'\nread = ['v = 2|x|']\n-->")
    assert check_page(toy("v = x + x", text="$`v = 2x`$ and $`v = 2|x|`$", head=head), "toy").false == []
    assert "not on the page" in check_page(toy("v = x + x", text="$`v = 3x`$", head=head), "toy").false[-1]
    with pytest.raises(ValueError, match="unknown words: reals"):
        check_page(toy(head=HEAD.replace("real ", "reals ")), "toy")
    for wrong in ("unit = ['q_m']", "member = ['q']", "unit = ['q + 1']", "unit = q", "where = ['q = = 1']", NO_LOSS):
        bare = HEAD.replace("unit = ['p']\n", "").replace("member = ['k_i']\n", "")
        with pytest.raises(ValueError, match=r"indices of the page|no name|Invalid value|no loss|a name is due"):
            check_page(toy(head=bare.replace("-->", f"{wrong}\n-->")), "toy")
    place = HEAD.replace("-->", "[[place]]\nat = 'Now'\nforget = ['x']\nwhere = ['c > 1']\ndefine = ['x = 2c']\n-->")
    assert check_page(toy("x = c + c, \\qquad c^2 > c", text="Now $`x = 2c`$", head=place), "toy").false == []
    with pytest.raises(ValueError, match="stands 2 times"):
        check_page(toy(text="Now and Now", head=place), "toy")


def test_a_person_sees_no_block() -> None:
    shown = without_block(text_of("huber"))
    assert shown.startswith("# Huber\n\nA parabola")
    assert "<!--" not in shown
    assert without_block(shown) == shown


def test_the_display_is_compared_with_the_class() -> None:
    text = text_of("huber")
    wrong = text.replace(r"\tfrac12 r^2 & |r| < \delta", r"\tfrac12 r^3 & |r| < \delta")
    assert wrong != text
    assert any("that of Huber" in fault for fault in check_page(wrong, "huber").false)


def test_an_argument_that_does_not_matter_is_told() -> None:
    text = text_of("huber")
    wrong = text.replace(r"\ell(y, \hat y) = \begin", r"\ell(h, \hat y) = \begin")
    assert wrong != text
    assert r"\ell does not depend on its argument h" in check_page(wrong, "huber").false


def test_a_word_outside_the_grammar_is_refused() -> None:
    for text in (r"\foo = 1", "(x = 1", r"\frac{1}{", "x = = 1", "{x}", r"\begin{array}{l} 1 \end{array}"):
        with pytest.raises(NotReadError):
            clauses_of(text)
