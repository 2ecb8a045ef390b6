"""The loop on a source in memory: rebalances, lost seeks, gaps, failing calls, quiet times, in milliseconds."""

import asyncio
import random
from collections.abc import Callable

import pytest

from stream.core.errors import BrokerError, HistoryRefused
from stream.kafka.records import Part
from stream.lane.engine import Engine
from stream.lane.loop import Loop, Pauses
from stream.metrics.lane import LaneMetrics
from tests.async_waits import until
from tests.lane.bench import ONE, OTHER, OTHERS, TWO, Bench, run
from tests.lane.room import FencedRoom
from tests.scorer.rig import MemoryPublisher


def test_what_is_fetched_is_written_once_in_order_and_committed() -> None:
    """Records that are there at the start and records that come later; what was written at the end is committed."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 10)
        bench.source.assign(ONE, TWO)
        async with bench.running():
            await bench.until_written(ONE, 10)
            bench.source.append(ONE, 5)
            bench.source.append(TWO, 3)
            await bench.until_written(TWO, 3)
            await bench.until_written(ONE, 15)
        assert bench.room.written == {ONE: list(range(15)), TWO: list(range(3))}
        assert bench.source.committed == {ONE: 15, TWO: 3}

    run(scenario())


def test_partitions_of_several_topics_are_one_assignment_one_step_and_one_commit() -> None:
    """Bounds, positions, batches and offsets are kept apart by topic, though the partition's number is the same."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 4)
        bench.source.append(OTHER, 6)
        bench.source.assign(ONE, OTHER)
        async with bench.running():
            await bench.until_written(OTHER, 6)
            await bench.until_written(ONE, 4)
        assert sorted(bench.room.rounds[0]) == [OTHER, ONE]
        assert bench.room.written == {ONE: list(range(4)), OTHER: list(range(6))}
        assert bench.source.committed == {ONE: 4, OTHER: 6}
        (bounds,) = bench.room.assignments
        assert {part: (known.end, known.partitions) for part, known in bounds.items()} == {ONE: (4, 2), OTHER: (6, 1)}

    run(scenario())


def test_a_rebalance_in_the_middle_of_a_fetch_loses_and_doubles_nothing() -> None:
    """What that fetch brought is dropped, and sought again."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 3)
        bench.source.assign(ONE)
        async with bench.running():
            await bench.until_written(ONE, 3)

            def rebalance() -> None:
                bench.source.on_fetch = lambda: None
                bench.source.assign(ONE, TWO)

            bench.source.on_fetch = rebalance
            bench.source.append(ONE, 4)
            await bench.until_written(ONE, 7)
        assert bench.room.written == {ONE: list(range(7))}
        assert [sorted(known) for known in bench.room.assignments] == [[ONE], [ONE, TWO]]

    run(scenario())


def test_a_rebalance_in_the_middle_of_a_step_loses_and_doubles_nothing() -> None:
    """The step is finished and written behind the fence; the new assignment begins after it."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.assign(ONE, TWO)
        async with bench.running():
            await until(lambda: bench.loop.assigned)
            bench.room.process_gate.clear()
            bench.source.append(ONE, 5)
            await until(bench.room.in_process.is_set)
            bench.source.revoke()
            bench.source.append(ONE, 5)
            bench.source.assign(ONE)
            bench.room.open()
            await bench.until_written(ONE, 10)
        assert bench.room.written == {ONE: list(range(10))}
        assert [sorted(known) for known in bench.room.assignments] == [[ONE, TWO], [ONE]]

    run(scenario())


def test_a_rebalance_between_two_steps_drops_what_still_waits() -> None:
    """Fetched records of a partition that another worker has now are not worked on."""

    async def scenario() -> None:
        bench = Bench(max_records=5)
        bench.source.append(ONE, 50)
        bench.source.assign(ONE)
        bench.room.process_gate.clear()
        async with bench.running():
            await until(bench.room.in_process.is_set)
            bench.source.assign(TWO)
            bench.room.open()
            bench.source.append(TWO, 2)
            await bench.until_written(TWO, 2)
        assert bench.room.written[ONE] == list(range(5))
        assert ONE not in bench.source.committed  # it is no longer ours to commit

    run(scenario())


