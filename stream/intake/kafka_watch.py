"""Asks Kafka every few seconds, from a thread of its own, whether it is there and has the topics."""

import logging
from threading import Event, Thread
from typing import Protocol

from stream.core.errors import BrokerError
from stream.metrics.intake import IntakeMetrics

log = logging.getLogger(__name__)
ANSWER_SECONDS = 3.0
FIRST = "Kafka was not asked yet"


class Administration(Protocol):
    """What is asked of Kafka; `Topics` is one. Raises BrokerError."""

    def require(self, *roles: str) -> dict[str, int]:
        """Partition counts of the topics of these roles, all of which must exist."""
        ...


class KafkaWatch:
    """Watches Kafka while an intake runs.

    Args:
        kafka: answers within seconds.
        metrics: its `kafka_up` is set.
        every: seconds between two looks.

    Attributes:
        fault: what is wrong, in one sentence; empty while all is well.
    """

    def __init__(self, kafka: Administration, metrics: IntakeMetrics, every: float) -> None:
        self._kafka, self._up, self._every = kafka, metrics.kafka_up, every
        self.fault = FIRST
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="kafka-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()

    def look(self) -> None:
        """Ask once; a change is logged."""
        before = self.fault
        try:
            self._kafka.require("events", "failed")
        except BrokerError as error:
            self.fault = str(error)
            self._up.set(0)
            if before in ("", FIRST):
                log.error("%s; posts are answered 503 until it is mended", self.fault)
            return
        self.fault = ""
        self._up.set(1)
        if before not in ("", FIRST):
            log.warning("Kafka is back")

    def _watch(self) -> None:
        self.look()
        while not self._stop.wait(self._every):
            self.look()
