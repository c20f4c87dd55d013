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
from reflosses.comparison.counting import Tick, blocks_of, count_numbers
from reflosses.comparison.interview import Interview
from reflosses.comparison.one_prediction import LETTERS, OnePrediction, endless, one_predictions, taken

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