def test_a_rebalance_while_an_assignment_is_taken_begins_it_anew() -> None:
    """No seek of an assignment that has passed; records come from the one that is there."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(TWO, 3)
        bench.source.assign(ONE)

        def rebalance() -> None:
            bench.source.on_bounds = lambda: None
            bench.source.assign(TWO)

        bench.source.on_bounds = rebalance
        async with bench.running():
            await bench.until_written(TWO, 3)
        assert bench.source.seeks == [(TWO, 0)]

    run(scenario())


@pytest.mark.parametrize("committed", [0, 6])
def test_a_lost_seek_is_sought_again(committed: int) -> None:
    """Whether the fetch then begins before the history's position or after it: each record is written once."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 10)
        bench.source.committed[ONE] = committed
        bench.room.positions[ONE] = 4
        bench.source.lost_seeks = 1
        bench.source.assign(ONE)
        async with bench.running():
            await bench.until_written(ONE, 6)
        assert bench.room.written[ONE] == [4, 5, 6, 7, 8, 9]
        assert bench.source.seeks[:2] == [(ONE, 4), (ONE, 4)]

    run(scenario())


def test_a_marker_between_records_is_looked_at_once_and_passed() -> None:
    """Kafka still has the records around it: one look at where the partition begins, no new assignment."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 3)
        bench.source.assign(ONE, OTHER)
        async with bench.running():
            await bench.until_written(ONE, 3)
            bench.source.append(ONE, 3, gap=1)
            await bench.until_written(ONE, 6)
        assert bench.room.written[ONE] == [0, 1, 2, 4, 5, 6]
        assert bench.source.gap_looks == [[ONE]]
        assert len(bench.room.assignments) == 1

    run(scenario())


def test_records_that_were_deleted_under_a_worker_are_not_skipped() -> None:
    """The gap is not sound, everything is assigned anew, and the room refuses to go on."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 3)
        bench.source.assign(ONE)
        with pytest.raises(HistoryRefused, match="are gone"):
            async with bench.running() as task:
                await bench.until_written(ONE, 3)
                bench.source.append(ONE, 5)
                bench.source.delete(ONE, before=6)
                await until(task.done)
        assert bench.room.written[ONE] == [0, 1, 2]

    run(scenario())


def test_a_gap_that_nobody_can_look_at_is_assigned_anew() -> None:
    """No answer is no permission to skip; the second look finds it there again."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 3)
        bench.source.assign(ONE)
        async with bench.running():
            await bench.until_written(ONE, 3)
            bench.source.bounds_faults = [BrokerError("no answer")]
            bench.source.append(ONE, 3, gap=2)
            await bench.until_written(ONE, 6)
        assert bench.room.written[ONE] == [0, 1, 2, 5, 6, 7]
        assert len(bench.room.assignments) == 2

    run(scenario())


def test_bounds_and_seeks_that_fail_are_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is assigned until they are answered, and the log says why."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 3)
        bench.source.bounds_faults = [BrokerError("the coordinator moves") for _ in range(3)]
        bench.source.seek_faults = [BrokerError("not assigned")]
        bench.source.assign(ONE)
        async with bench.running():
            assert not bench.loop.assigned
            await bench.until_written(ONE, 3)
        assert bench.room.written[ONE] == [0, 1, 2]
        assert len(bench.room.assignments) == 2

    run(scenario())
    said = [record.getMessage() for record in caplog.records]
    assert said.count("the assignment could not be taken yet: the coordinator moves") == 3
    assert said.count("the positions could not be sought yet: not assigned") == 1


def test_a_commit_that_fails_or_hangs_stops_no_work(caplog: pytest.LogCaptureFixture) -> None:
    """One commit at a time; the next one makes up for it, and the end waits no longer than it has to."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.commit_faults = [BrokerError("the group rebalances")]
        bench.source.append(ONE, 3)
        bench.source.assign(ONE)
        async with bench.running():
            await until(lambda: len(bench.source.commits) == 1)
            bench.source.append(ONE, 2)
            await until(lambda: bench.source.committed == {ONE: 5})
            bench.source.commit_gate.clear()
            for number in range(5):
                bench.source.append(ONE)
                await bench.until_written(ONE, 6 + number)
            await until(lambda: len(bench.source.commits) == 3)
        assert len(bench.source.commits) == 3
        bench.source.commit_gate.set()

    run(scenario())
    assert [r.getMessage() for r in caplog.records] == ["offsets were not committed: the group rebalances"]


