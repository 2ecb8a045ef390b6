"""The memory of firings and owners as a port, shared by all intakes and relays; and an implementation in memory."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from stream.core.errors import NoisegateError


class FiringsAway(NoisegateError):
    """The memory of firings can't be reached; ids fall back to fingerprint and start."""


class Swap(NamedTuple):
    """One value to be stored, if what stands there is still as it was read.

    Attributes:
        key: see `firing_key` and `owner_key` in `stream/sources/resolve.py`.
        expected: the value that was read; empty where none was.
        value: the new one, never empty.
        seconds: how long it is kept.
    """

    key: str
    expected: bytes
    value: bytes
    seconds: float


class FiringStore(Protocol):
    """Values by key, each changed by compare-and-set and kept for a time. Calls may block; any thread may call."""

    def read(self, keys: Sequence[str]) -> list[bytes]:
        """The value of each key, empty where there is none. Raises FiringsAway."""
        ...

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """Store each value whose key holds what was expected, or the value; returns which. Raises FiringsAway."""
        ...


class MemoryFiringStore:
    """`FiringStore` in this process, without times: for `noisegate intake explain` and for tests."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def read(self, keys: Sequence[str]) -> list[bytes]:
        """From the dictionary."""
        return [self.values.get(key, b"") for key in keys]

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """In the dictionary, one after the other."""
        stored = []
        for swap in swaps:
            stored.append(self.values.get(swap.key, b"") in (swap.expected, swap.value))
            if stored[-1]:
                self.values[swap.key] = swap.value
        return stored
