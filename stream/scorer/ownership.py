"""Who owns the histories of a deployment, whether they can be used, and the first meta of a new one.

Everything is decided and written before the first record is read: from then on a restart goes on where this one began.
"""

import logging
from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from stream.config import Settings
from stream.core import fold
from stream.core.errors import Fault, HistoryAway, HistoryDamaged, HistoryRefused
from stream.core.problem import Problem
from stream.kafka.records import Part
from stream.lane.batch import Bounds
from stream.lane.fence import NO_META, ServerStatus
from stream.lane.topic_identity import REBUILD, grown
from stream.scorer.history import (
    History,
    Meta,
    Write,
    decode_meta,
    encode_meta,
    read_meta_or_none,
)
from stream.scorer.identity import Identity, conflict, of_another_cluster
from stream.scorer.partition import new_meta

log = logging.getLogger(__name__)
_TRIES = 20  # writes of first metas that others are ahead of


class OwnedHistory(Struct):
    """An acquired history: its meta, and the bytes that the next write has to find."""

    meta: Meta
    stored: bytes


class Ownership:
    """Acquires partitions' histories, and remembers over rebalances what must not be forgotten.

    Args:
        settings: the deployment's name, and where a new one starts.
        problem: what the histories must have been folded for.
        history: where they are kept.
        check_refold: raises HistoryRefused where the log can't be folded again partition by partition; asked where
            histories were lost.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        history: History,
        check_refold: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._problem = problem
        self._history = history
        self._check_refold = check_refold
        self._starts: dict[Part, int] = {}  # where partitions without a history began while Redis was away
        self._damaged: dict[tuple[Part, int], str] = {}  # what is wrong and does not stand in their metas yet

    def note_damage(self, part: Part, generation: int, sentence: str) -> None:
        """Remember that a history is wrong; it is written into its meta when it is acquired next."""
        self._damaged.setdefault((part, generation), sentence)

    def start_unknown(self, part: Part, known: Bounds) -> int:
        """Where to go on while nothing is known of a history; a start at the log's end is remembered."""
        if known.committed is not None:
            return known.committed
        return self._first_offset(part, known)

    def acquire(self, bounds: Mapping[Part, Bounds], status: ServerStatus) -> dict[Part, OwnedHistory]:
        """Acquire these partitions' histories, with a new one where there is none.

        Raises:
            HistoryRefused: they are of something else, in one sentence with the mend; nothing was written.
            HistoryAway: they can't be reached.
        """
        self._refuse_grown(bounds)
        owned = self._read(bounds)
        lost = [part for part, one in owned.items() if one is None]
        if any(bounds[part].committed is not None or bounds[part].group_committed for part in lost):
            self._check_refold()
        self._claim(bounds)
        waiting = set(owned)
        for _ in range(_TRIES):
            writes = self._writes(bounds, status, {part: owned[part] for part in waiting})
            if not writes:
                return {part: one for part, one in owned.items() if one is not None}
            done = self._history.write(writes)
            waiting = {part for part, written in done.items() if not written}
            for part in done.keys() - waiting:
                meta = decode_meta(writes[part].meta)
                assert meta is not None
                owned[part] = OwnedHistory(meta, writes[part].meta)
                self._starts.pop(part, None)
            if waiting:
                owned |= self._read({part: bounds[part] for part in waiting})
        raise HistoryAway(
            "other workers keep writing the histories of our partitions", "see whether two deployments share the name"
        )

    def _refuse_grown(self, bounds: Mapping[Part, Bounds]) -> None:
        """A worker that has only partitions which were added has no history to hold against: others' metas tell."""
        known = next(iter(bounds.values()))
        topic = next(iter(bounds)).topic
        others = [Part(topic, number) for number in range(known.partitions)]
        for stored in self._history.read_metas(others).values():
            meta = read_meta_or_none(stored)
            if meta is not None and meta.topic_id == known.topic_id and meta.layout != known.partitions:
                raise HistoryRefused(f"{grown(topic, meta.layout, known.partitions)}", REBUILD)

    def _read(self, bounds: Mapping[Part, Bounds]) -> dict[Part, OwnedHistory | None]:
        """The histories that there are, each held against what is to be folded on."""
        holder = self._history.holder()
        for part, known in bounds.items():
            if holder is not None and (fault := conflict(holder, self._identity(part, known), self._deployment)):
                raise HistoryRefused(*fault)
        owned: dict[Part, OwnedHistory | None] = {}
        for part, stored in self._history.read_metas(bounds).items():
            try:
                meta = decode_meta(stored)
            except HistoryRefused:
                raise HistoryDamaged(*part, "the key of its history's meta holds something else") from None
            if meta is not None:
                check_compatible(part, bounds[part], meta, self._problem)
            owned[part] = None if meta is None else OwnedHistory(meta, stored)
        return owned

    def _claim(self, bounds: Mapping[Part, Bounds]) -> None:
        for part, known in bounds.items():  # one topic, so one identity
            mine = self._identity(part, known)
            if fault := conflict(self._history.claim(mine), mine, self._deployment):
                raise HistoryRefused(*fault)
            return

    def _writes(
        self, bounds: Mapping[Part, Bounds], status: ServerStatus, owned: Mapping[Part, OwnedHistory | None]
    ) -> dict[Part, Write]:
        """What is to be written of metas that begin or that say more than before."""
        writes = {}
        for part, one in owned.items():
            meta = self._begin(part, bounds[part], status) if one is None else self._with_faults(part, one.meta, status)
            if one is None or meta != one.meta:
                stored = NO_META if one is None else one.stored
                writes[part] = Write(stored, encode_meta(meta), meta.generation)
        return writes

    def _begin(self, part: Part, known: Bounds, status: ServerStatus) -> Meta:
        start = known.begin
        if known.committed is None:
            start = self._first_offset(part, known)
        else:
            log.warning("%s/%d: no history in Redis; the log is folded again from offset %d", *part, start)
        return new_meta(known, start, self._problem, evictions=status.evictions)

    def _first_offset(self, part: Part, known: Bounds) -> int:
        """Where a partition begins that has neither history nor a committed offset."""
        if self._settings.lane.start_from != "latest" or known.end is None:
            return known.begin
        return min(self._starts.setdefault(part, known.end), known.end)

    def _with_faults(self, part: Part, meta: Meta, status: ServerStatus) -> Meta:
        """The meta, with what is known to be wrong with its history."""
        if not meta.evictions:  # written before metas kept it
            meta = replace(meta, evictions=status.evictions)
        evicted = status.evicted_since(meta.evictions)
        if not meta.suspect and (sentence := self._damaged.get((part, meta.generation))):
            return replace(meta, suspect=sentence)
        if not meta.suspect and evicted:
            return replace(meta, suspect=evicted_sentence(evicted))
        return meta

    def _identity(self, part: Part, known: Bounds) -> Identity:
        return Identity(known.cluster_id, part.topic, known.topic_id, self._problem.digest)

    @property
    def _deployment(self) -> str:
        return self._settings.deployment


