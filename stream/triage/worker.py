"""The page as a process: HTTP, topics, Redis and the model store put together around its room."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from stream.asgi_server import open_socket, serve
from stream.config import Settings
from stream.core.errors import BrokerError, KafkaAway, SettingsError
from stream.core.events import Acted, encode_event
from stream.extras import import_extra
from stream.kafka.acknowledged import AcknowledgedPublisher
from stream.kafka.records import Output, Part
from stream.lane.process import Callbacks, tune_garbage_collection
from stream.lane.runner import Runner
from stream.metrics.triage import TriageMetrics
from stream.rule_state import RuleState
from stream.sources.options import load_sources
from stream.sources.pseudonyms import Pseudonyms, load_key
from stream.sources.silences import SOURCE
from stream.triage.auth import Access, load_auth
from stream.triage.board import Record
from stream.triage.history import AWAY, HistoryReader
from stream.triage.kept import KeptActs, keep_open, publish_kept, publish_last
from stream.triage.models import ModelReader
from stream.triage.places import Places
from stream.triage.room import TriageRoom, audit
from stream.triage.standings import RuleReader
from stream.triage.tail import RecordTail
from stream.triage.verdicts import check_kinds

log = logging.getLogger(__name__)
REDIS_SECONDS = 1.0  # at most, for a page
REDIS_CHECK_SECONDS = 2.0
PUBLISH_SECONDS = 3.0
CLOSE_SECONDS = 2.0
ROOM = "triage"
READING = "What came before is being read, so this is not all of it yet"


class Triage:
    """One page, put together but not started; nothing outside this machine is asked yet.

    Raises:
        NoisegateError: a setting or a file can't be used; one sentence with the mend.
    """

    def __init__(self, settings: Settings) -> None:
        for module in ("starlette", "uvicorn", "sse_starlette", "jinja2"):
            import_extra(module, "web", "the triage page needs", SettingsError)
        self._settings = settings
        triage = settings.triage
        self._access = Access(load_auth(triage.auth), triage.host, tuple(triage.hosts))
        self._problem = settings.load_problem()
        kinds = {str(action): kind for action, kind in triage.verdicts.items()}
        self._deciding = check_kinds(kinds, self._problem, str(settings.problem))
        key = load_key(settings.sources.pseudonym_key)
        if key.sentence:
            log.warning("%s", key.sentence)
        self._pseudonyms = Pseudonyms(key.key)
        self._identity_ignore = load_sources(settings.sources.options).of(SOURCE).identity_ignore
        self.metrics = TriageMetrics()
        self._models = ModelReader(settings.models, self._problem, settings.deployment, settings.metrics.prometheus_url)
        self._listener = open_socket(triage.host, triage.port, "triage_port")
        self._tail: RecordTail | None = None
        self._memory_up = True
        self._listening = False
        callbacks = Callbacks(ready=self._faults, notes=self._away)
        self.runner = Runner(settings, self.metrics.registry, self._work, callbacks)

    async def _work(self, stopping: asyncio.Event) -> None:
        from stream.triage.app import TriageApp

        settings, loop = self._settings, asyncio.get_running_loop()
        audit.setLevel(logging.INFO)  # whatever log_level is
        publisher = AcknowledgedPublisher(settings, PUBLISH_SECONDS)

        async def publish(acts: Sequence[Acted]) -> list[Acted]:
            return await publish_acts(publisher, settings.topics.events, acts, self.metrics)

        room = TriageRoom(settings.triage, self._deciding, settings.severities, publish, self.metrics)
        room.outside = self._away

        def deliver(records: Sequence[Record]) -> None:
            try:
                asyncio.run_coroutine_threadsafe(_take(room, records), loop).result()
            except (RuntimeError, asyncio.CancelledError):
                log.debug("records came at the end", exc_info=True)

        tail = self._tail = RecordTail(settings, deliver, self.metrics)
        history = self._history(tail)
        redis_seconds = min(settings.redis.timeout_seconds, REDIS_SECONDS)
        rules = RuleReader(RuleState(settings.redis.url, settings.deployment, redis_seconds))
        places = Places(room, self._problem, history, self._models, rules, self._identity_ignore)
        app = TriageApp(room, places, self._access, self._pseudonyms.maker(ROOM)).make()
        tail.start()
        kept = KeptActs(settings.redis.url, settings.deployment, redis_seconds)
        work = (
            room.run(),
            self._watch(history),
            publish_kept(kept, publish, settings.triage.undo_seconds),
            keep_open(kept, room.open_acts, room.changed),
            _close_streams(room, stopping),
        )
        tasks = [_begin(one) for one in work]
        tune_garbage_collection()
        host, port = self._listener.getsockname()[:2]
        log.info("listening", extra={"fields": {"host": host, "port": port}})
        self._listening = True
        try:
            await serve(app, self._listener, stopping)
        finally:
            self._listening = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await publish_last(kept, publish, room.close())
            closing = [asyncio.to_thread(close, CLOSE_SECONDS) for close in (tail.close, publisher.close)]
            closing += [asyncio.to_thread(close) for close in (history.close, kept.close, rules.close)]
            await asyncio.gather(*closing)

    def _history(self, tail: RecordTail) -> HistoryReader:
        settings = self._settings
        return HistoryReader(
            settings.redis.url,
            settings.deployment,
            settings.topics.events,
            settings.kafka.partitioner,
            lambda: tail.partitions,
            min(settings.redis.timeout_seconds, REDIS_SECONDS),
            self._set_memory,
        )

    async def _watch(self, history: HistoryReader) -> None:
        """Ask Redis now and then whether it is there."""
        while True:
            await asyncio.to_thread(history.ping)
            await asyncio.sleep(REDIS_CHECK_SECONDS)

    def _set_memory(self, up: bool) -> None:
        self._memory_up = up
        self.metrics.memory_up.set(up)

    def _away(self) -> list[str]:
        tail, found = self._tail, []
        if tail is not None and (tail.away or not tail.caught_up):
            found.append(tail.away or READING)
        return found if self._memory_up else [*found, AWAY]

    def _faults(self) -> list[str]:
        if not self._listening:
            return ["it does not listen yet"]
        return [] if self._tail is not None and self._tail.caught_up else ["what came before is not read yet"]


class Publisher(Protocol):
    """What publishes records; `AcknowledgedPublisher` is one. Called from the event loop, it may not block."""

    def publish(self, output: Output) -> "Future[tuple[Part, int]]":
        """A future of where the record lies; it fails with KafkaAway, RecordRefused or another BrokerError."""


async def publish_acts(publisher: Publisher, topic: str, acts: Sequence[Acted], metrics: TriageMetrics) -> list[Acted]:
    """Publish acts, keyed by team; returns those that Kafka has not taken and may take later."""
    futures = [publisher.publish(Output(topic, act.team.encode(), encode_event(act))) for act in acts]
    results = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
    left = []
    for act, result in zip(acts, results, strict=True):
        if isinstance(result, KafkaAway):
            left.append(act)
        elif isinstance(result, BrokerError):
            metrics.refused.inc()
            fields = {"team": act.team, "alert_id": act.alert_id, "kind": act.kind, "action_id": act.action_id}
            log.error("a verdict can't be published: %s", result, extra={"fields": fields})
        elif isinstance(result, BaseException):
            raise result
    return left


def _begin(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """A task whose fault is in the log, as nobody waits for it."""

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a part of the page ended", exc_info=error)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task


async def _take(room: TriageRoom, records: Sequence[Record]) -> None:
    room.take(records)


async def _close_streams(room: TriageRoom, stopping: asyncio.Event) -> None:
    """End what browsers follow, so that the server need not wait for them."""
    await stopping.wait()
    room.broadcaster.close()


def run_triage(settings: Settings) -> int:
    """Serve the page in this process until a signal or a fault; returns the exit status.

    Raises:
        NoisegateError: a setting or a file can't be used.
    """
    return Triage(settings).runner.run()
