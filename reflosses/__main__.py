"""The commands: `verify`, `check`, `exhaust`, `portrait`, `hunt`, `coverage`, `explain`, `list`, `show`, `quiz` …

Exit status: 0 right; 1 wrong; 2 misuse; 130 interrupted, after a report of the work done so far. `verify` is wrong if
our own certification does not hold. With --expect, both are wrong if deviations differ from the list. A list that
--write-expect writes is expected at once.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from reflosses import catalogue
from reflosses.checking import check
from reflosses.comparison.battery import REGIMES
from reflosses.comparison.census import Census
from reflosses.comparison.exhaustive import exhaust
from reflosses.comparison.result import Comparison, arrays_of
from reflosses.comparison.worst_answers import hunt
from reflosses.comparison.worst_numbers import WorstNumbers
from reflosses.evaluation.loss import Loss
from reflosses.frameworks.coverage import coverage
from reflosses.frameworks.function import frameworks
from reflosses.frameworks.isolation import Isolated, Source, Worker
from reflosses.frameworks.processes import Apart, CannotLoadError
from reflosses.frameworks.program import Program
from reflosses.reporting import asked, github, output, show, tables, told
from reflosses.reporting.asked import Asked, one_word
from reflosses.reporting.example_inputs import inputs_of
from reflosses.reporting.explain import explanation
from reflosses.reporting.figure import needs_matplotlib
from reflosses.reporting.junit import to_junit
from reflosses.reporting.known_deviations import KnownDeviation, dump, read, unexpected
from reflosses.reporting.options import command_line
from reflosses.reporting.plain_math import plain_page
from reflosses.reporting.portraits import Portrait, suffix_of
from reflosses.reporting.quiz_talk import Talk
from reflosses.reporting.rows import Report, Tick, Wanted
from reflosses.reporting.verify import verify
from reflosses.reporting.widths import width_of
from reflosses.reporting.worked_example import worked_text
from reflosses.teaching.figures.gallery import figure_of
from reflosses.teaching.page import without_block

if TYPE_CHECKING:
    from rich.console import Console

NO_RICH = "rich is not installed, tables are printed as Markdown: pip install 'reflosses[cli]'"
TAKE_MORE = ("check", "exhaust", "portrait", "hunt", "plot")  # commands that take words behind an option, too
CRASHES = 20  # of a process, until the number that kills it is found among 65,280
SUFFIXES = {".json": "json", ".md": "markdown", ".xml": "junit"}


def _with_answer(argv: Sequence[str]) -> list[str]:
    """The words of a command line, with an answer that begins with a minus joined to its option.

    >>> _with_answer(["quiz", "Hinge", "--answer", "-y"])
    ['quiz', 'Hinge', '--answer=-y']
    """
    words = list(argv)
    if words[:1] == ["quiz"] and "--answer" in words[:-1]:
        at = words.index("--answer")
        words[at : at + 2] = [f"--answer={words[at + 1]}"]
    return words


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may have no − or Ω
    parser = command_line()
    arguments, more = parser.parse_known_args(_with_answer(sys.argv[1:] if argv is None else argv))
    if more and (arguments.command not in TAKE_MORE or any(word.startswith("-") for word in more)):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    arguments.more = more
    arguments.status = 0
    try:
        RUN[arguments.command](arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:  # before there was anything to report
        arguments.status = 130
    except BrokenPipeError:  # such as `reflosses show Huber | head`: the status still counts
        _drop_output()
    except OSError as error:  # such as a full disk
        print(f"reflosses: error: standard output: {error.strerror or error}", file=sys.stderr)
        _drop_output()
        arguments.status = 2
    return int(arguments.status)


def _drop_output() -> None:
    """Let Python end without a word about an output that cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _misuse(arguments: argparse.Namespace, text: str) -> NoReturn:
    """End with status 2 and this message."""
    arguments.misuse(text)
    raise AssertionError("argparse has returned from an error")


# ---- verify and check ------------------------------------------------------------------------------------------------


