"""Names of candidates, such as "package.module:function" and "path/to/file.py:Class.method", and what they name.

A class that needs no arguments names an instance of it, such as a module of PyTorch.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from types import FunctionType, ModuleType
from typing import Any

from reflosses.comparison.inspection import parameters_of


def split_target(target: str) -> tuple[str, str]:
    """The module or the file of a name, and the attribute; ValueError if the name has another form."""
    where, _, attribute = target.rpartition(":")
    dotted = attribute if where.endswith(".py") else f"{where}.{attribute}"
    if not all(part.isidentifier() for part in dotted.split(".")):
        raise ValueError(f"{target!r} is not of the form package.module:function or path/to/file.py:function")
    return where, attribute


def load_target(target: str) -> Callable[..., Any]:
    """What a name names. An exception says in words what is not there."""
    where, attribute = split_target(target)
    found: Any = _from_file(where) if where.endswith(".py") else _from_module(where)
    for name in attribute.split("."):
        found = _attribute(found, name)
    if isinstance(found, type):
        found = _instance(found)
    if not callable(found):
        raise TypeError(f"{target} is of type {type(found).__name__}, and cannot be called")
    called: Callable[..., Any] = found
    return called


def _attribute(owner: Any, name: str) -> Any:
    """An attribute. A method of a class is bound to an instance."""
    try:
        found = getattr(owner, name)
    except AttributeError:
        kind = "module" if isinstance(owner, ModuleType) else "class" if isinstance(owner, type) else "object"
        shown = repr(getattr(owner, "__name__", type(owner).__name__))
        raise AttributeError(f"{kind} {shown} has no attribute {name!r}{_hint(name, dir(owner))}") from None
    if isinstance(owner, type) and isinstance(inspect.getattr_static(owner, name), FunctionType):
        first = next(iter(parameters_of(found)), "")
        return getattr(_instance(owner), name) if first == "self" else found
    return found


def _instance(cls: type) -> Any:
    try:
        inspect.signature(cls).bind()
    except TypeError as error:
        raise TypeError(f"the class {cls.__name__} needs arguments ({error}): name an instance of it") from None
    except ValueError:  # its signature is unknown
        pass
    return cls()


def _from_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing != name and not name.startswith(f"{missing}."):
            raise  # the module is there, and imports one that is not
        parent, _, last = missing.rpartition(".")
        folders = getattr(sys.modules.get(parent), "__path__", None)
        hint = _hint(last, (module.name for module in iter_modules(folders)))
        raise ModuleNotFoundError(f"{error}{hint}") from None


def _from_file(name: str) -> ModuleType:
    """The module of a file. A file in a package is imported as a part of it."""
    file = Path(name).resolve()
    if not file.is_file():
        raise FileNotFoundError(
            f"there is no file {name}{_hint(file.name, (p.name for p in file.parent.glob('*.py')))}"
        )
    folder, dotted = file.parent, file.stem
    while (folder / "__init__.py").is_file():
        folder, dotted = folder.parent, f"{folder.name}.{dotted}"
    with _first_on_path(str(folder)):
        if folder != file.parent:
            module = importlib.import_module(dotted)
            if _is_of(module, file):
                return module
        return _module_of(file)


def _module_of(file: Path) -> ModuleType:
    """A module with the stem of a file as its name, or with the whole name if another module has the stem."""
    name = file.stem
    if not _is_of(sys.modules.get(name), file) and (name in sys.modules or name in sys.stdlib_module_names):
        name = file.name
    if _is_of(sys.modules.get(name), file):
        return sys.modules[name]
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be read as a module")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _is_of(module: ModuleType | None, file: Path) -> bool:
    return module is not None and Path(getattr(module, "__file__", None) or os.devnull).resolve() == file


@contextmanager
def _first_on_path(folder: str) -> Iterator[None]:
    """A folder is searched first for modules, and last afterwards: for imports inside of functions."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
