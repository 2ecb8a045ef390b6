"""The scorer's room and the lane's engine together, on a log in memory: exactness, absence, refusal."""

from collections.abc import Mapping
from datetime import timedelta
from threading import Event as Gate

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stream.config import make_settings
from stream.core.errors import HistoryAway, HistoryRefused, NoisegateError
from stream.core.events import Acted, Event, Raised, Tick, encode_event
from stream.core.once import Once
from stream.core.problem import Problem, parse_problem
from stream.core.records import Enriched
from stream.kafka.records import Part
from stream.lane.batch import Bounds
from stream.scorer.history import Found, Wanted, Write, decode_meta
from tests.lab.logs import small_log, small_problem
from tests.scorer.logs import PROBLEM, START, at, random_log
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.models import Says, by_name
from tests.scorer.rig import (
    TOPIC,
    Crash,
    Log,
    Rig,
    alerts_of,
    folded,
    packed_entries,
    packed_levels,
    waiting_in,
    waiting_of,
)
from tests.scorer.shown import shown

ONLY = Part(TOPIC, 0)


def log_of(events: list[Event], partitions: int = 1) -> Log:
    """A log of these events."""
    log = Log(partitions)
    for event in events:
        log.append(event)
    return log


def assert_exact(rig: Rig, history: MemoryHistory) -> None:
    """What is in the history equals the pure fold of the log, byte for byte."""
    for part, pure in folded(rig.log, rig.problem).items():
        if not rig.log.records[part]:
            continue
        generation = (decode_meta(history.metas[part]) or pytest.fail("no meta")).generation
        levels = {key: packed for (p, g, key), packed in history.levels.items() if (p, g) == (part, generation)}
        entries = {key: packed for (p, g, key), packed in history.entries.items() if (p, g) == (part, generation)}
        assert levels == packed_levels(pure)
        assert alerts_of(entries) == packed_entries(pure)
        assert waiting_in(entries) == waiting_of(pure)


def essence(records: list[Enriched]) -> list[tuple[object, ...]]:
    """What must not change between two runs of the same log."""
    return [(r.alert, r.score.probability, r.score.evidence, r.why, tuple(r.flags), r.offset) for r in records]


def taken(rig: Rig) -> list[Enriched]:
    """What a reader with `Once` takes, by alert."""
    once = Once()
    return sorted(
        (r for r in rig.publisher.enriched() if once.takes(r)), key=lambda r: (r.alert.team, r.alert.alert_id)
    )


@pytest.mark.slow
@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    partitions=st.sampled_from([1, 3]),
)
@hypothesis_settings(deadline=None)
def test_history_and_answers_do_not_depend_on_batch_borders(seed: int, sizes: list[int], partitions: int) -> None:
    """Any cut of the log into fetches leaves the pure fold's bytes and says the same of every alert."""
    log = log_of(random_log(seed), partitions)
    whole, cut = Rig(log, PROBLEM, MemoryHistory()), Rig(log, PROBLEM, MemoryHistory())
    whole.run()
    cut.run(sizes)
    assert isinstance(cut.history, MemoryHistory)
    assert_exact(cut, cut.history)
    assert essence(taken(cut)) == essence(taken(whole))
    assert len(cut.publisher.outputs) == len(whole.publisher.outputs)


@pytest.mark.slow
@given(
    seed=st.integers(0, 10_000),
    size=st.integers(1, 25),
    crashes=st.lists(st.tuples(st.sampled_from(["publish", "before", "after"]), st.integers(1, 6)), max_size=4),
    cache=st.sampled_from([2, 50_000]),
)
@hypothesis_settings(deadline=None)
def test_any_crash_and_replay_leaves_the_same_history(
    seed: int, size: int, crashes: list[tuple[str, int]], cache: int
) -> None:
    """A worker that dies after publishing, or before or after writing, leaves no trace in the states."""
    log = log_of(random_log(seed, late_seconds=200.0))
    history = _CrashingHistory()
    rig = Rig(log, PROBLEM, history, make_settings(tick_seconds=0, history_cache_levels=cache))
    for where, when in crashes:
        history.arm(where, when)
        rig.publisher.crash_at = rig.publisher.calls + when if where == "publish" else None
        try:
            rig.run((size,))
        except Crash:
            rig.start()
    history.arm("", 0)
    rig.publisher.crash_at = None
    rig.run((size,))
    assert_exact(rig, history)
    calm = Rig(log, PROBLEM, MemoryHistory())
    calm.run()
    assert essence(taken(rig)) == essence(taken(calm))
    once = Once()
    assert sum(once.takes_outcome(o) for o in rig.publisher.outcomes()) == len(calm.publisher.outcomes())


