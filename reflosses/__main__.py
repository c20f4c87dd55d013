"""The command line: `reflosses verify`, `check`, `explain`, `list`, `show`.

Exit status: 0 right; 1 wrong; 2 misuse; 130 interrupted, with what was done so far printed. `verify` is wrong only
where our own certification does not hold or, with --expect, where others do not deviate just as the list says.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import io
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from reflosses import catalogue
from reflosses.checking import DEFAULT_REGIMES, check
from reflosses.comparison.battery import REGIMES, TARGET_KINDS
from reflosses.comparison.candidate import FRAMEWORKS
from reflosses.comparison.expected import Scaled
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import Comparison
from reflosses.evaluation.loss import Loss
from reflosses.frameworks.function import Framework, Function, as_, brief, frameworks
from reflosses.frameworks.isolation import CannotLoadError, Isolated, Source
from reflosses.reporting import expectations, junit, report
from reflosses.reporting.verify import Report, Tick, Wanted, not_installed, verify
from reflosses.truth import arithmetic

if TYPE_CHECKING:
    from rich.console import Console

NO_RICH = "rich is not installed, tables are printed as Markdown: pip install 'reflosses[cli]'"
FORMATS_OF_REPORTS = ("table", "json", "markdown", "junit")
SUFFIXES = {".json": "json", ".md": "markdown", ".xml": "junit"}
LIMIT = 30.0  # seconds a call of a candidate may take
DAY = 86400


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an encoding without − or Ω is no reason to fail
    arguments = _parser().parse_args(argv)
    arguments.status = 0
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:  # where nothing was done that could be told
        arguments.status = 130
    except BrokenPipeError:  # such as `reflosses show Huber | head`; what was found still counts
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(arguments.status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("reflosses", description="Reference losses with certified gradients.")
    parser.add_argument("--version", action="version", version=f"reflosses {report.versions()['reflosses']}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "verify",
        usage="reflosses verify [options]",
        help="certify every loss, and check other frameworks against them",
        description="Certify every loss; check other frameworks against them, on adversarial and on real data.",
        epilog="Exit status: 0 our certification holds (and --expect is met), 1 not, 2 misuse, 130 interrupted.",
    )
    command.add_argument("--loss", action="append", metavar="NAME", help="only this loss (may be repeated)")
    command.add_argument(
        "--against",
        default="installed",
        metavar="NAMES",
        help=f"frameworks, with commas: {', '.join(f.name for f in frameworks())}; or none (default: %(default)s)",
    )
    command.add_argument(
        "--points", type=_positive, default=600, metavar="N", help="points a loss of ours (default: %(default)s)"
    )
    _shared(command, dtypes="all that a function takes", regimes="all")
    command.set_defaults(run=_verify, misuse=command.error)

    command = commands.add_parser(
        "check",
        usage="reflosses check MODULE:FUNCTION (--loss NAME | --as NAME) [KEY=VALUE ...] [options]",
        help="check a function of yours: reflosses check package.module:function --loss Huber delta=0.7",
        description="Check a function of (y, yhat) against a loss, in a process of its own.",
        epilog="Exit status: 0 right (or as --expect says), 1 not, 2 misuse, 130 interrupted.",
    )
    command.add_argument("candidate", metavar="MODULE:FUNCTION", help="it returns the value, or (value, gradient)")
    which = command.add_mutually_exclusive_group(required=True)
    named: dict[str, Any] = {"nargs": "+", "metavar": ("NAME", "KEY=VALUE")}
    which.add_argument("--loss", **named, help="the loss that it should be: Huber delta=0.7")
    which.add_argument("--as", dest="as_", **named, help="the function that it should be: torch.huber_loss delta=0.7")
    command.add_argument("--grad", metavar="MODULE:FUNCTION", help='returns the gradient; or "none": values only')
    command.add_argument(
        "--framework", choices=("auto", *FRAMEWORKS), default="auto", help="whose arrays it takes (default: found out)"
    )
    command.add_argument(
        "--targets",
        choices=tuple(TARGET_KINDS),
        default="auto",
        help="of a loss of class rows (default: all that it takes)",
    )
    _shared(command, dtypes="float64", regimes="all but K")
    command.set_defaults(run=_check, misuse=command.error)

    command = commands.add_parser("explain", help="what a function of a framework computes, as a loss of ours")
    command.add_argument("name", metavar="NAME", help="such as torch.huber_loss; all of a framework: torch")
    command.set_defaults(run=_explain, misuse=command.error)

    command = commands.add_parser("list", help="every loss in one line")
    command.set_defaults(run=_list)
    command = commands.add_parser("show", help="a loss: definition, domain, kinks, bounds, and its page")
    command.add_argument("name", metavar="NAME")
    command.set_defaults(run=_show, misuse=command.error)
    return parser


def _shared(command: argparse.ArgumentParser, dtypes: str, regimes: str) -> None:
    """Options of every command that checks."""
    command.add_argument("--seed", type=_natural, default=0, metavar="N", help="of the inputs (default: %(default)s)")
    for option, known, default in (("--dtype", FORMATS, dtypes), ("--regime", REGIMES, regimes)):
        command.add_argument(
            option, action="append", choices=tuple(known), help=f"only this one; may be repeated (default: {default})"
        )
    command.add_argument(
        "--limit", type=_seconds, default=LIMIT, metavar="S", help="seconds that a call may take (default: %(default)g)"
    )
    command.add_argument("--expect", metavar="FILE", help="known deviations (TOML); others are an error")
    command.add_argument("--write-expect", metavar="FILE", help="write the deviations found there, as known ones")
    command.add_argument("--format", choices=FORMATS_OF_REPORTS, help="default: table, or by --out's suffix")
    command.add_argument("--out", metavar="FILE", help="write the report there (.json, .md, .xml, or text)")


def _misuse(arguments: argparse.Namespace, text: str) -> NoReturn:
    """End with status 2 and what is wrong."""
    arguments.misuse(text)
    raise AssertionError("argparse has returned from an error")


def _positive(text: str) -> int:
    if (number := _integer(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def _natural(text: str) -> int:
    if (number := _integer(text)) < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no integer") from None


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < number <= DAY:
        raise argparse.ArgumentTypeError(f"{text} is not above 0, and at most a day ({DAY})")
    return number


# ---- verify and check ------------------------------------------------------------------------------------------------


def _verify(arguments: argparse.Namespace) -> None:
    names = list(catalogue.losses())
    for name in arguments.loss or []:
        _known(name, arguments)
    chosen = [name for name in names if name in (arguments.loss or names)]
    wanted = Wanted(
        chosen,
        _against(arguments),
        arguments.seed,
        arguments.points,
        arguments.dtype or (),
        arguments.regime or tuple(REGIMES),
        arguments.limit,
    )
    expected = _expected(arguments)
    with _output(arguments) as (kind, file):
        with _progress() as tick:
            found = verify(wanted, tick)
        if expected is not None:
            found.unlisted, found.vanished = _compared(found.results(), expected)
        arguments.status = 130 if found.interrupted else 0 if found.ok and found.expected else 1
        if not found.interrupted:
            _write_expectations(arguments, found.results())
        _write(found, kind, file)
    if arguments.out:
        print(f"{report.summary(found)} Written to {arguments.out}.", file=sys.stderr)


def _against(arguments: argparse.Namespace) -> list[str]:
    """The frameworks that are asked for by name must be there."""
    known = {framework.name: framework for framework in frameworks()}
    if arguments.against == "installed":
        return list(known)
    names = [] if arguments.against == "none" else [name.strip() for name in arguments.against.split(",")]
    for name in names:
        if name not in known:
            _misuse(arguments, f"no framework is named {name!r}; there are {', '.join(known)}")
        if known[name].version is None:
            _misuse(arguments, not_installed(known[name]))
    return names


def _check(arguments: argparse.Namespace) -> None:
    target, name = _target(arguments)
    expected = _expected(arguments)
    if not arithmetic.available():
        _misuse(arguments, "certified values need python-flint: pip install 'reflosses[truth]'")
    results: list[Comparison] = []
    unlisted = vanished = None
    regimes = arguments.regime or DEFAULT_REGIMES
    grad = None if arguments.grad == "none" else arguments.grad or "auto"
    with _output(arguments) as (kind, file):
        try:
            source = Source(arguments.candidate, grad=grad, framework=arguments.framework)
            with _progress() as tick:
                for dtype in dict.fromkeys(arguments.dtype or ["float64"]):
                    with Isolated(source, dtype, limit=arguments.limit) as asked:
                        shown = _ticks(tick, f"{arguments.candidate}, {dtype}")
                        options = {"seed": arguments.seed, "targets": arguments.targets, "name": arguments.candidate}
                        results.append(check(asked, target, dtype=dtype, regimes=regimes, tick=shown, **options))
        except (CannotLoadError, ValueError) as error:
            _misuse(arguments, str(error))
        except KeyboardInterrupt as stop:
            results += [found for found in stop.args if isinstance(found, Comparison)]
            arguments.status = 130
            print("Interrupted: only what was done so far.", file=sys.stderr)
        else:
            right = all(r.ok for r in results)
            if expected is not None:
                unlisted, vanished = _compared(results, expected)
                right = not unlisted and not vanished and all(r.rows for r in results)
                print(*unlisted, *vanished, report.compared(unlisted, vanished), sep="\n", file=sys.stderr)
            arguments.status = 0 if right else 1
            _write_expectations(arguments, results)
        if kind == "json":
            file.write(report.results_to_json(results, interrupted=arguments.status == 130))
        elif kind == "junit":
            file.write(junit.to_junit(report.cases_of(results, name, unlisted, vanished)))
        else:
            _write_results(results, kind, file)
    if arguments.out:
        found = "".join(f"{r.name}, {r.dtype}: {r.verdict}. " for r in results)
        print(f"{found}Written to {arguments.out}.", file=sys.stderr)


def _ticks(tick: Tick, name: str) -> Callable[[int, int], None]:
    return lambda done, total: tick("check", name, done, total)


def _target(arguments: argparse.Namespace) -> tuple[Loss | Scaled, str]:
    """The loss that a candidate is held against, and its name."""
    name, *parameters = arguments.as_ or arguments.loss
    given: dict[str, Any] = {}
    for text in parameters:
        key, equal, value = text.partition("=")
        if not equal or not key.isidentifier():
            _misuse(arguments, f"{text!r} is not KEY=VALUE")
        try:
            given[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            given[key] = value  # a word, such as reduction=sum
    if arguments.as_ and name not in {f.name for framework in frameworks() for f in framework.functions}:
        _misuse(arguments, _unknown(name))
    try:
        return (as_(name, **given) if arguments.as_ else _known(name, arguments)(**given)), name
    except (ValueError, TypeError) as error:
        _misuse(arguments, str(error))


def _expected(arguments: argparse.Namespace) -> list[expectations.Expected] | None:
    if arguments.expect is None:
        return None
    try:
        return list(expectations.read(arguments.expect))
    except OSError as error:
        _misuse(arguments, f"--expect {arguments.expect}: {error.strerror}")
    except ValueError as error:
        _misuse(arguments, f"--expect {error}")


def _compared(results: list[Comparison], expected: list[expectations.Expected]) -> tuple[list[str], list[str]]:
    """Deviations that no entry expects, and entries that nothing met, in words."""
    unlisted, vanished = expectations.unexpected(results, expected)
    return [f"unlisted: {x}" for x in unlisted], [f"vanished: {x}" for x in vanished]


def _write_expectations(arguments: argparse.Namespace, results: list[Comparison]) -> None:
    if arguments.write_expect:
        with open(arguments.write_expect, "w", encoding="utf-8") as file:
            file.write(expectations.dump(results))


@contextmanager
def _output(arguments: argparse.Namespace) -> Iterator[tuple[str, TextIO]]:
    """The format of the report, and the file it goes to, which is written only when the report is whole."""
    out = arguments.out
    for option, path in (("--out", out), ("--write-expect", arguments.write_expect)):
        if path and not _writable(path):
            _misuse(arguments, f"{option} {path}: cannot be written")
    kind = arguments.format or SUFFIXES.get(os.path.splitext(out or "")[1].lower(), "table")
    if not out:
        yield kind, sys.stdout
        return
    text = io.StringIO()
    yield kind, text
    with open(out, "w", encoding="utf-8") as file:
        file.write(text.getvalue())


def _writable(path: str) -> bool:
    """Whether a file can be written, or made."""
    there = path if os.path.exists(path) else os.path.dirname(path) or "."
    return not os.path.isdir(path) and os.access(there, os.W_OK)


def _known(name: str, arguments: argparse.Namespace) -> type[Loss]:
    losses = catalogue.losses()
    if name not in losses:
        _misuse(arguments, f"no loss is named {name!r}; there are {', '.join(losses)}")
    return losses[name]


def _write(found: Report, kind: str, file: TextIO) -> None:
    if kind == "json":
        file.write(report.to_json(found))
        return
    if kind == "junit":
        file.write(junit.to_junit(report.cases(found)))
        return
    tables = [table for table in report.tables(found) if table.lines or table.notes]
    console = _console(file) if kind == "table" else None
    if kind == "table" and console is None:
        print(NO_RICH, file=sys.stderr)
    differences = [*(found.unlisted or []), *(found.vanished or [])]
    if console is None:
        file.write(report.to_markdown(tables))
        file.write("".join(f"\n- {line}" for line in differences) + f"\n{report.summary(found)}\n")
    else:
        report.print_tables(tables, console)
        for line in differences:
            console.print(line, style="red", highlight=False, markup=False)
        fine = found.ok and found.expected
        console.print(report.summary(found), style="bold green" if fine else "bold red", highlight=False)


def _write_results(results: list[Comparison], kind: str, file: TextIO) -> None:
    """Candidates, as a table or in Markdown."""
    console = _console(file) if kind == "table" else None
    if kind == "table" and console is None:
        print(NO_RICH, file=sys.stderr)
    for result in results:
        if console is None:
            file.write(result.to_markdown() + "\n")
        else:
            report.print_tables([report.table_of(result)], console)


def _console(file: TextIO) -> Console | None:
    """A console of rich on a file, or None without rich; wide enough for every table where it is no terminal."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    width = None if file.isatty() or "COLUMNS" in os.environ else 120
    return Console(file=file, width=width, emoji=False, highlight=False)


