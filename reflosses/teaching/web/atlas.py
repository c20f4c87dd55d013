"""The atlas, which is half a megabyte, as one page for each framework."""

from __future__ import annotations

import re


def split_atlas(text: str) -> dict[str, str]:
    """The pages of the atlas by stem: what stands before the frameworks, then each framework.

    >>> pages = split_atlas("# Atlas: all\\n\\nWords.\\n\\n## torch 2.1\\n\\nRows.\\n\\n## keras 3\\n\\nMore.\\n")
    >>> list(pages)
    ['atlas', 'atlas_torch', 'atlas_keras']
    >>> print(pages["atlas_torch"].strip())
    # Atlas: torch 2.1
    <BLANKLINE>
    [How to read these tables](atlas.md).
    <BLANKLINE>
    Rows.

    ValueError if two frameworks begin with one word.
    """
    first, *parts = re.split(r"^## ", text, flags=re.M)
    pages = {"atlas": first}
    listed = []
    for part in parts:
        title, _, body = part.partition("\n")
        stem = f"atlas_{re.split(r'[^a-z]', title.lower())[0]}"
        if stem in pages:
            raise ValueError(f"two frameworks of the atlas have the page {stem}")
        raised = re.sub(r"^##(#+ )", r"#\1", body, flags=re.M)  # a heading of the third level is one of the second
        pages[stem] = f"# Atlas: {title}\n\n[How to read these tables](atlas.md).\n{raised}"
        listed.append(f"* [{title}]({stem}.md)")
    pages["atlas"] += "## The frameworks\n\n" + "\n".join(listed) + "\n"
    return pages
