r"""A reader of the LaTeX of the derivation pages: from the text of a formula to a tree.

The grammar; a word in quotes is printed so, `\,` `\;` `\!` `\left` `\right` `\bigl` and their kind are left out:

    formula   = clause { separator clause } [ "\tag{" number "}" ]
    separator = "," | "\quad" | "\qquad" | "\text{or}"
    clause    = chain [ condition ]
    chain     = sum { relation sum }                 relation: = < > \le \ge \ne \approx \to \longrightarrow \in :=
    condition = "\text{for }" alternatives | "(" alternatives ")" | "(" name "\text{ constant}" ")"
    alternatives = conditions { "\text{ or }" conditions }
    conditions   = chain { "\text{ and }" chain }
    sum       = [ + | - ] product { ( + | - ) product }
    product   = power { [ "\cdot" | "/" | "\big/" ] power }
    power     = factor [ "^" ( "2" | "{" sum "}" | "{\mathsf T}" ) ]
    factor    = number | name | "(" list ")" | "[" sum "]" | "|" sum "|" | "\frac" sum sum | "\sqrt" sum
              | function power | "\max(" list ")" | "\max_" bounds power
              | "\sum" [ bounds ] product | "\nabla" [ "_" name ] power
              | derivative | cases | "\lim" bounds product | "\left." sum "\right|_" conditions | "\{" list "\}"
    bounds    = "_" index | "_{" chain "}" [ "^{" sum "}" ]      as in k, k \ne j, i = 1, R_l > 0
    name      = letter { "'" } [ "_" subscript ] { "'" } [ "(" list ")" ]
    derivative = "\frac{d" [ product ] "}{d" name "}" product | "d" power "/" "d" name, with d or \partial, and powers
    cases     = "\begin{cases}" { sum "&" condition "\\" } "\end{cases}"

A product ends where a condition begins: in "\log(1 + E) (z \ge 0)" the second bracket holds a relation. Only the names
that a page calls functions are applied: p(1 - p) is a product, \sigma(-z) is a call. e^x is the exponential, unless the
page has a name e. \delta with two subscripts is Kronecker's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reflosses.teaching.tree import (
    Applied,
    At,
    BigSum,
    Cases,
    Chain,
    Clause,
    Condition,
    Derivative,
    Limit,
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

LEFT_OUT = re.compile(r"\\[,;!: ]|\\(?:[bB]ig[lr]?g?|bigg[lr]?|left|right|displaystyle)(?![a-zA-Z])|\s+")
TOKEN = re.compile(
    r"\\(?:text|mathrm|mathsf|tag)\{[^}]*\}|\\(?:begin|end)\{\w+\}|\\left\.|\\right\|(?=_)"
    r"|\\[a-zA-Z]+|\\.|\d+(?:\.\d+)?|:=|\S"
)
RELATIONS = {"=", "<", ">", r"\le", r"\ge", r"\ne", r"\approx", r"\to", r"\longrightarrow", r"\in", ":="}
FUNCTIONS = {r"\log", r"\exp", r"\cosh", r"\sinh", r"\tanh", r"\mathrm{sign}"}
GREEK = {rf"\{n}" for n in ("alpha", "delta", "epsilon", "varepsilon", "ell", "gamma", "lambda", "pi", "rho", "sigma")}
GREEK |= {r"\beta", r"\tau", r"\Omega"}
CLOSING = {"(": ")", "[": "]", r"\{": r"\}", r"\lvert": r"\rvert"}
SEPARATORS = {",", r"\quad", r"\qquad"}


# ---- the reader ------------------------------------------------------------------------------------------------------


def tokens(text: str) -> list[str]:
    """The words of a formula, without spaces and sizes.

    >>> tokens(r"\\tfrac12 \\bigl(r^2\\,\\bigr)")
    ['\\\\tfrac', '12', '(', 'r', '^', '2', ')']
    """
    words = []
    position = 0
    while position < len(text):
        if word := re.compile(r"\\left\.|\\right\|(?=_)").match(text, position):
            words.append(word[0])
        elif word := LEFT_OUT.match(text, position):
            pass
        elif word := TOKEN.match(text, position):
            words.append(word[0])
        else:
            raise NotReadError(f"no word begins at {text[position:][:10]!r}")
        position = word.end()
    return words


def spelled(words: list[str]) -> str:
    """Words put together again; a space only where a command and a letter would run into each other."""
    return re.sub(r"(\\[a-zA-Z]+) (?![a-zA-Z])", r"\1", " ".join(words)).replace("} ", "}").replace("{ ", "{")


def _plain(word: str) -> str:
    """`\\text{ for }` as "for"; any other word as it is."""
    return word[word.index("{") + 1 : -1].strip() if word.startswith((r"\text{", r"\tag{")) else word


class _Reader:
    """Reads one formula, word by word."""

    def __init__(self, text: str, functions: frozenset[str] = frozenset(), letters: frozenset[str] = frozenset()):
        self.words = tokens(text)
        self.functions = functions
        self.letters = letters
        self.at = 0
        self.bars = 0

    # ---- words

    @property
    def word(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def take(self, *expected: str) -> str:
        word = self.word
        if not word or (expected and word not in expected):
            raise NotReadError(f"{word or 'the end'} where {' or '.join(expected) or 'a word'} is due")
        self.at += 1
        return word

    def have(self, *words: str) -> bool:
        if self.word in words and self.word:
            self.at += 1
            return True
        return False

    def digit(self) -> None:
        """Split a number such as the 12 of \\tfrac12: TeX takes one digit."""
        if len(self.word) > 1 and self.word[0].isdigit():
            self.words[self.at : self.at + 1] = [self.word[0], self.word[1:]]

    def closing(self, start: int) -> int:
        """The place of the bracket that closes the one at `start`."""
        depth = 0
        for place in range(start, len(self.words)):
            depth += (self.words[place] in ("(", "[", "{")) - (self.words[place] in (")", "]", "}"))
            if depth == 0:
                return place
        raise NotReadError("a bracket is left open")

    # ---- clauses

    def formula(self) -> list[Clause]:
        """All clauses of the formula."""
        clauses = []
        other = False
        while self.word:
            clauses.append(Clause(self.chain(), self.condition(), other))
            other = False
            while self.word in SEPARATORS or _plain(self.word) == "or" or self.word.startswith(r"\tag"):
                other = other or _plain(self.word) == "or"
                self.take()
            if self.word and self.words[self.at - 1] not in SEPARATORS and not other:
                raise NotReadError(f"{self.word} where the clause should end")
        return clauses

    def chain(self) -> Chain:
        sides, relations = [self.sum()], []
        while self.word in RELATIONS:
            relations.append(self.take())
            sides.append(self.sum())
        return Chain(tuple(sides), tuple(relations))

    def condition(self) -> Condition:
        """What stands after a chain: "for z ≥ 0", "(z ≥ 0)", "(w constant)", or nothing."""
        start = self.at
        while self.have(r"\quad", r"\qquad"):
            pass
        if _plain(self.word) in ("for", "where", "if"):
            self.take()
            return self.alternatives()
        if self.holds_relation():
            self.take("(")
            found = self.alternatives()
            self.take(")")
            return found
        self.at = start
        return Condition()

    def alternatives(self) -> Condition:
        found, every = [self.fact()], []
        while (word := _plain(self.word)) in ("and", "or"):
            self.take()
            if word == "or":
                every.append(tuple(found))
                found = []
            found.append(self.fact())
        return Condition((*every, tuple(found)))

    def fact(self) -> Chain | Name:
        if self.at + 1 < len(self.words) and _plain(self.words[self.at + 1]) == "constant":
            name = self.name()
            self.take()
            return name
        return self.chain()

    def holds_relation(self) -> bool:
        """Whether here begins a bracket that is a condition: it has a relation of its own."""
        if self.word != "(":
            return False
        depth = 0
        for word in self.words[self.at : self.closing(self.at)]:
            depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
            if depth == 1 and (word in RELATIONS or _plain(word) == "constant"):
                return True
        return False

    # ---- sums and products

    def sum(self) -> Term:
        terms = []
        sign = -1 if self.word == "-" else 1
        self.have("+", "-")
        terms.append((sign, self.product()))
        while self.word in ("+", "-"):
            terms.append((1 if self.take() == "+" else -1, self.product()))
        return terms[0][1] if terms == [(1, terms[0][1])] else Sum(tuple(terms))

    def product(self) -> Term:
        factors = [(False, self.power())]
        while True:
            if self.have("/"):
                factors.append((True, self.power()))
            elif self.have(r"\cdot") or self.begins_factor():
                factors.append((False, self.power()))
            else:
                return factors[0][1] if len(factors) == 1 else Product(tuple(factors))

    def begins_factor(self) -> bool:
        word = self.word
        if word == "(":
            return not self.holds_relation()
        if word == "|":
            return not self.bars
        known = {r"\frac", r"\tfrac", r"\sqrt", r"\sum", r"\max", r"\min", r"\nabla", r"\hat", r"\partial", r"\lim"}
        known |= {"[", r"\lvert", r"\left.", r"\begin{cases}"} | GREEK | FUNCTIONS
        return word in known or word[:1].isalnum() or word.startswith(r"\mathrm{")

    def power(self) -> Term:
        base = self.factor()
        while self.have("^"):
            if self.word == "{" and self.words[self.at + 1 : self.at + 3] == [r"\mathsf", "T"]:
                self.at += 4
                base = Power(base, None)
            elif base == Name("e") and "e" not in self.letters:
                base = Applied(r"\exp", (self.group(),))
            else:
                base = Power(base, self.group())
        return base

    def group(self) -> Term:
        """What TeX takes as one argument: `{...}`, or a single word."""
        if self.have("{"):
            found = self.sum()
            self.take("}")
            return found
        self.digit()
        if self.word[:1].isdigit():
            return Numeral(self.take())
        return self.name(call=False)

    def listed(self, end: str) -> tuple[Term, ...]:
        bars, self.bars = self.bars, 0
        items = [self.sum()]
        while self.have(","):
            self.have(r"\quad", r"\qquad")
            items.append(self.sum())
        self.take(end)
        self.bars = bars
        return tuple(items)

    # ---- factors

    def factor(self) -> Term:
        word = self.word
        if word in ("(", "[", r"\{"):
            items = self.listed(CLOSING[self.take()])
            return items[0] if len(items) == 1 and word != r"\{" else Row(items)
        if word == "|":
            self.take()
            self.bars += 1
            inside = self.sum()
            self.take("|")
            self.bars -= 1
            return Applied("abs", (inside,))
        if word == r"\lvert":
            self.take()
            return Applied("norm", self.listed(r"\rvert"))
        if word[:1].isdigit():
            return Numeral(self.take())
        if word in ("d", r"\partial"):
            return self.slashed_derivative() if word not in self.letters else self.name()
        readers = {r"\frac": self.fraction, r"\tfrac": self.fraction, r"\sum": self.big_sum, r"\lim": self.limit}
        readers |= {r"\nabla": self.gradient, r"\begin{cases}": self.cases, r"\left.": self.value_at}
        if word in readers:
            self.take()
            return readers[word]()
        if word == r"\sqrt":
            self.take()
            return Applied(word, (self.group(),))
        if word in (r"\max", r"\min"):
            self.take()
            if self.word == "_":
                return self.big_sum(word)
            self.take("(")
            return Applied(word, self.listed(")"))
        if word in FUNCTIONS:
            self.take()
            exponent = self.group() if self.have("^") else None
            call = Applied(word, (self.power(),))
            return call if exponent is None else Power(call, exponent)
        return self.name()

    def name(self, call: bool = True) -> Name:
        letter = self.take()
        if letter == r"\hat":
            letter += " " + self.take()
        elif not (re.fullmatch(r"[a-zA-Z]", letter) or letter in GREEK or letter.startswith(r"\mathrm{")):
            raise NotReadError(f"{letter} where a name is due")
        primes = self.primes()
        subscripts: tuple[Term, ...] = ()
        subscript = ""
        if self.have("_"):
            start = self.at
            subscripts = tuple(self.subscripts())
            subscript = spelled(self.words[start : self.at]).strip("{}")
        primes += self.primes()
        arguments = None
        if call and letter in self.functions and self.word == "(" and not self.holds_relation():
            self.take("(")
            arguments = self.listed(")")
        return Name(letter, subscripts, subscript, primes, arguments)

    def primes(self) -> int:
        count = 0
        while self.have("'"):
            count += 1
        return count

    def subscripts(self) -> Iterator[Term]:
        """Indices side by side, `ln`, or a label, `\\min`."""
        if not self.have("{"):
            yield self.one_subscript()
            return
        while not self.have("}"):
            yield self.one_subscript()

    def one_subscript(self) -> Term:
        self.digit()
        if self.word[:1].isdigit():
            return Numeral(self.take())
        if self.word in (r"\min", r"\max") or self.word.startswith(r"\text{"):
            return Name(self.take())
        return self.name(call=False)

    def fraction(self) -> Term:
        start = self.at
        if self.word == "{" and self.words[self.at + 1] in ("d", r"\partial"):
            self.take()
            try:
                return self.differential()
            except NotReadError as reason:
                if "orders" in str(reason):
                    raise
            self.at = start
        return Product(((False, self.group()), (True, self.group())))

    def differential(self) -> Term:
        """The rest of \\frac{d X}{d v}; NotReadError if there is no differential above or below the bar."""
        sign = self.take(*({"d", r"\partial"} - self.letters))
        order = self.order()
        body = None if self.word == "}" else self.product()
        self.take("}")
        self.take("{")
        if self.word != sign:
            raise NotReadError("no differential below the bar")
        by = self.names_below(sign, order)
        self.take("}")
        return Derivative(sign != "d", self.product() if body is None else body, by)

    def order(self) -> int:
        if not self.have("^"):
            return 1
        self.digit()
        return int(self.take())

    def names_below(self, sign: str, order: int) -> tuple[Name, ...]:
        by: list[Name] = []
        while self.have(sign):
            name = self.name(call=False)
            by += [name] * self.order()
        if len(by) != order:
            raise NotReadError("the orders above and below the bar differ")
        return tuple(by)

    def slashed_derivative(self) -> Term:
        """dX/dv in a line of text."""
        sign = self.take()
        order = self.order()
        body = None if self.word == "/" else self.power()
        self.take("/")
        if self.word != sign:
            raise NotReadError(f"{sign} without a second {sign}")
        by = self.names_below(sign, order)
        return Derivative(sign != "d", self.product() if body is None else body, by)

    def big_sum(self, function: str = r"\sum") -> Term:
        index, condition, upper = "", None, None
        if self.have("_"):
            if self.have("{"):
                chain = self.chain()
                self.take("}")
                first, condition = chain.sides[0], chain if chain.relations else None
            else:
                first = self.name(call=False)
            if not isinstance(first, Name):
                raise NotReadError("a sum over something other than an index")
            index = "" if first.subscripts else first.printed
        if self.have("^"):
            upper = self.group()
        return BigSum(function, index, condition, upper, self.product() if function == r"\sum" else self.power())

    def limit(self) -> Term:
        self.take("_")
        self.take("{")
        name = self.name(call=False)
        side = -1 if self.take(r"\uparrow", r"\downarrow") == r"\uparrow" else 1
        self.take("0")
        self.take("}")
        return Limit(name, side, self.product())

    def gradient(self) -> Term:
        by, order = None, 1
        if self.have("_"):
            braced = self.have("{")
            by = self.name(call=False)
            if braced:
                self.take("}")
        if self.word == "^":
            order = self.order()
        return Nabla(by, order, self.power())

    def cases(self) -> Term:
        rows = []
        while not self.have(r"\end{cases}"):
            value = self.sum()
            self.take("&")
            if _plain(self.word) == "for":
                self.take()
            rows.append((value, self.alternatives()))
            self.have("\\\\")
        return Cases(tuple(rows))

    def value_at(self) -> Term:
        body = self.sum()
        self.take(r"\right|")
        self.take("_")
        self.take("{")
        point = self.alternatives()
        self.take("}")
        return At(body, point)


NONE: frozenset[str] = frozenset()


def clauses_of(text: str, functions: frozenset[str] = NONE, letters: frozenset[str] = NONE) -> list[Clause]:
    """The clauses of a formula. functions: the names that are applied; letters: names that are not e, d or ∂.

    NotReadError if the text is outside the grammar.

    >>> (clause,) = clauses_of(r"c = \\min(\\max(r, -\\delta), \\delta)")
    >>> clause.chain.relations
    ('=',)
    """
    return _Reader(text, functions, letters).formula()
