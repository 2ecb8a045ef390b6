"""The room: where it begins, what it refuses, and what it does while Redis is away or lost its state."""

import copy

import pytest

from stream.closer.lost_suppressions import Lost
from stream.closer.outbox import PREFIX
from stream.closer.situation import Orders
from stream.closer.state import decode_meta
from stream.core.errors import HistoryRefused, RulesError
from stream.core.suppressions import suppression_of
from stream.kafka.records import Part
from stream.lane.fence import ServerStatus
from stream.rule_state import Undo
from tests.closer.rig import TOPIC, Worker, World
from tests.core.outcomes import T0, enriched
from tests.core.test_decisions import NAME, decided, situation

PART = Part(TOPIC, 0)


def world_of(alerts: int = 0) -> World:
    """One partition, with some alerts that a rule pauses."""
    world = World(partitions=1)
    for number in range(alerts):
        write(world, number)
    return world


def write(world: World, number: int) -> None:
    """Raise an alert now."""
    record = enriched(f"A{number}", world.now, offset=f"alerts.events/0/{number}", episode=f"e{number}")
    world.write(PART, record)


def decisions(world: World) -> list[tuple[str, str]]:
    """What was published, in order."""
    return [(one.alert_id, one.decision) for sent in world.sent for one in sent.outgoing.decisions]


def shown(worker: Worker, name: str, **labels: str) -> float | None:
    """A value on /metrics."""
    return worker.metrics.registry.get_sample_value(f"noisegate_{name}", labels)


def test_a_first_start_begins_at_the_end() -> None:
    """What was raised before there was a closer is none of its business."""
    world = world_of(3)
    bounds = world.bounds([PART])
    worker = Worker(world, [])
    assert worker.room.assign(bounds) == {PART: 3}


@pytest.mark.expects_errors
def test_a_group_without_state_goes_on_where_it_was_and_takes_up_what_was_suppressed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Redis was emptied: alerts that decisions tell of come back in their time, and no other is acted on again."""
    world = world_of(2)
    world.committed[PART] = 1
    alert = enriched("lost")
    one = suppression_of(decided(alert, situation()), alert.alert.severity)
    assert one is not None
    world.lost = Lost([(one, alert.alert)], {("payments", "A1"): T0})
    worker = Worker(world, [PART])
    assert worker.positions == {PART: 1}
    assert "is gone from Redis" in caplog.text
    world.now += 700.0
    worker.finish()
    assert decisions(world) == [("lost", "release")]  # A1 was paused and back before
    caplog.clear()
    Worker(world, [PART])
    assert caplog.text == ""


@pytest.mark.expects_errors
def test_a_part_that_is_missing_is_taken_up_from_decisions() -> None:
    """An eviction took it: what it kept comes back, and what else there is stays."""
    world = world_of()
    worker = Worker(world, [PART])
    write(world, 0)
    worker.step()
    worker.settle()
    key = next(name for name in world.fence.keys if ":s:alert:" in name)
    del world.fence.keys[key]
    found = worker.world.store.load(PART)
    assert found.missing == ["alert:payments\0A0"]
    one = suppression_of(decided(alert := enriched("A0"), situation()), alert.alert.severity)
    assert one is not None
    world.lost = Lost([(one, alert.alert)])
    second = Worker(world, [PART])
    world.now += 700.0
    second.finish()
    assert ("A0", "release") in decisions(world)


def test_a_redis_that_would_evict_is_refused_at_the_start() -> None:
    """State that may vanish is none; the sentence says how to mend it."""
    world = world_of()
    world.fence.server = ServerStatus("run-1", policy="allkeys-lru")
    with pytest.raises(HistoryRefused, match="allkeys-lru"):
        Worker(world, [PART])


@pytest.mark.expects_errors
def test_a_start_is_checked_before_anything_is_claimed() -> None:
    """What refuses it ends the closer; while nobody can tell it waits, and once it began it is not checked again."""
    world = world_of()

    def refuse() -> None:
        raise HistoryRefused("closer_salt has changed", "set it back")

    world.check_start = refuse
    with pytest.raises(HistoryRefused, match="closer_salt"):
        Worker(world, [PART])
    assert world.fence.keys == {}

    def wait() -> None:
        raise RulesError("Redis does not answer")

    world.check_start = wait
    worker = Worker(world, [PART])
    assert worker.room.ready_faults == ["nothing is decided: Redis does not answer"]
    world.check_start = lambda: None
    worker.assign([PART])
    assert worker.room.ready_faults == []
    world.check_start = refuse
    worker.assign([PART])


@pytest.mark.expects_errors
def test_while_redis_is_away_records_wait_and_nothing_is_lost() -> None:
    """Away at the start, away in between: what is not written is decided when it is back."""
    world = world_of()
    worker = Worker(world, [PART])
    world.fence.away = True
    write(world, 0)
    for _ in range(3):
        worker.step()
        worker.idle()
    assert worker.room.ready_faults == ["nothing is decided: the server is away"]
    later = Worker(world, [PART])
    later.step()
    assert decisions(world) == []
    world.fence.away = False
    third = Worker(world, [PART])
    third.finish()
    assert (decisions(world), third.room.ready_faults) == ([("A0", "pause")], [])


@pytest.mark.expects_errors
def test_a_room_finds_a_redis_that_is_back_by_itself() -> None:
    """It asks now and then, and has everything assigned anew."""
    world = world_of()
    worker = Worker(world, [PART])
    world.fence.away = True
    write(world, 0)
    worker.step()
    worker.settle()
    world.fence.away = False
    assert (worker.room.wants_assign, worker.room.holds(PART)) == (False, False)
    world.passed += 1.0
    worker.idle()
    worker.finish()
    assert worker.room.holds(PART)
    assert decisions(world) == [("A0", "pause")]


def test_dead_letters_name_where_they_come_from() -> None:
    """What can't be read goes to the topic of failed records, and the rest is decided."""
    world = world_of()
    worker = Worker(world, [PART])
    world.write(PART, b"{")
    write(world, 1)
    worker.finish()
    assert (worker.failed, decisions(world)) == ([b"{"], [("A1", "pause")])
    assert shown(worker, "records_failed_total", reason="not_json") == 1.0


