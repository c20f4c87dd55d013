"""The question after the gradient of a loss: random points, the letters that an answer may have, and its numbers.

An answer is read by `expression` and evaluated by the reader of the pages, so every letter of the page can stand in it.
It is right if it is the gradient of the class at all random points.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from reflosses import catalogue
from reflosses.evaluation.domain import Floats
from reflosses.evaluation.loss import Loss
from reflosses.losses.huber import Huber
from reflosses.teaching.arithmetic import CONTEXT, Array, Value
from reflosses.teaching.evaluate import Letters, Point, indices_in
from reflosses.teaching.expression import read_answer
from reflosses.teaching.lesson import Lesson, Numbers, lesson_for
from reflosses.teaching.letters import FREE, Resolver, Spelling, key_of
from reflosses.teaching.steps import FAILURES, is_derivative
from reflosses.teaching.tree import (
    Condition,
    Derivative,
    Nabla,
    Name,
    NotReadError,
    Term,
    mapped,
)

PARAMETERS: dict[str, tuple[dict[str, float], ...]] = {  # of the question; two, so that a letter cannot be a number
    "Huber": ({"delta": 0.7}, {"delta": 1.6}),
    "Cauchy": ({"delta": 0.7}, {"delta": 1.6}),
    "Focal": ({"gamma": 1.7}, {"gamma": 2.3}),
    "FocalWithLogits": ({"gamma": 1.7}, {"gamma": 2.3}),
}
ALSO: dict[str, dict[str, str]] = {  # letters that everybody uses, where the page has none
    "BinaryCrossEntropyWithLogits": {"p": "sigmoid(z)"},
    "Hinge": {"m": "y*yhat"},
}
ONE_HOT = {"NegativeLogLikelihood", "SparseCategoricalCrossEntropy"}  # y is the row of the true class t
ROWS, PIXELS, CLASSES, EACH = 4, 4, 3, 10  # sizes of the random points
BESIDE = np.array([1 - 2**-6, 1 + 2**-6, -1 + 2**-6, -1 - 2**-6])  # both sides of where a slope jumps or bends
CLOSE = Decimal("1e-9")  # relative, between an answer and the class in float64
NOTHING = Decimal("1e-12")  # the same where both are 0

Found = tuple[Decimal | None, str]  # a number, or the reason why there is none


@dataclass
class Sample:
    """Random numbers, and the gradient of the class there, in the order of the page."""

    loss: Loss
    lesson: Lesson
    y: Floats
    yhat: Floats
    units: tuple[Numbers, ...]
    grad: list[Decimal] = field(default_factory=list)


class GradientQuestion:
    """The gradient of a loss. ValueError if there is no such loss.

    text: writes a formula for the user.
    """

    def __init__(self, name: str, text: Callable[[Term], str] = str):
        self._text = text
        self.cls = catalogue.find_loss(name)
        self.name = name
        choices = PARAMETERS.get(name, ({},))
        self.losses = tuple(self.cls(**choice, reduction="none") for choice in choices)
        self.samples = [self._sample(loss, seed) for seed in range(2) for loss in self.losses]
        self.lesson = self.samples[0].lesson
        self.spellings = self._spellings()
        self.equations = list(self._equations())
        self.functions = frozenset(self.lesson.scope.words["functions"]) & self.lesson.definitions.keys()

    # ---- random points

    def _sample(self, loss: Loss, seed: int) -> Sample:
        rng = np.random.default_rng(seed)
        known = lesson_for(loss, np.zeros(self.shape(loss)), scalar=True)
        shape = self.shape(loss)
        yhat = self._drawn(rng, known, known.prediction.letter, shape)
        if known.domains[known.target.letter][0] == "member":
            y = rng.integers(0, CLASSES, shape[:-1]).astype(float)
        elif self.name == "CrossEntropy":  # rows of probabilities, which have the sum 1
            y = rng.dirichlet(np.ones(CLASSES), shape[:-1])
        else:
            y = self._drawn(rng, known, known.target.letter, shape)
        if isinstance(loss, Huber):  # so that a threshold of 0.9 δ is wrong at some point
            yhat[-len(BESIDE) :] = y[-len(BESIDE) :] + loss.delta * BESIDE
        if self.name == "Hinge":
            yhat[-len(BESIDE) :] = y[-len(BESIDE) :] * np.abs(BESIDE)
        grad = loss.grad(y, yhat)
        with decimal.localcontext(CONTEXT):
            units = tuple(unit for _, unit in known.numbers(y, yhat))
        grad = grad.T if len(known.indices) == 2 else grad
        return Sample(loss, known, y, yhat, units, [Decimal(float(x)) for x in grad.ravel()])

    def shape(self, loss: Loss) -> tuple[int, ...]:
        """The shape of random predictions."""
        name = type(loss).__name__
        if name in ("CrossEntropy", *ONE_HOT):
            return ROWS, CLASSES
        return (PIXELS, 2) if name == "GeneralizedDice" else (PIXELS,) if self.is_pooled(name) else (EACH,)

    @staticmethod
    def is_pooled(name: str) -> bool:
        """Whether all predictions make one loss."""
        return name in ("Dice", "IoU", "WeightedCrossEntropy")

    @staticmethod
    def _drawn(rng: np.random.Generator, lesson: Lesson, letter: str, shape: tuple[int, ...]) -> Floats:
        """Numbers of a domain; of targets in [0, 1] some are labels."""
        domain = lesson.domains[letter][0]
        if domain == "sign":
            return rng.choice([-1.0, 1.0], shape)
        if domain == "bit":
            return rng.integers(0, 2, shape).astype(float)
        if domain == "unit":
            part = rng.uniform(0.05, 0.95, shape)
            if letter == lesson.target.letter:
                part = np.where(rng.random(shape) < 0.5, np.round(part), part)
            return part
        return 1.5 * rng.standard_normal(shape)

    # ---- letters

    def text(self, formula: Term) -> str:
        """A formula for the user: p where it stands for σ(z)."""
        words = {spelling.formula: Name(word) for word, spelling in self.spellings.items() if spelling.formula}
        return self._text(mapped(formula, lambda part: words.get(part) if not isinstance(part, Name) else None))

    def _spellings(self) -> dict[str, Spelling]:
        """What can be typed, and the letter of the page that it is."""
        lesson = self.lesson
        found: dict[str, Spelling] = {}
        given = self.samples[0].units[0]
        constants = lesson.scope.constants if not lesson.indices else ()
        for letter in [*(letter for letter in given if letter not in constants), *lesson.taught]:
            head, _, label = letter.partition("_")
            name = Name(head, (Name(label),) if label else (), label)
            indices = lesson.domains[letter][1] if letter in lesson.domains else ()
            if letter in lesson.taught and letter not in given:
                indices = lesson.taught[letter].indices
                if lesson.taught[letter].arguments or self._is_the_gradient(letter):
                    continue
            elif letter in lesson.domains and lesson.domains[letter][0] == "member":
                indices = ()
            if self._has_value(Name(head, tuple(map(Name, indices)) or name.subscripts, label)):
                found[key_of(letter)] = Spelling(name, indices)
        target, prediction = found[key_of(lesson.target.letter)], found[key_of(lesson.prediction.letter)]
        found.setdefault("y", target)
        for word in ("yhat", "p") if lesson.domains[lesson.prediction.letter][0] == "unit" else ("yhat",):
            found.setdefault(word, prediction)
        if lesson.domains[lesson.prediction.letter][0] == "real":
            found.setdefault("logit" if prediction.name.letter == "z" else "yhat", prediction)
        for key, name in lesson.parameters.items():
            if key_of(name.printed) in found or key_of(name.letter) in found:
                found.setdefault(key.replace("_", ""), found.get(key_of(name.printed)) or found[key_of(name.letter)])
        if self.name in ONE_HOT:
            index = Name(lesson.indices[0])
            target = Spelling(target.name, (), Name(r"\delta", (index, target.name), ""))
            found["y"] = target
        for word, text in ALSO.get(self.name, {}).items():
            found.setdefault(word, Spelling(Name(word), (), self._resolved(read_answer(text, frozenset(found)), found)))
        return found

    def _equations(self) -> Iterator[tuple[str, Term]]:
        """The equations of the page for the gradient: the number of each, and its sides; the last ones first."""
        sample = self.samples[0]
        for equation in sample.lesson.equations:
            chain = equation.clause.chain
            head, *sides = chain.sides
            if not isinstance(head, (Derivative, Nabla)) or set(chain.relations) != {"="}:
                continue
            for side in reversed(sides):
                outside = indices_in(side, sample.lesson.ranges) - set(self.index)
                if is_derivative(side) or outside or (isinstance(head, Derivative) and len(head.by) > 1):
                    continue
                if self.is_right(side):
                    yield equation.tag, side

    def vector_equation(self) -> tuple[str, Term] | None:
        """The equation for the gradient where the page has it for a vector alone: its number and its last side."""
        loss = self.losses[0]
        for equation in lesson_for(loss, np.zeros(self.shape(loss))).equations:
            chain = equation.clause.chain
            if isinstance(chain.sides[0], Nabla) and chain.sides[0].order == 1 and len(chain.sides) > 2:
                return equation.tag, chain.sides[-1]
        return None

    def is_right(self, formula: Term) -> bool:
        """Whether a formula of the page is the gradient at the random points."""
        with decimal.localcontext(CONTEXT):
            for sample in self.samples:
                try:
                    for (value, _), due in zip(self.values(formula, sample), sample.grad, strict=True):
                        if value is None or not alike(value, due):
                            return False
                except NotReadError:
                    return False
        return True

    def _has_value(self, name: Name) -> bool:
        """Whether a letter can be evaluated; one of a clamp cannot where there is none."""
        sample = self.samples[0]
        point = point_at(sample.lesson, sample.units[0])
        with decimal.localcontext(CONTEXT):
            try:
                for indices in sample.lesson.assignments(name):
                    point.value(name, indices)
            except (NotReadError, *FAILURES):
                return False
        return True

    def _is_the_gradient(self, letter: str) -> bool:
        grad = self.lesson.grad
        return isinstance(grad, Name) and grad.letter == letter

    @property
    def index(self) -> tuple[str, ...]:
        """The indices of the entry that is asked for, () where the prediction is a number."""
        lesson = self.lesson
        if not lesson.indices:
            return ()
        grad = lesson.grad
        by = grad.by[0] if isinstance(grad, Derivative) else grad
        assert isinstance(by, Name)
        return tuple(s.letter for s in by.subscripts if isinstance(s, Name))

    # ---- reading

    def read(self, text: str) -> Term:
        """The answer as a formula of the page. NotReadError says what cannot be read, or which letter is unknown."""
        names = frozenset(self.spellings) | {"yhat"}
        tree = read_answer(text, names, self.functions)
        return self._resolved(tree, self.spellings)

    def _resolved(self, tree: Term, spellings: Mapping[str, Spelling]) -> Term:
        bound = {self.lesson.original[name]: name for name in (self.index if self.lesson.indices else ())}
        return Resolver(self.lesson, self.index, spellings).term(tree, bound)

    # ---- numbers

    def values(self, answer: Term, sample: Sample, points: Sequence[Numbers] = ()) -> Iterator[Found]:
        """The answer at every number of a sample, in the order of the page; None and the reason where there is none."""
        lesson = sample.lesson
        for unit in points or sample.units:
            point = point_at(lesson, unit)
            for indices in lesson.assignments(Name("x", tuple(map(Name, self.index)))):
                try:
                    yield point.number(answer, indices), ""
                except FAILURES as error:
                    yield None, type(error).__name__
                except (ValueError, RecursionError, MemoryError):
                    raise NotReadError("it mixes vectors and numbers") from None

    def holds(self, condition: Condition) -> Iterator[bool]:
        """Whether a condition holds at each random number; where it has no value it does not."""
        for sample in self.samples:
            for unit in sample.units:
                point = point_at(sample.lesson, unit)
                for indices in sample.lesson.assignments(Name("x", tuple(map(Name, self.index)))):
                    try:
                        yield point.holds(condition, indices)
                    except (NotReadError, *FAILURES):
                        yield False

    def some_point(self) -> str:
        """The gradient at one of the random points."""
        sample = self.samples[-1]
        return self.at_point(sample, 0, 0) + f"the gradient is {few(sample.grad[0])}."

    def at_point(self, sample: Sample, unit: int, entry: int) -> str:
        """A random point in words."""
        places = list(sample.lesson.assignments(Name("x", tuple(map(Name, self.index)))))
        at = ", ".join(f"{name} = {number}" for name, number in places[entry].items())
        letters = (sample.lesson.target.letter, sample.lesson.prediction.letter, *self._shown_parameters())
        numbers = ",  ".join(f"{self.text(Name(letter))} = {few(sample.units[unit][letter])}" for letter in letters)
        numbers = numbers if len(numbers) < 80 else "a random point"
        return f"At {numbers}{f', for {at}' if at else ''}, "

    def _shown_parameters(self) -> list[str]:
        known = PARAMETERS.get(self.name, ({},))[0]
        return [name.letter for key, name in self.lesson.parameters.items() if key in known]


def point_at(lesson: Lesson, unit: Numbers) -> Point:
    """The page at these numbers, with an index more for each kind: that of a sum without a name."""
    more = {f"{FREE}{count}": lesson.ranges[name] for name, count in lesson.original.items() if name in lesson.ranges}
    old = lesson.letters
    letters = Letters({**old.ranges, **more}, old.labels, old.prime, old.nabla, old.first)
    return Point(letters, lesson.definitions, unit)


def few(value: Value | int) -> str:
    """A number, or the numbers of a vector, in few digits."""
    if isinstance(value, Array):
        return f"({', '.join(few(x) for x in value.cells.values())})"
    return f"{float(value) + 0.0:.4g}".replace("-", "−")


def alike(one: Decimal, other: Decimal) -> bool:
    """Whether two numbers are equal, as far as the class in float64 can tell."""
    return abs(one - other) <= CLOSE * abs(other) + NOTHING
