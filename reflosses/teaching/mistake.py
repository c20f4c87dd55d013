"""What is wrong with an answer of the quiz, in the letters of the page.

The answer and the gradient are two rows of exact numbers. A mistake is named if a small change makes one of them the
other: a constant factor, a letter of the page as a factor or a term, a sign, an exponent, a part of the page's own
formula that is left out, a condition under which the answer is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from reflosses.teaching.evaluate import Definition, indices_in
from reflosses.teaching.expression import FUNCTIONS
from reflosses.teaching.question import Found, GradientQuestion, alike
from reflosses.teaching.tree import (
    Applied,
    Cases,
    Condition,
    Derivative,
    Name,
    NotReadError,
    Numeral,
    Power,
    Product,
    Sum,
    Term,
    mapped,
)

CONDITIONS = (  # under which an answer may be right, if the page has the letters
    *("j == t", "y == 1", "y == 0", "y > 0", "r > 0", "r < 0", "e > 0", "z > 0", "yhat > 0"),
    *("abs(r) < delta", "abs(e) < delta", "y*yhat < 1", "r > -delta", "r < delta"),
)
NO_VALUE = "a division by 0, the logarithm of a negative number, or a number that is too large"
ONE, TWO = Numeral("1"), Numeral("2")


class Mistake:
    """An answer against the gradient."""

    def __init__(self, question: GradientQuestion, answer: Term, found: Sequence[Sequence[Found]]):
        self.question = question
        self.answer = answer
        self.text = question.text
        self.mine = [number for values in found for number, _ in values]
        self.due = [number for sample in question.samples for number in sample.grad]
        self.due_or_none: list[Decimal | None] = [*self.due]

    def sentences(self) -> Iterator[str]:
        """What is wrong, in words; nothing if no small change explains it."""
        if all(number is None for number in self.mine):
            yield f"Your answer has no value at any point: {NO_VALUE}."
            return
        if None in self.mine:
            yield f"At some points your answer has no value: {NO_VALUE}."
        tries = (self.constant, self.exchanged, self.another, self.left_out, self.nearly, self.factor, self.term)
        for kind in (*tries, self.equation, self.piece):
            if said := next(kind(), ""):
                yield said
                return

    # ---- numbers

    def numbers(self, formula: Term) -> Iterator[Decimal | None]:
        """A formula at all points; None where it has no value."""
        for sample in self.question.samples:
            try:
                numbers = [number for number, _ in self.question.values(formula, sample)]
            except NotReadError:  # a letter has no number, as α without a parameter
                numbers = [None] * len(sample.grad)
            yield from numbers

    def is_row(self, formula: Term, wanted: Sequence[Decimal | None]) -> bool:
        """Whether a formula has these numbers, where both have one, and that is at most of the points."""
        both = 0
        for one, other in zip(self.numbers(formula), wanted, strict=True):
            if one is not None and other is not None:
                both += 1
                if not alike(one, other):
                    return False
        return 2 * both > len(wanted)

    @property
    def pairs(self) -> list[tuple[Decimal, Decimal]]:
        """The answer and the gradient where the answer has a value."""
        return [(mine, due) for mine, due in zip(self.mine, self.due, strict=True) if mine is not None]

    # ---- the mistakes

    def constant(self) -> Iterator[str]:
        """A constant factor, such as −1 or 2."""
        pairs = self.pairs
        if all(mine == 0 for mine, _ in pairs):
            yield "Your answer is 0 everywhere."
            return
        ratios = [mine / due for mine, due in pairs if due]
        if not ratios or any(mine for mine, due in pairs if not due):
            return
        if not all(alike(ratio, ratios[0]) for ratio in ratios):
            return
        factor = Fraction(float(ratios[0])).limit_denominator(99)
        if not factor or not alike(Decimal(factor.numerator) / factor.denominator, ratios[0]):
            return
        turned = " The sign is turned, too." if factor < 0 else ""
        if factor == -1:
            yield "The sign is turned: your answer is minus the gradient. Which of the two is subtracted?"
        elif abs(factor) > 1:
            yield f"A factor {abs(factor)} is too much: your answer is {factor} times the gradient.{turned}"
        else:
            yield f"A factor {1 / abs(factor)} is missing: your answer is {factor} times the gradient.{turned}"

    def exchanged(self) -> Iterator[str]:
        """The target and the prediction in each other's place."""
        lesson = self.question.lesson
        y, yhat = lesson.target.letter, lesson.prediction.letter
        if lesson.domains[y] != lesson.domains[yhat]:
            return
        found: list[Decimal | None] = []
        for sample in self.question.samples:
            units = [{**unit, y: unit[yhat], yhat: unit[y]} for unit in sample.units]
            found += [number for number, _ in self.question.values(self.answer, sample, units)]
        both = [(a, b) for a, b in zip(found, self.due, strict=True) if a is not None]
        if 2 * len(both) > len(found) and all(alike(a, b) for a, b in both):
            yield f"{self.text(Name(y))} and {self.text(Name(yhat))} have changed places."

    def another(self) -> Iterator[str]:
        """The loss itself, its second derivative, or its derivative by another letter of the page."""
        lesson = self.question.lesson
        for formula, what in ((lesson.value, "the loss itself"), (lesson.curvature, "the second derivative")):
            if formula is not None and not self.is_longer(formula) and self.is_row(formula, self.mine):
                yield f"Your answer is {what}, not the first derivative."
        if not isinstance(lesson.grad, Derivative):
            return
        for letter, definition in lesson.taught.items():
            name = self.letter_name(letter, definition)
            if name is not None and letter != lesson.value_letter:
                inner = Derivative(True, lesson.grad.body, (name,))
                if not self.is_row(inner, self.due) and self.is_row(inner, self.mine):
                    word, by = self.text(name), self.text(lesson.prediction)
                    yield f"Your answer is the derivative by {word}. The chain rule has one factor more: d{word}/d{by}."

    def is_longer(self, formula: Term) -> bool:
        """Whether a formula has indices that the question does not have."""
        return bool(indices_in(formula, self.question.lesson.ranges) - set(self.question.index))

    def letter_name(self, letter: str, definition: Definition) -> Name | None:
        """A letter of the page with the indices of the question; None if it has others, or arguments."""
        original = self.question.lesson.original
        kinds = {original[name]: name for name in self.question.index}
        wanted = [original[name] for name in definition.indices]
        if definition.arguments or not set(wanted) <= kinds.keys():
            return None
        head, _, label = letter.partition("_")
        indices = tuple(Name(kinds[kind]) for kind in wanted)
        return Name(head, indices or ((Name(label),) if label else ()), label or "".join(i.letter for i in indices))

    def left_out(self) -> Iterator[str]:
        """A part of the page's formula that the answer lacks, or has otherwise."""
        for _, side in self.question.equations:
            for change in changes(side):
                if not isinstance(change.part, Numeral) and self.is_row(change.result, self.mine):
                    yield change.found(self.text)
                    return
            yield from self.instead(side)

    def instead(self, side: Term) -> Iterator[str]:
        """The prediction, or its sigmoid, in place of another name of the page's formula."""
        lesson = self.question.lesson
        if len(set(self.mine)) == 1:  # sign(σ(ŷ)) is 1, too
            return
        for name in dict.fromkeys(_names_of(side)):
            if name.letter == lesson.prediction.letter:
                continue
            plain = Name(lesson.prediction.letter, *((name.subscripts, name.subscript) if lesson.indices else ()))
            shown = self.text(plain)
            for new, words in ((plain, shown), (FUNCTIONS["sigmoid"](plain), f"σ({shown})")):
                if self.is_row(_with(side, name, new), self.mine):
                    yield f"There is {words} in place of {self.text(name)}."
                    return

    def nearly(self) -> Iterator[str]:
        """A change of the answer that makes it right."""
        lesson = self.question.lesson
        for change in changes(self.answer, self.small_letters()):
            if self.is_row(change.result, self.due_or_none):
                yield change.advice(self.text)
                return
        for old, new in ((lesson.prediction, lesson.target), (lesson.target, lesson.prediction)):
            if len(old.subscripts) == len(new.subscripts):
                renamed = self.answer
                for name in dict.fromkeys(_names_of(self.answer)):
                    if name.letter == old.letter:
                        renamed = _with(renamed, name, Name(new.letter, name.subscripts, name.subscript))
                if renamed != self.answer and self.is_row(renamed, self.due_or_none):
                    yield f"With {self.text(Name(new.letter))} in place of {self.text(Name(old.letter))} it is right."
                    return

    def small_letters(self) -> list[Term]:
        """The parameters of the loss, which are easily forgotten as a factor."""
        lesson = self.question.lesson
        return [lesson.target, *(name for name in lesson.parameters.values() if not name.subscripts)]

    def letters(self) -> Iterator[tuple[str, Term]]:
        """The letters that may be typed, each with what the page has of it."""
        done: set[Term] = set()
        for word in self.question.spellings:
            try:
                formula = self.question.read(word)
            except NotReadError:
                continue
            if formula not in done and getattr(formula, "letter", "") != self.question.lesson.value_letter:
                done.add(formula)
                yield (self.text(formula) if isinstance(formula, Name) else word), formula

    def made_of_letters(self) -> Iterator[tuple[str, Term]]:
        """Each letter, and what is often made of it."""
        for shown, formula in self.letters():
            less = Sum(((1, ONE), (-1, formula)))
            yield shown, formula
            yield f"1 − {shown}", less
            yield f"{shown} (1 − {shown})", Product(((False, formula), (False, less)))
            yield f"{shown}²", Power(formula, TWO)

    def factor(self) -> Iterator[str]:
        """A letter that is a factor too much, or too little."""
        pairs = list(zip(self.mine, self.due, strict=True))
        ratios = [mine / due if mine and due else None for mine, due in pairs]
        if any((mine == 0) != (due == 0) for mine, due in pairs) or 3 * sum(map(bool, ratios)) < len(pairs):
            return
        inverse = [None if ratio is None else 1 / ratio for ratio in ratios]
        for shown, formula in self.made_of_letters():
            for times, start in ((1, ""), (2, "2 "), (-1, "−"), (-2, "−2 ")):
                several = (
                    formula if times == 1 else Product(((False, Sum(((1, Numeral(str(times))),))), (False, formula)))
                )
                if self.is_row(several, ratios):
                    yield f"The factor {start}{shown} is too much."
                    return
                if self.is_row(several, inverse):
                    yield f"The factor {start}{shown} is missing."
                    return

    def term(self) -> Iterator[str]:
        """A letter that is a term too little."""
        rest = [None if mine is None else due - mine for mine, due in zip(self.mine, self.due, strict=True)]
        for shown, formula in self.made_of_letters():
            for sign, start in ((1, ""), (-1, "−")):
                if self.is_row(Sum(((sign, formula),)), rest):
                    yield f"The term {start}{shown} is missing."
                    return

    def equation(self) -> Iterator[str]:
        """A numbered equation of the page that is a term too much."""
        rest = [None if mine is None else mine - due for mine, due in zip(self.mine, self.due, strict=True)]
        for equation in self.question.lesson.equations:
            side = equation.clause.chain.sides[-1]
            if equation.clause.chain.relations and not self.is_longer(side) and self.is_row(side, rest):
                yield f"The term {self.text(side)} is too much: equation ({equation.tag}) of the page says what it is."
                return

    def piece(self) -> Iterator[str]:
        """A condition of the page under which the answer is right."""
        right = [mine is not None and alike(mine, due) for mine, due in zip(self.mine, self.due, strict=True)]
        if not any(right):
            return
        for words, condition in self.conditions():
            holds = list(self.question.holds(condition))
            if holds == right:
                yield f"Your answer is right where {words}, and wrong elsewhere."
                return
            if [not x for x in holds] == right:
                yield f"Your answer is wrong where {words}, and right elsewhere."
                return

    def conditions(self) -> Iterator[tuple[str, Condition]]:
        """Those that the page has letters for, in words."""
        for text in CONDITIONS:
            try:
                tree = self.question.read(f"1 if {text} else 0")
            except NotReadError:
                continue
            assert isinstance(tree, Cases)
            words = text
            for old, new in (("==", "="), ("abs(r)", "|r|"), ("abs(e)", "|e|"), ("*", " "), ("-", "−"), ("delta", "δ")):
                words = words.replace(old, new)
            lesson = self.question.lesson
            for old, new in ((r"\byhat\b", lesson.prediction.letter), (r"\by\b", lesson.target.letter)):
                words = re.sub(old, self.text(Name(new)), words) if text != "j == t" else words
            yield words, tree.rows[0][1]


