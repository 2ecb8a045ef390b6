"""An event log as Parquet: one row an event, its raw value and columns to look at. The only module with pyarrow."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from stream.core.errors import LogError
from stream.core.events import Event, Raised, Tick
from stream.extras import import_extra

if TYPE_CHECKING:
    from stream.eventlog import Line, Progress

VALUE = "value"  # the event as it was in Kafka, byte for byte: all that `read_log` reads
_NAMES = ("team", "alert_id", "rule", "entity", "severity", "source", "kind", "actor")
_FEW = ("team", "rule", "severity", "source", "kind")  # columns whose values repeat
_ROWS = 20_000  # in a row group, and so in memory
_READ = 2_000


def import_parquet() -> tuple[Any, Any]:
    """`pyarrow` and `pyarrow.parquet`.

    Raises:
        LogError: the extra is not installed.
    """
    names = ("pyarrow", "pyarrow.parquet")
    arrow, parquet = (import_extra(name, "lab", ".parquet needs", LogError) for name in names)
    return arrow, parquet


def write_parquet(lines: "Iterable[Line]", file: IO[bytes]) -> None:
    """Write events. Columns: `at` (UTC, microseconds), `type`, the names that an event has, and its value."""
    arrow, parquet = import_parquet()
    schema = _schema(arrow)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        rows: list[Line] = []
        for line in lines:
            rows.append(line)
            if len(rows) == _ROWS:
                writer.write_table(_table(arrow, schema, rows))
                rows.clear()
        writer.write_table(_table(arrow, schema, rows))


def read_values(path: Path, progress: "Progress") -> Iterator[list[bytes]]:
    """The events' raw values, some thousand at a time.

    Raises:
        LogError: it is no Parquet file, or has no column of values.
    """
    arrow, parquet = import_parquet()
    try:
        with parquet.ParquetFile(path) as file:
            if VALUE not in file.schema_arrow.names:
                raise LogError(f"{path}: has no column {VALUE!r}", f"take a file that `noisegate lab pull` wrote")
            total, read = max(file.metadata.num_rows, 1), 0
            for batch in file.iter_batches(_READ, columns=[VALUE]):
                yield batch.column(0).cast(arrow.binary()).fill_null(b"").to_pylist()
                read += batch.num_rows
                progress("reading", read / total)
    except (OSError, arrow.ArrowException) as error:
        raise LogError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from None


def _schema(arrow: Any) -> Any:
    few, text = arrow.dictionary(arrow.int32(), arrow.string()), arrow.string()
    names = [(name, few if name in _FEW else text) for name in _NAMES]
    return arrow.schema([("at", arrow.timestamp("us", "UTC")), ("type", few), *names, (VALUE, arrow.binary())])


def _table(arrow: Any, schema: Any, rows: "list[Line]") -> Any:
    columns: dict[str, list[Any]] = {name: [getattr(row.event, name, None) for row in rows] for name in _NAMES}
    columns |= {
        "at": [row.event.at for row in rows],
        "type": [_type(row.event) for row in rows],
        VALUE: [row.value for row in rows],
    }
    arrays = [arrow.array(columns[field.name], field.type) for field in schema]
    return arrow.Table.from_arrays(arrays, schema=schema)


def _type(event: Event) -> str:
    if type(event) is Raised:
        return "raised"
    return "tick" if type(event) is Tick else "acted"
