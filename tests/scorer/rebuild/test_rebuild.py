"""Rebuilds in memory: of a topic that grew, of one that did not, and after Redis was lost."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stream.config import change_settings
from stream.core.errors import HistoryRefused
from stream.core.events import Acted, Event, Raised, Tick, decode_event, encode_event
from stream.core.ledger import OUTCOME_NAMES
from stream.kafka.misrouted import MisroutedRecords
from stream.kafka.partitioner import partition_chooser
from stream.kafka.records import Part
from stream.scorer.decode import Decoder
from stream.scorer.history import Write, decode_meta
from stream.scorer.rebuild.merge import MergedLog
from tests.scorer.logs import PROBLEM, START, at, random_log
from tests.scorer.rebuild.grown import (
    GrowingLog,
    GrowingRig,
    LogConsumer,
    MemoryGenerations,
    by_alert,
    decisions,
    grown_rig,
    merged_folds,
)
from tests.scorer.rig import (
    TOPIC,
    Crash,
    MemoryPublisher,
    alerts_of,
    packed_entries,
    packed_levels,
    waiting_in,
    waiting_of,
)

LATER = Tick(START + timedelta(days=3_000))


def assert_states(rig: GrowingRig, log: GrowingLog) -> None:
    """States and ledger of every partition equal the pure fold of the merged log in the present layout."""
    history = rig.history
    assert isinstance(history, MemoryGenerations)
    for part, pure in merged_folds(log, PROBLEM).items():
        meta = decode_meta(history.metas[part])
        assert meta is not None
        assert (meta.partitions, meta.offset) == (log.partitions, len(log.records[part]))
        assert (meta.time, meta.held) == (pure.time, pure.held)
        levels = {key: packed for (p, g, key), packed in history.levels.items() if (p, g) == (part, meta.generation)}
        entries = {key: packed for (p, g, key), packed in history.entries.items() if (p, g) == (part, meta.generation)}
        assert levels == packed_levels(pure)
        assert alerts_of(entries) == packed_entries(pure)
        assert waiting_in(entries) == waiting_of(pure)
        assert history.generations(part) <= {meta.generation}


def assert_published(rig: GrowingRig, log: GrowingLog) -> None:
    """Every record has its enriched record, scored, once; every decision of the pure fold its outcome; nothing failed
    but actions without an alert."""
    rig.publisher.outputs += rig.rebuilt.outputs
    raised = Counter(
        (event.team, event.alert_id)
        for event in (_event(record.value) for _, record in log.order)
        if isinstance(event, Raised)
    )
    enriched = by_alert(rig.publisher.enriched())
    assert {key: len(records) for key, records in enriched.items()} == raised
    places = {f"{part.topic}/{part.partition}/{record.offset}": _event(record.value) for part, record in log.order}
    for records in enriched.values():
        assert {record.score.probability for record in records} == {0.25}
        for record in records:
            assert places[record.offset] == record.alert
    names = {name: number for number, name in OUTCOME_NAMES.items()}
    said = {(o.team, o.alert_id, names[o.outcome], o.decided_at.timestamp(), o.by) for o in rig.publisher.outcomes()}
    assert said == decisions(merged_folds(log, PROBLEM).values())
    failed = rig.publisher.failed()
    assert {one["reason"] for one in failed} <= {"unknown_alert"}
    for one in failed:
        record = log.records[Part(one["topic"], int(one["partition"]))][int(one["offset"])]
        assert hashlib.sha256(record.value or b"").hexdigest() == one["sha256"]


def _event(value: bytes | None) -> Event:
    return decode_event(value or b"")


def append(log: GrowingLog, events: list[Event]) -> None:
    """Write some events to their teams' partitions."""
    for event in events:
        log.append(event)


