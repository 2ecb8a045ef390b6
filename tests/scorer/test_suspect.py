"""A history that is known to be wrong: keys were evicted, or what stands under them is no history."""

from collections.abc import Callable, Mapping

import pytest

from stream.core.errors import HistoryDamaged, HistoryRefused
from stream.core.events import Raised
from stream.core.ledger import Timer, pack_entry
from stream.kafka.records import Part
from stream.lane.fence import ServerStatus
from stream.redis_keys import ENTRY, LEVEL, META, TIMERS
from stream.scorer.history import Found, Wanted, decode_meta, read_meta_or_none
from stream.scorer.redis_history import RedisHistory
from tests.scorer.logs import PROBLEM, random_log
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.rig import Log, Rig, alerts_of, folded, packed_entries, packed_levels
from tests.scorer.test_assignment import meta_of
from tests.scorer.test_history_contract import key_of, redis_history
from tests.scorer.test_room import ONLY, log_of
from tests.servers.redis import RedisServer, admin


class Damaged(MemoryHistory):
    """A history whose states can't be read."""

    def read(self, wanted: Mapping[Part, Wanted]) -> dict[Part, Found]:
        """See `History`."""
        if any(want.levels or want.entries for want in wanted.values()):
            raise HistoryDamaged(*ONLY, "it is wrong")
        return super().read(wanted)


GARBAGE = b"\xc1 neither a meta nor a state"


def evict(server: RedisServer) -> None:
    """Let the server throw some keys away, and then have memory enough again; a meta, which never expires, stays."""
    client = admin(server.url)
    client.config_set("maxmemory-policy", "volatile-random")
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 200_000)
    number = 0
    while not client.info("stats")["evicted_keys"]:
        client.set(f"junk:{number}", "x" * 10_000)
        number += 1
    client.config_set("maxmemory", 0)
    client.delete(*(f"junk:{n}" for n in range(number)))


def look(rig: Rig) -> None:
    """Let the room look at what the server says, as it does every few seconds, and take its partitions anew."""
    rig.pause()
    rig._do(rig.engine.idle([], rig.now))
    if not rig.assigned:
        rig.assign()


def rebuild(log: Log, url: str) -> None:
    """What `history rebuild` does: fold the log aside, and put it in the place of what serves."""
    serving, aside = redis_history(url), redis_history(url, aside=True)
    Rig(log, PROBLEM, aside).run()
    assert aside.switch(ONLY, serving.read_metas([ONLY])[ONLY])


def assert_right(history: RedisHistory, log: Log) -> None:
    """The serving generation equals the pure fold."""
    pure, meta = folded(log, PROBLEM)[ONLY], meta_of(history)
    wanted = Wanted(meta.generation, [*pure.levels], [*pure.ledger])
    found = history.read({ONLY: wanted})[ONLY]
    assert dict(zip(wanted.levels, found.levels, strict=True)) == packed_levels(pure)
    entries = {key: packed for key, packed in zip(wanted.entries, found.entries, strict=True) if packed is not None}
    assert alerts_of(entries) == packed_entries(pure)


@pytest.mark.slow
@pytest.mark.expects_errors
def test_keys_evicted_under_a_running_worker_end_scores_and_not_alerts(fresh_redis: RedisServer) -> None:
    """The worker says how many keys and the mend, publishes unscored, and returns by itself after the rebuild.

    Neither a restart of the worker nor one of Redis, whose count then begins at zero, makes it forget.
    """
    events = random_log(31, alerts=80)
    history, log = redis_history(fresh_redis.url), log_of(events[:100])
    rig = Rig(log, PROBLEM, history)
    rig.run()
    evict(fresh_redis)
    look(rig)
    assert "evicted" in rig.room.ready_faults[0]
    assert "set maxmemory-policy to noeviction and run `noisegate history rebuild`" in rig.room.ready_faults[0]
    assert rig.metrics.history_suspect._value.get() == 1
    for event in events[100:150]:
        log.append(event)
    rig.run()
    unscored = [r for r in rig.publisher.enriched() if r.score.reason == "history_unavailable"]
    assert len(unscored) == sum(b'"raised"' in (r.value or b"") for r in log.records[ONLY][100:150])
    admin(fresh_redis.url).config_set("maxmemory-policy", "noeviction")
    fresh_redis.restart()
    rig.start()
    rig.assign()
    assert rig.metrics.history_suspect._value.get() == 1
    rebuild(log, fresh_redis.url)
    rig.pause()
    for event in events[150:]:
        log.append(event)
    rig.run()
    assert rig.room.ready_faults == []
    assert rig.metrics.history_suspect._value.get() == 0
    assert_right(history, log)
    assert all(r.score.reason == "no_model" for r in rig.publisher.enriched()[-3:])


