"""`reflosses quiz`: a conversation at a terminal, and one answer on the command line."""

from collections.abc import Callable

import pytest

from reflosses import catalogue
from reflosses.__main__ import main
from reflosses.reporting.quiz_talk import NOT_READ, RIGHT, WRONG, Talk

Captured = pytest.CaptureFixture[str]


def typed(*lines: str) -> Callable[[str], str]:
    """A student who types these lines, and then Ctrl-D."""
    rest = iter(lines)

    def ask(prompt: str) -> str:
        try:
            return next(rest)
        except StopIteration:
            raise EOFError from None

    return ask


def conversation(name: str, *lines: str, width: int = 80) -> tuple[int, str]:
    out: list[str] = []
    status = Talk(name, out.append, width).run(typed(*lines))
    return status, "\n".join(out)


def test_a_student_who_needs_hints() -> None:
    status, out = conversation("Huber", "?", "?", "?", "?", "r +", "r", "min(1, delta/abs(r))*r")
    assert status == RIGHT
    assert "ℓ(y, ŷ) = ½ r²            if |r| < δ" in out
    assert "What is dℓ/dŷ?" in out
    places = [
        out.index(words)
        for words in (
            "Letters: y, yhat (ŷ), delta (δ), r",
            "derivations/huber.md, equation (4)",
            "the gradient is",
            "There are no more hints",
            "This cannot be read: the end stands",
            "Not yet.\n  Your answer is right where |r| < δ",
            "Right.",
        )
    ]
    assert places == sorted(places)


def test_the_end_of_the_input_shows_the_answer() -> None:
    status, out = conversation("Huber", "", "r")
    assert status == WRONG
    assert out.endswith("dℓ/dŷ = min(max(r, −δ), δ)")
    assert conversation("Cauchy")[1].splitlines()[-2:] == ["dρ/dŷ = 2 e/(1 + u)", "  u = s/δ²"]


@pytest.mark.parametrize("name", sorted(catalogue.losses()))
def test_every_question_fits_eighty_columns_and_ends_with_an_answer(name: str) -> None:
    status, out = conversation(name, "?", "?", "?")
    assert status == WRONG
    assert max(map(len, out.splitlines())) <= 80
    assert " = " in out.splitlines()[-1]
    assert chr(92) not in out


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        ("2*r", RIGHT, "Right."),
        ("-2*r", WRONG, "The sign is turned"),
        ("__import__('os')", NOT_READ, "This cannot be read"),
        ("2*rr", NOT_READ, "rr is no letter of this page.\nLetters: "),
    ],
)
def test_one_answer_on_the_command_line(answer: str, status: int, says: str, capsys: Captured) -> None:
    assert main(["quiz", "MeanSquaredError", f"--answer={answer}"]) == status
    assert says in capsys.readouterr().out


def test_an_unknown_loss_is_misuse(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["quiz", "Hubber"])
    assert stopped.value.code == 2
    assert "did you mean Huber?" in capsys.readouterr().err


def test_an_interrupt_at_the_prompt_ends_with_130(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupted)
    assert main(["quiz", "Huber"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_an_answer_may_begin_with_a_minus(capsys: Captured) -> None:
    assert main(["quiz", "Hinge", "--answer", "-y"]) == 1
    assert "Not yet." in capsys.readouterr().out
    assert main(["quiz", "Hinge", "--answer", "-y if y*yhat < 1 else 0"]) == 0


def test_nothing_is_said_twice(capsys: Captured) -> None:
    for name, answer in (("Huber", "min(1,delta/abs(r))*r*2"), ("Cauchy", "e/(1+u)")):
        assert main(["quiz", name, "--answer", answer]) == 1
        first, *_ = said = capsys.readouterr().out.splitlines()[1:]
        assert first.startswith("  A factor 2 is ")
        assert "doubles" not in " ".join(said)
        assert "halves" not in " ".join(said)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("BinaryCrossEntropyWithLogits", ["dℓ/dz = (1 − y) σ(z) − w y (1 − σ(z))   (2)", "  σ(z) = 1/(1 + e^(−z))"]),
        ("Cauchy", ["dρ/dŷ = 2 e/(1 + u)", "  u = s/δ²"]),
        ("MeanSquaredError", ["dℓ/dŷ = 2 r   (2)"]),
    ],
)
def test_the_answer_says_the_letters_that_the_question_did_not(name: str, answer: list[str]) -> None:
    assert Talk(name).answer() == answer
