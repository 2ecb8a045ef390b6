"""The result of one check of `noisegate doctor`."""

from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from stream.config import Settings
from stream.core.errors import Fault

Verdict = Literal["ok", "warning", "wrong"]


class Finding(Struct, frozen=True):
    """The result of one check; a mend where something is to be done."""

    check: str
    verdict: Verdict
    found: str
    mend: str | None = None


Check = Callable[[Settings], Iterator[Finding]]


def finding_of(check: str, verdict: Verdict, fault: Fault) -> Finding:
    """The finding of a fault."""
    return Finding(check, verdict, fault.problem, fault.mend)
