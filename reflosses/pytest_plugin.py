"""pytest plug-in: a test returns a loss, and reflosses compares it with the certified truth.

    @pytest.mark.matches_loss("Huber", delta=0.7, dtype="float32")
    def test_huber():
        return my_huber  # a callable of (y, yhat) that returns the value, or the value and the gradient

    def test_the_same(loss_oracle):
        loss_oracle("Huber", delta=0.7).check(my_huber, dtype="float32")

A name with a dot is a function of a framework: `matches_loss("torch.huber_loss", delta=0.7)`. Keywords of
`reflosses.check` are options of the check; all others are parameters of the loss. Several markers of a test are checked
one by one. A marker for one parameter set belongs into `pytest.param(…, marks=…)`. With `limit=10`, or the setting
`reflosses_limit`, each call of the candidate may take 10 seconds in a process of its own: it must then be a function at
the top of a module.

A program of any language is a candidate too: `matches_loss("Huber", delta=0.7, command=["./my_loss"])` on a test that
returns nothing, or `reflosses.Program` in place of a callable.

The first test that asks for a check imports NumPy and the rest of reflosses.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Generator, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from reflosses.comparison.candidate import Candidate
    from reflosses.comparison.expected import Scaled
    from reflosses.comparison.result import Comparison, Deviation, Tally
    from reflosses.evaluation.loss import Loss
    from reflosses.frameworks.program import Program
    from reflosses.reporting.known_deviations import KnownDeviation

MARKER = "matches_loss"
SUFFIXES = (".json", ".md")
SHOWN = 3  # a message shows so many regimes with their numbers

# ---- what a message says ---------------------------------------------------------------------------------------------


def message(result: Comparison, shown: str) -> str:
    """What a result is, in the words of the command line; then its numbers in the words of `numpy.testing`."""
    from reflosses.reporting.told import headline, outcome

    equal = "Equal" if result.ok else "Not equal"
    out = [f"{equal} to {shown} in {result.dtype}: {outcome(result)}", *headline(result)]
    found: dict[tuple[str, str], list[Deviation]] = {}
    for d in result.worst:
        found.setdefault((d.regime, d.what), []).append(d)
    sections = [_section(result, *place, deviations) for place, deviations in found.items()]
    for place, count, lines in sections[:SHOWN]:
        out += ["", place, f"Mismatched: {count}", *lines]
    rest = [f" {place}: {count}" for place, count, _ in sections[SHOWN:]]
    return "\n".join([*out, *(["", "Mismatched elsewhere:", *rest] if rest else []), "", *result.notes]).rstrip()


def _section(result: Comparison, regime: str, what: str, deviations: list[Deviation]) -> tuple[str, str, list[str]]:
    """The place, the count, and the lines: one number for each verdict, then code that shows the first number."""
    from reflosses.comparison.result import title

    column: Tally = getattr(result.row(regime), what)
    count = sum(column.wrong.values())
    share = f"{count} / {column.points} ({100 * count / column.points:.3g}%)"
    out = ["Mismatch at index:" if deviations[0].index else "Mismatch:"]
    for d in deviations:
        place = f"[{', '.join(map(str, d.index))}]: " if d.index else ""
        apart = f", {d.ulps:.3g} ulp apart" if 0 < d.ulps < float("inf") else ""
        out.append(f" {place}{d.error or f'{d.got!r} (ACTUAL), {d.exact!r} (DESIRED){apart}'}: {d.verdict}")
    out += [f"Max difference among the others: {column.worst:.2g} ulp"] if column.worst else []
    return f"{title(regime)} ({what})", share, [*out, f"# {deviations[0].name}", result.script(deviations[0])]


# ---- a loss to compare with ------------------------------------------------------------------------------------------


class Oracle:
    """A loss for a test to compare with.

    loss: the loss, or `Scaled(factor, loss)` for a function of a framework. value, grad: its methods; they take
    (y, yhat) and `weight=`. command: the words of the program to check, or None for a candidate of Python.
    """

    loss: Loss | Scaled

    def __init__(
        self,
        item: pytest.Item,
        name: str | Loss | Scaled,
        /,
        *,
        limit: float | None = None,
        command: Sequence[str] | None = None,
        **given: Any,
    ) -> None:
        __tracebackhide__ = True
        from reflosses import check
        from reflosses.checking import understood

        keywords = inspect.signature(check).parameters.values()
        names = [p.name for p in keywords if p.kind is p.KEYWORD_ONLY]
        parameters = {k: v for k, v in given.items() if k not in names}
        self._item = item
        self.loss, own = _target(name, parameters, [*names, "limit", "command"])
        self._shown = f"{name}, which is {self.loss}" if own else str(self.loss)
        self._limit = _limit(item.config) if limit is None else _positive("limit", limit)
        self._options = own | {k: v for k, v in given.items() if k in names}
        self.command = command
        if command is not None:
            self._program()  # a wrong command is an error before the test runs
        understood(**self._options)
        self.value, self.grad = self.loss.value, self.loss.grad
        self._expected = _expected(item.config)

    def certify(self, y: Any, yhat: Any, weight: Any = None) -> tuple[Any, Any]:
        """The correctly rounded value and gradient; a `Scaled` loss multiplies them by its factor and rounds again."""
        from reflosses import certify
        from reflosses.comparison.expected import parts

        factor, loss = parts(self.loss)
        value, grad = certify(loss, y, yhat, weight)
        return factor * value, factor * grad

    def check(self, candidate: Callable[..., Any] | Candidate | None = None, **options: Any) -> Comparison:
        """Raise AssertionError unless the candidate is the loss; options as for `reflosses.check`.

        The candidate is left out if there is a command.
        """
        __tracebackhide__ = True
        complaint, result = self._complaint(candidate, options)
        if complaint:
            raise AssertionError(complaint)
        return result

    def _program(self) -> Program:
        from reflosses import Program

        return Program(self.command or (), **({} if self._limit is None else {"limit": self._limit}))

    def _complaint(
        self, candidate: Callable[..., Any] | Candidate | None, options: dict[str, Any]
    ) -> tuple[str, Comparison]:
        """A message ("" if the candidate is right, or as expected), and the result."""
        __tracebackhide__ = True
        from reflosses import Program, check
        from reflosses.comparison.battery import REGIMES
        from reflosses.comparison.candidate import Candidate
        from reflosses.frameworks.processes import CannotLoadError
        from reflosses.reporting.told import why_nothing_was_asked

        given = {"name": self._item.nodeid, "seed": _seed(self._item.config), **self._options, **options}
        if self.command is not None:
            if candidate is not None:
                raise ValueError(f"a command and a candidate are given; the candidate is {candidate!r}")
            candidate = self._program()
        if isinstance(candidate, Program):
            given.setdefault("script", candidate.script)
        if self._limit is None or isinstance(candidate, Candidate):
            try:
                result = check(candidate, self.loss, **given)
            except CannotLoadError as error:
                raise ValueError(str(error)) from None
            finally:
                if isinstance(candidate, Program):
                    candidate.close()  # a later check starts it again
        else:
            result = _in_a_process(candidate, self.loss, self._limit, given)
        result.notes += why_nothing_was_asked(result, self.loss, given.get("regimes", REGIMES))
        self._item.stash.setdefault(RESULTS, []).append(result)
        if self._expected is None:
            return "" if result.ok else message(result, self._shown), result
        from reflosses.reporting.known_deviations import unexpected

        unlisted, _ = unexpected([result], self._expected)  # only the whole session can tell what has vanished
        if not unlisted and (result.ok or result.worst):
            return "", result
        return "\n".join([message(result, self._shown), *(f"Not expected: {found}" for found in unlisted)]), result


def _target(
    name: str | Loss | Scaled, parameters: dict[str, Any], options: list[str]
) -> tuple[Loss | Scaled, dict[str, Any]]:
    """The loss of that name, and the options of the check that come with a function of a framework."""
    __tracebackhide__ = True
    if not isinstance(name, str):
        if parameters:
            raise TypeError(f"{name} has its parameters already; {', '.join(parameters)}: neither can be changed")
        return name, {}
    from reflosses.reporting.asked import loss_of

    return loss_of(name, parameters, also=f"; the check takes {', '.join(sorted(options))}")


def _in_a_process(candidate: Any, loss: Loss | Scaled, limit: float, options: dict[str, Any]) -> Comparison:
    """Check a candidate in a process of its own, which ends after `limit` seconds without an answer."""
    __tracebackhide__ = True
    from contextlib import closing

    from reflosses import check
    from reflosses.frameworks.isolation import Isolated, Source, Worker
    from reflosses.frameworks.processes import CannotLoadError

    dtype, grad = options.get("dtype", "float64"), options.pop("grad", "auto")
    called = {key: options.pop(key) for key in ("framework", "order", "returns") if key in options}
    path = grad if grad is None or grad == "auto" else _path_of(grad, "grad")
    source = Source(_path_of(candidate, "candidate"), grad=path, **called)
    with closing(Worker()) as worker:
        try:
            isolated = Isolated(source, dtype, worker=worker, limit=limit)
        except CannotLoadError as error:
            raise ValueError(str(error)) from None
        return check(isolated, loss, **options)


def _path_of(function: Any, what: str) -> str:
    """The "module:name" or "path/file.py:name" by which another process finds a function; ValueError if it cannot."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    why = ""
    if not module or not name:
        why = "it has no name"
    elif "<" in name:
        why = "it is a lambda expression" if name.endswith("<lambda>") else "it is defined inside a function"
    else:
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        why = "" if found is function else f"{module}:{name} is another object"
    if why:
        raise ValueError(
            f"limit needs a process of its own, which cannot find the {what} {function!r}: {why}; "
            "define it at the top of a module, or leave limit out"
        )
    file = getattr(sys.modules[str(module)], "__file__", None)
    return f"{module if _importable(str(module), file) else file}:{name}"


