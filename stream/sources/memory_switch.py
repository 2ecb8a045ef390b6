"""What the intakes of a deployment remember together, behind one switch: once Redis is away nobody waits for it again.

Ids then fall back to fingerprint and start. One call after each pause finds out whether Redis is back.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from prometheus_client import Gauge

from stream.sources.expiring_store import ExpiringStore, ExpiringStoreAway
from stream.sources.firing_store import FiringsAway, FiringStore, Swap

log = logging.getLogger(__name__)
T = TypeVar("T")
PAUSE_SECONDS = 1.0


class MemorySwitch:
    """Whether Redis is away; used from any thread.

    Args:
        up: is 1 while it answers, else 0.
        clock: seconds, monotonic.
    """

    def __init__(self, up: Gauge, clock: Callable[[], float] = time.monotonic) -> None:
        self._up, self._clock = up, clock
        self._away_until = 0.0
        self.away = ""
        up.set(1)

    def call(self, work: Callable[[], T], away: type[FiringsAway] | type[ExpiringStoreAway]) -> T:
        """What `work` returns; raises `away` at once while Redis is known to be away."""
        if self.away and self._clock() < self._away_until:
            raise away(self.away)
        try:
            found = work()
        except away as error:
            if not self.away:
                log.warning("%s; ids are made without memory until it is back", error)
            self._away_until, self.away = self._clock() + PAUSE_SECONDS, str(error)
            self._up.set(0)
            raise
        if self.away:
            log.warning("Redis is back")
            self.away = ""
            self._up.set(1)
        return found


class SwitchedFiringStore:
    """A `FiringStore` behind the switch."""

    def __init__(self, store: FiringStore, switch: MemorySwitch) -> None:
        self._store, self._switch = store, switch

    def read(self, keys: Sequence[str]) -> list[bytes]:
        """See `FiringStore`."""
        return self._switch.call(lambda: self._store.read(keys), FiringsAway) if keys else []

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """See `FiringStore`."""
        return self._switch.call(lambda: self._store.swap(swaps), FiringsAway) if swaps else []


class SwitchedExpiringStore:
    """An `ExpiringStore` behind the switch."""

    def __init__(self, store: ExpiringStore, switch: MemorySwitch) -> None:
        self._store, self._switch = store, switch

    def read(self, key: str) -> bytes | None:
        """See `ExpiringStore`."""
        return self._switch.call(lambda: self._store.read(key), ExpiringStoreAway)

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """See `ExpiringStore`."""
        self._switch.call(lambda: self._store.put(key, value, seconds), ExpiringStoreAway)

    def remove(self, key: str) -> None:
        """See `ExpiringStore`."""
        self._switch.call(lambda: self._store.remove(key), ExpiringStoreAway)
