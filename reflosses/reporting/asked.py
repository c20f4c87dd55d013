"""What `reflosses check` is asked: functions and the losses that they should be, from the command line or from TOML.

    [[check]]                           # in a file for --config; [[tool.reflosses.check]] in pyproject.toml
    target = "mine.losses:huber"        # package.module:function, path/file.py:function; or a list of them
    command = ["./my_loss", "--fast"]   # or, in place of a target: a program and its arguments
    loss = "Huber"                      # or `as`, a function of a framework: "torch.huber_loss"
    parameters = { delta = 0.7 }
    dtype = ["float64", "float32"]

The other keys are those of OPTIONS. Keys of [tool.reflosses] itself hold for every check that does not have them.
"""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from reflosses.catalogue import build, did_you_mean
from reflosses.comparison.battery import REGIMES, TARGET_KINDS
from reflosses.comparison.candidate import FRAMEWORKS
from reflosses.comparison.expected import Scaled
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import LEVELS
from reflosses.evaluation.loss import Loss
from reflosses.frameworks.function import all_functions, as_, find
from reflosses.reporting.explain import unknown_function

PYPROJECT = "pyproject.toml"
OPTIONS: dict[str, tuple[str, ...]] = {  # of a check, each with its words; "" is the default of `reflosses.check`
    "level": LEVELS,
    "framework": ("auto", *FRAMEWORKS),
    "targets": tuple(TARGET_KINDS),
    "order": ("auto", "target_first", "prediction_first"),
    "returns": ("auto", "value", "pair", "gradient", "objective"),
}
OF_FUNCTIONS = ("grad", "framework", "order", "returns")  # keys and options that say nothing of a program
KEYS = ("target", "command", "loss", "as", "parameters", "dtype", "regimes", "grad", "seed", *OPTIONS)
UNREADABLE = (RecursionError, MemoryError, OverflowError, TypeError)  # of Python's parser and of tomllib
MOST_OF_A_FILE = 10**7  # characters
SHOWN = 60  # characters of a text that cannot be read


@dataclass(frozen=True)
class Asked:
    """One function to check. loss: what it should be, called `suite` by the user. options: keywords of `check`.

    command: if it is a program, its words; `target` is then the text that names it in reports.
    """

    target: str
    loss: Loss | Scaled
    suite: str
    dtypes: tuple[str, ...] = ("float64",)
    grad: str | None = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()


def loss_of(
    name: str, parameters: Mapping[str, Any], *, function: bool | None = None, also: str = ""
) -> tuple[Loss | Scaled, dict[str, Any]]:
    """The loss of that name, or of that function of a framework, and the options of `check` that come with a function.

    function: whether it is the name of a function; None: a name with a dot is. Raises ValueError for an unknown name or
    a wrong parameter, TypeError for an unknown parameter; `also` ends its text.
    """
    for key, value in parameters.items():
        if _too_large(value):
            raise ValueError(f"{key} is {shortened(str(value))}, too large for any format")
    if not ("." in name if function is None else function):
        return build(name, parameters, also), {}
    if name not in {function.name for _, function in all_functions()}:
        raise ValueError(unknown_function(name))
    _, found = find(name)
    return as_(name, **parameters), {"inputs": found.inputs, "targets": found.targets, "unit": found.unit}


def _too_large(value: Any) -> bool:
    """Whether a parameter is, or holds, an integer that no float can be near to."""
    if isinstance(value, dict | list | tuple | set):
        return any(map(_too_large, value))
    return isinstance(value, int) and value.bit_length() > 1023


# ---- words of the command line ---------------------------------------------------------------------------------------


