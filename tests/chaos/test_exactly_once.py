"""Nothing is lost, nothing is counted twice: real workers on Apache Kafka and Redis, hurt on purpose."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.simulation import simulate
from tests.chaos.cluster import Cluster
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

KILLS = int(os.environ.get("CHAOS_KILLS", "20"))
SECONDS_BETWEEN = 3.0

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture
def cluster(kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str) -> Iterator[Cluster]:
    """A deployment of its own, on a Kafka that comes back as it was; ended whatever happens."""
    made = Cluster(kafka, fresh_redis, tmp_path, unique_name)
    made.environment |= {"NOISEGATE_SESSION_TIMEOUT_SECONDS": "3", "NOISEGATE_HISTORY_TIMEOUT_SECONDS": "1"}
    try:
        yield made
    finally:
        made.close()


def events(scale: float, seed: int = 11) -> list[dict[str, Any]]:
    """A simulated log."""
    return [dict(event) for event in simulate(seed=seed, days=30, scale=scale)]


def test_random_kills_restarts_and_rebalances_leave_no_trace(cluster: Cluster) -> None:
    """Two workers under random SIGKILLs, a broker restart, a Redis restart and a third worker that comes and goes."""
    chance = random.Random(int(os.environ.get("CHAOS_SEED", "1")))
    log = events(1.0)
    names = ["one", "two"]
    for name in names:
        cluster.start(name)
    rate = len(log) / (KILLS * SECONDS_BETWEEN)
    with cluster.producing(log, rate):
        for turn in range(KILLS):
            time.sleep(chance.uniform(0.5, 1.5) * SECONDS_BETWEEN)
            victim = chance.choice(names)
            cluster.kill(victim)
            cluster.start(victim)
            if turn == KILLS // 4:
                cluster.kafka.restart()
            if turn == KILLS // 2:
                cluster.redis.restart()
            if turn == 3 * KILLS // 4:
                cluster.start("three")
    until(lambda: '"assigned"' in cluster.log_of("three"), 60, "the third worker never joined")
    cluster.signal("three", signal.SIGTERM)
    assert cluster.workers["three"].wait(60) == 0
    cluster.wait()
    cluster.assert_exact()


def test_a_worker_that_slept_past_its_session_publishes_nothing_wrong(cluster: Cluster) -> None:
    """SIGSTOP past the session, another worker goes on, SIGCONT: the zombie is fenced and the states are exact."""
    log = events(0.3)
    cluster.start("zombie")
    cluster.start("other")
    portions = iter([log[start : start + 10] for start in range(0, len(log), 10)])

    def advanced(before: list[int]) -> bool:
        cluster.produce(next(portions, []))  # never idle when it is stopped, or goes on
        return all(now > then for now, then in zip(cluster.offsets(), before, strict=True))

    until(lambda: cluster.members() == 2, 60)
    until(lambda: advanced([0] * cluster.partitions), 60)
    cluster.signal("zombie", signal.SIGSTOP)
    until(lambda: cluster.members() == 1, 60)
    stood = cluster.offsets()
    until(lambda: advanced(stood), 60)
    cluster.signal("zombie", signal.SIGCONT)
    cluster.produce(event for portion in portions for event in portion)
    cluster.wait()
    cluster.assert_exact()
    by_alert: dict[tuple[str, str], set[tuple[object, ...]]] = {}
    for record in cluster.enriched():
        if record.score.reason != "history_unavailable" and record.why is not None:
            said = (repr(record.why), record.score.evidence, tuple(record.flags))
            by_alert.setdefault((record.alert.team, record.alert.alert_id), set()).add(said)
    assert [key for key, said in by_alert.items() if len(said) > 1] == []


def test_redis_away_for_a_while_silences_nobody(cluster: Cluster) -> None:
    """Alerts raised while Redis is down come unscored within seconds; their answers follow when it is back."""
    log = events(0.2)
    half = len(log) // 2
    cluster.start("one")
    cluster.produce(log[:half])
    cluster.wait()
    cluster.redis.kill()
    cluster.produce(log[half:])
    raised = {(e["team"], e["alert_id"]) for e in log[half:] if e["type"] == "raised"}
    until(lambda: raised <= {(r.alert.team, r.alert.alert_id) for r in cluster.enriched()}, 60)
    away = [r for r in cluster.enriched() if r.score.reason == "history_unavailable"]
    assert len(away) == len({r.offset for r in away}) > 0
    cluster.redis.start()
    cluster.wait()
    cluster.assert_exact()


@pytest.mark.parametrize("loss", ["flushed", "restored"])
def test_a_redis_that_lost_history_is_folded_again_in_silence(cluster: Cluster, loss: str, tmp_path: Path) -> None:
    """Flushed, or restored from an old snapshot: the states are made again, and no alert is published twice."""
    log = events(0.2)
    third = len(log) // 3
    cluster.start("one")
    cluster.produce(log[:third])
    cluster.wait()
    cluster.redis.snapshot(tmp_path / "snapshot")
    cluster.produce(log[third : 2 * third])
    cluster.wait()
    until(lambda: cluster.committed() == cluster.ends(), 60)
    published = len(cluster.enriched())
    if loss == "flushed":
        cluster.redis.flush()
    else:
        cluster.redis.restore(tmp_path / "snapshot")
    cluster.produce(log[2 * third :])
    cluster.wait()
    cluster.assert_exact()
    new = sum(event["type"] == "raised" for event in log[2 * third :])
    repeats = len(cluster.enriched()) - published - new
    away = sum(r.score.reason == "history_unavailable" for r in cluster.enriched())
    assert repeats == away


def test_a_topic_made_anew_is_refused_in_one_sentence(cluster: Cluster) -> None:
    """A worker does not fold another log into an old history: status 1 and the mend, no traceback."""
    from confluent_kafka.admin import AdminClient

    from stream.kafka.topics import Topics, topic_configs

    cluster.start("one")
    cluster.produce(events(0.02))
    cluster.wait()
    cluster.kill("one")
    admin = AdminClient({"bootstrap.servers": cluster.kafka.bootstrap_servers})
    for future in admin.delete_topics([cluster.settings.topics.events]).values():
        future.result(60)
    until(lambda: cluster.settings.topics.events not in Topics(cluster.settings).partitions(), 60)
    Topics(cluster.settings).create(4, 1, topic_configs())
    cluster.start("two")
    assert cluster.workers["two"].wait(60) == 1
    assert "was recreated" in cluster.log_of("two")
    assert "history rebuild" in cluster.log_of("two").splitlines()[-1]
    assert "Traceback" not in cluster.log_of("two")
