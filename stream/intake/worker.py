"""The intake as a process: real Kafka, Redis, files and HTTP put together around its inboxes."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial

from stream.asgi_server import open_socket, serve, tls_files
from stream.config import IntakeSettings, Settings
from stream.core.errors import SettingsError
from stream.extras import import_extra
from stream.intake.auth import load_authenticators
from stream.intake.inboxes import Inbox, open_inboxes, source_names
from stream.intake.kafka_watch import ANSWER_SECONDS, KafkaWatch
from stream.intake.post import Outside, PostHandler
from stream.intake.post import Topics as TopicNames
from stream.intake.resolving import ResolverThread
from stream.intake.watcher import Watcher
from stream.kafka.acknowledged import AcknowledgedPublisher
from stream.kafka.topics import Topics
from stream.lane.process import Callbacks, tune_garbage_collection
from stream.lane.runner import Runner
from stream.metrics.intake import IntakeMetrics
from stream.sources.agents import load_agents
from stream.sources.alertmanager_api import AlertmanagerApi, look
from stream.sources.memory_switch import MemorySwitch, SwitchedExpiringStore, SwitchedFiringStore
from stream.sources.options import load_sources
from stream.sources.parsed import Parsed
from stream.sources.pseudonyms import Pseudonyms, load_key
from stream.sources.readers import with_automation
from stream.sources.redis_expiring_store import RedisExpiringStore
from stream.sources.redis_firings import RedisFiringStore
from stream.sources.silences import SOURCE, WatchOptions

log = logging.getLogger(__name__)
REDIS_SECONDS = 1.0  # at most: PagerDuty's answer has to come within 5 s, whatever hangs
STATUSES = ("200", "202", "400", "401", "408", "413", "422", "503")


class Intake:
    """One intake, put together but not started; nothing outside this machine is asked yet.

    Raises:
        NoisegateError: a setting or a file can't be used; one sentence with the mend.
    """

    def __init__(self, settings: Settings) -> None:
        for module in ("starlette", "uvicorn"):
            import_extra(module, "web", "the intake needs", SettingsError)
        self._settings = settings
        _check_limits(settings.intake)
        self._tls = tls_files(settings.intake.tls_certificate, settings.intake.tls_key, "intake")
        self.metrics = IntakeMetrics()
        self.switch = MemorySwitch(self.metrics.memory_up)
        url, seconds = settings.redis.url, min(settings.redis.timeout_seconds, REDIS_SECONDS)
        firings = RedisFiringStore(url, settings.deployment, seconds)
        self._memory = SwitchedExpiringStore(RedisExpiringStore(url, settings.deployment, seconds), self.switch)
        sources = load_sources(settings.sources.options)
        self.agents = with_automation(load_agents(settings.sources.agents), sources)
        key = load_key(settings.sources.pseudonym_key)
        if key.sentence:
            log.warning("%s", key.sentence)
        proofs = load_authenticators(settings.intake.auth, settings.intake.host, source_names(sources))
        self._store = SwitchedFiringStore(firings, self.switch)
        self.inboxes = open_inboxes(sources, self.agents, Pseudonyms(key.key), self._store, proofs)
        self._alertmanagers = [AlertmanagerApi(url) for url in settings.intake.alertmanagers]
        self._identity_ignore = sources.of(SOURCE).identity_ignore
        _begin_at_zero(self.metrics, self.inboxes)
        kafka = Topics(settings, ANSWER_SECONDS)
        self._kafka_watch = KafkaWatch(kafka, self.metrics, settings.lane.topic_check_seconds)
        self._listener = open_socket(settings.intake.host, settings.intake.port, "intake_port")
        callbacks = Callbacks(
            start=self._kafka_watch.start, stop=self._kafka_watch.stop, ready=self._faults, notes=self._notes
        )
        self.runner = Runner(settings, self.metrics.registry, self._work, callbacks)

    async def _work(self, stopping: asyncio.Event) -> None:
        from stream.intake.app import make_app

        settings, intake = self._settings, self._settings.intake
        publisher = AcknowledgedPublisher(settings, intake.publish_seconds, intake.waiting_records)
        resolving = ResolverThread()
        topics = TopicNames(settings.topics.events, settings.topics.failed)
        outside = Outside(publisher, topics, resolving, self._memory, self.agents)
        handler = PostHandler(intake, outside, self.metrics)
        app = make_app(handler, self.inboxes, self.metrics)
        watching = self._watch(handler, stopping)
        host, port = self._listener.getsockname()[:2]
        tune_garbage_collection()
        log.info("listening", extra={"fields": {"host": host, "port": port}})
        try:
            await serve(app, self._listener, stopping, self._tls)
        finally:
            stopping.set()
            await watching
            await asyncio.to_thread(resolving.close)
            await asyncio.to_thread(publisher.close, intake.publish_seconds)

    def _watch(self, handler: PostHandler, stopping: asyncio.Event) -> "asyncio.Task[None]":
        """Watches the Alertmanagers of the settings; ends at once where there are none."""
        inbox = self.inboxes[SOURCE]

        async def publish(parsed: Parsed) -> None:
            await handler.publish(inbox, parsed)

        watcher = Watcher(
            partial(look, self._alertmanagers),
            len(self._alertmanagers),
            self._store,
            publish,
            self.agents,
            self._identity_ignore,
            self.metrics,
            self._settings.intake.watch_seconds,
            WatchOptions(quiet_receivers=frozenset(self._settings.intake.quiet_receivers)),
        )
        return asyncio.create_task(watcher.run(stopping) if self._alertmanagers else _nothing())

    def _faults(self) -> list[str]:
        return [self._kafka_watch.fault] if self._kafka_watch.fault else []

    def _notes(self) -> list[str]:
        away = self.switch.away
        return [f"ids are made without memory: {away}"] if away else []


def _check_limits(intake: IntakeSettings) -> None:
    """Raises SettingsError where the largest body, packed and unpacked, never fits: it would be 503 for ever."""
    if intake.waiting_bytes < 2 * intake.body_bytes:
        raise SettingsError(
            f"intake_waiting_bytes = {intake.waiting_bytes} does not hold a body of intake_body_bytes = "
            f"{intake.body_bytes} packed and unpacked",
            f"set it to {2 * intake.body_bytes} or more",
        )


async def _nothing() -> None:
    pass


def _begin_at_zero(metrics: IntakeMetrics, inboxes: Mapping[str, Inbox]) -> None:
    """Counters that begin above zero hide their first step from `increase`."""
    for source in inboxes:
        for status in STATUSES:
            metrics.posts.labels(source, status)
        for name in ("raised", "acted"):
            metrics.events.labels(source, name)


def run_intake(settings: Settings) -> int:
    """Run an intake in this process until a signal or a fault; returns the exit status.

    Raises:
        NoisegateError: a setting or a file can't be used.
    """
    return Intake(settings).runner.run()
