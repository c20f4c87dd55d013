"""The programs that read the vectors in other languages: a right function passes, a wrong one fails by its ids.

Two are compiled and run here; with REFLOSSES_VECTORS=all (`make consumers`) all five are.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.special import expit

import reflosses
from reflosses.catalogue import losses, stem
from reflosses.evaluation.loss import Loss

HERE = Path(__file__).parent
FOLDER = Path(reflosses.__file__).parent / "data" / "vectors"
NONE = {"reduction": "none"}
LONGEST = 60

Wrong = Callable[[Loss, Any, Any], tuple[Any, Any]]


class Consumer(NamedTuple):
    """A program: how it is compiled and run, its loss, and a twin in Python of its wrong function.

    compiled: the arguments of the compiler; without any, the tool runs the source. free: parameters that may have any
    value. left_out: flags of tests that it skips.
    """

    source: str
    tool: str
    compiled: tuple[str, ...]
    loss: Loss
    wrong: Wrong
    free: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()

    def takes(self, loss: Loss) -> bool:
        """Whether it is asked the tests of a loss."""
        return replace(loss, **{name: getattr(self.loss, name) for name in self.free}) == self.loss


def rounded_gradient(loss: Loss, y: Any, z: Any) -> tuple[Any, Any]:
    return loss.value(y, z), expit(z) - y


def without_half(loss: Any, y: Any, yhat: Any) -> tuple[Any, Any]:
    r = abs(yhat - y)
    return np.where(r < loss.delta, r * r / 2, loss.delta * r), loss.grad(y, yhat)


def rounded_sum(loss: Loss, y: Any, z: Any) -> tuple[Any, Any]:
    top = z.max(axis=-1)
    return top - z[np.arange(len(y)), y] + np.log(np.exp(z - top[:, None]).sum(axis=-1)), loss.grad(y, z)


def clipped(loss: Loss, y: Any, p: Any) -> tuple[Any, Any]:
    return loss.value_and_grad(y, np.clip(p, 1e-7, 1 - 1e-7))


def rounded_one(loss: Any, y: Any, yhat: Any) -> tuple[Any, Any]:
    u = abs(yhat - y) / loss.delta
    return np.where(u > 1e100, loss.value(y, yhat), loss.delta**2 * np.log(1 + u * u)), loss.grad(y, yhat)


STRICT = ("-O1", "-Wall", "-Wextra", "-Werror")
FAST = (
    Consumer("consumer.c", "cc", (*STRICT, "-lm"), reflosses.BinaryCrossEntropyWithLogits(**NONE), rounded_gradient),
    Consumer("consumer.js", "node", (), reflosses.BinaryCrossEntropy(**NONE), clipped),
)
SLOW = (
    Consumer("consumer.cpp", "c++", (*STRICT, "-std=c++17"), reflosses.Huber(**NONE), without_half, ("delta",)),
    Consumer(
        "consumer.rs",
        "rustc",
        ("-D", "warnings"),
        reflosses.CrossEntropy(**NONE),
        rounded_sum,
        (),
        frozenset(("TargetRows", "Weighted")),
    ),
    Consumer("Consumer.java", "java", (), reflosses.Cauchy(**NONE), rounded_one, ("delta",)),
)
CONSUMERS = (*FAST, *SLOW) if os.environ.get("REFLOSSES_VECTORS") else FAST


def found(tool: str) -> str:
    cargo = Path.home() / ".cargo" / "bin" / tool
    where = shutil.which(tool) or (str(cargo) if cargo.exists() else "")
    if not where:
        pytest.skip(f"{tool} is not here")
    return where


def run(*command: str) -> tuple[int, list[str]]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout.splitlines() or done.stderr.splitlines()


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda c: c.source)
def test_a_consumer_passes_a_right_function_and_names_what_a_wrong_one_fails(
    consumer: Consumer, tmp_path: Path
) -> None:
    source, tool = HERE / consumer.source, found(consumer.tool)
    program = [tool, str(source)]
    if consumer.compiled:
        program = [str(tmp_path / "consumer")]
        options = [o for o in consumer.compiled if not o.startswith("-l")]
        libraries = [o for o in consumer.compiled if o.startswith("-l")]
        status, said = run(tool, *options, str(source), "-o", program[0], *libraries)
        assert status == 0, said
    name = type(consumer.loss).__name__
    file = str(FOLDER / f"{stem(losses()[name])}.json")
    tests = [v for v in reflosses.vectors(name) if v.format == "float64" and not v.must_refuse]
    tests = [v for v in tests if not consumer.left_out & {*v.flags}]
    asked = [t for t in tests if consumer.takes(t.loss)]

    empty = tmp_path / "empty.json"
    empty.write_text('{\n"groups": []\n}\n')
    assert run(*program, str(empty)) == (1, ["0 tests, 0 failed"])  # no test is no success
    status, lines = run(*program, file)
    assert (status, lines) == (0, [f"{len(asked)} tests, 0 failed"])

    def wrong(t: Any) -> Any:
        value, grad = consumer.wrong(t.loss, t.y, t.yhat)
        if t.weight is None:
            return value, grad
        return tuple(np.where(t.weight == 0, 0.0, a * t.weight) for a in (value, grad))

    with np.errstate(all="ignore"):
        due = {t.id for t in asked if t.fault(*wrong(t))}
    status, lines = run(*program, file, "wrong")
    failed = {line.removeprefix("FAIL ") for line in lines[:-1]}
    assert status == 1
    assert lines[-1] == f"{len(asked)} tests, {len(failed)} failed"
    assert failed <= {t.id for t in asked}
    assert len(failed & due) > len(due) / 2  # not all: exp and log differ in the last place


def test_every_consumer_is_short() -> None:
    sources = {
        p.name: p.read_text("utf-8").splitlines()
        for p in HERE.iterdir()
        if p.is_file() and p.suffix not in (".py", ".pyc")
    }
    assert set(sources) == {c.source for c in (*FAST, *SLOW)}
    for name, lines in sources.items():
        assert len(lines) <= LONGEST, name
        assert max(map(len, lines)) <= 120, name
        assert re.match(r"// Runs the vectors of \w+", lines[0]), name
