"""The Faust side of the lane: an app whose consumer drains whole batches into the engine."""

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ClassVar

import faust
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver

from stream.config import Settings
from stream.core.errors import BrokerError, NoisegateError
from stream.kafka.clients import faust_credentials
from stream.kafka.records import Part, Record
from stream.kafka.topics import TopicFacts, Topics
from stream.lane.batch import Bounds
from stream.lane.broker_watch import BrokerWatch
from stream.lane.engine import Engine, StepResult
from stream.lane.run import LaneWorker
from stream.lane.topic_identity import TopicIdentity
from stream.lane.watchdog import Watchdog
from stream.metrics.lane import LaneMetrics

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.25
GC_THRESHOLDS = (100_000, 50, 1_000)  # states make no cycles; with the defaults a third of the CPU looked for some
_SETTLE_SECONDS = 0.001  # nothing more is there: what is begun is finished at once
_RETRY_SECONDS = 0.5
_LOOK_SECONDS = 1.0  # how often lag, quiet partitions and commits are seen to
_COMMIT_SECONDS = 2.0  # at the end; committed offsets are for lag monitors and a lost Redis, truth is in Redis


class Lane:
    """What one worker's consumer needs: the engine, its thread, and what it knows of its assignment."""

    def __init__(self, settings: Settings, engine: Engine, topic: str, metrics: LaneMetrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.engine = engine
        self.topic = topic
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self.generation: object = None
        self.assigned = False
        self.waiting = False  # records are known to wait
        self.fault: BaseException | None = None
        self.stopping = False  # asked to finish what is begun
        self.drained = asyncio.Event()  # it is finished
        self.unfinished = False  # it could not be finished in time; it is read again
        self.turned_at = time.monotonic()  # when the loop last went round
        self.watchdog = Watchdog(settings.lane.stall_seconds, self.stalled_for)
        self.may_begin = True  # False: nothing is assigned yet, whatever Kafka gives
        self.identity = TopicIdentity(topic)
        self.broker_watch = BrokerWatch.of(settings, self.identity, metrics, self.partitions, self.refuse)

    def partitions(self) -> int | None:
        """How many partitions it has; None before it could have any."""
        return len(self.engine.positions) if self.assigned else None

    def refuse(self, fault: NoisegateError) -> None:
        """Take no further record and end the process with this sentence and status 1; callable from any thread."""
        self.fault = self.fault or fault
        self.stopping = True
        log.error("%s", fault)
        os.kill(os.getpid(), signal.SIGTERM)

    def stalled_for(self) -> float:
        """Seconds without progress while records wait, or since the loop last went round, whichever is more.

        Nothing can go on while Kafka is away, so that time does not count.
        """
        if self.broker_watch.away:
            return 0.0
        idle_since = max(self.engine.progressed_at, self.broker_watch.up_since)
        turned_at = max(self.turned_at, self.broker_watch.up_since)
        now = time.monotonic()
        return max(now - turned_at, now - idle_since if self.waiting else 0.0)

    def show_progress(self) -> None:
        """Set the gauge of progress: to now where nothing waits, else to when a batch was last finished."""
        idle = time.monotonic() - self.engine.progressed_at if self.waiting else 0.0
        self.metrics.progress_timestamp.set(time.time() - idle)


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's thread, whose aiokafka consumer reads committed records only, and waits for them as long as we say.

    Faust would read committed records only if it also produced in transactions, and fixes the wait at 1.5 s: the
    embedded broker lets half of that pass before it answers, whatever is there.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        made = super()._create_worker_consumer(transport)
        lane: Lane = self.consumer.lane  # type: ignore[attr-defined]  # it is a LaneConsumer
        made._isolation_level = "read_committed"
        made._fetch_max_wait_ms = int(lane.settings.lane.fetch_wait_seconds * 1000)
        return made


class LaneConsumer(driver.Consumer):
    """Faust's aiokafka consumer with `_drain_messages` replaced; nothing is acked, offsets are committed explicitly."""

    lane: ClassVar[Lane]
    _committing: asyncio.Task[None] | None = None

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        lane = self.lane
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        try:
            await self._drain(fetcher)
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise
        except BaseException as error:
            lane.fault = lane.fault or error
            level = logging.ERROR if isinstance(error, NoisegateError) else logging.CRITICAL
            log.log(level, "%s", error, exc_info=not isinstance(error, NoisegateError))
            os.kill(os.getpid(), signal.SIGTERM)  # the worker stops in order; `run_worker` gives the status
        finally:
            await self._leave()

    async def _drain(self, fetcher: Any) -> None:
        lane, engine = self.lane, self.lane.engine
        commits: dict[Part, int] = {}
        looked_at = time.monotonic()
        fetching: asyncio.Task[Any] | None = None
        unsettled = more = False

        def stopping() -> bool:
            return bool(lane.stopping or self._stopped.is_set() or fetcher._stopped.is_set() or self.app.should_stop)

        while not stopping():
            lane.turned_at = time.monotonic()
            if not lane.may_begin:
                await asyncio.sleep(_POLL_SECONDS)
                continue
            if self.flow_active and self.app.consumer_generation_id != lane.generation:
                if fetching is not None:
                    await asyncio.wait({fetching})  # fetched before we seek, so of no use
                    fetching = None
                unsettled = more = False
                if not await self._assign():
                    continue
            fetching = fetching or asyncio.create_task(self._wait_next_records(_POLL_SECONDS))  # beside the step
            if unsettled and not more:
                await asyncio.wait({fetching}, timeout=_SETTLE_SECONDS)
            if more:
                result = await self._on_thread(engine.step, {})
            elif unsettled and not fetching.done():
                result = await self._on_thread(engine.settle)
                unsettled = False
            else:
                records, _ = await fetching
                fetching = None
                if self.app.consumer_generation_id != lane.generation or not self.flow_active:
                    lane.generation = None  # what was fetched is dropped, so that it has to be sought again
                    continue
                if records:
                    lane.waiting = unsettled = True
                    fetching = asyncio.create_task(self._wait_next_records(_POLL_SECONDS))
                    result = await self._step(_parts(records, lane.topic))
                else:
                    result = await self._idle()
            more = result.more
            commits.update(result.commits)
            if not result.reassign and time.monotonic() - looked_at > _LOOK_SECONDS:
                quiet = await self._idle()  # a quiet partition beside a busy one needs its ticks
                commits.update(quiet.commits)
                result.reassign = quiet.reassign
                self._show_lag()
                self._commit_soon(commits)
                looked_at = time.monotonic()
            if result.reassign:
                lane.generation = None
        if fetching is not None:
            fetching.cancel()
        await self._finish(commits)

    async def _step(self, fetched: dict[Part, Sequence[Record]]) -> StepResult:
        """One step; a gap before what was fetched is believed where Kafka still has the records around it."""
        engine = self.lane.engine
        gaps = engine.gaps(fetched)
        sound: list[Part] = []
        if gaps:
            thread, consumer = self._thread, self._thread._ensure_consumer()
            with suppress(KafkaError, IllegalStateError):  # no answer: everything is assigned anew, which looks again
                begins = await thread.call_thread(consumer.beginning_offsets, [_tp(part) for part in gaps])
                sound = [part for part in gaps if begins[_tp(part)] <= engine.positions[part]]
        result: StepResult = await self._on_thread(engine.step, fetched, sound)
        return result

    async def _finish(self, commits: dict[Part, int]) -> None:
        """Settle what is begun and commit, within the time there is for it; what is not settled is read again."""
        lane = self.lane
        try:
            result = await asyncio.wait_for(self._on_thread(lane.engine.settle), lane.settings.lane.drain_seconds)
        except TimeoutError:
            lane.unfinished = True
            return
        commits.update(result.commits)
        committing = self._commit_soon(commits)
        if committing is not None:
            await asyncio.wait({committing}, timeout=_COMMIT_SECONDS)

    async def _idle(self) -> StepResult:
        """Settle, and let the room do what is due in quiet partitions."""
        lane, engine = self.lane, self.lane.engine
        result: StepResult = await self._on_thread(engine.settle)
        behind = {part for part in engine.positions if self._behind(part)}
        lane.waiting = bool(behind)
        caught_up = [part for part in engine.positions if part not in behind]
        idle = await self._on_thread(engine.idle, caught_up, time.time())
        result.reassign = result.reassign or idle.reassign
        return result

    def _show_lag(self) -> None:
        lane = self.lane
        for part in lane.engine.positions:
            lane.metrics.lag.labels(*part).set(self._behind(part))
        lane.show_progress()

    def _behind(self, part: Part) -> int:
        """Records that can be read and wait in a partition.

        What lies beyond the last stable offset belongs to a transaction that is open: nobody may read it yet.
        """
        state = self._state_of(part)
        if state is None or not state.has_valid_position:
            return 0
        engine = self.lane.engine
        end: int | None = state.highwater if state.lso in (None, -1) else state.lso
        reached: int = max(engine.positions[part], state.position)  # aiokafka passes by markers, which no room sees
        return max(0, (end or 0) - reached) + engine.waiting(part)

    def _state_of(self, part: Part) -> Any:
        """What aiokafka knows of an assigned partition, None where it is not assigned (any more)."""
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        return None if assignment is None or _tp(part) not in assignment.tps else assignment.state_value(_tp(part))

    async def _assign(self) -> bool:
        """Position every assigned partition; False: Kafka moved on meanwhile or did not answer, try again."""
        lane = self.lane
        lane.waiting = True  # for the watchdog: until this is done, nothing is worked on
        generation = self.app.consumer_generation_id
        parts = [Part(tp.topic, tp.partition) for tp in self.assignment() if tp.topic == lane.topic]
        try:
            bounds = await self._bounds(parts)
        except (KafkaError, IllegalStateError, BrokerError) as error:
            if not lane.broker_watch.away:
                log.warning("the assignment could not be taken yet: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)
            return False
        positions = await self._on_thread(lane.engine.assign, bounds)  # what was begun may fail: that ends the worker
        try:
            await self._seek_all(generation, positions)
        except (KafkaError, IllegalStateError) as error:
            log.warning("the positions could not be sought yet: %s", error)
            return False
        return True

    async def _seek_all(self, generation: object, positions: Mapping[Part, int]) -> None:
        lane = self.lane
        if self.app.consumer_generation_id != generation:
            return  # rebalanced meanwhile: the loop comes here again
        for part, offset in positions.items():
            await self.seek(_tp(part), offset)
        lane.generation = generation
        lane.assigned = True
        log.info("assigned", extra={"fields": {"partitions": {p.partition: o for p, o in positions.items()}}})

    async def _bounds(self, parts: Sequence[Part]) -> dict[Part, Bounds]:
        if not parts:
            return {}
        thread, consumer = self._thread, self._thread._ensure_consumer()
        tps = [TopicPartition(*part) for part in parts]
        begins = await thread.call_thread(consumer.beginning_offsets, tps)
        ends = await thread.call_thread(consumer.end_offsets, tps) if self.lane.settings.kafka.end_offsets else {}
        facts = await asyncio.get_running_loop().run_in_executor(None, self._topic_facts)
        self.lane.identity.hold(facts)
        committed = {tp: await thread.call_thread(consumer.committed, tp) for tp in tps}
        any_committed = any(offset is not None for offset in committed.values())
        for number in range(facts.partitions):
            other = TopicPartition(self.lane.topic, number)
            if not any_committed and other not in committed:
                any_committed = await thread.call_thread(consumer.committed, other) is not None
        return {
            part: Bounds(
                committed[tp],
                begins[tp],
                ends.get(tp),
                facts.topic_id,
                facts.partitions,
                facts.cluster_id,
                any_committed,
            )
            for part, tp in zip(parts, tps, strict=True)
        }

    def _topic_facts(self) -> TopicFacts:
        topics = Topics(self.lane.settings)
        topics.require("events")
        return topics.facts(self.lane.topic)

    def _commit_soon(self, commits: dict[Part, int]) -> "asyncio.Task[None] | None":
        """Commit beside the work, one commit at a time; what is handed over leaves `commits`."""
        if not commits or (self._committing is not None and not self._committing.done()):
            return None
        self._committing = asyncio.create_task(self._commit_all(dict(commits)))
        commits.clear()
        return self._committing

    async def _commit_all(self, offsets: Mapping[Part, int]) -> None:
        """Commit for lag monitors; Faust's own commit would crash the worker where this one may fail."""
        assigned = self.assignment()
        chosen = {_tp(part): offset for part, offset in offsets.items() if _tp(part) in assigned}
        if not chosen:
            return
        thread, consumer = self._thread, self._thread._ensure_consumer()
        try:
            await thread.call_thread(consumer.commit, chosen)
        except (KafkaError, IllegalStateError) as error:
            if not self.lane.broker_watch.away:
                log.warning("offsets were not committed: %s", error)

    async def _on_thread(self, call: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.lane.thread, call, *arguments)

    async def _leave(self) -> None:
        self.lane.drained.set()
        self.lane.watchdog.stop()
        self.lane.thread.shutdown(wait=False)


class _App(faust.App):
    """Faust's app, which keeps nothing on disk; `lane` is what its workers run."""

    lane: Lane

    def _create_directories(self) -> None:
        """Make no folders: Faust's tables, which would lie there, are not used."""


def make_app(settings: Settings, lane: Lane) -> faust.App:
    """A Faust app whose worker runs the lane's room on `lane.topic`."""

    class Consumer(LaneConsumer):
        pass

    Consumer.lane = lane

    class Transport(driver.Transport):
        pass

    Transport.Consumer = Consumer
    app = _App(
        settings.deployment,
        broker=[f"aiokafka://{server.strip()}" for server in settings.kafka.bootstrap_servers.split(",")],
        broker_credentials=faust_credentials(settings),
        store="memory://",
        autodiscover=False,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        web_enabled=False,
        worker_redirect_stdouts=False,
        consumer_auto_offset_reset="earliest",
        broker_client_id=settings.kafka.client.get("client.id", settings.deployment),
        broker_max_poll_records=settings.lane.batch_max_records,
        broker_max_poll_interval=max(300.0, 3 * settings.lane.stall_seconds),
        broker_session_timeout=settings.lane.session_timeout_seconds,
        broker_heartbeat_interval=settings.lane.heartbeat_seconds,
        broker_rebalance_timeout=settings.lane.rebalance_timeout_seconds,
        broker_request_timeout=max(30.0, settings.lane.session_timeout_seconds + 5.0),
        producer_request_timeout=30.0,
        Worker=LaneWorker,
    )
    app.lane = lane
    app.transport = Transport(app.conf.broker_consumer, app, app.loop)

    async def never_called(stream: Any) -> None:
        async for _ in stream:  # pragma: no cover - the lane takes every record before any agent could
            pass

    app.agent(app.topic(lane.topic, value_serializer="raw", value_type=bytes), name="lane")(never_called)
    return app


def _tp(part: Part) -> Any:
    return TopicPartition(part.topic, part.partition)


def _parts(records: Mapping[Any, Sequence[Record]], topic: str) -> dict[Part, Sequence[Record]]:
    return {Part(tp.topic, tp.partition): found for tp, found in records.items() if tp.topic == topic}
