"""The result of `reflosses.exhaust`: every number of a format is asked, counted and judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import inf, nan
from typing import Any

from reflosses.comparison.formats import FORMATS, Format, shortest
from reflosses.comparison.result import Comparison, listed, plain
from reflosses.evaluation.domain import Floats

LINES = 20  # runs of wrong numbers that are told, of one target and of value or gradient
BINS = 2048  # of a profile


@dataclass(frozen=True)
class Run:
    """Neighbouring numbers from `first` to `last`, of which `count` have one verdict. level: what they are about."""

    verdict: str
    first: float
    last: float
    count: int
    numbers: int
    level: str = ""

    def holds(self, x: float) -> bool:
        """Whether a number is one of them, or between them."""
        return self.first <= x <= self.last

    def at_level(self, level: str) -> Run:
        """The same run, with its level."""
        return replace(self, level=level)


@dataclass(frozen=True)
class LargestError:
    """The largest error in ulps, the number at which it is, the answer and the exact result."""

    ulp: float
    number: float
    got: float
    exact: float
    line: str


@dataclass
class Profile:
    """The numbers in their order, in BINS equal parts: the largest error and the worst verdict of each.

    Between ½ and 1, where probabilities end, there are more parts.

    verdict: an index of VERDICTS; −1 where every number is right. first: the first number of each part.
    """

    first: Floats
    ulps: Floats
    verdict: Any


@dataclass
class Counted:
    """All values, or all gradients, of one target.

    undecided: answers of which nobody knows whether they are correctly rounded. falls: neighbours whose answers go the
    other way than the exact results; the first of them is at `falls_at`.
    """

    asked: int = 0
    right: int = 0
    correctly_rounded: int = 0
    undecided: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    worst: LargestError | None = None
    runs: list[Run] = field(default_factory=list)
    falls: int = 0
    falls_at: float = nan
    profile: Profile | None = field(default=None, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether every number is right."""
        return self.right == self.asked


@dataclass
class CountedTarget:
    """One target, as the census names it, and what it counted. letter: the name of the prediction in its sentences."""

    name: str
    letter: str
    value: Counted = field(default_factory=Counted)
    gradient: Counted = field(default_factory=Counted)

    def columns(self) -> Iterator[tuple[str, Counted]]:
        """Value and gradient, as far as they were asked."""
        yield from ((what, c) for what, c in (("value", self.value), ("gradient", self.gradient)) if c.asked)


