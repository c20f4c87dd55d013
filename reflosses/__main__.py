"""The command line: `reflosses verify`, `reflosses list`, `reflosses show NAME`.

Exit status of `verify`: 0 our own certification holds (what others get wrong is reported, not fatal), 1 it does not,
2 misuse, 130 interrupted, with what was done so far printed.
"""

from __future__ import annotations

import argparse
import inspect
import io
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, TextIO

from reflosses import catalogue, report
from reflosses.loss import Loss
from reflosses.verify import Report, Tick, verify

if TYPE_CHECKING:
    from rich.console import Console

NO_RICH = "rich is not installed, tables are printed as Markdown: pip install 'reflosses[cli]'"
SUFFIXES = {".json": "json", ".md": "markdown"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an encoding without − or Ω is no reason to fail
    arguments = _parser().parse_args(argv)
    arguments.status = 0
    try:
        arguments.run(arguments)
    except BrokenPipeError:  # such as `reflosses show Huber | head`; what was found still counts
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(arguments.status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("reflosses", description="Reference losses with certified gradients.")
    parser.add_argument("--version", action="version", version=f"reflosses {report.versions()['reflosses']}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "verify",
        help="certify every loss, and check SciPy and scikit-learn against it",
        description="Certify every loss; check SciPy and scikit-learn against it, on adversarial and on real data.",
        epilog="Exit status: 0 our certification holds, 1 it does not, 2 misuse, 130 interrupted.",
    )
    command.add_argument("--loss", action="append", metavar="NAME", help="only this loss (may be repeated)")
    command.add_argument(
        "--points", type=_positive, default=600, metavar="N", help="points a row (default: %(default)s)"
    )
    command.add_argument("--seed", type=_natural, default=0, metavar="N", help="of the inputs (default: %(default)s)")
    command.add_argument("--format", choices=("table", "json", "markdown"), help="default: table, or by --out's suffix")
    command.add_argument("--out", metavar="FILE", help="write the report there (.json, .md, or text)")
    command.set_defaults(run=_verify, misuse=command.error)

    command = commands.add_parser("list", help="every loss in one line")
    command.set_defaults(run=_list)
    command = commands.add_parser("show", help="a loss: definition, domain, kinks, bounds, and its page")
    command.add_argument("name", metavar="NAME")
    command.set_defaults(run=_show, misuse=command.error)
    return parser


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


# ---- verify ----------------------------------------------------------------------------------------------------------


def _verify(arguments: argparse.Namespace) -> None:
    names = list(catalogue.losses())
    for name in arguments.loss or []:
        _known(name, arguments)
    chosen = [name for name in names if name in (arguments.loss or names)]
    out = arguments.out
    kind = arguments.format or SUFFIXES.get(os.path.splitext(out or "")[1].lower(), "table")
    try:
        file = open(out, "w", encoding="utf-8") if out else sys.stdout  # noqa: SIM115
    except OSError as error:
        arguments.misuse(f"--out {out}: {error.strerror}")
    with _progress() as tick:
        found = verify(chosen, arguments.seed, arguments.points, tick)
    arguments.status = 130 if found.interrupted else 0 if found.ok else 1
    _write(found, kind, file)
    if out:
        file.close()
        print(f"{report.summary(found)} Written to {out}.", file=sys.stderr)


def _known(name: str, arguments: argparse.Namespace) -> type[Loss]:
    losses = catalogue.losses()
    if name not in losses:
        arguments.misuse(f"no loss is named {name!r}; there are {', '.join(losses)}")
    return losses[name]


def _write(found: Report, kind: str, file: TextIO) -> None:
    if kind == "json":
        file.write(report.to_json(found))
        return
    tables = report.tables(found)
    console = _console(file) if kind == "table" else None
    if kind == "table" and console is None:
        print(NO_RICH, file=sys.stderr)
    if console is None:
        file.write(report.to_markdown(tables))
        file.write(f"\n{report.summary(found)}\n")
    else:
        report.print_tables(tables, console)
        console.print(report.summary(found), style="bold green" if found.ok else "bold red", highlight=False)


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
