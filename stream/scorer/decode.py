"""Records into events; what can't be folded is kept with its reason."""

from collections.abc import Callable

from msgspec import Struct, field

from stream.core.errors import BadRecord
from stream.core.events import Event, Tick, decode_event, event_time, seconds
from stream.core.partitions import TeamPartitions
from stream.kafka.records import Record
from stream.lane.batch import Batch

_OFFSET_BITS = 47  # with 15 bits of partition a signed 64-bit number


class Decoded(Struct):
    """A batch's records that can be folded, and those that can't; or a step of time alone.

    `latest` is the latest time of the events. Where `timers` is given there are no records: so many of what is due
    before `latest` are to be folded, and `fired_by` is the offset of the record whose time that is.
    """

    events: list[tuple[Event, float, Record]] = field(default_factory=list)  # event, its time, where it stands
    failed: list[tuple[Record, BadRecord]] = field(default_factory=list)
    latest: float = float("-inf")
    timers: int | None = None
    fired_by: int = -1
    ticks: list[tuple[float, float]] = field(default_factory=list)  # their `at` as written, and record timestamp


class Decoder:
    """Decodes, checks times, and holds each team to its partition.

    Args:
        choose: the partition of a team, see `stream.kafka.partitioner.partition_chooser`.
        anywhere: a team's records may lie in any partition, as in the log of a topic that grew.
    """

    def __init__(self, choose: Callable[[str], int], anywhere: bool = False) -> None:
        self.teams = TeamPartitions(choose)
        self._anywhere = anywhere

    def decode(self, batch: Batch) -> Decoded:
        """Decode one batch."""
        decoded = Decoded()
        events, partition, anywhere = decoded.events, batch.part.partition, self._anywhere
        for record in batch.records:
            try:
                event = decode_event(record.value or b"")
                if isinstance(event, Tick):
                    decoded.ticks.append((seconds(event.at), record.timestamp / 1000.0))
                at = event_time(event, record.timestamp / 1000.0)
                if not anywhere:
                    self.teams.check(event, partition)
            except BadRecord as error:
                decoded.failed.append((record, error))
                continue
            if at > decoded.latest:
                decoded.latest = at
            events.append((event, at, record))
        return decoded


def foreign_offset(partition: int, offset: int) -> int:
    """How a partition's history names a record that lies in another partition, as after its topic grew.

    >>> whereabouts(foreign_offset(3, 1042), 5)
    (3, 1042)
    """
    return -2 - (partition << _OFFSET_BITS | offset)


def whereabouts(offset: int, partition: int) -> tuple[int, int]:
    """Partition and offset of a record that the history of `partition` names by `offset`.

    >>> whereabouts(1042, 5)
    (5, 1042)
    """
    if offset >= -1:
        return partition, offset
    code = -2 - offset
    return code >> _OFFSET_BITS, code & (1 << _OFFSET_BITS) - 1
