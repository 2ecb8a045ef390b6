"""What the scorer published: each alert once, each outcome once, and how long it took."""

import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence

import numpy as np
from confluent_kafka import Message
from msgspec import Struct

from stream.config import Settings
from stream.core.events import Raised
from stream.core.once import Once
from stream.core.records import Enriched, Outcome, decode_enriched, decode_outcome
from stream.dev.demo.plan import AlertKey
from stream.eventlog import Line

SHOWN = 12  # latest alerts
DECIDED = 1_000  # newest outcomes
_RATE_SECONDS = 3.0


class Seen(Struct, frozen=True):
    """What was published of one alert."""

    probability: float | None
    flags: frozenset[str]


class Collector:
    """Counts and keeps.

    Args:
        settings: the topics' names.
        keep: keep the records themselves, for `--save`.
    """

    def __init__(self, settings: Settings, keep: bool) -> None:
        self._topics = settings
        self._once, self._once_outcomes = Once(), Once()
        self._keep = keep
        self.enriched: dict[AlertKey, Seen] = {}
        self.outcomes: dict[AlertKey, str] = {}
        self.failed: Counter[str] = Counter()
        self.bands: Counter[str] = Counter()
        self.latest: deque[Enriched] = deque(maxlen=SHOWN)
        self.decided: deque[Outcome] = deque(maxlen=DECIDED)
        self.scored_outcomes: list[Outcome] | None = None
        self.kept: dict[AlertKey, bytes] = {}
        self.kept_outcomes: list[bytes] = []
        self.waiting: dict[AlertKey, float] = {}  # sent and not yet enriched: when it was sent
        self.sent_alerts = 0
        self.done_alerts = 0
        self._latencies = array("d")
        self._marks: deque[tuple[float, int]] = deque()
        self._began = time.monotonic()

    def begin(self, keep_outcomes: bool = False) -> None:
        """A new part of the log: count anew, keep what was seen; with `keep_outcomes` also its scored outcomes."""
        self.scored_outcomes = [] if keep_outcomes else None
        self.sent_alerts = self.done_alerts = 0
        self.bands.clear()
        self._latencies = array("d")
        self._marks.clear()
        self._began = time.monotonic()

    def sent(self, lines: Sequence[Line]) -> None:
        """These lines are being sent."""
        now = time.time()
        for line in lines:
            if type(line.event) is Raised:
                key = (line.event.team, line.event.alert_id)
                if key not in self.enriched and key not in self.waiting:
                    self.waiting[key] = now
                    self.sent_alerts += 1

    def take(self, messages: Sequence[Message]) -> None:
        """These records were read."""
        for message in messages:
            topic, value = message.topic(), message.value() or b""
            if topic == self._topics.topics.enriched:
                self._take_enriched(decode_enriched(value), value, message.timestamp()[1] / 1000.0)
            elif topic == self._topics.topics.outcomes:
                self._take_outcome(decode_outcome(value), value)
            else:
                headers = dict(message.headers() or [])
                self.failed[bytes(headers.get("reason") or b"?").decode()] += 1

    def rate(self) -> float:
        """Alerts enriched a second, lately."""
        now = time.monotonic()
        self._marks.append((now, self.done_alerts))
        while now - self._marks[0][0] > _RATE_SECONDS:
            self._marks.popleft()
        began, done = self._marks[0]
        return (self.done_alerts - done) / (now - began) if now > began else 0.0

    def mean_rate(self) -> float:
        """Alerts enriched a second, since the part began."""
        return self.done_alerts / max(time.monotonic() - self._began, 1e-9)

    def latency_seconds(self, quantile: float) -> float | None:
        """From an event's record to its enriched record, in this part of the log; None where nothing was enriched."""
        return float(np.quantile(np.frombuffer(self._latencies), quantile)) if self._latencies else None

    def _take_enriched(self, record: Enriched, value: bytes, at: float) -> None:
        if not self._once.takes(record):
            return
        key = (record.alert.team, record.alert.alert_id)
        self.enriched[key] = Seen(record.score.probability, frozenset(record.flags))
        self.bands[record.score.band] += 1
        self.latest.append(record)
        if self._keep:
            self.kept[key] = value
        sent_at = self.waiting.pop(key, None)
        if sent_at is not None:
            self.done_alerts += 1
            self._latencies.append(max(at - sent_at, 0.0))

    def _take_outcome(self, record: Outcome, value: bytes) -> None:
        if not self._once_outcomes.takes_outcome(record):
            return
        self.outcomes[record.team, record.alert_id] = record.outcome
        self.decided.append(record)
        if self.scored_outcomes is not None and record.model is not None:
            self.scored_outcomes.append(record)
        if self._keep:
            self.kept_outcomes.append(value)
