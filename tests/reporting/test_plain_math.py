"""Formulas as plain text, and pages without LaTeX."""

import re
from pathlib import Path

import pytest

from reflosses import catalogue
from reflosses.reporting.plain_math import plain_formula, plain_page

PAGES = sorted((Path(__file__).resolve().parents[2] / "derivations").glob("*.md"))


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"r = \hat y - y", "r = ŷ − y"),
        (r"\tfrac12 r^2", "½ r²"),
        (r"\tfrac h4", "h/4"),
        (r"\frac{1}{1 + s/\delta^2} \tag{2}", "1/(1 + s/δ²)   (2)"),
        (r"\frac{\partial \ell}{\partial z_k} = w\,\frac{e^{z_k}}{S}", "∂ℓ/∂zₖ = w (e^zₖ)/S"),
        (r"\frac{(S + b)}{(S + b)^2}", "(S + b)/(S + b)²"),
        (r"\tfrac57/\tfrac72", "(5/7)/(7/2)"),
        (r"e^{-(x + 1)}", "e^(−(x + 1))"),
        (r"2^{-1074}", "2⁻¹⁰⁷⁴"),
        (r"\sqrt{2\pi}", "√(2π)"),
        (r"\sqrt2 - 1", "√2 − 1"),
        (r"\sum_{k \ne y} e^{z_k}", "∑_(k ≠ y) e^zₖ"),
        (r"e^{\mathsf T} \Omega\, e", "eᵀ Ω e"),
        (r"Q\log(1 + T)", "Q log(1 + T)"),
        (r"\rho'(s)\,\nabla_e\, s", "ρ′(s) ∇ₑ s"),
        (r"\left.\frac{d\ell}{dp}\right|_{p = y}", "dℓ/dp|_(p = y)"),
        (r"\begin{cases} r & r \ge 0 \\ -r & r < 0 \end{cases}", "r if r ≥ 0\n    −r if r < 0"),
        (r"\begin{array}{c|c} a & b \\ \hline c & d \end{array}", "a   b\n    c   d"),
        (r"x \quad\text{for one-hot rows}", "x for one-hot rows"),
        (r"\unknown{x}", "unknownx"),
        (r"\frac{1", "1/()"),
    ],
)
def test_a_formula_as_text(latex: str, text: str) -> None:
    assert plain_formula(latex) == text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_page_keeps_a_command(path: Path) -> None:
    page = path.read_text("utf-8")
    formulas = re.findall(r"```math\n(.*?)\n```", page, re.S) + re.findall(r"\$`(.+?)`\$", page, re.S)
    words = {word for f in formulas for word in re.findall(r"[A-Za-z]{4,}", plain_formula(f))}
    assert not words & {"frac", "tfrac", "begin", "cases", "array", "bigl", "tag", "text", "mathrm", "partial"}
    shown = plain_page(page)
    assert "```math" not in shown
    assert "$`" not in shown


def test_a_logarithm_of_a_fraction_has_parentheses() -> None:
    assert plain_formula(r"\log \frac{q_t}{q_k} + \log \tfrac14") == "log(qₜ/qₖ) + log ¼"


def test_each_equation_of_a_display_begins_a_line() -> None:
    page = (
        "```math\n\\ell = \\begin{cases} r, & r > 0 \\\\ 0 & r < 0 \\end{cases}, \\qquad\nI = 0 \\qquad (r > 0)\n```\n"
    )
    assert plain_page(page) == "```text\nℓ =\n    r, if r > 0\n    0 if r < 0,\nI = 0 (r > 0)\n```\n"


def test_the_answer_of_an_exercise_is_not_folded() -> None:
    page = "1. What?\n\n<details><summary>Answer</summary>\n\nThat $`\\beta`$.\n\n</details>\n\n2. Why?\n"
    assert plain_page(page) == "1. What?\n\n*Answer.*\n\nThat `β`.\n\n2. Why?\n"


def test_a_figure_is_said_in_words() -> None:
    page = "First.\n\n![A V over r.](figures/mean_absolute_error.svg)\n\nThen.\n"
    assert plain_page(page) == "First.\n\n*Figure* (figures/mean_absolute_error.svg): A V over r.\n\nThen.\n"


def test_a_page_keeps_all_that_is_no_formula() -> None:
    page = catalogue.page(catalogue.losses()["Huber"])
    code = re.findall(r"```python\n.*?```", page, re.S)
    assert len(code) > 2
    assert all(block in plain_page(page) for block in code)
    assert "Write `r = ŷ − y` for the residual of the prediction `ŷ`, `yhat`," in plain_page(page)
