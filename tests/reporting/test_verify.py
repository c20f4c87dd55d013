"""The three legs of `verify`, and how they are printed."""

import ast
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reflosses
from reflosses import catalogue
from reflosses.comparison.battery import REGIMES
from reflosses.comparison.candidate import Answer, Candidate
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import Comparison, Deviation, Tally
from reflosses.comparison.result import RegimeRow as Regime
from reflosses.comparison.verdict import VERDICTS
from reflosses.frameworks.function import Framework, Function, frameworks
from reflosses.frameworks.isolation import Source, Worker
from reflosses.frameworks.processes import CannotLoadError
from reflosses.reporting import certification, implementations, output, real_data, tables
from reflosses.reporting.known_deviations import Found, KnownDeviation
from reflosses.reporting.rows import FUNCTIONS, ON_REAL_DATA, Leg, Report, ReportRow, Wanted
from reflosses.reporting.rows import LOSSES as CERTIFICATION
from reflosses.reporting.verify import verify
from reflosses.reporting.widths import folded_code
from reflosses.truth import accuracy, arithmetic

LOSSES = list(catalogue.losses())
POINTS = 12
INSTALLED = ["scipy", "sklearn"]


def needs_flint() -> None:
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")


def needs_sklearn() -> None:
    pytest.importorskip("sklearn", reason="needs the extra [sklearn]: scikit-learn")


def run(
    *losses: str, against: Sequence[str] = (), seed: int = 3, points: int = POINTS, tick: Any = None, **more: Any
) -> Report:
    needs_flint()
    more = {"dtypes": ("float64",), "regimes": ("moderate",), **more}
    return verify(Wanted(losses, against, seed, points, **more), tick or (lambda *_: None))


def told(found: Report) -> str:
    """All that a report says but its seed and how long it took."""
    whole = output.to_json(replace(found, wanted=replace(found.wanted, seed=0)))
    return re.sub(r'"(seconds|seed)": .*', "", whole)


def planted(monkeypatch: pytest.MonkeyPatch, **more: Any) -> Callable[[Function], None]:
    """Functions that somebody wrote, as the only framework that there is."""

    def plant(*functions: Function) -> None:
        given = {"package": "numpy", "imports": "import numpy as np", "arrays": "numpy", "not_covered": {}, **more}
        only = Framework("planted", functions=functions, **given)
        monkeypatch.setattr(implementations, "frameworks", lambda: iter([only]))

    return plant


HINGE = "np.maximum(0, 1 - y * yhat)"
SLOPE = "np.where(y * yhat < 1, -y, 0.0)"


def function(code: str = HINGE, grad: str | None = SLOPE, **more: Any) -> Function:
    return Function("planted.hinge", code, "Hinge(reduction='none')", grad=grad, dtypes=tuple(FORMATS)[:2], **more)


@pytest.fixture(scope="module")
def everything() -> Iterator[Report]:
    """With a seed that draws short rows and overlaps: long ones are in tests/truth/test_accuracy.py."""
    needs_flint()
    needs_sklearn()
    with pytest.MonkeyPatch.context() as fewer:
        fewer.setattr(certification, "DIFFERENCES", 2)
        fewer.setattr(certification, "MEMBERS", 2)
        fewer.setattr(real_data, "SAMPLE", 24)
        yield verify(Wanted(LOSSES, INSTALLED, 1, POINTS, ("float64",), ("moderate", "D")))


# ---- all of it -------------------------------------------------------------------------------------------------------


def test_every_loss_is_certified_and_asked_of_others_and_of_real_data(everything: Report) -> None:
    certified, functions, real = everything.legs
    assert everything.ok
    assert everything.expected  # there is no list
    assert not everything.interrupted
    assert [row.name for row in certified.rows[: len(LOSSES)]] == LOSSES
    assert [row.name for row in certified.rows[len(LOSSES) :]] == [f.name for f in certification.OURS.functions]
    for row in certified.rows:
        assert (row.verdict, row.kind, row.holds) == ("certified", "right", True)
        assert row.points >= 10
        assert row.value is not None
        assert row.value.worst <= row.value.bound
    for row in certified.rows[: len(LOSSES)]:
        assert row.grad is not None
        assert row.grad.worst <= row.grad.bound
        assert row.derivatives > 0
        assert row.differences is not None
        assert row.differences <= 1
    assert {re.sub(r".*· |\(.*", "", row.equals) for row in real.rows} <= set(LOSSES)
    assert len(real.rows) >= 16  # a loss without a counterpart in SciPy or scikit-learn has no row
    assert {row.data.partition(":")[0] for row in real.rows} == {"diabetes", "breast cancer", "digits", "digit masks"}
    for row in real.rows:
        assert row.holds
        assert row.sample > 0
        assert row.points >= 442
        assert row.kind == "right" or "Half" in row.name, row.verdict  # scikit-learn's `_loss` loses digits there
    assert not any(leg.missing for leg in everything.legs)
    assert all(leg.seconds > 0 for leg in everything.legs)
    assert len(everything.results()) == sum(row.result is not None for row in functions.rows) > 0


