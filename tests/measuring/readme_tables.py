"""Measure the tables of the README again and write them between its markers: `make readme`.

Everything is taken from one `reflosses verify --format json`; what the README leaves out of it is said in `shown`.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reflosses.comparison.battery import REGIMES
from reflosses.comparison.result import Comparison, Tally
from reflosses.comparison.verdict import VERDICTS
from reflosses.reporting import report as printed

README = Path(__file__).parents[2] / "README.md"
FRAMEWORKS = ("scipy", "sklearn")


def number(x: float | str | None) -> str:
    return "" if x is None else f"{float(x):.2g}"


def table(head: list[str], rows: list[list[str]], side: str = "--:") -> str:
    lines = [head, [":--", *[side] * (len(head) - 2), ":--"], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def worst(row: dict[str, Any], key: str) -> str:
    return "" if row[key] is None else number(row[key]["worst"])


def verdict(row: dict[str, Any]) -> str:
    return re.sub(r" \[[\d, ]*\]", "", row["verdict"])  # without the numbers of the lines to paste


def shown(row: dict[str, Any]) -> bool:
    """The README leaves out other dtypes, and the second and third way of asking for the same numbers."""
    return row["dtype"] == "float64" and not row["name"].endswith((".loss_gradient", ".gradient_hessian"))


def together(rows: list[dict[str, Any]]) -> Comparison:
    """What was found of a function with all its parameter sets."""
    found = Comparison(rows[0]["name"], "", "float64", 0, [])
    for asked in (r for row in rows if row["result"] for r in row["result"]["rows"]):
        for what in ("value", "gradient"):
            column: Tally = getattr(found.row(asked["regime"]), what)
            column.points += asked[what]["points"]
            column.wrong |= asked[what]["wrong"]
    return found


def regimes_of(results: Iterable[Comparison]) -> list[str]:
    asked = {row.regime for result in results for row in result.rows}
    return [regime for regime in REGIMES if regime in asked]


def functions(report: dict[str, Any]) -> str:
    """One line a function: two marks a regime, and the worst verdict."""
    names: dict[str, list[dict[str, Any]]] = {}
    for row in filter(shown, report["legs"][1]["rows"]):
        names.setdefault(row["name"], []).append(row)
    results = {name: together(rows) for name, rows in names.items()}
    regimes = regimes_of(results.values())
    lines = []
    for name, rows in names.items():
        marks = [f"`{m}`" if m.strip() else "" for m in printed.marks_of(results[name], regimes)]
        order = ["right", *reversed(VERDICTS)]
        told = max((verdict(row) for row in rows), key=lambda v: order.index(v) if v in order else -1)
        lines.append([name, *marks, told])
    head = ["function, float64", *(r if len(r) == 1 else r[0] for r in regimes), "is it our loss?"]
    legend = "\n".join(f"- {line}" for line in printed.legend(regimes))
    return f"{table(head, lines, ':--')}\n\n{legend}"


def accuracy(report: dict[str, Any]) -> str:
    rows = [
        [f"`{r['name']}`", str(r["points"]), *(worst(r, k) for k in ("value", "grad")), verdict(r)]
        for r in report["legs"][0]["rows"]
    ]
    return table(["loss", "points", "value", "gradient", "verdict"], rows)


def verification(report: dict[str, Any], seconds: float) -> str:
    data = table(
        ["metric, predictions of a real model", "ours", "agrees?"],
        [[f"{r['name']}, {r['data']}", f"`{r['equals']}`", verdict(r)] for r in report["legs"][2]["rows"]],
    )
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items() if v and k != "machine")
    ours = sum(1 for leg in report["legs"] for r in leg["rows"] if r["holds"] is not None)
    return (
        f"{ours} rows in which our own numbers are certified (the losses are in the table further down), then other "
        f"people's functions on adversarial inputs:\n\n{functions(report)}\n\nand on real data:\n\n{data}\n\n"
        f"Measured in {seconds:.0f} s on two cores: {versions}."
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        start = time.perf_counter()
        command = [sys.executable, "-m", "reflosses", "verify", "--against", ",".join(FRAMEWORKS), "--out", str(out)]
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
