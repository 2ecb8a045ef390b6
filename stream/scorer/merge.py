"""All partitions of `alerts.events` as one log, merged by record timestamp in bounded memory."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from typing import Any, Literal, NamedTuple, Protocol

from confluent_kafka import KafkaError, Message, TopicPartition
from msgspec import Struct

from stream.core.errors import BadRecord, BrokerError
from stream.core.events import Event
from stream.kafka.records import Part, Record
from stream.lane.batch import Batch
from stream.scorer.decode import Decoded

POLL_RECORDS = 5_000
_POLL_SECONDS = 0.2  # consume() waits for that many records up to this long
_QUIET_SECONDS = 30.0
_BUFFERED_RECORDS = 60_000  # over all partitions, about
_BUFFERED_BYTES = 64 << 20

_Key = tuple[int, float]  # timestamp and event time
Progress = Callable[[int, int, int], None]  # partition, records read, records to read


class StoredRecord(Struct, frozen=True):
    """A record as it stands in Kafka; `timestamp` in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Located(NamedTuple):
    """A record and the partition it lies in: its event and event time, or why it can't be used."""

    source: int
    record: Record
    event: Event | None
    at: float
    fault: BadRecord | None


class Source(Protocol):
    """What is needed of a Kafka consumer that joins no group; `confluent_kafka.Consumer` is one.

    It reads committed records only and tells the ends of partitions (`enable.partition.eof`).
    """

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        """The first offset there is and the one after the last that can be read."""

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        """The group's offsets, below zero where it has none."""

    def commit(self, *, offsets: list[TopicPartition], asynchronous: Literal[False]) -> Any:
        """Commit the group's offsets; raises KafkaException where the group has members."""

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Read exactly these partitions, from their offsets on."""

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        """Records, errors and ends of partitions that come within `timeout` seconds."""

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Give nothing of these partitions."""

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Go on with these partitions."""


class MergedLog:
    """The records of several partitions in the order of their timestamps, each partition's own order kept.

    A partition stands at the largest timestamp so far, and within the same millisecond at the largest event time; ties
    go by partition number. So the records of one team that lie in an old partition up to a moment, and in another one
    after it, come in the order in which they were written.

    Args:
        consumer: reads the topic.
        topic: the topic.
        starts: the offset at which each partition is read from.
        stops: the offset before which each partition's reading ends.
        decode: decodes the records of one partition.
        skip: whether a record of a partition is to be left out.
        to_end: reading also ends where the log ends, should that come before the stop.
        progress: called now and then.

    Attributes:
        positions: of each partition, the offset after what was read.
    """

    def __init__(
        self,
        consumer: Source,
        topic: str,
        starts: Mapping[int, int],
        stops: Mapping[int, int],
        decode: Callable[[Batch], Decoded],
        skip: Callable[[int, Record], bool] = lambda partition, record: False,
        to_end: bool = False,
        progress: Progress = lambda partition, done, todo: None,
    ) -> None:
        self.positions = dict(starts)
        self._consumer, self._topic, self._decode, self._skip = consumer, topic, decode, skip
        self._starts, self._stops, self._to_end, self._progress = starts, stops, to_end, progress
        self._open = {number for number, start in starts.items() if start < stops[number]}
        self._buffers: dict[int, deque[tuple[_Key, Located]]] = {number: deque() for number in starts}
        self._bytes = dict.fromkeys(starts, 0)
        self._latest: dict[int, _Key] = dict.fromkeys(starts, (-1, -math.inf))
        self._paused: set[int] = set()
        self._most_records = max(1_000, _BUFFERED_RECORDS // max(1, len(starts)))
        self._most_bytes = max(1 << 20, _BUFFERED_BYTES // max(1, len(starts)))

    def rounds(self, most: int) -> Iterator[list[Located]]:
        """The merged log in lists of at most `most` records.

        Raises:
            BrokerError: Kafka refuses to be read, or gives nothing more before the stops.
        """
        self._consumer.assign([TopicPartition(self._topic, number, self._starts[number]) for number in self._open])
        chunk: list[Located] = []
        while True:
            self._fill()
            heads = [(buffer[0][0], number) for number, buffer in self._buffers.items() if buffer]
            if not heads:
                break
            heapify(heads)
            while heads:
                number = heads[0][1]
                buffer = self._buffers[number]
                located = buffer.popleft()[1]
                chunk.append(located)
                self._bytes[number] -= len(located.record.value or b"")
                if len(chunk) >= most:
                    yield chunk
                    chunk = []
                if buffer:
                    heapreplace(heads, (buffer[0][0], number))
                elif number in self._open:
                    break
                else:
                    heappop(heads)
        if chunk:
            yield chunk

    def _fill(self) -> None:
        """Read until the next record of every partition is known."""
        deadline = time.monotonic() + _QUIET_SECONDS
        self._flow()
        while any(not self._buffers[number] for number in self._open):
            found = self._consumer.consume(POLL_RECORDS, timeout=_POLL_SECONDS)
            if found:
                deadline = time.monotonic() + _QUIET_SECONDS
                self._take(found)
                self._flow()
            elif time.monotonic() > deadline:
                number = min(number for number in self._open if not self._buffers[number])
                raise BrokerError(
                    f"{self._topic}/{number} gives no more records at {self.positions[number]}", f"is it up?"
                )

    def _take(self, found: list[Message]) -> None:
        messages: dict[int, list[Message]] = {}
        ends: dict[int, int] = {}
        for message in found:
            number, fault = message.partition() or 0, message.error()
            if fault is None:
                messages.setdefault(number, []).append(message)
            elif fault.code() == KafkaError._PARTITION_EOF:
                ends[number] = message.offset() or 0
            elif not fault.retriable():
                raise BrokerError(f"{self._topic}/{number} can't be read: {fault.str()}")
        for number, some in messages.items():
            if number in self._open:
                self._buffer(number, some)
        for number, end in ends.items():
            self._reach(number, end, self._to_end)

    def _buffer(self, number: int, messages: list[Message]) -> None:
        start, stop = self.positions[number], self._stops[number]
        records: list[StoredRecord] = []
        for message in messages:
            offset = message.offset() or 0
            if start <= offset < stop:
                record = StoredRecord(offset, message.timestamp()[1], message.key(), message.value())
                if not self._skip(number, record):
                    records.append(record)
                    self._bytes[number] += len(record.value or b"")
        end = (messages[-1].offset() or 0) + 1
        self._append(number, self._decode(Batch(Part(self._topic, number), start, end, records)))
        self._reach(number, end, False)

    def _append(self, number: int, decoded: Decoded) -> None:
        found = [Located(number, record, event, at, None) for event, at, record in decoded.events]
        if decoded.failed:
            found += [Located(number, record, None, -math.inf, fault) for record, fault in decoded.failed]
            found.sort(key=lambda one: one.record.offset)
        append, latest = self._buffers[number].append, self._latest[number]
        for located in found:
            timestamp = located.record.timestamp
            if timestamp > latest[0] or (timestamp == latest[0] and located.at > latest[1]):
                latest = timestamp, located.at
            append((latest, located))
        self._latest[number] = latest

    def _reach(self, number: int, offset: int, at_end: bool) -> None:
        """Note that all before `offset` was read; markers and what was aborted count, though nobody sees them."""
        stop = self._stops[number]
        if number not in self._open:
            return
        position = self.positions[number] = max(self.positions[number], min(offset, stop))
        if at_end or position >= stop:
            self._open.discard(number)
            self._consumer.pause([TopicPartition(self._topic, number)])
            stop = position
        start = self._starts[number]
        self._progress(number, position - start, max(stop, position) - start)

    def _flow(self) -> None:
        """Pause the partitions of which enough is in memory, go on with those of which little is left."""
        for number in self._open:
            records, size = len(self._buffers[number]), self._bytes[number]
            if number in self._paused:
                if records < self._most_records // 4 and size < self._most_bytes // 2:
                    self._paused.discard(number)
                    self._consumer.resume([TopicPartition(self._topic, number)])
            elif records > self._most_records or size > self._most_bytes:
                self._paused.add(number)
                self._consumer.pause([TopicPartition(self._topic, number)])
