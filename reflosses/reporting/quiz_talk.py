"""The conversation of `reflosses quiz NAME`: the question, hints, what an answer lacks."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator

from reflosses import catalogue
from reflosses.reporting.formula_text import formula_text, number_text
from reflosses.reporting.worked_example import formula_lines
from reflosses.teaching.arithmetic import Array
from reflosses.teaching.lesson import WITHOUT_ALPHA
from reflosses.teaching.letters import UnknownLetterError
from reflosses.teaching.question import ALSO, PARAMETERS, GradientQuestion
from reflosses.teaching.quiz import Verdict, judge
from reflosses.teaching.steps import definition_clauses, letters_in
from reflosses.teaching.tree import Derivative, Name, NotReadError, Term

RIGHT, WRONG, NOT_READ = 0, 1, 2  # exit status
WIDTH = 80
FUNCTIONS_IN_WORDS = "abs, exp, log, max, min, sigma, sign, sqrt, sum; and … if … else …"
HELP = "? is a hint, Ctrl-D shows the answer, Ctrl-C ends."


class Talk:
    """One question to one student. say: prints a line; ask: prints a prompt and returns what is typed."""

    def __init__(self, name: str, say: Callable[[str], object] = print, width: int | None = None):
        self.question = GradientQuestion(name, formula_text)
        self.name = name
        self.say = say
        self.width = min(width or WIDTH, 2 * WIDTH)
        self.hints = self._hints()

    # ---- the question

    @property
    def asked(self) -> str:
        """What is asked for, such as dℓ/dŷ."""
        grad, letter = self.question.lesson.grad, self.question.lesson.prediction.letter
        by = Name(letter, tuple(map(Name, self.question.index)), "".join(self.question.index))
        return formula_text(grad) if isinstance(grad, Derivative) else f"the derivative by {formula_text(by)}"

    def opening(self) -> list[str]:
        """The loss in the letters of its page, and the question."""
        lesson = self.question.lesson
        out = [f"{self.name}", ""]
        for letter in self._needed(lesson.value_letter):
            lines, _ = formula_lines(definition_clauses(letter, lesson.taught[letter]), self.width - 2)
            out += [f"  {line}" for line in lines]
        plain = [self._given(letter) for letter in self._neutral()]
        if plain:
            out += ["", *textwrap.wrap(f"Here {', '.join(plain)}.", self.width)]
        held = " of the sum of all ℓₙ, with w held constant" if not isinstance(lesson.grad, Derivative) else ""
        return [*out, "", f"What is {self.asked}{held}?"]

    def _needed(self, letter: str) -> list[str]:
        """The letters of the loss. A letter comes after the letters of its own definition."""
        taught, given = self.question.lesson.taught, self.question.samples[0].units[0]
        found: list[str] = []

        def visit(letter: str) -> None:
            if letter in taught and letter not in given and letter not in found:
                bodies = [part for row in taught[letter].rows for part in row]
                for inner in letters_in(bodies):
                    if inner != letter:
                        visit(inner)
                found.append(letter)

        visit(letter)
        return found

    def _neutral(self) -> Iterator[str]:
        """The letters of parameters that change nothing here."""
        known = PARAMETERS.get(self.name, ({},))[0]
        given = self.question.samples[0].units[0]
        for key, name in self.question.lesson.parameters.items():
            letter = WITHOUT_ALPHA if key == "alpha" else name.letter
            if key not in known and letter in given:
                yield letter

    def _given(self, letter: str) -> str:
        value = self.question.samples[0].units[0][letter]
        number = next(iter(value.cells.values())) if isinstance(value, Array) else value
        head, _, label = letter.partition("_")
        return f"{formula_text(Name(head, (), label))} = {number_text(number)}"

    # ---- hints

    def letters(self) -> str:
        """The letters that may be typed, each once, as one types it and as the page prints it."""
        lesson, given = self.question.lesson, self.question.samples[0].units[0]
        useful = {
            *given,
            *self._needed(lesson.value_letter),
            *letters_in([side for _, side in self.question.equations]),
        }
        words: list[str] = []
        for word, spelling in self.question.spellings.items():
            name, label = spelling.name, spelling.name.subscript
            label = label.replace("\\", "")
            typed, shown = f"{word.removesuffix(label)}_{label}" if label else word, formula_text(name)
            if isinstance(spelling.formula, Name):
                words.append(f"{word} (1 for the true class, else 0)")
            elif spelling.formula is not None:
                words.append(f"{word} ({ALSO[self.name][word]})")
            elif {name.printed, name.letter} & useful and not any(f"({shown})" in w or w == shown for w in words):
                words.append(typed if typed == shown else f"{typed} ({shown})")
        index = f" Of a row, a letter is its entry {', '.join(self.question.index)}." if self.question.index else ""
        return f"Letters: {', '.join(words)}.{index} Functions: {FUNCTIONS_IN_WORDS}"

    def _hints(self) -> Iterator[str]:
        yield self.letters()
        tag = next((tag for tag, _ in self._equations() if tag), "")
        page = f"derivations/{catalogue.stem(self.question.cls)}.md"
        yield f"It is on the page {page}{f', equation ({tag})' if tag else ''}: reflosses show {self.name}"
        yield self.question.some_point()
        while True:
            yield f"There are no more hints. {HELP}"

    def answer(self) -> list[str]:
        """The gradient, as the page has it, in the letters of the question if there is such an equation.

        Letters that the question has not shown are said below it.
        """
        found = self._equations()
        if not found:
            return [f"See derivations/{catalogue.stem(self.question.cls)}.md."]
        tag, side = min(found, key=lambda one: (len(self._not_shown(one[1])), len(formula_text(one[1]))))
        out = textwrap.wrap(f"{self.asked} = {formula_text(side)}{f'   ({tag})' if tag else ''}", self.width)
        for letter in self._not_shown(side):
            lines, _ = formula_lines(definition_clauses(letter, self.question.lesson.taught[letter]), self.width - 2)
            out += [f"  {line}" for line in lines]
        return out

    def _not_shown(self, side: Term) -> list[str]:
        """The letters of a formula that the opening did not say. A letter comes after the letters of its definition."""
        taught, shown = self.question.lesson.taught, self._needed(self.question.lesson.value_letter)
        found: dict[str, None] = {}
        for letter in letters_in(side):
            if letter in taught and letter not in shown:
                found |= dict.fromkeys(inner for inner in self._needed(letter) if inner not in shown)
        return list(found)

    def _equations(self) -> list[tuple[str, Term]]:
        """The equations of the page for the gradient, numbered ones first."""
        vector = self.question.vector_equation()
        found = self.question.equations or ([vector] if vector else [])
        return sorted(found, key=lambda one: not one[0])

    # ---- answers

    def told(self, text: str) -> int:
        """Judge an answer and say what is wrong. Returns the exit status that it means."""
        try:
            verdict = judge(self.question, self.question.read(text))
        except NotReadError as reason:
            self.tell(f"This cannot be read: {reason}{'' if str(reason).endswith('?') else '.'}")
            if isinstance(reason, UnknownLetterError):
                self.tell(self.letters())
            return NOT_READ
        self.tell_verdict(verdict)
        return RIGHT if verdict.right else WRONG

    def tell_verdict(self, verdict: Verdict) -> None:
        """Right, or each sentence about what is wrong."""
        if verdict.right:
            self.tell("Right.")
            return
        self.tell("Not yet.")
        for sentence in verdict.says:
            for line in textwrap.wrap(sentence, self.width, initial_indent="  ", subsequent_indent="  "):
                self.say(line)

    def tell(self, text: str) -> None:
        """A paragraph."""
        for line in textwrap.wrap(text, self.width, break_on_hyphens=False):
            self.say(line)

    def run(self, ask: Callable[[str], str] | None = None) -> int:
        """Ask until the answer is right, or until the end of the input. Returns the exit status.

        ask: prints a prompt and returns what is typed; EOFError at the end. By default `input`.
        """
        ask = ask or input
        for line in self.opening():
            self.say(line)
        self.tell(HELP)
        while True:
            self.say("")
            try:
                text = ask(f"{self.asked} = ")
            except KeyboardInterrupt:
                self.say("")
                raise
            except EOFError:
                self.say("")
                for line in self.answer():
                    self.say(line)
                return WRONG
            if text.strip() in ("?", "hint", "help"):
                self.tell(next(self.hints))
            elif text.strip() and self.told(text) == RIGHT:
                return RIGHT
