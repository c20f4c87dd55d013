"""Figures of overlaps: which of Dice and IoU is steeper, and which pixels a loss pulls at."""

from __future__ import annotations

import numpy as np

from reflosses.evaluation.domain import Floats
from reflosses.losses.binary_cross_entropy import BinaryCrossEntropy
from reflosses.losses.dice import Dice
from reflosses.losses.focal import Focal
from reflosses.losses.generalized_dice import GeneralizedDice
from reflosses.losses.weighted_cross_entropy import WeightedCrossEntropy
from reflosses.overlap import CROSSOVER_IOU, sensitivity
from reflosses.teaching.figures.drawing import WIDTH, Drawing, Panel

SMALLEST = 0.7  # side of a square that is drawn
SIDE = 10  # pixels of the mask
OBJECT = ("", "", "...##.....", *["..####...."] * 4, "...##.....")  # the first rows


def dice_iou_steepness() -> Drawing:
    """The slopes of the two scores, and their ratio."""
    alt = (
        "Left, over I/S, the slope of the Dice score, constant, and that of IoU, which grows from half of it to "
        "twice it; right, their ratio over J, below 1 up to J = 0.414, where Dice is steeper, and above 1 "
        "beyond, where IoU is."
    )
    drawing = Drawing("dice_iou_steepness", alt, 330)
    share = np.linspace(0, 0.5, 81)
    slopes = [sensitivity(i, 1.0) for i in share]
    title = "slope of the score"
    box = 34, 40, 282, 236
    left = drawing.panel("slopes", box, x=(0, 0.5), y=(0, 4.3), title=title, letter="*I*/*S*", yticks=range(5))
    left.curve("dD/dI", share, [s.dice for s in slopes], 1)
    left.curve("dJ/dI", share, [s.iou for s in slopes], 2)
    left.label(0.02, 2, "Dice, *dD*/*dI*", down=-13)
    left.label(0.02, 1, "IoU, *dJ*/*dI*", down=14)
    crossing = CROSSOVER_IOU / (1 + CROSSOVER_IOU)  # I/S = J/(1 + J)
    left.dot(crossing, 2, 2)
    left.label(crossing, 2, f"{crossing:.3f}", right=8, down=14)
    title = "slope of IoU over slope of Dice"
    box, ticks = (390, 40, 282, 236), (0, 0.5, 1, 1.5, 2)
    right = drawing.panel("ratio", box, x=(0, 1), y=(0, 2.15), title=title, letter="*J*", yticks=ticks)
    j = np.sort(np.append(np.linspace(0, 1, 81), CROSSOVER_IOU))
    share = j / (1 + j)
    ratio = np.array([sensitivity(i, 1.0).ratio for i in share])
    right.curve("ratio (4)", j, ratio, 1)
    right.curve("ratio (6)", j[:-1], ratio[:-1] * (1 - 2 * share[:-1]) / (1 - j[:-1]), 3)  # each slope over its loss
    low = j <= CROSSOVER_IOU
    right.shade(j[low], ratio[low], np.ones(low.sum()), 1)
    right.shade(j[~low], np.ones((~low).sum()), ratio[~low], 2)
    right.line([(0, 1), (1, 1)], "ink-line")
    right.dot(CROSSOVER_IOU, 1, 1)
    right.label(CROSSOVER_IOU, 1, f"{CROSSOVER_IOU:.3f}", right=8, down=14)
    right.line([(0.12, 1.32), (0.12, 0.86)])
    right.label(0.03, 1.4, "Dice steeper")
    right.label(0.97, 1, "IoU steeper", side="end", down=-10)
    right.label(0.97, 0.5, "(6), relative to the loss", side="end", down=4)
    return drawing


# ---- pulls on a mask -------------------------------------------------------------------------------------------------


def mask_of_the_page() -> Floats:
    """The mask of the page of Dice, 20 of 100 pixels, as a disc."""
    rows = [row.ljust(SIDE) for row in (*OBJECT, *[""] * (SIDE - len(OBJECT)))]
    return np.array([[float(pixel == "#") for pixel in row] for row in rows])