class _CrashingHistory(MemoryHistory):
    """Dies before or after the so-maniest write."""

    def arm(self, where: str, when: int) -> None:
        self.where, self.countdown = where, when

    where, countdown = "", 0

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        self.countdown -= 1
        if self.countdown == 0 and self.where == "before":
            raise Crash
        written = super().write(writes)
        if self.countdown == 0 and self.where == "after":
            raise Crash
        return written


class _Gated(MemoryHistory):
    """A slow way to the same history: its writes of states wait until they are let go."""

    def __init__(self, same: MemoryHistory) -> None:
        super().__init__()
        self.metas, self.levels, self.entries, self.queues = same.metas, same.levels, same.entries, same.queues
        self.gate = Gate()

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        """See `History`."""
        assert not any(write.levels for write in writes.values()) or self.gate.wait(60)
        return super().write(writes)


def test_a_fenced_worker_publishes_nothing_more_and_goes_on_from_the_other_s_offset() -> None:
    """Two workers on one partition: the second to write is refused, drops its batch and the history stays exact."""
    history = MemoryHistory()
    log = log_of(random_log(7))
    slow = _Gated(history)
    one, two = Rig(log, PROBLEM, slow), Rig(log, PROBLEM, history)
    one.assign()
    two.assign()
    records = log.records[ONLY]
    one.engine.step({ONLY: records[:20]})
    two.engine.step({ONLY: records[:10]})
    two.engine.settle()
    slow.gate.set()
    assert one.engine.settle().reassign
    assert one.metrics.lane.fence_conflicts._value.get() == 1
    before = len(one.publisher.outputs)
    one.assign()
    assert one.engine.positions[ONLY] == 10
    assert len(one.publisher.outputs) == before
    one.run()
    assert_exact(one, history)


def test_what_is_being_deleted_is_not_read_again() -> None:
    """An action was given up in a batch whose write is under way; its alert, which comes late, does not find it."""
    slow = _Gated(MemoryHistory())
    slow.gate.set()
    log = log_of(
        [Acted(at(0), "A1", "team", "A1-1", "worked"), Tick(at(9 * 3_600)), Raised(at(1), "A1", "team", "r", "e")]
    )
    rig = Rig(log, PROBLEM, slow)
    rig.assign()
    records = log.records[ONLY]
    rig.engine.step({ONLY: records[:1]})
    rig.engine.settle()
    slow.gate.clear()
    rig.engine.step({ONLY: records[1:2]})
    read = slow.read

    def then_let_go(wanted: Mapping[Part, Wanted]) -> dict[Part, Found]:
        found = read(wanted)
        slow.gate.set()
        return found

    slow.read = then_let_go  # type: ignore[method-assign]  # the write ends when the next batch has read
    rig.engine.step({ONLY: records[2:]})
    rig.engine.settle()
    assert [one["reason"] for one in rig.publisher.failed()] == ["unknown_alert"]
    assert rig.metrics.held.labels(*ONLY)._value.get() == 0
    assert_exact(rig, slow)


def test_a_worker_that_ends_while_it_folds_in_silence_leaves_silence_to_the_next() -> None:
    """What it folds again is not committed anew below what was: the next one publishes nothing a second time."""
    log = log_of(random_log(22))
    rig = Rig(log, PROBLEM, MemoryHistory())
    rig.run((20,))
    published, committed = len(rig.publisher.outputs), rig.committed[ONLY]
    rig.history = history = MemoryHistory()
    rig.start()
    rig.assign()
    rig._do(rig.engine.step({ONLY: log.records[ONLY][:30]}))
    rig._do(rig.engine.settle())
    assert rig.committed[ONLY] == committed == len(log.records[ONLY])
    rig.start()
    rig.run((20,))
    assert len(rig.publisher.outputs) == published
    assert_exact(rig, history)


def test_a_zombie_that_wakes_up_reads_before_it_publishes() -> None:
    """After another worker went on, a sleeper's next batch is dropped at the read: nothing wrong is published."""
    history = MemoryHistory()
    log = log_of(random_log(8))
    zombie, other = Rig(log, PROBLEM, history), Rig(log, PROBLEM, history)
    zombie.assign()
    zombie.engine.step({ONLY: log.records[ONLY][:10]})
    zombie.engine.settle()
    other.run()
    published = len(zombie.publisher.outputs)
    assert zombie.engine.step({ONLY: log.records[ONLY][10:20]}).reassign
    assert len(zombie.publisher.outputs) == published


