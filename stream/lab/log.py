"""An event log on disk: JSON lines in the event form, plain or gzip, in order of time."""

import gzip
import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from stream.core import limits
from stream.core.errors import BadRecord, LogError
from stream.core.events import Event, check_time, decode_event, seconds

Progress = Callable[[str, float], None]  # what is being done, and the share of it that is done
_TELL_EVERY = 2_000  # lines


class Line(NamedTuple):
    """One event of a log, and the bytes it was read from."""

    event: Event
    at: float
    value: bytes


def no_progress(what: str, share: float) -> None:
    """For callers that nobody watches."""


def read_log(path: Path, grace_seconds: float = math.inf, progress: Progress = no_progress) -> Iterator[Line]:
    """The events of a .jsonl or .jsonl.gz file, in log order.

    Args:
        path: the file.
        grace_seconds: how much earlier than the latest before it an event may be.
        progress: told now and then how far reading is.

    Raises:
        LogError: a line is not an event (file and line are named), the log is out of order, or there is nothing in it.
    """
    try:
        with path.open("rb") as raw:
            size = max(path.stat().st_size, 1)
            lines = _lines(gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw)
            for count, line in enumerate(_ordered(path, lines, grace_seconds), start=1):
                if count % _TELL_EVERY == 0:
                    progress("reading", min(raw.tell() / size, 1.0))
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise LogError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from None
    progress("reading", 1.0)


def _lines(file: "IO[bytes] | gzip.GzipFile") -> Iterator[bytes]:
    """Lines of any length, each cut just above the limit, so that no line fills the memory."""
    longest = limits.EVENT_BYTES + 2
    while line := file.readline(longest):
        yield line.rstrip(b"\r\n")
        while len(line) == longest and not line.endswith(b"\n"):
            line = file.readline(longest)


def _ordered(path: Path, lines: Iterator[bytes], grace_seconds: float) -> Iterator[Line]:
    latest, number, late, first_late = -math.inf, 0, 0, 0
    for number, value in enumerate(lines, start=1):
        if not value:
            continue
        event, at = _decoded(path, number, value)
        if at > latest:
            latest = at
        elif at < latest - grace_seconds:
            late += 1
            first_late = first_late or number
        yield Line(event, at, value)
    if latest == -math.inf:
        raise LogError(f"{path}: holds no events")
    if late:
        raise LogError(
            f"{path}: is out of order: {late} of {number} events are earlier than one before them by more than "
            f"{grace_seconds:.0f} s, the first in line {first_late}; sort it by `at`"
        )


def _decoded(path: Path, number: int, value: bytes) -> tuple[Event, float]:
    try:
        event = decode_event(value)
        at = seconds(event.at)
        check_time(at, math.inf)
    except BadRecord as error:
        raise LogError(f"{path}: line {number}: {error}") from None
    return event, at
