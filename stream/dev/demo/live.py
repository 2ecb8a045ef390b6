"""What the page shows behind the replay: the log's last days once more, up to now, and then one alert after another.

For the page the log is moved by whole weeks, so that hours and weekdays stay what they were. From now on nobody but
the person at the page acts, so that all that changes in the history is their doing.
"""

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from stream.core import limits
from stream.core.errors import SettingsError
from stream.core.events import Acted, Raised, encode_event, moment
from stream.core.kinds import PERSON
from stream.core.problem import Problem
from stream.dev.demo.collector import Collector
from stream.dev.demo.rules import ShadowCloser
from stream.dev.stack import ScorerProcess, TriageProcess
from stream.eventlog import Line
from stream.extras import import_extra
from stream.kafka.reader import Reader
from stream.kafka.replay import Feed

DAY = 86_400.0
PERIODS = (7 * DAY, DAY)  # the log's last days are the longest of these that the log covers, else the last of them
INTERVAL_SECONDS = 4.0  # between two alerts: time to read one, and something to see in the first minute
AFTER_VERDICT_SECONDS = 1.0
TICK_SECONDS = 10.0
SHOWN_LINES = 10_000  # of the last days, on the page when it opens
CHUNK, CHUNK_SECONDS = 120, 0.1  # some 400 alerts a second: of more than 500 the page shows a sample
_POLL_SECONDS = 0.2
_MODULES = ("starlette", "uvicorn", "sse_starlette", "jinja2")


def check_page(problem: Problem) -> None:
    """Find out whether there can be a page.

    Raises:
        NoisegateError: a package is missing, a button would have no kind, or the log can't be moved.
    """
    for module in _MODULES:
        import_extra(module, "web", "the demo's page needs", SettingsError)
    verdict_kinds(problem)
    if problem.exclude.flood_days or problem.exclude.windows:
        raise SettingsError(
            "for the page the log is moved to now, but the problem file excludes days of its own time",
            "take flood_days and windows out of a copy of it, or see the figures alone with --no-browser",
        )


def verdict_kinds(problem: Problem) -> dict[str, str]:
    """The kinds that the page's buttons write: `worked` and `dismissed`, or the problem's first ones of a person.

    Raises:
        SettingsError: nothing that a person does is noise, or actionable.
    """
    deciding = problem.outcome.deciding(PERSON)
    kinds = {}
    for action, usual, wanted in (("acted", "worked", True), ("dismissed", "dismissed", False)):
        found = [kind for kind, meant in deciding.items() if meant is wanted]
        if not found:
            name = "actionable" if wanted else "noise"
            raise SettingsError(
                f"the problem file names no kind that a person's act makes {name}", f"add one to {name}"
            )
        kinds[action] = usual if usual in found else found[0]
    return kinds


def period_seconds(covered: float) -> float:
    """How long the last days are of a log that covers so many seconds; it is moved by a multiple of it."""
    return next((period for period in PERIODS if period <= covered), PERIODS[-1])


