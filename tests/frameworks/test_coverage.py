"""Losses that frameworks offer: found by introspection, and of which kind each is."""

import json
import re
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from coverage_page import PAGE, page, totals, written
from environments import ROOT

from reflosses.__main__ import main
from reflosses.frameworks import coverage as covered
from reflosses.frameworks import function as functions
from reflosses.frameworks.coverage import Coverage, coverage, names_of, offered, sorted_by_kind
from reflosses.frameworks.function import Framework, Function, Offer, find, frameworks, installed_version

ROW = Function("toy.huber", "toylib.losses.huber_loss(yhat, y)", "Huber(reduction='none')", grad=None)
TOY = Framework(
    "toy",
    "numpy",
    "",
    "numpy",
    (ROW,),
    {"toylib.losses.fair, tukey_loss": "need other losses"},
    without_row={"toylib.losses.hamming of labels": "MeanAbsoluteError"},
    offers=(Offer("toylib.losses", r"^[A-Za-z]", others="helper"), Offer("toy", r"obj$", names="made()", dot=" ")),
)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Framework:
    """A framework whose losses are the names of an object and what a function of its module returns."""
    module = ModuleType("reflosses.frameworks.toy")
    names = ["HuberLoss", "huber_loss", "fair", "tukey_loss", "hamming", "brand_new", "helper", "_hidden"]
    module.toylib = SimpleNamespace(losses=SimpleNamespace(**dict.fromkeys(names)))  # type: ignore[attr-defined]
    module.made = lambda: ["new_obj", "other"]  # type: ignore[attr-defined]
    module.FRAMEWORK = TOY  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(functions, "MODULES", (*functions.MODULES, "toy"))
    return TOY


def test_the_losses_of_a_framework_are_found_by_its_rules(toy: Framework) -> None:
    found = offered("toy")
    own = ["HuberLoss", "brand_new", "fair", "hamming", "tukey_loss"]  # huber_loss is the same loss
    assert found == ["toy new_obj", *(f"toylib.losses.{name}" for name in own)]


def test_each_loss_is_of_one_kind_and_a_new_one_is_on_no_list(toy: Framework) -> None:
    found = sorted_by_kind(toy, offered("toy"))
    assert found.losses == {
        "mapped": ["toylib.losses.HuberLoss"],
        "without a row": ["toylib.losses.hamming"],
        "not ours": ["toylib.losses.fair", "toylib.losses.tukey_loss"],
        "unlisted": ["toy new_obj", "toylib.losses.brand_new"],
    }
    assert found.counts == (6, 1, 1, 2, 2)
    assert not found.complete
    listed = replace(toy, not_covered={**toy.not_covered, "toylib.losses.brand_new": "x", "toy new_obj": "x"})
    assert sorted_by_kind(listed, offered("toy")).complete


def test_a_name_inside_of_another_is_not_listed(toy: Framework) -> None:
    found = sorted_by_kind(toy, ["toylib.losses.huber", "toylib.losses.fair_loss", "losses.fair"])
    assert found.counts == (3, 0, 0, 0, 3)


def test_the_names_of_an_entry() -> None:
    assert names_of("a.b.f, g, c.h") == ["a.b.f", "a.b.g", "c.h"] * 2
    assert names_of("a.f with other g") == ["a.f with other g", "a.f"]


def test_the_losses_of_scipy() -> None:
    """Its names as of SciPy 1.12 to 1.17, counted by hand: five kernels, two hubers, and so on."""
    (scipy,) = coverage(["scipy"])
    assert scipy.error == ""
    assert scipy.version == installed_version("scipy")
    assert scipy.complete, scipy.losses["unlisted"]
    names = {name for kind in scipy.losses.values() for name in kind}
    kernels = {name.split()[-1] for name in names if name.startswith("scipy.optimize.least_squares ")}
    assert kernels == {"linear", "soft_l1", "huber", "cauchy", "arctan"}
    assert {"scipy.special.huber", "scipy.special.pseudo_huber", "scipy.spatial.distance.cosine"} <= names
    assert not {name for name in names if name.endswith(("pdist", "squareform", "directed_hausdorff"))}


