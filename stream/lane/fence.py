"""The fence port: state that a room keeps outside its process, written only by whoever knows what stands there.

One key holds the *meta*, bytes that say what the state stands for, such as the offset that it was folded to. A write
names the meta that it expects, and the one that it leaves: where another one stands, another worker got there first and
nothing is written. So state and offset move together, and a worker that lost its partition can't write any more.

The fence knows keys and bytes; what they mean is the room's. `RedisFence` implements it.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Protocol

from msgspec import Struct

NO_META = b""
NO_EVICTION = "noeviction"

Timer = tuple[float, str]
"""A member of a sorted set of timers: when it is due, seconds since 1970, and its name."""


class ServerStatus(Struct, frozen=True):
    """The server's report of itself.

    Attributes:
        run_id: another one after each start of the server.
        evicted_keys: how many keys it has thrown away since it started, or since its statistics were reset.
        policy: what it does when its memory is full; anything but NO_EVICTION throws state away.
        clock: its wall clock, seconds since 1970; None where it was not asked.
    """

    run_id: str = ""
    evicted_keys: int = 0
    policy: str = NO_EVICTION
    clock: float | None = None

    @property
    def evictions(self) -> str:
        """Run and count, as a meta keeps them."""
        return f"{self.run_id}/{self.evicted_keys}"

    def evicted_since(self, evictions: str) -> int:
        """How many keys were evicted since a server, this one or the one before it, was at `evictions`."""
        run_id, _, count = evictions.rpartition("/")
        if not count.isdigit():
            return 0
        same = run_id == self.run_id and self.evicted_keys >= int(count)
        return self.evicted_keys - int(count) if same else self.evicted_keys  # a new run counts from zero, as a reset


class FencedRead(Struct, frozen=True):
    """The key of a meta, and the keys to read with it."""

    meta_key: str
    keys: Sequence[str] = ()


class FencedValues(Struct, frozen=True):
    """What stood under the keys of a `FencedRead`, in their order; `meta` is NO_META where there is none."""

    meta: bytes
    values: list[bytes | None]


class Puts(Struct, frozen=True):
    """Values to write, by key, that the server drops after `ttl_seconds`; None: never."""

    values: Mapping[str, bytes]
    ttl_seconds: int | None = None


class FencedWrite(Struct, frozen=True):
    """One atomic write behind one fence. All of its keys share one hash tag.

    Attributes:
        meta_key: the key that fences.
        expected: the meta that must stand there; NO_META: none.
        meta: the meta to leave.
        puts: values to write.
        deletes: keys to delete.
        timers_key: the sorted set of the timers, if any are set or removed.
        timers: timers to set; one of the same name moves.
        removed_timers: names of timers to remove, after the others were set.
        meta_ttl_seconds: after how long the server drops the meta; None: never.
    """

    meta_key: str
    expected: bytes
    meta: bytes
    puts: Sequence[Puts] = ()
    deletes: Sequence[str] = ()
    timers_key: str = ""
    timers: Sequence[Timer] = ()
    removed_timers: Sequence[str] = ()
    meta_ttl_seconds: int | None = None


class WriteResult(IntEnum):
    """What came of a fenced write."""

    WRITTEN = 1
    """Also where it was found done already, its own meta standing there: only its answer was lost."""
    CONFLICT = 0
    """Another meta stands there; nothing was written."""
    WRONG_TYPE = -1
    """One of the keys holds another type; values may be half written, the meta is not."""


class Fence(Protocol):
    """State in a server, fenced.

    Calls may come from any thread, also two at a time: a room reads while its last write is under way. None may wait
    longer than the time limit that the implementation was made with. A call that raised may have been carried out; all
    of them may be made again.

    Every call raises `HistoryAway` when the server can't be used in time, `HistoryDenied` when it refuses us, and
    `HistoryRefused` when it is no server that we can use.
    """

    def status(self, patient: bool = True) -> ServerStatus:
        """The server's report, once it could be written. Impatient: tried only once."""

    def read(self, wanted: Sequence[FencedRead]) -> list[FencedValues]:
        """Metas and values, those of one `FencedRead` of one moment. A key of another type counts as absent."""

    def read_metas(self, keys: Sequence[str]) -> list[bytes]:
        """The metas alone, NO_META where there is none; raises `WrongType` where a key is of another type."""

    def write(self, writes: Sequence[FencedWrite]) -> list[WriteResult]:
        """Do each write atomically if its meta is still as expected, or not at all."""

    def timers(self, key: str, start: float, count: int) -> tuple[list[Timer], bool]:
        """The first timers due at or after `start`, in order, and whether there are more.

        About `count` of them: those that tie with the last one are included. Raises `WrongType`.
        """

    def switch(self, key: str, expected: bytes, source: str) -> bool:
        """Put the meta under `source` in the place of the one under `key`, if that is still as expected.

        A key of another type than a string counts as NO_META, as it does for `read`.
        """

    def get(self, key: str) -> bytes | None:
        """A value that no fence guards; raises `WrongType`."""

    def claim(self, key: str, value: bytes) -> bytes:
        """Write a value unless there is one; returns the one that stands there then. Raises `WrongType`."""

    def put(self, key: str, value: bytes) -> None:
        """Write a value, whatever stood there."""

    def delete(self, key: str) -> int:
        """Delete a key of whatever type; returns how many went, 0 or 1."""

    def delete_where(self, prefix: str, chosen: Callable[[str], bool] = lambda key: True) -> int:
        """Delete the keys that begin with `prefix` and are chosen; returns how many went.

        Keys that are written meanwhile may stay.
        """

    def find(self, prefix: str, infix: str, seconds: float) -> list[str]:
        """The keys that begin with `prefix` and hold `infix` after it, as many as are found in time, in no order."""
