"""One candidate is asked about one loss: every call of the battery, and a judgement of each answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2, prod
from typing import Any

import numpy as np

from reflosses.comparison.battery import REGIMES, LossBlock, WholeCall, normal
from reflosses.comparison.candidate import Answer, Candidate
from reflosses.comparison.expected import ExactResults, Scaled, counted, exact, parts, reduced
from reflosses.comparison.formats import Format
from reflosses.comparison.result import Comparison, Deviation
from reflosses.comparison.verdict import LENIENT, VERDICTS, Numbers, judged, unavoidable, verdict
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import align, flatten, one_loss_a_call, per_loss, unstack

CAPPED = ("B", "F")  # regimes of large losses; elsewhere different losses may round to one number
KINDS = {1: "class indices", 2: "rows of class probabilities"}


@dataclass(frozen=True)
class _Question:
    """One call: stacked losses, each with its regime and name, and the arrays that are handed over.

    period: a whole call repeats its losses after so many; only the first period's gradients are judged.
    optional: a candidate that raises does not take such arrays, and is not wrong.
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


class Interview:
    """One candidate against one loss."""

    def __init__(self, asked: Candidate, target: Loss | Scaled, unit: float, form: Format, found: Comparison) -> None:
        self.asked, self.target, self.unit, self.form, self.found = asked, target, unit, form, found
        self.factor, self.loss = parts(target)
        self.deviations: list[Deviation] = []
        self.differentiated = False  # whether any answer had a gradient
        self.one_a_call = self.loss.reduction != "none" or one_loss_a_call(self.loss)

    def kinds_of_targets(self, moderate: list[LossBlock]) -> set[int]:
        """The dimensions of the targets that the candidate takes: 1 for class indices, 2 for rows of probabilities."""
        kinds, errors = set(), []
        few = slice(0, 1 if self.one_a_call else 3)
        for block in moderate:
            question = self._question([block], block.y[few], block.yhat[few])
            answer = self.asked.ask(*question.arrays)
            if answer.error:
                errors.append((question, answer.error))
            else:
                kinds.add(block.y.ndim)
        if kinds:
            self.found.notes += [f"{KINDS[q.y.ndim]} were not asked: it raises {e}" for q, e in errors]
        else:
            for question, error in errors[:1]:
                self._count("moderate", "value")
                self._note(question, 0, "value", "crash", error=f"raises {error}")
        return kinds

    # ---- asking ----------------------------------------------------------------------------------------------------

    def grouped(self, chosen: list[LossBlock]) -> list[list[LossBlock]]:
        """The blocks of each call. Blocks of one shape share a call, unless the candidate reduces."""
        if not self.asked.subnormals:
            keep = [normal(self.form, b.y, b.yhat) for b in chosen]
            chosen = [replace(b, y=b.y[k], yhat=b.yhat[k]) for b, k in zip(chosen, keep, strict=True)]
        groups: dict[Any, list[LossBlock]] = {}
        for k, block in enumerate(b for b in chosen if len(b.y)):
            groups.setdefault(k if self.one_a_call else (block.y.shape[1:], block.yhat.shape[1:]), []).append(block)
        return list(groups.values())

    def ask_blocks(self, group: list[LossBlock]) -> None:
        """Ask losses that stand alone: in one call, or one by one."""
        if not self.one_a_call:
            y, yhat = np.concatenate([b.y for b in group]), np.concatenate([b.yhat for b in group])
            if self._ask(self._question(group, y, yhat), exact(self.target, y, yhat)):
                return
        for block in group:
            truth = exact(self.target, block.y, block.yhat)
            for i in range(len(block.y)):
                one = slice(i, i + 1)
                self._ask(self._question([block], block.y[one], block.yhat[one]), truth.at(one))

    def ask_call(self, call: WholeCall) -> None:
        """Ask one call, and judge it as a whole."""
        y, yhat = call.y, call.yhat
        if call.refuse:
            self._ask_to_refuse(replace(self._question([call], y, yhat, call.weight), period=len(y)))
            return
        part = counted(self.loss, y)
        safe = np.where(align(part, y), y, 0.0), np.where(align(part, yhat), yhat, 0.0)
        each = exact(self.target, *safe, call.slopes)
        many = np.tile(np.arange(len(y)), call.times)
        question = self._question([call], y[many], yhat[many], call.weight, call.upstream)
        if call.shape is not None:
            a, b = (array.reshape(call.shape) for array in question.arrays)
            question = replace(question, arrays=(a, b), optional=True)
        self._ask(replace(question, period=len(y) if call.slopes else 0), each.at(many))

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

    def _ask(self, question: _Question, each: ExactResults) -> bool:
        """Ask one call. False: it raises and has several losses, which must be asked one by one."""
        if self.asked.given_up:
            return True
        if not each.known.all() and self.one_a_call:
            self.found.undecided += 1
            return True
        self.found.undecided += int((~each.known).sum())
        answer = self.asked.ask(*question.arrays, question.weight, question.upstream)
        self.differentiated |= answer.grad is not None
        if answer.note and answer.note not in self.found.notes:
            self.found.notes.append(answer.note)
        truth, total = reduced(self.loss, question.y, each, question.weight)
        if answer.error and question.optional:
            shape = question.arrays[1].shape
            self.found.notes.append(f"arrays of shape {shape} were not asked: it raises {answer.error}")
            return True
        if answer.error:
            if len(question.y) > 1 and not self.one_a_call and question.period is None:
                return False
            self._count(question.regimes[0], "value")
            # An error is a right answer to an empty batch, and to NaN.
            if len(question.y) and not (np.isnan(truth.value).any() or np.isnan(question.yhat).any()):
                self._note(question, 0, "value", "crash", error=f"raises {answer.error}")
            return True
        if question.upstream is not None:
            times = align(question.upstream, truth.grad)
            low, high = np.sort([truth.low * times, truth.high * times], axis=0)
            sizes = truth.grad_size * np.abs(times)
            truth = replace(truth, grad=truth.grad * times, low=low, high=high, grad_size=sizes)
        self._judge(question, answer, truth, (log2(len(question.y) + 1) + 2) * self.form.eps * total)
        return True

    # ---- judging ---------------------------------------------------------------------------------------------------

    def _judge(self, question: _Question, answer: Answer, truth: ExactResults, of_a_sum: float) -> None:
        """Every number of an answer."""
        b = question.arrays[1]
        n, whole = len(question.y), truth.value.ndim == 0
        each = b.shape if self.loss.reads_all_predictions else self.loss.layout.bind(b.shape).value_shape
        only_slope = answer.value is None and answer.grad is not None
        if not only_slope and not self._shaped(question, "value", answer.value, () if whole else each):
            return
        free = unavoidable(self.target, question.y, question.yhat, truth, self.form, self.asked.subnormals)
        value_free = free[0].sum() + of_a_sum if whole else free[0]
        got = truth.value if answer.value is None else answer.value
        columns = (got, truth.value, truth.value, truth.value, truth.value_size, value_free)
        rows = (1, 1) if whole else (n, truth.value.size // max(1, n))
        numbers = Numbers(*(np.reshape(c, rows) for c in columns))
        if not only_slope:
            self._compare(question, "value", numbers, self.loss.bounds.value, truth.known)
        if answer.grad is None or not self._shaped(question, "gradient", answer.grad, b.shape) or not n:
            return
        apart = per_loss(self.loss, answer.grad)
        lost = np.isnan(numbers.exact).any(axis=1)  # if the value is NaN, the slope may be anything
        columns = (apart, truth.grad, truth.low, truth.high, truth.grad_size, free[1])
        once = slice(0, question.period)
        numbers = Numbers(*(flatten(c)[once] for c in columns))
        self._compare(question, "gradient", numbers, self.loss.bounds.grad, (truth.known & ~lost)[once])

    def _shaped(self, question: _Question, what: str, got: Floats | None, shape: tuple[int, ...]) -> bool:
        if got is not None and got.shape == shape:
            return True
        self._count(question.regimes[0], what)
        error = "is missing" if got is None else f"has shape {got.shape}, not {shape}"
        self._note(question, 0, what, "other convention", error=error, shape=shape)
        return False

    def _compare(self, question: _Question, what: str, numbers: Numbers, bound: float, known: Any) -> None:
        """Count the right numbers; of the wrong ones, note the first of each loss and verdict."""
        numbers = numbers._replace(size=np.fmax(numbers.size, self.unit))
        regimes = question.regimes[: len(numbers.got)]
        right, ulps, slack = judged(numbers, bound, np.isin(regimes, LENIENT), self.form)
        known = known if len(known) == len(right) else np.full(len(right), known.all())
        for regime in dict.fromkeys(regimes):
            here = known & (regimes == regime)
            worst = ulps[here][right[here]].max(initial=0.0)
            self._count(str(regime), what, int(right[here].size), float(worst))
        for i in np.flatnonzero(known & ~right.all(axis=1)):
            seen = set()
            for j in np.flatnonzero(~right[i]):
                got, truth = float(numbers.got[i, j]), float(numbers.exact[i, j])
                kind = verdict(what, str(regimes[i]), got, truth, float(numbers.size[i, j]), self.form)
                if kind not in seen:
                    seen.add(kind)
                    found = {"got": got, "exact": truth, "ulps": float(ulps[i, j]), "slack": float(slack[i, j])}
                    self._note(question, int(i), what, kind, number=int(j), **found)

    # ---- noting ----------------------------------------------------------------------------------------------------

    def _count(self, regime: str, what: str, points: int = 1, worst: float = 0.0) -> None:
        column = getattr(self.found.row(regime), what)
        column.points += points
        column.worst = max(column.worst, worst)

    def _note(self, question: _Question, i: int, what: str, kind: str, *, number: int = 0, **more: Any) -> None:
        """Note a deviation of loss i, as a call of its own unless the candidate reduces."""
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
            return () if what == "value" and self.loss.reduction != "none" else (number,)
        layout = self.loss.layout.bind(shape)
        if what == "value":
            if self.loss.reduction != "none" or not layout.value_shape:
                return ()
            return tuple(map(int, np.unravel_index(i, layout.value_shape)))
        places = flatten(per_loss(self.loss, np.arange(prod(shape)).reshape(shape)))
        return tuple(map(int, np.unravel_index(places[i, number], shape))) if shape else ()

    def finish(self) -> None:
        """Name caps, count the deviations, and keep one of each kind."""
        self.deviations = _with_caps(self.deviations)
        found = self.found
        groups: dict[tuple[str, str, str], list[Deviation]] = {}
        for d in self.deviations:
            groups.setdefault((d.regime, d.what, d.verdict), []).append(d)
            wrong = getattr(found.row(d.regime), d.what).wrong
            wrong[d.verdict] = wrong.get(d.verdict, 0) + 1
        order = list(REGIMES)
        found.worst = sorted(
            (min(ds, key=_length) for ds in groups.values()),
            key=lambda d: (VERDICTS.index(d.verdict), order.index(d.regime), d.what != "value"),
        )
        found.rows = [r for r in found.rows if r.value.points or r.gradient.points]
        found.rows.sort(key=lambda r: order.index(r.regime))
        values = sum(r.value.points for r in found.rows)
        if values > 1 and not self.differentiated:
            without = "its value cannot be differentiated" if self.asked.differentiates else "no autodiff is at hand"
            found.notes.append(f"no gradient was asked: the candidate returns none, and {without}")
        if self.asked.given_up:
            found.notes.append("the rest was not asked: given up after crashes or calls that took too long")
        if found.undecided:
            found.notes.append(f"{found.undecided} losses were not asked: no certified result exists there")


def _length(d: Deviation) -> tuple[int, int]:
    return int(np.size(d.yhat)), len(f"{np.asarray(d.yhat).tolist()}{np.asarray(d.y).tolist()}")


def _with_caps(found: list[Deviation]) -> list[Deviation]:
    """A finite number is a cap if it is the answer to several different larger ones."""
    seen: dict[tuple[str, float], set[float]] = {}
    for d in found:
        if d.regime in CAPPED and d.verdict in ("inaccurate", "capped") and abs(d.got) < abs(d.exact):
            seen.setdefault((d.what, d.got), set()).add(d.exact)
    caps = {key for key, larger in seen.items() if len(larger) > 1}
    capped = (d.regime in CAPPED and d.verdict == "inaccurate" and (d.what, d.got) in caps for d in found)
    return [replace(d, verdict="capped") if cap else d for d, cap in zip(found, capped, strict=True)]
