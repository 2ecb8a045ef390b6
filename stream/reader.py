"""Typed records of noisegate's topics, for programs in Python: `from stream import reader`.

    with reader.enriched("kafka:9092", since="1h") as records:
        for record in records:
            print(record.alert.team, record.alert.rule, record.score.probability)

`docs/READING.md` is the guide.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypedDict, TypeVar, Unpack

from msgspec import MsgspecError

from stream.config import Settings, change_settings, load_settings
from stream.core import limits
from stream.core.errors import BadRecord, KafkaAway, SettingsError
from stream.core.events import Event, decode_event, parse_when
from stream.core.once import Once
from stream.core.records import Decision, Enriched, Outcome, decode_decision, decode_enriched, decode_outcome
from stream.kafka.failed import FailedRecord, read_failed_record
from stream.kafka.subscription import EARLIEST, LATEST, Received, Subscription

log = logging.getLogger(__name__)
T = TypeVar("T")
_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0


class Unreadable(NamedTuple):
    """A record that is not of its topic's type, as another version of noisegate or another program may write it."""

    received: Received
    problem: str


class Options(TypedDict, total=False):
    """How a topic is read. Every option may be left out.

    Attributes:
        since: where to begin: "earliest", "latest" (the default), a length before now such as "1h" or "7d", or a time,
            as RFC 3339 text or as a datetime with a zone. It is held against the records' timestamps. In a partition
            for which the group has committed an offset, that offset counts instead.
        group: a consumer group, whose members share the partitions. What you have consumed is committed.
        once: whether repetitions are left out (the default), as far as this process remembers.
        once_keys: how many alerts it remembers for that: 1,000,000, which takes up to 300 MB.
        follow: whether to wait for more at the end (the default), instead of ending there.
        on_unreadable: called with each record that can't be decoded. They are counted in any case.
        settings: noisegate's settings; by default those of the environment, as every command reads them.
    """

    since: str | datetime
    group: str | None
    once: bool
    once_keys: int
    follow: bool
    on_unreadable: Callable[[Unreadable], None] | None
    settings: Settings | None


class Source(Protocol):
    """What `Records` needs of `Subscription`; it is called from one thread."""

    @property
    def at_end(self) -> bool:
        """Whether everything was read, as of the last fetch."""

    @property
    def away_seconds(self) -> float:
        """For how long no broker has answered."""

    def poll(self, seconds: float) -> Received | None:
        """The next record, or None if none comes in time."""

    def mark_consumed(self, partition: int, offset: int) -> None:
        """The record need not come again."""

    def close(self) -> None:
        """Commit what is marked and let go; called once."""


