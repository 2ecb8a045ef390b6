"""The scorer as people run it: its start, its end, its health, its logs; also under Faust's own command."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.dev.process import free_port
from stream.simulation import simulate
from tests.chaos.cluster import Cluster
from tests.journey.health import get
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.slow]


@pytest.fixture
def cluster(kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str) -> Iterator[Cluster]:
    """A deployment with the shipped model and a health server."""
    made = Cluster(kafka, fresh_redis, tmp_path, unique_name, partitions=2)
    made.environment["NOISEGATE_MODEL_STORE"] = str(ROOT / "model_artifacts")
    made.environment["NOISEGATE_METRICS_PORT"] = str(free_port())
    try:
        yield made
    finally:
        made.close()


def events(scale: float = 0.05) -> list[dict[str, object]]:
    """A small simulated log."""
    return [dict(event) for event in simulate(seed=3, days=15, scale=scale)]


def test_it_scores_says_so_and_leaves_in_order(cluster: Cluster) -> None:
    """Ready, scored, counted; logs are JSON lines; SIGTERM ends it with status 0 and everything committed."""
    cluster.start("one")
    log = events()
    cluster.produce(log)
    cluster.wait()
    assert get(cluster, "/readyz") == (200, "ok\n")
    assert get(cluster, "/livez") == (200, "ok\n")
    deadline = time.monotonic() + 60
    raised = sum(event["type"] == "raised" for event in log)
    while f'noisegate_events_total{{type="raised"}} {raised}.0' not in get(cluster, "/metrics")[1]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "noisegate_event_to_enriched_seconds_bucket" in get(cluster, "/metrics")[1]
    cluster.signal("one", signal.SIGTERM)
    assert cluster.workers["one"].wait(60) == 0
    assert all(record.score.probability is not None for record in cluster.enriched())
    for line in cluster.log_of("one").splitlines():
        assert {"at", "level", "logger", "message"} <= json.loads(line).keys()
    cluster.assert_exact()


def test_no_model_is_a_supported_mode(cluster: Cluster) -> None:
    """With an empty store the worker is ready and says below its "ok" that alerts are published unscored; they are."""
    cluster.environment["NOISEGATE_MODEL_STORE"] = str(cluster.folder / "models")
    cluster.start("one")
    cluster.produce(events(0.02))
    cluster.wait()
    assert get(cluster, "/readyz") == (200, "ok\nno model is served: alerts are published unscored\n")
    assert {record.score.reason for record in cluster.enriched()} == {"no_model"}


def test_health_answers_while_the_first_model_is_waited_for(cluster: Cluster) -> None:
    """A store that hangs blocks neither the health server nor the group; alerts wait until the first look has ended."""
    waiting = "the first look for a model has not ended yet"
    with socket.create_server(("127.0.0.1", 0)) as store:  # takes connections and never answers
        cluster.environment["NOISEGATE_MODEL_STORE"] = f"http://127.0.0.1:{store.getsockname()[1]}/models"
        cluster.produce(events(0.02))
        cluster.start("one")
        until(lambda: waiting in get(cluster, "/readyz")[1], 60)
        until(lambda: cluster.members() == 1, 60)
        assert waiting in get(cluster, "/readyz")[1]
        assert cluster.enriched() == []
    cluster.wait()
    status, body = get(cluster, "/readyz")
    assert (status, body.splitlines()[0]) == (200, "ok")
    assert "no model is served" in body


def test_faust_s_own_command_runs_it(cluster: Cluster) -> None:
    """`faust -A stream.scorer worker`, for those who run Faust already."""
    faust = Path(sys.executable).parent / "faust"
    with (cluster.folder / "faust.log").open("wb") as log:
        worker = subprocess.Popen(
            [str(faust), "-A", "stream.scorer", "worker", "--without-web"],
            env={**os.environ, **cluster.environment},
            cwd=cluster.folder,
            stdout=log,
            stderr=log,
        )
    cluster.workers["faust"] = worker
    cluster.produce(events())
    cluster.wait()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    cluster.assert_exact()


def test_a_missing_topic_ends_it_with_one_sentence(cluster: Cluster) -> None:
    """Status 1, the mend, no traceback."""
    cluster.environment["NOISEGATE_EVENTS_TOPIC"] = "nowhere"
    cluster.start("one")
    assert cluster.workers["one"].wait(60) == 1
    assert cluster.log_of("one").strip().endswith("Kafka has no topic nowhere; run `noisegate topics create`")
    assert "Traceback" not in cluster.log_of("one")


def test_redis_away_at_the_first_start_ends_it_with_one_sentence(cluster: Cluster) -> None:
    """Status 1 and what to mend."""
    cluster.redis.stop()
    cluster.start("one")
    assert cluster.workers["one"].wait(60) == 1
    said = cluster.log_of("one").splitlines()[-1]
    assert "has not scored yet" in said
    assert said.endswith("start it, or set NOISEGATE_REDIS_URL")
    assert "Traceback" not in cluster.log_of("one")


def test_a_million_bytes_and_garbage_do_not_stop_it(cluster: Cluster) -> None:
    """Large, empty and broken records end in alerts.failed; what follows is scored."""
    from confluent_kafka import Producer  # beside its only use

    from stream.kafka.clients import producer_settings

    cluster.start("one")
    producer = Producer(producer_settings(cluster.settings))
    for value in (b"x" * 1_000_000, b"", None, b"\xff\x00", b'"\\ud800"', b"[" * 100_000):
        producer.produce(cluster.settings.topics.events, value, "team")
    assert producer.flush(60) == 0
    log = events(0.02)
    cluster.produce(log)
    cluster.wait()
    failed = list(cluster.records(cluster.settings.topics.failed))
    assert len(failed) == 6
    assert max(len(value) for _, _, value in failed) == 64 * 1024
    raised = {(event["team"], event["alert_id"]) for event in log if event["type"] == "raised"}
    assert {(record.alert.team, record.alert.alert_id) for record in cluster.enriched()} == raised
