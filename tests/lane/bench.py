"""A loop on two topics in memory, for the tests of what it does and of how it ends."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from stream.kafka.records import Part
from stream.lane.engine import Engine
from stream.lane.loop import Loop, Pauses
from stream.lane.topic_identity import TopicIdentity
from stream.metrics.lane import LaneMetrics
from tests.async_waits import until
from tests.lane.fake_source import FakeSource, Topic
from tests.lane.room import FencedRoom
from tests.scorer.rig import MemoryPublisher

EVENTS, OTHERS = "alerts.events", "alerts.enriched"
ONE, TWO, OTHER = Part(EVENTS, 0), Part(EVENTS, 1), Part(OTHERS, 0)
PAUSES = Pauses(fetch=0.002, settle=0.0001, retry=0.001, look=0.002, commit=0.2)
DEADLINE_SECONDS = 60.0


class Bench:
    """A loop on two topics in memory."""

    def __init__(self, max_records: int = 100, drain_seconds: float = 5.0, pauses: Pauses = PAUSES) -> None:
        self.source = FakeSource({EVENTS: Topic(2), OTHERS: Topic(1)})
        self.room = FencedRoom()
        self.metrics = LaneMetrics()
        self.publisher = MemoryPublisher()
        self.identity = TopicIdentity([EVENTS, OTHERS])
        engine = Engine(self.room, self.publisher, self.metrics, max_records, 1 << 20, 60.0, 1.0)
        self.loop = Loop(engine, self.metrics, drain_seconds, self.identity.hold, pauses=pauses)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        """The loop at work, and stopped in order at the end."""
        task = asyncio.create_task(self.loop.run(self.source))
        try:
            yield task
        finally:
            self.room.open()
            self.loop.stopping = True
            await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), DEADLINE_SECONDS)
        task.result()

    async def until_written(self, part: Part, count: int) -> None:
        """Until so many records of a partition are written."""
        await until(lambda: len(self.room.written.get(part, ())) >= count)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run one scenario."""
    asyncio.run(scenario)
