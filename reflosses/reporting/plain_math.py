"""The LaTeX of the derivation pages as text for a terminal: \\tfrac12 r^2 becomes ½ r²."""

from __future__ import annotations

import re
from itertools import takewhile
from unicodedata import normalize

SIGNS = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "varepsilon": "ε",
    "lambda": "λ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "Omega": "Ω",
    "ell": "ℓ",
    "partial": "∂",
    "nabla": "∇",
    "sum": "∑",
    "infty": "∞",
    "cdot": "·",
    "times": "×",
    "div": "÷",
    "pm": "±",
    "le": "≤",
    "ge": "≥",
    "ne": "≠",
    "approx": "≈",
    "to": "→",
    "in": "∈",
    "propto": "∝",
    "dots": "…",
    "uparrow": "↑",
    "downarrow": "↓",
    "longrightarrow": "→",
    "Longleftrightarrow": "⇔",
    "|": "‖",
    "lvert": "|",
    "rvert": "|",
    "{": "{",
    "}": "}",
    "quad": "  ",
    "qquad": "   ",
    ",": " ",
    ";": " ",
    ":": " ",
    " ": " ",
    "!": "",
    "hline": "",
}
SPACED = set("·×÷±≤≥≠≈→∈∝⇔")
NAMES = {"log", "exp", "max", "min", "lim", "sinh", "cosh", "tanh", "sin", "cos"}
SIZES = {"left", "right", "bigl", "bigr", "Bigl", "Bigr", "big", "Big", "displaystyle"}
FONTS = {"text", "mathrm", "mathsf", "mathbf"}
HALVES = {"1/2": "½", "1/3": "⅓", "2/3": "⅔", "1/4": "¼", "3/4": "¾", "1/8": "⅛", "3/8": "⅜", "5/8": "⅝", "7/8": "⅞"}
RAISED = dict(zip("0123456789+−()nijkTx", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱʲᵏᵀˣ", strict=True))
LOWERED = dict(zip("0123456789+−aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\s+|.", re.S)
ONE = re.compile(r"(\d+(\.\d+)?|(∂²?)?[^\W\d]\w*[′̂]*|\([^()]*\)|[½⅓⅔¼¾⅛⅜⅝⅞∞∂])[²³]?\w*")


def plain_page(markdown: str) -> str:
    """A page whose formulas are plain text: code within a line, or an indented block. Answers are not folded.

    In place of a figure stands its file, and what one sees on it.
    """
    text = re.sub(r"```math\n(.*?)\n```", lambda m: _block(m[1]), markdown, flags=re.S)
    text = text.replace("<details><summary>Answer</summary>\n", "*Answer.*\n").replace("\n</details>\n", "")
    text = re.sub(r"!\[(.*?)\]\((.*?)\)", r"*Figure* (\2): \1", text)
    return re.sub(r"\$`(.+?)`\$", lambda m: f"`{plain_formula(m[1])}`", text, flags=re.S)


def _block(latex: str) -> str:
    """A display: each of its equations begins a line, so that nothing stands behind the last of some cases."""
    return "```text\n" + "\n".join(map(plain_formula, _equations(latex))) + "\n```"


def _equations(latex: str) -> list[str]:
    """The equations of a display; between two of them stand a comma and a wide space."""
    found, inside = [""], 0
    for part in re.split(r"(\\begin\{|\\end\{|,\s*\\qquad\b)", latex):
        inside += (part == r"\begin{") - (part == r"\end{")
        if part.startswith(",") and part.endswith("qquad") and not inside:
            found[-1] += ","
            found.append("")
        else:
            found[-1] += part
    return found


def plain_formula(latex: str) -> str:
    """One formula as text. A command that is not known keeps its name."""
    text = _Reader(latex).until("")
    text = re.sub(r"(?<=\S) +(?=[,;.)\]])", "", re.sub(r"[ \n]+", " ", text))
    text = re.sub(r"(\d+/\d+)/(\d+/\d+)", r"(\1)/(\2)", text)
    return re.sub(" *\x01 *", "\n    ", re.sub(" *\x00 *", "   ", text)).strip()


class _Reader:
    """The tokens of a formula, read from left to right."""

    def __init__(self, latex: str) -> None:
        self.tokens = TOKEN.findall(latex)[::-1]

    def until(self, *ends: str) -> str:
        """The text up to one of these tokens, which is taken away; "" is the end of the formula."""
        out = ""
        while self.tokens:
            token = self.tokens.pop()
            if token in ends:
                break
            out = self.joined(out, token)
        return out

    def joined(self, out: str, token: str) -> str:
        """The text so far, and the next part."""
        if token in "^_":
            return out.rstrip() + _script(self.argument(), "^_".index(token))
        part = self.part(token)
        if part in SPACED or (part in NAMES and out[-1:].isalnum()):
            return f"{out} {part} " if part in SPACED else f"{out} {part}"
        if token in ("\\frac", "\\tfrac") and "/" in part and out.rstrip().endswith("log"):
            return f"{out.rstrip()}({part})"
        if token in ("\\frac", "\\tfrac") and (out[-1:].isalnum() or out[-1:] == ")"):
            return f"{out} {part}"
        return out + part

    def part(self, token: str) -> str:
        """One token, or a command with its arguments."""
        name = token[1:]
        if token == "{":
            return self.until("}")
        if not name:
            return " " if token.isspace() else {"-": "−", "'": "′", "&": " "}.get(token, token)
        if token == "\\\\":
            return "; "
        if name in ("frac", "tfrac", "dfrac"):
            return _fraction(self.argument(), self.argument())
        if name == "sqrt":
            inside = self.argument()
            return f"√{inside}" if re.fullmatch(r"\d+|\w[²³]?", inside) else f"√({inside})"
        if name == "hat":
            return normalize("NFC", f"{self.argument()}\u0302")
        if name == "tag":
            return f"\x00({self.argument()})"
        if name in FONTS:
            return self.argument().replace("−", "-")
        if name == "begin":
            return self.rows(self.argument())
        if name in SIZES:
            if self.tokens and self.tokens[-1] == ".":  # no delimiter on this side
                self.tokens.pop()
            return ""
        if name in ("partial", "nabla"):
            self.skip()
        return SIGNS.get(name, name)

    def argument(self) -> str:
        """What a command or a script is about: one token, or a group."""
        self.skip()
        return self.part(self.tokens.pop()) if self.tokens else ""

    def skip(self) -> None:
        """Leave out white space."""
        while self.tokens and self.tokens[-1].isspace():
            self.tokens.pop()

    def rows(self, kind: str) -> str:
        """An environment: a line for each case, or for each row of an array."""
        inside = "".join(takewhile(lambda t: t != "\\end", iter(self.tokens.pop, None)))
        self.argument()
        if kind == "array":
            inside = re.sub(r"^\s*\{[lcr|]*\}", "", inside)
        out = []
        for row in inside.split("\\\\"):
            cells = [_Reader(cell).until("").strip() for cell in row.split("&")]
            if kind == "cases" and cells[1:] and not cells[1].startswith(("for ", "if ")):
                cells[1] = f"if {cells[1]}"
            out.append((" " if kind == "cases" else "\x00").join(cells).strip())
        return "".join(f"\x01{row}" for row in out if row)


def _grouped(text: str) -> str:
    """A text in parentheses, unless it is one thing."""
    return text if ONE.fullmatch(text) and text.count("(") < 2 else f"({text})"


def _fraction(above: str, below: str) -> str:
    above, below = above.strip().replace("∂² ", "∂²"), below.strip()
    return HALVES.get(f"{above}/{below}") or f"{_grouped(above)}/{_grouped(below)}"


def _script(text: str, low: int) -> str:
    """A text as a superscript or a subscript; in one line if it has no such letters."""
    letters = (RAISED, LOWERED)[low]
    text = text.strip()
    if text and all(c in letters for c in text):
        return "".join(letters[c] for c in text)
    return text if text in ("′", "″") else "^_"[low] + _grouped(text)
