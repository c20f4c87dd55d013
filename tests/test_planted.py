"""Planted mistakes: the checks that a mistake names reject it, and no other check does. The right losses pass them all.

Differences of the value cannot see a mistake that value and gradient share, such as a factor ½. Only other numbers can:
the certified definition, or numbers worked by hand. That is why there are three checks.
"""

from functools import cache

import numpy as np
import pytest

from reflosses.evaluation.call import Call
from reflosses.gradcheck import gradcheck, reductioncheck
from reflosses.truth import sampling
from reflosses.truth.accuracy import ulps

import planted

MISTAKES = list(planted.mistakes())
RIGHTS = list(dict.fromkeys(hand.loss for hand in planted.HANDS))
every_mistake = pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: type(m).__name__)
every_right = pytest.mark.parametrize("right", RIGHTS, ids=str)


def hands(right):
    found = [hand for hand in planted.HANDS if hand.loss == right]
    assert found
    return found


@cache
def calls(right):
    """Two lists of calls: without and with hard inputs. A reduced loss has only the calls worked by hand."""
    worked = [(np.asarray(h.y), np.asarray(h.yhat), h.weight) for h in hands(right)]
    if right.reduction != "none":
        return worked, worked
    tame = [p for seed in range(30) for p in sampling.moderate(right, seed, 24) if p.yhat.size <= 72][:3]
    wild = list(sampling.hard(right, 7, 16))[:1]
    assert tame
    return [*worked, *((*p, None) for p in tame)], [*worked, *((*p, None) for p in [*tame, *wild])]


# ---- the three checks: each says whether it accepts a candidate in the place of `right` ------------------------------


def by_gradcheck(right, candidate):
    check = gradcheck if right.reduction == "none" else reductioncheck
    return all(check(right, y, yhat, weight, candidate=candidate).ok for y, yhat, weight in calls(right)[0])


@cache
def truths(right):
    from reflosses.truth.proof import certified

    return [certified(right, y, yhat, weight) for y, yhat, weight in calls(right)[1]]


def by_truth(right, candidate):
    for (y, yhat, weight), truth in zip(calls(right)[1], truths(right), strict=True):
        alone = right.reduction == "none"
        scales, units = (None, None), Call(right, y, yhat, weight).units()
        if alone:
            with np.errstate(all="ignore"):
                scales = right.error_scale(units.y, units.yhat, *units.parameters)
        value_scale = None if scales[0] is None else units.placed(scales[0]).reshape(units.layout.value_shape)
        grad_scale = None if scales[1] is None else units.layout.restore(units.placed(scales[1]))
        value, grad = (f(y, yhat, weight=weight) for f in (candidate.value, candidate.grad))
        slack = 0 if alone else 2  # means and weights
        if (ulps(np.asarray(value), truth.value, truth.value_rest, value_scale) > right.bounds.value + slack).any():
            return False
        if (ulps(grad, truth.grad, truth.grad_rest, grad_scale) > right.bounds.grad + slack).any():
            return False
    return True


def by_numbers(right, candidate):
    """Within 16 ulp of the numbers worked by hand, and exactly 0 where these are."""

    def agree(got, exact):
        got, exact = np.asarray(got, float), np.array(exact, dtype=object).astype(float)
        return got.shape == exact.shape and (np.abs(got - exact) <= 16 * np.finfo(float).eps * np.abs(exact)).all()

    return all(
        agree(candidate.value(h.y, h.yhat, weight=h.weight), h.value)
        and agree(candidate.grad(h.y, h.yhat, weight=h.weight), h.grad)
        for h in hands(right)
    )


# ---- the right losses pass -------------------------------------------------------------------------------------------


class Untouched(planted.Planted):
    """No mistake."""

    def __init__(self, right):
        self.right = right


@every_right
def test_the_right_loss_passes_differences_and_hand(right):
    for candidate in (right, Untouched(right)):
        assert by_gradcheck(right, candidate)
        assert by_numbers(right, candidate)


@every_right
def test_the_right_loss_passes_the_truth(right):
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")
    for candidate in (right, Untouched(right)):
        assert by_truth(right, candidate)


# ---- the wrong ones do not -------------------------------------------------------------------------------------------


@every_mistake
def test_a_mistake_is_rejected_without_flint(mistake):
    caught = {
        name
        for name, accepts in (("gradcheck", by_gradcheck), ("numbers", by_numbers))
        if not accepts(mistake.right, mistake)
    }
    assert caught == mistake.caught_by - {"truth"}
    assert caught


@every_mistake
def test_a_mistake_is_rejected_by_the_truth(mistake):
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")
    assert by_truth(mistake.right, mistake) == ("truth" not in mistake.caught_by)


def test_there_are_mistakes_of_every_kind():
    assert len(MISTAKES) >= 24
    assert all(type(m).__doc__ for m in MISTAKES)
    assert {m.right for m in MISTAKES} <= set(RIGHTS)
    consistent = [m for m in MISTAKES if "gradcheck" not in m.caught_by]
    value_only = [m for m in MISTAKES if not overrides(m, "slopes", "grad")]
    gradient_only = [m for m in MISTAKES if not overrides(m, "losses", "value")]
    assert min(len(consistent), len(value_only), len(gradient_only)) >= 6


def test_a_class_of_a_test_is_no_mistake():
    """Another test file that lists the mistakes later must not meet `Untouched`, which needs an argument."""
    assert [type(m) for m in planted.mistakes()] == [type(m) for m in MISTAKES]


def test_every_loss_has_a_mistake():
    from reflosses.catalogue import losses

    missing = set(losses()) - {type(m.right).__name__ for m in MISTAKES}
    assert not missing, "plant a mistake for each, in planted.py or as MISTAKES in tests/losses/test_<loss>.py"


def overrides(mistake, *names):
    return any(getattr(type(mistake), name) is not getattr(planted.Planted, name) for name in names)