def _verify(arguments: argparse.Namespace) -> None:
    for name in arguments.loss or []:
        _known(name, arguments)
    wanted = Wanted(
        [name for name in catalogue.losses() if name in (arguments.loss or [name])],
        _against(arguments),
        arguments.seed or 0,
        arguments.points,
        arguments.dtype or (),
        arguments.regime or tuple(REGIMES),
        arguments.limit,
        arguments.level or "",
    )
    known = _known_deviations(arguments)
    with _output(arguments) as (kind, file):
        with _progress() as tick:
            report = verify(wanted, tick)
        if known is not None:
            report.unlisted, report.vanished = unexpected(report.results(), known)
        expected = report.expected or arguments.write_expect
        arguments.status = 130 if report.interrupted else 0 if report.ok and expected else 1
        if not report.interrupted:
            _write_known_deviations(arguments, report.results())
        _write(report, kind, file, arguments)
    if arguments.out:
        print(f"{tables.summary(report)} Written to {arguments.out}.", file=sys.stderr)


def _against(arguments: argparse.Namespace) -> list[str]:
    """The frameworks to ask. One that the user names must be installed."""
    known = {framework.name: framework for framework in frameworks()}
    if arguments.against == "installed":
        return list(known)
    names = [] if arguments.against == "none" else [name.strip() for name in arguments.against.split(",")]
    for name in names:
        with _misused(arguments):
            one_word(name, known, "framework")
        if known[name].version is None:
            _misuse(arguments, known[name].not_installed)
    return names


@contextmanager
def _misused(arguments: argparse.Namespace) -> Iterator[None]:
    """A ValueError or TypeError of the block is misuse."""
    try:
        yield
    except (ValueError, TypeError) as error:
        _misuse(arguments, str(error))


def _check(arguments: argparse.Namespace) -> None:
    checks = _checks(arguments)
    known = _known_deviations(arguments)
    results: list[Comparison] = []
    suites: list[str] = []
    unlisted = vanished = None
    with _output(arguments) as (kind, file):
        with _collecting(arguments, results):
            for one, result in _results(arguments, checks):
                results.append(result)
                suites.append(one.suite)
            right = all(r.ok for r in results)
            if known is not None:
                unlisted, vanished = unexpected(results, known)
                right = not unlisted and not vanished and all(r.rows for r in results)
                lines = [*tables.differences(unlisted, vanished), tables.compared(unlisted, vanished)]
                print(*lines, sep="\n", file=sys.stderr)
            if arguments.write_expect:  # what is written is expected from now on
                right = all(r.ok or r.worst for r in results)
            arguments.status = 0 if right else 1
            _write_known_deviations(arguments, results)
        suites += [checks[0].suite] * (len(results) - len(suites))  # of an interrupted check
        if kind == "json":
            file.write(output.results_to_json(results, interrupted=arguments.status == 130))
        elif kind == "junit":
            file.write(to_junit(output.cases_of(results, suites, unlisted, vanished)))
        else:
            markdown = "".join(f"{r.to_markdown()}\n" for r in results)
            if kind == "github":
                file.writelines(f"{line}\n" for line in github.annotations_of(results, unlisted, vanished))
                _add_to_summary(markdown, arguments)
            else:
                _print([tables.table_of(r) for r in results], markdown, kind, file)
    if arguments.out:
        outcomes = "".join(f"{r.name}, {r.dtype}: {told.outcome(r)}. " for r in results)
        print(f"{outcomes}Written to {arguments.out}.", file=sys.stderr)


@contextmanager
def _collecting(arguments: argparse.Namespace, found: list[Any]) -> Iterator[None]:
    """A candidate that cannot be loaded is misuse; an interrupt adds the result so far, and ends the block."""
    try:
        yield
    except (CannotLoadError, ValueError) as error:
        _misuse(arguments, str(error))
    except KeyboardInterrupt as stop:
        found += stop.args
        arguments.status = 130
        print("Interrupted: only what was done so far.", file=sys.stderr)


def _exhaust(arguments: argparse.Namespace) -> None:
    arguments.dtype = arguments.dtype or ["bfloat16"]
    checks = _checks(arguments)
    found: list[Census] = []
    with _output(arguments) as (kind, file):
        with _collecting(arguments, found):
            found.extend(_censuses(arguments, checks))
            arguments.status = 0 if all(census.ok for census in found) else 1
        if kind == "json":
            file.write(output.results_to_json(found, interrupted=arguments.status == 130))
        else:
            markdown = "".join(f"{census.to_markdown()}\n" for census in found)
            _print([table for census in found for table in tables.tables_of_census(census)], markdown, kind, file)
    if arguments.out:
        outcomes = "".join(f"{census.headline()}. " for census in found)
        print(f"{outcomes}Written to {arguments.out}.", file=sys.stderr)


