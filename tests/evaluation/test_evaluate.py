"""Blocks, threads and buffers: they change no bit of a result, and hold no more memory than they say."""

import itertools
import math
import os
import pickle
import re
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import reflosses as rl
from reflosses.catalogue import examples, losses
from reflosses.evaluation import evaluate, output
from reflosses.evaluation import threads as sharing
from reflosses.evaluation.call import Call
from reflosses.evaluation.domain import PROBABILITY
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.sums import exact_sum
from reflosses.evaluation.threads import in_parallel
from reflosses.truth import sampling
from reflosses.truth.sampling import Problem

LOSSES = [loss for cls in losses().values() for loss in examples(cls)]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
MEBI = 2**20


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    """Whatever a test asks for, the next one begins with two threads and the blocks of the library."""
    rl.set_num_threads(2)
    yield
    rl.set_num_threads(2)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Blocks of so many predictions, evaluated by so many threads however few there are."""

    def chosen(block: int | None, threads: int) -> None:
        if block is not None:
            monkeypatch.setattr(evaluate, "_BLOCK", block)
        monkeypatch.setattr(evaluate, "_WORTH_SHARING", 0)
        rl.set_num_threads(threads)

    return chosen


def problems(loss: Loss) -> list[Problem]:
    """Ordinary numbers and hard ones, some of each."""
    return [max(sampling.moderate(loss, 5, 60), key=lambda p: p.yhat.size), *list(sampling.hard(loss, 6, 60))[:3]]


def results(loss: Loss, y: Any, yhat: Any, weight: Any) -> list[bytes]:
    value, grad = loss.value_and_grad(y, yhat, weight=weight)
    low, high = loss.subgradient(y, yhat, weight=weight)
    alone = loss.value(y, yhat, weight=weight), loss.grad(y, yhat, weight=weight)
    return [np.asarray(a).tobytes() for a in (value, grad, low, high, *alone)]


def settings(loss: Loss, y: Any, yhat: Any) -> list[tuple[Loss, Any]]:
    """The reductions, without weights and with: some zero, which leaves units out."""
    shape = loss.layout.bind(yhat.shape).value_shape
    weight = (
        np.random.default_rng(3).integers(loss.reads_all_predictions, 4, shape) / 8
    )  # a coupled loss may need every prediction
    soft_weighted = np.shape(y) == yhat.shape and getattr(loss, "class_weight", None) is not None
    found = []
    for reduction in ("mean", "weighted_mean", "sum", "none"):
        if reduction == "weighted_mean" and soft_weighted:
            continue  # there is none
        each = replace(loss, reduction=reduction)
        found += [(each, None), (each, weight)]
    return found


@pytest.mark.parametrize(("last", "total"), [(0.0, 1.0), (5e-324, 1 + 2.0**-52)])
def test_a_sum_that_one_cut_leaves_open_is_made_exact(last: float, total: float, monkeypatch: Any) -> None:
    """Two floats are as near to 1 + 2^-53, and less than a subnormal number decides."""
    asked = []
    monkeypatch.setattr(evaluate, "exact_sum", lambda x: asked.append(x) or exact_sum(x))
    yhat = np.array([1.0, 2.0**-53, last])
    assert rl.MeanAbsoluteError(reduction="sum").value(np.zeros(3), yhat) == total
    assert asked
    asked.clear()
    assert rl.MeanAbsoluteError(reduction="sum").value(np.zeros(3), np.array([1.0, 2.0**-50, 0.3])) == 1.3 + 2.0**-50
    assert not asked


@pytest.mark.parametrize("tail", [0.0, 2.0**-100])  # less than one cut tells
def test_sums_inside_a_long_unit_are_made_exact_too(tail: float, monkeypatch: Any) -> None:
    """P + T − 2I is 0.5 + 2^-54, halfway between two floats, and a little more; P + T is 1 more, and rounds to 1.5."""
    monkeypatch.setattr(evaluate, "_LONG", 2)
    asked = []
    monkeypatch.setattr(evaluate, "exact_sum", lambda x: asked.append(x) or exact_sum(x))
    y, yhat = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.5, 2.0**-54, tail, 0.0])
    p = [Fraction(x) for x in yhat.tolist()]
    missed = float(1 - p[0] + sum(p[1:]))
    assert missed == (0.5 + 2.0**-53 if tail else 0.5)
    assert rl.Dice().value(y, yhat) == missed / 1.5
    assert asked


@every_loss
def test_blocks_and_threads_change_no_bit(loss: Loss, cut: Any) -> None:
    rows = []
    for k, (y, yhat) in enumerate(problems(loss)):  # each setting at every other problem
        rows += [(each, y, yhat, w) for i, (each, w) in enumerate(settings(loss, y, yhat)) if (i + i // 2 + k) % 2]
    expected = [results(*row) for row in rows]
    for block, threads in [(1, 1), (7, 5), (1000, 2)]:
        cut(block, threads)
        assert [results(*row) for row in rows] == expected


@pytest.mark.parametrize(
    "loss", [rl.Dice(), rl.IoU(axis=0), rl.GeneralizedDice(), rl.GeneralizedDice(axis=1, per_sample=True)]
)
def test_blocks_inside_a_unit_change_no_bit(loss: Loss, cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    y, yhat = rng.integers(0, 2, (12, 3, 5)), rng.random((12, 3, 5))
    monkeypatch.setattr(evaluate, "_LONG", 10)
    rows = [(each, y, yhat, w) for each, w in settings(loss, y, yhat)]
    expected = [results(*row) for row in rows]
    for block, threads in [(1, 1), (1, 5), (7, 2), (100, 1), (None, 5)]:
        cut(block, threads)
        assert [results(*row) for row in rows] == expected
    monkeypatch.undo()
    for (each, *arguments), (value, *_) in zip(rows, expected, strict=True):
        np.testing.assert_array_max_ulp(
            np.frombuffer(value), np.ravel(each.value(*arguments[:2], weight=arguments[2])), 4
        )


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("units", [1, 9, 10, 11, 29, 30, 31, 100])
def test_blocks_hold_every_unit_once_and_threads_get_as_many(units: int, threads: int, cut: Any) -> None:
    cut(10, threads)
    (boxes,) = evaluate.groups(Call(rl.Huber(), np.zeros(units), np.zeros(units)))
    held = [np.arange(units)[box].tolist() for box in boxes]
    assert [i for each in held for i in each] == list(range(units))
    sizes = [len(each) for each in held]
    assert max(sizes) <= 10
    if units > 10 * threads:
        assert max(sizes) - min(sizes[:-1]) == 0  # the last may be shorter
        assert len(sizes) % threads == 0 or max(sizes) < 10


def test_what_a_few_shapes_decide_is_kept() -> None:
    loss = rl.Huber()
    for n in [*range(1, 200), 3, 3]:
        assert loss.value(np.zeros(n), np.full(n, 0.5)) == 0.125
        assert loss.value(np.zeros((n, 2)), np.full((n, 2), 0.5)) == 0.125
        assert len(loss.shapes) <= 64
    for _ in range(2):
        with pytest.raises(ValueError, match="they must be equal"):
            loss.value(np.zeros(3), np.zeros(4))
    assert loss == rl.Huber()
    assert pickle.loads(pickle.dumps(loss)).shapes == {}


@every_loss
def test_where_the_arrays_lie_changes_no_bit(loss: Loss, cut: Any) -> None:
    cut(7, 2)
    for y, yhat in problems(loss):
        expected = results(loss, y, yhat, None)
        apart = np.repeat(yhat[..., None], 2, axis=-1)[..., 0]
        assert results(loss, y, np.asfortranarray(yhat), None) == expected
        assert results(loss, np.asfortranarray(y), apart, None) == expected
        reverse = (slice(None, None, -1),) * yhat.ndim
        assert results(loss, y, yhat[reverse].copy()[reverse], None) == expected


@pytest.mark.parametrize("loss", [rl.CrossEntropy(), rl.CrossEntropy(label_smoothing=0.1)])
def test_long_rows_may_lie_anywhere(loss: Loss) -> None:
    rng = np.random.default_rng(9)
    y, yhat = rng.integers(0, 70, (20, 3)), 10 * rng.standard_normal((20, 3, 70))
    expected = results(loss, y, yhat, None)
    for axes in [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)]:
        for steps in itertools.product((1, -1, 2), repeat=3):
            room = np.zeros([n * abs(s) for n, s in zip(yhat.transpose(axes).shape, steps, strict=True)])
            view = room[tuple(slice(None, None, s) for s in steps)]
            view[...] = yhat.transpose(axes)
            assert results(loss, y, view.transpose(np.argsort(axes)), None) == expected


@every_loss
@pytest.mark.parametrize("weighted", [False, True])
def test_minus_zero_is_zero(loss: Loss, weighted: bool) -> None:
    rng = np.random.default_rng(11)
    for y, yhat in sampling.moderate(loss, 5, 200):
        some = rng.random(yhat.shape) < 0.5
        zero, minus = np.where(some, 0.0, yhat), np.where(some, -0.0, yhat)
        if not zero.any():
            continue
        weight = rng.random(loss.layout.bind(yhat.shape).value_shape) if weighted else None
        assert results(loss, y, minus, weight) == results(loss, y, zero, weight)
        if loss.domain[0] == PROBABILITY:
            soft = np.where(some, 0.0, rng.integers(0, 2**54, yhat.shape) / 2.0**54)
            assert results(loss, soft, minus, weight) == results(loss, soft, zero, weight)


def test_large_inputs_in_blocks_of_the_library(cut: Any) -> None:
    rng = np.random.default_rng(4)
    n = 300_001
    y, z, label = rng.standard_normal(n), 3 * rng.standard_normal(n), rng.integers(0, 2, n)
    ignored = rl.CrossEntropy(ignore_index=1)
    rows = z[: 4 * (n // 4)].reshape(-1, 4)
    cases = [
        (rl.Huber(delta=0.7), y, z),
        (rl.BinaryCrossEntropyWithLogits(), label, z),
        (rl.Dice(), label, 1 / (1 + np.exp(-z))),
        (ignored, label[: len(rows)], rows),
    ]
    for loss, a, b in cases:
        both = []
        for threads in (1, 2, 5):
            cut(None, threads)
            both.append(results(loss, a, b, None))
            assert pools() == (threads > 1)
        assert both[0] == both[1] == both[2]


def test_threads_share_the_work_from_524_288_predictions_on() -> None:
    for n in (2**19 - 1, 2**19):
        rl.set_num_threads(2)
        assert rl.MeanAbsoluteError().value(np.zeros(n, np.int8), np.ones(n, np.int8)) == 1
        assert pools() == (n == 2**19)


def pools() -> bool:
    """Whether there is a pool of threads, which the first shared work makes."""
    return sharing._pool is not None


# ---- the first number outside a domain -----------------------------------------------------------------------------


@pytest.mark.parametrize(("block", "threads"), [(1, 1), (7, 5), (1000, 2)])
def test_the_first_number_outside_is_named_whichever_block_is_read_first(cut: Any, block: int, threads: int) -> None:
    cut(block, threads)
    p = np.full(5000, 0.5)
    p[[777, 778, 4000]] = 1.25, 7.0, 9.0
    with pytest.raises(ValueError, match=r"yhat\[777\] is 1\.25, not"):
        rl.BinaryCrossEntropy().value(np.zeros(5000), p)
    y = np.zeros((3, 50), int)
    y[1, 7], y[2, 0] = 4, 9
    for z in (np.zeros((3, 4, 50)), np.zeros((3, 50, 4)).transpose(0, 2, 1)):
        with pytest.raises(ValueError, match=r"y\[1, 7\] is 4, not a class index from 0 to 3"):
            rl.CrossEntropy(axis=1).value_and_grad(y, z)
    with pytest.raises(ValueError, match=r"weight\[4999\] is -1, not"):
        rl.BinaryCrossEntropy().grad(np.zeros(5000), p, weight=np.r_[np.ones(4999), -1])


# ---- out -------------------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("order", ["C", "F", "apart"])
def test_the_gradient_is_written_where_one_says(loss: Loss, order: str) -> None:
    y, yhat = problems(loss)[0]
    expected = loss.grad(y, yhat)
    out = np.full((*yhat.shape, 2), np.nan)[..., 0] if order == "apart" else np.full(yhat.shape, np.nan, order=order)
    assert loss.grad(y, yhat, out=out) is out
    np.testing.assert_array_equal(out, expected)
    out[...] = np.nan
    value, grad = loss.value_and_grad(y, yhat, out=out)
    assert grad is out
    np.testing.assert_array_equal(value, loss.value(y, yhat))
    np.testing.assert_array_equal(out, expected)


def test_out_is_an_array_that_can_take_the_gradient() -> None:
    loss, y, yhat = rl.Huber(delta=0.7), np.zeros(4), np.arange(4.0)
    read_only = np.empty(4)
    read_only.flags.writeable = False
    wrong: list[tuple[Any, type[Exception], str]] = [
        ([0.0] * 4, TypeError, "out must be an array of float64, got list"),
        (np.empty(4, np.float32), TypeError, "out must be an array of float64, got float32"),
        (np.empty((4, 1)), ValueError, r"out has shape \(4, 1\), the gradient \(4,\)"),
        (read_only, ValueError, "out is read-only"),
        (yhat, ValueError, "out shares memory with yhat"),
        (y[::-1], ValueError, "out shares memory with y"),
    ]
    for out, error, text in wrong:
        for method in (loss.grad, loss.value_and_grad):
            with pytest.raises(error, match=text):
                method(y, yhat, out=out)


def test_out_in_fortran_order_takes_many_blocks(cut: Any) -> None:
    cut(1000, 2)
    rng = np.random.default_rng(4)
    y, yhat = rng.normal(size=(2, 40, 300))
    for loss in (rl.Huber(delta=0.7, reduction="none"), rl.CrossEntropy(axis=1, reduction="sum")):
        a = np.arange(40) if isinstance(loss, rl.CrossEntropy) else y
        expected = loss.grad(a, yhat)
        for out in (
            np.empty((40, 300), order="F"),
            np.empty((300, 40)).T[::-1, ::-1],
            np.empty((2, 40, 600))[1, :, ::2],
        ):
            assert loss.grad(a, yhat, out=out) is out
            np.testing.assert_array_equal(out, expected)


def apart_by(y: Any, yhat: Any) -> Any:
    """Views of one buffer with y and yhat, which interleave without a common byte."""
    buffer = np.empty((len(y), 3))
    buffer[:, 0], buffer[:, 2] = y, yhat
    return buffer.T


def test_out_may_lie_between_the_inputs() -> None:
    y, yhat = np.random.default_rng(4).normal(size=(2, 1000))
    for loss in (rl.Huber(delta=0.7), rl.Hinge()):
        y = np.sign(y)
        a, out, b = apart_by(y, yhat)
        assert np.may_share_memory(a, out)
        assert loss.grad(a, b, weight=a * a, out=out) is out
        np.testing.assert_array_equal(out, loss.grad(y, yhat))
        np.testing.assert_array_equal([a, b], [y, yhat])
    with pytest.raises(ValueError, match="out shares memory with yhat"):
        rl.Huber().grad(y, b, out=b[::-1])


def test_out_whose_entries_have_places_of_their_own_is_filled() -> None:
    y, yhat = np.zeros((2, 3)), np.arange(6.0).reshape(2, 3)
    expected = rl.MeanSquaredError(reduction="sum").grad(y, yhat)
    memory = np.zeros(20)
    packed = np.zeros(6, np.dtype([("flag", "i1"), ("x", "f8")]))["x"].reshape(2, 3)  # 9 bytes from one to the next
    for out in (
        as_strided(memory, (2, 3), (24, 16)),  # 0, 2, 4 and 3, 5, 7: no axis is longer than the other
        as_strided(memory[9:], (2, 3), (-24, -16)),
        packed,
    ):
        assert rl.MeanSquaredError(reduction="sum").grad(y, yhat, out=out) is out
        np.testing.assert_array_equal(out, expected)
    woven = as_strided(np.zeros(30), (2, 3, 2), (64, 40, 8))  # pairs at 0, 5, 10 and at 8, 13, 18
    y, yhat, ones = np.zeros((2, 3, 2)), np.arange(12.0).reshape(2, 3, 2), np.ones((2, 3, 2))
    assert rl.MeanAbsoluteError(reduction="sum").grad(y, yhat + 1, out=woven) is woven
    np.testing.assert_array_equal(woven, ones)
    y, yhat = np.zeros((2, 3)), np.arange(6.0).reshape(2, 3)
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, np.float64, "w+", shape=(2, 3))
    assert rl.MeanSquaredError(reduction="sum").grad(y, yhat, out=mapped) is mapped
    np.testing.assert_array_equal(mapped, expected)
    assert rl.Huber().grad(np.zeros((0, 3)), np.zeros((0, 3)), out=np.zeros((0, 3))).shape == (0, 3)


class Unwilling(np.ndarray):
    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("not here")


def test_out_that_cannot_be_filled_is_refused() -> None:
    loss, y, yhat = rl.Huber(delta=0.7), np.zeros((2, 3)), np.ones((2, 3))
    memory = np.zeros(10**6)
    wrong: list[tuple[Any, type[Exception], str]] = [
        (memory[:6].reshape(2, 3).view(Unwilling), TypeError, "got Unwilling"),
        (memory[:6].reshape(2, 3).view(np.recarray), TypeError, "got recarray"),
        (np.ma.masked_array(memory[:6].reshape(2, 3)), TypeError, "got MaskedArray"),
        (np.zeros((2, 3), ">f8"), TypeError, "got >f8"),
        (np.zeros((2, 3), complex), TypeError, "got complex128"),
        (np.float64(3), TypeError, "got float64"),
        (object(), TypeError, "got object"),
        (as_strided(memory, (2, 3), (0, 8)), ValueError, "entries that overlap in memory"),
        (as_strided(memory, (2, 3), (16, 16)), ValueError, "entries that overlap in memory"),
        (as_strided(memory, (2, 3), (20, 8)), ValueError, "entries that overlap in memory"),
        (as_strided(memory, (2, 3), (4, 64)), ValueError, "entries that overlap in memory"),
        (as_strided(memory, (2, 3), (56, 30)), ValueError, "entries that overlap in memory"),  # 60 lies within 56
        (sliding_window_view(memory[:4], 3, writeable=True), ValueError, "entries that overlap in memory"),
    ]
    for out, error, text in wrong:
        for method in (loss.grad, loss.value_and_grad):
            with pytest.raises(error, match=rf"^{re.escape(repr(loss))}: out .*{re.escape(text)}"):
                method(y, yhat, out=out)
    assert not memory.any()


def test_out_is_refused_where_nobody_can_tell() -> None:
    loss, shape = rl.Huber(), (1100, 1000)
    memory = np.zeros(5 * 10**6)
    out = as_strided(memory, shape, (24, 16_008))  # not nested, and too many to compare
    with pytest.raises(ValueError, match="out has entries that may overlap"):
        loss.grad(np.zeros(shape), np.zeros(shape), out=out)
    memory = np.zeros(192_163_377, np.int8)  # never touched; NumPy's own example of a hard question
    a = as_strided(memory, (1049, 1049, 1049), (36674, 61119, 85569))
    b = as_strided(memory[64_023_025:], (1049, 1049, 1), (12223, 12224, 1))
    assert output._share(a, b).startswith("may share (it is too hard to decide")
    assert output._share(a, a).startswith("shares")


# ---- memory ----------------------------------------------------------------------------------------------------------


def peak(work: Any) -> int:
    """The most memory that `work` held at one time, beyond what was there; NumPy reports its arrays."""
    work()  # what is made once, such as threads
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LARGE = 8 * MEBI  # bytes of float32: 2^21 numbers, whose gradient is 16 MiB


def large(loss: Loss) -> tuple[Any, Any]:
    rng = np.random.default_rng(2)
    yhat = rng.random(LARGE // 4, np.float32)
    y = (yhat > 0.3).astype(np.float32)
    if isinstance(loss, rl.Hinge):
        return 2 * y - 1, yhat
    if isinstance(loss, rl.CrossEntropy):
        return y.reshape(-1, 8)[:, 0].astype(np.int8), yhat.reshape(-1, 8)
    return y, yhat


@pytest.mark.parametrize(
    "loss",
    [
        rl.MeanSquaredError(),
        rl.Huber(),
        rl.Hinge(),
        rl.BinaryCrossEntropy(),
        rl.BinaryCrossEntropyWithLogits(),
        rl.FocalWithLogits(),
        rl.Cauchy(),
        rl.CrossEntropy(),
        rl.Dice(),
        rl.IoU(),
        rl.WeightedCrossEntropy(weight_grad="full"),
    ],
    ids=repr,
)
def test_memory_does_not_grow_with_the_inputs(loss: Loss) -> None:
    y, yhat = large(loss)
    out = np.empty(yhat.shape)
    assert peak(lambda: loss.value(y, yhat)) < 32 * MEBI
    assert peak(lambda: loss.value_and_grad(y, yhat, out=out)) < 32 * MEBI
    rl.set_num_threads(1)  # two need not be at work at the same time
    few = [a[: len(a) // 4] for a in (y, yhat, out)]
    small = peak(lambda: loss.value_and_grad(few[0], few[1], out=few[2]))
    assert peak(lambda: loss.value_and_grad(y, yhat, out=out)) < 1.5 * small + MEBI


def matrix(d: int) -> Any:
    half = np.random.default_rng(d).normal(size=(d, d))
    return half @ half.T / d + np.eye(d)


@pytest.mark.parametrize(
    ("d", "n", "own", "infinite"),
    [(140, 940, False, 1), (140, 940, False, 40), (240, 700, False, 0), (140, 12, True, 2)],
)
def test_a_matrix_for_all_vectors_is_held_once(d: int, n: int, own: bool, infinite: int) -> None:
    """d² numbers a vector would be 147 MB and 322 MB; with a matrix for each vector, the matrices are there already."""
    rl.set_num_threads(1)
    loss = rl.Cauchy(0.7, [matrix(d)] * n if own else matrix(d))
    y, yhat, out, weight = np.zeros((n, d)), np.random.default_rng(3).normal(size=(n, d)), np.empty((n, d)), np.ones(n)
    yhat[range(infinite), range(infinite)] = np.inf
    weight[-1] = 0
    assert peak(lambda: loss.value_and_grad(y, yhat, out=out)) < 32 * MEBI
    assert peak(lambda: loss.subgradient(y, yhat, weight=weight)) < 32 * MEBI + 2 * out.nbytes
    assert not out[:infinite].any()  # the matrix is definite: the pull is 0
    assert out[infinite:].all()


@pytest.mark.parametrize("d", [2, 3, 5, 20])
def test_a_vector_has_the_same_bits_alone_and_beside_one_that_is_left_out(d: int) -> None:
    """Sums over components do not depend on how a block of vectors lies in memory."""
    loss = rl.Cauchy(0.7, matrix(d), reduction="none")
    y, yhat, weight = np.zeros((50, d)), np.random.default_rng(3).normal(size=(50, d)), np.ones(50)
    weight[-1] = 0
    expected = [loss.grad(y[i], yhat[i]) for i in range(49)]
    np.testing.assert_array_equal(loss.grad(y, yhat)[:49], expected)
    np.testing.assert_array_equal(loss.grad(y, yhat, weight=weight)[:49], expected)
    np.testing.assert_array_equal(loss.grad(y, np.asfortranarray(yhat))[:49], expected)


def test_vectors_with_the_same_infinite_components_are_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    whole = np.linalg.eigvalsh
    monkeypatch.setattr(np.linalg, "eigvalsh", lambda a: (asked.append(len(a)), whole(a))[1])
    yhat = np.zeros((1000, 3))
    yhat[:, 0] = np.inf
    yhat[:10, 2] = -np.inf
    loss = rl.Cauchy(0.7, matrix(3), reduction="none")
    asked.clear()
    np.testing.assert_array_equal(loss.value(np.zeros((1000, 3)), yhat), np.full(1000, np.inf))
    assert asked == [1, 1] * 2  # for one component and for two, in the short form and in the full one


BIG: dict[str, Any] = {  # 2^19 predictions or more, of each layout
    "CrossEntropy": [((2**16,), (2**16, 8)), ((9, 2**13), (9, 8, 2**13))],
    "NegativeLogLikelihood": [((2**16,), (2**16, 8))],
    "SparseCategoricalCrossEntropy": [((2**16,), (2**16, 8))],
    "GeneralizedDice": [((2**17, 4), (2**17, 4))],
}


@pytest.mark.parametrize("cls", losses().values(), ids=list(losses()))
def test_the_memory_of_a_call_of_every_loss(cls: Any) -> None:
    """Beyond its results, with weights of which some are 0, in float32 so that every block is converted."""
    rl.set_num_threads(1)
    for loss in (cls(), cls(**cls.examples[-1], reduction="weighted_mean")):
        classes = len(c) if (c := getattr(loss, "class_weight", None)) is not None else 8
        for y_shape, shape in BIG.get(cls.__name__, [((2**20,), (2**20,))]):
            if isinstance(getattr(loss, "axis", None), int):
                loss = replace(loss, axis=1 if len(shape) == 3 else -1)
            if getattr(loss, "information", None) is not None:
                y_shape = shape = (2**18, len(loss.information))
            shape = tuple(classes if n == 8 else n for n in shape)
            _check_memory(loss, np.ones(y_shape, np.float32), np.full(shape, 0.25, np.float32))


def _check_memory(loss: Loss, y: Any, yhat: Any) -> None:
    weight, out = np.ones(loss.layout.bind(yhat.shape).value_shape, np.float32), np.empty(yhat.shape)
    weight.reshape(-1)[: weight.size // 3] = 0
    assert peak(lambda: loss.value_and_grad(y, yhat, weight=weight, out=out)) < 32 * MEBI, loss
    assert peak(lambda: loss.subgradient(y, yhat)) < 32 * MEBI + 2 * out.nbytes, loss


def test_other_orders_of_axes_are_not_copied() -> None:
    rng = np.random.default_rng(2)
    yhat = rng.random((32, 8, 128, 128))  # 32 MiB, every other number 16
    y = rng.integers(0, 8, (32, 128, 128)).astype(np.int8)
    out = np.empty_like(yhat)
    assert peak(lambda: rl.CrossEntropy(axis=1).value_and_grad(y, yhat, out=out)) < 12 * MEBI
    assert peak(lambda: rl.MeanSquaredError().value(yhat.T, yhat.T)) < 12 * MEBI
    assert peak(lambda: rl.MeanSquaredError().value(yhat[..., ::2], yhat[..., ::2])) < 12 * MEBI


def test_memory_mapped_inputs_are_streamed(tmp_path: Any) -> None:
    rng = np.random.default_rng(2)
    numbers = rng.standard_normal((2, LARGE // 4)).astype(np.float32)
    np.save(tmp_path / "numbers.npy", numbers)
    y, yhat = np.load(tmp_path / "numbers.npy", mmap_mode="r")
    assert rl.MeanSquaredError().value(y, yhat) == rl.MeanSquaredError().value(*numbers)
    assert peak(lambda: rl.MeanSquaredError().value(y, yhat)) < 12 * MEBI


# ---- threads ---------------------------------------------------------------------------------------------------------


def test_the_number_of_threads_is_a_whole_number_from_one() -> None:
    rl.set_num_threads(3)
    assert rl.get_num_threads() == 3
    for wrong in (0, -2, 1025, 10**30):
        with pytest.raises(ValueError, match=f"n is {wrong}, not from 1 to 1024"):
            rl.set_num_threads(wrong)
    for wrong in (1.5, "2", None, True):
        with pytest.raises(TypeError, match="must be an integer"):
            rl.set_num_threads(wrong)  # type: ignore[arg-type]
    assert rl.get_num_threads() == 3


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"REFLOSSES_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"OMP_NUM_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": "7,2"}, 7),
        ({"OMP_NUM_THREADS": "many"}, None),
        ({"OMP_NUM_THREADS": "9" * 5000}, None),
        ({"OMP_NUM_THREADS": "5000"}, 1024),
        ({}, None),
    ],
)
def test_the_environment_says_how_many_threads(
    variables: dict[str, str], expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reflosses.evaluation.threads._threads", None)
    for name in ("REFLOSSES_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert rl.get_num_threads() == (expected or usable)
    monkeypatch.setenv("REFLOSSES_NUM_THREADS", "0")
    with pytest.raises(ValueError, match="REFLOSSES_NUM_THREADS is '0', not a whole number from 1"):
        rl.get_num_threads()


def test_every_item_is_worked_on_once() -> None:
    rl.set_num_threads(5)
    done: list[int] = []
    in_parallel(done.append, range(1000))
    assert sorted(done) == list(range(1000))


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, StopIteration])
@pytest.mark.parametrize("by_helper", [False, True])
def test_what_a_thread_raises_is_raised_and_leaves_nothing_behind(error: type[BaseException], by_helper: bool) -> None:
    rl.set_num_threads(3)
    caller = threading.current_thread()
    both, raised = threading.Barrier(2, timeout=20), threading.Event()
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        if item < 2:
            both.wait()  # one is with the caller, one with a helper, or two with helpers
        if (threading.current_thread() is not caller) == by_helper:
            raised.set()
            raise error(f"item {item}")
        raised.wait(20)  # the others do not run ahead

    with pytest.raises(error, match="item"):
        in_parallel(work, range(100_000))
    assert len(begun) < 100_000
    done: list[int] = []
    in_parallel(done.append, range(100))
    assert sorted(done) == list(range(100))


def test_an_error_is_raised_after_the_other_threads_have_finished() -> None:
    """They may still be writing to arrays of the caller."""
    rl.set_num_threads(2)
    caller, begun, finished = threading.current_thread(), threading.Event(), []

    def work(item: int) -> None:
        if threading.current_thread() is caller:
            assert begun.wait(20)
            raise KeyError
        begun.set()
        time.sleep(0.05)
        finished.append(item)

    with pytest.raises(KeyError):
        in_parallel(work, range(2))
    assert len(finished) == 1


def test_user_threads_may_evaluate_at_the_same_time(cut: Any) -> None:
    cut(None, 3)
    rng = np.random.default_rng(4)
    y, yhat = rng.standard_normal((2, 200_000))
    loss = rl.Huber(delta=0.7)
    expected = results(loss, y, yhat, None)
    with ThreadPoolExecutor(6) as pool:
        assert all(got == expected for got in pool.map(lambda _: results(loss, y, yhat, None), range(12)))
    assert pools()


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


PREAMBLE = """
import os, sys, threading, numpy as np, reflosses as rl
from reflosses.evaluation import evaluate
from reflosses.evaluation import threads as sharing
evaluate._WORTH_SHARING = 0
rl.set_num_threads(3)
y, yhat = np.random.default_rng(4).standard_normal((2, 300_000))
loss = rl.Huber(delta=0.7)
value = loss.value(y, yhat)
assert sharing._pool is not None
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_of_a_fork_has_threads_of_its_own() -> None:
    code = """
child = os.fork()
if child == 0:
    alone = sharing._pool is None
    same = loss.value(y, yhat) == value and loss.value(y, yhat) == value
    os._exit(0 if alone and same and sharing._pool is not None else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), loss.value(y, yhat) == value)
"""
    assert run(PREAMBLE + code) == "0 True"


