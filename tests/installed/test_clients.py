"""The clients of derivations/programs.md in C, JavaScript and Rust, and wrong ones beside their twins in Python."""

import re
import shlex
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client_programs import NAIVE, built, client, naive
from program_speed import bfloat16

from reflosses import BinaryCrossEntropyWithLogits, Huber, Program, check, exhaust
from reflosses.__main__ import main
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import Comparison

HUBER, LOGITS = Huber(delta=0.7, reduction="none"), BinaryCrossEntropyWithLogits(reduction="none")


def doubled(y: Any, yhat: Any) -> Any:
    """A Huber loss without its ½."""
    r = yhat - y
    return np.where(abs(r) <= 0.7, r * r, 0.7 * (abs(r) - 0.35)), np.clip(r, -0.7, 0.7)


@pytest.mark.parametrize(("kind", "dtype"), [("c", "float64"), ("js", "float64"), ("js", "float32"), ("rs", "float64")])
def test_a_right_client_is_right_in_lines_and_in_bytes(kind: str, dtype: str, tmp_path: Path) -> None:
    with closing(Program(built(tmp_path / kind, kind))) as asked:
        result = check(asked, HUBER, dtype=dtype, level="range")
        assert result.ok, result.message()
        assert result.holds == ("formula", "digits", "range")
        y, yhat = np.zeros(2000), np.resize(FORMATS[dtype].round([0.25, -3.0, 1e-40, 1e30, np.inf, np.nan]), 2000)
        large, small = asked.ask(y, yhat), asked.ask(y[:6], yhat[:6])
        for found, few in ((large.value, small.value), (large.grad, small.grad)):
            assert np.array_equal(found, np.resize(few, 2000), equal_nan=True)
        assert (small.value[0], small.grad[0]) == (0.03125, 0.25)  # ½ (¼)², ¼
        assert asked.ask(y[:0], yhat[:0])[:2][0].shape == (0,)


def told(result: Comparison) -> tuple[Any, ...]:
    """All that a report says in words. Two logarithms differ in their last digits, and so do the numbers in it."""
    words = partial(re.sub, r"\d[\d.]*(e[-+]\d+)?", "#")
    found = [(d.level, d.regime, d.what, d.verdict) for d in result.worst]
    asked = [(row.regime, row.value.points, row.gradient.points) for row in result.rows]
    return result.ok, result.holds, words(result.diagnosis), [*map(words, result.limits)], found, asked


@pytest.mark.parametrize("kind", NAIVE)
def test_a_naive_cross_entropy_is_named_as_its_twin_is(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = built(tmp_path / kind, kind, client(kind, NAIVE[kind]))
    with closing(Program(command)) as asked:
        result = check(asked, LOGITS, level="range")
    assert told(result) == told(check(naive, LOGITS, level="range"))
    assert result.diagnosis.startswith("It takes the logarithms of σ(z) and 1 − σ(z), which are 0 far out")
    loss = ["--loss", "BinaryCrossEntropyWithLogits", "reduction=none"]
    assert main(["check", "--command", shlex.join(command), "--level", "digits", "--format", "markdown", *loss]) == 1
    assert result.diagnosis in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "half"), [("c", "a * a / 2"), ("js", "(a * a) / 2"), ("rs", "a * a / 2.0")])
def test_a_forgotten_half_is_named_as_its_twin_is(kind: str, half: str, tmp_path: Path) -> None:
    source = client(kind)
    assert source.count(half) == 1
    with closing(Program(built(tmp_path / kind, kind, source.replace(half, "a * a")))) as asked:
        result = check(asked, HUBER)
    assert told(result) == told(check(doubled, HUBER))
    assert result.diagnosis.startswith("It has the right gradient; its value is twice what is due where |r| ≤ delta")


def test_every_bfloat16_of_a_client_is_judged(tmp_path: Path) -> None:
    right, wrong = bfloat16(), bfloat16().replace("r > 0.7f ?", "r > 1.5f ?")  # the slope from 0.7 to 1.5
    for name, source in {"right": right, "wrong": wrong}.items():
        with closing(Program(built(tmp_path / name, "c", source, real="uint16_t"))) as asked:
            census = exhaust(asked, HUBER)
        assert census.ok == (name == "right"), census.to_markdown()
        assert {target.value.asked for target in census.targets} == {65_280}
