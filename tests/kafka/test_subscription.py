"""What the typed reader needs of its source, on the fake and on real brokers; and its groups on Apache Kafka."""

import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from msgspec.structs import replace

from stream import reader
from stream.config import Settings, make_settings
from stream.core.errors import KafkaAway, TopicMissing
from stream.core.events import Event, Raised, encode_event, moment
from stream.core.records import Outcome, encode_record
from stream.kafka.subscription import EARLIEST, LATEST, Received, Subscription
from stream.reader import Source
from tests.memory_source import MemorySource, received
from tests.servers.fixtures import Broker
from tests.servers.kafka import ROOT, ApacheKafka
from tests.waits import until

PARTITIONS = 2
SECONDS = 60.0


def create(servers: str, name: str, trusted: bool = True) -> Settings:
    """Settings of a broker on which a topic is made, as alerts.events."""
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.create_topics([NewTopic(name, PARTITIONS, 1)]).values():
        future.result(60)
    return make_settings(kafka_bootstrap_servers=servers, events_topic=name, broker_end_offsets=trusted)


def produce(servers: str, name: str, numbers: range, timestamp: int = 0) -> None:
    """Numbers as records, even ones in partition 0, with a header."""
    producer = Producer({"bootstrap.servers": servers})
    for number in numbers:
        producer.produce(
            name, str(number).encode(), b"k", partition=number % PARTITIONS, headers={"h": b"1"}, timestamp=timestamp
        )
    assert producer.flush(60) == 0


def take_all(source: Source) -> list[Received]:
    """Every record up to the end, each marked."""
    found: list[Received] = []
    ends = time.monotonic() + SECONDS
    while not source.at_end:
        found += take(source, 4)
        assert time.monotonic() < ends, f"only {found} came"
    return found


def read(source: Source, count: int) -> list[int]:
    """The numbers of the next records."""
    found: list[Received] = []
    ends = time.monotonic() + SECONDS
    while len(found) < count:
        found += take(source, 1)
        assert time.monotonic() < ends, f"only {found} came"
    return [int(one.value or b"") for one in found]


