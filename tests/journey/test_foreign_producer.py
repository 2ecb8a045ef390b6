"""A producer in Java, with Java's own partitioner, writes what noisegate reads, where noisegate expects it."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stream.core.events import Acted, Raised, check_time, decode_event, seconds
from stream.kafka.partitioner import partition_chooser
from tests.servers.kafka import JAVA, POM, ROOT, ApacheKafka, jars

EXAMPLE = ROOT / "deploy" / "examples" / "producer"
PARTITIONS = 7
TEAMS = [*(f"team-{number}" for number in range(24)), "Zürich ops", "日本", "\U0001f600", 'a "quoted" \\ team']
DEADLINE_SECONDS = 120


@pytest.fixture
def topic(kafka: ApacheKafka, unique_name: str) -> str:
    """A topic of seven partitions."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([NewTopic(unique_name, num_partitions=PARTITIONS, replication_factor=1)])[unique_name].result(
        60
    )
    return unique_name


def produce(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the example from its source, as its README says."""
    return subprocess.run(
        [*JAVA, "-Dfile.encoding=UTF-8", "-cp", f"{jars()}/*", str(EXAMPLE / "AlertProducer.java"), *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def read(kafka: ApacheKafka, topic: str, count: int) -> list[Message]:
    """The topic's records, each partition in its order."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": topic, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    try:
        messages: list[Message] = []
        while len(messages) < count:
            found = consumer.consume(count - len(messages), timeout=60)
            assert found, f"{len(messages)} of {count} records"
            messages += found
        return messages
    finally:
        consumer.close()


@pytest.mark.parametrize("partitioner", ["murmur2", "murmur2_random"])
def test_a_java_producer_is_understood(kafka: ApacheKafka, topic: str, partitioner: str) -> None:
    """Each team's raised and acted event decode, are in time, lie in the team's partition, and keep their order."""
    done = produce(kafka.bootstrap_servers, topic, *TEAMS)
    assert done.returncode == 0, done.stderr
    choose = partition_chooser(partitioner, PARTITIONS)
    by_team: dict[str, list[Raised | Acted]] = {}
    for message in read(kafka, topic, 2 * len(TEAMS)):
        event = decode_event(message.value() or b"")
        assert isinstance(event, Raised | Acted)
        check_time(seconds(event.at), message.timestamp()[1] / 1000)
        assert message.key() == event.team.encode()
        assert message.partition() == choose(event.team)
        by_team.setdefault(event.team, []).append(event)
    assert sorted(by_team) == sorted(TEAMS)
    for raised, acted in by_team.values():
        assert isinstance(raised, Raised)
        assert isinstance(acted, Acted)
        assert raised.alert_id == acted.alert_id
        assert (raised.title, raised.labels, acted.kind) == ('Disk 91% on "db-7"', {"env": "prod"}, "worked")
        assert acted.at - raised.at == timedelta(seconds=60)
        assert abs(datetime.now(UTC) - acted.at) < timedelta(minutes=5)


def test_a_java_producer_without_teams_says_how_it_is_called(kafka: ApacheKafka) -> None:
    """Too few arguments: one line of usage, exit status 2."""
    done = produce(kafka.bootstrap_servers)
    assert (done.returncode, done.stderr) == (2, "usage: AlertProducer BOOTSTRAP_SERVERS TOPIC TEAM...\n")


def test_the_example_names_the_version_that_is_tested() -> None:
    """The example's pom asks for the Kafka client that the tests run it with."""
    assert versions(EXAMPLE / "pom.xml") == versions(POM)


def versions(pom: object) -> list[str | None]:
    """The versions of a pom's dependencies."""
    return [version.text for version in ElementTree.parse(str(pom)).iter() if version.tag.endswith("}version")]
