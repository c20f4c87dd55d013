"""The command line, from the outside."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import reflosses
from reflosses import __main__, catalogue, verify
from reflosses.__main__ import main

LOSSES = catalogue.losses()
QUICK = ["verify", "--points", "10", "--loss", "Hinge"]

every_loss = pytest.mark.parametrize("name", LOSSES)


@pytest.fixture
def flint() -> None:
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")


def status(*arguments: str) -> Any:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code


# ---- verify ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("flint")
def test_verify_prints_tables_and_says_so_by_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rich", reason="needs the extra [cli]: rich")
    assert main(QUICK) == 0
    out, err = capsys.readouterr()
    assert "1. Our losses" in out
    assert "certified" in out
    assert "Our own certification holds" in out
    assert "\x1b" not in out
    assert err == ""


@pytest.mark.usefixtures("flint")
def test_verify_exits_1_when_a_loss_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = reflosses.Hinge.slope
    monkeypatch.setattr(reflosses.Hinge, "slope", lambda self, *terms: -right(self, *terms))
    assert main(QUICK) == 1
    assert "certification does not hold" in capsys.readouterr().out


def test_verify_exits_1_when_nothing_can_be_certified(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify.arithmetic, "available", lambda: False)
    assert main([*QUICK, "--format", "markdown"]) == 1
    assert "nothing can be certified without python-flint: pip install 'reflosses[truth]'" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("verify", "--loss", "Nonsense"),
        ("verify", "--loss", "huber"),
        ("verify", "--points", "0"),
        ("verify", "--points", "many"),
        ("verify", "--seed", "-1"),
        ("verify", "--format", "html"),
        ("verify", "--out", "not/a/folder/report.md"),
        ("verify", "Huber"),
        ("show",),
        ("show", "Nonsense"),
        ("list", "Huber"),
    ],
)
def test_misuse_exits_2_and_says_why(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert status(*arguments) == 2
    err = capsys.readouterr().err
    assert "error: " in err
    if {"Nonsense", "huber"} & set(arguments):
        assert all(name in err for name in LOSSES)


@pytest.mark.usefixtures("flint")
def test_verify_writes_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--loss", "Huber", "--seed", "7", "--format", "json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert (whole["seed"], whole["points"], whole["ok"]) == (7, 10, True)
    assert [row["name"] for row in whole["legs"][0]["rows"]] == ["Hinge", "Huber"]


@pytest.mark.usefixtures("flint")
@pytest.mark.parametrize(
    ("name", "more", "start"),
    [
        ("report.json", [], "{"),
        ("report.md", [], "## 1."),
        ("report.txt", ["--format", "json"], "{"),
        ("report.json", ["--format", "markdown"], "## 1."),
    ],
)
def test_verify_writes_to_a_file(
    name: str, more: list[str], start: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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


@pytest.mark.usefixtures("flint")
def test_without_rich_tables_are_markdown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"] + ["rich", "rich.console"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert main(QUICK) == 0
    out, err = capsys.readouterr()
    assert "| Hinge |" in out
    assert err == f"{__main__.NO_RICH}\n"


@pytest.mark.usefixtures("flint")
def test_a_progress_bar_is_drawn_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich", reason="needs the extra [cli]: rich")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert main([*QUICK, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert "certification" in err
    json.loads(out)


@pytest.mark.usefixtures("flint")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that only one process gets")
def test_an_interrupt_prints_what_is_done_and_exits_130() -> None:
    arguments = ["verify", "--points", "1000000", "--loss", "Hinge", "--format", "json"]
    code = "import sys, reflosses.__main__ as m; print('ready', file=sys.stderr, flush=True); "
    code += f"sys.exit(m.main({arguments}))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.readline()
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert json.loads(out)["interrupted"] is True


# ---- list, show, version ---------------------------------------------------------------------------------------------


def test_list_names_every_loss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name, cls in LOSSES.items():
        assert f"{name}(" in out
        assert (cls.__doc__ or "").partition("\n")[0] in out
        assert f"derivations/{catalogue.stem(cls)}.md" in out
    assert "Huber(delta=1.0)" in out


@every_loss
def test_show_tells_all_about_a_loss(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 0
    out = capsys.readouterr().out
    cls = LOSSES[name]
    assert out.startswith(f"{name}(")
    for part in ("Formula", "Domain", "Kinks", "Source", "def definition(m", "Bounds, in units in the last place"):
        assert part in out
    bounds = next(catalogue.examples(cls)).bounds
    assert f"    {bounds.value:g}, {bounds.grad:g}    " in out
    assert catalogue.page(cls).strip() in out


def test_show_says_that_a_page_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def no_page(cls: type) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(catalogue, "page", no_page)
    assert main(["show", "Huber"]) == 0
    assert "Its page, derivations/huber.md, is not there." in capsys.readouterr().out


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--version") == 0
    assert capsys.readouterr().out.startswith("reflosses 0.")
    for command in ((), ("verify",), ("list",), ("show",)):
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
    arguments = ["verify", "--loss", "Hinge", "--points", "1"]
    assert __main__.main(arguments) == 0
    monkeypatch.setattr(verify.Report, "ok", property(lambda self: False))
    assert __main__.main(arguments) == 1


def test_an_encoding_without_our_signs_is_no_error() -> None:
    command = [sys.executable, "-m", "reflosses", "show", "Hinge"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert b"max(0, 1 ? y?yhat)" in shown.stdout
