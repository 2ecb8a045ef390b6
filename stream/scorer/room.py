"""The scorer: `alerts.events` in; enriched alerts, outcomes and failed records out; history behind the fence."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from stream.config import Settings
from stream.core.errors import BrokerError, FenceConflict, HistoryAway, HistoryDamaged
from stream.core.problem import Problem
from stream.kafka.partitioner import partition_chooser
from stream.kafka.records import Output, Part
from stream.lane.batch import Batch, Bounds, Work
from stream.metrics.scorer import ScorerMetrics
from stream.models.active import ActiveModels
from stream.scorer.assignment import Assignment
from stream.scorer.bad_records import BadRecordWatch
from stream.scorer.clocks import ClockWatch
from stream.scorer.decode import Decoded, Decoder
from stream.scorer.degraded import DegradedMode
from stream.scorer.gauges import PartitionGauges
from stream.scorer.history import History
from stream.scorer.layout import check_strays
from stream.scorer.metrics.maturity import MaturityQueue, wait_seconds
from stream.scorer.metrics.recorder import MetricsRecorder
from stream.scorer.model_faults import ModelFaults
from stream.scorer.ownership import Ownership, evicted_sentence
from stream.scorer.partition import TIMERS_WINDOW, Partition, TouchedKeys
from stream.scorer.pipeline import Pipeline
from stream.scorer.server_watch import ServerWatch
from stream.scorer.states import limit_timers, read_states
from stream.scorer.ticks import Ticks

log = logging.getLogger(__name__)


class ScorerRoom:
    """Folds, scores and explains, batch by batch.

    Args:
        settings: topics, limits, times.
        problem: what is being predicted.
        history: where states are kept.
        metrics: the process's metrics.
        served: gives what to score with; asked once a batch.
        clock: the wall clock, seconds since 1970; for `scored_at` and ticks, and held against others' clocks.
        recorder: counts drift and quality; one of its own unless given.
        check_topic: raises HistoryRefused where the topic has changed since the worker started; asked before records
            are called misrouted, for in a topic that grew they are not.
        check_refold: raises HistoryRefused where lost histories can't be folded again partition by partition.
        monotonic: seconds, for the pauses between two questions to Redis.
        timers_window: about how many timers of a partition are read at once, and kept in memory.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        history: History,
        metrics: ScorerMetrics,
        served: Callable[[], ActiveModels],
        clock: Callable[[], float] = time.time,
        recorder: MetricsRecorder | None = None,
        check_topic: Callable[[], None] = lambda: None,
        check_refold: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        timers_window: int = TIMERS_WINDOW,
    ) -> None:
        self._settings = settings
        self._history = history
        self._metrics = metrics
        self._clock = clock
        self._check_topic = check_topic
        self._recorder = recorder or MetricsRecorder(
            metrics, settings.metrics.team_groups, settings.metrics.series_keep_seconds
        )
        self._model_faults = ModelFaults(metrics)
        metrics.maturity.set(problem.due_seconds + wait_seconds(problem))
        maturing = MaturityQueue(problem, settings.metrics.team_groups)
        self._pipeline = Pipeline(settings, problem, metrics, served, clock, maturing, self._model_faults)
        self._clocks = ClockWatch(metrics, settings.scorer.tick_seconds > 0, monotonic)
        self._server = ServerWatch(history, self._clocks, clock, monotonic)
        self._degraded = DegradedMode(history, settings.topics.enriched, metrics.unscored, clock, monotonic)
        self._ownership = Ownership(settings, problem, history, check_refold)
        self._assignment = Assignment(
            problem, self._ownership, self._server, self._degraded, metrics.history_suspect, timers_window
        )
        self._gauges = PartitionGauges(metrics)
        self._ticks = Ticks(history, settings.scorer.tick_seconds, self._clocks, self._gauges, metrics.ticks)
        self._bad_records = BadRecordWatch(settings, metrics)
        self._decoder: Decoder | None = None
        self._assigned: set[Part] = set()
        self._partitions: dict[Part, Partition] = {}  # none in degraded mode
        self.wants_assign = False

    @property
    def ready_faults(self) -> list[str]:
        """What is missing before alerts are scored, one sentence each."""
        faults = []
        if self._degraded.reason is not None:
            faults.append(f"history can't be used, alerts are published unscored: {self._degraded.reason}")
        if self._server.fault is not None:
            faults.append(self._server.fault)
        return faults

    def assign(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """Take over partitions at the offsets their histories stand at."""
        self.wants_assign = False
        self._partitions = {}
        self._assigned = set(bounds)
        self._gauges.keep_only(bounds)
        if not bounds:
            self._degraded.keep_only(bounds)
            return {}
        partitions = next(iter(bounds.values())).partitions
        self._decoder = Decoder(partition_chooser(self._settings.kafka.partitioner, partitions))
        assigned = self._assignment.assign(bounds)
        self._partitions = assigned.partitions
        for part, partition in self._partitions.items():
            self._gauges.show_time(part, partition.meta.time)
        return assigned.starts

    def process(self, batches: Sequence[Batch]) -> Work:
        """Decode, read, fold, score, encode."""
        assert self._decoder is not None, "the lane assigns before it processes"
        decoded = {batch.part: self._decoder.decode(batch) for batch in batches}
        ends = {batch.part: batch.end for batch in batches}
        try:
            check_strays(decoded, self._partitions, self._check_topic)
        except BrokerError as error:  # nobody knows whether the topic grew: read them again, once Kafka answers
            log.warning("%s; records in another partition than their team's wait", error)
            self.wants_assign = True
            return Work([], ends)
        for batch in batches:
            if batch.records:
                self._clocks.read(batch.part, batch.records[-1], decoded[batch.part].ticks, self._clock())
        touched = self._read(batches, decoded, ends) if self._degraded.reason is None else {}
        if self._degraded.reason is not None:
            return Work([] if self._is_back() else self._degraded.outputs(decoded), ends)
        if self.wants_assign:
            return Work([], ends)
        return self._pipeline.run(decoded, self._partitions, touched, ends)

    def snapshot(self, work: Work) -> None:
        """Pack what the batch changed; of unscored alerts note that they are published."""
        if work.kept:
            for part, touched in work.kept.touched.items():
                work.kept.writes[part] = self._partitions[part].snapshot(touched, work.ends[part])
        else:
            self._degraded.note_published(work.ends, len(work.outputs))

    def commit(self, work: Work) -> dict[Part, bool] | HistoryAway | HistoryDamaged:
        """Write behind the fence."""
        if not work.kept:
            return {}
        try:
            return self._history.write(work.kept.writes)
        except (HistoryAway, HistoryDamaged) as error:
            return error

    def on_committed(self, work: Work, answer: dict[Part, bool] | HistoryAway | HistoryDamaged) -> bool:
        """Count what was written; give way where another worker got there first."""
        if isinstance(answer, HistoryAway | HistoryDamaged):
            self._give_up(answer)
            return False
        counted = []
        for part, written in answer.items():
            if not written:
                self._give_up(FenceConflict(*part))
                continue
            tally = work.kept.tallies[part]
            tally.count(self._metrics)
            counted.append(tally)
            partition = self._partitions.get(part)
            if partition is not None:  # none: Redis went away since
                partition.committed()
                self._gauges.show_held(part, partition.fold.held)
                self._gauges.show_time(part, partition.fold.time)
        if counted:
            self._model_faults.uncounted(self._recorder.record(work.kept.scored, counted))
        if work.kept:
            self._bad_records.count(work.kept.bad)
        return not self.wants_assign

    def idle(self, caught_up: Sequence[Part], now: float) -> list[Output]:
        """Ticks for quiet partitions in which something is due; meanwhile the server is looked at."""
        if self._degraded.reason is not None:
            self._is_back()
            return []
        try:
            if self._partitions and (evicted := self._server.evicted()):
                for part in self._partitions:
                    self._note_damage(part, evicted_sentence(evicted))
                return []
            return self._ticks.outputs(caught_up, self._partitions, now)
        except (HistoryAway, HistoryDamaged) as error:
            self._give_up(error)
            return []

    def _read(
        self, batches: Sequence[Batch], decoded: dict[Part, Decoded], ends: dict[Part, int]
    ) -> dict[Part, TouchedKeys]:
        """Read the states of a round, once it is cut to its limits; empty where they can't be used."""
        try:
            self._limit(batches, decoded, ends)
            return read_states(self._history, self._partitions, decoded)
        except (FenceConflict, HistoryAway, HistoryDamaged) as error:
            self._give_up(error)
            return {}

    def _limit(self, batches: Sequence[Batch], decoded: dict[Part, Decoded], ends: dict[Part, int]) -> None:
        """Leave for the next round what would make too many timers fire in this one."""
        levels = self._settings.scorer.history_cache_levels // max(1, len(self._partitions))
        timers = max(1, self._settings.lane.batch_max_records // max(1, len(decoded)))
        for batch in batches:
            part, whole = batch.part, decoded[batch.part]
            decoded[part] = taken = limit_timers(self._history, self._partitions[part], whole, levels, timers)
            if taken is not whole:
                done = len(taken.events) + len(taken.failed)
                ends[part] = batch.records[done].offset if done else batch.start

    def _give_up(self, error: FenceConflict | HistoryAway | HistoryDamaged) -> None:
        """Drop what is not written: where it goes on is found at the next assignment, or in degraded mode."""
        if isinstance(error, HistoryAway):
            self._degraded.enter_away(error)
            self._partitions = {}
        elif isinstance(error, HistoryDamaged):
            log.error("%s", error)
            self._note_damage(Part(error.topic, error.partition), str(error))
        else:
            log.warning("%s; continuing from where it stands", error)
            self._metrics.lane.fence_conflicts.inc()
            self.wants_assign = True

    def _note_damage(self, part: Part, sentence: str) -> None:
        partition = self._partitions.get(part)
        if partition is not None:  # none: Redis went away since, and whoever reads it next finds it
            self._ownership.note_damage(part, partition.meta.generation, sentence)
        self.wants_assign = True

    def _is_back(self) -> bool:
        """Whether degraded mode ends, with a new assignment."""
        if not self._degraded.is_over(self._assigned):
            return False
        self.wants_assign = True
        return True
