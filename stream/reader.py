"""Read whole topics, as a client that belongs to no group: for people, never for a room."""

from collections.abc import Iterator, Sequence

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.config import Settings
from stream.core.errors import BrokerError
from stream.kafka import Topics, client_settings

_OFFSET_TAIL = -2000  # librdkafka: this minus n is n records before the end
_WAIT_MS = 20


class Reader:
    """All partitions of some topics, from their beginning or from near their end.

    The end of a partition is what fetches say it is (the high watermark), which holds for every broker; only reading
    from near the end asks ListOffsets for it.

    Args:
        settings: where Kafka is.
        topics: their names; all must exist.
        last: None reads from the beginning; n from n records before each partition's end.

    Raises:
        BrokerError: Kafka can't be reached, or a topic is missing.
    """

    def __init__(self, settings: Settings, topics: Sequence[str], last: int | None = None) -> None:
        there = Topics(settings).partitions()
        missing = [topic for topic in topics if topic not in there]
        if missing:
            raise BrokerError(f"Kafka has no topic {', '.join(missing)}; run `noisegate topics create`")
        start = OFFSET_BEGINNING if last is None else OFFSET_END if last == 0 else _OFFSET_TAIL - last
        self.partitions = {topic: there[topic] for topic in topics}
        self._open = {(topic, number) for topic in topics for number in range(there[topic])}
        self._ended: set[tuple[str, int]] = set()
        self._consumer = Consumer(
            {
                "group.id": f"{settings.deployment}-reader",  # librdkafka wants a name; nothing is joined or committed
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": _WAIT_MS,
                "log_level": 0,
                **client_settings(settings),
            }
        )
        self._consumer.assign([TopicPartition(*part, start) for part in self._open])

    @property
    def at_end(self) -> bool:
        """Whether every partition was read to its end as of its last fetch."""
        return self._ended >= self._open

    def read(self, seconds: float, most: int = 1_000) -> list[Message]:
        """What comes within `seconds`, at most `most` records.

        Raises:
            BrokerError: Kafka refuses to be read.
        """
        try:
            found = self._consumer.consume(most, timeout=seconds)
        except KafkaException as error:
            raise BrokerError(f"Kafka can't be read: {error.args[0].str()}") from None
        records = []
        for message in found:
            part = (message.topic() or "", message.partition() or 0)
            fault = message.error()
            if fault is None:
                self._ended.discard(part)
                records.append(message)
            elif fault.code() == KafkaError._PARTITION_EOF:
                self._ended.add(part)
            elif not fault.retriable():
                raise BrokerError(f"{part[0]}/{part[1]} can't be read: {fault.str()}")
        return records

    def read_all(self, quiet_seconds: float = 15.0) -> Iterator[Message]:
        """Every record there is; ends at the partitions' ends.

        Raises:
            BrokerError: nothing came for `quiet_seconds` before that.
        """
        quiet = 0.0
        while not self.at_end:
            found = self.read(0.2)
            yield from found
            quiet = 0.0 if found else quiet + 0.2
            if quiet > quiet_seconds:
                raise BrokerError(f"Kafka gives no more records of {', '.join(self.partitions)}; is it up?")

    def close(self) -> None:
        """Let go of Kafka."""
        self._consumer.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
