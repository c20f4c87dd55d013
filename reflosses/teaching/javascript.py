r"""A displayed formula as JavaScript: the tree of the reader, and the definitions that it uses, as functions.

    r(at)     for a name that has a definition; `at` has the numbers of the given names
    p(at, i)  for one with indices; an array of the page is an array in `at`, from 0
    at.yhat   for a given name

A given number goes before a definition, and an argument is a given number while its function is computed: as in
`evaluate.py`. A derivative is replaced by what a displayed equation says it equals; it is never computed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from reflosses.teaching.displayed import Displayed
from reflosses.teaching.evaluate import Definition, indices_in
from reflosses.teaching.tree import (
    Applied,
    BigSum,
    Cases,
    Chain,
    Condition,
    Derivative,
    Nabla,
    Name,
    NotReadError,
    Numeral,
    Power,
    Product,
    Row,
    Sum,
    Term,
)

PRELUDE = """\
const times = (a, b) => a === 0 ? 0 : a * b();  // 0 log 0 := 0
const add = (list) => list.reduce((a, b) => a + b, 0);
const none = () => { throw new Error("no case applies"); };
"""
FUNCTIONS = {
    r"\log": "Math.log",
    r"\exp": "Math.exp",
    r"\sqrt": "Math.sqrt",
    r"\sinh": "Math.sinh",
    r"\cosh": "Math.cosh",
    r"\tanh": "Math.tanh",
    r"\mathrm{sign}": "Math.sign",
    r"\max": "Math.max",
    r"\min": "Math.min",
    "abs": "Math.abs",
    "norm": "Math.abs",
}
RELATIONS = {"=": "===", r"\ne": "!==", "<": "<", ">": ">", r"\le": "<=", r"\ge": ">="}


def identifier(letter: str) -> str:
    r"""The name of a letter in JavaScript.

    >>> identifier(r"\hat y"), identifier(r"\alpha_t"), identifier(r"\mathrm{softplus}"), identifier(r"R_\min")
    ('yhat', 'alpha_t', 'softplus', 'R_min')
    """
    plain = re.sub(r"\\hat (\w)", r"\1hat", letter)
    return re.sub(r"\W", "", re.sub(r"\\mathrm|\\text", "", plain))


class Script:
    """Translates terms, and collects the definitions that they use."""

    def __init__(self, place: Displayed, given: Collection[str] | None = None):
        self.place = place
        self.given = {*place.scope.domains, *place.scope.constants} if given is None else set(given)
        self.functions: dict[str, str] = {}  # by identifier, in the order in which they are used
        self.open: set[str] = set()
        self.bound: set[str] = set()  # the indices that have a number here
        self.arguments: set[str] = set()  # the letters that are arguments of the functions that are translated
        self.chosen: dict[Term, int] = {}  # for a derivative, the number of the equation to take
        self.numbers: dict[Term, int] = {}  # of the equations that derivatives were taken from
        self.formal = {name for definition in place.definitions.values() for name in definition.arguments}

    def text(self, exports: dict[str, Term]) -> str:
        """An expression of JavaScript: an object with a function of `at` for each term. Free indices are arguments.

        NotReadError if a term, or a definition that it uses, has no translation.
        """
        ranges = self.place.scope.ranges
        lines = []
        for name, term in exports.items():
            self.bound = indices_in(term, ranges)
            arguments = ["at", *sorted(self.bound)]
            lines.append(f"    {name}: ({', '.join(arguments)}) => {self.of(term)},")
        body = "".join(f"  const {name} = {code};\n" for name, code in self.functions.items())
        return f"(() => {{\n{body}  return {{\n" + "\n".join(lines) + "\n  };\n})()"

    # ---- terms

    def of(self, node: Term) -> str:
        """A term as an expression, in brackets where it needs them."""
        match node:
            case Numeral(text):
                return text
            case Name():
                return self.name(node)
            case Sum(terms):
                first, *rest = [("-" if sign < 0 else "+", self.of(term)) for sign, term in terms]
                start = f"-{first[1]}" if first[0] == "-" else first[1]
                return "(" + start + "".join(f" {sign} {text}" for sign, text in rest) + ")"
            case Product(factors):
                return self.product(factors)
            case Power(base, exponent) if exponent is not None:
                return f"({self.of(base)} ** {self.of(exponent)})"
            case Applied(function, arguments):
                return f"{FUNCTIONS[function]}({', '.join(map(self.of, arguments))})"
            case BigSum():
                return self.big_sum(node)
            case Cases(rows):
                return self.cases(rows)
            case Derivative() | Nabla():
                return self.displayed(node)
        raise NotReadError(f"{type(node).__name__} has no translation")

    def product(self, factors: tuple[tuple[bool, Term], ...]) -> str:
        """From left to right. Behind a factor 0 nothing is computed but given letters and numbers."""
        (over, factor), *rest = factors
        text, bare = (f"1 / {self.of(factor)}", False) if over else (self.of(factor), True)
        for over, factor in rest:
            value = self.of(factor)
            if over:
                text, bare = f"{text} / {value}", False
            elif isinstance(factor, Numeral) or value.startswith("at."):
                text, bare = f"{text} * {value}", False
            else:
                text, bare = f"times({text}, () => {value})", True
        return text if bare else f"({text})"

    def big_sum(self, node: BigSum) -> str:
        """A sum, or the smallest or largest, over lists of the indices."""
        ranges = self.place.scope.ranges
        names = [node.index] if node.index else sorted(indices_in(node.body, ranges))
        if not names or not set(names) <= set(ranges):
            raise NotReadError("a sum without an index of the page")
        before, self.bound = self.bound, self.bound | set(names)
        text = self.of(node.body)
        condition = node.condition
        starts_at_first = node.index and condition is not None and condition.relations == ("=",)
        for place, name in enumerate(reversed(names)):
            numbers = ", ".join(map(str, ranges[name]))
            kept = (
                "" if condition is None or starts_at_first or place else f".filter(({name}) => {self.chain(condition)})"
            )
            text = f"[{numbers}]{kept}.{'flatMap' if place else 'map'}(({name}) => {text})"
        self.bound = before
        return f"add({text})" if node.function == r"\sum" else f"{FUNCTIONS[node.function]}(...{text})"

    def cases(self, rows: tuple[tuple[Term, Condition], ...]) -> str:
        """Values, each under its condition."""
        if rows and rows[-1][1] == Condition():
            *rows_before, (last, _) = rows
            end = self.of(last)
        else:
            rows_before, end = list(rows), "none()"
        if not rows_before:
            return end
        return "(" + "".join(f"{self.condition(when)} ? {self.of(value)} : " for value, when in rows_before) + end + ")"

    def condition(self, condition: Condition) -> str:
        """A condition as a truth value."""
        alternatives = [
            " && ".join(self.chain(fact) for fact in facts if isinstance(fact, Chain)) or "true"
            for facts in condition.alternatives
        ]
        return alternatives[0] if len(alternatives) == 1 else "(" + " || ".join(alternatives) + ")"

    def chain(self, chain: Chain) -> str:
        """Relations that hold together."""
        parts = []
        for left, relation, right in zip(chain.sides, chain.relations, chain.sides[1:], strict=False):
            if relation == r"\in" and isinstance(right, Row):
                parts.append(f"[{', '.join(map(self.of, right.items))}].includes({self.of(left)})")
            elif relation in RELATIONS:
                parts.append(f"{self.of(left)} {RELATIONS[relation]} {self.of(right)}")
            else:
                raise NotReadError(f"{relation} in a condition")
        return " && ".join(parts)

    # ---- names

    def name(self, node: Name) -> str:
        """A given number, an index, a call of a definition, or Kronecker's delta."""
        scope = self.place.scope
        if node.printed in scope.ranges and not node.subscripts:
            return self.index(node)
        if node.letter == r"\delta" and len(node.subscripts) == 2:
            first, second = map(self.index, node.subscripts)
            return f"({first} === {second} ? 1 : 0)"
        if node.primes:
            return self.displayed(node)
        label = node.printed in scope.words["labels"]
        letter = node.printed if label else node.letter
        indices = [] if label else [self.index(part) for part in node.subscripts]
        if node.arguments is not None:
            return self.call(node, letter, indices)
        given = f"at.{identifier(letter)}" + "".join(f"[{self.from_zero(index)}]" for index in indices)
        if letter in self.given:
            return given
        if letter not in self.place.definitions:
            if letter in self.arguments:
                return given
            raise NotReadError(f"{letter} has no definition and is not given")
        defined = self.defined(letter, ["at", *indices])
        return f'("{identifier(letter)}" in at ? {given} : {defined})' if letter in self.formal else defined

    def index(self, node: Term) -> str:
        """A subscript as a number of the page."""
        if isinstance(node, Numeral):
            return node.text
        if isinstance(node, Name) and not node.subscripts:
            if node.printed in self.bound:
                return node.printed
            domain = self.place.scope.domains.get(node.printed, ("", ()))
            if domain[0] == "member" and node.printed in self.given:
                return f"at.{identifier(node.printed)}"
        raise NotReadError("a subscript that is no index")

    def from_zero(self, index: str) -> str:
        """A number of the page as a place in an array."""
        first = self.place.scope.first
        return index if not first else str(int(index) - first) if index.isdigit() else f"{index} - {first}"

    def call(self, node: Name, letter: str, indices: list[str]) -> str:
        """A function of the page, with its arguments as given numbers."""
        assert node.arguments is not None
        if letter not in self.place.definitions:
            raise NotReadError(f"{letter} has no definition")
        formal = self.place.definitions[letter].arguments
        if len(formal) != len(node.arguments):
            raise NotReadError(f"{letter} with {len(node.arguments)} arguments")
        pairs = [f"{identifier(name)}: {self.of(value)}" for name, value in zip(formal, node.arguments, strict=True)]
        return self.defined(letter, [f"{{ ...at, {', '.join(pairs)} }}", *indices])

    def defined(self, letter: str, arguments: list[str]) -> str:
        """A call of the function of a definition, which is translated when it is first used."""
        name, definition = identifier(letter), self.place.definitions[letter]
        if len(arguments) != 1 + len(definition.indices):
            raise NotReadError(f"{letter} as a whole, or with too many indices")
        if letter in self.open:
            raise NotReadError(f"{letter} is defined by itself")
        if letter in self.place.scope.ranges:
            raise NotReadError(f"{letter} is an index, and has a definition")
        if name not in self.functions:
            self.open.add(letter)
            before = self.bound, self.arguments
            self.bound, self.arguments = set(definition.indices), self.arguments | set(definition.arguments)
            code = self.function(definition)
            self.bound, self.arguments = before
            self.open.remove(letter)
            self.functions[name] = code
        return f"{name}({', '.join(arguments)})"

    def function(self, definition: Definition) -> str:
        """A definition as a function of `at` and its indices."""
        head = ", ".join(["at", *definition.indices])
        plain = [body for body, when in definition.rows if when == Condition()]
        return f"({head}) => {self.of(plain[0]) if plain else self.cases(definition.rows)}"

    def displayed(self, node: Term) -> str:
        """A derivative, by the last displayed equation for it that has a translation, or by the one that is chosen."""
        reason = "no displayed equation says what the derivative is"
        chosen = self.chosen.get(node)
        for term, number in reversed(self.place.equal_to(node)):
            if chosen is not None and number != chosen:
                continue
            before = dict(self.functions), set(self.open), set(self.bound), set(self.arguments)
            try:
                text = self.of(term)
            except NotReadError as error:
                self.functions, self.open, self.bound, self.arguments = before
                reason = str(error)
                continue
            self.numbers[node] = number
            return text
        raise NotReadError(reason)


