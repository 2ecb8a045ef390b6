"""Publication of one post's records: all are handed to Kafka's client, and awaited together."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any, Protocol

from stream.kafka.records import Output, Part


class RecordPublisher(Protocol):
    """Publishes single records; `AcknowledgedPublisher` is one.

    `publish` never blocks and may be called from any thread. Its future, of partition and offset, fails with KafkaAway,
    RecordRefused or another BrokerError.
    """

    @property
    def waiting(self) -> int:
        """How many records wait for their acknowledgement."""
        ...

    def publish(self, output: Output) -> "Future[tuple[Part, int]]":
        """Hand over a record."""
        ...


class _Batch:
    """The records of one call; the last that is done wakes the event loop, once."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._left = count
        self.faults: list[BaseException | None] = [None] * count
        self.done: asyncio.Future[None] = self._loop.create_future()

    def add(self, number: int, future: "Future[Any]") -> None:
        future.add_done_callback(lambda done: self._end(number, done))

    def _end(self, number: int, future: "Future[Any]") -> None:
        self.faults[number] = future.exception()
        with self._lock:
            self._left -= 1
            if self._left:
                return
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def publish(publisher: RecordPublisher, outputs: Sequence[Output]) -> list[BaseException | None]:
    """Publish records in order; returns why each failed once Kafka has acknowledged all others, None where it did."""
    if not outputs:
        return []
    batch = _Batch(len(outputs))
    for number, output in enumerate(outputs):
        batch.add(number, publisher.publish(output))
    await batch.done
    return batch.faults
