"""The figure of a portrait: for each candidate and target the errors of the value, then those of the gradient.

Below each, a band tells what is wrong: by its colour, by how dark it is, and by the mark that all reports have for it.
All lengths are points; a column of the figure is one point wide. The same censuses give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from math import log10
from typing import TYPE_CHECKING, Any

import numpy as np

from reflosses.comparison.battery import family
from reflosses.comparison.census import Census, Counted, many, share
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.one_prediction import LETTERS, ends
from reflosses.comparison.verdict import FREEDOM, VERDICTS
from reflosses.evaluation.loss import Loss
from reflosses.reporting.float_axis import FloatAxis, in_powers
from reflosses.reporting.tables import MARKS
from reflosses.reporting.thinning import EMPTY, RIGHT_COLUMN, Thinned, runs_of, thinned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, LEFT, EDGE, BETWEEN = 600, 74, 10, 14  # of the page, of its margins, between two columns of panels
ERRORS, BEYOND, BAND, GAP = 42, 5, 10, 6  # heights of a panel: errors, of which the top edge; the band; below it
LINE, SIZE, LARGE = 13, 9, 11  # heights of a line of text, and of letters
FEW = 100  # wrong numbers, told as a count
WORDS, BOLD, TITLE = 4.8, 5.8, 7.1  # widths of a letter: in words, in headings, in the title
LEAST = 0.1  # ulp, at the bottom of a panel
DPI = 192  # of a PNG
FORMATS_OF_FIGURES = ("svg", "png")
NO_MATPLOTLIB = "a portrait needs matplotlib: pip install 'reflosses[plot]'"

DOTTED, DASHED = (0, (1, 1.5)), (0, (4, 2))
INK, PALE, GRID, RIGHT_INK = "#222222", "#5f6b76", "#d9dde1", "#c0c9d1"
COLOURS = {  # of each verdict: told apart with any colour vision, and the worse ones are darker
    "crash": "#000000",
    "changes its input": "#222222",
    "rows interact": "#333333",
    "other convention": "#882255",
    "spurious inf/NaN": "#12367a",
    "overflow": "#117733",
    "dead gradient": "#cc3311",
    "spurious zero": "#ee8844",
    "capped": "#55aadd",
    "accepts invalid input": "#aaaa44",
    "inaccurate": "#e3bb45",
}
DARK_MARKS = ("spurious zero", "capped", "accepts invalid input", "inaccurate")  # on light colours

Outline = list[tuple[float, float]]


class FigureLayout:
    """What the figure shows, in which columns and rows of panels."""

    def __init__(self, censuses: Sequence[Census], loss: Loss | Scaled, title: str) -> None:
        self.censuses, self.title = censuses, title
        self.form, base = FORMATS[censuses[0].dtype], parts(loss)[1]
        self.allowed = {"value": FREEDOM * base.bounds.value, "gradient": FREEDOM * base.bounds.grad}
        self.letter = LETTERS.get(family(base), "ŷ")
        self.targets = list(dict.fromkeys(t.name for c in censuses for t in c.targets))
        self.across = 2 if len(censuses) > 1 and len(self.targets) == 2 else 1
        room = (WIDTH - LEFT - EDGE - (self.across - 1) * BETWEEN) // self.across
        self.axis = FloatAxis(self.form, *ends(base, self.form), room)
        self.panels = {
            (k, t.name, what): thinned(self.axis, c)
            for k, census in enumerate(censuses)
            for t in census.targets
            for what, c in t.columns()
        }

    @cached_property
    def verdicts(self) -> list[str]:
        """The verdicts that occur, the mildest first, as in other legends."""
        found = {int(v) for panel in self.panels.values() for v in np.unique(panel.verdicts)}
        return [verdict for verdict in MARKS if verdict in VERDICTS and VERDICTS.index(verdict) in found]

    @cached_property
    def exceeds(self) -> bool:
        """Whether a right column has an error that is larger than the allowed one, for a reason of `unavoidable`."""
        return any(
            bool((p.ulps[p.verdicts == RIGHT_COLUMN] > self.allowed[what]).any())
            for (*_, what), p in self.panels.items()
        )

    @cached_property
    def reaches_the_edge(self) -> bool:
        """Whether an error is beyond the top, or infinite."""
        return any(not p.ulps.max() <= self.top for p in self.panels.values())

    @property
    def top(self) -> float:
        """The largest error that has a height of its own, in ulps: ten times that of a number without a right digit."""
        return 10 * 2.0**self.form.bits

    def height(self, ulps: float) -> float:
        """The height of an error in its panel, in steps of half a point. Beyond the top it is the whole panel."""
        if not ulps <= self.top:
            return ERRORS
        scale = (ERRORS - BEYOND) / log10(self.top / LEAST)
        return round(2 * scale * log10(max(ulps, LEAST) / LEAST)) / 2

    def ticks(self, what: str) -> list[tuple[float, str]]:
        """Heights and labels on the axis of errors: where an error is allowed no more, then powers of ten."""
        wanted = [(0.5, "½"), (self.allowed[what], f"{self.allowed[what]:g}")]
        step = 3 if self.form.bits > 16 else 1
        wanted += [(10.0**k, in_powers(10.0**k)) for k in range(step, int(log10(self.top)) + 1, step)]
        found = [(ERRORS - BEYOND / 2, "∞")]
        for ulp, label in wanted:
            height = self.height(ulp)
            if all(abs(height - other) >= SIZE - 1 for other, _ in found):
                found.append((height, label))
        return found

    def blocks(self) -> list[tuple[str, list[tuple[int, str]]]]:
        """The rows of the figure: a heading, and candidate and target of each of its columns."""
        names = [census.name for census in self.censuses]
        if not self.targets:
            return [(name, [(k, "")]) for k, name in enumerate(names)]
        if self.across == 2:
            return [(name, [(k, target) for target in self.targets]) for k, name in enumerate(names)]
        return [
            (target if len(names) == 1 else f"{names[k]}, {target}", [(k, target)])
            for target in self.targets
            for k in range(len(names))
        ]

    def said_of(self, k: int, name: str) -> str:
        """How much of a target is wrong, in few words."""
        target = next((t for t in self.censuses[k].targets if t.name == name), None)
        columns = [] if target is None else list(target.columns())
        if not columns:
            return "not counted"
        asked, numbers = columns[0][1].asked, self.axis.high - self.axis.low
        start = "" if asked == numbers else f"first {share(asked, numbers)}: "
        if all(c.correctly_rounded == c.asked for _, c in columns):
            return f"{start}all correctly rounded"
        if all(c.ok for _, c in columns):
            return f"{start}all right"
        return f"{start}wrong: " + ", ".join(f"{what} {_wrong(c)}" for what, c in columns)

    def x_label(self) -> str:
        """What the horizontal axis is."""
        count = many(self.axis.high - self.axis.low)
        more = ", from ½ on by their distance from 1" if self.axis.ends_at_one else ""
        return f"{self.letter}: all {count} numbers of {self.form} in their order{more}"


def _wrong(c: Counted) -> str:
    """How many numbers are wrong: few as a count, many as a part of all."""
    wrong = c.asked - c.right
    if wrong >= FEW:
        return share(wrong, c.asked)
    return "none" if not wrong else "1 number" if wrong == 1 else f"{wrong} numbers"


# ---- drawing ---------------------------------------------------------------------------------------------------------


class _Page:
    """A sheet of points whose origin is its top left corner."""

    def __init__(self, height: int) -> None:
        from matplotlib.figure import Figure

        self.figure = Figure((WIDTH / 72, height / 72), facecolor="white")
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        self.axes.set_axis_off()

    def text(self, x: float, y: float, text: str, side: str = "left", **style: Any) -> None:
        """A text whose baseline is at y."""
        plain = {"ha": side, "va": "baseline", "fontsize": SIZE, "color": INK, "parse_math": False}
        self.axes.text(x, y, text, **{**plain, **style})

    def lines(self, lines: list[Outline], colour: str = GRID, style: Any = "-") -> None:
        """Thin lines of one colour."""
        self._draw(lines, closed=False, edgecolor=colour, facecolor="none", linestyle=style)

    def areas(self, outlines: list[Outline], colour: str) -> None:
        """Areas of one colour."""
        self._draw(outlines, closed=True, edgecolor="none", facecolor=colour)

    def _draw(self, outlines: list[Outline], closed: bool, **style: Any) -> None:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        points = [p for outline in outlines for p in (*outline, *outline[:closed])]
        end = [Path.CLOSEPOLY] * closed
        path = Path(points, [c for o in outlines for c in (Path.MOVETO, *[Path.LINETO] * (len(o) - 1), *end)])
        path.should_simplify = False
        self.axes.add_patch(PathPatch(path, linewidth=0.6, snap=False, **style)).set_clip_on(False)


def drawn(layout: FigureLayout) -> Figure:
    """The figure."""
    legend = _legend(layout)
    lines = 1 + max((line for line, *_ in legend), default=0)
    blocks = layout.blocks()
    head = LARGE + 8 + lines * LINE + 4 + (LINE if layout.across == 2 else 0)
    panel = ERRORS + BAND + GAP
    heights = [LINE + panel * len(_whats(layout, places)) for _, places in blocks]
    page = _Page(int(head + sum(heights) + 3 * LINE))
    page.text(EDGE, LARGE + 3, _fitting(layout.title, WIDTH - 2 * EDGE, TITLE), fontsize=LARGE, weight="bold")
    for line, x, kind, colour, label in legend:
        _entry(page, EDGE + x, LARGE + 8 + (line + 1) * LINE - 4, kind, colour, label)
    lefts = [LEFT + k * (layout.axis.width + BETWEEN) for k in range(layout.across)]
    if layout.across == 2:
        for x, target in zip(lefts, layout.targets, strict=True):
            page.text(x, head - 5, target, weight="bold")
    y = float(head)
    for (heading, places), height in zip(blocks, heights, strict=True):
        room = lefts[0] + layout.axis.width - EDGE - WORDS * len(layout.said_of(*places[0])) - SIZE
        page.text(EDGE, y + LINE - 4, _fitting(heading, room, BOLD), weight="bold")
        whats = _whats(layout, places)
        for x, (k, target) in zip(lefts, places, strict=True):
            page.text(x + layout.axis.width, y + LINE - 4, layout.said_of(k, target), "right", color=PALE)
            for row, what in enumerate(whats):
                found = layout.panels.get((k, target, what))
                if found is not None:
                    _panel(page, layout, x, y + LINE + row * panel, found, layout.allowed[what])
        for row, what in enumerate(whats):
            _side(page, layout, y + LINE + row * panel, what)
        y += height
    for x in lefts:
        for place, label in layout.axis.ticks():
            page.text(x + round(place, 1), y + LINE - 4, label, "center")
    page.text(lefts[0], y + 2 * LINE - 2, layout.x_label(), color=PALE)
    return page.figure


def _fitting(text: str, room: float, letter: float) -> str:
    """The end of a text that is too long, because a target ends with the name of the function."""
    most = max(int(room / letter), 2)
    return text if len(text) <= most else f"…{text[1 - most :]}"


def _whats(layout: FigureLayout, places: list[tuple[int, str]]) -> list[str]:
    """Which of value and gradient a row of panels has."""
    return [what for what in layout.allowed if any((*place, what) in layout.panels for place in places)]


def _side(page: _Page, layout: FigureLayout, y: float, what: str) -> None:
    """The words and the axis of errors on the left of a panel."""
    page.text(EDGE, y + ERRORS / 2 + 3, what)
    for height, label in layout.ticks(what):
        page.text(LEFT - 4, y + ERRORS - height + 3, label, "right", color=PALE)


def _panel(page: _Page, layout: FigureLayout, x: float, y: float, found: Thinned, allowed: float) -> None:
    """The errors, and the band below them."""
    width, bottom = layout.axis.width, y + ERRORS
    ticks = [x + round(place, 1) for place, _ in layout.axis.ticks()]
    page.lines([*([(t, y), (t, bottom + BAND)] for t in ticks), [(x, y + BEYOND), (x + width, y + BEYOND)]])
    marks = found.marks()
    for code in (RIGHT_COLUMN, *range(len(VERDICTS))):
        colour = RIGHT_INK if code == RIGHT_COLUMN else COLOURS[VERDICTS[code]]
        runs = [(start, stop) for start, stop, own in runs_of(found.verdicts) if own == code]
        outlines = [_outline(layout, x, bottom, found, start, stop) for start, stop in runs]
        if code != RIGHT_COLUMN:
            runs = [(start, stop) for start, stop, own in runs_of(marks) if own == code]
            outlines += [_corners(x + start, bottom, stop - start, BAND) for start, stop in runs]
        if outlines:
            page.areas(outlines, colour)
    for ulp, style in ((0.5, DOTTED), (allowed, DASHED)):
        level = bottom - layout.height(ulp)
        page.lines([[(x, level), (x + width, level)]], INK, style)
    asked = int((found.verdicts != EMPTY).sum())
    frame = _corners(x, bottom, asked, BAND)
    page.lines([[*frame, frame[0]]], PALE)
    if asked + 60 < width:
        page.text(x + asked + 4, bottom + BAND - 2, "not asked", color=PALE)
    _marks(page, x, bottom + BAND - 2, marks)


def _outline(layout: FigureLayout, x: float, bottom: float, found: Thinned, start: int, stop: int) -> Outline:
    """The errors of neighbouring columns, as steps above the bottom. Equal neighbours are one step."""
    heights = [layout.height(ulp) for ulp in found.ulps[start:stop].tolist()]
    points = [(x + start, bottom)]
    for k, height in enumerate(heights):
        if k and height == heights[k - 1]:
            points.pop()
        else:
            points.append((x + start + k, bottom - height))
        points.append((x + start + k + 1, bottom - height))
    return [*points, (x + stop, bottom)]


def _corners(x: float, y: float, width: float, height: float) -> Outline:
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _marks(page: _Page, x: float, y: float, marks: Any) -> None:
    """The mark of each verdict: inside its part of the band, or beside it where every number is right."""
    taken = -float(SIZE)
    for start, stop, code in runs_of(marks):
        if code < 0:
            continue
        verdict, beside = VERDICTS[code], marks[stop : stop + 8]
        if stop - start >= 7:
            place, colour = (start + stop) / 2, INK if verdict in DARK_MARKS else "white"
        elif len(beside) == 8 and (beside < 0).all():
            place, colour = stop + 4.5, INK
        elif start >= 8 and (marks[start - 8 : start] < 0).all():
            place, colour = start - 4.5, INK
        else:
            continue
        if place - 4 < taken:
            continue
        page.text(x + place, y, MARKS[verdict], "center", color=colour, weight="bold")
        taken = place + 4


# ---- the legend ------------------------------------------------------------------------------------------------------


def _legend(layout: FigureLayout) -> list[tuple[int, float, str, str, str]]:
    """Line, place, kind, colour and words of each entry."""
    value, gradient = (f"{layout.allowed[what]:g}" for what in ("value", "gradient"))
    allowed = value if value == gradient else f"{value} (gradient {gradient})"
    entries = [
        ("½", INK, "½ ulp: correctly rounded"),
        ("allowed", INK, f"allowed: {allowed} ulp"),
        ("", RIGHT_INK, f"right{' (above the line: unavoidable)' * layout.exceeds}"),
        *((MARKS[v], COLOURS[v], v) for v in layout.verdicts),
    ]
    if layout.reaches_the_edge:
        entries.insert(2, ("∞", PALE, "beyond, or not finite"))
    placed, line, x = [], 0, 0.0
    for kind, colour, label in entries:
        wide = 18 + WORDS * len(label)
        if x and x + wide > WIDTH - 2 * EDGE:
            line, x = line + 1, 0.0
        placed.append((line, x, kind, colour, label))
        x += wide + 8
    return placed


def _entry(page: _Page, x: float, y: float, kind: str, colour: str, label: str) -> None:
    if kind in ("½", "allowed"):
        page.lines([[(x, y - 3), (x + 14, y - 3)]], colour, DOTTED if kind == "½" else DASHED)
    elif kind == "∞":
        page.text(x + 7, y, kind, "center", color=colour)
    else:
        page.areas([_corners(x, y - 8, 14, BAND)], colour)
        page.text(x + 7, y, kind, "center", color=INK if label in DARK_MARKS else "white", weight="bold")
    page.text(x + 18, y, label)


# ---- files -----------------------------------------------------------------------------------------------------------


@contextmanager
def _settings() -> Iterator[None]:
    """Settings of matplotlib that make small files with the same bytes every time."""
    import matplotlib as mpl

    settings: dict[str, Any] = {
        "svg.hashsalt": "reflosses",
        "svg.fonttype": "none",
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans", "Verdana"],
        "path.simplify": False,
    }
    with mpl.rc_context(settings):
        yield


def needs_matplotlib() -> None:
    """ImportError with the command that installs matplotlib, if it is not there."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError(NO_MATPLOTLIB) from None


