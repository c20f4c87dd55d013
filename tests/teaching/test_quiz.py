"""The quiz: right answers in many spellings, wrong ones with the mistake in words, hostile ones in bounded time.

`REFLOSSES_QUIZ=all` asks `diagnose` about every wrong answer; by default it is asked about a few.
"""

import os
import time
from functools import cache

import pytest

from reflosses import catalogue
from reflosses.reporting.formula_text import formula_text
from reflosses.teaching import quiz
from reflosses.teaching.question import GradientQuestion
from reflosses.teaching.quiz import judge
from reflosses.teaching.tree import NotReadError

ALL = os.environ.get("REFLOSSES_QUIZ") == "all"

RIGHT = {
    "BinaryCrossEntropy": (
        "(p-y)/(p*(1-p))",
        "−y/p + (1−y)/(1−p)",
        r"\frac{p - y}{p(1 - p)}",
        "(yhat-y)/(yhat-yhat^2)",
    ),
    "BinaryCrossEntropyWithLogits": (
        *("sigma(z) - y", "p - y", "σ(z) − y", "1/(1+exp(-yhat)) - y", r"\sigma(z) - y", "1/(1+e^(-z)) - y"),
        "(1-y) sigmoid(z) - y sigmoid(-z)",
    ),
    "Cauchy": ("2*e/(1+e^2/delta^2)", "2(ŷ−y)/(1+(ŷ−y)²/δ²)", r"\frac{2 e}{1 + s/\delta^2}", "2e δ²/(δ² + e**2)"),
    "CrossEntropy": (
        *("p - y", "p_k - y_k", "softmax(z) - y", "e^z/sum(e^z) - y", "exp(z_k)/sum(exp(z_j)) - y_k", "p[k] - y[k]"),
        *(r"\frac{e^{z_k}}{\sum_j e^{z_j}} - y_k", "Q pₖ − qₖ"),
    ),
    "Dice": ("(D-2t)/S", "(D − 2 tᵢ)/(S+b)", r"\frac{D - 2 t_i}{S}", "(2*sum(p*t)/(P+T) - 2*y)/(sum(p)+sum(t))"),
    "Focal": (
        "-s*(gamma*q^(gamma-1)*L + q^gamma/p_t)",
        "s(γ q^(γ−1) log pₜ − q^γ/pₜ)",
        r"-s(\gamma q^{\gamma-1} L + \frac{q^\gamma}{p_t})",
        "γ(1-p)^(γ-1) log(p) - (1-p)^γ/p if y==1 else -γ p^(γ-1) log(1-p) + p^γ/(1-p)",
    ),
    "FocalWithLogits": (
        *("-s*q^gamma*(gamma*p*L+q)", "−s q^γ (γ p L + q)", r"-s q^\gamma (\gamma p L + q)"),
        "s*q**gamma*(gamma*p*log(p) - q)",
    ),
    "GeneralizedDice": ("w*(G-2*y)/Q", "w_l (G − 2 y_ln)/Q", r"\frac{w_l (G - 2 y_{ln})}{Q}", "w(G-2y)/sum(w*(R+P))"),
    "Hinge": ("-y if y*yhat < 1 else 0", "where(y ŷ < 1, -y, 0)", "-y*(1+sign(1-y*yhat))/2", "-y if m<1 else 0"),
    "Huber": (
        *("min(1, delta/abs(r))*r", "r if abs(r) < delta else delta*sign(r)", "clip(ŷ−y, −δ, δ)"),
        *(r"\min(\max(r,-\delta),\delta)", "min(max(r,-delta),delta)", "dl/dyhat = c"),
    ),
    "IoU": ("(J*(1-t)-t)/U", "(J(1 − tᵢ) − tᵢ)/U", r"\frac{J(1-t_i)-t_i}{U}", "(I(1-t) - t U)/U^2"),
    "MeanAbsoluteError": ("sign(r)", "r/|r|", "1 if yhat > y else -1", r"\mathrm{sign}(\hat y - y)"),
    "MeanSquaredError": ("2*r", "2(yhat-y)", "2ŷ − 2y", r"2(\hat y - y)", "-2*(y - y_hat)"),
    "NegativeLogLikelihood": ("-y", "-delta_jt", "-1 if j == t else 0", r"-w_t \delta_{jt}"),
    "SparseCategoricalCrossEntropy": ("-y/p", "-delta_jt/p_t", "-1/p if j == t else 0", r"-\frac{\delta_{jt}}{p_t}"),
    "WeightedCrossEntropy": (
        *("(1-y)/(1-p) - w*y/p", r"\frac{1 - y_i}{1 - p_i} - \frac{w y_i}{p_i}"),
        "(1-y)/(1-yhat) - (N-sum(p))/sum(p)*y/yhat",
    ),
}

