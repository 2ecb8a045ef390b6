"""The history that a rebuild replaces: where it stands, the scores that were published, and what it had decided."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from stream.config import Settings
from stream.core.errors import HistoryRefused
from stream.core.fold import EntryKey
from stream.core.ledger import OPEN, Alert, Entry, Held, unpack_earlier
from stream.kafka.partitioner import partition_chooser
from stream.kafka.records import Part
from stream.scorer.decode import whereabouts
from stream.scorer.history import History, Meta, Wanted, read_meta_or_none
from stream.scorer.score import unpack_score

_REMEMBERED = 100_000  # teams


class PreviousHistory:
    """The history as it served, or stood, when the rebuild began.

    A team's entries lie where the team belonged then: under each partition count that a stored meta has.

    Args:
        history: where it is kept.
        settings: the topic and the partitioner.
        partitions: how many the topic has now.

    Attributes:
        stored: each partition's meta as it is stored, empty where there is none.
        metas: those that can be read.
        unreadable: partitions of which the meta or a ledger entry can't be read.
    """

    def __init__(self, history: History, settings: Settings, partitions: int) -> None:
        self._history, self._settings = history, settings
        self._parts = [Part(settings.topics.events, number) for number in range(partitions)]
        self.unreadable: set[int] = set()
        found = history.read({part: Wanted(0) for part in self._parts})
        self.stored = {part.partition: found[part].meta for part in self._parts}
        self.metas: dict[int, Meta] = {}
        for number, stored in self.stored.items():
            meta = read_meta_or_none(stored)
            if meta is not None:
                self.metas[number] = meta
            elif stored:
                self.unreadable.add(number)
        self._homes: dict[str, list[Part]] = {}
        counts = sorted({meta.layout for meta in self.metas.values()})
        self._choosers: Mapping[int, Callable[[str], int]] = {
            count: partition_chooser(settings.kafka.partitioner, count) for count in counts
        }

    def homes(self, team: str) -> list[Part]:
        """The partitions whose history holds the team, or would."""
        homes = self._homes.get(team)
        if homes is None:
            if len(self._homes) >= _REMEMBERED:
                self._homes.clear()
            homes = self._homes[team] = []
            for count, choose in self._choosers.items():
                number = choose(team)
                meta = self.metas.get(number)
                if meta is not None and meta.layout == count:
                    homes.append(self._parts[number])
        return homes

    def entries(self, keys: Sequence[EntryKey]) -> list[list[Entry]]:
        """What the ledgers hold of each key: none, one, or one from each layout."""
        wanted: dict[Part, list[int]] = {}
        for index, (team, _) in enumerate(keys):
            for part in self.homes(team):
                wanted.setdefault(part, []).append(index)
        entries: list[list[Entry]] = [[] for _ in keys]
        if not wanted:
            return entries
        found = self._history.read(
            {
                part: Wanted(self.metas[part.partition].generation, (), [keys[index] for index in indices])
                for part, indices in wanted.items()
            }
        )
        for part, indices in wanted.items():
            for index, packed in zip(indices, found[part].entries, strict=True):
                entry = self._unpack(part, packed)
                if entry is not None:
                    entries[index].append(entry)
        return entries

    def scores(self, keys: Sequence[EntryKey]) -> list[Any]:
        """The score that was published of each alert, as the ledger keeps it; None where none is known."""
        return [
            next((one.score for one in found if type(one) is Alert and one.score is not None), None)
            for found in self.entries(keys)
        ]

    def _unpack(self, part: Part, packed: bytes | None) -> Entry | None:
        if packed is None:
            return None
        try:
            entry = unpack_earlier(packed)
            if type(entry) is Alert:
                unpack_score(entry.score)
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError, HistoryRefused):
            self.unreadable.add(part.partition)
            return None
        return entry


def decided(entries: Sequence[Entry]) -> bool:
    """Whether any of an alert's entries has an outcome, which then was published."""
    return any(type(one) is Alert and one.outcome != OPEN for one in entries)


def holds(entries: Sequence[Entry], offset: int, value: bytes) -> bool:
    """Whether any of an alert's entries still holds the action of this record."""
    return any(
        whereabouts(action.offset, 0)[1] == offset and action.value == value
        for one in entries
        if type(one) is Held
        for action in one.actions
    )
