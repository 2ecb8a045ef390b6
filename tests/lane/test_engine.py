"""The engine's bounds and order, with a room that only notes what it is given."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from threading import Event
from typing import Any
from weakref import WeakSet

import pytest

from stream.core.errors import BrokerError
from stream.kafka.records import Output, Part, Record
from stream.lane.batch import Batch, Bounds, Work
from stream.lane.engine import Engine, StepResult
from stream.metrics.lane import LaneMetrics
from tests.scorer.rig import LogRecord, MemoryPublisher

ONE, TWO = Part("t", 0), Part("t", 1)


class NotingRoom:
    """A room that publishes one output a record."""

    def __init__(self) -> None:
        self.wants_assign = False
        self.batches: list[Batch] = []
        self.stored_ends: list[dict[Part, int]] = []
        self.prepare_seconds = 0.0
        self.takes: int | None = None
        self.hold: Event | None = None

    def assign(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """From the beginning."""
        self.wants_assign = False
        return dict.fromkeys(bounds, 0)

    def process(self, batches: Sequence[Batch]) -> Work:
        """Note, and take as long as told."""
        time.sleep(self.prepare_seconds)
        taken = [self._some_of(batch) for batch in batches]
        self.batches += taken
        outputs = [Output("out", None, record.value or b"") for batch in taken for record in batch.records]
        return Work(outputs, {batch.part: batch.end for batch in taken}, kept=True)

    def _some_of(self, batch: Batch) -> Batch:
        """The first records of a batch, as many as the room takes at once."""
        if self.takes is None or len(batch.records) <= self.takes:
            return batch
        return Batch(batch.part, batch.start, batch.records[self.takes].offset, batch.records[: self.takes])

    def snapshot(self, work: Work) -> None:
        """Nothing to freeze."""

    def commit(self, work: Work) -> Any:
        """Wait if told, then note what is written."""
        if self.hold is not None:
            assert self.hold.wait(60)
        self.stored_ends.append(work.ends)
        return None

    def on_committed(self, work: Work, answer: Any) -> bool:
        """It always is."""
        return True

    def idle(self, caught_up: Sequence[Part], now: float) -> list[Output]:
        """Nothing is due."""
        return []


ENGINES: "WeakSet[Engine]" = WeakSet()


@pytest.fixture(autouse=True)
def closed_engines() -> Iterator[None]:
    """End the threads of the engines that a test made."""
    yield
    for engine in list(ENGINES):
        engine.close()


def assigned(
    room: NotingRoom, publisher: MemoryPublisher, limits: tuple[int, int, float] = (100, 10_000, 60.0)
) -> Engine:
    """An engine on two partitions, assigned."""
    engine = Engine(room, publisher, LaneMetrics(), *limits, 1.0)
    ENGINES.add(engine)
    bounds = Bounds(None, 0, None, "id", 2)
    engine.assign({ONE: bounds, TWO: bounds})
    return engine


def make(max_records: int = 100, max_bytes: int = 10_000, seconds: float = 60.0) -> tuple[Engine, NotingRoom]:
    """An engine on two partitions, assigned, and its room."""
    room = NotingRoom()
    return assigned(room, MemoryPublisher(), (max_records, max_bytes, seconds)), room


def records(start: int, stop: int, size: int = 10) -> list[LogRecord]:
    """Records of one partition."""
    return [LogRecord(offset, 0, None, b"x" * size) for offset in range(start, stop)]


def work(engine: Engine, fetched: Mapping[Part, Sequence[Record]]) -> StepResult:
    """Step until nothing of what was fetched waits."""
    result = engine.step(fetched)
    while result.more:
        result = engine.step({})
    return result


def test_a_batch_holds_at_most_its_records_over_all_partitions() -> None:
    """What was fetched is cut, and nothing is left out or swapped."""
    engine, room = make(max_records=10)
    work(engine, {ONE: records(0, 33), TWO: records(0, 4)})
    for part, count in ((ONE, 33), (TWO, 4)):
        offsets = [record.offset for batch in room.batches if batch.part == part for record in batch.records]
        assert offsets == list(range(count))
    assert max(len(batch.records) for batch in room.batches) <= 10
    assert engine.positions == {ONE: 33, TWO: 4}


def test_a_batch_holds_at_most_its_bytes_but_always_one_record() -> None:
    """A huge record goes alone, others go together up to the bound."""
    engine, room = make(max_bytes=1_000)
    work(engine, {ONE: [*records(0, 3, 400), *records(3, 4, 50_000), *records(4, 6, 400)]})
    assert [sum(len(r.value or b"") for r in batch.records) for batch in room.batches] == [800, 400, 50_000, 800]


def test_batches_shrink_while_they_take_too_long() -> None:
    """Time bounds a batch as well: the next ones are half as long."""
    engine, room = make(max_records=400, seconds=0.01)
    room.prepare_seconds = 0.02
    work(engine, {ONE: records(0, 1_000, 1)})
    assert [len(batch.records) for batch in room.batches[:4]] == [400, 200, 100, 50]


def test_the_next_batch_is_prepared_while_the_last_one_is_being_written() -> None:
    """Waiting for the broker and Redis overlaps work; it is joined before the next publication."""
    engine, room = make()
    room.hold = Event()
    engine.step({ONE: records(0, 5)})
    assert (len(room.batches), room.stored_ends) == (1, [])
    room.hold.set()
    engine.step({ONE: records(5, 9)})
    assert engine.settle().commits == {ONE: 9}
    assert room.stored_ends == [{ONE: 5}, {ONE: 9}]


def test_a_fetch_that_does_not_continue_is_not_worked_on() -> None:
    """Offsets from before the position ask for a new assignment; a log that stays cut ends the worker in a sentence."""
    engine, room = make()
    engine.step({ONE: records(0, 5)})
    assert engine.step({ONE: records(2, 7)}).reassign
    assert len(room.batches) == 1
    with pytest.raises(BrokerError, match="history rebuild"):
        for _ in range(100):
            engine.step({ONE: records(2, 7)})


def test_a_step_is_one_batch_and_the_rest_waits() -> None:
    """Between two batches the caller sees signals, a rebalance and the watchdog's clock."""
    engine, room = make(max_records=10)
    result = engine.step({ONE: records(0, 25)})
    assert (len(room.batches), result.more, engine.waiting(ONE)) == (1, True, 15)
    progressed = engine.progressed_at
    assert engine.step({}).more
    assert engine.progressed_at > progressed
    assert not engine.step({}).more
    assert engine.positions[ONE] == 25


