"""Rings when too many of the last records are bad: a producer is broken, not a record."""

import logging
from collections import deque
from collections.abc import Mapping

from stream.config import Settings
from stream.core.errors import NoisegateError
from stream.kafka.records import Part
from stream.metrics.scorer import ScorerMetrics
from stream.scorer.decode import Decoded
from stream.scorer.partition import Partition

log = logging.getLogger(__name__)


class BadRecordWatch:
    """Watches the share of bad records among the last `bad_window`.

    Args:
        settings: the window, the share that rings, and whether the process then ends.
        metrics: show the share.
    """

    def __init__(self, settings: Settings, metrics: ScorerMetrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._recent: deque[bool] = deque(maxlen=settings.scorer.bad_window)
        self._ringing = False

    def count(self, marks: list[bool]) -> None:
        """Take in of each record in turn whether it was bad.

        Raises:
            NoisegateError: more are bad than `bad_share`, and `stop_on_bad` is set.
        """
        self._recent.extend(marks[-self._settings.scorer.bad_window :])
        if not self._ringing and not any(marks):
            return
        share = sum(self._recent) / self._settings.scorer.bad_window
        self._metrics.bad_share.set(share)
        rings = share > self._settings.scorer.bad_share
        if rings and not self._ringing:
            log.error("%.0f %% of the last records are bad; see `noisegate failed list`", 100 * share)
        if rings and self._settings.scorer.stop_on_bad:
            raise NoisegateError(
                f"{share:.0%} of the last records are bad and stop_on_bad is set", f"see alerts.failed"
            )
        self._ringing = rings


def bad_flags(decoded: Mapping[Part, Decoded], partitions: Mapping[Part, Partition]) -> list[bool]:
    """Of each record that is not folded again in silence, whether it was bad."""
    marks = []
    for part, batch in decoded.items():
        silent_until = partitions[part].silent_until
        if batch.events and not batch.failed and batch.events[0][2].offset >= silent_until:
            marks += [False] * len(batch.events)
            continue
        one = [(record.offset, False) for _, _, record in batch.events if record.offset >= silent_until]
        one += [(record.offset, True) for record, _ in batch.failed if record.offset >= silent_until]
        marks += [bad for _, bad in sorted(one)]
    return marks
