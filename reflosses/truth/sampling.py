"""Hard inputs for a loss, made from its own domains: the same on every machine, whatever its CPU.

`hard` draws from the regimes where losses break: saturation, exact points, kinks and their neighbours, every magnitude.
`moderate` draws from the tame middle, where finite differences and other people's formulas are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from reflosses.evaluation.domain import PROBABILITY, REAL, Classes, Domain, Floats, Interval, Labels, Logit
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import one_loss_a_call, unstack

Rng = np.random.Generator

# Margins at which float16, float32 and float64 saturate. 1 − σ(z) loses its digits at 8, 17 and 37; exp(−z) is
# subnormal from 87 and 708 on, and 0 from 104 and 745 on.
SATURATION = (8.0, 17.0, 20.0, 37.0, 87.0, 104.0, 708.0, 745.0)


class Problem(NamedTuple):
    """The inputs of one call."""

    y: Any
    yhat: Floats


def hard(loss: Loss, seed: int, points: int) -> Iterator[Problem]:
    """Problems with about `points` predictions in all, at adversarial inputs."""
    return _problems(loss, np.random.default_rng(seed), points, _Hard())


def moderate(loss: Loss, seed: int, points: int, size: int | None = None) -> Iterator[Problem]:
    """Problems with about `points` predictions in all, away from every extreme and every kink.

    `size`: the classes of a row, or the pixels of a mask; drawn if it is not given.
    """
    return _problems(loss, np.random.default_rng(seed), points, _Moderate(), size)


def accepts(loss: Loss, y: Any, yhat: Any) -> bool:
    """Whether a loss takes these arguments. A domain cannot always tell: predictions may need a sum above 0."""
    try:
        loss.value(y, yhat)
    except ValueError:
        return False
    return True


def _problems(loss: Loss, rng: Rng, points: int, draw: _Hard | _Moderate, size: int | None = None) -> Iterator[Problem]:
    if not loss.layout.groups and not loss.reads_all_predictions:
        yield Problem(*draw.elements(loss, rng, points))
        return
    drawn = 0
    while drawn < points:
        problem = Problem(*unstack(loss, *_stacked(loss, rng, draw, size)))
        yield problem
        drawn += problem.yhat.size


def _stacked(loss: Loss, rng: Rng, draw: _Hard | _Moderate, size: int | None) -> tuple[Floats, Floats]:
    """24 stacked class rows, overlaps or vectors, or one if a call is one loss."""
    n = 1 if one_loss_a_call(loss) else 24
    given, size = size is not None, size or int(rng.choice([1, 2, 3, 5, 8, 33]))
    if loss.reads_all_predictions:
        y, yhat = draw.overlaps(rng, (size,))
        if not accepts(loss, y, yhat):  # it divides by their sum, and all are 0
            yhat[0] = 0.375
        return y[None], yhat[None]
    if isinstance(loss.domain.y, Classes):
        domain, weights = loss.domain.y, getattr(loss, "class_weight", None)
        classes = size if weights is None else len(weights)
        yhat = draw.rows(loss.domain.yhat, rng, n, classes)
        if domain.rows is not None and rng.random() < 0.4:
            return draw.numbers(domain.rows, rng, n * classes).reshape(n, classes), yhat
        return hard_numbers(domain.of(classes), rng, n), yhat
    if loss.domain.y is REAL:
        width = int(np.shape(loss.information)[-1])  # type: ignore[attr-defined]
        y, yhat = draw.elements(loss, rng, n * width)
        return y.reshape(n, width), yhat.reshape(n, width)
    if len(loss.layout.groups) == 2:
        return draw.overlaps(rng, (n, 3 if given else int(rng.choice([2, 3, 4])), size))
    return draw.overlaps(rng, (n, size))


# ---- numbers of a domain ---------------------------------------------------------------------------------------------


def magnitudes(rng: Rng, n: int) -> Floats:
    """Positive floats over the whole range, subnormal to maximal; made of integers, so the same on every CPU."""
    return np.asarray(np.ldexp(rng.integers(2**52, 2**53, n).astype(float), rng.integers(-1127, 971, n)))


def hard_numbers(domain: Domain, rng: Rng, n: int) -> Floats:
    """`n` hard members of a domain: its ends and their neighbours, saturation, every magnitude."""
    if isinstance(domain, Labels):
        return np.asarray(rng.choice(domain.values, n))
    if isinstance(domain, Classes):
        return rng.integers(0, domain.count, n).astype(float)
    if isinstance(domain, Logit):
        sign = rng.choice([-1.0, 1.0], n)
        near = np.asarray(rng.choice(SATURATION, n)) + rng.integers(-2048, 2049, n) / 1024.0
        pools = [
            sign * near,
            rng.integers(-10 * 2**40, 10 * 2**40, n) / 2.0**40,
            rng.integers(-750 * 2**30, 750 * 2**30, n) / 2.0**30,
            sign * magnitudes(rng, n),
            np.asarray(rng.choice([0.0, -0.0, 1e4, -1e4, 1e10, -1e10, 5e-324, -1.7976931348623157e308], n)),
        ]
        return np.choose(rng.choice(len(pools), n, p=[0.3, 0.3, 0.2, 0.12, 0.08]), pools)
    if not isinstance(domain, Interval):
        raise TypeError(f"no hard numbers are known of {domain!r}")
    pools = [
        magnitudes(rng, n),
        -magnitudes(rng, n),
        np.ldexp(rng.integers(1, 2**53, n).astype(float), -53),  # uniform in (0, 1]
        rng.integers(-40, 41, n) / 4.0,
        1.0 - np.ldexp(rng.integers(1, 64, n).astype(float), -53),  # next to one
        1.0 - np.ldexp(1.0, -rng.integers(1, 54, n)),
        np.asarray(rng.choice([0.0, -0.0, 1.0, -1.0, 0.5, 5e-324, 2.0**-1022, 1.7976931348623157e308], n)),
    ]
    picked = np.choose(rng.integers(0, len(pools), n), pools)
    inside = ~domain.outside(picked) & np.isfinite(picked)
    spare = np.ldexp(rng.integers(1, 2**53, n).astype(float), -53)  # replaces the few that are outside
    low = domain.low if np.isfinite(domain.low) else 0.0
    high = domain.high if np.isfinite(domain.high) else low + 1.0
    return np.where(inside, picked, low + spare * (high - low))


# ---- arguments of a loss ---------------------------------------------------------------------------------------------


class _Hard:
    """Draws inputs at which formulas break."""

    numbers = staticmethod(hard_numbers)

    def elements(self, loss: Loss, rng: Rng, n: int) -> tuple[Floats, Floats]:
        y, yhat = hard_numbers(loss.domain.y, rng, n), hard_numbers(loss.domain.yhat, rng, n)
        if loss.domain.y is REAL:
            exponent = rng.integers(-60, 61, n)
            residual = loss.scale * np.ldexp(rng.integers(2**52, 2**53, n) / 2.0**52, exponent)
            with np.errstate(over="ignore"):
                close = y + rng.choice([-1.0, 1.0], n) * residual
            y = np.where(rng.random(n) < 0.25, 0.0, y)
            yhat = np.choose(rng.integers(0, 3, n), [yhat, close, y + residual])
            yhat = np.where(rng.random(n) < 0.02, y, yhat)
        for kink in loss.kinks(y):
            steps = rng.integers(-2, 3, n)
            with np.errstate(over="ignore", invalid="ignore"):
                near = kink + steps * np.spacing(np.abs(kink))
            usable = (rng.random(n) < 0.1) & np.isfinite(near) & ~loss.domain.yhat.outside(near)
            yhat = np.where(usable, near, yhat)
        return y, np.where(np.isfinite(yhat), yhat, 0.0)

    def rows(self, domain: Domain, rng: Rng, n: int, classes: int) -> Floats:
        z = hard_numbers(domain, rng, n * classes).reshape(n, classes)
        if not isinstance(domain, Logit):
            return z
        tame = rng.integers(-40 * 2**30, 40 * 2**30, (n, classes)) / 2.0**30
        margin = tame.copy()
        margin[np.arange(n), rng.integers(0, classes, n)] += np.asarray(
            rng.choice([17.0, 37.0, 87.0, 640.0, 700.0, 745.0], n)
        )
        offset = rng.choice([0.0, 1e3, -1e3, 1e8, -1e15], n)[:, None]
        level = np.repeat(-np.asarray(rng.choice([650.0, 720.25, 744.5, 745.2], n))[:, None], classes, axis=1)
        level[:, 0] = 0.0  # all other classes at one margin, in the subnormal tail
        kind = rng.integers(0, 7, n)[:, None]
        kinds = [kind == i for i in range(6)]
        return np.select(kinds, [z, margin, tame + offset, tame, level, level + tame / 1024], np.rint(tame))

    def overlaps(self, rng: Rng, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
        y = (rng.random(shape) < rng.choice([0.0, 0.2, 0.5, 1.0])).astype(float)
        if rng.random() < 0.3:  # soft targets
            y = np.ldexp(rng.integers(0, 2**53 + 1, shape).astype(float), -53)
        p = hard_numbers(PROBABILITY, rng, prod(shape)).reshape(shape)
        off = np.ldexp(rng.integers(1, 2**53, shape).astype(float), -53 - int(rng.choice([0, 5, 20, 53, 500])))
        return y, np.select([rng.random(shape) < 0.4, rng.random(shape) < 0.3], [np.abs(y - off), y], p)


class _Moderate:
    """Draws inputs at which every sensible formula is right."""

    def numbers(self, domain: Domain, rng: Rng, n: int) -> Floats:
        if isinstance(domain, Labels | Classes):
            return hard_numbers(domain, rng, n)
        unit = rng.integers(1, 2**40, n) / 2.0**40
        if isinstance(domain, Logit):
            return (unit - 0.5) * 20
        if isinstance(domain, Interval) and np.isfinite(domain.high):
            return 1e-3 + unit * (1 - 2e-3)
        return (unit - 0.5) * 10

    def elements(self, loss: Loss, rng: Rng, n: int) -> tuple[Floats, Floats]:
        y, yhat = self.numbers(loss.domain.y, rng, n), self.numbers(loss.domain.yhat, rng, n)
        if loss.domain.y is REAL:  # |r| from scale/1000 to 1000 scale, by halves of powers of two
            residual = loss.scale * np.ldexp(rng.integers(2**20, 2**21, n) / 2.0**20, rng.integers(-9, 9, n))
            y = y * min(loss.scale, 1e3)
            yhat = y + rng.choice([-1.0, 1.0], n) * residual
        for kink in loss.kinks(y):
            close = np.abs(yhat - kink) < 1e-3 * np.minimum(loss.scale, np.abs(kink) + 1e-2)
            yhat = np.where(close, (yhat + 3 * kink + 0.5) / 5, yhat)
        return y, yhat

    def rows(self, domain: Domain, rng: Rng, n: int, classes: int) -> Floats:
        return self.numbers(domain, rng, n * classes).reshape(n, classes)

    def overlaps(self, rng: Rng, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
        y = (rng.random(shape) < 0.4).astype(float) if rng.random() < 0.6 else rng.random(shape)
        return y, self.numbers(PROBABILITY, rng, prod(shape)).reshape(shape)