def test_every_function_is_asked_with_all_parameter_sets(everything: Report) -> None:
    rows = everything.legs[1].rows
    functions = [(f.name, f) for f in frameworks() if f.name in INSTALLED]
    wanted = [(name, f.name) for name, framework in functions for f in framework.functions for _ in f.tried]
    assert [(row.framework, row.name) for row in rows] == wanted
    assert {row.name for row in rows if row.kind == "missing"} <= {"scipy.special.softplus"}  # new in SciPy
    assert all(row.holds is None for row in rows)
    assert all({r.regime for r in row.result.rows} <= {"moderate", "D"} for row in rows if row.result)
    assert {row.verdict for row in rows if row.name == "scipy.special.huber"} == {"right"}
    labels = next(row for row in rows if row.name == "sklearn.hinge_loss of labels")
    assert labels.kind == "wrong"  # hinge_loss([1, 1], [0.5, 0.5]) is 1.5, as its row says


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    first, again, other = (run("Huber", "Hinge", against=["scipy"], seed=seed) for seed in (5, 5, 6))
    assert told(first) == told(again)
    assert told(first) != told(other)


def test_only_the_losses_that_are_asked_for() -> None:
    found = run("IoU", "Cauchy", against=INSTALLED)
    assert {row.name for row in found.legs[0].rows} == {"IoU", "Cauchy", "overlap.hard_iou"}
    assert all(re.search("IoU|Cauchy", row.equals) for leg in found.legs for row in leg.rows)


def test_only_the_dtypes_and_regimes_that_are_asked_for() -> None:
    narrow = run("Huber", against=["scipy"], dtypes=("float32",), regimes=("D", "F")).legs[1].rows
    assert {row.name for row in narrow} == {"scipy.special.huber"}  # least_squares computes in float64
    assert {row.dtype for row in narrow} == {"float32"}
    assert [[r.regime for r in row.result.rows] for row in narrow if row.result] == [["D", "F"]] * 2
    every = run("Huber", against=["scipy"], dtypes=()).legs[1].rows
    assert {row.dtype for row in every if "special" in row.name} == {"float64", "float32"}


def test_only_the_frameworks_that_are_asked_for() -> None:
    needs_sklearn()
    ours, scipy, sklearn = (run("Huber", against=names) for names in ([], ["scipy"], ["sklearn"]))
    assert [len(leg.rows) for leg in ours.legs] == [1, 0, 0]
    assert {row.framework for row in scipy.legs[1].rows} == {"scipy"}
    assert scipy.legs[2].rows == []
    assert {row.framework for row in sklearn.legs[1].rows} == {"sklearn"}
    assert sklearn.legs[2].rows


def test_progress_is_told_of_every_leg() -> None:
    needs_sklearn()
    ticks: list[tuple[str, str, int, int]] = []
    run("Hinge", "Huber", against=INSTALLED, tick=lambda *a: ticks.append(a))
    for leg in (CERTIFICATION, FUNCTIONS, ON_REAL_DATA):
        done = [(k, of) for name, _, k, of in ticks if name == leg]
        assert done == [(k, done[-1][1]) for k in range(done[-1][1] + 1)]
        assert len(done) > 1


def test_a_process_of_its_own_finds_what_this_one_finds() -> None:
    needs_sklearn()
    here, there = (run("Hinge", against=["sklearn"], limit=limit) for limit in (None, 60.0))
    assert told(here) == told(there).replace('"limit": 60.0', '"limit": null')


