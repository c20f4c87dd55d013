"""The errors of billions of numbers in some hundred columns of a figure, of which none hides a wrong number.

A column has the largest error and the worst verdict of every part of the profile that touches it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reflosses.comparison.census import Counted
from reflosses.comparison.verdict import VERDICTS
from reflosses.evaluation.domain import Floats
from reflosses.reporting.float_axis import FloatAxis

MARK = 2  # columns: the least width of a verdict in the band
RIGHT_COLUMN, EMPTY = -1, -2  # in the place of a verdict: every number is right; no number was asked


@dataclass(frozen=True)
class Thinned:
    """One column of the figure for each point of an axis. verdicts: indices of VERDICTS, RIGHT_COLUMN or EMPTY."""

    ulps: Floats
    verdicts: NDArray[np.int64]

    def marks(self) -> NDArray[np.int64]:
        """The verdicts of the band: narrow ones are made wider where every number is right."""
        wide = self.verdicts.copy()
        for start, stop, verdict in runs_of(self.verdicts):
            if verdict < 0:
                continue
            for place in (*range(stop, start + MARK), *range(start - 1, stop - MARK - 1, -1)):
                if np.count_nonzero(wide[max(start - MARK, 0) : stop + MARK] == verdict) >= MARK:
                    break
                if 0 <= place < len(wide) and wide[place] == RIGHT_COLUMN:
                    wide[place] = verdict
        return wide


def thinned(axis: FloatAxis, counted: Counted) -> Thinned:
    """The profile of one column of a census, in columns of an axis. Numbers that were not asked are left empty."""
    ulps, verdicts = np.zeros(axis.width), np.full(axis.width, EMPTY)
    profile = counted.profile
    if profile is None:
        return Thinned(ulps, verdicts)
    starts = axis.at(profile.first)
    ends = np.append(starts[1:], axis.width)
    first = np.minimum(np.floor(starts), axis.width - 1).astype(int)
    last = np.minimum(np.maximum(np.ceil(ends), first + 1), axis.width).astype(int)
    asked = np.flatnonzero(axis.form.places(profile.first) < axis.low + counted.asked)
    # Each part once for every column that it touches. The worst verdict has the lowest index.
    parts = np.repeat(asked, (last - first)[asked])
    columns = np.concatenate([np.arange(first[i], last[i]) for i in asked.tolist()] or [parts])
    ranks = np.where(profile.verdict < 0, len(VERDICTS), profile.verdict)
    worst = np.full(axis.width, len(VERDICTS))
    np.maximum.at(ulps, columns, profile.ulps[parts])
    np.minimum.at(worst, columns, ranks[parts])
    verdicts[columns] = RIGHT_COLUMN
    wrong = worst < len(VERDICTS)
    verdicts[wrong] = worst[wrong]
    return Thinned(ulps, verdicts)


def runs_of(verdicts: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring columns of one verdict: the first, one beyond the last, and the verdict."""
    edges = [0, *(np.flatnonzero(np.diff(verdicts)) + 1).tolist(), len(verdicts)]
    yield from ((a, b, int(verdicts[a])) for a, b in pairwise(edges))
