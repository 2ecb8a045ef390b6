"""Deeds that wait for one target: in order for each alert, tried again with back-off, and never without bound."""

import heapq
import random
import time
from collections.abc import Callable, Collection
from threading import Condition
from typing import Literal

from msgspec import Struct, field

from stream.core.deeds import Deed
from stream.core.events import seconds
from stream.kafka.records import Part

RETRY_SECONDS, MOST_RETRY_SECONDS = 0.5, 60.0
FAILURES_TO_OPEN = 5
"""After so many failures in a row a target is left alone for a while, and then tried by one deed at a time."""
MOST_WAITING = 10_000
_STALE = 256


class Entry(Struct, eq=False):
    """A round that was submitted.

    Attributes:
        part, name: of the partition, and of the round in it.
        left: what has to be done before it is done: its publication, each deed at each target, and each earlier round
            that has deeds of the same alerts, so that what is left after a crash ends with each alert's latest deed.
        alerts: those of its deeds.
        followers: later rounds that wait for it.
        dropped: whether nobody waits for it any more.
    """

    part: Part
    name: str
    left: int = 1
    alerts: set[tuple[str, str]] = field(default_factory=set)
    followers: list["Entry"] = field(default_factory=list)
    dropped: bool = False


class Job(Struct, eq=False):
    """A deed for one target. Times in seconds of the queue's clock.

    `unjudged` is why nobody could tell whether it may be done, when it was about to begin; empty where somebody could.
    """

    deed: Deed
    entry: Entry
    attempts: int = 0
    begun_at: float = 0.0
    due_at: float = 0.0
    late: bool = False
    unjudged: str = ""

    @property
    def alert(self) -> tuple[str, str]:
        """Team and id of its alert."""
        return alert_of(self.deed)


class Replaced(Struct):
    """What a job that is put makes needless: jobs that a later deed stands for, and one that found no room."""

    needless: list[Job] = field(default_factory=list)
    refused: Job | None = None