def later_prediction() -> Floats:
    """A prediction on its way: a blurred object, a pixel to the right and one down from the true one."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    distance = np.hypot((rows - 5.5) / 1.1, columns - 4.7)
    return np.asarray(0.04 + 0.9 / (1 + np.exp(1.3 * (distance - 2.6))))


def pulls(mask: Floats, p: Floats) -> dict[str, Floats]:
    """−∂L/∂p of five losses: where it is positive, the loss pulls p up."""
    flat, y = p.ravel(), mask.ravel()
    both = GeneralizedDice(axis=0).grad(np.stack([y, 1 - y]), np.stack([flat, 1 - flat]))
    found = {
        "CE": BinaryCrossEntropy().grad(y, flat),
        "WCE": WeightedCrossEntropy().grad(y, flat),
        "focal": Focal(gamma=2.0).grad(y, flat),
        "Dice": Dice().grad(y, flat),
        "GDL": both[0] - both[1],
    }
    return {name: -gradient.reshape(p.shape) for name, gradient in found.items()}


def pulls_on_a_mask() -> Drawing:
    """Which pixels five losses pull at, at the start of training and later."""
    alt = (
        "Squares as large as the pull on each pixel of a mask, filled where it pulls up and hollow where down: "
        "at the start the object has 20 % of the pull of cross-entropy and focal loss, 60 % of Dice, 50 % of "
        "GDL; later, Dice and GDL still have two sizes of squares, the others many."
    )
    drawing = Drawing("pulls_on_a_mask", alt, 348)
    mask = mask_of_the_page()
    side, apart = 100.0, 13.0
    rows = (("start: *p* = ½", 46, np.full(mask.shape, 0.5)), ("later", 204, later_prediction()))
    for title, top, p in rows:
        views = {title: p, **pulls(mask, p)}
        for k, (name, numbers) in enumerate(views.items()):
            left = 8 + k * (side + apart)
            box, ends = (left, top, side, side), {"x": (0, SIDE), "y": (0, SIDE)}
            panel = drawing.panel(f"{name}, {title}", box, title=name, xticks=(), yticks=(), **ends)
            _squares(panel, numbers, "f1" if k else "pale")
            _outline(panel, mask)
            if k:
                object_share = np.abs(numbers[mask == 1]).sum() / np.abs(numbers).sum()
                drawing.text(left + side / 2, top + side + 18, f"{100 * object_share:.0f} %", "middle")
        drawing.text(8, top + side + 18, "on object:")
    drawing.text(WIDTH / 2, 340, "filled: pulled up; hollow: pulled down; outlined: the object", "middle", "pale")
    return drawing


def _squares(panel: Panel, numbers: Floats, style: str) -> None:
    """A square in each pixel, whose area is the size of the number: filled where it is positive, else hollow."""
    pixel = (panel.x.end - panel.x.start) / SIDE
    sides = 0.92 * pixel * np.sqrt(np.abs(numbers) / np.abs(numbers).max())
    filled, hollow = "", ""
    for row, column in np.argwhere(sides >= SMALLEST).tolist():
        side = sides[row, column]
        x, y = panel.x.start + (column + 0.5) * pixel - side / 2, panel.y.end + (row + 0.5) * pixel - side / 2
        if numbers[row, column] > 0:
            filled += _square(x, y, side)
        else:
            hollow += _square(x + 0.5, y + 0.5, max(side - 1, 0.2))  # the line, 1 wide, lies inside
    panel.add(f'<path class="{style}" d="{filled}"/><path class="s2" d="{hollow}"/>')


def _square(x: float, y: float, side: float) -> str:
    return f"M{x:.1f} {y:.1f}h{side:.1f}v{side:.1f}h-{side:.1f}z".replace(".0", "")


def _outline(panel: Panel, mask: Floats) -> None:
    """The edges between the object and the rest."""
    pixel = (panel.x.end - panel.x.start) / SIDE
    padded = np.pad(mask, 1)
    path = ""
    for row, column in np.argwhere(np.diff(padded, axis=0)[:, 1:-1]).tolist():
        path += f"M{panel.x.start + column * pixel:g} {panel.y.end + row * pixel:g}h{pixel:g}"
    for row, column in np.argwhere(np.diff(padded, axis=1)[1:-1]).tolist():
        path += f"M{panel.x.start + column * pixel:g} {panel.y.end + row * pixel:g}v{pixel:g}"
    panel.add(f'<path class="ink-line thin" d="{path}"/>')
