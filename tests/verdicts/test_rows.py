"""The rows are true: right ones are the loss to half of the digits, wrong ones are not, each where it says so."""

from collections import Counter

import numpy as np
import pytest

import reflosses as R
from reflosses.catalogue import losses
from verdicts.rows import LEVELS, Row, table
from verdicts.witness import asked, base_of, close, expected, fault, ordinary

RIGHT, WRONG = table("right", "numpy"), table("wrong", "numpy")


@pytest.mark.parametrize("row", RIGHT, ids=lambda row: row.name)
def test_a_right_row_is_the_loss(row: Row) -> None:
    assert not fault(row, "right")


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row.name)
def test_a_wrong_row_is_not(row: Row) -> None:
    assert not fault(row, "wrong")


def test_the_tables_are_large_and_know_every_loss() -> None:
    assert {type(base_of(row.loss)) for row in RIGHT} == set(losses().values())
    assert {type(base_of(row.loss)) for row in WRONG} == set(losses().values())
    for rows, least in ((RIGHT, 70), (WRONG, 140)):
        assert len(rows) >= least
        assert max(Counter(row.name for row in rows).values()) == 1
    assert {row.fails for row in WRONG} == set(LEVELS)
    assert all(row.named for row in WRONG)
    assert {row.dtype for row in RIGHT} == {"float64", "float32"}


def test_what_the_rows_are_held_against_is_certified() -> None:
    pytest.importorskip("flint")
    seen = set()
    for row in [*RIGHT, *WRONG]:
        loss = base_of(row.loss)
        if str(loss) in seen or row.dtype != "float64":
            continue
        seen.add(str(loss))
        y, yhat = next(ordinary(row))
        for got, exact in zip(loss.value_and_grad(y, yhat), R.certify(loss, y, yhat), strict=True):
            assert close(np.asarray(got), np.asarray(exact), 1e-13, 1.0), loss
    assert len(seen) > 40


def test_the_witness_can_fail() -> None:
    by_name = {row.name: row for row in [*RIGHT, *WRONG]}
    right, wrong = by_name["huber_by_clip"], by_name["huber_without_half"]
    saturated, in_place = by_name["logits_gradient_p_less_y"], by_name["mse_in_place"]
    assert fault(wrong, "right") == "it is not the loss"
    assert fault(right, "wrong") == "it has no input that shows it"
    assert fault(saturated, "right") == ""  # at ordinary inputs
    y, yhat = saturated.at or ((), ())
    assert not close(asked(saturated, y, yhat).grad, expected(saturated, y, yhat)[1], 1e-12, 0.0)
    assert asked(in_place, *next(ordinary(in_place))).changed
    assert not close(np.zeros(2), np.zeros(3), 1.0, 1.0)