class Records(Generic[T]):
    """An iterator over the records of one topic, in order within each partition.

    A record counts as consumed when the next one is asked for, or when the `with` block ends without an exception.
    With a group, what is consumed is committed within about a second and at the end; what is not comes again.

    One thread iterates; only `stop` may be called from others, and from signal handlers.

    Attributes:
        unreadable: how many records could not be decoded.
        repeated: how many were left out as repetitions.
    """

    def __init__(
        self,
        source: Source,
        decode: Callable[[Received], T],
        takes: Callable[[T], bool] | None = None,
        follow: bool = True,
        on_unreadable: Callable[[Unreadable], None] | None = None,
    ) -> None:
        self.unreadable = self.repeated = 0
        self._source = source
        self._decode = decode
        self._takes = takes
        self._follow = follow
        self._on_unreadable = on_unreadable
        self._handed: Received | None = None
        self._stopped = threading.Event()
        self._closed = False

    def __iter__(self) -> "Records[T]":
        return self

    def __next__(self) -> T:
        """The next record; waits for it.

        Raises:
            BrokerError: Kafka refuses to be read; with `follow=False` also when no broker answers for 30 s.
        """
        self._consume_handed()
        while not self._stopped.is_set() and not self._closed:
            received = self._source.poll(_POLL_SECONDS)
            if received is None:
                if not self._follow and self._is_over():
                    break
                continue
            self._handed = received  # from here on an exception leaves it unconsumed
            record = self._read(received)
            if record is not None:
                return record
            self._consume_handed()
        self.close()
        raise StopIteration

    def stop(self) -> None:
        """End the iteration within a fifth of a second, after the record that was handed out last."""
        self._stopped.set()

    def close(self) -> None:
        """Commit what is consumed and close the client; the iteration is over."""
        if not self._closed:
            self._closed = True
            self._source.close()

    def __enter__(self) -> "Records[T]":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and not self._closed:
            self._consume_handed()
        self.close()

    def _consume_handed(self) -> None:
        if self._handed is not None:
            self._source.mark_consumed(self._handed.partition, self._handed.offset)
            self._handed = None

    def _is_over(self) -> bool:
        if self._source.at_end:
            return True
        if self._source.away_seconds > _PATIENCE_SECONDS:
            raise KafkaAway(f"no Kafka broker has answered for {_PATIENCE_SECONDS:.0f} s", "start it, then read again")
        return False

    def _read(self, received: Received) -> T | None:
        """The record, or None where it is left out."""
        try:
            record = self._decode(received)
        except (BadRecord, MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._count_unreadable(Unreadable(received, str(error)))
            return None
        if self._takes is not None and not self._takes(record):
            self.repeated += 1
            return None
        return record

    def _count_unreadable(self, one: Unreadable) -> None:
        if not self.unreadable:
            where = f"{one.received.topic}/{one.received.partition}/{one.received.offset}"
            log.warning("%s can't be read (%s); it and others like it are left out and counted", where, one.problem)
        self.unreadable += 1
        if self._on_unreadable is not None:
            self._on_unreadable(one)


def enriched(bootstrap: str | None = None, **options: Unpack[Options]) -> Records[Enriched]:
    """Alerts with their scores; an unscored one comes again when its score follows.

    Args:
        bootstrap: Kafka's addresses; by default the setting `kafka_bootstrap_servers`.
        **options: see `Options`.

    Raises:
        KafkaAway: no broker answers.
        TopicMissing: there is no such topic.
        SettingsError: an option or setting is wrong.
    """
    return _open(bootstrap, "enriched", lambda one: decode_enriched(one.value or b""), Once.takes, options)


def outcomes(bootstrap: str | None = None, **options: Unpack[Options]) -> Records[Outcome]:
    """What became of alerts; a correction comes after the outcome that it replaces. Arguments as `enriched`."""
    return _open(bootstrap, "outcomes", lambda one: decode_outcome(one.value or b""), Once.takes_outcome, options)


def decisions(bootstrap: str | None = None, **options: Unpack[Options]) -> Records[Decision]:
    """What rules did to alerts, or would have done. Arguments as `enriched`."""
    return _open(bootstrap, "decisions", lambda one: decode_decision(one.value or b""), Once.takes_decision, options)


def events(bootstrap: str | None = None, **options: Unpack[Options]) -> Records[Event]:
    """What happened: `Raised`, `Acted`, and `Tick` of quiet partitions. Arguments as `enriched`."""
    return _open(bootstrap, "events", lambda one: decode_event(one.value or b""), Once.takes_event, options)


def failed(bootstrap: str | None = None, **options: Unpack[Options]) -> Records[FailedRecord]:
    """What noisegate could not use, with the reason; each failure counts, so none is left out as a repetition."""

    def decode(one: Received) -> FailedRecord:
        return read_failed_record(one.timestamp, one.headers, one.key, one.value)

    return _open(bootstrap, "failed", decode, None, options)


def _open(
    bootstrap: str | None,
    role: str,
    decode: Callable[[Received], T],
    takes: Callable[[Once, T], bool] | None,
    options: Options,
) -> Records[T]:
    settings = options.get("settings") or load_settings()
    if bootstrap is not None:
        settings = change_settings(settings, kafka_bootstrap_servers=bootstrap)
    since = _start(options.get("since", "latest"), time.time())
    once = Once(options.get("once_keys", limits.ONCE_KEYS))
    source = Subscription(settings, getattr(settings.topics, role), since, options.get("group"))
    return Records(
        source,
        decode,
        None if takes is None or not options.get("once", True) else lambda record: takes(once, record),
        options.get("follow", True),
        options.get("on_unreadable"),
    )


def _start(since: str | datetime, now: float) -> float | None:
    """Seconds since 1970 at which reading begins, `EARLIEST` or `LATEST`."""
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise SettingsError(f"since {since.isoformat()} has no time zone", "give it one, such as UTC")
        return max(since.timestamp(), 0.0)
    if since in ("earliest", "latest"):
        return EARLIEST if since == "earliest" else LATEST
    return parse_when(since, "since", now)
