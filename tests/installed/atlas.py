"""Check the mapped functions of frameworks, and write what was found to derivations/atlas.md: `make atlas`.

The first argument names the file of the whole report, as JSON; the others name frameworks. By default they are all
that are tested in this environment. What the atlas says of others stays. Portraits go to derivations/portraits/
(`portraits.py`). A hunt of some seconds finds the largest error of each function.
"""

import json
import platform
import re
import sys
import time
from pathlib import Path

from needed import is_elsewhere
from numpy._core import _multiarray_umath as umath
from portraits import portraits

from reflosses import catalogue
from reflosses.comparison.battery import REGIMES
from reflosses.comparison.result import title
from reflosses.frameworks.function import frameworks, literal
from reflosses.frameworks.scripts import largest_errors
from reflosses.reporting.implementations import implementation_rows
from reflosses.reporting.output import to_json
from reflosses.reporting.rows import FUNCTIONS, Leg, Report, Wanted
from reflosses.reporting.tables import MARKS, marks_of
from reflosses.reporting.told import STANDINGS, standing
from reflosses.teaching.navigation import with_navigation, without_navigation

LATE = "no answer within"  # what is said of a call beyond its limit
HUNTED = 2.0  # seconds for the largest errors of a function
ATLAS = Path(__file__).parents[2] / "derivations" / "atlas.md"

INTRODUCTION = """\
# Atlas: what other frameworks compute

Every function of these frameworks that is one of our losses, in every dtype that it takes, on the adversarial inputs of
`reflosses.comparison.battery`, against certified numbers. A function is held to four times the bound that we keep
ourselves, in units in the last place of its own dtype, and to half of the digits where a regime asks for the formula
(`reflosses/comparison/verdict.py` derives it). Who disagrees with a line can paste what stands below it. A row holds
*formula* if the function is the loss, *digits* if it keeps its digits, *range* if it holds to the ends of the range
(`reflosses/comparison/levels.py` says which finding belongs to which). "Largest known errors" are those that a hunt of
HUNTED seconds found, certified; the next hunt may find larger ones. A portrait has the error of one function at every
number of a format, for functions that take many losses in a call.

Written by `make atlas`, which runs everything again; `reflosses explain NAME` says which loss a function equals.
"""


def machine():
    """The processor, as far as the last digits of the frameworks' results depend on it."""
    features = [f for f in umath.__cpu_dispatch__ if umath.__cpu_features__.get(f)]
    return f"Measured on {platform.machine()} with {', '.join(features)}."


HEAD = (
    f"| framework | version | functions | rows | {' | '.join(STANDINGS)} |\n"
    f"| :-- | :-- | --: | --: |{' --: |' * len(STANDINGS)}\n"
)


def count(framework, rows):
    """How many rows of a framework hold which level."""
    counts = [sum(standing(row.result) == word for row in rows) for word in STANDINGS]
    cells = [framework.name, framework.version, len({row.name for row in rows}), len(rows), *counts]
    return f"| {' | '.join(map(str, cells))} |\n"


def legend():
    regimes = "\n".join(f"- {title(r)}" if len(r) == 1 else f"- {r}: {REGIMES[r]}" for r in REGIMES)
    marks = ", ".join(f"`{mark}` {verdict}" for verdict, mark in MARKS.items() if verdict)
    return f"Regimes:\n\n{regimes}\n\nTwo marks each, of the value and of the gradient: {marks}; nothing: not asked.\n"


def key(row):
    """What a line of the atlas is about."""
    return f"`{row.result.name}`", row.dtype


def line(row):
    marks = [f"`{m}`" if m.strip() else "" for m in marks_of(row.result)]
    worst = next(iter(row.result.worst), None)
    text = "" if worst is None else row.result.diagnosis or str(worst)
    return (
        "| "
        + " | ".join(
            [*key(row), row.equals, *marks, ", ".join(row.result.holds) or "–", row.verdict, text.replace("|", "\\|")]
        )
        + " |"
    )


def largest(framework, function):
    """The largest errors of a function that a hunt finds, as a line of a table."""
    given, dtype = function.tried[0], function.dtypes[0]
    found = largest_errors(framework, function, given, dtype, seconds=HUNTED)
    cells = [f"`{name_of(function, given)}`", dtype]
    for what in ("value", "gradient"):
        worst = found.largest(what)
        cells += ["", ""] if worst is None else [f"{worst.ulp:.3g}", f"`{worst.line.removeprefix('y, yhat = ')}`"]
    return f"| {' | '.join(cells)} |"