def test_a_hanging_last_commit_delays_the_end_by_its_pause_only() -> None:
    """Committed offsets are for monitors; nobody waits for long for them."""

    async def scenario() -> None:
        bench = Bench(pauses=Pauses(fetch=0.002, look=60.0, commit=0.05))
        bench.source.append(ONE, 3)
        bench.source.assign(ONE)
        bench.source.commit_gate.clear()
        async with bench.running():
            await bench.until_written(ONE, 3)
        assert bench.source.commits == [{ONE: 3}]
        assert not bench.loop.unfinished

    run(scenario())


def test_a_conflict_at_the_fence_is_assigned_anew() -> None:
    """Another worker wrote meanwhile: what was processed is dropped, and the loop goes on where the history stands."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.assign(ONE)
        async with bench.running():
            await until(lambda: bench.loop.assigned)
            bench.room.positions[ONE] = 4  # the other worker
            bench.source.append(ONE, 10)
            await bench.until_written(ONE, 6)
        assert bench.room.written[ONE] == [4, 5, 6, 7, 8, 9]
        assert bench.source.committed == {ONE: 10}

    run(scenario())


def test_each_topic_is_held_against_what_it_was() -> None:
    """A second topic that grew between two assignments is refused by its own name."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.assign(ONE, OTHER)
        with pytest.raises(HistoryRefused, match=r"alerts\.enriched had 1 partitions and has 3"):
            async with bench.running() as task:
                await until(lambda: bench.loop.assigned)
                bench.source.topics[OTHERS].partitions = 3
                bench.source.assign(ONE, OTHER)
                await until(task.done)

    run(scenario())


def test_a_quiet_partition_beside_a_busy_one_has_its_idle_time() -> None:
    """The room is called for the partitions that are caught up, also while another one never is."""

    async def scenario() -> None:
        bench = Bench(max_records=5)
        bench.source.append(ONE, 2_000)
        bench.source.max_records = 50
        bench.source.assign(ONE, TWO)
        async with bench.running():
            await bench.until_written(ONE, 2_000)
            assert any(parts == [TWO] for parts in bench.room.idles)
            await until(lambda: bench.room.idles[-1] == [ONE, TWO] and not bench.loop.waiting)

    run(scenario())


def test_the_lag_counts_what_waits_in_kafka_and_in_the_engine() -> None:
    """Of each partition; markers that the client has passed by do not count."""

    async def scenario() -> None:
        bench = Bench(max_records=5)
        bench.source.append(ONE, 20)
        bench.source.assign(ONE, TWO)
        bench.room.process_gate.clear()
        async with bench.running():
            await until(bench.room.in_process.is_set)
            assert bench.loop.waiting
            bench.source.append(ONE, 7)
            bench.room.open()
            await bench.until_written(ONE, 27)
            lag = bench.metrics.registry.get_sample_value
            await until(lambda: lag("noisegate_lag_records", {"topic": ONE.topic, "partition": "0"}) == 0)
            assert lag("noisegate_lag_records", {"topic": TWO.topic, "partition": "1"}) == 0

    run(scenario())


@pytest.mark.parametrize(("waiting", "age"), [(False, 0.0), (True, 300.0)])
def test_progress_is_of_the_last_batch_while_records_wait(waiting: bool, age: float) -> None:
    """Else the alert on no progress could never ring in its own case; while nothing waits there is nothing to miss."""
    now, wall = 1_000.0, 2_000_000_000.0
    metrics = LaneMetrics()
    engine = Engine(FencedRoom(), MemoryPublisher(), metrics, 1, 1, 1.0, 1.0, clock=lambda: now)
    loop = Loop(engine, metrics, 1.0, clock=lambda: now, wall=lambda: wall)
    loop.waiting = waiting
    now += 300.0
    loop.show_progress()
    assert metrics.registry.get_sample_value("noisegate_progress_timestamp_seconds") == wall - age
    loop.close()