class DeedQueue:
    """The jobs of one target; every method may be called from any thread.

    Of one alert at most one job is running and one waits: the latest deed stands for those before it, so a release
    never overtakes its pause, and a pause that was not tried yet is not done any more. A release is always done: the
    process before this one may have paused.

    Args:
        attempts: how often a pause or a closure is tried.
        give_up_seconds: how long.
        release_seconds: how long a release is tried, however often: what it is not done for stays hidden from people.
        retry_seconds: after how long it is tried again at first; twice as long after each attempt, up to a minute.
        most_waiting: jobs that wait; beyond it pauses and closures are refused, and releases take their places. No
            release is refused for it: its alert would stay hidden.
        clock: monotonic seconds.
        chance: between 0 and 1, for the jitter.

    Attributes:
        give_up_seconds: as above.
    """

    def __init__(
        self,
        attempts: int,
        give_up_seconds: float,
        release_seconds: float,
        retry_seconds: float = RETRY_SECONDS,
        most_waiting: int = MOST_WAITING,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._attempts, self._most = attempts, most_waiting
        self.give_up_seconds, self._release_seconds = give_up_seconds, release_seconds
        self._retry_seconds = retry_seconds
        self._clock, self._chance = clock, chance
        self._changed = Condition()
        self._waiting: dict[tuple[str, str], Job] = {}
        self._running: dict[tuple[str, str], Job] = {}
        self._due: list[tuple[float, int, Job]] = []
        self._ends: list[tuple[float, int, Job]] = []
        self._number = 0
        self._failures, self._open_until = 0, 0.0
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    @property
    def is_open(self) -> bool:
        """Whether the target fails, so that it is left alone for a while."""
        return self._failures >= FAILURES_TO_OPEN

    def put(self, job: Job) -> Replaced:
        """Add a job; returns what need not be done any more."""
        with self._changed:
            for other in (self._running.get(job.alert), self._waiting.get(job.alert)):
                if other is not None and not other.entry.dropped and _decided(job) < _decided(other):
                    return Replaced(needless=[job])
            before = self._waiting.get(job.alert)
            found = Replaced(needless=[] if before is None else [before])
            if before is None and len(self._waiting) >= self._most:
                found.refused = self._make_room(job)
                if found.refused is job:
                    return found
            job.begun_at = job.due_at = self._clock()
            self._waiting[job.alert] = job
            self._push(self._ends, self._end_of(job), job)
            self._push(self._due, job.due_at, job)
            self._changed.notify()
            return found

    def take(self) -> Job | None:
        """Wait for the next job and begin it; None once the queue is closed. One that is `late` is to be given up."""
        with self._changed:
            while not self._closed:
                job = self.poll()
                if job is not None:
                    return job
                self._changed.wait(self._wait_seconds(self._clock()))
            return None

    def poll(self) -> Job | None:
        """Begin the next job; None where none may begin now."""
        with self._changed:
            job = self._next(self._clock())
            if job is not None:
                self._running[job.alert] = job
            return job

    def finish(self, job: Job, answered: bool = True) -> None:
        """End a job for good; `answered`: the target was reached."""
        with self._changed:
            if answered:
                self._failures, self._open_until = 0, 0.0
            self._end(job)

    def retry(self, job: Job, retry_seconds: float | None) -> Literal["again", "needless", "given up"]:
        """End a job that failed for now.

        Args:
            job: which was taken.
            retry_seconds: how long the target asked to be left alone.

        Returns:
            `needless` where a later deed of its alert waits; `given up` where it was tried enough.
        """
        with self._changed:
            now = self._clock()
            self._failures += 1
            if self._failures >= FAILURES_TO_OPEN:
                self._open_until = max(self._open_until, now + self._pause(self._failures - FAILURES_TO_OPEN + 1))
            if retry_seconds:
                self._open_until = max(self._open_until, now + retry_seconds)
            pause = self._pause(job.attempts - 1) * (0.5 + self._chance() / 2.0)
            tried_enough = job.deed.kind != "release" and job.attempts >= self._attempts
            return self._put_back(job, now, max(pause, retry_seconds or 0.0), tried_enough)

    def postpone(self, job: Job, seconds: float) -> Literal["again", "needless", "given up"]:
        """End a job that could not be tried yet, for so long; returns as `retry`, and is no failure of the target."""
        with self._changed:
            return self._put_back(job, self._clock(), seconds)

    def drop(self, parts: Collection[Part]) -> None:
        """Forget what waits of these partitions."""
        with self._changed:
            for alert in [alert for alert, job in self._waiting.items() if job.entry.part in parts]:
                del self._waiting[alert]

    def close(self) -> None:
        """Let every `take` return."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _put_back(
        self, job: Job, now: float, seconds: float, tried_enough: bool = False
    ) -> Literal["again", "needless", "given up"]:
        self._end(job)
        if job.entry.dropped or job.alert in self._waiting:
            return "needless"
        if tried_enough or now >= self._end_of(job):
            return "given up"
        job.due_at = now + seconds
        self._waiting[job.alert] = job
        self._push(self._due, job.due_at, job)
        self._push(self._ends, self._end_of(job), job)
        self._changed.notify()
        return "again"

    def _pause(self, doublings: int) -> float:
        return min(self._retry_seconds * 2.0 ** min(doublings, 20), MOST_RETRY_SECONDS)

    def _end_of(self, job: Job) -> float:
        """When it is given up."""
        return job.begun_at + (self._release_seconds if job.deed.kind == "release" else self.give_up_seconds)

    def _make_room(self, job: Job) -> Job | None:
        """The job that is refused: this one, or for a release another that is none, if there is one."""
        if job.deed.kind != "release":
            return job
        found = next((one for one in self._waiting.values() if one.deed.kind != "release"), None)
        if found is not None:
            del self._waiting[found.alert]
        return found

    def _next(self, now: float) -> Job | None:
        while self._ends and self._ends[0][0] <= now:
            job = heapq.heappop(self._ends)[2]
            if self._is_waiting(job):
                job.late = True
                del self._waiting[job.alert]
                return job
        if now < self._open_until or (self.is_open and self._running):
            return None
        while self._due and self._due[0][0] <= now:
            job = heapq.heappop(self._due)[2]
            if self._is_waiting(job) and job.due_at <= now:
                del self._waiting[job.alert]
                return job
        return None

    def _is_waiting(self, job: Job) -> bool:
        """Whether it may begin: nothing stands for it, and no other of its alert is running (whose end pushes it)."""
        return self._waiting.get(job.alert) is job and job.alert not in self._running

    def _wait_seconds(self, now: float) -> float | None:
        """How long nothing can begin unless something changes; None: for ever."""
        times = [heap[0][0] for heap in (self._ends,) if heap]
        if self._due and not (self.is_open and self._running):
            times.append(max(self._due[0][0], self._open_until))
        return max(min(times) - now, 0.0) if times else None

    def _end(self, job: Job) -> None:
        if self._running.get(job.alert) is job:
            del self._running[job.alert]
        following = self._waiting.get(job.alert)
        if following is not None:
            self._push(self._due, following.due_at, following)
            self._push(self._ends, self._end_of(following), following)
        self._changed.notify_all()

    def _push(self, heap: list[tuple[float, int, Job]], at: float, job: Job) -> None:
        if len(heap) > _STALE + 4 * len(self._waiting):  # most of it is of jobs that are done
            heap[:] = [one for one in heap if self._waiting.get(one[2].alert) is one[2]]
            heapq.heapify(heap)
        self._number += 1
        heapq.heappush(heap, (at, self._number, job))


def alert_of(deed: Deed) -> tuple[str, str]:
    """Team and id of a deed's alert."""
    return deed.alert.team, deed.alert.alert_id


def _decided(job: Job) -> float:
    return seconds(job.deed.decision.decided_at)
