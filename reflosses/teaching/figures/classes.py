"""Figures of classes: what a classifier is pulled to, and what focal loss and a clamp do with the pull."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogits
from reflosses.losses.cross_entropy import CrossEntropy
from reflosses.losses.focal import Focal
from reflosses.losses.focal_with_logits import FocalWithLogits
from reflosses.teaching.figures.drawing import EDGE, HALVES, WIDTH, Drawing, Panel

EIGHTHS = (1, 2, 5)  # of the smallest example: softmax of the logits log 1, log 2, log 5


def moved_mass() -> Drawing:
    """Prediction and target of three classes, and the gradient, their difference."""
    alt = (
        "Left, the softmax 1/8, 2/8, 5/8 as bars beside the target, 1 for class 1; right, the gradient p − y as "
        "arrows, 1/8, −6/8 and 5/8, which sum to 0."
    )
    drawing = Drawing("moved_mass", alt, 262)
    gradient = CrossEntropy(reduction="none").grad(1, np.log(EIGHTHS))
    target = np.array([0.0, 1.0, 0.0])
    options: dict[str, Any] = {"x": (-0.6, 2.6), "xticks": [(k, f"class {k}") for k in range(3)]}
    title = "prediction *p*; dashed: target *y*"
    left = drawing.panel("masses", (40, 36, 280, 196), y=(0, 1.12), title=title, **options)
    title = "gradient *p* − *y*: it sums to 0"
    right = drawing.panel("gradient", (392, 36, 280, 196), y=(-0.9, 0.9), title=title, **options)
    for k, (eighths, y) in enumerate(zip(EIGHTHS, target, strict=True)):
        left.bar(k - 0.17, 0.3, float(gradient[k] + y), "f1")
        if y:
            left.bar(k + 0.17, 0.3, float(y), "c s2")
        left.label(k - 0.17, float(gradient[k] + y), f"{eighths}/8", side="middle", down=-10)
        right.arrow(k, 0, float(gradient[k]), 1 if gradient[k] > 0 else 2)
        sign = "+" if gradient[k] > 0 else "−"
        right.label(k, float(gradient[k]), f"{sign}{abs(eighths - 8 * int(y))}/8", right=12, down=4 if y else 2)
    return drawing


def label_smoothing() -> Drawing:
    """The loss over the lead of the true logit, with and without smoothing."""
    alt = (
        "The loss of ten classes over the lead of the true logit: without smoothing it falls for ever, with ε = "
        "0.1 it has a valley at 4.51, with ε = 0.3 one at 3.19."
    )
    drawing = Drawing("label_smoothing", alt, 320)
    options: dict[str, Any] = {"x": (-2, 10), "y": (-0.15, 4.2), "xticks": range(-2, 11, 2)}
    letter = "lead *z_t* − *z_k*, ten classes"
    panel = drawing.panel("loss", (40, 34, 624, 232), title="loss *ℓ*", letter=letter, **options)
    lead = np.linspace(-2, 10, 161)
    logits = np.zeros((len(lead), 10))
    logits[:, 0] = lead
    for style, epsilon in enumerate((0.0, 0.1, 0.3), 1):
        loss = CrossEntropy(label_smoothing=epsilon, reduction="none")
        panel.curve(f"ε = {epsilon:g}", lead, loss.value(np.zeros(len(lead), int), logits), style)
        if epsilon:
            best = np.log((1 - epsilon + epsilon / 10) / (epsilon / 10))
            value = loss.value([0], [[best, *[0.0] * 9]])[0]
            panel.dot(float(best), float(value), style)
            panel.line([(float(best), 0), (float(best), float(value))])
            panel.label(float(best), float(value), f"{best:.2f}", side="middle", down=-15)
        where, side, right = {0.0: (9.0, "middle", 0), 0.1: (8.6, "end", -8), 0.3: (7.2, "end", -8)}[epsilon]
        at = float(loss.value([0], [[where, *[0.0] * 9]])[0])
        panel.label(where, at, f"*ε* = {epsilon:g}", side=side, right=right, down=-12)
    return drawing


def focal_fading() -> Drawing:
    """How slope and curvature of focal loss fade where the answer is right."""
    alt = (
        "On logarithmic axes, for γ = 0, ½, 2 and 5: the slope fades the faster the larger γ is, by the "
        "probability and by the logit; but the curvature by the probability grows without end for γ = ½ as the "
        "error q goes to 0."
    )
    drawing = Drawing("focal_fading", alt, 310)
    gammas = (0.0, 0.5, 2.0, 5.0)
    names = ("*γ* = 0", "*γ* = ½", "*γ* = 2", "*γ* = 5")
    drawing.legend(WIDTH - EDGE, 22, list(enumerate(names, 1)))
    options: dict[str, Any] = {"y": (1e-7, 1e3), "yticks": [10.0**k for k in range(-6, 3, 2)]}

    def panel(left: float, title: str, letter: str, ends: tuple[float, float], ticks: Any, log: str = "y") -> Panel:
        box = left, 74, 166, 186
        given: dict[str, Any] = {"title": title, "letter": letter, "x": ends, "xticks": ticks, "log": log, **options}
        return drawing.panel(title.replace("*", ""), box, **given)

    probability = panel(50, "|*dℓ*/*dŷ*|", "*p_t*", (0, 1), HALVES)
    error = panel(276, "*d²ℓ*/*dŷ²*", "*q* = 1 − *p_t*", (1e-6, 1), (1e-6, 1e-3, 1), "xy")
    logit = panel(504, "|*dℓ*/*dz*|", "*z_t*", (-6, 6), (-6, -3, 0, 3, 6))
    z, q = np.linspace(-6, 6, 121), np.logspace(-6, 0, 73)[:-1]
    p = np.sort(np.concatenate([np.linspace(0, 1, 81)[1:-1], 1 - np.logspace(-9, -2, 29), np.logspace(-4, -2, 9)]))
    for style, (gamma, name) in enumerate(zip(gammas, names, strict=True), 1):
        name = name.replace("*", "")
        focal, with_logits = Focal(gamma=gamma, reduction="none"), FocalWithLogits(gamma=gamma, reduction="none")
        probability.curve(name, p, -focal.grad(np.ones(len(p)), p), style)
        error.curve(name, q, focal.curvature(np.zeros(len(q)), q), style)  # for the label 0, q is the prediction itself
        logit.curve(name, z, -with_logits.grad(np.ones(len(z)), z), style)
    return drawing


def dead_zone() -> Drawing:
    """The slope over the logit, with and without a clamp of the probability."""
    alt = (
        "The slope over the logit of what is true, with and without a clamp of 1e-4: with it the slope drops to "
        "0 below −9.2, where the worst mistakes are, for focal loss and for cross-entropy."
    )
    drawing = Drawing("dead_zone", alt, 310)
    drawing.legend(WIDTH - EDGE, 22, [(1, "no clamp"), (2, "clamp *c* = 10⁻⁴")])
    clamp = 1e-4
    edge = float(np.log(clamp / (1 - clamp)))
    options: dict[str, Any] = {"x": (-16, 6), "y": (-1.35, 0.15), "letter": "*z_t*"}
    options |= {"xticks": (-15, -10, -5, 0, 5), "yticks": (-1, -0.5, 0)}
    z = np.linspace(-16, 6, 177)
    z = np.insert(z, np.searchsorted(z, edge), [edge - 1e-6, np.nan, edge + 1e-6])
    ones = np.ones(len(z))
    focal = drawing.panel("focal", (46, 74, 286, 190), title="focal, *γ* = 1: *dℓ*/*dz*", **options)
    whole = FocalWithLogits(gamma=1.0, reduction="none").grad(ones, z)
    clamped = FocalWithLogits(gamma=1.0, clamp=clamp, reduction="none").grad(ones, z)
    focal.curve("no clamp", z[~np.isnan(z)], whole[~np.isnan(z)], 1)
    focal.curve("clamp", z, clamped, 2)
    binary = drawing.panel("binary", (384, 74, 286, 190), title="cross-entropy: *dℓ*/*dz*", **options)
    whole = BinaryCrossEntropyWithLogits(reduction="none").grad(ones, z)
    with np.errstate(invalid="ignore"):
        p, q = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
    clamped = BinaryCrossEntropy(clamp=clamp, reduction="none").grad(ones, p) * p * q  # dp/dz = p (1 − p)
    binary.curve("no clamp", z[~np.isnan(z)], whole[~np.isnan(z)], 1)
    binary.curve("clamp", z, clamped, 2)
    for panel in (focal, binary):
        panel.line([(edge, -1.35), (edge, 0.15)])
        panel.label(edge, -1.35, "−9.2", right=5, down=-12)
        panel.label(-12.6, 0, "no pull", side="middle", down=16)
    return drawing
