"""The command line: `reflosses verify`, `check`, `explain`, `list`, `show`.

Exit status: 0 right; 1 wrong; 2 misuse; 130 interrupted, after a report of the work done so far. `verify` is wrong if
our own certification does not hold or, with --expect, if others deviate in another way than the list says.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import io
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from reflosses import catalogue
from reflosses.checking import DEFAULT_REGIMES, check
from reflosses.comparison.battery import REGIMES, TARGET_KINDS
from reflosses.comparison.candidate import FRAMEWORKS
from reflosses.comparison.expected import Scaled
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import Comparison
from reflosses.evaluation.loss import Loss
from reflosses.frameworks.function import all_functions, as_, frameworks
from reflosses.frameworks.isolation import CannotLoadError, Isolated, Source, Worker
from reflosses.reporting import output, tables
from reflosses.reporting.explain import explanation, unknown_function
from reflosses.reporting.junit import to_junit
from reflosses.reporting.known_deviations import KnownDeviation, dump, read, unexpected
from reflosses.reporting.rows import Report, Tick, Wanted
from reflosses.reporting.verify import verify
from reflosses.truth import arithmetic

if TYPE_CHECKING:
    from rich.console import Console

NO_RICH = "rich is not installed, tables are printed as Markdown: pip install 'reflosses[cli]'"
FORMATS_OF_REPORTS = ("table", "json", "markdown", "junit")
SUFFIXES = {".json": "json", ".md": "markdown", ".xml": "junit"}
LIMIT = 30.0  # seconds for a call of a candidate
DAY = 86400  # seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may have no − or Ω
    arguments = _parser().parse_args(argv)
    arguments.status = 0
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:  # before there was anything to report
        arguments.status = 130
    except BrokenPipeError:  # such as `reflosses show Huber | head`: the status still counts
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(arguments.status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("reflosses", description="Reference losses with certified gradients.")
    parser.add_argument("--version", action="version", version=f"reflosses {output.versions()['reflosses']}")
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
    points = partial(_integer, least=1)
    text = "points a loss of ours (default: %(default)s)"
    command.add_argument("--points", type=points, default=600, metavar="N", help=text)
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
    seed = partial(_integer, least=0)
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="of the inputs (default: %(default)s)")
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
    """End with status 2 and this message."""
    arguments.misuse(text)
    raise AssertionError("argparse has returned from an error")


def _integer(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no integer") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"{number} is " + (f"not at least {least}" if least else "negative"))
    return number


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
    for name in arguments.loss or []:
        _known(name, arguments)
    wanted = Wanted(
        [name for name in catalogue.losses() if name in (arguments.loss or [name])],
        _against(arguments),
        arguments.seed,
        arguments.points,
        arguments.dtype or (),
        arguments.regime or tuple(REGIMES),
        arguments.limit,
    )
    known = _known_deviations(arguments)
    with _output(arguments) as (kind, file):
        with _progress() as tick:
            report = verify(wanted, tick)
        if known is not None:
            report.unlisted, report.vanished = unexpected(report.results(), known)
        arguments.status = 130 if report.interrupted else 0 if report.ok and report.expected else 1
        if not report.interrupted:
            _write_known_deviations(arguments, report.results())
        _write(report, kind, file)
    if arguments.out:
        print(f"{tables.summary(report)} Written to {arguments.out}.", file=sys.stderr)


def _against(arguments: argparse.Namespace) -> list[str]:
    """The frameworks to ask. One that the user names must be installed."""
    known = {framework.name: framework for framework in frameworks()}
    if arguments.against == "installed":
        return list(known)
    names = [] if arguments.against == "none" else [name.strip() for name in arguments.against.split(",")]
    for name in names:
        if name not in known:
            _misuse(arguments, f"no framework is named {name!r}; there are {', '.join(known)}")
        if known[name].version is None:
            _misuse(arguments, known[name].not_installed)
    return names


def _check(arguments: argparse.Namespace) -> None:
    target, name = _target(arguments)
    known = _known_deviations(arguments)
    if not arithmetic.available():
        _misuse(arguments, "certified values need python-flint: pip install 'reflosses[truth]'")
    results: list[Comparison] = []
    unlisted = vanished = None
    with _output(arguments) as (kind, file):
        try:
            for result in _results(arguments, target):
                results.append(result)
        except (CannotLoadError, ValueError) as error:
            _misuse(arguments, str(error))
        except KeyboardInterrupt as stop:
            results += [found for found in stop.args if isinstance(found, Comparison)]
            arguments.status = 130
            print("Interrupted: only what was done so far.", file=sys.stderr)
        else:
            right = all(r.ok for r in results)
            if known is not None:
                unlisted, vanished = unexpected(results, known)
                right = not unlisted and not vanished and all(r.rows for r in results)
                lines = [*tables.differences(unlisted, vanished), tables.compared(unlisted, vanished)]
                print(*lines, sep="\n", file=sys.stderr)
            arguments.status = 0 if right else 1
            _write_known_deviations(arguments, results)
        if kind == "json":
            file.write(output.results_to_json(results, interrupted=arguments.status == 130))
        elif kind == "junit":
            file.write(to_junit(output.cases_of(results, name, unlisted, vanished)))
        else:
            markdown = "".join(f"{r.to_markdown()}\n" for r in results)
            _print([tables.table_of(r) for r in results], markdown, kind, file)
    if arguments.out:
        verdicts = "".join(f"{r.name}, {r.dtype}: {r.verdict}. " for r in results)
        print(f"{verdicts}Written to {arguments.out}.", file=sys.stderr)


def _results(arguments: argparse.Namespace, target: Loss | Scaled) -> Iterator[Comparison]:
    grad = None if arguments.grad == "none" else arguments.grad or "auto"
    source = Source(arguments.candidate, grad=grad, framework=arguments.framework)
    options = {"seed": arguments.seed, "targets": arguments.targets, "name": arguments.candidate}
    options["regimes"] = arguments.regime or DEFAULT_REGIMES
    with _progress() as tick:
        for dtype in dict.fromkeys(arguments.dtype or ["float64"]):
            with closing(Worker()) as worker:
                candidate = Isolated(source, dtype, worker=worker, limit=arguments.limit)
                told = partial(tick, "check", f"{arguments.candidate}, {dtype}")
                yield check(candidate, target, dtype=dtype, tick=told, **options)


def _target(arguments: argparse.Namespace) -> tuple[Loss | Scaled, str]:
    """The loss to which a candidate is compared, and its name."""
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
    if arguments.as_ and name not in {function.name for _, function in all_functions()}:
        _misuse(arguments, unknown_function(name))
    try:
        if arguments.as_:
            return as_(name, **given), name
        return _loss(_known(name, arguments), given), name
    except (ValueError, TypeError) as error:
        _misuse(arguments, str(error))


def _loss(cls: type[Loss], given: dict[str, Any]) -> Loss:
    """The loss with these parameters; TypeError for an unknown one."""
    known = sorted(f.name for f in fields(cls))
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise TypeError(f"{cls.__name__} has no parameter {key!r}; {hint}it takes {', '.join(known)}")
    return cls(**given)


def _known_deviations(arguments: argparse.Namespace) -> list[KnownDeviation] | None:
    """The list given with --expect; None without one."""
    if arguments.expect is None:
        return None
    try:
        return read(arguments.expect)
    except OSError as error:
        _misuse(arguments, f"--expect {arguments.expect}: {error.strerror}")
    except ValueError as error:
        _misuse(arguments, f"--expect {error}")


def _write_known_deviations(arguments: argparse.Namespace, results: list[Comparison]) -> None:
    if arguments.write_expect:
        Path(arguments.write_expect).write_text(dump(results), "utf-8")


@contextmanager
def _output(arguments: argparse.Namespace) -> Iterator[tuple[str, TextIO]]:
    """The format and the file of the report. A file on disk is written only when the report is complete."""
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
    Path(out).write_text(text.getvalue(), "utf-8")


def _writable(path: str) -> bool:
    """Whether a file can be written or created."""
    there = path if os.path.exists(path) else os.path.dirname(path) or "."
    return not os.path.isdir(path) and os.access(there, os.W_OK)


def _known(name: str, arguments: argparse.Namespace) -> type[Loss]:
    losses = catalogue.losses()
    if name not in losses:
        near = get_close_matches(name, losses, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        _misuse(arguments, f"no loss is named {name!r}; {hint}there are {', '.join(losses)}")
    return losses[name]


def _write(report: Report, kind: str, file: TextIO) -> None:
    if kind == "json":
        file.write(output.to_json(report))
        return
    if kind == "junit":
        file.write(to_junit(output.cases(report)))
        return
    shown = [table for table in tables.tables(report) if table.lines or table.notes]
    differences, summary = tables.differences(report.unlisted, report.vanished), tables.summary(report)
    markdown = tables.to_markdown(shown) + "".join(f"\n- {line}" for line in differences) + f"\n{summary}\n"
    if console := _print(shown, markdown, kind, file):
        for line in differences:
            console.print(line, style="red", highlight=False, markup=False)
        style = "bold green" if report.ok and report.expected else "bold red"
        console.print(summary, style=style, highlight=False)


def _print(shown: list[tables.Table], markdown: str, kind: str, file: TextIO) -> Console | None:
    """Print tables, and return their console; None if the Markdown is written, as it is without rich."""
    console = _console(file) if kind == "table" else None
    if console is None:
        if kind == "table":
            print(NO_RICH, file=sys.stderr)
        file.write(markdown)
    else:
        tables.print_tables(shown, console)
    return console


def _console(file: TextIO) -> Console | None:
    """rich's console on a file, or None without rich. Where the file is no terminal, every table fits its width."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    width = None if file.isatty() or "COLUMNS" in os.environ else 120
    return Console(file=file, width=width, emoji=False, highlight=False)


