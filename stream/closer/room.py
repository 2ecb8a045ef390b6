"""The closer: events, scores and outcomes in; decisions of rules out, each made once, behind a fence a partition."""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from stream.closer.brakes import BlockTally
from stream.closer.fold import Closing, Fold, Following, Notes, Refusing, Suppressing
from stream.closer.outbox import PREFIX, Outbox
from stream.closer.partition import Partition, Round
from stream.closer.state import VERSION, Claimed, StateMeta, StateStore, claim
from stream.config import Settings
from stream.core.errors import FenceConflict, HistoryAway, HistoryDenied, HistoryRefused, RulesError
from stream.kafka.failed import failed_output
from stream.kafka.records import Output, Part
from stream.lane.batch import Batch, Bounds, Work
from stream.lane.evictions import EvictionWatch, policy_fault
from stream.lane.fence import NO_EVICTION
from stream.lane.group import CLOSER
from stream.metrics.closer import SUPPRESSED, CloserMetrics

log = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5  # between two looks at a Redis that is away
_PAUSE_SECONDS = 0.1  # records wait for it: the lane would go round without a pause
_LOOK_SECONDS = 5.0  # between two looks at a Redis that is there


class _Kept(Struct):
    """What a round keeps for the write of its partitions."""

    rounds: dict[Part, Round]
    clock: float
    failed: list[str] = field(default_factory=list)  # the reason of each dead letter


