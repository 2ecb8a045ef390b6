"""Real workers whose history is evicted, damaged or somebody else's, on Apache Kafka and Redis."""

import json
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from stream.config import load_settings
from stream.core.errors import HistoryRefused
from stream.core.events import Tick, decode_event
from stream.scorer.identity import Identity
from stream.scorer.rebuild.run import rebuild
from stream.simulation import simulate
from tests.chaos.cluster import PROBLEM, Cluster
from tests.scorer.test_suspect import evict
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture
def cluster(kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str) -> Iterator[Cluster]:
    """A deployment of its own, ended whatever happens."""
    made = Cluster(kafka, fresh_redis, tmp_path, unique_name, partitions=2)
    try:
        yield made
    finally:
        made.close()


def events(seed: int = 5) -> list[dict[str, Any]]:
    """A small simulated log."""
    return [dict(event) for event in simulate(seed=seed, days=10, scale=0.05)]


def raised_now(number: int, team: str = "payments", minutes_ago: float = 0.0) -> dict[str, object]:
    """An alert of this moment, or of some minutes ago."""
    at = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    return {"type": "raised", "at": at, "alert_id": f"N{number}", "team": team, "rule": "disk", "entity": "e"}


def test_eviction_under_a_worker_ends_scores_until_it_is_rebuilt(cluster: Cluster) -> None:
    """Within seconds alerts come unscored with the reason; after both mends the worker returns by itself, exact."""
    log = events()
    third = len(log) // 3
    cluster.start("one")
    cluster.produce(log[:third])
    cluster.wait()
    evict(cluster.redis)
    until(lambda: "run `noisegate history rebuild`" in cluster.log_of("one"), 60)
    before = {record.offset for record in cluster.enriched()}
    cluster.produce(log[third : 2 * third])
    raised = sum(event["type"] == "raised" for event in log[third : 2 * third])
    until(lambda: len({record.offset for record in cluster.enriched()} - before) == raised, 60)
    new = [record for record in cluster.enriched() if record.offset not in before]
    assert {record.score.reason for record in new} == {"history_unavailable"}
    with pytest.raises(HistoryRefused, match="maxmemory-policy"):
        rebuild(cluster.settings)  # it would be evicted again
    with Redis.from_url(cluster.redis.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
    rebuild(cluster.settings)
    cluster.produce(log[2 * third :])
    cluster.wait()
    cluster.assert_exact()
    assert cluster.workers["one"].poll() is None


def test_latest_keeps_its_start_over_a_restart_before_the_first_batch(cluster: Cluster) -> None:
    """What is raised while a worker that has read nothing yet is restarted is scored by the next one."""
    cluster.environment["NOISEGATE_START_FROM"] = "latest"
    cluster.produce([raised_now(number) for number in range(20)])
    cluster.start("one")
    until(lambda: sum(cluster.offsets()) == 20, 60)
    cluster.signal("one", signal.SIGTERM)
    assert cluster.workers["one"].wait(60) == 0
    cluster.produce([raised_now(number) for number in range(20, 25)])
    cluster.start("two")
    cluster.wait()
    assert {record.alert.alert_id for record in cluster.enriched()} == {f"N{number}" for number in range(20, 25)}


def test_a_second_kafka_or_problem_ends_in_one_sentence_and_touches_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """Another problem, or another cluster's claim: status 1, a mend that is true, and the history as it was."""
    cluster.start("one")
    cluster.produce(events()[:200])
    cluster.wait()
    offsets = cluster.offsets()
    other = tmp_path / "other.toml"
    other.write_text(PROBLEM.read_text().replace("horizon_hours = 24", "horizon_hours = 12"))
    cluster.environment["NOISEGATE_PROBLEM"] = str(other)
    cluster.start("two")
    assert cluster.workers["two"].wait(60) == 1
    assert "another problem definition" in cluster.log_of("two").splitlines()[-1]
    cluster.environment["NOISEGATE_PROBLEM"] = str(PROBLEM)
    key = f"{cluster.settings.deployment}:identity"
    with Redis.from_url(cluster.redis.url) as client:
        mine = json.loads(client.get(key) or b"")
        client.set(key, json.dumps({**mine, "cluster_id": "another"}))
    cluster.start("three")
    assert cluster.workers["three"].wait(60) == 1
    assert "give this deployment another name" in cluster.log_of("three").splitlines()[-1]
    with pytest.raises(HistoryRefused, match="--take-over"):
        rebuild(cluster.settings)
    assert cluster.offsets() == offsets
    rebuild(cluster.settings, take_over=True)
    with Redis.from_url(cluster.redis.url) as client:
        assert Identity(**json.loads(client.get(key) or b"")) == Identity(**mine)
    cluster.assert_exact()


def test_a_worker_knows_the_broker_s_stamps_and_ticks(cluster: Cluster, tmp_path: Path) -> None:
    """On a topic as we make it a quiet partition's expiry comes by a tick, and the worker's clock is found right."""
    short = tmp_path / "short.toml"
    lines = PROBLEM.read_text().replace("horizon_hours = 24", "horizon_hours = 1")
    short.write_text(lines)
    cluster.environment |= {"NOISEGATE_PROBLEM": str(short), "NOISEGATE_TICK_SECONDS": "1"}
    cluster.settings = load_settings(cluster.environment)
    cluster.problem = cluster.settings.load_problem()
    wait = cluster.problem.due_seconds / 60.0
    cluster.produce([raised_now(1, minutes_ago=wait - 0.1)])
    cluster.start("one")
    until(lambda: [outcome.by for outcome in cluster.outcomes()] == ["expiry"], 60)
    ticks = [value for _, _, value in cluster.records(cluster.settings.topics.events) if b'"tick"' in value]
    assert ticks
    tick = decode_event(ticks[0])
    assert isinstance(tick, Tick)
    assert abs(tick.at.timestamp() - time.time()) < 60
    assert "clock" not in cluster.log_of("one")


def test_a_password_changed_live_silences_nobody_and_is_recovered_from(cluster: Cluster) -> None:
    """The worker goes on unscored, says what to check, and its history is exact once access is back."""
    log = events(6)
    half = len(log) // 2
    cluster.start("one")
    cluster.produce(log[:half])
    cluster.wait()
    before = {record.offset for record in cluster.enriched()}
    with Redis.from_url(cluster.redis.url) as admin:
        admin.config_set("requirepass", "secret")
        admin.client_kill_filter(_type="normal", skipme=True)
        cluster.produce(log[half:])
        raised = sum(event["type"] == "raised" for event in log[half:])
        until(lambda: len({record.offset for record in cluster.enriched()} - before) == raised, 60)
        until(lambda: "check user and password in NOISEGATE_REDIS_URL" in cluster.log_of("one"), 60)
        admin.config_set("requirepass", "")
    cluster.wait()
    cluster.assert_exact()
    assert cluster.workers["one"].poll() is None
    assert "Command #" not in cluster.log_of("one")
