"""Value, gradient and curvature of a worked example, side by side as several ways give them.

The ways are the equations of the page as they stand, in 16 digits; the page in 120 digits; the library; the proof; a
difference quotient. A number that is wrong says by how much.
"""

from __future__ import annotations

import decimal
import textwrap
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import scipy

from reflosses.evaluation.domain import Floats
from reflosses.reporting.asked import shortened
from reflosses.reporting.example_inputs import Inputs
from reflosses.reporting.formula_text import formula_text
from reflosses.teaching.lesson import Lesson
from reflosses.teaching.steps import WorkedExample
from reflosses.teaching.tree import Name
from reflosses.truth.proof import certify

STEP = 6e-6  # of a difference quotient in float64: truncation and rounding have the same size
LEAST = 1e4  # floats that such a step must have; fewer leave it no four digits
OFF = 1e-13  # a relative error that is told
LOST = Decimal("1e-28")  # a smaller number may be what a step of 1e-30 is off by; and 1 + e^−300 is 1 in 120 digits
TOO_FEW = "   120 digits are too few here"
NEEDS_FLINT = "pip install 'reflosses[truth]'"
KINDS = {"value": "value", "grad": "gradient", "curvature": "curvature"}


class SeveralWays:
    """Value, gradient and curvature, each in several ways."""

    def __init__(self, inputs: Inputs, lesson: Lesson, example: WorkedExample, places: Sequence[Any], width: int):
        self.inputs, self.lesson, self.example, self.width = inputs, lesson, example, width
        self.places = places
        self.loss = inputs.each
        self.name = type(inputs.loss).__name__
        self.notes: list[str] = []
        low, high = self.loss.subgradient(inputs.y, inputs.yhat)
        self.kinks = [bool(x) for x in self.in_order(np.asarray(low != high).astype(float), "grad")]
        self.holds_weight = getattr(self.loss, "weight_grad", "") == "stop" and self.loss.reads_all_predictions
        self.proof, self.no_proof = self.certified()

    def certified(self) -> tuple[dict[str, Floats], str]:
        """The certified numbers, or why there are none."""
        try:
            found = certify(self.loss, self.inputs.y, self.inputs.yhat, curvature=True)
        except ImportError:
            return {}, NEEDS_FLINT
        except (ValueError, OSError) as error:
            return {}, shortened(str(error).rpartition(": ")[2])
        return dict(zip(KINDS, map(np.asarray, found), strict=True)), ""

    def lines(self) -> list[str]:
        """A table for the value, the gradient and the curvature each, and the notes that they need."""
        loss, y, yhat = self.loss, self.inputs.y, self.inputs.yhat
        value, grad = loss.value_and_grad(y, yhat)
        ours = {"value": np.asarray(value), "grad": grad, "curvature": loss.curvature(y, yhat)}
        out = ["The same in several ways", ""]
        for kind, title in KINDS.items():
            ways = list(self.ways(kind, ours[kind]))
            prediction = formula_text(Name(self.lesson.prediction.letter))
            out += [f"{title}{'' if kind == 'value' else f' by {prediction}'}", *self.table(kind, ways), ""]
        for note in dict.fromkeys(self.notes):
            out += textwrap.wrap(note, self.width)
        out += textwrap.wrap(
            "16 digits: the equation as it stands, each operation rounded to 16 digits, nearly as in float64. "
            "120 digits: derivatives are difference quotients of the definition there, with a step of 1e-30.",
            self.width,
        )
        return out + self.reduced()

    def reduced(self) -> list[str]:
        """The one number that a reduction makes of several losses."""
        loss = self.inputs.loss
        if loss.reduction == "none" or np.size(self.loss.value(self.inputs.y, self.inputs.yhat)) < 2:
            return []
        value, grad = loss.value_and_grad(self.inputs.y, self.inputs.yhat)
        numbers = ", ".join(f"{x:.6g}" for x in grad.ravel())
        out = ["", f'The losses as one number, with reduction="{loss.reduction}"', f"  value     {value!r}"]
        return [*out, *textwrap.wrap(numbers, self.width, initial_indent="  gradient  ", subsequent_indent=" " * 12)]

    def known(self, kind: str, count: int) -> list[Decimal | None]:
        """What the ways are held to: certified numbers, or those of the page that 120 digits are enough for."""
        if kind in self.proof:
            found: list[Decimal | None] = [Decimal(x) for x in self.in_order(self.proof[kind], kind)]
        else:
            of_page = self.example.exact.get(kind) or [None] * count
            found = [None if x is None or abs(x) < LOST else x for x in of_page]
        return found if kind == "value" else [None if at else x for at, x in zip(self.kinks, found, strict=True)]

    def ways(self, kind: str, ours: Floats) -> Iterator[tuple[str, list[str], list[float | None]]]:
        """Each way with its numbers as text and as floats, in the order of the page."""
        exact = self.example.exact.get(kind)
        for tag, numbers in self.example.naive.get(kind, {}).items():
            label = f"({tag}) in 16 digits" if tag else "definition in 16 digits"
            yield label, [_digits(x, 16) for x in numbers], [None if x is None else float(x) for x in numbers]
        if exact is not None:
            texts = [_digits(x, 20) for x in exact]
            known = self.known(kind, len(exact))
            texts = [text + TOO_FEW * _is_lost(x, k) for text, x, k in zip(texts, exact, known, strict=True)]
            if kind != "value":
                texts = ["a kink" if kink else text for kink, text in zip(self.kinks, texts, strict=True)]
            yield "page in 120 digits", texts, [None] * len(exact)
        flat = self.in_order(ours, kind)
        yield f"{self.name}.{kind}", [repr(x) for x in flat], list(flat)
        if kind in self.proof:
            flat = self.in_order(self.proof[kind], kind)
            yield "certified", [repr(x) for x in flat], [None] * len(flat)
        else:
            yield "certified", [self.no_proof] * len(flat), [None] * len(flat)
        if kind != "value":
            quotients = self.quotients(kind)
            yield "difference quotient", [*quotients], [None] * len(quotients)

    def in_order(self, numbers: Floats, kind: str) -> list[float]:
        """Our numbers in the order of the page: classes first."""
        turned = len(self.lesson.indices) == 2 and getattr(self.loss, "axis", 0) in (1, -1) and kind != "value"
        flat: list[float] = (numbers.T if turned else numbers).ravel().tolist()
        return flat

    def quotients(self, kind: str) -> list[str]:
        """Central difference quotients of our value, or of our gradient, by SciPy's approx_fprime with +h and −h."""
        loss, y, yhat = self.loss, self.inputs.y, self.inputs.yhat
        if self.holds_weight:
            self.notes.append('weight_grad="stop" holds w constant; a difference quotient would not.')
            return ["w is held constant"] * yhat.size
        low, high = loss.subgradient(y, yhat)
        found = []
        for place in np.ndindex(yhat.shape):
            x = float(yhat[place])
            room = min(x, 1 - x) if loss.domain.yhat.high == 1 else max(1.0, abs(x))
            h = STEP * room
            if low[place] != high[place]:
                found.append(f"{float(low[place])!r} and {float(high[place])!r}" if kind == "grad" else "a kink")
                self.notes.append("At a kink there are two one-sided derivatives, and no second derivative.")
                continue
            if not room > 0:
                found.append("end of the domain")
                continue
            if h < LEAST * np.spacing(x):
                found.append("too near the end")
                continue

            def along(moved: Floats, place: tuple[int, ...] = place) -> float:
                changed = yhat.copy()
                changed[place] = moved[0]
                if kind == "grad":
                    value = loss.value(y, changed)
                    own = np.ndim(value) == np.ndim(yhat) and not loss.reads_all_predictions
                    return float(value[place] if own else np.sum(value))
                return float(loss.grad(y, changed)[place])

            with np.errstate(all="ignore"):  # ∞ − ∞
                quotient = sum(scipy.optimize.approx_fprime([x], along, step)[0] for step in (h, -h)) / 2
            found.append("no value" if np.isnan(quotient) else f"{quotient:.9g}")
        order = np.arange(yhat.size).reshape(yhat.shape).astype(float)
        return [found[int(n)] for n in self.in_order(order, kind)]

    # ---- as a table

    def table(self, kind: str, ways: list[tuple[str, list[str], list[float | None]]]) -> list[str]:
        """One number: a line for each way. Several: a line for each, a column for each way."""
        exact = self.known(kind, len(ways[0][1]))
        if len(ways[0][1]) == 1:
            wide = max(len(label) for label, _, _ in ways)
            out = []
            for label, texts, floats in ways:
                gap = " " * (not texts[0].startswith("-"))
                line = f"  {label.ljust(wide)}  {gap}{texts[0]}"
                out.append(f"{line}{_off(floats[0], exact[0])}")
            return out
        labels = [f"  {label}  " for label in self.entries(len(ways[0][1]))]
        column = max(map(len, labels))
        columns = []
        for label, texts, floats in ways:
            cells = [" " * (not text.startswith("-")) + text for text in texts]
            cells = [cell + _off(x, known) for cell, x, known in zip(cells, floats, exact, strict=True)]
            wide = max(len(label) + 1, *map(len, cells))
            columns.append([f" {label}".ljust(wide), *(cell.ljust(wide) for cell in cells)])
        out = []
        while columns:
            taken = 1
            while taken < len(columns) and column + sum(len(c[0]) + 1 for c in columns[: taken + 1]) <= self.width:
                taken += 1
            out += [""] if out else []
            for n, label in enumerate(["", *labels]):
                out.append(label.ljust(column) + " ".join(cells[n] for cells in columns[:taken]))
            columns = columns[taken:]
        return out

    def entries(self, count: int) -> Iterator[str]:
        """A name for each number: the place of its loss, and the indices of its entry."""
        several = len(self.places) > 1
        if not self.lesson.indices or count == len(self.places):
            yield from (place_text(place) for place in self.places)
            return
        names = self.lesson.indices
        for place in self.places:
            for indices in self.lesson.assignments(Name("x", tuple(map(Name, names)))):
                parts = [place_text(place)] if several else []
                yield ", ".join([*parts, *(f"{name} = {indices[name]}" for name in names)])


