"""A search for the inputs at which a loss that somebody else wrote errs most.

`hunt` asks a candidate the inputs of the battery and random ones, and climbs from the worst of them, as our own losses
are searched (`worst_inputs.py`). Errors are measured against our own results. For float64 these are computed in a wider
format, as their errors would count. What is reported is judged a second time, against certified numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf, isfinite, nan, prod
from typing import Any, NamedTuple

import numpy as np

from reflosses.comparison.battery import TARGET_KINDS, Inputs, LossBlock, blocks, normal
from reflosses.comparison.candidate import Answer, Candidate
from reflosses.comparison.expected import ExactResults, Scaled, counted, exact, joined_results, parts, reduced
from reflosses.comparison.formats import FORMATS, Format
from reflosses.comparison.interview import UNPROVED, Interview
from reflosses.comparison.one_prediction import stackable
from reflosses.comparison.options import checked_options
from reflosses.comparison.plan import as_candidate
from reflosses.comparison.result import Comparison
from reflosses.comparison.verdict import CHANGES_INPUT, VERDICTS, Numbers, judged, unavoidable, verdicts
from reflosses.comparison.worst_inputs import BLOCK, DOUBLE, Stacked, search
from reflosses.comparison.worst_numbers import INACCURATE, WHAT, WorstNumber, WorstNumbers, is_wild
from reflosses.evaluation.call import Call
from reflosses.evaluation.domain import POSITIVE, Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import number, whole
from reflosses.evaluation.stack import flatten, one_loss_a_call, per_loss, stack, unstack
from reflosses.truth.arithmetic import available
from reflosses.truth.sampling import Problem
from reflosses.truth.wide import wide_results

ANOTHER = "At ordinary inputs it is another formula: reflosses.check says which."
ONCE = "seen once, not in a second call of the same loss"
BESIDE_OTHERS = "seen in a call of many losses, not in a call of this loss alone"

_APART = 64  # predictions that are measured at a time, where each loss takes a call
_LEAST = 512  # losses of a call: calls of few sizes, as JAX compiles each size
_REPEATED = 32  # a loss is repeated so often to show what vector instructions make of it
_LARGE = 16  # predictions of a loss: with fewer, an error that is 2 % smaller is the better example
_ORDINARY = 8  # ordinary losses that are asked first

Tick = Callable[[int, int], None]  # told of progress: the part that is done, and the whole
Results = Mapping[str, Floats]  # values and gradients, one row a loss


@np.errstate(all="ignore")
def hunt(
    candidate: Callable[..., Any] | Candidate | None,
    loss: Loss | Scaled,
    *,
    dtype: str = "float64",
    seconds: float = 10.0,
    points: int | None = None,
    seed: int = 0,
    framework: str = "auto",
    grad: Callable[..., Any] | str | None = "auto",
    targets: str = "auto",
    order: str = "auto",
    returns: str = "auto",
    name: str = "",
    inputs: Inputs | None = None,
    unit: float = 0.0,
    tick: Tick = lambda done, total: None,
) -> WorstNumbers:
    """Search for the inputs at which a candidate errs most, in value and in gradient.

    candidate, loss, dtype, framework, grad, targets, order, returns, name, inputs, unit: as for `reflosses.check`.
    seconds: how long to search; a call of the candidate is not cut short. points: a budget in predictions instead. With
    it the same seed finds the same errors again; what a budget in seconds finds depends on the machine. tick: is told
    of progress.
    A number is right by the tolerance of `check`, at every input as strictly as at its hard inputs. A loss of reduction
    "none" is asked thousands of predictions a call; any other is asked one loss a call, which takes much longer.
    Example: `reflosses.hunt(f, reflosses.Huber(reduction="none"), dtype="float32").value`.
    Raises ImportError, TypeError and ValueError as `check` does. If it is interrupted, the argument of the
    KeyboardInterrupt is the result so far.
    """
    asked_for = dict(locals())
    budget, most = number(POSITIVE)("hunt: seconds", asked_for.pop("seconds")), asked_for.pop("points")
    most = None if most is None else whole("hunt: points", most, 1)
    checked_options("hunt", asked_for)
    start = time.perf_counter()
    base, form = parts(loss)[1], FORMATS[dtype]
    called: dict[str, Any] = {"grad": grad, "framework": framework, "order": order, "returns": returns}
    asked, shown, notes = as_candidate(candidate, base, form, name, seed=seed, targets=targets, **called)
    found = WorstNumbers(shown, str(loss), dtype, seed, notes=notes)

    def over() -> bool:
        spent = time.perf_counter() - start
        tick(*((run.points, most) if most else (int(100 * min(1.0, spent / budget)), 100)))
        return asked.given_up or (most is None and spent >= budget)

    run = _Hunt(_Judge(asked, loss, form, unit), inputs, over)
    try:
        run.search(seed, targets, most)
    except KeyboardInterrupt:
        found.interrupted = True
    run.report(found)
    found.seconds = time.perf_counter() - start
    if found.interrupted:
        raise KeyboardInterrupt(found)
    return found


class _Number(NamedTuple):
    """One number of an answer: its loss, stacked, and its place among the numbers of the loss."""

    what: str
    verdict: str
    y: Floats
    yhat: Floats
    place: int
    got: float
    ulp: float
    error: str = ""

    def beats(self, other: _Number | None) -> bool:
        """Whether it is the better example: a larger error, finite inputs, or nearly the same at fewer predictions."""
        if other is None or self.ulp > other.ulp:
            return True
        if self.ulp == other.ulp and np.isfinite(self.yhat).all() and not np.isfinite(other.yhat).all():
            return True
        return other.yhat.size > _LARGE and self.yhat.size < other.yhat.size and self.ulp >= 0.98 * other.ulp


# ---- judging ---------------------------------------------------------------------------------------------------------


class _Judged(NamedTuple):
    """The values or gradients of some losses, one row a loss: which are right, and which are known exactly."""

    what: str
    numbers: Numbers
    right: Any
    ulps: Floats
    slack: Floats
    known: Any


class _Judge:
    """The exact results of stacked losses, each asked in a call of its own or without reduction, and the tolerance."""

    def __init__(self, asked: Candidate, target: Loss | Scaled, form: Format, unit: float) -> None:
        self.asked, self.target, self.form, self.unit = asked, target, form, unit
        self.factor, self.loss = parts(target)
        many = None if self.loss.reads_all_predictions else stackable(replace(self.loss, reduction="none"))
        self.single = many or self.loss  # the same loss for many losses in one call
        self.each = self.single if self.factor == 1 else Scaled(self.factor, self.single)

    def truth(self, y: Floats, yhat: Floats) -> ExactResults:
        """Our own results; for float64 those of a wider evaluation where there is one."""
        each = exact(self.each, y, yhat, proved=False)
        if self.form != DOUBLE or self.loss.reads_all_predictions or not counted(self.loss, y).all():
            return each
        wide = wide_results(self.single, Call(self.single, *unstack(self.single, y, yhat)).units())
        value = self.factor * wide[0].astype(np.float64).reshape(each.value.shape)
        grad = self.factor * wide[1].astype(np.float64).reshape(each.grad.shape)
        value = np.where(np.isfinite(value) & np.isfinite(each.value), value, each.value)
        smooth = np.isfinite(grad) & np.isfinite(each.grad) & (each.low == each.high)
        grad, low, high = (np.where(smooth, grad, a) for a in (each.grad, each.low, each.high))
        return replace(each, value=value, grad=grad, low=low, high=high)

    def due(self, y: Floats, yhat: Floats, each: ExactResults) -> dict[str, tuple[Numbers, float, Any]]:
        """The right values and gradients in place of an answer, their bounds, and which of them are known."""
        if self.loss.reduction == "weighted_mean" and not self.loss.reads_all_predictions:
            alone = [reduced(self.loss, y[i : i + 1], each.at([i]), None)[0] for i in range(len(y))]
            each = joined_results(
                [replace(r, value=r.value.reshape(1), value_size=r.value_size.reshape(1)) for r in alone]
            )
        value_free, grad_free = unavoidable(self.each, y, yhat, each, self.form, self.asked.subnormals)
        if self.loss.reduction != "none" and not self.loss.reads_all_predictions:
            value_free = value_free + 3 * self.form.eps * np.abs(each.value)  # as a sum of one loss
        known = each.known & counted(self.loss, y) & ~np.isnan(flatten(each.value)).any(axis=1)
        if not self.asked.subnormals:
            known &= normal(self.form, y, yhat)
        columns = {
            "value": (each.value, each.value, each.value, each.value, each.value_size, value_free),
            "gradient": (each.grad, each.grad, each.low, each.high, each.grad_size, grad_free),
        }
        found = {}
        for what, bound in zip(WHAT, self.loss.bounds, strict=False):
            of = Numbers(*(np.reshape(c, (len(yhat), -1)) for c in columns[what]))
            of = of._replace(size=np.fmax(of.size, self.unit))
            found[what] = of, bound, known & ~np.isnan(of.exact).any(axis=1)
        return found

    def judged(
        self, y: Floats, yhat: Floats, got: Results, each: ExactResults, *, lenient: bool = False
    ) -> list[_Judged]:
        """The values and the gradients of an answer, one row a loss, with their errors."""
        due = self.due(y, yhat, each)
        return [self.compared(what, a, *due[what], lenient=lenient) for what, a in got.items()]

    def compared(
        self, what: str, got: Floats, due: Numbers, bound: float, known: Any, *, lenient: bool = False
    ) -> _Judged:
        """Judge the values or the gradients of an answer."""
        of = due._replace(got=got)
        return _Judged(what, of, *judged(of, bound, np.full(len(got), lenient), self.form), known)

    def verdicts(self, what: str, of: Numbers, rows: Any, columns: Any, yhat: Floats) -> Any:
        """The names for wrong numbers: an infinity or NaN is an overflow if the squares of the predictions overflow."""
        size = np.abs(flatten(yhat))
        huge = ((size >= 2.0 ** (self.form.top // 2 - 1)) & (size < inf)).any(axis=1)[rows]
        got, exact, size = (a[rows, columns] for a in (of.got, of.exact, of.size))
        return verdicts(what, np.where(huge, "F", "D"), got, exact, size, self.form)


# ---- asking ----------------------------------------------------------------------------------------------------------


class _Hunt:
    """Asks a candidate, and keeps the worst of its numbers."""

    def __init__(self, judge: _Judge, inputs: Inputs | None, over: Callable[[], bool]) -> None:
        self.judge, self.inputs, self.over = judge, inputs, over
        self.asked, self.loss, self.form = judge.asked, judge.loss, judge.form
        self.apart = self.loss.reduction != "none" or one_loss_a_call(self.loss)
        self.kinds: set[int] = set()  # dimensions of the targets that it takes, as in an interview
        self.hard_labels = False
        self.points = 0
        self.largest: dict[str, _Number] = {}
        self.wrong: dict[tuple[str, str], _Number] = {}
        self.failed: _Number | None = None  # the call with the fewest losses that has failed
        self.notes: dict[str, None] = {}
        self.differentiated = False

    # ---- what is asked ---------------------------------------------------------------------------------------------

    def search(self, seed: int, targets: str, points: int | None) -> None:
        """Ask the battery, and then search until the budget is spent."""
        by_class = isinstance(self.loss.domain.y, Classes)
        allowed = TARGET_KINDS[targets] if by_class else range(9)
        whole = [b for b in blocks(self.loss, self.form, seed) if b.y.ndim in allowed]
        usable = [b for b in map(self._usable, whole) if len(b.y)]
        ordinary = [b for b in usable if b.regime == "moderate"]
        if not self._takes(ordinary):
            return
        first = [b for b in usable if not by_class or b.y.ndim in self.kinds]
        if not self._is_answered([b for b in ordinary if not by_class or b.y.ndim in self.kinds]):
            return
        search(
            lambda rng: self.judge.single,
            self.measured,
            lambda loss, problem: [float(e.max(initial=0.0)) for e in self.measured(loss, problem)],
            seed=seed,
            points=points or inf,
            form=self.form,
            fixed=True,
            first=_joined(first),
            block=_APART if self.apart else 0 if points else BLOCK,
            wild=inf,
            stop=self.over,
        )

    def _usable(self, block: LossBlock) -> LossBlock:
        """The losses of a block that are not ignored, and have no NaN."""
        part = counted(self.loss, block.y) & ~np.isnan(flatten(block.yhat)).any(axis=1)
        return replace(block, y=block.y[part], yhat=block.yhat[part])

    def _takes(self, ordinary: Sequence[LossBlock]) -> bool:
        """Whether it answers ordinary calls; if not, the error is noted. Learns which targets it takes."""
        moved = []
        for block in ordinary:
            kept, y, yhat = self._within(block.y, block.yhat)
            moved += [replace(block, y=y, yhat=yhat)] if len(kept) else []
        run = Interview(self.asked, self.judge.target, 0.0, self.form, Comparison("", "", self.form.name, 0, []))
        self.kinds = run.kinds_of_targets(moved)
        self.hard_labels = run.hard_labels
        self.notes |= dict.fromkeys(run.found.notes)
        for question, answer in [] if self.kinds else run.refused[:1]:
            self._note_error(question.y, question.yhat, "crash", answer.fault)
        return bool(self.kinds)

    def _is_answered(self, ordinary: Sequence[LossBlock]) -> bool:
        """Whether any number is given at ordinary inputs. Fewer than half of its digits are another formula."""
        answered = False
        count = 1 if self.loss.reads_all_predictions else _ORDINARY
        for block in ordinary:
            _, y, yhat = self._within(block.y[:count], block.yhat[:count])
            some, got = self._each_alone(y, yhat) if self.apart else self._together(y, yhat)
            answered |= bool(got)
            if got:
                y, yhat = y[some], yhat[some]
                for found in self.judge.judged(y, yhat, got, self.judge.truth(y, yhat), lenient=True):
                    if (~found.right & found.known[:, None]).any():
                        self.notes[ANOTHER] = None
        return answered

    def _within(self, y: Floats, yhat: Floats) -> tuple[Any, Floats, Floats]:
        """Which of these losses the candidate takes, and their inputs, moved into its domain."""
        every = np.arange(len(yhat))
        if isinstance(self.loss.domain.y, Classes) and len(self.kinds) == 1:
            if y.ndim == 2 and 1 in self.kinds:
                y = np.argmax(y, axis=1).astype(np.float64)
            elif y.ndim == 1 and 2 in self.kinds:
                y = np.eye(yhat.shape[1])[y.astype(int)]
        y = np.rint(y) if self.hard_labels else y
        if self.inputs is None or not len(every):
            return every, y, yhat
        a, b = self.inputs(y, yhat, self.form.eps)
        if len(b) == len(yhat):
            return every, (y if np.array_equal(a, y) else self.form.round(a)), self.form.round(b)
        if len(yhat) == 1:
            return every[:0], y[:0], yhat[:0]
        middle = len(yhat) // 2
        left, right = self._within(y[:middle], yhat[:middle]), self._within(y[middle:], yhat[middle:])
        return (
            np.concatenate([left[0], right[0] + middle]),
            np.concatenate([left[1], right[1]]),
            np.concatenate([left[2], right[2]]),
        )

    # ---- calls -----------------------------------------------------------------------------------------------------

    def measured(self, loss: Loss, problem: Problem) -> list[Floats]:
        """The largest error of the values and of the gradients of each loss in ulps, wild ones left out."""
        y, yhat = stack(loss, *problem)
        errors = np.zeros((len(WHAT), len(yhat)))
        if self.over():
            return list(errors)
        kept, y, yhat = self._within(y, yhat)
        answered, got = self._each_alone(y, yhat) if self.apart else self._together(y, yhat)
        if len(answered):
            y, yhat = y[answered], yhat[answered]
            for found in self.judge.judged(y, yhat, got, self.judge.truth(y, yhat)):
                errors[WHAT.index(found.what), kept[answered]] = self._kept(found, y, yhat)
        return list(errors)

    def _together(self, y: Floats, yhat: Floats) -> tuple[Any, Results]:
        """The answers to losses in one call, and which of them are answered: if it raises, halves are asked."""
        n = len(yhat)
        none = np.arange(0)
        if not n:
            return none, {}
        count = max(_LEAST, 1 << (n - 1).bit_length())
        many = np.arange(count) % n
        answer = self._answer(y, yhat, many)
        if not answer.error:
            got = self._rows(answer, y, yhat, count)
            return (np.arange(n) if got else none), got
        if n == 1 or self.over() or (("value", "crash") in self.wrong and n <= BLOCK // 8):
            return none, {}
        middle = n // 2
        halves = [self._together(y[part], yhat[part]) for part in (slice(middle), slice(middle, n))]
        found = [(places + shift, got) for (places, got), shift in zip(halves, (0, middle), strict=True) if got]
        names = [what for what in WHAT if found and all(what in got for _, got in found)]
        if not names:
            return none, {}
        places = np.concatenate([places for places, _ in found])
        return places, {what: np.concatenate([got[what] for _, got in found]) for what in names}

    def _each_alone(self, y: Floats, yhat: Floats) -> tuple[Any, Results]:
        """The answers to losses in a call each, and which of them are answered."""
        rows: list[tuple[int, Results]] = []
        for i in range(len(yhat)):
            if self.over():
                break
            one = slice(i, i + 1)
            answer = self._answer(y[one], yhat[one], np.zeros(1, int))
            got = {} if answer.error else self._rows(answer, y[one], yhat[one], 1)
            if got and (not rows or set(got) == set(rows[0][1])):
                rows.append((i, got))
        names = rows[0][1] if rows else ()
        answered = np.array([i for i, _ in rows], int)
        return answered, {what: np.concatenate([got[what] for _, got in rows]) for what in names}

    def _answer(self, y: Floats, yhat: Floats, many: Any) -> Answer:
        """The answer to one call of losses, some repeated. What is wrong with the call as a whole is noted."""
        answer = self.asked.ask(*unstack(self.loss, y[many], yhat[many]))
        self.points += yhat.size
        if answer.error and not answer.error.startswith("GivenUp"):
            failed = _Number("value", "crash", y, yhat, 0, nan, inf, answer.fault)
            if len(y) == 1 and not np.isnan(self.judge.truth(y, yhat).value).any():
                self.wrong.setdefault(("value", "crash"), failed)
            elif len(y) > 1 and (self.failed is None or len(y) < len(self.failed.y)):
                self.failed = failed
        if answer.note:
            self.notes[answer.note] = None
        if answer.changed:
            self._note_error(y[:1], yhat[:1], CHANGES_INPUT, f"it changes the {answer.changed} that it is given")
        return answer

    def _rows(self, answer: Answer, y: Floats, yhat: Floats, count: int) -> Results:
        """The values and the gradients in the answer to a call of `count` losses, as far as they can be judged."""
        n, many = len(yhat), np.arange(count) % len(yhat)
        shape = unstack(self.loss, y[many], yhat[many])[1].shape
        got = {}
        if answer.value is not None and self._shaped(answer.value, shape, "value", y[many], yhat[many]):
            each = answer.value.size if self.loss.reads_all_predictions else 1
            got["value"] = answer.value.reshape(-1, each)[:n]
        if answer.grad is not None and self._shaped(answer.grad, shape, "gradient", y[many], yhat[many]):
            self.differentiated = True
            got["gradient"] = flatten(per_loss(self.loss, answer.grad))[:n]
        return got

    def _shaped(self, got: Floats, shape: tuple[int, ...], what: str, y: Floats, yhat: Floats) -> bool:
        """Whether numbers of this shape can be judged, where predictions have that shape. A wrong shape is noted."""
        due = shape
        if what == "value":
            alone = self.loss.reduction != "none"
            each = shape if self.loss.reads_all_predictions else self.loss.layout.bind(shape).value_shape
            due = () if alone else each
        if got.shape != due:
            told = f"its {what} has shape {got.shape}, not {due}"
            self._note_error(y, yhat, "other convention", told, what)
        return got.shape == due or got.size == 1 == prod(due)

    # ---- keeping the worst -----------------------------------------------------------------------------------------

    def _kept(self, found: _Judged, y: Floats, yhat: Floats) -> Floats:
        """The largest error of each loss without the wild ones. The worst numbers are kept."""
        what, numbers, right, ulps, _, known = found
        # Where half of the digits may be lost, as next to the subnormal numbers of a framework that has none, an error
        # that is right says nothing of the candidate.
        lost = right & (numbers.free > self.form.eps**0.5 * np.abs(numbers.exact))
        errors = np.where(known[:, None] & np.isfinite(ulps) & ~lost, ulps, 0.0)

        def example(i: int, j: int, kind: str) -> _Number:
            one = slice(i, i + 1)
            return _Number(what, kind, y[one].copy(), yhat[one].copy(), j, float(numbers.got[i, j]), float(ulps[i, j]))

        rows, columns = np.nonzero(known[:, None] & ~right)
        kinds = self.judge.verdicts(what, numbers, rows, columns, yhat)
        for kind in np.unique(kinds):
            own = np.flatnonzero(kinds == kind)
            k = own[int(np.argmax(ulps[rows[own], columns[own]]))]
            new = example(int(rows[k]), int(columns[k]), VERDICTS[kind])
            if new.beats(self.wrong.get((what, new.verdict))):
                self.wrong[what, new.verdict] = new
        wild = kinds != VERDICTS.index(INACCURATE)
        errors[rows[wild], columns[wild]] = 0.0
        if errors.size:
            i, j = np.unravel_index(int(np.argmax(errors)), errors.shape)
            if known[i]:
                new = example(int(i), int(j), "right" if right[i, j] else INACCURATE)
                if new.beats(self.largest.get(what)) and isfinite(new.ulp):
                    self.largest[what] = new
        return np.asarray(errors.max(axis=1, initial=0.0))

    def _note_error(self, y: Floats, yhat: Floats, kind: str, error: str, what: str = "value") -> None:
        """Keep the first error of a kind."""
        self.wrong.setdefault((what, kind), _Number(what, kind, y.copy(), yhat.copy(), 0, nan, inf, error))

    # ---- the report ------------------------------------------------------------------------------------------------

    def report(self, found: WorstNumbers) -> None:
        """Judge the worst numbers again, against certified ones, and write them down."""
        if self.failed is not None and ("value", "crash") not in self.wrong:
            self.wrong["value", "crash"] = self.failed
        errors = {what: self._certified(n, found.interrupted) for what, n in self.largest.items()}
        found.value, found.gradient = errors.get("value"), errors.get("gradient")
        wrong = [*errors.values(), *(self._certified(n, found.interrupted) for n in self.wrong.values())]
        worst: dict[tuple[str, str], WorstNumber] = {}
        for e in wrong:
            if e.verdict != "right" and ((e.what, e.verdict) not in worst or e.ulp > worst[e.what, e.verdict].ulp):
                worst[e.what, e.verdict] = e
        found.wrong = sorted(worst.values(), key=lambda e: (WHAT.index(e.what), VERDICTS.index(e.verdict)))
        found.points = self.points
        found.notes += self.notes
        if self.points and not self.differentiated:
            why = self.asked.why_no_gradient or "it returns none: return (value, gradient), or pass grad= or framework="
            found.notes.append(f"Value only: no gradient was asked, because {why}.")
        if self.asked.given_up:
            found.notes.append("the rest was not asked: given up after crashes or calls that took too long")
        if not available():
            found.notes.append(UNPROVED)

    def _certified(self, n: _Number, interrupted: bool) -> WorstNumber:
        """A kept number, judged against a certified one.

        The loss is asked once more, alone and repeated: the line in the report must show the number.
        """
        y, yhat = unstack(self.loss, n.y, n.yhat)
        if n.error:
            count = f", in a call of {len(n.y)} losses" if len(n.y) > 1 else ""
            return WorstNumber(n.what, n.verdict, y, yhat, self.form.name, error=n.error + count)
        each = exact(self.judge.each, n.y, n.yhat)
        proved = available() and bool(each.known.all())
        if not each.known.all():
            each = self.judge.truth(n.y, n.yhat)
        due = self.judge.due(n.y, n.yhat, each)[n.what]
        got = due[0].got.copy()
        got[0, n.place] = n.got
        kept = self._told(n, self.judge.compared(n.what, got, *due), y, yhat, proved)
        best: WorstNumber | None = None
        for times in () if interrupted or self.asked.given_up else (1,) if self.apart else (1, _REPEATED):
            many = np.zeros(times, int)
            arrays = unstack(self.loss, n.y[many], n.yhat[many])
            answer = self.asked.ask(*arrays)
            rows = {} if answer.error else self._rows(answer, n.y, n.yhat, times)
            if n.what in rows:
                e = self._told(n, self.judge.compared(n.what, rows[n.what], *due), *arrays, proved)
                if is_wild(e.verdict) == is_wild(n.verdict) and (best is None or e.ulp > best.ulp):
                    best = e
        if best is None or best.ulp < kept.ulp:
            return replace(kept, remark="" if best is None else ONCE if self.apart else BESIDE_OTHERS)
        return best

    def _told(self, n: _Number, found: _Judged, y: Any, yhat: Floats, proved: bool) -> WorstNumber:
        """One number of an answer to a call, in the words of the report."""
        of, place = found.numbers, (0, n.place)
        kind = "right"
        if not found.right[place]:
            rows, columns = (np.array([i]) for i in place)
            kind = VERDICTS[self.judge.verdicts(n.what, of, rows, columns, n.yhat)[0]]
        got, due, ulp, slack = (float(a[place]) for a in (of.got, of.exact, found.ulps, found.slack))
        allowed = slack / float(self.form.spacing(of.size[place]))
        index = self._index(np.shape(yhat), n.place, n.what)
        return WorstNumber(n.what, kind, y, yhat, self.form.name, index, got, due, ulp, allowed, slack, proved)

    def _index(self, shape: tuple[int, ...], place: int, what: str) -> tuple[int, ...]:
        """The index of a number of the first loss in the value or the gradient of a call."""
        if what == "value" and self.loss.reduction != "none":
            return ()
        if self.loss.reads_all_predictions:
            return tuple(map(int, np.unravel_index(place, shape)))
        if what == "value":
            return (0,) * len(self.loss.layout.bind(shape).value_shape)
        places = flatten(per_loss(self.loss, np.arange(prod(shape)).reshape(shape)))
        return tuple(map(int, np.unravel_index(places[0, place], shape)))


def _joined(found: Sequence[LossBlock]) -> list[Stacked]:
    """The losses of several blocks, those of one shape together."""
    groups: dict[Any, list[LossBlock]] = {}
    for block in found:
        groups.setdefault((block.y.shape[1:], block.yhat.shape[1:]), []).append(block)
    return [(np.concatenate([b.y for b in g]), np.concatenate([b.yhat for b in g])) for g in groups.values()]
