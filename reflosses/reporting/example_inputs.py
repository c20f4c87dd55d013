"""The numbers of a worked example, as a user types them: y=…, yhat=… and the parameters of the loss."""

from __future__ import annotations

import ast
import decimal
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reflosses import catalogue
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.reporting.asked import read_parameters, shortened
from reflosses.teaching.arithmetic import CONTEXT
from reflosses.teaching.lesson import lesson_for

MOST = 8  # predictions of a worked example; more are not read by anybody
LARGE, SMALL = 1e15, 1e-15  # the difference quotients of a page need numbers between these, or 0


@dataclass(frozen=True)
class Inputs:
    """A loss, and the target and the prediction that it is shown at."""

    loss: Loss
    y: Floats
    yhat: Floats

    @property
    def each(self) -> Loss:
        """The loss without its reduction."""
        return replace(self.loss, reduction="none")


def inputs_of(name: str, words: Sequence[str]) -> Inputs:
    """The loss and the numbers that words such as "y=1,0", "yhat=0.9,0.2" and "delta=2" give.

    ValueError or TypeError, with a text for the user: an unknown loss, parameter or word; a text that is no number; a
    number outside the domain; shapes that do not fit; more than eight predictions; numbers that a page cannot show.
    """
    cls = catalogue.find_loss(name)
    arrays: dict[str, Floats] = {}
    parameters = []
    for word in words:
        key, _, value = word.partition("=")
        if key in ("y", "yhat"):
            if key in arrays:
                raise ValueError(f"{key} is given twice")
            arrays[key] = _numbers(key, value)
        else:
            parameters.append(word)
    given = read_parameters(parameters)
    loss = catalogue.build(name, given, "; the numbers are y=… and yhat=…")
    for key, what in (("y", "the target"), ("yhat", "the prediction")):
        if key not in arrays:
            raise ValueError(f"{key}, {what}, is missing: reflosses show {name} {_example(cls)}")
    y, yhat = arrays["y"], arrays["yhat"]
    loss.value_and_grad(y, yhat)  # raises for what is outside the domain, and for shapes that do not fit
    for key, a in arrays.items():
        if bad := [x for x in a.ravel().tolist() if not (x == 0 or SMALL <= abs(x) <= LARGE)]:
            takes = f"a worked example takes 0 and numbers from {SMALL:g} to {LARGE:g}"
            raise ValueError(f"{key} holds {bad[0]:g}; {takes}")
    ignored = getattr(loss, "ignore_index", None)
    if ignored is not None and (y == ignored).any():
        raise ValueError(f"y holds {ignored}, which is ignored: there is nothing to show")
    with decimal.localcontext(CONTEXT):
        list(lesson_for(loss, yhat).numbers(y, yhat))  # raises if the page is about another shape
    return Inputs(loss, y, yhat)


def _numbers(key: str, text: str) -> Floats:
    """Numbers with commas between them, rows with semicolons between them, or a list as in Python."""
    if len(text) > 40 * MOST:
        raise ValueError(f"{key} has {len(text)} characters; a worked example takes at most {MOST} predictions")
    try:
        if text.lstrip().startswith(("[", "(")):
            found = np.array(ast.literal_eval(text), dtype=np.float64)
        else:
            rows = [[float(word) for word in row.split(",")] for row in text.split(";")]
            found = np.array(rows if len(rows) > 1 else rows[0] if "," in text else rows[0][0])
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise ValueError(f"{key}={shortened(text)!r}: no numbers; write {key}=0.9 or {key}=0.9,0.2") from None
    if not found.size:
        raise ValueError(f"{key} has no numbers")
    if found.size > MOST:
        raise ValueError(f"{key} has {found.size} numbers; a worked example takes at most {MOST}")
    return found


def _example(cls: type[Loss]) -> str:
    """Numbers that this loss takes."""
    special = {
        "Hinge": "y=1 yhat=0.3",
        "CrossEntropy": "y=1 yhat=0.5,2,-1",
        "NegativeLogLikelihood": "y=1 yhat=-2.1,-0.3,-1.9",
        "SparseCategoricalCrossEntropy": "y=1 yhat=0.2,0.7,0.1",
        "Dice": "y=1,0,1 yhat=0.75,0.25,0.5",
        "IoU": "y=1,0,1 yhat=0.75,0.25,0.5",
        "GeneralizedDice": "y='1,0;0,1;1,0' yhat='0.8,0.2;0.3,0.7;0.6,0.4'",
        "WeightedCrossEntropy": "y=1,0 yhat=0.5,0.25",
    }
    return special.get(cls.__name__, "y=1 yhat=0.3")
