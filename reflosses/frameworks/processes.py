"""Processes that nobody trusts: how they live apart from ours, how they end, and when they are asked no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from abc import abstractmethod
from contextlib import suppress
from typing import Any

from reflosses.comparison.candidate import Answer, Candidate, Failure

MEMORY = 8.0  # GiB; PyTorch and JAX use 0.3 GiB of data before the first call
PULSE = 0.05  # seconds between two looks at whether a process lives

# A group of its own: Ctrl-C does not reach it, and the processes that it starts end with it.
APART: dict[str, Any] = {} if sys.platform == "win32" else {"start_new_session": True}


class ProcessDied(Exception):
    """The process ended before it answered. The message is a clause about it; where: its last words."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


class CannotLoadError(Exception):
    """A candidate cannot be imported or started, or its process died or hung during that."""


def end_of_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started with APART, and the processes that it started."""
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def end_in_words(process: subprocess.Popen[bytes], left: float, closed: str) -> str:
    """How a process ended that said `closed`; left: seconds to wait for its end, if it still runs."""
    try:
        return status_in_words(process.wait(min(1.0, max(PULSE, left))))
    except subprocess.TimeoutExpired:
        return closed


def status_in_words(status: int) -> str:
    """An exit status as a clause; below 0 it is the number of a signal."""
    if status >= 0:
        return f"exited with status {status if status < 256 else hex(status)}"
    names = {s.value: s.name for s in signal.Signals}
    return f"killed by signal {names.get(-status, -status)}"


def limit_memory(gibibytes: float | None, process: int = 0) -> None:
    """Limit the data of this process, or of another one: the address space of a framework is much larger.

    No file shows a crash. Windows has no such limit, and macOS none for another process.
    """
    if sys.platform == "win32" or (process and sys.platform != "linux"):
        return
    import resource

    limits = {resource.RLIMIT_CORE: 0}
    if gibibytes is not None:
        limits[resource.RLIMIT_DATA] = int(gibibytes * 2**30)
    for kind, size in limits.items():
        most = resource.getrlimit(kind)[1]
        both = (size if most == resource.RLIM_INFINITY else min(size, most), most)
        if not process:
            resource.setrlimit(kind, both)
        elif sys.platform == "linux":
            with suppress(ProcessLookupError):
                resource.prlimit(process, kind, both)


class Apart(Candidate):
    """A candidate in a process of its own. A failure of the process is an answer.

    limit: seconds for a call. After `patience` deaths, or as soon as failed calls have lasted as long as the limit,
    each further call gets an error at once: a candidate that hangs costs one limit. Threads may share it: their calls
    wait for each other.
    """

    patience = 3

    def __init__(self, limit: float) -> None:
        self.failures, self._lost, self._limit = 0, 0.0, limit
        self._lock = threading.RLock()

    @property
    def given_up(self) -> bool:
        """Whether it has failed too often, or for too long, to be called again."""
        return self.failures >= self.patience or self._lost >= self._limit

    def ask(self, y: Any, yhat: Any, weight: Any = None, upstream: Any = None) -> Answer:
        """One call. A death of the process is an error, as an exception of the candidate is."""
        with self._lock:
            if self.given_up:
                several = f"{self.failures} crashes or timeouts" if self.failures > 1 else "a crash or a timeout"
                return Answer(error=f"GivenUp: not called any more, after {several}")
            start = time.monotonic()
            try:
                return self._call(y, yhat, weight, upstream)
            except (ProcessDied, TimeoutError, CannotLoadError) as error:
                self.failures += 1
                self._lost += self._limit if isinstance(error, TimeoutError) else time.monotonic() - start
                where = error.where if isinstance(error, ProcessDied) else ""
                answer = Answer(error=f"{type(error).__name__}: {error}", where=where)
                self.first_failure = self.first_failure or Failure(y, yhat, weight, answer)
                return answer

    @abstractmethod
    def _call(self, y: Any, yhat: Any, weight: Any, upstream: Any) -> Answer:
        """One call. Raises ProcessDied, TimeoutError or CannotLoadError."""
