"""Models move while a real scorer works: promoted, challenging, by team, broken, at a signal, with the store away."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream.core.records import Enriched
from stream.dev.process import free_port
from stream.models.artifact import ONNX, verify
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.store import Store
from stream.scorer.heartbeat import Heartbeat, read_heartbeats
from stream.simulation import simulate
from tests.chaos.cluster import Cluster
from tests.journey.health import get
from tests.models.damage import Content, constant_graph, edit_manifest, put_onnx
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

pytestmark = [pytest.mark.slow]
(OLD,) = [path.name for path in (ROOT / "model_artifacts").iterdir() if path.is_dir()]
NEW, BROKEN = "2026-11-23-00000025", "2026-11-24-0000dead"
SAYS = 0.25  # NEW, of every alert


def make_store(root: Path) -> Store:
    """The shipped version, one that says the same of every alert, and one whose graph is cut."""
    for name in (OLD, NEW, BROKEN):
        shutil.copytree(ROOT / "model_artifacts" / OLD, root / name)

    def renew(content: Content) -> None:
        content["version"] = NEW
        content["golden"]["probabilities"] = [SAYS] * len(content["golden"]["probabilities"])

    put_onnx(root / NEW, constant_graph(len(verify(root / OLD).features), SAYS))
    edit_manifest(root / NEW, renew)
    edit_manifest(root / BROKEN, lambda content: content.update(version=BROKEN))
    (root / BROKEN / ONNX).write_bytes((root / OLD / ONNX).read_bytes()[:10_000])
    store = Store(str(root))
    store.point(CHAMPION, Pointer(OLD))
    return store


class Journey:
    """One worker, its store, and a log that is produced piece by piece."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.store = make_store(cluster.folder / "models")
        simulated = [dict(event) for event in simulate(seed=3, days=15, scale=0.1)]
        first = {(event["type"], event["team"], event["alert_id"]): number for number, event in enumerate(simulated)}
        self._events = [  # without what is raised again: that keeps its first score
            event
            for number, event in enumerate(simulated)
            if event["type"] != "raised" or first["raised", event["team"], event["alert_id"]] == number
        ]

    def piece(self, count: int = 400) -> list[Enriched]:
        """Produce the next events; what was published of the alerts among them."""
        piece, self._events = self._events[:count], self._events[count:]
        self.cluster.produce(piece)
        self.cluster.wait()
        records = self.cluster.enriched()
        ids = {(event["team"], event["alert_id"]) for event in piece if event["type"] == "raised"}
        found = [record for record in records if (record.alert.team, record.alert.alert_id) in ids]
        assert len(found) == len(ids) > 20
        assert all(record.score.probability is not None for record in found)
        return found

    def until(self, metric: str) -> None:
        """Wait until /metrics has this line."""
        deadline = time.monotonic() + 60
        while f"noisegate_{metric}\n" not in (text := get(self.cluster, "/metrics")[1]):
            assert time.monotonic() < deadline, f"{metric} in {text}\n{self.cluster.log_of('one')[-2000:]}"
            time.sleep(0.05)

    def heartbeat(self, is_so: Callable[[Heartbeat], bool]) -> Heartbeat:
        """What the worker says of itself, once that is so: it is written after the metrics are set."""
        until(lambda: any(is_so(one) for one in self.heartbeats().values()), 60, "no such heartbeat")
        (one,) = self.heartbeats().values()
        return one

    def heartbeats(self) -> dict[str, Heartbeat]:
        """What the workers say of themselves."""
        settings = self.cluster.settings
        return read_heartbeats(settings.redis.url, settings.deployment)


@pytest.fixture
def journey(kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str) -> Iterator[Journey]:
    """A deployment that has not begun."""
    cluster = Cluster(kafka, fresh_redis, tmp_path, unique_name, partitions=2)
    cluster.environment["NOISEGATE_METRICS_PORT"] = str(free_port())
    cluster.environment["NOISEGATE_MODEL_POLL_SECONDS"] = "0.2"
    cluster.environment["NOISEGATE_CHALLENGER_SECONDS"] = "20"
    try:
        yield Journey(cluster)
    finally:
        cluster.close()


