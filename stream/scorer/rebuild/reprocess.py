"""One run over the whole log into a new generation of the history, and the switch to it. See `rebuild`."""

import sys
from collections.abc import Callable, Mapping

from stream.config import Settings
from stream.core import fold
from stream.core.errors import HistoryRefused
from stream.core.problem import Problem
from stream.kafka.misrouted import MisroutedRecords
from stream.kafka.partitioner import partition_chooser
from stream.kafka.records import Part
from stream.lane.batch import Bounds
from stream.lane.fence import NO_META
from stream.models.active import ActiveModels
from stream.scorer.decode import Decoder
from stream.scorer.history import Meta, Wanted, read_meta_or_none
from stream.scorer.identity import Identity
from stream.scorer.metrics.maturity import MaturityQueue
from stream.scorer.partition import Partition, new_generation, new_meta
from stream.scorer.rebuild.backlog import Backlog, Outlet
from stream.scorer.rebuild.generation import Generations, NewGeneration
from stream.scorer.rebuild.merge import MergedLog, PartitionProgress, Source
from stream.scorer.rebuild.offsets import LogOffsets
from stream.scorer.rebuild.previous import PreviousHistory
from stream.scorer.rebuild.report import Rebuilt, Report

_BATCH = 5_000  # records, of each partition
_MOST = 20_000
_SWITCH_TRIES = 100


class Reprocessor:
    """Rebuilds the history of all partitions of `alerts.events`.

    Args:
        settings: topic, partitioner, limits.
        problem: what is being predicted.
        identity: the cluster, topic and problem that the new history is of.
        partitions: how many the topic has now.
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
        identity: Identity,
        partitions: int,
        consumer: Source,
        serving: Generations,
        aside: Generations,
        read_misrouted: Callable[[], MisroutedRecords],
        outlet: Callable[[], Outlet],
        load_models: Callable[[], tuple[ActiveModels, list[str]]],
        progress: PartitionProgress,
    ) -> None:
        self._settings, self._problem = settings, problem
        self._consumer, self._serving, self._aside = consumer, serving, aside
        self._read_misrouted, self._outlet, self._load_models = read_misrouted, outlet, load_models
        self._progress = progress
        self._topic, self._count = identity.topic, partitions
        self._identity = identity
        self._decoder = Decoder(partition_chooser(settings.kafka.partitioner, partitions), anywhere=True)
        # The committed offsets are read before the metas, which are never behind them.
        self._offsets = LogOffsets(consumer, settings, identity.topic_id, partitions)
        self._previous = PreviousHistory(serving, settings, partitions)
        self._evictions = serving.status().evictions  # before the first record: what is evicted later is missing
        self._parts = [Part(self._topic, number) for number in range(partitions)]
        self._notes: list[str] = []

    def run(self) -> Report:
        """Rebuild every partition, and let the deployment be of this topic and problem. Raises as `rebuild` does."""
        report = self._run()
        self._serving.replace(self._identity)
        return report

    def _run(self) -> Report:
        grown = any(
            self._offsets.is_of_topic(meta) and meta.layout != self._count for meta in self._previous.metas.values()
        )
        if (resumed := self._resume(grown)) is not None:
            return resumed
        published = {
            number: self._offsets.published(number, self._previous.metas.get(number)) for number in self._offsets.begins
        }
        misrouted = self._read_misrouted()
        backlog = self._backlog(published) if grown else None
        generation = self._generation(backlog)
        merged = MergedLog(
            self._consumer,
            self._topic,
            self._offsets.begins,
            self._offsets.ends if grown else published,
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

    def _serving_meta(self, part: Part) -> Meta | None:
        return self._previous.metas.get(part.partition)

    def _generation(self, backlog: Backlog | None) -> NewGeneration:
        """The new generation, empty."""
        partitions = {}
        for part in self._parts:
            number = part.partition
            old = self._previous.metas.get(number)
            generation = old.generation + 1 if old else new_generation()
            self._aside.forget(part, generation, fence=True)
            bounds = Bounds(None, self._offsets.begins[number], None, self._identity.topic_id, self._count)
            meta = new_meta(bounds, self._offsets.begins[number], self._problem, generation, evictions=self._evictions)
            partitions[part] = Partition(part, self._problem, meta, NO_META, sys.maxsize)
        maturity = MaturityQueue(self._problem, self._settings.metrics.team_groups)
        most = self._settings.scorer.history_cache_levels
        return NewGeneration(partitions, self._aside, self._previous, maturity, most, self._decoder, backlog)

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
            target = max(self._offsets.published(number, read_meta_or_none(self._stored(part))), position)
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
                    f"workers began a new history of {part.topic}/{number}",
                    "run `noisegate history rebuild` again",
                )
            behind = meta is not None and self._offsets.is_usable(number, meta) and meta.offset > position
            if not behind and self._aside.switch(part, stored):
                return self._rebuilt(part, generation.number(part), position)
        raise HistoryRefused(f"{self._topic}/{number}: the history moves too fast", "stop its workers")

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
        if not self._offsets.commit({part.partition: meta.offset for part, meta in done.items()}):
            self._notes.append(
                "the offsets could not be committed because workers are in the group; they commit them themselves"
                " with the next records"
            )
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
            meta.offset < self._offsets.published(part.partition, self._serving_meta(part))
            for part, meta in finished.items()
        ):
            return None  # workers published more since
        note = "an earlier rebuild had published everything but ended before the switch; its history serves now"
        return Report(self._switch_all(finished, switched), notes=[note, *self._notes])

    def _is_finished(self, meta: Meta) -> bool:
        """Whether a meta is one that a rebuild now would leave."""
        now = (self._identity.topic_id, self._count, self._problem.digest, fold.VERSION)
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
