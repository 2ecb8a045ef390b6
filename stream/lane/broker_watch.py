"""Asks Kafka every few seconds, from a thread of its own, whether it is there and the topics are what they were."""

import logging
import time
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Protocol

from stream.config import Settings
from stream.core.errors import BrokerError, HistoryRefused, KafkaAway, NoisegateError, TopicMissing
from stream.kafka.topics import TopicFacts, Topics
from stream.lane.outage import Outage
from stream.lane.topic_identity import TopicIdentity, gone
from stream.logs import LIBRARY_MESSAGES
from stream.metrics.lane import LaneMetrics

log = logging.getLogger(__name__)
ANSWER_SECONDS = 3.0
"""Kafka has so long for one answer."""
UNASSIGNED_SECONDS = 60.0
"""A worker without a partition says so after this time, unless the group has more members than there are partitions."""
_RETRY_SECONDS = 0.5  # after a question without an answer
_MISSING = 2  # answers running without the topic: it is gone, and no broker that just came up is behind


class Administration(Protocol):
    """What is asked of Kafka; `stream.kafka.topics.Topics` is one. Every call raises BrokerError."""

    def facts(self, topic: str) -> TopicFacts:
        """What identifies the topic now."""

    def members(self, group: str) -> int:
        """How many members the group has now."""


class BrokerWatch:
    """Looks at Kafka while a worker runs.

    Args:
        kafka: answers within `ANSWER_SECONDS`.
        group: the worker's consumer group.
        identity: the worker's topics, and what they are held against.
        outage: is told of every answer and of every one that does not come.
        partitions: how many the worker has; None before it could have any.
        refuse: ends the worker, with a sentence that says why; called once, from the watch's thread.
        every: seconds between two looks.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        kafka: Administration,
        group: str,
        identity: TopicIdentity,
        outage: Outage,
        partitions: Callable[[], int | None],
        refuse: Callable[[NoisegateError], None],
        every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka = kafka
        self._group = group
        self._identity = identity
        self._outage = outage
        self._partitions = partitions
        self._refuse = refuse
        self._every = every
        self._clock = clock
        self._missing: dict[str, int] = {}
        self._unassigned_since: float | None = None
        self._unassigned: str | None = None
        self._errors: dict[str, str | None] = {}
        self._stop = Event()
        self._thread = Thread(target=self._run, name="broker-watch", daemon=True)

    @classmethod
    def of(
        cls,
        settings: Settings,
        group: str,
        identity: TopicIdentity,
        metrics: LaneMetrics,
        partitions: Callable[[], int | None],
        refuse: Callable[[NoisegateError], None],
    ) -> "BrokerWatch":
        """The watch of a worker by its settings; not started."""
        outage = Outage(settings.kafka.bootstrap_servers, metrics.kafka_up, LIBRARY_MESSAGES)
        kafka = Topics(settings, ANSWER_SECONDS)
        return cls(kafka, group, identity, outage, partitions, refuse, settings.lane.topic_check_seconds)

    @property
    def away(self) -> bool:
        """Whether Kafka is known to be away."""
        return self._outage.away

    @property
    def up_since(self) -> float:
        """When Kafka was last found to be back, on the watch's clock; its start where it was never away."""
        return self._outage.up_since

    @property
    def faults(self) -> list[str]:
        """Why no alert can come, one sentence each."""
        return [fault for fault in (self._outage.fault, self._unassigned) if fault is not None]

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def look(self) -> bool:
        """Ask once; whether Kafka answered.

        Raises:
            HistoryRefused: a topic is not what it was.
        """
        try:
            facts = {topic: self._ask(topic) for topic in self._identity.topics}
        except KafkaAway:
            self._outage.failed()
            return False
        self._outage.answered()
        known = {topic: found for topic, found in facts.items() if found is not None}
        for topic, found in known.items():
            self._identity.hold(topic, found)
        if known and len(known) == len(facts):
            self._look_at_assignment({topic: found.partitions for topic, found in known.items()})
        return True

    def check_now(self) -> None:
        """Hold the topics against what they were at this moment; callable from any thread, waits for Kafka's answer.

        Raises:
            HistoryRefused: a topic is not what it was.
            BrokerError: Kafka does not answer, so nobody knows.
        """
        for topic in self._identity.topics:
            self._identity.hold(topic, self._kafka.facts(topic))

    def _run(self) -> None:
        answered = True
        while not self._stop.wait(self._every if answered else _RETRY_SECONDS):
            try:
                answered = self.look()
            except HistoryRefused as error:
                self._refuse(error)
                return
            except Exception:  # a bug, but what it watches goes on
                log.exception("checking Kafka failed")

    def _ask(self, topic: str) -> TopicFacts | None:
        """The topic's facts; None where Kafka answers otherwise, which the log tells."""
        try:
            facts = self._kafka.facts(topic)
        except KafkaAway:
            raise
        except TopicMissing:
            self._missing[topic] = self._missing.get(topic, 0) + 1
            if self._missing[topic] >= _MISSING:
                raise gone(topic) from None
            return None
        except BrokerError as error:
            self._announce(topic, str(error))
            return None
        self._missing[topic] = 0
        self._announce(topic, None)
        return facts

    def _announce(self, topic: str, error: str | None) -> None:
        if error is not None and error != self._errors.get(topic):
            log.warning("%s; can't check whether %s has changed", error, topic)
        self._errors[topic] = error

    def _look_at_assignment(self, partitions: Mapping[str, int]) -> None:
        if self._partitions() != 0:
            self._unassigned_since = self._unassigned = None
            return
        now = self._clock()
        since = self._unassigned_since = now if self._unassigned_since is None else self._unassigned_since
        if now - since < UNASSIGNED_SECONDS:
            return
        topic, count = max(partitions.items(), key=lambda item: item[1])  # as many workers have a partition each
        try:
            members = self._kafka.members(self._group)
        except BrokerError as error:
            self._announce(topic, str(error))
            return
        self._unassigned_since = now  # asked again after as long
        was, self._unassigned = self._unassigned, None
        if members <= count:
            self._unassigned = (
                f"this worker has no partition, though {topic} has {count} and the group"
                f" {self._group} {members} members; restart the group's workers"
            )
            if was is None:
                log.error("%s", self._unassigned)
