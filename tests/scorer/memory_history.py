"""The fake of the history port; `test_history_contract` holds it to what Redis does."""

from collections.abc import Iterable, Mapping

from stream.core.errors import HistoryAway
from stream.core.fold import EntryKey
from stream.core.timers import QueuedTimer
from stream.kafka.records import Part
from stream.scorer.history import Found, ServerStatus, Wanted, Write
from stream.scorer.identity import Identity


class MemoryHistory:
    """Histories in dictionaries. While `away`, every call raises."""

    def __init__(self) -> None:
        self.metas: dict[Part, bytes] = {}
        self.levels: dict[tuple[Part, int, str], bytes] = {}
        self.entries: dict[tuple[Part, int, EntryKey], bytes] = {}
        self.due: dict[tuple[Part, int], dict[EntryKey, float]] = {}
        self.holds: Identity | None = None
        self.server = ServerStatus("run-1")
        self.away = False
        self.reads = 0

    def check(self, patient: bool = True) -> None:
        """See `History`."""
        if self.away:
            raise HistoryAway("the history is away")

    def status(self, patient: bool = True) -> ServerStatus:
        """See `History`."""
        self.check()
        return self.server

    def holder(self) -> Identity | None:
        """See `History`."""
        self.check()
        return self.holds

    def claim(self, identity: Identity) -> Identity:
        """See `History`."""
        self.check()
        self.holds = self.holds or identity
        return self.holds

    def replace(self, identity: Identity) -> None:
        """See `History`."""
        self.check()
        self.holds = identity

    def read_metas(self, parts: Iterable[Part]) -> dict[Part, bytes]:
        """See `History`."""
        self.check()
        return {part: self.metas.get(part, b"") for part in parts}

    def read(self, wanted: Mapping[Part, Wanted]) -> dict[Part, Found]:
        """See `History`."""
        self.check()
        self.reads += 1
        return {
            part: Found(
                self.metas.get(part, b""),
                [self.levels.get((part, want.generation, key)) for key in want.levels],
                [self.entries.get((part, want.generation, key)) for key in want.entries],
            )
            for part, want in wanted.items()
        }

    def timers(self, part: Part, generation: int, start: float, count: int) -> tuple[list[QueuedTimer], bool]:
        """See `History`."""
        self.check()
        kept = self.due.get((part, generation), {})
        found = sorted((at, *key) for key, at in kept.items() if at >= start)
        more = len(found) >= count
        return [due for due in found if not more or due[0] <= found[count - 1][0]], more

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        """See `History`."""
        self.check()
        return {part: self._write(part, write) for part, write in writes.items()}

    def _write(self, part: Part, write: Write) -> bool:
        if self.metas.get(part, b"") == write.meta:
            return True
        if self.metas.get(part, b"") != write.expected:
            return False
        self.metas[part] = write.meta
        due = self.due.setdefault((part, write.generation), {})
        for level, packed in write.levels.items():
            self.levels[part, write.generation, level] = packed
        for key, packed in write.entries.items():
            self.entries[part, write.generation, key] = packed
        for key in write.gone:
            self.entries.pop((part, write.generation, key), None)
        for at, team, alert_id in write.due:
            due[team, alert_id] = at
        for key in write.settled:
            due.pop(key, None)
        return True
