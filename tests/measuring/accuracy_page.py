"""`make accuracy` runs this program. It measures known_errors.json, runs `reflosses verify`, and writes accuracy.md."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hunt import known_errors, line, measured

from reflosses.comparison.battery import REGIMES
from reflosses.comparison.result import Comparison, Deviation, Tally
from reflosses.comparison.verdict import VERDICTS
from reflosses.comparison.worst_inputs import QUANTITIES
from reflosses.reporting.tables import legend, letter_of, marks_of
from reflosses.reporting.told import standing
from reflosses.teaching.navigation import with_navigation

PAGE = Path(__file__).parents[2] / "derivations" / "accuracy.md"
FRAMEWORKS = ("scipy", "sklearn")

TEXT = """\
# Accuracy: the largest known errors, and what `make verify` finds

Written by `make accuracy`, from one `reflosses verify --against {frameworks}`. It took {seconds:.0f} s on {cpus} CPUs.
Versions: {versions}.

## The largest known errors

The largest errors that `make hunt` has found, in units in the last place (ulp) of the exact result, or of what the
bound of the class is relative to. A hunt draws parameters over their promised range. It compares as many predictions as
the column *points* says on each code path of NumPy (default, AVX2, baseline), and proves the largest error. Each row
shows the input whose error is the largest part of its bound; some bounds depend on a parameter. *Here* is the error of
the same input on the machine that wrote this page. A bound *rests on* a count of all roundings, which is on the page of
the loss, or on the hunt alone.

{known}

The inputs, in the order of the table:

```text
{inputs}
```

## Our own losses

The largest errors against the certified truth, in units in the last place. A row covers all example parameters of a
loss. {held} rows, these and those on real data, certify our own numbers.

{accuracy}

## Functions of SciPy and scikit-learn

Each function against the certified truth of the loss that it equals, in float64, on adversarial inputs. Other dtypes
are left out, and so are `loss_gradient` and `gradient_hessian`, which give the numbers of `loss` and `gradient` again.
The [atlas](atlas.md) has every dtype, and the other frameworks.

{functions}

## Real data

Metrics of scikit-learn on predictions of its models, against our losses. On a sample of the predictions, ours are
certified too.

{data}
"""


def number(x: float | str | None) -> str:
    return "" if x is None else f"{float(x):.2g}"


def table(head: list[str], rows: list[list[str]], side: str = "--:") -> str:
    lines = [head, [":--", *[side] * (len(head) - 2), ":--"], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


ALL = QUANTITIES
COUNTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Hinge", "Huber", "MeanAbsoluteError", "MeanSquaredError"), ALL),
    **dict.fromkeys(("NegativeLogLikelihood", "SparseCategoricalCrossEntropy"), ALL),
    "BinaryCrossEntropy": ("grad", "curvature"),
    "BinaryCrossEntropyWithLogits": ("grad", "curvature"),
    "Cauchy": ("curvature",),
    "Cauchy, information": ALL,
}


def largest(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        here, bound = measured(row)
        points = f"{row['points']:.0e}".replace("e+0", "e")
        asked = [f"{row['hunt']}", row["quantity"], f"{bound:.6g}", f"{row['ulp']:.3f}", row["path"], f"{here:.3f}"]
        lines.append([*asked, points, "count" if row["quantity"] in counted(row["hunt"]) else "hunt"])
    return table(["loss", "quantity", "bound", "largest known", "path", "here", "points", "rests on"], lines)


def counted(hunt: str) -> tuple[str, ...]:
    """The quantities whose bounds are derived on the page of the loss by counting roundings."""
    return COUNTED.get(hunt, ())


def worst(row: dict[str, Any], key: str) -> str:
    return "" if row[key] is None else number(row[key]["worst"])


def verdict(row: dict[str, Any]) -> str:
    return re.sub(r" \[[\d, ]*\]", "", row["verdict"])  # without the numbers of the lines to paste


def shown(row: dict[str, Any]) -> bool:
    """Whether a function has a line on the page."""
    return row["dtype"] == "float64" and not row["name"].endswith((".loss_gradient", ".gradient_hessian"))


def together(rows: list[dict[str, Any]]) -> Comparison:
    """One result for all parameter sets of a function."""
    found = Comparison(rows[0]["name"], "", "float64", 0, [])
    for asked in (r for row in rows if row["result"] for r in row["result"]["rows"]):
        for what in ("value", "gradient"):
            column: Tally = getattr(found.row(asked["regime"]), what)
            column.points += asked[what]["points"]
            column.wrong |= asked[what]["wrong"]
    found.worst = [
        Deviation(d["regime"], d["name"], d["what"], d["verdict"], None, None, level=d["level"])
        for row in rows
        for d in (row["result"] or {"worst": []})["worst"]
    ]
    return found


def functions(report: dict[str, Any]) -> str:
    """One line for each function: two marks in each regime, the last level that holds, and the worst verdict."""
    names: dict[str, list[dict[str, Any]]] = {}
    for row in filter(shown, report["legs"][1]["rows"]):
        names.setdefault(row["name"], []).append(row)
    results = {name: together(rows) for name, rows in names.items()}
    asked = {row.regime for result in results.values() for row in result.rows}
    regimes = [regime for regime in REGIMES if regime in asked]
    lines = []
    for name, rows in names.items():
        marks = [f"`{m}`" if m.strip() else "" for m in marks_of(results[name], regimes)]
        order = ["right", *reversed(VERDICTS)]
        told = max((verdict(row) for row in rows), key=lambda v: order.index(v) if v in order else -1)
        lines.append([name, *marks, standing(results[name]), told])
    head = ["function, float64", *map(letter_of, regimes), "it is", "worst"]
    meaning = "\n".join(f"- {line}" for line in legend(regimes))
    return f"{table(head, lines, ':--')}\n\n{meaning}"


def accuracy(report: dict[str, Any]) -> str:
    rows = [
        [f"`{r['name']}`", str(r["points"]), *(worst(r, k) for k in ALL), verdict(r)] for r in report["legs"][0]["rows"]
    ]
    return table(["loss", "points", "value", "gradient", "curvature", "verdict"], rows)


def data(report: dict[str, Any]) -> str:
    return table(
        ["metric, predictions of a real model", "ours", "agrees?"],
        [[f"{r['name']}, {r['data']}", f"`{r['equals']}`", verdict(r)] for r in report["legs"][2]["rows"]],
    )


def page(report: dict[str, Any], seconds: float) -> str:
    rows = known_errors()
    text = TEXT.format(
        known=largest(rows),
        inputs="\n".join(map(line, rows)),
        frameworks=",".join(FRAMEWORKS),
        seconds=seconds,
        cpus=os.cpu_count(),
        versions=", ".join(f"{k} {v}" for k, v in report["versions"].items() if v and k != "machine"),
        held=sum(r["holds"] is not None for leg in report["legs"] for r in leg["rows"]),
        accuracy=accuracy(report),
        functions=functions(report),
        data=data(report),
    )
    return with_navigation(text, PAGE.stem)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        start = time.perf_counter()
        command = [sys.executable, "-m", "reflosses", "verify", "--against", ",".join(FRAMEWORKS), "--out", str(out)]
        subprocess.run(command, check=True)
        report = json.loads(out.read_text("utf-8"))
    PAGE.write_text(page(report, time.perf_counter() - start), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