# ---- small changes of a formula --------------------------------------------------------------------------------------


class Change:
    """A formula with one part changed: what was done with which part."""

    def __init__(self, kind: str, part: Term, result: Term):
        self.kind, self.part, self.result = kind, part, result

    def found(self, text: Callable[[Term], str]) -> str:
        """The change in words, if it makes an answer of the page's formula."""
        shown = text(self.part)
        return {
            "sign": f"The sign of the term {shown} is turned.",
            "term": f"The term {shown} is missing.",
            "twice": f"The term {shown} is there twice.",
            "half": f"The term {shown} is halved.",
            "factor": f"The factor {shown} is missing.",
            "divisor": f"The division by {shown} is missing.",
            "one": f"There is a 1 in place of {shown}.",
        }.get(self.kind, "")

    def advice(self, text: Callable[[Term], str]) -> str:
        """The change in words, if it makes an answer right."""
        shown = text(self.part)
        return {
            "sign": f"Turn the sign of the term {shown}, and it is right.",
            "term": f"The term {shown} is too much.",
            "twice": f"The term {shown} is due twice.",
            "half": f"The term {shown} is there twice.",
            "factor": f"The factor {shown} is too much.",
            "divisor": f"The division by {shown} is too much.",
            "one": f"There should be a 1 in place of {shown}.",
        }.get(self.kind) or f"The term {shown} lacks the factor {self.kind}."


