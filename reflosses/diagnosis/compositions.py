"""The loss of functions of its arguments, functions of the loss, and other ways to make one number of many losses.

Derivatives of these functions are taken by central differences: they must agree to half of the digits only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy

from reflosses.comparison.battery import family
from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.changes import alone, divisor, joined, taking_part, weights
from reflosses.diagnosis.facts import Evidence, Fact, multiplied_facts
from reflosses.diagnosis.model import Change, Model, Question
from reflosses.evaluation.domain import REAL, Classes, Floats
from reflosses.losses.hinge import Hinge

STEP = 5e-4  # of a difference, relative to the size of a number
SMALL_CALL = 64  # predictions of a call whose differences are taken

Function = Callable[[Any], Any]


def pulled_back(f: Function, x: Floats, slope: Floats) -> Floats:
    """The gradient by x from the gradient by f(x)."""
    out = np.zeros(x.shape)
    if not 0 < x.size <= SMALL_CALL:
        raise ValueError("nothing to differentiate, or too much")
    for k in range(x.size):
        h = STEP * max(1.0, abs(float(x.flat[k])))

        def moved(by: float, k: int = k) -> float:
            there = x.copy()
            there.flat[k] += by
            return float(np.sum(slope * np.asarray(f(there))))

        out.flat[k] = _difference(moved, h)
    return out


def _difference(moved: Callable[[Any], Any], h: Any) -> Any:
    """A central difference of fourth order."""
    return (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)


# ---- functions of the arguments --------------------------------------------------------------------------------------

ANYWHERE: tuple[tuple[str, Function], ...] = (
    ("squared {}", np.square),
    ("absolute values of {}", np.abs),
    ("{} held at 0 or more", lambda x: np.maximum(x, 0)),
    ("{} clipped to [0, 1]", lambda x: np.clip(x, 0, 1)),
    ("{} clipped to [−1, 1]", lambda x: np.clip(x, -1, 1)),
    ("log(1 + {})", np.log1p),
    ("log(1 + max({}, 0))", lambda x: np.log1p(np.maximum(x, 0))),
    ("log(1 + |{}|)", lambda x: np.log1p(np.abs(x))),
    ("sign({}) log(1 + |{}|)", lambda x: np.sign(x) * np.log1p(np.abs(x))),
    ("log {}", np.log),
    ("the exponential of {}", np.exp),
    ("the root of {}", np.sqrt),
    ("the sigmoid of {}", lambda x: scipy.special.expit(x)),
    ("tanh of {}", np.tanh),
    ("the sign of {}", np.sign),
    ("rounded {}", np.rint),
    ("{} above 1/2 as 1 and others as 0", lambda x: (x > 0.5) * 1.0),
    ("{} above 0 as 1 and others as 0", lambda x: (x > 0) * 1.0),
    ("2 {} − 1", lambda x: 2 * x - 1),
    ("½ ({} + 1)", lambda x: (x + 1) / 2),
    ("1/{}", lambda x: 1 / x),
    ("sorted {}", lambda x: np.sort(x, axis=0)),
    ("{}, sorted as one list,", lambda x: np.sort(x, axis=None).reshape(x.shape)),
    ("{} divided by their largest", lambda x: x / x.max()),
    ("{} divided by their sum", lambda x: x / x.sum()),
    ("{} less their mean", lambda x: x - x.mean()),
    ("{} less their mean, over their standard deviation", lambda x: (x - x.mean()) / x.std()),
)
OF_ROWS: tuple[tuple[str, Function], ...] = (
    ("the softmax of {} along the last axis", lambda x: scipy.special.softmax(x, axis=-1)),
    ("{} divided by the sum of each row", lambda x: x / x.sum(axis=-1, keepdims=True)),
    ("{} divided by the length of each row", lambda x: x / np.sqrt(np.square(x).sum(axis=-1, keepdims=True))),
    ("{} less the mean of each row", lambda x: x - x.mean(axis=-1, keepdims=True)),
    ("{} less the largest of each row", lambda x: x - x.max(axis=-1, keepdims=True)),
    ("{} with the classes in reverse order", lambda x: x[..., ::-1]),
    ("{} shifted by one along the last axis", lambda x: np.roll(x, 1, axis=-1)),
    ("{} shifted by minus one along the last axis", lambda x: np.roll(x, -1, axis=-1)),
)


def functions_of_arguments(evidence: Evidence) -> Iterator[Fact]:
    """The loss of a function of the predictions, of the targets, or of both."""
    loss = evidence.cases[0].question.loss
    classes, rows = isinstance(loss.domain.y, Classes), "rows" in family(loss)
    for said, f in (*OF_ROWS, *ANYWHERE) if rows else (*ANYWHERE, *OF_ROWS):
        for of_y, of_yhat, name in ((False, True, "yhat"), (True, False, "y"), (True, True, "y and yhat")):
            if of_y and of_yhat and classes:
                continue
            symbols = of_y and of_yhat and not said.replace("{}", "").replace(",", "").replace(" ", "").isalpha()
            what = f"{said.replace('{}', 'x')} for x = y and x = yhat" if symbols else said.replace("{}", name)
            for chained in (True, False):
                rest = "" if chained or not of_yhat else ", without the derivative of that"
                yield Fact(
                    f"is the loss of {what}{rest}", f"that of {what}{rest}", _of_function(f, of_y, of_yhat, chained)
                )
                if not of_yhat:
                    break


def _of_function(f: Function, of_y: bool, of_yhat: bool, chained: bool) -> Change:
    """The loss of a function of its arguments; chained: with the derivative of the function."""

    def change(q: Question, model: Model) -> Answer:
        y = np.asarray(q.y)
        if not q.yhat.size:
            raise ValueError("nothing")
        if of_y and isinstance(q.loss.domain.y, Classes) and y.shape != q.yhat.shape:
            raise ValueError("class indices")
        other = f(y.astype(np.float64)) if of_y else q.y
        inner = np.asarray(f(q.yhat)) if of_yhat else q.yhat
        answer = model(replace(q, y=other, yhat=inner))
        if answer.grad is None or not (of_yhat and chained):
            return answer
        return Answer(answer.value, pulled_back(f, q.yhat, answer.grad))

    return change


def residuals_less_their_mean(evidence: Evidence) -> Iterator[Fact]:
    """The loss of residuals from which their mean is taken, and the loss of the mean residual or margin."""
    loss = evidence.cases[0].question.loss
    if loss.reads_all_predictions or (loss.domain.y is not REAL and not isinstance(loss, Hinge)):
        return
    margins = isinstance(loss, Hinge)
    name = "margins" if margins else "residuals"

    def of(f: Function, q: Question, model: Model) -> Answer:
        if not q.yhat.size:
            raise ValueError("no mean")
        y = np.asarray(q.y, np.float64)

        def read(x: Floats) -> Any:
            return f(y * x if margins else x - y)

        inner = np.asarray(read(q.yhat))
        answer = model(replace(q, y=np.full(inner.shape, 1.0 if margins else 0.0), yhat=inner, weight=None))
        assert answer.grad is not None
        return Answer(answer.value, pulled_back(read, q.yhat, answer.grad))

    def less(q: Question, model: Model) -> Answer:
        return of(lambda r: r - r.mean(), q, model)

    def mean(q: Question, model: Model) -> Answer:
        return of(lambda r: r.mean(keepdims=True), q, model)

    said = f"{name} whose mean is subtracted first"
    yield Fact(f"is the loss of {said}", f"that of {said}", less)
    if loss.reduction in ("mean", "sum"):
        whole = f"the loss of the mean of the {name}, not the mean of the losses"
        yield Fact(f"is {whole}", whole, mean)


def ignored_as_a_class(evidence: Evidence) -> Iterator[Fact]:
    """Rows that are to be ignored count as rows of some class."""
    loss: Any = evidence.cases[0].question.loss
    if getattr(loss, "ignore_index", None) is None:
        return

    def of(label: int, all_rows: bool, q: Question, model: Model) -> Answer | None:
        y = np.asarray(q.y)
        if y.shape == q.yhat.shape:
            return None
        count, axis = divisor(q), int(loss.axis)
        label = label % q.yhat.shape[axis]
        plain = q.of(ignore_index=None)
        each = alone(replace(plain, y=np.where(taking_part(q) == 0, label, y)), model)
        w = np.ones(taking_part(q).shape) if q.weight is None else q.weight
        return joined(q, each, float(w.size) if all_rows and count != 1 else count, w)

    for label, named in ((0, "class 0"), (-1, "the last class")):
        for all_rows in (True, False):
            rest = "" if all_rows else ", and does not count them in the mean"
            what = f"takes ignored rows for {named}{rest}"
            yield Fact(
                what,
                f"that of a loss that {what}",
                partial(of, label, all_rows),
            )


# ---- functions of the losses -----------------------------------------------------------------------------------------

OUTSIDE: tuple[tuple[str, Function], ...] = (
    ("the square of {}", np.square),
    ("the root of {}", np.sqrt),
    ("the exponential of {}", np.exp),
    ("e^−{}", lambda v: np.exp(-v)),
    ("1 − e^−{}", lambda v: -np.expm1(-v)),
    ("log(1 + {})", np.log1p),
    ("log(1 + max({}, 0))", lambda x: np.log1p(np.maximum(x, 0))),
    ("the logarithm of {}", np.log),
    ("1/{}", lambda v: 1 / v),
    ("1/(1 + {})", lambda v: 1 / (1 + v)),
    ("{}/(1 + {})", lambda v: v / (1 + v)),
    ("−log(1 − {})", lambda v: -np.log1p(-v)),
    ("tanh of {}", np.tanh),
    ("the sigmoid of {}", lambda x: scipy.special.expit(x)),
    ("{} to the power 3/2", lambda v: v**1.5),
    ("{}³", lambda v: v**3),
)


def functions_of_losses(evidence: Evidence) -> Iterator[Fact]:
    """A function of each loss, or of their mean or sum, times a constant."""
    reduced = evidence.cases[0].question.loss.reduction in ("mean", "sum", "weighted_mean")

    def each(f: Function, q: Question, model: Model) -> Answer | None:
        own = alone(q, model)
        assert own.value is not None
        values, slopes = np.asarray(f(own.value)), _slope(f, own.value)
        outer = joined(q, Answer(values, own.grad), divisor(q))
        return Answer(outer.value, joined(q, own, divisor(q), weights(q) * slopes).grad)

    def whole(f: Function, q: Question, model: Model) -> Answer | None:
        own = model(q)
        assert own.value is not None
        assert own.grad is not None
        return Answer(np.asarray(f(own.value)), own.grad * _slope(f, own.value))

    for said, f in OUTSIDE:
        name = said.replace("{}", "each loss")
        yield from multiplied_facts(evidence, partial(each, f), name, "", name)
        if reduced:
            name = said.replace("{}", f"the {evidence.cases[0].question.loss.reduction.replace('_', ' ')}")
            yield from multiplied_facts(evidence, partial(whole, f), name, "", name)


def _slope(f: Function, v: Floats) -> Floats:
    """The derivative of an elementwise function."""
    h = STEP * np.fmax(np.abs(v), 1e-3)
    return np.asarray(_difference(lambda by: f(v + by), h))


def _mean(v: Floats) -> Any:
    """The mean; NaN of nothing, without a warning."""
    return np.mean(v) if v.size else np.nan


PICKED: tuple[tuple[str, Function], ...] = (  # the first of equal ones
    ("the largest loss", np.argmax),
    ("the smallest loss", np.argmin),
    ("the first loss", lambda v: 0),
    ("the last loss", lambda v: v.size - 1),
)
REDUCED: tuple[tuple[str, Function], ...] = (
    ("the largest loss", np.max),
    ("the smallest loss", np.min),
    ("the median of the losses", np.median),
    ("the root of the sum of the squared losses", lambda v: np.sqrt(np.sum(v * v))),
    ("the root of the sum of the losses", lambda v: np.sqrt(np.sum(v))),
    ("the mean of the squared losses", lambda v: np.mean(v * v)),
    ("the root of the mean of the squared losses", lambda v: np.sqrt(np.mean(v * v))),
    ("the mean of the roots of the losses", lambda v: np.mean(np.sqrt(v))),
    ("the product of the losses", np.prod),
    ("the geometric mean of the losses", lambda v: np.exp(np.mean(np.log(v)))),
    ("the variance of the losses", np.var),
    ("the standard deviation of the losses", np.std),
    ("the mean of the losses plus their standard deviation", lambda v: np.mean(v) + np.std(v)),
    ("the logarithm of the sum of their exponentials", lambda v: np.log(np.sum(np.exp(v)))),
    ("the mean of the larger half of the losses", lambda v: np.mean(np.sort(v, axis=None)[v.size // 2 :])),
    ("the mean of the losses above 0", lambda v: np.sum(v) / max(1, np.sum(v > 0))),
    ("the mean without the largest loss", lambda v: (np.sum(v) - np.max(v)) / max(1, v.size - 1)),
    ("the mean without the last loss", lambda v: _mean(v.ravel()[:-1])),
    ("the mean without the first loss", lambda v: _mean(v.ravel()[1:])),
    ("the sum of the losses over the root of their number", lambda v: np.sum(v) / np.sqrt(v.size)),
    ("the sum of the losses over the square of their number", lambda v: np.sum(v) / v.size**2),
)


def other_reductions(evidence: Evidence) -> Iterator[Fact]:
    """Another number that is made of the losses."""
    if evidence.cases[0].question.loss.reduction == "none":
        return

    def of(f: Function, q: Question, model: Model) -> Answer:
        if q.weight is not None:
            raise ValueError("weights")
        each = alone(q, model)
        assert each.value is not None
        value, part = each.value, taking_part(q) == 1
        counted = value[part] if not part.all() else value
        if not counted.size:
            raise ValueError("no losses")
        slopes = np.zeros(value.shape)
        slopes[part] = np.ravel(pulled_back(f, counted, np.ones(())))
        return Answer(np.asarray(f(counted)), joined(q, each, 1.0, slopes).grad)

    def picked(pick: Function, q: Question, model: Model) -> Answer:
        each = alone(q, model)
        assert each.value is not None
        chosen = np.zeros(each.value.shape)
        chosen.flat[pick(each.value)] = 1
        return joined(q, each, 1.0, chosen)

    def shared(end: Function, q: Question, model: Model) -> Answer:
        each = alone(q, model)
        assert each.value is not None
        chosen = (each.value == end(each.value)) * 1.0
        return joined(q, each, 1.0, chosen / chosen.sum())

    for name, end in (("the largest loss", np.max), ("the smallest loss", np.min)):
        yield Fact(f"is {name}", name, partial(shared, end))
    for name, pick in PICKED:
        yield Fact(f"is {name}", name, partial(picked, pick))
    for name, f in REDUCED:
        yield Fact(f"is {name}", name, partial(of, f))


def every_pair(evidence: Evidence) -> Iterator[Fact]:
    """Every target with every prediction, as where a column meets a row."""
    loss = evidence.cases[0].question.loss
    if loss.layout.groups or loss.reads_all_predictions:
        return

    def pairs(q: Question, model: Model) -> Answer | None:
        if q.weight is not None or q.yhat.size > SMALL_CALL:
            return None
        shape = q.yhat.size, q.yhat.size
        y, yhat = np.broadcast_to(np.ravel(q.y), shape), np.broadcast_to(np.ravel(q.yhat)[:, None], shape)
        answer = model(replace(q, y=y.copy(), yhat=yhat.copy()))
        slopes = None if answer.grad is None else answer.grad.sum(axis=1).reshape(q.yhat.shape)
        return Answer(answer.value, slopes)

    said = "every target with every prediction, as where shapes (n, 1) and (n,) are broadcast"
    yield Fact(f"is the loss of {said}", f"that of {said}", pairs)


def without_a_class(evidence: Evidence) -> Iterator[Fact]:
    """An overlap of arrays without their first or last index along an axis."""
    loss = evidence.cases[0].question.loss
    if family(loss) != "overlaps":
        return

    def cut(axis: int, which: slice, q: Question, model: Model) -> Answer:
        at = tuple(which if k == axis % q.yhat.ndim else slice(None) for k in range(q.yhat.ndim))
        answer = model(replace(q, y=np.asarray(q.y)[at], yhat=q.yhat[at]))
        assert answer.grad is not None
        slopes = np.zeros(q.yhat.shape)
        slopes[at] = answer.grad
        return Answer(answer.value, slopes)

    for axis, named in ((1, "second"), (-1, "last"), (0, "first")):
        for which, end in ((slice(1, None), "first"), (slice(None, -1), "last")):
            said = f"the arrays without the {end} index of their {named} axis"
            yield Fact(
                f"is the loss of {said}",
                f"that of {said}",
                partial(cut, axis, which),
            )
