"""Read whole topics, as a client that belongs to no group: for people, never for a room."""

from collections.abc import Iterator, Sequence

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition
from msgspec.structs import astuple

from stream.config import Settings
from stream.core.errors import BrokerError
from stream.kafka.clients import answered, client_settings, make_client
from stream.kafka.topics import Topics, topic_missing
from stream.waiting import WAIT_SECONDS, announce, until_answered, waiting_sentence

_OFFSET_TAIL = -2000  # librdkafka: this minus n is n records before the end
_WAIT_MS = 20
_MOST = 2_000  # records at once
_POLL_SECONDS = 0.05  # a poll takes this long unless it finds so many
_ANSWER_SECONDS = 10.0


class Reader:
    """All partitions of some topics, from their beginning or from near their end.

    The end of a partition is what fetches say it is (the high watermark), which holds for every broker; only reading
    from near the end asks ListOffsets for it.

    Args:
        settings: where Kafka is.
        topics: their names; all must exist.
        last: None reads from the beginning; n from n records before each partition's end.
        since: instead, from the first record of each partition with this timestamp (seconds since 1970) or a later
            one on; from the beginning where the broker can't be trusted with ListOffsets.

    Raises:
        BrokerError: Kafka can't be reached, or a topic is missing.
    """

    def __init__(
        self, settings: Settings, topics: Sequence[str], last: int | None = None, since: float | None = None
    ) -> None:
        there = Topics(settings).partitions()
        missing = [topic for topic in topics if topic not in there]
        if missing:
            raise topic_missing(missing, astuple(settings.topics))
        start = OFFSET_BEGINNING if last is None else OFFSET_END if last == 0 else _OFFSET_TAIL - last
        self.partitions = {topic: there[topic] for topic in topics}
        self._open = {(topic, number) for topic in topics for number in range(there[topic])}
        self._ended: set[tuple[str, int]] = set()
        self._servers = settings.kafka.bootstrap_servers
        self._silent_seconds = 0.0
        self._announced = False
        self._consumer = make_client(
            Consumer,
            {
                "group.id": f"{settings.deployment}-reader",  # librdkafka wants a name; nothing is joined or committed
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": _WAIT_MS,
                "log_level": 0,
                "error_cb": self._on_error,
                **client_settings(settings),
            },
        )
        parts = [TopicPartition(*part, start) for part in sorted(self._open)]
        if since is not None and settings.kafka.end_offsets:
            parts = self._since(parts, since)
        self._begun: dict[tuple[str, int], int] = {}
        self._read: dict[tuple[str, int], int] = {}
        self._consumer.assign(parts)

    @property
    def at_end(self) -> bool:
        """Whether every partition was read to its end as of its last fetch."""
        return self._ended >= self._open

    def read(self, seconds: float, most: int = 1_000) -> list[Message]:
        """What comes within `seconds`, at most `most` records.

        Raises:
            BrokerError: Kafka refuses to be read.
        """
        records = []
        for part, message in self._polled(seconds, most):
            if message is None:
                self._ended.add(part)
            else:
                self._ended.discard(part)
                records.append(message)
        return records

    def read_all(self, quiet_seconds: float = 15.0) -> Iterator[Message]:
        """Every record there is; a partition is read to the first end it tells, however fast others go on writing.

        Raises:
            BrokerError: nothing came for `quiet_seconds` before that.
        """
        quiet, done = 0.0, set[tuple[str, int]]()
        while not done >= self._open:
            found = self._polled(_POLL_SECONDS, _MOST)
            for part, message in found:
                if message is None:
                    done.add(part)
                    self._consumer.pause([TopicPartition(*part)])
                elif part not in done:
                    yield message
            quiet = 0.0 if found else quiet + _POLL_SECONDS
            if quiet > quiet_seconds:
                raise BrokerError(f"Kafka gives no more records of {', '.join(self.partitions)}", "is it up?")
        self._ended |= done

    @property
    def share(self) -> float:
        """How much was read of what fetches said there is, of the partitions that gave records: 0 to 1."""
        total = read = 0
        for part, first in self._begun.items():
            _, end = self._consumer.get_watermark_offsets(TopicPartition(*part), cached=True)
            read += self._read[part] - first
            total += max(end, self._read[part]) - first
        return read / total if total else 0.0

    def _polled(self, seconds: float, most: int) -> list[tuple[tuple[str, int], Message | None]]:
        """Records, and None where a partition told its end."""
        try:
            found = self._consumer.consume(most, timeout=seconds)
            self._watch_silence(seconds, heard=bool(found))
        except KafkaException as error:
            raise BrokerError(f"Kafka can't be read: {error.args[0].str()}") from None
        polled: list[tuple[tuple[str, int], Message | None]] = []
        for message in found:
            part = (message.topic() or "", message.partition() or 0)
            fault = message.error()
            if fault is None:
                self._begun.setdefault(part, message.offset())
                self._read[part] = message.offset() + 1
                polled.append((part, message))
            elif fault.code() == KafkaError._PARTITION_EOF:
                polled.append((part, None))
            elif not fault.retriable():
                raise BrokerError(f"{part[0]}/{part[1]} can't be read: {fault.str()}")
        return polled

    def _watch_silence(self, seconds: float, heard: bool) -> None:
        """Announce once that Kafka is waited for, while it owes records and gives none."""
        if heard:
            self._silent_seconds, self._announced = 0.0, False
        elif not self.at_end:
            self._silent_seconds += seconds
            if self._silent_seconds >= WAIT_SECONDS:
                self._announce()

    def _on_error(self, error: KafkaError) -> None:
        """Called from `consume`; at a log's end nothing else says that Kafka went away."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._announce()

    def _announce(self) -> None:
        tell = announce.get()
        if tell is not None and not self._announced:
            tell(waiting_sentence(self._servers))
        self._announced = True

    def _since(self, parts: list[TopicPartition], since: float) -> list[TopicPartition]:
        wanted = [TopicPartition(part.topic, part.partition, max(0, int(since * 1000))) for part in parts]
        try:
            with until_answered(self._servers):
                found = answered(self._consumer.offsets_for_times(wanted, timeout=_ANSWER_SECONDS))
        except KafkaException as error:
            self._consumer.close()
            raise BrokerError(f"Kafka can't say what came since then: {error.args[0].str()}") from None
        return found

    def close(self) -> None:
        """Let go of Kafka."""
        self._consumer.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
