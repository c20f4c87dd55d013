"""Wrong losses, each with one mistake that somebody has made, and numbers worked by hand.

A class names the right loss (`right`) and the checks that find its mistake (`caught_by`):

    gradcheck   the gradient is not the derivative of the value
    truth       certified numbers of the textbook definition
    numbers     numbers worked by hand
"""

from dataclasses import dataclass
from fractions import Fraction
from math import exp, log, log1p
from typing import Any, ClassVar

import numpy as np
from loss_tables import added
from scipy.special import expit, log_softmax, softmax, xlog1py, xlogy

import reflosses
from reflosses.evaluation.loss import Loss

F = Fraction
ALL = {"gradcheck", "truth", "numbers"}
CONSISTENT = {"truth", "numbers"}  # value and gradient share the mistake: differences cannot see it

MSE = reflosses.MeanSquaredError(reduction="none")
MSE_MEAN = reflosses.MeanSquaredError(reduction="mean")
MSE_WEIGHTED = reflosses.MeanSquaredError(reduction="weighted_mean")
MAE = reflosses.MeanAbsoluteError(reduction="none")
HUBER = reflosses.Huber(delta=0.75, reduction="none")
HINGE = reflosses.Hinge(reduction="none")
BCE = reflosses.BinaryCrossEntropy(reduction="none")
LOGITS = reflosses.BinaryCrossEntropyWithLogits(reduction="none")
POS_WEIGHT = reflosses.BinaryCrossEntropyWithLogits(pos_weight=3.5, reduction="none")
FOCAL = reflosses.Focal(gamma=1.5, alpha=0.25, reduction="none")
FOCAL_LOGITS = reflosses.FocalWithLogits(gamma=1.5, alpha=0.25, reduction="none")
CE = reflosses.CrossEntropy(reduction="none")
CE_SMOOTHED = reflosses.CrossEntropy(label_smoothing=0.125, reduction="none")
CE_CLASS_WEIGHT = reflosses.CrossEntropy(class_weight=(0.25, 7.0, 0.5), reduction="none")
CE_IGNORE = reflosses.CrossEntropy(ignore_index=-100, reduction="mean")
SPARSE = reflosses.SparseCategoricalCrossEntropy(ignore_index=255, reduction="none")
NLL = reflosses.NegativeLogLikelihood(class_weight=(0.25, 7.0, 0.5), reduction="none")
DICE = reflosses.Dice(axis=-1, reduction="none")
DICE_SMOOTH = reflosses.Dice(axis=-1, smooth_nr=0.25, smooth_dr=0.75, reduction="none")
IOU = reflosses.IoU(axis=-1, reduction="none")
GDL = reflosses.GeneralizedDice(axis=0, reduction="none")
CAUCHY = reflosses.Cauchy(delta=0.75, reduction="none")
CAUCHY_OMEGA = reflosses.Cauchy(delta=0.75, information=((4.0, 1.5), (1.5, 0.75)), reduction="none")
WCE = reflosses.WeightedCrossEntropy(reduction="none")
WCE_FULL = reflosses.WeightedCrossEntropy(weight_grad="full", reduction="none")


# ---- numbers worked by hand ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hand:
    """One call and its exact results: fractions, or closed forms in log and exp."""

    loss: Loss
    y: Any
    yhat: Any
    value: Any
    grad: Any
    weight: Any = None


L2, TINY = log(2), exp(-40)
FADE = 0.5**1.5  # (1 − ½)^γ
E = exp(1)

