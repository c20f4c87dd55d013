"""The project is complete: every loss has its file, page, test and export, and imports go one way."""

import ast
import graphlib
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import reflosses
from reflosses.catalogue import losses, stem
from reflosses.evaluation.loss import Loss

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "reflosses"
LOSS_FILES = sorted(p for p in (PACKAGE / "losses").glob("*.py") if p.name != "__init__.py")
STEMS = {p.stem for p in LOSS_FILES}

TOP_LEVEL = {"pyproject.toml", "README.md", "Makefile", "reflosses", "tests", "derivations", "LICENSE"}
OTHER_PAGES = {"README", "accuracy", "atlas", "check", "coverage", "dice_versus_iou", "engine", "programs", "vectors"}
OTHER_PAGES |= {"your_own_loss"}
MEASURED = {"speed"}  # a page of one machine, which a checkout may lack: `make bench`

ORDER = (  # each imports only from those before it
    *("evaluation", "overlap", "losses", "catalogue", "gradcheck", "truth", "comparison", "diagnosis", "checking"),
    *("frameworks", "teaching", "reporting", "pytest_plugin", "__main__"),
)
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.name != "__init__.py")
CORE_FILES = sorted((PACKAGE / "evaluation").glob("*.py"))
FOR_LOSSES = {
    f"reflosses.evaluation.{name}"
    for name in ("domain", "axes", "loss", "numerics", "parameters", "quadratic_form", "softmax")
}
MOST_ROOMS, MOST_FLOORS = 16, 9
OPTIONAL = ("flint", "rich", "sklearn", "matplotlib", "hypothesis", "pytest", "ml_dtypes", "pandas", "torch", "jax")

