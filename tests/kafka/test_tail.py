"""The tail of a topic on real Kafka: bounded, from a time on, and without a gap whatever happens to the broker."""

import time
from contextlib import suppress

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from stream.config import Settings, make_settings
from stream.core.errors import KafkaAway
from stream.kafka.tail import Tail
from tests.servers.fixtures import Broker
from tests.servers.kafka import ApacheKafka


def create(servers: str, name: str, partitions: int = 3) -> Settings:
    """Settings of a broker, on which a topic is made."""
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        future.result(60)
    return make_settings(kafka_bootstrap_servers=servers)


def produce(servers: str, name: str, values: range, partition: int | None = None) -> None:
    """Numbers as records, spread over three partitions unless one is named."""
    producer = Producer({"bootstrap.servers": servers})
    for value in values:
        producer.produce(name, str(value).encode(), partition=value % 3 if partition is None else partition)
    assert producer.flush(60) == 0


def numbers(messages: list[Message]) -> list[int]:
    """What the records say."""
    return [int(message.value() or b"") for message in messages]


def read_until(tail: Tail, count: int, seconds: float = 60.0) -> list[int]:
    """The first records, at least so many; fewer only if the time is over."""
    found: list[Message] = []
    ends = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < ends:
        found += tail.read(0.2)
    return numbers(found)


def catch_up(tail: Tail, seconds: float = 60.0) -> list[int]:
    """Everything that was there when the tail began."""
    found: list[Message] = []
    ends = time.monotonic() + seconds
    while not tail.caught_up and time.monotonic() < ends:
        found += tail.read(0.2)
    assert tail.caught_up
    return numbers(found)


def test_topics_none_of_which_is_there_yet(kafka: ApacheKafka, unique_name: str) -> None:
    """The tail waits for them, and then follows them from their beginning."""
    settings = make_settings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    with Tail(settings, [unique_name], since=time.time() + 3_600.0) as tail:
        assert (tail.partitions, tail.missing, tail.read(0.1)) == ({unique_name: 0}, [unique_name], [])
        create(kafka.bootstrap_servers, unique_name, partitions=1)
        ends = time.monotonic() + 60.0
        while tail.missing and time.monotonic() < ends:
            with suppress(KafkaAway):  # no broker leads it yet
                tail.refresh()
        assert (tail.partitions, tail.missing) == ({unique_name: 1}, [])


def is_away(tail: Tail) -> bool:
    """Whether the tail says that Kafka is away."""
    return tail.away_since is not None


def test_what_is_there_and_then_what_follows(broker: Broker, unique_name: str) -> None:
    """Every record once and in each partition's order, on the embedded broker and on Apache Kafka."""
    servers = broker.bootstrap_servers
    settings = create(servers, unique_name)
    if broker.name != "kafka":
        settings = make_settings(kafka_bootstrap_servers=servers, broker_end_offsets=False)
    produce(servers, unique_name, range(300))
    with Tail(settings, [unique_name], since=0.0) as tail:
        assert tail.partitions == {unique_name: 3}
        assert not tail.caught_up
        first = catch_up(tail)
        produce(servers, unique_name, range(300, 360))
        second = read_until(tail, 60)
    assert sorted(first) == list(range(300))
    assert sorted(second) == list(range(300, 360))
    for partition in range(3):
        assert [n for n in first if n % 3 == partition] == list(range(partition, 300, 3))


def test_at_most_the_newest_records_of_each_partition(kafka: ApacheKafka, unique_name: str) -> None:
    """What memory a room needs does not depend on how long the topic is."""
    settings = create(kafka.bootstrap_servers, unique_name)
    produce(kafka.bootstrap_servers, unique_name, range(900))
    with Tail(settings, [unique_name], since=0.0, newest=10) as tail:
        assert sorted(catch_up(tail)) == list(range(870, 900))
    with Tail(settings, [unique_name], since=0.0, newest_of_topic={unique_name: 30}) as tail:
        assert sorted(catch_up(tail)) == list(range(870, 900))


