"""`noisegate replay` and `noisegate tail`: logs into Kafka, topics out of it."""

import sys
import time
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli import options
from stream.console import (
    count_bar,
    format_time,
    print_json,
    print_notice,
    stderr_console,
    stdout_console,
    strip_control_characters,
)
from stream.core.text import display_text
from stream.core.topics import TOPICS

if TYPE_CHECKING:
    from confluent_kafka import Message

    from stream.config import Settings

_CHUNK = 500
_ROLES = tuple(TOPICS)
_SKEW_MS = 1_000
_SLOW_SECONDS = 15.0  # at most without a record before the log's end is reached
_OLD_SECONDS = 3_600.0  # a log that ends longer ago than a tick and this is of the past
_DECISION_COLUMNS = {"decision": 12, "by_rule": 24, "team": 20, "alert_id": 20}  # with their widths; `why` is last


class Format(StrEnum):
    "Output format."

    jsonl = "jsonl"
    table = "table"


def replay(
    events: Annotated[Path, typer.Argument(help="Event log to send: .jsonl, .jsonl.gz or .parquet (extra: lab).")],
    speed: Annotated[str, typer.Option(help="Speed, in multiples of real time, or max.")] = "max",
    topic: Annotated[
        str | None, typer.Option(help="Topic to send to. Default: the events topic of the settings.")
    ] = None,
    skip_bad: options.SkipBad = False,
    as_json: options.AsJson = False,
) -> None:
    """Send an event log to Kafka, keyed by team and in log order."""
    from stream.eventlog import read_log
    from stream.kafka.replay import Feed, Schedule, parse_speed

    pace = parse_speed(speed)
    total = _count(events, skip_bad)  # a bad line is told before anything is sent
    settings = options.settings()
    feed = Feed(settings, topic)
    began, sent, newest = time.monotonic(), 0, 0.0
    schedule = Schedule(read_log(events, skipped={} if skip_bad else None), pace)
    with count_bar(f"{events.name} to {feed.topic}", total) as report_progress:
        while not schedule.done:
            lines = schedule.take(_CHUNK)
            feed.send(lines)
            sent += len(lines)
            newest = max([newest, *(line.at for line in lines)])
            report_progress(sent)
            if not lines:
                time.sleep(min(schedule.wait_seconds, 0.2))
        feed.flush()
    seconds = time.monotonic() - began
    if as_json:
        print_json({"events": sent, "topic": feed.topic, "seconds": seconds})
    else:
        stdout_console().print(f"{sent:,} events sent to {feed.topic} in {seconds:.1f} s")
    if settings.scorer.tick_seconds and newest < time.time() - settings.scorer.tick_seconds - _OLD_SECONDS:
        stderr_console().print(
            f"The log ends at {format_time(newest)}. Ticks of a quiet scorer move its time to now, so old events "
            "sent after that count as late. For scorers of old logs, set tick_seconds = 0"
        )


def _count(log: Path, skip_bad: bool) -> int:
    """How many events a log holds; what is left out, and fields that nothing reads, are named on standard error."""
    from stream.core.events import unknown_fields
    from stream.eventlog import Skipped, left_out_sentences, read_log
    from stream.lab.log_warnings import count_names, fields_sentence

    total, unread = 0, Counter[str]()
    skipped: dict[str, Skipped] = {}
    with stderr_console().status("counting events"):
        for line in read_log(log, skipped=skipped if skip_bad else None):
            total += 1
            count_names(unknown_fields(line.event, line.value), unread)
    for sentence in left_out_sentences(skipped):
        print_notice(sentence)
    if unread_fields := fields_sentence(unread):
        stderr_console().print(unread_fields, markup=False, soft_wrap=True)
    return total


def tail(
    topic: Annotated[str, typer.Argument(help=f"{', '.join(_ROLES)}, or any topic's name.")],
    output: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.jsonl,
    until_idle: Annotated[
        float | None,
        typer.Option(help="At the log's end, exit after this many seconds without a record. Default: never."),
    ] = None,
    beginning: Annotated[
        bool,
        typer.Option(
            "--from-beginning/--latest", help="Start with the oldest records, or with those that arrive from now on."
        ),
    ] = True,
) -> None:
    """Print a topic's records as they arrive. With jsonl, print each value unchanged, one per line."""
    from stream.kafka.reader import Reader

    settings = options.settings()
    name = getattr(settings.topics, topic) if topic in _ROLES else topic
    show = _jsonl if output is Format.jsonl else _table_line
    # The embedded broker does not know its end: there, what is older than this command is read and left out.
    since = 0.0 if beginning or settings.kafka.end_offsets else time.time() * 1000 - _SKEW_MS
    with Reader(settings, [name], None if beginning or not settings.kafka.end_offsets else 0) as reader:
        quiet_since = time.monotonic()
        try:
            while until_idle is None or time.monotonic() - quiet_since < max(
                until_idle, 0.0 if reader.at_end else _SLOW_SECONDS
            ):
                found = [message for message in reader.read(0.1) if message.timestamp()[1] >= since]
                for message in found:
                    show(message, settings)
                if found:
                    sys.stdout.flush()
                    quiet_since = time.monotonic()
        except KeyboardInterrupt:  # how a person ends it
            return


def _jsonl(message: "Message", _: "Settings") -> None:
    value = (message.value() or b"").replace(b"\n", b" ")
    if sys.stdout.isatty():  # a pipe gets the value as it is
        value = strip_control_characters(value.decode("utf-8", "replace")).encode()
    sys.stdout.buffer.write(value + b"\n")


def _table_line(message: "Message", settings: "Settings") -> None:
    cells = [format_time(message.timestamp()[1] / 1000.0), f"{message.partition()}/{message.offset()}"]
    cells += _cells(message, settings)
    sys.stdout.write("  ".join(map(display_text, cells)).rstrip() + "\n")


def _cells(message: "Message", settings: "Settings") -> list[str]:
    import msgspec

    value = message.value() or b""
    if message.topic() == settings.topics.failed:
        headers = {key: bytes(text or b"").decode("utf-8", "replace") for key, text in message.headers() or []}
        return [f"{headers.get('reason', '?'):<14}", headers.get("detail", "")]
    try:
        record: dict[str, Any] = msgspec.json.decode(value, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [value[:200].decode("utf-8", "replace")]
    if message.topic() == settings.topics.enriched:
        return _enriched_cells(record)
    if message.topic() == settings.topics.decisions:
        cells = [f"{record.get(name) or '':<{width}}" for name, width in _DECISION_COLUMNS.items()]
        return [*cells, str(record.get("why") or "")]
    if message.topic() == settings.topics.outcomes:
        names = ("outcome", "by", "team", "rule", "alert_id")
    else:
        names = ("type", "kind", "team", "rule", "alert_id")
    return [f"{record.get(name) or '':<14}" for name in names]


def _enriched_cells(record: dict[str, Any]) -> list[str]:
    import msgspec

    from stream.core.records import Enriched
    from stream.core.scoring import history_words

    enriched = msgspec.convert(record, Enriched)
    probability, alert = enriched.score.probability, enriched.alert
    shown_as = "    -" if probability is None else f"{probability:5.0%}"
    words = history_words(enriched.score, enriched.why)
    return [shown_as, f"{enriched.score.band:<17}", f"{alert.team:<20}", f"{alert.rule:<24}", words]