@contextmanager
def _progress() -> Iterator[Tick]:
    """A progress bar on a terminal's standard error, where rich is there to draw it."""
    console = _console(sys.stderr)
    if console is None or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def tick(leg: str, name: str, done: int, total: int) -> None:
            if leg not in tasks:
                tasks[leg] = bar.add_task(leg, total=total)
            bar.update(tasks[leg], completed=done, description=f"{leg}: {name}" if name else leg)

        yield tick


# ---- explain ---------------------------------------------------------------------------------------------------------


def _explain(arguments: argparse.Namespace) -> None:
    name = arguments.name
    for framework in frameworks():
        if framework.name == name:
            _explain_all(framework)
            return
    functions = _functions(name)
    left_out = [(k, why) for framework in frameworks() for k, why in framework.not_covered.items()]
    last = re.escape(name if functions else name.rpartition(".")[2])
    others = [(k, why) for k, why in left_out if last and re.search(rf"(?<!\w){last}(?!\w)", k)]
    if not functions and not others:
        _misuse(arguments, _unknown(name))
    for framework, function in functions:
        _explain_one(framework, function)
    for looks_like, why in others:
        print(f"{looks_like}: not covered, {why}")
    if functions:
        print("Known deviations, by regime and dtype: derivations/atlas.md")


