"""`reflosses show NAME y=… yhat=…`: each page as a worked example."""

import sys
from math import log

import pytest

from reflosses import catalogue
from reflosses.__main__ import main
from reflosses.reporting import several_ways
from reflosses.reporting.example_inputs import inputs_of
from reflosses.reporting.worked_example import worked_text

WORDS = {  # one example of each loss, as one types it
    "BinaryCrossEntropy": "y=1,0 yhat=0.9,0.2",
    "BinaryCrossEntropyWithLogits": "y=1 yhat=40 pos_weight=3",
    "Cauchy": "y=0,1 yhat=3,1.5 delta=2 information=[[2,.5],[.5,1]]",
    "CrossEntropy": "y=1 yhat=0.5,2,-1,0.25 label_smoothing=0.1",
    "Dice": "y=1,0,1 yhat=0.75,0.25,0.5",
    "Focal": "y=0 yhat=0.2 gamma=1.5 alpha=0.25",
    "FocalWithLogits": "y=0 yhat=3 clamp=0.1",
    "GeneralizedDice": "y=1,0;0,1;1,0 yhat=0.8,0.2;0.3,0.7;0.6,0.4",
    "Hinge": "y=1,-1 yhat=0.25,0.5",
    "Huber": "y=0 yhat=3 delta=2",
    "IoU": "y=1,0 yhat=0.5,0.25 smooth_dr=1",
    "MeanAbsoluteError": "y=0 yhat=3",
    "MeanSquaredError": "y=0 yhat=3",
    "NegativeLogLikelihood": "y=1 yhat=-2.1,-0.3,-1.9",
    "SparseCategoricalCrossEntropy": "y=1 yhat=0.2,0.7,0.1",
    "WeightedCrossEntropy": "y=1,0 yhat=0.5,0.25",
}


def lines_of(name: str, words: str, width: int | None = 80) -> list[str]:
    return worked_text(inputs_of(name, words.split()), width).splitlines()


def number_after(lines: list[str], title: str, label: str) -> float:
    """The number of one way below a title."""
    below = lines[lines.index(title) :]
    (line, *_) = [line for line in below if line.strip().startswith(label)]
    return float(line.strip().removeprefix(label).split()[0])


def lacking(*args: object, **options: object) -> None:
    """In place of `certify`, where python-flint is not installed."""
    raise ImportError


@pytest.mark.parametrize("name", sorted(WORDS))
def test_each_loss_is_shown_within_eighty_columns_and_the_ways_agree(name: str) -> None:
    lines = lines_of(name, WORDS[name])
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("(1)   ") for line in lines)
    for title in ("Step by step", "The same in several ways", "value"):
        assert title in lines
    assert not any(chr(92) in line for line in lines)  # no LaTeX is left
    if "page in 120 digits" in lines[lines.index("value") + 2]:  # one loss
        exact = number_after(lines, "value", "page in 120 digits")
        assert exact == pytest.approx(number_after(lines, "value", f"{name}.value"), rel=1e-14)


def test_every_loss_has_an_example() -> None:
    assert set(WORDS) == set(catalogue.losses())


def test_huber_reads_as_one_would_write_it() -> None:
    text = "\n".join(lines_of("Huber", "y=0 yhat=3 delta=2"))
    assert "y = 0,  ŷ = 3\nδ = 2\n" in text
    assert "      r = ŷ − y\n        = 3 − 0\n        = 3\n" in text
    assert "(2)   c = min(max(r, −δ), δ)\n        = min(max(3, −2), 2)\n        = 2\n" in text
    assert "(4)   dℓ/dŷ = c\n            = 2\n" in text
    assert text.index("(1)") < text.index("(2)") < text.index("(3)") < text.index("(4)") < text.index("(5)")


def test_a_row_of_classes_has_a_line_for_each_class() -> None:
    text = "\n".join(lines_of("Dice", "y=1,0,1 yhat=0.75,0.25,0.5"))
    assert "I = ∑ᵢ pᵢ tᵢ\n        = 0.75·1 + 0.25·0 + 0.5·1\n        = 1.25\n" in text  # by hand
    assert "i = 1:  (0.714286 − 2·1)/(3.5 + 0) = −0.367347\n" in text  # (5/7 − 2)/(7/2) = −18/49
    assert "i = 2:  (0.714286 − 2·0)/(3.5 + 0) = 0.204082\n" in text  # 10/49


def test_sixteen_digits_lose_what_the_class_keeps() -> None:
    lines = lines_of("BinaryCrossEntropyWithLogits", "y=1 yhat=40")
    below = lines[lines.index("gradient by z") :]
    (naive,) = [line for line in below if line.strip().startswith("(2) in 16 digits")]
    assert naive.split()[-5:] == ["0", "no", "digit", "is", "right"]
    label = "BinaryCrossEntropyWithLogits.grad"
    assert number_after(lines, "gradient by z", label) == pytest.approx(-4.248354255291589e-18, rel=1e-15)
    assert number_after(lines, "gradient by z", "difference quotient") == pytest.approx(-4.2483543e-18, rel=1e-7)


