"""How many threads share the blocks of a large call, how they share them, and how freed memory is kept."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from reflosses.evaluation.parameters import whole

_MOST = 1024  # threads: more than these cost more than any machine gains
_WORTH_PRIMING = 2**12  # predictions: with fewer, no temporary array reaches the allocator's thresholds

T = TypeVar("T")


_primed = False


def keep_freed_memory(predictions: int) -> None:
    """Let the C library keep the memory of temporary arrays.

    By default glibc maps each array of 128 KiB or more anew and gives its memory back when it is freed, so that every
    operation waits for pages. Freeing one array of nearly 32 MiB raises both thresholds, once for the whole process.
    Other C libraries are not affected.
    """
    global _primed
    if not _primed and predictions > _WORTH_PRIMING:
        _primed = True
        np.empty(2**22 - 2**10)


_threads: int | None = None  # None: `set_num_threads` has not been called
_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def get_num_threads() -> int:
    """How many threads an evaluation may use, the calling one included.

    The last `set_num_threads` decides; without one, the environment variable REFLOSSES_NUM_THREADS, then
    OMP_NUM_THREADS, then the number of processors that this process may run on.
    """
    if _threads is not None:
        return _threads
    for name in ("REFLOSSES_NUM_THREADS", "OMP_NUM_THREADS"):
        given = os.environ.get(name, "").partition(",")[0].strip()  # OpenMP allows a list, one number a level
        if given.isdecimal() and len(given) < 9 and int(given) > 0:
            return min(int(given), _MOST)
        if given and name == "REFLOSSES_NUM_THREADS":
            raise ValueError(f"REFLOSSES_NUM_THREADS is {given!r}, not a whole number from 1")
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_num_threads(n: int) -> None:
    """Let evaluations use `n` threads, the calling one included. Results are the same bits for every `n`.

    TypeError if `n` is no integer, ValueError if it is not from 1 to 1024.
    """
    global _threads, _pool
    n = whole("set_num_threads: n", n, 1, _MOST)
    with _lock:
        old, _pool, _threads = _pool, None, n
    if old is not None:
        old.shutdown(wait=False)  # its threads finish their work


def in_parallel(work: Callable[[T], None], items: Iterable[T]) -> None:
    """Call `work` on every item, in this thread and in others of the pool. Each takes the next item of one queue.

    If one of them raises an exception, the others finish the item they hold, and the exception is raised here.
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
    """Give this work to `n` threads of the pool, or to fewer if the interpreter is shutting down."""
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
    """Forget the pool in a child process: its threads are not there, and its lock may be held."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