HANDS = (
    Hand(loss=MSE, y=[0.5, -3.0, 7.0], yhat=[1.0, -3.25, 17.0], value=[F(1, 4), F(1, 16), 100], grad=[1, F(-1, 2), 20]),
    Hand(
        loss=MSE_MEAN,  # r = 1/2, −1/4, 10 and 3/2, −1/4, 1/2; their squares add up to 823/8
        y=[[0.5, -3.0, 7.0], [0.0, 0.0, 1.0]],
        yhat=[[1.0, -3.25, 17.0], [1.5, -0.25, 1.5]],
        value=F(823, 48),
        grad=[[F(1, 6), F(-1, 12), F(10, 3)], [F(1, 2), F(-1, 12), F(1, 6)]],
    ),
    Hand(
        loss=MSE_WEIGHTED,  # (4/4 + 100/2) / (4 + 1/2)
        y=[0.5, -3.0, 7.0],
        yhat=[1.0, -3.25, 17.0],
        value=F(34, 3),
        grad=[F(8, 9), 0, F(20, 9)],
        weight=[4.0, 0.0, 0.5],
    ),
    Hand(loss=MAE, y=[0.5, -3.0, 2.0], yhat=[1.0, -3.25, 2.0], value=[F(1, 2), F(1, 4), 0], grad=[1, -1, 0]),
    Hand(
        loss=HUBER,  # r = 1/2, −1/4, 10, −13
        y=[0.5, -3.0, 7.0, 4.0],
        yhat=[1.0, -3.25, 17.0, -9.0],
        value=[F(1, 8), F(1, 32), F(231, 32), F(303, 32)],
        grad=[F(1, 2), F(-1, 4), F(3, 4), F(-3, 4)],
    ),
    Hand(
        loss=HINGE, y=[1, -1, 1, -1], yhat=[0.25, 0.5, 3.0, -1.75], value=[F(3, 4), F(3, 2), 0, 0], grad=[-1, 1, 0, 0]
    ),
    Hand(
        loss=BCE,
        y=[1.0, 0.0, 0.5, 1.0],
        yhat=[0.25, 0.25, 0.25, 2.0**-30],
        value=[2 * L2, -log1p(-0.25), L2 - log1p(-0.25) / 2, 30 * L2],
        grad=[-4, F(4, 3), F(-4, 3), -(2**30)],
    ),
    Hand(
        loss=LOGITS,
        y=[1.0, 0.0, 0.25, 1.0, 0.0, 1.0],
        yhat=[0.0, 0.0, 0.0, 40.0, -40.0, -800.0],
        value=[L2, L2, L2, log1p(TINY), log1p(TINY), 800],
        grad=[F(-1, 2), F(1, 2), F(1, 4), -TINY / (1 + TINY), TINY / (1 + TINY), -1],
    ),
    Hand(
        loss=POS_WEIGHT,
        y=[1.0, 0.0, 0.5],
        yhat=[0.0, 0.0, 0.0],
        value=[3.5 * L2, L2, 2.25 * L2],
        grad=[F(-7, 4), F(1, 2), F(-5, 8)],
    ),
    Hand(
        loss=FOCAL,  # p_t = 3/4: (1/4)^γ = 1/8; α_t = 1/4 and 3/4
        y=[1.0, 0.0],
        yhat=[0.75, 0.25],
        value=[log(4 / 3) / 32, 3 * log(4 / 3) / 32],
        grad=[-(0.75 * log(4 / 3) + 1 / 6) / 4, 3 * (0.75 * log(4 / 3) + 1 / 6) / 4],
    ),
    Hand(
        loss=FOCAL_LOGITS,
        y=[1.0, 0.0],
        yhat=[0.0, 0.0],
        value=[FADE * L2 / 4, 3 * FADE * L2 / 4],
        grad=[-FADE * (0.75 * L2 + 0.5) / 4, 3 * FADE * (0.75 * L2 + 0.5) / 4],
    ),
    Hand(
        loss=CE,
        y=[1, 0],
        yhat=[[0.0, 0.0, 0.0], [40.0, 0.0, 0.0]],
        value=[log(3), log1p(2 * TINY)],
        grad=[[F(1, 3), F(-2, 3), F(1, 3)], [-2 * TINY / (1 + 2 * TINY), TINY / (1 + 2 * TINY), TINY / (1 + 2 * TINY)]],
    ),
    Hand(loss=CE_SMOOTHED, y=[1], yhat=[[0.0, 0.0, 0.0]], value=[log(3)], grad=[[F(7, 24), F(-7, 12), F(7, 24)]]),
    Hand(
        loss=CE_CLASS_WEIGHT,
        y=[1],
        yhat=[[1.0, 0.0, 0.0]],
        value=[7 * log(E + 2)],
        grad=[[7 * E / (E + 2), -7 * (E + 1) / (E + 2), 7 / (E + 2)]],
    ),
    Hand(
        loss=CE_IGNORE,
        y=[1, 0, -100],
        yhat=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [5.0, 1.0, 2.0]],
        value=log(3),
        grad=[[F(1, 6), F(-1, 3), F(1, 6)], [F(-1, 3), F(1, 6), F(1, 6)], [0, 0, 0]],
    ),
    Hand(
        loss=SPARSE,
        y=[1, 255],
        yhat=[[0.25, 0.5, 0.125], [0.5, 0.25, 0.25]],
        value=[L2, 0],
        grad=[[0, -2, 0], [0, 0, 0]],
    ),
    Hand(
        loss=NLL,
        y=[2, 0],
        yhat=[[-1.0, -2.0, -3.5], [-0.5, -2.0, -3.0]],
        value=[F(7, 4), F(1, 8)],
        grad=[[0, 0, F(-1, 2)], [F(-1, 4), 0, 0]],
    ),
    # I = 5/4, P = 3/2, T = 2 in all three
    Hand(
        loss=DICE,
        y=[[1.0, 0.0, 1.0]],
        yhat=[[0.5, 0.25, 0.75]],
        value=[F(2, 7)],
        grad=[[F(-18, 49), F(10, 49), F(-18, 49)]],
    ),
    Hand(
        loss=DICE_SMOOTH,
        y=[[1.0, 0.0, 1.0]],
        yhat=[[0.5, 0.25, 0.75]],
        value=[F(6, 17)],
        grad=[[F(-92, 289), F(44, 289), F(-92, 289)]],
    ),
    Hand(
        loss=IOU, y=[[1.0, 0.0, 1.0]], yhat=[[0.5, 0.25, 0.75]], value=[F(4, 9)], grad=[[F(-4, 9), F(20, 81), F(-4, 9)]]
    ),
    Hand(
        loss=GDL,  # R = 3 and 1, weights 1/9 and 1: 1 − (17/9)/(32/9)
        y=[[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]],
        yhat=[[0.5, 0.25, 0.75, 0.5], [0.5, 0.75, 0.25, 0.5]],
        value=F(15, 32),
        grad=[
            [F(-47, 1024), F(17, 1024), F(-47, 1024), F(-47, 1024)],
            [F(153, 1024), F(-423, 1024), F(153, 1024), F(153, 1024)],
        ],
    ),
    Hand(
        loss=GDL,  # R = 2 and 0: both weigh 1/4
        y=[[1.0, 1.0], [0.0, 0.0]],
        yhat=[[0.5, 0.75], [0.25, 0.5]],
        value=F(3, 8),
        grad=[[F(-11, 32), F(-11, 32)], [F(5, 32), F(5, 32)]],
    ),
    Hand(
        loss=CAUCHY,  # r/δ = 1, 3 and nearly 0
        y=[0.0, 1.0, 0.5],
        yhat=[0.75, 3.25, 0.5 + 2.0**-30],
        value=[9 * L2 / 16, 9 * log(10) / 16, F(1, 2**60)],
        grad=[F(3, 4), F(9, 20), F(1, 2**29)],
    ),
    Hand(
        loss=CAUCHY_OMEGA,  # e = (1, −1): s = 7/4, Ω e = (5/2, 3/4)
        y=[[0.5, 2.0]],
        yhat=[[1.5, 1.0]],
        value=[9 * log(37 / 9) / 16],
        grad=[[F(45, 37), F(27, 74)]],
    ),
    Hand(
        loss=WCE,  # w = (5/2)/(3/2)
        y=[1.0, 0.0, 0.0, 1.0],
        yhat=[0.25, 0.5, 0.25, 0.5],
        value=[10 * L2 / 3, L2, log(4 / 3), 5 * L2 / 3],
        grad=[F(-20, 3), 2, F(4, 3), F(-10, 3)],
    ),
    Hand(
        loss=WCE_FULL,  # and dw/dp = −4/(3/2)² times log 4 + log 2
        y=[1.0, 0.0, 0.0, 1.0],
        yhat=[0.25, 0.5, 0.25, 0.5],
        value=[10 * L2 / 3, L2, log(4 / 3), 5 * L2 / 3],
        grad=[-20 / 3 - 16 * L2 / 3, 2 - 16 * L2 / 3, 4 / 3 - 16 * L2 / 3, -10 / 3 - 16 * L2 / 3],
    ),
)