def test_a_function_that_hangs_or_crashes_is_reported_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Candidate):
        takes_weight = differentiates = given_up = False
        subnormals = True

        def __init__(self, source: Source, dtype: str, *, limit: float, worker: Worker) -> None:
            assert (source.name, dtype, limit) == ("planted.hinge", "float64", 7.5)
            assert isinstance(worker, Worker)

        def ask(self, *arrays: Any) -> Answer:
            return Answer(error="TimeoutError: no answer within 7.5 s")

    planted(monkeypatch)(function())
    monkeypatch.setattr(implementations, "Isolated", Hanging)
    found = run("Hinge", against=["planted"], limit=7.5)
    assert found.ok
    (row,) = found.legs[1].rows
    assert (row.kind, row.verdict) == ("wrong", "crash")
    assert row.result is not None
    assert "it gives no answer within 7.5 s" in row.result.message()


def test_a_function_that_cannot_be_loaded_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: Any, **__: Any) -> Any:
        raise CannotLoadError("planted.hinge cannot be loaded: ProcessDied: exited with status 3")

    planted(monkeypatch)(function())
    monkeypatch.setattr(implementations, "Isolated", cannot)
    (row,) = run("Hinge", against=["planted"], limit=7.5).legs[1].rows
    assert row.kind == "missing"
    assert row.verdict.endswith("ProcessDied: exited with status 3")


# ---- it can fail -----------------------------------------------------------------------------------------------------


def broken(monkeypatch: pytest.MonkeyPatch, method: str, change: Callable[[Any], Any]) -> Report:
    """A report with one method of Huber changed."""
    right = getattr(reflosses.Huber, method)
    monkeypatch.setattr(reflosses.Huber, method, lambda self, *terms: change(right(self, *terms)))
    return run("Huber", "Hinge", points=60)


@pytest.mark.parametrize(
    ("method", "change", "text"),
    [
        ("losses", lambda x: 2 * x, "wrong: value off by"),
        ("losses", lambda x: x * (1 + 1e-14), "wrong: value off by"),
        ("slopes", lambda x: -x, "wrong: gradient off by"),
        ("slopes", lambda x: np.where(np.abs(x) < 1e-3, 0.0, x), "wrong: gradient off by"),
        ("slopes", lambda x: x + np.nan, "wrong: gradient off by"),
        ("curvatures", lambda x: x * (1 + 1e-14), "wrong: curvature off by"),
        ("curvatures", lambda x: 1 - x, "wrong: curvature off by"),
        ("terms", lambda x: x[0] / 0, "wrong: "),
    ],
)
def test_a_broken_loss_is_not_certified(
    monkeypatch: pytest.MonkeyPatch, method: str, change: Callable[[Any], Any], text: str
) -> None:
    found = broken(monkeypatch, method, change)
    assert not found.ok
    rows = {row.name: row for row in found.legs[0].rows}
    assert rows["Huber"].kind == "wrong"
    assert rows["Huber"].verdict.startswith(text)
    assert rows["Hinge"].holds


def test_a_loss_that_raises_is_not_certified_on_real_data_either(monkeypatch: pytest.MonkeyPatch) -> None:
    needs_sklearn()

    def nothing(self: Any, *terms: Any) -> Any:
        raise RuntimeError("no slope today")

    monkeypatch.setattr(reflosses.Huber, "slopes", nothing)
    found = run("Huber", against=["sklearn"])
    assert not found.ok
    for leg in (found.legs[0], found.legs[2]):
        assert leg.rows
        assert all("RuntimeError: no slope today" in row.verdict and row.holds is False for row in leg.rows)


def test_what_finite_differences_deny_is_not_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    right = certification.gradcheck
    monkeypatch.setattr(certification, "gradcheck", lambda *a: replace(right(*a), excess=3.0))
    row = run("Hinge").legs[0].rows[0]
    assert row.verdict == "wrong: approx_fprime of Hinge(reduction='none') says otherwise"
    assert row.holds is False


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({"points": 0, "undecided": 7}, "wrong: nothing could be certified"),
        ({"points": 70, "undecided": 7}, "wrong: 7 of 77 could not be certified"),
        ({"points": 700, "undecided": 7}, "certified"),
    ],
)
def test_what_can_mostly_not_be_certified_is_not(
    monkeypatch: pytest.MonkeyPatch, counts: dict[str, int], verdict: str
) -> None:
    right = accuracy.sweep
    monkeypatch.setattr(accuracy, "sweep", lambda *a: replace(right(*a), **counts))
    row = run("Hinge").legs[0].rows[0]
    assert (row.verdict, row.holds) == (verdict, verdict == "certified")
    assert row.note == "7 problems were left out: no certified result exists there"


