"""If nothing explains wrong numbers at hard inputs: a sentence that says from where on they are wrong, and how."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reflosses.comparison.battery import family
from reflosses.diagnosis.cases import Case
from reflosses.diagnosis.facts import GRADIENT, PARTS, VALUE, digits, multiple_of, neat, short
from reflosses.diagnosis.hard_numbers import HardNumbers
from reflosses.diagnosis.model import answer_of
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss

FEW = 2  # sentences
LEAST = 3  # numbers


def far_out(numbers: HardNumbers, loss: Loss) -> str:
    """What the wrong numbers have in common; "" if nothing."""
    said = []
    for part in (VALUE, GRADIENT):
        rows = [row for case in numbers.cases for row in _rows(numbers, case, part, loss)]
        sizes, got, due, wrong = (
            (np.array(column, np.float64) for column in zip(*rows, strict=True))
            if rows
            else (np.zeros(0) for _ in range(4))
        )
        bad = wrong == 1
        if bad.sum() < LEAST:
            continue
        effect = _effect(got[bad], due[bad])
        if effect:
            where = _from(sizes, bad, loss)
            said.append(f"{where} its {PARTS[part]} {effect}.")
    return " ".join(f"{text[0].upper()}{text[1:]}" for text in said[:FEW])


def _rows(numbers: HardNumbers, case: Case, part: int, loss: Loss) -> Iterator[tuple[float, float, float, float]]:
    """How extreme each number's input is, the number, ours, and 1 if it is wrong."""
    got, own = case.got[:2][part], answer_of((), case.question, numbers.model)
    due = None if own is None else own[:2][part]
    if got is None or due is None or got.shape != due.shape:
        return
    counts = np.broadcast_to(case.counts[part], got.shape)
    allowed = np.broadcast_to(case.allowed[part], got.shape)
    close = (got == due) | (np.isnan(got) & np.isnan(due)) | (np.abs(got - due) <= allowed)
    size = np.broadcast_to(_size(case, loss), case.question.yhat.shape)
    sizes = size if size.shape == got.shape else np.full(got.shape, size.max() if size.size == 1 else np.nan)
    for row in np.stack([np.asarray(a, np.float64)[counts == 1] for a in (sizes, got, due, ~close)], axis=1).tolist():
        extreme, number, right, wrong = row
        yield extreme, number, right, wrong


def _size(case: Case, loss: Loss) -> Floats:
    """How extreme each prediction is; NaN where no single number tells."""
    q, kind = case.question, family(loss)
    if kind == "residuals":
        return np.asarray(np.abs(q.yhat - np.asarray(q.y)))
    if kind in ("logits", "margins"):
        return np.abs(q.yhat)
    return np.full(q.yhat.shape, np.nan)


def _effect(got: Floats, due: Floats) -> str:
    """What wrong numbers have in common; "" if nothing."""
    if np.isnan(got).all():
        return "is NaN"
    if np.isinf(got).all():
        return "is infinite"
    if not got.any():
        return "is 0"
    if not np.isfinite(got).all():
        return ""
    if (got == got[0]).all() and len(np.unique(due)) > 1:
        return f"is {digits(float(got[0]))}, whatever is due"
    if not np.isfinite(due).all():
        return ""
    if (np.abs(np.abs(got) - np.abs(got[0])) <= 1e-9 * np.abs(got)).all() and len(np.unique(np.abs(due))) > 1:
        return f"has the size {digits(float(abs(got[0])))}, whatever is due"
    with np.errstate(all="ignore"):
        ratio, gap = got / due, got - due
    if np.isfinite(ratio).all() and np.ptp(ratio) <= 1e-7 * np.abs(ratio).max():
        return f"is {multiple_of(neat(float(np.median(ratio))), 'what is due')}"
    if np.ptp(gap) <= 1e-7 * np.abs(gap).max():
        k = neat(float(np.median(gap)))
        return f"is {digits(abs(k))} too {'large' if k > 0 else 'small'}"
    if (ratio < 0).all():
        return "has the wrong sign"
    if (np.abs(ratio) < 1).all():
        return "is too small"
    return "is too large" if (np.abs(ratio) > 1).all() else ""


def _from(sizes: Floats, bad: Floats, loss: Loss) -> str:
    """Which inputs are wrong: from a size on, below one, or some."""
    name = {"residuals": "|r|", "logits": "|z|", "margins": "|yhat|"}.get(family(loss), "")
    if name and np.isfinite(sizes[bad]).any() and not np.isnan(sizes).any():
        least, most = sizes[bad].min(), sizes[bad].max()
        if bad[sizes >= least].all():
            return f"From {name} = {short(least)} on"
        if bad[sizes <= most].all():
            return f"Up to {name} = {short(most)}"
    return "At some hard inputs"
