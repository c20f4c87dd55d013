"""What every report says first of a candidate: on a terminal, in a test, in a pull request, the same words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from reflosses.comparison.battery import REGIMES, blocks, calls
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import LEVELS, Comparison, title
from reflosses.comparison.worst_numbers import WorstNumbers
from reflosses.evaluation.loss import Loss
from reflosses.reporting.widths import filled, folded_code

# Of a candidate that fails the first level, the second, the third, and none of these three.
STANDINGS = ("not the loss", "the loss", "the loss with its digits", "the loss to the ends of the range")


def headline(result: Comparison) -> list[str]:
    """What a candidate is, in sentences, and what it does instead."""
    return [result.summary(), *([f"Diagnosis: {result.diagnosis}"] if result.diagnosis else [])]


def standing(result: Comparison) -> str:
    """The best of STANDINGS that a candidate has. A level that was not asked counts as held."""
    wrong = {d.level for d in result.worst}
    return next((word for word, level in zip(STANDINGS, LEVELS[:3], strict=False) if level in wrong), STANDINGS[-1])


def outcome(result: Comparison) -> str:
    """The verdict in a few words: "right", or where a candidate stands, and the worst that was found."""
    if not result.worst:
        return result.verdict
    if standing(result) == STANDINGS[0]:
        return f"not the loss: {result.verdict}"
    return f"{standing(result)}, with limits: {result.verdict}" if "formula" in result.holds else result.verdict


def why_nothing_was_asked(result: Comparison, loss: Loss | Scaled, regimes: Iterable[str]) -> list[str]:
    """A sentence if no number was asked in these regimes: which have inputs of this loss; else no sentence."""
    if any(row.value.points or row.gradient.points for row in result.rows):
        return []
    base, form = parts(loss)[1], FORMATS[result.dtype]
    drawn = {b.regime for b in blocks(base, form, result.seed)}
    drawn |= {c.regime for c in calls(base, form, result.seed, True, True)}
    asked = {regimes} if isinstance(regimes, str) else set(regimes)
    if asked & drawn:
        return []
    wanted, has = ("; ".join(title(r) for r in REGIMES if r in some) or "none" for some in (asked, drawn))
    return [f"nothing was asked: {type(base).__name__} has no inputs in the regimes {wanted}. It has inputs in: {has}"]


def in_lines(result: WorstNumbers, width: int | None) -> str:
    """The largest errors as text for a terminal of that width: sentences, and lines to paste."""
    out = [filled(result.headline(), width)]
    for title_of, e in result.shown():
        out += ["", filled(f"{title_of}: {e}", width), textwrap.indent(folded_code(e.line, width), "    ")]
    out += ["", *(filled(note, width) for note in result.notes), filled(result.effort(), width)]
    return "\n".join(out) + "\n"