@pytest.mark.expects_errors
def test_keys_evicted_while_nobody_looked_are_found_at_the_next_start(fresh_redis: RedisServer) -> None:
    """What the history recorded at its beginning is held against the server's count."""
    history, log = redis_history(fresh_redis.url), log_of(random_log(32))
    Rig(log, PROBLEM, history).run()
    evict(fresh_redis)
    admin(fresh_redis.url).config_set("maxmemory-policy", "noeviction")
    rig = Rig(log, PROBLEM, history)
    rig.assign()
    assert "evicted" in rig.room.ready_faults[0]


@pytest.mark.expects_errors
def test_a_policy_that_would_evict_is_told_and_does_not_end_scores() -> None:
    """Nothing is lost yet: one error line and a fault for readiness, until the policy is mended."""
    history = MemoryHistory()
    rig = Rig(log_of(random_log(33)), PROBLEM, history)
    rig.assign()
    history.server = ServerStatus("run-1", 0, "allkeys-lru")
    look(rig)
    assert ["allkeys-lru" in fault for fault in rig.room.ready_faults] == [True]
    rig.run()
    assert {r.score.reason for r in rig.publisher.enriched()} == {"no_model"}
    rig.assign()  # a rebalance does not end it either
    history.server = ServerStatus("run-1", 0)
    look(rig)
    assert rig.room.ready_faults == []


@pytest.mark.expects_errors
def test_a_server_that_comes_back_and_would_evict_does_not_end_a_worker() -> None:
    """A worker that serves, were it unscored only so far, goes on and says so."""
    history, log = MemoryHistory(), log_of(random_log(38))
    history.away = True
    rig = Rig(log, PROBLEM, history)
    rig.committed[ONLY] = 0
    rig.assign()
    history.away, history.server = False, ServerStatus("run-1", 0, "allkeys-lru")
    rig.pause()
    rig.run()
    assert ["allkeys-lru" in fault for fault in rig.room.ready_faults] == [True]
    assert rig.publisher.enriched()[-1].score.reason == "no_model"


@pytest.mark.expects_errors
def test_what_was_published_with_scores_is_not_published_without() -> None:
    """A history that is wrong while it is folded again in silence goes on unscored where publication ended."""
    history, log = MemoryHistory(), log_of(random_log(39))
    rig = Rig(log, PROBLEM, history)
    rig.run()
    published = len(rig.publisher.enriched())
    rig.history = again = MemoryHistory()
    rig.start()
    rig.assign()
    rig._do(rig.engine.step({ONLY: log.records[ONLY][:30]}))
    rig._do(rig.engine.settle())
    again.server = ServerStatus("run-1", 4)
    look(rig)
    rig.run()
    assert rig.metrics.history_suspect._value.get() == 1
    assert len(rig.publisher.enriched()) == published


@pytest.mark.expects_errors
def test_damage_that_another_worker_saw_rebuilt_is_not_remembered() -> None:
    """What was found belongs to the generation in which it was found."""
    history, log = Damaged(), log_of(random_log(40))
    rig = Rig(log, PROBLEM, history)
    rig.assign()
    assert rig.engine.step({ONLY: log.records[ONLY][:30]}).reassign
    history.metas.clear()  # rebuilt meanwhile, with a generation of its own
    Rig(log, PROBLEM, history).assign()
    rig.assign()
    assert rig.room.ready_faults == []


def test_a_server_that_evicts_is_refused_at_the_start() -> None:
    """Nothing begins on a Redis that would throw it away."""
    history = MemoryHistory()
    history.server = ServerStatus("run-1", 0, "volatile-ttl")
    with pytest.raises(HistoryRefused, match=r"volatile-ttl.*; set it to noeviction"):
        Rig(Log(), PROBLEM, history).assign()
    assert history.metas == {}


Damage = Callable[[str, str], None]


def garbage(url: str, key: str) -> None:
    """Bytes that mean nothing."""
    admin(url).set(key, GARBAGE)


