"""An event log on disk: JSON lines in the event form, plain or gzip, or Parquet, in order of time."""

import gzip
import math
import shlex
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from stream.core import limits
from stream.core.errors import READABLE, BadRecord, LogError
from stream.core.events import Acted, Event, Raised, Tick, check_time, decode_event
from stream.extras import import_extra
from stream.files import AnyPath, atomic_file
from stream.progress import Progress, no_progress

_BLOCK = 64 * 1024  # bytes read at once
_COMPRESS_LEVEL = 3

VALUE = "value"  # the Parquet column with the event as it was in Kafka, byte for byte; the only one that is read
_COLUMNS = ("team", "alert_id", "rule", "entity", "severity", "source", "kind", "actor")
_REPEATING = ("team", "rule", "severity", "source", "kind")  # columns stored as dictionaries
_ROW_GROUP = 20_000  # rows, and so in memory
_ROWS_READ = 2_000  # at once


_GZIP, _PARQUET, _BOM = b"\x1f\x8b", b"PAR1", b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_FIELDS_SHOWN = 5


class Line(Struct, frozen=True, gc=False):
    """One event of a log, its time in seconds since 1970, and the bytes it was read from."""

    event: Event
    at: float
    value: bytes


class Skipped(Struct):
    """How many lines of a log are no events for a reason, and the first: its number and what is wrong with it."""

    count: int
    first_line: int
    first_detail: str


def read_log(
    path: AnyPath,
    grace_seconds: float = math.inf,
    progress: Progress = no_progress,
    skipped: dict[str, Skipped] | None = None,
) -> Iterator[Line]:
    """The events of a file of JSON lines, plain or gzip, or of Parquet, in log order; the content says which it is.

    Args:
        path: the file; Parquet as `lab pull` writes it, of which only the column `value` is read.
        grace_seconds: how much earlier than the latest before it an event may be.
        progress: called now and then with the share that is read.
        skipped: where lines that are no events are counted, by the reason that the scorer would fail them for; None
            raises an error at the first of them.

    Raises:
        LogError: a line is not an event (file and line are named), the log is out of order, or there is nothing in it.
    """
    path = Path(path)
    magic = _PARQUET if path.suffix == ".parquet" else _magic(path)
    if magic.startswith(_PARQUET):
        yield from _ordered(path, _read_parquet(path, progress), grace_seconds, skipped)
    else:
        try:
            with path.open("rb") as raw:
                size = max(path.stat().st_size, 1)
                file = gzip.GzipFile(fileobj=raw) if magic.startswith(_GZIP) else raw

                def report_progress() -> None:
                    progress("reading", min(raw.tell() / size, 1.0))

                yield from _ordered(path, _blocks(file, report_progress), grace_seconds, skipped)
        except (OSError, EOFError, zlib.error) as error:
            raise LogError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}", READABLE) from None
    progress("reading", 1.0)


def _blocks(file: "IO[bytes] | gzip.GzipFile", report_progress: Callable[[], None]) -> Iterator[list[bytes]]:
    """Lines by the block; one of any length is cut above the limit, so that no line fills the memory."""
    longest, rest, first = limits.EVENT_BYTES + 2, b"", True
    while block := file.read(_BLOCK):
        if first:
            block, first = block.removeprefix(_BOM), False
        lines = (rest + block).split(b"\n")
        rest = lines.pop()[:longest]
        yield [line.rstrip(b"\r") for line in lines] if b"\r" in block else lines
        report_progress()
    yield [rest.rstrip(b"\r")] if rest else []


def _ordered(
    path: Path, blocks: Iterable[list[bytes]], grace_seconds: float, skipped: dict[str, Skipped] | None
) -> Iterator[Line]:
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
                _skip(path, number, value, error, skipped)
                continue
            if at > latest:
                latest = at
            elif at < latest - grace_seconds:
                late += 1
                first_late = first_late or number
            yield Line(event, at, value)
    if latest == -math.inf:
        raise LogError(f"{path}: holds no events", "name an event log that holds some")
    if late:
        raise LogError(
            f"{path}: is out of order: {late} of {number} events are earlier than one before them by more than "
            f"{grace_seconds:.0f} s, the first in line {first_late}",
            "sort it by `at` (--sort)",
        )


def clean_log(
    path: Path, output: Path, skip_bad: bool, sort: bool, progress: Progress = no_progress
) -> dict[str, Skipped]:
    """Write a log again, as JSON lines, without what is no event or in order of time; returns what was left out.

    To sort it, all of it is held in memory. Events of one time keep their order.

    Raises:
        LogError: it can't be read or written, or, without `skip_bad`, a line is no event.
    """
    skipped: dict[str, Skipped] = {}
    values = ((line.at, line.value) for line in read_log(path, math.inf, progress, skipped if skip_bad else None))
    with log_file(output) as file:
        for _, value in sorted(values, key=lambda pair: pair[0]) if sort else values:
            file.write(value + b"\n")
    return skipped


def left_out_sentences(skipped: Mapping[str, Skipped]) -> list[str]:
    """A sentence for each reason for which lines were left out."""
    return [
        f"left out {found.count:,} lines: {reason}, the first in line {found.first_line}: {found.first_detail}"
        for reason, found in skipped.items()
    ]


