"""The vectors in files alone find the defects that people reported, at tests that cite the report."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from known_defects import KNOWN, Known
from needed import need
from vector_catches import Caught, caught

import reflosses
from reflosses.comparison.battery import TARGET_KINDS
from reflosses.comparison.expected import parts
from reflosses.comparison.formats import FORMATS
from reflosses.evaluation.domain import Classes
from reflosses.evaluation.loss import Loss
from reflosses.frameworks.function import Function
from reflosses.truth.vector_files import Vector

# Defects that no test of float64 or float32 arrays can show.
NARROW = {"pytorch#29429", "jax#40409", "keras#15014"}  # float16 or bfloat16 alone
PARAMETER = {"pytorch#134767", "pytorch#64256"}  # a parameter of the function that must be refused
BEYOND = NARROW | PARAMETER


def alike(test: Vector, loss: Loss) -> bool:
    """Whether a test is one of this loss: another axis, or an index that nothing has, makes no difference."""
    if type(test.loss) is not type(loss):
        return False
    free = {"axis"} if isinstance(loss.domain.y, Classes) and test.yhat.ndim == 2 else set()
    free |= {"ignore_index"} if "Ignored" not in test.flags else set()
    return all(
        np.array_equal(getattr(test.loss, f.name), getattr(loss, f.name))  # type: ignore[arg-type]
        for f in fields(loss)
        if f.name not in free
    )


def asked_of(function: Function, loss: Loss, dtype: str) -> Iterator[Vector]:
    """The tests that a function can be asked."""
    for test in reflosses.vectors(type(loss).__name__):
        if test.format != dtype or not alike(test, loss):
            continue
        by_class = isinstance(loss.domain.y, Classes)
        if by_class and (1 if test.y.ndim < test.yhat.ndim else 2) not in TARGET_KINDS[function.targets]:
            continue
        if test.must_refuse:
            yield test
            continue
        y, yhat = function.inputs(np.asarray(test.y, float), np.asarray(test.yhat, float), FORMATS[dtype].eps)
        if np.array_equal(y, test.y) and np.array_equal(yhat, test.yhat, equal_nan=True):
            yield test


def findings(known: Known) -> list[Caught]:
    framework, function = known.asked()
    need(framework.package)
    found = []
    for given in [known.given] if known.given is not None else function.tried:
        factor, loss = parts(function.loss(given))
        candidate = framework.candidate(function, given, FORMATS[known.dtype])

        def ask(y: Any, yhat: Any, weight: Any, candidate: Any = candidate, factor: float = factor) -> Any:
            answer = candidate.ask(np.asarray(y), np.asarray(yhat, float), weight)
            if answer.error:
                raise ValueError(answer.error)
            value, grad = (None if a is None else a / factor for a in (answer.value, answer.grad))
            return (value, None) if known.what == "value" else (None, grad)

        tests = list(asked_of(function, loss, known.dtype))
        found += caught(ask, [t for t in tests if t.weight is None or candidate.takes_weight])
    return found


@pytest.mark.parametrize(
    "known", [k for k in KNOWN if k.thread not in BEYOND], ids=lambda k: f"{k.thread} {k.function} {k.dtype}"
)
def test_a_reported_defect_is_found_by_a_test_that_cites_it(known: Known) -> None:
    citing = [found for found in findings(known) if known.url in found.vector.reports]
    assert citing
    invalid = known.verdict == "accepts invalid input"
    assert all((found.level == "domain") == invalid for found in citing)


def test_what_vectors_cannot_show_is_little() -> None:
    assert {k.thread for k in KNOWN if k.dtype in ("float16", "bfloat16")} == NARROW
    assert {k.thread for k in KNOWN} >= BEYOND