# ---- the mistakes ----------------------------------------------------------------------------------------------------


class Planted:
    """Somebody's version of `right`. A subclass overrides the wrong part."""

    right: ClassVar[Loss]
    caught_by: ClassVar[set[str]] = ALL

    def __str__(self):
        return f"{type(self).__name__} instead of {self.right}"

    def losses(self, y, yhat):
        return self.right.value(y, yhat)

    def slopes(self, y, yhat):
        return self.right.grad(y, yhat)

    def value(self, y, yhat, *, weight=None):
        if weight is not None:
            return self.right.value(y, yhat, weight=weight)
        with np.errstate(all="ignore"):
            return self.losses(np.asarray(y), np.asarray(yhat, float))

    def grad(self, y, yhat, *, weight=None):
        if weight is not None:
            return self.right.grad(y, yhat, weight=weight)
        with np.errstate(all="ignore"):
            return self.slopes(np.asarray(y), np.asarray(yhat, float))


def onehot(y, yhat):
    return (np.asarray(y)[..., None] == np.arange(yhat.shape[-1])).astype(float)


def targets(y, yhat):
    """Class indices or rows, as rows."""
    return onehot(y, yhat) if np.ndim(y) < yhat.ndim else np.asarray(y)


# squared and absolute error


class HalfInValue(Planted):
    """½r² with the gradient of r²."""

    right = MSE

    def losses(self, y, yhat):
        return np.square(yhat - y) / 2


