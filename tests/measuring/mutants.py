"""Change the package at random, one place at a time, and count the changes that no test notices.

    python tests/measuring/mutants.py [--number 60] [--seed 0] [--whole] [--only reflosses/losses/huber.py] [--list]

Operators, borders, constants, branches, conditions, keywords, lines, promised bounds, scales of errors and domains are
changed in a copy of the project. The tests that know the changed file run first, the rest of its package next, with
`--whole` all others last. A change is caught when one of them fails. `SAME` lists changes that cannot be seen. The exit
status is 1 if so many survive that 95 % can hardly be true: 5 of 20, 8 of 60, 15 of 150.

A change is drawn by a hash of its line. An edit elsewhere leaves the sample as it is.

mutmut and cosmic-ray run one fixed command for every change: no choice of the tests by file, no sample of a budget.
"""

import argparse
import ast
import hashlib
import itertools
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("losses", "evaluation", "truth", "comparison")
ENOUGH = 0.95  # of the changes that can be seen are to be caught
CHANCE = 0.01  # of the verdict "too few" where 95 % is true
LIMIT = 300  # seconds of a processor for the tests of one change, and five times as long by the clock
LOOP = 60  # the same for the first tests, which take less than 15: an endless loop is caught


class Same(NamedTuple):
    """Changes that nobody can see, and why: a part of the path, of the line, and a pattern in "was → now (kind)"."""

    why: str
    file: str
    line: str
    part: str = ""


MEMORY = "memory and speed alone"
SHORTCUT = "a shortcut: the way around it gives the same numbers"
BOTH = "both branches agree at the border"
LOOSE = "any number nearby does as well"

