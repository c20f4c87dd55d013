r"""A reader of answers as people type them: `2*r`, `σ(z) − y`, `r if abs(r) < delta else delta*sign(r)`.

Nothing is ever executed: the text becomes a tree, the same that the reader of the pages makes of LaTeX. The grammar:

    answer     = sum [ "if" condition "else" answer ]
    condition  = comparison { "and" comparison }
    comparison = sum { ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) sum }
    sum        = product { ( "+" | "-" ) product }
    product    = sign { [ "*" | "/" ] sign }             without a sign between them: 2r, 2(p - y), y log p
    sign       = { "+" | "-" } power
    power      = factor [ ( "^" | "**" ) sign ]
    factor     = number | name [ subscript ] | function "(" answer { "," answer } ")" | log factor
               | "(" answer ")" | "[" answer "]" | "|" sum "|" | "where" "(" condition "," answer "," answer ")"
    name       = letters, of which some stand behind "_" or in brackets: p_k, p[k], y_hat

A text with a backslash is read as LaTeX. Length, nesting, sums in sums and the digits of numbers are bounded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from reflosses.teaching.latex import CLOSING, clauses_of
from reflosses.teaching.tree import (
    Applied,
    BigSum,
    Cases,
    Chain,
    Condition,
    Name,
    NotReadError,
    Numeral,
    Power,
    Product,
    Sum,
    Term,
)

LONGEST = 400  # characters
DEEPEST = 25  # brackets in brackets
MOST_SUMS = 2  # sums in sums
TOKEN = re.compile(
    r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[^\W\d]\w*|\*\*|<=|>=|==|!=|[-+*/^<>()\[\],|=]", re.ASCII
)
NUMBER = re.compile(r"(?=.{1,20}\Z)(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?")
SPELLED = {
    "−": "-",
    "–": "-",
    "·": "*",
    "×": "*",
    "∙": "*",
    "⋅": "*",
    "÷": "/",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "½": "(1/2)",
    "¼": "(1/4)",
    "²": "^2",
    "³": "^3",
    "⁻¹": "^(-1)",
    "∑": "sum",
    "Σ": "sum",
    "√": "sqrt",
    "{": "(",
    "}": ")",
    ";": ",",
}
GREEK = {
    "α": "alpha",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "σ": "sigma",
    "ρ": "rho",
    "π": "pi",
    "Ω": "Omega",
    "ℓ": "ell",
    "λ": "lambda",
}
LOW = dict(zip("ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "aehijklmnoprstuvx", strict=True))
RELATIONS = {"<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne", "=": "="}
OPPOSITE = {"<": r"\ge", r"\le": ">", ">": r"\le", r"\ge": "<", "=": r"\ne", r"\ne": "="}
ONE = Numeral("1")

PREFIX = re.compile(r"\s*(?:d|∂|grad|partial)[^=<>!]{0,40}=(?!=)")  # "dl/dyhat = …"


def _minus(x: Term) -> Term:
    return Sum(((-1, x),))


def _exp(x: Term) -> Term:
    return Applied(r"\exp", (x,))


def _sigmoid(x: Term) -> Term:
    return Product(((False, ONE), (True, Sum(((1, ONE), (1, _exp(_minus(x))))))))


def _log(x: Term) -> Term:
    return Applied(r"\log", (x,))


def _plus_one(x: Term) -> Term:
    return Sum(((1, ONE), (1, x)))


FUNCTIONS: dict[str, Callable[[Term], Term]] = {
    **dict.fromkeys(("log", "ln"), _log),
    "exp": _exp,
    "sqrt": lambda x: Applied(r"\sqrt", (x,)),
    "abs": lambda x: Applied("abs", (x,)),
    **dict.fromkeys(("sign", "sgn"), lambda x: Applied(r"\mathrm{sign}", (x,))),
    **dict.fromkeys(("sigmoid", "sigma", "expit"), _sigmoid),
    "softplus": lambda x: _log(_plus_one(_exp(x))),
    "log1p": lambda x: _log(_plus_one(x)),
    "tanh": lambda x: Applied(r"\tanh", (x,)),
    "square": lambda x: Power(x, Numeral("2")),
    "softmax": lambda x: Product(((False, _exp(x)), (True, BigSum(r"\sum", "", None, None, _exp(x))))),
    "relu": lambda x: Applied(r"\max", (Numeral("0"), x)),
}
MANY = {"max": r"\max", "maximum": r"\max", "min": r"\min", "minimum": r"\min"}
WITHOUT_BRACKETS = {"log", "ln", "sign", "exp", "sqrt"}  # log p
RESERVED = {*FUNCTIONS, *MANY, "clip", "where", "sum", "if", "else", "and"}


def read_answer(text: str, names: frozenset[str], latex_functions: frozenset[str] = frozenset()) -> Term:
    r"""The tree of an answer; its names are still as they were typed, the Greek ones as `delta`.

    names: those that may be followed by a bracket without being a function: y(1 - p) is a product.
    NotReadError, with the reason, for a text that is outside the grammar, too long, too deep, or has too long a number.

    >>> read_answer("|2|", frozenset())
    Applied(function='abs', arguments=(Numeral(text='2'),))
    """
    if len(text) > LONGEST:
        raise NotReadError(f"it has {len(text)} characters; at most {LONGEST} are read")
    if not text.strip():
        raise NotReadError("it is empty")
    text = unicodedata.normalize("NFC", text).replace("ŷ", "yhat")
    text = PREFIX.sub("", text, count=1)
    _check_depth(text)
    if "\\" in text:
        return _of_latex(text, latex_functions)
    for sign, plain in SPELLED.items():
        text = text.replace(sign, plain)
    for sign, plain in GREEK.items():
        text = re.sub(rf"{sign}(?=[a-zA-Z])", f"{plain} ", text).replace(sign, plain)
    for sign, plain in LOW.items():
        text = text.replace(sign, f"_{plain}")
    return _Reader(_words(text), names).whole()


def _check_depth(text: str) -> None:
    depth = 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if depth > DEEPEST:
            raise NotReadError(f"more than {DEEPEST} brackets are open at once")


def _words(text: str) -> list[str]:
    words, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = TOKEN.match(text, at)
        if found is None:
            raise NotReadError(f"{text[at]!r} has no meaning here")
        if found[0][0].isdigit() and not NUMBER.fullmatch(found[0]):
            raise NotReadError(f"{found[0][:24]} has too many digits")
        words.append(found[0])
        at = found.end()
    return words


def _of_latex(text: str, functions: frozenset[str]) -> Term:
    r"""LaTeX, by the reader of the pages; of an equation the last side."""
    text = text.strip().strip("$").strip("`").replace("yhat", r"\hat y")
    text = re.sub(r"\\d?frac(?![a-z])", r"\\frac", text)
    text = re.sub(r"\\(?:operatorname|mathrm|text)\{(sign|sgn)\}", r"\\mathrm{sign}", text)
    text = re.sub(r"\\hat\{(\w)\}", r"\\hat \1", text).replace(r"\ln", r"\log")
    text = re.sub(r"\\times(?![a-z])", r"\\cdot", text)
    try:
        clauses = clauses_of(text, functions)
    except (RecursionError, ValueError, IndexError):
        raise NotReadError("this LaTeX is not read") from None
    if len(clauses) != 1:
        raise NotReadError("one formula is due")
    return clauses[0].chain.sides[-1]


class _Reader:
    """Reads the words of an answer from left to right."""

    def __init__(self, words: list[str], names: frozenset[str]):
        self.words = words
        self.names = names
        self.at = 0
        self.bars = 0
        self.sums = 0
        self.depth = 0

    @property
    def word(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def have(self, *words: str) -> bool:
        if self.word and self.word in words:
            self.at += 1
            return True
        return False

    def take(self, word: str) -> None:
        if not self.have(word):
            raise NotReadError(f"{self.word or 'the end'} stands where {word} is due")

    def whole(self) -> Term:
        found = self.answer()
        if self.word:
            word = "a comma or a semicolon" if self.word == "," else self.word
            raise NotReadError(f"{word} stands where the answer should end")
        return found

    def answer(self) -> Term:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotReadError(f"it is nested more than {DEEPEST} deep")
        found = self.sum()
        if self.have("if"):
            condition = self.condition()
            self.take("else")
            found = _cases(condition, found, self.answer())
        self.depth -= 1
        return found

    def condition(self) -> Condition:
        chains = [self.comparison()]
        while self.have("and"):
            chains.append(self.comparison())
        return Condition((tuple(chains),))

    def comparison(self) -> Chain:
        sides, relations = [self.sum()], []
        while self.word in RELATIONS:
            relations.append(RELATIONS[self.word])
            self.at += 1
            sides.append(self.sum())
        if not relations:
            raise NotReadError("a condition such as r < delta is due")
        return Chain(tuple(sides), tuple(relations))

    def sum(self) -> Term:
        terms = [(1, self.product())]
        while self.word in ("+", "-"):
            sign = 1 if self.word == "+" else -1
            self.at += 1
            terms.append((sign, self.product()))
        return terms[0][1] if len(terms) == 1 else Sum(tuple(terms))

    def product(self) -> Term:
        factors = [(False, self.sign())]
        while True:
            if self.have("*"):
                factors.append((False, self.sign()))
            elif self.have("/"):
                factors.append((True, self.sign()))
            elif self.begins_factor():
                factors.append((False, self.power()))
            else:
                return factors[0][1] if len(factors) == 1 else Product(tuple(factors))

    def begins_factor(self) -> bool:
        """Whether the next word is a factor, so that a product needs no sign: 2r, (1 − p)(1 − y)."""
        word = self.word
        if word == "|":
            return not self.bars
        return word == "(" or (word[:1].isalnum() and word not in ("if", "else", "and"))

    def sign(self) -> Term:
        negative = False
        while self.word in ("+", "-"):
            negative ^= self.word == "-"
            self.at += 1
        found = self.power()
        return _minus(found) if negative else found

    def power(self) -> Term:
        base = self.factor()
        if self.have("^", "**"):
            self.depth += 1
            if self.depth > DEEPEST:
                raise NotReadError(f"it is nested more than {DEEPEST} deep")
            base = Power(base, self.sign())
            self.depth -= 1
        return base

    def factor(self) -> Term:
        word = self.word
        if word in ("(", "["):
            self.at += 1
            bars, self.bars = self.bars, 0
            found = self.answer()
            self.take(CLOSING[word])
            self.bars = bars
            return found
        if word == "|":
            self.at += 1
            self.bars += 1
            if self.bars > DEEPEST:
                raise NotReadError(f"it is nested more than {DEEPEST} deep")
            found = Applied("abs", (self.sum(),))
            self.take("|")
            self.bars -= 1
            return found
        if word[:1].isdigit() or word[:1] == ".":
            self.at += 1
            return Numeral(word)
        if not word or not (word[0].isalpha() or word[0] == "_"):
            raise NotReadError(f"{word or 'the end'} stands where a number or a letter is due")
        self.at += 1
        return self.named(word)

    def named(self, word: str) -> Term:
        """A function with its arguments, or a name."""
        if word in self.names and word not in ("sum", "max", "min"):
            return self.name(word)
        if word == "sum" or word.startswith("sum_"):
            return self.summed(word.partition("_")[2])
        if word in WITHOUT_BRACKETS and self.word != "(":
            return FUNCTIONS[word](self.power())
        if word in RESERVED:
            if word == "where":
                return self.where()
            return _applied(word, self.arguments())
        if self.word == "(" and len(word) > 2 and "_" not in word:
            raise NotReadError(f"{word} is no function that is read")
        return self.name(word)

    def name(self, word: str) -> Name:
        letter, *subscripts = word.split("_")
        if not letter or len(word) > 24:
            raise NotReadError(f"{word[:24]} is no name")
        if word.replace("_", "") == "yhat" or (subscripts and subscripts[0] == "hat"):
            letter, subscripts = "yhat", subscripts[1:]
        if self.word == "[":
            self.take("[")
            subscripts = []
            while not self.have("]"):
                subscripts.append(self.word)
                self.at += 1
                self.have(",")
                if len(subscripts) > 2:
                    raise NotReadError("a name has at most two subscripts")
        if not all(re.fullmatch(r"[a-zA-Z]{1,2}\d?|\d", s) for s in subscripts):
            raise NotReadError(f"{word[:24]} has a subscript that is no letter")
        letters = [s for subscript in subscripts for s in subscript]
        return Name(letter, tuple(map(Name, letters)), "".join(letters))

    def arguments(self) -> list[Term]:
        self.take("(")
        bars, self.bars = self.bars, 0
        found = [self.answer()]
        while self.have(","):
            found.append(self.answer())
        self.take(")")
        self.bars = bars
        return found

    def summed(self, index: str) -> Term:
        self.sums += 1
        if self.sums > MOST_SUMS:
            raise NotReadError(f"more than {MOST_SUMS} sums are nested")
        body = self.arguments()[0] if self.word == "(" else self.product()
        self.sums -= 1
        return BigSum(r"\sum", index, None, None, body)

    def where(self) -> Term:
        self.take("(")
        condition = self.condition()
        self.take(",")
        one = self.answer()
        self.take(",")
        other = self.answer()
        self.take(")")
        return _cases(condition, one, other)


def _applied(word: str, arguments: list[Term]) -> Term:
    if word in MANY and len(arguments) > 1:
        return Applied(MANY[word], tuple(arguments))
    if word == "clip" and len(arguments) == 3:
        x, low, high = arguments
        return Applied(r"\min", (Applied(r"\max", (x, low)), high))
    if word not in FUNCTIONS or len(arguments) != 1:
        raise NotReadError(f"{word} with {len(arguments)} argument{'s' * (len(arguments) != 1)}")
    return FUNCTIONS[word](arguments[0])


def _cases(condition: Condition, one: Term, other: Term) -> Term:
    """One value where a condition holds, another where it does not."""
    (chains,) = condition.alternatives
    fails = []
    for chain in chains:
        if not isinstance(chain, Chain):
            raise NotReadError("a condition is due")
        for left, relation, right in zip(chain.sides, chain.relations, chain.sides[1:], strict=False):
            fails.append((Chain((left, right), (OPPOSITE[relation],)),))
    return Cases(((one, condition), (other, Condition(tuple(fails)))))
