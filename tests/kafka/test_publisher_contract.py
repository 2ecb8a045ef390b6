"""What the engine needs of a publisher, held on the one in memory and on the real one with a real Kafka."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stream.config import make_settings
from stream.core.errors import BrokerError
from stream.kafka.clients import producer_settings
from stream.kafka.publisher import Publisher
from stream.kafka.reader import Reader
from stream.kafka.records import Output
from stream.lane import batch
from tests.scorer.rig import MemoryPublisher
from tests.servers.kafka import ApacheKafka

Published = dict[str, list[tuple[bytes | None, bytes, dict[str, bytes]]]]


def check(
    publisher: batch.Publisher, published: Callable[[tuple[str, str]], Published], topics: tuple[str, str]
) -> None:
    """Publish twice, with and without keys and headers, and look at what is there after each flush."""
    one, other = topics
    publisher.flush(60.0)  # nothing was published: it returns
    publisher.publish([])
    publisher.publish(Output(one, b"team", f"{number}".encode()) for number in range(100))
    publisher.publish([Output(other, None, b"bad", [("reason", b"not_json")]), Output(other, b"key", b"", None, 0)])
    publisher.flush(60.0)
    first: Published = {
        one: [(b"team", f"{number}".encode(), {}) for number in range(100)],
        other: [(None, b"bad", {"reason": b"not_json"}), (b"key", b"", {})],
    }
    assert published(topics) == first
    publisher.publish([Output(one, b"team", b"later")])
    publisher.flush(60.0)
    assert published(topics) == {**first, one: [*first[one], (b"team", b"later", {})]}


def test_the_publisher_in_memory_keeps_the_promise() -> None:
    """What the engine's and the room's tests stand on is true of a publisher."""
    publisher = MemoryPublisher()

    def published(topics: tuple[str, str]) -> Published:
        found: Published = {topic: [] for topic in topics}
        for output in publisher.outputs:
            found[output.topic].append((output.key, output.value, dict(output.headers or ())))
        return found

    check(publisher, published, ("alerts.enriched", "alerts.failed"))
    publisher.fault = BrokerError("Kafka is gone")
    publisher.publish([Output("alerts.enriched", None, b"lost")])
    with pytest.raises(BrokerError, match="gone"):
        publisher.flush(1.0)


def test_the_real_publisher_keeps_the_promise(kafka: ApacheKafka, unique_name: str) -> None:
    """On topics of one partition of Apache Kafka, where order can be seen; a topic that is missing is an error."""
    settings = make_settings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    topics = (f"{unique_name}.enriched", f"{unique_name}.failed")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for future in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics]).values():
        future.result(60)

    def published(topics: tuple[str, str]) -> Published:
        found: Published = {topic: [] for topic in topics}
        for topic in topics:
            with Reader(settings, [topic]) as reader:
                for message in reader.read_all():
                    headers = {name: bytes(text or b"") for name, text in message.headers() or ()}
                    found[topic].append((message.key(), message.value() or b"", headers))
        return found

    check(Publisher(producer_settings(settings)), published, topics)
    lost = Publisher({**producer_settings(settings), "topic.metadata.propagation.max.ms": 100, "log_level": 0})
    with pytest.raises(BrokerError, match="topics create"):
        lost.publish([Output(f"{unique_name}.missing", None, b"lost")])
        lost.flush(60.0)