def _functions(name: str) -> list[tuple[Framework, Function]]:
    """The function of that name, with the rows that tell ways of calling it apart; or all that are called so."""
    every = [(framework, function) for framework in frameworks() for function in framework.functions]
    found = [(framework, f) for framework, f in every if f"{f.name} ".startswith(f"{name} ")]
    called = re.compile(rf"(?<![\w.]){re.escape(name)}\(")  # such as torch.nn.functional.huber_loss
    return found or [(k, f) for k, f in every if name and (f".{name} " in f"{f.name} " or called.search(f.code))]


def _unknown(name: str) -> str:
    last = name.rpartition(".")[2].lower()
    near = [f.name for framework in frameworks() for f in framework.functions if last and last in f.name.lower()]
    known = ", ".join(framework.name for framework in frameworks())
    hint = f"there are {', '.join(near)}" if near else f"reflosses explain FRAMEWORK lists those of {known}"
    return f"no function is named {name!r}; {hint}"


def _explain_all(framework: Framework) -> None:
    print(f"{framework.package} {framework.version or 'is not installed here'}\n")
    for function in framework.functions:
        print(f"{_signature(function)}\n    = {function.equals}")
    print("\nNot covered:")
    for other, why in framework.not_covered.items():
        print(textwrap.fill(f"{other}: {why}", 110, initial_indent="    ", subsequent_indent="        "))


