"""`make hunt` runs this program: a search for the worst input of every loss, on each code path of NumPy.

    python tests/measuring/hunt.py [--points 1e7] [--seed 1] [--loss Huber] [--paths default,AVX2,baseline] [--keep]

The inputs of known_errors.json are measured again, and then it is searched for worse ones. Results go to
.cache/hunt.json. The exit status is 1 if an error beyond its bound was proved. With --keep the largest errors go to
known_errors.json, of which `make accuracy` writes the page.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from code_paths import paths

import reflosses
from reflosses.catalogue import losses
from reflosses.comparison.worst_inputs import QUANTITIES, Hunted, KnownError, drawn_loss, search
from reflosses.evaluation.loss import Loss
from reflosses.truth.sampling import Problem, Rng
from reflosses.truth.wide import certified_errors, suspected_errors

ROOT = Path(__file__).parents[2]
KNOWN = Path(__file__).with_name("known_errors.json")
RESULTS = ROOT / ".cache" / "hunt.json"

Chosen = Callable[[Any], bool]

# Kinds of parameters that have bounds of their own, or formulas of their own, are hunted apart.
KINDS: dict[str, dict[str, Chosen]] = {
    "Cauchy": {"": lambda loss: loss.information is None, "information": lambda loss: loss.information is not None},
    "CrossEntropy": {
        "": lambda loss: loss.class_weight is None,
        "class_weight": lambda loss: loss.class_weight is not None,
    },
    "Focal": {"": lambda loss: loss.gamma <= 5, "gamma > 5": lambda loss: loss.gamma > 5},
    "FocalWithLogits": {"": lambda loss: loss.gamma <= 5, "gamma > 5": lambda loss: loss.gamma > 5},
    "WeightedCrossEntropy": {
        "": lambda loss: loss.weight == "sudre",
        "weight": lambda loss: loss.weight != "sudre",
    },
}


def hunts(only: str = "") -> Iterator[tuple[str, type[Loss], Chosen]]:
    """The name, class and choice of parameters of each hunt."""
    for name, cls in losses().items():
        if only in ("", name):
            for kind, chosen in KINDS.get(name, {"": lambda _: True}).items():
                yield f"{name}, {kind}" if kind else name, cls, chosen


def hunted(cls: type[Loss], chosen: Chosen, seed: int, points: int) -> Hunted:
    """The worst inputs of one kind of a loss, of this process's code path."""

    def draw(rng: Rng) -> Loss:
        while not chosen(loss := drawn_loss(cls, rng)):
            pass
        return loss

    return search(draw, suspected_errors, certified_errors, seed=seed, points=points)


# ---- known errors as data --------------------------------------------------------------------------------------------


def as_row(name: str, error: KnownError, points: int, path: str) -> dict[str, Any]:
    y, yhat = (a.tolist() for a in error.problem)
    asked = {"hunt": name, "quantity": error.quantity, "loss": repr(error.loss), "y": y, "yhat": yhat}
    return {**asked, "ulp": round(error.ulp, 3), "bound": error.bound, "path": path, "points": points}


def loss_of(row: dict[str, Any]) -> Loss:
    loss: Loss = eval(row["loss"], {name: getattr(reflosses, name) for name in reflosses.__all__})
    return loss


def line(row: dict[str, Any]) -> str:
    """The input as a line to paste."""
    return f"reflosses.{row['loss']}.{row['quantity']}({row['y']!r}, {row['yhat']!r})"


def measured(row: dict[str, Any]) -> tuple[float, float]:
    """The proved error of a known input on this machine, and its bound."""
    loss, k = loss_of(row), QUANTITIES.index(row["quantity"])
    problem = Problem(np.asarray(row["y"]), np.asarray(row["yhat"], float))
    return certified_errors(loss, problem)[k], loss.bounds[k]


def known_errors(only: str = "") -> list[dict[str, Any]]:
    """The rows of the file, of one loss or of all."""
    rows: list[dict[str, Any]] = json.loads(KNOWN.read_text("utf-8"))
    return [row for row in rows if only in ("", row["hunt"].split(",")[0])]


def merged(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each hunt and quantity the row of the largest part of its bound, with the points of the largest hunt."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in found:
        old = best.setdefault((row["hunt"], row["quantity"]), row)
        larger = row if row["ulp"] / row["bound"] > old["ulp"] / old["bound"] else old
        best[row["hunt"], row["quantity"]] = {**larger, "points": max(old["points"], row["points"])}
    return [best[key] for key in sorted(best, key=lambda key: (key[0], QUANTITIES.index(key[1])))]


def written(rows: list[dict[str, Any]]) -> str:
    """Rows as JSON, one a line."""
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


# ---- the program -----------------------------------------------------------------------------------------------------


def on_this_path(path: str, points: int, seed: int, only: str) -> list[dict[str, Any]]:
    rows = []
    for row in known_errors(only):
        ulp, bound = measured(row)
        rows.append({**row, "ulp": round(ulp, 3), "bound": bound, "path": path, "points": 0})
    for name, cls, chosen in hunts(only):
        start = time.perf_counter()
        found = hunted(cls, chosen, seed, points)
        rows += [as_row(name, error, found.points, path) for error in (*found.worst.values(), *found.wild)]
        took = time.perf_counter() - start
        print(f"{path}: {name}, {found.points:,} points in {took:.0f} s", file=sys.stderr, flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'loss':30} {'quantity':9} {'error':>9} {'bound':>8} {'path':8} {'points':>7}"]
    for row in rows:
        mark = " <" if row["ulp"] > row["bound"] else ""
        error, points = f"{row['ulp']:.3f}"[:9], f"{row['points']:.0e}".replace("e+0", "e")
        lines.append(
            f"{row['hunt']:30} {row['quantity']:9} {error:>9} {row['bound']:>8g} {row['path']:8} {points:>7}{mark}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Search for the worst input of every loss.")
    parser.add_argument("--points", type=float, default=1e7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loss", default="")
    parser.add_argument("--paths", default="default,AVX2,baseline")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--here", help=argparse.SUPPRESS)  # the code path that this process was started on
    given = parser.parse_args()
    if given.loss and given.loss not in losses():
        parser.error(f"no loss is named {given.loss}; there are {', '.join(losses())}")
    if given.here:
        print(json.dumps(on_this_path(given.here, int(given.points), given.seed, given.loss)))
        return 0
    asked = ["--points", str(given.points), "--seed", str(given.seed), "--loss", given.loss, "--here"]
    disabled: dict[str, str] = {}
    for path, features in paths().items():
        if path in given.paths.split(",") and features not in disabled.values():  # a machine may lack some
            disabled[path] = features

    def run(path: str) -> list[dict[str, Any]]:
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": disabled[path], "REFLOSSES_NUM_THREADS": "1"}
        command = [sys.executable, __file__, *asked, path]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    with ThreadPoolExecutor(2) as two:
        found = [row for rows in two.map(run, disabled) for row in rows]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(written(found), "utf-8")
    worst = merged(found)
    print(table(worst))
    broken = [row for row in found if row["ulp"] > row["bound"]]
    for row in broken:
        print(f"beyond its bound, {row['ulp']} ulp on the {row['path']} path: {line(row)}")
    if given.keep:
        others = [row for row in known_errors() if row not in known_errors(given.loss)]
        KNOWN.write_text(written(merged([*others, *worst])), "utf-8")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
