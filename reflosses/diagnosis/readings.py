"""A formula read off numbers: which sum of a few terms gives exactly the values, or the gradients, of a candidate.

The coefficients are the solution of linear equations. Terms are left out as long as the others still give every number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np

from reflosses.comparison.battery import family
from reflosses.comparison.candidate import Answer
from reflosses.diagnosis.basis import KINDS, ONE, Named, Regions, Terms, overlap_sums
from reflosses.diagnosis.changes import divisor, joined, taking_part
from reflosses.diagnosis.facts import VALUE, Evidence, Fact, digits, neat
from reflosses.diagnosis.formulas import formula, stable
from reflosses.diagnosis.model import NOT_APPLICABLE, Change, Question
from reflosses.diagnosis.tape import Node, Tape
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.stack import stack
from reflosses.losses.dice import Dice
from reflosses.losses.iou import IoU

MOST = 5  # terms that are said
SPARE = 3  # numbers beyond as many as there are coefficients
CALLS = 40  # calls that are read
RIDGE, NEARLY = 1e-13, 1e-8  # of the normal equations

Key = tuple[str, str]  # the name of a term, and the region where it counts
Sum = dict[Key, float]


def read_formula(evidence: Evidence) -> Iterator[Fact]:
    """A sum of a few terms that gives the values, or the gradients."""
    loss: Any = evidence.cases[0].question.loss
    terms = KINDS.get(family(loss))
    if terms is None or loss.reads_all_predictions or type(loss).__name__ not in terms.due:
        return
    due = terms.due[type(loss).__name__]
    if getattr(loss, "pos_weight", None) is None:
        due = due[0].replace("pos_weight ", ""), due[1].replace("pos_weight ", "")
    if getattr(loss, "alpha", None) is None:
        due = due[0].replace("alpha_t ", ""), due[1].replace("alpha_t ", "")
    if getattr(loss, "label_smoothing", 0.0):
        due = "−(1 − s) Σ y log p − (s/C) Σ log p with s = label_smoothing", "that of smoothed rows"
    for part in evidence.parts:
        if evidence.right[part]:
            continue
        for found in _sums(evidence, terms, part):
            said = f"{in_symbols(found)}, not {due[part]}"
            letters = [word for letter, word in terms.letters.items() if re.search(rf"\b{letter}\b", said)]
            said += f", with {in_a_row(letters)}" if letters else ""
            yield Fact(f"is {said}" if part == VALUE else "", said, _of_sum(terms, part, found))


def _sums(evidence: Evidence, terms: Terms, part: int) -> Iterator[Sum]:
    """The sums of terms that give a part, with the fewest regions first."""
    every = [*(evidence.cases[k] for k in evidence.order), *evidence.more]
    some = [c for c in every if c.got[part] is not None and c.question.weight is None][:CALLS]
    ways = 0
    while True:
        columns: dict[Key, list[Floats]] = {}
        right: list[Floats] = []
        more = 0
        for case in some:
            with suppress(*NOT_APPLICABLE):
                found, more = _columns(case.question, terms, part, ways)
                got = np.asarray(case.got[:2][part], np.float64)
                if any(np.shape(a) != got.shape for a in found.values()):
                    continue
                for key, a in found.items():
                    columns.setdefault(key, []).append(np.ravel(a))
                right.append(got.ravel())
        if not right:
            return
        fitted = _fewest(
            {k: np.concatenate(a) for k, a in columns.items() if len(a) == len(right)},
            np.concatenate(right),
            evidence.cases[0].question.form.eps ** 0.5,
        )
        if fitted is not None:
            yield fitted
            return
        ways += 1
        if ways >= more:
            return


def _columns(q: Question, terms: Terms, part: int, way: int) -> tuple[dict[Key, Any], int]:
    """Each term in each region, reduced as the loss is, and in how many ways there are regions."""
    bound, counted = q.bound, taking_part(q)
    y, yhat = stack(q.loss, np.where(counted == 0, 0, q.y) if np.shape(q.y) == counted.shape else q.y, q.yhat)
    y = np.asarray(y, np.float64)
    tape = Tape(q.form)
    named = _in_regions(tape, terms, part, q.loss, y, tape.node(yhat), way)
    over, out = divisor(q), {}
    for key, a in named.items():
        each = a.value if isinstance(a, Node) else a
        if part == VALUE:
            values = np.broadcast_to(each, (len(yhat),)).astype(np.float64).reshape(bound.value_shape)
            empty = np.zeros(q.yhat.shape)
            out[key] = q.factor * np.asarray(joined(q, Answer(values, empty), over).value)
        else:
            slopes = bound.restore(np.broadcast_to(each, yhat.shape).astype(np.float64))
            out[key] = q.factor * np.asarray(joined(q, Answer(np.zeros(bound.value_shape), slopes), over).grad)
    return out, len(terms.regions(q.loss, y, yhat))


def _in_regions(t: Tape, terms: Terms, part: int, loss: Any, y: Any, x: Node, way: int) -> dict[Key, Any]:
    """The terms of a part, each in every region of one way to divide the losses."""
    named: Named = (terms.value if part == VALUE else terms.slope)(t, loss, y, x)
    regions: Regions = terms.regions(loss, y, x.value)[way]
    if not regions:
        return {(name, ""): a for name, a in named.items()}
    pieces = terms.pieces if part == VALUE else terms.slopes
    return {
        (name, where): t.where(inside, named[name], 0.0) if part == VALUE else np.where(inside, named[name], 0.0)
        for where, inside in regions
        for name in pieces
    }


def _fewest(columns: dict[Key, Floats], right: Floats, close: float) -> Sum | None:
    """The fewest columns whose sum, each times a number, is the right side; None if there are none."""
    known = np.isfinite(right)
    columns, right = {k: a[known] for k, a in columns.items()}, right[known]
    usable = {k: a for k, a in columns.items() if np.isfinite(a).all() and a.any()}
    if not usable or not right.any():
        return None
    names = list(usable)
    sizes = np.array([np.abs(usable[k]).max() for k in names])
    a = np.stack([usable[k] for k in names], axis=1) / sizes
    weigh = 1 / np.fmax(np.abs(right), np.abs(right).max() * 1e-3)
    a, b = a * weigh[:, None], right * weigh

    def solve(chosen: Sequence[int]) -> Any:
        k = np.linalg.lstsq(a[:, chosen], b, rcond=1e-13)[0]
        return k if np.abs(a[:, chosen] @ k - b).max() <= close else None

    def sum_of(chosen: Sequence[int], k: Any) -> Sum | None:
        if len(chosen) > MOST or len(right) < len(chosen) + SPARE:
            return None
        found = {names[c]: neat(float(v / sizes[c])) for c, v in zip(chosen, k, strict=True)}
        return {key: v for key, v in found.items() if v}

    for few in _promising(a, b):
        k = solve(few)
        if k is not None:
            return sum_of(few, k)
    chosen = list(range(len(names)))
    k = solve(chosen)
    if k is None:
        return None
    for one in reversed(range(len(names))):
        less = [c for c in chosen if c != one]
        fewer = solve(less) if less else None
        if fewer is not None:
            chosen, k = less, fewer
    return sum_of(chosen, k)


def _promising(a: Floats, b: Floats) -> Iterator[list[int]]:
    """One, two or three columns that nearly add up to b: the normal equations tell, to half of the digits."""
    gram, onto, size = a.T @ a, a.T @ b, float(b @ b)
    scale = np.sqrt(np.diag(gram))
    gram, onto = gram / np.outer(scale, scale), onto / scale
    for count in (1, 2, 3):
        if a.shape[1] < count:
            return
        every = np.array(list(combinations(range(a.shape[1]), count)))
        blocks = gram[every[:, :, None], every[:, None, :]] + RIDGE * np.eye(count)
        k = np.linalg.solve(blocks, onto[every][..., None])[..., 0]
        gap = size - 2 * (k * onto[every]).sum(axis=1) + np.einsum("ni,nij,nj->n", k, blocks, k)
        near = every[np.abs(gap) <= NEARLY * size]
        yield from sorted(map(list, near.tolist()), key=sum)


def _of_sum(terms: Terms, part: int, found: Sum) -> Change:
    """The predictions of a sum."""
    regions = {where for _, where in found}

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Any:
        way = 0
        y = np.asarray(y, np.float64)
        for k, given in enumerate(terms.regions(loss, y, x.value)):
            if regions <= {where for where, _ in given} or (regions == {""} and not given):
                way = k
                break
        named = _in_regions(t, terms, part, loss, y, x, way)
        parts = [k * named[key] for key, k in found.items()]
        total = parts[0]
        for one in parts[1:]:
            total = total + one
        if part == VALUE:
            return total
        return stable(t, loss, y, x), np.broadcast_to(np.asarray(total, np.float64), x.value.shape)

    def change(q: Question, model: Any) -> Answer | None:
        return formula({type(q.loss): write})(q, model)

    return change


# ---- in words --------------------------------------------------------------------------------------------------------


def in_symbols(found: Sum) -> str:
    """A sum as it is written, region by region."""
    regions = list(dict.fromkeys(where for _, where in found))
    pieces = []
    for where in regions:
        said = _added({name: k for (name, region), k in found.items() if region == where})
        pieces.append(f"{said} {where}".strip())
    text = in_a_row(pieces)
    return text if regions in ([""], []) else f"{text}{'' if len(regions) > 1 else ' and 0 elsewhere'}"


def in_a_row(parts: Sequence[str]) -> str:
    """Parts of a sentence, one after the other."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _added(terms: dict[str, float]) -> str:
    """Numbers times terms, one after the other."""
    text = ""
    for name, k in sorted(terms.items(), key=lambda term: term[1] < 0):
        size = digits(abs(k)) if name in (ONE, "1") or abs(k) != 1 else ""
        if abs(k) == 0.5 and name not in (ONE, "1"):
            size = "½"
        one = f"{size} {'' if name in (ONE, '1') else name}".strip()
        sign = "−" if k < 0 else "+"
        text += f" {sign} {one}" if text else f"{'−' if k < 0 else ''}{one}"
    return text


