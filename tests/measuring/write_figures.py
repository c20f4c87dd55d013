"""Draw the figures of the pages into derivations/figures; with --check, compare those that are there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reflosses.teaching.figures.gallery import shipped_figures

from drawn import FIGURES, differences


def write(folder: Path) -> None:
    """Write every figure, and remove files of figures that are no more."""
    folder.mkdir(exist_ok=True)
    figures = shipped_figures()
    for path in folder.glob("*.svg"):
        if path.stem not in figures:
            path.unlink()
    for name, figure in figures.items():
        (folder / f"{name}.svg").write_text(figure.svg(), "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; status 1 if a figure is not what is drawn now"
    )
    if not parser.parse_args().check:
        write(FIGURES)
        return 0
    wrong = [
        f"{name}: {text}" for name, figure in shipped_figures().items() for text in differences(name, figure.svg())
    ]
    print(*wrong or ["all figures are what is drawn now"], sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