def test_several_losses_are_labelled_and_reduced() -> None:
    text = "\n".join(lines_of("BinaryCrossEntropy", "y=1,0 yhat=0.9,0.2"))
    assert "[0]  y = 1,  p = 0.9\n[1]  y = 0,  p = 0.2\n" in text
    assert "[1]:  (0.2 − 0)/(0.2 (1 − 0.2)) = 1.25\n" in text
    mean = -(log(0.9) + log(0.8)) / 2
    assert f'reduction="mean"\n  value     {mean:.10f}'[:-1] in text
    assert "gradient  -0.555556, 0.625" in text  # half of −1/0.9 and of 1/0.8


def test_a_kink_has_two_slopes() -> None:
    lines = lines_of("MeanAbsoluteError", "y=1 yhat=1")
    assert "no value: no case applies here" in "\n".join(lines)
    assert any(line.split() == ["difference", "quotient", "-1.0", "and", "1.0"] for line in lines)
    assert sum(line.endswith(" a kink") for line in lines) >= 2  # the page, and the second derivative


def test_the_end_of_a_domain_has_no_value_and_says_why() -> None:
    text = "\n".join(lines_of("BinaryCrossEntropy", "y=1 yhat=0"))
    assert "no value: the logarithm of 0" in text
    assert "no value: a division by 0" in text


def test_where_the_page_has_no_value_it_has_no_slope() -> None:
    lines = lines_of("Dice", "y=0,0 yhat=0,0")  # 0/0; the class says 0, nothing against nothing
    below = lines[lines.index("gradient by p") :]
    (line, *_) = [line for line in below if line.startswith("  i = 1")]
    assert "no value" in line


def test_a_held_weight_is_not_compared_with_a_quotient_that_moves_it() -> None:
    text = "\n".join(lines_of("WeightedCrossEntropy", "y=1,0 yhat=0.5,0.25"))
    assert "w is held constant" in text
    assert "i = 1:  (1 − 1)/(1 − 0.5) − 1.66667·1/0.5 = −3.33333\n" in text  # w = (2 − 3/4)/(3/4) = 5/3
    full = "\n".join(lines_of("WeightedCrossEntropy", "y=1,0 yhat=0.5,0.25 weight_grad=full"))
    assert "w is held constant" not in full


def test_the_full_gradient_is_not_held_against_the_one_with_a_held_weight() -> None:
    lines = lines_of("WeightedCrossEntropy", "y=1,0 yhat=0.5,0.25 weight_grad=full")
    below = lines[lines.index("gradient by p") : lines.index("curvature by p")]
    assert not any("16 digits" in line for line in below)  # (2) holds w constant: it is another gradient


def test_a_saturated_logit_is_judged_by_the_proof_and_not_by_120_digits() -> None:
    pytest.importorskip("flint", reason="a proof needs python-flint")
    lines = lines_of("BinaryCrossEntropyWithLogits", "y=1 yhat=300")  # 1 + e^-300 is 1 in 120 digits
    assert not any("right" in line for line in lines if line.startswith("  BinaryCrossEntropyWithLogits."))
    (naive,) = [line for line in lines if line.startswith("  (2) in 16 digits")]
    assert naive.endswith(" 0   no digit is right")
    page = [line for line in lines if line.startswith("  page in 120 digits")]
    assert len(page) == 3
    assert all(line.endswith(" 0   120 digits are too few here") for line in page)


def test_a_saturated_logit_is_not_judged_without_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object, **options: object) -> None:
        raise ImportError

    monkeypatch.setattr(several_ways, "certify", missing)
    assert "no digit is right" not in "\n".join(lines_of("BinaryCrossEntropyWithLogits", "y=1 yhat=300"))


def test_a_derivative_of_the_page_is_printed_without_its_wrong_digits() -> None:
    text = "\n".join(lines_of("Cauchy", "y=[0,0] yhat=[1,-1] information=[[1,1],[1,2]]"))
    assert "= (0, −1)\n" in text  # the exercise of the page, by hand
    assert "= (1, 1; 1, 1)\n" in text


def test_a_result_is_printed_where_the_condition_ends_alike() -> None:
    text = "\n".join(lines_of("Focal", "y=1 yhat=1"))
    assert "      pₜ = ŷ   if y = 1\n         = 1\n" in text
    assert "      s = 1   if y = 1\n\n" in text


def test_classes_in_columns_are_announced() -> None:
    said = "A row is a class, as on the page. In what you gave a class is a column."
    assert said in lines_of("GeneralizedDice", "y=1,0;0,1 yhat=0.5,0.2;0.5,0.8")
    assert said not in lines_of("GeneralizedDice", "y=1,0;0,1 yhat=0.5,0.2;0.5,0.8 axis=0")


