"""Closers in memory that crash, lose partitions and act late, with a Kafka and a Redis that outlive them."""

from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec
from msgspec import Struct, field

from stream.closer.enriched import EnrichedFold
from stream.closer.fold import Fold, Notes, Outgoing
from stream.closer.lost_suppressions import Lost
from stream.closer.outbox import Outbox
from stream.closer.room import CloserRoom
from stream.closer.situation import Orders
from stream.closer.state import StateStore
from stream.closer.suppressed import Shown
from stream.config import make_settings
from stream.core.decisions import Situation
from stream.core.records import Enriched, encode_record
from stream.kafka.records import Part
from stream.lane.batch import Batch, Bounds, Work
from stream.lane.fence import FencedWrite, WriteResult
from stream.metrics.closer import CloserMetrics
from tests.core.outcomes import T0
from tests.core.test_decisions import situation
from tests.lane.memory_fence import MemoryFence

TOPIC = "alerts.enriched"
SETTINGS = make_settings(closer_none_decisions=True)


class LogRecord(Struct, frozen=True):
    """A record of a log in memory."""

    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None = None


class Crash(Exception):
    """The process is gone."""


class CrashingFence(MemoryFence):
    """A fence that ends its client once a write is carried out, when a test wants it."""

    crashes = False

    def write(self, writes: Sequence[FencedWrite]) -> list[WriteResult]:
        """See `Fence`."""
        done = super().write(writes)
        if self.crashes and writes:
            self.crashes = False
            raise Crash
        return done


class Sent(Struct, frozen=True):
    """A round that reached Kafka and the targets."""

    part: Part
    name: str
    outgoing: Outgoing


class QueueDispatcher:
    """`Dispatcher` that publishes and ends rounds one by one, when a test wants it."""

    def __init__(self, sent: list[Sent], done: Callable[[Part, str], None]) -> None:
        self._sent, self._done = sent, done
        self._queue: list[Sent] = []
        self._published: list[Sent] = []

    def submit(self, part: Part, name: str, outgoing: Outgoing) -> None:
        """See `Dispatcher`."""
        packed = msgspec.msgpack.encode(outgoing)  # as it is now, whatever becomes of it
        self._queue.append(Sent(part, name, msgspec.msgpack.decode(packed, type=Outgoing)))

    def drop(self, parts: Collection[Part]) -> None:
        """See `Dispatcher`."""
        self._queue = [one for one in self._queue if one.part not in parts]
        self._published = [one for one in self._published if one.part not in parts]

    def publish(self) -> None:
        """Publish the oldest round, and do its deeds."""
        if self._queue:
            one = self._queue.pop(0)
            self._sent.append(one)
            self._published.append(one)

    def finish(self) -> None:
        """Call the oldest published round done."""
        if self._published:
            one = self._published.pop(0)
            self._done(one.part, one.name)

    def finish_all(self) -> None:
        """Publish and finish all."""
        while self._queue or self._published:
            self.publish()
            self.finish()


class Around(Struct):
    """`Surroundings` that a test sets."""

    given: Situation = field(default_factory=situation)
    orders: Orders = field(default_factory=Orders)
    history_away: bool = False

    def situation(self) -> Situation:
        """See `Surroundings`."""
        return self.given


