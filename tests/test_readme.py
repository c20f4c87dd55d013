"""The README tells the truth about what is there."""

import doctest
import inspect
import io
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import reflosses
from reflosses.__main__ import main
from reflosses.catalogue import losses
from reflosses.reporting.options import command_line
from reflosses.truth import arithmetic

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(>>> .*?)```", README, re.S)


def cells(markdown: str) -> list[list[str]]:
    rows = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set("".join(row)) <= set(":- ")]


def run_examples(*sources: str) -> str:
    """What doctest complains about."""
    test = doctest.DocTestParser().get_doctest("\n".join(sources), {}, "README.md", "README.md", 0)
    assert 5 <= len(test.examples) <= 15
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    return "".join(said)


def test_the_ten_lines_run_after_the_first_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.search(r"^pip install \. .*\npip install '\.\[truth,cli\]'", README, re.M)
    monkeypatch.setitem(sys.modules, "flint", None)
    monkeypatch.setattr(arithmetic, "flint", None)
    monkeypatch.setitem(sys.modules, "rich", None)
    lines = EXAMPLES[0].splitlines()
    assert len(lines) <= 10
    assert not run_examples(EXAMPLES[0])


def test_the_examples_print_what_they_say() -> None:
    assert not run_examples(*EXAMPLES)


NEW_USER = """
import doctest, importlib.util, sys
for name in ("flint", "rich", "sklearn", "hypothesis"):
    assert importlib.util.find_spec(name) is None, name
with open("examples.txt", encoding="utf-8") as file:
    test = doctest.DocTestParser().get_doctest(file.read(), {}, "README.md", "README.md", 0)
print(doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test))
from reflosses.__main__ import main
sys.exit(main(["check", "mine:huber", "--loss", "Huber", "delta=0.7"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_ten_lines_the_first_check_and_the_plug_in_run_in_an_empty_environment(tmp_path: Path) -> None:
    """NumPy, SciPy and reflosses alone; then pytest too. Nothing else can be imported."""
    site = tmp_path / "site"
    site.mkdir()

    def put(*names: str) -> None:
        for name in names:
            for found in Path(np.__file__).parents[1].glob(f"{name}*"):
                (site / found.name).symlink_to(found)

    put("numpy", "scipy")
    (site / "reflosses").symlink_to(ROOT / "reflosses")
    code = "import reflosses\n\ndef huber(y, yhat):\n    return reflosses.Huber(delta=0.7).value_and_grad(y, yhat)\n"
    (tmp_path / "mine.py").write_text(code, "utf-8")
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "losses.py").write_text(code, "utf-8")
    (tmp_path / "examples.txt").write_text("\n".join(EXAMPLES), "utf-8")

    def run(*arguments: str) -> str:
        environment = {"PYTHONPATH": str(site), "PATH": "", "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        command = [sys.executable, "-S", "-W", "error", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = run("-c", NEW_USER)
    assert "TestResults(failed=0" in said
    assert "compared with our own numbers; for certified ones: pip install" in said
    put("pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments")
    marked = re.search(r"^@pytest\.mark\.matches_loss.*?losses\.huber$", README, re.M | re.S)
    assert marked is not None
    test = f"import pytest, mypackage.losses\n\n{marked[0]}\n"
    (tmp_path / "test_mine.py").write_text(test, "utf-8")
    assert "1 passed" in run(
        "-m", "pytest", "-q", "-p", "reflosses.pytest_plugin", "-p", "no:cacheprovider", "test_mine.py"
    )


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 180


def test_the_api_table_has_every_loss_and_parameter() -> None:
    table = README[README.index("## The API on one screen") :]
    for name, cls in losses().items():
        rows = [line for line in table.splitlines() if line.startswith("|") and f"`{name}`" in line]
        assert rows, name
        for f in fields(cls):
            if f.name != "reduction":
                default = repr(f.default).replace("'", '"')
                assert f"{f.name}={default}" in rows[0], (name, f.name)


def test_every_name_in_backticks_that_looks_like_ours_exists() -> None:
    for dotted in set(re.findall(r"`(reflosses(?:\.\w+)+)\b", README)):
        thing = reflosses
        for part in dotted.split(".")[1:]:
            if not hasattr(thing, part):
                __import__(f"{thing.__name__}.{part}")
            thing = getattr(thing, part)