def test_the_command_of_the_last_line_is_in_one_piece() -> None:
    for name, words in (("Huber", "y=0 yhat=3"), ("BinaryCrossEntropyWithLogits", "y=1 yhat=3")):
        assert lines_of(name, words)[-1] == f"  reflosses show {name}"


def test_without_proofs_the_text_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several_ways, "certify", lacking)
    lines = lines_of("Huber", "y=0 yhat=3")
    assert sum("pip install 'reflosses[truth]'" in line for line in lines) == 3


@pytest.mark.parametrize("proofs", [True, False])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BinaryCrossEntropyWithLogits", "y=1 yhat=200"),  # a difference quotient in 120 digits has lost e^−200 …
        ("BinaryCrossEntropyWithLogits", "y=1 yhat=745"),  # … and 1 + e^−745 is 1; subnormal results are rounded
        ("Focal", "y=0 yhat=0"),  # the quotient is 1e-60, the derivative 0
        ("Cauchy", "y=0 yhat=1"),
        ("BinaryCrossEntropy", "y=0.999999999999 yhat=0.999999999999"),  # the quotient is 3e-37
        ("BinaryCrossEntropy", "y=1 yhat=0"),  # ∞
    ],
)
def test_right_numbers_are_not_called_wrong(
    name: str, words: str, proofs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not proofs:
        monkeypatch.setattr(several_ways, "certify", lacking)
    ours = [line for line in lines_of(name, words) if line.strip().startswith(f"{name}.")]
    assert len(ours) == 3
    assert not [line for line in ours if "no digit is right" in line or "off by" in line]


def test_a_number_that_120_digits_are_too_few_for_is_told() -> None:
    pytest.importorskip("flint")
    lines = lines_of("BinaryCrossEntropyWithLogits", "y=1 yhat=745")
    pages = [line.split() for line in lines if line.strip().startswith("page in 120 digits")]
    assert pages == [["page", "in", "120", "digits", "0", "120", "digits", "are", "too", "few", "here"]] * 3


def test_a_step_is_not_smaller_than_floats_are_apart() -> None:
    lines = lines_of("BinaryCrossEntropy", "y=1 yhat=0.999999999999")
    assert sum(line.split()[-4:] == ["too", "near", "the", "end"] for line in lines) == 2


def test_a_quotient_of_infinite_losses_has_no_value() -> None:
    lines = lines_of("SparseCategoricalCrossEntropy", "y=1 yhat=0.5,0,0.5", 160)
    below = lines[lines.index("gradient by p") :]
    (row, *_) = [line for line in below if line.startswith("  j = 0")]
    assert row.split()[-2:] == ["no", "value"]


def test_a_product_that_a_factor_0_ends_is_added_to_a_vector() -> None:
    words = "y=-1e15,0.35541692525309165,0.1 yhat=0.9045064647576851,0.1,1e-15 reduction=mean"
    assert "Step by step" in lines_of("Cauchy", words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("Hubber y=1 yhat=2", "did you mean Huber?"),
        ("Huber y=1", "yhat, the prediction, is missing"),
        ("Huber yhat=1", "y, the target, is missing"),
        ("Huber y=1 yhat=abc", "yhat='abc': no numbers"),
        ("Huber y=1 yhat=[1,", "no numbers"),
        ("Huber y=1 yhat=", "no numbers"),
        ("Huber y=1;2,3 yhat=1", "no numbers"),
        ("Huber y=1 y=2 yhat=1", "y is given twice"),
        ("Huber y=1,2 yhat=1", "they must be equal"),
        ("Huber y=1 yhat=1 dleta=2", "did you mean delta?"),
        ("Huber y=1 yhat=1 delta=-2", "delta is -2"),
        ("Huber y=1 yhat=1 word", "'word' is not KEY=VALUE"),
        ("Huber y=nan yhat=1", "y holds nan"),
        ("Huber y=0 yhat=1e300", "yhat holds 1e+300"),
        ("Huber y=1,2,3,4,5,6,7,8,9 yhat=1,2,3,4,5,6,7,8,9", "y has 9 numbers"),
        ("BinaryCrossEntropy y=1 yhat=1.2", "not a probability"),
        ("CrossEntropy y=5 yhat=1,2", "not a class index"),
        ("CrossEntropy y=255 yhat=1,2 ignore_index=255", "which is ignored"),
        ("GeneralizedDice y=1,0 yhat=1,0", "a row for each pixel"),
        ("Dice y=1,0;0,1 yhat=1,0;0,1", "is about one row"),
    ],
)
def test_wrong_input_is_misuse_with_a_reason(words: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["show", *words.split()])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


def test_a_long_text_is_refused_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="y has 2000001 characters"):
        inputs_of("Huber", ["y=" + "1," * 10**6 + "1", "yhat=1"])


def test_the_command_prints_the_example(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["show", "Huber", "y=0", "yhat=3", "delta=2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Step by step" in lines
    assert max(map(len, lines)) <= 60
