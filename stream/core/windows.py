"""Maintenance windows, so sorted that an alert is held against those of its own time only."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from stream.core.events import Raised, seconds
from stream.core.problem import Window


class Windows:
    """The maintenance windows of a problem."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = sorted(windows, key=lambda window: window.start)
        self._starts = [seconds(window.start) for window in self._windows]
        self._ends = [seconds(window.end) for window in self._windows]
        self._latest = list(accumulate(self._ends, max))  # the latest end of a window and all that begin before it

    def cover(self, alert: Raised, at: float) -> bool:
        """Whether an alert raised at `at` (seconds since 1970) lies in a window; its end is no longer part of it."""
        place = bisect_right(self._starts, at) - 1
        while place >= 0 and self._latest[place] > at:
            if self._ends[place] > at and self._windows[place].matches(alert):
                return True
            place -= 1
        return False
