"""Commits of written offsets to Kafka, beside the work; for lag monitors and a lost Redis, as truth is in Redis."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from stream.core.errors import BrokerError
from stream.kafka.records import Part
from stream.lane.source import Source, SourceClosed

log = logging.getLogger(__name__)


class Commits:
    """Offsets to commit, one commit at a time; one that fails is logged, and later offsets make up for it.

    Args:
        away: whether Kafka is known to be away, and another line in the log would say nothing new.
    """

    def __init__(self, away: Callable[[], bool]) -> None:
        self._away = away
        self._waiting: dict[Part, int] = {}
        self._running: asyncio.Task[None] | None = None

    def add(self, offsets: Mapping[Part, int]) -> None:
        """Take in what was written, to be committed with the next commit."""
        self._waiting.update(offsets)

    def start(self, source: Source) -> "asyncio.Task[None] | None":
        """Begin to commit what waits; None where nothing does, or a commit runs."""
        if not self._waiting or (self._running is not None and not self._running.done()):
            return None
        offsets, self._waiting = self._waiting, {}
        self._running = asyncio.create_task(self._commit(source, offsets))
        return self._running

    async def _commit(self, source: Source, offsets: Mapping[Part, int]) -> None:
        assigned = source.assignment()
        chosen = {part: offset for part, offset in offsets.items() if part in assigned}
        if not chosen:
            return
        try:
            await source.commit(chosen)
        except SourceClosed:
            log.debug("offsets were not committed: the consumer is closed")
        except BrokerError as error:
            if not self._away():
                log.warning("offsets were not committed: %s", error)
