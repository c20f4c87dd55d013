"""Is somebody else's loss right at every number of a format? Each prediction is asked, and nothing is left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reflosses.comparison.battery import Inputs, LossBlock, family
from reflosses.comparison.battery.block import moderate_blocks
from reflosses.comparison.candidate import Candidate
from reflosses.comparison.census import Census, Run
from reflosses.comparison.counting import Tick
from reflosses.comparison.every_number import ask_again, census_of
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import FORMATS, Format
from reflosses.comparison.interview import Interview
from reflosses.comparison.one_prediction import OnePrediction, one_predictions, regimes_at, taken
from reflosses.comparison.options import checked_options
from reflosses.comparison.plan import in_process, into_domain, kinds_of_targets
from reflosses.comparison.result import LEVELS, Comparison, Deviation, RegimeRow, arrays_of
from reflosses.evaluation.domain import Classes
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import one_loss_a_call, stack


@np.errstate(all="ignore")
def exhaust(
    candidate: Callable[..., Any] | Candidate | None,
    loss: Loss | Scaled,
    *,
    dtype: str = "bfloat16",
    y: Any = None,
    grad: Callable[..., Any] | str | None = "auto",
    framework: str = "auto",
    targets: str = "auto",
    order: str = "auto",
    returns: str = "auto",
    name: str = "",
    inputs: Inputs | None = None,
    script: Callable[[Deviation], str] = arrays_of,
    tick: Tick = lambda done, total: None,
) -> Census:
    """Whether a candidate is right at every number of a narrow format: value and gradient, with nothing left out.

    One prediction takes every finite number, and ±∞ and NaN where the loss has a limit. The target and the other
    predictions are fixed: each label, or 0, 1 and some that are not special; in a row of classes the true logit, or
    another; one pixel of a mask; one component of a residual vector. The verdicts and their tolerances are those of
    `check`, and so are the levels.

    dtype: "bfloat16" or "float16" (65,280 and 63,488 numbers), or "float32" (4.28 billion: some minutes a target).
    y: the targets of a loss of one number, such as 0.25 or [0, 1]. tick: is told of progress, in numbers.
    The other arguments are those of `check`.
    Returns a `Census`: `ok` if every number is right, `holds` the levels that hold, `targets` the counts, with the
    largest errors and the runs of wrong numbers, `to_json()`, `to_markdown()`.
    Raises ValueError for float64, which has too many numbers: `hunt` searches them. A loss that averages over a call
    takes one call for each number, and is refused in float32: pass reduction="none". TypeError or ValueError for a
    wrong option, as `check` does. If it is interrupted, the argument of the KeyboardInterrupt is the result so far.
    """
    given = {key: value for key, value in locals().items() if key != "y"}
    checked_options("exhaust", given)
    base, form = parts(loss)[1], FORMATS[dtype]
    _refuse(base, form)
    start = time.perf_counter()
    asked, note = candidate, ""
    if not isinstance(asked, Candidate):
        asked, note = in_process(
            asked, base, form, targets=targets, grad=grad, framework=framework, order=order, returns=returns
        )
    shown = name or getattr(candidate, "__qualname__", "") or repr(candidate)
    found = Comparison(shown, str(loss), dtype, 0, [RegimeRow("moderate")], script=script, level=LEVELS[2])
    found.notes += [note] if note else []
    census = Census(shown, str(loss), dtype, [], found)
    run = Interview(asked, loss, 0.0, form, found)
    kinds = _ask_ordinary(run, targets, inputs, y)
    ones = one_predictions(base, form, y, rows=bool(kinds) and 1 not in kinds and isinstance(base.domain.y, Classes))
    ones = [one for one in ones if taken(one, form, base, inputs)]
    try:
        if any(d.shape is not None or d.error for d in run.deviations) or not kinds:
            census.notes.append("the numbers were not counted: it gives no right answer to ordinary inputs")
        elif not ones:
            census.notes.append("the numbers were not counted: it takes none of these inputs as they are")
        else:
            census.targets = census_of(run, ones, tick)
    except KeyboardInterrupt as stop:
        census.targets, census.interrupted = stop.args[0], True
        census.notes.append("the rest was not asked: interrupted")
    ask_again(run, ones, census.targets)
    run.finish()
    _tell_levels(run, ones, census)
    census.seconds = time.perf_counter() - start
    if census.interrupted:
        raise KeyboardInterrupt(census)
    return census


def _refuse(loss: Loss, form: Format) -> None:
    """ValueError if there are too many numbers, or too many calls."""
    if form.width > 32:
        raise ValueError(f"exhaust: {form} has 1.8e19 numbers: reflosses.hunt searches them for the largest error")
    if form.width > 16 and (loss.reduction != "none" or one_loss_a_call(loss)):
        more = " and axis=1" if getattr(loss, "axis", 0) is None else ""
        raise ValueError(
            f"exhaust: {loss} has one value for a whole call, so each of 4.28 billion numbers takes a call: "
            f'pass a loss with reduction="none"{more}, or dtype="bfloat16"'
        )


def _ask_ordinary(run: Interview, targets: str, inputs: Inputs | None, y: Any) -> set[int]:
    """Ask ordinary inputs, with the targets y if they are given; the dimensions of the targets that are taken."""
    loss, form = run.loss, run.form
    allowed = kinds_of_targets(loss, targets) if isinstance(loss.domain.y, Classes) else range(9)
    moderate = [into_domain(b, inputs, form) for b in moderate_blocks(loss, form, 0) if b.y.ndim in allowed]
    if y is not None and not loss.layout.groups:
        moderate = [_with_targets(b, loss, form, np.ravel(y)) for b in moderate]
    kinds = run.kinds_of_targets([b for b in moderate if len(b.y)])
    for group in run.grouped([b for b in moderate if b.y.ndim in kinds]):
        run.ask_blocks(group)
    if not kinds:
        run.note_refusals()
    return kinds


def _with_targets(block: LossBlock, loss: Loss, form: Format, targets: Any) -> LossBlock:
    """A block with these targets; residuals stay as large as they were."""
    y = np.resize(np.asarray(targets, np.float64), block.y.shape)
    if family(loss) != "residuals":
        return replace(block, y=y)
    yhat = form.round(block.yhat - block.y + y)
    apart = yhat != y  # a small residual may be lost
    return replace(block, y=y[apart], yhat=yhat[apart])


def _tell_levels(run: Interview, ones: list[OnePrediction], census: Census) -> None:
    """Each run has the first level of the deviations in it."""
    for one, target in zip(ones, census.targets, strict=False):
        own = [(d, _number(run.loss, one, d)) for d in run.deviations if d.name.startswith(one.name)]
        for what, column in target.columns():
            column.runs = [
                run_.at_level(
                    min(
                        (d.level for d, x in own if d.what in (what, "value" if d.error else what) and run_.holds(x)),
                        key=LEVELS.index,
                        default=_of_no_answer(run, one, run_),
                    )
                )
                for run_ in column.runs
            ]


def _of_no_answer(run: Interview, one: OnePrediction, found: Run) -> str:
    """The level of a crash that was not asked again: it is the formula if it reaches ordinary inputs."""
    if found.verdict != "crash":
        return ""
    first, last = run.form.places([found.first, found.last]).tolist()
    numbers = run.form.numbers_at(np.linspace(first, last, 64).astype(np.int64))
    return "formula" if (regimes_at(run.loss, run.form, one, numbers) == "moderate").any() else "range"


def _number(loss: Loss, one: OnePrediction, d: Deviation) -> float:
    """The prediction that moves, in the call of a deviation."""
    return float(stack(loss, d.y, d.yhat)[1][(0, *one.place)])