def javascript(
    place: Displayed,
    exports: Mapping[str, str],
    given: Collection[str] | None = None,
    equations: Mapping[str, int] | None = None,
) -> tuple[str, dict[str, int]]:
    r"""Formulas of a page as JavaScript, and the numbers of the equations that give its derivatives.

    exports: a name for each formula, as in {"value": r"\\ell(y, \\hat y)"}; given: the letters that get numbers, None
    for all that the page gives; equations: the equation to take for a derivative, where the page has several. The text
    needs PRELUDE before it. NotReadError if a formula has no translation.

    >>> from reflosses import catalogue
    >>> from reflosses.teaching.displayed import displayed
    >>> (place,) = displayed(catalogue.page(catalogue.find_loss("Huber")), "huber")
    >>> text, numbers = javascript(place, {"grad": r"\frac{d\ell}{d\hat y}"})
    >>> print(text)
    (() => {
      const r = (at) => (at.yhat - at.y);
      const c = (at) => Math.min(Math.max(r(at), (-at.delta)), at.delta);
      return {
        grad: (at) => c(at),
      };
    })()
    >>> numbers
    {'grad': 4}
    """
    script = Script(place, given)
    terms = {name: place.term(formula) for name, formula in exports.items()}
    script.chosen = {terms[name]: number for name, number in (equations or {}).items()}
    text = script.text(terms)
    return text, {name: script.numbers[term] for name, term in terms.items() if script.numbers.get(term)}