def _censuses(arguments: argparse.Namespace, checks: list[Asked]) -> Iterator[Census]:
    for one in checks:
        options = {key: value for key, value in one.options.items() if key in ("targets", "inputs")}
        with _progress() as tick:
            for dtype in one.dtypes:
                with _candidate(one, dtype, arguments.limit) as candidate:
                    candidate.patience = CRASHES
                    ticked = partial(tick, "exhaust", f"{one.target}, {dtype}")
                    options |= {"name": one.target, "tick": ticked, "y": arguments.y}
                    yield exhaust(candidate, one.loss, dtype=dtype, **options)


def _portrait(arguments: argparse.Namespace) -> None:
    checks = _checks(arguments)
    found: list[Census] = []
    try:
        suffix_of(arguments.out)
        needs_matplotlib()
    except (ImportError, ValueError) as error:
        _misuse(arguments, str(error))
    if not _writable(arguments.out):
        _misuse(arguments, f"--out {arguments.out}: cannot be written")
    with _collecting(arguments, found):
        found.extend(_censuses(arguments, checks))
    if found:
        try:
            Portrait(tuple(found), checks[0].loss).save(arguments.out)
        except OSError as error:
            _misuse(arguments, f"--out {arguments.out}: {error.strerror or error}")
        print("".join(f"{census.headline()}. " for census in found) + f"Written to {arguments.out}.", file=sys.stderr)


def _hunt(arguments: argparse.Namespace) -> None:
    checks = _checks(arguments)
    found: list[WorstNumbers] = []
    with _output(arguments) as (kind, file):
        with _collecting(arguments, found):
            found.extend(_hunts(arguments, checks))
            arguments.status = 0 if all(result.ok for result in found) else 1
        if kind == "json":
            file.write(output.results_to_json(found, interrupted=arguments.status == 130))
        elif kind == "markdown":
            file.write("\n".join(result.to_markdown() for result in found))
        else:
            file.write("\n".join(told.in_lines(result, width_of(file)) for result in found))
    if arguments.out:
        outcomes = "".join(f"{result.headline()}. " for result in found)
        print(f"{outcomes}Written to {arguments.out}.", file=sys.stderr)


def _hunts(arguments: argparse.Namespace, checks: list[Asked]) -> Iterator[WorstNumbers]:
    for one in checks:
        options = {key: value for key, value in one.options.items() if key in ("targets", "inputs", "unit", "seed")}
        options |= {"name": one.target, "seconds": arguments.seconds, "points": arguments.points}
        with _progress() as tick:
            for dtype in one.dtypes:
                with _candidate(one, dtype, arguments.limit) as candidate:
                    ticked = partial(tick, "hunt", f"{one.target}, {dtype}")
                    yield hunt(candidate, one.loss, dtype=dtype, tick=ticked, **options)


def _results(arguments: argparse.Namespace, checks: list[Asked]) -> Iterator[tuple[Asked, Comparison]]:
    for one in checks:
        options = {key: value for key, value in one.options.items() if key not in asked.OF_FUNCTIONS}
        with _progress() as tick:
            for dtype in one.dtypes:
                with _candidate(one, dtype, arguments.limit) as candidate:
                    options["script"] = candidate.script if isinstance(candidate, Program) else arrays_of
                    options["tick"] = partial(tick, "check", f"{one.target}, {dtype}")
                    result = check(candidate, one.loss, dtype=dtype, name=one.target, **options)
                result.notes += told.why_nothing_was_asked(result, one.loss, options.get("regimes", REGIMES))
                yield one, result


@contextmanager
def _candidate(one: Asked, dtype: str, limit: float) -> Iterator[Apart]:
    """A function or a program in a process of its own, which ends with the block."""
    if one.command:
        with closing(Program(one.command, limit=limit)) as program:
            yield program
        return
    called = {key: one.options[key] for key in ("framework", "order", "returns") if key in one.options}
    with closing(Worker()) as worker:
        yield Isolated(Source(one.target, grad=one.grad, **called), dtype, worker=worker, limit=limit)


