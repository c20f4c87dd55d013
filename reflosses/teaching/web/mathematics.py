"""Formulas, set by KaTeX: all of a site in one call of node."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
MARK = re.compile("\ue000f(\\d+)\ue001")  # stands for a formula until it is set; no page has these letters

GLUED = re.compile("(\\(?\ue000f\\d+\ue001[.,;:!?)]+|\\(\ue000f\\d+\ue001)")


class Formulas:
    """The formulas of a site, each once. A mark stands for one until all are set."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, bool], int] = {}
        self._places: list[str] = []  # where each was first seen

    def __len__(self) -> int:
        return len(self._numbers)

    def mark(self, text: str, page: str, line: int, display: bool = False) -> str:
        """A mark for a formula of a page."""
        key = " ".join(text.split()), display
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._places.append(f"{page}:{line}")
        return f"\ue000f{self._numbers[key]}\ue001"

    def text(self, marked: str) -> str:
        """A text with the LaTeX of its formulas in place of their marks."""
        texts = [text for text, _ in self._numbers]
        return MARK.sub(lambda found: texts[int(found[1])], marked)

    def set(self, modules: Path) -> list[str]:
        """The HTML of every formula, by its number. modules: the folder node_modules that has katex.

        ValueError names the page, the line and the text of every formula that KaTeX cannot set. FileNotFoundError if
        there is no node, or no KaTeX.
        """
        node = shutil.which("node")
        if node is None:
            raise FileNotFoundError("the site needs node, which sets its formulas, and node is not on the PATH")
        if not (modules / "katex").is_dir():
            raise FileNotFoundError(f"{modules} has no katex: `make site` installs it")
        questions = [{"text": text, "display": display} for text, display in self._numbers]
        done = subprocess.run(
            [node, str(ASSETS / "set_formulas.cjs"), str(modules.resolve() / "katex")],
            input=json.dumps(questions),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise ValueError(f"node failed: {done.stderr.strip()}")
        answers = json.loads(done.stdout)
        faults = [
            f"{place}: {answer['error']}\n    {question['text']}"
            for place, question, answer in zip(self._places, questions, answers, strict=True)
            if "error" in answer
        ]
        if faults:
            raise ValueError("KaTeX cannot set\n" + "\n".join(faults))
        return [answer["html"] for answer in answers]


def with_formulas(marked: str, html: list[str]) -> str:
    """A page with its formulas in place of their marks. No line breaks between a formula and a sign behind it."""
    marked = GLUED.sub(r'<span class="glued">\1</span>', marked)
    return MARK.sub(lambda found: html[int(found[1])], marked)
