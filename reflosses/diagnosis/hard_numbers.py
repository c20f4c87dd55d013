"""All numbers that a candidate gives at hard inputs, and how well an explanation predicts the wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import permutations
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import Format
from reflosses.diagnosis.cases import Case
from reflosses.diagnosis.model import Explanation, Hypothesis, Model, answer_of, narrowing
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.stack import per_prediction

# A near miss counts half of a predicted number: it has the right sign, and an error of about the right size.
NEAR_MISS = 0.5
# For each wrong number that it explains, an explanation may spoil 0.15 right ones. A naive formula rounds differently.
SPOILT = 0.15
# Another loss than ours has its own formula, which may lose this many ulps. Our bounds do not hold for it.
ROUNDINGS = 16
# Of infinities and NaN, this many must agree if no other number does. One may agree by chance.
SEVERAL = 3
# Arithmetic in a narrower format may cost this many of its own ulps.
NARROW_ULPS = 64
# A narrower format excuses at most this part of a number: 64 ulps of bfloat16 are half of it, as is a factor of ½.
NARROW_MOST = 1 / 16


class HardNumbers:
    """All numbers that a candidate gives at hard inputs and that count, values and gradients, in one row."""

    def __init__(self, cases: list[Case], form: Format, model: Model) -> None:
        self.cases, self.form, self.model = cases, form, model
        self.keeps = [_as_many(case, case.counts) == 1 for case in cases]
        self.parts: dict[Explanation, HardNumbers] = {}
        self.got, self.unavoidable = self._row(lambda c: c.got[:2]), self._row(lambda c: c.allowed)
        self.counts = np.ones(len(self.got), bool)
        self.is_value = self._row(lambda c: (1.0, 0.0)) == 1
        self.known: dict[Explanation, Floats] = {}
        self.errors: dict[Explanation, Floats] = {}
        self.misses: dict[Explanation, Any] = {}

    def _row(self, of: Callable[[Case], Iterable[Any]]) -> Floats:
        """Some numbers of each case, in one row."""
        rows = (_as_many(case, of(case))[keep] for case, keep in zip(self.cases, self.keeps, strict=True))
        return np.concatenate([np.zeros(0), *rows])

    def _guess(self, explanation: Explanation, case: Case) -> tuple[Any, Any]:
        """The value and the gradient that an explanation predicts for a case."""
        answer = answer_of(explanation, case.question, self.model)
        return (np.nan, np.nan) if answer is None else (answer.value, _where_defined(explanation, answer, case))

    def predicted(self, explanation: Explanation) -> Floats:
        """The prediction of an explanation."""
        if explanation not in self.known:
            self.known[explanation] = self.form.round(self._row(lambda c: self._guess(explanation, c)))
        return self.known[explanation]

    def part(self, base: Explanation) -> HardNumbers:
        """The calls with a number that the base does not predict. In all calls a score is at most what it is in these.

        The other calls can only show that an explanation spoils right numbers.
        """
        if base not in self.parts:
            wrong = self.wrong(base)
            ends = np.cumsum([0, *(keep.sum() for keep in self.keeps)])
            spans = [slice(*ends[k : k + 2]) for k in range(len(self.cases))]
            bad = [case for case, span in zip(self.cases, spans, strict=True) if wrong[span].any()]
            self.parts[base] = HardNumbers(bad, self.form, self.model)
        return self.parts[base]

    def promising(self, explanations: Iterable[Explanation], base: Explanation) -> list[Explanation]:
        """The explanations that halve the error of the base for any wrong number."""
        part = self.part(base)
        wrong, half = part.wrong(base), np.abs(part.got - part.predicted(base)) / 2
        return [e for e in explanations if (wrong & _near(part.got, part.predicted(e), half)).any()]

    def wrong(self, base: Explanation) -> Any:
        """The numbers that the base does not predict."""
        if base not in self.misses:
            known = ~np.isinf(self.predicted(())) | (not base)  # ½ of an overflowing loss may be finite
            self.misses[base] = self.counts & known & ~_near(self.got, self.predicted(base), self.allowed(base))
        return self.misses[base]

    def met(self, guess: Floats) -> Any:
        """The wrong numbers of our own loss that a prediction meets."""
        return self.wrong(()) & _near(self.got, guess, 4 * self.allowed(()))

    def explained(self, base: Explanation) -> bool:
        """Whether a base predicts any number that our own loss does not."""
        return bool((self.wrong(()) & _near(self.got, self.predicted(base), self.allowed(base))).any())

    def allowed(self, base: Explanation) -> Floats:
        """The errors that are right. Another loss than ours may round more often."""
        if base not in self.errors:
            own, guess = self.predicted(()), self.predicted(base)
            larger = np.abs(guess / own)
            unavoidable = self.unavoidable * np.where(np.isfinite(larger), np.fmax(larger, 1.0), 1.0)
            more = ROUNDINGS * self.form.spacing(guess) if base else 0.0
            self.errors[base] = np.fmax(np.fmax(unavoidable, more), self.narrow(base, guess))
        return self.errors[base]

    def ranked(self, explanations: Iterable[Explanation], base: Explanation) -> Iterator[tuple[float, Explanation]]:
        """Scores and explanations, the best first. An explanation predicts all calls only when its turn may come."""
        part = self.part(base)
        queue = [(-part.score(e, part.predicted(e), base), k, False, e) for k, e in enumerate(explanations)]
        heapify(queue)
        while queue:
            negative, k, exact, e = heappop(queue)
            if exact or not negative:
                yield -negative, e
            else:
                heappush(queue, (-self.score(e, self.predicted(e), base), k, True, e))

    def best(self, explanations: Iterable[Explanation], base: Explanation) -> tuple[float, Explanation]:
        """The largest share of the wrong numbers that is predicted, and the explanation; 0 and the base if none."""
        for share, e in self.ranked(explanations, base):
            if share <= 0:
                break
            if self.supports(e, self.predicted(e), base):
                return share, e
        return 0.0, base

    def supports(self, explanation: Explanation, guess: Floats, base: Explanation) -> bool:
        """Whether the wrong numbers are evidence for each hypothesis of an explanation."""
        return all(self.needs(h, explanation, guess, base) for h in explanation if h not in base)

    def needs(self, h: Hypothesis, explanation: Explanation, guess: Floats, base: Explanation) -> bool:
        """Whether the explanation without h fails at a finite wrong number, or at several infinite ones.

        NaN and 0 look alike whatever they come from. They are evidence for an explanation that predicts nothing else,
        if there are several, and if the candidate has all that are predicted.
        """
        if h.scarce:
            return True
        without = self.predicted(tuple(other for other in explanation if other is not h))
        allowed = self.tolerance(explanation, guess, base)
        missed = ~_near(self.got, without, allowed) | ((self.got == 0) ^ (without == 0))
        its = self.wrong(base) & _near(self.got, guess, allowed) & missed
        told = its & ~_is_blank(self.got)
        if (told & np.isfinite(self.got)).any() or told.sum() >= SEVERAL:
            return True
        predicted = self.counts & _is_blank(guess) & ~_is_blank(without)
        return h.blank and bool(its.sum() >= SEVERAL and not (predicted & ~_is_blank(self.got)).any())

    def tolerance(self, explanation: Explanation, guess: Floats, base: Explanation) -> Floats:
        """The distance at which a number is predicted."""
        size = np.fmax(np.abs(guess), np.abs(self.predicted(base)))
        return np.asarray(4 * (self.allowed(base) + self.narrow(explanation, size)))

    def narrow(self, explanation: Explanation, size: Floats) -> Any:
        """The error of numbers of that size in the narrower format of an explanation."""
        low, stored = narrowing(explanation)
        if low is None:
            return 0.0
        wide = 1 if any(h.name.startswith("rounds") for h in explanation) else NARROW_ULPS
        return np.where(self.is_value | (stored != "value"), wide * low.spacing(size) + low.tiny, 0.0)

    def score(self, explanation: Explanation, guess: Floats, base: Explanation) -> float:
        """The predicted share of the wrong numbers, less the share of right numbers that get wrong."""
        own, wrong, (low, stored) = self.predicted(base), self.wrong(base), narrowing(explanation)
        narrow = self.counts & (self.is_value | (stored != "value")) & np.isfinite(self.got)
        if low and stored != "neither" and (low.round(self.got) != self.got)[narrow].any():
            return 0.0
        allowed = self.tolerance(explanation, guess, base)
        vanishes = ((self.got == 0) ^ (guess == 0)) & (np.abs(self.got - guess) > (low.tiny if low else 0))
        precise = _near(self.got, guess, allowed) & ~vanishes
        precise &= ~wrong | ~(np.abs(self.got - guess) > np.abs(self.got - own) / 2)
        deviation = np.abs(self.got - own) / np.abs(guess - own)
        alike = (deviation > 0.25) & (deviation < 4) & (np.sign(self.got) == np.sign(guess)) & ~precise
        spoilt = self.counts & ~wrong & ~_near(own, guess, 2 * allowed) & ~precise
        hits, near_misses = (wrong & precise).sum(), (wrong & alike).sum()
        if spoilt.sum() > SPOILT * (hits + near_misses) or near_misses > hits:
            return 0.0
        return float((hits + NEAR_MISS * near_misses - spoilt.sum()) / wrong.sum())

    def moved(self, guess: Floats) -> Any:
        """Where a prediction differs from our own loss."""
        return self.counts & ~_near(self.predicted(()), guess, 8 * self.allowed(()))

    def moves(self, explanation: Explanation) -> bool:
        """Whether any prediction differs from our own loss."""
        few = self.part(())
        return bool(few.moved(few.predicted(explanation)).any() or self.moved(self.predicted(explanation)).any())

    def meets(self, explanation: Explanation) -> bool:
        """Whether any wrong number of our own loss is predicted."""
        few = self.part(())
        return bool(few.met(few.predicted(explanation)).any())

    def overlaid(self, explanations: Iterable[Explanation]) -> Iterator[tuple[Explanation, Explanation, bool]]:
        """Two explanations at once: one for the values and one for the slopes, or one where the other moves nothing."""
        few = self.part(())
        shown = [(e, few.predicted(e)) for e in explanations if not narrowing(e)[0]]
        useful = [e for e, guess in shown if (few.moved(guess) & few.met(guess)).any()]
        for a, b in permutations(useful, 2):
            yield a, b, False
            yield a, b, True

    def overlay(self, a: Explanation, b: Explanation, by_kind: bool) -> Floats:
        """The values of one and the slopes of the other; or the numbers that a moves, and those of b elsewhere."""
        guess = self.predicted(a)
        return np.where(self.is_value if by_kind else self.moved(guess), guess, self.predicted(b))


def _as_many(case: Case, numbers: Iterable[Any]) -> Floats:
    """Value and gradient of one case in a row; NaN if their shape is not the candidate's."""
    out = [np.zeros(0)]
    for got, a in zip(case.got[:2], numbers, strict=True):
        if got is not None:
            fits = np.shape(a) in ((), got.shape)
            out.append(np.broadcast_to(a if fits else np.nan, got.shape).astype(np.float64).ravel())
    return np.concatenate(out)