class FactorLostInGradient(Planted):
    """r² with the gradient of ½r²."""

    right = MSE

    def slopes(self, y, yhat):
        return yhat - y


class HalfInBoth(Planted):
    """½r², consistently."""

    right = MSE
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return np.square(yhat - y) / 2

    def slopes(self, y, yhat):
        return yhat - y


class GradientWithRespectToTarget(Planted):
    """The derivative by y, not by yhat: the sign is flipped."""

    right = MSE

    def slopes(self, y, yhat):
        return 2 * (y - yhat)


class SinglePrecisionInside(Planted):
    """A value computed in float32; the numbers worked by hand are short enough for it."""

    right = MSE
    caught_by: ClassVar[set[str]] = {"gradcheck", "truth"}

    def losses(self, y, yhat):
        return np.square(yhat.astype(np.float32) - y.astype(np.float32)).astype(float)


class MeanGradientNotDivided(Planted):
    """The gradient of a mean without its 1/N."""

    right = MSE_MEAN

    def slopes(self, y, yhat):
        return 2 * (yhat - y)


class MeanOverTheBatch(Planted):
    """Divided by the number of rows instead of elements."""

    right = MSE_MEAN
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return float(np.square(yhat - y).sum() / len(yhat))

    def slopes(self, y, yhat):
        return 2 * (yhat - y) / len(yhat)


class WeightedMeanOverTheCount(Planted):
    """Divided by N instead of Σ weight."""

    right = MSE_WEIGHTED
    caught_by = CONSISTENT

    def value(self, y, yhat, *, weight=None):
        return float(np.mean(np.ones(np.shape(yhat)) * weight * np.square(np.subtract(yhat, y))))

    def grad(self, y, yhat, *, weight=None):
        return 2 * np.multiply(weight, np.subtract(yhat, y)) / np.size(yhat)