def test_an_evaluation_while_the_interpreter_shuts_down() -> None:
    code = """
import atexit
atexit.register(lambda: print(loss.value(y, yhat) == value))
def late():
    threading.main_thread().join()
    print(loss.value(y, yhat) == value)
threading.Thread(target=late).start()
"""
    assert run(PREAMBLE + code) == "True\nTrue"


def test_interrupting_an_evaluation_leaves_it_usable() -> None:
    code = """
import signal
big = np.zeros(30_000_000)
caught = 0
for after in (0.02, 0.05, 0.1):
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        while True:
            loss.value(big, big)
    except KeyboardInterrupt:
        caught += 1
    assert loss.value(y, yhat) == value
print(caught)
"""
    assert run(PREAMBLE + code) == "3"


# ---- infinities in another block, kinks and overflows beside a short form --------------------------------------------


@pytest.mark.parametrize("last", [np.inf, np.nan])
def test_an_infinity_in_one_block_outweighs_any_sum_in_another(last: float, cut: Any) -> None:
    """The squares of 1e154 add up beyond the floats, as a fraction, before the other block is added."""
    cut(4, 2)
    yhat = np.r_[np.full(4, 1e154), np.zeros(4), last]
    for reduction in ("mean", "sum"):
        value = rl.MeanSquaredError(reduction=reduction).value(np.zeros(9), yhat)
        np.testing.assert_equal(value, abs(last))


