"""A candidate that is a program of any language, which answers on its standard output (derivations/programs.md)."""

from __future__ import annotations

import os
import shlex
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reflosses.comparison.candidate import Answer, Failure
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import Format
from reflosses.comparison.result import Deviation, arrays_of
from reflosses.evaluation.loss import Loss
from reflosses.evaluation.parameters import printed
from reflosses.frameworks.pipes import Pipes
from reflosses.frameworks.processes import MEMORY, Apart, CannotLoadError, ProcessDied
from reflosses.frameworks.protocol import (
    LONGEST_REST,
    Abilities,
    NotInProtocolError,
    WrongAnswerError,
    abilities,
    counts_in,
    due,
    from_bytes,
    from_json,
    introduction,
    reply,
    request,
)

LARGE = 1024  # predictions of a call that is made in bytes, if the program takes them


class Program(Apart):
    """A loss in a program of any language: `reflosses.check(Program(["./my_loss"]), loss)`.

    The program reads a request a line on its standard input, and answers a line on its standard output. The page
    derivations/programs.md has the format, and clients in C, Rust and JavaScript.

    command: the program and its arguments; no shell reads them. limit: seconds for a call, and for the start. memory:
    the largest amount of data in GiB that it may hold, or None for no limit (only Linux has one).
    It is started by `begin`, which `check`, `diagnose` and `exhaust` call, and ended by `close`, or with the last
    reference to it.
    Whatever the program does is an answer in words, after `limit` seconds at the latest. Raises TypeError or ValueError
    for a command that is not a list of texts, or a limit that is no time.
    """

    differentiates = False
    why_no_gradient = 'its answers have no "gradient"'

    def __init__(self, command: Sequence[str], *, limit: float = 30.0, memory: float | None = MEMORY) -> None:
        if isinstance(command, str) or not isinstance(command, Sequence) or not command:
            raise TypeError(f"Program: command is {printed(command)}, not a list of texts such as ['./my_loss']")
        for word in command:
            if not isinstance(word, str | os.PathLike):
                raise TypeError(f"Program: command has {printed(word)}, which is no text")
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
            raise ValueError(f"Program: limit is {printed(limit)}, not a number of seconds above 0")
        super().__init__(float(limit))
        self.command = tuple(os.fspath(word) for word in command)
        self._memory, self._can = memory, Abilities()
        self._pipes: Pipes | None = None
        self._about: tuple[Loss, Format, bytes] | None = None
        self._end: Callable[[], object] = lambda: None
        self._silent = True  # whether its standard error has not been told

    def __repr__(self) -> str:
        return shlex.join(self.command)

    @property
    def takes_weight(self) -> bool:
        """Whether its first answer says that it takes weights."""
        return self._can.weight

    @property
    def subnormals(self) -> bool:
        """Whether its first answer leaves it open, or says, that its arithmetic has subnormal numbers."""
        return self._can.subnormals

    def begin(self, target: Loss | Scaled, form: Format) -> None:
        """Start the program and tell it the loss, unless it knows it. Raises CannotLoadError."""
        with self._lock:
            self.failures, self._lost = 0, 0.0
            line = introduction(target, form)
            if self._about is None or self._about[2] != line:
                self.close()
            self._about = parts(target)[1], form, line
            if self._pipes is None:
                self._start()

    def close(self) -> None:
        """End the program, and the processes that it started. A further call starts it again."""
        with self._lock:
            self._pipes = None
            self._end()

    def script(self, d: Deviation) -> str:
        """A line for a shell that shows a deviation: it hands the program two lines. A long call is shown in Python."""
        if d.yhat is None or np.size(d.yhat) >= LARGE:
            return arrays_of(d)
        _, form, line = self._known()
        arrays = {"y": d.y, "yhat": d.yhat} | ({} if d.weight is None else {"weight": d.weight})
        lines = (line + request(arrays, form, binary=False)).decode().split("\n")[:2]
        return f"printf '%s\\n' {' '.join(map(shlex.quote, lines))} | {self}"

    def _known(self) -> tuple[Loss, Format, bytes]:
        if self._about is None:
            raise RuntimeError(f"{self} was not told which loss it is: call begin(loss, form) before ask")
        return self._about

    def _start(self) -> None:
        """Start the program, and read what it can do. Raises CannotLoadError."""
        *_, line = self._known()
        end = time.monotonic() + self._limit
        try:
            pipes = Pipes(self.command, self._memory)
        except CannotLoadError as error:
            raise CannotLoadError(f"{self} cannot be started: {error}") from None
        self._pipes, self._silent = pipes, True
        self._end = weakref.finalize(self, pipes.close)

        def talk() -> Abilities:
            pipes.send(line, end)
            return abilities(pipes.line(LONGEST_REST, end))

        try:
            self._can = self._exchange(talk)
        except (ProcessDied, TimeoutError, WrongAnswerError) as error:
            self.close()
            its = "its process " if isinstance(error, ProcessDied) else ""
            where = f" ({error.where})" if isinstance(error, ProcessDied) and error.where else ""
            raise CannotLoadError(f"{self} cannot be started: {its}{error}{where}") from None

    def _exchange(self, talk: Callable[[], Any]) -> Any:
        """What a talk with the program gives. After one that fails it is ended: a late answer must not be read."""
        done = False
        try:
            found = talk()
            done = True
            return found
        except WrongAnswerError:
            done = True  # an answer that was read to its end
            raise
        except (NotInProtocolError, ProcessDied) as error:
            raise ProcessDied(str(error), self._last_words()) from None
        except TimeoutError as error:
            where = self._last_words()
            raise TimeoutError(f"no answer within {self._limit:g} s{error}{where and f' ({where})'}") from None
        finally:
            if not done:
                self.close()

    def _last_words(self) -> str:
        words = self._pipes.last_words if self._pipes else ""
        return f"on its standard error: {words}" if words else ""

    def _call(self, y: Any, yhat: Any, weight: Any, upstream: Any) -> Answer:
        loss, form, _ = self._known()
        if upstream is not None:
            return Answer(error="it cannot multiply its losses before it differentiates them")
        if self._pipes is None:
            self._start()
        arrays = {"y": y, "yhat": yhat} | ({} if weight is None else {"weight": weight})
        binary, right = self._can.binary and np.size(yhat) >= LARGE, due(loss, np.shape(yhat))
        end = time.monotonic() + self._limit

        def talk() -> Answer:
            pipes = self._pipes
            assert pipes is not None
            pipes.expect_silence(end)
            pipes.send(request(arrays, form, binary=binary), end)
            said = reply(pipes.line(right.longest, end))
            counts = counts_in(said, right.most(form), form)
            if counts is None:
                return from_json(said, right)
            return from_bytes(counts, pipes.bytes(sum(counts) * form.width // 8, end), form, right)

        try:
            answer: Answer = self._exchange(talk)
        except WrongAnswerError as error:
            answer = Answer(error=str(error))
            self.first_failure = self.first_failure or Failure(y, yhat, weight, answer)
        words = self._pipes.last_words if self._pipes and self._silent else ""
        if not words:
            return answer
        self._silent = False
        return answer._replace(note=f"it writes on its standard error: {words}")