WRONG = [  # a loss, an answer, and words that must be in what is said of it
    ("MeanSquaredError", "r", "factor 2 is missing"),
    ("MeanSquaredError", "2*y - 2*yhat", "sign is turned"),
    ("MeanSquaredError", "r**2", "the loss itself"),
    ("MeanSquaredError", "2", "the second derivative"),
    ("MeanSquaredError", "2*abs(r)", "right where r > 0"),
    ("MeanAbsoluteError", "1", "right where r > 0"),
    ("MeanAbsoluteError", "abs(r)", "the loss itself"),
    ("Hinge", "-y", "right where y ŷ < 1"),
    ("Hinge", "-yhat if y*yhat < 1 else 0", "ŷ in place of y"),
    ("Hinge", "-1 if y*yhat < 1 else 0", "1 in place of y"),
    ("Huber", "r", "right where |r| < δ"),
    ("Huber", "r if abs(r) < delta else delta", "sign of the term δ is turned"),
    ("Huber", "2*c", "factor 2 is too much"),
    ("Cauchy", "e/(1+e^2/delta^2)", "factor 2 is missing"),
    ("Cauchy", "1/(1+e^2/delta^2)", "the derivative by s. The chain rule"),
    ("Cauchy", "2*e*delta^2/(1+s/delta^2)", "factor δ² is too much"),
    ("BinaryCrossEntropy", "p - y", "division by p (1 − p) is missing"),
    ("BinaryCrossEntropy", "-y/p - (1-y)/(1-p)", "sign of the term (1 − y)/(1 − p) is turned"),
    ("BinaryCrossEntropy", "-y/p", "term (1 − y)/(1 − p) is missing"),
    ("BinaryCrossEntropy", "(y-p)/(y*(1-y))", "y and p have changed places"),
    ("BinaryCrossEntropyWithLogits", "z - y", "z in place of σ(z)"),
    ("BinaryCrossEntropyWithLogits", "(p-y)*p*(1-p)", "factor p (1 − p) is too much"),
    ("BinaryCrossEntropyWithLogits", "p", "term −y is missing"),
    ("BinaryCrossEntropyWithLogits", "-y*(1-p)", "term (1 − y) σ(z) is missing"),
    ("Focal", "-s*q^gamma/p_t", "term γ q^(γ − 1) L is missing"),
    ("Focal", "-s*(q^(gamma-1)*L + q^gamma/p_t)", "factor γ is missing"),
    ("Focal", "-(gamma*q^(gamma-1)*L + q^gamma/p_t)", "the derivative by pₜ. The chain rule"),
    ("FocalWithLogits", "-s*(gamma*p*L+q)", "factor q^γ is missing"),
    ("CrossEntropy", "z - y", "zₖ in place of pₖ"),
    ("CrossEntropy", "sigma(z) - y", "σ(zₖ) in place of pₖ"),
    ("CrossEntropy", "-y/p", "the derivative by pₖ. The chain rule"),
    ("NegativeLogLikelihood", "-1", "factor δⱼₜ is missing"),
    ("SparseCategoricalCrossEntropy", "-1/p", "right where j = t"),
    ("Dice", "(D - t)/S", "term 2 tᵢ is halved"),
    ("Dice", "-2*t/S", "term D is missing"),
    ("Dice", "D - 2t", "division by S + b is missing"),
    ("IoU", "(J-t)/U", "factor 1 − tᵢ is missing"),
    ("GeneralizedDice", "(G-2*y)/Q", "factor wₗ is missing"),
    ("WeightedCrossEntropy", "(1-y)/(1-p) - y/p", "factor w is missing"),
    ("WeightedCrossEntropy", "(1-y)/(1-p) - w*y/p - N/P^2*F", "term N/P² F is too much"),
]

