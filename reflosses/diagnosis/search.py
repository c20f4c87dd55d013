"""What does a loss do instead? The explanation, of a finite list, that predicts a candidate's numbers.

First moderate inputs, where every sensible formula is right: what explains the numbers there is a convention. Then the
battery's hard inputs: what explains those that are wrong there is a defect, or a convention of the edges such as a
clip. One explanation is better than two, and none at all better than a bad one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reflosses.comparison.battery import REGIMES, TARGET_KINDS, Inputs, blocks, calls
from reflosses.comparison.candidate import FRAMEWORKS, Answer, Candidate, InProcess, detect, one_of
from reflosses.comparison.expected import ExactResults, Scaled, parts
from reflosses.comparison.formats import FORMATS, Format
from reflosses.comparison.result import Comparison
from reflosses.comparison.verdict import FREEDOM, LENIENT, unavoidable
from reflosses.diagnosis.hypotheses import HYPOTHESES
from reflosses.diagnosis.model import Hypothesis, Model, Question, ours
from reflosses.diagnosis.moderate import moderate_questions
from reflosses.evaluation.call import Arguments
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import flatten, one_loss_a_call, per_loss, per_prediction, unstack

PER_BLOCK = 6  # losses of a block that are asked, where each of them is a call
PADDED = 64  # losses of a call are repeated up to a multiple of this: some frameworks compile once a shape
HALF, ENOUGH, NEARLY_ALL = 0.5, 0.9, 0.98  # of the wrong numbers: to be an explanation, without a remark, alone
WORTH = 0.02  # what a second hypothesis must add
LEADERS, BASES = 3, 3  # how many of the best are looked at further
LOOSE = 0.5  # the worth of a deviation that is only alike
FEW = 0.15  # right numbers that may be spoilt for each wrong one
ROUNDINGS = 16  # ulps that may be lost by another loss than ours, which has other formulas
SEVERAL = 3  # infinities and NaN that must agree, where no other number does
NARROW_ULPS = 64  # what arithmetic in a narrower format may cost, in its own ulps


@dataclass(frozen=True)
class Diagnosis:
    """The explanation of a candidate's numbers; `names` of hypotheses, none where nothing is wrong or nothing fits."""

    names: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def told(self) -> str:
        """What a report says of wrong numbers: "" where none is wrong."""
        return "" if self == RIGHT else self.text


def diagnose(
    candidate: Callable[..., Any] | Candidate,
    loss: Loss | Scaled,
    *,
    dtype: str = "float64",
    grad: Callable[..., Any] | str | None = "auto",
    framework: str = "auto",
    targets: str = "auto",
) -> Diagnosis:
    """What a candidate does, where it is not that loss: which known convention or defect, or which two, explain it.

    The arguments are those of `reflosses.check`. Raises ValueError for an unknown dtype, framework or kind of target.
    """
    one_of("dtype", dtype, FORMATS)
    one_of("framework", framework, ("auto", *FRAMEWORKS))
    one_of("targets", targets, TARGET_KINDS)
    form = FORMATS[dtype]
    if isinstance(candidate, Candidate):
        return explain(candidate, loss, form, targets=targets)
    first = next(moderate_questions(parts(loss)[1], form, TARGET_KINDS[targets], False))
    arrays = detect(candidate, form, first.y, first.yhat) if framework == "auto" else FRAMEWORKS[framework](form)
    return explain(InProcess(candidate, arrays, grad), loss, form, targets=targets)


def explain(
    asked: Candidate,
    loss: Loss | Scaled,
    form: Format,
    result: Comparison | None = None,
    *,
    targets: str = "auto",
    inputs: Inputs | None = None,
) -> Diagnosis:
    """As `diagnose`, for something that answers calls; `result`: what `check` found, where it has been asked.

    Then only the regimes that it was asked in are, and what is wrong in those of them is explained.
    """
    if result is None:
        regimes, wrong = frozenset(REGIMES), frozenset[str]()
    else:
        regimes = frozenset(row.regime for row in result.rows)
        wrong = frozenset(d.regime for d in result.worst) - {REFUSALS}
        if not wrong:  # a loss that answers where it must refuse has no other numbers to explain
            return RIGHT
    with np.errstate(all="ignore"):
        found = _Search(asked, loss, form, targets, inputs, regimes).diagnosis()
    if wrong and found == RIGHT:
        right = "what is wrong is right at the inputs that they are tried on"
        return Diagnosis((), f"none of {len(HYPOTHESES)} explanations fits its numbers: {right}")
    return found


