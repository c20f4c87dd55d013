"""Builds the site: `python -m reflosses.teaching.web FOLDER --modules NODE_MODULES`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reflosses.teaching.tree import NotReadError
from reflosses.teaching.web.build import build_site


def _main() -> int:
    """Build the site and print its address; 1 and the reason if it cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m reflosses.teaching.web", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the site is written")
    parser.add_argument("--modules", type=Path, required=True, help="the folder node_modules with katex and the fonts")
    options = parser.parse_args()
    try:
        sheets = build_site(options.folder, options.modules)
    except (ValueError, OSError, NotReadError) as error:
        print(f"the site was not built: {error}", file=sys.stderr)
        return 1
    print(f"{options.folder}/index.html: {len(sheets)} pages")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
