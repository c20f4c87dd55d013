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

from reflosses.comparison.battery import REGIMES, Inputs
from reflosses.comparison.candidate import Candidate
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.interview import Interview
from reflosses.comparison.options import checked_options
from reflosses.comparison.plan import as_candidate, interview
from reflosses.comparison.result import Comparison, Deviation, RegimeRow, arrays_of
from reflosses.diagnosis.search import explained, ordinary_calls
from reflosses.evaluation.loss import Loss

DEFAULT_REGIMES = tuple(r for r in REGIMES if r != "K")  # a loss need not validate its inputs

Tick = Callable[[int, int], None]  # told of progress: questions done, all questions


@np.errstate(all="ignore")
def check(
    candidate: Callable[..., Any] | Candidate | None,
    loss: Loss | Scaled,
    *,
    dtype: str = "float64",
    grad: Callable[..., Any] | str | None = "auto",
    regimes: Iterable[str] | None = None,
    seed: int = 0,
    framework: str = "auto",
    targets: str = "auto",
    order: str = "auto",
    returns: str = "auto",
    name: str = "",
    inputs: Inputs | None = None,
    unit: float = 0.0,
    level: str = "formula",
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
    level: "formula" (is it the loss?), "digits" (does it keep its digits?), "range" (does it hold to the ends of the
        range?) or "domain" (does it refuse what is outside?). `ok` speaks of the levels up to this one. Digits and
        range are asked at every level; the domain is asked at its own.
    regimes: one or several of `reflosses.comparison.battery.REGIMES`; by default all but K, the inputs to refuse.
    framework: "numpy", "torch", "jax" or "tensorflow", for the arrays that the candidate gets; by default found out.
    targets: "index" or "rows", for the y of a loss of class rows; by default each kind that the candidate takes.
    order: "target_first" or "prediction_first", the order of the candidate's arguments; by default the names of its
        parameters tell, such as (input, target) in PyTorch.
    returns: the "value"; the "pair" (value, gradient); the "gradient"; the "objective" (gradient, curvature) of XGBoost
        and LightGBM. By default the value or the pair, and the first answer tells.
    name: its name in the report. inputs: a function of (y, yhat, eps) that moves inputs into a smaller domain of the
        candidate. unit: errors are relative to at least this. diagnose: whether to look for an explanation. script:
        writes a deviation for the report. tick: is told of progress.
    Without python-flint the truth is our own numbers, and a note says so.
    Raises ImportError for a framework that is not installed; TypeError or ValueError that names the argument for a
    candidate that is not callable, a loss that is none, and an option of a wrong kind or an unknown name. If it is
    interrupted, the argument of the KeyboardInterrupt is the result so far.
    """
    wanted = understood(**locals())
    start = time.perf_counter()
    base, form = parts(loss)[1], FORMATS[dtype]
    called: dict[str, Any] = {"grad": grad, "framework": framework, "order": order, "returns": returns}
    asked, shown, notes = as_candidate(candidate, base, form, name, seed=seed, targets=targets, **called)
    rows = [RegimeRow(r) for r in REGIMES if r in wanted]
    found = Comparison(shown, str(loss), dtype, seed, rows, script=script, level=level)
    found.notes += notes
    run = Interview(asked, loss, unit, form, found)
    ordinary = partial(ordinary_calls, loss, form, asked.takes_weight, inputs)
    interview(run, regimes=wanted, seed=seed, targets=targets, inputs=inputs, ordinary=ordinary, tick=tick)
    if diagnose and found.worst and not asked.given_up:
        found.diagnosis = explained(run).told
    found.interview = None if diagnose else run
    if run.unreduced and diagnose:
        other = replace(base, reduction="none")
        target = Scaled(loss.factor, other) if isinstance(loss, Scaled) else other
        each = check(asked, target, dtype=dtype, regimes=wanted, seed=seed, targets=targets, inputs=inputs, unit=unit)
        hint = 'It gives one value for each loss, where one for all is due. Asked with reduction="none":'
        found.diagnosis = " ".join(filter(None, (hint, each.summary(), each.diagnosis)))
    found.seconds = time.perf_counter() - start
    return found


def understood(**options: Any) -> set[str]:
    """The regimes that options of `check` ask for; TypeError or ValueError for a wrong option."""
    default = tuple(REGIMES) if options.get("level") == "domain" else DEFAULT_REGIMES
    return checked_options(
        "check", {**options, "regimes": default if options.get("regimes") is None else options["regimes"]}
    )
