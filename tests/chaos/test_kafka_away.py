"""Kafka frozen or killed under a running worker: readiness, metric and log tell it once, and all goes on afterwards."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.dev.process import free_port
from stream.simulation import simulate
from tests.chaos.cluster import Cluster
from tests.journey.health import get
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
TOLD_SECONDS = 15.0  # two questions without an answer take 9.5 s
BACK_SECONDS = 60.0
AWAY_SECONDS = 14.0
MOST_LINES = 25  # each kind of message of the libraries once, and ours; there were 2,800 in 40 s


@pytest.fixture
def cluster(fresh_kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str) -> Iterator[Cluster]:
    """A deployment with a health server on a Kafka of its own."""
    made = Cluster(fresh_kafka, fresh_redis, tmp_path, unique_name, partitions=2)
    made.environment["NOISEGATE_METRICS_PORT"] = str(free_port())
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("loss", ["frozen", "killed"])
def test_kafka_away_is_told_once_and_work_goes_on_when_it_is_back(cluster: Cluster, loss: str) -> None:
    """/readyz is 503 and the gauge 0 within 15 s, a handful of lines instead of thousands, and nothing is lost."""
    log = [dict(event) for event in simulate(seed=7, days=20, scale=0.05)]
    half = len(log) // 2
    sentence = f"Kafka at {cluster.kafka.bootstrap_servers} can't be reached; alerts wait there until it is back"
    cluster.start("one")
    cluster.produce(log[:half])
    cluster.wait()
    until(lambda: get(cluster, "/readyz")[0] == 200, 60, "it never was ready")
    before = len(cluster.log_of("one").splitlines())
    if loss == "frozen":
        os.killpg(cluster.kafka.pid, signal.SIGSTOP)
    else:
        cluster.kafka.kill()
    lost_at = time.monotonic()
    until(lambda: get(cluster, "/readyz") == (503, f"{sentence}\n"), TOLD_SECONDS, "nothing told that Kafka is away")
    until(lambda: "noisegate_kafka_up 0.0\n" in get(cluster, "/metrics")[1], 60)
    assert get(cluster, "/livez")[0] == 200
    time.sleep(max(0.0, lost_at + AWAY_SECONDS - time.monotonic()))  # what is measured is how much is logged meanwhile
    if loss == "frozen":
        os.killpg(cluster.kafka.pid, signal.SIGCONT)
    else:
        cluster.kafka.start()
    until(lambda: get(cluster, "/readyz")[0] == 200, BACK_SECONDS, "readiness did not come back")
    cluster.produce(log[half:])
    cluster.wait()
    lines = [json.loads(line) for line in cluster.log_of("one").splitlines()[before:]]
    assert [line["message"] for line in lines].count(sentence) == 1
    assert sum(" is back after " in line["message"] for line in lines) == 1
    assert len(lines) <= MOST_LINES, lines
    cluster.assert_exact()


def test_a_worker_that_starts_while_kafka_is_frozen_answers_health_and_ends_in_a_sentence(cluster: Cluster) -> None:
    """The health server opens before Kafka is asked; status 1 and the mend once Kafka has not answered."""
    os.killpg(cluster.kafka.pid, signal.SIGSTOP)
    try:
        cluster.start("one")
        until(lambda: get(cluster, "/readyz")[0] == 503, 60, "the health server did not open")
        assert cluster.workers["one"].wait(60) == 1
    finally:
        os.killpg(cluster.kafka.pid, signal.SIGCONT)
    *lines, last = cluster.log_of("one").splitlines()
    assert last.startswith(f"noisegate: Kafka at {cluster.kafka.bootstrap_servers} can't be reached")
    assert all(json.loads(line) for line in lines)
