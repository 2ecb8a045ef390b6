"""Ids of firings from the memory that all relays share, and their events to Kafka; nothing that passes waits for it.

entries --(Redis, in a thread)--> ids --> raised, ended --(claimed, so that one relay publishes)--> alerts.events
"""

import asyncio
import heapq
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from itertools import count
from typing import Any, Literal

from msgspec import Struct

from stream.core import limits
from stream.core.errors import KafkaAway, RecordRefused
from stream.core.kinds import RESUMED
from stream.kafka.records import Output, Part
from stream.metrics.relay import RelayMetrics
from stream.relay.events import EventReader, Identity, Look, encode_act
from stream.relay.failed import DeadLetters, RecordPublisher
from stream.relay.firings import Entry, Firing, FiringTable
from stream.sources.decisions import Pending
from stream.sources.firing_store import FiringsAway, FiringStore, Swap

log = logging.getLogger(__name__)
BATCH = 200  # firings that are looked up together; small, as the thread holds up what passes
RETRY_SECONDS = 1.0
FAULTS_AT_MOST = 3
PATIENCE_SECONDS = 5.0  # so long a look-up waits for a moment in which no post is under way
PAUSE_SECONDS = 0.02
REFUSED_BY_TOPIC = "refused_by_topic"  # the reason by which `noisegate failed` knows an event that may be sent again
Kind = Literal["raised", "ended", "resumed"]


class _Due(Struct, eq=False):
    """An event to publish, and what is remembered once Kafka has it."""

    firing: Firing
    kind: Kind
    look: Look
    value: bytes = b""
    pending: Sequence[Pending] = ()
    tries: int = 0


