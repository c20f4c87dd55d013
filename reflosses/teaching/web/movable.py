r"""The figures that a reader moves: one prediction, along its loss, with the slope as a tangent.

A figure says which letter of the page moves and which numbers the others have. Its formulas are those that the page
displays, translated by `reflosses.teaching.javascript`. No formula is written here. The second figure of some pages
compares the displayed formula, computed in float64, with certified numbers that the library wrote into a table.
"""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import reflosses
from reflosses import catalogue
from reflosses.evaluation.loss import Loss
from reflosses.teaching.displayed import Displayed, displayed
from reflosses.teaching.javascript import PRELUDE, identifier, javascript
from reflosses.teaching.tree import NotReadError

Given = dict[str, Any]  # numbers, rows and tables by the letters of the page


@dataclass(frozen=True)
class Slider:
    """A parameter or a target: its letter, its range, and words. place: of an entry of a row."""

    letter: str
    label: str
    low: float
    high: float
    step: float
    start: float
    place: tuple[int, ...] = ()
    one_hot: bool = False  # the number is the place of the 1 in the row


@dataclass(frozen=True)
class Wide:
    """Where the displayed formula loses its digits: positions, and marks for the axis."""

    positions: tuple[float, ...]
    marks: tuple[float, ...]
    log: bool = False


@dataclass(frozen=True)
class Movable:
    """The figure of a page. place: of the moving prediction in its row, from 0; the page's [[code]] says the rest."""

    letter: str
    label: str
    low: float
    high: float
    step: float
    start: float
    sliders: tuple[Slider, ...] = ()
    given: Given = field(default_factory=dict)
    place: tuple[int, ...] = ()
    code: int = 0
    value: str = ""  # in place of the formula of the block
    grad: str = ""
    equation: int = 0  # that gives the slope, where the page has several
    note: str = ""
    steepest: float = 0  # the end of the axis of the slope, 0 for as far as it goes
    wide: Wide | None = None


def _powers(low: int, high: int) -> tuple[float, ...]:
    """1 and 3 in every decade."""
    return tuple(float(f"{digit}e{n}") for n in range(low, high) for digit in (1, 3))


Y = Slider("y", "y", -3, 3, 0.25, 0)
DELTA = Slider(r"\delta", "δ", 0.25, 3, 0.25, 1)
HARD = Slider("y", "y", 0, 1, 1, 1)
SOFT = Slider("y", "y", 0, 1, 0.05, 1)
GAMMA = Slider(r"\gamma", "γ", 0.5, 5, 0.25, 2)
ALPHA = Slider(r"\alpha", "α", 0.05, 0.95, 0.05, 0.25)
SAID = "The other predictions stay as they are."
PIXELS: Given = {"t": [1, 0, 1], "p": [0.75, 0.25, 0.5]}
SMOOTH = (
    Slider("t", "t₁", 0, 1, 1, 1, (0,)),
    Slider("p", "p₂", 0, 1, 0.05, 0.25, (1,)),
    Slider("p", "p₃", 0, 1, 0.05, 0.5, (2,)),
    Slider("a", "a", 0, 2, 0.25, 0),
    Slider("b", "b", 0.25, 2, 0.25, 0.25),
)
LOGITS = tuple(float(x) for x in range(-80, 81))

