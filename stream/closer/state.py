"""The closer's state in Redis: named parts of each partition and a meta, written behind the partition's fence."""

from collections.abc import Collection, Iterable, Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stream.core.errors import HistoryAway, HistoryRefused
from stream.kafka.records import Part
from stream.lane.fence import NO_META, Fence, FencedRead, FencedWrite, Puts, ServerStatus, WriteResult
from stream.redis_keys import CLOSER_META, CLOSER_NAMES, CLOSER_STATE, RedisKey

VERSION = 1  # of the parts: state of another version is refused
_NAMES_AT_ONCE = 1_000
_TRIES = 20  # claims that others are ahead of
_MEND = "end all closers, and give the deployment the closer that wrote it"


class StateMeta(Struct, array_like=True, frozen=True):
    """What a partition's state stands for. Its bytes are the fence, so no two writes may leave the same.

    Attributes:
        version: of the parts.
        topic_id: of the topic that it was folded from.
        offset: of the next record.
        clock: the broker's: the latest record timestamp, seconds since 1970.
        entry: the number of the next entry of the outbox.
        writes: counts the writes.
        worker: who wrote; another text at each assignment.
        whole: False from when a state was lost, or replaced by an older one, until what can be rebuilt is.
    """

    version: int
    topic_id: str
    offset: int
    clock: float
    entry: int
    writes: int
    worker: str
    whole: bool = True


class StateWrite(Struct, frozen=True):
    """One partition's write: the meta that must stand there, the one to leave, and the parts that changed."""

    expected: bytes
    meta: bytes
    parts: Mapping[str, bytes | None]


class LoadedState(Struct, frozen=True):
    """All parts of a partition; `missing` are named and not there, as after an eviction."""

    parts: dict[str, bytes]
    missing: list[str]


class StateStore:
    """Reads and writes the states of a deployment. Every call raises `HistoryAway` while Redis can't be used.

    Args:
        fence: where they are kept.
        deployment: begins every key.
    """

    def __init__(self, fence: Fence, deployment: str) -> None:
        self._fence = fence
        self._deployment = deployment

    def status(self, patient: bool = True) -> ServerStatus:
        """As the fence reports it."""
        return self._fence.status(patient)

    def metas(self, parts: Collection[Part]) -> dict[Part, bytes]:
        """The metas of partitions, NO_META where there is none."""
        return dict(zip(parts, self._fence.read_metas([self._key(CLOSER_META, part) for part in parts]), strict=True))

    def write(self, writes: Mapping[Part, StateWrite]) -> dict[Part, bool]:
        """Write each partition atomically if its meta is still as expected; False: nothing was written."""
        if not writes:
            return {}
        results = self._fence.write([self._fenced(part, write) for part, write in writes.items()])
        for part, result in zip(writes, results, strict=True):
            if result is WriteResult.WRONG_TYPE:
                raise HistoryRefused(f"a key of the closer's state of {part} holds something else", "see who wrote it")
        return {part: result is WriteResult.WRITTEN for part, result in zip(writes, results, strict=True)}

    def load(self, part: Part) -> LoadedState:
        """All parts of a partition; whole where nobody writes meanwhile, as after a write of one's own."""
        names = self._names(part)
        values = self._values(part, names)
        found = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        return LoadedState(found, [name for name in names if name not in found])

    def peek(self, parts: Iterable[Part], prefix: str) -> dict[Part, dict[str, bytes]]:
        """The parts of other workers' partitions whose names begin with `prefix`, as they stand."""
        found = {}
        for part in parts:
            names = [name for name in self._names(part) if name.startswith(prefix)]
            values = zip(names, self._values(part, names), strict=True)
            found[part] = {name: value for name, value in values if value is not None}
        return found

    def _names(self, part: Part) -> list[str]:
        timers, _ = self._fence.timers(self._key(CLOSER_NAMES, part), 0.0, _NAMES_AT_ONCE)
        return [name for _, name in timers]

    def _values(self, part: Part, names: list[str]) -> list[bytes | None]:
        values: list[bytes | None] = []
        meta, prefix = self._key(CLOSER_META, part), self._prefix(part)
        for start in range(0, len(names), _NAMES_AT_ONCE):
            keys = [prefix + name for name in names[start : start + _NAMES_AT_ONCE]]
            values += self._fence.read([FencedRead(meta, keys)])[0].values
        return values

    def _fenced(self, part: Part, write: StateWrite) -> FencedWrite:
        prefix = self._prefix(part)
        puts = {name: value for name, value in write.parts.items() if value is not None}
        gone = [name for name, value in write.parts.items() if value is None]
        return FencedWrite(
            self._key(CLOSER_META, part),
            write.expected,
            write.meta,
            [Puts({prefix + name: value for name, value in puts.items()})] if puts else [],
            [prefix + name for name in gone],
            self._key(CLOSER_NAMES, part),
            [(0.0, name) for name in puts],
            gone,
        )

    def _prefix(self, part: Part) -> str:
        return CLOSER_STATE.prefix(deployment=self._deployment, topic=part.topic, partition=part.partition)

    def _key(self, key: RedisKey, part: Part) -> str:
        return key.name(deployment=self._deployment, topic=part.topic, partition=part.partition)