@pytest.mark.slow
@given(
    seed=st.integers(0, 10_000),
    layouts=st.sampled_from([(1, 2), (2, 3), (4, 6), (3, 7), (2, 4, 5)]),
    cuts=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    lagging=st.integers(0, 3),
    ticks=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3)), max_size=3),
)
@hypothesis_settings(deadline=None)
def test_a_rebuild_after_growth_equals_the_fold_of_the_merged_log(
    seed: int,
    layouts: tuple[int, ...],
    cuts: tuple[float, float, float],
    lagging: int,
    ticks: list[tuple[int, int]],
) -> None:
    """However far each partition was served when the topic grew, once or twice: states are exact, nothing is lost, left
    unscored or failed, and workers go on from there."""
    events = random_log(seed, alerts=40, teams=9)
    first, second, third = sorted(int(cut * len(events)) for cut in cuts)
    log = GrowingLog(layouts[0])
    rig = grown_rig(log, PROBLEM)
    marks = dict(ticks)
    for number, event in enumerate(events[:second]):
        if number == first:
            rig.run()
        log.append(event)
        if number in marks:
            log.tick(Part(TOPIC, marks[number] % layouts[0]), Tick(event.at))
    rig.some = [number for number in range(layouts[0]) if number != lagging]
    rig.start()
    rig.run()
    for position, layout in enumerate(layouts[1:]):
        log.grow(layout)
        append(log, events[second:third] if position == 0 else [])
    rig.some = None
    rig.start()
    assert isinstance(rig.history, MemoryGenerations)
    assume(rig.history.metas)
    with pytest.raises(HistoryRefused, match="teams have moved"):
        rig.run()
    report = rig.rebuild()
    assert report.folded == len(log.order)
    assert_states(rig, log)
    rig.start()
    append(log, events[third:])
    log.append(LATER)
    rig.run()
    assert_states(rig, log)
    assert_published(rig, log)


def test_what_an_old_partition_had_not_expired_is_published_though_no_record_waits() -> None:
    """Time in the new partition may have passed an alert's due time while its old one was quiet."""
    log = GrowingLog(2)
    home = {team: partition_chooser("murmur2_random", 2)(team) for team in map(str, range(50))}
    moved = {team: partition_chooser("murmur2_random", 3)(team) for team in home}
    quiet, busy = next(
        (a, b) for a in home for b in home if home[a] != home[b] and moved[a] == moved[b] and moved[b] == home[b]
    )
    rig = grown_rig(log, PROBLEM)
    log.append(Raised(at(0), "A1", quiet, "disk", "db"))
    log.append(Raised(at(1), "B1", busy, "disk", "db"))
    log.append(Raised(at(100_000), "B2", busy, "disk", "db"))
    rig.run()
    assert [one.alert_id for one in rig.publisher.outcomes()] == ["B1"]
    log.grow(3)
    rig.start()
    report = rig.rebuild()
    assert [(one.team, one.alert_id, one.by) for one in rig.rebuilt.outcomes()] == [(quiet, "A1", "expiry")]
    assert report.published == {"outcomes": 1}


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), cut=st.floats(0.1, 0.9))
@hypothesis_settings(deadline=None)
def test_an_action_in_the_new_partition_finds_the_alert_of_the_old_one(seed: int, cut: float) -> None:
    """After the mend an action on an alert of before the growth decides it, and the score published then is kept."""
    events = random_log(seed, teams=9)
    log = GrowingLog(4)
    rig = grown_rig(log, PROBLEM)
    before = int(cut * len(events))
    append(log, events[:before])
    rig.run()
    log.grow(6)
    rig.start()
    rig.rebuild()
    assert rig.rebuilt.enriched() == []
    append(log, events[before:])
    log.append(LATER)
    rig.run()
    assert_published(rig, log)
    assert all(outcome.model == "champion" for outcome in rig.publisher.outcomes())


def test_a_second_rebuild_changes_nothing_and_publishes_nothing() -> None:
    """In the grown layout strays of before are placed again, silently, and the same states come out."""
    log, rig = _grown(7)
    rig.rebuild()
    rig.start()
    rig.run()
    report = rig.rebuild()
    assert report.placed > 0
    assert rig.rebuilt.outputs == []
    assert_states(rig, log)


def test_after_a_rebuild_the_group_has_committed_what_is_published() -> None:
    """Should Redis be lost next, nothing that the rebuild published is published again."""
    log, rig = _grown(8)
    rig.rebuild()
    assert rig.committed == {part: len(records) for part, records in log.records.items()}


def test_redis_lost_after_growth_stops_the_refold_and_a_rebuild_mends_it() -> None:
    """The silent refold meets teams that moved and names the rebuild, again after a restart; then nothing is published
    twice and states are exact."""
    log, rig = _grown(9)
    rig.rebuild()
    rig.start()
    rig.run()
    rig.history = MemoryGenerations()
    published = len(rig.publisher.outputs)
    for _ in range(2):
        rig.start()
        with pytest.raises(HistoryRefused, match=r"belong to other partitions.*noisegate history rebuild"):
            rig.run((5,))
    report = rig.rebuild()
    assert report.placed > 0
    assert rig.rebuilt.outputs == []
    assert_states(rig, log)
    rig.start()
    rig.run()
    assert len(rig.publisher.outputs) == published