@pytest.mark.expects_errors
def test_while_redis_is_away_alerts_come_once_unscored_and_their_scores_follow() -> None:
    """History away is no silence: each alert is published unscored once, and again with its why when it is back."""
    history = MemoryHistory()
    log = log_of(random_log(9))
    rig = Rig(log, PROBLEM, history)
    rig.assign()
    records = log.records[ONLY]
    rig.engine.step({ONLY: records[:30]})
    rig.engine.settle()
    history.away = True
    for start in range(30, len(records), 25):
        rig.engine.step({ONLY: records[start : start + 25]})
    away = [r for r in rig.publisher.enriched() if r.score.reason == "history_unavailable"]
    raised = [r for r in records[30:] if b'"raised"' in (r.value or b"")]
    assert len(away) == len(raised)
    assert rig.room.ready_faults[0].startswith("history")
    history.away = False
    rig.pause()
    rig.run()
    assert_exact(rig, history)
    assert all(r.score.reason == "no_model" for r in rig.publisher.enriched()[-5:])
    assert len([r for r in rig.publisher.enriched() if r.score.reason == "history_unavailable"]) == len(raised)


@pytest.mark.expects_errors
def test_redis_that_dies_with_a_batch_in_flight_silences_nobody() -> None:
    """The batch that was being written and the one that could not be read: every alert is said once at least."""
    slow = _Gated(MemoryHistory())
    log = log_of(random_log(15))
    rig = Rig(log, PROBLEM, slow)
    rig.assign()
    records = log.records[ONLY]
    rig.engine.step({ONLY: records[:30]})
    slow.away = True
    slow.gate.set()
    rig.engine.step({ONLY: records[30:60]})
    said = {record.offset for record in rig.publisher.enriched()}
    raised = {f"{TOPIC}/0/{r.offset}" for r in records[:60] if b'"raised"' in (r.value or b"")}
    assert said == raised
    slow.away = False
    rig.pause()
    rig.run()
    assert_exact(rig, slow)


@pytest.mark.expects_errors
def test_redis_that_dies_after_a_write_does_not_end_the_worker() -> None:
    """What was written counts, though the next read finds nobody."""
    history = MemoryHistory()
    log = log_of(random_log(16))
    rig = Rig(log, PROBLEM, history)
    rig.assign()
    rig.engine.step({ONLY: log.records[ONLY][:30]})
    rig.await_written()
    history.away = True
    rig.engine.step({ONLY: log.records[ONLY][30:60]})
    assert rig.metrics.events.labels("raised")._value.get() > 0
    assert rig.room.ready_faults[0].startswith("history")


@pytest.mark.expects_errors
def test_a_partition_never_used_does_not_keep_the_others_from_going_on_without_redis() -> None:
    """Only a group that never committed anything can't begin without its history."""
    history = MemoryHistory()
    history.away = True
    rig = Rig(Log(3), PROBLEM, history)
    rig.committed[Part(TOPIC, 1)] = 0
    rig.assign()
    assert set(rig.engine.positions) == set(rig.log.records)


def test_redis_away_at_start_needs_a_committed_offset() -> None:
    """A deployment that never scored can't begin without its history; one that did goes on unscored."""
    history = MemoryHistory()
    history.away = True
    rig = Rig(log_of(random_log(10)), PROBLEM, history)
    with pytest.raises(HistoryAway, match="has not scored yet"):
        rig.assign()


@pytest.mark.expects_errors
def test_redis_away_at_a_restart_goes_on_unscored_from_the_committed_offset() -> None:
    """The group's offset says where to go on while nothing is known of the history."""
    history = MemoryHistory()
    rig = Rig(log_of(random_log(11)), PROBLEM, history)
    rig.run()
    rig.committed[ONLY] = 40
    rig.start()
    history.away = True
    rig.assign()
    assert rig.engine.positions[ONLY] == 40


def test_a_flushed_redis_is_folded_again_in_silence() -> None:
    """No meta but a committed offset: the log is folded from its start, and nothing is published twice."""
    history = MemoryHistory()
    rig = Rig(log_of(random_log(12)), PROBLEM, history)
    rig.run((20,))
    published = len(rig.publisher.outputs)
    rig.history = rig_history = MemoryHistory()
    rig.start()
    rig.run((15,))
    assert len(rig.publisher.outputs) == published
    assert_exact(rig, rig_history)


