"""Cross-entropy of the softmax of logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.axes import rows
from reflosses.evaluation.domain import FRACTION, LOGIT, MAX, NON_NEGATIVE, PROBABILITY, Classes, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import accurate_sum, product, times
from reflosses.evaluation.parameters import array, integer, number, optional, parameter
from reflosses.evaluation.softmax import Others, Softmax, smoothed


class CrossEntropy(Loss):
    """Cross-entropy of the softmax of logits, against a class index or a row of class probabilities.

    Formula:  −Σ_c w_c [(1 − ε) y_c + ε/C] log softmax(yhat)_c, with ε = label_smoothing, y one-hot for an index.
    Shapes: yhat has C classes along `axis`; y is yhat's shape without it (indices) or with it; one loss a row.
    Scale: nats. "weighted_mean" divides by Σ weight·w[y] (indices only), "mean" by the number of rows not ignored.
    Domain: yhat real; y from 0 to C − 1 or `ignore_index`, or numbers in [0, 1]; C class weights w ≥ 0; 0 ≤ ε ≤ 1.
    Kinks: none. Limits: a −∞ logit is a masked class; a single +∞ takes all the probability; several give NaN.
    Accuracy: for soft or smoothed targets a slope is a difference; its bound is relative to the larger term.
    Source: J. S. Bridle, 1990; derivations/cross_entropy.md.
    """

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any) -> Any:
        log_sum = m.logsumexp(yhat)
        return sum(q * (log_sum - z) for q, z in zip(y, yhat, strict=True))

    axis: int = parameter(default=-1, check=integer)
    class_weight: Any = parameter(default=None, check=optional(array(NON_NEGATIVE, ndim=1)), per_class=True)
    ignore_index: int | None = parameter(default=None, check=optional(integer))
    label_smoothing: float = parameter(default=0.0, check=number(FRACTION))

    def losses(self, size: Floats, one_class: Any, soft: Any) -> Floats:
        if one_class:
            _, own, others, weight, _ = one_class
            return weight * np.log1p(others / own)  # (7)
        below, row, e, q = soft
        return q.total * np.log1p(e.of_largest / e.largest) + accurate_sum(row * self._weigh(below))  # (3)

    def slopes(self, size: Floats, one_class: Any, soft: Any) -> Floats:
        if soft:
            _, _, e, q = soft
            factor = (1 / e.total)[:, None]
            return (e.x * factor) * q.of_each() - q.x * (e.of_each() * factor)  # (4)
        e, own, others, weight, true = one_class
        factor = 1 / (own + others)
        slopes = e * factor[:, None]
        slopes[true] = -others * factor
        return slopes if self.class_weight is None else weight[:, None] * slopes  # (8)

    def curvatures(self, size: Floats, one_class: Any, soft: Any) -> Floats:
        if soft:
            e, mass = soft[2], soft[3].total[:, None]
        else:
            true, own = one_class[4], one_class[1]
            every = one_class[0].copy()
            every[true] = own
            e, mass = Others(every), 1.0 if self.class_weight is None else one_class[3][:, None]
        factor = (1 / e.total)[:, None]
        return mass * ((e.x * factor) * (e.of_each() * factor))  # (5)

    short = property(  # of a row's largest |logit|: exponentials, their sums and quotients stay among the floats
        lambda self: (0.0, 300.0 if self.class_weight is None or self.class_weight.max() < 2.0**1000 else -1.0)
    )

    def terms(self, y: Any, z: Floats) -> tuple[Floats, Any, Any]:
        size, e = np.maximum.reduce(np.abs(z), axis=1), np.exp(z)
        if y.ndim == 2 or self.label_smoothing:
            row, below = smoothed(y, z, self.label_smoothing), np.maximum.reduce(z, axis=1)[:, None] - z
            return size, None, (below, row, Others(e), Others(self._weigh(row)))
        true = np.arange(len(z)), y
        own, e[true] = e[true], 0.0  # e without the true class
        return size, (e, own, accurate_sum(e), 1.0 if self.class_weight is None else self.class_weight[y], true), None

    def _weigh(self, row: Floats) -> Floats:
        return row if self.class_weight is None else row * self.class_weight

    # ---- the whole range ---------------------------------------------------------------------------------------------

    def full(self, y: Any, z: Floats) -> tuple[Floats, Floats, Floats]:
        row, e, w = smoothed(y, z, self.label_smoothing), Softmax(z), self._weigh(np.ones(z.shape[1]))
        q, half = self._weigh(row), np.where((row == 0) | (w == 0), 0.0, e.top / 2 - z / 2)  # m − z may overflow
        mass, t = accurate_sum(q), e.t[:, 0]
        unsure = np.where(t > 2.0**-900, mass * np.log1p(t), e.rest(mass[:, None])[:, 0])
        losses = unsure + accurate_sum(product((2.0, row, w, half)))  # (3)
        p, finite = e.limit(), np.isfinite(e.top)
        limit = times(np.where(p == 1, 0.0, q + 0 * p).sum(axis=1), np.full(len(q), np.inf))  # mass elsewhere costs ∞
        slopes = np.where(finite, np.subtract(*e.gained_and_lost(q)), mass[:, None] * p - q)  # (4)
        curvatures = np.where(finite, e.curvature(mass[:, None]), mass[:, None] * (p * (1 - p)))  # (5)
        return np.where(finite[:, 0], losses, limit), slopes, curvatures

    # ---- what the checks need ----------------------------------------------------------------------------------------

    layout = property(lambda self: rows(self.axis))
    domain = property(lambda self: Domains(Classes(self.ignore_index, rows=PROBABILITY), LOGIT))
    bounds = Bounds(10, 16, 16)
    examples = (
        {},
        {"axis": 0, "ignore_index": -100, "label_smoothing": 0.13},
        {"axis": 1, "class_weight": (0.3, 7.0, 0.05)},
        {"class_weight": (1e6, 1e-6, 0.7), "ignore_index": 255, "label_smoothing": 0.03},
    )

    @staticmethod
    def target_row(row: Any, class_weight: Any, label_smoothing: Any) -> Any:
        smooth = row if label_smoothing == 0 else [(1 - label_smoothing) * t + label_smoothing / len(row) for t in row]
        return smooth if class_weight is None else [w * t for w, t in zip(class_weight, smooth, strict=True)]

    def error_scale(self, y: Any, z: Floats) -> tuple[None, Floats, None]:
        return None, np.maximum(*Softmax(z).gained_and_lost(self._weigh(smoothed(y, z, self.label_smoothing)))), None

    def check(self) -> None:
        if self.class_weight is not None and self.class_weight.max(initial=0.0) > MAX / max(1, len(self.class_weight)):
            raise ValueError(f"{self}: the sum of class_weight may leave the floats")

    def divisor_weight(self, y: Any) -> Floats | None:
        if self.class_weight is not None and y.ndim == 2:
            raise ValueError(f'{self}: y: soft targets with class weights have no "weighted_mean"; use "mean" or "sum"')
        return None if self.class_weight is None else np.asarray(self.class_weight[y])