def name_of(function, given):
    """A function as its lines name it."""
    shown = ", ".join(f"{k}={literal(v)}" for k, v in given.items())
    return f"{function.name}({shown})" if shown else function.name


def pictures(framework, drawn, skipped):
    """The portraits of a framework's functions, and why some have none."""
    own = [f.name for f in framework.functions if f.name in drawn]
    out = ["### Portraits", ""] if own else []
    for name in own:
        out += [f"![error of {name} in ulp at every number](portraits/{drawn[name].name})", ""]
    reasons = {}
    for function in framework.functions:
        if function.name in skipped:
            reasons.setdefault(skipped[function.name], []).append(f"`{function.name}`")
    return out + [f"- No portrait of {', '.join(names)}: {why}" for why, names in reasons.items()] + [""]


def section(framework, rows, drawn, skipped):
    heads = [
        "function",
        "dtype",
        "equals",
        *(r if len(r) == 1 else "m" for r in REGIMES),
        "holds",
        "verdict",
        "diagnosis",
    ]
    out = [f"## {framework.name} {framework.version}", ""]
    out += ["| " + " | ".join(heads) + " |", "|" + " :-- |" * len(heads), *map(line, rows), ""]
    out += ["### Largest known errors", "", "| name | dtype | value (ulp) | at | gradient (ulp) | at |"]
    out += ["| :-- | :-- | --: | :-- | --: | :-- |", *(largest(framework, f) for f in framework.functions), ""]
    out += pictures(framework, drawn, skipped)
    notes = dict.fromkeys(f"- `{row.name}`: {row.note}" for row in rows if row.note)
    out += [*notes, ""] if notes else []
    out += ["Not covered:", "", *(f"- {name}: {why}" for name, why in framework.not_covered.items()), ""]
    for row in rows:
        if row.result.worst:
            worst = row.result.worst[0]
            out += [f"### {row.result.name}, {row.dtype}", "", f"{worst}.", ""]
            out += ["```python", row.result.script(worst), "```", ""]
    return "\n".join(out)


def written():
    """The line of the head and the section of each framework in the atlas as it stands."""
    text = without_navigation(ATLAS.read_text("utf-8")) if ATLAS.exists() else ""
    counts = {line.split()[1]: line + "\n" for line in re.findall(r"^\| [a-z]+ \| \d.*", text, re.M)}
    sections = {part.split()[0]: "## " + part.rstrip() + "\n" for part in re.split(r"^## ", text, flags=re.M)[1:]}
    return counts, sections


def main(out, *names):
    losses = list(catalogue.losses())
    here = [f for f in frameworks() if (f.name in names if names else not is_elsewhere(f.package))]
    wanted = Wanted(losses, [f.name for f in here], limit=30.0)
    missing, rows, start = [], [], time.perf_counter()

    def tick(leg, name, done, total):
        if sys.stderr.isatty():
            print(f"\r{done}/{total} {name:60.60}", end="", file=sys.stderr)

    for row in implementation_rows(wanted, missing, tick):
        if row.result is None:
            sys.exit(f"{row.name}, {row.dtype}: {row.verdict}")
        if late := [d for d in row.result.worst if LATE in str(d)]:  # which says more about this machine
            sys.exit(f"{row.name}, {row.dtype}: {late[0]}; try again when less else runs")
        rows.append(row)
    if missing:
        sys.exit("\n".join(missing))
    rows.sort(key=lambda row: row.place)
    drawn, skipped = portraits(functions={function.name for framework in here for function in framework.functions})
    counts, sections = written()
    for framework in here:
        own = [row for row in rows if row.framework == framework.name]
        counts[framework.name] = count(framework, own)
        sections[framework.name] = section(framework, own, drawn, skipped)
    known = [f.name for f in frameworks() if f.name in counts]
    introduction = INTRODUCTION.replace("HUNTED", f"{HUNTED:g}")
    parts = [introduction, machine() + "\n", HEAD + "".join(counts[name] for name in known), legend()]
    parts += [sections[name] for name in known]
    ATLAS.write_text(with_navigation("\n".join(parts), ATLAS.stem), "utf-8")
    found = Report(wanted, [Leg(FUNCTIONS, rows, [], time.perf_counter() - start)])
    Path(out).write_text(to_json(found), "utf-8")
    print(f"{len(rows)} rows in {found.legs[0].seconds:.0f} s: {ATLAS.name}, {out}", file=sys.stderr)
    json.loads(Path(out).read_text("utf-8"))


if __name__ == "__main__":
    main(*sys.argv[1:])
