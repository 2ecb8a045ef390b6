"""The scorer as a process: real Kafka, Redis, model store and metrics put together around the room."""

import asyncio
import logging
import os
import signal
from threading import Thread, Timer
from typing import Any

import faust

from stream.config import Settings
from stream.health import HealthServer
from stream.kafka.clients import producer_settings
from stream.kafka.publisher import Publisher
from stream.kafka.topics import Topics
from stream.lane.app import Lane, make_app
from stream.lane.engine import Engine
from stream.metrics.scorer import ScorerMetrics
from stream.scorer.metrics.recorder import MetricsRecorder
from stream.scorer.layout import refuse_moved_teams
from stream.scorer.redis_history import RedisHistory
from stream.scorer.room import ScorerRoom
from stream.scorer.models import ModelPoller

log = logging.getLogger(__name__)
_LEAVE_SECONDS = 10.0  # leaving the group and closing connections
_FIRST_SECONDS = 60.0  # alerts wait so long for the first model, then they go unscored


class Scorer:
    """One scorer process, put together but not started; nothing outside this machine is asked yet.

    Raises:
        NoisegateError: a setting or the problem file can't be used; one sentence with the mend.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.problem = settings.load_problem()
        self.metrics = ScorerMetrics()
        self.history = RedisHistory.of(settings, self.problem, self.metrics)
        self.counting = MetricsRecorder(
            self.metrics, settings.metrics.team_groups, settings.metrics.series_keep_seconds
        )
        self.models = ModelPoller(settings, self.problem, self.metrics, self._partitions, self.counting)
        self.room = ScorerRoom(
            settings,
            self.problem,
            self.history,
            self.metrics,
            lambda: self.models.served,
            counting=self.counting,
            check_topic=lambda: self.lane.broker_watch.check_now(),
            check_refold=lambda: refuse_moved_teams(settings),
        )
        engine = Engine(
            self.room,
            Publisher(
                producer_settings(settings),
                settings.topics.failed,
                lambda reason: self.metrics.lane.failed.labels(reason).inc(),
                lambda: self.lane.broker_watch.away,
            ),
            self.metrics,
            settings.lane.batch_max_records,
            settings.lane.batch_max_bytes,
            settings.lane.batch_seconds,
            settings.lane.stall_seconds,
        )
        self.lane = Lane(settings, engine, settings.topics.events, self.metrics)
        self.lane.may_begin = False
        self.app: faust.App = make_app(settings, self.lane)

    def open(self) -> None:
        """Open the health server, then look for Kafka and its topics.

        Raises:
            NoisegateError: the port is taken, Kafka can't be reached or a topic is missing; one sentence with the mend.
        """
        settings = self.settings
        if settings.metrics.port:
            server = HealthServer(
                settings.metrics.host,
                settings.metrics.port,
                self.metrics.registry,
                live=self._live,
                ready=self._ready,
                notes=self._notes,
            )
            log.info("health", extra={"fields": {"host": settings.metrics.host, "port": server.port}})
        Topics(settings).require("events", "enriched", "outcomes", "failed")
        self.metrics.lane.kafka_up.set(1)

    def start(self) -> None:
        """Begin to poll for models, to watch Kafka and the lane; the lane begins after the first poll."""
        self.models.start()
        self.lane.watchdog.start()
        self.lane.broker_watch.start()
        Thread(target=self._begin, name="first-model", daemon=True).start()

    def _begin(self) -> None:
        if not self.models.wait_first(_FIRST_SECONDS):
            log.error("no model could be loaded in %.0f s; alerts go unscored until there is one", _FIRST_SECONDS)
        self.lane.may_begin = True

    def stop(self) -> None:
        """Stop what `start` began; the process ends within `drain_seconds` and a little, whatever hangs."""
        deadline = Timer(self.settings.lane.drain_seconds + _LEAVE_SECONDS, os._exit, (1,))
        deadline.daemon = True
        deadline.start()
        self.lane.watchdog.stop()
        self.lane.broker_watch.stop()
        self.models.stop()

    def _live(self) -> list[str]:
        return self.lane.watchdog.faults()

    def _ready(self) -> list[str]:
        waiting = []
        if not self.lane.may_begin:
            waiting.append("the first look for a model has not ended yet")
        if not self.lane.assigned:
            waiting.append("no partitions are assigned yet")
        return self.lane.broker_watch.faults + waiting + self.room.ready_faults

    def _notes(self) -> list[str]:
        """What a person should know of a worker that is ready: no model is a supported mode."""
        return self.models.faults

    def _partitions(self) -> list[int]:
        return sorted(part.partition for part in list(self.lane.engine.positions))


def make_scorer(settings: Settings) -> Scorer:
    """A scorer whose health server is open and whose other parts start with its Faust app; raises as `open` does."""
    scorer = Scorer(settings)
    scorer.open()

    async def start() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, scorer.models.refresh)
        scorer.start()

    async def stop(app: Any, **_: Any) -> None:
        scorer.stop()

    scorer.app.task(start)
    scorer.app.on_before_shutdown.connect(stop)  # type: ignore[arg-type]  # its handler type fits no function
    return scorer
