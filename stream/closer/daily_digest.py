"""The daily digest: what each owner's rules did in 24 hours, posted once a day to every webhook among the targets.

One closer sends it, the one that holds the first partition of the outcomes, in a thread of its own. What is not taken
is sent again until the next digest is due. The id of a post is the same whoever sends it, so a receiver drops a second.
"""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread

from msgspec import Struct, field

from stream.closer.digest_post import DigestEvent, DigestMarks, Marks, digest_event, read_webhooks
from stream.closer.targets.target import DeedRefused, TargetAway
from stream.closer.targets.webhook import WebhookTarget
from stream.config import Settings
from stream.core.errors import NoisegateError
from stream.core.events import moment
from stream.core.problem import DAY_SECONDS
from stream.core.rule_index import RuleIndex
from stream.metrics.closer import CloserMetrics
from stream.rule_digest import Digest, read_digests
from stream.rule_state import RuleState

log = logging.getLogger(__name__)
SETTLE_SECONDS = 30.0  # what was decided just before a digest is due is in Kafka by then
FIRST_WAIT_SECONDS, MOST_WAIT_SECONDS = 30.0, 3_600.0
_LOOK_SECONDS = 2.0
_REST_SECONDS = 0.02  # after every thousand records that are read: the lane comes first


def latest_due(now: float, at: str) -> float:
    """When the time of day `at` (UTC) was last; both in seconds since 1970.

    >>> latest_due(86_400.0 + 7 * 3_600, "07:00"), latest_due(86_400.0 + 3_600, "07:00")
    (111600.0, 25200.0)
    """
    hours, minutes = at.split(":")
    of_day = int(hours) * 3_600.0 + int(minutes) * 60.0
    return (now - of_day) // DAY_SECONDS * DAY_SECONDS + of_day


class _Stopped(Exception):
    """The process ends."""


class _Day(Struct):
    """The digest that is due: when it was due, and what became of it so far.

    `events` is None until they are made, `taken` holds event and target of what was posted, `fault` is empty while
    nothing failed.
    """

    due: float
    events: Sequence[DigestEvent] | None = None
    taken: set[tuple[str, str]] = field(default_factory=set)
    is_sent: bool = False
    attempts: int = 0
    again_at: float = 0.0
    fault: str = ""


