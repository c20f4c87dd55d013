"""Stacked losses and the arrays of one call, each made from the other."""

import numpy as np
import pytest

from reflosses import CrossEntropy, Dice, GeneralizedDice, Huber, WeightedCrossEntropy, catalogue
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import align, flatten, one_loss_a_call, per_loss, per_prediction, stack, unstack
from reflosses.truth import sampling

LOSSES = [loss for cls in catalogue.losses().values() for loss in catalogue.examples(cls)]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=str)


@pytest.mark.parametrize(
    ("loss", "y", "yhat", "shape"),
    [
        (Huber(delta=0.7), [0.0, 1.0], [0.25, 3.0], (2,)),
        (CrossEntropy(axis=0), [2.0, 0.0], [[1.0, 2.0, 3.0], [0.0, 0.5, -1.0]], (3, 2)),
        (CrossEntropy(axis=2), [2.0, 0.0], [[1.0, 2.0, 3.0], [0.0, 0.5, -1.0]], (2, 1, 3)),
        (CrossEntropy(axis=0), [[0.25, 0.75], [1.0, 0.0]], [[1.0, 2.0], [0.0, 0.5]], (2, 2)),
        (Dice(axis=(0, 2)), [[1.0, 0.0, 1.0, 0.0]], [[0.5, 0.25, 1.0, 0.0]], (2, 1, 2)),
        (Dice(axis=None), [[1.0, 0.0, 1.0]], [[0.5, 0.25, 1.0]], (3,)),
        (GeneralizedDice(axis=1), [[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]], np.full((1, 3, 2), 0.25), (2, 3)),
        (WeightedCrossEntropy(reduction="none"), [[1.0, 0.0]], [[0.5, 0.25]], (2,)),
    ],
    ids=str,
)
def test_the_arrays_of_a_call_have_the_axes_that_the_loss_names(loss: Loss, y, yhat, shape: tuple[int, ...]) -> None:
    y, yhat = np.array(y), np.array(yhat)
    a, b = unstack(loss, y, yhat)
    assert b.shape == shape
    assert np.size(loss.value(a, b)) >= 1
    for got, given in zip(stack(loss, a, b), (y, yhat), strict=True):
        np.testing.assert_array_equal(got, given)
    np.testing.assert_array_equal(per_loss(loss, b), yhat)


def test_labels_become_integers_unless_one_is_not_whole() -> None:
    yhat = np.zeros((2, 3))
    assert unstack(CrossEntropy(), np.array([2.0, 0.0]), yhat)[0].dtype == np.int64
    assert unstack(CrossEntropy(), np.array([2.5, 0.0]), yhat)[0].tolist() == [2.5, 0.0]


@every_loss
def test_stacking_undoes_unstacking(loss: Loss) -> None:
    for y, yhat in sampling.hard(loss, 3, 60):
        rows = stack(loss, y, yhat)
        assert len(rows[0]) == len(rows[1]) == (1 if one_loss_a_call(loss) else len(rows[1]))
        a, b = unstack(loss, *rows)
        np.testing.assert_array_equal(a, y)
        np.testing.assert_array_equal(b, yhat)


def test_one_number_a_loss_reaches_each_of_its_predictions() -> None:
    """Two losses of three members, which lie along the first axis of yhat."""
    loss, w = CrossEntropy(axis=0), np.array([0.25, 3.0])
    wide = per_prediction(loss, w, (3, 2))
    assert wide.tolist() == [[0.25, 3.0]] * 3
    np.testing.assert_array_equal(per_loss(loss, wide), align(w, np.zeros((2, 3))) * np.ones((2, 3)))
    assert per_prediction(Huber(delta=0.7), np.arange(6.0), (2, 3)).tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_flatten_keeps_one_row_a_loss() -> None:
    assert flatten(np.zeros((5, 3, 2))).shape == (5, 6)
    assert flatten(np.zeros(5)).shape == (5, 1)
    assert flatten(np.zeros((0, 3, 2))).shape == (0, 6)