def check(source: Source) -> None:
    """Ten records, in order within each partition and with all that belongs to them, and then the end."""
    found = take_all(source)
    assert sorted((one.partition, one.offset, int(one.value or b"")) for one in found) == [
        (number % PARTITIONS, number // PARTITIONS, number) for number in (*range(0, 10, 2), *range(1, 10, 2))
    ]
    assert [one.offset for one in found if one.partition == 0] == [0, 1, 2, 3, 4]
    assert {(one.key, one.headers["h"]) for one in found} == {(b"k", b"1")}
    assert all(one.timestamp > 0 for one in found)
    assert source.away_seconds == 0.0
    source.close()


def test_the_source_in_memory_keeps_the_promise() -> None:
    """What the reader's tests stand on is true of a source."""
    numbers = (*range(0, 10, 2), *range(1, 10, 2))
    rows = [(str(one).encode(), one // PARTITIONS, one % PARTITIONS) for one in numbers]
    check(MemorySource(received(*row, headers={"h": b"1"})._replace(key=b"k") for row in rows))


@pytest.mark.slow
def test_a_real_topic_keeps_the_promise(broker: Broker, unique_name: str) -> None:
    """On the embedded broker and on Apache Kafka."""
    settings = create(broker.bootstrap_servers, unique_name, broker.name == "kafka")
    produce(broker.bootstrap_servers, unique_name, range(10))
    check(Subscription(settings, unique_name, EARLIEST))


@pytest.mark.slow
def test_the_latest_on_any_broker(broker: Broker, unique_name: str) -> None:
    """What is written after the subscription is there, and nothing from before."""
    settings = create(broker.bootstrap_servers, unique_name, broker.name == "kafka")
    produce(broker.bootstrap_servers, unique_name, range(10), timestamp=1_000_000_000_000)
    source = Subscription(settings, unique_name, LATEST)
    produce(broker.bootstrap_servers, unique_name, range(10, 14))
    assert sorted(read(source, 4)) == [10, 11, 12, 13]
    source.close()


def test_from_a_time_on(kafka: ApacheKafka, unique_name: str) -> None:
    """Each partition begins at its first record of that time; one without any is read from its end."""
    settings = create(kafka.bootstrap_servers, unique_name)
    produce(kafka.bootstrap_servers, unique_name, range(4), timestamp=1_000_000_000_000)
    produce(kafka.bootstrap_servers, unique_name, range(4, 10, 2), timestamp=1_000_000_060_000)
    source = Subscription(settings, unique_name, 1_000_000_060.0)
    assert [int(one.value or b"") for one in take_all(source)] == [4, 6, 8]
    source.close()


def test_only_committed_records(kafka: ApacheKafka, unique_name: str) -> None:
    """Of two transactions only the committed one is seen, and the end is reached behind the aborted one."""
    settings = create(kafka.bootstrap_servers, unique_name)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": unique_name})
    producer.init_transactions(60)
    for numbers, finish in ((range(4), producer.commit_transaction), (range(4, 8), producer.abort_transaction)):
        producer.begin_transaction()
        for number in numbers:
            producer.produce(unique_name, str(number).encode(), partition=0)
        producer.flush(60)
        finish(60)
    source = Subscription(settings, unique_name, EARLIEST)
    assert [int(one.value or b"") for one in take_all(source)] == [0, 1, 2, 3]
    source.close()


def committed(servers: str, name: str, group: str) -> dict[int, int]:
    """The group's committed offsets, by partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    try:
        parts = consumer.committed([TopicPartition(name, number) for number in range(PARTITIONS)], timeout=30)
        return {part.partition: part.offset for part in parts if part.offset >= 0}
    finally:
        consumer.close()


def test_a_group_goes_on_where_it_stopped(kafka: ApacheKafka, unique_name: str) -> None:
    """What a failed member had in hand comes again, and nothing that was consumed; `since` no longer counts then."""
    servers = kafka.bootstrap_servers
    settings = create(servers, unique_name)
    events = [encode_event(Raised(moment(1e9), f"a{number}", "pay", "disk", "db")) for number in range(6)]
    producer = Producer({"bootstrap.servers": servers})
    for event in (*events[:3], b"not json", *events[3:]):
        producer.produce(unique_name, event, partition=0)
    assert producer.flush(60) == 0

    def open_group() -> reader.Records[Event]:
        return reader.events(settings=settings, group=unique_name, since="earliest", follow=False)

    with pytest.raises(RuntimeError), open_group() as records:
        assert [one.alert_id for one in (next(records), next(records)) if isinstance(one, Raised)] == ["a0", "a1"]
        raise RuntimeError
    assert committed(servers, unique_name, unique_name) == {0: 1}
    with open_group() as records:
        assert [one.alert_id for one in (next(records), next(records)) if isinstance(one, Raised)] == ["a1", "a2"]
    assert committed(servers, unique_name, unique_name) == {0: 3}
    with open_group() as records:
        assert [one.alert_id for one in records if isinstance(one, Raised)] == ["a3", "a4", "a5"]
        assert records.unreadable == 1
    assert committed(servers, unique_name, unique_name) == {0: 7}
    with open_group() as records:
        assert list(records) == []


def test_a_group_that_has_read_nothing_yet_misses_nothing(kafka: ApacheKafka, unique_name: str) -> None:
    """Where a member began is committed: what comes between it and the next member is read, also from the latest on."""
    servers = kafka.bootstrap_servers
    settings = create(servers, unique_name)
    produce(servers, unique_name, range(4))
    first = Subscription(settings, unique_name, LATEST, unique_name)
    assert take_all(first) == []
    first.close()
    produce(servers, unique_name, range(4, 6))
    second = Subscription(settings, unique_name, LATEST, unique_name)
    assert sorted(int(one.value or b"") for one in take_all(second)) == [4, 5]
    second.close()


def test_two_members_share_and_lose_nothing(kafka: ApacheKafka, unique_name: str) -> None:
    """A member that joins takes a partition over, and gives everything back when it leaves; every record comes."""
    servers = kafka.bootstrap_servers
    settings = create(servers, unique_name)
    produce(servers, unique_name, range(10))
    first = Subscription(settings, unique_name, EARLIEST, unique_name)
    found = {first: read(first, 10)}
    second = Subscription(settings, unique_name, EARLIEST, unique_name)
    found[second] = []
    written = 10

    def read_both() -> bool:
        nonlocal written
        produce(servers, unique_name, range(written, written + 2))
        written += 2
        for source, numbers in found.items():
            numbers += [int(one.value or b"") for one in take(source, 4)]
        return bool(found[second]) and len(found[first]) > 10

    until(read_both, SECONDS, "one member gets nothing")
    first.close()

    def read_rest() -> bool:
        found[second] += [int(one.value or b"") for one in take(second, 4)]
        return set(range(written)) <= {*found[first], *found[second]}

    until(read_rest, SECONDS, "records are lost")
    second.close()
    assert committed(servers, unique_name, unique_name) == {0: written // 2, 1: written // 2}


def take(source: Source, most: int) -> list[Received]:
    """What a few polls bring, each marked."""
    taken = [one for one in (source.poll(0.1) for _ in range(most)) if one is not None]
    for one in taken:
        source.mark_consumed(one.partition, one.offset)
    return taken


@pytest.mark.slow
def test_a_restarted_kafka_leaves_no_gap(fresh_kafka: ApacheKafka, unique_name: str) -> None:
    """While it is away nothing comes and the source says for how long; then every record comes once."""
    servers = fresh_kafka.bootstrap_servers
    settings = create(servers, unique_name)
    produce(servers, unique_name, range(10))
    source = Subscription(settings, unique_name, EARLIEST)
    assert sorted(read(source, 10)) == list(range(10))
    assert source.away_seconds == 0.0
    fresh_kafka.stop()
    until(lambda: take(source, 1) == [] and source.away_seconds > 0.0, SECONDS, "it does not know that Kafka is away")
    fresh_kafka.start()
    produce(servers, unique_name, range(10, 20))
    assert sorted(read(source, 10)) == list(range(10, 20))
    assert source.away_seconds == 0.0
    source.close()


def test_new_partitions_are_read_from_their_beginning(kafka: ApacheKafka, unique_name: str) -> None:
    """Of a topic that grew while it was followed from its end."""
    settings = create(kafka.bootstrap_servers, unique_name)
    produce(kafka.bootstrap_servers, unique_name, range(4))
    source = Subscription(settings, unique_name, LATEST, refresh_seconds=0.0)
    kafka.grow(unique_name, PARTITIONS + 1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(unique_name, b"7", partition=PARTITIONS)
    assert producer.flush(60) == 0
    assert read(source, 1) == [7]
    source.close()


def test_the_example_with_a_group_runs(
    kafka: ApacheKafka, unique_name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands in the docs: the first run prints each outcome once and its correction, the second nothing."""
    page = (ROOT / "docs" / "READING.md").read_text(encoding="utf-8")
    example = page.split("```python\n")[2].split("```")[0]
    assert "group=" in example
    create(kafka.bootstrap_servers, unique_name)
    monkeypatch.setenv("NOISEGATE_OUTCOMES_TOPIC", unique_name)
    noise = Outcome(
        "a", "pay", "disk", "db", moment(1e9), "noise", moment(1e9), "worked", "p@1", None, {}, "none", None, []
    )
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for record in (noise, noise, replace(noise, outcome="actionable", by="correction")):
        producer.produce(unique_name, encode_record(record), partition=1)
    assert producer.flush(60) == 0
    for expected in ("pay disk noise\npay disk actionable\n", ""):
        exec(example.replace("kafka:9092", kafka.bootstrap_servers), {})
        assert capsys.readouterr().out == expected


def test_a_topic_that_is_missing(kafka: ApacheKafka) -> None:
    """One sentence with the command that makes it, or, where none would, with a topic's name."""
    settings = make_settings(kafka_bootstrap_servers=kafka.bootstrap_servers, events_topic="nowhere")
    with pytest.raises(TopicMissing, match="no topic nowhere; run `noisegate topics create`"):
        Subscription(settings, "nowhere", EARLIEST)
    with pytest.raises(TopicMissing, match="no topic elsewhere; name one such as nowhere"):
        Subscription(settings, "elsewhere", EARLIEST)


def test_no_broker() -> None:
    """One sentence that names the setting."""
    settings = make_settings(kafka_bootstrap_servers="127.0.0.1:1")
    with pytest.raises(KafkaAway, match=r"127\.0\.0\.1:1 can't be read .*NOISEGATE_KAFKA_BOOTSTRAP_SERVERS"):
        Subscription(settings, "t", EARLIEST, answer_seconds=0.05)
