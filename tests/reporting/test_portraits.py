"""What `portrait` refuses, before anybody is asked."""

import sys

import pytest

import reflosses
from reflosses.__main__ import main
from reflosses.comparison.verdict import VERDICTS
from reflosses.reporting.figure import COLOURS
from reflosses.reporting.tables import MARKS

LOSS = reflosses.Huber(reduction="none")


def never(y, yhat):
    raise AssertionError("nobody should be asked")


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"a portrait needs matplotlib: pip install 'reflosses\[plot\]'"):
        reflosses.portrait(never, LOSS)


@pytest.mark.parametrize(
    ("candidates", "options", "kind", "text"),
    [
        (never, {"out": "figure.pdf"}, ValueError, "out is 'figure.pdf', which ends neither with .svg nor with .png"),
        (never, {"out": "not/there/figure.svg"}, ValueError, "in a folder that is not there"),
        ([], {}, ValueError, "candidates are none"),
        ([never, 3], {}, TypeError, "the candidate 3 is 3, not a callable"),
        ({"mine": "never"}, {}, TypeError, "the candidate mine is 'never', not a callable"),
        ("never", {}, TypeError, "the candidate 'never' is 'never', not a callable"),
    ],
)
def test_wrong_arguments(candidates, options, kind, text):
    with pytest.raises(kind, match=f"portrait: .*{text}"):
        reflosses.portrait(candidates, LOSS, **options)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--out", "figure.pdf"], "ends neither with .svg nor with .png"),
        (["--out", "figure.svg", "--dtype", "bfloat"], "did you mean bfloat16?"),
        (["--out", "figure.svg", "--dtype", "float64"], "float64 has too many numbers; there are float32"),
        (["--out", "figure.svg", "--dtype", "float16,float32"], "a figure has one dtype"),
        (["--out", "figure.svg", "--y", "0,one"], "'0,one' is no number, nor several"),
        ([], "the following arguments are required: --out"),
    ],
)
def test_wrong_words_of_the_command_line(words, text, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["portrait", "mine:huber", "--loss", "Huber", *words])
    assert stop.value.code == 2
    assert text in capsys.readouterr().err


def test_every_verdict_has_a_colour_and_a_mark():
    assert set(COLOURS) == set(VERDICTS) == set(MARKS) - {"right", ""}
    assert len({COLOURS[v] for v in VERDICTS}) == len({MARKS[v] for v in VERDICTS}) == len(VERDICTS)