def test_a_wrong_function_of_ours_is_not_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = replace(certification.OURS.functions[1], code="np.mean(y != yhat)")
    monkeypatch.setattr(certification, "OURS", replace(certification.OURS, functions=(dice,)))
    found = run("Dice")
    assert dice.name == "overlap.hard_dice"
    assert found.legs[0].rows[-1].kind == "wrong"
    assert "value = np.mean(y != yhat)" in found.legs[0].rows[-1].lines[0]
    assert not found.ok


def test_a_function_of_ours_beyond_its_bound_is_not_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others have four times the freedom; 1.5 · 4 ulp is beyond ours."""
    code = "-reflosses.log_softmax(yhat)[np.arange(len(y)), y]"
    off = replace(certification.OURS.functions[0], code=f"(lambda x: x + 6 * np.spacing(x))({code})")
    monkeypatch.setattr(certification, "OURS", replace(certification.OURS, functions=(off,)))
    row = run("CrossEntropy").legs[0].rows[-1]
    assert row.value is not None
    assert row.value.bound < row.value.worst < 4 * row.value.bound
    assert row.holds is False


def test_certification_of_nothing_does_not_hold() -> None:
    assert not run().ok
    assert not Report(Wanted([], [])).ok


@pytest.mark.parametrize(
    ("code", "kind", "verdict"),
    [
        (HINGE, "right", "right"),
        (HINGE.replace("1 -", ""), "wrong", "other convention"),
        (f"{HINGE} * 1.25", "wrong", "other convention"),
        (f"{HINGE} * (1 + 2**-10)", "wrong", "inaccurate"),
        (f"np.minimum({HINGE}, 2)", "wrong", "other convention"),
        (f"{HINGE} / (y * 0)", "wrong", "spurious inf/NaN"),
        (f"{HINGE}.mean()", "wrong", "other convention"),
        ("np.linalg.inv(yhat)", "wrong", "crash"),
    ],
)
def test_what_others_get_wrong_is_reported_and_not_fatal(
    monkeypatch: pytest.MonkeyPatch, code: str, kind: str, verdict: str
) -> None:
    planted(monkeypatch)(function(code, None))
    found = run("Hinge", against=["planted"], dtypes=())
    rows = found.legs[1].rows
    assert [row.dtype for row in rows] == ["float64", "float32"]
    assert {(row.kind, row.verdict) for row in rows} == {(kind, verdict)}
    assert found.ok
    assert "certification holds" in tables.summary(found)
    assert tables.summary(found).count("2 not the loss") == (kind == "wrong")


# ---- what is missing, and what is interrupted ------------------------------------------------------------------------


def test_a_framework_that_is_not_installed_is_left_out_and_the_rest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, package="no-such-package", imports="import no_such_package", extra="such")(function())
    monkeypatch.setattr(real_data, "SKLEARN", replace(real_data.SKLEARN, package="no-such-package"))
    found = run("Hinge", against=["planted", "sklearn"])
    message = "functions of planted are left out: no-such-package is not installed: pip install 'reflosses[such]'"
    assert [leg.missing for leg in found.legs] == [[], [message], []]
    assert [len(leg.rows) for leg in found.legs] == [1, 0, 0]
    assert found.ok
    assert message in tables.to_markdown(tables.tables(found))


def test_without_flint_nothing_is_certified_and_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    needs_sklearn()
    monkeypatch.setitem(sys.modules, "flint", None)
    monkeypatch.setattr(arithmetic, "flint", None)
    found = verify(Wanted(["BinaryCrossEntropy"], INSTALLED, 0, POINTS, ("float64",), ("moderate",)))
    assert not found.ok
    own, functions, data = found.legs
    assert own.rows == []
    assert own.missing == [
        "our losses are not certified here, which needs python-flint: pip install 'reflosses[truth]'"
    ]
    assert functions.rows
    assert {(row.kind, row.holds, row.own_value) for row in data.rows} == {("right", None, None)}
    assert "Nothing of ours was certified." in tables.summary(found)


@pytest.mark.parametrize(
    ("imports", "code", "error"),
    [
        ("import numpy as np", "np.not_there(yhat)", "AttributeError: module 'numpy' has no attribute 'not_there'"),
        ("import numpy.not_there", "np.abs(yhat)", "No module named 'numpy.not_there'"),
        ("from numpy import not_there", "np.abs(yhat)", "cannot import name 'not_there' from 'numpy'"),
    ],
)
def test_another_version_of_a_framework_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, imports: str, code: str, error: str
) -> None:
    planted(monkeypatch, imports=imports)(function(code, None))
    (row,) = run("Hinge", against=["planted"]).legs[1].rows
    assert row.kind == "missing"
    assert row.verdict.startswith(f"not there: {error}")


def test_what_cannot_be_asked_is_neither_right_nor_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch)(function())
    found = run("Hinge", against=["planted"], regimes=("C",))  # no power in it
    assert [(row.kind, row.verdict) for row in found.legs[1].rows] == [("missing", "nothing could be asked")]
    assert found.results() == []


def test_an_error_of_our_own_is_not_taken_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise IndexError("of our own")

    monkeypatch.setattr(implementations, "_implementation", broken)
    with pytest.raises(IndexError, match="of our own"):
        run("Huber", against=["scipy"])


def test_an_interrupt_keeps_what_is_done() -> None:
    def tick(leg: str, name: str, done: int, total: int) -> None:
        if leg == FUNCTIONS and done == 1:
            raise KeyboardInterrupt

    found = run("Huber", "Hinge", against=["scipy"], tick=tick)
    assert found.interrupted
    assert [leg.name for leg in found.legs] == [CERTIFICATION, FUNCTIONS]
    assert len(found.legs[1].rows) == 1
    assert "Interrupted: only what was done so far." in tables.summary(found)
    assert json.loads(output.to_json(found))["interrupted"] is True


# ---- in print --------------------------------------------------------------------------------------------------------


GONE = KnownDeviation(("lib.g",), ("float64",), ("D",), ("value",), ("overflow",))


def result(name: str = "lib.f(a=1)", dtype: str = "float64", verdict: str = "", regime: str = "D") -> Comparison:
    """A result by hand: right, or with one deviation."""
    column = Tally(7, 0.5, {verdict: 1} if verdict else {})
    worst = [Deviation(regime, "by hand", "value", verdict, np.zeros(1), np.ones(1))] if verdict else []
    return Comparison(name, "Hinge()", dtype, 0, [Regime(regime, value=column)], worst)


def asked(found: Comparison, kind: str) -> ReportRow:
    return ReportRow("lib.f", "Hinge", found.verdict, kind, dtype=found.dtype, framework="lib", result=found)


def reported(*rows: ReportRow, leg: str = FUNCTIONS, **more: Any) -> Report:
    return Report(Wanted(["Hinge"], ["lib"], 0, 1), [Leg(leg, list(rows))], **more)


def test_markdown_is_made_of_whole_tables(everything: Report) -> None:
    text = tables.to_markdown(tables.tables(everything))
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 1. Our losses against their certified truth, and against finite differences",
        "## 2. Functions of other frameworks against the certified truth, in adversarial regimes",
        "## 3. Predictions of scikit-learn's models on its data sets: its metrics against ours",
    ]
    for name in LOSSES:
        assert re.search(rf"^\| {name} \| \d+ \|.*\| certified \|$", text, re.M)
    assert "| special.huber(delta=0.75) | f64 | `· ` | `· ` | range | right |" in text


@pytest.mark.parametrize("width", [80, 100, 160])
def test_tables_fit_a_terminal(everything: Report, width: int) -> None:
    console = pytest.importorskip("rich.console", reason="needs the extra [cli]: rich")
    printed = tables.tables(everything)
    out = io.StringIO()
    tables.print_tables(printed, console.Console(file=out, width=width, highlight=False))
    text = out.getvalue()
    shown = [code for table in printed for _, code in table.snippets[: tables.SNIPPETS]]
    for line in text.splitlines():
        assert len(line) <= width
        assert "…" not in line
    for code in shown:  # whole, to be pasted
        assert f"\n{(folded := folded_code(code, width))}\n" in text
        assert ast.dump(ast.parse(folded)) == ast.dump(ast.parse(code))
    names = ["Hinge", "BinaryCrossEntropy", "CrossEntropy", "special.huber("]
    names += [*LOSSES, "special.huber(delta=0.75)"] if width > 80 else []
    for name in names:
        assert re.search(rf"^ {re.escape(name)}", text, re.M), name


def test_a_map_has_a_column_for_each_regime_that_was_asked() -> None:
    table = tables.tables(reported(asked(result(regime="D"), "right"), asked(result(regime="moderate"), "right")))[0]
    assert [c.text for c in table.columns] == ["function", "dtype", "m", "D", "holds", "verdict"]
    assert [line.cells[2:4] for line in table.lines if not line.heading] == [("", "· "), ("· ", "")]
    assert [line.cells[4] for line in table.lines if not line.heading] == ["range", "range"]
    assert tables.HOLDS_NOTE in table.notes
    regimes = next(note for note in table.notes if note.startswith("regimes: "))
    assert regimes == f"regimes: m {REGIMES['moderate']}; D {REGIMES['D']}"


def test_a_map_marks_the_worst_verdict_of_values_and_of_gradients() -> None:
    right, dead = Tally(7, 0.5), Tally(7, 0.5, {"inaccurate": 3, "dead gradient": 1})
    found = Comparison("lib.f", "Hinge()", "float64", 0, [Regime("A", right, dead), Regime("F", Tally(), right)])
    marks = dict(zip(REGIMES, tables.marks_of(found), strict=True))
    assert {regime: mark for regime, mark in marks.items() if mark.strip()} == {"A": "·d", "F": " ·"}


def test_every_verdict_has_its_own_mark_and_the_legend_tells_it() -> None:
    assert set(tables.MARKS) == {*VERDICTS, "right", ""}
    assert len(set(tables.MARKS.values())) == len(tables.MARKS)
    marks = tables.legend(REGIMES)[1]
    assert all(f"{mark} {verdict}" in marks for verdict, mark in tables.MARKS.items() if verdict)


def test_a_function_that_goes_wrong_in_one_way_is_shown_once() -> None:
    rows = [
        asked(result(dtype=dtype, verdict=verdict), "wrong")
        for dtype, verdict in (("float64", "overflow"), ("float32", "overflow"), ("float16", "crash"))
    ]
    table = tables.tables(reported(*rows))[0]
    assert [title.partition(": ")[0] for title, _ in table.snippets] == ["lib.f(a=1), float64", "lib.f(a=1), float16"]
    off = tables.tables(reported(asked(result(verdict="inaccurate"), "off")))[0]
    assert off.snippets == []


def test_a_diagnosis_is_told_once_with_its_functions() -> None:
    rows = [
        asked(result(name, dtype, verdict), kind)
        for name, dtype, verdict, kind in (
            ("lib.f(a=1)", "float64", "inaccurate", "off"),
            ("lib.f(a=1)", "float32", "inaccurate", "off"),
            ("lib.g", "float64", "overflow", "wrong"),
            ("lib.h", "float64", "overflow", "wrong"),
        )
    ]
    for row, diagnosis in zip(rows, ("half of it", "half of it", "half of it", ""), strict=True):
        row.result.diagnosis = diagnosis
    table = tables.tables(reported(*rows))[0]
    assert [note for note in table.notes if "half" in note] == ["lib.f(a=1), lib.g: half of it"]
    assert not any(note.startswith("lib.h") for note in table.notes)
    assert "Diagnosis: half of it" in tables.table_of(rows[0].result).first


def test_lines_are_numbered_and_told_once() -> None:
    row = ReportRow("a", "Hinge", "wrong", "wrong", lines=("one", "two"))
    rows = [
        row,
        replace(row, name="b", lines=("two",)),
        replace(row, name="c", verdict="right", kind="right", lines=()),
    ]
    table = tables.tables(reported(*rows, leg=CERTIFICATION))[0]
    assert [line.cells[-1] for line in table.lines if not line.heading] == ["wrong [1, 2]", "wrong [2]", "right"]
    assert [code for _, code in table.snippets] == ["one", "two"]


def test_json_holds_every_row_and_what_the_numbers_depend_on(everything: Report) -> None:
    whole = json.loads(output.to_json(everything), parse_constant=lambda c: pytest.fail(f"{c} is no JSON"))
    assert set(whole) == {
        "schema",
        "ok",
        "interrupted",
        "seed",
        "points",
        "unlisted",
        "vanished",
        "versions",
        "legs",
        "not_covered",
    }
    assert whole["ok"] is True
    assert whole["schema"] == output.SCHEMA
    assert (whole["seed"], whole["points"]) == (1, POINTS)
    assert whole["unlisted"] is whole["vanished"] is None
    assert set(whole["versions"]) == {
        "reflosses",
        "numpy",
        "python-flint",
        "python",
        "machine",
        *(f.package for f in frameworks()),
    }
    assert all(whole["versions"][k] for k in ("reflosses", "numpy", "scipy", "scikit-learn", "python", "machine"))
    for leg, mine in zip(whole["legs"], everything.legs, strict=True):
        assert leg["name"] == mine.name
        assert [row["verdict"] for row in leg["rows"]] == [row.verdict for row in mine.rows]
    assert [row["name"] for row in whole["legs"][0]["rows"]][: len(LOSSES)] == LOSSES
    wrong = [row["result"] for row in whole["legs"][1]["rows"] if row["kind"] == "wrong"]
    assert wrong
    assert all(found["worst"][0]["script"] for found in wrong)
    assert {found["ok"] for found in wrong} == {False}


def test_numbers_that_json_has_not_are_words() -> None:
    row = ReportRow("a", "Hinge", "wrong", "wrong", differences=np.inf, own_value=np.nan, own_grad=-np.inf)
    whole = json.loads(output.to_json(reported(row)))
    row = whole["legs"][0]["rows"][0]
    assert [row[k] for k in ("differences", "own_value", "own_grad")] == ["inf", "nan", "-inf"]


# ---- as test cases ---------------------------------------------------------------------------------------------------


def test_a_case_fails_where_a_row_is_wrong_and_is_skipped_where_it_is_missing() -> None:
    right, wrong = asked(result(), "right"), asked(result(verdict="overflow"), "wrong")
    found = reported(right, wrong, ReportRow("lib.g", "Hinge", "not there: X", "missing", framework="lib"))
    found.legs[0].missing.append("other is not installed")
    passed, failed, skipped, missing = output.cases(found)
    assert {c.suite for c in (passed, failed, skipped)} == {"implementations lib"}
    assert (passed.name, passed.failure, passed.skipped) == ("lib.f(a=1), float64", None, None)
    assert failed.failure is not None
    assert failed.failure == wrong.result.message()  # type: ignore[union-attr]
    assert (skipped.failure, skipped.skipped) == (None, "not there: X")
    assert (missing.failure, missing.skipped) == (None, "other is not installed")


def test_what_a_list_expects_of_others_is_no_failure() -> None:
    known, news = (asked(result(dtype=dtype, verdict="overflow"), "wrong") for dtype in ("float64", "float32"))
    assert known.result is not None
    assert news.result is not None
    unlisted = [Found(news.result, news.result.worst[0])]
    found = reported(known, news, unlisted=unlisted, vanished=[GONE])
    told, failed, gone = output.cases(found)
    assert told.failure is None
    assert told.output == known.result.message()
    assert failed.failure == news.result.message()
    assert gone.failure == "vanished: lib.g, float64, D, value: overflow"
    assert not found.expected
    assert "Against the list: 1 unlisted deviations, 1 vanished." in tables.summary(found)


def test_no_list_excuses_our_own_certification() -> None:
    own = ReportRow("Hinge", "Hinge", "wrong: off", "wrong", holds=False)
    (case,) = output.cases(reported(own, leg=CERTIFICATION, unlisted=[], vanished=[]))
    assert case.failure == "wrong: off"


def test_candidates_as_cases() -> None:
    right, wrong, nothing = result(), result(verdict="overflow"), Comparison("lib.h", "Hinge()", "float64", 0, [])
    cases = output.cases_of([right, wrong, nothing], ["Hinge"] * 3, None, None)
    assert [c.failure for c in cases] == [None, wrong.message(), nothing.message()]
    listed = output.cases_of([right, wrong, nothing], ["Hinge"] * 3, [], [GONE])
    assert [c.failure for c in listed] == [
        None,
        None,
        nothing.message(),
        "vanished: lib.g, float64, D, value: overflow",
    ]
