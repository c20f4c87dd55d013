"""How fast programs answer: ten thousand small calls, every bfloat16, and float32 by the million.

    python tests/measuring/program_speed.py

The programs are the clients of derivations/programs.md. Exit status 1: one is slower than promised there.
"""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from client_programs import INCLUDES, built, client

from reflosses import Huber, Program, check
from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.protocol import unpacked

LOSS = Huber(delta=0.7, reduction="none")
BLOCK = 1 << 17  # predictions of a call
SMALL, SECONDS = 10_000, 3.0  # so many small calls, and the time that they may take
BFLOAT16 = 2.0  # seconds for every finite bfloat16 with two targets
NUMBERS = 1e7  # float32 predictions a second of the program in C
HALF = (  # bfloat16 as the upper half of a float32
    INCLUDES
    + """#include <stdint.h>
static float wide(REAL x) { uint32_t u = (uint32_t)x << 16; float f; memcpy(&f, &u, 4); return f; }
static REAL narrow(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return f != f ? 0x7fc0 : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
static REAL loss(REAL y, REAL yhat) {
    float a = fabsf(wide(yhat) - wide(y));
    return narrow(a <= 0.7f ? a * a / 2 : 0.7f * (a - 0.35f));
}
static REAL slope(REAL y, REAL yhat) {
    float r = wide(yhat) - wide(y);
    return narrow(r < -0.7f ? -0.7f : r > 0.7f ? 0.7f : r);
}
"""
)


def bfloat16() -> str:
    """The client of the page in C, for numbers that C has no type for."""
    source = client("c", HALF).replace("float64", "bfloat16")
    return source.replace("strtod(p, &end)", "narrow(strtod(p, &end))").replace(", a[i])", ", wide(a[i]))")


def seconds(call: Callable[[], object]) -> float:
    """The time of the faster of two calls."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def sweep(asked: Program, yhat: np.ndarray) -> None:
    """Ask every prediction with the targets 0 and 1, in blocks."""
    for target in (0.0, 1.0):
        for start in range(0, len(yhat), BLOCK):
            block = yhat[start : start + BLOCK]
            answer = asked.ask(np.full(len(block), target), block)
            assert answer.value is not None, answer.fault
            assert answer.grad is not None
            assert len(answer.value) == len(answer.grad) == len(block)


def main() -> int:
    """Print a line for each figure."""
    half, single = FORMATS["bfloat16"], FORMATS["float32"]
    every = unpacked(np.arange(65536, dtype="<u2"), half)
    every = every[np.isfinite(every)]
    many = np.random.default_rng(3).normal(size=20 * BLOCK)
    y, yhat = np.zeros(3), np.array([0.25, -3.0, 7.0])
    slow = False
    with TemporaryDirectory() as name:
        folder = Path(name)
        commands = {"C": built(folder / "c", "c", real="float"), "JavaScript": built(folder / "js", "js")}
        for language, command in commands.items():
            with closing(Program(command)) as asked:
                asked.begin(LOSS, single)
                small = seconds(lambda asked=asked: [asked.ask(y, yhat) for _ in range(SMALL)])
                rate = 2 * len(many) / seconds(lambda asked=asked: sweep(asked, many))
            print(f"{language}: {SMALL} small calls in {small:.2f} s; {rate:.3g} float32 predictions a second")
            slow |= small > SECONDS or (language == "C" and rate < NUMBERS)
        with closing(Program(built(folder / "half", "c", bfloat16(), real="uint16_t"))) as asked:
            asked.begin(LOSS, half)
            took = seconds(lambda: sweep(asked, every))
            print(f"C: {len(every)} bfloat16 predictions with two targets in {took:.3f} s")
            found = check(asked, LOSS, dtype="bfloat16")
            print(f"C: {found.summary()}")
            slow |= took > BFLOAT16 or not found.ok
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
