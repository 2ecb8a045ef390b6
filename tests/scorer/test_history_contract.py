"""The contract of the history port, on the fake, on Redis and on Valkey."""

import pytest

from stream.core.errors import HistoryAway, HistoryDenied, HistoryRefused
from stream.kafka.records import Part
from stream.lane.fence import NO_META
from stream.redis_keys import RedisKey
from stream.scorer.history import History, Wanted, Write
from stream.scorer.identity import Identity
from stream.scorer.redis_history import RedisHistory
from tests.lane.memory_fence import MemoryFence
from tests.lane.test_fence import redis_fence
from tests.scorer.memory_history import MemoryHistory
from tests.servers.redis import RedisServer, admin

DEPLOYMENT = "test"
PART, OTHER = Part("alerts.events", 0), Part("alerts.events", 1)


def redis_history(url: str, aside: bool = False, seconds: float = 5.0) -> RedisHistory:
    """A Redis history with so much patience."""
    return RedisHistory(redis_fence(url, seconds), DEPLOYMENT, 180, 86_400, aside)


def key_of(key: RedisKey, part: Part, **parts: object) -> str:
    """The name of a key of a partition in the histories above."""
    return key.name(deployment=DEPLOYMENT, topic=part.topic, partition=part.partition, **parts)


def first_write() -> Write:
    """Two levels, one open alert."""
    return Write(
        NO_META,
        b"one",
        1,
        levels={"t\0pay*ments": b"L1", "tr\0pay*ments\0ré": b"L2"},
        entries={("pay*ments", "A 1"): b"E1"},
        timers=[(1_000.25, "pay*ments", "A 1")],
    )


class HistoryContract:
    """What every implementation must do."""

    def test_what_is_written_is_read_in_the_order_wanted(self, history: History) -> None:
        """Levels, entries and meta come back as written, absent ones as None, whatever the names hold."""
        assert history.write({PART: first_write()}) == {PART: True}
        wanted = Wanted(1, ["tr\0pay*ments\0ré", "none", "t\0pay*ments"], [("pay*ments", "A 1"), ("x", "y")])
        found = history.read({PART: wanted, OTHER: Wanted(1)})
        assert found[PART].meta == b"one"
        assert found[PART].levels == [b"L2", None, b"L1"]
        assert found[PART].entries == [b"E1", None]
        assert found[OTHER].meta == NO_META

    def test_a_write_that_expects_another_meta_changes_nothing(self, history: History) -> None:
        """The fence: a zombie's write is refused whole, also where it expects no meta at all."""
        history.write({PART: first_write()})
        for expected in (NO_META, b"zero"):
            zombie = Write(expected, b"two", 1, levels={"t\0pay*ments": b"bad"}, removed_timers=[("pay*ments", "A 1")])
            assert history.write({PART: zombie}) == {PART: False}
        found = history.read({PART: Wanted(1, ["t\0pay*ments"])})[PART]
        assert (found.meta, found.levels) == (b"one", [b"L1"])
        assert history.timers(PART, 1, float("-inf"), 10) == ([(1_000.25, "pay*ments", "A 1")], False)

    def test_each_partition_has_a_fence_of_its_own(self, history: History) -> None:
        """In one round of writes, one partition can be refused and another written."""
        history.write({PART: first_write()})
        late = Write(NO_META, b"two", 1)
        assert history.write({PART: late, OTHER: late}) == {PART: False, OTHER: True}

    def test_a_write_whose_answer_was_lost_may_be_tried_again(self, history: History) -> None:
        """The same write again is done already, not fenced."""
        assert history.write({PART: first_write()}) == history.write({PART: first_write()}) == {PART: True}

    def test_a_deployment_is_claimed_once_and_replaced_on_purpose(self, history: History) -> None:
        """The first claim stands, whoever comes after it, until it is replaced."""
        first, second = Identity("c1", "alerts.events", "t1", "p1"), Identity("c2", "alerts.events", "t2", "p2")
        assert history.holder() is None
        assert history.claim(first) == history.claim(second) == history.holder() == first
        history.replace(second)
        assert history.claim(first) == history.holder() == second

    def test_metas_come_for_the_partitions_asked_for(self, history: History) -> None:
        """Those that there are and those that there are not."""
        history.write({PART: first_write()})
        assert history.read_metas([OTHER, PART]) == {OTHER: NO_META, PART: b"one"}

    def test_the_server_says_what_it_evicts(self, history: History) -> None:
        """A server as it must be evicts nothing and has a run of its own."""
        status = history.status()
        assert (status.policy, status.evicted_keys) == ("noeviction", 0)
        assert status.run_id
        assert status.evicted_since(status.evictions) == 0

    def test_dues_come_in_order_and_ties_stay_together(self, history: History) -> None:
        """A window never ends between two timers of the same time."""
        due = [(float(at), "team", f"A{number}") for number, at in enumerate((5, 1, 3, 3, 3, 9))]
        history.write({PART: Write(NO_META, b"m", 1, timers=due)})
        first = [(1.0, "team", "A1"), (3.0, "team", "A2"), (3.0, "team", "A3"), (3.0, "team", "A4")]
        assert history.timers(PART, 1, float("-inf"), 2) == (first, True)
        assert history.timers(PART, 1, 3.5, 10) == ([(5.0, "team", "A0"), (9.0, "team", "A5")], False)
        history.write(
            {
                PART: Write(
                    b"m",
                    b"n",
                    1,
                    timers=[(7.0, "team", "A5")],
                    removed_timers=[("team", "A0")],
                    removed_entries=[("a", "b")],
                )
            }
        )
        assert history.timers(PART, 1, 3.5, 10) == ([(7.0, "team", "A5")], False)

    def test_generations_do_not_see_each_other(self, history: History) -> None:
        """A rebuild aside can't touch what serves."""
        history.write({PART: first_write()})
        found = history.read({PART: Wanted(2, ["t\0pay*ments"], [("pay*ments", "A 1")])})[PART]
        assert (found.levels, found.entries) == ([None], [None])
        assert history.timers(PART, 2, float("-inf"), 10) == ([], False)