def test_its_commands_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.M))
    named = set(re.findall(r"`make ([a-z-]+)`", README)) | set(re.findall(r"^make ([a-z-]+)", README, re.M))
    assert {"verify", "test"} <= set(re.findall(r"^make ([a-z]+)", README, re.M))  # on lines of their own
    assert named <= targets
    assert set(re.findall(r"^\.PHONY: (.*)$", makefile, re.M)[0].split()) == targets


def command_lines() -> list[str]:
    found = re.findall(r"(?:^|(?<=`))(reflosses [a-z][^`#\n]*)", README, re.M)
    return [line for line in found if len(line.split()) > 2]  # not `reflosses verify` as a name


def test_its_command_lines_are_understood() -> None:
    assert {line.split()[1] for line in command_lines()} >= {"verify", "check", "explain", "show"}
    for line in command_lines():
        command_line().parse_args(shlex.split(line)[1:])


PROGRAM = """#!{python}
import json, sys, each
print('{{"reflosses": 1}}', flush=True) if sys.stdin.readline() else None
for line in sys.stdin:
    asked = json.loads(line)
    y, yhat = ([float(x) for x in asked[name]] for name in ("y", "yhat"))
    value, grad = each.huber(y, yhat)
    print(json.dumps({{"value": [str(x) for x in value], "gradient": [str(x) for x in grad]}}), flush=True)
"""


def test_its_commands_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that need nothing but the package, and a module as a reader has it."""
    (tmp_path / "mypackage").mkdir()
    code = "import reflosses\n\ndef huber(y, yhat):\n    return reflosses.Huber(delta=0.7).value_and_grad(y, yhat)\n"
    (tmp_path / "mypackage" / "losses.py").write_text(code, "utf-8")
    (tmp_path / "mine.py").write_text(code, "utf-8")
    each = code.replace("delta=0.7", 'delta=0.7, reduction="none"')
    (tmp_path / "each.py").write_text(each, "utf-8")
    (tmp_path / "huber").write_text(PROGRAM.format(python=sys.executable), "utf-8")
    (tmp_path / "huber").chmod(0o755)
    (tmp_path / "losses").mkdir()
    (tmp_path / "losses" / "robust.py").write_text(code, "utf-8")
    table = '[[tool.reflosses.check]]\ntarget = "mine:huber"\nloss = "Huber"\nparameters = { delta = 0.7 }\n'
    (tmp_path / "pyproject.toml").write_text(table, "utf-8")
    monkeypatch.chdir(tmp_path)
    lines = [line for line in command_lines() if line.split()[1] != "verify"]
    assert len(lines) >= 4
    monkeypatch.setattr("sys.stdin", io.StringIO("min(max(yhat - y, -delta), delta)\n"))  # the answer of the quiz
    for line in lines:
        short = line.replace("--seconds 60", "--points 1000")
        assert main(shlex.split(short, comments=True)[1:]) == 0, line
        assert "uber" in capsys.readouterr().out or " -o " in line, line
    assert (tmp_path / "huber.svg").is_file()


def test_its_links_resolve() -> None:
    targets = re.findall(r"\]\(([^)#]+)", README)
    assert len(targets) >= 6
    for target in targets:
        assert (ROOT / target).is_file(), target


def test_every_erratum_names_a_page_that_proves_it() -> None:
    errata = cells(README[README.index("## Errata") : README.index("## Versions")])
    assert len(errata) == 1 + 6
    for row in errata[1:]:
        link = re.search(r"\((derivations/\w+\.md)\)", row[2])
        assert link is not None
        assert "lecture notes" in (ROOT / link[1]).read_text("utf-8"), link[1]


def test_public_classes_and_functions_have_the_sections_of_their_docstrings() -> None:
    for cls in losses().values():
        text = inspect.getdoc(cls) or ""
        for label in ("Formula", "Shapes", "Domain", "Kinks", "Limits", "Source"):
            assert re.search(rf"\b{label}\b[^.\n]*:", text), (cls.__name__, label)