class WeightForgottenInGradient(Planted):
    """The weight multiplies the value only."""

    right = MSE_WEIGHTED

    def grad(self, y, yhat, *, weight=None):
        return 2 * np.subtract(yhat, y) / np.sum(weight)


class SignFlipped(Planted):
    """The sign of y − yhat instead of yhat − y."""

    right = MAE

    def slopes(self, y, yhat):
        return np.sign(y - yhat)


class OneSidedAtZero(Planted):
    """The slope 1 at r = 0: inside the bracket, but not the documented member of it."""

    right = MAE
    caught_by = CONSISTENT

    def slopes(self, y, yhat):
        return np.where(yhat >= y, 1.0, -1.0)


class OutsideTheBracketAtZero(Planted):
    """A slope of 2 at r = 0, which no one-sided derivative reaches."""

    right = MAE

    def slopes(self, y, yhat):
        return np.sign(yhat - y) + 2.0 * (yhat == y)


# Huber and hinge


class ThresholdOnSignedResidual(Planted):
    """r < delta instead of |r| < delta: quadratic far below the target."""

    right = HUBER
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        r, d = yhat - y, self.right.delta
        return np.where(r < d, r * r / 2, d * (r - d / 2))

    def slopes(self, y, yhat):
        return np.minimum(yhat - y, self.right.delta)


class LinearPieceTooLow(Planted):
    """delta(|r| − delta): a jump at the threshold that no gradient shows."""

    right = HUBER
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        r, d = np.abs(yhat - y), self.right.delta
        return np.where(r < d, r * r / 2, d * (r - d))


class DividedByDelta(Planted):
    """Smooth L1, which is Huber over delta."""

    right = HUBER
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return self.right.value(y, yhat) / self.right.delta

    def slopes(self, y, yhat):
        return self.right.grad(y, yhat) / self.right.delta


class GradientNotClipped(Planted):
    """The gradient of the quadratic piece everywhere."""

    right = HUBER

    def slopes(self, y, yhat):
        return yhat - y


class SlopeOnTheWrongSide(Planted):
    """−y where the margin is above 1."""

    right = HINGE

    def slopes(self, y, yhat):
        return np.where(y * yhat > 1, -y, 0.0)


class LabelsTakenForZeroAndOne(Planted):
    """Labels −1 and 1 run through 2y − 1 as if they were 0 and 1."""

    right = HINGE
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return np.maximum(0.0, 1 - (2 * y - 1) * yhat)

    def slopes(self, y, yhat):
        t = 2.0 * y - 1
        return np.where(t * yhat < 1, -t, 0.0)


# binary cross-entropy


class ClampLeftIn(Planted):
    """Probabilities clipped to 1e-7, and the gradient dead beyond."""

    right = BCE
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return self.right.value(y, np.clip(yhat, 1e-7, 1 - 1e-7))

    def slopes(self, y, yhat):
        return np.where((yhat > 1e-7) & (yhat < 1 - 1e-7), self.right.grad(y, yhat), 0.0)


class ClampInValueOnly(Planted):
    """Probabilities clipped to 1e-7 in the value, not in the gradient."""

    right = BCE

    def losses(self, y, yhat):
        return self.right.value(y, np.clip(yhat, 1e-7, 1 - 1e-7))


class EpsilonInTheLogarithm(Planted):
    """log(p + 1e-7) in the value."""

    right = BCE

    def losses(self, y, yhat):
        return -(y * np.log(yhat + 1e-7) + (1 - y) * np.log(1 - yhat + 1e-7))


class SigmoidLessLabel(Planted):
    """σ(z) − y, which is 0 at z = 40 where the slope is a normal number."""

    right = LOGITS

    def slopes(self, y, yhat):
        return expit(yhat) - y


