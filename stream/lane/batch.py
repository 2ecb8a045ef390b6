"""What goes through the lane, and what a room must do with it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from stream.kafka.records import Output, Part, Record


class Batch(Struct, frozen=True):
    """Records of one partition, in order. `start` is the position expected, `end` the one after the last record."""

    part: Part
    start: int
    end: int
    records: Sequence[Record]


class Bounds(Struct, frozen=True):
    """What Kafka knows of a partition when it is assigned.

    Attributes:
        committed: the group's offset in it; None where it has none.
        begin: the offset of the first record there is.
        end: the offset after the last one; None where the broker can't be trusted with it.
        topic_id: the id that Kafka gave the topic when it was made.
        partitions: how many the topic has.
        cluster_id: the id of the Kafka cluster.
        group_committed: whether the group has an offset in any partition of the topic.
    """

    committed: int | None
    begin: int
    end: int | None
    topic_id: str
    partitions: int
    cluster_id: str = ""
    group_committed: bool = False


class Publisher(Protocol):
    """Where outputs go; `stream.kafka.publisher.Publisher` is one.

    `publish` comes from the lane's thread, `flush` from that one or the one that commits; the two may overlap.
    """

    def publish(self, outputs: Iterable[Output]) -> None:
        """Hand outputs over, those of a topic in order; may wait only where a queue is full.

        Raises:
            BrokerError: an earlier output can't be published.
        """

    def flush(self, seconds: float) -> None:
        """Wait until the broker has acknowledged everything published before the call.

        Raises:
            BrokerError: an output can't be published, or the time was over.
        """


class Work(Struct):
    """What came of a round of batches.

    `ends` says where each partition goes on: at its batch's end, or before it where the room leaves records for the
    next round. `kept` is the room's own, for `snapshot` and `commit`; where it is empty, nothing is written.
    """

    outputs: list[Output]
    ends: dict[Part, int]
    kept: Any = None


class Room(Protocol):
    """A room on the lane: what is done with batches, in five numbered steps, of which the lane does the third and last.

    1. and 2. `process` reads state and folds in memory. 3. The lane publishes the outputs and waits for the broker.
    4. `commit` writes what `snapshot` froze, with the offsets, in one atomic compare-and-set. 5. The lane commits the
    offsets to Kafka.

    Every call but `commit` comes from the lane's one thread. When a room's `wants_assign` is set, the lane drops what
    is not written and assigns everything anew.
    """

    wants_assign: bool

    def assign(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """The offset at which each of exactly these partitions begins; everything known before is dropped.

        A call that may take longer than `stall_seconds` calls `Engine.note_progress` as it goes on.
        """

    def process(self, batches: Sequence[Batch]) -> Work:
        """Steps 1 and 2: read state, fold and compute; nothing is visible outside yet."""

    def snapshot(self, work: Work) -> None:
        """Freeze what step 4 writes, before the next batch is folded."""

    def commit(self, work: Work) -> Any:
        """Step 4: write state, once the broker has acknowledged the outputs; what it returns goes to `on_committed`.

        Called from another thread, beside the next `process`: it may touch only what `snapshot` froze.
        """

    def on_committed(self, work: Work, answer: Any) -> bool:
        """Take in what `commit` returned. False: it was not written, and what was processed since must be again."""

    def idle(self, caught_up: Sequence[Part], now: float) -> list[Output]:
        """What to publish while nothing waits in these partitions; `now` is the wall clock, in seconds since 1970."""
