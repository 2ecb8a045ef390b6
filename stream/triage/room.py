"""The room: one board for all viewers, a batch of what changed every 250 ms, and verdicts on their way to Kafka."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from uuid import uuid4

from stream.config import TriageSettings, zone_of
from stream.core.events import Acted
from stream.metrics.triage import TriageMetrics
from stream.triage.board import Board, Record
from stream.triage.search import Snapshots
from stream.triage.stream import Broadcaster
from stream.triage.teams import TeamFigures
from stream.triage.verdicts import Person, Verdicts, shift_end
from stream.triage.view import Answer, Counts, SnoozeRequest, VerdictRequest

log = logging.getLogger(__name__)
audit = logging.getLogger("noisegate.audit")
BATCH_SECONDS = 0.25
RETRY_SECONDS = 1.0
Publish = Callable[[Sequence[Acted]], Awaitable[Sequence[Acted]]]
"""Publishes acts, and returns those that have to be published again."""


class TriageRoom:
    """The page's state and its one loop. All calls come from the event loop.

    Args:
        settings: of the page.
        deciding: the kinds that decide when a person does them, and whether as actionable.
        severities: from low to high.
        publish: writes acts to alerts.events.
        metrics: of the room.
        clock: seconds since 1970.
        retry_seconds: how long after a failed publication the next one is tried.

    Attributes:
        outside: gives what is away outside, one sentence each.
        changed: is set when `open_acts` are others than before.
        publishing: the publication that is under way or was the last; None before the first.
    """

    def __init__(
        self,
        settings: TriageSettings,
        deciding: dict[str, bool],
        severities: Sequence[str],
        publish: Publish,
        metrics: TriageMetrics,
        clock: Callable[[], float] = time.time,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.settings, self.metrics, self.clock = settings, metrics, clock
        self.board = Board(deciding, severities, seq=int(clock() * 1_000))  # so that it is above any process's before
        self.teams = TeamFigures()
        self.broadcaster = Broadcaster()
        self.snapshots = Snapshots(lambda: uuid4().hex)
        self.verdicts = Verdicts(
            self.board,
            {str(action): kind for action, kind in settings.verdicts.items()},
            deciding,
            self.snapshots.keys,
            settings.reason_required,
            settings.undo_seconds,
        )
        self.outside: Callable[[], list[str]] = list
        self._publish, self._retry_seconds = publish, retry_seconds
        self._unpublished: list[Acted] = []
        self._on_their_way: list[Acted] = []
        self.changed = asyncio.Event()
        self.publishing: asyncio.Task[None] | None = None

    def take(self, records: Sequence[Record]) -> None:
        """Take records of any topic in."""
        now = self.clock()
        self.board.take(records, now)
        self.teams.take(records)

    async def run(self) -> None:
        """Send what changes to the viewers and verdicts to Kafka, until it is cancelled."""
        while True:
            try:
                self.tick()
            except Exception:
                log.exception("a batch of the page could not be made")
            await asyncio.sleep(BATCH_SECONDS)

    def tick(self) -> None:
        """One round: publish what is due, send what changed."""
        now = self.clock()
        if self.board.carried:
            self.changed.set()
        self._unpublished += self.verdicts.due(now)
        if self._unpublished and (self.publishing is None or self.publishing.done()):
            self.publishing = asyncio.get_running_loop().create_task(self._publish_waiting())
        self.board.away = tuple(self._away())
        batch = self.board.flush(now)
        if batch is not None:
            self.broadcaster.send(batch)
            self.metrics.batches.inc()
            self.metrics.shown_share.set(batch.counts.shown_share)
        self.metrics.rows.set(len(self.board.rows))
        self.metrics.viewers.set(self.broadcaster.viewers)
        self.metrics.waiting.set(self.verdicts.waiting + len(self._unpublished) + len(self._on_their_way))

    def counts(self) -> Counts:
        """What the head of every page shows."""
        self.board.away = tuple(self._away())  # before the first round, too
        return self.board.counts(self.clock())

    def give(self, request: VerdictRequest, person: Person) -> Answer:
        """Show a verdict, to be published when its undo is over."""
        answer = self.verdicts.give(request, person, self.clock())
        self.metrics.verdicts.labels(request.action).inc(answer.count)
        self.metrics.conflicts.inc(len(answer.conflicts))
        self.changed.set()
        self._audit(request.action, request.id, person, answer, request.reason)
        return answer

    def snooze(self, request: SnoozeRequest, person: Person) -> Answer:
        """Put rows off."""
        now = self.clock()
        answer = self.verdicts.snooze(request, person, self.shift_ends_at(now), now)
        self.changed.set()
        self._audit(f"snooze:{request.until}", request.id, person, answer, None)
        return answer

    def undo(self, request: str, person: Person) -> Answer:
        """Take a verdict or a snooze back."""
        answer = self.verdicts.undo(request, person, self.clock())
        self.changed.set()
        self._audit("undo", request, person, answer, None)
        return answer

    def shift_ends_at(self, now: float) -> float:
        """When the shift ends that runs at `now`; seconds since 1970."""
        there = datetime.fromtimestamp(now, zone_of(self.settings.time_zone))
        return shift_end(there, self.settings.shift_ends).timestamp()

    def open_acts(self) -> list[Acted]:
        """Every act that is not known to be published, of verdicts that can still be undone as well."""
        return [*self._on_their_way, *self._unpublished, *self.verdicts.open_acts()]

    def close(self) -> list[Acted]:
        """End all streams; returns every act that is not known to be published, of verdicts in their undo as well."""
        self.broadcaster.close()
        if self.publishing is not None:
            self.publishing.cancel()
        return [*self._on_their_way, *self._unpublished, *self.verdicts.due(self.clock(), all_of_them=True)]

    async def _publish_waiting(self) -> None:
        self._on_their_way, self._unpublished = self._unpublished, []
        try:
            left = list(await self._publish(self._on_their_way))
        except Exception:
            log.exception("verdicts could not be published, and are tried again")
            left = self._on_their_way
        self.metrics.published.inc(len(self._on_their_way) - len(left))
        self._on_their_way, self._unpublished = [], left + self._unpublished
        self.changed.set()
        if left:
            await asyncio.sleep(self._retry_seconds)

    def _away(self) -> Iterable[str]:
        yield from self.outside()
        if self._unpublished:
            yield f"{len(self._unpublished) + len(self._on_their_way)} verdicts wait for Kafka"

    def _audit(self, deed: str, request: str, person: Person, answer: Answer, reason: str | None) -> None:
        fields = {
            "deed": deed,
            "request": request,
            "person": person.pseudonym,
            "rows": answer.count,
            "conflicts": len(answer.conflicts),
            "reason": reason,
            "refused": answer.error or None,
        }
        audit.info("verdict", extra={"fields": fields})
