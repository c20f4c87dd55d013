"""The displayed loss, gradient and curvature of a page against the numbers of the class, at float64 points."""

from __future__ import annotations

import decimal
import itertools
from decimal import Decimal
from typing import Any

import numpy as np

from reflosses import catalogue
from reflosses.teaching.evaluate import Point, UndefinedError, indices_in
from reflosses.teaching.points import Scope
from reflosses.teaching.tree import (
    Name,
    NotReadError,
)

CLOSE_FLOATS = 1e-9  # between a page in 120 digits and the class in float64
CODE_POINTS = 12  # enough to meet every piece of a loss


def difference_from_class(scope: Scope, code: dict[str, Any], stem: str) -> str:
    """How the numbers of a page and those of the class differ, "" if they do not. code: a [[code]] of the block.

    ValueError if no loss has that page.
    """
    losses = {catalogue.stem(cls): cls for cls in catalogue.losses().values()}
    if (page := code.get("page", stem)) not in losses:
        raise ValueError(f"no loss has the page {page}")
    cls = losses[page]
    try:
        for point in itertools.islice(scope.points(scope.conditions(code.get("where", ""))), CODE_POINTS):
            parameters = {name: _floats(scope, point, text) for name, text in code.get("parameters", {}).items()}
            loss = cls(**{"reduction": "none", **parameters, **code.get("fixed", {})})
            y, yhat = (
                np.asarray(_floats(scope, point, text)) for text in (code.get("y", "y"), code.get("yhat", r"\hat y"))
            )
            for kind, function in (("value", loss.value), ("grad", loss.grad), ("curvature", loss.curvature)):
                if kind in code:
                    shipped, printed = np.asarray(function(y, yhat)), np.asarray(_floats(scope, point, code[kind]))
                    if not np.allclose(shipped, printed, rtol=CLOSE_FLOATS, atol=1e-3 * CLOSE_FLOATS):
                        return f"the {kind} of the page is {printed}, that of {cls.__name__} {shipped}"
    except (NotReadError, UndefinedError, decimal.DecimalException, ValueError) as error:
        return f"the page and {cls.__name__} cannot be compared: {error}"
    return ""


def _floats(scope: Scope, point: Point, text: str) -> Any:
    """A formula as float64, an array over its free indices or its entries; an index as an integer from 0."""
    (clause,) = scope.read(text)
    node = clause.chain.sides[0]
    if isinstance(node, Name) and isinstance(index := point.given.get(node.printed), int):
        return index - scope.first
    if names := sorted(indices_in(node, scope.ranges)):
        values = [float(point.number(node, indices)) for indices in scope.assignments(node)]
        return np.array(values).reshape([len(scope.ranges[name]) for name in names])
    if isinstance(node, Name) and node.arguments is None:
        value = point.whole(point.resolved(node, {})[0])
    else:
        value = point.value(node, {})
    if isinstance(value, Decimal):
        return float(value)
    sizes = [len(set(axis)) for axis in zip(*value.cells, strict=True)]
    return np.array([float(x) for x in value.cells.values()]).reshape(sizes)
