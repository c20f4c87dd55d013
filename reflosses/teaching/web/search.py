"""The index of the search: a script that the pages load when somebody first searches. It works from a folder."""

from __future__ import annotations

import json
from collections.abc import Iterable

from reflosses.teaching.web.markdown import Sheet


def search_script(sheets: Iterable[Sheet]) -> str:
    """The index as JavaScript: one row for each section, its address, page, heading and words."""
    rows = [
        [
            f"{sheet.path}#{section.anchor}" if section.anchor else sheet.path,
            sheet.title,
            section.heading,
            section.words,
        ]
        for sheet in sheets
        for section in sheet.sections
    ]
    return f"reflosses.found({json.dumps(rows, ensure_ascii=False, separators=(',', ':'))});\n"