def changes(node: Term, factors: Sequence[Term] = ()) -> Iterator[Change]:
    """All formulas with one part changed: a sign, a term or a factor left out, a term doubled or halved.

    factors: letters that a term may lack.
    """
    match node:
        case Sum(terms):
            for n, (sign, term) in enumerate(terms):
                rest = terms[:n], terms[n + 1 :]
                yield Change("sign", term, Sum((*rest[0], (-sign, term), *rest[1])))
                if len(terms) > 1:
                    yield Change("term", term, Sum((*rest[0], *rest[1])))
                if isinstance(term, Name):
                    yield Change("one", term, Sum((*rest[0], (sign, ONE), *rest[1])))
                for kind, over in (("twice", False), ("half", True)):
                    other = Product(((False, term), (over, TWO)))
                    yield Change(kind, term, Sum((*rest[0], (sign, other), *rest[1])))
                for letter in factors if len(terms) > 1 else ():
                    more = Sum((*rest[0], (sign, Product(((False, letter), (False, term)))), *rest[1]))
                    yield Change(getattr(letter, "letter", "").replace("\\", ""), term, more)
                for inner in changes(term, factors):
                    yield Change(inner.kind, inner.part, Sum((*rest[0], (sign, inner.result), *rest[1])))
        case Product(parts):
            for n, (over, part) in enumerate(parts):
                before, after = parts[:n], parts[n + 1 :]
                if len(parts) > 1:
                    left = (*before, *after)
                    left = left if not left[0][0] else ((False, ONE), *left)
                    yield Change("divisor" if over else "factor", part, Product(left))
                for inner in changes(part, factors):
                    yield Change(inner.kind, inner.part, Product((*before, (over, inner.result), *after)))
        case Power(base, exponent) if exponent is not None:
            yield Change("factor", base, Product(((False, node), (True, base))))
            for inner in changes(base, factors):
                yield Change(inner.kind, inner.part, Power(inner.result, exponent))
            for inner in changes(exponent, factors):
                yield Change(inner.kind, inner.part, Power(base, inner.result))
        case Applied(function, (argument,)):
            for inner in changes(argument, factors):
                yield Change(inner.kind, inner.part, Applied(function, (inner.result,)))
        case Cases(rows):
            for n, (body, condition) in enumerate(rows):
                for inner in changes(body, factors):
                    yield Change(inner.kind, inner.part, Cases((*rows[:n], (inner.result, condition), *rows[n + 1 :])))


def _names_of(node: object) -> Iterator[Name]:
    """The names of a formula, each as often as it stands there."""
    if isinstance(node, Name):
        yield node
    parts = node if isinstance(node, (tuple, list)) else vars(node).values() if isinstance(node, Term) else ()
    for part in parts:
        yield from _names_of(part)


def _with(node: Term, old: Term, new: Term) -> Term:
    """A formula with one part in place of another, wherever it stands."""

    def change(part: Term) -> Term | None:
        return new if part == old else None

    return mapped(node, change)