# ---- quotients of an overlap -----------------------------------------------------------------------------------------

BELOW: tuple[tuple[str, ...], ...] = (
    ("(P + T)", ONE),
    ("(P + T)", "I", ONE),
    ("(Σp² + Σy²)", ONE),
    ("(Σp² + Σy²)", "I", ONE),
    ("Σ max(p, y)", ONE),
    ("(P + T)", "P", "I", ONE),
    ("N", ONE),
    ("P", ONE),
    ("T", ONE),
    ("√(P T)", ONE),
    ("(P + T)", "P", "I", "(Σp² + Σy²)", "N", ONE),
)
ABOVE = ("I", ONE, "(P + T)", "P", "Σ min(p, y)", "Σ (1 − p)(1 − y)", "(Σp² + Σy²)", "I/N", "P T")


def read_quotient(evidence: Evidence) -> Iterator[Fact]:
    """An overlap loss that is 1 less another quotient of sums."""
    loss: Any = evidence.cases[0].question.loss
    if not isinstance(loss, Dice | IoU) or evidence.right.get(VALUE, True):
        return
    due = (
        "1 − (2 I + smooth_nr)/(P + T + smooth_dr)"
        if isinstance(loss, Dice)
        else ("1 − (I + smooth_nr)/(P + T − I + smooth_dr)")
    )
    rows: list[tuple[Named, Floats]] = []
    for k in evidence.order:
        case = evidence.cases[k]
        q, got = case.question, case.got.value
        single = got is not None and (q.loss.reduction == "none" or q.bound.units == 1)
        if got is not None and single and q.weight is None and got.shape == q.bound.value_shape[: got.ndim]:
            y, yhat = stack(q.loss, q.y, q.yhat)
            tape = Tape(q.form)
            sums = overlap_sums(tape, q.loss, np.asarray(y, np.float64), tape.node(yhat))
            rows.append(({n: np.asarray(a.value, np.float64) for n, a in sums.items()}, got.ravel()))
    if not rows:
        return
    sums = {n: np.concatenate([r[n] for r, _ in rows]) for n in rows[0][0]}
    score = 1 - np.concatenate([got for _, got in rows])
    for below in BELOW:
        found = _quotient(sums, score, below, evidence.cases[0].question.form.eps ** 0.5)
        if found is not None:
            above, under = found
            said = f"1 − {_grouped(above)}/{_grouped(under)}, not {due}, with I = Σ p y, P = Σ p and T = Σ y"
            yield Fact(f"is {said}", said, _of_quotient(above, under))
            return


