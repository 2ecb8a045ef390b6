"""Workers on real Kafka: transactions, records that a topic refuses, and a Kafka that freezes while they end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from stream.dev.process import free_port
from stream.simulation import simulate
from tests.chaos.cluster import Cluster
from tests.journey.health import get
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
DRAIN_SECONDS = 3.0
BUSY_SECONDS = 5.0  # by which a busy machine may be late


@pytest.fixture
def cluster(kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str) -> Iterator[Cluster]:
    """A deployment on the Kafka of all tests."""
    yield from made(kafka, fresh_redis, tmp_path, unique_name)


@pytest.fixture
def own_cluster(
    fresh_kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str
) -> Iterator[Cluster]:
    """A deployment on a Kafka of its own, to be frozen."""
    yield from made(fresh_kafka, fresh_redis, tmp_path, unique_name)


def made(kafka: ApacheKafka, redis: RedisServer, folder: Path, name: str) -> Iterator[Cluster]:
    """A deployment with a health server and little patience, ended whatever happens."""
    cluster = Cluster(kafka, redis, folder, name, partitions=2)
    cluster.environment["NOISEGATE_METRICS_PORT"] = str(free_port())
    cluster.environment["NOISEGATE_DRAIN_SECONDS"] = str(DRAIN_SECONDS)
    try:
        yield cluster
    finally:
        cluster.close()


def events(count: int, start: int = 0) -> list[dict[str, object]]:
    """Some alerts and actions of a simulated log."""
    return [dict(event) for event in simulate(seed=3, days=15, scale=0.05)][start : start + count]


def alerts_in(log: list[dict[str, object]]) -> set[tuple[object, object]]:
    """Team and id of the alerts that are raised in a log."""
    return {(event["team"], event["alert_id"]) for event in log if event["type"] == "raised"}


def alerts_out(cluster: Cluster) -> set[tuple[object, object]]:
    """Team and id of the alerts that were published."""
    return {(record.alert.team, record.alert.alert_id) for record in cluster.enriched()}


def send_in_transaction(producer: Producer, cluster: Cluster, log: list[dict[str, object]], commit: bool) -> None:
    """Write events in one transaction, and end it."""
    producer.begin_transaction()
    for event in log:
        producer.produce(cluster.settings.topics.events, json.dumps(event).encode(), str(event["team"]))
    producer.flush(60)
    if commit:
        producer.commit_transaction(60)
    else:
        producer.abort_transaction(60)


def lag(cluster: Cluster) -> float:
    """Records that wait, of all partitions, as the worker shows it; more than nothing while it shows nothing."""
    lines = [line for line in get(cluster, "/metrics")[1].splitlines() if line.startswith("noisegate_lag_records{")]
    return sum(float(line.split()[-1]) for line in lines) if len(lines) == cluster.partitions else float("inf")


def wait_until_done(cluster: Cluster, alerts: set[tuple[object, object]]) -> None:
    """Until these alerts are published and nothing waits."""
    deadline = time.monotonic() + 60
    while not (alerts <= alerts_out(cluster) and lag(cluster) == 0):
        assert time.monotonic() < deadline, cluster.log_of("one")[-2_000:]
        time.sleep(0.3)


def test_aborted_transactions_are_not_scored_and_are_no_stall(cluster: Cluster) -> None:
    """Committed records between them are scored; what lies at the end, aborted or open, does not end the worker."""
    stall_seconds = 5.0
    cluster.environment["NOISEGATE_STALL_SECONDS"] = str(stall_seconds)
    log = events(400)
    first, aborted, second, third = log[:150], log[150:200], log[200:300], log[300:]
    producer = Producer(
        {"bootstrap.servers": cluster.kafka.bootstrap_servers, "transactional.id": cluster.settings.deployment}
        | {"partitioner": cluster.settings.kafka.partitioner}
    )
    producer.init_transactions(60)
    cluster.start("one")
    send_in_transaction(producer, cluster, first, commit=True)
    send_in_transaction(producer, cluster, aborted, commit=False)
    send_in_transaction(producer, cluster, second, commit=True)
    for start in range(0, len(third), 10):  # many small ones: a marker after each
        send_in_transaction(producer, cluster, third[start : start + 10], commit=True)
    send_in_transaction(producer, cluster, aborted, commit=False)
    expected = alerts_in(first) | alerts_in(second) | alerts_in(third)
    wait_until_done(cluster, expected)
    assert alerts_out(cluster) == expected
    producer.begin_transaction()  # an open one, of which nobody may read anything yet
    producer.produce(cluster.settings.topics.events, json.dumps(aborted[0]).encode(), str(aborted[0]["team"]))
    producer.flush(60)
    with pytest.raises(subprocess.TimeoutExpired):  # a stall would have ended it by then
        cluster.workers["one"].wait(2 * stall_seconds)
    assert get(cluster, "/livez") == (200, "ok\n")
    producer.abort_transaction(60)


def test_an_enriched_record_over_its_topic_s_limit_does_not_stop_the_stream(cluster: Cluster) -> None:
    """It is a dead letter, and every other alert is scored."""
    admin = AdminClient({"bootstrap.servers": cluster.kafka.bootstrap_servers})
    limit = ConfigEntry("max.message.bytes", "20000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, cluster.settings.topics.enriched, incremental_configs=[limit])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(60)
    log = events(300)
    # no letter twice, so that compression does not help
    labels = {f"label-{n}": "".join(f"{n * 7919 * k % 104_729:x}" for k in range(1, 170)) for n in range(60)}
    big = {**next(event for event in log if event["type"] == "raised"), "alert_id": "big", "labels": labels}
    cluster.start("one")
    cluster.produce([*log[:150], big, *log[150:]])
    cluster.wait()
    assert alerts_out(cluster) == alerts_in(log)
    ((_, _, value),) = list(cluster.records(cluster.settings.topics.failed))
    assert json.loads(value)["alert"]["alert_id"] == "big"
    line = 'noisegate_records_failed_total{reason="refused_by_topic"} 1.0'
    until(lambda: line in get(cluster, "/metrics")[1], 60)  # counters move after the history is written
    cluster.signal("one", signal.SIGTERM)
    assert cluster.workers["one"].wait(60) == 0


@pytest.mark.parametrize("deleted", [1, 3])
def test_records_that_kafka_deleted_under_a_worker_are_no_marker(cluster: Cluster, deleted: int) -> None:
    """One record that is gone looks like a transaction's marker: the worker looks, and refuses to skip it."""
    cluster.start("one")
    cluster.produce(events(100))
    cluster.wait()
    cluster.signal("one", signal.SIGSTOP)
    time.sleep(2 * cluster.settings.lane.fetch_wait_seconds)  # its last fetch is answered, with nothing
    end = cluster.ends()[0]
    producer = Producer({"bootstrap.servers": cluster.kafka.bootstrap_servers})
    for event in events(deleted + 2, start=100):
        producer.produce(cluster.settings.topics.events, json.dumps(event).encode(), partition=0)
    assert producer.flush(60) == 0
    admin = AdminClient({"bootstrap.servers": cluster.kafka.bootstrap_servers})
    gone = TopicPartition(cluster.settings.topics.events, 0, end + deleted)
    for future in admin.delete_records([gone]).values():
        future.result(60)
    cluster.signal("one", signal.SIGCONT)
    assert cluster.workers["one"].wait(60) == 1
    assert "records are gone" in cluster.log_of("one").splitlines()[-1]
    assert cluster.offsets()[0] == end


