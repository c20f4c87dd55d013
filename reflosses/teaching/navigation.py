"""The last line of every page: the page before, the index, the page after, related pages.

The order and the names of the pages are those of the table under "The pages" on the index, derivations/README.md.
`make navigation` writes the lines of all pages. Programs that write a page call `with_navigation`.
"""

from __future__ import annotations

import re
from pathlib import Path

DERIVATIONS = Path(__file__).resolve().parents[2] / "derivations"
RELATED = {  # two or three pages that a reader may want next, beside the neighbours
    "mean_squared_error": ("huber", "cauchy"),
    "mean_absolute_error": ("cauchy", "hinge"),
    "huber": ("mean_squared_error", "your_own_loss"),
    "cauchy": ("mean_squared_error", "mean_absolute_error"),
    "hinge": ("binary_cross_entropy_with_logits", "mean_absolute_error"),
    "binary_cross_entropy": ("focal", "weighted_cross_entropy"),
    "binary_cross_entropy_with_logits": ("cross_entropy", "focal_with_logits", "hinge"),
    "negative_log_likelihood": ("binary_cross_entropy", "sparse_categorical_cross_entropy"),
    "cross_entropy": ("binary_cross_entropy_with_logits", "focal_with_logits"),
    "sparse_categorical_cross_entropy": ("negative_log_likelihood", "binary_cross_entropy"),
    "focal": ("binary_cross_entropy", "weighted_cross_entropy"),
    "focal_with_logits": ("binary_cross_entropy_with_logits", "cross_entropy"),
    "weighted_cross_entropy": ("binary_cross_entropy", "generalized_dice"),
    "dice": ("dice_versus_iou", "generalized_dice"),
    "iou": ("generalized_dice", "weighted_cross_entropy"),
    "dice_versus_iou": ("dice", "weighted_cross_entropy"),
    "generalized_dice": ("dice", "weighted_cross_entropy"),
    "your_own_loss": ("huber", "engine"),
    "check": ("programs", "atlas"),
    "vectors": ("accuracy", "atlas"),
    "programs": ("check", "atlas"),
    "engine": ("accuracy", "your_own_loss"),
    "speed": ("atlas", "check"),
    "accuracy": ("check", "engine"),
    "atlas": ("check", "vectors"),
    "coverage": ("check", "accuracy"),
}
INDEX = "[All pages](README.md#the-pages)"
ROW = re.compile(r"^\| \[(.+?)\]\((\w+)\.md\) \|", re.M)
LAST_LINE = re.compile(rf"\n(?:← .* · )?{re.escape(INDEX)} · .*\n\Z")


def page_titles() -> dict[str, str]:
    """The pages in the order of the index: the stem of the file, and its name there.

    >>> list(page_titles().items())[:2]
    [('mean_squared_error', 'MeanSquaredError'), ('mean_absolute_error', 'MeanAbsoluteError')]
    """
    index = (DERIVATIONS / "README.md").read_text("utf-8")
    return {stem: name for name, stem in ROW.findall(index.partition("\n## The pages\n")[2])}


def navigation(stem: str) -> str:
    """The last line of a page. ValueError if the index has no row for it, KeyError if it has no related pages.

    >>> navigation("coverage")
    '← [Atlas](atlas.md) · [All pages](README.md#the-pages) · related: [What `check` says](check.md), ...'
    """
    titles = page_titles()
    order = list(titles)
    place = order.index(stem)

    def link(other: str) -> str:
        return f"[{titles[other]}]({other}.md)"

    parts = [f"← {link(order[place - 1])}"] if place else []
    parts.append(INDEX)
    parts += [f"{link(following)} →" for following in order[place + 1 : place + 2]]
    return " · ".join([*parts, f"related: {', '.join(map(link, RELATED[stem]))}"])


def without_navigation(text: str) -> str:
    """A page without its last line, or as it is if it has none.

    >>> without_navigation(with_navigation("# Huber\\n", "huber"))
    '# Huber\\n'
    """
    return LAST_LINE.sub("", text)


def with_navigation(text: str, stem: str) -> str:
    """A page with its last line, whether it has one already or not. The errors are those of `navigation`.

    >>> with_navigation("# Huber\\n", "huber")
    '# Huber\\n\\n← [MeanAbsoluteError](mean_absolute_error.md) · [All pages](README.md#the-pages) · [Cauchy](cauchy...'
    """
    return f"{without_navigation(text).rstrip()}\n\n{navigation(stem)}\n"


if __name__ == "__main__":
    for stem in page_titles():
        path = DERIVATIONS / f"{stem}.md"
        path.write_text(with_navigation(path.read_text("utf-8"), stem), "utf-8")
