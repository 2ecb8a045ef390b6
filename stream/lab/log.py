"""An event log on disk: JSON lines in the event form, plain or gzip, or Parquet, in order of time."""

import gzip
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from msgspec import Struct

from stream.core import limits
from stream.core.errors import BadRecord, LogError
from stream.core.events import Event, check_time, decode_event

Progress = Callable[[str, float], None]  # what is being done, and the share of it that is done
_BLOCK = 64 * 1024  # bytes read at once


class Line(Struct, frozen=True, gc=False):
    """One event of a log, its time in seconds since 1970, and the bytes it was read from."""

    event: Event
    at: float
    value: bytes


def no_progress(what: str, share: float) -> None:
    """For callers that nobody watches."""


def read_log(path: Path, grace_seconds: float = math.inf, progress: Progress = no_progress) -> Iterator[Line]:
    """The events of a .jsonl, .jsonl.gz or .parquet file, in log order.

    Args:
        path: the file; Parquet as `lab pull` writes it, of which only the column `value` is read.
        grace_seconds: how much earlier than the latest before it an event may be.
        progress: told now and then how far reading is.

    Raises:
        LogError: a line is not an event (file and line are named), the log is out of order, or there is nothing in it.
    """
    if path.suffix == ".parquet":
        from stream.lab.parquet import read_values

        yield from _ordered(path, read_values(path, progress), grace_seconds)
    else:
        try:
            with path.open("rb") as raw:
                size = max(path.stat().st_size, 1)
                file = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw

                def told() -> None:
                    progress("reading", min(raw.tell() / size, 1.0))

                yield from _ordered(path, _blocks(file, told), grace_seconds)
        except (OSError, EOFError, zlib.error) as error:
            raise LogError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from None
    progress("reading", 1.0)


def _blocks(file: "IO[bytes] | gzip.GzipFile", told: Callable[[], None]) -> Iterator[list[bytes]]:
    """Lines by the block; one of any length is cut above the limit, so that no line fills the memory."""
    longest, rest = limits.EVENT_BYTES + 2, b""
    while block := file.read(_BLOCK):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()[:longest]
        yield [line.rstrip(b"\r") for line in lines] if b"\r" in block else lines
        told()
    yield [rest.rstrip(b"\r")] if rest else []


def _ordered(path: Path, blocks: Iterable[list[bytes]], grace_seconds: float) -> Iterator[Line]:
    """One loop, without a call a line that can be spared: it is a third of what a replay takes."""
    latest, number, late, first_late = -math.inf, 0, 0, 0
    floor, ceiling = limits.FLOOR_SECONDS, limits.CEILING_SECONDS
    for block in blocks:
        for value in block:
            number += 1
            if not value:
                continue
            try:
                event = decode_event(value)
                at = event.at.timestamp()
                if not floor <= at <= ceiling:
                    check_time(at, math.inf)
            except BadRecord as error:
                raise LogError(f"{path}: line {number}: {error}") from None
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
            f"{grace_seconds:.0f} s, the first in line {first_late}",
            f"sort it by `at`",
        )