class LogOfSigmoid(Planted):
    """log σ(z), which loses its digits from z = 10 on and is −∞ at −800."""

    right = LOGITS

    def losses(self, y, yhat):
        return -(xlogy(y, expit(yhat)) + xlogy(1 - y, 1 - expit(yhat)))


class PosWeightOnTheNegativeTerm(Planted):
    """pos_weight multiplies 1 − y."""

    right = POS_WEIGHT
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return y * np.logaddexp(0, -yhat) + self.right.pos_weight * (1 - y) * np.logaddexp(0, yhat)

    def slopes(self, y, yhat):
        return -y * expit(-yhat) + self.right.pos_weight * (1 - y) * expit(yhat)


class PosWeightForgottenInGradient(Planted):
    """pos_weight in the value only."""

    right = POS_WEIGHT

    def slopes(self, y, yhat):
        return -y * expit(-yhat) + (1 - y) * expit(yhat)


# focal


class AlphaMissing(Planted):
    """No class balance."""

    right = FOCAL
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return self.right.value(y, yhat) / np.where(y == 1, 0.25, 0.75)

    def slopes(self, y, yhat):
        return self.right.grad(y, yhat) / np.where(y == 1, 0.25, 0.75)


class AlphaSwapped(Planted):
    """1 − alpha on the positives."""

    right = FOCAL
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return self.right.value(y, yhat) * np.where(y == 1, 3.0, 1 / 3)

    def slopes(self, y, yhat):
        return self.right.grad(y, yhat) * np.where(y == 1, 3.0, 1 / 3)


class ExponentNotLowered(Planted):
    """γ(1 − p_t)^γ where the derivative of the power has γ − 1."""

    right = FOCAL

    def slopes(self, y, yhat):
        p, sign = np.where(y == 1, yhat, 1 - yhat), np.where(y == 1, 1.0, -1.0)
        alpha, fade = np.where(y == 1, 0.25, 0.75), (1 - p) ** 1.5
        return sign * alpha * (1.5 * fade * np.log(p) - fade / p)


class FadingHeldConstant(Planted):
    """(1 − p_t)^γ treated as a constant weight in the gradient."""

    right = FOCAL_LOGITS

    def slopes(self, y, yhat):
        sign = np.where(y == 1, 1.0, -1.0)
        alpha, q = np.where(y == 1, 0.25, 0.75), expit(-sign * yhat)
        return -sign * alpha * q**1.5 * q


# class rows


class EpsilonInTheLogOfSoftmax(Planted):
    """log(softmax + 1e-12) in the value."""

    right = CE

    def losses(self, y, yhat):
        return -np.sum(targets(y, yhat) * np.log(softmax(yhat, axis=-1) + 1e-12), axis=-1)


class SoftmaxLessOnehot(Planted):
    """p − onehot, which is 0 for the label beyond a margin of 37."""

    right = CE

    def slopes(self, y, yhat):
        q = targets(y, yhat)
        return q.sum(axis=-1, keepdims=True) * softmax(yhat, axis=-1) - q


class AxisMixedUp(Planted):
    """The softmax over the batch instead of the classes; differences see that a row reads other rows."""

    right = CE

    def losses(self, y, yhat):
        return -np.sum(targets(y, yhat) * log_softmax(yhat, axis=0), axis=-1)

    def slopes(self, y, yhat):
        q = targets(y, yhat)
        return q.sum(axis=0, keepdims=True) * softmax(yhat, axis=0) - q


class SmoothedOverTheOthers(Planted):
    """ε/(C − 1) on each class but the true one, instead of ε/C on all."""

    right = CE_SMOOTHED
    caught_by = CONSISTENT

    def _smoothed(self, y, yhat):
        q, epsilon, classes = targets(y, yhat), self.right.label_smoothing, yhat.shape[-1]
        return (1 - epsilon) * q + epsilon * (1 - q) / max(classes - 1, 1)

    def losses(self, y, yhat):
        return -np.sum(self._smoothed(y, yhat) * log_softmax(yhat, axis=-1), axis=-1)

    def slopes(self, y, yhat):
        q = self._smoothed(y, yhat)
        return q.sum(axis=-1, keepdims=True) * softmax(yhat, axis=-1) - q


