"""The accuracy promise, held against certified truth at hard inputs.

`make sweep` runs this with many more points (REFLOSSES_POINTS) on every code path of NumPy.
"""

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

from reflosses import Cauchy
from reflosses.accuracy import largest_terms, sweep, ulps
from reflosses.battery import hard
from reflosses.catalogue import examples, losses
from reflosses.loss import Loss, Units
from reflosses.truth import certified

POINTS = int(os.environ.get("REFLOSSES_POINTS", "400"))
EVERY = [pytest.param(loss, id=str(loss)) for cls in losses().values() for loss in examples(cls)]


@pytest.mark.parametrize("loss", EVERY)
def test_value_and_gradient_keep_their_bounds(loss: Loss) -> None:
    found = sweep(loss, seed=20, points_wanted=POINTS)
    assert found.points >= POINTS / 200, "the sweep must have tried something"
    assert found.undecided <= 0.02 * found.points + 1
    assert found.value.ulp <= loss.bounds.value, found.value.line
    assert found.grad.ulp <= loss.bounds.grad, found.grad.line


@pytest.mark.parametrize("reduction", ["mean", "weighted_mean", "sum"])
@pytest.mark.parametrize("loss", EVERY)
def test_means_and_weights_add_two_ulp_to_a_gradient(loss: Loss, reduction: str) -> None:
    rng = np.random.default_rng(7)
    reduced = replace(loss, reduction=reduction)
    for problem in list(hard(loss, 21, 60))[:3]:
        y, yhat = np.asarray(problem.y), problem.yhat
        if not loss.layout.groups and not loss.coupled:
            y, yhat = y[:12], yhat[:12]
        plain = Units(loss, y, yhat, None)
        weight = np.ldexp(rng.integers(2**40, 2**41, plain.layout.value_shape) / 2.0**40, int(rng.integers(-9, 9)))
        if reduction == "weighted_mean" and getattr(loss, "class_weight", None) is not None and not plain.by_index:
            continue  # soft targets with class weights have none
        losses_alone, alone = loss.value_and_grad(y, yhat)
        if not (np.isfinite(alone).all() and np.isfinite(losses_alone).all()):
            continue  # a mean is made of the numbers that "none" returns: infinite with one of them
        truth = certified(reduced, y, yhat, weight, strict=False)
        value_scale, scale = largest_terms(loss, plain)
        if scale is not None:
            total = {"mean": float(plain.count), "sum": 1.0}.get(reduction)
            if total is None:
                total = float((plain.divisor_weight * weight.reshape(-1)).sum())
            per_unit = weight.reshape(-1, *[1] * (scale.ndim - 1)) / total
            scale = plain.layout.restore(scale * (per_unit.max() if loss.coupled else per_unit))
        error = ulps(reduced.grad(y, yhat, weight=weight), truth.grad, truth.grad_rest, scale)
        assert error.max() <= loss.bounds.grad + 2
        if value_scale is None and (losses_alone >= 0).all():  # of one sign: no sum of theirs cancels
            got = np.asarray(reduced.value(y, yhat, weight=weight))
            assert ulps(got, np.asarray(truth.value), np.asarray(truth.value_rest)) <= loss.bounds.value + 2


def test_the_ruler_measures() -> None:
    """1 + 3 ulp is 3 ulp off; the part that rounding left off counts; a wrong infinity is infinitely wrong."""
    one, nothing = np.array([1.0]), np.array([0.0])
    assert ulps(one + 3 * 2.0**-52, one, nothing) == [3.0]
    assert ulps(one, one, np.array([2.0**-54])) == [0.25]
    assert ulps(np.array([0.0]), np.array([5e-324]), nothing) == [1.0]
    assert ulps(np.array([np.inf]), one, nothing) == [np.inf]
    assert ulps(one, np.array([np.inf]), nothing) == [np.inf]
    assert ulps(np.array([np.nan]), one, nothing) == [np.inf]
    assert ulps(np.array([np.inf]), np.array([np.inf]), nothing) == [0.0]
    assert ulps(np.array([1e-3]), np.array([0.0]), nothing, scale=one) == [1e-3 / 2.0**-52]


def test_a_sweep_finds_a_lost_digit() -> None:
    """The same sweep rejects the textbook form: log(1 + u) for log1p(u)."""

    @dataclass(frozen=True, eq=False, repr=False)
    class Naive(Loss):
        domain, bounds = Cauchy.domain, Cauchy.bounds
        definition = staticmethod(lambda m, y, yhat: m.log(1 + (yhat - y) ** 2))

        def common(self, y, yhat):
            return (yhat - y,)

        def loss(self, r):
            return np.log(1 + r * r)

        def slope(self, r):
            return 2 * r / (1 + r * r)

    found = sweep(Naive(reduction="none"), seed=20, points_wanted=400)
    assert found.value.ulp == np.inf
    assert found.grad.ulp > 1e15
    assert "Naive" in found.value.line