_decode_meta = msgspec.msgpack.Decoder(StateMeta).decode
encode_meta = msgspec.msgpack.Encoder().encode


def decode_meta(part: Part, stored: bytes) -> StateMeta | None:
    """A partition's meta; None where there is none.

    Raises:
        HistoryRefused: it can't be read, or is of another version.
    """
    if stored == NO_META:
        return None
    try:
        version = msgspec.msgpack.decode(stored)[0]
        if version == VERSION:
            return _decode_meta(stored)
    except (msgspec.MsgspecError, ValueError, TypeError, IndexError, KeyError):
        raise HistoryRefused(f"the closer's state of {part} can't be read", _MEND) from None
    raise HistoryRefused(f"the closer's state of {part} is of version {version}, this closer writes {VERSION}", _MEND)


class Claimed(Struct, frozen=True):
    """A partition whose state only this worker can write from now on; `stored` are the bytes of its meta."""

    meta: StateMeta
    stored: bytes
    loaded: LoadedState

    @property
    def lost(self) -> bool:
        """Whether its state, or part of it, is gone or older than what was written."""
        return not self.meta.whole or bool(self.loaded.missing)


def claim(
    store: StateStore, fresh: Mapping[Part, StateMeta], worker: str, written: Mapping[Part, StateMeta] | None = None
) -> dict[Part, Claimed]:
    """Claim partitions by a write of one's own, then load them: who had them before can't write any more.

    Args:
        store: where they are.
        fresh: what each begins with where there is no state.
        worker: a text that nobody else uses.
        written: the metas that this process wrote last.

    Raises:
        HistoryAway: Redis can't be used, or other workers go on writing.
        HistoryRefused: what stands there can't be used.
    """
    metas: dict[Part, tuple[StateMeta, bytes]] = {}
    waiting = list(fresh)
    for _ in range(_TRIES):
        writes = {}
        for part, stored in store.metas(waiting).items():
            found, begun = decode_meta(part, stored), fresh[part]
            base = begun if found is None else found
            if base.topic_id != begun.topic_id:  # the topic was made anew: its offsets mean nothing
                base = replace(base, topic_id=begun.topic_id, offset=begun.offset)
            base = _behind(base, begun, (written or {}).get(part))
            meta = replace(base, writes=base.writes + 1, worker=worker)
            writes[part] = StateWrite(stored, encode_meta(meta), {})
            metas[part] = meta, writes[part].meta
        done = store.write(writes)
        waiting = [part for part, written in done.items() if not written]
        if not waiting:
            break
    else:
        raise HistoryAway("other closers keep writing the state of our partitions", "see whether two share the name")
    return {part: Claimed(meta, stored, store.load(part)) for part, (meta, stored) in metas.items()}


def _behind(base: StateMeta, begun: StateMeta, written: StateMeta | None) -> StateMeta:
    """A meta, noted as not whole where Redis has an older state than it had, as after a failover or from a snapshot.

    It is behind what this process wrote, or behind the group's offset, which is committed after the write. Entries of
    the state that is gone may be under way, so numbers go on after all of them.
    """
    last = base if written is None else written
    if base.writes >= last.writes and (begun.whole or base.offset >= begun.offset):
        return base
    return replace(base, entry=max(base.entry, begun.entry, last.entry), whole=False)
