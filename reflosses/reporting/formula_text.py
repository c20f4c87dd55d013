"""A formula of a page, from its tree to a line of text: with its letters, or with numbers in their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from reflosses.reporting.plain_math import HALVES, RAISED, plain_formula
from reflosses.teaching.arithmetic import Value
from reflosses.teaching.tree import (
    Applied,
    At,
    BigSum,
    Cases,
    Chain,
    Condition,
    Derivative,
    Limit,
    Nabla,
    Name,
    Numeral,
    Power,
    Product,
    Row,
    Sum,
    Term,
)

SUM, PRODUCT, ATOM = 1, 2, 3  # how tightly a text holds together
MINUS = "−"
RELATIONS = {"=": "=", "<": "<", ">": ">", r"\le": "≤", r"\ge": "≥", r"\ne": "≠", r"\in": "∈", r"\to": "→"}
RELATIONS |= {r"\approx": "≈", r"\longrightarrow": "→", ":=": ":="}

Lookup = Callable[[Name], str | None]  # the text of a number, None to keep the name


def number_text(x: Decimal | float, digits: int = 6) -> str:
    """A number in few digits, such as −0.367347 or 4.24835e−18; next to an integer as 1 − 4.24835e−18."""
    if isinstance(x, Decimal):
        whole = x.to_integral_value()
        if whole and 0 < abs(x - whole) < Decimal(10) ** (whole.adjusted() - digits) and abs(whole) < 10**digits:
            return f"{whole} {'+' if x > whole else '-'} {number_text(abs(x - whole), 3)}".replace("-", MINUS)
        x = x.normalize() if x == whole else x
        if x.is_finite() and x and not -300 < x.adjusted() < 300:
            return f"{x:.{digits - 1}e}".replace("-", MINUS)
    return f"{float(x) + 0.0:.{digits}g}".replace("-", MINUS)


def value_text(value: Value | None, digits: int = 6) -> str:
    """A number, a vector or a matrix."""
    if value is None:
        return "no value"
    if isinstance(value, Decimal):
        return number_text(value, digits)
    numbers = {index: number_text(x, digits) for index, x in value.cells.items()}
    if value.rank == 1:
        return f"({', '.join(numbers.values())})"
    rows: dict[int, list[str]] = {}
    for index, text in numbers.items():
        rows.setdefault(index[0], []).append(text)
    return f"({'; '.join(', '.join(row) for row in rows.values())})"


def formula_text(node: Term) -> str:
    """A formula with its letters."""
    return _Writer(lambda name: None, {}).text(node)[0]


def with_numbers(
    node: Term,
    lookup: Callable[[Term, Mapping[str, int]], str | None],
    indices: Mapping[str, int],
    ranges: Mapping[str, range],
    case: Callable[[Condition, Mapping[str, int]], bool],
) -> str:
    """A formula with numbers in place of its letters. Sums over an index are written out. "" if that is not simple.

    lookup: the text of a name at some indices; case: whether a condition holds there.
    """
    writer = _Numbers(lookup, indices, ranges, case)
    text = writer.text(node)[0]
    return text if writer.simple else ""


def condition_text(condition: Condition) -> str:
    """`|r| < δ and y = 1`, "" for none."""
    facts = [" and ".join(map(_fact, facts)) for facts in condition.alternatives]
    return " or ".join(facts) if condition != Condition() else ""


def _fact(fact: Chain | Name) -> str:
    return f"{formula_text(fact)} constant" if isinstance(fact, Name) else chain_text(fact)


def chain_text(chain: Chain) -> str:
    """The sides with their relations."""
    text = formula_text(chain.sides[0])
    for relation, side in zip(chain.relations, chain.sides[1:], strict=False):
        shown = formula_text(side)
        shown = f"{{{shown[1:-1]}}}" if relation == r"\in" and isinstance(side, Row) else shown
        text += f" {RELATIONS[relation]} {shown}"
    return text


class _Writer:
    """Texts of formulas, each with how tightly it holds together."""

    def __init__(self, lookup: Lookup, indices: Mapping[str, int]):
        self.lookup = lookup
        self.indices = indices

    def text(self, node: Term) -> tuple[str, int]:
        match node:
            case Numeral(text):
                return text, ATOM
            case Name():
                return self.name(node)
            case Sum(terms):
                return self.sum(terms)
            case Product(factors):
                return self.product(factors)
            case Power(base, exponent):
                return self.power(base, exponent)
            case Applied(function, arguments):
                return self.call(function, arguments)
            case BigSum():
                return self.big_sum(node)
            case Cases(rows):
                return self.cases(rows)
            case Derivative(partial, body, by):
                return self.derivative("∂" if partial else "d", body, by)
            case Nabla(by, order, body):
                sign = "∇" + ("" if order == 1 else "²") + (f"_{formula_text(by)}" if by else "")
                return f"{sign} {self.grouped(body)}", PRODUCT
            case At(body, point):
                return f"{self.grouped(body)} at {condition_text(point)}", SUM
            case Limit(name, _, body):
                return f"lim {formula_text(name)} → 0 {self.grouped(body)}", PRODUCT
            case Row(items):
                return f"({', '.join(self.text(item)[0] for item in items)})", ATOM
        return "…", ATOM

    def grouped(self, node: Term, least: int = ATOM) -> str:
        """A text that holds together at least so tightly."""
        text, tight = self.text(node)
        return text if tight >= least else f"({text})"

    def name(self, node: Name) -> tuple[str, int]:
        if (number := self.lookup(node)) is not None:
            return number, SUM if number.startswith(MINUS) or " " in number else ATOM
        head = node.letter + "'" * node.primes
        subscript = node.subscript if "\\" in node.subscript else node.subscript.replace(" ", "")
        head += f"_{{{subscript}}}" if subscript else ""
        text = plain_formula(head)
        if node.arguments is not None:
            text += f"({', '.join(self.text(item)[0] for item in node.arguments)})"
        return text, ATOM

    def sum(self, terms: tuple[tuple[int, Term], ...]) -> tuple[str, int]:
        out = ""
        for sign, term in terms:
            text = self.grouped(term, PRODUCT if out or sign < 0 else SUM)
            if out:
                out += f" {'+' if sign > 0 else MINUS} {text}"
            else:
                out = text if sign > 0 else MINUS + text
        return out, SUM

    def product(self, factors: tuple[tuple[bool, Term], ...]) -> tuple[str, int]:
        if [over for over, _ in factors] == [False, True]:
            above, below = factors[0][1], factors[1][1]
            if isinstance(above, Numeral) and isinstance(below, Numeral):
                return HALVES.get(f"{above.text}/{below.text}") or f"{above.text}/{below.text}", ATOM
        out = ""
        for over, factor in factors:
            divides = isinstance(factor, Product) and any(o for o, _ in factor.factors)
            text, tight = self.text(factor)
            if tight == SUM or (over and tight < ATOM):
                text = f"({text})"
            if over:
                out += f"/{text}"
            elif out:
                wide = (divides and tight < ATOM) or "/" in text.partition("(")[0]
                out += (" · " if wide else "·" if text[0].isdigit() else " ") + text
            else:
                out = text
        return out, PRODUCT

    def power(self, base: Term, exponent: Term | None) -> tuple[str, int]:
        inside = self.grouped(base)
        if exponent is None:
            return f"{inside}ᵀ", ATOM
        return inside + self.raised(exponent), ATOM

    def raised(self, exponent: Term) -> str:
        text, tight = self.text(exponent)
        if all(c in RAISED for c in text):
            return "".join(RAISED[c] for c in text)
        return f"^{text}" if tight == ATOM and len(text) < 3 else f"^({text})"

    def call(self, function: str, arguments: tuple[Term, ...]) -> tuple[str, int]:
        inside = ", ".join(self.text(item)[0] for item in arguments)
        if function in ("abs", "norm"):
            return f"|{inside}|", ATOM
        if function == r"\exp":
            return "e" + self.raised(arguments[0]), ATOM
        if function == r"\sqrt":
            return f"√{inside}" if re.fullmatch(r"\w+", inside) else f"√({inside})", ATOM
        name = plain_formula(function)
        if function == r"\log" and self.text(arguments[0])[1] == ATOM and not inside.startswith("("):
            return f"{name} {inside}", PRODUCT
        return f"{name}({inside})", ATOM

    def big_sum(self, node: BigSum) -> tuple[str, int]:
        sign = "∑" if node.function == r"\sum" else plain_formula(node.function)
        if node.condition is not None:
            index = f"({chain_text(node.condition)})"
        else:
            index = plain_formula(f"x_{{{node.index}}}")[1:] if node.index else ""
        return f"{sign}{index} {self.grouped(node.body, PRODUCT)}", PRODUCT

    def cases(self, rows: tuple[tuple[Term, Condition], ...]) -> tuple[str, int]:
        return "; ".join(f"{self.text(body)[0]} if {condition_text(condition)}" for body, condition in rows), SUM

    def derivative(self, sign: str, body: Term, by: tuple[Name, ...]) -> tuple[str, int]:
        order = "" if len(by) == 1 else "²"
        counts: dict[str, int] = {}
        for name in by:
            counts[formula_text(name)] = counts.get(formula_text(name), 0) + 1
        below = " ".join(f"{sign}{name}{'²' if count > 1 else ''}" for name, count in counts.items())
        if isinstance(body, Name):
            head = formula_text(Name(body.letter, body.subscripts, body.subscript, body.primes))
            return f"{sign}{order}{head}/{below.replace(' ', '')}", ATOM
        return f"{sign}{order}/{below.replace(' ', '')} {self.grouped(body)}", PRODUCT


class _Numbers(_Writer):
    """The same with numbers."""

    def __init__(
        self,
        find: Callable[[Term, Mapping[str, int]], str | None],
        indices: Mapping[str, int],
        ranges: Mapping[str, range],
        case: Callable[[Condition, Mapping[str, int]], bool],
    ):
        super().__init__(self.found, indices)
        self.find, self.ranges, self.case = find, ranges, case
        self.simple = True

    def found(self, name: Name) -> str | None:
        number = self.find(name, self.indices)
        self.simple = self.simple and (number is not None or name.arguments is not None)
        return number

    def cases(self, rows: tuple[tuple[Term, Condition], ...]) -> tuple[str, int]:
        for body, condition in rows:
            if self.case(condition, self.indices):
                return self.text(body)
        self.simple = False
        return "", ATOM

    def derivative(self, sign: str, body: Term, by: tuple[Name, ...]) -> tuple[str, int]:
        self.simple = False
        return "", ATOM

    def big_sum(self, node: BigSum) -> tuple[str, int]:
        if node.function != r"\sum" or not node.index:
            self.simple = False
            return "", ATOM
        before, parts = self.indices, []
        for value in self.ranges.get(node.index, ()):
            self.indices = {**before, node.index: value}
            condition = node.condition
            everywhere = condition is None or "=" in condition.relations  # i = 1 is where it begins
            if everywhere or (condition and self.case(Condition(((condition,),)), self.indices)):
                parts.append(self.grouped(node.body, PRODUCT))
        self.indices = before
        return " + ".join(parts) or "0", SUM if len(parts) > 1 else PRODUCT
