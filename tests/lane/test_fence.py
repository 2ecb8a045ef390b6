"""The contract of the fence port, on the fake, on Redis and on Valkey."""

import uuid
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stream.core.errors import HistoryAway, WrongType
from stream.lane.fence import NO_META, Fence, FencedRead, FencedWrite, Puts, WriteResult
from stream.lane.redis_fence import RedisFence
from stream.metrics.lane import LaneMetrics
from tests.lane.memory_fence import MemoryFence
from tests.servers.redis import RedisServer, admin
from tests.waits import until

META, TIMERS, A, B = "{x}:meta", "{x}:timers", "{x}:a*[é]\0 b", "{x}:b"
EVER = float("-inf")
WRITTEN, CONFLICT, WRONG_TYPE = WriteResult.WRITTEN, WriteResult.CONFLICT, WriteResult.WRONG_TYPE


def redis_fence(url: str, seconds: float = 5.0) -> RedisFence:
    """A fence with so much patience."""
    metrics = LaneMetrics()
    return RedisFence(url, seconds, metrics.history_round_trips, metrics.history_up, "test:probe")


def is_written(fence: RedisFence) -> bool:
    """Write what `first_write` says unless it is there; False where Redis gave no answer in time."""
    try:
        return fence.write([first_write()]) == [WRITTEN] and fence.read_metas([META]) == [b"one"]
    except HistoryAway:
        return False


def first_write() -> FencedWrite:
    """Two values and a timer, where nothing was."""
    return FencedWrite(META, NO_META, b"one", [Puts({A: b"A1", B: b"B1"}, 100)], (), TIMERS, [(1_000.25, "t")])


class Subject(NamedTuple):
    """A fence, and a look at when its server drops a key: seconds, None for never."""

    fence: Fence
    ttl: Callable[[str], int | None]


