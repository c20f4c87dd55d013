"""What to write instead is one line, and it names a section that the page has."""

import pytest

from reflosses import BinaryCrossEntropy, CrossEntropy, Huber, MeanSquaredError
from reflosses.catalogue import losses, page
from reflosses.diagnosis.hypotheses import HYPOTHESES
from reflosses.diagnosis.remedies import DEFINITION, EDGES, FLOATS, FORMS, GRADIENT, LOSING, WRITE, instead


@pytest.mark.parametrize("name", losses())
def test_every_page_has_the_sections_that_are_named(name: str) -> None:
    text = page(losses()[name])
    for section in (DEFINITION, GRADIENT, FLOATS):
        assert f"\n## {section}\n" in text, section


def test_every_loss_and_every_named_hypothesis_is_known() -> None:
    assert set(FORMS) == set(losses())
    names = {h.name for h in HYPOTHESES}
    assert set(WRITE) | set(LOSING) <= names
    for start in EDGES:
        assert start == "holds losses" or any(name.startswith(start) for name in names), start


@pytest.mark.parametrize("name", losses())
def test_every_hypothesis_gets_one_short_line(name: str) -> None:
    loss = losses()[name]()
    for h in HYPOTHESES:
        line = instead(loss, [h.name])
        assert line.startswith(("Write ", "Leave ", "The formula that is due: ", "The gradient that is due: "))
        assert line.endswith(".")
        assert "\n" not in line
        assert len(line) <= 180, line


def test_what_is_said_depends_on_what_is_wrong() -> None:
    bce = BinaryCrossEntropy()
    assert instead(bce, ["log of 1 − p"]).startswith("Write log1p(-p) for log(1 - p);")
    assert instead(bce, ["log of 1 − p"]).endswith("(derivations/binary_cross_entropy.md, Floating point).")
    assert instead(Huber(), ["described"]) == "The formula that is due: derivations/huber.md, Definition and domain."
    assert instead(Huber(), ["half"]) == instead(Huber(), ["described"])
    assert instead(Huber(), ["gradient halved"]) == (
        "The gradient that is due: derivations/huber.md, The gradient, step by step."
    )
    assert instead(CrossEntropy(), ["gradient p − y"]).startswith("Write log1p of the sum of the other exponentials")
    assert instead(CrossEntropy(), ["clips at 1e-7"]).startswith("Leave the clip out: ")
    assert instead(CrossEntropy(), ["adds 1e-7 to p"]).startswith("Leave the constant out: ")
    assert instead(Huber(), ["holds losses at 30"]).startswith("Leave the cap out (derivations/huber.md")
    assert instead(Huber(), ["upstream"]).startswith("The gradient that is due: ")
    assert instead(MeanSquaredError(), ["computes in float32"]).startswith("Write the formula in the dtype of the")
    assert instead(MeanSquaredError(), level="range").startswith("Write r = yhat - y first, then r * r")
    assert instead(MeanSquaredError()).startswith("The formula that is due")


def test_a_loss_without_a_page_gets_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FORMS, "Huber")
    assert instead(Huber(), ["half"]) == ""
