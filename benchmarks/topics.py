"""The benchmark's topics: made, filled with the load, watched and read back."""

from collections.abc import Iterable, Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from benchmarks.load import Event
from benchmarks.setting import PARTITIONER, PARTITIONS, Setting
from stream.kafka.topics import Topics

_SECONDS = 30.0
_READ_AT_ONCE = 10_000
# The broker's clock says when an output was there for its readers, for every contender alike.
_OUTPUT = {"message.timestamp.type": "LogAppendTime"}


def create(setting: Setting) -> None:
    """All topics of a run."""
    Topics(setting.settings(), _SECONDS).create(PARTITIONS, 1, {"enriched": _OUTPUT, "outcomes": _OUTPUT})


class Feed:
    """The load's producer: by team with murmur2, uncompressed, each record sent at once or in full batches."""

    def __init__(self, kafka: str, topic: str, *, paced: bool) -> None:
        self._topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "enable.idempotence": True,
                "partitioner": PARTITIONER,
                "linger.ms": 0 if paced else 50,
                "queue.buffering.max.messages": 200_000,
                "log_level": 0,
            }
        )

    def send(self, event: Event) -> None:
        """Hand over one event; waits where the queue is full."""
        while True:
            try:
                self._producer.produce(self._topic, event.value, event.team)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def send_all(self, events: Iterable[Event]) -> int:
        """Hand over events and wait for the acks; returns how many alerts were raised."""
        raised = 0
        for event in events:
            self.send(event)
            raised += event.raised
        self.flush()
        return raised

    def poll(self) -> None:
        """Serve the client."""
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait for the acks."""
        waiting = self._producer.flush(_SECONDS)
        if waiting:
            raise RuntimeError(f"Kafka did not take {waiting} records of the load")


class Reader:
    """Counts and reads one topic's records without a group."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {"bootstrap.servers": kafka, "group.id": "benchmark-reader", "enable.auto.commit": False, "log_level": 0}
        )

    def ends(self) -> dict[int, int]:
        """How many records each partition holds; none while a topic just made has no leader yet."""
        found = {}
        for partition in range(PARTITIONS):
            try:
                ends = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=_SECONDS)
            except KafkaException as error:
                if not error.args[0].retriable() and error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                    raise
                ends = (0, 0)
            found[partition] = ends[1] - ends[0]
        return found

    def count(self) -> int:
        """How many records there are."""
        return sum(self.ends().values())

    def records(self) -> Iterator[Message]:
        """Every record there is now."""
        waiting = self.count()
        self._consumer.assign([TopicPartition(self._topic, partition, 0) for partition in range(PARTITIONS)])
        while waiting:
            messages = self._consumer.consume(min(waiting, _READ_AT_ONCE), _SECONDS)
            if not messages:
                raise RuntimeError(f"{self._topic}: {waiting} records can't be read")
            waiting -= len(messages)
            yield from messages
        self._consumer.unassign()

    def close(self) -> None:
        """Let go of the client."""
        self._consumer.close()
