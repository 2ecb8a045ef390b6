"""`noisegate failed ...`: what could not be used, and sending it again."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli import options
from stream.console import format_time, print_json, stderr_console, stdout_console, strip_control_characters
from stream.kafka.failed import FailedRecord, read_failed_record

if TYPE_CHECKING:
    from stream.config import Settings
    from stream.kafka.records import Output

app = typer.Typer(no_args_is_help=True, help="List failed records, and replay them.")
Reason = Annotated[str | None, typer.Option(help="Only records with this reason.")]
_SHOWN_BYTES = 120
_REFUSED = "refused_by_topic"


@app.command("list")
def list_failed(
    limit: Annotated[int, typer.Option(min=1, help="Number of records to show.")] = 20,
    reason: Reason = None,
    as_json: options.AsJson = False,
) -> None:
    """List failed records, newest last, with a count for each reason."""
    from collections import deque

    from rich.table import Table
    from rich.text import Text

    newest: deque[FailedRecord] = deque(maxlen=limit)
    counts: Counter[str] = Counter()
    for record in read_failed(options.settings(), reason):
        counts[record.reason] += 1
        newest.append(record)
    ordered = sorted(newest, key=lambda record: record.at)
    if as_json:
        print_json({"counts": counts, "failed": [_as_json(record) for record in ordered]})
        return
    console = stdout_console()
    if not counts:
        console.print("no failed records" + (f" with reason {reason}" if reason else ""), markup=False)
        return
    table = Table("failed at", "reason", "from", "bytes", "detail", "begins")
    for record in ordered:
        stood = f"{record.topic}/{_number(record.partition)}/{_number(record.offset)}"
        begins = record.value[:_SHOWN_BYTES].decode("utf-8", "replace")
        length = "?" if record.length is None else f"{record.length:,}"
        cells = (record.reason, stood, length, record.detail, begins)
        table.add_row(format_time(record.at), *(Text(strip_control_characters(cell)) for cell in cells))
    console.print(table)
    console.print(
        strip_control_characters(", ".join(f"{count:,} {name}" for name, count in counts.most_common())), markup=False
    )


@app.command()
def replay(
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Send failed records to their own topics again: events to their team's partition, others by their key.

    Sending twice does no harm: the same alert or action counts once. What still can't be used fails again; however
    often it stands in alerts.failed, it is sent once a run.
    """
    from stream.kafka.clients import producer_settings
    from stream.kafka.publisher import Publisher
    from stream.kafka.replay import FLUSH_SECONDS
    from stream.kafka.topics import Topics
    from stream.waiting import until_answered

    settings = options.settings()
    Topics(settings).require("events", "failed")
    counts = Counter(dict.fromkeys(("replayed", "outputs", "returned", "cut", "unreadable", "foreign", "repeated"), 0))
    publisher = Publisher({**producer_settings(settings), "log_level": 0})
    seen: set[tuple[str, int]] = set()
    for record in read_failed(settings, reason):
        kind, output = ("repeated", None) if record.identity in seen else _output_of(settings, record)
        counts[kind] += 1
        if output is not None and not dry_run:
            publisher.publish([output])
        seen.add(record.identity)
    with until_answered(settings.kafka.bootstrap_servers):
        publisher.flush(FLUSH_SECONDS)
    if as_json:
        print_json({**counts, "dry_run": dry_run, "topic": settings.topics.events})
        return
    _say_replayed(counts, settings.topics.events, "would be sent" if dry_run else "sent")


def _say_replayed(counts: Counter[str], topic: str, verb: str) -> None:
    console = stdout_console()
    console.print(f"{counts['replayed']:,} records {verb} to {topic}")
    if counts["outputs"]:
        console.print(f"{counts['outputs']:,} records that an output topic had refused {verb} to that topic")
    if counts["returned"]:
        console.print(f"{counts['returned']:,} records that a reader could not use {verb} to their topics again")
    if counts["cut"]:
        console.print(
            f"{counts['cut']:,} were too large to be kept whole and can't be replayed; send them from their source"
        )
    if counts["unreadable"]:
        console.print(f"{counts['unreadable']:,} are not events and can't be replayed; fix their producer")
    if counts["foreign"]:
        console.print(
            f"{counts['foreign']:,} come from topics that are none of this deployment's and are not sent;"
            " see `noisegate failed list`"
        )
    if counts["repeated"]:
        console.print(
            f"{counts['repeated']:,} are repeats, for example records that were replayed before and failed again"
        )


def read_failed(settings: "Settings", reason: str | None) -> Iterator[FailedRecord]:
    """All failed records there are, partition by partition in order."""
    from stream.kafka.reader import Reader

    with Reader(settings, [settings.topics.failed]) as reader, stderr_console().status("reading failed records"):
        for message in reader.read_all():
            at, headers = message.timestamp()[1] / 1000.0, message.headers() or ()
            record = read_failed_record(at, dict(headers), message.key(), message.value())
            if reason is None or record.reason == reason:
                yield record


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)


def _team_of(record: FailedRecord) -> str | None:
    """The key to send it with; None for what is no event of a team."""
    from stream.core.errors import BadRecord
    from stream.core.events import Tick, decode_event

    try:
        event = decode_event(record.value)
    except BadRecord:
        return None
    return None if type(event) is Tick else event.team  # type: ignore[union-attr]  # mypy: `type() is` does not narrow


def _output_of(settings: "Settings", record: FailedRecord) -> "tuple[str, Output | None]":
    """How a record counts in a replay, and what is sent of it: to its own topic only, and only what can be read.

    What a topic had refused was made by noisegate; it is not looked into.
    """
    from msgspec import MsgspecError

    from stream.core.records import decode_decision, decode_enriched, decode_outcome
    from stream.kafka.records import Output

    topics = settings.topics
    decoders: dict[str, Callable[[bytes], object]] = {
        topics.enriched: decode_enriched,
        topics.outcomes: decode_outcome,
        topics.decisions: decode_decision,
    }
    if record.cut:
        return "cut", None
    if record.topic in decoders:
        kind = "outputs" if record.reason == _REFUSED else "returned"
        try:
            if kind == "returned":
                decoders[record.topic](record.value)
        except MsgspecError:
            return "unreadable", None
        return kind, Output(record.topic, record.key, record.value)
    team = _team_of(record)
    if team is None:
        return "unreadable", None
    if record.topic != settings.topics.events:
        return "foreign", None
    return "replayed", Output(record.topic, team.encode(), record.value)


def _as_json(record: FailedRecord) -> dict[str, Any]:
    return {
        "failed_at": format_time(record.at),
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
