"""All figures by name: one for each loss, such as `Huber`, and one for each topic, such as `robust_means`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reflosses import catalogue
from reflosses.teaching.figures.classes import dead_zone, focal_fading, label_smoothing, moved_mass
from reflosses.teaching.figures.drawing import Drawing
from reflosses.teaching.figures.overlaps import dice_iou_steepness, pulls_on_a_mask
from reflosses.teaching.figures.profile import profile_figure
from reflosses.teaching.figures.residuals import huber_tangents, robust_kernels, robust_means
from reflosses.teaching.figures.rounding import cauchy_digits, difference_quotients, logit_digits

TOPICS: dict[str, Callable[[], Drawing]] = {
    "robust_kernels": robust_kernels,
    "logit_digits": logit_digits,
    "dice_iou_steepness": dice_iou_steepness,
    "huber_tangents": huber_tangents,
    "robust_means": robust_means,
    "moved_mass": moved_mass,
    "label_smoothing": label_smoothing,
    "focal_fading": focal_fading,
    "dead_zone": dead_zone,
    "pulls_on_a_mask": pulls_on_a_mask,
    "cauchy_digits": cauchy_digits,
    "difference_quotients": difference_quotients,
}


def figure_names() -> list[str]:
    """What can be drawn: losses, then topics."""
    return [*catalogue.losses(), *TOPICS]


def figure_of(name: str, parameters: Mapping[str, Any] | None = None) -> Drawing:
    """The figure of a loss with these parameters, or of a topic.

    Raises ValueError for an unknown name, for a parameter of a topic and for one that a figure cannot show; TypeError
    for an unknown parameter; ImportError if the figure needs certified numbers and python-flint is not there.

        figure_of("Huber", {"delta": 2.0}).svg()
    """
    parameters = parameters or {}
    if name in TOPICS:
        if parameters:
            raise ValueError(f"the figure {name} takes no parameters, but there is {', '.join(parameters)}")
        return TOPICS[name]()
    if name not in catalogue.losses():
        hint = catalogue.did_you_mean(name, figure_names()) or "`reflosses plot` lists all names"
        raise ValueError(f"no figure is named {name!r}; {hint}")
    return profile_figure(catalogue.build(name, parameters))


def shipped_figures() -> dict[str, Drawing]:
    """The figures of the pages, each by the name of its file."""
    return {drawing.name: drawing for drawing in map(figure_of, figure_names())}
