"""`history rebuild` on real Kafka and Redis: aside, then atomically in its place."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from stream.config import load_settings
from stream.scorer.history import decode_meta
from stream.scorer.rebuild.run import rebuild
from stream.simulation import simulate
from tests.chaos.cluster import PROBLEM, Cluster
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer

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
    return [dict(event) for event in simulate(seed=seed, days=20, scale=0.1)]


def generations(cluster: Cluster) -> list[int]:
    """The serving generation of each partition."""
    with Redis.from_url(cluster.redis.url) as client:
        stored = client.mget([f"{cluster._prefix(number)}:meta" for number in range(cluster.partitions)])
    return [meta.generation if (meta := decode_meta(packed or b"")) else 0 for packed in stored]


def test_a_rebuild_while_the_old_history_serves_changes_nothing_but_the_generation(cluster: Cluster) -> None:
    """The worker goes on over the switch; states are exact, nothing is lost, and the old keys are gone."""
    log = events()
    cluster.start("one")
    half = len(log) // 2
    cluster.produce(log[:half])
    cluster.wait()
    before = generations(cluster)
    with cluster.producing(log[half:], 800):
        report = rebuild(cluster.settings)
    cluster.wait()
    assert [done.generation for done in report.partitions] == generations(cluster) == [number + 1 for number in before]
    cluster.assert_exact()
    with Redis.from_url(cluster.redis.url) as client:
        old = tuple(f"{cluster._prefix(number)}:{generation}:".encode() for number, generation in enumerate(before))
        assert [key for key in client.scan_iter(count=5_000) if key.startswith(old) or key.endswith(b":rebuild")] == []


def test_another_problem_definition_is_refused_until_the_history_is_rebuilt(cluster: Cluster, tmp_path: Path) -> None:
    """The worker ends with status 1 and the mend; after the mend it goes on where it stood, and says nothing twice."""
    log = events(6)
    cluster.start("one")
    cluster.produce(log[: len(log) // 2])
    cluster.wait()
    cluster.signal("one", signal.SIGTERM)
    assert cluster.workers["one"].wait(60) == 0
    published = len(cluster.enriched())
    other = tmp_path / "other.toml"
    other.write_text(PROBLEM.read_text().replace("horizon_hours = 24", "horizon_hours = 12"))
    cluster.environment["NOISEGATE_PROBLEM"] = str(other)
    cluster.settings = load_settings(cluster.environment)
    cluster.problem = cluster.settings.load_problem()
    cluster.start("two")
    assert cluster.workers["two"].wait(60) == 1
    assert "another problem definition" in cluster.log_of("two")
    rebuild(cluster.settings)
    cluster.start("three")
    cluster.produce(log[len(log) // 2 :])
    cluster.wait()
    new = sum(event["type"] == "raised" for event in log[len(log) // 2 :])
    assert len(cluster.enriched()) == published + new
    folds = cluster.folds()
    with Redis.from_url(cluster.redis.url) as client:
        for number, pure in folds.items():
            levels, _ = cluster._states(client, number)
            assert set(levels) == set(pure.levels)
