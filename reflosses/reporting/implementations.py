"""The second leg of `verify`: functions of frameworks against the truth of the losses that they equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import groupby
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, NamedTuple

from reflosses.comparison.candidate import Candidate
from reflosses.comparison.formats import FORMATS
from reflosses.diagnosis.search import explained
from reflosses.frameworks.function import Framework, Function, brief, frameworks
from reflosses.frameworks.isolation import Isolated, Source, Worker
from reflosses.frameworks.processes import CannotLoadError
from reflosses.frameworks.scripts import checked
from reflosses.reporting.rows import FUNCTIONS, ReportRow, Tick, Wanted
from reflosses.reporting.told import STANDINGS, standing

LANES = 2  # functions that are asked at the same time, each in a process of its own
NOT_THERE = ("AttributeError", "ImportError", "ModuleNotFoundError")  # raised by another version of a framework


class _Job(NamedTuple):
    """A function to ask, with these parameters, in this dtype."""

    framework: Framework
    function: Function
    given: Mapping[str, Any]
    dtype: str


def implementation_rows(wanted: Wanted, missing: list[str], tick: Tick) -> Iterator[ReportRow]:
    """One row for each function, parameter set and dtype, framework by framework."""
    jobs: list[_Job] = []
    for framework in frameworks():
        if framework.name not in wanted.against:
            continue
        if framework.version is None:
            missing.append(f"functions of {framework.name} are left out: {framework.not_installed}")
            continue
        jobs += [
            _Job(framework, function, given, dtype)
            for function in framework.functions
            for given in function.tried
            for dtype in function.dtypes
            if function.name_of_loss(given) in wanted.losses and dtype in (wanted.dtypes or function.dtypes)
        ]
    tick(FUNCTIONS, "", 0, len(jobs))
    for done, row in enumerate(_in_lanes(jobs, wanted), 1):
        yield row
        tick(FUNCTIONS, f"{row.name}, {row.dtype}", done, len(jobs))


def _in_lanes(jobs: Sequence[_Job], wanted: Wanted) -> Iterator[ReportRow]:
    """The row of each job when it is done. A lane takes all jobs of one function; `place` is the number of the job."""
    waiting = [list(group) for _, group in groupby(enumerate(jobs), lambda job: job[1].function)]
    done: SimpleQueue[ReportRow | BaseException] = SimpleQueue()
    stopped = Event()

    def next_group() -> list[tuple[int, _Job]]:
        with suppress(IndexError):
            return waiting.pop(0)
        return []

    def lane() -> None:
        told: dict[Any, str] = {}
        framework = None
        try:
            with closing(Worker()) as worker:
                while group := next_group():
                    for place, job in group:
                        if stopped.is_set():
                            return
                        if job.framework is not framework:  # a new process frees the memory of the last framework
                            framework = job.framework
                            worker.close()
                        done.put(replace(_implementation(job, wanted, worker, told), place=place))
        except BaseException as error:
            done.put(error)

    lanes = [Thread(target=lane, daemon=True) for _ in range(LANES)]
    for thread in lanes:
        thread.start()
    try:
        for _ in jobs:
            row = done.get()
            if isinstance(row, BaseException):
                raise row
            yield row
        for thread in lanes:
            thread.join()
    finally:
        stopped.set()


def _implementation(job: _Job, wanted: Wanted, worker: Worker, told: dict[Any, str]) -> ReportRow:
    """What a function answers in one dtype, and the verdict. Equal deviations of a function are explained once."""
    framework, function, given, dtype = job
    loss = function.loss(given)
    row = ReportRow(
        function.name, brief(loss), "", "missing", dtype=dtype, note=function.note, framework=framework.name
    )

    def make(given: Mapping[str, Any]) -> Candidate:
        if wanted.limit is None:
            return framework.candidate(function, given, FORMATS[dtype])
        return Isolated(Source(function.name, dict(given)), dtype, limit=wanted.limit, worker=worker)

    try:
        options: dict[str, Any] = {"seed": wanted.seed, "regimes": wanted.regimes, "diagnose": False}
        options |= {"level": wanted.level} if wanted.level else {}
        result = checked(framework, function, given, dtype, make=make, **options)
        if result.worst:
            key = (function.name, frozenset((d.regime, d.what, d.verdict) for d in result.worst))
            if key not in told:
                told[key] = explained(result.interview).told
            result.diagnosis = told[key]
        result.interview = None
    except (AttributeError, ImportError, CannotLoadError) as error:
        return replace(row, verdict=f"not there: {error}")
    crashes = [d.error.removeprefix("raises ") for d in result.worst if d.verdict == "crash" and d.regime == "moderate"]
    if crashes and crashes[0].startswith(NOT_THERE):
        return replace(row, verdict=f"not there: {crashes[0]}")
    points = sum(max(r.value.points, r.gradient.points) for r in result.rows)
    if not points:
        return replace(row, verdict=result.verdict)
    kind = "right" if result.verdict == "right" else "wrong" if standing(result) == STANDINGS[0] else "off"
    return replace(row, verdict=result.verdict, kind=kind, points=points, result=result)