class Registrar:
    """Finds ids and publishes events; used on the event loop.

    Args:
        table: the firings.
        events: makes events of copies.
        store: the memory that relays share.
        publisher: to Kafka.
        topic: of the events.
        letters: takes what can't be an event.
        name: of this relay, another one after each start.
        metrics: of the relay.
        thread: where calls that block are made, one at a time.
        clock: seconds since 1970.
        claim_seconds: after how long another relay publishes what the one that claimed it did not.
        retry_seconds: after how long it is tried again while Kafka is away.
    """

    def __init__(
        self,
        table: FiringTable,
        events: EventReader,
        store: FiringStore,
        publisher: RecordPublisher,
        topic: str,
        letters: DeadLetters,
        name: str,
        metrics: RelayMetrics,
        thread: Executor,
        clock: Callable[[], float] = time.time,
        claim_seconds: float = 10.0,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._claim_seconds, self._retry_seconds = claim_seconds, retry_seconds
        self._table, self._events, self._store, self._publisher = table, events, store, publisher
        self._topic, self._letters, self._name, self._metrics = topic, letters, name.encode(), metrics
        self._thread, self._clock = thread, clock
        self._unknown: deque[tuple[float, Entry]] = deque()
        self._ready: deque[_Due] = deque()
        self._silent: deque[_Due] = deque()  # ends that are remembered, and not published
        self._in_flight = 0
        self._later: list[tuple[float, int, _Due]] = []
        self._numbers = count()
        self._ends = 0
        self._unknown_came, self._due_came = asyncio.Event(), asyncio.Event()
        self.kafka_away = False
        self.on_known: Callable[[Firing], None] = lambda firing: None
        self.is_idle: Callable[[], bool] = lambda: True
        """Whether no post is under way: a look-up takes time from those that are."""

    @property
    def waiting(self) -> int:
        """How many events are not in Kafka yet, or not known in memory to be there."""
        return len(self._ready) + len(self._later) + self._in_flight

    def look_up(self, entries: Sequence[Entry]) -> None:
        """Have ids found for these, soon."""
        now = self._clock()
        self._unknown.extend((now, entry) for entry in entries)
        if entries:
            self._unknown_came.set()

    async def register(self, entries: Sequence[Entry]) -> list[Identity]:
        """Find ids for these now; what can't be an event is None's identity, and stays unknown."""
        looks = [Look(one.labels, one.raw, one.starts_at, one.ended_at, one.resolved) for one in entries]
        found = await asyncio.get_running_loop().run_in_executor(
            self._thread, self._events.identify, looks, self._clock()
        )
        for entry, look, identity in zip(entries, looks, found, strict=True):
            self._attach(entry, look, identity)
        return found

    def end(self, firings: Sequence[Firing]) -> None:
        """Publish that firings ended, but not of one that goes on before, nor of one that can't come to Kafka now."""
        for firing in firings:
            look = Look(firing.entries[0].labels, firing.entries[0].raw, firing.first_start, firing.ended_at)
            if (self.kafka_away and not firing.in_log) or self._ends >= limits.RELAY_ENDS:
                firing.lost = True
            if firing.lost:
                self._metrics.lost.inc()
            self._ends += 1
            self._add(_Due(firing, "ended", look))

    async def run_look_up(self) -> None:
        """Look up ids, until cancelled."""
        while True:
            await self._unknown_came.wait()
            if not self._unknown:
                self._unknown_came.clear()
                continue
            if not self.is_idle() and self._clock() - self._unknown[0][0] < PATIENCE_SECONDS:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            entries = [self._unknown.popleft()[1] for _ in range(min(BATCH, len(self._unknown)))]
            try:
                await self.register([one for one in entries if one.queued])
            except Exception:
                log.exception("ids are looked up when the next copies come")
                for one in entries:
                    one.queued = False
                await asyncio.sleep(self._retry_seconds)

    async def run_publication(self) -> None:
        """Publish what is due, until cancelled; while Kafka is away one event at a time finds out when it is back."""
        while True:
            batch = self._take()
            if not batch:
                self._due_came.clear()
                wait = self._later[0][0] - self._clock() if self._later else None
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._due_came.wait(), None if wait is None else max(0.01, wait))
                continue
            self._in_flight = len(batch)
            await self._publish(await self._prepared(batch))

    def _attach(self, entry: Entry, look: Look, identity: Identity) -> None:
        if identity.fell_back:
            self._metrics.fallbacks.inc()
        if identity.refused:
            entry.queued, entry.unusable = False, True
            self._metrics.not_followed.labels("no_event").inc()
            self._letters.add(identity.refused, identity.detail, look.raw, look.labels)
            return
        firing, ended = self._table.attach(entry, identity.alert_id, identity.team, identity.first_start, identity.late)
        if identity.raised is None:
            firing.in_log = True
        elif not firing.raising:
            firing.raising = True
            self._add(_Due(firing, "raised", look, identity.raised, identity.pending))
        if identity.resumption > firing.resumptions:
            firing.resumptions = identity.resumption
            value = encode_act(firing, RESUMED, self._clock(), identity.resumption)
            self._add(_Due(firing, "resumed", look, value, identity.resumption_pending))
        if ended:
            self.end([firing])
        self.on_known(firing)

    def _add(self, due: _Due) -> None:
        (self._silent if due.firing.lost else self._ready).append(due)
        self._metrics.events_waiting.set(self.waiting)
        self._due_came.set()

    def _postpone(self, due: _Due, seconds: float) -> None:
        due.tries += 1
        heapq.heappush(self._later, (self._clock() + seconds, next(self._numbers), due))

    def _take(self) -> list[_Due]:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        batch: list[_Due] = []
        for queue, most in ((self._silent, BATCH), (self._ready, 1 if self.kafka_away else BATCH)):
            most += len(batch)
            while queue and len(batch) < most:
                due = queue.popleft()
                if due.kind == "ended" and due.firing.ended_at is None:  # a copy showed that it goes on
                    self._done(due)
                elif due.kind == "ended" or not due.firing.lost:
                    batch.append(due)
        return batch

    async def _prepared(self, batch: list[_Due]) -> list[tuple[_Due, bool | None]]:
        """What `_prepare` finds; an event that it fails on is tried again, and costs no other its publication."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._prepare, batch, self._clock())
        except Exception:
            if middle := len(batch) // 2:
                return [*await self._prepared(batch[:middle]), *await self._prepared(batch[middle:])]
            if batch[0].tries < FAULTS_AT_MOST:
                self._postpone(batch[0], self._retry_seconds)
            else:
                log.exception("an event is not published")
                self._metrics.lost.inc()
                self._done(batch[0])
            return []

    def _prepare(self, batch: list[_Due], now: float) -> list[tuple[_Due, bool | None]]:
        """In the thread: whether each is to be published; None where another relay is about to."""
        known: dict[int, bool] = {}
        for due in batch:
            if due.kind == "ended":
                end = self._events.end(due.look, due.firing, now)
                due.value, due.pending, known[id(due)] = end.value, end.pending, end.in_log
            elif due.tries:
                identity = self._events.identify([due.look], now)[0]
                due.pending, known[id(due)] = identity.pending, identity.raised is None
                if due.kind == "resumed":
                    due.pending, known[id(due)] = identity.resumption_pending, not identity.resumption
        wanted = [due for due in batch if not known.get(id(due)) and not due.firing.lost]
        swaps = [
            Swap(publication_key(due.kind, due.firing.alert_id), b"", self._name, self._claim_seconds) for due in wanted
        ]
        try:
            won = self._store.swap(swaps)
        except FiringsAway:
            won = [True] * len(swaps)  # a second copy in the log is better than none
        verdict: dict[int, bool | None] = {id(due): mine or None for due, mine in zip(wanted, won, strict=True)}
        return [(due, verdict.get(id(due), False)) for due in batch]

    async def _publish(self, batch: list[tuple[_Due, bool | None]]) -> None:
        futures: list[tuple[_Due, Future[tuple[Part, int]]]] = []
        for due, publishable in batch:
            if due.kind == "ended" and due.firing.ended_at is None:  # a copy has shown meanwhile that it goes on
                self._done(due)
            elif publishable:
                output = Output(self._topic, due.firing.team.encode(), due.value)
                futures.append((due, self._publisher.publish(output)))
            elif publishable is None:
                self._postpone(due, self._claim_seconds)
            else:
                self._done(due)
        self._in_flight = len(futures)
        results: list[Any] = await asyncio.gather(
            *(asyncio.wrap_future(future) for _, future in futures), return_exceptions=True
        )
        acknowledged: list[Pending] = []
        for (due, _), result in zip(futures, results, strict=True):
            if not isinstance(result, BaseException):
                acknowledged += due.pending
                self._metrics.events.labels("raised" if due.kind == "raised" else "acted").inc()
                self._done(due)
            elif isinstance(result, KafkaAway):
                self._postpone(due, self._retry_seconds)
            else:
                log.warning("an event is not published: %s", result)
                if isinstance(result, RecordRefused):
                    self._letters.add(REFUSED_BY_TOPIC, str(result), due.value, due.value, Part(self._topic, -1))
                self._metrics.lost.inc()
                self._done(due)
        self._in_flight = sum(not isinstance(result, BaseException) for result in results)
        self._note_kafka([result for result in results if isinstance(result, KafkaAway)], len(results))
        if acknowledged:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._events.confirm, acknowledged)
        self._in_flight = 0
        self._metrics.events_waiting.set(self.waiting)

    def _done(self, due: _Due) -> None:
        if due.kind == "ended":
            self._ends -= 1
        elif due.kind == "raised":
            due.firing.in_log = True

    def _note_kafka(self, faults: Sequence[KafkaAway], tried: int) -> None:
        if tried and self.kafka_away != bool(faults):
            self.kafka_away = bool(faults)
            log.warning("%s", faults[0] if faults else "Kafka is back")
            self._metrics.kafka_up.set(0 if faults else 1)


def publication_key(kind: Kind, alert_id: str) -> str:
    """The key of the relay that publishes an event, without the deployment."""
    return f"publish:{kind}:{alert_id}"
