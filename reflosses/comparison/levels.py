"""Four questions about a candidate, and the one that each wrong number answers.

    formula   Is it the loss?
    digits    Does it keep its digits?
    range     Does it hold to the ends of the range?
    domain    Does it refuse what is outside?

A level belongs to a finding, not to a regime. The first of these that fits decides:

1. formula: one row has an effect on another; an input was changed; the shape is wrong; a clip changes the loss of a
   probability above the format's eps, or of a logit below −log eps; an error at ordinary inputs.
2. range: an overflow, NaN or ∞ at hard inputs, at probabilities of 0 or 1, or where nothing is averaged; any other
   error; a result below the smallest normal number; a guard that touches only probabilities below eps.
3. digits: a gradient or a tail that vanishes though the exact number is normal; a slope wrong at a tie alone.
4. formula: an ordinary input, and fewer than half of the digits are right (of 1, for an overlap); a residual or a
   margin of any size with another finite number, which no rounding explains.
5. digits: any other inaccurate number. Domain: a number for an input that must be refused.

Where every number of a format was asked, fewer than one in 10,000 next to an end or a border are no formula finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, log, sqrt

import numpy as np

from reflosses.comparison.battery import ORDINARY, family
from reflosses.comparison.formats import Format
from reflosses.comparison.result import LEVELS as LEVELS
from reflosses.comparison.result import Deviation
from reflosses.comparison.verdict import CHANGES_INPUT, ROWS_INTERACT
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.softmax import log_softmax
from reflosses.evaluation.stack import stack

ONE_OF_ALL = ", one of all numbers"  # the end of a name: rounding gives neighbours the same result, without a clip
NEXT_TO_A_BORDER = ", one of few next to a border"  # the end of a name: so few numbers are no other formula
PARTLY = ("some ignored", "all but one ignored", "a class absent")  # ordinary calls: an error is another formula
NOTHING = ("an empty batch", "all weights 0", "all ignored")  # calls in which nothing is averaged
CANCELLED = 2.0**10  # ulps of 1: a smaller value may come from a difference such as 1 − p
FAR = 0.7  # nats: a clip moves a loss so far at a hard input, a lost digit does not


@np.errstate(all="ignore")
def with_levels(found: Sequence[Deviation], loss: Loss, form: Format, factor: float = 1.0) -> list[Deviation]:
    """Deviations of one candidate of factor · loss, each with its level. Inputs of a clip are judged together."""
    clipped: dict[bytes, str] = {}
    held: dict[tuple[float, float], list[tuple[Deviation, float]]] = {}
    depths = [_depth(d, loss, form) for d in found]
    for d, depth in zip(found, depths, strict=True):
        if depth is None or not _is_hard_value(d):
            continue
        dense = d.name.endswith((ONE_OF_ALL, NEXT_TO_A_BORDER))
        left = form.eps / 8 <= abs(d.got / factor) <= CANCELLED * form.eps  # as of log(1 − p)
        if abs(d.got - d.exact) > sqrt(form.eps) * max(abs(d.exact), abs(d.got)) and d.got and not (left or dense):
            held.setdefault((_label(d), d.got), []).append((d, depth))
        if abs(d.got - d.exact) > (4 if dense else 1) * FAR * factor and d.got:
            clipped[_input(d)] = _of_depth(depth)
    for group in held.values():  # one number for several losses
        due = [d.exact for d, _ in group]
        if max(due) - min(due) > sqrt(form.eps) * max(map(abs, due)):
            level = _of_depth(min(depth for _, depth in group))
            clipped |= {_input(d): level for d, _ in group}
    if "formula" in clipped.values():  # one clip, seen at many inputs
        clipped = dict.fromkeys(clipped, "formula")
    return [replace(d, level=_level_of(d, clipped, depth, loss, form)) for d, depth in zip(found, depths, strict=True)]


def _level_of(d: Deviation, clipped: dict[bytes, str], depth: float | None, loss: Loss, form: Format) -> str:
    level = _level(d, clipped, depth, loss, form)
    if level != "formula" or not d.name.endswith(NEXT_TO_A_BORDER):
        return level
    return "digits" if np.isfinite(d.got) and np.isfinite(d.exact) and not d.error else "range"


def _level(d: Deviation, clipped: dict[bytes, str], depth: float | None, loss: Loss, form: Format) -> str:
    """The level of one deviation, by the rules at the top."""
    nothing = d.name in NOTHING or (family(loss) == "overlaps" and not (np.any(d.y) or np.any(d.yhat)))
    ordinary = d.regime in ORDINARY and not nothing
    if d.verdict in (ROWS_INTERACT, CHANGES_INPUT) or d.shape is not None:
        return "range" if nothing else "formula"
    if d.regime == "K":
        return "domain"
    full = ordinary and d.regime != "H"  # nothing is empty, ignored or absent
    if d.error:
        return "formula" if full or d.name in PARTLY else "range"
    if not ordinary and _input(d) in clipped:
        return clipped[_input(d)]
    if not np.isfinite(d.got):
        return "formula" if full and not _has_an_end(d, loss) else "range"
    if not np.isfinite(d.exact) or nothing:
        return "range"
    if d.what == "value" and not ordinary and depth == inf and _probabilities(d):
        return "range"  # a guard at a probability of 0 or 1
    if not ordinary and 0 < abs(d.exact) < form.tiny:
        return "range"
    if not ordinary and _is_gross(d, loss, form):
        return "formula"
    if d.regime == "J" and d.got == 0:
        return "range"
    if d.what == "gradient" and not ordinary and depth is not None and depth > 1 and _probabilities(d):
        return "range"  # a guard of the slope below eps
    if family(loss) == "overlaps" and d.what == "value" and abs(d.got - d.exact) <= sqrt(form.eps):
        return "digits"  # half of the digits of 1 less the score are right
    return "formula" if ordinary else "digits"


def _is_gross(d: Deviation, loss: Loss, form: Format) -> bool:
    """Whether a residual or a margin has another finite number than is due, which no rounding explains."""
    if family(loss) not in ("residuals", "margins") or d.got == 0 or not np.isfinite([d.got, d.exact]).all():
        return False
    if d.what == "gradient" and d.regime == "D":  # a tie, where an autodiff takes one of several slopes
        return False
    least = loss.scale**2 if d.what == "value" else loss.scale
    return bool(abs(d.got - d.exact) > sqrt(form.eps) * max(abs(d.exact), least))


def _has_an_end(d: Deviation, loss: Loss) -> bool:
    """Whether a prediction is 0 or 1, where 0 · log 0 and 0/0 are met."""
    bounded = getattr(loss.domain.yhat, "high", None) == 1.0
    return bounded and bool(np.isin(d.yhat, (0.0, 1.0)).any())


def _is_hard_value(d: Deviation) -> bool:
    return d.what == "value" and d.regime in ("A", "B", "C", "D", "F") and bool(np.isfinite([d.got, d.exact]).all())


def _of_depth(depth: float) -> str:
    return "formula" if depth < 1 else "range"


def _input(d: Deviation) -> bytes:
    return np.asarray(d.y, np.float64).tobytes() + np.asarray(d.yhat, np.float64).tobytes()


def _label(d: Deviation) -> float:
    return float(np.ravel(d.y)[0])


def _probabilities(d: Deviation) -> bool:
    return bool((np.asarray(d.yhat) >= 0).all() and (np.asarray(d.yhat) <= 1).all())


def _depth(d: Deviation, loss: Loss, form: Format) -> float | None:
    """How deep an input is in saturation: 1 where a probability is eps, or a logit −log eps. None: it has no such."""
    kind, last = family(loss), -log(form.eps)
    if d.weight is not None or d.upstream is not None or kind in ("residuals", "margins", "overlaps", "vectors"):
        return None
    y, yhat = stack(loss, d.y, d.yhat)
    if len(yhat) != 1:
        return None
    if "rows" in kind and y.ndim == 1:
        own = float(yhat[0, int(y[0])]) if 0 <= y[0] < yhat.shape[1] else inf
    else:
        own = float(np.ravel(yhat)[0])
    if kind in ("logits", "log rows"):
        return float(np.max(np.abs(yhat))) / last
    if kind == "logit rows":
        if y.ndim > 1 or np.ptp(yhat[np.isfinite(yhat)]) == 0:
            return float(np.max(np.abs(yhat))) / last
        nats = -log_softmax(yhat)[0, int(y[0])]
        return float(np.fmax(nats, -np.log(-np.expm1(-nats)))) / last
    rest = min(own, 1 - own)
    return -log(rest) / last if rest > 0 else inf