REFUSALS = "K"  # the regime of inputs that must be refused
RIGHT = Diagnosis((), "nothing to explain: every number is right")


# ---- answers ---------------------------------------------------------------------------------------------------------


@dataclass
class Case:
    """A question and what the candidate said.

    free: errors of value and gradient that are right; counts: which of them can be compared at all.
    """

    question: Question
    got: Answer
    free: tuple[Floats, Floats]
    counts: tuple[Any, Any]


# ---- predictions -----------------------------------------------------------------------------------------------------

Explanation = tuple[Hypothesis, ...]
NOT_APPLICABLE = (ValueError, TypeError, AttributeError, IndexError, ZeroDivisionError, OverflowError)


def remembered(model: Model) -> Model:
    """A model that answers the same question once."""
    known: dict[Any, tuple[Question, Answer]] = {}

    def asked(q: Question) -> Answer:
        key = q.loss, q.form, q.factor, id(q.y), id(q.yhat), id(q.weight)
        if key not in known:
            known[key] = q, model(q)  # the question is kept, and with it the arrays that these numbers stand for
        return known[key][1]

    return asked


def answer_of(explanation: Explanation, q: Question, model: Model = ours) -> Answer | None:
    """What the loss answers, changed by one hypothesis after the other; None where that cannot be answered."""
    for h in explanation:
        model = _changed(h, model)
    try:
        return model(q)
    except NOT_APPLICABLE:
        return None


def _changed(h: Hypothesis, model: Model) -> Model:
    def asked(q: Question) -> Answer:
        answer = h.change(q, model)
        return model(q) if answer is None else answer

    return asked


def means_something(h: Hypothesis, q: Question, model: Model) -> bool:
    """Whether a hypothesis changes the answer to a question at all."""
    try:
        return h.change(q, model) is not None
    except NOT_APPLICABLE:
        return False


def _inside(explanation: Explanation) -> Format | None:
    """The narrower format that all numbers are of, if an explanation says so."""
    return next((FORMATS[h.inside] for h in explanation if h.inside), None)


def _stored(explanation: Explanation) -> str:
    """Which numbers are of the narrower format: "both", the "value", or "neither"."""
    return next((h.stored for h in explanation if h.inside), "both")


def _off(got: Floats, guess: Floats, least: float) -> float:
    """The largest error relative to the prediction, but for those small beside the others; inf for other patterns."""
    same = (got == guess) | (np.isnan(got) & np.isnan(guess))
    if same.all():
        return 0.0
    finite = np.isfinite(guess)
    size = np.fmax(np.abs(guess), np.max(np.abs(guess), where=finite, initial=least) / 100)
    error = np.abs(got - guess) / size
    return float(np.max(np.where(same, 0.0, np.where(np.isfinite(error) & finite, error, np.inf))))


# ---- the search ------------------------------------------------------------------------------------------------------


