"""What `reflosses.check` found: regime by regime, with the inputs that show it; as text, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import inf, nan
from typing import Any

import numpy as np

from reflosses.comparison.battery import REGIMES
from reflosses.comparison.verdict import VERDICTS

DEVIATIONS_SHOWN = 4  # deviations that a message shows
WRITTEN_OUT = 64  # numbers that are written out, if they repeat


@dataclass(frozen=True)
class Deviation:
    """One number that is not right, and the call that shows it.

    what: "value" or "gradient". y, yhat, weight, upstream: the arrays of the call (`upstream`: what the losses are
    multiplied with before they are differentiated). index: the place of the number. slack: the error that would have
    been right. error: what the call raised. shape: what the result should have been shaped like, where it is not.
    given: parameters of the candidate that it should have refused.
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

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        where = self.name if self.name == self.regime else f"{self.regime}, {self.name}"
        start = f"{where}: {self.what}{place}"
        if self.error:
            return f"{start} {self.error}"
        if np.isnan(self.exact):
            return f"{start} is {self.got:.17g} where an error or NaN is right: {self.verdict}"
        off = "" if not np.isfinite(self.ulps) else f" by {self.ulps:.2g} ulp"
        return f"{start} is {self.got:.17g}, exactly {self.exact:.17g}: {self.verdict}{off}"


@dataclass
class Tally:
    """What is known of the values, or the gradients, in one regime: `wrong` counts by verdict."""

    points: int = 0
    worst: float = 0.0  # ulps, of the right ones
    wrong: dict[str, int] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The worst verdict; "right", or "" where nothing was asked."""
        return next((v for v in VERDICTS if v in self.wrong), "right" if self.points else "")

    def __str__(self) -> str:
        if not self.points:
            return ""
        if not self.wrong:
            return f"right ({self.worst:.2g} ulp)"
        return ", ".join(f"{v} {self.wrong[v]}/{self.points}" for v in VERDICTS if v in self.wrong)


@dataclass
class RegimeRow:
    """One regime."""

    regime: str
    value: Tally = field(default_factory=Tally)
    gradient: Tally = field(default_factory=Tally)


@dataclass
class Comparison:
    """What `check` found. `worst` has one deviation for each regime, column and verdict: the shortest to write.

    diagnosis: the one explanation that fits best, in words; "" where nothing is wrong. undecided: losses without a
    certified result, which were not asked.
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

    def __str__(self) -> str:
        return f"{self.name} is {self.loss} in {self.dtype}: right" if self.ok else self.message()

    @property
    def ok(self) -> bool:
        """Whether every number was right, and some were asked."""
        return not self.worst and any(row.value.points + row.gradient.points for row in self.rows)

    @property
    def verdict(self) -> str:
        """The worst of all verdicts."""
        found = {d.verdict for d in self.worst}
        return next((v for v in VERDICTS if v in found), "right" if self.ok else "nothing could be asked")

    def row(self, regime: str) -> RegimeRow:
        """The row of a regime."""
        for row in self.rows:
            if row.regime == regime:
                return row
        self.rows.append(RegimeRow(regime))
        return self.rows[-1]

    def raise_if_wrong(self) -> None:
        """Raise AssertionError with what a reader of a log needs, if anything is not right."""
        if not self.ok:
            raise AssertionError(self.message())

    def message(self) -> str:
        """The verdict in some lines: what, where, by how much, why, and the lines that show it."""
        out = [f"{self.name} is not {self.loss} in {self.dtype}: {self.verdict}"]
        out += [f"Diagnosis: {self.diagnosis}"] if self.diagnosis else []
        for row in self.rows:
            wrong = [f"{what} {c}" for what, c in (("value", row.value), ("gradient", row.gradient)) if c.wrong]
            if wrong:
                out.append(f"  {title(row.regime)}: {'; '.join(wrong)}")
        for d in self.worst[:DEVIATIONS_SHOWN]:
            out += [str(d), *(f"    {line}" for line in self.script(d).splitlines())]
        return "\n".join([*out, *self.notes])

    def to_markdown(self) -> str:
        """The table, the diagnosis, and lines to paste."""
        out = [f"### {self.name} against {self.loss}, {self.dtype}: {self.verdict}", ""]
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
        """Everything in what JSON has; other numbers are the strings "inf", "-inf" and "nan"."""
        whole = {k: v for k, v in vars(self).items() if k != "script"}
        whole |= {"ok": self.ok, "verdict": self.verdict, "rows": [asdict(r) for r in self.rows]}
        whole["worst"] = [_brief(d) | {"script": self.script(d), "text": str(d)} for d in self.worst]
        found: dict[str, Any] = plain(whole)
        return found

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def title(regime: str) -> str:
    """A regime in words."""
    return f"{regime}, {REGIMES[regime]}"


def _brief(d: Deviation) -> dict[str, Any]:
    """The fields of a deviation; long arrays as the expressions that make them."""
    return {k: numbers(v) if np.size(v) > 4 * WRITTEN_OUT else v for k, v in asdict(d).items()}


def arrays_of(d: Deviation) -> str:
    """The arrays of a deviation's call, as lines of Python."""
    arrays = {"y": d.y, "yhat": d.yhat, "weight": d.weight, "upstream": d.upstream}
    given = [f"{name} = np.array({numbers(a)})" for name, a in arrays.items() if a is not None]
    return "\n".join(["import numpy as np", *given])


def numbers(a: Any) -> str:
    """An array as a list in Python; a long one as what repeats in it. Infinities and NaN are NumPy's."""
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
    """`x` in what JSON has."""
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [plain(v) for v in x]
    if isinstance(x, np.ndarray | np.generic):
        return plain(x.tolist())
    return str(x) if isinstance(x, float) and not np.isfinite(x) else x