def test_redis_lost_without_growth_is_folded_again_to_its_end() -> None:
    """Once the refold has passed what was committed, the layout is known, and metas say so."""
    log = GrowingLog(3)
    rig = grown_rig(log, PROBLEM)
    append(log, random_log(3, teams=9))
    rig.run()
    rig.history = MemoryGenerations()
    rig.start()
    rig.run((5,))
    assert_states(rig, log)


def test_misrouted_records_are_left_out_and_counted() -> None:
    """What alerts.failed holds was never scored: folding it in silence would leave it unscored for ever."""
    log = GrowingLog(3)
    rig = grown_rig(log, PROBLEM)
    append(log, random_log(4, teams=9))
    team = "team-1"
    wrong = Part(TOPIC, (partition_chooser("murmur2_random", 3)(team) + 1) % 3)
    value = encode_event(Raised(at(900_000), "LOST", team, "disk", "db"))
    log.put(wrong, value, (START + timedelta(seconds=900_000)).timestamp())
    rig.run()
    (failed,) = [one for one in rig.publisher.failed() if one["reason"] == "misrouted"]
    where = (wrong.partition, len(log.records[wrong]) - 1)
    known = MisroutedRecords({where: failed["sha256"], (0, 0): "another"})
    assert rig.rebuild(known).misrouted == 1
    log.order.pop()
    assert_states(rig, log)
    assert rig.rebuild().placed == 1


def test_what_cannot_be_read_is_rebuilt_over() -> None:
    """Garbage under meta and ledger: the rebuild works, says that scores were lost, and states are exact."""
    log = GrowingLog(2)
    rig = grown_rig(log, PROBLEM)
    append(log, random_log(5, teams=9))
    rig.run()
    history = rig.history
    assert isinstance(history, MemoryGenerations)
    history.metas[Part(TOPIC, 0)] = b"\xc1 no msgpack"
    for part, generation, key in list(history.entries):
        history.entries[part, generation, key] = b"\xc1"
    report = rig.rebuild()
    assert len(report.notes) == 2
    assert all("could not be read" in note for note in report.notes)
    assert_states(rig, log)


def test_a_worker_that_writes_meanwhile_is_never_overwritten() -> None:
    """After growth nobody may serve; a history that moved under the rebuild stays, and the sentence says what to do."""
    log, rig = _grown(11)
    history = rig.history
    assert isinstance(history, MemoryGenerations)
    part = Part(TOPIC, 1)
    before = dict(history.metas)

    aside = history.aside

    def meddling() -> MemoryGenerations:
        other = aside()
        write = other.write

        def written(writes: Mapping[Part, Write]) -> dict[Part, bool]:
            history.metas[part] = b"moved"
            return write(writes)

        other.write = written  # type: ignore[method-assign]
        return other

    history.aside = meddling  # type: ignore[method-assign]
    with pytest.raises(HistoryRefused, match=r"stop the workers of noisegate, then run `noisegate history rebuild`"):
        rig.rebuild()
    assert history.metas == {**before, part: b"moved"}
    history.aside, history.metas[part] = aside, before[part]  # type: ignore[method-assign]
    rig.rebuild()  # begins anew: what was folded before the refusal is older than what the worker wrote
    assert_states(rig, log)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), crash_at=st.integers(1, 4), switches=st.integers(0, 5))
@hypothesis_settings(deadline=None)
def test_a_rebuild_that_dies_is_done_by_the_next_one(seed: int, crash_at: int, switches: int) -> None:
    """Killed between two publications, or between two partitions' switches: run again, it leaves exact states, and what
    is published twice is the same alert with the same score."""
    log, rig = _grown(seed)
    first = MemoryPublisher()
    history = rig.history
    assert isinstance(history, MemoryGenerations)
    first.crash_at = crash_at if switches == 0 else None
    history.switches = switches or None
    with suppress(Crash):
        rig.rebuild(outlet=first)
    history.switches = None
    rig.rebuild()
    assert_states(rig, log)
    rig.start()
    log.append(LATER)
    rig.run()
    assert_states(rig, log)
    rig.publisher.outputs += first.outputs
    rig.publisher.outputs += rig.rebuilt.outputs
    raised = {(e.team, e.alert_id) for e in (_event(r.value) for _, r in log.order) if isinstance(e, Raised)}
    enriched = by_alert(rig.publisher.enriched())
    assert set(enriched) == raised
    assert {record.score.probability for records in enriched.values() for record in records} == {0.25}
    decided = {(one.team, one.alert_id, one.by) for one in rig.publisher.outcomes()}
    assert decided == {(team, alert, by) for team, alert, _, _, by in decisions(merged_folds(log, PROBLEM).values())}