def wrong_type(url: str, key: str) -> None:
    """A key of another type than ours."""
    client = admin(url)
    client.delete(key)
    if TIMERS.matches(key):
        client.set(key, "x")
    else:
        client.hset(key, "a", "b")


@pytest.mark.slow
@pytest.mark.expects_errors
@pytest.mark.parametrize("damage", [garbage, wrong_type])
@pytest.mark.parametrize("where", ["level", "entry"])
def test_a_damaged_state_ends_scores_and_not_alerts(redis_url: str, where: str, damage: Damage) -> None:
    """A worker that meets it says so in one sentence with the mend, publishes unscored, and returns after a rebuild."""
    events = random_log(34, alerts=60)
    history, log = redis_history(redis_url), log_of(events[:60])
    rig = Rig(log, PROBLEM, history)
    rig.run()
    pure, generation = folded(log, PROBLEM)[ONLY], meta_of(history).generation
    for event in events[60:90]:
        log.append(event)
    names = {*folded(log, PROBLEM)[ONLY].levels} & {*pure.levels} if where == "level" else {*pure.ledger}
    for name in names:
        if isinstance(name, str):
            key = key_of(LEVEL, ONLY, generation=generation, level=name)
        else:
            key = key_of(ENTRY, ONLY, generation=generation, team=name[0], alert=name[1])
        damage(redis_url, key)
    rig.start()  # nothing of it in memory
    rig.run()
    assert "run `noisegate history rebuild`" in rig.room.ready_faults[0]
    told = {record.alert.alert_id for record in rig.publisher.enriched()}
    assert told == {event.alert_id for event in events[:90] if isinstance(event, Raised)}
    for event in events[90:]:
        log.append(event)
    rebuild(log, redis_url)
    rig.pause()
    rig.run()
    assert rig.room.ready_faults == []
    assert_right(history, log)


@pytest.mark.expects_errors
def test_damaged_timers_end_scores_and_not_alerts(redis_url: str) -> None:
    """The same of the timers, at a batch and in a quiet partition."""
    events = random_log(35)
    history, log = redis_history(redis_url), log_of(events[:60])
    rig = Rig(log, PROBLEM, history)
    rig.run()
    wrong_type(redis_url, key_of(TIMERS, ONLY, generation=meta_of(history).generation))
    with pytest.raises(HistoryDamaged, match="history rebuild"):
        history.timers(ONLY, meta_of(history).generation, 0.0, 10)
    log.append(events[60])
    rig.start()
    rig.run()
    assert "run `noisegate history rebuild`" in rig.room.ready_faults[0]
    assert meta_of(history).suspect


@pytest.mark.parametrize("damage", [garbage, wrong_type])
def test_a_damaged_meta_is_refused_in_one_sentence(redis_url: str, damage: Damage) -> None:
    """It is neither a new history nor a traceback."""
    history, log = redis_history(redis_url), log_of(random_log(36))
    Rig(log, PROBLEM, history).run()
    damage(redis_url, key_of(META, ONLY))
    with pytest.raises(HistoryDamaged, match=r"^alerts.events/0: .*; run `noisegate history rebuild`$"):
        Rig(log, PROBLEM, history).assign()


def test_what_a_newer_noisegate_wrote_is_refused_and_not_called_damaged() -> None:
    """Its history is sound: who can't read it ends, and leaves it alone."""
    history, events = MemoryHistory(), random_log(37)
    log = log_of(events[:60])
    Rig(log, PROBLEM, history).run()
    timers = [key for key in history.entries if key[2][0] == ""]
    for key in timers:
        history.entries[key] = pack_entry(Timer(0.0, 7, b"..."))
    for event in events[60:]:
        log.append(event)
    with pytest.raises(HistoryRefused, match=r"verdicts of version 7.*; run the newer version") as refused:
        Rig(log, PROBLEM, history).run()
    assert timers
    assert not isinstance(refused.value, HistoryDamaged)
    assert meta_of(history).suspect == ""


@pytest.mark.parametrize("stored", [b"\xc1", b"no meta", b"\x9a\x01\xa2\xff\xfe", b"\x90"])
def test_whatever_stands_in_the_place_of_a_meta_is_refused_and_no_traceback(stored: bytes) -> None:
    """Also bytes that begin as a meta does and hold text that is no UTF-8."""
    with pytest.raises(HistoryRefused, match="holds something else; run `noisegate history rebuild`"):
        decode_meta(stored)
    assert read_meta_or_none(stored) is None
