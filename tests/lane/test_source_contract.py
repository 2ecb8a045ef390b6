"""What the lane's source promises, held on the fake and on Faust's consumer with a real Kafka."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from stream.config import Settings, make_settings
from stream.kafka.records import Part
from stream.lane.faust import make_app
from stream.lane.lane import Lane
from stream.lane.process import Callbacks
from stream.lane.source import Source
from stream.metrics.lane import LaneMetrics
from tests.async_waits import until
from tests.lane.fake_source import FakeSource, Topic
from tests.lane.room import FencedRoom
from tests.servers.kafka import ApacheKafka

SECONDS = 60.0
PARTITIONS = (2, 1)


class Ground(Protocol):
    """A source that has all partitions of two topics, and what happens around it."""

    topics: tuple[str, str]

    @property
    def source(self) -> Source:
        """The source."""

    async def append(self, part: Part, count: int) -> None:
        """Write records."""

    async def rebalance(self) -> None:
        """Begin a rebalance of the group, after which the source has some or all of the partitions."""


async def offsets_of(source: Source, part: Part, count: int) -> list[int]:
    """The offsets of the next records of a partition, at least so many."""
    found: list[int] = []
    async with asyncio.timeout(SECONDS):
        while len(found) < count:
            found += [record.offset for record in (await source.fetch(0.1)).get(part, ())]
    return found


async def check(ground: Ground) -> None:
    """Hold a source to what it promises, step by step."""
    source, (first, second) = ground.source, ground.topics
    one, other = Part(first, 1), Part(second, 0)
    everything = {Part(first, 0), one, other}
    await until(lambda: source.generation() is not None and source.assignment() == everything, SECONDS)

    # Bounds are of each partition, and say nothing of a commit before there is one.
    await ground.append(one, 7)
    await ground.append(other, 3)
    bounds = await source.bounds(sorted(everything))
    assert {part: (known.begin, known.end) for part, known in bounds.items()} == {
        Part(first, 0): (0, 0), one: (0, 7), other: (0, 3),
    }  # fmt: skip
    assert {part.topic: known.partitions for part, known in bounds.items()} == {first: 2, second: 1}
    assert len({known.topic_id for known in bounds.values()}) == 2
    assert len({known.cluster_id for known in bounds.values()}) == 1
    assert {(known.committed, known.group_committed) for known in bounds.values()} == {(None, False)}
    assert (await source.bounds([one], begin_only=True))[one].begin == 0

    # A fetch begins where the source was sought to, and leaves nothing out, on each topic.
    for part, offset, end in ((one, 4, 7), (other, 1, 3), (one, 2, 7)):
        await source.seek(part, offset)
        assert await offsets_of(source, part, end - offset) == list(range(offset, end))
        assert source.highwater(part) == (end, end)
    assert await source.fetch(0.01) == {}

    # A commit is seen in the bounds of its topic only.
    await source.commit({one: 5})
    bounds = await source.bounds(sorted(everything))
    assert {part: (known.committed, known.group_committed) for part, known in bounds.items()} == {
        Part(first, 0): (None, True), one: (5, True), other: (None, False),
    }  # fmt: skip

    # A rebalance gives another generation, and what is assigned then can be sought and fetched.
    before = source.generation()
    await ground.rebalance()
    async with asyncio.timeout(SECONDS):
        while source.generation() in (None, before) or not source.assignment():
            await source.fetch(0.05)
    part = sorted(source.assignment() & {one, other} or source.assignment())[0]
    await ground.append(part, 2)
    last = (await source.bounds([part]))[part].end
    assert last is not None
    await source.seek(part, last - 2)
    assert await offsets_of(source, part, 2) == [last - 2, last - 1]


class FakeGround:
    """The fake."""

    topics = ("alerts.events", "alerts.enriched")

    def __init__(self) -> None:
        self.source = FakeSource(
            {name: Topic(count, topic_id=name) for name, count in zip(self.topics, PARTITIONS, strict=True)}
        )
        self._all = [Part(self.topics[0], 0), Part(self.topics[0], 1), Part(self.topics[1], 0)]
        self.source.assign(*self._all)

    async def append(self, part: Part, count: int) -> None:
        """Write records."""
        self.source.append(part, count)

    async def rebalance(self) -> None:
        """Another member joins."""
        self.source.revoke()
        asyncio.get_running_loop().call_later(0.02, self.source.assign, *self._all[1:])


def test_the_fake_source_keeps_the_promise() -> None:
    """What the loop's tests stand on is true of a consumer."""
    asyncio.run(check(FakeGround()))


class HeldLane(Lane):
    """A lane that gives its source away and does nothing else."""

    source: Source | None = None

    async def run(self, source: Source, ended: Callable[[], bool]) -> None:
        """Hold the source until the app stops."""
        self.source = source
        await until(ended, 10 * SECONDS)

    def start(self) -> None:
        """Nothing runs beside it."""

    def stop(self) -> None:
        """Nothing runs beside it."""
        self.loop.close()


@asynccontextmanager
async def member(settings: Settings, topics: tuple[str, str]) -> AsyncIterator[Source]:
    """A member of the group, as Faust runs it."""
    lane = HeldLane(settings, "closer", topics, FencedRoom(), LaneMetrics(), (), Callbacks())
    app = make_app(lane)
    app.finalize()
    await app.start()
    try:
        await until(lambda: lane.source is not None, SECONDS)
        assert lane.source is not None
        yield lane.source
    finally:
        await app.stop()


class KafkaGround:
    """Faust's consumer on a real Kafka."""

    def __init__(self, settings: Settings, source: Source, topics: tuple[str, str]) -> None:
        self.settings, self.source, self.topics = settings, source, topics
        self.joining: asyncio.Task[None] | None = None
        self.left = asyncio.Event()

    async def append(self, part: Part, count: int) -> None:
        """Write records."""
        producer = Producer({"bootstrap.servers": self.settings.kafka.bootstrap_servers})
        for _ in range(count):
            producer.produce(part.topic, b"x", partition=part.partition)
        assert await asyncio.to_thread(producer.flush, 60) == 0

    async def rebalance(self) -> None:
        """Another member joins."""

        async def join() -> None:
            async with member(self.settings, self.topics):
                await self.left.wait()

        self.joining = asyncio.create_task(join())


@pytest.mark.expects_errors  # the group's coordinator of a Kafka that has just started is not there yet
def test_faust_s_consumer_keeps_the_promise(kafka: ApacheKafka, unique_name: str) -> None:
    """With two topics of different partition counts in one group, on Apache Kafka."""
    topics = (f"{unique_name}.events", f"{unique_name}.enriched")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    new = [NewTopic(name, count, 1) for name, count in zip(topics, PARTITIONS, strict=True)]
    for future in admin.create_topics(new).values():
        future.result(60)
    settings = make_settings(
        deployment=unique_name,
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        events_topic=topics[0],
        session_timeout_seconds=30.0,
        heartbeat_seconds=0.5,
        rebalance_timeout_seconds=20.0,
        fetch_wait_seconds=0.1,
    )

    async def scenario() -> None:
        async with member(settings, topics) as source:
            ground = KafkaGround(settings, source, topics)
            await check(ground)
            ground.left.set()
            assert ground.joining is not None
            await ground.joining

    asyncio.run(scenario())
