"""A fake of what `Records` reads from: records in memory, with what was marked as consumed."""

from collections.abc import Iterable

from stream.kafka.subscription import Received


def received(value: bytes | None, offset: int, partition: int = 0, headers: dict[str, bytes] | None = None) -> Received:
    """A record of the topic `t`, written at offset + 1 seconds after 1970."""
    return Received("t", partition, offset, offset + 1.0, b"team", value, headers or {})


class MemorySource:
    """Hands out the records given, and more that are appended to `waiting` later; a new one begins at what is marked.

    Attributes:
        marked: by partition, the offset behind the last record that was marked.
        closed: whether it was closed.
    """

    def __init__(self, records: Iterable[Received] = (), marked: dict[int, int] | None = None) -> None:
        self.marked = {} if marked is None else marked
        self.waiting = [one for one in records if one.offset >= self.marked.get(one.partition, 0)]
        self.closed = False
        self.away_seconds = 0.0
        self._polled_empty = False

    @property
    def at_end(self) -> bool:
        """Whether a poll found nothing."""
        return self._polled_empty and not self.waiting

    def poll(self, seconds: float) -> Received | None:
        """The next record."""
        self._polled_empty = not self.waiting
        return self.waiting.pop(0) if self.waiting else None

    def mark_consumed(self, partition: int, offset: int) -> None:
        """Note it, as a commit would."""
        self.marked[partition] = offset + 1

    def close(self) -> None:
        """Note it."""
        assert not self.closed
        self.closed = True
