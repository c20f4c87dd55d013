"""A candidate in a process of its own: a crash or an endless call is reported and does no other harm.

The process is a new Python with a socket to ours. It is not forked, because frameworks have threads, and it does not
run anybody's `__main__` again. The output of the candidate is dropped. Whatever the candidate does:

- every wait for it has a limit of time, also while it is loaded, and if it sends half of an answer or other bytes;
- questions and answers have numbers, and only the process that we started answers;
- the processes that it starts end with it: they are one group (a process that leaves the group is not found);
- its memory has a limit, on systems that have one for the data of a process (Linux).
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, NamedTuple

from reflosses.comparison.candidate import FRAMEWORKS, Answer, InProcess, NumPy, detect
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.inspection import place_of, told
from reflosses.frameworks.loading import load_target, split_target
from reflosses.frameworks.processes import (
    APART,
    MEMORY,
    PULSE,
    Apart,
    CannotLoadError,
    ProcessDied,
    end_in_words,
    end_of_group,
    limit_memory,
)

GRACE = 10  # seconds after the limit of a call at which the process ends itself, in case that nobody ends it
LOADING = 60.0  # seconds for loading a candidate, if the limit of a call is not longer: frameworks take long to import


@dataclass(frozen=True)
class Source:
    """Where a candidate comes from, in words that another process understands.

    name: "package.module:function" or "path/to/file.py:function"; a method, a class that needs no arguments, or an
    instance that can be called work too. If `given` has parameters, it is the name of a function of
    `reflosses.frameworks` instead. grad: "auto", None, or the name of its gradient. framework: as for
    `reflosses.check`; with "auto" the first answer tells it, and until then it is NumPy. order, returns: as for
    `InProcess`.
    """

    name: str
    given: Mapping[str, Any] | None = None
    grad: str | None = "auto"
    framework: str = "auto"
    order: str = "auto"
    returns: str = "auto"

    def __post_init__(self) -> None:
        for target in (self.name if self.given is None else None, self.grad if self.grad != "auto" else None):
            if target is not None:
                split_target(target)


# ---- the connection --------------------------------------------------------------------------------------------------


class _GarbledError(Exception):
    """Bytes arrived that are no message."""


class _Channel:
    """Numbered messages over a socket. A message starts with a token, so that other bytes are noticed."""

    header = struct.Struct("!16sQQ")

    def __init__(self, own: socket.socket, token: bytes) -> None:
        own.set_inheritable(False)
        self._socket, self._token, self._buffer = own, token, b""

    def send(self, number: int, message: Any, seconds: float | None = None) -> None:
        """Send a message. TimeoutError if the other side does not take it in time."""
        body = pickle.dumps(message)
        self._socket.settimeout(seconds)
        self._socket.sendall(self.header.pack(self._token, number, len(body)) + body)

    def receive(self, end: float = float("inf"), alive: Callable[[], bool] | None = None) -> tuple[int, Any]:
        """The next message and its number. TimeoutError after the time `end`; EOFError if nobody can send any more."""
        chunks, size, number, missing = [self._buffer], len(self._buffer), 0, self.header.size
        while True:
            if size >= missing:
                whole = b"".join(chunks)
                token, number, length = self.header.unpack_from(whole)
                if token != self._token:
                    raise _GarbledError
                missing = self.header.size + length
                if size >= missing:
                    self._buffer = whole[missing:]
                    return number, _unpickled(whole[self.header.size : missing])
                chunks = [whole]
            lives, left = alive is None or alive(), end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(min(PULSE, left) if alive else None)
            try:
                chunk = self._socket.recv(1 << 20)
            except TimeoutError:
                if not lives:
                    raise EOFError from None
                continue
            if not chunk:
                raise EOFError
            chunks.append(chunk)
            size += len(chunk)

    def close(self) -> None:
        """Close the socket on this side."""
        self._socket.close()


def _unpickled(body: bytes) -> Any:
    try:
        return pickle.loads(body)
    except Exception:
        raise _GarbledError from None


# ---- this side -------------------------------------------------------------------------------------------------------


class Worker:
    """A process that serves one candidate after the other. It starts at the first request, and again after a death.

    memory: the largest amount of data in GiB that it may hold, or None for no limit. Windows and macOS have no limit.
    """

    def __init__(self, memory: float | None = MEMORY) -> None:
        self.loaded: object = None  # the `Isolated` whose candidate it holds
        self._memory, self._number = memory, 0
        self._process: subprocess.Popen[bytes] | None = None

    def request(self, message: Any, limit: float) -> Any:
        """The reply to a message. Without a reply the process is ended: ProcessDied or TimeoutError."""
        end, answered = time.monotonic() + limit, False
        try:
            if self._process is None:
                self._process, self._channel = _started(self._memory)
            process = self._process
            self._number += 1
            self._channel.send(self._number, message, limit)
            while True:
                number, reply = self._channel.receive(end, lambda: process.poll() is None)
                if number == self._number:  # another one answers an old question
                    answered = True
                    return reply
        except TimeoutError:
            raise TimeoutError(f"no answer within {limit:g} s") from None
        except (EOFError, ConnectionError):
            raise ProcessDied(end_in_words(process, end - time.monotonic(), "closed its connection")) from None
        except _GarbledError:
            raise ProcessDied("sent bytes that are no answer") from None
        finally:
            if not answered:  # perhaps interrupted: a late reply must not answer the next request
                self.close()

    def close(self) -> None:
        """End the process, and the processes that it started."""
        process, self._process, self.loaded = self._process, None, None
        if process is None:
            return
        self._channel.close()
        end_of_group(process)


def _started(memory: float | None) -> tuple[subprocess.Popen[bytes], _Channel]:
    """A process and the connection to it. It has our import path, after the current directory."""
    ours, theirs = socket.socketpair()
    token, handle = os.urandom(16), theirs.fileno()
    options: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    if sys.platform == "win32":
        options["stdin"] = subprocess.PIPE  # which tells how to open the socket
    else:
        options |= {"pass_fds": [handle], **APART}
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "  # Ctrl-C stops us, and we end it
        f"sys.path[:] = {[os.getcwd(), *map(str, sys.path)]}; "
        f"from reflosses.frameworks import isolation; isolation.serve({handle}, {token!r}, {memory})"
    )
    with theirs:
        process = subprocess.Popen([sys.executable, "-c", code], **options)
        if sys.platform == "win32":
            assert process.stdin is not None
            with suppress(OSError), process.stdin:
                process.stdin.write(theirs.share(process.pid))
    return process, _Channel(ours, token)


class _Facts(NamedTuple):
    """What the other side knows of a candidate. The framework is "auto" until the first answer."""

    framework: str
    takes_weight: bool
    differentiates: bool
    subnormals: bool
    why_no_gradient: str


class Isolated(Apart):
    """A candidate that is called in another process. Raises CannotLoadError.

    worker: its process. Candidates that share it import their framework only once. limit: seconds for a call. loading:
    seconds for the start of the process and for loading, by default the limit, and at least a minute.
    """

    takes_weight = differentiates = subnormals = False  # until the candidate is loaded
    why_no_gradient = ""

    def __init__(
        self,
        source: Source,
        dtype: str = "float64",
        *,
        worker: Worker,
        limit: float = 30.0,
        loading: float | None = None,
    ) -> None:
        super().__init__(limit)
        self._source, self._dtype, self._worker = source, dtype, worker
        self._loading = max(limit, LOADING) if loading is None else loading
        self._load()

    def __repr__(self) -> str:
        return self._source.name

    def _call(self, y: Any, yhat: Any, weight: Any, upstream: Any) -> Answer:
        if self._worker.loaded is not self:
            self._load()
        answer, facts = self._worker.request((y, yhat, weight, upstream), self._limit)
        self._learn(facts)
        return answer  # type: ignore[no-any-return]

    def _load(self) -> None:
        message = self._source, self._dtype, self._limit, self._loading
        try:
            answer, facts = self._worker.request(message, self._loading)
        except (ProcessDied, TimeoutError) as error:
            raise CannotLoadError(f"{self} cannot be loaded: {type(error).__name__}: {error}") from None
        if answer.error:
            where = f" ({answer.where})" if answer.where else ""
            raise CannotLoadError(f"{self} cannot be loaded: {answer.error}{where}")
        self._worker.loaded = self
        self._learn(facts)

    def _learn(self, facts: _Facts) -> None:
        _, self.takes_weight, self.differentiates, self.subnormals, self.why_no_gradient = facts
        self._source = replace(self._source, framework=facts.framework)  # a new process need not find it out again


# ---- the other side --------------------------------------------------------------------------------------------------


def serve(handle: int, token: bytes, memory: float | None) -> None:
    """Load candidates and call them until the connection closes."""
    own = os.getpid()
    if sys.platform == "win32":
        channel = _Channel(socket.fromshare(sys.stdin.buffer.read()), token)
    else:
        channel = _Channel(socket.socket(fileno=handle), token)
    limit_memory(memory)
    candidate: Any = None
    with suppress(EOFError, ConnectionError):
        while True:
            number, message = channel.receive()
            reply: tuple[Answer, _Facts | None]
            if not isinstance(message[0], Source):
                reply = candidate.ask(*message)
            else:
                try:
                    *described, loading = message
                    with _Alarm(loading):
                        candidate = _Served(*described)
                        reply = Answer(), candidate.facts()
                except (Exception, SystemExit) as error:
                    reply = Answer(error=told(error), where=place_of(error)), None
            if os.getpid() != own:  # the candidate has made a copy of this process
                os._exit(0)
            channel.send(number, reply)
    if sys.platform != "win32" and os.getpgrp() == own:
        os.killpg(own, signal.SIGKILL)  # with the processes that the candidates started


class _Alarm:
    """Ends this process some seconds after a limit, if nobody else does: a call may never return."""

    def __init__(self, limit: float) -> None:
        self._seconds = int(limit) + GRACE

    def __enter__(self) -> None:
        if hasattr(signal, "alarm"):
            signal.alarm(self._seconds)

    def __exit__(self, *_: object) -> None:
        if hasattr(signal, "alarm"):
            signal.alarm(0)


class _Served:
    """The candidate that this process serves."""

    def __init__(self, source: Source, dtype: str, limit: float) -> None:
        form, self.limit = FORMATS[dtype], limit
        self.unknown = source.given is None and source.framework == "auto"  # the framework is unknown
        if source.given is not None:
            from reflosses.frameworks.function import find  # no other source needs every loss imported

            framework, function = find(source.name)
            self.candidate: Any = framework.candidate(function, source.given, form)
            return
        if not self.unknown:
            import_module(source.framework)
        arrays = NumPy(form) if self.unknown else FRAMEWORKS[source.framework](form)
        grad: Any = source.grad
        if grad not in ("auto", None):
            grad = load_target(grad)
        self.candidate = InProcess(load_target(source.name), arrays, grad, source.order, source.returns)

    def ask(self, y: Any, yhat: Any, *more: Any) -> tuple[Answer, _Facts]:
        """One call. The first answer without an error tells the framework."""
        served = self.candidate
        with _Alarm(self.limit):
            if self.unknown:
                served.arrays = detect(served.candidate, served.arrays.form, y, yhat, served.order)
            answer = served.ask(y, yhat, *more)
            self.unknown = self.unknown and bool(answer.error)
            return answer, self.facts()

    def facts(self) -> _Facts:
        """What `Isolated` learns of the candidate."""
        served = self.candidate
        framework = "auto" if self.unknown else served.arrays.name
        subnormals = self.unknown or served.subnormals
        return _Facts(framework, served.takes_weight, served.differentiates, subnormals, served.why_no_gradient)