def test_a_topic_made_anew_with_fewer_partitions_begins_anew() -> None:
    """Metas of a topic that is gone are no sign of growth: nothing is published, and workers score the new log."""
    _, rig = _grown(12)
    log = GrowingLog(3)
    append(log, random_log(13, teams=9))
    rig.log, rig.topic_id, rig.committed = log, "topic-2", {}
    report = rig.rebuild()
    assert (report.folded, report.published) == (0, {})
    published = len(rig.publisher.enriched())
    rig.start()
    rig.run()
    assert_states(rig, log)
    raised = sum(isinstance(_event(record.value), Raised) for _, record in log.order)
    assert len(rig.publisher.enriched()) == published + raised


@pytest.mark.slow
def test_memory_is_bounded_by_pausing_partitions_that_are_ahead() -> None:
    """A partition whose records are all later than the others' waits in Kafka; the order is that of the timestamps."""
    log = GrowingLog(2)
    for number in range(4_000):
        log.tick(Part(TOPIC, 0), Tick(at(number)))
    for number in range(3_000):
        log.tick(Part(TOPIC, 1), Tick(at(10_000 + number)))
    consumer = LogConsumer(log, {}, step=100)
    ends = {0: 4_000, 1: 3_000}
    decode = Decoder(partition_chooser("murmur2_random", 2), anywhere=True).decode
    merged = MergedLog(consumer, TOPIC, {0: 0, 1: 0}, ends, decode, buffered_records=2_000)
    offsets, ahead = [], 0
    for chunk in merged.rounds(500):
        offsets += [(one.source, one.record.offset) for one in chunk]
        ahead = max(ahead, sum(consumer.given.values()) - len(offsets))
    assert offsets == [(source, offset) for source, end in ends.items() for offset in range(end)]
    assert merged.positions == ends
    assert ahead < 2 * 1_100 + 500


def test_an_empty_topic_and_an_empty_partition_get_a_history() -> None:
    """A rebuild of nothing leaves metas at the log's beginning."""
    log = GrowingLog(2)
    rig = grown_rig(log, PROBLEM)
    report = rig.rebuild()
    assert [(one.partition, one.offset) for one in report.partitions] == [(0, 0), (1, 0)]
    assert report.folded == 0


def test_held_actions_move_with_their_team() -> None:
    """An action that overtook its alert waits in the old partition; the alert, written after the growth, finds it."""
    log = GrowingLog(1)
    rig = grown_rig(log, PROBLEM)
    team = next(team for team in map(str, range(50)) if partition_chooser("murmur2_random", 2)(team) == 1)
    log.append(Acted(at(60), "A1", team, "act", "worked"))
    rig.run()
    log.grow(2)
    rig.start()
    rig.rebuild()
    log.append(Raised(at(50), "A1", team, "disk", "db"))
    rig.run()
    assert [(one.alert_id, one.outcome) for one in rig.publisher.outcomes()] == [("A1", "actionable")]
    assert rig.publisher.failed() == []


def _grown(seed: int) -> tuple[GrowingLog, GrowingRig]:
    """A log of 4, then 6 partitions, of which the first half was scored."""
    log = GrowingLog(4)
    rig = grown_rig(log, PROBLEM)
    events = random_log(seed, teams=9)
    half = len(events) // 2
    append(log, events[:half])
    rig.run()
    log.grow(6)
    append(log, events[half:])
    rig.start()
    return log, rig


@pytest.mark.parametrize("start_from", ["earliest", "latest"])
def test_a_rebuild_before_the_first_start_begins_where_a_worker_would(start_from: str) -> None:
    """With `latest` the old log becomes history, and none of its alerts is published as new."""
    log = GrowingLog(2)
    rig = grown_rig(log, PROBLEM)
    rig.settings = change_settings(rig.settings, start_from=start_from)
    append(log, random_log(21))
    rig.rebuild()
    rig.start()
    rig.run()
    assert_states(rig, log)
    assert bool(rig.publisher.enriched()) == (start_from == "earliest")