DIAGNOSED = [  # what only the library's diagnosis knows
    ("MeanAbsoluteError", "r", "half of the gradient of MeanSquaredError()"),
    ("Huber", "sign(r)", "the gradient of MeanAbsoluteError()"),
    ("Cauchy", "2*e/(1+e^2)", "the gradient of Cauchy(delta=1)"),
    ("SparseCategoricalCrossEntropy", "p - y", "the derivative by the logits of a softmax"),
    ("BinaryCrossEntropy", "p - y", "the derivative by the logit"),
]

HOSTILE = [
    *("__import__('os')", "().__class__", "r.__class__", "lambda x: x", "'a'", '"a"', "f'{r}'", "[x for x in r]"),
    *("9**9**9**9", "9^9^9^9", "2**999999999999", "1e999", "1" * 30, "nan", "inf", "1/0", "0/0", "log(0)"),
    *("exp(exp(exp(99)))", "(" * 10**6, "(" * 100 + "r" + ")" * 100, "-" * 399, "2^" * 190 + "2", "|" * 300),
    *("r if " * 80, "[" * 50, "{" * 300, "", " ", "r;", "r r if", "y=1", "max(1)", "r@y", "r//y", "r%y", "~r"),
    *("not r", "True", "eval(r)", "exec(r)", "💥", "\\frac{" * 60, "\\" * 300, "\\left." * 60, "\\sum" * 80 + "r"),
    *("\\input{/etc/passwd}", r"\frac{d\ell}{d\hat y}", "r'", "sum(r)", "sum(sum(sum(r)))", "r[0]", "r_", "_"),
    *("open(r)", "1_000", "0x10", "1j", "r\nimport os", "r\0", "log(-1)", "(-2)^0.5", "log" * 130, "|r" * 200),
    *("1 if 1<1 else " * 28 + "r", "r+" * 199 + "r", "max(" * 24 + "r", "\\max(" * 24 + "r", "^", "σ" * 200),
]


@cache
def question(name: str) -> GradientQuestion:
    return GradientQuestion(name, formula_text)


def test_every_loss_has_a_question() -> None:
    assert set(RIGHT) == set(catalogue.losses())
    assert all(len(spellings) >= 3 for spellings in RIGHT.values())
    assert len(WRONG) >= 30


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_a_right_answer_is_accepted_in_each_spelling(name: str) -> None:
    asked = question(name)
    for text in RIGHT[name]:
        assert judge(asked, asked.read(text)).right, text


@pytest.mark.parametrize(("name", "answer", "words"), WRONG)
def test_the_mistake_is_named(name: str, answer: str, words: str) -> None:
    asked = question(name)
    verdict = judge(asked, asked.read(answer), diagnosis=ALL)
    assert not verdict.right
    assert any(words in said for said in verdict.says), verdict.says
    assert "your answer is" in verdict.says[-1]  # an example with numbers comes last


@pytest.mark.parametrize(("name", "answer", "words"), DIAGNOSED if ALL else DIAGNOSED[:1])
def test_the_diagnosis_of_the_library_is_told(name: str, answer: str, words: str) -> None:
    asked = question(name)
    assert any(words in said for said in judge(asked, asked.read(answer)).says)


