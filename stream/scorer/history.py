"""The history port: a partition's states and their offset, read at one moment and written behind a fence."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct, field

from stream.core import fold
from stream.core.errors import HistoryRefused
from stream.core.timers import QueuedTimer
from stream.kafka.records import Part
from stream.lane.fence import ServerStatus
from stream.scorer.identity import Identity


class Meta(Struct, array_like=True, frozen=True):
    """What a partition's history stands for. Its bytes are the fence: a write names the bytes it expects.

    A history that is `suspect` is known to be wrong: nothing is scored by it until a rebuild has taken its place.
    """

    offset: int  # the next one to fold
    topic_id: str
    partitions: int  # of the topic; negative while the log is folded again from its start, see `refolding`
    problem: str
    fold_version: int
    generation: int
    time: float  # the partition's time, seconds since 1970
    held: int
    evictions: str = ""  # of the server when the history began, see `ServerStatus`; empty in metas of before
    suspect: str = ""  # the sentence that says why it is

    @property
    def layout(self) -> int:
        """The topic's partition count when this was written."""
        return abs(self.partitions)

    @property
    def refolding(self) -> bool:
        """Whether this history began anew while records of the partition had been published before, and is behind
        them: then nobody knows yet that the topic had as many partitions when those records were written."""
        return self.partitions < 0


class Wanted(Struct, frozen=True):
    """Keys to read of one partition and generation."""

    generation: int
    levels: Sequence[str] = ()
    entries: Sequence[fold.EntryKey] = ()


class Found(Struct, frozen=True):
    """What was there, in the order wanted; `meta` is NO_META where there is none."""

    meta: bytes
    levels: list[bytes | None]
    entries: list[bytes | None]


class Write(Struct):
    """One partition's states after a batch.

    Attributes:
        expected: the meta that must stand there; NO_META: none.
        meta: the meta to leave.
        generation: whose states these are.
        levels: states to write.
        entries: ledger entries to write.
        removed_entries: ledger entries to delete.
        timers: timers to set; one of the same team and alert moves.
        removed_timers: timers to remove.
    """

    expected: bytes
    meta: bytes
    generation: int
    levels: dict[str, bytes] = field(default_factory=dict)
    entries: dict[fold.EntryKey, bytes] = field(default_factory=dict)
    removed_entries: list[fold.EntryKey] = field(default_factory=list)
    timers: list[QueuedTimer] = field(default_factory=list)
    removed_timers: list[fold.EntryKey] = field(default_factory=list)


class History(Protocol):
    """Where histories are kept; `RedisHistory` is one, and tests have one in memory.

    At an assignment come `status`, `read_metas`, `holder` and `claim`, and a `write` of what begins. Each round makes
    one or two calls of `read`, some of `timers` where the window in memory ends, and one of `write`. In quiet times
    come `timers` and `status`, while the history is away or wrong `status` or `read_metas` twice a second. `check` and
    `replace` are for a rebuild, at its beginning and its end.

    All calls come from the lane's thread but `write`, which comes from the commit thread beside the next round's
    `read` and `timers`; at an assignment it comes from the lane's thread, with nothing beside it. No call may wait
    longer than `history_timeout_seconds`, keep what it is given, decide by the clock or by TTLs, or write anything that
    it was not asked to. A call that raised may have been carried out: it is made again, or everything is assigned anew.

    Every call raises `HistoryAway` when the server can't be used in time, `HistoryDenied` when it refuses us, and
    `HistoryDamaged` when what it holds is no history.
    """

    def check(self, patient: bool = True) -> None:
        """Read and write once; `HistoryRefused` where the server would evict history. Impatient: tried only once."""

    def status(self, patient: bool = True) -> ServerStatus:
        """The server's report of itself, once it could be written. Impatient: tried only once."""

    def holder(self) -> Identity | None:
        """Whose histories these are, or None where nobody has claimed them."""

    def claim(self, identity: Identity) -> Identity:
        """Claim the histories for `identity` unless somebody has; returns who holds them then."""

    def replace(self, identity: Identity) -> None:
        """Give the histories to `identity`, whoever held them."""

    def read_metas(self, parts: Iterable[Part]) -> dict[Part, bytes]:
        """Each partition's meta, NO_META where there is none; `HistoryDamaged` where a key is of another type."""

    def read(self, wanted: Mapping[Part, Wanted]) -> dict[Part, Found]:
        """Metas and states, those of one partition of one moment. A key of another type counts as absent."""

    def timers(self, part: Part, generation: int, start: float, count: int) -> tuple[list[QueuedTimer], bool]:
        """The first timers due at or after `start`, in order, and whether there are more.

        About `count` of them: those that tie with the last one are included, so that a window can end after it.
        """

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        """Write each partition atomically if its meta is still as expected; False: nothing was written.

        A write that is found done already (its own meta stands there) counts as written: its answer was lost.
        """


encode_meta = msgspec.msgpack.Encoder().encode
_decode_meta = msgspec.msgpack.Decoder(Meta).decode


def decode_meta(meta: bytes) -> Meta | None:
    """The meta, or None where there is none.

    Raises:
        HistoryRefused: there is something else.
    """
    try:
        return _decode_meta(meta) if meta else None
    except (msgspec.MsgspecError, ValueError):  # also text that is no UTF-8
        raise HistoryRefused(
            "the key of a history's meta holds something else", "run `noisegate history rebuild`"
        ) from None


def read_meta_or_none(meta: bytes) -> Meta | None:
    """The meta, or None where there is none that can be read."""
    try:
        return decode_meta(meta)
    except HistoryRefused:
        return None
