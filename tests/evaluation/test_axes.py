"""Units: which entries one loss reads, and the way back."""

import re
from itertools import product
from typing import Any

import numpy as np
import pytest

from reflosses.evaluation.axes import ELEMENTS, EVERYTHING, REST, VECTORS, Layout, class_pooled, pooled, rows

SHAPES = [(4,), (2, 3), (3, 1), (2, 3, 4), (1, 2, 1), (2, 1, 3, 2), (0,), (0, 3), (3, 0), (2, 0, 3)]
LAYOUTS = [
    ELEMENTS,
    VECTORS,
    EVERYTHING,
    rows(-1),
    rows(0),
    rows(1),
    pooled(None),
    pooled(-1),
    pooled((0, 2)),
    pooled((2, 0)),
    pooled((-1, -2)),
    class_pooled(0, False),
    class_pooled(1, True),
    class_pooled(-1, False),
    class_pooled(-1, True),
    Layout(((1,), (0, 2))),
]


def fits(layout: Layout, shape: tuple[int, ...]) -> bool:
    try:
        layout.bind(shape)
    except ValueError:
        return False
    return True


PAIRS = [(layout, shape) for layout, shape in product(LAYOUTS, SHAPES) if fits(layout, shape)]


@pytest.mark.parametrize(("layout", "shape"), PAIRS)
def test_restore_undoes_arrange(layout: Layout, shape: tuple[int, ...]) -> None:
    a = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    bound = layout.bind(shape)
    units = bound.arrange(a)
    assert units.shape == (bound.units, *bound.unit_shape)
    assert np.array_equal(np.sort(units, axis=None), np.arange(a.size))
    np.testing.assert_array_equal(bound.restore(units), a, strict=True)


@pytest.mark.parametrize(("layout", "shape"), PAIRS)
def test_units_are_numbered_as_the_losses_are(layout: Layout, shape: tuple[int, ...]) -> None:
    bound = layout.bind(shape)
    inside = [i % len(shape) for group in bound.groups for i in group]
    outer = [i for i in range(len(shape)) if i not in inside]
    assert bound.value_shape == tuple(shape[i] for i in outer)
    assert bound.units == np.prod(bound.value_shape, dtype=int)
    at = np.indices(shape)
    for k, index in enumerate(np.ndindex(*bound.value_shape)):
        for axis, i in zip(outer, index, strict=True):
            assert np.all(bound.arrange(at[axis])[k] == i)


def test_most_layouts_fit_most_shapes() -> None:
    assert len(PAIRS) > 90


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (ELEMENTS, [0, 1, 2, 3, 4, 5]),
        (VECTORS, [[0, 1, 2], [3, 4, 5]]),
        (EVERYTHING, [[0, 1, 2, 3, 4, 5]]),
        (rows(0), [[0, 3], [1, 4], [2, 5]]),
        (pooled((1, 0)), [[0, 3, 1, 4, 2, 5]]),
        (class_pooled(1, False), [[[0, 3], [1, 4], [2, 5]]]),
        (class_pooled(-1, True), [[[0], [1], [2]], [[3], [4], [5]]]),
    ],
)
def test_units_of_a_small_array(layout: Layout, expected: Any) -> None:
    bound = layout.bind((2, 3))
    np.testing.assert_array_equal(bound.arrange(np.arange(6).reshape(2, 3)), expected)


def test_a_scalar_is_one_unit() -> None:
    for layout, unit_shape in [(ELEMENTS, ()), (EVERYTHING, (1,))]:
        bound = layout.bind(())
        assert (bound.units, bound.value_shape, bound.unit_shape) == (1, (), unit_shape)
        restored = bound.restore(bound.arrange(np.array(0.7)))
        assert restored.shape == ()
        assert restored == 0.7


def test_arrange_reads_any_memory_layout() -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    expected = pooled((0, 2)).bind(a.shape).arrange(a)
    for view in (np.asfortranarray(a), np.flip(np.flip(a).copy()), np.repeat(a, 3, axis=1)[:, ::3]):
        np.testing.assert_array_equal(pooled((0, 2)).bind(a.shape).arrange(view), expected)


def test_restored_arrays_are_contiguous() -> None:
    bound = rows(0).bind((3, 4))
    assert bound.restore(np.zeros((4, 3))).flags.c_contiguous


@pytest.mark.parametrize(
    ("layout", "shape", "message"),
    [
        (rows(2), (4, 3), "axis 2 does not exist in yhat of shape (4, 3)"),
        (rows(-3), (4, 3), "axis -3 does not exist in yhat of shape (4, 3)"),
        (VECTORS, (), "axis -1 does not exist in yhat of shape ()"),
        (pooled((0, 5)), (4, 3), "axis 5 does not exist in yhat of shape (4, 3)"),
        (pooled((0, 0)), (4, 3), "an axis is named twice"),
        (pooled((1, -1)), (4, 3), "an axis is named twice"),
        (Layout(((0,), (0,))), (4, 3), "an axis is named twice"),
        (class_pooled(0, True), (4, 3), "cannot be both the class axis and kept apart"),
        (class_pooled(-2, True), (4, 3), "cannot be both the class axis and kept apart"),
        (Layout((REST,), kept=(3,)), (4, 3), "axis 3 does not exist in yhat of shape (4, 3)"),
    ],
)
def test_axes_that_are_not_there(layout: Layout, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        layout.bind(shape)
    assert str(shape) in str(error.value)