def test_a_framework_that_cannot_be_imported_is_named_and_one_that_hangs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covered, "ASK", "import no_such_module")
    (absent,) = coverage(["scipy"])
    assert absent.absent
    assert not absent.complete
    assert "no_such_module" in absent.error
    monkeypatch.setattr(covered, "ASK", "import os; os._exit(3)")
    assert coverage(["scipy"])[0].error == "its process ended with status 3"
    monkeypatch.setattr(covered, "ASK", "import time; time.sleep(60)")
    monkeypatch.setattr(covered, "LIMIT", 0.2)
    assert coverage(["scipy"])[0].error == "no answer within 0.2 s"


def test_every_row_is_that_of_an_offered_place() -> None:
    """A framework without a place to look at is one that runs the functions of another."""
    assert {framework.name for framework in frameworks() if not framework.offers} == {"onnxruntime"}
    assert find("xgboost.reg:logistic")[0].offers


def test_the_totals_in_print_are_those_of_the_page() -> None:
    """The page has the counts that were measured; a line of it for each framework is a test of `make frameworks`."""
    lines = written()
    assert set(lines) == {framework.name for framework in frameworks() if framework.offers}
    assert PAGE.read_text("utf-8") == page(lines)
    losses, mapped, *_ = totals(lines)
    texts = [(ROOT / name).read_text("utf-8") for name in ("README.md", "derivations/README.md")]
    printed = [
        found for text in texts for found in re.findall(r"(\d+)\s+of\s+the\s+(\d+)\s+losses\s+that\s+frameworks", text)
    ]
    assert printed
    assert set(printed) == {(str(mapped), str(losses))}


# ---- the command -----------------------------------------------------------------------------------------------------


def made(*losses: list[str], error: str = "") -> list[Coverage]:
    return [Coverage("scipy", "1.2", dict(zip(covered.KINDS, losses, strict=True)), error)]


def run(monkeypatch: pytest.MonkeyPatch, found: list[Coverage], *arguments: str) -> int:
    monkeypatch.setattr("reflosses.__main__.coverage", lambda names: found)
    return main(["coverage", *arguments])


def test_the_command_prints_a_line_for_each_framework(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    found = made(["a", "b"], ["c"], ["d", "e", "f"], [])
    assert run(monkeypatch, found * 2, "--format", "markdown") == 0
    out = capsys.readouterr().out
    assert "| scipy 1.2 | 6 | 2 | 1 | 3 | 0 |\n" in out
    assert "| all | 12 | 4 | 2 | 6 | 0 |\n" in out
    assert "- without a row: c\n" in out


def test_a_loss_on_no_list_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert run(monkeypatch, made([], [], [], ["a.new_loss"]), "--format", "markdown") == 1
    assert "- on no list: a.new_loss\n" in capsys.readouterr().out
    assert run(monkeypatch, made([], [], [], ["a.new_loss"]), "--format", "json") == 1
    whole = json.loads(capsys.readouterr().out)
    assert whole["ok"] is False
    assert whole["frameworks"][0]["losses"]["unlisted"] == ["a.new_loss"]


def test_what_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    nothing: list[list[str]] = [[], [], [], []]
    absent = made(*nothing, error="ModuleNotFoundError: No module named 'jax'")
    assert run(monkeypatch, absent, "--format", "markdown") == 0
    assert "scipy cannot be imported: ModuleNotFoundError: No module named 'jax'" in capsys.readouterr().out
    assert run(monkeypatch, made(*nothing, error="OSError: x"), "--format", "markdown") == 1
    assert "scipy was not read: OSError: x" in capsys.readouterr().out


def test_misuse(capsys: Any) -> None:
    for arguments in (["--against", "nosuch"], ["--format", "junit"], ["--against", "scipy", "--out", "/no/such/f"]):
        with pytest.raises(SystemExit) as ended:
            main(["coverage", *arguments])
        assert ended.value.code == 2
