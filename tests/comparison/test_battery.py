"""The battery: in every regime that a loss can be in, of the loss's domain and the candidate's format, reproducible."""

import os
import subprocess
import sys

import numpy as np
import pytest

from reflosses import Huber, catalogue
from reflosses.comparison.battery import REGIMES, blocks, calls, family
from reflosses.comparison.battery.block import Margins
from reflosses.comparison.formats import FORMATS
from reflosses.evaluation.domain import Classes, Labels

from fingerprints import FINGERPRINTS, of_battery

LOSSES = [loss for cls in catalogue.losses().values() for loss in catalogue.examples(cls)]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=str)
every_format = pytest.mark.parametrize("form", FORMATS.values(), ids=str)

EXPECTED = {  # what NUMERICS has for each kind of loss; H, I and K come as whole calls too
    "logits": "ABDFGI",
    "probabilities": "ABDGI",
    "residuals": "DEFG",
    "margins": "ABDFG",
    "logit rows": "ABDFGI",
    "log rows": "ABDFG",
    "probability rows": "ABD",
    "overlaps": "ABDGHI",
    "vectors": "DEF",
}


def whole(loss, form, seed=0):
    return list(calls(loss, form, seed, weights=True, upstream=True))


@every_loss
@every_format
def test_every_regime_of_the_kind_is_there(loss, form):
    found = {b.regime for b in blocks(loss, form, 0)}
    expected = {*EXPECTED[family(loss)], "moderate", *("C" if hasattr(loss, "gamma") else "")}
    if isinstance(loss.domain.y, Labels):  # it has no soft labels
        expected.discard("I")
    assert expected == found <= set(REGIMES)


@every_loss
@every_format
def test_every_number_is_one_of_the_format_and_of_the_domain(loss, form):
    for b in blocks(loss, form, 3):
        assert len(b.y) == len(b.yhat) > 0
        for a in (b.y, b.yhat):
            np.testing.assert_array_equal(form.round(a), a)
        assert not np.isnan(b.y).any()
        for unit in b.yhat:
            assert not loss.domain.yhat.outside(unit[~np.isnan(unit)]).any()
        if isinstance(loss.domain.y, Classes) and b.y.ndim == 1:
            assert set(b.y) <= set(range(b.yhat.shape[1]))
        elif not isinstance(loss.domain.y, Classes):
            assert not loss.domain.y.outside(b.y).any()


@every_loss
def test_whole_calls_fit_the_loss(loss):
    form = FORMATS["float32"]
    for call in whole(loss, form):
        assert call.refuse == (call.regime == "K")
        assert len(call.y) == len(call.yhat)
        if call.weight is not None:
            assert len(call.weight) == len(call.y)
    names = {c.name for c in whole(loss, form)}
    assert family(loss) == "vectors" or any(name.startswith(("target", "prediction", "shapes")) for name in names)
    if getattr(loss, "ignore_index", None) is not None:
        assert {"some ignored", "all ignored", "all but one ignored", "ignored predictions that are infinite"} <= names


def test_saturation_is_that_of_the_format():
    """Half the digits of 1 − σ(m) are gone at −½ log eps, all at −log eps; exp(−m) leaves the numbers at −log tiny."""
    for name, (half, last, normal) in {
        "float64": (18.0, 36.0, 708.4),
        "float32": (8.0, 15.9, 87.3),
        "float16": (3.5, 6.9, 9.7),
    }.items():
        margins = Margins(FORMATS[name])
        assert margins.right[0] == pytest.approx(half, abs=0.2)
        assert margins.last == pytest.approx(last, abs=0.1)
        assert max(margins.right) > normal
        assert {1e2, 1e3, 1e4} <= set(margins.wrong)


def test_the_kink_is_straddled_in_every_format():
    for form in FORMATS.values():
        (block,) = [b for b in blocks(Huber(delta=0.75), form, 0) if "bend" in b.name]
        around = np.abs(block.yhat[np.abs(np.abs(block.yhat) - 0.75) < 3 * form.eps])
        assert set(around) == {0.75 + k * form.eps / 2 for k in (-2, -1, 0, 1, 2)}


def test_a_seed_means_the_same_inputs_on_every_code_path_of_numpy():
    code = "import sys; sys.path.insert(0, 'tests'); from fingerprints import found; print(found())"
    env = {**os.environ, "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX X86_V3 X86_V4"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(FINGERPRINTS)


def test_another_seed_means_other_inputs():
    one, other = (next(iter(blocks(Huber(), FORMATS["float64"], seed))).yhat for seed in (5, 6))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("kind", FINGERPRINTS)
def test_a_seed_means_the_same_inputs_in_every_version(kind):
    assert of_battery(kind) == FINGERPRINTS[kind][1]
