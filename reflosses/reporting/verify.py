"""The main job: are our losses right, and are other people's?

Three legs, each a list of plain rows (`reflosses.reporting.report` prints them):

    certification     every loss of ours against its certified proof, and against finite differences
    implementations   functions of other frameworks (`reflosses.frameworks`) against the certified truth of the loss
                      that they equal, in the adversarial regimes of `reflosses.comparison.battery`
    real data         metrics of scikit-learn on predictions of its models, against ours; ours against the truth
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from math import log2
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, NamedTuple

import numpy as np

from reflosses import catalogue
from reflosses.comparison.battery import REGIMES
from reflosses.comparison.candidate import Candidate
from reflosses.comparison.expected import parts
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import Comparison
from reflosses.diagnosis.search import explain
from reflosses.evaluation.call import bind
from reflosses.frameworks.function import Framework, Function, brief, frameworks, written
from reflosses.frameworks.inputs import hard_masks, label_pairs
from reflosses.frameworks.isolation import CannotLoadError, Isolated, Source, Worker
from reflosses.frameworks.scripts import checked
from reflosses.frameworks.sklearn import FRAMEWORK as SKLEARN
from reflosses.frameworks.sklearn import REAL_DATA, Real, predictions
from reflosses.gradcheck import gradcheck
from reflosses.truth import accuracy, arithmetic, proof
from reflosses.truth.sampling import Problem, moderate

Tick = Callable[[str, str, int, int], None]  # leg, what is being worked on, how many are done, of how many

LOSSES, FUNCTIONS, ON_REAL_DATA = "certification", "implementations", "real data"
DIFFERENCES = 12  # points an example at which finite differences are taken
MEMBERS = 6  # predictions that go into one loss of a row or an overlap, about
SAMPLE = 120  # predictions of real data that are certified, about
LANES = 2  # functions that are asked at a time, each in a process of its own
HARMLESS = {"inaccurate", "accepts invalid input"}  # verdicts that alone do not make a function wrong
NOT_THERE = ("AttributeError", "ImportError", "ModuleNotFoundError")  # raised by another version of a framework
HALF = 2.0**26  # ulps of float64: half of its digits

LABELS = "y.astype(int), yhat.astype(int)"

OURS = Framework(  # functions of our own that are no `Loss`, certified through the loss that they equal
    "reflosses",
    "reflosses",
    "import reflosses, reflosses.overlap",
    "numpy",
    (
        Function(
            "log_softmax",
            "-reflosses.log_softmax(yhat)[np.arange(len(y)), y]",
            "CrossEntropy(reduction='none')",
            grad=None,
            targets="index",
        ),
        *(
            Function(f"overlap.{name}", code, equals, grad=None, inputs=inputs)
            for name, code, equals, inputs in (
                ("hard_dice", f"reflosses.overlap.hard_dice({LABELS}, 2)[1]", "Dice()", hard_masks),
                ("hard_iou", f"reflosses.overlap.hard_iou({LABELS}, 2)[1]", "IoU()", hard_masks),
                (
                    "pixel_accuracy",
                    f"1 - reflosses.overlap.pixel_accuracy({LABELS})",
                    "MeanAbsoluteError()",
                    label_pairs,
                ),
            )
        ),
    ),
    {},
)


# ---- results ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Errors of one column (values or gradients), in ulps; `beyond` counts the points above the bound."""

    worst: float
    bound: float
    points: int
    beyond: int = 0


@dataclass(frozen=True)
class Row:
    """One line of a report. `holds`: what it says of our own certification; None if nothing."""

    name: str
    equals: str
    verdict: str
    kind: str  # "right", "off" (see `HARMLESS`), "wrong", or "missing" where it could not be asked
    holds: bool | None = None
    data: str = ""
    dtype: str = "float64"
    points: int = 0
    value: Measured | None = None
    grad: Measured | None = None
    lines: tuple[str, ...] = ()  # that show what is wrong, to paste
    derivatives: int = 0  # compared with finite differences …
    differences: float | None = None  # … and the largest disagreement, over what rounding and step allow
    sample: int = 0  # rows of real data on which ours was certified …
    own_value: float | None = None  # … and its worst errors there, in ulps
    own_grad: float | None = None
    note: str = ""
    framework: str = ""
    place: int = 0  # of an implementation in the list of all
    result: Comparison | None = None  # of an implementation


