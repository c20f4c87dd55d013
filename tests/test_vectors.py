"""The certified vectors: the files are valid, current and strong enough, and reflosses.vectors reads them.

REFLOSSES_VECTORS=all (`make consumers`) validates every file, and compares the levels of all mistakes with `check`.
"""

import hashlib
import json
import math
import os
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vector_catches
import write_vectors
from vector_words import REPORTS
from verdicts.rows import Row, table
from verdicts.witness import base_of

import reflosses
from reflosses.catalogue import losses, stem
from reflosses.comparison.expected import Scaled
from reflosses.evaluation.domain import Classes
from reflosses.evaluation.stack import stack
from reflosses.truth.vector_files import Vector, vectors

import planted

ALL = bool(os.environ.get("REFLOSSES_VECTORS"))
FOLDER = Path(reflosses.__file__).parent / "data" / "vectors"
NAMES = sorted(losses())
RIGHT = table("right", "numpy")

every_loss = pytest.mark.parametrize("name", NAMES)


@cache
def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{stem(losses()[name])}.json").read_text("utf-8"))
    return found


# ---- the files -------------------------------------------------------------------------------------------------------


def test_the_folder_holds_one_file_a_loss_a_manifest_and_a_schema() -> None:
    files = {path.name for path in FOLDER.parent.rglob("*") if path.is_file()}
    assert files == {*(f"{stem(cls)}.json" for cls in losses().values()), "manifest.json", "schema.json"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 3_000_000


def test_the_manifest_is_current() -> None:
    manifest = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.name != "manifest.json"}
    assert manifest["version"] == write_vectors.VERSION
    assert manifest["files"].keys() == files.keys()
    for name, given in manifest["files"].items():
        assert given["sha256"] == hashlib.sha256(files[name]).hexdigest(), f"{name} changed: make vectors"
        assert given["bytes"] == len(files[name])


