"""What `reflosses list`, `show` and `hypotheses` print: losses and explanations, in words."""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import fields

from reflosses import catalogue
from reflosses.comparison.battery import TARGET_KINDS
from reflosses.comparison.formats import FORMATS
from reflosses.diagnosis.hypotheses import FAMILIES
from reflosses.diagnosis.model import Hypothesis, means_something, ours, remembered
from reflosses.diagnosis.moderate import moderate_questions
from reflosses.evaluation.loss import Loss
from reflosses.reporting.widths import filled, folded_code, refilled
from reflosses.teaching.figures.gallery import TOPICS


def listing(width: int | None) -> str:
    """Every loss in two lines: its parameters, its purpose and its page."""
    out = []
    for cls in catalogue.losses().values():
        purpose = (inspect.getdoc(cls) or "").partition("\n")[0]
        out += [filled(_call(cls), width, rest=" " * 4)]
        out += [filled(f"{purpose}  derivations/{catalogue.stem(cls)}.md", width, " " * 4, " " * 4)]
    return "\n".join(out)


def _call(cls: type[Loss]) -> str:
    return f"{cls.__name__}({', '.join(f'{f.name}={f.default!r}' for f in fields(cls) if f.name != 'reduction')})"


def loss_in_words(cls: type[Loss], width: int | None) -> str:
    """A loss: its parameters, docstring, definition and bounds."""
    definition = textwrap.dedent(inspect.getsource(cls.definition))
    code = folded_code(definition, None if width is None else width - 4)
    out = [filled(_call(cls), width, rest=" " * 4), "", refilled(inspect.getdoc(cls) or "", width), ""]
    out += ["Definition, as it is certified:", "", textwrap.indent(code, "    ")]
    bounds = "Bounds, in units in the last place (value, gradient, curvature), with the parameters that are checked:"
    out += [filled(bounds, width), ""]
    for loss, example in zip(catalogue.examples(cls), cls.examples, strict=True):
        given = ", ".join(f"{k}={v!r}" for k, v in example.items()) or "defaults"
        numbers = ", ".join(f"{bound:g}" for bound in loss.bounds)
        out.append(filled(f"{numbers}    {given}", width, " " * 4, " " * 8))
    return "\n".join(out)


# ---- figures ---------------------------------------------------------------------------------------------------------


def figures_in_words(width: int | None) -> str:
    """What `reflosses plot` can draw: losses, and other figures with what one sees on them."""
    out = [filled(f"Loss, gradient and curvature of {', '.join(catalogue.losses())}.", width), "", "Other figures:", ""]
    for name, draw in TOPICS.items():
        purpose = inspect.cleandoc(draw.__doc__ or "").partition("\n")[0]
        out.append(filled(f"{name}: {purpose}", width, "    ", " " * 8))
    return "\n".join(out)


# ---- explanations ----------------------------------------------------------------------------------------------------


def all_hypotheses(width: int | None, name: str = "") -> str:
    """Every explanation that a diagnosis may give, family by family. name: a loss, and only its explanations.

    ValueError for an unknown loss.
    """
    own = _about(catalogue.find_loss(name)) if name else None
    out, count = [], 0
    for module in FAMILIES:
        family = [h for h in module.FAMILY if own is None or h.name in own]
        if family:
            purpose = (module.__doc__ or "").partition("\n")[0]
            out += [
                "",
                filled(f"{module.__name__.rpartition('.')[2].replace('_', ' ')}: {purpose}", width, rest="    "),
            ]
        for h in family:
            count += 1
            out.append(filled(f"{h.name} ({h.kind}): it {h.phrase}", width, "    ", " " * 8))
    return "\n".join([f"{count} explanations{f' of {name}' if name else ''}", *out])


def _about(cls: type[Loss]) -> set[str]:
    """The names of the explanations that change some answer of this loss, with any of its example parameters."""
    found: set[str] = set()
    every: list[Hypothesis] = [h for module in FAMILIES for h in module.FAMILY]
    for reduction in ("mean", "none"):
        for loss in catalogue.examples(cls, reduction):
            model = remembered(ours)
            questions = list(moderate_questions(loss, FORMATS["float64"], TARGET_KINDS["auto"], weights=True))
            for h in every:
                if h.name not in found and any(means_something(h, q, model) for q in questions):
                    found.add(h.name)
    return found
