"""The result of `reflosses.check`, regime by regime, with inputs that show it: as text, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import inf, nan
from typing import Any

import numpy as np

from reflosses.comparison.battery import ORDINARY, REGIMES
from reflosses.comparison.verdict import ROWS_INTERACT, VERDICTS

LEVELS = ("formula", "digits", "range", "domain")  # the questions, in their order
DEVIATIONS_SHOWN = 4  # in a message
WRITTEN_OUT = 64  # numbers of a repeating array that are written out


@dataclass(frozen=True)
class Deviation:
    """One number that is not right, and the call that shows it.

    what: "value" or "gradient". y, yhat, weight, upstream: the arrays of the call; the gradient is that of
    Σ upstream·value. index: the place of the number. slack: the largest error that is right. error: what the call
    raised. shape: the right shape of the result, if it has another. given: parameters that the candidate should have
    refused. level: the question that it answers, one of LEVELS.
    """

    regime: str
    name: str
    what: str
    verdict: str
    y: Any = field(repr=False)
    yhat: Any = field(repr=False)
    weight: Any = field(default=None, repr=False)
    upstream: Any = field(default=None, repr=False)
    index: tuple[int, ...] = ()
    got: float = nan
    exact: float = nan
    ulps: float = inf
    slack: float = 0.0
    error: str = ""
    shape: tuple[int, ...] | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    level: str = "formula"

    @property
    def fault(self) -> str:
        """The error as a clause, such as "it raises KeyError: 'no'" or "its value has shape (1,), not ()"."""
        if self.shape is not None:
            return f"its {self.what} {self.error}"
        return self.error if self.error.startswith("its ") else f"it {self.error}"

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        where = title(self.regime) if self.name == self.regime else f"{title(self.regime)}: {self.name}"
        start = f"{where}: {self.what}{place}"
        if self.error:
            return f"{where}: {self.fault}"
        if np.isnan(self.exact):
            return f"{start} is {self.got:.17g} where an error or NaN is right: {self.verdict}"
        off = "" if not np.isfinite(self.ulps) else f" by {self.ulps:.2g} ulp"
        return f"{start} is {self.got + 0.0:.17g}, exactly {self.exact + 0.0:.17g}: {self.verdict}{off}"  # no −0


@dataclass
class Tally:
    """The values, or the gradients, of one regime: `wrong` counts each verdict."""

    points: int = 0
    worst: float = 0.0  # the largest error of a right number, in ulps
    wrong: dict[str, int] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The worst verdict; "right" if there is none, "" if nothing was asked."""
        return next((v for v in VERDICTS if v in self.wrong), "right" if self.points else "")

    def __str__(self) -> str:
        if not self.points:
            return ""
        if not self.wrong:
            return f"right ({self.worst:.2g} ulp)"
        return ", ".join(f"{v} {self.wrong[v]}/{self.points}" for v in VERDICTS if v in self.wrong)


@dataclass
class RegimeRow:
    """One regime of a comparison."""

    regime: str
    value: Tally = field(default_factory=Tally)
    gradient: Tally = field(default_factory=Tally)