class DailyDigest:
    """Sends the digests of each day. `look` is called by one thread, the rest by any.

    Args:
        at: the time of day (UTC), such as "07:00".
        deployment: part of each id.
        webhooks: which get each digest; closed at `stop`.
        make: makes the digests of a span, from its begin to its end, seconds since 1970; calls its third argument now
            and then, and ends by what that raises.
        marks: which were sent.
        is_mine: whether this process is the one that sends.
        metrics: count the posts.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        at: str,
        deployment: str,
        webhooks: Sequence[WebhookTarget],
        make: Callable[[float, float, Callable[[], None]], Sequence[Digest]],
        marks: Marks,
        is_mine: Callable[[], bool],
        metrics: CloserMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._at, self._deployment, self._webhooks, self._make = at, deployment, webhooks, make
        self._marks, self._is_mine, self._metrics, self._clock = marks, is_mine, metrics, clock
        self._day = _Day(latest_due(clock(), at))
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="digest", daemon=True)
        for target in webhooks:
            for result in ("done", "again", "refused"):
                metrics.digests.labels(target.name, result)

    @property
    def fault(self) -> str | None:
        """Why the digest that is due is not sent yet, one sentence; None where nothing failed."""
        return self._day.fault or None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Send nothing more, and wait for a post that is under way, at most so many seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        for target in self._webhooks:
            target.close()
        self._marks.close()

    def look(self) -> None:
        """Send what is due, if this process is the one that sends; what fails is tried again later."""
        now = self._clock()
        due = latest_due(now, self._at)
        if due > self._day.due:
            self._give_up()
            self._day = _Day(due)
        day = self._day
        if day.is_sent or now < day.due + SETTLE_SECONDS:
            return
        if not self._is_mine():
            self._day = _Day(day.due)  # another process sends it
            return
        if now < day.again_at:
            return
        try:
            self._send(day)
        except NoisegateError as error:
            self._try_later(day, error)

    def _send(self, day: _Day) -> None:
        """Post what was not taken yet.

        Raises:
            NoisegateError: Kafka or Redis is away, or not all was taken.
        """
        name = f"{moment(day.due):%F}"
        if not self._marks.is_sent(name):
            if day.events is None:
                made = self._make(day.due - DAY_SECONDS, day.due, self._rest)
                day.events = [digest_event(one, self._deployment) for one in made]
            posts = [(target, event) for target in self._webhooks for event in day.events]
            faults = [fault for target, event in posts if (fault := self._post(day, target, event)) is not None]
            if faults:
                raise max(faults, key=_retry_seconds)
            self._marks.note_sent(name)
            log.info("daily digest", extra={"fields": {"day": name, "digests": len(day.events)}})
        day.is_sent, day.events, day.fault = True, None, ""

    def _post(self, day: _Day, target: WebhookTarget, event: DigestEvent) -> NoisegateError | None:
        """Post one digest unless it was; returns what failed."""
        if (event.id, target.name) in day.taken:
            return None
        if self._stopping.is_set():
            raise _Stopped
        name = f"{event.id}:{target.name}"
        if self._marks.claim(name):
            try:
                target.post(event.id, event.body)
            except (TargetAway, DeedRefused) as error:
                self._metrics.digests.labels(target.name, "again").inc()
                self._marks.free(name)
                return error
            self._metrics.digests.labels(target.name, "done").inc()
            day.taken.add((event.id, target.name))
            self._marks.note_sent(name)
        elif not self._marks.is_sent(name):
            return TargetAway("another closer is sending it")
        day.taken.add((event.id, target.name))
        return None

    def _try_later(self, day: _Day, error: NoisegateError) -> None:
        wait = min(FIRST_WAIT_SECONDS * 2.0 ** min(day.attempts, 20), MOST_WAIT_SECONDS)
        day.attempts += 1
        day.again_at = self._clock() + max(wait, _retry_seconds(error))
        day.fault = f"the digest of {moment(day.due):%F} is not sent: {error}"
        log.warning("%s", day.fault)

    def _give_up(self) -> None:
        """Count what was not taken when the next digest is due."""
        if not self._day.fault:
            return
        log.error("given up after a day: %s", self._day.fault)
        for target in self._webhooks:
            untaken = 1  # where not even the digests could be made
            if self._day.events is not None:
                untaken = sum((event.id, target.name) not in self._day.taken for event in self._day.events)
            self._metrics.digests.labels(target.name, "refused").inc(untaken)

    def _rest(self) -> None:
        if self._stopping.wait(_REST_SECONDS):
            raise _Stopped

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except _Stopped:
                return
            except Exception as error:  # a fault of ours: it is tried again, and so is the next digest
                log.exception("the daily digest failed in a way that nobody foresaw")
                self._try_later(self._day, NoisegateError(f"{type(error).__name__}: {error}"))
            self._stopping.wait(_LOOK_SECONDS)


def make_daily_digest(
    settings: Settings,
    state: RuleState,
    rules: Callable[[], RuleIndex],
    is_mine: Callable[[], bool],
    metrics: CloserMetrics,
    seconds: float,
) -> DailyDigest | None:
    """The daily digest of a closer, not started; None where no time is set.

    Args:
        settings: the time, the file of targets, Kafka and Redis.
        state, rules: whose rules there are: those that were judged, and those in use.
        is_mine, metrics: as of `DailyDigest`.
        seconds: how long Redis may take.

    Raises:
        SettingsError: there is no webhook that it can be sent to, or the file of targets can't be used.
    """
    if not settings.closer.digest_at:
        return None
    url, deployment = settings.redis.url, settings.deployment

    def make(since: float, until: float, rest: Callable[[], None]) -> Sequence[Digest]:
        owners = {name: one.owner for name, one in state.standings(bounds=False).items()}
        owners |= {one.rule.name: one.rule.owner for one in rules().rules}
        return read_digests(settings, owners, since, until, rest)

    webhooks, marks = read_webhooks(settings), DigestMarks(url, deployment, seconds)
    return DailyDigest(settings.closer.digest_at, deployment, webhooks, make, marks, is_mine, metrics)


def _retry_seconds(error: NoisegateError) -> float:
    return (error.retry_seconds or 0.0) if isinstance(error, TargetAway) else 0.0
