"""Clocks: what a wrong one can do, who notices, and how far a quiet partition has come."""

from datetime import timedelta

import pytest

from stream.config import make_settings, Settings
from stream.core.errors import BadRecord
from stream.core.events import Acted, Raised, Tick, encode_event, event_time, seconds
from stream.lane.batch import Batch
from stream.metrics.scorer import ScorerMetrics
from stream.scorer.clocks import ClockWatch
from stream.scorer.decode import Decoder
from stream.scorer.history import ServerStatus
from tests.scorer.logs import PROBLEM, START, at
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.rig import TOPIC, Log, LogRecord, Rig
from tests.scorer.test_room import ONLY, log_of

TICKING = make_settings(tick_seconds=60)
HOUR = 3_600.0


class Stamped(LogRecord):
    """A record that the broker stamped."""

    timestamp_type = 1


def append_ticks(rig: Rig, broker: float | None) -> int:
    """Put the ticks that were published into the log, stamped by the broker's clock, or by the worker's own."""
    ticks = [output for output in rig.publisher.outputs if output.topic == TOPIC]
    rig.publisher.outputs = [output for output in rig.publisher.outputs if output.topic != TOPIC]
    records = rig.log.records[ONLY]
    for tick in ticks:
        kind = LogRecord if broker is None else Stamped
        recorded = rig.now if broker is None else broker
        records.append(kind(len(records), round(recorded * 1000), None, tick.value))
    return len(ticks)


def difference(metrics: ScorerMetrics) -> float:
    """What /metrics says of the clock."""
    return float(metrics.clock_difference._value.get())


def late_alerts() -> Log:
    """One alert, which is open until two hours and the grace after the start."""
    return log_of([Raised(START, "A", "team", "r", "e")])


@pytest.mark.expects_errors
def test_a_worker_s_fast_clock_expires_nothing_that_is_open() -> None:
    """Stamped by the broker, the first tick of a clock 50 minutes ahead is harmless, and there is no second one."""
    rig = Rig(late_alerts(), PROBLEM, MemoryHistory(), TICKING)
    truth = (START + timedelta(hours=1, minutes=50)).timestamp()
    rig.now = truth + 3_000.0
    rig.run()
    assert append_ticks(rig, broker=truth) == 1
    acted = encode_event(Acted(at(110 * 60.0), "A", "team", "a-1", "worked"))
    rig.log.records[ONLY].append(Stamped(2, round(truth * 1000), None, acted))
    for _ in range(5):
        rig.now += 61.0
        rig.run()
    assert append_ticks(rig, broker=truth) == 0
    assert [headers["reason"] for headers in rig.publisher.failed()] == ["beyond_skew"]  # the one tick
    assert [(o.by, o.outcome) for o in rig.publisher.outcomes()] == [("worked", "actionable")]
    assert difference(rig.metrics) == pytest.approx(3_000.0)


@pytest.mark.expects_errors
def test_a_fast_clock_without_the_broker_s_stamps_is_held_against_redis() -> None:
    """Stamped by producers, a tick would do harm: Redis's clock says that this one is wrong before any is written."""
    history = MemoryHistory()
    rig = Rig(late_alerts(), PROBLEM, history, TICKING)
    rig.now = (START + timedelta(hours=2, minutes=10)).timestamp()
    history.server = ServerStatus("run-1", clock=rig.now - 3_000.0)
    rig.run()
    assert append_ticks(rig, broker=None) == 0
    assert difference(rig.metrics) == pytest.approx(3_000.0)
    rig.now += 61.0
    history.server = ServerStatus("run-1", clock=rig.now)  # the clock was set
    rig.room._looked_at = -10.0
    rig.run()
    assert append_ticks(rig, broker=None) == 1


