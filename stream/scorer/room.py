"""The scorer: `alerts.events` in; enriched alerts, outcomes and failed records out; history behind the fence."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from msgspec import Struct, field

from stream.config import Settings
from stream.core import fold
from stream.core.came import Arrived, Decided
from stream.core.errors import FenceConflict, HistoryAway, HistoryRefused, NoisegateError
from stream.core.events import Raised, Tick, encode_event, moment
from stream.core.problem import Problem
from stream.core.records import encode_record
from stream.kafka import partition_chooser
from stream.lane.batch import Batch, Bounds, Output, Part, Work
from stream.metrics import Metrics
from stream.models.served import Served
from stream.scorer.answers import Answers, Scored, unscored
from stream.scorer.counting import Counting
from stream.scorer.decode import Decoded, Decoder
from stream.scorer.history import NO_META, History, Meta, Wanted, Write, decode_meta
from stream.scorer.maturing import Maturing, wait_seconds
from stream.scorer.partition import Partition, Touched, new_meta
from stream.scorer.reading import bounded, read_states, widen
from stream.scorer.speaker import Speaker
from stream.scorer.tally import Tally

log = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5  # how often an absent Redis is asked again


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
        clock: the wall clock, seconds since 1970; for `scored_at` and ticks only.
        counting: counts drift and quality; one of its own unless given.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        history: History,
        metrics: Metrics,
        served: Callable[[], Served],
        clock: Callable[[], float] = time.time,
        counting: Counting | None = None,
    ) -> None:
        self._settings = settings
        self._problem = problem
        self._history = history
        self._metrics = metrics
        self._served = served
        self._clock = clock
        self._counting = counting or Counting(metrics, settings.team_groups, settings.series_keep_seconds)
        self._maturing = Maturing(problem, settings.team_groups)
        metrics.maturity.set(problem.due_seconds + wait_seconds(problem))
        self._speaker = Speaker(settings, problem)
        self._decoder: Decoder | None = None
        self._assigned: set[Part] = set()
        self._partitions: dict[Part, Partition] = {}
        self._away_since: float | None = None
        self._asked_at = 0.0
        self._unscored_until: dict[Part, int] = {}
        self._ticked: dict[Part, float] = {}
        self._recent: deque[bool] = deque(maxlen=settings.bad_window)
        self._ringing = False
        self.wants_assign = False

    @property
    def ready_faults(self) -> list[str]:
        """What is missing before alerts are scored, one sentence each."""
        faults = []
        if self._away_since is not None:
            faults.append("history can't be reached: alerts are published unscored")
        return faults

    # Assignment.

    def assign(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """Take over partitions at the offsets their histories stand at."""
        self.wants_assign = False
        self._partitions.clear()
        self._show_only(bounds)
        self._unscored_until = {part: until for part, until in self._unscored_until.items() if part in bounds}
        for known in bounds.values():
            self._decoder = Decoder(partition_chooser(self._settings.partitioner, known.partitions))
        if not bounds:
            return {}
        try:
            self._history.check()
            found = self._history.read({part: Wanted(0) for part in bounds})
        except HistoryAway as error:
            return self._assign_away(bounds, error)
        self._away_since = None
        return {part: self._assign_one(part, known, found[part].meta) for part, known in bounds.items()}

    def _show_only(self, bounds: Mapping[Part, Bounds]) -> None:
        """What another worker has from now on is told by that one: as it stood here it would mislead for ever."""
        for part in self._assigned - set(bounds):
            for gauge in (self._metrics.lag, self._metrics.held, self._metrics.history_time):
                gauge.remove(part.partition)
        self._assigned = set(bounds)

    def _assign_away(self, bounds: Mapping[Part, Bounds], error: HistoryAway) -> dict[Part, int]:
        if all(known.committed is None for known in bounds.values()):
            raise HistoryAway(f"{error}: a deployment that has not scored yet can't start without; mend Redis")
        starts = {}
        for part, known in bounds.items():
            committed = known.begin if known.committed is None else known.committed
            starts[part] = max(committed, self._unscored_until.get(part, 0))
        self._go_away(error)
        return starts

    def _assign_one(self, part: Part, known: Bounds, stored: bytes) -> int:
        meta = decode_meta(stored)
        if meta is None:
            return self._assign_new(part, known)
        self._hold_against(part, known, meta)
        silent_until = known.committed or 0
        if silent_until > meta.offset:
            behind = silent_until - meta.offset
            log.warning("%s: history is %d records behind what was published; they are folded again", part, behind)
        self._partitions[part] = Partition(part, self._problem, meta, stored, silent_until)
        if math.isfinite(meta.time):
            self._metrics.history_time.labels(part.partition).set(meta.time)
        return meta.offset

    def _assign_new(self, part: Part, known: Bounds) -> int:
        start = known.begin
        if known.committed is not None:
            log.warning("%s: no history in Redis; the log is folded again from offset %d", part, start)
        elif self._settings.start_from == "latest" and known.end is not None:
            start = known.end
        meta = new_meta(known, start, self._problem)
        self._partitions[part] = Partition(part, self._problem, meta, NO_META, known.committed or 0)
        return start

    def _hold_against(self, part: Part, known: Bounds, meta: Meta) -> None:
        name = f"{part.topic}/{part.partition}"
        fault = None
        if meta.topic_id != known.topic_id or (known.end is not None and meta.offset > known.end):
            fault = f"the topic of {name} was made anew since its history was written"
        elif meta.partitions != known.partitions:
            fault = f"{part.topic} had {meta.partitions} partitions and has {known.partitions}: teams have moved"
        elif meta.problem != self._problem.digest:
            fault = f"the history of {name} was folded for another problem definition than {self._problem.id}"
        elif meta.fold_version != fold.VERSION:
            fault = f"the history of {name} was folded by version {meta.fold_version}, this code has {fold.VERSION}"
        elif meta.offset < known.begin:
            fault = f"{name} begins at offset {known.begin}, but its history goes on at {meta.offset}: records are gone"
        if fault:
            raise HistoryRefused(f"{fault}; run `noisegate history rebuild`")

    # Batches.

    def prepare(self, batches: Sequence[Batch]) -> Work:
        """Decode, read, fold, score, encode."""
        assert self._decoder is not None, "the lane assigns before it prepares"
        decoded = {batch.part: self._decoder.decode(batch) for batch in batches}
        ends = {batch.part: batch.end for batch in batches}
        touched: dict[Part, Touched] = {}
        if self._away_since is None:
            try:
                self._bound(batches, decoded, ends)
                touched = read_states(self._history, self._partitions, decoded)
            except FenceConflict as error:
                self._conflict(error)
            except HistoryAway as error:
                self._go_away(error)
        if self._away_since is not None:
            return Work(self._prepare_unscored(decoded), ends)
        if self.wants_assign:
            return Work([], ends)
        return self._prepare_scored(decoded, touched, ends)

    def _bound(self, batches: Sequence[Batch], decoded: dict[Part, Decoded], ends: dict[Part, int]) -> None:
        """Leave for the next round what would make too many timers fire in this one."""
        levels = self._settings.history_cache_levels // max(1, len(self._partitions))
        timers = max(1, self._settings.batch_max_records // max(1, len(decoded)))
        for batch in batches:
            part, whole = batch.part, decoded[batch.part]
            decoded[part] = taken = bounded(self._history, self._partitions[part], whole, levels, timers)
            if taken is not whole:
                done = len(taken.events) + len(taken.failed)
                ends[part] = batch.records[done].offset if done else batch.start

    def _conflict(self, error: FenceConflict) -> None:
        log.warning("%s; going on from where it stands", error)
        self._metrics.fence_conflicts.inc()
        self.wants_assign = True

    def _prepare_scored(
        self, decoded: Mapping[Part, Decoded], touched: dict[Part, Touched], ends: dict[Part, int]
    ) -> Work:
        tallies = {}
        silent = {part: self._partitions[part].run(batch) for part, batch in decoded.items()}
        answers = self._answer(decoded)
        outputs: list[Output] = []
        now = self._clock()
        for part, batch in decoded.items():
            partition = self._partitions[part]
            tally = tallies[part] = Tally(now)
            outputs += self._speaker.say(part, batch, partition.fold.came[silent[part] :], answers, tally)
            outputs += self._speaker.fail(part, batch, partition.silent_until, tally)
            name = str(ends[part]) if batch.timers is None else f"{ends[part]}@{partition.fold.time!r}"
            self._mature(partition, silent[part], name, touched[part], tally)
            partition.fold.clear_came()
        return Work(outputs, ends, Kept(touched, tallies, answers.scored, self._marks(decoded)))

    def _mature(self, partition: Partition, silent: int, batch: str, touched: Touched, tally: Tally) -> None:
        """Let what was decided be counted: with this batch what has matured, with a later one the rest."""
        decided = [one for one in partition.fold.came[:silent] if type(one) is Decided] + tally.decided
        matured, timers = self._maturing.part(decided, partition.silent_time, partition.fold.time, batch)
        tally.matured.append(matured)
        partition.wait(timers, touched)

    def _answer(self, decoded: Mapping[Part, Decoded]) -> Answers:
        """Score all partitions' new alerts in one call of the model."""
        arrived: list[Arrived] = []
        rows = []
        for part in decoded:
            folded = self._partitions[part].fold
            new = [one for one in folded.came if type(one) is Arrived]
            for one in new:
                one.row += len(arrived) - folded.first_row
            arrived += new
            rows.append(folded.take_rows())
        answers = Answers(arrived, np.concatenate(rows), self._served())
        if answers.dropped:
            self._metrics.challenger_dropped.labels(answers.dropped).inc()
        if answers.challenger_seconds is not None:
            self._metrics.challenger_seconds.observe(answers.challenger_seconds)
        return answers

    def seal(self, work: Work) -> None:
        """Pack what the batch changed; of unscored alerts note that they are published."""
        if work.kept:
            for part, touched in work.kept.touched.items():
                work.kept.writes[part] = self._partitions[part].seal(touched, work.ends[part])
            return
        for part, end in work.ends.items():
            self._unscored_until[part] = max(self._unscored_until.get(part, 0), end)
        self._metrics.unscored.labels("history_unavailable").inc(len(work.outputs))

    def store(self, work: Work) -> dict[Part, bool] | HistoryAway:
        """Write behind the fence."""
        if not work.kept:
            return {}
        try:
            return self._history.write(work.kept.writes)
        except HistoryAway as error:
            return error

    def stored(self, work: Work, answer: dict[Part, bool] | HistoryAway) -> bool:
        """Count what was written; give way where another worker got there first."""
        if isinstance(answer, HistoryAway):
            self._go_away(answer)
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
                    self._metrics.held.labels(part.partition).set(partition.fold.held)
                    if math.isfinite(partition.fold.time):
                        self._metrics.history_time.labels(part.partition).set(partition.fold.time)
            else:
                self._conflict(FenceConflict(*part))
        if counted:
            self._counting.count(work.kept.scored, counted)
        if work.kept:
            self._watch_bad(work.kept.bad)
        return not self.wants_assign

    # Away.

    def _go_away(self, error: HistoryAway) -> None:
        if self._away_since is None:
            log.error("%s; alerts are published unscored until it is back", error)
            self._away_since = time.monotonic()
        self._asked_at = time.monotonic()
        self._partitions.clear()

    def _prepare_unscored(self, decoded: Mapping[Part, Decoded]) -> list[Output]:
        """Publish each alert once without a score; its real one follows when Redis is back."""
        if self._is_back():
            return []
        now = datetime.fromtimestamp(self._clock(), UTC)
        outputs = []
        for part, batch in decoded.items():
            until = self._unscored_until.get(part, 0)
            for event, _, record in batch.events:
                if type(event) is Raised and record.offset >= until:
                    value = encode_record(unscored(event, now, f"{part.topic}/{part.partition}/{record.offset}"))
                    outputs.append(Output(self._settings.enriched_topic, event.team.encode(), value))
        return outputs

    def _is_back(self) -> bool:
        """Ask an absent Redis now and then; when it is back, everything is assigned anew."""
        if time.monotonic() - self._asked_at < _RETRY_SECONDS:
            return False
        try:
            self._history.check(patient=False)
        except HistoryAway:
            self._asked_at = time.monotonic()
            return False
        log.warning("Redis is back; going on from where the histories stand")
        self.wants_assign = True
        return True

    # Quiet times.

    def idle(self, caught_up: Sequence[Part], now: float) -> list[Output]:
        """Ticks for quiet partitions in which something is due."""
        if self._away_since is not None:
            self._is_back()
            return []
        every = self._settings.tick_seconds
        outputs: list[Output] = []
        for part in caught_up:
            partition = self._partitions.get(part)
            if not every or partition is None or now - self._ticked.get(part, 0.0) < every:
                continue
            self._ticked[part] = now
            try:
                widen(self._history, partition, now, most=0)
            except HistoryAway as error:
                self._go_away(error)
                return []
            if partition.fold.dues.first() < now:
                value = encode_event(Tick(moment(now)))
                outputs.append(Output(part.topic, None, value, partition=part.partition))
                self._metrics.ticks.inc()
        return outputs

    def _marks(self, decoded: Mapping[Part, Decoded]) -> list[bool]:
        """Of each record that is not folded again in silence, whether it was bad."""
        marks = []
        for part, batch in decoded.items():
            silent_until = self._partitions[part].silent_until
            if batch.events and not batch.failed and batch.events[0][2].offset >= silent_until:
                marks += [False] * len(batch.events)
                continue
            one = [(record.offset, False) for _, _, record in batch.events if record.offset >= silent_until]
            one += [(record.offset, True) for record, _ in batch.failed if record.offset >= silent_until]
            marks += [bad for _, bad in sorted(one)]
        return marks

    def _watch_bad(self, marks: list[bool]) -> None:
        """Ring when more than a share of the last records is bad."""
        self._recent.extend(marks[-self._settings.bad_window :])
        if not self._ringing and not any(marks):
            return
        share = sum(self._recent) / self._settings.bad_window
        self._metrics.bad_share.set(share)
        rings = share > self._settings.bad_share
        if rings and not self._ringing:
            log.error("%.0f %% of the last records are bad; see `noisegate failed list`", 100 * share)
        if rings and self._settings.stop_on_bad:
            raise NoisegateError(f"{share:.0%} of the last records are bad and stop_on_bad is set; see alerts.failed")
        self._ringing = rings
