"""Known deviations, in a file that belongs to whoever uses the functions that deviate.

    [[deviation]]
    function = "torch.huber_loss"        # whatever its parameters; or "torch.huber_loss(delta=0.375)"
    dtype = ["float16", "bfloat16"]      # any of these; "*" is whatever is asked
    regime = "F"
    what = "value"                       # or "gradient"
    verdict = "overflow"
    reason = "squares before it compares"  # may be left out

What deviates and is not listed is news; so is what is listed and does not deviate any more.
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
from reflosses.frameworks.function import frameworks, near

KNOWN = {"dtype": tuple(FORMATS), "regime": tuple(REGIMES), "what": ("value", "gradient"), "verdict": VERDICTS}
KEYS = ("function", *KNOWN)
ASKED = KEYS[:-1]  # what a question has; the verdict is the answer


class Question(NamedTuple):
    """What was asked: a result's name, a dtype, a regime, values or gradients."""

    function: str
    dtype: str
    regime: str
    what: str


class Found(NamedTuple):
    """A deviation, and the result that it is of."""

    result: Comparison
    deviation: Deviation

    @property
    def question(self) -> Question:
        """What was asked."""
        return Question(self.result.name, self.result.dtype, self.deviation.regime, self.deviation.what)

    def __str__(self) -> str:
        return f"{self.result.name}, {self.result.dtype}: {self.deviation}"


@dataclass(frozen=True)
class Expected:
    """One entry: for each key the alternatives, "*" among them if all fit. place: where it stands."""

    function: tuple[str, ...]
    dtype: tuple[str, ...]
    regime: tuple[str, ...]
    what: tuple[str, ...]
    verdict: tuple[str, ...]
    reason: str = ""
    place: str = ""

    def __str__(self) -> str:
        told = ", ".join("|".join(getattr(self, key)) for key in ASKED)
        return f"{told}: {'|'.join(self.verdict)}" + (f" ({self.place})" if self.place else "")

    def matches(self, found: Found) -> bool:
        """Whether it expects that deviation."""
        return self._asks(found.question) and _fits(self.verdict, found.deviation.verdict)

    def _asks(self, question: Question) -> bool:
        function, *rest = question
        named = _fits(self.function, function) or _fits(self.function, _bare(function))
        return named and all(_fits(getattr(self, key), x) for key, x in zip(ASKED[1:], rest, strict=True))

    def asked(self, questions: Iterable[Question]) -> bool:
        """Whether each of its alternatives was asked: then, and only then, it can have vanished."""
        own = [q for q in questions if self._asks(q)]
        if not own:
            return False
        functions, *rest = (set(column) for column in zip(*own, strict=True))
        seen = (functions | {_bare(f) for f in functions}, *rest)
        return all(set(getattr(self, key)) - {"*"} <= s for key, s in zip(ASKED, seen, strict=True))


def _bare(function: str) -> str:
    """A result's name without its parameters."""
    return function.partition("(")[0]


def _fits(alternatives: tuple[str, ...], x: str) -> bool:
    return x in alternatives or "*" in alternatives


def unexpected(results: Iterable[Comparison], expected: Iterable[Expected]) -> tuple[list[Found], list[Expected]]:
    """Deviations that no entry expects, and entries whose deviation has vanished.

    An entry has vanished if all its alternatives were asked, and nothing deviated as it says.
    """
    results, expected = list(results), list(expected)
    found = [Found(r, d) for r in results for d in r.worst]
    questions = {
        Question(r.name, r.dtype, row.regime, what)
        for r in results
        for row in r.rows
        for what in KNOWN["what"]
        if getattr(row, what).points
    }
    unlisted = [f for f in found if not any(e.matches(f) for e in expected)]
    return unlisted, [e for e in expected if e.asked(questions) and not any(e.matches(f) for f in found)]


# ---- the file --------------------------------------------------------------------------------------------------------


def read(path: str | PathLike[str]) -> list[Expected]:
    """The entries of a file. Raises OSError if it cannot be read, ValueError if it does not say what it should."""
    try:
        text = Path(path).read_text("utf-8-sig")
        whole = tomllib.loads(text)
    except ValueError as error:  # no TOML, or no UTF-8
        raise ValueError(f"{path}: {error}") from None
    entries = whole.pop("deviation", [])
    if whole:
        raise ValueError(f"{path}: {next(iter(whole))!r} is not known here; entries start with [[deviation]]")
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ValueError(f"{path}: entries start with [[deviation]]")
    lines = [n for n, line in enumerate(text.split("\n"), 1) if re.match(r"\s*\[\[\s*deviation\s*\]\]", line)]
    places = [f"line {n}" for n in lines]
    if len(places) != len(entries):  # written otherwise
        places = [f"entry {n}" for n, _ in enumerate(entries, 1)]
    return [_entry(e, f"{path}, {place}") for e, place in zip(entries, places, strict=True)]


def _entry(given: dict[str, Any], place: str) -> Expected:
    for key in given:
        if key not in (*KEYS, "reason"):
            raise ValueError(f"{place}: {key!r} is not known; an entry has {', '.join(KEYS)}, reason")
    for key in KEYS:
        if key not in given:
            raise ValueError(f"{place}: {key!r} is missing")
    if not isinstance(given.get("reason", ""), str):
        raise ValueError(f"{place}: reason is {given['reason']!r}, not a string")
    columns = {key: _alternatives(key, given[key], place) for key in KEYS}
    return Expected(**columns, reason=given.get("reason", ""), place=place)


def _alternatives(key: str, given: Any, place: str) -> tuple[str, ...]:
    alternatives = given if isinstance(given, list) else [given]
    if not alternatives or not all(isinstance(x, str) for x in alternatives):
        raise ValueError(f"{place}: {key} is {given!r}, neither a string nor a list of strings")
    for x in alternatives:
        if x != "*" and x not in KNOWN.get(key, (x,)):
            raise ValueError(f"{place}: {key} is {x!r}, not one of {', '.join(KNOWN[key])}, *")
        if key == "function" and (close := _misspelt(_bare(x))) is not None:
            raise ValueError(f"{place}: no function {x!r} is known" + (f"; {close} is" if close else ""))
    return tuple(alternatives)


def _misspelt(name: str) -> str | None:
    """For a function that its framework does not have, the nearest that it has ("" if none is near); else None."""
    names = [function.name for framework in frameworks() for function in framework.functions]
    prefix = name.partition(".")[0] + "."
    if name in names or not any(known.startswith(prefix) for known in names):
        return None
    return near(name)


def dump(results: Iterable[Comparison]) -> str:
    """A file that expects what these results have, and nothing else."""
    entries = ["# Known deviations. An entry whose deviation is gone must go, too.\n"]
    seen = set()
    for result in results:
        for d in result.worst:
            found = Found(result, d)
            entry = dict(zip(KEYS, (*found.question, d.verdict), strict=True))
            if tuple(entry.values()) not in seen:
                seen.add(tuple(entry.values()))
                lines = [f"# {_printable(str(d))}", "[[deviation]]", *(f"{k} = {_string(v)}" for k, v in entry.items())]
                lines += [f"reason = {_string(result.diagnosis)}"] if result.diagnosis else []
                entries.append("\n".join(lines) + "\n")
    return "\n".join(entries).encode("utf-8", "replace").decode()


def _string(text: str) -> str:
    """A string of TOML: that of JSON, but for one character that TOML wants escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _printable(text: str) -> str:
    """A text for one line of a comment."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)