def _is_lost(of_page: Decimal | None, exact: Decimal | None) -> bool:
    """Whether a number of the page is wrong: 120 digits and a step of 1e-30 have lost it."""
    if of_page is None or exact is None or (exact == 0 and abs(of_page) < LOST):
        return False
    return bool(_off(float(of_page), exact))


def _digits(x: Decimal | None, digits: int) -> str:
    """A number in so many digits, written as Python writes a float."""
    if x is None:
        return "no value"
    if not x.is_finite():
        return "nan" if x.is_nan() else "inf" if x > 0 else "-inf"
    x = decimal.Context(prec=digits, Emin=-999999, Emax=999999).plus(x).normalize()
    return f"{x:f}" if x == 0 or -5 < x.adjusted() < 16 else f"{x:e}".replace("E", "e")


def _off(found: float | None, exact: Decimal | None) -> str:
    """How far a number is from the exact one, if one can see it."""
    if found is None or exact is None or exact.is_nan() or found == float(exact):
        return ""
    if not (np.isfinite(found) and exact.is_finite() and exact):
        return "   no digit is right"
    error = abs(float((Decimal(found) - exact) / exact))
    return "" if error < OFF else f"   off by {error:.0e} of it" if error < 0.5 else "   no digit is right"


def place_text(place: tuple[int, ...]) -> str:
    """The place of a loss among several, such as [0, 2]."""
    return f"[{', '.join(map(str, place))}]"
