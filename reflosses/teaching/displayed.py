r"""What a page displays, without asserting it: the definitions that hold at a place, and every displayed equation.

`check.py` asks whether a page is true. This module hands the same formulas to whoever shows or translates them.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from reflosses.teaching.check import Walk
from reflosses.teaching.evaluate import Definition
from reflosses.teaching.page import Formula, read_page
from reflosses.teaching.points import Scope
from reflosses.teaching.tree import Clause, Name, Term


@dataclass(frozen=True)
class DisplayedEquation:
    """A displayed equation and the number behind it; 0 if it has none."""

    clause: Clause
    number: int


@dataclass(frozen=True)
class Displayed:
    """The definitions and letters at one [[code]] of a page, and the displayed equations of the whole page."""

    code: dict[str, Any]  # the words of the block: parameters, y, yhat, value, grad
    scope: Scope
    definitions: dict[str, Definition]
    equations: list[DisplayedEquation]

    def term(self, text: str) -> Term:
        """A formula of one side as a tree, with the letters of this place."""
        return self.scope.read(text)[0].chain.sides[0]

    def equal_to(self, term: Term) -> list[tuple[Term, int]]:
        """What displayed equations without a condition say a term equals, each with the number of its equation.

        In the order of the page: the last side of a chain is the simplest.
        """
        return [
            (side, equation.number)
            for equation in self.equations
            if _is_general(equation.clause) and equation.clause.chain.sides[0] == term
            for side in equation.clause.chain.sides[1:]
        ]


def _is_general(clause: Clause) -> bool:
    """Whether it is an equation, and has no condition but letters that stay constant."""
    facts = [fact for facts in clause.condition.alternatives for fact in facts]
    return set(clause.chain.relations) == {"="} and all(isinstance(fact, Name) for fact in facts)


class _Collector(Walk):
    """Reads a page as the check does, keeps what it displays and asserts nothing."""

    def __init__(self, text: str, stem: str):
        super().__init__(read_page(text), stem, 0, 0)
        self.places: list[Displayed] = []
        self.equations: list[DisplayedEquation] = []

    def compare(self, code: dict[str, Any]) -> None:
        here = copy.deepcopy(self.scope)  # later places change it
        self.places.append(Displayed(code, here, here.definitions, self.equations))

    def formula(self, formula: Formula, clauses: list[Clause], define: bool = True) -> None:
        number = re.search(r"\\tag\{(\d+)\}", formula.text)
        for clause in clauses:
            if define:
                self.scope.defined(clause)
            if not formula.inline:
                self.equations.append(DisplayedEquation(clause, int(number[1]) if number else 0))


def displayed(text: str, stem: str) -> list[Displayed]:
    """What a page displays, once for each [[code]] of its block, in the order of the page.

    ValueError if the block at its head is wrong.

    >>> from reflosses import catalogue
    >>> (place,) = displayed(catalogue.page(catalogue.find_loss("Huber")), "huber")
    >>> place.code["value"], sorted(place.definitions)
    ('\\\\ell(y, \\\\hat y)', ['\\\\ell', 'c', 'r', 'w'])
    """
    collector = _Collector(text, stem)
    collector.run()
    return collector.places
