"""What becomes of one post: headers, proof, body, events, Kafka's acknowledgement, answer."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from stream.config import IntakeSettings
from stream.core.errors import BadRecord, RecordRefused
from stream.core.events import Raised
from stream.intake.answer import Answer, Tally, refusal
from stream.intake.body import READ_SECONDS, Receive, read_body
from stream.intake.budget import Budget
from stream.intake.errors import Disconnected, Unavailable
from stream.intake.inboxes import Inbox
from stream.intake.publish import RecordPublisher, publish
from stream.intake.resolving import ResolverThread
from stream.kafka.failed import failed_output
from stream.kafka.records import Output, Part
from stream.metrics.intake import IntakeMetrics
from stream.sources.agents import AgentTable
from stream.sources.body import open_body, read_headers
from stream.sources.decisions import Decision, Pending, Resolution
from stream.sources.expiring_store import ExpiringStore
from stream.sources.parsed import Act, BadRequest, Parsed, Refused
from stream.sources.replays import Duplicate, ReplayGuard
from stream.sources.signatures import Proof
from stream.sources.worked import add_worked

log = logging.getLogger(__name__)
ITEMS_AT_A_TIME = 2_000  # of one body, so that a large one neither holds up others nor fills Kafka's queue
SMALL_BYTES = 32 * 1024  # a smaller body is read on the event loop: a thread would cost more
LARGE_BYTES = 1024 * 1024  # of bodies over this one is worked on at a time: as objects they are ten times as large
ROOM = "intake"
LOG_SECONDS = 60.0  # between two lines about refused posts of one source with one status
_OWN_FORM = ("events", "cloudevents")  # who writes it can mend it; others' tools drop what is answered 422
REFUSED_BY_TOPIC = "refused_by_topic"


class Topics(NamedTuple):
    """Names of the topics that an intake writes."""

    events: str
    failed: str


class Outside(Struct, frozen=True):
    """What a post needs beside its inbox.

    Attributes:
        publisher: publishes records.
        topics: where.
        resolving: finds alerts and teams.
        memory: acknowledgements and deliveries.
        agents: who did it, by source.
    """

    publisher: RecordPublisher
    topics: Topics
    resolving: ResolverThread
    memory: ExpiringStore
    agents: AgentTable


class PostHandler:
    """Takes posts; used on the event loop that it was made on.

    Args:
        settings: limits.
        outside: Kafka and memory.
        metrics: counts everything.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: IntakeSettings,
        outside: Outside,
        metrics: IntakeMetrics,
        clock: Callable[[], float] = time.time,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._max_bytes, self._read_seconds = settings.body_bytes, read_seconds
        self._outside, self._metrics, self._clock = outside, metrics, clock
        self._guard = ReplayGuard(outside.memory)
        self._large = asyncio.Semaphore(1)
        self._logged: dict[tuple[str, int], float] = {}
        self.budget = Budget(settings.posts, settings.waiting_bytes)
        metrics.posts_waiting.set_function(lambda: self.budget.posts)
        metrics.bytes_waiting.set_function(lambda: self.budget.bytes)
        metrics.records_waiting.set_function(lambda: outside.publisher.waiting)

    async def handle(self, inbox: Inbox, headers: Iterable[tuple[str, str]], receive: Receive) -> Answer:
        """The answer to a post; comes within the inbox's `answer_seconds`. Raises Disconnected."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(inbox.answer_seconds):
                answer = await self._handle(inbox, headers, receive)
        except TimeoutError:
            answer = refusal(Unavailable(f"the post could not be taken within {inbox.answer_seconds:g} s"))
        except BadRequest as fault:
            answer = refusal(fault)
            self._log_refusal(inbox, fault)
        except Disconnected:
            raise
        except Exception:
            log.critical("a post to %s failed", inbox.source, exc_info=True)
            answer = Answer(500, b'{"error":"this is a fault of noisegate; see its log","field":""}')
        self._metrics.posts.labels(inbox.source, str(answer.status)).inc()
        self._metrics.answer_seconds.labels(inbox.source).observe(time.perf_counter() - begun)
        return answer

    async def _handle(self, inbox: Inbox, pairs: Iterable[tuple[str, str]], receive: Receive) -> Answer:
        headers = read_headers(pairs)
        proof = inbox.authenticator.check_headers(headers)
        with self.budget.enter() as share:
            raw = await read_body(receive, headers, share, self._max_bytes, self._read_seconds)
            received_at = self._clock()

            def read() -> tuple[Proof, Parsed]:
                shown = proof or inbox.authenticator.check_body(raw, headers, received_at)
                return shown, inbox.read(open_body(raw, headers, self._max_bytes), received_at)

            if share.bytes <= SMALL_BYTES:
                return await self._take(inbox, raw, *read())
            if share.bytes <= LARGE_BYTES:
                return await self._take(inbox, raw, *await asyncio.to_thread(read))
            async with self._large:
                return await self._take(inbox, raw, *await asyncio.to_thread(read))

    async def _take(self, inbox: Inbox, raw: bytes, proof: Proof, parsed: Parsed) -> Answer:
        if parsed.refused and not parsed.items and inbox.source in _OWN_FORM:
            first = parsed.refused[0]
            raise BadRequest(422, first.where, f"none of the events can be used, the first because {first.detail}")
        delivery = inbox.delivery_of(parsed, raw, proof.delivery)
        if delivery is not None or proof.signed_at is not None:
            try:
                await asyncio.to_thread(self._guard.check, inbox.source, delivery, proof.signed_at, self._clock())
            except Duplicate:
                return self._answer_duplicate(inbox, parsed)
        if inbox.is_worked and any(isinstance(item, Act) for item in parsed.items):
            memory, agents = self._outside.memory, self._outside.agents
            parsed = await asyncio.to_thread(add_worked, parsed, inbox.agents_source, agents, memory)
        tally = await self.publish(inbox, parsed)
        if delivery is not None:
            await asyncio.to_thread(self._guard.remember, inbox.source, delivery)
        return tally.answer()

    async def publish(self, inbox: Inbox, parsed: Parsed) -> Tally:
        """Make events of what a body says, and return when Kafka has them. Raises Unavailable."""
        tally = Tally()
        tally.ignored = len(parsed.ignored)
        for name in parsed.ignored:
            self._metrics.ignored.labels(inbox.source, name).inc()
        for part in slices(parsed):
            await self._take_part(inbox, part, tally)
        return tally

    async def _take_part(self, inbox: Inbox, parsed: Parsed, tally: Tally) -> None:
        if not parsed.items and not parsed.refused:
            tally.notes += parsed.notes
            return
        resolution = await self._outside.resolving.resolve(inbox.resolver, parsed)
        new = [decision for decision in resolution.decisions if not decision.duplicate]
        topics = self._outside.topics
        outputs = [Output(topics.events, one.event.team.encode(), one.value) for one in new]
        outputs += [self._failed(inbox, part) for part in resolution.refused]
        faults = await publish(self._outside.publisher, outputs)
        events, letters = faults[: len(new)], faults[len(new) :]
        refused = [self._refused(one, fault) for one, fault in zip(new, events, strict=True) if is_refusal(fault)]
        if refused:
            letters += await publish(self._outside.publisher, [self._failed(inbox, part) for part in refused])
        acknowledged = [one for one, fault in zip(new, events, strict=True) if fault is None]
        if pending := confirmable(resolution, new, events):
            self._outside.resolving.confirm(inbox.resolver, pending)
        self._count(inbox, resolution, acknowledged, refused)
        for fault in (*(one for one in events if not is_refusal(one)), *letters):
            if fault is not None:
                raise Unavailable(str(fault).split(";")[0])
        tally.accepted += len(acknowledged)
        tally.duplicates += len(resolution.decisions) - len(new)
        tally.refuse([*resolution.refused, *refused])
        tally.notes += resolution.notes

    def _failed(self, inbox: Inbox, part: Refused) -> Output:
        error = BadRecord(part.reason, f"{part.where}: {part.detail}" if part.where else part.detail)
        where = Part(f"/v1/{inbox.source}", -1)
        return failed_output(self._outside.topics.failed, where, -1, None, part.value, error, ROOM)

    @staticmethod
    def _refused(decision: Decision, fault: BaseException | None) -> Refused:
        return Refused("", REFUSED_BY_TOPIC, f"alert {decision.event.alert_id}: {fault}", decision.value)

    def _answer_duplicate(self, inbox: Inbox, parsed: Parsed) -> Answer:
        tally = Tally()
        tally.duplicates = max(1, len(parsed.items))
        self._metrics.duplicates.labels(inbox.source).inc(tally.duplicates)
        return tally.answer()

    def _count(
        self, inbox: Inbox, resolution: Resolution, acknowledged: Sequence[Decision], refused: Sequence[Refused]
    ) -> None:
        metrics, source = self._metrics, inbox.source
        raised = sum(isinstance(one.event, Raised) for one in acknowledged)
        for name, count in (("raised", raised), ("acted", len(acknowledged) - raised)):
            if count:
                metrics.events.labels(source, name).inc(count)
        duplicates = sum(one.duplicate for one in resolution.decisions)
        if duplicates:
            metrics.duplicates.labels(source).inc(duplicates)
        for part in (*resolution.refused, *refused):
            metrics.refused.labels(source, part.reason).inc()
        if resolution.default_teams:
            metrics.default_team.labels(source).inc(resolution.default_teams)
        if cut := sum(one.cut for one in acknowledged):
            metrics.cut.labels(source).inc(cut)
        if resolution.fallbacks:
            metrics.fallbacks.inc(resolution.fallbacks)

    def _log_refusal(self, inbox: Inbox, fault: BadRequest) -> None:
        """One line a minute for each source and status: whoever posts nonsense must not fill the log."""
        key, now = (inbox.source, fault.status), time.monotonic()
        quiet = isinstance(fault, Unavailable) or now - self._logged.get(key, -LOG_SECONDS) < LOG_SECONDS
        log.log(
            logging.DEBUG if quiet else logging.WARNING,
            "a post to %s is answered %d: %s",
            inbox.source,
            fault.status,
            fault,
        )
        if not quiet:
            self._logged[key] = now


def slices(parsed: Parsed) -> Iterable[Parsed]:
    """A body in parts of at most ITEMS_AT_A_TIME things; what can't be used goes with the first."""
    first = msgspec.structs.replace(parsed, items=parsed.items[:ITEMS_AT_A_TIME])
    return (
        first,
        *(
            Parsed(parsed.items[start : start + ITEMS_AT_A_TIME])
            for start in range(ITEMS_AT_A_TIME, len(parsed.items), ITEMS_AT_A_TIME)
        ),
    )


def is_refusal(fault: BaseException | None) -> bool:
    """Whether a topic refuses the record for good."""
    return isinstance(fault, RecordRefused)


def confirmable(
    resolution: Resolution, decisions: Sequence[Decision], faults: Sequence[BaseException | None]
) -> list[Pending]:
    """What may be remembered as published: that of alerts of which Kafka has every event."""
    if not any(faults):
        return resolution.pending
    missing = {one.event.alert_id for one, fault in zip(decisions, faults, strict=True) if fault is not None}
    return [pending for pending in resolution.pending if pending.alert_id not in missing]
