"""Read what a round of batches will touch, and hold every partition's meta against the one we know."""

from collections.abc import Mapping
from itertools import takewhile

from stream.core.errors import FenceConflict
from stream.kafka.records import Part
from stream.scorer.decode import Decoded
from stream.scorer.history import History, Wanted
from stream.scorer.partition import TIMERS_WINDOW, Partition, Touched


def read_states(
    history: History, partitions: Mapping[Part, Partition], decoded: Mapping[Part, Decoded]
) -> dict[Part, Touched]:
    """Bring into each partition all states that its batch will touch; returns what it may touch.

    One round trip where all ledger entries are in memory, else two: an entry's levels are known once it is read.

    Raises:
        FenceConflict: somebody else has written a partition since we did; nothing may be published.
        HistoryAway: the history can't be read.
        HistoryDamaged: what is there is no history.
    """
    touched = {part: Touched() for part in decoded}
    first = {}
    for part, batch in decoded.items():
        entries = partitions[part].entries_for(batch)
        levels = partitions[part].levels_for(batch, touched[part])
        first[part] = Wanted(partitions[part].meta.generation, levels, entries)
    _learn(history, partitions, first)
    second = {}
    for part in decoded:
        levels = partitions[part].levels_of_entries(first[part].entries, touched[part])
        if levels:
            second[part] = Wanted(partitions[part].meta.generation, levels)
    if second:
        _learn(history, partitions, second)
    return touched


def bounded(history: History, partition: Partition, decoded: Decoded, most_levels: int, most_timers: int) -> Decoded:
    """As much of a batch as makes at most `most_timers` of the partition's timers fire: its first records, or none.

    After a long stop one record's time may fire hundreds of thousands. Then the first of them are folded without it,
    and the record again waits its turn: see `Decoded.timers`. The partition then knows what is due in the
    batch, and has let go of level states beyond about `most_levels`.

    Raises:
        HistoryAway: the history can't be read.
    """
    partition.rotate(most_levels)
    widen(history, partition, decoded.latest, most_timers)
    timers = partition.fold.timers
    if timers.count_before(decoded.latest) <= most_timers:
        return decoded
    excess = timers.nth(most_timers)[0]  # an event later than this would fire more
    events = list(takewhile(lambda event: event[1] <= excess, decoded.events))
    following = decoded.events[len(events)][2].offset
    failed = [(record, error) for record, error in decoded.failed if record.offset < following]
    if events or failed:
        latest = max((at for _, at, _ in events), default=float("-inf"))
        return Decoded(events, failed, latest)
    return Decoded(latest=decoded.events[0][1], timers=most_timers, fired_by=following)


def widen(history: History, partition: Partition, latest: float, most: int) -> None:
    """Read on what is due, until the partition knows all that is due before `latest`, or more than `most` of it."""
    timers = partition.fold.timers
    while latest > timers.until and timers.count_before(latest) <= most:
        start, generation = partition.fold.timers.until, partition.meta.generation
        partition.widen(*history.timers(partition.part, generation, start, TIMERS_WINDOW))


def _learn(history: History, partitions: Mapping[Part, Partition], wanted: Mapping[Part, Wanted]) -> None:
    found = history.read(wanted)
    for part, want in wanted.items():
        if not partitions[part].fence_holds(found[part].meta):
            raise FenceConflict(part.topic, part.partition)
        partitions[part].learn(want, found[part])
