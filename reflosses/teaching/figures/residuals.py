"""Figures of residuals: what a robust loss does with a gross error."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.losses.cauchy import Cauchy
from reflosses.losses.huber import Huber
from reflosses.losses.mean_absolute_error import MeanAbsoluteError
from reflosses.losses.mean_squared_error import MeanSquaredError
from reflosses.teaching.figures.drawing import EDGE, WIDTH, Drawing

DATA = (2.0, 3.0, 4.0, 5.0, 90.0)  # of the pages; the last is an outlier
Numbers = Callable[[Any], tuple[Floats, Floats]]


def halved(loss: Any, factor: float) -> Numbers:
    """A function of residuals: value and slope of a loss, times a factor."""

    def numbers(r: Any) -> tuple[Floats, Floats]:
        value, slope = loss.value_and_grad(np.zeros(np.shape(r)), r)
        return factor * value, factor * slope

    return numbers


def kernels(huber: float = 1.0, cauchy: float = 1.0) -> dict[str, Numbers]:
    """Four losses that are ½ r² near zero, except the second, which is |r|."""
    return {
        "½ squared": halved(MeanSquaredError(reduction="none"), 0.5),
        "absolute": halved(MeanAbsoluteError(reduction="none"), 1.0),
        "Huber": halved(Huber(delta=huber, reduction="none"), 1.0),
        "½ Cauchy": halved(Cauchy(delta=cauchy, reduction="none"), 0.5),
    }


def robust_kernels() -> Drawing:
    """Loss, pull and weight of four losses."""
    alt = (
        "Four losses over the residual r: the pull of squared error grows for ever, that of absolute error and "
        "Huber is capped, that of Cauchy lets go; the weights, pull over r, fall accordingly."
    )
    drawing = Drawing("robust_kernels", alt, 326)
    drawing.legend(WIDTH - EDGE, 22, [(k, name) for k, name in enumerate(kernels(), 1)])
    r = np.linspace(-6, 6, 193)
    # Absolute error has a corner at 0: its pull jumps and its weight goes to infinity.
    r = np.sort(np.append(r, [-1e-9, 1e-9]))
    views = (
        ("loss", "loss *ρ*", 38, (-0.2, 6.2), lambda r, value, slope: value),
        ("pull", "pull *ψ* = *ρ*′", 268, (-2.6, 2.6), lambda r, value, slope: np.where(r == 0, np.nan, slope)),
        ("weight", "weight *ψ*/*r*", 500, (-0.1, 2.1), lambda r, value, slope: slope / np.where(r == 0, np.nan, r)),
    )
    for name, title, left, ends, view in views:
        ticks = {"loss": (0, 2, 4, 6), "pull": (-2, -1, 0, 1, 2), "weight": (0, 1, 2)}[name]
        options: dict[str, Any] = {"x": (-6, 6), "y": ends, "title": title, "letter": "*r*, with *δ* = 1"}
        panel = drawing.panel(name, (left, 68, 172, 180), xticks=(-6, -3, 0, 3, 6), yticks=ticks, **options)
        for style, (kernel, numbers) in enumerate(kernels().items(), 1):
            y = view(r, *numbers(r))
            keep = np.ones(len(r), bool) if kernel == "absolute" else r != 0
            panel.curve(kernel, r[keep], y[keep], style)
    for side in (-1.0, 1.0):
        drawing.panels["pull"].dot(0, side, 2, filled=False)
    drawing.text(WIDTH / 2, 316, "½: halved, so that all but |*r*| are ½ *r²* near 0", "middle", "pale small")
    return drawing


def huber_tangents() -> Drawing:
    """The smallest example of the page of Huber, as two tangents, above (4) and (5)."""
    alt = (
        "Huber's loss with its tangents at r = ½ and r = 3, of slopes ½ and 1; below it, over the same axis, "
        "the clip of r, which has these heights, and the step of the curvature."
    )
    drawing = Drawing("huber_tangents", alt, 488)
    loss = Huber(delta=1.0, reduction="none")
    ends = (-4.0, -1.0, 1.0, 4.0)
    pieces = [np.linspace(np.nextafter(a, b), np.nextafter(b, a), 61) for a, b in pairwise(ends)]
    r = np.concatenate(pieces)
    broken = np.concatenate([x for piece in pieces for x in (piece, [np.nan])])
    value, slope = loss.value_and_grad(np.zeros(len(r)), r)
    options: dict[str, Any] = {"x": (-4, 4), "xticks": [(k, "") for k in range(-4, 5)]}
    left, across = 50, 616
    top = drawing.panel("loss", (left, 28, across, 190), y=(-0.4, 3.6), title="loss *ℓ*", **options)
    title = "slope *c*: the residual, but never beyond ±*δ*"
    middle = drawing.panel("slope", (left, 256, across, 86), y=(-1.3, 1.3), title=title, yticks=(-1, 0, 1), **options)
    options |= {"xticks": range(-4, 5), "yticks": (0, 1), "letter": "*r* = *ŷ* − *y*, with *δ* = 1"}
    bottom = drawing.panel("curvature", (left, 380, across, 62), y=(-0.2, 1.2), title="curvature", **options)
    top.curve("loss", r, value, 1)
    middle.curve("slope", r, slope, 1)
    bottom.curve("curvature", broken, loss.curvature(np.zeros(len(broken)), broken), 1)
    for kink in (-1.0, 1.0):
        bottom.dot(kink, 1, 1, filled=False)
        bottom.dot(kink, float(loss.curvature(0.0, kink)), 1)
    for at, reach, style in ((0.5, 1.5, 2), (3.0, 1.0, 3)):
        height, tangent = (float(x) for x in loss.value_and_grad(0.0, at))
        x = np.array([at - reach, at + reach])
        top.curve(f"tangent at {at:g}", x, height + tangent * (x - at), style)
        top.dot(at, height, style)
        middle.dot(at, tangent, style)
    top.label(2, 7 / 8, "slope ½ at *r* = ½", right=8)
    top.label(3, 2.5, "slope 1 at *r* = 3", side="end", right=-14, down=-8)
    return drawing


def robust_means() -> Drawing:
    """The sum of the pulls of five numbers on one constant, which is 0 at the estimate."""
    alt = (
        "The sum of the pulls of a constant c on the data 2, 3, 4, 5, 90: it crosses 0 at 3.52 for Cauchy, at 4 "
        "for absolute error, at 4.25 for Huber and at 20.8 for squared error; near 90 the curve of Cauchy "
        "crosses 0 again."
    )
    drawing = Drawing("robust_means", alt, 352)
    named = kernels(3.0, 1.5)
    drawing.legend(WIDTH - EDGE, 22, [(k, name) for k, name in enumerate(named, 1)])
    data = np.array(DATA)

    def pulls(numbers: Numbers, c: Any) -> Floats:
        return np.asarray(numbers(np.asarray(c)[:, None] - data)[1].sum(axis=1))

    for name, title, left, across, span, ticks in (
        ("sum", "*s*(*c*) = Σ *ψ*(*c* − *y_i*)", 36, 316, (0.5, 7.5), range(1, 8)),
        ("mean", "the mean", 386, 96, (19.0, 23.0), (20, 22)),
        ("outlier", "the outlier", 516, 150, (83.0, 97.0), (85, 90, 95)),
    ):
        options: dict[str, Any] = {"x": span, "y": (-8, 8), "title": title, "letter": "*c*", "xticks": ticks}
        panel = drawing.panel(name, (left, 74, across, 212), yticks=(-5, 0, 5), **options)
        for style, (kernel, numbers) in enumerate(named.items(), 1):
            if kernel != "absolute":
                c = np.linspace(*span, 141)
                panel.curve(kernel, c, pulls(numbers, c), style)
                continue
            inside = [x for x in DATA if span[0] < x < span[1]]
            ends = [span[0], *inside, span[1]]
            gaps = pairwise(ends)
            c = np.ravel([(np.nextafter(a, b), np.nextafter(b, a), np.nan) for a, b in gaps])
            panel.curve(kernel, c, pulls(numbers, c), style)
            for kink in inside:
                for side in pulls(numbers, [np.nextafter(kink, -np.inf), np.nextafter(kink, np.inf)]).tolist():
                    panel.dot(kink, side, style, filled=False)
    drawing.text(WIDTH / 2, 344, "*δ* = 3 for Huber, *δ* = 1.5 for Cauchy", "middle", "pale small")
    near, mean, _ = drawing.panels.values()
    for panel, estimate, style in ((near, 3.518, 4), (near, 4.0, 2), (near, 4.25, 3), (mean, 20.8, 1)):
        panel.dot(estimate, 0, style)
    near.line([(2.6, 2.7), (3.45, 0.3)])
    near.label(2.6, 2.7, "Cauchy: 3.52", side="end", right=12, down=-8)
    near.line([(3.2, 5.7), (3.95, 0.5)])
    near.label(3.2, 5.7, "absolute: 4", side="end", right=10, down=-8)
    near.line([(5.0, -4.0), (4.31, -0.4)])
    near.label(5.0, -4.0, "Huber: 4.25", right=2, down=8)
    mean.label(20.8, 0, "20.8", right=8, down=10)
    return drawing
