"""Time ours against what else computes the same losses, and write derivations/speed.md: `make bench`.

A row of `bench_losses.ROWS` is a loss, with what computes it in each peer:

- ours: `value`, `grad`, `value_and_grad` as everybody calls them, validation and exact sums included;
- naive NumPy: the plain formulas as people write them, value and gradient sharing their terms;
- scipy.special: the same with its functions, where it has them;
- scikit-learn: its private `_loss` classes, with the mean and the division by N that its linear models add;
- torch eager, torch compiled: the loss, and its gradient by autograd;
- jax.jit: the loss by Optax where it has it, and its gradient, compiled together, in 64-bit mode.

All run in one process on the same numbers, one after the other in rounds (A B C A B C …), so that what else the machine
does falls on all alike. Before that, each must agree with ours. A number is the median over the rounds. A ratio is
time of the peer / time of ours: above 1, ours is faster. `2:1` means that the peer had two threads and ours one.

The process keeps to two cores. Memory and mapped files are measured in processes of their own.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import gc
import importlib.metadata
import itertools
import json
import multiprocessing
import os
import platform
import re
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import bench_page
import code_paths
import numpy as np
from bench_losses import BOTH, GRADIENT, PEERS, ROWS, VALUE, WHATS, Call, Pair, Row, logits, set_threads

ROOT = Path(__file__).parents[2]
SIZES = (1, 100, 10_000, 1_000_000, 10_000_000)
AGREE = {"float64": 1e-6, "float32": 1e-2}  # tells a factor or a divisor; sums of 1e7 float32 are rough
SAMPLE, SHORT = 2e-3, 2e-2  # seconds that a sample lasts, and below which a call is made once before
REST, ROUNDS = 8e-3, 3  # seconds until OpenMP's idle threads are done with waiting; the fewest rounds
BLOCK = 1 << 15  # elements that stay in the cache
BUFFER = 1 << 23  # bytes read at once
MOST = 2_000_000_000  # bytes that a loss of mapped files may take before it fails
MAPPED = ("MSE", "BCE with logits")
PACKAGES = ("reflosses", "numpy", "scipy", "scikit-learn", "torch", "jax", "optax")


# ---- time ------------------------------------------------------------------------------------------------------------


class Disagreement(Exception):
    """A peer computes something else."""


def inputs(row: Row, dtype: str, n: int) -> Pair:
    y, p = row.data(np.random.default_rng(n), n)
    return y if y.dtype.kind == "i" else y.astype(dtype), p.astype(dtype)


def must_agree(found: Any, truth: Pair, what: str, tolerance: float, name: str) -> None:
    pair = {VALUE: lambda: (found, truth[1]), GRADIENT: lambda: (truth[0], found), BOTH: lambda: found}[what]()
    for got, true in zip(map(np.asarray, pair), map(np.asarray, truth), strict=True):
        if got.shape != true.shape or not np.abs(got - true).max() <= tolerance * np.abs(true).max():  # nor NaN
            raise Disagreement(f"{name}: {what} is {got}, ours {true}")


class Run(NamedTuple):
    """What is timed: how often in a row, and whether once before."""

    peer: str
    threads: int
    what: str
    call: Call
    times: int = 1
    warm: bool = False
    samples: Any = None

    def seconds(self) -> float:
        """Of one call, after a moment in which the threads of the run before stop waiting for work.

        This one does not sleep meanwhile: a processor that has slept is slow at first, and most so with an interpreter.
        """
        set_threads(self.threads)
        end = time.perf_counter() + REST
        while time.perf_counter() < end:
            pass
        if self.warm:
            self.call()
        start = time.perf_counter()
        for _ in range(self.times):
            self.call()
        return (time.perf_counter() - start) / self.times

    def ranged(self) -> Run:
        """With as many calls as make a sample; what is short is looked at again, since a first call is slow."""
        once = self.seconds()
        if once < SHORT:
            once = min(once, *(self.seconds() for _ in range(2)))
        return self._replace(times=max(1, int(SAMPLE / once)), warm=once < SHORT, samples=[])


def cell(row: Row, dtype: str, n: int, peers: list[str], seconds: float, failed: dict[str, str]) -> list[dict]:
    """One loss, dtype and size: every peer, in rounds."""
    y, p = inputs(row, dtype, n)
    set_threads(1)
    truth, runs = row.ours.value_and_grad(y, p), []
    for peer, threads in [(name, t) for name in peers for t in PEERS[name][1]]:
        if peer in failed:
            continue
        place = f"{peer}, {threads} threads, {row.name}, {dtype}, N = {n}"
        try:
            calls = PEERS[peer][0](row, threads, y, p) or {}
            for what in (w for w in WHATS if w in calls and (dtype == "float64" or w == BOTH)):
                set_threads(threads)
                must_agree(calls[what](), truth, what, AGREE[dtype], place)
                runs.append(Run(peer, threads, what, calls[what]).ranged())
        except Disagreement:
            raise
        except Exception as error:  # not installed, no compiler …: the page says so
            if peer == "ours":
                raise
            failed[peer] = f"{place}: {type(error).__name__}: {(str(error).strip() or repr(error)).splitlines()[0]}"
    start = time.perf_counter()
    while len(runs[0].samples) < ROUNDS or time.perf_counter() - start < seconds:
        for run in runs:
            run.samples.append(run.seconds())
    about = {"loss": row.name, "dtype": dtype, "n": n, "rounds": len(runs[0].samples)}
    return [
        about
        | {"peer": r.peer, "threads": r.threads, "what": r.what}
        | {"median": statistics.median(r.samples), "min": min(r.samples)}
        for r in runs
    ]


def triad(n: int = 1 << 25, rounds: int = 7) -> dict[str, float]:
    """Seconds an element of a = b + 3 c on arrays beyond any cache: two reads and one write, in 1 and 2 threads."""
    a, b, c = np.zeros(n), np.ones(n), np.ones(n)

    def part(start: int, stop: int) -> None:
        product = np.empty(BLOCK)
        for i in range(start, stop, BLOCK):
            here = slice(i, i + BLOCK)
            np.add(b[here], np.multiply(c[here], 3.0, out=product), out=a[here])

    found: dict[str, list[float]] = {"1": [], "2": []}
    with ThreadPoolExecutor(2) as pool:
        for _, threads in itertools.product(range(rounds), found):
            ends = [n * i // int(threads) for i in range(int(threads) + 1)]
            start = time.perf_counter()
            list(pool.map(part, ends, ends[1:]))
            found[threads].append((time.perf_counter() - start) / n)
    return {threads: statistics.median(s) for threads, s in found.items()}


# ---- memory, files and narrower instructions, each in a fresh process ------------------------------------------------


def fresh(f: Callable[..., Any], *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(f, arguments)


def resident(kind: str) -> int:
    """Bytes of this process in memory: now (VmRSS), at most (VmHWM), now without mapped files (RssAnon)."""
    return 1024 * int(re.search(rf"{kind}:\s+(\d+)", Path("/proc/self/status").read_text("utf-8"))[1])


def memory(peer: str, names: list[str], n: int) -> dict[str, int]:
    """Bytes that the second value_and_grad takes beyond its inputs, the gradient included, in float64."""
    make, threads = PEERS[peer]
    found = {}
    for row in (row for row in ROWS if row.name in names):
        call = (make(row, threads[-1], *inputs(row, "float64", n)) or {}).get(BOTH)
        if call is None:
            continue
        set_threads(threads[-1])
        call()
        ctypes.CDLL(None).malloc_trim(0)  # what is freed but kept would hide what is taken
        Path("/proc/self/clear_refs").write_text("5", "utf-8")  # forgets the high-water mark
        before = resident("VmRSS")
        call()
        found[row.name] = max(0, resident("VmHWM") - before)
        del call
    return found


def timed(names: list[str], sizes: list[int], seconds: float) -> list[dict[str, Any]]:
    """Ours and plain NumPy, in float64."""
    rows = [row for row in ROWS if row.name in names]
    return [t for row in rows for n in sizes for t in cell(row, "float64", n, ["ours", "naive NumPy"], seconds, {})]


def narrow(names: list[str], sizes: list[int], seconds: float) -> dict[str, Any]:
    """The same without AVX-512, if this machine has it: log1p and others are then no vector code in NumPy."""
    disabled = code_paths.paths()["AVX2"]
    if not (disabled and sizes):
        return {"missing": "float64 not asked for" if disabled else "this machine has no AVX-512"}
    with mock.patch.dict(os.environ, {"NPY_DISABLE_CPU_FEATURES": disabled}):
        return {"disabled": disabled, "times": fresh(timed, names, sizes, seconds)}


def forget(paths: list[str]) -> None:
    """Ask the kernel to drop the files from its cache."""
    for path in paths:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def over_files(paths: list[str]) -> dict[str, Any]:
    """Losses of a pair of mapped files, from a cold cache, and merely reading them: seconds and memory."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST, MOST))  # what loads the files fails, and does not fill the machine
    buffer = bytearray(BUFFER)

    def read() -> None:
        for path in paths:
            with open(path, "rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass

    def value(row: Row) -> float:
        return row.ours.value(*(np.memmap(path, np.float64, "r") for path in paths))

    calls = {"reading": read} | {r.name: functools.partial(value, r) for r in ROWS if r.name in MAPPED}
    peaks = {name: {"RssAnon": 0, "VmRSS": 0} for name in calls}
    times: dict[str, list[float]] = {name: [] for name in calls}
    now, done = "", threading.Event()

    def watch() -> None:
        while not done.wait(5e-3):
            for kind in ("RssAnon", "VmRSS"):
                peaks[now][kind] = max(peaks[now][kind], resident(kind))

    set_threads(2)
    threading.Thread(target=watch, daemon=True).start()
    for _, now in itertools.product(range(ROUNDS), calls):
        forget(paths)
        start = time.perf_counter()
        try:
            calls[now]()
        except MemoryError:
            return {"missing": f"{now} takes more than {MOST / 1e9:g} GB"}
        times[now].append(time.perf_counter() - start)
    done.set()
    return {"seconds": {k: statistics.median(s) for k, s in times.items()}, "peaks": peaks}


def files(size: int) -> dict[str, Any]:
    """Targets and logits in two files, and what `over_files` makes of them."""
    if not size:
        return {"missing": "not wanted in this run"}
    if not hasattr(os, "posix_fadvise") or not Path("/proc/self/status").exists():
        return {"missing": "this system cannot be asked to drop files from its cache"}
    if (free := shutil.disk_usage(tempfile.gettempdir()).free) < 1.2 * size:
        return {"missing": f"the temporary directory has {free / 1e9:.1f} GB, {size / 1e9:.1f} GB are wanted"}
    count = size // 16
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        paths = [f"{folder}/{name}" for name in ("y", "yhat")]
        for path, numbers in zip(paths, logits(np.random.default_rng(1), min(count, BUFFER)), strict=True):
            with open(path, "wb") as file:
                for start in range(0, count, len(numbers)):
                    file.write(numbers[: count - start])
                file.flush()
                os.fsync(file.fileno())
        return {"bytes": 16 * count} | fresh(over_files, paths)


# ---- the whole run ---------------------------------------------------------------------------------------------------


def about() -> dict[str, Any]:
    """The machine and what is installed."""
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"^model name\s*: (.+)$", cpuinfo.read_text("utf-8") if cpuinfo.exists() else "", re.M)
    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "simd": np.show_config("dicts")["SIMD Extensions"].get("found", []),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": {p: importlib.metadata.version(p) for p in PACKAGES if p in installed},
        "date": datetime.now(UTC).date().isoformat(),
        "load": os.getloadavg()[0],
    }


