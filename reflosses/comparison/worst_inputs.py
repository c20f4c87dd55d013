"""A search for the input with the largest error.

`search` takes a function that measures errors at many points, cheaply, and another that proves the error of one. Floats
are searched by their bits, read as integers: neighbouring floats are neighbouring integers. A round draws a loss with
random parameters, measures blocks of random inputs, and climbs from the worst of them: the box around it is drawn from
again, and halved many times; the parameters move as well. The worst point so far is climbed from in every few rounds.
The same seed and budget give the same points on every machine, as long as the errors measured there are the same.

Our own losses are searched with random parameters, in float64. The function of somebody else (`largest_errors.py`) has
parameters that stay, and inputs that are numbers of its format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from reflosses.comparison.formats import FORMATS, Format
from reflosses.evaluation.domain import PROBABILITY, REAL, Classes, Domain, Floats, Labels, Logit
from reflosses.evaluation.loss import Bounds, Loss
from reflosses.evaluation.stack import one_loss_a_call, unstack
from reflosses.truth.sampling import SATURATION, Problem, Rng, hard_numbers, magnitudes

QUANTITIES = Bounds._fields
WILD = 2.0**20  # times its bound, an error is of an infinity, a zero or a sign, and would hide all others

BLOCK = 2**12  # predictions that are measured at a time
_CALLS = 32  # units that are measured at a time, where each takes a call
_PROVABLE = 16  # members whose proof is soon done
_WIDTHS = (51, 49, 46, 42, 36, 28, 16, 4)  # bits of the boxes that are drawn from in a climb, in float64
_MEMBERS = (1, 2, 3, 5, 8, 33)

Measure = Callable[[Loss, Problem], Sequence[Floats]]
Confirm = Callable[[Loss, Problem], Sequence[float]]
Stacked = tuple[Floats, Floats]  # targets and predictions, one loss a row
DOUBLE = FORMATS["float64"]


@dataclass(frozen=True)
class KnownError:
    """A proved error in ulps, its bound, and the input."""

    quantity: str
    ulp: float
    bound: float
    loss: Loss
    problem: Problem

    @property
    def ratio(self) -> float:
        """The error in units of its bound; it is above 1 if the promise is broken."""
        return self.ulp / self.bound

    def __str__(self) -> str:
        y, yhat = (np.asarray(a).tolist() for a in self.problem)
        return f"reflosses.{self.loss}.{self.quantity}({y!r}, {yhat!r})"


@dataclass
class Hunted:
    """What a search found: of each quantity the largest part of its bound, and wild errors, one a set of parameters."""

    points: int = 0
    refuted: int = 0  # suspects that the proof found harmless
    worst: dict[str, KnownError] = field(default_factory=dict)
    wild: list[KnownError] = field(default_factory=list)

    @property
    def broken(self) -> list[KnownError]:
        """The errors beyond their bounds."""
        return [e for e in (*self.worst.values(), *self.wild) if e.ratio > 1]


@dataclass
class _Point:
    """One stacked unit, and the measured part of a bound."""

    loss: Loss
    y: Floats
    yhat: Floats
    ratio: float = 0.0


def search(
    draw: Callable[[Rng], Loss],
    measure: Measure,
    confirm: Confirm,
    *,
    seed: int,
    points: float,
    form: Format = DOUBLE,
    fixed: bool = False,
    first: Iterable[Stacked] = (),
    block: int = 0,
    wild: float = WILD,
    stop: Callable[[], bool] = lambda: False,
) -> Hunted:
    """The worst inputs that about so many points show; a point is one prediction, with all its quantities.

    draw: a loss with random parameters. measure: the errors of each quantity, one a stacked unit, or a ValueError where
    the inputs are refused. confirm: the proved errors of one unit, NaN where nothing is proved. form: inputs are
    numbers of this format. fixed: the parameters of a loss never move. first: stacked inputs to start with. block:
    predictions that are measured at a time; by default thousands. wild: an error of so many times its bound is noted
    apart. stop: is asked before each measurement, and ends the search.
    """
    hunt = _Search(measure, confirm, np.random.default_rng(seed), form, fixed, wild, stop)
    hunt.block = block or int(max(2**9, min(BLOCK, points // 256)))
    with np.errstate(all="ignore"):
        hunt.begin(draw, first)
        while hunt.found.points < points and not stop():
            hunt.round(draw)
    return hunt.found


class _Search:
    block: int

    def __init__(
        self,
        measure: Measure,
        confirm: Confirm,
        rng: Rng,
        form: Format,
        fixed: bool,
        wild: float,
        stop: Callable[[], bool],
    ) -> None:
        self.measure, self.confirm, self.rng, self.found = measure, confirm, rng, Hunted()
        self.form, self.fixed, self.wild, self.stop = form, fixed, wild, stop
        self.best: dict[int, _Point] = {}  # the worst points so far, by quantity
        self.seen_wild: set[tuple[int, Loss]] = set()

    def begin(self, draw: Callable[[Rng], Loss], first: Iterable[Stacked]) -> None:
        """Measure the given inputs of one loss, and climb from the worst of them."""
        start: dict[int, _Point] = {}
        loss = None
        for y, yhat in first:
            loss = loss or draw(self.rng)
            self._measured(loss, y, yhat, start)
        self._climb_and_judge(start)

    def round(self, draw: Callable[[Rng], Loss]) -> None:
        """Blocks of random inputs of one loss, then climbs from the worst of these, or from the worst of all."""
        loss = draw(self.rng)
        start: dict[int, _Point] = {}
        for _ in range(4):
            drawn = _drawn(loss, self.rng, self.block)
            self._measured(loss, *_in_format(loss, *drawn, self.form, self.rng), start)
        self._climb_and_judge(start)

    def _climb_and_judge(self, start: dict[int, _Point]) -> None:
        """Climb from the worst points of one loss, or sometimes from the worst of all, and prove the errors found."""
        for k in range(len(QUANTITIES)):
            if k in self.best and self.rng.random() < 0.4:
                start[k] = self.best[k]
            if k in start:
                if start[k].loss.sums is not None and start[k].yhat.shape[-1] > _PROVABLE:
                    start[k] = self._smaller(k, start[k], self.wild / 2)
                self._climb(k, start)
        for k, point in start.items():
            self._judge(k, point)

    def _climb(self, k: int, start: dict[int, _Point]) -> None:
        """Draw from smaller and smaller boxes around the worst point; its parameters move in every other box."""
        for step, wide in enumerate(_WIDTHS):
            point, width = start[k], round(wide * (self.form.bits - 1) / (DOUBLE.bits - 1))
            loss = _moved_loss(point.loss, self.rng, width) if step % 2 and not self.fixed else point.loss
            count = _CALLS if one_loss_a_call(loss) else max(1, self.block // 4 // point.yhat.size)
            self._measured(loss, *_around(point, self.rng, count, width, self.form), start, k)

    def _measured(self, loss: Loss, y: Floats, yhat: Floats, start: dict[int, _Point], only: int | None = None) -> None:
        """Measure stacked units, and keep the worst of each quantity in `start`."""
        for a, b in _calls(loss, y, yhat):
            if self.stop():
                return
            for k, errors in enumerate(self._asked(loss, a, b)):
                if not errors.size:
                    continue
                wild = ~(errors < self.wild * loss.bounds[k])
                if wild.any() and (only is None or only == k):
                    i = int(np.argmax(wild))
                    self._judge_wild(k, _Point(loss, a[i], b[i]))
                ratios = np.where(wild, 0.0, errors) / loss.bounds[k]
                i = int(np.argmax(ratios))
                if (only is None or only == k) and (k not in start or ratios[i] > start[k].ratio):
                    start[k] = _Point(loss, a[i], b[i], float(ratios[i]))

    def _asked(self, loss: Loss, y: Floats, yhat: Floats) -> Sequence[Floats]:
        """The errors at stacked units; none if they are refused, as predictions may need a sum above 0."""
        self.found.points += yhat.size
        try:
            return self.measure(loss, Problem(*unstack(loss, y, yhat)))
        except ValueError:
            return ()

    def _judge(self, k: int, point: _Point) -> None:
        """Prove the error of a point that may be the worst so far."""
        if k in self.best and point.ratio <= self.best[k].ratio:
            return
        least = self.best[k].ratio if k in self.best else 0.0
        point = self._smaller(k, point, max(0.98 * point.ratio, np.nextafter(least, 1.0)))
        error = self._proved(k, point)
        if error is None or error.ratio < 0.9 * point.ratio:
            self.found.refuted += 1
            return
        self.best[k] = replace(point, ratio=error.ratio)
        self.found.worst[error.quantity] = error

    def _smaller(self, k: int, point: _Point, goal: float) -> _Point:
        """Halves of the members of a unit that reach the goal; where a proof would take long, the worst half anyway.

        Wild errors do not count if the goal is below them.
        """
        while point.loss.sums is not None and (size := point.yhat.shape[-1]) > 1:
            best = replace(point, ratio=-1.0)
            for _ in range(16):
                part = self.rng.permutation(size)[: size // 2]
                y, yhat = point.y[..., part], point.yhat[..., part]
                errors = self._asked(point.loss, y[None], yhat[None])
                ratio = float(errors[k][0]) / point.loss.bounds[k] if errors else -1.0
                if ratio > best.ratio and (ratio < self.wild or goal >= self.wild):
                    best = replace(point, y=y, yhat=yhat, ratio=ratio)
                if best.ratio >= goal:
                    break
            if best.ratio < goal and size <= _PROVABLE:
                break
            point = best
        return point

    def _judge_wild(self, k: int, point: _Point) -> None:
        if (k, point.loss) in self.seen_wild:
            return
        self.seen_wild.add((k, point.loss))
        error = self._proved(k, self._smaller(k, point, self.wild))
        if error is not None and error.ratio >= self.wild:
            self.found.wild.append(error)
        else:
            self.found.refuted += 1

    def _proved(self, k: int, point: _Point) -> KnownError | None:
        problem = Problem(*unstack(point.loss, point.y[None], point.yhat[None]))
        ulp = self.confirm(point.loss, problem)[k]
        return None if np.isnan(ulp) else KnownError(QUANTITIES[k], ulp, point.loss.bounds[k], point.loss, problem)


def _calls(loss: Loss, y: Floats, yhat: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Stacked units as the arrays of calls: all in one, or one each."""
    if not one_loss_a_call(loss):
        yield y, yhat
    else:
        for i in range(len(yhat)):
            yield y[i : i + 1], yhat[i : i + 1]


