"""The loop of a worker: assign, fetch, step, idle, commit, until it is stopped; on a `Source`, not on a Kafka client.

A rebalance is seen by the source's generation, before and after each fetch and between two steps: then everything is
positioned anew, and what was fetched before is dropped.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from msgspec import Struct

from stream.core.errors import BrokerError
from stream.kafka.records import Part, Record
from stream.kafka.topics import TopicFacts
from stream.lane.commits import Commits
from stream.lane.engine import Engine, StepResult
from stream.lane.source import Source
from stream.metrics.lane import LaneMetrics

log = logging.getLogger(__name__)
T = TypeVar("T")
Fetching = asyncio.Task[Mapping[Part, Sequence[Record]]]


class Pauses(Struct, frozen=True):
    """How long the loop waits for what, in seconds.

    Attributes:
        fetch: for records, before a look at signals, quiet partitions and the time.
        settle: for more records, before what is begun is finished without them.
        retry: before an assignment is tried again that Kafka did not answer.
        look: between two looks at lag, quiet partitions beside busy ones and commits.
        commit: for the last commit.
    """

    fetch: float = 0.25
    settle: float = 0.001
    retry: float = 0.5
    look: float = 1.0
    commit: float = 2.0


class Loop:
    """Drives an engine with what a source gives.

    Args:
        engine: does the work; it runs on a thread that the loop owns.
        metrics: show lag and progress.
        drain_seconds: what is begun when the loop is stopped has so long to be finished.
        check_topic: raises HistoryRefused where a topic is not what it was; called at each assignment.
        away: whether Kafka is known to be away, and another line in the log would say nothing new.
        pauses: how long to wait for what.
        clock: seconds, monotonic; the engine's as well.
        wall: seconds since 1970, for the room's quiet times.

    Attributes:
        assigned: whether an assignment was positioned yet.
        waiting: whether records are known to wait.
        stopping: set it to have what is begun finished and the loop ended; from any thread.
        drained: set once the loop has ended, in order or by a fault.
        unfinished: whether what was begun could not be finished in time, so that it is read again.
        turned_at: when the loop last went round.
        may_begin: while False nothing is assigned, whatever Kafka gives.
    """

    def __init__(
        self,
        engine: Engine,
        metrics: LaneMetrics,
        drain_seconds: float,
        check_topic: Callable[[str, TopicFacts], None] = lambda topic, facts: None,
        away: Callable[[], bool] = lambda: False,
        pauses: Pauses = Pauses(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self.assigned = self.waiting = self.stopping = self.unfinished = False
        self.drained = asyncio.Event()
        self.may_begin = True
        self.turned_at = clock()
        self._metrics = metrics
        self._drain_seconds = drain_seconds
        self._check_topic = check_topic
        self._away = away
        self._pauses = pauses
        self._clock = clock
        self._wall = wall
        self._looked_at = clock()
        self._source: Source
        self._generation: object = None  # the assignment that is positioned
        self._fetching: Fetching | None = None
        self._commits = Commits(away)
        self._unsettled = False  # something may be begun and not written
        self._more = False  # fetched records wait in the engine

    async def run(self, source: Source, ended: Callable[[], bool] = lambda: False) -> None:
        """Work until `stopping` is set or `ended` says so, then finish what is begun and commit it.

        Raises:
            SourceClosed: the source was closed.
            Exception: what the engine or its room raised; nothing goes on after it.
        """
        self._source = source
        try:
            while not (self.stopping or ended()):
                self.turned_at = self._clock()
                if not self.may_begin:
                    await asyncio.sleep(self._pauses.fetch)
                elif await self._positioned():
                    await self._turn()
            self._drop_fetching()
            await self._finish()
        finally:
            self._drop_fetching()
            self.drained.set()
            self.close()

    def close(self) -> None:
        """End the loop's thread and the engine's, once they are done with what they are at; nobody waits for that."""
        self.thread.shutdown(wait=False)
        self.engine.close()

    def show_progress(self) -> None:
        """Set the gauge of progress: to now where nothing waits, else to when a batch was last finished."""
        idle = self._clock() - self.engine.progressed_at if self.waiting else 0.0
        self._metrics.progress_timestamp.set(self._wall() - idle)

    def stalled_for(self, since: float) -> float:
        """Seconds without progress while records wait, or since the loop last went round, whichever is more.

        A round that makes progress stands for a loop that waits for it. What was before `since` does not count: nothing
        could go on.
        """
        now = self._clock()
        progressed_at = max(self.engine.progressed_at, since)
        turned_at = max(self.turned_at, progressed_at)
        return max(now - turned_at, now - progressed_at if self.waiting else 0.0)

    # One turn.

    async def _turn(self) -> None:
        result = await self._work()
        if result is None:
            self._generation = None  # what was fetched is dropped, so that it has to be sought again
            return
        self._more = result.more
        self._commits.add(result.commits)
        if not result.reassign and self._clock() - self._looked_at > self._pauses.look:
            quiet = await self._idle()  # a quiet partition beside a busy one needs its ticks
            self._commits.add(quiet.commits)
            result.reassign = quiet.reassign
            self._show_lag()
            self._commits.start(self._source)
            self._looked_at = self._clock()
        if result.reassign:
            self._generation = None

    async def _work(self) -> StepResult | None:
        """Do what is next; None: what was fetched belongs to an assignment that has passed."""
        fetching = self._fetch_ahead()
        if self._more:
            return await self._on_thread(self.engine.step, {})
        if self._unsettled:
            await asyncio.wait({fetching}, timeout=self._pauses.settle)
            if not fetching.done():  # nothing more is there: what is begun is finished at once
                self._unsettled = False
                return await self._on_thread(self.engine.settle)
        self._fetching = None
        records = await fetching
        if not self._is_positioned():
            return None
        if not records:
            return await self._idle()
        self.waiting = self._unsettled = True
        self._fetch_ahead()
        return await self._step(records)

    async def _step(self, fetched: Mapping[Part, Sequence[Record]]) -> StepResult:
        """One step; a gap before what was fetched is believed where Kafka still has the records around it."""
        gaps = self.engine.gaps(fetched)
        sound: list[Part] = []
        if gaps:
            with suppress(BrokerError):  # no answer: everything is assigned anew, which looks again
                known = await self._source.bounds(gaps, begin_only=True)
                sound = [part for part in gaps if known[part].begin <= self.engine.positions[part]]
        return await self._on_thread(self.engine.step, fetched, sound)

    async def _idle(self) -> StepResult:
        """Settle, and let the room do what is due in quiet partitions."""
        result = await self._on_thread(self.engine.settle)
        behind = {part for part in self.engine.positions if self._behind(part)}
        self.waiting = bool(behind)
        caught_up = [part for part in self.engine.positions if part not in behind]
        idle = await self._on_thread(self.engine.idle, caught_up, self._wall())
        result.reassign = result.reassign or idle.reassign
        return result

    # The assignment.

    def _is_positioned(self) -> bool:
        current = self._source.generation()
        return current is not None and current == self._generation

    async def _positioned(self) -> bool:
        """Whether to go on; where the group has rebalanced since, its partitions are positioned first."""
        current = self._source.generation()
        if current is None or current == self._generation:
            return True
        if self._fetching is not None:
            await asyncio.wait({self._fetching})  # fetched before we seek, so of no use
            self._drop_fetching()
        self._unsettled = self._more = False
        return await self._assign()

    async def _assign(self) -> bool:
        """Position every assigned partition; False: Kafka moved on meanwhile or did not answer, try again."""
        self.waiting = True  # for the watchdog: until this is done, nothing is worked on
        source, generation = self._source, self._source.generation()
        parts = sorted(source.assignment())
        try:
            bounds = await source.bounds(parts) if parts else {}
        except BrokerError as error:
            if not self._away():
                log.warning("the assignment could not be taken yet: %s", error)
            await asyncio.sleep(self._pauses.retry)
            return False
        for part, known in bounds.items():
            self._check_topic(part.topic, TopicFacts(known.cluster_id, known.topic_id, known.partitions))
        positions = await self._on_thread(self.engine.assign, bounds)  # what was begun may fail: that ends the worker
        if source.generation() != generation or generation is None:
            return False  # rebalanced meanwhile
        try:
            for part, offset in positions.items():
                await source.seek(part, offset)
        except BrokerError as error:
            log.warning("the positions could not be sought yet: %s", error)
            return False
        self._generation = generation
        self.assigned = True
        log.info("assigned", extra={"fields": {"partitions": {str(part): at for part, at in positions.items()}}})
        return True

    def _show_lag(self) -> None:
        for part in self.engine.positions:
            self._metrics.lag.labels(*part).set(self._behind(part))
        self.show_progress()

    def _behind(self, part: Part) -> int:
        """Records that can be read and wait in a partition."""
        known = self._source.highwater(part)
        if known is None:
            return 0
        reached = max(self.engine.positions[part], known.position)  # the client passes by markers, which no room sees
        return max(0, known.end - reached) + self._fetched(part) + self.engine.waiting(part)

    def _fetched(self, part: Part) -> int:
        """How many records of a partition the fetch beside the step has brought."""
        fetching = self._fetching
        if fetching is None or not fetching.done() or fetching.cancelled() or fetching.exception() is not None:
            return 0
        return len(fetching.result().get(part, ()))

    async def _finish(self) -> None:
        """Settle what is begun and commit, within the time there is for it; what is not settled is read again."""
        try:
            result = await asyncio.wait_for(self._on_thread(self.engine.settle), self._drain_seconds)
        except TimeoutError:
            self.unfinished = True
            return
        self._commits.add(result.commits)
        committing = self._commits.start(self._source)
        if committing is not None:
            await asyncio.wait({committing}, timeout=self._pauses.commit)

    def _fetch_ahead(self) -> Fetching:
        """The fetch that runs, begun if none does."""
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(self._source.fetch(self._pauses.fetch))
        return self._fetching

    def _drop_fetching(self) -> None:
        fetching, self._fetching = self._fetching, None
        if fetching is not None:
            fetching.cancel()
            fetching.add_done_callback(_forget)

    async def _on_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.thread, call, *arguments)


def _forget(fetching: Fetching) -> None:
    """Take a dropped fetch's exception, which the next fetch meets as well."""
    if not fetching.cancelled():
        fetching.exception()