def test_redis_s_wrong_clock_ends_no_ticks_where_the_broker_stamps() -> None:
    """The broker's clock is the one that counts."""
    history = MemoryHistory()
    rig = Rig(Log(), PROBLEM, history, TICKING)
    rig.now = (START + timedelta(hours=3)).timestamp()
    value = encode_event(Raised(START, "A", "team", "r", "e"))
    rig.log.records[ONLY].append(Stamped(0, round(START.timestamp() * 1000), None, value))
    rig.run()
    assert append_ticks(rig, broker=rig.now + 0.1) == 1
    history.server = ServerStatus("run-1", clock=rig.now - 50_000.0)
    rig.room._looked_at = -10.0
    rig.log.records[ONLY].append(
        Stamped(2, round(rig.now * 1000), None, encode_event(Raised(START, "B", "team", "r", "e")))
    )
    rig.now += 3 * HOUR
    rig.run()
    assert append_ticks(rig, broker=rig.now) == 1
    assert difference(rig.metrics) == 0.0


@pytest.mark.expects_errors
@pytest.mark.parametrize(
    ("off", "words"),
    [
        (3_000.0, "50 min ahead of that of the broker; set the one that is wrong (NTP)"),
        (-90.0, "90 s behind that of the broker"),
        (86_500.0, "1 day ahead of that of the broker"),
        (-200_000.0, "2 days behind that of the broker"),
    ],
)
def test_a_wrong_clock_is_named_with_its_size(off: float, words: str) -> None:
    """By its own tick, read back, a worker knows how far its clock is from the broker's."""
    watch = ClockWatch(ScorerMetrics(), ticks=True)
    watch.wrote(ONLY, 1_000.0)
    watch.read(ONLY, Stamped(0, 0, None, None), [(1_000.0, 1_000.0 - off)], 1_000.4)
    assert words in (watch.fault or "")
    assert not watch.may_tick()


@pytest.mark.parametrize("waited", [0.0, 29.0, 400.0])
def test_a_tick_that_waited_for_the_broker_is_no_wrong_clock(waited: float) -> None:
    """A frozen broker stamps late; by then this worker's clock has gone on as well."""
    watch = ClockWatch(ScorerMetrics(), ticks=True)
    watch.wrote(ONLY, 1_000.0)
    watch.read(ONLY, Stamped(0, 0, None, None), [(1_000.0, 1_000.0 + waited)], 1_000.5 + waited)
    assert watch.fault is None
    assert watch.may_tick()


@pytest.mark.expects_errors
@pytest.mark.parametrize("how", ["by the next probe", "by Redis"])
def test_a_clock_that_was_set_ticks_again(how: str) -> None:
    """One tick in ten minutes goes on asking, where it does no harm; and a jump against Redis's clock asks at once."""
    watch = ClockWatch(ScorerMetrics(), ticks=True)
    watch.redis_said(1_000.0, 400.0, 1_000.0)
    watch.wrote(ONLY, 1_000.0)
    watch.read(ONLY, Stamped(0, 0, None, None), [(1_000.0, 400.0)], 1_000.1)
    assert not watch.may_tick()
    if how == "by Redis":
        watch.redis_said(410.0, 410.0, 410.0)
    else:
        watch._probed_at -= 700.0
        assert watch.may_tick()
        assert not watch.may_tick()
        watch.wrote(ONLY, 420.0)
        watch.read(ONLY, Stamped(0, 0, None, None), [(420.0, 420.0)], 420.1)
    assert watch.fault is None
    assert watch.may_tick()


def test_others_ticks_say_nothing_of_this_clock() -> None:
    """Those of another worker, or of before a restart, were written by another clock."""
    watch = ClockWatch(ScorerMetrics(), ticks=True)
    watch.wrote(ONLY, 1_000.0)
    watch.read(ONLY, Stamped(0, 0, None, None), [(999.0, 5.0)], 1_000.1)
    assert watch.fault is None