def _importable(module: str, file: str | None) -> bool:
    """Whether another process that imports a module of this name gets this file."""
    from importlib.machinery import PathFinder

    path: Any = None
    for part in module.split("."):
        spec = PathFinder.find_spec(part if path is None else f"{part}", path)
        if spec is None:
            return file is None
        path = spec.submodule_search_locations
    return file is None or (spec is not None and spec.origin == file)


class LossOracle:
    """The fixture `loss_oracle`: losses by name, for a test to compare with."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def __call__(self, name: str | Loss | Scaled, /, **given: Any) -> Oracle:
        """The loss of that name; keywords are its parameters and options of `check`."""
        __tracebackhide__ = True
        return Oracle(self._item, name, **given)

    def assert_matches(self, candidate: Callable[..., Any], name: str | Loss | Scaled, /, **given: Any) -> Comparison:
        """Raise AssertionError unless the candidate is that loss."""
        __tracebackhide__ = True
        return self(name, **given).check(candidate)


@pytest.fixture
def loss_oracle(request: pytest.FixtureRequest) -> LossOracle:
    """Certified losses by name: `loss_oracle("Huber", delta=0.7)` has check(candidate), value, grad, certify."""
    return LossOracle(request.node)


# ---- a marked test ---------------------------------------------------------------------------------------------------

ORACLES = pytest.StashKey[list[Oracle]]()
RETURNED = pytest.StashKey[Any]()
RESULTS = pytest.StashKey[list["Comparison"]]()
EXPECTED = pytest.StashKey[list["KnownDeviation"] | None]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Find the losses of the markers of a test; a wrong marker is an error."""
    marks = list(item.iter_markers(MARKER))
    if not marks:
        return
    try:
        if any(len(mark.args) != 1 for mark in marks):
            raise TypeError("takes one loss, by its name; everything else has a keyword")
        item.stash[ORACLES] = [Oracle(item, *mark.args, **mark.kwargs) for mark in marks]
    except (TypeError, ValueError) as error:
        raise pytest.fail.Exception(f"{MARKER}: {error}", pytrace=False) from None


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Keep the return value of a marked test; pytest itself sees None."""
    if ORACLES not in pyfuncitem.stash:
        return (yield)
    function = pyfuncitem.obj

    @wraps(function)
    def keep(**arguments: Any) -> None:
        __tracebackhide__ = True
        pyfuncitem.stash[RETURNED] = function(**arguments)

    pyfuncitem.obj = keep
    try:
        return (yield)
    finally:
        pyfuncitem.obj = function


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Check the candidate that a marked test has returned; the test fails if it has returned none."""
    yield
    if ORACLES not in item.stash:
        return
    from reflosses.comparison.candidate import Candidate

    candidate, oracles = item.stash.get(RETURNED, None), item.stash[ORACLES]
    of_programs = all(oracle.command is not None for oracle in oracles)
    if of_programs and candidate is not None:
        pytest.fail(f"{item.name} is marked with a command and returned {candidate!r}, not nothing", pytrace=False)
    if not (of_programs or callable(candidate) or isinstance(candidate, Candidate)):
        pytest.fail(
            f"{item.name} is marked {MARKER} and returned {candidate!r}, not a callable of (y, yhat)", pytrace=False
        )
    try:
        complaints = [oracle._complaint(candidate if oracle.command is None else None, {})[0] for oracle in oracles]
    except ValueError as error:  # such as a limit for a function that another process cannot find
        raise pytest.fail.Exception(f"{MARKER}: {error}", pytrace=False) from None
    if any(complaints):
        pytest.fail("\n\n".join(filter(None, complaints)), pytrace=False)


