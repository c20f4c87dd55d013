"""Where the digits and the range of a right formula end, in plain sentences.

"From z = 37 on the right side its gradient is 0. From |r| = 1.34e154 its value overflows."
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf, sqrt

import numpy as np

from reflosses.comparison.battery import REGIMES, family
from reflosses.comparison.result import LEVELS, Deviation
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import stack

MOST = 5  # sentences
DIGITS = "loses digits"  # told after everything else
STEPS = 14  # of a bisection: four times as many digits as are shown

Probe = Callable[[Deviation, float], tuple[float, float, bool] | None]  # another prediction: got, exact, right


@np.errstate(all="ignore")
def limits(found: Sequence[Deviation], loss: Loss, probe: Probe) -> list[str]:
    """One sentence for each kind of deviation of a right formula; none if the formula is another one."""
    groups: dict[tuple[str, ...], list[Deviation]] = {}
    if any(d.level == "formula" for d in found):
        return []
    for d in found:
        groups.setdefault((d.level, _side(d, loss), d.what, _effect(d)), []).append(d)
    ordered = sorted(groups.items(), key=lambda g: (g[0][3] == DIGITS, LEVELS.index(g[0][0]), g[0][1:]))
    seen: set[tuple[str, ...]] = set()  # what becomes 0 far out, and subnormal farther out, is told once
    sentences: list[str] = []
    for (_, *key), ds in ordered:
        if tuple(key) not in seen:
            seen.add(tuple(key))
            sentence = _sentence(key[0], key[1], key[2], ds, loss, probe)
            sentences += [sentence] if sentence not in sentences else []
    if len(sentences) > MOST:
        sentences[MOST - 1 :] = [f"{len(sentences) - MOST + 1} more kinds of wrong numbers are in the table."]
    return sentences


def _effect(d: Deviation) -> str:
    if d.error:
        return d.error
    if d.regime == "K":
        return "is a number where an error or NaN is right"
    if np.isnan(d.got):
        return "is NaN"
    if np.isnan(d.exact):
        return "is a number where it should be NaN"
    if np.isinf(d.got):
        return "overflows" if np.isfinite(d.exact) else "has the wrong sign at infinity"
    if d.got == 0:
        return "is 0"
    return "stays finite" if np.isinf(d.exact) else "stays constant" if d.verdict == "capped" else DIGITS


def _side(d: Deviation, loss: Loss) -> str:
    """Which inputs belong to one sentence: those of one side, or of one name."""
    if d.regime in "AB" and family(loss) in ("logits", "logit rows"):
        return d.regime
    if d.regime in "EF" and _variable(d, loss) is not None and not d.name.startswith("a mean"):
        return d.regime
    return d.name


def _variable(d: Deviation, loss: Loss) -> tuple[str, float] | None:
    """The number that tells how extreme an input is, and its name; None if there are several."""
    kind = family(loss)
    y, yhat = stack(loss, d.y, d.yhat)
    if d.weight is not None or len(yhat) != 1 or not np.isfinite(yhat).all():
        return None
    if kind == "logit rows" and y.ndim == 1:
        others = np.delete(yhat[0], int(y[0]))
        if np.abs(others).max() > 8:  # a common offset, or a class that is far ahead
            return None
        return "the margin", float(yhat[0, int(y[0])] - others.max())
    if yhat.size != 1:
        return None
    a, b = float(np.ravel(y)[0]), float(np.ravel(yhat)[0])
    return {"logits": ("z", b), "probabilities": ("p", b), "residuals": ("|r|", abs(b - a))}.get(kind, ("f", b))


def _sentence(side: str, what: str, effect: str, found: list[Deviation], loss: Loss, probe: Probe) -> str:
    does = f"its {what} {effect}" if not found[0].error else found[0].fault
    measured = [(abs(v[1]), v[0], d) for d in found if (v := _variable(d, loss)) is not None]
    if side in REGIMES and measured:
        small = side == "E"
        size, name, first = sorted(measured, key=lambda m: -m[0] if small else m[0])[0]
        if len(measured) > 1:
            size = _onset(size, first, loss, probe, small)
            where = {"A": " on the right side", "B": " on the wrong side"}.get(side, "")
            name = f"|{name}|" if name == "z" else name
            return f"{'Below' if small else 'From'} {name} = {_shown(size)}{where} {does}."
    d = min(found, key=lambda d: len(str(d.yhat)))
    if d.name.startswith("a mean"):
        return f"For {d.name} {does}: it adds the losses before it divides."
    value = _variable(d, loss)
    exactly = "" if d.error or not np.isfinite(d.exact) else f" (exactly {_shown(d.exact)})"
    if value is None:
        return f"{does[0].upper()}{does[1:]} at: {d.name}{exactly}."
    return f"At y = {_shown(float(np.ravel(d.y)[0]))}, {value[0]} = {_shown(value[1])} {does}{exactly}."


def _onset(size: float, d: Deviation, loss: Loss, probe: Probe, small: bool) -> float:
    """The least extreme prediction at which this number is wrong in the same way, to three digits."""
    kind, a = family(loss), float(np.ravel(d.y)[0])
    if kind not in ("logits", "residuals") or np.size(d.yhat) != 1 or a not in (0.0, 1.0):
        return size
    start, good = (a, loss.scale) if kind == "residuals" else (0.0, 1.0)
    sign, effect = float(np.sign(np.ravel(d.yhat)[0] - start)), _effect(d)

    def same(x: float) -> bool:
        found = probe(d, start + sign * x)
        return found is not None and not found[2] and _effect(replace(d, got=found[0], exact=found[1])) == effect

    if same(good):
        return size
    for _ in range(STEPS):
        middle = sqrt(good) * sqrt(size) if max(good, size) > 4 * min(good, size) else (good + size) / 2
        if not 0 < middle < inf or _shown(good) == _shown(size):
            break
        if same(middle):
            size = middle
        else:
            good = middle
    return size


def _shown(x: float) -> str:
    return f"{x:.3g}".replace("e+", "e").replace("e0", "e").replace("e-0", "e-")
