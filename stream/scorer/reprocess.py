"""One run over the whole log into a new generation of the history, and the switch to it. See `rebuild`."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from confluent_kafka import KafkaException, TopicPartition
from msgspec import Struct

from stream.config import Settings
from stream.core import fold
from stream.core.errors import HistoryRefused
from stream.core.problem import Problem
from stream.kafka.misrouted import MisroutedRecords
from stream.kafka.partitioner import partition_chooser
from stream.kafka.records import Part
from stream.kafka.topics import TopicFacts
from stream.lane.batch import Bounds
from stream.models.active import ActiveModels
from stream.scorer.backlog import Backlog, Outlet
from stream.scorer.decode import Decoder
from stream.scorer.generation import Generations, NewGeneration
from stream.scorer.history import NO_META, Meta, Wanted, read_meta_or_none
from stream.scorer.identity import Identity
from stream.scorer.metrics.maturity import MaturityQueue
from stream.scorer.merge import MergedLog, Progress, Source
from stream.scorer.partition import Partition, new_generation, new_meta
from stream.scorer.previous import PreviousHistory

_BATCH = 5_000  # records, of each partition
_MOST = 20_000
_SWITCH_TRIES = 100
_ANSWER_SECONDS = 10.0
_COMMIT_SECONDS = 10.0


class Rebuilt(Struct, frozen=True):
    """What was done to one partition."""

    partition: int
    generation: int
    offset: int
    keys_removed: int


class Report(Struct, frozen=True):
    """What a rebuild did.

    Attributes:
        partitions: one entry each.
        folded: records folded.
        placed: of these, records that lie in another partition than the one their team belongs to now.
        misrouted: records left out, because `alerts.failed` holds them as misrouted or a worker fails them so now.
        undecodable: records that can't be used; `alerts.failed` holds them.
        unknown_actions: actions whose alert the log does not hold, or holds too late.
        published: what was published because it never had been, by kind; empty where workers serve.
        notes: what a person should know, one sentence each.
    """

    partitions: list[Rebuilt]
    folded: int = 0
    placed: int = 0
    misrouted: int = 0
    undecodable: int = 0
    unknown_actions: int = 0
    published: dict[str, int] = {}
    notes: list[str] = []


class Reprocessor:
    """Rebuilds the history of all partitions of `alerts.events`.

    Args:
        settings: topic, partitioner, limits.
        problem: what is being predicted.
        facts: the topic as it is now.
        consumer: reads it; its group is the deployment.
        serving: the history that serves, or did.
        aside: the same behind a fence of its own.
        read_misrouted: what failed as misrouted; asked once it is known what was published.
        outlet: makes a publisher; asked only where something may be published.
        load_models: what workers would score with, and what a person should know of that.
        progress: called now and then.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        facts: TopicFacts,
        consumer: Source,
        serving: Generations,
        aside: Generations,
        read_misrouted: Callable[[], MisroutedRecords],
        outlet: Callable[[], Outlet],
        load_models: Callable[[], tuple[ActiveModels, list[str]]],
        progress: Progress,
    ) -> None:
        self._settings, self._problem = settings, problem
        self._consumer, self._serving, self._aside = consumer, serving, aside
        self._read_misrouted, self._outlet, self._load_models = read_misrouted, outlet, load_models
        self._progress = progress
        self._topic, self._topic_id, self._count = settings.topics.events, facts.topic_id, facts.partitions
        self.identity = Identity(facts.cluster_id, self._topic, self._topic_id, problem.digest)
        self._decoder = Decoder(partition_chooser(settings.kafka.partitioner, facts.partitions), anywhere=True)
        self._begins: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        for number in range(facts.partitions):
            tp = TopicPartition(self._topic, number)
            self._begins[number], end = consumer.get_watermark_offsets(tp, timeout=_ANSWER_SECONDS)
            self._ends[number] = end if settings.kafka.end_offsets else sys.maxsize
        self._committed = self._read_committed()  # before the metas, which are never behind what is committed
        self._previous = PreviousHistory(serving, settings, facts.partitions)
        self._evictions = serving.status().evictions  # before the first record: what is evicted later is missing
        self._parts = [Part(self._topic, number) for number in self._begins]
        self._notes: list[str] = []

    def run(self) -> Report:
        """Rebuild every partition, and let the deployment be of this topic and problem. Raises as `rebuild` does."""
        report = self._run()
        self._serving.replace(self.identity)
        return report

    def _run(self) -> Report:
        grown = any(self._is_of_topic(meta) and meta.layout != self._count for meta in self._previous.metas.values())
        if (resumed := self._resume(grown)) is not None:
            return resumed
        published = {number: self._published(number, self._previous.metas.get(number)) for number in self._begins}
        misrouted = self._read_misrouted()
        backlog = self._backlog(published) if grown else None
        generation = self._generation(backlog)
        merged = MergedLog(
            self._consumer,
            self._topic,
            self._begins,
            self._ends if grown else published,
            self._decoder.decode,
            lambda number, record: misrouted.holds(number, record.offset, record.value or b""),
            grown,
            self._progress,
        )
        for records in merged.rounds(min(_MOST, _BATCH * self._count)):
            generation.fold(records)
        if grown:
            generation.finish(merged.positions)
            partitions = self._switch_all(self._finished(), {})
        else:
            partitions = [self._switch(generation, part, merged.positions[part.partition]) for part in self._parts]
        return self._report(partitions, generation, misrouted, backlog)

    def _read_committed(self) -> dict[int, int]:
        """The group's offsets, where they say something of the topic as it is now."""
        parts = [TopicPartition(self._topic, number) for number in self._begins]
        committed = {tp.partition: int(tp.offset) for tp in self._consumer.committed(parts, timeout=_ANSWER_SECONDS)}
        return {
            number: offset
            for number, offset in committed.items()
            if self._begins[number] <= offset <= self._ends[number]
        }

    def _is_of_topic(self, meta: Meta) -> bool:
        return meta.topic_id == self._topic_id

    def _published(self, number: int, meta: Meta | None) -> int:
        """The offset before which everything of a partition was published."""
        begin = self._begins[number]
        if meta is not None and self._is_usable(number, meta):
            return max(meta.offset, self._committed.get(number, begin))
        if (
            number not in self._committed
            and self._settings.lane.start_from == "latest"
            and self._ends[number] < sys.maxsize
        ):
            return self._ends[number]  # a worker would begin there, so the old log is history, and no news
        return self._committed.get(number, begin)

    def _serving_meta(self, part: Part) -> Meta | None:
        return self._previous.metas.get(part.partition)

    def _is_usable(self, number: int, meta: Meta) -> bool:
        """Whether a meta's offset says something of the topic as it is now."""
        return self._is_of_topic(meta) and self._begins[number] <= meta.offset <= self._ends[number]

    def _generation(self, backlog: Backlog | None) -> NewGeneration:
        """The new generation, empty."""
        partitions = {}
        for part in self._parts:
            number = part.partition
            old = self._previous.metas.get(number)
            generation = old.generation + 1 if old else new_generation()
            self._aside.forget(part, generation, fence=True)
            bounds = Bounds(None, self._begins[number], None, self._topic_id, self._count)
            meta = new_meta(bounds, self._begins[number], self._problem, generation, evictions=self._evictions)
            partitions[part] = Partition(part, self._problem, meta, NO_META, sys.maxsize)
        maturing = MaturityQueue(self._problem, self._settings.metrics.team_groups)
        most = self._settings.scorer.history_cache_levels
        return NewGeneration(partitions, self._aside, self._previous, maturing, most, self._decoder, backlog)

    def _backlog(self, published: Mapping[int, int]) -> Backlog:
        return Backlog(self._settings, self._problem, published, self._previous, self._outlet(), self._models)

    def _models(self) -> ActiveModels:
        served, notes = self._load_models()
        self._notes += notes
        return served

    # Switching.

    def _switch(self, generation: NewGeneration, part: Part, position: int) -> Rebuilt:
        """Catch up with the serving history, and take its place."""
        number = part.partition
        for _ in range(_SWITCH_TRIES):
            target = max(self._published(number, read_meta_or_none(self._stored(part))), position)
            caught_up = MergedLog(
                self._consumer, self._topic, {number: position}, {number: target}, self._decoder.decode
            )
            for records in caught_up.rounds(_BATCH):
                generation.fold(records, place=False)
            position = target
            generation.finish({number: position})
            stored = self._stored(part)
            meta = read_meta_or_none(stored)
            if meta is not None and meta.generation == generation.number(part):
                raise HistoryRefused(
                    f"workers began a new history of {part.topic}/{number}", f"run `noisegate history rebuild` again"
                )
            behind = meta is not None and self._is_usable(number, meta) and meta.offset > position
            if not behind and self._aside.switch(part, stored):
                return self._rebuilt(part, generation.number(part), position)
        raise HistoryRefused(f"{self._topic}/{number}: the history moves too fast", f"stop its workers")

    def _switch_all(self, finished: Mapping[Part, Meta], switched: Mapping[Part, Meta]) -> list[Rebuilt]:
        """Take the place of histories that nobody serves any more; some may have been switched before."""
        stored = self._previous.stored
        moved = [part for part in finished if self._stored(part) != stored[part.partition]]
        for part in finished:
            if moved or not self._aside.switch(part, stored[part.partition]):
                for other, meta in finished.items():  # else the next rebuild would take them for its own
                    self._aside.forget(other, meta.generation, fence=True)
                raise HistoryRefused(
                    f"a worker wrote the history of {self._topic} while it was rebuilt",
                    f"stop the workers of {self._settings.deployment}, then run `noisegate history rebuild` again",
                )
        done = {**switched, **finished}
        self._commit({part.partition: meta.offset for part, meta in done.items()})
        return [self._rebuilt(part, done[part].generation, done[part].offset) for part in self._parts]

    def _finished(self) -> dict[Part, Meta]:
        """The new generations that are folded to their ends and wait to be switched."""
        found = self._aside.read({part: Wanted(0) for part in self._parts})
        metas = {part: read_meta_or_none(found[part].meta) for part in self._parts}
        return {part: meta for part, meta in metas.items() if meta is not None and self._is_finished(meta)}

    def _resume(self, grown: bool) -> Report | None:
        """Finish what a rebuild that died had begun to switch: all was folded, and what waited was published."""
        finished = self._finished()
        if not grown and any(part.partition in self._previous.metas for part in finished):
            return None  # it died beside workers, which went on
        switched = {
            part: meta
            for part in self._parts
            if part not in finished
            and (meta := self._previous.metas.get(part.partition)) is not None
            and self._is_finished(meta)
        }
        if not finished or len(finished) + len(switched) < self._count:
            return None
        if any(
            meta.offset < self._published(part.partition, self._serving_meta(part)) for part, meta in finished.items()
        ):
            return None  # workers published more since
        note = "an earlier rebuild had published everything but ended before the switch; its history serves now"
        return Report(self._switch_all(finished, switched), notes=[note, *self._notes])

    def _is_finished(self, meta: Meta) -> bool:
        """Whether a meta is one that a rebuild now would leave."""
        now = (self._topic_id, self._count, self._problem.digest, fold.VERSION)
        return (
            meta.offset >= 0
            and not meta.suspect
            and now == (meta.topic_id, meta.partitions, meta.problem, meta.fold_version)
        )

    def _rebuilt(self, part: Part, generation: int, offset: int) -> Rebuilt:
        """Forget what the partition had before."""
        return Rebuilt(part.partition, generation, offset, self._serving.forget_others(part, generation))

    def _stored(self, part: Part) -> bytes:
        return self._serving.read({part: Wanted(0)})[part].meta

    def _commit(self, positions: Mapping[int, int]) -> None:
        """Commit where workers go on, so that, should Redis be lost, nothing before it is published again."""
        offsets = [
            TopicPartition(self._topic, number, position)
            for number, position in positions.items()
            if position > self._committed.get(number, -1)
        ]
        deadline = time.monotonic() + _COMMIT_SECONDS
        while offsets:
            with suppress(KafkaException):  # the group is not empty: a worker looks whether it may run again
                self._consumer.commit(offsets=offsets, asynchronous=False)
                return
            if time.monotonic() > deadline:
                self._notes.append(
                    "the offsets could not be committed because workers are in the group; they commit them themselves"
                    " with the next records"
                )
                return
            time.sleep(0.5)

    def _report(
        self,
        partitions: list[Rebuilt],
        generation: NewGeneration,
        misrouted: MisroutedRecords,
        backlog: Backlog | None,
    ) -> Report:
        counts = generation.counts
        for number in sorted(self._previous.unreadable):
            self._notes.append(
                f"the old history of {self._topic}/{number} could not be read, wholly or in part: alerts whose scores"
                " it held have none in the new history"
            )
        return Report(
            partitions,
            counts["folded"],
            counts["placed"],
            counts["misrouted"] + misrouted.found,
            counts["undecodable"],
            counts["unknown"],
            {} if backlog is None else {kind: count for kind, count in backlog.counts.items() if count},
            self._notes,
        )
