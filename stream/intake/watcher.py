"""The watcher: what people do in Alertmanagers, read back every few seconds by one intake of a deployment at a time.

    silences and alerts of every Alertmanager --(sources/silences.py)--> acts on what is open with us --> alerts.events

Who watches, and what was seen before, stands in Redis: another intake goes on where one ended. With Redis away nobody
watches. What could not be published is published at the next look, before anything else.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from stream.core.errors import NoisegateError
from stream.metrics.intake import IntakeMetrics
from stream.sources.agents import AgentTable
from stream.sources.alertmanager_state import Snapshot
from stream.sources.fingerprint import fingerprint
from stream.sources.firing_store import FiringsAway, FiringStore, Swap
from stream.sources.firings import FiringRecord, decode_records
from stream.sources.parsed import Act, Firing, Parsed
from stream.sources.resolve import firing_key
from stream.sources.silences import SOURCE, WatchOptions, WatchState, watch

log = logging.getLogger(__name__)
LOCK_KEY, STATE_KEY = "watcher", "watch_state"
LOOKS_HELD = 4  # another intake watches once so many looks have not come
STATE_SECONDS = 7 * 86_400.0
Publish = Callable[[Parsed], Awaitable[None]]
"""Makes events of acts and returns when Kafka has them; raises NoisegateError."""
Look = Callable[[float], tuple[Snapshot, list[str]]]
"""All Alertmanagers at a time, and one sentence for each that did not answer; may block for seconds."""


class _Stored(Struct, array_like=True):
    """What stands in Redis: the state, and the labels and start of what is open, by fingerprint."""

    state: WatchState
    open: dict[str, tuple[dict[str, str], float]] = {}


class Watcher:
    """Watches Alertmanagers.

    Args:
        look_at: see `Look`.
        count: how many Alertmanagers there are.
        store: where firings, the lock and the state stand.
        publish: see `Publish`; called on the event loop.
        agents: who did what.
        identity_ignore: labels that do not tell alerts apart.
        metrics: counts looks and acts.
        every: seconds between two looks.
        options: how silences are read.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        look_at: Look,
        count: int,
        store: FiringStore,
        publish: Publish,
        agents: AgentTable,
        identity_ignore: Sequence[str],
        metrics: IntakeMetrics,
        every: float,
        options: WatchOptions | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._look_at, self._count, self._store, self._publish = look_at, count, store, publish
        self._agents, self._ignored, self._metrics = agents, frozenset(identity_ignore), metrics
        self._every, self._clock = every, clock
        self._options = options or WatchOptions()
        self._name = secrets.token_hex(8).encode()
        self._unpublished: tuple[list[Act], Swap] | None = None
        self._faults: list[str] = []

    async def run(self, stopping: asyncio.Event) -> None:
        """Look again and again until `stopping` is set."""
        while not stopping.is_set():
            try:
                await self.look()
            except NoisegateError as error:
                log.warning("%s; Alertmanagers are watched again in %g s", error, self._every)
            try:
                async with asyncio.timeout(self._every):
                    await stopping.wait()
            except TimeoutError:
                continue

    async def look(self) -> int:
        """Look once, if this intake is the one that watches; returns how many acts were published.

        Raises:
            NoisegateError: Kafka did not take them; the next look tries again.
        """
        try:
            mine = await asyncio.to_thread(self._claim)
        except FiringsAway:
            mine = False
        self._metrics.watching.set(int(mine))
        if not mine:
            self._unpublished = None
            return 0
        if self._unpublished is None:
            try:
                self._unpublished = await asyncio.to_thread(self._read)
            except FiringsAway:
                return 0
        acts, swap = self._unpublished
        if acts:
            await self._publish(Parsed(list(acts)))
        self._unpublished = None
        for act in acts:
            self._metrics.watched_acts.labels(act.kind).inc()
        try:
            await asyncio.to_thread(self._store.swap, [swap])
        except FiringsAway:
            log.debug("the state of the watch could not be stored; acts have the same ids when they come again")
        return len(acts)

    def _claim(self) -> bool:
        """Whether this intake watches: nobody did, or it did before."""
        seconds = LOOKS_HELD * self._every
        return self._store.swap([Swap(LOCK_KEY, b"", self._name, seconds)])[0]

    def _read(self) -> tuple[list[Act], Swap]:
        """The new acts, and the state to store once Kafka has them. Raises FiringsAway."""
        (before,) = self._store.read([STATE_KEY])
        stored = _decode(before)
        snapshot = self._ask()
        open_alerts = self._open_alerts(stored, snapshot)
        state, acts = watch(stored.state, snapshot, open_alerts.values(), self._options, self._agents, self._identify)
        kept = {print_: (dict(firing.labels), firing.starts_at) for print_, firing in open_alerts.items()}
        after = msgspec.msgpack.encode(_Stored(state, kept))
        return acts, Swap(STATE_KEY, before, after, STATE_SECONDS)

    def _ask(self) -> Snapshot:
        snapshot, faults = self._look_at(self._clock())
        self._metrics.watches.labels("failed").inc(len(faults))
        self._metrics.watches.labels("done").inc(self._count - len(faults))
        for fault in faults:
            if fault not in self._faults:
                log.warning("%s", fault)
        self._faults = faults
        return snapshot

    def _open_alerts(self, stored: _Stored, snapshot: Snapshot) -> dict[str, Firing]:
        """What is open with us, by fingerprint: of what fires there now, and of what was open at the last look."""
        known = {print_: labels for print_, (labels, _) in stored.open.items()}
        known |= {self._identify(alert.labels): dict(alert.labels) for alert in snapshot.alerts}
        prints = list(known)
        values = self._store.read([firing_key(SOURCE, int(print_, 16)) for print_ in prints])
        found = {}
        for print_, value in zip(prints, values, strict=True):
            record = _open_record(value)
            if record is not None:
                found[print_] = Firing(known[print_], record.first_start)
        return found

    def _identify(self, labels: Mapping[str, str]) -> str:
        return f"{fingerprint(labels, self._ignored):016x}"


def _open_record(value: bytes) -> FiringRecord | None:
    """The firing that is open, or whose end Kafka does not have yet."""
    records = decode_records(value)
    return next((one for one in reversed(records) if one.ended_at is None or not one.end_published), None)


def _decode(value: bytes) -> _Stored:
    try:
        return msgspec.msgpack.decode(value, type=_Stored) if value else _Stored(WatchState())
    except (msgspec.DecodeError, msgspec.ValidationError):
        return _Stored(WatchState())
