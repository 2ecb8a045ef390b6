"""The outbox: what left a round and is not published and done everywhere yet, kept with the state until it is."""

import time
from collections.abc import Callable, Collection, Mapping
from threading import Lock
from typing import Protocol

import msgspec
from msgspec import Struct

from stream.closer.fold import Outgoing
from stream.kafka.records import Part

PREFIX = "out:"
Done = Callable[[Part, str], None]


class Dispatcher(Protocol):
    """Who publishes and does; `stream.closer.dispatch.Dispatcher` is one. Calls come from any thread and don't block.

    It calls `Outbox.done` once everything of an entry is published and done, or given up for good.
    """

    def submit(self, part: Part, name: str, outgoing: Outgoing) -> None:
        """Begin an entry; those of a partition are published in the order of the calls."""

    def drop(self, parts: Collection[Part]) -> None:
        """Stop working on what these partitions submitted: another worker does it."""


class OutboxEntry(Struct, array_like=True, frozen=True):
    """An entry as it is kept: since when, seconds since 1970, and what leaves."""

    at: float
    outgoing: Outgoing


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(OutboxEntry).decode


def entry_name(number: int) -> str:
    """The name of an entry's part; names are in the order of their numbers."""
    return f"{PREFIX}{number:016x}"


def pack_entry(outgoing: Outgoing, at: float) -> bytes:
    """An entry as a part of the state."""
    return _encode(OutboxEntry(at, outgoing))


class Outbox:
    """The entries of this worker's partitions. Calls come from any thread.

    An entry is submitted once its part is written, and its part is deleted by the first write after it is done. So it
    is submitted again after a crash, under the same name and as it was.

    Attributes:
        dispatcher: set before the first entry comes.
    """

    dispatcher: Dispatcher

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._waiting: dict[Part, dict[str, float]] = {}  # since when
        self._done: dict[Part, set[str]] = {}

    def resume(self, part: Part, entries: Mapping[str, bytes]) -> None:
        """Take over a partition with the entries that its state holds; those that are under way already go on."""
        found = {name: _decode(packed) for name, packed in sorted(entries.items())}
        with self._lock:
            under_way = self._waiting.get(part, {})
            done = self._done.get(part, set())
            self._waiting[part] = {name: entry.at for name, entry in found.items() if name not in done}
            self._done[part] = done & found.keys()
        for name, entry in found.items():
            if name not in under_way and name not in done:
                self.dispatcher.submit(part, name, entry.outgoing)

    def submit(self, part: Part, name: str, outgoing: Outgoing) -> None:
        """Begin an entry whose part is written."""
        with self._lock:
            self._waiting.setdefault(part, {})[name] = self._clock()
        self.dispatcher.submit(part, name, outgoing)

    def done(self, part: Part, name: str) -> None:
        """Note that all of an entry is published and done."""
        with self._lock:
            if self._waiting.get(part, {}).pop(name, None) is not None:
                self._done.setdefault(part, set()).add(name)

    def finished(self, part: Part) -> list[str]:
        """The entries whose parts can be deleted."""
        with self._lock:
            return sorted(self._done.get(part, ()))

    def forget(self, part: Part, names: Collection[str]) -> None:
        """Forget entries whose parts are deleted."""
        with self._lock:
            self._done.get(part, set()).difference_update(names)

    def keep_only(self, assigned: Collection[Part]) -> None:
        """Leave the entries of all other partitions to who has them now."""
        with self._lock:
            gone = [part for part in (*self._waiting, *self._done) if part not in assigned]
            for part in gone:
                self._waiting.pop(part, None)
                self._done.pop(part, None)
        if gone:
            self.dispatcher.drop(set(gone))

    def measure(self) -> tuple[int, float]:
        """How many entries are not done, and the age of the oldest in seconds; 0 where there is none."""
        with self._lock:
            since = [at for entries in self._waiting.values() for at in entries.values()]
        return len(since), max(0.0, self._clock() - min(since)) if since else 0.0
