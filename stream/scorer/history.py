"""The history port: a partition's states and their offset, read at one moment and written behind a fence."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct, field

from stream.core import fold
from stream.core.dues import Due
from stream.lane.batch import Part

NO_META = b""


class Meta(Struct, array_like=True, frozen=True):
    """What a partition's history stands for. Its bytes are the fence: a write names the bytes it expects."""

    offset: int  # the next one to fold
    topic_id: str
    partitions: int  # of the topic; negative while the log is folded again from its start, see `refolding`
    problem: str
    fold_version: int
    generation: int
    time: float  # the partition's time, seconds since 1970
    held: int

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
    """What was there, in the order wanted; `meta` is empty where there is none."""

    meta: bytes
    levels: list[bytes | None]
    entries: list[bytes | None]


class Write(Struct):
    """One partition's states after a batch."""

    expected: bytes
    meta: bytes
    generation: int
    levels: dict[str, bytes] = field(default_factory=dict)
    entries: dict[fold.EntryKey, bytes] = field(default_factory=dict)
    gone: list[fold.EntryKey] = field(default_factory=list)
    due: list[Due] = field(default_factory=list)
    settled: list[fold.EntryKey] = field(default_factory=list)  # no longer due


class History(Protocol):
    """Where histories are kept. Every call raises `HistoryAway` when the keeper can't be reached in time."""

    def check(self, patient: bool = True) -> None:
        """Whether the keeper can be read and written; `HistoryRefused` says why not. Impatient: asked only once."""

    def read(self, wanted: Mapping[Part, Wanted]) -> dict[Part, Found]:
        """Read meta and states; those of one partition are of one moment."""

    def dues(self, part: Part, generation: int, start: float, count: int) -> tuple[list[Due], bool]:
        """The first dues at or after `start`, in order, and whether there are more.

        About `count` of them: those that tie with the last one are included.
        """

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        """Write each partition atomically if its meta is still as expected; False: nothing was written.

        A write that is found done already (its own meta stands there) counts as written: its answer was lost.
        """


encode_meta = msgspec.msgpack.Encoder().encode
_decode_meta = msgspec.msgpack.Decoder(Meta).decode


def decode_meta(meta: bytes) -> Meta | None:
    """The meta, or None where there is none."""
    return _decode_meta(meta) if meta else None
