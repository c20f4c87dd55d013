"""Every exported loss, with its example parameters and its derivation page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import reflosses
from reflosses.evaluation.loss import Loss


def losses() -> dict[str, type[Loss]]:
    """Every loss that `reflosses` exports, by name."""
    names = {name: getattr(reflosses, name) for name in sorted(reflosses.__all__)}
    return {
        name: cls for name, cls in names.items() if isinstance(cls, type) and issubclass(cls, Loss) and cls is not Loss
    }


def stem(cls: type[Loss]) -> str:
    """The stem of the files of a loss (code, page, test): `binary_cross_entropy` for BinaryCrossEntropy."""
    return cls.__module__.rpartition(".")[2]


def examples(cls: type[Loss], reduction: str = "none") -> Iterator[Loss]:
    """The loss with each of its example parameter sets."""
    for parameters in cls.examples:
        yield cls(**parameters, reduction=reduction)


def page(cls: type[Loss]) -> str:
    """The text of the derivation page of a loss."""
    name = f"{stem(cls)}.md"
    shipped = resources.files("reflosses") / "derivations" / name  # in a wheel
    beside = Path(__file__).parent.parent / "derivations" / name  # in a checkout
    return shipped.read_text("utf-8") if shipped.is_file() else beside.read_text("utf-8")


def section(cls: type[Loss], paragraph: str) -> str:
    """One labelled paragraph of the docstring of a loss, such as "Domain" or "Kinks"."""
    found = re.search(rf"^    {paragraph}\b(.*?)(?=^    [A-Z][a-z]+\b[^.\n]*?:|\Z)", cls.__doc__ or "", re.M | re.S)
    return " ".join((paragraph + found.group(1)).split()) if found else ""
