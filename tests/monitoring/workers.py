"""Three real scorer rooms over a fortnight of the simulated organisation, and what their /metrics said meanwhile.

Each worker has a partition, a registry, a connection to Redis and a watch on the model store of its own. The model is
trained by the lab on the sixty days before; seven more pass as before, then the world changes in three ways.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.config import make_settings, Settings
from stream.core.effects import Decided
from stream.core.events import decode_event, moment, seconds
from stream.core.fold import Fold
from stream.core.kinds import CORRECTION, HELD_OUT
from stream.core.problem import Problem, parse_problem
from stream.simulation import START, TEAMS, Drifts, Shift, simulate
from stream.dev.shipped import simulated_problem
from stream.kafka.records import Part
from stream.lab.learning.plan import Plan
from stream.eventlog import Line
from stream.lab.replaying import Replayed, replay
from stream.lab.training import train_replayed
from stream.metrics.scorer import ScorerMetrics
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.model import Model, load_model
from stream.models.store import Store
from stream.monitoring.queries import JOB
from stream.scorer.maturing import Maturing
from stream.scorer.redis_history import RedisHistory
from stream.scorer.models import ModelPoller
from tests.scorer.rig import TOPIC, Log, Rig
from tests.scorer.shown import text_of
from tests.servers.prometheus import Exposed

HOUR, DAY = 3_600.0, 86_400.0
BEGIN = START.timestamp()
TRAINED_DAY, OLDER_DAY = 60.0, 40.0  # where the champion's window ends, and the challenger's
HABIT_DAY, SUDDEN_DAY, BROKEN_DAY = 67.0, 70.0, 71.0
DAYS = 73  # the floods of the simulation fall on days 14, 34 and 59
END_DAY = 72.5
NOW = BEGIN + END_DAY * DAY
PARTITIONS = 3
RESTART_DAY = 64.0
BAD_AT = (NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR)  # a record comes that can't be read
STEP, FINE = 2 * HOUR, 60.0
FINE_SECONDS = 1_200.0
GROUPS = {"shops": ["payments", "checkout", "orders"], "platform": ["storage", "network", "edge", "streaming"]}
TIRED = tuple(team.name for team in TEAMS if team not in TEAMS[::3])
GONE = "prometheus"
Raw = dict[str, Any]
_BAD = b"not JSON"


def events() -> Iterator[Line]:
    """The log: half of the teams stop acting, then one source falls silent, then entities lose their names.

    Every tenth alert is marked as held out of automation.
    """
    share = HABIT_DAY / DAYS
    shifts = Drifts(tuple(Shift(team, share, share, -4.0) for team in TIRED), ())
    left_out: set[str] = set()
    for record in simulate(11, DAYS, drifts=shifts):
        event: Raw = dict(record)
        at = seconds(decode_event(msgspec.json.encode(event)).at)
        if at >= NOW:
            return
        if event["type"] == "raised":
            day = (at - BEGIN) / DAY
            if day >= SUDDEN_DAY and event["source"] == GONE:
                left_out.add(event["alert_id"])
            if day >= BROKEN_DAY:
                event["entity"] = f"unnamed-{event['entity'][-1]}"
        if event["alert_id"] not in left_out:
            yield from _line(event)
            if event["type"] == "raised" and event["alert_id"].endswith("7"):
                about = {name: event[name] for name in ("at", "alert_id", "team")}
                action = f"{event['alert_id']}-held"
                yield from _line({"type": "acted", **about, "action_id": action, "kind": HELD_OUT})


def _before(times: list[float], at: float) -> float:
    return times[max(bisect_left(times, at) - 1, 0)]


def _line(event: Raw) -> Iterator[Line]:
    value = msgspec.json.encode(event)
    decoded = decode_event(value)
    yield Line(decoded, seconds(decoded.at), value)


def moments() -> list[float]:
    """When Prometheus asks: every two hours, in the last one every hour, in its last twenty minutes every minute."""
    fine, live = NOW - FINE_SECONDS, BEGIN + TRAINED_DAY * DAY
    wide = [live + n * STEP for n in range(round((NOW - live) / STEP))]
    return [*wide, NOW - HOUR, *(fine + n * FINE for n in range(round(FINE_SECONDS / FINE) + 1))]


class Worker:
    """One scorer process: it may start anew, with counters at zero."""

    def __init__(self, number: int, problem: Problem, settings: Settings) -> None:
        self.name = f"scorer-{number}:9108"
        self.part = Part(TOPIC, number)
        self._problem, self._settings = problem, settings
        log = Log(PARTITIONS)
        log.records = {self.part: []}
        metrics = ScorerMetrics()
        metrics.kafka_up.set(1)  # these workers read a log in memory
        history = RedisHistory.of(settings, problem, metrics)
        self.rig = Rig(log, problem, history, settings, metrics=metrics)
        self.serving: ModelPoller | None = None

    def serve(self) -> None:
        """Load what the store's pointers name, as a process that starts does."""
        rig = self.rig
        self.serving = ModelPoller(
            self._settings, self._problem, rig.metrics, lambda: [self.part.partition], rig.room._counting
        )
        self.serving._poll(anew=False)
        served = self.serving.served
        assert served.champions
        rig.served = served

    def restart(self) -> None:
        """A new process on the same history."""
        rig = self.rig
        rig.metrics = ScorerMetrics()
        rig.metrics.kafka_up.set(1)
        rig.history = RedisHistory.of(self._settings, self._problem, rig.metrics)
        rig.start()
        self.serve()

    def work(self, lines: Iterable[Line], clock: float) -> None:
        """Put these events on the partition and work until nothing waits."""
        for line in lines:
            self.rig.log.put(self.part, line.value, line.at)
        if self.part.partition == 0 and clock in BAD_AT:
            self.rig.log.put(self.part, _BAD, clock)
        self.rig.now = clock
        self.rig.run((2_000,))

    def expose(self, at: float) -> Exposed:
        """Its page, with what the lane itself says where there is one: lag and progress."""
        metrics = self.rig.metrics
        metrics.lag.labels(self.part.partition).set(0)
        metrics.progress_timestamp.set(at)
        return Exposed(at, {"job": JOB, "instance": self.name}, "up 1\n" + text_of(metrics))