def test_a_number_outside_is_named_even_if_a_sum_is_undecided(monkeypatch: Any) -> None:
    """The first row's sums lie next to the middle of two floats; the second row holds 1.5."""
    monkeypatch.setattr(evaluate, "_LONG", 4)
    yhat = np.zeros((2, 8))
    yhat[0, :2], yhat[1, 5] = [1, 2.0**-53], 1.5
    with pytest.raises(ValueError, match=r"yhat\[1, 5\] is 1\.5, not"):
        rl.Dice(axis=1).grad((yhat > 0) * 1.0, yhat)


def test_a_bad_weight_in_a_late_block_is_found_before_anything_is_written(cut: Any) -> None:
    cut(2, 1)
    out = np.full(6, 7.0)
    with pytest.raises(ValueError, match=r"weight\[5\] is nan"):
        rl.Huber(reduction="weighted_mean").grad(np.zeros(6), np.ones(6), weight=[1e308] * 5 + [np.nan], out=out)
    assert (out == 7).all()


def test_weighted_subnormal_slopes_do_not_depend_on_an_infinity_elsewhere(cut: Any) -> None:
    rng = np.random.default_rng(1)
    z, w = rng.random(64) * 1e-308, rng.random(64)
    z[0] = np.inf
    loss, found = rl.MeanSquaredError(reduction="sum"), []
    for block in (64, 4):
        cut(block, 1)
        found.append(loss.grad(np.zeros(64), z, weight=w).tolist())
    assert found[0] == found[1]


