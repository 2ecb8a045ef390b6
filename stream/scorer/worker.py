"""The scorer as a process: real Kafka, Redis, model store and metrics put together around the room."""

import logging

from stream.config import Settings
from stream.lane.group import SCORER
from stream.lane.lane import Lane
from stream.lane.process import Callbacks
from stream.metrics.scorer import ScorerMetrics
from stream.scorer.layout import refuse_moved_teams
from stream.scorer.metrics.recorder import MetricsRecorder
from stream.scorer.models import ModelPoller
from stream.scorer.redis_history import RedisHistory
from stream.scorer.room import ScorerRoom

log = logging.getLogger(__name__)
_FIRST_SECONDS = 60.0  # alerts wait so long for the first model, then they go unscored


class Scorer:
    """One scorer process, put together but not started; nothing outside this machine is asked yet.

    Raises:
        NoisegateError: a setting or the problem file can't be used; one sentence with the mend.
    """

    def __init__(self, settings: Settings) -> None:
        problem = settings.load_problem()
        metrics = ScorerMetrics()
        history = RedisHistory.of(settings, problem, metrics)
        recorder = MetricsRecorder(metrics, settings.metrics.team_groups, settings.metrics.series_keep_seconds)
        self.models = ModelPoller(settings, problem, metrics, self._partitions, recorder)
        self.room = ScorerRoom(
            settings,
            problem,
            history,
            metrics,
            lambda: self.models.active,
            recorder=recorder,
            check_topic=lambda: self.lane.broker_watch.check_now(),
            check_refold=lambda: refuse_moved_teams(settings),
        )
        self.lane = Lane(
            settings,
            SCORER,
            [settings.topics.events],
            self.room,
            metrics.lane,
            ("events", "enriched", "outcomes", "failed"),
            Callbacks(
                start=self.models.start,
                prepare=self._wait_for_a_model,
                unprepared="the first look for a model has not ended yet",
                reload=self.models.refresh,
                stop=self.models.stop,
                ready=lambda: self.room.ready_faults,
                notes=lambda: self.models.faults,  # no model is a supported mode, which a person should know of
            ),
        )

    def _wait_for_a_model(self) -> None:
        if not self.models.wait_first(_FIRST_SECONDS):
            log.error("no model could be loaded in %.0f s; alerts go unscored until there is one", _FIRST_SECONDS)

    def _partitions(self) -> list[int]:
        return [part.partition for part in self.lane.assigned()]


def make_scorer(settings: Settings) -> Lane:
    """A scorer's lane whose health server is open and whose other parts start with it; raises as `Lane.open` does."""
    lane = Scorer(settings).lane
    lane.open()
    return lane


def run_scorer(settings: Settings) -> int:
    """Run a scorer in this process until a signal or a fault; returns the exit status, raises as `make_scorer` does."""
    from stream.lane.faust import run

    return run(make_scorer(settings))
