"""The wait of new firings for their decision, and what takes a label off again.

Only where the setting `relay_labels` is on. Whatever is away, or slow, or too much: alerts go on plain.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress

from msgspec import Struct, structs

from stream.core import limits
from stream.core.events import moment
from stream.core.records import Decision
from stream.metrics.relay import RelayMetrics
from stream.relay.firings import Entry, Firing, FiringTable, Observation
from stream.relay.forward import add, end
from stream.relay.labels import PLAIN, Claim, Claims, Decisions, Rate, claim_of
from stream.relay.registrar import Registrar
from stream.relay.route_check import RouteCheck
from stream.sources.firing_store import FiringsAway

log = logging.getLogger(__name__)
FRESH_SECONDS = 60.0  # a firing that began longer ago was forwarded before, by another relay or before a restart
CLAIM_SECONDS = 0.3  # for Redis, after the wait
PAUSE_SECONDS = 5.0  # nothing waits after Redis was too slow
RELEASE_GRACE_SECONDS = 5.0  # the closer's release comes first, if the closer is there


class LabelSettings(Struct, frozen=True):
    """Whether labels are set, and how long a firing waits at most."""

    enabled: bool
    wait_seconds: float
    most_per_second: int = limits.RELAY_NEW_PER_SECOND


class Labeller:
    """Decides labels of new firings; used on the event loop.

    Args:
        settings: see `LabelSettings`.
        table: the firings.
        registrar: finds ids.
        claims: what relays agree by.
        thread: where calls that block are made.
        post: posts alerts, each with its tenant, to all Alertmanagers; how many one took.
        metrics: of the relay.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: LabelSettings,
        table: FiringTable,
        registrar: Registrar,
        claims: Claims,
        thread: Executor,
        post: Callable[[Sequence[tuple[str, bytes]]], Awaitable[int]],
        metrics: RelayMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._table, self._registrar, self._claims = settings, table, registrar, claims
        self._thread, self._post, self._metrics, self._clock = thread, post, metrics, clock
        self._decisions = Decisions(limits.RELAY_SCORES)
        self._waiting: dict[str, asyncio.Event] = {}
        self._deciding: dict[bytes, asyncio.Future[None]] = {}  # by the key of copies that wait
        self._rate = Rate(settings.most_per_second, clock)
        self._began = clock()
        self._paused_until = 0.0
        self.checks: dict[str, RouteCheck] = {}
        """What each Alertmanager's configuration does with the label, as far as it is known."""
        self.decisions_come: Callable[[], bool] = lambda: False
        """Whether decisions can come now."""

    @property
    def routed(self) -> frozenset[str]:
        """The labels for which every Alertmanager whose configuration is known has a route."""
        checks = list(self.checks.values())
        return frozenset.intersection(*(one.routed for one in checks)) if checks else frozenset()

    async def decide(self, seen: Observation) -> None:
        """Give new firings of a post their label, if a decision asks for one in time.

        A copy of a firing that another post waits for waits with it, as it would go on plain else.
        """
        if not self._settings.enabled or not self.routed:
            return
        new = [entry for entry in seen.unknown if entry.ended_at is None]
        others = {self._deciding[one.key] for one in seen.entries if one is not None and one.key in self._deciding}
        if new:
            done = asyncio.get_running_loop().create_future()
            self._deciding |= dict.fromkeys((entry.key for entry in new), done)
            try:
                await self._decide_new(new)
            finally:
                done.set_result(None)
                for entry in new:
                    self._deciding.pop(entry.key, None)
        if others:
            await asyncio.wait(others)

    async def take(self, decision: Decision) -> None:
        """Take in a decision: for those that wait for it, and a release for what has a label."""
        if not self._settings.enabled:
            return
        self._decisions.add(decision)
        if (waiting := self._waiting.get(decision.alert_id)) is not None:
            waiting.set()
            return
        firing = self._table.get(decision.alert_id)
        if firing is None:
            return
        if decision.decision == "release":
            await self.release([firing])
        elif claim_of(decision).label and not firing.addition.label and decision.decided_at.timestamp() > self._began:
            self._metrics.labels_late.inc()

    async def release(self, firings: Sequence[Firing]) -> None:
        """Take labels off: the labelled alerts are posted as resolved, the plain ones as firing, in one post."""
        now = self._clock()
        alerts: list[tuple[str, bytes]] = []
        released: dict[str, Claim] = {}
        for firing in firings:
            label = firing.addition.label
            if not label:
                continue
            plain = structs.replace(firing.addition, label="")
            released[firing.alert_id] = Claim(label, firing.label_until)
            for entry in firing.entries:
                if entry.ended_at is None:
                    labelled = end(add(entry.raw, firing.addition), moment(now).isoformat())
                    alerts += [(entry.tenant, labelled), (entry.tenant, add(entry.raw, plain))]
                    entry.shown = plain
            firing.addition = plain
            self._metrics.released.labels(label).inc()
        if alerts:
            await self._post(alerts)
        if released:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, _release, self._claims, released)

    async def release_overdue(self) -> None:
        """Take off labels whose time is over though no release came, as where the closer is away."""
        now = self._clock()
        overdue = [
            one
            for one in self._table
            if one.addition.label and one.label_until is not None and one.label_until + RELEASE_GRACE_SECONDS < now
        ]
        if overdue:
            log.warning("%d labels are taken off as their time is over and no release came", len(overdue))
            await self.release(overdue)

    async def _decide_new(self, new: Sequence[Entry]) -> None:
        """Find the ids of new firings and decide; a time-out leaves them plain."""
        may_wait = self._rate.add(len(new))
        if self._clock() < self._paused_until:
            self._metrics.labels_unclaimed.inc(len(new))
            return
        deadline = asyncio.get_running_loop().time() + self._settings.wait_seconds
        try:
            async with asyncio.timeout_at(deadline + CLAIM_SECONDS):
                await self._registrar.register(new)
                firings = {one.firing.alert_id: one.firing for one in new if one.firing is not None}
                await self._decide(firings, may_wait, deadline)
        except (TimeoutError, FiringsAway):
            self._paused_until = self._clock() + PAUSE_SECONDS
            self._metrics.labels_unclaimed.inc(len(new))

    async def _decide(self, firings: dict[str, Firing], may_wait: bool, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        open_ = {one: firing for one, firing in firings.items() if not firing.addition.label}
        standing = await loop.run_in_executor(self._thread, self._claims.read, list(open_))
        for alert_id, claim in standing.items():
            self._apply(open_[alert_id], claim, counted=False)
        now = self._clock()
        fresh = {
            one: firing
            for one, firing in open_.items()
            if one not in standing and now - firing.first_start < FRESH_SECONDS
        }
        if not fresh:
            return
        if may_wait and self.decisions_come() and not self._registrar.kafka_away:
            await self._wait(list(fresh), deadline)
        wanted = {one: self._wanted(one) for one in fresh}
        claimed = await loop.run_in_executor(self._thread, self._claims.claim, wanted)
        for alert_id, claim in claimed.items():
            self._apply(fresh[alert_id], claim, counted=True)

    async def _wait(self, alert_ids: Sequence[str], deadline: float) -> None:
        """Until each has its decision, or the deadline."""
        missing = {one: self._waiting.setdefault(one, asyncio.Event()) for one in alert_ids}
        try:
            async with asyncio.timeout_at(deadline):
                for alert_id, came in missing.items():
                    if self._decisions.get(alert_id) is None:
                        await came.wait()
        except TimeoutError:
            pass
        finally:
            for alert_id in missing:
                self._waiting.pop(alert_id, None)

    def _wanted(self, alert_id: str) -> Claim:
        decision = self._decisions.get(alert_id)
        claim = PLAIN if decision is None else claim_of(decision)
        if claim.label and claim.label not in self.routed:
            self._metrics.labels_unrouted.inc()
            return PLAIN
        return claim

    def _apply(self, firing: Firing, claim: Claim, counted: bool) -> None:
        decision = self._decisions.get(firing.alert_id)
        if not claim.label or (decision is not None and decision.decision == "release"):
            return
        firing.addition = structs.replace(firing.addition, label=claim.label)
        firing.label_until = claim.until
        if counted:
            self._metrics.labels.labels(claim.label).inc()


def _release(claims: Claims, released: dict[str, Claim]) -> None:
    with suppress(FiringsAway):
        claims.release(released)
