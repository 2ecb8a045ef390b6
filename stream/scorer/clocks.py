"""How far this worker's clock is from the broker's, told from its own ticks when it reads them back, or from Redis's.

A tick moves event time no further than its record's timestamp. Where the broker stamps records (LogAppendTime), a
worker's clock can therefore do no harm; where producers do, only Redis can tell that it is wrong.
"""

import logging
from collections.abc import Sequence
from time import monotonic
from typing import Any

from stream.core.events import words_for
from stream.kafka.records import Part
from stream.metrics.scorer import ScorerMetrics

log = logging.getLogger(__name__)
BOUND_SECONDS = 30.0
"""A worker whose clock differs by more writes no ticks."""
_PROBE_SECONDS = 600.0  # but one so often where it can do no harm, to see whether the clocks agree again
LOG_APPEND_TIME_TYPE = 1
"""`timestamp_type` of a record that the broker stamped."""


class ClockWatch:
    """Measures the difference and says when it is too large.

    Args:
        metrics: shows it.
        ticks: whether this worker writes any; where it does not, its clock does no harm and is only shown.
    """

    def __init__(self, metrics: ScorerMetrics, ticks: bool) -> None:
        self._ticks = ticks
        self._metrics = metrics
        self._wrote: dict[Part, float] = {}
        self._stamped: bool | None = None  # whether the broker stamps the records; None: no record was read yet
        self._to_broker: float | None = None
        self._to_redis: float | None = None
        self._to_redis_then: float | None = None  # when the difference to the broker was measured
        self._probed_at = -_PROBE_SECONDS
        self.fault: str | None = None

    def redis_said(self, before: float, clock: float | None, after: float) -> None:
        """Redis's clock, and this worker's before it was asked and after it answered; seconds since 1970."""
        if clock is None:
            return
        self._to_redis = difference(before, clock, after)
        then = self._to_redis_then
        if then is not None and abs(self._to_redis - then) > BOUND_SECONDS:  # a clock was set: measure anew
            self._to_broker = self._to_redis_then = None
        self._tell()

    def wrote(self, part: Part, at: float) -> None:
        """This worker has written a tick for `at`, as its clock said."""
        self._wrote[part] = at

    def read(self, part: Part, last: Any, ticks: Sequence[tuple[float, float]], now: float) -> None:
        """Look at a batch that was read.

        Args:
            part: its partition.
            last: its last Kafka record, which says who stamps the topic's records.
            ticks: `at` and record timestamp of the ticks in it, seconds since 1970.
            now: this worker's clock.
        """
        self._stamped = getattr(last, "timestamp_type", None) == LOG_APPEND_TIME_TYPE
        for at, recorded_at in ticks:
            if self._stamped and self._wrote.get(part) == at:
                del self._wrote[part]
                self._to_broker, self._to_redis_then = difference(at, recorded_at, now), self._to_redis
                self._tell()

    def may_tick(self) -> bool:
        """Whether ticks may be written: the clock is right as far as is known, or a tick would show that it is."""
        if self.fault is None:
            return True
        if not self._stamped or monotonic() - self._probed_at < _PROBE_SECONDS:
            return False
        self._probed_at = monotonic()
        return True

    def _tell(self) -> None:
        ours, whose = (self._to_broker, "the broker") if self._stamped else (self._to_redis, "Redis")
        ours = ours or 0.0
        self._metrics.clock_difference.set(ours)
        fault = sentence(ours, whose) if self._ticks and abs(ours) > BOUND_SECONDS else None
        if fault and self.fault is None:
            log.error("%s; no ticks are written until then", fault)
            self._probed_at = monotonic()
        elif self.fault and not fault:
            log.warning("this machine's clock agrees with that of %s; ticks are written again", whose)
        self.fault = fault


def difference(before: float, theirs: float, after: float) -> float:
    """How far a clock that said `before` and, later, `after` is at least ahead of one that said `theirs` between.

    >>> difference(100.0, 100.2, 100.5), difference(160.0, 100.0, 161.0), difference(100.0, 160.0, 101.0)
    (0.0, 60.0, -59.0)
    """
    return before - theirs if before > theirs else min(after - theirs, 0.0)


def sentence(seconds: float, whose: str) -> str:
    """What is wrong with a clock that is so far ahead, or behind below 0, with the mend."""
    side = "ahead of" if seconds > 0 else "behind"
    return f"this machine's clock is {words_for(abs(seconds))} {side} that of {whose}; set the one that is wrong (NTP)"