def _skip(path: Path, number: int, value: bytes, error: BadRecord, skipped: dict[str, Skipped] | None) -> None:
    """Count a line that is no event; without counts, raise what it is instead."""
    detail = error.detail
    if error.reason == "bad_field" and (names := _unread_fields(value)):
        detail += f" (it has {names}, which nothing reads)"
    named = _named(path, value) if number == 1 else None
    if skipped is not None and named is None:
        found = skipped.setdefault(error.reason, Skipped(0, number, detail))
        found.count += 1
        return
    raise named or LogError(f"{path}: line {number}: {error.reason}: {detail}", "correct the line, or take it out")


def _unread_fields(value: bytes) -> str:
    """The names of an object's fields that no event has, in quotes."""
    try:
        names = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    known = {"type", *Raised.__struct_fields__, *Acted.__struct_fields__}
    return ", ".join([repr(name) for name in names if name not in known][:_FIELDS_SHOWN])


def _named(path: Path, value: bytes) -> LogError | None:
    """What a file of other form is, by its first line that is no event; None if it is JSON lines."""
    name, line = shlex.quote(path.name), value.strip()
    show = f"zcat {name} | jq -c" if path.suffix == ".gz" else "jq -c"
    rest = "" if path.suffix == ".gz" else f" {name}"
    if value.startswith(_UTF_16):
        mend = f"`iconv -f UTF-16 -t UTF-8 {name} > events.jsonl` converts it"
        return LogError(f"{path}: is UTF-16, and an event log is UTF-8", mend)
    if line.startswith(b"["):
        mend = f"`{show} '.[]'{rest} > events.jsonl` writes it so"
        return LogError(f"{path}: is a JSON array, and an event log has one event a line", mend)
    if line.startswith(b"{") and line.endswith((b"{", b",")):
        mend = f"`{show} .{rest} > events.jsonl` writes it so"
        return LogError(f"{path}: has events over several lines, and an event log has one a line", mend)
    return None


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise LogError(f"{path}: can't be read: {error.strerror or error}", READABLE) from None


@contextmanager
def log_file(output: Path) -> Iterator["IO[bytes] | gzip.GzipFile"]:
    """A file to write, gzip where it ends in .gz; it replaces `output` when the block ends well.

    The same lines give the same bytes, whenever they are written.

    Raises:
        LogError: it can't be written.
    """
    try:
        with atomic_file(output) as file:
            if output.suffix == ".gz":
                with gzip.GzipFile("", "wb", _COMPRESS_LEVEL, file, mtime=0) as packed:
                    yield packed
            else:
                yield file
    except OSError as error:
        raise LogError(f"{output}: can't be written: {error.strerror or error}") from None


def import_parquet() -> tuple[Any, Any]:
    """`pyarrow` and `pyarrow.parquet`.

    Raises:
        LogError: the extra is not installed.
    """
    names = ("pyarrow", "pyarrow.parquet")
    arrow, parquet = (import_extra(name, "lab", ".parquet needs", LogError) for name in names)
    return arrow, parquet


def write_parquet(lines: Iterable[Line], file: "IO[bytes] | gzip.GzipFile") -> None:
    """Write events. Columns: `at` (UTC, microseconds), `type`, the names that an event has, and its value."""
    arrow, parquet = import_parquet()
    schema = _arrow_schema(arrow)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        rows: list[Line] = []
        for line in lines:
            rows.append(line)
            if len(rows) == _ROW_GROUP:
                writer.write_table(_arrow_table(arrow, schema, rows))
                rows.clear()
        writer.write_table(_arrow_table(arrow, schema, rows))


def _read_parquet(path: Path, progress: Progress) -> Iterator[list[bytes]]:
    """The events' raw values, some thousand at a time.

    Raises:
        LogError: it is no Parquet file, or has no column of values.
    """
    arrow, parquet = import_parquet()
    try:
        with parquet.ParquetFile(path) as file:
            if VALUE not in file.schema_arrow.names:
                raise LogError(f"{path}: has no column {VALUE!r}", "take a file that `noisegate lab pull` wrote")
            total, read = max(file.metadata.num_rows, 1), 0
            for batch in file.iter_batches(_ROWS_READ, columns=[VALUE]):
                yield batch.column(0).cast(arrow.binary()).fill_null(b"").to_pylist()
                read += batch.num_rows
                progress("reading", read / total)
    except (OSError, arrow.ArrowException) as error:
        raise LogError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}", READABLE) from None


def _arrow_schema(arrow: Any) -> Any:
    few, text = arrow.dictionary(arrow.int32(), arrow.string()), arrow.string()
    names = [(name, few if name in _REPEATING else text) for name in _COLUMNS]
    return arrow.schema([("at", arrow.timestamp("us", "UTC")), ("type", few), *names, (VALUE, arrow.binary())])


def _arrow_table(arrow: Any, schema: Any, rows: list[Line]) -> Any:
    columns: dict[str, list[Any]] = {name: [getattr(row.event, name, None) for row in rows] for name in _COLUMNS}
    columns |= {
        "at": [row.event.at for row in rows],
        "type": [_type_of(row.event) for row in rows],
        VALUE: [row.value for row in rows],
    }
    arrays = [arrow.array(columns[field.name], field.type) for field in schema]
    return arrow.Table.from_arrays(arrays, schema=schema)


def _type_of(event: Event) -> str:
    if type(event) is Raised:
        return "raised"
    return "tick" if type(event) is Tick else "acted"
