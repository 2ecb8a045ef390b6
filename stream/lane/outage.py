"""Whether Kafka can be reached: one sentence when it goes, one a minute while it is away, one when it is back."""

import logging
import time
from collections.abc import Callable

from prometheus_client import Gauge

from stream.logs import LibraryMessages

log = logging.getLogger(__name__)
FAILURES = 2
"""So many questions running without an answer: Kafka is away."""
REPEAT_SECONDS = 60.0


class Outage:
    """Follows a broker by the answers it gives; used by one thread, its attributes by any.

    Args:
        servers: where Kafka is, for the sentences.
        up: the gauge that is 1 while Kafka answers.
        library: what the client libraries log of the same fault, to be counted meanwhile.
        clock: seconds, monotonic.
    """

    def __init__(
        self, servers: str, up: Gauge, library: LibraryMessages, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._servers = servers
        self._up = up
        self._library = library
        self._clock = clock
        self._failures = 0
        self._failing_since = self._logged_at = 0.0
        self.up_since = clock()
        self.away = False

    @property
    def fault(self) -> str | None:
        """The sentence while Kafka is away, else None."""
        if not self.away:
            return None
        return f"Kafka at {self._servers} can't be reached; alerts wait there until it is back"

    def failed(self) -> None:
        """Kafka gave no answer."""
        now = self._clock()
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        if self._failures < FAILURES:
            return
        if not self.away:
            self.away = True
            self._up.set(0)
            self._library.count_only(True)
            self._logged_at = now
            log.error("%s", self.fault)
        elif now - self._logged_at >= REPEAT_SECONDS:
            self._logged_at = now
            log.error("Kafka at %s has been away for %.0f s%s", self._servers, self._seconds(now), self._counted())

    def answered(self) -> None:
        """Kafka gave an answer."""
        if self.away:
            self._library.count_only(False)
            self.up_since = now = self._clock()
            log.warning("Kafka at %s is back after %.0f s%s", self._servers, self._seconds(now), self._counted())
        self._failures = 0
        self.away = False
        self._up.set(1)

    def _seconds(self, now: float) -> float:
        return now - self._failing_since

    def _counted(self) -> str:
        count = self._library.take_count()
        return f"; {count} messages of the client libraries were left out" if count else ""