def test_from_a_time_on(kafka: ApacheKafka, unique_name: str) -> None:
    """Records with an earlier timestamp do not come; a partition with none since then is followed all the same."""
    settings = create(kafka.bootstrap_servers, unique_name)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    start = int(time.time() * 1000) - 100_000
    for number in range(90):
        producer.produce(unique_name, str(number).encode(), partition=number % 2, timestamp=start + 1_000 * number)
    assert producer.flush(60) == 0
    with Tail(settings, [unique_name], since=(start + 60_000) / 1000) as tail:
        assert sorted(catch_up(tail)) == list(range(60, 90))
        produce(kafka.bootstrap_servers, unique_name, range(100, 103))
        assert sorted(read_until(tail, 3)) == [100, 101, 102]


def test_partitions_and_topics_that_come_later_are_followed_from_their_beginning(
    kafka: ApacheKafka, unique_name: str
) -> None:
    """`refresh` finds them; what was followed before goes on where it was."""
    servers, later = kafka.bootstrap_servers, f"{unique_name}.later"
    settings = create(servers, unique_name)
    produce(servers, unique_name, range(6))
    with Tail(settings, [unique_name, later], since=0.0) as tail:
        assert tail.partitions == {unique_name: 3, later: 0}
        assert sorted(catch_up(tail)) == list(range(6))
        kafka.grow(unique_name, 4)
        create(servers, later, partitions=1)
        produce(servers, unique_name, range(10, 12), partition=3)
        produce(servers, later, range(20, 22), partition=0)
        new, ends = 0, time.monotonic() + 60.0
        while new < 2 and time.monotonic() < ends:
            new += tail.refresh()
        assert tail.partitions == {unique_name: 4, later: 1}
        assert sorted(read_until(tail, 4)) == [10, 11, 20, 21]


def test_a_topic_that_was_not_named_at_first_is_read_like_the_others(kafka: ApacheKafka, unique_name: str) -> None:
    """A broker that has just started may not name its topics yet: of these, too, only the newest records are read."""
    settings = make_settings(kafka_bootstrap_servers=kafka.bootstrap_servers)
    with Tail(settings, [unique_name], since=0.0, newest=10) as tail:
        create(kafka.bootstrap_servers, unique_name)
        produce(kafka.bootstrap_servers, unique_name, range(900))
        ends = time.monotonic() + 60.0
        while tail.missing and time.monotonic() < ends:
            tail.refresh()
        assert not tail.caught_up
        assert sorted(catch_up(tail)) == list(range(870, 900))


def test_a_restarted_kafka_leaves_no_gap(fresh_kafka: ApacheKafka, unique_name: str) -> None:
    """The tail says that Kafka is away while it is, and afterwards every record comes once."""
    servers = fresh_kafka.bootstrap_servers
    settings = create(servers, unique_name)
    produce(servers, unique_name, range(30))
    with Tail(settings, [unique_name], since=0.0) as tail:
        assert sorted(catch_up(tail)) == list(range(30))
        assert not is_away(tail)
        fresh_kafka.stop()
        ends = time.monotonic() + 60.0
        while not is_away(tail) and time.monotonic() < ends:
            assert tail.read(0.1) == []
        assert is_away(tail)
        fresh_kafka.start()
        ends = time.monotonic() + 60.0
        while is_away(tail) and time.monotonic() < ends:
            assert tail.read(0.1) == []
        assert not is_away(tail)  # though nobody wrote
        produce(servers, unique_name, range(30, 60))
        assert sorted(read_until(tail, 30)) == list(range(30, 60))


@pytest.mark.slow
def test_no_broker_at_the_start() -> None:
    """One sentence with the setting to look at."""
    with pytest.raises(KafkaAway, match="NOISEGATE_KAFKA_BOOTSTRAP_SERVERS"):
        Tail(make_settings(kafka_bootstrap_servers="127.0.0.1:1"), ["topic"], since=0.0)
