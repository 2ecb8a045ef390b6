"""All topics that the page shows, read in a thread: every partition, in no group, from some hours ago on."""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any

import msgspec
from msgspec.structs import astuple

from stream.config import Settings
from stream.core.errors import BadRecord, NoisegateError
from stream.core.events import decode_event
from stream.core.records import decode_decision, decode_enriched, decode_outcome
from stream.kafka.tail import Tail
from stream.kafka.topics import topic_missing
from stream.metrics.triage import TriageMetrics
from stream.triage.board import Record

log = logging.getLogger(__name__)
# Records that are read at a start, at most: more takes longer than a restart should. An alert has several events.
NEWEST = 5_000  # of each partition
NEWEST_EVENTS, NEWEST_OTHERS = 45_000, 15_000  # of alerts.events, and of each other topic
READ_RECORDS = 2_000
READ_SECONDS = 0.05  # librdkafka waits so long for more records, whatever came
RETRY_SECONDS = 1.0
REFRESH_SECONDS = 10.0
MISSING_SECONDS = 1.0  # a broker that has just started may not name its topics yet


class RecordTail:
    """Follows the topics until `close`; what Kafka gives again after it was away is not passed on twice by the board.

    Args:
        settings: where Kafka is, the topics' names, and how far back to read.
        deliver: takes records in order, from this thread; returns once they are taken.
        metrics: of the room.
        clock: seconds since 1970.

    Attributes:
        away: why nothing can come now, one sentence; empty while Kafka answers.
        caught_up: whether all topics were found, and all that was there then has been read.
        partitions: how many partitions alerts.events has; 0 while that is not known.
    """

    def __init__(
        self,
        settings: Settings,
        deliver: Callable[[Sequence[Record]], None],
        metrics: TriageMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        topics = settings.topics
        self._settings, self._deliver, self._metrics, self._clock = settings, deliver, metrics, clock
        self._decoders: dict[str, tuple[str, Callable[[bytes], Any]]] = {
            topics.events: ("events", decode_event),
            topics.enriched: ("enriched", decode_enriched),
            topics.outcomes: ("outcomes", decode_outcome),
            topics.decisions: ("decisions", decode_decision),
        }
        self._newest_of_topic = {
            topic: NEWEST_EVENTS if topic == topics.events else NEWEST_OTHERS for topic in self._decoders
        }
        self._stopping = Event()
        self._thread = Thread(target=self._follow, name="tail", daemon=True)
        self.away = "Kafka has not answered yet"
        self.caught_up = False
        self.partitions = 0

    def start(self) -> None:
        """Begin; Kafka may be away."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """End the thread, and wait for it at most so long."""
        self._stopping.set()
        self._thread.join(seconds)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            settings, topics = self._settings, list(self._decoders)
            since = self._clock() - settings.triage.hours * 3_600.0
            try:
                with Tail(settings, topics, since, NEWEST, newest_of_topic=self._newest_of_topic) as tail:
                    self._read(tail)
            except NoisegateError as error:
                self._set_away(str(error))
                self._stopping.wait(RETRY_SECONDS)
            except Exception:
                log.exception("the topics are read anew")
                self._stopping.wait(RETRY_SECONDS)

    def _read(self, tail: Tail) -> None:
        refreshed = time.monotonic()
        servers = self._settings.kafka.bootstrap_servers
        while not self._stopping.is_set():
            messages = tail.read(READ_SECONDS, READ_RECORDS)
            self._set_away(f"Kafka at {servers} is away" if tail.away_since is not None else self._missing(tail))
            self.partitions = tail.partitions[self._settings.topics.events]
            if messages:
                self._deliver([record for message in messages if (record := self._decode(message)) is not None])
            self.caught_up = self.caught_up or (tail.caught_up and not tail.missing)
            wait = MISSING_SECONDS if tail.missing else REFRESH_SECONDS
            if time.monotonic() - refreshed > wait and tail.away_since is None:
                refreshed = time.monotonic()
                try:
                    tail.refresh()  # a topic may have grown, or be there now
                except NoisegateError as error:
                    self._set_away(str(error))

    def _missing(self, tail: Tail) -> str:
        return str(topic_missing(tail.missing, astuple(self._settings.topics))) if tail.missing else ""

    def _set_away(self, sentence: str) -> None:
        self.away = sentence
        self._metrics.kafka_up.set(0 if sentence else 1)

    def _decode(self, message: Any) -> Record | None:
        role, decode = self._decoders[message.topic()]
        value = message.value()
        self._metrics.records.labels(role).inc()
        try:
            record: Record | None = decode(value) if value else None
        except (BadRecord, msgspec.MsgspecError, UnicodeDecodeError):
            self._metrics.unreadable.inc()
            return None
        return record
