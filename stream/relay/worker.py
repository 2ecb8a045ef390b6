"""The relay as a process: HTTP, Alertmanagers, Kafka and Redis put together around its room.

Alerts pass whatever of Kafka, Redis, scorer and closer is away: nothing of them is asked before it listens.
"""

import asyncio
import logging
import sys
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stream.asgi_server import open_socket, serve, tls_files
from stream.config import Settings
from stream.core import limits
from stream.core.errors import SettingsError
from stream.core.records import Decision, Enriched
from stream.extras import import_extra
from stream.kafka.acknowledged import AcknowledgedPublisher
from stream.lane.process import Callbacks
from stream.lane.runner import Runner
from stream.metrics.relay import RelayMetrics
from stream.relay.annotate import Scores
from stream.relay.app import ALERTS, RelayApp, forwarded_headers, load_auth
from stream.relay.events import SOURCE, EventReader
from stream.relay.failed import DeadLetters
from stream.relay.firings import FiringTable
from stream.relay.labeller import Labeller, LabelSettings
from stream.relay.labels import Claims
from stream.relay.registrar import Registrar
from stream.relay.room import RelayRoom
from stream.relay.route_check import check_routes
from stream.relay.tail import RecordTail
from stream.relay.upstream import STATUS_PATH, Upstream
from stream.sources.memory_switch import MemorySwitch, SwitchedFiringStore
from stream.sources.options import load_sources
from stream.sources.redis_firings import RedisFiringStore

log = logging.getLogger(__name__)
REDIS_SECONDS = 1.0  # at most: with labels a post waits for Redis, though never so long
PUBLISH_SECONDS = 3.0
STATUS_SECONDS = 30.0  # between two looks at Alertmanager's configuration
STATUS_RETRY_SECONDS = 2.0  # while none of them is known
CLOSE_SECONDS = 2.0
SWITCH_SECONDS = 0.0005  # of Python's threads: what passes must not wait for the thread that looks up ids


