"""The words of the command line: commands, options and their values."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

from reflosses.catalogue import did_you_mean
from reflosses.comparison.battery import REGIMES
from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.function import frameworks
from reflosses.reporting.asked import OPTIONS, one_word, regimes_of, shortened
from reflosses.reporting.output import versions

FORMATS_OF_REPORTS = ("table", "json", "markdown", "junit", "github")
LIMIT = 30.0  # seconds for a call of a candidate
DAY = 86400  # seconds
MOST_POINTS = 10**9


class _Parser(argparse.ArgumentParser):
    """A parser whose errors have the nearest word that it knows."""

    def error(self, message: str) -> NoReturn:
        found = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)$", message, re.S)
        hint = did_you_mean(found[1], re.findall(r"[\w.-]+", found[2])) if found else ""
        super().error(f"{message}; {hint}" if hint else message)


def command_line() -> argparse.ArgumentParser:
    """The parser of all commands. `command` is the name of the one that is called, `misuse` ends it with an error."""
    parser = _Parser("reflosses", description="Reference losses with certified gradients.")
    parser.add_argument("--version", action="version", version=f"reflosses {versions()['reflosses']}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "verify",
        usage="reflosses verify [options]",
        help="certify every loss, and check other frameworks against them",
        description="Certify every loss; check other frameworks against them, on adversarial and on real data.",
        epilog="Exit status: 0 our certification holds (and --expect is met), 1 not, 2 misuse, 130 interrupted.",
    )
    command.add_argument("--loss", action="append", metavar="NAME", help="only this loss (may be repeated)")
    _against(command, more="; or none")
    points = partial(_integer, least=1, most=MOST_POINTS)
    text = "points a loss of ours (default: %(default)s)"
    command.add_argument("--points", type=points, default=600, metavar="N", help=text)
    _shared(command, dtypes="all that a function takes", regimes="all")
    command.set_defaults(command="verify", misuse=command.error)

    command = commands.add_parser(
        "check",
        usage="reflosses check [TARGET ...] (--loss NAME | --as NAME) [KEY=VALUE ...] [options]",
        help="check a function of yours: reflosses check package.module:function --loss Huber delta=0.7",
        description="Check functions of (y, yhat) against a loss, each in a process of its own. Without a target, the "
        "checks are those of --config, or of [[tool.reflosses.check]] in pyproject.toml.",
        epilog="Exit status: 0 right (or as --expect says), 1 not, 2 misuse, 130 interrupted.",
    )
    which = _candidates(command)
    which.add_argument("--config", metavar="FILE", help="a TOML file with a table [[check]] for each check")
    _shared(command, dtypes="float64", regimes="all but K")
    command.set_defaults(command="check", misuse=command.error)

    command = commands.add_parser(
        "exhaust",
        usage="reflosses exhaust TARGET [TARGET ...] (--loss NAME | --as NAME) [KEY=VALUE ...] [options]",
        help="judge every number of a narrow format: reflosses exhaust mine:huber --loss Huber reduction=none",
        description="Judge the value and the gradient of functions of (y, yhat) at every number of a format.",
        epilog="Exit status: 0 every number is right, 1 not, 2 misuse, 130 interrupted.",
    )
    _candidates(command)
    _targets_of_one_number(command)
    narrow = [name for name, form in FORMATS.items() if form.width < 64]
    text = f"only these of {', '.join(narrow)} (default: bfloat16); float32 takes minutes"
    read_words = partial(_words, known=tuple(FORMATS), what="dtype")
    command.add_argument("--dtype", action="extend", type=read_words, metavar="NAMES", help=text)
    _limit_and_report(command, FORMATS_OF_REPORTS[:3])
    nothing = dict.fromkeys(("config", "regime", "seed", "expect", "write_expect", "level"))
    command.set_defaults(command="exhaust", misuse=command.error, **nothing)

    command = commands.add_parser(
        "portrait",
        usage="reflosses portrait TARGET [TARGET ...] (--loss NAME | --as NAME) [KEY=VALUE ...] --out FILE [options]",
        help="draw the error at every number: reflosses portrait mine:huber --loss Huber reduction=none --out it.svg",
        description="Draw the errors of functions of (y, yhat), value and gradient, at every number of a format.",
        epilog="Exit status: 0 drawn, right or wrong, 2 misuse, 130 interrupted.",
    )
    _candidates(command)
    _targets_of_one_number(command)
    text = f"one of {', '.join(narrow)} (default: %(default)s, which takes minutes)"
    command.add_argument("--dtype", type=partial(_narrow, known=narrow), default="float32", metavar="NAME", help=text)
    _limit(command)
    command.add_argument("--out", metavar="FILE", required=True, help="the figure: FILE.svg or FILE.png")
    command.set_defaults(command="portrait", misuse=command.error, **nothing)

    command = commands.add_parser(
        "hunt",
        usage="reflosses hunt TARGET [TARGET ...] (--loss NAME | --as NAME) [KEY=VALUE ...] [options]",
        help="search for the worst input: reflosses hunt mine:huber --loss Huber reduction=none --seconds 60",
        description="Search for the inputs at which functions of (y, yhat) err most, each in a process of its own.",
        epilog="Exit status: 0 no wrong number was found, 1 one was, 2 misuse, 130 interrupted.",
    )
    _candidates(command)
    command.add_argument("--seconds", type=_seconds, default=10.0, metavar="S", help="to search (default: %(default)g)")
    text = "predictions to ask, in place of seconds: the same seed then finds the same errors"
    command.add_argument("--points", type=points, metavar="N", help=text)
    seed = partial(_integer, least=0)
    command.add_argument("--seed", type=seed, metavar="N", help="of the inputs (default: 0)")
    text = f"only these of {', '.join(FORMATS)}; may be repeated (default: float64)"
    command.add_argument("--dtype", action="extend", type=read_words, metavar="NAMES", help=text)
    _limit_and_report(command, FORMATS_OF_REPORTS[:3])
    nothing = dict.fromkeys(("config", "regime", "expect", "write_expect", "level"))
    command.set_defaults(command="hunt", misuse=command.error, **nothing)

    command = commands.add_parser(
        "coverage",
        usage="reflosses coverage [options]",
        help="which losses the installed frameworks offer, and which of them equal one of ours",
        description="Find the losses of the installed frameworks, and count those that have a row here.",
        epilog="Exit status: 0 every loss is on a list, 1 one is on none, 2 misuse, 130 interrupted.",
    )
    _against(command)
    _report(command, FORMATS_OF_REPORTS[:3])
    command.set_defaults(command="coverage", misuse=command.error, write_expect=None)

    command = commands.add_parser("explain", help="what a function of a framework computes, as a loss of ours")
    command.add_argument("name", metavar="NAME", help="such as torch.huber_loss; all of a framework: torch")
    command.set_defaults(command="explain", misuse=command.error)

    command = commands.add_parser("hypotheses", help="every explanation that a diagnosis may give")
    command.add_argument("--loss", metavar="NAME", default="", help="only those that mean something for this loss")
    command.set_defaults(command="hypotheses", misuse=command.error)

    command = commands.add_parser("list", help="every loss in two lines")
    command.set_defaults(command="list", misuse=command.error)
    command = commands.add_parser(
        "show",
        usage="reflosses show NAME [y=NUMBERS yhat=NUMBERS [KEY=VALUE ...]]",
        help="a loss: definition, domain, kinks, bounds, and its page; with numbers, a worked example",
        description="Print a loss and its page. With y= and yhat=, print the page as a worked example: each equation "
        "with its numbers, and at the end value, gradient and curvature in several ways.",
        epilog="Examples: reflosses show Huber. reflosses show Huber y=0 yhat=3 delta=2. "
        "reflosses show Dice y=1,0,1 yhat=0.75,0.25,0.5. Rows are separated by a semicolon, in quotes: 'y=1,0;0,1'.",
    )
    command.add_argument("name", metavar="NAME")
    command.add_argument(
        "words", nargs="*", default=[], metavar="KEY=VALUE", help="y=, yhat=, and parameters such as delta=2"
    )
    command.set_defaults(command="show", misuse=command.error)

    command = commands.add_parser(
        "quiz",
        help="what is the gradient? an answer, such as r if abs(r) < delta else delta*sign(r), is read and judged",
        description="Ask for the gradient of a loss in the letters of its page, and say of a wrong answer what is "
        "missing. Without --answer it asks until the answer is right: ? is a hint, Ctrl-D shows the answer.",
        epilog="Exit status: 0 right, 1 wrong or not answered, 2 not readable, 130 interrupted.",
    )
    command.add_argument("name", metavar="NAME")
    command.add_argument("--answer", metavar="TEXT", help="judge this answer and end; LaTeX is read, too")
    command.set_defaults(command="quiz", misuse=command.error)

    command = commands.add_parser(
        "plot",
        usage="reflosses plot [NAME [KEY=VALUE ...]] [-o FILE]",
        help="draw loss, gradient and curvature as SVG: reflosses plot Huber delta=2 -o huber.svg",
        description="Draw a loss, its gradient and its curvature, or another figure of the pages, as SVG.",
        epilog="Without NAME: what there is to draw. It needs no other library; three figures need python-flint.",
    )
    command.add_argument("name", metavar="NAME", nargs="?", help="a loss, or one of the other names")
    command.add_argument("parameters", metavar="KEY=VALUE", nargs="*", help="of the loss, such as delta=2")
    command.add_argument("-o", "--out", metavar="FILE", help="write it there (default: standard output)")
    command.set_defaults(command="plot", misuse=command.error)
    return parser


def _shared(command: argparse.ArgumentParser, dtypes: str, regimes: str) -> None:
    """Options of every command that checks."""
    seed = partial(_integer, least=0)
    command.add_argument("--seed", type=seed, metavar="N", help="of the inputs (default: 0)")
    text = "up to which level it must be right (default: formula; the others are told all the same)"
    command.add_argument("--level", choices=OPTIONS["level"], help=text)
    for option, known, default, read_words in (
        ("--dtype", FORMATS, dtypes, partial(_words, known=tuple(FORMATS), what="dtype")),
        ("--regime", REGIMES, regimes, _regimes),
    ):
        text = f"only these of {', '.join(known)}; may be repeated (default: {default})"
        command.add_argument(option, action="extend", type=read_words, metavar="NAMES", help=text)
    command.add_argument("--expect", metavar="FILE", help="known deviations (TOML); others are an error")
    command.add_argument("--write-expect", metavar="FILE", help="write the deviations found there, as known ones")
    _limit_and_report(command, FORMATS_OF_REPORTS)


def _candidates(command: argparse.ArgumentParser) -> Any:
    """Options of every command that calls a user's functions. Returns the group that says what these should be."""
    command.add_argument(
        "candidates",
        nargs="*",
        metavar="TARGET",
        help="package.module:function or path/file.py:function; it returns the value, or (value, gradient)",
    )
    which = command.add_mutually_exclusive_group()
    named: dict[str, Any] = {"nargs": "+", "metavar": ("NAME", "KEY=VALUE")}
    which.add_argument("--loss", **named, help="the loss that it should be: Huber delta=0.7")
    which.add_argument("--as", dest="as_", **named, help="the function that it should be: torch.huber_loss delta=0.7")
    text = "a program to ask, as in a shell: --command './my_loss --fast' (derivations/programs.md); may be repeated"
    command.add_argument("--command", action="append", dest="programs", default=[], metavar="TEXT", help=text)
    command.add_argument("--grad", metavar="TARGET", help='returns the gradient; or "none": values only')
    texts = {
        "framework": "whose arrays it takes (default: found out)",
        "targets": "of a loss of class rows (default: all that it takes)",
        "order": "which argument comes first (default: found out)",
        "returns": "what it returns (default: found out)",
    }
    for name, text in texts.items():
        command.add_argument(f"--{name}", choices=OPTIONS[name], help=text)
    return which


