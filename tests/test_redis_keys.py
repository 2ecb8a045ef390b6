"""The catalogue of Redis keys: what stands in Redis after real runs is in it, and the docs list it."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from stream.config import make_settings
from stream.lane.redis_fence import RedisFence
from stream.metrics.lane import LaneMetrics
from stream.metrics.scorer import ScorerMetrics
from stream.redis_keys import (
    ENTRY,
    IDENTITY,
    KEYS,
    LEVEL,
    META,
    PROBE,
    REBUILD_LOCK,
    REBUILD_META,
    SCORER_KEYS,
    SOURCE_KEYS,
    TIMERS,
    WATCH_STATE,
    WATCHER,
    WORKERS,
    RedisKey,
)
from stream.relay.labels import claim_key
from stream.relay.registrar import publication_key
from stream.scorer.heartbeat import Heartbeat, Heartbeats
from stream.scorer.redis_history import RedisHistory
from stream.sources.firing_store import Swap
from stream.sources.redis_expiring_store import RedisExpiringStore
from stream.sources.redis_firings import RedisFiringStore
from stream.sources.replays import delivery_key
from stream.sources.resolve import firing_key, owner_key
from stream.sources.worked import acknowledged_key
from tests.scorer.logs import PROBLEM, random_log
from tests.scorer.rig import Rig
from tests.scorer.test_room import log_of
from tests.servers.redis import admin

ROOT = Path(__file__).parent.parent
OPERATIONS = ROOT / "docs" / "OPERATIONS.md"
PARTS: Mapping[str, object] = {
    "deployment": "noisegate",
    "topic": "alerts.events",
    "partition": 3,
    "generation": 17,
    "level": "tr\0payments\0disk",
    "team": "payments",
    "alert": "A\0:1",
    "source": "alertmanager",
    "fingerprint": "00f1",
    "digest": "9b97",
    "event": "raised",
    "name": "ladder:night-disks",
    "order": "0c5be71a",
}


def markdown(key: RedisKey) -> str:
    """A key's row in the docs."""
    name = key.pattern.replace("\0", "\\0")
    return f"| `{name}` | {key.type} | {key.holds} | {key.expires or 'never'} | {key.writers} |"


@pytest.mark.slow
def test_every_key_of_a_real_run_is_in_the_catalogue(redis_url: str) -> None:
    """A scorer, a heartbeat and a rebuild leave keys of every kind, each as the catalogue says and no other."""
    settings = make_settings(redis_url=redis_url, tick_seconds=0)
    for aside in (False, True):
        Rig(log_of(random_log(1)), PROBLEM, RedisHistory.of(settings, PROBLEM, ScorerMetrics(), aside)).run((50,))
    Heartbeats(redis_url, settings.deployment).write("host:1", Heartbeat(0.0, {}))
    lock = RedisFence.of(settings, LaneMetrics()).lock(REBUILD_LOCK.name(deployment=settings.deployment), 30.0)
    assert lock.acquire(blocking=False)
    assert kinds_in(redis_url) == set(SCORER_KEYS)


def test_every_key_of_the_sources_is_in_the_catalogue(redis_url: str) -> None:
    """Firings, owners, acknowledgements, deliveries and relays leave keys of their kinds, each with a time to live.

    The watcher's are held against it in tests/intake/test_watcher.py.
    """
    firings, memory = RedisFiringStore(redis_url, "noisegate", 10.0), RedisExpiringStore(redis_url, "noisegate", 10.0)
    keys = [
        firing_key("grafana", 241),
        owner_key("pagerduty", "Q0\0:1"),
        claim_key("A1"),
        publication_key("raised", "A1"),
    ]
    assert firings.swap([Swap(key, b"", b"value", 60.0) for key in keys]) == [True] * 4
    for key in (acknowledged_key("pagerduty", "Q0"), delivery_key("pagerduty", "EV1")):
        memory.put(key, b"1", 60.0)
    firings.close()
    memory.close()
    assert kinds_in(redis_url) == set(SOURCE_KEYS) - {WATCHER, WATCH_STATE}


def kinds_in(redis_url: str) -> set[RedisKey]:
    """The kinds of the keys in Redis, each of which is as the catalogue says."""
    client, seen = admin(redis_url), set()
    for raw in client.scan_iter():
        (key,) = [key for key in KEYS if key.matches(raw.decode())]
        assert client.type(raw).decode() == key.type, raw
        assert (client.ttl(raw) > 0) == bool(key.expires), raw
        seen.add(key)
    return seen


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.pattern.replace("\0", "/"))
def test_a_name_is_of_its_own_kind_only(key: RedisKey) -> None:
    """Names are built and recognised by the same patterns, whatever the names of levels and alerts hold."""
    name = key.name(**PARTS)
    assert [one for one in KEYS if one.matches(name)] == [key]
    assert key.prefix(**PARTS) == name
    assert "<" not in name


def test_keys_have_the_names_that_histories_were_written_under() -> None:
    """Another name would be another history: what was written before must be found again."""
    names = [key.name(**PARTS) for key in (IDENTITY, META, TIMERS, LEVEL, ENTRY, PROBE, WORKERS, REBUILD_META)]
    assert names == [
        "noisegate:identity",
        "noisegate:{alerts.events:3}:meta",
        "noisegate:{alerts.events:3}:17:dues",
        "noisegate:{alerts.events:3}:17:l:tr\0payments\0disk",
        "noisegate:{alerts.events:3}:17:a:payments\0A\0:1",
        "noisegate:probe",
        "noisegate:workers",
        "noisegate:{alerts.events:3}:rebuild",
    ]
    assert REBUILD_LOCK.name(**PARTS) == "noisegate:rebuild_lock"


def test_a_prefix_ends_before_what_is_not_given() -> None:
    """All keys of a partition, or of one generation's levels, begin with it."""
    known = {name: PARTS[name] for name in ("deployment", "topic", "partition")}
    assert LEVEL.prefix(**known) == "noisegate:{alerts.events:3}:"
    assert LEVEL.prefix(**known, generation=17) == "noisegate:{alerts.events:3}:17:l:"
    with pytest.raises(KeyError, match="generation"):
        LEVEL.name(**known)


def test_no_other_module_names_keys() -> None:
    """A key whose name is put together elsewhere would be missed by the catalogue."""
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "stream").rglob("*.py")}
    named = [path.name for path, text in sources.items() if re.search(r"deployment\}:", text)]
    assert named == []


def test_the_docs_list_every_key() -> None:
    """One row a key, as the catalogue has it."""
    text = OPERATIONS.read_text(encoding="utf-8")
    missing = [markdown(key) for key in KEYS if markdown(key) not in text]
    assert not missing, "docs/OPERATIONS.md lacks:\n" + "\n".join(missing)
