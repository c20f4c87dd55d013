"""The command line, from the outside."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import reflosses
from reflosses import __main__, catalogue
from reflosses.__main__ import main
from reflosses.comparison.candidate import InProcess, NumPy
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import Comparison, Deviation, RegimeRow, Tally, title
from reflosses.comparison.worst_numbers import WorstNumbers
from reflosses.diagnosis.hypotheses import HYPOTHESES
from reflosses.frameworks.function import frameworks
from reflosses.frameworks.isolation import Source
from reflosses.frameworks.loading import load_target
from reflosses.reporting import asked, explain, output
from reflosses.reporting.rows import Report
from reflosses.teaching.page import without_block
from reflosses.truth import arithmetic

LOSSES = catalogue.losses()
QUICK = ["verify", "--points", "10", "--loss", "Hinge", "--against", "none"]
OTHERS = ["verify", "--points", "1", "--loss", "Huber", "--against", "scipy", "--dtype", "float64"]
OTHERS += ["--regime", "F"]
HUBER = ["--loss", "Huber", "delta=0.75", "--regime", "D"]

VANISHED = """
[[deviation]]
function = "scipy.special.huber"
dtype = "*"
regime = "F"
what = "value"
verdict = "overflow"
"""

CANDIDATES = """
import os
import pathlib
import time

import numpy as np
import reflosses

LOSS = reflosses.Huber(delta=0.75)
number = 3

def right(y, yhat):
    return LOSS.value_and_grad(y, yhat)

def half(y, yhat):
    value, grad = right(y, yhat)
    return value / 2, grad / 2

def value(y, yhat):
    return LOSS.value(y, yhat)

def gradient(y, yhat):
    return LOSS.grad(y, yhat)

def talks(y, yhat):
    print("no JSON", flush=True)
    return value(y, yhat)

def raises(y, yhat):
    raise RuntimeError("not today")

def crashes(y, yhat):
    os._exit(3)

def hangs(y, yhat):
    pathlib.Path("hanging").touch()
    time.sleep(1000)

def hangs_in_float32(y, yhat):
    return hangs(y, yhat) if yhat.dtype == np.float32 else value(y, yhat)

def classes(y, yhat):
    if y.ndim > 1:
        raise TypeError("indices only")
    return reflosses.CrossEntropy().value(y, yhat)
