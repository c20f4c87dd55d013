"""Measure the tables of the README again and write them between its markers: `make readme`.

Everything is taken from one `reflosses verify --format json`; what the README leaves out of it is said in `shown`.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

README = Path(__file__).parent.parent / "README.md"


def number(x: float | str | None) -> str:
    return "" if x is None else f"{float(x):.2g}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, [":--", *["--:"] * (len(head) - 2), ":--"], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def worst(row: dict[str, Any], key: str) -> str:
    return "" if row[key] is None else number(row[key]["worst"])


def verdict(row: dict[str, Any]) -> str:
    return re.sub(r" \[[\d, ]*\]", "", row["verdict"])  # without the numbers of the lines to paste


def shown(name: str, dtype: str) -> bool:
    """The README leaves out other dtypes, and the second and third way of asking for the same numbers."""
    return dtype == "float64" and not name.endswith((".loss_gradient", ".gradient_hessian"))


def accuracy(report: dict[str, Any]) -> str:
    rows = [
        [f"`{r['name']}`", str(r["points"]), *(worst(r, k) for k in ("value", "grad")), verdict(r)]
        for r in report["legs"][0]["rows"]
    ]
    return table(["loss", "points", "value", "gradient", "verdict"], rows)


def verification(report: dict[str, Any], seconds: float) -> str:
    functions = [r for r in report["legs"][1]["rows"] if shown(r["name"], r["dtype"])]
    theirs = table(
        ["function, float64, hard inputs", "value", "gradient", "is it our loss?"],
        [[r["name"].replace("|", "\\|"), worst(r, "value"), worst(r, "grad"), verdict(r)] for r in functions],
    )
    data = table(
        ["metric, predictions of a real model", "ours", "agrees?"],
        [[f"{r['name']}, {r['data']}", f"`{r['equals']}`", verdict(r)] for r in report["legs"][2]["rows"]],
    )
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items() if k != "machine")
    ours = sum(1 for leg in report["legs"] for r in leg["rows"] if r["holds"] is not None)
    return (
        f"{ours} rows in which our own numbers are certified (the losses are in the table further down), then other "
        f"people's functions, with their worst error in ulps:\n\n{theirs}\n\nand on real data:\n\n{data}\n\n"
        f"Measured in {seconds:.0f} s on two cores: {versions}."
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        start = time.perf_counter()
        command = [sys.executable, "-m", "reflosses", "verify", "--format", "json", "--out", str(out)]
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - start
        report = json.loads(out.read_text("utf-8"))
    text = README.read_text("utf-8")
    for marker, block in {"verify": verification(report, seconds), "accuracy": accuracy(report)}.items():
        text = re.sub(
            rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", lambda m, b=block: f"{m[1]}{b}\n{m[2]}", text, flags=re.S
        )
    README.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
