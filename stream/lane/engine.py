"""The engine: batches in, published and written work out; one batch ahead of what is written.

    process N+1 (read, fold, score)  |  beside it: the broker acknowledges N, N is written behind the fence
    settle N: join the two, offsets to commit
    publish N+1, snapshot N+1

A step is one such round. What was fetched and not yet worked on waits in the engine, so that between two rounds the
caller sees signals, a rebalance and the time. The engine knows nothing of Faust or asyncio and runs on one thread of
its own, beside which one other waits and writes.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from msgspec import Struct, field

from stream.core.errors import BrokerError
from stream.kafka.records import Part, Record
from stream.lane.batch import Batch, Bounds, Publisher, Room, Work
from stream.metrics.lane import LaneMetrics

log = logging.getLogger(__name__)
_MOST_REWINDS = 50  # fetches in a row that do not continue a partition before we call the log broken
_SMALLEST_BATCH = 50


class StepResult(Struct):
    """What the consumer is to do after a step.

    Attributes:
        commits: offsets to commit.
        reassign: whether to assign everything anew.
        more: whether fetched records still wait for the next step.
    """

    commits: dict[Part, int] = field(default_factory=dict)
    reassign: bool = False
    more: bool = False


class Engine:
    """Runs one room.

    Args:
        room: what is done with the batches.
        publisher: where its outputs go.
        metrics: the process's metrics.
        max_records: records of one batch over all partitions.
        max_bytes: bytes of one batch.
        batch_seconds: batches are made smaller while one takes longer.
        flush_seconds: how long the broker may take to acknowledge.
        executor: where the broker is waited for and what is written is written, one job at a time; a thread of its own
            unless given. `close` shuts it down.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        room: Room,
        publisher: Publisher,
        metrics: LaneMetrics,
        max_records: int,
        max_bytes: int,
        batch_seconds: float,
        flush_seconds: float,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room = room
        self._publisher = publisher
        self._metrics = metrics
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._batch_seconds = batch_seconds
        self._flush_seconds = flush_seconds
        self._limit = max_records
        self._commit_thread = executor or ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._clock = clock
        self._pending: tuple[Work, Future[Any]] | None = None
        self._waiting: dict[Part, list[Record]] = {}  # fetched, in order, from the partition's position on
        self._unseen: set[Part] = set()  # nothing was fetched of them since they were assigned
        self._rewinds: dict[Part, int] = {}
        self._gaps: dict[Part, tuple[int, int]] = {}  # position and first record of a gap that was seen once
        self._committed: dict[Part, int] = {}  # when assigned: what is folded again before it is not committed anew
        self.positions: dict[Part, int] = {}
        self.progressed_at = self._clock()

    def assign(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """Serve exactly these partitions, from these offsets on; what was not written will be read again."""
        self._settle(StepResult())  # if it was written it counts; if not, the fence tells
        self._waiting.clear()
        self._unseen = set(bounds)
        self._committed = {part: known.committed or 0 for part, known in bounds.items()}
        self.positions = self._room.assign(bounds)
        self.progressed_at = self._clock()
        return dict(self.positions)

    def waiting(self, part: Part) -> int:
        """How many fetched records of a partition wait for a step."""
        return len(self._waiting.get(part, ()))

    def gaps(self, fetched: Mapping[Part, Sequence[Record]]) -> list[Part]:
        """The partitions whose fetched records begin beyond their position, other than on their first fetch.

        Markers and aborted records of transactions leave gaps, and so do records that Kafka has deleted: the caller
        looks at where the partition begins now, and passes those that are sound to `step`.
        """
        return [
            part
            for part, records in fetched.items()
            if records and part not in self._unseen and records[0].offset > self.positions.get(part, records[0].offset)
        ]

    def step(self, fetched: Mapping[Part, Sequence[Record]], sound: Collection[Part] = ()) -> StepResult:
        """Take in what was fetched, and work on one batch of what waits; `sound` as `gaps` says.

        Nothing may be passed while records wait: their partition's position is where the next fetch is to begin.
        """
        result = StepResult()
        for part, records in fetched.items():
            self._waiting[part] = self._continuing(part, records, part in sound, result)
        if any(self._waiting.values()) and not result.reassign:
            self._round(self._take(self._waiting), result)
        result.more = any(self._waiting.values()) and not result.reassign
        return result

    def settle(self) -> StepResult:
        """Wait for the broker, write what is pending behind the fence."""
        result = StepResult()
        self._settle(result)
        return result

    def idle(self, caught_up: Sequence[Part], now: float) -> StepResult:
        """Nothing waits in these partitions; `now` is the wall clock."""
        outputs = self._room.idle(caught_up, now)
        if outputs:
            self._publisher.publish(outputs)
            self._publisher.flush(self._flush_seconds)
        return StepResult(reassign=self._room.wants_assign)

    def note_progress(self) -> None:
        """Note that a long call of the room goes on, such as an assignment that reads a topic; from any thread."""
        self.progressed_at = self._clock()

    def close(self) -> None:
        """End the thread that writes, once it is done with what it is at; nobody waits for that."""
        self._commit_thread.shutdown(wait=False)

    def _round(self, batches: list[Batch], result: StepResult) -> None:
        started = time.perf_counter()
        work = self._room.process(batches)
        processed = time.perf_counter()
        if not self._settle(result) and not self._room.wants_assign:
            work = self._room.process(batches)
        if self._room.wants_assign:
            result.reassign = True
            return
        self._put_back(batches, work.ends)
        settled = time.perf_counter()
        self._publisher.publish(work.outputs)
        published = time.perf_counter()
        self._room.snapshot(work)
        self._pending = work, self._commit_thread.submit(self._acknowledge_and_commit, work)
        self.positions.update(work.ends)
        self.progressed_at = self._clock()
        ended = time.perf_counter()
        stage = self._metrics.stage_seconds.labels
        stage("process").observe(processed - started)
        stage("commit").observe(settled - processed)
        stage("publish").observe(published - settled)
        stage("snapshot").observe(ended - published)
        self._metrics.batch_records.observe(sum(len(batch.records) for batch in batches))
        self._adapt(ended - started)

    def _settle(self, result: StepResult) -> bool:
        """Finish the pending work; False if it was not written."""
        pending, self._pending = self._pending, None
        if pending is None:
            return True
        work, future = pending
        if not self._room.on_committed(work, future.result()):
            result.reassign = self._room.wants_assign
            return False
        if work.kept:
            result.commits.update({p: end for p, end in work.ends.items() if end >= self._committed.get(p, 0)})
        self.progressed_at = self._clock()
        return True

    def _acknowledge_and_commit(self, work: Work) -> Any:
        self._publisher.flush(self._flush_seconds)
        return self._room.commit(work)

    def _continuing(self, part: Part, records: Sequence[Record], sound: bool, result: StepResult) -> list[Record]:
        """The records, if they go on where the partition stands; else nothing, and everything is assigned anew."""
        position = self.positions.get(part)
        if not records:
            return []
        if position is None:
            result.reassign = True
            return []
        first = records[0].offset
        if first == position or (first > position and (sound or self._gaps.get(part) == (position, first))):
            self._rewinds.pop(part, None)
            if first == position:
                self._gaps.pop(part, None)
            self._unseen.discard(part)
            return list(records)
        if first > position:  # a gap, or a seek that was lost: it is a gap if the same one is there after a seek, too
            self._gaps[part] = position, first
            result.reassign = True
            return []
        self._rewinds[part] = self._rewinds.get(part, 0) + 1
        if self._rewinds[part] > _MOST_REWINDS:
            raise BrokerError(
                f"{part} keeps returning offset {records[0].offset}, although {position} is next: the log was cut",
                "run `noisegate history rebuild`",
            )
        result.reassign = True
        return []

    def _put_back(self, batches: Sequence[Batch], ends: Mapping[Part, int]) -> None:
        """Keep the records that the room left for the next round."""
        for batch in batches:
            if ends[batch.part] < batch.end:
                left = [record for record in batch.records if record.offset >= ends[batch.part]]
                self._waiting[batch.part][:0] = left

    def _take(self, waiting: dict[Part, list[Record]]) -> list[Batch]:
        """The next batch of every partition, within the limits; what is taken leaves `waiting`."""
        share = max(1, self._limit // max(1, sum(1 for records in waiting.values() if records)))
        budget = self._max_bytes
        batches: list[Batch] = []
        for part, records in waiting.items():
            count = 0
            for record in records[:share]:
                budget -= len(record.value or b"")
                if budget < 0 and (count or batches):
                    break
                count += 1
            if count:
                taken = records[:count]
                del records[:count]
                start = self.positions[part]
                batches.append(Batch(part, start, taken[-1].offset + 1, taken))
        return batches

    def _adapt(self, seconds: float) -> None:
        if seconds > self._batch_seconds:
            self._limit = max(_SMALLEST_BATCH, self._limit // 2)
        elif self._limit < self._max_records and seconds < self._batch_seconds / 4:
            self._limit = min(self._max_records, self._limit * 2)
