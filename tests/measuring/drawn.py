"""The numbers in a figure: its curves and dots, read back from the SVG through the scales of its panels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

FIGURES = Path(__file__).parents[2] / "derivations" / "figures"
SVG = "{http://www.w3.org/2000/svg}"
ROUNDING = 0.06  # units: places are written to a tenth
NOISE = 1e-15  # errors below this are the last digit, which depends on the processor
DECADES = 1.5  # by which an error above it may differ from one processor to the next


@dataclass
class ReadScale:
    low: float
    high: float
    start: float
    end: float
    log: bool

    @classmethod
    def of(cls, text: str) -> ReadScale:
        *numbers, kind = text.split()
        return cls(*map(float, numbers), kind == "log")

    def number(self, places):
        """The numbers at places."""
        share = (np.asarray(places) - self.start) / (self.end - self.start)
        if self.log:
            return 10 ** (np.log10(self.low) + share * (np.log10(self.high) - np.log10(self.low)))
        return self.low + share * (self.high - self.low)

    @property
    def unit(self) -> float:
        """How much a number, or its logarithm, changes over one unit."""
        length = abs(self.end - self.start)
        size = np.log10(self.high) - np.log10(self.low) if self.log else self.high - self.low
        return abs(float(size)) / length


@dataclass
class ReadPanel:
    x: ReadScale
    y: ReadScale
    curves: dict[str, list[np.ndarray]] = field(default_factory=dict)  # the pieces, as arrays of places
    dots: list[tuple[float, float]] = field(default_factory=list)
    outlines: list[list[float]] = field(default_factory=list)  # the numbers of other paths


def read(svg: str) -> dict[str, ReadPanel]:
    """The panels of a figure."""
    panels = {}
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        panel = ReadPanel(ReadScale.of(group.get("data-x")), ReadScale.of(group.get("data-y")))
        for path in group.iter(f"{SVG}path"):
            if path.get("data-curve") is not None:
                panel.curves[path.get("data-curve")] = pieces(path.get("d"))
            else:
                panel.outlines.append([float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", path.get("d"))])
        panel.dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in group.iter(f"{SVG}circle")]
        panels[group.get("data-panel")] = panel
    return panels


def pieces(path: str) -> list[np.ndarray]:
    """The pieces of a path, each an array of points."""
    return [np.array([[float(x) for x in p.split()] for p in piece.split("L")]) for piece in path.split("M")[1:]]


def alt_of(svg: str) -> str:
    """What the figure says of itself."""
    return ElementTree.fromstring(svg).find(f"{SVG}title").text


def differences(name: str, svg: str) -> list[str]:
    """How a figure of the pages differs in its numbers from this one."""
    path = FIGURES / f"{name}.svg"
    if not path.exists():
        return ["is not there"]
    old, new = read(path.read_text("utf-8")), read(svg)
    found = ["says something else"] if alt_of(path.read_text("utf-8")) != alt_of(svg) else []
    if old.keys() != new.keys():
        return [*found, f"has the panels {[*old]}, not {[*new]}"]
    for key, panel in new.items():
        there = old[key]
        if (there.x, there.y) != (panel.x, panel.y):
            found.append(f"{key} has other axes")
        elif there.curves.keys() != panel.curves.keys():
            found.append(f"{key} has the curves {[*there.curves]}, not {[*panel.curves]}")
        else:
            found += [f"{key}, {c}" for c in panel.curves if not same(there.curves[c], panel.curves[c], panel)]
            found += [f"{key}, dots"] * (not close(there.dots, panel.dots))
            outlines = zip(there.outlines, panel.outlines, strict=False)
            alike = len(there.outlines) == len(panel.outlines) and all(close(a, b) for a, b in outlines)
            found += [f"{key}, other lines"] * (not alike)
    return found


def close(old: list, new: list) -> bool:
    """Whether all places are the same but for their last digit."""
    return np.shape(old) == np.shape(new) and bool(np.allclose(old, new, rtol=0, atol=2 * ROUNDING))


def same(old: list[np.ndarray], new: list[np.ndarray], panel: ReadPanel) -> bool:
    """Whether two curves are one line. An axis of errors down to the last digit allows what processors do."""
    if panel.y.log and panel.y.low < NOISE:
        old, new = np.concatenate(old), np.concatenate(new)
        heights = [np.log10(panel.y.number(np.interp(new[:, 0], curve[:, 0], curve[:, 1]))) for curve in (old, new)]
        last = np.log10(NOISE)
        return bool(np.all((np.abs(heights[0] - heights[1]) < DECADES) | (np.maximum(*heights) < last)))
    if len(old) != len(new):
        return False
    return all(on_the_line(a, b) and on_the_line(b, a) for a, b in zip(old, new, strict=True))


def on_the_line(points: np.ndarray, line: np.ndarray) -> bool:
    """Whether all points lie on a line of straight pieces."""
    start, step = line[:-1, None], np.diff(line, axis=0)[:, None]
    length = np.maximum((step**2).sum(axis=-1), 1e-300)
    share = np.clip(((points - start) * step).sum(axis=-1) / length, 0, 1)
    distance = np.hypot(*np.moveaxis(points - start - share[..., None] * step, -1, 0))
    return bool((distance.min(axis=0) < 3 * ROUNDING).all())
