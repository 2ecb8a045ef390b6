"""The threads that do deeds at one target, so that a target that is dead or slow delays no other."""

import logging
import time
from collections.abc import Callable, Collection
from threading import Thread

from stream.closer.deed_queue import DeedQueue, Entry, Job
from stream.closer.targets.target import DeedRefused, Target, TargetAway
from stream.core.deeds import Deed
from stream.core.errors import RulesError
from stream.core.events import seconds, words_for
from stream.kafka.records import Part
from stream.metrics.closer import RESULT, CloserMetrics

log = logging.getLogger(__name__)
UNJUDGED_SECONDS = 0.5  # until it is asked again whether a deed may be done, where nobody could tell


class TargetWorker:
    """Does deeds at a target, those of one alert one after another.

    Args:
        target: which.
        queue: of its jobs.
        metrics: counts them.
        connections: how many are done at a time.
        check: called before each attempt of a pause or a closure, from a thread of the worker; may not block. Raises
            DeedRefused where rules may not do it any more, and RulesError where nobody can tell at the moment.
        finished: called with each job that needs nothing more; from a thread of the worker or of whoever puts.
        refused: called with each that will never be done, the target's name, and why; from the same threads.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        target: Target,
        queue: DeedQueue,
        metrics: CloserMetrics,
        connections: int,
        check: Callable[[Deed], None],
        finished: Callable[[Job], None],
        refused: Callable[[Job, str, DeedRefused], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.target = target
        self._queue, self._metrics, self._clock = queue, metrics, clock
        self._check, self._finished, self._refused = check, finished, refused
        self._threads = [
            Thread(target=self._work, name=f"target-{target.name}-{number}", daemon=True)
            for number in range(connections)
        ]
        self._fault = ""
        for result in RESULT.values:
            metrics.deeds.labels(target.name, result)

    @property
    def fault(self) -> str | None:
        """Why the target is left alone for a while, in a sentence; None while it is not."""
        return self._fault if self._queue.is_open else None

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def put(self, deed: Deed, entry: Entry) -> None:
        """Have a deed done; never blocks."""
        found = self._queue.put(Job(deed, entry))
        for job in found.needless:
            self._finished(job)
        if found.refused is not None:
            why = DeedRefused(
                "target_queue_full",
                f"{len(self._queue):,} deeds wait for {self.target.name} already",
                "see why it does not answer",
            )
            self._refuse(found.refused, why)

    def drop(self, parts: Collection[Part]) -> None:
        """Forget what waits of these partitions."""
        self._queue.drop(parts)

    def stop(self) -> None:
        """Begin no more deeds."""
        self._queue.close()

    def join(self, timeout: float) -> None:
        """Wait for deeds that are being done, at most so many seconds; then end the connections."""
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))
        self.target.close()

    def _work(self) -> None:
        while (job := self._queue.take()) is not None:
            if job.late:
                self._queue.finish(job, answered=False)
                self._refuse(job, self._given_up(job))
            elif job.entry.dropped or self._is_over(job.deed):
                self._queue.finish(job, answered=False)
                self._finished(job)
            elif (age := self._age(job.deed)) > self._queue.give_up_seconds:
                self._queue.finish(job, answered=False)
                self._refuse(job, DeedRefused("target_away", f"given up: it was decided {words_for(age)} ago"))
            elif self._may_be_done(job):
                self._try(job)

    def _may_be_done(self, job: Job) -> bool:
        """Whether a job may be tried now; else it is ended, or put off while nobody can tell."""
        if job.deed.kind == "release":
            return True
        try:
            self._check(job.deed)
        except DeedRefused as error:
            self._queue.finish(job, answered=False)
            self._refuse(job, error, "held_back")
        except RulesError as error:
            job.unjudged = error.problem
            state = self._queue.postpone(job, UNJUDGED_SECONDS)
            if state == "needless":
                self._finished(job)
            elif state == "given up":
                self._refuse(job, self._given_up(job))
        else:
            job.unjudged = ""
            return True
        return False

    def _try(self, job: Job) -> None:
        job.attempts += 1
        begun = time.monotonic()
        try:
            self.target.do(job.deed)
        except DeedRefused as error:
            self._queue.finish(job)
            self._refuse(job, error)
        except TargetAway as error:
            self._again(job, error)
        except Exception as error:  # a fault of ours: the deed is tried again, given up in the end, and not lost
            log.exception("target %s: a deed failed in a way that nobody foresaw", self.target.name)
            self._again(job, TargetAway(f"{type(error).__name__}: {error}"))
        else:
            self._queue.finish(job)
            self._metrics.deeds.labels(self.target.name, "done").inc()
            self._finished(job)
        finally:
            self._metrics.target_seconds.labels(self.target.name).observe(time.monotonic() - begun)

    def _again(self, job: Job, error: TargetAway) -> None:
        was_open = self._queue.is_open
        self._fault = f"target {self.target.name}: {error}"
        state = self._queue.retry(job, error.retry_seconds)
        if self._queue.is_open and not was_open:
            log.warning("%s; it is left alone for a while", self._fault)
        if state == "again":
            self._metrics.deeds.labels(self.target.name, "again").inc()
        elif state == "needless":
            self._finished(job)
        else:
            self._refuse(job, self._given_up(job))

    def _refuse(self, job: Job, error: DeedRefused, result: str = "refused") -> None:
        self._metrics.deeds.labels(self.target.name, result).inc()
        log.warning(
            "target %s: %s of %s is not done: %s", self.target.name, job.deed.kind, job.deed.alert.alert_id, error
        )
        self._refused(job, self.target.name, error)

    def _given_up(self, job: Job) -> DeedRefused:
        age = words_for(time.monotonic() - job.begun_at)
        if job.unjudged:
            return DeedRefused("rules_unjudged", f"given up after {age}: {job.unjudged}")
        last = self._fault.removeprefix(f"target {self.target.name}: ")
        return DeedRefused("target_away", f"given up after {job.attempts} attempts in {age}: {last}")

    def _age(self, deed: Deed) -> float:
        """Seconds since a pause or a closure was decided: a process that was down begins it late. 0 of a release."""
        return 0.0 if deed.kind == "release" else self._clock() - seconds(deed.decision.decided_at)

    def _is_over(self, deed: Deed) -> bool:
        """Whether what it asks for would have ended by now; its release is on its way."""
        until = deed.decision.until
        return deed.kind != "release" and until is not None and seconds(until) <= self._clock()
