"""The watch over the server that keeps the histories: what it evicts, whether it would, and its clock."""

import time
from collections.abc import Callable

from stream.core.errors import HistoryRefused
from stream.lane.evictions import EvictionWatch, policy_fault
from stream.lane.fence import NO_EVICTION, ServerStatus
from stream.scorer.clocks import ClockWatch
from stream.scorer.history import History

_LOOK_SECONDS = 5.0  # how often a Redis that is there is asked


class ServerWatch:
    """Asks the server, and holds its answers against those before.

    Args:
        history: where histories are kept.
        clocks: holds the server's clock against ours.
        clock: the wall clock, seconds since 1970.
        monotonic: seconds, for pauses between questions.
    """

    def __init__(
        self,
        history: History,
        clocks: ClockWatch,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._history = history
        self._clocks = clocks
        self._clock = clock
        self._monotonic = monotonic
        self._evictions = EvictionWatch()
        self._looked_at = monotonic()

    @property
    def fault(self) -> str | None:
        """Why history is in danger, in one sentence; None where it is not."""
        return self._evictions.fault

    def begin(self, refuse_eviction: bool) -> ServerStatus:
        """The server's status, at an assignment.

        Raises:
            HistoryAway: it can't be used.
            HistoryRefused: it would evict histories, and `refuse_eviction` is set.
        """
        status = self._ask()
        if refuse_eviction and status.policy != NO_EVICTION:
            raise HistoryRefused(*policy_fault(status.policy))
        self._evictions.look(status)
        return status

    def evicted(self) -> int:
        """How many keys were evicted since the last look; 0 where that was a moment ago. Raises HistoryAway."""
        if self._monotonic() - self._looked_at < _LOOK_SECONDS:
            return 0
        self._looked_at = self._monotonic()
        return self._evictions.look(self._ask())

    def _ask(self) -> ServerStatus:
        asked_at = self._clock()
        status = self._history.status()
        self._clocks.note_redis(asked_at, status.clock, self._clock())
        return status