def _against(command: argparse.ArgumentParser, more: str = "") -> None:
    """The option of every command that asks frameworks."""
    text = f"frameworks, with commas: {', '.join(f.name for f in frameworks())}{more} (default: %(default)s)"
    command.add_argument("--against", default="installed", metavar="NAMES", help=text)


def _targets_of_one_number(command: argparse.ArgumentParser) -> None:
    text = "of losses of one number: the targets, such as 0,1 (default: each label, or 0, 1 and some others)"
    command.add_argument("--y", type=_numbers, metavar="NUMBERS", help=text)


def _limit(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--limit", type=_seconds, default=LIMIT, metavar="S", help="seconds that a call may take (default: %(default)g)"
    )


def _limit_and_report(command: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    """Options of every command that calls functions and writes a report."""
    _limit(command)
    _report(command, formats)


def _report(command: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    """Options of every command that writes a report."""
    text = "default: table, or by --out's suffix"
    text += "; github: annotations, and the summary of the step" if "github" in formats else ""
    command.add_argument("--format", choices=formats, help=text)
    suffixes = ".json, .md, .xml, or text" if "junit" in formats else ".json, .md, or text"
    command.add_argument("--out", metavar="FILE", help=f"write the report there ({suffixes})")


def _numbers(text: str) -> list[float]:
    """Numbers with commas between them."""
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no number, nor several with commas") from None


def _integer(text: str, least: int, most: int | None = None) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no integer") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is " + (f"not at least {least}" if least else "negative"))
    if most is not None and number > most:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not at most {most}")
    return number


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no number") from None
    if not 0 < number <= DAY:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not above 0, and at most a day ({DAY})")
    return number


def _words(text: str, known: Sequence[str], what: str) -> list[str]:
    """Known words with commas between them."""
    try:
        return [one_word(word.strip(), known, what) for word in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _narrow(text: str, known: Sequence[str]) -> list[str]:
    """One format whose numbers can all be asked."""
    if text == "float64":
        raise argparse.ArgumentTypeError(f"float64 has too many numbers; there are {', '.join(known)}")
    words = _words(text, known, "dtype")
    if len(words) > 1:
        raise argparse.ArgumentTypeError("a figure has one dtype")
    return words


def _regimes(text: str) -> list[str]:
    try:
        return regimes_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
