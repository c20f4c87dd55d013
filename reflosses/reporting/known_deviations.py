"""A list of known deviations, in a TOML file that belongs to the project that uses the functions.

    [[deviation]]
    function = "torch.huber_loss"        # with any parameters; or "torch.huber_loss(delta=0.375)"
    dtype = ["float16", "bfloat16"]      # any of these; "*" fits all
    regime = "F"
    what = "value"                       # or "gradient"
    verdict = "overflow"
    reason = "squares before it compares"  # optional

A deviation that is not listed is reported if it is of a level that is asked for. An entry whose deviation has vanished
is reported too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import Any, NamedTuple

from reflosses.comparison.battery import REGIMES
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import Comparison, Deviation
from reflosses.comparison.verdict import VERDICTS
from reflosses.frameworks.function import all_functions, near
from reflosses.reporting.asked import read_toml

ALLOWED = {"dtype": tuple(FORMATS), "regime": tuple(REGIMES), "what": ("value", "gradient"), "verdict": VERDICTS}
KEYS = ("function", *ALLOWED)


class Found(NamedTuple):
    """A deviation and its result."""

    result: Comparison
    deviation: Deviation

    def __str__(self) -> str:
        return f"{self.result.name}, {self.result.dtype}: {self.deviation}"

    @property
    def key(self) -> tuple[str, ...]:
        """The words that an entry compares, in the order of KEYS."""
        d = self.deviation
        return self.result.name, self.result.dtype, d.regime, d.what, d.verdict


@dataclass(frozen=True)
class KnownDeviation:
    """One entry of a list: the alternatives of each key, where "*" fits everything. place: its file and line."""

    function: tuple[str, ...]
    dtype: tuple[str, ...]
    regime: tuple[str, ...]
    what: tuple[str, ...]
    verdict: tuple[str, ...]
    reason: str = ""
    place: str = ""

    def __str__(self) -> str:
        *asked, verdict = ("|".join(getattr(self, key)) for key in KEYS)
        return f"{', '.join(asked)}: {verdict}" + (f" ({self.place})" if self.place else "")

    def lists(self, words: Iterable[str]) -> bool:
        """Whether the entry lists a deviation with these words, in the order of KEYS. A question has no verdict."""
        return all({x, _bare(x), "*"} & set(getattr(self, key)) for key, x in zip(KEYS, words, strict=False))

    def was_asked(self, questions: Iterable[tuple[str, ...]]) -> bool:
        """Whether each of its alternatives was asked. Only then can it have vanished."""
        own = [words for words in questions if self.lists(words)]
        seen = [{*column, *map(_bare, column), "*"} for column in zip(*own, strict=True)]
        return bool(own) and all(set(getattr(self, key)) <= words for key, words in zip(KEYS, seen, strict=False))


def _bare(function: str) -> str:
    """The name of a result without its parameters."""
    return function.partition("(")[0]


def unexpected(
    results: Iterable[Comparison], known: Iterable[KnownDeviation]
) -> tuple[list[Found], list[KnownDeviation]]:
    """Deviations of the levels asked for that no entry lists, and entries that have vanished."""
    results, known = list(results), list(known)
    found = [Found(r, d) for r in results for d in r.failing]
    return [f for f in found if not any(entry.lists(f.key) for entry in known)], vanished_of(results, known)


def vanished_of(results: Iterable[Comparison], known: Iterable[KnownDeviation]) -> list[KnownDeviation]:
    """The entries of which all alternatives were asked, and which no deviation of any level matches."""
    results = list(results)
    found = [Found(r, d) for r in results for d in r.worst]
    questions = {
        (r.name, r.dtype, row.regime, what)
        for r in results
        for row in r.rows
        for what in ALLOWED["what"]
        if getattr(row, what).points
    }
    return [e for e in known if e.was_asked(questions) and not any(e.lists(f.key) for f in found)]


# ---- the file --------------------------------------------------------------------------------------------------------


def read(path: str | PathLike[str]) -> list[KnownDeviation]:
    """The entries of a file. OSError: it cannot be read. ValueError: it is not a list of known deviations."""
    whole, text = read_toml(path)
    entries = whole.pop("deviation", [])
    if whole:
        raise ValueError(f"{path}: {next(iter(whole))!r} is not known here; entries start with [[deviation]]")
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ValueError(f"{path}: entries start with [[deviation]]")
    starts = re.compile(r"\s*\[\[\s*deviation\s*\]\]")
    places = [f"line {n}" for n, line in enumerate(text.split("\n"), 1) if starts.match(line)]
    if len(places) != len(entries):  # written in another way, such as deviation = [{…}]
        places = [f"entry {n}" for n, _ in enumerate(entries, 1)]
    return [_entry(e, f"{path}, {place}") for e, place in zip(entries, places, strict=True)]


def _entry(given: dict[str, Any], place: str) -> KnownDeviation:
    for key in given:
        if key not in (*KEYS, "reason"):
            raise ValueError(f"{place}: {key!r} is not known; an entry has {', '.join(KEYS)}, reason")
    for key in KEYS:
        if key not in given:
            raise ValueError(f"{place}: {key!r} is missing")
    if not isinstance(given.get("reason", ""), str):
        raise ValueError(f"{place}: reason is {given['reason']!r}, not a string")
    columns = {key: _alternatives(key, given[key], place) for key in KEYS}
    return KnownDeviation(**columns, reason=given.get("reason", ""), place=place)


def _alternatives(key: str, given: Any, place: str) -> tuple[str, ...]:
    alternatives = given if isinstance(given, list) else [given]
    if not alternatives or not all(isinstance(x, str) for x in alternatives):
        raise ValueError(f"{place}: {key} is {given!r}, neither a string nor a list of strings")
    for x in alternatives:
        if x != "*" and x not in ALLOWED.get(key, (x,)):
            raise ValueError(f"{place}: {key} is {x!r}, not one of {', '.join(ALLOWED[key])}, *")
        if key == "function" and (close := _misspelt(_bare(x))) is not None:
            raise ValueError(f"{place}: no function {x!r} is known" + (f"; {close} is" if close else ""))
    return tuple(alternatives)


def _misspelt(name: str) -> str | None:
    """None if the framework has this function. Otherwise the nearest name that it has, or "" if none is near."""
    names = [function.name for _, function in all_functions()]
    prefix = name.partition(".")[0] + "."
    known = name in names or not any(other.startswith(prefix) for other in names)
    return None if known else near(name)


def dump(results: Iterable[Comparison]) -> str:
    """The text of a file that lists the deviations of these results, and nothing else."""
    entries = ["# Known deviations. An entry whose deviation is gone must go, too.\n"]
    seen = set()
    for result in results:
        for d in result.worst:
            words = Found(result, d).key
            if words not in seen:
                seen.add(words)
                comment = re.sub(r"[\x00-\x1f\x7f]+", " ", str(d))  # on one line, without control characters
                lines = [f"# {comment}", "[[deviation]]"]
                lines += [f"{key} = {_string(x)}" for key, x in zip(KEYS, words, strict=True)]
                lines += [f"reason = {_string(result.diagnosis)}"] if result.diagnosis else []
                entries.append("\n".join(lines) + "\n")
    return "\n".join(entries).encode("utf-8", "replace").decode()


def _string(text: str) -> str:
    """A string of TOML: as in JSON, with one more character escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