@dataclass
class Comparison:
    """What `check` found. `worst` has the shortest deviation of each level, regime, column and verdict.

    level: `ok` speaks of the levels up to this one. limits: where the digits or the range end, a sentence each.
    given_up: whether the candidate failed so often that it was not asked to the end; then no level holds.
    diagnosis: the explanation that fits best, in words; "" if nothing is wrong. undecided: how many losses were not
    asked, because they have no certified result.
    """

    name: str
    loss: str
    dtype: str
    seed: int
    rows: list[RegimeRow]
    worst: list[Deviation] = field(default_factory=list)
    undecided: int = 0
    notes: list[str] = field(default_factory=list)
    diagnosis: str = ""
    seconds: float = 0.0
    script: Callable[[Deviation], str] = field(default=lambda d: arrays_of(d), repr=False)
    level: str = "formula"
    limits: list[str] = field(default_factory=list)
    given_up: bool = False
    interview: Any = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return self.message()

    @property
    def asked(self) -> bool:
        """Whether any number was asked."""
        return any(row.value.points + row.gradient.points for row in self.rows)

    @property
    def holds(self) -> tuple[str, ...]:
        """The levels that were asked and hold. None does if the formula is another one."""
        wrong = {d.level for d in self.worst}
        if not self.asked or self.given_up or "formula" in wrong:
            return ()
        regimes = self._regimes()
        asked = {"formula": regimes & ORDINARY, "domain": "K" in regimes}
        hard = regimes - ORDINARY - {"K"}
        return tuple(level for level in LEVELS if level not in wrong and asked.get(level, hard))

    def _regimes(self) -> set[str]:
        return {row.regime for row in self.rows if row.value.points + row.gradient.points}

    @property
    def failing(self) -> list[Deviation]:
        """The deviations of the levels that are asked for; all of them if no ordinary input was asked."""
        within = LEVELS[: LEVELS.index(self.level) + 1] if self._regimes() & ORDINARY else LEVELS
        return [d for d in self.worst if d.level in within]

    @property
    def ok(self) -> bool:
        """Whether every number of the levels that are asked for is right, and some were asked."""
        return self.asked and not self.failing and not self.given_up

    @property
    def verdict(self) -> str:
        """The worst of all verdicts, at every level."""
        found = {d.verdict for d in self.worst}
        return next((v for v in VERDICTS if v in found), "right" if self.asked else "nothing could be asked")

    def summary(self) -> str:
        """The answer to each question in plain sentences."""
        if not self.asked:
            return "Nothing could be asked."
        other = next((d for d in self.worst if d.level == "formula"), None)
        if self.given_up and other is None:
            fault = next((d.fault for d in self.worst if d.error), "it fails too often")
            return f"It could not be asked to the end: {fault}."
        if other is None and not self._regimes() & ORDINARY:
            return " ".join(["No ordinary input was asked.", *self.limits])
        return " ".join([f"It is not the loss: {reason(other)}." if other else "It is the loss.", *self.limits])

    def row(self, regime: str) -> RegimeRow:
        """The row of a regime."""
        for row in self.rows:
            if row.regime == regime:
                return row
        self.rows.append(RegimeRow(regime))
        return self.rows[-1]

    def raise_if_wrong(self) -> None:
        """Raise AssertionError with the message unless the levels that are asked for hold."""
        if not self.ok:
            raise AssertionError(self.message())

    def message(self) -> str:
        """The verdict in some lines: which number, where, by how much, why, and the lines that show it."""
        out = [self.headline(), *([] if self.holds else [self.summary()]), *(self.limits if self.holds else [])]
        out += [f"Diagnosis: {self.diagnosis}"] if self.diagnosis else []
        for row in self.rows:
            wrong = [f"{what} {c}" for what, c in (("value", row.value), ("gradient", row.gradient)) if c.wrong]
            if wrong:
                out.append(f"  {title(row.regime)}: {'; '.join(wrong)}")
        for d in (self.failing or self.worst)[:DEVIATIONS_SHOWN]:
            out += [str(d), *(f"    {line}" for line in self.script(d).splitlines())]
        return "\n".join([*out, *self.notes])

    def headline(self) -> str:
        """The candidate, the loss, and the levels that hold."""
        if self.holds:
            word = "is" if "formula" in self.holds else "against"
            return f"{self.name} {word} {self.loss} in {self.dtype}: {listed(self.holds)}"
        if not self.asked:
            return f"{self.name} against {self.loss} in {self.dtype}: nothing could be asked"
        if self.given_up and not any(d.level == "formula" for d in self.worst):
            return f"{self.name} against {self.loss} in {self.dtype}: not asked to the end"
        return f"{self.name} is not {self.loss} in {self.dtype}: {self.verdict}"

    def to_markdown(self) -> str:
        """The table, the diagnosis, and lines to paste."""
        out = [f"### {self.headline()}", "", self.summary(), ""]
        out += [f"Diagnosis: {self.diagnosis}", ""] if self.diagnosis else []
        out += ["| regime | points | value | gradient |", "| :-- | --: | :-- | :-- |"]
        for row in self.rows:
            points = max(row.value.points, row.gradient.points)
            out.append(f"| {title(row.regime)} | {points} | {row.value} | {row.gradient} |")
        out += ["", *(f"- {note}" for note in self.notes)]
        if self.worst:
            out += ["", "```python", *(f"# {d}\n{self.script(d)}" for d in self.worst), "```"]
        return "\n".join(out) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON has it; infinities and NaN are the strings "inf", "-inf" and "nan"."""
        whole = {k: v for k, v in vars(self).items() if k not in ("script", "interview")}
        whole |= {"ok": self.ok, "verdict": self.verdict, "rows": [asdict(r) for r in self.rows]}
        whole |= {"holds": self.holds, "summary": self.summary()}
        whole["worst"] = [_brief(d) | {"script": self.script(d), "text": str(d)} for d in self.worst]
        found: dict[str, Any] = plain(whole)
        return found

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def reason(d: Deviation) -> str:
    """Why a formula is another one, in a clause."""
    if d.error:
        return d.fault
    if d.verdict == ROWS_INTERACT:
        return f"one row changes the {d.what} of another"
    where = "at ordinary inputs" if d.regime in ORDINARY else f"at hard inputs ({REGIMES[d.regime]})"
    got, exact = next(
        (pair for n in (6, 9, 12) if len(set(pair := tuple(f"{x + 0.0:.{n}g}" for x in (d.got, d.exact)))) > 1),
        (repr(d.got), repr(d.exact)),
    )
    return f"its {d.what} is {got} where {exact} is right, {where}"


def listed(levels: tuple[str, ...]) -> str:
    """The levels that hold, in words."""
    return f"{' and '.join(filter(None, (', '.join(levels[:-1]), levels[-1])))} hold{'s' if len(levels) == 1 else ''}"


def title(regime: str) -> str:
    """A regime in words, and its letter."""
    return REGIMES[regime] if regime == "moderate" else f"{REGIMES[regime]} ({regime})"


def _brief(d: Deviation) -> dict[str, Any]:
    """The fields of a deviation; a long array is an expression that makes it."""
    return {k: numbers(v) if np.size(v) > 4 * WRITTEN_OUT else v for k, v in asdict(d).items()}


def arrays_of(d: Deviation) -> str:
    """The arrays of a deviation's call, as lines of Python."""
    arrays = {"y": d.y, "yhat": d.yhat, "weight": d.weight, "upstream": d.upstream}
    given = [f"{name} = np.array({numbers(a)})" for name, a in arrays.items() if a is not None]
    return "\n".join(["import numpy as np", *given])


def numbers(a: Any) -> str:
    """An array as a list in Python, a long one as an expression. Infinities and NaN are NumPy's."""
    a = np.asarray(a)
    if not a.size:
        return f"np.zeros({a.shape})"
    flat = a.ravel()
    for period in range(1, WRITTEN_OUT + 1) if a.size > 4 * WRITTEN_OUT else ():
        if np.array_equal(np.resize(flat[:period], a.size), flat, equal_nan=a.dtype.kind == "f"):
            return f"np.resize({numbers(flat[:period])}, {a.shape})"
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if a.size > 4 * WRITTEN_OUT and len(changes) < WRITTEN_OUT:
        lengths = np.diff([0, *changes, a.size])
        return f"np.repeat({numbers(flat[[0, *changes]])}, {lengths.tolist()}).reshape({a.shape})"
    return repr(a.tolist()).replace("inf", "np.inf").replace("nan", "np.nan")


def plain(x: Any) -> Any:
    """`x` as JSON has it."""
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [plain(v) for v in x]
    if isinstance(x, np.ndarray | np.generic):
        return plain(x.tolist())
    return str(x) if isinstance(x, float) and not np.isfinite(x) else x
