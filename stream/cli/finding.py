"""What one of doctor's checks found."""

from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from stream.config import Settings

Verdict = Literal["ok", "warning", "wrong"]


class Finding(Struct, frozen=True):
    """What one check found; a mend where something is to be done."""

    check: str
    verdict: Verdict
    found: str
    mend: str | None = None


Check = Callable[[Settings], Iterator[Finding]]


def finding_of(check: str, verdict: Verdict, sentence: str) -> Finding:
    """A finding of a sentence whose mend stands behind its last semicolon."""
    found, _, mend = sentence.rpartition("; ")
    return Finding(check, verdict, found or mend, mend if found else None)
