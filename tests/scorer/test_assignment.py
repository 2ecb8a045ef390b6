"""Taking over partitions: first metas, generations, whose histories they are, and starts without Redis."""

from collections.abc import Mapping

import pytest

from stream.config import make_settings, Settings
from stream.core.errors import HistoryAway, HistoryDenied, HistoryRefused
from stream.core.events import Raised, Tick
from stream.core.problem import Problem, parse_problem
from stream.kafka.records import Part
from stream.scorer.history import Meta, Wanted, Write, decode_meta, encode_meta
from stream.scorer.identity import Identity
from stream.scorer.redis_history import RedisHistory
from tests.scorer.logs import PROBLEM, at, random_log
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.rig import TOPIC, Log, Rig, alerts_of, folded, packed_entries, packed_levels
from tests.scorer.test_history_contract import redis_history
from tests.scorer.test_room import ONLY, assert_exact, log_of

LATEST = make_settings(tick_seconds=0, start_from="latest")


def meta_of(history: MemoryHistory | RedisHistory, part: Part = ONLY) -> Meta:
    """The partition's meta, which must be there."""
    return decode_meta(history.read_metas([part])[part]) or pytest.fail("no meta")


def other_problem() -> Problem:
    """Another definition than PROBLEM."""
    return parse_problem(
        'name="test"\nquestion="?"\n[outcome]\nactionable=["worked"]\nnoise=["dismissed"]\nhorizon_hours=3\n'
    )


class Denied(MemoryHistory):
    """Redis whose password changes: while `denied`, every call is refused."""

    denied = False

    def check(self, patient: bool = True) -> None:
        """See `History`."""
        super().check()
        if self.denied:
            raise HistoryDenied("Redis refuses our user or password; check both")


# The first meta.


def test_the_first_meta_is_written_at_assignment() -> None:
    """Before any record is read, the history says where it begins and of what it is."""
    history = MemoryHistory()
    rig = Rig(log_of(random_log(1)), PROBLEM, history)
    rig.assign()
    meta = meta_of(history)
    assert (meta.offset, meta.topic_id, meta.problem) == (0, "topic-1", PROBLEM.digest)
    assert history.holds == Identity("cluster-1", TOPIC, "topic-1", PROBLEM.digest)


def test_latest_keeps_its_start_over_restarts() -> None:
    """What was raised between two starts without a batch is scored: the second goes on where the first began."""
    history, log = MemoryHistory(), log_of(random_log(2))
    rig = Rig(log, PROBLEM, history, LATEST)
    rig.assign()
    started = rig.engine.positions[ONLY]
    assert started == len(log.records[ONLY])
    for number in range(5):
        log.append(Raised(at(90_000 + number), f"new-{number}", "team-0", "disk", "e"))
    rig.start()
    rig.run()
    assert [record.alert.alert_id for record in rig.publisher.enriched()] == [f"new-{number}" for number in range(5)]


class _Overtaken(MemoryHistory):
    """Somebody else is always faster with the first meta."""

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        """See `History`."""
        if ONLY not in self.metas:
            mine = decode_meta(writes[ONLY].meta) or pytest.fail("no meta")
            theirs = Meta(3, mine.topic_id, mine.partitions, mine.problem, mine.fold_version, 77, mine.time, 0)
            self.metas[ONLY] = encode_meta(theirs)
        return super().write(writes)


def test_who_loses_the_race_for_the_first_meta_goes_on_from_what_is_there() -> None:
    """Another worker's first meta stands: its offset and generation are taken over."""
    rig = Rig(log_of(random_log(3)), PROBLEM, _Overtaken())
    rig.assign()
    assert rig.engine.positions[ONLY] == 3
    assert rig.room._partitions[ONLY].meta.generation == 77


@pytest.mark.parametrize("lost", ["deleted", "all but its states expired"])
def test_states_that_outlive_their_meta_are_never_folded_onto(redis_url: str, lost: str) -> None:
    """Levels, ledger and timers without a meta: the log is folded into a generation of its own, and equals the fold."""
    events = random_log(4, alerts=120)
    history, log = redis_history(redis_url), log_of(events[:150])
    rig = Rig(log, PROBLEM, history)
    rig.run((25,))
    before, published = meta_of(history), len(rig.publisher.outcomes())
    if lost == "deleted":
        history._client.delete(f"{history.prefix(ONLY)}:meta")
    else:
        history._client.pexpire(f"{history.prefix(ONLY)}:meta", 1)
        while history.read_metas([ONLY])[ONLY]:
            pass
    for event in [*events[150:], Tick(at(40 * 86_400))]:
        log.append(event)
    rig.start()
    rig.run((25,))
    after, pure = meta_of(history), folded(log, PROBLEM)[ONLY]
    assert after.generation not in (1, before.generation)
    wanted = Wanted(after.generation, [*pure.levels], [*pure.ledger])
    found = history.read({ONLY: wanted})[ONLY]
    assert dict(zip(wanted.levels, found.levels, strict=True)) == packed_levels(pure)
    entries = {key: packed for key, packed in zip(wanted.entries, found.entries, strict=True) if packed is not None}
    assert alerts_of(entries) == packed_entries(pure)
    calm = Rig(log, PROBLEM, MemoryHistory())
    calm.run()
    assert len(rig.publisher.outcomes()) == len(calm.publisher.outcomes()) > published


# Whose histories they are.


