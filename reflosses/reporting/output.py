"""A report of `verify`, or the results of `check`, for other programs: JSON, and test cases for JUnit.

The JSON of a report is one object (`SCHEMA` rises when a key changes its meaning or goes):

    schema, ok, interrupted, seed, points
    unlisted, vanished   the differences from the list given with --expect (null: no list)
    versions    of reflosses, python, the frameworks and libraries (null: not installed), and the machine
    legs        each has a `name` ("certification", "implementations", "real data"), `seconds`, `missing` (what to
                install for the rows that are not there) and `rows`
    rows        the fields of `rows.ReportRow`; `value` and `grad`: null or the fields of `rows.Measured`;
                `result`: null or `reflosses.comparison.result.Comparison.to_dict` of an implementation
    not_covered functions that look like losses of ours and are none, with the reason

JSON has no infinities and no NaN: they are the strings "inf", "-inf" and "nan".
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from reflosses.comparison.census import Census
from reflosses.comparison.result import Comparison, plain
from reflosses.comparison.worst_numbers import WorstNumbers
from reflosses.frameworks.coverage import Coverage
from reflosses.frameworks.function import frameworks, installed_version
from reflosses.reporting.junit import JUnitCase
from reflosses.reporting.known_deviations import Found, KnownDeviation
from reflosses.reporting.rows import Report, ReportRow
from reflosses.reporting.tables import differences

SCHEMA = 3

# ---- JSON ------------------------------------------------------------------------------------------------------------


def to_json(report: Report) -> str:
    """The whole report as JSON."""
    whole = {
        "schema": SCHEMA,
        "ok": report.ok,
        "interrupted": report.interrupted,
        "seed": report.wanted.seed,
        "points": report.wanted.points,
        "unlisted": None if report.unlisted is None else differences(report.unlisted, None),
        "vanished": None if report.vanished is None else differences(None, report.vanished),
        "versions": versions(),
        "legs": [
            {"name": leg.name, "seconds": leg.seconds, "missing": leg.missing, "rows": [_row(row) for row in leg.rows]}
            for leg in report.legs
        ],
        "not_covered": {name: why for framework in frameworks() for name, why in framework.left_out.items()},
    }
    return json.dumps(plain(whole), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _row(row: ReportRow) -> dict[str, Any]:
    return asdict(replace(row, result=None)) | {"result": row.result and row.result.to_dict()}


def results_to_json(results: Sequence[Comparison | Census | WorstNumbers], interrupted: bool = False) -> str:
    """Candidates as JSON: schema, ok, interrupted, versions, and `to_dict` of each result."""
    whole = {
        "schema": SCHEMA,
        "ok": bool(results) and all(r.ok for r in results) and not interrupted,
        "interrupted": interrupted,
        "versions": versions(),
        "results": [r.to_dict() for r in results],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def coverage_to_json(found: list[Coverage], missing: list[str]) -> str:
    """The losses of frameworks as JSON: schema, ok, versions, missing, and the losses of each framework by kind."""
    whole = {
        "schema": SCHEMA,
        "ok": all(one.complete for one in found),
        "versions": versions(),
        "missing": missing,
        "frameworks": [asdict(one) for one in found],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def versions() -> dict[str, str | None]:
    """The versions on which the numbers depend, and the machine."""
    own = {name: installed_version(name) for name in ("reflosses", "numpy", "python-flint")}
    others = {framework.package: framework.version for framework in frameworks()}
    machine = f"{platform.machine()} {platform.platform()}"
    return {**own, **others, "python": platform.python_version(), "machine": machine}


# ---- test cases ------------------------------------------------------------------------------------------------------


def cases(report: Report) -> list[JUnitCase]:
    """The rows of a report as test cases. A deviation that the list has is no failure; a vanished one is a failure."""
    found = []
    for leg in report.legs:
        for row in leg.rows:
            suite = " ".join(filter(None, (leg.name, row.framework or row.data)))
            name = f"{row.result.name if row.result else row.name}, {row.dtype}"
            told = row.result.message() if row.result else "\n".join([row.verdict, *row.lines])
            wrong = told if row.kind in ("off", "wrong") else ""
            fails = row.holds is False or _fails(row.result, report.unlisted)
            skipped = row.verdict if row.kind == "missing" else None
            found.append(_case(suite, name, row.result.seconds if row.result else 0.0, wrong, fails, skipped))
        found += [JUnitCase(leg.name, what, skipped=what) for what in leg.missing]
    return found + _vanished(report.vanished)


def cases_of(
    results: list[Comparison], suites: list[str], unlisted: list[Found] | None, vanished: list[KnownDeviation] | None
) -> list[JUnitCase]:
    """Candidates as test cases, each in its suite, and the deviations that have vanished."""
    own = []
    for result, suite in zip(results, suites, strict=True):
        wrong, fails = "" if result.ok and not result.worst else result.message(), _fails(result, unlisted)
        own.append(_case(suite, f"{result.name}, {result.dtype}", result.seconds, wrong, fails or not result.rows))
    return own + _vanished(vanished)


def _case(suite: str, name: str, seconds: float, wrong: str, fails: bool, skipped: str | None = None) -> JUnitCase:
    """The case of a row. `wrong` says why it deviates; only where it `fails` is that a failure."""
    return JUnitCase(suite, name, seconds, wrong if wrong and fails else None, skipped, "" if fails else wrong)


def _fails(result: Comparison | None, unlisted: list[Found] | None) -> bool:
    """Whether a deviation is a failure: without a list, if the result is not ok; with a list, if it is not listed."""
    if unlisted is None:
        return result is None or not result.ok
    return any(found.result is result for found in unlisted)


def _vanished(vanished: list[KnownDeviation] | None) -> list[JUnitCase]:
    return [JUnitCase("expected deviations", line, failure=line) for line in differences(None, vanished)]