# ---- floats as integers ----------------------------------------------------------------------------------------------


def as_integers(a: Any, form: Format) -> Any:
    """Integers in the order of the numbers of a format: those of neighbours are neighbours, and that of ±0 is 0."""
    places = form.places(a)
    return places + (places < 0)


def from_integers(n: Any, form: Format) -> Floats:
    """The finite numbers of a format to which these integers belong; larger ones mean its largest number."""
    n = np.asarray(n, np.int64)
    bits = np.minimum(np.abs(n), form.last)
    if form.name == "bfloat16":  # the upper half of float32
        size = (bits << 16).astype(np.int32).view(np.float32).astype(np.float64)
    else:
        size = bits.astype(f"i{form.width // 8}").view(f"f{form.width // 8}").astype(np.float64)
    return np.asarray(np.where(n < 0, -size, size))


def _moved(a: Floats, rng: Rng, width: int, form: Format = DOUBLE) -> Floats:
    """Floats whose bits, read as integers in the order of the floats, differ by at most 2^width."""
    return from_integers(as_integers(a, form) + rng.integers(-(2**width), 2**width + 1, a.shape), form)


def _moved_inside(a: Floats, domain: Domain, rng: Rng, width: int, form: Format = DOUBLE) -> Floats:
    """Moved floats of a domain: three quarters of them, but labels, and what would leave the domain, stay."""
    if isinstance(domain, Labels | Classes):
        return a
    moved = _moved(np.ascontiguousarray(a, np.float64), rng, width, form)
    stay = (rng.random(a.shape) < 0.25) | domain.outside(moved) | ~np.isfinite(a)
    if domain is PROBABILITY:
        stay |= (a == 0) | (a == 1)
    return np.where(stay, a, moved)


