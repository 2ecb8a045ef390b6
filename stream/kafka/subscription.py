"""What a program reads of one topic: all its partitions, or those that a consumer group gives it."""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from msgspec.structs import astuple

from stream.config import Settings
from stream.core.errors import BrokerError, KafkaAway
from stream.kafka.clients import answered, follower_settings, make_client
from stream.kafka.topics import topic_missing

log = logging.getLogger(__name__)
_ASSIGN_SECONDS = 60.0  # a broker may come back meanwhile; Kafka allows five minutes between polls
_COMMIT_MS = 1_000
_WENT_ON = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._MAX_POLL_EXCEEDED, KafkaError._ALL_BROKERS_DOWN})
_ALLOW = "allow this client's user to read the topic and group"
EARLIEST, LATEST = 0.0, None


class Received(NamedTuple):
    """One record as it lies in Kafka; `timestamp` is the record's, in seconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


class Subscription:
    """The committed records of one topic, in order within each partition.

    Without a group nothing is joined or committed, and partitions that the topic gains are read from their beginning.
    With one, the offset behind a record is committed within about a second of `mark_consumed`, at a rebalance and at
    `close`; a partition without a committed offset begins at `since`, and that begin is committed too.

    Not safe to share between threads.

    Args:
        settings: where Kafka is.
        topic: its name.
        since: seconds since 1970, for each partition's first record of this time or later; `EARLIEST`, or `LATEST` for
            what is written from now on. Where ListOffsets can't be trusted (the setting `broker_end_offsets`)
            everything is read and filtered by the records' timestamps.
        group: the consumer group.
        answer_seconds: how long Kafka may take to say what there is.
        refresh_seconds: how often it is asked for new partitions, without a group.
        clock: for LATEST where ListOffsets can't be trusted; seconds since 1970.

    Raises:
        KafkaAway: no broker answers.
        TopicMissing: there is no such topic.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        since: float | None,
        group: str | None = None,
        answer_seconds: float = 10.0,
        refresh_seconds: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._servers = settings.kafka.bootstrap_servers
        self._topic, self._names = topic, astuple(settings.topics)
        self._answer_seconds = answer_seconds
        self._refresh_seconds = refresh_seconds
        self._end_offsets = settings.kafka.end_offsets
        self._since = clock() if since is None and not self._end_offsets else since
        self._grouped = group is not None
        self._assigned: set[int] | None = None
        self._ended: set[int] = set()
        self._filtered: set[int] = set()  # partitions that are read from before `since`
        self._away_at: float | None = None
        self._refreshed_at = time.monotonic()
        self._consumer = make_client(
            Consumer,
            {
                "group.id": group or f"{settings.deployment}-reader",  # librdkafka wants a name without one, too
                "enable.auto.commit": self._grouped,
                "enable.auto.offset.store": False,
                "auto.commit.interval.ms": _COMMIT_MS,
                "isolation.level": "read_committed",
                **follower_settings(settings, self._on_error),
            },
            logger=logging.getLogger("librdkafka"),
        )
        try:
            self._begin()
        except BrokerError:
            self._consumer.close()
            raise

    @property
    def at_end(self) -> bool:
        """Whether every partition that is read here was read to its end, as of its last fetch."""
        return self._assigned is not None and self._ended >= self._assigned

    @property
    def away_seconds(self) -> float:
        """For how long no broker has answered; 0 while one does."""
        return 0.0 if self._away_at is None else time.monotonic() - self._away_at

    def poll(self, seconds: float) -> Received | None:
        """The next record, or None if none comes within `seconds`.

        With a group, what was handed out before must be marked by then if it is to be committed: partitions are given
        and taken away in this call.

        Raises:
            BrokerError: Kafka refuses to be read, such as by a user that may not read the topic.
        """
        try:
            message = self._consumer.poll(seconds)
        except KafkaException as error:
            raise BrokerError(f"Kafka can't be read ({error.args[0].str()})", "look at Kafka's log") from None
        if message is None:
            self._refresh()
            return None
        if message.error() is not None:
            self._on_fault(message)
            return None
        self._away_at = None
        self._ended.discard(message.partition())
        kind, milliseconds = message.timestamp()
        timestamp = 0.0 if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds / 1000.0
        if message.partition() in self._filtered and timestamp < (self._since or 0.0):
            return None
        headers = {name: bytes(value or b"") for name, value in message.headers() or ()}
        return Received(
            self._topic, message.partition(), message.offset(), timestamp, message.key(), message.value(), headers
        )

    def mark_consumed(self, partition: int, offset: int) -> None:
        """The record that lies there, and all before it in its partition, need not come again."""
        if not self._grouped:
            return
        try:
            self._consumer.store_offsets(offsets=[TopicPartition(self._topic, partition, offset + 1)])
        except KafkaException as error:  # another member has the partition now, and reads the record again
            log.debug("%s/%d is read by another member of the group: %s", self._topic, partition, error)

    def close(self) -> None:
        """Commit what is marked, leave the group and close the client."""
        self._consumer.close()

    def _begin(self) -> None:
        partitions = self._partitions()
        if not partitions:
            raise topic_missing([self._topic], self._names)
        if self._grouped:
            self._consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke)
            return
        self._consumer.assign(self._starts(partitions))
        self._assigned = set(partitions)

    def _partitions(self) -> list[int]:
        try:
            listed = self._consumer.list_topics(self._topic, timeout=self._answer_seconds).topics[self._topic]
        except KafkaException as error:
            raise self._unreachable(error) from None
        if listed.error is not None and listed.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise BrokerError(f"{self._topic} can't be read ({listed.error.str()})", _ALLOW)
        return [] if listed.error is not None else sorted(listed.partitions)

    def _starts(self, partitions: list[int]) -> list[TopicPartition]:
        """Where reading begins in each partition, whatever is committed."""
        try:
            if not self._end_offsets:
                self._filtered |= set(partitions)
            if not self._end_offsets or self._since == EARLIEST:
                return [TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in partitions]
            if self._since is LATEST:
                return [TopicPartition(self._topic, number, self._end(number)) for number in partitions]
            ends = {number: self._end(number) for number in partitions}  # before, so that nothing is passed over
            wanted = [TopicPartition(self._topic, number, int(self._since * 1000)) for number in partitions]
            found = answered(self._consumer.offsets_for_times(wanted, timeout=self._answer_seconds))
        except KafkaException as error:
            raise self._unreachable(error) from None
        return [
            TopicPartition(self._topic, one.partition, one.offset if one.offset >= 0 else ends[one.partition])
            for one in found
        ]

    def _end(self, partition: int) -> int:
        at = TopicPartition(self._topic, partition)
        return int(self._consumer.get_watermark_offsets(at, timeout=self._answer_seconds)[1])

    def _unreachable(self, error: KafkaException) -> KafkaAway:
        return KafkaAway(
            f"Kafka at {self._servers} can't be read ({error.args[0].str()})",
            "start it, or set NOISEGATE_KAFKA_BOOTSTRAP_SERVERS",
        )

    def _on_assign(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        """Called from `poll`; what it raises, `poll` raises."""
        try:
            known = answered(consumer.committed(parts, timeout=_ASSIGN_SECONDS)) if parts else []
        except KafkaException as error:
            raise self._unreachable(error) from None
        new = self._starts([part.partition for part in known if part.offset < 0])
        consumer.assign([*(part for part in known if part.offset >= 0), *new])
        if begun := [part for part in new if part.offset >= 0]:
            consumer.store_offsets(offsets=begun)  # or whoever takes over before the first record begins later
        self._assigned, self._ended = {part.partition for part in parts}, set()

    def _on_revoke(self, _: Consumer, __: list[TopicPartition]) -> None:
        self._assigned, self._ended = None, set()

    def _refresh(self) -> None:
        """Without a group, read partitions that are new; asked once in a while, and again later where Kafka is away."""
        if self._grouped or self._assigned is None or time.monotonic() - self._refreshed_at < self._refresh_seconds:
            return
        self._refreshed_at = time.monotonic()
        try:
            new = sorted(set(self._partitions()) - self._assigned)
        except KafkaAway:
            return
        if new:
            self._consumer.incremental_assign([TopicPartition(self._topic, one, OFFSET_BEGINNING) for one in new])
            self._assigned |= set(new)

    def _on_fault(self, message: Message) -> None:
        fault = message.error()
        if fault.code() == KafkaError._PARTITION_EOF:
            self._away_at = None
            self._ended.add(message.partition())
        elif fault.code() in _WENT_ON:
            log.warning("reading %s: %s", self._topic, fault.str())
        elif not fault.retriable():
            raise BrokerError(f"{self._topic} can't be read ({fault.str()})", _ALLOW)

    def _on_error(self, error: KafkaError) -> None:
        """Called from `poll`, for what concerns no partition."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN and self._away_at is None:
            self._away_at = time.monotonic()
