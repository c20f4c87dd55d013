"""A figure as SVG: panels with axes, curves, labels and arrows, in one style.

It needs no library. matplotlib draws the portraits, but one file of it is either light or dark, has text of one size,
and hides the numbers. Here one file is light or dark as the reader's screen is, has larger text on a phone, and each
curve keeps its name, so that a test compares its points with the library. Colours are those of the portraits; every
curve has a dash pattern too.

Lengths are units of the drawing, which is 680 wide. All rules of the style begin with the name of the figure, so that
several figures fit in one HTML page. Texts have a little markup: `*r*` is italic, `p_t` and `p_{ij}` have a subscript.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from reflosses.evaluation.domain import Floats

WIDTH = 680
SIZE, LARGE = 13, 18  # of letters: on a page, and on a screen that is less than NARROW wide
NARROW = 480  # pixels
LETTER = 0.58  # width of a letter, as a part of its size
BOLD = 1.12  # times as wide is a bold letter
STRAIGHT = 0.002  # distance from a straight line that nobody sees
EDGE = 8  # left and right of a drawing
HALVES = ((0.0, "0"), (0.5, "½"), (1.0, "1"))  # ticks of a probability
PIECE, APART = 34, 14  # of a legend: the piece of a curve, and the space between two entries
FONT = "'DejaVu Sans',Verdana,sans-serif"
LIGHT = ("#ffffff", "#222222", "#5f6b76", "#d9dde1", "#12367a", "#cc3311", "#117733", "#882255")
DARK = ("#15191e", "#e4e7ea", "#a3adb7", "#3a424b", "#8fb5ff", "#ff9478", "#72d195", "#e7a0c8")
PARTS = ("paper", "ink", "pale", "grid", "1", "2", "3", "4")  # that have these colours
DASHES = ("", "8 4", "2.5 3", "10 3 2.5 3")
NO_SPACE = "\u200b"  # a text without a width, which takes the baseline back up
Box = tuple[float, float, float, float]  # left, top, width and height, without labels
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Scale:
    """Where numbers are on an axis: `low` is at `start`, `high` at `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, numbers: Any) -> Floats:
        """The places of numbers, in units of the drawing. Infinite numbers are far outside."""
        low, high, numbers = self.low, self.high, np.asarray(numbers, np.float64)
        if self.log:
            with np.errstate(divide="ignore"):
                low, high, numbers = np.log10(low), np.log10(high), np.log10(numbers)
        share = np.clip((numbers - low) / (high - low), -1e4, 1e4)
        return np.asarray(self.start + share * (self.end - self.start))

    def written(self) -> str:
        """The four numbers and the kind, as an attribute of the SVG."""
        numbers = " ".join(f"{x:.9g}" for x in (self.low, self.high, self.start, self.end))
        return f"{numbers} {'log' if self.log else 'linear'}"


def round_numbers(low: float, high: float, most: int = 5) -> list[float]:
    """At most that many multiples of 1, 2 or 5 times a power of ten between two numbers."""
    for exponent in range(int(np.floor(np.log10(high - low))) - 2, 400):
        for digit in (1, 2, 5):
            step = digit * 10.0**exponent
            first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
            if last - first < most:
                return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
    raise ValueError(f"there is no room between {low} and {high}")


def in_figures(number: float) -> str:
    """A number on an axis: "−0.5"."""
    return f"{number:g}".replace("-", "−")


def power(number: float) -> str:
    """A power of ten on a logarithmic axis: "1", "10", "10⁻⁶"."""
    exponent = round(np.log10(number))
    return str(10**exponent) if exponent in (0, 1) else f"10{str(exponent).translate(SUPERSCRIPTS)}"


class Drawing:
    """A sheet that is WIDTH wide. name: begins every id. alt: says in one sentence what one sees."""

    def __init__(self, name: str, alt: str, height: int) -> None:
        self.name, self.alt, self.height = name, alt, height
        self.panels: dict[str, Panel] = {}
        self._parts: list[str] = []

    def panel(self, name: str, box: Box, **options: Any) -> Panel:
        """A panel of that name; `options` are those of Panel."""
        self.panels[name] = Panel(name, box, **options)
        return self.panels[name]

    def text(self, x: float, y: float, text: str, side: str = "start", style: str = "ink") -> None:
        """A text whose baseline is at y. side: start, middle or end."""
        self._parts.append(text_at(x, y, text, side, style))

    def legend(self, x: float, y: float, entries: Sequence[tuple[int, str]]) -> None:
        """A piece of each curve and its name, ending at x."""
        for style, text in reversed(entries):
            x -= width_of_text(text)
            self.text(x, y, text)
            x -= PIECE + 6
            self._parts.append(f'<path class="c s{style}" d="M{x:.4g} {y - 5:.4g}h{PIECE}"/>')
            x -= APART

    def svg(self) -> str:
        """The file."""
        name, alt = f"figure-{self.name.replace('_', '-')}", escape(self.alt)
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" viewBox="0 0 {WIDTH} {self.height}"'
            f' width="{WIDTH}" height="{self.height}" role="img" aria-labelledby="{name}-title">',
            f'<title id="{name}-title">{alt}</title>',
            f"<style>\n{style_sheet(f'#{name}')}\n</style>",
            f'<rect class="paper" width="{WIDTH}" height="{self.height}" rx="6"/>',
            *(panel.svg() for panel in self.panels.values()),
            *self._parts,
            "</svg>\n",
        ]
        return "\n".join(lines)


def style_sheet(root: str) -> str:
    """The rules of the style below an element."""

    def colours(values: Iterable[str]) -> str:
        rules = []
        for part, value in zip(PARTS, values, strict=True):
            if part.isdigit():
                rules.append(f"{root} .s{part}{{stroke:{value}}}{root} .f{part}{{fill:{value}}}")
            elif part == "grid":
                rules.append(f"{root} .grid{{stroke:{value}}}")
            elif part == "paper":
                rules.append(f"{root} .paper{{fill:{value}}}{root} .halo{{stroke:{value}}}{root} .hole{{fill:{value}}}")
            else:
                rules.append(f"{root} .{part}{{fill:{value}}}{root} .{part}-line{{stroke:{value}}}")
        return "".join(rules)

    dashes = "".join(f"{root} .c.s{k}{{stroke-dasharray:{d}}}" for k, d in enumerate(DASHES, 1) if d)
    return "\n".join(
        [
            f"{root}{{font:{SIZE}px {FONT}}}",
            f"{root} path{{fill:none;stroke-width:1}}{root} .c{{stroke-width:2.2;stroke-linejoin:round}}{dashes}",
            f"{root} .dot{{stroke-width:1.6}}{root} .shade{{opacity:.16;stroke:none}}{root} .thin{{stroke-width:1.3}}",
            f"{root} .halo{{stroke-width:4px;paint-order:stroke;stroke-linejoin:round}}",
            f"{root} .head{{font-weight:bold}}{root} .small{{font-size:.9em}}{root} .c.solid{{stroke-dasharray:none}}",
            colours(LIGHT),
            f"@media (prefers-color-scheme:dark){{{colours(DARK)}}}",
            f"@media (max-width:{NARROW}px){{{root}{{font-size:{LARGE}px}}{root} .c{{stroke-width:3}}}}",
        ]
    )


def width_of_text(text: str) -> float:
    """About how wide a text is on a phone, where letters are largest."""
    return len(re.sub(r"[*_{}]", "", text)) * LETTER * LARGE


def width_of_legend(entries: Sequence[tuple[int, str]]) -> float:
    """About how wide a legend is on a phone."""
    return sum(width_of_text(text) + PIECE + 6 + APART for _, text in entries)


def text_at(x: float, y: float, text: str, side: str = "start", style: str = "ink") -> str:
    """A `<text>`. style: classes."""
    anchor = "" if side == "start" else f' text-anchor="{side}"'
    return f'<text class="{style}" x="{x:.4g}" y="{y:.4g}"{anchor}>{marked_up(text)}</text>'


def marked_up(text: str) -> str:
    """Italics and subscripts of a text as `<tspan>`."""
    text = escape(text, quote=False)
    subscript = rf'<tspan dy=".25em" font-size=".78em">\1</tspan><tspan dy="-.2em">{NO_SPACE}</tspan>'
    text = re.sub(r"_\{([^}]*)\}|_(\w)", lambda m: subscript.replace(r"\1", m[1] or m[2]), text)
    return re.sub(r"\*([^*]+)\*", r'<tspan font-style="italic">\1</tspan>', text)


class Panel:
    """A rectangle with axes. box: where it is. x, y: the ends of the axes. title: above. letter: of x, below.

    log: the axes that are logarithmic, such as "xy". xticks, yticks: numbers, or pairs of a number and its text.
    Curves keep their numbers in `curves`.
    """

    def __init__(
        self,
        name: str,
        box: Box,
        *,
        x: tuple[float, float],
        y: tuple[float, float],
        title: str = "",
        letter: str = "",
        log: str = "",
        xticks: Sequence[Any] | None = None,
        yticks: Sequence[Any] | None = None,
    ) -> None:
        self.name = name
        left, top, width, height = box
        self.x = Scale(*x, left, left + width, "x" in log)
        self.y = Scale(*y, top + height, top, "y" in log)
        self.curves: dict[str, tuple[Floats, Floats]] = {}
        self._below: list[str] = []
        self._parts: list[str] = []
        self._above: list[str] = []
        self._axes(title, letter, xticks, yticks)

    def _axes(self, title: str, letter: str, xticks: Sequence[Any] | None, yticks: Sequence[Any] | None) -> None:
        x, y = self.x, self.y
        grid, texts = [], []
        for number, label in _labelled(xticks, x):
            place = float(x.at(number))
            grid.append(f"M{place:.4g} {y.start:.4g}V{y.end:.4g}")
            texts.append(text_at(place, y.start + 19, label, "middle", "pale small"))
        for number, label in _labelled(yticks, y):
            place = float(y.at(number))
            grid.append(f"M{x.start:.4g} {place:.4g}H{x.end:.4g}")
            texts.append(text_at(x.start - 5, place + 5, label, "end", "pale small"))
        if grid:
            base = float(y.at(0)) if not y.log and y.low < 0 < y.high else y.start
            axis = f'<path class="pale-line" d="M{x.start:.4g} {base:.4g}H{x.end:.4g}"/>'
            self._below += [f'<path class="grid" d="{"".join(grid)}"/>', axis, *texts]
        if title:
            self._below.append(text_at(x.start, y.end - 9, title))
        if letter:
            self._below.append(text_at((x.start + x.end) / 2, y.start + 38, letter, "middle"))

    def curve(self, name: str, x: Any, y: Any, style: int) -> None:
        """A curve through points. It breaks where y is NaN, and is cut where it leaves the panel."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self.curves[name] = x, y
        path = "".join(_path(run) for run in _inside(self.x.at(x), self.y.at(y), self.y.start, self.y.end))
        self._parts.append(f'<path class="c s{style}" data-curve="{escape(name)}" d="{path}"/>')

    def dot(self, x: float, y: float, style: int, *, filled: bool = True) -> None:
        """A point that belongs to a curve, or, not filled, one at which a piece of it ends without it."""
        kind = f"f{style}" if filled else "hole"
        place = f'cx="{float(self.x.at(x)):.5g}" cy="{float(self.y.at(y)):.5g}" r="3.6"'
        self._above.append(f'<circle class="dot s{style} {kind}" {place}/>')

    def label(
        self,
        x: float,
        y: float,
        text: str,
        *,
        side: str = "start",
        right: float = 0,
        down: float = 0,
    ) -> None:
        """A text beside the point (x, y), moved by some units."""
        place = float(self.x.at(x)) + right, float(self.y.at(y)) + down + 4
        self._above.append(text_at(*place, text, side, "ink halo"))

    def line(self, points: Sequence[tuple[float, float]], style: str = "pale-line") -> None:
        """Straight lines through points."""
        corners = [(float(self.x.at(x)), float(self.y.at(y))) for x, y in points]
        self._below.append(f'<path class="{style}" d="{_path(corners)}"/>')

    def shade(self, x: Any, low: Any, high: Any, style: int) -> None:
        """The area between two curves."""
        up = list(zip(self.x.at(x).tolist(), self.y.at(low).tolist(), strict=True))
        down = list(zip(self.x.at(x).tolist(), self.y.at(high).tolist(), strict=True))
        self._below.insert(0, f'<path class="shade f{style}" d="{_path([*up, *down[::-1]])}z"/>')

    def bar(self, x: float, width: float, y: float, style: str) -> None:
        """A bar from 0 to y."""
        left, right = float(self.x.at(x - width / 2)), float(self.x.at(x + width / 2))
        top, bottom = float(self.y.at(y)), float(self.y.at(0))
        self._parts.append(f'<path class="{style}" d="M{left:.4g} {bottom:.4g}V{top:.4g}H{right:.4g}V{bottom:.4g}z"/>')

    def arrow(self, x: float, start: float, end: float, style: int) -> None:
        """A vertical arrow."""
        place, tail, tip = float(self.x.at(x)), float(self.y.at(start)), float(self.y.at(end))
        back = tip + (8 if tip < tail else -8)
        self._above.append(f'<path class="c s{style} solid" d="M{place:.4g} {tail:.4g}V{back:.4g}"/>')
        corners = [(place - 6, back), (place, tip), (place + 6, back)]
        self._above.append(f'<path class="f{style}" d="{_path(corners)}z"/>')

    def add(self, element: str) -> None:
        """An element of SVG, above the grid."""
        self._parts.append(element)

    def svg(self) -> str:
        """The panel as a group that says where its numbers are."""
        scales = f'data-x="{self.x.written()}" data-y="{self.y.written()}"'
        return "\n".join(
            [f'<g data-panel="{escape(self.name)}" {scales}>', *self._below, *self._parts, *self._above, "</g>"]
        )


def _labelled(ticks: Sequence[Any] | None, scale: Scale) -> list[tuple[float, str]]:
    wanted = round_numbers(scale.low, scale.high) if ticks is None else ticks
    return [
        tick if isinstance(tick, tuple) else (tick, power(tick) if scale.log else in_figures(tick)) for tick in wanted
    ]


def _inside(x: Floats, y: Floats, bottom: float, top: float) -> list[list[tuple[float, float]]]:
    """The runs of points between two heights. A run that leaves goes on to the edge."""
    runs: list[list[tuple[float, float]]] = [[]]
    before: tuple[float, float] | None = None
    for point in zip(x.tolist(), y.tolist(), strict=True):
        if np.isnan(point[1]):
            runs.append([])
            before = None
            continue
        inside = top <= point[1] <= bottom
        if before is not None and inside != (top <= before[1] <= bottom):
            edge = bottom if max(point[1], before[1]) > bottom else top
            share = (edge - before[1]) / (point[1] - before[1])
            runs[-1].append((before[0] + share * (point[0] - before[0]), edge))
        if inside:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
        before = point
    return [run for run in runs if len(run) > 1]


def _path(points: Sequence[tuple[float, float]]) -> str:
    """The `d` of a path through points, to a tenth of a unit, without points on a straight line between others."""
    kept: list[tuple[float, float]] = []
    for point in points:
        while len(kept) > 1 and _on_the_way(kept[-1], kept[-2], point):
            kept.pop()
        kept.append(point)
    return "M" + "L".join(f"{x:.1f} {y:.1f}".replace(".0", "") for x, y in kept)


def _on_the_way(point: tuple[float, float], start: tuple[float, float], end: tuple[float, float]) -> bool:
    """Whether a point is on the straight line between two others."""
    (x, y), (right, up) = (end[0] - start[0], end[1] - start[1]), (point[0] - start[0], point[1] - start[1])
    length = float(np.hypot(x, y))
    return abs(x * up - y * right) < STRAIGHT * length and 0 <= x * right + y * up <= length**2
