"""Displayed formulas as JavaScript: the text for small pages, and with node the numbers, against fractions."""

import doctest
import json
import shutil
import subprocess
from fractions import Fraction
from typing import Any

import pytest

import reflosses.teaching.displayed
import reflosses.teaching.javascript
from reflosses import catalogue
from reflosses.teaching.displayed import Displayed, displayed
from reflosses.teaching.javascript import PRELUDE, identifier, javascript
from reflosses.teaching.tree import NotReadError
from reflosses.teaching.web.movable import MOVABLE, movable_figure, moved

PAGE = r"""# A page

<!-- how the formulas are read
real = ['x', 'z_k']
unit = ['y']
positive = ['a']
member = ['t_k']
index = { k = 3, j = 3 }
first = 0
functions = ['f', '\ell']
labels = ['p_t']
define = ['u = z_k', 'f(x) = x^2/a', 'c = \max(x, -a)', 'S = \sum_{k \ne t} z_k', 'q_k = a\,z_k']

[[under]]
where = 'y = 1'
read = ['p_t = x']

[[under]]
where = 'y < 1'
read = ['p_t = 1 - x']

[[code]]
value = '\ell'
-->

$`u = z_k`$, $`f(x) = x^2/a`$, $`c = \max(x, -a)`$, $`S = \sum_{k \ne t} z_k`$, $`q_k = a\,z_k`$, $`p_t = x`$,
$`p_t = 1 - x`$.

```math
\ell = y \log x + z_t - \tfrac12 \cdot f(x + 1) \tag{1}
```

```math
\frac{d\ell}{dx} = \frac{y}{x} - \frac{f(x + 1) - f(x)}{2} = y + c \tag{2}
```

```math
\frac{d^2\ell}{dx^2} = \begin{cases} -S & x < 0 \text{ or } x > 2 \\ 3 & 0 \le x \end{cases} \tag{3}
```
"""


def place() -> Displayed:
    (found,) = displayed(PAGE, "page")
    return found


def of(formula: str) -> str:
    """What one formula becomes, without the definitions that it uses."""
    text, _ = javascript(place(), {"it": formula})
    (line,) = [line for line in text.splitlines() if line.startswith("    it:")]
    return line.partition(" => ")[2].rstrip(",")


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("12", "12"),
        ("x - 2", "(at.x - 2)"),
        ("-x + 2", "(-at.x + 2)"),
        ("2x", "(2 * at.x)"),
        (r"\frac{x}{2a}", "(at.x / (2 * at.a))"),
        ("x/2/a", "(at.x / 2 / at.a)"),
        (r"y \log x", "times(at.y, () => Math.log(at.x))"),
        (r"e^{-x}", "Math.exp((-at.x))"),
        ("x^2", "(at.x ** 2)"),
        ("|x|", "Math.abs(at.x)"),
        ("z_2", "at.z[2]"),
        ("z_t", "at.z[at.t]"),
        (r"\delta_{0t}", "(0 === at.t ? 1 : 0)"),
        (r"\sum_k z_k", "add([0, 1, 2].map((k) => at.z[k]))"),
        (r"\max_k z_k", "Math.max(...[0, 1, 2].map((k) => at.z[k]))"),
        (r"\sum_{k \ne 1} z_k", "add([0, 1, 2].filter((k) => k !== 1).map((k) => at.z[k]))"),
        ("c", "c(at)"),
        ("q_1", "q(at, 1)"),
        ("f(a)", "f({ ...at, x: at.a })"),
        ("p_t", "p_t(at)"),
    ],
)
def test_a_term_becomes(formula: str, text: str) -> None:
    assert of(formula) == text


def test_definitions_are_functions_in_the_order_of_their_use() -> None:
    text, numbers = javascript(place(), {"slope": r"\frac{d\ell}{dx}", "target": "p_t"})
    assert text == (
        "(() => {\n"
        "  const c = (at) => Math.max(at.x, (-at.a));\n"
        "  const p_t = (at) => (at.y === 1 ? at.x : at.y < 1 ? (1 - at.x) : none());\n"
        "  return {\n"
        "    slope: (at) => (at.y + c(at)),\n"
        "    target: (at) => p_t(at),\n"
        "  };\n"
        "})()"
    )
    assert numbers == {"slope": 2}