"""

every_loss = pytest.mark.parametrize("name", LOSSES)
interrupts = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that only one process gets")


@pytest.fixture
def candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a module of somebody's functions, which is the current one."""
    (tmp_path / "mine.py").write_text(CANDIDATES, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"] + ["rich", "rich.console"]:
        monkeypatch.setitem(sys.modules, name, None)


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say that standard error is one."""
    pytest.importorskip("rich", reason="needs the extra [cli]: rich")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def status(*arguments: str) -> Any:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code


Captured = pytest.CaptureFixture[str]


# ---- verify ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("flint")
def test_verify_prints_tables_and_says_so_by_its_status(capsys: Captured) -> None:
    pytest.importorskip("rich", reason="needs the extra [cli]: rich")
    assert main(QUICK) == 0
    out, err = capsys.readouterr()
    assert "1. Our losses" in out
    assert "certified" in out
    assert "Our own certification holds" in out
    assert "2. Functions" not in out  # nobody asked for them
    assert "\x1b" not in out
    assert err == ""


@pytest.mark.usefixtures("flint")
def test_verify_fails_if_our_certification_does(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    right = reflosses.Hinge.losses
    monkeypatch.setattr(reflosses.Hinge, "losses", lambda self, *terms: 2 * right(self, *terms))
    assert main(QUICK) == 1
    assert "Our own certification does not hold" in capsys.readouterr().out


def test_without_flint_verify_fails_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(arithmetic, "available", lambda: False)
    assert main([*QUICK, "--format", "markdown"]) == 1
    assert (
        "our losses are not certified here, which needs python-flint: pip install 'reflosses[truth]'"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "required: COMMAND"),
        (("nonsense",), "invalid choice: 'nonsense'"),
        (("verify", "--loss", "Nonsense"), "no loss is named 'Nonsense'"),
        (("verify", "--loss", "huber"), "no loss is named 'huber'; did you mean Huber?"),
        (("verify", "--points", "0"), "0 is not at least 1"),
        (("verify", "--points", "many"), "'many' is no integer"),
        (("verify", "--seed", "-1"), "-1 is negative"),
        (("verify", "--format", "html"), "invalid choice: 'html'"),
        (("verify", "--dtype", "float8"), "no dtype is named 'float8'; did you mean float64? there are float64, "),
        (("verify", "--regime", "Z"), "no regime is named 'Z'; there are moderate: "),
        (("verify", "--regime", "saturated"), "'saturated' is in the titles of several regimes; there are A: "),
        (("verify", "--regime", "F,batchs"), "no regime is named 'batchs'; did you mean batches?"),
        (("verify", "--level", "digit"), "did you mean digits?"),
        (("chekc", "mine:right"), "did you mean check?"),
        (("verify", "--against", "torh"), "no framework is named 'torh'; did you mean torch?"),
        (("verify", "--limit", "0"), "0 is not above 0, and at most a day"),
        (("verify", "--limit", "nan"), "nan is not above 0, and at most a day"),
        (("verify", "--limit", "soon"), "'soon' is no number"),
        (("verify", "--against", "nonsense"), "no framework is named 'nonsense'; there are scipy, sklearn, sgd, torch"),
        (("verify", "--against", "scipy,,sklearn"), "no framework is named ''"),
        (("verify", "--out", "not/a/folder/report.md"), "--out not/a/folder/report.md: cannot be written"),
        (("verify", "--out", "."), "--out .: cannot be written"),
        (("verify", "--write-expect", "not/a/folder/x"), "--write-expect not/a/folder/x: cannot be written"),
        (("verify", "--expect", "not/a/file"), "--expect not/a/file: No such file"),
        (("verify", "Huber"), "unrecognized arguments: Huber"),
        (("verify", "--points", "9" * 30), "is not at most 1000000000"),
        (("verify", "--seed", "9" * 5000), "(5000 characters)' is no integer"),
        (("check", "mine:right", "--config", "checks.toml"), "a target and --config are not allowed together"),
        (("check", "--config", "not/a/file"), "--config not/a/file: No such file"),
        (("check", "mine:right", "--order", "target"), "did you mean target_first?"),
        (("check", "mine:right", "--returns", "gradients"), "did you mean gradient?"),
        (("check", "mine:right"), "one of the arguments --loss --as is required"),
        (("check", "mine:right", "--loss", "Nonsense"), "no loss is named 'Nonsense'"),
        (("check", "mine:right", "--loss", "Huber", "delta"), "'delta' is not KEY=VALUE"),
        (("check", "mine:right", "--loss", "Huber", "=3"), "'=3' is not KEY=VALUE"),
        (("check", "mine:right", "--loss", "Huber", "delta=-3"), "delta is -3, not a finite number in (0, inf)"),
        (("check", "mine:right", "--loss", "Huber", "delta=x"), "delta must be an array of real numbers"),
        (
            ("check", "mine:right", "--loss", "Huber", "gamma=3"),
            "Huber has no parameter 'gamma'; it takes delta, reduction",
        ),
        (
            ("check", "mine:right", "--loss", "Huber", "detla=3"),
            "Huber has no parameter 'detla'; did you mean delta? it",
        ),
        (("check", "mine:right", "--loss", "Hubber"), "no loss is named 'Hubber'; did you mean Huber?"),
        (("verify", "--loss", "Focl"), "no loss is named 'Focl'; did you mean Focal?"),
        (
            ("check", "mine:right", "--as", "torch.smoth_l1_loss"),
            "did you mean torch.smooth_l1_loss? reflosses explain",
        ),
        (("check", "mine:right", "--as", "torch.huber_loss", "detla=3"), "has no parameter 'detla' here; it takes"),
        (("check", "mine:right", "--as", "Huber"), "no function is named 'Huber'; "),
        (("check", "mine:right", "--as", "torch.nonsense"), "reflosses explain FRAMEWORK lists those of scipy, "),
        (("check", "mine:right", "--as", "torch.huber_loss", "x=3"), "torch.huber_loss has no parameter 'x' here"),
        (("check", "mine:right", "--as", "scipy.special.huber", "--loss", "Huber"), "not allowed with argument"),
        (("check", "mine:right", "--loss", "Huber", "--framework", "scipy"), "invalid choice: 'scipy'"),
        (("check", "mine:right", "--loss", "Huber", "--targets", "all"), "invalid choice: 'all'"),
        (("check", "mine:right", "--loss", "Huber", "--points", "3"), "unrecognized arguments: --points 3"),
        (("hunt",), "required: TARGET"),
        (("hunt", "mine:right"), "one of the arguments --loss --as is required"),
        (("hunt", "mine:right", "--loss", "Hubber"), "no loss is named 'Hubber'; did you mean Huber?"),
        (("hunt", "mine:right", "--loss", "Huber", "--seconds", "0"), "0 is not above 0, and at most a day"),
        (("hunt", "mine:right", "--loss", "Huber", "--points", "0"), "0 is not at least 1"),
        (("hunt", "mine:right", "--loss", "Huber", "--format", "junit"), "invalid choice: 'junit'"),
        (("hunt", "mine:right", "--loss", "Huber", "--level", "digits"), "unrecognized arguments: --level digits"),
        (("show",), "required: NAME"),
        (("show", "Nonsense"), "no loss is named 'Nonsense'"),
        (("hypotheses", "--loss", "huber"), "did you mean Huber?"),
        (("explain",), "required: NAME"),
        (("explain", "Hubber"), "no function is named 'Hubber'; did you mean"),
        (("explain", ""), "no function is named ''"),
        (("explain", "nonsense"), "reflosses explain FRAMEWORK lists those of scipy, "),
        (("explain", "torch.nn.huber"), "did you mean torch.huber_loss? there are scipy.optimize.least"),
        (("list", "Huber"), "unrecognized arguments: Huber"),
    ],
)
def test_misuse_exits_2_and_says_why(arguments: tuple[str, ...], why: str, capsys: Captured) -> None:
    assert status(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: reflosses")
    assert "error: " in err
    assert why in err
    if "Nonsense" in arguments:
        assert all(name in err for name in LOSSES)
    assert ("FocalWithLogits" in err) == ("Nonsense" in arguments)  # one near name is enough


def test_a_framework_that_is_not_installed_cannot_be_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    gone = [replace(f, package="no-such-package", extra="such") for f in frameworks()]
    monkeypatch.setattr(__main__, "frameworks", lambda: iter(gone))
    assert status("verify", "--against", "torch") == 2
    assert "error: no-such-package is not installed: pip install 'reflosses[such]'\n" in capsys.readouterr().err


@pytest.mark.usefixtures("flint")
def test_verify_writes_json(capsys: Captured) -> None:
    assert main([*QUICK, "--loss", "Huber", "--seed", "7", "--format", "json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert (whole["seed"], whole["points"], whole["ok"]) == (7, 10, True)
    assert [row["name"] for row in whole["legs"][0]["rows"]] == ["Hinge", "Huber"]


@pytest.mark.usefixtures("flint")
def test_verify_asks_what_is_asked_for(capsys: Captured) -> None:
    arguments = [
        "--dtype",
        "float32",
        "--regime",
        "D",
        "--against",
        " scipy,scipy",
        "--limit",
        "60",
        "--format",
        "json",
    ]
    assert main([*OTHERS, *arguments]) == 0
    functions = json.loads(capsys.readouterr().out)["legs"][1]["rows"]
    assert {row["framework"] for row in functions} == {"scipy"}
    assert {row["name"] for row in functions} == {"scipy.optimize.least_squares huber", "scipy.special.huber"}
    assert {row["dtype"] for row in functions} == {"float64", "float32"}
    assert {tuple(r["regime"] for r in row["result"]["rows"]) for row in functions} == {("D", "F")}


@pytest.mark.usefixtures("flint")
@pytest.mark.parametrize(
    ("name", "more", "start"),
    [
        ("report.json", [], "{"),
        ("report.JSON", [], "{"),
        ("report.md", [], "## 1."),
        ("report.xml", [], "<?xml"),
        ("report.txt", ["--format", "json"], "{"),
        ("report.json", ["--format", "markdown"], "## 1."),
    ],
)
def test_verify_writes_to_a_file(name: str, more: list[str], start: str, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / name
    assert main([*QUICK, *more, "--out", str(file)]) == 0
    out, err = capsys.readouterr()
    assert file.read_text("utf-8").startswith(start)
    assert out == ""
    assert err.rstrip().endswith(f"Written to {file}.")


@pytest.mark.usefixtures("flint")
def test_a_table_in_a_file_is_plain_text(tmp_path: Path) -> None:
    pytest.importorskip("rich", reason="needs the extra [cli]: rich")
    file = tmp_path / "report.txt"
    assert main([*QUICK, "--out", str(file)]) == 0
    text = file.read_text("utf-8")
    assert "\x1b" not in text
    assert "─────" in text


@pytest.mark.usefixtures("flint", "no_rich")
def test_without_rich_tables_are_markdown(capsys: Captured) -> None:
    assert main(QUICK) == 0
    out, err = capsys.readouterr()
    assert "| Hinge |" in out
    assert err == f"{__main__.NO_RICH}\n"


@pytest.mark.usefixtures("flint")
def test_a_progress_bar_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    on_a_terminal(monkeypatch)
    assert main([*QUICK, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert "certification" in err
    json.loads(out)


@pytest.mark.usefixtures("flint")
def test_known_deviations_of_others_are_written_and_expected(tmp_path: Path, capsys: Captured) -> None:
    known = tmp_path / "known.toml"
    assert main([*OTHERS, "--write-expect", str(known)]) == 0
    text = known.read_text("utf-8")
    assert 'function = "scipy.optimize.least_squares huber(f_scale=0.75)"' in text
    capsys.readouterr()

    assert main([*OTHERS, "--expect", str(known), "--format", "junit"]) == 0
    assert ET.fromstring(capsys.readouterr().out.encode()).get("failures") == "0"

    start, _, *others = text.split("[[deviation]]")
    known.write_text("[[deviation]]".join([start, *others]) + VANISHED, "utf-8")
    assert main([*OTHERS, "--expect", str(known), "--format", "json"]) == 1
    whole = json.loads(capsys.readouterr().out)
    assert whole["ok"] is True  # of ours
    assert [line.partition(":")[0] for line in whole["unlisted"]] == ["unlisted"]
    assert "scipy.optimize.least_squares huber(f_scale=0.75), float64: huge (F): " in whole["unlisted"][0]
    (vanished,) = whole["vanished"]
    assert vanished.startswith("vanished: scipy.special.huber, *, F, value: overflow (")


@pytest.mark.usefixtures("flint")
def test_differences_from_a_list_are_printed(tmp_path: Path, capsys: Captured) -> None:
    known = tmp_path / "known.toml"
    known.write_text(VANISHED, "utf-8")
    for more in ([], ["--format", "markdown"]):
        assert main([*OTHERS, "--expect", str(known), *more]) == 1
        out = capsys.readouterr().out
        assert "unlisted: scipy.optimize.least_squares huber(f_scale=0.75), float64: huge (F): " in out
        assert "vanished: scipy.special.huber, *, F, value: overflow" in out
        assert "unlisted deviations, 1 vanished." in " ".join(out.split())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 3", "'x' is not known here"),
        ("[[deviation", "known.toml: "),
        ("[[deviation]]\nfunction = 'a'", "line 1: 'dtype' is missing"),
    ],
)
def test_a_list_that_cannot_be_read_is_misuse(text: str, why: str, tmp_path: Path, capsys: Captured) -> None:
    known = tmp_path / "known.toml"
    known.write_text(text, "utf-8")
    for command in (QUICK, ["check", "mine:right", "--loss", "Huber"]):
        assert status(*command, "--expect", str(known)) == 2
        err = capsys.readouterr().err
        assert f"error: --expect {known}" in err
        assert why in err


def interrupted(*arguments: str, ready: Path | None = None) -> tuple[int, str, str]:
    """What a program says that is interrupted, once a file is there or the command has begun."""
    code = "import sys, reflosses.__main__ as m; print('ready', file=sys.stderr, flush=True); "
    code += f"sys.exit(m.main({list(arguments)}))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        for _ in range(600):
            time.sleep(0.1 if ready else 1.0)
            if ready is None or ready.exists():
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@interrupts
@pytest.mark.usefixtures("flint")
def test_an_interrupt_prints_what_is_done_and_exits_130(tmp_path: Path) -> None:
    known = tmp_path / "known.toml"
    known.write_text("# mine", "utf-8")
    arguments = ["verify", "--points", "1000000", "--loss", "Hinge", "--format", "json", "--write-expect", str(known)]
    code, out, err = interrupted(*arguments)
    assert code == 130, err
    assert json.loads(out)["interrupted"] is True
    assert known.read_text("utf-8") == "# mine"  # half of the deviations are no list


@interrupts
def test_an_interrupted_check_prints_the_dtypes_that_are_done(candidates: Path) -> None:
    both = ["--dtype", "float64", "--dtype", "float32", "--format", "json"]
    code, out, err = interrupted("check", "mine:hangs_in_float32", *HUBER, *both, ready=candidates / "hanging")
    assert code == 130, err
    assert err == "Interrupted: only what was done so far.\n"
    whole = json.loads(out)
    assert (whole["interrupted"], whole["ok"]) == (True, False)
    assert [(r["dtype"], r["verdict"]) for r in whole["results"]] == [("float64", "right")]


def test_an_interrupt_of_anything_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> dict[str, type]:
        raise KeyboardInterrupt

    monkeypatch.setattr(catalogue, "losses", stop)
    assert main(["list"]) == 130


# ---- check -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("candidates")
def test_check_says_right_by_its_table_and_its_status(capsys: Captured) -> None:
    pytest.importorskip("rich", reason="needs the extra [cli]: rich")
    assert main(["check", "mine:right", *HUBER]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("mine:right against Huber(delta=0.75, reduction='mean'), float64: right\n")
    assert "exact points and their neighbours (D)" in out
    assert err == ""


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize("width", ["80", "100"])
def test_check_says_wrong_with_lines_to_paste(width: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    pytest.importorskip("rich", reason="needs the extra [cli]: rich")
    monkeypatch.setenv("COLUMNS", width)
    assert main(["check", "mine:half", *HUBER]) == 1
    out = capsys.readouterr().out
    assert "inaccurate\n" in out
    assert "import numpy as np\ny = np.array([" in out
    assert all(len(line) <= int(width) for line in out.splitlines())


@pytest.mark.usefixtures("candidates")
def test_check_writes_json(capsys: Captured) -> None:
    dtypes = ["--dtype", "float32", "--dtype", "float64", "--dtype", "float32"]
    arguments = [*HUBER, *dtypes, "--regime", "moderate", "--seed", "7", "--format", "json"]
    assert main(["check", "mine:half", *arguments]) == 1
    whole = json.loads(capsys.readouterr().out, parse_constant=lambda c: pytest.fail(f"{c} is no JSON"))
    assert set(whole) == {"schema", "ok", "interrupted", "versions", "results"}
    assert (whole["schema"], whole["ok"], whole["interrupted"]) == (output.SCHEMA, False, False)
    assert [(r["dtype"], r["seed"], r["name"]) for r in whole["results"]] == [
        ("float32", 7, "mine:half"),
        ("float64", 7, "mine:half"),
    ]
    assert [[row["regime"] for row in r["rows"]] for r in whole["results"]] == [["moderate", "D"]] * 2


@pytest.mark.usefixtures("candidates")
def test_check_writes_junit_and_markdown_to_a_file(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "found.xml"
    assert main(["check", "mine:half", *HUBER, "--out", str(file)]) == 1
    (case,) = ET.fromstring(file.read_bytes()).iter("testcase")
    assert (case.get("classname"), case.get("name")) == ("Huber", "mine:half, float64")
    assert case.find("failure") is not None
    assert capsys.readouterr().err == (f"mine:half, float64: not the loss: inaccurate. Written to {file}.\n")

    file = tmp_path / "found.md"
    assert main(["check", "mine:right", *HUBER, "--out", str(file)]) == 0
    assert "| exact points and their neighbours (D) | 21 | right (0 ulp) | right (0 ulp) |" in file.read_text("utf-8")


@pytest.mark.usefixtures("candidates", "no_rich")
def test_check_without_rich_is_markdown(capsys: Captured) -> None:
    assert main(["check", "mine:right", *HUBER]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(
        "### mine:right against Huber(delta=0.75, reduction='mean') in float64: digits and range hold\n"
    )
    assert err == f"{__main__.NO_RICH}\n"


@pytest.mark.usefixtures("candidates")
def test_check_draws_a_progress_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    on_a_terminal(monkeypatch)
    assert main(["check", "mine:right", *HUBER, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert "check: mine:right, float64" in err
    json.loads(out)


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize(
    ("arguments", "gradients"),
    [
        (["mine:value", *HUBER, "--grad", "none"], False),
        (["mine:value", *HUBER], False),
        (["mine:value", *HUBER, "--grad", "mine:gradient"], True),
        (["mine:right", *HUBER, "--framework", "numpy"], True),
        (["mine:right", "--as", "scipy.optimize.least_squares huber", "f_scale=0.75", "--regime", "D"], None),
        (["mine:right", "--as", "torch.huber_loss", "delta=0.75", "reduction=mean", "--regime", "D"], True),
    ],
)
def test_what_is_asked_of_a_candidate(arguments: list[str], gradients: bool | None, capsys: Captured) -> None:
    code = main(["check", *arguments, "--format", "json"])
    (found,) = json.loads(capsys.readouterr().out)["results"]
    if gradients is None:  # one loss a residual, not their mean
        assert (code, found["verdict"]) == (1, "other convention")
        return
    assert (code, found["verdict"]) == (0, "right")
    assert (found["rows"][0]["gradient"]["points"] > 0) == gradients


@pytest.mark.usefixtures("candidates")
def test_the_targets_that_are_asked_for(capsys: Captured) -> None:
    arguments = ["check", "mine:classes", "--loss", "CrossEntropy", "--regime", "moderate", "--targets"]
    assert [main([*arguments, kind]) for kind in ("index", "rows")] == [0, 1]
    assert "TypeError: indices only" in capsys.readouterr().out


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        ("raises", [], "RuntimeError: not today"),
        ("crashes", [], "its process exited with status 3"),
        ("hangs", ["--limit", "0.25"], "it gives no answer within 0.25 s"),
    ],
)
def test_a_candidate_that_crashes_or_hangs_is_wrong(name: str, more: list[str], why: str, capsys: Captured) -> None:
    assert main(["check", f"mine:{name}", *HUBER, *more, "--format", "markdown"]) == 1
    out = capsys.readouterr().out
    assert " in float64: crash\n" in out
    assert why in out


@pytest.mark.usefixtures("candidates")
def test_what_a_candidate_prints_is_not_in_the_report(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "mine:talks", *HUBER, "--format", "json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["ok"] is True
    assert err == ""


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize(
    ("candidate", "more", "why"),
    [
        ("nowhere:right", [], "nowhere:right cannot be loaded: ModuleNotFoundError: No module named 'nowhere'"),
        ("mine:nothing", [], "mine:nothing cannot be loaded: AttributeError: "),
        ("mine:number", [], "mine:number is of type int, and cannot be called"),
        ("mine.right", [], "'mine.right' is not of the form package.module:function"),
        ("mine:right", ["--grad", "gradient"], "'gradient' is not of the form package.module:function"),
        ("mine:right", ["--grad", "mine:number"], "mine:number is of type int, and cannot be called"),
        ("mine:right", ["--framework", "tensorflow"], "No module named 'tensorflow'"),
    ],
)
def test_a_candidate_that_cannot_be_loaded_is_misuse(
    candidate: str, more: list[str], why: str, capsys: Captured
) -> None:
    assert status("check", candidate, *HUBER, *more, "--out", "report.md") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert not Path("report.md").exists()


# ---- hunt ------------------------------------------------------------------------------------------------------------

HUNT = ["--loss", "Huber", "delta=0.75", "--points", "200"]


@pytest.fixture
def here(candidates: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Candidates in this process, which saves the start of another one."""

    def in_this_process(source: Source, dtype: str, **_: Any) -> InProcess:
        function = load_target(source.name.replace(":", ".py:"))
        return InProcess(function, NumPy(FORMATS[dtype]), source.grad, source.order, source.returns)

    monkeypatch.setattr(__main__, "Isolated", in_this_process)
    return candidates


@pytest.mark.usefixtures("here")
def test_hunt_writes_json_and_says_wrong_by_its_status(capsys: Captured) -> None:
    assert main(["hunt", "mine:right", *HUNT, "--format", "json"]) == 0
    assert main(["hunt", "mine:right", "mine:half", *HUNT, "--seed", "3", "--format", "json"]) == 1
    out, err = capsys.readouterr()
    right, both = (json.loads(text) for text in out.replace("}\n{", "}\x00{").split("\x00"))
    assert (right["ok"], both["ok"]) == (True, False)
    assert [(r["name"], r["ok"], r["seed"]) for r in both["results"]] == [
        ("mine:right", True, 3),
        ("mine:half", False, 3),
    ]
    assert both["results"][1]["value"]["ulp"] > 1e15  # half of the value: all digits are wrong
    assert err == ""


@pytest.mark.usefixtures("here")
def test_hunt_writes_text_and_markdown(capsys: Captured) -> None:
    assert main(["hunt", "mine:gradient", "--returns", "gradient", *HUNT, "--dtype", "float32,float64"]) == 0
    out = capsys.readouterr().out
    assert "mine:gradient against Huber(delta=0.75, reduction='mean') in float32: no wrong number found\n" in out
    assert out.count("Largest error of the gradient: ") == out.count("    y, yhat = np.array(") == 2
    assert "Largest error of the value" not in out
    assert main(["hunt", "mine:half", *HUNT, "--out", "hunt.md"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(": wrong numbers found. Written to hunt.md.\n")
    assert Path("hunt.md").read_text("utf-8").startswith("### mine:half against Huber(")


@pytest.mark.usefixtures("candidates")
def test_hunt_survives_a_candidate_that_ends_its_process(capsys: Captured) -> None:
    assert main(["hunt", "mine:crashes", *HUNT]) == 1
    assert "Wrong: crash: its process exited with status 3" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_an_interrupted_hunt_prints_what_it_found(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def stopped(candidate: Any, loss: Any, **options: Any) -> WorstNumbers:
        raise KeyboardInterrupt(WorstNumbers(options["name"], str(loss), options["dtype"], 0, interrupted=True))

    monkeypatch.setattr(__main__, "hunt", stopped)
    assert main(["hunt", "mine:right", *HUNT, "--format", "json"]) == 130
    out, err = capsys.readouterr()
    assert err == "Interrupted: only what was done so far.\n"
    assert [(r["name"], r["interrupted"]) for r in json.loads(out)["results"]] == [("mine:right", True)]


@pytest.mark.usefixtures("here")
def test_hunt_draws_a_progress_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    on_a_terminal(monkeypatch)
    assert main(["hunt", "mine:right", *HUNT, "--format", "json"]) == 0
    assert "hunt: mine:right, float64" in capsys.readouterr().err


# ---- exhaust ---------------------------------------------------------------------------------------------------------

EXHAUST = ["--loss", "Huber", "delta=0.75", "reduction=none", "--y", "0"]
EACH = """
import numpy as np
import reflosses

LOSS = reflosses.Huber(delta=0.75, reduction="none")
right = LOSS.value_and_grad

def wrong(y, yhat):
    value, grad = LOSS.value_and_grad(y, yhat)
    return np.where(np.asarray(yhat, float) == 1.5, 0.0, value), grad
"""


@pytest.fixture
def each(here: Path) -> None:
    pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")
    (here / "each.py").write_text(EACH, "utf-8")


@pytest.mark.usefixtures("each")
def test_exhaust_counts_every_number_and_says_wrong_by_its_status(capsys: Captured) -> None:
    assert main(["exhaust", "each:right", *EXHAUST]) == 0
    assert "each:right against Huber" in (out := capsys.readouterr().out)
    assert "every number is right" in " ".join(out.split())
    assert (
        main(["exhaust", "each:right", "each:wrong", *EXHAUST, "--dtype", "bfloat16,float16", "--format", "json"]) == 1
    )
    told = json.loads(capsys.readouterr().out)
    counts = [
        (r["name"], r["dtype"], r["ok"], r["targets"][0]["value"]["asked"], r["targets"][0]["value"]["right"])
        for r in told["results"]
    ]
    assert counts == [
        ("each:right", "bfloat16", True, 65280, 65280),
        ("each:right", "float16", True, 63488, 63488),
        ("each:wrong", "bfloat16", False, 65280, 65279),
        ("each:wrong", "float16", False, 63488, 63487),
    ]


@pytest.mark.usefixtures("each")
def test_exhaust_tells_where_it_is_wrong(capsys: Captured) -> None:
    assert main(["exhaust", "each:wrong", *EXHAUST, "--out", "census.md"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.endswith("Written to census.md.\n")) == ("", True)
    assert "| y = 0 | value | spurious zero | 1.5 | 1.5 | 1 | 0.0015 % | formula |" in Path("census.md").read_text(
        "utf-8"
    )


@pytest.mark.usefixtures("each")
def test_exhaust_refuses_what_it_cannot_do(capsys: Captured) -> None:
    for more, message in (
        (["--dtype", "float64"], "float64 has 1.8e19 numbers"),
        (["--y", "0.3"], "y is 0.3, no number of bfloat16; the nearest is 0.30078125"),
        (["--y", "a"], "'a' is no number, nor several with commas"),
        (["--dtype", "bfloat15"], "did you mean bfloat16?"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["exhaust", "each:right", *EXHAUST, *more])
        assert stop.value.code == 2
        assert message in capsys.readouterr().err


@pytest.mark.usefixtures("each")
def test_an_interrupted_exhaust_prints_what_is_done(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    done = []

    def tick(leg: str, name: str, count: int, total: int) -> None:
        done.append(count)
        if count:
            raise KeyboardInterrupt

    @contextmanager
    def progress() -> Iterator[Any]:
        yield tick

    monkeypatch.setattr(__main__, "_progress", progress)
    assert main(["exhaust", "each:right", *EXHAUST, "--format", "json"]) == 130
    out, err = capsys.readouterr()
    assert err == "Interrupted: only what was done so far.\n"
    (result,) = json.loads(out)["results"]
    assert (result["interrupted"], result["ok"], result["holds"]) == (True, False, [])


# ---- check, in detail ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("candidates")
def test_nothing_asked_is_not_right(capsys: Captured) -> None:
    arguments = ["check", "mine:right", "--loss", "Huber", "delta=0.75", "--regime", "C", "--format", "markdown"]
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert "nothing could be asked" in out
    assert f"nothing was asked: Huber has no inputs in the regimes {title('C')}. It has inputs in: " in out
    Path("known.toml").touch()
    assert main([*arguments, "--expect", "known.toml"]) == 1


@pytest.mark.usefixtures("candidates")
def test_known_deviations_of_a_candidate_are_written_and_expected(capsys: Captured) -> None:
    known = Path("known.toml")
    arguments = ["check", "mine:half", *HUBER, "--format", "junit"]
    assert main([*arguments, "--write-expect", str(known)]) == 0  # what is written is expected from now on
    capsys.readouterr()

    assert main([*arguments, "--expect", str(known)]) == 0
    out, err = capsys.readouterr()
    assert ET.fromstring(out.encode()).get("failures") == "0"
    assert err == "Against the list: 0 unlisted deviations, 0 vanished.\n"

    text = known.read_text("utf-8")
    known.write_text(text.replace('what = "value"', 'what = "gradient"'), "utf-8")
    assert main([*arguments, "--expect", str(known)]) == 1
    out, err = capsys.readouterr()
    assert ET.fromstring(out.encode()).get("failures") == "1"
    assert "unlisted: mine:half, float64: exact points and their neighbours (D): " in err

    known.write_text(text, "utf-8")
    assert main(["check", "mine:right", *HUBER, "--format", "junit", "--expect", str(known)]) == 0
    mine = text.replace("mine:half", "mine:right")
    known.write_text(mine, "utf-8")
    capsys.readouterr()
    assert main(["check", "mine:right", *HUBER, "--format", "junit", "--expect", str(known)]) == 1
    out, err = capsys.readouterr()
    assert "vanished: mine:right, float64, D, value: inaccurate (known.toml, line " in err
    assert ET.fromstring(out.encode()).get("failures") == "2"


@pytest.mark.usefixtures("candidates")
def test_several_functions_in_one_command(capsys: Captured) -> None:
    asks = ["check", "mine:right", *HUBER[:2], "mine:half", HUBER[2], "--seed", "7", "mine:value", *HUBER[3:]]
    assert main([*asks, "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["results"]
    assert {r["name"]: r["ok"] for r in found} == {"mine:right": True, "mine:half": False, "mine:value": True}
    assert {r["seed"] for r in found} == {7}


class Recorder:
    """In the place of `check`: it keeps what it is asked, and finds what it is told to find."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *found: Deviation) -> None:
        self.asked: list[dict[str, Any]] = []
        self.found = list(found)
        monkeypatch.setattr(__main__, "check", self)
        monkeypatch.setattr(__main__, "Source", lambda name, **more: SimpleNamespace(name=name, **more))
        monkeypatch.setattr(__main__, "Isolated", lambda source, dtype, **_: source)

    def __call__(self, source: Any, loss: Any, *, tick: Any, **options: Any) -> Comparison:
        self.asked.append({"source": source, "loss": str(loss), **options})
        rows = [RegimeRow(r, Tally(3), Tally(3)) for r in options.get("regimes", ["moderate"])]
        level = options.get("level", "formula")
        more = {"worst": list(self.found), "level": level}
        return Comparison(options["name"], str(loss), options["dtype"], options["seed"], rows, **more)


def test_options_of_the_command_line_reach_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    options = ["--level", "digits", "--order", "prediction_first", "--returns", "objective", "--targets", "rows"]
    options += ["--regime", "f,infinite", "--regime", "moderate", "--dtype", "float32,float16", "--seed", "3"]
    assert main(["check", "mine:f", "--loss", "CrossEntropy", *options, "--framework", "torch", "--grad", "a:b"]) == 0
    one, other = recorder.asked
    assert (one["dtype"], other["dtype"]) == ("float32", "float16")
    assert {k: one[k] for k in ("level", "targets", "seed", "regimes")} == {
        "level": "digits",
        "targets": "rows",
        "seed": 3,
        "regimes": ["F", "G", "moderate"],
    }
    assert vars(one["source"]) == {
        "name": "mine:f",
        "grad": "a:b",
        "framework": "torch",
        "order": "prediction_first",
        "returns": "objective",
    }
    assert main(["check", "mine:f", "--as", "scipy.special.huber"]) == 0  # what it is, with its domain
    assert "level" not in recorder.asked[-1]  # `check` has its own default
    y, _ = recorder.asked[-1]["inputs"](np.array([3.0]), np.array([5.0]), 2.0**-52)
    assert y.tolist() == [0.0]


CHECKS = """
[tool.reflosses]
dtype = "float32"
level = "range"

[[tool.reflosses.check]]
target = ["mine:one", "mine:two"]
loss = "Huber"
parameters = { delta = 0.75 }
dtype = ["float64", "float32"]
regimes = "moderate,F"
seed = 5

[[tool.reflosses.check]]
target = "losses/three.py:three"
as = "torch.huber_loss"
grad = "none"
order = "prediction_first"
returns = "value"
framework = "torch"
"""


def test_checks_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recorder = Recorder(monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(CHECKS, "utf-8")
    assert main(["check"]) == 0
    told = [(a["source"].name, a["dtype"], a["level"], a["seed"], a["loss"]) for a in recorder.asked]
    huber, torch = "Huber(delta=0.75, reduction='mean')", "Huber(delta=1.0, reduction='mean')"
    assert told == [
        *[(f"mine:{n}", dtype, "range", 5, huber) for n in ("one", "two") for dtype in ("float64", "float32")],
        ("losses/three.py:three", "float32", "range", 0, torch),
    ]
    assert recorder.asked[0]["regimes"] == ["moderate", "F"]
    last = recorder.asked[-1]
    source = {"order": "prediction_first", "returns": "value", "grad": None, "framework": "torch"}
    assert vars(last["source"]) == {"name": "losses/three.py:three", **source}

    Path("checks.toml").write_text(CHECKS.replace("tool.reflosses.", "").replace("[tool.reflosses]", ""), "utf-8")
    recorder.asked.clear()
    assert main(["check", "--config", "checks.toml", "--level", "digits", "--seed", "9", "--dtype", "float16"]) == 0
    assert [(a["dtype"], a["level"], a["seed"]) for a in recorder.asked] == [("float16", "digits", 9)] * 3


START = "[[tool.reflosses.check]]\ntarget = 'a:b'\n"
HUBERS = START + "loss = 'Huber'\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[tool.other]\nx = 3", "no target is given; pyproject.toml: it has no table [tool.reflosses]"),
        ("[tool.reflosses]\nx = 3", "pyproject.toml: it has no table [[tool.reflosses.check]]"),
        ("[[tool.reflosses.check]]\nloss = 'Huber'", ".toml, [[tool.reflosses.check]] 1: key 'target' is missing"),
        (START, "needs one of the keys 'loss' and 'as'"),
        (HUBERS + "as = 'torch.huber_loss'", "needs one of the keys 'loss' and 'as'"),
        (HUBERS + START, "[[tool.reflosses.check]] 2: it needs"),
        (START + "los = 'Huber'", "key 'los' is not known; did you mean loss? a check has"),
        (START + "loss = 'huber'", "1, key 'loss': no loss is named 'huber'; did you mean Huber?"),
        (
            HUBERS + "parameters = {dleta = 1}",
            "1, key 'parameters': Huber has no parameter 'dleta'; did you mean delta? it takes delta, reduction",
        ),
        (HUBERS + "parameters = {delta = -1}", "'mean'): delta is -1, not a finite number in (0, inf)"),
        (HUBERS + "parameters = 3", "key 'parameters': it is 3, not a table"),
        ("[tool.reflosses]\ntarget = 3\nloss = 'Huber'", "1, key 'target': it is 3, not a text or a list of texts"),
        ("[tool.reflosses]\ntarget = []\nloss = 'Huber'", "1, key 'target': it is [], not a text or a list of texts"),
        (HUBERS + "level = 'digit'", "key 'level': no level is named 'digit'; did you mean digits?"),
        (HUBERS + "regimes = 'Z'", "key 'regimes': no regime is named 'Z'"),
        (HUBERS + "seed = -1", "key 'seed': it is -1, not a natural number"),
        (HUBERS + "dtype = 'f64'", "key 'dtype': no dtype is named 'f64'"),
        (START + "as = 'torch.huber_los'", "key 'as': no function is named 'torch.huber_los'"),
        ("x = " + "[" * 10000, "pyproject.toml: cannot be read: RecursionError"),
        ("[tool", "pyproject.toml: "),
    ],
)
def test_a_file_of_checks_that_says_nonsense_is_misuse(
    text: str, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(text, "utf-8")
    assert status("check") == 2
    assert why in capsys.readouterr().err


def test_a_check_of_nothing_is_misuse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured) -> None:
    monkeypatch.chdir(tmp_path)
    assert status("check") == 2
    assert "required: TARGET (or --command, --config, or a pyproject.toml)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parameter", "why"),
    [
        ("delta={[]:1}", "delta={[]:1} cannot be read: TypeError"),
        ("delta=" + "-" * 100_000 + "1", "(100001 characters) cannot be read: MemoryError"),
        ("delta=" + "[" * 100_000, "(100000 characters) is no value that a loss takes"),
        ("delta=" + "9" * 5000, "(5000 characters) is no value that a loss takes"),
        ("delta=" + "9" * 400, "(400 characters), too large for any format"),
        ("delta=[" + "9" * 400 + "]", "(402 characters), too large for any format"),
    ],
    ids=("a list as a key", "100,000 signs", "100,000 brackets", "5000 digits", "400 digits", "400 digits in a list"),
)
def test_a_parameter_that_cannot_be_read_is_misuse_in_one_line(parameter: str, why: str, capsys: Captured) -> None:
    assert status("check", "mine:right", "--loss", "Huber", parameter) == 2
    usage, error = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: ")
    assert why in error
    assert len(error) < 200


def test_a_class_to_ignore_of_400_digits_is_misuse(capsys: Captured) -> None:
    assert status("check", "m:f", "--loss", "CrossEntropy", "ignore_index=" + "9" * 400) == 2
    assert "ignore_index is 9999" in capsys.readouterr().err


def test_a_list_with_too_many_brackets_is_misuse(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "known.toml").write_text("x = " + "[" * 100_000, "utf-8")
    assert status(*QUICK, "--expect", str(tmp_path / "known.toml")) == 2
    assert "known.toml: cannot be read: RecursionError" in capsys.readouterr().err


def test_a_file_without_an_end_is_misuse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured) -> None:
    monkeypatch.setattr(asked, "MOST_OF_A_FILE", 100)  # such as /dev/zero
    (tmp_path / "known.toml").write_text("# " + "x" * 100, "utf-8")
    for option in ([*QUICK, "--expect"], ["check", "--config"]):
        assert status(*option, str(tmp_path / "known.toml")) == 2
        assert "known.toml: it has more than 100 characters" in capsys.readouterr().err


full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")


@full_disk
@pytest.mark.parametrize("option", ["--out", "--write-expect"])
def test_a_file_that_cannot_be_written_is_misuse(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    Recorder(monkeypatch)
    assert status("check", "m:f", "--loss", "Huber", option, "/dev/full") == 2
    assert capsys.readouterr().err.endswith(f"error: {option} /dev/full: No space left on device\n")


@full_disk
def test_an_output_that_is_full_is_misuse_and_no_traceback() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "reflosses", "list"]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr == "reflosses: error: standard output: No space left on device\n"


def deviation(verdict: str, regime: str) -> Deviation:
    level = "range" if verdict == "overflow" else "formula"
    return Deviation(regime, "100%, really:\nyes", "value", verdict, [0.0], [1.0], got=1.0, exact=2.0, level=level)


def test_annotations_for_github(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("import os\n\nclass A:\n    def f(y, yhat): ...\n\ng = A()\n", "utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    asks = ["--loss", "Huber", "--regime", "moderate", "--format", "github"]
    Recorder(monkeypatch, deviation("other convention", "moderate"))
    assert main(["check", "mine:A.f", "mine.py:g", "elsewhere:h", *asks]) == 1
    first, second, third = capsys.readouterr().out.splitlines()
    title = "title=mine%3AA.f%2C float64%3A not the loss%3A other convention"
    assert first.startswith(f"::error file=mine.py,line=4,{title}::")
    assert "100%25, really:%0Ayes" in first
    assert second.startswith("::error file=mine.py,line=6,title=mine.py%3Ag%2C")
    assert third.startswith("::error title=elsewhere%3Ah%2C")
    assert (tmp_path / "summary.md").read_text("utf-8").count("### ") == 3

    Recorder(monkeypatch)
    assert main(["check", "mine:A.f", *asks]) == 0
    assert capsys.readouterr().out == "mine:A.f, float64: It is the loss.\n"
    assert (tmp_path / "summary.md").read_text("utf-8").count("### ") == 4  # it is appended

    Recorder(monkeypatch, deviation("overflow", "F"))  # its limits are beyond the level that is asked for
    assert main(["check", "mine:A.f", *asks]) == 0
    assert capsys.readouterr().out.startswith("::notice file=mine.py,line=4,title=mine%3AA.f%2C float64%3A the loss")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    assert status("check", "mine:A.f", *asks) == 2
    assert "GITHUB_STEP_SUMMARY: Is a directory" in capsys.readouterr().err


@pytest.mark.usefixtures("flint")
def test_verify_annotates_what_does_not_hold(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    right = reflosses.Hinge.losses
    monkeypatch.setattr(reflosses.Hinge, "losses", lambda self, *terms: 2 * right(self, *terms))
    assert main([*QUICK, "--format", "github"]) == 1
    error, notice = capsys.readouterr().out.splitlines()
    assert error.startswith("::error title=certification%3A Hinge%2C float64::wrong: ")
    assert notice.startswith("::notice title=reflosses::Our own certification does not hold: 0 of 1 rows.")


def test_check_is_a_program(candidates: Path) -> None:
    command = [sys.executable, "-m", "reflosses", "check", "mine:half", *HUBER, "--format", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert json.loads(ran.stdout)["results"][0]["verdict"] == "inaccurate"


# ---- explain ---------------------------------------------------------------------------------------------------------


def test_explain_tells_what_a_function_equals(capsys: Captured) -> None:
    assert main(["explain", "torch.huber_loss"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("torch.huber_loss(reduction='mean', delta=1.0)\n")
    assert "    equals    Huber(delta=delta, reduction=reduction)\n" in out
    assert "    call      torch.nn.functional.huber_loss(" in out
    assert "    gradient  autodiff\n" in out
    assert "reduction='none', delta=0.375  →  Huber(delta=0.375)\n" in out
    assert "    version   torch " in out
    assert "    Known deviations:\n        spurious inf/NaN in float64" in out
    assert title("F") in out
    assert "Ask now: reflosses verify --against torch --loss Huber\n" in out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("torch.cross_entropy", ["torch.cross_entropy(", "torch.cross_entropy probabilities("]),
        ("huber_loss", ["torch.huber_loss(", "optax.huber_loss(", "tf.compat.v1.losses.huber_loss("]),
        ("torch.nn.functional.huber_loss", ["torch.huber_loss("]),
        ("scipy.special.expit", ["scipy.special.expit\n", "scipy.special.expit minus y\n"]),
    ],
)
def test_explain_finds_the_ways_of_calling_a_function(name: str, told: list[str], capsys: Captured) -> None:
    assert main(["explain", name]) == 0
    heads = [line + "\n" for line in capsys.readouterr().out.splitlines() if line[:1].strip() and ":" not in line]
    assert len(heads) == len(told)
    assert all(head.startswith(start) for head, start in zip(heads, told, strict=True))


def test_explain_says_what_is_not_covered(capsys: Captured) -> None:
    assert main(["explain", "pseudo_huber"]) == 0
    assert capsys.readouterr().out == "scipy.special.pseudo_huber: not covered, needs a pseudo-Huber loss\n"
    assert main(["explain", "Dice"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Dice is a loss of ours: reflosses show Dice\n")
    for name in ("keras.losses.dice(", "optax.dice_loss(", "sklearn.f1_score(", "scipy.spatial.distance.dice"):
        assert f"\n    {name}" in out
    assert "CategoricalFocalCrossentropy, Dice, Tversky: not covered" in out
    assert main(["explain", "scipy.optimize.least_squares"]) == 0
    out = capsys.readouterr().out
    assert "scipy.optimize.least_squares huber(" in out
    assert "scipy.optimize.least_squares soft_l1: not covered" in out


@pytest.mark.parametrize("framework", list(frameworks()), ids=lambda f: f.name)
def test_explain_tells_all_of_a_framework(framework: Any, capsys: Captured) -> None:
    assert main(["explain", framework.name]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{framework.package} ")
    for function in framework.functions:
        assert f"{function.name}(" in out or f"{function.name}\n" in out
        assert f"    = {function.equals}\n" in out
    words = " ".join(out.split())
    for name, why in framework.not_covered.items():
        assert " ".join(f"{name}: {why}".split()) in words


def test_explain_says_what_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    gone = [replace(f, package="no-such-package") for f in frameworks()]
    monkeypatch.setattr(explain, "frameworks", lambda: iter(gone))
    for name in ("scipy", "scipy.special.huber"):
        assert main(["explain", name]) == 0
        assert "no-such-package is not installed here\n" in capsys.readouterr().out


# ---- list, show, version ---------------------------------------------------------------------------------------------


def test_list_names_every_loss(capsys: Captured) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name, cls in LOSSES.items():
        assert f"{name}(" in out
        assert (cls.__doc__ or "").partition("\n")[0] in out
        assert f"derivations/{catalogue.stem(cls)}.md" in out
    assert "Huber(delta=1.0)" in out


@every_loss
def test_show_tells_all_about_a_loss(name: str, capsys: Captured) -> None:
    assert main(["show", name]) == 0
    out = capsys.readouterr().out
    cls = LOSSES[name]
    assert out.startswith(f"{name}(")
    for part in ("Formula", "Domain", "Kinks", "Source", "def definition(m", "Bounds, in units in the last place"):
        assert part in out
    bounds = next(catalogue.examples(cls)).bounds
    assert f"    {bounds.value:g}, {bounds.grad:g}, {bounds.curvature:g}    " in out
    assert without_block(catalogue.page(cls)).strip() in out
    assert "<!--" not in out


def test_show_says_that_a_page_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def no_page(cls: type) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(catalogue, "page", no_page)
    assert main(["show", "Huber"]) == 0
    assert "Its page, derivations/huber.md, is not there." in capsys.readouterr().out


def on_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say that standard output is a terminal of 80 columns."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")


def columns(line: str) -> int:
    """How many columns a line takes; an accent takes none."""
    return sum(not unicodedata.combining(c) for c in line)


@pytest.mark.parametrize("arguments", [("list",), ("hypotheses",), ("explain", "keras"), ("explain", "torch.nll_loss")])
def test_nothing_is_wider_than_a_terminal(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    on_80_columns(monkeypatch)
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(columns, lines)) <= 80
    assert len(lines) > 10


@every_loss
def test_show_on_a_terminal_is_narrow_and_has_no_latex(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    pytest.importorskip("rich", reason="needs the extra [cli]: rich")
    on_80_columns(monkeypatch)
    assert main(["show", name]) == 0
    out = capsys.readouterr().out
    assert max(map(columns, out.splitlines())) <= 80
    assert "def definition(m" in out
    assert not re.search(r"\\[a-z]{2}|\$`|```|\b(tag|tfrac|mathsf|begin|cdot)\b", out)
    assert "step by step" in out


@pytest.mark.usefixtures("no_rich")
def test_show_on_a_terminal_without_rich_names_the_page(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    on_80_columns(monkeypatch)
    assert main(["show", "Huber"]) == 0
    assert "The derivation is on its page, derivations/huber.md.\n" in capsys.readouterr().out


def test_hypotheses_lists_every_explanation(capsys: Captured) -> None:
    assert main(["hypotheses"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{len(HYPOTHESES)} explanations\n")
    for h in HYPOTHESES:
        assert f"    {h.name} ({h.kind}): it {h.phrase}\n" in f"{out}\n"
    assert main(["hypotheses", "--loss", "Hinge"]) == 0
    hinge = capsys.readouterr().out
    assert "half (convention)" in hinge
    assert "pos_weight" in out
    assert "pos_weight" not in hinge


def test_version_and_help(capsys: Captured) -> None:
    assert status("--version") == 0
    assert capsys.readouterr().out.startswith("reflosses 0.")
    for command in ((), ("verify",), ("check",), ("explain",), ("hypotheses",), ("list",), ("show",)):
        assert status(*command, "--help") == 0
        assert capsys.readouterr().out.startswith("usage: reflosses")


def test_a_module_is_a_program_and_a_closed_pipe_no_error() -> None:
    command = f"{sys.executable} -m reflosses show Huber | {sys.executable} -c 'import sys; sys.stdin.readline()'"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert ran.stderr == ""


@pytest.mark.usefixtures("flint")
def test_a_closed_pipe_does_not_hide_that_certification_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(__main__, "_write", closed)
    monkeypatch.setattr(__main__.os, "dup2", lambda *_: None)
    arguments = [*QUICK, "--points", "1"]
    assert __main__.main(arguments) == 0
    monkeypatch.setattr(Report, "ok", property(lambda self: False))
    assert __main__.main(arguments) == 1


def test_an_encoding_without_our_signs_is_no_error() -> None:
    command = [sys.executable, "-m", "reflosses", "show", "Hinge"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert b"max(0, 1 ? y?yhat)" in shown.stdout