@dataclass
class Leg:
    """One leg's rows; `missing` says what to install for those that are not there."""

    name: str
    rows: list[Row] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Wanted:
    """What a run covers: losses by name, frameworks by name, dtypes (none: all that a function has), regimes.

    limit: seconds that a function may take for one call, in a process of its own; None: in this process.
    """

    losses: Sequence[str]
    against: Sequence[str]
    seed: int = 0
    points: int = 600
    dtypes: Sequence[str] = ()
    regimes: Sequence[str] = tuple(REGIMES)
    limit: float | None = None


@dataclass
class Report:
    """The legs that ran. unlisted, vanished: deviations against a list of known ones; None without a list."""

    wanted: Wanted
    legs: list[Leg] = field(default_factory=list)
    interrupted: bool = False
    unlisted: list[str] | None = None
    vanished: list[str] | None = None

    @property
    def ok(self) -> bool:
        """Whether our own certification holds; where nothing was certified it does not."""
        held = [row.holds for leg in self.legs for row in leg.rows if row.holds is not None]
        return bool(held) and all(held)

    @property
    def expected(self) -> bool:
        """Whether others deviate just as a list says, if there is one."""
        return not self.unlisted and not self.vanished

    def results(self) -> list[Comparison]:
        """Of all implementations."""
        return [row.result for leg in self.legs for row in leg.rows if row.result is not None]


def verify(wanted: Wanted, tick: Tick = lambda *_: None) -> Report:
    """Run all legs; an interrupt ends it with what is done so far."""
    report = Report(wanted)
    try:
        for name, rows in ((LOSSES, certification), (FUNCTIONS, implementations), (ON_REAL_DATA, real_data)):
            leg = Leg(name)
            report.legs.append(leg)
            start = time.perf_counter()
            try:
                for row in rows(wanted, leg.missing, tick):
                    leg.rows.append(row)
            finally:
                leg.rows.sort(key=lambda row: row.place)
                leg.seconds = time.perf_counter() - start
    except KeyboardInterrupt:
        report.interrupted = True
    return report


def _each(leg: str, jobs: Sequence[tuple[str, Any]], tick: Tick) -> Iterator[Any]:
    for done, (name, job) in enumerate(jobs):
        tick(leg, name, done, len(jobs))
        yield job
    tick(leg, "", len(jobs), len(jobs))


def _truth_is_there(missing: list[str]) -> bool:
    if not arithmetic.available():
        missing.append("nothing can be certified without python-flint: pip install 'reflosses[truth]'")
    return arithmetic.available()


# ---- leg 1: our losses -----------------------------------------------------------------------------------------------


def certification(wanted: Wanted, missing: list[str], tick: Tick) -> Iterator[Row]:
    """One row a loss, with all its example parameters, and one for each other function."""
    if not _truth_is_there(missing):
        return
    jobs: list[tuple[str, Any]] = [(name, name) for name in wanted.losses]
    jobs += [(f.name, f) for f in OURS.functions if _name_of_loss(f, {}) in wanted.losses]
    for job in _each(LOSSES, jobs, tick):
        if isinstance(job, str):
            yield _certified(job, wanted.seed, wanted.points)
        else:
            yield _own_function(job, wanted.seed)


def _name_of_loss(function: Function, given: Any) -> str:
    return type(parts(function.loss(given))[1]).__name__


