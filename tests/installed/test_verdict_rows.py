"""The rows of PyTorch and JAX are true: right ones are the loss to half of the digits, wrong ones are not."""

from collections import Counter

import pytest
from verdicts.rows import LEVELS, Row, table
from verdicts.witness import fault

RIGHT = [row for framework in ("torch", "jax") for row in table("right", framework)]
WRONG = [row for framework in ("torch", "jax") for row in table("wrong", framework)]


def name_of(row: Row) -> str:
    return f"{row.framework} {row.name}"


@pytest.mark.parametrize("row", RIGHT, ids=name_of)
def test_a_right_row_is_the_loss(row: Row) -> None:
    assert not fault(row, "right")


@pytest.mark.parametrize("row", WRONG, ids=name_of)
def test_a_wrong_row_is_not(row: Row) -> None:
    assert not fault(row, "wrong")


def test_the_tables_are_large() -> None:
    assert len(RIGHT) >= 100
    assert len(WRONG) >= 110
    assert {row.fails for row in WRONG} == set(LEVELS)
    assert all(row.named for row in WRONG)
    for rows in (RIGHT, WRONG):
        assert max(Counter(map(name_of, rows)).values()) == 1