def test_a_redis_restored_from_an_old_snapshot_is_folded_on_in_silence() -> None:
    """Behind the committed offset the log is folded silently, beyond it alerts are scored."""
    history = MemoryHistory()
    log = log_of(random_log(13))
    rig = Rig(log, PROBLEM, history)
    rig.assign()
    rig.engine.step({ONLY: log.records[ONLY][:30]})
    rig.engine.settle()
    snapshot = MemoryHistory()
    snapshot.__dict__.update({k: dict(v) if isinstance(v, dict) else v for k, v in history.__dict__.items()})
    snapshot.queues = {key: dict(due) for key, due in history.queues.items()}
    rig.run((20,))
    published = len(rig.publisher.outputs)
    rig.history = snapshot
    rig.start()
    rig.run((20,))
    assert len(rig.publisher.outputs) == published
    assert_exact(rig, snapshot)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("topic", "was recreated"),
        ("problem", "another problem definition"),
        ("partitions", "teams have moved"),
        ("log", "was recreated"),
    ],
)
def test_a_history_of_something_else_is_refused_with_the_mend(change: str, words: str) -> None:
    """Another topic, problem, partition count or a shorter log: one sentence that names `history rebuild`."""
    history = MemoryHistory()
    rig = Rig(log_of(random_log(14)), PROBLEM, history)
    rig.run()
    if change == "topic":
        rig.topic_id = "topic-2"
    elif change == "problem":
        rig.problem = _other_problem()
    elif change == "partitions":
        rig.log.partitions = 5
    else:
        del rig.log.records[ONLY][10:]
    rig.start()
    with pytest.raises(HistoryRefused, match=f"{words}.*history rebuild"):
        rig.assign()


def _other_problem() -> Problem:

    return parse_problem(
        'name="test"\nquestion="?"\n[outcome]\nactionable=["worked"]\nnoise=["dismissed"]\nhorizon_hours=3\n'
    )


def test_every_bad_record_is_told_with_its_coordinates_and_the_stream_goes_on() -> None:
    """Each kind of bad input ends in alerts.failed under its reason; what follows is scored."""
    log = Log(2)
    bad = {
        b"{": "not_json",
        b'{"type":"raised"}': "bad_field",
        b'{"type":"exploded"}': "unknown_type",
        b'{"type":"tick","at":"1999-12-31T23:59:59Z"}': "before_floor",
        b'{"type":"tick","at":"2026-03-01T01:00:00Z"}': "beyond_skew",
        b"x" * 10_000_000: "too_large",
        b'{"type":"acted","at":"2026-03-01T00:00:00Z","alert_id":"\\u0000","team":"t","action_id":"1","kind":"k"}': "nul",  # noqa: E501
    }
    part = Part(TOPIC, 1)
    for value in bad:
        log.put(part, value, START.timestamp())
    stray = next(f"team-{n}" for n in range(50) if log._choose(f"team-{n}") == 0)
    home = next(f"team-{n}" for n in range(50) if log._choose(f"team-{n}") == 1)
    log.put(part, encode_event(Raised(START, "A", stray, "r", "e")), START.timestamp())
    log.append(Raised(START, "A", home, "r", "e"))
    rig = Rig(log, PROBLEM, MemoryHistory(), make_settings(tick_seconds=0, bad_window=100))
    rig.run()
    failed = rig.publisher.failed()
    assert [headers["reason"] for headers in failed] == [*bad.values(), "misrouted"]
    assert [headers["offset"] for headers in failed] == [str(n) for n in range(8)]
    assert failed[5]["length"] == "10000000"
    assert len(next(o.value for o in rig.publisher.outputs if len(o.value) > 10_000)) == 64 * 1024
    assert [r.alert.team for r in rig.publisher.enriched()] == [home]


def test_an_action_nobody_waits_for_fails_under_its_own_reason_after_the_grace() -> None:
    """An unknown alert's action is held for twice the grace and then told, with the coordinates it came with."""
    log = log_of([Acted(at(0), "ghost", "team", "g-1", "worked"), Tick(at(599)), Tick(at(601))])
    rig = Rig(log, PROBLEM, MemoryHistory())
    rig.run((1,))
    assert [(f["reason"], f["offset"]) for f in rig.publisher.failed()] == [("unknown_alert", "0")]


@pytest.mark.expects_errors
def test_too_many_bad_records_ring_and_stop_only_where_asked() -> None:
    """Over the share the log and the metric ring; `stop_on_bad` ends the process in one sentence."""
    log = Log()
    for _ in range(80):
        log.put(ONLY, b"{", START.timestamp())
    ringing = Rig(log, PROBLEM, MemoryHistory(), make_settings(tick_seconds=0, bad_window=100))
    ringing.run()
    assert ringing.metrics.bad_share._value.get() == pytest.approx(0.8)
    stopping = Rig(log, PROBLEM, MemoryHistory(), make_settings(tick_seconds=0, bad_window=100, stop_on_bad=True))
    with pytest.raises(NoisegateError, match="stop_on_bad"):
        stopping.run()