class TestMemoryHistory(HistoryContract):
    """The fake."""

    @pytest.fixture
    def history(self) -> History:
        """In memory."""
        return MemoryHistory()


class TestHistoryOnAMemoryFence(HistoryContract):
    """The Redis history, with the fake of the port that it stands on: it asks for nothing else."""

    @pytest.fixture
    def history(self) -> History:
        """In memory."""
        return RedisHistory(MemoryFence(), DEPLOYMENT, 180, 86_400)


class TestRedisHistory(HistoryContract):
    """Redis and Valkey."""

    @pytest.fixture
    def history(self, redis_url: str) -> History:
        """On a real server."""
        return redis_history(redis_url)


def test_a_rebuild_takes_the_place_of_the_serving_history_at_once(redis_url: str) -> None:
    """`switch` is refused when the serving meta moved; after it the old generation can be forgotten."""
    serving, aside = redis_history(redis_url), redis_history(redis_url, aside=True)
    serving.write({PART: first_write()})
    aside.write({PART: Write(NO_META, b"new", 2, levels={"t\0a": b"N"})})
    assert not aside.switch(PART, b"zero")
    assert aside.switch(PART, b"one")
    assert serving.read({PART: Wanted(2, ["t\0a"])})[PART].meta == b"new"
    assert serving.forget(PART, 1, fence=False) == 4
    assert serving.read({PART: Wanted(2, ["t\0a"])})[PART].levels == [b"N"]


def test_every_key_but_the_fence_expires(redis_url: str) -> None:
    """Garbage goes by itself, later than event time forgets."""
    history = redis_history(redis_url)
    history.write({PART: first_write()})
    client = admin(redis_url)
    ttls = {key: client.ttl(key) for key in client.scan_iter() if b":l:" in key or b":a:" in key}
    assert len(ttls) == 3
    assert all(ttl > 30 * 86_400 for ttl in ttls.values())


def test_an_absent_redis_is_away_and_comes_back(fresh_redis: RedisServer) -> None:
    """Every call raises HistoryAway within its patience, and works again when the server is back."""
    history, hasty = redis_history(fresh_redis.url), redis_history(fresh_redis.url, seconds=0.3)
    history.write({PART: first_write()})
    fresh_redis.stop()
    for call in (hasty.check, lambda: hasty.read({PART: Wanted(1)}), lambda: hasty.write({PART: first_write()})):
        with pytest.raises(HistoryAway):
            call()
    fresh_redis.start()
    assert history.read({PART: Wanted(1)})[PART].meta == b"one"


def test_a_redis_that_evicts_is_refused(fresh_redis: RedisServer) -> None:
    """History must not be thrown away by memory pressure."""
    history = redis_history(fresh_redis.url)
    history.check()
    admin(fresh_redis.url).config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(HistoryRefused, match="noeviction"):
        history.check()


def test_wrong_credentials_are_refused_in_one_sentence(fresh_redis: RedisServer) -> None:
    """A Redis ACL user works; a wrong password is told as such, and at once."""
    client = admin(fresh_redis.url)
    client.acl_setuser("gate", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all"])
    address = fresh_redis.url.removeprefix("redis://")
    history = redis_history(f"redis://gate:secret@{address}")
    assert history.write({PART: first_write()}) == {PART: True}
    with pytest.raises(HistoryDenied, match=r"password.*NOISEGATE_REDIS_URL"):
        redis_history(f"redis://gate:wrong@{address}").check()
