"""The page and the figure of what `bench.py` measured."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench_losses import BOTH, GRADIENT, ROWS, VALUE

from reflosses.teaching.navigation import with_navigation

PAIRS = (  # peer, its threads, ours; whether a target asks for this comparison
    ("torch eager", 2, 2, True),
    ("torch compiled", 2, 2, False),
    ("jax.jit", 2, 2, True),
    ("scikit-learn", 2, 2, True),
    ("naive NumPy", 1, 2, True),
    ("torch eager", 1, 1, False),
    ("scikit-learn", 1, 1, True),
    ("naive NumPy", 1, 1, False),
    ("scipy.special", 1, 1, False),
)
TARGETS = {  # N: the least ratio of each peer, or of a peer and a kind of loss
    10_000_000: {
        "torch eager": 2.5,
        "jax.jit": 1.2,
        "scikit-learn": 1.0,
        "naive NumPy": 1.5,
        ("naive NumPy", "overlap"): 0.8,
    },
    1_000_000: {
        "torch eager": 1.0,
        "jax.jit": 0.6,
        "scikit-learn": 0.8,
        "naive NumPy": 1.0,
        ("naive NumPy", "overlap"): 0.7,
    },
    10_000: {"torch eager": 1.2, "scikit-learn": 0.5, "naive NumPy": 0.6},
    1: {"torch eager": 2.0, ("torch eager", "class-axis"): 1.0},
}
SCALAR = 15e-6  # seconds of one elementwise loss of one element
READING, OWN_MEMORY = 0.7, 200e6  # of mapped files: the rate against reading, bytes
BUSY = 0.5  # load of a machine that had something else to do
LIMITS = {  # N: what keeps ours from its targets
    1: """\
The call itself: arguments are looked at, domains checked, NumPy told not to warn, a loss rounded. Then every operation
of NumPy takes as long on one number as on many, and the safe forms have more operations than the plain ones.""",
    10_000: """\
Arrays of 80 kB, on which an operation takes about as long as its start. What is promised costs operations: five for an
exact sum, one or two for each domain and for the range of the short form, one against −0. Dice and IoU have two sums,
CE one more in each row. A formula as people write it has none of these.""",
    1_000_000: """\
The same operations at the speed of a cache, against compilers that make one loop of all of them (those of torch's
kernels, XLA). Between operations each of two threads waits for the other at the interpreter's lock.""",
    10_000_000: """\
As at a million; and the threads share the rate of the memory. Dice and IoU read targets and predictions twice.""",
}
KINDS = {row.name: row.kind for row in ROWS}
LINES = {  # what the figure shows, and how
    ("ours", 2): {"color": "black", "linewidth": 2},
    ("ours", 1): {"color": "black", "linestyle": "--"},
    ("naive NumPy", 1): {"color": "tab:blue"},
    ("scipy.special", 1): {"color": "tab:cyan"},
    ("scikit-learn", 2): {"color": "tab:orange"},
    ("torch eager", 2): {"color": "tab:red"},
    ("torch compiled", 2): {"color": "tab:pink"},
    ("jax.jit", 2): {"color": "tab:green"},
}

INTRODUCTION = """\
# Speed: what a loss costs, here and elsewhere

Time and memory of a loss and its gradient, mean reduction, with everything that ours promises (validation, exact sums,
the whole range of float64) included. `make bench` measures it again and writes this page; what is timed stands in
`tests/measuring/bench_losses.py`, how in `tests/measuring/bench.py`.

How to read it:

- All peers run in one process on the same numbers, in rounds (A B C A B C …); each first has to agree with ours.
- A time is the median over the rounds. A *ratio* is the peer's time over ours: above 1, ours is faster.
- *torch 2:1* means that the peer has two threads and ours one. NumPy and SciPy have one; JAX has as many as cores.
- N is the number of elements of `yhat`, also where classes share them; at least one row of classes is computed.
- Autograd gives no gradient without the value. Dice, IoU and Cauchy in torch, and those, absolute error and
  cross-entropy of probabilities in JAX, are written in their operations; the hinge in torch is a `relu`, the focal
  loss that of torchvision.
- **Bold** numbers miss a target, which stands behind them.
"""