class Relay:
    """One relay, put together but not started; nothing outside this machine is asked yet.

    Raises:
        NoisegateError: a setting or a file can't be used; one sentence with the mend.
    """

    def __init__(self, settings: Settings) -> None:
        for module in ("httpx", "uvicorn"):
            import_extra(module, "web", "the relay needs", SettingsError)
        self._settings = settings
        relay = settings.relay
        self._tls = tls_files(relay.tls_certificate, relay.tls_key, "relay")
        self._auth = load_auth(relay.auth)
        self._passed = forwarded_headers(relay)
        self._options = load_sources(settings.sources.options).of(SOURCE)
        self.metrics = RelayMetrics()
        self.metrics.kafka_up.set(1)
        _begin_at_zero(self.metrics)
        self._upstream = Upstream(relay, self.metrics)
        self._switch = MemorySwitch(self.metrics.memory_up)
        seconds = min(settings.redis.timeout_seconds, REDIS_SECONDS)
        redis = RedisFiringStore(settings.redis.url, settings.deployment, seconds)
        self._store = SwitchedFiringStore(redis, self._switch)
        self._listener = open_socket(relay.host, relay.port, "relay_port")
        self._registrar: Registrar | None = None
        self._tail: RecordTail | None = None
        self._labeller: Labeller | None = None
        self._listening = False
        callbacks = Callbacks(ready=self._faults, notes=self._notes)
        self.runner = Runner(settings, self.metrics.registry, self._work, callbacks)

    async def _work(self, stopping: asyncio.Event) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        settings, relay = self._settings, self._settings.relay
        upstream = self._upstream
        thread = ThreadPoolExecutor(1, "registrar")
        publisher = AcknowledgedPublisher(settings, PUBLISH_SECONDS)
        room = self._room(upstream, publisher, thread)
        loop = asyncio.get_running_loop()

        def deliver(records: Sequence[Enriched | Decision]) -> None:
            try:
                asyncio.run_coroutine_threadsafe(room.take(records), loop).result()
            except (RuntimeError, asyncio.CancelledError):
                log.debug("records came at the end", exc_info=True)

        tail = self._tail = RecordTail(settings, deliver)
        tail.start()
        labeller = self._labeller
        assert labeller is not None
        labeller.decisions_come = lambda: not tail.away
        tasks = [asyncio.create_task(room.run()), asyncio.create_task(self._watch(upstream, labeller))]
        app = RelayApp(room.forward, relay.path_prefix, self._auth, self.metrics, self._passed)
        host, port = self._listener.getsockname()[:2]
        log.info("listening", extra={"fields": {"host": host, "port": port}})
        self._listening = True
        try:
            await serve(app, self._listener, stopping, self._tls)
        finally:
            self._listening = False
            for task in tasks:  # what they have not published is published when its alert comes again
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            closing = [asyncio.to_thread(close, CLOSE_SECONDS) for close in (tail.close, publisher.close)]
            await asyncio.gather(*closing, upstream.drain(CLOSE_SECONDS))
            thread.shutdown(wait=False, cancel_futures=True)

    def _room(self, upstream: Upstream, publisher: Any, thread: ThreadPoolExecutor) -> RelayRoom:
        settings, relay = self._settings, self._settings.relay
        table = FiringTable(relay.resolve_minutes * 60.0, limits.RELAY_ENTRIES)
        events = EventReader(self._options, self._store)
        name = uuid.uuid4().hex
        topics = settings.topics
        letters = DeadLetters(publisher, topics.failed, ALERTS)
        registrar = Registrar(table, events, self._store, publisher, topics.events, letters, name, self.metrics, thread)

        async def post(alerts: Sequence[tuple[str, bytes]]) -> int:
            return await room.post(alerts)

        labels = LabelSettings(relay.labels, relay.wait_seconds)
        labeller = Labeller(labels, table, registrar, Claims(self._store), thread, post, self.metrics)
        self._registrar, self._labeller = registrar, labeller
        scores = Scores(limits.RELAY_SCORES)
        room = RelayRoom(upstream, table, scores, registrar, labeller, letters, relay, self.metrics)
        return room

    async def _watch(self, upstream: Upstream, labeller: Labeller) -> None:
        """Look at each Alertmanager's configuration now and then, where labels are set."""
        while self._settings.relay.labels:
            for one in upstream.members:
                reply = await one.get(STATUS_PATH)
                check = check_routes(reply.body) if reply.taken else None
                if check is None:
                    continue
                if check.mend and labeller.checks.get(one.name) != check:
                    log.warning("Alertmanager %s is not set up for relay_labels: %s", one.name, check.mend)
                labeller.checks[one.name] = check
            self.metrics.inhibit_rules.set(max((len(one.muting) for one in labeller.checks.values()), default=0))
            await asyncio.sleep(STATUS_SECONDS if labeller.checks else STATUS_RETRY_SECONDS)

    def _faults(self) -> list[str]:
        return [] if self._listening else ["it does not listen yet"]

    def _notes(self) -> list[str]:
        notes = [f"ids are made without memory: {self._switch.away}"] if self._switch.away else []
        if self._tail is not None and self._tail.away:
            notes.append(f"no scores come: {self._tail.away}")
        if self._registrar is not None and self._registrar.kafka_away:
            notes.append(f"{self._registrar.waiting} events wait for Kafka")
        notes += [f"Alertmanager {one.name} does not answer" for one in self._upstream.members if one.behind]
        if self._labeller is not None:
            checks = self._labeller.checks.items()
            notes += [f"Alertmanager {name}: {check.mend}" for name, check in checks if check.mend]
        return notes


def _begin_at_zero(metrics: RelayMetrics) -> None:
    """Counters that begin above zero hide their first step from `increase`."""
    for status in ("200", "400", "502", "503"):
        metrics.posts.labels(status)


def run_relay(settings: Settings) -> int:
    """Run a relay in this process until a signal or a fault; returns the exit status.

    Raises:
        NoisegateError: a setting or a file can't be used.
    """
    return Relay(settings).runner.run()