def test_a_free_index_is_an_argument() -> None:
    text, _ = javascript(place(), {"it": r"q_k + \delta_{jt} z_k"})
    assert "    it: (at, j, k) => (q(at, k) + ((j === at.t ? 1 : 0) * at.z[k]))," in text
    assert "const q = (at, k) => (at.a * at.z[k]);" in text


def test_an_argument_is_a_given_number_and_cases_are_choices() -> None:
    text, _ = javascript(place(), {"value": r"\ell", "curvature": r"\frac{d^2\ell}{dx^2}"})
    assert "const f = (at) => ((at.x ** 2) / at.a);" in text
    assert "f({ ...at, x: (at.x + 1) })" in text
    assert "((at.x < 0 || at.x > 2) ? (-S(at)) : 0 <= at.x ? 3 : none())" in text


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("g", "g has no definition"),
        (r"\frac{d\ell}{da}", "no displayed equation"),
        ("q", "as a whole"),
        (r"\sum x", "without an index"),
        ("f(x, a)", "2 arguments"),
        ("u", "subscript that is no index"),
        ("(x, a)", "no translation"),
    ],
)
def test_what_has_no_translation_says_why(formula: str, reason: str) -> None:
    with pytest.raises(NotReadError, match=reason):
        javascript(place(), {"it": formula})


def test_the_examples_of_docstrings_are_right() -> None:
    for module in (reflosses.teaching.displayed, reflosses.teaching.javascript):
        failed, tried = doctest.testmod(module)
        assert (failed, tried > 0) == (0, True)


def test_only_numbers_that_are_given_are_used() -> None:
    javascript(place(), {"it": "x + a"}, {"x", "a"})
    with pytest.raises(NotReadError, match="a has no definition and is not given"):
        javascript(place(), {"it": "x + a"}, {"x"})


def test_every_loss_has_a_figure_whose_formulas_translate() -> None:
    losses = {catalogue.stem(cls): cls for cls in catalogue.losses().values()}
    assert set(MOVABLE) == set(losses)
    for stem, cls in losses.items():
        figure = movable_figure(stem, catalogue.page(cls))
        assert "value: (at" in figure.script
        assert "grad: (at" in figure.script


POINTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"y": 0, "yhat": 3, "delta": 1}, {"value": Fraction(5, 2), "grad": 1}),
    ({"y": 0, "yhat": 0.5, "delta": 1}, {"value": Fraction(1, 8), "grad": Fraction(1, 2)}),
    ({"y": 1, "yhat": -4, "delta": 3}, {"value": 3 * (5 - Fraction(3, 2)), "grad": -3}),
    ({"p": [0.75, 0.25, 0.5], "t": [1, 0, 1], "a": 0, "b": 0}, {"value": Fraction(2, 7), "grad": Fraction(-18, 49)}),
]


def test_node_computes_the_same_numbers_as_fractions() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: what the text computes is not checked here")
    scripts = {}
    for stem in ("huber", "dice"):
        figure = movable_figure(stem, catalogue.page(catalogue.find_loss(stem.title())))
        scripts[stem] = f"{PRELUDE} const it = {figure.script};"
    calls = []
    for at, _ in POINTS:
        stem, index = ("dice", ", 1") if "p" in at else ("huber", "")
        calls.append(
            f"(() => {{ {scripts[stem]} const at = {json.dumps(at)}; return [it.value(at), it.grad(at{index})]; }})()"
        )
    done = subprocess.run(
        [node, "-p", f"JSON.stringify([{', '.join(calls)}])"], capture_output=True, text=True, check=True
    )
    for (value, grad), (_, exact) in zip(json.loads(done.stdout), POINTS, strict=True):
        assert value == pytest.approx(float(exact["value"]), rel=1e-15)
        assert grad == pytest.approx(float(exact["grad"]), rel=1e-15)


def test_the_moving_prediction_is_one_entry() -> None:
    figure = movable_figure("generalized_dice", catalogue.page(catalogue.find_loss("GeneralizedDice")))
    at = {"p": [[0.5, 0.25, 0.25], [0.5, 0.75, 0.75]], "y": [[1, 0, 0], [0, 1, 1]]}
    assert moved(figure, at, 0.125)["p"] == [[0.125, 0.25, 0.25], [0.5, 0.75, 0.75]]
    assert at["p"][0][0] == 0.5
    assert identifier(r"\hat y") == "yhat"
