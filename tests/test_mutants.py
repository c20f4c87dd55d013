"""The tool that changes the code: it finds each kind of change, and knows the tests of every file."""

import ast
from pathlib import Path
from typing import Any

import mutants
import pytest

SOURCE = '''
"""Text is not changed."""
from numpy import where
BOUND = Bounds(4, 5)
class Loss:
    domain = Domains(PROBABILITY, REAL)
    def error_scale(self, y: float = 0.0) -> tuple[None, float]:
        return None, y
    def f(self, x: int | None) -> float:
        """Nor is this."""
        if x is None or x < 2:
            raise ValueError(f"{x + 1}")
        x += 3
        self.call(x, weight=True)
        return where(x > 1, -x, min(x, 7))
'''


@pytest.fixture
def found(tmp_path: Path, monkeypatch: Any) -> list[Any]:
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    (tmp_path / "made.py").write_text(SOURCE, "utf-8")
    return mutants.changes("made.py")


def test_each_kind_of_change_is_found(found: list[Any]) -> None:
    changed = {(m.was, m.now) for m in found}
    assert changed >= {
        ("Bounds(4, 5)", "Bounds(1.5 * (4), 5)"),
        ("Bounds(4, 5)", "Bounds(4, 1.5 * (5))"),
        ("y", "(1000.0 * (y))"),
        ("x is None", "((x) is not (None))"),
        ("x is None or x < 2", "((x is None) and (x < 2))"),
        ("x is None or x < 2", "((x < 2))"),
        ("x is None or x < 2", "False"),
        ("x < 2", "((x) <= (2))"),
        ("x += 3", "pass"),
        ("x += 3", "x -= 3"),
        ("self.call(x, weight=True)", "self.call(x)"),
        ("True", "False"),
        ("where(x > 1, -x, min(x, 7))", "where(x > 1, min(x, 7), -x)"),
        ("min", "max"),
        ("-x", "(x)"),
        ("7", "(7 * 2)"),
        ("0.0", "1.0"),
    }
    assert any(m.kind == "domain enlarged" for m in found)
    assert not any("text" in m.was.lower() or "int | None" in m.was or m.was == "x + 1" for m in found)


def test_every_change_is_python_and_in_its_place(found: list[Any]) -> None:
    whole = SOURCE.encode()
    for m in found:
        assert whole[m.start : m.end].decode() == m.was
        ast.parse(mutants.mutated(m, whole))


def test_every_file_has_tests_of_its_own() -> None:
    for package in mutants.PACKAGES:
        for path in (mutants.ROOT / "reflosses" / package).rglob("[!_]*.py"):
            assert mutants.changes(str(path.relative_to(mutants.ROOT)))
            for stage in mutants.stages(str(path.relative_to(mutants.ROOT))):
                files = [a for a in stage if a.startswith("tests")]
                assert files
                assert all((mutants.ROOT / a).exists() for a in files)


def test_a_seed_means_the_same_changes() -> None:
    first, again, other = (list(mutants.chosen(8, seed, "losses/hinge")) for seed in (3, 3, 4))
    assert first == again != other
    assert len(first) == 8


def test_an_edit_elsewhere_leaves_the_sample_as_it_is(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    for package in mutants.PACKAGES:
        (tmp_path / "reflosses" / package).mkdir(parents=True)
    path = tmp_path / "reflosses" / "losses" / "made.py"
    samples = []
    for text in (SOURCE, SOURCE.replace("def f(", "def g(self) -> None:\n        pass\n\n    def f(")):
        path.write_text(text, "utf-8")
        samples.append([(m.was, m.now) for m in mutants.chosen(12, 5, "")])
    assert samples[0] == samples[1]


def test_a_sample_fails_where_it_refutes_the_promise() -> None:
    """By the binomial distribution: of 20 changes, 5 or more survive in 0.26 %, 4 or more in 1.6 % of the samples."""
    for number, fewest in ((20, 5), (60, 8), (150, 15)):
        assert [mutants.too_many(n, number) for n in (0, fewest - 1, fewest, number)] == [False, False, True, True]


def test_what_cannot_be_seen_is_left_out() -> None:
    every = mutants.changes("reflosses/evaluation/threads.py")
    left = list(mutants.chosen(0, 0, "evaluation/threads"))
    assert len(left) < len(every)
    assert not any("_WORTH_PRIMING" in m.was for m in left)
    assert all(s.why for s in mutants.SAME)
