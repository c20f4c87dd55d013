"""The figures are what the library says: they are drawn again, asked for single points, and shown by the pages."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import reflosses
from reflosses.__main__ import main
from reflosses.catalogue import losses, stem
from reflosses.reporting.show import figures_in_words
from reflosses.teaching.figures.drawing import Drawing, in_figures, marked_up, power, round_numbers
from reflosses.teaching.figures.gallery import TOPICS, figure_names, figure_of
from reflosses.teaching.figures.overlaps import later_prediction, mask_of_the_page, pulls
from reflosses.teaching.figures.profile import PROFILES, QUANTITIES, profile_of
from reflosses.truth.arithmetic import available

from drawn import FIGURES, ROUNDING, ReadPanel, alt_of, differences, read

PAGES = FIGURES.parent
NEEDS_FLINT = ("logit_digits", "cauchy_digits", "difference_quotients")
MOST = 40_000  # bytes of a figure
SHOWN = re.compile(r"!\[([^\]]*)\]\(figures/(\w+)\.svg\)")

needs_flint = pytest.mark.skipif(not available(), reason="python-flint is not installed")


def stem_of(name: str) -> str:
    return name if name in TOPICS else stem(losses()[name])


def committed(name: str) -> str:
    return (FIGURES / f"{stem_of(name)}.svg").read_text("utf-8")


# ---- drawn again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", figure_names())
def test_a_figure_is_what_is_drawn_now(name: str) -> None:
    if name in NEEDS_FLINT and not available():
        pytest.skip("python-flint is not installed")
    drawing = figure_of(name)
    assert drawing.name == stem_of(name)
    assert differences(drawing.name, drawing.svg()) == []


def test_the_comparison_sees_a_wrong_number() -> None:
    """The figure of delta = 1.01, without its headline, has other numbers; so has one without a curve or a dot."""
    assert len(differences("huber", figure_of("Huber", {"delta": 1.01}).svg())) == 3
    drawing = figure_of("huber_tangents")
    panel = drawing.panels["curvature"]
    panel.dot(2, 0, 1)
    assert differences("huber_tangents", drawing.svg()) == ["curvature, dots"]
    text = committed("BinaryCrossEntropy")
    path = text.partition('data-curve="*y* = 1" d="')[2].partition('"')[0]  # of the loss
    shifted = text.replace(path, re.sub(r"(?<= )(\d+)", lambda m: str(int(m[1]) + 1), path))
    assert differences("binary_cross_entropy", shifted) == ["loss, *y* = 1"]
    noisy = text.replace('data-y="', 'data-y="1e-17 1 260 30 log" data-old="')
    assert differences("binary_cross_entropy", noisy) == [f"{q} has other axes" for q in QUANTITIES]
    assert differences("no_such_figure", text) == ["is not there"]


def test_there_are_no_other_figures() -> None:
    assert {path.name for path in FIGURES.iterdir()} == {f"{stem_of(name)}.svg" for name in figure_names()}
    assert [*PROFILES] == [*losses()]


# ---- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", figure_names())
def test_a_figure_is_small_and_stands_alone(name: str) -> None:
    svg = committed(name)
    assert len(svg.encode()) < MOST
    root = f"figure-{stem_of(name)}".replace("_", "-")
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert ids == [root, f"{root}-title"]
    assert svg.count("http") == 1  # the name space
    assert not re.search(r"<script|<image|<use|@import|@font-face|href|url\(", svg)
    style = svg.partition("<style>")[2].partition("</style>")[0]
    rules = re.findall(r"([^{}]+)\{", style)
    assert all(rule.strip().startswith((f"#{root}", "@media")) for rule in rules)
    assert "prefers-color-scheme:dark" in style
    assert "nan" not in re.sub(r"<title.*?</title>", "", svg)
    assert "inf" not in re.sub(r"<title.*?</title>", "", svg)


@pytest.mark.parametrize("name", figure_names())
def test_every_curve_of_a_panel_has_a_dash_pattern_of_its_own(name: str) -> None:
    """So that it can be told from the others without colour."""
    for group in re.findall(r"<g data-panel.*?</g>", committed(name), re.S):
        styles = re.findall(r'class="c s(\d)[^"]*" data-curve', group)
        assert len(styles) == len(set(styles))


def test_every_figure_is_shown_with_what_it_says() -> None:
    shown: dict[str, set[str]] = {}
    for path in PAGES.glob("*.md"):
        for alt, name in SHOWN.findall(path.read_text("utf-8")):
            shown.setdefault(name, set()).add(path.stem)
            assert alt == alt_of((FIGURES / f"{name}.svg").read_text("utf-8"))
            assert 40 < len(alt) < 330
            assert alt.endswith(".")
            assert alt.count(". ") == 0
    assert shown.keys() == {stem_of(name) for name in figure_names()}
    for name in losses():
        page = (PAGES / f"{stem_of(name)}.md").read_text("utf-8")
        assert f"(figures/{stem_of(name)}.svg)" in page.partition("\n## ")[0]  # at the top


# ---- other witnesses -------------------------------------------------------------------------------------------------


STEEP = 20  # units up for one to the right: beyond, a place on the horizontal axis says too little


def asked(name: str, panel: str, curve: str) -> list[tuple[float, float, float, float]]:
    """Some points of a curve in the committed figure: their numbers, the unit of the vertical axis, and the slope.

    Most are corners of its path, some the middle of a long straight piece.
    """
    there = read(committed(name))[panel]
    found = []
    for piece in there.curves[curve]:
        steps = np.abs(np.diff(piece, axis=0))
        slopes = steps[:, 1] / np.maximum(steps[:, 0], ROUNDING)
        corners = [(piece[k], max(slopes[k - 1 : k + 1])) for k in range(1, len(piece) - 1)]
        middles = [(piece[k : k + 2].mean(axis=0), slopes[k]) for k in np.flatnonzero(steps[:, 0] > 8)]
        corners = corners[:: max(len(corners) // 4, 1)]
        for (x, y), slope in (*corners, *middles[:2]):
            if slope < STEEP and y not in (there.y.start, there.y.end):
                found.append((float(there.x.number(x)), float(there.y.number(y)), there.y.unit, float(slope)))
    return found


def agrees(drawn: float, exact: float, unit: float, slope: float, log: bool = False) -> bool:
    """Whether a place that was rounded, in both directions, is that of the number."""
    if log:
        drawn, exact = math.log10(drawn), math.log10(exact)
    return abs(drawn - exact) <= 1.5 * ROUNDING * unit * (1 + slope)


@needs_flint
@pytest.mark.parametrize("name", losses())
def test_points_of_a_loss_are_certified(name: str) -> None:
    loss = getattr(reflosses, name)()
    count = 0
    for n, moving in enumerate(profile_of(loss).moving):
        own = moving.other or loss
        for k, quantity in enumerate(QUANTITIES):
            if k == 0 and moving.other is not None:
                continue
            for x, y, unit, slope in asked(name, quantity, moving.name or quantity):
                yhat = np.array(moving.yhat, np.float64)
                yhat[moving.place] = x
                cls, parameters = type(own), {"reduction": "sum"}
                if name == "WeightedCrossEntropy":
                    parameters["weight_grad"] = own.weight_grad
                numbers = reflosses.certify(cls(**parameters), moving.y, yhat, curvature=True)
                exact = float(numbers[0]) if k == 0 else float(np.asarray(numbers[k])[moving.place])
                assert agrees(y, exact, unit, slope), (quantity, n, x, y, exact)
                count += 1
    assert count >= 3


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def focal(q: float, gamma: float) -> float:
    """The size of the slope of focal loss by the probability, (2) of its page."""
    return (gamma * q ** (gamma - 1) * -math.log1p(-q) if gamma else 0.0) + q**gamma / (1 - q)


def focal_by_logit(z: float, gamma: float) -> float:
    """By the logit: times dp/dz = p (1 − p)."""
    return focal(sigmoid(-z), gamma) * sigmoid(z) * sigmoid(-z)


def bend(q: float, gamma: float) -> float:
    """Its second derivative, (4)."""
    p, loss = 1 - q, -math.log1p(-q)
    return gamma * (gamma - 1) * q ** (gamma - 2) * loss + 2 * gamma * q ** (gamma - 1) / p + q**gamma / p**2


def smoothed(lead: float, epsilon: float) -> float:
    """Cross-entropy of ten classes, one of which leads, by its definition."""
    own, other = 1 - epsilon + epsilon / 10, epsilon / 10
    log_sum = math.log(math.exp(lead) + 9)
    return own * (log_sum - lead) + 9 * other * log_sum


def clipped(r: float, most: float) -> float:
    return max(-most, min(r, most))


DATA = (2, 3, 4, 5, 90)
PULLS = {
    "½ squared": lambda c: sum(c - y for y in DATA),
    "absolute": lambda c: sum((c > y) - (c < y) for y in DATA),
    "Huber": lambda c: sum(clipped(c - y, 3) for y in DATA),
    "½ Cauchy": lambda c: sum((c - y) / (1 + (c - y) ** 2 / 2.25) for y in DATA),
}
SLOPE_OF_CE = {"no clamp": lambda z: sigmoid(z) - 1, "clamp": lambda z: 0.0 if z < -9.2102 else sigmoid(z) - 1}


def clamped_focal(z: float) -> float:
    p, q = sigmoid(z), sigmoid(-z)
    clamp = 1e-4
    return -q * p * -math.log(clamp) if p < clamp else -q * (p * -math.log(p) + q)


WITNESSES = {
    ("robust_kernels", "loss", "½ squared"): lambda r: r * r / 2,
    ("robust_kernels", "loss", "absolute"): abs,
    ("robust_kernels", "loss", "Huber"): lambda r: r * r / 2 if abs(r) < 1 else abs(r) - 0.5,
    ("robust_kernels", "loss", "½ Cauchy"): lambda r: math.log(1 + r * r) / 2,
    ("robust_kernels", "pull", "½ squared"): lambda r: r,
    ("robust_kernels", "pull", "Huber"): lambda r: clipped(r, 1),
    ("robust_kernels", "pull", "½ Cauchy"): lambda r: r / (1 + r * r),
    ("robust_kernels", "weight", "absolute"): lambda r: 1 / abs(r),
    ("robust_kernels", "weight", "Huber"): lambda r: 1 / max(abs(r), 1),
    ("robust_kernels", "weight", "½ Cauchy"): lambda r: 1 / (1 + r * r),
    ("huber_tangents", "loss", "loss"): lambda r: r * r / 2 if abs(r) < 1 else abs(r) - 0.5,
    ("huber_tangents", "slope", "slope"): lambda r: clipped(r, 1),
    ("dice_iou_steepness", "slopes", "dJ/dI"): lambda i: 1 / (1 - i) ** 2,
    ("dice_iou_steepness", "ratio", "ratio (4)"): lambda j: (1 + j) ** 2 / 2,
    ("dead_zone", "focal", "clamp"): clamped_focal,
}
WITNESSES["robust_means", "mean", "½ squared"] = PULLS["½ squared"]
WITNESSES |= {("robust_means", "sum", kernel): PULLS[kernel] for kernel in ("absolute", "Huber", "½ Cauchy")}
WITNESSES |= {("robust_means", "outlier", kernel): PULLS[kernel] for kernel in ("absolute", "½ Cauchy")}
WITNESSES |= {("dead_zone", "binary", curve): f for curve, f in SLOPE_OF_CE.items()}
for _gamma, _curve in ((0.0, "γ = 0"), (0.5, "γ = ½"), (2.0, "γ = 2"), (5.0, "γ = 5")):
    WITNESSES["focal_fading", "|dℓ/dŷ|", _curve] = lambda p, gamma=_gamma: focal(1 - p, gamma)
    WITNESSES["focal_fading", "d²ℓ/dŷ²", _curve] = lambda q, gamma=_gamma: bend(q, gamma)
    WITNESSES["focal_fading", "|dℓ/dz|", _curve] = lambda z, gamma=_gamma: focal_by_logit(z, gamma)
for _epsilon in (0.0, 0.1, 0.3):
    WITNESSES["label_smoothing", "loss", f"ε = {_epsilon:g}"] = lambda x, epsilon=_epsilon: smoothed(x, epsilon)


@pytest.mark.parametrize(("name", "panel", "curve"), WITNESSES)
def test_points_of_a_curve_are_those_of_its_definition(name: str, panel: str, curve: str) -> None:
    log = read(committed(name))[panel].y.log
    points = asked(name, panel, curve)
    assert points
    for x, y, unit, slope in points:
        assert agrees(y, WITNESSES[name, panel, curve](x), unit, slope, log), (x, y)


def test_a_wrong_witness_disagrees() -> None:
    points = asked("robust_kernels", "loss", "½ Cauchy")
    assert len(points) > 3
    assert not all(agrees(y, math.log(1 + x * x) / 1.98, unit, slope) for x, y, unit, slope in points)


def test_the_estimates_are_where_the_sums_are_zero() -> None:
    """Each dot of figure 5 at height 0: the pulls of its loss change their sign there."""
    panels = read(committed("robust_means"))
    for panel, curve, at in (
        ("sum", "½ Cauchy", 3.518),
        ("sum", "absolute", 4),
        ("sum", "Huber", 4.25),
        ("mean", "½ squared", 20.8),
    ):
        assert PULLS[curve](at - 0.001) < 0 < PULLS[curve](at + 0.001)
        there = panels[panel]
        dots = [there.x.number(x) for x, y in there.dots if abs(there.y.number(y)) < 0.01]
        assert min(abs(dot - at) for dot in dots) < 0.02


def test_the_valleys_of_smoothing() -> None:
    """At the dots the loss by its definition is smaller than on both sides."""
    there = read(committed("label_smoothing"))["loss"]
    assert len(there.dots) == 2
    for epsilon, (x, y) in zip((0.1, 0.3), there.dots, strict=True):
        lead, value = float(there.x.number(x)), float(there.y.number(y))
        assert math.isclose(value, smoothed(lead, epsilon), abs_tol=ROUNDING * there.y.unit)
        assert smoothed(lead, epsilon) < min(smoothed(lead - 0.1, epsilon), smoothed(lead + 0.1, epsilon))


def test_the_moved_mass_is_exact() -> None:
    panels = read(committed("moved_mass"))
    bars = [outline for outline in panels["masses"].outlines if len(outline) == 5]
    heights = [panels["masses"].y.number(bar[2]) for bar in bars]
    assert np.allclose(heights, [1 / 8, 2 / 8, 1, 5 / 8], rtol=0, atol=ROUNDING * panels["masses"].y.unit)
    tips = [outline[3] for outline in panels["gradient"].outlines if len(outline) == 6]
    numbers = [panels["gradient"].y.number(tip) for tip in tips]
    assert np.allclose(numbers, [1 / 8, -6 / 8, 5 / 8], rtol=0, atol=ROUNDING * panels["gradient"].y.unit)


def test_the_pulls_on_the_mask_are_those_of_the_definition() -> None:
    """Shares of the object as on the page of Dice, and the slopes of Dice in fractions."""
    mask = mask_of_the_page()
    assert mask.sum() == 20
    at_start = pulls(mask, np.full(mask.shape, 0.5))
    shares = {name: np.abs(p[mask == 1]).sum() / np.abs(p).sum() for name, p in at_start.items()}
    assert [round(float(s), 12) for s in shares.values()] == [0.2, 0.2, 0.2, 0.6, 0.5]
    later = later_prediction()
    p, t = [Fraction(x) for x in later.ravel().tolist()], [Fraction(x) for x in mask.ravel().tolist()]
    overlap, total = sum(a * b for a, b in zip(p, t, strict=True)), sum(p) + sum(t)
    dice = pulls(mask, later)["Dice"].ravel()
    expected = [-float((2 * overlap / total - 2 * b) / total) for b in t]
    assert np.allclose(dice, expected, rtol=1e-13, atol=0)
    assert len(set(pulls(mask, later)["GDL"].round(12).ravel().tolist())) == 2
    assert (pulls(mask, later)["CE"][mask == 1] > 0).all()


@pytest.mark.parametrize(("name", "share"), [("CE", 0.2), ("focal", 0.2), ("Dice", 0.6), ("GDL", 0.5)])
def test_the_squares_have_the_area_of_the_pulls(name: str, share: float) -> None:
    group = committed("pulls_on_a_mask").partition(f'data-panel="{name}, start: *p* = ½"')[2].partition("</g>")[0]
    paths = re.findall(r'<path class="(?:f1|s2)" d="([^"]*)"', group)
    filled, hollow = ([float(side) for side in re.findall(r"h([\d.]+)v", path)] for path in paths)
    up, down = sum(side**2 for side in filled), sum((side + 1) ** 2 for side in hollow)  # a line is 1 wide
    assert (len(filled), len(hollow)) == (20, 80)
    assert math.isclose(up / (up + down), share, abs_tol=0.01)


def drawn(panel: ReadPanel, curve: str, x: float) -> float:
    """The number of a curve at x."""
    points = np.concatenate(panel.curves[curve])
    numbers = panel.x.number(points[:, 0])
    if panel.x.log:
        x, numbers = math.log10(x), np.log10(numbers)
    return float(panel.y.number(np.interp(x, numbers, points[:, 1])))


@needs_flint
def test_the_errors_of_figures_are_those_of_the_lines() -> None:
    """What the error of each line must be, by hand: which form holds where, and the first term that is left out."""
    there = read(committed("logit_digits"))["errors"]

    assert drawn(there, "σ(z) − y", 45.0) == pytest.approx(1, rel=0.02)
    for z in (10.0, 20.0, 30.0):
        ulp = 2.0**-53 * math.exp(z)  # the error of 1 − 1/(1 + e⁻ᶻ) is at most half an ulp of 1 next to 1, e⁻ᶻ
        assert ulp / 4 < drawn(there, "σ(z) − y", z) < 1.5 * ulp
        assert drawn(there, "forms (3) and (4)", z) < 1e-15
        assert drawn(there, "2⁻⁵³eᶻ", z) == pytest.approx(ulp, rel=0.05)
    there = read(committed("cauchy_digits"))["the whole range"]
    for form, holds, fails in (
        ("log(1 + u)", (1e20,), (1e-20, 1e160)),
        ("log1p(u)", (1e-120, 1e120), (1e-165, 1e160)),
        ("(7)", (1e-165, 1e120), (1e160,)),
        ("(8)", (1e20, 1e160), (1e-20, 1e-165)),
    ):
        assert all(drawn(there, form, r) < 1e-14 for r in holds), form
        assert all(drawn(there, form, r) > 0.5 for r in fails), form
    there = read(committed("difference_quotients"))["errors"]
    for h in (1e-3, 1e-2):  # the first term left out: h/2 · |ρ″/ρ′|, at e = 3 with ρ′ = 6/10 and ρ″ = −16/100
        left_out = h / 2 * Fraction(16, 100) / Fraction(6, 10)
        assert 0.95 < drawn(there, "forward", h) / left_out < 1.25  # the largest error of steps up to a fifth larger
    assert drawn(there, "forward", 1e-14) > 1e-4 > 1e-9 > drawn(there, "central", 1e-5)


# ---- the command -----------------------------------------------------------------------------------------------------


def test_plot_writes_the_figure(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["plot", "Huber"]) == 0
    assert differences("huber", capsys.readouterr().out) == []
    out = tmp_path / "it.svg"
    assert main(["plot", "Huber", "-o", str(out), "delta=2"]) == 0
    assert capsys.readouterr().out == ""
    assert "*" not in re.sub(r"data-\w+=\"[^\"]*\"|<style>.*?</style>", "", out.read_text("utf-8"), flags=re.S)
    assert read(out.read_text("utf-8"))["loss"].x.low == -6  # three times delta


def test_plot_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in figure_names())
    assert max(map(len, figures_in_words(80).splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["Hubr"], "no figure is named 'Hubr'; did you mean Huber?"),
        (["xyzzy"], "no figure is named 'xyzzy'; `reflosses plot` lists all names"),
        (["Huber", "delt=2"], "Huber has no parameter 'delt'; did you mean delta?"),
        (["Huber", "delta=-1"], "delta is -1, not a finite number in (0, inf)"),
        (["Huber", "delta=1e300"], "a figure takes a delta from 1e-100 to 1e100"),
        (["Huber", "delta"], "'delta' is not KEY=VALUE"),
        (["Huber", "-o", "huber.png"], "--out huber.png: a figure is SVG, so its file ends with .svg"),
        (["Huber", "-o", "not/there.svg"], "--out not/there.svg: cannot be written"),
        (["robust_means", "delta=1"], "the figure robust_means takes no parameters, but there is delta"),
        (["BinaryCrossEntropyWithLogits", "pos_weight=[1,2]"], "a figure takes one number as pos_weight"),
        (["Cauchy", "information=[[[1]],[[1]]]"], "a figure takes one matrix as information"),
    ],
)
def test_plot_refuses(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["plot", *words])
    assert stopped.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("name", losses())
def test_every_loss_is_drawn_with_its_example_parameters(name: str) -> None:
    """No warning, no number that is not finite, whatever the parameters are."""
    for parameters in losses()[name].examples[:2]:
        svg = figure_of(name, parameters).svg()
        assert all(np.isfinite(p).all() for panel in read(svg).values() for c in panel.curves.values() for p in c)


def test_without_python_flint_a_figure_of_errors_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reflosses.truth.proof.available", lambda: False)
    with pytest.raises(SystemExit) as stopped:
        main(["plot", "logit_digits"])
    assert stopped.value.code == 2
    assert "pip install 'reflosses[truth]'" in capsys.readouterr().err
    assert main(["plot", "CrossEntropy"]) == 0


# ---- the style -------------------------------------------------------------------------------------------------------


def test_a_curve_is_cut_at_the_frame_and_broken_at_a_jump() -> None:
    drawing = Drawing("made", "A made figure.", 100)
    panel = drawing.panel("one", (0, 0, 100, 100), x=(0, 10), y=(0, 10))
    panel.curve("steep", [0, 5, 10], [5, 15, math.inf], 1)
    panel.curve("jump", [0, 4, 4, 4, 10], [1, 1, math.nan, 9, 9], 2)
    panel.curve("outside", [0, 10], [20, 20], 3)
    there = read(drawing.svg())["one"]
    assert [piece.tolist() for piece in there.curves["steep"]] == [[[0, 50], [25, 0]]]
    assert [piece.tolist() for piece in there.curves["jump"]] == [[[0, 90], [40, 90]], [[40, 10], [100, 10]]]
    assert there.curves["outside"] == []


def test_points_on_a_straight_line_are_left_out_and_corners_are_not() -> None:
    drawing = Drawing("made", "A made figure.", 100)
    panel = drawing.panel("one", (0, 0, 100, 100), x=(0, 10), y=(0, 10))
    x = np.linspace(0, 10, 101)
    panel.curve("corner", x, np.abs(x - 5), 1)
    assert [piece.tolist() for piece in read(drawing.svg())["one"].curves["corner"]] == [
        [[0, 50], [50, 100], [100, 50]]
    ]


@pytest.mark.parametrize("delta", [0.01, 0.03, 0.7, 3.0, 40.0, 3000.0, 2e6])
def test_the_numbers_below_a_panel_have_room(delta: float) -> None:
    svg = figure_of("Huber", {"delta": delta}).svg()
    rows: dict[str, list[tuple[float, int]]] = {}
    for x, y, text in re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>(−?[\d.]+)</text>', svg):
        rows.setdefault(y, []).append((float(x), len(text)))
    (below,) = [sorted(row) for row in rows.values() if len(row) > 8]
    for (x, length), (there, other) in pairwise(below):
        assert there - x >= 7 * (length + other) / 2


def test_a_heavy_weight_is_not_beyond_the_frame() -> None:
    there = read(figure_of("WeightedCrossEntropy", {"weight": 1e9}).svg())
    assert all(there[quantity].curves["*y_i* = 1"] for quantity in QUANTITIES)


def test_ticks_and_texts() -> None:
    assert round_numbers(-3, 3, 7) == [-3, -2, -1, 0, 1, 2, 3]
    assert round_numbers(0, 0.31) == [0, 0.1, 0.2, 0.3]
    assert round_numbers(-6.7, 6.7) == [-5, 0, 5]
    assert [in_figures(x) for x in (-0.5, 0, 1500, 0.25)] == ["−0.5", "0", "1500", "0.25"]
    large = figure_of("Huber", {"delta": 2.0e6}).svg()
    assert re.sub("<.*?>", "", large).count("r / 10⁶") == 3  # below each panel
    assert [power(x) for x in (1, 10, 1e-16)] == ["1", "10", "10⁻¹⁶"]
    assert marked_up("*a* < b") == '<tspan font-style="italic">a</tspan> &lt; b'
    assert re.sub("<.*?>", "", marked_up("*p_t* and x_{ln}")).replace("\u200b", "") == "pt and xln"