def test_models_move_from_hand_to_hand(journey: Journey) -> None:
    """Promoted: the new version's scores; challenged: both in records and outcomes; by team; broken: the old ones."""
    cluster, store = journey.cluster, journey.store
    cluster.start("one")
    assert {record.score.model for record in journey.piece()} == {OLD}
    store.point(CHAMPION, Pointer(NEW))
    journey.until(f'model_info{{model="{NEW}",role="champion"}} 1.0')
    promoted = journey.piece()
    assert {(record.score.model, record.score.probability) for record in promoted} == {(NEW, SAYS)}
    store.point(CHALLENGER, Pointer(OLD))
    journey.until(f'model_info{{model="{OLD}",role="challenger"}} 1.0')
    challenged = journey.piece()
    assert all(record.score.challenger and record.score.challenger.model == OLD for record in challenged)
    assert len({record.score.challenger.probability for record in challenged if record.score.challenger}) > 10
    both = {(record.alert.team, record.alert.alert_id) for record in challenged}
    decided = [outcome for outcome in cluster.outcomes() if (outcome.team, outcome.alert_id) in both]
    assert decided
    assert all(list(outcome.scores) == [NEW, OLD] for outcome in decided)
    team = max({record.alert.team for record in challenged}, key=[r.alert.team for r in challenged].count)
    store.point(CHAMPION, Pointer(NEW, {team: OLD}))
    journey.until(f'model_info{{model="{OLD}",role="team"}} 1.0')
    by_team = journey.piece()
    assert {(record.alert.team == team, record.score.model) for record in by_team} == {(True, OLD), (False, NEW)}
    heartbeat = journey.heartbeat(lambda one: one.pointer == {"": NEW, team: OLD})
    assert list(heartbeat.champions) == [NEW, OLD]
    assert heartbeat.partitions == [0, 1]
    store.point(CHAMPION, Pointer(BROKEN))
    journey.until("model_refused_total 1.0")
    journey.until(f'model_info{{model="{NEW}",role="champion"}} 1.0')
    assert {record.score.model for record in journey.piece()} == {NEW, OLD}
    heartbeat = journey.heartbeat(lambda one: one.fault is not None)
    assert BROKEN in (heartbeat.fault or "")
    assert get(cluster, "/readyz") == (200, "ok\n")
    cluster.signal("one", signal.SIGTERM)
    assert cluster.workers["one"].wait(60) == 0
    assert journey.heartbeats() == {}
    cluster.assert_exact()


def test_sighup_looks_at_once(journey: Journey) -> None:
    """With polls far apart a signal alone swaps the model, in a worker that goes on."""
    cluster = journey.cluster
    cluster.environment["NOISEGATE_MODEL_POLL_SECONDS"] = "3600"
    cluster.start("one")
    journey.piece()
    for version in (NEW, OLD):
        journey.store.point(CHAMPION, Pointer(version))
        cluster.signal("one", signal.SIGHUP)
        journey.until(f'model_info{{model="{version}",role="champion"}} 1.0')
        assert {record.score.model for record in journey.piece()} == {version}
    cluster.signal("one", signal.SIGTERM)
    assert cluster.workers["one"].wait(60) == 0


def test_a_worker_starts_with_the_last_good_copy(journey: Journey) -> None:
    """The store is emptied of the champion while nobody works: the copy on the machine serves; without it, nothing."""
    cluster = journey.cluster
    cluster.start("one")
    journey.piece()
    cluster.signal("one", signal.SIGTERM)
    assert cluster.workers["one"].wait(60) == 0
    journey.store.point(CHAMPION, Pointer(BROKEN))
    shutil.rmtree(cluster.folder / "models" / OLD)
    cluster.start("one")
    assert {record.score.model for record in journey.piece()} == {OLD}
    assert f"the last good model serves: {OLD}" in cluster.log_of("one")
    cluster.kill("one")
    shutil.rmtree(cluster.environment["NOISEGATE_MODEL_CACHE"])
    cluster.start("one")
    event = journey._events[0] | {"type": "raised", "alert_id": "last", "rule": "r", "entity": "e"}
    last = {key: event[key] for key in ("type", "alert_id", "team", "rule", "entity", "at")}
    cluster.produce([last])
    cluster.wait()
    (record,) = [record for record in cluster.enriched() if record.alert.alert_id == "last"]
    assert (record.score.reason, record.score.band) == ("model_failed", "unscored")
    status, body = get(cluster, "/readyz")
    assert (status, body.splitlines()[0]) == (200, "ok")
    assert "no model is served: alerts are published unscored" in body
