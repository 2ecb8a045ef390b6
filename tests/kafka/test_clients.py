"""Answers of Kafka that are answers for some partitions only."""

from typing import NamedTuple

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream.kafka.clients import answered


class Answered(NamedTuple):
    """A partition as an answer holds it; librdkafka alone can make one with an error."""

    topic: str
    partition: int
    offset: int
    error: KafkaError | None = None


def test_a_partition_without_an_answer_is_no_offset() -> None:
    """One that has no leader yet would read as the end of its log, and records would be passed over."""
    first = Answered("alerts.events", 0, 7)
    assert answered([first]) == [first]
    leaderless = Answered("alerts.events", 1, -1001, KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
    with pytest.raises(KafkaException, match="LEADER_NOT_AVAILABLE"):
        answered([first, leaderless])
