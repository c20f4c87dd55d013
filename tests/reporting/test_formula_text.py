"""Formulas as lines of text: with letters, and with numbers in their place."""

from decimal import Decimal

import pytest

from reflosses.reporting.formula_text import chain_text, condition_text, number_text, value_text
from reflosses.teaching.arithmetic import Array
from reflosses.teaching.latex import clauses_of


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\frac{p - y}{p(1 - p)} \tag{2}", "(p − y)/(p (1 − p))"),
        (r"-\frac{y}{p} + \frac{1 - y}{1 - p}", "−y/p + (1 − y)/(1 − p)"),
        (r"\delta\,\bigl(|r| - \tfrac12 \delta\bigr)", "δ (|r| − ½ δ)"),
        (r"a - (b - c)", "a − (b − c)"),
        (r"(a + b)^2 e^{-|z|}", "(a + b)² e^(−|z|)"),
        (r"-x^2", "−x²"),
        (r"(-x)^2", "(−x)²"),
        (r"\sum_{j \ne k} q_j + \sum_i (p_i + t_i)", "∑(j ≠ k) qⱼ + ∑ᵢ (pᵢ + tᵢ)"),
        (r"\frac{\partial^2 L}{\partial p_i \partial p_j} = 2 t_i", "∂²L/∂pᵢ∂pⱼ = 2 tᵢ"),
        (r"\frac{d^2\ell}{d\hat y^2} = 2 \cdot 3", "d²ℓ/dŷ² = 2·3"),
        (r"e^{\mathsf T} \Omega\, e", "eᵀ Ω e"),
        (r"\log(1 + u)", "log(1 + u)"),
        (r"\min(\max(r, -\delta), \delta)", "min(max(r, −δ), δ)"),
    ],
)
def test_a_formula_reads_as_it_is_meant(latex: str, text: str) -> None:
    (clause,) = clauses_of(latex, letters=frozenset({"e"}) if "Omega" in latex else frozenset())
    assert chain_text(clause.chain) == text


def test_conditions_are_words() -> None:
    (clause,) = clauses_of(r"a = b \text{ for } p < c \text{ or } p > 1 - c \text{ and } y \in \{0, 1\}")
    assert condition_text(clause.condition) == "p < c or p > 1 − c and y ∈ {0, 1}"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0.1", "0.1"),
        ("-0.36734693877", "−0.367347"),
        ("4.2483542552915889863e-18", "4.24835e−18"),
        ("3", "3"),
        ("-0", "0"),
        ("1e400", "1.00000e+400"),
        ("0.999999999999999995751645744708", "1 − 4.25e−18"),
        ("-1.000000000000001", "−1 − 1e−15"),
    ],
)
def test_numbers_are_short_and_honest(number: str, text: str) -> None:
    assert number_text(Decimal(number)) == text


def test_vectors_and_matrices() -> None:
    one = Array({(1,): Decimal(1), (2,): Decimal("-0.5")})
    assert value_text(one) == "(1, −0.5)"
    two = Array({(i, j): Decimal(10 * i + j) for i in (1, 2) for j in (1, 2)})
    assert value_text(two) == "(11, 12; 21, 22)"
