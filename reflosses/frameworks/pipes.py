"""A running program and the three pipes to it: every wait for it has an end.

Its standard output is read while we write to it, so that neither side waits for the other. Its standard error is read
too, and its last words are kept.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from reflosses.frameworks.processes import (
    APART,
    PULSE,
    CannotLoadError,
    ProcessDied,
    end_in_words,
    end_of_group,
    limit_memory,
)
from reflosses.frameworks.protocol import NotInProtocolError, printable, quoted

CHUNK = 1 << 20  # bytes that are read or written at once, and the size of a pipe where it can be chosen
UNASKED = 1 << 16  # bytes that are read from a program that is to read
LAST_WORDS = 1 << 12  # bytes of standard error that are kept


class Pipes:
    """A program from its start to its end. Raises CannotLoadError if it cannot be started.

    Every method that waits takes the time at which it ends, and raises TimeoutError then, ProcessDied if the program
    ends, and NotInProtocolError if it sends too much.
    """

    def __init__(self, command: Sequence[str], memory: float | None) -> None:
        if sys.platform == "win32":
            raise CannotLoadError("programs are asked on Linux and macOS alone: pipes of Windows have no limit of time")
        self._process = _started(command)
        pipes = self._process.stdin, self._process.stdout, self._process.stderr
        self._to, self._from, self._errors = (pipe.fileno() for pipe in pipes if pipe is not None)
        for pipe in (self._to, self._from, self._errors):
            os.set_blocking(pipe, False)
            _widen(pipe)
        limit_memory(memory, self._process.pid)
        self._got, self._said = bytearray(), bytearray()
        self._reading, self._both = select.poll(), select.poll()
        for poll in (self._reading, self._both):
            poll.register(self._from, select.POLLIN)
            poll.register(self._errors, select.POLLIN)
        self._both.register(self._to, select.POLLOUT)

    @property
    def last_words(self) -> str:
        """The last line that the program has written on its standard error; "" if there is none."""
        lines = self._said.decode(errors="replace").split("\n")
        return next((shown for line in reversed(lines) if (shown := printable(line))), "")

    def expect_silence(self, end: float) -> None:
        """Raise NotInProtocolError if something has come that nobody asked for."""
        self._read(self._reading.poll(0), end)
        if self._got:
            raise NotInProtocolError(f"sent something that nobody asked for: {quoted(self._got)}")

    def send(self, data: bytes, end: float) -> None:
        """Write a request."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._to, rest[:CHUNK]) :]
            except BlockingIOError:
                self._wait(end, self._both)
            except BrokenPipeError:
                raise self._death(end, "closed its standard input") from None
            if len(self._got) > UNASKED:
                raise NotInProtocolError(f"sends before it has read a request: {quoted(self._got)}")

    def line(self, longest: int, end: float) -> bytes:
        """The next line, without its end."""
        seen = 0
        while (found := self._got.find(b"\n", seen)) < 0:
            seen = len(self._got)
            if seen > longest:
                raise NotInProtocolError(f"sent {seen} bytes without an end of line: {quoted(self._got)}")
            self._wait(end, self._reading)
        line = bytes(self._got[:found])
        del self._got[: found + 1]
        return line

    def bytes(self, count: int, end: float) -> bytearray:
        """The next so many bytes."""
        while len(self._got) < count:
            self._wait(end, self._reading)
        rest = self._got[count:]
        taken, self._got = self._got, rest
        del taken[count:]
        return taken

    def close(self) -> None:
        """End the program, and the processes that it started."""
        end_of_group(self._process)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _wait(self, end: float, poll: select.poll) -> None:
        """Read what has come, or what comes within a moment."""
        left = end - time.monotonic()
        if left <= 0:
            part = f"; it sent {quoted(self._got)} and no more" if self._got else ""
            raise TimeoutError(part)
        ended = self._process.poll() is not None  # what it wrote before its end is still read
        ready = poll.poll(1000 * min(PULSE, left))
        if ended and not ready:
            raise self._death(end, "")
        self._read(ready, end)

    def _read(self, ready: list[tuple[int, int]], end: float) -> None:
        for pipe, _ in ready:
            if pipe == self._to:
                continue
            chunk = os.read(pipe, CHUNK)
            if pipe == self._from:
                self._got += chunk
                if not chunk:
                    raise self._death(end, "closed its standard output")
            else:
                self._said = (self._said + chunk)[-LAST_WORDS:]
                if not chunk:
                    self._reading.unregister(pipe)
                    self._both.unregister(pipe)

    def _death(self, end: float, closed: str) -> ProcessDied:
        """How the program has ended."""
        words = end_in_words(self._process, end - time.monotonic(), closed)
        with suppress(OSError):
            self._said += os.read(self._errors, CHUNK)
        part = f" in the middle of an answer: {quoted(self._got)}" if self._got else ""
        return ProcessDied(f"{words}{part}")


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    name = command[0]
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(list(command), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, **APART)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        hint = f"; did you mean ./{name}?" if os.sep not in name and os.path.isfile(name) else ""
        raise CannotLoadError(f"{why}{hint}") from None


def _widen(pipe: int) -> None:
    """Let a pipe hold more, where the system allows it: large arrays then need fewer turns."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, CHUNK)
