"""One partition of a topic: its fold, where it stands, and what the next fenced write of it holds."""

from collections.abc import Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from stream.closer.fold import Fold, Notes, Outgoing
from stream.closer.outbox import Outbox, entry_name, pack_entry
from stream.closer.state import Claimed, StateMeta, StateWrite, encode_meta
from stream.core import limits
from stream.kafka.records import Part, Record


class Round(Struct):
    """What came of some records, or of a time: what leaves, what people are shown, and the write of it once frozen."""

    outgoing: Outgoing = field(default_factory=Outgoing)
    notes: Notes = field(default_factory=Notes)
    name: str | None = None  # of the entry of the outbox
    finished: list[str] = field(default_factory=list)  # entries that the write deletes
    write: StateWrite | None = None
    meta: StateMeta | None = None  # that the write leaves

    def add(self, came: tuple[Outgoing, Notes]) -> None:
        """Take in what a fold gave."""
        outgoing, notes = came
        self.outgoing.decisions += outgoing.decisions
        self.outgoing.acts += outgoing.acts
        self.outgoing.deeds += outgoing.deeds
        self.notes.results += notes.results
        self.notes.changes += notes.changes


class Partition:
    """A partition that this worker has claimed.

    Args:
        part: which.
        fold: its state.
        claimed: where it stands.
        outbox: of the worker.

    Attributes:
        clock: the broker's: the latest record timestamp, seconds since 1970.
    """

    def __init__(self, part: Part, fold: Fold, claimed: Claimed, outbox: Outbox) -> None:
        self.part, self.fold, self.clock = part, fold, claimed.meta.clock
        self._meta, self._stored, self._outbox = claimed.meta, claimed.stored, outbox
        self._missing = claimed.loaded.missing  # names of parts that are not there

    def take(self, records: Sequence[Record], now: float) -> Round:
        """Fold records, and do what is due by then; `now` is the wall clock, seconds since 1970.

        A record stamped later than now by more than the skew moves the clock no further than that: a producer's wrong
        clock would end every pause at once, and bring all that comes later out of its hours.
        """
        taken = Round()
        if records:
            stamps = [record.timestamp for record in records]
            taken.outgoing.since, latest = min(stamps) / 1000.0, max(stamps) / 1000.0
            self.clock = max(self.clock, min(latest, now + limits.SKEW_SECONDS))
        taken.add(self.fold.take(records, self.clock))
        taken.add(self.fold.wake(self.clock))
        return taken

    def wake(self, now: float) -> Round:
        """Do what is due at a time."""
        woken = Round()
        woken.add(self.fold.wake(now))
        return woken

    def freeze(self, taken: Round, end: int | None, now: float) -> bool:
        """Make the write of a round, to an offset or to where it stands; False where there is nothing to write."""
        parts = {**dict.fromkeys(self._missing), **self.fold.changed()}
        taken.finished = self._outbox.finished(self.part)
        parts.update(dict.fromkeys(taken.finished))
        meta = self._meta
        if taken.outgoing:
            taken.name = entry_name(meta.entry)
            parts[taken.name] = pack_entry(taken.outgoing, now)
            meta = replace(meta, entry=meta.entry + 1)
        if end is None and not parts and meta.whole:
            return False
        offset = meta.offset if end is None else end
        meta = replace(meta, offset=offset, clock=self.clock, writes=meta.writes + 1, whole=True)
        taken.write = StateWrite(self._stored, encode_meta(meta), parts)
        self._meta, self._stored, self._missing = meta, taken.write.meta, []
        taken.meta = meta
        return True
