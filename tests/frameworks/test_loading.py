"""Names of candidates: what they name, and the words for what is not there."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reflosses.frameworks.loading import load_target, split_target

MINE = """
from __future__ import annotations
from dataclasses import dataclass
import pathlib
import beside_mine

def huber(y, yhat):
    from late_mine import TEN
    return beside_mine.ONE * y + TEN * yhat

@dataclass
class Line:
    slope: float = 3.0
    def __call__(self, y, yhat):
        return self.slope * y
    def method(self, y, yhat):
        return self.slope * yhat
    def plain(y, yhat):
        return y + yhat
    @classmethod
    def made(cls, y, yhat):
        return cls(4.0)(y, yhat)

@dataclass
class Needs:
    slope: float
    def __call__(self, y, yhat):
        return self.slope * y

class Silent:
    pass

needs, number = Needs(5.0), 7
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, which is not one in which modules are found."""
    below = tmp_path / "a folder"
    (below / "pack" / "inner").mkdir(parents=True)
    for name, text in {
        "mine.py": MINE,
        "my-loss.py": "def f(y, yhat): return 2 * y",
        "beside_mine.py": "ONE = 1",
        "late_mine.py": "TEN = 10",
        "queue.py": "def f(y, yhat): return 6 * y",
        "broken_mine.py": "import no_such_module_of_mine",
        "pack/__init__.py": "",
        "pack/beside.py": "EIGHT = 8",
        "pack/inner/__init__.py": "",
        "pack/inner/loss.py": "from ..beside import EIGHT\ndef f(y, yhat): return EIGHT * y",
    }.items():
        (below / name).write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield below
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("target", "result"),  # at y = 1 and yhat = 2
    [
        ("a folder/mine.py:huber", 21),
        ("a folder/mine.py:Line", 3),
        ("a folder/mine.py:Line.method", 6),
        ("a folder/mine.py:Line.plain", 3),
        ("a folder/mine.py:Line.made", 4),
        ("a folder/mine.py:needs", 5),
        ("a folder/my-loss.py:f", 2),
        ("a folder/queue.py:f", 6),
        ("a folder/pack/inner/loss.py:f", 8),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_a_file_holds(target: str, result: float) -> None:
    assert load_target(target)(1, 2) == result


def test_an_absolute_path_and_a_module(folder: Path) -> None:
    assert load_target(f"{folder / 'mine.py'}:huber")(1, 2) == 21
    assert load_target("mine:huber").__globals__ is load_target("a folder/mine.py:huber").__globals__  # loaded once
    assert load_target("os.path:join")("a", "b") == str(Path("a", "b"))


def test_the_modules_of_others_stay_what_they_are(folder: Path) -> None:
    load_target("a folder/queue.py:f")
    import queue

    assert "a folder" not in str(queue.__file__)
    assert sys.path[-1] == str(folder)


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        ("a folder/mime.py:huber", FileNotFoundError, "there is no file a folder/mime.py; did you mean 'mine.py'?"),
        ("nowhere/else.py:huber", FileNotFoundError, "there is no file nowhere/else.py"),
        ("a folder/mine.py:hubber", AttributeError, "module 'mine' has no attribute 'hubber'; did you mean 'huber'?"),
        ("a folder/mine.py:Line.methods", AttributeError, "class 'Line' has no attribute 'methods'; did you mean"),
        ("a folder/mine.py:needs.a", AttributeError, "object 'Needs' has no attribute 'a'"),
        ("a folder/mine.py:number", TypeError, "a folder/mine.py:number is of type int, and cannot be called"),
        ("a folder/mine.py:Silent", TypeError, "a folder/mine.py:Silent is of type Silent, and cannot be called"),
        (
            "a folder/mine.py:Needs",
            TypeError,
            "the class Needs needs arguments (missing a required argument: 'slope'): name an instance of it",
        ),
        ("a folder/broken_mine.py:f", ModuleNotFoundError, "No module named 'no_such_module_of_mine'"),
        ("reflosses.checkin:check", ModuleNotFoundError, "named 'reflosses.checkin'; did you mean 'checking'?"),
        ("nump:sum", ModuleNotFoundError, "No module named 'nump'; did you mean 'numpy'?"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_the_words_for_what_is_not_there(target: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        load_target(target)
    assert words in str(caught.value)


def test_a_file_that_broke_can_be_loaded_again(folder: Path) -> None:
    with pytest.raises(ModuleNotFoundError):
        load_target("a folder/broken_mine.py:f")
    (folder / "broken_mine.py").write_text("def f(y, yhat): return 9 * y", "utf-8")
    assert load_target("a folder/broken_mine.py:f")(1, 2) == 9


@pytest.mark.parametrize("target", ["", "mine", "mine.py", ":f", "mine:", "mine:f.", "a b:f", "mine.py:", "C:mine:f"])
def test_a_name_of_another_form(target: str) -> None:
    with pytest.raises(ValueError, match=r"is not of the form package\.module:function or path/to/file\.py:function"):
        split_target(target)


def test_the_parts_of_a_name() -> None:
    assert split_target(r"C:\losses\mine.py:Huber.loss") == (r"C:\losses\mine.py", "Huber.loss")
    assert split_target("package.module:f") == ("package.module", "f")
