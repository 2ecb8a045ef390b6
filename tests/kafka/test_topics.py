"""Kafka's settings and partitioners."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from confluent_kafka import Producer

from stream.config import load_settings, make_settings
from stream.core.errors import BrokerError
from stream.core.topics import TOPICS
from stream.kafka.clients import producer_settings
from stream.kafka.partitioner import partition_chooser
from stream.kafka.tail import Tail
from stream.kafka.topics import Topics, topic_configs
from stream.scorer.clocks import LOG_APPEND_TIME_TYPE
from tests.servers.fixtures import Broker
from tests.servers.kafka import ApacheKafka

TEAMS = [f"team-{number}" for number in range(40)] + ["ß", "支付", "a b", "x" * 200]


@pytest.mark.parametrize("partitioner", ["murmur2_random", "consistent_random"])
def test_teams_are_where_librdkafka_puts_them(broker: Broker, partitioner: str, unique_name: str) -> None:
    """Our choice of a team's partition is the producer's own."""
    settings = make_settings(
        kafka_bootstrap_servers=broker.bootstrap_servers,
        partitioner=partitioner,
        events_topic=unique_name,
        enriched_topic=f"{unique_name}-1",
        outcomes_topic=f"{unique_name}-2",
        failed_topic=f"{unique_name}-3",
    )
    Topics(settings).create(7, 1, topic_configs())
    placed: dict[str, int] = {}
    producer = Producer(producer_settings(settings) | {"delivery.report.only.error": False})
    for team in TEAMS:
        producer.produce(
            unique_name,
            b"v",
            team,
            on_delivery=lambda error, message: placed.update({message.key().decode(): message.partition()}),
        )
    assert producer.flush(60) == 0
    choose = partition_chooser(partitioner, 7)
    assert placed == {team: choose(team) for team in TEAMS}
    assert Topics(settings).require("events") == {unique_name: 7}


def test_a_missing_topic_is_told_with_the_mend(broker: Broker, unique_name: str) -> None:
    """One sentence that names the command."""
    settings = make_settings(kafka_bootstrap_servers=broker.bootstrap_servers, events_topic=unique_name)
    with pytest.raises(BrokerError, match=f"{unique_name}.*noisegate topics create"):
        Topics(settings).require("events")


def test_topics_can_be_read_as_soon_as_they_are_made(kafka: ApacheKafka, unique_name: str) -> None:
    """A tail that is opened right after `create` finds its topic and a broker that leads it."""
    for number in range(5):
        names = {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}-{number}.{role}" for role in TOPICS}
        settings = load_settings({"NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, **names})
        Topics(settings).create(3, 1, topic_configs())
        with Tail(settings, [settings.topics.failed], since=0.0) as tail:
            assert tail.partitions == {settings.topics.failed: 3}


def test_the_log_of_events_is_stamped_by_the_broker(kafka: ApacheKafka, unique_name: str) -> None:
    """A producer's clock does not reach the records of a topic as we make it, and the lane's consumer says so."""
    names = {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}" for role in TOPICS}
    settings = load_settings({"NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, **names})
    Topics(settings).create(1, 1, topic_configs())
    producer = Producer(producer_settings(settings))
    producer.produce(settings.topics.events, b"v", timestamp=int((time.time() + 3_000.0) * 1000))
    assert producer.flush(60) == 0

    async def first() -> ConsumerRecord:
        part = TopicPartition(settings.topics.events, 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign([part])
            return await consumer.getone()
        finally:
            await consumer.stop()

    record = asyncio.run(first())
    assert record.timestamp_type == LOG_APPEND_TIME_TYPE
    assert abs(record.timestamp / 1000.0 - time.time()) < 60.0
