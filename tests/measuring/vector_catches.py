"""Functions run on the vectors in files: which test finds what is wrong with them, and at which level."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

import reflosses
from reflosses.comparison.result import LEVELS
from reflosses.evaluation.loss import Loss
from reflosses.truth.vector_files import Vector

import planted

MEMBER = "member"  # after the levels: at a kink, another slope between the one-sided derivatives than is documented
ORDER = (*LEVELS[:3], MEMBER, *LEVELS[3:])

Function = Callable[[Any, Any, Any], tuple[Any, Any]]  # y, yhat, weight → value and gradient, or None for one of them


class Caught(NamedTuple):
    """A test that finds something wrong."""

    vector: Vector
    level: str
    fault: str


def caught(function: Function, tests: Iterable[Vector]) -> list[Caught]:
    """The tests at which a function is wrong, those of the first level first."""
    found = []
    for test in tests:
        y, yhat = test.y.copy(), test.yhat.copy()
        try:
            with np.errstate(all="ignore"):
                value, gradient = function(y, yhat, test.weight)
        except Exception as error:
            if not (test.must_refuse or "Empty" in test.flags or "NaNInput" in test.flags):
                found.append(Caught(test, _level(test, np.nan), f"{type(error).__name__}: {error}"))
            continue
        fault = test.fault(value, gradient)
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in ((y, test.y), (yhat, test.yhat))):
            found.append(Caught(test, "formula", "its arguments are changed"))
        elif fault:
            wild = any(a is not None and not np.isfinite(a).all() for a in (value, gradient))
            found.append(Caught(test, _level(test, np.nan if wild else 0.0), fault))
        elif "Kink" in test.flags and gradient is not None and (np.asarray(gradient) != test.gradient).any():
            found.append(Caught(test, MEMBER, f"gradient is {gradient}, not {test.gradient}"))
    return sorted(found, key=lambda c: ORDER.index(c.level))


def _level(test: Vector, worst: float) -> str:
    """The level of a finding: infinity or NaN at a hard input is one of range, not of digits."""
    return "range" if test.level == "digits" and not np.isfinite(worst) else test.level


def asked_of(loss: Loss, format: str = "float64") -> list[Vector]:
    """The tests of a loss, without those that must be refused."""
    return [
        v for v in reflosses.vectors(type(loss).__name__) if (v.loss, v.format) == (loss, format) and not v.must_refuse
    ]


@cache
def caught_mistakes() -> dict[str, list[Caught]]:
    """The planted mistakes, and the tests that find each."""
    out = {}
    for mistake in planted.mistakes():
        tests = asked_of(mistake.right)

        def function(y: Any, yhat: Any, weight: Any, m: Any = mistake) -> tuple[Any, Any]:
            return m.value(y, yhat, weight=weight), m.grad(y, yhat, weight=weight)

        out[type(mistake).__name__] = caught(function, tests)
    return out