SAME = (
    Same("no copy is made where none is needed: speed alone", "", "copy=False", "False → True|copy"),
    Same("no copy is made where none is needed: speed alone", "evaluation/axes", 'order="C"', "order"),
    Same("the length of a cache: speed alone", "", "lru_cache", ""),
    Same("a promise to type checkers", "evaluation/loss", "dataclass_transform", ""),
    Same(BOTH, "losses/binary_cross_entropy.py", "np.where(p < c", r"< c → .*<="),
    Same(BOTH, "losses/binary_cross_entropy.py", "np.where(p < c", r"1 - p < c → .*<="),
    Same(LOOSE, "losses/cauchy", "u > 2.0**60"),
    Same("the correction is right for every gamma", "losses/focal.py", "if self.gamma > 2:", r"2 - 1|>= \(2|→ True"),
    Same("the number at q = 0 is replaced", "losses/focal", "powers.append(np.where(q == 0, 1.0", r"^1\.0 →"),
    Same("lengths that agree are checked once more", "", "strict=True", "True → False|keyword strict"),
    Same("labels are −1 and 1", "losses/hinge", "np.where(y > 0", "y > 0"),
    # evaluation
    Same(MEMORY, "evaluation/threads", "_WORTH_PRIMING"),
    Same(MEMORY, "evaluation/threads", "np.empty(2**22"),
    Same(MEMORY, "evaluation/threads", "_primed = "),
    Same(MEMORY, "evaluation/threads", "shutdown(wait=False)"),
    Same(MEMORY, "evaluation/evaluate", "keep_freed_memory"),
    Same(MEMORY, "evaluation/evaluate", "_BLOCK = "),
    Same(MEMORY, "evaluation/evaluate", "_LONG = "),
    Same(MEMORY, "evaluation/evaluate", "most, threads = _BLOCK"),
    Same(SHORTCUT, "evaluation/evaluate", "call.yhat.size <= _BLOCK"),
    Same(SHORTCUT, "evaluation/evaluate", "self.layout.units == losses.size == self.divisor == 1"),
    Same(SHORTCUT, "evaluation/evaluate", "weight is None and block.keep is None and through is None"),
    Same(SHORTCUT, "evaluation/evaluate", "if divisor > 1:"),
    Same(SHORTCUT, "evaluation/axes", "self.units <= size"),
    Same("far below any exponent", "evaluation/quadratic_form", "2**14", "^2 →|^14 →|\\*\\*"),
    Same(MEMORY, "evaluation/axes", "self.members < FEW"),
    Same(MEMORY, "evaluation/axes", "FEW = 64"),
    Same(MEMORY, "evaluation/call", "_CAUTIOUS = "),
    Same(MEMORY, "evaluation/call", "_SHAPES = "),
    Same(SHORTCUT, "evaluation/domain", "low == 0.0 and 0.0 < _in_bits(a)", r"→ False|<= \(_in|< \(high"),
    Same(SHORTCUT, "evaluation/domain", "if a.size <= 1:", r"→ False|a.size\) < |\(1 - 1"),
    Same(SHORTCUT, "evaluation/domain", "if positive(top):", "→ False"),
    Same(SHORTCUT, "evaluation/domain", "within(a, self.low, self.high) or super"),
    Same(SHORTCUT, "evaluation/domain", "type(a) is np.ndarray", "→ False"),
    Same(SHORTCUT, "evaluation/domain", "if self.low != 0.0:", "→ False"),
    Same(SHORTCUT, "evaluation/domain", "0.0 < (a.item() if a.size == 1", r"^1 →|== 1 →|<= \(a\.item|< \(self\.high"),
    Same(SHORTCUT, "evaluation/domain", "a.item() in self.values if a.size == 1", "a.size"),
    Same(SHORTCUT, "evaluation/numerics", "if n < 3:"),
    Same(SHORTCUT, "evaluation/numerics", "if not (x < -600).any()"),
    Same(SHORTCUT, "evaluation/numerics", "frexp(a)[0] == 0.5"),
    Same(SHORTCUT, "evaluation/numerics", "if b.all() else", "b.all()"),
    Same(SHORTCUT, "evaluation/numerics", "if n >= FEW:", "n >= FEW"),
    Same(LOOSE, "evaluation/numerics", "2.0**900"),
    Same(LOOSE, "evaluation/numerics", "2.0**-200"),
    Same(LOOSE, "evaluation/numerics", "-600", "600"),
    Same(LOOSE, "evaluation/numerics", "1e-290", "1e-290"),
    Same(LOOSE, "evaluation/numerics", "2.0**500"),
    Same(LOOSE, "evaluation/numerics", "prec=60"),
    Same(SHORTCUT, "evaluation/sums", "x.size == 1:"),
    Same(LOOSE, "evaluation/sums", "_CHUNK = "),
    Same(LOOSE, "evaluation/sums", "_BITS = "),
    Same(LOOSE, "evaluation/sums", "2.0**1000"),
    Same(LOOSE, "evaluation/sums", "2.0**900"),
    Same(LOOSE, "evaluation/sums", "range(1, 60)"),
    Same(LOOSE, "evaluation/sums", "x.size**2 + 1, unit - 54", r"^1 →|\+ 1 →|- 1"),
    Same(SHORTCUT, "evaluation/sums", "cut > 1 and (shifted == x).all()"),
    Same(LOOSE, "evaluation/sums", "unit > -900"),
    Same(SHORTCUT, "evaluation/sums", "plainly.min(initial=0.0)"),
    Same(SHORTCUT, "evaluation/sums", "if doubtful.any()"),
    Same(LOOSE, "evaluation/sums", "size > 2.0**-960", r">= \(2"),
    Same(SHORTCUT, "evaluation/sums", "if 1.0 <= plain < np.inf:", r"1\.0 →|→ False"),
    Same(SHORTCUT, "evaluation/sums", "if divisor == 1 else quotient"),
    Same(LOOSE, "evaluation/output", "_EFFORT = "),
    Same(MEMORY, "evaluation/call", "max(layout.members, *own, 1)", r"^1 →"),
    Same("at the border the exact product is the same", "evaluation/sums", "size > 2.0**-960", r"2\.0\*\*-1022 <="),
    Same(MEMORY, "evaluation/output", "_PLACES = "),
    # truth
    Same(LOOSE, "truth/proof", "PLAN = "),
    Same("numbers outside are replaced", "truth/double_double", "_small_expm1(_where(inside, r, (0.0, 0.0)", r"0\.0"),
    Same(
        "three ways to see one switch, which a process cannot set for one of them", "truth/proof", "(tiny * one == 0)"
    ),
    Same("such a number is 0 or infinite anyway", "truth/arithmetic", "min(exponent, 1100)"),
    Same("such a number is 0 or infinite anyway", "truth/arithmetic", "< -1080"),
    Same(LOOSE, "truth/arithmetic", "e <= 64", r"64"),
    Same("a sign of ±1: product and quotient are the same", "truth/arithmetic", "self.m.side if k % 2", r"\) / \("),
    Same("a probability of 2^-53", "truth/sampling", "rng.random(", r"<.*→.*<="),
    Same("of the rest of a pole only derivatives are read", "truth/arithmetic", "return Infinite(-1, slope"),
    Same("balls do not overflow: speed alone", "truth/arithmetic", "if _sign(x.coefficient(0)) > 0:", "→ False|>="),
    Same("a side is a sign: +2 is as good as +1", "truth/proof", "refine(", r"^1 → \(1 (\*|\+)"),
    # comparison
    Same("an array of any length is as good", "comparison/candidate", "self.arrays.array(np.zeros(1))"),
    Same(
        "one of one left out, or none of one taken: the same", "comparison/expected", "unknown.at(slice(0, 0))", "- 1"
    ),
    Same(SHORTCUT, "comparison/expected", "if group:", "→ True"),
    Same(
        "`plain` has left no NaN",
        "comparison/result",
        "allow_nan=False",
        "keyword allow_nan",
    ),
    Same(BOTH, "comparison/worst_inputs", "if best.ratio < goal and size <= _PROVABLE", r"best\.ratio < goal → .*<="),
    Same("a block holds more than one unit", "comparison/worst_inputs", "max(1, predictions // size", r"^1 →"),
    Same("no margin is the largest number of a format", "comparison/battery", "< form.max", r"< form\.max →.*<="),
    Same("no format has so few exponents", "comparison/battery", "last // 1", r"^1 →"),
)
FOREIGN = ("class Torch(NumPy)", "FRAMEWORKS: ")  # between them, candidate.py is seen by `make frameworks` alone