# ---- options and the report ------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, on the command line and in the configuration file."""
    group = parser.getgroup("reflosses", "reflosses: losses against the certified truth")
    texts = {
        "seed": ("N", "seed of the inputs (default: 0)"),
        "report": ("FILE", "write everything that was found there (.json or .md)"),
        "expect": ("FILE", "known deviations: only what is not listed there, or has vanished, is an error"),
        "limit": ("S", "seconds that a call of a candidate may take, in a process of its own (default: no limit)"),
    }
    for name, (metavar, text) in texts.items():
        group.addoption(f"--reflosses-{name}", metavar=metavar, help=text)
        parser.addini(f"reflosses_{name}", f"{text}; as --reflosses-{name}")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and refuse wrong options before any test runs."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(loss, **parameters, **options): the test returns a callable of (y, yhat), which reflosses checks "
        "against the loss of that name, or of that function of a framework.",
    )
    _seed(config)
    _limit(config)
    expected, report = _path(config, "expect"), _path(config, "report")
    if expected and not expected.is_file():
        raise pytest.UsageError(f"--reflosses-expect: {expected} is not a file")
    if report and report.suffix not in SUFFIXES:
        raise pytest.UsageError(f"--reflosses-report: {report.name} does not end in {' or '.join(SUFFIXES)}")
    if (report or expected) and not hasattr(config, "workerinput"):  # a worker of pytest-xdist sends its results
        config.pluginmanager.register(_Session(report), "reflosses-session")