def _where_defined(explanation: Explanation, answer: Answer, case: Case) -> Any:
    """The predicted gradient. Where every gradient is right, it is the candidate's.

    Every gradient is right where the value is NaN. At a kink, every slope between the two sides is right: rounding to a
    narrower format may move a prediction to a kink.
    """
    got, q, low = case.got.grad, case.question, narrowing(explanation)[0]
    if answer.value is None or answer.grad is None or got is None or got.shape != answer.grad.shape:
        return answer.grad
    lost = np.isnan(answer.value)
    anything = np.full(got.shape, lost.any() and (not lost.ndim or q.loss.reads_all_predictions))
    if lost.any() and lost.ndim and not q.loss.reads_all_predictions:
        anything |= per_prediction(q.loss, lost, q.yhat.shape)
    if low and np.asarray(q.y).dtype.kind == "f":
        least, most = q.loss.subgradient(low.round(q.y), low.round(q.yhat), weight=q.weight)
        anything |= (least < most) & (least <= got) & (got <= most)
    return np.where(anything, got, answer.grad)


def _is_blank(a: Floats) -> Any:
    """Where numbers are NaN or 0."""
    return np.isnan(a) | (a == 0)


def _near(a: Floats, b: Floats, allowed: Floats) -> Any:
    """Whether numbers differ by at most so much. Infinities and NaN must be the same."""
    return (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= allowed)
