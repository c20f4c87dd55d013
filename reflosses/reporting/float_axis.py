"""An axis of all numbers of a format in their order, each as wide as the others, with ticks at round numbers.

Half of the probabilities are below 1e-19, and those above ½ would have a hundredth of the axis. So an axis from 0 to 1
has two parts: up to ½ every number is as wide as the others, and from there on every halving of the distance from 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflosses.comparison.formats import Format
from reflosses.evaluation.domain import Floats

BELOW_A_HALF = 0.65  # of an axis from 0 to 1
WIDTH_OF_ONE = 0.25  # halvings of the distance from 1, for 1 itself
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LETTER = 5.7  # points: about the width of a letter
ROOM = 5.0  # points between two labels


@dataclass(frozen=True)
class FloatAxis:
    """An axis of `width` points for the numbers at the places from `low` to `high`, without the last."""

    form: Format
    low: int
    high: int
    width: int

    @property
    def ends_at_one(self) -> bool:
        """Whether its numbers are probabilities."""
        return self.high == int(self.form.places(1.0)) + 1

    def at(self, numbers: Any) -> Floats:
        """The left ends of numbers on the axis, in points."""
        numbers = np.asarray(numbers, np.float64)
        places = self.form.places(numbers)
        if not self.ends_at_one:
            return np.asarray((places - self.low) / (self.high - self.low) * self.width)
        middle, left = int(self.form.places(0.5)), BELOW_A_HALF * self.width
        halvings = -np.log2(2 * np.clip(1 - numbers, 2.0 ** (-self.form.bits - 1), 0.5))
        above = left + (self.width - left) * halvings / (self.form.bits + WIDTH_OF_ONE)
        return np.where(numbers < 0.5, (places - self.low) / (middle - self.low) * left, above)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and labels of round numbers, as many as have room."""
        taken: list[tuple[float, str]] = []
        for group in self._round_numbers():
            inside = [x for x in group if self.low <= int(self.form.places(x)) < self.high]
            new = [(float(self.at(self.form.round(x))), in_powers(x)) for x in inside]
            kept = list(taken)
            for tick in new:
                if all(abs(tick[0] - x) > LETTER * (len(tick[1]) + len(label)) / 2 + ROOM for x, label in kept):
                    kept.append(tick)
            if len(kept) == len(taken) + len(new):
                taken = kept
        return sorted(taken)

    def _round_numbers(self) -> Iterator[tuple[float, ...]]:
        """Round numbers, those first that an axis must have."""
        exponents = (30, 10, 20) if self.form.top > 16 else (4, 2, 1, 3)
        yield from ((0.0,), (1.0, -1.0))
        if self.ends_at_one:
            yield (0.5,)
            yield from ((1 - 10.0**-k,) for k in (3, 6, 2, 1) if 10.0**-k >= self.form.eps)
        for k in exponents:
            yield from ((10.0**k, -(10.0**k)), (10.0**-k, -(10.0**-k)))


def in_powers(x: float) -> str:
    """A round number in few letters: "−10³⁰", "½", "0.99", "1 − 10⁻⁶"."""
    short = {0.0: "0", 0.5: "½", 1.0: "1", -1.0: "−1", 10.0: "10", -10.0: "−10"}
    if x in short:
        return short[x]
    if 0.5 < x < 1:
        return f"{x:g}" if x < 0.9995 else f"1 − {in_powers(1 - x)}"
    exponent = round(np.log10(abs(x)))
    return f"{'−' * (x < 0)}10{str(exponent).translate(SUPERSCRIPTS)}"
