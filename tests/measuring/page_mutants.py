r"""Change the formulas of the derivation pages at random, one place at a time, and count what nobody notices.

    python tests/measuring/page_mutants.py [--number 20] [--seed 1] [--page huber] [--list]

First each page is read at many points, with many seeds: nothing may be false, and what is read may not depend on the
seed. Then signs, factors, exponents, indices, numbers, letters, relations, fractions and cases are changed, in displays
and in the equations of the text. A change is noticed if the page then says something false, or if less of it is read.
The exit status is 1 if fewer than 95 % of the changes of displays are noticed, or fewer than half of those in the text.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reflosses.teaching.check import Reading, check_page
from reflosses.teaching.page import BLOCK, Formula, read_page

DERIVATIONS = Path(__file__).resolve().parents[2] / "derivations"
POINTS = 3
DISPLAYS, TEXT = 0.95, 0.5  # the least share that is noticed
LETTER = (
    r"\\(?:hat ?[a-z]|alpha|delta|gamma|varepsilon|epsilon|sigma|pi|rho|Omega|ell)(?![a-z])"
    r"|(?<![\\a-z{])[a-zA-Z](?![a-z])"
)


def pages() -> list[str]:
    """The pages that have a block, by the stem of their name."""
    return [path.stem for path in sorted(DERIVATIONS.glob("*.md")) if BLOCK.search(path.read_text("utf-8"))]


class Mutant(NamedTuple):
    """A page with one change: what kind it is, the formula that it is in, and that formula changed."""

    kind: str
    formula: Formula
    changed: str

    def applied(self, text: str) -> str:
        start = self.formula.start
        return text[:start] + self.changed + text[start + len(self.formula.text) :]


def changes(text: str) -> Iterator[tuple[str, str]]:
    """Every change of one formula, with its kind."""

    def put(found: re.Match[str], new: str) -> str:
        return text[: found.start()] + new + text[found.end() :]

    for found in re.finditer(r"[+-](?![^{}]*\\tag)", text):
        yield "sign", put(found, "-" if found[0] == "+" else "+")
    for found in re.finditer(r"(?<=[=(\[]) *(?=[\\a-zA-Z(])(?!\\(?:qquad|quad|text|begin))", text):
        yield "factor", put(found, " 2 ")
        yield "sign", put(found, " -")
    for found in re.finditer(r"\\tfrac12 ?|(?<![_^{\d])2 ?(?![}\d])", text):
        yield "factor", put(found, " ")
    for found in re.finditer(r"\^(\d)", text):
        if (
            not re.search(r"(?:d|\\partial)$", text[: found.start()])
            and "{d" not in text[found.start() - 12 : found.start()]
        ):
            yield "exponent", put(found, f"^{int(found[1]) + 1}")
            yield "exponent", put(found, "")
    for found in re.finditer(r"(?<=_)([a-z])\b|(?<=_\{)([a-z])(?=[a-z}])|(?<=_\{[a-z])([a-z])(?=\})", text):
        others = sorted(set(re.findall(r"_\{?([a-z])", text)) - {found[0]})
        for other in others[:2]:
            yield "index", put(found, other)
    for found in re.finditer(r"(?<![\d.{^_])\d(?![\d.])(?!\})", text):
        yield "number", put(found, str(int(found[0]) + 1))
    for found in re.finditer(r"(?<!\d)<|>|\\le(?![a-z])|\\ge(?![a-z])", text):
        yield "relation", put(found, {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}[found[0]])
    for found in re.finditer(r"\\t?frac\{([^{}]*)\}\{([^{}]*)\}", text):
        if not re.match(r"d|\\partial", found[1]):
            yield "swap", put(found, rf"\frac{{{found[2]}}}{{{found[1]}}}")
    letters = list(
        re.finditer(LETTER, re.sub(r"\\(?:tag|text|mathrm|begin|end)\{[^}]*\}", lambda m: "{" * len(m[0]), text))
    )
    for one in letters:
        for other in sorted({found[0] for found in letters} - {one[0], "d", "e"})[:3]:
            if one[0] not in ("d", "e"):
                yield "swap", text[: one.start()] + other + " " + text[one.end() :]
    for found in re.finditer(r"\\\\ .*?(?= \\end\{cases\})", text):
        yield "case", put(found, "")


def is_equation(formula: Formula) -> bool:
    """Whether a formula in the text is more than `y = 1`."""
    return "=" in formula.text and len(re.sub(r"\\hat |[\s{}]|\\[,;]|\\t?frac", "", formula.text)) > 6


def mutants(text: str, number: int, seed: str) -> list[Mutant]:
    """As many changes of displays as of equations in the text, drawn evenly over the formulas."""
    rng = random.Random(seed)
    formulas = [f for f in read_page(text).formulas if not f.inline or is_equation(f)]
    drawn: list[Mutant] = []
    for inline in (False, True):
        pool = [f for f in formulas if f.inline == inline and text[f.start :].startswith(f.text)]
        every = {f: [m for m in changes(f.text) if m[1] != f.text] for f in pool}
        pool = [f for f in pool if every[f]]
        seen: set[tuple[int, str]] = set()
        for _ in range(20 * number):
            if len(seen) == number or not pool:
                break
            formula = rng.choice(pool)
            kinds = sorted({kind for kind, _ in every[formula]})
            kind = rng.choice(kinds)
            changed = rng.choice([c for k, c in every[formula] if k == kind])
            if (formula.start, changed) not in seen:
                seen.add((formula.start, changed))
                drawn.append(Mutant(kind, formula, changed))
    return drawn


def is_noticed(reading: Reading, unchanged: Reading) -> bool:
    """Whether the tests fail: something is false, other displays are unread, or fewer formulas of the text are read."""
    return bool(reading.false) or len(reading.unread) != len(unchanged.unread) or reading.steps < unchanged.steps


def survives(text: str, stem: str, mutant: Mutant, unchanged: Reading, points: int = POINTS) -> bool:
    try:
        return not is_noticed(check_page(mutant.applied(text), stem, points), unchanged)
    except ValueError:
        return False


def score(stems: list[str], number: int, seed: int, show: bool = False) -> dict[bool, tuple[int, int]]:
    """How many changes were noticed, and how many made, for displays (False) and the text (True)."""
    total = {False: (0, 0), True: (0, 0)}
    for stem in stems:
        text = (DERIVATIONS / f"{stem}.md").read_text("utf-8")
        unchanged = check_page(text, stem, POINTS)
        here = {False: [0, 0], True: [0, 0]}
        for mutant in mutants(text, number, f"{stem} {seed}"):
            lives = survives(text, stem, mutant, unchanged)
            here[mutant.formula.inline][0] += not lives
            here[mutant.formula.inline][1] += 1
            if lives and show:
                print(f"  {stem}, line {mutant.formula.line}, {mutant.kind}: {mutant.formula.text.strip()}")
                print(f"      → {mutant.changed.strip()}")
        print(
            f"{stem:36} displays {here[False][0]:3}/{here[False][1]:3}   text {here[True][0]:3}/{here[True][1]:3}",
            flush=True,
        )
        total = {k: (total[k][0] + here[k][0], total[k][1] + here[k][1]) for k in total}
    return total


def alarms(stems: list[str], seeds: int) -> list[str]:
    """What is said to be false on the pages as they are, at ten points with several seeds."""
    found = []
    for stem in stems:
        text = (DERIVATIONS / f"{stem}.md").read_text("utf-8")
        readings = [check_page(text, stem, 10, seed) for seed in range(seeds)]
        found += [fault for reading in readings for fault in reading.false]
        if len({(len(reading.unread), reading.steps) for reading in readings}) > 1:
            found.append(f"{stem}: what is read depends on the seed")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--number", type=int, default=20, help="changes of displays, and of the text, a page")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", help="one page")
    parser.add_argument("--seeds", type=int, default=20, help="with how many seeds the unchanged pages are read")
    parser.add_argument("--list", action="store_true", help="show what nobody noticed")
    options = parser.parse_args()
    stems = [options.page] if options.page else pages()
    false = alarms(stems, options.seeds)
    print(
        f"{len(stems)} pages, {options.seeds} seeds, 10 points for each equation: {len(false)} false", *false, sep="\n"
    )
    total = score(stems, options.number, options.seed, options.list)
    status = int(bool(false))
    for inline, least in ((False, DISPLAYS), (True, TEXT)):
        noticed, made = total[inline]
        where = "in the text" if inline else "in displays"
        share = f"{100 * noticed / max(made, 1):.1f} %, at least {100 * least:.0f} %"
        print(f"{noticed} of {made} changes {where} noticed ({share})")
        status |= noticed < least * made
    return status


if __name__ == "__main__":
    sys.exit(main())
