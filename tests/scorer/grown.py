"""A topic in memory that grows, a Kafka consumer that reads it, and rebuilds of the histories kept of it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, cast

from confluent_kafka import KafkaError, Message, TopicPartition

from stream.config import make_settings, Settings
from stream.core import fold
from stream.core.effects import Decided
from stream.core.events import Tick, decode_event, encode_event, seconds
from stream.core.problem import Problem
from stream.kafka.misrouted import MisroutedRecords
from stream.kafka.partitioner import partition_chooser
from stream.kafka.records import Part
from stream.kafka.topics import TopicFacts
from stream.lane.batch import Bounds
from stream.models.active import ScoringModel
from stream.scorer.decode import foreign_offset
from stream.scorer.generation import Generations
from stream.scorer.reprocess import Report, Reprocessor
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.models import Says
from tests.scorer.rig import TOPIC, Crash, Log, LogRecord, MemoryPublisher, Rig

SETTINGS = make_settings(tick_seconds=0)


class GrowingLog(Log):
    """Records carry the broker's time, which only moves forward: one millisecond a record at least."""

    def __post_init__(self) -> None:
        """Begin empty."""
        super().__post_init__()
        self.clock = 0
        self.order: list[tuple[Part, LogRecord]] = []

    def grow(self, partitions: int) -> None:
        """More partitions; what is there stays where it is."""
        self.partitions = partitions
        for number in range(partitions):
            self.records.setdefault(Part(TOPIC, number), [])
        self._choose = partition_chooser("murmur2_random", partitions)

    def put(self, part: Part, value: bytes | None, at: float) -> None:
        """Add a raw value now, as of event time `at`."""
        self.clock = max(self.clock + 1, round(at * 1000))
        super().put(part, value, self.clock / 1000.0)
        self.order.append((part, self.records[part][-1]))

    def tick(self, part: Part, event: Tick) -> None:
        """Add a tick to one partition."""
        self.put(part, encode_event(event), seconds(event.at))


def merged_folds(log: GrowingLog, problem: Problem) -> dict[Part, fold.Fold]:
    """The pure fold of the log in the layout that it has now: by the order in which it was written, by team."""
    folds = {part: fold.Fold(problem) for part in log.records}
    home = partition_chooser("murmur2_random", log.partitions)
    for part, record in log.order:
        event = decode_event(record.value or b"")
        target = part if isinstance(event, Tick) else Part(TOPIC, home(event.team))
        offset = record.offset if target == part else foreign_offset(part.partition, record.offset)
        folds[target].step(event, seconds(event.at), record.value or b"", offset)
    return folds


def decisions(folds: Iterable[fold.Fold]) -> set[tuple[str, str, int, float, str]]:
    """Every outcome of some folds."""
    return {
        (one.team, one.alert_id, one.outcome, one.decided_at, one.by)
        for pure in folds
        for one in pure.effects
        if isinstance(one, Decided)
    }


class MemoryGenerations(MemoryHistory):
    """Histories in dictionaries of which whole generations can be replaced."""

    def __init__(self) -> None:
        super().__init__()
        self._metas_aside: dict[Part, bytes] = {}

    def aside(self) -> "MemoryGenerations":
        """The same store behind another fence."""
        other = MemoryGenerations()
        other.levels, other.entries, other.due = self.levels, self.entries, self.due
        other.metas = self._metas_aside
        other._serving = self
        return other

    _serving: "MemoryGenerations | None" = None
    switches: int | None = None  # the process dies before so many are done

    def switch(self, part: Part, expected: bytes) -> bool:
        """See `Generations`."""
        assert self._serving is not None
        if self._serving.switches is not None:
            self._serving.switches -= 1
            if self._serving.switches < 0:
                raise Crash
        if self._serving.metas.get(part, b"") != expected:
            return False
        self._serving.metas[part] = self.metas.pop(part)
        return True

    def generations(self, part: Part) -> set[int]:
        """See `Generations`."""
        found = {generation for where, generation, _ in (*self.levels, *self.entries) if where == part}
        return found | {generation for where, generation in self.due if where == part}

    def forget(self, part: Part, generation: int, fence: bool) -> int:
        """See `Generations`."""
        if fence:
            self.metas.pop(part, None)
        return self._drop(lambda where, number: (where, number) == (part, generation))

    def forget_others(self, part: Part, generation: int) -> int:
        """See `Generations`."""
        return self._drop(lambda where, number: where == part and number != generation)

    def _drop(self, chosen: Callable[[Part, int], bool]) -> int:
        gone = 0
        stores: tuple[dict[Any, Any], ...] = (self.levels, self.entries, self.due)
        for store in stores:
            for key in [key for key in store if chosen(key[0], key[1])]:
                del store[key]
                gone += 1
        return gone