class Times:
    """The measured times by loss, dtype, N, peer, its threads, and what was asked."""

    def __init__(self, report: dict[str, Any]) -> None:
        keys = ("loss", "dtype", "n", "peer", "threads", "what")
        self.by_key = {tuple(r[k] for k in keys): r for r in report["times"]}
        self.losses, self.dtypes, self.sizes = (list(dict.fromkeys(k[i] for k in self.by_key)) for i in range(3))

    def get(self, *key: Any, of: str = "median") -> float | None:
        return self.by_key[key][of] if key in self.by_key else None

    def ratio(self, loss: str, dtype: str, n: int, pair: tuple[str, int, int, bool]) -> float | None:
        peer, theirs, ours, _ = pair
        time = self.get(loss, dtype, n, peer, theirs, BOTH)
        return time and time / self.by_key[loss, dtype, n, "ours", ours, BOTH]["median"]


def number(x: float | None) -> str:
    """Two digits, without exponents."""
    return "–" if x is None else f"{x:.0f}" if x >= 9.95 else f"{x:.1f}" if x >= 0.995 else f"{x:.2f}"


def size(n: int) -> str:
    return f"{n:,}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, [":--"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def target(loss: str, n: int, pair: tuple[str, int, int, bool]) -> float | None:
    asked = TARGETS.get(n, {}) if pair[3] else {}
    return asked.get((pair[0], KINDS[loss]), asked.get(pair[0]))


def ratios(times: Times, dtype: str, n: int, misses: dict[int, dict[str, list[str]]]) -> str:
    """Ours in time an element, the others as ratios; what misses its target also goes to `misses`, by N and loss."""
    titles = [f"{peer} {theirs}:{ours}" for peer, theirs, ours, _ in PAIRS]
    rows = []
    for loss in times.losses:
        missed = []
        own = [times.get(loss, dtype, n, "ours", t, BOTH) for t in (2, 1)]
        cells = [f"{number(s and s * 1e9 / n)}" for s in own]
        if dtype == "float64" and n == 1 and KINDS[loss] == "elementwise" and own[0] > SCALAR:
            cells[0] = f"**{cells[0]}** (≤ {SCALAR * 1e9:.0f})"
            missed.append(f"{own[0] * 1e6:.1f} µs (≤ {SCALAR * 1e6:.0f})")
        for pair, title in zip(PAIRS, titles, strict=True):
            ratio, least = times.ratio(loss, dtype, n, pair), target(loss, n, pair)
            below = dtype == "float64" and ratio is not None and least is not None and ratio < least
            cells.append(f"**{number(ratio)}** (≥ {least:g})" if below else number(ratio))
            if below:
                missed.append(f"{title} {ratio:.2f} (≥ {least:g})")
        rows.append([loss, *cells])
        if missed:
            misses.setdefault(n, {})[loss] = missed
    return table(["loss", "ours 2, ns", "ours 1, ns", *titles], rows)


def targets(times: Times, misses: dict[int, dict[str, list[str]]]) -> str:
    """What was missed, by how much and why."""
    asked = sum(
        times.ratio(loss, "float64", n, pair) is not None and target(loss, n, pair) is not None
        for loss in times.losses
        for n in times.sizes
        for pair in PAIRS
    ) + sum(KINDS[loss] == "elementwise" for loss in times.losses if 1 in times.sizes)
    missed = sum(len(each) for losses in misses.values() for each in losses.values())
    parts = [f"Of {asked} targets {asked - missed} are met.\n"]
    for n, losses in misses.items():
        lines = "\n".join(f"- {loss}: {', '.join(each)}" for loss, each in losses.items())
        parts.append(f"### N = {size(n)}, missed\n\n{LIMITS.get(n, '')}\n\n{lines}\n")
    return "\n".join(parts)


