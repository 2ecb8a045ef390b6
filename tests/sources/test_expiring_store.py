"""The small memory of sources holds its contract in this process, in Redis and in Valkey."""

import time
from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from stream.sources.expiring_store import ExpiringStore, ExpiringStoreAway, MemoryExpiringStore
from stream.sources.redis_expiring_store import RedisExpiringStore
from tests.servers.redis import RedisServer


def await_none(read: Callable[[], bytes | None]) -> bool:
    """Whether it reads as None within a minute."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        if read() is None:
            return True
        time.sleep(0.01)
    return False


class ExpiringStoreContract:
    """What every memory does."""

    def test_a_value_is_read_as_it_was_put(self, store: ExpiringStore) -> None:
        """Bytes of any kind, by key; the last one stands, and a removed one is gone."""
        assert store.read("a") is None
        store.put("a", b"\x00\xff", 60.0)
        store.put("b", b"1", 60.0)
        store.put("a", b"2", 60.0)
        assert (store.read("a"), store.read("b")) == (b"2", b"1")
        store.remove("a")
        store.remove("never put")
        assert (store.read("a"), store.read("b")) == (None, b"1")

    def test_a_value_is_gone_when_its_time_is_over(self, store: ExpiringStore) -> None:
        """The time to live decides, to well below a second."""
        store.put("brief", b"1", 0.05)
        store.put("long", b"1", 60.0)
        assert await_none(lambda: store.read("brief"))
        assert store.read("long") == b"1"


class TestMemory(ExpiringStoreContract):
    """In this process."""

    @pytest.fixture
    def store(self) -> ExpiringStore:
        """Empty."""
        return MemoryExpiringStore()


class TestServer(ExpiringStoreContract):
    """On Redis and on Valkey."""

    @pytest.fixture
    def store(self, redis_url: str) -> Iterator[ExpiringStore]:
        """Empty."""
        store = RedisExpiringStore(redis_url, "t", 10.0)
        yield store
        store.close()


def test_the_memory_is_bounded() -> None:
    """The oldest key is dropped, so that a process that explains bodies does not grow."""
    store = MemoryExpiringStore(keys=2)
    for name in "abc":
        store.put(name, b"1", 60.0)
    assert [store.read(name) for name in "abc"] == [None, b"1", b"1"]


def test_deployments_share_a_server(redis_url: str) -> None:
    """Keys begin with the deployment, and what another program wrote under one is no value."""
    one, other = RedisExpiringStore(redis_url, "one", 10.0), RedisExpiringStore(redis_url, "other", 10.0)
    one.put("a", b"1", 60.0)
    assert (one.read("a"), other.read("a")) == (b"1", None)
    with Redis.from_url(redis_url) as client:
        assert client.keys() == [b"one:a"]
        assert 0 < int(client.ttl("one:a")) <= 60
    one.close()
    other.close()


def test_a_server_that_is_away_is_named(fresh_redis: RedisServer) -> None:
    """One sentence says what can't be used and where it is set; it is used again when it is back."""
    store = RedisExpiringStore(fresh_redis.url, "t", 5.0)
    with fresh_redis:
        store.put("a", b"1", 60.0)
        fresh_redis.stop()
        with pytest.raises(ExpiringStoreAway, match="NOISEGATE_REDIS_URL"):
            store.read("a")
        with pytest.raises(ExpiringStoreAway, match="NOISEGATE_REDIS_URL"):
            store.put("a", b"2", 1.0)
        with pytest.raises(ExpiringStoreAway, match="NOISEGATE_REDIS_URL"):
            store.remove("a")
        fresh_redis.start()
        assert store.read("a") == b"1"
    store.close()
