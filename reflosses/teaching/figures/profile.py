"""The figure at the top of a page: a loss, its gradient and its curvature over one prediction.

The numbers are those of the class. Between two kinks a curve is sampled up to the last floats before them, so that a
jump is a gap with a point at each side. A filled point is the number at the kink itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np

from reflosses.catalogue import stem
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import printed
from reflosses.teaching.figures.drawing import (
    BOLD,
    EDGE,
    HALVES,
    WIDTH,
    Drawing,
    Panel,
    in_figures,
    power,
    round_numbers,
    width_of_legend,
    width_of_text,
)

POINTS = 151  # of a curve between two kinks
FEWER_POINTS = 61  # the same of a loss that is called anew for each point
QUANTITIES = ("loss", "gradient", "curvature")
LETTERS_OF_PARAMETERS = {
    "delta": "*δ*",
    "gamma": "*γ*",
    "alpha": "*α*",
    "clamp": "*c*",
    "label_smoothing": "*ε*",
    "pos_weight": "*w*",
    "information": "*Ω*",
    "smooth_nr": "*a*",
    "smooth_dr": "*b*",
}
UNSEEN = ("reduction", "axis", "ignore_index", "per_sample")  # parameters that change nothing in the figure
LEFTS, TOP, ACROSS, DOWN, HEIGHT = (44, 272, 500), 68, 172, 156, 276
ROW = 26  # of a legend below the headline


@dataclass(frozen=True)
class Moving:
    """One curve: the target and the predictions of one loss, and which of these moves along the axis.

    y, yhat: what one loss reads. place: the index of the prediction that moves; () for a loss of one number.
    name: what the legend says; "" if there is one curve. other: the loss of this curve, if it is another one with the
    same value; then the value is not drawn again.
    """

    y: Any
    yhat: Any = 0.0
    place: tuple[int, ...] = ()
    name: str = ""
    other: Loss | None = None


@dataclass(frozen=True)
class LossProfile:
    """What is drawn of a loss. letters: of the axis, and of the three panels. span: the ends of the axis.

    cut: where the axes of loss, gradient and curvature end at the latest, for curves that have no end.
    """

    letters: tuple[str, str, str, str]
    span: tuple[float, float]
    moving: tuple[Moving, ...]
    cut: tuple[float, float, float] = (np.inf, np.inf, np.inf)
    alt: str = ""


def profile_of(loss: Loss) -> LossProfile:
    """What is drawn of a loss with its parameters."""
    return PROFILES[type(loss).__name__](loss)


def _residual(letter: str, symbol: str = "ℓ") -> tuple[str, str, str, str]:
    return f"*{letter}*", f"*{symbol}*", f"*d{symbol}*/*dŷ*", f"*d²{symbol}*/*dŷ²*"


def _around(loss: Any, deltas: float) -> tuple[float, float]:
    """An axis to both sides of 0 in units of delta; ValueError if floats end there."""
    if not 1e-100 <= loss.delta <= 1e100:
        raise ValueError(f"{loss}: a figure takes a delta from 1e-100 to 1e100")
    return -deltas * loss.delta, deltas * loss.delta


def _mean_squared_error(loss: Any) -> LossProfile:
    alt = "A parabola over the residual r, its slope 2r, which grows without end, and its constant curvature 2."
    return LossProfile(_residual("r"), (-3.0, 3.0), (Moving(0.0),), alt=alt)


def _mean_absolute_error(loss: Any) -> LossProfile:
    alt = (
        "A V over the residual r, its slope, which jumps from −1 to 1 at r = 0, and its curvature, 0 but at the corner."
    )
    return LossProfile(_residual("r"), (-3.0, 3.0), (Moving(0.0),), alt=alt)


def _huber(loss: Any) -> LossProfile:
    alt = (
        "A parabola that goes on as a straight line where |r| > δ, its slope, which is the residual r and stays "
        "at δ, and its curvature, which falls from 1 to 0 at |r| = δ."
    )
    return LossProfile(_residual("r"), _around(loss, 3), (Moving(0.0),), alt=alt)


def _cauchy(loss: Any) -> LossProfile:
    alt = (
        "A bowl over the residual e that flattens far out, its slope, which is largest at |e| = δ and goes back "
        "to 0, and its curvature, which is negative beyond δ."
    )
    line = Moving(0.0)
    if loss.information is not None:
        if loss.information.ndim > 2:
            raise ValueError(f"{loss}: a figure takes one matrix as information")
        zeros = (0.0,) * loss.information.shape[-1]
        line = Moving(zeros, zeros, (0,))
    return LossProfile(_residual("e", "ρ"), _around(loss, 5), (line,), alt=alt)


def _hinge(loss: Any) -> LossProfile:
    alt = (
        "For each label a ramp that ends at margin 1, a slope that jumps there from −1 to 0 or from 0 to 1, and "
        "a curvature of 0 but at the corner."
    )
    letters = "*ŷ*", "*ℓ*", "*dℓ*/*dŷ*", "*d²ℓ*/*dŷ²*"
    return LossProfile(letters, (-3.0, 3.0), (Moving(1.0, name="*y* = 1"), Moving(-1.0, name="*y* = −1")), alt=alt)


OF_A_LOGIT = "*z*", "*ℓ*", "*dℓ*/*dz*", "*d²ℓ*/*dz²*"
LABELS = (Moving(1.0, name="*y* = 1"), Moving(0.0, name="*y* = 0"))


def _binary_cross_entropy(loss: Any) -> LossProfile:
    alt = (
        "For each label a loss that is 0 where p is the label and goes to infinity at the other end, a slope of "
        "at least 1 in size and a curvature of at least 1, both infinite at the same end."
    )
    letters = "*p*", "*ℓ*", "*dℓ*/*dp*", "*d²ℓ*/*dp²*"
    return LossProfile(letters, (0.0, 1.0), LABELS, (4.0, 10.0, 40.0), alt)


def _binary_cross_entropy_with_logits(loss: Any) -> LossProfile:
    if np.ndim(loss.pos_weight) > 0:
        raise ValueError(f"{loss}: a figure takes one number as pos_weight")
    alt = (
        "For each label a loss that is a straight line on the wrong side and fades on the right one, a slope "
        "that goes from 0 to a constant pull, and one bump of curvature around z = 0."
    )
    return LossProfile(OF_A_LOGIT, (-6.0, 6.0), LABELS, alt=alt)


def _focal(loss: Any) -> LossProfile:
    alt = (
        "For each label a loss that is flat near the right answer and goes to infinity at the wrong end, with a "
        "slope and a curvature that fade to 0 on the right side."
    )
    letters = "*ŷ*", "*ℓ*", "*dℓ*/*dŷ*", "*d²ℓ*/*dŷ²*"
    return LossProfile(letters, (0.0, 1.0), LABELS, (4.0, 10.0, 40.0), alt)


def _focal_with_logits(loss: Any) -> LossProfile:
    alt = (
        "For each label a loss that is a straight line on the wrong side and fades fast on the right one, a "
        "slope whose size rises a little above 1 before it fades, and a curvature that changes its sign on the "
        "wrong side."
    )
    return LossProfile(OF_A_LOGIT, (-6.0, 6.0), LABELS, alt=alt)


def _true_class(loss: Any, classes: int = 3) -> int:
    """A class that is not ignored, the first if it can be."""
    return 1 if getattr(loss, "ignore_index", None) == 0 and classes > 1 else 0


def _classes(loss: Any) -> int:
    weights = getattr(loss, "class_weight", None)
    return 3 if weights is None else len(weights)


def _cross_entropy(loss: Any) -> LossProfile:
    alt = (
        "Over the logit of the true class a loss that falls from a straight line to 0, over that of another "
        "class one that rises; slopes that go from one constant to another; and bumps of curvature between."
    )
    classes = _classes(loss)
    true, zeros = _true_class(loss, classes), (0.0,) * classes
    other = (true + 1) % classes
    lines = (
        Moving(true, zeros, (true,), "true class, *k* = *t*"),
        Moving(true, zeros, (other,), "another class"),
    )
    letters = "*z_k*, the others 0", "*ℓ*", "∂*ℓ*/∂*z_k*", "∂²*ℓ*/∂*z_k*²"
    return LossProfile(letters, (-6.0, 6.0), lines[: min(classes, 2)], alt=alt)


def _negative_log_likelihood(loss: Any) -> LossProfile:
    alt = "A straight line that falls to 0 at a = 0, its slope, everywhere −1, and its curvature, everywhere 0."
    classes = _classes(loss)
    true = _true_class(loss, classes)
    letters = "*a_t*", "*ℓ*", "∂*ℓ*/∂*a_t*", "∂²*ℓ*/∂*a_t*²"
    return LossProfile(letters, (-5.0, 0.0), (Moving(true, (-1.0,) * classes, (true,)),), alt=alt)


def _sparse_categorical_cross_entropy(loss: Any) -> LossProfile:
    alt = (
        "A loss that falls from infinity at p = 0 to 0 at p = 1, its slope, which rises from −∞ to −1, and its "
        "curvature, which falls from ∞ to 1."
    )
    true = _true_class(loss)
    letters = "*p_t*", "*ℓ*", "∂*ℓ*/∂*p_t*", "∂²*ℓ*/∂*p_t*²"
    return LossProfile(letters, (0.0, 1.0), (Moving(true, (0.25,) * 3, (true,)),), (4.0, 10.0, 40.0), alt)


MASK, GUESS = (1.0, 1.0, 0.0, 0.0), (0.5, 0.5, 0.5, 0.5)
OVERLAP = "*p_i*, all others ½", "*L*", "∂*L*/∂*p_i*", "∂²*L*/∂*p_i*²"


def _overlap(name: str) -> Callable[[Any], LossProfile]:
    def profile(loss: Any) -> LossProfile:
        alt = (
            f"The {name} loss of four pixels over the prediction at one: it falls if the pixel is on the object "
            "and rises if not, and the slopes stay small and finite at both ends."
        )
        lines = (
            Moving(MASK, GUESS, (0,), "object, *t_i* = 1"),
            Moving(MASK, GUESS, (2,), "background, *t_i* = 0"),
        )
        return LossProfile(OVERLAP, (0.0, 1.0), lines, alt=alt)

    return profile


def _generalized_dice(loss: Any) -> LossProfile:
    alt = (
        "The loss over one prediction: one of the small class moves it much, down where the class is and up "
        "where it is not; one of the large class moves it little."
    )
    y = tuple((1.0, 0.0) if n == 0 else (0.0, 1.0) for n in range(4))
    yhat = ((0.5, 0.5),) * 4
    lines = (
        Moving(y, yhat, (0, 0), "small class, *y* = 1"),
        Moving(y, yhat, (1, 0), "*y* = 0"),
        Moving(y, yhat, (1, 1), "large, *y* = 1"),
    )
    letters = "*p_{ln}*, all others ½", "*L*", "∂*L*/∂*p_{ln}*", "∂²*L*/∂*p_{ln}*²"
    return LossProfile(letters, (0.0, 1.0), lines, alt=alt)


def _weighted_cross_entropy(loss: Any) -> LossProfile:
    alt = (
        "The loss of four pixels over the prediction at one, and its gradient and curvature with the weight held "
        "(stop) and differentiated (full): at a pixel of the background the two gradients differ in sign where p is "
        "small."
    )
    lines = [Moving(MASK, GUESS, (0,), "*y_i* = 1"), Moving(MASK, GUESS, (2,), "*y_i* = 0")]
    if loss.weight == "sudre":
        grads = (loss.weight_grad, "full" if loss.weight_grad == "stop" else "stop")
        lines = [
            replace(
                line, name=f"{line.name}, {grad}", other=None if grad == grads[0] else replace(loss, weight_grad=grad)
            )
            for grad in grads
            for line in lines
        ]
    letters = "*p_i*, all others ½", "*L* = Σ *ℓ_n*", "∂*L*/∂*p_i*", "∂²*L*/∂*p_i*²"
    size = 1.0 if loss.weight == "sudre" else max(1.0, loss.weight)
    return LossProfile(letters, (0.0, 1.0), tuple(lines), (10.0 * size, 20.0 * size, 100.0 * size), alt)


PROFILES: dict[str, Callable[[Any], LossProfile]] = {
    "BinaryCrossEntropy": _binary_cross_entropy,
    "BinaryCrossEntropyWithLogits": _binary_cross_entropy_with_logits,
    "Cauchy": _cauchy,
    "CrossEntropy": _cross_entropy,
    "Dice": _overlap("Dice"),
    "Focal": _focal,
    "FocalWithLogits": _focal_with_logits,
    "GeneralizedDice": _generalized_dice,
    "Hinge": _hinge,
    "Huber": _huber,
    "IoU": _overlap("IoU"),
    "MeanAbsoluteError": _mean_absolute_error,
    "MeanSquaredError": _mean_squared_error,
    "NegativeLogLikelihood": _negative_log_likelihood,
    "SparseCategoricalCrossEntropy": _sparse_categorical_cross_entropy,
    "WeightedCrossEntropy": _weighted_cross_entropy,
}


# ---- numbers ---------------------------------------------------------------------------------------------------------


def numbers_along(loss: Loss, line: Moving, x: Any) -> tuple[Floats, Floats, Floats]:
    """Loss, gradient and curvature where the moving prediction is each number of x."""
    x = np.asarray(x, np.float64)
    if loss.reads_all_predictions:
        one = replace(loss, reduction="sum")
        value, gradient, curvature = np.array([_numbers_at(one, line, number) for number in x]).reshape(-1, 3).T
        return value, gradient, curvature
    given: dict[str, Any] = {"reduction": "none"}
    for own, name in ((-1, "axis"), (True, "per_sample")):  # one loss for each number of x
        given |= {name: own} if hasattr(loss, name) else {}
    each = replace(loss, **given)
    y = np.broadcast_to(np.asarray(line.y), (len(x), *np.shape(line.y)))
    yhat = np.array(np.broadcast_to(np.asarray(line.yhat), (len(x), *np.shape(line.yhat))))
    moving: Any = (slice(None), *line.place)
    yhat[moving] = x
    value, gradient = each.value_and_grad(y, yhat)
    return value, gradient[moving], each.curvature(y, yhat)[moving]


def _numbers_at(loss: Loss, line: Moving, x: float) -> tuple[float, float, float]:
    yhat = np.array(line.yhat)
    yhat[line.place] = x
    value, gradient = loss.value_and_grad(line.y, yhat)
    return value, gradient[line.place], loss.curvature(line.y, yhat)[line.place]


def kinks_of(loss: Loss, line: Moving, span: tuple[float, float]) -> list[float]:
    """The predictions inside the span at which the formula changes over."""
    if line.place:
        return []
    found = {float(np.ravel(kink)[0]) for kink in loss.kinks(np.array([line.y]))}
    return sorted(kink for kink in found if span[0] < kink < span[1])


def pieces_of(loss: Loss, line: Moving, span: tuple[float, float]) -> list[Floats]:
    """The predictions at which a curve is sampled: one array for each piece between two kinks, denser at its ends."""
    ends = [span[0], *kinks_of(loss, line, span), span[1]]
    even = np.linspace(0, 1, FEWER_POINTS if loss.reads_all_predictions else POINTS)
    shares = (even + (1 - np.cos(np.pi * even)) / 2) / 2
    pieces = []
    for k, (low, high) in enumerate(pairwise(ends)):
        x = low + shares * (high - low)
        x[0] = low if k == 0 else np.nextafter(low, high)
        x[-1] = high if k == len(ends) - 2 else np.nextafter(high, low)
        pieces.append(x)
    return pieces


# ---- drawing ---------------------------------------------------------------------------------------------------------


def profile_figure(loss: Loss) -> Drawing:
    """The figure of a loss: value, gradient and curvature side by side."""
    profile = profile_of(loss)
    headline = _headline(loss)
    named = [(k, line.name) for k, line in enumerate(profile.moving, 1) if line.name]
    beside = width_of_text(headline) * BOLD + width_of_legend(named) < WIDTH - 2 * EDGE
    wide = width_of_legend(named) > WIDTH - 2 * EDGE
    rows = [named[: len(named) // 2], named[len(named) // 2 :]] if wide else [named]
    first = 0 if beside else ROW
    down = first + ROW * (len(rows) - 1)
    drawing = Drawing(stem(type(loss)), profile.alt, HEIGHT + down)
    drawing.text(EDGE, 22, headline, style="ink head")
    for k, row in enumerate(rows):
        drawing.legend(WIDTH - EDGE, 22 + first + ROW * k, row)
    found = [_curves(line.other or loss, line, profile.span) for line in profile.moving]
    for k, (quantity, left) in enumerate(zip(QUANTITIES, LEFTS, strict=True)):
        drawn = [(n, curves[k]) for n, curves in enumerate(found) if k or profile.moving[n].other is None]
        ends = _ends([curve for _, curve in drawn], profile.cut[k])
        unit, yticks = _ticks(ends)
        below, xticks = (1.0, HALVES) if profile.span == (0.0, 1.0) else _ticks_below(profile.span)
        panel = drawing.panel(
            quantity,
            (left, TOP + down, ACROSS, DOWN),
            x=profile.span,
            y=ends,
            title=f"{quantity} {profile.letters[k + 1]}{_over(unit)}",
            letter=f"{profile.letters[0]}{_over(below)}",
            xticks=xticks,
            yticks=yticks,
        )
        for n, curve in drawn:
            _draw(panel, profile.moving[n].name or quantity, curve, n + 1)
        _say_if_equal(panel)
    return drawing


def _ticks(ends: tuple[float, float], most: int = 5) -> tuple[float, Sequence[Any]]:
    """Round numbers on an axis, and the power of ten that they are multiples of if they are very large or small."""
    size = max(map(abs, ends))
    unit = 1.0 if 0.01 <= size < 1e4 else 10.0 ** np.floor(np.log10(size))
    if size / unit >= 100:
        most = min(most, 5)  # their numbers are long
    return unit, [(tick, in_figures(tick / unit)) for tick in round_numbers(*ends, most)]


def _ticks_below(span: tuple[float, float]) -> tuple[float, Sequence[Any]]:
    """As many ticks of a horizontal axis as have room for their numbers."""
    for most in (7, 5, 4):
        unit, ticks = _ticks(span, most)
        apart = ACROSS * (ticks[1][0] - ticks[0][0]) / (span[1] - span[0])
        if max(width_of_text(text) for _, text in ticks) <= apart:
            break
    return unit, ticks


def _over(unit: float) -> str:
    return "" if unit == 1 else f" / {power(unit)}"


def _headline(loss: Loss) -> str:
    """The name of a loss and its parameters. A parameter that is switched off, such as alpha=None, is left out."""
    shown = []
    for f in fields(loss):
        value = getattr(loss, f.name)
        off = value is None or (isinstance(value, str) and value == f.default) or (f.default == 0 and value == 0)
        if f.name in UNSEEN or off:
            continue
        text = f"{value:g}" if isinstance(value, float) else printed(value).replace("'", "")
        shown.append(f"{LETTERS_OF_PARAMETERS.get(f.name, f.name.replace('_', ' '))} = {text}")
    return ", ".join([type(loss).__name__, *shown])


@dataclass(frozen=True)
class Sampled:
    """One quantity along one line: its pieces, and the kinks between them with the numbers there."""

    x: tuple[Floats, ...]
    y: tuple[Floats, ...]
    kinks: tuple[float, ...]
    at_kinks: Floats


def _curves(loss: Loss, line: Moving, span: tuple[float, float]) -> list[Sampled]:
    pieces = pieces_of(loss, line, span)
    kinks = kinks_of(loss, line, span)
    numbers = [numbers_along(loss, line, x) for x in pieces]
    here = numbers_along(loss, line, kinks)
    return [
        Sampled(tuple(pieces), tuple(piece[k] for piece in numbers), tuple(kinks), here[k])
        for k in range(len(QUANTITIES))
    ]


def _ends(curves: Sequence[Sampled], cut: float) -> tuple[float, float]:
    """The ends of a vertical axis: all numbers that are not beyond the cut, zero, and some room."""
    numbers = np.concatenate([y for curve in curves for y in curve.y])
    numbers = np.clip(numbers[~np.isnan(numbers)], -cut, cut)
    numbers = np.append(numbers[np.isfinite(numbers)], 0.0)
    low, high = float(numbers.min()), float(numbers.max())
    if low == high:
        return -1.2, 1.2
    room = 0.07 * (high - low)
    return low - room * (low > -cut), high + room * (high < cut)


def _draw(panel: Panel, name: str, curve: Sampled, style: int) -> None:
    """The pieces of a curve, joined where it does not jump."""
    size = panel.y.high - panel.y.low
    x, y = [curve.x[0]], [curve.y[0]]
    for k, kink in enumerate(curve.kinks):
        left, right = curve.y[k][-1], curve.y[k + 1][0]
        here = curve.at_kinks[k]
        jumps = right != left and not abs(right - left) <= 1e-6 * size
        if jumps or np.isnan(here):
            x.append(np.array([kink]))
            y.append(np.array([np.nan]))
        if jumps:
            for side in (left, right):
                panel.dot(kink, side, style, filled=bool(side == here))
            if np.isfinite(here) and here not in (left, right):
                panel.dot(kink, here, style)
        elif np.isnan(here):
            panel.dot(kink, left, style, filled=False)
        x.append(curve.x[k + 1])
        y.append(curve.y[k + 1])
    panel.curve(name, np.concatenate(x), np.concatenate(y), style)


def _say_if_equal(panel: Panel) -> None:
    """A word where two curves lie on each other."""
    curves = [np.interp(np.linspace(panel.x.low, panel.x.high, 9), x, y) for x, y in panel.curves.values()]
    seen = 1e-6 * abs(panel.y.high - panel.y.low)  # nobody sees a smaller distance
    if len(curves) > 1 and all(np.allclose(curve, curves[0], rtol=0, atol=seen, equal_nan=True) for curve in curves):
        panel.label(panel.x.high, panel.y.high, "both alike", side="end", down=12)
