"""A Kafka in memory behind the lane's port, whose group rebalances, and whose calls fail, when a test wants it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from stream.core.errors import BrokerError
from stream.kafka.records import Part, Record
from stream.lane.batch import Bounds
from stream.lane.source import Highwater, SourceClosed
from tests.scorer.rig import LogRecord


@dataclass
class Topic:
    """What identifies a topic, and its logs by partition; a log may have gaps."""

    partitions: int = 1
    topic_id: str = "id"
    logs: dict[int, list[LogRecord]] = field(default_factory=dict)
    begins: dict[int, int] = field(default_factory=dict)

    def end(self, partition: int) -> int:
        """The offset after the last record."""
        log = self.logs.get(partition)
        return log[-1].offset + 1 if log else self.begins.get(partition, 0)


class FakeSource:
    """A member of a group on topics in memory.

    Attributes:
        topics: what there is.
        committed: the group's offsets, which outlive a rebalance.
        commits: every commit in turn, also those that failed.
        seeks: every seek in turn, also those that were lost.
        lost_seeks: so many of the next seeks do nothing, though nobody is told; never two running of one partition,
            since what is there after a second seek is taken for a gap.
        bounds_faults, seek_faults, commit_faults: what the next calls raise, in turn.
        on_fetch: called in the middle of each fetch.
        on_bounds: called in the middle of each call of `bounds`.
        commit_gate: a commit waits for it.
        max_records: of one partition in one fetch.
    """

    def __init__(self, topics: Mapping[str, Topic]) -> None:
        self.topics = dict(topics)
        self.committed: dict[Part, int] = {}
        self.commits: list[dict[Part, int]] = []
        self.seeks: list[tuple[Part, int]] = []
        self.fetches = 0
        self.gap_looks: list[list[Part]] = []
        self.lost_seeks = 0
        self.bounds_faults: list[Exception] = []
        self.seek_faults: list[Exception] = []
        self.commit_faults: list[Exception] = []
        self.on_fetch: Callable[[], None] = lambda: None
        self.on_bounds: Callable[[], None] = lambda: None
        self.commit_gate = asyncio.Event()
        self.commit_gate.set()
        self.max_records = 1_000
        self.closed = False
        self._number = 0
        self._rebalancing = True
        self._positions: dict[Part, int] = {}
        self._lost: set[Part] = set()  # whose last seek was lost
        self._news = asyncio.Event()

    # What a test does.

    def append(self, part: Part, count: int = 1, gap: int = 0) -> None:
        """Write records after the last one, `gap` offsets beyond it."""
        topic = self.topics[part.topic]
        log = topic.logs.setdefault(part.partition, [])
        start = topic.end(part.partition) + gap
        log += [LogRecord(offset, 0, None, b"x") for offset in range(start, start + count)]
        self._news.set()

    def delete(self, part: Part, before: int) -> None:
        """Delete the records before an offset, as retention does."""
        topic = self.topics[part.topic]
        topic.begins[part.partition] = before
        topic.logs[part.partition] = [r for r in topic.logs.get(part.partition, []) if r.offset >= before]

    def revoke(self) -> None:
        """Begin a rebalance: no records until it is over."""
        self._rebalancing = True

    def assign(self, *parts: Part) -> None:
        """End a rebalance: this member has these partitions, at the group's offsets."""
        self._number += 1
        self._rebalancing = False
        self._positions = {part: self.committed.get(part, self._begin(part)) for part in parts}
        self._news.set()

    def close(self) -> None:
        """Close the consumer from outside."""
        self.closed = True
        self._news.set()

    # The port.

    def generation(self) -> object | None:
        """A number, one higher after each rebalance."""
        return None if self._rebalancing else self._number

    async def fetch(self, seconds: float) -> dict[Part, Sequence[Record]]:
        """What there is from each position on; waits for it as long as told."""
        self.fetches += 1
        found = self._take()
        if not found:
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), seconds)
            found = self._take()
        await asyncio.sleep(0)
        self.on_fetch()
        self._check_open()
        return found

    def assignment(self) -> set[Part]:
        """What was assigned last."""
        return set(self._positions)

    async def bounds(self, parts: Sequence[Part], begin_only: bool = False) -> dict[Part, Bounds]:
        """From memory."""
        self._check_open()
        await asyncio.sleep(0)
        if begin_only:
            self.gap_looks.append(list(parts))
        self.on_bounds()
        if self.bounds_faults:
            raise self.bounds_faults.pop(0)
        if begin_only:
            return {part: Bounds(None, self._begin(part), None, "", 0) for part in parts}
        return {part: self._bounds(part) for part in parts}

    async def seek(self, part: Part, offset: int) -> None:
        """Move the position, unless the seek is to be lost."""
        self._check_open()
        self.seeks.append((part, offset))
        if self.seek_faults:
            raise self.seek_faults.pop(0)
        if part not in self._positions:
            raise BrokerError(f"{part} is not assigned")
        if self.lost_seeks and part not in self._lost:
            self.lost_seeks -= 1
            self._lost.add(part)
            return
        self._lost.discard(part)
        self._positions[part] = offset
        self._news.set()

    async def commit(self, offsets: Mapping[Part, int]) -> None:
        """Keep the offsets."""
        self._check_open()
        self.commits.append(dict(offsets))
        await self.commit_gate.wait()
        if self.commit_faults:
            raise self.commit_faults.pop(0)
        self.committed.update(offsets)

    def highwater(self, part: Part) -> Highwater | None:
        """By the log in memory."""
        if part not in self._positions:
            return None
        return Highwater(self._positions[part], self.topics[part.topic].end(part.partition))

    def _take(self) -> dict[Part, Sequence[Record]]:
        if self._rebalancing:
            return {}
        found: dict[Part, Sequence[Record]] = {}
        for part, position in self._positions.items():
            log = self.topics[part.topic].logs.get(part.partition, [])
            records = [record for record in log if record.offset >= position][: self.max_records]
            if records:
                found[part] = records
                self._positions[part] = records[-1].offset + 1
        return found

    def _begin(self, part: Part) -> int:
        return self.topics[part.topic].begins.get(part.partition, 0)

    def _bounds(self, part: Part) -> Bounds:
        topic = self.topics[part.topic]
        return Bounds(
            committed=self.committed.get(part),
            begin=self._begin(part),
            end=topic.end(part.partition),
            topic_id=topic.topic_id,
            partitions=topic.partitions,
            cluster_id="cluster",
            group_committed=any(known.topic == part.topic for known in self.committed),
        )

    def _check_open(self) -> None:
        if self.closed:
            raise SourceClosed
