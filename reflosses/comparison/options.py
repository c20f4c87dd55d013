"""The arguments of `check` and `diagnose`, looked at before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reflosses.comparison.battery import REGIMES, TARGET_KINDS
from reflosses.comparison.candidate import FRAMEWORKS, Candidate, one_of
from reflosses.comparison.expected import Scaled
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import LEVELS
from reflosses.evaluation.domain import NON_NEGATIVE
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import flag, number, printed, whole

_NAMES = {"dtype": FORMATS, "level": LEVELS, "framework": ("auto", *FRAMEWORKS), "targets": TARGET_KINDS}


def checked_options(function: str, given: Mapping[str, Any]) -> set[str]:
    """The regimes that these arguments ask for; TypeError or ValueError names the function and the argument."""

    def refuse(name: str, why: str) -> Exception:
        kind = ValueError if name == "grad" else TypeError
        return kind(f"{function}: {name} is {printed(given[name])}, {why}")

    asked: Any = given.get("regimes", ())
    for name, value in given.items():
        what = f"{function}: {name}"
        if name in _NAMES:
            one_of(what, value, _NAMES[name])
        elif name == "candidate" and not (callable(value) or isinstance(value, Candidate)):
            raise refuse(name, "not a callable of (y, yhat)")
        elif name == "loss" and not isinstance(value, Loss | Scaled):
            raise refuse(name, "neither a loss such as Huber(delta=0.7) nor Scaled(factor, loss)")
        elif name == "grad" and not (value is None or callable(value) or (isinstance(value, str) and value == "auto")):
            raise refuse(name, "neither 'auto' nor None nor a callable of (y, yhat)")
        elif name in ("inputs", "script", "tick") and not (callable(value) or (name == "inputs" and value is None)):
            raise refuse(name, "not a function")
        elif name == "name" and not isinstance(value, str):
            raise refuse(name, "no text")
        elif name == "regimes" and not isinstance(value, Iterable):
            raise refuse(name, "not a name or several")
        elif name == "seed":
            whole(what, value, 0)
        elif name == "unit":
            number(NON_NEGATIVE)(what, value)
        elif name == "diagnose":
            flag(what, value)
    return {one_of(f"{function}: regimes", r, REGIMES) for r in ([asked] if isinstance(asked, str) else asked)}