def test_a_tick_moves_time_no_further_than_its_record() -> None:
    """Live and in a replay alike, and only a tick: what happened keeps the time at which it did."""
    tick, raised = Tick(at(500)), Raised(at(500), "A", "team", "r", "e")
    recorded = seconds(at(100))
    assert event_time(tick, recorded) == recorded
    assert event_time(raised, recorded) == seconds(at(500))
    assert event_time(tick, seconds(at(900))) == seconds(at(500))
    log = Log()
    for event in (tick, raised):
        log.put(ONLY, encode_event(event), recorded)
    decoded = Decoder(lambda team: 0).decode(Batch(ONLY, 0, 2, log.records[ONLY]))
    assert [moved for _, moved, _ in decoded.events] == [recorded, seconds(at(500))]
    assert decoded.ticks == [(seconds(at(500)), recorded)]


@pytest.mark.parametrize(
    ("ahead", "named"), [(601.0, None), (20 * HOUR, None), (23 * HOUR, "1 day"), (30 * 24 * HOUR, "30 days")]
)
def test_an_event_a_day_ahead_names_a_clock(ahead: float, named: str | None) -> None:
    """`beyond_skew` of minutes is a late record; of a day or more it is a clock."""
    with pytest.raises(BadRecord) as bad:
        event_time(Tick(at(ahead)), seconds(START))
    assert bad.value.reason == "beyond_skew"
    assert (f"a clock is about {named} wrong" in bad.value.detail) if named else ("clock" not in bad.value.detail)


def shown_times(rig: Rig) -> dict[str, float]:
    """`history_time_seconds` by partition."""
    (family,) = rig.metrics.history_time.collect()
    return {sample.labels["partition"]: sample.value for sample in family.samples}


@pytest.mark.parametrize("every", [60.0, 0.0])
def test_a_quiet_partition_has_come_to_now_where_ticks_are_on(every: float) -> None:
    """Nothing is due in it, so nothing waits to mature; without ticks event time is a replay's and stands still."""
    log = Log(2)
    quiet = next(f"team-{n}" for n in range(50) if log._choose(f"team-{n}") == 0)
    busy = next(f"team-{n}" for n in range(50) if log._choose(f"team-{n}") == 1)
    log.append(Raised(START, "A", quiet, "r", "e"))
    log.append(Acted(at(60), "A", quiet, "a-1", "worked"))
    rig = Rig(log, PROBLEM, MemoryHistory(), make_settings(tick_seconds=every))
    rig.now = seconds(at(70))
    rig.run()
    last = shown_times(rig)["0"]
    assert last in (seconds(at(60)), rig.now)
    for day in range(1, 4):
        rig.now = seconds(at(day * 24 * HOUR))
        log.append(Raised(at(day * 24 * HOUR - 5), f"B{day}", busy, "r", "e"))
        rig.run()
        if every:  # the cohort of the first day matures by ticks; then nothing is left to wait for
            while append_ticks_of_all(rig):
                rig.now += every + 1.0
                rig.run()
    times = shown_times(rig)
    assert (times["0"] > seconds(at(3 * 24 * HOUR - 1))) is bool(every)
    assert every or times["0"] == last


def append_ticks_of_all(rig: Rig) -> int:
    """Put the ticks that were published into the partitions they are for."""
    ticks = [output for output in rig.publisher.outputs if output.topic == TOPIC]
    rig.publisher.outputs = [output for output in rig.publisher.outputs if output.topic != TOPIC]
    for tick in ticks:
        part = next(part for part in rig.log.records if part.partition == tick.partition)
        rig.log.put(part, tick.value, rig.now)
    return len(ticks)


def test_the_time_shown_never_goes_back() -> None:
    """A late batch after a quiet time does not unmature what has matured."""
    rig = Rig(log_of([Acted(at(0), "ghost", "team", "g", "commented")]), PROBLEM, MemoryHistory(), TICKING)
    rig.now = seconds(at(30 * 60))
    rig.run()
    while append_ticks_of_all(rig):
        rig.now += 61.0
        rig.run()
    before = shown_times(rig)["0"]
    rig.log.append(Raised(at(29 * 60), "A", "team", "r", "e"))
    rig.run()
    assert shown_times(rig)["0"] >= before
