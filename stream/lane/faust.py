"""The lane's source on Faust: the one module that knows Faust and its aiokafka driver.

Faust gives membership, assignment, start, stop and supervision. Its per-event path is replaced: the consumer's
`_drain_messages` runs the lane's loop, nothing is acked, and offsets are committed explicitly.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, NoReturn

import faust
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers import aiokafka as driver
from faust.types.auth import SASLMechanism

from stream.config import Settings
from stream.core.errors import BrokerError
from stream.kafka.clients import check_security
from stream.kafka.records import Part, Record
from stream.kafka.topics import TopicFacts, Topics
from stream.lane.batch import Bounds
from stream.lane.lane import Lane
from stream.lane.process import EXIT_FAULT
from stream.lane.source import Highwater, SourceClosed
from stream.lane.tls import ssl_context


def run(lane: Lane) -> int:
    """Run a lane in this process until SIGTERM or SIGINT (status 0) or a fault (status 1)."""
    worker = LaneWorker(
        make_app(lane),
        loglevel=lane.settings.log_level.upper(),
        override_logging=False,
        redirect_stdouts=False,
        quiet=True,
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else EXIT_FAULT


def make_app(lane: Lane) -> faust.App:
    """A Faust app whose worker runs a lane, also where Faust's own command runs it."""
    settings = lane.settings
    app = LaneApp(
        lane.group,
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
    app.transport = _transport(lane)(app.conf.broker_consumer, app, app.loop)
    _attach(app, lane)
    return app


def _attach(app: faust.App, lane: Lane) -> None:
    """Subscribe to the lane's topics, by an agent that is never called, and start and stop the lane with the app."""

    async def never_called(stream: Any) -> None:
        async for _ in stream:  # pragma: no cover - the lane takes every record before any agent could
            pass

    async def start() -> None:
        lane.start()

    async def stop(app: Any, **_: Any) -> None:
        lane.stop()

    app.agent(app.topic(*lane.topics, value_serializer="raw", value_type=bytes), name="lane")(never_called)
    app.task(start)
    app.on_before_shutdown.connect(stop)  # type: ignore[arg-type]  # its handler type fits no function


class LaneApp(faust.App):
    """Faust's app, which keeps nothing on disk; `lane` is what its workers run."""

    lane: Lane

    def _create_directories(self) -> None:
        """Make no folders: Faust's tables, which would lie there, are not used."""


class LaneWorker(faust.Worker):
    """Faust's worker for an app that `make_app` made.

    At SIGTERM or SIGINT the lane first finishes what is begun, within `drain_seconds`. Status 0 after a signal, also
    where the time was over, since what was not finished is read again; 1 after a fault.
    """

    _draining: "asyncio.Task[None] | None" = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.spinner = None  # it writes escape codes between the log's lines

    @property
    def _lane(self) -> Lane:
        lane: Lane = self.app.lane  # type: ignore[attr-defined]  # make_app gives it
        return lane

    def _on_sigterm(self) -> None:
        self._drain_then(super()._on_sigterm)

    def _on_sigint(self) -> None:
        self._drain_then(super()._on_sigint)

    def _drain_then(self, leave: Callable[[], None]) -> None:
        lane = self._lane
        lane.loop.stopping = True
        if self._draining is not None:
            return
        lane.process.end_in_time(lambda: self.app.crash_reason)

        async def drain() -> None:
            if lane.loop.assigned:
                with suppress(TimeoutError):
                    await asyncio.wait_for(lane.loop.drained.wait(), lane.settings.lane.drain_seconds)
            leave()

        self._draining = asyncio.get_running_loop().create_task(drain())

    def execute_from_commandline(self) -> NoReturn:
        """Run until a signal or a fault, and leave by SystemExit with the status."""
        lane, process = self._lane, self._lane.process
        status = 0
        try:
            super().execute_from_commandline()
        except SystemExit as stopped:
            status = stopped.code if isinstance(stopped.code, int) else 0
        except Exception as error:
            process.fault = process.fault or error
        process.fault = process.fault or self.app.crash_reason  # a service beside the lane crashed
        status = lane.status() or status
        if lane.loop.unfinished:  # its thread still waits for Kafka, and Python would wait for the thread
            os._exit(status)
        raise SystemExit(status)


class FaustSource:
    """The lane's `Source` on Faust's consumer, whose aiokafka client runs on a thread and event loop of its own."""

    def __init__(self, consumer: "LaneConsumer", lane: Lane) -> None:
        self._consumer = consumer
        self._thread = consumer._thread
        self._settings = lane.settings
        self._topics = lane.topics

    def generation(self) -> object | None:
        """Faust's generation of the assignment; None while Faust has stopped the flow of records."""
        return self._consumer.app.consumer_generation_id if self._consumer.flow_active else None

    async def fetch(self, seconds: float) -> dict[Part, Sequence[Record]]:
        """Committed records of the lane's topics."""
        with _errors(()):
            records, _ = await self._consumer._wait_next_records(seconds)
        return {Part(tp.topic, tp.partition): found for tp, found in (records or {}).items() if self._is_ours(tp)}

    def assignment(self) -> set[Part]:
        """The partitions of the lane's topics; Faust may be assigned others."""
        return {Part(tp.topic, tp.partition) for tp in self._consumer.assignment() if self._is_ours(tp)}

    async def bounds(self, parts: Sequence[Part], begin_only: bool = False) -> dict[Part, Bounds]:
        """Offsets by Faust's consumer, facts of the topics by an admin client."""
        consumer, tps = self._thread._ensure_consumer(), [_tp(part) for part in parts]
        with _errors((KafkaError, IllegalStateError)):
            begins = await self._thread.call_thread(consumer.beginning_offsets, tps)
            if begin_only:
                return {part: Bounds(None, begins[_tp(part)], None, "", 0) for part in parts}
            trusted = self._settings.kafka.end_offsets
            ends = await self._thread.call_thread(consumer.end_offsets, tps) if trusted else {}
            bounds = {}
            for topic in sorted({part.topic for part in parts}):
                facts = await asyncio.get_running_loop().run_in_executor(None, Topics(self._settings).facts, topic)
                committed, any_committed = await self._committed([p for p in parts if p.topic == topic], facts)
                about_topic = facts.topic_id, facts.partitions, facts.cluster_id, any_committed
                for part, offset in committed.items():
                    bounds[part] = Bounds(offset, begins[_tp(part)], ends.get(_tp(part)), *about_topic)
        return bounds

    async def seek(self, part: Part, offset: int) -> None:
        """Seek on Faust's consumer."""
        with _errors((KafkaError, IllegalStateError)):
            await self._consumer.seek(_tp(part), offset)

    async def commit(self, offsets: Mapping[Part, int]) -> None:
        """Commit on the aiokafka consumer: Faust's own commit would crash the worker where this one may fail."""
        chosen = {_tp(part): offset for part, offset in offsets.items()}
        with _errors((KafkaError, IllegalStateError)):
            await self._thread.call_thread(self._thread._ensure_consumer().commit, chosen)

    def highwater(self, part: Part) -> Highwater | None:
        """By the last fetch; what lies beyond the last stable offset belongs to a transaction that is open."""
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None or _tp(part) not in assignment.tps:
            return None
        state: Any = assignment.state_value(_tp(part))
        if state is None or not state.has_valid_position:
            return None
        end: int | None = state.highwater if state.lso in (None, -1) else state.lso
        return Highwater(state.position, end or 0)

    def _is_ours(self, tp: Any) -> bool:
        return tp.topic in self._topics

    async def _committed(self, parts: Sequence[Part], facts: TopicFacts) -> tuple[dict[Part, int | None], bool]:
        """The group's offset in each of these partitions of one topic, and whether it has one in any of the topic."""
        ask, topic = self._thread._ensure_consumer().committed, parts[0].topic
        committed = {part: await self._thread.call_thread(ask, _tp(part)) for part in parts}
        if any(offset is not None for offset in committed.values()):
            return committed, True
        for other in {Part(topic, number) for number in range(facts.partitions)} - committed.keys():
            if await self._thread.call_thread(ask, _tp(other)) is not None:
                return committed, True
        return committed, False


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
    """Faust's aiokafka consumer, which hands itself to the lane instead of draining into agents."""

    lane: ClassVar[Lane]

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        def ended() -> bool:
            return bool(self._stopped.is_set() or fetcher._stopped.is_set() or self.app.should_stop)

        try:
            await self.lane.run(FaustSource(self, self.lane), ended)
        except (SourceClosed, asyncio.CancelledError):
            if not self.app.should_stop:
                raise


def _transport(lane: Lane) -> type[driver.Transport]:
    """Faust makes its consumer from the class alone, so each lane has classes of its own."""
    consumer = type("Consumer", (LaneConsumer,), {"lane": lane})
    return type("Transport", (driver.Transport,), {"Consumer": consumer})


@contextmanager
def _errors(passing: tuple[type[BaseException], ...]) -> Iterator[None]:
    """Turn these errors of aiokafka into BrokerError, and the end of its consumer into SourceClosed."""
    try:
        yield
    except ConsumerStoppedError as error:
        raise SourceClosed(str(error)) from None
    except passing as error:
        raise BrokerError(str(error)) from error


def _tp(part: Part) -> Any:
    return TopicPartition(part.topic, part.partition)


def faust_credentials(settings: Settings) -> Any:
    """Faust's broker credentials for the librdkafka settings in `settings.kafka.client`; None for plain text.

    Raises:
        SettingsError: a security setting that aiokafka, Faust's driver, can't honour, or a file that can't be read.
    """

    kafka = settings.kafka.client
    check_security(kafka)
    protocol = kafka.get("security.protocol", "plaintext").upper()
    if protocol == "PLAINTEXT":
        return None
    context = ssl_context(kafka) if protocol.endswith("SSL") else None
    if protocol == "SSL":
        return SSLCredentials(context)
    mechanism = kafka.get("sasl.mechanism") or kafka.get("sasl.mechanisms") or "PLAIN"
    return SASLCredentials(
        username=kafka.get("sasl.username"),
        password=kafka.get("sasl.password"),
        mechanism=SASLMechanism(mechanism),
        ssl_context=context,
    )