def other_path(found: dict[str, Any], times: Times) -> str:
    """Ours where NumPy has fewer SIMD instructions, beside what it was with all of them."""
    if "missing" in found:
        return f"Not measured: {found['missing']}.\n"
    there, rows = Times(found), []
    sizes = there.sizes[-3:]  # small arrays show nothing of it
    for loss in there.losses:
        cells = []
        for n in sizes:
            ours = there.get(loss, "float64", n, "ours", 2, BOTH)
            before = times.get(loss, "float64", n, "ours", 2, BOTH)
            ratio = there.ratio(loss, "float64", n, ("naive NumPy", 1, 2, True))
            cells += [number(ours * 1e9 / n), number(ours / before), number(ratio)]
        rows.append([loss, *cells])
    head = [f"N = {size(n)}{what}" for n in sizes for what in (", ns", ", to all", ", naive NumPy 1:2")]
    text = f'`NPY_DISABLE_CPU_FEATURES="{found["disabled"]}"`, two threads: ns an element, the time over that with all '
    return (
        textwrap.fill(text + "instructions, and the ratio to plain NumPy.", 120) + "\n\n" + table(["loss", *head], rows)
    )


def own(times: Times, dtype: str, floor: float) -> str:
    """Ours in two threads: nanoseconds an element at each size, the least in parentheses."""
    rows = []
    for loss in times.losses:
        keys = [(loss, dtype, n, "ours", 2, BOTH) for n in times.sizes]
        both = [(times.get(*k) * 1e9 / k[2], times.get(*k, of="min") * 1e9 / k[2]) for k in keys]
        rows.append([loss, *(f"{number(m)} ({number(least)})" for m, least in both), number(both[-1][0] / floor)])
    return table(["loss", *(f"N = {size(n)}" for n in times.sizes), "last, in floors"], rows)


def apart(times: Times, n: int) -> str:
    """Nanoseconds an element of the value alone and of the gradient alone."""
    runs = list(dict.fromkeys(k[3:5] for k in times.by_key if k[3] != "torch compiled"))

    def cell(loss: str, peer: str, threads: int) -> str:
        alone = [times.get(loss, "float64", n, peer, threads, what) for what in (VALUE, GRADIENT)]
        return " · ".join(number(s and s * 1e9 / n) for s in alone) if any(alone) else "–"

    rows = ([loss, *(cell(loss, *run) for run in runs)] for loss in times.losses)
    return table(["loss", *(f"{peer}, {threads}" for peer, threads in runs)], rows)


def memory(found: dict[str, Any], losses: list[str]) -> str:
    if not found["peaks"]:
        return f"Not measured: {found['missing']}.\n"
    rows = [[loss, *(number(p[loss] / 1e6) if loss in p else "–" for p in found["peaks"].values())] for loss in losses]
    size_of = f"N = {size(found['n'])} float64: the gradient, {number(8 * found['n'] / 1e6)} MB, is included."
    return f"{size_of}\n\n{table(['loss', *found['peaks']], rows)}"


def files(found: dict[str, Any]) -> str:
    if "missing" in found:
        return f"Not measured: {found['missing']}.\n"
    rows, reading = [], found["seconds"]["reading"]
    for name, seconds in found["seconds"].items():
        rate, anonymous = reading / seconds, found["peaks"][name]["RssAnon"]
        shown = [f"{100 * rate:.0f} %", number(anonymous / 1e6)]
        for i, missed in enumerate((rate < READING, anonymous > OWN_MEMORY)):
            shown[i] = f"**{shown[i]}**" if missed else shown[i]
        rows.append(
            [name, f"{found['bytes'] / seconds / 1e9:.2f}", *shown, number(found["peaks"][name]["VmRSS"] / 1e6)]
        )
    head = ["what", "GB/s", "of the rate of reading", "own memory, MB", "with mapped pages, MB"]
    return (
        f"`value` of {found['bytes'] / 1e9:.1f} GB in two mapped files of float64, which the kernel was asked to drop "
        f"from its cache, against reading the same files into one buffer. Wanted: {100 * READING:.0f} %, and less than "
        f"{OWN_MEMORY / 1e6:.0f} MB, interpreter and NumPy included. Mapped pages that have been read stay with the "
        "process until the kernel wants them back. Memory is looked at every 5 ms. A loss computes on the processors "
        "that also map its pages, while reading into one buffer does neither: that is what limits it.\n\n"
        f"{table(head, rows)}"
    )