class FenceContract:
    """What every implementation must do."""

    def test_what_is_written_is_read_in_the_order_wanted(self, subject: Subject) -> None:
        """Values and metas come back as written, absent ones as None, whatever the keys hold."""
        fence = subject.fence
        assert fence.write([first_write()]) == [WRITTEN]
        one, other = fence.read([FencedRead(META, [B, "{x}:none", A]), FencedRead("{y}:meta")])
        assert (one.meta, one.values) == (b"one", [b"B1", None, b"A1"])
        assert (other.meta, other.values) == (NO_META, [])
        assert fence.read_metas(["{y}:meta", META]) == [NO_META, b"one"]
        assert fence.timers(TIMERS, EVER, 10) == ([(1_000.25, "t")], False)

    def test_a_write_that_expects_another_meta_changes_nothing(self, subject: Subject) -> None:
        """Neither its values nor its deletes nor its timers, also where it expects no meta at all."""
        fence = subject.fence
        fence.write([first_write()])
        for expected in (NO_META, b"zero"):
            late = FencedWrite(META, expected, b"two", [Puts({A: b"bad"})], [B], TIMERS, [(1.0, "u")], ["t"])
            assert fence.write([late]) == [CONFLICT]
        assert fence.read([FencedRead(META, [A, B])])[0].values == [b"A1", b"B1"]
        assert fence.read_metas([META]) == [b"one"]
        assert fence.timers(TIMERS, EVER, 10) == ([(1_000.25, "t")], False)

    def test_a_write_that_finds_its_own_meta_is_done_and_does_nothing_again(self, subject: Subject) -> None:
        """Where an answer was lost the same write may be made again; once another one came after it, it may not."""
        fence = subject.fence
        assert fence.write([first_write()]) == fence.write([first_write()]) == [WRITTEN]
        again = FencedWrite(META, NO_META, b"one", [Puts({A: b"other"})])
        assert fence.write([again]) == [WRITTEN]
        assert fence.read([FencedRead(META, [A])])[0].values == [b"A1"]
        assert fence.write([FencedWrite(META, b"one", b"two")]) == [WRITTEN]
        assert fence.write([first_write()]) == [CONFLICT]

    def test_each_meta_fences_its_own_keys(self, subject: Subject) -> None:
        """In one round of writes, one can be refused and another written."""
        fence = subject.fence
        fence.write([first_write()])
        writes = [FencedWrite(META, NO_META, b"two"), FencedWrite("{y}:meta", NO_META, b"two")]
        assert fence.write(writes) == [CONFLICT, WRITTEN]

    def test_values_go_and_timers_move(self, subject: Subject) -> None:
        """A write deletes keys, sets a timer of the same name to another time, and removes others."""
        fence = subject.fence
        fence.write([first_write()])
        more = FencedWrite(META, b"one", b"two", [], [A, "{x}:none"], TIMERS, [(7.0, "t"), (8.0, "u")], ["u", "none"])
        assert fence.write([more]) == [WRITTEN]
        assert fence.read([FencedRead(META, [A, B])])[0].values == [None, b"B1"]
        assert fence.timers(TIMERS, EVER, 10) == ([(7.0, "t")], False)

    def test_thousands_of_keys_and_timers_go_in_one_write(self, subject: Subject) -> None:
        """More than a script can pass to one command."""
        fence, count = subject.fence, 9_000
        values = {f"{{x}}:{number}": b"%d" % number for number in range(count)}
        timers = [(float(number), str(number)) for number in range(count)]
        assert fence.write([FencedWrite(META, NO_META, b"1", [Puts(values)], (), TIMERS, timers)]) == [WRITTEN]
        assert fence.read([FencedRead(META, [*values])])[0].values == [*values.values()]
        assert fence.timers(TIMERS, EVER, 2 * count) == (timers, False)
        removed = [name for _, name in timers[1:]]
        assert fence.write([FencedWrite(META, b"1", b"2", (), [*values], TIMERS, (), removed)]) == [WRITTEN]
        assert fence.timers(TIMERS, EVER, 2) == (timers[:1], False)
        assert set(fence.read([FencedRead(META, [*values])])[0].values) == {None}

    def test_values_expire_as_told_and_live_on_when_written_again(self, subject: Subject) -> None:
        """Each group of puts has a TTL of its own, or none; so has the meta."""
        fence = subject.fence
        fence.write(
            [FencedWrite(META, NO_META, b"1", [Puts({A: b"1"}, 100), Puts({B: b"1"}), Puts({"{x}:c": b""}, 5)])]
        )
        assert [subject.ttl(key) for key in (META, A, B, "{x}:c")] == [None, 100, None, 5]
        fence.write([FencedWrite(META, b"1", b"2", [Puts({A: b"2"}), Puts({B: b"2"}, 200)], meta_ttl_seconds=50)])
        assert [subject.ttl(key) for key in (META, A, B, "{x}:c")] == [50, None, 200, 5]

    def test_timers_come_in_order_and_ties_stay_together(self, subject: Subject) -> None:
        """A window never ends between two timers of the same time, and the next one begins where it ended."""
        fence = subject.fence
        due = [(float(at), f"n{number}") for number, at in enumerate((5, 1, 3, 3, 3, 9))]
        fence.write([FencedWrite(META, NO_META, b"m", timers_key=TIMERS, timers=due)])
        assert fence.timers(TIMERS, EVER, 2) == ([(1.0, "n1"), (3.0, "n2"), (3.0, "n3"), (3.0, "n4")], True)
        assert fence.timers(TIMERS, 3.5, 2) == ([(5.0, "n0"), (9.0, "n5")], True)
        assert fence.timers(TIMERS, 3.5, 3) == ([(5.0, "n0"), (9.0, "n5")], False)
        assert fence.timers("{x}:none", EVER, 2) == ([], False)

    def test_a_key_of_another_type_is_never_taken_for_ours(self, subject: Subject) -> None:
        """Written over it is nothing; read, it is absent where it comes with others, else an error that names it."""
        fence, wrong = subject.fence, TIMERS
        fence.write([first_write()])
        for write in (
            FencedWrite(META, b"one", b"two", [Puts({wrong: b""})]),
            FencedWrite(META, b"one", b"two", (), [wrong]),
            FencedWrite(META, b"one", b"two", timers_key=A, timers=[(1.0, "t")]),
            FencedWrite(wrong, NO_META, b"two"),
        ):
            assert fence.write([write]) == [WRONG_TYPE]
        assert fence.read([FencedRead(META, [wrong])])[0].values == [None]
        assert fence.read([FencedRead(wrong)])[0].meta == NO_META
        for call in (
            lambda: fence.read_metas([META, wrong]),
            lambda: fence.get(wrong),
            lambda: fence.claim(wrong, b""),
        ):
            with pytest.raises(WrongType) as raised:
                call()
            assert raised.value.key == wrong
        with pytest.raises(WrongType):
            fence.timers(A, EVER, 1)

    def test_a_meta_takes_the_place_of_another_if_that_stands_as_expected(self, subject: Subject) -> None:
        """A key of another type counts as none; what took its place is gone from where it was."""
        fence = subject.fence
        fence.write([first_write(), FencedWrite("{x}:new", NO_META, b"new")])
        assert not fence.switch(META, b"zero", "{x}:new")
        assert fence.switch(META, b"one", "{x}:new")
        assert fence.read_metas([META, "{x}:new"]) == [b"new", NO_META]
        assert not fence.switch(TIMERS, b"new", META)
        assert fence.switch(TIMERS, NO_META, META)
        assert fence.read_metas([META, TIMERS]) == [NO_META, b"new"]

    def test_small_values_are_claimed_once_and_put_on_purpose(self, subject: Subject) -> None:
        """The first claim stands, whoever comes after it, until it is put."""
        fence = subject.fence
        assert fence.get("k") is None
        assert fence.claim("k", b"first") == fence.claim("k", b"second") == fence.get("k") == b"first"
        fence.put("k", b"third")
        assert fence.claim("k", b"fourth") == b"third"
        fence.put(TIMERS, b"whatever stood there")
        assert fence.get(TIMERS) == b"whatever stood there"

    def test_keys_are_found_and_deleted_by_how_they_begin(self, subject: Subject) -> None:
        """Letters that mean something in a pattern mean themselves; a timers' key is found as well."""
        fence = subject.fence
        fence.write([first_write()])
        for key in ("{x}:a*[é]\0 c", "{x}:ax[é]\0 d", "{y}:meta"):
            fence.put(key, b"")
        assert set(fence.find("{x}:", "*[é]\0", 5.0)) == {A, "{x}:a*[é]\0 c"}
        assert fence.delete_where("{x}:a*") == 2
        assert fence.delete_where("{x}:", lambda key: key != META) == 3
        assert (fence.delete(META), fence.delete(META)) == (1, 0)
        assert fence.find("{", "", 5.0) == ["{y}:meta"]

    def test_the_server_reports_what_it_evicts(self, subject: Subject) -> None:
        """A server as it must be evicts nothing and has a run of its own."""
        status = subject.fence.status()
        assert (status.policy, status.evicted_keys) == ("noeviction", 0)
        assert status.run_id
        assert status.evicted_since(status.evictions) == 0

    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.lists(st.sampled_from(["read a", "write a", "lose a", "read b", "write b", "lose b"]), max_size=25))
    def test_any_interleaving_of_two_writers_gives_a_serial_history(self, subject: Subject, turns: list[str]) -> None:
        """Each adds one to a count that it has read: the count is that of the writes that were done, none is lost.

        A writer whose answer is lost writes the same again, at once or after the other one.
        """
        fence, tag = subject.fence, f"{{{uuid.uuid4()}}}"
        meta_key, count_key, timers_key = f"{tag}:meta", f"{tag}:count", f"{tag}:timers"
        known: dict[str, tuple[bytes, int]] = {"a": (NO_META, 0), "b": (NO_META, 0)}
        unsure: dict[str, FencedWrite] = {}
        done: list[bytes] = []
        for number, (action, _, who) in enumerate(turn.partition(" ") for turn in turns):
            if action == "read":
                unsure.pop(who, None)
                (found,) = fence.read([FencedRead(meta_key, [count_key])])
                known[who] = found.meta, int(found.values[0] or b"0")
                assert known[who] == (done[-1] if done else NO_META, len(done))
                continue
            meta, count = known[who]
            name = f"{who}{number}"
            put = Puts({count_key: b"%d" % (count + 1)}, 60)
            write = unsure.pop(who, None) or FencedWrite(
                meta_key, meta, name.encode(), [put], (), timers_key, [(float(count), name)]
            )
            before = [*done]
            (result,) = fence.write([write])
            if before and before[-1] == write.meta:
                assert result is WRITTEN
            elif (before[-1] if before else NO_META) == write.expected:
                assert result is WRITTEN
                done.append(write.meta)
            else:
                assert result is CONFLICT
            if action == "lose":
                unsure[who] = write
            elif result is WRITTEN:
                known[who] = write.meta, int(write.puts[0].values[count_key])
        (found,) = fence.read([FencedRead(meta_key, [count_key])])
        assert int(found.values[0] or b"0") == len(done)
        assert fence.timers(timers_key, EVER, 100) == (
            [(float(number), meta.decode()) for number, meta in enumerate(done)], False
        )  # fmt: skip


