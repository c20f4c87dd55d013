"""Text and code for a terminal of a given width."""

import ast

import pytest

from reflosses.reporting.widths import broken_name, filled, folded_code, refilled, width_of

CODE = """import numpy as np; import this_is_a_long_name_of_a_module; y = function_with_a_name(1, 2)
y = np.array([[0.125, -1.5, 3.0e-300, 'a, b, (c', 7.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, np.inf]])
def slope(y, yhat):
    return np.where(y > 0, yhat, {'key': [1, 2, 3], 'other key': (1, 2)}['key'][0])  # a long remark that must stay
"""


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_folded_code_means_the_same(width: int) -> None:
    folded = folded_code(CODE, width)
    assert ast.dump(ast.parse(folded)) == ast.dump(ast.parse(CODE))
    most = max(len(line) for line in folded.splitlines())
    assert most <= max(width, 45)  # an import has no brackets
    assert "a long remark" in folded
    assert (folded == CODE) == (width == 200)


@pytest.mark.parametrize("code", ["x = 'one long text without any bracket'", "this is no Python, it is a sentence"])
def test_code_that_cannot_be_folded_stays(code: str) -> None:
    assert folded_code(code, 20) == code


def test_without_a_width_nothing_is_broken() -> None:
    assert folded_code(CODE, None) == CODE
    assert filled("word " * 50, None, "  ") == "  " + "word " * 50
    assert refilled("word " * 50, None) == "word " * 50


def test_paragraphs_and_labels_start_lines() -> None:
    text = "Title of it.\n\nFormula: a, b,\nc and d.\nDomain: y real.\n\n    Indented, and long enough to be broken."
    assert refilled(text, 24) == (
        "Title of it.\n\nFormula: a, b, c and d.\nDomain: y real.\n\n"
        "    Indented, and long\n        enough to be\n        broken."
    )


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("torch.mse_loss", ["torch.mse_loss"]),
        (
            "scipy.optimize.least_squares huber(f_scale=0.75)",
            ["scipy.optimize.", "least_squares", "huber(f_scale=", "0.75)"],
        ),
        ("BinaryCrossEntropyWithLogits", ["BinaryCross", "EntropyWith", "Logits"]),
    ],
)
def test_a_name_is_broken_where_its_parts_meet(name: str, lines: list[str]) -> None:
    assert broken_name(name, 15).split("\n") == lines


def test_a_pipe_has_no_width(tmp_path: object) -> None:
    with open(f"{tmp_path}/x", "w", encoding="utf-8") as file:
        assert width_of(file) is None
