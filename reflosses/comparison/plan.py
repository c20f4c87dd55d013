"""What a candidate is asked, and in which order: the battery, and ordinary calls that tell formulas apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from reflosses.comparison.battery import TARGET_KINDS, Inputs, LossBlock, blocks, calls
from reflosses.comparison.candidate import FRAMEWORKS, Candidate, InProcess, NumPy, detect, looks_like_objective
from reflosses.comparison.every_number import ask_every_number
from reflosses.comparison.expected import counted
from reflosses.comparison.formats import Format
from reflosses.comparison.interview import Interview
from reflosses.evaluation.domain import Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import one_loss_a_call, unstack

BESIDE = 8  # hard losses that are asked beside an ordinary one
PAIRS = 12  # losses of the call that tells a value from a gradient

Arrays = tuple[Any, Floats, Floats | None]  # y, yhat and weights of one call


def interview(
    run: Interview,
    *,
    regimes: Iterable[str],
    seed: int = 0,
    targets: str = "auto",
    inputs: Inputs | None = None,
    ordinary: Callable[[set[int]], Iterable[Arrays]] = lambda kinds: (),
    exhaustive: bool = True,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Ask everything, and finish the report; a KeyboardInterrupt carries what was found until then.

    ordinary: more calls at ordinary inputs, for targets of these dimensions. inputs: moves inputs into the domain of
    the candidate. exhaustive: whether every number of a narrow format is asked. tick: is told of progress.
    """
    base, form, asked = run.loss, run.form, run.asked
    by_class = isinstance(base.domain.y, Classes)
    allowed = kinds_of_targets(base, targets) if by_class else range(9)
    drawn = (into_domain(_counted_only(base, b), inputs, form) for b in blocks(base, form, seed) if b.y.ndim in allowed)
    everything = [b for b in drawn if len(b.y)]
    moderate = [b for b in everything if b.regime == "moderate"]
    kinds = run.kinds_of_targets(moderate)
    chosen = [b for b in everything if b.regime in regimes and b.y.ndim in kinds]
    whole = [c for c in calls(base, form, seed, asked.takes_weight, asked.differentiates) if c.regime in regimes]
    moved = [(c, into_domain(c, inputs, form)) for c in whole if c.y.ndim in kinds or not by_class]
    asks: list[Callable[[], None]] = []
    if kinds and "I" in regimes and not one_loss_a_call(base):
        for tame in (b for b in moderate if b.y.ndim in kinds):
            asks.append(partial(run.ask_beside, tame, _hard_losses(tame, everything)))
    asks += [partial(run.ask_blocks, group) for group in run.grouped(chosen)]
    asks += [partial(run.ask_call, c) for was, c in moved if len(c.y) == len(was.y)]
    tame_calls = [partial(run.ask_arrays, *arrays) for arrays in ordinary(kinds or set(TARGET_KINDS[targets]))]
    if "moderate" in regimes:
        asks += tame_calls
    else:
        run.rest += tame_calls
    if kinds and exhaustive:
        asks.append(partial(ask_every_number, run, kinds, set(regimes), inputs))
    if not kinds:
        asks.append(run.note_refusals)
    try:
        for done, ask in enumerate(asks):
            tick(done, len(asks))
            ask()
        tick(len(asks), len(asks))
    except KeyboardInterrupt:
        run.found.notes.append("the rest was not asked: interrupted")
        run.finish()
        raise KeyboardInterrupt(run.found) from None
    run.finish()


def _counted_only(loss: Loss, block: LossBlock) -> LossBlock:
    """A block without its ignored losses."""
    part = counted(loss, block.y)
    return replace(block, y=block.y[part], yhat=block.yhat[part])


def _hard_losses(tame: LossBlock, everything: list[LossBlock]) -> list[LossBlock]:
    """The blocks of finite hard inputs that fit beside a tame one, one for each name."""
    alike = [b for b in everything if b.regime in "ABF" and b.yhat.shape[1:] == tame.yhat.shape[1:]]
    named = {b.name: b for b in alike if b.y.shape[1:] == tame.y.shape[1:]}
    return list(named.values())[:BESIDE]


def kinds_of_targets(loss: Loss, targets: str) -> tuple[int, ...]:
    """The dimensions of the targets of class rows that are asked; ValueError if the loss takes none of them."""
    kinds = TARGET_KINDS[targets]
    rows = isinstance(loss.domain.y, Classes) and loss.domain.y.rows is not None
    if rows and loss.reduction == "weighted_mean":
        try:
            loss.divisor_weight(np.zeros((1, 2)))
        except ValueError:
            rows = False
    kinds = tuple(k for k in kinds if k == 1 or rows)
    if not kinds:
        raise ValueError(f"check: targets is 'rows', and {loss} takes class indices only: pass targets='index'")
    return kinds


def into_domain(asked: Any, inputs: Inputs | None, form: Format) -> Any:
    """A block or a call whose inputs are moved into the domain of the candidate."""
    if inputs is None or getattr(asked, "refuse", False):
        return asked
    y, yhat = inputs(asked.y, asked.yhat, form.eps)
    same = np.array_equal(y, asked.y)  # a class index may not be a number of the format
    return replace(asked, y=y if same else form.round(y), yhat=form.round(yhat))


def as_candidate(
    candidate: Callable[..., Any] | Candidate | None, loss: Loss, form: Format, name: str, **options: Any
) -> tuple[Candidate, str, list[str]]:
    """A candidate, how a report names it, and what must be noted. options: as for `in_process`."""
    shown = name or getattr(candidate, "__qualname__", "") or repr(candidate)
    if isinstance(candidate, Candidate):
        return candidate, shown, []
    asked, note = in_process(candidate, loss, form, **options)
    return asked, shown, [note] if note else []


def in_process(
    candidate: Callable[..., Any] | None,
    loss: Loss,
    form: Format,
    *,
    seed: int = 0,
    targets: str = "auto",
    grad: Callable[..., Any] | str | None,
    framework: str,
    order: str,
    returns: str,
) -> tuple[InProcess, str]:
    """A callable as a candidate, and why its pair is read as (gradient, curvature), if it is.

    The options are those of `reflosses.check`. What they leave open is found out by a first call.
    """
    allowed = kinds_of_targets(loss, targets) if isinstance(loss.domain.y, Classes) else range(9)
    first = next(b for b in blocks(loss, form, seed) if len(b.y) and b.y.ndim in allowed)
    if framework == "auto" and candidate is not None:
        arrays = detect(candidate, form, *unstack(loss, first.y[:1], first.yhat[:1]), order)
    else:
        arrays = FRAMEWORKS.get(framework, NumPy)(form)
    asked = InProcess(candidate, arrays, grad, order, returns)
    if returns != "auto" or one_loss_a_call(loss):
        return asked, ""
    y, yhat = unstack(loss, first.y[:PAIRS], first.yhat[:PAIRS])
    answer = asked.ask(y, yhat)
    why = looks_like_objective(answer.value, answer.grad, yhat)
    if not why:
        return asked, ""
    note = f"read as (gradient, curvature), an objective of XGBoost or LightGBM: {why}"
    return InProcess(candidate, arrays, grad, order, "objective"), note
