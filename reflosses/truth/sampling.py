"""Hard inputs for a loss, made from its own domains: the same on every machine, whatever its CPU.

`hard` draws from the regimes where losses break (saturation, exact points, kinks and their neighbours, every
magnitude); `moderate` from the tame middle, where finite differences and other people's formulas are right.
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


class Problem(NamedTuple):
    """One call's worth of inputs."""

    y: Any
    yhat: Floats


def hard(loss: Loss, seed: int, points: int) -> Iterator[Problem]:
    """Problems with about `points` predictions in all, at adversarial inputs."""
    return _problems(loss, np.random.default_rng(seed), points, _Hard())


def moderate(loss: Loss, seed: int, points: int, size: int | None = None) -> Iterator[Problem]:
    """Problems with about `points` predictions in all, away from every extreme and every kink.

    `size`: how many classes a row has, or pixels an overlap of one class; drawn where it is not given.
    """
    return _problems(loss, np.random.default_rng(seed), points, _Moderate(), size)


def _problems(loss: Loss, rng: Rng, points: int, draw: _Hard | _Moderate, size: int | None = None) -> Iterator[Problem]:
    if not loss.layout.groups and not loss.reads_all_predictions:
        yield Problem(*draw.elements(loss, rng, points))
        return
    drawn = 0
    while drawn < points:
        problem = _units(loss, rng, draw, size)
        yield problem
        drawn += problem.yhat.size


def _units(loss: Loss, rng: Rng, draw: _Hard | _Moderate, size: int | None) -> Problem:
    """One call with some dozens of class rows, overlaps or vectors, or with the one loss that it makes."""
    n = 1 if one_loss_a_call(loss) else 24
    given, size = size is not None, size or int(rng.choice([1, 2, 3, 5, 8, 33]))
    if loss.reads_all_predictions:
        y, yhat = draw.overlaps(rng, (size,))
        if loss.domain.yhat.outside(yhat).any():  # no prediction at all
            yhat[0] = 0.375
        return Problem(y, yhat)
    if isinstance(loss.domain.y, Classes):
        weights = getattr(loss, "class_weight", None)
        return _class_rows(loss, rng, n, size if weights is None else len(weights), draw)
    if loss.domain.y is REAL:
        width = int(np.shape(loss.information)[-1])  # type: ignore[attr-defined]
        y, yhat = draw.elements(loss, rng, n * width)
        return Problem(y.reshape(n, width), yhat.reshape(n, width))
    shape = (n, 3 if given else int(rng.choice([2, 3, 4])), size) if len(loss.layout.groups) == 2 else (n, size)
    y, yhat = draw.overlaps(rng, shape)
    return Problem(*unstack(loss, y, yhat))


def _class_rows(loss: Loss, rng: Rng, n: int, classes: int, draw: _Hard | _Moderate) -> Problem:
    domain: Classes = loss.domain.y
    yhat = draw.rows(loss.domain.yhat, rng, n, classes)
    if domain.rows is not None and rng.random() < 0.4:
        y = draw.numbers(domain.rows, rng, n * classes).reshape(n, classes)
        return Problem(*unstack(loss, y, yhat))
    return Problem(*unstack(loss, domain.of(classes).sample(rng, n), yhat))


class _Hard:
    """Draws where things break."""

    def numbers(self, domain: Domain, rng: Rng, n: int) -> Floats:
        return domain.sample(rng, n)

    def elements(self, loss: Loss, rng: Rng, n: int) -> tuple[Floats, Floats]:
        y, yhat = loss.domain.y.sample(rng, n), loss.domain.yhat.sample(rng, n)
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
        finite = np.isfinite(yhat)
        return y, np.where(finite, yhat, 0.0)

    def rows(self, domain: Domain, rng: Rng, n: int, classes: int) -> Floats:
        z = domain.sample(rng, n * classes).reshape(n, classes)
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
        p = PROBABILITY.sample(rng, prod(shape)).reshape(shape)
        off = np.ldexp(rng.integers(1, 2**53, shape).astype(float), -53 - int(rng.choice([0, 5, 20, 53, 500])))
        return y, np.select([rng.random(shape) < 0.4, rng.random(shape) < 0.3], [np.abs(y - off), y], p)


class _Moderate:
    """Draws where every sensible formula is right."""

    def numbers(self, domain: Domain, rng: Rng, n: int) -> Floats:
        if isinstance(domain, Labels | Classes):
            return domain.sample(rng, n)
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