def test_what_waits_is_forgotten_at_an_assignment() -> None:
    """Another worker may have it by then; what is still ours is fetched again."""
    engine, room = make(max_records=10)
    engine.step({ONE: records(0, 25)})
    engine.assign({ONE: Bounds(None, 0, None, "id", 2)})
    assert engine.waiting(ONE) == 0
    work(engine, {ONE: records(0, 25)})
    assert [batch.start for batch in room.batches] == [0, 0, 10, 20]


def test_a_room_may_leave_records_for_the_next_step() -> None:
    """They come again first, in order, and the position stands before them."""
    engine, room = make(max_records=10)
    room.takes = 3
    assert engine.step({ONE: records(0, 8)}).more
    assert (engine.positions[ONE], engine.waiting(ONE)) == (3, 5)
    work(engine, {})
    assert [(batch.start, batch.end) for batch in room.batches] == [(0, 3), (3, 6), (6, 8)]
    assert engine.settle().commits == {ONE: 8}


@pytest.mark.parametrize("first", [1, 9])
def test_a_gap_on_the_first_fetch_is_believed_when_it_is_there_after_a_seek_too(first: int) -> None:
    """It may be a seek that was lost, however narrow it is."""
    engine, room = make()
    assert engine.gaps({ONE: records(first, 10)}) == []
    assert engine.step({ONE: records(first, 10)}).reassign
    assert room.batches == []
    assert not engine.step({ONE: records(first, 10)}).reassign
    assert [(batch.start, batch.end) for batch in room.batches] == [(0, 10)]