@contextmanager
def _progress() -> Iterator[Tick]:
    """A progress bar on standard error, if that is a terminal and rich is installed."""
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


# ---- explain, list and show ------------------------------------------------------------------------------------------


def _explain(arguments: argparse.Namespace) -> None:
    try:
        print(explanation(arguments.name), end="")
    except ValueError as error:
        _misuse(arguments, str(error))


def _call(cls: type[Loss]) -> str:
    return f"{cls.__name__}({', '.join(f'{f.name}={f.default!r}' for f in fields(cls) if f.name != 'reduction')})"


def _list(arguments: argparse.Namespace) -> None:
    for cls in catalogue.losses().values():
        purpose = (inspect.getdoc(cls) or "").partition("\n")[0]
        print(f"{_call(cls)}\n    {purpose}  derivations/{catalogue.stem(cls)}.md")


def _show(arguments: argparse.Namespace) -> None:
    cls = _known(arguments.name, arguments)
    parameters = [", ".join(f"{k}={v!r}" for k, v in example.items()) for example in cls.examples]
    print(f"{_call(cls)}\n\n{inspect.getdoc(cls)}\n\nDefinition, as it is certified:\n")
    print(textwrap.indent(textwrap.dedent(inspect.getsource(cls.definition)), "    "))
    print("Bounds, in units in the last place (value, gradient, curvature), with the parameters that are checked:\n")
    for loss, shown in zip(catalogue.examples(cls), parameters, strict=True):
        print(f"    {', '.join(f'{bound:g}' for bound in loss.bounds)}    {shown or 'defaults'}")
    try:
        print(f"\n{'-' * 72}\n\n{catalogue.page(cls)}")
    except FileNotFoundError:
        print(f"\nIts page, derivations/{catalogue.stem(cls)}.md, is not there.")


if __name__ == "__main__":
    sys.exit(main())
