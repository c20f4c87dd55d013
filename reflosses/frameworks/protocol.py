"""The words between us and a program that is a loss: requests and answers as bytes (derivations/programs.md).

A request is a line of JSON. Large arrays follow their line as binary numbers, if the program takes them. An answer has
the same two forms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from math import prod
from typing import Any, NamedTuple

import numpy as np

from reflosses.catalogue import did_you_mean
from reflosses.comparison.candidate import Answer
from reflosses.comparison.expected import Scaled, parts
from reflosses.comparison.formats import Format
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss

VERSION = 1
SHOWN = 60  # characters of a line that is quoted
LONGEST_NUMBER = 512  # characters of a number in JSON; "%f" of 1e308 has 316
LONGEST_REST = 1 << 16  # characters of an answer besides its numbers

ABILITIES = ("reflosses", "binary", "weight", "subnormals", "error")  # keys of the first answer
PARTS = ("value", "gradient", "counts", "error")  # keys of the other answers


class NotInProtocolError(Exception):
    """Bytes that are no answer. The message is a clause about the process: "sent a line that is no JSON: 'x'"."""


class WrongAnswerError(Exception):
    """An answer that is none. The message is a clause about the candidate: "it answers without a value"."""


# ---- requests --------------------------------------------------------------------------------------------------------


def introduction(target: Loss | Scaled, form: Format) -> bytes:
    """The first line: which loss the requests are about, and in which format."""
    factor, loss = parts(target)
    parameters = {f.name: _in_json(getattr(loss, f.name)) for f in fields(loss) if f.name != "reduction"}
    return _line(
        reflosses=VERSION,
        loss=type(loss).__name__,
        parameters=parameters,
        reduction=loss.reduction,
        factor=factor,
        dtype=form.name,
    )


def request(arrays: Mapping[str, Any], form: Format, *, binary: bool) -> bytes:
    """One call. arrays: "y", "yhat" and perhaps "weight"; integers stay integers, other numbers are rounded."""
    given = {name: np.asarray(a) for name, a in arrays.items()}
    shapes = {"shape": given["yhat"].shape, "y_shape": given["y"].shape}
    if not binary:
        return _line(**shapes, **{name: _numbers(a, form) for name, a in given.items()})
    whole = given["y"].dtype.kind in "iu"
    counts = [given[name].size if name in given else 0 for name in ("y", "yhat", "weight")]
    line = _line(**shapes, y_dtype="int64" if whole else form.name, counts=counts)
    return b"".join([line, *(packed(a, form) for a in given.values())])


def _line(**keys: Any) -> bytes:
    return json.dumps(keys, allow_nan=False).encode() + b"\n"


def _numbers(a: Any, form: Format) -> list[Any]:
    """The numbers of an array in C order. JSON has neither infinities nor NaN: they are texts."""
    flat = a.reshape(-1)
    if a.dtype.kind in "iu":
        return flat.tolist()  # type: ignore[no-any-return]
    flat = form.round(flat)
    return flat.tolist() if np.isfinite(flat).all() else [_in_json(x) for x in flat.tolist()]


def _in_json(x: Any) -> Any:
    """A parameter or a number as JSON has it."""
    if isinstance(x, np.ndarray | np.generic):
        x = x.tolist()
    if isinstance(x, list | tuple):
        return [_in_json(one) for one in x]
    if isinstance(x, float) and not np.isfinite(x):
        return "NaN" if np.isnan(x) else "Infinity" if x > 0 else "-Infinity"  # as C, JavaScript and Rust read them
    return x if x is None or isinstance(x, bool | int | float | str) else str(x)


# ---- binary numbers --------------------------------------------------------------------------------------------------


def packed(a: Any, form: Format) -> bytes:
    """Numbers as little-endian bytes of the format, integers as int64. bfloat16 is the upper half of a float32."""
    if a.dtype.kind in "iu":
        return bytes(a.astype("<i8"))
    with np.errstate(all="ignore"):
        if form.name != "bfloat16":
            return bytes(a.astype(np.dtype(form.name).newbyteorder("<")))
        return bytes((form.round(a).astype(np.float32).view(np.uint32) >> 16).astype("<u2"))


def unpacked(data: Any, form: Format) -> Floats:
    """The numbers that `packed` has made bytes of, as float64."""
    with np.errstate(invalid="ignore"):  # a signalling NaN
        if form.name == "bfloat16":
            wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
            return wide.view(np.float32).astype(np.float64)
        return np.frombuffer(data, np.dtype(form.name).newbyteorder("<")).astype(np.float64)


# ---- answers ---------------------------------------------------------------------------------------------------------


class Abilities(NamedTuple):
    """What a program can do, as its first answer says."""

    binary: bool = False  # it takes and gives arrays as bytes
    weight: bool = False  # it takes weights
    subnormals: bool = True  # its arithmetic has numbers below the smallest normal one


class Due(NamedTuple):
    """The shapes of a right answer: of the value, of one loss each, and of the gradient."""

    value: tuple[int, ...]
    each: tuple[int, ...]
    grad: tuple[int, ...]

    @property
    def longest(self) -> int:
        """The bytes of the longest line that is read."""
        return LONGEST_REST + LONGEST_NUMBER * (prod(self.each) + prod(self.grad) + 1)

    def most(self, form: Format) -> int:
        """The most bytes of arrays that are read: twice as many as are due, to tell a wrong count from garbage."""
        return 64 + form.width // 4 * (prod(self.each) + prod(self.grad))


def due(loss: Loss, shape: tuple[int, ...]) -> Due:
    """The shapes that are due for predictions of that shape."""
    try:
        each = shape if loss.reads_all_predictions else loss.layout.bind(shape).value_shape
    except ValueError:  # an axis that the shape does not have: the program refuses it, or is wrong
        each = shape
    return Due(each if loss.reduction == "none" else (), each, shape)


def abilities(line: bytes) -> Abilities:
    """What the first answer says. Raises NotInProtocolError or WrongAnswerError."""
    said = _object(line, ABILITIES)
    if said.get("reflosses") != VERSION:
        raise WrongAnswerError(f'it does not answer the first line with {{"reflosses": {VERSION}}}: {quoted(line)}')
    for key in Abilities._fields:
        if not isinstance(said.get(key, False), bool):
            raise WrongAnswerError(f'"{key}" in its first answer is neither true nor false')
    return Abilities(**{key: said[key] for key in Abilities._fields if key in said})


def reply(line: bytes) -> dict[str, Any]:
    """What an answer to a call says, by its keys. Raises NotInProtocolError or WrongAnswerError."""
    return _object(line, PARTS)


def counts_in(said: Mapping[str, Any], most: int, form: Format) -> tuple[int, int] | None:
    """How many values and slopes follow a reply as bytes; None if it is the whole answer.

    Raises NotInProtocolError if there are more than `most` bytes, or if they are no two counts.
    """
    if "counts" not in said:
        return None
    found = said["counts"]
    two = isinstance(found, list) and len(found) == 2 and all(isinstance(n, float) for n in found)
    if not two or not all(n >= 0 and n == np.floor(n) and np.isfinite(n) for n in found):
        raise NotInProtocolError(
            f'sent "counts" that are no two numbers of values and slopes: {quoted(json.dumps(found))}'
        )
    if sum(found) * form.width / 8 > most:
        raise NotInProtocolError(f"announced {found[0]:.0f} values and {found[1]:.0f} slopes, far more than are due")
    return int(found[0]), int(found[1])


def from_bytes(counts: tuple[int, int], data: Any, form: Format, right: Due) -> Answer:
    """The answer whose arrays have come as bytes. Raises WrongAnswerError."""
    numbers = unpacked(data, form)
    return _answer(numbers[: counts[0]] if counts[0] else None, numbers[counts[0] :] if counts[1] else None, right)


def from_json(said: Mapping[str, Any], right: Due) -> Answer:
    """The answer in a reply. Raises WrongAnswerError."""
    value, grad = (None if said.get(key) is None else _read(key, said[key]) for key in ("value", "gradient"))
    return _answer(value, grad, right)


def _answer(value: Floats | None, grad: Floats | None, right: Due) -> Answer:
    """Flat lists take the shape that is due, if they have as many numbers; so a wrong count is a wrong shape."""
    if value is None and grad is None:
        raise WrongAnswerError('it answers without "value", "gradient" and "error"')
    if value is not None and value.ndim:
        value = next((value.reshape(shape) for shape in right[:2] if prod(shape) == value.size), value)
    if grad is not None and (grad.ndim or not right.grad) and prod(right.grad) == grad.size:
        grad = grad.reshape(right.grad)
    return Answer(value, grad)


def _object(line: bytes, known: tuple[str, ...]) -> dict[str, Any]:
    """The object in a line, with keys of these. All its numbers are floats."""
    try:
        said = json.loads(line, parse_int=float)
    except (ValueError, RecursionError):
        raise NotInProtocolError(f"sent a line that is no JSON: {quoted(line)}{_hint(line)}") from None
    if not isinstance(said, dict):
        raise NotInProtocolError(f"sent a line that is no JSON object: {quoted(line)}")
    for key in said:
        if key not in known:
            hint = did_you_mean(key, known)
            raise WrongAnswerError(
                f"its answer has the unknown key {quoted(key)}; {hint and f'{hint} '}it may have {', '.join(known)}"
            )
    if "error" in said:
        text = said["error"]
        raise WrongAnswerError(f"it says: {printable(text) if isinstance(text, str) and text.strip() else 'error'}")
    return said


def _hint(line: bytes) -> str:
    """The usual reasons why a line is no JSON."""
    if b"nan" in line or b"inf" in line:
        return '; NaN and infinities need quotes: "nan", "-inf"'
    return "" if b"{" in line else "; print other words on the standard error"


def _read(key: str, found: Any) -> Floats:
    """A number, or a flat list of numbers."""
    if not isinstance(found, list):
        return np.array(_number(key, found, ""))
    if all(type(x) is float for x in found):
        return np.array(found, np.float64)
    return np.array([_number(key, x, f" at {i}") for i, x in enumerate(found)], np.float64)


def _number(key: str, x: Any, where: str) -> float:
    """A number of an answer: of JSON, or a text with a decimal or a hexadecimal number, an infinity or NaN."""
    if isinstance(x, float):
        return x
    if isinstance(x, str):
        try:
            return float.fromhex(x) if "x" in x.lower() else float(x)
        except (ValueError, OverflowError):
            pass
    if x is None:  # as JSON.stringify writes NaN and infinities
        raise WrongAnswerError(f'its {key} has null{where}: write NaN and infinities as texts, "NaN" or "Infinity"')
    if isinstance(x, list):
        raise WrongAnswerError(f"its {key} is nested: one flat list of numbers is due")
    raise WrongAnswerError(f"its {key} has {quoted(x if isinstance(x, str) else json.dumps(x))}{where}, no number")


def quoted(words: bytes | bytearray | str) -> str:
    """The start of somebody's words in quotes, with no character that a terminal obeys."""
    text = words if isinstance(words, str) else words[: 8 * SHOWN].decode(errors="replace")
    return repr(printable(text))


def printable(text: str) -> str:
    """The start of a text, on one line, without control characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * SHOWN]).split())
    return plain if len(plain) <= SHOWN and len(text) <= 4 * SHOWN else f"{plain[:SHOWN]}…"
