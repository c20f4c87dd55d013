"""The promised bounds: the class owns its numbers, this table is their witness, and the pages print them.

Value, gradient and curvature in ulps. Where a bound depends on a parameter, there is one row for each of some values of
it. A bound that a class loosens turns a test red here.
"""

import re
from pathlib import Path
from typing import Any

import pytest

import reflosses
from reflosses.catalogue import examples, losses

ROOT = Path(__file__).resolve().parent.parent

PROMISES: dict[str, tuple[float, ...]] = {  # the largest error of value and gradient, in ulps
    "BinaryCrossEntropy": (4, 5),
    "BinaryCrossEntropyWithLogits": (4, 5),
    "Cauchy": (4, 5),
    "CrossEntropy": (4, 16),
    "Dice": (6, 8),
    "Focal": (6, 6),  # for gamma ≤ 5; beyond, 6 + 2 gamma: see below
    "FocalWithLogits": (6, 6),
    "GeneralizedDice": (6, 8),
    "Hinge": (4, 5),
    "Huber": (4, 5),
    "IoU": (6, 8),
    "MeanAbsoluteError": (4, 5),
    "MeanSquaredError": (4, 5),
    "NegativeLogLikelihood": (4, 16),
    "SparseCategoricalCrossEntropy": (4, 16),
    "WeightedCrossEntropy": (4, 5),
}

# The focal losses: 6 for gamma ≤ 5, and 6 + 2 gamma beyond.
BY_GAMMA = {0.0: 6, 1e-6: 6, 2.0: 6, 5.0: 6, 5.5: 17, 7.0: 20, 30.0: 66, 1e6: 2_000_006}


def promise(loss: Any) -> tuple[float, ...]:
    """The row of a loss with its parameters."""
    row = PROMISES[type(loss).__name__]
    return (BY_GAMMA[loss.gamma],) * len(row) if loss.__class__.__name__.startswith("Focal") and loss.gamma > 5 else row


def test_every_loss_has_a_row() -> None:
    assert set(PROMISES) == set(losses())


@pytest.mark.parametrize("loss", [loss for cls in losses().values() for loss in examples(cls)], ids=str)
def test_a_class_promises_what_its_row_says(loss: Any) -> None:
    assert tuple(loss.bounds) == promise(loss)


@pytest.mark.parametrize("gamma", BY_GAMMA)
@pytest.mark.parametrize("cls", [reflosses.Focal, reflosses.FocalWithLogits])
def test_the_bounds_of_the_focal_losses_grow_with_gamma(cls: Any, gamma: float) -> None:
    assert set(cls(gamma=gamma).bounds) == {BY_GAMMA[gamma]}


def test_the_readme_prints_the_table() -> None:
    """One line: the bounds of most losses, and those of the others in brackets."""
    text = (ROOT / "README.md").read_text("utf-8")
    (line,) = [line for line in text.splitlines() if "every value within" in line]
    printed = re.search(r"value within (\d+) ulp and every gradient within (\d+) ulp", line)
    rows = re.search(r"class-axis gradients (\d+)", line)
    focal = re.search(r"focal (\d+) and (\d+), or 6 \+ 2γ for γ > 5", line)
    overlaps = re.search(r"overlaps with hard targets (\d+) and (\d+)", line)
    assert printed
    assert rows
    assert focal
    assert overlaps
    most, of_rows, of_focal, of_overlaps = (tuple(map(int, m.groups())) for m in (printed, rows, focal, overlaps))
    for name, (value, grad, *_) in PROMISES.items():
        if name.startswith("Focal"):
            expected = of_focal
        elif name in ("Dice", "IoU", "GeneralizedDice"):
            expected = of_overlaps
        elif name in ("CrossEntropy", "NegativeLogLikelihood", "SparseCategoricalCrossEntropy"):
            expected = (most[0], *of_rows)
        else:
            expected = most
        assert (value, grad) == expected, name


PRINTED = re.compile(r"worst\.value\.ulp <= ([\d.]+), worst\.grad\.ulp <= ([\d.]+)")
IN_WORDS = re.compile(
    r"(?:where|promised|promise,|promises,|exceed) (\d+) (?:ulp|are\s+promised)|(\d+) ulp\s+are promised"
)


@pytest.mark.parametrize("name", PROMISES)
def test_a_page_claims_what_the_table_says(name: str) -> None:
    """Where a page runs a sweep, it holds the loss to its promise, or to less; in words it names the promise."""
    stem = losses()[name].__module__.rpartition(".")[2]
    text = (ROOT / "derivations" / f"{stem}.md").read_text("utf-8")
    for found in PRINTED.finditer(text):
        value, grad = map(float, found.groups())
        assert value <= PROMISES[name][0]
        assert grad <= PROMISES[name][1]
    for found in IN_WORDS.finditer(text):
        assert float(found[1] or found[2]) in PROMISES[name], found[0]