def _around(point: _Point, rng: Rng, count: int, width: int, form: Format) -> Stacked:
    """Copies of a point, all but the first moved."""
    domain_y, domain_yhat = _domains(point.loss, point.y.ndim)
    y = np.repeat(np.asarray(point.y)[None], count, axis=0)
    yhat = np.repeat(np.asarray(point.yhat)[None], count, axis=0)
    y[1:] = _moved_inside(y[1:], domain_y, rng, width, form)
    yhat[1:] = _moved_inside(yhat[1:], domain_yhat, rng, width, form)
    return _without_lost_products(point.loss, y, yhat, form), yhat


def _domains(loss: Loss, axes: int) -> tuple[Domain, Domain]:
    """The domains of targets and predictions; the targets of one loss have so many axes."""
    domain_y, domain_yhat = loss.domain
    return PROBABILITY if isinstance(domain_y, Classes) and axes else domain_y, domain_yhat


def _in_format(loss: Loss, y: Floats, yhat: Floats, form: Format, rng: Rng) -> Stacked:
    """Inputs that were drawn in float64, as numbers of a format; every other block has bits of the format at random."""
    if form == DOUBLE:
        return y, yhat
    domain_y, domain_yhat = _domains(loss, y.ndim - 1)
    drawn = rng.random() < 0.5
    y, yhat = (_narrowed(a, d, form, rng, drawn) for a, d in ((y, domain_y), (yhat, domain_yhat)))
    return _without_lost_products(loss, y, yhat, form), yhat


