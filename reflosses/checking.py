"""Is somebody else's loss right? Its values and gradients at adversarial inputs, against the certified truth.

`check` joins two packages. An interview of `comparison` asks the candidate every input of the battery and judges each
number. `diagnosis` then explains the wrong numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from reflosses.comparison.battery import REGIMES, TARGET_KINDS, Inputs, blocks, calls
from reflosses.comparison.candidate import FRAMEWORKS, Candidate, InProcess, detect
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import FORMATS, Format
from reflosses.comparison.interview import Interview
from reflosses.comparison.options import checked_options
from reflosses.comparison.result import Comparison, Deviation, RegimeRow, arrays_of
from reflosses.diagnosis.search import explain
from reflosses.evaluation.domain import Classes
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import unstack

DEFAULT_REGIMES = tuple(r for r in REGIMES if r != "K")  # a loss need not validate its inputs

Tick = Callable[[int, int], None]  # told of progress: questions done, all questions


@np.errstate(all="ignore")
def check(
    candidate: Callable[..., Any] | Candidate,
    loss: Loss | Scaled,
    *,
    dtype: str = "float64",
    grad: Callable[..., Any] | str | None = "auto",
    regimes: Iterable[str] = DEFAULT_REGIMES,
    seed: int = 0,
    framework: str = "auto",
    targets: str = "auto",
    name: str = "",
    inputs: Inputs | None = None,
    unit: float = 0.0,
    diagnose: bool = True,
    script: Callable[[Deviation], str] = arrays_of,
    tick: Tick = lambda done, total: None,
) -> Comparison:
    """Whether a candidate is that loss, at moderate and at adversarial inputs; if not, what it does instead.

    candidate: a callable of (y, yhat) that returns the value under the loss's reduction, or the pair of value and
        gradient. If its signature names `weight`, it also gets weights.
    dtype: "float64", "float32", "float16" or "bfloat16", for the inputs and for the accuracy that is asked.
    grad: "auto", a callable that returns the gradient, or None for values only. With "auto", the tensors of PyTorch,
        JAX and TensorFlow are differentiated by their own autodiff.
    regimes: one or several of `reflosses.comparison.battery.REGIMES`; by default all but K (inputs to refuse).
    framework: "numpy", "torch", "jax" or "tensorflow", for the arrays that the candidate gets; by default found out.
    targets: "index" or "rows", for the y of a loss of class rows; by default each kind that the candidate takes.
    name: its name in the report. inputs: a function of (y, yhat, eps) that moves inputs into a smaller domain of the
        candidate. unit: errors are relative to at least this. diagnose: whether to look for an explanation. script:
        writes a deviation for the report. tick: is told of progress.
    Raises ImportError without python-flint; TypeError or ValueError that names the argument for a candidate that is
    not callable, a loss that is none, and an option of a wrong kind or an unknown name. If it is interrupted, the
    argument of the KeyboardInterrupt is the result so far.
    """
    wanted = understood(**locals())
    start = time.perf_counter()
    base = parts(loss)[1]
    form = FORMATS[dtype]
    allowed = _kinds_of_targets(base, targets) if isinstance(base.domain.y, Classes) else range(9)
    drawn = (_within(b, inputs, form) for b in blocks(base, form, seed) if b.y.ndim in allowed)
    everything = [b for b in drawn if len(b.y)]
    if isinstance(candidate, Candidate):
        asked: Candidate = candidate
    else:
        probe = unstack(base, everything[0].y[:1], everything[0].yhat[:1])
        arrays = detect(candidate, form, *probe) if framework == "auto" else FRAMEWORKS[framework](form)
        asked = InProcess(candidate, arrays, grad)
    shown = name or getattr(candidate, "__qualname__", "") or repr(candidate)
    found = Comparison(shown, str(loss), dtype, seed, [RegimeRow(r) for r in REGIMES if r in wanted], script=script)
    run = Interview(asked, loss, unit, form, found)
    kinds = run.kinds_of_targets([b for b in everything if b.regime == "moderate"])
    chosen = [b for b in everything if b.regime in wanted and b.y.ndim in kinds]
    whole = [c for c in calls(base, form, seed, asked.takes_weight, asked.differentiates) if c.regime in wanted]
    by_class = isinstance(base.domain.y, Classes)
    moved = [(c, _within(c, inputs, form)) for c in whole if c.y.ndim in kinds or not by_class]
    asks: list[Callable[[], None]] = [partial(run.ask_blocks, group) for group in run.grouped(chosen)]
    asks += [partial(run.ask_call, c) for was, c in moved if len(c.y) == len(was.y)]
    try:
        for done, ask in enumerate(asks):
            tick(done, len(asks))
            ask()
        tick(len(asks), len(asks))
    except KeyboardInterrupt:
        found.notes.append("the rest was not asked: interrupted")
        run.finish()
        raise KeyboardInterrupt(found) from None
    run.finish()
    if diagnose and found.worst and not asked.given_up:
        found.diagnosis = explain(asked, loss, form, found, targets=targets, inputs=inputs).told
    found.seconds = time.perf_counter() - start
    return found


def understood(**options: Any) -> set[str]:
    """The regimes that options of `check` ask for; TypeError or ValueError for a wrong option."""
    return checked_options("check", {"regimes": DEFAULT_REGIMES, **options})


def _kinds_of_targets(loss: Loss, targets: str) -> tuple[int, ...]:
    """The dimensions of the targets of class rows that are asked; ValueError if the loss takes none of them."""
    kinds = TARGET_KINDS[targets]
    rows = loss.domain.y.rows is not None
    if rows and loss.reduction == "weighted_mean":
        try:
            loss.divisor_weight(np.zeros((1, 2)))
        except ValueError:
            rows = False
    kinds = tuple(k for k in kinds if k == 1 or rows)
    if not kinds:
        raise ValueError(f"check: targets is 'rows', and {loss} takes class indices only")
    return kinds


def _within(asked: Any, inputs: Inputs | None, form: Format) -> Any:
    """A block or a call whose inputs are moved into the domain of the candidate."""
    if inputs is None or getattr(asked, "refuse", False):
        return asked
    y, yhat = inputs(asked.y, asked.yhat, form.eps)
    same = np.array_equal(y, asked.y)  # a class index may not be a number of the format
    return replace(asked, y=y if same else form.round(y), yhat=form.round(yhat))
