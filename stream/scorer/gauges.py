"""The gauges that /metrics shows of each assigned partition."""

import math
from collections.abc import Collection

from stream.kafka.records import Part
from stream.metrics.scorer import ScorerMetrics


class PartitionGauges:
    """Shows the partitions of this worker, and no longer those that another one has now.

    Args:
        metrics: the process's metrics.
    """

    def __init__(self, metrics: ScorerMetrics) -> None:
        self._metrics = metrics
        self._assigned: set[Part] = set()
        self._times: dict[Part, float] = {}  # as shown, which never goes back

    def keep_only(self, assigned: Collection[Part]) -> None:
        """Stop showing the partitions that were revoked: their values here would stay as they are."""
        for part in self._assigned - set(assigned):
            for gauge in (self._metrics.lane.lag, self._metrics.held, self._metrics.history_time):
                gauge.remove(*part)
            self._times.pop(part, None)
        self._assigned = set(assigned)

    def show_time(self, part: Part, at: float) -> None:
        """Show the event time to which a partition is folded, seconds since 1970."""
        if at > self._times.get(part, -math.inf):
            self._times[part] = at
            self._metrics.history_time.labels(*part).set(at)

    def show_held(self, part: Part, count: int) -> None:
        """Show how many actions wait for their alert."""
        self._metrics.held.labels(*part).set(count)