@pytest.mark.parametrize("busy", [False, True])
def test_sigterm_while_kafka_is_frozen_ends_in_time_with_status_0(own_cluster: Cluster, busy: bool) -> None:
    """Within drain_seconds + 5, in one sentence; what was begun is read again by the next worker, nothing is lost."""
    cluster = own_cluster
    log = events(600)
    cluster.start("one")
    cluster.produce(log[:300])
    cluster.wait()
    if busy:
        cluster.produce(log[300:])  # it is likely at work on them when Kafka freezes; the law holds either way
    os.kill(cluster.kafka.pid, signal.SIGSTOP)
    try:
        cluster.signal("one", signal.SIGTERM)
        asked = time.monotonic()
        assert cluster.workers["one"].wait(60) == 0
        took = time.monotonic() - asked
    finally:
        os.kill(cluster.kafka.pid, signal.SIGCONT)
    assert took < DRAIN_SECONDS + 5.0 + BUSY_SECONDS, cluster.log_of("one")[-2_000:]
    in_order = took < DRAIN_SECONDS + 4.0  # all was written, and the group was left before the time for it was over
    assert in_order or "nothing is lost" in cluster.log_of("one"), cluster.log_of("one")[-2_000:]
    assert "Traceback" not in cluster.log_of("one")
    cluster.produce([] if busy else log[300:])
    cluster.start("two")
    cluster.wait()
    cluster.assert_exact()


def test_faust_s_own_command_says_what_ended_it_and_has_its_status(cluster: Cluster) -> None:
    """A history that can't be used ends `faust worker` with status 1 and the sentence, as `noisegate run scorer`."""
    cluster.start("one")
    cluster.produce(events(100))
    cluster.wait()
    cluster.signal("one", signal.SIGTERM)
    assert cluster.workers["one"].wait(60) == 0
    other = cluster.folder / "other.toml"
    other.write_text(Path(cluster.environment["NOISEGATE_PROBLEM"]).read_text().replace("= 24", "= 12"))
    faust = Path(sys.executable).parent / "faust"
    with (cluster.folder / "faust.log").open("wb") as said:
        worker = subprocess.Popen(
            [str(faust), "-A", "stream.scorer", "worker", "--without-web"],
            env={**os.environ, **cluster.environment, "NOISEGATE_PROBLEM": str(other)},
            cwd=cluster.folder,
            stdout=said,
            stderr=said,
        )
    cluster.workers["faust"] = worker
    assert worker.wait(60) == 1
    assert "noisegate history rebuild" in cluster.log_of("faust").splitlines()[-1]
