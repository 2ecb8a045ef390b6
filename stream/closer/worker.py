"""The closer as a process: real Kafka, Redis, Prometheus and targets put together around the room."""

import logging
import math
import os
import socket
import time
from collections.abc import Mapping

from stream.closer.brakes import BrakeWatch
from stream.closer.daily_digest import make_daily_digest
from stream.closer.dispatch import Dispatcher
from stream.closer.enriched import EnrichedFold
from stream.closer.events import EventsFold
from stream.closer.exchange import AlertKey, Ending, Exchange
from stream.closer.fold import Fold, Notes
from stream.closer.lost_suppressions import LostSuppressions, find_suppressions
from stream.closer.outbox import Outbox
from stream.closer.outcomes import OutcomesFold
from stream.closer.peers import PeerWatch, check_salt
from stream.closer.room import CloserRoom
from stream.closer.rule_watch import RuleWatch
from stream.closer.situation import SituationWatch
from stream.closer.state import StateStore
from stream.closer.suppressed import Shown
from stream.config import Settings
from stream.kafka.partitioner import partition_chooser
from stream.kafka.records import Part
from stream.lane.group import CLOSER
from stream.lane.lane import Lane
from stream.lane.process import Callbacks
from stream.lane.redis_fence import RedisFence
from stream.metrics.closer import CloserMetrics
from stream.prometheus import Prometheus
from stream.rule_state import RuleState

log = logging.getLogger(__name__)
_TALLIES = "tallies:"  # begins the names of what other partitions count
_REDIS_SECONDS = 2.0
_PROMETHEUS_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
_DIGEST_SECONDS = 1.0


class Closer:
    """One closer process, put together but not started; only Redis is asked, where the rule files are broken.

    Raises:
        NoisegateError: a setting or a file can't be used; one sentence with the mend.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._problem = settings.load_problem()
        self.metrics = CloserMetrics()
        seconds = min(settings.redis.timeout_seconds, _REDIS_SECONDS)
        self._state = RuleState(settings.redis.url, settings.deployment, seconds)
        self._exchange = Exchange(settings.redis.url, settings.deployment, seconds)
        self._store = StateStore(RedisFence.of(settings, self.metrics.lane), settings.deployment)
        self._lost = LostSuppressions(
            lambda: find_suppressions(settings, lambda team: True, lambda: self.lane.engine.note_progress())
        )
        self._salt = settings.closer.salt or settings.deployment
        self.situation = self._make_situation()
        outbox = Outbox()
        self.dispatcher = Dispatcher(settings, self.metrics, self.situation.check_deed, outbox.done)
        outbox.dispatcher = self.dispatcher
        self.room = CloserRoom(
            settings,
            self._store,
            outbox,
            self._make_fold,
            self._publish,
            self.metrics,
            check_start=lambda: check_salt(self._salt, self._exchange, lambda: self._state.standings(bounds=False)),
        )
        topics = settings.topics
        self.digest = make_daily_digest(
            settings,
            self._state,
            lambda: self.situation.rules,
            lambda: self.room.holds(Part(topics.outcomes, 0)),
            self.metrics,
            seconds,
        )
        self.lane = Lane(
            settings,
            CLOSER,
            [topics.events, topics.enriched, topics.outcomes],
            self.room,
            self.metrics.lane,
            ("events", "enriched", "outcomes", "decisions", "failed"),
            Callbacks(start=self._start, ready=lambda: self.room.ready_faults, notes=self._notes),
        )

    def _make_situation(self) -> SituationWatch:
        settings, metrics = self._settings, self.metrics
        name = f"{socket.gethostname()}:{os.getpid()}"
        url = settings.metrics.prometheus_url
        return SituationWatch(
            self._state,
            self._exchange,
            RuleWatch(settings.closer.rules, metrics, self._exchange.put_files, self._exchange.files),
            BrakeWatch(Prometheus(url, _PROMETHEUS_SECONDS) if url else None, settings.closer.model_days),
            PeerWatch(name, self._exchange, self._salt, metrics),
            metrics,
            self._salt,
            math.inf if settings.closer.replay else settings.closer.oldest_seconds,
            blocked=lambda now: self.room.blocks.of_last_hour(now),
            leave=lambda held: self._state.publish_brakes(held, name),
        )

    def _make_fold(self, part: Part, partitions: int) -> Fold:
        topics = self._settings.topics
        if part.topic == topics.enriched:
            return self._enriched_fold(part, partitions)
        if part.topic == topics.events:
            return EventsFold(self._problem, self.situation, self._leave)

        def others() -> Mapping[int, Mapping[str, bytes]]:
            wanted = [Part(part.topic, number) for number in range(partitions) if number != part.partition]
            return {one.partition: parts for one, parts in self._store.peek(wanted, _TALLIES).items()}

        return OutcomesFold(
            part,
            self._problem,
            lambda: self.situation.rules,
            self._state,
            self.metrics,
            self._salt,
            part.partition == 0,
            others,
        )

    def _enriched_fold(self, part: Part, partitions: int) -> EnrichedFold:
        settings = self._settings
        choose = partition_chooser(settings.kafka.partitioner, partitions)

        def show(shown: Shown) -> None:
            for decision, by in shown.endings:
                self.metrics.suppressions_ended.labels(decision, by).inc()

            def write() -> None:
                self._state.note_suppressed(shown.begun, shown.ended)
                if shown.ended:
                    self._exchange.remove_endings(shown.ended)
                for order, count in shown.undone.items():
                    self._state.note_undone(order, part.partition, count)

            self.situation.later(write)

        return EnrichedFold(
            part.partition,
            self.situation,
            show,
            settings.severities,
            settings.closer.none_decisions,
            lambda: self._lost.take(self.room.assignment, lambda team: choose(team) == part.partition),
            time.time,
        )

    def _leave(self, endings: Mapping[AlertKey, Ending]) -> None:
        self.situation.later(lambda: self._exchange.put_endings(endings))

    def _publish(self, notes: Notes) -> None:
        self.situation.later(lambda: self._state.publish({}, notes.results, notes.changes))

    def _start(self) -> None:
        self.dispatcher.start()
        self.situation.start()
        if self.digest is not None:
            self.digest.start()

    def _notes(self) -> list[str]:
        late = self.digest.fault if self.digest is not None else None
        return [*self.situation.notes, *self.dispatcher.faults, *([late] if late is not None else [])]

    def close(self) -> None:
        """Publish what is begun, as far as that is done soon: what is left stays in the outbox."""
        self.dispatcher.close(_CLOSE_SECONDS)
        if self.digest is not None:
            self.digest.stop(_DIGEST_SECONDS)
        self.situation.stop()
        self._state.close()
        self._exchange.close()


def run_closer(settings: Settings) -> int:
    """Run a closer in this process until a signal or a fault; returns the exit status, raises as `Lane.open` does."""
    from stream.lane.faust import run

    closer = Closer(settings)
    closer.lane.open()
    try:
        return run(closer.lane)
    finally:
        closer.close()