every_loss_file = pytest.mark.parametrize("path", LOSS_FILES, ids=lambda path: path.stem)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it, by its full name."""
    return imported(tree(path), ".".join(path.relative_to(ROOT).parent.parts))


def imported(module: ast.Module, package: str) -> set[str]:
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            here = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            origin = ".".join([*here, *([node.module] if node.module else [])])
            found |= {f"{origin}.{a.name}" for a in node.names} if origin == "reflosses" else {origin}
    return found


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "reflosses"}


# ---- one stem, three places ------------------------------------------------------------------------------------------


def test_every_loss_has_a_page_and_no_page_lacks_a_loss() -> None:
    assert {p.stem for p in (ROOT / "derivations").glob("*.md")} - OTHER_PAGES - MEASURED == STEMS
    for name in OTHER_PAGES:
        assert (ROOT / "derivations" / f"{name}.md").stat().st_size > 0


def test_every_loss_has_a_test_and_no_test_lacks_a_loss() -> None:
    tests = {p.stem for p in (ROOT / "tests" / "losses").glob("test_*.py")}
    assert tests == {f"test_{name}" for name in STEMS}


def test_every_page_and_test_says_something() -> None:
    for name in STEMS:
        for path in (ROOT / "derivations" / f"{name}.md", ROOT / "tests" / "losses" / f"test_{name}.py"):
            assert path.exists(), path
            assert len(path.read_text("utf-8").split()) > 50, path


def test_every_loss_is_exported_by_name() -> None:
    exports = {
        node.module.removeprefix("reflosses.losses."): {(a.name, a.asname) for a in node.names}
        for node in tree(PACKAGE / "__init__.pyi").body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("reflosses.losses.")
    }
    assert exports == {p.stem: {(class_name(p), class_name(p))} for p in LOSS_FILES}
    for path in LOSS_FILES:
        cls = getattr(reflosses, class_name(path))
        assert stem(cls) == path.stem
        assert losses()[cls.__name__] is cls
    assert len(losses()) == len(LOSS_FILES) > 15


def class_name(path: Path) -> str:
    (found,) = [node.name for node in tree(path).body if isinstance(node, ast.ClassDef)]
    return found


@every_loss_file
def test_the_class_and_its_file_have_one_name(path: Path) -> None:
    assert class_name(path).lower() == path.stem.replace("_", "")


@every_loss_file
def test_a_loss_file_is_short_and_holds_one_class(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 125
    functions = [node.name for node in tree(path).body if isinstance(node, ast.FunctionDef)]
    assert len(functions) <= 2
    assert all(name.startswith("_") for name in functions)


@every_loss_file
def test_the_mathematics_stands_first(path: Path) -> None:
    """The definition and the slope are on the first screen; what the checks need comes after both."""
    lines = path.read_text("utf-8").splitlines()
    first = {}
    for name in ("definition", "slopes"):
        first[name] = next(n for n, line in enumerate(lines, 1) if f"def {name}(" in line)
    assert first["definition"] <= 30
    assert first["definition"] < first["slopes"] <= 50
    last = next(n for n, line in enumerate(lines, 1) if line.startswith("    # ---- what the checks need"))
    assert last > first["slopes"]
    assert all("domain = " not in line and "bounds = " not in line for line in lines[:last])
    docstring = (getattr(reflosses, class_name(path)).__doc__ or "").strip().splitlines()
    assert len(docstring) <= 2 + 9  # the title, an empty line, and the rest


@every_loss_file
def test_a_loss_is_final_and_its_docstring_complete(path: Path) -> None:
    cls = getattr(reflosses, class_name(path))
    assert cls.__bases__ == (Loss,)  # a class is abstract or final
    docstring = cls.__doc__ or ""
    assert docstring.splitlines()[0].endswith(".")
    for label in ("Formula", "Shapes", "Domain", "Kinks", "Source"):
        assert f"\n    {label}" in docstring, label
    assert "Limits:" in docstring
    assert f"derivations/{path.stem}.md" in docstring


# ---- the top level ---------------------------------------------------------------------------------------------------


def tracked() -> list[str]:
    """The files that git tracks."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("git, or the repository, is not here")
    listed = subprocess.run([git, "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"git cannot list the repository: {listed.stderr.strip()}")
    return listed.stdout.splitlines()


def test_the_visible_top_level() -> None:
    top = {name.partition("/")[0] for name in tracked()}
    assert {name for name in top if not name.startswith(".")} == TOP_LEVEL
    assert ".gitignore" in top


def test_nothing_that_a_machine_makes_is_tracked() -> None:
    made = {"__pycache__", ".venv", ".cache", ".hypothesis", ".pytest_cache", ".ruff_cache", ".mypy_cache", "dist"}
    assert not [name for name in tracked() if made & set(name.split("/")) or name.endswith(".pyc")]


# ---- imports go one way ----------------------------------------------------------------------------------------------


@every_loss_file
def test_losses_import_the_machinery_and_nothing_else(path: Path) -> None:
    names = imports(path)
    assert "reflosses.evaluation.loss" in names
    assert own(names) <= FOR_LOSSES
    assert {n.partition(".")[0] for n in names - own(names)} <= {"numpy", "scipy", *sys.stdlib_module_names}


def places(names: set[str]) -> set[str]:
    """The packages and flat modules that dotted names are in; `reflosses` itself and its public names are in none."""
    return {part for name in own(names) if (part := f"{name}.".split(".")[1]) in ORDER}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: ".".join(path.relative_to(PACKAGE).with_suffix("").parts))
def test_each_module_imports_only_from_those_before_it(path: Path) -> None:
    here = path.relative_to(PACKAGE).with_suffix("").parts[0]
    assert places(imports(path)) <= set(ORDER[: ORDER.index(here) + 1])


def test_every_module_has_a_place_in_the_order() -> None:
    found = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in MODULES}
    assert found == set(ORDER)
    assert not found & (set(reflosses.__all__) - {"overlap"})  # a module would take the place of a public function


def floors(graph: dict[str, set[str]]) -> int:
    """How many rooms the longest chain of imports has."""
    height: dict[str, int] = {}
    for room in graphlib.TopologicalSorter(graph).static_order():
        height[room] = 1 + max((height[below] for below in graph[room]), default=0)
    return max(height.values())


