"""The result of `reflosses.hunt`: the largest errors of a candidate, with inputs that show them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from reflosses.comparison.result import Deviation, numbers, plain

WHAT = ("value", "gradient")
INACCURATE = "inaccurate"
MOST_SHOWN = 256  # numbers of a call that is written out


def is_wild(verdict: str) -> bool:
    """Whether a verdict is about more than lost digits: an infinity, NaN, a spurious zero."""
    return verdict not in ("right", INACCURATE)


@dataclass(frozen=True, eq=False)
class WorstNumber:
    """A wrong number, or the right number with the largest error, and the call that shows it.

    what: "value" or "gradient". verdict: "right", or what is wrong, in the words of `check`. ulp: its error in units in
    the last place of the dtype; infinite for an infinity or NaN. allowed: the largest error that is right, in the same
    unit; slack: the same as a difference. index: the place of the number in the result. certified: whether `exact` is
    proved. error: what the call raised. remark: anything else that a reader must know.
    """

    what: str
    verdict: str
    y: Any = field(repr=False)
    yhat: Any = field(repr=False)
    dtype: str
    index: tuple[int, ...] = ()
    got: float = nan
    exact: float = nan
    ulp: float = inf
    allowed: float = 0.0
    slack: float = 0.0
    certified: bool = False
    error: str = ""
    remark: str = ""

    @property
    def line(self) -> str:
        """The input as a line to paste, in the dtype of the candidate; "" for a call that is too long for a line."""
        if np.size(self.yhat) > MOST_SHOWN:
            return ""
        own = "" if self.dtype == "float64" else f', "{self.dtype}"'
        dtypes = ("" if np.asarray(a).dtype.kind in "iu" else own for a in (self.y, self.yhat))
        arrays = (f"np.array({numbers(a)}{d})" for a, d in zip((self.y, self.yhat), dtypes, strict=True))
        return f"y, yhat = {', '.join(arrays)}"

    @property
    def deviation(self) -> Deviation:
        """The same as a deviation of `check`, whose code to paste a framework can write."""
        of = "D", "the worst input", self.what, self.verdict, self.y, self.yhat
        return Deviation(
            *of, index=self.index, got=self.got, exact=self.exact, ulps=self.ulp, slack=self.slack, error=self.error
        )

    def __str__(self) -> str:
        if self.error:
            return f"{self.verdict}: {self.error}"
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        off = f"{_ulps(self.ulp)} ulp off, {_ulps(self.allowed)} allowed" if isfinite(self.ulp) else self.verdict
        kind = f", {self.verdict}" if isfinite(self.ulp) and is_wild(self.verdict) else ""
        remark = f" ({self.remark})" if self.remark else ""
        return f"{self.what}{place} is {self.got + 0.0:.17g}, exactly {self.exact + 0.0:.17g}: {off}{kind}{remark}"


def _ulps(x: float) -> str:
    return f"{x:.4g}".replace("e+0", "e").replace("e+", "e")


@dataclass
class WorstNumbers:
    """What `hunt` found.

    value, gradient: the largest error of a number that is finite, not 0 by mistake, and not NaN; None if nothing was
    measured. wrong: each verdict about a wrong value or gradient once, with its worst example. points: the predictions
    that were asked. `ok` is true if numbers were judged and none was wrong.
    """

    name: str
    loss: str
    dtype: str
    seed: int
    value: WorstNumber | None = None
    gradient: WorstNumber | None = None
    wrong: list[WorstNumber] = field(default_factory=list)
    points: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether numbers were judged, and all of them were right."""
        return (self.value or self.gradient) is not None and not self.wrong

    def largest(self, what: str) -> WorstNumber | None:
        """The largest finite error of the "value" or the "gradient", spurious zeros and the like included."""
        found = [self.value if what == "value" else self.gradient, *(e for e in self.wrong if e.what == what)]
        finite = [e for e in found if e is not None and isfinite(e.ulp)]
        return max(finite, key=lambda e: e.ulp, default=None)

    def headline(self) -> str:
        """The candidate, the loss, and whether a wrong number was found."""
        judged = self.value or self.gradient
        said = "no wrong number found" if self.ok else "wrong numbers found" if judged else "nothing could be judged"
        return f"{self.name} against {self.loss} in {self.dtype}: {said}"

    def effort(self) -> str:
        """What was asked, and how to ask it again."""
        stopped = ", interrupted" if self.interrupted else ""
        return f"Asked: {self.points:,} predictions in {self.seconds:.1f} s, seed {self.seed}{stopped}."

    def shown(self) -> Iterator[tuple[str, WorstNumber]]:
        """Every error once, with its title."""
        for what, e in zip(WHAT, (self.value, self.gradient), strict=True):
            if e is not None:
                yield f"Largest error of the {what}", e
        yield from (("Wrong", e) for e in self.wrong if e not in (self.value, self.gradient))

    def __str__(self) -> str:
        out = [self.headline()]
        for head, e in self.shown():
            out += [f"{head}: {e}", *([f"    {e.line}"] if e.line else [])]
        return "\n".join([*out, *self.notes, self.effort()])

    def to_markdown(self) -> str:
        """The errors as a list, and the inputs as lines to paste."""
        out = [f"### {self.headline()}", ""]
        for head, e in self.shown():
            out += [f"- {head}: {e}", "", *(["  ```python", f"  {e.line}", "  ```", ""] if e.line else [])]
        return "\n".join([*out, *(f"- {note}" for note in self.notes), "", self.effort()]) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON has it; infinities and NaN are the strings "inf", "-inf" and "nan"."""

        def told(e: WorstNumber | None) -> Any:
            if e is None:
                return None
            arrays = {"y": e.y, "yhat": e.yhat} if e.line else {"y": None, "yhat": None}
            return {**vars(e), **arrays, "line": e.line, "text": str(e)}

        errors = {"value": told(self.value), "gradient": told(self.gradient), "wrong": [told(e) for e in self.wrong]}
        found: dict[str, Any] = plain({**vars(self), **errors, "ok": self.ok})
        return found

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
