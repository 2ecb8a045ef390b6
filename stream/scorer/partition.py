"""One assigned partition: its fold, the states it has read, and what the next batch needs beside them."""

import math
import random
from collections.abc import Mapping, MutableMapping, Sequence

import msgspec
from msgspec import Struct, field

from stream.core import fold, state
from stream.core.errors import HistoryDamaged
from stream.core.events import Acted, Raised, Tick
from stream.core.fold import EntryKey
from stream.core.ledger import OPEN, Alert, Entry, Timer, pack_entry, unpack_entry
from stream.core.problem import Problem
from stream.core.timers import QueuedTimer, TimerQueue
from stream.kafka.records import Part
from stream.lane.batch import Bounds
from stream.scorer.decode import Decoded
from stream.scorer.history import NO_META, Found, Meta, Wanted, Write, encode_meta
from stream.scorer.metrics.maturity import verdicts_of
from stream.scorer.score import score_fields

TIMERS_WINDOW = 2_500


def new_generation() -> int:
    """A generation that no history before can have had: states that outlived their meta are never folded on."""
    return random.randrange(2, 10_000_001)


def new_meta(
    known: Bounds, start: int, problem: Problem, generation: int | None = None, *, evictions: str = ""
) -> Meta:
    """The meta of a history that begins at offset `start`, in a new generation unless one is given.

    `evictions` is what the server has evicted by now, as `ServerStatus.evictions` gives it.
    """
    generation = new_generation() if generation is None else generation
    refolding = known.committed is not None and start < known.committed
    return Meta(
        start,
        known.topic_id,
        -known.partitions if refolding else known.partitions,
        problem.digest,
        fold.VERSION,
        generation,
        state.NEVER,
        0,
        evictions,
    )


def _readable(entry: Entry) -> Entry:
    """The entry, once what is opaque to the fold was looked at."""
    if type(entry) is Alert:
        score_fields(entry.score)
    elif type(entry) is Timer:
        verdicts_of(entry)
    return entry


class Touched(Struct):
    """The keys that a batch may change."""

    levels: set[str] = field(default_factory=set)
    entries: set[EntryKey] = field(default_factory=set)


