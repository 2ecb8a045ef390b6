"""Whether a topic holds records of teams that belong to other partitions now, as one that grew does."""

import time

from stream.config import Settings
from stream.core.errors import BadRecord, HistoryRefused
from stream.core.events import Tick, decode_event
from stream.kafka.partitioner import partition_chooser
from stream.kafka.reader import Reader
from stream.kafka.records import Part
from stream.lane.topic_identity import REBUILD

_SAMPLED = 500  # of the first records of each partition
_SECONDS = 10.0


def strays_sentence(part: Part, offset: int) -> str:
    """What is wrong with a partition whose log is to be folded again, though it holds other partitions' teams."""
    return (
        f"{part} holds records of teams that belong to other partitions now, such as the one at offset {offset}: the"
        f" topic grew, or they were misrouted; {REBUILD}"
    )


def refuse_moved_teams(settings: Settings) -> None:
    """Look at the first records of every partition, before histories that were lost are folded again one by one.

    A worker whose own partitions hold none of a team's old records can't see by them that the team has moved.

    Raises:
        HistoryRefused: a record lies in another partition than its team's.
        BrokerError: Kafka can't be read.
    """
    with Reader(settings, [settings.topics.events]) as reader:
        count = reader.partitions[settings.topics.events]
        choose = partition_chooser(settings.kafka.partitioner, count)
        deadline, read = time.monotonic() + _SECONDS, [0] * count
        while not reader.at_end and min(read) < _SAMPLED and time.monotonic() < deadline:
            for message in reader.read(0.2):
                number = message.partition() or 0
                read[number] += 1
                try:
                    event = decode_event(message.value() or b"")
                except BadRecord:
                    continue
                if not isinstance(event, Tick) and choose(event.team) != number:
                    raise HistoryRefused(strays_sentence(Part(settings.topics.events, number), message.offset() or 0))