MOVABLE: dict[str, Movable] = {
    "mean_squared_error": Movable(r"\hat y", "ŷ", -4, 4, 0.05, 1.5, (Y,)),
    "mean_absolute_error": Movable(r"\hat y", "ŷ", -4, 4, 0.05, 1.5, (Y,)),
    "huber": Movable(r"\hat y", "ŷ", -4, 4, 0.05, 2, (DELTA, Y)),
    "cauchy": Movable(
        r"\hat y",
        "ŷ",
        -6,
        6,
        0.05,
        2,
        (DELTA, Y),
        {r"\Omega": 1},
        grad=r"\nabla_{\hat y}\, \rho",
        note="One residual, Ω = 1.",
        wide=Wide(_powers(-12, 14), (1e-12, 1e-8, 1e-4, 1, 1e4, 1e8, 1e12), log=True),
    ),
    "hinge": Movable(r"\hat y", "ŷ", -3, 3, 0.05, 0.25, (Slider("y", "y", -1, 1, 2, 1),)),
    "binary_cross_entropy": Movable("p", "p", 0.005, 0.995, 0.005, 0.25, (SOFT,), steepest=20),
    "binary_cross_entropy_with_logits": Movable(
        "z",
        "z",
        -6,
        6,
        0.05,
        -1.5,
        (SOFT, Slider("w", "pos_weight w", 0.25, 5, 0.25, 1)),
        equation=2,
        wide=Wide(LOGITS, (-80, -40, 0, 40, 80)),
    ),
    "focal": Movable(r"\hat y", "ŷ", 0.005, 0.995, 0.005, 0.25, (HARD, GAMMA, ALPHA), steepest=10),
    "focal_with_logits": Movable(
        "z", "z", -6, 6, 0.05, -1.5, (HARD, GAMMA, ALPHA), {"c": 0.25}, wide=Wide(LOGITS, (-80, -40, 0, 40, 80))
    ),
    "cross_entropy": Movable(
        "z",
        "z₀",
        -6,
        6,
        0.05,
        -1.5,
        (
            Slider("y", "true class", 0, 2, 1, 0, one_hot=True),
            Slider("z", "z₁", -4, 4, 0.25, 0, (1,)),
            Slider("z", "z₂", -4, 4, 0.25, 1, (2,)),
            Slider(r"\varepsilon", "ε", 0, 0.5, 0.01, 0),
        ),
        {"z": [-1.5, 0, 1], "y": [1, 0, 0], "w": [1, 1, 1], "C": 3},
        (0,),
        note=SAID,
        wide=Wide(LOGITS, (-80, -40, 0, 40, 80)),
    ),
    "negative_log_likelihood": Movable(
        "a",
        "a₀",
        -6,
        0,
        0.025,
        -1.5,
        (Slider("t", "true class", 0, 2, 1, 0), Slider("w", "w₀", 0.25, 3, 0.25, 1, (0,))),
        {"a": [-1.5, -1, -0.75], "w": [1, 1, 1]},
        (0,),
        note=SAID,
    ),
    "sparse_categorical_cross_entropy": Movable(
        "p",
        "p₀",
        0.005,
        0.995,
        0.005,
        0.25,
        (Slider("t", "true class", 0, 2, 1, 0),),
        {"p": [0.25, 0.25, 0.5]},
        (0,),
        note=SAID,
        steepest=20,
    ),
    "weighted_cross_entropy": Movable(
        "p",
        "p₁",
        0.02,
        0.98,
        0.005,
        0.5,
        (Slider("y", "y₁", 0, 1, 1, 1, (0,)), Slider("p", "p₂", 0.05, 0.95, 0.05, 0.25, (1,))),
        {"p": [0.5, 0.25], "y": [1, 0], "N": 2},
        (0,),
        value=r"\sum_n \ell_n",
        note="The slope holds the weight w constant, the curve does not: w moves with p₁. So the line is no tangent.",
        steepest=12,
    ),
    "dice": Movable("p", "p₁", 0, 1, 0.005, 0.75, SMOOTH, PIXELS, (0,), note=SAID),
    "iou": Movable("p", "p₁", 0, 1, 0.005, 0.75, SMOOTH, PIXELS, (0,), note=SAID),
    "generalized_dice": Movable(
        "p",
        "p₁₁",
        0,
        1,
        0.005,
        0.5,
        (
            Slider("p", "p₂₁", 0, 1, 0.05, 0.5, (1, 0)),
            Slider("p", "p₁₂", 0, 1, 0.05, 0.25, (0, 1)),
            Slider("p", "p₂₂", 0, 1, 0.05, 0.75, (1, 1)),
        ),
        {"y": [[1, 0, 0], [0, 1, 1]], "p": [[0.5, 0.25, 0.25], [0.5, 0.75, 0.75]]},
        (0, 0),
        code=2,
        note="Two classes, three pixels. " + SAID,
    ),
}


@dataclass(frozen=True)
class Figure:
    """A figure, ready for a page: what the script needs, and what a test compares with the library."""

    stem: str
    movable: Movable
    place: Displayed
    script: str
    equations: dict[str, int]

    @property
    def start(self) -> Given:
        """The numbers with which the figure begins, by letter."""
        found = {letter: json.loads(json.dumps(value)) for letter, value in self.movable.given.items()}
        for slider in self.movable.sliders:
            if not slider.place and not slider.one_hot:
                found[slider.letter] = slider.start
        if not self.movable.place:
            found[self.movable.letter] = self.movable.start
        return found


def movable_figure(stem: str, text: str) -> Figure:
    """The figure of a page, from its Markdown. NotReadError if it has no translation."""
    movable = MOVABLE[stem]
    place = displayed(text, stem)[movable.code]
    formulas = {"value": movable.value or place.code["value"], "grad": movable.grad or place.code["grad"]}
    given = {*movable.given, *(slider.letter for slider in movable.sliders), movable.letter}
    chosen = {"grad": movable.equation} if movable.equation else {}
    try:
        script, equations = javascript(place, formulas, given, chosen)
    except NotReadError as reason:
        raise NotReadError(f"derivations/{stem}.md, the figure to move: {reason}") from None
    return Figure(stem, movable, place, script, equations)


