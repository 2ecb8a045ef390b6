"""An assignment: the partitions that this worker serves from now on, and the offset at which each of them begins."""

import logging
from collections.abc import Mapping

from msgspec import Struct, field
from prometheus_client import Gauge

from stream.core.errors import HistoryAway, HistoryDenied, HistoryRefused
from stream.core.problem import Problem
from stream.kafka.records import Part
from stream.lane.batch import Bounds
from stream.scorer.degraded import DegradedMode
from stream.scorer.ownership import OwnedHistory, Ownership
from stream.scorer.partition import Partition
from stream.scorer.server_watch import ServerWatch

log = logging.getLogger(__name__)


class Assigned(Struct):
    """Where each partition begins, and what is known of it; nothing in degraded mode."""

    starts: dict[Part, int]
    partitions: dict[Part, Partition] = field(default_factory=dict)


class Assignment:
    """Makes partitions ready to be folded, or begins degraded mode where their histories can't be used.

    Args:
        problem: what is being predicted.
        ownership: acquires histories.
        server: is asked whether the server may be trusted with them.
        degraded: the mode that begins or ends here.
        suspect: is 1 while a history is known to be wrong.
        timers_window: about how many timers of a partition are read at once, and kept in memory.
    """

    def __init__(
        self,
        problem: Problem,
        ownership: Ownership,
        server: ServerWatch,
        degraded: DegradedMode,
        suspect: Gauge,
        timers_window: int,
    ) -> None:
        self._problem = problem
        self._ownership = ownership
        self._server = server
        self._degraded = degraded
        self._suspect = suspect
        self._timers_window = timers_window
        self._began = False  # whether anything was assigned: what refuses a start does not end a worker that serves

    def assign(self, bounds: Mapping[Part, Bounds]) -> Assigned:
        """Acquire the histories of these partitions; at least one.

        Raises:
            HistoryRefused: they can't be folded on, in one sentence with the mend.
            HistoryAway: they can't be reached, by a deployment that has never scored.
        """
        self._degraded.keep_only(bounds)
        try:
            status = self._server.begin(refuse_eviction=not self._began)
            owned = self._ownership.acquire(bounds, status)
        except HistoryAway as error:
            return self._assign_away(bounds, error)
        self._began = True
        suspect = next((one.meta.suspect for one in owned.values() if one.meta.suspect), None)
        self._suspect.set(suspect is not None)
        if suspect is not None:
            self._degraded.enter_suspect(suspect)
            starts = {part: max(one.meta.offset, bounds[part].committed or 0) for part, one in owned.items()}
            return Assigned(self._degraded.beyond_published(starts))
        self._degraded.leave()
        partitions = {part: self._partition(part, known, owned[part]) for part, known in bounds.items()}
        return Assigned({part: owned[part].meta.offset for part in bounds}, partitions)

    def _assign_away(self, bounds: Mapping[Part, Bounds], error: HistoryAway) -> Assigned:
        """Go on unscored from where the group committed; a deployment that never has, can't."""
        if not self._began and isinstance(error, HistoryDenied):
            raise HistoryRefused(error.problem, error.mend)
        if not self._began and not any(
            known.committed is not None or known.group_committed for known in bounds.values()
        ):
            raise HistoryAway(f"a deployment that has not scored yet can't start without its history: {error}")
        self._began = True
        self._degraded.enter_away(error)
        starts = {part: self._ownership.start_unknown(part, known) for part, known in bounds.items()}
        return Assigned(self._degraded.beyond_published(starts))

    def _partition(self, part: Part, known: Bounds, owned: OwnedHistory) -> Partition:
        silent_until = known.committed or 0
        if silent_until > owned.meta.offset:
            behind = silent_until - owned.meta.offset
            log.warning("%s/%d: history is %d records behind what was published; they are folded again", *part, behind)
        return Partition(part, self._problem, owned.meta, owned.stored, silent_until, self._timers_window)
