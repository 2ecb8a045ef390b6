"""The servers of the tests do what the tests rely on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from redis import Redis

from tests.servers.availability import unavailable
from tests.servers.fixtures import Broker
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.redis import RedisServer

DEADLINE_SECONDS = 60


def create_topic(bootstrap_servers: str, topic: str) -> None:
    """One partition."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])[topic].result(DEADLINE_SECONDS)


def produce(bootstrap_servers: str, topic: str, *values: bytes) -> None:
    """Publish, and wait for the acks."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(DEADLINE_SECONDS) == 0


def consume(bootstrap_servers: str, topic: str, count: int) -> list[bytes | None]:
    """So many values from the log's start."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": topic})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        return [message.value() for message in consumer.consume(count, DEADLINE_SECONDS)]
    finally:
        consumer.close()


def test_both_brokers_keep_what_they_are_given(broker: Broker, unique_name: str) -> None:
    """Records come back in order from the embedded broker and from Apache Kafka."""
    create_topic(broker.bootstrap_servers, unique_name)
    produce(broker.bootstrap_servers, unique_name, b"one", b"two")
    assert consume(broker.bootstrap_servers, unique_name, 2) == [b"one", b"two"]


@pytest.mark.chaos
@pytest.mark.parametrize("crash", [False, True])
def test_kafka_keeps_port_and_data(fresh_kafka: ApacheKafka, crash: bool) -> None:
    """A broker that was stopped or killed comes back on its port with its records."""
    create_topic(fresh_kafka.bootstrap_servers, "kept")
    produce(fresh_kafka.bootstrap_servers, "kept", b"before")
    if crash:
        fresh_kafka.kill()
    else:
        fresh_kafka.stop()
    assert not fresh_kafka.running
    fresh_kafka.start()
    produce(fresh_kafka.bootstrap_servers, "kept", b"after")
    assert consume(fresh_kafka.bootstrap_servers, "kept", 2) == [b"before", b"after"]


def test_redis_url_is_empty_and_evicts_nothing(redis_url: str) -> None:
    """Redis and Valkey start each test empty and run with `noeviction`."""
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.set("left", "behind")


@pytest.mark.parametrize("crash", [False, True])
def test_durable_redis_keeps_answered_writes(fresh_redis: RedisServer, crash: bool) -> None:
    """A durable Redis that was stopped or killed comes back with its data."""
    with Redis.from_url(fresh_redis.url) as client:
        client.set("kept", "yes")
    if crash:
        fresh_redis.kill()
    fresh_redis.restart()
    with Redis.from_url(fresh_redis.url) as client:
        assert client.get("kept") == b"yes"


def test_redis_restored_from_an_old_snapshot(fresh_redis: RedisServer, tmp_path: Path) -> None:
    """After a restore the data are those of the snapshot, and a flush loses all."""
    with Redis.from_url(fresh_redis.url) as client:
        client.set("offset", 1)
        fresh_redis.snapshot(tmp_path / "snapshot")
        client.set("offset", 2)
    fresh_redis.restore(tmp_path / "snapshot")
    with Redis.from_url(fresh_redis.url) as client:
        assert client.get("offset") == b"1"
        fresh_redis.flush()
        assert client.get("offset") is None


def test_what_is_absent_is_skipped_or_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing server skips a test, and fails it under REQUIRE_SERVERS=1."""
    monkeypatch.delenv("REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no java"):
        unavailable("no java")
    monkeypatch.setenv("REQUIRE_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no java"):
        unavailable("no java")


LOGS_AN_ERROR = """
import logging
import pytest

def test_swallowed():
    logging.getLogger("room").error("lost an alert")

@pytest.mark.expects_errors
def test_expected():
    logging.getLogger("room").error("as it should")
"""


@pytest.mark.slow
def test_a_swallowed_error_fails_its_test(tmp_path: Path) -> None:
    """A logged error that nobody noticed fails the test, unless it is marked `expects_errors`."""
    (tmp_path / "test_logging.py").write_text(LOGS_AN_ERROR)
    options = ["-p", "tests.servers.fixtures", "-p", "no:valkey", "--rootdir", str(tmp_path), "-q", str(tmp_path)]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert "logged as errors: room: lost an alert" in run.stdout
    assert "test_expected" not in run.stdout
    assert re.search(r"\b2 passed\b.*\b1 error\b", run.stdout)
