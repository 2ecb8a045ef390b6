"""Events on their way out of Kafka: values in a temporary file, and for each 29 bytes in memory to bring them in order.

The order is that in which the lab's one fold does what the live folds of all partitions did. An event stands at its
partition's time, the largest `at` that the partition had come to with it, and partitions are merged by that. So each
partition keeps its log's order, and at every event the merged log's time is what its partition's was. A tick that
moves time before an event, or at the end, is kept; the others would change nothing.

An event later than the grace can't stand there, for the lab takes such a log for out of order: it is put where it
happened, and counted.
"""

import math
import tempfile
from array import array
from collections.abc import Iterator
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from stream.core.events import Event, Tick, decode_event
from stream.eventlog import Line

_TELL_EVERY = 5_000


class Spool:
    """Values go in by partition in the order of their offsets, lines come out in the order of time."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace = grace_seconds
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._time: dict[int, float] = {}
        self._stands_at, self._at = array("d"), array("d")
        self._partition, self._length, self._is_tick = array("i"), array("i"), array("b")
        self.moved = 0
        self.ticks_left_out = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._at)

    def add(self, partition: int, event: Event, at: float, value: bytes) -> None:
        """Keep an event of a partition, at event time `at`."""
        time = self._time.get(partition, -math.inf)
        if at >= time:
            self._time[partition] = stands_at = at
        elif at < time - self._grace and type(event) is not Tick:
            stands_at = at
            self.moved += 1
        else:
            stands_at = time
        self._stands_at.append(stands_at)
        self._at.append(at)
        self._partition.append(partition)
        self._length.append(len(value))
        self._is_tick.append(type(event) is Tick)
        self._file.write(value)

    def lines(self) -> Iterator[Line]:
        """The events in order; ties by partition, then by offset."""
        time, waiting = -math.inf, None
        at, is_tick = self._at, self._is_tick
        for index, start in self._order():
            if not is_tick[index]:
                if waiting is not None:
                    yield self._line(*waiting)
                    time, waiting = at[waiting[0]], None
                yield self._line(index, start)
                time = max(time, at[index])
            elif at[index] > (time if waiting is None else at[waiting[0]]):
                self.ticks_left_out += waiting is not None
                waiting = (index, start)
            else:
                self.ticks_left_out += 1
        if waiting is not None:
            yield self._line(*waiting)

    def _order(self) -> Iterator[tuple[int, int]]:
        """Each event's number and where its value begins."""
        lengths = np.frombuffer(self._length, dtype=np.int32) if self._length else np.empty(0, np.int32)
        starts: NDArray[np.int64] = np.cumsum(lengths, dtype=np.int64) - lengths
        order = np.lexsort((np.asarray(self._partition), np.asarray(self._stands_at)))
        for begin in range(0, len(order), _TELL_EVERY):
            piece = order[begin : begin + _TELL_EVERY]
            yield from zip(piece.tolist(), starts[piece].tolist(), strict=True)

    def _line(self, index: int, start: int) -> Line:
        self._file.seek(start)
        value = self._file.read(self._length[index])
        return Line(decode_event(value), self._at[index], value)
