"""Cross-entropy of per-class probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.axes import rows
from reflosses.evaluation.domain import PROBABILITY, Classes, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.parameters import integer, optional, parameter


class SparseCategoricalCrossEntropy(Loss):
    """Cross-entropy of per-class probabilities against the index of the true class.

    Formula:  −log yhat[y].
    Shapes: yhat has C classes along `axis`, y is yhat's shape without it; one loss a row.
    Scale: nats. Probabilities are taken as they are, not renormalised to sum to one.
    Domain: y an integer from 0 to C − 1 or `ignore_index` (an ignored row is not read); yhat in [0, 1].
    Kinks: none. Limits: yhat[y] = 0 gives ∞ with slope −∞.
    Source: derivations/sparse_categorical_cross_entropy.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any) -> Any:
        return -sum(m.xlogy(t, p) for t, p in zip(y, yhat, strict=True))

    axis: int = parameter(default=-1, check=integer)
    ignore_index: int | None = parameter(default=None, check=optional(integer))

    def terms(self, y: Any, yhat: Floats) -> tuple[Any, ...]:
        return np.take_along_axis(yhat, y[:, None], axis=1)[:, 0], y, yhat

    def losses(self, p: Floats, y: Any, z: Floats) -> Floats:
        return -np.log(p)  # (1)

    def slopes(self, p: Floats, y: Any, z: Floats) -> Floats:
        return self._at_target(-1 / p, y, z)  # (2)

    def curvatures(self, p: Floats, y: Any, z: Floats) -> Floats:
        return self._at_target(1 / p / p, y, z)  # (3)

    def _at_target(self, x: Floats, y: Any, z: Floats) -> Floats:
        """x at the true class of each row, 0 at the others."""
        found = np.empty_like(z, order="C")  # of the format of z
        found[...] = 0.0
        np.put_along_axis(found, y[:, None], x[:, None], axis=1)
        return found

    # ---- what the checks need ----------------------------------------------------------------------------------------

    layout = property(lambda self: rows(self.axis))
    domain = property(lambda self: Domains(Classes(self.ignore_index), PROBABILITY))
    bounds = Bounds(4, 16, 2)
    examples = ({}, {"axis": 0, "ignore_index": 255})