class _Search:
    """One candidate against one loss."""

    def __init__(
        self,
        asked: Candidate,
        loss: Loss | Scaled,
        form: Format,
        targets: str,
        inputs: Inputs | None,
        regimes: frozenset[str],
    ) -> None:
        """`regimes`: those whose numbers are to be explained."""
        self.asked, self.form, self.inputs, self.regimes = asked, form, inputs, regimes
        self.factor, self.loss = parts(loss)
        self.kinds = TARGET_KINDS[targets]
        self.together = self.loss.reduction == "none" and not one_loss_a_call(self.loss)  # many losses a call
        self.error = ""
        self.model = remembered(ours)

    def diagnosis(self) -> Diagnosis:
        """The best explanation."""
        self.cases: list[Case] = []
        self.cases = list(self.moderate()) or list(self.hard(moderate=True))  # some take one loss a call only
        if not self.cases:
            return Diagnosis((), f"nothing to compare: {self.error or 'no answer'} at every moderate input")
        slopes = any(c.got.grad is not None for c in self.cases)
        told = [
            h for h in HYPOTHESES if slopes or not (h.about or h.stored == "value")
        ]  # of a gradient nothing can be said without one
        self.known = [h for h in told if any(means_something(h, c.question, self.model) for c in self.cases)]
        fits = self.fitting([()]) or self.fitting([(h,) for h in self.known])
        if not fits:
            fits = self.fitting([(a, b) for a in self.known for b in self.known if a is not b])
        if not fits:
            return _nothing("")
        numbers = _Numbers(list(self.hard()), self.form, self.model)
        bases = sorted(fits, key=lambda e: int(numbers.wrong(e).sum()))[:BASES]
        if "moderate" not in self.regimes and not numbers.wrong(()).any():
            return RIGHT
        if not numbers.wrong(bases[0]).any():
            return _said(bases[0])
        self.fits = fits
        share, base, found = 0.0, bases[0], bases[0]
        for one in bases:
            if share < NEARLY_ALL:
                more, explanation = self.with_another(one, numbers)
                if more > share:
                    share, base, found = more, one, explanation
        if share < HALF:
            if not bases[0]:
                return _nothing(" at hard inputs")
            base = found = bases[0]
        seen = "moderate" in self.regimes or numbers.explained(base)  # a convention is told where it is asked
        if not seen and found == base:
            return _nothing(" at hard inputs")
        said = _said(base if seen else (), tuple(h for h in found if seen or h not in base))
        if share >= ENOUGH:
            return said
        left = f"{1 - share:.0%} of what is" if share >= HALF else "numbers are"
        return replace(
            said,
            text=f"{said.text} At hard inputs {left} wrong {'' if share >= HALF else 'too, which '}is not explained.",
        )

    def moderate(self) -> Iterator[Case]:
        """The moderate questions that the candidate answers."""
        refused = set()
        weights = self.asked.takes_weight
        for q in moderate_questions(self.loss, self.form, self.kinds, weights, self.factor, self.inputs):
            kind = np.ndim(q.y), q.yhat.ndim, bool((q.y == np.rint(q.y)).all())
            if kind in refused or answer_of((), q, self.model) is None:
                continue
            got = self.asked.ask(q.y, q.yhat, q.weight)
            if got.error or got.value is None:
                self.error = self.error or f"it raises {got.error}"
                refused.add(kind)
            else:
                yield Case(q, got, (np.zeros(()), np.zeros(())), (True, True))

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
        """How far an answer is from what is predicted, over what is allowed."""
        predicted = answer_of(explanation, case.question, self.model)
        if predicted is None:
            return np.inf
        inside, stored, worst = _inside(explanation), _stored(explanation), 0.0
        for k, (got, guess) in enumerate(zip(case.got[:2], predicted[:2], strict=True)):
            if got is None or guess is None:
                continue
            low = None if k and stored == "value" else inside
            allowed = NARROW_ULPS * low.eps if low else self.form.eps**0.5
            fits = not low or stored == "neither" or (low.round(got) == got)[np.isfinite(got)].all()
            if got.shape != guess.shape or not fits:
                return np.inf
            worst = max(worst, _off(got, self.form.round(guess), self.form.tiny) / allowed)
        return worst

    # ---- hard inputs -----------------------------------------------------------------------------------------------

    def hard(self, moderate: bool = False) -> Iterator[Case]:
        """The battery's questions that the candidate answers: those at hard inputs, or the moderate ones."""
        asked = {np.ndim(c.question.y) == c.question.yhat.ndim for c in self.cases}  # rows of probabilities, or not
        regimes = {"moderate"} if moderate else self.regimes - {"moderate"}
        groups: dict[Any, list[tuple[str, Floats, Floats]]] = {}
        for k, block in enumerate(blocks(self.loss, self.form, 0)):
            if block.regime in regimes and (moderate or (block.y.ndim == block.yhat.ndim) in asked):
                y, yhat = self.within(block.y, block.yhat)
                alike = block.regime in LENIENT, y.shape[1:], yhat.shape[1:]
                groups.setdefault(alike if self.together else k, []).append((block.regime, y, yhat))
        for group in groups.values():
            yield from self.answered(group)
        if moderate or self.inputs is not None:
            return
        for call in calls(self.loss, self.form, 0, self.asked.takes_weight, False):
            long = call.times > 1 and self.form.top > 16  # only a narrow format has sums that are too large
            if long or call.refuse or call.shape is not None or call.regime not in self.regimes:
                continue
            if (call.y.ndim == call.yhat.ndim) in asked:
                many = np.tile(np.arange(len(call.y)), call.times)
                case = self.case("I", call.y[many], call.yhat[many], call.weight)
                if case is not None:
                    yield case if call.slopes else replace(case, got=case.got._replace(grad=None))

    def answered(self, group: list[tuple[str, Floats, Floats]]) -> Iterator[Case]:
        """The cases of some blocks: of all in one call, or, if one of them is refused, of each block, of each loss."""
        (regime, *_), *arrays = zip(*group, strict=True)
        y, yhat = map(np.concatenate, arrays)
        if self.together and len(y):
            case = self.case(regime, y, yhat)
            if case is not None:
                yield case
                return
            if len(group) > 1:
                for block in group:
                    yield from self.answered([block])
                return
        step = 1 if self.together else -(-len(y) // PER_BLOCK)
        for i in range(0, len(y), max(1, step)):
            case = self.case(regime, y[i : i + 1], yhat[i : i + 1])
            if case is not None:
                yield case

    def within(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats]:
        """Losses that the candidate can be asked."""
        if not self.asked.subnormals:
            low = [flatten((a != 0) & (np.abs(a) < self.form.tiny)).any(axis=1) for a in (y, yhat)]
            y, yhat = y[~(low[0] | low[1])], yhat[~(low[0] | low[1])]
        if self.inputs is not None and len(y):
            y, yhat = (self.form.round(a) for a in self.inputs(y, yhat, self.form.eps))
        return y, yhat

    def case(self, regime: str, y: Floats, yhat: Floats, weight: Floats | None = None) -> Case | None:
        """Losses along the first axis as one question, if it is answered; and what nobody can avoid there."""
        n = len(y)
        if n > 1 and self.together and not self.loss.reads_all_predictions and weight is None:
            padded = np.arange(-(-n // PADDED) * PADDED) % n
            y, yhat = y[padded], yhat[padded]
        a, b = unstack(self.loss, y, yhat)
        q = Question(self.loss, a, b, weight, self.form, self.factor)
        own = answer_of((), q, self.model)
        got = self.asked.ask(a, b, weight)
        if own is None or own.value is None or own.grad is None or got.error or got.value is None:
            return None
        if len(y) > 1 and self.loss.reduction == "none" and got.value.shape != own.value.shape:
            return None
        slopes = np.ones(b.shape, bool)
        if len(y):
            low, high = self.loss.subgradient(a, b, weight=weight)
            slopes = ~(low < high)  # at a kink there are many right ones
        values = np.ones(own.value.shape, bool)
        if len(y) > n:  # repetitions do not count
            values.flat[n:] = False
            slopes &= per_prediction(self.loss, np.arange(len(y)) < n, b.shape)
        if regime in LENIENT or self.loss.reads_all_predictions:
            half, least = self.form.eps**0.5, self.form.smallest if self.asked.subnormals else 4 * self.form.tiny
            most = np.max(np.abs(own.grad), where=np.isfinite(own.grad), initial=0.0)
            free = half * np.abs(own.value) + least, half * np.fmax(np.abs(own.grad), most / 100) + least
        else:
            free = self.free(y, yhat, a, b)
        return Case(q, got, (np.reshape(free[0], own.value.shape), free[1]), (values, slopes))

    def free(self, y: Floats, yhat: Floats, a: Any, b: Floats) -> tuple[Floats, Floats]:
        """The errors of values and gradients that are right, of losses one by one."""
        loss = replace(self.loss, reduction="none")
        value, grad = loss.value_and_grad(a, b)
        values, slopes = np.reshape(value, -1), per_loss(loss, grad)
        units = Arguments(loss, a, b, None).units()
        sizes = loss.error_scale(units.y, units.yhat, *units.parameters)
        value_size = np.fmax(np.abs(values), 0.0 if sizes[0] is None else np.reshape(sizes[0], values.shape))
        grad_size = np.fmax(np.abs(slopes), 0.0 if sizes[1] is None else np.reshape(sizes[1], slopes.shape))
        exact = ExactResults(values, slopes, slopes, slopes, value_size, grad_size, np.ones(len(yhat), bool))
        avoided = unavoidable(loss, y, yhat, exact, self.form, self.asked.subnormals)
        k, each = abs(self.factor), FREEDOM + 1
        value_free = k * avoided[0] + each * loss.bounds.value * self.form.spacing(k * value_size)
        grad_free = k * avoided[1] + each * loss.bounds.grad * self.form.spacing(k * grad_size)
        restored = loss.layout.bind(b.shape).restore(np.broadcast_to(grad_free, slopes.shape))
        return np.asarray(value_free), np.asarray(restored)

    def with_another(self, base: Explanation, numbers: _Numbers) -> tuple[float, Explanation]:
        """The share of the wrong numbers that one more hypothesis explains, or, where there is none yet, two."""
        if len(base) > 1:
            return 0.0, base
        wrong = numbers.wrong(base)
        others = [h for h in self.known if h not in base and h.stored != "neither"]  # few digits excuse everything
        others = [h for h in others if not base or (h,) not in self.fits]  # the same at moderate inputs: instead of it
        more = dict.fromkeys(e for h in others for e in ((h, *base), (*base, h)))
        guesses = numbers.promising(self.fitting(more), base, wrong)
        best = numbers.best(guesses, base, wrong)
        if best[0] >= NEARLY_ALL or base:
            return best
        moving = [
            e[0]
            for e, guess in guesses.items()
            if numbers.moved(guess, base).any() and (e[0].inside or numbers.near(guess, base, wrong))
        ]
        leaders = sorted(moving, key=lambda h: numbers.score((h,), guesses[h,], base, wrong), reverse=True)[:LEADERS]
        pairs = {(a, b) for a in leaders for b in moving if not (a.inside or b.inside or a is b)}
        pairs |= {(a, b) for b in moving if b.inside and b.stored == "both" for a in self.known if not a.inside}
        ordered = sorted(pairs, key=lambda pair: [self.known.index(h) for h in pair])
        hopes = {
            e: guess
            for e, guess in numbers.promising(ordered, base, wrong).items()
            if numbers.score(e, guess, base, wrong) > best[0] + WORTH
        }  # before the moderate answers are looked at, which takes longer
        two = numbers.best({e: hopes[e] for e in self.fitting(hopes)}, base, wrong)
        for e, guess in numbers.overlaid(guesses, base, wrong):
            if numbers.score(e, guess, base, wrong) > two[0]:
                two = max(two, numbers.best({e: guess}, base, wrong), key=lambda found: found[0])
        return two if two[0] > best[0] + WORTH else best


class _Numbers:
    """All the numbers that a candidate gave at hard inputs, in one row, values and gradients."""

    def __init__(self, cases: list[Case], form: Format, model: Model) -> None:
        self.cases, self.form, self.model = cases, form, model
        self.got, self.free = self._row(lambda c: c.got[:2]), self._row(lambda c: c.free)
        self.counts = self._row(lambda c: c.counts) == 1
        self.is_value = self._row(lambda c: (1.0, 0.0)) == 1
        self.known: dict[Explanation, Floats] = {}
        self.errors: dict[Explanation, Floats] = {}

    def _row(self, of: Callable[[Case], Iterable[Any]]) -> Floats:
        """Numbers of each case, as many as the candidate gave."""
        return np.concatenate([np.zeros(0), *(_as_many(case, of(case)) for case in self.cases)])

    def _answers(self, explanation: Explanation) -> Callable[[Case], Iterable[Any]]:
        """What an explanation predicts of a case."""

        def of(case: Case) -> Iterable[Any]:
            answer = answer_of(explanation, case.question, self.model)
            return (np.nan, np.nan) if answer is None else (answer.value, _where_defined(explanation, answer, case))

        return of

    def predicted(self, explanation: Explanation) -> Floats:
        """What an explanation predicts."""
        if explanation not in self.known:
            self.known[explanation] = self.form.round(self._row(self._answers(explanation)))
        return self.known[explanation]

    def promising(
        self, explanations: Iterable[Explanation], base: Explanation, wrong: Any
    ) -> dict[Explanation, Floats]:
        """The predictions of those that come nearer to any of the wrong numbers than the base does."""
        half = np.abs(self.got - self.predicted(base)) / 2
        ends = np.cumsum([0, *(sum(a.size for a in case.got[:2] if a is not None) for case in self.cases)])
        spans = [slice(*ends[k : k + 2]) for k in range(len(self.cases))]
        bad = [(case, span) for case, span in zip(self.cases, spans, strict=True) if wrong[span].any()]

        def promises(explanation: Explanation) -> bool:
            of = self._answers(explanation)
            guesses = ((self.form.round(_as_many(case, of(case))), span) for case, span in bad)
            return any((wrong[span] & _near(self.got[span], guess, half[span])).any() for guess, span in guesses)

        return {e: self.predicted(e) for e in explanations if promises(e)}

    def wrong(self, base: Explanation) -> Any:
        """Which numbers the base does not predict."""
        guess = self.predicted(base)
        known = ~np.isinf(self.predicted(())) | (not base)  # a multiple of what is beyond the numbers may be one
        return self.counts & known & ~_near(self.got, guess, self.allowed(base))

    def near(self, guess: Floats, base: Explanation, wrong: Any) -> bool:
        """Whether any wrong number is predicted."""
        return bool((wrong & _near(self.got, guess, 4 * self.allowed(base))).any())

    def explained(self, base: Explanation) -> bool:
        """Whether a base predicts any number that is wrong without it."""
        return bool((self.wrong(()) & _near(self.got, self.predicted(base), self.allowed(base))).any())

    def allowed(self, base: Explanation) -> Floats:
        """The errors that are right; another loss than ours may have some roundings more."""
        if base not in self.errors:
            own, guess = self.predicted(()), self.predicted(base)
            larger = np.abs(guess / own)
            free = self.free * np.where(np.isfinite(larger), np.fmax(larger, 1.0), 1.0)
            more = ROUNDINGS * self.form.spacing(guess) if base else 0.0
            self.errors[base] = np.fmax(np.fmax(free, more), self.narrow(base, guess))
        return self.errors[base]

    def best(self, guesses: Mapping[Explanation, Floats], base: Explanation, wrong: Any) -> tuple[float, Explanation]:
        """The explanation that predicts the largest share of the wrong numbers; 0 for none."""
        scores = [(self.score(e, guess, base, wrong), -k, e) for k, (e, guess) in enumerate(guesses.items())]
        for share, _, e in sorted((s for s in scores if s[0] > 0), key=lambda s: s[:2], reverse=True):
            if all(self.shown(h, e, guesses[e], base, wrong) for h in e if h not in base):
                return share, e
        return 0.0, base

    def shown(self, h: Hypothesis, explanation: Explanation, guess: Floats, base: Explanation, wrong: Any) -> bool:
        """Whether a part of an explanation is needed for a wrong number that is finite, or for several that are not."""
        if h.scarce:
            return True
        without = self.predicted(tuple(other for other in explanation if other is not h))
        allowed = self.tolerance(explanation, guess, base)
        missed = ~_near(self.got, without, allowed) | ((self.got == 0) ^ (without == 0))
        its = wrong & _near(self.got, guess, allowed) & missed
        return bool((its & np.isfinite(self.got)).any() or its.sum() >= SEVERAL)

    def tolerance(self, explanation: Explanation, guess: Floats, base: Explanation) -> Floats:
        """How near is near enough to be predicted."""
        size = np.fmax(np.abs(guess), np.abs(self.predicted(base)))
        return np.asarray(4 * (self.allowed(base) + self.narrow(explanation, size)))

    def narrow(self, explanation: Explanation, size: Floats) -> Any:
        """What numbers of that size lose to the narrower format of an explanation."""
        low = _inside(explanation)
        if low is None:
            return 0.0
        wide = 1 if any(h.name.startswith("rounds") for h in explanation) else NARROW_ULPS
        return np.where(self.narrowed(explanation), wide * low.spacing(size) + low.tiny, 0.0)

    def narrowed(self, explanation: Explanation) -> Any:
        """The numbers that are of a narrower format."""
        return self.is_value | (_stored(explanation) != "value")

    def score(self, explanation: Explanation, guess: Floats, base: Explanation, wrong: Any) -> float:
        """The share of the wrong numbers that are predicted, less the right ones that are spoilt."""
        own, low = self.predicted(base), _inside(explanation)
        narrow = self.counts & self.narrowed(explanation) & np.isfinite(self.got)
        if low and _stored(explanation) != "neither" and (low.round(self.got) != self.got)[narrow].any():
            return 0.0
        allowed = self.tolerance(explanation, guess, base)
        vanishes = ((self.got == 0) ^ (guess == 0)) & (np.abs(self.got - guess) > (low.tiny if low else 0))
        precise = _near(self.got, guess, allowed) & ~vanishes
        precise &= ~wrong | ~(np.abs(self.got - guess) > np.abs(self.got - own) / 2)
        deviation = np.abs(self.got - own) / np.abs(guess - own)
        alike = (deviation > 0.25) & (deviation < 4) & (np.sign(self.got) == np.sign(guess)) & ~precise
        spoilt = self.counts & ~wrong & ~_near(own, guess, 2 * allowed) & ~precise
        hits, loose = (wrong & precise).sum(), (wrong & alike).sum()
        if spoilt.sum() > FEW * (hits + loose) or loose > hits:
            return 0.0
        return float((hits + LOOSE * loose - spoilt.sum()) / wrong.sum())

    def moved(self, guess: Floats, base: Explanation) -> Any:
        """Where a prediction is not that of the base."""
        own = self.predicted(base)
        return self.counts & ~_near(own, guess, 8 * self.allowed(base))

    def overlaid(
        self, guesses: Mapping[Explanation, Floats], base: Explanation, wrong: Any
    ) -> Iterator[tuple[Explanation, Floats]]:
        """Two explanations at once: one for the values and one for the gradients, or one where the other is right."""
        allowed = self.allowed(base)
        useful = {}
        for e, guess in guesses.items():
            moved = self.moved(guess, base)
            if not _inside(e) and (wrong & moved & _near(self.got, guess, 4 * allowed)).any():
                useful[e] = moved
        for a, moved in useful.items():
            for b in useful:
                if a is not b:
                    yield (*a, *b), np.where(moved, guesses[a], guesses[b])
                    yield (*a, *b), np.where(self.is_value, guesses[a], guesses[b])


def _as_many(case: Case, numbers: Iterable[Any]) -> Floats:
    """Numbers of one case, as many as the candidate gave; NaN where they are not shaped like its own."""
    out = [np.zeros(0)]
    for got, a in zip(case.got[:2], numbers, strict=True):
        if got is not None:
            fits = np.shape(a) in ((), got.shape)
            out.append(np.broadcast_to(a if fits else np.nan, got.shape).astype(np.float64).ravel())
    return np.concatenate(out)


def _where_defined(explanation: Explanation, answer: Answer, case: Case) -> Any:
    """A gradient; where it may be anything, it is what the candidate said.

    That is where the value is not a number, and where rounding to a narrower format has brought a prediction to a kink.
    """
    got, q, low = case.got.grad, case.question, _inside(explanation)
    if answer.value is None or answer.grad is None or got is None or got.shape != answer.grad.shape:
        return answer.grad
    lost = np.isnan(answer.value)
    free = np.full(got.shape, lost.any() and (not lost.ndim or q.loss.reads_all_predictions))
    if lost.any() and lost.ndim and not q.loss.reads_all_predictions:
        free |= per_prediction(q.loss, lost, q.yhat.shape)
    if low and np.asarray(q.y).dtype.kind == "f":
        least, most = q.loss.subgradient(low.round(q.y), low.round(q.yhat), weight=q.weight)
        free |= (least < most) & (least <= got) & (got <= most)
    return np.where(free, got, answer.grad)


def _near(a: Floats, b: Floats, allowed: Floats) -> Any:
    """Whether numbers are as near as is allowed; infinities and NaN must be the same."""
    return (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= allowed)


# ---- in words --------------------------------------------------------------------------------------------------------


def _said(base: Explanation, explanation: Explanation | None = None) -> Diagnosis:
    """An explanation in words: first what moderate inputs show, then what it does at hard ones besides."""
    more = [h for h in explanation or () if h not in base]
    if not (base or more):
        return RIGHT
    sentences = [f"It {_phrase(h)}" for h in base]
    sentences += [f"At hard inputs it also {_phrase(h)}" if base else f"It {_phrase(h)}" for h in more]
    return Diagnosis(tuple(h.name for h in (*base, *more)), " ".join(sentences))


def _phrase(h: Hypothesis) -> str:
    return h.says + (f", as in {h.seen_in}." if h.seen_in else ".")


def _nothing(where: str) -> Diagnosis:
    """That nothing fits."""
    return Diagnosis((), f"none of {len(HYPOTHESES)} explanations fits its numbers{where}, nor do two of them together")