@dataclass
class Census:
    """What `exhaust` found. found: the comparison that tells levels, with its deviations and sentences."""

    name: str
    loss: str
    dtype: str
    targets: list[CountedTarget]
    found: Comparison
    seconds: float = 0.0
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every number was asked and is right, whatever the level."""
        asked = any(c.asked for t in self.targets for _, c in t.columns())
        counted = all(c.ok for t in self.targets for _, c in t.columns())
        return asked and counted and not self.found.worst and not self.interrupted

    @property
    def holds(self) -> tuple[str, ...]:
        """The levels that hold; none does if the formula is another one, or if only a part was asked."""
        wrong = {run.level for t in self.targets for _, c in t.columns() for run in c.runs}
        if self.interrupted or "formula" in wrong:
            return ()
        return tuple(level for level in self.found.holds if level not in wrong)

    @property
    def limits(self) -> list[str]:
        """Where the digits and the range end, a sentence each."""
        return self.found.limits

    def headline(self) -> str:
        """The candidate, the loss, and the levels that hold."""
        what = f"{self.name} against {self.loss} in {self.dtype}"
        if self.ok:
            return f"{what}: every number is right"
        return f"{what}: {listed(self.holds)}" if self.holds else what

    def summary(self) -> str:
        """The answer in plain sentences."""
        failed, told = sum(t.value.verdicts.get("crash", 0) for t in self.targets), self.found.summary()
        return f"It gives no answer for {in_numbers(failed)}. Elsewhere: {told}" if failed else told

    def sentences(self) -> Iterator[str]:
        """One line for each target, value and gradient, then the runs of its wrong numbers."""
        form = FORMATS[self.dtype]
        for target in self.targets:
            for what, c in target.columns():
                yield f"{target.name}, {what}: {counted_in_words(c, form, target.letter)}"
                for run in c.runs:
                    yield f"  {run_in_words(run, c.asked, form, target.letter)}"
                if c.falls:
                    places = "1 place" if c.falls == 1 else f"{many(c.falls)} places, first"
                    yield f"  not monotone at {places} at {target.letter} = {shortest(form, c.falls_at)}"

    def message(self) -> str:
        """The verdict in some lines."""
        return "\n".join([self.headline(), self.summary(), *self.sentences(), *self.notes, *self.found.notes])

    def __str__(self) -> str:
        return self.message()

    def raise_if_wrong(self) -> None:
        """Raise AssertionError with the message unless every number is right."""
        if not self.ok:
            raise AssertionError(self.message())

    def to_markdown(self) -> str:
        """Tables of the counts and of the runs."""
        form = FORMATS[self.dtype]
        out = [f"### {self.headline()}", "", self.summary(), ""]
        out += ["| target | | numbers | right | correctly rounded | largest error (ulp) | at |"]
        out += ["| :-- | :-- | --: | --: | --: | --: | :-- |"]
        for target in self.targets:
            for what, c in target.columns():
                at = ("", "") if c.worst is None else (in_ulps(c.worst.ulp), shortest(form, c.worst.number))
                rounded = f"{c.correctly_rounded:,}" + (f" (and {c.undecided:,} undecided)" if c.undecided else "")
                out.append(_line(target.name, what, f"{c.asked:,}", f"{c.right:,}", rounded, *at))
        rows = [(t, what, c, run) for t in self.targets for what, c in t.columns() for run in c.runs]
        if rows:
            out += ["", "| target | | verdict | from | to | numbers | of all | level |"]
            out += ["| :-- | :-- | :-- | :-- | :-- | --: | --: | :-- |"]
        for target, what, c, run in rows:
            first, last = (shortest(form, x) for x in (run.first, run.last))
            counts = many(run.count), share(run.count, c.asked)
            out.append(_line(target.name, what, run.verdict, first, last, *counts, run.level))
        out += ["", *(f"- {note}" for note in (*self.notes, *self.found.notes))]
        lines = [
            c.worst.line for t in self.targets for _, c in t.columns() if c.worst is not None and c.worst.ulp > 0.5
        ]
        if lines:
            out += ["", "```python", "import numpy as np", *lines, "```"]
        return "\n".join(out).rstrip() + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON has it; infinities and NaN are the strings "inf", "-inf" and "nan"."""
        whole = {
            "name": self.name,
            "loss": self.loss,
            "dtype": self.dtype,
            "ok": self.ok,
            "holds": self.holds,
            "summary": self.summary(),
            "limits": self.limits,
            "notes": [*self.notes, *self.found.notes],
            "seconds": self.seconds,
            "interrupted": self.interrupted,
            "targets": [{"target": t.name, **{what: _as_dict(c) for what, c in t.columns()}} for t in self.targets],
            "worst": [{**w, "text": text} for w, text in self._worst()],
        }
        found: dict[str, Any] = plain(whole)
        return found

    def _worst(self) -> Iterator[tuple[dict[str, Any], str]]:
        for d in self.found.worst:
            yield {"level": d.level, "what": d.what, "verdict": d.verdict, "script": self.found.script(d)}, str(d)

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _as_dict(c: Counted) -> dict[str, Any]:
    worst = None if c.worst is None else {k: getattr(c.worst, k) for k in ("ulp", "number", "got", "exact", "line")}
    return {
        "asked": c.asked,
        "right": c.right,
        "correctly_rounded": c.correctly_rounded,
        "undecided": c.undecided,
        "verdicts": c.verdicts,
        "worst": worst,
        "runs": [vars(run) for run in c.runs],
        "not_monotone": {"places": c.falls, "first": c.falls_at},
    }


# ---- in words --------------------------------------------------------------------------------------------------------


def counted_in_words(c: Counted, form: Format, letter: str) -> str:
    """How many numbers are right, and the largest error."""
    if c.correctly_rounded == c.asked:
        return f"all {c.asked:,} numbers are right, and correctly rounded"
    right = f"all {c.asked:,} numbers are right" if c.ok else f"{c.right:,} of {c.asked:,} numbers are right"
    worst = ""
    if c.worst is not None and c.worst.ulp == inf:
        worst = (
            f"; the worst is at {letter} = {shortest(form, c.worst.number)}: {c.worst.got:.6g} for {c.worst.exact:.6g}"
        )
    elif c.worst is not None:
        worst = f"; the largest error is {in_ulps(c.worst.ulp)} ulp, at {letter} = {shortest(form, c.worst.number)}"
    return f"{right}, {c.correctly_rounded:,} of them correctly rounded{worst}"


def run_in_words(run: Run, asked: int, form: Format, letter: str) -> str:
    """A run of wrong numbers in one line, such as "spurious zero for z from 16.6 to 104: 22 million, 0.5 % of all"."""
    first, last = shortest(form, run.first), shortest(form, run.last)
    where = f"at {letter} = {first}" if run.numbers == 1 else f"for {letter} from {first} to {last}"
    of = "" if run.count == run.numbers else f" of the {many(run.numbers)} numbers between"
    return f"{run.verdict} {where}: {many(run.count)}{of}, {share(run.count, asked)} of all {many(asked)}"


def many(count: int) -> str:
    """A count in few characters: "65,280", "22 million", "4.28 billion"."""
    for size, word in ((10**9, "billion"), (10**6, "million")):
        if count >= size:
            return f"{count / size:.3g} {word}"
    return f"{count:,}"


def in_ulps(error: float) -> str:
    """An error without an exponent, if it is not too large: "0.5", "2,048", "1.3e+15"."""
    return f"{error:,.0f}" if 100 <= error < 1e6 else f"{error:.3g}"


def in_numbers(count: int) -> str:
    """A count of numbers: "1 number", "65,280 numbers"."""
    return "1 number" if count == 1 else f"{many(count)} numbers"


def share(count: int, asked: int) -> str:
    """A part of all in percent."""
    percent = 100 * count / asked if asked else 0.0
    return f"{percent:.3g} %" if percent > 99 else f"{percent:.2g} %"
