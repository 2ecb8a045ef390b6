"""What leaves the closer after a write: decisions and acts to Kafka first, then deeds to the targets.

    submit --> publication, in order --> each target, in order for each alert --> done
                                           `--> alerts.failed, for what is never done

A round is done once Kafka has all its records and every target did its deeds, or has its dead letter in Kafka. What is
not done when the process ends stays in the outbox and is submitted again, so everything here may happen twice, with the
same records and the same ids.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from threading import Condition, Thread
from typing import Protocol

import msgspec

from stream.closer.deed_queue import DeedQueue, Entry, Job, alert_of
from stream.closer.fold import Outgoing
from stream.closer.target_worker import TargetWorker
from stream.closer.targets.target import DeedRefused
from stream.closer.targets.targets_file import Targets, read_targets
from stream.config import Settings
from stream.core.deeds import Deed
from stream.core.errors import BadRecord, NoisegateError
from stream.core.events import encode_event, seconds
from stream.core.records import encode_record
from stream.kafka.clients import producer_settings
from stream.kafka.failed import failed_output
from stream.kafka.publisher import Publisher
from stream.kafka.records import Output, Part
from stream.metrics.closer import CloserMetrics

log = logging.getLogger(__name__)
ROOM = "closer"
FLUSH_SECONDS = 2.0  # without Kafka's acknowledgement; then it counts as away, and is waited for
RETRY_SECONDS = 2.0  # after Kafka refused a publication for good, such as to a topic that is missing
MOST_OUTPUTS = 5_000  # of several rounds that are published at once


class RecordPublisher(Protocol):
    """Publishes records of a partition in order; `Publisher` is one. Used by one thread."""

    def publish(self, outputs: Iterable[Output]) -> None:
        """Hand over records. Raises BrokerError."""

    def flush(self, seconds: float) -> None:
        """Wait until Kafka has all of them. Raises BrokerError."""


class _Round(msgspec.Struct, eq=False):
    """A round that waits for its publication, or a dead letter of one.

    `decided_at` are the times of its decisions but releases, seconds since 1970.
    """

    entry: Entry
    outputs: Sequence[Output]
    deeds: Sequence[Deed] = ()
    decided_at: Sequence[float] = ()


class Dispatcher:
    """Publishes and does what rounds decided, until each is done.

    Args:
        settings: Kafka, topics, and the file of targets.
        metrics: of the room.
        check: whether a pause or a closure may still be done; see `TargetWorker`.
        done: called with the partition and the name of each round that is done, from a thread of the dispatcher's own;
            it must not block.
        targets: in place of those of the file.
        make_publisher: in place of Kafka; called with what tells whether to go on waiting for it.

    Raises:
        SettingsError: the file of targets, or a setting of Kafka's client, can't be used.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: CloserMetrics,
        check: Callable[[Deed], None],
        done: Callable[[Part, str], None],
        *,
        targets: Targets | None = None,
        make_publisher: Callable[[Callable[[], bool]], RecordPublisher] | None = None,
    ) -> None:
        self._topics, self._metrics, self._done = settings.topics, metrics, done
        if targets is None:
            path = settings.closer.targets
            targets = Targets() if path is None else read_targets(path, os.environ)
        self._make_publisher = make_publisher or (lambda is_away: _publisher(settings, metrics, is_away))
        self._publisher: RecordPublisher | None = self._make_publisher(self._is_kafka_away)
        self._workers = [
            TargetWorker(
                target,
                DeedQueue(targets.attempts, targets.give_up_seconds, targets.release_seconds, targets.retry_seconds),
                metrics,
                targets.connections,
                check,
                lambda job: self._end(job.entry),
                self._refuse,
            )
            for target in targets.targets
        ]
        self._changed = Condition()
        self._rounds: deque[_Round] = deque()
        self._entries: dict[tuple[Part, str], Entry] = {}
        self._latest: dict[tuple[str, str], Entry] = {}  # of each alert, the round that holds its latest deed
        self._publishing = self._closing = self._stopping = False
        self._kafka_fault = ""
        self._thread = Thread(target=self._publish_rounds, name="dispatch", daemon=True)

    @property
    def faults(self) -> list[str]:
        """What keeps rounds from being done, a sentence each."""
        found = [self._kafka_fault, *(worker.fault for worker in self._workers)]
        return [fault for fault in found if fault]

    def start(self) -> None:
        """Begin."""
        for worker in self._workers:
            worker.start()
        self._thread.start()

    def submit(self, part: Part, name: str, outgoing: Outgoing) -> None:
        """Take over a round of a partition; never blocks. One that is under way already is not taken again."""
        entry = Entry(part, name)
        since, made_at = outgoing.since, [one.decided_at for one in outgoing.decisions if one.decision != "release"]
        decided_at = [seconds(at) if since is None else since for at in made_at]
        made = _Round(entry, self._outputs_of(outgoing), tuple(outgoing.deeds), decided_at)
        with self._changed:
            if self._closing or (part, name) in self._entries:
                return
            self._entries[part, name] = entry
            self._follow(made)
            self._rounds.append(made)
            self._changed.notify_all()

    def drop(self, parts: Collection[Part]) -> None:
        """Forget the rounds of partitions that another worker has now; a deed that is being done is not broken off."""
        with self._changed:
            for key in [key for key in self._entries if key[0] in parts]:
                entry = self._entries.pop(key)
                entry.dropped = True
                self._forget(entry)
        for worker in self._workers:
            worker.drop(parts)

    def close(self, seconds: float) -> None:
        """Publish what waits and end the deeds that are being done, in so many seconds; what is left is not done."""
        until = time.monotonic() + seconds
        for worker in self._workers:
            worker.stop()
        with self._changed:
            self._closing = True
            while (self._rounds or self._publishing) and self._thread.is_alive() and time.monotonic() < until:
                self._changed.wait(max(until - time.monotonic(), 0.0))
            self._stopping = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join(max(until - time.monotonic(), 0.0))
        if self._thread.is_alive():
            self._thread.join(max(until - time.monotonic(), 0.0) + FLUSH_SECONDS)

    def _outputs_of(self, outgoing: Outgoing) -> list[Output]:
        topics = self._topics
        decisions = [Output(topics.decisions, one.team.encode(), encode_record(one)) for one in outgoing.decisions]
        return [*decisions, *(Output(topics.events, one.team.encode(), encode_event(one)) for one in outgoing.acts)]

    def _publish_rounds(self) -> None:
        while rounds := self._take_rounds():
            wanted = [one for one in rounds if not one.entry.dropped]
            if self._publish([output for one in wanted for output in one.outputs]):
                self._observe(wanted)
                for one in wanted:
                    self._do(one)
            with self._changed:
                self._publishing = False
                self._changed.notify_all()

    def _take_rounds(self) -> list[_Round]:
        """Wait for rounds; none once the dispatcher stops."""
        with self._changed:
            while not self._rounds and not self._stopping:
                self._changed.wait()
            if self._stopping:
                return []
            self._publishing = True
            found, outputs = [self._rounds.popleft()], 0
            while self._rounds and (outputs := outputs + len(found[-1].outputs)) < MOST_OUTPUTS:
                found.append(self._rounds.popleft())
            return found

    def _publish(self, outputs: Sequence[Output]) -> bool:
        """Publish until Kafka has all of them; False where the dispatcher stops before."""
        while not self._stopping:
            try:
                if self._publisher is None:
                    self._publisher = self._make_publisher(self._is_kafka_away)
                if outputs:
                    self._publisher.publish(outputs)
                    self._publisher.flush(FLUSH_SECONDS)
            except NoisegateError as error:
                self._publisher = None  # what it still holds is published anew
                if not self._stopping:
                    self._kafka_fault = str(error)
                    log.warning("decisions are not published: %s", error)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, RETRY_SECONDS)
            else:
                self._kafka_fault = ""
                return True
        return False

    def _is_kafka_away(self) -> bool:
        """Called where Kafka did not acknowledge in time: whether it is waited for."""
        if not self._stopping and not self._kafka_fault:
            self._kafka_fault = f"Kafka has not acknowledged decisions for {FLUSH_SECONDS:g} s"
            log.warning("%s; they wait", self._kafka_fault)
        return not self._stopping

    def _observe(self, rounds: Sequence[_Round]) -> None:
        now = time.time()
        for one in rounds:
            for decided_at in one.decided_at:
                self._metrics.decision_seconds.observe(max(now - decided_at, 0.0))

    def _do(self, one: _Round) -> None:
        """Hand the deeds of a published round to the targets that they concern."""
        with self._changed:
            deeds = self._wanted(one)
            wanted = [(worker, deed) for deed in deeds for worker in self._workers if worker.target.takes(deed)]
            one.entry.left += len(wanted)
        for worker, deed in wanted:
            worker.put(deed, one.entry)
        self._end(one.entry)

    def _wanted(self, one: _Round) -> list[Deed]:
        """Its releases, and what it pauses or closes that was not brought back before Kafka had the round."""
        last = {alert: deed for deed in one.deeds if self._latest.get(alert := alert_of(deed), one.entry) is one.entry}
        return [deed for deed in one.deeds if deed.kind == "release" or last.get(alert_of(deed)) is deed]

    def _refuse(self, job: Job, target: str, error: DeedRefused) -> None:
        """Write the dead letter of a deed; its round is not done before Kafka has it."""
        value = msgspec.json.encode(job.deed)
        where = Part(f"target {target}", -1)
        record = BadRecord(error.reason, str(error))
        key = job.deed.alert.team.encode()
        output = failed_output(self._topics.failed, where, -1, key, value, record, ROOM)
        with self._changed:
            self._rounds.append(_Round(job.entry, [output]))
            self._changed.notify_all()

    def _follow(self, one: _Round) -> None:
        """Have a round wait for those before it that have deeds of the same alerts."""
        entry = one.entry
        for deed in one.deeds:
            alert = alert_of(deed)
            entry.alerts.add(alert)
            before = self._latest.get(alert)
            if before is not None and before is not entry:
                entry.left += 1
                before.followers.append(entry)
            self._latest[alert] = entry

    def _forget(self, entry: Entry) -> None:
        for alert in entry.alerts:
            if self._latest.get(alert) is entry:
                del self._latest[alert]

    def _end(self, ended: Entry) -> None:
        """Count one part of a round as done; what is done then is reported, each round before those that follow it."""
        waiting = [ended]
        while waiting:
            entry = waiting.pop()
            with self._changed:
                entry.left -= 1
                is_done = entry.left == 0 and not entry.dropped
                if is_done:
                    self._entries.pop((entry.part, entry.name), None)
                    self._forget(entry)
            if is_done:
                self._done(entry.part, entry.name)
                waiting += entry.followers


def _publisher(settings: Settings, metrics: CloserMetrics, is_away: Callable[[], bool]) -> Publisher:
    return Publisher(
        producer_settings(settings),
        settings.topics.failed,
        lambda reason: metrics.lane.failed.labels(reason).inc(),
        is_away,
    )
