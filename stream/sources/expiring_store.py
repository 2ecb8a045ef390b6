"""A small memory with a time to live as a port: who acknowledged what, and which deliveries were taken."""

import time
from collections.abc import Callable
from typing import Protocol

from stream.core.errors import NoisegateError


class ExpiringStoreAway(NoisegateError):
    """The memory can't be reached; its callers go on without it."""


class ExpiringStore(Protocol):
    """Values by key, each kept for a time. Calls may block; any thread may call. All raise ExpiringStoreAway."""

    def read(self, key: str) -> bytes | None:
        """The value; None where there is none, or where its time is over."""
        ...

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Store a value over what stands there, for so many seconds."""
        ...

    def remove(self, key: str) -> None:
        """Store nothing there."""
        ...


class MemoryExpiringStore:
    """`ExpiringStore` in this process: for tests, and for explaining how a body is read.

    Args:
        clock: seconds, from anywhere.
        keys: the oldest is dropped when there are more.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, keys: int = 100_000) -> None:
        self._clock, self._keys = clock, keys
        self._values: dict[str, tuple[bytes, float]] = {}

    def read(self, key: str) -> bytes | None:
        """From the dictionary."""
        value, until = self._values.get(key, (None, 0.0))
        return value if self._clock() < until else None

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """In the dictionary."""
        self._values.pop(key, None)
        self._values[key] = (value, self._clock() + seconds)
        if len(self._values) > self._keys:
            del self._values[next(iter(self._values))]

    def remove(self, key: str) -> None:
        """Out of the dictionary."""
        self._values.pop(key, None)
