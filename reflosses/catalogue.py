"""Every exported loss by its name, with its parameters and its derivation page; and what a misspelt name may mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import reflosses
from reflosses.evaluation.loss import Loss


def losses() -> dict[str, type[Loss]]:
    """Every loss that `reflosses` exports, by name."""
    names = {name: getattr(reflosses, name) for name in sorted(reflosses.__all__)}
    return {
        name: cls for name, cls in names.items() if isinstance(cls, type) and issubclass(cls, Loss) and cls is not Loss
    }


def find_loss(name: str) -> type[Loss]:
    """The loss of that name; ValueError with the nearest name, or with all names if none is near."""
    known = losses()
    if name not in known:
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise ValueError(f"no loss is named {name!r}; {hint}")
    return known[name]


def build(name: str, parameters: Mapping[str, Any], also: str = "") -> Loss:
    """The loss of that name with these parameters.

    Raises ValueError for an unknown loss or a wrong parameter, TypeError for an unknown parameter; `also` ends the text
    of that error.
    """
    cls = find_loss(name)
    takes = sorted(f.name for f in fields(cls))
    for key in parameters:
        if key not in takes:
            hint = did_you_mean(key, takes)
            text = f"{name} has no parameter {key!r}; {hint}{' ' if hint else ''}it takes {', '.join(takes)}{also}"
            raise TypeError(text)
    return cls(**parameters)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The question "did you mean …?" with the nearest known word; "" if none is near.

    Case, underscores and the last word "loss" do not count. The first words of a name may be their capitals, as in BCE.
    """
    plain = {_plain(name): name for name in known}
    for name in list(plain.values()):
        words = re.findall("[A-Z][^A-Z]*", name)
        for n in range(2, len(words) + 1):
            plain.setdefault("".join([*(w[0] for w in words[:n]), *words[n:]]).lower(), name)
    near = get_close_matches(_plain(word), plain, 1, 0.7)
    return f"did you mean {plain[near[0]]}?" if near else ""


def _plain(name: str) -> str:
    return re.sub(r"[\W_]|(?<=.)loss$", "", name.lower())


def stem(cls: type[Loss]) -> str:
    """The stem of the files of a loss (code, page, test): `binary_cross_entropy` for BinaryCrossEntropy."""
    return cls.__module__.rpartition(".")[2]


def examples(cls: type[Loss], reduction: str = "none") -> Iterator[Loss]:
    """The loss with each of its example parameter sets."""
    for parameters in cls.examples:
        yield cls(**parameters, reduction=reduction)


def page(cls: type[Loss]) -> str:
    """The text of the derivation page of a loss."""
    return shipped_page(stem(cls))


def shipped_page(name: str) -> str:
    """The text of a page in derivations, such as "atlas"; FileNotFoundError if it is not there."""
    name = f"{name}.md"
    shipped = resources.files("reflosses") / "derivations" / name  # in a wheel
    beside = Path(__file__).parent.parent / "derivations" / name  # in a checkout
    return shipped.read_text("utf-8") if shipped.is_file() else beside.read_text("utf-8")


def section(cls: type[Loss], paragraph: str) -> str:
    """One labelled paragraph of the docstring of a loss, such as "Domain" or "Kinks"."""
    found = re.search(rf"^    {paragraph}\b(.*?)(?=^    [A-Z][a-z]+\b[^.\n]*?:|\Z)", cls.__doc__ or "", re.M | re.S)
    return " ".join((paragraph + found.group(1)).split()) if found else ""
