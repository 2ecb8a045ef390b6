"""The scorer: `alerts.events` in; enriched alerts, outcomes and failed records out; history behind the fence."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
from msgspec import Struct, field

from stream.config import Settings
from stream.core.effects import Arrived, Decided
from stream.core.errors import (
    BadRecord,
    BrokerError,
    FenceConflict,
    HistoryAway,
    HistoryDamaged,
    HistoryDenied,
    HistoryRefused,
)
from stream.core.events import Event, Raised, Tick, decode_event, encode_event, moment, seconds
from stream.core.problem import Problem
from stream.core.records import encode_record
from stream.kafka.partitioner import partition_chooser
from stream.kafka.records import Output, Part, Record
from stream.lane.batch import Batch, Bounds, Work
from stream.metrics.scorer import ScorerMetrics
from stream.models.active import ActiveModels
from stream.scorer.assignment import Assignment, Taken, evicted_sentence
from stream.scorer.bad_records import BadRecordWatch, bad_flags
from stream.scorer.clocks import ClockWatch
from stream.scorer.metrics.recorder import MetricsRecorder
from stream.scorer.decode import Decoded, Decoder
from stream.scorer.evictions import EvictionWatch, policy_sentence
from stream.scorer.history import NO_EVICTION, History, ServerStatus, Write, read_meta_or_none
from stream.scorer.layout import strays_sentence
from stream.scorer.metrics.maturity import MaturityQueue, wait_seconds
from stream.scorer.model_faults import ModelFaults
from stream.scorer.output import OutputBuilder, unscored
from stream.scorer.partition import Partition, Touched
from stream.scorer.reading import bounded, read_states, widen
from stream.scorer.score import BatchScores, Scored
from stream.scorer.metrics.tally import Tally

log = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5  # how often an absent Redis is asked again
_LOOK_SECONDS = 5.0  # how often a Redis that is there is asked what it evicts and what time it is


class Kept(Struct):
    """What the room needs to write a round of batches."""

    touched: dict[Part, Touched]
    tallies: dict[Part, Tally]
    scored: list[Scored]  # by whom, rows numbered over all partitions
    bad: list[bool]  # of each record in turn, whether it could not be folded
    writes: dict[Part, Write] = field(default_factory=dict)


class ScorerRoom:
    """Folds, scores and explains, batch by batch.

    Args:
        settings: topics, limits, times.
        problem: what is being predicted.
        history: where states are kept.
        metrics: the process's metrics.
        served: gives what to score with; asked once a batch.
        clock: the wall clock, seconds since 1970; for `scored_at` and ticks, and held against others' clocks.
        counting: counts drift and quality; one of its own unless given.
        check_topic: raises HistoryRefused where the topic has changed since the worker started; asked before records
            are called misrouted, for in a topic that grew they are not.
        check_refold: raises HistoryRefused where lost histories can't be folded again partition by partition.
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
    ) -> None:
        self._settings = settings
        self._problem = problem
        self._history = history
        self._metrics = metrics
        self._served = served
        self._clock = clock
        self._check_topic = check_topic
        self._recorder = counting or MetricsRecorder(
            metrics, settings.metrics.team_groups, settings.metrics.series_keep_seconds
        )
        self._model_faults = ModelFaults(metrics)
        self._maturity = MaturityQueue(problem, settings.metrics.team_groups)
        metrics.maturity.set(problem.due_seconds + wait_seconds(problem))
        self._output = OutputBuilder(settings, problem)
        self._decoder: Decoder | None = None
        self._assigned: set[Part] = set()
        self._partitions: dict[Part, Partition] = {}
        self._assignment = Assignment(settings, problem, history, check_refold)
        self._evictions = EvictionWatch()
        self._clocks = ClockWatch(metrics, settings.scorer.tick_seconds > 0)
        self._began = False  # whether anything was assigned: what refuses a start does not end a worker that serves
        self._away: str | None = None  # why alerts are published unscored
        self._suspect = False  # away because the history is wrong, not because it can't be reached
        self._asked_at = 0.0
        self._looked_at = time.monotonic()
        self._unscored_until: dict[Part, int] = {}
        self._shown: dict[Part, float] = {}  # the time that /metrics says of a partition, which never goes back
        self._ticked: dict[Part, float] = {}
        self._bad_records = BadRecordWatch(settings, metrics)
        self.wants_assign = False

    @property
    def ready_faults(self) -> list[str]:
        """What is missing before alerts are scored, one sentence each."""
        faults = []
        if self._away is not None:
            faults.append(f"history can't be used, alerts are published unscored: {self._away}")
        if self._evictions.fault is not None:
            faults.append(self._evictions.fault)
        return faults

    # Assignment.

    def assign(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """Take over partitions at the offsets their histories stand at."""
        self.wants_assign = False
        self._partitions.clear()
        self._drop_gauges_of_revoked(bounds)
        self._unscored_until = {part: until for part, until in self._unscored_until.items() if part in bounds}
        for known in bounds.values():
            self._decoder = Decoder(partition_chooser(self._settings.kafka.partitioner, known.partitions))
        if not bounds:
            return {}
        try:
            status = self._ask()
            if status.policy != NO_EVICTION and not self._began:
                raise HistoryRefused(policy_sentence(status.policy))
            self._evictions.look(status)
            taken = self._assignment.take(bounds, status)
        except HistoryAway as error:
            return self._assign_away(bounds, error)
        self._away, self._began = None, True
        suspect = next((one.meta.suspect for one in taken.values() if one.meta.suspect), None)
        self._metrics.history_suspect.set(suspect is not None)
        if suspect is not None:
            return self._assign_suspect(bounds, taken, suspect)
        self._suspect = False
        return {part: self._assign_one(part, known, taken[part]) for part, known in bounds.items()}

    def _drop_gauges_of_revoked(self, bounds: Mapping[Part, Bounds]) -> None:
        """Stop showing gauges of partitions that another worker has now: their values here would stay as they are."""
        for part in self._assigned - set(bounds):
            for gauge in (self._metrics.lane.lag, self._metrics.held, self._metrics.history_time):
                gauge.remove(*part)
            self._shown.pop(part, None)
        self._assigned = set(bounds)

    def _assign_away(self, bounds: Mapping[Part, Bounds], error: HistoryAway) -> dict[Part, int]:
        """Go on unscored from where the group committed; a deployment that never has, can't."""
        if not self._began and isinstance(error, HistoryDenied):
            raise HistoryRefused(str(error))
        if not self._began and not any(
            known.committed is not None or known.group_committed for known in bounds.values()
        ):
            raise HistoryAway(f"a deployment that has not scored yet can't start without its history: {error}")
        self._began = True
        self._enter_degraded_mode(error)
        starts = {part: self._assignment.start_unknown(part, known) for part, known in bounds.items()}
        return self._beyond_unscored(starts)

    def _assign_suspect(
        self, bounds: Mapping[Part, Bounds], taken: Mapping[Part, Taken], sentence: str
    ) -> dict[Part, int]:
        """Score nothing by a history that is wrong; alerts are published unscored until it is rebuilt."""
        if not self._suspect:
            log.error("%s; alerts are published unscored until then", sentence)
        self._suspect, self._away, self._asked_at = True, sentence, time.monotonic()
        starts = {part: max(one.meta.offset, bounds[part].committed or 0) for part, one in taken.items()}
        return self._beyond_unscored(starts)

    def _beyond_unscored(self, starts: Mapping[Part, int]) -> dict[Part, int]:
        """These starts, but beyond what was published unscored already."""
        return {part: max(start, self._unscored_until.get(part, 0)) for part, start in starts.items()}

    def _assign_one(self, part: Part, known: Bounds, taken: Taken) -> int:
        meta = taken.meta
        silent_until = known.committed or 0
        if silent_until > meta.offset:
            behind = silent_until - meta.offset
            log.warning("%s/%d: history is %d records behind what was published; they are folded again", *part, behind)
        self._partitions[part] = Partition(part, self._problem, meta, taken.stored, silent_until)
        self._show_time(part, meta.time)
        return meta.offset

    # Batches.

    def process(self, batches: Sequence[Batch]) -> Work:
        """Decode, read, fold, score, encode."""
        assert self._decoder is not None, "the lane assigns before it processes"
        decoded = {batch.part: self._decoder.decode(batch) for batch in batches}
        ends = {batch.part: batch.end for batch in batches}
        try:
            self._check_layout(decoded)
        except BrokerError as error:  # nobody knows whether the topic grew: read them again, once Kafka answers
            log.warning("%s; records in another partition than their team's wait", error)
            self.wants_assign = True
            return Work([], ends)
        for batch in batches:
            if batch.records:
                self._clocks.read(batch.part, batch.records[-1], decoded[batch.part].ticks, self._clock())
        touched: dict[Part, Touched] = {}
        if self._away is None:
            try:
                self._bound(batches, decoded, ends)
                touched = read_states(self._history, self._partitions, decoded)
            except FenceConflict as error:
                self._conflict(error)
            except HistoryDamaged as error:
                self._damaged(error)
            except HistoryAway as error:
                self._enter_degraded_mode(error)
        if self._away is not None:
            return Work(self._process_unscored(decoded), ends)
        if self.wants_assign:
            return Work([], ends)
        return self._process_scored(decoded, touched, ends)

    def _bound(self, batches: Sequence[Batch], decoded: dict[Part, Decoded], ends: dict[Part, int]) -> None:
        """Leave for the next round what would make too many timers fire in this one."""
        levels = self._settings.scorer.history_cache_levels // max(1, len(self._partitions))
        timers = max(1, self._settings.lane.batch_max_records // max(1, len(decoded)))
        for batch in batches:
            part, whole = batch.part, decoded[batch.part]
            decoded[part] = taken = bounded(self._history, self._partitions[part], whole, levels, timers)
            if taken is not whole:
                done = len(taken.events) + len(taken.failed)
                ends[part] = batch.records[done].offset if done else batch.start

    def _check_layout(self, decoded: Mapping[Part, Decoded]) -> None:
        """Make sure that records which would fail as misrouted are not those of teams that moved: the topic may have
        grown, lately or before what is folded again was written."""
        strays = [
            (part, record)
            for part, batch in decoded.items()
            for record, error in batch.failed
            if error.reason == "misrouted"
        ]
        if not strays:
            return
        for part, record in strays:
            partition = self._partitions.get(part)
            if partition is not None and partition.meta.refolding and record.offset < partition.silent_until:
                raise HistoryRefused(strays_sentence(part, record.offset))
        self._check_topic()

    def _conflict(self, error: FenceConflict) -> None:
        log.warning("%s; continuing from where it stands", error)
        self._metrics.lane.fence_conflicts.inc()
        self.wants_assign = True

    def _damaged(self, error: HistoryDamaged) -> None:
        log.error("%s", error)
        self._note_damage(Part(error.topic, error.partition), str(error))

    def _note_damage(self, part: Part, sentence: str) -> None:
        partition = self._partitions.get(part)
        if partition is not None:  # none: Redis went away since, and whoever reads it next finds it
            self._assignment.note_damage(part, partition.meta.generation, sentence)
        self.wants_assign = True

    def _process_scored(
        self, decoded: Mapping[Part, Decoded], touched: dict[Part, Touched], ends: dict[Part, int]
    ) -> Work:
        tallies = {}
        silent = {part: self._partitions[part].run(batch) for part, batch in decoded.items()}
        scores = self._score(decoded)
        outputs: list[Output] = []
        now = self._clock()
        for part, batch in decoded.items():
            partition = self._partitions[part]
            tally = tallies[part] = Tally(now)
            outputs += self._output.build(part, batch, partition.fold.effects[silent[part] :], scores, tally)
            outputs += self._output.dead_letter(part, batch, partition.silent_until, tally)
            name = str(ends[part]) if batch.timers is None else f"{ends[part]}@{partition.fold.time!r}"
            self._mature(partition, silent[part], name, touched[part], tally)
            partition.fold.clear_effects()
        self._model_faults.scored_real(scores.misled)
        return Work(outputs, ends, Kept(touched, tallies, scores.scored, bad_flags(decoded, self._partitions)))

    def _mature(self, partition: Partition, silent: int, batch: str, touched: Touched, tally: Tally) -> None:
        """Let what was decided be counted: with this batch what has matured, with a later one the rest."""
        decided = [one for one in partition.fold.effects[:silent] if type(one) is Decided] + tally.decided
        matured, timers = self._maturity.split(decided, partition.silent_time, partition.fold.time, batch)
        tally.matured.append(matured)
        partition.wait(timers, touched)

    def _score(self, decoded: Mapping[Part, Decoded]) -> BatchScores:
        """Score all partitions' new alerts in one call of the model."""
        arrived: list[Arrived] = []
        rows = []
        for part in decoded:
            folded = self._partitions[part].fold
            new = [one for one in folded.effects if type(one) is Arrived]
            for one in new:
                one.row += len(arrived) - folded.first_row
            arrived += new
            rows.append(folded.take_rows())
        scores = BatchScores(arrived, np.concatenate(rows), self._served())
        if scores.dropped:
            self._metrics.challenger_dropped.labels(scores.dropped).inc()
        if scores.challenger_seconds is not None:
            self._metrics.challenger_seconds.observe(scores.challenger_seconds)
        self._model_faults.failed(scores.failures)
        return scores

    def snapshot(self, work: Work) -> None:
        """Pack what the batch changed; of unscored alerts note that they are published."""
        if work.kept:
            for part, touched in work.kept.touched.items():
                work.kept.writes[part] = self._partitions[part].snapshot(touched, work.ends[part])
            return
        for part, end in work.ends.items():
            self._unscored_until[part] = max(self._unscored_until.get(part, 0), end)
        self._metrics.unscored.labels("history_unavailable").inc(len(work.outputs))

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
        if isinstance(answer, HistoryAway):
            self._enter_degraded_mode(answer)
            return False
        if isinstance(answer, HistoryDamaged):
            self._damaged(answer)
            return False
        counted = []
        for part, written in answer.items():
            if written:
                tally = work.kept.tallies[part]
                tally.count(self._metrics)
                counted.append(tally)
                partition = self._partitions.get(part)
                if partition is not None:  # none: Redis went away since
                    partition.written()
                    self._metrics.held.labels(*part).set(partition.fold.held)
                    self._show_time(part, partition.fold.time)
            else:
                self._conflict(FenceConflict(*part))
        if counted:
            self._model_faults.uncounted(self._recorder.count(work.kept.scored, counted))
        if work.kept:
            self._bad_records.count(work.kept.bad)
        return not self.wants_assign

    # Away.

    def _enter_degraded_mode(self, error: HistoryAway) -> None:
        if self._away is None or self._suspect:
            log.error("%s; alerts are published unscored until it is back", error)
        self._away, self._suspect, self._asked_at = str(error), False, time.monotonic()
        self._partitions.clear()

    def _process_unscored(self, decoded: Mapping[Part, Decoded]) -> list[Output]:
        """Publish each alert once without a score; its real one follows when Redis is back."""
        if self._is_back():
            return []
        now = datetime.fromtimestamp(self._clock(), UTC)
        outputs = []
        for part, batch in decoded.items():
            until = self._unscored_until.get(part, 0)
            for event, record in _folded_or_misrouted(batch):
                if type(event) is Raised and record.offset >= until:
                    value = encode_record(unscored(event, now, f"{part.topic}/{part.partition}/{record.offset}"))
                    outputs.append(Output(self._settings.topics.enriched, event.team.encode(), value))
        return outputs

    def _is_back(self) -> bool:
        """Ask an absent Redis now and then; when it is back, everything is assigned anew."""
        if time.monotonic() - self._asked_at < _RETRY_SECONDS:
            return False
        self._asked_at = time.monotonic()
        try:
            if not self._suspect:
                self._history.status(patient=False)
            elif self._still_suspect():
                return False
        except HistoryAway as error:
            self._away = str(error) if not self._suspect else self._away
            return False
        log.warning("the history can be used again; continuing from where it stands")
        self.wants_assign = True
        return True

    def _still_suspect(self) -> bool:
        """Whether a rebuild has not yet taken the place of every history that is wrong."""
        metas = [read_meta_or_none(stored) for stored in self._history.read_metas(self._assigned).values()]
        return any(meta is not None and meta.suspect for meta in metas)

    # Quiet times.

    def idle(self, caught_up: Sequence[Part], now: float) -> list[Output]:
        """Ticks for quiet partitions in which something is due; where nothing is, time has come to `now` as well."""
        if self._away is not None:
            self._is_back()
            return []
        if not self._look():
            return []
        every = self._settings.scorer.tick_seconds
        outputs: list[Output] = []
        if not every or not self._clocks.may_tick():
            return outputs
        for part in caught_up:
            partition = self._partitions.get(part)
            if partition is None or now - self._ticked.get(part, 0.0) < every:
                continue
            self._ticked[part] = now
            try:
                widen(self._history, partition, now, most=0)
            except HistoryAway as error:
                self._enter_degraded_mode(error)
                return []
            except HistoryDamaged as error:
                self._damaged(error)
                return []
            if partition.fold.timers.first() >= now:
                self._show_time(part, now)  # all that could be decided by now is
                continue
            tick = Tick(moment(now))
            outputs.append(Output(part.topic, None, encode_event(tick), partition=part.partition))
            self._clocks.wrote(part, seconds(tick.at))
            self._metrics.ticks.inc()
        return outputs

    def _show_time(self, part: Part, at: float) -> None:
        if at > self._shown.get(part, -math.inf):
            self._shown[part] = at
            self._metrics.history_time.labels(*part).set(at)

    def _ask(self) -> ServerStatus:
        asked_at = self._clock()
        status = self._history.status()
        self._clocks.redis_said(asked_at, status.clock, self._clock())
        return status

    def _look(self) -> bool:
        """Ask Redis now and then what it has evicted, which makes our histories suspect; False: serve no more."""
        if time.monotonic() - self._looked_at < _LOOK_SECONDS or not self._partitions:
            return True
        self._looked_at = time.monotonic()
        try:
            status = self._ask()
            evicted = self._evictions.look(status)
        except HistoryAway as error:
            self._enter_degraded_mode(error)
            return False
        if evicted:
            for part in self._partitions:
                self._note_damage(part, evicted_sentence(evicted))
        return not evicted


def _folded_or_misrouted(batch: Decoded) -> Iterator[tuple[Event, Record]]:
    """The events of a batch, with those in another partition than their team's: the topic may have grown."""
    for event, _, record in batch.events:
        yield event, record
    for record, error in batch.failed:
        if error.reason == "misrouted":
            with suppress(BadRecord):
                yield decode_event(record.value or b""), record
