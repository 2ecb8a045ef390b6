"""What passes and can't be an event, to `alerts.failed`; nothing that passes waits for it."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from stream.core import limits
from stream.core.errors import BadRecord, KafkaAway
from stream.kafka.failed import failed_output
from stream.kafka.records import Output, Part

log = logging.getLogger(__name__)
ROOM = "relay"
REPEAT_SECONDS = 3_600.0  # what fires is posted every minute: its fault is written once in this time
RETRY_SECONDS = 1.0
BATCH = 50


class RecordPublisher(Protocol):
    """Publishes single records; `AcknowledgedPublisher` is one. `publish` never blocks; any thread may call."""

    def publish(self, output: Output) -> "Future[tuple[Part, int]]":
        """Hand over a record."""
        ...


class DeadLetters:
    """Dead letters that wait for Kafka, at most `limits.RELAY_FAILED`; used on the event loop.

    Args:
        publisher: to Kafka; what waits there is bounded as well.
        topic: of failed records.
        path: of the API that took the posts, which stands in the header `topic`.
        clock: seconds since 1970.
        retry_seconds: after how long what Kafka did not take is tried again.
    """

    def __init__(
        self,
        publisher: RecordPublisher,
        topic: str,
        path: str,
        clock: Callable[[], float] = time.time,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._retry_seconds = retry_seconds
        self._publisher, self._topic, self._clock = publisher, topic, clock
        self._api = Part(path, -1)
        self._waiting: deque[Output] = deque()
        self._written: OrderedDict[bytes, float] = OrderedDict()
        self._came = asyncio.Event()
        self._full = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, reason: str, detail: str, value: bytes, subject: bytes, came_from: Part | None = None) -> None:
        """Have a dead letter written, once an hour for one reason and one `subject`.

        Args:
            reason: a short name.
            detail: one sentence.
            value: the alert or the body as it came; it is cut as every dead letter.
            subject: what stays the same when its sender posts it again, such as the alert's labels.
            came_from: the topic that refused it; None: it came by the API.
        """
        now = self._clock()
        print_ = hashlib.blake2b(subject, digest_size=16, key=reason.encode()[:64]).digest()
        if now - self._written.get(print_, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return
        if len(self._waiting) >= limits.RELAY_FAILED:
            if not self._full:
                log.warning("%d dead letters wait for Kafka already; more are left out", len(self._waiting))
            self._full = True
            return
        self._full = False
        self._written[print_] = now
        self._written.move_to_end(print_)
        if len(self._written) > limits.RELAY_FAILED_REMEMBERED:
            self._written.popitem(last=False)
        error = BadRecord(reason, detail)
        self._waiting.append(failed_output(self._topic, came_from or self._api, -1, None, value, error, ROOM))
        self._came.set()

    async def run(self) -> None:
        """Publish what waits, until cancelled; what Kafka does not take is tried again."""
        while True:
            await self._came.wait()
            batch = [self._waiting[at] for at in range(min(BATCH, len(self._waiting)))]
            futures = [asyncio.wrap_future(self._publisher.publish(output)) for output in batch]
            results = await asyncio.gather(*futures, return_exceptions=True)
            again = []
            for output, result in zip(batch, results, strict=True):
                self._waiting.popleft()
                if isinstance(result, KafkaAway):
                    again.append(output)
                elif isinstance(result, BaseException):
                    log.warning("a dead letter is not published: %s", result)
            self._waiting.extendleft(reversed(again))
            if not self._waiting:
                self._came.clear()
            if again:
                await asyncio.sleep(self._retry_seconds)
