"""The diagnosis in words."""

from __future__ import annotations

from dataclasses import dataclass

from reflosses.diagnosis.hypotheses import HYPOTHESES
from reflosses.diagnosis.model import Explanation, Hypothesis


@dataclass(frozen=True)
class Diagnosis:
    """The explanation of a candidate's numbers; names: the hypotheses, none if nothing is wrong or nothing fits."""

    names: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def told(self) -> str:
        """The text for a report; "" if no number is wrong."""
        return "" if self == RIGHT else self.text


RIGHT = Diagnosis((), "nothing to explain: every number is right")


def in_words(base: Explanation, explanation: Explanation = ()) -> Diagnosis:
    """Two sentences: `base` explains the moderate inputs, and the rest of `explanation` explains the hard ones."""
    more = [h for h in explanation if h not in base]
    if not (base or more):
        return RIGHT
    sentences = [f"It {_phrase(h)}" for h in base]
    sentences += [f"At hard inputs it also {_phrase(h)}" if base else f"It {_phrase(h)}" for h in more]
    return Diagnosis(tuple(h.name for h in (*base, *more)), " ".join(sentences))


def _phrase(h: Hypothesis) -> str:
    """What a hypothesis says, and where it is seen."""
    return h.says + (f", as in {h.seen_in}." if h.seen_in else ".")


def nothing_fits(where: str = "") -> Diagnosis:
    """No explanation predicts the numbers."""
    return Diagnosis((), f"none of {len(HYPOTHESES)} explanations fits its numbers{where}, nor do two of them together")