def _checks(arguments: argparse.Namespace) -> list[Asked]:
    """The checks of the command line, or of a TOML file; options of the command line hold for all of them."""
    words = list(arguments.as_ or arguments.loss or [])
    extra = [w for w in words[1:] if ":" in w.partition("=")[0]]  # targets behind --loss
    targets = dict.fromkeys([*arguments.candidates, *extra, *arguments.more], ())
    with _misused(arguments):
        targets |= {text: asked.words_of(text) for text in arguments.programs}
    for name in asked.OF_FUNCTIONS if arguments.programs else ():
        if getattr(arguments, name):
            _misuse(arguments, f"--{name} is for functions of Python, not for --command")
    options = {name: getattr(arguments, name) for name in asked.OPTIONS if getattr(arguments, name)}
    options |= {"seed": arguments.seed} if arguments.seed is not None else {}
    options |= {"regimes": arguments.regime} if arguments.regime else {}
    alone = arguments.command != "check"
    if alone or (arguments.config is None and (targets or words or not Path(asked.PYPROJECT).is_file())):
        if not targets:
            more = "or --command" if alone else f"or --command, --config, or a {asked.PYPROJECT}"
            _misuse(arguments, f"the following arguments are required: TARGET ({more})")
        if not words:
            _misuse(arguments, "one of the arguments --loss --as is required")
        with _misused(arguments):
            name, *parameters = [word for word in words if word not in extra]
            given = asked.read_parameters(parameters)
            loss, own = asked.loss_of(name, given, function=bool(arguments.as_))
        dtypes = tuple(dict.fromkeys(arguments.dtype or ["float64"]))
        grad = None if arguments.grad == "none" else arguments.grad or "auto"
        options = {"seed": 0, **own, **options}
        return [Asked(target, loss, name, dtypes, grad, options, words) for target, words in targets.items()]
    if targets:
        _misuse(arguments, f"a {'command' if arguments.programs else 'target'} and --config are not allowed together")
    options |= {key: getattr(arguments, key) for key in ("dtype", "grad") if getattr(arguments, key)}
    try:
        return asked.read_checks(arguments.config or asked.PYPROJECT, options)
    except OSError as error:
        _misuse(arguments, f"--config {arguments.config}: {error.strerror}")
    except ValueError as error:
        _misuse(arguments, f"{'' if arguments.config else 'no target is given; '}{error}")


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
        _write_file("--write-expect", arguments.write_expect, dump(results), arguments)


def _write_file(option: str, path: str, text: str, arguments: argparse.Namespace) -> None:
    """Write a file; one that cannot be written is misuse."""
    try:
        Path(path).write_text(text, "utf-8")
    except OSError as error:
        _misuse(arguments, f"{option} {path}: {error.strerror or error}")


def _add_to_summary(markdown: str, arguments: argparse.Namespace) -> None:
    try:
        github.add_to_summary(markdown)
    except OSError as error:
        _misuse(arguments, f"{github.SUMMARY}: {error.strerror or error}")


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
    _write_file("--out", out, text.getvalue(), arguments)


def _writable(path: str) -> bool:
    """Whether a file can be written or created."""
    there = path if os.path.exists(path) else os.path.dirname(path) or "."
    return not os.path.isdir(path) and os.access(there, os.W_OK)


def _known(name: str, arguments: argparse.Namespace) -> type[Loss]:
    with _misused(arguments):
        return catalogue.find_loss(name)
    raise AssertionError("misuse has ended the command")


def _write(report: Report, kind: str, file: TextIO, arguments: argparse.Namespace) -> None:
    if kind == "json":
        file.write(output.to_json(report))
        return
    if kind == "junit":
        file.write(to_junit(output.cases(report)))
        return
    shown = [table for table in tables.tables(report) if table.lines or table.notes]
    differences, summary = tables.differences(report.unlisted, report.vanished), tables.summary(report)
    markdown = tables.to_markdown(shown) + "".join(f"\n- {line}" for line in differences) + f"\n{summary}\n"
    if kind == "github":
        lines = [*github.annotations_of_cases(output.cases(report)), github.annotation("notice", summary, "reflosses")]
        file.writelines(f"{line}\n" for line in lines)
        _add_to_summary(markdown, arguments)
        return
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
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    counts = MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(elapsed_when_finished=True)
    columns = (TextColumn("{task.description}"), BarColumn(), *counts)
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def tick(leg: str, name: str, done: int, total: int) -> None:
            if leg not in tasks:
                tasks[leg] = bar.add_task(leg, total=total)
            bar.update(tasks[leg], completed=done, description=f"{leg}: {name}" if name else leg)

        yield tick


