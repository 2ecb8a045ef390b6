"""What the relay does with a post, a score and a decision. Used on the event loop."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import structs

from stream.config import RelaySettings
from stream.core import limits
from stream.core.records import Decision, Enriched
from stream.metrics.relay import RelayMetrics
from stream.relay.annotate import Scores, annotations_of
from stream.relay.failed import DeadLetters
from stream.relay.firings import Entry, Firing, FiringTable, Observation
from stream.relay.forward import Addition, Post, Rejected, add, join, read_post, rewrite
from stream.relay.labeller import Labeller
from stream.relay.registrar import Registrar
from stream.relay.upstream import ENCODING, PARTLY, Reply, Upstream

log = logging.getLogger(__name__)
SWEEP_SECONDS = 1.0
QUIET_SECONDS = 0.05  # a sender with more posts makes the next one within it
GATHER_SECONDS = 0.02  # scores that come within it are posted together
AT_A_TIME = 500  # alerts of one post of ours
FAULT_SECONDS = 1.0
REFUSED = (400, 422)  # statuses of a post that holds a bad alert


class RelayRoom:
    """The relay between its API and the Alertmanagers.

    Args:
        upstream: the Alertmanagers.
        table: the firings.
        scores: the annotations that are known.
        registrar: finds ids, publishes events.
        labeller: decides labels.
        letters: takes what can't be an event.
        settings: the page's address, see `annotations_of`, and the header that names a tenant.
        metrics: of the relay.
        clock: seconds since 1970.
        sweep_seconds: between two looks at what has ended by time.
    """

    def __init__(
        self,
        upstream: Upstream,
        table: FiringTable,
        scores: Scores,
        registrar: Registrar,
        labeller: Labeller,
        letters: DeadLetters,
        settings: RelaySettings,
        metrics: RelayMetrics,
        clock: Callable[[], float] = time.time,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._sweep_seconds = sweep_seconds
        self._upstream, self._table, self._scores = upstream, table, scores
        self._registrar, self._labeller = registrar, labeller
        self._page_url, self._tenant_header = settings.page_url, settings.tenant_header
        self._letters, self._metrics, self._clock = letters, metrics, clock
        self._changed: dict[str, Firing] = {}
        self._changed_came = asyncio.Event()
        self._under_way, self._last_post = 0, 0.0
        registrar.on_known = self._known
        registrar.is_idle = lambda: not self._under_way and time.monotonic() - self._last_post > QUIET_SECONDS

    async def forward(self, body: bytes, client: str, headers: Mapping[str, str]) -> Reply:
        """Send a post on, with these of its headers; `client` is the sender's address. A packed body goes on unread."""
        self._under_way += 1
        try:
            return await self._forward(body, client, headers)
        finally:
            self._under_way -= 1
            self._last_post = time.monotonic()

    async def take(self, records: Sequence[Enriched | Decision]) -> None:
        """Take in scores and decisions."""
        for record in records:
            if isinstance(record, Decision):
                await self._labeller.take(record)
                continue
            annotations = annotations_of(record, self._page_url)
            if not self._scores.add(record.alert.alert_id, annotations):
                continue
            if (firing := self._table.get(record.alert.alert_id)) is not None:
                first_seen = min(entry.first_seen for entry in firing.entries)
                self._metrics.score_seconds.observe(max(0.0, self._clock() - first_seen))
                self._known(firing)

    async def run(self) -> None:
        """Everything that goes on beside the posts, until cancelled."""
        works = (self._registrar.run_look_up, self._registrar.run_publication, self._run_posts, self._run_sweep)
        async with asyncio.TaskGroup() as tasks:
            for work in (*works, self._letters.run):
                tasks.create_task(_again(work))

    async def post(self, alerts: Sequence[tuple[str, bytes]]) -> int:
        """Post alerts of our own accord, each with its tenant; how many an Alertmanager took."""
        by_tenant: dict[str, list[bytes]] = {}
        for tenant, alert in alerts:
            by_tenant.setdefault(tenant, []).append(alert)
        return sum([await self._post_of(tenant, some) for tenant, some in by_tenant.items()])

    async def _post_of(self, tenant: str, alerts: Sequence[bytes]) -> int:
        reply = await self._upstream.post(join(alerts), {self._tenant_header: tenant} if tenant else {})
        if reply.taken:
            return len(alerts)
        if reply.status not in REFUSED or len(alerts) == 1:
            return 0
        middle = len(alerts) // 2  # one bad alert can cost the others their post: they are parted from it
        return await self._post_of(tenant, alerts[:middle]) + await self._post_of(tenant, alerts[middle:])

    async def _forward(self, body: bytes, client: str, headers: Mapping[str, str]) -> Reply:
        began = time.monotonic()
        seen, additions = None, list[Addition]()
        try:
            post = self._read(body, client, headers)
            if post is not None:
                tenant = headers.get(self._tenant_header, "")
                seen = self._observe(self._table.observe(post, client, self._clock(), tenant))
                self._registrar.end(seen.ended)
                self._registrar.look_up(seen.resumed)
                await self._labeller.decide(seen)
                additions = [one.addition if one is not None else Addition() for one in seen.entries]
                body = rewrite(post, additions)
        except Exception:
            log.exception("a post goes on as it came")
            for entry in seen.unknown if seen is not None else ():
                entry.queued = False  # its next copy has it looked up
            seen = None
        reply = await self._upstream.post(body, headers)
        try:
            if seen is not None:
                self._forwarded(seen, additions, reply)
        except Exception:
            log.exception("a post went on and is not followed")
        self._metrics.post_seconds.observe(time.monotonic() - began)
        self._metrics.posts.labels(str(reply.status)).inc()
        return reply

    def _read(self, body: bytes, client: str, headers: Mapping[str, str]) -> Post | None:
        """The alerts of a post; None where it is not followed. What can't be an event becomes a dead letter."""
        encoding = headers.get(ENCODING)
        is_readable = encoding is None and len(headers.get(self._tenant_header, "")) <= limits.NAME_LENGTH
        post = read_post(body, self._clock()) if is_readable else None
        if post is None:
            detail = f"the body is packed ({encoding[:40]})" if encoding else "the body is no list of alerts"
            if encoding is None and not is_readable:
                detail = f"{self._tenant_header} has more than {limits.NAME_LENGTH} characters"
            self._letters.add("no_list", detail, body, f"{client} {detail}".encode())
            self._metrics.not_followed.labels("no_list").inc()
            return None
        for copy, part in zip(post.copies, post.parts, strict=True):
            if isinstance(copy, Rejected):
                self._letters.add(copy.reason, copy.detail, part, copy.labels or part)
        return post

    def _observe(self, seen: Observation) -> Observation:
        self._metrics.alerts.inc(len(seen.entries))
        self._metrics.firings.set(len(self._table))
        for reason in seen.refused:
            self._metrics.not_followed.labels(reason).inc()
        return seen

    def _forwarded(self, seen: Observation, additions: Sequence[Addition], reply: Reply) -> None:
        """Remember what the Alertmanagers have now, and have ids found for what is new to them."""
        unknown = [entry for entry in seen.unknown if entry.firing is None and entry.queued]
        if not reply.taken and reply.status != PARTLY:
            for entry in unknown:
                entry.queued = False  # its sender tries again
            return
        for one, addition in zip(seen.entries, additions, strict=True):
            if one is None:
                continue
            one.forwarded, one.shown = True, addition
            if one.firing is not None and one.addition != addition:
                self._change(one.firing)
        self._registrar.look_up(unknown)

    def _known(self, firing: Firing) -> None:
        """Give a firing its annotations, if its score is known."""
        annotations = self._scores.get(firing.alert_id)
        if annotations:
            if firing.addition.annotations != annotations:
                firing.addition = structs.replace(firing.addition, annotations=annotations)
            self._change(firing)

    def _change(self, firing: Firing) -> None:
        self._changed[firing.alert_id] = firing
        self._changed_came.set()

    async def _run_posts(self) -> None:
        while True:
            await self._changed_came.wait()
            await asyncio.sleep(GATHER_SECONDS)
            some = list(self._changed)[:AT_A_TIME]
            entries = [entry for one in some for entry in self._changed.pop(one).entries]
            if not self._changed:
                self._changed_came.clear()
            stale = [entry for entry in entries if self._is_stale(entry)]
            if stale:
                await self._post_again(stale)

    def _is_stale(self, entry: Entry) -> bool:
        """Whether the Alertmanagers have an older text of a copy that fires."""
        if entry.ended_at is not None or not entry.forwarded or entry.shown == entry.addition:
            return False
        return max(entry.open_until.values(), default=0.0) > self._clock()

    async def _post_again(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            entry.shown = entry.addition
        taken = await self.post([(entry.tenant, add(entry.raw, entry.addition)) for entry in entries])
        if not taken:
            return  # their senders post them again, and then they get it
        self._metrics.annotated.inc(taken)
        ended = [(one.tenant, add(one.raw, one.addition)) for one in entries if one.ended_at is not None]
        if ended:  # while this post was under way, which may have overtaken the end
            await self.post(ended)

    async def _run_sweep(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_seconds)
            self._registrar.end(self._table.sweep(self._clock()))
            self._metrics.firings.set(len(self._table))
            await self._labeller.release_overdue()


async def _again(work: Callable[[], Awaitable[None]]) -> None:
    """Run a work for ever: a fault of ours may not end what passes."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("the relay goes on")
            await asyncio.sleep(FAULT_SECONDS)
