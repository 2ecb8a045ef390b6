"""A room whose history is a position a partition behind a fence, as a real one's is, with gates and faults."""

from collections.abc import Mapping, Sequence
from threading import Event, Lock
from typing import Any

from stream.core.errors import HistoryRefused
from stream.kafka.records import Output, Part
from stream.lane.batch import Batch, Bounds, Work


class FencedRoom:
    """Writes each record's offset once, and where the next worker goes on.

    Attributes:
        written: the offsets written of each partition, in order; outlives assignments.
        positions: where each partition's history stands.
        rounds: the partitions of each `process`, in turn.
        assignments: the bounds of each assignment, in turn.
        idles: the partitions that were caught up, of each `idle` in turn.
        process_gate, commit_gate: `process` and `commit` wait for them.
        in_process, in_commit: set while one waits.
        fault: what `process` raises next.
        publishes: whether there is an output for each record.
    """

    def __init__(self) -> None:
        self.wants_assign = False
        self.written: dict[Part, list[int]] = {}
        self.positions: dict[Part, int] = {}
        self.rounds: list[list[Part]] = []
        self.assignments: list[dict[Part, Bounds]] = []
        self.idles: list[list[Part]] = []
        self.process_gate, self.commit_gate = Event(), Event()
        self.in_process, self.in_commit = Event(), Event()
        self.fault: Exception | None = None
        self.publishes = True
        self._lock = Lock()
        self.open()

    def open(self) -> None:
        """Open both gates."""
        self.process_gate.set()
        self.commit_gate.set()

    def assign(self, bounds: Mapping[Part, Bounds]) -> dict[Part, int]:
        """Where each history stands; refused where records after it are gone."""
        self.wants_assign = False
        self.assignments.append(dict(bounds))
        for part, known in bounds.items():
            if self.positions.setdefault(part, known.begin) < known.begin:
                raise HistoryRefused(f"records of {part} are gone; run `noisegate history rebuild`")
        return {part: self.positions[part] for part in bounds}

    def process(self, batches: Sequence[Batch]) -> Work:
        """One output a record, if it publishes."""
        self.in_process.set()
        assert self.process_gate.wait(60)
        self.in_process.clear()
        if self.fault is not None:
            raise self.fault
        self.rounds.append([batch.part for batch in batches])
        records = [(batch.part, record) for batch in batches for record in batch.records] if self.publishes else []
        outputs = [Output("out", None, f"{part}/{record.offset}".encode()) for part, record in records]
        return Work(outputs, {batch.part: batch.end for batch in batches}, kept=list(batches))

    def snapshot(self, work: Work) -> None:
        """The batches are frozen already."""

    def commit(self, work: Work) -> list[Batch]:
        """Write what begins where its history stands; returns what did not."""
        self.in_commit.set()
        assert self.commit_gate.wait(60)
        self.in_commit.clear()
        return [batch for batch in work.kept if not self._write(batch)]

    def write_elsewhere(self, part: Part, offset: int) -> None:
        """Write one record's offset as another worker would, if it is next."""
        with self._lock:
            if self.positions.get(part, 0) == offset:
                self.positions[part] = offset + 1
                self.written.setdefault(part, []).append(offset)

    def _write(self, batch: Batch) -> bool:
        """Write a batch if it begins where its history stands."""
        with self._lock:
            if self.positions[batch.part] != batch.start:
                return False
            self.positions[batch.part] = batch.end
            self.written.setdefault(batch.part, []).extend(record.offset for record in batch.records)
            return True

    def on_committed(self, work: Work, answer: Any) -> bool:
        """Give way where another got there first."""
        self.wants_assign = self.wants_assign or bool(answer)
        return not answer

    def idle(self, caught_up: Sequence[Part], now: float) -> list[Output]:
        """Nothing is due."""
        self.idles.append(list(caught_up))
        return []
