"""Scores and decisions from Kafka, in a thread: all partitions, in no group, so that any number of relays may run."""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any

import msgspec
from msgspec.structs import astuple

from stream.config import Settings
from stream.core.errors import NoisegateError
from stream.core.records import Decision, Enriched, decode_decision, decode_enriched
from stream.kafka.tail import Tail
from stream.kafka.topics import topic_missing

log = logging.getLogger(__name__)
HISTORY_SECONDS = 7 * 86_400.0  # what still fires may have been scored days ago
NEWEST = 10_000  # of each partition, at most
READ_SECONDS = 0.05  # librdkafka waits so long for more records, whatever came
RETRY_SECONDS = 1.0
REFRESH_SECONDS = 10.0
MISSING_SECONDS = 1.0  # a broker that has just started may not name its topics yet
Records = Sequence[Enriched | Decision]


class RecordTail:
    """Follows alerts.enriched, and alerts.decisions where labels are set, until `close`.

    Args:
        settings: where Kafka is, and the topics' names.
        deliver: takes records in order, from this thread.
        clock: seconds since 1970.

    Attributes:
        away: why nothing can come now, one sentence; empty while Kafka answers and has the topics.
    """

    def __init__(
        self, settings: Settings, deliver: Callable[[Records], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._settings, self._deliver, self._clock = settings, deliver, clock
        self._decoders: dict[str, Callable[[bytes], Any]] = {settings.topics.enriched: decode_enriched}
        if settings.relay.labels:
            self._decoders[settings.topics.decisions] = decode_decision
        self._stopping = Event()
        self.away = "Kafka has not answered yet"
        self._thread = Thread(target=self._follow, name="tail", daemon=True)

    def start(self) -> None:
        """Begin; Kafka may be away."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """End the thread, and wait for it at most so long."""
        self._stopping.set()
        self._thread.join(seconds)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                with Tail(self._settings, list(self._decoders), self._clock() - HISTORY_SECONDS, NEWEST) as tail:
                    self._read(tail)
            except NoisegateError as error:
                self.away = str(error)
                self._stopping.wait(RETRY_SECONDS)
            except Exception:
                log.exception("scores and decisions are read anew")
                self._stopping.wait(RETRY_SECONDS)

    def _read(self, tail: Tail) -> None:
        looked, servers = time.monotonic(), self._settings.kafka.bootstrap_servers
        while not self._stopping.is_set():
            messages = tail.read(READ_SECONDS)
            self.away = f"Kafka at {servers} is away" if tail.away_since is not None else self._missing(tail)
            if messages:
                self._deliver([record for message in messages if (record := self._decode(message)) is not None])
            wait = MISSING_SECONDS if tail.missing else REFRESH_SECONDS
            if time.monotonic() - looked > wait and tail.away_since is None:
                looked = time.monotonic()
                try:
                    tail.refresh()  # a topic may have grown, or be there now
                except NoisegateError as error:
                    self.away = str(error)

    def _missing(self, tail: Tail) -> str:
        return str(topic_missing(tail.missing, astuple(self._settings.topics))) if tail.missing else ""

    def _decode(self, message: Any) -> Enriched | Decision | None:
        value = message.value()
        try:
            return self._decoders[message.topic()](value) if value else None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.debug("a record of %s can't be read", message.topic(), exc_info=True)
            return None
