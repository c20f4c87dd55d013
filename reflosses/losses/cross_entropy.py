"""Cross-entropy of the softmax of logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflosses.evaluation.axes import rows
from reflosses.evaluation.domain import FRACTION, LOGIT, NON_NEGATIVE, PROBABILITY, Classes, Floats
from reflosses.evaluation.loss import Bounds, Domains, Loss
from reflosses.evaluation.numerics import accurate_sum, product, times, times_exp
from reflosses.evaluation.parameters import array, integer, number, optional, parameter
from reflosses.evaluation.softmax import gap, sum_of_others, tail


class CrossEntropy(Loss):
    """Cross-entropy of the softmax of logits, against a class index or a row of class probabilities.

    Formula:  −Σ_c q_c log softmax(yhat)_c, where q_c = w_c [(1 − ε) y_c + ε/C]: the target (one-hot for an index),
    smoothed by ε = label_smoothing, times the class weights w.
    Shapes: yhat has C classes along `axis`; y is yhat's shape without it (indices) or with it; one loss a row.
    Scale: nats. "weighted_mean" divides by Σ weight·w[y] (indices only), "mean" by the number of rows not ignored.
    Domain: yhat real; y an integer from 0 to C − 1 or `ignore_index` (of an ignored row nothing is looked at), or
    numbers in [0, 1] that need not sum to one (of these no row is ignored); class weights ≥ 0; 0 ≤ ε ≤ 1.
    Kinks: none. Limits: a −∞ logit is a masked class; a single +∞ takes all the probability; several give NaN.
    Accuracy: for soft or smoothed targets a slope is a difference; its bound is relative to the larger term.
    Errors: those of every loss (`reflosses.evaluation.loss.Loss`); class_weight must have C entries; soft targets with
    class weights have no "weighted_mean".
    Source: J. S. Bridle, 1990; derivations/cross_entropy.md.
    """

    axis: int = parameter(default=-1, check=integer)
    class_weight: Any = parameter(default=None, check=optional(array(NON_NEGATIVE, ndim=1)), per_class=True)
    ignore_index: int | None = parameter(default=None, check=optional(integer))
    label_smoothing: float = parameter(default=0.0, check=number(FRACTION))

    layout = property(lambda self: rows(self.axis))
    domain = property(lambda self: Domains(Classes(self.ignore_index, rows=PROBABILITY), LOGIT))
    bounds = Bounds(4, 16)
    examples = (
        {},
        {"axis": 0, "ignore_index": -100, "label_smoothing": 0.13},
        {"axis": 1, "class_weight": (0.3, 7.0, 0.05)},
        {"class_weight": (1e6, 1e-6, 0.7), "ignore_index": 255, "label_smoothing": 0.03},
    )

    @staticmethod
    def target_row(row: Any, class_weight: Any, label_smoothing: Any) -> Any:
        smooth = [(1 - label_smoothing) * t + label_smoothing / len(row) for t in row]
        return smooth if class_weight is None else [w * t for w, t in zip(class_weight, smooth, strict=True)]

    @staticmethod
    def definition(m: Any, y: Any, yhat: Any) -> Any:
        log_sum = m.logsumexp(yhat)
        return sum(q * (log_sum - z) for q, z in zip(y, yhat, strict=True))

    short = (0.0, 300.0)  # of a row's largest |logit|: exponentials, their sums and quotients stay among the floats

    def terms(self, y: Any, z: Floats) -> tuple[Any, ...]:
        true = np.arange(len(z)), (y if y.ndim == 1 else y.argmax(axis=1))
        e = np.exp(z)
        own = e[true]
        e[true] = 0.0
        weight = 1.0 if self.class_weight is None else self.class_weight[true[1]]
        return self._largest(y, z, true), e, own, accurate_sum(e), weight, true

    def losses(self, size: Any, e: Floats, own: Floats, others: Floats, weight: Any, true: Any) -> Floats:
        return weight * np.log1p(others / own)  # (6)

    def slopes(self, size: Any, e: Floats, own: Floats, others: Floats, weight: Any, true: Any) -> Floats:
        factor = 1 / (own + others)
        slope = e * factor[:, None]
        slope[true] = -others * factor
        return slope if self.class_weight is None else weight[:, None] * slope  # (7)

    def _largest(self, y: Any, z: Floats, true: Any) -> Floats:
        """The largest |logit| of each row; NaN, which is in no interval, if the row has not one true class."""
        if self.label_smoothing:
            return np.full(len(z), np.nan)
        size = np.maximum.reduce(np.abs(z), axis=1)
        return size if y.ndim == 1 else np.where(((y != 0).sum(axis=1) == 1) & (y[true] == 1), size, np.nan)

    def full(self, y: Any, z: Floats) -> tuple[Floats, Floats]:
        q, largest, d, error, below = self._full(y, z)
        mass = accurate_sum(q)[:, None]
        (top, rest), (_, weighted) = tail(1.0, z, largest), tail(mass, z, largest)  # (2): without the largest
        losses = accurate_sum(below) + np.where(rest > 2.0**-900, mass * np.log1p(rest), weighted)[:, 0]  # (3)
        gained, lost = self._gained_and_lost(z, q, largest, d, error)
        infinite = (z == np.inf) | (z.shape[1] == 1)  # a single class has all the probability, whatever its logit
        alone = (infinite.sum(axis=1, keepdims=True) == 1) & ~np.isnan(z).any(axis=1, keepdims=True)
        p = np.where(alone, infinite, np.nan)  # the limit of the softmax
        elsewhere = np.where(p == 1, 0.0, q + 0 * p).sum(axis=1)
        limit, finite = times(elsewhere, np.full(len(q), np.inf)), np.isfinite(top)
        return np.where(finite[:, 0], losses, limit), np.where(finite, gained - lost, mass * p - q)  # (4)

    def _full(self, y: Any, z: Floats) -> tuple[Floats, ...]:
        row = y if y.ndim == 2 else (y[:, None] == np.arange(z.shape[1])).astype(float)
        if self.label_smoothing:
            row = (1 - self.label_smoothing) * row + self.label_smoothing / z.shape[1]
        weight = np.ones(z.shape[1]) if self.class_weight is None else self.class_weight
        largest = np.argmax(z, axis=1)[:, None]
        top = np.take_along_axis(z, largest, axis=1)
        half_gap = np.where((row == 0) | (weight == 0), 0.0, top / 2 - z / 2)  # the gap itself may overflow
        return row * weight, largest, *gap(z, top), product((2.0, row, weight, half_gap))

    def _gained_and_lost(self, z: Any, q: Any, largest: Any, d: Any, error: Any) -> tuple[Floats, Floats]:
        gained = times_exp(sum_of_others(q), d) * (1 + error)
        lost = q * sum_of_others(np.exp(d) * (1 + error))
        np.put_along_axis(lost, largest, tail(np.take_along_axis(q, largest, axis=1), z, largest)[1], axis=1)
        total = 1 + tail(1.0, z, largest)[1]
        return gained / total, lost / total

    def error_scale(self, y: Any, z: Floats) -> tuple[None, Floats]:
        return None, np.maximum(*self._gained_and_lost(z, *self._full(y, z)[:-1]))

    def divisor_weight(self, y: Any) -> Floats | None:
        if self.class_weight is None:
            return None
        if y.ndim == 2:
            raise ValueError(f'{self}: soft targets with class weights have no "weighted_mean"; use "mean" or "sum"')
        return np.asarray(self.class_weight[y])
