"""A candidate in a process of its own: a crash or an endless call is reported and does no other harm.

The process is a new Python with a connection to ours. It is not forked, because frameworks have threads, and it does
not run anybody's `__main__` again. The output of the candidate is dropped.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import reduce
from importlib import import_module
from multiprocessing import Pipe, connection
from typing import Any

from reflosses.comparison.candidate import FRAMEWORKS, Answer, Candidate, InProcess, NumPy, detect
from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.function import find

GRACE = 10  # seconds after the limit of a call at which the process ends itself, in case that nobody ends it


class ProcessDied(Exception):
    """The process ended before it answered."""


class CannotLoadError(Exception):
    """A candidate cannot be imported, or its process died or hung during the import."""


@dataclass(frozen=True)
class Source:
    """Where a candidate comes from, in words that another process understands.

    name: "package.module:function" ("package.module:Class.method" works too). If `given` has parameters, it is the name
    of a function of `reflosses.frameworks` instead. grad: "auto", None, or the "package.module:function" of its
    gradient. framework: as for `reflosses.check`; with "auto" the first answer tells it, and until then it is NumPy.
    """

    name: str
    given: Mapping[str, Any] | None = None
    grad: str | None = "auto"
    framework: str = "auto"

    def __post_init__(self) -> None:
        for path in (self.name if self.given is None else None, self.grad if self.grad != "auto" else None):
            if path is not None and not re.fullmatch(r"[^:\s]+:[^:\s]+", path):
                raise ValueError(f"{path!r} is not of the form package.module:function")


# ---- this side -------------------------------------------------------------------------------------------------------


class Worker:
    """A process that serves one candidate after the other. It starts at the first request, and again after a death."""

    start = 120.0  # seconds for its start and for loading a candidate

    def __init__(self) -> None:
        self.loaded: object = None  # the `Isolated` whose candidate it holds
        self._process: subprocess.Popen[bytes] | None = None

    def request(self, message: Any, limit: float) -> Any:
        """The reply to a message. Without a reply the process is ended: ProcessDied or TimeoutError."""
        try:
            if self._process is None:
                self._process, self._pipe = _started()
            self._pipe.send(message)
            if self._pipe.poll(limit):
                return self._pipe.recv()
        except (EOFError, ConnectionError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)  # type: ignore[union-attr]
            raise ProcessDied(_in_words(self.close())) from None
        except BaseException:  # such as an interrupt: a late reply must not answer the next request
            self.close()
            raise
        self.close()
        raise TimeoutError(f"no answer within {limit:g} s")

    def close(self) -> int:
        """End the process and return its exit status."""
        process, self._process, self.loaded = self._process, None, None
        if process is None:
            return 0
        self._pipe.close()
        process.kill()
        return process.wait()


def _started() -> tuple[subprocess.Popen[bytes], Any]:
    """A process and the connection to it. It has our import path, after the current directory."""
    ours, theirs = Pipe()
    handle = theirs.fileno()
    options: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        options["startupinfo"] = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
    else:
        options["pass_fds"] = [handle]
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "  # Ctrl-C stops us, and we end it
        f"sys.path[:] = {[os.getcwd(), *map(str, sys.path)]}; "
        f"from reflosses.frameworks import isolation; isolation.serve({handle})"
    )
    with theirs:
        return subprocess.Popen([sys.executable, "-c", code], **options), ours


def _in_words(status: int) -> str:
    if status >= 0:
        return f"exited with status {status if status < 256 else hex(status)}"
    names = {s.value: s.name for s in signal.Signals}
    return f"killed by signal {names.get(-status, -status)}"


class Isolated(Candidate):
    """A candidate that is called in another process. Raises CannotLoadError.

    worker: its process. Candidates that share it import their framework only once. limit: seconds for a call.
    """

    takes_weight = differentiates = subnormals = False  # until the candidate is loaded
    patience = 3  # after so many deaths and timeouts each further call gets an error at once

    def __init__(self, source: Source, dtype: str = "float64", *, worker: Worker, limit: float = 30.0) -> None:
        self.failures = 0
        self._source, self._dtype, self._worker, self._limit = source, dtype, worker, limit
        self._load()

    def __repr__(self) -> str:
        return self._source.name

    @property
    def given_up(self) -> bool:
        """Whether it has failed too often to be called again."""
        return self.failures >= self.patience

    def ask(self, y: Any, yhat: Any, weight: Any = None, upstream: Any = None) -> Answer:
        """One call. A death of the process is an error, as an exception of the candidate is."""
        if self.given_up:
            return Answer(error=f"GivenUp: not called any more, after {self.failures} crashes or timeouts")
        try:
            if self._worker.loaded is not self:
                self._load()
            answer, facts = self._worker.request((y, yhat, weight, upstream), self._limit)
        except (ProcessDied, TimeoutError, CannotLoadError) as error:
            self.failures += 1
            return Answer(error=f"{type(error).__name__}: {error}")
        self._learn(facts)
        return answer  # type: ignore[no-any-return]

    def _load(self) -> None:
        try:
            answer, facts = self._worker.request((self._source, self._dtype, self._limit), self._worker.start)
        except (ProcessDied, TimeoutError) as error:
            raise CannotLoadError(f"{self} cannot be loaded: {type(error).__name__}: {error}") from None
        if answer.error:
            raise CannotLoadError(f"{self} cannot be loaded: {answer.error}")
        self._worker.loaded = self
        self._learn(facts)

    def _learn(self, facts: tuple[str, bool, bool, bool]) -> None:
        framework, self.takes_weight, self.differentiates, self.subnormals = facts
        self._source = replace(self._source, framework=framework)  # a new process need not find it out again


# ---- the other side --------------------------------------------------------------------------------------------------


def serve(handle: int) -> None:
    """Load candidates and call them until the connection closes."""
    pipe = getattr(connection, "PipeConnection" if sys.platform == "win32" else "Connection")(handle)
    candidate: Any = None
    with suppress(EOFError, ConnectionError):
        while True:
            message = pipe.recv()
            if not isinstance(message[0], Source):
                pipe.send(candidate.ask(*message))
                continue
            try:
                candidate = _Served(*message)
                pipe.send((Answer(), candidate.facts()))
            except (Exception, SystemExit) as error:
                pipe.send((Answer(error=f"{type(error).__name__}: {error}"), None))


class _Served:
    """The candidate that this process serves."""

    def __init__(self, source: Source, dtype: str, limit: float) -> None:
        form, self.limit = FORMATS[dtype], limit
        self.unknown = source.given is None and source.framework == "auto"  # the framework is unknown
        if source.given is not None:
            framework, function = find(source.name)
            self.candidate: Any = framework.candidate(function, source.given, form)
            return
        if not self.unknown:
            import_module(source.framework)
        candidate, grad = _at(source.name), _at(source.grad) if source.grad not in ("auto", None) else source.grad
        self.candidate = InProcess(candidate, NumPy(form) if self.unknown else FRAMEWORKS[source.framework](form), grad)

    def ask(self, y: Any, yhat: Any, *more: Any) -> tuple[Answer, tuple[str, bool, bool, bool]]:
        """One call. The first answer without an error tells the framework."""
        if hasattr(signal, "alarm"):  # ends this process if a call never returns and nobody else ends it
            signal.alarm(int(self.limit) + GRACE)
        if self.unknown:
            self.candidate.arrays = detect(self.candidate.candidate, self.candidate.arrays.form, y, yhat)
        answer = self.candidate.ask(y, yhat, *more)
        self.unknown = self.unknown and bool(answer.error)
        if hasattr(signal, "alarm"):
            signal.alarm(0)
        return answer, self.facts()

    def facts(self) -> tuple[str, bool, bool, bool]:
        """What `Isolated` learns; the framework may be unknown until the first answer."""
        served = self.candidate
        framework = "auto" if self.unknown else served.arrays.name
        return framework, served.takes_weight, served.differentiates, self.unknown or served.subnormals


def _at(path: str) -> Any:
    """The object with the name "package.module:function"."""
    module, _, attributes = path.partition(":")
    found = reduce(getattr, attributes.split("."), import_module(module))
    if not callable(found):
        raise TypeError(f"{path} is of type {type(found).__name__}, and cannot be called")
    return found
