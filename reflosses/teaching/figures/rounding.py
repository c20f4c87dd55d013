"""Figures of rounding errors: where a line of code loses its digits. The exact numbers are certified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cauchy import Cauchy
from reflosses.teaching.figures.drawing import EDGE, WIDTH, Drawing
from reflosses.truth.proof import certify

LEAST = 2.0**-54  # the bottom of an axis of errors; exact results are there, too
MOST = 10.0
ERRORS: dict[str, Any] = {
    "y": (LEAST, MOST),
    "yticks": ((1e-16, "10⁻¹⁶"), (1e-12, "10⁻¹²"), (1e-8, "10⁻⁸"), (1e-4, "10⁻⁴"), (1.0, "1")),
}


def relative_errors(computed: Any, exact: Any) -> Floats:
    """Relative errors between LEAST and 1. A result that is not finite has the error 1, as 0 has."""
    computed, exact = np.asarray(computed, np.float64), np.asarray(exact, np.float64)
    with np.errstate(all="ignore"):
        errors = np.where(computed == exact, 0.0, np.abs(computed - exact) / np.abs(exact))
    return np.clip(np.where(np.isfinite(computed), errors, 1.0), LEAST, 1.0)


def largest_of(errors: Floats, each: int) -> Floats:
    """The largest error of each group of neighbours."""
    return np.asarray(errors.reshape(-1, each).max(axis=1))


def logit_digits() -> Drawing:
    """The errors of the usual slope of a logit, and of ours. The usual value has those of the slope."""
    alt = (
        "The relative error over the logit z, for the label 1: that of σ(z) − y, and of −log σ(z), climbs in a "
        "straight ramp from the last digit at z = 0 to 100 % at z = 36.7; that of forms (3) and (4) is a flat "
        "line at 1e-16."
    )
    drawing = Drawing("logit_digits", alt, 330)
    options: dict[str, Any] = {"x": (-60, 60), "log": "y", "letter": "*z*", "xticks": range(-60, 61, 20), **ERRORS}
    panel = drawing.panel("errors", (56, 36, 608, 244), title="relative error, label *y* = 1", **options)
    columns, each = 120, 6
    z = -60 + np.arange(columns * each) / each + 1 / (2 * each)
    loss = BinaryCrossEntropyWithLogits(reduction="none")
    ones = np.ones(len(z))
    exact = certify(loss, ones, z)
    ours = [relative_errors(a, b) for a, b in zip(loss.value_and_grad(ones, z), exact, strict=True)]
    middle = z.reshape(columns, each).mean(axis=1)
    panel.curve("forms (3) and (4)", middle, largest_of(np.maximum(*ours), each), 1)
    usual = relative_errors(1 / (1 + np.exp(-z)) - ones, exact[1])
    panel.curve("σ(z) − y", middle, largest_of(usual, each), 2)
    ramp = np.array([0.0, 53 * np.log(2)])
    panel.curve("2⁻⁵³eᶻ", ramp, 2.0**-53 * np.exp(ramp), 3)
    panel.label(13, 1e-9, "*σ*(*z*) − *y*, and −log *σ*(*z*)", side="end")
    panel.label(24, 1e-6, "*e*ᶻ 2⁻⁵³", right=12, down=10)
    panel.label(36.7, 1, "*z* = 36.7: nothing is left", side="end", right=-10)
    panel.label(58, 1e-16, "forms (3) and (4)", side="end", down=-22)
    return drawing


def cauchy_digits() -> Drawing:
    """Which form of the Cauchy kernel keeps its digits at which residual."""
    alt = (
        "The relative error of four forms over r/δ from 1e-170 to 1e170: log(1 + u) loses its digits in a ramp below 1 "
        "and has none below 1e-8, log1p(u) holds where u is in range, (7) below it and (8) above it."
    )
    drawing = Drawing("cauchy_digits", alt, 386)
    delta, each = 1e6, 5
    loss = Cauchy(delta=delta, reduction="none")
    forms: dict[str, Callable[[Floats, Floats], Any]] = {
        "log(1 + *u*)": lambda r, u: delta * delta * np.log(1 + u),
        "log1p(*u*)": lambda r, u: delta * delta * np.log1p(u),
        "(7)": lambda r, u: r * (r * np.where(u > 0, np.log1p(u) / u, 1.0)),
        "(8)": lambda r, u: 2 * delta * delta * (np.log(r) - np.log(delta)),
    }
    drawing.legend(WIDTH - EDGE, 22, list(enumerate(forms, 1)))
    for name, left, ends, ticks in (
        ("the middle", 56, (1e-10, 1e10), (1e-8, 1e-4, 1.0, 1e4, 1e8)),
        ("the whole range", 392, (1e-170, 1e170), (1e-150, 1e-75, 1.0, 1e75, 1e150)),
    ):
        options: dict[str, Any] = {"x": ends, "log": "xy", "letter": "*r*/*δ*, with *u* = (*r*/*δ*)²", "xticks": ticks}
        panel = drawing.panel(name, (left, 74, 276, 266), title=f"relative error, {name}", **options, **ERRORS)
        share = np.logspace(np.log10(ends[0]), np.log10(ends[1]), 120 * each)
        r = share * delta
        exact = certify(loss, np.zeros(len(r)), r)[0]
        with np.errstate(all="ignore"):
            u = (r / delta) * (r / delta)
            for style, (form, compute) in enumerate(forms.items(), 1):
                errors = largest_of(relative_errors(compute(r, u), exact), each)
                panel.curve(form.replace("*", ""), share[each // 2 :: each], errors, style)
    return drawing


def difference_quotients() -> Drawing:
    """The error of difference quotients over the step, and that of a power series, which has no step."""
    alt = (
        "The relative error of a forward and of a central difference over the step h: each falls and rises "
        "again in a V, to 1e-8 and 1e-11 at best; the exact power series has no step and no V, only the last "
        "rounding."
    )
    drawing = Drawing("difference_quotients", alt, 330)
    options: dict[str, Any] = {"x": (1e-16, 1.0), "log": "xy", "letter": "step *h*", **ERRORS}
    options |= {"title": "relative error of the slope of Cauchy at *e* = 3", "xticks": (1e-16, 1e-12, 1e-8, 1e-4, 1.0)}
    panel = drawing.panel("errors", (56, 36, 608, 244), **options)
    loss, at, each = Cauchy(delta=1.0, reduction="none"), 3.0, 5
    h = np.logspace(-16, 0, 96 * each)
    slope = certify(loss, 0.0, at)[1]
    middle = np.exp(np.log(h).reshape(-1, each).mean(axis=1))

    def value(e: Floats) -> Floats:
        return np.asarray(loss.value(np.zeros(len(e)), e))

    quotients = {
        "forward": (value(at + h) - value(at + 0 * h)) / h,
        "central": (value(at + h) - value(at - h)) / (2 * h),
    }
    for style, (name, quotient) in enumerate(quotients.items(), 2):
        panel.curve(name, middle, largest_of(relative_errors(quotient, slope), each), style)
    panel.curve("power series", [1e-16, 1.0], [LEAST, LEAST], 1)
    panel.label(1e-4, 5e-5, "forward", side="end", down=-14)
    panel.label(1e-2, 1e-5, "central", right=14, down=14)
    panel.label(1e-12, LEAST, "exact power series: no step, no V", down=-12)
    return drawing
