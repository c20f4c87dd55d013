"""Is a loss that somebody else wrote right? Value and gradient at adversarial inputs, against the certified truth.

`check` is `comparison` and `diagnosis` together: an interview asks the candidate everything that the battery has for
the loss and judges each number; a diagnosis names what explains those that are wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from reflosses.comparison.battery import REGIMES, TARGET_KINDS, Inputs, blocks, calls
from reflosses.comparison.candidate import FRAMEWORKS, Candidate, InProcess, detect, one_of
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import FORMATS, Format
from reflosses.comparison.interview import Interview
from reflosses.comparison.result import Comparison, Deviation, RegimeRow, arrays_of
from reflosses.diagnosis.search import explain
from reflosses.evaluation.domain import Classes
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.stack import unstack

DEFAULT_REGIMES = tuple(r for r in REGIMES if r != "K")  # who does not check inputs is not wrong

Tick = Callable[[int, int], None]  # how many are done, of how many


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
    """Whether a candidate is that loss, at moderate and at adversarial inputs; and if not, what it does instead.

    candidate: a callable of (y, yhat), and of `weight=` if its signature names it, that returns the value under the
        loss's reduction, or the pair of value and gradient.
    dtype: "float64", "float32", "float16" or "bfloat16": of the numbers that it is given, and of its accuracy.
    grad: "auto" (the autodiff of PyTorch, JAX or TensorFlow, where it returns their tensors), a callable that returns
        the gradient, or None: values only.
    regimes: of `reflosses.comparison.battery.REGIMES`, one or several; all but K (what must be refused) by default.
    framework: "numpy", "torch", "jax" or "tensorflow": the arrays that it is given; found out by default.
    targets: "index" or "rows": what a loss of class rows is given as y; by default all that it takes.
    name: what the report calls it. inputs: its domain, where it is smaller than the loss's, as a change to
        (y, yhat, eps). unit: errors are relative to this at least. diagnose: whether to look for an explanation.
        script: how the report writes a deviation.
    Raises ImportError without python-flint, ValueError for an unknown dtype, regime, framework or kind of target,
    TypeError for what is no callable or no loss. An interrupt's KeyboardInterrupt has the result so far as argument.
    """
    wanted = understood(dtype=dtype, regimes=regimes, framework=framework, targets=targets)
    start = time.perf_counter()
    base = parts(loss)[1]
    form = FORMATS[dtype]
    allowed = TARGET_KINDS[targets] if isinstance(base.domain.y, Classes) else range(9)
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


def understood(
    *,
    dtype: str = "float64",
    regimes: Iterable[str] = DEFAULT_REGIMES,
    framework: str = "auto",
    targets: str = "auto",
    **other: Any,
) -> set[str]:
    """The regimes that options of `check` ask for; ValueError for an option that says nothing."""
    one_of("dtype", dtype, FORMATS)
    one_of("framework", framework, ("auto", *FRAMEWORKS))
    one_of("targets", targets, TARGET_KINDS)
    return {one_of("regime", r, REGIMES) for r in ([regimes] if isinstance(regimes, str) else regimes)}


def _within(asked: Any, inputs: Inputs | None, form: Format) -> Any:
    """A block or a call, moved into the candidate's own domain."""
    if inputs is None or getattr(asked, "refuse", False):
        return asked
    y, yhat = inputs(asked.y, asked.yhat, form.eps)
    same = np.array_equal(y, asked.y)  # a class index may be beyond the numbers of the format
    return replace(asked, y=y if same else form.round(y), yhat=form.round(yhat))