def _narrowed(a: Floats, domain: Domain, form: Format, rng: Rng, drawn: bool) -> Floats:
    """Members of a domain that are numbers of a format: the given ones, or members at random.

    Of a number beyond the range of the format, the exponent is replaced by one inside of it.
    """
    if isinstance(domain, Labels | Classes):
        return a
    random = from_integers(rng.integers(-form.last, form.last + 1, a.shape), form)
    spare = form.round(np.where(domain.outside(random), np.abs(random), random))
    spare = np.where(domain.outside(spare), form.round(rng.uniform(0, 1, a.shape)), spare)
    if not drawn:
        return np.where((a == 0) | (a == 1), a, spare)
    part, exponent = np.frexp(a)
    low = 4 - form.top - form.bits  # of the smallest number
    high = 0 if domain.outside(np.array(2.0)) else form.top - 1
    near = form.round(np.ldexp(part, low + (exponent - low) % (high - low + 1)))
    inside = (exponent >= low) & (exponent < form.top)
    near = np.where(inside | (a == 0), form.round(a), near)
    return np.where(domain.outside(near) | ~np.isfinite(near), spare, near)


# ---- losses ----------------------------------------------------------------------------------------------------------


def _power(low: float, high: float) -> Callable[[Rng], float]:
    """A number whose logarithm is uniform between these powers of ten; every fourth has few bits."""

    def drawn(rng: Rng) -> float:
        x = float(10 ** rng.uniform(low, high))
        m, e = np.frexp(x)
        return max(float(np.ldexp(np.rint(m * 8) / 8, e)), 10.0**low) if rng.random() < 0.25 else x

    return drawn


def _or(first: Any, *others: Callable[[Rng], Any]) -> Callable[[Rng], Any]:
    """A fixed value, or a number by one of several rules."""
    return lambda rng: first if not (k := int(rng.integers(len(others) + 1))) else others[k - 1](rng)


def _information(rng: Rng) -> Floats | None:
    """An information matrix of one to four components whose scales differ by up to 10^6; none in every other loss."""
    if rng.random() < 0.5:
        return None
    d = int(rng.integers(1, 5))
    scale = 10 ** rng.uniform(-3, 3, d) if rng.random() < 0.7 else np.ones(d)
    root = rng.standard_normal((d, int(rng.integers(1, d + 1)) if rng.random() < 0.2 else d)) * scale[:, None]
    whole = root @ root.T
    return np.asarray((whole + whole.T) / 2)


# How to draw a parameter over its promised range, by its name.
PARAMETERS: dict[str, Callable[[Rng], Any]] = {
    "delta": _power(-6, 6),
    "gamma": _or(2.0, _power(-6, 6), lambda rng: float(rng.uniform(0, 5)), lambda rng: float(rng.integers(0, 11) / 2)),
    "alpha": _or(None, _power(-6, 0), lambda rng: float(rng.uniform(0, 1))),
    "clamp": _or(None, _power(-6, -0.31)),
    "pos_weight": _or(None, _power(-6, 6), _power(-1, 1)),
    "weight": _or("sudre", _power(-6, 6)),
    "weight_grad": lambda rng: str(rng.choice(["stop", "full"])),
    "class_weight": _or(None, lambda rng: np.asarray(10 ** rng.uniform(-6, 6, int(rng.choice(_MEMBERS))))),
    "label_smoothing": _or(0.0, _power(-6, 0), lambda rng: float(rng.uniform(0, 1))),
    "smooth_dr": _or(0.0, _power(-6, 6)),
    "smooth_nr": _or(0.0, _power(-6, 6)),
    "information": _information,
    "axis": lambda rng: -1,
    "per_sample": lambda rng: True,
    "ignore_index": lambda rng: None,
}


