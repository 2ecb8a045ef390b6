"""A sample of the newest records of the events topic."""

import math
import time
from collections.abc import Iterator

from confluent_kafka import Message

from stream.config import Settings
from stream.core.errors import BadRecord
from stream.core.events import Event, decode_event
from stream.kafka.reader import Reader

SAMPLED = 500  # records of each partition
SAMPLE_SECONDS = 10.0


def open_sample(settings: Settings) -> Reader:
    """A reader that begins at the newest records, or at the first ones where the broker can't give the log's end."""
    return Reader(settings, [settings.topics.events], SAMPLED if settings.kafka.end_offsets else None)


def sample_events(reader: Reader, sampled: int | None = SAMPLED) -> Iterator[tuple[Event, Message]]:
    """The events of a sample with their records; bad records are left out. `sampled` None: all there is time for."""
    deadline, read = time.monotonic() + SAMPLE_SECONDS, 0
    most = math.inf if sampled is None else sampled * sum(reader.partitions.values())
    while not reader.at_end and read < most and time.monotonic() < deadline:
        found = reader.read(0.05, SAMPLED)
        read += len(found)
        for message in found:
            try:
                yield decode_event(message.value() or b""), message
            except BadRecord:
                continue
