"""A candidate in a process of its own: one that crashes or hangs is reported, and ends nothing but itself.

The process is this Python again, with a connection to us: no fork, so that threads of frameworks do no harm, and
nobody's `__main__` is run a second time. What a candidate prints stays away from our output.
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
from typing import Any, NamedTuple, Self

from reflosses.comparison.candidate import FRAMEWORKS, Answer, Candidate, InProcess, NumPy, detect
from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.function import find

GRACE = 10  # seconds: a process that has answered nobody for so long after its limit ends by itself


class ProcessDied(Exception):
    """The process ended before it answered."""


class CannotLoadError(Exception):
    """A candidate cannot be imported, or its process ended or hung over it."""


@dataclass(frozen=True)
class Source:
    """Where a candidate comes from, so that another process can have it too.

    name: "package.module:function", where the function may be an attribute of an attribute; or, where `given` has its
    parameters, a function of `reflosses.frameworks`, which knows the rest. grad: "auto", None, or the
    "package.module:function" of its gradient. framework: as of `reflosses.check`; "auto" is found out by its first
    answer, and is NumPy until then.
    """

    name: str
    given: Mapping[str, Any] | None = None
    grad: str | None = "auto"
    framework: str = "auto"

    def __post_init__(self) -> None:
        for path in (self.name if self.given is None else None, self.grad if self.grad != "auto" else None):
            if path is not None and not re.fullmatch(r"[^:\s]+:[^:\s]+", path):
                raise ValueError(f"{path!r} is not of the form package.module:function")

    @classmethod
    def of(cls, name: str, given: Mapping[str, Any]) -> Self:
        """A function of a framework, with these parameters."""
        return cls(name, dict(given))


class _Task(NamedTuple):
    """What a process is to load; see `Isolated`."""

    source: Source
    dtype: str
    limit: float


class _Facts(NamedTuple):
    """What is known of a candidate: before it has answered once, its framework may not be."""

    framework: str
    takes_weight: bool
    differentiates: bool
    subnormals: bool


# ---- this side -------------------------------------------------------------------------------------------------------


class Worker:
    """A process for one candidate after the other; started when it is needed, and again after it died.

    start: seconds that it may take to start, and to load a candidate. shown: whether what candidates print goes to
    our standard error, or nowhere.
    """

    def __init__(self, *, start: float = 120.0, shown: bool = False) -> None:
        self.start, self.shown = start, shown
        self.loaded: object = None  # whose candidate it holds
        self._process: subprocess.Popen[bytes] | None = None

    def request(self, message: Any, limit: float) -> Any:
        """Its reply; without one, ProcessDied or TimeoutError, and the process is gone."""
        try:
            if self._process is None:
                self._process, self._pipe = _started(self.shown)
            self._pipe.send(message)
            if self._pipe.poll(limit):
                return self._pipe.recv()
        except (EOFError, ConnectionError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)  # type: ignore[union-attr]
            raise ProcessDied(_in_words(self.close())) from None
        except BaseException:  # an interrupt: what it replies later must not answer the next request
            self.close()
            raise
        self.close()
        raise TimeoutError(f"no answer within {limit:g} s")

    def close(self) -> int:
        """End the process; its exit status."""
        process, self._process, self.loaded = self._process, None, None
        if process is None:
            return 0
        self._pipe.close()
        process.kill()
        return process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _started(shown: bool) -> tuple[subprocess.Popen[bytes], Any]:
    """A process and the connection to it. It imports what we can import, first from the current directory."""
    ours, theirs = Pipe()
    handle = theirs.fileno()
    output = 2 if shown else subprocess.DEVNULL
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        options["startupinfo"] = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
    else:
        options["pass_fds"] = [handle]
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "  # Ctrl-C is for us, who kill it then
        f"sys.path[:] = {[os.getcwd(), *map(str, sys.path)]}; "
        f"from reflosses.frameworks import isolation; isolation.serve({handle})"
    )
    with theirs:
        return subprocess.Popen([sys.executable, "-c", code], **options), ours


def _in_words(status: int) -> str:
    """An exit status."""
    if status >= 0:
        return f"exited with status {status if status < 256 else hex(status)}"
    names = {s.value: s.name for s in signal.Signals}
    return f"killed by signal {names.get(-status, -status)}"


class Isolated(Candidate):
    """A candidate that is called in another process.

    limit: seconds for a call. patience: after so many deaths and calls that took too long, it is `given_up`: every
    other call is answered with an error at once. worker: a process that serves other candidates too, one at a time,
    and imports their framework once; by default its own. Raises CannotLoadError.
    """

    def __init__(
        self,
        source: Source,
        dtype: str = "float64",
        *,
        limit: float = 30.0,
        patience: int = 3,
        worker: Worker | None = None,
    ) -> None:
        self.patience, self.failures = patience, 0
        self._task = _Task(source, dtype, limit)
        self._worker, self._shared = worker or Worker(), worker is not None
        self._facts = self._load()

    def __repr__(self) -> str:
        return self._task.source.name

    @property
    def takes_weight(self) -> bool:
        """Of the candidate."""
        return self._facts.takes_weight

    @property
    def differentiates(self) -> bool:
        """Of its framework."""
        return self._facts.differentiates

    @property
    def subnormals(self) -> bool:
        """Of its framework."""
        return self._facts.subnormals

    @property
    def given_up(self) -> bool:
        """Whether it is not called any more."""
        return self.failures >= self.patience

    def ask(self, y: Any, yhat: Any, weight: Any = None, upstream: Any = None) -> Answer:
        """One call; the end of the process is an error like any other."""
        if self.given_up:
            return Answer(error=f"GivenUp: not called any more, after {self.failures} crashes or timeouts")
        try:
            if self._worker.loaded is not self:
                self._load()
            answer, self._facts = self._worker.request((y, yhat, weight, upstream), self._task.limit)
        except (ProcessDied, TimeoutError, CannotLoadError) as error:
            self.failures += 1
            return Answer(error=f"{type(error).__name__}: {error}")
        source = replace(self._task.source, framework=self._facts.framework)
        self._task = self._task._replace(source=source)  # found out once
        return answer  # type: ignore[no-any-return]

    def _load(self) -> _Facts:
        try:
            answer, facts = self._worker.request(self._task, self._worker.start)
        except (ProcessDied, TimeoutError) as error:
            raise CannotLoadError(f"{self} cannot be loaded: {type(error).__name__}: {error}") from None
        if answer.error:
            self.close()
            raise CannotLoadError(f"{self} cannot be loaded: {answer.error}")
        self._worker.loaded = self
        return facts  # type: ignore[no-any-return]

    def close(self) -> None:
        """End its process, unless that serves others too."""
        if not self._shared:
            self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


# ---- the other side --------------------------------------------------------------------------------------------------


def serve(handle: int) -> None:
    """Load candidates and call them, until nobody is left to ask."""
    pipe = getattr(connection, "PipeConnection" if sys.platform == "win32" else "Connection")(handle)
    candidate: Any = None
    with suppress(EOFError, ConnectionError):
        while True:
            message = pipe.recv()
            if not isinstance(message, _Task):
                pipe.send(candidate.ask(*message))
                continue
            try:
                candidate = _Candidate(message)
                pipe.send((Answer(), candidate.facts()))
            except (Exception, SystemExit) as error:
                pipe.send((Answer(error=f"{type(error).__name__}: {error}"), None))


class _Candidate:
    """A candidate in this process."""

    def __init__(self, task: _Task) -> None:
        form, source = FORMATS[task.dtype], task.source
        self.framework, self.limit = source.framework, task.limit
        self.seeking = source.given is None and source.framework == "auto"
        if source.given is not None:
            framework, function = find(source.name)
            self.asked: Any = framework.candidate(function, source.given, form)
            return
        if not self.seeking:
            import_module(source.framework)
        candidate, grad = _at(source.name), _at(source.grad) if source.grad not in ("auto", None) else source.grad
        self.asked = InProcess(candidate, NumPy(form) if self.seeking else FRAMEWORKS[source.framework](form), grad)

    def ask(self, y: Any, yhat: Any, *more: Any) -> tuple[Answer, _Facts]:
        """One call; the first that is answered tells the framework."""
        if hasattr(signal, "alarm"):  # should we be left alone with a call that never ends
            signal.alarm(int(self.limit) + GRACE)
        if self.seeking:
            self.asked.arrays = detect(self.asked.candidate, self.asked.arrays.form, y, yhat)
        answer = self.asked.ask(y, yhat, *more)
        if self.seeking and not answer.error:
            self.framework, self.seeking = self.asked.arrays.name, False
        if hasattr(signal, "alarm"):
            signal.alarm(0)
        return answer, self.facts()

    def facts(self) -> _Facts:
        """What is known of it."""
        asked = self.asked
        return _Facts(self.framework, asked.takes_weight, asked.differentiates, self.seeking or asked.subnormals)


def _at(path: str) -> Any:
    """What "package.module:function" names."""
    module, _, attributes = path.partition(":")
    found = reduce(getattr, attributes.split("."), import_module(module))
    if not callable(found):
        raise TypeError(f"{path} is of type {type(found).__name__}, and cannot be called")
    return found