def machine(report: dict[str, Any]) -> str:
    about, floor = report["machine"], report["triad"]
    simd = ", ".join(about["simd"]) or "none beyond its baseline"
    lines = [
        f"{about['cpu']}, {about['cores']} cores, at most two of them used; NumPy's SIMD: {simd}.",
        f"{about['system']}; {', '.join(f'{k} {v}' for k, v in about['versions'].items())}.",
        f"Measured on {about['date']} in {about['seconds'] / 60:.0f} minutes; load before it {about['load']:.2f}"
        f"{', too much to trust these numbers' * (about['load'] > BUSY)}.",
        "The floor, two reads and one write of float64 (`a = b + 3 c` in NumPy by cached blocks): "
        + ", ".join(f"{s * 1e9:.2f} ns an element in {t} thread{'s' * (t != '1')}" for t, s in floor.items())
        + f" ({24 / floor['2'] / 1e9:.0f} GB/s).",
        *(f"Not measured: {reason}." for reason in report["failed"].values()),
    ]
    return "\n".join(f"- {line}" for line in lines) + "\n"


def page(report: dict[str, Any], figure: str = "speed.svg") -> str:
    """The page, in Markdown."""
    times, misses = Times(report), {}
    floor = report["triad"]["2"] * 1e9
    parts = [INTRODUCTION, "## Machine\n", machine(report)]
    parts += [f"![nanoseconds an element against N, a panel a loss]({figure})\n"]
    for dtype in times.dtypes:
        parts += [f"## Value and gradient, {dtype}\n"]
        for n in times.sizes:
            parts += [f"### N = {size(n)}, {dtype}\n", ratios(times, dtype, n, misses)]
        parts += [f"### Ours alone, {dtype}\n", "Two threads, ns an element: median (minimum).\n"]
        parts += [own(times, dtype, floor)]
    if "float64" in times.dtypes:
        parts += ["## Targets missed\n", targets(times, misses)]
        parts += ["## Without AVX-512\n", other_path(report["narrow"], times)]
        parts += ["## Value alone, gradient alone\n", "float64, ns an element: value · gradient.\n"]
        for n in times.sizes:
            parts += [f"### N = {size(n)}, apart\n", apart(times, n)]
    parts += [
        "## Memory\n",
        "MB that one call takes beyond its inputs at its peak.",
        memory(report["memory"], times.losses),
    ]
    parts += ["## Files larger than memory\n", files(report["files"])]
    return with_navigation("\n".join(parts), "speed")


def draw(report: dict[str, Any], path: Path) -> None:
    """Nanoseconds an element against N, both axes logarithmic, float64 (or what was measured), a panel a loss."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams |= {"svg.hashsalt": "reflosses", "svg.fonttype": "none"}  # the same numbers give the same small file
    times = Times(report)
    dtype, across = times.dtypes[0], min(4, len(times.losses))
    down = -(-len(times.losses) // across)
    figure = Figure((3 * across, 2.4 * down + 0.6), layout="constrained")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat
    for loss, panel in zip(times.losses, panels, strict=False):
        for (peer, threads), style in LINES.items():
            points = [(n, times.get(loss, dtype, n, peer, threads, BOTH)) for n in times.sizes]
            xy = [(n, s * 1e9 / n) for n, s in points if s]
            if xy:
                panel.plot(*zip(*xy, strict=True), label=f"{peer}, {threads}", marker=".", **style)
        panel.axhline(report["triad"]["2"] * 1e9, color="gray", linestyle=":", label="floor")
        panel.set(title=loss, xscale="log", yscale="log")
    for panel in panels:
        panel.set_axis_off()
    for panel in figure.axes[: len(times.losses)][-across:]:  # below which there is no other
        panel.tick_params(labelbottom=True)
    figure.supxlabel("N")
    figure.supylabel(f"ns an element, value and gradient, {dtype}")
    handles = {label: h for p in figure.axes for h, label in zip(*p.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=5, frameon=False)
    figure.savefig(path, format="svg", metadata={"Date": None})