def test_a_quiet_partition_gets_a_tick_when_something_is_due_and_only_then() -> None:
    """Ticks move time for due expiries, and do not fill a log in which nothing waits."""
    log = log_of([Raised(START, "A", "team", "r", "e")])
    rig = Rig(log, PROBLEM, MemoryHistory(), make_settings(tick_seconds=60))
    rig.now = (START + timedelta(hours=1)).timestamp()
    rig.run()
    assert [o for o in rig.publisher.outputs if o.topic == TOPIC] == []
    rig.now = (START + timedelta(hours=3)).timestamp()
    rig.run()
    ticks = [o for o in rig.publisher.outputs if o.topic == TOPIC]
    assert len(ticks) == 1
    log.put(ONLY, ticks[0].value, rig.now)
    rig.run()
    assert [o.by for o in rig.publisher.outcomes()] == ["expiry"]


def test_expiries_are_known_after_a_restart_too() -> None:
    """The alarm clock is in the history: another worker publishes what was due, from a window read piece by piece."""
    events: list[Event] = [Raised(at(n), f"A{n}", "team", "r", "e") for n in range(50)]
    log = log_of(events)
    rig = Rig(log, PROBLEM, MemoryHistory())
    rig.run()
    log.append(Tick(at(3 * 3600)))
    rig.start()
    rig.run()
    assert [o.alert_id for o in rig.publisher.outcomes()] == [f"A{n}" for n in range(50)]


def test_a_window_smaller_than_what_is_due_loses_nothing() -> None:
    """With a window of three timers, every expiry is still published in order, over restarts and unwritten batches."""
    log = log_of(random_log(21, alerts=80))
    log.append(Tick(at(30 * 86_400)))
    calm, narrow = (Rig(log, PROBLEM, MemoryHistory(), timers_window=window) for window in (2_500, 3))
    calm.run()
    narrow.assign()
    narrow.engine.step({ONLY: log.records[ONLY][:20]})
    narrow.engine.settle()
    narrow.start()
    narrow.run((7,))
    assert isinstance(narrow.history, MemoryHistory)
    assert_exact(narrow, narrow.history)
    assert [o.alert_id for o in narrow.publisher.outcomes()] == [o.alert_id for o in calm.publisher.outcomes()]


def test_rows_reach_the_model_in_the_order_of_the_alerts_over_all_partitions() -> None:
    """One call of the model scores all partitions' alerts, and each gets its own probability."""
    log = log_of(random_log(30), 3)
    rig = Rig(log, PROBLEM, MemoryHistory(), model=Says("by-name"))
    rig.run((13,))
    for record in rig.publisher.enriched():
        assert record.score.probability == by_name(record.alert)
        assert record.score.model == "by-name"
    for outcome in rig.publisher.outcomes():
        assert list(outcome.scores) == ["by-name"]


def test_an_alert_raised_twice_gets_its_first_score_again() -> None:
    """A retried webhook counts once and is told what was said first, also in a later batch and by another model."""
    events: list[Event] = [Raised(at(0), "A1", "team", "r", "e"), Raised(at(1), "A1", "team", "r", "e")]
    rig = Rig(log_of(events), PROBLEM, MemoryHistory(), model=Says("by-name"))
    rig.run((1,))
    first, second = rig.publisher.enriched()
    assert (first.score, second.score.probability) == (second.score, 0.001)
    assert rig.metrics.repeated._value.get() == 1


def test_a_partition_that_left_is_told_of_no_more() -> None:
    """After a rebalance neither lag, held actions nor history time of a lost partition stand still on /metrics."""
    log = Log(2)
    for event in small_log(60, teams=8):
        log.append(event)
    rig = Rig(log, small_problem(), MemoryHistory())
    rig.run()
    for part in log.records:
        rig.metrics.lane.lag.labels(*part).set(3)
    names = ("lag_records", "held_actions", "history_time_seconds")
    before = shown(rig.metrics, *names)
    assert len(before) == 6
    known = {
        part: Bounds(rig.committed[part], 0, len(records), rig.topic_id, 2) for part, records in log.records.items()
    }
    kept = Part(TOPIC, 1)
    rig.engine.assign({kept: known[kept]})
    assert shown(rig.metrics, *names) == {key: at for key, at in before.items() if ("partition", "1") in key}
    rig.engine.assign({})
    assert not shown(rig.metrics, *names)
