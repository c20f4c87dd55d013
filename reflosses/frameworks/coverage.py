"""The losses that an installed framework offers, and whether each has a row.

`Framework.offers` says where a framework keeps its losses. Each name there is of one of four kinds: it has a row; it
equals a loss of ours, and has no row; it is no loss of ours; or it is on no list, because a new version of the
framework brought it. A class and a function of one name, such as MeanSquaredError and mean_squared_error, are one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module

from reflosses.frameworks.function import Framework, Offer, frameworks

KINDS = ("mapped", "without a row", "not ours", "unlisted")
LANES = 2  # frameworks that are imported at the same time, each in a process of its own
LIMIT = 120.0  # seconds for the import of a framework
ASK = "import json, sys; from reflosses.frameworks.coverage import offered; print(json.dumps(offered(sys.argv[1])))"


@dataclass(frozen=True)
class Coverage:
    """The losses of a framework, by kind. error: why they could not be found, or ""."""

    framework: str
    version: str
    losses: Mapping[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    error: str = ""

    @property
    def complete(self) -> bool:
        """Whether every loss that was found is on a list."""
        return not self.error and not self.losses["unlisted"]

    @property
    def absent(self) -> bool:
        """Whether the framework lacks a package that it needs, such as Keras without JAX."""
        return self.error.startswith("ModuleNotFoundError")

    @property
    def counts(self) -> tuple[int, ...]:
        """How many losses there are, and how many of each kind."""
        each = [len(self.losses[kind]) for kind in KINDS]
        return sum(each), *each


def coverage(names: Iterable[str]) -> list[Coverage]:
    """The coverage of these frameworks, which must be installed, each imported in a process of its own."""
    chosen = [framework for framework in frameworks() if framework.name in set(names) and framework.offers]
    with ThreadPoolExecutor(LANES) as lanes:
        return list(lanes.map(_covered, chosen))


def _covered(framework: Framework) -> Coverage:
    version = str(framework.version)
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", ASK, framework.name], capture_output=True, text=True, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return Coverage(framework.name, version, error=f"no answer within {LIMIT:g} s")
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip() or f"its process ended with status {done.returncode}").splitlines()[-1]
        return Coverage(framework.name, version, error=last)
    return sorted_by_kind(framework, json.loads(lines[-1]))


# ---- what there is ---------------------------------------------------------------------------------------------------


def offered(name: str) -> list[str]:
    """The full names of all losses of a framework, which is imported here."""
    (framework,) = [framework for framework in frameworks() if framework.name == name]
    own = vars(import_module(f"reflosses.frameworks.{name}"))
    names = {**own, **framework.names}
    found = sorted((full for offer in framework.offers for full in _names(offer, names)), reverse=True)
    return sorted({_alike(full): full for full in found}.values())


def _names(offer: Offer, names: dict[str, object]) -> list[str]:
    """The full names of the losses in one place."""
    there = eval(offer.names or f"dir({offer.where})", names)
    found = [name for name in there if re.search(offer.pattern, name) and name not in offer.others.split()]
    return [f"{offer.where}{offer.dot}{name}" for name in found]


# ---- of which kind it is ---------------------------------------------------------------------------------------------


def sorted_by_kind(framework: Framework, found: Iterable[str]) -> Coverage:
    """The losses that were found, by kind."""
    rows = {_alike(name) for function in framework.functions for name in _named_in_row(function.name, function.code)}
    equal = {_alike(name) for key in framework.without_row for name in names_of(key)}
    others = {_alike(name) for key in framework.not_covered for name in names_of(key)}
    losses: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in found:
        lists = zip(KINDS, (rows, equal, others), strict=False)
        losses[next((kind for kind, known in lists if _alike(name) in known), KINDS[-1])].append(name)
    return Coverage(framework.name, str(framework.version), losses)


def _named_in_row(name: str, code: str) -> set[str]:
    """The row's name, that without its last words, and the dotted names in its call with all their first parts."""
    dotted = [word.split(".") for word in re.findall(r"[A-Za-z_][\w.]*", code)]
    return {name, name.partition(" ")[0], *(".".join(parts[:n]) for parts in dotted for n in range(1, len(parts) + 1))}


def names_of(key: str) -> list[str]:
    """The functions that an entry of a list names: "a.f, g" is a.f and a.g, and "a.f with h" is a.f too."""
    parts = key.split(", ")
    place = re.match(r"[\w.]*\.", key)
    whole = [part if "." in part or not place else f"{place[0]}{part}" for part in parts]
    return [*whole, *(name.partition(" ")[0] for name in whole)]


def _alike(name: str) -> str:
    """A name as it is compared: a class and a function of one name are one."""
    return name.replace("_", "").lower()