def tell(text: str) -> None:
    print(f"\r{text:78.78}" if sys.stderr.isatty() else text, end="" if sys.stderr.isatty() else "\n", file=sys.stderr)


def measure(wanted: argparse.Namespace) -> dict[str, Any]:
    begun, machine, failed = time.perf_counter(), about(), {}
    tell("bandwidth")
    report: dict[str, Any] = {"machine": machine, "triad": triad(), "failed": failed, "times": []}
    rows = [row for row in ROWS if row.name in wanted.losses]
    cells = list(itertools.product(rows, wanted.dtypes, wanted.sizes))
    gc.disable()
    for i, (row, dtype, n) in enumerate(cells):
        tell(f"{i + 1}/{len(cells)}, {time.perf_counter() - begun:.0f} s: {row.name}, {dtype}, N = {n}")
        report["times"] += cell(row, dtype, n, wanted.peers, wanted.seconds, failed)
        gc.collect()
    gc.enable()
    report["memory"] = {"n": wanted.memory, "peaks": {}, "missing": "this system does not tell"}
    for peer in wanted.peers if Path("/proc/self/clear_refs").exists() else ():
        tell(f"memory: {peer}")
        try:
            report["memory"]["peaks"][peer] = fresh(memory, peer, wanted.losses, wanted.memory)
        except Exception as error:  # as in `cell`
            failed.setdefault(peer, f"memory of {peer}: {type(error).__name__}: {error}")
    tell("without AVX-512")
    sizes = wanted.sizes if "float64" in wanted.dtypes else []
    report["narrow"] = narrow(wanted.losses, sizes, wanted.seconds / 4)
    tell(f"{wanted.files / 1e9:g} GB of files")
    report["files"] = files(wanted.files)
    machine["seconds"] = time.perf_counter() - begun
    tell(f"done in {machine['seconds']:.0f} s")
    print(file=sys.stderr)
    return report


