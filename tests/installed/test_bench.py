"""`make bench` measures what it says, at tiny sizes; its page is that of its numbers."""

import json
import subprocess
import sys
from pathlib import Path

import bench
import bench_page
import numpy as np
import pytest
from bench_losses import BOTH, PEERS, ROWS, WHATS

ROOT = Path(__file__).parents[2]
EAGER = [peer for peer in PEERS if peer != "torch compiled"]  # which takes seconds a loss
RUNS = {
    "all losses": ([r.name for r in ROWS], EAGER, (30,), ("float64", "float32")),
    "all peers": (["MSE", "CE of 10 classes"], [*PEERS], (1, 100), ("float64",)),
}


@pytest.fixture(scope="module", params=RUNS)
def run(request, tmp_path_factory):
    """What was asked, the folder that was written, and the report in it."""
    asked, folder = RUNS[request.param], tmp_path_factory.mktemp("bench")
    losses, peers, sizes, dtypes = (",".join(map(str, a)) for a in asked)
    command = [
        sys.executable,
        ROOT / "tests" / "measuring" / "bench.py",
        folder / "speed.json",
        "--page",
        folder,
        "--seconds",
        "0",
    ]
    command += ["--losses", losses, "--peers", peers, "--sizes", sizes, "--dtypes", dtypes]
    done = subprocess.run([*command, "--memory", "1000", "--files", "1e6"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr  # a peer that disagrees with ours ends the run
    return asked, folder, json.loads((folder / "speed.json").read_text("utf-8"))


def test_every_peer_that_has_a_loss_agrees_and_is_timed(run):
    (losses, peers, sizes, dtypes), _, report = run
    assert set(report["failed"]) <= {"torch compiled"}, report["failed"]  # there may be no compiler
    timed = {(r["loss"], r["peer"], r["threads"], r["n"], r["dtype"]) for r in report["times"] if r["what"] == BOTH}
    everybody = {"ours", "naive NumPy", "torch eager", "torch compiled", "jax.jit"} & set(peers) - set(report["failed"])
    has = {"scipy.special": lambda row: row.scipy, "scikit-learn": lambda row: row.sklearn}
    assert timed == {
        (row.name, peer, threads, n, dtype)
        for row in ROWS
        if row.name in losses
        for peer in peers
        if peer in everybody or (peer in has and has[peer](row))
        for threads in PEERS[peer][1]
        for n in sizes
        for dtype in dtypes
    }
    for r in report["times"]:
        assert 0 < r["min"] <= r["median"] < 10
        assert r["rounds"] >= bench.ROUNDS


def test_memory_and_files_are_measured(run):
    _, peers, *_ = run[0]
    report = run[2]
    assert set(report["memory"]["peaks"]) == set(peers) - set(report["failed"])
    assert set(report["files"]["seconds"]) == {"reading"} | set(bench.MAPPED)
    assert report["files"]["bytes"] == 1_000_000


def test_the_page_shows_every_loss_at_every_size_and_can_be_written_again(run, tmp_path):
    (losses, _, sizes, dtypes), folder, report = run
    page = (folder / "speed.md").read_text("utf-8")
    for dtype in dtypes:
        for n in sizes:
            section = page.partition(f"### N = {n}, {dtype}\n")[2].partition("\n#")[0]
            lines = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][2:]
            assert [line[0].removeprefix("| ") for line in lines] == losses
            assert {len(line) for line in lines} == {3 + len(bench_page.PAIRS)}
    assert sorted(p.name for p in folder.iterdir()) == ["speed.json", "speed.md", "speed.svg"]
    bench.main(["--from", str(folder / "speed.json"), "--page", str(tmp_path)])
    for name in ("speed.md", "speed.svg"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert report["triad"]["2"] > 0


def test_the_page_is_that_of_the_numbers_of_this_checkout():
    source, page = ROOT / ".cache" / "speed.json", ROOT / "derivations" / "speed.md"
    if source.exists() and page.exists():
        assert bench_page.page(json.loads(source.read_text("utf-8"))) == page.read_text("utf-8")


@pytest.mark.parametrize("what", WHATS)
def test_a_peer_that_disagrees_is_told(what):
    truth = 0.7, np.array([0.3, -0.5])
    same = {"value": truth[0], "gradient": truth[1], "both": truth}
    half = {"value": 0.35, "gradient": truth[1] / 2, "both": (0.7, truth[1] / 2)}
    bench.must_agree(same[what], truth, what, 1e-6, "toy")
    with pytest.raises(bench.Disagreement, match=f"toy: {what}"):
        bench.must_agree(half[what], truth, what, 1e-6, "toy")


def test_an_interrupt_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "speed.md"
    bench.write(path, lambda p: p.write_text("whole", "utf-8"))

    def interrupted(partial):
        partial.write_text("ha", "utf-8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.write(path, interrupted)
    assert [p.read_text("utf-8") for p in tmp_path.iterdir()] == ["whole"]


def test_a_missed_target_is_bold_and_listed():
    def times(peer, threads, seconds):
        about = {"loss": "MSE", "dtype": "float64", "n": 10_000_000, "what": BOTH, "rounds": 3}
        return about | {"peer": peer, "threads": threads, "median": seconds, "min": seconds}

    slow = [times("ours", 1, 1.0), times("ours", 2, 1.0), times("torch eager", 2, 2.4), times("jax.jit", 2, 1.3)]
    misses = {}
    text = bench_page.ratios(bench_page.Times({"times": slow}), "float64", 10_000_000, misses)
    assert "| **2.4** (≥ 2.5) | – | 1.3 |" in text
    assert misses == {10_000_000: {"MSE": ["torch eager 2:2 2.40 (≥ 2.5)"]}}
    text = bench_page.targets(bench_page.Times({"times": slow}), misses)
    assert text.startswith("Of 2 targets 1 are met.\n")
    assert text.endswith("\n- MSE: torch eager 2:2 2.40 (≥ 2.5)\n")