def _explain_one(framework: Framework, function: Function) -> None:
    print(f"{_signature(function)}\n\n    equals    {function.equals}")
    print(f"    call      {function.code if function.code != 'None' else 'none: a gradient only'}")
    print(f"    gradient  {function.grad or 'none'}")
    if compiler := framework.compiler_of(function):
        print(f"    compiler  {compiler}")
    print(f"    dtypes    {', '.join(function.dtypes)}")
    for given in function.tried:
        shown = ", ".join(f"{k}={v!r}" for k, v in given.items()) or "defaults"
        print(f"    checked   {shown}  →  {brief(function.loss(given))}")
    print(f"    version   {framework.package} {framework.version or 'is not installed here'}")
    if function.note:
        print(textwrap.fill(function.note, 110, initial_indent="    note      ", subsequent_indent=" " * 14))
    print()


def _signature(function: Function) -> str:
    """A function with its parameters; the name of a row may be more than a name."""
    parameters = ", ".join(f"{k}={v!r}" for k, v in function.parameters.items())
    return f"{function.name}({parameters})" if parameters else function.name


# ---- list and show ---------------------------------------------------------------------------------------------------


def _purpose(cls: type[Loss]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _call(cls: type[Loss]) -> str:
    return f"{cls.__name__}({', '.join(f'{f.name}={f.default!r}' for f in fields(cls) if f.name != 'reduction')})"


def _list(arguments: argparse.Namespace) -> None:
    for cls in catalogue.losses().values():
        print(f"{_call(cls)}\n    {_purpose(cls)}  derivations/{catalogue.stem(cls)}.md")


def _show(arguments: argparse.Namespace) -> None:
    cls = _known(arguments.name, arguments)
    parameters = [", ".join(f"{k}={v!r}" for k, v in example.items()) for example in cls.examples]
    print(f"{_call(cls)}\n\n{inspect.getdoc(cls)}\n\nDefinition, as it is certified:\n")
    print(textwrap.indent(textwrap.dedent(inspect.getsource(cls.definition)), "    "))
    print("Bounds, in units in the last place (value, gradient), with the parameters that are checked:\n")
    for loss, shown in zip(catalogue.examples(cls), parameters, strict=True):
        print(f"    {loss.bounds.value:g}, {loss.bounds.grad:g}    {shown or 'defaults'}")
    try:
        print(f"\n{'-' * 72}\n\n{catalogue.page(cls)}")
    except FileNotFoundError:
        print(f"\nIts page, derivations/{catalogue.stem(cls)}.md, is not there.")


if __name__ == "__main__":
    sys.exit(main())