def test_the_diagnosis_does_not_tell_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "It has the right value; its gradient is r, not r where |r| ≤ delta and delta sign(r) elsewhere."
    monkeypatch.setattr(quiz, "diagnose", lambda candidate, loss: told)
    asked = question("Huber")
    says = " ".join(judge(asked, asked.read("r if abs(r) < delta else delta")).says)
    assert "elsewhere" not in says
    assert says.endswith("the gradient is −1.6.")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("Huber", "c if abs(r) < 3*delta else r"),
        ("Huber", "r if abs(r) < 0.9*delta else delta*sign(r)"),
        ("Huber", "r if abs(r) < 1.1*delta else delta*sign(r)"),
        ("Huber", "r if r < delta else delta"),
        ("Hinge", "-y if y*yhat < 0.9 else 0"),
        ("Hinge", "-y if y*yhat < 1.1 else 0"),
    ],
)
def test_an_answer_that_is_wrong_at_few_points_is_wrong(name: str, answer: str) -> None:
    asked = question(name)
    assert not judge(asked, asked.read(answer), diagnosis=False).right


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("MeanSquaredError", "1e-13*r"),  # next to no factor is no fraction
        ("Focal", "-s**gamma*q^(gamma-1)(L + q^gamma/p_t)"),  # α, which has no number, is tried as a missing factor
    ],
)
def test_of_a_far_fetched_answer_there_is_an_example(name: str, answer: str) -> None:
    asked = question(name)
    verdict = judge(asked, asked.read(answer), diagnosis=False)
    assert not verdict.right
    assert "your answer is" in verdict.says[-1]


def test_an_answer_without_a_value_is_wrong() -> None:
    asked = question("MeanSquaredError")
    verdict = judge(asked, asked.read("log(-1 - r*r)"), diagnosis=False)
    assert not verdict.right
    assert "no value at any point" in verdict.says[0]
    (said,) = judge(asked, asked.read("2**2**2**2**99")).says  # the diagnosis has nothing to say
    assert said.endswith("or a number that is too large.")


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:20])
def test_hostile_text_is_refused_in_bounded_time(text: str) -> None:
    asked = question("MeanSquaredError")
    start = time.process_time()
    assert "right" not in outcome(asked, text)
    assert time.process_time() - start < 1.0


def outcome(asked: GradientQuestion, text: str) -> str:
    try:
        return "right" if judge(asked, asked.read(text), diagnosis=False).right else "wrong"
    except NotReadError as reason:
        return f"not read: {reason}"


def test_no_mistake_is_searched_for_in_an_answer_that_is_slow_to_evaluate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiz, "PATIENCE", -1.0)
    asked = question("MeanSquaredError")
    (said,) = judge(asked, asked.read("r")).says
    assert said.startswith("At y = ")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("Huber", "R", "did you mean r?"),
        ("Huber", "epsilon", "epsilon is no letter of this page"),
        ("Huber", "r +", "the end stands where a number or a letter is due"),
        ("Huber", "r;r", "a comma or a semicolon stands where the answer should end"),
        ("Huber", "(r", "the end stands where ) is due"),
        ("Huber", "r if delta else 0", "a condition such as r < delta is due"),
        ("Huber", "foo(r)", "foo is no function that is read"),
        ("Huber", "'r'", '"\'" has no meaning here'),
        ("Huber", "r" * 401, "it has 401 characters; at most 400 are read"),
        ("Dice", "p_x", "x is no index of the page; the entry that is asked for is i"),
        ("Dice", "D_i", "D has no entries"),
        ("CrossEntropy", "sum(2)", "a sum without anything to add up"),
    ],
)
def test_what_cannot_be_read_has_a_reason(name: str, text: str, reason: str) -> None:
    with pytest.raises(NotReadError) as caught:
        question(name).read(text)
    assert reason in str(caught.value)
