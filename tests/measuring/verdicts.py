"""What `check` says of right and of wrong implementations, as people write them: is it true, and does it help?

    python tests/measuring/verdicts.py [--framework numpy|torch|jax|all] [--kind right|wrong] [--only NAME] [--all]

Of right implementations it counts alarms: the loss is right, and the verdict says that it is not. Of wrong ones it
counts those that are not found, those found at another level than the one they belong to, those that the text names so
that a person can mend the code, and the false sentences. The rows are in tests/verdicts. `--all` prints every row, else
those that are not as they should be.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # this file has the name of the package of rows
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import numpy as np
from verdicts.rows import FRAMEWORKS, LEVELS, Row, lies_of, table

import reflosses
from reflosses.comparison.result import Comparison

WRONG_SECONDS = {"numpy": 0.6, "torch": 2.0, "jax": 5.0}  # the most that a median may be
RIGHT_SECONDS = 0.1
NAMED, FALSE = 0.85, 0.02
# No help: that nothing fits, between which bounds the numbers are, and the name of a page.
UNEXPLAINED = re.compile(
    r"No known explanation fits[^.]*\.( At ordinary inputs .*? times the loss's\.)?|derivations/\S+"
)


@dataclass
class Said:
    """What `check` said of a row."""

    row: Row
    kind: str
    result: Comparison | None
    seconds: float
    error: str = ""

    @property
    def level(self) -> str | None:
        """The first level that fails, "nothing" if none does; None before `check` knows levels, and if it raised."""
        holds = getattr(self.result, "holds", None)
        if holds is None:
            return "nothing" if self.result is not None and self.result.ok else None
        return next((level for level in LEVELS if level not in holds), "nothing")

    @property
    def text(self) -> str:
        """The sentences that a person reads, without numbers of single calls."""
        if self.result is None:
            return self.error
        summary = self.result.summary() if hasattr(self.result, "summary") else ""
        return " ".join(part for part in (summary, self.result.diagnosis, *self.result.notes) if part)

    @property
    def named(self) -> bool:
        """Whether the text says what a person needs in order to mend the code."""
        explained = UNEXPLAINED.sub("", self.text).replace(str(self.row.loss), "").replace(self.row.name, "")
        return any(re.search(pattern, explained, re.I) for pattern in self.row.named)

    @property
    def sentences(self) -> list[str]:
        """The sentences of the text."""
        return [s for s in re.split(r"(?<=[.;])\s+", self.text) if s]

    @property
    def lies(self) -> list[str]:
        """The sentences that are not true of the row."""
        patterns = lies_of(self.row)
        return [s for s in self.sentences if any(re.search(p, s, re.I) for p in patterns)]

    @property
    def alarm(self) -> bool:
        """Whether a right implementation is called wrong."""
        if self.kind == "wrong":
            return False
        return self.result is None or self.level == "formula" or not self.result.ok

    @property
    def missed(self) -> bool:
        """Whether a mistake is not seen at all."""
        return self.kind == "wrong" and self.level == "nothing"

    @property
    def elsewhere(self) -> bool:
        """Whether another level fails first than the row says."""
        return bool(self.row.fails) and self.level not in (None, self.row.fails) and not self.missed

    @property
    def ungraded(self) -> bool:
        """Whether a gradient should have been asked, and was not."""
        if self.result is None or self.row.framework == "numpy":
            return False
        return not sum(r.gradient.points for r in self.result.rows)


def said_of(row: Row, kind: str) -> Said:
    """What `check` says of a row. Any exception is one more thing that should not be."""
    start = time.perf_counter()
    try:
        with np.errstate(all="ignore"):
            result = reflosses.check(row.function, row.loss, dtype=row.dtype, name=row.name, **row.given)
    except Exception as error:
        return Said(row, kind, None, time.perf_counter() - start, f"{type(error).__name__}: {error}")
    return Said(row, kind, result, time.perf_counter() - start)


def reasons(said: Said) -> list[str]:
    """What is not as it should be."""
    out = []
    if said.result is None:
        out.append("check raises")
    if said.alarm:
        out.append("called wrong")
    if said.missed:
        out.append("not found")
    if said.elsewhere:
        out.append(f"fails at {said.level}, not at {said.row.fails}")
    if said.ungraded:
        out.append("no gradient asked")
    if said.kind == "wrong" and not said.missed and not said.named:
        out.append("not named")
    if said.kind == "wrong" and said.lies:
        out.append("false: " + " / ".join(said.lies))
    return out


def counts(found: list[Said]) -> dict[str, str]:
    """The figures of one framework."""
    right, wrong = ([s for s in found if s.kind == kind] for kind in ("right", "wrong"))
    sentences, lies = (
        (sum(len(part) for part in parts) for parts in zip(*((s.sentences, s.lies) for s in wrong), strict=True))
        if wrong
        else (0, 0)
    )

    def times(rows: list[Said]) -> str:
        seconds = [s.seconds for s in rows]
        return f"{statistics.median(seconds):.2f} / {max(seconds):.2f}" if seconds else "-"

    def share(few: int, all_: int) -> str:
        return f"{few}/{all_} ({100 * few / all_:.1f} %)" if all_ else "-"

    return {
        "alarms on right ones": share(sum(s.alarm for s in right), len(right)),
        "right ones at another level than expected": share(sum(s.elsewhere for s in right), len(right)),
        "gradient not asked": share(sum(s.ungraded for s in found), len(found)),
        "wrong ones not found": share(sum(s.missed for s in wrong), len(wrong)),
        "wrong ones at another level than expected": share(sum(s.elsewhere for s in wrong), len(wrong)),
        "wrong ones named": share(sum(s.named for s in wrong), len(wrong)),
        "false sentences": share(lies, sentences),
        "seconds, right (median / worst)": times(right),
        "seconds, wrong (median / worst)": times(wrong),
    }


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--framework", choices=[*FRAMEWORKS, "all"], default="numpy")
    parser.add_argument("--kind", choices=["right", "wrong"])
    parser.add_argument("--only", metavar="NAME", help="rows whose name has this in it")
    parser.add_argument("--all", action="store_true", help="print every row")
    return parser.parse_args()


def enough(found: list[Said]) -> bool:
    """Whether no right row is called wrong, every mistake is found at its level, and the texts help and do not lie."""
    wrong = [s for s in found if s.kind == "wrong"]
    told, lies = sum(len(s.sentences) for s in wrong), sum(len(s.lies) for s in wrong)
    named = sum(s.named for s in wrong) >= NAMED * len(wrong)
    return named and lies <= FALSE * told and not any(s.alarm or s.missed or s.elsewhere for s in found)


def main() -> int:
    """Ask, print and count. The status is 1 if it is not enough."""
    given = arguments()
    frameworks = FRAMEWORKS if given.framework == "all" else (given.framework,)
    figures: dict[str, dict[str, str]] = {}
    good = True
    for framework in frameworks:
        found = []
        for kind in [given.kind] if given.kind else ["right", "wrong"]:
            for row in table(kind, framework):
                if given.only is None or given.only in row.name:
                    said = said_of(row, kind)
                    found.append(said)
                    off = reasons(said)
                    if off or given.all:
                        print(
                            f"{framework} {kind} {row.name} against {row.loss}: {'; '.join(off) or 'as it should be'}"
                        )
                        print(f"    {said.text}  [{said.seconds:.2f} s]", flush=True)
        figures[framework] = counts(found)
        good &= enough(found)
    print()
    for figure in next(iter(figures.values())):
        print(f"{figure:<44}" + "".join(f"{framework} {figures[framework][figure]:<22}" for framework in figures))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