def test_a_second_problem_in_a_fresh_group_is_refused_before_anything_is_written() -> None:
    """Two scorers with two problem files and one name: the second writes no meta and names three ways out."""
    history = MemoryHistory()
    Rig(Log(2), PROBLEM, history).assign()
    del history.metas[Part(TOPIC, 1)]  # the first one has only this partition so far
    second = Rig(Log(2), other_problem(), history)
    with pytest.raises(HistoryRefused, match=r"same problem file.*NOISEGATE_DEPLOYMENT.*history rebuild"):
        second.assign()
    assert Part(TOPIC, 1) not in history.metas


def test_a_second_cluster_is_told_a_mend_that_leaves_the_first_s_history_alone() -> None:
    """One name, one Redis, two Kafkas: the second is told to take another name, though the topic's id differs too."""
    history, log = MemoryHistory(), log_of(random_log(5))
    Rig(log, PROBLEM, history).run()
    second = Rig(log, PROBLEM, history)
    second.cluster_id, second.topic_id = "cluster-2", "topic-9"
    before = dict(history.metas)
    with pytest.raises(HistoryRefused, match=r"another Kafka cluster.*; give this deployment another name"):
        second.assign()
    assert history.metas == before


def test_another_topic_under_the_same_name_is_refused() -> None:
    """A deployment scores one topic."""
    history = MemoryHistory()
    history.claim(Identity("cluster-1", "other.events", "topic-1", PROBLEM.digest))
    with pytest.raises(HistoryRefused, match=rf"of the topic other.events, not of {TOPIC}"):
        Rig(Log(), PROBLEM, history).assign()


def test_a_deployment_of_before_gets_its_claim_once_its_metas_fit() -> None:
    """Metas without a claim: who may go on claims; who may not leaves none behind."""
    history, log = MemoryHistory(), log_of(random_log(6))
    Rig(log, PROBLEM, history).run()
    history.holds = None
    with pytest.raises(HistoryRefused):
        Rig(log, other_problem(), history).assign()
    assert history.holder() is None
    Rig(log, PROBLEM, history).assign()
    assert history.holder() == Identity("cluster-1", TOPIC, "topic-1", PROBLEM.digest)


def test_what_is_not_known_of_a_claim_agrees_with_anything() -> None:
    """A broker without a cluster id neither refuses nor is refused."""
    history = MemoryHistory()
    history.claim(Identity("", TOPIC, "topic-1", PROBLEM.digest))
    rig = Rig(Log(), PROBLEM, history)
    rig.assign()
    assert set(rig.engine.positions) == {ONLY}


# Without Redis.


@pytest.mark.expects_errors
def test_a_worker_with_only_never_used_partitions_starts_without_redis() -> None:
    """Where the group has committed anywhere, no partition of its keeps a worker from starting."""
    history = MemoryHistory()
    history.away = True
    rig = Rig(Log(2), PROBLEM, history)
    rig.committed[Part(TOPIC, 9)] = 5  # another worker's
    rig.assign()
    assert rig.engine.positions == {Part(TOPIC, 0): 0, Part(TOPIC, 1): 0}


@pytest.mark.expects_errors
def test_latest_without_redis_publishes_no_old_log_and_skips_nothing_raised_since() -> None:
    """A never-used partition starts at its end, which is remembered over reassignments until Redis is back."""
    history, log = MemoryHistory(), log_of(random_log(7))
    history.away = True
    rig = Rig(log, PROBLEM, history, LATEST)
    rig.committed[Part(TOPIC, 9)] = 5
    rig.assign()
    assert rig.publisher.enriched() == []
    new = [Raised(at(90_000 + number), f"new-{number}", "team-0", "disk", "e") for number in range(4)]
    for event in new[:2]:
        log.append(event)
    rig.engine.step({ONLY: log.records[ONLY][-2:]})
    rig.assign()  # a rebalance
    for event in new[2:]:
        log.append(event)
    history.away = False
    rig.room._asked_at = -10.0
    rig.run()
    scored = [r.alert.alert_id for r in rig.publisher.enriched() if r.score.reason == "no_model"]
    unscored = [r.alert.alert_id for r in rig.publisher.enriched() if r.score.reason == "history_unavailable"]
    assert scored == [event.alert_id for event in new]
    assert unscored == [event.alert_id for event in new[:2]]


@pytest.mark.expects_errors
def test_a_password_changed_live_is_an_absence_with_its_reason() -> None:
    """Alerts go on unscored, readiness says why, and scores follow once access is back."""
    history, log = Denied(), log_of(random_log(8))
    rig = Rig(log, PROBLEM, history)
    rig.assign()
    rig.engine.step({ONLY: log.records[ONLY][:20]})
    rig.engine.settle()
    history.denied = True
    rig.engine.step({ONLY: log.records[ONLY][20:60]})
    assert "user or password" in rig.room.ready_faults[0]
    assert {r.score.reason for r in rig.publisher.enriched()[-3:]} == {"history_unavailable"}
    rig.assign()  # a rebalance meanwhile ends nothing
    history.denied = False
    rig.room._asked_at = -10.0
    rig.run()
    assert rig.room.ready_faults == []
    assert_exact(rig, history)


def test_a_wrong_password_at_the_first_start_is_refused() -> None:
    """A worker that has served nothing yet says what to check, and ends."""
    history = Denied()
    history.denied = True
    rig = Rig(Log(), PROBLEM, history)
    rig.committed[ONLY] = 0
    with pytest.raises(HistoryRefused, match="password"):
        rig.assign()


def test_a_deployment_that_never_committed_can_t_start_without_redis() -> None:
    """Nothing says where it would go on."""
    history = MemoryHistory()
    history.away = True
    with pytest.raises(HistoryAway, match="has not scored yet"):
        Rig(Log(2), PROBLEM, history).assign()
