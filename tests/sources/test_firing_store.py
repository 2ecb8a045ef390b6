"""The contract of the memory of firings, in memory, on Redis and on Valkey."""

import socketserver
import threading
from collections.abc import Iterator

import pytest
from redis import Redis

from stream.sources.firing_store import FiringsAway, FiringStore, MemoryFiringStore, Swap
from stream.sources.redis_firings import RedisFiringStore
from tests.servers.redis import RedisServer
from tests.sources.sender import Sender, acted, alert, duplicates, group, raised


class FiringStoreContract:
    """What every implementation must do."""

    def test_what_is_stored_is_read(self, store: FiringStore) -> None:
        """In the order of the keys, empty where nothing stands, whatever the names hold."""
        keys = ["firing:am:ff", "owner:pd:Ü *?[a]\0b", "owner:pd:none"]
        assert store.swap([Swap(keys[0], b"", b"\x00\xff", 60.0), Swap(keys[1], b"", b"2", 60.0)]) == [True, True]
        assert store.read(keys) == [b"\x00\xff", b"2", b""]
        assert store.read([]) == []
        assert store.swap([]) == []

    def test_a_swap_that_expects_another_value_changes_nothing(self, store: FiringStore) -> None:
        """Each key by itself; what already stands there counts as stored, as after a lost answer."""
        assert store.swap([Swap("a", b"", b"1", 60.0), Swap("b", b"", b"1", 60.0)]) == [True, True]
        swaps = [Swap("a", b"", b"2", 60.0), Swap("b", b"1", b"2", 60.0), Swap("b", b"0", b"2", 60.0)]
        assert store.swap(swaps) == [False, True, True]
        assert store.read(["a", "b"]) == [b"1", b"2"]

    def test_many_keys_in_one_call(self, store: FiringStore) -> None:
        """A storm's alerts are read and stored together."""
        keys = [f"k{number}" for number in range(2_500)]
        assert all(store.swap([Swap(key, b"", key.encode(), 60.0) for key in keys]))
        assert store.read(keys) == [key.encode() for key in keys]

    def test_of_many_writers_one_wins(self, store: FiringStore) -> None:
        """Eight threads that all read nothing: one stores its value."""
        wins: list[bytes] = []

        def write(value: bytes) -> None:
            if store.swap([Swap("k", b"", value, 60.0)])[0]:
                wins.append(value)

        threads = [threading.Thread(target=write, args=[b"%d" % number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [store.read(["k"])[0]] == wins

    def test_two_intakes_over_it_agree(self, store: FiringStore) -> None:
        """The same firing with two starts at two intakes: one alert, one end."""
        one, other = Sender(store=store), Sender(store=store)
        first = one.post("alertmanager", group(alert(starts="2026-11-24T10:00:00Z")))
        second = other.post("alertmanager", group(alert(starts="2026-11-24T10:01:00Z")))
        assert (len(raised(first)), len(raised(second)), duplicates(second)) == (1, 0, 1)
        ends = [
            acted(sender.post("alertmanager", group(alert("resolved", endsAt="2026-11-24T10:05:00Z"))))
            for sender in (other, one)
        ]
        assert [len(found) for found in ends] == [1, 0]
        assert ends[0][0].alert_id == raised(first)[0].alert_id


class TestMemory(FiringStoreContract):
    """In memory."""

    @pytest.fixture
    def store(self) -> FiringStore:
        """Empty."""
        return MemoryFiringStore()


class TestRedis(FiringStoreContract):
    """On Redis and on Valkey."""

    @pytest.fixture
    def store(self, redis_url: str) -> Iterator[FiringStore]:
        """Empty."""
        store = RedisFiringStore(redis_url, "test", 10.0)
        yield store
        store.close()

    def test_values_are_kept_for_their_time(self, store: FiringStore, redis_url: str) -> None:
        """Each key has a time to live, and a swap to what stands there already gives it anew."""
        with Redis.from_url(redis_url) as client:
            store.swap([Swap("k", b"", b"1", 900.0)])
            assert 890 <= client.ttl("test:k") <= 900
            store.swap([Swap("k", b"1", b"1", 7 * 86_400.0)])
            assert client.ttl("test:k") > 600_000

    def test_a_key_of_another_type_counts_as_none(self, store: FiringStore, redis_url: str) -> None:
        """A stranger's key is overwritten, not stumbled over."""
        with Redis.from_url(redis_url) as client:
            client.lpush("test:k", "x")
        assert store.read(["k"]) == [b""]
        assert store.swap([Swap("k", b"", b"1", 60.0)]) == [True]
        assert store.read(["k"]) == [b"1"]

    def test_a_server_that_forgot_the_script_gets_it_again(self, store: FiringStore, redis_url: str) -> None:
        """After a restart of Redis."""
        store.swap([Swap("k", b"", b"1", 60.0)])
        with Redis.from_url(redis_url) as client:
            client.script_flush()
        assert store.swap([Swap("k", b"1", b"2", 60.0)]) == [True]


class _Forgetful(socketserver.StreamRequestHandler):
    """Redis' protocol, by a server that takes every script and never knows one."""

    def handle(self) -> None:
        """Answer commands until the client leaves."""
        while line := self.rfile.readline():
            words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
            unknown = words[0].upper() == b"EVALSHA"
            self.wfile.write(b"-NOSCRIPT No matching script.\r\n" if unknown else b"+OK\r\n")


def test_a_redis_that_forgets_its_scripts_counts_as_away() -> None:
    """A script that is gone right after it was loaded, as while servers change places, is no fault of ours."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Forgetful) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        store = RedisFiringStore(f"redis://127.0.0.1:{server.server_address[1]}/0?protocol=2", "test", 5.0)
        try:
            with pytest.raises(FiringsAway, match="No matching script"):
                store.swap([Swap("k", b"", b"1", 60.0)])
        finally:
            store.close()
            server.shutdown()


@pytest.mark.redis
def test_away_and_back(fresh_redis: RedisServer) -> None:
    """With Redis stopped each call says so in one sentence within its time; afterwards the store goes on by itself."""
    store = RedisFiringStore(fresh_redis.url, "test", 5.0)
    sender = Sender(store=store)
    first = sender.post("alertmanager", group(alert()))
    assert first.fallbacks == 0
    fresh_redis.stop()
    with pytest.raises(FiringsAway, match="the memory of firings can't be used"):
        store.read(["k"])
    with pytest.raises(FiringsAway):
        store.swap([Swap("k", b"", b"1", 1.0)])
    fallen = sender.post("alertmanager", group(alert()), acknowledged=False)
    assert (fallen.fallbacks, [one.alert_id for one in raised(fallen)]) == (1, [one.alert_id for one in raised(first)])
    fresh_redis.start()
    assert duplicates(sender.post("alertmanager", group(alert()))) == 1
    store.close()
