"""Every number of a format in one interview: counted with each target, then the wrong ones are asked again.

Counting says how many numbers are wrong, and where. Asked again, a few of them are judged, recorded and given levels
like all other answers, so that an explanation rests on them too.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from reflosses.comparison.battery import ORDINARY, Inputs, LossBlock, family
from reflosses.comparison.census import CountedTarget, in_numbers
from reflosses.comparison.counting import Tick, count_numbers
from reflosses.comparison.formats import Format
from reflosses.comparison.interview import Interview
from reflosses.comparison.levels import NEXT_TO_A_BORDER, ONE_OF_ALL
from reflosses.comparison.one_prediction import (
    BORDER,
    LETTERS,
    OnePrediction,
    borders,
    endless,
    hard_regime,
    one_predictions,
    regimes_at,
    taken,
)
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss

SAMPLES = 8  # numbers of a run that are asked again
CLIP = 200  # a cap at more than this part of all numbers is a clip; rounding caps fewer
FEW = 10_000  # one wrong number of so many, next to a border, is no other formula
NARROW = 16  # bits of a format whose numbers are all asked by `check`
HARD = frozenset("ABDF")  # regimes that such a check asks for


def ask_every_number(run: Interview, kinds: set[int], regimes: set[str], inputs: Inputs | None) -> None:
    """In a narrow format `check` asks every number, if it asks the hard regimes and one call may hold many losses."""
    ordinary = any(d.regime in ORDINARY or d.error or d.shape is not None for d in run.deviations)
    if run.form.width > NARROW or not regimes >= HARD or run.apart or ordinary or run.asked.given_up:
        return
    ones = one_predictions(run.loss, run.form, rows=family(run.loss).endswith("rows") and 1 not in kinds)
    ones = [one for one in ones if taken(one, run.form, run.loss, inputs)]
    if not ones:
        return
    found = census_of(run, ones, settle=False)
    ask_again(run, ones, found)
    asked = max(c.asked for target in found for _, c in target.columns())
    wrong = sum(c.asked - c.right for target in found for _, c in target.columns())
    with_ = ", ".join(one.name for one in ones)
    all_right = f"{wrong:,} of the values and gradients are wrong" if wrong else "all are right"
    run.found.notes.append(f"all {asked:,} numbers of {run.form} were asked, with {with_}: {all_right}")


def census_of(
    run: Interview, ones: list[OnePrediction], tick: Tick = lambda done, total: None, settle: bool = True
) -> list[CountedTarget]:
    """Every number with each target; the argument of a KeyboardInterrupt is what was counted until then."""
    found: list[CountedTarget] = []
    for k, one in enumerate(ones):
        found.append(CountedTarget(one.name, LETTERS.get(family(run.loss), "yhat")))
        told = partial(_tell, tick, k, len(ones))
        try:
            more: Any = {"slopes": run.differentiated, "settle": settle, "tick": told}
            errors = count_numbers(run.asked, run.target, one, run.form, found[-1], **more)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(found) from None
        run.found.notes += [f"{one.name}, {in_numbers(n)}: {fault}" for fault, n in errors.items()]
    return found


def _tell(tick: Tick, k: int, many: int, done: int, total: int) -> None:
    tick(k * total + done, many * total)


def ask_again(run: Interview, ones: list[OnePrediction], found: list[CountedTarget]) -> None:
    """Ask some of the wrong numbers, and infinite predictions, as `check` asks its own."""
    for one, target in zip(ones, found, strict=False):
        for block in blocks_of(run.loss, run.form, one, target):
            run.ask_blocks([block])
        for said, numbers in endless(run.loss).items():
            run.ask_blocks([LossBlock("G", said, *one.at(np.array(numbers)))])


def blocks_of(loss: Loss, form: Format, one: OnePrediction, counted: CountedTarget) -> list[LossBlock]:
    """Some numbers of each run, as blocks that `check` asks and judges: these tell levels and limits."""
    found: dict[tuple[str, str], list[Floats]] = {}
    for _, column in counted.columns():
        for run in column.runs:
            first, last = (int(form.places(x)) for x in (run.first, run.last))
            places = np.linspace(first, last, SAMPLES).round().astype(np.int64)
            if column.worst is not None and run.holds(column.worst.number):
                places = np.append(places, form.places(column.worst.number))
            numbers = form.numbers_at(np.unique(places))
            few = run.count * FEW < column.asked and _next_to_a_border(loss, form, one, first, last)
            regimes, strict = regimes_at(loss, form, one, numbers), hard_regime(loss)
            clip = run.verdict == "capped" and run.count * CLIP > column.asked
            own = NEXT_TO_A_BORDER if few else "" if clip else ONE_OF_ALL
            asked = [(np.where(regimes == "moderate", strict, regimes), own)]
            asked += [] if few else [(regimes, own)]
            for names, more in asked:
                for regime in np.unique(names).tolist():
                    found.setdefault((regime, f"{one.name}{more}"), []).append(numbers[names == regime])
    places_of = {key: np.unique(form.places(np.concatenate(numbers))) for key, numbers in found.items()}  # 0 and −0
    return [LossBlock(regime, name, *one.at(form.numbers_at(p))) for (regime, name), p in places_of.items()]


def _next_to_a_border(loss: Loss, form: Format, one: OnePrediction, first: int, last: int) -> bool:
    places = form.places(borders(loss, form, one))
    return bool((np.abs(places - first) <= BORDER).any() or (np.abs(places - last) <= BORDER).any())
