"""Which explanation, of a finite list, predicts a candidate's numbers?

First come moderate inputs, where every sensible formula is right: an explanation of these numbers is a convention. Then
come the battery's hard inputs: an explanation of wrong numbers there is a defect, or a convention of the edges such as
a clip. One hypothesis is better than two, and no explanation is better than a bad one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from reflosses.comparison.battery import REGIMES, Inputs
from reflosses.comparison.candidate import Candidate
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import FORMATS, Format
from reflosses.comparison.interview import Interview
from reflosses.comparison.options import checked_options
from reflosses.comparison.plan import Arrays, in_process, interview
from reflosses.comparison.result import LEVELS, Comparison
from reflosses.comparison.verdict import CHANGES_INPUT, ROWS_INTERACT
from reflosses.diagnosis.cases import Case, hard_cases, lone_cases, ordinary_cases, single_cases, usual_axes
from reflosses.diagnosis.constants import fitted, is_constant
from reflosses.diagnosis.describe import LAST, described, unexplained
from reflosses.diagnosis.far_out import far_out
from reflosses.diagnosis.hard_numbers import NARROW_MOST, NARROW_ULPS, HardNumbers
from reflosses.diagnosis.hypotheses import HYPOTHESES
from reflosses.diagnosis.hypotheses.precision import WIDER
from reflosses.diagnosis.model import (
    Explanation,
    Hypothesis,
    answer_of,
    means_something,
    moves,
    narrowing,
    ours,
    remembered,
)
from reflosses.diagnosis.moderate import moderate_questions
from reflosses.diagnosis.remedies import handed_over, instead, other_loss
from reflosses.diagnosis.upstream import upstream_fault
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss

ROWS = "One row has an effect on another: alone, each of them is right. Take every maximum and every sum row by row."
REFUSALS = "K"  # the regime of inputs that must be refused
# An explanation must predict this share of the wrong numbers. A smaller share may be a coincidence.
LEAST_SHARE = 0.5
# An explanation of a smaller share is told with the share that it leaves open.
WHOLE_SHARE = 0.9
# An explanation of this share ends the search. The few numbers left may be roundings.
ENDING_SHARE = 0.98
# A second hypothesis must explain this share more. Two explain a little more than one by chance.
WORTH = 0.02
# Pairs are made of so many of the best hypotheses with every other. All pairs of all of them would take too long.
LEADERS = 3
# So many of the explanations that fit moderate inputs are tried at hard inputs: those with the fewest wrong numbers.
BASES = 3


@dataclass(frozen=True)
class Diagnosis:
    """The explanation of a candidate's numbers.

    names: the hypotheses; none if nothing is wrong or nothing fits. remedy: what to write instead.
    """

    names: tuple[str, ...]
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return self.text

    @property
    def told(self) -> str:
        """The text for a report; "" if no number is wrong."""
        return "" if self == RIGHT else f"{self.text} {self.remedy}".rstrip()


NAMES = frozenset(h.name for h in HYPOTHESES)
RIGHT = Diagnosis((), "nothing to explain: every number is right")


def in_words(base: Explanation, explanation: Explanation = (), loss: str = "") -> Diagnosis:
    """Two sentences: `base` explains the moderate inputs, and the rest of `explanation` explains the hard ones.

    loss: the name of the loss, of which the frameworks that are named have one.
    """
    more = [h for h in explanation if h not in base]
    if not (base or more):
        return RIGHT
    sentences = [f"It {h.said_of(loss)}" for h in base]
    sentences += [f"{'At hard inputs it also' if base else 'It'} {h.said_of(loss)}" for h in more]
    return Diagnosis(tuple(h.name for h in (*base, *more)), " ".join(sentences))


def _lower(text: str) -> str:
    """A sentence that goes on after a colon."""
    return text[0].lower() + text[1:]


def nothing_fits(where: str = "") -> Diagnosis:
    """No explanation predicts the numbers."""
    return Diagnosis((), f"No known explanation fits its numbers{where}.")


def diagnose(
    candidate: Callable[..., Any] | Candidate,
    loss: Loss | Scaled,
    *,
    dtype: str = "float64",
    grad: Callable[..., Any] | str | None = "auto",
    framework: str = "auto",
    targets: str = "auto",
    order: str = "auto",
    returns: str = "auto",
) -> Diagnosis:
    """The known convention or defect, or the two, that explain where a candidate differs from the loss.

    The arguments are those of `reflosses.check`, and so are the errors.
    """
    checked_options("diagnose", locals())
    form = FORMATS[dtype]
    if isinstance(candidate, Candidate):
        return explain(candidate, loss, form, targets=targets)
    asked, _ = in_process(
        candidate, parts(loss)[1], form, targets=targets, grad=grad, framework=framework, order=order, returns=returns
    )
    return explain(asked, loss, form, targets=targets)


def ordinary_calls(
    loss: Loss | Scaled, form: Format, weights: bool, inputs: Inputs | None, kinds: Iterable[int]
) -> Iterator[Arrays]:
    """Calls at ordinary inputs that tell formulas apart; kinds: the dimensions of the targets of class rows."""
    factor, base = parts(loss)
    for q in moderate_questions(base, form, kinds, weights and not base.reads_all_predictions, factor, inputs):
        if inputs is None or q.yhat.ndim < 2 or base.layout.groups:
            yield q.y, q.yhat, q.weight


def explain(
    candidate: Candidate, loss: Loss | Scaled, form: Format, *, targets: str = "auto", inputs: Inputs | None = None
) -> Diagnosis:
    """As `diagnose`, for a `Candidate`."""
    found = Comparison(repr(candidate), str(loss), form.name, 0, [])
    run = Interview(candidate, loss, 0.0, form, found)
    ordinary = partial(ordinary_calls, loss, form, candidate.takes_weight, inputs)
    regimes = set(REGIMES) - {REFUSALS}
    interview(run, regimes=regimes, targets=targets, inputs=inputs, ordinary=ordinary, exhaustive=False)
    return explained(run)


def explained(run: Interview) -> Diagnosis:
    """The explanation of the answers that an interview has recorded."""
    wrong = {d.regime for d in run.found.worst} - {REFUSALS}
    if not wrong:  # a missing refusal has no number to explain
        return RIGHT
    levels = {d.level for d in run.found.worst}
    with np.errstate(all="ignore"):
        search = _Search(run)
        found = search.with_upstream(search.diagnosis())
        if found == RIGHT:
            return found
        remedy = instead(run.loss, found.names, next(level for level in LEVELS if level in levels))
        return replace(found, remedy=search.handed_over(found) or remedy)


def _smooth(*two: Hypothesis) -> bool:
    """Whether all are about smoothing constants: one formula says it better than two sentences."""
    return all(h.name.startswith(("adds ", "smooth", "no smoothing", "doubles the s", "halves the s")) for h in two)


class _Search:
    """The search for an explanation of one candidate's numbers."""

    def __init__(self, run: Interview) -> None:
        self.run, self.form, self.model = run, run.form, remembered(ours)
        self.fits: list[Explanation] = []
        self.remedy = ""

    def diagnosis(self) -> Diagnosis:
        """The best explanation."""
        run = self.run
        run.ask_silently()
        self.cases = every = ordinary_cases(run)
        if not self.cases:
            fault = next((d.fault for d in run.found.worst if d.error), "it gives no number")
            return Diagnosis((), f"Nothing can be compared: at every ordinary input {fault}.")
        self.numbers = HardNumbers(list(hard_cases(run, every)), self.form, self.model)
        few = usual_axes(run, every)
        self.cases = few
        ways = [few] if few is every or self.fitting([()]) else [every, few]
        for cases in ways:
            self.cases = cases
            unexplained_here = self.at_ordinary_inputs()
            if self.fits or (unexplained_here is not None and unexplained_here.names):
                break
        if not self.fits:
            assert unexplained_here is not None
            return unexplained_here
        numbers = self.numbers
        bases = sorted(self.fits, key=lambda e: int(numbers.wrong(e).sum()))[:BASES]
        if not bases[0] and not numbers.wrong(()).any():
            return self.between_calls()
        if not numbers.wrong(bases[0]).any():
            return in_words(bases[0], loss=type(run.loss).__name__)
        share, base, found = self.best(bases)
        moderate = bool(base)
        if ROWS_INTERACT in {d.verdict for d in run.found.worst} and not base and share < ENDING_SHARE:
            return self.between_calls()
        if share < LEAST_SHARE:
            if not bases[0]:
                return self.nothing_fits_far_out()
            base = found = bases[0]
        seen = moderate or numbers.explained(base)  # a convention is told if its numbers are asked for
        if not seen and found == base:
            return self.nothing_fits_far_out()
        said = in_words(base if seen else (), tuple(h for h in found if seen or h not in base), type(run.loss).__name__)
        if share < LEAST_SHARE and "described" in said.names:
            return said  # another formula is wrong at hard inputs, too
        if share >= WHOLE_SHARE or ROWS_INTERACT in {d.verdict for d in run.found.worst}:
            return said
        left = f"{1 - share:.0%} of what is wrong is" if share >= LEAST_SHARE else "numbers are wrong too, which is"
        return replace(said, text=f"{said.text} At hard inputs {left} not explained.")

    def at_ordinary_inputs(self) -> Diagnosis | None:
        """Find the explanation of every ordinary number. If there is none, describe the numbers."""
        run = self.run
        slopes = any(c.got.grad is not None for c in self.cases)
        possible = [h for h in HYPOTHESES if slopes or not (h.about or h.stored == "value")]
        self.known = [h for h in possible if any(means_something(h, c.question, self.model) for c in self.cases)]
        self.fits = self.fitting([()]) or self.fitting([(h,) for h in self.known if not h.inside])
        self.known += self.constants()
        self.fits = self.fits or self.fitting([(h,) for h in self.known if h.name not in NAMES])
        told = None if self.fits else described(self.cases, run.loss, self.model, single_cases(run))
        if told is not None and told.hypothesis is not None:
            self.fits, self.remedy = [(told.hypothesis,)], told.remedy
        self.fits = self.fits or self.fitting([(h,) for h in self.known if h.inside])
        if not self.fits and told is not None:
            return Diagnosis(("described",), told.text)
        if not self.fits:
            wide = [h for h in self.known if h.stored != "neither"]  # few digits excuse everything
            moving = [h for h in wide if any(moves(h, c.question, self.model) for c in self.cases)]
            self.fits = self.fitting([(a, b) for a in moving for b in moving if a is not b and not _smooth(a, b)])
        if not self.fits and (told := described(self.cases, run.loss, self.model, (), LAST)) is not None:
            self.fits = [(told.hypothesis,)] if told.hypothesis else []
        if self.fits:
            return None
        return self.alone() or Diagnosis((), unexplained(self.cases, run.loss, self.model, single_cases(run)).text)

    def alone(self) -> Diagnosis | None:
        """What a loss is that stands alone in its call, if one has an effect on another; None if nothing fits."""
        if ROWS_INTERACT not in {d.verdict for d in self.run.found.worst}:
            return None
        one = lone_cases(self.run)
        told = described(one, self.run.loss, self.model) if one else None
        self.cases, every = one, self.cases
        right = bool(one) and bool(self.fitting([()]))
        self.cases = every
        if told is None and not right:
            return None
        what = (
            ROWS if told is None else f"One row has an effect on another. Alone, it is no better: {_lower(told.text)}"
        )
        return Diagnosis(("rows interact", "described"), what)

    def handed_over(self, found: Diagnosis) -> str:
        """The remedy if the candidate is another loss of the catalogue, or this one with other parameters."""
        if "described" in found.names:
            return self.remedy
        named = [h for base in self.fits[:1] for h in base if h.name in found.names]
        if len(named) != 1 or named[0].kind != "convention":
            return ""
        other = other_loss(named[0], [c.question for c in self.cases])
        return "" if other is None else handed_over(self.run.loss, other)

    def with_upstream(self, found: Diagnosis) -> Diagnosis:
        """A diagnosis, and what becomes of the gradient from above."""
        base = self.fits[0] if self.fits else ()
        fault = upstream_fault(self.run, base, self.model)
        if not fault:
            return found
        if not found.names and self.fits:
            return Diagnosis(("upstream",), fault)
        return replace(found, names=(*found.names, "upstream"), text=f"{found.text} {fault}")

    def nothing_fits_far_out(self) -> Diagnosis:
        """No explanation predicts the numbers at hard inputs: what they have in common is said."""
        nothing = nothing_fits(" at hard inputs")
        return replace(nothing, text=f"{nothing.text} {far_out(self.numbers, self.run.loss)}".rstrip())

    def constants(self) -> list[Hypothesis]:
        """Explanations by constants that the hard numbers show."""
        known = {h.name for h in self.known}
        own = [answer_of((), case.question, self.model) for case in self.numbers.cases]
        found = {h.name: h for h in fitted(self.numbers.cases, own) if h.name not in known}
        return list(found.values())

    def between_calls(self) -> Diagnosis:
        """The explanation where each number of a single loss is right."""
        verdicts = {d.verdict for d in self.run.found.worst}
        if CHANGES_INPUT in verdicts:
            return Diagnosis(("changes its input",), "It writes into an array that it was given. Work on a copy.")
        if ROWS_INTERACT in verdicts:
            return Diagnosis(("rows interact",), ROWS)
        return self.nothing_fits_far_out()

    def best(self, bases: list[Explanation]) -> tuple[float, Explanation, Explanation]:
        """The largest share that is explained, from which base, and by which explanation."""
        share, base, found = 0.0, bases[0], bases[0]
        for one in bases:
            if share < ENDING_SHARE:
                more, explanation = self.with_another(one)
                if more > share:
                    share, base, found = more, one, explanation
        return share, base, found

    # ---- moderate inputs ---------------------------------------------------------------------------------------------

    def fitting(self, explanations: Iterable[Explanation]) -> list[Explanation]:
        """The explanations that predict every moderate answer, the closest first."""
        found = []
        for k, explanation in enumerate(explanations):
            worst = 0.0
            for case in self.cases:
                worst = max(worst, self.misfit(explanation, case))
                if worst > 1:
                    break
            else:
                found.append((round(worst, 3), k, explanation))
        return [explanation for *_, explanation in sorted(found, key=lambda f: f[:2])]

    def misfit(self, explanation: Explanation, case: Case) -> float:
        """The error of a prediction, over the allowed one."""
        predicted = answer_of(explanation, case.question, self.model)
        if predicted is None:
            return np.inf
        (inside, stored), worst = narrowing(explanation), 0.0
        for k, (got, guess) in enumerate(zip(case.got[:2], predicted[:2], strict=True)):
            if got is None or guess is None:
                continue
            low = None if k and stored == "value" else inside
            allowed = min(NARROW_ULPS * low.eps, NARROW_MOST) if low else self.form.eps**0.5
            fits = not low or stored == "neither" or (low.round(got) == got)[np.isfinite(got)].all()
            if got.shape != guess.shape or not fits:
                return np.inf
            worst = max(worst, _relative_error(got, self.form.round(guess), self.form.tiny) / allowed)
        return worst

    # ---- hard inputs -------------------------------------------------------------------------------------------------

    def with_another(self, base: Explanation) -> tuple[float, Explanation]:
        """The share that the base explains with one more hypothesis. Two are tried if the base is our own loss."""
        if len(base) > 1:
            return 0.0, base
        others = [h for h in self.known if h not in base and h.stored != "neither"]  # few digits excuse everything
        if ROWS_INTERACT not in {d.verdict for d in self.run.found.worst}:
            others = [h for h in others if h.name != "one shift for all rows"]
        others = [h for h in others if not base or (h,) not in self.fits]  # another base is tried instead of this one
        if any(h.name == "described" for h in base):
            others = [h for h in others if h.kind == "defect"]
        more = dict.fromkeys(e for h in others for e in ((h, *base), (*base, h)))
        promising = self.numbers.promising(self.fitting(more), base)
        best = self.numbers.best(promising, base)
        if best[0] >= ENDING_SHARE or base:
            return best
        two = self.pairs(promising, best[0], others)
        return two if two[0] > best[0] + WORTH else best

    def pairs(self, singles: list[Explanation], share: float, others: list[Hypothesis]) -> tuple[float, Explanation]:
        """The best of two hypotheses at once, of others; share: the share that one explains."""
        numbers, few = self.numbers, self.numbers.part(())
        moving = [e[0] for e in singles if (e[0].inside or numbers.meets(e)) and numbers.moves(e)]
        moving += [h for h in others if is_constant(h) and h.name not in NAMES and h not in moving]
        tried = [(h,) for h in moving if (h,) in singles]
        kinds = [[e for e in tried if is_constant(e[0]) == constant] for constant in (False, True)]
        leaders = [e[0] for kind in kinds for _, e in islice(numbers.ranked(kind, ()), LEADERS)]
        pairs = {(a, b) for a in leaders for b in moving if not (a.inside or b.inside or a is b)}
        pairs |= {(a, b) for b in moving if b.inside and b.stored == "both" for a in self.known if not a.inside}
        pairs = {(a, b) for a, b in pairs if not (is_constant(a) and is_constant(b))}
        if self.form.bits < FORMATS["float64"].bits:
            pairs |= {(h, WIDER) for h in others if h.kind == "defect" and not h.inside}
        order = {h: k for k, h in enumerate([*self.known, WIDER])}
        ordered = sorted(pairs, key=lambda pair: [order[h] for h in pair])
        hopes = [  # their scores take less time than the moderate answers
            e
            for e in numbers.promising(ordered, ())
            if all(part.score(e, part.predicted(e), ()) > share + WORTH for part in (few, numbers))
        ]
        two = numbers.best(self.fitting(hopes), ())
        for a, b, by_kind in numbers.overlaid(singles):
            e = (*a, *b)
            if few.score(e, few.overlay(a, b, by_kind), ()) > two[0]:
                guess = numbers.overlay(a, b, by_kind)
                more = numbers.score(e, guess, ())
                if more > two[0] and numbers.supports(e, guess, ()):
                    two = more, e
        return two


def _relative_error(got: Floats, guess: Floats, least: float) -> float:
    """The largest relative error; inf if infinities and NaN differ. Small numbers are compared with the largest."""
    same = (got == guess) | (np.isnan(got) & np.isnan(guess))
    if same.all():
        return 0.0
    finite = np.isfinite(guess)
    size = np.fmax(np.abs(guess), np.max(np.abs(guess), where=finite, initial=least) / 100)
    error = np.abs(got - guess) / size
    return float(np.max(np.where(same, 0.0, np.where(np.isfinite(error) & finite, error, np.inf))))
