"""Read what a round of batches will touch, and hold every partition's meta against the one we know."""

from collections.abc import Mapping

from stream.core.errors import FenceConflict
from stream.lane.batch import Part
from stream.scorer.decode import Decoded
from stream.scorer.history import History, Wanted
from stream.scorer.partition import DUES_WINDOW, Partition, Touched


def read_states(
    history: History, partitions: Mapping[Part, Partition], decoded: Mapping[Part, Decoded], most: int
) -> dict[Part, Touched]:
    """Bring into each partition all states that its batch will touch; returns what it may touch.

    One round trip where all ledger entries are in memory, else two: an entry's levels are known once it is read.
    Each partition keeps at most about `most` level states.

    Raises:
        FenceConflict: somebody else has written a partition since we did; nothing may be published.
        HistoryAway: the history can't be read.
        HistoryDamaged: what is there is no history.
    """
    touched = {part: Touched() for part in decoded}
    for part, batch in decoded.items():
        partitions[part].rotate(most)
        widen(history, partitions[part], batch.latest)
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


def widen(history: History, partition: Partition, latest: float) -> None:
    """Read on what is due, until the partition knows all that is due before `latest`."""
    while latest > partition.fold.dues.until:
        start, generation = partition.fold.dues.until, partition.meta.generation
        partition.widen(*history.dues(partition.part, generation, start, DUES_WINDOW))


def _learn(history: History, partitions: Mapping[Part, Partition], wanted: Mapping[Part, Wanted]) -> None:
    found = history.read(wanted)
    for part, want in wanted.items():
        if not partitions[part].stands_at(found[part].meta):
            raise FenceConflict(part.topic, part.partition)
        partitions[part].learn(want, found[part])