def test_an_infinite_loss_over_huge_weights_is_infinite() -> None:
    loss = rl.BinaryCrossEntropy(reduction="weighted_mean")
    weight = [1.7e308] * 2  # whose sum is beyond the floats
    assert loss.value([1.0, 1.0], [0.0, 0.5], weight=weight) == np.inf
    assert loss.grad([1.0, 1.0], [0.0, 0.5], weight=weight).tolist() == [-np.inf, -1]


def test_huge_class_weights_divide_a_gradient() -> None:
    """Σ w is a whole number beyond the integers of NumPy."""
    loss = rl.NegativeLogLikelihood(class_weight=[1e100] * 3, reduction="weighted_mean")
    assert loss.grad([0, 1, 2], np.eye(3)).tolist() == [[-1 / 3, 0, 0], [0, -1 / 3, 0], [0, 0, -1 / 3]]


@pytest.mark.parametrize(
    ("loss", "y", "yhat", "low", "high"),
    [
        (rl.Focal(clamp=1e-20), 1.0, 1e-20, -1e20, 2 * math.log(1e-20)),
        (rl.BinaryCrossEntropy(clamp=2.0**-1023), 1.0, 2.0**-1023, -(2.0**1023), 0.0),
    ],
)
def test_a_kink_outside_the_short_form_has_two_slopes(
    loss: Loss, y: float, yhat: float, low: float, high: float
) -> None:
    """−1/p from inside the clamp; from outside −2 nats for the focal loss, and 0 for cross-entropy."""
    got = loss.subgradient(y, yhat)
    assert [float(g) for g in got] == pytest.approx([low, high], rel=1e-15)