def shift_seconds(ended_at: float, period: float, now: float) -> float:
    """By how much a log is moved: it then ends one to two periods before `now`."""
    return ((now - ended_at) // period - 1) * period


def moved(line: Line, by: float, suffix: str = "") -> Line:
    """A line `by` seconds later, its alert's and action's ids with a suffix."""
    event, delay = line.event, timedelta(seconds=by)
    if isinstance(event, Acted):
        until = event.until + delay if event.until else None
        action_id = _suffixed(event.action_id, suffix)
        event = replace(event, at=event.at + delay, until=until, action_id=action_id)
    else:
        event = replace(event, at=event.at + delay)
    if suffix and isinstance(event, Raised | Acted):
        event = replace(event, alert_id=_suffixed(event.alert_id, suffix))
    return Line(event, event.at.timestamp(), encode_event(event))


class LastDays(Struct, frozen=True, eq=False):
    """What happened again since the moved log ended, and what is to come.

    Attributes:
        earlier: lines before the page is there.
        shown: lines of the last period, which the page has when it opens.
        upcoming: alerts after these.
    """

    earlier: list[Line]
    shown: list[Line]
    upcoming: "Upcoming"


def last_days(
    lines: Iterable[Line], raised_at: float, ended_at: float, period: float, shift: float, now: float
) -> LastDays:
    """A log's last days with alerts, again and again from the end of the log moved by `shift` on up to `now`.

    Args:
        lines: the log.
        raised_at: when its last alert was raised; seconds, as all other times.
        ended_at: when it ended; that may be days later.
        period: how long the last days are.
        shift: by how much the log is moved.
        now: up to when they have happened.
    """
    again = _lines_since(lines, raised_at - period)
    alerts = [line.event for line in again if isinstance(line.event, Raised)]
    past: list[Line] = []
    number = 0
    while True:
        number += 1
        by = shift + number * period
        happened = [line for line in again if line.at + by <= now]
        past += [moved(line, by, f"-{number}") for line in _lines_since(happened, ended_at + shift - by)]
        first = sum(isinstance(line.event, Raised) for line in happened)
        if first < len(alerts):
            break
    past.sort(key=lambda line: line.at)  # late acts come after the next round's first alerts
    border = max(bisect_right(past, now - period, key=lambda line: line.at), len(past) - SHOWN_LINES)
    return LastDays(past[:border], past[border:], Upcoming(alerts, first, number))


def _lines_since(lines: Iterable[Line], since: float) -> list[Line]:
    """The alerts raised after `since`, and the acts on them."""
    known, found = set(), []
    for line in lines:
        event = line.event
        if line.at <= since or not isinstance(event, Raised | Acted):
            continue
        if isinstance(event, Raised):
            known.add((event.team, event.alert_id))
        if (event.team, event.alert_id) in known:
            found.append(line)
    return found


class Upcoming:
    """The alerts to come, without end: those of the last days in order, again and again, each time with new ids.

    Args:
        alerts: of the last days; at least one.
        first: index of the first to come.
        number: how often they have come, this time counted; it is in their ids.
    """

    def __init__(self, alerts: Sequence[Raised], first: int, number: int) -> None:
        self._all = list(alerts)
        self._round = number
        self._queue = deque(self._renamed()[first:])
        self._wanted: deque[tuple[str, str]] = deque()
        self._judged: set[tuple[str, str, str]] = set()

    @property
    def is_wanted(self) -> bool:
        """Whether an alert is to be brought forward."""
        return bool(self._wanted)

    def bring_forward(self, team: str, rule: str, entity: str) -> None:
        """Let the next alert of a team and rule come next, of an entity that has no verdict yet, if there is one.

        Another alert of a judged entity would only join its row, which is out of sight, and take its verdict.
        """
        if (team, rule, entity) not in self._judged:
            self._judged.add((team, rule, entity))
            self._wanted.append((team, rule))

    def take(self, at: float) -> Raised:
        """The next alert, raised at `at`."""
        if not self._queue:
            self._refill()
        index = None
        while index is None and self._wanted:
            index = self._find(*self._wanted.popleft())
        alert = self._queue[index or 0]
        del self._queue[index or 0]
        return replace(alert, at=moment(at))

    def _find(self, team: str, rule: str) -> int | None:
        """Where the alert stands; the queue is filled up if it has none."""

        def fits(alert: Raised) -> bool:
            known = (alert.team, alert.rule, alert.entity) in self._judged
            return not known and (alert.team, alert.rule) == (team, rule)

        if not any(map(fits, self._all)):
            return None
        if not any(map(fits, self._queue)):
            self._refill()
        return next(number for number, alert in enumerate(self._queue) if fits(alert))

    def _refill(self) -> None:
        self._round += 1
        self._queue.extend(self._renamed())

    def _renamed(self) -> list[Raised]:
        suffix = f"-{self._round}"
        return [replace(alert, alert_id=_suffixed(alert.alert_id, suffix)) for alert in self._all]


class Live:
    """The part that lasts until somebody ends it.

    Args:
        page: serves the page.
        scorer: scores.
        closer: decides.
        feed: takes events.
        reader: reads what the scorer publishes.
        collected: keeps it.
    """

    def __init__(
        self,
        page: TriageProcess,
        scorer: ScorerProcess,
        closer: ShadowCloser,
        feed: Feed,
        reader: Reader,
        collected: Collector,
    ) -> None:
        self._page, self._scorer, self._closer, self._feed, self._reader = page, scorer, closer, feed, reader
        self._collected = collected

    def fill(self, lines: Sequence[Line]) -> None:
        """Send what the page has when it opens, no faster than it shows all of it."""
        for start in range(0, len(lines), CHUNK):
            self._send(lines[start : start + CHUNK])
            self._watch(CHUNK_SECONDS)
        self._feed.tick(time.time())

    def run(self, upcoming: Upcoming) -> None:
        """Send alerts until the process is interrupted; after a verdict the next alert of that team and rule comes."""
        began = ticked_at = time.time()
        sent_at = 0.0
        self._collected.decided.clear()
        while True:
            now = time.time()
            if now - sent_at >= (AFTER_VERDICT_SECONDS if upcoming.is_wanted else INTERVAL_SECONDS):
                sent_at = now
                alert = upcoming.take(now)
                self._send([Line(alert, now, encode_event(alert))])
            if now - ticked_at >= TICK_SECONDS:
                ticked_at = now
                self._feed.tick(now)
            self._watch(_POLL_SECONDS)
            while self._collected.decided:
                outcome = self._collected.decided.popleft()
                if outcome.agent == PERSON and outcome.decided_at.timestamp() >= began:
                    upcoming.bring_forward(outcome.team, outcome.rule, outcome.entity)

    def _send(self, lines: Sequence[Line]) -> None:
        self._collected.sent(lines)
        self._feed.send(lines)
        self._feed.flush()

    def _watch(self, seconds: float) -> None:
        """Read what comes for some time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._collected.take(self._reader.read(left))
        self._scorer.check()
        self._page.check()
        self._closer.check()


def _suffixed(name: str, suffix: str) -> str:
    return name[: limits.ID_LENGTH - len(suffix)] + suffix
