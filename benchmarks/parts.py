"""The parts of RESULTS.md, each written by a benchmark of its own between two marks."""

import re
from pathlib import Path

_PART = re.compile(r"<!-- (\w+): written by [^\n]* -->\n.*?<!-- \1: end -->\n", re.DOTALL)


def put_part(path: Path, text: str, begin: str, end: str) -> None:
    """Put a part in its place, at the end the first time; `text` holds both marks and ends with its line."""
    page = path.read_text(encoding="utf-8")
    if begin in page:
        page = page[: page.index(begin)] + text + page[page.index(end) + len(end) + 1 :]
    else:
        page = page.rstrip("\n") + "\n\n" + text
    path.write_text(page, encoding="utf-8")


def parts_of(page: str) -> str:
    """All parts of a page, each after an empty line.

    >>> parts_of("gone\\n<!-- a: written by x -->\\nkept\\n<!-- a: end -->\\ngone\\n")
    '\\n<!-- a: written by x -->\\nkept\\n<!-- a: end -->\\n'
    """
    return "".join(f"\n{found[0]}" for found in _PART.finditer(page))