def test_a_gap_is_not_believed_for_another_one() -> None:
    """Two fetches that begin at different records beyond the position are two lost seeks, or one and a gap."""
    engine, room = make()
    assert engine.step({ONE: records(5, 10)}).reassign
    assert engine.step({ONE: records(10, 15)}).reassign
    assert engine.step({ONE: records(3, 10)}).reassign
    assert room.batches == []
    assert not engine.step({ONE: records(3, 10)}).reassign
    assert [(batch.start, batch.end) for batch in room.batches] == [(0, 10)]


def test_a_gap_that_was_none_is_forgotten() -> None:
    """Once a fetch goes on where the partition stands, a later gap there is looked at anew."""
    engine, _ = make()
    assert engine.step({ONE: records(3, 5)}).reassign
    engine.assign({ONE: Bounds(None, 0, None, "id", 2)})
    engine.step({ONE: records(0, 2)})
    engine.assign({ONE: Bounds(None, 0, None, "id", 2)})
    assert engine.step({ONE: records(3, 5)}).reassign


def test_gaps_of_two_partitions_are_believed_in_turn() -> None:
    """What was seen of the one outlives the new assignment that the other one asks for."""
    engine, room = make()
    bounds = Bounds(None, 0, None, "id", 2)
    first_looks: list[dict[Part, list[LogRecord]]] = [{ONE: records(1, 3)}, {ONE: records(1, 3), TWO: records(2, 4)}]
    for fetched in first_looks:
        assert engine.step(fetched).reassign
        engine.assign({ONE: bounds, TWO: bounds})
    assert not engine.step(first_looks[1]).reassign
    assert [(batch.part, batch.end) for batch in room.batches] == [(ONE, 3), (TWO, 4)]


def test_a_later_gap_is_looked_at_before_it_is_believed() -> None:
    """A marker of one offset and a record that Kafka has deleted look alike: the caller says which are sound."""
    engine, room = make()
    engine.step({ONE: records(0, 5)})
    assert engine.gaps({ONE: records(6, 9), TWO: records(3, 4)}) == [ONE]
    assert engine.step({ONE: records(6, 9)}).reassign
    assert engine.positions[ONE] == 5
    assert not engine.step({ONE: records(6, 9)}, sound=[ONE]).reassign
    assert [(batch.start, batch.end) for batch in room.batches] == [(0, 5), (5, 9)]


def test_records_of_an_unknown_partition_ask_for_an_assignment() -> None:
    """They are not dropped in silence."""
    engine, _ = make()
    assert engine.step({Part("t", 7): records(0, 1)}).reassign


def test_a_failed_publication_reaches_the_caller() -> None:
    """What the thread beside the lane meets is raised on the lane, and nothing is written."""
    room, publisher = NotingRoom(), MemoryPublisher()
    engine = assigned(room, publisher)
    publisher.fault = BrokerError("Kafka is gone")
    engine.step({ONE: records(0, 2)})
    with pytest.raises(BrokerError, match="gone"):
        engine.settle()
    assert room.stored_ends == []


def test_partitions_of_several_topics_are_worked_on_in_one_batch() -> None:
    """Equal partition numbers of two topics are kept apart, in positions, batches and commits."""
    room = NotingRoom()
    engine = assigned(room, MemoryPublisher())
    other = Part("other", 0)
    engine.assign({ONE: Bounds(None, 0, None, "id", 2), other: Bounds(7, 0, None, "other id", 1)})
    engine.step({ONE: records(0, 5), other: records(0, 9)})
    assert [(batch.part, batch.end) for batch in room.batches] == [(ONE, 5), (other, 9)]
    assert engine.settle().commits == {ONE: 5, other: 9}


def test_a_closed_engine_leaves_no_thread() -> None:
    """The thread that writes ends once it is done with what it is at."""
    before = set(threading.enumerate())
    room = NotingRoom()
    room.hold = Event()
    engine = assigned(room, MemoryPublisher())
    engine.step({ONE: records(0, 2)})
    (thread,) = (one for one in set(threading.enumerate()) - before if one.name.startswith("commit"))
    engine.close()
    assert thread.is_alive()
    room.hold.set()
    thread.join(60)
    assert not thread.is_alive()
    assert room.stored_ends == [{ONE: 2}]