def test_time_without_kafka_is_no_stall() -> None:
    """While records wait, the last batch counts, else the last turn; and neither from before Kafka was back."""
    now = 1_000.0
    engine = Engine(FencedRoom(), MemoryPublisher(), LaneMetrics(), 1, 1, 1.0, 1.0, clock=lambda: now)
    loop = Loop(engine, LaneMetrics(), 1.0, clock=lambda: now)
    now = 1_500.0
    loop.turned_at = 1_490.0
    assert loop.stalled_for(since=0.0) == 10.0
    loop.waiting = True
    assert loop.stalled_for(since=0.0) == 500.0
    assert loop.stalled_for(since=1_450.0) == 50.0
    assert loop.stalled_for(since=1_495.0) == 5.0
    loop.close()


def test_what_the_fetch_beside_a_step_has_brought_still_waits() -> None:
    """A partition whose records are fetched and not worked on is not caught up."""

    async def scenario() -> None:
        bench = Bench(pauses=Pauses(fetch=0.002, look=0.0))
        bench.source.append(ONE, 1)
        bench.source.assign(ONE)
        bench.room.process_gate.clear()
        async with bench.running():
            await until(bench.room.in_process.is_set)
            bench.source.append(ONE, 9)
            await until(lambda: bench.source.highwater(ONE) == (10, 10))
            bench.room.open()
            await bench.until_written(ONE, 10)
        assert bench.room.idles[0] == []

    run(scenario())


class Chaos:
    """Things that happen to a loop, by a seed, and what has to be written in the end."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.chance = random.Random(seed)
        self.expected: dict[Part, list[int]] = {ONE: [], TWO: [], OTHER: []}

    def happen(self) -> None:
        """One thing, of any kind."""
        source = self.bench.source
        actions: list[Callable[[], object]] = [
            self.append,
            self.append,
            self.append,
            self.rebalance,
            self.write_elsewhere,
            source.revoke,
            lambda: setattr(source, "lost_seeks", 1),
            lambda: source.bounds_faults.append(BrokerError("no answer")),
            lambda: source.seek_faults.append(BrokerError("not assigned")),
            lambda: source.commit_faults.append(BrokerError("the group rebalances")),
        ]
        self.chance.choice(actions)()

    def append(self, part: Part | None = None) -> None:
        """Records, sometimes after a gap."""
        part = part or self.chance.choice(list(self.expected))
        start = self.bench.source.topics[part.topic].end(part.partition)
        count, gap = self.chance.randint(1, 30), self.chance.choice([0, 0, 0, 1, 5])
        self.bench.source.append(part, count, gap)
        self.expected[part] += range(start + gap, start + gap + count)

    def rebalance(self) -> None:
        """Any partitions, or none."""
        self.bench.source.assign(*self.chance.sample(list(self.expected), self.chance.randint(0, 3)))

    def write_elsewhere(self) -> None:
        """Another worker is a record ahead, where there is one."""
        part = self.chance.choice(list(self.expected))
        position = self.bench.room.positions.get(part, 0)
        following = [offset for offset in self.expected[part] if offset >= position]
        for offset in following[:1]:
            self.bench.room.write_elsewhere(part, offset)

    def done(self) -> bool:
        """Whether all that can be read is written, once and in order."""
        return all(self.bench.room.written.get(part, []) == offsets for part, offsets in self.expected.items())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_each_record_is_written_once_in_order(seed: int) -> None:
    """Records, gaps, rebalances, lost seeks, failing calls and conflicts in any order, on two topics."""

    async def scenario() -> None:
        bench = Bench(max_records=7)
        bench.source.max_records = 20
        chaos = Chaos(bench, seed)
        async with bench.running():
            for _ in range(150):
                chaos.happen()
                await asyncio.sleep(chaos.chance.choice([0.0, 0.0, 0.001, 0.003]))
            bench.source.commit_faults.clear()
            bench.source.assign(*chaos.expected)
            for part in chaos.expected:
                chaos.append(part)
            await until(chaos.done)
        assert bench.source.committed == bench.room.positions

    run(scenario())
