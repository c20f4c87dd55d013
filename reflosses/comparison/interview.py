"""One candidate is asked about one loss: a call, a judgement and a record of the answer.

`plan.py` says what is asked, and in which order. A diagnosis explains the record, and asks nothing again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import log2, prod
from typing import Any, NamedTuple

import numpy as np

from reflosses.comparison.battery import REGIMES, LossBlock, WholeCall, family, normal
from reflosses.comparison.candidate import Answer, Candidate
from reflosses.comparison.expected import ExactResults, Scaled, counted, exact, parts, reduced
from reflosses.comparison.formats import Format
from reflosses.comparison.levels import with_levels
from reflosses.comparison.limits import limits
from reflosses.comparison.result import LEVELS, Comparison, Deviation
from reflosses.comparison.verdict import (
    CHANGES_INPUT,
    LENIENT,
    ROWS_INTERACT,
    VERDICTS,
    Numbers,
    judged,
    unavoidable,
    verdicts,
)
from reflosses.evaluation.domain import Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import align, flatten, one_loss_a_call, per_loss, per_prediction, stack, unstack
from reflosses.truth.arithmetic import available

CAPPED = ("B", "F")  # regimes of large losses; elsewhere different losses may round to one number
UNPROVED = "compared with our own numbers; for certified ones: pip install 'reflosses[truth]'"
TAME = 100.0  # the largest number of a call that is ordinary, where nothing else tells
LONG = 1000  # predictions of a call whose text is long
KINDS = {1: "class indices", 2: "rows of class probabilities"}


@dataclass(frozen=True)
class _Question:
    """One call: stacked losses, each with its regime and name, and the arrays that are handed over.

    period: a whole call repeats its losses after so many; only the first period's gradients are judged.
    optional: a candidate that raises does not take such arrays, and is not wrong. tame: as in `Answered`.
    """

    regimes: Any
    names: Any
    y: Floats
    yhat: Floats
    arrays: tuple[Any, Floats]
    weight: Floats | None = None
    upstream: Floats | None = None
    period: int | None = None
    optional: bool = False
    tame: bool = False


class Answered(NamedTuple):
    """A call, the answer, the exact results, and how far value and gradient may be from them.

    name: of the block, or of the call. tame: an ordinary call, whose axes all differ in length.
    """

    regimes: Any
    name: str
    tame: bool
    y: Any
    yhat: Floats
    weight: Floats | None
    upstream: Floats | None
    answer: Answer
    truth: ExactResults
    value_slack: Floats
    grad_slack: Floats


class Interview:
    """One candidate against one loss."""

    def __init__(self, asked: Candidate, target: Loss | Scaled, unit: float, form: Format, found: Comparison) -> None:
        self.asked, self.target, self.unit, self.form, self.found = asked, target, unit, form, found
        self.factor, self.loss = parts(target)
        asked.begin(target, form)
        self.spare = 1.0 if getattr(self.loss, "ignore_index", None) == 0 else 0.0  # a label that is not ignored
        self.deviations: list[Deviation] = []
        self.record: list[Answered] = []
        self.differentiated = False  # whether any answer had a gradient
        self.without = 0  # answers with a value and no gradient
        self.one_a_call = self.loss.reduction != "none" or one_loss_a_call(self.loss)
        self.apart = self.one_a_call  # whether each loss is asked in a call of its own
        self.hard_labels = False  # whether the candidate raises on labels between 0 and 1
        self.silent = False  # whether answers are recorded only
        self.rest: list[Callable[[], None]] = []  # ordinary calls that were not asked for
        self.unreduced = False  # whether it gives one value for each loss where one for all is due
        self.unanswered: set[tuple[int, int, bool]] = set()  # shapes and targets of ordinary calls at which it raises
        self.refused: list[tuple[_Question, Answer]] = []  # moderate calls at which it raises

    def kinds_of_targets(self, moderate: list[LossBlock]) -> set[int]:
        """The dimensions of the targets that the candidate takes: 1 for class indices, 2 for rows of probabilities."""
        kinds, errors = set(), []
        few = slice(0, 1 if one_loss_a_call(self.loss) else 3)
        for block in moderate:
            question = self._question([block], block.y[few], block.yhat[few])
            answer = self.asked.ask(*question.arrays)
            if answer.error and not isinstance(self.loss.domain.y, Classes):
                whole = self._question([block], np.rint(block.y[few]), block.yhat[few])
                if not np.array_equal(whole.y, question.y) and not self.asked.ask(*whole.arrays).error:
                    self.hard_labels = True
                    self.found.notes.append(f"labels between 0 and 1 were not asked: {answer.fault}")
                    kinds.add(block.y.ndim)
                    continue
            if answer.error:
                errors.append((question, answer))
            else:
                kinds.add(block.y.ndim)
        self.refused = errors
        if kinds and not self.asked.given_up:
            self.asked.first_failure = None  # it does not take such targets
        if kinds:
            self.found.notes += [f"{KINDS[q.y.ndim]} were not asked: {a.fault}" for q, a in errors]
        return kinds

    def note_refusals(self) -> None:
        """A candidate that answers no ordinary call crashes; one that answers some takes arrays of other shapes."""
        for question, answer in self.refused[:1]:
            if any(a.answer.error == "" for a in self.record):
                shape = np.shape(question.arrays[1])
                self.found.notes.append(f"arrays of shape {shape} were not asked: {answer.fault}")
            else:
                self._count("moderate", "value")
                self._note(question, 0, "value", "crash", error=_crash(answer))

    # ---- asking ----------------------------------------------------------------------------------------------------

    def grouped(self, chosen: list[LossBlock]) -> list[list[LossBlock]]:
        """The blocks of each call. Blocks of one shape share a call, unless the candidate reduces."""
        if self.hard_labels:
            chosen = [replace(b, y=np.rint(b.y)) for b in chosen]
        if not self.asked.subnormals:
            keep = [normal(self.form, b.y, b.yhat) for b in chosen]
            chosen = [replace(b, y=b.y[k], yhat=b.yhat[k]) for b, k in zip(chosen, keep, strict=True)]
        groups: dict[Any, list[LossBlock]] = {}
        for k, block in enumerate(b for b in chosen if len(b.y)):
            groups.setdefault(k if self.one_a_call else (block.y.shape[1:], block.yhat.shape[1:]), []).append(block)
        return list(groups.values())

    def ask_blocks(self, group: list[LossBlock]) -> None:
        """Ask losses that stand alone: in one call, or one by one."""
        if not self.apart:
            y, yhat = np.concatenate([b.y for b in group]), np.concatenate([b.yhat for b in group])
            if self._ask(self._question(group, y, yhat), exact(self.target, y, yhat)):
                return
        for block in group:
            truth = exact(self.target, block.y, block.yhat)
            for i in range(len(block.y)):
                one = slice(i, i + 1)
                self._ask(self._question([block], block.y[one], block.yhat[one]), truth.at(one))

    def ask_beside(self, tame: LossBlock, hard: list[LossBlock]) -> None:
        """Ask an ordinary loss and a hard one in one call. Neither may change the numbers of the other."""
        ordinary = self._alone(tame.y[:1], tame.yhat[:1]), self._alone(tame.y[:2], tame.yhat[:2])
        if not all(found and all(found) for found in ordinary):  # another formula: of one row, or of two
            return
        for block in hard:
            y, yhat = (np.concatenate([a[:1], b[:1]]) for a, b in ((tame.y, block.y), (tame.yhat, block.yhat)))
            each = exact(self.target, y, yhat)
            call = WholeCall("I", f"an ordinary loss beside a hard one ({block.name})", y, yhat)
            question = replace(self._question([call], y, yhat), period=1)
            answer = self.asked.ask(*question.arrays)
            truth, total = reduced(self.loss, y, each, None)
            huge = bool((np.abs(each.value) > self.form.max / 16).any())  # the sum may overflow, and spoil every slope
            if answer.error or huge or not each.known.all():
                continue
            whole = truth.value.ndim == 0
            judged_value = True
            value_slack, grad_slack = np.full(truth.value.shape, np.nan), np.full(question.arrays[1].shape, np.nan)
            if whole:
                other = self._alone(block.y[:1], block.yhat[:1])
                judged_value = (other or [False])[0]
            for what, numbers, bound, known in self._numbers(question, answer, truth, self._of_a_sum(2, total)):
                if what == "value" and not judged_value:
                    continue
                numbers = Numbers(*(a[:1] for a in numbers))
                right, ulps, slack = judged(numbers, bound, np.ones(1, bool), self.form)
                if what == "gradient":
                    grad_slack = per_prediction(self.loss, np.array([0.0, np.nan]), grad_slack.shape) + slack.max()
                elif whole:
                    value_slack = slack.reshape(())
                else:
                    value_slack.flat[0] = slack.flat[0]
                self._count("I", what, int(right.size))
                wrong = np.flatnonzero(~right[0] & known[:1])
                if len(wrong):
                    j, self.apart = int(wrong[0]), True
                    self._note(question, 0, what, ROWS_INTERACT, number=j, **_told(numbers, ulps, slack, 0, j))
            of = question.regimes, call.name, False, *question.arrays, None, None
            self.record.append(Answered(*of, answer, truth, value_slack, grad_slack))

    def _alone(self, y: Floats, yhat: Floats) -> list[bool] | None:
        """Whether value and gradient of a call are right, to half of their digits; None if it is not answered."""
        question = self._question([WholeCall("I", "alone", y, yhat)], y, yhat)
        answer, each = self.asked.ask(*question.arrays), exact(self.target, y, yhat)
        if answer.error or not each.known.all():
            return None
        truth, total = reduced(self.loss, y, each, None)
        found = self._numbers(question, answer, truth, self._of_a_sum(len(y), total))
        return [bool(judged(n, b, np.ones(len(n.got), bool), self.form)[0].all()) for _, n, b, _ in found]

    def _probe(self, d: Deviation, prediction: float) -> tuple[float, float, bool] | None:
        """The number of a deviation at another prediction of the same loss, the exact one, and whether it is right."""
        y, yhat = map(self.form.round, stack(self.loss, d.y, np.full(np.shape(d.yhat), prediction)))
        question = self._question([WholeCall("D", "alone", y, yhat)], y, yhat)
        answer = self.asked.ask(*question.arrays)
        truth, total = reduced(self.loss, y, exact(self.target, y, yhat, proved=False), None)
        if answer.error:
            return None
        for what, n, bound, _ in self._numbers(question, answer, truth, self._of_a_sum(1, total)):
            if what == d.what:
                return (
                    float(n.got[0, 0]),
                    float(n.exact[0, 0]),
                    bool(judged(n, bound, np.zeros(1, bool), self.form)[0].all()),
                )
        return None

    def ask_call(self, call: WholeCall) -> None:
        """Ask one call, and judge it as a whole."""
        y, yhat = np.rint(call.y) if self.hard_labels and not call.refuse else call.y, call.yhat
        if call.refuse:
            self._ask_to_refuse(replace(self._question([call], y, yhat, call.weight), period=len(y)))
            return
        each = exact(self.target, *self._filled(y, yhat), call.slopes)
        many = np.tile(np.arange(len(y)), call.times)
        question = self._question([call], y[many], yhat[many], call.weight, call.upstream)
        if call.shape is not None:
            a, b = (array.reshape(call.shape) for array in question.arrays)
            question = replace(question, arrays=(a, b), optional=True)
        self._ask(replace(question, period=len(y) if call.slopes else 0), each.at(many))

    def ask_silently(self) -> None:
        """Ask the ordinary calls that the report is not about: an explanation rests on them."""
        self.silent, rest, self.rest = True, self.rest, []
        for ask in rest:
            ask()
        self.silent = False

    def ask_arrays(self, y: Any, yhat: Floats, weight: Floats | None) -> None:
        """Ask one call of ordinary inputs by its arrays. A candidate that raises does not take their shape."""
        y = np.rint(y) if self.hard_labels else y
        kind = np.ndim(y), np.ndim(yhat), bool((y == np.rint(y)).all())
        if kind in self.unanswered or (family(self.loss) == "residuals" and self._squares_overflow(y, yhat)):
            return
        stacked = stack(self.loss, y, yhat)
        w = None if weight is None else np.ravel(weight)
        try:
            each = exact(self.target, *self._filled(*stacked))
            reduced(self.loss, stacked[0], each, w)
        except ValueError:  # such as rows of probabilities under a weighted mean
            return
        names = np.repeat(f"arrays of shape {np.shape(yhat)}", max(1, len(stacked[0])))
        regimes = np.repeat("moderate", len(names))
        question = _Question(regimes, names, *stacked, (y, yhat), w, period=len(stacked[0]), optional=True, tame=True)
        answered, silent = len(self.record), self.silent
        usual = np.ndim(unstack(self.loss, *(a[:1] for a in stacked))[1])
        self.silent |= bool(self.loss.layout.groups) and np.ndim(yhat) > usual  # the formula may be for fewer axes
        self._ask(question, each, weight)
        self.silent = silent
        self.unanswered |= {kind} if len(self.record) == answered else set()

    def _filled(self, y: Floats, yhat: Floats) -> tuple[Floats, Floats]:
        """Stacked losses with numbers of the domain in place of the ignored ones, which count for nothing."""
        part = counted(self.loss, y)
        return np.where(align(part, y), y, self.spare), np.where(align(part, yhat), yhat, 0.0)

    def _squares_overflow(self, y: Any, yhat: Floats) -> bool:
        """Whether squares of residuals are no numbers of the format: such inputs are not ordinary."""
        return bool((np.abs(yhat - y) >= 2.0 ** (self.form.top // 2 - 1)).any())

    def _question(self, group: Any, y: Floats, yhat: Floats, weight: Any = None, upstream: Any = None) -> _Question:
        counts = [len(b.y) for b in group] if len(group) > 1 else [max(1, len(y))]
        regimes, names = np.repeat([b.regime for b in group], counts), np.repeat([b.name for b in group], counts)
        return _Question(regimes, names, y, yhat, unstack(self.loss, y, yhat), weight, upstream)

    def _ask_to_refuse(self, question: _Question) -> None:
        if self.asked.given_up:
            return
        answer = self.asked.ask(*question.arrays, question.weight)
        self._count(question.regimes[0], "value")
        value = answer.value
        if answer.error or value is None or np.isnan(value).any() or self._lines_up(question, value):
            return
        got = float(np.ravel(value)[0]) if value.size else 0.0
        self._note(question, 0, "value", "accepts invalid input", got=got, index=(0,) * value.ndim)

    def _lines_up(self, question: _Question, value: Floats) -> bool:
        """Whether y of shape (n, 1) was read as (n,), and answered rightly."""
        y, yhat = question.y, question.yhat
        if y.ndim <= yhat.ndim or y.size != yhat.size:
            return False
        right = self.factor * np.asarray(self.loss.value(y.reshape(yhat.shape), yhat))
        return value.shape == right.shape and bool(np.allclose(value, right, self.form.eps**0.5, 0))

    def _ask(self, question: _Question, each: ExactResults, weight: Floats | None = None) -> bool:
        """Ask one call. False: it raises and has several losses, which must be asked one by one.

        weight: the weights of the question, shaped as the call has them.
        """
        if self.asked.given_up:
            return True
        if not each.known.all() and self.one_a_call:
            self.found.undecided += 1
            return True
        self.found.undecided += int((~each.known).sum())
        answer = self.asked.ask(*question.arrays, question.weight if weight is None else weight, question.upstream)
        self.differentiated |= answer.grad is not None
        self.without += answer.grad is None and answer.value is not None
        if answer.changed and not any(d.verdict == CHANGES_INPUT for d in self.deviations):
            self._note(question, 0, "value", CHANGES_INPUT, error=f"changes the {answer.changed} that it is given")
        if answer.note and answer.note not in self.found.notes:
            self.found.notes.append(answer.note)
        truth, total = reduced(self.loss, question.y, each, question.weight)
        if answer.error and question.optional:
            shape = question.arrays[1].shape
            note = f"arrays of shape {shape} were not asked: {answer.fault}"
            told = any(note.endswith(answer.fault) for note in self.found.notes)
            self.found.notes += [note] if not (self.silent or told) else []
            return True
        if answer.error:
            if len(question.y) > 1 and not self.apart and question.period is None:
                return False
            if len(question.y):
                self._count(question.regimes[0], "value")
            # An error is a right answer to an empty batch, and to NaN.
            if len(question.y) and not (np.isnan(truth.value).any() or np.isnan(question.yhat).any()):
                self._note(question, 0, "value", "crash", error=_crash(answer))
            return True
        if question.upstream is not None:
            times = align(question.upstream, truth.grad)
            low, high = np.sort([truth.low * times, truth.high * times], axis=0)
            sizes = truth.grad_size * np.abs(times)
            truth = replace(truth, grad=truth.grad * times, low=low, high=high, grad_size=sizes)
        value_slack, grad_slack = self._judge(question, answer, truth, self._of_a_sum(len(question.y), total))
        a, b = question.arrays
        slack = value_slack, grad_slack
        weight = question.weight if weight is None else weight
        of = question.regimes, str(question.names[0]) if len(question.names) else "", question.tame
        self.record.append(Answered(*of, a, b, weight, question.upstream, answer, truth, *slack))
        return True

    def _of_a_sum(self, losses: int, total: float) -> float:
        """The error of a sum of so many losses that nobody avoids."""
        return float((log2(losses + 1) + 2) * self.form.eps * total)

    # ---- judging ---------------------------------------------------------------------------------------------------

    def _judge(
        self, question: _Question, answer: Answer, truth: ExactResults, of_a_sum: float
    ) -> tuple[Floats, Floats]:
        """Every number of an answer: count, note, and return how far each may be off. NaN: it is not judged."""
        b = question.arrays[1]
        value_slack, grad_slack = np.full(truth.value.shape, np.nan), np.full(b.shape, np.nan)
        if self._shapes_are_right(question, answer, truth):
            for what, numbers, bound, known in self._numbers(question, answer, truth, of_a_sum):
                slack = self._compare(question, what, numbers, bound, known)
                counts = align(known, slack) & ~(numbers.low < numbers.high)  # a kink has many right slopes
                slack = np.where(counts, np.nan_to_num(slack, nan=0.0, posinf=np.inf), np.nan)
                if what == "value":
                    value_slack = slack.reshape(truth.value.shape)
                elif self.loss.reads_all_predictions:
                    grad_slack = slack.reshape(b.shape)
                else:
                    bound_to = self.loss.layout.bind(b.shape)
                    every = np.tile(slack, (bound_to.units // max(1, len(slack)), 1))
                    if every.size == b.size:
                        grad_slack = bound_to.restore(every.reshape(bound_to.units, *bound_to.unit_shape))
        return value_slack, grad_slack

    def _numbers(
        self, question: _Question, answer: Answer, truth: ExactResults, of_a_sum: float
    ) -> Iterator[tuple[str, Numbers, float, Any]]:
        """The values and the gradients of an answer: what they are, the numbers, the bound, and which are known."""
        n, whole, b = len(question.y), truth.value.ndim == 0, question.arrays[1]
        free = unavoidable(self.target, question.y, question.yhat, truth, self.form, self.asked.subnormals)
        value_free = free[0].sum() + of_a_sum if whole else free[0]
        got = truth.value if answer.value is None else answer.value
        columns = (got, truth.value, truth.value, truth.value, truth.value_size, value_free)
        rows = (1, 1) if whole else (n, truth.value.size // max(1, n))
        if np.size(got) != truth.value.size:
            return
        numbers = Numbers(*(np.reshape(c, rows) for c in columns))
        if answer.value is not None:
            known = (
                truth.known if len(truth.known) == len(numbers.got) else np.full(len(numbers.got), truth.known.all())
            )
            yield "value", numbers, self.loss.bounds.value, known
        if answer.grad is None or answer.grad.shape != b.shape or not n:
            return
        apart = per_loss(self.loss, answer.grad)
        lost = np.isnan(numbers.exact).any(axis=1)  # if the value is NaN, the slope may be anything
        columns = (apart, truth.grad, truth.low, truth.high, truth.grad_size, free[1])
        once = slice(0, question.period)
        slopes = Numbers(*(flatten(c)[once] for c in columns))
        yield "gradient", slopes, self.loss.bounds.grad, (truth.known & ~lost)[once]

    def _shapes_are_right(self, question: _Question, answer: Answer, truth: ExactResults) -> bool:
        """Whether the value can be judged. A wrong shape is noted; a gradient of a wrong shape is not judged."""
        b = question.arrays[1]
        each = b.shape if self.loss.reads_all_predictions else self.loss.layout.bind(b.shape).value_shape
        shape = () if truth.value.ndim == 0 else each
        if answer.value is None and answer.grad is None:
            return self._shaped(question, "value", None, shape)
        right = answer.value is None or self._shaped(question, "value", answer.value, shape)
        if answer.grad is not None and len(question.y):
            self._shaped(question, "gradient", answer.grad, b.shape)
        return right

    def _shaped(self, question: _Question, what: str, got: Floats | None, shape: tuple[int, ...]) -> bool:
        """Note a wrong shape, once for value and gradient each. A value of one number is judged all the same."""
        if got is not None and got.shape == shape:
            return True
        self._count(question.regimes[0], what)
        each = self.loss.layout.bind(question.arrays[1].shape).value_shape
        self.unreduced |= what == "value" and got is not None and got.size > 1 and shape == () != each == got.shape
        error = "is missing" if got is None else f"has shape {got.shape}, not {shape}"
        if not any(d.shape is not None and d.what == what for d in self.deviations):
            self._note(question, 0, what, "other convention", error=error, shape=shape)
        return got is not None and got.size == 1 == prod(shape)

    def _compare(self, question: _Question, what: str, numbers: Numbers, bound: float, known: Any) -> Floats:
        """Count the right numbers; of the wrong ones, note the first of each loss and verdict. The allowed errors."""
        numbers = numbers._replace(size=np.fmax(numbers.size, self.unit))
        regimes = question.regimes[: len(numbers.got)]
        right, ulps, slack = judged(numbers, bound, np.isin(regimes, LENIENT), self.form)
        for regime in dict.fromkeys(regimes.tolist()):
            here = known & (regimes == regime)
            worst = ulps[here][right[here]].max(initial=0.0)
            self._count(regime, what, int(right[here].size), float(worst))
        i, j = np.nonzero(known[:, None] & ~right)
        kinds = verdicts(what, regimes[i], numbers.got[i, j], numbers.exact[i, j], numbers.size[i, j], self.form)
        seen: set[tuple[int, int]] = set()
        for loss, number, kind in zip(i.tolist(), j.tolist(), kinds.tolist(), strict=True):
            if (loss, kind) not in seen:
                seen.add((loss, kind))
                told = _told(numbers, ulps, slack, loss, number)
                self._note(question, loss, what, VERDICTS[kind], number=number, **told)
        return slack

    # ---- noting ----------------------------------------------------------------------------------------------------

    def _count(self, regime: str, what: str, points: int = 1, worst: float = 0.0) -> None:
        if self.silent:
            return
        column = getattr(self.found.row(regime), what)
        column.points += points
        column.worst = max(column.worst, worst)

    def _note(self, question: _Question, i: int, what: str, kind: str, *, number: int = 0, **more: Any) -> None:
        """Note a deviation of loss i, as a call of its own unless the candidate reduces."""
        if self.silent:
            return
        if not self.one_a_call and question.period is None and len(question.y) > 1:
            one = unstack(self.loss, question.y[i : i + 1], question.yhat[i : i + 1])
            question = replace(question, regimes=question.regimes[i:], names=question.names[i:], arrays=one)
            i = 0
        a, b = question.arrays
        if "error" not in more and "index" not in more:
            more["index"] = self._index(b.shape, i, number, what)
        regime, name = str(question.regimes[i]), str(question.names[i])
        given = (question.weight, question.upstream)
        self.deviations.append(Deviation(regime, name, what, kind, a, b, *given, **more))

    def _index(self, shape: tuple[int, ...], i: int, number: int, what: str) -> tuple[int, ...]:
        """The place of a number of loss i in the value or the gradient."""
        if self.loss.reads_all_predictions:
            alone = what == "value" and self.loss.reduction != "none"
            return () if alone else tuple(map(int, np.unravel_index(number, shape)))
        layout = self.loss.layout.bind(shape)
        if what == "value":
            if self.loss.reduction != "none" or not layout.value_shape:
                return ()
            return tuple(map(int, np.unravel_index(i, layout.value_shape)))
        places = flatten(per_loss(self.loss, np.arange(prod(shape)).reshape(shape)))
        return tuple(map(int, np.unravel_index(places[i, number], shape))) if shape else ()

    def _note_failure(self) -> None:
        """A failure of the process is wrong wherever it happens, also in a call that only prepares others."""
        failure = self.asked.first_failure
        if failure is None or any(d.verdict == "crash" for d in self.deviations):
            return
        with np.errstate(all="ignore"):
            tame = all(np.size(a) == 0 or np.max(np.abs(a)) <= TAME for a in (failure.y, failure.yhat))
        regime = "moderate" if tame else "F"
        self._count(regime, "value")
        call = failure.y, failure.yhat, failure.weight
        self.deviations.append(
            Deviation(regime, REGIMES[regime], "value", "crash", *call, error=_crash(failure.answer))
        )

    def finish(self) -> None:
        """Name caps, count the deviations, and keep one of each kind."""
        found = self.found
        self._note_failure()
        found.given_up = self.asked.given_up
        self.deviations = with_levels(_with_caps(self.deviations), self.loss, self.form, self.factor)
        found.limits = [] if self.asked.given_up else limits(self.deviations, self.loss, self._probe)
        groups: dict[tuple[str, ...], list[Deviation]] = {}
        for d in self.deviations:
            groups.setdefault((d.level, d.regime, d.what, d.verdict), []).append(d)
            wrong = getattr(found.row(d.regime), d.what).wrong
            wrong[d.verdict] = wrong.get(d.verdict, 0) + 1
        order = list(REGIMES)
        found.worst = sorted(
            (min(ds, key=_length) for ds in groups.values()),
            key=lambda d: (LEVELS.index(d.level), VERDICTS.index(d.verdict), order.index(d.regime), d.what != "value"),
        )
        found.rows = [r for r in found.rows if r.value.points or r.gradient.points]
        found.rows.sort(key=lambda r: order.index(r.regime))
        values = sum(r.value.points for r in found.rows)
        if values > 1 and not self.differentiated and any(not a.answer.error for a in self.record):
            why = self.asked.why_no_gradient or "it returns none: return (value, gradient), or pass grad= or framework="
            found.limits.insert(0, f"Value only: no gradient was asked, because {why}.")
        elif 0 < self.without < len(self.record):
            found.limits.append(f"Its gradient is missing in {self.without} of {len(self.record)} answers.")
        if not available():
            found.notes.append(UNPROVED)
        if self.asked.given_up:
            found.notes.append("the rest was not asked: given up after crashes or calls that took too long")
        if found.undecided:
            found.notes.append(f"{found.undecided} losses were not asked: no certified result exists there")


def _told(numbers: Numbers, ulps: Floats, slack: Floats, i: Any, j: Any) -> dict[str, float]:
    """What a deviation says of one number."""
    found = {"got": numbers.got, "exact": numbers.exact, "ulps": ulps, "slack": slack}
    return {name: float(a[i, j]) for name, a in found.items()}


def _crash(answer: Answer) -> str:
    """What happened instead of an answer, and where, without its subject."""
    where = f" ({answer.where})" if answer.where else ""
    return f"{answer.fault.removeprefix('it ')}{where}"


def _length(d: Deviation) -> tuple[int, int]:
    """The predictions of a call, then the characters that show it. A long call is not written out to count them."""
    size = int(np.size(d.yhat))
    return size, len(f"{np.asarray(d.yhat).tolist()}{np.asarray(d.y).tolist()}") if size <= LONG else 0


def _with_caps(found: list[Deviation]) -> list[Deviation]:
    """A finite number is a cap if it is the answer to several different larger ones."""
    seen: dict[tuple[str, float], set[float]] = {}
    for d in found:
        if d.regime in CAPPED and d.verdict in ("inaccurate", "capped") and abs(d.got) < abs(d.exact):
            seen.setdefault((d.what, d.got), set()).add(d.exact)
    caps = {key for key, larger in seen.items() if len(larger) > 1}
    capped = (d.regime in CAPPED and d.verdict == "inaccurate" and (d.what, d.got) in caps for d in found)
    return [replace(d, verdict="capped") if cap else d for d, cap in zip(found, capped, strict=True)]
