"""How many threads share the blocks of a large call, and how; and what the C library does with freed memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from reflosses.evaluation.parameters import integer

_WORTH_PRIMING = 2**12  # predictions: with fewer, no temporary array reaches the allocator's thresholds

T = TypeVar("T")


_primed = False


def keep_freed_memory(predictions: int) -> None:
    """Let the C library keep what temporary arrays give back.

    Untold, glibc maps an array of 128 KiB or more anew at every operation, and hands freed memory back to the system at
    once: each operation then waits for pages. Freeing one array of nearly 32 MiB, the largest that counts, raises both
    of its thresholds, for the whole process and once; other C libraries take no notice.
    """
    global _primed
    if not _primed and predictions > _WORTH_PRIMING:
        _primed = True
        np.empty(2**22 - 2**10)


_threads: int | None = None  # None: not asked for yet
_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def get_num_threads() -> int:
    """How many threads an evaluation may use, the calling one included.

    Unless `set_num_threads` has said so, it is the environment variable REFLOSSES_NUM_THREADS, else OMP_NUM_THREADS,
    else the number of processors that this process may run on.
    """
    if _threads is not None:
        return _threads
    for name in ("REFLOSSES_NUM_THREADS", "OMP_NUM_THREADS"):
        given = os.environ.get(name, "").partition(",")[0].strip()  # OpenMP allows a list, one number a level
        if given.isdecimal() and int(given) > 0:
            return int(given)
        if given and name == "REFLOSSES_NUM_THREADS":
            raise ValueError(f"REFLOSSES_NUM_THREADS is {given!r}, not a whole number from 1")
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_num_threads(n: int) -> None:
    """Let evaluations use `n` threads, the calling one included; no result depends on it, not even in its last bit.

    Raises TypeError for what is not an integer, ValueError below 1.
    """
    global _threads, _pool
    if integer("set_num_threads: n", n) < 1:
        raise ValueError(f"set_num_threads: n is {n}, not at least 1")
    with _lock:
        old, _pool, _threads = _pool, None, int(n)
    if old is not None:
        old.shutdown(wait=False)  # what its threads have been given they finish


def in_parallel(work: Callable[[T], None], items: Iterable[T]) -> None:
    """Call `work` on every item, from this thread and others of the pool, each taking the next item it can get.

    What one of them raises ends all of them, each after the item in its hands, and is raised here.
    """
    end: Any = object()
    queue = iter(items)
    lock = threading.Lock()

    def take() -> None:
        nonlocal queue
        try:
            with np.errstate(all="ignore"):
                while True:
                    with lock:
                        item = next(queue, end)
                    if item is end:
                        return
                    work(item)
        except BaseException:
            queue = iter(())
            raise

    helpers = _start(take, get_num_threads() - 1)
    try:
        take()
    finally:
        queue = iter(())
        waiting = [helper for helper in helpers if not helper.cancel()]
        wait(waiting)
    for helper in waiting:
        helper.result()


def _start(work: Callable[[], None], n: int) -> list[Future[None]]:
    """Have `n` threads of the pool do this work; fewer, if the interpreter is shutting down."""
    global _pool
    started: list[Future[None]] = []
    if n > 0:
        with _lock:
            _pool = _pool or ThreadPoolExecutor(n, "reflosses")
            with suppress(RuntimeError):  # no work is taken any more
                for _ in range(n):
                    started.append(_pool.submit(work))
    return started


def _after_fork() -> None:
    """A child has its parent's pool, but none of its threads; and the lock may have been held."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
