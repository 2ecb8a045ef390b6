"""Fold the log again into a new generation of the history, aside, and switch to it while the old one serves.

The new generation is folded up to where the serving one stands (or, where that can't be used, to the group's committed
offset) and takes its place in one atomic step. The serving worker then finds another meta than its own, drops what it
has not published, and goes on from the new one's offset: silently up to what was committed, scored beyond.
"""

import sys
import time
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec import Struct

from stream.config import Settings
from stream.core.came import Arrived, Decided
from stream.core.errors import BrokerError, HistoryRefused
from stream.core.ledger import Alert, unpack_earlier
from stream.core.problem import Problem
from stream.kafka import Topics, client_settings, partition_chooser
from stream.lane.batch import Batch, Bounds, Part
from stream.metrics import Metrics
from stream.scorer.decode import Decoded, Decoder
from stream.scorer.history import NO_META, Meta, Wanted, decode_meta
from stream.scorer.maturing import Maturing
from stream.scorer.partition import Partition, new_meta
from stream.scorer.reading import bounded, read_states
from stream.scorer.redis_history import RedisHistory

Progress = Callable[[int, int, int], None]  # partition, records folded, records to fold
_BATCH = 5_000
_POLL_SECONDS = 0.2  # consume() waits for a full batch up to this long
_QUIET_SECONDS = 30.0
_SWITCH_TRIES = 100


class Rebuilt(Struct, frozen=True):
    """What was done to one partition."""

    partition: int
    generation: int
    offset: int
    keys_removed: int


class _Record(Struct, frozen=True):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def rebuild(settings: Settings, progress: Progress = lambda partition, done, todo: None) -> list[Rebuilt]:
    """Rebuild every partition, one after the other.

    Raises:
        BrokerError: Kafka can't be reached or gives no more records.
        HistoryAway: Redis can't be reached; HistoryRefused: it can't be used. The serving history is untouched.
    """
    topics = Topics(settings)
    count = topics.require("events")[settings.events_topic]
    topic_id = topics.topic_id(settings.events_topic)
    consumer = Consumer(
        {**client_settings(settings), "group.id": settings.deployment, "enable.auto.commit": False, "log_level": 0}
    )
    try:
        parts = [Part(settings.events_topic, number) for number in range(count)]
        return [_Rebuild(settings, consumer, part, topic_id, count, progress).run() for part in parts]
    except KafkaException as error:
        raise BrokerError(f"Kafka can't be read: {error.args[0].str()}") from None
    finally:
        consumer.close()


