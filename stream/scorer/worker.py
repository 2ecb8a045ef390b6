"""The scorer as a process: real Kafka, Redis, model store and metrics put together around the room."""

import asyncio
import logging
import os
import signal
from threading import Timer
from typing import Any

import faust

from stream.config import Settings
from stream.core.errors import BrokerError
from stream.health import HealthServer
from stream.kafka import Topics, producer_settings
from stream.lane.app import Lane, make_app
from stream.lane.engine import Engine
from stream.lane.publisher import Publisher
from stream.metrics import Metrics
from stream.scorer.counting import Counting
from stream.scorer.redis_history import RedisHistory
from stream.scorer.room import ScorerRoom
from stream.scorer.serving import Serving

log = logging.getLogger(__name__)
_LEAVE_SECONDS = 10.0  # leaving the group and closing connections


class Scorer:
    """One scorer process, put together but not started.

    Raises:
        NoisegateError: a setting, the problem file, Kafka or a topic is missing; one sentence with the mend.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.problem = settings.load_problem()
        self.topics = Topics(settings)
        self.topics.require("events", "enriched", "outcomes", "failed")
        self.metrics = Metrics()
        self.history = RedisHistory.of(settings, self.problem, self.metrics)
        self.counting = Counting(self.metrics, settings.team_groups, settings.series_keep_seconds)
        self.models = Serving(settings, self.problem, self.metrics, self._partitions, self.counting)
        self.room = ScorerRoom(
            settings,
            self.problem,
            self.history,
            self.metrics,
            lambda: self.models.served,
            counting=self.counting,
            partition_count=self._partition_count,
        )
        engine = Engine(
            self.room,
            Publisher(producer_settings(settings)),
            self.metrics,
            settings.batch_max_records,
            settings.batch_max_bytes,
            settings.batch_seconds,
            settings.stall_seconds,
        )
        self.lane = Lane(settings, engine, settings.events_topic, self.metrics)
        self.app: faust.App = make_app(settings, self.lane)

    def start(self) -> None:
        """Load the models, begin to poll for the next ones, open the health server, wake the watchdog."""
        self.models.start()
        if self.settings.metrics_port:
            server = HealthServer(
                self.settings.metrics_host, self.settings.metrics_port, self.metrics.registry, self._live, self._ready
            )
            log.info("health", extra={"fields": {"host": self.settings.metrics_host, "port": server.port}})
        self.lane.watchdog.start()

    def stop(self) -> None:
        """Stop what `start` began; the process ends within `drain_seconds` and a little, whatever hangs."""
        deadline = Timer(self.settings.drain_seconds + _LEAVE_SECONDS, os._exit, (1,))
        deadline.daemon = True
        deadline.start()
        self.lane.watchdog.stop()
        self.models.stop()

    def _live(self) -> list[str]:
        return self.lane.watchdog.faults()

    def _ready(self) -> list[str]:
        waiting = [] if self.lane.assigned else ["no partitions are assigned yet"]
        return waiting + self.room.ready_faults + self.models.faults

    def _partition_count(self) -> int | None:
        try:
            return self.topics.facts(self.settings.events_topic).partitions
        except BrokerError as error:
            log.warning("%s", error)
            return None

    def _partitions(self) -> list[int]:
        return sorted(part.partition for part in list(self.lane.engine.positions))


def make_scorer(settings: Settings) -> Scorer:
    """A scorer whose parts start with its Faust app."""
    scorer = Scorer(settings)

    async def start() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, scorer.models.refresh)
        scorer.start()

    async def stop(app: Any, **_: Any) -> None:
        scorer.stop()

    scorer.app.task(start)
    scorer.app.on_before_shutdown.connect(stop)  # type: ignore[arg-type]  # its handler type fits no function
    return scorer