def test_a_vector_that_overflows_keeps_its_factor() -> None:
    """e = 2e308 beyond the floats, where s/δ² is an ordinary number: 2 Ω e/(1 + s/δ²)."""
    loss = rl.Cauchy(delta=1e300, information=[[0.25]])
    assert loss.grad([[-1e308]], [[1e308]]).tolist() == [[1e292]]  # 2 · 0.25 · 2e308/(1e16 + 1)
    loss = rl.Cauchy(delta=1e100, information=[[1e-300]])
    assert loss.grad([[-1e308]], [[1e308]])[0, 0] == pytest.approx(1e-108, rel=1e-15)


@pytest.mark.parametrize(
    ("delta", "information", "e", "u", "slopes"),  # slopes: 2 Ω e/(1 + u), with u = s/δ², by hand
    [
        (1.0, [[2.0**1020]], [1.0], 2**1020, [2.0]),
        (1.0, [[2.0**1020]], [2.0**-510], 1, [2.0**510]),
        (1.0, [[2.0**-1040]], [2.0**520], 1, [2.0**-520]),
        (1.0, [[2.0**1020, 0], [0, 2.0**-1040]], [0.0, 2.0**520], 1, [0.0, 2.0**-520]),
        (1.0, [[2.0**1020, 0], [0, 2.0**-1040]], [2.0**-510, 2.0**520], 2, [2.0**511 / 3, 2.0**-519 / 3]),
        (1.0, [[2.0**1000, 2.0**499], [2.0**499, 1]], [2.0**-500, 1.0], 3, [0.75 * 2.0**500, 0.75]),
        (2.0**1020, [[1024.0]], [2.0**1020], 1024, [float(Fraction(2**1031, 1025))]),  # Ω e alone overflows
    ],
)
def test_a_matrix_at_the_ends_of_the_floats(delta: float, information: Any, e: Any, u: int, slopes: Any) -> None:
    loss = rl.Cauchy(delta, information, reduction="none")
    value, grad = loss.value_and_grad([[0.0] * len(e)], [e])
    exact = delta * (delta * (math.log(1 + u) if u < 2**1000 else math.log(u))) if delta < 2.0**500 else math.inf
    np.testing.assert_array_max_ulp(value, np.array([exact]), 4)
    np.testing.assert_array_max_ulp(grad, np.array([slopes]), 5)


def test_the_eigenvalues_of_a_matrix_at_the_ends_of_the_floats() -> None:
    for size in (1e308, 1e-310):
        assert rl.Cauchy(information=[[size, size], [size, size]]).information[0, 1] == size
        with pytest.raises(ValueError, match="must be positive semi-definite, has eigenvalues from -"):
            rl.Cauchy(information=[[size / 2, size], [size, size / 2]])


def test_huge_class_weights_do_not_overflow_before_a_soft_target_meets_them() -> None:
    loss = rl.CrossEntropy(class_weight=[1e306, 1.0, 1.0])
    assert loss.value([[0, 0.5, 0.5]], [[-200.0, 0, 1]]) == pytest.approx(math.log(1 + math.e) - 0.5, rel=1e-15)
    assert loss.value([[1e-10, 0.5, 0.5]], [[-200.0, 0, 1]]) == pytest.approx(
        1e296 * (200 + math.log(1 + math.e)), rel=1e-14
    )
