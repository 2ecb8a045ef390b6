"""The thread that finds alerts and teams: bodies that come at the same time are looked up together.

One body costs Redis two round trips, a hundred at once cost two as well. No other thread touches a resolver.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any

from msgspec import Struct

from stream.sources.decisions import Pending, Resolution
from stream.sources.firing_store import FiringsAway
from stream.sources.parsed import Parsed
from stream.sources.resolve import Resolver

log = logging.getLogger(__name__)
Result = tuple["asyncio.Future[Any] | None", Any, Exception | None]
MOST_ITEMS = 4_000  # that are looked up together


class _Job(Struct, eq=False):
    """A body to resolve, or what is to be confirmed."""

    resolver: Resolver
    done: "asyncio.Future[Any] | None"
    parsed: Parsed | None = None
    pending: Sequence[Pending] = ()

    @property
    def size(self) -> int:
        return len(self.parsed.items) if self.parsed is not None else len(self.pending)


class ResolverThread:
    """Resolves and confirms in a thread of its own; called on the event loop that it was made on.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="resolver", daemon=True)
        self._thread.start()

    async def resolve(self, resolver: Resolver, parsed: Parsed) -> Resolution:
        """What a body says as events, see `Resolver.resolve`."""
        done: asyncio.Future[Resolution] = self._loop.create_future()
        self._jobs.put(_Job(resolver, done, parsed))
        return await done

    def confirm(self, resolver: Resolver, pending: Sequence[Pending]) -> None:
        """Remember what Kafka has, before anything that is resolved later; with no memory now nothing happens."""
        self._jobs.put(_Job(resolver, None, pending=pending))

    def close(self) -> None:
        """End the thread once what was given to it is done."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (jobs := self._take()) is not None:
            results: list[Result] = []
            for resolver in {job.resolver: None for job in jobs}:
                own = [job for job in jobs if job.resolver is resolver]
                self._confirm(resolver, [pending for job in own for pending in job.pending])
                results += self._resolve(resolver, [job for job in own if job.parsed is not None])
            if results:
                self._loop.call_soon_threadsafe(_deliver, results)

    def _take(self) -> list[_Job] | None:
        """All jobs that wait, up to a number of items; None at the end."""
        job = self._jobs.get()
        if job is None:
            return None
        jobs, items = [job], job.size
        while items < MOST_ITEMS and not self._jobs.empty():
            job = self._jobs.get()
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
            items += job.size
        return jobs

    def _resolve(self, resolver: Resolver, jobs: list[_Job]) -> list[Result]:
        if not jobs:
            return []
        bodies = [job.parsed for job in jobs if job.parsed is not None]
        try:
            found = resolver.resolve_all(bodies, self._clock())
        except Exception as error:
            if len(jobs) == 1:
                return [(jobs[0].done, None, error)]
            return [one for job in jobs for one in self._resolve(resolver, [job])]  # it must not harm the others
        return [(job.done, resolution, None) for job, resolution in zip(jobs, found, strict=True)]

    @staticmethod
    def _confirm(resolver: Resolver, pending: list[Pending]) -> None:
        if not pending:
            return
        try:
            resolver.confirm_all(pending)
        except FiringsAway as error:
            log.debug("%s; what was published is published again if it comes again", error)
        except Exception:
            log.critical("what was published could not be remembered", exc_info=True)


def _deliver(results: list[Result]) -> None:
    for done, result, error in results:
        if done is None or done.done():  # its sender left, or its time was over
            continue
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)
