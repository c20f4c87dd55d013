"""The atlas is current, and every wrong line of it is shown by lines that fail where they are pasted."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

from atlas import LATE, machine
from needed import need

from reflosses.frameworks.function import frameworks
from reflosses.frameworks.scripts import checked
from reflosses.reporting.tables import marks_of

ATLAS = Path(__file__).parents[2] / "derivations" / "atlas.md"
TEXT = ATLAS.read_text("utf-8") if ATLAS.exists() else ""
SECTIONS = {s.split()[0]: s for s in re.split(r"^## ", TEXT, flags=re.M)[1:]}
FRAMEWORKS = list(frameworks())
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda f: f.name)

PASTED = """
import sys
blocks = sys.stdin.read().split("\\n# ----\\n")
for number, block in enumerate(blocks):
    try:
        exec(compile(block, f"block {number}", "exec"), {"__name__": "pasted"})
    except Exception as error:
        if isinstance(error, AssertionError) == ("assert " in block):  # without an assertion the call itself raises
            continue
        print(repr(error))
    print(block)
assert "reflosses" not in sys.modules
"""


def lines(framework):
    """The cells of each line about a function."""
    table = SECTIONS[framework.name].partition("### Largest known errors")[0]
    rows = [row for row in table.splitlines() if row.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_every_framework_has_its_section():
    assert list(SECTIONS) == [f.name for f in FRAMEWORKS]


def test_no_function_is_called_wrong_because_the_machine_was_busy():
    assert LATE not in TEXT


@each_framework
def test_every_function_parameter_set_and_dtype_has_its_line(framework):
    names = []
    for function in framework.functions:
        for given in function.tried:
            shown = ", ".join(f"{k}={v!r}" for k, v in given.items())
            names += [(f"`{function.name}({shown})`" if shown else f"`{function.name}`", d) for d in function.dtypes]
    assert [tuple(cells[:2]) for cells in lines(framework)] == names
    assert len(names) > 2


@each_framework
def test_the_atlas_is_that_of_the_installed_versions(framework):
    """Its versions, and some lines of it, asked again."""
    need(framework.package)
    assert SECTIONS[framework.name].startswith(f"{framework.name} {framework.version}\n")
    if machine() not in TEXT:
        return  # on another processor the last digits are others, and with them a mark here and there
    rows = [(f, given, dtype) for f in framework.functions for given in f.tried for dtype in f.dtypes]
    for k in np.random.default_rng(5).choice(len(rows), 4, replace=False):
        function, given, dtype = rows[k]
        result = checked(framework, function, given, dtype, diagnose=False)
        (cells,) = [c for c in lines(framework) if c[0] == f"`{result.name}`" and c[1] == dtype]
        marks = [cell.strip("`") for cell in cells[3:-3]]
        assert marks == [m.strip() and m for m in marks_of(result)], result.name
        assert cells[-2] == result.verdict


@each_framework
def test_what_is_wrong_can_be_pasted(framework):
    need(framework.package)
    blocks = re.findall(r"```python\n(.*?)\n```", SECTIONS[framework.name], re.S)
    assert blocks or all(cells[-2] == "right" for cells in lines(framework))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PASTED], input="\n# ----\n".join(blocks), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "these lines do not fail"