def _own_function(function: Function, seed: int) -> Row:
    """A function of ours, in the regimes that its inputs can be in."""
    result = checked(OURS, function, {}, "float64", seed=seed, regimes=[r for r in REGIMES if r not in ("G", "H", "K")])
    points = sum(row.value.points for row in result.rows)
    worst = max((row.value.worst for row in result.rows), default=0.0)
    bound = parts(function.loss({}))[1].bounds.value
    column = Measured(worst, bound, points, len(result.worst))
    fine = result.ok and worst <= bound
    lines = tuple(result.script(d) for d in result.worst)
    verdict = "certified" if fine else f"wrong: {result.verdict}"
    kind = "right" if fine else "wrong"
    return Row(function.name, result.loss, verdict, kind, fine, points=points, value=column, lines=lines)


def _certified(name: str, seed: int, points: int) -> Row:
    examples = list(catalogue.examples(catalogue.losses()[name]))
    columns: tuple[list[Measured], list[Measured]] = ([], [])
    apart, compared, total, undecided, wrong = 0.0, 0, 0, 0, ""
    lines: list[str] = []
    for loss in examples:
        try:
            swept = accuracy.sweep(loss, seed, -(-points // len(examples)) * (MEMBERS if loss.layout.groups else 1))
            checks = [gradcheck(loss, p.y, p.yhat) for p in moderate(loss, seed, DIFFERENCES)]
        except Exception as error:  # whatever it is, it is not certified
            return Row(name, name, f"wrong: {type(error).__name__}: {error}", "wrong", False)
        total, undecided = total + swept.points, undecided + swept.undecided
        for column, worst, bound in zip(columns, (swept.value, swept.grad), loss.bounds, strict=True):
            beyond = not worst.ulp <= bound
            lines += [f"import reflosses; {worst.line}"] if beyond else []
            column.append(Measured(worst.ulp, bound, swept.points, int(beyond)))
        apart = max([apart, *(c.excess for c in checks)])
        compared += sum(c.checked for c in checks)
        if not all(c.ok for c in checks):
            worst_check = max(checks, key=lambda c: c.excess)
            wrong = f"wrong: approx_fprime of {worst_check.subject} says otherwise"
    value, grad = (max(c, key=lambda m: m.worst / m.bound) for c in columns)
    for what, m in (("value", value), ("gradient", grad)):
        if m.beyond:
            wrong = f"wrong: {what} off by {m.worst:.3g} ulp"
    if undecided > 0.05 * total:  # a derivative that does not exist is rare
        wrong = f"wrong: {undecided} of {total + undecided} could not be certified"
    if not total:
        wrong = "wrong: nothing could be certified"
    note = f"{undecided} problems were left out: no certified result exists there" if undecided else ""
    found = Row(name, name, wrong or "certified", "wrong" if wrong else "right", not wrong, points=total, note=note)
    return replace(found, value=value, grad=grad, lines=tuple(lines), derivatives=compared, differences=apart)


# ---- leg 2: other people's functions ---------------------------------------------------------------------------------


def implementations(wanted: Wanted, missing: list[str], tick: Tick) -> Iterator[Row]:
    """One row a function, parameter set and dtype, framework by framework."""
    if not _truth_is_there(missing):
        return
    jobs: list[_Job] = []
    for framework in frameworks():
        if framework.name not in wanted.against:
            continue
        if framework.version is None:
            missing.append(f"functions of {framework.name} are left out: {not_installed(framework)}")
            continue
        jobs += [
            _Job(framework, function, given, dtype)
            for function in framework.functions
            for given in function.tried
            for dtype in function.dtypes
            if _name_of_loss(function, given) in wanted.losses and dtype in (wanted.dtypes or function.dtypes)
        ]
    tick(FUNCTIONS, "", 0, len(jobs))
    for done, row in enumerate(_in_lanes(jobs, wanted), 1):
        yield row
        tick(FUNCTIONS, f"{row.name}, {row.dtype}", done, len(jobs))


class _Job(NamedTuple):
    """A function to be asked, with these parameters, in this dtype."""

    framework: Framework
    function: Function
    given: Mapping[str, Any]
    dtype: str


def _in_lanes(jobs: Sequence[_Job], wanted: Wanted) -> Iterator[Row]:
    """The rows of all jobs, as they are done: function by function, several at a time; `place` is that of the job."""
    places = enumerate(jobs)
    waiting = [list(group) for _, group in groupby(places, lambda job: job[1].function)]
    done: SimpleQueue[Row | BaseException | None] = SimpleQueue()
    stopped = Event()

    def next_group() -> list[tuple[int, _Job]]:
        with suppress(IndexError):
            return waiting.pop(0)
        return []

    def lane() -> None:
        explained: dict[Any, str] = {}
        framework = None
        try:
            with Worker() as worker:
                while group := next_group():
                    for place, job in group:
                        if stopped.is_set():
                            return
                        if job.framework is not framework:  # give its memory back
                            framework = job.framework
                            worker.close()
                        row = _implementation(job, wanted, worker, explained)
                        done.put(replace(row, place=place))
        except BaseException as error:
            done.put(error)
        finally:
            done.put(None)

    for _ in range(LANES):
        Thread(target=lane, daemon=True).start()
    try:
        running = LANES
        while running:
            row = done.get()
            if isinstance(row, BaseException):
                raise row
            if row is None:
                running -= 1
            else:
                yield row
    finally:
        stopped.set()


def not_installed(framework: Framework) -> str:
    """What to do about a framework that is not there."""
    hint = f": pip install 'reflosses[{framework.extra}]'" if framework.extra else ""
    return f"{framework.package} is not installed{hint}"


def _implementation(job: _Job, wanted: Wanted, worker: Worker, explained: dict[Any, str]) -> Row:
    """What a function answers, in one dtype, and the verdict; what is wrong in the same places is explained once."""
    framework, function, given, dtype = job
    loss = function.loss(given)
    row = Row(function.name, brief(loss), "", "missing", dtype=dtype, note=function.note, framework=framework.name)

    def isolated(given: Mapping[str, Any]) -> Candidate:
        return Isolated(Source.of(function.name, given), dtype, limit=wanted.limit or 0.0, worker=worker)

    try:
        here = partial(framework.asked, function, form=FORMATS[dtype])
        make = here if wanted.limit is None else isolated
        options: dict[str, Any] = {"seed": wanted.seed, "regimes": wanted.regimes, "diagnose": False}
        result = checked(framework, function, given, dtype, make=make, **options)
        if result.worst:
            places = frozenset((d.regime, d.what, d.verdict) for d in result.worst)
            key = (function.name, places)
            if key not in explained:
                targets, inputs = function.targets, function.inputs
                why = explain(make(given), loss, FORMATS[dtype], result, targets=targets, inputs=inputs)
                explained[key] = why.told
            result.diagnosis = explained[key]
    except (AttributeError, ImportError, CannotLoadError) as error:
        return replace(row, verdict=f"not there: {error}")
    crashes = [d.error.removeprefix("raises ") for d in result.worst if d.verdict == "crash" and d.regime == "moderate"]
    if crashes and crashes[0].startswith(NOT_THERE):
        return replace(row, verdict=f"not there: {crashes[0]}")
    points = sum(max(r.value.points, r.gradient.points) for r in result.rows)
    if not points:
        return replace(row, verdict=result.verdict)
    kind = "right" if result.ok else "off" if {d.verdict for d in result.worst} <= HARMLESS else "wrong"
    return replace(row, verdict=result.verdict, kind=kind, points=points, result=result)


# ---- leg 3: real data ------------------------------------------------------------------------------------------------


def real_data(wanted: Wanted, missing: list[str], tick: Tick) -> Iterator[Row]:
    """One row a metric on the predictions of a model."""
    if "sklearn" not in wanted.against or not _truth_is_there(missing):
        return
    if SKLEARN.version is None:
        return  # the leg before has said so
    chosen = [r for r in REAL_DATA if _name_of_loss(r.function, r.given) in wanted.losses]
    for real in _each(ON_REAL_DATA, [(f"{r.data}, {r.function.name}", r) for r in chosen], tick):
        yield _on_real_data(real, wanted.seed)


def _on_real_data(real: Real, seed: int) -> Row:
    y, yhat = predictions(real.data, real.output)
    target = real.function.loss(real.given)
    factor, loss = parts(target)
    weight = np.full(bind(loss, yhat.shape).value_shape, factor)
    name, data = real.function.name, f"{real.data}: {real.output}"
    row = Row(name, brief(target), "", "missing", data=data, points=len(yhat), note=real.function.note)
    asked: Candidate = real.framework.asked(real.function, real.given, FORMATS["float64"])
    theirs = asked.ask(y, yhat)
    if theirs.error:
        return replace(row, verdict=f"not there: {theirs.error}")
    try:
        ours = loss.value_and_grad(y, yhat, weight=weight)
        rows = max(4, SAMPLE * len(yhat) // yhat.size)
        part = np.random.default_rng(seed).choice(len(yhat), rows, replace=False)
        alone, sample = replace(loss, reduction="none"), Problem(y[part], yhat[part])
        own = [float(e.max()) for e in accuracy.errors(alone, sample, proof.certified(alone, *sample, strict=False))]
    except Exception as error:
        return replace(row, verdict=f"ours is wrong: {type(error).__name__}: {error}", kind="wrong", holds=False)
    slack = 0.0 if loss.reduction == "none" else log2(yhat.size)  # of sums in floating point, pairwise
    columns: list[Measured | None] = []
    lines: list[str] = []
    for what, got, exact, bound in zip(("value", "grad"), theirs[:2], ours, loss.bounds, strict=True):
        if got is None:
            columns.append(None)
            continue
        ulps = np.atleast_1d(accuracy.ulps(got, np.asarray(exact), np.zeros(1), np.asarray(real.function.unit)))
        columns.append(Measured(float(ulps.max()), bound + slack, ulps.size, int((ulps > bound + slack).sum())))
        if ulps.max() > bound + slack:
            lines.append(_line(real, what, int(ulps.argmax()), got, exact))
    kind, verdict = _agreement([c for c in columns if c is not None])
    holds = own[0] <= loss.bounds.value and own[1] <= loss.bounds.grad
    if not holds:
        verdict = f"ours is wrong: off by {own[0]:.2g} and {own[1]:.2g} ulp; theirs: {verdict}"
    row = replace(row, verdict=verdict, kind=kind, holds=holds, lines=tuple(lines), value=columns[0], grad=columns[1])
    return replace(row, sample=rows, own_value=own[0], own_grad=own[1])


def _agreement(columns: list[Measured]) -> tuple[str, str]:
    """The verdict on theirs against ours."""
    m = max(columns, key=lambda c: (c.beyond > 0, c.worst))
    if not m.beyond:
        return "right", f"right (within {m.worst:.2g} ulp)"
    share = f" at {100 * m.beyond / m.points:.2g} %" if m.points > 1 else ""
    return ("off" if m.worst < HALF else "wrong"), f"off by {m.worst:.2g} ulp{share}"


def _line(real: Real, what: str, at: int, got: Any, exact: Any) -> str:
    """A line that shows theirs against ours."""
    source = real.function.code if what == "value" else real.function.grad or ""
    code = written(source, real.function.arguments(real.given))
    where = ", ".join(map(str, np.unravel_index(at, np.shape(got)))) if np.ndim(got) else ""
    given = f"from reflosses.frameworks.sklearn import predictions; y, yhat = predictions{real.data, real.output}"
    both = f"{float(np.ravel(got)[at])!r}, ours: {float(np.ravel(exact)[at])!r}"
    imports = "; ".join(["import numpy as np", *real.framework.imports.splitlines()])
    return f"{imports}; {given}; {code}{where and f'[{where}]'}  # {both}"