class Partition:
    """The states of one partition that this worker knows, all as of `meta` plus what it has folded since.

    They are right as long as nobody else writes, which every read checks by `stored`: the meta we last wrote or found.
    States are cached in two generations; `rotate` lets go of those that were not asked for lately. `unwritten` is the
    batch that is published and not yet written.
    """

    def __init__(self, part: Part, problem: Problem, meta: Meta, stored: bytes, silent_until: int) -> None:
        self.part = part
        self.meta = meta
        self.stored = stored
        self.silent_until = silent_until  # records before it were published before: fold them, publish nothing
        self.silent_time = state.NEVER  # event time after them
        self.fold = fold.Fold(problem)
        self.fold.time = meta.time
        self.fold.held = meta.held
        if stored != NO_META:
            self.fold.timers = TimerQueue(until=-math.inf)  # nothing of the window is read yet
        self.unwritten: Write | None = None
        self._decisive = problem.deciding_kinds
        self._old_levels: MutableMapping[str, state.State] = {}
        self._old_entries: MutableMapping[EntryKey, Entry] = {}
        self._absent_levels: set[str] = set()
        self._absent_entries: set[EntryKey] = set()

    def entries_for(self, decoded: Decoded) -> list[EntryKey]:
        """The ledger entries that a batch needs and that are not in memory."""
        keys = {(event.team, event.alert_id) for event, _, _ in decoded.events if not isinstance(event, Tick)}
        keys.update((due[1], due[2]) for due in self._due(decoded))
        return [key for key in keys if not self._recall_entry(key)]

    def levels_for(self, decoded: Decoded, touched: Touched) -> list[str]:
        """The levels that a batch needs and that are not in memory; to be asked once its entries are known."""
        keys_of, ledger = self.fold.keys_of, self.fold.ledger
        names = self.fold.label_names
        for event, _, _ in decoded.events:
            if type(event) is Raised:
                entry = (event.team, event.alert_id)
                touched.entries.add(entry)
                values = tuple([event.labels.get(name) for name in names]) if names else ()
                touched.levels.update(keys_of(event.team, event.rule, event.entity, values))
            elif type(event) is Acted:
                entry = (event.team, event.alert_id)
                touched.entries.add(entry)
                if event.kind in self._decisive:
                    self._touch_alert(entry, ledger.get(entry), touched.levels)
        for _, team, alert_id in self._due(decoded):
            entry = (team, alert_id)
            touched.entries.add(entry)
            self._touch_alert(entry, ledger.get(entry), touched.levels)
        touched.levels.discard("")
        return [key for key in touched.levels if not self._recall_level(key)]

    def levels_of_entries(self, keys: Sequence[EntryKey], touched: Touched) -> list[str]:
        """The levels, not in memory, of alerts that were only found in what was read."""
        levels: set[str] = set()
        for key in keys:
            entry = self.fold.ledger.get(key)
            if entry is not None:
                self._touch_alert(key, entry, levels)
        touched.levels |= levels
        return [key for key in levels if key and not self._recall_level(key)]

    def learn(self, wanted: Wanted, found: Found) -> None:
        """Take in what was read.

        Raises:
            HistoryDamaged: a state or an entry can't be read.
            HistoryRefused: a newer noisegate has written it.
        """
        try:
            self._learn(wanted, found)
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError):
            what = "its history holds a state or an entry that can't be read"
            raise HistoryDamaged(*self.part, what) from None

    def _learn(self, wanted: Wanted, found: Found) -> None:
        for key, packed in zip(wanted.levels, found.levels, strict=True):
            if packed is not None:
                self.fold.levels[key] = state.unpack_state(packed)
            else:
                self._absent_levels.add(key)
        for entry, packed in zip(wanted.entries, found.entries, strict=True):
            if packed is not None:
                self.fold.ledger[entry] = _readable(unpack_entry(packed))
            else:
                self._absent_entries.add(entry)

    def run(self, decoded: Decoded) -> int:
        """Fold the batch. Returns how many of `fold.effects` are from records to be folded silently."""
        step, silent_until = self.fold.step, self.silent_until
        silent = 0
        if decoded.timers is not None:
            self.fold.fire(decoded.latest, decoded.timers, decoded.fired_by)
            if decoded.fired_by < silent_until:
                silent, self.silent_time = len(self.fold.effects), self.fold.time
        for event, at, record in decoded.events:
            step(event, at, record.value or b"", record.offset)
            if record.offset < silent_until:
                silent, self.silent_time = len(self.fold.effects), self.fold.time
        return silent

    def wait(self, timers: Mapping[str, Timer], touched: Touched) -> None:
        """Set timers, by name."""
        for name, timer in timers.items():
            touched.entries.add(self.fold.set_timer(name, timer))

    def snapshot(self, touched: Touched, end: int) -> Write:
        """What is to be written for all that was folded, and the meta to be found by the next batch's read."""
        levels, ledger = self.fold.levels, self.fold.ledger
        pack = state.pack_state
        meta = Meta(
            end,
            self.meta.topic_id,
            self.meta.partitions if end < self.silent_until else self.meta.layout,
            self.meta.problem,
            self.meta.fold_version,
            self.meta.generation,
            self.fold.time,
            self.fold.held,
            self.meta.evictions,
        )
        write = Write(self.stored, encode_meta(meta), meta.generation)
        write.levels = {key: pack(levels[key]) for key in touched.levels if key in levels}
        for key in touched.entries:
            entry = ledger.get(key)
            if entry is None:
                write.gone.append(key)
                write.settled.append(key)
                continue
            write.entries[key] = pack_entry(entry)
            if type(entry) is Alert and entry.outcome != OPEN:
                write.settled.append(key)
            else:
                write.due.append((entry.due, *key))
        self.unwritten = write
        return write

    def fence_holds(self, meta: bytes) -> bool:
        """Whether the meta found is ours: as last written, or as it is being written beside us."""
        return meta == self.stored or (self.unwritten is not None and meta == self.unwritten.meta)

    def written(self) -> None:
        """The last snapshot is in Redis."""
        if self.unwritten is not None:
            self.stored, self.unwritten = self.unwritten.meta, None

    def widen(self, found: list[QueuedTimer], more: bool) -> None:
        """Take in the next timers from the window's end on, beyond which there may be more; see `TimerQueue`."""
        until = math.nextafter(found[-1][0], math.inf) if more and found else math.inf
        start = self.fold.timers.until
        merged = set(found)
        if self.unwritten is not None:
            moved = {*self.unwritten.settled, *((due[1], due[2]) for due in self.unwritten.due)}
            merged = {due for due in merged if (due[1], due[2]) not in moved}
            merged.update(due for due in self.unwritten.due if start <= due[0] < until)
        self.fold.timers.extend(merged, until)

    def rotate(self, most: int) -> None:
        """Let go of states not asked for lately, when more than `most` are in memory; only between batches."""
        self.fold.timers.narrow(TIMERS_WINDOW)
        self._absent_levels.clear()
        self._absent_entries = {*self.unwritten.gone} if self.unwritten else set()  # Redis may hold them still
        if len(self.fold.levels) > most // 2:
            self._old_levels, self.fold.levels = self.fold.levels, {}
        if len(self.fold.ledger) > most // 2:
            self._old_entries, self.fold.ledger = self.fold.ledger, {}

    def _due(self, decoded: Decoded) -> list[QueuedTimer]:
        """What is due in a batch, in order."""
        due = self.fold.timers.before(decoded.latest)
        return due if decoded.timers is None else due[: decoded.timers]

    def _recall_level(self, key: str) -> bool:
        if key in self.fold.levels or key in self._absent_levels:
            return True
        known = self._old_levels.pop(key, None)
        if known is None:
            return False
        self.fold.levels[key] = known
        return True

    def _recall_entry(self, key: EntryKey) -> bool:
        if key in self.fold.ledger or key in self._absent_entries:
            return True
        known = self._old_entries.pop(key, None)
        if known is None:
            return False
        self.fold.ledger[key] = known
        return True

    def _touch_alert(self, key: EntryKey, entry: Entry | None, levels: set[str]) -> None:
        if type(entry) is Alert and entry.outcome == OPEN:
            levels.update(self.fold.keys_of(key[0], entry.rule, entry.entity, entry.labels))