def read_parameters(words: Iterable[str]) -> dict[str, Any]:
    """The parameters that words such as "delta=0.7" give; ValueError for a word of another form."""
    given: dict[str, Any] = {}
    for word in words:
        key, equal, value = word.partition("=")
        if not equal or not key.isidentifier():
            raise ValueError(f"{shortened(word)!r} is not KEY=VALUE")
        try:
            given[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            given[key] = value  # a word, such as reduction=sum
        except UNREADABLE as error:
            raise ValueError(f"{key}={shortened(value)} cannot be read: {type(error).__name__}") from None
        if isinstance(given[key], str) and len(value) > SHOWN:
            raise ValueError(f"{key}={shortened(value)} is no value that a loss takes")
    return given


def words_of(command: str) -> tuple[str, ...]:
    """The words of a command, split as a shell splits them; ValueError if there are none. No shell sees them."""
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise ValueError(f"{shortened(command)!r} cannot be split into words: {str(error).lower()}") from None
    if not words:
        raise ValueError("the command is empty")
    return words


def shortened(text: str) -> str:
    """The start of a text, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def one_word(text: str, known: Iterable[str], what: str) -> str:
    """The word itself if it is known; ValueError with the nearest one if not."""
    known = list(known)
    if text not in known:
        raise ValueError(f"no {what} is named {shortened(text)!r}; {_hint(text, known)}there are {', '.join(known)}")
    return text


def _hint(word: str, known: Iterable[str]) -> str:
    hint = did_you_mean(word, known)
    return f"{hint} " if hint else ""


def regimes_of(text: str) -> list[str]:
    """Regimes with commas between them, each by its letter, its name or one word of its title: "F,saturated"."""
    return [_regime(word.strip()) for word in text.split(",")]


def _regime(word: str) -> str:
    plain = {r.lower(): r for r in REGIMES} | {title.lower(): r for r, title in REGIMES.items()}
    if word.lower() in plain:
        return plain[word.lower()]
    words = {r: set(re.findall(r"\w+", title.lower())) for r, title in REGIMES.items()}
    found = [r for r, own in words.items() if word.lower() in own]
    if len(found) == 1:
        return found[0]
    every = "; ".join(f"{r}: {title}" for r, title in REGIMES.items() if not found or r in found)
    long = sorted(w for w in set[str]().union(*words.values()) if len(w) > 3)
    why = f"no regime is named {shortened(word)!r}; {_hint(word, long)}"
    raise ValueError(f"{f'{word!r} is in the titles of several regimes; ' if found else why}there are {every}")


# ---- TOML ------------------------------------------------------------------------------------------------------------


def read_toml(path: str | PathLike[str]) -> tuple[dict[str, Any], str]:
    """A TOML file and its text. OSError: it cannot be read. ValueError: it is not TOML."""
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            text = file.read(MOST_OF_A_FILE + 1)
        if len(text) > MOST_OF_A_FILE:
            raise ValueError(f"it has more than {MOST_OF_A_FILE} characters")
        return tomllib.loads(text), text
    except ValueError as error:  # not TOML, or not UTF-8
        raise ValueError(f"{path}: {error}") from None
    except UNREADABLE as error:
        raise ValueError(f"{path}: cannot be read: {type(error).__name__}") from None


def read_checks(path: str | PathLike[str], given: Mapping[str, Any]) -> list[Asked]:
    """The checks of a TOML file; given: keys that take the place of those in the file.

    OSError: it cannot be read. ValueError names the file, the check and the key.
    """
    whole, _ = read_toml(path)
    tool = whole.get("tool", {})
    own = tool.get("reflosses") if isinstance(tool, dict) else None
    inside = own is not None or Path(path).name == PYPROJECT
    section = own if inside else whole
    if not isinstance(section, dict):
        raise ValueError(f"{path}: it has no table [tool.reflosses]")
    section = dict(section)
    head = f"{'tool.reflosses.' if inside else ''}check"
    tables = section.pop("check", None)
    if tables is None and ("target" in section or "command" in section):
        tables, section = [section], {}
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        raise ValueError(f"{path}: it has no table [[{head}]]")
    asked = []
    for n, table in enumerate(tables, 1):
        asked += _of_table({**section, **table, **given}, f"{path}, [[{head}]] {n}" if section or n else f"{path}")
    return asked


def _of_table(table: Mapping[str, Any], place: str) -> list[Asked]:
    for key in table:
        if key not in KEYS:
            raise ValueError(
                f"{place}: key {shortened(key)!r} is not known; {_hint(key, KEYS)}a check has {', '.join(KEYS)}"
            )
    if ("target" in table) == ("command" in table):
        both = "keys 'target' and 'command' are there" if "target" in table else "key 'target' is missing"
        raise ValueError(f"{place}: {both}; a check has one of 'target' and 'command'")
    if ("loss" in table) == ("as" in table):
        raise ValueError(f"{place}: it needs one of the keys 'loss' and 'as'")
    which = "loss" if "loss" in table else "as"
    command = _command(table, place)
    targets = _texts("target", table, place) or [shlex.join(command)]
    dtypes = _texts("dtype", table, place) or ["float64"]
    (name,) = _texts(which, table, place, most=1)
    parameters, seed = table.get("parameters", {}), table.get("seed", 0)
    if not isinstance(parameters, dict):
        raise ValueError(f"{place}, key 'parameters': it is {shortened(repr(parameters))}, not a table")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"{place}, key 'seed': it is {shortened(repr(seed))}, not a natural number")
    options: dict[str, Any] = {"seed": seed}
    grad: str | None = (_texts("grad", table, place, most=1) or ["auto"])[0]
    key = "parameters"
    try:
        loss, own = loss_of(name, parameters, function=which == "as")
        options |= own
        key = "dtype"
        for dtype in dtypes:
            one_word(dtype, FORMATS, "dtype")
        for key, known in OPTIONS.items():
            for word in _texts(key, table, place, most=1):
                options[key] = one_word(word, known, key)
        key = "regimes"
        if regimes := [r for text in _texts(key, table, place) for r in regimes_of(text)]:
            options[key] = regimes
    except (ValueError, TypeError) as error:
        if str(error).startswith(place):
            raise
        named = which if key == "parameters" and "is named" in str(error) else key
        raise ValueError(f"{place}, key {named!r}: {error}") from None
    grad = None if grad == "none" else grad
    return [Asked(t, loss, name, tuple(dict.fromkeys(dtypes)), grad, options, command) for t in targets]


def _command(table: Mapping[str, Any], place: str) -> tuple[str, ...]:
    """The words of the key 'command'; () for a check of functions. A text is split, a list is taken as it is."""
    words = _texts("command", table, place)
    if not words:
        return ()
    for key in OF_FUNCTIONS:
        if key in table:
            raise ValueError(f"{place}, key {key!r}: it is for functions of Python, not for a command")
    try:
        return words_of(words[0]) if isinstance(table["command"], str) else tuple(words)
    except ValueError as error:
        raise ValueError(f"{place}, key 'command': {error}") from None


def _texts(key: str, table: Mapping[str, Any], place: str, most: int = 10**6) -> list[str]:
    """The texts of a key; none if the table does not have it."""
    found = table.get(key, [])
    found = found if isinstance(found, list) else [found]
    if (key in table and not found) or len(found) > most or not all(isinstance(x, str) for x in found):
        several = " or a list of texts" if most > 1 else ""
        raise ValueError(f"{place}, key {key!r}: it is {shortened(repr(table[key]))}, not a text{several}")
    return found