class SmoothedInValueOnly(Planted):
    """The gradient of the loss without label smoothing."""

    right = CE_SMOOTHED

    def slopes(self, y, yhat):
        return CE.grad(y, yhat)


class ClassWeightOfThePrediction(Planted):
    """The weight of the predicted class, not of the true one."""

    right = CE_CLASS_WEIGHT
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return self.right.class_weight[yhat.argmax(axis=-1)] * CE.value(y, yhat)

    def slopes(self, y, yhat):
        return self.right.class_weight[yhat.argmax(axis=-1)][..., None] * CE.grad(y, yhat)


class IgnoredRowsStillCounted(Planted):
    """A mean over all rows, the ignored ones included."""

    right = CE_IGNORE
    caught_by = CONSISTENT

    def _share(self, y, yhat):
        return np.mean(y != -100) if np.ndim(y) < np.ndim(yhat) else 1.0

    def losses(self, y, yhat):
        return self.right.value(y, yhat) * self._share(y, yhat)

    def slopes(self, y, yhat):
        return self.right.grad(y, yhat) * self._share(y, yhat)


class IgnoredRowsKeepAGradient(Planted):
    """The gradient of an ignored row is that of class 0."""

    right = SPARSE

    def slopes(self, y, yhat):
        return reflosses.SparseCategoricalCrossEntropy(reduction="none").grad(np.where(y == 255, 0, y), yhat)


class ClassWeightForgottenInGradient(Planted):
    """−1 at the label whatever the class weight."""

    right = NLL

    def slopes(self, y, yhat):
        return -onehot(y, yhat)


# overlaps


def overlap(y, yhat):
    """Intersection and total along the last axis."""
    return (y * yhat).sum(axis=-1, keepdims=True), (y + yhat).sum(axis=-1, keepdims=True)


class QuotientRuleLost(Planted):
    """−2t/(P + T): the denominator taken for a constant."""

    right = DICE

    def slopes(self, y, yhat):
        return -2 * y / overlap(y, yhat)[1]


class SquaredDenominator(Planted):
    """V-Net's Σp² + Σt² instead of Σp + Σt."""

    right = DICE
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return 1 - 2 * np.sum(y * yhat, axis=-1) / np.sum(y * y + yhat * yhat, axis=-1)

    def slopes(self, y, yhat):
        i, s = overlap(y, yhat)[0], np.sum(y * y + yhat * yhat, axis=-1, keepdims=True)
        return -2 * y / s + 4 * i * yhat / s**2


class SmoothedTwice(Planted):
    """2(I + s) where the numerator is 2I + s."""

    right = DICE_SMOOTH
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        i, s = overlap(y, yhat)
        return 1 - (2 * (i + 0.25) / (s + 0.75))[..., 0]

    def slopes(self, y, yhat):
        i, s = overlap(y, yhat)
        return (2 * (i + 0.25) / (s + 0.75) - 2 * y) / (s + 0.75)


class SmoothingForgottenInGradient(Planted):
    """Smoothed in the value only."""

    right = DICE_SMOOTH

    def slopes(self, y, yhat):
        return DICE.grad(y, yhat)


class UnionWithoutIntersection(Planted):
    """P + T for the union."""

    right = IOU
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        i, s = overlap(y, yhat)
        return 1 - (i / s)[..., 0]

    def slopes(self, y, yhat):
        i, s = overlap(y, yhat)
        return (i / s - y) / s


class UnionTakenForTotalInGradient(Planted):
    """dU/dp = 1 where it is 1 − t."""

    right = IOU

    def slopes(self, y, yhat):
        i, s = overlap(y, yhat)
        return (i / (s - i) - y) / (s - i)


