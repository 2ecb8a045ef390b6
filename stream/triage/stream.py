"""Batches on their way to browsers: encoded once for all, merged for who is slow, kept for who comes back."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence

from stream.core import limits
from stream.triage.view import Batch, Row, encode


def frame_of(batch: Batch) -> bytes:
    """A batch as a server-sent event."""
    return b"id: %d\r\nevent: batch\r\ndata: %b\r\n\r\n" % (batch.seq, encode(batch))


def reset_frame(seq: int) -> bytes:
    """The event for a browser of which nobody knows any more what it missed: it takes new rows."""
    return b'id: %d\r\nevent: reset\r\ndata: {"seq":%d}\r\n\r\n' % (seq, seq)


class Broadcaster:
    """Sends each batch to every viewer. All calls come from the event loop.

    Args:
        ring: how many batches are kept for those who come back.
        frames: how many batches may wait for one viewer before they are merged, by row, into one.
        viewers: how many may follow at a time.
    """

    def __init__(
        self,
        ring: int = limits.TRIAGE_RING,
        frames: int = limits.TRIAGE_FRAMES,
        viewers: int = limits.TRIAGE_VIEWERS,
    ) -> None:
        self._ring: deque[Batch] = deque(maxlen=ring)
        self._frames, self._most = frames, viewers
        self._viewers: set[Viewer] = set()
        self._closed = False

    @property
    def viewers(self) -> int:
        """How many follow now."""
        return len(self._viewers)

    @property
    def is_full(self) -> bool:
        """Whether one more viewer would be too many."""
        return len(self._viewers) >= self._most

    def send(self, batch: Batch) -> None:
        """Give a batch to all viewers."""
        self._ring.append(batch)
        if self._viewers:
            frame = frame_of(batch)
            for viewer in self._viewers:
                viewer.put(batch, frame)

    def missed(self, seq: int, newest: int) -> Batch | None:
        """What came after batch `seq`, as one batch; None where that is not known any more."""
        if seq == newest:
            return Batch(seq=seq, upsert=[], gone=[], counts=self._ring[-1].counts) if self._ring else None
        kept = [batch for batch in self._ring if batch.seq > seq]
        if not kept or kept[0].seq != seq + 1 or seq > newest:
            return None
        return merge(kept)

    async def follow(self, seq: int | None, newest: int) -> AsyncIterator[bytes]:
        """The events for one browser that has the rows of batch `seq`, until it leaves or `close` is called."""
        viewer = Viewer(self._frames)
        if seq is not None and seq != newest:
            missed = self.missed(seq, newest)
            if missed is None:
                viewer.frames.append(reset_frame(newest))
                viewer.ready.set()
            else:
                viewer.put(missed, frame_of(missed))
        self._viewers.add(viewer)
        try:
            while not self._closed:
                for frame in viewer.drain():
                    yield frame
                await viewer.ready.wait()
        finally:
            self._viewers.discard(viewer)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for viewer in self._viewers:
            viewer.ready.set()


class Viewer:
    """What waits for one browser: at most `most` events, or all of them merged into one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._batches: list[Batch] = []
        self._is_merged = False
        self.frames: list[bytes] = []
        self.ready = asyncio.Event()

    def put(self, batch: Batch, frame: bytes) -> None:
        """Let a batch wait."""
        self._batches.append(batch)
        if self._is_merged or len(self._batches) > self._most:
            self._batches = [merge(self._batches)]
            self._is_merged = True
        else:
            self.frames.append(frame)
        self.ready.set()

    def drain(self) -> Sequence[bytes]:
        """All that waits; what was merged is encoded only now."""
        frames, merged = self.frames, self._batches if self._is_merged else []
        if merged:
            resets = [frame for frame in frames[:1] if b"event: reset" in frame[:40]]
            frames = [*resets, *map(frame_of, merged)]
        self.frames, self._batches, self._is_merged = [], [], False
        self.ready.clear()
        return frames


def merge(batches: Iterable[Batch]) -> Batch:
    """Consecutive batches as one: of each row the last state, the newest counts."""
    rows: dict[str, Row] = {}
    gone: dict[str, None] = {}
    last = None
    for last in batches:
        for key in last.gone:
            rows.pop(key, None)
            gone[key] = None
        for row in last.upsert:
            rows[row.key] = row
            gone.pop(row.key, None)
    if last is None:
        raise ValueError("there is no batch to merge")
    return Batch(seq=last.seq, upsert=list(rows.values()), gone=list(gone), counts=last.counts)
