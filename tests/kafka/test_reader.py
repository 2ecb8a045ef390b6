"""The reader: all there is, to the end that fetches tell; on the embedded broker and on Apache Kafka."""

import pytest
from confluent_kafka import Producer

from stream.config import Settings, change_settings, load_settings
from stream.core.errors import BrokerError
from stream.kafka.clients import producer_settings
from stream.kafka.reader import Reader
from stream.kafka.topics import Topics, topic_configs
from tests.servers.fixtures import Broker
from tests.servers.kafka import ApacheKafka

RECORDS = 1_000


def fill(bootstrap_servers: str, name: str, knows_its_end: bool) -> Settings:
    """Settings of a broker with RECORDS events, some in large batches, and three empty topics."""
    roles = ("events", "enriched", "outcomes", "failed")
    env = {f"NOISEGATE_{role.upper()}_TOPIC": f"{name}.{role}" for role in roles}
    env["NOISEGATE_KAFKA_BOOTSTRAP_SERVERS"] = bootstrap_servers
    env["NOISEGATE_BROKER_END_OFFSETS"] = str(knows_its_end).lower()
    settings = load_settings(env)
    Topics(settings).create(4, 1, topic_configs())
    producer = Producer({**producer_settings(settings), "log_level": 0})
    for number in range(RECORDS):
        producer.produce(settings.topics.events, str(number).encode(), f"team-{number % 20}".encode())
    producer.flush()
    return settings


@pytest.fixture
def filled(broker: Broker, unique_name: str) -> Settings:
    """Either broker, filled."""
    return fill(broker.bootstrap_servers, unique_name, broker.name == "kafka")


def test_reads_everything_and_knows_the_end(filled: Settings) -> None:
    """Every record of every partition comes once, in each partition's order, and then the reading ends."""
    with Reader(filled, [filled.topics.events, filled.topics.failed]) as reader:
        found = list(reader.read_all())
        assert reader.at_end
        assert reader.partitions == {filled.topics.events: 4, filled.topics.failed: 4}
    assert sorted(int(message.value() or b"") for message in found) == list(range(RECORDS))
    for partition in range(4):
        offsets = [message.offset() for message in found if message.partition() == partition]
        assert offsets == list(range(len(offsets)))


def test_reads_the_newest(kafka: ApacheKafka, unique_name: str) -> None:
    """Where the broker knows its end, only so many records of each partition come; from the end, none."""
    settings = fill(kafka.bootstrap_servers, unique_name, knows_its_end=True)
    with Reader(settings, [settings.topics.events], last=10) as reader:
        assert len(list(reader.read_all())) == 40
    with Reader(settings, [settings.topics.events], last=0) as reader:
        assert list(reader.read_all()) == []


def test_missing_topic(filled: Settings) -> None:
    """A topic that is not there is told with the verb that makes it, or, where none does, with a topic's name."""
    ours = change_settings(filled, decisions_topic="nowhere")
    with pytest.raises(BrokerError, match="no topic nowhere; run `noisegate topics create`"):
        Reader(ours, ["nowhere"])
    with pytest.raises(BrokerError, match=f"no topic nowhere; name one such as {filled.topics.events}"):
        Reader(filled, ["nowhere"])