def _coverage(arguments: argparse.Namespace) -> None:
    known = {framework.name: framework for framework in frameworks()}
    chosen = [known[name] for name in _against(arguments)]
    installed = [framework.name for framework in chosen if framework.version is not None]
    missing = [framework.not_installed for framework in chosen if framework.version is None and framework.offers]
    with _output(arguments) as (kind, file):
        read = coverage(installed)
        found = [one for one in read if not one.absent]
        missing += [f"{one.framework} cannot be imported: {one.error}" for one in read if one.absent]
        arguments.status = 0 if all(one.complete for one in found) else 1
        if kind == "json":
            file.write(output.coverage_to_json(found, missing))
        else:
            table = tables.table_of_coverage(found, missing)
            _print([table], tables.to_markdown([table]), kind, file)


# ---- explain, list and show ------------------------------------------------------------------------------------------


def _explain(arguments: argparse.Namespace) -> None:
    with _misused(arguments):
        print(explanation(arguments.name, width_of(sys.stdout)), end="")


def _hypotheses(arguments: argparse.Namespace) -> None:
    with _misused(arguments):
        print(show.all_hypotheses(width_of(sys.stdout), arguments.loss))


def _list(arguments: argparse.Namespace) -> None:
    print(show.listing(width_of(sys.stdout)))


def _show(arguments: argparse.Namespace) -> None:
    cls = _known(arguments.name, arguments)
    if arguments.words:
        with _misused(arguments):
            print(worked_text(inputs_of(arguments.name, arguments.words), width_of(sys.stdout)))
        return
    print(show.loss_in_words(cls, width_of(sys.stdout)))
    try:
        page = without_block(catalogue.page(cls))
    except FileNotFoundError:
        print(f"\nIts page, derivations/{catalogue.stem(cls)}.md, is not there.")
        return
    print(f"\n{'-' * 72}\n")
    console = _console(sys.stdout) if sys.stdout.isatty() else None
    if console is not None:
        from rich.markdown import Markdown

        console.print(Markdown(plain_page(page), code_theme="ansi_dark"))
    elif sys.stdout.isatty():
        print(f"The derivation is on its page, derivations/{catalogue.stem(cls)}.md.")
        print("To print it here: pip install 'reflosses[cli]'")
    else:
        print(page)


def _quiz(arguments: argparse.Namespace) -> None:
    _known(arguments.name, arguments)
    talk = Talk(arguments.name, width=width_of(sys.stdout))
    arguments.status = talk.run() if arguments.answer is None else talk.told(arguments.answer)


def _plot(arguments: argparse.Namespace) -> None:
    if arguments.name is None:
        print(show.figures_in_words(width_of(sys.stdout)))
        return
    out = arguments.out
    if out and Path(out).suffix.lower() not in ("", ".svg"):
        _misuse(arguments, f"--out {out}: a figure is SVG, so its file ends with .svg")
    if out and not _writable(out):
        _misuse(arguments, f"--out {out}: cannot be written")
    with _misused(arguments):
        try:
            svg = figure_of(arguments.name, asked.read_parameters([*arguments.parameters, *arguments.more])).svg()
        except ImportError as error:
            _misuse(arguments, str(error))
    if out:
        _write_file("--out", out, svg, arguments)
    else:
        sys.stdout.write(svg)


RUN = {
    "verify": _verify,
    "check": _check,
    "exhaust": _exhaust,
    "portrait": _portrait,
    "hunt": _hunt,
    "coverage": _coverage,
    "explain": _explain,
    "hypotheses": _hypotheses,
    "list": _list,
    "show": _show,
    "quiz": _quiz,
    "plot": _plot,
}

if __name__ == "__main__":
    sys.exit(main())