class _Rebuild:
    """The rebuild of one partition."""

    def __init__(
        self, settings: Settings, consumer: Consumer, part: Part, topic_id: str, partitions: int, progress: Progress
    ) -> None:
        self._problem: Problem = settings.load_problem()
        self._consumer, self._part, self._progress = consumer, part, progress
        self._most = settings.history_cache_levels
        self._maturing = Maturing(self._problem, settings.team_groups)
        self._tp = TopicPartition(part.topic, part.partition)
        self._begin, self._end = consumer.get_watermark_offsets(self._tp, timeout=10.0)
        if not settings.broker_end_offsets:
            self._end = sys.maxsize
        self._decoder = Decoder(partition_chooser(settings.partitioner, partitions))
        self._serving, self._aside = (
            RedisHistory.of(settings, self._problem, Metrics(), fence) for fence in ("meta", "rebuild")
        )
        self._old = decode_meta(self._stored())
        generation = self._old.generation + 1 if self._old else 1
        bounds = Bounds(None, self._begin, None, topic_id, partitions)
        self._aside.check()
        self._aside.forget(part, generation, fence=True)
        meta = new_meta(bounds, self._begin, self._problem, generation)
        self._partition = Partition(part, self._problem, meta, NO_META, sys.maxsize)

    def run(self) -> Rebuilt:
        position = self._begin
        for _ in range(_SWITCH_TRIES):
            target = max(self._target(), position)
            for batch in self._batches(position, target):
                self._fold(batch)
            self._fold(Batch(self._part, position, target, []))  # an empty log has a history too
            position = target
            serving = self._stored()
            meta = decode_meta(serving)
            usable = self._usable(meta)
            if (usable is None or usable.offset >= position) and self._aside.switch(self._part, serving):
                removed = self._serving.forget(self._part, meta.generation, fence=False) if meta else 0
                return Rebuilt(self._part.partition, self._partition.meta.generation, position, removed)
        raise HistoryRefused(f"{self._part.topic}/{self._part.partition}: the history moves too fast; stop its workers")

    def _stored(self) -> bytes:
        return self._serving.read({self._part: Wanted(0)})[self._part].meta

    def _usable(self, meta: Meta | None) -> Meta | None:
        """The serving meta, if its offset says something of this topic as it is now."""
        mine = self._partition.meta
        return meta if meta and meta.topic_id == mine.topic_id and self._begin <= meta.offset <= self._end else None

    def _target(self) -> int:
        serving = self._usable(decode_meta(self._stored()))
        if serving is not None:
            return serving.offset
        committed = int(self._consumer.committed([self._tp], timeout=10.0)[0].offset)
        return committed if self._begin <= committed <= self._end else self._begin

    def _batches(self, start: int, target: int) -> Iterator[Batch]:
        self._consumer.assign([TopicPartition(self._part.topic, self._part.partition, start)])
        position, deadline = start, time.monotonic() + _QUIET_SECONDS
        while position < target:
            found = self._consumer.consume(_BATCH, timeout=_POLL_SECONDS)
            if found:
                deadline = time.monotonic() + _QUIET_SECONDS
            elif time.monotonic() < deadline:
                continue
            else:
                raise BrokerError(f"{self._part.topic}/{self._part.partition} gives no more records at {position}")
            records = []
            for message in found:
                if message.error():
                    raise BrokerError(f"{self._part.topic}/{self._part.partition}: {message.error()}")
                offset = message.offset() or 0
                if offset < target:
                    key, value = message.key(), message.value()
                    records.append(_Record(offset, message.timestamp()[1], key, value))
            end = min(target, (found[-1].offset() or 0) + 1)
            yield Batch(self._part, position, end, records)
            position = end
            self._progress(self._part.partition, position - start, target - start)

    def _fold(self, batch: Batch) -> None:
        whole = self._decoder.decode(batch)
        while (taken := bounded(self._aside, self._partition, whole, self._most, _BATCH)) is not whole:
            done = len(taken.events) + len(taken.failed)
            self._fold_some(taken, batch.records[done].offset if done else batch.start)
            whole = Decoded(whole.events[len(taken.events) :], whole.failed[len(taken.failed) :], whole.latest)
            batch = Batch(
                batch.part, batch.records[done].offset if done else batch.start, batch.end, batch.records[done:]
            )
        self._fold_some(whole, batch.end)

    def _fold_some(self, batch: Decoded, end: int) -> None:
        partition = self._partition
        decoded = {self._part: batch}
        touched = read_states(self._aside, {self._part: partition}, decoded)
        partition.run(decoded[self._part])
        arrived = [came for came in partition.fold.came if type(came) is Arrived]
        self._keep_scores(arrived)
        decided = [came for came in partition.fold.came if type(came) is Decided]
        name = str(end) if batch.timers is None else f"{end}@{partition.fold.time!r}"
        _, timers = self._maturing.part(decided, partition.silent_time, partition.fold.time, name)
        partition.wait(timers, touched[self._part])
        partition.fold.take_rows()
        partition.fold.clear_came()
        if not self._aside.write({self._part: partition.seal(touched[self._part], end)})[self._part]:
            raise HistoryRefused("another process rebuilds this history too; let one of them finish")
        partition.written()

    def _keep_scores(self, arrived: list[Arrived]) -> None:
        """Alerts keep the scores that the serving ledger holds: they are what was published."""
        if self._old is None or not arrived:
            return
        keys = [(one.event.team, one.event.alert_id) for one in arrived]
        found = self._serving.read({self._part: Wanted(self._old.generation, (), keys)})[self._part]
        for one, packed in zip(arrived, found.entries, strict=True):
            entry = unpack_earlier(packed) if packed is not None else None
            if type(entry) is Alert:
                one.alert.score = entry.score
