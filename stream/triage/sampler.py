"""A sample of the new alerts when more come than people could read. Pure: time comes in as an argument."""

from collections import deque
from zlib import crc32


class Sampler:
    """Which new alerts are shown when more come than `per_second`: a share of the episodes, and what is likely.

    Attributes:
        share: of the alerts that came in the second before, so many are shown now; 1: all.
    """

    def __init__(self, per_second: int) -> None:
        self._most = per_second
        self.share = 1.0
        self._second, self._came, self._likely = 0, 0, 0
        self._minute: deque[tuple[int, int]] = deque(maxlen=60)

    def takes(self, name: str, likely: bool, now: float) -> bool:
        """Whether the alert is shown; `name` is the same for all of an episode, so that it is shown whole or not."""
        self._roll(now)
        self._came += 1
        if likely and self._likely < self._most:
            self._likely += 1
            return True
        return self.share >= 1.0 or crc32(name.encode()) < self.share * 2**32

    def per_minute(self, now: float) -> int:
        """How many alerts came in the last minute."""
        self._roll(now)
        return self._came + sum(count for second, count in self._minute if second > int(now) - 60)

    def _roll(self, now: float) -> None:
        second = int(now)
        if second == self._second:
            return
        if self._came:
            self._minute.append((self._second, self._came))
        rate = self._came if second == self._second + 1 else 0
        self.share = min(1.0, self._most / rate) if rate else 1.0
        self._second, self._came, self._likely = second, 0, 0
