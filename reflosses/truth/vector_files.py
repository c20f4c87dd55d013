"""Certified vectors: the tests in the files of reflosses/data/vectors, read as arrays.

A file holds the tests of one loss as JSON, so that a library in any language can be tested without Python. The page
derivations/vectors.md explains the format. `make vectors` writes the files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reflosses.catalogue import build, find_loss, stem
from reflosses.evaluation.domain import Classes, Floats
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import printed

COLUMNS = ("value", "gradient", "curvature")


@dataclass(frozen=True)
class Vector:
    """One test: inputs, and the numbers that are right.

    id: the same id has the same inputs in every version. loss: with the parameters and the reduction of the test.
    format: "float64" or "float32". level: "formula", "digits", "range" or "domain". y, yhat, weight: the arrays of the
    call, in that format; weight is None without weights. value, gradient, curvature: float64 arrays, None if the test
    does not ask for them; all are None if the inputs must be refused. tolerances: the largest errors that are right.
    low, high: the one-sided derivatives, equal to the gradient away from kinks. reports: public reports of what the
    test finds.
    """

    id: str
    loss: Loss
    format: str
    level: str
    flags: tuple[str, ...]
    regime: str
    comment: str
    y: Any = field(repr=False)
    yhat: Floats = field(repr=False)
    weight: Floats | None = field(repr=False)
    value: Floats | None = field(repr=False)
    gradient: Floats | None = field(repr=False)
    curvature: Floats | None = field(repr=False)
    low: Floats | None = field(repr=False)
    high: Floats | None = field(repr=False)
    tolerances: dict[str, Floats] = field(repr=False)
    reports: tuple[str, ...] = ()

    @property
    def must_refuse(self) -> bool:
        """Whether only an error or NaN is right."""
        return "MustRefuse" in self.flags

    def fault(
        self, value: ArrayLike | None = None, gradient: ArrayLike | None = None, curvature: ArrayLike | None = None
    ) -> str:
        """The first number that is wrong, in words; "" if all are right. A result that is None is not judged.

        At a kink every slope between the one-sided derivatives is right.
        """
        for what, given in zip(COLUMNS, (value, gradient, curvature), strict=True):
            right = getattr(self, what)
            if given is None:
                continue
            got = np.asarray(given, np.float64)
            if self.must_refuse:
                if not np.isnan(got).any():
                    return f"{what} is {_first(got)} where an error or NaN is right"
            elif right is not None:
                low, high = (self.low, self.high) if what == "gradient" else (right, right)
                found = _disagreement(what, got, right, low, high, self.tolerances[what])
                if found:
                    return found
        return ""


def _disagreement(what: str, got: Floats, right: Floats, low: Any, high: Any, tolerance: Floats) -> str:
    if got.shape != right.shape:
        return f"{what} has shape {got.shape}, not {right.shape}"
    with np.errstate(all="ignore"):
        near = (low - tolerance <= got) & (got <= high + tolerance)
    wrong = np.argwhere(~(near | (got == right) | (np.isnan(got) & np.isnan(right))))
    if not len(wrong):
        return ""
    at = tuple(wrong[0])
    place = f"[{', '.join(map(str, at))}]" if at else ""
    return f"{what}{place} is {float(got[at])!r}, not {float(right[at])!r}"


def _first(got: Floats) -> str:
    return repr(float(got.flat[0])) if got.size else "empty"


def vectors(name: str) -> tuple[Vector, ...]:
    """The certified vectors of a loss: tests with inputs, right results and tolerances.

        for v in reflosses.vectors("Huber"):
            fault = v.fault(*my_huber(v.y, v.yhat, delta=v.loss.delta))

    The numbers are proved by `certify`; the files reflosses/data/vectors/*.json hold the same tests for other
    languages. Raises ValueError if no loss has that name, TypeError if it is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"vectors: name is {printed(name)}, no name of a loss such as 'Huber'")
    return _read(stem(find_loss(name)))


@lru_cache(maxsize=32)
def _read(name: str) -> tuple[Vector, ...]:
    text = (resources.files("reflosses") / "data" / "vectors" / f"{name}.json").read_text("utf-8")
    file = json.loads(text)
    return tuple(
        vector
        for group in file["groups"]
        for loss in [build(file["loss"], {**_parameters(group["parameters"]), "reduction": group["reduction"]})]
        for vector in (_vector(loss, group["format"], test) for test in group["tests"])
    )


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    """Parameters as a loss takes them: a list of axes is a tuple."""
    return {name: tuple(v) if name == "axis" and isinstance(v, list) else v for name, v in given.items()}


def _vector(loss: Loss, format: str, test: dict[str, Any]) -> Vector:
    dtype = np.dtype(format)

    def array(key: str, shape: str) -> Any:
        return np.array([float(x) for x in test[key].split()]).reshape(test[shape]) if key in test else None

    y, yhat = array("y", "y_shape"), array("yhat", "yhat_shape")
    labels = isinstance(loss.domain.y, Classes) and y.ndim < yhat.ndim
    weight = array("weight", "weight_shape")
    shapes = {"value": "value_shape", "gradient": "yhat_shape", "curvature": "yhat_shape"}
    results = {what: array(what, shape) for what, shape in shapes.items()}
    gradient = results["gradient"]
    return Vector(
        test["id"],
        loss,
        format,
        test["level"],
        tuple(test["flags"]),
        test["regime"],
        test["comment"],
        y.astype(np.int64) if labels else y.astype(dtype),
        yhat.astype(dtype),
        None if weight is None else weight.astype(dtype),
        **results,
        low=gradient if "gradient_low" not in test else array("gradient_low", "yhat_shape"),
        high=gradient if "gradient_high" not in test else array("gradient_high", "yhat_shape"),
        tolerances={w: array(f"{w}_tolerance", s) for w, s in shapes.items() if f"{w}_tolerance" in test},
        reports=tuple(test.get("reports", ())),
    )