def drawn_loss(cls: type[Loss], rng: Rng) -> Loss:
    """A loss with random parameters, reduction "none"; a parameter without a rule keeps its default."""
    names = [f.name for f in fields(cls) if f.name in PARAMETERS]
    while True:
        given = {name: PARAMETERS[name](rng) for name in names}
        if "per_sample" in given:
            given["axis"] = 1
        try:
            return cls(**given, reduction="none")
        except ValueError:  # parameters that contradict each other
            continue


def _moved_loss(loss: Loss, rng: Rng, width: int) -> Loss:
    """A loss whose numbers moved, if that is one; a number that would leave 10^-6 … 10^6 stays."""
    given: dict[str, Any] = {}
    for f in fields(loss):
        old = getattr(loss, f.name)
        if f.name not in PARAMETERS or not isinstance(old, float | np.ndarray):
            continue
        a = np.atleast_1d(old)
        moved = _moved(np.ascontiguousarray(a), rng, width)
        stay = (rng.random(a.shape) < 0.25) | (a == 0) | ~((np.abs(moved) >= 1e-6) & (np.abs(moved) <= 1e6))
        new = np.where(stay, a, moved)
        if f.name == "information":
            new = (new + np.swapaxes(new, -1, -2)) / 2
        given[f.name] = float(new[0]) if isinstance(old, float) else new
    try:
        return replace(loss, **given)
    except ValueError:
        return loss


# ---- inputs ----------------------------------------------------------------------------------------------------------