def write(path: Path, save: Callable[[Path], Any]) -> None:
    """All of a file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        save(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def options(arguments: list[str]) -> argparse.Namespace:
    def several(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
        return lambda text: [kind(item.strip()) for item in text.split(",")]

    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("json", type=Path, nargs="?", default=ROOT / ".cache" / "speed.json", help="where all numbers go")
    add("--from", dest="source", type=Path, help="write the page of these numbers, measure nothing")
    add("--page", type=Path, default=ROOT / "derivations", help="the folder of speed.md and speed.svg")
    add("--sizes", type=several(lambda s: int(float(s))), default=list(SIZES), help="as 1,1e4")
    add("--losses", type=several(str), default=names, help=", ".join(names))
    add("--peers", type=several(str), default=list(PEERS), help=", ".join(PEERS))
    add("--dtypes", type=several(str), default=list(AGREE), help=", ".join(AGREE))
    add("--seconds", type=float, default=3.0, help="of a loss, dtype and size; at least three rounds are made")
    add("--memory", type=lambda s: int(float(s)), default=10_000_000, help="N of which memory is measured")
    add("--files", type=lambda s: int(float(s)), default=4_000_000_000, help="bytes of both mapped files; 0: none")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    wanted = options(arguments)
    if wanted.source:
        report = json.loads(wanted.source.read_text("utf-8"))
    else:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
        report = measure(wanted)
        write(wanted.json, lambda path: path.write_text(json.dumps(report, indent=1) + "\n", "utf-8"))
    write(wanted.page / "speed.md", lambda path: path.write_text(bench_page.page(report), "utf-8"))
    write(wanted.page / "speed.svg", lambda path: bench_page.draw(report, path))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: nothing is written")
