"""The largest errors of a loss that somebody else wrote, found by a search over the numbers of a format.

`hunt` asks a candidate the inputs of the battery and random ones, and climbs from the worst of them, as our own losses
are searched (`worst_inputs.py`). Errors are measured against our own results. For float64 these are computed in a wider
format, as their errors would count. What is reported is judged a second time, against certified numbers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite, nan, prod
from typing import Any, NamedTuple

import numpy as np

from reflosses.comparison.battery import TARGET_KINDS, Inputs, LossBlock, blocks, normal
from reflosses.comparison.candidate import Answer, Candidate
from reflosses.comparison.expected import ExactResults, Scaled, counted, exact, parts, reduced
from reflosses.comparison.formats import FORMATS, Format
from reflosses.comparison.interview import UNPROVED, Interview
from reflosses.comparison.options import checked_options
from reflosses.comparison.plan import in_process
from reflosses.comparison.result import Comparison, Deviation, numbers, plain
from reflosses.comparison.verdict import CHANGES_INPUT, VERDICTS, Numbers, judged, unavoidable, verdicts
from reflosses.comparison.worst_inputs import BLOCK, DOUBLE, Stacked, search
from reflosses.evaluation.call import Call
from reflosses.evaluation.domain import POSITIVE, Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import number, whole
from reflosses.evaluation.stack import flatten, one_loss_a_call, per_loss, stack, unstack
from reflosses.truth.arithmetic import available
from reflosses.truth.sampling import Problem
from reflosses.truth.wide import wide_results

WHAT = ("value", "gradient")
INACCURATE = "inaccurate"
ANOTHER = "At ordinary inputs it is another formula: reflosses.check says which."
BESIDE_OTHERS = "seen in a call of many losses, not in a call of this loss alone"

_APART = 64  # predictions that are measured at a time, where each loss takes a call
_LEAST = 64  # losses of a call: calls of few sizes, as JAX compiles each size
_REPEATED = 32  # a loss is repeated so often to show what vector instructions make of it
_LARGE = 16  # predictions of a loss: with fewer, an error that is 2 % smaller is the better example
_ORDINARY = 8  # ordinary losses that are asked first

Tick = Callable[[int, int], None]  # told of progress: the part that is done, and the whole


@dataclass(frozen=True, eq=False)
class WorstNumber:
    """A wrong number, or the right number with the largest error, and the call that shows it.

    what: "value" or "gradient". verdict: "right", or what is wrong, in the words of `check`. ulp: its error in units in
    the last place of the dtype; infinite for an infinity or NaN. allowed: the largest error that is right, in the same
    unit; slack: the same as a difference. index: the place of the number in the result. certified: whether `exact` is
    proved. error: what the call raised. remark: anything else that a reader must know.
    """

    what: str
    verdict: str
    y: Any = field(repr=False)
    yhat: Any = field(repr=False)
    dtype: str
    index: tuple[int, ...] = ()
    got: float = nan
    exact: float = nan
    ulp: float = inf
    allowed: float = 0.0
    slack: float = 0.0
    certified: bool = False
    error: str = ""
    remark: str = ""

    @property
    def line(self) -> str:
        """The input as a line to paste, in the dtype of the candidate."""
        own = "" if self.dtype == "float64" else f', "{self.dtype}"'
        dtypes = ("" if np.asarray(a).dtype.kind in "iu" else own for a in (self.y, self.yhat))
        arrays = (f"np.array({numbers(a)}{d})" for a, d in zip((self.y, self.yhat), dtypes, strict=True))
        return f"y, yhat = {', '.join(arrays)}"

    @property
    def deviation(self) -> Deviation:
        """The same as a deviation of `check`, whose code to paste a framework can write."""
        of = "D", "the worst input", self.what, self.verdict, self.y, self.yhat
        return Deviation(
            *of, index=self.index, got=self.got, exact=self.exact, ulps=self.ulp, slack=self.slack, error=self.error
        )

    def __str__(self) -> str:
        if self.error:
            return f"{self.verdict}: {self.error}"
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        off = f"{_ulps(self.ulp)} ulp off, {_ulps(self.allowed)} allowed" if isfinite(self.ulp) else self.verdict
        kind = f", {self.verdict}" if isfinite(self.ulp) and self.verdict not in ("right", INACCURATE) else ""
        remark = f" ({self.remark})" if self.remark else ""
        return f"{self.what}{place} is {self.got + 0.0:.17g}, exactly {self.exact + 0.0:.17g}: {off}{kind}{remark}"


def _ulps(x: float) -> str:
    return f"{x:.4g}".replace("e+0", "e").replace("e+", "e")


@dataclass
class LargestErrors:
    """What `hunt` found.

    value, gradient: the largest error of a number that is finite, not 0 by mistake, and not NaN; None if nothing was
    measured. wrong: each verdict about a wrong value or gradient once, with its worst example. points: the predictions
    that were asked. `ok` is true if points were asked and no number was wrong.
    """

    name: str
    loss: str
    dtype: str
    seed: int
    value: WorstNumber | None = None
    gradient: WorstNumber | None = None
    wrong: list[WorstNumber] = field(default_factory=list)
    points: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether points were asked, and every number was right."""
        return self.points > 0 and not self.wrong

    def largest(self, what: str) -> WorstNumber | None:
        """The largest finite error of the "value" or the "gradient", spurious zeros and the like included."""
        found = [self.value if what == "value" else self.gradient, *(e for e in self.wrong if e.what == what)]
        finite = [e for e in found if e is not None and isfinite(e.ulp)]
        return max(finite, key=lambda e: e.ulp, default=None)

    def headline(self) -> str:
        """The candidate, the loss, and whether a wrong number was found."""
        said = "no wrong number found" if self.ok else "wrong numbers found" if self.points else "nothing was answered"
        return f"{self.name} against {self.loss} in {self.dtype}: {said}"

    def effort(self) -> str:
        """What was asked, and how to ask it again."""
        stopped = ", interrupted" if self.interrupted else ""
        return f"Asked: {self.points:,} predictions in {self.seconds:.1f} s, seed {self.seed}{stopped}."

    def shown(self) -> Iterator[tuple[str, WorstNumber]]:
        """Every error once, with its title."""
        for what, e in zip(WHAT, (self.value, self.gradient), strict=True):
            if e is not None:
                yield f"Largest error of the {what}", e
        yield from (("Wrong", e) for e in self.wrong if e not in (self.value, self.gradient))

    def __str__(self) -> str:
        out = [self.headline()]
        for head, e in self.shown():
            out += [f"{head}: {e}", f"    {e.line}"]
        return "\n".join([*out, *self.notes, self.effort()])

    def to_markdown(self) -> str:
        """The errors as a list, and the inputs as lines to paste."""
        out = [f"### {self.headline()}", ""]
        for head, e in self.shown():
            out += [f"- {head}: {e}", "", "  ```python", f"  {e.line}", "  ```", ""]
        return "\n".join([*out, *(f"- {note}" for note in self.notes), "", self.effort()]) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON has it; infinities and NaN are the strings "inf", "-inf" and "nan"."""

        def told(e: WorstNumber | None) -> Any:
            return None if e is None else {**vars(e), "line": e.line, "text": str(e)}

        errors = {"value": told(self.value), "gradient": told(self.gradient), "wrong": [told(e) for e in self.wrong]}
        found: dict[str, Any] = plain({**vars(self), **errors, "ok": self.ok})
        return found

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


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
) -> LargestErrors:
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
    asked, note = candidate, ""
    if not isinstance(asked, Candidate):
        asked, note = in_process(
            asked, base, form, seed=seed, targets=targets, grad=grad, framework=framework, order=order, returns=returns
        )
    shown = name or getattr(candidate, "__qualname__", "") or repr(candidate)
    found = LargestErrors(shown, str(loss), dtype, seed, notes=[note] if note else [])

    def over() -> bool:
        spent = time.perf_counter() - start
        tick(*((run.points, most) if most else (int(1000 * min(1.0, spent / budget)), 1000)))
        return asked.given_up or (most is None and spent >= budget)

    run = _Hunt(asked, loss, form, unit, inputs, over)
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


class _Judged(NamedTuple):
    """The values or gradients of some losses, one row a loss: which are right, and which are known exactly."""

    what: str
    numbers: Numbers
    right: Any
    ulps: Floats
    slack: Floats
    known: Any


class _Hunt:
    """Asks a candidate, judges its numbers, and keeps the worst."""

    def __init__(
        self,
        asked: Candidate,
        target: Loss | Scaled,
        form: Format,
        unit: float,
        inputs: Inputs | None,
        over: Callable[[], bool],
    ) -> None:
        self.asked, self.target, self.form, self.unit, self.inputs, self.over = asked, target, form, unit, inputs, over
        self.factor, self.loss = parts(target)
        self.single = self.loss if self.loss.reads_all_predictions else replace(self.loss, reduction="none")
        self.apart = self.loss.reduction != "none" or one_loss_a_call(self.loss)
        self.kinds: set[int] = set()  # dimensions of the targets that it takes, as in an interview
        self.hard_labels = False
        self.points = 0
        self.largest: dict[str, _Number] = {}
        self.wrong: dict[tuple[str, str], _Number] = {}
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
        self._compare_formulas([b for b in ordinary if not by_class or b.y.ndim in self.kinds])
        search(
            lambda rng: self.single,
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
        run = Interview(self.asked, self.target, self.unit, self.form, Comparison("", "", self.form.name, 0, []))
        self.kinds = run.kinds_of_targets(moved)
        self.hard_labels = run.hard_labels
        self.notes |= dict.fromkeys(run.found.notes)
        if not self.kinds:
            for block in moved[:1]:
                answer = self.asked.ask(*unstack(self.loss, block.y[:1], block.yhat[:1]))
                self._note_error(block.y[:1], block.yhat[:1], "crash", answer.fault or "it raises at ordinary inputs")
        return bool(self.kinds)

    def _compare_formulas(self, ordinary: Sequence[LossBlock]) -> None:
        """Note it if fewer than half of the digits are right at ordinary inputs."""
        for block in ordinary:
            for i in range(min(_ORDINARY, len(block.y))):
                _, y, yhat = self._within(block.y[i : i + 1], block.yhat[i : i + 1])
                if not len(y):
                    continue
                answer = self.asked.ask(*unstack(self.loss, y, yhat))
                each = exact(self.target, y, yhat, proved=False)
                judgements = [] if answer.error else self._judged(y, yhat, answer, each, lenient=True)
                if any((~j.right & j.known[:, None]).any() for j in judgements):
                    self.notes[ANOTHER] = None
                    return

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

    # ---- asking ----------------------------------------------------------------------------------------------------

    def measured(self, loss: Loss, problem: Problem) -> list[Floats]:
        """The largest error of the values and of the gradients of each loss in ulps, wild ones left out."""
        y, yhat = stack(loss, *problem)
        kept, a, b = self._within(y, yhat)
        errors = np.zeros((len(WHAT), len(yhat)))
        for some in np.split(np.arange(len(kept)), len(kept)) if self.apart and len(kept) else [np.arange(len(kept))]:
            if self.apart and self.over():
                break
            self._ask(a[some], b[some], kept[some], errors)
        return list(errors)

    def _ask(self, y: Floats, yhat: Floats, places: Any, errors: Floats) -> None:
        """Ask some losses in one call, and note their errors at their places. If it raises, ask halves of them."""
        n = len(yhat)
        if not n:
            return
        many = np.arange(n) if self.apart else np.arange(max(_LEAST, 1 << (n - 1).bit_length())) % n
        answer = self.asked.ask(*unstack(self.loss, y[many], yhat[many]))
        self.points += yhat.size
        if answer.error and n > 1 and (("value", "crash") not in self.wrong or n > BLOCK // 8):
            for half in (slice(0, n // 2), slice(n // 2, n)):
                if not self.over():
                    self._ask(y[half], yhat[half], places[half], errors)
            return
        each = self._truth(y, yhat)
        if answer.error:
            if n == 1 and not np.isnan(each.value).any():
                self._note_error(y, yhat, "crash", answer.fault)
            return
        if answer.note:
            self.notes[answer.note] = None
        if answer.changed:
            self._note_error(y[:1], yhat[:1], CHANGES_INPUT, f"it changes the {answer.changed} that it is given")
        for judgement in self._judged(y, yhat, answer, each, calls=len(many)):
            errors[WHAT.index(judgement.what), places] = self._kept(judgement, y, yhat)

    def _truth(self, y: Floats, yhat: Floats) -> ExactResults:
        """Our own results; for float64 those of a wider evaluation where there is one."""
        each = exact(self.target, y, yhat, proved=False)
        if self.form != DOUBLE or self.loss.reads_all_predictions or not counted(self.loss, y).all():
            return each
        wide = wide_results(self.single, Call(self.single, *unstack(self.single, y, yhat)).units())
        value = self.factor * wide[0].astype(np.float64).reshape(each.value.shape)
        grad = self.factor * wide[1].astype(np.float64).reshape(each.grad.shape)
        value = np.where(np.isfinite(value) & np.isfinite(each.value), value, each.value)
        smooth = np.isfinite(grad) & np.isfinite(each.grad) & (each.low == each.high)
        grad, low, high = (np.where(smooth, grad, a) for a in (each.grad, each.low, each.high))
        return replace(each, value=value, grad=grad, low=low, high=high)

    def _judged(
        self, y: Floats, yhat: Floats, answer: Answer, each: ExactResults, *, calls: int = 0, lenient: bool = False
    ) -> list[_Judged]:
        """The values and the gradients of an answer, judged. calls: the losses of the call, if they are repeated."""
        n = len(yhat)
        many = np.arange(calls or n) % n
        shape = unstack(self.loss, y[many], yhat[many])[1].shape
        found = []
        for what, (due, bound, known) in self._due(y, yhat, each).items():
            result = getattr(answer, "value" if what == "value" else "grad")
            if result is None or not self._shaped(result, shape, what, y, yhat):
                continue
            if what == "gradient":
                self.differentiated = True
                got = flatten(per_loss(self.loss, result))[:n]
            else:
                got = result.reshape(-1, due.got.shape[1])[:n]
            found.append(self._compared(what, due._replace(got=got), bound, known, lenient))
        return found

    def _compared(self, what: str, of: Numbers, bound: float, known: Any, lenient: bool = False) -> _Judged:
        return _Judged(what, of, *judged(of, bound, np.full(len(of.got), lenient), self.form), known)

    def _due(self, y: Floats, yhat: Floats, each: ExactResults) -> dict[str, tuple[Numbers, float, Any]]:
        """The right values and gradients in place of an answer, their bounds, and which of them are known."""
        truth, total = reduced(self.loss, y, each, None)
        free = unavoidable(self.target, y, yhat, truth, self.form, self.asked.subnormals)
        known = each.known & ~np.isnan(flatten(each.value)).any(axis=1)
        if not self.asked.subnormals:
            known &= normal(self.form, y, yhat)
        value_free = free[0].sum() + 3 * self.form.eps * total if truth.value.ndim == 0 else free[0]
        columns = {
            "value": (truth.value, truth.value, truth.value, truth.value, truth.value_size, value_free),
            "gradient": (truth.grad, truth.grad, truth.low, truth.high, truth.grad_size, free[1]),
        }
        found = {}
        for what, bound in zip(WHAT, self.loss.bounds, strict=False):
            of = Numbers(*(np.reshape(c, (len(yhat), -1)) for c in columns[what]))
            of = of._replace(size=np.fmax(of.size, self.unit))
            found[what] = of, bound, known & ~np.isnan(of.exact).any(axis=1)
        return found

    def _shaped(self, got: Floats, shape: tuple[int, ...], what: str, y: Floats, yhat: Floats) -> bool:
        """Whether numbers of this shape can be judged, where predictions have that shape. A wrong shape is noted."""
        due = shape
        if what == "value":
            alone = self.loss.reduction != "none"
            each = shape if self.loss.reads_all_predictions else self.loss.layout.bind(shape).value_shape
            due = () if alone else each
        if got.shape != due:
            told = f"its {what} has shape {got.shape}, not {due}"
            self._note_error(y[:1], yhat[:1], "other convention", told, what)
        return got.shape == due or got.size == 1 == prod(due)

    # ---- keeping the worst -----------------------------------------------------------------------------------------

    def _kept(self, found: _Judged, y: Floats, yhat: Floats) -> Floats:
        """The largest error of each loss without the wild ones. The worst numbers are kept."""
        what, numbers, right, ulps, _, known = found
        lost = right & (numbers.free > np.abs(numbers.exact))  # such as a subnormal number, where there are none
        errors = np.where(known[:, None] & np.isfinite(ulps) & ~lost, ulps, 0.0)

        def example(i: int, j: int, kind: str) -> _Number:
            one = slice(i, i + 1)
            return _Number(what, kind, y[one].copy(), yhat[one].copy(), j, float(numbers.got[i, j]), float(ulps[i, j]))

        rows, columns = np.nonzero(known[:, None] & ~right)
        kinds = self._verdicts(what, numbers, rows, columns, yhat)
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

    def _verdicts(self, what: str, numbers: Numbers, rows: Any, columns: Any, yhat: Floats) -> Any:
        """The names for wrong numbers: an infinity or NaN is an overflow if the squares of the predictions overflow."""
        size = np.abs(flatten(yhat))
        huge = ((size >= 2.0 ** (self.form.top // 2 - 1)) & (size < inf)).any(axis=1)[rows]
        got, exact, size = (a[rows, columns] for a in (numbers.got, numbers.exact, numbers.size))
        return verdicts(what, np.where(huge, "F", "D"), got, exact, size, self.form)

    def _note_error(self, y: Floats, yhat: Floats, kind: str, error: str, what: str = "value") -> None:
        """Keep the first error of a kind."""
        self.wrong.setdefault((what, kind), _Number(what, kind, y.copy(), yhat.copy(), 0, nan, inf, error))

    # ---- the report ------------------------------------------------------------------------------------------------

    def report(self, found: LargestErrors) -> None:
        """Judge the worst numbers again, against certified ones, and write them down."""
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
            return WorstNumber(n.what, n.verdict, y, yhat, self.form.name, error=n.error)
        each = exact(self.target, n.y, n.yhat)
        proved = available() and bool(each.known.all())
        if not each.known.all():
            each = self._truth(n.y, n.yhat)
        due, bound, known = self._due(n.y, n.yhat, each)[n.what]
        got = due.got.copy()
        got[0, n.place] = n.got
        kept = self._told(n, self._compared(n.what, due._replace(got=got), bound, known), y, yhat, proved)
        best: WorstNumber | None = None
        for times in () if interrupted or self.asked.given_up else (1,) if self.apart else (1, _REPEATED):
            many = np.zeros(times, int)
            arrays = unstack(self.loss, n.y[many], n.yhat[many])
            answer = self.asked.ask(*arrays)
            for j in [] if answer.error else self._judged(n.y, n.yhat, answer, each, calls=times):
                e = self._told(n, j, *arrays, proved) if j.what == n.what else None
                best = e if e is not None and (best is None or e.ulp > best.ulp) else best
        if best is None or best.ulp < kept.ulp:
            return replace(kept, remark="" if best is None else BESIDE_OTHERS)
        return best

    def _told(self, n: _Number, found: _Judged, y: Any, yhat: Floats, proved: bool) -> WorstNumber:
        """One number of an answer to a call, in the words of the report."""
        of, place = found.numbers, (0, n.place)
        kind = "right"
        if not found.right[place]:
            rows, columns = (np.array([i]) for i in place)
            kind = VERDICTS[self._verdicts(n.what, of, rows, columns, n.yhat)[0]]
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