def library_loss(figure: Figure, at: Given) -> tuple[Loss, Any, Any]:
    """The loss of a figure with its target and prediction at some numbers, by identifier: what the library is asked."""
    code = figure.place.code
    letters = {name: at[identifier(letter)] for name, letter in code.get("parameters", {}).items()}
    if "class_weight" in letters:
        letters["class_weight"] = tuple(letters["class_weight"])
    cls = {catalogue.stem(cls): cls for cls in catalogue.losses().values()}[figure.stem]
    fixed = {} if figure.movable.value else code.get("fixed", {})
    y, yhat = (at[identifier(code.get(name, letter))] for name, letter in (("y", "y"), ("yhat", r"\hat y")))
    return cls(**{**letters, **fixed, "reduction": "none"}), y, yhat


def moved(figure: Figure, at: Given, x: float) -> Given:
    """The numbers with the moving prediction at x."""
    found = json.loads(json.dumps(at))
    name = identifier(figure.movable.letter)
    if not figure.movable.place:
        return {**found, name: x}
    *before, last = figure.movable.place
    row = found[name]
    for index in before:
        row = row[index]
    row[last] = x
    return dict(found)


def numbers_of_library(figure: Figure, at: Given) -> tuple[float, float]:
    """Value and slope of the shipped loss, at the moving prediction."""
    loss, y, yhat = library_loss(figure, at)
    value, grad = loss.value_and_grad(y, np.asarray(yhat, float))
    return float(np.sum(value)), float(np.asarray(grad)[figure.movable.place])


def table(figure: Figure) -> dict[str, list[float | None]]:
    """Certified numbers and those of the library at the wide positions of a figure."""
    assert figure.movable.wide is not None
    rows: dict[str, list[float | None]] = {name: [] for name in ("x", "value", "grad", "ourValue", "ourGrad")}
    start = {identifier(letter): value for letter, value in figure.start.items()}
    for x in figure.movable.wide.positions:
        at = moved(figure, start, x)
        loss, y, yhat = library_loss(figure, at)
        value, grad = reflosses.certify(loss, y, np.asarray(yhat, float))
        ours = numbers_of_library(figure, at)
        numbers = (x, float(np.sum(value)), float(np.asarray(grad)[figure.movable.place]), *ours)
        for name, number in zip(rows, numbers, strict=True):
            rows[name].append(number if math.isfinite(number) else None)
    return rows


def page_script(figure: Figure) -> str:
    """The script of a page: its formulas, and what the figures need to know."""
    movable = figure.movable
    data = {
        "letter": identifier(movable.letter),
        "label": movable.label,
        "low": movable.low,
        "high": movable.high,
        "step": movable.step,
        "start": movable.start,
        "place": movable.place,
        "indices": [index + figure.place.scope.first for index in movable.place],
        "given": {identifier(letter): value for letter, value in figure.start.items()},
        "sliders": [
            {
                "letter": identifier(slider.letter),
                "label": slider.label,
                "low": slider.low,
                "high": slider.high,
                "step": slider.step,
                "start": slider.start,
                "place": slider.place,
                "oneHot": slider.one_hot,
            }
            for slider in movable.sliders
        ],
        "steepest": movable.steepest,
    }
    lines = [f"{{\n{PRELUDE}const formulas = {figure.script};", f"const figure = {_json(data)};"]
    lines.append('reflosses.movable(document.getElementById("movable"), figure, formulas);')
    if movable.wide is not None:
        wide = {"marks": movable.wide.marks, "log": movable.wide.log, **table(figure)}
        lines.append(f'reflosses.digits(document.getElementById("digits"), figure, formulas, {_json(wide)});')
    return "\n".join([*lines, "}\n"])


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def movable_html(figure: Figure) -> str:
    """The place of the figure on its page."""
    caption = f"Drag {figure.movable.label} along the loss, or move it with the arrow keys. The line is the slope."
    words = [caption]
    if figure.movable.note:
        words.append(figure.movable.note)
    by, label = _by(figure), f"The loss as a function of {figure.movable.label}"
    return (
        f'<figure class="movable" id="movable" aria-label="{html.escape(label)}">'
        f'<div class="drawing"></div><div class="readout"></div><div class="sliders"></div>'
        f"<figcaption>{html.escape(' '.join(words))} {by}</figcaption>"
        "<noscript><p>This figure needs JavaScript.</p></noscript></figure>"
    )


def digits_html(figure: Figure) -> str:
    """The place of the figure that compares the displayed formula with certified numbers."""
    caption = (
        "The displayed formula as it stands, computed in float64, against certified numbers: the relative error of "
        f"value and slope. At 1 no digit is left. Drag {figure.movable.label}, or use the arrow keys."
    )
    return (
        '<figure class="digits" id="digits" aria-label="The relative error of the displayed formula in float64">'
        '<div class="drawing"></div><div class="readout"></div>'
        f"<figcaption>{html.escape(caption)} {_by(figure)}</figcaption></figure>"
    )


def _by(figure: Figure) -> str:
    """Which displayed equations give the numbers."""
    found = [f'slope by <a href="#eq-{n}">({n})</a>' for name, n in figure.equations.items() if name == "grad"]
    return f"Computed from the displayed formulas{'; ' + found[0] if found else ''}."
