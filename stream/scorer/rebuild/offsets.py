"""The offsets between which a rebuild folds: where each partition begins and ends, and what was published of it."""

import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from confluent_kafka import KafkaException, TopicPartition

from stream.config import Settings
from stream.kafka.clients import answered
from stream.scorer.history import Meta
from stream.scorer.rebuild.merge import Source

_ANSWER_SECONDS = 10.0
_COMMIT_SECONDS = 10.0


class LogOffsets:
    """The offsets of every partition of `alerts.events`, as they were when this was made.

    Args:
        consumer: reads the topic; its group is the deployment.
        settings: the topic, and where a new deployment starts.
        topic_id: the topic as it is now.
        partitions: how many it has.

    Attributes:
        begins: the first offset that there is of each partition.
        ends: the offset after the last record; `sys.maxsize` where the broker can't be trusted with it.
        committed: the group's offsets, where they say something of the topic as it is now.
    """

    def __init__(self, consumer: Source, settings: Settings, topic_id: str, partitions: int) -> None:
        self._consumer, self._settings, self._topic_id = consumer, settings, topic_id
        self._topic = settings.topics.events
        self.begins: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        for number in range(partitions):
            tp = TopicPartition(self._topic, number)
            self.begins[number], end = consumer.get_watermark_offsets(tp, timeout=_ANSWER_SECONDS)
            self.ends[number] = end if settings.kafka.end_offsets else sys.maxsize
        parts = [TopicPartition(self._topic, number) for number in self.begins]
        known = answered(consumer.committed(parts, timeout=_ANSWER_SECONDS))
        committed = {tp.partition: int(tp.offset) for tp in known}
        self.committed = {
            number: offset for number, offset in committed.items() if self.begins[number] <= offset <= self.ends[number]
        }

    def is_of_topic(self, meta: Meta) -> bool:
        """Whether a meta was written of the topic as it is now, not of one of that name before it."""
        return meta.topic_id == self._topic_id

    def is_usable(self, number: int, meta: Meta) -> bool:
        """Whether a meta's offset says something of the topic as it is now."""
        return self.is_of_topic(meta) and self.begins[number] <= meta.offset <= self.ends[number]

    def published(self, number: int, meta: Meta | None) -> int:
        """The offset before which everything of a partition was published, by its meta and what was committed."""
        begin = self.begins[number]
        if meta is not None and self.is_usable(number, meta):
            return max(meta.offset, self.committed.get(number, begin))
        if (
            number not in self.committed
            and self._settings.lane.start_from == "latest"
            and self.ends[number] < sys.maxsize
        ):
            return self.ends[number]  # a worker would begin there, so the old log is history, and no news
        return self.committed.get(number, begin)

    def commit(self, positions: Mapping[int, int]) -> bool:
        """Commit where workers go on, so that, should Redis be lost, nothing before it is published again.

        False: workers that are in the group kept it from that; they commit with their next records.
        """
        offsets = [
            TopicPartition(self._topic, number, position)
            for number, position in positions.items()
            if position > self.committed.get(number, -1)
        ]
        deadline = time.monotonic() + _COMMIT_SECONDS
        while offsets:
            with suppress(KafkaException):  # the group is not empty: a worker looks whether it may run again
                self._consumer.commit(offsets=offsets, asynchronous=False)
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True
