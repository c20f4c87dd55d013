"""What a report of `verify` holds: three legs of plain rows, and what the run was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from reflosses.comparison.battery import REGIMES
from reflosses.comparison.result import Comparison
from reflosses.reporting.known_deviations import Found, KnownDeviation
from reflosses.truth import arithmetic

LOSSES, FUNCTIONS, ON_REAL_DATA = "certification", "implementations", "real data"  # the legs

Tick = Callable[[str, str, int, int], None]  # told of progress: the leg, the job at hand, jobs done, all jobs


@dataclass(frozen=True)
class Measured:
    """The errors of values, gradients or curvatures, in ulps; `beyond` counts the points above the bound."""

    worst: float
    bound: float
    points: int
    beyond: int = 0


@dataclass(frozen=True)
class ReportRow:
    """One row of any leg; the JSON report has all these fields in every row.

    kind: "right"; "off" (of a function: it is the loss, with limits; of data: inaccurate); "wrong"; "missing" (it could
    not be asked).
    holds: whether our own certification holds here; None: the row says nothing about it.
    lines: code to paste that shows the errors.
    Only in certification: `curvature`. `derivatives` were compared with finite differences, and `differences` is the
        largest disagreement, divided by the allowed one.
    Only in real data: `data` names the predictions. Ours was certified on `sample` of them; its worst errors there are
        `own_value` and `own_grad`, in ulps.
    Only in implementations: `framework`, `result`, and `place` in the order of the functions.
    """

    name: str
    equals: str
    verdict: str
    kind: str
    holds: bool | None = None
    data: str = ""
    dtype: str = "float64"
    points: int = 0
    value: Measured | None = None
    grad: Measured | None = None
    curvature: Measured | None = None
    lines: tuple[str, ...] = ()
    derivatives: int = 0
    differences: float | None = None
    sample: int = 0
    own_value: float | None = None
    own_grad: float | None = None
    note: str = ""
    framework: str = ""
    place: int = 0
    result: Comparison | None = None


@dataclass
class Leg:
    """The rows of one leg; `missing` says what to install for the rows that are not there."""

    name: str
    rows: list[ReportRow] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Wanted:
    """What a run covers: losses and frameworks by name, dtypes (none: all that a function has), regimes.

    limit: seconds that one call may take, in a process of its own; None: in this process, without a limit. level: up to
    which others must be right; "": the default of `reflosses.check`.
    """

    losses: Sequence[str]
    against: Sequence[str]
    seed: int = 0
    points: int = 600
    dtypes: Sequence[str] = ()
    regimes: Sequence[str] = tuple(REGIMES)
    limit: float | None = None
    level: str = ""


@dataclass
class Report:
    """The legs that ran. unlisted, vanished: how others differ from a list of known deviations; None without a list."""

    wanted: Wanted
    legs: list[Leg] = field(default_factory=list)
    interrupted: bool = False
    unlisted: list[Found] | None = None
    vanished: list[KnownDeviation] | None = None

    @property
    def ok(self) -> bool:
        """Whether our own certification holds; it does not if nothing was certified."""
        held = [row.holds for leg in self.legs for row in leg.rows if row.holds is not None]
        return bool(held) and all(held)

    @property
    def expected(self) -> bool:
        """Whether others deviate exactly as the list says; True without a list."""
        return not self.unlisted and not self.vanished

    def results(self) -> list[Comparison]:
        """The results of all implementations."""
        return [row.result for leg in self.legs for row in leg.rows if row.result is not None]


def in_turn(leg: str, jobs: Sequence[tuple[str, Callable[[], ReportRow]]], tick: Tick) -> Iterator[ReportRow]:
    """The row of each named job, one after the other; `tick` hears of each."""
    for done, (name, job) in enumerate(jobs):
        tick(leg, name, done, len(jobs))
        yield job()
    tick(leg, "", len(jobs), len(jobs))


def truth_is_there(missing: list[str]) -> bool:
    """Whether python-flint is installed; if not, `missing` says so."""
    if not arithmetic.available():
        missing.append("our losses are not certified here, which needs python-flint: pip install 'reflosses[truth]'")
    return arithmetic.available()