class _Found:
    """A record of the log, or a partition's end, as the Kafka client gives it."""

    def __init__(self, partition: int, offset: int, record: LogRecord | None) -> None:
        self._partition, self._offset, self._record = partition, offset, record

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return None if self._record else KafkaError(KafkaError._PARTITION_EOF)

    def timestamp(self) -> tuple[int, int]:
        assert self._record is not None
        return 1, self._record.timestamp

    def key(self) -> bytes | None:
        return None

    def value(self) -> bytes | None:
        return self._record.value if self._record else None


class LogConsumer:
    """Gives the log's records, `step` at a time of one partition after the other.

    Nothing is given of what is paused; `given` counts records by partition.
    """

    def __init__(self, log: Log, committed: dict[Part, int], step: int = 7) -> None:
        self._log, self.group, self._step = log, committed, step
        self._at: dict[int, int] = {}
        self._asleep: set[int] = set()
        self.given = dict.fromkeys((part.partition for part in log.records), 0)

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        """See `Source`."""
        return 0, len(self._log.records[Part(TOPIC, partition.partition)])

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        """See `Source`."""
        return [
            TopicPartition(TOPIC, one.partition, self.group.get(Part(TOPIC, one.partition), -1001))
            for one in partitions
        ]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: Literal[False]) -> None:
        """See `Source`."""
        self.group.update({Part(TOPIC, one.partition): one.offset for one in offsets})

    def assign(self, partitions: list[TopicPartition]) -> None:
        """See `Source`."""
        self._at = {one.partition: one.offset for one in partitions}
        self._asleep.clear()
        self._ended: set[int] = set()

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        """See `Source`."""
        found = []
        for number, position in self._at.items():
            if number in self._asleep | self._ended:
                continue
            records = self._log.records[Part(TOPIC, number)]
            given = records[position : position + self._step]
            found += [_Found(number, record.offset, record) for record in given]
            self._at[number] += len(given)
            self.given[number] += len(given)
            if self._at[number] >= len(records):
                self._ended.add(number)
                found.append(_Found(number, len(records), None))
        return cast(list[Message], found)

    def pause(self, partitions: list[TopicPartition]) -> None:
        """See `Source`."""
        self._asleep.update(one.partition for one in partitions)

    def resume(self, partitions: list[TopicPartition]) -> None:
        """See `Source`."""
        self._asleep.difference_update(one.partition for one in partitions)


class GrowingRig(Rig):
    """Workers on a topic that grows, which may serve only `some` of its partitions, and rebuilds."""

    some: Sequence[int] | None = None

    def assign(self) -> None:
        """Assign the partitions that are served."""
        bounds = {
            part: Bounds(self.committed.get(part), 0, len(records), self.topic_id, self.log.partitions)
            for part, records in self.log.records.items()
            if self.some is None or part.partition in self.some
        }
        self.engine.assign(bounds)
        self.assigned = True

    def rebuild(self, misrouted: MisroutedRecords | None = None, outlet: MemoryPublisher | None = None) -> Report:
        """Rebuild with what is there; `rebuilt` keeps what it published."""
        assert isinstance(self.history, MemoryGenerations)
        serving: Generations = self.history
        self.rebuilt = outlet or MemoryPublisher()
        return Reprocessor(
            self.settings,
            self.problem,
            TopicFacts("cluster", self.topic_id, self.log.partitions),
            LogConsumer(self.log, self.committed),
            serving,
            self.history.aside(),
            lambda: misrouted or MisroutedRecords({}),
            lambda: self.rebuilt,
            lambda: (self.served, []),
            lambda partition, done, todo: None,
        ).run()


def grown_rig(log: GrowingLog, problem: Problem, model: ScoringModel | None = None) -> GrowingRig:
    """A rig on an empty history."""
    return GrowingRig(log, problem, MemoryGenerations(), SETTINGS, model or Says("champion", lambda alert: 0.25))


def by_alert(rigs_records: Iterable[Any]) -> dict[tuple[str, str], list[Any]]:
    """Enriched records by alert."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for record in rigs_records:
        found[record.alert.team, record.alert.alert_id].append(record)
    return found