class TestMemoryFence(FenceContract):
    """The fake."""

    @pytest.fixture
    def subject(self) -> Subject:
        """In memory."""
        fence = MemoryFence()
        return Subject(fence, fence.ttls.get)


class TestRedisFence(FenceContract):
    """Redis and Valkey."""

    @pytest.fixture
    def subject(self, redis_url: str) -> Subject:
        """On a real server."""
        client = admin(redis_url)

        def ttl(key: str) -> int | None:
            seconds = client.ttl(key)
            assert seconds != -2, "the key is not there"
            return None if seconds < 0 else int(seconds)

        return Subject(redis_fence(redis_url), ttl)


def test_an_absent_server_is_away_and_comes_back(fresh_redis: RedisServer) -> None:
    """Every call raises HistoryAway within its patience, and works again when the server is back."""
    fence = redis_fence(fresh_redis.url, 0.3)
    until(lambda: is_written(fence), 60)
    fresh_redis.stop()
    calls: list[Callable[[], object]] = [
        fence.status,
        lambda: fence.read([FencedRead(META)]),
        lambda: fence.read_metas([META]),
        lambda: fence.write([first_write()]),
        lambda: fence.timers(TIMERS, EVER, 1),
        lambda: fence.get("k"),
        lambda: fence.claim("k", b""),
    ]
    for call in calls:
        with pytest.raises(HistoryAway):
            call()
    fresh_redis.start()
    until(lambda: is_written(fence), 60)


def test_one_process_holds_a_lock_at_a_time(redis_url: str) -> None:
    """Until it lets go of it."""
    one, other = (redis_fence(redis_url).lock("test:lock", 30.0) for _ in range(2))
    assert one.acquire(blocking=False)
    assert not other.acquire(blocking=False)
    one.release()
    assert other.acquire(blocking=False)
