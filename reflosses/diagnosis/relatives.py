"""Losses that are not in the catalogue, and wrong weights: of residuals, of vectors, and of several classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.alternatives import FITTED, GRIDS, closest_constant
from reflosses.diagnosis.basis import KINDS
from reflosses.diagnosis.changes import divisor, weights
from reflosses.diagnosis.facts import VALUE, Evidence, Fact, multiplied_facts, neat, short
from reflosses.diagnosis.formulas import formula
from reflosses.diagnosis.model import NOT_APPLICABLE, Change, Model, Question
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Floats
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.cauchy import Cauchy
from reflosses.losses.generalized_dice import GeneralizedDice
from reflosses.losses.huber import Huber
from reflosses.losses.mean_absolute_error import MeanAbsoluteError
from reflosses.losses.mean_squared_error import MeanSquaredError
from reflosses.losses.weighted_cross_entropy import WeightedCrossEntropy

RESIDUALS = (Huber, MeanSquaredError, MeanAbsoluteError, Cauchy)

# ---- residuals -------------------------------------------------------------------------------------------------------


def _tukey(t: Tape, r: Node, c: float) -> Node:
    """c²/6 (1 − (1 − r²/c²)³), and c²/6 beyond c."""
    inside = np.abs(r.value) <= c
    u = t.where(inside, r, 0.0) / c
    rest = 1 - u * u
    return t.where(inside, c * c / 6 * (1 - rest * rest * rest), c * c / 6)


def _log_cosh(t: Tape, r: Node, c: float) -> Node:
    size = t.abs(r) / c
    cost: Node = size + t.log1p(t.exp(-2 * size)) - np.log(2)
    return cost


ROBUST: tuple[tuple[str, Callable[[Tape, Node, float], Node]], ...] = (
    ("the Geman–McClure loss r²/({c2} + r²)", lambda t, r, c: r * r / (c * c + r * r)),
    ("the Welsch loss 1 − exp(−r²/{c2})", lambda t, r, c: 1 - t.exp(-(r * r) / (c * c))),
    ("Tukey's biweight with c = {c}", _tukey),
    ("the log-cosh loss of r/{c}", _log_cosh),
    ("the pseudo-Huber loss √(1 + r²/{c2}) − 1", lambda t, r, c: t.sqrt(1 + r * r / (c * c)) - 1),
    ("the Charbonnier loss √(r² + {c2})", lambda t, r, c: t.sqrt(r * r + c * c)),
    ("log(1 + |r|/{c})", lambda t, r, c: t.log1p(t.abs(r) / c)),
    ("log(1 + r²/{c2})", lambda t, r, c: t.log1p(r * r / (c * c))),
    ("the fair loss |r|/{c} − log(1 + |r|/{c})", lambda t, r, c: t.abs(r) / c - t.log1p(t.abs(r) / c)),
    ("1/(1 + r²/{c2})", lambda t, r, c: 1 / (1 + r * r / (c * c))),
    ("arctan(r²/{c2})", lambda t, r, c: _arctan(t, r * r / (c * c))),
    ("|r|^{c}", lambda t, r, c: t.power(t.abs(r), c)),
)


def _arctan(t: Tape, a: Node) -> Node:
    return Node(t, np.arctan(a.value), (a, lambda g: g / (1 + a.value * a.value)))


def robust_losses(evidence: Evidence) -> Iterator[Fact]:
    """Other losses of residuals with a constant that is fitted, times a factor."""
    loss: Any = evidence.cases[0].question.loss
    if not isinstance(loss, RESIDUALS) or getattr(loss, "information", None) is not None:
        return
    for name, rho in ROBUST:
        power = name.startswith("|r|^")
        grid = np.array([0.5, 1.5, 3.0, 4.0]) if power else np.unique(GRIDS["delta"])
        for c in _fitted_constant(evidence, partial(_of_residual, rho), grid):
            square = short(c * c) if c == 1 or len(short(c * c)) < len(short(c)) else f"{short(c)}²"
            said = name.replace("{c2}", square).replace("{c}", short(c))
            rest = f", not {KINDS['residuals'].due[type(loss).__name__][VALUE]}, with r = yhat − y"
            yield from multiplied_facts(evidence, _of_residual(rho, c), said, rest, f"that of {said}")


def _of_residual(rho: Callable[[Tape, Node, float], Node], c: float) -> Change:
    return formula(dict.fromkeys(RESIDUALS, lambda t, loss, y, x: rho(t, x - y, c)))


def _fitted_constant(evidence: Evidence, make: Callable[[float], Change], grid: Floats) -> Iterator[float]:
    """The constant whose predictions come closest in a few calls, up to a factor."""
    wrong = [p for p in evidence.parts if not evidence.right[p]][:1]
    some = [k for k in evidence.order if all(evidence.cases[k].got[p] is not None for p in wrong)]
    some = [k for k in some if evidence.cases[k].question.yhat.size > 1][:FITTED]
    if not some or not wrong:
        return
    part = wrong[0]
    got = np.concatenate([np.ravel(np.asarray(evidence.cases[k].got[:2][part], np.float64)) for k in some])
    size = float(np.abs(got).max(initial=0.0))
    if not size or not np.isfinite(size) or len(got) < 2:
        return

    def gaps(value: Any) -> Floats:
        change = make(float(np.reshape(value, -1)[0]))
        rows = []
        for k in some:
            answer = evidence.predicted(change, k)
            if answer is None or answer[:2][part] is None:
                raise ValueError("no prediction")
            rows.append(np.ravel(np.asarray(answer[:2][part])))
        guess = np.concatenate(rows)
        if guess.shape != got.shape or not np.isfinite(guess).all():
            return np.full(got.shape, 1e3)
        return np.asarray((guess * (guess @ got / (guess @ guess)) - got) / size)

    with suppress(*NOT_APPLICABLE):
        c = closest_constant(gaps, grid)
        yield from dict.fromkeys((float(f"{c:.3g}"), neat(c)))


# ---- vectors ---------------------------------------------------------------------------------------------------------

MATRICES: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("the inverse of the information matrix, which is the covariance,", np.linalg.inv),
    ("the square of the information matrix", lambda m: m @ m),
    ("twice the information matrix", lambda m: 2 * m),
    ("half of the information matrix", lambda m: m / 2),
    ("the absolute values of the information matrix", np.abs),
    ("the information matrix without its diagonal", lambda m: m - np.diag(np.diag(m))),
    ("the inverse of the diagonal of the information matrix", lambda m: np.diag(1 / np.diag(m))),
    ("the upper triangle of the information matrix", lambda m: (np.triu(m) + np.triu(m).T) / 2),
    ("the trace of the information matrix times the identity", lambda m: np.trace(m) * np.eye(len(m))),
    ("the determinant of the information matrix times the identity", lambda m: np.linalg.det(m) * np.eye(len(m))),
)


def other_information(evidence: Evidence) -> Iterator[Fact]:
    """The loss of vectors with another matrix, and gradients without a factor of theirs."""
    loss: Any = evidence.cases[0].question.loss
    if not isinstance(loss, Cauchy) or loss.information is None:
        return
    matrix = np.asarray(loss.information, np.float64)

    def quadratic(e: Floats, m: Floats) -> Floats:
        return np.asarray(np.einsum("...i,ij,...j->...", e, m, e)[..., None]) / loss.delta**2

    for said, f in MATRICES:
        with suppress(*NOT_APPLICABLE, np.linalg.LinAlgError):
            other = f(matrix)
            yield Fact(
                f"is the loss with {said}".rstrip(","),
                f"that of the loss with {said}".rstrip(","),
                partial(_with_information, other.tolist()),
            )
    root, one = np.linalg.cholesky(matrix), np.eye(len(matrix))

    def below(e: Floats, m: Floats = matrix) -> Floats:
        return 1 + quadratic(e, m)

    slopes: tuple[tuple[str, Callable[[Floats], Any]], ...] = (
        ("2 e/(1 + eᵀΩe), without the factor Ω", lambda e: 2 * e / below(e)),
        ("2 Ωe, without the denominator 1 + eᵀΩe", lambda e: 2 * e @ matrix),
        ("2 Ωe/(1 + eᵀe), without Ω in the denominator", lambda e: 2 * e @ matrix / below(e, one)),
        ("2 e/(1 + eᵀe), without Ω", lambda e: 2 * e / below(e, one)),
        ("2 Ωe/(1 + eᵀΩe)², with the square of the denominator", lambda e: 2 * e @ matrix / below(e) ** 2),
        ("2 diag(Ω) e/(1 + eᵀΩe), with the diagonal of Ω alone", lambda e: 2 * e * np.diag(matrix) / below(e)),
        ("2 Lᵀe/(1 + eᵀΩe), with the factor L of Ω = LLᵀ", lambda e: 2 * e @ root / below(e)),
        ("2 Le/(1 + eᵀΩe), with the factor L of Ω = LLᵀ", lambda e: 2 * e @ root.T / below(e)),
        ("2 Ω²e/(1 + eᵀΩe), with Ω twice", lambda e: 2 * e @ matrix @ matrix / below(e)),
    )
    for said, slope in slopes:

        def change(q: Question, model: Model, slope: Callable[[Floats], Floats] = slope) -> Answer:
            e, own = q.yhat - np.asarray(q.y), model(q)
            wide = (weights(q) / divisor(q))[..., None] * q.factor
            return Answer(own.value, slope(e) * wide)

        yield Fact("", said, change)


def _with_information(matrix: Any, q: Question, model: Model) -> Answer:
    return model(q.of(information=matrix))


# ---- classes ---------------------------------------------------------------------------------------------------------


def _class_dice(
    weigh: Callable[[Tape, Node, Floats, Floats], Any], axis: int = 2, above: bool = True, below: bool = True
) -> Change:
    """Generalised Dice with other class weights; weigh: tape, predicted volumes, true volumes, sums of squares → w.

    above, below: whether the numerator and the denominator have the weights.
    """

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        volumes, predicted = np.asarray(y.sum(axis=axis), np.float64), t.sum(x, axis)
        w = weigh(t, predicted, volumes, np.asarray((y * y).sum(axis=axis), np.float64))
        both, total = t.sum(x * y, axis), predicted + y.sum(axis=axis)
        return 1 - 2 * t.sum(w * both if above else both) / t.sum(w * total if below else total)

    return formula({GeneralizedDice: write})


def _mean_of_class_dice(present: bool, c: float = 0.0) -> Change:
    """The mean of the Dice losses of all classes, or of the classes that are present."""

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        total = t.sum(x, 2) + y.sum(axis=2)
        each = (2 * t.sum(x * y, 2) + c) / (total + c)
        here = np.asarray(y.sum(axis=2) > 0) if present else np.ones(each.value.shape, bool)
        mean: Node = t.sum(t.where(here, each, 0.0)) / np.fmax(1, here.sum(axis=1))
        return 1 - mean

    return formula({GeneralizedDice: write})


GUARDS = 10.0 ** np.arange(-12, 1)


def class_weights(evidence: Evidence) -> Iterator[Fact]:
    """Generalised Dice with other class weights, or no generalised Dice."""
    if not isinstance(evidence.cases[0].question.loss, GeneralizedDice):
        return
    for present, which in ((False, "all classes"), (True, "the classes that occur")):
        for c in (0.0, 1.0, 1e-7, 1e-6, 1e-5, 1e-8):
            rest = f", with {short(c)} above and below" if c else ""
            said = f"the mean of the Dice losses of {which}{rest}"
            yield Fact(f"is {said}, not one quotient with class weights", said, _mean_of_class_dice(present, c))
    for k, power in ((1.0, "1/V"), (2.0, "1/V²"), (0.5, "1/√V"), (3.0, "1/V³")):
        for guard in map(float, GUARDS):
            low = short(guard)
            held = f"{power} of a volume V of at least {low}"
            yield _weights_fact(held, _class_dice(partial(_powered, k, np.fmax, guard)))
            added = f"{power.replace('V', 'U')} with U = V + {low}"
            yield _weights_fact(added, _class_dice(partial(_powered, k, np.add, guard)))
            if k == 2:
                yield _weights_fact(f"1/(V² + {low})", _class_dice(partial(_squared_plus, guard)))
            for above, place in ((True, "numerator"), (False, "denominator")):
                said = f"weighs the classes in the {place} alone, by {held}"
                change = _class_dice(partial(_powered, k, np.fmax, guard), above=above, below=not above)
                yield Fact(said, f"that of a loss that {said}", change)
        predicted = "the predicted volumes, not the true ones"
        yield _weights_fact(f"{power} of {predicted}", _class_dice(partial(_of_predicted, k, 0.0)))
        yield _weights_fact(
            f"{power} of {predicted}, which are differentiated too", _class_dice(partial(_differentiated, k))
        )
        yield _weights_fact(f"{power} of the volumes of both masks", _class_dice(partial(_of_predicted, k, 1.0)))
    yield _weights_fact("V", _class_dice(lambda t, p, v, s: v))
    yield _weights_fact("V²", _class_dice(lambda t, p, v, s: v * v))
    yield _weights_fact("1, the same for all classes", _class_dice(lambda t, p, v, s: np.ones_like(v)))
    for k, power in ((1.0, "1/V"), (2.0, "1/V²")):
        for guard in (1e-300, *map(float, GUARDS)):
            low = f" of at least {short(guard)}" if guard > 1e-300 else ""
            said = f"sums over the classes of each pixel, not over the pixels of each class, with weights {power}{low}"
            change = _class_dice(partial(_powered, k, np.fmax, guard), axis=1)
            yield Fact(said, f"that of a loss that {said}", change)


def _powered(k: float, join: Any, guard: float, t: Tape, p: Node, v: Floats, s: Floats) -> Any:
    return 1 / join(v, guard) ** k


def _squared_plus(guard: float, t: Tape, p: Node, v: Floats, s: Floats) -> Any:
    return 1 / (v**2 + guard)


def _of_predicted(k: float, true: float, t: Tape, p: Node, v: Floats, s: Floats) -> Any:
    return 1 / (np.asarray(p.value, np.float64) + true * v) ** k


def _differentiated(k: float, t: Tape, p: Node, v: Floats, s: Floats) -> Any:
    return t.power(p, -k)


def _weights_fact(w: str, change: Change) -> Fact:
    said = f"weighs the classes by {w}, not by 1/V² of the true volumes V of the classes that occur"
    return Fact(said, f"that of a loss that {said}", change)


def foreground_weights(evidence: Evidence) -> Iterator[Fact]:
    """Weighted cross-entropy whose weight is on both terms, or on the other one."""
    loss: Any = evidence.cases[0].question.loss
    if not isinstance(loss, WeightedCrossEntropy):
        return
    plain = BinaryCrossEntropy(reduction=loss.reduction)

    def weight(q: Question) -> float:
        return float(np.sum(1 - q.yhat) / np.sum(q.yhat)) if loss.weight == "sudre" else float(loss.weight)

    def both(k: Callable[[float], float], q: Question, model: Model) -> Answer:
        own = model(Question(plain, q.y, q.yhat, q.weight, q.form, q.factor))
        assert own.value is not None
        assert own.grad is not None
        return Answer(own.value * k(weight(q)), own.grad * k(weight(q)))

    def other(q: Question, model: Model) -> Answer:
        w = weight(q)
        own = model(q.of(weight=1 / w))
        assert own.value is not None
        assert own.grad is not None
        return Answer(own.value * w, own.grad * w)

    name = "(N − Σp)/Σp" if loss.weight == "sudre" else short(float(loss.weight))
    for said, change in (
        (f"multiplies both terms by the weight {name}, not that of the label 1 alone", partial(both, lambda w: w)),
        (f"divides both terms by the weight {name}", partial(both, lambda w: 1 / w)),
        (f"multiplies both terms by 1 + the weight {name}", partial(both, lambda w: 1 + w)),
        (f"multiplies the term of the label 0 by the weight {name}, not that of the label 1", other),
    ):
        yield Fact(said, f"that of a loss that {said}", change)
    if loss.weight != "sudre":
        return
    for said, rule in (
        ("(N − Σy)/Σy of the targets", lambda q: np.sum(1 - np.asarray(q.y)) / np.sum(q.y)),
        ("(N − Σp)/N", lambda q: np.sum(1 - q.yhat) / q.yhat.size),
        ("N/Σp", lambda q: q.yhat.size / np.sum(q.yhat)),
        ("Σp/N", lambda q: np.sum(q.yhat) / q.yhat.size),
        ("(N − Σy)/Σp", lambda q: np.sum(1 - np.asarray(q.y)) / np.sum(q.yhat)),
        ("(N − Σp)/Σy", lambda q: np.sum(1 - q.yhat) / np.sum(q.y)),
        ("the root of (N − Σp)/Σp", lambda q: np.sqrt(np.sum(1 - q.yhat) / np.sum(q.yhat))),
        ("the rounded (N − Σp)/Σp", lambda q: np.rint(np.sum(1 - q.yhat) / np.sum(q.yhat))),
    ):
        what = f"takes {said} for the weight of the foreground"
        yield Fact(what, f"that of a loss that {what}", partial(_with_weight, rule))


def _with_weight(rule: Callable[[Question], Any], q: Question, model: Model) -> Answer:
    return model(q.of(weight=float(rule(q)), weight_grad="stop"))
