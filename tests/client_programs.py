"""Programs in C, JavaScript and Rust: the clients of derivations/programs.md, and wrong ones with the same protocol."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CLIENTS = Path(__file__).parent / "clients"
CUT = "// ---- reflosses asks"  # above this line a client has its loss, below it the protocol
INCLUDES = "#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
NAIVE = {  # binary cross-entropy of logits, as people write it
    "c": INCLUDES
    + """static REAL loss(REAL y, REAL z) {
    REAL p = 1 / (1 + exp(-z));
    return -(y * log(p) + (1 - y) * log(1 - p));
}
static REAL slope(REAL y, REAL z) { return 1 / (1 + exp(-z)) - y; }
""",
    "js": """const fs = require("fs");
const sigmoid = (z) => 1 / (1 + Math.exp(-z));
const loss = (y, z) => -(y * Math.log(sigmoid(z)) + (1 - y) * Math.log(1 - sigmoid(z)));
const slope = (y, z) => sigmoid(z) - y;
""",
}


def naive(y: Any, z: Any) -> Any:
    """The twin of the naive programs."""
    p = 1 / (1 + np.exp(-z))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)), p - y


def tool(name: str) -> str:
    """The path of a compiler or an interpreter; the test is skipped without it."""
    cargo = Path.home() / ".cargo" / "bin" / name
    found = shutil.which(name) or (str(cargo) if cargo.is_file() else None)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def client(kind: str, loss: str = "") -> str:
    """The source of a client of the page, or of one with these lines in place of its loss; kind: "c", "js" or "rs"."""
    source = (CLIENTS / f"huber.{kind}").read_text("utf-8")
    return loss + source[source.index(CUT) :] if loss else source


def built(folder: Path, kind: str, source: str = "", *, real: str = "double") -> list[str]:
    """The command of a client, compiled in a new folder; source: by default that of the page. real: the float of C."""
    folder.mkdir()
    file, program = folder / f"client.{kind}", str(folder / "client")
    file.write_text(source or client(kind), "utf-8")
    if kind == "js":
        return [tool("node"), str(file)]
    if kind == "c":
        flags = ["-O2", "-Wall", "-Wextra", "-Werror", f"-DREAL={real}", "-o", program, str(file), "-lm"]
        compiler = [tool("cc"), *flags]
    else:
        compiler = [tool("rustc"), "--edition", "2021", "-D", "warnings", "-o", program, str(file)]
    subprocess.run(compiler, check=True, timeout=300)
    return [program]
