"""A queue of event-time timers, in order of due time, ties by team and alert."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

QueuedTimer = tuple[float, str, str]  # due time in seconds since 1970, team, alert_id
_COMPACT = 4_096


class TimerQueue:
    """A sorted list of timers from whose front it is cheap to take.

    It may be a window on a longer list kept elsewhere: then it holds exactly what is due before `until`.
    """

    def __init__(self, entries: Iterable[QueuedTimer] = (), until: float = float("inf")) -> None:
        self._entries = sorted(entries)
        self._head = 0
        self.until = until

    def __len__(self) -> int:
        return len(self._entries) - self._head

    def __iter__(self) -> Iterator[QueuedTimer]:
        return iter(self._entries[self._head :])

    def add(self, due: QueuedTimer) -> None:
        """Add a timer, unless it lies beyond the window."""
        if due[0] >= self.until:
            return
        entries = self._entries
        if not entries or due >= entries[-1]:
            entries.append(due)
        else:
            insort(entries, due, lo=self._head)

    def remove(self, due: QueuedTimer) -> None:
        """Remove a timer, if it is there."""
        index = bisect_left(self._entries, due, lo=self._head)
        if index < len(self._entries) and self._entries[index] == due:
            del self._entries[index]

    def before(self, at: float) -> list[QueuedTimer]:
        """All that is due before `at`, in order, still kept."""
        if self._head == len(self._entries) or self._entries[self._head][0] >= at:
            return []
        return self._entries[self._head : bisect_left(self._entries, (at, "", ""), lo=self._head)]

    def count_before(self, at: float) -> int:
        """How many of those kept are due before `at`."""
        return bisect_left(self._entries, (at, "", ""), lo=self._head) - self._head

    def nth(self, index: int) -> QueuedTimer:
        """The timer at this index, 0 for the first."""
        return self._entries[self._head + index]

    def first(self) -> float:
        """When the first one is due; infinity where nothing is."""
        return self._entries[self._head][0] if self._head < len(self._entries) else float("inf")

    def pop_before(self, at: float) -> QueuedTimer | None:
        """Take the first due before `at`, if there is one."""
        if self._head == len(self._entries):
            return None
        due = self._entries[self._head]
        if due[0] >= at:
            return None
        self._head += 1
        if self._head >= _COMPACT:
            del self._entries[: self._head]
            self._head = 0
        return due

    def narrow(self, count: int) -> None:
        """Once there are more than twice `count`, keep about the first `count`: the window ends before the next."""
        if len(self) <= 2 * count:
            return
        until = self._entries[self._head + count][0]
        end = bisect_left(self._entries, (until, "", ""), lo=self._head)
        if end > self._head:  # timers that all tie can't be parted
            del self._entries[end:]
            self.until = until

    def extend(self, entries: Iterable[QueuedTimer], until: float) -> None:
        """Widen the window to `until` with what the longer list holds there."""
        del self._entries[: self._head]
        self._head = 0
        self._entries += entries
        self._entries.sort()  # two sorted runs: a merge
        self.until = until
