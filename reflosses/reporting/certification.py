"""The first leg of `verify`: every loss of ours against its certified truth, and against finite differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from reflosses import catalogue
from reflosses.comparison.battery import REGIMES, Inputs
from reflosses.comparison.expected import parts
from reflosses.frameworks.function import Framework, Function
from reflosses.frameworks.inputs import hard_masks, label_pairs
from reflosses.frameworks.scripts import checked
from reflosses.gradcheck import curvaturecheck, gradcheck
from reflosses.reporting.rows import LOSSES, Measured, ReportRow, Tick, Wanted, in_turn, truth_is_there
from reflosses.truth import accuracy
from reflosses.truth.sampling import moderate

DIFFERENCES = 12  # points at which each example is compared with finite differences
MEMBERS = 6  # a row or an overlap has about so many predictions: it is swept at so many times the points

LABELS = "y.astype(int), yhat.astype(int)"


def _overlap(name: str, code: str, equals: str, inputs: Inputs) -> Function:
    return Function(f"overlap.{name}", code, equals, grad=None, inputs=inputs)


OURS = Framework(  # our functions that are no `Loss`: each is certified through the loss that it equals
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
        _overlap("hard_dice", f"reflosses.overlap.hard_dice({LABELS}, 2)[1]", "Dice()", hard_masks),
        _overlap("hard_iou", f"reflosses.overlap.hard_iou({LABELS}, 2)[1]", "IoU()", hard_masks),
        _overlap(
            "pixel_accuracy", f"1 - reflosses.overlap.pixel_accuracy({LABELS})", "MeanAbsoluteError()", label_pairs
        ),
    ),
    {},
)
OWN_BOUNDS = {"log_softmax": 4.0}  # where it is not that of the loss, which also takes soft targets


def certification_rows(wanted: Wanted, missing: list[str], tick: Tick) -> Iterator[ReportRow]:
    """One row for each loss, with all its example parameters, and one for each function in `OURS`."""
    if truth_is_there(missing):
        own = [f for f in OURS.functions if f.name_of_loss({}) in wanted.losses]
        jobs = [(name, partial(_certified, name, wanted)) for name in wanted.losses]
        yield from in_turn(LOSSES, [*jobs, *((f.name, partial(_own_function, f, wanted.seed)) for f in own)], tick)


def _own_function(function: Function, seed: int) -> ReportRow:
    """A function in `OURS`, in the regimes that its inputs allow."""
    result = checked(OURS, function, {}, "float64", seed=seed, regimes=[r for r in REGIMES if r not in ("G", "H", "K")])
    points = sum(row.value.points for row in result.rows)
    worst = max((row.value.worst for row in result.rows), default=0.0)
    bound = OWN_BOUNDS.get(function.name, parts(function.loss({}))[1].bounds.value)
    row = _row(function.name, result.loss, "" if result.ok and worst <= bound else result.verdict)
    value = Measured(worst, bound, points, len(result.worst))
    return replace(row, points=points, value=value, lines=tuple(result.script(d) for d in result.worst))


def _row(name: str, equals: str, wrong: str) -> ReportRow:
    verdict, kind = (f"wrong: {wrong}", "wrong") if wrong else ("certified", "right")
    return ReportRow(name, equals, verdict, kind, holds=not wrong)


def _certified(name: str, wanted: Wanted) -> ReportRow:
    losses, seed = list(catalogue.examples(catalogue.losses()[name])), wanted.seed
    share = -(-wanted.points // len(losses))
    found = []
    try:
        for loss in losses:
            swept = accuracy.sweep(loss, seed, share * (MEMBERS if loss.layout.groups else 1))
            problems = list(moderate(loss, seed, DIFFERENCES))
            found.append((swept, [f(loss, p.y, p.yhat) for p in problems for f in (gradcheck, curvaturecheck)]))
    except Exception as error:  # a loss that raises is not certified, whatever it raises
        return _row(name, name, f"{type(error).__name__}: {error}")
    wrong, lines = "", []
    columns: dict[str, list[Measured]] = {"value": [], "gradient": [], "curvature": []}
    for loss, (swept, checks) in zip(losses, found, strict=True):
        errors = swept.value, swept.grad, swept.curvature
        for column, worst, bound in zip(columns.values(), errors, loss.bounds, strict=True):
            beyond = not worst.ulp <= bound
            lines += [f"import reflosses; {worst.line}"] if beyond else []
            column.append(Measured(worst.ulp, bound, swept.points, int(beyond)))
        if not all(check.ok for check in checks):
            furthest = max(checks, key=lambda check: check.excess)
            wrong = f"approx_fprime of {furthest.subject} says otherwise"
    worst_of = {what: max(column, key=lambda m: m.worst / m.bound) for what, column in columns.items()}
    for what, m in reversed(worst_of.items()):
        if m.beyond:
            wrong = f"{what} off by {m.worst:.3g} ulp"
    total, undecided = (sum(getattr(swept, count) for swept, _ in found) for count in ("points", "undecided"))
    if undecided > 0.05 * total:  # points without a derivative are rare
        wrong = f"{undecided} of {total + undecided} could not be certified"
    if not total:
        wrong = "nothing could be certified"
    return replace(
        _row(name, name, wrong),
        points=total,
        value=worst_of["value"],
        grad=worst_of["gradient"],
        curvature=worst_of["curvature"],
        lines=tuple(lines),
        derivatives=sum(check.checked for _, checks in found for check in checks),
        differences=max([0.0, *(check.excess for _, checks in found for check in checks)]),
        note=f"{undecided} problems were left out: no certified result exists there" if undecided else "",
    )