def test_rooms_and_floors_are_few() -> None:
    graph: dict[str, set[str]] = {room: set() for room in ORDER}
    for path in MODULES:
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        graph[room] |= places(imports(path)) - {room}
    assert len(graph) <= MOST_ROOMS
    assert 2 < floors(graph) <= MOST_FLOORS
    assert floors({"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"c"}}) == 3


def public(module: ast.Module) -> list[str]:
    """The classes and functions at the top of a module whose names have no underscore."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in module.body if isinstance(node, kinds) and not node.name.startswith("_")]


def test_a_public_name_has_one_meaning() -> None:
    count = Counter(name for path in MODULES for name in set(public(tree(path))))
    assert not {name for name, modules in count.items() if modules > 1}
    assert {"Loss", "check", "certify", "Huber"} <= set(count)
    assert public(ast.parse("class A:\n    def a(self): ...\ndef b(): ...\ndef _c(): ...\nd = 1")) == ["A", "b"]


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda path: path.stem)
def test_the_machinery_needs_numpy_and_scipy_alone(path: Path) -> None:
    names = imports(path)
    assert {n.partition(".")[0] for n in names - own(names)} <= {"numpy", "scipy", *sys.stdlib_module_names}


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {".".join(p.relative_to(ROOT).with_suffix("").parts): own(imports(p)) for p in MODULES}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # a circle raises
    assert order.index("reflosses.evaluation.domain") < order.index("reflosses.evaluation.loss")


def test_the_reader_of_imports_can_find_one() -> None:
    source = """
import reflosses.truth.proof as t
from reflosses import overlap, checking
from reflosses.gradcheck import gradcheck
from . import accuracy
from .report import table
from ..catalogue import losses
def f():
    import flint
    from numpy.linalg import norm
"""
    assert imported(ast.parse(source), "reflosses.losses") == {
        "reflosses.truth.proof",
        "reflosses.overlap",
        "reflosses.checking",
        "reflosses.gradcheck",
        "reflosses.losses",
        "reflosses.losses.report",
        "reflosses.catalogue",
        "flint",
        "numpy.linalg",
    }
    assert not own({"numpy", "reflossesx.truth"})
    assert own({"reflosses"}) == {"reflosses"}
    for path in (PACKAGE / "truth" / "proof.py", PACKAGE / "truth" / "sampling.py"):
        assert "reflosses.evaluation.loss" in imports(path)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_library_imports_nothing_optional() -> None:
    code = "import sys, reflosses; {}; print(*sys.modules)"
    names = "[getattr(reflosses, name) for name in reflosses.__all__]"
    seen = set(run(code.format(f"{names}; import reflosses.__main__")).split())
    assert {"reflosses", "numpy", "scipy"} <= seen
    assert not set(OPTIONAL) & {name.partition(".")[0] for name in seen}
    assert not {"scipy.special", "scipy.optimize"} & seen  # they take longer than all the rest
    assert not {"numpy", "scipy"} & set(run(code.format("pass")).split())  # nothing before it is used
    alone = set(run(code.format("import reflosses.frameworks.isolation")).split())
    assert "numpy" in alone
    assert not {"scipy", "reflosses.losses"} & alone  # a process for somebody's function needs none of our losses


def test_the_library_works_with_numpy_and_scipy_alone() -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys({OPTIONAL!r}))  # importing any of these raises ImportError
import reflosses
from reflosses.catalogue import examples, losses
print(len([loss for cls in losses().values() for loss in examples(cls)]))
print(reflosses.Huber(delta=0.75).value_and_grad([0.5, 0.0], [0.25, 3.0]))
"""
    count, result = run(code).strip().splitlines()
    assert int(count) > 40
    assert result == "(1.0, array([-0.125,  0.375]))"  # (1/32 + 0.75 (3 − 0.375)) / 2 = 1