def refuse_another_cluster(history: History, mine: Identity, deployment: str) -> None:
    """Refuse to rebuild histories that are of another Kafka cluster.

    Raises:
        HistoryRefused: they are.
    """
    try:
        holder = history.holder()
    except HistoryRefused:  # what stands there can't be read, so a rebuild is its mend
        return
    if holder is not None and (fault := of_another_cluster(holder, mine, deployment)):
        raise HistoryRefused(*fault)


def evicted_sentence(keys: int) -> str:
    """Why a history can't be trusted any more, with the mend."""
    return str(evicted_fault(keys))


def evicted_fault(keys: int) -> Fault:
    """Why a history can't be trusted after this many keys were evicted."""
    return Fault(
        f"Redis evicted {keys:,} keys, so history may be missing",
        "set maxmemory-policy to noeviction and run `noisegate history rebuild`",
    )


def check_compatible(part: Part, known: Bounds, meta: Meta, problem: Problem) -> None:
    """Hold a history against the topic, the problem and the code of now.

    Raises:
        HistoryRefused: it was folded from or for something else.
    """
    name = f"{part.topic}/{part.partition}"
    fault = None
    if meta.topic_id != known.topic_id or (known.end is not None and meta.offset > known.end):
        fault = f"the topic of {name} was recreated since its history was written"
    elif meta.layout != known.partitions:
        fault = grown(part.topic, meta.layout, known.partitions)
    elif meta.problem != problem.digest:
        fault = f"the history of {name} was folded for another problem definition than {problem.id}"
    elif meta.fold_version != fold.VERSION:
        fault = f"the history of {name} was folded by version {meta.fold_version}, this code has {fold.VERSION}"
    elif meta.offset < known.begin:
        fault = f"{name} begins at offset {known.begin}, but its history continues at {meta.offset}: records are gone"
    if fault:
        raise HistoryRefused(fault, REBUILD)
