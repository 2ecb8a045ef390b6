"""A sample of the new alerts when more come than people could read. Pure: time comes in as an argument."""

from collections import deque
from zlib import crc32

_MINUTE = 60.0
_NEW_SECONDS = 3_600.0  # alerts of a replay are scored now, and were raised long ago: they are no part of the rate


class Sampler:
    """Which new alerts are shown when more come than `per_second`: a share of the episodes, and what is likely.

    Attributes:
        share: of the alerts that came in the second before, so many are shown now; 1: all.
    """

    def __init__(self, per_second: int) -> None:
        self._most = per_second
        self.share = 1.0
        self._second, self._came, self._new, self._likely = 0, 0, 0, 0
        self._minute: deque[tuple[int, int]] = deque(maxlen=60)
        self._began: float | None = None

    def takes(self, name: str, likely: bool, now: float, age_seconds: float = 0.0) -> bool:
        """Whether the alert is shown; `name` is the same for all of an episode, so that it is shown whole or not."""
        self._roll(now)
        self._came += 1
        self._new += age_seconds < _NEW_SECONDS
        if likely and self._likely < self._most:
            self._likely += 1
            return True
        return self.share >= 1.0 or crc32(name.encode()) < self.share * 2**32

    def per_minute(self, now: float) -> int | None:
        """How many new alerts came in the last minute; None before there was a whole one."""
        self._roll(now)
        if self._began is None or now - self._began < _MINUTE:
            return None
        return self._new + sum(count for second, count in self._minute if second > int(now) - _MINUTE)

    def _roll(self, now: float) -> None:
        second = int(now)
        if self._began is None:
            self._began = now
        if second == self._second:
            return
        if self._new:
            self._minute.append((self._second, self._new))
        rate = self._came if second == self._second + 1 else 0
        self.share = min(1.0, self._most / rate) if rate else 1.0
        self._second, self._came, self._new, self._likely = second, 0, 0, 0
