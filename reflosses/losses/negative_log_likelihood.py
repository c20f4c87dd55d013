"""Negative log-likelihood of log-probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.axes import rows
from reflosses.evaluation.domain import NON_NEGATIVE, REAL, Classes, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import times
from reflosses.evaluation.parameters import array, integer, optional, parameter


class NegativeLogLikelihood(Loss):
    """Negative log-likelihood of the true class, from log-probabilities (such as `log_softmax`).

    Formula:  −w[y] yhat[y], with w the class weights (1 without).
    Shapes: yhat has C classes along `axis`, y is yhat's shape without it; one loss a row.
    Scale: nats. "weighted_mean" divides by Σ weight·w[y], "mean" by the number of rows that are not ignored.
    Domain: y an integer from 0 to C − 1 or `ignore_index` (an ignored row is not read); yhat any real number, which
    need not be the logarithm of a probability; class_weight C numbers ≥ 0.
    Kinks: none. Limits: yhat[y] = −∞ gives ∞.
    Source: R. A. Fisher, 1922; derivations/negative_log_likelihood.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any) -> Any:
        return -sum(t * log_p for t, log_p in zip(y, yhat, strict=True))

    axis: int = parameter(default=-1, check=integer)
    class_weight: Any = parameter(default=None, check=optional(array(NON_NEGATIVE, ndim=1)), per_class=True)
    ignore_index: int | None = parameter(default=None, check=optional(integer))

    @staticmethod
    def target_row(row: Any, class_weight: Any) -> Any:
        return row if class_weight is None else [w * t for w, t in zip(class_weight, row, strict=True)]

    def terms(self, y: Any, yhat: Floats) -> tuple[Any, ...]:
        log_p = np.take_along_axis(yhat, y[:, None], axis=1)[:, 0]
        return log_p, np.ones(len(y)) if self.class_weight is None else self.class_weight[y], y, yhat.shape

    def losses(self, log_p: Floats, w: Floats, y: Any, shape: Any) -> Floats:
        return -times(w, log_p)  # (1)

    def slopes(self, log_p: Floats, w: Floats, y: Any, shape: Any) -> Floats:
        grad = np.zeros(shape)
        np.put_along_axis(grad, y[:, None], -w[:, None], axis=1)  # (2)
        return grad

    def curvatures(self, log_p: Floats, w: Floats, y: Any, shape: Any) -> Floats:
        return np.zeros(shape)  # the loss is linear

    # ---- what the checks need ----------------------------------------------------------------------------------------

    layout = property(lambda self: rows(self.axis))
    domain = property(lambda self: Domains(Classes(self.ignore_index), REAL))
    bounds = Bounds(4, 16, 0.5)
    examples = ({}, {"axis": 0, "class_weight": (0.3, 7.0, 0.05), "ignore_index": -100})

    def divisor_weight(self, y: Any) -> Floats | None:
        return None if self.class_weight is None else np.asarray(self.class_weight[y])
