"""Rows that the test file of a loss adds to the tables of other tests, so that a new loss needs no other test file.

OUTSIDE (tests/evaluation/test_call.py), LIMITS (tests/evaluation/test_loss.py), BY_HAND (tests/truth/test_proof.py) and
MISTAKES (tests/planted.py) say what a row holds; a file in tests/losses may define a list of the same name.
"""

from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


def added(name: str) -> list[Any]:
    """The rows of all lists of that name in tests/losses."""
    files = sorted((Path(__file__).parent / "losses").glob("test_*.py"))
    return [row for path in files if f"\n{name} = [" in path.read_text("utf-8") for row in getattr(_module(path), name)]


@cache
def _module(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"rows_of_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
