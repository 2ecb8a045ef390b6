"""The partition of a team's records, as librdkafka's and Java's partitioners compute it."""

from collections.abc import Callable
from zlib import crc32

from aiokafka.partitioner import murmur2


def partition_chooser(partitioner: str, partitions: int) -> Callable[[str], int]:
    """A function from a team to its partition, as librdkafka's partitioner of that name computes it.

    `partitioner` is the setting of that name; `partitions` is how many the topic has.
    """
    if partitioner.startswith("murmur2"):
        return lambda team: int(murmur2(team.encode()) & 0x7FFFFFFF) % partitions
    return lambda team: crc32(team.encode()) % partitions