def _quotient(
    sums: Named, score: Floats, below: tuple[str, ...], close: float
) -> tuple[dict[str, float], dict[str, float]] | None:
    """Numerator and denominator, the first sum below with the factor 1; None if they do not give the scores."""
    first, others = below[0], below[1:]
    columns: dict[Key, Floats] = {(n, "above"): sums[n] / sums[first] for n in ABOVE}
    columns |= {(n, "below"): -score * sums[n] / sums[first] for n in others}
    found = _fewest(columns, score.copy(), close)
    if found is None:
        return None
    above = {n: k for (n, where), k in found.items() if where == "above"}
    return (above, {first: 1.0, **{n: k for (n, where), k in found.items() if where == "below"}}) if above else None


def _grouped(terms: dict[str, float]) -> str:
    """A sum, in brackets if it has several terms or a factor."""
    text = _added({n.strip("()") if len(terms) > 1 else n: k for n, k in terms.items()})
    return text if text in terms else f"({text})"


def _of_quotient(above: dict[str, float], below: dict[str, float]) -> Change:
    """The predictions of a quotient."""

    def added(named: Named, terms: dict[str, float]) -> Node:
        parts = [k * named[n] for n, k in terms.items()]
        total: Node = parts[0]
        for one in parts[1:]:
            total = total + one
        return total

    def write(t: Tape, loss: Any, y: Any, x: Node) -> Node:
        named = overlap_sums(t, loss, np.asarray(y, np.float64), x)
        return 1 - added(named, above) / added(named, below)

    return formula(dict.fromkeys((Dice, IoU), write))