def test_an_entry_stays_in_the_outbox_until_it_is_done() -> None:
    """Published is not done: the next worker publishes it again, as it was, under its name."""
    world = world_of()
    worker = Worker(world, [PART])
    write(world, 0)
    worker.step()
    worker.settle()
    worker.dispatcher.publish()
    second = Worker(world, [PART])
    second.dispatcher.publish()
    assert len(world.sent) == 2
    assert world.sent[0] == world.sent[1]
    assert second.outbox.measure()[0] == 1
    second.dispatcher.finish()
    second.idle()
    assert [name for name in world.store.load(PART).parts if name.startswith(PREFIX)] == []


def test_what_another_worker_was_ahead_of_does_not_leave() -> None:
    """A zombie folds and decides, and its write is refused: nobody hears of it, and it takes everything anew."""
    world = world_of()
    zombie = Worker(world, [PART])
    write(world, 0)
    zombie.step()
    world.now += 30.0
    owner = Worker(world, [PART])
    owner.step()
    owner.settle()
    assert not zombie.settle()
    assert zombie.room.wants_assign
    zombie.dispatcher.finish_all()
    assert decisions(world) == []
    owner.dispatcher.finish_all()
    assert decisions(world) == [("A0", "pause")]
    assert shown(zombie, "fence_conflicts_total") == 1.0
    assert shown(zombie, "decisions_total", rule="other", decision="pause") is None


def test_metrics_count_what_is_written() -> None:
    """Decisions by rule, what is suppressed now, and the outbox."""
    world = world_of()
    worker = Worker(world, [PART])
    worker.metrics.keep_rules([NAME])
    write(world, 0)
    write(world, 1)
    worker.step()
    worker.idle()
    assert shown(worker, "decisions_total", rule=NAME, decision="pause") == 2.0
    assert shown(worker, "suppressed", decision="pause") == 2.0
    assert shown(worker, "outbox_entries") == 1.0
    world.now += 700.0
    worker.idle()
    assert shown(worker, "suppressed", decision="pause") == 0.0


def test_an_undo_is_carried_out_while_nothing_comes() -> None:
    """And its line goes to the log once it is written."""
    world = world_of()
    worker = Worker(world, [PART])
    write(world, 0)
    worker.step()
    worker.settle()
    world.around.orders = Orders(undos=[Undo(id="u", rule=NAME, since=T0, by="ann", at=world.now)])
    worker.idle()
    worker.dispatcher.finish_all()
    assert decisions(world) == [("A0", "pause"), ("A0", "release")]
    assert [change.what for notes in world.notes for change in notes.changes] == ["undone"]


def test_a_record_of_the_far_future_does_not_end_pauses() -> None:
    """A producer's wrong clock moves the room's by the skew at most."""
    world = world_of()
    worker = Worker(world, [PART])
    write(world, 0)
    now, world.now = world.now, world.now + 400.0 * 86_400.0
    world.write(PART, b"{}")
    world.now = now
    worker.step()
    worker.settle()
    worker.dispatcher.finish_all()
    assert decisions(world) == [("A0", "blocked")]
    write(world, 2)
    worker.step()
    worker.settle()
    meta = decode_meta(PART, world.store.metas([PART])[PART])
    assert meta is not None
    assert meta.clock == now + 600.0


@pytest.mark.expects_errors
@pytest.mark.parametrize("same_worker", [True, False])
def test_a_redis_that_went_back_has_no_alert_acted_on_twice(same_worker: bool) -> None:
    """A replica that lacked the last writes took over: decisions tell what was done, under entries of new names."""
    world = world_of()
    worker = Worker(world, [PART])
    write(world, 0)
    worker.step()
    worker.settle()
    before = copy.deepcopy(world.fence.keys)
    world.now += 1.0
    write(world, 1)
    worker.step()
    worker.settle()
    worker.dispatcher.finish_all()
    names = {one.name for one in world.sent}
    world.fence.keys = before
    one = suppression_of(decided(alert := enriched("A1"), situation()), alert.alert.severity)
    assert one is not None
    world.lost = Lost([(one, alert.alert)])
    if same_worker:
        worker.assign([PART])
    else:
        world.committed[PART] = 2
        worker = Worker(world, [PART])
    assert worker.positions == {PART: 1}
    world.sent.clear()
    write(world, 2)
    worker.step()
    worker.settle()
    worker.dispatcher.finish_all()
    assert ("A1", "pause") not in decisions(world)
    assert ("A2", "pause") in decisions(world)
    assert world.sent[-1].name not in names
    world.now += 700.0
    worker.finish()
    assert {("A1", "release"), ("A2", "release")} <= set(decisions(world))
