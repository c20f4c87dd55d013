"""A list of known deviations, in a TOML file that belongs to the project that uses the functions.

    [[deviation]]
    function = "torch.huber_loss"        # with any parameters; or "torch.huber_loss(delta=0.375)"
    dtype = ["float16", "bfloat16"]      # any of these; "*" fits all
    regime = "F"
    what = "value"                       # or "gradient"
    verdict = "overflow"
    reason = "squares before it compares"  # optional

A deviation that is not listed is reported, and so is an entry whose deviation has vanished.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from reflosses.comparison.battery import REGIMES
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import Comparison, Deviation
from reflosses.comparison.verdict import VERDICTS
from reflosses.frameworks.function import all_functions, near

ALLOWED = {"dtype": tuple(FORMATS), "regime": tuple(REGIMES), "what": ("value", "gradient"), "verdict": VERDICTS}
KEYS = ("function", *ALLOWED)


class Subject(NamedTuple):
    """What was asked: the name of a result, a dtype, a regime, and values or gradients."""

    function: str
    dtype: str
    regime: str
    what: str


class Found(NamedTuple):
    """A deviation and its result."""

    result: Comparison
    deviation: Deviation

    @property
    def subject(self) -> Subject:
        """What was asked."""
        return Subject(self.result.name, self.result.dtype, self.deviation.regime, self.deviation.what)

    def __str__(self) -> str:
        return f"{self.result.name}, {self.result.dtype}: {self.deviation}"


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
        told = ", ".join("|".join(getattr(self, key)) for key in Subject._fields)
        return f"{told}: {'|'.join(self.verdict)}" + (f" ({self.place})" if self.place else "")

    def matches(self, found: Found) -> bool:
        """Whether the entry lists that deviation."""
        return self._covers(found.subject) and _fits(self.verdict, found.deviation.verdict)

    def _covers(self, subject: Subject) -> bool:
        function, *rest = subject
        named = _fits(self.function, function) or _fits(self.function, _bare(function))
        return named and all(_fits(getattr(self, key), x) for key, x in zip(Subject._fields[1:], rest, strict=True))

    def was_asked(self, subjects: Iterable[Subject]) -> bool:
        """Whether each of its alternatives was asked. Only then can it have vanished."""
        own = [s for s in subjects if self._covers(s)]
        if not own:
            return False
        functions, *rest = (set(column) for column in zip(*own, strict=True))
        seen = (functions | {_bare(f) for f in functions}, *rest)
        return all(set(getattr(self, key)) - {"*"} <= s for key, s in zip(Subject._fields, seen, strict=True))


def _bare(function: str) -> str:
    """The name of a result without its parameters."""
    return function.partition("(")[0]


def _fits(alternatives: tuple[str, ...], x: str) -> bool:
    return x in alternatives or "*" in alternatives


def unexpected(
    results: Iterable[Comparison], known: Iterable[KnownDeviation]
) -> tuple[list[Found], list[KnownDeviation]]:
    """Deviations that no entry lists, and entries that have vanished.

    An entry has vanished if all its alternatives were asked and no deviation matches it.
    """
    results, known = list(results), list(known)
    found = [Found(r, d) for r in results for d in r.worst]
    subjects = {
        Subject(r.name, r.dtype, row.regime, what)
        for r in results
        for row in r.rows
        for what in ALLOWED["what"]
        if getattr(row, what).points
    }
    unlisted = [f for f in found if not any(entry.matches(f) for entry in known)]
    return unlisted, [e for e in known if e.was_asked(subjects) and not any(e.matches(f) for f in found)]


# ---- the file --------------------------------------------------------------------------------------------------------


def read(path: str | PathLike[str]) -> list[KnownDeviation]:
    """The entries of a file. OSError: it cannot be read. ValueError: it is not a list of known deviations."""
    try:
        text = Path(path).read_text("utf-8-sig")
        whole = tomllib.loads(text)
    except ValueError as error:  # not TOML, or not UTF-8
        raise ValueError(f"{path}: {error}") from None
    entries = whole.pop("deviation", [])
    if whole:
        raise ValueError(f"{path}: {next(iter(whole))!r} is not known here; entries start with [[deviation]]")
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ValueError(f"{path}: entries start with [[deviation]]")
    lines = [n for n, line in enumerate(text.split("\n"), 1) if re.match(r"\s*\[\[\s*deviation\s*\]\]", line)]
    places = [f"line {n}" for n in lines]
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
    if name in names or not any(known.startswith(prefix) for known in names):
        return None
    return near(name)


def dump(results: Iterable[Comparison]) -> str:
    """The text of a file that lists the deviations of these results, and nothing else."""
    entries = ["# Known deviations. An entry whose deviation is gone must go, too.\n"]
    seen = set()
    for result in results:
        for d in result.worst:
            found = Found(result, d)
            entry = dict(zip(KEYS, (*found.subject, d.verdict), strict=True))
            if tuple(entry.values()) not in seen:
                seen.add(tuple(entry.values()))
                lines = [f"# {_printable(str(d))}", "[[deviation]]", *(f"{k} = {_string(v)}" for k, v in entry.items())]
                lines += [f"reason = {_string(result.diagnosis)}"] if result.diagnosis else []
                entries.append("\n".join(lines) + "\n")
    return "\n".join(entries).encode("utf-8", "replace").decode()


def _string(text: str) -> str:
    """A string of TOML: as in JSON, with one more character escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _printable(text: str) -> str:
    """A text on one line of a comment, without control characters."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)
