"""`reflosses.portrait`: the errors of candidates at every number of a format, in one figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reflosses.comparison.candidate import Candidate
from reflosses.comparison.census import Census
from reflosses.comparison.exhaustive import exhaust
from reflosses.comparison.expected import Scaled
from reflosses.evaluation.loss import Loss
from reflosses.frameworks.function import brief
from reflosses.reporting.figure import FORMATS_OF_FIGURES, FigureLayout, drawn, image, needs_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Asked = Callable[..., Any] | Candidate
Tick = Callable[[str, int, int], None]  # told of progress: the name of a candidate, numbers done, all numbers


@dataclass(frozen=True)
class Portrait:
    """A figure of what `exhaust` found. censuses: its results, one for each candidate, in the order of the figure."""

    censuses: tuple[Census, ...]
    loss: Loss | Scaled = field(repr=False)
    title: str = ""

    @property
    def layout(self) -> FigureLayout:
        """What is drawn, and where."""
        return FigureLayout(self.censuses, self.loss, self.title or title_of(self.censuses, self.loss))

    @property
    def figure(self) -> Figure:
        """A figure of matplotlib, to change before it is saved."""
        needs_matplotlib()
        return drawn(self.layout)

    def save(self, path: str | PathLike[str]) -> None:
        """Write FILE.svg or FILE.png. The same censuses give the same bytes."""
        Path(path).write_bytes(image(self.layout, suffix_of(path)))

    def _repr_svg_(self) -> str:
        """The figure in a notebook."""
        return image(self.layout, "svg").decode()


def portrait(
    candidates: Asked | Sequence[Asked] | Mapping[str, Asked],
    loss: Loss | Scaled,
    *,
    dtype: str = "float32",
    out: str | PathLike[str] | None = None,
    title: str = "",
    tick: Tick = lambda name, done, total: None,
    **options: Any,
) -> Portrait:
    """Draw the error of one or several candidates at every number of a format: one look says where the digits go.

    Each candidate and target has its errors in ulps on a logarithmic axis, first those of the value, then those of
    the gradient, over all predictions in their order. A band below tells what is wrong. No wrong number is too narrow
    to be seen.

    candidates: a function of (y, yhat), several, or a mapping of names to them. They are asked as by `exhaust`.
    dtype: "float32" takes some minutes for each candidate, "bfloat16" and "float16" about a second.
    out: FILE.svg or FILE.png, to be written. title: by default the loss and the format.
    options: those of `exhaust`, such as y=[0, 1]. tick: is told of progress.
    Returns a `Portrait`: `save(path)`, `figure` (of matplotlib), and `censuses`, the results of `exhaust`.
    Raises ImportError without matplotlib; TypeError or ValueError as `exhaust` does, for an empty list, and for a file
    of another kind. If it is interrupted, the argument of the KeyboardInterrupt is the portrait so far.

        portrait({"ours": mine, "PyTorch": theirs}, BinaryCrossEntropyWithLogits(reduction="none"), out="bce.svg")
    """
    if out is not None:
        suffix_of(out)
        if not Path(out).absolute().parent.is_dir():
            raise ValueError(f"portrait: out is {str(out)!r}, in a folder that is not there")
    named = named_candidates(candidates)
    needs_matplotlib()
    found: list[Census] = []
    try:
        for name, candidate in named:
            told = partial(tick, name)
            found.append(exhaust(candidate, loss, dtype=dtype, name=name, tick=told, **options))
    except KeyboardInterrupt as stop:
        found += [census for census in stop.args if isinstance(census, Census)]
        if not found:
            raise
        raise KeyboardInterrupt(_saved(found, loss, title, out)) from None
    return _saved(found, loss, title, out)


def _saved(found: list[Census], loss: Loss | Scaled, title: str, out: str | PathLike[str] | None) -> Portrait:
    whole = Portrait(tuple(found), loss, title)
    if out is not None:
        whole.save(out)
    return whole


def title_of(censuses: Sequence[Census], loss: Loss | Scaled) -> str:
    """The candidate if it is the only one, the loss, and the format."""
    name = f"{censuses[0].name}, " if len(censuses) == 1 else ""
    return f"{name or brief(loss) + ', '}{censuses[0].dtype}: error in ulp at every number"


def named_candidates(
    candidates: Asked | Sequence[Asked] | Mapping[str, Asked],
) -> list[tuple[str, Asked]]:
    """The candidates with their names; TypeError if one is none, ValueError if there is none."""
    if isinstance(candidates, Mapping):
        named = [(str(name), candidate) for name, candidate in candidates.items()]
    elif isinstance(candidates, Sequence) and not isinstance(candidates, str | bytes):
        named = [(_own_name(candidate), candidate) for candidate in candidates]
    else:
        named = [(_own_name(candidates), candidates)]
    if not named:
        raise ValueError("portrait: candidates are none")
    for name, candidate in named:
        if not (callable(candidate) or isinstance(candidate, Candidate)):
            raise TypeError(f"portrait: the candidate {name} is {candidate!r:.60}, not a callable of (y, yhat)")
    return named


def _own_name(candidate: Any) -> str:
    return getattr(candidate, "__qualname__", "") or repr(candidate)


def suffix_of(path: str | PathLike[str]) -> str:
    """The kind of file that a name ends with; ValueError if it is no figure."""
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS_OF_FIGURES:
        raise ValueError(f"portrait: out is {str(path)!r}, which ends neither with .svg nor with .png")
    return kind