class Mutant(NamedTuple):
    """A part of a file, as bytes from `start` to `end`, and what replaces it."""

    file: str
    line: int
    start: int
    end: int
    was: str
    now: str
    kind: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {_short(self.was)} → {_short(self.now)}"


def _short(code: str) -> str:
    code = " ".join(code.split())
    return code if len(code) <= 90 else f"{code[:87]}…"


# ---- the changes of a file -------------------------------------------------------------------------------------------

ARITHMETIC = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.Pow: "*", ast.FloorDiv: "*", ast.Mod: "*",
    ast.MatMult: "*", ast.LShift: ">>", ast.RShift: "<<", ast.BitAnd: "|", ast.BitOr: "&", ast.BitXor: "&",
}  # fmt: skip
BORDERS = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
TURNED = {ast.Lt: ">", ast.LtE: ">=", ast.Gt: "<", ast.GtE: "<="}
SIGNS = {  # operators and comparisons as they are written
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
EXTREMES = {"min": "max", "minimum": "maximum", "fmin": "fmax", "argmin": "argmax", "nanmin": "nanmax"}
EXTREMES |= {b: a for a, b in EXTREMES.items()}
WIDER = {"PROBABILITY": "REAL", "NON_NEGATIVE": "REAL", "POSITIVE": "NON_NEGATIVE", "FRACTION": "REAL"}
WIDER |= {"CLAMP": "PROBABILITY", "SQUARED": "REAL", "LOGIT": "PROBABILITY"}


class _Changes(ast.NodeVisitor):
    """Every change of one file."""

    def __init__(self, file: str, source: str) -> None:
        self.file, self.source = file, source.encode()
        self.starts = [0]
        for line in self.source.split(b"\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.found: list[Mutant] = []
        self.function = ""
        self.visit(ast.parse(source))

    def _at(self, node: ast.AST) -> tuple[int, int]:
        first, last = self.starts[node.lineno - 1], self.starts[node.end_lineno - 1]  # type: ignore[attr-defined]
        return first + node.col_offset, last + node.end_col_offset  # type: ignore[attr-defined]

    def _text(self, node: ast.AST) -> str:
        start, end = self._at(node)
        return self.source[start:end].decode()

    def _change(self, node: ast.AST, now: str, kind: str) -> None:
        start, end = self._at(node)
        self.found.append(Mutant(self.file, node.lineno, start, end, self._text(node), now, kind))  # type: ignore[attr-defined]

    # ---- expressions

    def visit_BinOp(self, node: ast.BinOp) -> None:
        left, right = self._text(node.left), self._text(node.right)
        if not isinstance(node.op, ast.BitOr) or not self._is_type(node):
            self._change(node, f"(({left}) {ARITHMETIC[type(node.op)]} ({right}))", "operator")
        self.generic_visit(node)

    @staticmethod
    def _is_type(node: ast.BinOp) -> bool:
        """Whether a union of types is meant: A | B of capitalised names or builtins."""
        return all(
            isinstance(x, ast.Name) and (x.id[0].isupper() or x.id in ("int", "float")) for x in (node.left, node.right)
        )

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [f"({self._text(x)})" for x in (node.left, *node.comparators)]
        for k, op in enumerate(node.ops):
            for table, kind in ((BORDERS, "border"), (TURNED, "comparison")):
                if type(op) in table:
                    ops = [table[type(o)] if k == i else SIGNS[type(o)] for i, o in enumerate(node.ops)]
                    text = "".join(f" {o} {side}" for o, side in zip(ops, sides[1:], strict=True))
                    self._change(node, f"({sides[0]}{text})", kind)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        parts = [f"({self._text(v)})" for v in node.values]
        self._change(node, f"({f' {other} '.join(parts)})", "and/or")
        for k in range(len(parts)):
            self._change(node, f"({f' {word} '.join(parts[:k] + parts[k + 1 :])})", "condition dropped")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self._change(node, f"({self._text(node.operand)})", "sign or not dropped")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        body, test, other = (self._text(x) for x in (node.body, node.test, node.orelse))
        self._change(node, f"(({other}) if ({test}) else ({body}))", "branches swapped")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._change(node, str(not value), "constant")
        elif isinstance(value, int | float):
            text = self._text(node)
            doubled = f"({text} * 2)" if value else "1.0" if isinstance(value, float) else "1"
            self._change(node, doubled, "constant × 2")
            self._change(node, f"({text} + 1)", "constant ± 1")
            self._change(node, f"({text} - 1)", "constant ± 1")

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "Bounds":
            for k in range(len(node.args)):
                parts = [f"1.5 * ({self._text(a)})" if i == k else self._text(a) for i, a in enumerate(node.args)]
                if not isinstance(node.args[k], ast.Starred):
                    self._change(node, f"Bounds({', '.join(parts)})", "bound × 1.5")
        if name in EXTREMES:
            self._change(node.func, re.sub(rf"{name}$", EXTREMES[name], self._text(node.func)), "min/max")
        if name == "where" and len(node.args) == 3:
            a, b, c = (self._text(x) for x in node.args)
            self._change(node, f"{self._text(node.func)}({a}, {c}, {b})", "branches swapped")
        for keyword in node.keywords:
            if keyword.arg and keyword.arg not in ("check", "default"):
                rest = [self._text(a) for a in node.args]
                rest += [self._text(k) for k in node.keywords if k is not keyword]
                self._change(node, f"{self._text(node.func)}({', '.join(rest)})", f"keyword {keyword.arg} dropped")
        if name in ("Domains", "number", "array"):
            for a in node.args:
                if isinstance(a, ast.Name) and a.id in WIDER:
                    wider = f"__import__('reflosses.evaluation.domain', fromlist=['REAL']).{WIDER[a.id]}"
                    self._change(a, wider, "domain enlarged")
        for child in ast.iter_child_nodes(node):
            if not (name == "reshape" and isinstance(child, ast.UnaryOp)):  # NumPy takes −2 for −1
                self.visit(child)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Text for people is not changed; its positions are unreliable too."""

    # ---- statements

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self.function = self.function, node.name
        for child in (*node.args.defaults, *(d for d in node.args.kw_defaults if d), *node.decorator_list, *node.body):
            self.visit(child)
        self.function = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        """`examples` are parameters for the checks: others would do."""
        if not any(isinstance(t, ast.Name) and t.id == "examples" for t in node.targets):
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom):
            self._change(node, "pass", "line dropped")
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._change(node, "pass", "line dropped")
        if type(node.op) in ARITHMETIC:
            now = f"{self._text(node.target)} {ARITHMETIC[type(node.op)]}= {self._text(node.value)}"
            self._change(node, now, "operator")
        self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._change(node, "pass", "line dropped")

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in self._text(node.test):
            self._change(node.test, "True", "condition dropped")
            self._change(node.test, "False", "condition dropped")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if self.function == "error_scale" and node.value is not None:
            parts = node.value.elts if isinstance(node.value, ast.Tuple) else []
            for part in parts:
                if not (isinstance(part, ast.Constant) and part.value is None):
                    self._change(part, f"(1000.0 * ({self._text(part)}))", "error_scale × 1000")
        self.generic_visit(node)


def changes(file: str) -> list[Mutant]:
    """Every change of a file that can still be read as Python."""
    found = _Changes(file, (ROOT / file).read_text("utf-8")).found
    return [m for m in dict.fromkeys(found) if m.now != m.was]


def mutated(m: Mutant, source: bytes) -> bytes:
    """The source with one change."""
    return source[: m.start] + m.now.encode() + source[m.end :]


# ---- the tests of a file ---------------------------------------------------------------------------------------------

NEAR = {  # the test files that know a module best, where the names differ
    "evaluation/threads": ["tests/evaluation/test_evaluate.py"],
    "evaluation/softmax": ["tests/evaluation/test_numerics.py", "tests/losses/test_cross_entropy.py"],
    "evaluation/quadratic_form": ["tests/losses/test_cauchy.py", "tests/evaluation/test_numerics.py"],
    "truth/arithmetic": ["tests/truth/test_proof.py"],
    "evaluation/output": ["tests/evaluation/test_call.py", "tests/evaluation/test_evaluate.py"],
    "comparison/options": ["tests/test_checking.py"],
    "comparison/interview": ["tests/test_checking.py"],
    "comparison/candidate": ["tests/test_checking.py"],
}
FOR_ALL = [
    "tests/truth/test_magnitudes.py",
    "tests/truth/test_accuracy.py",
    "tests/evaluation/test_curvature.py",
    "tests/evaluation/test_loss.py",
]
FOR_ALL += ["tests/evaluation/test_evaluate.py", "tests/evaluation/test_call.py", "tests/evaluation/test_parameters.py"]
FOR_ALL += ["tests/test_gradcheck.py", "tests/test_planted.py", "tests/truth/test_proof.py", "tests/test_checking.py"]
REST = {  # run next: the tests of the package, then those of its users
    "losses": [
        "tests/evaluation",
        "tests/truth",
        "tests/comparison",
        "tests/test_planted.py",
        "tests/test_checking.py",
    ],
    "evaluation": [
        "tests/evaluation",
        "tests/losses",
        "tests/test_gradcheck.py",
        "tests/truth",
        "tests/comparison",
        "tests/test_checking.py",
    ],
    "truth": [
        "tests/truth",
        "tests/test_planted.py",
        "tests/comparison",
        "tests/test_checking.py",
        "tests/test_gradcheck.py",
    ],
    "comparison": ["tests/comparison", "tests/test_checking.py", "tests/diagnosis", "tests/test_pytest_plugin.py"],
}


def stages(file: str) -> list[list[str]]:
    """Arguments of pytest, the quickest killers first."""
    package, stem = file.split("/")[1], Path(file).stem
    if package == "losses":
        own = ["-k", f"{stem} or {stem.replace('_', '')}"]
        return [
            [f"tests/losses/test_{stem}.py", "tests/test_promises.py"],
            [*FOR_ALL, *own],
            REST[package],
        ]
    near = NEAR.get(f"{package}/{stem}", [f"tests/{package}/test_{stem}.py"])
    if "/battery/" in file:
        near = ["tests/comparison/test_battery.py"]
    near = [t for t in near if (ROOT / t).exists()]
    return [near, REST[package]] if near else [REST[package]]


def run(where: Path, arguments: list[str], limit: int = LIMIT) -> bool:
    """Whether these tests fail, or do not end."""
    import resource  # which Windows lacks

    environment = {**os.environ, "PYTHONPATH": str(where), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]
    with subprocess.Popen(
        command,
        cwd=where,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a test that hangs may have children
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit)),
    ) as process:
        try:
            return process.wait(5 * limit) not in (0, 5)  # 5: no test is chosen
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            return True


def same(m: Mutant) -> bool:
    """Whether a change is listed as one that cannot be seen."""
    text = (ROOT / m.file).read_text("utf-8")
    if "comparison/candidate" in m.file and text.index(FOREIGN[0]) < m.start < text.index(FOREIGN[1]):
        return True
    line = text.splitlines()[m.line - 1]
    return any(s.file in m.file and s.line in line and re.search(s.part, f"{m.was} → {m.now} ({m.kind})") for s in SAME)


def copy(where: Path) -> None:
    """The project without its history and its caches."""
    for name in ("reflosses", "tests", "derivations", ".ci", ".github"):
        shutil.copytree(ROOT / name, where / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "Makefile", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, where / name)


def chosen(number: int, seed: int, only: str) -> Iterator[Mutant]:
    """So many changes that can be seen, from each package in turn."""

    packages = []
    for package in PACKAGES:
        drawn: dict[bytes, Mutant] = {}
        for path in sorted((ROOT / "reflosses" / package).rglob("*.py")):
            file, lines = str(path.relative_to(ROOT)), path.read_text("utf-8").splitlines()
            met: Counter[str] = Counter()  # equal changes of equal lines are numbered
            for m in changes(file) if only in file else ():
                text = f"{seed} {file} {lines[m.line - 1].strip()} {m.was} {m.now} {m.kind}"
                met[text] += 1
                if not same(m):
                    drawn[hashlib.sha256(f"{text} {met[text]}".encode()).digest()] = m
        packages.append([drawn[key] for key in sorted(drawn)])
    in_turn = [m for row in itertools.zip_longest(*packages) for m in row if m is not None]
    yield from in_turn[: number or None]


def too_many(survivors: int, number: int) -> bool:
    """Whether so many survivors of a sample refute that enough of all changes are caught: the binomial tail."""
    miss = 1 - ENOUGH
    fewer = sum(math.comb(number, k) * miss**k * ENOUGH ** (number - k) for k in range(survivors))
    return 1 - fewer < CHANCE


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--number", type=int, default=60, help="changes to try (0: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a part of a file's path")
    parser.add_argument("--whole", action="store_true", help="survivors meet the whole suite")
    parser.add_argument("--list", action="store_true", help="print the changes and run nothing")
    asked = parser.parse_args()
    picked = list(chosen(asked.number, asked.seed, asked.only))
    if asked.list:
        print(*picked, sep="\n")
        return 0
    began, survivors = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        copy(where)
        first_tests = dict.fromkeys(a for m in picked for a in stages(m.file)[0])
        if first_tests and run(where, list(first_tests)):
            print("some tests fail without any change: run `make test`")
            return 2
        for n, m in enumerate(picked, 1):
            path = where / m.file
            source = path.read_bytes()
            path.write_bytes(mutated(m, source))
            try:
                whole = [["tests"]] if asked.whole else []
                first, *others = stages(m.file)
                caught = run(where, first, LOOP) or any(run(where, arguments) for arguments in [*others, *whole])
            finally:
                path.write_bytes(source)
            if not caught:
                survivors.append(m)
                print(f"survives  {m}", flush=True)
            if n % 20 == 0:
                print(f"{n} of {len(picked)}, {len(survivors)} survive, {time.monotonic() - began:.0f} s", flush=True)
    score = 1 - len(survivors) / max(1, len(picked))
    print(f"{len(picked) - len(survivors)} of {len(picked)} changes are caught: {score:.1%} (seed {asked.seed})")
    return int(too_many(len(survivors), len(picked)))


if __name__ == "__main__":
    sys.exit(main())