def _drawn(loss: Loss, rng: Rng, predictions: int) -> Stacked:
    """Stacked units with about so many predictions, from a regime drawn for all of them."""
    domain_y, domain_yhat = loss.domain
    if not loss.layout.groups and not loss.reads_all_predictions:
        return _elements(loss, rng, predictions)
    size = int(rng.choice(_MEMBERS))
    if isinstance(domain_y, Classes):
        weights = getattr(loss, "class_weight", None)
        size = size if weights is None else len(weights)
        n = max(1, predictions // size)
        yhat = _logits(loss, rng, n, size) if isinstance(domain_yhat, Logit) else _numbers(loss, rng, (n, size))
        if domain_y.rows is not None and rng.random() < 0.5:
            return _masks(rng, _numbers_in(PROBABILITY, rng, yhat.shape, ())), yhat
        return rng.integers(0, size, n).astype(float), yhat
    if domain_y is REAL:  # residual vectors
        size = int(np.shape(loss.information)[-1])  # type: ignore[attr-defined]
        y, yhat = _elements(loss, rng, max(1, predictions // size) * size)
        return y.reshape(-1, size), yhat.reshape(-1, size)
    classes = (int(rng.choice([2, 3, 4])),) if len(loss.layout.groups) == 2 else ()
    n = max(1, predictions // size // (classes or (1,))[0])
    if loss.reads_all_predictions:
        n, size = _CALLS, int(rng.choice([5, 16, 1000]))
    shape = (n, *classes, size)
    yhat = _numbers(loss, rng, shape)
    return _without_lost_products(loss, _masks(rng, yhat), yhat, DOUBLE), yhat


def _without_lost_products(loss: Loss, y: Floats, yhat: Floats, form: Format) -> Floats:
    """Targets of an overlap, made 0 where a product that the loss promises nothing of would underflow."""
    if loss.sums is None or loss.reads_all_predictions:
        return y
    part = form.top / DOUBLE.top  # of the exponents of float64
    smallest, least = (0.0, 2.0 ** (-1000 * part)) if y.ndim == 2 else (2.0 ** (-230 * part), 2.0 ** (-540 * part))
    return np.asarray(np.where((y < smallest) | (y * yhat < least), 0.0, y))  # three axes: weights 1/R² of classes


def _elements(loss: Loss, rng: Rng, n: int) -> Stacked:
    """Targets and predictions, one loss each."""
    domain_y = loss.domain.y
    if domain_y is REAL:
        y = np.zeros(n) if rng.random() < 0.4 else _numbers_in(REAL, rng, (n,), (loss.scale, 1.0))
        kind = rng.integers(5)
        if kind == 0:
            return y, _numbers(loss, rng, (n,))
        if kind == 1:  # targets and predictions share most of their digits
            return y, _moved(y, rng, int(rng.integers(1, 53)))
        low, high = ((-14, 12), (-60, 60), (-1070, 1020))[kind - 2]
        yhat = y + loss.scale * np.ldexp(rng.uniform(1, 2, n), rng.integers(low, high, n)) * rng.choice([-1, 1], n)
        return y, np.where(np.isfinite(yhat), yhat, 0.0)
    yhat = _numbers(loss, rng, (n,))
    return (hard_numbers(domain_y, rng, n) if isinstance(domain_y, Labels) else _masks(rng, yhat)), yhat


def _masks(rng: Rng, yhat: Floats) -> Floats:
    """Targets from 0 to 1: hard, soft, or next to the predictions."""
    kind = rng.integers(5)
    if kind < 2:
        return np.asarray(rng.random(yhat.shape) < rng.choice([0.1, 0.5, 0.9]), np.float64)
    if kind == 2:
        return _numbers_in(PROBABILITY, rng, yhat.shape, ())
    if kind == 3:
        return _moved_inside(np.clip(yhat, 0.0, 1.0), PROBABILITY, rng, int(rng.integers(1, 53)))
    soft = _numbers_in(PROBABILITY, rng, yhat.shape, ())
    return np.asarray(np.where(rng.random(yhat.shape) < 0.5, soft, np.rint(rng.random(yhat.shape))))


def _logits(loss: Loss, rng: Rng, n: int, classes: int) -> Floats:
    """Rows of logits: of one size, with one that stands out, nearly equal, or at the border of the short form."""
    kind, shape = rng.integers(5), (n, classes)
    if kind == 0:
        return _numbers(loss, rng, shape)
    z = rng.standard_normal(shape) * 2.0 ** rng.uniform(-8, 8)
    if kind == 1:
        z[np.arange(n), rng.integers(0, classes, n)] += rng.uniform(0, 760, n)
    elif kind == 2:
        z = _moved(np.repeat(z[:, :1], classes, axis=1), rng, int(rng.integers(1, 53)))
    elif kind == 3:
        top = loss.short[1] if loss.short[1] < 1e3 else 300.0
        z = rng.uniform(-top, top, shape)
        z[:, 0] = top * (1 + rng.integers(-2, 3, n) * 2.0 ** -rng.integers(10, 53, n)) * rng.choice([-1, 1], n)
    return np.asarray(z)


def _numbers(loss: Loss, rng: Rng, shape: tuple[int, ...]) -> Floats:
    """Predictions: members of their domain, many of them next to the borders of formulas."""
    ends = [s for s in loss.short if 1e-300 < abs(s) < 1e300]
    kinks = [float(np.ravel(k)[0]) for k in loss.kinks(np.array([1.0]))]
    near = (*ends, *(1 - s for s in ends), *(-s for s in ends), *kinks, *(-k for k in kinks), 1.0, 0.5, -1.0)
    return _numbers_in(loss.domain.yhat, rng, shape, near)


def _numbers_in(domain: Domain, rng: Rng, shape: tuple[int, ...], near: Sequence[float]) -> Floats:
    """Members of a domain in one regime: hard ones, every magnitude, a few binades, next to a point, or uniform."""
    n = int(np.prod(shape))
    spread = 64.0 if isinstance(domain, Logit) else 1.0
    inside = [x for x in (*near, *(SATURATION if spread > 1 else ())) if not domain.outside(np.array(x))]
    kind = rng.integers(6)
    if kind == 0:
        a = hard_numbers(domain, rng, n)
    elif kind == 1:
        a = magnitudes(rng, n)
    elif kind == 2 or (kind == 3 and not inside):
        low = int(rng.integers(-70, 12))
        a = np.ldexp(rng.uniform(1, 2, n), rng.integers(low, low + int(rng.integers(1, 30)), n))
    elif kind == 3:
        middle = float(rng.choice(inside))
        off = np.ldexp(rng.uniform(1, 2, n), -rng.integers(1, 54, n)) * rng.choice([-1.0, 1.0], n)
        a = middle * (1 + off)
    elif kind == 4:
        a = rng.uniform(0, 1, n) * spread * 2.0 ** rng.uniform(-4, 4 if spread > 1 else 0)
    else:
        a = 1 - np.ldexp(rng.uniform(1, 2, n), -rng.integers(1, 53, n))
    a = np.where(rng.random(n) < 0.5, a, -a) if not domain.outside(np.array(-1.0)) else a
    spare = rng.uniform(0, 1, n)
    return np.where(domain.outside(a) | ~np.isfinite(a), spare, a).reshape(shape)
