"""`noisegate failed ...`: what could not be used, and sending it again."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct

from stream.cli import shown
from stream.plain import plain

if TYPE_CHECKING:
    from confluent_kafka import Message

    from stream.config import Settings

app = typer.Typer(no_args_is_help=True, help="List failed records, and replay them.")
Reason = Annotated[str | None, typer.Option(help="Only records that failed for this reason.")]
_SHOWN_BYTES = 120


class FailedRecord(Struct, frozen=True):
    """A record of `alerts.failed`: where it came from, why it failed, and its bytes, cut where they were too many."""

    at: float  # when it failed, seconds since 1970
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    length: int  # of the whole value
    sha256: str
    value: bytes

    @property
    def cut(self) -> bool:
        """Whether some of it is gone."""
        return len(self.value) < self.length


@app.command("list")
def list_failed(
    limit: Annotated[int, typer.Option(min=1, help="Show the newest so many.")] = 20,
    reason: Reason = None,
    as_json: shown.AsJson = False,
) -> None:
    """List failed records, the newest last, and how many there are by reason."""
    from collections import deque

    from rich.table import Table
    from rich.text import Text

    newest: deque[FailedRecord] = deque(maxlen=limit)
    counts: Counter[str] = Counter()
    for record in read_failed(shown.settings(), reason):
        counts[record.reason] += 1
        newest.append(record)
    ordered = sorted(newest, key=lambda record: record.at)
    if as_json:
        shown.say_json({"counts": counts, "failed": [_as_told(record) for record in ordered]})
        return
    console = shown.out()
    if not counts:
        console.print("no failed records" + (f" with reason {reason}" if reason else ""))
        return
    table = Table("failed at", "reason", "from", "bytes", "detail", "begins")
    for record in ordered:
        stood = f"{record.topic}/{record.partition}/{record.offset}"
        begins = record.value[:_SHOWN_BYTES].decode("utf-8", "replace")
        cells = (record.reason, stood, f"{record.length:,}", record.detail, begins)
        table.add_row(shown.when(record.at), *(Text(plain(cell)) for cell in cells))
    console.print(table)
    console.print(", ".join(f"{count:,} {name}" for name, count in counts.most_common()))


@app.command()
def replay(
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    as_json: shown.AsJson = False,
) -> None:
    """Send failed records to alerts.events again, each to its team's partition.

    Sending twice does no harm: the same alert or action counts once. What still can't be used fails again.
    """
    from stream.feed import FLUSH_SECONDS
    from stream.kafka import Topics, producer_settings
    from stream.lane.batch import Output
    from stream.lane.publisher import Publisher

    settings = shown.settings()
    Topics(settings).require("events", "failed")
    counts = Counter({"replayed": 0, "cut": 0, "unreadable": 0, "repeated": 0})
    publisher = Publisher({**producer_settings(settings), "log_level": 0})
    seen: set[tuple[str, int, int]] = set()
    for record in read_failed(settings, reason):
        stood = (record.topic, record.partition, record.offset)
        team = _team_of(record)
        if stood in seen:
            counts["repeated"] += 1
        elif record.cut:
            counts["cut"] += 1
        elif team is None:
            counts["unreadable"] += 1
        else:
            counts["replayed"] += 1
            if not dry_run:
                publisher.publish([Output(settings.events_topic, team.encode(), record.value)])
        seen.add(stood)
    publisher.flush(FLUSH_SECONDS)
    if as_json:
        shown.say_json({**counts, "dry_run": dry_run, "topic": settings.events_topic})
        return
    verb = "would be sent" if dry_run else "sent"
    console = shown.out()
    console.print(f"{counts['replayed']:,} records {verb} to {settings.events_topic}")
    if counts["cut"]:
        console.print(
            f"{counts['cut']:,} were too large to be kept whole and can't be replayed; send them from their source"
        )
    if counts["unreadable"]:
        console.print(f"{counts['unreadable']:,} are no events and can't be replayed; mend their producer")
    if counts["repeated"]:
        console.print(f"{counts['repeated']:,} stood there more than once; once was enough")


def read_failed(settings: "Settings", reason: str | None) -> Iterator[FailedRecord]:
    """All failed records there are, partition by partition in order."""
    from stream.reader import Reader

    with Reader(settings, [settings.failed_topic]) as reader, shown.progress().status("reading failed records"):
        for message in reader.read_all():
            record = _failed(message)
            if reason is None or record.reason == reason:
                yield record


def _failed(message: "Message") -> FailedRecord:
    told = {key: bytes(text or b"").decode("utf-8", "replace") for key, text in message.headers() or []}
    value = message.value() or b""
    return FailedRecord(
        at=message.timestamp()[1] / 1000.0,
        reason=told.get("reason", "?"),
        detail=told.get("detail", ""),
        topic=told.get("topic", "?"),
        partition=int(told.get("partition", -1)),
        offset=int(told.get("offset", -1)),
        length=int(told.get("length", len(value))),
        sha256=told.get("sha256", ""),
        value=value,
    )


def _team_of(record: FailedRecord) -> str | None:
    """The key to send it with; None for what is no event of a team."""
    from stream.core.errors import BadRecord
    from stream.core.events import Tick, decode_event

    try:
        event = decode_event(record.value)
    except BadRecord:
        return None
    return None if type(event) is Tick else event.team  # type: ignore[union-attr]  # mypy: `type() is` does not narrow


def _as_told(record: FailedRecord) -> dict[str, Any]:
    return {
        "failed_at": shown.when(record.at),
        "reason": record.reason,
        "detail": record.detail,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "length": record.length,
        "sha256": record.sha256,
        "cut": record.cut,
        "value": record.value.decode("utf-8", "replace"),
    }