@dataclass
class Organisation:
    """The log, the models, and the three workers once they have run."""

    folder: Path
    redis_url: str
    problem: Problem = field(default_factory=lambda: parse_problem(simulated_problem().read_text()))

    def __post_init__(self) -> None:
        self.lines = list(events())
        self.replayed: Replayed = replay(self.lines, self.problem)
        self.champion, self.challenger = self._train()
        self.workers = [Worker(number, self.problem, self._settings()) for number in range(PARTITIONS)]
        self.pages: dict[str, str] = {}

    def run(self) -> Iterator[Exposed]:
        """Work through the log; what the pages said at each moment."""
        choose = Log(PARTITIONS)._choose
        by_worker: list[list[Line]] = [[] for _ in range(PARTITIONS)]
        for line in self.lines:
            by_worker[choose(line.event.team)].append(line)  # type: ignore[union-attr]  # no ticks here
        before = BEGIN
        for at in moments():
            for worker, lines in zip(self.workers, by_worker, strict=True):
                count = next((n for n, line in enumerate(lines) if line.at >= at), len(lines))
                if (worker.part.partition, at) == (1, BEGIN + RESTART_DAY * DAY):
                    worker.restart()
                worker.work(lines[:count], before)
                del lines[:count]
                if worker.serving is None:
                    worker.serve()
                exposed = worker.expose(at)
                self.pages[worker.name] = exposed.text
                yield exposed
            before = at

    def matured(self, since: float, until: float) -> NDArray[np.int64]:
        """Alerts scored and to be judged whose moment to be counted passed on their partition in [since, until).

        It passes with the partition's next event, and is seen at the end of the step that holds it.
        """
        choose = Log(PARTITIONS)._choose
        replayed = self.replayed
        ran: dict[int, list[float]] = {number: [] for number in range(PARTITIONS)}
        for line in self.lines:
            ran[choose(line.event.team)].append(line.at)  # type: ignore[union-attr]  # no ticks here
        bounds = np.array(
            [[times[max(bisect_left(times, at) - 1, 0)] for at in (since, until)] for times in ran.values()]
        )
        mine = bounds[[choose(alert.team) for alert in replayed.alerts]]
        passed = (self._counted_at >= mine[:, 0]) & (self._counted_at < mine[:, 1])
        return np.flatnonzero(passed & replayed.labelled & (replayed.at >= BEGIN + TRAINED_DAY * DAY))

    @cached_property
    def _counted_at(self) -> NDArray[np.float64]:
        """When each alert of the log counts, by the pure fold of what the workers were given; later, if not decided."""
        moments: dict[tuple[str, str], float] = {}
        maturing = Maturing(self.problem, {})
        for worker in self.workers:
            fold = Fold(self.problem)
            for record in worker.rig.log.records[worker.part]:
                if record.value != _BAD:
                    event = decode_event(record.value or b"")
                    fold.step(event, seconds(event.at), offset=record.offset)
            for one in fold.effects:
                if isinstance(one, Decided) and one.by != CORRECTION:
                    (timer,) = maturing.part([one], -np.inf, -np.inf, "")[1].values()
                    moments[one.team, one.alert_id] = timer.due
        return np.array([moments.get((alert.team, alert.alert_id), np.inf) for alert in self.replayed.alerts])

    def _train(self) -> tuple[Model, Model]:
        store = self.folder / "store"
        plan = Plan(folds=0)
        ends = (BEGIN + TRAINED_DAY * DAY, BEGIN + OLDER_DAY * DAY)
        folders = [
            train_replayed(self.replayed, store, split_at=end, judged=False, plan=plan, created=moment(end))
            for end in ends
        ]
        for name, folder in zip((CHAMPION, CHALLENGER), folders, strict=True):
            Store(str(store)).point(name, Pointer(folder.name))
        champion, challenger = (load_model(folder, self.problem) for folder in folders)
        return champion, challenger

    def _settings(self) -> Settings:
        return make_settings(
            tick_seconds=0,
            redis_url=self.redis_url,
            model_store=str(self.folder / "store"),
            model_cache=self.folder / "cache",
            team_groups=GROUPS,
        )