def generalized_dice(w, y, yhat):
    """Value and gradient of the Generalised Dice loss with class weights w, classes along the first axis."""
    w = w[:, None]
    total = np.sum(w * (y + yhat))
    score = 2 * np.sum(w * y * yhat) / total
    return np.sum(w * (y * (1 - yhat) + yhat * (1 - y))) / total, w * (score - 2 * y) / total


class VolumeNotSquared(Planted):
    """Weights 1/R instead of 1/R²."""

    right = GDL
    caught_by = CONSISTENT

    def _weights(self, y):
        volume = y.sum(axis=1)
        smallest = volume[volume > 0].min() if volume.any() else 1.0
        return 1 / np.where(volume > 0, volume, smallest)

    def losses(self, y, yhat):
        return generalized_dice(self._weights(y), y, yhat)[0]

    def slopes(self, y, yhat):
        return generalized_dice(self._weights(y), y, yhat)[1]


class EpsilonForAnAbsentClass(VolumeNotSquared):
    """Weights 1/(R² + 1e-6): an absent class outweighs everything."""

    def _weights(self, y):
        return 1 / (y.sum(axis=1) ** 2 + 1e-6)


# Cauchy


class FactorTwoMissing(Planted):
    """ρ′(s) r, without the 2 of ds/dr."""

    right = CAUCHY

    def slopes(self, y, yhat):
        return self.right.grad(y, yhat) / 2


class HalfOfGtsam(Planted):
    """½δ² log(1 + s/δ²), consistently, as SciPy and GTSAM have it."""

    right = CAUCHY
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return self.right.value(y, yhat) / 2

    def slopes(self, y, yhat):
        return self.right.grad(y, yhat) / 2


class NotScaled(Planted):
    """δ² log(1 + s): s where s/δ² belongs."""

    right = CAUCHY
    caught_by = CONSISTENT

    def losses(self, y, yhat):
        return 0.5625 * np.log1p(np.square(yhat - y))

    def slopes(self, y, yhat):
        return 0.5625 * 2 * (yhat - y) / (1 + np.square(yhat - y))


class LogOfOnePlus(Planted):
    """log(1 + u) for log1p(u): 0 for small residuals."""

    right = CAUCHY

    def losses(self, y, yhat):
        return 0.5625 * np.log(1 + np.square((yhat - y) / 0.75))


class OmegaForgottenInGradient(Planted):
    """2ρ′(s) e instead of 2ρ′(s) Ω e."""

    right = CAUCHY_OMEGA

    def slopes(self, y, yhat):
        e = yhat - y
        s = np.einsum("...i,ij,...j->...", e, self.right.information, e)
        return 2 * self.right.weight(np.maximum(s, 0.0))[..., None] * e


# Sudre's weighted cross-entropy


class FullReportedAsStop(Planted):
    """The weight is differentiated although it is to be held constant."""

    right = WCE

    def slopes(self, y, yhat):
        return WCE_FULL.grad(y, yhat)


class StopReportedAsFull(Planted):
    """The weight is held constant although it is to be differentiated."""

    right = WCE_FULL

    def slopes(self, y, yhat):
        return WCE.grad(y, yhat)


class WeightUpsideDown(Planted):
    """Σp/(N − Σp), consistently held constant."""

    right = WCE

    def losses(self, y, yhat):
        w = yhat.sum() / (1 - yhat).sum()
        return -(w * xlogy(y, yhat) + xlog1py(1 - y, -yhat))

    def slopes(self, y, yhat):
        w = yhat.sum() / (1 - yhat).sum()
        return (1 - y) / (1 - yhat) - w * y / yhat


def mistakes(base=Planted):
    """Every mistake of this file, and of the MISTAKES in the test files of losses."""
    for cls in base.__subclasses__():
        if cls.__module__ == __name__:
            yield cls()
            yield from mistakes(cls)
    if base is Planted:
        yield from added("MISTAKES")