def image(layout: FigureLayout, kind: str) -> bytes:
    """The figure as the bytes of an SVG or of a PNG."""
    needs_matplotlib()
    file = io.BytesIO()
    with _settings():
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        drawn(layout).savefig(file, format=kind, metadata=metadata, dpi=DPI if kind == "png" else 72)
    return file.getvalue() if kind == "png" else smaller(file.getvalue().decode()).encode()


def smaller(svg: str) -> str:
    """The same SVG in fewer characters: one font for all, no empty rotation, short paths, groups without names."""
    svg = re.sub(r'(?<= d=")[^"]*', lambda found: _shorter_path(found[0]), svg)
    family = re.search(r" font-family: [^;]*;", svg)
    if family:
        svg = svg.replace(family[0], "").replace("*{", f"*{{{family[0].strip()} ", 1)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    svg = re.sub(r'\n *<g id="(?:patch|text)_\d+">\n *(<.*)\n *</g>', r"\n\1", svg)
    return svg.replace("; stroke-linejoin: miter", "").replace("; stroke-dashoffset: 0", "")


def _shorter_path(path: str) -> str:
    out, before = [], ("", "")
    for step, x, y in re.findall(r"([MLz]) ?([-\d.]+)? ?([-\d.]+)?", path):
        if step == "L" and y == before[1]:
            out.append(f"H{x}")
        elif step == "L" and x == before[0]:
            out.append(f"V{y}")
        else:
            out.append(f"{step}{x} {y}".rstrip())
        before = (x, y)
    return "".join(out)
