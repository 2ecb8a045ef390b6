"""`alerts.events` out of Kafka into an event log for the lab, by the scorer's own rules of what can be folded."""

import gzip
import math
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from msgspec import Struct, field

from stream.config import Settings
from stream.core import limits
from stream.core.errors import BadRecord, LogError
from stream.core.events import (
    Event,
    Raised,
    Tick,
    decode_event,
    encode_event,
    event_time,
    moment,
    seconds,
    unknown_fields,
)
from stream.core.partitions import TeamPartitions
from stream.eventlog import Line, import_parquet, log_file, write_parquet
from stream.kafka.misrouted import MisroutedRecords
from stream.kafka.partitioner import partition_chooser
from stream.kafka.reader import Reader
from stream.lab.log_warnings import count_names
from stream.lab.sources.spool import Spool
from stream.progress import Progress, no_progress

ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")
_TELL_EVERY = 2_000


class Left(Struct):
    """Records of one reason that are not in the log: how many, and the first, as topic/partition/offset."""

    count: int
    first: str


class Pulled(Struct, kw_only=True):
    """What was read and what was written."""

    output: str
    topic: str
    records: int = 0
    alerts: int = 0
    actions: int = 0
    ticks: int = 0
    ticks_left_out: int = 0  # they would change nothing
    outside: int = 0  # of --since and --until, by event time
    moved: int = 0  # later than the grace: they stand where they happened
    elsewhere: int = 0  # in another partition than their team's now, as from before the topic grew
    left_out: dict[str, Left] = field(default_factory=dict)  # by reason, as in alerts.failed
    unknown_fields: Counter[str] = field(default_factory=Counter)  # events by field that nothing reads
    first_at: datetime | None = None
    last_at: datetime | None = None

    @property
    def events(self) -> int:
        """Lines written."""
        return self.alerts + self.actions + self.ticks


def pull(
    settings: Settings,
    output: Path,
    since: float | None = None,
    until: float | None = None,
    progress: Progress = no_progress,
) -> Pulled:
    """Write the events of [since, until) (event time, seconds since 1970) to `output`, there whole or not at all.

    A record that lies in another partition than its team's now is from before the topic grew, unless `alerts.failed`
    holds it as misrouted. Values wait in a temporary file; memory grows by 29 bytes an event. The same topic gives the
    same file.

    Raises:
        LogError: the name's ending, pyarrow missing, no such events, or the file can't be written.
        BrokerError: Kafka can't be read.
        SettingsError, ProblemError: the settings' problem file, whose grace decides what is late, can't be used.
    """
    if not output.name.endswith(ENDINGS):
        raise LogError(f"{output}: ends neither in .jsonl nor .jsonl.gz nor .parquet", "rename the output")
    if output.suffix == ".parquet":
        import_parquet()
    if since is not None and until is not None and since >= until:
        raise LogError(f"--since {moment(since):%FT%TZ} is not before --until {moment(until):%FT%TZ}")
    grace = settings.load_problem().outcome.grace_minutes * 60.0
    pulled = Pulled(output=str(output), topic=settings.topics.events)
    with log_file(output) as file, Spool(grace) as spool:
        _read(settings, since, until, pulled, spool, progress)
        _write(spool, pulled, file, progress)
    return pulled


def _read(
    settings: Settings, since: float | None, until: float | None, pulled: Pulled, spool: Spool, progress: Progress
) -> None:
    # A record may be older than its event by the skew, never by more.
    recorded = None if since is None else since - limits.SKEW_SECONDS
    low, high = -math.inf if since is None else since, math.inf if until is None else until
    with Reader(settings, [pulled.topic], since=recorded) as reader:
        teams = TeamPartitions(partition_chooser(settings.kafka.partitioner, reader.partitions[pulled.topic]))
        misrouted: MisroutedRecords | None = None
        for message in reader.read_all():
            pulled.records += 1
            if pulled.records % _TELL_EVERY == 0:
                progress("reading", reader.share)
            value, partition = message.value() or b"", message.partition() or 0
            try:
                event, at, value = _as_folded(value, message.timestamp()[1] / 1000.0)
                try:
                    teams.check(event, partition)
                except BadRecord:
                    misrouted = misrouted or MisroutedRecords.of(settings)
                    if misrouted.holds(partition, message.offset() or 0, value):
                        raise
                    pulled.elsewhere += 1
            except BadRecord as error:
                there = pulled.left_out.setdefault(error.reason, Left(0, ""))
                there.count += 1
                there.first = there.first or f"{pulled.topic}/{partition}/{message.offset()}"
                continue
            if low <= at < high:
                spool.add(partition, event, at, value)
                if names := unknown_fields(event, value):
                    count_names(names, pulled.unknown_fields)
            else:
                pulled.outside += 1
    progress("reading", 1.0)


def _as_folded(value: bytes, recorded_at: float) -> tuple[Event, float, bytes]:
    """An event, its time as the scorer folds it, and its bytes: a tick ahead of its record is written anew.

    Raises:
        BadRecord: it can't be folded.
    """
    event = decode_event(value)
    at = event_time(event, recorded_at)
    if type(event) is Tick and at < seconds(event.at):
        event = Tick(moment(at))
        value = encode_event(event)
    return event, at, value


def _write(spool: Spool, pulled: Pulled, file: "IO[bytes] | gzip.GzipFile", progress: Progress) -> None:
    if not len(spool):
        bad = sum(left.count for left in pulled.left_out.values())
        raise LogError(
            f"{pulled.topic} holds no event to pull: of {pulled.records:,} records {pulled.outside:,} are outside of "
            f"--since and --until, and {bad:,} can't be used"
        )
    lines = _counted(spool, pulled, progress)
    if pulled.output.endswith(".parquet"):
        write_parquet(lines, file)
    else:
        for line in lines:
            # A line end in a value is between its tokens, where a blank means the same.
            file.write(line.value.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n")
    pulled.moved, pulled.ticks_left_out = spool.moved, spool.ticks_left_out
    progress("writing", 1.0)


def _counted(spool: Spool, pulled: Pulled, progress: Progress) -> Iterator[Line]:
    first, last = math.inf, -math.inf
    for number, line in enumerate(spool.lines(), start=1):
        if type(line.event) is Raised:
            pulled.alerts += 1
        elif type(line.event) is Tick:
            pulled.ticks += 1
        else:
            pulled.actions += 1
        first, last = min(first, line.at), max(last, line.at)
        yield line
        if number % _TELL_EVERY == 0:
            progress("writing", number / len(spool))
    pulled.first_at, pulled.last_at = moment(first), moment(last)