class World:
    """What outlives every worker: the logs, Redis, Kafka, and the wall clock.

    Attributes:
        sent: every round that was published, in order.
        shown: what people were shown.
        now: the wall clock, seconds since 1970.
        passed: the monotonic clock.
    """

    def __init__(self, partitions: int = 2) -> None:
        self.parts = [Part(TOPIC, number) for number in range(partitions)]
        self.logs: dict[Part, list[LogRecord]] = {part: [] for part in self.parts}
        self.fence = CrashingFence()
        self.store = StateStore(self.fence, "test")
        self.around = Around()
        self.sent: list[Sent] = []
        self.shown: list[Shown] = []
        self.notes: list[Notes] = []
        self.lost = Lost()
        self.check_start: Callable[[], None] = lambda: None
        self.committed: dict[Part, int] = {}
        self.now, self.passed = T0, 0.0

    def write(self, part: Part, record: Enriched | bytes) -> None:
        """Append a record, stamped with the time."""
        value = record if isinstance(record, bytes) else encode_record(record)
        self.logs[part].append(LogRecord(len(self.logs[part]), int(self.now * 1_000), value))

    def bounds(self, parts: Iterable[Part]) -> dict[Part, Bounds]:
        """What Kafka knows; the group reads from the beginning."""
        return {
            part: Bounds(self.committed.get(part), 0, len(self.logs[part]), "id", len(self.parts)) for part in parts
        }

    def make_fold(self, part: Part, partitions: int) -> Fold:
        """The fold of a partition."""
        return EnrichedFold(
            part.partition,
            self.around,
            self.shown.append,
            SETTINGS.severities,
            SETTINGS.closer.none_decisions,
            lambda: self.lost,
            lambda: self.now,
        )


class Worker:
    """A room driven as the engine drives it, step by step, so that it can end between any two.

    Attributes:
        given: the partitions that the group gives it; it learns of them at its next assignment.
    """

    def __init__(self, world: World, parts: Collection[Part]) -> None:
        self.world, self.parts, self.given = world, list(parts), list(parts)
        self.metrics = CloserMetrics()
        self.outbox = Outbox(lambda: world.now)
        self.dispatcher = QueueDispatcher(world.sent, self.outbox.done)
        self.outbox.dispatcher = self.dispatcher
        self.room = CloserRoom(
            SETTINGS,
            world.store,
            self.outbox,
            world.make_fold,
            world.notes.append,
            self.metrics,
            lambda: world.now,
            lambda: world.passed,
            sleep=lambda seconds: None,
            check_start=lambda: world.check_start(),
        )
        self._pending: Work | None = None
        self._answer: object = None
        self._written = False
        self.failed: list[bytes] = []
        self.assign(parts)

    def assign(self, parts: Collection[Part]) -> None:
        """Serve these partitions; what is begun is finished first."""
        self.settle()
        self.parts = self.given = list(parts)
        self.positions = self.room.assign(self.world.bounds(parts))

    def step(self, most: int = 1_000) -> None:
        """Process what waits, settle what was processed before, and freeze."""
        batches = []
        for part in self.parts:
            start = self.positions[part]
            if records := self.world.logs[part][start : start + most]:
                batches.append(Batch(part, start, start + len(records), records))
        if not batches:
            return
        work = self.room.process(batches)
        if not self.settle() and not self.room.wants_assign:
            work = self.room.process(batches)
        if self.room.wants_assign:
            self.assign(self.given)
            return
        self.room.snapshot(work)
        self.failed += [output.value for output in work.outputs]
        self._pending, self._written = work, False
        self.positions.update(work.ends)

    def commit(self) -> None:
        """Write what is frozen."""
        if self._pending is not None and not self._written:
            self._answer = self.room.commit(self._pending)
            self._written = True

    def settle(self) -> bool:
        """Write what is frozen, and take in the answer; False if it was not written."""
        self.commit()
        pending, self._pending = self._pending, None
        return pending is None or self.room.on_committed(pending, self._answer)  # type: ignore[arg-type]  # of commit

    def idle(self) -> None:
        """Do what is due."""
        self.settle()
        quiet = [part for part in self.parts if self.positions[part] >= len(self.world.logs[part])]
        if not self.room.wants_assign:
            self.room.idle(quiet, self.world.now)
        if self.room.wants_assign:
            self.assign(self.given)

    def finish(self) -> None:
        """Process all, do all that is due, publish all, and delete what is done."""
        for _ in range(3):
            while any(self.positions[part] < len(self.world.logs[part]) for part in self.parts):
                self.step()
            self.idle()
            self.dispatcher.finish_all()