@pytest.mark.parametrize("name", NAMES if ALL else ["Hinge"])
def test_a_file_fits_the_schema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((FOLDER / "schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    file = read(name)
    assert not [error.message for error in validator.iter_errors(file)]
    for key, bad in (("value", "1,0"), ("id", "huber-1"), ("yhat_hex", "0x3p+1"), ("value_shape", [-1])):
        test = {**file["groups"][0]["tests"][0], key: bad}
        spoilt = {**file, "groups": [{**file["groups"][0], "tests": [test]}]}
        assert list(validator.iter_errors(spoilt)), key


@every_loss
def test_a_file_has_one_test_a_line_and_enough_of_them(name: str) -> None:
    file = read(name)
    text = (FOLDER / f"{stem(losses()[name])}.json").read_text("utf-8")
    assert text == write_vectors.text_of(file)
    groups = file["groups"]
    tests = [t for g in groups for t in g["tests"]]
    assert sum(line.startswith('{"id"') for line in text.splitlines()) == len(tests) == file["number_of_tests"]
    assert sum(line.startswith('{"parameters"') for line in text.splitlines()) == len(groups)
    assert 60 <= len(tests) <= 400
    assert sum("Ordinary" not in t["flags"] for t in tests) >= len(tests) / 2
    assert {t["level"] for t in tests} == {"formula", "digits", "range", "domain"}
    assert {flag for t in tests for flag in t["flags"]} <= set(file["flags"])
    assert {g["format"] for g in groups} == {"float64", "float32"}


def test_an_id_is_made_of_the_inputs_and_has_one_meaning() -> None:
    seen = set()
    for name in NAMES:
        for group in read(name)["groups"]:
            for test in group["tests"]:
                assert test["id"] == write_vectors.identity(stem(losses()[name]), group, test)
                seen.add(test["id"])
                other = {**test, "yhat": test["yhat"] + " 1.0"}
                assert write_vectors.identity(stem(losses()[name]), group, other) != test["id"]
    assert len(seen) == sum(read(name)["number_of_tests"] for name in NAMES)
    # An id of the first version: if it changes, the rule has changed, and no id may.
    assert "huber-843ae882" in seen


@every_loss
def test_decimals_and_hexadecimals_are_one_number(name: str) -> None:
    for group in read(name)["groups"]:
        narrow = group["format"] == "float32"
        for test in group["tests"]:
            for key in test:
                if not key.endswith("_hex"):
                    continue
                decimals = [float(x) for x in test[key.removesuffix("_hex")].split()]
                exact = [float.fromhex(x) if "0x" in x else float(x) for x in test[key].split()]
                assert np.array_equal(decimals, exact, equal_nan=True)
                shape = "yhat_shape" if key[:4] in ("grad", "curv") else f"{key.removesuffix('_hex')}_shape"
                assert len(decimals) == math.prod(test[shape])
                with np.errstate(over="ignore"):
                    assert not narrow or np.array_equal(np.float32(decimals), decimals, equal_nan=True)


def test_the_page_is_current() -> None:
    text = write_vectors.PAGE.read_text("utf-8")
    assert write_vectors.page(text) == text, "make vectors"
    assert "| OneSidedAtZero | MeanAbsoluteError | member |" in text


# ---- the numbers -----------------------------------------------------------------------------------------------------


@every_loss
def test_some_tests_are_proved_again(name: str) -> None:
    """The others are in `make consumers`, which makes all files anew."""
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")
    finite = [
        v
        for v in vectors(name)
        if v.gradient is not None and v.yhat.size <= 12 and np.isfinite(v.yhat).all() and np.isfinite(v.y).all()
    ]
    for v in finite[:: max(1, len(finite) // 3)]:
        value, grad = reflosses.certify(v.loss, v.y, v.yhat, v.weight)
        with np.errstate(over="ignore"):
            assert np.array_equal(np.asarray(value, v.format), v.value, equal_nan=True), v
            assert np.array_equal(np.asarray(grad, v.format), v.gradient), v


@every_loss
def test_our_own_loss_passes_every_level_and_refuses(name: str) -> None:
    """Its float64 numbers are right at infinite inputs too: the limits in the files are those of the contract."""
    asked = 0
    for v in vectors(name):
        if v.must_refuse:
            with pytest.raises(ValueError, match=name):
                v.loss.value(v.y, v.yhat, weight=v.weight)
            continue
        if v.format == "float32":
            continue
        asked += 1
        value, grad = v.loss.value_and_grad(v.y, v.yhat, weight=v.weight)
        assert not v.fault(value, grad, v.loss.curvature(v.y, v.yhat, weight=v.weight)), v
        if v.gradient is not None:
            low, high = v.loss.subgradient(v.y, v.yhat, weight=v.weight)
            assert ("Kink" in v.flags) == bool((low != high).any())
    assert asked > 30


def test_the_bend_of_huber_by_hand() -> None:
    """½ r² and delta (|r| − ½ delta) at delta = 0.75 and a power of two, in exact fractions."""
    tests = [v for v in vectors("Huber") if v.loss == reflosses.Huber(delta=0.75, reduction="none")]
    asked = 0
    for v in tests:
        if v.value is None or v.weight is not None or v.yhat.size != 1 or not 1 < abs(v.yhat[0]) < 1e6:
            continue
        r = abs(float(v.yhat[0]) - float(v.y[0]))
        if v.y[0] == 0:
            asked += 1
            assert v.value[0] == 0.75 * (r - 0.375)
            assert v.gradient is not None
            assert v.gradient[0] == 0.75 * np.sign(v.yhat[0])
    assert asked >= 2


# ---- their power -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def caught() -> dict[str, list[vector_catches.Caught]]:
    return vector_catches.caught_mistakes()


def test_every_planted_mistake_is_found(caught: dict[str, list[vector_catches.Caught]]) -> None:
    mistakes = [type(m).__name__ for m in planted.mistakes()]
    assert len(mistakes) >= 54
    assert [name for name in mistakes if not caught[name]] == []
    assert [name for name in mistakes if caught[name][0].level == vector_catches.MEMBER] == ["OneSidedAtZero"]


def test_planted_mistakes_are_found_at_the_level_that_check_says(
    caught: dict[str, list[vector_catches.Caught]],
) -> None:
    some = {"SigmoidLessLabel", "OutsideTheBracketAtZero"}
    for mistake in planted.mistakes():
        if not (ALL or type(mistake).__name__ in some):
            continue
        weighs = type(mistake).value is not planted.Planted.value

        def candidate(y: Any, yhat: Any, m: Any = mistake) -> Any:
            return m.value(y, yhat), m.grad(y, yhat)

        def weighted(y: Any, yhat: Any, weight: Any = None, m: Any = mistake) -> Any:
            return m.value(y, yhat, weight=weight), m.grad(y, yhat, weight=weight)

        with np.errstate(all="ignore"):
            result = reflosses.check(weighted if weighs else candidate, mistake.right, diagnose=False)
        level = next((level for level in vector_catches.ORDER[:3] if level not in result.holds), vector_catches.MEMBER)
        assert caught[type(mistake).__name__][0].level == level, mistake


@pytest.mark.parametrize("row", RIGHT, ids=lambda row: row.name)
def test_a_right_implementation_passes_the_formula(row: Row) -> None:
    loss, factor = base_of(row.loss), row.loss.factor if isinstance(row.loss, Scaled) else 1.0
    left_out = {"TargetRows"} if row.given.get("targets") == "index" or row.name.startswith("entropy") else set()
    left_out |= {"SoftTarget"} if "hard_labels" in row.name else set()
    tests = [v for v in vector_catches.asked_of(loss, row.dtype) if v.weight is None and not left_out & {*v.flags}]

    def function(y: Any, yhat: Any, weight: Any) -> Any:
        given = row.function(y, yhat)
        value, grad = given if isinstance(given, tuple) else (given, None)
        return np.asarray(value, float) / factor, None if grad is None else np.asarray(grad, float) / factor

    assert len([v for v in tests if v.level == "formula"]) >= 2
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        found = vector_catches.caught(function, tests)
    assert not [c for c in found if c.level == "formula"]


def test_every_report_is_cited() -> None:
    cited = {report for name in NAMES for v in vectors(name) for report in v.reports}
    assert cited == {write_vectors.url(thread) for threads in REPORTS.values() for thread in threads}
    assert all(re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/issues/\d+", report) for report in cited)


# ---- reflosses.vectors -----------------------------------------------------------------------------------------------


def test_a_vector_has_the_arrays_of_its_call() -> None:
    for v in vectors("CrossEntropy"):
        assert isinstance(v.loss.domain.y, Classes)
        assert v.yhat.dtype == np.dtype(v.format)
        assert v.y.dtype == (np.int64 if v.y.ndim < v.yhat.ndim else np.dtype(v.format))
        if v.gradient is not None:
            assert v.gradient.shape == v.yhat.shape == v.tolerances["gradient"].shape
            assert len(stack(v.loss, v.y, v.yhat)[1]) >= 0
    assert reflosses.vectors is vectors
    assert vectors("Huber") is vectors("Huber")


def test_a_misspelt_loss_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no loss is named 'Hubber'; did you mean Huber\?"):
        vectors("Hubber")
    with pytest.raises(TypeError, match=r"vectors: name is 3, no name of a loss such as 'Huber'"):
        vectors(3)  # type: ignore[arg-type]


def vector(**changed: Any) -> Vector:
    """A test whose value is 2 to within ¼, with the slopes −1 to 3 at a kink."""
    given = {
        "loss": reflosses.Hinge(reduction="none"),
        "id": "hinge-00000000",
        "format": "float64",
        "level": "digits",
        "flags": ("Kink",),
        "regime": "",
        "comment": "",
        "y": np.ones(1),
        "yhat": np.ones(1),
        "weight": None,
        "value": np.array([2.0]),
        "gradient": np.array([0.0]),
        "curvature": None,
        "low": np.array([-1.0]),
        "high": np.array([3.0]),
        "tolerances": {"value": np.array([0.25]), "gradient": np.array([0.5])},
    }
    return Vector(**{**given, **changed})


def test_a_number_is_right_within_its_tolerance() -> None:
    v = vector()
    assert v.fault([2.25], [3.5]) == v.fault([1.75], [-1.5]) == v.fault() == ""
    assert v.fault(np.array([2.26])) == "value[0] is 2.26, not 2.0"
    assert v.fault([2.0], [3.51]) == "gradient[0] is 3.51, not 0.0"
    assert v.fault([2.0, 2.0]) == "value has shape (2,), not (1,)"
    assert v.fault([np.nan]) == "value[0] is nan, not 2.0"
    assert v.fault(curvature=[7.0]) == ""
    assert vector(value=np.array([np.nan])).fault([np.nan]) == ""
    assert vector(value=np.array([np.inf])).fault([np.inf]) == ""
    assert vector(value=np.array([np.inf])).fault([1e308]) == "value[0] is 1e+308, not inf"


def test_what_must_be_refused_is_right_if_it_is_nan() -> None:
    v = vector(flags=("MustRefuse",), value=None, gradient=None, low=None, high=None, tolerances={})
    assert v.must_refuse
    assert v.fault([np.nan]) == ""
    assert v.fault(3.0) == "value is 3.0 where an error or NaN is right"
