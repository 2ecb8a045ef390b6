"""The state behind the fence: the store on the fake, on Redis and on Valkey, and the claim of a partition."""

from typing import Any

import pytest
from redis import Redis

from stream.closer.state import VERSION, LoadedState, StateMeta, StateStore, StateWrite, claim, decode_meta, encode_meta
from stream.core.errors import HistoryRefused
from stream.kafka.records import Part
from stream.lane.fence import NO_META
from stream.redis_keys import CLOSER_KEYS
from tests.lane.memory_fence import MemoryFence
from tests.lane.test_fence import redis_fence

PART, OTHER = Part("alerts.enriched", 0), Part("alerts.enriched", 1)
FRESH = StateMeta(VERSION, "topic", 7, 0.0, 100, 0, "")


class StoreContract:
    """What the store does on every fence."""

    def test_parts_are_put_replaced_and_deleted_with_the_meta(self, store: StateStore) -> None:
        """The parts of the last write stand, those that it deletes are gone, names of any kind come back."""
        odd = "alert:pay*ments\0ré :1"
        assert store.write({PART: StateWrite(NO_META, b"one", {"a": b"A1", "b": b"B1", odd: b"C1"})}) == {PART: True}
        assert store.write({PART: StateWrite(b"one", b"two", {"a": b"A2", "b": None, "none": None})}) == {PART: True}
        assert store.load(PART) == LoadedState({"a": b"A2", odd: b"C1"}, [])
        assert store.metas([PART, OTHER]) == {PART: b"two", OTHER: NO_META}
        assert store.load(OTHER) == LoadedState({}, [])

    def test_a_write_behind_another_changes_nothing(self, store: StateStore) -> None:
        """A zombie's write is refused whole; that of another partition in the same call is not."""
        store.write({PART: StateWrite(NO_META, b"one", {"a": b"A1"})})
        late = StateWrite(NO_META, b"late", {"a": b"bad", "b": b"bad"})
        assert store.write({PART: late, OTHER: late}) == {PART: False, OTHER: True}
        assert store.load(PART) == LoadedState({"a": b"A1"}, [])

    def test_more_parts_than_are_read_at_once_come_back(self, store: StateStore) -> None:
        """All of some thousand, and those that begin with a prefix alone."""
        parts = {f"{'even' if number % 2 == 0 else 'odd'}:{number}": b"%d" % number for number in range(1_100)}
        store.write({PART: StateWrite(NO_META, b"one", parts)})
        assert store.load(PART).parts == parts
        odd = {name: packed for name, packed in parts.items() if name.startswith("odd:")}
        assert store.peek([PART, OTHER], "odd:") == {PART: odd, OTHER: {}}

    def test_a_claim_fences_out_who_had_the_partition(self, store: StateStore) -> None:
        """The second worker goes on where the first stands, and the first can't write any more."""
        first = claim(store, {PART: FRESH}, "first")[PART]
        assert (first.meta.offset, first.lost, first.loaded.parts) == (7, False, {})
        moved = encode_meta(StateMeta(VERSION, "topic", 9, 5.0, 101, 2, "first"))
        assert store.write({PART: StateWrite(first.stored, moved, {"a": b"A"})}) == {PART: True}
        second = claim(store, {PART: FRESH}, "second")[PART]
        assert (second.meta.offset, second.meta.clock, second.meta.entry) == (9, 5.0, 101)
        assert second.loaded.parts == {"a": b"A"}
        assert store.write({PART: StateWrite(moved, b"late", {"a": b"bad"})}) == {PART: False}

    def test_two_workers_never_write_the_same_meta(self, store: StateStore) -> None:
        """Two that claim and write the same are told apart: the fence takes equal bytes for done."""
        one, two = (claim(store, {PART: FRESH}, name)[PART] for name in ("one", "two"))
        assert one.stored != two.stored
        writes = [
            StateWrite(each.stored, encode_meta(StateMeta(VERSION, "topic", 8, 0.0, 100, 9, each.meta.worker)), {})
            for each in (one, two)
        ]
        assert store.write({PART: writes[1]}) == {PART: True}
        assert store.write({PART: writes[0]}) == {PART: False}


class TestMemory(StoreContract):
    """On the fake."""

    @pytest.fixture
    def store(self) -> StateStore:
        """An empty one."""
        return StateStore(MemoryFence(), "test")


class TestRedis(StoreContract):
    """On real servers."""

    @pytest.fixture
    def store(self, redis_url: str) -> StateStore:
        """An empty one."""
        return StateStore(redis_fence(redis_url), "test")


def test_a_part_that_was_evicted_is_missing(redis_url: str) -> None:
    """Its name stands in the directory, so its loss is seen; all keys are those of the catalogue."""
    store = StateStore(redis_fence(redis_url), "test")
    claimed = claim(store, {PART: FRESH}, "one")[PART]
    store.write({PART: StateWrite(claimed.stored, encode_meta(FRESH), {"a": b"A", "b": b"B"})})
    client: Any = Redis.from_url(redis_url)
    names = [key.decode() for key in client.keys("test:*")]
    assert all(any(kind.matches(name) for kind in CLOSER_KEYS) for name in names if "probe" not in name)
    assert client.delete(next(name for name in names if name.endswith(":s:a"))) == 1
    assert store.load(PART) == LoadedState({"b": b"B"}, ["a"])
    again = claim(store, {PART: FRESH}, "two")[PART]
    assert again.lost
    client.close()


def test_a_topic_that_was_made_anew_begins_where_the_group_is() -> None:
    """Its parts stand, so that what is suppressed still comes back; the old topic's offset does not."""
    store = StateStore(MemoryFence(), "test")
    store.write({PART: StateWrite(NO_META, encode_meta(StateMeta(VERSION, "old", 900, 5.0, 1, 1, "x")), {"a": b"A"})})
    claimed = claim(store, {PART: FRESH}, "one")[PART]
    assert (claimed.meta.offset, claimed.meta.topic_id, claimed.loaded.parts) == (7, "topic", {"a": b"A"})


@pytest.mark.parametrize("stored", [b"text", b"\xc0", b"\x90", encode_meta([VERSION + 1]), encode_meta([VERSION, 3])])
def test_a_meta_of_something_else_is_refused(stored: bytes) -> None:
    """Neither what can't be read nor another version is written over."""
    with pytest.raises(HistoryRefused, match="closer's state of"):
        decode_meta(PART, stored)
