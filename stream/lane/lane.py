"""A room on the lane, as a process: engine, loop, watches and health put together around the room."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from threading import Thread

from stream.config import Settings
from stream.core.errors import NoisegateError
from stream.kafka.clients import producer_settings
from stream.kafka.publisher import Publisher
from stream.kafka.records import Part
from stream.kafka.topics import Topics
from stream.lane.batch import Room
from stream.lane.broker_watch import BrokerWatch
from stream.lane.engine import Engine
from stream.lane.group import consumer_group
from stream.lane.loop import Loop
from stream.lane.process import Callbacks, Process, in_thread, tune_garbage_collection
from stream.lane.source import Source, SourceClosed
from stream.lane.topic_identity import TopicIdentity
from stream.lane.watchdog import Watchdog
from stream.metrics.lane import LaneMetrics

log = logging.getLogger(__name__)


class Lane:
    """One room's process on the lane, put together but not started; nothing outside this machine is asked yet.

    Args:
        settings: servers, limits, times.
        name: the room's, as in `noisegate run NAME`; its consumer group follows from it.
        topics: what the room reads, one topic or more.
        room: what is done with the records.
        metrics: the process's metrics.
        roles: the roles of all topics that must exist before the room begins.
        callbacks: what the room adds to its process.

    Raises:
        SettingsError: a Kafka setting that not every client would honour.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        topics: Sequence[str],
        room: Room,
        metrics: LaneMetrics,
        roles: Sequence[str],
        callbacks: Callbacks,
    ) -> None:
        self.settings = settings
        self.topics = tuple(topics)
        self.group = consumer_group(settings.deployment, name)
        self._metrics = metrics
        self._roles = roles
        self._callbacks = callbacks
        identity = TopicIdentity(topics)
        self.broker_watch = BrokerWatch.of(settings, self.group, identity, metrics, self._count_assigned, self.refuse)
        self.engine = Engine(
            room,
            Publisher(
                producer_settings(settings),
                settings.topics.failed,
                lambda reason: metrics.failed.labels(reason).inc(),
                self._away,
            ),
            metrics,
            settings.lane.batch_max_records,
            settings.lane.batch_max_bytes,
            settings.lane.batch_seconds,
            settings.lane.stall_seconds,
        )
        self.loop = Loop(self.engine, metrics, settings.lane.drain_seconds, identity.hold, self._away)
        self.loop.may_begin = False
        self._watchdog = Watchdog(settings.lane.stall_seconds, self.stalled_for)
        self.process = Process(settings, metrics.registry, self._watchdog, self._ready, callbacks)

    def open(self) -> None:
        """Open the health server, then look for Kafka and the topics.

        Raises:
            NoisegateError: the port is taken, Kafka can't be reached or a topic is missing; one sentence with the mend.
        """
        self.process.open()
        in_thread(lambda: Topics(self.settings).require(*self._roles))
        self._metrics.kafka_up.set(1)

    def start(self) -> None:
        """Begin to watch Kafka and the lane, and to prepare the room; the loop begins once that is done."""
        self.process.start()
        self.broker_watch.start()
        Thread(target=self._prepare, name="prepare", daemon=True).start()

    def stop(self) -> None:
        """Stop what `start` began; the process ends within `drain_seconds` and a little, whatever hangs."""
        self.process.stop()
        self.broker_watch.stop()

    async def run(self, source: Source, ended: Callable[[], bool]) -> None:
        """Work until a signal or a fault, or until `ended` says so; a fault ends the process with status 1.

        Raises:
            SourceClosed: the source was closed from outside.
        """
        tune_garbage_collection()
        try:
            await self.loop.run(source, ended)
        except (SourceClosed, asyncio.CancelledError):
            raise
        except BaseException as error:
            self.process.fail(error)
        finally:
            self._watchdog.stop()

    def refuse(self, fault: NoisegateError) -> None:
        """Take no further record and end the process with this sentence and status 1; callable from any thread."""
        self.loop.stopping = True
        self.process.fail(fault)

    def status(self) -> int:
        """The exit status, see `Process.status`."""
        return self.process.status(self.loop.unfinished)

    def assigned(self) -> list[Part]:
        """The partitions that are worked on; callable from any thread."""
        return sorted(self.engine.positions)

    def stalled_for(self) -> float:
        """Seconds without progress where there could be some, see `Loop.stalled_for`; 0 while Kafka is away."""
        return 0.0 if self.broker_watch.away else self.loop.stalled_for(self.broker_watch.up_since)

    def _prepare(self) -> None:
        self._callbacks.prepare()
        self.loop.may_begin = True

    def _ready(self) -> list[str]:
        waiting = []
        if not self.loop.may_begin:
            waiting.append(self._callbacks.unprepared)
        if not self.loop.assigned:
            waiting.append("no partitions are assigned yet")
        return self.broker_watch.faults + waiting + self._callbacks.ready()

    def _away(self) -> bool:
        return self.broker_watch.away

    def _count_assigned(self) -> int | None:
        """How many partitions there are; None before there could be any."""
        return len(self.engine.positions) if self.loop.assigned else None
