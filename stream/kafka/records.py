"""Records on their way in and out: where they lie, what a room reads of them, and what it publishes."""

from typing import NamedTuple, Protocol


class Part(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        """As people write it: alerts.events/3."""
        return f"{self.topic}/{self.partition}"


class Record(Protocol):
    """What a room reads of a Kafka record; aiokafka's ConsumerRecord is one. `timestamp` is in milliseconds."""

    @property
    def offset(self) -> int: ...  # noqa: D102 - said above
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102


class Output(NamedTuple):
    """One record to publish. A `key` is partitioned by the setting `partitioner`, unless `partition` is given."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]] | None = None
    partition: int | None = None