def _setting(config: pytest.Config, name: str) -> str:
    given = config.getoption(f"reflosses_{name}")
    return cast(str, config.getini(f"reflosses_{name}") if given is None else given)


def _seed(config: pytest.Config) -> int:
    text = _setting(config, "seed") or "0"
    if not text.isdecimal():
        raise pytest.UsageError(f"--reflosses-seed: {text!r} is not a natural number")
    return int(text)


def _limit(config: pytest.Config) -> float | None:
    """Seconds for a call of a candidate; None without a limit."""
    text = _setting(config, "limit")
    try:
        return _positive("limit", float(text)) if text else None
    except (ValueError, TypeError):
        raise pytest.UsageError(f"--reflosses-limit: {text!r} is not a number of seconds above 0") from None


def _positive(what: str, seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e5:
        raise TypeError(f"{what} is {seconds!r}, not a number of seconds above 0")
    return float(seconds)


def _path(config: pytest.Config, name: str) -> Path | None:
    """A path: on the command line relative to the current folder, in the configuration to the root of the project."""
    text = _setting(config, name)
    start = config.rootpath if config.getoption(f"reflosses_{name}") is None else config.invocation_params.dir
    return start / text if text else None


def _expected(config: pytest.Config) -> list[KnownDeviation] | None:
    """The list of known deviations, read once; None without a file."""
    if EXPECTED not in config.stash:
        from reflosses.reporting.known_deviations import read

        path = _path(config, "expect")
        config.stash[EXPECTED] = read(path) if path else None
    return config.stash[EXPECTED]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the results to the report of the test, which travels from the workers of pytest-xdist."""
    report = yield
    results, item.stash[RESULTS] = item.stash.get(RESULTS, []), []
    if results and (_path(item.config, "report") or _path(item.config, "expect")):
        report.reflosses = [(r.to_dict(), r.to_markdown()) for r in results]  # type: ignore[attr-defined]
    return report


class _Session:
    """All results of a session: written to one file, and compared with the list of known deviations."""

    def __init__(self, report: Path | None) -> None:
        self.report = report
        self.found: dict[str, list[tuple[dict[str, Any], str]]] = {}
        self.vanished: list[KnownDeviation] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.found.setdefault(report.nodeid, []).extend(getattr(report, "reflosses", []))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if session.config.option.collectonly:
            return
        found = [(test, *pair) for test in sorted(self.found) for pair in self.found[test]]  # workers race
        if self.report:
            results = {"results": [{"test": test, **result} for test, result, _ in found]}
            text = json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            self.report.parent.mkdir(parents=True, exist_ok=True)
            self.report.write_text("\n".join(t for *_, t in found) if self.report.suffix == ".md" else text, "utf-8")
        if found and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            from reflosses.reporting.known_deviations import vanished_of

            asked = [_asked(result) for _, result, _ in found]
            self.vanished = vanished_of(asked, _expected(session.config) or [])
            if self.vanished:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.report:
            terminalreporter.write_sep("-", f"reflosses report: {self.report}")
        for entry in self.vanished:
            terminalreporter.write_line(f"expected, but not there any more: {entry}", red=True)


def _asked(found: dict[str, Any]) -> Comparison:
    """The questions and verdicts of a result that `Comparison.to_dict` has written."""
    from reflosses.comparison.result import Comparison, Deviation, RegimeRow, Tally

    rows = [RegimeRow(r["regime"], Tally(**r["value"]), Tally(**r["gradient"])) for r in found["rows"]]
    worst = [Deviation(d["regime"], d["name"], d["what"], d["verdict"], None, None) for d in found["worst"]]
    return Comparison(found["name"], found["loss"], found["dtype"], found["seed"], rows, worst)