class CloserRoom:
    """Folds, writes behind the fence, and hands what leaves to the outbox.

    Args:
        settings: the topics.
        store: where the state is.
        outbox: takes what leaves.
        make_fold: makes the fold of a partition, given how many its topic has.
        publish: takes what people are shown of a round, once it is written; may not block.
        metrics: the process's metrics.
        clock: the wall clock, seconds since 1970.
        monotonic: seconds.
        sleep: waits while Redis is away and records wait.
        check_start: called before the first partition is claimed, and raises HistoryRefused where none may be;
            RulesError while Redis does not answer.

    Attributes:
        assignment: a text of its own for each.
        blocks: what rules left alone in the last hour.
    """

    def __init__(
        self,
        settings: Settings,
        store: StateStore,
        outbox: Outbox,
        make_fold: Callable[[Part, int], Fold],
        publish: Callable[[Notes], None],
        metrics: CloserMetrics,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        check_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings, self._store, self._outbox = settings, store, outbox
        self._make_fold, self._publish, self._metrics = make_fold, publish, metrics
        self._clock, self._monotonic, self._sleep, self._check_start = clock, monotonic, sleep, check_start
        self._partitions: dict[Part, Partition] = {}
        self._stood: dict[Part, StateMeta] = {}  # the metas that were written last
        self._evictions = EvictionWatch()
        self._looked_at = -_LOOK_SECONDS
        self._away: str | None = None
        self._began = False
        self.blocks = BlockTally()
        self.wants_assign, self.assignment = False, ""

    @property
    def ready_faults(self) -> list[str]:
        """What keeps rules from deciding, one sentence each."""
        faults = [f"nothing is decided: {self._away}"] if self._away is not None else []
        return [*faults, *([self._evictions.fault] if self._evictions.fault is not None else [])]

    def holds(self, part: Part) -> bool:
        """Whether the partition is this worker's and its state is loaded; from any thread."""
        return part in self._partitions

    def assign(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """Claim partitions and go on where their states stand; while Redis is away, nothing is read on."""
        self.wants_assign, self.assignment = False, uuid.uuid4().hex
        self._drop_partitions()
        self._outbox.keep_only(bounds)
        if not bounds:
            return {}
        fresh = {part: self._fresh(known) for part, known in bounds.items()}
        try:
            status = self._store.status()
            if not self._began and status.policy != NO_EVICTION:
                raise HistoryRefused(*policy_fault(status.policy))
            if not self._began:
                self._check_start()
            self._evictions.look(status)
            claimed = claim(self._store, fresh, self.assignment, self._stood)
            for part, one in claimed.items():
                self._stood[part] = one.meta
                self._partitions[part] = self._open(part, one, bounds[part])
        except (HistoryAway, RulesError) as error:
            if not self._began and isinstance(error, HistoryDenied):
                raise HistoryRefused(error.problem, error.mend) from None
            self._enter_away(error)
            return {part: meta.offset for part, meta in fresh.items()}
        self._began, self._away = True, None
        return {part: self._start(part, one.meta, bounds[part]) for part, one in claimed.items()}

    def process(self, batches: Sequence[Batch]) -> Work:
        """Fold the records of a round; while Redis is away they wait."""
        if self._away is not None:
            self._sleep(_PAUSE_SECONDS)
            self._look_for_redis()
        if self._away is not None or self.wants_assign:
            return Work([], {batch.part: batch.start for batch in batches})
        now = self._clock()
        kept, outputs = _Kept({}, now), list[Output]()
        try:
            for batch in batches:
                partition = self._partitions[batch.part]
                kept.rounds[batch.part] = partition.take(batch.records, now)
                outputs += self._dead_letters(partition, kept)
        except (HistoryAway, RulesError) as error:
            self._enter_away(error)
            return Work([], {batch.part: batch.start for batch in batches})
        return Work(outputs, {batch.part: batch.end for batch in batches}, kept)

    def snapshot(self, work: Work) -> None:
        """Pack what the round changed."""
        if work.kept:
            for part, taken in work.kept.rounds.items():
                self._partitions[part].freeze(taken, work.ends[part], work.kept.clock)

    def commit(self, work: Work) -> dict[Part, bool] | HistoryAway:
        """Write behind the fence, then begin what leaves."""
        return self._write(work.kept.rounds) if work.kept else {}

    def on_committed(self, work: Work, answer: dict[Part, bool] | HistoryAway) -> bool:
        """Take in what was written; give way where another worker got there first."""
        if work.kept:
            self._written(work.kept.rounds, answer)
            for reason in work.kept.failed:
                self._metrics.lane.failed.labels(reason).inc()
        return self._away is None and not self.wants_assign

    def idle(self, caught_up: Sequence[Part], now: float) -> list[Output]:
        """Do what is due, by the wall clock where nothing waits and by the broker's elsewhere."""
        if self._away is not None:
            self._look_for_redis()
            return []
        rounds: dict[Part, Round] = {}
        quiet = frozenset(caught_up)
        try:
            self._look_at_redis()
            for part, partition in self._partitions.items():
                woken = partition.wake(now if part in quiet else partition.clock)
                if partition.freeze(woken, None, now) or woken.notes:
                    rounds[part] = woken
                elif isinstance(partition.fold, Following):
                    partition.fold.written()  # all of it is
            answer = self._write(rounds)
        except (HistoryAway, RulesError) as error:
            self._enter_away(error)
            return []
        self._written(rounds, answer)
        self._show()
        return []

    # An assignment.

    def _fresh(self, known: Bounds) -> StateMeta:
        """What a partition without state begins with: at its end, or where the group is."""
        if known.committed is not None:
            offset = known.committed
        elif known.group_committed or known.end is None:
            offset = known.begin
        else:
            offset = known.end
        # The entries of a state that was lost may still be under way, so numbers go on from the time.
        entry = int(self._clock() * 1_000)
        return StateMeta(VERSION, known.topic_id, offset, 0.0, entry, 0, "", whole=known.committed is None)

    def _open(self, part: Part, claimed: Claimed, known: Bounds) -> Partition:
        """Load the fold of a claimed partition, and begin again what its outbox holds."""
        fold, parts = self._make_fold(part, known.partitions), claimed.loaded.parts
        fold.load({name: packed for name, packed in parts.items() if not name.startswith(PREFIX)})
        if claimed.lost:
            log.error("the closer's state of %s is gone from Redis, in whole or in part, or is older than it was", part)
            if isinstance(fold, Suppressing):
                fold.rebuild()
        self._outbox.resume(part, {name: packed for name, packed in parts.items() if name.startswith(PREFIX)})
        return Partition(part, fold, claimed, self._outbox)

    def _start(self, part: Part, meta: StateMeta, known: Bounds) -> int:
        """Where to read on: records that are gone are passed by, and said to be."""
        if meta.offset < known.begin:
            log.error("%s begins at %d, records from %d on are gone undecided", part, known.begin, meta.offset)
        last = meta.offset if known.end is None else min(meta.offset, known.end)
        return max(last, known.begin)

    def _drop_partitions(self) -> None:
        for partition in self._partitions.values():
            if isinstance(partition.fold, Closing):
                partition.fold.close()
        self._partitions = {}

    # Writing.

    def _write(self, rounds: Mapping[Part, Round]) -> dict[Part, bool] | HistoryAway:
        try:
            writes = {part: one.write for part, one in rounds.items() if one.write is not None}
            answer = self._store.write(writes)
        except HistoryAway as error:
            return error
        for part, one in rounds.items():
            if answer.get(part, True):
                if one.name is not None:
                    self._outbox.submit(part, one.name, one.outgoing)
                if one.notes:
                    self._publish(one.notes)
        return answer

    def _written(self, rounds: Mapping[Part, Round], answer: dict[Part, bool] | HistoryAway) -> None:
        if isinstance(answer, HistoryAway):
            self._enter_away(answer)
            return
        for part, written in answer.items():
            if not written:
                log.warning("%s; continuing from where it stands", FenceConflict(*part))
                self._metrics.lane.fence_conflicts.inc()
                self.wants_assign = True
                continue
            self._outbox.forget(part, rounds[part].finished)
            self._stood[part] = rounds[part].meta or self._stood[part]
            self.blocks.count(rounds[part].outgoing.decisions, self._clock())
            made = Counter((one.by_rule, one.decision) for one in rounds[part].outgoing.decisions)
            for (rule, decision), count in made.items():
                self._metrics.decisions.labels(self._metrics.rule_label(rule), decision).inc(count)
            partition = self._partitions.get(part)
            if partition is not None and isinstance(partition.fold, Following):
                partition.fold.written()

    def _dead_letters(self, partition: Partition, kept: _Kept) -> list[Output]:
        if not isinstance(partition.fold, Refusing):
            return []
        topic, part, outputs = self._settings.topics.failed, partition.part, []
        for record, error in partition.fold.take_failed():
            outputs.append(failed_output(topic, part, record.offset, record.key, record.value or b"", error, CLOSER))
            kept.failed.append(error.reason)
        return outputs

    # Redis.

    def _enter_away(self, error: HistoryAway | RulesError) -> None:
        """Drop what is not written; records wait until Redis is back."""
        if self._away is None:
            log.error("%s; nothing is decided until Redis can be used", error)
        self._away = str(error)
        self._drop_partitions()
        self._looked_at = self._monotonic()

    def _look_for_redis(self) -> None:
        if self._monotonic() - self._looked_at < _RETRY_SECONDS:
            return
        self._looked_at = self._monotonic()
        try:
            self._store.status(patient=False)
        except HistoryAway as error:
            self._away = str(error)
            return
        log.warning("Redis can be used again; continuing from where the state stands")
        self.wants_assign = True

    def _look_at_redis(self) -> None:
        """Assign everything anew where Redis evicted keys, which finds what is missing."""
        if self._monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = self._monotonic()
        if evicted := self._evictions.look(self._store.status()):
            log.error("Redis evicted %d keys, so state may be missing; set maxmemory-policy to noeviction", evicted)
            self.wants_assign = True

    def _show(self) -> None:
        folds = [one.fold for one in self._partitions.values() if isinstance(one.fold, Suppressing)]
        for decision in SUPPRESSED.values:
            self._metrics.suppressed.labels(decision).set(sum(fold.count(decision) for fold in folds))
        entries, oldest = self._outbox.measure()
        self._metrics.outbox_entries.set(entries)
        self._metrics.outbox_oldest.set(oldest)
